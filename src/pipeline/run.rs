//! Kafka in, Kafka out: the live pipeline, in two stages on two threads.
//!
//! [`intake`](super::intake) reads and decodes; the stage here correlates, sends what follows, and commits. Between them
//! go a few batches ([`handover`](super::handover)): the next records are taken when the last are through, and Kafka
//! keeps the backlog. What is sent stands before the offsets of what it was concluded from are committed, so a crash
//! repeats alerts (with the same ids) and loses none.

use super::correlator::{Correlator, Results, Tally};
use super::handover::{Batch, Keys, Taken, Taker, handover};
use super::held_keys::HeldKeys;
use super::intake::{BATCH_RECORDS, Intake};
use super::latency::latencies;
use super::low_water::LowWater;
use super::reference::{ReferenceFileError, ReferenceFiles};
use super::reference_tables::ReferenceTables;
use crate::codec::alert::{EncodeError, alert_headers, alert_json, rejected_headers};
use crate::engine::settings::Settings;
use crate::kafka::{AtLeastOnce, KafkaError, KafkaSettings, Offsets, Outbox, Sink, Source};
use crate::model::alert::{AlertFeature, Latency};
use crate::model::time::NS_PER_S;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest wait for a batch before everything else is looked at.
const WAIT: Duration = Duration::from_millis(20);
/// Between two commits of offsets.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// Between two tellings of the figures.
const FIGURES_EVERY: Duration = Duration::from_millis(250);
/// How long a commit waits for deliveries before it is tried again later.
const FLUSH: Duration = Duration::from_secs(30);

/// What a live run is told.
#[derive(Clone, Debug)]
pub struct Run {
    /// The broker and the topics.
    pub kafka: KafkaSettings,
    /// Reference data that comes from files instead of topics.
    pub reference: ReferenceFiles,
    /// The engine's settings.
    pub settings: Settings,
    /// Their digest.
    pub config_digest: String,
    /// Whether each component's alerts also go to `alerts.<component>`.
    pub by_component: bool,
}

/// Why a live run ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Reference data.
    #[error(transparent)]
    Reference(#[from] ReferenceFileError),
    /// Kafka, for good.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// An alert that can't be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// How a live run goes.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What was read.
    pub tally: Tally,
    /// Alert revisions sent.
    pub revisions: u64,
    /// Records that stand in the topics and are not yet read.
    pub lag: u64,
    /// Everything up to here is settled, nanoseconds; `None` before anything is.
    pub watermark_ns: Option<i64>,
    /// From taking the deciding batch from the consumer's queue to handing the alert to the producer, microseconds.
    pub ingest_to_alert_us: Histogram<u64>,
    /// Arrivals held in windows.
    pub arrivals_held: usize,
    /// Since the start.
    pub elapsed: Duration,
}

impl Run {
    /// Runs until `stop` says so or Kafka fails for good; then finishes what was read, and commits. `figures` is told
    /// how it goes, several times a second.
    ///
    /// # Errors
    /// What can't be mended by waiting. A broker that is away can.
    pub fn run(&self, stop: &dyn Fn() -> bool, figures: &mut dyn FnMut(&Figures)) -> Result<Figures, RunError> {
        let (mut live, intake) = Live::start(self)?;
        let (giver, taker) = handover();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let over = &over;
            let reading = scope.spawn(move || {
                let mut intake = intake;
                let read = intake.run(giver, over);
                // It stays in the group until the last commit.
                (intake, read)
            });
            let worked = live.work(taker, over, stop, figures);
            let (intake, read) = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            worked?;
            read?;
            live.finish()?;
            drop(intake);
            Ok(live.figures())
        })
    }
}

/// The second stage of a run under way.
struct Live<'a> {
    run: &'a Run,
    topics: Vec<String>,
    offsets: Offsets,
    outbox: AtLeastOnce,
    correlator: Correlator,
    results: Results,
    held_keys: HeldKeys,
    low_water: LowWater,
    started: Instant,
    last_commit: Instant,
    last_figures: Instant,
    lag: u64,
    revisions: u64,
    ingest_to_alert_us: Histogram<u64>,
}

impl<'a> Live<'a> {
    fn start(run: &'a Run) -> Result<(Live<'a>, Intake), RunError> {
        let (registry, places) = run.reference.load()?;
        let names = &run.kafka.topics;
        let topics = vec![names.sensors.clone(), names.patrols.clone(), names.decisions.clone()];
        let mut correlator =
            Correlator::new(run.settings.clone(), run.config_digest.clone(), topics.clone(), registry, places);
        let tables = ReferenceTables::load(&run.kafka, &run.reference, &mut |reference| correlator.refer(reference))?;
        tracing::info!(nodes = correlator.registry().nodes().len(), "reference data is in");
        let batch_records = run.kafka.batch_records.min(BATCH_RECORDS);
        let source = Source::new(&KafkaSettings { batch_records, ..run.kafka.clone() }, &topics)?;
        let intake = Intake::new(source, tables, correlator.registry().clone());
        let now = Instant::now();
        let live = Live {
            run,
            topics,
            offsets: intake.offsets(),
            outbox: AtLeastOnce::new(Sink::new(&run.kafka)?, FLUSH),
            correlator,
            results: Results::default(),
            held_keys: HeldKeys::default(),
            low_water: LowWater::default(),
            started: now,
            last_commit: now,
            last_figures: now,
            lag: 0,
            revisions: 0,
            ingest_to_alert_us: latencies(),
        };
        Ok((live, intake))
    }

    /// Works through batches until there will be no more. `over` tells the other stage to stop, which it also does when
    /// this one fails.
    fn work(
        &mut self,
        taker: Taker,
        over: &AtomicBool,
        stop: &dyn Fn() -> bool,
        figures: &mut dyn FnMut(&Figures),
    ) -> Result<(), RunError> {
        loop {
            if stop() {
                over.store(true, Ordering::Release);
            }
            match taker.take(WAIT) {
                Taken::Batch(mut batch) => {
                    self.turn(&mut batch)?;
                    taker.give_back(batch);
                }
                Taken::Nothing => {}
                Taken::Closed => return Ok(()),
            }
            if self.last_commit.elapsed() >= COMMIT_EVERY {
                self.commit();
            }
            if self.last_figures.elapsed() >= FIGURES_EVERY {
                self.last_figures = Instant::now();
                figures(&self.figures());
            }
        }
    }

    /// Correlates a batch and sends what follows.
    fn turn(&mut self, batch: &mut Batch) -> Result<(), RunError> {
        let Live { correlator, results, low_water, .. } = self;
        for reference in batch.references.drain(..) {
            correlator.refer(reference);
        }
        for &partition in &batch.assigned {
            correlator.engine().assign(partition);
        }
        for &partition in &batch.behind {
            correlator.engine().behind(partition);
        }
        for &(partition, next_offset) in &batch.read_to {
            low_water.read(partition, next_offset);
        }
        correlator.correlate(&mut batch.lines, results);
        // First words do not wait for what it takes to work out which others are final.
        self.send(batch.taken_at, &mut batch.keys)?;
        let Live { correlator, results, low_water, .. } = self;
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
        self.send(batch.taken_at, &mut batch.keys)?;
        self.held_keys.keep(self.correlator.engine().held(), |place| batch.keys.of(place).map(<[u8]>::to_vec));
        if !batch.leaving.is_empty() {
            self.commit();
            for &partition in &batch.leaving {
                self.correlator.engine().revoke(partition);
                self.low_water.forget(partition);
            }
        }
        Ok(())
    }

    /// Sends alerts and rejected lines. Nothing is counted as done before [`Live::commit`].
    fn send(&mut self, taken_at: Option<Instant>, keys: &mut Keys) -> Result<(), RunError> {
        let names = &self.run.kafka.topics;
        let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64);
        for said in self.results.said.drain(..) {
            let mut feature = said.feature;
            let ingest = taken_at.map_or(Duration::ZERO, |at| at.elapsed());
            feature.properties.latency = Some(Latency {
                event_to_alert_ms: rounded_ms((now_ns - feature.properties.time.0) as f64 * 1e-6),
                ingest_to_alert_ms: rounded_ms(ingest.as_secs_f64() * 1e3),
            });
            self.ingest_to_alert_us.saturating_record(ingest.as_micros() as u64);
            let json = alert_json(&feature)?;
            let headers = alert_headers(&feature);
            let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let key = feature.properties.alert.as_bytes();
            self.outbox.send(&names.violations, Some(key), &json, &headers)?;
            self.outbox.send(&names.current, Some(key), &json, &headers)?;
            if let Some(topic) = component_topic(self.run.by_component, &feature) {
                self.outbox.send(&topic, Some(key), &json, &headers)?;
            }
            self.revisions += 1;
        }
        for line in self.results.rejected.drain(..) {
            let topic = self.topics.get(usize::from(line.origin.topic)).map_or("", String::as_str);
            let headers = rejected_headers(topic, line.origin, &line.refusal);
            let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let at = (line.origin.topic, line.origin.partition, line.origin.offset);
            let key = keys.of(at).or_else(|| self.held_keys.of(at));
            // The headers tell its place: what does not fit can be read where it came from, for as long as that topic
            // keeps it.
            self.outbox.send_what_fits(&names.rejected, key, &line.raw, &headers)?;
        }
        Ok(())
    }

    /// Makes what was sent stand, then the offsets it no longer needs. When that fails, nothing is lost: the offsets
    /// stay where they were, and the next commit covers these too.
    fn commit(&mut self) {
        self.last_commit = Instant::now();
        let engine = self.correlator.engine();
        let positions = self.low_water.positions(engine.low_water_ns(), engine.held());
        // Also without positions: what a topic refused is sent again.
        if let Err(error) = self.outbox.commit(&self.offsets, &positions) {
            tracing::warn!("offsets are not committed: {error}");
        }
    }

    fn finish(&mut self) -> Result<(), RunError> {
        self.outbox.sink().flush(FLUSH)?;
        self.commit();
        Ok(())
    }

    fn figures(&mut self) -> Figures {
        let watermark_ns = self.correlator.engine().progress().watermark_ns();
        Figures {
            tally: self.correlator.tally(),
            revisions: self.revisions,
            lag: self.lag,
            watermark_ns: (watermark_ns > i64::MIN).then_some(watermark_ns),
            ingest_to_alert_us: self.ingest_to_alert_us.clone(),
            arrivals_held: self.correlator.engine().arrivals_held(),
            elapsed: self.started.elapsed(),
        }
    }
}

fn component_topic(wanted: bool, feature: &AlertFeature) -> Option<String> {
    wanted.then_some(feature.properties.component).flatten().map(|component| format!("alerts.{component}"))
}

fn rounded_ms(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}
