//! How long a vessel is silent by habit, and what the chance is that a silence is more than that.
//!
//! Intervals between plots are measured in the vessel's own median. Most are about one; of those beyond [`LONG`] the
//! logarithm falls off exponentially (a Pareto tail, as waits for a message that may be lost have). How many are long, and
//! how the tail falls, is learnt from all vessels of the area, and of each vessel as far as it has shown it: the prior of the one
//! is what the others are like (empirical Bayes). What has to be estimated makes the tail heavier, never lighter.

use serde::{Deserialize, Serialize};

/// Beyond so many medians an interval is a long one: at least one report was lost.
const LONG: f64 = 1.5;
/// Logarithms are summed in millionths, as whole numbers: sums are the same in whatever order.
const MICRO: f64 = 1e6;

/// Intervals, of which so many were long, that an area is taken to have shown before any was seen.
const AREA_INTERVALS: f64 = 10.0;
const AREA_LONG: f64 = 1.0;
/// The exponent of its tail, and how many long intervals that counts as.
const AREA_EXPONENT: f64 = 3.0;
const AREA_WEIGHT: f64 = 6.0;
/// What is known of the area counts as so many intervals of the vessel's own, and as so many long ones: so far do vessels differ.
/// Most likely for the 91 vessels of docs/real-data.md (marginal likelihood of beta and gamma priors).
const OWN_INTERVALS: f64 = 12.0;
const OWN_WEIGHT: f64 = 8.0;

const DAY_S: f64 = 86_400.0;

/// Intervals that were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Habit {
    intervals: u64,
    long: u64,
    /// Sum of the logarithms of how often the long ones were [`LONG`], millionths.
    log_sum: u64,
}

impl Habit {
    /// Takes in an interval, in medians.
    pub(super) fn add(&mut self, medians: f64) {
        self.intervals += 1;
        if medians > LONG {
            self.long += 1;
            self.log_sum += ((medians / LONG).ln() * MICRO) as u64;
        }
    }

    /// Takes in what another vessel has shown.
    pub(super) fn join(&mut self, other: &Habit) {
        self.intervals += other.intervals;
        self.long += other.long;
        self.log_sum += other.log_sum;
    }

    /// The tail of this vessel's intervals in an area whose vessels are like `area`.
    pub(super) fn tail(&self, area: &Habit) -> Tail {
        let of_area = (area.long as f64 + AREA_LONG) / (area.intervals as f64 + AREA_INTERVALS);
        let exponent = (area.long as f64 + AREA_WEIGHT) / (area.log_sum as f64 / MICRO + AREA_WEIGHT / AREA_EXPONENT);
        Tail {
            long: (self.long as f64 + OWN_INTERVALS * of_area) / (self.intervals as f64 + OWN_INTERVALS),
            weight: self.long as f64 + OWN_WEIGHT,
            log_sum: self.log_sum as f64 / MICRO + OWN_WEIGHT / exponent,
        }
    }
}

/// How intervals beyond the usual are spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// The share of long ones.
    long: f64,
    /// Shape and rate of the gamma distribution of the exponent.
    weight: f64,
    log_sum: f64,
}

impl Tail {
    /// The chance that an interval is so many medians long, or longer: a Pareto tail, over all exponents that it may have
    /// (Lomax in the logarithm).
    pub(super) fn beyond(&self, medians: f64) -> f64 {
        let beyond = (medians / LONG).max(1.0).ln();
        self.long * (1.0 + beyond / self.log_sum).powf(-self.weight)
    }

    /// The chance that a silence of so many seconds is no interval of a vessel that reports each `median_s`, if it falls silent by
    /// itself `per_day` times a day.
    pub(super) fn more_than_habit(&self, silent_s: f64, median_s: f64, per_day: f64) -> f64 {
        // Nobody reports more than once in a millisecond.
        let median_s = median_s.max(1e-3);
        let by_itself = (per_day.max(0.0) * median_s / DAY_S).min(1.0);
        let by_habit = self.beyond(silent_s / median_s);
        by_itself / (by_itself + by_habit).max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn habit(medians: &[f64]) -> Habit {
        let mut habit = Habit::default();
        medians.iter().for_each(|&medians| habit.add(medians));
        habit
    }

    #[test]
    fn who_never_misses_a_report_is_believed_sooner_than_who_often_does() {
        let (steady, patchy) = (habit(&[1.0; 500]), habit(&[[1.0; 4], [1.0, 3.0, 1.0, 12.0]].concat().repeat(60)));
        let sure = |own: &Habit, area: &Habit| own.tail(area).more_than_habit(900.0, 20.0, 1.0);
        assert!(sure(&steady, &steady) > 0.99 && sure(&patchy, &patchy) < 0.2);
        let new = habit(&[1.0; 3]);
        assert!(
            sure(&new, &steady) > 0.95 && sure(&new, &patchy) < 0.2,
            "of whom little is known is as the others are"
        );
    }

    #[test]
    fn a_tail_that_is_known_is_found_again() {
        // Quantiles of a Pareto tail with exponent 2 from 1.5 on, in a tenth of all intervals.
        let long = (0..2_000).map(|n| LONG * ((f64::from(n) + 0.5) / 2_000.0).powf(-0.5));
        let all: Vec<f64> = long.chain(std::iter::repeat_n(1.0, 18_000)).collect();
        let tail = habit(&all).tail(&habit(&all));
        for (medians, expected) in [(3.0, 0.025), (15.0, 0.001)] {
            let found = tail.beyond(medians);
            assert!((found / expected - 1.0).abs() < 0.1, "{found} {expected}");
        }
    }

    proptest! {
        #[test]
        fn a_longer_silence_is_never_less_sure(
            own in proptest::collection::vec(0.1f64..100.0, 0..40), area in proptest::collection::vec(0.1f64..100.0, 0..40),
            silent_s in 1.0f64..1e5, more_s in 0.0f64..1e5, median_s in 0.0f64..1e3,
        ) {
            let tail = habit(&own).tail(&habit(&area));
            let (less, more) = (tail.more_than_habit(silent_s, median_s, 1.0), tail.more_than_habit(silent_s + more_s, median_s, 1.0));
            prop_assert!((0.0..=1.0).contains(&less) && less <= more);
        }
    }
}
