//! Regions that are shared out: what each part answers for by itself, and what rules find that see all, comes to what one engine says.

use super::harness::{Sent, origin, patrol, status};
use crate::engine::associate::layout::cells;
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::engine::share::{Regions, Share};
use crate::engine::{Engine, Output};
use crate::model::alert::AlertFeature;
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::geo::LonLat;
use crate::model::kind::{Activity, Kind, KindSet};
use crate::model::node::{Node, Registry};
use crate::model::observation::{Observations, Part};
use geo::{LineString, MultiPolygon, Polygon};
use std::collections::BTreeMap;

const PARTS: u32 = 3;
const LAT_DEG: f64 = 48.0;

/// A line of 1,200 microphones from west to east, one a kilometre, and who reports.
fn registry() -> Registry {
    let mic = |k: u32| Node {
        kinds: KindSet::default().with(Kind::Acoustic),
        position: Some(LonLat { lon_deg: 24.0 + f64::from(k) * 0.0137, lat_deg: LAT_DEG }),
        range_m: Some(12_000.0),
        registered: true,
        ..Node::unregistered(&format!("n{k:04}"))
    };
    let reporter = |(name, lon_deg)| Node {
        position: Some(LonLat { lon_deg, lat_deg: LAT_DEG }),
        registered: true,
        ..Node::unregistered(name)
    };
    Registry::new((0..1200).map(mic).chain([("radar", 30.0), ("p1", 24.1), ("p2", 40.0)].map(reporter)))
}

/// All of it is an area without heavy weapons.
fn places() -> Places {
    let corners = [(23.0, 47.0), (42.0, 47.0), (42.0, 49.0), (23.0, 49.0), (23.0, 47.0)];
    let shape = MultiPolygon::new(vec![Polygon::new(LineString::from(corners.to_vec()), Vec::new())]);
    Places::new(vec![Area::new("line", AreaType::Withdrawal, &[Prohibition::HeavyWeapons], shape)], Vec::new())
}

fn engine(share: Option<Share>) -> Engine {
    let mut engine = Engine::new(Settings::default(), String::new(), vec!["t".to_owned()], places());
    share.into_iter().for_each(|share| engine.take_share(share));
    engine
}

/// The last word on each alert.
fn last(engine: &mut Engine, registry: &Registry, out: &mut Output) -> BTreeMap<String, AlertFeature> {
    engine.finish(registry, out);
    let said = out.said.drain(..).map(|said| said.into_feature());
    said.map(|alert| (alert.properties.alert.clone(), alert)).collect()
}

#[test]
fn parts_say_of_one_gun_and_of_what_repeats_what_one_says() {
    let registry = registry();
    let regions = Regions::new(cells(&registry), PARTS);
    let batch_of = |at: usize, sent: &Sent| {
        let mut batch = Observations::default();
        sent.push(at as i64, &registry, &mut batch);
        batch
    };
    let to = |batch: &Observations| {
        let mut to = Vec::new();
        regions.route(batch, 0, &registry, &mut to);
        to
    };
    // Where two parts meet.
    let own_at = |lon_deg: f64| to(&batch_of(0, &origin("radar", 0, lon_deg, LAT_DEG)))[0];
    let steps = (0..16_000).map(|k| 24.0 + 0.001 * f64::from(k));
    let border_deg = steps.clone().zip(steps.skip(1)).find(|&(a, b)| own_at(a) != own_at(b)).expect("a border").1;

    let mut sent: Vec<Sent> = (0..12)
        .map(|n| origin("radar", 20 * n, border_deg + if n % 2 == 0 { 0.0012 } else { -0.0012 }, LAT_DEG))
        .collect();
    assert_ne!(own_at(border_deg + 0.0012), own_at(border_deg - 0.0012));
    sent.extend(
        [("p1", 30), ("p2", 4_000), ("p1", 8_000)]
            .map(|(who, second)| patrol(who, second, Activity::Denied).located(30.01, LAT_DEG)),
    );
    assert_ne!(to(&batch_of(0, &sent[12]))[0], to(&batch_of(0, &sent[13]))[0], "patrols of two parts");
    // Event time goes on.
    sent.extend((0..280).flat_map(|n| ["n0000", "n0600"].map(|node| status(node, 30 * n, "ok"))));
    sent.sort_by_key(Sent::second);

    let (mut one, mut out) = (engine(None), Output::default());
    let mut parts: Vec<(Engine, Output)> =
        (0..PARTS).map(|part| (engine(Some(Share { regions: regions.clone(), part })), Output::default())).collect();
    for (at, sent) in sent.iter().enumerate() {
        let mut batch = batch_of(at, sent);
        one.ingest(&batch, &registry, &mut out);
        let to = to(&batch);
        for (part, (engine, out)) in (0..).zip(&mut parts) {
            batch.part[0] = match to.iter().position(|&it| it == part) {
                Some(0) => Part::Own,
                Some(_) => Part::Halo,
                // As the router tells it.
                None => Part::Progress,
            };
            engine.ingest(&batch, &registry, out);
        }
    }
    let by_one = last(&mut one, &registry, &mut out);
    assert_eq!(by_one.len(), 4, "a gun and three restrictions: {by_one:#?}");
    assert!(by_one.values().any(|alert| alert.properties.evidence.len() == 12), "all rounds are of one gun");
    assert_eq!(by_one.values().map(|alert| alert.properties.follows.len()).max(), Some(2));
    let mut by_all = BTreeMap::new();
    for (engine, out) in &mut parts {
        for (id, alert) in last(engine, &registry, out) {
            assert!(by_all.insert(id, alert).is_none(), "said by one of them");
        }
    }
    assert_eq!(by_all, by_one);
}
