//! Bad geometry: what is promised of networks that determine little, and of places where coordinates turn.

use super::scene::{Pick, Scene, Words, engine, hear, pick};
use crate::engine::associate::window::MAX_A_SECOND;
use crate::model::geo::LonLat;
use crate::model::kind::Kind;

/// Some error of picking, uniform with the sigma that the nodes state, another for each seed.
fn noisy(scene: &Scene, mut picks: Vec<Pick>, seed: u32) -> Vec<Pick> {
    for (pick, k) in picks.iter_mut().zip(seed..) {
        let share = f64::from((k.wrapping_mul(2_654_435_761) >> 12) % 1_001) / 500.0 - 1.0;
        pick.at_s += 3f64.sqrt() * scene.pick_sd_s * share;
    }
    picks
}

/// How far off the events are, m and in sigmas of their ellipses.
fn off(scene: &Scene, words: &Words, (x_m, y_m): (f64, f64)) -> Vec<(f64, f64)> {
    let away = |alert: &crate::model::alert::AlertFeature| {
        let (x, y) = scene.at(alert);
        let (dx, dy) = (x - x_m, y - y_m);
        let (xx, xy, yy) = alert.properties.ellipse.expect("a fire has an ellipse").covariance();
        let z2 = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy);
        (dx.hypot(dy), z2.sqrt())
    };
    words.values().map(away).collect()
}

#[test]
fn two_nodes_say_nothing() {
    let scene = Scene::new([(-2_000.0, 0.0), (2_000.0, 0.0)]);
    let picks: Vec<Pick> = (0..20).flat_map(|k| scene.shot(1_000.0, 3_000.0, 10.0 + 20.0 * f64::from(k))).collect();
    assert!(scene.run(&picks).is_empty());
}

#[test]
fn one_node_with_a_bearing_and_a_flash_says_nothing() {
    let scene = Scene::new([(0.0, 0.0), (30_000.0, 0.0)]);
    let mut picks = scene.shot(3_000.0, 3_000.0, 10.0);
    for pick in &mut picks {
        pick.azimuth = Some((45.0, 1.0));
    }
    picks.push(Pick { kind: Kind::Flash, azimuth: Some((45.0, 0.5)), id: "flash".to_owned(), ..pick(0, 10.0) });
    assert!(scene.run(&picks).is_empty());
}

#[test]
fn nodes_in_one_spot_say_nothing() {
    for apart_m in [0.0, 1.0] {
        let scene = Scene::new((0..8).map(|k| (apart_m * f64::from(k % 3), apart_m * f64::from(k / 3))));
        for (x_m, y_m) in [(3_000.0, 2_000.0), (0.0, 0.0)] {
            assert!(scene.run(&noisy(&scene, scene.shot(x_m, y_m, 10.0), 3)).is_empty(), "{apart_m} {x_m}");
        }
    }
}

#[test]
fn nodes_in_a_straight_line_say_nothing() {
    let scene = Scene::new((0..8).map(|k| (f64::from(k) * 2_000.0 - 7_000.0, 0.0)));
    for (x_m, y_m) in [(1_000.0, 4_000.0), (500.0, 300.0), (0.0, 0.0), (9_000.0, 6_000.0)] {
        assert!(scene.run(&noisy(&scene, scene.shot(x_m, y_m, 10.0), 1)).is_empty(), "{x_m} {y_m}");
    }
}

#[test]
fn nodes_nearly_in_a_line_do_not_pretend_to_know_the_side() {
    let (mut told, mut beyond_3) = (0, 0);
    for off_line_m in [100.0, 150.0, 200.0, 300.0, 500.0] {
        let mut scene = Scene::new(
            (0..8).map(|k| (f64::from(k) * 2_000.0 - 7_000.0, off_line_m * f64::from((k * 5 + 3) % 7 - 3) / 3.0)),
        );
        for (sd_s, seed) in [0.15, 0.5, 1.0].into_iter().flat_map(|sd_s| (0..20).map(move |k| (sd_s, 50 * k + 1))) {
            scene.pick_sd_s = sd_s;
            for (x_m, y_m) in [(1_000.0, 4_000.0), (500.0, 300.0), (0.0, 0.0), (-2_500.0, -6_000.0)] {
                let words = scene.run(&noisy(&scene, scene.shot(x_m, y_m, 10.0), seed));
                for (off_m, sigmas) in off(&scene, &words, (x_m, y_m)) {
                    (told, beyond_3) = (told + 1, beyond_3 + u32::from(sigmas > 3.0));
                    let case = format!("{off_line_m} m off the line, {sd_s} s, seed {seed}, {x_m} {y_m}");
                    assert!(sigmas < 6.0, "{case}: {off_m} m and {sigmas} sigma off");
                }
            }
        }
    }
    // Near the line, which side it was is a matter of a sigma or two.
    assert!(told > 1_000 && beyond_3 * 20 < told, "{beyond_3} of {told} beyond three sigma");
}

#[test]
fn where_coordinates_turn_events_are_placed_as_elsewhere() {
    let at = (1_200.0, -2_300.0);
    let here = Scene::square();
    let expected = off(&here, &here.run(&noisy(&here, here.shot(at.0, at.1, 10.0), 5)), at);
    for (lon_deg, lat_deg) in
        [(180.0, 50.0), (-179.99, 10.0), (20.0, 89.9), (0.0, 89.999), (0.0, -89.99), (0.0, 90.0), (77.0, -90.0)]
    {
        let scene = Scene { centre: LonLat { lon_deg, lat_deg }, ..Scene::square() };
        let words = scene.run(&noisy(&scene, scene.shot(at.0, at.1, 10.0), 5));
        let found = off(&scene, &words, at);
        assert!(
            matches!(found[..], [(off_m, _)] if (off_m - expected[0].0).abs() < 1.0),
            "{lon_deg} {lat_deg}: {found:?}"
        );
    }
}

#[test]
fn clocks_that_are_seconds_off_spoil_no_event_of_the_others() {
    let (scene, at) = (Scene::square(), (1_200.0, -2_300.0));
    for one_in in [16, 8, 4] {
        let mut picks = noisy(&scene, scene.shot(at.0, at.1, 10.0), 5);
        for pick in picks.iter_mut().filter(|pick| pick.node % one_in == 1) {
            pick.at_s += if pick.node % 8 == 1 { -5.0 } else { 5.0 };
        }
        let words = scene.run(&picks);
        let found = off(&scene, &words, at);
        assert!(matches!(found[..], [(off_m, sigmas)] if off_m < 60.0 && sigmas < 3.0), "{one_in}: {found:?}");
        let wrong = words.values().flat_map(|alert| &alert.properties.evidence);
        let bad = |node: &str| (0u32..).zip(&scene.nodes).any(|(k, known)| known.0 == node && k % one_in == 1);
        assert_eq!(wrong.filter(|cited| bad(&cited.node)).count(), 0, "{one_in}");
    }
}

/// So many picks of all nodes within one second of event time, in no order.
fn flood(picks: u32, at_s: f64) -> Vec<Pick> {
    let mixed = (0..picks).map(|k| k.wrapping_mul(2_654_435_761));
    mixed.map(|k| pick(k % 16, at_s + f64::from(k >> 4) / f64::from(1u32 << 28))).collect()
}

#[test]
fn a_million_arrivals_within_a_second_cost_as_much_as_the_first_of_them() {
    let (scene, at) = (Scene::square(), (1_200.0, -2_300.0));
    let shot = scene.shot(at.0, at.1, 10.0);
    let mut engine = engine();
    let said = hear(&mut engine, &scene.registry(), &[shot, flood(1_000_000, 90.0)].concat(), 1_024);
    let kept = 16 * MAX_A_SECOND;
    assert_eq!(engine.arrivals_passed_over(), 1_000_000 - kept as u64);
    // What was passed over for an earlier one is held until its second is over: a few of each node.
    assert!(engine.arrivals_held() < 20 * kept, "{} held", engine.arrivals_held());
    assert!(!said.is_empty(), "the shot");
}

#[test]
fn which_of_a_flood_count_does_not_hang_on_their_order() {
    let scene = Scene::square();
    let picks = [scene.shot(1_200.0, -2_300.0, 10.0), flood(3_000, 20.0)].concat();
    let essence = |picks: &[Pick]| {
        let mut engine = engine();
        let said = hear(&mut engine, &scene.registry(), picks, 64);
        let mut last = std::collections::BTreeMap::new();
        for alert in said.into_iter().map(|said| said.properties) {
            let ids: Vec<String> = alert.evidence.into_iter().map(|cited| cited.id).collect();
            last.insert(alert.alert, (alert.status, alert.time, (alert.probability * 1e4) as u32, ids));
        }
        last.retain(|_, alert| alert.0 == crate::model::alert::Status::Final);
        last
    };
    let backward: Vec<Pick> = picks.iter().rev().cloned().collect();
    let forward = essence(&picks);
    assert!(!forward.is_empty());
    assert_eq!(essence(&backward), forward);
}

#[test]
fn where_rounds_cannot_be_told_apart_the_count_is_a_minimum() {
    let scene = Scene::square();
    let round = |k: u32| scene.shot(1_500.0 + 60.0 * f64::from(k % 3), -800.0, 60.0 + 0.3 * f64::from(k));
    let minima = |rounds: u32| {
        let picks: Vec<Pick> = (0..rounds).flat_map(|k| noisy(&scene, round(k), 5 + 31 * k)).collect();
        let words = scene.run(&picks);
        assert!(!words.is_empty() && words.len() <= rounds as usize, "{rounds}: {}", words.len());
        assert!(words.values().all(|alert| alert.properties.count == 1));
        words.values().filter(|alert| alert.properties.count_is_minimum).count()
    };
    assert_eq!(minima(1), 0, "one round is one round");
    assert!(minima(8) > 0, "eight rounds in two seconds, from one gun");
}
