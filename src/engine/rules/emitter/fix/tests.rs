use super::*;
use proptest::prelude::*;

fn node(lon_deg: f64, lat_deg: f64, height_m: f64) -> (LonLat, f64) {
    (LonLat { lon_deg, lat_deg }, height_m)
}

/// What nodes hear of an emitter, each off by so many sigma of 200 ns.
fn heard(nodes: &[(LonLat, f64)], at: LonLat, height_m: f64, off: impl Fn(usize) -> f64) -> Vec<Heard> {
    let all = nodes.iter().enumerate().map(|(number, &(place, node_m))| {
        let distance_m = place.slant_m(node_m, at, height_m);
        let after_s = distance_m / LIGHT_IN_AIR_M_S + 2e-7 * off(number);
        let time_ns = 1_700_000_000_000_000_000 + (1e9 * after_s).round() as i64;
        Heard { place, height_m: node_m, time_ns, sd_s: 2e-7, azimuth: None }
    });
    all.collect()
}

fn about() -> Vec<(LonLat, f64)> {
    vec![
        node(30.0, 50.0, 120.0),
        node(30.4, 50.1, 180.0),
        node(30.2, 49.8, 90.0),
        node(29.8, 50.2, 150.0),
        node(30.3, 50.3, 200.0),
    ]
}

#[test]
fn an_emitter_on_the_ground_is_found_by_four_and_one_that_flies_by_five() {
    let at = LonLat { lon_deg: 30.13, lat_deg: 50.06 };
    let fix = locate(&heard(&about()[..4], at, 140.0, |_| 0.0)).unwrap();
    assert!(fix.place.distance_m(at) < 5.0, "{fix:?}");
    assert!((fix.sent_ns() - 1_700_000_000_000_000_000).abs() < 100);
    let flying = heard(&about(), at, 6_000.0, |_| 0.0);
    let fix = locate(&flying).unwrap();
    assert!(fix.place.distance_m(at) < 30.0 && (fix.height_m - 6_000.0).abs() < 500.0, "{fix:?}");
    assert!(locate(&flying[..3]).is_none());
}

#[test]
fn an_arrival_of_something_else_is_left_out() {
    let at = LonLat { lon_deg: 30.13, lat_deg: 50.06 };
    let all = heard(&about(), at, 140.0, |number| if number == 3 { 300.0 } else { 0.3 });
    let fix = locate(&all).unwrap();
    assert!(fix.place.distance_m(at) < 100.0, "{fix:?}");
    let is_off = |fix: &Fix, it: &Heard| fix.residual_s(it).abs() > OUTLIER_SD * it.sd_s;
    assert_eq!(all.iter().map(|it| is_off(&fix, it)).collect::<Vec<_>>(), [false, false, false, true, false]);
    // Four of which one is of something else bear nothing out.
    let of_four = locate(&all[..4]).unwrap();
    assert!(all[..4].iter().any(|it| is_off(&of_four, it)));
}

#[test]
fn bearings_tell_two_places_apart_that_times_do_not() {
    // Nodes on one line: what is north of it might as well be south.
    let nodes: Vec<(LonLat, f64)> = (0..4).map(|n| node(30.0 + 0.15 * f64::from(n), 50.0, 100.0)).collect();
    let at = LonLat { lon_deg: 30.2, lat_deg: 50.15 };
    for (at, towards_deg) in [(at, 360.0), (LonLat { lat_deg: 49.85, ..at }, 180.0)] {
        let mut all = heard(&nodes, at, 100.0, |_| 0.0);
        all[1].azimuth = Some((towards_deg + 12.0, 10.0));
        assert!(locate(&all).unwrap().place.distance_m(at) < 500.0);
    }
}

proptest! {
    #[test]
    fn the_place_lies_within_its_ellipse(
        lon_deg in 29.7..30.5f64, lat_deg in 49.7..50.4f64, height_m in 50.0..300.0f64,
        off in proptest::collection::vec(-1.5..1.5f64, 5),
    ) {
        let at = LonLat { lon_deg, lat_deg };
        let fix = locate(&heard(&about(), at, height_m, |number| off[number])).unwrap();
        let (east_m, north_m) = fix.place.flat_offset_m(at);
        let (xx, xy, yy) = fix.covariance_m2;
        let determinant = xx * yy - xy * xy;
        let d2 = (yy * east_m * east_m - 2.0 * xy * east_m * north_m + xx * north_m * north_m) / determinant;
        // Errors of up to 1.5 sigma each, in a plane: 4.5 is far out.
        prop_assert!(d2 < 4.5f64.powi(2), "{d2} {:?}", fix);
    }

    #[test]
    fn the_order_of_arrivals_does_not_matter(turn in 0usize..5, off in proptest::collection::vec(-2.0..2.0f64, 5)) {
        let at = LonLat { lon_deg: 30.13, lat_deg: 50.06 };
        let mut all = heard(&about(), at, 140.0, |number| off[number]);
        let first = locate(&all).unwrap();
        all.rotate_left(turn);
        let second = locate(&all).unwrap();
        prop_assert_eq!(first, second);
    }

    #[test]
    fn an_inverse_is_one(entries in proptest::collection::vec(-1.0..1.0f64, 16)) {
        let mut matrix = [[0.0; 4]; 4];
        for a in 0..4 {
            for b in 0..4 {
                let common: f64 = (0..4).map(|k| entries[4 * a + k] * entries[4 * b + k]).sum();
                matrix[a][b] = common + if a == b { 0.1 } else { 0.0 };
            }
        }
        let (inverse, _) = inverse(&matrix).unwrap();
        for a in 0..4 {
            for b in 0..4 {
                let product: f64 = (0..4).map(|k| matrix[a][k] * inverse[k][b]).sum();
                let unit = f64::from(u8::from(a == b));
                prop_assert!((product - unit).abs() < 1e-8);
            }
        }
    }
}
