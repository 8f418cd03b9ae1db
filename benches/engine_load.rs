//! The engine alone over the telemetry of a benchmark's load, decoded beforehand: processor time an observation, by rounds.
//! Many nodes and one engine, so that memory is what is waited for, as in a live run. Not timed: decoding, the last word.
//!
//! `cargo bench --bench engine_load -- MIX NODES LINES ROUNDS [fire]`; under callgrind with
//! `--toggle-collect='*Engine*ingest*'`.

use std::hash::{DefaultHasher, Hash, Hasher};
use truceline::bench::memory::Columns;
use truceline::bench::usage::Moment;
use truceline::engine::places::Places;
use truceline::engine::settings::Settings;
use truceline::engine::{Engine, Output};
use truceline::model::observation::Observations;
use truceline::simulate::DEFAULT_START_NS;
use truceline::simulate::load::{Load, Mix};

/// Partitions that they come from.
const PARTITIONS: i32 = 6;
/// A node's heartbeats are so many seconds apart, on average.
const HEARTBEAT_S: f64 = 30.0;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let arg = |at: usize, otherwise: &str| args.get(at).map_or(otherwise.to_owned(), Clone::clone);
    let number = |at: usize, otherwise: &str| arg(at, otherwise).parse::<usize>().expect("a number");
    let mix = Mix::parse(&arg(0, "quiet")).expect("a mix");
    let (nodes, count, rounds) = (number(1, "10000"), number(2, "400000"), number(3, "3"));
    let lines_a_s = nodes as f64 / HEARTBEAT_S / mix.heartbeat_share();
    let mut load = Load::new(mix, 7, nodes, DEFAULT_START_NS, lines_a_s);
    let columns = Columns::decode(&mut load, count, PARTITIONS);
    let observations: usize = columns.batches().iter().map(Observations::len).sum();
    assert_eq!(observations, count, "lines were refused");
    let mut settings = Settings::default();
    settings.fire.on = args.iter().any(|arg| arg == "fire");
    for round in 0..rounds {
        let places = Places::new(load.areas(), Vec::new());
        let mut engine = Engine::new(settings.clone(), String::new(), vec!["telemetry.sensors".to_owned()], places);
        (0..PARTITIONS).for_each(|partition| engine.assign((0, partition)));
        let (mut output, mut said) = (Output::default(), Vec::new());
        let start = Moment::now();
        for batch in columns.batches() {
            engine.ingest(batch, columns.registry(), &mut output);
            said.append(&mut output.said);
            output.clear();
        }
        let rate = start.rate_to(Moment::now(), count as u64);
        let us = 1e6 * rate.cpu_s / count as f64;
        engine.finish(columns.registry(), &mut output);
        said.append(&mut output.said);
        let mut digest = DefaultHasher::new();
        said.iter().for_each(|said| format!("{:?}", said.feature).hash(&mut digest));
        let (revisions, digest) = (said.len(), digest.finish());
        println!("{mix} {nodes} nodes, round {round}: {us:.3} µs an observation, {revisions} revisions {digest:016x}");
    }
}
