//! `truceline run`: Kafka to Kafka and Parquet, until told to stop.

use super::args::{Archive, Common, Role, Run};
use super::console::Outcome;
use super::{Stop, archive, check, cluster, logging, reporter};
use crate::config::Config;
use crate::model::time::Timestamp;
use crate::pipeline::archive::{ArchiveRun, ArchiveRunError, ArchiveStatus, Waits};
use crate::pipeline::reference::ReferenceFiles;
use crate::pipeline::run::{self as pipeline, Figures, RunError, named};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The instance of a run that was given none. With a name it comes back to its partitions at once after a crash; without
/// one the group waits until the session of the one that died is over.
const DEFAULT_INSTANCE: &str = "main";

pub(super) fn command(args: &Run, common: &Common) -> Outcome {
    if args.role == Role::Archive {
        let args = Archive { create_topics: args.create_topics, sensors: args.reference.sensors.clone() };
        return archive::command(&args, common);
    }
    let mut loaded = common.load()?;
    args.reference.lay_over(&mut loaded.config.reference);
    logging::start(&loaded.config.log, common, None)?;
    // Whatever can be known to be wrong is said before the first record is read.
    check::all(&loaded, check::Broker::Reach { create_topics: args.create_topics })?;
    let stop = Stop::on_signals()?;
    match args.role {
        Role::Route => cluster::route(&loaded.config, &stop),
        Role::Correlate => cluster::correlate(&loaded.config, &stop),
        Role::Report => reporter::alone(&loaded.config, &stop),
        Role::All | Role::Archive => Ok(run(&loaded.config, args, &stop)?),
    }
}

/// Runs the live pipelines under `config` until `stop` is asked or something fails for good; then what was read is
/// finished and written out. The archive has a thread and a consumer group of its own: it never delays an alert; neither does the
/// reporter.
fn run(config: &Config, args: &Run, stop: &Stop) -> Result<(), Failed> {
    let mut kafka = config.kafka.clone();
    if kafka.exactly_once && kafka.instance.is_empty() {
        DEFAULT_INSTANCE.clone_into(&mut kafka.instance);
    }
    let live = pipeline::Run {
        kafka,
        reference: ReferenceFiles::from(&config.reference),
        settings: config.engine.clone(),
        config_digest: config.engine.digest(),
        review: config.review.clone(),
        by_component: config.output.by_component,
        part: None,
    };
    let archive = ArchiveRun {
        kafka: config.kafka.clone(),
        reference: ReferenceFiles::from(&config.reference),
        archive: config.archive.clone(),
        root: config.output.archive_dir.clone(),
    };
    let reporter = (!args.no_reports).then(|| reporter::beside(config, stop));
    let reports = || reporter.as_ref().map(reporter::Reporter::said);
    let archived = Mutex::new(ArchiveStatus::default());
    let status = || (!args.no_archive).then(|| *archived.lock().unwrap_or_else(PoisonError::into_inner));
    let ended = std::thread::scope(|scope| {
        let keeper = (!args.no_archive).then(|| {
            named(scope, "archive", || {
                let kept = archive.run_watched(Waits::default(), &|| stop.is_asked(), &mut |now| {
                    *archived.lock().unwrap_or_else(PoisonError::into_inner) = *now;
                });
                if let Err(error) = &kept {
                    // Alerts go on; whoever reads the log decides.
                    tracing::error!("the archive has ended: {error}");
                }
                kept
            })
        });
        let mut told = Instant::now();
        let ran = live.run(&|| stop.is_asked(), &mut |figures| {
            if told.elapsed().as_secs_f64() >= config.output.rates_every_s {
                told = Instant::now();
                tell(figures, status(), reports());
            }
        });
        stop.ask();
        let kept = keeper.map(|keeper| keeper.join());
        tell(&ran?, status(), reports());
        match kept {
            Some(Ok(kept)) => {
                kept?;
            }
            Some(Err(_)) => return Err(Failed::Panicked),
            None => {}
        }
        Ok(())
    });
    stop.ask();
    if let Some(reporter) = reporter {
        reporter.leave();
    }
    ended
}

/// One line of how it goes, and how the archive and the reporter do, if this process has them.
pub(super) fn tell(figures: &Figures, archive: Option<ArchiveStatus>, reports: Option<u64>) {
    let tally = figures.tally;
    let watermark = figures.watermark_ns.map_or_else(|| "none".to_owned(), |ns| Timestamp(ns).to_string());
    tracing::info!(
        observations = tally.observations,
        rejected = tally.rejected,
        duplicates = tally.engine.duplicates,
        late = tally.engine.late,
        revisions = figures.revisions,
        lag = figures.lag,
        watermark,
        commits = figures.commits,
        batches_waiting = figures.batches_waiting,
        parcels_waiting = figures.parcels_waiting,
        paused = figures.paused,
        waits = figures.waits,
        lines_held = figures.lines_held,
        arrivals_held = figures.arrivals_held,
        ids_held = figures.ids_held,
        archive_lag = archive.map(|archive| archive.lag),
        archive_waits = archive.map(|archive| archive.is_waiting),
        reports,
        p99_us = figures.ingest_to_alert_us.value_at_quantile(0.99),
        commit_p99_us = figures.ingest_to_commit_us.value_at_quantile(0.99),
        "so far"
    );
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Archive(#[from] ArchiveRunError),
    #[error("the archive's thread ended by a panic")]
    Panicked,
}
