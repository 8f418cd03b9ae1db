//! The second stage of a live run: batches go through the engine, and what follows is handed to the teller.
//!
//! It begins where its predecessor ended ([`Live::start`]): with what that one had said, and with the records that it still
//! needed, which are read again. Until those have been seen again, nothing is said. Nothing is ever taken back into this
//! stage: when a commit fails, or partitions leave, the whole of it is dropped and begun anew from what is committed.

use super::by_region::{Forward, ForwardWhat};
use super::correlator::{Correlator, Results};
use super::handover::{Batch, Taken, Taker};
use super::held_keys::HeldKeys;
use super::intake::Intake;
use super::lessons::Lessons;
use super::low_water::LowWater;
use super::parcel::{Parcel, Rejected};
use super::run::{Figures, Run};
use super::said_table::Reading;
use super::shelf::Shelf;
use super::teller::Counter;
use crate::engine::progress::Partition;
use crate::failpoint;
use crate::kafka::{Outbox, Position};
use crate::model::observation::Origin;
use crate::model::time::NS_PER_S;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// From so many records on that stand in the topics and are not yet read, what is told is late anyway.
const BACKLOG_RECORDS: u64 = 65_536;

/// Longest wait for a batch before everything else is looked at.
const WAIT: Duration = Duration::from_millis(20);
/// Between two tellings of the figures.
const FIGURES_EVERY: Duration = Duration::from_millis(100);
/// How the stage came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to, or the intake ended.
    Over,
    /// Nobody tells any more.
    Untold,
    /// Partitions left, and with them what was known of them.
    Parted,
}

/// The second stage of a run under way.
pub struct Live<'a> {
    run: &'a Run,
    correlator: Correlator,
    results: Results,
    held_keys: HeldKeys,
    low_water: LowWater,
    /// How far each partition has been read.
    read_to: BTreeMap<Partition, i64>,
    /// How far the predecessor had read, and what it had held back: lines before that were refused then.
    refused_before: BTreeMap<Partition, Reading>,
    /// Partitions that are read, and those of them whose records the predecessor had seen are still to come.
    assigned: BTreeSet<Partition>,
    awaited: BTreeMap<Partition, i64>,
    is_replaying: bool,
    keeps_state: bool,
    /// The topics that are read, and what tells them from others of the same names.
    topics: Vec<String>,
    topic_ids: Vec<Option<String>>,
    neighbours: Option<Neighbours>,
    /// Where checkpoints are laid down, and records read since the last one.
    shelf: Option<Box<dyn Shelf + Send>>,
    records: u64,
    /// The checkpoint that was taken up.
    resumed: Option<Resumed>,
    lessons: Lessons,
    started: Instant,
    last_figures: Instant,
    lag: u64,
    /// Partitions that wait for the others.
    ahead: BTreeSet<Partition>,
    /// How often one began to.
    waits: u64,
}

/// A checkpoint that was taken up.
struct Resumed {
    digest: String,
    /// The partitions that were read when it was made.
    assigned: BTreeSet<Partition>,
    /// Whether others are read now.
    is_unfit: bool,
}

/// All that a run needs to begin.
pub struct Start<'a> {
    /// The engine's stage.
    pub live: Live<'a>,
    /// The reader's.
    pub intake: Intake,
    /// Where what follows goes.
    pub outbox: Box<dyn Outbox + Send>,
    /// What origins and readings count: the topics of telemetry, and in a cluster the one between the stages.
    pub topics: Vec<String>,
}

mod begin;
mod checkpoint;
mod neighbours;

use self::neighbours::Neighbours;

impl Live<'_> {
    /// Works through batches until there will be no more. `figures` may look at it now and then.
    pub fn work(&mut self, taker: &Taker, counter: &Counter, figures: &mut dyn FnMut(&mut Live<'_>)) -> Ended {
        loop {
            match taker.take(WAIT) {
                Taken::Batch(mut batch) => {
                    let parts = !batch.leaving.is_empty();
                    let is_backlog = self.lag >= BACKLOG_RECORDS;
                    let mut give = |parcel| counter.give(Parcel { is_backlog, ..parcel });
                    let is_told = self.turn(&mut batch, &mut give) && (!parts || counter.await_commit());
                    self.part(&batch.leaving);
                    // Given back only now: partitions leave when it is.
                    taker.give_back(batch);
                    match is_told {
                        false => return Ended::Untold,
                        true if parts && self.keeps_state || self.is_unfit() => return Ended::Parted,
                        true => {}
                    }
                }
                Taken::Nothing => {}
                Taken::Closed => return Ended::Over,
            }
            if self.last_figures.elapsed() >= FIGURES_EVERY {
                self.last_figures = Instant::now();
                figures(self);
            }
        }
    }

    /// Correlates a batch and hands over what follows; false when nobody takes it.
    pub fn turn(&mut self, batch: &mut Batch, give: &mut dyn FnMut(Parcel) -> bool) -> bool {
        self.look_whether_it_fits(&batch.assigned);
        if self.is_unfit() {
            return true;
        }
        let Live { correlator, low_water, .. } = self;
        for reference in batch.references.drain(..) {
            correlator.refer(reference);
        }
        for &partition in &batch.assigned {
            if self.resumed.as_ref().is_some_and(|resumed| resumed.assigned.contains(&partition)) {
                // How far it had come is known, and more may have come since.
                correlator.engine().behind(partition);
            } else {
                correlator.engine().assign(partition);
                let reading = self.refused_before.get(&partition);
                if let Some(newest_ns) = reading.and_then(|reading| reading.newest_ns) {
                    correlator.engine().resume(partition, newest_ns);
                }
            }
            self.assigned.insert(partition);
        }
        for &partition in &batch.behind {
            correlator.engine().behind(partition);
        }
        for &(partition, offset) in &batch.read_from {
            low_water.begins(partition, offset);
        }
        for &(partition, next_offset) in &batch.read_to {
            low_water.read(partition, next_offset);
            self.read_to.insert(partition, next_offset);
        }
        for (here, finals) in batch.finals.drain(..) {
            if let Some(neighbours) = &mut self.neighbours {
                neighbours.finals.hear(here, finals.settled_ns);
            }
            correlator.hear(finals);
        }
        for (here, bin) in batch.bins.drain(..) {
            correlator.hear_bin(bin, here);
        }
        if let (Some(neighbours), Some(here)) = (&self.neighbours, batch.read_to_here) {
            self.read_to.insert(neighbours.here, here);
        }
        self.pass_over_decided(batch);
        self.correlator.correlate(&mut batch.lines, &mut self.results);
        self.end_of_replay(batch);
        // First words do not wait for what it takes to work out which others are final.
        if (!self.results.said.is_empty() || !self.results.rejected.is_empty()) && !give(self.parcel(batch, Vec::new()))
        {
            return false;
        }
        let Live { correlator, results, low_water, .. } = self;
        for &(partition, stream_ns) in &batch.vouched {
            correlator.engine().vouched(partition, stream_ns);
        }
        correlator.advance(results);
        for &(topic, partition) in &batch.ended {
            correlator.caught_up(topic, partition, results);
        }
        if batch.quiet {
            tracing::info!("all is quiet: what waits for more is final");
            correlator.quiet_for(i64::from(self.run.kafka.close_after_s) * NS_PER_S, results);
        }
        for (partition, newest_ns) in correlator.engine().progress().newest_ns() {
            low_water.observed(partition, newest_ns);
        }
        for (origin, time_ns) in results.released.drain(..) {
            low_water.released(origin, time_ns);
        }
        low_water.mark();
        self.lag = batch.lag;
        let keeps = self.keeps_state && !self.is_replaying;
        let learnt = if keeps { self.correlator.next_lesson(&mut self.lessons, Instant::now()) } else { None };
        let engine = self.correlator.engine();
        let settled = engine.settled();
        let needed_ns = if keeps { self.lessons.low_water_ns(engine) } else { engine.low_water_ns() };
        let recall_ns = i64::from(self.run.kafka.recall_s) * NS_PER_S;
        let positions = match self.is_replaying {
            false => self.low_water.positions(needed_ns.saturating_sub(recall_ns), engine.held()),
            true => Vec::new(),
        };
        let mut parcel = self.parcel(batch, positions);
        if let Some(neighbours) = &mut self.neighbours {
            if let Some(here) = batch.read_to_here {
                // Where it was in each of them, as of the end of the batch.
                let there: BTreeMap<Partition, i64> = batch.read_to.iter().copied().collect();
                let newest_ns = self.correlator.engine().progress().newest_ns().collect::<Vec<_>>();
                neighbours.crossing.read(here, &there.into_iter().collect::<Vec<_>>(), newest_ns);
            }
            let positions = std::mem::take(&mut parcel.positions);
            if !self.is_replaying {
                let engine = self.correlator.engine();
                let needed = neighbours.needed_here(engine, needed_ns);
                parcel.positions.extend(neighbours.crossing.position(&positions, needed));
                neighbours.tell(engine, &mut parcel.forwards);
            }
            if !parcel.positions.is_empty() {
                let moved: Vec<Partition> = neighbours.crossing.newest_ns().map(|(partition, _)| partition).collect();
                let here = neighbours.here;
                let moved = moved.into_iter().chain([here]);
                parcel.readings.extend(moved.filter_map(|at| Some((at, self.reading(at)?))));
            }
        }
        parcel.settled = keeps.then_some(settled);
        parcel.lanes = if keeps { self.correlator.take_changes() } else { Vec::new() };
        parcel.learnt = learnt;
        parcel.escalation = if keeps { self.correlator.take_escalation_record() } else { None };
        batch.ahead = self.correlator.engine().ahead(i64::from(self.run.kafka.max_ahead_s) * NS_PER_S);
        self.waits += batch.ahead.difference(&self.ahead).count() as u64;
        self.ahead.clone_from(&batch.ahead);
        self.held_keys.keep(self.correlator.engine().held(), |place| batch.keys.of(place).map(<[u8]>::to_vec));
        if keeps && batch.leaving.is_empty() {
            self.records += batch.keys.len() as u64;
            parcel.checkpoint = self.lay_down();
        }
        parcel.is_empty() || give(parcel)
    }

    /// Leaves out decisions that the predecessor had read: what they came to is in what it had said, or was refused. An
    /// alert that one of them was too early for may be known by now.
    fn pass_over_decided(&self, batch: &mut Batch) {
        let read_to = |at: Partition| self.refused_before.get(&at).map_or(i64::MIN, |before| before.read_to);
        let decisions = &mut batch.lines.decisions;
        match &self.neighbours {
            None => decisions.retain(|it| it.origin.offset >= read_to((it.origin.topic, it.origin.partition))),
            // They come here from the router or another part, in another order than they stood in at first.
            Some(neighbours) => {
                let (read_to, mut here) = (read_to(neighbours.here), batch.decisions_here.drain(..));
                decisions.retain(|_| here.next().is_none_or(|here| here >= read_to));
            }
        }
    }

    /// Forgets partitions that are read elsewhere from now on.
    fn part(&mut self, leaving: &[Partition]) {
        for &partition in leaving {
            self.correlator.engine().revoke(partition);
            self.low_water.forget(partition);
            self.assigned.remove(&partition);
        }
    }

    /// Whether what the predecessor had seen has been seen again; then what it had not said is.
    fn end_of_replay(&mut self, batch: &Batch) {
        if !self.is_replaying {
            return;
        }
        match self.neighbours {
            // What is told of ends in what is read again holds no longer: only its own end counts.
            Some(_) if batch.is_all_here => self.awaited.clear(),
            Some(_) => {}
            None => batch.ended.iter().for_each(|partition| {
                self.awaited.remove(partition);
            }),
        }
        let is_read = |(partition, read_to): (&Partition, &i64)| {
            self.read_to.get(partition).is_some_and(|so_far| so_far >= read_to)
        };
        let left = self.awaited.iter().filter(|it| self.assigned.contains(it.0) && !is_read(*it)).count();
        if !self.read_to.is_empty() {
            failpoint::hit("recovery-replays");
        }
        if self.assigned.is_empty() || left > 0 {
            return;
        }
        self.is_replaying = false;
        self.correlator.replayed(&mut self.results);
        tracing::info!(after_ms = self.started.elapsed().as_millis() as u64, "is where the last run ended");
        failpoint::hit("recovery-is-over");
    }

    /// What is there to be told, and what is to be kept of it.
    fn parcel(&mut self, batch: &mut Batch, positions: Vec<Position>) -> Parcel {
        let said = std::mem::take(&mut self.results.said);
        let escalations = std::mem::take(&mut self.results.escalations);
        let mut parcel = Parcel { taken_at: batch.taken_at, said, escalations, positions, ..Parcel::default() };
        for line in std::mem::take(&mut self.results.rejected) {
            // Decisions of a cluster come in another order than they stood in; those that were refused were passed over.
            let has_own_order = self.neighbours.is_some() && line.is_elsewhere.is_some();
            if !has_own_order && self.was_refused(line.origin) {
                continue;
            }
            let at = (line.origin.topic, line.origin.partition, line.origin.offset);
            let key = batch.keys.of(at).or_else(|| self.held_keys.of(at)).map(<[u8]>::to_vec);
            // An alert that is not known here may be another part's.
            if let Some(neighbours) = &self.neighbours
                && line.is_elsewhere == Some(true)
                && neighbours.part + 1 < neighbours.parts
            {
                let what = ForwardWhat::Line(line.raw, line.origin, key);
                parcel.forwards.push(Forward { partition: neighbours.part as i32 + 1, what });
                continue;
            }
            parcel.rejected.push(Rejected { origin: line.origin, refusal: line.refusal, raw: line.raw, key });
        }
        if !self.keeps_state {
            return parcel;
        }
        let book = self.correlator.engine().book();
        let said: BTreeSet<&str> = parcel.said.iter().map(|said| &*said.key).collect();
        parcel.kept = said.into_iter().map(|key| (key.to_owned(), book.kept(key))).collect();
        let forgotten = book.take_forgotten();
        parcel.kept.extend(forgotten.into_iter().map(|key| {
            let kept = book.kept(&key);
            (key, kept)
        }));
        let here = self.neighbours.as_ref().map(|neighbours| neighbours.here).filter(|_| batch.read_to_here.is_some());
        let read = batch.read_to.iter().map(|&(partition, _)| partition).chain(here);
        // A line that was held back may be refused by what another partition brought.
        let refused = parcel.rejected.iter().map(|line| (line.origin.topic, line.origin.partition));
        let committed = parcel.positions.iter().map(|it| (it.topic, it.partition));
        let moved: BTreeSet<Partition> = read.chain(refused).chain(committed).collect();
        parcel.readings = moved.into_iter().filter_map(|at| Some((at, self.reading(at)?))).collect();
        parcel
    }

    fn reading(&mut self, partition: Partition) -> Option<Reading> {
        let read_to = *self.read_to.get(&partition)?;
        // What is held back again was refused by the predecessor all the same, if it said so.
        let before = self.refused_before.get(&partition);
        let of_it = |origin: &&Origin| (origin.topic, origin.partition) == partition && !is_refused(before, **origin);
        let held = self.correlator.engine().held().iter().filter(of_it);
        let mut held: Vec<(i64, u32)> = held.map(|origin| (origin.offset, origin.line)).collect();
        let mut furthest = read_to;
        if let Some(before) = before {
            // Not yet where the predecessor was: what that one held back and is still to come again stays so.
            furthest = furthest.max(before.read_to);
            held.extend(before.held.iter().filter(|(offset, _)| *offset >= read_to));
        }
        let topic_id = self.topic_ids.get(usize::from(partition.0)).cloned().flatten();
        let here = self.neighbours.as_ref().filter(|neighbours| neighbours.here == partition);
        let committed = here.map_or_else(|| self.low_water.committed(partition), |it| it.crossing.committed());
        let finals_from_ns = here.and_then(|it| it.finals.known_ns());
        let newest_ns = match &self.neighbours {
            None => self.low_water.committed_ns(partition),
            // What is committed is a place here.
            Some(neighbours) => neighbours.crossing.newest_ns().find(|it| it.0 == partition).map(|it| it.1),
        };
        Some(Reading { read_to: furthest, held, committed, newest_ns, finals_from_ns, topic_id })
    }

    /// Whether the predecessor refused that line, and said so.
    fn was_refused(&self, origin: Origin) -> bool {
        is_refused(self.refused_before.get(&(origin.topic, origin.partition)), origin)
    }

    /// How it goes, but for what was told.
    pub fn figures(&mut self, tellings: &super::teller::Tellings, started: Instant) -> Figures {
        let watermark_ns = self.correlator.engine().progress().watermark_ns();
        let told = tellings.now();
        Figures {
            tally: self.correlator.tally(),
            revisions: told.revisions,
            lag: self.lag,
            watermark_ns: (watermark_ns > i64::MIN).then_some(watermark_ns),
            ingest_to_alert_us: told.ingest_to_alert_us,
            ingest_to_commit_us: told.ingest_to_commit_us,
            commits: told.commits,
            arrivals_held: self.correlator.engine().arrivals_held(),
            lines_held: self.correlator.engine().lines_held(),
            ids_held: self.correlator.engine().ids_held(),
            paused: self.ahead.len(),
            waits: self.waits,
            batches_waiting: 0,
            parcels_waiting: 0,
            elapsed: started.elapsed(),
        }
    }
}

/// Whether a line that has to be refused has been by whoever read so far before.
fn is_refused(before: Option<&Reading>, origin: Origin) -> bool {
    before.is_some_and(|before| origin.offset < before.read_to && !before.held.contains(&(origin.offset, origin.line)))
}
