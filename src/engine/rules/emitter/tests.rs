use super::super::harness::*;
use super::*;
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, Status, Term};
use crate::model::geo::LIGHT_IN_AIR_M_S;
use crate::model::node::{Node, NodeIx, Registry};
use crate::model::observation::{Id, Origin};
use crate::model::time::Timestamp;
use proptest::prelude::*;

/// In the zone.
const AT: LonLat = LonLat { lon_deg: 30.05, lat_deg: 50.03 };
const NODES: [(&str, f64, f64); 9] = [
    ("h1", 29.8, 50.1),
    ("h2", 30.3, 50.15),
    ("h3", 30.1, 49.8),
    ("h4", 29.9, 49.9),
    ("h5", 30.35, 49.95),
    ("h6", 30.0, 50.2),
    ("h7", 29.7, 49.95),
    ("h8", 30.45, 50.05),
    ("h9", 30.2, 50.0),
];
const HZ: f64 = 433.92e6;

/// What so many nodes hear of what leaves at `at`, 1 ms after that second, each off by some tens of nanoseconds.
fn emission(at: LonLat, second: i64, nodes: usize, emitter: &'static str, frequency_hz: f64) -> Vec<Sent> {
    let heard = NODES[..nodes].iter().enumerate().map(|(number, &(node, lon_deg, lat_deg))| {
        let distance_m = at.slant_m(0.0, LonLat { lon_deg, lat_deg }, 0.0);
        let off_ns = ((second * 7 + number as i64 * 13) % 11 - 5) * 20;
        let after_ns = 1_000_000 + (1e9 * distance_m / LIGHT_IN_AIR_M_S).round() as i64 + off_ns;
        radio(node, second, after_ns, emitter, frequency_hz).located(lon_deg, lat_deg)
    });
    heard.collect()
}

/// A millisecond after that second, when it leaves.
fn after_ms(second: i64) -> Timestamp {
    Timestamp(at_s(second).0 + 1_000_000)
}

fn until(mut sent: Vec<Sent>, second: i64) -> Vec<Sent> {
    sent.sort_by_key(Sent::second);
    sent.push(status("p1", second, "ok").located(30.0, 50.0));
    sent
}

fn told(sent: &[Sent]) -> Vec<AlertFeature> {
    deliver::<Emitters>(sent, &Delivery::in_order())
}

/// One on the ground every ten seconds for three minutes, one that a name is given to and that moves, and arrivals of nothing.
fn scene() -> Vec<Sent> {
    let mut sent = Vec::new();
    for beat in 0..18 {
        sent.extend(emission(AT, 10 * beat, 5, "", HZ));
        let moved = LonLat { lon_deg: 30.2 + 0.004 * beat as f64, lat_deg: 50.1 };
        sent.extend(emission(moved, 10 * beat + 3, 4, "drone-7", 2.4e9));
        let alone = NODES[beat as usize % 5];
        sent.push(radio(alone.0, 10 * beat + 5, 17_000 * beat, "", HZ).located(alone.1, alone.2));
    }
    until(sent, 1200)
}

#[test]
fn what_five_nodes_hear_again_and_again_is_one_emitter_where_it_stands() {
    let mut sent = Vec::new();
    (0..18).for_each(|beat| sent.extend(emission(AT, 10 * beat, 5, "", HZ)));
    let found = told(&until(sent, 1200));
    assert_eq!(found.len(), 1, "{found:#?}");
    let alert = &found[0].properties;
    assert_eq!((alert.class, alert.sign, alert.status), (Class::Interference, Some(Sign::Emitter), Status::Final));
    assert_eq!((alert.from, alert.to), (Some(after_ms(0)), Some(after_ms(170))));
    assert!(
        !alert.violation && alert.areas.is_empty() && alert.term == Term::Confirmed,
        "a sign, whatever the zone prohibits"
    );
    let ellipse = alert.ellipse.unwrap();
    let off_m = found[0].place().distance_m(AT);
    assert!(off_m < 40.0 && ellipse.semi_major_m < 60.0, "{off_m} {ellipse:?}");
    let emitter = alert.emitter.as_ref().unwrap();
    assert_eq!((emitter.label.as_deref(), emitter.frequency_hz), (None, Some(HZ)));
    assert!(emitter.alt_m.abs() < 3.0 * emitter.alt_sd_m);
    assert_eq!(alert.evidence.len(), 25, "four emissions and the last");
    assert!(alert.evidence.iter().all(|it| it.residual_s.is_some_and(|off_s| off_s.abs() < 5e-7)));
}

#[test]
fn one_that_moves_is_one_if_it_has_a_name() {
    let found = told(&scene());
    let named: Vec<_> = found.iter().filter(|it| it.properties.emitter.as_ref().unwrap().label.is_some()).collect();
    assert_eq!(named.len(), 1, "{named:#?}");
    assert!(named[0].place().distance_m(LonLat { lon_deg: 30.268, lat_deg: 50.1 }) < 200.0, "where it was last");
    assert_eq!((named[0].properties.probability, found.len()), (0.99, 2));
    // Of four nodes' one word a twentieth is doubted, of five nodes' less.
    let once = |nodes: usize| told(&until(emission(AT, 0, nodes, "", HZ), 1200))[0].properties.probability;
    assert_eq!((once(4), once(5)), (0.95, 0.99));
}

#[test]
fn where_only_satellites_may_send_it_is_interference() {
    let at = |hz: f64| told(&until(emission(AT, 0, 5, "", hz), 1200)).remove(0).properties;
    let (gps, link) = (at(1.57542e9), at(2.4e9));
    assert_eq!((gps.violation, gps.areas.as_slice()), (true, &["zone".to_owned()][..]));
    assert!(!link.violation && link.areas.is_empty());
    assert_eq!(gps.sign, Some(Sign::Emitter));
}

#[test]
fn three_nodes_show_no_contradiction_and_are_not_believed() {
    let mut sent = Vec::new();
    (0..5).for_each(|beat| sent.extend(emission(AT, 10 * beat, 3, "", HZ)));
    assert!(told(&until(sent, 1200)).is_empty());
}

#[test]
fn two_at_a_time_on_one_channel_are_told_apart() {
    let other = LonLat { lon_deg: 30.2, lat_deg: 49.9 };
    let mut sent = emission(AT, 0, 5, "", HZ);
    // The second leaves at the same instant, on a frequency that the channel holds as well.
    sent.extend(emission(other, 0, 5, "", HZ + 100.0));
    let found = told(&until(sent, 1200));
    let mut off_m: Vec<f64> = [AT, other]
        .iter()
        .map(|at| found.iter().map(|it| it.place().distance_m(*at)).fold(f64::INFINITY, f64::min))
        .collect();
    off_m.sort_by(f64::total_cmp);
    assert!(found.len() == 2 && off_m[1] < 200.0, "{off_m:?} {found:#?}");
}

/// What is left of an emission when not all have heard it.
fn some_of(emission: Vec<Sent>, who: u32) -> Vec<Sent> {
    emission.into_iter().enumerate().filter(|(node, _)| who >> node & 1 == 1).map(|it| it.1).collect()
}

#[test]
fn who_is_known_takes_what_is_its_own_and_nothing_stands_between_two() {
    let other = LonLat { lon_deg: 30.2, lat_deg: 49.9 };
    let mut sent = Vec::new();
    for beat in 0..4 {
        sent.extend(emission(AT, 10 * beat, 5, "", HZ));
        sent.extend(emission(other, 10 * beat + 5, 5, "", HZ + 100.0));
    }
    // Then both at the same instant, each heard by some.
    for beat in 4..100u32 {
        let (one, two) = (37 * beat % 512, 211 * beat % 512);
        sent.extend(some_of(emission(AT, 10 * i64::from(beat), 9, "", HZ), one));
        sent.extend(some_of(emission(other, 10 * i64::from(beat), 9, "", HZ + 100.0), two));
    }
    let found = told(&until(sent, 2400));
    let places: Vec<_> =
        found.iter().map(|it| (it.place(), it.properties.from, it.properties.evidence.len())).collect();
    assert_eq!(found.len(), 2, "{places:?}");
}

#[test]
fn arrivals_that_are_taken_back_were_none() {
    let sent = emission(AT, 0, 4, "", HZ);
    let back = withdraw(radio(NODES[2].0, 4, 0, "", HZ).located(NODES[2].1, NODES[2].2), &sent[2]);
    assert_eq!(told(&until(sent.clone(), 1200)).len(), 1);
    let mut with = until([sent, vec![back]].concat(), 1200);
    assert!(told(&with).is_empty());
    with.rotate_right(2);
    assert!(deliver::<Emitters>(&with, &Delivery::all_at_once()).is_empty(), "even if that comes first");
}

#[test]
fn one_that_is_taken_back_where_nothing_else_waits_leaves_nothing() {
    let alone = radio(NODES[2].0, 0, 0, "", HZ).located(NODES[2].1, NODES[2].2);
    let back = withdraw(radio(NODES[2].0, 4, 0, "", HZ).located(NODES[2].1, NODES[2].2), &alone);
    assert!(told(&until(vec![alone.clone(), back.clone()], 1200)).is_empty());
    let found = told(&until([vec![alone, back], emission(AT, 20, 5, "", HZ)].concat(), 1200));
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn it_is_told_when_event_time_has_passed_it_and_not_before() {
    let sent = emission(AT, 0, 5, "", HZ);
    assert!(tell::<Emitters>(&sent, &Delivery::in_order().provisional()).is_empty());
    let said = tell::<Emitters>(&until(sent, 100), &Delivery::in_order().unended());
    assert_eq!(said.iter().map(|it| it.properties.status).collect::<Vec<_>>(), [Status::Preliminary]);
}

#[test]
fn a_node_that_talks_nonsense_hides_nothing_and_bears_nothing_out() {
    let mut sent = emission(AT, 0, 5, "", HZ);
    let height_m = [f64::NAN, 1e300, -1e300, f64::INFINITY];
    for (n, &at_m) in height_m.iter().enumerate() {
        sent.push(radio("mic", 0, 1_100_000 + n as i64, "", HZ).located(30.0, 50.0).up(at_m).called(n));
    }
    let found = told(&until(sent, 1200));
    assert_eq!(found.len(), 1);
    assert!(found[0].place().distance_m(AT) < 100.0 && found[0].properties.evidence.len() == 5);
    // One whose times mean nothing is no fourth node.
    let mut sent = emission(AT, 0, 3, "", HZ);
    sent.push(radio("mic", 0, 1_100_000, "", HZ).located(30.0, 50.0).timed(1.0));
    assert!(told(&until(sent, 1200)).is_empty());
}

#[test]
fn switched_off_it_says_nothing() {
    let mut settings = Settings::default();
    settings.emitters.on = false;
    let said = tell_with(&mut Emitters::default(), &Places::default(), &settings, &scene(), &Delivery::in_order());
    assert!(said.is_empty());
}

#[test]
fn a_channel_is_cut_where_no_raster_has_a_frequency() {
    assert_eq!((channel("a", 1e6).as_str(), channel("", f64::NAN).as_str()), ("named a", "?"));
    for raster_hz in [5_000.0, 6_250.0, 25_000.0 / 3.0, 12_500.0] {
        for step in 0..(3e6 / raster_hz) as i64 {
            let hz = 144e6 + step as f64 * raster_hz;
            // Two parts in a million off either way.
            let near = [hz * (1.0 - 2e-6), hz, hz * (1.0 + 2e-6)].map(|hz| channel("", hz));
            assert!(near.iter().all(|it| *it == near[1]), "{hz} {near:?}");
        }
    }
}

#[test]
fn more_than_can_wait_is_gone_through_before_its_time() {
    let registry = Registry::new([Node::unregistered("n")]);
    let mut waiting = Waiting::default();
    let cited = |time_ns: i64| Cited {
        origin: Origin { topic: 0, partition: 0, offset: 0, line: 0 },
        id: Id::new(time_ns.to_string().as_bytes()),
        node: NodeIx(0),
        kind: Kind::Radio,
        time_ns,
        residual_s: None,
        residual_deg: None,
    };
    for n in 0..waiting::MAX_WAITING as i64 {
        assert_eq!(waiting.overdue(), None);
        let arrival = Arrival {
            cited: cited(n * 1_000_000_000),
            place: AT,
            height_m: 0.0,
            sd_s: 2e-7,
            azimuth: None,
            frequency_hz: None,
            range_m: None,
        };
        waiting.add("?".into(), arrival);
    }
    let cutoff_ns = waiting.overdue().unwrap();
    assert!(waiting.take(cutoff_ns, &registry, &|_, _| Vec::new()).is_empty());
    assert!(waiting.overdue().is_none() && waiting.due(cutoff_ns).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_order_of_delivery_does_not_matter(delivery in any_delivery(200)) {
        let sent = scene();
        prop_assert_eq!(deliver::<Emitters>(&sent, &delivery), told(&sent));
    }

    #[test]
    fn nor_where_emissions_crowd_about_the_times_up_to_which_they_are_looked_for(
        begins_us in proptest::collection::vec((0i64..4, -12_000i64..12_000, 4usize..6, any::<bool>()), 2..12),
        noise_us in proptest::collection::vec((0usize..5, 0i64..4, -12_000i64..12_000), 0..40),
        delivery in any_delivery(140),
    ) {
        // Quarters of a second are the times.
        let mut sent = Vec::new();
        for (n, &(second, off_us, nodes, is_named)) in begins_us.iter().enumerate() {
            let places = [AT, LonLat { lon_deg: 30.2, lat_deg: 49.9 }];
            let all = emission(places[n % 2], 10 + second, nodes, if is_named { "a" } else { "" }, HZ);
            sent.extend(all.into_iter().map(|it| it.later(250_000_000 + 1_000 * off_us).called(n)));
        }
        for (n, &(node, second, off_us)) in noise_us.iter().enumerate() {
            let (name, lon_deg, lat_deg) = NODES[node];
            let alone = radio(name, 10 + second, 250_000_000 + 1_000 * off_us, "", HZ);
            sent.push(alone.located(lon_deg, lat_deg).called(100 + n));
        }
        // Event time goes on in steps of less than that.
        sent.extend((0..60).map(|n| radio("h1", 8, 100_000_000 * n, "else", HZ).located(29.8, 50.1).called(200 + n as usize)));
        let sent = until(sent, 1200);
        prop_assert_eq!(deliver::<Emitters>(&sent, &delivery), told(&sent));
    }

    #[test]
    fn a_successor_goes_on_where_the_first_one_ended(
        delivery in any_delivery(200), share in 0.0..1.0f64, recall_s in 90i64..1_500,
    ) {
        // With event time going on after the last one, until all have ended.
        let mut sent = scene();
        sent.extend((5..40).map(|n| status("p1", 30 * n + 1, "ok").located(30.0, 50.0)));
        sent.sort_by_key(Sent::second);
        let by_two = standing(tell_by_two::<Emitters>(&sent, &delivery, share, (recall_s, true)));
        prop_assert_eq!(by_two, told(&sent));
    }

    #[test]
    fn what_comes_together_by_chance_is_hardly_believed(
        times_ns in proptest::collection::vec((0usize..5, 0i64..1_000_000_000), 200..2_000),
    ) {
        // So many in one second, on one channel.
        let sent: Vec<Sent> = times_ns.iter().enumerate().map(|(n, &(node, after_ns))| {
            let (name, lon_deg, lat_deg) = NODES[node];
            radio(name, 0, after_ns, "", HZ).located(lon_deg, lat_deg).called(n)
        }).collect();
        let found = told(&until(sent, 2000));
        let expected: f64 = found.iter().map(|it| it.properties.probability).sum();
        prop_assert!(expected < 3.0, "{} {expected}", found.len());
    }
}
