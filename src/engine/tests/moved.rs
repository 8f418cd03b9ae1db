//! What must not matter to the answer: where on earth and how turned the world is; and what must not raise it: a node
//! that hears nothing, and clutter.

use super::scene::{Pick, Scene, Words, pick};
use crate::model::alert::AlertFeature;
use crate::model::geo::LonLat;
use proptest::prelude::*;

/// Shots, each missed by some nodes and picked with some error, and clutter.
fn world() -> impl Strategy<Value = (Vec<Pick>, Vec<Pick>)> {
    world_of(0.0)
}

/// The same with so many seconds between the shots: far enough apart, none is another explanation of another's arrivals.
fn world_of(apart_s: f64) -> impl Strategy<Value = (Vec<Pick>, Vec<Pick>)> {
    let shot = (-6e3f64..6e3, -6e3f64..6e3, 0f64..200.0, any::<u16>(), any::<u32>());
    let shots = proptest::collection::vec(shot, 1..4);
    let clutter = proptest::collection::vec((0u32..16, 0f64..240.0), 0..25);
    (shots, clutter).prop_map(move |(shots, clutter)| {
        let scene = Scene::square();
        let mut picks = Vec::new();
        for (k, (x_m, y_m, at_s, missed, seed)) in (0u32..).zip(shots) {
            let at_s = if apart_s > 0.0 { f64::from(k) * apart_s } else { at_s };
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
    fn turned_the_world_has_the_answer_turned((shots, clutter) in world_of(80.0), turn_deg in 0f64..360.0) {
        let scene = Scene::square();
        let turned = turned(&scene, turn_deg);
        let picks = [shots, clutter].concat();
        same(&scene, &scene.run(&picks), &turned, &turned.run(&picks), turn_deg, 0.03)?;
    }

    #[test]
    fn a_node_that_is_silent_raises_nothing((shots, clutter) in world_of(80.0), x_m in -8e3f64..8e3, y_m in -8e3f64..8e3) {
        let scene = Scene::square();
        let mut with = scene.clone();
        with.nodes.push(("silent".to_owned(), x_m, y_m));
        let picks = [shots, clutter].concat();
        let (before, after) = (scene.run(&picks), with.run(&picks));
        for (id, alert) in &after {
            // With another node the search may come upon another explanation of the same arrivals, for better or worse.
            let Some(other) = before.get(id).filter(|other| differ(alert, other) == 0) else { continue };
            let (was, p) = (other.properties.probability, alert.properties.probability);
            prop_assert!(p <= was + 1e-3, "{p} was {was}");
        }
    }

    #[test]
    fn more_clutter_raises_nothing_of_the_same_evidence((shots, clutter) in world_of(80.0), more in proptest::collection::vec((0u32..16, 0f64..240.0), 1..60)) {
        let scene = Scene::square();
        let picks = [shots, clutter].concat();
        let more: Vec<Pick> = [picks.clone(), more.into_iter().map(|(node, at_s)| pick(node, at_s)).collect()].concat();
        let (before, after) = (scene.run(&picks), scene.run(&more));
        // What clutter makes an event of, or adds to another one, makes its neighbours likelier: fire begets fire.
        let is_as_it_was = |id: &String, alert| before.get(id).is_some_and(|other| differ(alert, other) == 0);
        prop_assume!(after.len() == before.len() && after.iter().all(|(id, alert)| is_as_it_was(id, alert)));
        for (id, alert) in &after {
            let (was, p) = (before[id].properties.probability, alert.properties.probability);
            prop_assert!(p <= was + 1e-3, "{p} was {was}");
        }
    }
}
