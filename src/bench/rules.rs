//! How well rules find what they are there for: each on its own part of a simulated scene, against the truth.
//!
//! An alert is an event when they are of one class and sign, name an area in common or none, and overlap in time; the
//! most overlap first, one to one. What stands and is *possible* or better counts.

mod beside;
mod speed;

pub use beside::{Beside, beside};
pub use speed::{AREAS, CORNERS, OBJECTS, Speed, speed};

use super::associate::Stream;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, Class, Sign};
use crate::model::geo::LonLat;
use crate::model::time::{Timestamp, s_from_ns};
use crate::score::standing;
use crate::simulate::{Options, Scenario, Truth, simulate};
use serde::Serialize;

/// One rule, and what is aimed at.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name in the table.
    pub name: &'static str,
    /// The classes and the sign it says.
    classes: &'static [Class],
    sign: Option<Sign>,
    scenario: Scenario,
    /// How many times as many objects as the scenario has.
    rate: f64,
    /// Least precision and recall.
    least: (f64, f64),
    /// Whether all have to be judged rightly: what is placed to some hundred metres near a border can't be.
    judges: bool,
    /// Most false alerts a day.
    most_false_a_day: Option<f64>,
}

const fn rule(name: &'static str, classes: &'static [Class], sign: Option<Sign>, scenario: Scenario) -> Rule {
    Rule { name, classes, sign, scenario, rate: 1.0, least: (0.99, 0.99), judges: true, most_false_a_day: None }
}

/// Begin and end are right when they are told to within so many intervals between plots.
const WITHIN_PLOTS: f64 = 2.0;

/// Ships of `tracks`.
const SHIPS: f64 = 25.0;

/// All rules that have a scenario.
pub const RULES: [Rule; 13] = [
    rule("ground incursions", &[Class::IncursionGround, Class::IncursionWeapons], None, Scenario::Tracks),
    rule("air incursions", &[Class::AirIncursion], None, Scenario::Tracks),
    rule("sea incursions", &[Class::SeaIncursion], None, Scenario::Tracks),
    Rule {
        rate: 500.0 / SHIPS,
        least: (0.0, 0.95),
        most_false_a_day: Some(1.0),
        ..rule("dark ships (500 ships)", &[Class::SeaDark], None, Scenario::Tracks)
    },
    rule("passages under notices", &[Class::SeaIncursion], None, Scenario::Rules),
    rule("flights under a ceiling", &[Class::AirIncursion], None, Scenario::Rules),
    Rule { judges: false, ..rule("jamming", &[Class::Interference], Some(Sign::Jamming), Scenario::Rules) },
    rule("emitters by time difference", &[Class::Interference], Some(Sign::Emitter), Scenario::Rules),
    rule("identities: twins", &[Class::Interference], Some(Sign::Twin), Scenario::Rules),
    rule("identities: jumps", &[Class::Interference], Some(Sign::Jump), Scenario::Rules),
    rule("loitering by night", &[Class::SeaIncursion], Some(Sign::Loitering), Scenario::Rules),
    rule("clusters of silence", &[Class::SensorSilent], Some(Sign::Cluster), Scenario::Rules),
    rule(
        "restrictions that repeat",
        &[Class::RestrictionDenied, Class::RestrictionDelayed, Class::RestrictionConditional],
        Some(Sign::Repeated),
        Scenario::Rules,
    ),
];

/// The rule that finds weapons by what they fire.
pub const WEAPONS: Rule = rule("weapons that fire", &[Class::IncursionWeapons], None, Scenario::Rules);

/// A line of the table: pooled over seeds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// The rule.
    pub rule: &'static str,
    /// Events in the truth.
    pub events: usize,
    /// Alerts that count.
    pub alerts: usize,
    /// Pairs of the two.
    pub found: usize,
    /// Events that more than one alert is about.
    pub split: usize,
    /// Of those found: whether it is a violation was said rightly.
    pub judged_right: usize,
    /// Of those found that began and ended: how many.
    pub ended: usize,
    /// Of those: begin and end were told to within two intervals between plots.
    pub timed: usize,
    /// The greatest error of either, in intervals between plots.
    pub most_error_plots: f64,
    /// Of jamming, emitters and clusters: distances from the truth, metres, in order.
    pub place_error_m: Vec<f64>,
    /// Hours of event time.
    pub hours: f64,
}

impl Row {
    /// Share of the alerts that are right; 1 without alerts.
    pub fn precision(&self) -> f64 {
        if self.alerts == 0 { 1.0 } else { self.found as f64 / self.alerts as f64 }
    }

    /// Share of the events that were found; 1 without events.
    pub fn recall(&self) -> f64 {
        if self.events == 0 { 1.0 } else { self.found as f64 / self.events as f64 }
    }

    /// False alerts a day.
    pub fn false_a_day(&self) -> f64 {
        (self.alerts - self.found) as f64 * 24.0 / self.hours.max(1e-9)
    }

    /// Half of the places are nearer than that, metres.
    pub fn median_m(&self) -> Option<f64> {
        self.place_error_m.get(self.place_error_m.len() / 2).copied()
    }

    fn add(&mut self, scene: Row) {
        self.events += scene.events;
        self.alerts += scene.alerts;
        self.found += scene.found;
        self.split += scene.split;
        self.judged_right += scene.judged_right;
        self.ended += scene.ended;
        self.timed += scene.timed;
        self.most_error_plots = self.most_error_plots.max(scene.most_error_plots);
        self.place_error_m.extend(scene.place_error_m);
        self.place_error_m.sort_by(f64::total_cmp);
        self.hours += scene.hours;
    }
}

impl Rule {
    /// Whether the figures are what they should be.
    pub fn is_met(&self, row: &Row) -> bool {
        row.precision() >= self.least.0
            && row.recall() >= self.least.1
            && self.most_false_a_day.is_none_or(|most| row.false_a_day() <= most)
            && (!self.judges || row.judged_right == row.found)
            && row.split == 0
    }
}

/// Runs the scenes of these seeds and scores all rules; `each` is told how many scenes are done, and of how many.
pub fn score(seeds: &[u64], settings: &Settings, each: &mut dyn FnMut(u64, u64)) -> Vec<(Rule, Row)> {
    let rules: Vec<Rule> = RULES.into_iter().chain([WEAPONS]).collect();
    let mut scenes: Vec<(Scenario, f64)> = Vec::new();
    for rule in &rules {
        if !scenes.contains(&(rule.scenario, rule.rate)) {
            scenes.push((rule.scenario, rule.rate));
        }
    }
    // Fire takes most of the time and has a table of its own.
    let mut settings = settings.clone();
    settings.fire.on = false;
    let mut rows: Vec<Row> = rules.iter().map(|rule| Row { rule: rule.name, ..Row::default() }).collect();
    let (mut done, all) = (0, (seeds.len() * scenes.len()) as u64);
    for &seed in seeds {
        for &(scenario, rate) in &scenes {
            let stream = Stream::decode(simulate(scenario, seed, &Options { rate, ..Options::default() }));
            let alerts = stream.pass(&settings).alerts;
            let alerts = standing(&alerts);
            for (rule, row) in rules.iter().zip(&mut rows) {
                if (rule.scenario, rule.rate) == (scenario, rate) {
                    row.add(of_scene(rule, &alerts, &stream.truth, stream.hours));
                }
            }
            done += 1;
            each(done, all);
        }
    }
    rules.into_iter().zip(rows).collect()
}

fn of_scene(rule: &Rule, alerts: &[&AlertFeature], truth: &[Truth], hours: f64) -> Row {
    let is_of = |class: Class, sign: Option<Sign>| rule.classes.contains(&class) && rule.sign == sign;
    let alerts: Vec<&AlertFeature> =
        alerts.iter().copied().filter(|it| is_of(it.properties.class, it.properties.sign)).collect();
    let truth: Vec<&Truth> = truth.iter().filter(|event| is_of(event.class, event.sign)).collect();
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (e, event) in truth.iter().enumerate() {
        pairs.extend(alerts.iter().enumerate().filter_map(|(a, alert)| Some((agreement(alert, event)?, e, a))));
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut row = Row { rule: rule.name, events: truth.len(), alerts: alerts.len(), hours, ..Row::default() };
    row.split = (0..truth.len()).filter(|&e| pairs.iter().filter(|pair| pair.1 == e).count() > 1).count();
    let (mut of_event, mut of_alert) = (vec![false; truth.len()], vec![false; alerts.len()]);
    for (_, e, a) in pairs {
        if of_event[e] || of_alert[a] {
            continue;
        }
        (of_event[e], of_alert[a]) = (true, true);
        let (alert, event) = (&alerts[a].properties, truth[e]);
        row.found += 1;
        row.judged_right += usize::from(alert.violation == event.violation);
        if matches!(rule.sign, Some(Sign::Jamming | Sign::Cluster | Sign::Emitter)) {
            row.place_error_m.push(alerts[a].place().distance_m(LonLat { lon_deg: event.lon, lat_deg: event.lat }));
        }
        // What has not ended by the end of the scene has no length to count plots in.
        let Some(lasts_ns) = event.to.zip(event.from).map(|(to, from)| to.0 - from.0) else { continue };
        let plot_s = s_from_ns(lasts_ns) / (event.evidence.len().max(2) - 1) as f64;
        let error = |a: Option<Timestamp>, b: Option<Timestamp>| {
            a.zip(b).map_or(f64::INFINITY, |(a, b)| s_from_ns((a.0 - b.0).abs()) / plot_s.max(1e-3))
        };
        let worse_plots = error(alert.from, event.from).max(error(alert.to, event.to));
        row.ended += 1;
        row.timed += usize::from(worse_plots <= WITHIN_PLOTS);
        row.most_error_plots = row.most_error_plots.max(worse_plots);
    }
    row
}

/// How well an alert and an event agree; `None`: they are not one.
fn agreement(alert: &AlertFeature, event: &Truth) -> Option<f64> {
    let properties = &alert.properties;
    let shares_area = event.areas.iter().any(|area| properties.areas.contains(area));
    // Where a jammer is, is what is asked: an area it may be missed by.
    let same_area = event.sign.is_some() || shares_area;
    let ids: std::collections::BTreeSet<&str> = properties.evidence.iter().map(|it| it.id.as_str()).collect();
    let shared = event.evidence.iter().filter(|id| ids.contains(id.as_str())).count();
    let (from, to) = (properties.from.unwrap_or(properties.time), event.from.unwrap_or(event.time));
    let begins_apart_s = s_from_ns((from.0 - to.0).abs());
    (properties.class == event.class && same_area && shared > 0)
        .then(|| shared as f64 / ids.len().max(1) as f64 - 1e-6 * begins_apart_s)
}
