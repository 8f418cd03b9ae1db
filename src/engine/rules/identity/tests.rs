use super::super::harness::*;
use super::*;
use crate::model::alert::AlertFeature;
use proptest::prelude::*;

/// A ship under way north at 5 m/s, a plot a minute, from `from` on for so many minutes.
fn under_way(lon_deg: f64, lat_deg: f64, minutes: std::ops::Range<i64>, off_s: i64) -> Vec<Sent> {
    let at = |minute: i64| lat_deg + minute as f64 * 300.0 / 111_200.0;
    minutes.map(|m| plot("ais", Domain::Sea, "ship", 60 * m + off_s, lon_deg, at(m)).identity("272000001")).collect()
}

fn told(sent: &[Sent]) -> Vec<AlertFeature> {
    deliver::<Identities>(sent, &Delivery::in_order())
}

fn twins() -> Vec<Sent> {
    let mut sent = under_way(30.0, 50.0, 0..40, 0);
    sent.extend(under_way(30.05, 50.5, 10..30, 20));
    sent.sort_by_key(Sent::second);
    sent.push(status("other", 20_000, "ok"));
    sent
}

fn jump() -> Vec<Sent> {
    let mut sent = under_way(30.5, 50.5, 0..10, 0);
    sent.extend(under_way(30.0, 50.0, 10..30, 0));
    sent.push(status("other", 20_000, "ok"));
    sent
}

#[test]
fn two_that_bear_one_identity_are_told_of_while_both_are_heard() {
    let said = told(&twins());
    assert_eq!(said.len(), 1, "{said:#?}");
    let alert = &said[0].properties;
    assert_eq!((alert.class, alert.sign), (Class::Interference, Some(Sign::Twin)));
    assert_eq!(alert.from, Some(at_s(620)));
    assert!(alert.to.is_some() && alert.probability > 0.75);
}

#[test]
fn a_jump_is_told_once_and_where_it_went() {
    let said = told(&jump());
    assert_eq!(said.len(), 1, "{said:#?}");
    let alert = &said[0].properties;
    assert_eq!((alert.sign, alert.from, alert.to), (Some(Sign::Jump), Some(at_s(540)), Some(at_s(600))));
    assert!(alert.violation && alert.areas == ["zone"], "it came into the zone");
}

/// A boat of the mission under way, a heartbeat a minute, which believes itself elsewhere for twenty of them; and one that stands.
fn deceived() -> Vec<Sent> {
    let mut sent = Vec::new();
    for minute in 0..60 {
        let (lon_deg, lat_deg) = if (20..40).contains(&minute) { (33.0, 46.0) } else { (30.0, 50.0) };
        let under_way_deg = minute as f64 * 0.001;
        sent.push(status("p1", 60 * minute, "ok").located(lon_deg + under_way_deg, lat_deg));
        sent.push(status("mic", 60 * minute + 1, "ok").located(30.0, 50.0));
    }
    sent.push(status("other", 20_000, "ok"));
    sent
}

#[test]
fn a_node_that_jumps_is_looked_at_where_it_was() {
    let said = told(&deceived());
    assert_eq!(said.len(), 2, "there and back: {said:#?}");
    let first = said.iter().find(|it| it.properties.from == Some(at_s(19 * 60))).unwrap();
    let alert = &first.properties;
    assert_eq!((alert.class, alert.sign), (Class::Interference, Some(Sign::Jump)));
    assert!(first.place().distance_m(LonLat { lon_deg: 30.019, lat_deg: 50.0 }) < 50.0);
    assert!(alert.violation && alert.areas == ["zone"], "where it was");
    assert!(alert.evidence.iter().all(|it| it.kind == Kind::Status && it.node == "p1"));
}

#[test]
fn where_a_node_was_is_corrected_and_taken_back() {
    let mut sent = deceived();
    let bad: Vec<Sent> =
        sent.iter().filter(|it| it.node() == "p1" && (1200..2400).contains(&it.second())).cloned().collect();
    for it in &bad {
        sent.push(withdraw(status("p1", it.second() + 5, "ok"), it));
    }
    sent.sort_by_key(Sent::second);
    assert!(told(&sent).is_empty());
}

#[test]
fn one_garbled_plot_means_nothing_and_a_long_silence_explains_a_long_way() {
    let mut sent = under_way(30.0, 50.0, 0..30, 0);
    sent.push(plot("ais", Domain::Sea, "ship", 610, 12.0, 50.0).identity("272000001"));
    assert!(told(&sent).is_empty());
    let mut sent = under_way(30.0, 50.0, 0..10, 0);
    sent.extend(under_way(30.0, 50.6, 70..90, 0));
    assert!(told(&sent).is_empty(), "70 km in an hour");
}

proptest! {
    #[test]
    fn the_order_of_delivery_does_not_matter(delivery in any_delivery(121), which in 0..3) {
        let sent = [jump, twins, deceived][which as usize]();
        let said = deliver::<Identities>(&sent, &delivery);
        prop_assert_eq!(said, deliver::<Identities>(&sent, &Delivery::in_order()));
    }

    #[test]
    fn at_rest_or_not_the_same_is_said(delivery in any_delivery(121), which in 0..3) {
        let sent = [jump, twins, deceived][which as usize]();
        let mut sleepless = Identities::default();
        sleepless.lanes.sleepless = true;
        let awake = tell_by(&mut sleepless, &zone(), &sent, &delivery);
        prop_assert_eq!(by_alert(awake), by_alert(tell::<Identities>(&sent, &delivery)));
    }

    #[test]
    fn a_successor_goes_on_where_the_first_one_ended(
        delivery in any_delivery(61), share in 0.0..1.0f64, recall_s in 200i64..2_000, knows in any::<bool>(),
    ) {
        let sent = [twins, deceived][usize::from(knows)]();
        let by_two = standing(tell_by_two::<Identities>(&sent, &delivery, share, (recall_s, knows)));
        prop_assert_eq!(by_two, deliver::<Identities>(&sent, &Delivery::in_order()));
    }
}
