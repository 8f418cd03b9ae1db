//! `truceline demo`: simulated telemetry through an embedded broker and the live pipeline, watched in the terminal.

use super::args::{Common, Demo};
use super::console::{Outcome, print};
use super::view::{self, AgainstTruth, Rates, Shown, Summary, Update};
use super::{Stop, logging};
use crate::config::Config;
use crate::pipeline::demo::{self as pipeline, DemoError, Told};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use thiserror::Error;

/// Updates that wait for the view before the pipeline's side waits for it.
const MAX_UPDATES_WAITING: usize = 10_000;

/// A directory or file of the demo that cannot be made.
#[derive(Debug, Error)]
#[error("cannot make {path}")]
struct Unmade {
    path: String,
    source: std::io::Error,
}

/// The pipeline's thread ended by a panic, whose message stands above.
#[derive(Debug, Error)]
#[error("the demo's pipeline ended by a panic")]
struct Panicked;

pub(super) fn command(args: &Demo, common: &Common) -> Outcome {
    let config = common.load()?.config;
    std::fs::create_dir_all(&args.out).map_err(|source| Unmade { path: args.out.display().to_string(), source })?;
    let shown = if args.plain { Shown::Plain } else { Shown::suitable() };
    // A full-screen view and a log cannot share a terminal.
    let log_file = (shown == Shown::Screen).then(|| args.out.join("truceline.log"));
    logging::start(&config.log, common, log_file.as_deref())?;
    let stop = Stop::on_signals()?;

    let (send, receive) = std::sync::mpsc::sync_channel(MAX_UPDATES_WAITING);
    let (state, played) = std::thread::scope(|scope| {
        let (config, stop) = (&config, &stop);
        let story = scope.spawn(move || play(config, args, stop, send));
        let state = view::show(&receive, shown, stop);
        // A view that failed must not leave the pipeline waiting for it.
        stop.ask();
        drop(receive);
        (state, story.join())
    });
    let played = played.map_err(|_| Panicked)??;
    let state = state?;
    let summary = Summary { of: &state, truth: played.truth, paths: &played.paths, query: &played.query };
    Ok(print(&summary.to_string())?)
}

/// What the pipeline's side knows at the end.
struct Played {
    truth: Option<AgainstTruth>,
    /// What each path holds, and the path.
    paths: Vec<(&'static str, PathBuf)>,
    query: String,
}

/// Plays the story until its time is up or `stop` is asked, and tells the view what happens. Returns once all alerts
/// that were due have been read back; dropping `updates` closes the view.
fn play(config: &Config, args: &Demo, stop: &Stop, updates: SyncSender<Update>) -> Result<Played, DemoError> {
    let archive_dir = args.out.join("archive");
    let demo = pipeline::Demo {
        kafka: config.kafka.clone(),
        settings: config.engine.clone(),
        config_digest: config.engine.digest(),
        archive: config.archive.clone(),
        archive_dir: archive_dir.clone(),
        seed: args.seed,
        duration: (!args.endless).then_some(args.duration),
    };
    let total = demo.duration;
    let rate = Mutex::new(Recent::default());
    let played = demo.play(&|| stop.is_asked(), &|told| {
        let update = match told {
            Told::Figures(figures) => {
                let observations = figures.tally.observations;
                let observations_per_s = rate.lock().map_or(0.0, |mut rate| rate.at(figures.elapsed, observations));
                Update::Rates(Rates {
                    observations,
                    observations_per_s,
                    rejected: figures.tally.rejected,
                    lag: figures.lag,
                    watermark_ns: figures.watermark_ns,
                })
            }
            Told::Alert(alert) => Update::Alert(alert),
            Told::Chapter(time_ns, text) => Update::Story { time_ns, text },
            Told::Elapsed(elapsed) => Update::Progress { elapsed, total },
        };
        // A view that is gone has asked to stop; the rest is played for the summary.
        let _ = updates.send(update);
    })?;
    let score = played.score;
    let truth = (!args.endless).then_some(AgainstTruth {
        found: score.overall.found as u64,
        missed: score.missed.len() as u64,
        false_alarms: score.false_alarms.len() as u64,
    });
    let query = format!(
        "duckdb -c \"SELECT time, class, round(probability, 2) AS p, violation, areas FROM \
         read_parquet('{}/alerts/**/*.parquet') WHERE status = 'final' ORDER BY time\"",
        archive_dir.display()
    );
    Ok(Played { truth, paths: vec![("archive", archive_dir)], query })
}

/// Observations a second since the last look.
#[derive(Debug, Default)]
struct Recent {
    at: Duration,
    observations: u64,
    per_s: f64,
}

impl Recent {
    fn at(&mut self, at: Duration, observations: u64) -> f64 {
        let passed = at.saturating_sub(self.at);
        if passed >= Duration::from_secs(1) {
            self.per_s = (observations - self.observations) as f64 / passed.as_secs_f64();
            (self.at, self.observations) = (at, observations);
        }
        self.per_s
    }
}
