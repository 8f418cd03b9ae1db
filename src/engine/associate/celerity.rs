//! How fast infrasound comes: its celerity, distance over travel time, is a range and not a number.
//!
//! It is guided between the ground and a layer high above that bends it back, and which of these ways it takes is not known
//! from one arrival. Travel time over distance is a mixture of a normal for each way (Blom et al. 2015, GJI 203, 1682; after
//! Modrak et al. 2010, GJI 181, 399, and Marcillo et al. 2014, GJI 196, 375). Means and sigmas are those of the general model
//! of InfraPy, fitted to a year of ray tracing. Its shares are of rays and not of what is detected, and hold for no distance in
//! particular. Those here are ours, after where the ways lead:
//!
//! | way | celerity, km/s | from where |
//! |---|---|---|
//! | tropospheric | 0.327 (0.31–0.34) | everywhere; ducts that low seldom reach beyond 200 km |
//! | stratospheric | 0.293 (0.28–0.31) | some 200 km, where the first rays come down again; weakly before, in the "zone of silence" (Negraru et al. 2010, SRL 81, 614) |
//! | thermospheric | 0.26 (0.22–0.32) | some 200 km, and few of them: most of what was made out of 296 known explosions is stratospheric (Nippress and Green 2023, GJI 234, 1912) |

use super::exp::{exp, ln};
use super::worth::{GATE, robust};

/// A way that infrasound takes.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Travel time over distance, s/m.
    slowness_s_m: f64,
    /// One sigma of that.
    sd_s_m: f64,
    /// Its share of arrivals at each of [`KNOTS_M`], straight between them, the last one beyond.
    shares: [f64; KNOTS],
}

const KNOTS: usize = 4;

/// Distances, m.
const KNOTS_M: [f64; KNOTS] = [0.0, 100_000.0, 200_000.0, 300_000.0];

const WAYS: [Way; 3] = [
    Way { slowness_s_m: 1.0 / 327.0, sd_s_m: 0.066e-3, shares: [0.97, 0.90, 0.50, 0.20] },
    Way { slowness_s_m: 1.0 / 293.0, sd_s_m: 0.08e-3, shares: [0.03, 0.10, 0.50, 0.65] },
    Way { slowness_s_m: 1.0 / 260.0, sd_s_m: 0.33e-3, shares: [0.0, 0.0, 0.0, 0.15] },
];

/// What stands for the range where one number is needed, m/s: about its middle.
pub const MIDDLE_M_S: f64 = 310.0;

/// So many sigma to either side are reckoned with.
const WITHIN_SD: f64 = 3.0;

/// How an arrival fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// ln of the density of its time, 1/s.
    pub ln_density: f64,
    /// By how much it is late for the ways that it may have come, each as likely as it fits, s.
    pub residual_s: f64,
    /// How it pulls: the weight of that in the normal equations, 1/s².
    pub weight: f64,
    /// By how much later it comes further away, s/m.
    pub slowness_s_m: f64,
}

impl Way {
    fn share(&self, distance_m: f64) -> f64 {
        let reached = KNOTS_M.iter().rposition(|&knot_m| knot_m <= distance_m).unwrap_or(0);
        let Some(&beyond) = self.shares.get(reached + 1) else { return self.shares[reached] };
        let between = (distance_m - KNOTS_M[reached]) / (KNOTS_M[reached + 1] - KNOTS_M[reached]);
        self.shares[reached] + (beyond - self.shares[reached]) * between
    }
}

/// The ways that lead as far as that.
fn ways(distance_m: f64) -> impl Iterator<Item = (f64, &'static Way)> {
    WAYS.iter().map(move |way| (way.share(distance_m), way)).filter(|&(share, _)| share > 0.0)
}

/// How an arrival fits that comes `lag_s` after an event that is so far away; `variance_s2` is that of its time and of all else
/// that is not known but the way.
pub fn fit(distance_m: f64, lag_s: f64, variance_s2: f64) -> Fit {
    let each = |way: &Way| {
        let residual_s = lag_s - way.slowness_s_m * distance_m;
        let (ln_density, weight) = robust(residual_s, variance_s2 + (way.sd_s_m * distance_m).powi(2));
        (residual_s, ln_density, weight)
    };
    // Weighed against the likeliest, so that nothing is lost where all fit badly.
    let most = ways(distance_m).map(|(share, way)| ln(share) + each(way).1).fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut weight, mut pull, mut slope) = (0.0, 0.0, 0.0, 0.0);
    for (share, way) in ways(distance_m) {
        let (residual_s, ln_density, own) = each(way);
        let likely = exp((ln(share) + ln_density - most).min(0.0));
        sum += likely;
        weight += likely * own;
        pull += likely * own * residual_s;
        slope += likely * own * way.slowness_s_m;
    }
    Fit { ln_density: most + ln(sum), residual_s: pull / weight, weight: weight / sum, slowness_s_m: slope / weight }
}

/// How far from [`MIDDLE_M_S`] the ways are at that distance at most, and the largest sigma of one, s. What lies within
/// [`GATE`] sigma of any way lies within the first and so many of the second.
pub fn spread_s(distance_m: f64) -> (f64, f64) {
    ways(distance_m).fold((0.0, 0.0), |(beyond_s, sd_s), (_, way)| {
        let off_s = (way.slowness_s_m - 1.0 / MIDDLE_M_S).abs() * distance_m;
        (off_s.max(beyond_s), (way.sd_s_m * distance_m).max(sd_s))
    })
}

/// The least and the most that a metre may take up to that distance, s/m.
pub fn slowness_s_m(distance_m: f64) -> (f64, f64) {
    ways(distance_m).fold((f64::INFINITY, 0.0), |(least, most), (_, way)| {
        let off = WITHIN_SD * way.sd_s_m;
        (least.min(way.slowness_s_m - off), most.max(way.slowness_s_m + off))
    })
}

/// The celerities of the ways that lead as far as that, m/s.
pub fn speeds_m_s(distance_m: f64) -> impl Iterator<Item = f64> {
    ways(distance_m).map(|(_, way)| 1.0 / way.slowness_s_m)
}

/// The shortest and the longest time from an event that is so far away, s.
pub fn within_s(distance_m: f64) -> (f64, f64) {
    ways(distance_m).fold((f64::INFINITY, 0.0), |(first, last), (_, way)| {
        let (mean_s, off_s) = (way.slowness_s_m * distance_m, GATE * way.sd_s_m * distance_m);
        (first.min(mean_s - off_s), last.max(mean_s + off_s))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ways_share_what_comes_at_every_distance() {
        for km in 0..600 {
            let sum: f64 = ways(f64::from(km) * 1e3).map(|(share, _)| share).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{km} {sum}");
        }
        let celerity = |distance_m: f64| {
            let most = ways(distance_m).max_by(|a, b| a.0.total_cmp(&b.0));
            most.map_or(0.0, |(_, way)| 1.0 / way.slowness_s_m)
        };
        assert!((celerity(30e3) - 327.0).abs() < 1e-9 && (celerity(250e3) - 293.0).abs() < 1e-9);
        assert!(ways(150e3).count() == 2 && ways(250e3).count() == 3, "the thermosphere sends nothing back so near");
    }

    #[test]
    fn an_arrival_is_taken_for_the_way_that_it_came() {
        for (distance_m, celerity_m_s) in [(40e3, 327.0), (40e3, 293.0), (280e3, 260.0)] {
            let due_s = distance_m / celerity_m_s;
            let fit = fit(distance_m, due_s, 1.0);
            assert!((1.0 / fit.slowness_s_m - celerity_m_s).abs() < 8.0, "{celerity_m_s} {fit:?}");
            assert!(fit.residual_s.abs() < 0.012 * due_s, "{celerity_m_s} {fit:?}");
        }
    }

    proptest! {
        #[test]
        fn the_density_is_one(distance_m in 1e3f64..500e3, sd_s in 0.3f64..5.0) {
            let step_s = 0.05 * sd_s;
            let last = (distance_m * 6e-3 / step_s) as usize + 600;
            let sum: f64 = (0..last).map(|k| {
                step_s * fit(distance_m, (k as f64 - 300.0) * step_s, sd_s * sd_s).ln_density.exp()
            }).sum();
            prop_assert!((sum - 1.0).abs() < 2e-3, "{}", sum);
        }

        #[test]
        fn what_pulls_is_the_slope_of_the_density(
            distance_m in 5e3f64..400e3, slowness in 2.8e-3f64..4.2e-3, sd_s in 0.5f64..4.0,
        ) {
            let at = |lag_s: f64| fit(distance_m, lag_s, sd_s * sd_s);
            let lag_s = slowness * distance_m;
            let here = at(lag_s);
            let h = 1e-3 * sd_s;
            let slope = (at(lag_s + h).ln_density - at(lag_s - h).ln_density) / (2.0 * h);
            let pull = -here.weight * here.residual_s;
            prop_assert!((slope - pull).abs() < 1e-3 * (1.0 + pull.abs()), "{} {}", slope, pull);
        }

        #[test]
        fn no_way_is_left_out(distance_m in 0f64..500e3, way in 0usize..3, off in -1f64..1.0, variance_s2 in 0f64..9.0) {
            let way = &WAYS[way];
            prop_assume!(way.share(distance_m) > 0.0);
            let sd_s = (variance_s2 + (way.sd_s_m * distance_m).powi(2)).sqrt();
            let lag_s = way.slowness_s_m * distance_m + off * GATE * sd_s;
            let (beyond_s, most_sd_s) = spread_s(distance_m);
            let rest_s = ((lag_s - distance_m / MIDDLE_M_S).abs() - beyond_s).max(0.0);
            prop_assert!(rest_s <= GATE * (variance_s2 + most_sd_s * most_sd_s).sqrt() + 1e-9);
            let (least, most) = slowness_s_m(distance_m);
            let usual = way.slowness_s_m + off * WITHIN_SD * way.sd_s_m;
            prop_assert!((least - 1e-15..=most + 1e-15).contains(&usual));
            let (first_s, last_s) = within_s(distance_m);
            prop_assert!((first_s - 1e-9..=last_s + 1e-9).contains(&(usual * distance_m)));
        }
    }
}
