//! How unsteady counts are, and so from when on there is more than usual.
//!
//! The variance over the mean is taken from quarter to quarter of an hour about the mean of two hours, so that it has nothing of how the
//! rate swings; how far that swings, from one stretch of six hours to the next.

use super::detector::Step;
use serde::{Deserialize, Serialize};

/// The dispersion of incidents that is assumed.
pub const INCIDENTS: f64 = 1.3;
/// Up to so many times as much as usual is no more, whatever is known.
pub const SLACK: f64 = 1.1;

/// What is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unrest {
    quarter: Gathered,
    /// Found and expected in the last quarters.
    quarters: Vec<(f64, f64)>,
    stretch: Gathered,
    /// The dispersion and the squared swing that are assumed.
    assumed: (f64, f64),
    /// Up to so many times as much as usual is no more, whatever is known.
    slack: f64,
    /// Sums of variances and of means, and of squared swings and how many they are.
    dispersion: (f64, f64),
    swing: (f64, f64),
}

/// What was found and expected since so many bins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Gathered {
    bins: u32,
    found: f64,
    expected: f64,
}

impl Gathered {
    fn add(&mut self, found: f64, expected: f64, whole: u32) -> Option<Gathered> {
        *self = Gathered { bins: self.bins + 1, found: self.found + found, expected: self.expected + expected };
        (self.bins >= whole).then(|| std::mem::take(self))
    }
}

/// Hours of a stretch by which the swing is told.
const STRETCH_H: f64 = 6.0;
/// The squared swing that is assumed; what is assumed counts like so many incidents a quarter of an hour, and so many stretches.
const ASSUMED_COUNTS: f64 = 24.0;
pub const SWING2: f64 = 0.02;
const ASSUMED_STRETCHES: f64 = 8.0;
/// Quarters of an hour that are taken together.
const QUARTERS: usize = 8;
const QUARTER_H: f64 = 0.25;
/// Some quarters say no more than so many times what is known.
const MOST_NEWS: f64 = 8.0;
/// Bounds of dispersion.
const LEAST_DISPERSION: f64 = 1.05;
const MOST_DISPERSION: f64 = 60.0;
/// Least that is expected of a stretch for it to tell something.
const LEAST_EXPECTED: f64 = 0.5;
/// So many sigmas of swing, and of what is not known of the rate, are no more than usual.
const SIGMAS: f64 = 1.3;

impl Unrest {
    /// Where nothing is known but what is assumed: the dispersion, the squared swing, and up to how many times as much as usual
    /// is no more, whatever is known.
    pub fn assumed(dispersion: f64, swing2: f64, slack: f64) -> Unrest {
        Unrest {
            quarter: Gathered::default(),
            quarters: Vec::new(),
            stretch: Gathered::default(),
            assumed: (dispersion, swing2),
            slack,
            dispersion: (0.0, 0.0),
            swing: (0.0, 0.0),
        }
    }

    /// Variance over mean.
    pub fn dispersion(&self) -> f64 {
        mean(self.dispersion, self.assumed.0, ASSUMED_COUNTS).clamp(LEAST_DISPERSION, MOST_DISPERSION)
    }

    /// Up to how many times as much as usual is no more than usual, where the rate rests on so many counts.
    pub fn least(&self, counts: f64) -> f64 {
        let unknown = self.dispersion() / (counts + 0.5);
        let swing = mean(self.swing, self.assumed.1, ASSUMED_STRETCHES).max(0.0);
        self.slack * (SIGMAS * (swing + unknown).sqrt()).exp()
    }

    /// The step for a bin.
    pub fn step(&self, from_ns: i64, count: f64, expected: f64, counts: f64) -> Step {
        Step { from_ns, count, expected, dispersion: self.dispersion(), least: self.least(counts) }
    }

    /// Adds a bin in which nothing was thought of as an escalation.
    pub fn learn(&mut self, found: f64, expected: f64, bin_h: f64, memory_h: f64) {
        let whole = |hours: f64| (hours / bin_h).round().max(1.0) as u32;
        let fades = |hours: f64| (-hours / memory_h).exp();
        if let Some(quarter) = self.quarter.add(found, expected, whole(QUARTER_H)) {
            self.quarters.push((quarter.found, quarter.expected));
        }
        if self.quarters.len() >= QUARTERS {
            let sum = self.quarters.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
            if sum.0 > 0.0 && sum.1 > 0.0 {
                let off = self.quarters.iter().map(|it| (it.0 - it.1 * sum.0 / sum.1).powi(2));
                let (variance, mean) = (off.sum::<f64>() / (QUARTERS - 1) as f64, sum.0 / QUARTERS as f64);
                let fades = fades(QUARTERS as f64 * QUARTER_H);
                let news = variance.min(MOST_NEWS * self.dispersion() * mean);
                self.dispersion = (self.dispersion.0 * fades + news, self.dispersion.1 * fades + mean);
            }
            self.quarters.clear();
        }
        if let Some(stretch) = self.stretch.add(found, expected, whole(STRETCH_H))
            && stretch.expected >= LEAST_EXPECTED
        {
            let by_chance = self.dispersion() / stretch.expected;
            let seen = (stretch.found / stretch.expected - 1.0).powi(2) - by_chance;
            fade(&mut self.swing, seen.min(1.0), fades(STRETCH_H));
        }
    }
}

/// Adds a value to a mean whose past fades: a sum and its weight.
fn fade(mean: &mut (f64, f64), value: f64, fades: f64) {
    *mean = (mean.0 * fades + value, mean.1 * fades + 1.0);
}

/// The mean, with what is assumed as if it had that weight.
fn mean((sum, weight): (f64, f64), assumed: f64, assumed_weight: f64) -> f64 {
    (sum + assumed * assumed_weight) / (weight + assumed_weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIN_H: f64 = 1.0 / 12.0;

    #[test]
    fn unrest_is_told_from_counts() {
        let mut steady = Unrest::assumed(INCIDENTS, SWING2, SLACK);
        let mut bursty = Unrest::assumed(INCIDENTS, SWING2, SLACK);
        let mut swinging = Unrest::assumed(INCIDENTS, SWING2, SLACK);
        for bin in 0..12 * 24 * 14u32 {
            steady.learn(2.0, 2.0, BIN_H, 168.0);
            // As many as in six quarters of an hour, in one of six.
            bursty.learn(if bin / 3 % 6 == 0 { 12.0 } else { 0.0 }, 2.0, BIN_H, 168.0);
            swinging.learn(if bin / 72 % 2 == 0 { 3.0 } else { 1.0 }, 2.0, BIN_H, 168.0);
        }
        assert!(steady.dispersion() < 1.3 && steady.least(1e6) < 1.3, "{} {}", steady.dispersion(), steady.least(1e6));
        assert!(bursty.dispersion() > 15.0, "{}", bursty.dispersion());
        assert!(swinging.least(1e6) > 1.6, "{}", swinging.least(1e6));
        assert!(swinging.dispersion() < 1.5, "that it swings is not that it is bursty: {}", swinging.dispersion());
        assert!(steady.least(4.0) > 1.5 * steady.least(1e6), "what rests on little is believed less");
    }
}
