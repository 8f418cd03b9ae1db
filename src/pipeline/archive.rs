//! Kafka to Parquet, in a consumer group of its own, so that a slow disk never delays an alert.
//!
//! Records come in, rows go out, and a commit of the archive carries the offsets it covers: what the archive says is
//! where reading goes on, after a restart, after a failure and whenever partitions change hands. The offsets
//! committed to the group only follow, for those who watch its lag.
//!
//! One turn: poll; then, as things stand,
//! - writing: add the rows, and commit if that is due;
//! - reading again: take the archive's word for where it ends, seek there, and drop what came meanwhile;
//! - waiting: the disk failed. Partitions are paused for a while, then everything is read again from the archive's end.

use super::nodes::{Nodes, NodesError};
use super::reference::ReferenceFiles;
use crate::archive::{Archive, ArchiveError, ArchiveSettings, Counts, ReadFrom, RejectedLine};
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::kafka::settings::Start;
use crate::kafka::{Event, KafkaError, KafkaSettings, Position, Record, Source};
use crate::model::alert::AlertFeature;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What the consumer group's name ends in: the archive reads for itself.
pub const GROUP_SUFFIX: &str = "-archive";

/// After so long without a record what is there is committed, so that a quiet stream is durable too.
pub const QUIET: Duration = Duration::from_secs(10);

/// How long to wait after the disk failed before trying again.
pub const BACK_OFF: Duration = Duration::from_secs(10);

/// Longest wait for records in one turn: how soon a stop is seen.
const POLL: Duration = Duration::from_millis(50);

/// A partition: the topic's index in the source's list, and its number.
type Part = (u16, i32);

/// The archive pipeline: what it is told.
#[derive(Clone, Debug)]
pub struct ArchiveRun {
    /// The broker and the topics; the group's name gets [`GROUP_SUFFIX`].
    pub kafka: KafkaSettings,
    /// Files in place of topics; of them the sensor registry is read.
    pub reference: ReferenceFiles,
    /// How the archive is written.
    pub archive: ArchiveSettings,
    /// The directory; made if it is not there.
    pub root: PathBuf,
}

/// How long it waits, by the wall's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Without a record, before what is there is committed.
    pub quiet: Duration,
    /// After the disk failed, before trying again.
    pub back_off: Duration,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits { quiet: QUIET, back_off: BACK_OFF }
    }
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveStatus {
    /// What went into the archive and its commits. Rows of a commit that failed count again when they come again.
    pub counts: Counts,
    /// Records of the alerts' topic that are no alerts; they are passed over.
    pub unreadable_alerts: u64,
    /// Records that wait at the broker.
    pub lag: u64,
    /// Whether the archive cannot be written at present.
    pub is_waiting: bool,
}

/// Why the pipeline ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveRunError {
    /// No sensor registry.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// The archive could not be opened, or not be written when it was time to end; what it lacks is read again at
    /// the next start.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The Kafka client is of no more use.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl ArchiveRun {
    /// Archives until it is told to stop, which is asked at least every 50 ms, then commits and leaves the group.
    ///
    /// A disk that fails does not end it: it says so once, waits and reads again, so that no row is lost or doubled.
    ///
    /// # Errors
    /// See [`ArchiveRunError`].
    pub fn run(&self, stop: &dyn Fn() -> bool) -> Result<ArchiveStatus, ArchiveRunError> {
        self.run_watched(Waits::default(), stop, &mut |_| {})
    }

    /// As [`run`](ArchiveRun::run); `on_turn` hears how far it has come, at least every 50 ms.
    ///
    /// # Errors
    /// As [`run`](ArchiveRun::run).
    pub fn run_watched(
        &self,
        waits: Waits,
        stop: &dyn Fn() -> bool,
        on_turn: &mut dyn FnMut(&ArchiveStatus),
    ) -> Result<ArchiveStatus, ArchiveRunError> {
        let nodes = Nodes::open(&self.kafka, self.reference.sensors.as_deref())?;
        let archive = Archive::open(&self.root, self.archive.clone())?;
        let names = &self.kafka.topics;
        let topics = vec![names.sensors.clone(), names.patrols.clone(), names.violations.clone()];
        let mut kafka = self.kafka.clone();
        kafka.group.push_str(GROUP_SUFFIX);
        if !archive.durable().is_empty() {
            // What it has begun it goes on with: a partition that is new, or that lost its oldest records, is read
            // from its start and not from its end.
            kafka.start = Start::Earliest;
        }
        let source = Source::new(&kafka, &topics)?;
        let mut work = Work {
            alerts_topic: 2,
            topics,
            nodes,
            archive,
            source,
            decoder: Decoder::new(DecodeOptions { keep_raw: true }),
            batch: Batch::default(),
            began: BTreeMap::new(),
            standing: Standing::Writing,
            is_troubled: false,
            last_record: Instant::now(),
            pending_since: None,
            unreadable_alerts: 0,
            waits,
            max_age: Some(self.archive.max_age_s).filter(|&age_s| age_s > 0.0).map(Duration::from_secs_f64),
        };
        while !stop() {
            work.turn()?;
            on_turn(&work.status());
        }
        work.leave()
    }
}

/// What one poll told.
#[derive(Default)]
struct Batch {
    lines: Lines,
    alerts: Vec<(AlertFeature, String, ReadFrom)>,
    /// For each partition the offset after the last record.
    reached: BTreeMap<Part, i64>,
    /// Newly assigned partitions.
    assigned: Vec<Part>,
    revoked: bool,
    /// Revoked, and too late to commit anything for them.
    lost: bool,
}

impl Batch {
    fn clear(&mut self) {
        self.lines.clear();
        self.alerts.clear();
        self.reached.clear();
        self.assigned.clear();
        (self.revoked, self.lost) = (false, false);
    }
}

/// What to do with what comes.
enum Standing {
    /// Write it.
    Writing,
    /// Find out where the archive ends, and read on from there.
    ReadAgain,
    /// The archive could not be written; partitions are paused until then.
    Waiting { error: ArchiveError, until: Instant },
}

/// The pipeline at work.
struct Work {
    topics: Vec<String>,
    /// The place of the alerts' topic among them; the others are telemetry.
    alerts_topic: u16,
    nodes: Nodes,
    archive: Archive,
    source: Source,
    decoder: Decoder,
    batch: Batch,
    /// Where reading began of each partition since it was assigned: where to read again what the archive has never
    /// committed.
    began: BTreeMap<Part, i64>,
    standing: Standing,
    /// The archive failed and has not been written since: said once.
    is_troubled: bool,
    last_record: Instant,
    /// When the first of what is not durable came.
    pending_since: Option<Instant>,
    unreadable_alerts: u64,
    waits: Waits,
    max_age: Option<Duration>,
}

impl Work {
    fn turn(&mut self) -> Result<(), KafkaError> {
        self.nodes.follow()?;
        self.poll()?;
        if !self.batch.assigned.is_empty() {
            self.assigned();
        }
        match &self.standing {
            Standing::Writing => {
                if let Err(error) = self.write() {
                    self.wait(error);
                }
            }
            Standing::ReadAgain => self.read_again(),
            Standing::Waiting { until, .. } if Instant::now() >= *until => self.read_again(),
            Standing::Waiting { .. } => {}
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<(), KafkaError> {
        let Work { source, decoder, nodes, batch, began, topics, alerts_topic, unreadable_alerts, .. } = self;
        batch.clear();
        // Of several at once the first is told.
        let mut unreadable = 0u64;
        source.poll(POLL, &mut |event| match event {
            Event::Record(record) => {
                let part = (record.topic, record.partition);
                began.entry(part).or_insert(record.offset);
                batch.reached.insert(part, record.offset + 1);
                if record.topic != *alerts_topic {
                    let at = RecordAt { topic: record.topic, partition: record.partition, offset: record.offset };
                    decoder.record(record.payload, at, &mut nodes.registry, &mut batch.lines);
                } else if !record.payload.is_empty() {
                    match alert(&record, &topics[usize::from(record.topic)]) {
                        Ok(alert) => batch.alerts.push(alert),
                        Err(why) => {
                            if unreadable == 0 {
                                let (partition, offset) = (record.partition, record.offset);
                                tracing::warn!("alert at partition {partition} offset {offset} passed over: {why}");
                            }
                            unreadable += 1;
                        }
                    }
                }
            }
            Event::Assigned(parts) => {
                began.retain(|part, _| !parts.contains(part));
                batch.assigned.extend_from_slice(parts);
            }
            Event::Revoked { partitions, lost } => {
                began.retain(|part, _| !partitions.contains(part));
                batch.revoked = true;
                batch.lost |= lost;
            }
            Event::End { .. } | Event::Behind { .. } | Event::Quiet => {}
            Event::Failed(failure) => tracing::warn!("archive: {failure}"),
            Event::Jumped(failure) => tracing::error!("archive: {failure}"),
            Event::Restored => tracing::info!("archive: the broker is back"),
        })?;
        *unreadable_alerts += unreadable;
        if !batch.reached.is_empty() {
            self.last_record = Instant::now();
        }
        Ok(())
    }

    /// Whoever had the new partitions before may have archived more of them than the group knows. What was read of the
    /// others is committed first, since asking the archive drops what is not durable.
    fn assigned(&mut self) {
        match self.standing {
            Standing::Writing => match self.roll() {
                Ok(()) => self.standing = Standing::ReadAgain,
                Err(error) => self.wait(error),
            },
            Standing::ReadAgain => {}
            Standing::Waiting { .. } => self.pause(),
        }
    }

    /// Adds the rows of the batch at hand, and commits if that is due.
    fn write(&mut self) -> Result<(), ArchiveError> {
        let Batch { lines, alerts, reached, .. } = &self.batch;
        self.archive.telemetry(&lines.observations, &self.nodes.registry, &self.topics)?;
        for line in &lines.rejected {
            self.archive.rejected(&RejectedLine {
                topic: self.topics.get(usize::from(line.origin.topic)).map_or("", String::as_str),
                partition: line.origin.partition,
                offset: line.origin.offset,
                line: line.origin.line,
                reason: line.refusal.reason,
                message: &line.refusal.message,
                raw: &line.raw,
            })?;
        }
        for (feature, raw, from) in alerts {
            self.archive.alert(feature, raw, Some(from))?;
        }
        for (&(topic, partition), &next) in reached {
            self.archive.progress(&self.topics[usize::from(topic)], partition, next);
        }
        if !reached.is_empty() {
            self.pending_since.get_or_insert_with(Instant::now);
        }
        if self.batch.revoked || self.archive.due() || self.is_overdue() {
            self.roll()?;
        }
        Ok(())
    }

    /// Whether rows have waited long enough, though their event time does not say so.
    fn is_overdue(&self) -> bool {
        self.pending_since.is_some_and(|since| {
            self.last_record.elapsed() >= self.waits.quiet || self.max_age.is_some_and(|age| since.elapsed() >= age)
        })
    }

    /// Makes everything durable that was added, and tells the group.
    fn roll(&mut self) -> Result<(), ArchiveError> {
        let commits = self.archive.counts().commits;
        self.archive.roll()?;
        self.pending_since = None;
        if self.archive.counts().commits == commits {
            return Ok(());
        }
        if std::mem::take(&mut self.is_troubled) {
            tracing::info!("the archive is written again");
        }
        let positions = self.positions(|work, (topic, partition)| work.covered(topic, partition));
        // Partitions that are about to go need it to have happened; for the others it is only a figure.
        let committed = match (self.batch.revoked, self.batch.lost) {
            (true, true) => Ok(()),
            (true, false) => self.source.commit(&positions),
            (false, _) => self.source.commit_async(&positions),
        };
        if let Err(error) = committed {
            tracing::warn!("archive: {error}; the archive itself knows where to go on");
        }
        Ok(())
    }

    /// Reads on from where the archive ends. What cannot be done now is tried again at the next turn; until then
    /// all that comes is dropped.
    fn read_again(&mut self) {
        if let Err(error) = self.archive.resume() {
            return self.wait(error);
        }
        self.pending_since = None;
        let positions =
            self.positions(|work, part| work.covered(part.0, part.1).or_else(|| work.began.get(&part).copied()));
        let parts: Vec<Part> = self.source.assignment().collect();
        match self.source.seek(&positions).and_then(|()| self.source.resume(&parts)) {
            Ok(()) => self.standing = Standing::Writing,
            Err(error) => {
                tracing::warn!("archive: {error}; trying again");
                self.standing = Standing::ReadAgain;
            }
        }
    }

    /// The archive cannot be written: nothing more is read until it may be tried again.
    fn wait(&mut self, error: ArchiveError) {
        if std::mem::replace(&mut self.is_troubled, true) {
            tracing::debug!("archive: {error}");
        } else {
            let seconds = self.waits.back_off.as_secs_f64();
            tracing::error!("the archive waits and tries again every {seconds} s, nothing is lost: {error}");
        }
        self.pending_since = None;
        self.standing = Standing::Waiting { error, until: Instant::now() + self.waits.back_off };
        self.pause();
    }

    fn pause(&self) {
        let parts: Vec<Part> = self.source.assignment().collect();
        if let Err(error) = self.source.pause(&parts) {
            // What comes all the same is dropped and read again.
            tracing::warn!("archive: {error}");
        }
    }

    fn covered(&self, topic: u16, partition: i32) -> Option<i64> {
        self.archive.covered(self.topics.get(usize::from(topic))?, partition)
    }

    fn positions(&self, next_offset: impl Fn(&Work, Part) -> Option<i64>) -> Vec<Position> {
        let position =
            |part: Part| Some(Position { topic: part.0, partition: part.1, next_offset: next_offset(self, part)? });
        self.source.assignment().filter_map(position).collect()
    }

    fn status(&self) -> ArchiveStatus {
        ArchiveStatus {
            counts: self.archive.counts(),
            unreadable_alerts: self.unreadable_alerts,
            lag: self.source.lag(),
            is_waiting: self.is_troubled,
        }
    }

    /// Commits what was read and leaves.
    fn leave(mut self) -> Result<ArchiveStatus, ArchiveRunError> {
        if let Standing::Waiting { error, .. } = self.standing {
            return Err(error.into());
        }
        if let Standing::Writing = self.standing {
            // As if all were revoked: the group is told before it is left.
            (self.batch.revoked, self.batch.lost) = (true, false);
            self.roll()?;
        }
        Ok(self.status())
    }
}

/// An alert as it was sent, and where it stood.
fn alert(record: &Record<'_>, topic: &str) -> Result<(AlertFeature, String, ReadFrom), serde_json::Error> {
    let feature = serde_json::from_slice(record.payload)?;
    // What was parsed as JSON is UTF-8.
    let raw = String::from_utf8_lossy(record.payload).into_owned();
    let from = ReadFrom { topic: topic.to_owned(), partition: record.partition, offset: record.offset };
    Ok((feature, raw, from))
}

#[cfg(test)]
mod tests;
