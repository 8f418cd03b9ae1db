//! Telemetry that was written down, in the order in which the engine gets it.
//!
//! A file is one topic with one partition; its lines are its records. Rows of an archive stand in the partitions they were
//! read from. Several partitions are read side by side, always the one furthest behind in event time, as partitions are
//! that are caught up with.

use super::correlator::Correlator;
use crate::archive::ArchivedLine;
use crate::codec::{Decoder, Lines, RecordAt};
use crate::engine::progress::Partition;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Lines that go through the engine at a time.
pub const BATCH_LINES: usize = 1_024;

/// Why telemetry can't be fed.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// A telemetry file.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Two files of one name.
    #[error("two telemetry files stand for the topic {0}; give each a name of its own")]
    SameTopic(String),
}

enum Source {
    File { path: PathBuf, lines: Box<dyn BufRead>, next_offset: i64 },
    Rows(std::vec::IntoIter<ArchivedLine>),
}

struct Input {
    partition: Partition,
    source: Source,
    done: bool,
}

/// What a call has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Of which partition.
    pub partition: Partition,
    /// Whether that was all of it.
    pub ended: bool,
    /// So many bytes, uncompressed.
    pub bytes: u64,
}

/// Partitions side by side.
#[derive(Default)]
pub struct Feed {
    inputs: Vec<Input>,
    topics: Vec<String>,
    line: Vec<u8>,
}

impl Feed {
    /// Over telemetry files: NDJSON, plain or compressed by gzip (`.gz`) or zstd (`.zst`).
    ///
    /// # Errors
    /// A file that can't be opened; two that stand for one topic.
    pub fn of_files(paths: &[PathBuf]) -> Result<Feed, FeedError> {
        let mut feed = Feed::default();
        for path in paths {
            let topic = topic_of(path);
            if feed.topics.contains(&topic) {
                return Err(FeedError::SameTopic(topic));
            }
            let lines = reader(path).map_err(|source| FeedError::Read { path: path.clone(), source })?;
            let source = Source::File { path: path.clone(), lines, next_offset: 0 };
            feed.inputs.push(Input { partition: (feed.topics.len() as u16, 0), source, done: false });
            feed.topics.push(topic);
        }
        Ok(feed)
    }

    /// Adds the rows of an archive, each partition in the order of its offsets.
    ///
    /// # Errors
    /// A topic that a file stands for too.
    pub fn add_rows(&mut self, rows: Vec<ArchivedLine>) -> Result<(), FeedError> {
        let mut partitions: BTreeMap<(String, i32), Vec<ArchivedLine>> = BTreeMap::new();
        for row in rows {
            partitions.entry((row.topic.clone(), row.partition)).or_default().push(row);
        }
        let of_files = self.topics.len();
        for ((topic, partition), mut rows) in partitions {
            let at = match self.topics.iter().position(|known| *known == topic) {
                Some(at) if at < of_files => return Err(FeedError::SameTopic(topic)),
                Some(at) => at,
                None => {
                    self.topics.push(topic);
                    self.topics.len() - 1
                }
            };
            rows.sort_by_key(|row| (row.offset, row.line));
            let source = Source::Rows(rows.into_iter());
            self.inputs.push(Input { partition: (at as u16, partition), source, done: false });
        }
        Ok(())
    }

    /// The topics, as origins count them.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// The partitions.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> {
        self.inputs.iter().map(|input| input.partition)
    }

    /// Decodes the next lines of the partition to be read next, a batch at most; `None` when all have ended.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn next(
        &mut self,
        correlator: &mut Correlator,
        decoder: &mut Decoder,
        lines: &mut Lines,
    ) -> Result<Option<Fed>, FeedError> {
        let Some(at) = self.furthest_behind(correlator) else { return Ok(None) };
        let input = &mut self.inputs[at];
        let (topic, partition) = input.partition;
        let mut bytes = 0;
        while lines.len() < BATCH_LINES && !input.done {
            match &mut input.source {
                Source::File { path, lines: file, next_offset } => {
                    self.line.clear();
                    let read = file
                        .read_until(b'\n', &mut self.line)
                        .map_err(|source| FeedError::Read { path: path.clone(), source })?;
                    input.done = read == 0;
                    if input.done {
                        break;
                    }
                    bytes += read as u64;
                    if self.line.last() == Some(&b'\n') {
                        self.line.pop();
                    }
                    let record = RecordAt { topic, partition, offset: *next_offset };
                    decoder.record(&self.line, record, correlator.registry_mut(), lines);
                    *next_offset += 1;
                }
                Source::Rows(rows) => match rows.next() {
                    Some(row) => {
                        bytes += row.raw.len() as u64;
                        let record = RecordAt { topic, partition, offset: row.offset };
                        decode_line(row.raw.as_bytes(), record, row.line, decoder, correlator, lines);
                    }
                    None => input.done = true,
                },
            }
        }
        Ok(Some(Fed { partition: input.partition, ended: input.done, bytes }))
    }

    /// Of those with more to read, the one furthest behind in event time.
    fn furthest_behind(&self, correlator: &mut Correlator) -> Option<usize> {
        let slowest = correlator.engine().progress().slowest().map(|(partition, _)| partition);
        let open = |input: &Input| !input.done;
        let place = |partition| self.inputs.iter().position(|input| input.partition == partition && open(input));
        slowest.and_then(place).or_else(|| self.inputs.iter().position(open))
    }
}

/// Decodes one line of a record that had several.
pub fn decode_line(
    raw: &[u8],
    record: RecordAt,
    line: u32,
    decoder: &mut Decoder,
    correlator: &mut Correlator,
    lines: &mut Lines,
) {
    let (rows, rejected, decisions) = (lines.observations.len(), lines.rejected.len(), lines.decisions.len());
    decoder.record(raw, record, correlator.registry_mut(), lines);
    lines.observations.origin[rows..].iter_mut().for_each(|origin| origin.line = line);
    lines.rejected[rejected..].iter_mut().for_each(|it| it.origin.line = line);
    lines.decisions[decisions..].iter_mut().for_each(|it| it.origin.line = line);
}

/// The file's name without its endings: `telemetry.ndjson.zst` is `telemetry`, `telemetry.sensors.ndjson` is
/// `telemetry.sensors`.
fn topic_of(path: &Path) -> String {
    let mut name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for ending in [".gz", ".zst", ".ndjson", ".jsonl", ".json"] {
        if let Some(rest) = name.strip_suffix(ending).filter(|rest| !rest.is_empty()) {
            name.truncate(rest.len());
        }
    }
    name
}

pub(super) fn reader(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    const BUFFER_BYTES: usize = 1 << 20;
    let file = File::open(path)?;
    let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: Box<dyn Read> = match ending.as_str() {
        "gz" => Box::new(flate2::read::MultiGzDecoder::new(file)),
        "zst" => Box::new(zstd::stream::read::Decoder::new(file)?),
        _ => Box::new(file),
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, plain)))
}
