//! Which lines had a bearing on an alert.
//!
//! An alert rests on the lines that it cites, and hangs on others: on what nodes near by heard besides or did not hear, on
//! their clocks and the weather, on what had been learnt of them, on the history of a vessel. How far that goes cannot be
//! told beforehand. So it is found by trial: of a few selections, each wider than the last, the first is taken from which
//! the alert comes out the same; the widest is all that was read.

use super::EvidenceError;
use super::course::{Course, History, Line, Look, Step};
use super::recompute::{Compared, Setting, Start, bytes, revisions};
use crate::model::alert::AlertFeature;
use crate::model::geo::LonLat;
use crate::model::time::{NS_PER_S, ns_from_s};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A node so many ranges away shares no region and no event with the alert: regions measure about eight.
const NEAR_RANGES: f64 = 12.0;
/// The range of a node that tells none, metres.
const DEFAULT_RANGE_M: f64 = 12_000.0;
/// Before the first cited line: what has been learnt is taken from then or before, so that no event of that time is
/// half in it.
const SETTLED_S: f64 = 300.0;
/// Statuses of so long before that tell of weather and clocks; twice as long as the engine heeds them.
const WEATHER_S: f64 = 3600.0;
/// Lines of so long after the last word was said: fewer nodes may bring event time on later.
const TAIL_S: f64 = 60.0;

/// How wide a selection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Nodes near by, from some minutes before and with the weather of an hour.
    Near,
    /// All nodes, for as long.
    Hour,
    /// All nodes, six hours more.
    SixHours,
    /// All that was read.
    Everything,
}

impl Scope {
    /// Those that may be enough.
    const NARROW: [Scope; 3] = [Scope::Near, Scope::Hour, Scope::SixHours];

    /// What it holds, for people.
    pub fn text(self) -> &'static str {
        match self {
            Scope::Near => "lines of nodes near by, from an hour before",
            Scope::Hour => "all lines from an hour before",
            Scope::SixHours => "all lines from seven hours before",
            Scope::Everything => "all lines from the beginning",
        }
    }
}

/// The lines that an alert is worked out from, and what was known before the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// The topics, as partitions count them.
    pub topics: Vec<String>,
    /// What was known before.
    pub start: Start,
    /// Lines in the order in which they are taken in, and whether the alert cites them.
    pub steps: Vec<(Step, bool)>,
}

impl Context {
    /// Lines, and those of them that are cited.
    pub fn counts(&self) -> (usize, usize) {
        let is_line = |step: &&(Step, bool)| matches!(step.0, Step::Line(_));
        (self.steps.iter().filter(is_line).count(), self.steps.iter().filter(|(_, cited)| *cited).count())
    }
}

/// What was found of an alert.
pub struct Found {
    /// The selection.
    pub context: Context,
    /// How wide it is.
    pub scope: Scope,
    /// What of the alert was compared.
    pub compared: Compared,
    /// Whether that comes out the same.
    pub is_same: bool,
}

/// The least selection from which `alert` comes out the same; else the widest.
///
/// # Errors
/// What was learnt is of a later version.
pub fn find(course: &Course, alert: &AlertFeature, setting: &Setting, start: &Start) -> Result<Found, EvidenceError> {
    let id = &alert.properties.alert;
    let until = course.said.get(id).map_or(course.steps.len(), |it: &History| it.steps);
    let cited = cited_lines(alert);
    let first_ns = first_ns(course, alert, &cited);
    let select = |scope| select(course, alert, scope, start, (first_ns, until), &cited);
    let everything = select(Scope::Everything);
    let is_reviewed = alert.properties.review.is_some() || alert.properties.panel.is_some();
    let ways: &[Compared] = if is_reviewed { &[Compared::All, Compared::ButDecisions] } else { &[Compared::All] };
    for &compared in ways {
        let mut tried = 0;
        for scope in Scope::NARROW {
            let context = select(scope);
            // In a short stream one goes no further back than another.
            if matches!(context.start, Start::Midway(_)) && context.steps.len() > tried {
                tried = context.steps.len();
                if comes_out(alert, setting, &context, compared)? {
                    return Ok(Found { context, scope, compared, is_same: true });
                }
            }
        }
        if comes_out(alert, setting, &everything, compared)? {
            return Ok(Found { context: everything, scope: Scope::Everything, compared, is_same: true });
        }
    }
    Ok(Found { context: everything, scope: Scope::Everything, compared: Compared::All, is_same: false })
}

/// Whether one of the revisions that come of these lines is the alert, byte for byte.
fn comes_out(
    alert: &AlertFeature,
    setting: &Setting,
    context: &Context,
    compared: Compared,
) -> Result<bool, EvidenceError> {
    let expected = bytes(alert, compared)?;
    for revision in revisions(&alert.properties.alert, setting, context)? {
        if bytes(&revision, compared)? == expected {
            return Ok(true);
        }
    }
    Ok(false)
}

type Cited<'a> = BTreeSet<(&'a str, i32, i64, u32)>;

fn cited_lines(alert: &AlertFeature) -> Cited<'_> {
    alert.properties.evidence.iter().map(|it| (it.topic.as_str(), it.partition, it.offset, it.line)).collect()
}

fn is_cited(course: &Course, line: &Line, cited: &Cited<'_>) -> bool {
    let topic = course.topics.get(usize::from(line.partition.0)).map_or("", String::as_str);
    cited.contains(&(topic, line.partition.1, line.offset, line.line))
}

/// The earliest that the alert tells of, nanoseconds.
fn first_ns(course: &Course, alert: &AlertFeature, cited: &Cited<'_>) -> i64 {
    let lines = course.steps.iter().filter_map(|step| match step {
        Step::Line(line) if is_cited(course, line, cited) => line.time_ns,
        _ => None,
    });
    let told = [Some(alert.properties.time), alert.properties.from].into_iter().flatten().map(|time| time.0);
    lines.chain(told).min().unwrap_or(i64::MIN)
}

/// A selection.
fn select(
    course: &Course,
    alert: &AlertFeature,
    scope: Scope,
    start: &Start,
    (first_ns, until): (i64, usize),
    cited: &Cited<'_>,
) -> Context {
    let before_s = match scope {
        Scope::Near | Scope::Hour => SETTLED_S,
        Scope::SixHours => SETTLED_S + 6.0 * 3600.0,
        Scope::Everything => f64::INFINITY,
    };
    let look = course
        .looks
        .iter()
        .rev()
        .find(|look| before_s.is_finite() && look.stream_ns <= first_ns.saturating_sub(ns_from_s(before_s)));
    let (start, from_step, from_ns) = match look {
        Some(look) => (Start::Midway(look.learnt.clone()), look.steps, needed_from_ns(look)),
        // So early that the beginning is within it.
        None => (start.clone(), 0, i64::MIN),
    };
    let reach_m = (scope == Scope::Near).then(|| NEAR_RANGES * range_m(course, alert));
    let near = |place: Option<LonLat>| match (reach_m, place) {
        (Some(reach_m), Some(place)) => place.distance_m(alert.place()) <= reach_m,
        _ => true,
    };
    let end_ns = last_ns(&course.steps[..until]).saturating_add(ns_from_s(TAIL_S));
    let mut steps = Vec::new();
    for (number, step) in course.steps.iter().enumerate() {
        match step {
            Step::Ended(_) => steps.push((step.clone(), false)),
            Step::Line(line) => {
                let is_cited = is_cited(course, line, cited);
                let time_ns = line.time_ns.unwrap_or(i64::MAX);
                let is_after = number >= from_step || time_ns >= from_ns;
                let is_before = number < until || line.time_ns.is_some_and(|time_ns| time_ns <= end_ns);
                if is_cited || (is_after && is_before && near(line.place)) {
                    steps.push((step.clone(), is_cited));
                }
            }
        }
    }
    Context { topics: course.topics.clone(), start, steps }
}

fn needed_from_ns(look: &Look) -> i64 {
    look.low_water_ns.min(look.stream_ns).saturating_sub(ns_from_s(WEATHER_S))
}

/// The newest time of these steps, nanoseconds, but for lines far ahead of all others.
fn last_ns(steps: &[Step]) -> i64 {
    const LAST: usize = 2048;
    let mut times: Vec<i64> = steps
        .iter()
        .rev()
        .filter_map(|step| match step {
            Step::Line(line) => line.time_ns,
            Step::Ended(_) => None,
        })
        .take(LAST)
        .collect();
    times.sort_unstable();
    times.get(times.len() * 9 / 10).copied().unwrap_or(i64::MAX - 3600 * NS_PER_S)
}

/// The longest range of the nodes that the alert cites or names silent, metres.
fn range_m(course: &Course, alert: &AlertFeature) -> f64 {
    let named = alert.properties.evidence.iter().map(|it| &it.node).chain(&alert.properties.silent);
    let ranges = named.filter_map(|name| course.registry.node(course.registry.find(name)?).range_m);
    ranges.fold(DEFAULT_RANGE_M, f64::max)
}
