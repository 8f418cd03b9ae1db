//! A stretch of time in which something was silent, or raised an alarm.

use super::World;
use super::lane::{Episode, Extent};
use crate::engine::book::{Cited, Claim};
use crate::model::alert::{Class, Sign};
use crate::model::area::Prohibition;
use crate::model::geo::LonLat;
use serde::{Deserialize, Serialize};

/// From one observation to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spell {
    /// The claim's key.
    pub key: String,
    /// What it is.
    pub class: Class,
    /// What tells of it, where the class does not say.
    #[serde(default)]
    pub sign: Option<Sign>,
    /// What it breaches where an area prohibits any of these.
    #[serde(default)]
    pub prohibitions: Vec<Prohibition>,
    /// Where it began.
    pub place: LonLat,
    /// Areas that are breached by it, whatever contains the place.
    pub areas: Vec<String>,
    /// The chance that it is what it seems.
    pub probability: f64,
    /// With what it began: of a silence, the last that was heard.
    pub first: Cited,
    /// The newest observation that bears it out.
    pub last: Cited,
    /// How many there are.
    pub seen: u64,
    /// With what it ended; `None` while it lasts.
    pub end: Option<Cited>,
    /// Of a silence: how long it must be to count, nanoseconds.
    pub patience_ns: i64,
}

impl Spell {
    /// The spell that begins with this observation.
    pub fn from(key: String, class: Class, place: LonLat, probability: f64, first: Cited) -> Spell {
        Spell {
            key,
            class,
            sign: None,
            prohibitions: Vec::new(),
            place,
            areas: Vec::new(),
            probability,
            first,
            last: first,
            seen: 1,
            end: None,
            patience_ns: 0,
        }
    }

    /// Goes through all observations in it.
    pub fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        [&mut self.first, &mut self.last].into_iter().chain(&mut self.end).for_each(tell);
    }

    /// Ended by this observation.
    pub fn ended_by(mut self, cited: Cited) -> Spell {
        self.end = Some(cited);
        self
    }

    /// A silence that proves to have ended with this observation; `None` if it is too short to count.
    pub fn ended_late_by(self, cited: Cited) -> Option<Spell> {
        let ended = self.ended_by(cited);
        ended.counts_from(&ended.first).then_some(ended)
    }

    /// Whether a silence lasts long enough to count from this observation to its end.
    pub fn counts_from(&self, cited: &Cited) -> bool {
        self.end.is_some_and(|end| end.time_ns.saturating_sub(cited.time_ns) >= self.patience_ns)
    }

    /// Whether it has ended and spans that time, its ends left out.
    pub fn spanned(&self, time_ns: i64) -> bool {
        self.first.time_ns < time_ns && self.end.is_some_and(|end| time_ns < end.time_ns)
    }
}

/// Takes out of the silences that are past the one that this observation belies, and gives back its two parts: until
/// then, if that is long enough to count, and from then on, likewise.
pub fn belie(past: &mut Vec<Spell>, heard: Cited) -> Option<(Spell, Option<Spell>, Option<Spell>)> {
    let at = past.iter().position(|spell| spell.spanned(heard.time_ns))?;
    let whole = past.remove(at);
    let until = Spell { end: Some(heard), ..whole.clone() };
    let since = Spell { first: heard, last: heard, ..whole.clone() };
    let until = until.counts_from(&until.first).then_some(until);
    let since = since.counts_from(&since.first).then_some(since);
    Some((whole, until, since))
}

impl Episode for Spell {
    fn key(&self) -> &str {
        &self.key
    }

    fn extent(&self) -> Extent {
        let to_ns = self.end.map(|cited| cited.time_ns);
        Extent { seen: self.seen, newest_ns: self.last.time_ns, from_ns: self.first.time_ns, to_ns }
    }

    fn claim(&self, _world: World<'_>) -> Claim {
        let mut claim = Claim::new(self.key.clone(), self.class, self.place, self.first.time_ns);
        claim.sign = self.sign;
        claim.prohibitions.clone_from(&self.prohibitions);
        claim.time_sd_s = self.first.kind.default_time_sd_s();
        claim.from_ns = Some(self.first.time_ns);
        claim.to_ns = self.end.map(|cited| cited.time_ns);
        claim.probability = self.probability;
        claim.evidence = [self.first, self.last].into_iter().chain(self.end).collect();
        claim.areas = self.areas.clone();
        claim
    }
}
