//! The archive as a plain Parquet reader sees it.

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Topic, partition, offset, line.
pub type Place = (String, i32, i64, i32);

/// How often each line stands in a table.
pub fn places(root: &Path, table: &str) -> BTreeMap<Place, usize> {
    let mut found = BTreeMap::new();
    each(root, table, |batch| {
        let column = |name: &str| batch.column_by_name(name).expect("a column");
        let topics = column("topic").as_string::<i32>();
        let partitions = column("partition").as_primitive::<Int32Type>();
        let offsets = column("offset").as_primitive::<Int64Type>();
        let lines = column("line").as_primitive::<Int32Type>();
        for row in 0..batch.num_rows() {
            let place = (topics.value(row).to_owned(), partitions.value(row), offsets.value(row), lines.value(row));
            *found.entry(place).or_default() += 1;
        }
    });
    found
}

/// How often each (alert, revision) stands in the table of alerts.
pub fn alerts(root: &Path) -> BTreeMap<(String, i64), usize> {
    let mut found = BTreeMap::new();
    each(root, "alerts", |batch| {
        let column = |name: &str| batch.column_by_name(name).expect("a column");
        let ids = column("alert").as_string::<i32>();
        let revisions = column("revision").as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            *found.entry((ids.value(row).to_owned(), revisions.value(row))).or_default() += 1;
        }
    });
    found
}

fn each(root: &Path, table: &str, mut on: impl FnMut(arrow::array::RecordBatch)) {
    for path in files(root.join(table)) {
        // A file that goes between listing and opening belongs to a commit that failed.
        let Ok(file) = File::open(&path) else { continue };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file").build();
        reader.expect("a reader").for_each(|batch| on(batch.expect("rows")));
    }
}

fn files(directory: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(path));
        } else if path.extension().is_some_and(|ending| ending == "parquet") {
            found.push(path);
        }
    }
    found
}
