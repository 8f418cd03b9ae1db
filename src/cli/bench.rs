//! `truceline bench`: what this machine does.

use super::args::{Alone, Bench, Common, Stage};
use super::bench_report::{self, MOST_EMBEDDED_PER_S};
use super::console::{Misuse, Outcome, grouped, print};
use super::{Progress, Stop, associate, curves, escalate, logging, peers, rules};
use crate::bench::decode::Decoded;
use crate::bench::ground::{Ground, MOST_EMBEDDED_RECORDS};
use crate::bench::latency::Latencies;
use crate::bench::percentiles::{Percentiles, write_hgrm};
use crate::bench::whole::{Delivery, TURNS, WARM_UP, Whole};
use crate::bench::{self as measure, Rate, Watch, usage};
use crate::simulate::load::Mix;
use serde::Serialize;
use std::cell::RefCell;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// All that was measured, as `--json` prints it.
#[derive(Debug, Default, Serialize)]
struct Report {
    machine: String,
    mix: String,
    nodes: u32,
    embedded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    decode: Option<Decoded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consume: Option<Rate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    whole: Vec<Whole>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    whole_at_least_once: Vec<Whole>,
    /// By what share fewer observations are read a second of processor time, and of the clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    exactly_once_costs: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
}

#[derive(Debug, Serialize)]
struct Latency {
    asked_per_s: u64,
    sent_per_s: f64,
    due_to_visible: Percentiles,
    read_to_visible: Percentiles,
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub(super) struct Unwritten {
    path: PathBuf,
    source: std::io::Error,
}

pub(super) fn command(args: &Bench, common: &Common) -> Outcome {
    match &args.alone {
        Some(Alone::Associate(args)) => return associate::command(args, common),
        Some(Alone::Curves(args)) => return curves::command(args, common),
        Some(Alone::Escalate(args)) => return escalate::command(args, common),
        Some(Alone::Peers(args)) => return peers::command(args, common),
        Some(Alone::Rules(args)) => return rules::command(args, common),
        None => {}
    }
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let mix = Mix::parse(&args.mix).ok_or_else(|| Misuse(format!("there is no mix {:?}", args.mix)))?;
    let records = if args.embedded { args.records.min(MOST_EMBEDDED_RECORDS) } else { args.records };
    let bench = measure::Bench {
        kafka: config.kafka,
        engine: config.engine,
        mix,
        nodes: args.nodes as usize,
        seed: args.seed,
        duration: args.duration,
        records,
        embedded: args.embedded,
    };
    if let Some(into) = &args.report {
        return bench_report::command(args, &bench, &config.archive, into, common);
    }
    let stop = Stop::on_signals()?;
    let bar = RefCell::new(Bar::new(common));
    let mut teller = Teller {
        args,
        bar: &bar,
        report: Report { machine: usage::machine(), mix: args.mix.clone(), nodes: args.nodes, ..Report::default() },
    };
    teller.report.embedded = args.embedded;
    teller.head(&bench)?;

    let asked = || stop.is_asked();
    let mut watch = Watch { stop: &asked, on: &mut |step| bar.borrow_mut().step(step) };
    let wants = |stage| args.stage == stage || args.stage == Stage::All;
    if wants(Stage::Decode) {
        teller.decoded(bench.decode(&mut watch)?)?;
    }
    if wants(Stage::Consume) || wants(Stage::Whole) {
        let mut ground = Ground::open(&bench)?;
        ground.fill(records, &mut watch)?;
        if wants(Stage::Consume) {
            teller.consumed(ground.consume(records, &mut watch)?)?;
        }
        if wants(Stage::Whole) {
            bench.whole(&ground, records, WARM_UP, &mut watch)?;
            for turn in TURNS {
                teller.whole(bench.whole(&ground, records, turn, &mut watch)?, turn.0)?;
            }
            teller.cost()?;
        }
    }
    if wants(Stage::Whole) {
        let half = teller.report.whole.first().map_or(0.0, |whole| whole.rate.per_s() / 2.0) as u64;
        let most = if args.embedded { MOST_EMBEDDED_PER_S } else { u64::MAX };
        let rate = args.rate.unwrap_or(half.clamp(1, most));
        let mut ground = Ground::open(&bench)?;
        teller.latencies(&bench.latency(&mut ground, rate, &mut watch)?)?;
    }
    teller.end()
}

/// Tells each result as it comes, or all of them as JSON at the end.
struct Teller<'a> {
    args: &'a Bench,
    bar: &'a RefCell<Bar<'a>>,
    report: Report,
}

impl Teller<'_> {
    fn say(&self, text: &str) -> std::io::Result<()> {
        // The line of progress makes room.
        self.bar.borrow_mut().shown = None;
        if self.args.json { Ok(()) } else { print(text) }
    }

    fn head(&self, bench: &measure::Bench) -> Outcome {
        let Report { machine, mix, .. } = &self.report;
        self.say(&format!(
            "{machine}\n{mix} telemetry of {} nodes, {} lines in a second of event time\n",
            grouped(bench.nodes as u64),
            grouped(bench.lines_a_s() as u64)
        ))?;
        if self.args.embedded && self.args.stage != Stage::Decode {
            self.say(&format!(
                "The embedded broker is made for a demo: it holds {} records and limits every figure but the decoder's.\n",
                grouped(MOST_EMBEDDED_RECORDS)
            ))?;
        }
        self.say(&format!("\n{:<34}{:>16}{:>18}\n", "", "observations/s", "per CPU second"))?;
        Ok(())
    }

    fn decoded(&mut self, decoded: Decoded) -> Outcome {
        self.say(&rate("decode: bytes to columns", decoded.columns))?;
        self.say(&rate("  the parser's tape alone", decoded.tape))?;
        if decoded.rejected > 0 {
            self.say(&format!("  {} lines were refused\n", grouped(decoded.rejected)))?;
        }
        self.report.decode = Some(decoded);
        Ok(())
    }

    fn consumed(&mut self, consumed: Rate) -> Outcome {
        self.say(&rate("consume: Kafka to memory", consumed))?;
        self.report.consume = Some(consumed);
        Ok(())
    }

    fn whole(&mut self, whole: Whole, delivery: Delivery) -> Outcome {
        let what = match delivery {
            Delivery::ExactlyOnce => "whole: Kafka to alerts",
            Delivery::AtLeastOnce => "  the same at least once",
        };
        let mut text = rate(what, whole.rate);
        text += &format!(
            "  {} observations, {:.0} × event time · {} revisions · {} refused · {} late\n",
            grouped(whole.rate.observations),
            whole.event_s_per_s,
            grouped(whole.revisions),
            grouped(whole.rejected),
            grouped(whole.late)
        );
        let resident: Vec<String> = whole.resident_kib.iter().map(|kib| grouped(kib / 1024)).collect();
        let peak = whole.peak_kib.map_or_else(|| "unknown".to_owned(), |kib| grouped(kib / 1024));
        text += &format!("  memory {} MiB at each quarter, at most {peak} MiB\n", resident.join(", "));
        let (sent, seen) = (&whole.ingest_to_alert, &whole.ingest_to_commit);
        text += &format!(
            "  {} commits · batch read → sent p99 {:.1} ms, → committed p99 {:.1} ms\n",
            grouped(whole.commits),
            sent.p99_ms,
            seen.p99_ms
        );
        self.say(&text)?;
        match delivery {
            Delivery::ExactlyOnce => self.report.whole.push(whole),
            Delivery::AtLeastOnce => self.report.whole_at_least_once.push(whole),
        }
        Ok(())
    }

    /// What exactly once costs, by what an observation took with either in all their turns.
    fn cost(&mut self) -> Outcome {
        // Runs are measured from when they were first looked at, so none covers quite as many observations as another.
        let each = |all: &[Whole], of: fn(&Rate) -> f64| {
            all.iter().map(|whole| of(&whole.rate) / whole.rate.observations.max(1) as f64).sum::<f64>()
        };
        let cost = |of: fn(&Rate) -> f64| {
            1.0 - each(&self.report.whole_at_least_once, of) / each(&self.report.whole, of).max(f64::MIN_POSITIVE)
        };
        let costs = [cost(|rate| rate.cpu_s), cost(|rate| rate.wall_s)];
        self.say(&format!(
            "exactly once costs {:.0}% of the observations a CPU second, {:.0}% of those a second (two runs of either)\n",
            100.0 * costs[0],
            100.0 * costs[1]
        ))?;
        self.report.exactly_once_costs = Some(costs);
        Ok(())
    }

    fn latencies(&mut self, seen: &Latencies) -> Outcome {
        let (due_to_visible, read_to_visible) = seen.percentiles();
        let (asked, sent) = (grouped(seen.asked_per_s), grouped(seen.sent_per_s as u64));
        let mut text = format!("\nlatency, ms, at {asked} observations/s (sent: {sent}/s)\n");
        text += &format!("{:<34}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}\n", "", "count", "p50", "p90", "p99", "p99.9", "max");
        text += &spread("due → first word visible", due_to_visible);
        text += &spread("read → any word visible", read_to_visible);
        self.say(&text)?;
        if let Some(out) = &self.args.out {
            for (name, histogram) in
                [("due-to-visible.hgrm", &seen.due_to_visible_us), ("read-to-visible.hgrm", &seen.read_to_visible_us)]
            {
                write(&out.join(name), |file| write_hgrm(histogram, file))?;
            }
        }
        let (asked_per_s, sent_per_s) = (seen.asked_per_s, seen.sent_per_s);
        self.report.latency = Some(Latency { asked_per_s, sent_per_s, due_to_visible, read_to_visible });
        Ok(())
    }

    fn end(self) -> Outcome {
        if self.args.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&self.report)?))?;
        }
        Ok(())
    }
}

/// Writes a file, in a directory that is made where it is missing.
pub(super) fn write(
    path: &Path,
    what: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Result<(), Unwritten> {
    let written = || {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let mut file = BufWriter::new(std::fs::File::create(path)?);
        what(&mut file)?;
        std::io::Write::flush(&mut file)
    };
    written().map_err(|source| Unwritten { path: path.to_owned(), source })
}

fn rate(what: &str, rate: Rate) -> String {
    let per_cpu_s = rate.per_cpu_s().map_or_else(|| "unknown".to_owned(), |per| grouped(per as u64));
    format!("{what:<34}{:>16}{per_cpu_s:>18}\n", grouped(rate.per_s() as u64))
}

fn spread(what: &str, told: Percentiles) -> String {
    let Percentiles { count, p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = told;
    let count = grouped(count);
    format!("{what:<34}{count:>9}{p50_ms:>9.1}{p90_ms:>9.1}{p99_ms:>9.1}{p999_ms:>9.1}{max_ms:>9.1}\n")
}

/// One line of progress for whatever is being done.
pub(super) struct Bar<'a> {
    common: &'a Common,
    shown: Option<(&'static str, Progress)>,
}

impl<'a> Bar<'a> {
    pub(super) fn new(common: &'a Common) -> Bar<'a> {
        Bar { common, shown: None }
    }

    pub(super) fn step(&mut self, step: measure::Step) {
        if self.shown.as_ref().is_none_or(|(what, _)| *what != step.what) {
            // The old line goes before the new one comes.
            self.shown = None;
            self.shown = Some((step.what, Progress::new(step.what, self.common)));
        }
        if let Some((_, progress)) = &mut self.shown {
            progress.at(step.done, step.total, "observations", "");
        }
    }
}
