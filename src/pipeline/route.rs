//! The first stage of a cluster: each line of telemetry goes to the parts of the regions whose events it may have heard,
//! with the word how far event time has come everywhere.
//!
//! It decodes as far as it has to to know node, kind, time and place; what can't be understood is refused here, once. The
//! bytes that came go on untouched. One transaction holds what was sent on, what was refused and how far was read: a
//! router that dies leaves nothing half done, and remembers nothing that it would have to read again. So any number of
//! them share the partitions of telemetry, and partitions move from one to another at once.

use super::by_region::{LineHead, PartitionProgress, What};
use super::correlator::Reference;
use super::handover::Keys;
use super::heard::Heard;
use super::layout::{Layout, LayoutError};
use super::reference::{ReferenceFileError, ReferenceFiles};
use super::reference_tables::ReferenceTables;
use super::run::NAP;
use crate::codec::alert::rejected_headers;
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::engine::progress::Partition;
use crate::engine::settings::Settings;
use crate::engine::share::Regions;
use crate::kafka::{Event, ExactlyOnce, Group, KafkaError, KafkaSettings, Outbox, Position, Source};
use crate::model::node::Registry;
use crate::model::time::{NS_PER_S, ns_from_s};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longest wait for a record before everything else is looked at.
const POLL: Duration = Duration::from_millis(5);
/// Between two commits, when nothing more is at hand and when there is; and the most that waits for one.
const COMMIT_EVERY: Duration = Duration::from_millis(10);
const COMMIT_EVERY_AT_WORK: Duration = Duration::from_millis(50);
const COMMIT_AFTER_RECORDS: usize = 20_000;
/// Between two tellings how far event time has come, on the clock and by the event time of one partition.
const TELL_EVERY: Duration = Duration::from_millis(100);
const TELL_STEP_NS: i64 = 5 * NS_PER_S;
/// The same of all partitions, whether or not there is news of them: that one is at its end holds as long as its router says so, for one
/// that is gone would not read what comes then; and who begins anew with a part reads only what its predecessor still needed.
const TELL_ALL_EVERY: Duration = Duration::from_millis(500);
/// Between two looks at the reference tables.
const TABLES_EVERY: Duration = Duration::from_millis(250);
/// Between two attempts to begin anew, and between two tellings of the figures.
const TRY_AGAIN: Duration = Duration::from_secs(1);
const FIGURES_EVERY: Duration = Duration::from_millis(250);

/// What a router is told.
#[derive(Clone, Debug)]
pub struct Route {
    /// The broker and the topics; the group and the instance are the router's own.
    pub kafka: KafkaSettings,
    /// Reference data that comes from files instead of topics.
    pub reference: ReferenceFiles,
    /// The engine's settings: what is late and what is far ahead.
    pub settings: Settings,
    /// The regions.
    pub layout: Layout,
}

/// Why a router ended.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Reference data.
    #[error(transparent)]
    Reference(#[from] ReferenceFileError),
    /// Kafka, for good.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// No regions to go by.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// What can't be encoded.
    #[error("telling how far event time has come: {0}")]
    Encode(#[from] serde_json::Error),
}

/// How a router goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteFigures {
    /// Records read.
    pub records: u64,
    /// Lines sent on, each counted once a part.
    pub forwarded: u64,
    /// Lines refused.
    pub rejected: u64,
    /// Commits.
    pub commits: u64,
    /// Records that stand in the topics and are not yet read.
    pub lag: u64,
}

/// A router between two failures.
struct Router<'a> {
    route: &'a Route,
    topics: Vec<String>,
    outbox: ExactlyOnce,
    source: Source,
    tables: Option<ReferenceTables>,
    registry: Registry,
    regions: Regions,
    decoder: Decoder,
    lines: Lines,
    keys: Keys,
    heard: BTreeMap<Partition, Heard>,
    read_to: BTreeMap<Partition, i64>,
    leaving: Vec<Partition>,
    /// Whether anything beyond what was read waits for a commit.
    has_sent: bool,
    since_commit: usize,
    last_commit: Instant,
    last_told: Instant,
    last_told_all: Instant,
    last_tables: Instant,
    to: Vec<u32>,
}

impl Route {
    /// Runs until `stop` says so or Kafka fails for good; then what was read is committed. `on` is told how it goes,
    /// several times a second.
    ///
    /// # Errors
    /// What can't be mended by waiting. A broker that is away can.
    pub fn run(&self, stop: &dyn Fn() -> bool, on: &mut dyn FnMut(&RouteFigures)) -> Result<RouteFigures, RouteError> {
        let mut figures = RouteFigures::default();
        let mut router = Router::start(self)?;
        loop {
            match router.work(stop, &mut figures, on) {
                Ok(()) => return Ok(figures),
                Err(RouteError::Kafka(error)) if !is_final(&error) => {
                    tracing::warn!("begins anew from what is committed: {error}");
                }
                Err(error) => return Err(error),
            }
            // The member leaves before it comes back.
            drop(router);
            router = loop {
                match Router::start(self) {
                    Err(RouteError::Kafka(error)) if !is_final(&error) && !stop() => {
                        tracing::warn!("can't begin anew yet: {error}");
                        let until = Instant::now() + TRY_AGAIN;
                        while Instant::now() < until && !stop() {
                            std::thread::park_timeout(NAP);
                        }
                    }
                    started => break started?,
                }
            };
        }
    }
}

/// Another process of the same name is told by the group, for good; what is said of the transactional id may only mean
/// that this one was away for too long.
fn is_final(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Setting { .. } | KafkaError::Fatal { .. } | KafkaError::TooLarge { .. })
}

impl<'a> Router<'a> {
    fn start(route: &'a Route) -> Result<Router<'a>, RouteError> {
        let (kafka, names) = (&route.kafka, &route.kafka.topics);
        let topics = vec![names.sensors.clone(), names.patrols.clone(), names.decisions.clone()];
        let group = Group::default();
        let outbox = ExactlyOnce::new(kafka, &[&names.by_region, &names.rejected], group.clone())?;
        let (mut registry, _) = route.reference.load()?;
        let tables = ReferenceTables::load(kafka, &route.reference, &mut |reference| {
            if let Reference::Node(node) = reference {
                registry.upsert(node);
            }
        })?;
        let regions = route.layout.regions(&registry);
        let source = Source::new(kafka, &topics)?;
        group.join(source.offsets());
        let now = Instant::now();
        Ok(Router {
            route,
            topics,
            outbox,
            source,
            tables,
            registry,
            regions,
            decoder: Decoder::new(DecodeOptions { keep_raw: true }),
            lines: Lines::default(),
            keys: Keys::default(),
            heard: BTreeMap::new(),
            read_to: BTreeMap::new(),
            leaving: Vec::new(),
            has_sent: false,
            since_commit: 0,
            last_commit: now,
            last_told: now,
            last_told_all: now,
            last_tables: now,
            to: Vec::new(),
        })
    }

    fn work(
        &mut self,
        stop: &dyn Fn() -> bool,
        figures: &mut RouteFigures,
        on: &mut dyn FnMut(&RouteFigures),
    ) -> Result<(), RouteError> {
        let mut told = Instant::now();
        while !stop() {
            self.follow_tables()?;
            self.turn(figures)?;
            if told.elapsed() >= FIGURES_EVERY {
                told = Instant::now();
                figures.lag = self.source.lag();
                on(figures);
            }
        }
        self.tell_progress()?;
        self.commit(figures)
    }

    /// Takes what is there, sends it on, and commits when it is time to.
    fn turn(&mut self, figures: &mut RouteFigures) -> Result<(), RouteError> {
        let Router { source, decoder, registry, lines, keys, heard, read_to, leaving, .. } = self;
        let (mut ended, mut quiet) = (Vec::new(), false);
        let taken = source.poll(POLL, &mut |event| match event {
            Event::Record(record) => {
                let at = RecordAt { topic: record.topic, partition: record.partition, offset: record.offset };
                let partition = (record.topic, record.partition);
                keys.push(at, record.key);
                read_to.insert(partition, record.offset + 1);
                ended.retain(|&it| it != partition);
                decoder.record(record.payload, at, registry, lines);
            }
            Event::Assigned(partitions) => {
                tracing::info!(partitions = partitions.len(), "partitions assigned");
                leaving.retain(|partition| !partitions.contains(partition));
                partitions.iter().for_each(|&partition| heard.entry(partition).or_default().set_ended(false));
            }
            Event::Revoked { partitions, lost } => {
                tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
                leaving.extend_from_slice(partitions);
            }
            Event::End { topic, partition } => ended.push((topic, partition)),
            Event::Behind { topic, partition } => heard.entry((topic, partition)).or_default().set_ended(false),
            Event::Quiet => quiet = true,
            Event::Failed(error) => tracing::warn!("{error}"),
            Event::Jumped(error) => tracing::error!("{error}"),
            Event::Restored => tracing::info!("the broker is back"),
        })?;
        figures.records += taken as u64;
        self.since_commit += taken;
        self.forward(figures)?;
        // What was read is told of before its end is.
        for partition in ended {
            self.heard.entry(partition).or_default().set_ended(true);
        }
        if quiet {
            self.heard.values_mut().for_each(Heard::set_quiet);
        }
        let gives_away = !self.leaving.is_empty();
        if gives_away || self.last_told.elapsed() >= TELL_EVERY {
            self.tell_progress()?;
        }
        let least = if taken == 0 { COMMIT_EVERY } else { COMMIT_EVERY_AT_WORK };
        if gives_away || self.last_commit.elapsed() >= least || self.since_commit >= COMMIT_AFTER_RECORDS {
            self.commit(figures)?;
        }
        for partition in std::mem::take(&mut self.leaving) {
            self.heard.remove(&partition);
            self.read_to.remove(&partition);
        }
        Ok(())
    }

    /// Sends on what was decoded.
    fn forward(&mut self, figures: &mut RouteFigures) -> Result<(), RouteError> {
        let settings = &self.route.settings;
        let (lateness_ns, max_future_ns) = (ns_from_s(settings.lateness_s), ns_from_s(settings.max_future_s));
        let mut lines = std::mem::take(&mut self.lines);
        let batch = &lines.observations;
        for row in 0..batch.len() {
            let (origin, time_ns) = (batch.origin[row], batch.time_ns[row]);
            let partition = (origin.topic, origin.partition);
            let heard = self.heard.entry(partition).or_default();
            if heard.is_to_be_told_before(time_ns, lateness_ns, TELL_STEP_NS) {
                self.tell_progress()?;
            }
            let heard = self.heard.entry(partition).or_default();
            heard.note(batch.node[row], time_ns, max_future_ns);
            // A record may have more lines.
            heard.read(origin.offset);
            self.regions.route(batch, row, &self.registry, &mut self.to);
            let key = self.keys.of((origin.topic, origin.partition, origin.offset));
            let mut head = head(&self.topics, origin, key);
            for (at, &part) in self.to.iter().enumerate() {
                head.halo = at > 0;
                send(&mut self.outbox, &self.route.kafka.topics.by_region, part, &head, batch.slice(batch.raw[row]))?;
                figures.forwarded += 1;
            }
        }
        for line in lines.decisions.drain(..) {
            // Whose alert it is about turns out on the way from the first part to the last.
            let key = self.keys.of((line.origin.topic, line.origin.partition, line.origin.offset));
            let head = head(&self.topics, line.origin, key);
            send(&mut self.outbox, &self.route.kafka.topics.by_region, 0, &head, &line.raw)?;
            figures.forwarded += 1;
        }
        for line in lines.rejected.drain(..) {
            let topic = self.topics.get(usize::from(line.origin.topic)).map_or("", String::as_str);
            let headers = rejected_headers(topic, line.origin, &line.refusal);
            let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let key = self.keys.of((line.origin.topic, line.origin.partition, line.origin.offset));
            self.outbox.send_what_fits(&self.route.kafka.topics.rejected, key, &line.raw, &headers)?;
            figures.rejected += 1;
        }
        for (&partition, &next_offset) in &self.read_to {
            let heard = self.heard.entry(partition).or_default();
            heard.read_at_least(next_offset);
        }
        lines.clear();
        self.lines = lines;
        self.keys.clear();
        Ok(())
    }

    /// Tells all parts how far event time has come, where that is news, and now and then everywhere.
    fn tell_progress(&mut self) -> Result<(), RouteError> {
        self.last_told = Instant::now();
        if self.last_told_all.elapsed() >= TELL_ALL_EVERY {
            self.last_told_all = self.last_told;
            self.heard.values_mut().for_each(Heard::tell_again);
        }
        let Router { heard, topics, registry, .. } = self;
        let told = heard.iter_mut().filter_map(|(&(topic, partition), heard)| {
            heard.take(topics.get(usize::from(topic))?, partition, registry)
        });
        let told: Vec<PartitionProgress> = told.collect();
        if told.is_empty() {
            return Ok(());
        }
        let payload = serde_json::to_vec(&told)?;
        self.has_sent = true;
        for part in 0..self.regions.parts() {
            let key = part.to_string();
            let (topic, headers) = (&self.route.kafka.topics.by_region, What::Progress.headers());
            self.outbox.send_to(topic, part as i32, Some(key.as_bytes()), &payload, &headers)?;
        }
        Ok(())
    }

    fn commit(&mut self, figures: &mut RouteFigures) -> Result<(), RouteError> {
        let position =
            |(&(topic, partition), &next_offset): (&Partition, &i64)| Position { topic, partition, next_offset };
        let positions: Vec<Position> = self.read_to.iter().map(position).collect();
        if positions.is_empty() && !self.has_sent {
            return Ok(());
        }
        self.outbox.commit(&positions)?;
        self.read_to.clear();
        self.has_sent = false;
        figures.commits += 1;
        (self.since_commit, self.last_commit) = (0, Instant::now());
        Ok(())
    }

    fn follow_tables(&mut self) -> Result<(), RouteError> {
        if self.last_tables.elapsed() < TABLES_EVERY {
            return Ok(());
        }
        self.last_tables = Instant::now();
        let Router { tables: Some(tables), registry, .. } = self else { return Ok(()) };
        tables.follow(&mut |reference| {
            if let Reference::Node(node) = reference {
                registry.upsert(node);
            }
        })?;
        Ok(())
    }
}

fn head<'a>(topics: &'a [String], origin: crate::model::observation::Origin, key: Option<&'a [u8]>) -> LineHead<'a> {
    let topic = topics.get(usize::from(origin.topic)).map_or("", String::as_str);
    let (partition, offset, line) = (origin.partition, origin.offset, origin.line);
    LineHead { topic, partition, offset, line, halo: false, key }
}

fn send(outbox: &mut ExactlyOnce, topic: &str, part: u32, head: &LineHead<'_>, line: &[u8]) -> Result<(), KafkaError> {
    let key = part.to_string();
    head.with_headers(|headers| outbox.send_to(topic, part as i32, Some(key.as_bytes()), line, headers))
}
