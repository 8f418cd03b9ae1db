//! What of the book outlives the process: enough of each alert to go on with it, and to say nothing twice.
//!
//! A process that takes the place of another gets what that one had said, and then sees again the observations that were
//! not done with. While it does, nothing is said ([`Book::restore`]): what is claimed is only remembered. When all that
//! the other one had seen has been seen again, what is remembered and what was said are compared
//! ([`Book::replayed`]): what differs is the next revision. What was still open and is not found again by the time event
//! time has passed it is taken back ([`Book::retract_unfound`]).

use super::{Book, Claim, Entry, MAX_OPEN_ALERTS, OtherEnd, Stage, Transmitter};
use crate::engine::places::{Places, Waypoint};
use crate::engine::settings::Settings;
use crate::engine::slow::is_slow;
use crate::model::alert::{Alert, AlertFeature, AreaChance, Status};
use crate::model::area::Prohibition;
use crate::model::kind::Kind;
use crate::model::node::{NodeIx, Registry};
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// With this the keys of fire begin.
pub const FIRE: &str = "fire/";

/// What was said of one alert, and what the book needs to go on with it. `A` is the alert, in whatever form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept<A = Arc<AlertFeature>> {
    /// The claim's key.
    pub key: String,
    /// The alert as last said.
    pub feature: A,
    /// Whether it ever was final.
    pub was_final: bool,
    /// When the attribution was decided, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributed_at: Option<Timestamp>,
    /// The revision that last changed anything but decisions and status; 0 where that is not known.
    #[serde(default)]
    pub content_revision: u32,
    /// The newest time in it, by which its age is told, nanoseconds.
    pub newest_ns: i64,
    /// When it happened, nanoseconds: the alert tells it rounded.
    pub time_ns: i64,
    /// What it would breach where an area prohibits any of these.
    pub prohibitions: Vec<Prohibition>,
    /// Areas that are breached whatever the judgement by place says.
    pub areas: Vec<String>,
    /// A breach wherever it happens.
    pub breach: bool,
    /// Where it was after it began, of what moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Waypoint>,
    /// Of fire: where it came from, or went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_end: Option<OtherEnd>,
}

impl<A> Kept<A> {
    /// The same with the alert in another form.
    pub fn with<B>(self, feature: B) -> Kept<B> {
        Kept {
            key: self.key,
            feature,
            was_final: self.was_final,
            attributed_at: self.attributed_at,
            content_revision: self.content_revision,
            newest_ns: self.newest_ns,
            time_ns: self.time_ns,
            prohibitions: self.prohibitions,
            areas: self.areas,
            breach: self.breach,
            path: self.path,
            other_end: self.other_end,
        }
    }
}

/// How far event time had settled things: what is of before that and was not found to be so, is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Fire of before that is final, nanoseconds.
    pub fire_ns: i64,
    /// What rules look at has settled up to there, nanoseconds.
    pub rules_ns: i64,
}

impl Settled {
    /// Nothing has.
    pub const NOTHING: Settled = Settled { fire_ns: i64::MIN, rules_ns: i64::MIN };

    /// As far as either.
    pub fn at_least(self, other: Settled) -> Settled {
        Settled { fire_ns: self.fire_ns.max(other.fire_ns), rules_ns: self.rules_ns.max(other.rules_ns) }
    }

    fn covers(&self, claim: &Claim) -> bool {
        if claim.key.starts_with(FIRE) { claim.time_ns < self.fire_ns } else { claim.newest_ns() < self.rules_ns }
    }
}

/// What a claim came to while nothing was said.
#[derive(Serialize, Deserialize)]
enum Recalled {
    Claimed(Box<Claim>, Stage),
    /// And the key under which it stands, if it does.
    TakenBack(Option<String>),
}

/// The book's memory of another process.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// What was claimed since, by key; `None` when all is as usual.
    recalled: Option<BTreeMap<String, Recalled>>,
    /// How far the other process had come.
    settled: Option<Settled>,
    /// Alerts that were open and that nothing has been claimed of since.
    unfound: BTreeSet<Arc<str>>,
    /// Alerts that were final when the other process ended.
    final_before: BTreeSet<Arc<str>>,
    /// What fire rests on that was final for the other process and is of a time that had not settled for it, by the node's
    /// name and the id; and the newest time of such fire, nanoseconds.
    final_evidence: BTreeSet<(String, String)>,
    final_evidence_to_ns: i64,
    /// Keys that were forgotten since they were last asked for; `None` when nobody asks.
    forgotten: Option<Vec<String>>,
}

impl Memory {
    /// Notes that an entry is no longer in the book.
    pub(super) fn forgot(&mut self, key: &str) {
        self.unfound.remove(key);
        self.final_before.remove(key);
        if let Some(forgotten) = &mut self.forgotten {
            forgotten.push(key.to_owned());
        }
    }

    /// Notes that something is claimed or taken back under that key.
    pub(super) fn found(&mut self, key: &str) {
        if !self.unfound.is_empty() {
            self.unfound.remove(key);
        }
    }
}

impl Book {
    /// Takes over what another process had said, and how far things had settled for it. Until [`Book::replayed`] nothing
    /// more is said but what decisions change. A book that knows some of it already, as that process said it, keeps what it
    /// knows.
    pub fn restore(&mut self, kept: impl IntoIterator<Item = Kept>, settled: Settled) {
        for kept in kept {
            let Kept { key, feature, was_final, attributed_at, content_revision, newest_ns, .. } = kept;
            let known = self.entries.get(key.as_str());
            if known.is_some_and(|known| known.was_final == was_final && known.feature == feature) {
                continue;
            }
            // What is open here is claimed again when something is heard of it, and taken back when it comes to nothing.
            let was_open = known.is_some_and(|known| !known.was_final && !known.retracted());
            let alert = &feature.properties;
            let claim = Claim {
                prohibitions: kept.prohibitions,
                sign: alert.sign,
                ellipse: alert.ellipse,
                from_ns: alert.from.map(|from| from.0),
                to_ns: alert.to.map(|to| to.0),
                path: kept.path,
                other_end: kept.other_end,
                follows: alert.follows.clone(),
                coverage_lost_km2: alert.coverage_lost_km2,
                emitter: alert.emitter.as_ref().map(Transmitter::from),
                probability: alert.probability,
                count: alert.count,
                areas: kept.areas,
                breach: kept.breach,
                ..Claim::new(key.clone(), alert.class, feature.place(), kept.time_ns)
            };
            let key: Arc<str> = key.into();
            self.keys_by_id.insert(alert.alert.clone(), key.clone());
            let claim = Arc::new(claim);
            let entry = Entry { claim, feature, was_final, attributed_at, content_revision, newest_ns };
            if entry.was_final {
                if key.starts_with(FIRE) && !settled.covers(&entry.claim) {
                    let evidence = entry.feature.properties.evidence.iter();
                    self.memory.final_evidence.extend(evidence.map(|it| (it.node.clone(), it.id.clone())));
                    self.memory.final_evidence_to_ns = self.memory.final_evidence_to_ns.max(entry.claim.time_ns);
                }
                self.memory.final_before.insert(key.clone());
            } else if !entry.retracted() && !was_open {
                self.memory.unfound.insert(key.clone());
            }
            if entry.was_final || entry.retracted() {
                self.memory.unfound.remove(&key);
            }
            let rank = entry.rank(&key);
            // What was known of it otherwise, from a checkpoint of before, is no more.
            if let Some(before) = self.entries.insert(key.clone(), entry).map(|before| before.rank(&key)) {
                self.by_rank.remove(&before);
            }
            self.by_rank.insert(rank);
        }
        self.judged_version = None;
        self.memory.recalled = Some(BTreeMap::new());
        self.memory.settled = Some(settled);
        self.memory.forgotten = Some(Vec::new());
    }

    /// What is kept of that key's alert; `None` when the book has none.
    pub fn kept(&self, key: &str) -> Option<Kept> {
        let entry = self.entries.get(key)?;
        Some(Kept {
            key: key.to_owned(),
            feature: entry.feature.clone(),
            was_final: entry.was_final,
            attributed_at: entry.attributed_at,
            content_revision: entry.content_revision,
            newest_ns: entry.newest_ns,
            time_ns: entry.claim.time_ns,
            prohibitions: entry.claim.prohibitions.clone(),
            areas: entry.claim.areas.clone(),
            breach: entry.claim.breach,
            path: entry.claim.path.clone(),
            other_end: entry.claim.other_end,
        })
    }

    /// Whether nothing is said, for what another process had seen is being seen again.
    pub fn is_recalling(&self) -> bool {
        self.memory.recalled.is_some()
    }

    /// The keys of alerts that were forgotten since the last call, in a book that was restored.
    pub fn take_forgotten(&mut self) -> Vec<String> {
        self.memory.forgotten.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// All that the other process had seen has been seen again: says what it had not said.
    ///
    /// What is of a time that had settled for the other process, and was not so for it, is passed over: here it was seen
    /// with part of its surroundings, for the rest was done with.
    pub fn replayed(&mut self, registry: &Registry, places: &Places, settings: &Settings) {
        let Some(recalled) = self.memory.recalled.take() else { return };
        // Areas and notices may have changed since, and what was counted is to be counted on.
        self.rejudge(registry, places, settings);
        let mut claims: Vec<(Box<Claim>, Stage)> = Vec::new();
        for (key, recalled) in recalled {
            match recalled {
                Recalled::TakenBack(successor) => self.retract_for(&key, successor.as_deref()),
                Recalled::Claimed(claim, stage) => claims.push((claim, stage)),
            }
        }
        claims.sort_by(|(a, _), (b, _)| (a.time_ns, &a.key).cmp(&(b.time_ns, &b.key)));
        for (claim, stage) in claims {
            self.say(*claim, stage, registry, places, settings);
        }
    }

    /// Takes back fire that was open when another process ended, of which nothing has been claimed since, and that is of
    /// before `time_ns`. What rules had open stands as it was told.
    pub fn retract_unfound(&mut self, time_ns: i64) {
        if self.memory.recalled.is_none() && time_ns > self.memory.final_evidence_to_ns {
            // What is of then is final here too.
            self.memory.final_evidence.clear();
        }
        if self.memory.unfound.is_empty() || self.memory.recalled.is_some() {
            return;
        }
        let is_over = |key: &&Arc<str>| {
            key.starts_with(FIRE) && self.entries.get(*key).is_some_and(|entry| entry.claim.time_ns < time_ns)
        };
        let over: Vec<Arc<str>> = self.memory.unfound.iter().filter(is_over).cloned().collect();
        for key in over {
            self.retract(&key);
        }
    }

    /// Takes back what rules had open when another process ended, that is of before `time_ns`, and that the rule whose it is does not
    /// hold any more (`is_held`): it was told before all had settled, and what has settled is told otherwise.
    pub fn retract_unheld(&mut self, time_ns: i64, is_held: impl Fn(&str) -> bool) {
        if self.memory.unfound.is_empty() || self.memory.recalled.is_some() {
            return;
        }
        let is_due = |key: &&Arc<str>| {
            !key.starts_with(FIRE) && self.entries.get(*key).is_some_and(|entry| entry.claim.time_ns < time_ns)
        };
        // Each is asked for once: what is held now is taken back by who holds it.
        for key in self.memory.unfound.iter().filter(is_due).cloned().collect::<Vec<_>>() {
            self.memory.unfound.remove(&key);
            if !is_held(&key) {
                self.retract(&key);
            }
        }
    }

    /// Whether that key's alert was final for another process when that ended.
    pub fn was_final_before(&self, key: &str) -> bool {
        self.memory.final_before.contains(key)
    }

    /// Whether another process has settled what is claimed: what was final for it stands, and what is of a time that it
    /// had done with and was not so for it is not so, for here it is seen with part of its surroundings.
    pub fn was_settled(&self, claim: &Claim, registry: &Registry) -> bool {
        let is_open = |entry: &Entry| !entry.was_final && !entry.retracted();
        self.was_final_before(&claim.key)
            || (self.is_done_with(claim, registry) && !self.entries.get(claim.key.as_str()).is_some_and(is_open))
    }

    /// Whether the claim is of a time that the other process had done with, or most of what it rests on was explained by
    /// what was final for it: a step may settle a little more than is told of it, and where two explanations are as good
    /// the other one may be found here.
    fn is_done_with(&self, claim: &Claim, registry: &Registry) -> bool {
        let Memory { settled, final_evidence, .. } = &self.memory;
        let is_explained =
            |node: NodeIx, id: &str| final_evidence.contains(&(registry.node(node).name.clone(), id.to_owned()));
        settled.is_some_and(|settled| settled.covers(claim))
            || (!final_evidence.is_empty()
                && 2 * claim.evidence.iter().filter(|cited| is_explained(cited.node, cited.id.as_str())).count()
                    > claim.evidence.len())
    }

    /// Whether a final claim is remembered under that key, while nothing is said.
    pub(super) fn recalled_final(&self, key: &str) -> bool {
        let recalled = self.memory.recalled.as_ref().and_then(|recalled| recalled.get(key));
        matches!(recalled, Some(Recalled::Claimed(_, Stage::Final)))
    }

    /// Whether the alert is worth no further revision: it was final when another process ended, and says the same but for
    /// what its numbers come to when they are worked out anew from part of what that one knew.
    pub(super) fn is_no_news(&self, key: &str, said: &AlertFeature, now: &AlertFeature) -> bool {
        self.memory.final_before.contains(key) && is_nearly(said, now)
    }

    /// Whether what was said under the claim's key rests on the same arrivals and plots, whatever was told on top, and
    /// wherever they were read: a line may have come twice.
    pub fn rests_on_the_same(&self, claim: &Claim) -> bool {
        let Some(entry) = self.entries.get(claim.key.as_str()) else { return false };
        let said = entry.feature.properties.evidence.iter().filter(|it| !is_slow(it.kind));
        let said: BTreeSet<(Kind, &str)> = said.map(|it| (it.kind, it.id.as_str())).collect();
        let claimed = claim.evidence.iter().filter(|cited| !is_slow(cited.kind));
        said == claimed.map(|cited| (cited.kind, cited.id.as_str())).collect()
    }

    /// While nothing is said, remembers a claim and gives none back; else gives it back.
    pub(super) fn recall(&mut self, claim: Claim, stage: Stage, registry: &Registry) -> Option<Claim> {
        if self.memory.recalled.is_none() {
            self.memory.found(&claim.key);
            return Some(claim);
        }
        let is_done_with = self.is_done_with(&claim, registry);
        let recalled = self.memory.recalled.as_mut()?;
        let entry = self.entries.get(claim.key.as_str());
        let stands = entry.is_some_and(|entry| entry.was_final);
        let is_open = entry.is_some_and(|entry| !entry.was_final && !entry.retracted());
        let may_drop = stage == Stage::Final || claim.key.starts_with(FIRE);
        if stands || (may_drop && !is_open && is_done_with) {
            recalled.remove(&claim.key);
        } else if recalled.len() < MAX_OPEN_ALERTS || recalled.contains_key(&claim.key) {
            recalled.insert(claim.key.clone(), Recalled::Claimed(Box::new(claim), stage));
        }
        None
    }

    /// While nothing is said, remembers that a claim was taken back.
    pub(super) fn recall_retraction(&mut self, key: &str, successor: Option<&str>) -> bool {
        let Some(recalled) = &mut self.memory.recalled else {
            self.memory.found(key);
            return false;
        };
        match self.entries.get(key) {
            Some(entry) if !entry.was_final && entry.feature.properties.status != Status::Retracted => {
                recalled.insert(key.to_owned(), Recalled::TakenBack(successor.map(str::to_owned)));
            }
            _ => {
                recalled.remove(key);
            }
        }
        true
    }
}

/// Whether two alerts differ by less than anybody would act on.
pub fn is_nearly(said: &AlertFeature, now: &AlertFeature) -> bool {
    /// Far below one sigma of the best that is located.
    const TIME_MS: f64 = 10.0;
    const SHARE: f64 = 0.05;
    const CHANCE: f64 = 0.01;
    let close = |a: f64, b: f64| (a - b).abs() <= SHARE * a.abs().max(b.abs());
    let (a, b) = (&said.properties, &now.properties);
    let ellipses = match (&a.ellipse, &b.ellipse) {
        (Some(a), Some(b)) => {
            close(a.semi_major_m, b.semi_major_m)
                && close(a.semi_minor_m, b.semi_minor_m)
                && said.place().distance_m(now.place()) <= SHARE * a.semi_minor_m
        }
        (None, None) => said.place() == now.place(),
        _ => false,
    };
    // Wherever it was read: a line may have come twice.
    fn evidence(alert: &Alert) -> BTreeSet<(&str, &str)> {
        alert.evidence.iter().map(|it| (it.node.as_str(), it.id.as_str())).collect()
    }
    let named = |areas: &[AreaChance]| -> Vec<String> { areas.iter().map(|it| it.area.clone()).collect() };
    ellipses
        && (a.time.0 - b.time.0).abs() as f64 <= TIME_MS * 1e6
        && (a.probability - b.probability).abs() <= CHANCE
        && evidence(a) == evidence(b)
        && (a.class, a.term) == (b.class, b.term)
        && (a.count, a.count_is_minimum) == (b.count, b.count_is_minimum)
        && (&a.areas, &a.within, &a.sectors) == (&b.areas, &b.within, &b.sectors)
        && (a.sign, &a.follows, named(&a.near), named(&a.crosses))
            == (b.sign, &b.follows, named(&b.near), named(&b.crosses))
        && (&a.from, &a.to, &a.review, &a.panel) == (&b.from, &b.to, &b.review, &b.panel)
        && (a.violation, &a.notice, &a.exceeds, a.severity) == (b.violation, &b.notice, &b.exceeds, b.severity)
        && a.direction_of_fire_deg.is_some() == b.direction_of_fire_deg.is_some()
        && a.emitter.as_ref().map(|it| &it.label) == b.emitter.as_ref().map(|it| &it.label)
}

#[cfg(test)]
mod tests;
