//! More picks than one round explains: where rounds could not be told apart, the count is a minimum.
//!
//! Two rounds of one gun a second apart are heard as two picks by the nodes that tell them apart, and as one by the others. If
//! too few do for a second event to stand, what is left over lies close behind (or before) the picks of the first, at several
//! nodes at once. That is no chance when so many are as good as never left over there:
//!
//! P(N ≥ n) < 1% with N Poisson of mean Σ r w, over the sites that picked the event, r the rate of picks that are left over
//! around (not below the site's clutter), w the stretch that is looked at.

use super::locate::{Problem, RATE_HALF_S};
use super::plan::{NO_ONE, Plan};

/// Picks this near to one of the event's may be of another round there, s.
const NEAR_S: f64 = 1.0;
/// Fewer are chance.
const LEAST: u32 = 3;
/// The chance that so many are left over by.
const CHANCE: f64 = 0.01;

impl Plan {
    /// Whether more rounds than this one seem to have been there and then.
    pub fn leaves_more(&self, problem: &Problem<'_>, number: u32) -> bool {
        let Some(event) = self.event(number) else { return false };
        let (mut near, mut due) = (0, 0.0);
        for explained in event.located.arrivals.iter().filter(|explained| !explained.is_second) {
            let site = &problem.field.sites()[explained.site as usize];
            let time_s = problem.window.arrival(explained.slot).time_s;
            let left = |half_s: f64| {
                let to_s = (time_s + half_s).min(problem.until_s);
                let around = problem.window.between(explained.site, time_s - half_s, to_s);
                around.filter(|&(_, slot)| self.owner(slot) == NO_ONE).count() as u32
            };
            let close = left(NEAR_S);
            near += close;
            let rate_per_s = f64::from(left(RATE_HALF_S) - close) / (2.0 * (RATE_HALF_S - NEAR_S));
            due += rate_per_s.max(site.clutter_per_s) * 2.0 * NEAR_S;
        }
        near >= LEAST && at_least(near, due) < CHANCE
    }
}

/// The chance of `n` or more where `mean` are to be expected (Poisson).
fn at_least(n: u32, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut below = 0.0;
    for k in 0..n {
        below += term;
        term *= mean / f64::from(k + 1);
    }
    1.0 - below
}

#[cfg(test)]
mod tests {
    use super::at_least;

    #[test]
    fn chances_are_those_of_poisson() {
        assert_eq!(at_least(0, 2.0), 1.0);
        // 1 − e⁻² (1 + 2 + 2).
        assert!((at_least(3, 2.0) - (1.0 - 5.0 * (-2f64).exp())).abs() < 1e-12);
        assert!(at_least(3, 0.05) < 1e-4);
    }
}
