//! What must not matter to the answer: where on earth and how turned the world is; and what must not raise it: a node
//! that hears nothing, and clutter.

use super::scene::{Pick, Scene, Words, pick};
use crate::model::alert::AlertFeature;
use crate::model::geo::LonLat;
use proptest::prelude::*;

/// Shots, each missed by some nodes and picked with some error, and clutter.
fn world() -> impl Strategy<Value = (Vec<Pick>, Vec<Pick>)> {
    let shot = (-6e3f64..6e3, -6e3f64..6e3, 0f64..200.0, any::<u16>(), any::<u32>());
    let shots = proptest::collection::vec(shot, 1..4);
    let clutter = proptest::collection::vec((0u32..16, 0f64..240.0), 0..25);
    (shots, clutter).prop_map(|(shots, clutter)| {
        let scene = Scene::square();
        let mut picks = Vec::new();
        for (x_m, y_m, at_s, missed, seed) in shots {
            let heard = scene.shot(x_m, y_m, at_s).into_iter().zip(seed..);
            picks.extend(heard.filter(|(pick, _)| missed & (missed >> 3) & 1 << pick.node == 0).map(|(heard, k)| {
                pick(heard.node, heard.at_s + 0.2 * f64::from(k.wrapping_mul(7_919) % 1_001) / 1_000.0 - 0.1)
            }));
        }
        (picks, clutter.into_iter().map(|(node, at_s)| pick(node, at_s)).collect())
    })
}

fn cited(alert: &AlertFeature) -> Vec<&str> {
    alert.properties.evidence.iter().map(|cited| cited.id.as_str()).collect()
}

/// How many arrivals only one of the two cites.
fn differ(one: &AlertFeature, other: &AlertFeature) -> usize {
    let (one, other) = (cited(one), cited(other));
    one.iter().filter(|id| !other.contains(id)).count() + other.iter().filter(|id| !one.contains(id)).count()
}

/// Events as sure as this do not hang on rounding: those near the bar of one half may.
const SURE: f64 = 0.9;

/// What is sure in one of the two is in the other, turned by so much.
fn same(
    scene: &Scene,
    words: &Words,
    moved: &Scene,
    after: &Words,
    turn_deg: f64,
    by: f64,
) -> Result<(), TestCaseError> {
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    let sure = |words: &Words| -> Vec<String> {
        words
            .values()
            .map(|alert| &alert.properties)
            .filter(|it| it.probability > SURE)
            .map(|it| it.alert.clone())
            .collect()
    };
    for id in sure(words).into_iter().chain(sure(after)) {
        let (Some(one), Some(other)) = (words.get(&id), after.get(&id)) else {
            return Err(TestCaseError::fail(format!("{id} is in one alone: {words:?} {after:?}")));
        };
        let ((x, y), (x2, y2)) = (scene.at(one), moved.at(other));
        let off_m = (x * cos + y * sin - x2).hypot(y * cos - x * sin - y2);
        let off = (one.properties.probability - other.properties.probability).abs();
        // An arrival that is worth nothing to its event may be left out.
        if differ(one, other) == 0 {
            prop_assert!(off_m < 5.0, "{} m off", off_m);
            prop_assert!(off <= by, "{} for {}", other.properties.probability, one.properties.probability);
        }
        prop_assert!(differ(one, other) <= 1, "{:?} for {:?}", cited(other), cited(one));
    }
    Ok(())
}

fn turned(scene: &Scene, turn_deg: f64) -> Scene {
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    let nodes = scene.nodes.iter().map(|(name, x, y)| (name.clone(), x * cos + y * sin, y * cos - x * sin));
    Scene { nodes: nodes.collect(), ..scene.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn elsewhere_on_earth_the_answer_is_the_same_there((shots, clutter) in world(), lon_deg in -180f64..180.0, lat_deg in -80f64..80.0) {
        let scene = Scene::square();
        let elsewhere = Scene { centre: LonLat { lon_deg, lat_deg }, ..scene.clone() };
        let picks = [shots, clutter].concat();
        same(&scene, &scene.run(&picks), &elsewhere, &elsewhere.run(&picks), 0.0, 0.002)?;
    }

    #[test]
    fn turned_the_world_has_the_answer_turned((shots, clutter) in world(), turn_deg in 0f64..360.0) {
        let scene = Scene::square();
        let turned = turned(&scene, turn_deg);
        let picks = [shots, clutter].concat();
        same(&scene, &scene.run(&picks), &turned, &turned.run(&picks), turn_deg, 0.03)?;
    }

    #[test]
    fn a_node_that_is_silent_raises_nothing((shots, clutter) in world(), x_m in -8e3f64..8e3, y_m in -8e3f64..8e3) {
        let scene = Scene::square();
        let mut with = scene.clone();
        with.nodes.push(("silent".to_owned(), x_m, y_m));
        let picks = [shots, clutter].concat();
        let (before, after) = (scene.run(&picks), with.run(&picks));
        for (id, alert) in &after {
            let p = alert.properties.probability;
            match before.get(id) {
                Some(other) if differ(alert, other) == 0 => {
                    prop_assert!(p <= other.properties.probability + 1e-4, "{p} was {}", other.properties.probability);
                }
                // The middle of the network is another: of two picks that are as good the other one counts, or one more.
                Some(other) => prop_assert!(differ(alert, other) <= 2 || p < SURE, "{:?} was {:?}", cited(alert), cited(other)),
                None => prop_assert!(p < SURE, "{id} is new: {p}"),
            }
        }
    }

    #[test]
    fn more_clutter_raises_nothing_of_the_same_evidence((shots, clutter) in world(), more in proptest::collection::vec((0u32..16, 0f64..240.0), 1..60)) {
        let scene = Scene::square();
        let picks = [shots, clutter].concat();
        let more: Vec<Pick> = [picks.clone(), more.into_iter().map(|(node, at_s)| pick(node, at_s)).collect()].concat();
        let (before, after) = (scene.run(&picks), scene.run(&more));
        for (id, alert) in &after {
            let Some(other) = before.get(id).filter(|other| differ(alert, other) == 0) else { continue };
            // What clutter makes an event of makes others likelier: fire begets fire.
            let most = if after.keys().all(|id| before.contains_key(id)) { 1e-4 } else { 0.1 };
            let (was, p) = (other.properties.probability, alert.properties.probability);
            prop_assert!(p <= was + most, "{p} was {was}");
        }
    }
}
