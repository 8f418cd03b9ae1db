//! Which notice covers an event, and which one announced it, but less of it.
//!
//! A notice covers what it names and no more: kind, place and time must all match, all along. What lasts or moves is
//! covered when some notice covers each moment of it that is known; where only some are, what was announced was
//! exceeded.

use super::Places;
use crate::model::alert::{Class, Exceeds, Measure};
use crate::model::geo::LonLat;
use serde::{Deserialize, Serialize};

/// What moves is within the border of a notice as long as it is not so many standard deviations beyond it: who keeps to
/// the edge of what was announced, plotted with an error, keeps to it.
const BEYOND_SD: f64 = 2.0;

/// One moment of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waypoint {
    /// Where it was.
    pub place: LonLat,
    /// When, nanoseconds.
    pub time_ns: i64,
    /// One sigma of the place, metres; 0: the place as it is; infinite: nobody knows, and only the time counts.
    pub sd_m: f64,
}

impl Waypoint {
    /// Then and there.
    pub fn new(place: LonLat, time_ns: i64) -> Waypoint {
        Waypoint { place, time_ns, sd_m: 0.0 }
    }
}

/// How one notice stands to one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Fit {
    in_time: bool,
    in_place: bool,
}

impl Places {
    /// The notice that covers all of an event of that class, and else the one that was exceeded; of several that cover
    /// its beginning the one whose id sorts first.
    pub(super) fn announced(&self, class: Class, way: &[Waypoint]) -> (Option<String>, Option<Exceeds>) {
        if self.notices.is_empty() {
            return (None, None);
        }
        let mut near: Vec<usize> = Vec::new();
        for point in way.iter().filter(|point| point.sd_m.is_finite()) {
            self.notice_grid.each_near(point.place, BEYOND_SD * point.sd_m, |ix| {
                if !near.contains(&ix) && self.notices[ix].kinds.iter().any(|kind| kind.covers(class)) {
                    near.push(ix);
                }
            });
        }
        near.sort_unstable_by(|&a, &b| self.notices[a].notice.cmp(&self.notices[b].notice));
        let covering = |point: &Waypoint| near.iter().copied().find(|&ix| self.fit(ix, point) == Fit::WHOLE);
        let Some(first) = way.iter().find_map(covering) else { return (None, None) };
        let mut by = Vec::new();
        for point in way.iter().filter(|point| covering(point).is_none()) {
            let fit = self.fit(first, point);
            by.extend((!fit.in_time).then_some(Measure::Time));
            by.extend((!fit.in_place).then_some(Measure::Place));
        }
        by.sort_unstable();
        by.dedup();
        let notice = self.notices[first].notice.clone();
        if by.is_empty() { (Some(notice), None) } else { (None, Some(Exceeds { notice, by })) }
    }

    fn fit(&self, ix: usize, point: &Waypoint) -> Fit {
        let notice = &self.notices[ix];
        let within = |outline: &super::Outline| match point.sd_m {
            0.0 => outline.contains(point.place),
            sd_m => outline.signed_distance_m(point.place) >= -BEYOND_SD * sd_m,
        };
        Fit {
            in_time: (notice.from_ns..=notice.to_ns).contains(&point.time_ns),
            in_place: point.sd_m == f64::INFINITY || self.notice_outlines[ix].as_ref().is_some_and(within),
        }
    }
}

impl Fit {
    const WHOLE: Fit = Fit { in_time: true, in_place: true };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::notice::{Notice, NoticeKind};
    use geo::{LineString, MultiPolygon, Polygon};
    use proptest::prelude::*;

    fn notice(id: &str, from_ns: i64, to_ns: i64, west: f64) -> Notice {
        let ring =
            LineString::from(vec![(west, 50.0), (west + 0.2, 50.0), (west + 0.2, 50.2), (west, 50.2), (west, 50.0)]);
        let shape = MultiPolygon::new(vec![Polygon::new(ring, Vec::new())]);
        Notice { notice: id.to_owned(), kinds: vec![NoticeKind::Vessel], from_ns, to_ns, by: None, count: None, shape }
    }

    fn at(lon_deg: f64, time_ns: i64) -> Waypoint {
        Waypoint { place: LonLat { lon_deg, lat_deg: 50.1 }, time_ns, sd_m: 20.0 }
    }

    fn judged(notices: &[Notice], way: &[Waypoint]) -> (Option<String>, Option<(String, Vec<Measure>)>) {
        let (notice, exceeds) = Places::new(Vec::new(), notices.to_vec()).announced(Class::SeaIncursion, way);
        (notice, exceeds.map(|it| (it.notice, it.by)))
    }

    #[test]
    fn a_stay_is_covered_as_a_whole_or_exceeds_what_was_announced() {
        let notices = [notice("n", 100, 200, 30.0)];
        let exceeds = |by: &[Measure]| (None, Some(("n".to_owned(), by.to_vec())));
        assert_eq!(judged(&notices, &[at(30.05, 110), at(30.1, 190)]), (Some("n".into()), None));
        assert_eq!(judged(&notices, &[at(30.05, 110), at(30.1, 210)]), exceeds(&[Measure::Time]));
        assert_eq!(judged(&notices, &[at(30.05, 90), at(30.1, 190)]), exceeds(&[Measure::Time]), "it came too soon");
        assert_eq!(judged(&notices, &[at(30.05, 110), at(30.4, 120), at(30.1, 190)]), exceeds(&[Measure::Place]));
        assert_eq!(judged(&notices, &[at(30.05, 110), at(30.4, 220)]), exceeds(&[Measure::Time, Measure::Place]));
        assert_eq!(judged(&notices, &[at(30.4, 110), at(30.5, 120)]), (None, None), "of it nothing was announced");
    }

    #[test]
    fn notices_one_after_the_other_cover_what_goes_on() {
        let notices = [notice("a", 100, 200, 30.0), notice("b", 150, 300, 30.1)];
        assert_eq!(judged(&notices, &[at(30.15, 110), at(30.15, 250)]), (Some("a".into()), None));
        assert_eq!(judged(&notices[..1], &[at(30.15, 110), at(30.15, 250)]).1, Some(("a".into(), vec![Measure::Time])));
    }

    #[test]
    fn the_border_is_as_sharp_as_the_plots() {
        let notices = [notice("n", 100, 200, 30.0)];
        // 30 m beyond the border, of plots uncertain by 20 m.
        let beyond = at(30.0, 110).place.toward(270.0, 30.0);
        assert!(judged(&notices, &[Waypoint { place: beyond, ..at(30.0, 110) }]).0.is_some());
        assert!(judged(&notices, &[Waypoint { place: beyond, sd_m: 10.0, ..at(30.0, 110) }]).0.is_none());
        assert!(judged(&notices, &[Waypoint { place: beyond, sd_m: 0.0, ..at(30.0, 110) }]).0.is_none());
    }

    proptest! {
        #[test]
        fn more_notices_never_make_a_breach_of_what_was_covered(
            spans in proptest::collection::vec((0i64..200, 1i64..200, 29.8f64..30.2), 1..6),
            way in proptest::collection::vec((29.9f64..30.5, 0i64..300), 1..6),
        ) {
            let notices: Vec<Notice> = spans.iter().enumerate()
                .map(|(n, &(from, lasts, west))| notice(&format!("n{n}"), from, from + lasts, west)).collect();
            let way: Vec<Waypoint> = way.iter().map(|&(lon, time_ns)| at(lon, time_ns)).collect();
            let (covered, exceeds) = judged(&notices, &way);
            prop_assert!(covered.is_none() || exceeds.is_none());
            for few in 0..notices.len() {
                if judged(&notices[..few], &way).0.is_some() {
                    prop_assert!(covered.is_some());
                }
            }
        }
    }
}
