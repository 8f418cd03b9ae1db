//! Who else was heard in a vessel's area: whether the vessel fell silent, or a receiver failed.
//!
//! Where others whom the same node heard there fell silent at about the same time, it is the receiver's silence. How large a
//! share of vessels a receiver loses that fails is not known: any is as likely. One vessel by itself falls silent
//! at the same time as another now and then.

use super::Vessel;
use super::habit::Habit;
use crate::model::node::NodeIx;
use rustc_hash::FxHashMap;

/// The odds that a silence is a receiver's and not a vessel's, while nothing is known of others.
const RECEIVER_ODDS: f64 = 1.0 / 30.0;
/// The share of vessels that fall silent at the same time as another though the receiver hears, for they sail in company or
/// leave its range together: one in twenty, known as well as from two of forty (a beta distribution).
const TOGETHER: (u64, u64) = (2, 38);
/// At the same time: to so many intervals of either.
const TOGETHER_INTERVALS: i64 = 3;
/// A vessel is silent after so many of its intervals.
const SILENT_INTERVALS: i64 = 5;

/// A vessel, as far as it matters to others.
struct Other {
    node: NodeIx,
    last_ns: i64,
    median_ns: i64,
}

/// All vessels, by the areas they are in.
#[derive(Default)]
pub(super) struct Company<'a> {
    areas: FxHashMap<&'a str, (Habit, Vec<Other>)>,
}

impl<'a> Company<'a> {
    pub(super) fn add(&mut self, vessel: &'a Vessel) {
        let Some(last) = vessel.last.as_ref().filter(|_| vessel.seen > 0) else { return };
        for area in last.areas.as_slice() {
            let (habit, others) = self.areas.entry(area).or_default();
            habit.join(&vessel.habit);
            let (node, last_ns) = (last.cited.node, last.cited.time_ns);
            others.push(Other { node, last_ns, median_ns: vessel.median_ns });
        }
    }

    /// What the vessels of its area are like, and the chance that a receiver failed when that vessel fell silent, as it looks
    /// at `now_ns`. Of several areas that of the first name counts.
    pub(super) fn of(&self, vessel: &Vessel, now_ns: i64) -> (Habit, f64) {
        let last = vessel.last.as_ref();
        let area =
            last.and_then(|last| last.areas.as_slice().iter().min()).and_then(|area| self.areas.get(area.as_str()));
        let (Some(last), Some((habit, others))) = (last, area) else { return (Habit::default(), 0.0) };
        let (last_ns, median_ns) = (last.cited.time_ns, vessel.median_ns);
        let is_silent = |since_ns: i64, median_ns: i64| {
            now_ns.saturating_sub(since_ns) >= SILENT_INTERVALS.saturating_mul(median_ns)
        };
        // The vessel itself is among them.
        let (mut silent, mut heard) = (-i64::from(is_silent(last_ns, median_ns)), 0i64);
        for other in others.iter().filter(|other| other.node == last.cited.node) {
            let apart_ns = TOGETHER_INTERVALS.saturating_mul(median_ns.max(other.median_ns));
            let since_ns = other.last_ns.saturating_sub(last_ns);
            if since_ns > apart_ns {
                heard += 1;
            } else if since_ns >= -apart_ns && is_silent(other.last_ns, other.median_ns) {
                silent += 1;
            }
        }
        (*habit, receiver_p(silent.cast_unsigned(), heard.cast_unsigned()))
    }
}

/// The chance that a receiver failed when a vessel fell silent, `silent` others did at the same time and `heard` others were
/// heard after it.
fn receiver_p(silent: u64, heard: u64) -> f64 {
    let ln_gamma = |n: u64| (1..n).map(|i| (i as f64).ln()).sum::<f64>();
    let ln_beta = |a: u64, b: u64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    // The chance of just these, the share itself being spread like a beta distribution.
    let ln_chance = |(a, b): (u64, u64)| ln_beta(a + silent, b + heard) - ln_beta(a, b);
    // Any share of vessels is as likely to be lost; as this one is, large ones are likelier: 2f, which is (2, 1).
    let odds = RECEIVER_ODDS * (ln_chance((2, 1)) - ln_chance(TOGETHER)).exp();
    if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_silent_at_once_are_a_receiver_and_one_among_many_is_a_vessel() {
        assert!(receiver_p(0, 0) < 0.05, "alone, nothing is known of the receiver");
        assert!(receiver_p(0, 5) < 0.005 && receiver_p(1, 10) < 0.02);
        assert!(receiver_p(2, 0) > 0.8 && receiver_p(20, 0) > 0.999);
        assert!(receiver_p(5, 5) > 0.8, "half of them at once");
        assert!(receiver_p(900, 0) == 1.0 && receiver_p(0, 900) < 1e-4);
    }
}
