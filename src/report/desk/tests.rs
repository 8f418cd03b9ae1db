use super::super::harness::*;
use super::super::ledger::tests::revisions;
use super::*;
use crate::model::alert::{Class, Status};
use proptest::prelude::*;

fn settings() -> ReportSettings {
    ReportSettings { days: 3, ..ReportSettings::default() }
}

fn told(reports: &[DailyReport]) -> Vec<(String, String, u32, u64)> {
    let told = |it: &DailyReport| (it.sector.clone(), it.day.to_string(), it.revision, it.figures.alerts);
    reports.iter().map(told).collect()
}

fn theatre(day: &str, revision: u32, alerts: u64) -> (String, String, u32, u64) {
    ("theatre".to_owned(), day.to_owned(), revision, alerts)
}

#[test]
fn a_day_is_reported_when_event_time_is_past_it_by_the_grace() {
    let mut desk = Desk::new(settings());
    assert_eq!(desk.last_over(None), None, "nothing is known");
    desk.take(&alert("a", Class::FireShot, 3.0));
    desk.reach(at_h(24.99));
    assert_eq!(desk.last_over(None), Some(DAY.plus(-1)));
    assert_eq!(told(&desk.publish(DAY.plus(-1))), []);
    desk.reach(at_h(25.0));
    assert_eq!(desk.last_over(None), Some(DAY));
    let reports = desk.publish(DAY);
    assert_eq!(told(&reports), [theatre("2026-03-01", 1, 1)]);
    let report = &reports[0];
    let times = [report.from, report.to, report.covered_to, report.amendable_to].map(|time| time.to_string());
    let expected = ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-05T00:00:00Z"];
    assert_eq!(times, expected);
    assert_eq!(told(&desk.publish(DAY)), [], "once");
}

#[test]
fn a_day_is_reported_again_when_it_says_something_else_and_until_it_is_closed() {
    let mut desk = Desk::new(settings());
    let shot = alert("a", Class::FireShot, 3.0);
    desk.take(&shot);
    desk.reach(at_h(26.0));
    desk.publish(DAY);
    desk.take(&Alert { revision: 2, severity: 5, ..shot.clone() });
    assert_eq!(told(&desk.publish(DAY)), [], "the figures are the same");
    desk.take(&alert("b", Class::FireShot, 4.0));
    assert_eq!(told(&desk.publish(DAY)), [theatre("2026-03-01", 2, 2)]);
    desk.take(&Alert { revision: 3, status: Status::Retracted, ..shot });
    assert_eq!(told(&desk.publish(DAY)), [theatre("2026-03-01", 3, 1)]);
    desk.reach(at_h(24.0 * 4.0 - 0.1));
    desk.publish(DAY.plus(2));
    desk.take(&alert("c", Class::FireShot, 5.0));
    assert_eq!(told(&desk.publish(DAY.plus(2))), [theatre("2026-03-01", 4, 2)], "open to the last");
    desk.reach(at_h(24.0 * 4.0));
    desk.publish(DAY.plus(2));
    desk.take(&alert("d", Class::FireShot, 6.0));
    assert_eq!(told(&desk.publish(DAY.plus(2))), [], "closed");
    assert_eq!(desk.passed_over().too_late, 1);
}

#[test]
fn a_day_without_alerts_is_reported_of_every_sector() {
    let mut desk = Desk::new(settings());
    desk.know_sector("north");
    desk.reach(at_h(1.0));
    desk.reach(at_h(49.5));
    let reports = desk.publish(DAY.plus(1));
    let of = |sector: &str, day: &str| (sector.to_owned(), day.to_owned(), 1, 0);
    let expected = [
        of("north", "2026-03-01"),
        of("theatre", "2026-03-01"),
        of("north", "2026-03-02"),
        of("theatre", "2026-03-02"),
    ];
    assert_eq!(told(&reports), expected);
    desk.know_sector("south");
    assert_eq!(told(&desk.publish(DAY.plus(1))), [of("south", "2026-03-01"), of("south", "2026-03-02")]);
}

#[test]
fn where_telemetry_ends_the_walls_clock_closes_the_day_and_it_says_how_far_it_was_covered() {
    let mut desk = Desk::new(settings());
    desk.take(&alert("a", Class::FireShot, 3.0));
    desk.reach(at_h(15.0));
    assert_eq!(desk.last_over(Some(at_h(24.5))), Some(DAY.plus(-1)), "within the grace");
    let last = desk.last_over(Some(at_h(80.0))).unwrap();
    assert_eq!(last, DAY, "of what event time has not reached nothing is told");
    let reports = desk.publish(last);
    assert_eq!((told(&reports), reports[0].covered_to.0), (vec![theatre("2026-03-01", 1, 1)], at_h(15.0)));
    assert_eq!(told(&desk.publish(last)), []);
    desk.reach(at_h(26.0));
    let reports = desk.publish(DAY);
    assert_eq!((told(&reports), reports[0].covered_to.0), (vec![theatre("2026-03-01", 2, 1)], at_h(24.0)));
}

#[test]
fn of_a_long_gap_in_event_time_no_more_is_told_than_is_open_after_it() {
    let mut desk = Desk::new(settings());
    desk.take(&alert("a", Class::FireShot, 3.0));
    desk.reach(at_h(24.0 * 1000.0 + 2.0));
    let days: Vec<i32> = desk.publish(DAY.plus(999)).iter().map(|report| report.day.0 - DAY.0).collect();
    assert_eq!(days, [0, 997, 998, 999], "what happened before it, and what is open");
}

#[test]
fn a_reporter_that_begins_with_old_alerts_reports_what_is_open() {
    let mut desk = Desk::new(settings());
    desk.take(&alert("a", Class::FireShot, 3.0));
    desk.take(&alert("b", Class::FireShot, 24.0 * 30.0 + 2.0));
    desk.begin();
    let days: Vec<i32> = desk.publish(DAY.plus(29)).iter().map(|report| report.day.0 - DAY.0).collect();
    assert_eq!(days, [27, 28, 29]);
}

#[test]
fn where_nobody_waits_each_day_is_told_once_when_it_is_closed_or_all_has_ended() {
    let mut desk = Desk::new(settings());
    let mut reports = Vec::new();
    for day in 0..6 {
        desk.take(&alert(&format!("a{day}"), Class::FireShot, 24.0 * f64::from(day) + 5.0));
        if day == 2 {
            desk.take(&alert("late", Class::FireShot, 6.0));
        }
        reports.extend(desk.publish_closing());
    }
    reports.extend(desk.publish_rest());
    let counts: Vec<(i32, u32, u64)> =
        reports.iter().map(|report| (report.day.0 - DAY.0, report.revision, report.figures.alerts)).collect();
    assert_eq!(counts, [(0, 1, 2), (1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 1), (5, 1, 1)]);
    assert_eq!(reports.last().unwrap().covered_to.0, at_h(24.0 * 5.0 + 5.0));
}

/// What a theatre's reporters say over all their lives: each begins with what was said and with the newest revisions.
fn live(revisions: &[Alert], steps: &[(bool, bool)], settings: &ReportSettings) -> Vec<DailyReport> {
    let mut said: Vec<DailyReport> = Vec::new();
    let mut current: BTreeMap<&str, &Alert> = BTreeMap::new();
    let mut desk = Desk::new(settings.clone());
    for (number, alert) in revisions.iter().enumerate() {
        current.insert(&alert.alert, alert);
        desk.take(alert);
        let (looks, dies) = steps.get(number).copied().unwrap_or_default();
        if dies {
            desk = Desk::new(settings.clone());
            // A compacted topic of several partitions is read in any order.
            said.iter().rev().for_each(|report| desk.was_said(report.clone()));
            current.values().rev().for_each(|alert| desk.take(alert));
            desk.begin();
        }
        if looks && let Some(last) = desk.last_over(None) {
            said.extend(desk.publish(last));
        }
    }
    desk.reach(at_h(24.0 * 12.0));
    said.extend(desk.publish(DAY.plus(8)));
    said
}

proptest! {
    #[test]
    fn each_report_is_said_once_whoever_dies_and_the_last_word_is_that_of_an_undisturbed_run(
        revisions in revisions(), steps in proptest::collection::vec(any::<(bool, bool)>(), 0..50),
    ) {
        // Nothing is closed before the end.
        let settings = ReportSettings { days: 40, ..ReportSettings::default() };
        let said = live(&revisions, &steps, &settings);
        let mut last: BTreeMap<(Day, &str), &DailyReport> = BTreeMap::new();
        for report in &said {
            let before = last.insert((report.day, &report.sector), report);
            prop_assert_eq!(report.revision, before.map_or(0, |it| it.revision) + 1, "in order, without gap or repetition");
            if let Some(before) = before {
                prop_assert!((&before.figures, before.covered_to) != (&report.figures, report.covered_to), "says something new");
            }
        }
        let undisturbed = live(&revisions, &[], &settings);
        for report in &undisturbed {
            // A successor does not know of sectors and days that only revisions from before have named; nothing is in them.
            let last = last.get(&(report.day, report.sector.as_str())).map(|it| it.figures.clone()).unwrap_or_default();
            prop_assert_eq!(&last, &report.figures, "{} {}", report.day, report.sector);
        }
    }
}
