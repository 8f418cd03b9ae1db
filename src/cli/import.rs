//! `truceline import`: published recordings to telemetry files.

use super::args::{Common, Import};
use super::console::{Outcome, print};
use super::logging;
use crate::import::{self, Format, ImportOptions};

pub(super) fn command(args: &Import, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let options =
        ImportOptions { date: args.date.clone(), start: args.start.clone(), label_emitters: args.label_emitters };
    // `auto` is no format: it is then told from the files.
    let summary = import::run(Format::parse(&args.format), &args.inputs, &args.out, &options)?;
    if !common.quiet {
        print(&summary.to_string())?;
    }
    Ok(())
}
