//! Reading alerts back.

use super::commit::{COMMITS, read_manifest};
use super::error::ArchiveError;
use super::schema::Table;
use arrow::array::{Array, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;

/// Tells every alert of the archive under `root`, each revision as the message was sent, commit by commit. It may be done
/// beside a writer. Returns how many commits there are: none where there is no archive.
///
/// # Errors
/// A file that can't be read.
pub fn each_alert(root: &Path, on: &mut dyn FnMut(&str)) -> Result<u64, ArchiveError> {
    let directory = root.join(COMMITS);
    let mut commits = 0;
    while let Some(manifest) = read_manifest(&directory, commits + 1)? {
        commits += 1;
        for file in manifest.files.iter().filter(|file| file.table == Table::Alerts) {
            each_raw(&root.join(&file.path), on)?;
        }
    }
    Ok(commits)
}

fn each_raw(path: &Path, on: &mut dyn FnMut(&str)) -> Result<(), ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::io("open", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(ArchiveError::parquet(path))?;
    let raw = ProjectionMask::columns(builder.parquet_schema(), ["raw"]);
    let reader = builder.with_projection(raw).build().map_err(ArchiveError::parquet(path))?;
    for batch in reader {
        let batch = batch.map_err(|error| ArchiveError::parquet(path)(error.into()))?;
        let column = batch.column_by_name("raw").and_then(|it| it.as_any().downcast_ref::<StringArray>());
        for raw in column.into_iter().flat_map(|column| column.iter()).flatten() {
            on(raw);
        }
    }
    Ok(())
}
