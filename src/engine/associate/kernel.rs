//! The inner loop of the search: how well a column of arrivals fits an event that was there and then.
//!
//! What every arrival would be worth to an event of that place and origin time, the best of each site, less what the
//! silence of the others costs. It is a first look, in f32 and without loudness or bearings, which says what is worth
//! being located.
//!
//! The scalar version defines the truth. Both work in eight lanes and in the same order, so both give the same bits.

/// Lanes of the sum: what an AVX2 register holds of f32.
pub const LANES: usize = 8;

/// The arrivals that an event may be made of, as columns padded to whole lanes. Places and times are relative to a
/// reference near by, which is what lets them be f32.
#[derive(Clone, Debug, Default)]
pub struct Partners {
    len: usize,
    x_m: Vec<f32>,
    y_m: Vec<f32>,
    time_s: Vec<f32>,
    slowness_s_m: Vec<f32>,
    gain: Vec<f32>,
    fall: Vec<f32>,
    weight: Vec<f32>,
    per_range_1_m: Vec<f32>,
    groups: Vec<u32>,
    last_site: u32,
}

/// One arrival of [`Partners`].
#[derive(Clone, Copy, Debug)]
pub struct Partner {
    /// Its node east of the reference, m.
    pub x_m: f32,
    /// North of it, m.
    pub y_m: f32,
    /// When, after the reference, s.
    pub time_s: f32,
    /// Reciprocal of the wave's speed, s/m.
    pub slowness_s_m: f32,
    /// What it is worth where it fits exactly and its node stands at the event, natural log.
    pub gain: f32,
    /// How much less at the end of its node's range.
    pub fall: f32,
    /// ½ / σ², 1/s².
    pub weight: f32,
    /// How far its node hears, m.
    pub range_m: f32,
}

impl Partners {
    /// Forgets the arrivals, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        self.groups.clear();
        self.last_site = u32::MAX;
        for column in self.columns() {
            column.clear();
        }
    }

    /// Adds an arrival. Those of one site come one after the other.
    pub fn push(&mut self, site: u32, partner: Partner) {
        if site != self.last_site {
            self.groups.push(self.len as u32);
            self.last_site = site;
        }
        self.len += 1;
        let Partner { x_m, y_m, time_s, slowness_s_m, gain, fall, weight, range_m } = partner;
        let row = [x_m, y_m, time_s, slowness_s_m, gain, fall, weight, 1.0 / range_m];
        for (column, value) in self.columns().into_iter().zip(row) {
            column.push(value);
        }
    }

    /// Arrivals, without the padding.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sites among them.
    pub fn sites(&self) -> usize {
        self.groups.len()
    }

    /// What they are worth at most together, one a site.
    pub fn most(&self) -> f32 {
        self.best_of_each_site(&self.gain)
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
        let mut sum = 0.0;
        for (at, &from) in self.groups.iter().enumerate() {
            let to = self.groups.get(at + 1).map_or(self.len, |&to| to as usize);
            let mut best = 0f32;
            for &here in &worth[from as usize..to] {
                best = if here > best { here } else { best };
            }
            sum += best;
        }
        sum
    }

    fn columns(&mut self) -> [&mut Vec<f32>; 8] {
        [
            &mut self.x_m,
            &mut self.y_m,
            &mut self.time_s,
            &mut self.slowness_s_m,
            &mut self.gain,
            &mut self.fall,
            &mut self.weight,
            &mut self.per_range_1_m,
        ]
    }
}

/// The sites that would have heard an event, as columns padded to whole lanes: each that is in range adds the
/// logarithm of its chance to miss. What an arrival is worth is counted from there.
#[derive(Clone, Debug, Default)]
pub struct Ears {
    len: usize,
    x_m: Vec<f32>,
    y_m: Vec<f32>,
    per_range_1_m: Vec<f32>,
    near: Vec<f32>,
    middle: Vec<f32>,
    far: Vec<f32>,
}

/// Up to which shares of the range the logarithms of [`Ears`] hold.
pub const EARS_NEAR: f32 = 0.5;
/// The second.
pub const EARS_MIDDLE: f32 = 0.8;

impl Ears {
    /// Forgets the sites, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        for column in self.columns() {
            column.clear();
        }
    }

    /// Adds a site about the reference, with the logarithms of its chance to miss near by, in the middle and far off.
    pub fn push(&mut self, x_m: f32, y_m: f32, range_m: f32, [near, middle, far]: [f32; 3]) {
        self.len += 1;
        for (column, value) in self.columns().into_iter().zip([x_m, y_m, 1.0 / range_m, near, middle, far]) {
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
            &mut self.per_range_1_m,
            &mut self.near,
            &mut self.middle,
            &mut self.far,
        ]
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

/// What the arrivals are worth to that event, one a site, less the silence of the ears. `worth` is memory to work in.
pub fn worth(isa: Isa, partners: &Partners, ears: &Ears, seed: Seed, wind: Wind, worth: &mut Vec<f32>) -> f32 {
    worth.resize(partners.len.next_multiple_of(LANES), 0.0);
    let missed = match isa {
        Isa::Scalar => scalar(partners, ears, seed, wind, worth),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Isa::Avx2` is only made by `Isa::best` after asking the processor for it.
        Isa::Avx2 => unsafe { avx2(partners, ears, seed, wind, worth) },
    };
    partners.best_of_each_site(worth) + missed
}

fn scalar(partners: &Partners, ears: &Ears, seed: Seed, wind: Wind, worth: &mut [f32]) -> f32 {
    lanes(partners, seed, wind, worth);
    missed(ears, seed)
}

/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(partners: &Partners, ears: &Ears, seed: Seed, wind: Wind, worth: &mut [f32]) -> f32 {
    lanes(partners, seed, wind, worth);
    missed(ears, seed)
}

/// Written in lanes so that the compiler can put each in a register of whatever instruction set encloses it; no
/// operation is reassociated or fused, so every instruction set gives the same bits.
#[inline(always)]
fn lanes(partners: &Partners, seed: Seed, wind: Wind, worth: &mut [f32]) {
    let whole = partners.len.next_multiple_of(LANES);
    let (x, y) = (&partners.x_m[..whole], &partners.y_m[..whole]);
    let (time, slowness) = (&partners.time_s[..whole], &partners.slowness_s_m[..whole]);
    let (gain, fall, weight) = (&partners.gain[..whole], &partners.fall[..whole], &partners.weight[..whole]);
    let (per_range, worth) = (&partners.per_range_1_m[..whole], &mut worth[..whole]);
    for from in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            let j = from + lane;
            let (dx, dy) = (x[j] - seed.x_m, y[j] - seed.y_m);
            let distance_m = (dx * dx + dy * dy).sqrt();
            // d / (c + u·w) = d·s / (1 + a), a = (u·w)/c: to the third order, the wind along the path helps.
            let along = (dx * wind.east + dy * wind.north) / distance_m.max(1.0);
            let a = if slowness[j] >= wind.from_slowness_s_m { along } else { 0.0 };
            let travel_s = slowness[j] * distance_m * (1.0 - a + a * a);
            let residual_s = time[j] - seed.time_s - travel_s;
            let off_s = (residual_s.abs() - seed.slack_s).max(0.0);
            let share = distance_m * per_range[j];
            // The chance to be picked falls slowly at first; 2.5 is the power that follows it best.
            let here = gain[j] - fall[j] * share * share * share.sqrt() - off_s * off_s * weight[j];
            worth[j] = if share <= 1.0 { here.max(0.0) } else { 0.0 };
        }
    }
}

#[inline(always)]
fn missed(ears: &Ears, seed: Seed) -> f32 {
    let mut sum = [0f32; LANES];
    let whole = ears.len.next_multiple_of(LANES);
    let (x, y, per_range) = (&ears.x_m[..whole], &ears.y_m[..whole], &ears.per_range_1_m[..whole]);
    let (near, middle, far) = (&ears.near[..whole], &ears.middle[..whole], &ears.far[..whole]);
    for from in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            let j = from + lane;
            let (dx, dy) = (x[j] - seed.x_m, y[j] - seed.y_m);
            let share = (dx * dx + dy * dy).sqrt() * per_range[j];
            let beyond_middle = if share <= 1.0 { far[j] } else { 0.0 };
            let beyond_near = if share <= EARS_MIDDLE { middle[j] } else { beyond_middle };
            sum[lane] += if share <= EARS_NEAR { near[j] } else { beyond_near };
        }
    }
    ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn partner() -> impl Strategy<Value = Partner> {
        (
            (-3e4f32..3e4, -3e4f32..3e4, -60f32..60.0),
            prop_oneof![Just(1.0f32 / 340.0), Just(1.0 / 5800.0), Just(0.0)],
            (-2f32..10.0, 0f32..5.0, 1f32..100.0, 1e3f32..2e4),
        )
            .prop_map(|((x_m, y_m, time_s), slowness_s_m, (gain, fall, weight, range_m))| Partner {
                x_m,
                y_m,
                time_s,
                slowness_s_m,
                gain,
                fall,
                weight,
                range_m,
            })
    }

    fn columns(rows: &[Partner]) -> (Partners, Ears) {
        let (mut partners, mut ears) = (Partners::default(), Ears::default());
        partners.clear();
        for (j, row) in (0u32..).zip(rows) {
            partners.push(j / 2, *row);
            ears.push(row.x_m, row.y_m, row.range_m, [-3.0, -1.5, -0.5]);
        }
        partners.pad();
        ears.pad();
        (partners, ears)
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(
            rows in proptest::collection::vec(partner(), 0..70),
            x_m in -2e4f32..2e4, y_m in -2e4f32..2e4, time_s in -60f32..60.0, slack_s in 0f32..5.0,
        ) {
            let (partners, ears) = columns(&rows);
            let seed = Seed { x_m, y_m, time_s, slack_s };
            let wind = Wind { east: 0.02, north: -0.01, from_slowness_s_m: 1.0 / 1000.0 };
            let (mut oracle, mut here) = (Vec::new(), Vec::new());
            let truth = worth(Isa::Scalar, &partners, &ears, seed, wind, &mut oracle);
            for isa in Isa::available() {
                let sum = worth(isa, &partners, &ears, seed, wind, &mut here);
                prop_assert_eq!(sum.to_bits(), truth.to_bits(), "{:?}", isa);
                prop_assert_eq!(&here, &oracle, "{:?}", isa);
            }
        }

        #[test]
        fn an_event_is_worth_no_more_than_its_arrivals(
            rows in proptest::collection::vec(partner(), 0..30), x_m in -1e4f32..1e4, y_m in -1e4f32..1e4,
        ) {
            let (partners, ears) = columns(&rows);
            let seed = Seed { x_m, y_m, time_s: 0.0, slack_s: 1e3 };
            let sum = worth(Isa::best(), &partners, &ears, seed, Wind::default(), &mut Vec::new());
            prop_assert!(sum <= partners.most() + 1e-3);
        }
    }

    #[test]
    fn arrivals_at_their_time_are_worth_their_gain() {
        let row = |x_m: f32| Partner {
            x_m,
            y_m: 0.0,
            time_s: x_m.abs() / 340.0 + 5.0,
            slowness_s_m: 1.0 / 340.0,
            gain: 7.0,
            fall: 0.0,
            weight: 50.0,
            range_m: 12_000.0,
        };
        let (partners, _) = columns(&[row(1_000.0), row(-3_000.0), row(5_000.0)]);
        // The first two stand at one site: the better counts.
        let seed = Seed { x_m: 0.0, y_m: 0.0, time_s: 5.0, slack_s: 0.0 };
        let sum = worth(Isa::best(), &partners, &Ears::default(), seed, Wind::default(), &mut Vec::new());
        assert!((sum - 14.0).abs() < 1e-3, "{sum}");
    }
}
