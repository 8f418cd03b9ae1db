//! How far a partition's offsets may be committed: not to what was read, but to what is no longer needed.
//!
//! A window of event time rests on records that were read long ago. Committing past them would lose the window when
//! the process ends. So each partition keeps marks (everything before this offset is no newer than that time), and
//! what is committed is the last mark older than what the engine still needs.
//!
//! A line that is held back because it is ahead of the stream counts by its place alone: nothing behind it is
//! committed until it is let in, which gives it a time, or refused, which ends it.

use crate::kafka::Position;
use crate::model::observation::Origin;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Marks kept of one partition; when there are more, every other one is dropped, and commits are coarser.
const MAX_MARKS: usize = 4_096;

/// Records between two marks.
const MARK_EVERY: i64 = 256;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Marks {
    /// (offset, newest event time before it), both rising.
    marks: VecDeque<(i64, i64)>,
    newest_ns: Option<i64>,
    read_to: Option<i64>,
    marked_to: Option<i64>,
    committed: Option<i64>,
    begins: Option<i64>,
    /// The newest time before what is committed.
    committed_ns: Option<i64>,
}

/// The marks of all partitions.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LowWater {
    partitions: BTreeMap<(u16, i32), Marks>,
}

impl LowWater {
    /// A record was read. Where the first stood is committed with the first that is said: whoever finds offsets and no
    /// word of what was said knows that it is lost.
    pub fn begins(&mut self, partition: (u16, i32), offset: i64) {
        self.partitions.entry(partition).or_default().begins.get_or_insert(offset);
    }

    /// A record was read; `next_offset` follows it.
    pub fn read(&mut self, partition: (u16, i32), next_offset: i64) {
        self.partitions.entry(partition).or_default().read_to = Some(next_offset);
    }

    /// The newest observation let in of what was read so far is of that time.
    pub fn observed(&mut self, partition: (u16, i32), time_ns: i64) {
        let marks = self.partitions.entry(partition).or_default();
        marks.newest_ns = Some(marks.newest_ns.map_or(time_ns, |newest_ns| newest_ns.max(time_ns)));
    }

    /// A line that was held back has been let in: it is needed by its time from now on.
    pub fn released(&mut self, origin: Origin, time_ns: i64) {
        let partition = (origin.topic, origin.partition);
        let marks = self.partitions.entry(partition).or_default();
        let behind_it = marks.marks.partition_point(|&(offset, _)| offset <= origin.offset);
        for (_, newest_ns) in marks.marks.iter_mut().skip(behind_it) {
            *newest_ns = (*newest_ns).max(time_ns);
        }
        self.observed(partition, time_ns);
    }

    /// The batch at hand is through the engine: its end may be a mark.
    pub fn mark(&mut self) {
        for marks in self.partitions.values_mut() {
            let Some(read_to) = marks.read_to else { continue };
            if marks.marked_to.is_some_and(|marked_to| read_to < marked_to + MARK_EVERY && !marks.marks.is_empty()) {
                continue;
            }
            marks.marked_to = Some(read_to);
            marks.marks.push_back((read_to, marks.newest_ns.unwrap_or(i64::MIN)));
            if marks.marks.len() > MAX_MARKS {
                let mut keep = false;
                marks.marks.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
        }
    }

    /// Where each partition can be committed to, of those that moved, when all before `needed_ns` is done with but for
    /// the lines that are held back.
    pub fn positions(&mut self, needed_ns: i64, held: &[Origin]) -> Vec<Position> {
        let mut first_held: BTreeMap<(u16, i32), i64> = BTreeMap::new();
        for origin in held {
            let first = first_held.entry((origin.topic, origin.partition)).or_insert(origin.offset);
            *first = origin.offset.min(*first);
        }
        let mut positions = Vec::new();
        for (&(topic, partition), marks) in &mut self.partitions {
            let most = first_held.get(&(topic, partition)).copied().unwrap_or(i64::MAX);
            let is_done = |&(offset, newest_ns): &(i64, i64)| newest_ns < needed_ns && offset <= most;
            let mut reached = None;
            while marks.marks.front().is_some_and(is_done) {
                let Some((offset, newest_ns)) = marks.marks.pop_front() else { break };
                reached = Some(offset);
                marks.committed_ns = Some(newest_ns).filter(|&newest_ns| newest_ns > i64::MIN);
            }
            let reached = reached.or(marks.begins.filter(|_| marks.committed.is_none()));
            if let Some(next_offset) = reached.filter(|&offset| marks.committed.is_none_or(|before| before < offset)) {
                marks.committed = Some(next_offset);
                positions.push(Position { topic, partition, next_offset });
            }
        }
        positions
    }

    /// What is committed of the partition, by whoever read it before: up to which offset, if that is known, and time.
    pub fn resume(&mut self, partition: (u16, i32), committed: Option<i64>, newest_ns: Option<i64>) {
        let marks = self.partitions.entry(partition).or_default();
        (marks.committed, marks.committed_ns) = (committed, newest_ns);
        // Who comes after a checkpoint marks the same stretch anew, elsewhere: offsets do not go back for that.
        while marks.marks.front().is_some_and(|&(offset, _)| Some(offset) <= committed) {
            marks.marks.pop_front();
        }
    }

    /// The offset that was last given to be committed.
    pub fn committed(&self, partition: (u16, i32)) -> Option<i64> {
        self.partitions.get(&partition).and_then(|marks| marks.committed)
    }

    /// The newest time of what lies before the position that was last given, nanoseconds.
    pub fn committed_ns(&self, partition: (u16, i32)) -> Option<i64> {
        self.partitions.get(&partition).and_then(|marks| marks.committed_ns)
    }

    /// The partition is no longer read here.
    pub fn forget(&mut self, partition: (u16, i32)) {
        self.partitions.remove(&partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: (u16, i32) = (0, 1);

    #[test]
    fn what_is_needed_is_not_committed() {
        let mut water = LowWater::default();
        for batch in 0..10 {
            water.read(P, (batch + 1) * 1000);
            water.observed(P, batch * 10);
            water.mark();
        }
        assert_eq!(water.positions(0, &[]), []);
        assert_eq!(water.positions(35, &[]), [Position { topic: 0, partition: 1, next_offset: 4000 }]);
        assert_eq!(water.committed_ns(P), Some(30));
        assert_eq!(water.positions(35, &[]), [], "said once");
        assert_eq!(water.positions(i64::MAX, &[]), [Position { topic: 0, partition: 1, next_offset: 10_000 }]);
    }

    #[test]
    fn one_record_from_the_future_holds_back_what_follows_it() {
        let mut water = LowWater::default();
        for (offset, time_ns) in [(1000, 5), (2000, 500), (3000, 6)] {
            water.read(P, offset);
            water.observed(P, time_ns);
            water.mark();
        }
        assert_eq!(water.positions(10, &[]), [Position { topic: 0, partition: 1, next_offset: 1000 }]);
    }

    #[test]
    fn a_line_that_is_held_back_is_read_again_until_its_fate_is_known() {
        let line = Origin { topic: 0, partition: 1, offset: 1500, line: 0 };
        let at = |next_offset| [Position { topic: 0, partition: 1, next_offset }];
        let mut water = LowWater::default();
        for batch in 1..=4 {
            water.read(P, batch * 1000);
            water.observed(P, batch * 10);
            water.mark();
        }
        assert_eq!(water.positions(35, &[line]), at(1000), "not past the line");
        // Let in, it is needed by its time; refused, it is over.
        water.released(line, 50);
        assert_eq!(water.positions(45, &[]), []);
        assert_eq!(water.positions(51, &[]), at(4000));
    }

    #[test]
    fn marks_are_bounded() {
        let mut water = LowWater::default();
        for batch in 0..20_000 {
            water.read(P, (batch + 1) * MARK_EVERY);
            water.observed(P, batch);
            water.mark();
        }
        assert!(water.partitions[&P].marks.len() <= MAX_MARKS);
        assert_eq!(water.positions(i64::MAX, &[]).len(), 1);
    }
}
