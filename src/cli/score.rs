//! `truceline score`: alerts against the truth.

use super::args::{Common, MatchBy, Score};
use super::console::{Outcome, print};
use super::logging;
use crate::score::{self, By};

pub(super) fn command(args: &Score, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let by = match args.by {
        MatchBy::Evidence => By::Evidence,
        MatchBy::Place => By::Place { seconds: args.seconds, metres: args.metres },
    };
    let score = score::run(&args.alerts, &args.truth, args.sensors.as_deref(), by)?;
    let text = if args.json { serde_json::to_string_pretty(&score)? } else { score.to_string() };
    Ok(print(&format!("{}\n", text.trim_end()))?)
}
