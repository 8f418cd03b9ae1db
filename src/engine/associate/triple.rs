//! Three arrivals give a place and a time: the closed form that seeds the search.

use super::kernel::Isa;

/// An arrival of a triple, relative to the first one.
#[derive(Clone, Copy, Debug)]
pub struct Third {
    /// Its node east of the first one's, m.
    pub x_m: f64,
    /// North of it, m.
    pub y_m: f64,
    /// How much later, s; negative: earlier.
    pub after_s: f64,
}

/// Two lines from the first node that are nearer to each other than this (sine of the angle) fix nothing.
const FLAT: f64 = 0.08;

/// An arrival as the equations have it: what can be worked out before it is known which two make the triple.
#[derive(Clone, Copy, Debug)]
pub struct Prepared {
    /// Its node's place taken back along the wind, x′ = x − w t.
    x_m: f64,
    y_m: f64,
    square_m2: f64,
    after_s: f64,
    /// ½ (|x′|² − c² t²) and c² t.
    constant_m2: f64,
    linear_m2_s: f64,
}

/// The air that the wave goes through: its speed and the wind, m/s.
#[derive(Clone, Copy, Debug)]
pub struct Drift {
    /// Speed of the wave in still air.
    pub speed_m_s: f64,
    /// The wind, (east, north).
    pub wind_m_s: (f64, f64),
}

impl Drift {
    /// Prepares an arrival.
    pub fn prepare(&self, third: Third) -> Prepared {
        let c2 = self.speed_m_s * self.speed_m_s;
        let after_s = third.after_s;
        let (x_m, y_m) = (third.x_m - self.wind_m_s.0 * after_s, third.y_m - self.wind_m_s.1 * after_s);
        let square_m2 = x_m * x_m + y_m * y_m;
        let constant_m2 = 0.5 * (square_m2 - c2 * after_s * after_s);
        Prepared { x_m, y_m, square_m2, after_s, constant_m2, linear_m2_s: c2 * after_s }
    }

    /// Where and when an event was that the first node, at the origin, heard at 0 and the others as stated: up to two
    /// solutions (east, north, time), m and s.
    pub fn solve(&self, a: &Prepared, b: &Prepared) -> impl Iterator<Item = (f64, f64, f64)> + use<> {
        let mut lane = Lanes::<1>::NONE;
        lane.put(0, a);
        let [first, second] = self.solve_lanes(&lane, b);
        let found = [first, second].map(|of| (of.x_m[0], of.y_m[0], of.time_s[0]));
        found.into_iter().filter(|found| !found.2.is_nan())
    }

    /// The same for one arrival with each of several others. A time that is no number: no solution.
    ///
    /// In air that moves with the wind w the wave is a circle that drifts: with positions taken back along the wind,
    /// x′ = x − w t, the source s′ satisfies |x′ₙ − s′| = c (tₙ − t₀). Differences of the squares are linear in s′ and t₀,
    /// so s′ = u + v t₀; |s′|² = c² t₀² is then a quadratic (Bancroft 1985, IEEE Trans. AES-21).
    #[inline(always)]
    fn solve_lanes<const N: usize>(&self, a: &Lanes<N>, b: &Prepared) -> [Solved<N>; 2] {
        let none = Solved { x_m: [0.0; N], y_m: [0.0; N], time_s: [f64::NAN; N] };
        let (mut first, mut second) = (none, none);
        let c2 = self.speed_m_s * self.speed_m_s;
        for j in 0..N {
            let cross = a.x_m[j] * b.y_m - a.y_m[j] * b.x_m;
            let is_flat = (cross * cross < FLAT * FLAT * a.square_m2[j] * b.square_m2) | (cross == 0.0);
            // Multiplied by `cross`, all of it; what comes out is divided by it in the end.
            let ux = a.constant_m2[j] * b.y_m - b.constant_m2 * a.y_m[j];
            let uy = b.constant_m2 * a.x_m[j] - a.constant_m2[j] * b.x_m;
            let vx = a.linear_m2_s[j] * b.y_m - b.linear_m2_s * a.y_m[j];
            let vy = b.linear_m2_s * a.x_m[j] - a.linear_m2_s[j] * b.x_m;
            let (q2, q1, q0) = (vx * vx + vy * vy - c2 * cross * cross, ux * vx + uy * vy, ux * ux + uy * uy);
            // Below zero, and so no number, where the circles do not meet.
            let root = (q1 * q1 - q2 * q0).sqrt();
            // The stable form of the quadratic's solutions.
            let q = -(q1 + root.copysign(q1));
            let per_cross = 1.0 / cross;
            let before_a_s = if a.after_s[j] < 0.0 { a.after_s[j] } else { 0.0 };
            let latest_s = if b.after_s < before_a_s { b.after_s } else { before_a_s };
            for (time_s, solved) in [(q / q2, &mut first), (q0 / q, &mut second)] {
                let fits = (time_s <= latest_s) & (time_s > f64::NEG_INFINITY) & !is_flat;
                solved.x_m[j] = (ux + vx * time_s) * per_cross + self.wind_m_s.0 * time_s;
                solved.y_m[j] = (uy + vy * time_s) * per_cross + self.wind_m_s.1 * time_s;
                solved.time_s[j] = if fits { time_s } else { f64::NAN };
            }
        }
        [first, second]
    }
}

/// Columns of [`Prepared`].
#[derive(Clone, Copy)]
struct Lanes<const N: usize> {
    x_m: [f64; N],
    y_m: [f64; N],
    square_m2: [f64; N],
    after_s: [f64; N],
    constant_m2: [f64; N],
    linear_m2_s: [f64; N],
}

impl<const N: usize> Lanes<N> {
    const NONE: Lanes<N> = Lanes {
        x_m: [0.0; N],
        y_m: [0.0; N],
        square_m2: [0.0; N],
        after_s: [0.0; N],
        constant_m2: [0.0; N],
        linear_m2_s: [0.0; N],
    };

    fn put(&mut self, lane: usize, prepared: &Prepared) {
        let &Prepared { x_m, y_m, square_m2, after_s, constant_m2, linear_m2_s } = prepared;
        (self.x_m[lane], self.y_m[lane], self.square_m2[lane]) = (x_m, y_m, square_m2);
        (self.after_s[lane], self.constant_m2[lane], self.linear_m2_s[lane]) = (after_s, constant_m2, linear_m2_s);
    }

    fn prepared(&self, lane: usize) -> Prepared {
        Prepared {
            x_m: self.x_m[lane],
            y_m: self.y_m[lane],
            square_m2: self.square_m2[lane],
            after_s: self.after_s[lane],
            constant_m2: self.constant_m2[lane],
            linear_m2_s: self.linear_m2_s[lane],
        }
    }
}

/// Solutions, one a lane.
#[derive(Clone, Copy)]
struct Solved<const N: usize> {
    x_m: [f64; N],
    y_m: [f64; N],
    time_s: [f64; N],
}

/// Lanes: what an AVX2 register holds of f64.
const LANES: usize = 4;

/// Four arrivals side by side, so that one instruction serves all of them.
#[derive(Clone, Copy)]
struct Block {
    prepared: Lanes<LANES>,
    /// Where each node stands, and how far it hears, squared; a lane without an arrival hears nothing.
    stands_x_m: [f64; LANES],
    stands_y_m: [f64; LANES],
    range_m2: [f64; LANES],
}

impl Block {
    const EMPTY: Block =
        Block { prepared: Lanes::NONE, stands_x_m: [0.0; LANES], stands_y_m: [0.0; LANES], range_m2: [-1.0; LANES] };
}

/// Arrivals that make triples with one apex.
#[derive(Default)]
pub struct Thirds {
    blocks: Vec<Block>,
    len: usize,
}

impl Thirds {
    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.len = 0;
    }

    /// Adds an arrival at a node that hears so far, m; one that hears nothing makes no triple.
    pub fn push(&mut self, drift: &Drift, third: Third, range_m: Option<f64>) {
        let lane = self.len % LANES;
        if lane == 0 {
            self.blocks.push(Block::EMPTY);
        }
        self.len += 1;
        let Some(block) = self.blocks.last_mut() else { return };
        block.prepared.put(lane, &drift.prepare(third));
        (block.stands_x_m[lane], block.stands_y_m[lane]) = (third.x_m, third.y_m);
        block.range_m2[lane] = range_m.map_or(-1.0, |range_m| range_m * range_m);
    }

    /// The events (east, north, time) that the arrival number `b` and each of the first `count` make with the apex, as
    /// far as all three nodes hear them; the apex's hears as far as `range_m`. Two that differ by more than the wave
    /// takes from one node to the other, and 5% and `slack_s` more, make none.
    pub fn solve(
        &self,
        isa: Isa,
        drift: &Drift,
        (count, b): (usize, usize),
        (range_m, slack_s): (f64, f64),
        found: &mut Vec<(f64, f64, f64)>,
    ) {
        found.clear();
        let range_m2 = range_m * range_m;
        match isa {
            Isa::Scalar => self.solve_each(drift, (count, b), (range_m2, slack_s), found),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Isa::Avx2` is only made by `Isa::best` after asking the processor for it.
            Isa::Avx2 => unsafe { self.solve_each_avx2(drift, (count, b), (range_m2, slack_s), found) },
        }
    }

    /// The same code, for a processor that has twice the lanes.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn solve_each_avx2(
        &self,
        drift: &Drift,
        numbers: (usize, usize),
        limits: (f64, f64),
        found: &mut Vec<(f64, f64, f64)>,
    ) {
        self.solve_each(drift, numbers, limits, found);
    }

    #[inline(always)]
    fn solve_each(
        &self,
        drift: &Drift,
        (count, b): (usize, usize),
        (range_m2, slack_s): (f64, f64),
        found: &mut Vec<(f64, f64, f64)>,
    ) {
        let Some(of_b) = self.blocks.get(b / LANES) else { return };
        let lane = b % LANES;
        let (b_x_m, b_y_m, b_range_m2) = (of_b.stands_x_m[lane], of_b.stands_y_m[lane], of_b.range_m2[lane]);
        let b = of_b.prepared.prepared(lane);
        for (block, from) in self.blocks.iter().zip((0..count).step_by(LANES)) {
            let solved = drift.solve_lanes(&block.prepared, &b);
            let mut hits = [[0u64; LANES]; 2];
            for j in 0..LANES {
                let square_m2 = |dx: f64, dy: f64| dx * dx + dy * dy;
                let (a_x_m, a_y_m) = (block.stands_x_m[j], block.stands_y_m[j]);
                let beyond_m = ((block.prepared.after_s[j] - b.after_s).abs() - slack_s) * drift.speed_m_s;
                let apart_m2 = square_m2(a_x_m - b_x_m, a_y_m - b_y_m);
                let is_near = (beyond_m <= 0.0) | (beyond_m * beyond_m <= 1.05 * 1.05 * apart_m2);
                for (solved, hits) in solved.iter().zip(&mut hits) {
                    let (x_m, y_m) = (solved.x_m[j], solved.y_m[j]);
                    let is_heard = (square_m2(x_m, y_m) <= range_m2)
                        & (square_m2(x_m - b_x_m, y_m - b_y_m) <= b_range_m2)
                        & (square_m2(x_m - a_x_m, y_m - a_y_m) <= block.range_m2[j])
                        & (solved.time_s[j] <= 0.0);
                    hits[j] = u64::from(is_near & is_heard);
                }
            }
            for j in 0..LANES.min(count - from) {
                for (solved, hits) in solved.iter().zip(&hits) {
                    if hits[j] != 0 {
                        found.push((solved.x_m[j], solved.y_m[j], solved.time_s[j]));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_an_event_sends_out_leads_back_to_it(
            x in -1e4f64..1e4, y in -1e4f64..1e4, ax in -9e3f64..9e3, ay in -9e3f64..9e3,
            bx in -9e3f64..9e3, by in -9e3f64..9e3, wx in -15f64..15.0, wy in -15f64..15.0,
        ) {
            let c = 335.0;
            // Time for the drifting circle to reach a node: |q − w t| = c t.
            let travel = |qx: f64, qy: f64| {
                let (a, b, d) = (c * c - wx * wx - wy * wy, qx * wx + qy * wy, qx * qx + qy * qy);
                (-b + (b * b + a * d).sqrt()) / a
            };
            let t0 = -travel(-x, -y);
            let third = |qx: f64, qy: f64| Third { x_m: qx, y_m: qy, after_s: t0 + travel(qx - x, qy - y) };
            let drift = Drift { speed_m_s: c, wind_m_s: (wx, wy) };
            let found: Vec<_> = drift.solve(&drift.prepare(third(ax, ay)), &drift.prepare(third(bx, by))).collect();
            let sine = (ax * by - ay * bx).abs() / (ax.hypot(ay) * bx.hypot(by)).max(1.0);
            prop_assume!(sine > 0.2);
            let near = found.iter().map(|&(fx, fy, ft)| (fx - x).hypot(fy - y) + 300.0 * (ft - t0).abs()).fold(1e9, f64::min);
            prop_assert!(near < 1.0, "{near}");
        }

        #[test]
        fn many_at_once_are_as_many_one_by_one(
            arrivals in proptest::collection::vec((-9e3f64..9e3, -9e3f64..9e3, -30f64..30.0, 1e3f64..2e4), 1..30),
            b in 0usize..30, range_m in 1e3f64..2e4, wx in -15f64..15.0,
        ) {
            let b = b % arrivals.len();
            let drift = Drift { speed_m_s: 335.0, wind_m_s: (wx, 3.0) };
            let mut thirds = Thirds::default();
            for &(x_m, y_m, after_s, range_m) in &arrivals {
                thirds.push(&drift, Third { x_m, y_m, after_s }, Some(range_m));
            }
            let third = |(x_m, y_m, after_s, _): (f64, f64, f64, f64)| Third { x_m, y_m, after_s };
            let mut expected = Vec::new();
            let (at_b, heard_b) = (arrivals[b], arrivals[b].3);
            for &a in &arrivals[..b] {
                let beyond_m = ((a.2 - at_b.2).abs() - 0.8) * 335.0;
                if beyond_m > 0.0 && beyond_m.powi(2) > 1.05 * 1.05 * ((a.0 - at_b.0).powi(2) + (a.1 - at_b.1).powi(2)) {
                    continue;
                }
                expected.extend(drift.solve(&drift.prepare(third(a)), &drift.prepare(third(at_b))).filter(|&(x, y, _)| {
                    let within = |(sx, sy): (f64, f64), range_m: f64| {
                        (x - sx).powi(2) + (y - sy).powi(2) <= range_m * range_m
                    };
                    within((0.0, 0.0), range_m) && within((a.0, a.1), a.3) && within((at_b.0, at_b.1), heard_b)
                }));
            }
            for isa in Isa::available() {
                let mut found = Vec::new();
                thirds.solve(isa, &drift, (b, b), (range_m, 0.8), &mut found);
                prop_assert_eq!(&found, &expected, "{:?}", isa);
            }
        }
    }
}
