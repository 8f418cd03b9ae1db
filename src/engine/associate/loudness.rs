//! How loud rounds are, and how sound grows faint with distance: what an arrival's amplitude says of whether it belongs to an event.

use super::exp::ln;
use serde::{Deserialize, Serialize};

/// How loud arrivals are: ln A = a − b ln (d/d₀) ± σ_p for those of an event, a ~ N(μ, σ_e); the others are N(m, s).
/// Geometric spreading gives b = 1 in the open (Attenborough 2014, Springer Handbook of Acoustics, ch. 4); absorption and
/// the ground make it more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    slope: Mean2,
    path: Mean,
    event: Moments,
    pub(super) free: Moments,
    pub(super) all: Moments,
}

/// The law as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// b.
    pub slope: f64,
    /// μ at d₀.
    pub mean: f64,
    /// σ_p² and σ_e².
    path: f64,
    event: f64,
    /// m.
    free_mean: f64,
    /// ½ / s².
    free_weight: f64,
    /// Once the event's loudness is fitted, and before: ½ / σ² of an arrival's, and ln s/σ.
    fitted: (f64, f64),
    guessed: (f64, f64),
}

/// d₀, m.
const REFERENCE_M: f64 = 3_000.0;
/// Most that one arrival's loudness can speak against it, as ln of a likelihood: spikes and clipped records happen.
const LOUDNESS_FLOOR: f64 = 9.2;
/// Arrivals before loudness is looked at.
const LOUDNESS_FROM: f64 = 20.0;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mean {
    sum: f64,
    weight: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mean2 {
    xx: f64,
    xy: f64,
}

/// Mean and variance of what came in, the old fading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    n: f64,
    mean: f64,
    square: f64,
}

impl Moments {
    pub(super) fn add(&mut self, value: f64, most: f64) {
        if self.n >= most {
            let share = (most - 1.0) / self.n;
            self.n *= share;
            self.square *= share;
        }
        self.n += 1.0;
        let off = value - self.mean;
        self.mean += off / self.n;
        self.square += off * (value - self.mean);
    }

    fn variance(&self, prior: f64, weight: f64) -> f64 {
        (self.square + prior * weight) / (self.n + weight)
    }
}

impl Default for Loudness {
    fn default() -> Loudness {
        // b = 1.25 and σ_p = 0.45, worth twenty arrivals.
        Loudness {
            slope: Mean2 { xx: 6.0, xy: 1.25 * 6.0 },
            path: Mean { sum: 0.45 * 0.45 * 20.0, weight: 20.0 },
            event: Moments::default(),
            free: Moments::default(),
            all: Moments::default(),
        }
    }
}

impl Loudness {
    /// Whether the sums can be divided by.
    pub(super) fn is_sound(&self) -> bool {
        let moments = [&self.event, &self.free, &self.all];
        self.slope.xx > 0.0
            && self.path.weight > 0.0
            && self.path.sum >= 0.0
            && moments.iter().all(|moments| moments.n >= 0.0 && moments.square >= 0.0)
    }

    pub(super) fn law(&self) -> Option<Law> {
        if self.all.n < LOUDNESS_FROM {
            return None;
        }
        let slope = (self.slope.xy / self.slope.xx).clamp(0.8, 2.5);
        let path_sd = (self.path.sum / self.path.weight).sqrt().clamp(0.15, 1.0);
        // Before events are known, they are taken to be as loud as what is heard, at twice the reference distance.
        let guess = self.all.mean + slope * std::f64::consts::LN_2;
        let mean = (guess + self.event.n * self.event.mean) / (1.0 + self.event.n);
        let event_sd = self.event.variance(1.0, 4.0).sqrt().max(0.1);
        let clutter = if self.free.n >= LOUDNESS_FROM { &self.free } else { &self.all };
        let free_sd = clutter.variance(1.0, 5.0).sqrt().max(0.2);
        Some(Law::new((slope, path_sd), (mean, event_sd), (clutter.mean, free_sd)))
    }

    /// From one event: (ln A, ln d/d₀) of each arrival.
    pub(super) fn learn(&mut self, arrivals: &[(f64, f64)]) {
        let n = arrivals.len() as f64;
        if n < 3.0 {
            return;
        }
        let mean = |pick: fn(&(f64, f64)) -> f64| arrivals.iter().map(pick).sum::<f64>() / n;
        let (my, mx) = (mean(|a| a.0), mean(|a| a.1));
        let slope = self.slope.xy / self.slope.xx;
        let fade = 0.998;
        (self.slope.xx, self.slope.xy) = (self.slope.xx * fade, self.slope.xy * fade);
        (self.path.sum, self.path.weight) = (self.path.sum * fade, self.path.weight * fade);
        let spread = (self.path.sum / self.path.weight).sqrt();
        for &(y, x) in arrivals {
            let off = (y - my) + slope * (x - mx);
            // What is far off may not belong to the event.
            if off.abs() < 3.0 * spread {
                self.slope.xx += (x - mx) * (x - mx);
                self.slope.xy -= (x - mx) * (y - my);
                self.path.sum += off * off * n / (n - 1.0);
                self.path.weight += 1.0;
            }
        }
        self.event.add(my + slope * mx, 400.0);
    }
}

impl Law {
    /// The law with b and σ_p, μ and σ_e, m and s. What an arrival's worth takes of them is worked out here, once.
    fn new((slope, path_sd): (f64, f64), (mean, event_sd): (f64, f64), (free_mean, free_sd): (f64, f64)) -> Law {
        let (path, event) = (path_sd * path_sd, event_sd * event_sd);
        let against = |variance: f64| (0.5 / variance, free_sd.ln() - 0.5 * variance.ln());
        Law {
            slope,
            mean,
            path,
            event,
            free_mean,
            free_weight: 0.5 / (free_sd * free_sd),
            fitted: against(path),
            guessed: against(path + event),
        }
    }

    /// ln (d/d₀).
    #[inline]
    pub fn ln_distance(distance_m: f64) -> f64 {
        ln(distance_m.max(30.0) * (1.0 / REFERENCE_M))
    }

    /// What the loudness adds to an arrival's worth for an event of loudness `event`; `settled` once that is fitted
    /// to the event's arrivals.
    #[inline]
    pub fn gain(&self, ln_amplitude: f64, ln_distance: f64, event: f64, settled: bool) -> f64 {
        let (weight, ln_ratio) = if settled { self.fitted } else { self.guessed };
        let off = ln_amplitude + self.slope * ln_distance - event;
        let free = ln_amplitude - self.free_mean;
        ln_ratio + self.free_weight * free * free - (weight * off * off).min(LOUDNESS_FLOOR)
    }

    /// The event's loudness by its arrivals' sum of ln A + b ln (d/d₀) and their number, and what not knowing it costs.
    pub fn event(&self, sum: f64, n: f64) -> (f64, f64) {
        let (path, event) = (self.path, self.event);
        let precision = 1.0 / event + n / path;
        let loudness = (self.mean / event + sum / path) / precision;
        (loudness, -0.5 * (loudness - self.mean).powi(2) / event - 0.5 * ln(event * precision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln A = 2 − 1.5 ln(d/d₀), and something of a spread.
    fn round(k: usize) -> Vec<(f64, f64)> {
        let off = |j: usize| 0.2 * ((k * 31 + j * 17) as f64).sin();
        (0..8).map(|j| 0.2 + 0.2 * j as f64).enumerate().map(|(j, x)| (2.0 - 1.5 * x + off(j), x)).collect()
    }

    #[test]
    fn how_sound_grows_faint_is_learnt_from_events() {
        let mut loudness = Loudness::default();
        assert_eq!(loudness.law(), None, "nothing was heard");
        for k in 0..200 {
            loudness.all.add((k as f64).sin(), 2_000.0);
            loudness.learn(&round(k));
        }
        let law = loudness.law().expect("enough was heard");
        assert!((law.slope - 1.5).abs() < 0.05, "{law:?}");
        assert!((law.mean - 2.0).abs() < 0.1 && law.path < 0.09, "{law:?}");
    }

    #[test]
    fn an_arrival_as_loud_as_it_should_be_is_worth_more() {
        let law = Law::new((1.3, 0.4), (1.0, 0.5), (0.0, 1.0));
        let gain = |ln_amplitude: f64| law.gain(ln_amplitude, 0.5, 1.0, true);
        let due = 1.0 - 1.3 * 0.5;
        assert!(gain(due) > gain(due + 1.0) && gain(due) > gain(due - 1.0));
        assert!(gain(due + 50.0).is_finite());
        let (loudness, cost) = law.event(8.0 * 1.4, 8.0);
        assert!((1.0..1.4).contains(&loudness) && cost < 0.0, "between what is expected and what was heard");
    }
}
