//! How fast observations become Parquet, beside what the Parquet encoder does with ready-made columns.

use arrow::array::RecordBatch;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use truceline::archive::{Archive, ArchiveSettings};
use truceline::model::kind::{Health, Hint, Kind};
use truceline::model::node::{Node, NodeIx, Registry};
use truceline::model::observation::{Arrival, Common, Observations, Origin, Status, duplicate_key};
use truceline::model::time::NS_PER_S;

const ROWS: u32 = 65_536;
const BATCH: u32 = 4096;

/// Batches as a consumer would hand them on: arrivals of 500 nodes and a heartbeat in ten, each line 250 bytes or so.
fn batches() -> Vec<Observations> {
    let mut seed = 1u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f64 / f64::from(1u32 << 31)
    };
    let mut batches = Vec::new();
    for first in (0..ROWS).step_by(BATCH as usize) {
        let mut batch = Observations::default();
        for at in first..first + BATCH {
            let node = NodeIx((random() * 500.0) as u32);
            let time_ns = 1_750_000_000 * NS_PER_S + i64::from(at) * 1_000_000 + (random() * 1e9) as i64;
            let (amplitude, azimuth_deg) = (random(), random() * 360.0);
            let id = format!("{:08x}{:08x}", (random() * 4e9) as u32, at);
            let raw = format!(
                concat!(
                    r#"{{"id":"{}","node":"mic-{:05}","kind":"acoustic","time_ns":{},"time_sd_s":0.15,"#,
                    r#""amplitude_pa":{:.6},"snr_db":{:.2},"azimuth_deg":{:.3},"azimuth_sd_deg":2.5,"#,
                    r#""class":"explosion","firmware":"4.11.2","battery_v":3.{}}}"#
                ),
                id,
                node.0,
                time_ns,
                amplitude,
                random() * 40.0,
                azimuth_deg,
                at % 1000
            );
            let (kind, detail) = if at % 10 == 0 {
                let status = Status {
                    health: Health::Ok,
                    clock_sd_s: 1e-6,
                    temperature_c: 11.5,
                    wind_speed_m_s: random() * 9.0,
                    wind_from_deg: 200.0,
                    noise_db: f64::NAN,
                };
                (Kind::Status, batch.statuses.push(status))
            } else {
                let arrival = Arrival {
                    amplitude,
                    snr_db: random() * 40.0,
                    azimuth_deg,
                    azimuth_sd_deg: 2.5,
                    hint: Hint::Explosion,
                    ..Arrival::BARE
                };
                (Kind::Acoustic, batch.arrivals.push(arrival))
            };
            let origin = Origin { topic: 0, partition: 0, offset: i64::from(at), line: 0 };
            let (key, id, raw) =
                (duplicate_key(node, id.as_bytes()), batch.store(id.as_bytes()), batch.store(raw.as_bytes()));
            batch.push(Common { key, id, time_sd_s: 0.15, raw, ..Common::new(origin, kind, node, time_ns, detail) });
        }
        batches.push(batch);
    }
    batches
}

fn archive(c: &mut Criterion) {
    let batches = batches();
    let registry = Registry::new((0..500).map(|at| Node::unregistered(&format!("mic-{at:05}"))));
    let topics = vec!["telemetry.sensors".to_owned()];
    let mut group = c.benchmark_group("archive");
    group.throughput(Throughput::Elements(u64::from(ROWS))).sample_size(10);
    let write = |directory: &tempfile::TempDir| {
        let mut archive = Archive::open(directory.path(), ArchiveSettings::default()).expect("an empty directory");
        for batch in &batches {
            archive.telemetry(batch, &registry, &topics).expect("space on the disk");
        }
        archive.roll().expect("space on the disk");
    };
    let directory = || tempfile::tempdir().expect("a temporary directory");
    group.bench_function("observations to durable files", |b| {
        b.iter_batched_ref(directory, |directory| write(directory), BatchSize::PerIteration);
    });

    // The same rows as columns, read back from what was written.
    let written = directory();
    write(&written);
    let dates = std::fs::read_dir(written.path().join("telemetry")).expect("a table").flatten();
    let files = dates.flat_map(|date| std::fs::read_dir(date.path()).expect("a date").flatten());
    let columns: Vec<RecordBatch> = files
        .flat_map(|file| {
            let file = File::open(file.path()).expect("a file");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
            reader.with_batch_size(8192).build().expect("Parquet").map(|batch| batch.expect("rows")).collect::<Vec<_>>()
        })
        .collect();
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3).expect("a level"));
    group.bench_function("ready-made columns to memory, the encoder's own settings", |b| {
        b.iter(|| {
            let properties = WriterProperties::builder().set_compression(zstd).build();
            let mut writer = ArrowWriter::try_new(Vec::new(), columns[0].schema(), Some(properties)).expect("a writer");
            for batch in &columns {
                writer.write(batch).expect("memory");
            }
            writer.into_inner().expect("memory").len()
        });
    });
    group.finish();
}

criterion_group!(benches, archive);
criterion_main!(benches);
