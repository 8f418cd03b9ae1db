//! From log odds to what is stated: probabilities and sigmas that mean what they say.
//!
//! The log posterior odds know what the model knows. What it does not know (arrivals that belong to another event, paths
//! and clocks that are not as assumed) was learnt once, from simulated seasons of seeds that nothing else was fitted to.

use super::locate::Located;

/// No arrivals make an event more certain than this: the model of what arrivals mean may be wrong.
pub const MOST_P: f64 = 0.999;

/// The logistic of first words.
const FIRST: (f64, f64) = (0.35, 0.155);

/// The chance that an event is as it is said when all its evidence is in: a logistic in what each arrival bears out on
/// average and in the share of arrivals that another event would nearly as gladly have. Fitted by maximum likelihood
/// to 11,754 final events, sparse to twice a barrage; on 14,771 of later seasons its expected calibration error is 0.001
/// (sparse) to 0.019 (twice a barrage).
pub fn final_probability(located: &Located) -> f64 {
    let weight = (located.arrivals.len() + 3 * located.points.len()).max(1) as f64;
    let logit = 0.56 + 1.36 * (located.score / weight).min(4.0) - 4.6 * located.contested;
    (1.0 / (1.0 + (-logit).exp())).min(MOST_P)
}

/// By how much the sigmas of an event are too small: the fit takes the arrivals to be its own for certain, and some of
/// what is contested is not. Fitted to where the truth lies in the ellipses of 14,232 events.
pub fn inflation(located: &Located) -> f64 {
    (1.13 * (1.0 + 1.7 * located.contested)).sqrt()
}

/// The chance that a first word is borne out, when its log odds are `s`: most of its arrivals are still to come, and what
/// they may yet say is more than the odds know. Fitted to 10,991 first words of the same seasons.
pub fn first_probability(s: f64) -> f64 {
    (1.0 / (1.0 + (-(FIRST.0 + FIRST.1 * s)).exp())).min(MOST_P)
}

/// The log odds at which a first word has that chance: what [`first_probability`] undoes.
pub fn first_odds(p: f64) -> f64 {
    ((p / (1.0 - p)).ln() - FIRST.0) / FIRST.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odds_of_a_first_word_undo_its_chance() {
        for p in [0.6, 0.8, 0.95] {
            assert!((first_probability(first_odds(p)) - p).abs() < 1e-12, "{p}");
        }
        assert!(first_probability(1e6) <= MOST_P);
    }
}
