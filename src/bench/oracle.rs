//! What could be told at best: by somebody who knows each sector's usual rate at every moment, and hears all.
//!
//! Of Poisson counts with a known mean and a known multiple, the Shiryaev–Roberts sum M ← (M + 1) e of true likelihood ratios
//! is, to within a constant, the quickest of all procedures with so many false alarms (Pollak 1985, Ann. Stat. 13(1)).
//! What the engine reaches can't be better; how far it is off is the price of what it does not know. Of another way of
//! seeing, the test of Neyman and Pearson for as long as is given, by one who knows when the onset was.

use crate::simulate::fortnight::{AIR_PER_HOUR, SECTORS, Terms, Truth};

/// How many false levels a year the oracle may tell, all sectors together.
const FALSE_PER_YEAR: f64 = 1.0;
/// How long the second way of seeing is looked at, s.
const LOOKS_S: f64 = 90.0 * 60.0;
const YEAR_S: f64 = 365.25 * 86_400.0;

/// The sums of all sectors.
#[derive(Debug)]
pub struct Oracle {
    sums: [f64; SECTORS],
    bar: f64,
    times: f64,
    /// So many aircraft within the time take an onset.
    enough_air: usize,
    air: usize,
}

/// The least count that comes by chance with this probability at most, where so many are expected.
fn least(expected: f64, p: f64) -> usize {
    let (mut term, mut above) = ((-expected).exp(), 1.0);
    for count in 0..1000 {
        if above <= p {
            return count;
        }
        above -= term;
        term *= expected / (count + 1) as f64;
    }
    1000
}

impl Oracle {
    /// For fortnights of these terms, where another way of seeing agrees by chance in that share of cases.
    pub fn new(terms: Terms, agree_p: f64) -> Oracle {
        Oracle {
            sums: [0.0; SECTORS],
            bar: YEAR_S / terms.bin_s * SECTORS as f64 / FALSE_PER_YEAR,
            times: terms.times,
            enough_air: least(AIR_PER_HOUR * LOOKS_S / 3600.0, agree_p),
            air: 0,
        }
    }

    /// Adds a bin; gives the sectors in which it tells of an onset, and begins there anew.
    pub fn step(&mut self, truth: &[Truth]) -> Vec<usize> {
        let mut told = Vec::new();
        for (at, (sum, truth)) in self.sums.iter_mut().zip(truth).enumerate() {
            let nats = truth.incidents as f64 * self.times.ln() - (self.times - 1.0) * truth.usual;
            *sum = (*sum + 1.0) * nats.exp();
            if *sum >= self.bar {
                *sum = 0.0;
                told.push(at);
            }
        }
        told
    }

    /// Adds the aircraft of a bin after the onset; whether there are enough by now.
    pub fn agrees(&mut self, air: usize) -> bool {
        self.air += air;
        self.air >= self.enough_air
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::fortnight::Course;

    #[test]
    fn it_tells_soon_of_three_times_as_many_and_not_of_as_many() {
        // P(N ≥ 6 | 3) = 0.084, P(N ≥ 7 | 3) = 0.034.
        assert_eq!((least(3.0, 0.1), least(3.0, 0.05)), (6, 7));
        let terms = Terms { course: Course::Onset, per_hour: 150.0, swing: 0.1, times: 3.0, bin_s: 300.0, days: 14.0 };
        let mut oracle = Oracle::new(terms, 0.1);
        let truth = |incidents: usize| [Truth { usual: 5.0, incidents, air: 0 }; SECTORS];
        assert!((0..1000).all(|_| oracle.step(&truth(5)).is_empty()));
        let bins = (0..).find(|_| !oracle.step(&truth(15)).is_empty()).expect("it is told");
        assert!(bins <= 2, "{bins}");
        assert!(!oracle.agrees(5) && oracle.agrees(1));
    }
}
