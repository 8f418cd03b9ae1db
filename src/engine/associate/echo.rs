//! Echoes: a pick soon after a louder one at the same node may be that one's echo from a wall, a wood's edge or a slope.
//!
//! An echo has come a longer way and has been scattered, so it is later and quieter. A node that has picked something thus
//! picks echoes at a rate of its own for some seconds, beside its clutter: e / (t₂ − t₁) from t₁ to t₂ after each louder
//! pick, in which e is the chance that a pick has an echo that is picked. What comes then is worth so much less to an event, for it
//! has another explanation; and what is left over counts as clutter only by the share of it that no echo explains.

use super::window::{Owner, Slot, Window};

/// The chance that a pick has an echo that is picked: in open country, and nobody has told otherwise.
const ECHO_P: f64 = 0.05;
/// When echoes come after what they are of, s: by ways that are 70 m to 1.4 km longer.
const FROM_S: f64 = 0.2;
pub(super) const TO_S: f64 = 4.0;
/// An echo is quieter than what it is of by at least this, natural log of the amplitude.
const QUIETER: f64 = 0.2;
/// Of picks whose loudness is not known this share is taken to be quieter than those before.
const UNKNOWN: f64 = 0.5;

/// ln (1 + rate of echoes / `clutter_per_s`) at the time of that arrival, given all that its site has picked before; 0: it can be
/// no echo.
pub fn ln_more(window: &Window, slot: Slot, clutter_per_s: f64) -> f64 {
    let arrival = window.arrival(slot);
    let mut may_be = 0.0;
    for (time_s, before) in window.between(arrival.site, arrival.time_s - TO_S, arrival.time_s - FROM_S) {
        if window.owner(before) == Owner::PassedOver || time_s > arrival.time_s - FROM_S {
            continue;
        }
        let louder = window.arrival(before).ln_amplitude - arrival.ln_amplitude;
        if louder.is_nan() {
            may_be += UNKNOWN;
        } else if louder > QUIETER {
            may_be += 1.0;
        }
    }
    if may_be > 0.0 { (may_be * ECHO_P / (TO_S - FROM_S) / clutter_per_s).ln_1p() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::associate::window::tests::{STAND, arrival};
    use proptest::prelude::*;

    const CLUTTER_PER_S: f64 = 20.0 / 3600.0;

    /// What the last of these picks of one site (when, ln of the amplitude) may be.
    fn last(picks: &[(f64, f64)]) -> f64 {
        let mut window = Window::default();
        let mut slot = 0;
        for (id, &(time_s, ln_amplitude)) in (0..).zip(picks) {
            slot = window.insert(super::super::window::Arrival { ln_amplitude, ..arrival(0, time_s, id) }, STAND);
        }
        ln_more(&window, slot, CLUTTER_PER_S)
    }

    #[test]
    fn what_comes_soon_after_something_louder_may_be_its_echo() {
        assert_eq!(last(&[(10.0, 1.0)]), 0.0, "there is nothing before it");
        let quieter = last(&[(10.0, 1.0), (11.0, 0.2)]);
        assert!((1.0..1.5).contains(&quieter), "some three times as likely as clutter: {quieter}");
        assert_eq!(last(&[(10.0, 1.0), (11.0, 0.9)]), 0.0, "it is as loud");
        assert_eq!(last(&[(10.0, 1.0), (10.1, 0.2)]), 0.0, "too soon");
        assert_eq!(last(&[(10.0, 1.0), (14.1, 0.2)]), 0.0, "too late");
        let unknown = last(&[(10.0, f64::NAN), (11.0, 0.2)]);
        assert!(unknown > 0.0 && unknown < quieter, "it may be quieter: {unknown}");
        assert!(last(&[(10.0, 1.0), (10.5, 1.0), (11.0, 0.2)]) > quieter, "of either");
    }

    proptest! {
        #[test]
        fn it_hangs_on_no_order(mut before in proptest::collection::vec((0f64..20.0, -2f64..2.0), 0..12)) {
            let own = (20.5, -1.0);
            let forward: Vec<_> = before.iter().copied().chain([own]).collect();
            let told = last(&forward);
            before.reverse();
            let backward: Vec<_> = before.into_iter().chain([own]).collect();
            prop_assert_eq!(told, last(&backward));
        }
    }
}
