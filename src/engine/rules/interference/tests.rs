use super::super::harness::*;
use super::*;
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, Status, Term};
use crate::model::geo::LonLat;
use crate::model::kind::Band;
use crate::model::node::{Node, NodeIx, Registry};
use proptest::prelude::*;

/// In the zone.
const JAMMER: LonLat = LonLat { lon_deg: 30.0, lat_deg: 50.0 };
/// Round it, 8 to 15 km away.
const NODES: [(&str, f64, f64); 4] =
    [("mic", 29.85, 50.05), ("ais", 30.15, 50.04), ("radar", 30.02, 49.88), ("other", 29.9, 50.1)];

/// What these nodes report each ten seconds for so long, with every second bearing off by as much one way as the others.
fn reports(nodes: &[(&'static str, f64, f64)], lasts_s: i64) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (number, &(node, lon_deg, lat_deg)) in (0..).zip(nodes) {
        let (distance_m, azimuth_deg) = LonLat { lon_deg, lat_deg }.distance_azimuth(JAMMER);
        for beat in 0..lasts_s / 10 {
            let off_deg = if beat % 2 == 0 { 4.0 } else { -4.0 };
            let power_dbm = -30.0 - 20.0 * (distance_m / 1000.0).log10();
            let report = jammed(node, Band::Gnss, 10 * beat + number, azimuth_deg + off_deg, power_dbm);
            sent.push(report.located(lon_deg, lat_deg));
        }
    }
    sent.sort_by_key(Sent::second);
    sent
}

/// What these tell.
fn source(heard: Vec<Heard>) -> Source {
    let (silent, emissions) = (Vec::new(), Vec::new());
    Source { key: String::new(), by_report: true, heard, silent, emissions, from_ns: 0, newest_ns: 0, to_ns: None }
}

fn until(mut sent: Vec<Sent>, second: i64) -> Vec<Sent> {
    sent.push(status("p1", second, "ok"));
    sent
}

fn only(features: Vec<AlertFeature>) -> AlertFeature {
    assert_eq!(features.len(), 1, "{features:#?}");
    features.into_iter().next().unwrap()
}

#[test]
fn what_several_nodes_report_is_one_source_where_their_bearings_cross() {
    let finals = deliver::<Jamming>(&until(reports(&NODES, 300), 1000), &Delivery::in_order());
    let found = only(finals);
    let alert = &found.properties;
    assert_eq!((alert.class, alert.sign, alert.status), (Class::Interference, Some(Sign::Jamming), Status::Final));
    assert_eq!((alert.from, alert.to), (Some(at_s(0)), Some(at_s(293))));
    assert_eq!((alert.areas.as_slice(), alert.violation), (&["zone".to_owned()][..], true));
    assert_eq!(alert.term, Term::Confirmed);
    let (off_m, ellipse) = (found.place().distance_m(JAMMER), alert.ellipse.unwrap());
    assert!(off_m < 300.0 && ellipse.semi_major_m < 1500.0, "{off_m} {ellipse:?}");
    assert_eq!(alert.evidence.len(), 8, "the first and the last of each");
    assert!(alert.evidence.iter().filter_map(|it| it.residual_deg).all(|off_deg| off_deg.abs() < 2.0));
}

#[test]
fn one_node_alone_is_not_believed_and_each_other_makes_it_surer() {
    let probability = |count: usize| {
        only(deliver::<Jamming>(&until(reports(&NODES[..count], 300), 1000), &Delivery::in_order()))
            .properties
            .probability
    };
    let all: Vec<f64> = (1..=4).map(probability).collect();
    assert!(Term::of(all[0]) == Term::Unresolved && Term::of(all[1]) != Term::Unresolved, "{all:?}");
    assert!(all.windows(2).all(|pair| pair[0] <= pair[1]) && all[3] > 0.95, "{all:?}");
}

#[test]
fn two_that_report_once_are_believed_the_more_the_nearer_in_time() {
    let apart = |by_s: i64| {
        let once = |at: usize, second: i64| {
            let (node, lon_deg, lat_deg) = NODES[at];
            jammed(node, Band::Gnss, second, 0.0, -60.0).without(true, false).located(lon_deg, lat_deg)
        };
        let found = only(deliver::<Jamming>(&until(vec![once(0, 0), once(1, by_s)], 1000), &Delivery::in_order()));
        found.properties.term
    };
    assert_eq!([apart(5), apart(50), apart(90)], [Term::Confirmed, Term::Probable, Term::Unresolved]);
}

#[test]
fn a_second_node_is_told_of_at_once() {
    let sent = reports(&NODES[..2], 20);
    let said = tell::<Jamming>(&sent[..2], &Delivery::in_order());
    let terms: Vec<Term> = said.iter().map(|it| it.properties.term).collect();
    assert!(terms.len() == 2 && terms[0] == Term::Unresolved && terms[1] != Term::Unresolved, "{terms:?}");
    assert_eq!(said[1].properties.status, Status::Revised);
}

#[test]
fn without_bearings_powers_tell_the_place_and_without_either_it_is_an_area_by_nodes() {
    let size = |azimuth: bool, power: bool| {
        let sent = reports(&NODES, 120).into_iter().map(|sent| sent.without(!azimuth, !power)).collect();
        let found = only(deliver::<Jamming>(&until(sent, 1000), &Delivery::in_order()));
        (found.place().distance_m(JAMMER), found.properties.ellipse.unwrap().semi_major_m)
    };
    let (both, powers, neither) = (size(true, true), size(false, true), size(false, false));
    assert!(both.1 < powers.1 && powers.1 < neither.1, "{both:?} {powers:?} {neither:?}");
    assert!(powers.0 < 2.0 * powers.1 && neither.1 > 20_000.0, "{powers:?} {neither:?}");
}

#[test]
fn far_apart_and_another_band_are_other_sources() {
    let mut sent = reports(&NODES[..2], 60);
    sent.push(jammed("p2", Band::Gnss, 20, 0.0, -60.0).located(33.0, 50.0));
    sent.push(jammed("mic", Band::Link, 30, 0.0, -60.0).located(29.85, 50.05));
    assert_eq!(deliver::<Jamming>(&until(sent, 1000), &Delivery::in_order()).len(), 3);
}

#[test]
fn late_reports_amend_what_has_ended() {
    let mut sent = until(reports(&NODES[..1], 300), 1000);
    sent.extend(reports(&NODES[1..], 300));
    let found = only(deliver::<Jamming>(&sent, &Delivery::as_listed())).properties;
    assert_eq!((found.status, found.term), (Status::Amended, Term::Confirmed));
}

#[test]
fn a_report_that_is_taken_back_was_none() {
    let sent = reports(&NODES[..1], 10);
    let back = withdraw(jammed("mic", Band::Gnss, 5, 0.0, -60.0).located(29.85, 50.05), &sent[0]);
    assert!(deliver::<Jamming>(&until(vec![sent[0].clone(), back], 1000), &Delivery::in_order()).is_empty());
}

#[test]
fn switched_off_it_says_nothing() {
    let mut settings = Settings::default();
    settings.interference.on = false;
    let said =
        tell_with(&mut Jamming::default(), &Places::default(), &settings, &reports(&NODES, 60), &Delivery::in_order());
    assert!(said.is_empty());
}

proptest! {
    #[test]
    fn the_order_of_delivery_does_not_matter(delivery in any_delivery(60)) {
        let sent = until(reports(&NODES, 120), 1000);
        prop_assert_eq!(deliver::<Jamming>(&sent, &delivery), deliver::<Jamming>(&sent, &Delivery::in_order()));
    }

    #[test]
    fn a_successor_goes_on_where_the_first_one_ended(
        delivery in any_delivery(60), share in 0.0..1.0f64, recall_s in 90i64..400, knows in proptest::bool::ANY,
    ) {
        let sent = until(reports(&NODES, 600), 1200);
        let by_two = standing(tell_by_two::<Jamming>(&sent, &delivery, share, (recall_s, knows)));
        prop_assert_eq!(by_two, deliver::<Jamming>(&sent, &Delivery::in_order()));
    }

    #[test]
    fn the_place_lies_within_its_ellipse(lon in 29.8f64..30.2, lat in 49.9f64..50.1, seed in 0u64..1000) {
        let at = LonLat { lon_deg: lon, lat_deg: lat };
        // Errors by no pattern: up to 8° and 9 dB.
        let noise = |n: u64| ((seed * 31 + n * 17) % 101) as f64 / 50.0 - 1.0;
        let heard: Vec<Heard> = (0..).zip(&NODES).map(|(n, &(_, lon_deg, lat_deg))| {
            let place = LonLat { lon_deg, lat_deg };
            let (distance_m, azimuth_deg) = place.distance_azimuth(at);
            let cited = Cited {
                origin: crate::model::observation::Origin { topic: 0, partition: 0, offset: 0, line: 0 },
                id: crate::model::observation::Id::new(b"x"),
                node: NodeIx(n as u32),
                kind: Kind::Interference,
                time_ns: 0,
                residual_s: None,
                residual_deg: None,
            };
            let power_dbm = Some(-30.0 - 20.0 * (distance_m.max(30.0) / 1000.0).log10() + 9.0 * noise(n));
            let azimuth = Some((azimuth_deg + 8.0 * noise(n + 7), 5.0));
            Heard::new(&Sighting::new(cited, Band::Gnss, place, What::Report { azimuth, power_dbm }))
        }).collect();
        let registry = Registry::new(NODES.iter().map(|&(name, ..)| Node::unregistered(name)));
        let (places, settings) = (Places::default(), Settings::default());
        let fix = place::locate(&source(heard), None, World::new(&registry, &places, &settings));
        let off_m = fix.place.distance_m(at);
        prop_assert!(off_m < 5.0 * fix.ellipse.semi_major_m, "{off_m} {:?}", fix.ellipse);
        prop_assert!(fix.ellipse.semi_minor_m > 0.0);
    }
}

#[test]
fn who_should_have_heard_and_did_not_makes_it_less_sure() {
    let cited = |node: u32| Cited {
        origin: crate::model::observation::Origin { topic: 0, partition: 0, offset: 0, line: 0 },
        id: crate::model::observation::Id::new(b"x"),
        node: NodeIx(node),
        kind: Kind::Interference,
        time_ns: 0,
        residual_s: None,
        residual_deg: None,
    };
    let listener = |name: &str, lon_deg: f64| Node {
        kinds: KindSet::of(Kind::Interference),
        position: Some(LonLat { lon_deg, lat_deg: 50.0 }),
        ..Node::unregistered(name)
    };
    let heard = [(0, 29.9), (1, 30.1)].map(|(node, lon_deg)| {
        let place = LonLat { lon_deg, lat_deg: 50.0 };
        let what = What::Report { azimuth: None, power_dbm: None };
        Heard::new(&Sighting::new(cited(node), Band::Gnss, place, what))
    });
    let source = source(heard.to_vec());
    let (places, settings) = (Places::default(), Settings::default());
    let probability = |others: &[f64]| {
        let all = [29.9, 30.1].iter().chain(others).enumerate();
        let registry = Registry::new(all.map(|(n, &lon_deg)| listener(&format!("n{n}"), lon_deg)));
        let world = World::new(&registry, &places, &settings);
        source.probability(JAMMER, None, world)
    };
    assert!(probability(&[30.01, 30.02]) < probability(&[30.01]) && probability(&[30.01]) < probability(&[]));
    assert_eq!(probability(&[30.5]), probability(&[]), "who is further away may not hear it");
}
