//! The second stage of a cluster: the parts of the regions that this process has, each with a live run of its own.
//!
//! The group shares out the partitions of `telemetry.by-region`, one a part of the regions. A part is run as a whole: engine,
//! said-table, low water and transactional id are the part's and not the process's. So what a part comes to does not hang on who runs
//! it, a part that moves costs the others nothing, and who takes it over shuts out whoever had it before: its first call
//! raises the epoch of the part's transactional id. The group decides who runs what; that nothing is said twice does not
//! rest on it.

use super::correlator::Tally;
use super::latency::latencies;
use super::layout::{Layout, LayoutError};
use super::reference::ReferenceFileError;
use super::run::{Figures, Run, RunError, RunPart};
use crate::kafka::{Event, KafkaError, KafkaSettings, Source};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for the group's word before everything else is looked at.
const POLL: Duration = Duration::from_millis(50);
/// Between two tellings of the figures.
const FIGURES_EVERY: Duration = Duration::from_millis(250);
/// Before a part is begun again that failed.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What this stage is told.
#[derive(Clone, Debug)]
pub struct Correlate {
    /// What each part is told but for the part; the group and the instance are this stage's own.
    pub run: Run,
    /// The regions.
    pub layout: Arc<Layout>,
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum CorrelateError {
    /// The group.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// No regions to go by.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Reference data.
    #[error(transparent)]
    Reference(#[from] ReferenceFileError),
    /// A part.
    #[error("part {part} of the regions: {source}")]
    Part {
        /// Its number.
        part: i32,
        /// What it said.
        source: RunError,
    },
    /// A part's thread.
    #[error("part {part} of the regions ended by a panic")]
    Panicked {
        /// Its number.
        part: i32,
    },
}

/// A part that runs here.
struct Part {
    stop: Arc<AtomicBool>,
    figures: Arc<Mutex<Option<Figures>>>,
    thread: JoinHandle<Result<(), RunError>>,
}

/// The parts that are here to run.
struct Parts<'a> {
    correlate: &'a Correlate,
    running: BTreeMap<i32, Part>,
    /// Those that failed, and when they are begun again.
    waiting: BTreeMap<i32, Instant>,
    started: Instant,
    /// Revisions and commits of parts that have left, so that the figures only grow.
    before: (u64, u64),
}

impl Correlate {
    /// Runs the parts that the group gives this process until `stop` says so or something fails for good; then each
    /// finishes what it has read. `on` is told how it goes, several times a second.
    ///
    /// # Errors
    /// What can't be mended by waiting.
    pub fn run(&self, stop: &dyn Fn() -> bool, on: &mut dyn FnMut(&Figures)) -> Result<Figures, CorrelateError> {
        let kafka = &self.run.kafka;
        let mut member = Source::new(kafka, std::slice::from_ref(&kafka.topics.by_region))?;
        let (running, waiting) = (BTreeMap::new(), BTreeMap::new());
        let mut parts = Parts { correlate: self, running, waiting, started: Instant::now(), before: (0, 0) };
        let mut told = Instant::now();
        while !stop() {
            let (mut taken, mut left) = (Vec::new(), Vec::new());
            member.poll(POLL, &mut |event| match event {
                Event::Assigned(partitions) => taken.extend(partitions.iter().map(|it| it.1)),
                Event::Revoked { partitions, .. } => left.extend(partitions.iter().map(|it| it.1)),
                Event::Failed(error) => tracing::warn!("{error}"),
                Event::Jumped(error) => tracing::error!("{error}"),
                Event::Restored => tracing::info!("the broker is back"),
                // Each part reads for itself.
                Event::Record(_) | Event::End { .. } | Event::Behind { .. } | Event::Quiet => {}
            })?;
            let paused: Vec<(u16, i32)> = taken.iter().map(|&part| (0, part)).collect();
            if !paused.is_empty() {
                member.pause(&paused)?;
            }
            // Regions are shared out once.
            let parts_in_all = self.layout.parts();
            if let Some(&number) = taken.iter().find(|number| number.unsigned_abs() >= parts_in_all) {
                let (topic, found) = (kafka.topics.by_region.clone(), number.unsigned_abs() + 1);
                return Err(LayoutError::Parts { topic, found, expected: parts_in_all }.into());
            }
            // They are given away at the next poll: by then what they had read is committed.
            parts.end(&left)?;
            taken.retain(|part| !left.contains(part));
            parts.begin(&taken);
            parts.look_after()?;
            if told.elapsed() >= FIGURES_EVERY {
                told = Instant::now();
                on(&parts.figures());
            }
        }
        let all: Vec<i32> = parts.running.keys().copied().collect();
        let figures = parts.figures();
        parts.end(&all)?;
        Ok(Figures { revisions: figures.revisions.max(parts.before.0), ..figures })
    }
}

impl Parts<'_> {
    fn begin(&mut self, numbers: &[i32]) {
        for &number in numbers {
            if self.running.contains_key(&number) {
                continue;
            }
            self.waiting.remove(&number);
            tracing::info!(part = number, "takes up a part of the regions");
            let (stop, figures) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
            let run = self.correlate.run_of(number);
            let (stopping, telling) = (stop.clone(), figures.clone());
            let thread = std::thread::spawn(move || {
                let asked = || stopping.load(Ordering::Acquire);
                let told = &mut |now: &Figures| {
                    *telling.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.clone());
                };
                let last = run.run(&asked, told)?;
                told(&last);
                Ok(())
            });
            self.running.insert(number, Part { stop, figures, thread });
        }
    }

    /// Lets parts finish what they have read, all at the same time, and waits for it.
    fn end(&mut self, numbers: &[i32]) -> Result<(), CorrelateError> {
        for number in numbers {
            self.waiting.remove(number);
            if let Some(part) = self.running.get(number) {
                part.stop.store(true, Ordering::Release);
            }
        }
        for &number in numbers {
            let Some(part) = self.running.remove(&number) else { continue };
            let asked = Instant::now();
            match self.join(number, part)? {
                Ok(()) => tracing::info!(part = number, after_ms = asked.elapsed().as_millis() as u64, "left a part"),
                // It is another's by now, and that one goes on from what is committed.
                Err(error) => tracing::warn!(part = number, "left a part of the regions: {error}"),
            }
        }
        Ok(())
    }

    fn join(&mut self, number: i32, part: Part) -> Result<Result<(), RunError>, CorrelateError> {
        let ended = part.thread.join().map_err(|_| CorrelateError::Panicked { part: number })?;
        if let Some(figures) = part.figures.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            self.before.0 += figures.revisions;
            self.before.1 += figures.commits;
        }
        Ok(ended)
    }

    /// Parts that ended by themselves are begun again, unless that would not help.
    fn look_after(&mut self) -> Result<(), CorrelateError> {
        let ended: Vec<i32> = self.running.iter().filter(|it| it.1.thread.is_finished()).map(|it| *it.0).collect();
        for number in ended {
            let Some(part) = self.running.remove(&number) else { continue };
            match self.join(number, part)? {
                Err(RunError::Kafka(error)) if !matches!(error, KafkaError::Setting { .. }) => {
                    // Another has it; if it still is this one's by then, the other was wrong.
                    tracing::warn!(part = number, "a part of the regions stopped: {error}");
                    self.waiting.insert(number, Instant::now() + TRY_AGAIN);
                }
                Err(source) => return Err(CorrelateError::Part { part: number, source }),
                Ok(()) => {
                    self.waiting.insert(number, Instant::now() + TRY_AGAIN);
                }
            }
        }
        let now = Instant::now();
        let due: Vec<i32> = self.waiting.iter().filter(|it| *it.1 <= now).map(|it| *it.0).collect();
        self.begin(&due);
        Ok(())
    }

    /// All parts together; event time is that of the slowest.
    fn figures(&self) -> Figures {
        let mut all = Figures {
            tally: Tally::default(),
            revisions: self.before.0,
            lag: 0,
            watermark_ns: None,
            ingest_to_alert_us: latencies(),
            ingest_to_commit_us: latencies(),
            commits: self.before.1,
            arrivals_held: 0,
            lines_held: 0,
            ids_held: 0,
            paused: 0,
            waits: 0,
            batches_waiting: 0,
            parcels_waiting: 0,
            elapsed: self.started.elapsed(),
        };
        let (mut least_ns, mut is_known) = (i64::MAX, self.waiting.is_empty() && !self.running.is_empty());
        for part in self.running.values() {
            let figures = part.figures.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(figures) = figures.as_ref() else {
                is_known = false;
                continue;
            };
            all.tally.observations += figures.tally.observations;
            all.tally.rejected += figures.tally.rejected;
            all.tally.decisions += figures.tally.decisions;
            all.tally.engine.accepted += figures.tally.engine.accepted;
            all.tally.engine.late += figures.tally.engine.late;
            all.tally.engine.duplicates += figures.tally.engine.duplicates;
            all.tally.engine.refused += figures.tally.engine.refused;
            all.revisions += figures.revisions;
            all.lag += figures.lag;
            all.commits += figures.commits;
            all.arrivals_held += figures.arrivals_held;
            all.lines_held += figures.lines_held;
            all.ids_held += figures.ids_held;
            all.batches_waiting += figures.batches_waiting;
            all.parcels_waiting += figures.parcels_waiting;
            // Both hold the same range.
            let _ = all.ingest_to_alert_us.add(&figures.ingest_to_alert_us);
            let _ = all.ingest_to_commit_us.add(&figures.ingest_to_commit_us);
            match figures.watermark_ns {
                Some(watermark_ns) => least_ns = least_ns.min(watermark_ns),
                None => is_known = false,
            }
        }
        all.watermark_ns = Some(least_ns).filter(|_| is_known);
        all
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        for part in self.running.values() {
            part.stop.store(true, Ordering::Release);
        }
        while let Some((_, part)) = self.running.pop_first() {
            // What ended it has been told, or something worse has happened before.
            let _ = part.thread.join();
        }
    }
}

impl Correlate {
    /// The run of one part.
    fn run_of(&self, number: i32) -> Run {
        let instance = format!("region-{number}");
        let kafka = KafkaSettings { instance, ..self.run.kafka.clone() };
        let part = RunPart { layout: self.layout.clone(), number: number.unsigned_abs() };
        Run { kafka, part: Some(part), ..self.run.clone() }
    }
}
