//! The daily reporter: beside a live run, or in a process of its own (`truceline run --role report`).

use super::Stop;
use super::console::Outcome;
use crate::config::Config;
use crate::pipeline::reference::ReferenceFiles;
use crate::pipeline::report::{ReportRun, ReportStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the reporter may take to end when everything else has. It may be waiting for a broker that is away; what it
/// had not committed then is void, and is said after the next start.
const LEAVE_AFTER: Duration = Duration::from_secs(5);
/// Between two looks whether it has.
const NAP: Duration = Duration::from_millis(10);

/// A reporter on a thread of its own.
pub(super) struct Reporter {
    thread: JoinHandle<()>,
    said: Arc<AtomicU64>,
}

/// Starts a reporter beside whatever else runs. When it ends by a failure it says so; alerts go on.
pub(super) fn beside(config: &Config, stop: &Stop) -> Reporter {
    let (run, stop, said) = (run(config), stop.clone(), Arc::<AtomicU64>::default());
    let tally = Arc::clone(&said);
    let thread = std::thread::spawn(move || {
        let ended = run.run(&|| stop.is_asked(), &mut |status| tally.store(status.reports, Ordering::Relaxed));
        if let Err(error) = ended {
            // Alerts go on; whoever reads the log decides.
            tracing::error!("daily reports have ended: {error}");
        }
    });
    Reporter { thread, said }
}

impl Reporter {
    /// How many reports it has said.
    pub(super) fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    /// Waits until it has ended, having been asked to, but not for ever.
    pub(super) fn leave(self) {
        let asked = Instant::now();
        while !self.thread.is_finished() && asked.elapsed() < LEAVE_AFTER {
            std::thread::park_timeout(NAP);
        }
        if self.thread.is_finished() && self.thread.join().is_err() {
            tracing::error!("the daily reporter's thread ended by a panic");
        }
    }
}

/// Reports until it is told to stop.
pub(super) fn alone(config: &Config, stop: &Stop) -> Outcome {
    let mut told = Instant::now();
    let status = run(config).run(&|| stop.is_asked(), &mut |status| {
        if told.elapsed().as_secs_f64() >= config.output.rates_every_s {
            told = Instant::now();
            tell(status);
        }
    })?;
    tell(&status);
    Ok(())
}

fn run(config: &Config) -> ReportRun {
    ReportRun {
        kafka: config.kafka.clone(),
        reference: ReferenceFiles::from(&config.reference),
        settings: config.report.clone(),
    }
}

fn tell(status: &ReportStatus) {
    tracing::info!(
        reports = status.reports,
        too_late = status.passed_over.too_late,
        left_out = status.passed_over.left_out,
        unreadable = status.unreadable_alerts,
        "so far"
    );
}
