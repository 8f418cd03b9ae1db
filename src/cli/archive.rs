//! `truceline archive`: only the Parquet tables, in a process of its own.

use super::args::{Archive, Common};
use super::console::{NotWired, Outcome};
use super::{Stop, check, logging};
use crate::config::Config;

pub(super) fn command(args: &Archive, common: &Common) -> Outcome {
    let loaded = common.load()?;
    logging::start(&loaded.config.log, common, None)?;
    check::all(&loaded, check::Broker::Reach { create_topics: args.create_topics })?;
    let stop = Stop::on_signals()?;
    archive(&loaded.config, &stop)?;
    Ok(())
}

/// Writes the tables under `config` until `stop` is asked or something fails for good.
fn archive(_config: &Config, _stop: &Stop) -> Result<(), NotWired> {
    Err(NotWired("archive"))
}
