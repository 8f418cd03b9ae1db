//! Evidence, gathered bin after bin, that more happens than usual: an e-detector.
//!
//! Counts are taken as negative binomial with variance φ times the mean, which is what bursts make of a Poisson stream:
//! a compound Poisson process whose bursts are logarithmic, and closed under adding bins. With r = mean / (φ − 1) the
//! likelihood ratio of `ratio` times the usual mean against `least` times it is
//!
//! e = Γ(n+r₁) Γ(r₀) / (Γ(r₁) Γ(n+r₀)) · φ^(r₀−r₁)
//!
//! It grows with n, so that its mean is 1 at most for any mean up to `least` times the usual one: an e-value against
//! "no more than that". M ← (M + 1) e adds up its products from every bin on (Shiryaev 1963, Roberts 1966), and is an
//! e-detector: by M − t being a supermartingale, the mean time to a false alarm at M ≥ c is c bins at least, whenever one
//! stops (Shin, Ramdas and Rinaldo 2023, "E-detectors", New England J. Stat. Data Sci. 2(2), prop. 2.4). So is the mean
//! of several with different ratios, which spares guessing by how much more it will be.

use serde::{Deserialize, Serialize};

/// How many times the least that is more than usual: from half as much again to four times.
const RATIOS: [f64; 3] = [1.6, 2.4, 4.0];
/// Of these, the one by which it is told when it began.
const TELLING: usize = 1;
/// Most that one bin may say, nats: beyond, the sums are all the same.
const MOST_NATS: f64 = 30.0;
/// Smallest mean that is reckoned with.
const LEAST_MEAN: f64 = 1e-6;

/// What a bin held and what is usual.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// When the bin begins, nanoseconds.
    pub from_ns: i64,
    /// How many there were.
    pub count: f64,
    /// How many are usual.
    pub expected: f64,
    /// Variance over mean, above 1.
    pub dispersion: f64,
    /// Up to so many times as many as usual are no more than usual.
    pub least: f64,
}

/// Since when there is more, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Since {
    /// When, nanoseconds.
    pub from_ns: i64,
    /// How many bins that is.
    pub bins: u32,
    /// How many there were.
    pub count: f64,
    /// How many are usual.
    pub expected: f64,
}

/// The sums for each ratio, and where the one that tells began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    sums: [f64; RATIOS.len()],
    /// The best case for more than usual from some bin on, nats; never below 0 (Page 1954).
    best: f64,
    since: Since,
}

impl Detector {
    /// Takes in a bin. Sums go no higher than `cap`, so that they come down again when it is over.
    pub fn step(&mut self, step: Step, cap: f64) {
        for (at, (sum, ratio)) in self.sums.iter_mut().zip(RATIOS).enumerate() {
            let nats = ln_ratio(step, ratio).clamp(-MOST_NATS, MOST_NATS);
            *sum = ((*sum + 1.0) * nats.exp()).min(cap);
            if at != TELLING {
                continue;
            }
            if self.best <= 0.0 {
                self.since = Since { from_ns: step.from_ns, ..Since::default() };
            }
            self.best = (self.best + nats).clamp(0.0, cap.ln().max(1.0));
            self.since.bins += 1;
            self.since.count += step.count;
            self.since.expected += step.expected;
        }
    }

    /// The evidence: the mean of the sums.
    pub fn evidence(&self) -> f64 {
        self.sums.iter().sum::<f64>() / RATIOS.len() as f64
    }

    /// Since when there is more than usual, if there is.
    pub fn since(&self) -> Option<Since> {
        (self.best > 0.0).then_some(self.since)
    }
}

/// ln of the likelihood ratio of `ratio` times `least` times the usual mean against `least` times it.
fn ln_ratio(step: Step, ratio: f64) -> f64 {
    let excess = (step.dispersion - 1.0).max(1e-3);
    let base = step.least * step.expected.max(LEAST_MEAN) / excess;
    let more = ratio * base;
    rising(more, step.count) - rising(base, step.count) - (more - base) * (1.0 + excess).ln()
}

/// ln (Γ(n+r) / Γ(r)).
fn rising(r: f64, n: f64) -> f64 {
    if n <= 24.0 {
        return (0..n as u32).map(|k| (r + f64::from(k)).ln()).sum();
    }
    ln_gamma(n + r) - ln_gamma(r)
}

/// Stirling's series, shifted to where it is good to 10⁻¹⁰ (Abramowitz and Stegun 6.1.41).
fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut z = x;
    while z < 8.0 {
        shift += z.ln();
        z += 1.0;
    }
    let i = 1.0 / (z * z);
    let series = (1.0 / 12.0 - i * (1.0 / 360.0 - i * (1.0 / 1260.0 - i / 1680.0))) / z;
    (z - 0.5) * z.ln() - z + 0.5 * std::f64::consts::TAU.ln() + series - shift
}

/// The chance of `count` or more where `mean` are expected, by the negative binomial of that dispersion.
pub fn tail_p(count: u32, mean: f64, dispersion: f64) -> f64 {
    let excess = (dispersion - 1.0).max(1e-3);
    let r = mean.max(LEAST_MEAN) / excess;
    let (mut ln_p, mut below) = (-r * (1.0 + excess).ln(), 0.0);
    for n in 0..count {
        below += ln_p.exp();
        ln_p += ((r + f64::from(n)) / f64::from(n + 1) * excess / (1.0 + excess)).ln();
    }
    (1.0 - below).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(count: f64, expected: f64, dispersion: f64) -> Step {
        Step { from_ns: 0, count, expected, dispersion, least: 1.0 }
    }

    /// The chance of each count, by the same negative binomial, from its recursion.
    fn chances(mean: f64, dispersion: f64) -> Vec<f64> {
        let r = mean / (dispersion - 1.0);
        let mut chances = vec![(-r * dispersion.ln()).exp()];
        for n in 0..2000 {
            let n = f64::from(n);
            chances.push(chances.last().unwrap() * (r + n) / (n + 1.0) * (1.0 - 1.0 / dispersion));
        }
        chances
    }

    #[test]
    fn the_gamma_function_is_that_of_the_tables() {
        for (x, due) in
            [(1.0, 0.0), (5.0, 24f64.ln()), (0.5, std::f64::consts::PI.sqrt().ln()), (30.0, 71.257_038_967_168)]
        {
            assert!((ln_gamma(x) - due).abs() < 1e-9, "{x}: {}", ln_gamma(x));
        }
        assert!((rising(3.3, 24.0) + (27.3f64).ln() - rising(3.3, 25.0)).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn what_is_usual_is_an_e_value_of_one_and_less_is_less(
            mean in 0.05f64..20.0, dispersion in 1.05f64..6.0, ratio in 1.2f64..8.0, share in 0.1f64..1.0,
        ) {
            let e = |n: usize| ln_ratio(step(n as f64, mean, dispersion), ratio).exp();
            let at = |truth: f64| -> f64 {
                chances(truth, dispersion).iter().enumerate().filter(|(_, p)| **p > 0.0).map(|(n, p)| p * e(n)).sum()
            };
            prop_assert!((at(mean) - 1.0).abs() < 1e-3, "{}", at(mean));
            prop_assert!(at(share * mean) <= 1.0 + 1e-3);
        }

        #[test]
        fn the_tail_is_one_less_what_lies_below(mean in 0.05f64..20.0, dispersion in 1.05f64..6.0, count in 0u32..40) {
            let above: f64 = chances(mean, dispersion).iter().skip(count as usize).sum();
            prop_assert!((tail_p(count, mean, dispersion) - above).abs() < 1e-6);
        }
    }

    #[test]
    fn three_times_as_many_is_told_soon_and_forgotten_when_it_is_over() {
        let mut detector = Detector::default();
        let mut bin = 0;
        let mut run = |detector: &mut Detector, count: f64, bins: i64| {
            for _ in 0..bins {
                detector.step(Step { from_ns: bin, ..step(count, 3.0, 1.3) }, 1e8);
                bin += 1;
            }
        };
        run(&mut detector, 3.0, 100);
        assert!(detector.evidence() < 100.0, "{}", detector.evidence());
        run(&mut detector, 9.0, 8);
        assert!(detector.evidence() > 1e7, "{}", detector.evidence());
        let since = detector.since().expect("there is more");
        assert!((98..=101).contains(&since.from_ns) && since.count > 2.0 * since.expected, "{since:?}");
        run(&mut detector, 9.0, 500);
        run(&mut detector, 3.0, 100);
        assert!(detector.evidence() < 100.0, "however long it went on: {}", detector.evidence());
    }

    #[test]
    fn the_tail_without_dispersion_is_that_of_the_tables_of_poisson() {
        // P(N ≥ 6 | 2) = 0.0166.
        assert!((tail_p(6, 2.0, 1.0) - 0.0166).abs() < 2e-4);
        assert_eq!(tail_p(0, 2.0, 1.0), 1.0);
    }
}
