//! Stages without a broker: the engine on columns that are decoded already, the archive's encoder, and the roofs beside
//! them: copying memory, and the Parquet encoder on ready-made columns.

use super::usage::Moment;
use super::{Bench, BenchError, Rate, Step, Watch};
use crate::archive::{Archive, ArchiveError, ArchiveSettings};
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::engine::{Engine, Output};
use crate::model::area::Area;
use crate::model::node::Registry;
use crate::model::observation::Observations;
use crate::simulate::load::Load;
use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Lines that the engine and the archive get.
const LINES: usize = 131_072;
/// Lines in one batch of columns, as many as a live run takes at once.
const BATCH: usize = 1_024;
/// Partitions that they come from.
const PARTITIONS: i32 = 4;
/// Bytes that are copied at a time: more than any cache holds.
const COPIED: usize = 64 << 20;
/// How hard the encoder that is the archive's roof compresses: as the archive does by default.
const ZSTD_LEVEL: i32 = 3;

/// Telemetry in columns.
pub struct Columns {
    batches: Vec<Observations>,
    registry: Registry,
}

impl Columns {
    /// Decodes so many lines of a load, which come from so many partitions.
    pub fn decode(load: &mut Load, lines: usize, partitions: i32) -> Columns {
        let mut registry = Registry::new(load.nodes().to_vec());
        let (mut decoder, mut line) = (Decoder::new(DecodeOptions { keep_raw: true }), Vec::new());
        let (mut batches, mut out) = (Vec::new(), Lines::default());
        for offset in 0..lines as i64 {
            line.clear();
            let node = load.line(&mut line);
            let partition = node as i32 % partitions;
            decoder.record(&line, RecordAt { topic: 0, partition, offset }, &mut registry, &mut out);
            if out.observations.len() == BATCH {
                batches.push(std::mem::take(&mut out.observations));
            }
        }
        batches.push(out.observations);
        Columns { batches, registry }
    }

    /// Batches of as many lines as a live run takes at once.
    pub fn batches(&self) -> &[Observations] {
        &self.batches
    }

    /// The nodes that sent them.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// What the archive does, and what the encoder alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Archived {
    /// Columns to files, durable.
    pub files: Rate,
    /// The same rows, as Arrow has them, to Parquet in memory.
    pub encoder: Rate,
}

impl Bench {
    /// Copies memory for a quarter of the time; gives bytes.
    pub fn copy(&self, watch: &mut Watch<'_>) -> Result<Rate, BenchError> {
        let (from, mut to) = (vec![1u8; COPIED], vec![0u8; COPIED]);
        self.again(watch, "copying memory", COPIED as u64, &mut || {
            to.copy_from_slice(black_box(&from));
            black_box(&to);
            Ok(())
        })
    }

    /// Decodes what the engine and the archive get.
    pub fn columns(&self) -> Columns {
        Columns::decode(&mut self.load(), LINES, PARTITIONS)
    }

    /// Sends the columns through a new engine under these settings, again and again for a quarter of the time.
    ///
    /// # Errors
    /// Told to stop before the first round was over.
    pub fn engine(&self, columns: &Columns, settings: &Settings, watch: &mut Watch<'_>) -> Result<Rate, BenchError> {
        let areas = self.load().areas();
        self.again(watch, "correlating", LINES as u64, &mut || {
            let (mut engine, mut output) = (new_engine(settings, areas.clone()), Output::default());
            for batch in &columns.batches {
                engine.ingest(batch, &columns.registry, &mut output);
                black_box(&output);
                output.clear();
            }
            Ok(())
        })
    }

    /// Writes the columns to an archive in a directory of its own, and the same rows by the encoder alone, in turn.
    ///
    /// # Errors
    /// No room on the disk; told to stop before the first round was over.
    pub fn archive(
        &self,
        columns: &Columns,
        settings: &ArchiveSettings,
        watch: &mut Watch<'_>,
    ) -> Result<Archived, BenchError> {
        let directory = Directory::new();
        write(&directory.0, columns, settings)?;
        let ready = rows(&directory.0)?;
        let properties = || -> Result<WriterProperties, ParquetError> {
            Ok(WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?)).build())
        };
        let files = self.again(watch, "archiving", LINES as u64, &mut || {
            let directory = Directory::new();
            Ok(write(&directory.0, columns, settings)?)
        })?;
        let encoder = self.again(watch, "encoding Parquet", LINES as u64, &mut || {
            let mut writer = ArrowWriter::try_new(Vec::new(), ready[0].schema(), Some(properties()?))?;
            for batch in &ready {
                writer.write(batch)?;
            }
            black_box(writer.into_inner()?);
            Ok(())
        })?;
        Ok(Archived { files, encoder })
    }

    /// Does a piece of work of so many observations until a quarter of the time is over, once at least.
    pub(super) fn again(
        &self,
        watch: &mut Watch<'_>,
        what: &'static str,
        each: u64,
        work: &mut dyn FnMut() -> Result<(), BenchError>,
    ) -> Result<Rate, BenchError> {
        let (start, mut done) = (Moment::now(), 0);
        loop {
            if (watch.stop)() {
                return Err(BenchError::Stopped(what));
            }
            work()?;
            done += each;
            let rate = start.rate_to(Moment::now(), done);
            // Long enough to be told by a clock of 10 ms.
            let least = (self.duration / 4).max(Duration::from_millis(100));
            if rate.wall_s >= least.as_secs_f64() {
                return Ok(rate);
            }
            (watch.on)(Step { what, done, total: None });
        }
    }
}

/// An engine that has seen nothing.
pub(super) fn new_engine(settings: &Settings, areas: Vec<Area>) -> Engine {
    let (topics, places) = (vec!["telemetry.sensors".to_owned()], Places::new(areas, Vec::new()));
    let mut engine = Engine::new(settings.clone(), String::new(), topics, places);
    (0..PARTITIONS).for_each(|partition| engine.assign((0, partition)));
    engine
}

fn write(directory: &Path, columns: &Columns, settings: &ArchiveSettings) -> Result<(), ArchiveError> {
    let topics = vec!["telemetry.sensors".to_owned()];
    let mut archive = Archive::open(directory, settings.clone())?;
    for batch in &columns.batches {
        archive.telemetry(batch, &columns.registry, &topics)?;
    }
    archive.roll().map(drop)
}

/// The rows that were written, as Arrow has them.
fn rows(directory: &Path) -> Result<Vec<RecordBatch>, BenchError> {
    let table = directory.join("telemetry");
    let read = |path: &Path| BenchError::Read { path: path.to_owned() };
    let mut rows = Vec::new();
    for date in std::fs::read_dir(&table).map_err(|_| read(&table))?.flatten() {
        for file in std::fs::read_dir(date.path()).map_err(|_| read(&date.path()))?.flatten() {
            let file = File::open(file.path()).map_err(|_| read(&file.path()))?;
            let reader = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(8192).build()?;
            for batch in reader {
                rows.push(batch.map_err(ParquetError::from)?);
            }
        }
    }
    if rows.is_empty() { Err(read(&table)) } else { Ok(rows) }
}

/// A directory that goes when this goes.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Directory(std::env::temp_dir().join(format!("truceline-bench-{}-{number}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("{} is left behind: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ground::tests::small;

    #[test]
    fn each_stage_works_through_all_lines_and_leaves_nothing_behind() {
        let bench = Bench { duration: Duration::from_millis(100), nodes: 1000, ..small() };
        let watch = &mut Watch { stop: &|| false, on: &mut |_| {} };
        let columns = bench.columns();
        assert_eq!(columns.batches.iter().map(Observations::len).sum::<usize>(), LINES);
        let mut settings = Settings::default();
        settings.fire.on = false;
        let engine = bench.engine(&columns, &settings, watch).unwrap();
        let archived = bench.archive(&columns, &ArchiveSettings::default(), watch).unwrap();
        for rate in [engine, archived.files, archived.encoder] {
            assert!(rate.observations > 0 && rate.observations % LINES as u64 == 0 && rate.wall_s > 0.0, "{rate:?}");
        }
        assert_eq!(bench.copy(watch).unwrap().observations % COPIED as u64, 0);
        let ours = format!("truceline-bench-{}-", std::process::id());
        let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&ours)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
