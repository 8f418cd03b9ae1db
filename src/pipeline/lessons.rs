//! Which region's lessons are to be kept next, and how far offsets may be committed for their sake.
//!
//! What regions have learnt is kept one after the other, so that no commit is long. A region goes on from what was kept
//! of it as if nothing had been if all that it was taught by since is read again: until it is kept anew, nothing
//! may be committed past what was needed when it was kept.

use crate::engine::Engine;
use crate::engine::associate::record::RegionRecord;
use crate::model::node::Registry;
use crate::model::time::NS_PER_S;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A region that has learnt nothing is kept anew after so much event time at the soonest.
const LEAST_NS: i64 = 60 * NS_PER_S;

/// Up to where a region was taught, as it was kept.
#[derive(Clone, Copy, Debug)]
struct Lesson {
    taught_to_ns: i64,
    /// What a restart would have had to read again then.
    low_water_ns: i64,
}

/// What is kept of the regions.
#[derive(Debug)]
pub struct Lessons {
    /// What a predecessor kept, by the places of the regions' centres: up to where they were taught.
    inherited: BTreeMap<String, i64>,
    /// By the regions' numbers.
    kept: Vec<Option<Lesson>>,
    turn: usize,
    due: Instant,
    /// In this time each region has its turn.
    round: Duration,
    /// So much event time is read again beyond what is needed, nanoseconds: what nodes said before what was needed when a
    /// region was kept must not be older.
    within_ns: i64,
}

impl Lessons {
    /// Nothing is kept but what a predecessor did.
    pub fn new(kept: &[RegionRecord], round: Duration, within_ns: i64, now: Instant) -> Lessons {
        let inherited = kept.iter().filter_map(|record| Some((record.place(), record.taught_to_ns()?))).collect();
        Lessons { inherited, kept: Vec::new(), turn: 0, due: now, round, within_ns }
    }

    /// Takes notice of regions that are new.
    fn follow(&mut self, engine: &Engine) {
        for region in self.kept.len()..engine.regions() {
            let taught_to_ns = engine.place_of(region).and_then(|place| self.inherited.remove(&place));
            // How much it needed then is not known: nothing is done with until it is kept again.
            self.kept.push(taught_to_ns.map(|taught_to_ns| Lesson { taught_to_ns, low_water_ns: i64::MIN }));
        }
    }

    /// What is to be kept now, if it is a region's turn, and it has learnt something or what its nodes said last is about to be
    /// left behind.
    pub fn next(&mut self, engine: &Engine, registry: &Registry, now: Instant) -> Option<RegionRecord> {
        self.follow(engine);
        if now < self.due {
            return None;
        }
        // All regions are asked for it.
        let low_water_ns = engine.low_water_ns();
        for _ in 0..self.kept.len() {
            self.turn = (self.turn + 1) % self.kept.len();
            let Some(taught_to_ns) = engine.taught_to_ns(self.turn) else { continue };
            let is_fresh = |kept: Lesson| low_water_ns.saturating_sub(kept.low_water_ns) < self.within_ns.max(LEAST_NS);
            if self.kept[self.turn].is_some_and(|kept| kept.taught_to_ns == taught_to_ns && is_fresh(kept)) {
                continue;
            }
            self.kept[self.turn] = Some(Lesson { taught_to_ns, low_water_ns });
            self.due = now + self.round / u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
            return engine.learnt_in(self.turn, registry);
        }
        None
    }

    /// What a restart would have to read again, nanoseconds.
    pub fn low_water_ns(&mut self, engine: &Engine) -> i64 {
        self.follow(engine);
        let taught = (0..).zip(&self.kept).filter_map(|(region, kept)| Some((engine.taught_to_ns(region)?, kept)));
        taught.fold(engine.low_water_ns(), |low_water_ns, (taught_to_ns, kept)| match kept {
            Some(kept) if kept.taught_to_ns == taught_to_ns => low_water_ns,
            Some(kept) => low_water_ns.min(kept.low_water_ns),
            None => i64::MIN,
        })
    }
}
