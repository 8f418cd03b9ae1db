//! The files of the commit under way: several dates open at once, each a temporary file until it is whole.

use super::columns::TelemetryColumns;
use super::error::ArchiveError;
use super::rows::{AlertRows, RejectedRows};
use super::schema::{OFFSETS_KEY, Table};
use super::settings::ArchiveSettings;
use crate::model::time::{NS_PER_S, Timestamp};
use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows gathered before they are encoded.
const BATCH_ROWS: usize = 8192;

/// Alerts gathered before they are encoded: they are much larger.
const BATCH_ALERTS: usize = 1024;

/// Nanoseconds in a day.
const NS_PER_DAY: i64 = 86_400 * NS_PER_S;

/// What a file that is still being written is called after its name.
pub(super) const TEMPORARY: &str = ".tmp";

/// Offsets of one partition, of which rows were seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetRange {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub first: i64,
    /// One past the last.
    pub next: i64,
}

/// A file of a commit, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedFile {
    /// Where it is, from the archive's root, with `/`.
    pub path: String,
    /// The table.
    pub table: Table,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The day in which an instant falls, counted from 1970-01-01.
pub(super) fn day_of(time_ns: i64) -> i64 {
    time_ns.div_euclid(NS_PER_DAY)
}

enum Rows {
    Telemetry(Box<TelemetryColumns>),
    Alerts(AlertRows),
    Rejected(RejectedRows),
}

/// A file being written.
pub(super) struct OpenFile {
    table: Table,
    day: Option<i64>,
    path: String,
    temporary: PathBuf,
    writer: ArrowWriter<File>,
    waiting: Rows,
    rows: u64,
    used: u64,
    ranges: Vec<OffsetRange>,
    range: usize,
}

impl OpenFile {
    /// The telemetry rows that wait to be encoded.
    pub(super) fn telemetry(&mut self) -> Option<&mut TelemetryColumns> {
        match &mut self.waiting {
            Rows::Telemetry(rows) => Some(rows),
            _ => None,
        }
    }

    /// The alerts that wait to be encoded.
    pub(super) fn alerts(&mut self) -> Option<&mut AlertRows> {
        match &mut self.waiting {
            Rows::Alerts(rows) => Some(rows),
            _ => None,
        }
    }

    /// The rejected lines that wait to be encoded.
    pub(super) fn rejected(&mut self) -> Option<&mut RejectedRows> {
        match &mut self.waiting {
            Rows::Rejected(rows) => Some(rows),
            _ => None,
        }
    }

    /// Notes where the row just added was read, and encodes when enough rows wait.
    pub(super) fn added(&mut self, from: Option<(&str, i32, i64)>) -> Result<(), ArchiveError> {
        self.rows += 1;
        if let Some((topic, partition, offset)) = from {
            let is_it = |range: &OffsetRange| range.partition == partition && range.topic == topic;
            if !self.ranges.get(self.range).is_some_and(is_it) {
                self.range = self.ranges.iter().position(is_it).unwrap_or(self.ranges.len());
            }
            match self.ranges.get_mut(self.range) {
                Some(range) => {
                    range.first = range.first.min(offset);
                    range.next = range.next.max(offset + 1);
                }
                None => self.ranges.push(OffsetRange {
                    topic: topic.to_owned(),
                    partition,
                    first: offset,
                    next: offset + 1,
                }),
            }
        }
        let enough = match &self.waiting {
            Rows::Telemetry(rows) => rows.len() >= BATCH_ROWS,
            Rows::Alerts(rows) => rows.len() >= BATCH_ALERTS,
            Rows::Rejected(rows) => rows.len() >= BATCH_ALERTS,
        };
        if enough { self.encode() } else { Ok(()) }
    }

    fn encode(&mut self) -> Result<(), ArchiveError> {
        let (waiting, arrays) = match &mut self.waiting {
            Rows::Telemetry(rows) => (rows.len(), rows.finish()),
            Rows::Alerts(rows) => (rows.len(), rows.finish()),
            Rows::Rejected(rows) => (rows.len(), rows.finish()),
        };
        if waiting == 0 {
            return Ok(());
        }
        let wrote = RecordBatch::try_new(self.table.schema(), arrays)
            .map_err(Into::into)
            .and_then(|batch| self.writer.write(&batch));
        wrote.map_err(ArchiveError::parquet(&self.temporary))
    }

    fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Writes the rest and the footer, forces the file to disk and gives it its name.
    fn finish(mut self, root: &Path) -> Result<CommittedFile, ArchiveError> {
        self.encode()?;
        let offsets = serde_json::to_string(&self.ranges)
            .map_err(|error| ArchiveError::Manifest { path: self.temporary.clone(), reason: error.to_string() })?;
        self.writer.append_key_value_metadata(KeyValue::new(OFFSETS_KEY.to_owned(), offsets));
        let file = self.writer.into_inner().map_err(ArchiveError::parquet(&self.temporary))?;
        file.sync_all().map_err(ArchiveError::io("force to disk", &self.temporary))?;
        let bytes = file.metadata().map_err(ArchiveError::io("look at", &self.temporary))?.len();
        let path = root.join(&self.path);
        std::fs::rename(&self.temporary, &path).map_err(ArchiveError::io("give its name to", &path))?;
        Ok(CommittedFile { path: self.path, table: self.table, rows: self.rows, bytes })
    }
}

/// All files of the commit under way.
pub(super) struct Files {
    root: PathBuf,
    settings: ArchiveSettings,
    number: u64,
    part: u32,
    used: u64,
    open: Vec<OpenFile>,
    finished: Vec<CommittedFile>,
    created: Vec<String>,
    directories: BTreeSet<PathBuf>,
}

impl Files {
    /// No files yet; their names will begin with `number`.
    pub(super) fn new(root: &Path, settings: &ArchiveSettings, number: u64) -> Files {
        Files {
            root: root.to_owned(),
            settings: settings.clone(),
            number,
            part: 0,
            used: 0,
            open: Vec::new(),
            finished: Vec::new(),
            created: Vec::new(),
            directories: BTreeSet::new(),
        }
    }

    /// Rows added since the last commit.
    pub(super) fn rows(&self) -> u64 {
        self.open.iter().map(|file| file.rows).chain(self.finished.iter().map(|file| file.rows)).sum()
    }

    /// Bytes on disk or about to be.
    pub(super) fn bytes(&self) -> u64 {
        self.open.iter().map(OpenFile::bytes).chain(self.finished.iter().map(|file| file.bytes)).sum()
    }

    /// Files, open or finished.
    pub(super) fn count(&self) -> usize {
        self.open.len() + self.finished.len()
    }

    /// The open file of that table and day; opened if it is not. Another is closed if too many are open.
    pub(super) fn of(&mut self, table: Table, day: Option<i64>) -> Result<&mut OpenFile, ArchiveError> {
        self.used += 1;
        let at = match self.open.iter().position(|file| file.table == table && file.day == day) {
            Some(at) => at,
            None => {
                while self.open.len() >= self.settings.max_open_files {
                    let oldest = self.open.iter().enumerate().min_by_key(|(_, file)| file.used).map_or(0, |(at, _)| at);
                    let file = self.open.swap_remove(oldest);
                    self.finished.push(file.finish(&self.root)?);
                }
                let file = self.create(table, day)?;
                self.open.push(file);
                self.open.len() - 1
            }
        };
        self.open[at].used = self.used;
        Ok(&mut self.open[at])
    }

    fn create(&mut self, table: Table, day: Option<i64>) -> Result<OpenFile, ArchiveError> {
        let mut path = table.as_str().to_owned();
        if let Some(day) = day {
            let midnight = Timestamp(day.saturating_mul(NS_PER_DAY)).to_string();
            path.push_str("/date=");
            path.push_str(&midnight[..10]);
        }
        let directory = self.root.join(&path);
        std::fs::create_dir_all(&directory).map_err(ArchiveError::io("create directory", &directory))?;
        // A new date's directory is itself an entry of the table's, and that of the root's.
        let above = directory.ancestors().take_while(|path| path.starts_with(&self.root)).map(Path::to_owned);
        self.directories.extend(above);
        path.push_str(&format!("/{:010}-{}-{:03}.parquet", self.number, self.settings.writer, self.part));
        self.part += 1;
        let temporary = self.root.join(format!("{path}{TEMPORARY}"));
        self.created.push(path.clone());
        let file = File::create(&temporary).map_err(ArchiveError::io("create", &temporary))?;
        let properties = table.properties(&self.settings).map_err(ArchiveError::parquet(&temporary))?;
        let writer =
            ArrowWriter::try_new(file, table.schema(), Some(properties)).map_err(ArchiveError::parquet(&temporary))?;
        let waiting = match table {
            Table::Telemetry => Rows::Telemetry(Box::new(TelemetryColumns::new())),
            Table::Alerts => Rows::Alerts(AlertRows::default()),
            Table::Rejected => Rows::Rejected(RejectedRows::default()),
        };
        Ok(OpenFile { table, day, path, temporary, writer, waiting, rows: 0, used: 0, ranges: Vec::new(), range: 0 })
    }

    /// Closes every file, in the order of their names, and forces them and their directories to disk.
    pub(super) fn finish(&mut self) -> Result<&[CommittedFile], ArchiveError> {
        for file in self.open.drain(..) {
            self.finished.push(file.finish(&self.root)?);
        }
        for directory in &self.directories {
            sync_directory(directory)?;
        }
        self.finished.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(&self.finished)
    }

    /// Removes what was written, as far as the file system lets us; what stays is removed at the next opening.
    pub(super) fn abandon(&mut self) {
        self.open.clear();
        self.finished.clear();
        for path in self.created.drain(..) {
            let _ = std::fs::remove_file(self.root.join(format!("{path}{TEMPORARY}")));
            let _ = std::fs::remove_file(self.root.join(path));
        }
    }

    /// Lets go of the files, now that a manifest lists them.
    pub(super) fn keep(&mut self) {
        self.finished.clear();
        self.created.clear();
    }
}

/// Makes the entries of a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), ArchiveError> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(ArchiveError::io("force directory to disk", directory))
}
