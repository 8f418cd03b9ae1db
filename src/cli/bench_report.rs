//! `truceline bench --report`: every stage beside its roof, several times over, as a page and as JSON.

use super::args::{Bench as Args, Common, Stage};
use super::bench::{Bar, write};
use super::console::{Outcome, called, chain, print};
use super::{Stop, peers};
use crate::archive::ArchiveSettings;
use crate::bench::ground::Ground;
use crate::bench::percentiles::write_hgrm;
use crate::bench::report::page::page;
use crate::bench::report::{Latency, Machine, Report, Versions, curve, median, stages};
use crate::bench::whole::Delivery;
use crate::bench::{Bench, BenchError, Rate, Watch, usage};
use serde_json::json;
use std::path::Path;

/// Highest rate of latencies that an embedded broker is asked for.
pub(super) const MOST_EMBEDDED_PER_S: u64 = 5_000;

/// Runs of each stage, by its name.
#[derive(Default)]
struct Rates(Vec<(&'static str, Vec<Rate>)>);

impl Rates {
    fn add(&mut self, name: &'static str, rate: Rate) {
        match self.0.iter_mut().find(|(of, _)| *of == name) {
            Some((_, runs)) => runs.push(rate),
            None => self.0.push((name, vec![rate])),
        }
    }

    /// Observations a second, the median.
    fn per_s(&self, name: &str) -> Option<f64> {
        let (_, runs) = self.0.iter().find(|(of, _)| *of == name)?;
        median(runs.iter().map(Rate::per_s).collect())
    }
}

pub(super) fn command(args: &Args, bench: &Bench, archive: &ArchiveSettings, into: &Path, common: &Common) -> Outcome {
    // Whatever can be known to be wrong is said before minutes of measuring.
    let beside = args.peers.as_deref().map(peers::read).transpose()?;
    let stop = Stop::on_signals()?;
    let asked = || stop.is_asked();
    let mut bar = Bar::new(common);
    let mut watch = Watch { stop: &asked, on: &mut |step| bar.step(step) };
    let (mut rates, mut missing) = (Rates::default(), Vec::new());
    let line_bytes = in_memory(args.runs, bench, archive, &mut rates, &mut watch)?;
    let (mut peak_mib, mut latencies) = (None, Vec::new());
    match (args.stage != Stage::Decode).then(|| Ground::open(bench)) {
        None => missing.push("What takes a broker: --stage decode leaves it out.".to_owned()),
        Some(Err(error)) => missing.push(format!("What takes a broker: {}.", chain(&error))),
        Some(Ok(ground)) => {
            peak_mib = with_broker(args.runs, bench, ground, &mut rates, &mut missing, &mut watch)?;
            let capacity = rates.per_s("exactly-once").unwrap_or(0.0);
            for &percent in &args.loads {
                latencies.push(latency(bench, args.rate, (percent, capacity), into, &mut watch)?);
            }
        }
    }
    drop(bar);
    let report = Report {
        machine: Machine { processor: usage::machine(), memory_mib: usage::memory_mib(), kernel: usage::kernel() },
        versions: Versions {
            truceline: env!("CARGO_PKG_VERSION").to_owned(),
            compiler: env!("TRUCELINE_BUILD").to_owned(),
            librdkafka: rdkafka::util::get_rdkafka_version().1,
        },
        command: called(),
        mix: args.mix.clone(),
        nodes: args.nodes,
        seed: args.seed,
        records: bench.records,
        line_bytes,
        embedded: args.embedded,
        runs: args.runs,
        stages: stages(&rates.0),
        peak_mib,
        latencies,
        missing,
        peers: beside.map(|beside| json!(beside)),
    };
    write(&into.join("report.json"), |file| Ok(serde_json::to_writer_pretty(file, &report)?))?;
    let text = page(&report);
    write(&into.join("report.html"), |file| file.write_all(text.as_bytes()))?;
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        report.missing.iter().try_for_each(|what| print(&format!("not measured: {what}\n")))?;
        print(&format!("{}\n", into.join("report.html").display()))?;
    }
    Ok(())
}

/// What takes no broker; gives how many bytes an observation has.
fn in_memory(
    runs: u32,
    bench: &Bench,
    archive: &ArchiveSettings,
    rates: &mut Rates,
    watch: &mut Watch<'_>,
) -> Result<f64, BenchError> {
    let columns = bench.columns();
    let mut without_fire = bench.engine.clone();
    without_fire.fire.on = false;
    let mut line_bytes = 0.0;
    for _ in 0..runs {
        let decoded = bench.decode(watch)?;
        line_bytes = decoded.line_bytes;
        rates.add("tape", decoded.tape);
        rates.add("decode", decoded.columns);
        let copied = bench.copy(watch)?;
        rates.add("copy", Rate { observations: (copied.observations as f64 / line_bytes) as u64, ..copied });
        rates.add("rules", bench.engine(&columns, &without_fire, watch)?);
        if bench.engine.fire.on {
            rates.add("engine", bench.engine(&columns, &bench.engine, watch)?);
        }
        let archived = bench.archive(&columns, archive, watch)?;
        rates.add("parquet", archived.encoder);
        rates.add("archive", archived.files);
    }
    Ok(line_bytes)
}

/// What takes a broker; gives the most memory that the whole path took, MiB.
fn with_broker(
    runs: u32,
    bench: &Bench,
    mut ground: Ground,
    rates: &mut Rates,
    missing: &mut Vec<String>,
    watch: &mut Watch<'_>,
) -> Result<Option<f64>, BenchError> {
    ground.fill(bench.records, watch)?;
    let words = bench.words(&bench.columns());
    if words.revisions() == 0 {
        missing.push("Publishing: this telemetry gives no alert.".to_owned());
    }
    let mut peaks = Vec::new();
    for turn in 0..runs as usize {
        match ground.fetch(bench.records, watch)? {
            Some(rate) => rates.add("fetch", rate),
            None if turn == 0 => {
                missing.push("The broker's own rate: it takes a connection without TLS and login.".to_owned())
            }
            None => {}
        }
        rates.add("consume", ground.consume(bench.records, watch)?);
        if words.revisions() > 0 {
            let published = bench.tell(&ground, &words, watch)?;
            rates.add("produce", published.produced);
            rates.add("publish", published.told);
        }
        for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
            let whole = bench.whole(&ground, bench.records, (delivery, turn), watch)?;
            match delivery {
                Delivery::ExactlyOnce => {
                    rates.add("exactly-once", whole.rate);
                    peaks.extend(whole.peak_kib.map(|kib| kib as f64 / 1024.0));
                }
                Delivery::AtLeastOnce => rates.add("at-least-once", whole.rate),
            }
        }
    }
    Ok(median(peaks))
}

/// Latencies at a share of what the whole path reads, or at the given rate.
fn latency(
    bench: &Bench,
    rate: Option<u64>,
    (load_percent, capacity): (f64, f64),
    into: &Path,
    watch: &mut Watch<'_>,
) -> Result<Latency, Box<dyn std::error::Error + Send + Sync>> {
    let most = if bench.embedded { MOST_EMBEDDED_PER_S } else { u64::MAX };
    let per_s = rate.unwrap_or((capacity * load_percent / 100.0) as u64).clamp(1, most);
    let mut ground = Ground::open(bench)?;
    let seen = bench.latency(&mut ground, per_s, watch)?;
    for (name, histogram) in
        [("due-to-visible", &seen.due_to_visible_us), ("read-to-visible", &seen.read_to_visible_us)]
    {
        let path = into.join(format!("{name}-{load_percent}-percent.hgrm"));
        write(&path, |file| write_hgrm(histogram, file))?;
    }
    let (due_to_visible, read_to_visible) = seen.percentiles();
    let curve = curve(&seen.due_to_visible_us);
    Ok(Latency {
        load_percent,
        asked_per_s: seen.asked_per_s,
        sent_per_s: seen.sent_per_s,
        due_to_visible,
        read_to_visible,
        curve,
    })
}
