//! `truceline evidence`: packs alerts with what they were worked out from, and checks such packages.

use super::args::{Common, Evidence, EvidenceCommand, EvidenceVerify};
use super::console::{Misuse, Outcome, failed, grouped, print};
use super::{Progress, logging};
use crate::archive;
use crate::model::alert::{AlertFeature, Status};
use crate::pipeline::evidence::course::Course;
use crate::pipeline::evidence::package::{Package, open};
use crate::pipeline::evidence::recompute::{Compared, Setting, Start};
use crate::pipeline::evidence::{EvidenceError, Tally, account, pack, verify};
use crate::pipeline::feed::Feed;
use crate::pipeline::learnt;
use crate::pipeline::reference::{ReferenceFiles, ReferenceLists};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A package that does not hold.
#[derive(Debug, Error)]
#[error("{} does not hold", path.display())]
struct DoesNotHold {
    path: PathBuf,
    source: EvidenceError,
}

/// Alerts that do not come out the same.
#[derive(Debug, Error)]
#[error("{count} of {all} alerts do not come out the same from what was given; their packages say so")]
struct NotTheSame {
    count: usize,
    all: usize,
}

pub(super) fn command(args: &Evidence, common: &Common) -> Outcome {
    match &args.command {
        Some(EvidenceCommand::Verify(args)) => check(args, common),
        None => make(args, common),
    }
}

fn check(args: &EvidenceVerify, common: &Common) -> Outcome {
    let path = &args.package;
    let bytes = std::fs::read(path).map_err(failed("cannot read", path))?;
    let does_not_hold = |source| DoesNotHold { path: path.clone(), source };
    let opened = open(&bytes).map_err(does_not_hold)?;
    if let Some(expected) = args.seal.as_ref().filter(|expected| !expected.eq_ignore_ascii_case(&opened.seal)) {
        let (found, expected) = (opened.seal, expected.clone());
        return Err(does_not_hold(EvidenceError::Seal { found, expected }).into());
    }
    verify(&opened).map_err(does_not_hold)?;
    if common.quiet {
        return Ok(());
    }
    let manifest = &opened.manifest;
    let mut text = account::of_package(&opened.package);
    let _ = writeln!(
        text,
        "\n{}: nothing of it was changed since it was sealed; the seal is {}.",
        path.display(),
        opened.seal
    );
    let besides = match manifest.compared {
        Compared::All => "",
        Compared::ButDecisions => ", but for what reviewers decided, which is not among the records",
    };
    let _ = writeln!(
        text,
        "{} comes out the same, byte for byte, from {} records{besides}.",
        manifest.alert,
        grouped(manifest.records as u64)
    );
    Ok(print(&text)?)
}

fn make(args: &Evidence, common: &Common) -> Outcome {
    let Some(out) = &args.out else {
        return Err(Misuse("--out is missing: where to write the package".to_owned()).into());
    };
    let mut config = common.load()?.config;
    args.reference.lay_over(&mut config.reference);
    logging::start(&config.log, common, None)?;
    let ReferenceLists { nodes, areas, notices } = ReferenceFiles::from(&config.reference).lists()?;
    let setting = Setting { settings: config.engine.clone(), review: config.review.clone(), nodes, areas, notices };
    let start = match args.learnt.as_deref().map(learnt::read).transpose()? {
        Some(record) => Start::Learnt(record),
        None => Start::Nothing,
    };
    let (feed, mut stated) = read(args)?;
    let mut progress = Progress::new("evidence", common);
    let course = Course::run(feed, &setting, &start, &mut |done| progress.at(done, None, "bytes", "read"))?;
    let alerts = if args.all { not_taken_back(&course, &stated) } else { args.alerts.clone() };
    let is_directory = args.all || alerts.len() > 1;
    if is_directory {
        std::fs::create_dir_all(out).map_err(failed("cannot make", out))?;
    }
    let mut tally = Tally::default();
    for (number, alert) in alerts.iter().enumerate() {
        let package = pack(alert, stated.remove(alert).unwrap_or_default(), &course, &setting, &start)?;
        let path = if is_directory { out.join(format!("{alert}.zip")) } else { out.clone() };
        let (bytes, seal) = package.write(&account::of_package(&package))?;
        std::fs::write(&path, &bytes).map_err(failed("cannot write", &path))?;
        tally.count(&package);
        if !common.quiet {
            print(&told(&path, &package, bytes.len(), &seal))?;
        }
        progress.at(number as u64 + 1, Some(alerts.len() as u64), "alerts", "packed");
    }
    if is_directory && !common.quiet {
        print(&summary(&tally, alerts.len()))?;
    }
    match tally.other {
        0 => Ok(()),
        count => Err(NotTheSame { count, all: alerts.len() }.into()),
    }
}

/// The revisions of alerts, by id.
type Stated = BTreeMap<String, Vec<AlertFeature>>;

/// The telemetry, and what was said of the alerts.
fn read(args: &Evidence) -> Result<(Feed, Stated), Box<dyn std::error::Error + Send + Sync>> {
    let mut feed = Feed::of_files(&args.telemetry)?;
    let mut lines: Vec<String> = Vec::new();
    if let Some(root) = &args.archive {
        feed.add_rows(archive::telemetry(root, args.since.unwrap_or(i64::MIN)..=args.until.unwrap_or(i64::MAX))?)?;
        if args.said.is_none() {
            lines = archive::revisions(root, &args.alerts)?;
        }
    }
    if let Some(path) = &args.said {
        let text = std::fs::read_to_string(path).map_err(failed("cannot read", path))?;
        lines = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    }
    let mut stated: BTreeMap<String, BTreeMap<u32, AlertFeature>> = BTreeMap::new();
    for line in &lines {
        let feature: AlertFeature = serde_json::from_str(line).map_err(failed(
            "no alert, one a line, in",
            args.said.as_ref().or(args.archive.as_ref()).unwrap_or(&PathBuf::new()),
        ))?;
        let revisions = stated.entry(feature.properties.alert.clone()).or_default();
        revisions.insert(feature.properties.revision, feature);
    }
    Ok((feed, stated.into_iter().map(|(alert, revisions)| (alert, revisions.into_values().collect())).collect()))
}

fn not_taken_back(course: &Course, stated: &Stated) -> Vec<String> {
    let said = course.said.iter().map(|(alert, history)| (alert, &history.revisions));
    let known: BTreeMap<&String, &Vec<AlertFeature>> =
        if stated.is_empty() { said.collect() } else { stated.iter().collect() };
    let stands = |revisions: &Vec<AlertFeature>| {
        revisions.last().is_some_and(|newest| newest.properties.status != Status::Retracted)
    };
    known.into_iter().filter(|(_, revisions)| stands(revisions)).map(|(alert, _)| alert.clone()).collect()
}

fn told(path: &Path, package: &Package, bytes: usize, seal: &str) -> String {
    let (records, cited) = package.context.counts();
    let outcome = if package.recomputes { "comes out the same" } else { "does NOT come out the same" };
    format!(
        "{}: {} bytes, {} records ({}), {cited} of them cited; {outcome}\nseal {seal}\n",
        path.display(),
        grouped(bytes as u64),
        grouped(records as u64),
        package.scope.text()
    )
}

fn summary(tally: &Tally, all: usize) -> String {
    let same: usize = tally.same.values().sum();
    let mut text = format!("{same} of {all} alerts come out the same, byte for byte\n");
    for (scope, count) in &tally.same {
        let _ = writeln!(text, "  {count} from {}", scope.text());
    }
    text
}
