//! Observations a second of the engine alone, on batches that are decoded already: a quiet hour with a round now and
//! then, a minute of a barrage, plots, heartbeats alone.
//!
//! Each pass is a new engine over the whole batch, so that it includes the first and the last word about everything.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use truceline::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use truceline::engine::places::Places;
use truceline::engine::settings::Settings;
use truceline::engine::{Engine, Output};
use truceline::model::area::Area;
use truceline::model::node::Registry;
use truceline::model::observation::Observations;
use truceline::simulate::load::{Load, Mix};
use truceline::simulate::{DEFAULT_START_NS, Options, Scenario, simulate};

/// Observations through the engine at a time, as in a live run.
const BATCH: usize = 1_024;

/// Telemetry, decoded.
struct Decoded {
    batches: Vec<Observations>,
    registry: Registry,
    areas: Vec<Area>,
}

fn decoded<'a>(lines: impl Iterator<Item = &'a [u8]>, mut registry: Registry, areas: Vec<Area>) -> Decoded {
    let mut decoder = Decoder::new(DecodeOptions { keep_raw: true });
    let (mut batches, mut out) = (Vec::new(), Lines::default());
    for (line, offset) in lines.zip(0..) {
        decoder.record(line, RecordAt { topic: 0, partition: 0, offset }, &mut registry, &mut out);
        if out.observations.len() == BATCH {
            batches.push(std::mem::take(&mut out.observations));
        }
    }
    assert!(out.rejected.is_empty());
    batches.push(out.observations);
    Decoded { batches, registry, areas }
}

/// One hour of a simulated sparse day: 50 microphones, heartbeats, some twenty events.
fn sparse_hour() -> Decoded {
    let options = Options { duration_s: Some(3600.0), ..Options::default() };
    let day = simulate(Scenario::Sparse, 7, &options);
    let lines = day.deliveries.iter().map(|delivery| delivery.line.as_bytes());
    decoded(lines, Registry::new(day.nodes.clone()), day.areas.clone())
}

/// So many lines of a load.
fn load(mix: Mix, nodes: usize, lines_a_s: f64, count: usize, only: Option<&str>) -> Decoded {
    let mut load = Load::new(mix, 7, nodes, DEFAULT_START_NS, lines_a_s);
    let (registry, areas) = (Registry::new(load.nodes().to_vec()), load.areas());
    let mut text = Vec::new();
    load.lines(count, &mut text);
    let kept = |line: &&[u8]| only.is_none_or(|kind| memchr::memmem::find(line, kind.as_bytes()).is_some());
    decoded(text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).filter(kept), registry, areas)
}

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    let inputs = [
        ("sparse hour", sparse_hour()),
        // 400 nodes, a round a second.
        ("barrage minute", load(Mix::Barrage, 400, 20.0, 60 * 20, None)),
        ("tracks", load(Mix::Tracks, 1_000, 500.0, 50_000, Some("\"track\""))),
        ("status only", load(Mix::Quiet, 1_000, 50.0, 100_000, Some("\"status\""))),
    ];
    for (name, input) in &inputs {
        let count: usize = input.batches.iter().map(Observations::len).sum();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(*name, |bench| {
            bench.iter_batched(
                || {
                    let places = Places::new(input.areas.clone(), Vec::new());
                    Engine::new(Settings::default(), String::new(), vec!["telemetry.sensors".to_owned()], places)
                },
                |mut engine| {
                    let mut output = Output::default();
                    for batch in &input.batches {
                        engine.ingest(batch, &input.registry, &mut output);
                        black_box(&output);
                        output.clear();
                    }
                    engine.finish(&input.registry, &mut output);
                    black_box(&output);
                    // Taking it down is no part of the work.
                    engine
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
