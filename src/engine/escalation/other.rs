//! Ways of seeing that do not hear fire: how many incursions, of how many nodes that could have seen them.
//!
//! Where and how far they see is not known as it is of microphones, so a sector is compared as a whole, and as long as
//! about as many nodes of that kind are up as used to be. What comes anew begins anew.

use super::detector::{Detector, tail_p};
use super::usual::Unrest;
use crate::model::escalation::Modality;
use crate::model::kind::Kind;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The ways of seeing besides fire.
pub const OTHERS: [Modality; 5] =
    [Modality::Air, Modality::Sea, Modality::Movement, Modality::Jamming, Modality::Silence];

/// Fewest of an hour that agree with anything.
const FEWEST: u32 = 2;
/// More nodes than so many times the usual number are another network.
const MORE: f64 = 1.25;
const FEWER: f64 = 0.5;

/// The kind of node that sees it.
pub const fn seen_by(modality: Modality) -> Kind {
    match modality {
        Modality::Fire => Kind::Acoustic,
        Modality::Air | Modality::Sea | Modality::Movement => Kind::Track,
        Modality::Jamming => Kind::Interference,
        Modality::Silence => Kind::Status,
    }
}

/// One of them in one sector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Other {
    /// How many there were, faded, and in how many hours.
    past: f64,
    past_h: f64,
    learnt_h: f64,
    /// How many nodes could see it on average.
    nodes: f64,
    /// The bins of the last hour.
    hour: VecDeque<u32>,
    unrest: Unrest,
    detector: Detector,
    is_compared: bool,
}

/// What bounds it.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Length of a bin, h.
    pub bin_h: f64,
    /// After so long the past counts a third, h.
    pub memory_h: f64,
    /// Shortest past that is compared with, h.
    pub least_history_h: f64,
    /// Where its evidence ends.
    pub cap: f64,
}

impl Other {
    /// Takes in a bin: how many there were, and how many nodes could have seen them. `is_doubted`: what is seen is thought
    /// of as an escalation, and not learnt from.
    pub fn step(&mut self, from_ns: i64, count: u32, nodes: usize, is_doubted: bool, terms: Terms) {
        let bins_an_hour = (1.0 / terms.bin_h).round().max(1.0) as usize;
        self.hour.push_back(count);
        self.hour.drain(..self.hour.len().saturating_sub(bins_an_hour));
        let nodes = nodes as f64;
        if nodes > MORE * self.nodes + 0.5 {
            *self = Other { nodes, hour: std::mem::take(&mut self.hour), ..Other::default() };
        }
        let is_heard = nodes >= FEWER * self.nodes;
        self.is_compared = is_heard && self.learnt_h >= terms.least_history_h;
        let expected = (self.past + 0.5) / self.past_h.max(1.0) * terms.bin_h;
        if self.is_compared {
            self.detector.step(self.unrest.step(from_ns, f64::from(count), expected, self.past), terms.cap);
        }
        if !is_heard || is_doubted {
            return;
        }
        if self.is_compared {
            self.unrest.learn(f64::from(count), expected, terms.bin_h, terms.memory_h);
        }
        let fades = (-terms.bin_h / terms.memory_h).exp();
        self.past = self.past * fades + f64::from(count);
        self.past_h = self.past_h * fades + terms.bin_h;
        self.learnt_h += terms.bin_h;
        self.nodes += (nodes - self.nodes) * (1.0 - fades);
    }

    /// The evidence for more of it than usual.
    pub fn evidence(&self) -> f64 {
        self.detector.evidence()
    }

    /// Since when there is more, nanoseconds.
    pub fn since_ns(&self) -> Option<i64> {
        self.detector.since().map(|since| since.from_ns)
    }

    /// How many there were in the last hour, and how often as many come by chance.
    pub fn hour(&self) -> (u32, f64) {
        let count: u32 = self.hour.iter().sum();
        // Variance beyond a Poisson stream's is taken off both counts, as if so many came together.
        let together = self.unrest.dispersion();
        let units = (f64::from(count) / together).floor() as u32;
        let chance = if self.is_compared { tail_p(units, self.past / together, self.past_h) } else { 1.0 };
        (count, if count < FEWEST { 1.0 } else { chance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { bin_h: 1.0 / 12.0, memory_h: 168.0, least_history_h: 24.0, cap: 1e9 };

    /// One in an hour for so many hours, then so many in each bin of an hour.
    fn seen(hours: i64, then: u32, nodes: usize) -> Other {
        let mut other = Other::default();
        for bin in 0..12 * hours {
            other.step(bin, u32::from(bin % 12 == 0), 4, false, TERMS);
        }
        (0..12).for_each(|bin| other.step(12 * hours + bin, then, nodes, false, TERMS));
        other
    }

    #[test]
    fn more_than_usual_agrees_and_more_by_more_nodes_does_not() {
        assert!(seen(72, 1, 4).hour().1 < 1e-3);
        assert_eq!(seen(72, 1, 6).hour().1, 1.0);
        assert_eq!(seen(12, 1, 4).hour().1, 1.0, "nothing is known yet");
        assert!(seen(72, 0, 4).hour().1 == 1.0);
        assert!(seen(72, 3, 4).evidence() > 1e6);
        assert!(seen(72, 3, 6).evidence() < 10.0);
    }
}
