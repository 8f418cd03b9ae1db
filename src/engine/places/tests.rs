use super::*;
use crate::model::notice::NoticeKind;
use geo::{LineString, MultiPolygon, Polygon};
use proptest::prelude::*;

fn square(west: f64, south: f64, size: f64) -> MultiPolygon<f64> {
    let (east, north) = (west + size, south + size);
    let ring = LineString::from(vec![(west, south), (east, south), (east, north), (west, north), (west, south)]);
    MultiPolygon::new(vec![Polygon::new(ring, Vec::new())])
}

fn notice(id: &str, kind: NoticeKind, from_ns: i64, to_ns: i64) -> Notice {
    Notice {
        notice: id.to_owned(),
        kinds: vec![kind],
        from_ns,
        to_ns,
        by: None,
        count: None,
        shape: square(30.0, 50.0, 0.2),
    }
}

const INSIDE: LonLat = LonLat { lon_deg: 30.05, lat_deg: 50.05 };
const FIRE: &[Prohibition] = &[Prohibition::Fire];

fn front() -> Places {
    let mut zone = Area::new("zone", AreaType::Disengagement, FIRE, square(30.0, 50.0, 0.1));
    zone.component = Some(Component::Logistics);
    let line = Area {
        shape: Shape::Line(LineString::from(vec![(29.0, 50.05), (31.0, 50.05)])),
        ..Area::new("line", AreaType::LineOfContact, FIRE, square(0.0, 0.0, 1.0))
    };
    let site = Area::new("site", AreaType::ProtectedSite, &[Prohibition::Entry], square(30.0, 50.0, 0.06));
    Places::new(vec![zone, line, site, Area::new("north", AreaType::Sector, &[], square(29.0, 49.0, 3.0))], Vec::new())
}

#[test]
fn what_contains_it_and_what_it_breaches_are_told_apart() {
    let judged = front().judge(Class::FireImpact, FIRE, INSIDE, 0);
    assert_eq!(judged.areas, ["zone"]);
    assert_eq!(judged.within, ["north", "site", "zone"], "a line contains nothing");
    assert_eq!(judged.sectors, ["north"]);
    assert_eq!(judged.component, Some(Component::Logistics));
    assert!(judged.violation && judged.protected_site && judged.notice.is_none());
    let outside = front().judge(Class::FireImpact, FIRE, LonLat { lon_deg: 30.5, lat_deg: 50.5 }, 0);
    assert!(!outside.violation && outside.areas.is_empty());
    assert_eq!(outside.component, Some(Component::Ground), "by class where no area says so");
}

#[test]
fn an_area_counts_while_it_is_valid() {
    let mut zone = Area::new("zone", AreaType::Disengagement, FIRE, square(30.0, 50.0, 0.1));
    (zone.valid_from_ns, zone.valid_to_ns) = (Some(100), Some(200));
    let places = Places::new(vec![zone], Vec::new());
    let breached = |time_ns| places.judge(Class::FireShot, FIRE, INSIDE, time_ns).violation;
    assert_eq!([breached(99), breached(100), breached(199), breached(200)], [false, true, true, false]);
}

#[test]
fn a_notice_covers_its_kind_its_place_and_its_time() {
    let mut places = front();
    places.upsert_notice(notice("n2", NoticeKind::LiveFire, 100, 200));
    places.upsert_notice(notice("n1", NoticeKind::Flight, 0, 1000));
    let judge = |class, place, time_ns| places.judge(class, FIRE, place, time_ns);
    let covered = judge(Class::FireBurst, INSIDE, 150);
    assert_eq!((covered.violation, covered.notice.as_deref()), (false, Some("n2")));
    assert_eq!(covered.areas, ["zone"], "it still says which area prohibits it");
    assert!(judge(Class::FireBurst, INSIDE, 201).violation && judge(Class::FireBurst, INSIDE, 99).violation);
    assert!(judge(Class::FireBurst, LonLat { lon_deg: 30.3, ..INSIDE }, 150).notice.is_none());
    assert!(judge(Class::Interference, INSIDE, 150).violation, "of another kind");
}

#[test]
fn a_named_area_is_breached_from_its_border_on() {
    let judged = front().judge_named(
        Class::AirIncursion,
        &[],
        &[Waypoint::new(LonLat { lon_deg: 40.0, ..INSIDE }, 0)],
        &["zone".into()],
    );
    assert_eq!((judged.areas, judged.within), (vec!["zone".to_owned()], vec!["zone".to_owned()]));
    assert!(judged.violation);
}

#[test]
fn a_change_shows_in_the_version_and_the_same_again_does_not() {
    let mut places = front();
    let version = places.version();
    places.upsert_area(places.areas()[0].clone());
    assert_eq!(places.version(), version);
    let mut moved = places.areas()[0].clone();
    moved.shape = Shape::Polygons(square(40.0, 50.0, 0.1));
    places.upsert_area(moved);
    assert!(places.version() > version);
    assert!(!places.judge(Class::FireShot, FIRE, INSIDE, 0).violation, "moved away");
    assert!(places.judge(Class::FireShot, FIRE, LonLat { lon_deg: 40.05, ..INSIDE }, 0).violation);
    places.remove_area("zone");
    assert!(!places.judge(Class::FireShot, FIRE, LonLat { lon_deg: 40.05, ..INSIDE }, 0).violation);
    assert_eq!(places.judge(Class::FireShot, FIRE, INSIDE, 0).within, ["north", "site"], "the others stay");
}

proptest! {
    #[test]
    fn what_is_near_holds_as_far_as_it_is_said_to(
        corners in proptest::collection::vec((-1.0f64..1.0, -1.0f64..1.0, 0.01f64..0.3), 1..30), north in -65.0f64..65.0,
        west in prop_oneof![Just(179.8), -180.0f64..180.0],
        lon in -1.0f64..1.0, lat in -1.0f64..1.0, metres in 0.0f64..9_000.0, turn in 0.0f64..1.0, share in 0.0f64..1.0,
    ) {
        let areas = corners.iter().enumerate()
            .map(|(n, &(x, y, size))| Area::new(&format!("a{n}"), AreaType::NoFly, &[Prohibition::Uav], square(west + x, north + y, size)))
            .collect();
        let places = Places::new(areas, Vec::new());
        let place = LonLat { lon_deg: west + lon, lat_deg: north + lat };
        let (near, holds_m) = places.vicinity(place, metres, &[Prohibition::Uav], 5_000.0);
        prop_assert_eq!(&near, &places.near(place, metres, &[Prohibition::Uav]));
        let (sides, reach_deg) = (|near: Vec<(usize, f64)>| near.into_iter().map(|(ix, m)| (ix, m >= 0.0)).collect::<Vec<_>>(), holds_m / 111_700.0);
        let there = LonLat { lon_deg: place.lon_deg + reach_deg * share * turn, lat_deg: place.lat_deg - reach_deg * share * (1.0 - turn) };
        prop_assert!(place.most_m(there) <= holds_m + 1e-6);
        prop_assert_eq!(sides(places.near(there, metres, &[Prohibition::Uav])), sides(near));
    }

    #[test]
    fn the_index_finds_what_a_walk_through_all_finds(
        corners in proptest::collection::vec((-180.0f64..180.0, -70.0f64..70.0, 0.01f64..8.0), 1..60),
        lon in -180.0f64..180.0, lat in -70.0f64..70.0, metres in 0.0f64..200_000.0,
    ) {
        let areas = corners.iter().enumerate()
            .map(|(n, &(west, south, size))| Area::new(&format!("a{n}"), AreaType::NoFly, &[Prohibition::Uav], square(west, south, size)))
            .collect();
        let places = Places::new(areas, Vec::new());
        let place = LonLat { lon_deg: lon, lat_deg: lat };
        let by_index: Vec<usize> = places.near(place, metres, &[Prohibition::Uav]).iter().map(|&(ix, _)| ix).collect();
        let by_walk: Vec<usize> =
            places.prohibiting(Prohibition::Uav).filter(|&ix| places.signed_distance_m(ix, place) >= -metres).collect();
        prop_assert_eq!(by_index, by_walk);
    }
}
