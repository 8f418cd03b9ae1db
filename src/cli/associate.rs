//! `truceline bench associate`: how well and how fast arrivals become events.

use super::args::{Associate, Common};
use super::console::{Misuse, Outcome, grouped, print};
use super::logging;
use crate::bench::associate::{
    self as measure, Ablated, CURVE_PER_S, Ground, Measured, Point, Quality, Regime, Row, Scene, Taken, Target,
    VARIANTS,
};
use crate::bench::usage;
use crate::engine::associate::calibration;
use crate::score::Calibration;
use serde::Serialize;

/// All that was measured, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    seeds: Vec<u64>,
    /// Each seed of each regime.
    each: Vec<Row>,
    /// Each regime.
    mean: Vec<Row>,
    /// Each regime's figures and what is aimed at.
    targets: Vec<Target>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    saturation: Vec<Point>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ablation: Vec<Ablated>,
}

const NOTES: &str = "
precision, recall, F1: an alert is an event when at least 0.6 of the evidence agrees; place F1: within 3 s and 1 km.
err/CRLB: location error over the Cramér–Rao bound. 1σ, 2σ: share of true places of found events inside the ellipse
(39.3 and 86.5 are honest). Brier, ECE (expected calibration error): of the last revisions, retracted ones included, a
retracted one being held to the probability that it still states; kept: without the retracted ones. Seeds are pooled.
first words: preliminary revisions; right when 0.6 of what they cite belongs to one event; retracted: the event with them;
renamed: retracted too, but the event stands under another id. ms: wall time of the engine's
call with the record that brought the first word about, records being handed in one by one.
arrivals/s: reports of microphones a second of one core's processor time, engine alone, decoding excluded, the time that
heartbeats take included; net: without it.
";

pub(super) fn command(args: &Associate, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let regimes = args
        .regime
        .iter()
        .map(|name| Regime::parse(name).ok_or_else(|| Misuse(format!("there is no regime {name:?}"))))
        .collect::<Result<Vec<Regime>, Misuse>>()?;
    let mut report = Report {
        machine: usage::machine(),
        seeds: args.seeds.clone(),
        each: Vec::new(),
        mean: Vec::new(),
        targets: Vec::new(),
        saturation: Vec::new(),
        ablation: Vec::new(),
    };
    let say = |text: &str| if args.json { Ok(()) } else { print(text) };
    let seeds: Vec<String> = args.seeds.iter().map(u64::to_string).collect();
    say(&format!("{}\n50 microphones, 40 x 40 km, range 12 km; seeds {}\n\n", report.machine, seeds.join(", ")))?;
    if args.saturation {
        say(&curve_head())?;
        for &per_s in CURVE_PER_S.iter().filter(|&&per_s| per_s <= args.most_per_s) {
            let points: Vec<Point> = Ground::ALL
                .iter()
                .filter_map(|&ground| measure::saturation(ground, per_s, args.events, &args.seeds, &config.engine))
                .collect();
            say(&curve_line(per_s, &points))?;
            report.saturation.extend(points);
        }
        say(CURVE_NOTES)?;
    } else if args.ablation {
        say(&ablation_head())?;
        for &scene in Scene::ALL {
            let streams = scene.streams(&args.seeds);
            for taken in std::iter::once(None).chain(Taken::ALL.iter().copied().map(Some)) {
                let Some(row) = measure::ablated(scene, taken, &streams, &config.engine) else { continue };
                say(&ablation_line(&row))?;
                report.ablation.push(row);
            }
        }
        say(ABLATION_NOTES)?;
    } else {
        let (head, line): (String, fn(&Row) -> String) =
            if args.quality { (quality_head(), quality_line) } else { (speed_head(), speed_line) };
        say(&head)?;
        for &regime in &regimes {
            let mut told = Ok(());
            let mean = measure::regime(regime, &args.seeds, &config.engine, args.quality, &mut |row| {
                if args.each && told.is_ok() {
                    told = say(&line(row));
                }
                report.each.push(row.clone());
            });
            told?;
            if let Some(mean) = mean {
                say(&line(&mean))?;
                report.mean.push(mean);
            }
        }
        report.targets = report.mean.iter().flat_map(measure::targets).collect();
        if args.quality {
            say("\n")?;
            say(&speed_head())?;
            for row in report.each.iter().filter(|_| args.each).chain(&report.mean) {
                say(&speed_line(row))?;
            }
            say(NOTES)?;
            say(&format!("Probabilities and ellipses are calibrated by {}.\n", calibration::digest()))?;
            say(&aims(&report.targets))?;
        }
    }
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    }
    Ok(())
}

fn name(row: &Row) -> String {
    match row.seed {
        Some(seed) => format!("  {} {seed}", row.regime),
        None => format!("{}, {}", row.regime, row.regime.about()),
    }
}

/// A heading and the rule under it, as Markdown has them.
fn head(columns: &str) -> String {
    let rule: String = columns.chars().map(|c| if c == '|' { '|' } else { '-' }).collect();
    format!("{columns}\n{rule}\n")
}

fn quality_head() -> String {
    head(&format!(
        "| {:<24} | events | precision | recall |   F1   | place F1 | err/CRLB p50 |  p95 |  rms |  1σ % |  2σ % | Brier  |  ECE   | Brier kept | ECE kept   | false/day |",
        "regime"
    ))
}

fn quality_line(row: &Row) -> String {
    let Some(quality) = &row.measured.quality else { return String::new() };
    let Quality { precision, recall, f1, place_f1, .. } = quality;
    let bound = match quality.over_bound {
        Some([p50, p95, rms]) => format!("{p50:>12.2} | {p95:>4.2} | {rms:>4.2}"),
        None => format!("{:>12} | {:>4} | {:>4}", "–", "–", "–"),
    };
    let [n, within_1, within_2] = quality.ellipses;
    let share = |within: usize| match n {
        0 => "–".to_owned(),
        n => format!("{:.1}", 100.0 * within as f64 / n as f64),
    };
    let wrong_a_day = (1.0 - precision) * quality.alerts as f64 / quality.hours.max(1e-9) * 24.0;
    format!(
        "| {:<24} | {:>6} | {precision:>9.4} | {recall:.4} | {f1:.4} | {place_f1:>8.4} | {bound} | {:>5} | {:>5} | {} | {} | {wrong_a_day:>9.1} |\n",
        name(row),
        quality.events / quality.scenes.max(1),
        share(within_1),
        share(within_2),
        calibration(quality.last.as_ref(), 6),
        calibration(quality.standing.as_ref(), 10)
    )
}

fn calibration(calibration: Option<&Calibration>, wide: usize) -> String {
    match calibration {
        Some(known) => format!("{:>wide$.4} | {:>wide$.4}", known.brier, known.expected_error),
        None => format!("{:>wide$} | {:>wide$}", "–", "–"),
    }
}

fn speed_head() -> String {
    let rates: String = VARIANTS.iter().map(|variant| format!(" {:>12} |", variant.name)).collect();
    head(&format!(
        "| {:<24} | arrivals |{rates}  net       | engine s | first words | retracted % | renamed % | Brier  |  ECE   | p50 ms | p99 ms | max ms | any p99 | any max | differ |",
        "regime"
    ))
}

fn speed_line(row: &Row) -> String {
    let Measured { quality, speed, first_word, arrival, .. } = &row.measured;
    let rates: String =
        speed.iter().map(|speed| format!(" {:>12} |", grouped(speed.arrivals_per_s() as u64))).collect();
    let (arrivals, net, engine_s) =
        speed.first().map_or((0, 0.0, 0.0), |speed| (speed.arrivals, speed.net_arrivals_per_s(), speed.cpu_s));
    let mut line = format!(
        "| {:<24} | {:>8} |{rates} {:>10} | {engine_s:>8.2} |",
        name(row),
        grouped(arrivals),
        grouped(net as u64)
    );
    match quality {
        Some(Quality { first, differ, .. }) => {
            let percent = |count: usize| 100.0 * count as f64 / first.said.max(1) as f64;
            let (retracted, renamed) = (percent(first.retracted), percent(first.renamed));
            line += &format!(
                " {:>11} | {retracted:>11.1} | {renamed:>9.1} | {} | {:>6.2} | {:>6.2} | {:>6.2} | {:>7.2} | {:>7.2} | {differ:>6} |\n",
                grouped(first.said as u64),
                calibration(first.calibration.as_ref(), 6),
                first_word.p50_ms,
                first_word.p99_ms,
                first_word.max_ms,
                arrival.p99_ms,
                arrival.max_ms
            );
        }
        None => {
            line += &format!(
                " {:>11} |             |           |        |        |        |        |        |         |         |        |\n",
                "–"
            )
        }
    }
    line
}

/// How many aims are met, and which are not.
fn aims(targets: &[Target]) -> String {
    let missed: Vec<&Target> = targets.iter().filter(|target| !target.met).collect();
    let mut text = format!("\n{} of {} aims met\n", targets.len() - missed.len(), targets.len());
    for Target { regime, figure, aim, is, .. } in missed {
        let is = if *is >= 1000.0 { grouped(*is as u64) } else { format!("{is:.4}") };
        text += &format!("  missed: {regime} {figure}: {is}, aim {aim}\n");
    }
    text
}

fn curve_head() -> String {
    let of = |ground: &Ground| format!(" {:>14} F1 | precision | recall | place F1 | arrivals/s |", ground.as_str());
    head(&format!("| events/s |{}", Ground::ALL.iter().map(of).collect::<String>()))
}

const CURVE_NOTES: &str = "
Guns fire in missions: within one, rounds come seconds apart however few there are on the whole.
";

fn curve_line(per_s: f64, points: &[Point]) -> String {
    let of = |point: &Point| {
        let Point { precision, recall, f1, place_f1, arrivals_per_s, .. } = point;
        let rate = grouped(*arrivals_per_s as u64);
        format!(" {f1:>17.4} | {precision:>9.4} | {recall:.4} | {place_f1:>8.4} | {rate:>10} |")
    };
    format!("| {per_s:>8} |{}\n", points.iter().map(of).collect::<String>())
}

fn ablation_head() -> String {
    head(&format!(
        "| {:<7} | {:<23} | events | placeable | precision | recall |   F1   | place F1 | error p50, m | p95, m |  ECE   |",
        "scene", "evidence"
    ))
}

const ABLATION_NOTES: &str = "
Fire alone, mean of the seeds; what is taken out is taken off the truth's evidence too, and off the registry. Events: the
same whatever is taken out; placeable: those of which four arrivals or a radar's point are left. precision, recall, F1: by
evidence; place F1: within 3 s and 1 km. error: of the places of found events. ECE: expected calibration error, seeds pooled.
";

fn ablation_line(row: &Ablated) -> String {
    let Ablated { scene, taken, placeable, quality } = row;
    let Quality { scenes, events, precision, recall, f1, place_f1, .. } = quality;
    let evidence = taken.map_or("all", Taken::about);
    let error = match quality.place_error_m {
        Some([p50_m, p95_m]) => format!("{p50_m:>12.0} | {p95_m:>6.0}"),
        None => format!("{:>12} | {:>6}", "–", "–"),
    };
    let calibration = quality.last.as_ref().map_or("–".to_owned(), |last| format!("{:.4}", last.expected_error));
    format!(
        "| {scene:<7} | {evidence:<23} | {:>6} | {:>9} | {precision:>9.4} | {recall:.4} | {f1:.4} | {place_f1:>8.4} | {error} | {calibration:>6} |\n",
        events / scenes.max(&1),
        placeable / scenes.max(&1)
    )
}
