//! What a score must do whatever the alerts are.

use super::*;
use crate::model::alert::{Alert, Evidence};
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::Kind;
use crate::model::time::{NS_PER_S, Timestamp};
use proptest::prelude::*;

/// Events half a minute and some kilometres apart, each with `arrivals` pieces of evidence.
fn truth(events: usize, arrivals: usize) -> Vec<Truth> {
    (0..events)
        .map(|at| Truth {
            event: format!("E-{at:04}"),
            class: Class::FireImpact,
            sign: None,
            time: Timestamp(1_772_323_200 * NS_PER_S + at as i64 * 30 * NS_PER_S),
            lon: 31.0 + 0.05 * (at % 20) as f64,
            lat: 46.5 + 0.05 * (at / 20) as f64,
            count: 1,
            evidence: (0..arrivals).map(|n| format!("e{at}-{n}")).collect(),
            violation: false,
            areas: Vec::new(),
            near: Vec::new(),
            crosses: Vec::new(),
            from: None,
            to: None,
            bound_m: Some(30.0),
        })
        .collect()
}

fn alert(id: &str, event: &Truth) -> AlertFeature {
    let properties = Alert {
        alert: id.to_owned(),
        revision: 1,
        status: Status::Final,
        class: event.class,
        time: event.time,
        time_sd_s: 0.1,
        ellipse: Some(Ellipse { semi_major_m: 30.0, semi_minor_m: 20.0, orientation_deg: 30.0 }),
        count: 1,
        count_is_minimum: false,
        probability: 1.0,
        term: Term::Confirmed,
        severity: 3,
        areas: event.areas.clone(),
        within: Vec::new(),
        sectors: Vec::new(),
        component: None,
        from: event.from,
        to: event.to,
        violation: event.violation,
        notice: None,
        exceeds: None,
        sign: None,
        evidence: event
            .evidence
            .iter()
            .enumerate()
            .map(|(at, id)| Evidence {
                topic: "telemetry.sensors".to_owned(),
                partition: 0,
                offset: at as i64,
                line: 0,
                id: id.clone(),
                node: format!("n{at}"),
                kind: Kind::Acoustic,
                residual_s: None,
                residual_deg: None,
            })
            .collect(),
        silent: Vec::new(),
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
        software: "test".to_owned(),
        config_digest: String::new(),
        evidence_digest: String::new(),
        latency: None,
    };
    AlertFeature::new(LonLat { lon_deg: event.lon, lat_deg: event.lat }, properties)
}

fn perfect(truth: &[Truth]) -> Vec<AlertFeature> {
    truth.iter().enumerate().map(|(at, event)| alert(&format!("A-{at:04}"), event)).collect()
}

const PLACE: By = By::Place { seconds: 3.0, metres: 1000.0 };

fn score_by(alerts: &[AlertFeature], truth: &[Truth], by: By) -> Score {
    score(alerts, truth, &Options { by, sensors: None })
}

/// An alert about nothing, far from any event.
fn junk(number: usize) -> AlertFeature {
    let mut event = truth(1, 5).remove(0);
    event.evidence = (0..5).map(|n| format!("junk{number}-{n}")).collect();
    (event.lon, event.lat) = (10.0, 10.0);
    alert(&format!("J-{number:04}"), &event)
}

proptest! {
    #[test]
    fn perfect_alerts_score_one(events in 1usize..60, arrivals in 1usize..12) {
        let truth = truth(events, arrivals);
        for by in [By::Evidence, PLACE] {
            let score = score_by(&perfect(&truth), &truth, by);
            prop_assert_eq!((score.precision, score.recall, score.f1), (1.0, 1.0, 1.0));
            prop_assert_eq!(score.calibration.as_ref().map(|c| c.brier), Some(0.0));
            prop_assert_eq!(score.place_error_m.map(|e| e.max), Some(0.0));
        }
    }

    #[test]
    fn an_alert_less_is_an_event_missed(events in 2usize..60, gone in 0usize..60) {
        let truth = truth(events, 6);
        let mut alerts = perfect(&truth);
        alerts.remove(gone % events);
        for by in [By::Evidence, PLACE] {
            let score = score_by(&alerts, &truth, by);
            prop_assert_eq!(score.precision, 1.0);
            prop_assert_eq!(score.overall.missed(), 1);
            prop_assert!(score.recall < 1.0);
            prop_assert_eq!(&score.missed, &vec![format!("E-{:04}", gone % events)]);
        }
    }

    #[test]
    fn junk_lowers_precision_alone(events in 1usize..40, rubbish in 1usize..10) {
        let truth = truth(events, 6);
        let mut alerts = perfect(&truth);
        alerts.extend((0..rubbish).map(junk));
        for by in [By::Evidence, PLACE] {
            let score = score_by(&alerts, &truth, by);
            prop_assert_eq!(score.recall, 1.0);
            prop_assert_eq!(score.overall.false_alarms(), rubbish);
            prop_assert!(score.precision < 1.0);
        }
    }

    #[test]
    fn order_does_not_matter(
        events in 2usize..30,
        chances in proptest::collection::vec(0.0f64..1.0, 30),
        shuffle in Just((0usize..60).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let truth = truth(events, 5);
        let mut alerts: Vec<AlertFeature> = perfect(&truth).into_iter().chain((0..5).map(junk)).collect();
        for (alert, &chance) in alerts.iter_mut().zip(&chances) {
            alert.properties.probability = chance;
        }
        // A later revision of the first one.
        let mut revised = alerts[0].clone();
        revised.properties.revision = 2;
        revised.properties.status = Status::Retracted;
        alerts.push(revised);
        let straight = score(&alerts, &truth, &Options::default());
        let mut order: Vec<usize> = shuffle.iter().copied().filter(|&at| at < alerts.len()).collect();
        let shuffled: Vec<AlertFeature> = order.iter().map(|&at| alerts[at].clone()).collect();
        order.retain(|&at| at < truth.len());
        let turned: Vec<Truth> = order.iter().map(|&at| truth[at].clone()).collect();
        prop_assert_eq!(straight, score(&shuffled, &turned, &Options::default()));
    }
}

#[test]
fn evidence_agrees_from_three_fifths_on() {
    let truth = truth(1, 5);
    let mut alert = alert("A", &truth[0]);
    alert.properties.evidence.truncate(3);
    assert_eq!(score_by(&[alert.clone()], &truth, By::Evidence).overall.found, 1);
    alert.properties.evidence.truncate(2);
    let score = score_by(&[alert], &truth, By::Evidence);
    assert_eq!((score.overall.found, score.overall.false_alarms(), score.overall.missed()), (0, 1, 1));
}

#[test]
fn two_alerts_about_one_event_are_one_found_and_one_false() {
    let truth = truth(1, 6);
    let alerts = [alert("A", &truth[0]), alert("B", &truth[0])];
    for by in [By::Evidence, PLACE] {
        let score = score_by(&alerts, &truth, by);
        assert_eq!((score.overall.found, score.overall.false_alarms()), (1, 1));
    }
}

#[test]
fn what_is_doubtful_or_taken_back_is_neither_found_nor_false_but_is_held_to_its_word() {
    let truth = truth(2, 6);
    let mut alerts = perfect(&truth);
    alerts[0].properties.probability = 0.3;
    let mut wrong = junk(0);
    wrong.properties.status = Status::Retracted;
    wrong.properties.probability = 0.8;
    alerts.push(wrong);
    let score = score(&alerts, &truth, &Options::default());
    assert_eq!((score.overall.alerts, score.overall.found, score.overall.missed()), (1, 1, 1));
    assert_eq!(score.precision, 1.0);
    let calibration = score.calibration.unwrap();
    // 0.3 and it happened, 0.8 and it did not, 1.0 and it happened.
    assert_eq!(calibration.alerts, 3);
    assert!((calibration.brier - (0.49 + 0.64) / 3.0).abs() < 1e-12, "{}", calibration.brier);
}

#[test]
fn a_group_that_the_truth_does_not_speak_of_is_not_scored() {
    let truth = truth(3, 6);
    let mut alerts = perfect(&truth);
    let mut other = junk(0);
    other.properties.class = Class::SensorSilent;
    alerts.push(other);
    let score = score(&alerts, &truth, &Options::default());
    assert_eq!((score.groups.len(), score.precision), (1, 1.0));
}

#[test]
fn an_incursion_is_found_by_class_area_and_overlap() {
    let s = |at: i64| Timestamp(1_772_323_200 * NS_PER_S + at * NS_PER_S);
    let mut event = truth(1, 3).remove(0);
    event.class = Class::AirIncursion;
    event.areas = vec!["zone".to_owned()];
    (event.from, event.to, event.time) = (Some(s(100)), Some(s(200)), s(100));
    let with = |change: &dyn Fn(&mut Alert)| {
        let mut alert = alert("A", &event);
        alert.properties.evidence.clear();
        change(&mut alert.properties);
        score(&[alert], std::slice::from_ref(&event), &Options::default()).overall.found
    };
    assert_eq!(with(&|_| ()), 1);
    assert_eq!(with(&|alert| (alert.from, alert.to) = (Some(s(150)), None)), 1);
    assert_eq!(with(&|alert| (alert.from, alert.to) = (Some(s(201)), Some(s(300)))), 0);
    assert_eq!(with(&|alert| alert.areas = vec!["elsewhere".to_owned()]), 0);
    assert_eq!(with(&|alert| alert.class = Class::SeaIncursion), 0);
}

#[test]
fn ellipses_and_bounds_are_measured_against_the_truth() {
    let truth = truth(1, 6);
    let mut alert = alert("A", &truth[0]);
    // 25 m along the long axis: inside one sigma of 30 m; the same across it lies outside 20 m.
    let along = alert.place().toward(30.0, 25.0);
    alert.geometry.coordinates = [along.lon_deg, along.lat_deg];
    let inside = score_by(&[alert.clone()], &truth, By::Evidence);
    assert_eq!(inside.ellipses.map(|e| e.within_1), Some(1.0));
    assert!((inside.over_bound.unwrap().p50 - 25.0 / 30.0).abs() < 1e-6);
    assert_eq!(inside.bounds, [(BoundSource::Truth, 1)]);
    let across = LonLat { lon_deg: truth[0].lon, lat_deg: truth[0].lat }.toward(120.0, 25.0);
    alert.geometry.coordinates = [across.lon_deg, across.lat_deg];
    let outside = score_by(&[alert], &truth, By::Evidence).ellipses.unwrap();
    assert_eq!((outside.within_1, outside.within_2), (0.0, 1.0));
}

#[test]
fn without_a_bound_in_the_truth_the_sensors_or_the_ellipse_stand_in() {
    let mut truth = truth(1, 4);
    truth[0].bound_m = None;
    let place = LonLat { lon_deg: truth[0].lon, lat_deg: truth[0].lat };
    let alert = alert("A", &truth[0]);
    let proxy = score_by(std::slice::from_ref(&alert), &truth, By::Evidence);
    assert_eq!(proxy.bounds, [(BoundSource::Ellipse, 1)]);
    assert!(proxy.to_string().contains("--sensors"));
    let sensors = (0..4)
        .map(|n| (format!("n{n}"), Sensor { place: place.toward(90.0 * f64::from(n), 3000.0), time_sd_s: Some(0.1) }))
        .collect();
    let score = score(&[alert], &truth, &Options { by: By::Evidence, sensors: Some(sensors) });
    assert_eq!(score.bounds, [(BoundSource::Sensors, 1)]);
}

#[test]
fn files_are_read_as_they_are_written_and_a_bad_line_is_named() {
    use crate::simulate::{Options as SimulateOptions, Scenario, run as simulate_to};
    let dir = tempfile::tempdir().unwrap();
    let options = SimulateOptions { duration_s: Some(120.0), ..SimulateOptions::default() };
    let simulation = simulate_to(Scenario::Barrage, 3, &options, dir.path()).unwrap();
    let alerts = dir.path().join("alerts.ndjson");
    let lines: Vec<String> =
        perfect(&simulation.truth).iter().map(|alert| serde_json::to_string(alert).unwrap()).collect();
    std::fs::write(&alerts, lines.join("\n")).unwrap();
    let (truth, sensors) = (dir.path().join("truth.ndjson"), dir.path().join("sensors.geojson"));
    for by in [By::Evidence, PLACE] {
        let score = run(&alerts, &truth, Some(&sensors), by).unwrap();
        assert_eq!((score.f1, score.overall.events), (1.0, simulation.truth.len()));
        assert_eq!(score.bounds.first().map(|(source, _)| *source), Some(BoundSource::Truth));
        let table = score.to_string();
        assert!(table.contains("fire") && table.contains("1.0000") && table.contains("Brier"), "{table}");
    }
    std::fs::write(&alerts, format!("{}\n{{}}\n", lines[0])).unwrap();
    let error = run(&alerts, &truth, None, By::Evidence).unwrap_err().to_string();
    assert!(error.contains("alerts.ndjson line 2: expected an alert"), "{error}");
    let error = run(&dir.path().join("none"), &truth, None, By::Evidence).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("none"), "{error}");
}

#[test]
fn a_first_word_is_right_when_what_it_cites_is_and_only_one_of_two_is() {
    let truth = truth(3, 10);
    let first = |id: &str, event: &Truth, from: usize, to: usize| {
        let mut word = alert(id, event);
        word.properties.status = Status::Preliminary;
        word.properties.evidence = word.properties.evidence[from..to].to_vec();
        word
    };
    let (mut word, again) = (first("A", &truth[0], 0, 5), first("B", &truth[0], 5, 9));
    // Three of five are of the event, which is enough; two of four are not.
    word.properties.evidence[3].id = "junk-3".to_owned();
    word.properties.evidence[4].id = "junk-4".to_owned();
    let mut half = first("C", &truth[1], 0, 4);
    half.properties.evidence[0].id = "junk-1".to_owned();
    half.properties.evidence[1].id = "junk-2".to_owned();
    let last = |word: &AlertFeature, status| {
        let mut last = word.clone();
        (last.properties.revision, last.properties.status) = (2, status);
        last
    };
    let mut renamed = last(&word, Status::Retracted);
    renamed.properties.superseded_by = Some("B".to_owned());
    let mut alerts = vec![last(&again, Status::Final), last(&half, Status::Retracted), renamed, word, again, half];
    // Said when all was in: no first word.
    alerts.push(alert("D", &truth[2]));
    let first = FirstWords::of(&alerts, &truth);
    assert_eq!((first.said, first.retracted, first.renamed), (3, 1, 1));
    let calibration = first.calibration.unwrap();
    // B shares four arrivals with the event, A three: B is right.
    assert_eq!((calibration.alerts, calibration.bins[0].right), (3, 1.0 / 3.0));
}

#[test]
fn what_was_taken_back_counts_in_one_calibration_and_not_in_the_other() {
    let truth = truth(2, 6);
    let mut alerts = perfect(&truth[..1]);
    let mut retracted = junk(1);
    retracted.properties.status = Status::Retracted;
    alerts.push(retracted);
    let score = score_by(&alerts, &truth, By::Evidence);
    assert_eq!(score.calibration.map(|c| (c.alerts, c.brier)), Some((2, 0.5)));
    assert_eq!(score.standing_calibration.map(|c| (c.alerts, c.brier)), Some((1, 0.0)));
    assert_eq!(standing(&alerts).len(), 1);
}

#[test]
fn alerts_from_before_the_first_event_or_after_the_last_are_not_false() {
    let truth = truth(10, 5);
    let mut alerts = perfect(&truth);
    let (first, last) = (truth[0].time.0, truth[9].time.0);
    for (id, time_ns) in [("before", first - 1), ("after", last + 1), ("within", first + 1), ("at the end", last)] {
        let mut other = alert(id, &truth[0]);
        other.properties.time = Timestamp(time_ns);
        other.properties.evidence.iter_mut().for_each(|evidence| evidence.id = format!("{id} {}", evidence.id));
        alerts.push(other);
    }
    let score = score(&alerts, &truth, &Options::default());
    assert_eq!((score.outside, score.overall.alerts, score.overall.found), (2, 12, 10));
    assert_eq!(score.false_alarms, ["at the end", "within"]);
    assert!(score.to_string().contains("2 alerts from before the first event or after the last are left out"));
}
