//! Seismometers far from an event: the way through layered ground, and S that nobody named.

use super::scene::{Pick, Scene, hear};
use super::*;
use crate::engine::associate::ground::{Body, BodyWave};
use crate::model::alert::AlertFeature;

/// Eight seismometers on a circle of that radius, m.
fn circle(radius_m: f64) -> (Scene, Registry) {
    let mut scene = Scene::new((0..8u32).map(|k| {
        let (sin, cos) = (f64::from(k) * 0.785 + 0.1).sin_cos();
        (radius_m * sin, radius_m * cos)
    }));
    scene.pick_sd_s = 0.1;
    let microphones = scene.registry();
    let nodes = microphones.nodes().iter().cloned().map(|mut node| {
        node.kinds = KindSet::default().with(Kind::Seismic);
        node.range_m = Some(400_000.0);
        node
    });
    let registry = Registry::new(nodes.collect::<Vec<_>>());
    (scene, registry)
}

/// What they pick of an event there, unnamed: P, and S if it is picked too.
fn picks(scene: &Scene, (x_m, y_m): (f64, f64), with_s: bool) -> Vec<Pick> {
    let ground = settings::Settings::default().fire.seismic;
    let mut picks = Vec::new();
    for body in if with_s { vec![Body::P, Body::S] } else { vec![Body::P] } {
        let wave = BodyWave::new(body, &ground);
        for (node, (_, nx, ny)) in (0u32..).zip(&scene.nodes) {
            let at_s = 20.0 + wave.first((nx - x_m).hypot(ny - y_m)).0;
            let id = format!("{body:?}-{node}");
            picks.push(Pick { node, at_s, kind: Kind::Seismic, azimuth: None, id });
        }
    }
    picks.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    picks
}

fn last_words(registry: &Registry, picks: &[Pick]) -> Vec<AlertFeature> {
    let mut last = BTreeMap::new();
    for said in hear(&mut scene::engine(), registry, picks, 3) {
        last.insert(said.properties.alert.clone(), said);
    }
    last.into_values().filter(|alert| alert.properties.status != Status::Retracted).collect()
}

#[test]
fn an_event_heard_through_the_mantle_alone_is_where_it_was() {
    let (scene, registry) = circle(300_000.0);
    let words = last_words(&registry, &picks(&scene, (30_000.0, -20_000.0), false));
    assert_eq!(words.len(), 1, "{words:?}");
    let (x_m, y_m) = scene.at(&words[0]);
    let off_m = (x_m - 30_000.0).hypot(y_m + 20_000.0);
    let late_s = (words[0].properties.time.0 - START_NS) as f64 * 1e-9 - 20.0;
    // Straight rays would have it seconds later.
    assert!(off_m < 2_000.0 && late_s.abs() < 0.2, "{off_m} m, {late_s} s");
}

#[test]
fn an_unnamed_s_belongs_to_the_event_whose_p_was_picked_there() {
    let (scene, registry) = circle(120_000.0);
    let words = last_words(&registry, &picks(&scene, (10_000.0, 15_000.0), true));
    assert_eq!(words.len(), 1, "{words:?}");
    let (x_m, y_m) = scene.at(&words[0]);
    assert!((x_m - 10_000.0).hypot(y_m - 15_000.0) < 2_000.0, "{x_m} {y_m}");
    let of = |body: &str| words[0].properties.evidence.iter().filter(|cited| cited.id.starts_with(body)).count();
    assert_eq!((of("P"), of("S")), (8, 8));
    let alone = last_words(&registry, &picks(&scene, (10_000.0, 15_000.0), false));
    assert_eq!(alone[0].properties.silent, words[0].properties.silent);
    assert!(words[0].properties.probability >= alone[0].properties.probability);
}
