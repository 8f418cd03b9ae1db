use super::*;
use geo::{LineString, MultiPolygon, Polygon};
use proptest::prelude::*;

fn at(lon_deg: f64, lat_deg: f64) -> LonLat {
    LonLat { lon_deg, lat_deg }
}

fn rectangle(west: f64, south: f64, east: f64, north: f64) -> LineString<f64> {
    LineString::from(vec![(west, south), (east, south), (east, north), (west, north), (west, south)])
}

fn outline(exterior: LineString<f64>, holes: Vec<LineString<f64>>) -> Outline {
    Outline::of_polygons(&MultiPolygon::new(vec![Polygon::new(exterior, holes)])).unwrap()
}

#[test]
fn a_hole_is_outside_and_its_rim_is_border() {
    let ring = outline(rectangle(30.0, 50.0, 30.4, 50.4), vec![rectangle(30.1, 50.1, 30.3, 50.3)]);
    assert!(ring.contains(at(30.05, 50.2)) && !ring.contains(at(30.2, 50.2)) && !ring.contains(at(30.5, 50.2)));
    let to_rim_m = -ring.signed_distance_m(at(30.2, 50.2));
    let expected_m = at(30.2, 50.2).distance_m(at(30.1, 50.2));
    assert!((to_rim_m - expected_m).abs() < 0.01 * expected_m, "{to_rim_m} {expected_m}");
}

#[test]
fn an_area_may_lie_across_the_antimeridian() {
    let stepping = outline(rectangle(179.0, 50.0, -179.0, 51.0), Vec::new());
    let cut = Outline::of_polygons(&MultiPolygon::new(vec![
        Polygon::new(rectangle(179.0, 50.0, 180.0, 51.0), Vec::new()),
        Polygon::new(rectangle(-180.0, 50.0, -179.0, 51.0), Vec::new()),
    ]))
    .unwrap();
    for shape in [stepping, cut] {
        assert!(shape.contains(at(179.5, 50.5)) && shape.contains(at(-179.5, 50.5)));
        assert!(!shape.contains(at(178.9, 50.5)) && !shape.contains(at(0.0, 50.5)));
        assert!(shape.signed_distance_m(at(179.999, 50.5)) > 50_000.0, "the cut is no border");
        let outside_m = shape.signed_distance_m(at(-178.9, 50.5));
        assert!((-7200.0..-7000.0).contains(&outside_m), "{outside_m}");
    }
}

#[test]
fn the_whole_map_is_inside_itself() {
    let world = outline(rectangle(-180.0, -90.0, 180.0, 90.0), Vec::new());
    assert!(world.contains(at(12.0, 3.0)) && world.contains(at(-179.0, 80.0)));
}

#[test]
fn a_line_contains_nothing_but_has_a_distance() {
    let line = Outline::of_line(&LineString::from(vec![(30.0, 50.0), (31.0, 50.0)])).unwrap();
    assert!(!line.contains(at(30.5, 50.0)));
    let distance_m = line.signed_distance_m(at(30.5, 50.1));
    assert!((distance_m + at(30.5, 50.1).distance_m(at(30.5, 50.0))).abs() < 20.0, "{distance_m}");
}

#[test]
fn a_line_parts_what_lies_on_its_two_sides() {
    let line = Outline::of_line(&LineString::from(vec![(30.0, 50.0), (30.5, 50.2), (31.0, 50.0)])).unwrap();
    assert!(line.parts(at(30.5, 50.1), at(30.5, 50.3)), "through a corner, once");
    assert!(line.parts(at(30.2, 50.0), at(30.2, 50.2)));
    assert!(!line.parts(at(30.1, 49.9), at(30.9, 49.9)), "on one side");
    assert!(!line.parts(at(30.1, 50.1), at(30.9, 50.1)), "over the hill and back");
    assert!(!line.parts(at(31.5, 49.0), at(31.5, 51.0)), "beyond its end");
    let date = Outline::of_line(&LineString::from(vec![(179.0, 50.0), (-179.0, 50.0)])).unwrap();
    assert!(date.parts(at(-179.5, 49.9), at(179.9, 50.1)) && date.parts(at(179.5, 50.1), at(-179.9, 49.9)));
}

#[test]
fn no_edge_no_outline() {
    assert!(Outline::of_polygons(&MultiPolygon::new(Vec::new())).is_none());
    assert!(Outline::of_line(&LineString::from(vec![(1.0, 1.0)])).is_none());
}

impl Outline {
    /// Metres to the border by a walk along all of it, and whether it is inside.
    fn walk(&self, place: LonLat) -> f64 {
        let centre_deg = (self.bounds.west_deg + self.bounds.east_deg) / 2.0;
        let x_deg = centre_deg + (place.lon_deg - centre_deg + 180.0).rem_euclid(360.0) - 180.0;
        let (east_m, north_m) = metres_per_degree(place.lat_deg);
        let plane = Plane { x_deg, y_deg: place.lat_deg, east_m, north_m };
        let (mut nearest_m2, mut nearest) = (f64::INFINITY, (0.0, 0.0));
        for edge in self.edges.iter().filter(|edge| !edge.seam) {
            let Edge { x1_deg, y1_deg, x2_deg, y2_deg, .. } = *edge;
            let (dx, dy) = plane.nearest_of([x1_deg, y1_deg, x2_deg - x1_deg, y2_deg - y1_deg]);
            if dx * dx + dy * dy < nearest_m2 {
                (nearest_m2, nearest) = (dx * dx + dy * dy, (dx, dy));
            }
        }
        let (dx_deg, dy_deg) = (nearest.0 / east_m, nearest.1 / north_m);
        let (mid_east_m, mid_north_m) = metres_per_degree(place.lat_deg + dy_deg / 2.0);
        let distance_m = (dx_deg * mid_east_m).hypot(dy_deg * mid_north_m);
        let Bounds { west_deg, south_deg, east_deg, north_deg } = self.bounds;
        let x_deg = west_deg + (place.lon_deg - west_deg).rem_euclid(360.0);
        let is_in_box = x_deg <= east_deg && (south_deg..=north_deg).contains(&place.lat_deg);
        let mut start = 0;
        let is_inside = is_in_box
            && self.polygon_ends.iter().any(|&end| {
                let crossed = self.edges[start..end].iter().filter(|edge| edge.is_east_of(x_deg, place.lat_deg));
                start = end;
                crossed.count() % 2 == 1
            });
        if is_inside { distance_m } else { -distance_m }
    }
}

/// A ring of so many corners about a place, its distances from there taken from a list.
fn ring(lon: f64, lat: f64, out_deg: &[f64]) -> LineString<f64> {
    let turn = |n: usize| n as f64 / out_deg.len() as f64 * std::f64::consts::TAU;
    let corner = |n: usize| (lon + out_deg[n] * turn(n).cos(), lat + out_deg[n] * turn(n).sin());
    (0..out_deg.len()).chain([0]).map(corner).collect::<Vec<_>>().into()
}

proptest! {
    #[test]
    fn what_is_passed_over_would_have_changed_nothing(
        lon in -180.0f64..180.0, lat in -70.0f64..70.0,
        rings in proptest::collection::vec((proptest::collection::vec(0.05f64..1.0, 3..90), -1.0f64..1.0, proptest::bool::ANY), 1..4),
        places in proptest::collection::vec((-3.0f64..3.0, -2.0f64..2.0), 1..20),
    ) {
        let polygons = rings.iter().map(|(out_deg, beside_deg, holed)| {
            let hole: Vec<f64> = out_deg.iter().map(|out_deg| 0.5 * out_deg).collect();
            let holes = if *holed { vec![ring(lon + beside_deg, lat, &hole)] } else { Vec::new() };
            Polygon::new(ring(lon + beside_deg, lat, out_deg), holes)
        });
        let shape = Outline::of_polygons(&MultiPolygon::new(polygons.collect())).unwrap();
        let corners: Vec<(f64, f64)> = shape.edges.iter().take(5).map(|it| (it.x1_deg - lon, it.y1_deg - lat)).collect();
        for (east_deg, north_deg) in places.into_iter().chain(corners) {
            let place = at((lon + east_deg + 180.0).rem_euclid(360.0) - 180.0, lat + north_deg);
            prop_assert_eq!(shape.signed_distance_m(place).to_bits(), shape.walk(place).to_bits());
        }
    }

    #[test]
    fn distance_is_within_a_hundredth_of_the_geodesic(
        lon in -180.0f64..180.0, lat in -70.0f64..70.0, azimuth in 0.0f64..360.0, metres in 10.0f64..50_000.0,
    ) {
        // A speck of an area: its border is everywhere about as far as its centre.
        let place = at(lon, lat);
        let speck = place.toward(azimuth, metres);
        let size = 1e-6;
        let shape = outline(
            rectangle(speck.lon_deg - size, speck.lat_deg - size, speck.lon_deg + size, speck.lat_deg + size), Vec::new());
        let distance_m = -shape.signed_distance_m(place);
        prop_assert!((distance_m - metres).abs() < 0.01 * metres + 0.3, "{distance_m} {metres}");
    }

    #[test]
    fn the_sign_says_inside(lon in 29.5f64..31.0, lat in 49.5f64..51.0) {
        let shape = outline(rectangle(30.0, 50.0, 30.5, 50.5), Vec::new());
        let inside = (30.0..30.5).contains(&lon) && (50.0..50.5).contains(&lat);
        prop_assert_eq!(shape.signed_distance_m(at(lon, lat)) > 0.0, inside);
    }
}
