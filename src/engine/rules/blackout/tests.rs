use super::super::harness::*;
use super::super::sensor::Sensors;
use super::*;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, Status};
use proptest::prelude::*;

/// Heartbeats of the line and of another node for an hour; each node of the line pauses from one minute to another, if it does.
fn beats(pauses: &[Option<(i64, i64)>; 8]) -> Vec<Sent> {
    let mut sent: Vec<Sent> = (0..60).map(|minute| status("other", 60 * minute + 1, "ok")).collect();
    for (at, (node, pause)) in LINE.into_iter().zip(pauses).enumerate() {
        let is_up = |minute: &i64| pause.is_none_or(|(from, to)| !(from..to).contains(minute));
        sent.extend((0..60).filter(is_up).map(|minute| status(node, 60 * minute + at as i64, "ok")));
    }
    sent
}

/// Six of the line are silent at once, one of them for longer.
fn cut() -> Vec<Sent> {
    beats(&[None, Some((10, 30)), Some((10, 30)), Some((11, 31)), Some((12, 30)), Some((10, 45)), Some((10, 30)), None])
}

fn clusters(finals: Vec<AlertFeature>) -> Vec<AlertFeature> {
    finals.into_iter().filter(|it| it.properties.sign == Some(Sign::Cluster)).collect()
}

#[test]
fn neighbours_that_are_silent_at_once_are_told_of_besides_their_own_silences() {
    let finals = deliver::<Sensors>(&cut(), &Delivery::in_order());
    assert_eq!(finals.len(), 7);
    let found = clusters(finals);
    assert_eq!(found.len(), 1);
    let alert = &found[0].properties;
    assert_eq!((alert.class, alert.status, alert.violation), (Class::SensorSilent, Status::Final, false));
    assert_eq!((alert.count, alert.count_is_minimum), (6, false));
    // The fifth of them was last heard at 10:03; from 30:02 on fewer than five were silent.
    assert_eq!((alert.from, alert.to), (Some(at_s(603)), Some(at_s(1802))));
    let nodes: BTreeSet<&str> = alert.evidence.iter().map(|it| it.node.as_str()).collect();
    assert_eq!(nodes, BTreeSet::from(["m1", "m2", "m3", "m4", "m5", "m6"]));
    let middle = found[0].place();
    assert!((middle.lon_deg - 30.0).abs() < 1e-6 && (middle.lat_deg - (50.2 + 3.5 * 0.036)).abs() < 1e-3);
    let ellipse = alert.ellipse.unwrap();
    assert!((6_500.0..7_200.0).contains(&ellipse.semi_major_m) && ellipse.semi_minor_m < 1.0, "{ellipse:?}");
    // m0 and m7 are left, who have nothing in common: all is lost that four of the line could hear.
    assert!((100.0..500.0).contains(&alert.coverage_lost_km2.unwrap()), "{:?}", alert.coverage_lost_km2);
}

#[test]
fn few_or_one_after_the_other_or_far_from_each_other_are_no_cluster() {
    let four = beats(&[None, Some((10, 30)), Some((10, 30)), Some((10, 30)), Some((10, 30)), None, None, None]);
    let in_turn: [Option<(i64, i64)>; 8] = std::array::from_fn(|at| Some((5 + 6 * at as i64, 11 + 6 * at as i64)));
    for sent in [four, beats(&in_turn)] {
        let finals = deliver::<Sensors>(&sent, &Delivery::in_order());
        assert!(finals.len() >= 4 && clusters(finals).is_empty());
    }
    let mut settings = Settings::default();
    settings.silence.cluster.near_m = 3_000.0;
    let told =
        |settings: &Settings| tell_with(&mut Sensors::default(), &zone(), settings, &cut(), &Delivery::in_order());
    assert!(clusters(told(&settings)).is_empty());
    settings.silence.cluster.near_m = 5_000.0;
    assert!(!clusters(told(&settings)).is_empty());
    settings.silence.cluster.on = false;
    assert!(clusters(told(&settings)).is_empty());
}

#[test]
fn it_is_told_when_there_are_enough_and_grows() {
    let said = clusters(tell::<Sensors>(&cut(), &Delivery::in_order()));
    assert_eq!((said[0].properties.status, said[0].properties.count), (Status::Preliminary, 5));
    assert!(said.iter().any(|it| it.properties.count == 6 && it.properties.to.is_none()));
}

#[test]
fn heartbeats_that_come_late_do_away_with_it() {
    let mut sent = cut();
    sent.sort_by_key(Sent::second);
    let late = (11..30).flat_map(|minute| [status("m1", 60 * minute, "ok"), status("m2", 60 * minute, "ok")]);
    sent.extend(late);
    // At once, though event time goes no further.
    for delivery in [Delivery::as_listed(), Delivery::as_listed().unended()] {
        let said = tell::<Sensors>(&sent, &delivery);
        assert!(!clusters(said.clone()).is_empty());
        assert!(clusters(standing(said)).is_empty());
    }
}

/// Pauses of the line, most of them about one time.
fn any_pauses() -> impl Strategy<Value = [Option<(i64, i64)>; 8]> {
    let pause = (0u8..5, 2i64..14, 20i64..34)
        .prop_map(|(what, from, to)| (what > 0).then_some(if what == 1 { (from, from + 8) } else { (from, to) }));
    proptest::array::uniform8(pause)
}

proptest! {
    #[test]
    fn the_order_of_delivery_does_not_matter(pauses in any_pauses(), delivery in any_delivery(100)) {
        let sent = beats(&pauses);
        prop_assert_eq!(deliver::<Sensors>(&sent, &delivery), deliver::<Sensors>(&sent, &Delivery::in_order()));
    }

    #[test]
    fn a_successor_goes_on_where_the_first_one_ended(
        pauses in any_pauses(), delivery in any_delivery(100), share in 0.0..1.0f64, recall_s in 90i64..2_000,
    ) {
        let sent = beats(&pauses);
        let by_two = standing(tell_by_two::<Sensors>(&sent, &delivery, share, (recall_s, true)));
        prop_assert_eq!(by_two, deliver::<Sensors>(&sent, &Delivery::in_order()));
    }

    #[test]
    fn clusters_are_what_hangs_together_and_has_enough_at_once(pauses in any_pauses()) {
        let (with, own): (Vec<_>, Vec<_>) = deliver::<Sensors>(&beats(&pauses), &Delivery::in_order())
            .into_iter()
            .map(|it| it.properties)
            .partition(|it| it.sign == Some(Sign::Cluster));
        let second = |time: crate::model::time::Timestamp| (time.0 - at_s(0).0) / 1_000_000_000;
        // Of each silence its node's place in the line, and when it began and ended.
        let own: Vec<(i64, i64, i64)> = own
            .iter()
            .map(|it| {
                let at = LINE.iter().position(|node| *node == it.evidence[0].node).unwrap() as i64;
                (at, second(it.from.unwrap()), second(it.to.unwrap()))
            })
            .collect();
        // Two steps of 4 km are near; five missed heartbeats count.
        let linked = |a: &(i64, i64, i64), b: &(i64, i64, i64)| {
            (a.0 - b.0).abs() <= 2 && (a.1 - b.1).abs() <= 600 && a.1 + 300 < b.2 && b.1 + 300 < a.2
        };
        let mut left = own;
        let mut expected: Vec<u32> = Vec::new();
        while let Some(first) = left.pop() {
            let mut group = vec![first];
            while let Some(at) = left.iter().position(|it| group.iter().any(|member| linked(it, member))) {
                group.push(left.remove(at));
            }
            let at_once = |time: i64| group.iter().filter(|it| (it.1..it.2).contains(&time)).count() as u32;
            expected.extend(group.iter().map(|it| at_once(it.1)).max().filter(|&most| most >= 5));
        }
        let mut told: Vec<u32> = with.iter().map(|it| it.count).collect();
        expected.sort_unstable();
        told.sort_unstable();
        prop_assert_eq!(told, expected);
    }
}
