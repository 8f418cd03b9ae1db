//! `truceline score`: alerts against the truth.

use super::args::{Common, Score};
use super::console::{NotWired, Outcome, print};
use super::logging;

pub(super) fn command(args: &Score, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    print(&score(args)?)?;
    Ok(())
}

/// The score as a table, or as JSON where `args.json` asks for it.
fn score(_args: &Score) -> Result<String, NotWired> {
    Err(NotWired("score"))
}
