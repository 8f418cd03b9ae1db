//! What is usual: how much is found in each cell for each hour in which all of it would be, by the hour of the day; and how
//! unsteady that is.
//!
//! Rates are gamma–Poisson posteriors whose past fades with `memory_h`. A cell leans on its sector's mean as if it had had
//! that for [`LEAN_H`]. The past that a cell is compared with was heard by other nodes than the present, so it counts only
//! as long as it was heard about as well: a cell that is heard much better than it used to be begins anew, and one
//! that is heard much worse is set aside. Between the two what is expected goes by the better of both. So neither more
//! nodes nor fewer make more of what happens than usual.

use super::coverage::Heard;
use super::detector::Step;
use serde::{Deserialize, Serialize};

/// A cell leans on its sector's mean like on so many hours of its own.
const LEAN_H: f64 = 6.0;
/// What is counted of a new rate, when it is thought of as an escalation, of each hour of it.
const DOUBTED: f64 = 0.25;
/// Heard so many times as well as usual, or with so many times as many nodes, a cell begins anew …
const BETTER: f64 = 1.4;
/// … and below so much of it is set aside.
const WORSE: f64 = 0.5;
/// Set aside for so long, a cell begins anew as it is now heard, h.
const SETTLES_H: f64 = 24.0;
/// Less of what happens than this is not worth reckoning with.
const LEAST_SHARE: f64 = 0.05;
/// Times of day by which rates differ; the hour with least of it has this share of the mean at least.
const DAY_H: usize = 24;
const FLOOR: f64 = 0.3;
/// Incidents that the hours of the day are held to be alike with before anything is known.
const ALIKE: f64 = 20.0;

/// The kinds of counts: new incidents, and spots under fire.
pub const MEASURES: usize = 2;

/// The dispersion that is assumed of each.
pub const ASSUMED: [f64; MEASURES] = [DISPERSION, 5.0];

/// The past of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellPast {
    /// How long it has been learnt from, h.
    pub learnt_h: f64,
    /// The same as far as it is not faded, and as what happened then would have been found, h.
    pub exposure_h: f64,
    /// Counts, faded alike.
    pub counts: [f64; MEASURES],
    /// What was heard on average.
    share: f64,
    ears: f64,
    /// How long it has been heard much worse, h.
    worse_h: f64,
}

/// How a cell stands in a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is compared with its past, and adds to it.
    Compared,
    /// Its past is too short to compare with; it adds to it.
    Learning,
    /// Neither.
    Aside,
}

impl CellPast {
    /// Judges a cell by what can be heard in it, and begins it anew where it is heard otherwise than it used to be.
    pub fn judge(&mut self, heard: Heard, bin_h: f64, least_history_h: f64) -> Standing {
        let is_new = self.learnt_h == 0.0;
        let is_better = heard.share > BETTER * self.share + 0.02 || heard.ears > BETTER * self.ears + 0.5;
        let is_worse = heard.share < WORSE * self.share || heard.share < LEAST_SHARE;
        if !is_new && is_worse {
            self.worse_h += bin_h;
            if self.worse_h < SETTLES_H {
                return Standing::Aside;
            }
        }
        if is_new || is_worse || is_better {
            *self = CellPast { share: heard.share, ears: heard.ears, ..CellPast::default() };
            return if heard.share < LEAST_SHARE { Standing::Aside } else { Standing::Learning };
        }
        self.worse_h = 0.0;
        if self.learnt_h < least_history_h { Standing::Learning } else { Standing::Compared }
    }

    /// How many are expected in a bin, where the sector has `mean` in an hour.
    pub fn expected(&self, measure: usize, mean: f64, heard: Heard, bin_h: f64) -> f64 {
        let rate = (self.counts[measure] + LEAN_H * mean) / (self.exposure_h + LEAN_H);
        rate * heard.share.max(self.share) * bin_h
    }

    /// Adds a bin to it, in which the hour of the day makes `hour` times as many.
    pub fn learn(
        &mut self,
        counts: [f64; MEASURES],
        heard: Heard,
        hour: f64,
        bin_h: f64,
        memory_h: f64,
        doubted: bool,
    ) {
        let weight = if doubted { DOUBTED } else { 1.0 };
        let fades = (-weight * bin_h / memory_h).exp();
        self.learnt_h += bin_h;
        self.exposure_h = self.exposure_h * fades + weight * heard.share * hour * bin_h;
        for (sum, count) in self.counts.iter_mut().zip(counts) {
            *sum = *sum * fades + weight * count;
        }
        self.share += (heard.share - self.share) * (1.0 - fades);
        self.ears += (heard.ears - self.ears) * (1.0 - fades);
    }
}

/// How much more or less happens in each hour of the day than on average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Day {
    found: [f64; DAY_H],
    expected: [f64; DAY_H],
}

impl Default for Day {
    fn default() -> Day {
        Day { found: [ALIKE; DAY_H], expected: [ALIKE; DAY_H] }
    }
}

impl Day {
    /// The factor of the hour of the day, never below the floor: half of it is its own, a quarter each neighbour's.
    pub fn factor(&self, hour: usize) -> f64 {
        let own = |hour: usize| self.found[hour % DAY_H] / self.expected[hour % DAY_H];
        (0.25 * own(hour + DAY_H - 1) + 0.5 * own(hour) + 0.25 * own(hour + 1)).max(FLOOR)
    }

    /// Adds what was found, where so much would have been if all hours were alike.
    pub fn learn(&mut self, hour: usize, found: f64, expected: f64, fades: f64) {
        let hour = hour % DAY_H;
        self.found[hour] = (self.found[hour] - ALIKE) * fades + ALIKE + found;
        self.expected[hour] = (self.expected[hour] - ALIKE) * fades + ALIKE + expected;
    }
}

/// How unsteady counts are: the variance over the mean from quarter to quarter of an hour, about the mean of two hours, so that
/// it has nothing of how the rate swings; and how far that swings from one stretch of hours to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unrest {
    quarter: Gathered,
    /// Found and expected in the last quarters.
    quarters: Vec<(f64, f64)>,
    stretch: Gathered,
    /// The dispersion that is assumed.
    assumed: f64,
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
/// Dispersion of what comes one by one, and squared swing, that are assumed, as if seen in as many as
/// these, a quarter of an hour, and in so many stretches.
const DISPERSION: f64 = 1.6;
const ASSUMED_COUNTS: f64 = 24.0;
const SWING2: f64 = 0.02;
const ASSUMED_STRETCHES: f64 = 8.0;
/// Quarters of an hour that are taken together.
const QUARTERS: usize = 8;
const QUARTER_H: f64 = 0.25;
/// Some quarters say no more than so many times what is known.
const MOST_NEWS: f64 = 8.0;
/// Bounds of dispersion.
const LEAST_DISPERSION: f64 = 1.15;
const MOST_DISPERSION: f64 = 60.0;
/// Least that is expected of a stretch for it to tell something.
const LEAST_EXPECTED: f64 = 0.5;
/// Up to so much more than usual is no more, whatever is known.
const SLACK: f64 = 1.1;
/// So many sigmas of swing, and of what is not known of the rate, are no more than usual.
const SIGMAS: f64 = 1.3;

impl Default for Unrest {
    fn default() -> Unrest {
        Unrest::assumed(DISPERSION)
    }
}

impl Unrest {
    /// Where nothing is known but what dispersion is assumed.
    pub fn assumed(dispersion: f64) -> Unrest {
        Unrest {
            quarter: Gathered::default(),
            quarters: Vec::new(),
            stretch: Gathered::default(),
            assumed: dispersion,
            dispersion: (0.0, 0.0),
            swing: (0.0, 0.0),
        }
    }

    /// Variance over mean.
    pub fn dispersion(&self) -> f64 {
        mean(self.dispersion, self.assumed, ASSUMED_COUNTS).clamp(LEAST_DISPERSION, MOST_DISPERSION)
    }

    /// Up to how many times as much as usual is no more than usual, where the rate rests on so many counts.
    pub fn least(&self, counts: f64) -> f64 {
        let unknown = self.dispersion() / (counts + 0.5);
        let swing = mean(self.swing, SWING2, ASSUMED_STRETCHES).max(0.0);
        SLACK * (SIGMAS * (swing + unknown).sqrt()).exp()
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

    fn heard(share: f64) -> Heard {
        Heard { share, ears: 10.0 * share }
    }

    /// A cell that has had two places an hour for that many hours.
    fn taught(hours: u32) -> CellPast {
        let mut past = CellPast::default();
        for bin in 0..12 * hours {
            past.judge(heard(0.8), BIN_H, 24.0);
            let found = f64::from(u32::from(bin % 6 == 0));
            past.learn([found, 4.0 * found], heard(0.8), 1.0, BIN_H, 168.0, false);
        }
        past
    }

    #[test]
    fn what_is_expected_is_what_was_found() {
        let mut past = taught(100);
        assert_eq!(past.judge(heard(0.8), BIN_H, 24.0), Standing::Compared);
        assert!((past.expected(0, 2.5, heard(0.8), 1.0) - 2.0).abs() < 0.1);
        assert!((past.expected(1, 10.0, heard(0.8), 1.0) - 8.0).abs() < 0.4);
    }

    #[test]
    fn heard_much_better_it_begins_anew_and_much_worse_it_is_set_aside() {
        let mut past = taught(100);
        assert_eq!(past.judge(heard(0.3), BIN_H, 24.0), Standing::Aside);
        assert_eq!(past.judge(heard(0.6), BIN_H, 24.0), Standing::Compared);
        let (worse, usual) = (past.expected(0, 2.5, heard(0.6), 1.0), past.expected(0, 2.5, heard(0.8), 1.0));
        assert_eq!(worse, usual, "less is heard, no less is expected");
        assert_eq!(past.judge(Heard { share: 0.8, ears: 16.0 }, BIN_H, 24.0), Standing::Learning);
        assert_eq!(past.learnt_h, 0.0);
        let mut deaf = taught(100);
        let standings: Vec<Standing> = (0..300).map(|_| deaf.judge(heard(0.3), BIN_H, 24.0)).collect();
        assert!(standings[..280].iter().all(|&it| it == Standing::Aside) && standings[299] != Standing::Aside);
    }

    #[test]
    fn a_new_rate_is_learnt_slowly_while_it_is_doubted() {
        let after = |doubted: bool| {
            let mut past = taught(300);
            for bin in 0..12 * 24 {
                let found = f64::from(u32::from(bin % 2 == 0));
                past.learn([found, found], heard(0.8), 1.0, BIN_H, 168.0, doubted);
            }
            past.expected(0, 2.5, heard(0.8), 1.0)
        };
        assert!(after(false) > 2.5 && after(true) < 2.3, "{} {}", after(false), after(true));
    }

    #[test]
    fn hours_of_the_day_differ_once_that_is_known_and_none_is_empty() {
        let mut day = Day::default();
        assert_eq!(day.factor(3), 1.0);
        for _ in 0..20 {
            (0..24).for_each(|hour| day.learn(hour, if hour < 12 { 0.0 } else { 200.0 }, 100.0, 0.99));
        }
        assert_eq!(day.factor(5), FLOOR);
        assert!((day.factor(17) - 2.0).abs() < 0.1, "{}", day.factor(17));
    }

    #[test]
    fn unrest_is_told_from_counts() {
        let mut steady = Unrest::default();
        let mut bursty = Unrest::default();
        let mut swinging = Unrest::default();
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
