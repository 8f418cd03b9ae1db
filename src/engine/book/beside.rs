//! What lies beside fire: protected sites that it may have been near to, and lines of contact between where it left and landed.
//!
//! Where a round was is known as well as its ellipse says, so both are chances: the share of the ellipse's distribution that
//! is near the site, or from which the line lies in between. It is summed over points of equal weight on a spiral, the k-th of n at
//! the radius that k/n of a normal distribution in the plane lies within (√(−2 ln(1−k/n)) sigma) and a golden angle on from the last.
//! That is good to 0.01. Which side of a line is whose is not asked.

use super::{Claim, OtherEnd};
use crate::engine::places::{Places, metres_per_degree};
use crate::engine::settings::Settings;
use crate::model::alert::AreaChance;
use crate::model::geo::{Ellipse, LonLat};
use std::f64::consts::PI;

/// Points of the spiral.
const POINTS: usize = 200;
/// The other end's points are gone through in steps of so many, so that those of the two ends have nothing to do with each
/// other; it has no divisor in common with [`POINTS`].
const STRIDE: usize = 77;
/// No point is further out than so many sigma.
const OUTERMOST: f64 = 3.5;

/// Where it was, as the alert tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) place: LonLat,
    pub(super) ellipse: Option<Ellipse>,
}

/// The protected sites that it may have been near to, and the lines that it crossed; in order of their ids.
pub(super) fn beside(
    claim: &Claim,
    told: Told,
    places: &Places,
    settings: &Settings,
) -> (Vec<AreaChance>, Vec<AreaChance>) {
    if !claim.class.is_fire() {
        return (Vec::new(), Vec::new());
    }
    let (sites, lines) = (&settings.sites, &settings.lines);
    let near = if sites.on { near(told, claim.time_ns, places, (sites.near_m, sites.min_p)) } else { Vec::new() };
    let ends = claim.other_end.filter(|_| lines.on);
    (near, ends.map_or_else(Vec::new, |other| crossed(told, &other, claim.time_ns, places, lines.min_p)))
}

fn near(told: Told, time_ns: i64, places: &Places, (near_m, min_p): (f64, f64)) -> Vec<AreaChance> {
    let reach_m = near_m + OUTERMOST * told.ellipse.map_or(0.0, |ellipse| ellipse.semi_major_m);
    let sites = places.protected_near(told.place, reach_m, time_ns);
    if sites.is_empty() {
        return Vec::new();
    }
    let points = spread(told.place, told.ellipse);
    let chance = |site: usize| {
        let inside = points.iter().filter(|&&point| places.signed_distance_m(site, point) >= -near_m).count();
        inside as f64 / points.len() as f64
    };
    likely(sites.into_iter().map(|site| (site, chance(site))), places, min_p)
}

fn crossed(told: Told, other: &OtherEnd, time_ns: i64, places: &Places, min_p: f64) -> Vec<AreaChance> {
    let lines = places.lines_of_contact(time_ns);
    if lines.is_empty() {
        return Vec::new();
    }
    let (here, there) = (spread(told.place, told.ellipse), spread(other.place, Some(other.ellipse)));
    let chance = |line: usize| {
        let ends = here.iter().enumerate().map(|(k, &point)| (point, there[k * STRIDE % there.len()]));
        let parted = ends.filter(|&(from, to)| places.parts(line, from, to)).count();
        parted as f64 / here.len() as f64
    };
    likely(lines.into_iter().map(|line| (line, chance(line))), places, min_p)
}

fn likely(chances: impl Iterator<Item = (usize, f64)>, places: &Places, min_p: f64) -> Vec<AreaChance> {
    let likely = chances.filter(|&(_, probability)| probability >= min_p);
    let mut likely: Vec<AreaChance> =
        likely.map(|(ix, probability)| AreaChance { area: places.areas()[ix].area.clone(), probability }).collect();
    likely.sort_by(|a, b| a.area.cmp(&b.area));
    likely
}

/// Where it may have been, each as likely as the others.
fn spread(place: LonLat, ellipse: Option<Ellipse>) -> Vec<LonLat> {
    let Some(ellipse) = ellipse.filter(|ellipse| ellipse.semi_major_m > 0.0) else { return vec![place; POINTS] };
    let golden = PI * (3.0 - 5f64.sqrt());
    let (sin, cos) = ellipse.orientation_deg.to_radians().sin_cos();
    let (lon_m, lat_m) = metres_per_degree(place.lat_deg);
    let point = |k: usize| {
        let radius = (-2.0 * (1.0 - (k as f64 + 0.5) / POINTS as f64).ln()).sqrt();
        let (across, along) = (golden * k as f64).sin_cos();
        let (along_m, across_m) = (radius * along * ellipse.semi_major_m, radius * across * ellipse.semi_minor_m);
        let (east_m, north_m) = (along_m * sin + across_m * cos, along_m * cos - across_m * sin);
        LonLat { lon_deg: place.lon_deg + east_m / lon_m, lat_deg: place.lat_deg + north_m / lat_m }
    };
    (0..POINTS).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::Class;
    use crate::model::area::{Area, AreaType, Shape};
    use geo::{LineString, MultiPolygon, Polygon};
    use proptest::prelude::*;

    const HERE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };

    fn beyond(east_m: f64, north_m: f64) -> LonLat {
        HERE.toward(east_m.atan2(north_m).to_degrees(), east_m.hypot(north_m))
    }

    fn area(id: &str, kind: AreaType, shape: Shape) -> Area {
        let (name, component, sector) = (None, None, None);
        let (prohibits, valid_from_ns, valid_to_ns) = (Vec::new(), None, Some(1_000));
        let (floor_m, ceiling_m) = (None, None);
        Area {
            area: id.to_owned(),
            name,
            kind,
            prohibits,
            component,
            sector,
            valid_from_ns,
            valid_to_ns,
            floor_m,
            ceiling_m,
            shape,
        }
    }

    /// A school 2 km square to the east whose border is so far away, a sector of the same shape, and a line 3 km to the north.
    fn map(away_m: f64) -> Places {
        let corners = [(0.0, -1e3), (2e3, -1e3), (2e3, 1e3), (0.0, 1e3), (0.0, -1e3)];
        let ring = corners.map(|(east_m, north_m)| beyond(away_m + east_m, north_m));
        let square = Shape::Polygons(MultiPolygon::new(vec![Polygon::new(
            LineString::from(ring.map(|it| (it.lon_deg, it.lat_deg)).to_vec()),
            Vec::new(),
        )]));
        let line = [-50e3, 0.0, 50e3].map(|east_m| beyond(east_m, 3e3)).map(|it| (it.lon_deg, it.lat_deg)).to_vec();
        let areas = vec![
            area("school", AreaType::ProtectedSite, square.clone()),
            area("sector", AreaType::Sector, square),
            area("line", AreaType::LineOfContact, Shape::Line(LineString::from(line))),
        ];
        Places::new(areas, Vec::new())
    }

    fn impact(sd_m: f64) -> Claim {
        let ellipse = Ellipse { semi_major_m: sd_m, semi_minor_m: sd_m, orientation_deg: 0.0 };
        Claim { ellipse: Some(ellipse), ..Claim::new(String::new(), Class::FireImpact, HERE, 0) }
    }

    fn from(north_m: f64, claim: Claim) -> Claim {
        let ellipse = Ellipse { semi_major_m: 60.0, semi_minor_m: 25.0, orientation_deg: 0.0 };
        let other_end = OtherEnd { place: beyond(500.0, north_m), ellipse, is_origin: true };
        Claim { other_end: Some(other_end), ..claim }
    }

    fn of(claim: &Claim, places: &Places, settings: &Settings) -> (Vec<AreaChance>, Vec<AreaChance>) {
        beside(claim, Told { place: claim.place, ellipse: claim.ellipse }, places, settings)
    }

    #[test]
    fn a_site_is_near_by_the_share_of_the_ellipse_that_is() {
        let settings = Settings::default();
        let chance = |away_m: f64, sd_m: f64| of(&impact(sd_m), &map(away_m), &settings).0;
        assert_eq!(chance(500.0, 50.0), [AreaChance { area: "school".to_owned(), probability: 1.0 }]);
        assert!(chance(1500.0, 50.0).is_empty());
        let half = chance(1000.0, 50.0)[0].probability;
        assert!((half - 0.5).abs() < 0.02, "{half}");
        // One sigma short of it: Φ(1) = 0.841.
        let most = chance(900.0, 100.0)[0].probability;
        assert!((most - 0.841).abs() < 0.02, "{most}");
    }

    #[test]
    fn a_line_is_crossed_that_lies_between_the_ends() {
        let settings = Settings::default();
        let crossed = |claim: &Claim| of(claim, &map(5e3), &settings).1;
        assert_eq!(crossed(&from(9e3, impact(80.0))), [AreaChance { area: "line".to_owned(), probability: 1.0 }]);
        assert!(crossed(&from(2e3, impact(80.0))).is_empty(), "both on this side of it");
        assert!(crossed(&impact(80.0)).is_empty(), "whence it came is not known");
        let late = Claim { time_ns: 2_000, ..from(9e3, impact(80.0)) };
        assert!(crossed(&late).is_empty(), "the line is in force no longer");
    }

    #[test]
    fn nothing_is_told_that_is_switched_off_or_no_fire() {
        let mut settings = Settings::default();
        let vessel = Claim { class: Class::SeaDark, ..from(9e3, impact(50.0)) };
        assert_eq!(of(&vessel, &map(500.0), &settings), (Vec::new(), Vec::new()));
        (settings.sites.on, settings.lines.on) = (false, false);
        assert_eq!(of(&from(9e3, impact(50.0)), &map(500.0), &settings), (Vec::new(), Vec::new()));
    }

    proptest! {
        #[test]
        fn the_spiral_has_the_ellipse_s_moments(major_m in 1.0f64..2_000.0, ratio in 0.05f64..1.0, turn in 0.0f64..180.0) {
            let ellipse = Ellipse { semi_major_m: major_m, semi_minor_m: ratio * major_m, orientation_deg: turn };
            let offsets: Vec<(f64, f64)> =
                spread(HERE, Some(ellipse)).into_iter().map(|point| HERE.flat_offset_m(point)).collect();
            let mean = |of: &dyn Fn(&(f64, f64)) -> f64| offsets.iter().map(of).sum::<f64>() / offsets.len() as f64;
            let (xx, xy, yy) = ellipse.covariance();
            let scale = major_m * major_m;
            prop_assert!(mean(&|it| it.0).abs() < 0.02 * major_m && mean(&|it| it.1).abs() < 0.02 * major_m);
            prop_assert!((mean(&|it| it.0 * it.0) - xx).abs() < 0.03 * scale);
            prop_assert!((mean(&|it| it.0 * it.1) - xy).abs() < 0.03 * scale);
            prop_assert!((mean(&|it| it.1 * it.1) - yy).abs() < 0.03 * scale);
        }
    }
}
