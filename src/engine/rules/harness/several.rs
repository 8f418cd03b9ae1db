//! Rules of which one hears of what the others find.

use super::super::emitter::Emitters;
use super::super::identity::Identities;
use super::super::interference::Jamming;
use super::super::memory::{Change, LaneRecord, Memory};
use super::super::sensor::Sensors;
use super::super::{Rule, World, each};
use crate::engine::book::Book;
use crate::model::kind::{Kind, KindSet};
use crate::model::node::Registry;
use crate::model::observation::Observations;
use serde::{Deserialize, Serialize};

/// All that tell of interference, as one.
#[derive(Default, Serialize, Deserialize)]
pub struct Several {
    sensors: Sensors,
    identities: Identities,
    emitters: Emitters,
    jamming: Jamming,
}

impl Several {
    fn all(&mut self) -> [&mut dyn Rule; 4] {
        [&mut self.sensors, &mut self.identities, &mut self.emitters, &mut self.jamming]
    }
}

impl Rule for Several {
    fn kinds(&self) -> KindSet {
        let own = [self.sensors.kinds(), self.identities.kinds(), self.emitters.kinds(), self.jamming.kinds()];
        let kinds = [Kind::Status, Kind::Patrol, Kind::Track, Kind::Radio, Kind::Interference];
        let any = kinds.into_iter().filter(|&kind| own.iter().any(|it| it.contains(kind)));
        any.fold(KindSet::default(), KindSet::with)
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        for rule in self.all() {
            if rule.kinds().contains(batch.kind[row]) {
                rule.observe(batch, row, world, book);
            }
        }
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        each(&mut self.all(), world, book, |rule, book| rule.advance(watermark_ns, world, book));
    }

    fn go_over(&mut self, world: World<'_>, book: &mut Book) {
        each(&mut self.all(), world, book, |rule, book| rule.go_over(world, book));
    }

    fn holds(&self, key: &str) -> Option<bool> {
        self.jamming.holds(key)
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(self)
    }
}

impl Memory for Several {
    fn rule(&self) -> &'static str {
        "several"
    }

    fn keep_within(&mut self, span_ns: i64) {
        self.all().into_iter().filter_map(Rule::memory).for_each(|memory| memory.keep_within(span_ns));
    }

    fn take_changes(&mut self, registry: &Registry) -> Vec<Change> {
        self.all().into_iter().filter_map(Rule::memory).flat_map(|memory| memory.take_changes(registry)).collect()
    }

    fn restore(&mut self, record: LaneRecord, world: World<'_>) -> bool {
        let mut memories = self.all().into_iter().filter_map(Rule::memory);
        memories.find(|memory| memory.keeps(&record)).is_some_and(|memory| memory.restore(record, world))
    }
}
