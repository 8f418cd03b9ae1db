//! `truceline bench rules`: how well each rule finds what it is there for, and how fast all of them are.

use super::args::{Common, RulesBench};
use super::console::{Outcome, grouped, print};
use super::{Progress, logging};
use crate::bench::rules::{self, Beside, Row, Speed};
use crate::bench::usage;
use serde::Serialize;

/// All that was measured, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    seeds: Vec<u64>,
    rows: Vec<Row>,
    beside: [Beside; 2],
    targets_met: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<Speed>,
}

const NOTES: &str = "
An alert is an event with the same class and sign, and an area and evidence in common. split: events with more than one alert. judged: of
those found, whether it is a violation was said rightly (areas, notices). timed: of those that ended, begin and end were told to within two
intervals between plots; most: the greatest error in such intervals. place: median error of the place of a jammer or an emitter, or of the
middle of a cluster. Fire: of the rounds that were found, of which the ends are known for lines; a chance of 0.5 or more says so. target: precision
and recall of 0.99, of dark ships a recall of 0.95 at one false a day; all judged rightly, none split.
";

pub(super) fn command(args: &RulesBench, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let rows = {
        let mut progress = Progress::new("scoring", common);
        rules::score(&args.seeds, &config.engine, &mut |done, all| progress.at(done, Some(all), "scenes", ""))
    };
    let beside = {
        let mut progress = Progress::new("scoring", common);
        rules::beside(&args.seeds, &config.engine, &mut |done, all| progress.at(done, Some(all), "scenes of fire", ""))
    };
    let speed = (args.plots > 0).then(|| rules::speed(args.plots, &config.engine));
    let met = rows.iter().all(|(rule, row)| rule.is_met(row));
    if args.json {
        let report = Report {
            machine: usage::machine(),
            seeds: args.seeds.clone(),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            beside,
            targets_met: met,
            speed,
        };
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
        return Ok(());
    }
    let mut text = format!(
        "{:<26}{:>7}{:>7}{:>7}{:>7}{:>8}{:>7}{:>9}{:>9}{:>7}{:>10}  {}\n",
        "rule",
        "events",
        "alerts",
        "prec.",
        "recall",
        "false/d",
        "split",
        "judged",
        "timed",
        "most",
        "place, m",
        "target"
    );
    for (rule, row) in &rows {
        let place = row.median_m().map_or_else(|| "-".to_owned(), |median_m| format!("{median_m:.0}"));
        text += &format!(
            "{:<26}{:>7}{:>7}{:>7.3}{:>7.3}{:>8.1}{:>7}{:>9}{:>9}{:>7.1}{:>10}  {}\n",
            row.rule,
            row.events,
            row.alerts,
            row.precision(),
            row.recall(),
            row.false_a_day(),
            row.split,
            format!("{}/{}", row.judged_right, row.found),
            format!("{}/{}", row.timed, row.ended),
            row.most_error_plots,
            place,
            if rule.is_met(row) { "met" } else { "missed" },
        );
    }
    for row in &beside {
        text += &format!(
            "{:<26}{:>7}{:>7}{:>7.3}{:>7.3}  chances stated come to {:.1}, {} were so\n",
            row.name,
            row.events,
            row.said,
            row.precision(),
            row.recall(),
            row.stated,
            row.borne_out,
        );
    }
    text += NOTES;
    if let Some(speed) = speed {
        text += &format!(
            "\n{} plots of {} objects over {} areas of {} corners through all area rules: {} plots/s on one thread\n",
            grouped(speed.plots),
            grouped(rules::OBJECTS as u64),
            grouped(rules::AREAS as u64),
            rules::CORNERS,
            grouped(speed.per_s() as u64),
        );
    }
    print(&text)?;
    Ok(())
}
