//! The map: areas, lines and notices around the middle of the scene, and what a happening breaches there.

use crate::model::alert::Class;
use crate::model::area::{Area, AreaType, Prohibition, Shape};
use crate::model::geo::LonLat;
use crate::model::kind::Component;
use crate::model::notice::{Notice, NoticeKind};
use geo::{Contains, Coord, Intersects, LineString, MultiPolygon, Point, Polygon};

/// The sectors' ids: north-west, north-east, south-west, south-east of the middle.
pub(super) const SECTORS: [&str; 4] = ["sector-nw", "sector-ne", "sector-sw", "sector-se"];

/// The sector that a place lies in.
pub(super) fn sector_of(centre: LonLat, place: LonLat) -> &'static str {
    match (place.lat_deg >= centre.lat_deg, place.lon_deg >= centre.lon_deg) {
        (true, false) => SECTORS[0],
        (true, true) => SECTORS[1],
        (false, false) => SECTORS[2],
        (false, true) => SECTORS[3],
    }
}

/// The place `east_m`, `north_m` from `centre`.
pub(super) fn offset(centre: LonLat, east_m: f64, north_m: f64) -> LonLat {
    centre.toward(east_m.atan2(north_m).to_degrees(), east_m.hypot(north_m))
}

fn ring(corners: &[LonLat]) -> LineString<f64> {
    LineString(corners.iter().map(|c| Coord { x: c.lon_deg, y: c.lat_deg }).collect())
}

/// A polygon of corners given in metres east and north of `centre`.
pub(super) fn polygon(centre: LonLat, corners_m: &[(f64, f64)]) -> MultiPolygon<f64> {
    let mut corners: Vec<LonLat> = corners_m.iter().map(|&(east, north)| offset(centre, east, north)).collect();
    corners.extend(corners.first().copied());
    MultiPolygon(vec![Polygon::new(ring(&corners), Vec::new())])
}

/// What a land scene has: a disengagement area in the middle, a village in it, four sectors, a line of contact.
/// `reach_m` is half the scene's width; the disengagement area takes about a sixth of it.
pub(super) fn land(centre: LonLat, reach_m: f64) -> Vec<Area> {
    let r = reach_m;
    let mut disengagement = Area::new(
        "disengagement-1",
        AreaType::Disengagement,
        &[Prohibition::Fire, Prohibition::Entry, Prohibition::HeavyWeapons, Prohibition::Uav, Prohibition::Flight],
        polygon(
            centre,
            &[
                (-0.45 * r, -0.38 * r),
                (0.05 * r, -0.45 * r),
                (0.50 * r, -0.30 * r),
                (0.42 * r, 0.36 * r),
                (-0.38 * r, 0.42 * r),
            ],
        ),
    );
    disengagement.name = Some("Disengagement area 1".to_owned());
    disengagement.component = Some(Component::Ground);
    let site = Area::new(
        "village-1",
        AreaType::ProtectedSite,
        &[Prohibition::Fire, Prohibition::HeavyWeapons],
        polygon(centre, &[(0.55 * r, -0.60 * r), (0.70 * r, -0.60 * r), (0.70 * r, -0.48 * r), (0.55 * r, -0.48 * r)]),
    );
    let line = Area {
        shape: Shape::Line(ring(&[
            offset(centre, -0.1 * r, -1.2 * r),
            offset(centre, 0.05 * r, -0.4 * r),
            offset(centre, -0.03 * r, 0.3 * r),
            offset(centre, 0.1 * r, 1.2 * r),
        ])),
        ..Area::new("line-1", AreaType::LineOfContact, &[], MultiPolygon(Vec::new()))
    };
    let mut areas = vec![disengagement, site, line];
    for (name, (east, north)) in SECTORS.into_iter().zip([(-1.0, 1.0), (1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)]) {
        let (x, y) = (east * 1.5 * r, north * 1.5 * r);
        let mut sector =
            Area::new(name, AreaType::Sector, &[], polygon(centre, &[(0.0, 0.0), (x, 0.0), (x, y), (0.0, y)]));
        sector.sector = Some(name.to_owned());
        areas.push(sector);
    }
    areas
}

/// A training area with announced live fire; its south-western part lies in the disengagement area.
pub(super) fn training(centre: LonLat, reach_m: f64, id: &str, from_ns: i64, to_ns: i64) -> Notice {
    let r = reach_m;
    Notice {
        notice: id.to_owned(),
        kinds: vec![NoticeKind::LiveFire],
        from_ns,
        to_ns,
        count: None,
        by: Some("joint coordination centre".to_owned()),
        shape: polygon(centre, &[(0.3 * r, 0.2 * r), (0.62 * r, 0.2 * r), (0.62 * r, 0.55 * r), (0.3 * r, 0.55 * r)]),
    }
}

/// Whether a place lies in an area.
pub(super) fn contains(area: &Area, place: LonLat) -> bool {
    match &area.shape {
        Shape::Polygons(shape) => shape.contains(&Point::new(place.lon_deg, place.lat_deg)),
        Shape::Line(_) => false,
    }
}

/// The areas in force around `place` that prohibit one of these.
pub(super) fn breached(areas: &[Area], place: LonLat, time_ns: i64, prohibitions: &[Prohibition]) -> Vec<String> {
    areas
        .iter()
        .filter(|area| area.valid_at(time_ns) && prohibitions.iter().any(|&p| area.prohibits(p)))
        .filter(|area| contains(area, place))
        .map(|area| area.area.clone())
        .collect()
}

/// A protected site is near within so far, metres, as `engine.sites.near_m` has it by default.
const NEAR_M: f64 = 1000.0;

/// The protected sites that a place is in or near to.
pub(super) fn near(areas: &[Area], place: LonLat) -> Vec<String> {
    let is_near = |area: &&Area| {
        let Shape::Polygons(polygons) = &area.shape else { return false };
        let edges = polygons.iter().flat_map(|polygon| polygon.exterior().lines());
        contains(area, place) || edges.into_iter().any(|edge| distance_m(place, edge) <= NEAR_M)
    };
    let sites = areas.iter().filter(|area| area.kind == AreaType::ProtectedSite);
    sites.filter(is_near).map(|area| area.area.clone()).collect()
}

fn distance_m(place: LonLat, edge: geo::Line<f64>) -> f64 {
    let at = |corner: Coord<f64>| place.flat_offset_m(LonLat { lon_deg: corner.x, lat_deg: corner.y });
    let ((ax, ay), (bx, by)) = (at(edge.start), at(edge.end));
    let (dx, dy) = (bx - ax, by - ay);
    let share = (-(ax * dx + ay * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (ax + share * dx).hypot(ay + share * dy)
}

/// The lines of contact that the way from one place to another crosses once, or another odd number of times.
pub(super) fn crossed(areas: &[Area], from: LonLat, to: LonLat) -> Vec<String> {
    let coord = |place: LonLat| Coord { x: place.lon_deg, y: place.lat_deg };
    let way = geo::Line::new(coord(from), coord(to));
    let is_between = |area: &&Area| {
        let Shape::Line(line) = &area.shape else { return false };
        line.lines().filter(|edge| edge.intersects(&way)).count() % 2 == 1
    };
    let lines = areas.iter().filter(|area| area.kind == AreaType::LineOfContact);
    lines.filter(is_between).map(|area| area.area.clone()).collect()
}

/// Whether some notice covers a happening.
pub(super) fn noticed(notices: &[Notice], place: LonLat, time_ns: i64, class: Class) -> bool {
    notices.iter().any(|notice| {
        (notice.from_ns..=notice.to_ns).contains(&time_ns)
            && notice.kinds.iter().any(|kind| kind.covers(class))
            && notice.shape.contains(&Point::new(place.lon_deg, place.lat_deg))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENTRE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };

    #[test]
    fn fire_in_the_middle_is_a_breach_and_fire_at_the_edge_is_not() {
        let areas = land(CENTRE, 20_000.0);
        assert_eq!(breached(&areas, CENTRE, 0, &[Prohibition::Fire]), ["disengagement-1"]);
        assert!(breached(&areas, offset(CENTRE, 15_000.0, 15_000.0), 0, &[Prohibition::Fire]).is_empty());
        assert!(breached(&areas, CENTRE, 0, &[Prohibition::Vessel]).is_empty());
    }

    #[test]
    fn a_notice_covers_what_it_announces_while_it_holds() {
        let notices = [training(CENTRE, 20_000.0, "t", 100, 200)];
        let place = offset(CENTRE, 7_000.0, 5_000.0);
        assert!(!breached(&land(CENTRE, 20_000.0), place, 0, &[Prohibition::Fire]).is_empty());
        assert!(noticed(&notices, place, 150, Class::FireImpact));
        assert!(!noticed(&notices, place, 250, Class::FireImpact));
        assert!(!noticed(&notices, place, 150, Class::AirIncursion));
        assert!(!noticed(&notices, CENTRE, 150, Class::FireImpact));
    }

    #[test]
    fn each_place_has_the_sector_whose_polygon_holds_it() {
        let areas = land(CENTRE, 20_000.0);
        for (east, north) in [(-5e3, 5e3), (5e3, 5e3), (-5e3, -5e3), (5e3, -5e3)] {
            let place = offset(CENTRE, east, north);
            let sector = areas.iter().find(|a| a.kind == AreaType::Sector && contains(a, place)).unwrap();
            assert_eq!(sector.area, sector_of(CENTRE, place));
        }
    }
}
