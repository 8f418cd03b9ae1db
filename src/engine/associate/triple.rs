//! Three arrivals give a place and a time: the closed form that seeds the search.

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
    ///
    /// In air that moves with the wind w the wave is a circle that drifts: with positions taken back along the wind,
    /// x′ = x − w t, the source s′ satisfies |x′ₙ − s′| = c (tₙ − t₀). Differences of the squares are linear in s′ and t₀,
    /// so s′ = u + v t₀; |s′|² = c² t₀² is then a quadratic (Bancroft 1985, IEEE Trans. AES-21).
    #[inline]
    pub fn solve(&self, a: &Prepared, b: &Prepared) -> [Option<(f64, f64, f64)>; 2] {
        let c2 = self.speed_m_s * self.speed_m_s;
        let cross = a.x_m * b.y_m - a.y_m * b.x_m;
        if cross * cross < FLAT * FLAT * a.square_m2 * b.square_m2 || cross == 0.0 {
            return [None; 2];
        }
        let per_cross = 1.0 / cross;
        let across = |ka: f64, kb: f64| ((ka * b.y_m - kb * a.y_m) * per_cross, (kb * a.x_m - ka * b.x_m) * per_cross);
        let (ux, uy) = across(a.constant_m2, b.constant_m2);
        let (vx, vy) = across(a.linear_m2_s, b.linear_m2_s);
        let (q2, q1, q0) = (vx * vx + vy * vy - c2, ux * vx + uy * vy, ux * ux + uy * uy);
        let root = q1 * q1 - q2 * q0;
        if root < 0.0 {
            return [None; 2];
        }
        let root = root.sqrt();
        // The stable form of the quadratic's solutions.
        let q = -(q1 + root.copysign(q1));
        let times = [q / q2, q0 / q];
        let latest_s = a.after_s.min(b.after_s).min(0.0);
        times.map(|time_s| {
            (time_s.is_finite() && time_s <= latest_s).then_some((
                ux + (vx + self.wind_m_s.0) * time_s,
                uy + (vy + self.wind_m_s.1) * time_s,
                time_s,
            ))
        })
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
            let found = drift.solve(&drift.prepare(third(ax, ay)), &drift.prepare(third(bx, by)));
            let sine = (ax * by - ay * bx).abs() / (ax.hypot(ay) * bx.hypot(by)).max(1.0);
            prop_assume!(sine > 0.2);
            let near = found.iter().flatten().map(|&(fx, fy, ft)| (fx - x).hypot(fy - y) + 300.0 * (ft - t0).abs()).fold(1e9, f64::min);
            prop_assert!(near < 1.0, "{near}");
        }
    }
}
