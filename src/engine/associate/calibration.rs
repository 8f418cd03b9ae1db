//! From log odds to what is stated: probabilities and sigmas that mean what they say.
//!
//! The log posterior odds know what the model knows. What it does not know (arrivals that belong to another event, paths
//! and clocks that are not as assumed) was learnt once, from simulated seasons of seeds that nothing else was fitted to.

//!
//! The numbers stand in `calibration.json`, with what they were fitted to; its digest tells which ones a program has.

use super::locate::Located;
use crate::engine::book::sha256_hex;
use serde::Deserialize;
use std::sync::LazyLock;

/// No arrivals make an event more certain than this: the model of what arrivals mean may be wrong.
pub const MOST_P: f64 = 0.999;

/// The file.
const TEXT: &str = include_str!("calibration.json");

static KNOWN: LazyLock<Calibration> =
    LazyLock::new(|| serde_json::from_str(TEXT).expect("the calibration is part of the program, and a test reads it"));

/// What was fitted.
#[derive(Debug, Deserialize)]
struct Calibration {
    r#final: Final,
    first: First,
    sigma: Sigma,
}

/// The logistic of final events, in what each arrival bears out on average (natural log, at most `most_each`) and in the share of
/// arrivals that another event would nearly as gladly have.
#[derive(Debug, Deserialize)]
struct Final {
    intercept: f64,
    each_arrival: f64,
    most_each: f64,
    contested: f64,
}

/// The logistic of first words, in their log odds.
#[derive(Debug, Deserialize)]
struct First {
    intercept: f64,
    log_odds: f64,
}

/// By what variances are too small, and how that grows with the share that is contested.
#[derive(Debug, Deserialize)]
struct Sigma {
    variance: f64,
    contested: f64,
}

/// SHA-256 of the calibration, 64 hex digits.
pub fn digest() -> String {
    sha256_hex(TEXT.as_bytes())
}

fn logistic(logit: f64) -> f64 {
    (1.0 / (1.0 + (-logit).exp())).min(MOST_P)
}

/// The chance that an event is as it is said when all its evidence is in.
pub fn final_probability(located: &Located) -> f64 {
    let Final { intercept, each_arrival, most_each, contested } = KNOWN.r#final;
    let weight = (located.arrivals.len() + 3 * located.points.len()).max(1) as f64;
    logistic(intercept + each_arrival * (located.score / weight).min(most_each) + contested * located.contested)
}

/// By how much the sigmas of an event are too small: the fit takes the arrivals to be its own for certain, and some of
/// what is contested is not.
pub fn inflation(located: &Located) -> f64 {
    let Sigma { variance, contested } = KNOWN.sigma;
    (variance * (1.0 + contested * located.contested)).sqrt()
}

/// The chance that a first word is borne out, when its log odds are `s`: most of its arrivals are still to come, and what
/// they may yet say is more than the odds know.
pub fn first_probability(s: f64) -> f64 {
    logistic(KNOWN.first.intercept + KNOWN.first.log_odds * s)
}

/// The log odds at which a first word has that chance: what [`first_probability`] undoes.
pub fn first_odds(p: f64) -> f64 {
    ((p / (1.0 - p)).ln() - KNOWN.first.intercept) / KNOWN.first.log_odds
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

    #[test]
    fn more_evidence_makes_surer_and_rivals_less_sure_and_the_digest_is_the_file_s() {
        let known = &*KNOWN;
        assert!(known.r#final.each_arrival > 0.0 && known.r#final.contested < 0.0 && known.first.log_odds > 0.0);
        assert!(known.sigma.variance > 0.0 && known.sigma.contested > 0.0);
        // Whoever fits anew changes this too, and CHANGELOG.md.
        assert_eq!(digest(), "82c98f7cf631ffa879c733a8434d85f873e2c7c3e0e4ce0bc3fe43aec518c885");
    }
}
