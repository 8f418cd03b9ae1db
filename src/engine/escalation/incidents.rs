//! Rounds become incidents: what falls side by side and one soon after another is one, however many rounds it has.
//!
//! Fire comes in barrages, so rounds are no Poisson stream, and what is learnt from ten of one barrage is little more than
//! from one. Rounds no further apart than [`BESIDE_M`] and [`SOON_S`] are of one incident, and so is what hangs on them in
//! turn (single linkage, as clusters of earthquakes are taken together: Reasenberg 1985, J. Geophys. Res. 90). Each bin
//! is looked at by itself: an incident that goes on counts once in each bin, so a place that stays under fire goes on
//! counting. Both bounds are tight, for where much happens wide ones would take what is three times as much for one.

use crate::model::geo::LonLat;

/// Rounds of one incident are no further apart than this, m.
const BESIDE_M: f64 = 500.0;
/// And no longer, nanoseconds.
const SOON_NS: i64 = 120 * 1_000_000_000;
/// Length of a degree of a great circle, m: good to a third of a percent.
const DEGREE_M: f64 = 111_195.0;

/// A round: when, nanoseconds, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// When, nanoseconds.
    pub time_ns: i64,
    /// Where.
    pub place: LonLat,
}

/// The incidents of these rounds: of each the place of its first round, in the order of these. A matter of the set.
pub fn incidents(rounds: &[Round]) -> Vec<LonLat> {
    let order = |a: &Round, b: &Round| {
        let place = |round: &Round| (round.place.lon_deg, round.place.lat_deg);
        place(a).partial_cmp(&place(b)).unwrap_or(std::cmp::Ordering::Equal).then(a.time_ns.cmp(&b.time_ns))
    };
    let mut rounds = rounds.to_vec();
    rounds.sort_by(order);
    let mut links: Vec<usize> = (0..rounds.len()).collect();
    for (at, round) in rounds.iter().enumerate() {
        let east_m = DEGREE_M * round.place.lat_deg.to_radians().cos();
        for (further, other) in rounds.iter().enumerate().skip(at + 1) {
            let x_m = (other.place.lon_deg - round.place.lon_deg) * east_m;
            if x_m > BESIDE_M {
                break;
            }
            let y_m = (other.place.lat_deg - round.place.lat_deg) * DEGREE_M;
            if x_m * x_m + y_m * y_m <= BESIDE_M * BESIDE_M && (other.time_ns - round.time_ns).abs() <= SOON_NS {
                let (a, b) = (root(&mut links, at), root(&mut links, further));
                links[a.max(b)] = a.min(b);
            }
        }
    }
    let mut first: Vec<Option<Round>> = vec![None; rounds.len()];
    for (at, round) in rounds.iter().enumerate() {
        let first = &mut first[root(&mut links, at)];
        if first.is_none_or(|first| round.time_ns < first.time_ns) {
            *first = Some(*round);
        }
    }
    let mut first: Vec<Round> = first.into_iter().flatten().collect();
    first.sort_by(|a, b| a.time_ns.cmp(&b.time_ns).then(order(a, b)));
    first.iter().map(|round| round.place).collect()
}

/// The round that stands for all that hang together with one.
fn root(links: &mut [usize], mut at: usize) -> usize {
    while links[at] != at {
        links[at] = links[links[at]];
        at = links[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(time_s: f64, east_m: f64, north_m: f64) -> Round {
        let middle = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
        let place = middle.toward(east_m.atan2(north_m).to_degrees(), east_m.hypot(north_m));
        Round { time_ns: (time_s * 1e9) as i64, place }
    }

    #[test]
    fn a_barrage_is_one_incident_and_what_is_elsewhere_or_later_another() {
        let barrage: Vec<Round> =
            (0..40).map(|n| at(6.0 * f64::from(n), 100.0 * f64::from(n % 8), 90.0 * f64::from(n % 5))).collect();
        assert_eq!(incidents(&barrage).len(), 1);
        let with = |more: &[Round]| incidents(&[&barrage, more].concat()).len();
        assert_eq!(with(&[at(30.0, 6000.0, 0.0), at(31.0, -4000.0, 0.0)]), 3);
        assert_eq!(with(&[at(290.0, 0.0, 0.0)]), 1);
        assert_eq!(with(&[at(400.0, 0.0, 0.0)]), 2, "after a pause");
        assert_eq!(incidents(&[at(5.0, 0.0, 0.0), at(1.0, 100.0, 0.0)]), [at(1.0, 100.0, 0.0).place]);
        assert!(incidents(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn it_is_a_matter_of_the_set(
            rounds in proptest::collection::vec((0.0f64..300.0, -2000.0f64..2000.0, -2000.0f64..2000.0), 1..60),
        ) {
            let mut rounds: Vec<Round> = rounds.iter().map(|&(s, east_m, north_m)| at(s, east_m, north_m)).collect();
            let told = incidents(&rounds);
            rounds.reverse();
            prop_assert_eq!(&incidents(&rounds), &told);
            // By trying all pairs, a little less and a little further apart than meant: degrees are taken to be as long everywhere.
            let counted = |beside_m: f64| {
                let mut links: Vec<usize> = (0..rounds.len()).collect();
                for a in 0..rounds.len() {
                    for b in 0..a {
                        let (one, other) = (rounds[a], rounds[b]);
                        if one.place.flat_distance_m(other.place) <= beside_m && (one.time_ns - other.time_ns).abs() <= SOON_NS {
                            let (a, b) = (root(&mut links, a), root(&mut links, b));
                            links[a.max(b)] = a.min(b);
                        }
                    }
                }
                (0..rounds.len()).filter(|&at| links[at] == at).count()
            };
            let (most, least) = (counted(0.99 * BESIDE_M), counted(1.01 * BESIDE_M));
            prop_assert!((least..=most).contains(&told.len()), "{} of {least} to {most}", told.len());
        }
    }
}
