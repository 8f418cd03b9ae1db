use super::super::harness::*;
use super::super::lane::MAX_PENDING;
use super::super::lanes::MAX_LANES;
use super::crossing::MAX_CITED;
use super::*;
use crate::engine::places::Places;
use crate::model::alert::{AlertFeature, Class, Measure, Status};
use crate::model::area::{Area, AreaType};
use crate::model::notice::{Notice, NoticeKind};
use crate::model::time::s_from_ns;
use proptest::prelude::*;

/// Due east along 50° north at about 72 m/s, a plot every ten seconds: into the zone (29.9°) at 100 s, out of it
/// (30.1°) at 300 s.
fn due_east(domain: Domain) -> Vec<Sent> {
    (0..41).map(|n| plot("radar", domain, "t1", 10 * n, 29.8 + 0.01 * n as f64 + 0.0005, 50.0)).collect()
}

fn only(features: Vec<AlertFeature>) -> AlertFeature {
    assert_eq!(features.len(), 1, "{features:#?}");
    features.into_iter().next().unwrap()
}

fn seconds(time: Option<crate::model::time::Timestamp>) -> f64 {
    s_from_ns(time.unwrap().0 - at_s(0).0)
}

#[test]
fn a_track_across_an_area_is_one_incursion_from_border_to_border() {
    for (domain, class) in [
        (Domain::Uav, Class::AirIncursion),
        (Domain::Air, Class::AirIncursion),
        (Domain::Sea, Class::SeaIncursion),
        (Domain::Ground, Class::IncursionGround),
    ] {
        let said = tell::<Tracks>(&due_east(domain), &Delivery::in_order());
        assert_eq!(said[0].properties.status, Status::Preliminary);
        assert!(said.len() <= 10, "not at each plot: {}", said.len());
        let alert = only(standing(said)).properties;
        assert_eq!((alert.class, alert.status, alert.violation), (class, Status::Final, true));
        assert_eq!(
            (alert.areas.as_slice(), alert.within.as_slice()),
            (&["zone".to_owned()][..], &["zone".to_owned()][..])
        );
        assert!((seconds(alert.from) - 99.5).abs() < 0.01 && (seconds(alert.to) - 299.5).abs() < 0.01, "{alert:?}");
        assert_eq!(Some(alert.time), alert.from);
        assert!(alert.evidence.len() <= MAX_CITED + 1);
        assert_eq!((&*alert.evidence[0].id, &*alert.evidence.last().unwrap().id), ("t1-100", "t1-290"));
        assert!(alert.probability > 0.99);
    }
}

#[test]
fn it_is_told_while_it_lasts() {
    let said = tell::<Tracks>(&due_east(Domain::Uav)[..14], &Delivery::in_order());
    let alert = only(standing(said)).properties;
    assert_eq!((alert.status, alert.to), (Status::Preliminary, None));
}

#[test]
fn noise_at_the_border_opens_nothing_twice() {
    // A vehicle that drives along the western border for half an hour, on it to within its plots' 20 m, then turns in.
    let mut state = 1u64;
    let mut noise = || {
        // Irwin and Hall: twelve uniform numbers make a normal one.
        let uniform = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*state >> 33) as f64 / (1u64 << 31) as f64
        };
        ((0..12).map(|_| uniform(&mut state)).sum::<f64>() - 6.0) * 20.0 / 71_700.0
    };
    let along = (0..180).map(|n| (10 * n, 29.9 - 20.0 / 71_700.0, 49.95 + 0.0005 * n as f64));
    let inward = (180..400).map(|n| (10 * n, 29.9 + 0.0001 * (n - 180) as f64, 50.04));
    let sent: Vec<Sent> = along
        .chain(inward)
        .map(|(second, lon_deg, lat_deg)| plot("radar", Domain::Ground, "t1", second, lon_deg + noise(), lat_deg))
        .collect();
    let alert = only(deliver::<Tracks>(&sent, &Delivery::in_order())).properties;
    assert!((1790.0..2000.0).contains(&seconds(alert.from)), "{:?}", alert.from);
    assert!(alert.to.is_none());
}

#[test]
fn heavy_weapons_are_told_apart_from_other_vehicles() {
    let tank: Vec<Sent> = due_east(Domain::Ground).into_iter().map(|sent| sent.object("tank", 0.0, 0.0, 1.0)).collect();
    let alert = only(deliver::<Tracks>(&tank, &Delivery::in_order())).properties;
    assert_eq!(alert.class, Class::IncursionWeapons);
    // Where only they are prohibited, other vehicles may pass.
    let everything = zone_that_prohibits(&[Prohibition::HeavyWeapons]);
    let finals = |sent: &[Sent]| standing(tell_by(&mut Tracks::default(), &everything, sent, &Delivery::in_order()));
    assert_eq!(only(finals(&tank)).properties.class, Class::IncursionWeapons);
    assert!(finals(&due_east(Domain::Ground)).is_empty());
}

/// The same zone, closed to flights between 1,000 and 3,000 m.
fn band() -> Places {
    let mut area = zone_that_prohibits(&[Prohibition::Flight]).areas()[0].clone();
    (area.floor_m, area.ceiling_m) = (Some(1_000.0), Some(3_000.0));
    Places::new(vec![area], Vec::new())
}

fn flown(height_m: impl Fn(i64) -> f64) -> Vec<AlertFeature> {
    let sent: Vec<Sent> = due_east(Domain::Air)
        .into_iter()
        .map(|sent| {
            let s = sent.second();
            sent.high(height_m(s))
        })
        .collect();
    standing(tell_by(&mut Tracks::default(), &band(), &sent, &Delivery::in_order()))
}

#[test]
fn above_the_ceiling_and_below_the_floor_is_outside() {
    assert!(flown(|_| 4_000.0).is_empty() && flown(|_| 500.0).is_empty());
    let alert = only(flown(|_| 2_000.0)).properties;
    assert!((seconds(alert.from) - 99.5).abs() < 0.01 && (seconds(alert.to) - 299.5).abs() < 0.01);
    assert!(alert.probability > 0.99 && alert.violation);
}

#[test]
fn who_comes_down_into_it_enters_by_the_ceiling_and_leaves_by_the_floor() {
    // At 150 s it passes 3,000 m, at 250 s 1,000 m.
    let alert = only(flown(|second| 6_000.0 - 20.0 * second as f64)).properties;
    assert!((seconds(alert.from) - 150.0).abs() < 0.01 && (seconds(alert.to) - 250.0).abs() < 0.01, "{alert:?}");
}

#[test]
fn of_unknown_height_it_is_inside_with_half_the_chance_until_one_is_known() {
    let unknown = only(flown(|_| f64::NAN)).properties;
    assert!((unknown.probability - 0.5).abs() < 1e-6 && (seconds(unknown.from) - 99.5).abs() < 0.01);
    let known = only(flown(|second| if second == 200 { 2_000.0 } else { f64::NAN })).properties;
    assert!(known.probability > 0.99);
}

fn zone_that_prohibits(prohibits: &[Prohibition]) -> Places {
    let ring = geo::LineString::from(vec![(29.9, 49.9), (30.1, 49.9), (30.1, 50.1), (29.9, 50.1), (29.9, 49.9)]);
    let area = Area::new(
        "weapons",
        AreaType::Withdrawal,
        prohibits,
        geo::MultiPolygon::new(vec![geo::Polygon::new(ring, Vec::new())]),
    );
    Places::new(vec![area], Vec::new())
}

#[test]
fn an_area_that_allows_it_is_none_of_its_business() {
    let no_vessels = zone_that_prohibits(&[Prohibition::Vessel, Prohibition::Flight]);
    let finals =
        |domain| standing(tell_by(&mut Tracks::default(), &no_vessels, &due_east(domain), &Delivery::in_order())).len();
    assert_eq!([Domain::Ground, Domain::Sea, Domain::Uav, Domain::Air].map(finals), [0, 1, 1, 1]);
}

#[test]
fn a_lost_track_has_left_where_it_was_last_seen() {
    let mut sent = due_east(Domain::Uav)[..15].to_vec();
    sent.extend([2000, 2100, 6 * 3600 + 200, 6 * 3600 + 300].map(|second| status("other", second, "ok")));
    let mut rule = Tracks::default();
    let finals = standing(tell_by(&mut rule, &zone_that_prohibits(&[Prohibition::Uav]), &sent, &Delivery::in_order()));
    let alert = only(finals).properties;
    assert_eq!((alert.status, seconds(alert.to)), (Status::Final, 140.0));
    assert!(rule.is_empty(), "and is forgotten");
}

#[test]
fn an_incursion_may_come_to_light_late() {
    let mut sent = vec![status("other", 3600, "ok"), status("other", 3660, "ok")];
    sent.extend(due_east(Domain::Uav));
    // Late evidence settles at the amend horizon.
    sent.push(status("other", 7 * 3600, "ok"));
    let said = tell::<Tracks>(&sent, &Delivery::as_listed());
    assert_eq!(said[0].properties.status, Status::Preliminary);
    let alert = only(standing(said)).properties;
    assert_eq!(alert.status, Status::Final);
    assert!((seconds(alert.from) - 99.5).abs() < 0.01 && (seconds(alert.to) - 299.5).abs() < 0.01);
}

#[test]
fn late_plots_of_a_known_incursion_tell_it_no_second_time() {
    let mut sent = due_east(Domain::Uav);
    sent.push(status("other", 3600, "ok"));
    sent.extend((11..29).map(|n| plot("mic", Domain::Uav, "t1", 10 * n + 3, 29.8 + 0.01 * n as f64, 50.0)));
    only(deliver::<Tracks>(&sent, &Delivery::as_listed()));
}

#[test]
fn two_nodes_may_see_one_track() {
    let seen = due_east(Domain::Uav)
        .into_iter()
        .chain((0..40).map(|n| plot("other", Domain::Uav, "t1", 10 * n + 5, 29.8 + 0.01 * n as f64 + 0.0055, 50.0)));
    let alert = only(deliver::<Tracks>(&seen.collect::<Vec<_>>(), &Delivery::in_order())).properties;
    let nodes: std::collections::BTreeSet<_> = alert.evidence.iter().map(|evidence| evidence.node.as_str()).collect();
    assert_eq!(nodes.len(), 2);
    assert!((seconds(alert.from) - 99.5).abs() < 0.01);
}

#[test]
fn one_stray_plot_is_no_incursion() {
    let mut sent: Vec<Sent> = (0..20).map(|n| plot("radar", Domain::Uav, "t1", 10 * n, 29.8, 50.0)).collect();
    sent[7] = plot("radar", Domain::Uav, "t1", 70, 30.0, 50.0);
    assert!(tell::<Tracks>(&sent, &Delivery::in_order()).is_empty());
}

#[test]
fn plots_that_are_taken_back_were_never_there() {
    let mut sent: Vec<Sent> = (0..20).map(|n| plot("radar", Domain::Uav, "t1", 2 * n, 29.8, 50.0)).collect();
    for at in [7, 8] {
        sent[at] = plot("radar", Domain::Uav, "t1", 2 * at as i64, 30.0, 50.0);
    }
    let back = [39, 40].map(|second| plot("radar", Domain::Uav, "t1", second, 29.8, 50.0));
    for (at, by) in [7, 8].into_iter().zip(back) {
        sent.push(withdraw(by, &sent[at].clone()));
    }
    let said = tell::<Tracks>(&sent, &Delivery::in_order());
    assert!(said.iter().any(|feature| feature.properties.status == Status::Preliminary));
    assert!(standing(said).is_empty());
}

#[test]
fn what_waits_for_the_watermark_is_bounded() {
    // Five hours of plots while event time stands still: the oldest settle before their time.
    let sent: Vec<Sent> = (0..MAX_PENDING as i64 + 900)
        .map(|n| plot("radar", Domain::Uav, "t1", 4 * n, 29.8 + 0.2 * (n as f64 / 3000.0).min(1.0), 50.0))
        .collect();
    let alert = only(deliver::<Tracks>(&sent, &Delivery::all_at_once())).properties;
    assert!((seconds(alert.from) - 6000.0).abs() < 1.0, "{:?}", alert.from);
}

#[test]
fn tracks_are_bounded_and_the_one_heard_of_longest_ago_goes() {
    let names: Vec<String> = (0..MAX_LANES + 10).map(|n| format!("t{n}")).collect();
    let sent: Vec<Sent> = names.iter().map(|name| plot("radar", Domain::Uav, name, 0, 29.8, 50.0)).collect();
    let mut rule = Tracks::default();
    let delivery = Delivery::all_at_once().provisional().unwritten();
    tell_by(&mut rule, &zone_that_prohibits(&[Prohibition::Uav]), &sent, &delivery);
    assert_eq!(rule.len(), MAX_LANES);
}

#[test]
fn the_chance_of_being_inside_is_that_of_the_normal_distribution() {
    for (z, chance) in [(0.0, 0.5), (1.0, 0.841_345), (-1.0, 0.158_655), (1.644_854, 0.95), (-3.0, 0.001_350)] {
        assert!((chance_inside(z * 20.0, 20.0) - chance).abs() < 1e-6, "{z}");
    }
    assert_eq!(chance_inside(f64::NEG_INFINITY, 20.0), 0.0);
}

/// In and out twice, with noise of some sigmas at every border.
fn to_and_fro(wobble: &[f64]) -> Vec<Sent> {
    let wobble = wobble.iter().enumerate();
    wobble
        .map(|(n, wobble)| {
            let lon_deg = 29.9 + 0.004 * (n as f64 / 12.0).sin() + wobble;
            plot("radar", Domain::Uav, "t1", 5 * n as i64, lon_deg, 50.0)
        })
        .collect()
}

/// Plots of two objects about the border of the zone and off it, or for a while in one place, in time or not, with weapons,
/// corrections and long pauses among them.
fn any_plots() -> impl Strategy<Value = Vec<Sent>> {
    let step = (0usize..2, 0i64..30, -0.02f64..0.04, 0u8..16);
    (proptest::collection::vec(step, 1..150), 5u8..14).prop_map(|(steps, stays)| {
        let (mut second, mut sent, mut places_deg) = (0, Vec::<Sent>::new(), [0.0; 2]);
        for (object, after_s, east_deg, what) in steps {
            second += if what == 15 { 60 * after_s } else { after_s };
            if !(5..stays).contains(&what) {
                places_deg[object] = east_deg;
            }
            let east_deg = places_deg[object];
            let (node, name) = [("radar", "t1"), ("ais", "t2")][object];
            let mut next = plot(node, Domain::Ground, name, second, 29.89 + east_deg, 50.0);
            if what == 0 {
                next = next.object("tank", f64::NAN, f64::NAN, f64::NAN);
            }
            let last = sent.iter().rfind(|last| last.node() == node && last.second() < second).cloned();
            sent.push(match (what, last) {
                (1, Some(last)) => supersede(next, &last),
                (2, Some(last)) => withdraw(next, &last),
                _ => next,
            });
        }
        sent
    })
}

proptest! {
    #[test]
    fn heights_come_out_the_same_in_whatever_order_and_at_rest(
        delivery in any_delivery(41), heights in proptest::collection::vec(proptest::option::of(0.0f64..5_000.0), 41),
    ) {
        let plots = due_east(Domain::Air).into_iter().zip(&heights);
        let sent: Vec<Sent> = plots.map(|(sent, height_m)| sent.high(height_m.unwrap_or(f64::NAN))).collect();
        let in_order = standing(tell_by(&mut Tracks::default(), &band(), &sent, &Delivery::in_order()));
        let mut sleepless = Tracks::default();
        (sleepless.lanes.sleepless, sleepless.late.sleepless) = (true, true);
        prop_assert_eq!(&standing(tell_by(&mut sleepless, &band(), &sent, &Delivery::in_order())), &in_order);
        prop_assert_eq!(standing(tell_by(&mut Tracks::default(), &band(), &sent, &delivery)), in_order);
    }

    #[test]
    fn tracks_at_rest_are_told_of_as_if_they_never_rested(
        sent in any_plots(), delivery in any_delivery(150), listed in any::<bool>(),
    ) {
        let places = zone_that_prohibits(&[Prohibition::Entry, Prohibition::HeavyWeapons]);
        let delivery = if listed { Delivery::as_listed() } else { delivery };
        let mut sleepless = Tracks::default();
        (sleepless.lanes.sleepless, sleepless.late.sleepless) = (true, true);
        let awake = tell_by(&mut sleepless, &places, &sent, &delivery);
        let at_rest = tell_by(&mut Tracks::default(), &places, &sent, &delivery);
        prop_assert_eq!(by_alert(at_rest), by_alert(awake));
    }

    #[test]
    fn areas_change_for_tracks_at_rest_as_for_others(
        sent in any_plots(), delivery in any_delivery(150), heard in 0usize..150, change in 0u8..3,
    ) {
        let before = zone_that_prohibits(&[Prohibition::Entry, Prohibition::HeavyWeapons]);
        let mut after = before.clone();
        match change {
            0 => after.remove_area("weapons"),
            1 => after.upsert_area(Area { area: "weapons".to_owned(), ..zone().areas()[0].clone() }),
            _ => after.upsert_area(zone().areas()[0].clone()),
        }
        let told = |rule: &mut Tracks| by_alert(tell_changed(rule, [&before, &after], &sent, &delivery, heard));
        let mut sleepless = Tracks::default();
        (sleepless.lanes.sleepless, sleepless.late.sleepless) = (true, true);
        prop_assert_eq!(told(&mut Tracks::default()), told(&mut sleepless));
    }

    #[test]
    fn a_successor_goes_on_where_the_first_one_ended(
        delivery in any_delivery(150), share in 0.0..1.0f64, recall_s in 90i64..2_000,
        wobble in proptest::collection::vec(-0.001f64..0.001, 150),
    ) {
        let sent = to_and_fro(&wobble);
        let by_two = standing(tell_by_two::<Tracks>(&sent, &delivery, share, (recall_s, true)));
        prop_assert_eq!(by_two, deliver::<Tracks>(&sent, &Delivery::in_order()));
    }

    #[test]
    fn the_order_of_delivery_does_not_matter(
        delivery in any_delivery(150),
        wobble in proptest::collection::vec(-0.001f64..0.001, 150),
    ) {
        let sent = to_and_fro(&wobble);
        let in_order = deliver::<Tracks>(&sent, &Delivery::in_order());
        prop_assert!(!in_order.is_empty());
        prop_assert_eq!(deliver::<Tracks>(&sent, &delivery), in_order);
    }

    #[test]
    fn what_is_said_early_does_not_depend_on_the_order_either(
        delivery in any_delivery(150),
        wobble in proptest::collection::vec(-0.001f64..0.001, 150),
    ) {
        let sent = to_and_fro(&wobble);
        let stands = |delivery: Delivery| -> Vec<_> {
            let standing = deliver::<Tracks>(&sent, &delivery.provisional()).into_iter();
            standing.map(|feature| (feature.properties.alert, feature.properties.from, feature.properties.to)).collect()
        };
        prop_assert_eq!(stands(delivery), stands(Delivery::in_order()));
    }
}

/// An hour in the middle of the zone, a plot every ten seconds, and out of it if it leaves.
fn an_hour_inside(leaves: bool) -> Vec<Sent> {
    let inside = (0..360).map(|n| plot("radar", Domain::Ground, "t1", 10 * n, 30.0, 50.0));
    let outside = (360..370).map(|n| plot("radar", Domain::Ground, "t1", 10 * n, 30.2, 50.0));
    inside.chain(outside.filter(|_| leaves)).collect()
}

#[test]
fn who_stays_in_an_area_rests_and_is_told_of_now_and_then() {
    let mut rule = Tracks::default();
    let said = tell_by(&mut rule, &zone(), &an_hour_inside(false), &Delivery::in_order().unended());
    assert_eq!((rule.len(), rule.lanes.each_awake().count()), (1, 0));
    let seen: Vec<usize> = said.iter().map(|said| said.properties.evidence.len()).collect();
    assert!((8..20).contains(&seen.len()) && said.iter().all(|said| said.properties.to.is_none()), "{seen:?}");
    let alert = only(deliver::<Tracks>(&an_hour_inside(true), &Delivery::in_order())).properties;
    assert!((3_590.0..3_600.0).contains(&seconds(alert.to)), "{:?}", alert.to);
}

#[test]
fn who_rests_in_an_area_is_final_when_there_are_too_many_tracks() {
    let mut sent = an_hour_inside(false);
    sent.truncate(30);
    let names: Vec<String> = (0..MAX_LANES).map(|n| format!("o{n}")).collect();
    sent.extend(names.iter().map(|name| plot("radar", Domain::Ground, name, 330, 29.0, 50.0)));
    let mut rule = Tracks::default();
    let delivery = Delivery::in_order().unended().unwritten();
    let said = standing(tell_by(&mut rule, &zone(), &sent, &delivery));
    assert_eq!((rule.len(), only(said).properties.status), (MAX_LANES, Status::Final));
}

/// The zone, with a notice of vessels from the west to so far east, until so many seconds after noon.
fn with_notice(east_deg: f64, to_s: i64) -> Places {
    let ring = vec![(29.9, 49.8), (east_deg, 49.8), (east_deg, 50.2), (29.9, 50.2), (29.9, 49.8)];
    let shape = geo::MultiPolygon::new(vec![geo::Polygon::new(geo::LineString::from(ring), Vec::new())]);
    let mut places = zone();
    places.upsert_notice(Notice {
        notice: "n".to_owned(),
        kinds: vec![NoticeKind::Vessel],
        from_ns: at_s(0).0,
        to_ns: at_s(to_s).0,
        by: None,
        count: None,
        shape,
    });
    places
}

#[test]
fn a_notice_covers_a_passage_as_a_whole_or_was_exceeded() {
    let judged = |places: &Places| {
        let said = tell_by(&mut Tracks::default(), places, &due_east(Domain::Sea), &Delivery::in_order());
        let alert = only(standing(said)).properties;
        (alert.violation, alert.notice, alert.exceeds.map(|exceeds| exceeds.by))
    };
    assert_eq!(judged(&with_notice(30.1, 400)), (false, Some("n".to_owned()), None), "from border to border");
    assert_eq!(judged(&with_notice(30.1, 250)), (true, None, Some(vec![Measure::Time])));
    assert_eq!(judged(&with_notice(30.0, 400)), (true, None, Some(vec![Measure::Place])));
    assert_eq!(judged(&with_notice(30.1, 50)), (true, None, None), "it was over before");
}
