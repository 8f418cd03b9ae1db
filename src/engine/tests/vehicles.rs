//! Where a node says itself that it is: that overrides the registry, for what it hears and for what it does not.

use super::scene::{Pick, START_NS, Scene, Words, arrival, engine, pick};
use crate::engine::Output;
use crate::engine::book::Said;
use crate::model::alert::Status;
use crate::model::geo::{Frame, LonLat};
use crate::model::kind::Kind;
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::{Common, Observations, Origin, duplicate_key};
use crate::model::time::ns_from_s;

/// A pick, and where its node says that it is.
type Told = (Pick, Option<LonLat>);

fn last_words(registry: &Registry, mut told: Vec<Told>) -> Words {
    told.sort_by(|a, b| a.0.at_s.total_cmp(&b.0.at_s));
    let (mut engine, mut out, mut last) = (engine(), Output::default(), Words::new());
    for (offset, (pick, at)) in (0..).zip(&told) {
        let mut batch = Observations::default();
        let detail = arrival(&mut batch, pick.azimuth);
        let (id, key) = (batch.store(pick.id.as_bytes()), duplicate_key(NodeIx(pick.node), pick.id.as_bytes()));
        let origin = Origin { topic: 0, partition: 0, offset, line: 0 };
        let time_ns = START_NS + ns_from_s(pick.at_s);
        let mut common = Common { id, key, ..Common::new(origin, Kind::Acoustic, NodeIx(pick.node), time_ns, detail) };
        if let Some(at) = at {
            (common.lon_deg, common.lat_deg) = (at.lon_deg, at.lat_deg);
        }
        batch.push(common);
        engine.ingest(&batch, registry, &mut out);
    }
    engine.finish(registry, &mut out);
    for said in out.said.into_iter().map(Said::into_feature) {
        last.insert(said.properties.alert.clone(), said);
    }
    last.retain(|_, alert| alert.properties.status != Status::Retracted);
    last
}

const SHOTS: [(f64, f64, f64); 4] = [(-2e3, 1e3, 30.0), (3e3, 2e3, 150.0), (500.0, -4e3, 270.0), (-4e3, -3e3, 390.0)];

/// The registry of a scene, in which these nodes stand elsewhere, or nobody knows where.
fn registered(scene: &Scene, nodes: &[u32], at: Option<(f64, f64)>) -> Registry {
    let frame = Frame::about(scene.centre);
    Registry::new((0u32..).zip(scene.registry().nodes()).map(|(number, node)| {
        let mut node = node.clone();
        if nodes.contains(&number) {
            node.position = at.map(|(x_m, y_m)| frame.to_place(x_m + f64::from(number), y_m));
        }
        node
    }))
}

/// What a scene hears of all shots, where these nodes say where they are.
fn heard(scene: &Scene, nodes: &[u32]) -> Vec<Told> {
    let frame = Frame::about(scene.centre);
    let says = |pick: &Pick| {
        let (_, x_m, y_m) = scene.nodes[pick.node as usize];
        nodes.contains(&pick.node).then(|| frame.to_place(x_m, y_m))
    };
    SHOTS
        .iter()
        .flat_map(|&(x_m, y_m, at_s)| scene.shot(x_m, y_m, at_s))
        .map(|pick| (says(&pick), pick))
        .map(|(at, pick)| (pick, at))
        .collect()
}

#[test]
fn what_is_heard_is_heard_where_the_node_says_that_it_is() {
    let scene = Scene::square();
    let expected = last_words(&scene.registry(), heard(&scene, &[]));
    assert_eq!(expected.len(), SHOTS.len());
    let moved: Vec<u32> = vec![5, 6, 9];
    for at in [Some((3e3, -7e3)), Some((2e5, 1e5)), None] {
        let found = last_words(&registered(&scene, &moved, at), heard(&scene, &moved));
        assert!(found.keys().eq(expected.keys()), "{at:?}: {found:?}");
        for (found, expected) in found.values().zip(expected.values()) {
            assert!(found.place().distance_m(expected.place()) < 1.0, "{at:?}: {found:?}");
            assert_eq!(found.properties.evidence, expected.properties.evidence, "{at:?}");
            assert_eq!(found.properties.silent, expected.properties.silent, "{at:?}");
        }
    }
    // Without what they say these shots would be elsewhere, or nowhere.
    let misplaced = last_words(&registered(&scene, &moved, Some((3e3, -7e3))), heard(&scene, &[]));
    let same = misplaced
        .values()
        .filter(|alert| expected.values().any(|it| it.properties.evidence == alert.properties.evidence));
    assert_eq!(same.count(), 0);
}

#[test]
fn a_vehicle_that_drives_on_bears_each_shot_out_from_where_it_is() {
    let scene = Scene::square();
    let frame = Frame::about(scene.centre);
    let mut told = Vec::new();
    let count = 40;
    for shot in 0..count {
        let at_s = 30.0 + 100.0 * f64::from(shot);
        // One of the nodes goes north by 150 m from shot to shot: 6 km in all.
        let mut now = scene.clone();
        now.nodes[5].2 = -3e3 + 150.0 * f64::from(shot);
        let says = |pick: &Pick| (pick.node == 5).then(|| frame.to_place(now.nodes[5].1, now.nodes[5].2));
        told.extend(now.shot(-1e3 + 37.0 * f64::from(shot), 2e3, at_s).into_iter().map(|pick| (says(&pick), pick)));
    }
    let found = last_words(&scene.registry(), told.into_iter().map(|(at, pick)| (pick, at)).collect());
    assert_eq!(found.len(), count as usize);
    for alert in found.values() {
        let own = alert.properties.evidence.iter().find(|cited| cited.node == "mic-05").expect("it heard it");
        assert!(own.residual_s.is_some_and(|residual_s| residual_s.abs() < 0.05), "{own:?}");
        assert!(alert.properties.silent.is_empty(), "{:?}", alert.properties.silent);
    }
}

#[test]
fn who_has_gone_is_not_missed_where_it_was() {
    let scene = Scene::square();
    let away = Frame::about(scene.centre).to_place(40e3, 40e3);
    let all = |goes: bool| {
        let mut told: Vec<Told> =
            scene.shot(-2e3, -2e3, 100.0).into_iter().filter(|pick| pick.node != 5).map(|pick| (pick, None)).collect();
        told.push((pick(5, 60.0), goes.then_some(away)));
        let found = last_words(&scene.registry(), told);
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_values().next().expect("one").properties
    };
    let (stays, went) = (all(false), all(true));
    assert_eq!(stays.silent, ["mic-05"]);
    assert!(went.silent.is_empty() && went.probability >= stays.probability, "{went:?}");
}
