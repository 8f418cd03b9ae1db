//! The archive as a whole: what goes in is there once, whatever happens on the way.

mod commits;
mod crashes;
mod rows;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use truceline::archive::{Archive, Table};
use truceline::model::kind::Kind;
use truceline::model::node::{Node, NodeIx, Registry};
use truceline::model::observation::{Arrival, Common, Observations, Origin, duplicate_key};
use truceline::model::time::NS_PER_S;

const DAY_NS: i64 = 86_400 * NS_PER_S;
const START_NS: i64 = 1_750_000_000 * NS_PER_S;

fn topics() -> Vec<String> {
    vec!["telemetry.sensors".to_owned(), "telemetry.patrols".to_owned()]
}

fn registry() -> Registry {
    Registry::new([Node::unregistered("mic-1"), Node::unregistered("mic-2")])
}

fn common(origin: Origin, kind: Kind, time_ns: i64, detail: u32, batch: &mut Observations) -> Common {
    let text = format!("{}-{}", origin.offset, origin.line);
    let raw = format!("{{\"id\":\"{text}\"}}");
    let node = NodeIx((origin.offset % 2) as u32);
    Common {
        id: batch.store(text.as_bytes()),
        key: duplicate_key(node, text.as_bytes()),
        raw: batch.store(raw.as_bytes()),
        ..Common::new(origin, kind, node, time_ns, detail)
    }
}

fn arrival(amplitude: f64) -> Arrival {
    Arrival { amplitude, ..Arrival::BARE }
}

fn add_acoustic(batch: &mut Observations, origin: Origin, time_ns: i64) {
    let detail = batch.arrivals.push(arrival(origin.offset as f64));
    let row = common(origin, Kind::Acoustic, time_ns, detail, batch);
    batch.push(row);
}

fn origin(topic: u16, partition: i32, offset: i64, line: u32) -> Origin {
    Origin { topic, partition, offset, line }
}

/// Every Parquet file below a table's directory, as a reader's glob would find them.
fn parquet_files(root: &Path, table: Table) -> Vec<PathBuf> {
    files_ending(&root.join(table.as_str()), "parquet")
}

fn files_ending(below: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![below.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|its| its == ending) {
                found.push(path);
            }
        }
    }
    found
}

fn read(root: &Path, table: Table) -> Vec<RecordBatch> {
    let open = |path: PathBuf| ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    parquet_files(root, table).into_iter().flat_map(|path| open(path).build().unwrap().map(Result::unwrap)).collect()
}

/// How often each (topic, partition, offset, line) stands in the table.
fn places(root: &Path, table: Table) -> BTreeMap<(String, i32, i64, i32), usize> {
    let mut places = BTreeMap::new();
    for batch in read(root, table) {
        let topics = batch["topic"].as_string::<i32>();
        let partitions = batch["partition"].as_primitive::<Int32Type>();
        let offsets = batch["offset"].as_primitive::<Int64Type>();
        let lines = batch["line"].as_primitive::<Int32Type>();
        for row in 0..batch.num_rows() {
            let place = (topics.value(row).to_owned(), partitions.value(row), offsets.value(row), lines.value(row));
            *places.entry(place).or_default() += 1;
        }
    }
    places
}

#[test]
fn an_archive_may_live_on_a_thread_of_its_own() {
    fn is_send<T: Send>() {}
    is_send::<Archive>();
}
