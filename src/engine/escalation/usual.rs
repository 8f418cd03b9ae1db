//! What is usual: how much those who count found in a sector in an hour, and how much more or less by the hour of the day.
//!
//! Rates are gamma–Poisson posteriors whose past fades with `memory_h`. They are of a whole sector, for within it fire
//! moves about. What is learnt while it is thought of as an escalation counts little.

use serde::{Deserialize, Serialize};

/// What is counted of a new rate, when it is thought of as an escalation, of each hour of it.
pub const DOUBTED: f64 = 0.25;
/// Times of day by which rates differ; the hour with least of it has this share of the mean at least.
const DAY_H: usize = 24;
const FLOOR: f64 = 0.2;
/// Incidents that the hours of the day are held to be alike with before anything is known.
const ALIKE: f64 = 20.0;

/// How many there were, and in how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// How many there were, faded.
    pub count: f64,
    /// In so many hours of average size, faded alike.
    hours: f64,
    /// How long it has been learnt, h.
    pub learnt_h: f64,
}

/// What bounds learning.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Length of a bin, h.
    pub bin_h: f64,
    /// After so long the past counts a third, h.
    pub memory_h: f64,
    /// Shortest past that is compared with, h.
    pub least_history_h: f64,
}

impl Terms {
    /// What is left of the past after a bin.
    pub fn fades(self) -> f64 {
        (-self.bin_h / self.memory_h).exp()
    }
}

impl Rate {
    /// How many are usual in an hour of average size.
    pub fn per_hour(&self) -> f64 {
        (self.count + 0.5) / self.hours.max(1.0)
    }

    /// Adds a bin, in which the hour of the day makes `factor` times as many.
    pub fn learn(&mut self, count: f64, factor: f64, is_doubted: bool, terms: Terms) {
        let weight = if is_doubted { DOUBTED } else { 1.0 };
        let fades = (-weight * terms.bin_h / terms.memory_h).exp();
        self.learnt_h += terms.bin_h;
        self.count = self.count * fades + weight * count;
        self.hours = self.hours * fades + weight * factor * terms.bin_h;
    }
}

/// How much more or less happens in each hour of the day than on average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Day {
    found: [f64; DAY_H],
    expected: [f64; DAY_H],
    /// Before anything is usual: what was found in each hour, and for how long it was looked, h.
    first: [(f64, f64); DAY_H],
}

impl Default for Day {
    fn default() -> Day {
        Day { found: [ALIKE; DAY_H], expected: [ALIKE; DAY_H], first: [(0.0, 0.0); DAY_H] }
    }
}

impl Day {
    /// The factor of a time of day in hours, never below the floor: hours are smoothed, half its own and a quarter of each
    /// neighbour's, and joined by straight lines from middle to middle.
    pub fn factor(&self, time_h: f64) -> f64 {
        let own = |hour: usize| self.found[hour % DAY_H] / self.expected[hour % DAY_H];
        let smooth = |hour: usize| 0.25 * own(hour + DAY_H - 1) + 0.5 * own(hour) + 0.25 * own(hour + 1);
        let from_middle = (time_h - 0.5).rem_euclid(DAY_H as f64);
        let (hour, share) = (from_middle.floor() as usize, from_middle.fract());
        ((1.0 - share) * smooth(hour) + share * smooth(hour + 1)).max(FLOOR)
    }

    /// Adds what was found, where so much would have been if all hours were alike.
    pub fn learn(&mut self, time_h: f64, found: f64, expected: f64, terms: Terms) {
        let (hour, fades) = (time_h as usize % DAY_H, terms.fades());
        for sums in [&mut self.found, &mut self.expected] {
            sums.iter_mut().for_each(|sum| *sum = (*sum - ALIKE) * fades + ALIKE);
        }
        self.found[hour] += found;
        self.expected[hour] += expected;
    }

    /// Adds what was found before anything was usual.
    pub fn note(&mut self, time_h: f64, found: f64, bin_h: f64) {
        let first = &mut self.first[time_h as usize % DAY_H];
        *first = (first.0 + found, first.1 + bin_h);
    }

    /// Takes what was noted for the first days: from now on something is usual.
    pub fn begin(&mut self) {
        let sum = self.first.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        for (hour, (found, hours)) in std::mem::take(&mut self.first).into_iter().enumerate() {
            if sum.1 > 0.0 {
                self.found[hour] += found;
                self.expected[hour] += sum.0 / sum.1 * hours;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { bin_h: 1.0 / 12.0, memory_h: 168.0, least_history_h: 24.0 };

    fn taught(hours: u32) -> Rate {
        let mut rate = Rate::default();
        for bin in 0..12 * hours {
            rate.learn(f64::from(u32::from(bin % 6 == 0)), 1.0, false, TERMS);
        }
        rate
    }

    #[test]
    fn what_is_usual_is_what_was_found_and_a_new_rate_is_learnt_slowly_while_it_is_doubted() {
        assert!((taught(100).per_hour() - 2.0).abs() < 0.1);
        let after = |is_doubted: bool| {
            let mut rate = taught(300);
            (0..12 * 24).for_each(|bin| rate.learn(f64::from(bin % 2), 1.0, is_doubted, TERMS));
            rate.per_hour()
        };
        assert!(after(false) > 2.5 && after(true) < 2.3, "{} {}", after(false), after(true));
    }

    #[test]
    fn hours_of_the_day_differ_once_that_is_known_and_none_is_empty() {
        let mut day = Day::default();
        assert_eq!(day.factor(3.3), 1.0);
        for _ in 0..20 {
            (0..24).for_each(|hour| {
                day.learn(f64::from(hour), if hour < 12 { 0.0 } else { 200.0 }, 100.0, TERMS);
            });
        }
        assert_eq!(day.factor(5.0), FLOOR);
        assert!((day.factor(17.0) - 2.0).abs() < 0.1, "{}", day.factor(17.0));
    }

    #[test]
    fn the_first_day_tells_of_the_hours_when_it_is_over() {
        let mut day = Day::default();
        let swings = |time_h: f64| 1.0 + 0.6 * (time_h / 24.0 * std::f64::consts::TAU).sin();
        for bin in 0..288 {
            let time_h = (f64::from(bin) + 0.5) / 12.0;
            day.note(time_h, 150.0 * swings(time_h), 1.0 / 12.0);
        }
        assert_eq!(day.factor(6.0), 1.0);
        day.begin();
        for time_h in [0.0, 6.1, 13.7, 18.0, 23.9] {
            assert!((day.factor(time_h) / swings(time_h) - 1.0).abs() < 0.06, "{time_h}: {}", day.factor(time_h));
        }
    }
}
