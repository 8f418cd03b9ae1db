//! `truceline simulate`: a scenario's telemetry and its truth.

use super::args::{Common, Simulate};
use super::console::{NotWired, Outcome, print};
use super::logging;

pub(super) fn command(args: &Simulate, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let said = simulate(args)?;
    if !common.quiet {
        print(&said)?;
    }
    Ok(())
}

/// Writes the scenario into `args.out`, which is made, and says in a line or two what it holds.
fn simulate(_args: &Simulate) -> Result<String, NotWired> {
    Err(NotWired("simulate"))
}
