//! Infrasound: arrays alone that find an event by it, and one far from a network of microphones, whose arrivals bear out what
//! that has found.

use super::scene::{self, Pick, Scene, hear, pick};
use super::*;
use crate::model::alert::AlertFeature;
use proptest::sample::subsequence;

/// Celerities of the two ways that lead to an array nearer than 200 km, m/s.
const LOW_M_S: f64 = 327.0;
const HIGH_M_S: f64 = 293.0;
/// Where the array of [`with_array`] stands, m.
const ARRAY_M: (f64, f64) = (-38_000.0, 9_000.0);

/// What an array at `from` picks of an event, with where it has it from: a little off, by `off` sigma.
fn arrival(node: u32, from: (f64, f64), (x_m, y_m, at_s): (f64, f64, f64), celerity_m_s: f64, off: f64) -> Pick {
    let (dx, dy) = (x_m - from.0, y_m - from.1);
    let at_s = at_s + dx.hypot(dy) / celerity_m_s + off;
    let azimuth_deg = (dx.atan2(dy).to_degrees() + 2.0 * off).rem_euclid(360.0);
    let id = format!("{node}-{}", ns_from_s(at_s));
    Pick { node, at_s, kind: Kind::Infrasound, azimuth: Some((azimuth_deg, 3.0)), phase: None, id }
}

/// Seven arrays on a circle of that radius, m.
fn arrays(radius_m: f64) -> (Scene, Registry) {
    let scene = Scene::new((0..7u32).map(|k| {
        let (sin, cos) = (f64::from(k) * 0.9 + 0.1).sin_cos();
        (radius_m * sin, radius_m * cos)
    }));
    let registry = scene.registry();
    let nodes = registry.nodes().iter().cloned().map(|mut node| {
        node.kinds = KindSet::default().with(Kind::Infrasound);
        (node.range_m, node.time_sd_s) = (Some(180_000.0), Some(1.0));
        node
    });
    let registry = Registry::new(nodes.collect::<Vec<_>>());
    (scene, registry)
}

fn stands(said: Vec<AlertFeature>) -> Vec<AlertFeature> {
    let last: BTreeMap<String, AlertFeature> =
        said.into_iter().map(|said| (said.properties.alert.clone(), said)).collect();
    last.into_values().filter(|alert| alert.properties.status != Status::Retracted).collect()
}

#[test]
fn arrays_alone_find_an_event_whichever_way_it_came() {
    for (radius_m, celerity_m_s) in [(70_000.0, LOW_M_S), (150_000.0, HIGH_M_S)] {
        let (scene, registry) = arrays(radius_m);
        let event = (20_000.0, -12_000.0, 30.0);
        let mut picks: Vec<Pick> = (0u32..)
            .zip(&scene.nodes)
            .map(|(node, &(_, x, y))| {
                arrival(node, (x, y), event, celerity_m_s, [0.6, -0.8, 0.1, 0.9, -0.5][node as usize % 5])
            })
            .collect();
        picks.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        let words = stands(hear(&mut scene::engine(), &registry, &picks, 2));
        assert_eq!(words.len(), 1, "{celerity_m_s}: {words:?}");
        assert_eq!(words[0].properties.evidence.len(), 7, "{celerity_m_s}: {words:?}");
        let (x_m, y_m) = scene.at(&words[0]);
        let late_s = (words[0].properties.time.0 - START_NS) as f64 * 1e-9 - 30.0;
        let off_m = (x_m - event.0).hypot(y_m - event.1);
        // Which way all of them came is not to be told from so far, so the time may be that of the other one.
        let other_way_s = if celerity_m_s == LOW_M_S { 0.0 } else { radius_m / HIGH_M_S - radius_m / LOW_M_S };
        let least_s = late_s.abs().min((late_s - other_way_s).abs());
        assert!(off_m < 4_000.0 && least_s < 15.0, "{celerity_m_s}: {off_m} m, {late_s} s");
    }
}

/// The square of microphones and an array to the west of it.
fn with_array() -> (Scene, Registry) {
    let scene = Scene::square();
    let mut registry = scene.registry();
    registry.upsert(Node {
        kinds: KindSet::default().with(Kind::Infrasound),
        position: Some(Frame::about(scene.centre).to_place(ARRAY_M.0, ARRAY_M.1)),
        range_m: Some(60_000.0),
        time_sd_s: Some(1.0),
        registered: true,
        ..Node::unregistered("inf-1")
    });
    (scene, registry)
}

/// What it picks of these events, each off by as much.
fn from_afar(events: &[(f64, f64, f64)], off: f64) -> Vec<Pick> {
    events.iter().map(|&event| arrival(16, ARRAY_M, event, LOW_M_S, off)).collect()
}

/// The last words, and which infrasound each cites.
fn borne_out(picks: &[Pick]) -> Vec<(AlertFeature, Vec<String>)> {
    let (_, registry) = with_array();
    let mut picks = picks.to_vec();
    picks.push(pick(3, 900.0));
    picks.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let words = stands(hear(&mut scene::engine(), &registry, &picks, 5));
    let far = |alert: &AlertFeature| {
        let far = alert.properties.evidence.iter().filter(|evidence| evidence.kind == Kind::Infrasound);
        far.map(|evidence| evidence.id.clone()).collect()
    };
    words.into_iter().map(|alert| (far(&alert), alert)).map(|(far, alert)| (alert, far)).collect()
}

#[test]
fn what_an_array_far_off_hears_bears_out_the_event() {
    let (scene, _) = with_array();
    let event = (1_500.0, -700.0, 50.0);
    let near = scene.shot(event.0, event.1, event.2);
    let far = from_afar(&[event], 0.7);
    let alone = borne_out(&near);
    let both = borne_out(&[near.clone(), far.clone()].concat());
    assert_eq!((alone.len(), both.len()), (1, 1));
    assert_eq!(both[0].1, [far[0].id.clone()]);
    let (before, after) = (&alone[0].0.properties, &both[0].0.properties);
    assert!(after.probability >= before.probability && after.status == Status::Amended);
    let cited = after.evidence.iter().find(|evidence| evidence.kind == Kind::Infrasound).unwrap();
    assert!(cited.residual_s.unwrap().abs() < 5.0 && cited.residual_deg.unwrap().abs() < 3.0, "{cited:?}");
    // From another side, or a minute later, it is about something else, of which nothing is said.
    for (turn_deg, late_s) in [(60.0, 0.0), (0.0, 60.0)] {
        let mut other = far[0].clone();
        other.azimuth = other.azimuth.map(|(azimuth_deg, sd_deg)| ((azimuth_deg + turn_deg) % 360.0, sd_deg));
        other.at_s += late_s;
        let words = borne_out(&[near.clone(), vec![other]].concat());
        assert!(words.len() == 1 && words[0].1.is_empty(), "{words:?}");
    }
}

#[test]
fn what_fits_several_events_about_as_well_is_cited_by_none() {
    let (scene, _) = with_array();
    let salvo = |every_s: f64| -> Vec<(f64, f64, f64)> {
        (0..3).map(f64::from).map(|k| (1_500.0 + 50.0 * k, -700.0 + 80.0 * k, 50.0 + every_s * k)).collect()
    };
    let near = |events: &[(f64, f64, f64)]| -> Vec<Pick> {
        events.iter().flat_map(|&(x_m, y_m, at_s)| scene.shot(x_m, y_m, at_s)).collect()
    };
    let quick = salvo(2.0);
    let words = borne_out(&[near(&quick), from_afar(&quick[1..2], 0.0)].concat());
    assert_eq!(words.iter().map(|(_, far)| far.len()).collect::<Vec<_>>(), [0, 0, 0], "{words:?}");
    // Twenty seconds apart there is no doubt.
    let slow = salvo(20.0);
    let words = borne_out(&[near(&slow), from_afar(&slow, 0.5)].concat());
    assert_eq!(words.iter().map(|(_, far)| far.len()).collect::<Vec<_>>(), [1, 1, 1], "{words:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn when_infrasound_comes_changes_nothing(
        late in subsequence((0..4usize).collect::<Vec<_>>(), 0..4), delay_s in 0f64..600.0, size in 1usize..20,
    ) {
        let (scene, registry) = with_array();
        let events: Vec<(f64, f64, f64)> =
            (0..4).map(|k| (2e3 - 900.0 * f64::from(k), 1e3 * f64::from(k % 3), 60.0 + 7.0 * f64::from(k))).collect();
        let near: Vec<Pick> = events.iter().flat_map(|&(x_m, y_m, at_s)| scene.shot(x_m, y_m, at_s)).collect();
        let words = |late: &[usize], size: usize| {
            let mut lines: Vec<(f64, Pick)> = near.iter().map(|pick| (pick.at_s, pick.clone())).collect();
            for (k, far) in from_afar(&events, 0.6).into_iter().enumerate() {
                lines.push((far.at_s + if late.contains(&k) { delay_s } else { 0.0 }, far));
            }
            lines.extend((0..90).map(|k| (10.0 * f64::from(k), pick(3, 10.0 * f64::from(k)))));
            lines.sort_by(|a, b| a.0.total_cmp(&b.0));
            let picks: Vec<Pick> = lines.into_iter().map(|(_, pick)| pick).collect();
            let gist = |alert: AlertFeature| {
                let mut cited: Vec<String> = alert.properties.evidence.iter().map(|it| it.id.clone()).collect();
                cited.sort_unstable();
                (alert.properties.alert, alert.properties.probability.to_bits(), cited)
            };
            stands(hear(&mut scene::engine(), &registry, &picks, size)).into_iter().map(gist).collect::<Vec<_>>()
        };
        prop_assert_eq!(words(&late, size), words(&[], 1));
    }
}
