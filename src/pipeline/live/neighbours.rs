//! What a part of the regions has to do with the others: what it tells them, and what of their words is still needed.

use super::super::by_region::{Finals, Forward, ForwardWhat};
use super::super::crossing::Crossing;
use super::super::finals_heard::FinalsHeard;
use super::super::said_table::Reading;
use crate::engine::Engine;
use crate::engine::escalation::telling::JUDGE;
use crate::engine::progress::Partition;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Between two tellings of other parts how far events are final here.
const TELL_OTHERS_EVERY: Duration = Duration::from_millis(250);

/// What a part of the regions has to do with the others.
pub(super) struct Neighbours {
    pub(super) part: u32,
    pub(super) parts: u32,
    /// The others that have any region.
    others: BTreeSet<u32>,
    pub(super) crossing: Crossing,
    /// What the others have told of final events.
    pub(super) finals: FinalsHeard,
    /// Its partition of the topic between the stages.
    pub(super) here: Partition,
    told: Instant,
    told_ns: i64,
}

impl Neighbours {
    /// Of a part of so many; nothing told yet.
    pub(super) fn new(part: u32, parts: u32, others: BTreeSet<u32>, here: Partition) -> Neighbours {
        let (crossing, finals) = (Crossing::new(part as i32), FinalsHeard::default());
        Neighbours { part, parts, others, crossing, finals, here, told: Instant::now(), told_ns: i64::MIN }
    }

    /// What is known of all that is from a checkpoint; that is what has been committed since.
    pub(super) fn go_on(&mut self, reading: &Reading) {
        self.crossing.go_on(reading.committed);
        self.finals.go_on(reading.finals_from_ns);
    }

    /// The first place here that a successor has to read again besides the lines of `needed_ns` and after.
    pub(super) fn needed_here(&mut self, engine: &Engine, needed_ns: i64) -> Option<i64> {
        let of_finals = self.finals.needed_here(engine.finals_needed_ns(needed_ns));
        of_finals.into_iter().chain(engine.bins_needed_here()).min()
    }

    /// Tells who judges of escalations about bins of event time, and the others what is final here, when it is time to.
    pub(super) fn tell(&mut self, engine: &mut Engine, forwards: &mut Vec<Forward>) {
        let to_judge = |bin| Forward { partition: JUDGE as i32, what: ForwardWhat::Bin(bin) };
        forwards.extend(engine.take_bins().into_iter().map(to_judge));
        let settled_ns = engine.final_ns();
        if self.others.is_empty() || settled_ns <= self.told_ns || self.told.elapsed() < TELL_OTHERS_EVERY {
            return;
        }
        (self.told, self.told_ns) = (Instant::now(), settled_ns);
        let finals = Finals { part: self.part, events: engine.take_finals(), settled_ns };
        let to = |&other: &u32| Forward { partition: other as i32, what: ForwardWhat::Finals(finals.clone()) };
        forwards.extend(self.others.iter().map(to));
    }
}
