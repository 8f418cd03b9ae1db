//! Files in, files out: the same engine over telemetry that was written down ([`feed`](super::feed)).

use super::correlator::{Correlator, Results, Tally};
use super::feed::{Feed, FeedError};
use super::learnt::{self, LearntFileError};
use super::reference::{ReferenceFileError, ReferenceFiles};
use super::report::know_sectors;
use crate::archive::{Archive, ArchiveError, ArchiveSettings, RejectedLine};
use crate::codec::alert::{EncodeError, RejectedRow, alert_json};
use crate::codec::daily::daily_json;
use crate::codec::escalation::escalation_json;
use crate::codec::{DecodeOptions, Decoder, Lines, alert};
use crate::engine::associate::record::{LearntRecord, NewerRecord};
use crate::engine::settings::Settings;
use crate::model::alert::Status;
use crate::model::daily::DailyReport;
use crate::model::node::Registry;
use crate::model::review::Review;
use crate::report::{Desk, PassedOver, ReportSettings};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

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
    /// Who decides on alerts.
    pub review: Review,
    /// How the archive is written; `None`: not at all.
    pub archive: Option<ArchiveSettings>,
    /// How days are reported.
    pub report: ReportSettings,
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
    #[error(transparent)]
    Feed(#[from] FeedError),
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
    /// Daily reports written.
    pub reports: u64,
    /// Bytes of telemetry read, uncompressed.
    pub bytes: u64,
    /// Regions of the record started from, and those of them that nothing stood for any more.
    pub regions_learnt: (usize, usize),
}

impl Replay {
    /// Runs it. `progress` is told the bytes read so far now and then.
    ///
    /// # Errors
    /// A file that can't be read or written; results up to then stay where they are.
    pub fn run(&self, progress: &mut dyn FnMut(u64)) -> Result<Summary, ReplayError> {
        let (registry, places) = self.reference.load()?;
        let start = self.learnt.as_deref().map(learnt::read).transpose()?;
        let mut feed = Feed::of_files(&self.telemetry)?;
        let topics = feed.topics().to_vec();
        std::fs::create_dir_all(&self.out).map_err(|source| ReplayError::Write { path: self.out.clone(), source })?;
        let mut desk = Desk::new(self.report.clone());
        know_sectors(&mut desk, &registry, &places);
        let mut outputs = Outputs::create(&self.out, topics.clone(), self.archive.as_ref(), desk)?;
        let mut correlator =
            Correlator::new(self.settings.clone(), self.config_digest.clone(), topics, registry, places);
        correlator.convene(&self.review);
        let mut summary = Summary::default();
        if let Some(record) = start {
            summary.regions_learnt.0 = record.regions.len();
            correlator.engine().start_from(record)?;
        }
        for partition in feed.partitions() {
            correlator.engine().assign(partition);
        }
        let mut decoder = Decoder::new(DecodeOptions { keep_raw: true });
        let (mut lines, mut results) = (Lines::default(), Results::default());
        while let Some(fed) = feed.next(&mut correlator, &mut decoder, &mut lines)? {
            summary.bytes += fed.bytes;
            outputs.observations(&lines, correlator.registry())?;
            correlator.correlate(&mut lines, &mut results);
            correlator.advance(&mut results);
            if fed.ended {
                correlator.caught_up(fed.partition.0, fed.partition.1, &mut results);
            }
            outputs.results(&mut results, &mut summary)?;
            outputs.days(correlator.engine().progress().stream_ns())?;
            progress(summary.bytes);
        }
        correlator.finish(&mut results);
        outputs.results(&mut results, &mut summary)?;
        outputs.last_days()?;
        summary.reports = outputs.reports_written;
        summary.violations = outputs.violations.len() as u64;
        outputs.close()?;
        write_learnt(&self.out, &correlator.learnt())?;
        summary.regions_learnt.1 = correlator.engine().regions_not_taken_up();
        summary.tally = correlator.tally();
        Ok(summary)
    }
}

fn write_learnt(dir: &Path, record: &LearntRecord) -> Result<(), ReplayError> {
    let mut file = OutFile::create(dir, learnt::FILE_NAME)?;
    let json = serde_json::to_vec(record).map_err(EncodeError::from)?;
    file.line(&json)?;
    file.close()
}

/// The files of the results.
struct Outputs {
    alerts: OutFile,
    escalations: OutFile,
    rejected: OutFile,
    reports: OutFile,
    archive: Option<Archive>,
    topics: Vec<String>,
    violations: BTreeSet<String>,
    desk: Desk,
    reports_written: u64,
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
    fn create(
        dir: &Path,
        topics: Vec<String>,
        archive: Option<&ArchiveSettings>,
        desk: Desk,
    ) -> Result<Outputs, ReplayError> {
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
            reports: OutFile::create(dir, "reports.ndjson")?,
            archive,
            topics,
            violations: BTreeSet::new(),
            desk,
            reports_written: 0,
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
            self.desk.take(alert);
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

    /// Event time has come so far: days that can't be amended any more are written.
    fn days(&mut self, stream_ns: Option<i64>) -> Result<(), ReplayError> {
        if let Some(ns) = stream_ns {
            self.desk.reach(ns);
        }
        let reports = self.desk.publish_closing();
        self.write_reports(&reports)
    }

    /// The stream has ended.
    fn last_days(&mut self) -> Result<(), ReplayError> {
        let reports = self.desk.publish_rest();
        self.write_reports(&reports)?;
        if let Some(day) = self.desk.take_crowded_out() {
            tracing::warn!("daily reports: too many alerts are held; {day} was closed before its time");
        }
        let passed_over = self.desk.passed_over();
        if passed_over != PassedOver::default() {
            let PassedOver { too_late, left_out } = passed_over;
            tracing::warn!(
                "daily reports: {too_late} revisions came after their day was closed, {left_out} found no room"
            );
        }
        Ok(())
    }

    fn write_reports(&mut self, reports: &[DailyReport]) -> Result<(), ReplayError> {
        for report in reports {
            self.reports.line(&daily_json(report).map_err(EncodeError::from)?)?;
            self.reports_written += 1;
        }
        Ok(())
    }

    fn close(mut self) -> Result<(), ReplayError> {
        if let Some(archive) = &mut self.archive {
            archive.roll()?;
        }
        self.alerts.close()?;
        self.escalations.close()?;
        self.reports.close()?;
        self.rejected.close()
    }
}
