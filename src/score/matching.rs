//! Which alert is about which event: candidates, each with how well the two agree, then one to one, the best first.

use super::{By, Group, SAME_EVIDENCE};
use crate::model::alert::{AlertFeature, Sign};
use crate::model::geo::LonLat;
use crate::model::time::s_from_ns;
use crate::simulate::Truth;
use rustc_hash::{FxHashMap, FxHashSet};

/// A report of a restriction, or of a node, is about the event when it is this near.
const NEAR_M: f64 = 1000.0;
/// And this near in time.
const NEAR_S: f64 = 60.0;

/// A pair that could be one, and how well it agrees (more is better).
struct Candidate {
    agreement: f64,
    alert: usize,
    event: usize,
}

/// The pairs (alert, event), as indices into the lists, in order of the alerts.
pub(super) fn pairs(group: Group, alerts: &[&AlertFeature], events: &[&Truth], by: By) -> Vec<(usize, usize)> {
    let mut candidates = match (group, by) {
        (Group::Fire, By::Evidence) => by_evidence(alerts, events),
        (Group::Fire, By::Place { seconds, metres }) => by_place(alerts, events, seconds, metres),
        (Group::Restriction, _) => all(alerts, events, restriction),
        (Group::Sensor, _) => all(alerts, events, sensor),
        (Group::Interference, _) => all(alerts, events, interference),
        (Group::Incursion | Group::Dark, _) => all(alerts, events, lasting),
    };
    candidates
        .sort_by(|a, b| b.agreement.total_cmp(&a.agreement).then_with(|| (a.event, a.alert).cmp(&(b.event, b.alert))));
    let (mut alert_taken, mut event_taken) = (vec![false; alerts.len()], vec![false; events.len()]);
    let mut pairs = Vec::new();
    for Candidate { alert, event, .. } in candidates {
        if !alert_taken[alert] && !event_taken[event] {
            (alert_taken[alert], event_taken[event]) = (true, true);
            pairs.push((alert, event));
        }
    }
    pairs.sort_unstable();
    pairs
}

/// The distinct ids that an alert cites.
fn cited(alert: &AlertFeature) -> FxHashSet<&str> {
    alert.properties.evidence.iter().map(|evidence| evidence.id.as_str()).collect()
}

fn by_evidence(alerts: &[&AlertFeature], events: &[&Truth]) -> Vec<Candidate> {
    let mut events_of: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    let mut sizes = Vec::with_capacity(events.len());
    for (at, event) in events.iter().enumerate() {
        let ids: FxHashSet<&str> = event.evidence.iter().map(String::as_str).collect();
        sizes.push(ids.len());
        for id in ids {
            events_of.entry(id).or_default().push(at);
        }
    }
    let mut candidates = Vec::new();
    for (alert, feature) in alerts.iter().enumerate() {
        let ids = cited(feature);
        let mut shared: FxHashMap<usize, usize> = FxHashMap::default();
        for &event in ids.iter().filter_map(|id| events_of.get(id)).flatten() {
            *shared.entry(event).or_default() += 1;
        }
        for (event, shared) in shared {
            let agreement = shared as f64 / ids.len().max(sizes[event]) as f64;
            // The bar itself counts: three of five is 0.6, however it is rounded.
            if agreement >= SAME_EVIDENCE - 1e-12 {
                candidates.push(Candidate { agreement, alert, event });
            }
        }
    }
    candidates
}

fn place_of(event: &Truth) -> LonLat {
    LonLat { lon_deg: event.lon, lat_deg: event.lat }
}

fn by_place(alerts: &[&AlertFeature], events: &[&Truth], seconds: f64, metres: f64) -> Vec<Candidate> {
    let mut by_time: Vec<(i64, usize)> = events.iter().enumerate().map(|(at, event)| (event.time.0, at)).collect();
    by_time.sort_unstable();
    let mut candidates = Vec::new();
    for (alert, feature) in alerts.iter().enumerate() {
        let time_ns = feature.properties.time.0;
        let first = by_time.partition_point(|&(event_ns, _)| s_from_ns(time_ns - event_ns) > seconds);
        for &(event_ns, event) in &by_time[first..] {
            let apart_s = s_from_ns(event_ns - time_ns);
            if apart_s > seconds {
                break;
            }
            let apart_m = feature.place().distance_m(place_of(events[event]));
            if apart_m <= metres {
                let agreement = -((apart_s / seconds.max(1e-9)).powi(2) + (apart_m / metres.max(1e-9)).powi(2));
                candidates.push(Candidate { agreement, alert, event });
            }
        }
    }
    candidates
}

/// Tries every pair; what is scored this way is rare.
fn all(
    alerts: &[&AlertFeature],
    events: &[&Truth],
    agreement: impl Fn(&AlertFeature, &Truth) -> Option<f64>,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (alert, feature) in alerts.iter().enumerate() {
        for (event, truth) in events.iter().enumerate() {
            if let Some(agreement) = agreement(feature, truth) {
                candidates.push(Candidate { agreement, alert, event });
            }
        }
    }
    candidates
}

/// Share of the cited ids that belong to the event; 0 without any.
fn shared(alert: &AlertFeature, event: &Truth) -> f64 {
    let ids = cited(alert);
    if ids.is_empty() {
        return 0.0;
    }
    event.evidence.iter().filter(|id| ids.contains(id.as_str())).count() as f64 / ids.len() as f64
}

/// How much of the two spans is common to both; `None` when they do not touch. An open end lasts until the later of
/// all that is known.
fn overlap(alert: &AlertFeature, event: &Truth) -> Option<f64> {
    let properties = &alert.properties;
    let a = (properties.from.unwrap_or(properties.time).0, properties.to.map(|t| t.0));
    let b = (event.from.unwrap_or(event.time).0, event.to.map(|t| t.0));
    let last = [Some(a.0), a.1, Some(b.0), b.1].into_iter().flatten().max().unwrap_or(0);
    let (a, b) = ((a.0, a.1.unwrap_or(last)), (b.0, b.1.unwrap_or(last)));
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    if from > to {
        return None;
    }
    let all_ns = a.1.max(b.1) - a.0.min(b.0);
    Some(if all_ns == 0 { 1.0 } else { (to - from) as f64 / all_ns as f64 })
}

/// Same class, a common area (or none on either side), and at the same time.
fn lasting(alert: &AlertFeature, event: &Truth) -> Option<f64> {
    let properties = &alert.properties;
    let same_area = event.areas.iter().any(|area| properties.areas.contains(area));
    let nowhere = event.areas.is_empty() && properties.areas.is_empty();
    if properties.class != event.class || !(same_area || nowhere) {
        return None;
    }
    Some(overlap(alert, event)? + shared(alert, event))
}

/// An emitter is one that is told of on the same arrivals; all else is as what lasts.
fn interference(alert: &AlertFeature, event: &Truth) -> Option<f64> {
    let is_emitter = |sign: Option<Sign>| sign == Some(Sign::Emitter);
    match (is_emitter(alert.properties.sign), is_emitter(event.sign)) {
        (true, true) => Some(shared(alert, event)).filter(|shared| *shared > 0.0),
        (false, false) => lasting(alert, event),
        _ => None,
    }
}

/// Same class, and the same report or one from there and then.
fn restriction(alert: &AlertFeature, event: &Truth) -> Option<f64> {
    let shared = shared(alert, event);
    let apart_s = s_from_ns(alert.properties.time.0 - event.time.0).abs();
    let near = apart_s <= NEAR_S && alert.place().distance_m(place_of(event)) <= NEAR_M;
    (alert.properties.class == event.class && (shared > 0.0 || near)).then_some(shared - apart_s * 1e-6)
}

/// Same class, the same node (by its place or its messages), and at the same time.
fn sensor(alert: &AlertFeature, event: &Truth) -> Option<f64> {
    let shared = shared(alert, event);
    let near = alert.place().distance_m(place_of(event)) <= NEAR_M;
    if alert.properties.class != event.class || !(shared > 0.0 || near) {
        return None;
    }
    Some(overlap(alert, event)? + shared)
}
