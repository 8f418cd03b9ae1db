//! `truceline demo`: simulated telemetry through an embedded broker and the live pipeline, watched in the terminal.

use super::args::{Common, Demo};
use super::console::{NotWired, Outcome, print};
use super::view::{self, AgainstTruth, Shown, Summary, Update};
use super::{Stop, logging};
use crate::config::Config;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
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
fn play(_config: &Config, _args: &Demo, _stop: &Stop, _updates: SyncSender<Update>) -> Result<Played, NotWired> {
    Err(NotWired("demo"))
}
