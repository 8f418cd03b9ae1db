//! `truceline bench escalate`: how soon an escalation is told, and how often one that is none.

use super::args::{Common, Escalate};
use super::console::{Misuse, Outcome, print};
use super::{Progress, logging};
use crate::bench::escalate::{self as measure, Delays};
use crate::bench::usage;
use crate::simulate::fortnight::{Course, SECTORS, Terms};
use serde::Serialize;
use std::fmt::Write;

/// Length of a fortnight, days.
const DAYS: f64 = 14.0;

/// All that was measured, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    seeds: (u64, u64),
    courses: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    course: Course,
    per_hour: f64,
    swing: f64,
    times: f64,
    outcome: measure::Outcome,
}

pub(super) fn command(args: &Escalate, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let parse = |name: &String| Course::parse(name).ok_or_else(|| Misuse(format!("there is no course {name:?}")));
    let courses = args.course.iter().map(parse).collect::<Result<Vec<Course>, Misuse>>()?;
    let seeds = (args.seed, args.seed + args.fortnights - 1);
    let mut report = Report { machine: usage::machine(), seeds, courses: Vec::new() };
    let say = |text: &str| if args.json { Ok(()) } else { print(text) };
    say(&format!(
        "{}\n{SECTORS} sectors, {DAYS} days, seeds {} to {}, {} false level 2 a year borne\n",
        report.machine, seeds.0, seeds.1, config.engine.escalation.level_2_per_year
    ))?;
    for course in courses {
        for &per_hour in &args.rate {
            let bin_s = config.engine.escalation.bin_s;
            let terms = Terms { course, per_hour, swing: args.swing, times: args.times, bin_s, days: DAYS };
            let mut progress = Progress::new("fortnights", common);
            let mut done = 0;
            let outcome = measure::watch(terms, seeds.0..=seeds.1, &config.engine, &mut |_| {
                done += 1;
                progress.at(done, Some(args.fortnights), "fortnights", "");
                true
            });
            drop(progress);
            let row = Row { course, per_hour, swing: args.swing, times: args.times, outcome };
            say(&table(&row))?;
            for told in row.outcome.each.iter().filter(|_| args.each) {
                say(&each(told))?;
            }
            report.courses.push(row);
        }
    }
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    }
    Ok(())
}

fn each(told: &measure::False) -> String {
    let measure::False { seed, sector, level, day, after_h, reasons } = told;
    format!("seed {seed}, {sector}, level {level}, day {day:.2}, {after_h:.1} h after: {}\n", reasons.join(" "))
}

fn minutes(delay: Option<f64>) -> String {
    delay.map_or_else(|| "none".to_owned(), |minutes| format!("{minutes:.0}"))
}

fn delays(told: &Delays) -> String {
    let at = |share| minutes(told.at(share));
    let (half, most, all) = (at(0.5), at(0.9), at(0.99));
    let (soon, later) = (100.0 * told.within(30.0), 100.0 * told.within(90.0));
    format!("| {half} | {most} | {all} | {soon:.1}% | {later:.1}% |")
}

fn table(row: &Row) -> String {
    let Row { course, per_hour, swing, times, outcome } = row;
    let mut text = format!(
        "\n{course}: {}.\n{per_hour} incidents an hour and sector, swing {swing}, {} fortnights, {:.1} years.\n",
        course.about(),
        outcome.fortnights,
        outcome.years
    );
    let per_year = |count: u32| f64::from(count) / outcome.years.max(1e-9);
    if outcome.delays[0].onsets == 0 {
        let _ = writeln!(text, "\n| level | false | a year | from when it befell the nodes |\n|---|---|---|---|");
        for (level, (&count, &befallen)) in (1..).zip(outcome.false_levels.iter().zip(&outcome.befallen)) {
            let _ = writeln!(text, "| {level} | {count} | {:.2} | {befallen} |", per_year(count));
        }
        return text;
    }
    let heads = "| minutes to it, half | 90% | 99% | within 30 | within 90 |";
    let _ = writeln!(text, "The onset has {times} times the rate.\n\n| level | false | a year {heads}");
    let _ = writeln!(text, "|---|---|---|---|---|---|---|---|");
    for (level, (&count, told)) in (1..).zip(outcome.false_levels.iter().zip(&outcome.delays)) {
        let _ = writeln!(text, "| {level} | {count} | {:.2} {}", per_year(count), delays(told));
    }
    for (level, (&count, told)) in (2..).zip(outcome.oracle.false_levels.iter().zip(&outcome.oracle.delays)) {
        let _ = writeln!(text, "| {level}, at best | {count} | {:.2} {}", per_year(count), delays(told));
    }
    let _ = writeln!(text, "\n| fire alone, borne a year | false | a year {heads}");
    let _ = writeln!(text, "|---|---|---|---|---|---|---|---|");
    for point in &outcome.curve {
        let (count, told) = (point.false_alarms, delays(&point.delays));
        let _ = writeln!(text, "| {} | {count} | {:.2} {told}", point.borne_per_year, per_year(count));
    }
    text
}
