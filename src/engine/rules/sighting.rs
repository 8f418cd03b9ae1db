//! What a node has seen or suffered of interference, as far as one rule tells another of it.
//!
//! Nodes report interference themselves; others only suffer from it: their clock loses its reference, they believe to be
//! elsewhere, they fall silent. And receivers locate what sends. The rules that find that out hand it on when it has settled.

use super::lane::Seen;
use super::spell::Spell;
use crate::engine::book::Cited;
use crate::model::geo::{LonLat, Symmetric};
use crate::model::kind::Band;
use crate::model::node::NodeIx;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// One of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sighting {
    /// The observation. Its time is when it counts: `since_ns` after the observation's own.
    cited: Cited,
    since_ns: i64,
    /// What is disturbed.
    pub band: Band,
    /// Where the node was; of an emission where that left.
    pub place: LonLat,
    /// What it is.
    pub what: What,
}

/// Sightings that others are to hear of, each once.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outbox {
    sightings: Vec<Sighting>,
    /// Of each node that others have heard of: up to when, nanoseconds. What a rule remembers beyond a restart is heard of again, for those who
    /// hear may not remember.
    #[serde(serialize_with = "crate::engine::in_order::map")]
    heard_to_ns: FxHashMap<NodeIx, i64>,
}

impl Outbox {
    /// Puts it in, if others have not heard of one of that node and that time.
    pub fn put(&mut self, sighting: Sighting) {
        let Cited { node, time_ns, .. } = sighting.cited;
        let heard_to_ns = self.heard_to_ns.entry(node).or_insert(i64::MIN);
        if time_ns > *heard_to_ns {
            *heard_to_ns = time_ns;
            self.sightings.push(sighting);
        }
    }

    /// What was put in since the last call.
    pub fn take(&mut self) -> Vec<Sighting> {
        std::mem::take(&mut self.sightings)
    }
}

/// What was seen or suffered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum What {
    /// The node says that it is disturbed.
    Report {
        /// Towards the source and one sigma of that, degrees.
        azimuth: Option<(f64, f64)>,
        /// How strong it is there.
        power_dbm: Option<f64>,
    },
    /// Its clock or its position jumps.
    Jump,
    /// It is silent.
    Loss,
    /// An emitter was located in the band.
    Emission(Box<Emission>),
}

/// An emission that was located.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Emission {
    /// East and north.
    pub covariance_m2: Symmetric,
    /// The chance that it was one.
    pub probability: f64,
    /// Its arrivals, of which the first is the observation.
    pub arrivals: Vec<Cited>,
}

impl Sighting {
    /// What counts from its own time on.
    pub fn new(cited: Cited, band: Band, place: LonLat, what: What) -> Sighting {
        Sighting { cited, since_ns: 0, band, place, what }
    }

    /// The same, known so many nanoseconds after the observation's own time, and no sooner.
    pub fn known_after(mut self, since_ns: i64) -> Sighting {
        self.cited.time_ns = self.cited.time_ns.saturating_add(since_ns);
        Sighting { since_ns: self.since_ns.saturating_add(since_ns), ..self }
    }

    /// Of a silence: the node has no link from the last heartbeat on, and that is known as soon as the silence counts.
    pub fn of_silence(silence: &Spell) -> Sighting {
        Sighting::new(silence.first, Band::Link, silence.place, What::Loss).known_after(silence.patience_ns)
    }

    /// Whether a node says so itself.
    pub fn is_report(&self) -> bool {
        matches!(self.what, What::Report { .. })
    }

    /// The emission, if it is one.
    pub fn emission(&self) -> Option<&Emission> {
        match &self.what {
            What::Emission(emission) => Some(emission),
            _ => None,
        }
    }

    /// The observation as it is evidence, of its own time.
    pub fn evidence(&self) -> Cited {
        Cited { time_ns: self.cited.time_ns.saturating_sub(self.since_ns), ..self.cited }
    }

    /// Goes through all observations in it.
    pub fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        tell(&mut self.cited);
        if let What::Emission(emission) = &mut self.what {
            emission.arrivals.iter_mut().for_each(tell);
        }
    }
}

impl Seen for Sighting {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}
