//! `truceline run`: Kafka to Kafka and Parquet, until told to stop.

use super::args::{Common, Run};
use super::console::{NotWired, Outcome};
use super::{Stop, check, logging};
use crate::config::Config;

pub(super) fn command(args: &Run, common: &Common) -> Outcome {
    let mut loaded = common.load()?;
    args.reference.lay_over(&mut loaded.config.reference);
    logging::start(&loaded.config.log, common, None)?;
    // Whatever can be known to be wrong is said before the first record is read.
    check::all(&loaded, check::Broker::Reach { create_topics: args.create_topics })?;
    let stop = Stop::on_signals()?;
    run(&loaded.config, args, &stop)?;
    Ok(())
}

/// Runs the live pipelines under `config` until `stop` is asked or something fails for good; then what was read is
/// finished and written out.
fn run(_config: &Config, _args: &Run, _stop: &Stop) -> Result<(), NotWired> {
    Err(NotWired("run"))
}
