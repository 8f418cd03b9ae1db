//! `truceline replay`: files to files.

use super::args::{Common, Replay};
use super::console::{Outcome, grouped, print};
use super::{Progress, logging};
use crate::config::Config;
use crate::pipeline::learnt;
use crate::pipeline::reference::ReferenceFiles;
use crate::pipeline::replay::{self as pipeline, ReplayError};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// What a replay came to.
#[derive(Clone, Debug, Default)]
struct Replayed {
    observations: u64,
    rejected: u64,
    alerts: u64,
    revisions: u64,
    violations: u64,
    escalations: u64,
    reports: u64,
    regions_learnt: (usize, usize),
    elapsed: Duration,
}

pub(super) fn command(args: &Replay, common: &Common) -> Outcome {
    let mut config = common.load()?.config;
    args.reference.lay_over(&mut config.reference);
    logging::start(&config.log, common, None)?;
    let progress = Progress::new("replay", common);
    let replayed = replay(&config, args, progress)?;
    if !common.quiet {
        print(&summary(&replayed, &args.out))?;
    }
    Ok(())
}

/// Replays `args.telemetry` under `config` into `args.out`, which is made.
fn replay(config: &Config, args: &Replay, mut progress: Progress) -> Result<Replayed, ReplayError> {
    let total = args.telemetry.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum();
    let replay = pipeline::Replay {
        telemetry: args.telemetry.clone(),
        reference: ReferenceFiles::from(&config.reference),
        learnt: args.learnt.clone(),
        out: args.out.clone(),
        settings: config.engine.clone(),
        config_digest: config.engine.digest(),
        review: config.review.clone(),
        archive: (!args.no_archive).then(|| config.archive.clone()),
        report: config.report.clone(),
    };
    let summary = replay.run(&mut |done| progress.at(done, Some(total), "bytes", ""))?;
    Ok(Replayed {
        observations: summary.tally.observations,
        rejected: summary.tally.rejected,
        alerts: summary.alerts,
        revisions: summary.revisions,
        violations: summary.violations,
        reports: summary.reports,
        escalations: summary.escalations,
        regions_learnt: summary.regions_learnt,
        elapsed: progress.elapsed(),
    })
}

fn summary(replayed: &Replayed, out: &Path) -> String {
    let mut text = String::new();
    let rate = replayed.observations as f64 / replayed.elapsed.as_secs_f64().max(1e-3);
    let _ = writeln!(
        text,
        "{} observations in {:.1} s ({}/s), {} rejected",
        grouped(replayed.observations),
        replayed.elapsed.as_secs_f64(),
        grouped(rate as u64),
        grouped(replayed.rejected)
    );
    let _ = writeln!(
        text,
        "{} alerts in {} revisions, {} violations, {} escalations, {} daily reports",
        grouped(replayed.alerts),
        grouped(replayed.revisions),
        grouped(replayed.violations),
        grouped(replayed.escalations),
        grouped(replayed.reports)
    );
    let (regions, not_taken_up) = replayed.regions_learnt;
    if regions > 0 {
        let _ = writeln!(
            text,
            "started from what {} regions learnt; {not_taken_up} were left out, for nothing stands where they were",
            grouped(regions as u64)
        );
    }
    for file in ["alerts.ndjson", "escalations.ndjson", "reports.ndjson", "rejected.ndjson", learnt::FILE_NAME] {
        let _ = writeln!(text, "{}", out.join(file).display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_came_of_it() {
        let replayed = Replayed {
            observations: 1_000_000,
            rejected: 12,
            alerts: 500,
            revisions: 1_900,
            violations: 480,
            escalations: 1,
            reports: 8,
            regions_learnt: (3, 1),
            elapsed: Duration::from_secs(2),
        };
        assert_eq!(
            summary(&replayed, Path::new("out")),
            "1,000,000 observations in 2.0 s (500,000/s), 12 rejected\n\
             500 alerts in 1,900 revisions, 480 violations, 1 escalations, 8 daily reports\n\
             started from what 3 regions learnt; 1 were left out, for nothing stands where they were\n\
             out/alerts.ndjson\nout/escalations.ndjson\nout/reports.ndjson\nout/rejected.ndjson\nout/learnt.json\n"
        );
    }
}
