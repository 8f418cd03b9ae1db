//! What the present is compared with: who counts, and how much they found.
//!
//! There are two at a time. One is compared with; the other is learnt meanwhile by those that are up now. After `memory_h` it
//! takes the place of the first, and a new one begins: so a node that is new counts one to two of these later, when
//! as much has been learnt with it as without. The very first takes its place after `least_history_h`.

use super::Sign;
use super::core::{Asked, Core, CoreRecord, ENOUGH_UP};
use super::incidents::{Round, incidents};
use super::other::OTHERS;
use super::sectors::Sectors;
use super::usual::{Rate, Terms};
use crate::engine::places::Places;
use crate::model::escalation::Modality;
use crate::model::geo::LonLat;
use crate::model::node::Registry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is usual in a sector; the theatre's is of what lies in none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// Incidents of fire.
    pub fire: Rate,
    /// What other ways of seeing tell.
    pub others: [Rate; OTHERS.len()],
}

/// What those who count found in a bin.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Places of incidents.
    pub incidents: Vec<LonLat>,
    /// How many, by sectors.
    pub fire: Vec<f64>,
    /// Of other ways of seeing.
    pub others: Vec<[u32; OTHERS.len()]>,
}

/// One of the two.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reference {
    /// Who counts.
    pub core: Core,
    /// What is usual, by sectors, the theatre last.
    pub usual: Vec<Usual>,
    /// How many bins old it is.
    pub bins: u32,
}

/// As it is written down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReferenceRecord {
    core: CoreRecord,
    usual: Vec<(String, Usual)>,
    bins: u32,
}

impl Reference {
    /// Begins with those that are up.
    pub fn begin(asked: Asked<'_>) -> Reference {
        Reference { core: Core::begin(asked), usual: vec![Usual::default(); asked.storms.len()], bins: 0 }
    }

    /// What those who count found; `min_arrivals` of them have to have heard an event of fire, or one to have seen it.
    pub fn find(&self, signs: &[Sign], min_arrivals: usize, sectors: &Sectors, places: &Places) -> Found {
        let is_found = |sign: &Sign| {
            let heard = sign.arrivals.iter().filter(|&&node| self.core.has(node)).count();
            let enough = min_arrivals.min(sign.arrivals.len()).max(1);
            heard >= enough || sign.seers.iter().any(|&node| self.core.has(node))
        };
        let mut found = Found {
            fire: vec![0.0; sectors.count()],
            others: vec![[0; OTHERS.len()]; sectors.count()],
            ..Found::default()
        };
        let mut rounds = Vec::new();
        for sign in signs.iter().filter(|sign| is_found(sign)) {
            if sign.modality == Modality::Fire {
                rounds.push(Round { time_ns: sign.time_ns, place: sign.place });
            } else if let Some(which) = OTHERS.iter().position(|&other| other == sign.modality) {
                found.others[sectors.at(sign.place, places)][which] += 1;
            }
        }
        found.incidents = incidents(&rounds);
        for &place in &found.incidents {
            found.fire[sectors.at(place, places)] += 1.0;
        }
        found
    }

    /// Whether a sector can be told of: enough of those who count are up.
    pub fn is_heard(&self, sector: usize) -> bool {
        self.core.share_up(sector) >= ENOUGH_UP
    }

    /// Adds a bin, of sectors without a storm that are heard.
    pub fn learn(&mut self, found: &Found, calm: &[bool], doubted: &[bool], factor: f64, terms: Terms) {
        self.bins += 1;
        let heard: Vec<bool> = (0..calm.len()).map(|at| calm[at] && self.is_heard(at)).collect();
        for (at, usual) in self.usual.iter_mut().enumerate().filter(|&(at, _)| heard[at]) {
            usual.fire.learn(found.fire[at], factor, doubted[at], terms);
            for (rate, &count) in usual.others.iter_mut().zip(&found.others[at]) {
                rate.learn(f64::from(count), 1.0, doubted[at], terms);
            }
        }
    }

    /// Sectors have changed from those names to these.
    pub fn lay_out(&mut self, before: &[String], names: &[String], homes: &[usize]) {
        let mut known: BTreeMap<&String, Usual> = before.iter().zip(self.usual.drain(..)).collect();
        self.usual = names.iter().map(|name| known.remove(name).unwrap_or_default()).collect();
        self.core.lay_out(homes, names.len());
    }

    /// As it is written down.
    pub fn record(&self, names: &[String], registry: &Registry) -> ReferenceRecord {
        ReferenceRecord {
            core: self.core.record(registry),
            usual: names.iter().cloned().zip(self.usual.iter().cloned()).collect(),
            bins: self.bins,
        }
    }

    /// As it was written down.
    pub fn restore(record: ReferenceRecord, names: &[String], registry: &Registry, homes: &[usize]) -> Reference {
        let mut usual: BTreeMap<String, Usual> = record.usual.into_iter().collect();
        Reference {
            core: Core::restore(&record.core, registry, homes, names.len()),
            usual: names.iter().map(|name| usual.remove(name).unwrap_or_default()).collect(),
            bins: record.bins,
        }
    }
}
