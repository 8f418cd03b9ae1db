//! How much fire there was around a place: sums of normal densities of four widths over events, eight events at a time.
//!
//! This is asked for every place at which an event may have been, over all events that are known, which makes it one of the
//! loops that the associator's time goes to. The scalar version and the one for AVX2 are the same code and add up in the
//! same order, so both give the same bits.

use super::exp::exp_single as exp;
use super::kernel::Isa;
use super::locate::Place;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Widths of the densities, m. Their ratios are whole numbers, so that one exponential serves all of them: see [`bells`].
pub const WIDTHS_M: [f64; 4] = [50.0, 150.0, 400.0, 1_200.0];

/// Nothing is left of a density beyond so many widths.
const REACH: f64 = 4.0;
/// The same of the widest, m, and squared, m².
pub const REACH_M: f64 = REACH * WIDTHS_M[3];
const REACH_M2: f32 = (REACH_M * REACH_M) as f32;

/// Events that are looked at together: what an AVX2 register holds of f32.
const LANES: usize = 8;

/// One value for each of eight events.
type Lane = [f32; LANES];

/// An event: where (east, north), m; when, s; how much it weighs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
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

/// Events in columns; times are relative to one of them, which is what lets all be f32.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    base_s: f64,
    x_m: Vec<f32>,
    y_m: Vec<f32>,
    time_s: Vec<f32>,
    weight: Vec<f32>,
}

impl Columns {
    /// Makes them anew, with times relative to `base_s`, which is to be near.
    pub fn fill(&mut self, base_s: f64, events: impl Iterator<Item = Known>) {
        self.base_s = base_s;
        self.x_m.clear();
        self.y_m.clear();
        self.time_s.clear();
        self.weight.clear();
        for known in events {
            self.x_m.push(known.x_m as f32);
            self.y_m.push(known.y_m as f32);
            self.time_s.push((known.time_s - base_s) as f32);
            self.weight.push(known.weight as f32);
        }
    }

    /// Those of that range, at most eight; what is not there weighs nothing.
    #[inline(always)]
    fn block(&self, range: Range<usize>) -> Block {
        let mut block = Block::EMPTY;
        for (lane, column) in [
            (&mut block.x_m, &self.x_m),
            (&mut block.y_m, &self.y_m),
            (&mut block.time_s, &self.time_s),
            (&mut block.weight, &self.weight),
        ] {
            let some = &column[range.clone()];
            match <&Lane>::try_from(some) {
                Ok(whole) => *lane = *whole,
                Err(_) => lane[..some.len()].copy_from_slice(some),
            }
        }
        block
    }
}

/// Eight events.
struct Block {
    x_m: Lane,
    y_m: Lane,
    time_s: Lane,
    weight: Lane,
}

impl Block {
    const EMPTY: Block = Block { x_m: [0.0; LANES], y_m: [0.0; LANES], time_s: [0.0; LANES], weight: [0.0; LANES] };

    /// Events that weigh one each, eight at most, their times relative to `base_s`.
    #[inline(always)]
    fn of(places: &[Place], base_s: f64) -> Block {
        let mut block = Block::EMPTY;
        for (j, at) in places.iter().enumerate().take(LANES) {
            (block.x_m[j], block.y_m[j]) = (at.x_m as f32, at.y_m as f32);
            (block.time_s[j], block.weight[j]) = ((at.time_s - base_s) as f32, 1.0);
        }
        block
    }
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

/// Sums over those of the events about a place (east, north, m) at a time (s).
pub fn sums(isa: Isa, events: &Columns, range: Range<usize>, at: (f64, f64, f64), fading: &Fading) -> Sums {
    let at = (at.0, at.1, at.2 - events.base_s);
    let starts = range.clone().step_by(LANES);
    add_up(isa, starts.map(|from| events.block(from..range.end.min(from + LANES))), at, fading)
}

/// The same over events that weigh one each.
pub fn sums_of_places(isa: Isa, places: &[Place], at: (f64, f64, f64), fading: &Fading) -> Sums {
    add_up(isa, places.chunks(LANES).map(|some| Block::of(some, at.2)), (at.0, at.1, 0.0), fading)
}

#[inline(always)]
fn add_up(isa: Isa, blocks: impl Iterator<Item = Block>, at: (f64, f64, f64), fading: &Fading) -> Sums {
    match isa {
        Isa::Scalar => add_up_each(blocks, at, fading),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Isa::Avx2` is only made by `Isa::best` after asking the processor for it.
        Isa::Avx2 => unsafe { add_up_avx2(blocks, at, fading) },
    }
}

/// The same code, for a processor that has twice the lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_up_avx2(blocks: impl Iterator<Item = Block>, at: (f64, f64, f64), fading: &Fading) -> Sums {
    add_up_each(blocks, at, fading)
}

#[inline(always)]
fn add_up_each(blocks: impl Iterator<Item = Block>, at: (f64, f64, f64), fading: &Fading) -> Sums {
    let (x_m, y_m, time_s) = (at.0 as f32, at.1 as f32, at.2 as f32);
    let (per_s, most_s) = ((-1.0 / fading.in_s) as f32, (fading.most * fading.in_s) as f32);
    let (self_s, self_m2) = (fading.self_s as f32, (fading.self_m * fading.self_m) as f32);
    let until = if fading.both_ways { -1.0 } else { 0.0 };
    let mut densities = [[0.0; LANES]; 4];
    let (mut left, mut left_itself) = ([0.0; LANES], [0.0; LANES]);
    for block in blocks {
        let (mut square_m2, mut stays, mut weight) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for j in 0..LANES {
            let (dx, dy) = (block.x_m[j] - x_m, block.y_m[j] - y_m);
            square_m2[j] = dx * dx + dy * dy;
        }
        // Many are far off.
        let nearest_m2 = square_m2.iter().fold(f32::INFINITY, |least, &m2| if m2 < least { m2 } else { least });
        let is_far = nearest_m2 >= REACH_M2;
        if is_far && !fading.counts_far {
            continue;
        }
        for j in 0..LANES {
            let since_s = time_s - block.time_s[j];
            let until_s = until * since_s;
            let apart_s = if since_s > until_s { since_s } else { until_s };
            let left = block.weight[j] * exp(apart_s * per_s);
            stays[j] = if apart_s > most_s { 0.0 } else { left };
            weight[j] = if (apart_s < self_s) & (square_m2[j] < self_m2) { 0.0 } else { stays[j] };
        }
        for j in 0..LANES {
            left[j] += weight[j];
            left_itself[j] += stays[j] - weight[j];
        }
        if is_far {
            continue;
        }
        let mut near = [[0.0; LANES]; 4];
        for j in 0..LANES {
            let heavy = if square_m2[j] < REACH_M2 { weight[j] } else { 0.0 };
            let [a, b, c, d] = bells(square_m2[j]);
            near[0][j] = heavy * a;
            near[1][j] = heavy * b;
            near[2][j] = heavy * c;
            near[3][j] = heavy * d;
        }
        for (sum, near) in densities.iter_mut().zip(near) {
            for j in 0..LANES {
                sum[j] += near[j];
            }
        }
    }
    let total = |lanes: Lane| {
        let halves = [0, 1, 2, 3].map(|k| lanes[k] + lanes[k + 4]);
        f64::from((halves[0] + halves[2]) + (halves[1] + halves[3]))
    };
    Sums { densities: densities.map(total), left: total(left), left_itself: total(left_itself) }
}

/// No factor of a density is taken to be less than this, so that none of the products is too small for a single.
const LEAST_16TH: f32 = 1.0 / 16_777_216.0;
const LEAST_64TH: f32 = 1.0 / 2_048.0;

/// The normal densities of each of [`WIDTHS_M`] at that distance squared, 1/m².
#[inline(always)]
fn bells(square_m2: f32) -> [f32; 4] {
    let [a, b, c, d] = WIDTHS_M;
    let cubed = |x: f32| x * x * x;
    let at_least = |x: f32, least: f32| if x > least { x } else { least };
    // With q = exp(−½ z²) of the widest: 3² = 9, 8² = 64 and 24² = 576 are the squares of the others' shares of it.
    let q = exp(square_m2 * (-0.5 / (d * d)) as f32);
    let q2 = q * q;
    let q8 = (q2 * q2) * (q2 * q2);
    let q16 = at_least(q8 * q8, LEAST_16TH);
    let q64 = (q16 * q16) * (q16 * q16);
    let at = |h: f64, bell: f32| bell * (1.0 / (std::f64::consts::TAU * h * h)) as f32;
    [at(a, cubed(cubed(at_least(q64, LEAST_64TH)))), at(b, q64), at(c, cubed(cubed(q))), at(d, q)]
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

    fn columns(events: &[Known], base_s: f64) -> Columns {
        let mut columns = Columns::default();
        columns.fill(base_s, events.iter().copied());
        columns
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(events in any_events(), from in 0usize..40) {
            let columns = columns(&events, 0.0);
            let range = from.min(events.len())..events.len();
            for fading in [ECHO, LASTING] {
                let at = (100.0, -200.0, 10.0);
                let scalar = sums(Isa::Scalar, &columns, range.clone(), at, &fading);
                for isa in Isa::available() {
                    prop_assert_eq!(sums(isa, &columns, range.clone(), at, &fading), scalar, "{:?}", isa);
                }
            }
        }

        #[test]
        fn it_is_the_sum_of_normal_densities(events in any_events(), base_s in -300f64..300.0) {
            let sums = sums(Isa::best(), &columns(&events, base_s), 0..events.len(), (0.0, 0.0, 0.0), &ECHO);
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
                    *sum += if square_m2 < REACH_M * REACH_M { stays * bell } else { 0.0 };
                }
            }
            // What is at the very edge, in time or space, may be on either side of it.
            let close = |is: f64, due: f64, edge: f64| (is - due).abs() <= 2e-4 * due + edge;
            prop_assert!(close(sums.left, left, 0.05) && close(sums.left_itself, itself, 0.05));
            for (is, due) in sums.densities.iter().zip(densities) {
                prop_assert!(close(*is, due, 1e-13), "{is} {due}");
            }
        }
    }

    #[test]
    fn one_exponential_serves_all_widths() {
        for distance_m in [0.0f64, 20.0, 70.0, 300.0, 1_000.0, 4_000.0] {
            let square_m2 = distance_m * distance_m;
            for (h, bell) in WIDTHS_M.into_iter().zip(bells(square_m2 as f32)) {
                let density = (-0.5 * square_m2 / (h * h)).exp() / (std::f64::consts::TAU * h * h);
                let off = (f64::from(bell) - density).abs();
                assert!(off < 1e-4 * density + 1e-25, "{distance_m} {h}: {bell} for {density}");
            }
        }
    }
}
