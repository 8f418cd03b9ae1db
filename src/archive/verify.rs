//! Whether an archive is whole: every listed file readable, every row there once, no offset left out.

use super::commit::{COMMITS, Manifest, commits_under, files_under, read_manifest};
use super::error::ArchiveError;
use super::schema::Table;
use super::writer::OffsetRange;
use arrow::array::{Array, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::Path;

/// Faults that are told; what is beyond is only counted.
const MAX_FAULTS: usize = 1000;

/// What one table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableReport {
    /// Files listed.
    pub files: u64,
    /// Rows read.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Commits.
    pub commits: u64,
    /// What each table holds.
    pub tables: BTreeMap<Table, TableReport>,
    /// Files that no commit lists: remains of a crash, or of a writer at work.
    pub unlisted: Vec<String>,
    /// What is wrong, a sentence each; the first thousand.
    pub faults: Vec<String>,
    /// How many there are in all.
    pub fault_count: u64,
}

impl Report {
    /// Whether nothing is wrong. Unlisted files are not part of the archive and do no harm.
    pub fn is_whole(&self) -> bool {
        self.fault_count == 0
    }

    fn fault(&mut self, sentence: String) {
        self.fault_count += 1;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(sentence);
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} commits", self.commits)?;
        for (table, held) in &self.tables {
            writeln!(f, "{}: {} rows in {} files, {} bytes", table.as_str(), held.rows, held.files, held.bytes)?;
        }
        if !self.unlisted.is_empty() {
            writeln!(f, "{} files that no commit lists, such as {}", self.unlisted.len(), self.unlisted[0])?;
        }
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        match self.fault_count {
            0 => writeln!(f, "whole"),
            count => writeln!(f, "not whole: {count} faults"),
        }
    }
}

/// A line's place: a double is a place seen twice in one table.
type Place = (u16, i32, i64, i32);

/// Reads the whole archive under `root` and reports. It may be run beside a writer.
///
/// # Errors
/// Only when the directories themselves cannot be read; everything else is a fault in the report.
pub fn verify(root: impl AsRef<Path>) -> Result<Report, ArchiveError> {
    let root = root.as_ref();
    let directory = root.join(COMMITS);
    let mut report =
        Report { tables: Table::ALL.map(|table| (table, TableReport::default())).into(), ..Report::default() };
    let mut listed = HashSet::new();
    let mut ends: BTreeMap<(String, i32), i64> = BTreeMap::new();
    let mut expected = 1;
    for number in commits_under(root)? {
        if number != expected {
            report.fault(format!("commits {expected} to {} are missing", number - 1));
        }
        expected = number + 1;
        match read_manifest(&directory, number) {
            Ok(Some(manifest)) => {
                report.commits += 1;
                check_chain(&manifest, &mut ends, &mut report);
                check_files(root, &manifest, &mut listed, &mut report);
            }
            Ok(None) => report.fault(format!("commit {number} is gone")),
            Err(error) => report.fault(error.to_string()),
        }
    }
    for table in Table::ALL {
        for path in files_under(&root.join(table.as_str()))? {
            if !listed.contains(&path) {
                report.unlisted.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
            }
        }
    }
    Ok(report)
}

/// Each partition goes on where the commit before left it.
fn check_chain(manifest: &Manifest, ends: &mut BTreeMap<(String, i32), i64>, report: &mut Report) {
    for OffsetRange { topic, partition, first, next } in &manifest.offsets {
        let end = ends.entry((topic.clone(), *partition)).or_insert(*first);
        let (commit, at) = (manifest.commit, *end);
        match first.cmp(end) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => report.fault(format!(
                "commit {commit} begins {topic}/{partition} at offset {first}, but the one before ended at {at}: a gap"
            )),
            std::cmp::Ordering::Less => report.fault(format!(
                "commit {commit} begins {topic}/{partition} at offset {first}, but the one before ended at {at}: doubled"
            )),
        }
        *end = (*end).max(*next);
    }
}

fn check_files(root: &Path, manifest: &Manifest, listed: &mut HashSet<std::path::PathBuf>, report: &mut Report) {
    let mut seen: BTreeMap<Table, HashSet<Place>> = BTreeMap::new();
    for file in &manifest.files {
        let path = root.join(&file.path);
        if !listed.insert(path.clone()) {
            report.fault(format!("{} is listed twice", file.path));
        }
        let mut rows = 0;
        let read = each_batch(&path, |batch| {
            rows += batch.num_rows() as u64;
            check_places(&file.path, batch, manifest, seen.entry(file.table).or_default(), report);
        });
        if let Err(error) = read {
            report.fault(format!("{}: {error}", file.path));
        } else if rows != file.rows {
            report.fault(format!("{} has {rows} rows; commit {} lists {}", file.path, manifest.commit, file.rows));
        }
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let table = report.tables.entry(file.table).or_default();
        table.files += 1;
        table.rows += rows;
        table.bytes += bytes;
    }
}

/// Every row lies in the offsets that its commit covers, and none is there twice. Commits do not overlap, so a
/// double can only be within one, and the memory needed is that of one commit's places.
fn check_places(path: &str, batch: &RecordBatch, manifest: &Manifest, seen: &mut HashSet<Place>, report: &mut Report) {
    let column = |name: &str| batch.column_by_name(name);
    let topics = column("topic").and_then(|it| it.as_any().downcast_ref::<StringArray>());
    let partitions = column("partition").and_then(|it| it.as_any().downcast_ref::<Int32Array>());
    let offsets = column("offset").and_then(|it| it.as_any().downcast_ref::<Int64Array>());
    let lines = column("line").and_then(|it| it.as_any().downcast_ref::<Int32Array>());
    let (Some(topics), Some(partitions), Some(offsets)) = (topics, partitions, offsets) else {
        return report.fault(format!("{path} lacks the columns topic, partition and offset"));
    };
    for row in 0..batch.num_rows() {
        // An alert that was archived as it was made, not as it was read, has no place.
        if topics.is_null(row) {
            continue;
        }
        let (topic, partition, offset) = (topics.value(row), partitions.value(row), offsets.value(row));
        let line = lines.map_or(0, |lines| lines.value(row));
        let range = manifest.offsets.iter().position(|it| it.topic == topic && it.partition == partition);
        let Some(range) = range else {
            report.fault(format!("{path} has a row of {topic}/{partition}, which its commit does not list"));
            continue;
        };
        let covers = &manifest.offsets[range];
        if !(covers.first..covers.next).contains(&offset) {
            report.fault(format!("{path} has offset {offset} of {topic}/{partition}, outside of its commit"));
        }
        if !seen.insert((range as u16, partition, offset, line)) {
            report.fault(format!("{path} has {topic}/{partition} offset {offset} line {line} twice"));
        }
    }
}

/// Reads a file a batch at a time, every column, so that every page is checked.
fn each_batch(path: &Path, mut take: impl FnMut(&RecordBatch)) -> Result<(), ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::io("open", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(ArchiveError::parquet(path))?;
    let reader = builder.with_batch_size(8192).build().map_err(ArchiveError::parquet(path))?;
    for batch in reader {
        take(&batch.map_err(|error| ArchiveError::parquet(path)(error.into()))?);
    }
    Ok(())
}
