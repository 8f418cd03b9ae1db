//! How far event time has come in one partition of telemetry, as the router sees it: what it tells to all parts of the
//! regions, also those to which none of the partition's lines go.

use super::by_region::PartitionProgress;
use crate::engine::progress::Leaders;
use crate::model::node::{NodeIx, Registry};

/// Lines far ahead that are told one by one, at most; what is beyond is told when it comes again.
const MAX_FAR: usize = 256;

/// What was heard in a partition.
#[derive(Debug, Default)]
pub struct Heard {
    /// The newest times of two nodes: what lies far beyond is not to hide what others have reached.
    leaders: Leaders,
    /// The same since it was last told, and what lies far beyond.
    since: Leaders,
    far: Vec<(NodeIx, i64)>,
    /// The oldest time, until it is told.
    oldest: Option<(NodeIx, i64)>,
    oldest_is_told: bool,
    newest_ns: Option<i64>,
    told_ns: Option<i64>,
    next_offset: i64,
    ended: bool,
    quiet: bool,
    is_news: bool,
}

impl Heard {
    /// Notes a line. `max_future_ns`: beyond the others by more is far.
    pub fn note(&mut self, node: NodeIx, time_ns: i64, max_future_ns: i64) {
        self.is_news = true;
        if !self.oldest_is_told && self.oldest.is_none_or(|(_, oldest_ns)| time_ns < oldest_ns) {
            self.oldest = Some((node, time_ns));
        }
        let is_far =
            self.leaders.agreed_ns().is_some_and(|agreed_ns| time_ns > agreed_ns.saturating_add(max_future_ns));
        self.leaders.note(time_ns, node);
        if !is_far {
            self.since.note(time_ns, node);
            self.newest_ns = self.newest_ns.max(Some(time_ns));
        } else if self.far.len() < MAX_FAR {
            self.far.push((node, time_ns));
        }
    }

    /// Notes that all before that offset has been read, and that more may come.
    pub fn read(&mut self, next_offset: i64) {
        self.next_offset = next_offset;
        (self.ended, self.quiet, self.is_news) = (false, false, true);
    }

    /// The same for records without a line that moves event time.
    pub fn read_at_least(&mut self, next_offset: i64) {
        if next_offset > self.next_offset {
            self.read(next_offset);
        }
    }

    /// Notes whether all there is has been read.
    pub fn set_ended(&mut self, ended: bool) {
        (self.ended, self.is_news) = (ended, true);
        self.quiet &= ended;
    }

    /// Notes that no record has come for long.
    pub fn set_quiet(&mut self) {
        (self.quiet, self.is_news) = (true, true);
    }

    /// Whether a line of that time is to be told of only when all has been told that came before it: it may be late by
    /// that, or far ahead, or it moves event time by more than `step_ns`.
    pub fn is_to_be_told_before(&self, time_ns: i64, lateness_ns: i64, step_ns: i64) -> bool {
        let Some(newest_ns) = self.newest_ns else { return true };
        let goes_far = self.told_ns.is_none_or(|told_ns| time_ns > told_ns.saturating_add(step_ns));
        goes_far || time_ns < newest_ns.saturating_sub(lateness_ns)
    }

    /// How it stands is told once more, though nothing is new.
    pub fn tell_again(&mut self) {
        self.is_news = true;
    }

    /// What is new since the last call.
    pub fn take(&mut self, topic: &str, partition: i32, registry: &Registry) -> Option<PartitionProgress> {
        if !std::mem::take(&mut self.is_news) {
            return None;
        }
        self.told_ns = self.newest_ns;
        let oldest = self.oldest.take();
        self.oldest_is_told |= oldest.is_some();
        let leaders = std::mem::take(&mut self.since).times();
        let heard = oldest.into_iter().chain(self.far.drain(..)).chain(leaders);
        Some(PartitionProgress {
            topic: topic.to_owned(),
            partition,
            next_offset: self.next_offset,
            heard: heard.map(|(node, time_ns)| (registry.node(node).name.clone(), time_ns)).collect(),
            ended: self.ended,
            quiet: self.quiet,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node::Node;

    const S: i64 = 1_000_000_000;

    fn registry() -> Registry {
        Registry::new(["a", "b", "c", "far"].map(Node::unregistered))
    }

    #[test]
    fn two_nodes_are_enough_and_what_is_far_ahead_hides_none() {
        let (registry, mut heard) = (registry(), Heard::default());
        for (node, second) in [(0, 100), (1, 101), (2, 99), (3, 5000), (0, 102), (1, 103)] {
            heard.note(NodeIx(node), second * S, 60 * S);
        }
        heard.read(6);
        let told = heard.take("t", 1, &registry).unwrap();
        let expected = [("c", 99), ("far", 5000), ("a", 102), ("b", 103)];
        assert_eq!(told.heard, expected.map(|(name, second)| (name.to_owned(), second * S)));
        assert_eq!((told.next_offset, told.ended), (6, false));
        assert_eq!(heard.take("t", 1, &registry), None, "told once");
        heard.set_ended(true);
        let told = heard.take("t", 1, &registry).unwrap();
        assert!(told.ended && told.heard.is_empty());
        heard.tell_again();
        assert_eq!(heard.take("t", 1, &registry), Some(told), "once more, for who has not read that");
    }

    #[test]
    fn what_may_be_late_or_far_is_told_of_when_all_before_it_is() {
        let (registry, mut heard) = (registry(), Heard::default());
        assert!(heard.is_to_be_told_before(100 * S, 30 * S, 5 * S), "the first of all");
        heard.note(NodeIx(0), 100 * S, 60 * S);
        heard.take("t", 0, &registry);
        let before = |second: i64| heard.is_to_be_told_before(second * S, 30 * S, 5 * S);
        assert_eq!([69, 70, 105, 106].map(before), [true, false, false, true]);
    }
}
