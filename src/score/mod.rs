//! How good are the alerts? They are compared with what really happened.
//!
//! Of each alert the last revision counts. An event is found when the evidence agrees, |A∩B| / max(|A|,|B|) ≥ 0.6, or
//! by place and time; events and alerts are matched one to one, the best pair first. An alert below `possible`, or
//! retracted, is neither found nor false, but it counts in calibration: what it says of its chance is held to what
//! happened. Only groups of classes that the truth speaks of are scored, and only the time from its first event to its
//! last, since of the others nothing is known: an alert from before or after is not false, and says nothing of calibration
//! unless it found an event.

use crate::model::alert::{AlertFeature, Class, Status, Term};
use crate::simulate::Truth;
use rustc_hash::FxHashMap;
use serde::Serialize;

pub mod bound;
mod calibration;
mod errors;
mod files;
mod first;
mod matching;
mod report;

pub use calibration::{Bin, Calibration};
pub use errors::{BoundSource, Coverage, Errors};
pub use files::{ScoreError, Sensor, read_alerts, read_sensors, read_truth, run};
pub use first::FirstWords;

/// What makes an alert of fire and an event one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// They rest on the same observations.
    Evidence,
    /// They are near each other.
    Place {
        /// At most so far apart in time.
        seconds: f64,
        /// At most so far apart in space.
        metres: f64,
    },
}

/// Share of the evidence that must agree.
pub const SAME_EVIDENCE: f64 = 0.6;

/// How to score.
#[derive(Clone, Debug)]
pub struct Options {
    /// What makes an alert and an event one.
    pub by: By,
    /// The sensors by name, for the Cramér–Rao bound where the truth does not give it.
    pub sensors: Option<FxHashMap<String, Sensor>>,
}

impl Default for Options {
    fn default() -> Options {
        Options { by: By::Evidence, sensors: None }
    }
}

/// Classes that are scored together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// `fire.*`
    Fire,
    /// `incursion.*`, `air.incursion`, `sea.incursion`
    Incursion,
    /// `sea.dark`
    Dark,
    /// `interference`
    Interference,
    /// `restriction.*`
    Restriction,
    /// `sensor.*`
    Sensor,
}

impl Group {
    /// All of them.
    pub const ALL: [Group; 6] =
        [Group::Fire, Group::Incursion, Group::Dark, Group::Interference, Group::Restriction, Group::Sensor];

    /// The group of a class.
    pub const fn of(class: Class) -> Group {
        match class {
            Class::FireExplosion
            | Class::FireImpact
            | Class::FireOutgoing
            | Class::FireBurst
            | Class::FireShot
            | Class::FireUndetermined => Group::Fire,
            Class::IncursionGround | Class::IncursionWeapons | Class::AirIncursion | Class::SeaIncursion => {
                Group::Incursion
            }
            Class::SeaDark => Group::Dark,
            Class::Interference => Group::Interference,
            Class::RestrictionDenied | Class::RestrictionDelayed | Class::RestrictionConditional => Group::Restriction,
            Class::SensorSilent | Class::SensorTamper => Group::Sensor,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Group::Fire => "fire",
            Group::Incursion => "incursion",
            Group::Dark => "dark",
            Group::Interference => "interference",
            Group::Restriction => "restriction",
            Group::Sensor => "sensor",
        }
    }
}

/// What was found and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Events in the truth.
    pub events: usize,
    /// Alerts that count: `possible` or better and not retracted.
    pub alerts: usize,
    /// Pairs of the two.
    pub found: usize,
    /// Pairs whose classes are the same.
    pub class_right: usize,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.events += other.events;
        self.alerts += other.alerts;
        self.found += other.found;
        self.class_right += other.class_right;
    }

    /// Events without an alert.
    pub fn missed(&self) -> usize {
        self.events - self.found
    }

    /// Alerts without an event.
    pub fn false_alarms(&self) -> usize {
        self.alerts - self.found
    }

    /// Share of the alerts that are right; 1 without alerts.
    pub fn precision(&self) -> f64 {
        if self.alerts == 0 { 1.0 } else { self.found as f64 / self.alerts as f64 }
    }

    /// Share of the events that were found; 1 without events.
    pub fn recall(&self) -> f64 {
        if self.events == 0 { 1.0 } else { self.found as f64 / self.events as f64 }
    }

    /// The harmonic mean of the two.
    pub fn f1(&self) -> f64 {
        let both = self.events + self.alerts;
        if both == 0 { 1.0 } else { 2.0 * self.found as f64 / both as f64 }
    }
}

/// One group's line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GroupScore {
    /// The group.
    pub group: Group,
    /// Its counts.
    pub tally: Tally,
    /// `tally`'s precision.
    pub precision: f64,
    /// `tally`'s recall.
    pub recall: f64,
    /// `tally`'s F1.
    pub f1: f64,
}

/// How good the alerts are. Displays as a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// What made an alert of fire and an event one.
    pub by: By,
    /// All groups together.
    pub overall: Tally,
    /// Precision of all.
    pub precision: f64,
    /// Recall of all.
    pub recall: f64,
    /// F1 of all.
    pub f1: f64,
    /// One line for each group that the truth speaks of.
    pub groups: Vec<GroupScore>,
    /// Distance between alert and event, metres, of fire that was found.
    pub place_error_m: Option<Errors>,
    /// Difference of their times, seconds, without sign.
    pub time_error_s: Option<Errors>,
    /// Distance over the Cramér–Rao bound.
    pub over_bound: Option<Errors>,
    /// Where the bounds came from, and how many from each.
    pub bounds: Vec<(BoundSource, usize)>,
    /// How honest the ellipses are.
    pub ellipses: Option<Coverage>,
    /// How honest the probabilities are, of all alerts.
    pub calibration: Option<Calibration>,
    /// The same without those that were taken back.
    pub standing_calibration: Option<Calibration>,
    /// Ids of the events that were missed, in order.
    pub missed: Vec<String>,
    /// Ids of the alerts that are false, in order.
    pub false_alarms: Vec<String>,
    /// Alerts that count but found nothing, and are from before the first event or after the last.
    pub outside: usize,
}

/// Whether an alert counts as found or false.
fn counts(alert: &AlertFeature) -> bool {
    alert.properties.status != Status::Retracted && Term::of(alert.properties.probability) != Term::Unresolved
}

/// From the first event's beginning to the last one's end, nanoseconds; `None` without events.
fn span_of(truth: &[&Truth]) -> Option<(i64, i64)> {
    let first_ns = truth.iter().map(|event| event.from.unwrap_or(event.time).0).min()?;
    let last_ns = truth.iter().map(|event| event.to.unwrap_or(event.time).0.max(event.time.0)).max()?;
    Some((first_ns, last_ns))
}

/// Whether an alert is over before the span, or begins after it.
fn is_outside(alert: &AlertFeature, span: Option<(i64, i64)>) -> bool {
    let properties = &alert.properties;
    let from_ns = properties.from.unwrap_or(properties.time).0;
    // What has no end may last into it.
    let is_before = |first_ns: i64| match (properties.from, properties.to) {
        (_, Some(to)) => to.0 < first_ns,
        (Some(_), None) => false,
        (None, None) => from_ns < first_ns,
    };
    span.is_some_and(|(first_ns, last_ns)| is_before(first_ns) || from_ns > last_ns)
}

/// The last revision of each alert, in order of their ids.
fn last_revisions(alerts: &[AlertFeature]) -> Vec<&AlertFeature> {
    let mut last: FxHashMap<&str, &AlertFeature> = FxHashMap::default();
    for alert in alerts {
        let kept = last.entry(&alert.properties.alert).or_insert(alert);
        if alert.properties.revision >= kept.properties.revision {
            *kept = alert;
        }
    }
    let mut last: Vec<&AlertFeature> = last.into_values().collect();
    last.sort_by(|a, b| a.properties.alert.cmp(&b.properties.alert));
    last
}

/// The alerts that stand in the end and count, by their last revisions, in order of their ids.
pub fn standing(alerts: &[AlertFeature]) -> Vec<&AlertFeature> {
    last_revisions(alerts).into_iter().filter(|alert| counts(alert)).collect()
}

/// Compares alerts (all revisions, in any order) with the truth (in any order).
pub fn score(alerts: &[AlertFeature], truth: &[Truth], options: &Options) -> Score {
    let mut truth: Vec<&Truth> = truth.iter().collect();
    truth.sort_by(|a, b| a.event.cmp(&b.event));
    let alerts = last_revisions(alerts);
    let span = span_of(&truth);
    let mut outside = 0;
    let mut overall = Tally::default();
    let mut groups = Vec::new();
    // (chance, right, taken back)
    let (mut pairs, mut stated) = (Vec::new(), Vec::new());
    let (mut missed, mut false_alarms) = (Vec::new(), Vec::new());
    for group in Group::ALL {
        let events: Vec<&Truth> = truth.iter().copied().filter(|event| Group::of(event.class) == group).collect();
        if events.is_empty() {
            continue;
        }
        let of_group = || alerts.iter().copied().filter(|alert| Group::of(alert.properties.class) == group);
        let all: Vec<&AlertFeature> = of_group().filter(|alert| counts(alert)).collect();
        let mut is_found = vec![false; all.len()];
        for (a, _) in matching::pairs(group, &all, &events, options.by) {
            is_found[a] = true;
        }
        let scored = |(&alert, &is_found): (&&AlertFeature, &bool)| is_found || !is_outside(alert, span);
        let counted: Vec<&AlertFeature> =
            all.iter().zip(&is_found).filter(|pair| scored(*pair)).map(|(&alert, _)| alert).collect();
        outside += all.len() - counted.len();
        let found = matching::pairs(group, &counted, &events, options.by);
        let tally = Tally {
            events: events.len(),
            alerts: counted.len(),
            found: found.len(),
            class_right: found.iter().filter(|&&(a, e)| counted[a].properties.class == events[e].class).count(),
        };
        overall.add(tally);
        groups.push(GroupScore { group, tally, precision: tally.precision(), recall: tally.recall(), f1: tally.f1() });
        let (mut right, mut taken) = (vec![false; counted.len()], vec![false; events.len()]);
        for &(a, e) in &found {
            (right[a], taken[e]) = (true, true);
            pairs.push((counted[a], events[e]));
        }
        stated.extend(counted.iter().zip(&right).map(|(alert, &right)| (alert.properties.probability, right, false)));
        false_alarms.extend(counted.iter().zip(&right).filter(|(_, r)| !**r).map(|(a, _)| a.properties.alert.clone()));
        missed.extend(events.iter().zip(&taken).filter(|(_, t)| !**t).map(|(event, _)| event.event.clone()));
        // What does not count may still be right about an event that nothing else found.
        let free: Vec<&Truth> = events.iter().zip(&taken).filter(|(_, t)| !**t).map(|(event, _)| *event).collect();
        let doubtful: Vec<&AlertFeature> = of_group().filter(|alert| !counts(alert)).collect();
        let mut right = vec![false; doubtful.len()];
        for (a, _) in matching::pairs(group, &doubtful, &free, options.by) {
            right[a] = true;
        }
        let known = doubtful.iter().zip(&right).filter(|(alert, right)| **right || !is_outside(alert, span));
        stated.extend(known.map(|(alert, &right)| {
            (alert.properties.probability, right, alert.properties.status == Status::Retracted)
        }));
    }
    missed.sort();
    false_alarms.sort();
    let calibration = |all: bool| {
        let kept = stated.iter().filter(|&&(_, _, retracted)| all || !retracted);
        Calibration::of(&kept.map(|&(p, right, _)| (p, right)).collect::<Vec<_>>())
    };
    let fire: Vec<(&AlertFeature, &Truth)> = pairs.into_iter().filter(|(_, event)| event.class.is_fire()).collect();
    let (over_bound, bounds) = errors::over_bound(&fire, options.sensors.as_ref());
    Score {
        by: options.by,
        overall,
        precision: overall.precision(),
        recall: overall.recall(),
        f1: overall.f1(),
        groups,
        place_error_m: Errors::of(fire.iter().map(|(alert, event)| errors::distance_m(alert, event)).collect()),
        time_error_s: Errors::of(fire.iter().map(|(alert, event)| errors::time_s(alert, event).abs()).collect()),
        over_bound,
        bounds,
        ellipses: Coverage::of(&fire),
        calibration: calibration(true),
        standing_calibration: calibration(false),
        missed,
        false_alarms,
        outside,
    }
}

#[cfg(test)]
mod tests;
