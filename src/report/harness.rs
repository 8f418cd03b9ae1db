//! Alerts made up for the tests of reports.

use crate::model::alert::{Alert, AlertFeature, Class, Evidence, Status, Term};
use crate::model::day::Day;
use crate::model::decision::{Decision, Verdict};
use crate::model::geo::LonLat;
use crate::model::kind::Kind;
use crate::model::time::{NS_PER_S, Timestamp};

/// 2026-03-01.
pub const DAY: Day = Day(20_513);
pub const HOUR_NS: i64 = 3600 * NS_PER_S;

/// That hour of [`DAY`], nanoseconds.
pub fn at_h(hours: f64) -> i64 {
    DAY.begins_ns(0) + (hours * HOUR_NS as f64) as i64
}

/// A confirmed final alert of one, in no sector, which breaches nothing.
pub fn alert(id: &str, class: Class, hours: f64) -> Alert {
    Alert {
        alert: id.to_owned(),
        revision: 1,
        status: Status::Final,
        superseded_by: None,
        near: Vec::new(),
        crosses: Vec::new(),
        follows: Vec::new(),
        coverage_lost_km2: None,
        emitter: None,
        class,
        time: Timestamp(at_h(hours)),
        time_sd_s: 0.1,
        ellipse: None,
        count: 1,
        count_is_minimum: false,
        probability: 0.97,
        term: Term::Confirmed,
        severity: 2,
        areas: Vec::new(),
        within: Vec::new(),
        sectors: Vec::new(),
        component: None,
        from: None,
        to: None,
        violation: false,
        notice: None,
        exceeds: None,
        sign: None,
        evidence: Vec::new(),
        silent: Vec::new(),
        direction_of_fire_deg: None,
        attribution: "undetermined".to_owned(),
        review: None,
        panel: None,
        software: String::new(),
        config_digest: String::new(),
        evidence_digest: String::new(),
        latency: None,
    }
}

/// The silence of a node from one hour to another, or still.
pub fn silence(id: &str, node: &str, from_h: f64, to_h: Option<f64>) -> Alert {
    let evidence = Evidence {
        topic: "telemetry.sensors".to_owned(),
        partition: 0,
        offset: 0,
        line: 0,
        id: "s".to_owned(),
        node: node.to_owned(),
        kind: Kind::Status,
        residual_s: None,
        residual_deg: None,
    };
    let base = alert(id, Class::SensorSilent, from_h);
    Alert { from: Some(base.time), to: to_h.map(|h| Timestamp(at_h(h))), evidence: vec![evidence], ..base }
}

/// The decision on an alert.
pub fn decided(alert: &Alert, verdict: Verdict) -> Option<Decision> {
    Some(Decision {
        alert: alert.alert.clone(),
        revision: alert.revision,
        decision: verdict,
        attribution: Some("party 1".to_owned()),
        by: "commission".to_owned(),
        at: alert.time,
        reason: None,
        signature: None,
        outdated: false,
    })
}

pub fn feature(alert: Alert, lon_deg: f64, lat_deg: f64) -> AlertFeature {
    AlertFeature::new(LonLat { lon_deg, lat_deg }, alert)
}
