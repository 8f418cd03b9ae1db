//! `truceline archive`: only the Parquet tables, in a process of its own.

use super::args::{Archive, Common};
use super::console::{Outcome, grouped, print};
use super::{Stop, check, logging};
use crate::pipeline::archive::{ArchiveRun, ArchiveStatus, Waits};
use crate::pipeline::reference::ReferenceFiles;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn command(args: &Archive, common: &Common) -> Outcome {
    let mut loaded = common.load()?;
    if args.sensors.is_some() {
        loaded.config.reference.sensors.clone_from(&args.sensors);
    }
    let config = &loaded.config;
    logging::start(&config.log, common, None)?;
    // Whatever can be known to be wrong is said before the first record is read.
    check::all(&loaded, check::Broker::Reach { create_topics: args.create_topics })?;
    let stop = Stop::on_signals()?;
    let run = ArchiveRun {
        kafka: config.kafka.clone(),
        reference: ReferenceFiles::from(&config.reference),
        archive: config.archive.clone(),
        root: config.output.archive_dir.clone(),
    };
    let mut rates = Rates::every(Duration::from_secs_f64(config.output.rates_every_s));
    let status = run.run_watched(Waits::default(), &|| stop.is_asked(), &mut |status| rates.at(status))?;
    if !common.quiet {
        print(&summary(&status, &config.output.archive_dir))?;
    }
    Ok(())
}

/// A line of the log now and then: how fast, and how far behind.
struct Rates {
    every: Duration,
    since: Instant,
    rows: u64,
}

impl Rates {
    fn every(every: Duration) -> Rates {
        Rates { every, since: Instant::now(), rows: 0 }
    }

    fn at(&mut self, status: &ArchiveStatus) {
        let elapsed = self.since.elapsed();
        if elapsed < self.every {
            return;
        }
        let rows = rows(status);
        let rate = rows.saturating_sub(self.rows) as f64 / elapsed.as_secs_f64();
        let (rows_text, lag, commits) = (grouped(rows), grouped(status.lag), grouped(status.counts.commits));
        tracing::info!(
            "archive: {rows_text} rows, {}/s, {commits} commits, {lag} records behind",
            grouped(rate as u64)
        );
        (self.since, self.rows) = (Instant::now(), rows);
    }
}

fn rows(status: &ArchiveStatus) -> u64 {
    status.counts.telemetry + status.counts.alerts + status.counts.rejected
}

fn summary(status: &ArchiveStatus, root: &Path) -> String {
    let counts = &status.counts;
    let unreadable = match status.unreadable_alerts {
        0 => String::new(),
        count => format!(", {} records that were no alerts", grouped(count)),
    };
    format!(
        "{} observations, {} alerts, {} refused lines in {} commits{unreadable}\n{}\n",
        grouped(counts.telemetry),
        grouped(counts.alerts),
        grouped(counts.rejected),
        grouped(counts.commits),
        root.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Counts;

    #[test]
    fn the_summary_says_what_was_archived_and_where() {
        let counts = Counts { telemetry: 1_234, alerts: 5, rejected: 6, commits: 7, ..Counts::default() };
        let mut status = ArchiveStatus { counts, ..ArchiveStatus::default() };
        assert_eq!(
            summary(&status, Path::new("archive")),
            "1,234 observations, 5 alerts, 6 refused lines in 7 commits\narchive\n"
        );
        status.unreadable_alerts = 2;
        assert!(summary(&status, Path::new("a")).contains("7 commits, 2 records that were no alerts\n"));
    }
}
