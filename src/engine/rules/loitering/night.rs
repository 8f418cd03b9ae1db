//! Whether it is night somewhere.

use crate::model::geo::LonLat;
use crate::model::time::{NS_PER_S, s_from_ns};

/// 2000-01-01T12:00:00Z, nanoseconds since 1970.
const J2000_NS: i64 = 946_728_000 * NS_PER_S;
const DAY_NS: f64 = 86_400e9;
/// Below it civil twilight is over.
const NIGHT_DEG: f64 = -6.0;
/// The sun's height changes by no more in a second: the earth turns by that, and the sun moves on a little besides.
const MOST_PER_S_DEG: f64 = 0.0043;

/// Whether it is night, asked again and again: mostly it is, or is not, by far, there and elsewhere.
#[derive(Default)]
pub(super) struct Night {
    /// Where and when the sun's height was worked out last, and what it was, degrees.
    last: Option<(LonLat, i64, f64)>,
}

impl Night {
    /// Whether the sun is 6° or more below the horizon there and then.
    pub(super) fn is_at(&mut self, place: LonLat, time_ns: i64) -> bool {
        if let Some((known, known_ns, height_deg)) = self.last {
            // No two places see it further apart than they are, and there are no more degrees between them than along two sides.
            let apart_deg = (place.lat_deg - known.lat_deg).abs() + (place.lon_deg - known.lon_deg).abs();
            let most_deg = apart_deg + MOST_PER_S_DEG * s_from_ns(time_ns.saturating_sub(known_ns)).abs();
            if (height_deg - NIGHT_DEG).abs() > most_deg + 0.01 {
                return height_deg < NIGHT_DEG;
            }
        }
        let height_deg = sun_deg(place, time_ns);
        self.last = Some((place, time_ns, height_deg));
        height_deg < NIGHT_DEG
    }
}

/// How high the sun stands, degrees. By the low-precision formulas of the Astronomical Almanac (page C5), good to 0.01° from 1950
/// to 2050.
fn sun_deg(place: LonLat, time_ns: i64) -> f64 {
    let days = (time_ns - J2000_NS) as f64 / DAY_NS;
    let anomaly = (357.528 + 0.985_600_3 * days).to_radians();
    let longitude = (280.460 + 0.985_647_4 * days + 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let obliquity = (23.439 - 4e-7 * days).to_radians();
    let declination = (obliquity.sin() * longitude.sin()).asin();
    let ascension = (obliquity.cos() * longitude.sin()).atan2(longitude.cos());
    // Greenwich's mean sidereal time.
    let sidereal = (280.460_618 + 360.985_647_366 * days + place.lon_deg).rem_euclid(360.0).to_radians();
    let latitude = place.lat_deg.to_radians();
    let sine = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * (sidereal - ascension).cos();
    sine.clamp(-1.0, 1.0).asin().to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;
    use proptest::prelude::*;

    #[test]
    fn night_falls_when_the_almanac_says() {
        let at = |lon_deg: f64, lat_deg: f64, text: &str| {
            Night::default().is_at(LonLat { lon_deg, lat_deg }, parse_rfc3339(text.as_bytes()).unwrap())
        };
        // Greenwich, 2024-03-20: sunset 18:13, the end of civil twilight 18:46.
        assert!(!at(0.0, 51.48, "2024-03-20T18:36:00Z") && at(0.0, 51.48, "2024-03-20T18:56:00Z"));
        // Tromsø has no day at midwinter noon beyond twilight, and no night at midsummer.
        assert!(!at(18.95, 69.65, "2024-06-21T23:00:00Z"));
        assert!(at(30.7, 46.5, "2024-12-21T22:00:00Z") && !at(30.7, 46.5, "2024-12-21T10:00:00Z"));
    }

    proptest! {
        #[test]
        fn what_is_known_of_elsewhere_and_before_is_so(
            asked in proptest::collection::vec((-180.0f64..180.0, -80.0f64..80.0, -3.0f64..3.0, 0i64..200_000), 1..40),
        ) {
            let (mut night, mut place) = (Night::default(), LonLat { lon_deg: 0.0, lat_deg: 0.0 });
            for (lon_deg, lat_deg, near_deg, at_s) in asked {
                // Mostly near where it was asked last.
                place = match near_deg {
                    near_deg if near_deg > 2.0 => LonLat { lon_deg, lat_deg },
                    near_deg => LonLat { lon_deg: place.lon_deg + near_deg, lat_deg: place.lat_deg },
                };
                let time_ns = (1_772_323_200 + at_s) * NS_PER_S;
                prop_assert_eq!(night.is_at(place, time_ns), sun_deg(place, time_ns) < NIGHT_DEG);
            }
        }
    }
}
