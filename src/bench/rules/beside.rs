//! How well what lies beside fire is told: protected sites near by, lines of contact between the ends.
//!
//! Of the rounds that were found (60% of the evidence in common), each with each area that the alert or the truth has. A chance of 0.5 or
//! more says that it is so.

use super::super::associate::Stream;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, AreaChance};
use crate::score::standing;
use crate::simulate::{Options, Scenario, Truth, simulate};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// From this share of evidence in common on an alert is an event's.
const IN_COMMON: f64 = 0.6;

/// A line of the table: pooled over seeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Beside {
    /// What.
    pub name: &'static str,
    /// Rounds that were found and are so.
    pub events: usize,
    /// Those found of which the truth could be told, and that are said to be so.
    pub said: usize,
    /// Both.
    pub found: usize,
    /// The sum of the chances stated.
    pub stated: f64,
    /// How many of those of which one was stated are so.
    pub borne_out: usize,
}

impl Beside {
    /// Share of what is said that is so; 1 where nothing is said.
    pub fn precision(&self) -> f64 {
        if self.said == 0 { 1.0 } else { self.found as f64 / self.said as f64 }
    }

    /// Share of what is so that is said; 1 where nothing is.
    pub fn recall(&self) -> f64 {
        if self.events == 0 { 1.0 } else { self.found as f64 / self.events as f64 }
    }

    fn add(&mut self, said: &[AreaChance], truth: &[String]) {
        let areas: BTreeSet<&str> =
            said.iter().map(|it| it.area.as_str()).chain(truth.iter().map(String::as_str)).collect();
        for area in areas {
            let is_so = truth.iter().any(|it| it == area);
            let chance = said.iter().find(|it| it.area == area).map(|it| it.probability);
            let is_said = chance.is_some_and(|probability| probability >= 0.5);
            self.events += usize::from(is_so);
            self.said += usize::from(is_said);
            self.found += usize::from(is_so && is_said);
            self.stated += chance.unwrap_or(0.0);
            self.borne_out += usize::from(chance.is_some() && is_so);
        }
    }
}

/// Sites and lines, on an hour of fire seen by all senses for each seed.
pub fn beside(seeds: &[u64], settings: &Settings, each: &mut dyn FnMut(u64, u64)) -> [Beside; 2] {
    let mut rows =
        ["fire near protected sites", "fire across the line"].map(|name| Beside { name, ..Beside::default() });
    for (done, &seed) in (1..).zip(seeds) {
        let stream = Stream::decode(simulate(Scenario::Fused, seed, &Options::default()));
        let alerts = stream.pass(settings).alerts;
        add_scene(&mut rows, &standing(&alerts), &stream.truth);
        each(done, seeds.len() as u64);
    }
    rows
}

fn add_scene([sites, lines]: &mut [Beside; 2], alerts: &[&AlertFeature], truth: &[Truth]) {
    let mut event_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, event) in truth.iter().enumerate().filter(|(_, event)| event.class.is_fire()) {
        event_of.extend(event.evidence.iter().map(|id| (id.as_str(), at)));
    }
    for alert in alerts.iter().map(|it| &it.properties).filter(|it| it.class.is_fire()) {
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        for it in &alert.evidence {
            if let Some(&at) = event_of.get(it.id.as_str()) {
                *shared.entry(at).or_default() += 1;
            }
        }
        let Some((&at, &count)) = shared.iter().max_by_key(|&(&at, &count)| (count, usize::MAX - at)) else { continue };
        let event = &truth[at];
        if (count as f64) < IN_COMMON * alert.evidence.len().max(event.evidence.len()) as f64 {
            continue;
        }
        sites.add(&alert.near, &event.near);
        // Where one end alone is known nothing can be said.
        if alert.direction_of_fire_deg.is_some() {
            lines.add(&alert.crosses, &event.crosses);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_held_against_what_is_so() {
        let mut row = Beside::default();
        let said = |area: &str, probability| AreaChance { area: area.to_owned(), probability };
        row.add(&[said("a", 0.9), said("b", 0.2)], &["a".to_owned(), "c".to_owned()]);
        row.add(&[said("b", 0.7)], &[]);
        assert_eq!((row.events, row.said, row.found, row.borne_out), (2, 2, 1, 1));
        assert!((row.stated - 1.8).abs() < 1e-12);
        assert_eq!((row.precision(), row.recall()), (0.5, 0.5));
    }
}
