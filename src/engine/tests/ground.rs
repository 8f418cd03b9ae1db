//! Seismometers far from an event: the way through layered ground, and S that nobody named.

use super::scene::{Pick, Scene, hear};
use super::*;
use crate::engine::associate::ground::{Body, BodyWave};
use crate::model::alert::AlertFeature;
use crate::model::kind::Phase;

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
            picks.push(Pick { node, at_s, kind: Kind::Seismic, azimuth: None, phase: None, id });
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

#[test]
fn a_pick_that_is_named_as_the_wave_that_it_is_not_makes_no_event_of_its_own() {
    let (scene, registry) = circle(40_000.0);
    let at = (5_000.0, -8_000.0);
    let named = |phase: Phase, pick: &Pick| Pick { phase: Some(phase), ..pick.clone() };
    let body = |pick: &Pick| if pick.id.starts_with('P') { Phase::P } else { Phase::S };
    let right: Vec<Pick> = picks(&scene, at, true).iter().map(|pick| named(body(pick), pick)).collect();
    let alone = last_words(&registry, &right);
    assert_eq!(alone.len(), 1, "{alone:?}");
    // A detector of S that starts at P too, and one of P that starts at S, at six of the nodes.
    let wrong = right.iter().filter(|pick| pick.node < 6).map(|pick| {
        let phase = if pick.phase == Some(Phase::P) { Phase::S } else { Phase::P };
        Pick { at_s: pick.at_s + 0.05, id: format!("wrong-{}", pick.id), ..named(phase, pick) }
    });
    let mut all: Vec<Pick> = right.iter().cloned().chain(wrong).collect();
    all.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let words = last_words(&registry, &all);
    assert_eq!(words.len(), 1, "{words:?}");
    let of = |word: &AlertFeature| scene.at(word);
    let ((x_m, y_m), (alone_x_m, alone_y_m)) = (of(&words[0]), of(&alone[0]));
    assert!((x_m - alone_x_m).hypot(y_m - alone_y_m) < 300.0, "they do not move it: {x_m} {y_m}");
    assert!(words[0].properties.evidence.iter().filter(|cited| cited.id.starts_with("wrong")).count() >= 10);
}
