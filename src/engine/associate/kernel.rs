//! The inner loop of the search: how well a column of arrivals fits an event that was there and then.
//!
//! [`gains`] is what the arrivals would be worth to an event of that place and origin time, the best of each site;
//! [`silence`] what it costs that the others picked nothing. Both are a first look, in f32 and without loudness or
//! bearings, which says what is worth being located.
//!
//! Eight sites stand side by side, so that one instruction serves eight of them; below them stand their first arrivals,
//! then their second ones, and so on. The scalar version defines the truth. Both work in eight lanes and in the same
//! order, so both give the same bits.

/// Lanes: what an AVX2 register holds of f32.
pub const LANES: usize = 8;

/// [`Ear::far_s`] of a wave that only comes straight, s.
pub const NEVER_S: f32 = 1e6;

/// What a lane without an arrival is worth: less than anything.
const NOTHING: f32 = -1e30;

/// One value for each of eight sites.
type Lane = [f32; LANES];

/// The arrivals that an event may be made of, and the sites that would have heard it. Places and times are relative to
/// a reference near by, which is what lets them be f32.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    ears: Vec<Ears>,
    rows: Vec<Row>,
    quiet: Vec<Quiet>,
    /// Sites among `ears`, arrivals of the last of them, sites among `quiet`.
    sites: usize,
    level: usize,
    quiets: usize,
}

/// Eight sites that have arrivals.
#[derive(Clone, Copy, Debug, Default)]
struct Ears {
    x_m: Lane,
    y_m: Lane,
    slowness_s_m: Lane,
    far_slowness_s_m: Lane,
    far_s: Lane,
    per_range_1_m: Lane,
    fall: Lane,
    /// Their rows: the first, and how many.
    first: usize,
    depth: usize,
}

/// An arrival of each of eight sites.
#[derive(Clone, Copy, Debug)]
struct Row {
    time_s: Lane,
    gain: Lane,
    weight: Lane,
}

/// Eight sites whose silence means something.
#[derive(Clone, Copy, Debug, Default)]
struct Quiet {
    x_m: Lane,
    y_m: Lane,
    per_range_1_m: Lane,
    near: Lane,
    middle: Lane,
    far: Lane,
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
    /// The same of the wave that may come before it from far away, and what the way down and up adds to that, s; for waves
    /// that have none of that kind, an hour and more.
    pub far_slowness_s_m: f32,
    /// See `far_slowness_s_m`.
    pub far_s: f32,
    /// How far it hears, m.
    pub range_m: f32,
    /// How much less a pick is worth at the end of its range than at the site itself, natural log.
    pub fall: f32,
    /// ln of its chance to miss an event near by, in the middle and far off.
    pub missed: [f32; 3],
}

/// Up to which shares of the range the first two of [`Ear::missed`] hold.
const NEAR: f32 = 0.5;
const MIDDLE: f32 = 0.8;

impl Columns {
    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        (self.sites, self.level, self.quiets) = (0, 0, 0);
        self.ears.clear();
        self.rows.clear();
        self.quiet.clear();
    }

    /// Adds a site that has arrivals.
    pub fn site(&mut self, ear: &Ear) {
        let lane = self.sites % LANES;
        if lane == 0 {
            self.ears.push(Ears { first: self.rows.len(), ..Ears::default() });
        }
        if let Some(ears) = self.ears.last_mut() {
            (ears.x_m[lane], ears.y_m[lane]) = (ear.x_m, ear.y_m);
            (ears.slowness_s_m[lane], ears.per_range_1_m[lane]) = (ear.slowness_s_m, 1.0 / ear.range_m);
            (ears.far_slowness_s_m[lane], ears.far_s[lane]) = (ear.far_slowness_s_m, ear.far_s);
            ears.fall[lane] = ear.fall;
        }
        (self.sites, self.level) = (self.sites + 1, 0);
    }

    /// Adds an arrival of the site that was added last: when, what it is worth where it fits exactly and its node stands
    /// at the event (natural log), and ½ / σ² (1/s²).
    pub fn arrival(&mut self, time_s: f32, gain: f32, weight: f32) {
        let lane = self.sites.wrapping_sub(1) % LANES;
        let Some(ears) = self.ears.last_mut() else { return };
        if self.level == ears.depth {
            ears.depth += 1;
            self.rows.push(Row { time_s: [0.0; LANES], gain: [NOTHING; LANES], weight: [0.0; LANES] });
        }
        let row = &mut self.rows[ears.first + self.level];
        (row.time_s[lane], row.gain[lane], row.weight[lane]) = (time_s, gain, weight);
        self.level += 1;
    }

    /// Adds a site whose silence costs an event that it should have heard; one with arrivals as well, since what each
    /// of them is worth makes up for it.
    pub fn quiet(&mut self, ear: &Ear) {
        let lane = self.quiets % LANES;
        if lane == 0 {
            self.quiet.push(Quiet::default());
        }
        if let Some(quiet) = self.quiet.last_mut() {
            (quiet.x_m[lane], quiet.y_m[lane]) = (ear.x_m, ear.y_m);
            quiet.per_range_1_m[lane] = 1.0 / ear.range_m;
            [quiet.near[lane], quiet.middle[lane], quiet.far[lane]] = ear.missed;
        }
        self.quiets += 1;
    }

    /// What they are worth at most together, one a site.
    pub fn most(&self) -> f32 {
        let mut sum = 0.0;
        for ears in &self.ears {
            let mut best = [0f32; LANES];
            for row in &self.rows[ears.first..ears.first + ears.depth] {
                for (best, gain) in best.iter_mut().zip(row.gain) {
                    *best = best.max(gain);
                }
            }
            sum += best.iter().sum::<f32>();
        }
        sum
    }
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

/// What the arrivals are worth to that event, one a site, and at how many sites one is worth anything.
pub fn gains(isa: Isa, columns: &Columns, seed: Seed, wind: Wind) -> (f32, u32) {
    match isa {
        Isa::Scalar => scalar::gains(columns, seed, wind),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Isa::Avx2` is only made by `Isa::best` after asking the processor for it.
        Isa::Avx2 => unsafe { avx2::gains(columns, seed, wind) },
    }
}

/// What the silence of the sites costs that event: 0 or less.
pub fn silence(isa: Isa, columns: &Columns, seed: Seed) -> f32 {
    match isa {
        Isa::Scalar => scalar::silence(columns, seed),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as in `gains`.
        Isa::Avx2 => unsafe { avx2::silence(columns, seed) },
    }
}

/// Lanes added up, always in this order.
#[inline(always)]
fn total(lanes: Lane) -> f32 {
    let halves = [0, 1, 2, 3].map(|k| lanes[k] + lanes[k + 4]);
    (halves[0] + halves[2]) + (halves[1] + halves[3])
}

/// Defines the truth.
mod scalar {
    use super::{Columns, LANES, MIDDLE, NEAR, NOTHING, Seed, Wind, total};

    /// The larger; the second of two that do not compare, as the vector instruction has it.
    #[inline(always)]
    fn larger(a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }

    pub fn gains(columns: &Columns, seed: Seed, wind: Wind) -> (f32, u32) {
        let (mut sum, mut heard) = ([0f32; LANES], 0);
        for ears in &columns.ears {
            let (mut due_s, mut less, mut best) = ([0f32; LANES], [0f32; LANES], [0f32; LANES]);
            for j in 0..LANES {
                let (dx, dy) = (ears.x_m[j] - seed.x_m, ears.y_m[j] - seed.y_m);
                let distance_m = (dx * dx + dy * dy).sqrt();
                // d / (c + u·w) ≈ s (d − d·w/c): the wind along the path helps. What is left out is (w/c)² of the travel.
                let along = dx * wind.east + dy * wind.north;
                let feels = if ears.slowness_s_m[j] >= wind.from_slowness_s_m { along } else { 0.0 };
                let straight_s = ears.slowness_s_m[j] * (distance_m - feels);
                let below_s = ears.far_s[j] + ears.far_slowness_s_m[j] * distance_m;
                due_s[j] = seed.time_s + if below_s < straight_s { below_s } else { straight_s };
                let share = distance_m * ears.per_range_1_m[j];
                // The chance to be picked falls slowly at first.
                less[j] = if share <= 1.0 { ears.fall[j] * (share * share * share) } else { -NOTHING };
            }
            for row in &columns.rows[ears.first..ears.first + ears.depth] {
                for j in 0..LANES {
                    let off_s = larger((row.time_s[j] - due_s[j]).abs() - seed.slack_s, 0.0);
                    let here = (row.gain[j] - less[j]) - (off_s * off_s) * row.weight[j];
                    best[j] = larger(here, best[j]);
                }
            }
            for j in 0..LANES {
                sum[j] += best[j];
                heard += u32::from(best[j] > 0.0);
            }
        }
        (total(sum), heard)
    }

    pub fn silence(columns: &Columns, seed: Seed) -> f32 {
        let mut missed = [0f32; LANES];
        for quiet in &columns.quiet {
            for (j, missed) in missed.iter_mut().enumerate() {
                let (dx, dy) = (quiet.x_m[j] - seed.x_m, quiet.y_m[j] - seed.y_m);
                let share = (dx * dx + dy * dy).sqrt() * quiet.per_range_1_m[j];
                let beyond_middle = if share <= 1.0 { quiet.far[j] } else { 0.0 };
                let beyond_near = if share <= MIDDLE { quiet.middle[j] } else { beyond_middle };
                *missed += if share <= NEAR { quiet.near[j] } else { beyond_near };
            }
        }
        total(missed)
    }
}

/// The same, eight lanes at a time.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Columns, LANES, Lane, MIDDLE, NEAR, NOTHING, Seed, Wind, total};
    use std::arch::x86_64::*;

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(lanes: &Lane) -> __m256 {
        // SAFETY: eight lanes are read from an array of eight; the load need not be aligned.
        unsafe { _mm256_loadu_ps(lanes.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(value: __m256) -> Lane {
        let mut lanes = [0f32; LANES];
        // SAFETY: eight lanes are written to an array of eight.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), value) };
        lanes
    }

    #[target_feature(enable = "avx2")]
    pub fn gains(columns: &Columns, seed: Seed, wind: Wind) -> (f32, u32) {
        let splat = |value: f32| _mm256_set1_ps(value);
        let (x, y, start) = (splat(seed.x_m), splat(seed.y_m), splat(seed.time_s));
        let (east, north, slow) = (splat(wind.east), splat(wind.north), splat(wind.from_slowness_s_m));
        let (slack, zero, sign, one) = (splat(seed.slack_s), _mm256_setzero_ps(), splat(-0.0), splat(1.0));
        let (mut sum, mut heard) = (zero, 0);
        for ears in &columns.ears {
            let (dx, dy) = (_mm256_sub_ps(load(&ears.x_m), x), _mm256_sub_ps(load(&ears.y_m), y));
            let distance_m = _mm256_sqrt_ps(_mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy)));
            let along = _mm256_add_ps(_mm256_mul_ps(dx, east), _mm256_mul_ps(dy, north));
            let slowness = load(&ears.slowness_s_m);
            let feels = _mm256_and_ps(along, _mm256_cmp_ps::<_CMP_GE_OQ>(slowness, slow));
            let straight_s = _mm256_mul_ps(slowness, _mm256_sub_ps(distance_m, feels));
            let below_s = _mm256_add_ps(load(&ears.far_s), _mm256_mul_ps(load(&ears.far_slowness_s_m), distance_m));
            let due_s = _mm256_add_ps(start, _mm256_min_ps(below_s, straight_s));
            let share = _mm256_mul_ps(distance_m, load(&ears.per_range_1_m));
            let cube = _mm256_mul_ps(_mm256_mul_ps(share, share), share);
            let in_range = _mm256_cmp_ps::<_CMP_LE_OQ>(share, one);
            let less = _mm256_blendv_ps(splat(-NOTHING), _mm256_mul_ps(load(&ears.fall), cube), in_range);
            let mut best = zero;
            for row in &columns.rows[ears.first..ears.first + ears.depth] {
                let residual_s = _mm256_andnot_ps(sign, _mm256_sub_ps(load(&row.time_s), due_s));
                let off_s = _mm256_max_ps(_mm256_sub_ps(residual_s, slack), zero);
                let cost = _mm256_mul_ps(_mm256_mul_ps(off_s, off_s), load(&row.weight));
                best = _mm256_max_ps(_mm256_sub_ps(_mm256_sub_ps(load(&row.gain), less), cost), best);
            }
            sum = _mm256_add_ps(sum, best);
            heard += _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(best, zero)).count_ones();
        }
        (total(store(sum)), heard)
    }

    #[target_feature(enable = "avx2")]
    pub fn silence(columns: &Columns, seed: Seed) -> f32 {
        let splat = |value: f32| _mm256_set1_ps(value);
        let (x, y) = (splat(seed.x_m), splat(seed.y_m));
        let (one, near, middle) = (splat(1.0), splat(NEAR), splat(MIDDLE));
        let mut missed = _mm256_setzero_ps();
        for quiet in &columns.quiet {
            let (dx, dy) = (_mm256_sub_ps(load(&quiet.x_m), x), _mm256_sub_ps(load(&quiet.y_m), y));
            let distance_m = _mm256_sqrt_ps(_mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy)));
            let share = _mm256_mul_ps(distance_m, load(&quiet.per_range_1_m));
            let far = _mm256_and_ps(load(&quiet.far), _mm256_cmp_ps::<_CMP_LE_OQ>(share, one));
            let is_middle = _mm256_cmp_ps::<_CMP_LE_OQ>(share, middle);
            let beyond_near = _mm256_blendv_ps(far, load(&quiet.middle), is_middle);
            let is_near = _mm256_cmp_ps::<_CMP_LE_OQ>(share, near);
            missed = _mm256_add_ps(missed, _mm256_blendv_ps(beyond_near, load(&quiet.near), is_near));
        }
        total(store(missed))
    }
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
                far_slowness_s_m: 0.7 * slowness_s_m,
                far_s: if slowness_s_m < 1e-3 { 1.5 } else { NEVER_S },
                range_m,
                fall,
                missed: [-3.0, -1.5, -0.5],
            });
        (ear, proptest::collection::vec((-60f32..60.0, -2f32..10.0, 1f32..100.0), 0..20))
    }

    fn columns(sites: &[(Ear, Vec<Arrival>)]) -> Columns {
        let mut columns = Columns::default();
        for (ear, arrivals) in sites {
            columns.quiet(ear);
            if arrivals.is_empty() {
                continue;
            }
            columns.site(ear);
            for &(time_s, gain, weight) in arrivals {
                columns.arrival(time_s, gain, weight);
            }
        }
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
            let (truth, heard) = gains(Isa::Scalar, &columns, seed, wind);
            let cost = silence(Isa::Scalar, &columns, seed);
            for isa in Isa::available() {
                let (sum, also) = gains(isa, &columns, seed, wind);
                prop_assert_eq!((sum.to_bits(), also), (truth.to_bits(), heard), "{:?}", isa);
                prop_assert_eq!(silence(isa, &columns, seed).to_bits(), cost.to_bits(), "{:?}", isa);
            }
        }

        #[test]
        fn an_event_is_worth_no_more_than_its_arrivals_and_silence_never_speaks_for_it(
            sites in proptest::collection::vec(site(), 0..20), x_m in -1e4f32..1e4, y_m in -1e4f32..1e4,
        ) {
            let columns = columns(&sites);
            let seed = Seed { x_m, y_m, time_s: 0.0, slack_s: 1e3 };
            let (sum, heard) = gains(Isa::best(), &columns, seed, Wind::default());
            prop_assert!(sum <= columns.most() + 1e-3);
            prop_assert!(heard as usize <= sites.iter().filter(|site| !site.1.is_empty()).count());
            prop_assert!(silence(Isa::best(), &columns, seed) <= 0.0);
        }
    }

    #[test]
    fn the_best_arrival_of_each_site_counts() {
        let ear = |x_m: f32| Ear {
            x_m,
            y_m: 0.0,
            slowness_s_m: 1.0 / 340.0,
            far_slowness_s_m: 0.0,
            far_s: NEVER_S,
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
        let (sum, heard) = gains(Isa::best(), &columns(&sites), seed, Wind::default());
        assert!((sum - 14.0).abs() < 1e-3 && heard == 2, "{sum} {heard}");
        assert!((silence(Isa::best(), &columns(&sites), seed) + 3.0).abs() < 1e-6);
    }
}
