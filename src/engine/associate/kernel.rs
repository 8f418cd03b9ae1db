//! The inner loop of the search: how well a column of arrivals fits an event that was there and then.
//!
//! What every arrival would be worth to an event of that place and origin time, the best of each site, less what the
//! silence of the others costs. It is a first look, in f32 and without loudness or bearings, which says what is worth
//! being located.
//!
//! The scalar version defines the truth. Both work in eight lanes and in the same order, so both give the same bits.

/// Lanes of a row: what an AVX2 register holds of f32.
pub const LANES: usize = 8;

/// What a lane without an arrival is worth: less than anything.
const NOTHING: f32 = -1e30;

/// The arrivals that an event may be made of, and the sites that would have heard it. Places and times are relative to
/// a reference near by, which is what lets them be f32.
///
/// Each site's arrivals stand in rows of eight, so that a site's travel time is worked out once for all of them.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    sites: usize,
    x_m: Vec<f32>,
    y_m: Vec<f32>,
    slowness_s_m: Vec<f32>,
    per_range_1_m: Vec<f32>,
    fall: Vec<f32>,
    near: Vec<f32>,
    middle: Vec<f32>,
    far: Vec<f32>,
    rows: Vec<Row>,
}

/// Up to eight arrivals of one site.
#[derive(Clone, Copy, Debug)]
struct Row {
    site: u32,
    used: u32,
    time_s: [f32; LANES],
    gain: [f32; LANES],
    weight: [f32; LANES],
}

/// A site of [`Columns`].
#[derive(Clone, Copy, Debug)]
pub struct Ear {
    /// East of the reference, m.
    pub x_m: f32,
    /// North of it, m.
    pub y_m: f32,
    /// Reciprocal of the wave's speed, s/m.
    pub slowness_s_m: f32,
    /// How far it hears, m.
    pub range_m: f32,
    /// How much less a pick is worth at the end of its range than at the site itself, natural log.
    pub fall: f32,
    /// ln of its chance to miss an event near by, in the middle and far off; 0 where its silence means nothing.
    pub missed: [f32; 3],
}

/// Up to which shares of the range the first two of [`Ear::missed`] hold.
const NEAR: f32 = 0.5;
const MIDDLE: f32 = 0.8;

impl Columns {
    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.sites = 0;
        self.rows.clear();
        for column in self.columns() {
            column.clear();
        }
    }

    /// Adds a site.
    pub fn site(&mut self, ear: Ear) {
        self.sites += 1;
        let [near, middle, far] = ear.missed;
        let row = [ear.x_m, ear.y_m, ear.slowness_s_m, 1.0 / ear.range_m, ear.fall, near, middle, far];
        for (column, value) in self.columns().into_iter().zip(row) {
            column.push(value);
        }
    }

    /// Adds an arrival of the site that was added last: when, what it is worth where it fits exactly and its node stands
    /// at the event (natural log), and ½ / σ² (1/s²).
    pub fn arrival(&mut self, time_s: f32, gain: f32, weight: f32) {
        let site = self.sites.saturating_sub(1) as u32;
        let full = self.rows.last().is_none_or(|row| row.site != site || row.used as usize == LANES);
        if full {
            let gain = [NOTHING; LANES];
            self.rows.push(Row { site, used: 0, time_s: [0.0; LANES], gain, weight: [0.0; LANES] });
        }
        if let Some(row) = self.rows.last_mut() {
            let lane = row.used as usize;
            (row.time_s[lane], row.gain[lane], row.weight[lane]) = (time_s, gain, weight);
            row.used += 1;
        }
    }

    /// What they are worth at most together, one a site.
    pub fn most(&self) -> f32 {
        let best = |row: &Row| row.gain.iter().copied().fold(0f32, f32::max);
        self.rows.chunk_by(|a, b| a.site == b.site).map(|rows| rows.iter().map(best).fold(0f32, f32::max)).sum()
    }

    /// Pads the sites to whole lanes; to be called before [`worth`].
    pub fn pad(&mut self) {
        let whole = self.sites.next_multiple_of(LANES);
        for column in self.columns() {
            column.resize(whole, 0.0);
        }
    }

    fn columns(&mut self) -> [&mut Vec<f32>; 8] {
        [
            &mut self.x_m,
            &mut self.y_m,
            &mut self.slowness_s_m,
            &mut self.per_range_1_m,
            &mut self.fall,
            &mut self.near,
            &mut self.middle,
            &mut self.far,
        ]
    }
}

/// Memory of [`worth`], used again.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// When each site would have it, s.
    time_s: Vec<f32>,
    /// What a pick there is worth less than at the site.
    less: Vec<f32>,
}

/// An event that may have been: place and origin time, relative to the reference.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    /// East of the reference, m.
    pub x_m: f32,
    /// North of it, m.
    pub y_m: f32,
    /// After it, s.
    pub time_s: f32,
    /// Residuals up to this cost nothing, since the seed is only near, s.
    pub slack_s: f32,
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

/// What the arrivals are worth to that event, one a site, less the silence of the sites.
pub fn worth(isa: Isa, columns: &Columns, seed: Seed, wind: Wind, due: &mut Due) -> f32 {
    let whole = columns.sites.next_multiple_of(LANES);
    due.time_s.resize(whole, 0.0);
    due.less.resize(whole, 0.0);
    match isa {
        Isa::Scalar => scalar(columns, seed, wind, due),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Isa::Avx2` is only made by `Isa::best` after asking the processor for it.
        Isa::Avx2 => unsafe { avx2(columns, seed, wind, due) },
    }
}

/// The larger; the second of two that do not compare, as the vector instruction has it.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Lanes together, always in this order.
#[inline(always)]
fn together(lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let halves = [0, 1, 2, 3].map(|k| join(lanes[k], lanes[k + 4]));
    join(join(halves[0], halves[2]), join(halves[1], halves[3]))
}

/// Defines the truth.
fn scalar(columns: &Columns, seed: Seed, wind: Wind, due: &mut Due) -> f32 {
    let c = columns;
    let mut missed = [0f32; LANES];
    for j in 0..c.x_m.len() {
        let (dx, dy) = (c.x_m[j] - seed.x_m, c.y_m[j] - seed.y_m);
        let distance_m = (dx * dx + dy * dy).sqrt();
        // d / (c + u·w) ≈ s (d − d·w/c): the wind along the path helps. What is left out is (w/c)² of the travel.
        let along = dx * wind.east + dy * wind.north;
        let feels = if c.slowness_s_m[j] >= wind.from_slowness_s_m { along } else { 0.0 };
        due.time_s[j] = seed.time_s + c.slowness_s_m[j] * (distance_m - feels);
        let share = distance_m * c.per_range_1_m[j];
        // The chance to be picked falls slowly at first.
        due.less[j] = if share <= 1.0 { c.fall[j] * (share * share * share) } else { -NOTHING };
        let beyond_middle = if share <= 1.0 { c.far[j] } else { 0.0 };
        let beyond_near = if share <= MIDDLE { c.middle[j] } else { beyond_middle };
        missed[j % LANES] += if share <= NEAR { c.near[j] } else { beyond_near };
    }
    let (mut sum, mut best, mut site) = (0f32, 0f32, u32::MAX);
    for row in &c.rows {
        let at = row.site as usize;
        let mut here = [0f32; LANES];
        for lane in 0..LANES {
            let off_s = larger((row.time_s[lane] - due.time_s[at]).abs() - seed.slack_s, 0.0);
            here[lane] = (row.gain[lane] - due.less[at]) - (off_s * off_s) * row.weight[lane];
        }
        if row.site != site {
            sum += best;
            (best, site) = (0.0, row.site);
        }
        best = larger(together(here, larger), best);
    }
    sum + best + together(missed, |a, b| a + b)
}

/// The same, eight lanes at a time.
///
/// # Safety
/// The processor must have AVX2; `due` must have room for every site, padding included.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(columns: &Columns, seed: Seed, wind: Wind, due: &mut Due) -> f32 {
    use std::arch::x86_64::*;
    let c = columns;
    let whole = c.x_m.len();
    assert!(whole.is_multiple_of(LANES) && due.time_s.len() >= whole && due.less.len() >= whole);
    let splat = |value: f32| _mm256_set1_ps(value);
    let (x, y, start) = (splat(seed.x_m), splat(seed.y_m), splat(seed.time_s));
    let (east, north, slow) = (splat(wind.east), splat(wind.north), splat(wind.from_slowness_s_m));
    let (one, near, middle) = (splat(1.0), splat(NEAR), splat(MIDDLE));
    let mut missed = _mm256_setzero_ps();
    for j in (0..whole).step_by(LANES) {
        // SAFETY: j + 8 ≤ `whole`, which is the length of every column and no more than that of `due`'s.
        let load = |column: &[f32]| unsafe { _mm256_loadu_ps(column.as_ptr().add(j)) };
        let (dx, dy) = (_mm256_sub_ps(load(&c.x_m), x), _mm256_sub_ps(load(&c.y_m), y));
        let distance_m = _mm256_sqrt_ps(_mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy)));
        let along = _mm256_add_ps(_mm256_mul_ps(dx, east), _mm256_mul_ps(dy, north));
        let slowness = load(&c.slowness_s_m);
        let feels = _mm256_and_ps(along, _mm256_cmp_ps::<_CMP_GE_OQ>(slowness, slow));
        let time_s = _mm256_add_ps(start, _mm256_mul_ps(slowness, _mm256_sub_ps(distance_m, feels)));
        let share = _mm256_mul_ps(distance_m, load(&c.per_range_1_m));
        let heard = _mm256_cmp_ps::<_CMP_LE_OQ>(share, one);
        let cube = _mm256_mul_ps(_mm256_mul_ps(share, share), share);
        let less = _mm256_blendv_ps(splat(-NOTHING), _mm256_mul_ps(load(&c.fall), cube), heard);
        let far = _mm256_and_ps(load(&c.far), heard);
        let is_middle = _mm256_cmp_ps::<_CMP_LE_OQ>(share, middle);
        let beyond_near = _mm256_blendv_ps(far, load(&c.middle), is_middle);
        let is_near = _mm256_cmp_ps::<_CMP_LE_OQ>(share, near);
        missed = _mm256_add_ps(missed, _mm256_blendv_ps(beyond_near, load(&c.near), is_near));
        // SAFETY: as for the loads.
        unsafe {
            _mm256_storeu_ps(due.time_s.as_mut_ptr().add(j), time_s);
            _mm256_storeu_ps(due.less.as_mut_ptr().add(j), less);
        }
    }
    let (slack, zero, sign) = (splat(seed.slack_s), _mm256_setzero_ps(), splat(-0.0));
    let (mut sum, mut best, mut site) = (0f32, 0f32, u32::MAX);
    for row in &c.rows {
        let at = row.site as usize;
        // SAFETY: a row's arrays hold eight lanes each.
        let (time_s, gain, weight) = unsafe {
            (
                _mm256_loadu_ps(row.time_s.as_ptr()),
                _mm256_loadu_ps(row.gain.as_ptr()),
                _mm256_loadu_ps(row.weight.as_ptr()),
            )
        };
        let residual_s = _mm256_andnot_ps(sign, _mm256_sub_ps(time_s, splat(due.time_s[at])));
        let off_s = _mm256_max_ps(_mm256_sub_ps(residual_s, slack), zero);
        let cost = _mm256_mul_ps(_mm256_mul_ps(off_s, off_s), weight);
        let here = _mm256_sub_ps(_mm256_sub_ps(gain, splat(due.less[at])), cost);
        let halves = _mm_max_ps(_mm256_castps256_ps128(here), _mm256_extractf128_ps::<1>(here));
        let pairs = _mm_max_ps(halves, _mm_movehl_ps(halves, halves));
        let most = _mm_max_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs));
        if row.site != site {
            sum += best;
            (best, site) = (0.0, row.site);
        }
        best = larger(_mm_cvtss_f32(most), best);
    }
    let mut lanes = [0f32; LANES];
    // SAFETY: eight lanes into an array of eight.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), missed) };
    sum + best + together(lanes, |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Arrival = (f32, f32, f32);

    fn site() -> impl Strategy<Value = (Ear, Vec<Arrival>)> {
        let ear = (
            -3e4f32..3e4,
            -3e4f32..3e4,
            prop_oneof![Just(1.0f32 / 340.0), Just(1.0 / 5800.0), Just(0.0)],
            1e3f32..2e4,
            0f32..5.0,
        )
            .prop_map(|(x_m, y_m, slowness_s_m, range_m, fall)| Ear {
                x_m,
                y_m,
                slowness_s_m,
                range_m,
                fall,
                missed: [-3.0, -1.5, -0.5],
            });
        (ear, proptest::collection::vec((-60f32..60.0, -2f32..10.0, 1f32..100.0), 0..20))
    }

    fn columns(sites: &[(Ear, Vec<Arrival>)]) -> Columns {
        let mut columns = Columns::default();
        for (ear, arrivals) in sites {
            columns.site(*ear);
            for &(time_s, gain, weight) in arrivals {
                columns.arrival(time_s, gain, weight);
            }
        }
        columns.pad();
        columns
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(
            sites in proptest::collection::vec(site(), 0..40),
            x_m in -2e4f32..2e4, y_m in -2e4f32..2e4, time_s in -60f32..60.0, slack_s in 0f32..5.0,
        ) {
            let columns = columns(&sites);
            let seed = Seed { x_m, y_m, time_s, slack_s };
            let wind = Wind { east: 0.02, north: -0.01, from_slowness_s_m: 1.0 / 1000.0 };
            let truth = worth(Isa::Scalar, &columns, seed, wind, &mut Due::default());
            for isa in Isa::available() {
                let sum = worth(isa, &columns, seed, wind, &mut Due::default());
                prop_assert_eq!(sum.to_bits(), truth.to_bits(), "{:?}", isa);
            }
        }

        #[test]
        fn an_event_is_worth_no_more_than_its_arrivals(
            sites in proptest::collection::vec(site(), 0..20), x_m in -1e4f32..1e4, y_m in -1e4f32..1e4,
        ) {
            let columns = columns(&sites);
            let seed = Seed { x_m, y_m, time_s: 0.0, slack_s: 1e3 };
            let sum = worth(Isa::best(), &columns, seed, Wind::default(), &mut Due::default());
            prop_assert!(sum <= columns.most() + 1e-3);
        }
    }

    #[test]
    fn the_best_arrival_of_each_site_counts() {
        let ear = |x_m: f32| Ear {
            x_m,
            y_m: 0.0,
            slowness_s_m: 1.0 / 340.0,
            range_m: 12_000.0,
            fall: 0.0,
            missed: [-1.0, -1.0, -1.0],
        };
        let due = |x_m: f32| 5.0 + x_m.abs() / 340.0;
        let nine: Vec<Arrival> = (0..9).map(|k| (due(-3_000.0) + 10.0 * k as f32, 7.0, 50.0)).collect();
        let sites = [
            (ear(1_000.0), vec![(due(1_000.0), 7.0, 50.0), (due(1_000.0) + 0.1, 7.0, 50.0)]),
            (ear(-3_000.0), nine),
            (ear(5_000.0), Vec::new()),
        ];
        let seed = Seed { x_m: 0.0, y_m: 0.0, time_s: 5.0, slack_s: 0.0 };
        let sum = worth(Isa::best(), &columns(&sites), seed, Wind::default(), &mut Due::default());
        assert!((sum - (14.0 - 3.0)).abs() < 1e-3, "{sum}");
    }
}
