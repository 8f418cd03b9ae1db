//! A seeded, physical simulator: what a network of nodes would send of a known course of events.
//!
//! The same scenario, seed and options give the same bytes. Sound takes its time through air that the nodes report
//! on themselves; detection falls with distance; clocks err, nodes die, lines come late, twice and out of order; picks
//! that belong to nothing and echoes mix in. What really happened is the `truth`, which `score` compares alerts with.
//!
//! A round that fewer than four nodes heard, and that no radar placed, is not in the truth: no one could find it.

use crate::model::alert::{Class, Sign};
use crate::model::area::Area;
use crate::model::kind::vocabulary;
use crate::model::node::Node;
use crate::model::notice::Notice;
use crate::model::time::{Timestamp, YEAR_2000_NS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

mod air;
mod breaches;
mod chance;
mod chatter;
mod draft;
mod emitters;
pub mod escalate;
mod files;
mod fire;
pub mod fortnight;
mod fusion;
mod ground;
mod hear;
mod jamming;
mod line;
pub mod load;
mod movers;
mod network;
mod post;
mod scenes;
mod site;
mod story;
mod traffic;
mod world;

pub use files::{SimulateError, area_feature, node_feature, notice_feature, write};

vocabulary! {
    /// What is simulated.
    Scenario {
        Sparse = "sparse", Hour = "hour", Barrage = "barrage", Barrage2 = "barrage2", Barrage4 = "barrage4",
        Fused = "fused", Tracks = "tracks", Theatre = "theatre", Rules = "rules", Demo = "demo", Escalate = "escalate",
    }
}

impl Scenario {
    /// One sentence for people.
    pub const fn about(self) -> &'static str {
        match self {
            Scenario::Sparse => "50 microphones over 40 x 40 km, 500 rounds in 24 hours",
            Scenario::Hour => "50 microphones over 40 x 40 km, 500 rounds in an hour",
            Scenario::Barrage => "500 rounds in ten minutes: six guns, four impact areas",
            Scenario::Barrage2 => "the barrage at twice the rate",
            Scenario::Barrage4 => "the barrage at four times the rate",
            Scenario::Fused => {
                "an hour of 400 rounds with cameras, radars, infrasound, seismometers, patrols, satellites"
            }
            Scenario::Tracks => "two hours of ships, aircraft, drones and vehicles along a coast",
            Scenario::Theatre => "14,000 microphones along 1,200 km, a round a second for five minutes",
            Scenario::Escalate => "eight hours in four sectors, the last with three times the fire in one, and drones",
            Scenario::Rules => "five hours in which each rule besides fire has something to see",
            Scenario::Demo => "twenty minutes that show everything once",
        }
    }
}

/// 2026-03-01T00:00:00Z.
pub const DEFAULT_START_NS: i64 = 1_772_323_200_000_000_000;

/// 2200-01-01T00:00:00Z: a scene starts before that.
const YEAR_2200_NS: i64 = 7_258_118_400_000_000_000;

/// What can be turned.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// When the scene starts, nanoseconds since 1970.
    pub start_ns: i64,
    /// How long things happen, seconds; `None`: as long as the scenario says. The rate stays. `demo` has its own
    /// length.
    pub duration_s: Option<f64>,
    /// How many times as many events as the scenario says.
    pub rate: f64,
    /// How large the errors of times and bearings are: 1 as they should be, 0 none.
    pub noise: f64,
    /// Clutter picks for each true arrival; echoes are not among them.
    pub clutter_share: f64,
    /// Clutter picks of a microphone in an hour; `None`: by `clutter_share`. `demo` has its own.
    pub clutter_per_hour: Option<f64>,
    /// Echoes for each true arrival.
    pub echo_share: f64,
    /// Share of lines that come twice.
    pub duplicate_share: f64,
    /// Share of sensors' lines that come one to thirty minutes late. At least 0.002 in `fused`.
    pub very_late_share: f64,
    /// Whether nodes die and drop out.
    pub failures: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            start_ns: DEFAULT_START_NS,
            duration_s: None,
            rate: 1.0,
            noise: 1.0,
            clutter_share: 0.5,
            clutter_per_hour: None,
            echo_share: 0.06,
            duplicate_share: 0.01,
            very_late_share: 0.0,
            failures: true,
        }
    }
}

/// A line on its way to the consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it arrives, nanoseconds.
    pub deliver_ns: i64,
    /// The topic it belongs on.
    pub topic: &'static str,
    /// The record's key: the node.
    pub key: String,
    /// One JSON object, no line end.
    pub line: String,
}

/// A line of the story that a scene tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// From when it holds, nanoseconds.
    pub time_ns: i64,
    /// One sentence.
    pub text: &'static str,
}

/// Something that happened: a line of `truth.ndjson`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Its id.
    pub event: String,
    /// What.
    pub class: Class,
    /// What tells of it, where the class does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// When, at its place.
    pub time: Timestamp,
    /// Where, degrees.
    pub lon: f64,
    /// Where, degrees.
    pub lat: f64,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
    /// Ids of the observations that are evidence for it, unique in the stream.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// An area prohibits it and no notice covers it.
    #[serde(default)]
    pub violation: bool,
    /// The areas whose prohibition it breaches.
    #[serde(default)]
    pub areas: Vec<String>,
    /// Of fire: the protected sites that it was near to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
    /// Of fire: the lines of contact between where it left and where it landed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crosses: Vec<String>,
    /// Of what lasts: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Of what lasts: until when; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Of fire: the Cramér–Rao bound on its place, root of the trace, metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_m: Option<f64>,
}

fn one() -> u32 {
    1
}

/// All there is to a simulated scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// The registry.
    pub nodes: Vec<Node>,
    /// The map.
    pub areas: Vec<Area>,
    /// Announced activities.
    pub notices: Vec<Notice>,
    /// What really happened and can be found, in order of time.
    pub truth: Vec<Truth>,
    /// What the consumer sees, in order of delivery.
    pub deliveries: Vec<Delivery>,
    /// What is going on, in order of time; empty but in `demo`.
    pub chapters: Vec<Chapter>,
    /// Where the scene ends, nanoseconds: another one with this start goes on from there.
    pub end_ns: i64,
}

/// Makes the scene. The same scenario, seed and options make the same.
pub fn simulate(scenario: Scenario, seed: u64, options: &Options) -> Simulation {
    scenes::make(scenario, seed, options)
}

/// Makes the scene and writes its files into `out`.
///
/// # Errors
/// When an option is out of its range, the directory cannot be made or a file cannot be written.
pub fn run(scenario: Scenario, seed: u64, options: &Options, out: &Path) -> Result<Simulation, SimulateError> {
    options.check()?;
    let simulation = simulate(scenario, seed, options);
    write(&simulation, out)?;
    Ok(simulation)
}

impl Options {
    /// Whether every option is in its range; the first that is not makes the error.
    ///
    /// # Errors
    /// [`SimulateError::Option`] or [`SimulateError::Start`] names the option, what it held and what was expected.
    pub fn check(&self) -> Result<(), SimulateError> {
        let shares = [
            ("clutter_share", self.clutter_share, 10.0),
            ("clutter_per_hour", self.clutter_per_hour.unwrap_or(0.0), 100_000.0),
            ("echo_share", self.echo_share, 1.0),
            ("duplicate_share", self.duplicate_share, 1.0),
            ("very_late_share", self.very_late_share, 1.0),
            ("noise", self.noise, 10.0),
            ("rate", self.rate, 100.0),
            ("duration_s", self.duration_s.unwrap_or(1.0), 31.0 * 86_400.0),
        ];
        if !(YEAR_2000_NS..YEAR_2200_NS).contains(&self.start_ns) {
            return Err(SimulateError::Start { held: self.start_ns });
        }
        match shares.into_iter().find(|&(_, value, most)| !(0.0..=most).contains(&value)) {
            Some((option, held, most)) => Err(SimulateError::Option { option, held, most }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
