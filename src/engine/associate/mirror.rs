//! Nodes in a line tell how far from it an event was, but not on which side. What is as good on either side is said as
//! one area that holds both: the mean and the covariance of the two, each weighed by its odds.

use super::locate::{Located, Place, Problem};

/// Nodes whose spread across their line is less than this share of that along it are nearly in a line.
const FLAT: f64 = 0.15;
/// The other side counts unless it is so many nats worse: one in twenty.
const MOST_WORSE: f64 = 3.0;
/// Places nearer to each other than so many sigma are one.
const APART_SD: f64 = 3.0;
/// The other side explains so much of the same arrivals.
const LEAST_SHARED: f64 = 0.7;

/// The place on the other side of the line that the event's nodes stand in; `None` where they stand in none.
pub fn other_side(problem: &Problem<'_>, located: &Located) -> Option<Place> {
    let n = located.arrivals.len() as f64;
    if !located.points.is_empty() || n < 2.0 {
        return None;
    }
    let sites = || {
        let site_of = |slot| problem.window.arrival(slot).site as usize;
        located.arrivals.iter().map(move |explained| &problem.field.sites()[site_of(explained.slot)])
    };
    let (x_m, y_m) = sites().fold((0.0, 0.0), |(x, y), site| (x + site.x_m / n, y + site.y_m / n));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for site in sites() {
        let (dx, dy) = (site.x_m - x_m, site.y_m - y_m);
        (xx, xy, yy) = (xx + dx * dx, xy + dx * dy, yy + dy * dy);
    }
    let (mean, radius) = (0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
    if mean - radius > FLAT * FLAT * (mean + radius) {
        return None;
    }
    // The line makes ½·atan2(2 xy, xx − yy) with east; a place is turned over about it.
    let (sin, cos) = (2.0 * xy).atan2(xx - yy).sin_cos();
    let (dx, dy) = (located.at.x_m - x_m, located.at.y_m - y_m);
    Some(Place { x_m: x_m + dx * cos + dy * sin, y_m: y_m + dx * sin - dy * cos, ..located.at })
}

/// Makes one area of an event and its other explanation, if both are to be reckoned with.
pub fn blur(located: &mut Located, other: &Located) {
    let worse = located.score - other.score;
    let d = [other.at.x_m - located.at.x_m, other.at.y_m - located.at.y_m, other.at.time_s - located.at.time_s];
    let square_m2 = d[0] * d[0] + d[1] * d[1];
    let along = |c: &[f64; 6]| (c[0] * d[0] * d[0] + 2.0 * c[1] * d[0] * d[1] + c[3] * d[1] * d[1]) / square_m2;
    let variance_m2 = along(&located.covariance).max(along(&other.covariance));
    if worse > MOST_WORSE
        || located.shared(other) < LEAST_SHARED
        || square_m2 == 0.0
        || square_m2 < APART_SD * APART_SD * variance_m2
    {
        return;
    }
    let there = 1.0 / (1.0 + worse.exp());
    let apart = [d[0] * d[0], d[0] * d[1], d[0] * d[2], d[1] * d[1], d[1] * d[2], d[2] * d[2]];
    for ((here, other), apart) in located.covariance.iter_mut().zip(other.covariance).zip(apart) {
        *here = (1.0 - there) * *here + there * other + there * (1.0 - there) * apart;
    }
    located.at = Place {
        x_m: located.at.x_m + there * d[0],
        y_m: located.at.y_m + there * d[1],
        time_s: located.at.time_s + there * d[2],
    };
    located.two_places = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(y_m: f64, score: f64) -> Located {
        Located {
            at: Place { x_m: 0.0, y_m, time_s: 0.0 },
            covariance: [100.0, 0.0, 0.0, 400.0, 0.0, 0.01],
            score,
            rival: f64::NEG_INFINITY,
            contested: 0.0,
            loudness: 0.0,
            arrivals: Vec::new(),
            points: Vec::new(),
            silent: Vec::new(),
            two_places: false,
        }
    }

    #[test]
    fn two_equal_places_are_one_area_that_holds_both() {
        let (mut here, mut there) = (located(3_000.0, 9.0), located(-3_000.0, 9.0));
        // Of no arrivals nothing is shared.
        let explained = super::super::locate::Explained {
            slot: 0,
            site: 0,
            gain: 1.0,
            residual_s: 0.0,
            residual_deg: None,
            is_second: false,
        };
        here.arrivals.push(explained);
        there.arrivals.push(explained);
        blur(&mut here, &there);
        assert!(here.two_places && here.at.y_m.abs() < 1e-9);
        assert!((here.covariance[3].sqrt() - 3_000.0).abs() < 1.0 && here.covariance[0] == 100.0);
        let mut sure = Located { arrivals: vec![explained], ..located(3_000.0, 13.0) };
        blur(&mut sure, &there);
        assert!(!sure.two_places, "four nats worse");
        let mut near = Located { arrivals: vec![explained], ..located(-2_960.0, 9.0) };
        blur(&mut near, &there);
        assert!(!near.two_places, "the same place");
    }
}
