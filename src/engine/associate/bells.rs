//! How much fire there was around a place: sums of normal densities of four widths over events, four events at a time.
//!
//! This is asked for every place at which an event may have been, over all events that are known, which makes it one of the
//! loops that the associator's time goes to. The scalar version and the one for AVX2 are the same code and add up in the
//! same order, so both give the same bits.

use super::exp::exp;
use super::kernel::Isa;

/// Widths of the densities, m. Their ratios are whole numbers, so that one exponential serves all of them: see [`bells`].
pub const WIDTHS_M: [f64; 4] = [50.0, 150.0, 400.0, 1_200.0];

/// Nothing is left of a density beyond so many widths.
const REACH: f64 = 4.0;
/// The same of the widest, squared, m².
const REACH_M2: f64 = (REACH * WIDTHS_M[3]) * (REACH * WIDTHS_M[3]);

/// Events that are looked at together: what an AVX2 register holds of f64.
const LANES: usize = 4;

/// An event: where (east, north), m; when, s; how much it weighs.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// East, m.
    pub x_m: f64,
    /// North, m.
    pub y_m: f64,
    /// When it was last, s.
    pub time_s: f64,
    /// In events.
    pub weight: f64,
}

/// How events fade, and which of them are the one that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Fading {
    /// To 1/e in so long, s.
    pub in_s: f64,
    /// Whether what is still to come fades as well, the longer it is until then; else it weighs in full.
    pub both_ways: bool,
    /// Nothing is left beyond so many of those.
    pub most: f64,
    /// What is nearer than this in time (s) and space (m) is the event itself; 0: none is.
    pub self_s: f64,
    /// See `self_s`.
    pub self_m: f64,
    /// Whether [`Sums::left`] is asked for: far events are passed over at once if not.
    pub counts_far: bool,
}

/// What the events come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Of each width, 1/m².
    pub densities: [f64; 4],
    /// What is left of all of them, however far off, but for the event itself; of some, unless far ones count.
    pub left: f64,
    /// What is left of the event itself.
    pub left_itself: f64,
}

/// Sums over `events` about a place (east, north, m) at a time (s).
pub fn sums(isa: Isa, events: &[Known], at: (f64, f64, f64), fading: &Fading) -> Sums {
    match isa {
        Isa::Scalar => sum_up(events, at, fading),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Isa::Avx2` is only made by `Isa::best` after asking the processor for it.
        Isa::Avx2 => unsafe { sum_up_avx2(events, at, fading) },
    }
}

/// The same code, for a processor that has twice the lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_up_avx2(events: &[Known], at: (f64, f64, f64), fading: &Fading) -> Sums {
    sum_up(events, at, fading)
}

#[inline(always)]
fn sum_up(events: &[Known], at: (f64, f64, f64), fading: &Fading) -> Sums {
    let mut densities = [[0.0; LANES]; 4];
    let (mut left, mut left_itself) = ([0.0; LANES], [0.0; LANES]);
    let (blocks, rest) = events.as_chunks::<LANES>();
    for block in blocks {
        add(block, at, fading, &mut densities, &mut left, &mut left_itself);
    }
    if !rest.is_empty() {
        let mut block = [Known { x_m: 0.0, y_m: 0.0, time_s: 0.0, weight: 0.0 }; LANES];
        block[..rest.len()].copy_from_slice(rest);
        add(&block, at, fading, &mut densities, &mut left, &mut left_itself);
    }
    let total = |lanes: [f64; LANES]| (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
    Sums { densities: densities.map(total), left: total(left), left_itself: total(left_itself) }
}

#[inline(always)]
fn add(
    block: &[Known; LANES],
    (x_m, y_m, time_s): (f64, f64, f64),
    fading: &Fading,
    densities: &mut [[f64; LANES]; 4],
    left: &mut [f64; LANES],
    left_itself: &mut [f64; LANES],
) {
    let per_s = 1.0 / fading.in_s;
    let (mut square_m2, mut weight) = ([0.0; LANES], [0.0; LANES]);
    for j in 0..LANES {
        let (dx, dy) = (block[j].x_m - x_m, block[j].y_m - y_m);
        square_m2[j] = dx * dx + dy * dy;
    }
    // Most are far off.
    let is_far = square_m2.iter().fold(true, |all, &square_m2| all & (square_m2 >= REACH_M2));
    if is_far && !fading.counts_far {
        return;
    }
    for j in 0..LANES {
        let known = &block[j];
        let since_s = time_s - known.time_s;
        let until_s = if fading.both_ways { -since_s } else { 0.0 };
        let apart_s = if since_s > until_s { since_s } else { until_s };
        let is_itself = (apart_s < fading.self_s) & (square_m2[j] < fading.self_m * fading.self_m);
        let is_over = apart_s > fading.most * fading.in_s;
        let stays = if is_over { 0.0 } else { known.weight * exp(-apart_s * per_s) };
        weight[j] = if is_itself { 0.0 } else { stays };
        left[j] += weight[j];
        left_itself[j] += stays - weight[j];
    }
    if is_far {
        return;
    }
    for j in 0..LANES {
        let near = if square_m2[j] < REACH_M2 { weight[j] } else { 0.0 };
        for (sum, bell) in densities.iter_mut().zip(bells(square_m2[j])) {
            sum[j] += near * bell;
        }
    }
}

/// The normal densities of each of [`WIDTHS_M`] at that distance squared, 1/m².
#[inline(always)]
fn bells(square_m2: f64) -> [f64; 4] {
    let [a, b, c, d] = WIDTHS_M;
    let cubed = |x: f64| x * x * x;
    // With q = exp(−½ z²) of the widest: 3² = 9, 8² = 64 and 24² = 576 are the squares of the others' shares of it.
    let q = exp(square_m2 * (-0.5 / (d * d)));
    let q2 = q * q;
    let q8 = (q2 * q2) * (q2 * q2);
    let q16 = q8 * q8;
    let q64 = (q16 * q16) * (q16 * q16);
    let at = |h: f64, bell: f64| bell * (1.0 / (std::f64::consts::TAU * h * h));
    [at(a, cubed(cubed(q64))), at(b, q64), at(c, cubed(cubed(q))), at(d, q)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ECHO: Fading =
        Fading { in_s: 45.0, both_ways: true, most: 6.0, self_s: 0.5, self_m: 300.0, counts_far: true };
    const LASTING: Fading =
        Fading { in_s: 3_600.0, both_ways: false, most: 100.0, self_s: 0.0, self_m: 0.0, counts_far: false };

    fn any_events() -> impl Strategy<Value = Vec<Known>> {
        let event = (-6e3f64..6e3, -6e3f64..6e3, -300f64..300.0, 0f64..5.0);
        proptest::collection::vec(event, 0..40).prop_map(|events| {
            events.into_iter().map(|(x_m, y_m, time_s, weight)| Known { x_m, y_m, time_s, weight }).collect()
        })
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(events in any_events()) {
            for fading in [ECHO, LASTING] {
                let scalar = sums(Isa::Scalar, &events, (100.0, -200.0, 10.0), &fading);
                for isa in Isa::available() {
                    prop_assert_eq!(sums(isa, &events, (100.0, -200.0, 10.0), &fading), scalar, "{:?}", isa);
                }
            }
        }

        #[test]
        fn it_is_the_sum_of_normal_densities(events in any_events()) {
            let sums = sums(Isa::best(), &events, (0.0, 0.0, 0.0), &ECHO);
            let (mut densities, mut left, mut itself) = ([0.0; 4], 0.0, 0.0);
            for known in &events {
                let square_m2 = known.x_m.powi(2) + known.y_m.powi(2);
                let stays = if known.time_s.abs() > 270.0 { 0.0 } else { known.weight * (-known.time_s.abs() / 45.0).exp() };
                if known.time_s.abs() < 0.5 && square_m2 < 9e4 {
                    itself += stays;
                    continue;
                }
                left += stays;
                for (sum, h) in densities.iter_mut().zip(WIDTHS_M) {
                    let bell = (-0.5 * square_m2 / (h * h)).exp() / (std::f64::consts::TAU * h * h);
                    *sum += if square_m2 < REACH_M2 { stays * bell } else { 0.0 };
                }
            }
            prop_assert!((sums.left - left).abs() < 1e-6 && (sums.left_itself - itself).abs() < 1e-6);
            for (is, due) in sums.densities.iter().zip(densities) {
                prop_assert!((is - due).abs() <= 1e-5 * due + 1e-18, "{is} {due}");
            }
        }
    }

    #[test]
    fn one_exponential_serves_all_widths() {
        for distance_m in [0.0f64, 20.0, 70.0, 300.0, 1_000.0, 4_000.0] {
            let square_m2 = distance_m * distance_m;
            for (h, bell) in WIDTHS_M.into_iter().zip(bells(square_m2)) {
                let density = (-0.5 * square_m2 / (h * h)).exp() / (std::f64::consts::TAU * h * h);
                assert!((bell - density).abs() < 1e-5 * density + 1e-30, "{distance_m} {h}: {bell} for {density}");
            }
        }
    }
}
