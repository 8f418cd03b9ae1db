//! Ways of seeing that do not hear fire: incursions and jamming, as far as those who count saw them.

use super::detector::{Detector, tail_p};
use super::unrest::{SLACK, SWING2, Unrest};
use crate::model::escalation::Modality;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The ways of seeing besides fire.
pub const OTHERS: [Modality; 4] = [Modality::Air, Modality::Sea, Modality::Movement, Modality::Jamming];

/// The dispersion that is assumed.
const ASSUMED: f64 = 1.3;
/// Fewest that agree with anything.
const FEWEST: u32 = 2;
/// It agrees by what there was in the last hour, or since there is more fire, for so long at most, h.
const HOUR: f64 = 1.0;
const LONGEST_H: f64 = 3.0;

/// What a bin held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// How many there were.
    pub count: u32,
    /// How many are usual.
    pub expected: f64,
    /// On how many that rests.
    pub past: f64,
}

/// One of them in one sector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Other {
    /// The last bins, and when each began, nanoseconds.
    recent: VecDeque<(i64, Counted)>,
    unrest: Unrest,
    detector: Detector,
}

impl Default for Other {
    fn default() -> Other {
        Other {
            recent: VecDeque::new(),
            unrest: Unrest::assumed(ASSUMED, SWING2, SLACK),
            detector: Detector::default(),
        }
    }
}

impl Other {
    /// Takes in a bin. `is_doubted`: what is seen is thought of as an escalation, and not learnt from. The evidence ends at
    /// `cap`.
    pub fn step(&mut self, from_ns: i64, bin: Counted, is_doubted: bool, bin_h: f64, memory_h: f64, cap: f64) {
        self.recent.push_back((from_ns, bin));
        self.recent.drain(..self.recent.len().saturating_sub((LONGEST_H / bin_h).ceil() as usize));
        self.detector.step(self.unrest.step(from_ns, f64::from(bin.count), bin.expected, bin.past), cap);
        if !is_doubted {
            self.unrest.learn(f64::from(bin.count), bin.expected, bin_h, memory_h);
        }
    }

    /// The evidence for more of it than usual.
    pub fn evidence(&self) -> f64 {
        self.detector.evidence()
    }

    /// Since when there is more, nanoseconds.
    pub fn since_ns(&self) -> Option<i64> {
        self.detector.since().map(|since| since.from_ns)
    }

    /// How many there were in the last hour or since `from_ns`, whichever comes less often by chance; how long that is, h;
    /// and in which share of such stretches as many come by chance.
    pub fn lately(&self, from_ns: i64, end_ns: i64, bin_h: f64) -> (u32, f64, f64) {
        let hour_ns = end_ns - (HOUR * 3600e9) as i64;
        let oldest_ns = end_ns - (LONGEST_H * 3600e9) as i64;
        let of = |since_ns: i64| {
            let bins = || self.recent.iter().filter(move |(at_ns, _)| *at_ns >= since_ns.max(oldest_ns));
            let count: u32 = bins().map(|(_, bin)| bin.count).sum();
            let expected: f64 = bins().map(|(_, bin)| bin.expected).sum();
            let past = self.recent.back().map_or(0.0, |(_, bin)| bin.past);
            (count, bins().count() as f64 * bin_h, self.chance(count, expected, past))
        };
        let (hour, since) = (of(hour_ns), of(from_ns));
        if since.2 < hour.2 { since } else { hour }
    }

    /// How often so many come by chance, where so many are expected and that rests on so many: what is not known of the mean
    /// adds to the variance.
    fn chance(&self, count: u32, expected: f64, past: f64) -> f64 {
        if count < FEWEST || expected <= 0.0 {
            return 1.0;
        }
        tail_p(count, expected, self.unrest.dispersion() * (1.0 + expected / (past + 0.5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIN_H: f64 = 1.0 / 12.0;
    const BIN_NS: i64 = 300 * 1_000_000_000;

    /// One in an hour for three days, then so many in each bin of an hour and a half; and when that began and ended.
    fn seen(then: &[u32]) -> (Other, i64, i64) {
        let mut other = Other::default();
        let mut step = |bin: i64, count: u32| {
            let counted = Counted { count, expected: BIN_H, past: 72.0 };
            other.step(bin * BIN_NS, counted, false, BIN_H, 168.0, 1e9);
        };
        (0..12 * 72).for_each(|bin| step(bin, u32::from(bin % 12 == 0)));
        (0..).zip(then).for_each(|(bin, &count)| step(12 * 72 + bin, count));
        (other, 12 * 72 * BIN_NS, (12 * 72 + then.len() as i64) * BIN_NS)
    }

    #[test]
    fn more_than_usual_agrees_and_as_much_does_not() {
        let chance = |then: &[u32]| {
            let (other, from_ns, end_ns) = seen(then);
            other.lately(from_ns, end_ns, BIN_H)
        };
        assert!(chance(&[1; 18]).2 < 1e-3);
        assert!(chance(&[0; 18]).2 == 1.0);
        let thrice = [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
        assert_eq!(chance(&thrice).0, 5, "since there is more fire");
        assert!(chance(&thrice).2 < 0.05 && (chance(&thrice).1 - 1.5).abs() < 1e-9, "{:?}", chance(&thrice));
        assert!(seen(&[3; 12]).0.evidence() > 1e6);
    }
}
