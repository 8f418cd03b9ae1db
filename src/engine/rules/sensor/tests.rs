use super::super::harness::*;
use super::*;
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, Status};
use proptest::prelude::*;

/// Two nodes that beat once a minute; one pauses for twenty minutes and is tampered with later.
fn a_pause_and_a_tampering() -> Vec<Sent> {
    let mut sent: Vec<Sent> = (0..60).map(|minute| status("other", 60 * minute + 1, "ok")).collect();
    for minute in (0..10).chain(30..60) {
        let health = if (40..45).contains(&minute) { "tamper" } else { "ok" };
        sent.push(status("mic", 60 * minute, health));
    }
    sent
}

#[test]
fn silence_and_tampering_have_a_beginning_and_an_end() {
    let finals = deliver::<Sensors>(&a_pause_and_a_tampering(), &Delivery::in_order());
    let told: Vec<_> = finals.iter().map(|f| (f.properties.class, f.properties.from, f.properties.to)).collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&(Class::SensorSilent, Some(at_s(540)), Some(at_s(1800)))));
    assert!(told.contains(&(Class::SensorTamper, Some(at_s(2400)), Some(at_s(2700)))));
    assert!(finals.iter().all(|f| !f.properties.violation && f.properties.status == Status::Final));
}

#[test]
fn a_tamper_alarm_is_told_at_once() {
    let said = tell::<Sensors>(&[status("mic", 0, "tamper")], &Delivery::in_order());
    assert_eq!(said[0].properties.status, Status::Preliminary);
}

#[test]
fn a_stream_that_stands_still_accuses_nobody() {
    let sent: Vec<Sent> = (0..10).flat_map(|n| [status("mic", 60 * n, "ok"), status("other", 60 * n, "ok")]).collect();
    assert!(deliver::<Sensors>(&sent, &Delivery::in_order()).is_empty());
}

#[test]
fn heartbeats_that_come_late_do_away_with_a_silence() {
    let mut sent = a_pause_and_a_tampering();
    sent.sort_by_key(Sent::second);
    sent.extend((10..30).map(|minute| status("mic", 60 * minute, "ok")));
    let said = tell::<Sensors>(&sent, &Delivery::as_listed());
    assert!(said.iter().any(|feature| feature.properties.class == Class::SensorSilent));
    let classes: Vec<Class> = standing(said).iter().map(|feature| feature.properties.class).collect();
    assert_eq!(classes, [Class::SensorTamper]);
}

#[test]
fn a_heartbeat_that_comes_late_after_a_long_silence_ends_it() {
    let beat = |minute: i64| status("mic", 60 * minute, "ok");
    let mut sent: Vec<Sent> = (0..60).map(|minute| status("other", 60 * minute + 1, "ok")).collect();
    sent.extend((0..10).map(beat));
    sent.sort_by_key(Sent::second);
    // Twenty minutes of silence; what came then comes when event time has long passed it.
    sent.extend((30..60).map(beat));
    let in_order = deliver::<Sensors>(&sent, &Delivery::in_order());
    assert_eq!(in_order.len(), 1);
    assert_eq!((in_order[0].properties.from, in_order[0].properties.to), (Some(at_s(540)), Some(at_s(1800))));
    let late = standing(tell::<Sensors>(&sent, &Delivery::as_listed()));
    let told = |all: &[_]| -> Vec<_> {
        all.iter().map(|it: &AlertFeature| (it.properties.from, it.properties.to, it.properties.probability)).collect()
    };
    assert_eq!(told(&late), told(&in_order));
}

#[test]
fn a_heartbeat_that_is_taken_back_was_none() {
    let mut sent = vec![status("mic", 0, "ok"), status("mic", 60, "tamper"), status("mic", 90, "ok")];
    sent.push(withdraw(status("mic", 100, "ok"), &sent[1]));
    assert!(deliver::<Sensors>(&sent, &Delivery::in_order()).is_empty());
    sent.rotate_right(1);
    assert!(deliver::<Sensors>(&sent, &Delivery::all_at_once()).is_empty(), "even if that comes first");
}

#[test]
fn a_node_that_promises_nothing_rests_and_is_forgotten() {
    let mut settings = Settings::default();
    settings.silence.on = false;
    let mut sent: Vec<Sent> = (0..20).map(|beat| status("mic", 30 * beat, "ok")).collect();
    let lanes = |sent: &[Sent]| {
        let mut sensors = Sensors::default();
        let said = tell_with(&mut sensors, &Places::default(), &settings, sent, &Delivery::in_order().unended());
        assert!(said.is_empty());
        (sensors.lanes.len(), sensors.lanes.each_settled().count())
    };
    assert_eq!(lanes(&sent), (1, 0), "it is known, and at rest");
    sent.extend((0..30).map(|beat| status("other", 600 + 30 * beat, "ok")));
    assert_eq!(lanes(&sent), (1, 0), "the other one is");
}

/// Some heartbeats of three nodes, in time or not, with alarms and corrections among them.
fn any_beats() -> impl Strategy<Value = Vec<Sent>> {
    let beat = (0usize..3, 1i64..400, 0u8..12);
    proptest::collection::vec(beat, 1..120).prop_map(|beats| {
        let (mut second, mut sent) = (0, Vec::<Sent>::new());
        for (node, after_s, what) in beats {
            second += after_s / if what == 11 { 1 } else { 10 };
            let beat = status(["mic", "other", "ais"][node], second, if what == 0 { "tamper" } else { "ok" });
            let last = sent.iter().rfind(|last| last.node() == beat.node() && last.second() < second).cloned();
            sent.push(match (what, last) {
                (1, Some(last)) => supersede(beat, &last),
                (2, Some(last)) => withdraw(beat, &last),
                _ => beat,
            });
        }
        sent
    })
}

proptest! {
    #[test]
    fn nodes_at_rest_are_told_of_as_if_they_never_rested(
        sent in any_beats(), delivery in any_delivery(120), listed in any::<bool>(), is_on in any::<bool>(),
    ) {
        let delivery = if listed { Delivery::as_listed() } else { delivery };
        let mut sleepless = Sensors::default();
        sleepless.lanes.sleepless = true;
        // With silence switched off no node promises anything.
        let mut settings = Settings::default();
        settings.silence.on = is_on;
        let awake = tell_with(&mut sleepless, &Places::default(), &settings, &sent, &delivery);
        let at_rest = tell_with(&mut Sensors::default(), &Places::default(), &settings, &sent, &delivery);
        prop_assert_eq!(by_alert(at_rest), by_alert(awake));
    }

    #[test]
    fn a_successor_goes_on_where_the_first_one_ended(
        delivery in any_delivery(100), share in 0.0..1.0f64, recall_s in 90i64..2_000,
        knows in proptest::bool::ANY,
    ) {
        let sent = a_pause_and_a_tampering();
        let by_two = standing(tell_by_two::<Sensors>(&sent, &delivery, share, (recall_s, knows)));
        prop_assert_eq!(by_two, deliver::<Sensors>(&sent, &Delivery::in_order()));
    }

    #[test]
    fn the_order_of_delivery_does_not_matter(delivery in any_delivery(100)) {
        let sent = a_pause_and_a_tampering();
        prop_assert_eq!(deliver::<Sensors>(&sent, &delivery), deliver::<Sensors>(&sent, &Delivery::in_order()));
    }
}
