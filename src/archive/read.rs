//! Reading an archive back: the lines of telemetry as received, and what was said of an alert.

use super::commit::{COMMITS, commits_under, read_manifest};
use super::error::ArchiveError;
use super::schema::Table;
use arrow::array::{Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// A line of telemetry as received, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedLine {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The line in the record.
    pub line: u32,
    /// The bytes as received: what was understood is text.
    pub raw: String,
}

/// The lines of telemetry of that time (nanoseconds), in no order.
///
/// # Errors
/// A commit or a file that can't be read, or lacks a column.
pub fn telemetry(root: &Path, time_ns: RangeInclusive<i64>) -> Result<Vec<ArchivedLine>, ArchiveError> {
    let mut lines = Vec::new();
    let columns = ["topic", "partition", "offset", "line", "time", "raw"];
    each_batch(root, Table::Telemetry, &columns, &mut |batch| {
        let text = |name| batch.column_by_name(name)?.as_any().downcast_ref::<StringArray>();
        let int = |name| batch.column_by_name(name)?.as_any().downcast_ref::<Int32Array>();
        let offsets = batch.column_by_name("offset")?.as_any().downcast_ref::<Int64Array>()?;
        let times = batch.column_by_name("time")?.as_any().downcast_ref::<TimestampNanosecondArray>()?;
        let (topics, partitions, numbers, raws) = (text("topic")?, int("partition")?, int("line")?, text("raw")?);
        for row in (0..batch.num_rows()).filter(|&row| time_ns.contains(&times.value(row))) {
            lines.push(ArchivedLine {
                topic: topics.value(row).to_owned(),
                partition: partitions.value(row),
                offset: offsets.value(row),
                line: numbers.value(row).unsigned_abs(),
                raw: raws.value(row).to_owned(),
            });
        }
        Some(())
    })?;
    Ok(lines)
}

/// Every revision of these alerts as it was written, in no order; all there are when none is named.
///
/// # Errors
/// As [`telemetry`].
pub fn revisions(root: &Path, alerts: &[String]) -> Result<Vec<String>, ArchiveError> {
    let mut said = Vec::new();
    each_batch(root, Table::Alerts, &["alert", "raw"], &mut |batch| {
        let text = |name| batch.column_by_name(name)?.as_any().downcast_ref::<StringArray>();
        let (ids, raws) = (text("alert")?, text("raw")?);
        let wanted = |row: &usize| alerts.is_empty() || alerts.iter().any(|alert| alert == ids.value(*row));
        said.extend((0..batch.num_rows()).filter(wanted).map(|row| raws.value(row).to_owned()));
        Some(())
    })?;
    Ok(said)
}

/// Tells every alert of the archive under `root`, each revision as the message was sent, commit by commit. It may be done
/// beside a writer. Returns how many commits there are: none where there is no archive.
///
/// # Errors
/// As [`telemetry`].
pub fn each_alert(root: &Path, on: &mut dyn FnMut(&str)) -> Result<u64, ArchiveError> {
    each_batch(root, Table::Alerts, &["raw"], &mut |batch| {
        let raws = batch.column_by_name("raw")?.as_any().downcast_ref::<StringArray>()?;
        raws.iter().flatten().for_each(&mut *on);
        Some(())
    })?;
    Ok(commits_under(root)?.len() as u64)
}

/// Goes through the files of a table that are committed, these columns of them.
fn each_batch(
    root: &Path,
    table: Table,
    columns: &[&str],
    take: &mut dyn FnMut(&RecordBatch) -> Option<()>,
) -> Result<(), ArchiveError> {
    for path in committed(root, table)? {
        let file = File::open(&path).map_err(ArchiveError::io("open", &path))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(ArchiveError::parquet(&path))?;
        let wanted = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let reader = builder.with_projection(wanted).build().map_err(ArchiveError::parquet(&path))?;
        for batch in reader {
            let batch = batch.map_err(|error| ArchiveError::parquet(&path)(error.into()))?;
            if take(&batch).is_none() {
                let missing = std::io::Error::other(format!("it lacks one of the columns {}", columns.join(", ")));
                return Err(ArchiveError::io("read", &path)(missing));
            }
        }
    }
    Ok(())
}

fn committed(root: &Path, table: Table) -> Result<Vec<PathBuf>, ArchiveError> {
    let directory = root.join(COMMITS);
    let mut paths = Vec::new();
    for number in commits_under(root)? {
        let Some(manifest) = read_manifest(&directory, number)? else { continue };
        paths.extend(manifest.files.iter().filter(|file| file.table == table).map(|file| root.join(&file.path)));
    }
    Ok(paths)
}
