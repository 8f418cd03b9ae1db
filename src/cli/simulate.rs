//! `truceline simulate`: a scenario's telemetry and its truth.

use super::args::{Common, Simulate};
use super::console::{Outcome, grouped, print};
use super::logging;
use crate::simulate::{Options, SimulateError};

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
fn simulate(args: &Simulate) -> Result<String, SimulateError> {
    let made = crate::simulate::run(args.scenario, args.seed, &Options::default(), &args.out)?;
    Ok(format!(
        "{} observations of {} nodes, {} events, in {}\n",
        grouped(made.deliveries.len() as u64),
        grouped(made.nodes.len() as u64),
        grouped(made.truth.len() as u64),
        args.out.display()
    ))
}
