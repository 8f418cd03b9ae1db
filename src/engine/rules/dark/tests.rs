//! Vessels that go dark, and those that only seem to.

use super::super::harness::*;
use super::*;
use crate::model::alert::Status;
use proptest::prelude::*;

/// A vessel in the zone that is heard every minute, but for an hour.
fn silent_for_an_hour() -> Vec<Sent> {
    let minutes = (0..20).chain(80..90);
    minutes.map(|minute| plot("ais", Domain::Sea, "mmsi-1", 60 * minute, 30.05, 50.05)).collect()
}

#[test]
fn a_gap_runs_from_the_last_plot_to_the_next() {
    let finals = deliver::<DarkVessels>(&silent_for_an_hour(), &Delivery::in_order());
    assert_eq!(finals.len(), 1);
    let alert = &finals[0].properties;
    assert_eq!((alert.class, alert.status), (Class::SeaDark, Status::Final));
    assert_eq!((alert.from, alert.to), (Some(at_s(19 * 60)), Some(at_s(80 * 60))));
    assert_eq!((alert.areas.as_slice(), alert.violation), (&["zone".to_owned()][..], true));
    assert_eq!(alert.evidence.len(), 2);
    assert!(
        (0.93..0.97).contains(&alert.probability),
        "61 intervals, of one who missed none of 19: {}",
        alert.probability
    );
}

#[test]
fn it_is_told_while_it_lasts() {
    let sent: Vec<Sent> = silent_for_an_hour()[..20].iter().cloned().chain([status("other", 3600, "ok")]).collect();
    let said = tell::<DarkVessels>(&sent, &Delivery::in_order());
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].properties.status, said[0].properties.to), (Status::Preliminary, None));
}

#[test]
fn a_habit_of_long_intervals_is_no_gap() {
    let every_20_minutes: Vec<Sent> =
        (0..10).map(|n| plot("ais", Domain::Sea, "mmsi-1", 1200 * n, 30.05, 50.05)).collect();
    let finals = deliver::<DarkVessels>(&every_20_minutes, &Delivery::in_order());
    assert!(finals.is_empty(), "nor is the first of them, when nothing is known of the vessel");
}

#[test]
fn far_from_the_area_nobody_asks_and_near_it_somebody_does() {
    let at = |lat_deg: f64| -> usize {
        let moved: Vec<Sent> = [0, 60, 120, 7200]
            .iter()
            .map(|&second| plot("ais", Domain::Sea, "mmsi-1", second, 30.05, lat_deg))
            .collect();
        deliver::<DarkVessels>(&moved, &Delivery::in_order()).len()
    };
    assert_eq!((at(50.2), at(50.12)), (0, 1));
}

#[test]
fn the_end_of_the_stream_is_no_silence() {
    let sent = &silent_for_an_hour()[..20];
    assert!(deliver::<DarkVessels>(sent, &Delivery::in_order()).is_empty());
}

#[test]
fn plots_that_come_late_cut_a_gap_short_or_do_away_with_it() {
    let mut sent = silent_for_an_hour();
    sent.push(status("other", 91 * 60, "ok"));
    let late = |minutes: &[i64]| {
        let plots = minutes.iter().map(|&minute| plot("ais", Domain::Sea, "mmsi-1", 60 * minute, 30.05, 50.05));
        let sent: Vec<Sent> = sent.iter().cloned().chain(plots).collect();
        deliver::<DarkVessels>(&sent, &Delivery::as_listed())
            .iter()
            .map(|f| (f.properties.status, f.properties.from, f.properties.to))
            .collect::<Vec<_>>()
    };
    let minute = |minute: i64| Some(at_s(60 * minute));
    assert_eq!(late(&[25]), [(Status::Final, minute(25), minute(80))]);
    assert_eq!(late(&[75]), [(Status::Amended, minute(19), minute(75))]);
    assert_eq!(late(&[50]).len(), 2);
    assert_eq!(late(&[28, 37, 46, 55, 64, 73]), []);
    assert_eq!(late(&[73, 64, 55, 46, 37, 28]), [], "in whatever order they come");
}

#[test]
fn a_late_plot_shortens_a_gap_that_lasts() {
    let mut sent = silent_for_an_hour()[..20].to_vec();
    sent.push(status("other", 3600, "ok"));
    sent.push(plot("ais", Domain::Sea, "mmsi-1", 60 * 25, 30.05, 50.05));
    let standing = deliver::<DarkVessels>(&sent, &Delivery::as_listed());
    assert_eq!(standing.len(), 1);
    assert_eq!((standing[0].properties.from, standing[0].properties.to), (Some(at_s(1500)), None));
    sent.push(plot("ais", Domain::Sea, "mmsi-1", 60 * 55, 30.05, 50.05));
    assert!(deliver::<DarkVessels>(&sent, &Delivery::as_listed()).is_empty());
}

/// So many vessels in the zone, each heard a minute, but for the minutes in which it is silent; and another node's beats.
fn fleet(vessels: i64, silent: impl Fn(i64) -> Vec<i64>) -> Vec<Sent> {
    let mut sent: Vec<Sent> = (0..120).map(|minute| status("other", 60 * minute + 59, "ok")).collect();
    for vessel in 0..vessels {
        let (track, silent) = (format!("mmsi-{vessel}"), silent(vessel));
        let heard = (0..120).filter(|minute| !silent.contains(minute));
        sent.extend(heard.map(|minute| {
            plot("ais", Domain::Sea, &track, 60 * minute + 7 * (vessel % 8), 30.0 + 0.005 * vessel as f64, 50.0)
        }));
    }
    sent.sort_by_key(Sent::second);
    sent
}

fn told(sent: &[Sent]) -> Vec<(i64, f64)> {
    let finals = deliver::<DarkVessels>(sent, &Delivery::in_order());
    let minute = |time: Option<crate::model::time::Timestamp>| (time.unwrap().0 - at_s(0).0) / (60 * NS_PER_S);
    finals.iter().map(|it| (minute(it.properties.from), it.properties.probability)).collect()
}

#[test]
fn a_receiver_that_fails_makes_no_vessel_dark() {
    assert!(told(&fleet(6, |_| (20..45).collect())).is_empty(), "all at once");
    let half = told(&fleet(12, |vessel| if vessel % 2 == 0 { (20..45).collect() } else { Vec::new() }));
    assert!(half.is_empty(), "nor does one that loses half of them: {half:?}");
    let one = told(&fleet(12, |vessel| if vessel == 3 { (20..45).collect() } else { Vec::new() }));
    assert!(one.len() == 1 && one[0].0 == 19 && one[0].1 > 0.9, "one among many is a vessel: {one:?}");
    let turns = told(&fleet(6, |vessel| (20 + 8 * vessel..55 + 8 * vessel).collect()));
    assert_eq!(turns.len(), 6, "one after the other is no receiver");
}

#[test]
fn who_stays_silent_when_the_receiver_hears_again_is_told_of() {
    let told = told(&fleet(6, |vessel| (20..if vessel == 2 { 110 } else { 45 }).collect()));
    assert!(told.len() == 1 && told[0].0 == 19 && told[0].1 > 0.8, "{told:?}");
}

#[test]
fn where_many_are_often_silent_for_long_a_silence_means_less() {
    let gap = |vessel: i64| if vessel == 3 { (60..78).collect() } else { Vec::new() };
    let lapse = |vessel: i64| [gap(vessel), (5 + 4 * vessel..13 + 4 * vessel).collect()].concat();
    let steady = told(&fleet(10, gap));
    // Each is lost for eight minutes, one after the other.
    let patchy = told(&fleet(10, |vessel| if vessel == 3 { gap(3) } else { lapse(vessel) }));
    let sure = |told: &[(i64, f64)]| told.iter().find(|it| it.0 == 59).map_or(0.0, |it| it.1);
    assert!(sure(&steady) > 0.9 && sure(&patchy) < 0.8 * sure(&steady), "{steady:?} {patchy:?}");
}

proptest! {
    #[test]
    fn a_failing_receiver_is_one_in_whatever_order_and_over_a_restart(
        delivery in any_delivery(60), share in 0.0..1.0f64, recall_s in 90i64..2_000, lone in 0i64..6, from in 15i64..30,
    ) {
        let sent = fleet(5, |vessel| (from..if vessel == lone { 100 } else { from + 25 }).collect());
        let once = deliver::<DarkVessels>(&sent, &Delivery::in_order());
        prop_assert_eq!(once.len(), usize::from(lone < 5));
        prop_assert_eq!(&deliver::<DarkVessels>(&sent, &delivery), &once);
        prop_assert_eq!(standing(tell_by_two::<DarkVessels>(&sent, &delivery, share, (recall_s, true))), once);
    }

    #[test]
    fn at_rest_or_not_the_same_is_said(delivery in any_delivery(60), lone in 0i64..6, from in 15i64..30, late in 0..120i64) {
        let mut sent = fleet(5, |vessel| (from..if vessel == lone { 100 } else { from + 25 }).collect());
        sent.push(plot("ais", Domain::Sea, "mmsi-0", 60 * late + 1, 30.0, 50.0));
        let mut sleepless = DarkVessels::default();
        sleepless.lanes.sleepless = true;
        let awake = tell_by(&mut sleepless, &zone(), &sent, &delivery);
        prop_assert_eq!(by_alert(awake), by_alert(tell::<DarkVessels>(&sent, &delivery)));
    }

    #[test]
    fn a_successor_goes_on_where_the_first_one_ended(
        delivery in any_delivery(30), share in 0.0..1.0f64, recall_s in 90i64..2_000,
        knows in proptest::bool::ANY,
    ) {
        let sent = silent_for_an_hour();
        let by_two = standing(tell_by_two::<DarkVessels>(&sent, &delivery, share, (recall_s, knows)));
        prop_assert_eq!(by_two, deliver::<DarkVessels>(&sent, &Delivery::in_order()));
    }

    #[test]
    fn the_order_of_delivery_does_not_matter(delivery in any_delivery(30)) {
        let sent = silent_for_an_hour();
        prop_assert_eq!(deliver::<DarkVessels>(&sent, &delivery), deliver::<DarkVessels>(&sent, &Delivery::in_order()));
    }
}
