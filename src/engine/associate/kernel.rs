//! The inner loop of the search: how well a column of arrivals could fit an origin anywhere in one cell.
//!
//! One arrival, the apex, is taken to belong to the event; a place then gives the origin time, and every other
//! arrival either could have come from there or not. For a cell with centre p and half diagonal h, the residual of
//! arrival j at p is off by at most h times the sum of both slownesses anywhere in the cell, which makes the sum
//! below an upper bound of the sum at every place in the cell. (Interval travel times: the same bound as in
//! PyOcto, Münchmeyer 2024, Seismica 3.1.)
//!
//! The scalar version defines the truth. Both work in eight lanes and in the same order, so both give the same bits.

/// Lanes of the sum: what an AVX2 register holds of f32.
pub const LANES: usize = 8;

/// The arrivals that an apex is tried with, as columns padded to whole lanes.
#[derive(Clone, Debug, Default)]
pub struct Partners {
    /// Arrivals, without the padding.
    pub len: usize,
    /// Node east of the apex's node, m.
    pub x_m: Vec<f32>,
    /// Node north of the apex's node, m.
    pub y_m: Vec<f32>,
    /// Arrival after the apex's, s.
    pub after_s: Vec<f32>,
    /// Reciprocal of the wave's speed, s/m.
    pub slowness_s_m: Vec<f32>,
    /// What the arrival is worth where it fits exactly, natural log.
    pub gain: Vec<f32>,
    /// ½ / σ², 1/s².
    pub weight: Vec<f32>,
    /// How far its node hears, m.
    pub range_m: Vec<f32>,
    /// Its site; arrivals of one site stand together.
    pub site: Vec<u32>,
}

impl Partners {
    /// Forgets the arrivals, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        self.site.clear();
        for column in self.columns() {
            column.clear();
        }
    }

    /// Adds an arrival.
    #[allow(clippy::too_many_arguments)]
    pub fn push(
        &mut self,
        site: u32,
        x_m: f32,
        y_m: f32,
        after_s: f32,
        slowness_s_m: f32,
        gain: f32,
        weight: f32,
        range_m: f32,
    ) {
        self.len += 1;
        self.site.push(site);
        for (column, value) in self.columns().into_iter().zip([x_m, y_m, after_s, slowness_s_m, gain, weight, range_m])
        {
            column.push(value);
        }
    }

    /// Takes those arrivals of `other` that are worth something, by their `worth`. `which` is memory to work in.
    pub fn take_worthy(&mut self, other: &Partners, worth: &[f32], which: &mut Vec<u32>) {
        which.clear();
        which.extend((0u32..).zip(&worth[..other.len]).filter(|&(_, &worth)| worth > 0.0).map(|(j, _)| j));
        self.len = which.len();
        self.site.clear();
        self.site.extend(which.iter().map(|&j| other.site[j as usize]));
        let from =
            [&other.x_m, &other.y_m, &other.after_s, &other.slowness_s_m, &other.gain, &other.weight, &other.range_m];
        for (column, from) in self.columns().into_iter().zip(from) {
            column.clear();
            column.extend(which.iter().map(|&j| from[j as usize]));
        }
        self.pad();
    }

    /// Pads to whole lanes with arrivals that never fit.
    pub fn pad(&mut self) {
        let whole = self.len.next_multiple_of(LANES);
        for column in self.columns() {
            column.resize(whole, 0.0);
        }
    }

    /// The best of each site, together: an event has one arrival at a site.
    fn best_of_each_site(&self, worth: &[f32]) -> f32 {
        let (mut sum, mut best, mut site) = (0.0, 0.0f32, u32::MAX);
        for (&number, &here) in self.site.iter().zip(worth) {
            if number != site {
                sum += best;
                (best, site) = (0.0, number);
            }
            best = best.max(here);
        }
        sum + best
    }

    fn columns(&mut self) -> [&mut Vec<f32>; 7] {
        [
            &mut self.x_m,
            &mut self.y_m,
            &mut self.after_s,
            &mut self.slowness_s_m,
            &mut self.gain,
            &mut self.weight,
            &mut self.range_m,
        ]
    }
}

/// The sites that would have heard an event, as columns padded to whole lanes: each that is in range adds the
/// logarithm of its chance to miss, at least. What an arrival is worth is counted from there.
#[derive(Clone, Debug, Default)]
pub struct Ears {
    len: usize,
    x_m: Vec<f32>,
    y_m: Vec<f32>,
    near_m: Vec<f32>,
    far_m: Vec<f32>,
    ln_missed_near: Vec<f32>,
    ln_missed_far: Vec<f32>,
}

impl Ears {
    /// Forgets the sites, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        for column in self.columns() {
            column.clear();
        }
    }

    /// Adds a site at (x, y) about the apex's node: within each of two distances, near and far, the logarithm of the
    /// chance to miss is no more than what stands with it.
    pub fn push(
        &mut self,
        x_m: f32,
        y_m: f32,
        (near_m, ln_missed_near): (f32, f32),
        (far_m, ln_missed_far): (f32, f32),
    ) {
        self.len += 1;
        for (column, value) in self.columns().into_iter().zip([x_m, y_m, near_m, far_m, ln_missed_near, ln_missed_far])
        {
            column.push(value);
        }
    }

    /// Pads to whole lanes with sites that hear nothing.
    pub fn pad(&mut self) {
        let whole = self.len.next_multiple_of(LANES);
        for column in self.columns() {
            column.resize(whole, 0.0);
        }
    }

    fn columns(&mut self) -> [&mut Vec<f32>; 6] {
        [
            &mut self.x_m,
            &mut self.y_m,
            &mut self.near_m,
            &mut self.far_m,
            &mut self.ln_missed_near,
            &mut self.ln_missed_far,
        ]
    }
}

/// A square of places about the apex's node, and the apex's own travel.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Centre east of the apex's node, m.
    pub x_m: f32,
    /// Centre north of it, m.
    pub y_m: f32,
    /// Half the diagonal, m.
    pub half_m: f32,
    /// Travel time from the centre to the apex's node, s.
    pub apex_travel_s: f32,
    /// The apex's slowness, s/m.
    pub apex_slowness_s_m: f32,
}

/// The wind as a share of the speed of sound: (east, north). Slower waves' travel times are stretched by it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wind {
    /// Towards the east.
    pub east: f32,
    /// Towards the north.
    pub north: f32,
    /// Waves at least this slow feel it, s/m.
    pub from_slowness_s_m: f32,
}

/// The square of the wind over the speed of sound, up to 17 m/s: the term of the series that travel times leave out.
const WIND_TERM: f32 = 0.0025;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain code: defines the truth.
    Scalar,
    /// AVX2 on x86-64.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Isa {
    /// The best this processor has.
    pub fn best() -> Isa {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Isa::Avx2;
        }
        Isa::Scalar
    }

    /// All that this processor has.
    pub fn available() -> Vec<Isa> {
        let best = Isa::best();
        if best == Isa::Scalar { vec![best] } else { vec![Isa::Scalar, best] }
    }
}

/// The upper bound of what the arrivals are worth together anywhere in the cell, one a site; what each is worth there
/// at most goes into `worth`, which grows to whole lanes.
pub fn bound(isa: Isa, partners: &Partners, ears: &Ears, cell: Cell, wind: Wind, worth: &mut Vec<f32>) -> f32 {
    worth.resize(partners.len.next_multiple_of(LANES), 0.0);
    let missed = match isa {
        Isa::Scalar => scalar(partners, ears, cell, wind, worth),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Isa::Avx2` is only made by `Isa::best` after asking the processor for it.
        Isa::Avx2 => unsafe { avx2(partners, ears, cell, wind, worth) },
    };
    partners.best_of_each_site(worth) + missed
}

fn scalar(partners: &Partners, ears: &Ears, cell: Cell, wind: Wind, worth: &mut [f32]) -> f32 {
    lanes(partners, cell, wind, worth);
    missed(ears, cell)
}

/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(partners: &Partners, ears: &Ears, cell: Cell, wind: Wind, worth: &mut [f32]) -> f32 {
    lanes(partners, cell, wind, worth);
    missed(ears, cell)
}

/// Written in lanes so that the compiler can put each in a register of whatever instruction set encloses it; no
/// operation is reassociated or fused, so every instruction set gives the same bits.
#[inline(always)]
fn lanes(partners: &Partners, cell: Cell, wind: Wind, worth: &mut [f32]) {
    let whole = partners.len.next_multiple_of(LANES);
    let (x, y) = (&partners.x_m[..whole], &partners.y_m[..whole]);
    let (after, slowness) = (&partners.after_s[..whole], &partners.slowness_s_m[..whole]);
    let (gain, weight) = (&partners.gain[..whole], &partners.weight[..whole]);
    let (range, worth) = (&partners.range_m[..whole], &mut worth[..whole]);
    for from in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            let j = from + lane;
            let (dx, dy) = (x[j] - cell.x_m, y[j] - cell.y_m);
            let distance_m = (dx * dx + dy * dy).sqrt();
            // d / (c + u·w) = d·s / (1 + (u·w)/c) ≈ s·(d − d·w/c): the wind along the path helps. The next term of
            // the series is left to the slack: w²/c² of the travel, 0.2% at 15 m/s.
            let along = dx * wind.east + dy * wind.north;
            let feels = if slowness[j] >= wind.from_slowness_s_m { along } else { 0.0 };
            let travel_s = slowness[j] * (distance_m - feels);
            let residual_s = after[j] - (travel_s - cell.apex_travel_s);
            let slack_s = 1.06 * cell.half_m * (slowness[j] + cell.apex_slowness_s_m) + WIND_TERM * travel_s;
            let off_s = (residual_s.abs() - slack_s).max(0.0);
            let here = (gain[j] - off_s * off_s * weight[j]).max(0.0);
            worth[j] = if distance_m - cell.half_m <= range[j] { here } else { 0.0 };
        }
    }
}

#[inline(always)]
fn missed(ears: &Ears, cell: Cell) -> f32 {
    let mut sum = [0f32; LANES];
    let whole = ears.len.next_multiple_of(LANES);
    let (x, y) = (&ears.x_m[..whole], &ears.y_m[..whole]);
    let (near, far) = (&ears.near_m[..whole], &ears.far_m[..whole]);
    let (ln_near, ln_far) = (&ears.ln_missed_near[..whole], &ears.ln_missed_far[..whole]);
    for from in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            let j = from + lane;
            let (dx, dy) = (x[j] - cell.x_m, y[j] - cell.y_m);
            let furthest_m = (dx * dx + dy * dy).sqrt() + cell.half_m;
            let beyond_near = if furthest_m <= far[j] { ln_far[j] } else { 0.0 };
            sum[lane] += if furthest_m <= near[j] { ln_near[j] } else { beyond_near };
        }
    }
    ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = (f32, f32, f32, f32, f32, f32, f32);

    fn partners(rows: &[Row]) -> Partners {
        let mut partners = Partners::default();
        for (j, r) in (0u32..).zip(rows) {
            partners.push(j / 2, r.0, r.1, r.2, r.3, r.4, r.5, r.6);
        }
        partners.pad();
        partners
    }

    fn row() -> impl Strategy<Value = Row> {
        (
            -3e4f32..3e4,
            -3e4f32..3e4,
            -60f32..60.0,
            prop_oneof![Just(1.0f32 / 340.0), Just(1.0 / 5800.0), Just(0.0)],
            -2f32..10.0,
            1f32..100.0,
            1e3f32..2e4,
        )
    }

    fn ears(rows: &[Row]) -> Ears {
        let mut ears = Ears::default();
        for r in rows {
            ears.push(r.0, r.1, (r.6 / 2.0, -1.5), (r.6, -0.5));
        }
        ears.pad();
        ears
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(
            rows in proptest::collection::vec(row(), 0..70),
            x in -2e4f32..2e4, y in -2e4f32..2e4, half in 10f32..1e4,
        ) {
            let (partners, ears) = (partners(&rows), ears(&rows));
            let cell = Cell { x_m: x, y_m: y, half_m: half, apex_travel_s: x.hypot(y) / 340.0, apex_slowness_s_m: 1.0 / 340.0 };
            let wind = Wind { east: 0.02, north: -0.01, from_slowness_s_m: 1.0 / 1000.0 };
            let (mut oracle, mut worth) = (Vec::new(), Vec::new());
            let truth = bound(Isa::Scalar, &partners, &ears, cell, wind, &mut oracle);
            for isa in Isa::available() {
                let sum = bound(isa, &partners, &ears, cell, wind, &mut worth);
                prop_assert_eq!(sum.to_bits(), truth.to_bits(), "{:?}", isa);
                prop_assert_eq!(&worth, &oracle, "{:?}", isa);
            }
        }

        #[test]
        fn a_cell_bounds_every_place_in_it(
            rows in proptest::collection::vec(row(), 1..20),
            x in -1e4f32..1e4, y in -1e4f32..1e4, side in 50f32..5e3, u in -1f32..1.0, v in -1f32..1.0,
        ) {
            let (partners, ears) = (partners(&rows), ears(&rows));
            let slowness = 1.0f32 / 340.0;
            let wind = Wind { east: 0.03, north: 0.02, from_slowness_s_m: 1.0 / 1000.0 };
            let travel = |x: f32, y: f32| { let d = x.hypot(y); slowness * d * d / (d - x * wind.east - y * wind.north).max(1.0) };
            let mut worth = Vec::new();
            let cell = |x: f32, y: f32, half_m: f32| Cell { x_m: x, y_m: y, half_m, apex_travel_s: travel(x, y), apex_slowness_s_m: slowness };
            let whole = bound(Isa::best(), &partners, &ears, cell(x, y, side * std::f32::consts::FRAC_1_SQRT_2), wind, &mut worth);
            let point = bound(Isa::best(), &partners, &ears, cell(x + u * side / 2.0, y + v * side / 2.0, 0.0), wind, &mut worth);
            prop_assert!(point <= whole + 0.05, "{} in a cell of {}", point, whole);
        }
    }
}
