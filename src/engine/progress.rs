//! Event time: a clock per partition, moved by data alone, and the watermark that all of them have passed.
//!
//! A partition's clock is the newest time accepted from it, but never beyond the stream's clock, which is the
//! newest time that *two* nodes have reached: one node far ahead of all others drags nothing. An observation more
//! than `max_future_s` ahead of the stream's clock is held back. Either the stream catches up with it (after a gap
//! in all data, most of the nodes heard since are ahead), and it is released, or the stream passes on without it
//! and it is refused.

use super::settings::Settings;
use crate::model::node::NodeIx;
use crate::model::time::ns_from_s;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// Where an observation stands in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The watermark has not passed it.
    InTime,
    /// The watermark has passed it, the amend horizon has not.
    Late,
    /// Behind the amend horizon of its partition.
    TooLate,
    /// So far ahead of the stream that it must be borne out first.
    Ahead,
}

/// A partition, as the shell numbers topics.
pub type Partition = (u16, i32);

#[derive(Clone, Copy, Debug)]
struct PartitionClock {
    newest_ns: i64,
    caught_up: bool,
}

/// The newest times of two distinct nodes.
#[derive(Clone, Copy, Debug, Default)]
struct Leaders {
    first: Option<(i64, NodeIx)>,
    second: Option<(i64, NodeIx)>,
}

impl Leaders {
    fn note(&mut self, time_ns: i64, node: NodeIx) {
        match self.first {
            Some((first_ns, leader)) if leader == node => self.first = Some((first_ns.max(time_ns), node)),
            Some((first_ns, _)) if time_ns <= first_ns => {
                if self.second.is_none_or(|(second_ns, _)| time_ns > second_ns) {
                    self.second = Some((time_ns, node));
                }
            }
            _ => {
                self.second = self.first;
                self.first = Some((time_ns, node));
            }
        }
    }

    /// What two nodes have reached, or the only one.
    fn agreed_ns(&self) -> Option<i64> {
        self.second.or(self.first).map(|(time_ns, _)| time_ns)
    }
}

/// Who has been heard since something was first held back.
#[derive(Debug, Default)]
struct Doubt {
    since_ns: Option<i64>,
    ahead: FxHashSet<NodeIx>,
    abreast: FxHashSet<NodeIx>,
}

/// Nodes remembered while something is held back; a majority of so many decides as well as of all.
const MAX_WITNESSES: usize = 4096;

/// Event time of the whole stream.
#[derive(Debug)]
pub struct Progress {
    lateness_ns: i64,
    horizon_ns: i64,
    max_future_ns: i64,
    idle_after_ns: i64,
    clocks: BTreeMap<Partition, PartitionClock>,
    leaders: Leaders,
    doubt: Doubt,
    watermark_ns: i64,
}

impl Progress {
    /// Nothing read yet.
    pub fn new(settings: &Settings) -> Progress {
        Progress {
            lateness_ns: ns_from_s(settings.lateness_s),
            horizon_ns: ns_from_s(settings.amend_horizon_s),
            max_future_ns: ns_from_s(settings.max_future_s),
            idle_after_ns: ns_from_s(settings.idle_after_s),
            clocks: BTreeMap::new(),
            leaders: Leaders::default(),
            doubt: Doubt::default(),
            watermark_ns: i64::MIN,
        }
    }

    /// Everything before this is in, but for late evidence. `i64::MIN` at first; never goes back.
    pub fn watermark_ns(&self) -> i64 {
        self.watermark_ns
    }

    /// The stream's clock: the newest time that two nodes have reached. `None` before the first observation.
    pub fn stream_ns(&self) -> Option<i64> {
        self.leaders.agreed_ns()
    }

    /// A partition that is read: until its first observation it holds the watermark back.
    pub fn assign(&mut self, partition: Partition) {
        self.clocks.entry(partition).or_insert(PartitionClock { newest_ns: i64::MIN, caught_up: false });
    }

    /// A partition that is no longer read here.
    pub fn revoke(&mut self, partition: Partition) {
        self.clocks.remove(&partition);
    }

    /// The shell has read all there is in the partition.
    pub fn caught_up(&mut self, partition: Partition) {
        self.assign(partition);
        if let Some(clock) = self.clocks.get_mut(&partition) {
            clock.caught_up = true;
        }
    }

    /// Judges an observation and, unless it is ahead or too late, moves its partition's clock.
    pub fn observe(&mut self, partition: Partition, node: NodeIx, time_ns: i64) -> Standing {
        let clock = self.clocks.entry(partition).or_insert(PartitionClock { newest_ns: i64::MIN, caught_up: false });
        clock.caught_up = false;
        if time_ns < clock.newest_ns.saturating_sub(self.horizon_ns) {
            return Standing::TooLate;
        }
        if let Some(stream_ns) = self.leaders.agreed_ns()
            && time_ns > stream_ns.saturating_add(self.max_future_ns)
        {
            self.doubt.since_ns.get_or_insert(stream_ns);
            if self.doubt.ahead.len() < MAX_WITNESSES {
                self.doubt.ahead.insert(node);
            }
            return Standing::Ahead;
        }
        if self.doubt.since_ns.is_some() && self.doubt.abreast.len() < MAX_WITNESSES {
            self.doubt.abreast.insert(node);
        }
        clock.newest_ns = clock.newest_ns.max(time_ns);
        self.leaders.note(time_ns, node);
        if time_ns < self.watermark_ns { Standing::Late } else { Standing::InTime }
    }

    /// Whether what is held back is to be released: the stream itself is there, or most of the nodes heard since
    /// are (two at least, unless there is only one node in all).
    pub fn held_is_borne_out(&self) -> bool {
        let only_one_node = self.leaders.second.is_none();
        let ahead = self.doubt.ahead.len();
        ahead > self.doubt.abreast.len() && (ahead >= 2 || only_one_node)
    }

    /// Whether the stream has gone on for `max_future_s` without bearing out what is held back.
    pub fn held_is_refuted(&self) -> bool {
        match (self.doubt.since_ns, self.leaders.agreed_ns()) {
            (Some(since_ns), Some(stream_ns)) => {
                stream_ns - since_ns >= self.max_future_ns && !self.held_is_borne_out()
            }
            _ => false,
        }
    }

    /// How far ahead of the stream a time is allowed to be, as an instant.
    pub fn latest_credible_ns(&self) -> i64 {
        self.leaders.agreed_ns().map_or(i64::MAX, |stream_ns| stream_ns.saturating_add(self.max_future_ns))
    }

    /// The doubt is settled, one way or the other.
    pub fn settle_doubt(&mut self) {
        self.doubt.since_ns = None;
        self.doubt.ahead.clear();
        self.doubt.abreast.clear();
    }

    /// Lets a time that was held back count after all.
    pub fn release(&mut self, partition: Partition, node: NodeIx, time_ns: i64) -> Standing {
        let clock = self.clocks.entry(partition).or_insert(PartitionClock { newest_ns: i64::MIN, caught_up: false });
        clock.newest_ns = clock.newest_ns.max(time_ns);
        self.leaders.note(time_ns, node);
        if time_ns < self.watermark_ns { Standing::Late } else { Standing::InTime }
    }

    /// Moves the watermark to what all partitions have passed, and returns it.
    pub fn advance(&mut self) -> i64 {
        let Some(stream_ns) = self.leaders.agreed_ns() else { return self.watermark_ns };
        let newest_ns = self.clocks.values().map(|clock| clock.newest_ns).max().unwrap_or(i64::MIN).min(stream_ns);
        let slowest_ns = self
            .clocks
            .values()
            .map(|clock| {
                let reached_ns = clock.newest_ns.min(stream_ns);
                // Nothing more to read and far behind: it no longer holds the others back.
                let idle = clock.caught_up && reached_ns < newest_ns.saturating_sub(self.idle_after_ns);
                if idle { newest_ns.saturating_sub(self.idle_after_ns) } else { reached_ns }
            })
            .min()
            .unwrap_or(i64::MIN);
        self.watermark_ns = self.watermark_ns.max(slowest_ns.saturating_sub(self.lateness_ns));
        self.watermark_ns
    }

    /// The stream has ended: nothing more will come.
    pub fn finish(&mut self) {
        self.watermark_ns = i64::MAX;
    }

    /// The partition furthest behind that still has something to read, and its clock: the one to read next.
    pub fn slowest(&self) -> Option<(Partition, i64)> {
        self.clocks
            .iter()
            .filter(|(_, clock)| !clock.caught_up)
            .map(|(&partition, clock)| (partition, clock.newest_ns))
            .min_by_key(|&(_, newest_ns)| newest_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::NS_PER_S;

    const P: Partition = (0, 0);
    const Q: Partition = (0, 1);

    fn progress() -> Progress {
        Progress::new(&Settings { lateness_s: 10.0, idle_after_s: 5.0, ..Settings::default() })
    }

    fn see(progress: &mut Progress, partition: Partition, node: u32, second: i64) -> Standing {
        progress.observe(partition, NodeIx(node), second * NS_PER_S)
    }

    #[test]
    fn the_watermark_follows_the_slowest_partition() {
        let mut p = progress();
        p.assign(Q);
        see(&mut p, P, 1, 100);
        see(&mut p, P, 2, 100);
        assert_eq!(p.advance(), i64::MIN, "the other partition has said nothing");
        see(&mut p, Q, 3, 50);
        assert_eq!(p.advance(), 40 * NS_PER_S);
        see(&mut p, Q, 3, 90);
        assert_eq!(p.advance(), 80 * NS_PER_S);
    }

    #[test]
    fn a_partition_with_nothing_more_to_read_stops_holding_the_others_back() {
        let mut p = progress();
        see(&mut p, Q, 3, 50);
        see(&mut p, P, 1, 100);
        see(&mut p, P, 2, 100);
        assert_eq!(p.advance(), 40 * NS_PER_S);
        p.caught_up(Q);
        assert_eq!(p.advance(), 85 * NS_PER_S);
        assert_eq!(see(&mut p, Q, 3, 60), Standing::Late);
        assert_eq!(p.advance(), 85 * NS_PER_S, "the watermark never goes back");
    }

    #[test]
    fn one_node_far_ahead_drags_nothing() {
        let mut p = progress();
        for second in 100..105 {
            see(&mut p, P, 1, second);
            see(&mut p, P, 2, second);
        }
        assert_eq!(see(&mut p, P, 9, 5000), Standing::Ahead);
        assert_eq!(see(&mut p, P, 9, 150), Standing::InTime);
        assert_eq!(p.advance(), 94 * NS_PER_S);
        assert!(!p.held_is_borne_out());
        for second in 105..180 {
            see(&mut p, P, 1, second);
            see(&mut p, P, 2, second);
        }
        assert!(p.held_is_refuted());
    }

    #[test]
    fn after_a_gap_the_stream_goes_on() {
        let mut p = progress();
        for node in 0..4 {
            see(&mut p, P, node, 100);
        }
        assert_eq!(see(&mut p, P, 0, 4000), Standing::Ahead);
        assert!(!p.held_is_borne_out());
        assert_eq!(see(&mut p, P, 1, 4001), Standing::Ahead);
        assert!(p.held_is_borne_out());
        p.settle_doubt();
        assert_eq!(p.release(P, NodeIx(0), 4000 * NS_PER_S), Standing::InTime);
        assert_eq!(p.release(P, NodeIx(1), 4001 * NS_PER_S), Standing::InTime);
        assert_eq!(p.advance(), 3990 * NS_PER_S);
    }

    #[test]
    fn a_single_node_makes_a_stream_too() {
        let mut p = progress();
        see(&mut p, P, 1, 100);
        assert_eq!(see(&mut p, P, 1, 700), Standing::Ahead);
        assert!(p.held_is_borne_out());
    }

    #[test]
    fn too_late_is_judged_by_the_partition_alone() {
        let mut p = progress();
        see(&mut p, P, 1, 100_000);
        see(&mut p, P, 2, 100_000);
        assert_eq!(see(&mut p, P, 1, 100_000 - 6 * 3600 - 1), Standing::TooLate);
        assert_eq!(see(&mut p, Q, 1, 10), Standing::InTime, "another partition may be read later");
    }
}
