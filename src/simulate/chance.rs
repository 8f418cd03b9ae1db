//! The only source of randomness: ChaCha8, one stream for each thing that is drawn, so that a change in how one
//! is drawn leaves the others as they were.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Exp1, Poisson, StandardNormal};

/// What a stream of chance is for; each draws from a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Purpose {
    Sites = 1,
    Air,
    Schedule,
    Hearing,
    Clutter,
    Heartbeats,
    Post,
    Fusion,
    Movers,
    Story,
    Load,
    Hearsay,
    Ways,
    Fortnight,
    Breaches,
    Heights,
    Network,
    Emitters,
    Jamming,
}

/// A stream of chance.
#[derive(Clone, Debug)]
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of that seed for that purpose.
    pub(super) fn new(seed: u64, purpose: Purpose) -> Chance {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(purpose as u64);
        Chance(rng)
    }

    /// Uniform in [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// Sixty-four random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.random::<u64>()
    }

    /// Uniform in [from, to).
    pub(super) fn range(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.uniform()
    }

    /// Normal with mean 0 and standard deviation 1.
    pub(super) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Log-normal with that median and that standard deviation of the logarithm.
    pub(super) fn log_normal(&mut self, median: f64, sd: f64) -> f64 {
        median * (sd * self.normal()).exp()
    }

    /// Exponential with that mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        let unit: f64 = Exp1.sample(&mut self.0);
        mean * unit
    }

    /// True with probability `p`.
    pub(super) fn yes(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Uniform in 0..n; 0 for n = 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// One of these.
    pub(super) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A Poisson count of that mean; 0 where the mean is not positive.
    pub(super) fn poisson(&mut self, mean: f64) -> usize {
        match Poisson::new(mean) {
            Ok(poisson) => {
                let count: f64 = poisson.sample(&mut self.0);
                count as usize
            }
            Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |seed, purpose| {
            let mut chance = Chance::new(seed, purpose);
            (0..8).map(|_| chance.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, Purpose::Air), draw(7, Purpose::Air));
        assert_ne!(draw(7, Purpose::Air), draw(7, Purpose::Post));
        assert_ne!(draw(7, Purpose::Air), draw(8, Purpose::Air));
    }

    #[test]
    fn draws_have_the_moments_they_claim() {
        let mut chance = Chance::new(1, Purpose::Load);
        let n = 20_000;
        let normal: Vec<f64> = (0..n).map(|_| chance.normal()).collect();
        let mean = normal.iter().sum::<f64>() / n as f64;
        let variance = normal.iter().map(|v| v * v).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let count = (0..n).map(|_| chance.poisson(2.5)).sum::<usize>() as f64 / n as f64;
        assert!((count - 2.5).abs() < 0.05, "{count}");
        assert_eq!(chance.poisson(0.0), 0);
        assert!((0..n).all(|_| chance.below(3) < 3));
    }
}
