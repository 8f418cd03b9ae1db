use super::*;
use crate::model::alert::Alert;
use crate::model::geo::Ellipse;
use crate::model::time::Timestamp;

/// 2026-03-01T00:03:07Z.
const TIME_NS: i64 = 1_772_323_387_000_000_000;

/// A revision of a confirmed impact, changed by `change`.
pub(super) fn alert(id: &str, revision: u32, change: impl FnOnce(&mut Alert)) -> Update {
    let mut alert = Alert {
        alert: id.to_owned(),
        revision,
        status: if revision == 1 { Status::Preliminary } else { Status::Revised },
        class: Class::FireImpact,
        time: Timestamp(TIME_NS),
        time_sd_s: 0.05,
        ellipse: Some(Ellipse { semi_major_m: 38.2, semi_minor_m: 21.4, orientation_deg: 40.0 }),
        count: 1,
        count_is_minimum: false,
        probability: 0.99,
        term: Term::Confirmed,
        severity: 4,
        areas: vec!["disengagement-2".to_owned()],
        within: vec!["disengagement-2".to_owned()],
        sectors: vec![],
        component: None,
        from: None,
        to: None,
        violation: true,
        notice: None,
        exceeds: None,
        sign: None,
        evidence: vec![],
        silent: vec![],
        superseded_by: None,
        near: Vec::new(),
        crosses: Vec::new(),
        follows: Vec::new(),
        coverage_lost_km2: None,
        emitter: None,
        direction_of_fire_deg: None,
        attribution: "undetermined".to_owned(),
        review: None,
        panel: None,
        software: String::new(),
        config_digest: String::new(),
        evidence_digest: String::new(),
        latency: None,
    };
    change(&mut alert);
    Update::Alert(Box::new(AlertFeature::new(LonLat { lon_deg: 31.52345, lat_deg: 46.91234 }, alert)))
}

pub(super) fn story() -> Update {
    Update::Story { time_ns: TIME_NS - 7_000_000_000, text: "A drone crosses the line of contact".to_owned() }
}

/// A state with something of everything.
pub(super) fn watched() -> ViewState {
    let mut state = ViewState::default();
    let updates = [
        Update::Progress { elapsed: Duration::from_secs(23), total: Some(Duration::from_secs(60)) },
        Update::Rates(Rates {
            observations: 56_012,
            observations_per_s: 2_431.7,
            rejected: 3,
            lag: 7,
            watermark_ns: Some(TIME_NS),
        }),
        story(),
        alert("A-1", 1, |alert| {
            alert.latency = Some(crate::model::alert::Latency { event_to_alert_ms: 4100.0, ingest_to_alert_ms: 12.3 });
        }),
        alert("A-2", 1, |alert| {
            alert.time = Timestamp(TIME_NS + 20_000_000_000);
            (alert.class, alert.count, alert.count_is_minimum) = (Class::FireBurst, 3, true);
            (alert.violation, alert.notice, alert.severity) = (false, Some("range-7".to_owned()), 1);
            (alert.probability, alert.term) = (0.8, Term::Probable);
            alert.ellipse = Some(Ellipse { semi_major_m: 1_240.0, semi_minor_m: 300.0, orientation_deg: 0.0 });
        }),
        alert("A-3", 1, |alert| {
            alert.time = Timestamp(TIME_NS - 60_000_000_000);
            (alert.class, alert.ellipse) = (Class::RestrictionDenied, None);
            (alert.status, alert.areas) = (Status::Final, vec![]);
        }),
        alert("A-4", 2, |alert| {
            alert.time = Timestamp(TIME_NS - 90_000_000_000);
            alert.status = Status::Retracted;
        }),
    ];
    updates.into_iter().for_each(|update| state.apply(update));
    state
}

fn ids(state: &ViewState) -> Vec<&str> {
    state.rows().map(|row| row.alert.as_str()).collect()
}

#[test]
fn the_newest_stands_first_and_a_revision_takes_its_place() {
    let mut state = watched();
    assert_eq!(ids(&state), ["A-2", "A-1", "A-3", "A-4"]);
    state.apply(alert("A-1", 2, |alert| alert.time = Timestamp(TIME_NS + 60_000_000_000)));
    assert_eq!(ids(&state), ["A-1", "A-2", "A-3", "A-4"]);
    assert_eq!(state.revisions, 5);
}

#[test]
fn what_tells_of_it_stands_beside_the_class() {
    let told = |change: &dyn Fn(&mut Alert)| match alert("A-1", 1, |it| change(it)) {
        Update::Alert(feature) => Row::of(&feature),
        _ => unreachable!("it is an alert"),
    };
    let emitter = told(&|it| {
        (it.class, it.sign, it.violation) = (Class::Interference, Some(Sign::Emitter), false);
        let (label, frequency_hz) = (Some("uas-1".to_owned()), Some(433.92e6));
        it.emitter = Some(Emitter { label, frequency_hz, alt_m: 310.4, alt_sd_m: 120.0 });
    });
    assert_eq!(
        (words::what(&emitter), words::what_short(&emitter)),
        ("interference emitter".to_owned(), "emitter".to_owned())
    );
    assert!(
        words::line(&emitter).contains("±38 m (uas-1, 433.92 MHz, 310 m high ± 120 m) confirmed"),
        "{}",
        words::line(&emitter)
    );
    let lingers = told(&|it| (it.class, it.sign) = (Class::SeaIncursion, Some(Sign::Loitering)));
    assert_eq!(words::what(&lingers), "sea.incursion loitering");
    let round = told(&|_| ());
    assert_eq!((words::what(&round), words::what_short(&round)), ("fire.impact".to_owned(), "fire.impact".to_owned()));
}

#[test]
fn every_alert_counts_once_as_its_newest_revision_is() {
    let mut state = watched();
    assert_eq!(state.tally, Tally { alerts: 3, violations: 2, notified: 1, retracted: 1 });
    state.apply(alert("A-1", 2, |alert| alert.status = Status::Retracted));
    assert_eq!(state.tally, Tally { alerts: 2, violations: 1, notified: 1, retracted: 2 });
    state.apply(alert("A-1", 1, |_| {}));
    assert_eq!(state.tally.retracted, 2, "an older revision that is read late changes nothing");
    state.apply(alert("A-2", 9, |alert| {
        (alert.status, alert.superseded_by) = (Status::Retracted, Some("A-9".to_owned()));
    }));
    assert_eq!(
        state.tally,
        Tally { alerts: 1, violations: 1, notified: 0, retracted: 2 },
        "it counts as what it is now"
    );
}

#[test]
fn memory_is_bounded_and_the_counts_go_on() {
    let mut state = ViewState::default();
    for n in 0..MAX_ROWS + 10 {
        state.apply(alert(&format!("A-{n}"), 1, |alert| alert.time = Timestamp(TIME_NS + n as i64)));
        state.apply(story());
    }
    assert_eq!(state.rows().len(), MAX_ROWS);
    assert_eq!(state.newest.len(), MAX_ROWS);
    assert_eq!(state.story.len(), MAX_STORY_LINES);
    assert_eq!(state.tally.alerts, (MAX_ROWS + 10) as u64);
    assert_eq!(state.rows().next().unwrap().alert, format!("A-{}", MAX_ROWS + 9));
}

#[test]
fn a_line_reads_as_an_officer_would_say_it() {
    let state = watched();
    let lines: Vec<String> = state.rows().map(words::line).collect();
    assert_eq!(
        lines,
        [
            "00:03:27 fire.burst ≥3 46.91234 N 31.52345 E ±1.2 km probable 0.80 notice range-7 preliminary",
            "00:03:07 fire.impact 46.91234 N 31.52345 E ±38 m confirmed 0.99 VIOLATION disengagement-2 preliminary",
            "00:02:07 restriction.denied 46.91234 N 31.52345 E confirmed 0.99 VIOLATION final",
            "00:01:37 fire.impact 46.91234 N 31.52345 E ±38 m confirmed 0.99 taken back retracted",
        ]
    );
}

#[test]
fn the_southern_and_the_western_half_have_their_letters() {
    assert_eq!(words::place(LonLat { lon_deg: -58.5, lat_deg: -51.75 }), "51.75000 S 58.50000 W");
}
