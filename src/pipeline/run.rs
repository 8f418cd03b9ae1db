//! Kafka in, Kafka out: the live pipeline, one thread from the consumer's queue to the alert topics.
//!
//! Back-pressure is the order of things: the next records are taken when the last are through, and Kafka keeps the
//! backlog. What is sent stands before the offsets of what it was concluded from are committed, so a crash repeats
//! alerts (with the same ids) and loses none.

use super::correlator::{Correlator, Reference, Results, Tally};
use super::held_keys::HeldKeys;
use super::low_water::LowWater;
use super::reference::{ReferenceFileError, ReferenceFiles};
use crate::codec::RecordAt;
use crate::codec::alert::{EncodeError, alert_headers, alert_json, rejected_headers};
use crate::codec::reference::{Reference as Feature, from_record};
use crate::engine::settings::Settings;
use crate::kafka::{AtLeastOnce, Event, KafkaError, KafkaSettings, Outbox, Sink, Source, Tables};
use crate::model::alert::{AlertFeature, Latency};
use crate::model::area::Area;
use crate::model::node::Node;
use crate::model::notice::Notice;
use crate::model::time::NS_PER_S;
use hdrhistogram::Histogram;
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest wait for a record before the loop looks at everything else.
const POLL: Duration = Duration::from_millis(5);
/// Records through the engine at a time: what bounds the wait of the first of them.
const BATCH_RECORDS: usize = 2_048;
/// Between two commits of offsets.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// Between two looks at the reference tables.
const TABLES_EVERY: Duration = Duration::from_millis(250);
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
        let mut live = Live::start(self)?;
        while !stop() {
            live.turn()?;
            if live.figures_due() {
                figures(&live.figures());
            }
        }
        live.finish()?;
        Ok(live.figures())
    }
}

/// A run under way.
struct Live<'a> {
    run: &'a Run,
    topics: Vec<String>,
    tables: Option<Tables>,
    table_topics: Vec<Table>,
    source: Source,
    outbox: AtLeastOnce,
    correlator: Correlator,
    results: Results,
    keys: Keys,
    held_keys: HeldKeys,
    low_water: LowWater,
    started: Instant,
    last_commit: Instant,
    last_tables: Instant,
    last_figures: Instant,
    revisions: u64,
    ingest_to_alert_us: Histogram<u64>,
}

/// A reference topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Sensors,
    Areas,
    Notices,
}

impl<'a> Live<'a> {
    fn start(run: &'a Run) -> Result<Live<'a>, RunError> {
        let (registry, places) = run.reference.load()?;
        let names = &run.kafka.topics;
        let topics = vec![names.sensors.clone(), names.patrols.clone(), names.decisions.clone()];
        let mut correlator =
            Correlator::new(run.settings.clone(), run.config_digest.clone(), topics.clone(), registry, places);
        let (table_topics, table_names): (Vec<Table>, Vec<String>) = [
            (Table::Sensors, &names.reference_sensors, run.reference.sensors.is_some()),
            (Table::Areas, &names.reference_areas, run.reference.areas.is_some()),
            (Table::Notices, &names.reference_notices, run.reference.notices.is_some()),
        ]
        .into_iter()
        .filter(|&(_, _, from_file)| !from_file)
        .map(|(table, name, _)| (table, name.clone()))
        .unzip();
        let mut tables = None;
        if !table_names.is_empty() {
            let mut opened = Tables::open(&run.kafka, &table_names)?;
            opened
                .load(&mut |change| refer(&mut correlator, &table_topics, change.topic, change.key, change.payload))?;
            tables = Some(opened);
        }
        tracing::info!(nodes = correlator.registry().nodes().len(), "reference data is in");
        let source = Source::new(&run.kafka, &topics)?;
        let outbox = AtLeastOnce::new(Sink::new(&run.kafka)?, FLUSH);
        let now = Instant::now();
        Ok(Live {
            run,
            topics,
            tables,
            table_topics,
            source,
            outbox,
            correlator,
            results: Results::default(),
            keys: Keys::default(),
            held_keys: HeldKeys::default(),
            low_water: LowWater::default(),
            started: now,
            last_commit: now,
            last_tables: now,
            last_figures: now,
            revisions: 0,
            ingest_to_alert_us: latencies(),
        })
    }

    /// Takes what there is, correlates it, sends what follows.
    fn turn(&mut self) -> Result<(), RunError> {
        let Live { source, correlator, keys, low_water, results, .. } = self;
        let mut taken_at: Option<Instant> = None;
        let mut ended = Vec::new();
        let mut leaving = Vec::new();
        let mut reassigned = false;
        let mut is_quiet = false;
        let mut records = 0;
        while records < BATCH_RECORDS && leaving.is_empty() {
            // Wait for the first record alone; then take what is there already.
            let wait = if records == 0 { POLL } else { Duration::ZERO };
            let taken = source.poll(wait, &mut |event| match event {
                Event::Record(record) => {
                    taken_at.get_or_insert_with(Instant::now);
                    let at = RecordAt { topic: record.topic, partition: record.partition, offset: record.offset };
                    keys.push(at, record.key);
                    low_water.read((record.topic, record.partition), record.offset + 1);
                    correlator.record(record.payload, at);
                }
                Event::Assigned(partitions) => {
                    for &partition in partitions {
                        correlator.engine().assign(partition);
                    }
                    tracing::info!(partitions = partitions.len(), "partitions assigned");
                    reassigned = true;
                }
                Event::Revoked { partitions, lost } => {
                    tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
                    leaving.extend(partitions.iter().map(|&partition| (partition, lost)));
                }
                Event::End { topic, partition } => ended.push((topic, partition)),
                Event::Behind { topic, partition } => {
                    ended.retain(|&end| end != (topic, partition));
                    correlator.engine().behind((topic, partition));
                }
                Event::Quiet => is_quiet = true,
                Event::Failed(error) => tracing::warn!("{error}"),
                Event::Restored => tracing::info!("the broker is back"),
            })?;
            records += taken;
            if taken == 0 {
                break;
            }
        }
        correlator.correlate(results);
        for (topic, partition) in ended {
            correlator.caught_up(topic, partition, results);
        }
        if is_quiet {
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
        self.send(taken_at)?;
        let Live { correlator, keys, held_keys, .. } = self;
        held_keys.keep(correlator.engine().held(), |place| keys.of(place).map(<[u8]>::to_vec));
        self.keys.clear();
        if !leaving.is_empty() {
            self.commit();
            for (partition, _lost) in leaving {
                self.correlator.engine().revoke(partition);
                self.low_water.forget(partition);
            }
        }
        if reassigned {
            self.check_share();
        }
        if self.last_commit.elapsed() >= COMMIT_EVERY {
            self.commit();
        }
        self.follow_tables()
    }

    /// An event is heard by nodes of all partitions: a process that reads only some of them misses what it can't put
    /// together.
    fn check_share(&self) {
        let (mine, all) = (self.source.assignment().count(), self.source.partitions_in_all());
        if let Some(all) = all.filter(|&all| mine < all) {
            tracing::warn!(
                "this process reads {mine} of {all} partitions; another one in group {:?} reads the rest, and events \
                 heard across both are missed: run one process a group",
                self.run.kafka.group
            );
        }
    }

    /// Sends alerts and rejected lines. Nothing is counted as done before [`Live::commit`].
    fn send(&mut self, taken_at: Option<Instant>) -> Result<(), RunError> {
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
            let key = self.keys.of(at).or_else(|| self.held_keys.of(at));
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
        if let Err(error) = self.outbox.commit(&self.source, &positions) {
            tracing::warn!("offsets are not committed: {error}");
        }
    }

    fn follow_tables(&mut self) -> Result<(), RunError> {
        if self.last_tables.elapsed() < TABLES_EVERY {
            return Ok(());
        }
        self.last_tables = Instant::now();
        let Some(tables) = &mut self.tables else { return Ok(()) };
        let (correlator, table_topics) = (&mut self.correlator, &self.table_topics);
        let on = &mut |change: crate::kafka::Change<'_>| {
            refer(correlator, table_topics, change.topic, change.key, change.payload);
        };
        tables.poll(Duration::ZERO, on)?;
        for error in tables.take_failures() {
            tracing::warn!("{error}");
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), RunError> {
        self.correlator.correlate(&mut self.results);
        self.send(None)?;
        self.outbox.sink().flush(FLUSH)?;
        self.commit();
        Ok(())
    }

    fn figures_due(&mut self) -> bool {
        let due = self.last_figures.elapsed() >= FIGURES_EVERY;
        if due {
            self.last_figures = Instant::now();
        }
        due
    }

    fn figures(&mut self) -> Figures {
        let watermark_ns = self.correlator.engine().progress().watermark_ns();
        Figures {
            tally: self.correlator.tally(),
            revisions: self.revisions,
            lag: self.source.lag(),
            watermark_ns: (watermark_ns > i64::MIN).then_some(watermark_ns),
            ingest_to_alert_us: self.ingest_to_alert_us.clone(),
            arrivals_held: self.correlator.engine().arrivals_held(),
            elapsed: self.started.elapsed(),
        }
    }
}

/// The keys of the records of the batch at hand: a rejected line goes out under the key it came with.
#[derive(Debug, Default)]
struct Keys {
    spans: Vec<(RecordAt, u32, u32)>,
    bytes: Vec<u8>,
    by_place: FxHashMap<(u16, i32, i64), usize>,
}

impl Keys {
    fn push(&mut self, at: RecordAt, key: Option<&[u8]>) {
        let Some(key) = key else { return };
        self.spans.push((at, self.bytes.len() as u32, key.len() as u32));
        self.bytes.extend_from_slice(key);
    }

    fn of(&mut self, place: (u16, i32, i64)) -> Option<&[u8]> {
        // Most batches have no rejected line; the table is made when the first is asked for.
        if self.by_place.is_empty() {
            let places = self.spans.iter().map(|(at, _, _)| (at.topic, at.partition, at.offset));
            self.by_place.extend(places.zip(0..));
        }
        let &(_, start, len) = self.spans.get(*self.by_place.get(&place)?)?;
        self.bytes.get(start as usize..(start + len) as usize)
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.bytes.clear();
        self.by_place.clear();
    }
}

/// Applies a change of a reference table; what can't be read is told and left as it was.
fn refer(correlator: &mut Correlator, tables: &[Table], topic: u16, key: &[u8], payload: Option<&[u8]>) {
    fn read<T: Feature>(payload: &[u8], key: &[u8]) -> Option<T> {
        let read = from_record(payload);
        read.map_err(|error| tracing::warn!("reference record {}: {error}", String::from_utf8_lossy(key))).ok()
    }
    let name = || String::from_utf8_lossy(key).into_owned();
    let change = match (tables.get(usize::from(topic)), payload) {
        (Some(Table::Sensors), Some(payload)) => read::<Node>(payload, key).map(Reference::Node),
        (Some(Table::Areas), Some(payload)) => read::<Area>(payload, key).map(Reference::Area),
        (Some(Table::Notices), Some(payload)) => read::<Notice>(payload, key).map(Reference::Notice),
        (Some(Table::Areas), None) => Some(Reference::AreaGone(name())),
        (Some(Table::Notices), None) => Some(Reference::NoticeGone(name())),
        // A node that is gone stays known: what it sent still has to be understood.
        (Some(Table::Sensors), None) | (None, _) => None,
    };
    if let Some(change) = change {
        correlator.refer(change);
    }
}

fn component_topic(wanted: bool, feature: &AlertFeature) -> Option<String> {
    wanted.then_some(feature.properties.component).flatten().map(|component| format!("alerts.{component}"))
}

fn rounded_ms(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}

fn latencies() -> Histogram<u64> {
    const LONGEST_US: u64 = 3_600_000_000;
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds and digits are constants that fit")
}
