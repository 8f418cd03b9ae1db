//! Slow evidence: what patrols heard and saw, to the minute and told much later, hot spots seen from above, and infrasound from
//! so far that near events are final before it comes.
//!
//! A report is weighed when all events that it could be about are final, against those alone ([`report`] has the
//! likelihood). With Pⱼ the probability that arrivals give event j, the odds of event i rise by
//!
//! Rᵢ = 1 + n Λᵢ / (c + Σ_(j≠i) Pⱼ Λⱼ)
//!
//! for a report of n rounds: it is shared among what fits it, so that of twenty rounds in the minute each gets little
//! from a report of one. At most n events are borne out, those whose share n Pᵢ Λᵢ / (c + Σ Pⱼ Λⱼ) is a half at least; they
//! cite it. A share h of reports is hearsay and says nothing however well it fits: what counts is 1 / (h + (1−h)/Rᵢ),
//! never above 1/h = 5. A witness counts once an event, and all of them raise odds 15 times at most, so that what is as
//! likely as not is never confirmed by reports ([`super::settled`]).
//!
//! Who reports others, exactly, and all of them are told apart, has not noticed an event a third of its range away at
//! the same time: 1 − p for it, at most halving the odds in all.
//!
//! What nothing explains stands as an alert of its own, with a chance that is not worth more than *unresolved*: where a
//! network listens, it would have heard. Nothing of what came before the stream began is known: no report stands there.
//!
//! The result is a function of the set of final events and the set of reports: each is weighed against claims as
//! arrivals have them, never against what another report made of those; and again when such a claim changes.

pub mod report;

use self::report::{Fit, Report};
use super::book::{Book, Stage};
use super::in_order;
use super::ledger::Ledger;
use super::rules::{World, supersedes_at};
use super::settled::{Settled, Told};
use crate::model::geo::LonLat;
use crate::model::kind::Kind;
use crate::model::node::NodeIx;
use crate::model::observation::{Id, Observations, Part};
use crate::model::time::ns_from_s;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most reports remembered; at it the oldest is forgotten.
pub const MAX_REPORTS: usize = 16_384;
/// Most reports remembered as taken back; at it no more are.
const MAX_TAKEN_BACK: usize = 16_384;

/// How long final events are kept for reports beyond the horizon in which those may come: hot spots are seen late, s.
pub const KEEP_S: f64 = 7_200.0;

/// An event has to have so much of a round told to be borne out by it.
const LEAST_SHARE: f64 = 0.5;
/// The chance that what nothing explains happened: where nobody else listens, and where so many nodes or more do.
const ALONE_P: f64 = 0.3;
const UNHEARD_P: f64 = 0.05;
const LISTENERS: usize = 4;
/// How far a microphone hears of which that is not known, m.
const LISTENS_M: f64 = 10_000.0;

/// Whether such observations are weighed against final events.
pub const fn is_slow(kind: Kind) -> bool {
    matches!(kind, Kind::Patrol | Kind::Thermal | Kind::Infrasound)
}

/// By time, id and sender: the same however they came.
type Key = (i64, Id, NodeIx);

/// A report and what has become of it.
#[derive(Serialize, Deserialize)]
struct Kept {
    report: Report,
    weighed: bool,
    /// How many events cite it.
    given: u32,
    /// Whether it was said as an alert of its own.
    stands: bool,
    /// Whether it is said here if it stands, and not by another process.
    is_own: bool,
}

/// All reports within the amend horizon.
#[derive(Default, Serialize, Deserialize)]
pub struct SlowWatch {
    kept: BTreeMap<Key, Kept>,
    waiting: BTreeSet<(i64, Key)>,
    #[serde(serialize_with = "in_order::set")]
    taken_back: FxHashSet<(NodeIx, Id)>,
    /// What was taken back since the last weighing.
    dropped: Vec<(Key, Kept)>,
}

/// From when on what is known.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The stream, nanoseconds.
    pub since_ns: i64,
    /// All final events, nanoseconds: after a restart older ones may be missing.
    pub finals_since_ns: i64,
}

/// An event that fits a report: the region, its place there, how.
type Candidate = (usize, usize, Fit);

impl SlowWatch {
    /// Takes in an accepted observation; what is no slow report is none of its business.
    pub fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>) {
        if !is_slow(batch.kind[row]) {
            return;
        }
        let node = batch.node[row];
        if let Some(id) = supersedes_at(batch, row) {
            if self.taken_back.len() < MAX_TAKEN_BACK {
                self.taken_back.insert((node, id));
            }
            let of = |key: &Key| key.2 == node && key.1 == id;
            if let Some(key) = self.kept.keys().copied().find(of) {
                self.drop(key);
            }
        }
        if batch.withdrawn[row] {
            return;
        }
        let Some(report) = Report::of(batch, row, world) else { return };
        if self.taken_back.contains(&(node, report.cited.id)) {
            return;
        }
        let key = (report.cited.time_ns, report.cited.id, node);
        self.waiting.insert((report.due_ns(), key));
        self.kept.insert(
            key,
            Kept { report, weighed: false, given: 0, stands: false, is_own: batch.part[row] == Part::Own },
        );
        if self.kept.len() > MAX_REPORTS
            && let Some((key, kept)) = self.kept.pop_first()
        {
            self.waiting.remove(&(kept.report.due_ns(), key));
        }
    }

    fn drop(&mut self, key: Key) {
        if let Some(kept) = self.kept.remove(&key) {
            self.waiting.remove(&(kept.report.due_ns(), key));
            self.dropped.push((key, kept));
        }
    }

    /// The time of the oldest report that waits to be weighed, nanoseconds.
    pub fn oldest_ns(&self) -> Option<i64> {
        self.waiting.iter().map(|&(_, (time_ns, ..))| time_ns).min()
    }

    /// No event from before that time may be one that a report is about which waits to be weighed, nanoseconds.
    pub fn earliest_ns(&self) -> Option<i64> {
        let waiting = self.waiting.iter().filter_map(|(_, key)| self.kept.get(key));
        waiting.map(|kept| kept.report.earliest_ns()).min()
    }

    /// Weighs what can be weighed now that all events before `final_ns` are final, and what rests on a claim that has
    /// changed; says what is new by that.
    pub fn weigh(&mut self, ledger: &mut Ledger, final_ns: i64, known: Known, world: World<'_>, book: &mut Book) {
        let mut touched: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (key, kept) in std::mem::take(&mut self.dropped) {
            untell(ledger, &kept.report, &mut touched);
            if kept.stands {
                book.retract(&alert_key(&key, world));
            }
            for (region, at, _) in candidates(ledger, &kept.report) {
                touched.insert((region, at));
            }
        }
        let mut due: BTreeSet<Key> = BTreeSet::new();
        while let Some(&(due_ns, key)) = self.waiting.first()
            && due_ns < final_ns
        {
            self.waiting.pop_first();
            due.insert(key);
        }
        for (region, events) in ledger.iter_mut().enumerate() {
            if !std::mem::take(&mut events.has_changed) {
                continue;
            }
            for (at, event) in events.those_mut(|event| event.changed) {
                event.changed = false;
                touched.insert((region, at));
                let weighed = self.kept.iter().filter(|(_, kept)| kept.weighed && kept.report.fit(event).is_some());
                due.extend(weighed.map(|(key, _)| *key));
            }
        }
        for key in due {
            if !self.pass_over(key, ledger, known.finals_since_ns) {
                self.weigh_one(key, ledger, known.since_ns, &mut touched, world, book);
            }
        }
        for (region, at) in touched {
            let event = &mut ledger[region][at];
            event.untold = self.untold(event);
            event.say(world, book);
        }
    }

    /// Leaves a report as it was weighed before, which the events that cite it tell, if any that it may be about can be missing; whether it did.
    fn pass_over(&mut self, key: Key, ledger: &Ledger, finals_since_ns: i64) -> bool {
        let Some(kept) = self.kept.get_mut(&key).filter(|kept| kept.report.earliest_ns() < finals_since_ns) else {
            return false;
        };
        let cited = &kept.report.cited;
        let is_it = |told: &Told| (told.cited.node, told.cited.id) == (cited.node, cited.id);
        let cites = |event: &&Settled| event.told.iter().any(is_it);
        kept.given = ledger.iter().flat_map(|events| events.iter()).filter(cites).count() as u32;
        kept.weighed = true;
        true
    }

    fn weigh_one(
        &mut self,
        key: Key,
        ledger: &mut Ledger,
        known_ns: i64,
        touched: &mut BTreeSet<(usize, usize)>,
        world: World<'_>,
        book: &mut Book,
    ) {
        let Some(kept) = self.kept.get_mut(&key) else { return };
        let report = &kept.report;
        untell(ledger, report, touched);
        let mut fits = candidates(ledger, report);
        // An event that was found with it has it.
        if fits.iter().any(|&(region, at, _)| ledger[region][at].rests_on(&report.cited)) {
            fits.clear();
        }
        touched.extend(fits.iter().map(|&(region, at, _)| (region, at)));
        let n = f64::from(report.count);
        let weight = |&(region, at, fit): &Candidate| ledger[region][at].claim.probability * fit.density;
        let explained: f64 = fits.iter().map(weight).sum();
        let all = report.others() + explained;
        let mut borne_out: Vec<(f64, f64, Candidate)> = fits
            .iter()
            .map(|candidate| {
                let own = weight(candidate);
                let ratio = 1.0 + n * candidate.2.density / (all - own).max(1e-300);
                (n * own / all, ratio, *candidate)
            })
            .filter(|&(share, ..)| share >= LEAST_SHARE)
            .collect();
        // Of equals the first by name: the sort is stable.
        borne_out.sort_by(|a, b| b.0.total_cmp(&a.0));
        borne_out.truncate(report.count as usize);
        // More rounds than events: some of those are more than one.
        let more = report.count as usize > fits.len() && !borne_out.is_empty() && report.cited.kind == Kind::Patrol;
        for &(_, ratio, (region, at, fit)) in &borne_out {
            let ln_ratio = -(report.hearsay + (1.0 - report.hearsay) / ratio).ln();
            let mut cited = report.cited;
            (cited.residual_s, cited.residual_deg) = (fit.residual_s, fit.residual_deg);
            let told = &mut ledger[region][at].told;
            told.push(Told { cited, ln_ratio, more });
            told.sort_by_key(|told| (told.cited.time_ns, told.cited.id, told.cited.node));
        }
        kept.given = borne_out.len() as u32;
        kept.weighed = true;
        let stands =
            kept.is_own && report.speaks_alone() && explained < report.others() && report.earliest_ns() >= known_ns;
        if stands {
            let chance = report.others() / all;
            let p =
                if listeners(report.claim(String::new(), 0.0).place, world) < LISTENERS { ALONE_P } else { UNHEARD_P };
            let claim = report.claim(alert_key(&key, world), p * chance * (1.0 - report.hearsay));
            book.say(claim, Stage::Final, world.registry, world.places, world.settings);
        } else if kept.stands {
            book.retract(&alert_key(&key, world));
        }
        kept.stands = stands;
    }

    /// Who told exactly of others at the time of an event near by, and what that is worth.
    fn untold(&self, event: &Settled) -> Vec<(NodeIx, f64)> {
        let mut patrols: BTreeMap<NodeIx, Option<f64>> = BTreeMap::new();
        let from_ns = event.claim.time_ns.saturating_sub(ns_from_s(report::MOST_AFTER_S));
        let to_ns = event.claim.time_ns.saturating_add(ns_from_s(report::MOST_AFTER_S));
        let least = (from_ns, Id::new(b""), NodeIx(0));
        for (&(time_ns, ..), kept) in self.kept.range(least..) {
            if time_ns > to_ns {
                break;
            }
            let report = &kept.report;
            if !kept.weighed || report.cited.kind != Kind::Patrol {
                continue;
            }
            let Some(fit) = report.fit(event) else { continue };
            let exact = !report.count_is_minimum && kept.given == report.count;
            let worth = patrols.entry(report.cited.node).or_insert(Some(0.0));
            *worth = match *worth {
                Some(least) if exact && fit.near => {
                    Some(if fit.then { least.min((1.0 - fit.report_p).ln()) } else { least })
                }
                // It may be of this one.
                _ => None,
            };
        }
        let told = |node: NodeIx| event.told.iter().any(|told| told.cited.node == node);
        let silent = patrols.into_iter().filter_map(|(node, worth)| Some((node, worth.filter(|&worth| worth < 0.0)?)));
        silent.filter(|&(node, _)| !told(node)).collect()
    }

    /// Forgets reports from before `time_ns`.
    pub fn forget_before(&mut self, time_ns: i64) {
        while let Some((&key, _)) = self.kept.first_key_value()
            && key.0 < time_ns
        {
            if let Some((key, kept)) = self.kept.pop_first() {
                self.waiting.remove(&(kept.report.due_ns(), key));
                self.taken_back.remove(&(key.2, key.1));
            }
        }
        if self.kept.is_empty() && self.taken_back.len() >= MAX_TAKEN_BACK {
            self.taken_back.clear();
        }
    }
}

fn alert_key(&(_, id, node): &Key, world: World<'_>) -> String {
    format!("slow/{}/{}", world.registry.node(node).name, id.as_str())
}

fn candidates(ledger: &Ledger, report: &Report) -> Vec<Candidate> {
    let mut all = Vec::new();
    for (region, events) in ledger.iter().enumerate() {
        let near = events.numbered_between(report.earliest_ns(), report.due_ns());
        all.extend(near.filter_map(|(at, event)| Some((region, at, report.fit(event)?))));
    }
    // So that sums don't depend on which region comes first.
    let name = |&(region, at, _): &Candidate| ledger[region][at].claim.key.as_str();
    all.sort_by(|a, b| name(a).cmp(name(b)));
    all
}

/// Takes a report off all events.
fn untell(ledger: &mut Ledger, report: &Report, touched: &mut BTreeSet<(usize, usize)>) {
    let own = |told: &Told| (told.cited.node, told.cited.id) == (report.cited.node, report.cited.id);
    for (region, events) in ledger.iter_mut().enumerate() {
        for (at, event) in events.those_mut(|event| event.told.iter().any(own)) {
            event.told.retain(|told| !own(told));
            touched.insert((region, at));
        }
    }
}

/// How many microphones would have heard something there.
fn listeners(place: LonLat, world: World<'_>) -> usize {
    let hears = |node: &&crate::model::node::Node| {
        node.kinds.contains(Kind::Acoustic)
            && node.position.is_some_and(|at| at.distance_m(place) <= node.range_m.unwrap_or(LISTENS_M))
    };
    world.registry.nodes().iter().filter(hears).take(LISTENERS).count()
}
