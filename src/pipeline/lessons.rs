//! Which region's lessons are to be kept next, and how far offsets may be committed for their sake.
//!
//! What regions have learnt is kept one after the other, so that no commit is long. A region goes on from what was kept
//! of it as if nothing had been if all that it was taught by since is read again: until it is kept anew, nothing
//! may be committed past what was needed when it was kept.

use crate::engine::Engine;
use crate::engine::associate::record::RegionRecord;
use crate::model::node::Registry;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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
    /// By the places of the regions' centres.
    kept: BTreeMap<String, Lesson>,
    turn: usize,
    due: Instant,
    /// In this time each region has its turn.
    round: Duration,
}

impl Lessons {
    /// Nothing is kept but what a predecessor did.
    pub fn new(kept: &[RegionRecord], round: Duration, now: Instant) -> Lessons {
        let lesson = |record: &RegionRecord| {
            // How much it needed then is not known: nothing is done with until it is kept again.
            Some((record.place(), Lesson { taught_to_ns: record.taught_to_ns()?, low_water_ns: i64::MIN }))
        };
        Lessons { kept: kept.iter().filter_map(lesson).collect(), turn: 0, due: now, round }
    }

    /// What is to be kept now, if it is a region's turn and it has learnt something.
    pub fn next(&mut self, engine: &Engine, registry: &Registry, now: Instant) -> Option<RegionRecord> {
        let regions = engine.regions();
        if regions == 0 || now < self.due {
            return None;
        }
        self.due = now + self.round / u32::try_from(regions).unwrap_or(u32::MAX);
        for _ in 0..regions {
            self.turn = (self.turn + 1) % regions;
            let Some((place, taught_to_ns)) = engine.taught_to(self.turn) else { continue };
            if self.kept.get(&place).is_some_and(|kept| kept.taught_to_ns == taught_to_ns) {
                continue;
            }
            let low_water_ns = engine.low_water_ns();
            self.kept.insert(place, Lesson { taught_to_ns, low_water_ns });
            return engine.learnt_in(self.turn, registry);
        }
        None
    }

    /// What a restart would have to read again, nanoseconds.
    pub fn low_water_ns(&self, engine: &Engine) -> i64 {
        let mut low_water_ns = engine.low_water_ns();
        for (place, taught_to_ns) in (0..engine.regions()).filter_map(|region| engine.taught_to(region)) {
            low_water_ns = match self.kept.get(&place) {
                Some(kept) if kept.taught_to_ns == taught_to_ns => low_water_ns,
                Some(kept) => low_water_ns.min(kept.low_water_ns),
                None => i64::MIN,
            };
        }
        low_water_ns
    }
}
