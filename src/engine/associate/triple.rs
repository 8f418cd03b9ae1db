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

/// Where and when an event was that the first node, at the origin, heard at 0 and the others as stated: up to two
/// solutions (east, north, time), m and s.
///
/// In air that moves with the wind w the wave is a circle that drifts: with positions taken back along the wind,
/// x′ = x − w t, the source s′ satisfies |x′ₙ − s′| = c (tₙ − t₀). Differences of the squares are linear in s′ and t₀,
/// so s′ = u + v t₀; |s′|² = c² t₀² is then a quadratic (Bancroft 1985, IEEE Trans. AES-21).
pub fn solve(
    speed_m_s: f64,
    (wind_east_m_s, wind_north_m_s): (f64, f64),
    a: Third,
    b: Third,
) -> [Option<(f64, f64, f64)>; 2] {
    let c2 = speed_m_s * speed_m_s;
    let drifted =
        |third: Third| (third.x_m - wind_east_m_s * third.after_s, third.y_m - wind_north_m_s * third.after_s);
    let ((ax, ay), (bx, by)) = (drifted(a), drifted(b));
    let cross = ax * by - ay * bx;
    if cross * cross < FLAT * FLAT * (ax * ax + ay * ay) * (bx * bx + by * by) || cross == 0.0 {
        return [None; 2];
    }
    let constant = |x: f64, y: f64, after_s: f64| 0.5 * (x * x + y * y - c2 * after_s * after_s);
    let (ka, kb) = (constant(ax, ay, a.after_s), constant(bx, by, b.after_s));
    let (la, lb) = (c2 * a.after_s, c2 * b.after_s);
    let (ux, uy) = ((ka * by - kb * ay) / cross, (kb * ax - ka * bx) / cross);
    let (vx, vy) = ((la * by - lb * ay) / cross, (lb * ax - la * bx) / cross);
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
            ux + (vx + wind_east_m_s) * time_s,
            uy + (vy + wind_north_m_s) * time_s,
            time_s,
        ))
    })
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
            let found = solve(c, (wx, wy), third(ax, ay), third(bx, by));
            let sine = (ax * by - ay * bx).abs() / (ax.hypot(ay) * bx.hypot(by)).max(1.0);
            prop_assume!(sine > 0.2);
            let near = found.iter().flatten().map(|&(fx, fy, ft)| (fx - x).hypot(fy - y) + 300.0 * (ft - t0).abs()).fold(1e9, f64::min);
            prop_assert!(near < 1.0, "{near}");
        }
    }
}
