//! How cost and memory grow with what there is: nodes that send, alerts that may still change.
//!
//! The engine alone, on one thread, on columns that are decoded beforehand. A point is to be measured by a process of its own: what
//! one point has had in use would else be the next one's.

use super::usage::resident_kib;
use super::{BenchError, HEARTBEAT_S};
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::engine::{Engine, Output};
use crate::model::node::Registry;
use crate::model::time::{NS_PER_S, Timestamp};
use crate::simulate::DEFAULT_START_NS;
use crate::simulate::load::{Load, Mix};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::time::Instant;

/// Observations that go through the engine at a time, as in a live run.
const BATCH: usize = 1_024;
/// Partitions that they come from.
const PARTITIONS: i32 = 6;
/// Observations that are timed, at least; and how many of each node.
const LEAST: usize = 300_000;
const A_NODE: usize = 3;
/// Nodes while alerts are counted.
const NODES: usize = 14_000;
/// Alerts are so far apart, nanoseconds of event time: 50,000 within 50 minutes.
const APART_NS: i64 = 60_000_000;

/// What there is more and more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Nodes that send.
    Nodes,
    /// Alerts that may still change.
    Alerts,
}

impl Of {
    /// All there are.
    pub const ALL: [Of; 2] = [Of::Nodes, Of::Alerts];

    /// By which it is named.
    pub fn as_str(self) -> &'static str {
        match self {
            Of::Nodes => "nodes",
            Of::Alerts => "alerts",
        }
    }
}

/// What was measured of so many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// Of what.
    pub of: Of,
    /// How many there are.
    pub count: usize,
    /// Observations that were timed.
    pub observations: usize,
    /// Time on one thread, nanoseconds an observation.
    pub each_ns: f64,
    /// Memory that came into use with them, KiB; `None` where the system does not tell.
    pub grown_kib: Option<u64>,
}

/// The engine with what feeds it.
struct Feed {
    registry: Registry,
    engine: Engine,
    decoder: Decoder,
    lines: Lines,
    output: Output,
    line: Vec<u8>,
    offset: i64,
    taken_s: f64,
}

impl Feed {
    fn new(load: &Load, settings: &Settings) -> Feed {
        let places = Places::new(load.areas(), Vec::new());
        let mut engine = Engine::new(settings.clone(), String::new(), vec!["t".to_owned()], places);
        (0..PARTITIONS).for_each(|partition| engine.assign((0, partition)));
        Feed {
            registry: Registry::new(load.nodes().to_vec()),
            engine,
            decoder: Decoder::new(DecodeOptions { keep_raw: false }),
            lines: Lines::default(),
            output: Output::default(),
            line: Vec::new(),
            offset: 0,
            taken_s: 0.0,
        }
    }

    /// Takes in what `write` makes, so many lines; gives how many revisions were said.
    fn take(&mut self, count: usize, write: &mut dyn FnMut(&mut Vec<u8>) -> usize) -> usize {
        let mut said = 0;
        for number in 1..=count {
            self.line.clear();
            let partition = write(&mut self.line) as i32 % PARTITIONS;
            let at = RecordAt { topic: 0, partition, offset: self.offset };
            self.offset += 1;
            self.decoder.record(&self.line, at, &mut self.registry, &mut self.lines);
            if self.lines.observations.len() >= BATCH || number == count {
                let started = Instant::now();
                self.engine.ingest(&self.lines.observations, &self.registry, &mut self.output);
                self.taken_s += started.elapsed().as_secs_f64();
                said += self.output.said.len();
                self.output.clear();
                self.lines.clear();
            }
        }
        said
    }
}

/// Measures one point in this process.
///
/// # Errors
/// Fewer alerts came to be than asked for: the engine keeps no more ([`crate::engine::book::MAX_OPEN_ALERTS`]).
pub fn measure(of: Of, count: usize, settings: &Settings) -> Result<Point, BenchError> {
    let nodes = if of == Of::Nodes { count } else { NODES };
    let a_s = nodes as f64 / HEARTBEAT_S / Mix::Quiet.heartbeat_share();
    let mut load = Load::new(Mix::Quiet, 7, nodes, DEFAULT_START_NS, a_s);
    let before_kib = resident_kib();
    let mut feed = Feed::new(&load, settings);
    if of == Of::Alerts {
        let said = feed.take(count, &mut restriction());
        if said < count {
            return Err(BenchError::TooFewAlerts { asked: count, came: said });
        }
    }
    // Everybody has been heard before anything is timed.
    let warm_up = nodes * 2;
    feed.take(warm_up, &mut |line| load.line(line));
    feed.taken_s = 0.0;
    let observations = LEAST.max(A_NODE * nodes);
    feed.take(observations, &mut |line| load.line(line));
    let grown_kib = resident_kib().zip(before_kib).map(|(after, before)| after.saturating_sub(before));
    Ok(Point { of, count, observations, each_ns: 1e9 * feed.taken_s / observations as f64, grown_kib })
}

/// Patrols that are denied passage, one after the other, up to when the load begins.
fn restriction() -> impl FnMut(&mut Vec<u8>) -> usize {
    let mut number: i64 = 0;
    move |line| {
        let time = Timestamp(DEFAULT_START_NS - 3_600 * NS_PER_S + number * APART_NS);
        // Writing to memory cannot fail.
        let _ = write!(
            line,
            r#"{{"id":"d{number}","node":"patrol-{}","kind":"patrol","time":"{time}","activity":"denied","lon":31.5,"lat":46.9}}"#,
            number % 100
        );
        number += 1;
        (number % i64::from(PARTITIONS)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::checkpoint::Piece;

    #[test]
    fn a_point_is_measured_with_as_many_as_there_are_to_be() {
        let settings = Settings::default();
        let nodes = measure(Of::Nodes, 1_000, &settings).unwrap();
        assert_eq!((nodes.of, nodes.count, nodes.observations), (Of::Nodes, 1_000, LEAST));
        // How much memory came with it can't be told here, where other tests give some back meanwhile.
        assert!(nodes.each_ns > 0.0, "{nodes:?}");
        let alerts = measure(Of::Alerts, 500, &settings).unwrap();
        assert!(alerts.each_ns > 0.0, "{alerts:?}");
    }

    /// Nothing but figures: what it takes to write an engine of 14,000 nodes down and to take it up, after as much event time as
    /// its memory reaches back.
    #[test]
    #[ignore = "measures for a minute, and asserts little"]
    fn what_a_checkpoint_weighs_and_takes() {
        for (mix, hours) in [(Mix::Quiet, 1.2), (Mix::Barrage, 0.03)] {
            let a_s = NODES as f64 / HEARTBEAT_S / mix.heartbeat_share();
            let mut load = Load::new(mix, 7, NODES, DEFAULT_START_NS, a_s);
            let mut feed = Feed::new(&load, &Settings::default());
            let lines = (hours * 3_600.0 * a_s) as usize;
            feed.take(lines, &mut |line| load.line(line));
            let ms = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
            let started = Instant::now();
            let written = feed.engine.checkpoint(Vec::new()).unwrap();
            let (first_ms, started) = (ms(started), Instant::now());
            let bytes = written.finish().unwrap();
            let (rest_ms, mut room) = (ms(started), vec![1; bytes.len()]);
            room.clear();
            let started = Instant::now();
            let again = feed.engine.checkpoint(room).unwrap();
            let (down_ms, started) = (ms(started), Instant::now());
            let mut other = Feed::new(&load, &Settings::default()).engine;
            other.take_up(&bytes).unwrap();
            let up_ms = ms(started);
            let packed = zstd::encode_all(&bytes[..], 1).unwrap().len();
            println!(
                "{mix:?}: {lines} lines, {} arrivals, {} ids, {} held; {} bytes ({packed} packed), down {down_ms:.0} ms \
                 ({first_ms:.0} with memory that has to grow) and {rest_ms:.0} beside the engine, up {up_ms:.0} ms",
                feed.engine.arrivals_held(),
                feed.engine.ids_held(),
                feed.engine.lines_held(),
                bytes.len(),
            );
            let piece = |(name, write): (&str, Piece<'_>)| {
                let (started, bytes) = (Instant::now(), write().len());
                format!("{name} {bytes} ({:.0} ms)", ms(started))
            };
            println!("{}", feed.engine.pieces().into_iter().map(piece).collect::<Vec<_>>().join(", "));
            let len = other.checkpoint(Vec::new()).unwrap().finish().unwrap().len();
            assert!(again.finish().unwrap() == bytes && len == bytes.len());
        }
    }
}
