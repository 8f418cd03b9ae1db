//! The archive as its writers see it: rows in, commits when due, and where to read on after a failure.

use super::commit::{self, CommitLog};
use super::error::ArchiveError;
use super::schema::Table;
use super::settings::ArchiveSettings;
use super::writer::{Files, OffsetRange, day_of};
use crate::model::alert::AlertFeature;
use crate::model::node::Registry;
use crate::model::observation::Observations;
use crate::model::reject::Reason;
use crate::model::time::ns_from_s;
use std::path::{Path, PathBuf};

/// Most files in one commit; more are due at once. Bounds what many dates in a jumble can cost.
const MAX_FILES_PER_COMMIT: usize = 512;

/// The record that a row was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFrom {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// A line that was refused, and where it stood.
#[derive(Clone, Copy, Debug)]
pub struct RejectedLine<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The line in the record, from 0.
    pub line: u32,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub message: &'a str,
    /// The bytes as received.
    pub raw: &'a [u8],
}

/// Where to read on: everything before `next` is in the archive for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub next: i64,
}

/// What went in since the archive was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Observations added.
    pub telemetry: u64,
    /// Alerts added.
    pub alerts: u64,
    /// Rejected lines added.
    pub rejected: u64,
    /// Rows passed over because the archive had them.
    pub known: u64,
    /// Commits made.
    pub commits: u64,
    /// Files that a crash had left, removed at opening.
    pub remains: u64,
}

/// How far a partition has come.
struct Position {
    topic: String,
    partition: i32,
    /// Rows below are in the archive or in the commit under way: they are passed over.
    floor: i64,
    /// First and next offset in the commit under way; equal: none.
    first: i64,
    next: i64,
    /// Whether `first` is where the archive ended before.
    continues: bool,
}

/// An open archive. One process a root and writer name.
///
/// Rows are added with [`telemetry`](Archive::telemetry), [`alert`](Archive::alert) and
/// [`rejected`](Archive::rejected) and become durable, all together, with [`roll`](Archive::roll). A commit covers
/// whole records: call `roll` or [`roll_if_due`](Archive::roll_if_due) only when every row of the records read so
/// far has been added. Within a process rows of a record that is read twice are passed over once
/// [`progress`](Archive::progress) or a commit has closed the record.
///
/// After an error nothing of the commit under way is kept, and rows are refused until
/// [`resume`](Archive::resume) has said where to read on; no row is lost as long as reading starts there.
pub struct Archive {
    root: PathBuf,
    settings: ArchiveSettings,
    log: CommitLog,
    files: Files,
    positions: Vec<Position>,
    /// Newest event time seen, and what it was when the commit under way got its first row.
    newest_ns: i64,
    began_ns: Option<i64>,
    failed: bool,
    counts: Counts,
    _lock: commit::Lock,
}

impl Archive {
    /// Opens the archive under `root`, or makes one, and removes what a crash of this writer left.
    ///
    /// # Errors
    /// A setting out of range, a directory that cannot be written, a manifest that cannot be read, or another
    /// process under the same writer name.
    pub fn open(root: impl AsRef<Path>, settings: ArchiveSettings) -> Result<Archive, ArchiveError> {
        settings.check()?;
        let root = root.as_ref().to_owned();
        std::fs::create_dir_all(&root).map_err(ArchiveError::io("create directory", &root))?;
        let log = CommitLog::open(&root)?;
        let lock = commit::lock(&root, &settings.writer)?;
        let remains = commit::remove_remains(&root, &settings.writer)? as u64;
        let mut archive = Archive {
            files: Files::new(&root, &settings, log.next_number()),
            root,
            settings,
            log,
            positions: Vec::new(),
            newest_ns: i64::MIN,
            began_ns: None,
            failed: false,
            counts: Counts { remains, ..Counts::default() },
            _lock: lock,
        };
        archive.start_commit();
        Ok(archive)
    }

    /// Adds a batch of observations; `topics` names the topics that their origins number. Rows that the archive
    /// has already are passed over.
    ///
    /// # Errors
    /// Those of the file system; see the type's description for what holds afterwards.
    pub fn telemetry(
        &mut self,
        batch: &Observations,
        registry: &Registry,
        topics: &[String],
    ) -> Result<(), ArchiveError> {
        self.ready()?;
        let added = self.add_telemetry(batch, registry, topics);
        self.settle(added)
    }

    /// Adds an alert. `raw` is the message as it was sent; `from` where it was read, if it was.
    ///
    /// # Errors
    /// As [`telemetry`](Archive::telemetry).
    pub fn alert(&mut self, alert: &AlertFeature, raw: &str, from: Option<&ReadFrom>) -> Result<(), ArchiveError> {
        self.ready()?;
        let added = self.add_alert(alert, raw, from);
        self.settle(added)
    }

    /// Adds a rejected line.
    ///
    /// # Errors
    /// As [`telemetry`](Archive::telemetry).
    pub fn rejected(&mut self, line: &RejectedLine<'_>) -> Result<(), ArchiveError> {
        self.ready()?;
        let added = self.add_rejected(line);
        self.settle(added)
    }

    /// Says that all rows of the records before `next` have been added, or that they had none (duplicates, blank
    /// records, the log's own marks). The next commit covers them.
    pub fn progress(&mut self, topic: &str, partition: i32, next: i64) {
        if next > 0 {
            let at = self.position(topic, partition);
            let position = &mut self.positions[at];
            position.reach(next - 1);
            position.floor = position.floor.max(next);
        }
    }

    /// Whether the commit under way has reached one of the limits of the settings.
    pub fn due(&self) -> bool {
        let age_ns = self.began_ns.map_or(0, |began_ns| self.newest_ns.saturating_sub(began_ns));
        self.files.rows() >= self.settings.max_rows
            || self.files.count() >= MAX_FILES_PER_COMMIT
            || (self.settings.max_age_s > 0.0 && age_ns >= ns_from_s(self.settings.max_age_s))
            || self.files.bytes() >= self.settings.max_bytes
    }

    /// Commits if it is due; whether it did.
    ///
    /// # Errors
    /// As [`roll`](Archive::roll).
    pub fn roll_if_due(&mut self) -> Result<bool, ArchiveError> {
        self.ready()?;
        if !self.due() {
            return Ok(false);
        }
        self.roll()?;
        Ok(true)
    }

    /// Commits: every row added is durable when this returns. Does nothing when nothing was added.
    ///
    /// # Errors
    /// Those of the file system, and [`ArchiveError::Overtaken`]; see the type's description for what holds
    /// afterwards.
    pub fn roll(&mut self) -> Result<(), ArchiveError> {
        self.ready()?;
        let committed = self.commit();
        self.settle(committed)
    }

    /// The next offset to read of each partition: what to commit to the consumer group, and where to start.
    pub fn durable(&self) -> Vec<Durable> {
        let of = |((topic, partition), next): (&(String, i32), &i64)| Durable {
            topic: topic.clone(),
            partition: *partition,
            next: *next,
        };
        self.log.covered().iter().map(of).collect()
    }

    /// The next offset to read of one partition; `None`: the archive has nothing of it.
    pub fn covered(&self, topic: &str, partition: i32) -> Option<i64> {
        self.log.covered().get(&(topic.to_owned(), partition)).copied()
    }

    /// Drops what is not durable, learns what other writers have committed, and takes rows again. Read on from
    /// what this returns: after an error, and when partitions are newly assigned.
    ///
    /// # Errors
    /// A manifest that cannot be read.
    pub fn resume(&mut self) -> Result<Vec<Durable>, ArchiveError> {
        self.files.abandon();
        self.log.settle()?;
        self.start_commit();
        self.failed = false;
        Ok(self.durable())
    }

    /// What went in since it was opened; rows of a commit that failed are counted again when they come again.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn ready(&self) -> Result<(), ArchiveError> {
        if self.failed { Err(ArchiveError::Interrupted) } else { Ok(()) }
    }

    fn settle<T>(&mut self, outcome: Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        if outcome.is_err() {
            self.failed = true;
            self.files.abandon();
        }
        outcome
    }

    fn start_commit(&mut self) {
        self.files = Files::new(&self.root, &self.settings, self.log.next_number());
        self.positions.clear();
        self.began_ns = None;
    }

    /// The place of a partition in `positions`.
    fn position(&mut self, topic: &str, partition: i32) -> usize {
        let known = self.positions.iter().position(|it| it.partition == partition && it.topic == topic);
        known.unwrap_or_else(|| {
            let topic = topic.to_owned();
            let covered = self.log.covered().get(&(topic.clone(), partition)).copied();
            let floor = covered.unwrap_or(i64::MIN);
            let next = covered.unwrap_or(0);
            let continues = covered.is_some();
            self.positions.push(Position { topic, partition, floor, first: next, next, continues });
            self.positions.len() - 1
        })
    }

    fn add_telemetry(
        &mut self,
        batch: &Observations,
        registry: &Registry,
        topics: &[String],
    ) -> Result<(), ArchiveError> {
        let mut at = 0;
        // Rows come in runs of one partition and one day: what belongs to the run is looked up once.
        while at < batch.len() {
            let (origin, day) = (batch.origin[at], day_of(batch.time_ns[at]));
            let name = topics.get(usize::from(origin.topic));
            let topic = name.ok_or(ArchiveError::UnknownTopic { number: origin.topic, known: topics.len() })?;
            let position = self.position(topic, origin.partition);
            let position = &mut self.positions[position];
            let is_known = |offset: i64| offset < position.floor;
            let known = is_known(origin.offset);
            let run = (at..batch.len())
                .take_while(|&row| {
                    let here = batch.origin[row];
                    (here.topic, here.partition) == (origin.topic, origin.partition)
                        && day_of(batch.time_ns[row]) == day
                        && is_known(here.offset) == known
                })
                .count();
            let rows = at..at + run;
            at = rows.end;
            if known {
                self.counts.known += run as u64;
                continue;
            }
            let file = self.files.of(Table::Telemetry, Some(day))?;
            for row in rows {
                let offset = batch.origin[row].offset;
                position.reach(offset);
                if let Some(columns) = file.telemetry() {
                    columns.push(batch, row, registry, topic);
                }
                file.added(Some((topic, origin.partition, offset)))?;
                self.newest_ns = self.newest_ns.max(batch.time_ns[row]);
                self.began_ns.get_or_insert(self.newest_ns);
            }
            self.counts.telemetry += run as u64;
        }
        Ok(())
    }

    fn add_alert(&mut self, alert: &AlertFeature, raw: &str, from: Option<&ReadFrom>) -> Result<(), ArchiveError> {
        let position = from.map(|from| self.position(&from.topic, from.partition));
        if let (Some(from), Some(position)) = (from, position) {
            if from.offset < self.positions[position].floor {
                self.counts.known += 1;
                return Ok(());
            }
            self.positions[position].reach(from.offset);
        }
        let time_ns = alert.properties.time.0;
        let file = self.files.of(Table::Alerts, Some(day_of(time_ns)))?;
        if let Some(rows) = file.alerts() {
            rows.push(alert, raw, from);
        }
        file.added(from.map(|from| (from.topic.as_str(), from.partition, from.offset)))?;
        self.counts.alerts += 1;
        self.newest_ns = self.newest_ns.max(time_ns);
        self.began_ns.get_or_insert(self.newest_ns);
        Ok(())
    }

    fn add_rejected(&mut self, line: &RejectedLine<'_>) -> Result<(), ArchiveError> {
        let position = self.position(line.topic, line.partition);
        let position = &mut self.positions[position];
        if line.offset < position.floor {
            self.counts.known += 1;
            return Ok(());
        }
        position.reach(line.offset);
        // A refused line has no time that could be trusted: its table has no dates.
        let file = self.files.of(Table::Rejected, None)?;
        if let Some(rows) = file.rejected() {
            rows.push(line);
        }
        file.added(Some((line.topic, line.partition, line.offset)))?;
        self.counts.rejected += 1;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), ArchiveError> {
        let offsets: Vec<OffsetRange> = self.positions.iter().filter_map(Position::range).collect();
        if self.files.count() == 0 && offsets.is_empty() {
            return Ok(());
        }
        let files = self.files.finish()?;
        self.log.append(&self.settings.writer, files, offsets)?;
        // The manifest stands: from here on nothing may remove its files, whatever fails.
        self.files.keep();
        self.log.settle()?;
        self.counts.commits += 1;
        self.start_commit();
        Ok(())
    }
}

impl Position {
    /// Takes the record at `offset` into the commit under way.
    fn reach(&mut self, offset: i64) {
        if !self.continues && self.first == self.next {
            (self.first, self.next) = (offset, offset + 1);
        }
        self.next = self.next.max(offset + 1);
        if !self.continues {
            self.first = self.first.min(offset);
        }
    }

    fn range(&self) -> Option<OffsetRange> {
        let (first, next) = (self.first, self.next);
        (first < next).then(|| OffsetRange { topic: self.topic.clone(), partition: self.partition, first, next })
    }
}
