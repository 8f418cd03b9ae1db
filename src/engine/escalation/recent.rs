//! How much more or less there was in the last hours than is usual: rates swing from day to day, and a swing that is known
//! is no riddle.
//!
//! It is a factor on what is usual, a gamma–Poisson posterior about 1 whose past fades within [`MEMORY_H`]. Against what is usual
//! a slow rise shows, against this a sudden one, and sooner. Of coverage it knows only hours, so it is forgotten wherever
//! more could be heard now than in these hours: when nodes come back, and while there is a storm anywhere.

use super::unrest::Unrest;
use super::usual::{DOUBTED, Terms};
use serde::{Deserialize, Serialize};

/// After so long the past counts a third, h.
const MEMORY_H: f64 = 8.0;
/// Shortest past that counts, h.
const LEAST_H: f64 = 4.0;
/// So many incidents are held to be as usual before anything is known: with swings of one in six, three days' worth of doubt.
const AS_USUAL: f64 = 30.0;
/// Nodes have come back if so much more of those who count are up, as a share.
const BACK: f64 = 0.06;
/// Up to so much more is no more, whatever is known.
const SLACK: f64 = 1.05;
/// The squared swing from these hours to the next that is assumed.
const SWING2: f64 = 0.008;

/// The last hours of a sector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    found: f64,
    expected: f64,
    hours: f64,
    /// The smallest share of those who count that was up meanwhile.
    least_up: f64,
    /// How unsteady counts are about it.
    pub unrest: Unrest,
}

impl Recent {
    /// Nothing known.
    pub fn assumed(dispersion: f64) -> Recent {
        let unrest = Unrest::assumed(dispersion, SWING2, SLACK);
        Recent { found: 0.0, expected: 0.0, hours: 0.0, least_up: 1.0, unrest }
    }

    /// Goes by which share of those who count is up; `None` while there is a storm anywhere. False if all was forgotten.
    pub fn stands(&mut self, share_up: Option<f64>) -> bool {
        let is_less = share_up.is_some_and(|share_up| share_up <= self.least_up + BACK);
        self.least_up = self.least_up.min(share_up.unwrap_or(0.0));
        if !is_less {
            (self.found, self.expected, self.hours, self.least_up) = (0.0, 0.0, 0.0, share_up.unwrap_or(0.0));
        }
        is_less
    }

    /// How many times as much as usual there was, and on how many incidents that rests; `None` if it is too short.
    pub fn factor(&self) -> Option<(f64, f64)> {
        let factor = (self.found + AS_USUAL) / (self.expected + AS_USUAL);
        (self.hours >= LEAST_H).then_some((factor, self.found + AS_USUAL))
    }

    /// Adds a bin.
    pub fn learn(&mut self, found: f64, expected: f64, is_doubted: bool, terms: Terms) {
        if let Some((factor, _)) = self.factor().filter(|_| !is_doubted) {
            self.unrest.learn(found, factor * expected, terms.bin_h, terms.memory_h);
        }
        let weight = if is_doubted { DOUBTED } else { 1.0 };
        let fades = (-weight * terms.bin_h / MEMORY_H).exp();
        self.found = self.found * fades + weight * found;
        self.expected = self.expected * fades + weight * expected;
        self.hours += terms.bin_h;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { bin_h: 1.0 / 12.0, memory_h: 168.0, least_history_h: 24.0 };

    fn learnt(hours: u32, found: f64) -> Recent {
        let mut recent = Recent::assumed(1.3);
        for _ in 0..12 * hours {
            recent.stands(Some(0.9));
            recent.learn(found, 10.0, false, TERMS);
        }
        recent
    }

    #[test]
    fn it_follows_what_there_was_within_hours() {
        assert_eq!(learnt(3, 7.0).factor(), None);
        let (factor, rests_on) = learnt(24, 7.0).factor().expect("long enough");
        assert!((factor - 0.7).abs() < 0.02 && rests_on > 500.0, "{factor} {rests_on}");
    }

    #[test]
    fn it_is_forgotten_where_more_can_be_heard_than_in_these_hours() {
        let mut recent = learnt(24, 7.0);
        assert!(
            recent.stands(Some(0.95)) && recent.stands(Some(0.6)) && recent.factor().is_some(),
            "fewer, or a few more"
        );
        assert!(!recent.stands(Some(0.7)) && recent.factor().is_none(), "they come back");
        let mut stormy = learnt(24, 7.0);
        assert!(!stormy.stands(None) && stormy.factor().is_none());
    }
}
