//! e to the power of what is not positive, and the natural logarithm, to within a few units of 10⁻⁹, without a call:
//! densities are summed up over hundreds of events for every place that is looked at, a fit takes a logarithm for every
//! arrival at each of its steps, and nobody needs more digits of them.

/// Below this the result is as good as nothing.
const LEAST: f64 = -700.0;
/// Added and taken away again, it rounds to a whole number: 1.5 × 2⁵².
const ROUND: f64 = 6_755_399_441_055_744.0;

/// e^x for x ≤ 0; what is below −700 counts as −700.
///
/// x = n ln 2 + r with |r| ≤ ½ ln 2; e^r by its series up to r⁷, whose rest is below 6·10⁻⁹, and 2ⁿ by the exponent's bits.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x > LEAST { x } else { LEAST };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * std::f64::consts::LN_2;
    let even = 1.0 / 720.0 + r * (1.0 / 5_040.0);
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * even)))));
    // The lowest bits of `shifted` are n.
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1_023)) << 52);
    series * power
}

/// The same for singles: below this the result is as good as nothing.
const LEAST_SINGLE: f32 = -87.0;
/// 1.5 × 2²³.
const ROUND_SINGLE: f32 = 12_582_912.0;

/// e^x for x ≤ 0 in singles, to within 10⁻⁵ (a few units of 10⁻⁷ near 0); what is below −87 counts as −87.
#[inline(always)]
pub fn exp_single(x: f32) -> f32 {
    let x = if x > LEAST_SINGLE { x } else { LEAST_SINGLE };
    let shifted = x * std::f32::consts::LOG2_E + ROUND_SINGLE;
    let n = shifted - ROUND_SINGLE;
    let r = x - n * std::f32::consts::LN_2;
    let even = 1.0 / 120.0 + r * (1.0 / 720.0);
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * even))));
    let power = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    series * power
}

/// What [`ln`] takes out of the exponent's bits: those of √½, so that what is left lies between √½ and √2.
const ROOT_HALF_BITS: u64 = 0x3FE6_A09E_667F_3BCD;
const FRACTION_BITS: u64 = (1 << 52) - 1;

/// ln x for x > 0 that is a normal number; anything else gives nonsense.
///
/// x = 2ⁿ m with m from √½ to √2; ln m = 2 artanh s with s = (m − 1) / (m + 1), by its series up to s⁹, whose rest is below
/// 10⁻⁹.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    let above = x.to_bits().wrapping_sub(ROOT_HALF_BITS);
    let n = (above as i64) >> 52;
    let m = f64::from_bits((above & FRACTION_BITS).wrapping_add(ROOT_HALF_BITS));
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let series = 1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0))));
    n as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_logarithm(exponent in -300f64..300.0) {
            let x = 10f64.powf(exponent);
            prop_assert!((ln(x) - x.ln()).abs() < 2e-9, "{x}: {} for {}", ln(x), x.ln());
        }

        #[test]
        fn it_is_the_exponential(x in -699f64..0.0) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() < 1e-8, "{x}: {} for {}", exp(x), x.exp());
        }
    }

    proptest! {
        #[test]
        fn it_is_the_exponential_in_singles(x in -86f32..0.0) {
            let due = f64::from(x).exp();
            prop_assert!((f64::from(exp_single(x)) / due - 1.0).abs() < 1e-5, "{x}: {} for {due}", exp_single(x));
        }
    }

    #[test]
    fn one_has_no_logarithm_to_speak_of() {
        assert_eq!(ln(1.0), 0.0);
        for x in [0.5f64.sqrt(), 2f64.sqrt(), 2.0, 0.5, f64::MIN_POSITIVE, 1e-300, f64::MAX] {
            assert!((ln(x) - x.ln()).abs() < 2e-9, "{x}");
        }
    }

    #[test]
    fn its_ends_are_numbers() {
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f64::NEG_INFINITY) < 1e-300 && exp(-1e9) > 0.0);
    }
}
