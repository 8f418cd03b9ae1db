//! How good a node says its clock is, in a few bits, and when that jumps.
//!
//! A clock that is kept by satellites goes on by itself when they are jammed, and says within a heartbeat or two that it is ten times
//! less sure, or more: a quartz that is good to a part in a million is off by 60 µs after a minute.

use serde::{Deserialize, Serialize};

/// One sigma of a clock by quarters of an octave, from 0.5 µs (1: that, or better) to half an hour (127: that, or worse).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClockLevel(u8);

/// The level below the first: the exponent of 2⁻²¹ in a double, and two bits of what follows.
const BELOW: i64 = (1023 - 21) << 2;
const MOST: i64 = 127;
/// Ten times, to a twentieth: 2^(13/4) is 9.5.
const JUMP: u8 = 13;

impl ClockLevel {
    /// Of so many seconds; `None` for what is none.
    pub fn of(sd_s: f64) -> Option<ClockLevel> {
        // The exponent and the first two bits behind it are the logarithm to base 2, in steps of a quarter or so.
        let level = (sd_s.to_bits() >> 50) as i64 - BELOW;
        (sd_s >= 0.0).then_some(ClockLevel(level.clamp(1, MOST) as u8))
    }

    /// In seven bits; 0 for `None`.
    pub fn bits(level: Option<ClockLevel>) -> u8 {
        level.map_or(0, |level| level.0)
    }

    /// From that.
    pub fn of_bits(bits: u8) -> Option<ClockLevel> {
        (bits > 0).then_some(ClockLevel(bits))
    }

    /// What clocks have in common of which none jumps to be another; 0 for `None`.
    pub fn class(level: Option<ClockLevel>) -> u8 {
        ClockLevel::bits(level).div_ceil(JUMP)
    }

    /// Whether the clock is suddenly ten times worse.
    pub fn is_jump(before: Option<ClockLevel>, now: Option<ClockLevel>) -> bool {
        before.zip(now).is_some_and(|(before, now)| now.0 >= before.0.saturating_add(JUMP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_uncertainty_is_none_and_the_best_clocks_are_alike() {
        assert!(ClockLevel::of(f64::NAN).is_none() && ClockLevel::of(-1e-6).is_none());
        assert_eq!(ClockLevel::of(0.0), ClockLevel::of(1e-8));
        assert_eq!(ClockLevel::of(f64::INFINITY), ClockLevel::of(1e4));
        assert!(!ClockLevel::is_jump(None, ClockLevel::of(1.0)) && !ClockLevel::is_jump(ClockLevel::of(1e-6), None));
        assert!(!ClockLevel::is_jump(ClockLevel::of(1.0), ClockLevel::of(1e-6)), "it got better");
        assert_eq!(ClockLevel::of_bits(ClockLevel::bits(None)), None);
    }

    proptest! {
        #[test]
        fn ten_times_worse_is_a_jump_and_half_of_that_is_none(lg_s in -6.2..2.0f64, times in 1.0..100.0f64) {
            let before_s = 10f64.powf(lg_s);
            let (before, now) = (ClockLevel::of(before_s), ClockLevel::of(times * before_s));
            if times >= 12.0 {
                prop_assert!(ClockLevel::is_jump(before, now));
                prop_assert!(ClockLevel::class(before) != ClockLevel::class(now), "or it would be taken for calm");
            }
            if times <= 7.5 {
                prop_assert!(!ClockLevel::is_jump(before, now));
            }
            prop_assert_eq!(ClockLevel::of_bits(ClockLevel::bits(now)), now);
        }
    }
}
