use super::super::harness::*;
use super::*;
use crate::model::alert::{Class, Status};
use crate::model::daily::{Count, Fire};
use crate::model::decision::Verdict;
use proptest::prelude::*;

const LATE: i64 = i64::MAX;

fn ledger(alerts: &[Alert]) -> Ledger {
    let mut ledger = Ledger::new("theatre", 0);
    for alert in alerts {
        ledger.take(alert);
    }
    ledger
}

fn theatre(alerts: &[Alert]) -> Figures {
    ledger(alerts).figures(DAY, LATE).remove("theatre").unwrap()
}

#[test]
fn each_class_is_counted_under_its_word() {
    let all: Vec<Alert> = Class::ALL.iter().map(|&class| alert(class.as_str(), class, 5.0)).collect();
    let figures = theatre(&all);
    let one = Count { count: 1, confirmed: 1, ..Count::default() };
    let Fire { explosions, bursts, shots, undetermined } = figures.fire;
    for count in [explosions.undetermined, explosions.impact, explosions.outgoing, bursts, shots, undetermined] {
        assert_eq!(count, one);
    }
    let (restrictions, sea) = (figures.restrictions, figures.sea);
    for count in [restrictions.denied, restrictions.delayed, restrictions.conditional, sea.incursions, sea.dark] {
        assert_eq!(count, one);
    }
    assert_eq!([figures.weapons, figures.ground, figures.air, figures.interference], [one; 4]);
    assert_eq!(figures.coverage.silences, 1);
    assert_eq!(figures.alerts, Class::ALL.len() as u64);
    assert_eq!(figures.fire_under_notice, Fire::default());
}

#[test]
fn counts_say_how_sure_and_what_is_a_lower_bound() {
    let of = |id: &str, probability, count, count_is_minimum, violation| {
        let areas = if violation { vec!["zone".to_owned()] } else { Vec::new() };
        Alert { probability, count, count_is_minimum, violation, areas, ..alert(id, Class::FireImpact, 3.0) }
    };
    let figures = theatre(&[
        of("a", 0.99, 3, false, true),
        of("b", 0.8, 2, true, true),
        of("c", 0.5, 1, false, false),
        of("d", 0.39, 7, false, true),
    ]);
    let expected = Count { count: 6, count_is_minimum: true, confirmed: 3, probable: 2, possible: 1, violations: 5 };
    assert_eq!(figures.fire.explosions.impact, expected);
    assert_eq!((figures.alerts, figures.set_aside.unresolved), (3, 1), "less than possible is set aside");
    let [area] = &figures.areas[..] else { panic!("{:?}", figures.areas) };
    assert_eq!((area.area.as_str(), area.violations), ("zone", 5));
}

#[test]
fn what_a_notice_covers_stands_apart() {
    let of = |id: &str, class| Alert { notice: Some("training".to_owned()), ..alert(id, class, 3.0) };
    let figures =
        theatre(&[of("a", Class::FireExplosion), of("b", Class::AirIncursion), alert("c", Class::FireShot, 4.0)]);
    assert_eq!((figures.fire.all().count, figures.fire_under_notice.explosions.undetermined.count), (1, 1));
    assert_eq!((figures.air.count, figures.movement_under_notice.count), (0, 1));
}

#[test]
fn what_is_taken_back_or_dismissed_counts_no_more() {
    let shot = alert("a", Class::FireShot, 3.0);
    let retracted = Alert { revision: 2, status: Status::Retracted, probability: 0.0, ..shot.clone() };
    assert_eq!(theatre(&[shot.clone(), retracted]), Figures::default());
    let dismissed = Alert { revision: 2, review: decided(&shot, Verdict::Dismissed), ..shot.clone() };
    let figures = theatre(&[shot.clone(), dismissed]);
    assert_eq!((figures.alerts, figures.set_aside.dismissed, figures.review.dismissed), (0, 1, 1));
    let attributed = Alert { revision: 2, review: decided(&shot, Verdict::Attributed), ..shot.clone() };
    let figures = theatre(&[attributed, shot]);
    assert_eq!((figures.fire.shots.count, figures.review.attributed), (1, 1), "decided, and it still counts");
}

#[test]
fn a_silence_counts_on_every_day_that_it_touches_and_no_longer_than_it_lasted() {
    let alerts = [
        silence("a", "mic-1", -30.0, Some(6.0)),
        silence("b", "mic-1", 5.0, Some(7.0)),
        silence("c", "mic-2", 22.0, None),
        silence("d", "mic-3", 24.0, None),
    ];
    let ledger = ledger(&alerts);
    let lost = |day: Day, now_h: f64| ledger.figures(day, at_h(now_h))["theatre"].coverage;
    let today = lost(DAY, 48.0);
    assert_eq!((today.silences, today.silent_nodes, today.node_hours_lost), (3, 2, 9.0));
    assert_eq!(lost(DAY, 23.5).node_hours_lost, 8.5, "what lasts has lasted so far");
    assert_eq!(lost(DAY.plus(-1), 48.0).node_hours_lost, 24.0);
    assert_eq!(lost(DAY.plus(-2), 48.0).node_hours_lost, 6.0);
    assert_eq!(lost(DAY.plus(1), 48.0).node_hours_lost, 48.0);
    assert_eq!(lost(DAY.plus(-3), 48.0).silences, 0);
}

#[test]
fn a_sector_has_what_is_routed_to_it_and_the_theatre_has_all() {
    let of = |id: &str, sectors: &[&str]| {
        let sectors = sectors.iter().map(|&sector| sector.to_owned()).collect();
        Alert { sectors, ..alert(id, Class::FireShot, 3.0) }
    };
    let mut ledger = ledger(&[of("a", &["north"]), of("b", &["north", "south"]), of("c", &[]), of("d", &["theatre"])]);
    ledger.know_sector("quiet");
    let figures = ledger.figures(DAY, LATE);
    let shots: Vec<(&str, u64)> = figures.iter().map(|(name, it)| (name.as_str(), it.fire.shots.count)).collect();
    assert_eq!(shots, [("north", 2), ("quiet", 0), ("south", 1), ("theatre", 4)]);
}

#[test]
fn days_that_are_closed_change_no_more() {
    let mut ledger = ledger(&[alert("a", Class::FireShot, 3.0), silence("s", "mic-1", 2.0, None)]);
    assert_eq!(ledger.take_changed(), BTreeSet::from([DAY]));
    ledger.close_before(DAY.plus(1));
    assert_eq!(ledger.take(&alert("b", Class::FireShot, 4.0)), Taken::TooLate);
    let later = Alert { revision: 2, ..alert("a", Class::FireShot, 3.0) };
    assert_eq!(ledger.take(&later), Taken::TooLate);
    assert_eq!(ledger.take(&alert("c", Class::FireShot, 25.0)), Taken::Changed);
    let ended = Alert { revision: 2, ..silence("s", "mic-1", 2.0, Some(26.0)) };
    assert_eq!(ledger.take(&ended), Taken::Changed, "a silence from before is known while it lasts");
    assert_eq!(ledger.take_changed(), BTreeSet::from([DAY.plus(1)]));
    assert_eq!(ledger.figures(DAY.plus(1), LATE)["theatre"].coverage.node_hours_lost, 2.0);
}

#[test]
fn where_there_is_no_room_the_oldest_day_is_closed() {
    let mut ledger = Ledger { most: 3, ..Ledger::new("theatre", 0) };
    for (id, hours) in [("a", 1.0), ("b", 25.0), ("c", 26.0), ("d", 49.0)] {
        assert_eq!(ledger.take(&alert(id, Class::FireShot, hours)), Taken::Changed);
    }
    assert_eq!((ledger.take_crowded_out(), ledger.first_open()), (Some(DAY), DAY.plus(1)));
    let mut ledger = Ledger { most: 1, ..Ledger::new("theatre", 0) };
    ledger.take(&alert("a", Class::FireShot, 1.0));
    assert_eq!(ledger.take(&alert("b", Class::FireShot, 2.0)), Taken::Full, "all are of one day");
}

/// Alerts of a few days with up to four revisions each, which may move, retract and revive them.
pub fn revisions() -> impl Strategy<Value = Vec<Alert>> {
    let one = (0..10u8, 1..5u32, 0..Class::ALL.len(), -30i32..60, (0..100u32, 1..5u32, any::<bool>()), 0..5u8, 0..4u8);
    proptest::collection::vec(one, 0..50).prop_map(|made| {
        let mut unique = BTreeMap::new();
        for (id, revision, class, hours, (probability, count, count_is_minimum), status, sector) in made {
            let (class, hours) = (Class::ALL[class], f64::from(hours));
            let base = match class {
                Class::SensorSilent | Class::SensorTamper => {
                    let to_h = (status > 1).then_some(hours + f64::from(count) * 9.0);
                    Alert { class, ..silence("", ["m1", "m2"][usize::from(sector % 2)], hours, to_h) }
                }
                _ => alert("", class, hours),
            };
            let alert = Alert {
                alert: format!("A-{id}"),
                revision,
                status: if status == 0 { Status::Retracted } else { Status::Revised },
                probability: f64::from(probability) / 100.0,
                count,
                count_is_minimum,
                notice: (status == 3).then(|| "notice".to_owned()),
                violation: status == 4,
                areas: vec![format!("area-{}", sector % 3)],
                sectors: ["north", "south", "north"]
                    .iter()
                    .take(usize::from(sector))
                    .map(|&it| it.to_owned())
                    .collect(),
                ..base
            };
            unique.insert((id, revision), alert);
        }
        unique.into_values().collect()
    })
}

proptest! {
    #[test]
    fn figures_are_a_function_of_the_set_of_newest_revisions(
        revisions in revisions(), seed in any::<u64>(), repeated in 0..3usize,
    ) {
        let in_order = ledger(&revisions);
        let newest: BTreeMap<&str, &Alert> = revisions.iter().map(|alert| (alert.alert.as_str(), alert)).collect();
        let only_newest = ledger(&newest.into_values().cloned().collect::<Vec<_>>());
        let mut shuffled: Vec<Alert> = (0..=repeated).flat_map(|_| revisions.clone()).collect();
        let order = |alert: &Alert| crate::engine::book::sha256_hex(format!("{seed}{}{}", alert.alert, alert.revision).as_bytes());
        shuffled.sort_by_key(order);
        let shuffled = ledger(&shuffled);
        for back in -3..4 {
            let day = DAY.plus(back);
            let expected = only_newest.figures(day, at_h(60.0));
            // Whoever has seen more revisions may have seen more sectors, in which then nothing is.
            for other in [&in_order, &shuffled] {
                for (sector, figures) in other.figures(day, at_h(60.0)) {
                    let expected = expected.get(&sector).cloned().unwrap_or_default();
                    prop_assert_eq!(figures, expected, "{} {}", day, sector);
                }
            }
        }
    }

    #[test]
    fn confirmed_probable_and_possible_are_all_there_is(revisions in revisions()) {
        let figures = ledger(&revisions).figures(DAY, LATE).remove("theatre").unwrap();
        for count in [figures.fire.all(), figures.fire_under_notice.all(), figures.air, figures.weapons, figures.sea.dark] {
            prop_assert_eq!(count.confirmed + count.probable + count.possible, count.count);
            prop_assert!(count.violations <= count.count);
        }
    }

    #[test]
    fn every_day_whose_figures_change_is_named(revisions in revisions()) {
        let mut ledger = Ledger::new("theatre", 0);
        for sector in ["north", "south"] {
            ledger.know_sector(sector);
        }
        for alert in &revisions {
            let before: Vec<_> = (-4..6).map(|back| ledger.figures(DAY.plus(back), at_h(60.0))).collect();
            ledger.take(alert);
            let changed = ledger.take_changed();
            // A silence that lasts goes on after the last day on which something happened; such days are looked at when they
            // are over.
            let last = ledger.span().map_or(DAY, |(_, last)| last);
            for (back, before) in (-4..6).zip(before) {
                let day = DAY.plus(back);
                if ledger.figures(day, at_h(60.0)) != before && day <= last {
                    prop_assert!(changed.contains(&day), "{} is not among {:?}", day, changed);
                }
            }
        }
    }
}
