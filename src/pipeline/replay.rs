//! Files in, files out: the same engine over telemetry that was written down.
//!
//! Each file is one topic with one partition; its lines are its records. Several files are read side by side, always
//! the one furthest behind in event time, as partitions are that are caught up with.

use super::correlator::{Correlator, Results, Tally};
use super::learnt::{self, LearntFileError};
use super::reference::{ReferenceFileError, ReferenceFiles};
use crate::archive::{Archive, ArchiveError, ArchiveSettings, RejectedLine};
use crate::codec::alert::{EncodeError, RejectedRow, alert_json};
use crate::codec::escalation::escalation_json;
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt, alert};
use crate::engine::associate::record::{LearntRecord, NewerRecord};
use crate::engine::settings::Settings;
use crate::model::alert::Status;
use crate::model::node::Registry;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Lines that go through the engine at a time.
const BATCH_LINES: usize = 1_024;

/// What a replay is told.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Telemetry files: NDJSON, plain or compressed by gzip (`.gz`) or zstd (`.zst`).
    pub telemetry: Vec<PathBuf>,
    /// Sensors, areas, notices.
    pub reference: ReferenceFiles,
    /// What another replay learnt, to start from; `None`: from nothing.
    pub learnt: Option<PathBuf>,
    /// Where the results go; made if it is not there.
    pub out: PathBuf,
    /// The engine's settings.
    pub settings: Settings,
    /// Their digest.
    pub config_digest: String,
    /// How the archive is written; `None`: not at all.
    pub archive: Option<ArchiveSettings>,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Reference data.
    #[error(transparent)]
    Reference(#[from] ReferenceFileError),
    /// What to start from.
    #[error(transparent)]
    Learnt(#[from] LearntFileError),
    /// What to start from is of a later version.
    #[error(transparent)]
    Newer(#[from] NewerRecord),
    /// A telemetry file.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A result.
    #[error("writing {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An alert that can't be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Two files of one name.
    #[error("two telemetry files stand for the topic {0}; give each a name of its own")]
    SameTopic(String),
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What was read.
    pub tally: Tally,
    /// Escalation indicators written.
    pub escalations: u64,
    /// Alert revisions written.
    pub revisions: u64,
    /// Alerts whose first revision was written.
    pub alerts: u64,
    /// Alerts whose last revision is a violation that was not taken back.
    pub violations: u64,
    /// Bytes of telemetry read, uncompressed.
    pub bytes: u64,
    /// Regions of the record started from, and those of them that nothing stood for any more.
    pub regions_learnt: (usize, usize),
}

/// One telemetry file.
struct Input {
    path: PathBuf,
    lines: Box<dyn BufRead>,
    next_offset: i64,
    done: bool,
}

impl Replay {
    /// Runs it. `progress` is told the bytes read so far now and then.
    ///
    /// # Errors
    /// A file that can't be read or written; results up to then stay where they are.
    pub fn run(&self, progress: &mut dyn FnMut(u64)) -> Result<Summary, ReplayError> {
        let (registry, places) = self.reference.load()?;
        let start = self.learnt.as_deref().map(learnt::read).transpose()?;
        let (mut inputs, topics) = self.open()?;
        std::fs::create_dir_all(&self.out).map_err(|source| ReplayError::Write { path: self.out.clone(), source })?;
        let mut outputs = Outputs::create(&self.out, topics.clone(), self.archive.as_ref())?;
        let mut correlator =
            Correlator::new(self.settings.clone(), self.config_digest.clone(), topics, registry, places);
        let mut summary = Summary::default();
        if let Some(record) = start {
            summary.regions_learnt.0 = record.regions.len();
            correlator.engine().start_from(record)?;
        }
        for topic in 0..inputs.len() as u16 {
            correlator.engine().assign((topic, 0));
        }
        let mut decoder = Decoder::new(DecodeOptions { keep_raw: true });
        let (mut lines, mut results) = (Lines::default(), Results::default());
        let mut line = Vec::new();
        while let Some(topic) = next(&inputs, &mut correlator) {
            let input = &mut inputs[usize::from(topic)];
            while lines.len() < BATCH_LINES {
                line.clear();
                let read = input
                    .lines
                    .read_until(b'\n', &mut line)
                    .map_err(|source| ReplayError::Read { path: input.path.clone(), source })?;
                if read == 0 {
                    input.done = true;
                    break;
                }
                summary.bytes += read as u64;
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                let at = RecordAt { topic, partition: 0, offset: input.next_offset };
                decoder.record(&line, at, correlator.registry_mut(), &mut lines);
                input.next_offset += 1;
            }
            outputs.observations(&lines, correlator.registry())?;
            correlator.correlate(&mut lines, &mut results);
            correlator.advance(&mut results);
            if input.done {
                correlator.caught_up(topic, 0, &mut results);
            }
            outputs.results(&mut results, &mut summary)?;
            progress(summary.bytes);
        }
        correlator.finish(&mut results);
        outputs.results(&mut results, &mut summary)?;
        summary.violations = outputs.violations.len() as u64;
        outputs.close()?;
        write_learnt(&self.out, &correlator.learnt())?;
        summary.regions_learnt.1 = correlator.engine().regions_not_taken_up();
        summary.tally = correlator.tally();
        Ok(summary)
    }

    fn open(&self) -> Result<(Vec<Input>, Vec<String>), ReplayError> {
        let (mut inputs, mut topics) = (Vec::new(), Vec::new());
        for path in &self.telemetry {
            let topic = topic_of(path);
            if topics.contains(&topic) {
                return Err(ReplayError::SameTopic(topic));
            }
            let lines = reader(path).map_err(|source| ReplayError::Read { path: path.clone(), source })?;
            inputs.push(Input { path: path.clone(), lines, next_offset: 0, done: false });
            topics.push(topic);
        }
        Ok((inputs, topics))
    }
}

fn write_learnt(dir: &Path, record: &LearntRecord) -> Result<(), ReplayError> {
    let mut file = OutFile::create(dir, learnt::FILE_NAME)?;
    let json = serde_json::to_vec(record).map_err(EncodeError::from)?;
    file.line(&json)?;
    file.close()
}

/// The file to read next: of those with more to read, the one furthest behind in event time.
fn next(inputs: &[Input], correlator: &mut Correlator) -> Option<u16> {
    let slowest = correlator.engine().progress().slowest().map(|((topic, _), _)| topic);
    slowest
        .filter(|&topic| !inputs[usize::from(topic)].done)
        .or_else(|| inputs.iter().position(|input| !input.done).map(|at| at as u16))
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

fn reader(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
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

/// The files of the results.
struct Outputs {
    alerts: OutFile,
    escalations: OutFile,
    rejected: OutFile,
    archive: Option<Archive>,
    topics: Vec<String>,
    violations: BTreeSet<String>,
}

struct OutFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl OutFile {
    fn create(dir: &Path, name: &str) -> Result<OutFile, ReplayError> {
        let path = dir.join(name);
        let file = File::create(&path).map_err(|source| ReplayError::Write { path: path.clone(), source })?;
        Ok(OutFile { path, file: BufWriter::new(file) })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), ReplayError> {
        let written = self.file.write_all(line).and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|source| ReplayError::Write { path: self.path.clone(), source })
    }

    fn close(mut self) -> Result<(), ReplayError> {
        let closed = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        closed.map_err(|source| ReplayError::Write { path: self.path, source })
    }
}

impl Outputs {
    fn create(dir: &Path, topics: Vec<String>, archive: Option<&ArchiveSettings>) -> Result<Outputs, ReplayError> {
        let archive = match archive {
            Some(settings) => {
                let root = dir.join("archive");
                // A replay starts from nothing; what an earlier one left would make its rows count as covered.
                if root.exists() {
                    std::fs::remove_dir_all(&root)
                        .map_err(|source| ReplayError::Write { path: root.clone(), source })?;
                }
                Some(Archive::open(root, settings.clone())?)
            }
            None => None,
        };
        Ok(Outputs {
            alerts: OutFile::create(dir, "alerts.ndjson")?,
            escalations: OutFile::create(dir, "escalations.ndjson")?,
            rejected: OutFile::create(dir, "rejected.ndjson")?,
            archive,
            topics,
            violations: BTreeSet::new(),
        })
    }

    /// Archives a batch, before it is correlated and gone.
    fn observations(&mut self, lines: &Lines, registry: &Registry) -> Result<(), ReplayError> {
        if let Some(archive) = &mut self.archive {
            archive.telemetry(&lines.observations, registry, &self.topics)?;
            archive.roll_if_due()?;
        }
        Ok(())
    }

    fn results(&mut self, results: &mut Results, summary: &mut Summary) -> Result<(), ReplayError> {
        for said in results.said.drain(..) {
            let json = alert_json(&said.feature)?;
            self.alerts.line(&json)?;
            if let Some(archive) = &mut self.archive {
                archive.alert(&said.feature, std::str::from_utf8(&json).unwrap_or_default(), None)?;
            }
            let alert = &said.feature.properties;
            if alert.violation && alert.status != Status::Retracted {
                self.violations.insert(alert.alert.clone());
            } else {
                self.violations.remove(&alert.alert);
            }
            summary.revisions += 1;
            summary.alerts += u64::from(said.feature.properties.revision == 1);
        }
        for escalation in results.escalations.drain(..) {
            self.escalations.line(&escalation_json(&escalation)?)?;
            summary.escalations += 1;
        }
        for line in results.rejected.drain(..) {
            let topic = self.topics.get(usize::from(line.origin.topic)).map_or("", String::as_str);
            let row = alert::RejectedRow::new(topic, line.origin, &line.refusal, &line.raw);
            self.rejected.line(RejectedRow::line(&row)?.as_bytes())?;
            if let Some(archive) = &mut self.archive {
                archive.rejected(&RejectedLine {
                    topic,
                    partition: line.origin.partition,
                    offset: line.origin.offset,
                    line: line.origin.line,
                    reason: line.refusal.reason,
                    message: &line.refusal.message,
                    raw: &line.raw,
                })?;
            }
        }
        Ok(())
    }

    fn close(mut self) -> Result<(), ReplayError> {
        if let Some(archive) = &mut self.archive {
            archive.roll()?;
        }
        self.alerts.close()?;
        self.escalations.close()?;
        self.rejected.close()
    }
}
