//! Arguments in, output for people out; no logic.

mod archive;
mod args;
mod associate;
mod bench;
mod bench_report;
mod check;
mod cluster;
mod console;
mod curves;
mod demo;
mod escalate;
mod evidence;
mod import;
mod logging;
mod peers;
mod progress;
mod replay;
mod report;
mod reporter;
mod review;
mod rules;
mod run;
mod schema;
mod score;
mod simulate;
mod stop;
mod verify;
pub mod view;

pub use args::{Arguments, Command};
pub use console::Outcome;
pub use progress::Progress;
pub use stop::Stop;

use clap::Parser;
use std::process::ExitCode;

/// Runs the program and gives its exit code: 0 done, 1 failed, 2 called wrongly.
pub fn main() -> ExitCode {
    // Wrong arguments, `--help` and `--version` end here, with their own exit codes.
    let arguments = Arguments::parse();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if console::is_closed_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("truceline: {}", console::chain(error.as_ref()));
            ExitCode::from(if error.is::<console::Misuse>() { 2 } else { 1 })
        }
    }
}

fn dispatch(arguments: &Arguments) -> Outcome {
    let common = &arguments.common;
    match &arguments.command {
        Command::Replay(replay) => replay::command(replay, common),
        Command::Run(run) => run::command(run, common),
        Command::Demo(demo) => demo::command(demo, common),
        Command::Simulate(simulate) => simulate::command(simulate, common),
        Command::Score(score) => score::command(score, common),
        Command::Check(check) => check::command(check, common),
        Command::Schema(schema) => schema::command(schema),
        Command::Import(import) => import::command(import, common),
        Command::Bench(bench) => bench::command(bench, common),
        Command::Archive(archive) => archive::command(archive, common),
        Command::Report(report) => report::command(report, common),
        Command::Verify(verify) => verify::command(verify, common),
        Command::Review(review) => review::command(review, common),
        Command::Evidence(evidence) => evidence::command(evidence, common),
    }
}
