//! How well and how fast arrivals become events, in process: no broker, no file.
//!
//! Telemetry is simulated and decoded beforehand. What is timed is the engine alone, from decoded columns to composed
//! alerts, on one thread, in that thread's processor time; decoding and scoring are outside. A first word's wait is the wall
//! time of the engine's call with the record that brought it about, records being handed in one by one.

pub mod ablation;
#[cfg(test)]
mod anything;
pub mod measure;
pub mod regime;
#[cfg(test)]
mod restarted;
#[cfg(test)]
mod shared_out;
pub mod stream;
#[cfg(test)]
mod taken_up;
pub mod target;
#[cfg(test)]
mod whatever_comes;

pub use ablation::{Ablated, Scene, Taken, ablated};
pub use measure::{Measured, Quality, Speed};
pub use regime::{Ground, Regime};
pub use stream::Stream;
pub use target::{Target, targets};

use crate::engine::settings::Settings;
use serde::Serialize;

/// A way to do the same: rates are measured for each.
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// What it changes about the settings.
    pub apply: fn(&mut Settings),
}

/// The ways that the engine offers; the first leaves the settings as they are.
pub const VARIANTS: &[Variant] = &[Variant { name: "arrivals/s", apply: |_| {} }];

/// Rates at which a saturation curve is taken, events a second.
pub const CURVE_PER_S: [f64; 12] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0];

/// A row: a regime, one seed of it or (`None`) the mean of several.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The regime.
    pub regime: Regime,
    /// Which scene.
    pub seed: Option<u64>,
    /// What came of it.
    pub measured: Measured,
}

/// Measures a regime on the scenes of these seeds; `each` is told every one as it is done. `None` without seeds.
pub fn regime(
    regime: Regime,
    seeds: &[u64],
    settings: &Settings,
    with_quality: bool,
    each: &mut dyn FnMut(&Row),
) -> Option<Row> {
    let mut all = Vec::with_capacity(seeds.len());
    for &seed in seeds {
        let stream = Stream::decode(regime.scene(seed));
        let row = Row { regime, seed: Some(seed), measured: Measured::of(&stream, settings, with_quality) };
        each(&row);
        all.push(row.measured);
    }
    Some(Row { regime, seed: None, measured: Measured::mean(&all)? })
}

/// A point of the saturation curve: mean over the seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Where the events are.
    pub ground: Ground,
    /// Events a second.
    pub per_s: f64,
    /// Share of the alerts that are right, by evidence.
    pub precision: f64,
    /// Share of the events that were found, by evidence.
    pub recall: f64,
    /// Of the two.
    pub f1: f64,
    /// F1 by place and time alone.
    pub place_f1: f64,
    /// Arrivals a second of processor time.
    pub arrivals_per_s: f64,
}

/// One point of the curve, each seed with so many events. `None` without seeds.
pub fn saturation(ground: Ground, per_s: f64, events: usize, seeds: &[u64], settings: &Settings) -> Option<Point> {
    let (mut precision, mut recall, mut f1, mut place_f1) = (0.0, 0.0, 0.0, 0.0);
    let (mut arrivals, mut cpu_s) = (0, 0.0);
    for &seed in seeds {
        let stream = Stream::decode(ground.scene(per_s, events, seed));
        let pass = stream.pass(settings);
        let quality = Quality::of(&pass.alerts, &stream);
        precision += quality.precision;
        recall += quality.recall;
        f1 += quality.f1;
        place_f1 += quality.place_f1;
        arrivals += stream.arrivals;
        cpu_s += pass.cpu.as_secs_f64();
    }
    let n = seeds.len() as f64;
    (n > 0.0).then(|| Point {
        ground,
        per_s,
        precision: precision / n,
        recall: recall / n,
        f1: f1 / n,
        place_f1: place_f1 / n,
        arrivals_per_s: arrivals as f64 / f64::max(cpu_s, 1e-9),
    })
}
