//! `truceline bench`: what this machine does.

use super::args::{Bench, Common, Stage};
use super::console::{NotWired, Outcome, print};
use super::logging;
use crate::config::Config;

pub(super) fn command(args: &Bench, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let stages: &[Stage] = match args.stage {
        Stage::All => &[Stage::Decode, Stage::Consume, Stage::Whole],
        ref one => std::slice::from_ref(one),
    };
    for stage in stages {
        print(&measure(*stage, &config, args)?)?;
    }
    Ok(())
}

/// Measures one stage for `args.duration`: observations a second and a CPU second, and latency percentiles, as text.
fn measure(_stage: Stage, _config: &Config, _args: &Bench) -> Result<String, NotWired> {
    Err(NotWired("bench"))
}
