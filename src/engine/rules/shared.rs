//! Regions that are shared out: what parts answer for by themselves, and what rules find that see all, comes to what one engine says.

use super::harness::{Sent, arrival, at_s, jammed, origin, patrol, plot, status};
use crate::engine::associate::layout::cells;
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::engine::share::{Regions, Share, seen_by};
use crate::engine::{Engine, Output};
use crate::model::alert::{AlertFeature, Class, Sign};
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::geo::LonLat;
use crate::model::kind::{Activity, Band, Domain, Kind, KindSet};
use crate::model::node::{Node, Registry};
use crate::model::notice::{Notice, NoticeKind};
use crate::model::observation::Observations;
use geo::{LineString, MultiPolygon, Polygon};
use std::collections::BTreeMap;

const PARTS: u32 = 3;
const LAT_DEG: f64 = 48.0;
/// So many objects were announced.
const ANNOUNCED: u32 = 5;

fn name(k: u32) -> String {
    format!("n{k:04}")
}

/// A line of 1,200 microphones from west to east, one a kilometre, and who reports.
fn registry() -> Registry {
    let mic = |k: u32| Node {
        kinds: KindSet::default().with(Kind::Acoustic),
        position: Some(LonLat { lon_deg: 24.0 + f64::from(k) * 0.0137, lat_deg: LAT_DEG }),
        range_m: Some(12_000.0),
        heartbeat_s: Some(60.0),
        registered: true,
        ..Node::unregistered(&name(k))
    };
    let reporter = |(name, lon_deg)| Node {
        position: Some(LonLat { lon_deg, lat_deg: LAT_DEG }),
        registered: true,
        ..Node::unregistered(name)
    };
    let reporters = [("radar", 30.0), ("p1", 24.1), ("p2", 40.0), ("ais", 30.0), ("adsb", 30.0)];
    Registry::new((0..1200).map(mic).chain(reporters.map(reporter)))
}

/// All of it is an area in which next to nothing may be, and as long as all lasts some movement was announced in it.
fn places() -> Places {
    let corners = [(23.0, 47.0), (42.0, 47.0), (42.0, 49.0), (23.0, 49.0), (23.0, 47.0)];
    let shape = MultiPolygon::new(vec![Polygon::new(LineString::from(corners.to_vec()), Vec::new())]);
    let prohibited = [Prohibition::HeavyWeapons, Prohibition::Entry, Prohibition::AisOff, Prohibition::Interference];
    let movement = Notice {
        notice: "movement".to_owned(),
        kinds: vec![NoticeKind::Movement],
        from_ns: at_s(5_000).0,
        to_ns: at_s(9_000).0,
        count: Some(ANNOUNCED),
        by: None,
        shape: shape.clone(),
    };
    Places::new(vec![Area::new("line", AreaType::Withdrawal, &prohibited, shape)], vec![movement])
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

/// The parts among which the regions are shared out, and what is sent from now on.
struct Shared {
    registry: Registry,
    regions: Regions,
    sent: Vec<Sent>,
}

impl Shared {
    /// In which two nodes far from each other beat so long, in seconds: event time goes on.
    fn lasting(seconds: i64) -> Shared {
        let registry = registry();
        let regions = Regions::new(cells(&registry), PARTS);
        let sent = (0..seconds / 30).flat_map(|n| ["n0000", "n0600"].map(|node| status(node, 30 * n, "ok")));
        Shared { sent: sent.collect(), registry, regions }
    }

    fn batch_of(&self, at: usize, sent: &Sent) -> Observations {
        let mut batch = Observations::default();
        sent.push(at as i64, &self.registry, &mut batch);
        batch
    }

    /// The parts that it goes to, first the one that answers for it.
    fn to(&self, sent: &Sent) -> Vec<u32> {
        let mut to = Vec::new();
        self.regions.route(&self.batch_of(0, sent), 0, &self.registry, &mut to);
        to
    }

    /// So many nodes on either side of where two parts meet.
    fn about_a_border(&self, nodes: u32) -> Vec<&'static str> {
        let name = |k: u32| &*Box::leak(name(k).into_boxed_str());
        let home = |k: u32| self.to(&arrival(name(k), 0))[0];
        let border = (100..1100).find(|&k| home(k) != home(k + 1)).expect("a border");
        (border + 1 - nodes..border + 1 + nodes).map(name).collect()
    }

    /// The last word on each alert by one engine, and by all parts, each of which has said its own.
    fn told(&self) -> BTreeMap<String, AlertFeature> {
        let mut sent = self.sent.clone();
        sent.sort_by_key(Sent::second);
        let (mut one, mut out) = (engine(None), Output::default());
        let share = |part| Share { regions: self.regions.clone(), part };
        let mut parts: Vec<(Engine, Output)> =
            (0..PARTS).map(|part| (engine(Some(share(part))), Output::default())).collect();
        for (at, sent) in sent.iter().enumerate() {
            let mut batch = self.batch_of(at, sent);
            one.ingest(&batch, &self.registry, &mut out);
            let to = self.to(sent);
            for (part, (engine, out)) in (0..).zip(&mut parts) {
                batch.part[0] = seen_by(part, &to);
                engine.ingest(&batch, &self.registry, out);
            }
        }
        let by_one = last(&mut one, &self.registry, &mut out);
        let mut by_all = BTreeMap::new();
        for (engine, out) in &mut parts {
            for (id, alert) in last(engine, &self.registry, out) {
                assert!(by_all.insert(id, alert).is_none(), "said by one of them");
            }
        }
        assert_eq!(by_all, by_one);
        by_one
    }
}

fn of_sign(told: &BTreeMap<String, AlertFeature>, sign: Sign) -> Vec<&AlertFeature> {
    told.values().filter(|alert| alert.properties.sign == Some(sign)).collect()
}

#[test]
fn parts_say_of_one_gun_and_of_what_repeats_what_one_says() {
    let mut shared = Shared::lasting(8_400);
    // Where two parts meet.
    let own_at = |lon_deg: f64| shared.to(&origin("radar", 0, lon_deg, LAT_DEG))[0];
    let steps = (0..16_000).map(|k| 24.0 + 0.001 * f64::from(k));
    let border_deg = steps.clone().zip(steps.skip(1)).find(|&(a, b)| own_at(a) != own_at(b)).expect("a border").1;
    assert_ne!(own_at(border_deg + 0.0012), own_at(border_deg - 0.0012));
    shared.sent.extend(
        (0..12).map(|n| origin("radar", 20 * n, border_deg + if n % 2 == 0 { 0.0012 } else { -0.0012 }, LAT_DEG)),
    );
    shared.sent.extend(
        [("p1", 30), ("p2", 4_000), ("p1", 8_000)]
            .map(|(who, second)| patrol(who, second, Activity::Denied).located(30.01, LAT_DEG)),
    );
    let told = shared.told();
    assert_eq!(told.len(), 4, "a gun and three restrictions: {told:#?}");
    assert!(told.values().any(|alert| alert.properties.evidence.len() == 12), "all rounds are of one gun");
    assert_eq!(told.values().map(|alert| alert.properties.follows.len()).max(), Some(2));
}

#[test]
fn neighbours_of_two_parts_that_fall_silent_are_one_cluster() {
    let mut shared = Shared::lasting(7_200);
    let nodes = shared.about_a_border(5);
    let beats = nodes.iter().flat_map(|&node| (0..120).map(move |minute| (node, minute)));
    let beats = beats.filter(|(_, minute)| !(20..60).contains(minute));
    shared.sent.extend(beats.map(|(node, minute)| status(node, 60 * minute, "ok")));
    let told = shared.told();
    assert_eq!(told.len(), 11);
    assert_eq!(of_sign(&told, Sign::Cluster)[0].properties.count, 10);
}

#[test]
fn clocks_of_two_parts_and_reports_of_two_bands_are_of_two_jammers() {
    let mut shared = Shared::lasting(7_200);
    let nodes = shared.about_a_border(3);
    for (number, &node) in (0..).zip(&nodes) {
        for minute in 0..120 {
            let clock_s = if (30..50).contains(&minute) { 1e-4 } else { 1e-6 };
            shared.sent.push(status(node, 60 * minute + number, "ok").clock(clock_s));
        }
    }
    for (band, second) in [(Band::Gnss, 1_830), (Band::Link, 1_850)] {
        shared.sent.extend(nodes.iter().map(|&node| jammed(node, band, second, 90.0, -60.0)));
    }
    let told = shared.told();
    let jamming = of_sign(&told, Sign::Jamming);
    assert_eq!((told.len(), jamming.len()), (2, 2), "{told:#?}");
    let cited: Vec<usize> = jamming.iter().map(|alert| alert.properties.evidence.len()).collect();
    assert!(cited.contains(&12) && cited.contains(&6), "six clocks and six reports, and six: {cited:?}");
}

#[test]
fn an_identity_under_two_names_is_one_and_a_vessel_is_silent_among_all_others() {
    let mut shared = Shared::lasting(9_000);
    let names: Vec<String> = (0..8).map(|number| format!("vessel-{number}")).collect();
    for (number, name) in (0..).zip(&names) {
        let lon_deg = 30.0 + 0.01 * number as f64;
        // All of a receiver are lost for a while, and one is for longer.
        let silent = 30..if number == 3 { 120 } else { 55 };
        let minutes = (0..145).filter(|minute| !silent.contains(minute));
        shared.sent.extend(minutes.map(|minute| plot("ais", Domain::Sea, name, 60 * minute + number, lon_deg, 47.9)));
    }
    // A ship of one identity is in two places, as two tracks; so is an aircraft.
    for minute in 0..40 {
        for (domain, node, tracks, identity) in
            [(Domain::Sea, "ais", ["a", "b"], "272000001"), (Domain::Air, "adsb", ["c", "f"], "508035")]
        {
            for (track, lon_deg) in tracks.into_iter().zip([26.0, 36.0]) {
                let second = 60 * minute + 31;
                let plot = plot(node, domain, track, second, lon_deg, 46.5);
                shared.sent.push(plot.identity(identity).called(usize::from(lon_deg > 30.0)));
            }
        }
    }
    let told = shared.told();
    assert_eq!(of_sign(&told, Sign::Twin).len(), 2, "{told:#?}");
    let dark = told.values().filter(|alert| alert.properties.class == Class::SeaDark);
    let from: Vec<_> = dark.map(|alert| alert.properties.from).collect();
    assert_eq!(from, [Some(at_s(29 * 60 + 3))], "the others were the receiver's silence");
}

#[test]
fn a_node_that_jumps_by_its_heartbeats_is_found_by_its_patrols_too() {
    let mut shared = Shared::lasting(4_000);
    for minute in 0..60 {
        let lon_deg = if (20..40).contains(&minute) { 33.0 } else { 24.1 };
        let sent = match minute % 2 {
            0 => status("p1", 60 * minute, "ok"),
            _ => patrol("p1", 60 * minute, Activity::Position),
        };
        shared.sent.push(sent.located(lon_deg, LAT_DEG));
    }
    let told = shared.told();
    assert_eq!(of_sign(&told, Sign::Jump).len(), 2, "there and back: {told:#?}");
}

#[test]
fn objects_that_make_use_of_a_notice_are_counted_together_however_they_were_seen() {
    let mut shared = Shared::lasting(9_000);
    let lon_deg = |number: i64| 24.5 + 1.5 * number as f64;
    let tracks: Vec<String> = (0..4).map(|number| format!("truck-{number}")).collect();
    for (number, track) in (0..).zip(&tracks) {
        let plots =
            (0..30).map(|n| plot("radar", Domain::Ground, track, 5_400 + 10 * n + number, lon_deg(number), 47.9));
        shared.sent.extend(plots);
    }
    let found = (4..8).map(|number| (number, 5_405 + 60 * (number - 4)));
    shared.sent.extend(
        found.map(|(number, second)| patrol("p1", second, Activity::Found).object("mlrs", lon_deg(number), 47.9, 1.0)),
    );
    shared.sent.extend((0..6).map(|n| origin("radar", 5_420 + 20 * n, 30.01, 47.8)));
    let told = shared.told();
    let moved = |alert: &&AlertFeature| NoticeKind::Movement.covers(alert.properties.class);
    let covered = told.values().filter(moved).filter(|alert| alert.properties.notice.is_some()).count();
    let beyond = told.values().filter(moved).filter(|alert| alert.properties.exceeds.is_some()).count();
    assert_eq!((covered, beyond), (ANNOUNCED as usize, 4), "four tracks, four finds and a gun: {told:#?}");
}
