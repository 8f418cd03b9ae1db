//! From places in the topics of telemetry to places in `telemetry.by-region`.
//!
//! Who correlates a part of the regions keeps account by where lines stood at first: how far each partition of telemetry
//! has come, what was refused of it, how much of it is needed. What is committed is a place in the one partition that is
//! read. So it is noted where in that the reader was when it had come so far in each of the others; behind that place
//! lies nothing that is needed once none of them needs what was before.
//!
//! How far each of them had come at that place is noted, too: what comes late in a partition is late by what was before it there, and who reads
//! on from that place has not seen that.

use crate::kafka::Position;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Most places noted of one partition of telemetry; at it every other one is dropped, and commits are coarser.
const MAX_NOTED: usize = 8_192;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted {
    /// Next offset there, and next offset here when the reader had come so far; both rising. All still needed.
    places: VecDeque<(i64, i64)>,
    /// What comes before this place here is not needed.
    done_to: Option<i64>,
}

/// Drops every other one but the last.
fn thin<T>(noted: &mut VecDeque<T>) {
    let (mut at, last) = (0, noted.len());
    noted.retain(|_| {
        at += 1;
        at % 2 == 0 || at == last
    });
}

/// Where the reader of one partition of `telemetry.by-region` is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Crossing {
    partition: i32,
    noted: BTreeMap<(u16, i32), Noted>,
    /// Where batches ended, and how far each partition had come there, nanoseconds, where that had changed.
    ends: VecDeque<i64>,
    newest_ns: BTreeMap<(u16, i32), VecDeque<(i64, i64)>>,
    read_to: Option<i64>,
    committed: Option<i64>,
}

impl Crossing {
    /// Of the reader of that partition.
    pub fn new(partition: i32) -> Crossing {
        let (noted, ends, newest_ns) = Default::default();
        Crossing { partition, noted, ends, newest_ns, read_to: None, committed: None }
    }

    /// Everything before `here` has been read; that was as far as `there` in those partitions, whose newest times are then these.
    pub fn read(
        &mut self,
        here: i64,
        there: &[((u16, i32), i64)],
        newest_ns: impl IntoIterator<Item = ((u16, i32), i64)>,
    ) {
        self.read_to = Some(here);
        self.ends.push_back(here);
        if self.ends.len() > MAX_NOTED {
            thin(&mut self.ends);
        }
        for (partition, time_ns) in newest_ns {
            let times = self.newest_ns.entry(partition).or_default();
            if times.back().is_none_or(|&(_, before_ns)| before_ns < time_ns) {
                times.push_back((here, time_ns));
            }
            if times.len() > MAX_NOTED {
                thin(times);
            }
        }
        for &(partition, next_offset) in there {
            let noted = self.noted.entry(partition).or_default();
            match noted.places.back_mut() {
                // The last of this batch holds; and what was read here twice had come as far before.
                Some(last) if last.1 == here => last.0 = next_offset.max(last.0),
                Some(last) if last.0 >= next_offset => {}
                _ => noted.places.push_back((next_offset, here)),
            }
            if noted.places.len() > MAX_NOTED {
                thin(&mut noted.places);
            }
        }
    }

    /// Those are the places up to which partitions of telemetry are done with, and what stands at `needed` here is not; gives the
    /// place up to which this is, if it has moved.
    pub fn position(&mut self, done: &[Position], needed: Option<i64>) -> Option<Position> {
        for position in done {
            let Some(noted) = self.noted.get_mut(&(position.topic, position.partition)) else { continue };
            while let Some(&(there, here)) = noted.places.front()
                && there <= position.next_offset
            {
                noted.places.pop_front();
                noted.done_to = Some(here);
            }
        }
        let mut least = self.read_to?;
        if let Some(needed) = needed {
            // To the end of a batch: of those it is known how far all had come.
            let before = self.ends.partition_point(|&end| end <= needed);
            least = least.min(*self.ends.get(before.checked_sub(1)?)?);
        }
        for noted in self.noted.values().filter(|noted| !noted.places.is_empty()) {
            least = least.min(noted.done_to?);
        }
        if self.committed.is_some_and(|committed| committed >= least) {
            return None;
        }
        self.commit(least);
        Some(Position { topic: 0, partition: self.partition, next_offset: least })
    }

    /// The place up to which that is done with is committed, and so is none before it.
    fn commit(&mut self, here: i64) {
        self.committed = Some(here);
        while self.ends.get(1).is_some_and(|&end| end <= here) {
            self.ends.pop_front();
        }
        for times in self.newest_ns.values_mut() {
            while times.get(1).is_some_and(|&(at, _)| at <= here) {
                times.pop_front();
            }
        }
    }

    /// The place that was given last.
    pub fn committed(&self) -> Option<i64> {
        self.committed
    }

    /// As much has been committed by who read here until now, of whom this is known up to some place: places do not go back.
    pub fn go_on(&mut self, committed: Option<i64>) {
        if let Some(here) = committed.filter(|&here| self.committed.is_none_or(|before| before < here)) {
            self.commit(here);
        }
    }

    /// The partitions of telemetry, and how far each had come at the place that was given last, nanoseconds.
    pub fn newest_ns(&self) -> impl Iterator<Item = ((u16, i32), i64)> + '_ {
        let committed = self.committed.unwrap_or(i64::MIN);
        let of = move |times: &VecDeque<(i64, i64)>| times.front().filter(|it| it.0 <= committed).map(|it| it.1);
        self.newest_ns.iter().filter_map(move |(&partition, times)| Some((partition, of(times)?)))
    }

    /// What had been noted of a partition by who read here before.
    pub fn resume(&mut self, partition: (u16, i32), newest_ns: i64) {
        self.newest_ns.entry(partition).or_default().push_front((i64::MIN, newest_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: (u16, i32) = (0, 0);
    const Q: (u16, i32) = (1, 3);

    fn done(partition: (u16, i32), next_offset: i64) -> Position {
        Position { topic: partition.0, partition: partition.1, next_offset }
    }

    fn here(next_offset: i64) -> Option<Position> {
        Some(Position { topic: 0, partition: 7, next_offset })
    }

    #[test]
    fn the_partition_that_needs_most_holds_back() {
        let mut crossing = Crossing::new(7);
        crossing.read(100, &[(P, 10), (Q, 1000)], []);
        crossing.read(200, &[(P, 20)], []);
        crossing.read(300, &[(Q, 1100)], []);
        assert_eq!(crossing.position(&[done(P, 20)], None), None, "nothing is known of the other");
        assert_eq!(crossing.position(&[done(Q, 1000)], None), here(100));
        assert_eq!(crossing.position(&[], None), None, "said once");
        assert_eq!(crossing.position(&[done(Q, 1100)], None), here(300), "all is done with");
    }

    #[test]
    fn a_partition_that_is_done_with_holds_nothing_back() {
        let mut crossing = Crossing::new(7);
        crossing.read(100, &[(P, 10), (Q, 1000)], []);
        assert_eq!(crossing.position(&[done(P, 10), done(Q, 1000)], None), here(100));
        for k in 2..50 {
            crossing.read(100 * k, &[(P, 10 * k)], []);
        }
        assert_eq!(crossing.position(&[done(P, 105)], Some(800)), here(800), "what others have told is needed");
        assert_eq!(crossing.position(&[], Some(800)), None);
        assert_eq!(crossing.position(&[done(P, 305)], None), here(3000), "the last place that is certain");
    }

    #[test]
    fn how_far_partitions_had_come_is_told_of_the_place_that_is_committed() {
        let mut crossing = Crossing::new(7);
        crossing.resume(Q, 50);
        let newest = |crossing: &Crossing| crossing.newest_ns().collect::<Vec<_>>();
        crossing.read(100, &[(P, 10)], [(P, 1_000)]);
        assert_eq!(newest(&crossing), [(Q, 50)], "as it was where this one began");
        crossing.read(200, &[(P, 20)], [(P, 2_000), (Q, 60)]);
        crossing.read(300, &[(P, 30)], [(P, 2_000), (Q, 70)]);
        assert_eq!(crossing.position(&[done(P, 20)], None), here(200));
        assert_eq!(newest(&crossing), [(P, 2_000), (Q, 60)]);
        crossing.read(400, &[(P, 40)], [(P, 3_000), (Q, 70)]);
        crossing.read(500, &[(P, 50)], [(P, 4_000), (Q, 80)]);
        assert_eq!(crossing.position(&[done(P, 50)], Some(450)), here(400), "a batch is read again as a whole");
        assert_eq!(newest(&crossing), [(P, 3_000), (Q, 70)]);
        assert_eq!(crossing.position(&[], None), here(500));
        assert_eq!(newest(&crossing), [(P, 4_000), (Q, 80)]);
    }

    #[test]
    fn who_goes_on_from_a_checkpoint_gives_no_place_that_was_given_since() {
        let mut crossing = Crossing::new(7);
        for k in 1..=5 {
            crossing.read(100 * k, &[(P, 10 * k)], [(P, 1_000 * k)]);
        }
        assert_eq!(crossing.position(&[done(P, 20)], None), here(200));
        let mut successor: Crossing = postcard::from_bytes(&postcard::to_stdvec(&crossing).unwrap()).unwrap();
        // Its predecessor had come further, and so has what is committed.
        assert_eq!(crossing.position(&[done(P, 40)], None), here(400));
        successor.go_on(Some(400));
        assert_eq!(successor.position(&[done(P, 30)], None), None);
        assert_eq!(successor.newest_ns().collect::<Vec<_>>(), [(P, 4_000)], "as far as all had come there");
        assert_eq!(successor.position(&[done(P, 50)], None), here(500));
        successor.go_on(Some(300));
        assert_eq!(successor.committed(), Some(500), "what was committed before is nothing new");
    }

    #[test]
    fn what_is_noted_is_bounded_and_never_too_far() {
        let mut crossing = Crossing::new(7);
        for k in 1..100_000 {
            crossing.read(10 * k, &[(P, k)], []);
        }
        assert!(crossing.noted[&P].places.len() <= MAX_NOTED);
        let reached = crossing.position(&[done(P, 50_000)], None).map(|it| it.next_offset);
        assert!(reached.is_some_and(|here| (400_000..=500_000).contains(&here)), "{reached:?}");
    }
}
