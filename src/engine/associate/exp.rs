//! e to the power of what is not positive, to within a few units of 10⁻⁹, without a call: densities are summed up over
//! hundreds of events for every place that is looked at, and nobody needs more digits of them.

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_exponential(x in -699f64..0.0) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() < 1e-8, "{x}: {} for {}", exp(x), x.exp());
        }
    }

    #[test]
    fn its_ends_are_numbers() {
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f64::NEG_INFINITY) < 1e-300 && exp(-1e9) > 0.0);
    }
}
