//! What one engine hands on to the next: what was said and learnt, what rules remember, and from where on the
//! observations have to be seen again.

use super::associate::record::{LearntRecord, NewerRecord, RegionRecord, VERSION, place_of};
use super::book::{Kept, Settled};
use super::pair::WAIT_S;
use super::progress::Partition;
use super::rules::World;
use super::rules::memory::{Change, LaneRecord};
use super::{Engine, Output};
use crate::model::node::Registry;
use crate::model::time::ns_from_s;

/// Final events of so long before what is needed are handed on, s: what comes of reports in time, infrasound from 225 km among them, and of
/// rounds of one gun, rests on no older ones.
const AMENDED_S: f64 = 1_500.0;

impl Engine {
    /// What final events have taught so far: a function of the set of observations, as they are.
    pub fn learnt(&self, registry: &Registry) -> LearntRecord {
        LearntRecord { version: VERSION, regions: self.fire.learnt(registry) }
    }

    /// Regions in which fire is watched.
    pub fn regions(&self) -> usize {
        self.fire.regions().len()
    }

    /// Where a region is, as [`RegionRecord::place`] has it.
    pub fn place_of(&self, region: usize) -> Option<String> {
        Some(place_of(self.fire.regions().get(region)?.frame().centre()))
    }

    /// The last step that taught a region, nanoseconds; `None` while none has.
    pub fn taught_to_ns(&self, region: usize) -> Option<i64> {
        self.fire.regions().get(region)?.taught_to_ns()
    }

    /// Who sees again what came from `needed_ns` on has to know final events from that time on, nanoseconds: late lines amend them,
    /// reports that wait may be about them, and where other parts of the regions are behind they are still to be paired.
    pub fn finals_needed_ns(&self, needed_ns: i64) -> i64 {
        let amended_ns = needed_ns.saturating_sub(ns_from_s(AMENDED_S));
        let paired_ns = self.final_everywhere_ns().saturating_sub(ns_from_s(2.0 * WAIT_S));
        let of_reports = self.slow.earliest_ns().unwrap_or(i64::MAX);
        amended_ns.min(paired_ns).min(of_reports)
    }

    /// Final events from before that time may be missing, nanoseconds; `None`: none are. What rests on those is left as it was told.
    pub fn finals_known_from(&mut self, known_ns: Option<i64>) {
        self.finals_known_ns = self.finals_known_ns.max(known_ns);
    }

    /// What a region has learnt, what is not final in it, and what its nodes said of themselves before what is needed.
    pub fn learnt_in(&self, number: usize, registry: &Registry) -> Option<RegionRecord> {
        let region = self.fire.regions().get(number)?;
        let mut record = region.record_with_plan(registry)?;
        let low_water_ns = self.low_water_ns();
        record.needed_ns = Some(low_water_ns);
        let since_ns = self.finals_needed_ns(low_water_ns);
        record.known_ns = Some(since_ns.max(self.oldest_ns));
        (record.finals, record.finals_from_ns) = self.fire.finals_in(number, since_ns, registry);
        record.finals_from_ns = record.finals_from_ns.max(self.finals_known_ns);
        record.reports = self.weather.record(region.members(), low_water_ns, registry);
        Some(record)
    }

    /// Goes on from what another run has learnt. To be called before the first observation; a region takes its part up
    /// when it is made, if its centre is still where it was.
    ///
    /// # Errors
    /// The record is of a later version; nothing is taken from it.
    pub fn start_from(&mut self, record: LearntRecord) -> Result<(), NewerRecord> {
        LearntRecord::check_version(record.version)?;
        self.fire.start_from(record.regions, false);
        Ok(())
    }

    /// Regions of the record started from that were not taken up, or not yet: nothing stands where they were.
    pub fn regions_not_taken_up(&self) -> usize {
        self.fire.waiting()
    }

    /// What a restart would have to read again: everything from this event time on, nanoseconds. Observations before
    /// it are in alerts that are final, or in none.
    pub fn low_water_ns(&self) -> i64 {
        let held = self.held.time_ns.iter().copied().min();
        let waiting = self.fire.regions().iter().filter_map(|region| region.low_water_ns()).min();
        let oldest = [held, waiting, self.slow.oldest_ns()].into_iter().flatten();
        self.fire.corrected_since_ns(oldest.fold(self.progress.watermark_ns(), i64::min))
    }

    /// Takes the place of an engine that has ended: what that one had said, how far things had settled for it, and what
    /// its regions had learnt, which the observations that are seen again teach no second time. Nothing is said until
    /// [`Engine::replayed`].
    ///
    /// Not taken over is which ids were seen before what is seen again.
    pub fn restore(&mut self, kept: impl IntoIterator<Item = Kept>, settled: Settled, mut learnt: Vec<RegionRecord>) {
        // Each knows its own; of the others there is nothing to know.
        let known_ns = learnt.iter().map(|record| record.known_ns.unwrap_or(i64::MAX)).max();
        self.oldest_ns = self.oldest_ns.min(known_ns.unwrap_or(i64::MAX));
        self.finals_known_from(learnt.iter().filter_map(|record| record.finals_from_ns).max());
        self.reports_before = learnt.iter_mut().flat_map(|record| std::mem::take(&mut record.reports)).collect();
        self.settled_before = settled;
        self.book.restore(kept, settled);
        self.fire.start_from(learnt, true);
    }

    /// The same for an engine that knows all that the other one knew at a time; what that one has said since, and how far
    /// things had settled for it in the end, is all there is to tell.
    pub fn go_on(&mut self, kept: impl IntoIterator<Item = Kept>, settled: Settled) {
        self.settled_before = settled;
        self.book.restore(kept, settled);
        self.fire.go_on();
    }

    /// From now on rules tell what a successor needs to know of what lasts, no later than so much event time after it has
    /// changed ([`Engine::take_changes`]): as much has to be seen again.
    pub fn keep_within(&mut self, span_ns: i64) {
        self.rules.iter_mut().filter_map(|rule| rule.memory()).for_each(|memory| memory.keep_within(span_ns));
    }

    /// What is to be kept anew of what rules know, since the last call.
    pub fn take_changes(&mut self, registry: &Registry) -> Vec<Change> {
        let memories = self.rules.iter_mut().filter_map(|rule| rule.memory());
        memories.flat_map(|memory| memory.take_changes(registry)).collect()
    }

    /// Rules go on from what the engine before this one knew; gives the keys of records that can't be understood. To be
    /// called when reference data is in and before the first observation.
    pub fn remember(&mut self, records: impl IntoIterator<Item = LaneRecord>, registry: &Registry) -> Vec<String> {
        let world = World::new(registry, &self.places, &self.settings);
        let mut not_understood = Vec::new();
        for record in records {
            let mut memories = self.rules.iter_mut().filter_map(|rule| rule.memory());
            let memory = memories.find(|memory| memory.keeps(&record));
            let key = record.key();
            if !memory.is_some_and(|memory| memory.restore(record, world)) {
                not_understood.push(key);
            }
        }
        not_understood
    }

    /// What was read of a partition before, elsewhere, went up to that time.
    pub fn resume(&mut self, partition: Partition, newest_ns: i64) {
        self.progress.resume(partition, newest_ns);
    }

    /// All that the engine before this one had seen has been seen again: says what that one had not said.
    pub fn replayed(&mut self, registry: &Registry, out: &mut Output) {
        self.book.replayed(registry, &self.places, &self.settings);
        out.said.append(&mut self.book.take_said());
    }

    /// How far event time has settled things, for this engine or the one before it: what is kept of that never goes
    /// back, or who comes after the next crash would take for news what had been seen in full and passed over.
    pub fn settled(&self) -> Settled {
        self.settled.at_least(self.settled_before)
    }

    /// Fire of before that is final here, whatever was so for the engine before it, nanoseconds.
    pub fn final_ns(&self) -> i64 {
        self.settled.fire_ns
    }
}
