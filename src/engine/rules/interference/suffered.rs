//! What nodes suffer and receivers locate, with what others report.

use super::super::harness::*;
use crate::model::alert::{AlertFeature, Class, Sign, Status, Term};
use crate::model::geo::{LIGHT_IN_AIR_M_S, LonLat};
use crate::model::kind::Band;
use proptest::prelude::*;

/// Good to a microsecond, and gone on by itself for a while.
const KEPT_S: f64 = 1e-6;
const LOST_S: f64 = 1e-4;

/// Beats of so many nodes of the line every minute from before until after a time in which the clocks of those are lost.
fn clocks(lost: &[&'static str], from_minute: i64, to_minute: i64) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (number, node) in (0..).zip(LINE) {
        for minute in 0..30 {
            let is_lost = lost.contains(&node) && (from_minute..to_minute).contains(&minute);
            sent.push(status(node, 60 * minute + 5 * number, "ok").clock(if is_lost { LOST_S } else { KEPT_S }));
        }
    }
    sent
}

fn in_time(mut sent: Vec<Sent>) -> Vec<Sent> {
    sent.push(status("p1", 2400, "ok"));
    sent.sort_by_key(Sent::second);
    sent
}

fn jamming(finals: Vec<AlertFeature>) -> Vec<AlertFeature> {
    finals.into_iter().filter(|it| it.properties.sign == Some(Sign::Jamming)).collect()
}

fn told(sent: &[Sent]) -> Vec<AlertFeature> {
    jamming(deliver::<Several>(sent, &Delivery::in_order()))
}

fn place_of(node: &str) -> LonLat {
    let at = LINE.iter().position(|it| *it == node).unwrap();
    LonLat { lon_deg: 30.0, lat_deg: 50.2 + 0.036 * at as f64 }
}

#[test]
fn clocks_that_jump_at_once_are_jamming_though_nobody_reports_it() {
    let found = told(&in_time(clocks(&LINE[1..5], 10, 20)));
    assert_eq!(found.len(), 1, "{found:#?}");
    let alert = &found[0].properties;
    assert_eq!((alert.from, alert.to, alert.status), (Some(at_s(605)), Some(at_s(620)), Status::Final));
    assert!(
        alert.term == Term::Probable && alert.probability <= 0.9,
        "it may be what keeps them: {}",
        alert.probability
    );
    let cited: Vec<&str> = alert.evidence.iter().map(|it| it.node.as_str()).collect();
    assert_eq!((cited.len(), alert.evidence.iter().all(|it| it.kind.as_str() == "status")), (4, true), "{cited:?}");
    assert!(found[0].place().distance_m(place_of("m3")) < 10_000.0);
}

#[test]
fn one_clock_or_two_may_have_trouble_of_their_own() {
    for count in 1..3 {
        let said = deliver::<Several>(&in_time(clocks(&LINE[..count], 10, 20)), &Delivery::in_order());
        let is_of = |it: &&AlertFeature| it.properties.class == Class::Interference;
        assert!(said.iter().find(is_of).is_none(), "{said:#?}");
    }
    // Nor are three that jump ten minutes after one another.
    let one =
        |node: &'static str, from: i64| clocks(&[node], from, from + 1).into_iter().filter(move |it| it.node() == node);
    let sent: Vec<Sent> = one("m0", 2).chain(one("m1", 12)).chain(one("m2", 22)).collect();
    assert!(told(&in_time(sent)).is_empty());
}

#[test]
fn a_clock_that_was_switched_off_or_gets_better_or_says_nothing_does_not_jump() {
    // Off for two minutes before, or for five.
    for from_s in [540, 300] {
        let mut sent = clocks(&LINE[..4], 10, 20);
        sent.retain(|it| !(from_s..600).contains(&it.second()) || it.node() == "m7");
        assert!(told(&in_time(sent)).is_empty(), "they come back, and have to find the time first");
    }
    // Bad from the first, and good in the end; and between the two what says nothing.
    assert!(told(&in_time(clocks(&LINE[..4], 0, 20))).is_empty());
    let silent =
        clocks(&LINE[..4], 10, 20).into_iter().map(|it| if it.second() / 60 == 9 { it.clock(f64::NAN) } else { it });
    assert!(told(&in_time(silent.collect())).is_empty());
}

#[test]
fn clocks_all_over_the_country_are_no_one_jammer() {
    // 100 km from one to the next: each within what a source may reach of another, and all together beyond it.
    let far = |it: Sent| {
        let number = LINE.iter().position(|node| *node == it.node()).unwrap();
        it.located(24.0 + 0.8 * number as f64, 50.0)
    };
    let found = told(&in_time(clocks(&LINE, 10, 20).into_iter().map(far).collect()));
    assert!(found.iter().all(|it| it.properties.term == Term::Unresolved), "{found:#?}");
}

/// Two listeners that report it without bearings.
fn reports(band: Band, from_s: i64, nodes: &[&'static str]) -> Vec<Sent> {
    let each = nodes.iter().enumerate().flat_map(|(number, &node)| {
        (0..30).map(move |beat| {
            let second = from_s + 10 * beat + number as i64;
            jammed(node, band, second, 0.0, -60.0).without(true, true).located(30.05 + 0.1 * number as f64, 50.25)
        })
    });
    each.collect()
}

#[test]
fn clocks_make_a_report_surer_and_leave_it_its_name() {
    // The report comes after the first jumps, and is told before they have settled.
    let report = reports(Band::Gnss, 607, &["h1"]);
    let mut both = clocks(&LINE[..3], 10, 20);
    both.extend(report.clone());
    let sent = in_time(both);
    let said = jamming(tell::<Several>(&sent, &Delivery::in_order()));
    let (alone, both) = (told(&in_time(report)), standing(said.clone()));
    assert_eq!((alone.len(), both.len()), (1, 1));
    assert_eq!(alone[0].properties.alert, both[0].properties.alert);
    assert!(said.iter().all(|it| it.properties.status != Status::Retracted), "nothing is taken back");
    assert!(alone[0].properties.term == Term::Unresolved && both[0].properties.term == Term::Confirmed);
    assert_eq!(both[0].properties.from, Some(at_s(600)), "the first clock jumped then");
    // Told within a second, as unresolved, and not once for each clock.
    assert!(said[0].properties.term == Term::Unresolved && said.len() <= 8, "{}", said.len());
}

#[test]
fn nodes_that_are_deceived_are_jammed_where_they_were() {
    let mut sent = Vec::new();
    for (number, node) in (0..).zip(&LINE[..4]) {
        for minute in 0..40 {
            let is_away = (10..20).contains(&minute);
            let (lon_deg, lat_deg) = if is_away { (37.0, 55.0) } else { (30.0, 50.2 + 0.036 * number as f64) };
            sent.push(status(node, 60 * minute + 5 * number, "ok").located(lon_deg, lat_deg));
        }
    }
    let mut finals = deliver::<Several>(&in_time(sent), &Delivery::in_order());
    finals.retain(|it| it.properties.sign != Some(Sign::Cluster));
    let (all, found) = (finals.len(), jamming(finals));
    assert_eq!((all, found.len()), (8 + 2, 2), "four went and came back");
    for alert in &found {
        assert!(alert.place().distance_m(place_of("m1")) < 10_000.0, "{alert:#?}");
        assert_eq!(alert.properties.term, Term::Probable);
    }
}

/// Beats of the line of which these are silent from the tenth to the twentieth minute.
fn silent(nodes: &[&'static str]) -> Vec<Sent> {
    let beats = LINE.iter().flat_map(|&node| (0..40).map(move |minute| (node, minute)));
    let beats = beats.filter(|(node, minute)| !(nodes.contains(node) && (10..25).contains(minute)));
    beats.map(|(node, minute)| status(node, 60 * minute, "ok")).collect()
}

#[test]
fn silences_about_one_place_fit_a_jammer_of_links_and_others_do_not() {
    let probability = |lost: &[&'static str]| {
        let mut sent = silent(lost);
        sent.extend(reports(Band::Link, 590, &["h1"]));
        let found = told(&in_time(sent));
        assert_eq!(found.len(), 1, "{found:#?}");
        let cited = found[0].properties.evidence.iter().filter(|it| it.kind.as_str() == "status").count();
        assert_eq!(cited, lost.len());
        found[0].properties.probability
    };
    // The report is from beside m1.
    let (none, near, any) = (probability(&[]), probability(&["m0", "m1", "m2"]), probability(&["m0", "m4", "m7"]));
    assert!(near > 0.6 && (any - none).abs() < 0.25 && none < 0.4, "{none} {near} {any}");
    // By themselves they are no jamming, whatever their shape, nor of what is not a link.
    assert!(told(&in_time(silent(&["m0", "m1", "m2"]))).is_empty());
    let mut sent = silent(&["m0", "m1", "m2"]);
    sent.extend(reports(Band::Gnss, 590, &["h1"]));
    assert_eq!(told(&in_time(sent))[0].properties.probability, none);
}

/// What five receivers hear of what sends where only satellites do, each twenty seconds.
fn emissions(at: LonLat, from_s: i64) -> Vec<Sent> {
    let receivers =
        [("h1", 29.8, 50.3), ("h2", 30.3, 50.35), ("h3", 30.1, 50.0), ("h4", 29.9, 50.1), ("h5", 30.35, 50.15)];
    let heard = receivers.iter().flat_map(|&(node, lon_deg, lat_deg)| {
        let distance_m = at.slant_m(0.0, LonLat { lon_deg, lat_deg }, 0.0);
        let after_ns = (1e9 * distance_m / LIGHT_IN_AIR_M_S).round() as i64;
        (0..10).map(move |n| radio(node, from_s + 20 * n, after_ns, "", 1.57542e9).located(lon_deg, lat_deg))
    });
    heard.collect()
}

#[test]
fn an_emitter_that_is_located_is_where_the_jammer_is() {
    let at = LonLat { lon_deg: 30.12, lat_deg: 50.22 };
    let report = reports(Band::Gnss, 600, &["mic"]);
    let mut both = report.clone();
    both.extend(emissions(at, 630));
    let (alone, both) = (told(&in_time(report)).remove(0), told(&in_time(both)).remove(0));
    assert!(alone.properties.ellipse.unwrap().semi_major_m > 10_000.0);
    let (off_m, ellipse) = (both.place().distance_m(at), both.properties.ellipse.unwrap());
    assert!(off_m < 100.0 && ellipse.semi_major_m < 100.0, "{off_m} {ellipse:?}");
    assert!(alone.properties.term == Term::Unresolved && both.properties.term == Term::Confirmed);
    assert_eq!(alone.properties.alert, both.properties.alert);
    // By itself it is an emitter, and no jamming.
    assert!(told(&in_time(emissions(at, 630))).is_empty());
}

/// Some of all.
fn scene() -> Vec<Sent> {
    let mut sent = clocks(&LINE[..4], 10, 20);
    sent.retain(|it| it.node() != "m7" || it.second() < 600 || it.second() > 1300);
    sent.extend(reports(Band::Gnss, 640, &["h1", "h2"]));
    sent.extend(reports(Band::Link, 650, &["h1"]));
    sent.extend(emissions(LonLat { lon_deg: 30.12, lat_deg: 50.22 }, 630));
    in_time(sent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_order_of_delivery_does_not_matter(delivery in any_delivery(60)) {
        let (sent, expected) = (scene(), Delivery::in_order());
        prop_assert_eq!(deliver::<Several>(&sent, &delivery), deliver::<Several>(&sent, &expected));
    }

    #[test]
    fn a_successor_goes_on_where_the_first_one_ended(
        delivery in any_delivery(60), share in 0.0..1.0f64, recall_s in 200i64..600,
    ) {
        // Those that are registered are known from the first.
        let sent = scene();
        let by_two = standing(tell_by_two::<Several>(&sent, &delivery, share, (recall_s, true)));
        prop_assert_eq!(by_two, deliver::<Several>(&sent, &Delivery::in_order()));
    }
}
