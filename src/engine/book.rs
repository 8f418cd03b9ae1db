//! The life of an alert: preliminary, revised, final, amended or retracted.
//!
//! Whoever holds something to be so hands in a [`Claim`], again and again as the evidence grows; the book says what
//! is new in it. What has been said is never unsaid: a correction is the next revision.

mod beside;
mod claim;
mod compose;
mod digest;
mod kept;
mod review;
mod tally;
mod written;

use self::compose::{Letterhead, compose, judge_into};
use self::kept::Memory;
use self::review::mark_outdated;
use self::tally::Tally;
use self::written::Bare;
use super::places::Places;
use super::rules::sees_all;
use super::settings::Settings;
use super::share::said_by;
use crate::model::alert::{Alert, AlertFeature, Status, Term};
use crate::model::decision::Decision;
use crate::model::node::Registry;
use crate::model::observation::Origin;
use crate::model::review::Review;
use crate::model::time::Timestamp;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::claim::{Cited, Claim, OtherEnd, Stage, Transmitter};
pub use self::compose::alert_id;
pub use self::digest::sha256_hex;
pub use self::kept::{FIRE, Kept, Settled, is_nearly};
pub use self::review::UNDETERMINED;

/// Most alerts that are kept for correction. At it the oldest that is settled is forgotten first (it can't be amended
/// any more), then the oldest of all.
pub const MAX_OPEN_ALERTS: usize = 50_000;

/// What is known of an alert that stands.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The claim's key.
    pub key: &'a str,
    /// The alert as last said.
    pub feature: &'a AlertFeature,
    /// When it happened, nanoseconds.
    pub time_ns: i64,
    /// Whether it ever was final.
    pub was_final: bool,
}

/// What left the book.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Said {
    /// The claim's key.
    pub key: Arc<str>,
    /// The alert.
    #[serde(with = "crate::engine::as_named")]
    pub feature: Arc<AlertFeature>,
    /// The newest observation it rests on, by which the shell tells how long it took. `None` when no observation
    /// brought it about: a decision, a retraction, a change of areas or notices.
    pub deciding: Option<Origin>,
}

impl Said {
    /// The alert by itself.
    pub fn into_feature(self) -> AlertFeature {
        Arc::unwrap_or_clone(self.feature)
    }
}

/// Why a decision can't be attached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// No such alert, or it is older than what is kept for correction.
    #[error("alert {alert} is not known, or too old to be amended")]
    Unknown {
        /// The alert decided on.
        alert: String,
    },
    /// The decision is on a revision that was never said.
    #[error("alert {alert} has revisions 1 to {current}; the decision is on {revision}")]
    Revision {
        /// The alert decided on.
        alert: String,
        /// The revision decided on.
        revision: u32,
        /// The newest revision.
        current: u32,
    },
}

/// What is remembered of an alert.
struct Entry {
    claim: Arc<Claim>,
    /// As last said.
    feature: Arc<AlertFeature>,
    /// Whether it ever was final: from then on a change is an amendment.
    was_final: bool,
    /// When the attribution was decided, if it was by one decision.
    attributed_at: Option<Timestamp>,
    /// The revision that last changed anything but decisions and status.
    content_revision: u32,
    newest_ns: i64,
}

impl Entry {
    fn retracted(&self) -> bool {
        self.feature.properties.status == Status::Retracted
    }

    /// Its rank for being forgotten: settled ones first, then by age, then by key.
    fn rank(&self, key: &Arc<str>) -> (bool, i64, Arc<str>) {
        (!(self.was_final || self.retracted()), self.newest_ns, key.clone())
    }

    /// One decision decides: the last stands, and of those that attribute the alert the last of them.
    fn take_alone(&mut self, alert: &mut Alert, decision: Decision) {
        if let Some(attribution) = decision.attributes_to()
            && self.attributed_at.is_none_or(|at| (at, alert.attribution.as_str()) < (decision.at, attribution))
        {
            self.attributed_at = Some(decision.at);
            attribution.clone_into(&mut alert.attribution);
        }
        if alert.review.as_ref().is_none_or(|last| last.cmp_in_time(&decision).is_lt()) {
            alert.review = Some(decision);
        }
    }

    /// The status of a change that is not a retraction.
    fn changed_status(&self, stage: Stage) -> Status {
        match stage {
            _ if self.was_final => Status::Amended,
            Stage::Final => Status::Final,
            Stage::Open => Status::Revised,
        }
    }
}

/// All alerts that may still change, by key. Read from a checkpoint it is to be given to one that has just been made
/// ([`Book::load`]), which has what is not written down.
pub struct Book {
    letterhead: Letterhead,
    review: Review,
    entries: BTreeMap<Arc<str>, Entry>,
    by_rank: BTreeSet<(bool, i64, Arc<str>)>,
    keys_by_id: FxHashMap<String, Arc<str>>,
    judged_version: Option<u64>,
    tally: Tally,
    said: Vec<Said>,
    memory: Memory,
    /// Where regions are shared out: which part it is of how many.
    share: Option<(u32, u32)>,
    /// Of a book that has been read from a checkpoint and not been loaded: its entries, whose alerts stand elsewhere.
    bare: Vec<Bare>,
}

impl Book {
    /// An empty book. `config_digest` stands on every alert; `topics` names what [`Origin::topic`] counts.
    pub fn new(config_digest: String, topics: Vec<String>) -> Book {
        Book {
            letterhead: Letterhead::new(config_digest, topics),
            review: Review::default(),
            entries: BTreeMap::new(),
            by_rank: BTreeSet::new(),
            keys_by_id: FxHashMap::default(),
            judged_version: None,
            tally: Tally::default(),
            said: Vec::new(),
            memory: Memory::default(),
            share: None,
            bare: Vec::new(),
        }
    }

    /// From now on these reviewers decide.
    pub fn convene(&mut self, review: Review) {
        self.review = review;
    }

    /// Says a claim: new, changed, or nothing if it says what was said. A claim that was taken back lives again.
    pub fn say(&mut self, claim: Claim, stage: Stage, registry: &Registry, places: &Places, settings: &Settings) {
        if self.is_said_elsewhere(&claim.key) {
            return;
        }
        let Some(claim) = self.recall(claim, stage, registry) else { return };
        let mut feature = compose(&claim, &mut self.tally, &self.letterhead, registry, places, settings);
        let deciding =
            claim.evidence.iter().max_by_key(|cited| (cited.time_ns, cited.origin)).map(|cited| cited.origin);
        let newest_ns = claim.newest_ns().max(counted_until_ns(&feature, places));
        let Some((key, entry)) = self.entries.get_key_value(claim.key.as_str()) else {
            self.make_room();
            let key: Arc<str> = claim.key.as_str().into();
            let was_final = stage == Stage::Final;
            feature.properties.revision = 1;
            feature.properties.status = if was_final { Status::Final } else { Status::Preliminary };
            let feature = Arc::new(feature);
            self.said.push(Said { key: key.clone(), feature: feature.clone(), deciding });
            self.keys_by_id.insert(feature.properties.alert.clone(), key.clone());
            let claim = Arc::new(claim);
            let entry = Entry { claim, feature, was_final, attributed_at: None, content_revision: 1, newest_ns };
            self.by_rank.insert(entry.rank(&key));
            self.entries.insert(key, entry);
            return;
        };
        let (key, last) = (key.clone(), &entry.feature.properties);
        let new = &mut feature.properties;
        (new.revision, new.status) = (last.revision, last.status);
        (new.review, new.panel) = (last.review.clone(), last.panel.clone());
        new.attribution.clone_from(&last.attribution);
        let settles = stage == Stage::Final && !entry.was_final;
        let is_news = feature != *entry.feature && !self.is_no_news(&key, &entry.feature, &feature);
        let speaks = is_news || entry.retracted() || settles;
        self.change(&key, |entry| {
            if speaks {
                feature.properties.revision += 1;
                feature.properties.status = entry.changed_status(stage);
                if is_news || entry.retracted() {
                    entry.content_revision = feature.properties.revision;
                    mark_outdated(&mut feature.properties, entry.content_revision);
                }
                entry.feature = Arc::new(feature);
            }
            entry.was_final |= stage == Stage::Final;
            (entry.claim, entry.newest_ns) = (Arc::new(claim), newest_ns);
            speaks.then_some(deciding)
        });
    }

    /// It is the book of that part of so many. What every part finds, one says.
    pub fn take_share(&mut self, part: u32, parts: u32) {
        self.share = Some((part, parts));
    }

    fn is_said_elsewhere(&self, key: &str) -> bool {
        self.share.is_some_and(|(part, parts)| sees_all(key) && said_by(parts) != part)
    }

    /// Whether what was said under that key is final and stands.
    pub fn is_final(&self, key: &str) -> bool {
        self.recalled_final(key) || self.entries.get(key).is_some_and(|entry| entry.was_final && !entry.retracted())
    }

    /// Takes back what was said under that key; nothing if nothing was.
    pub fn retract(&mut self, key: &str) {
        self.retract_for(key, None);
    }

    /// The same, and names the key under which the event stands, if it does.
    pub fn retract_for(&mut self, key: &str, successor: Option<&str>) {
        if self.recall_retraction(key, successor) {
            return;
        }
        let Some((key, entry)) = self.entries.get_key_value(key) else { return };
        if entry.retracted() {
            return;
        }
        let key = key.clone();
        self.tally.leave(&key);
        self.change(&key, |entry| {
            let alert = &mut Arc::make_mut(&mut entry.feature).properties;
            alert.revision += 1;
            alert.status = Status::Retracted;
            alert.superseded_by = successor.map(compose::alert_id);
            // What is taken back is not half believed.
            alert.probability = 0.0;
            alert.term = Term::of(0.0);
            entry.content_revision = alert.revision;
            mark_outdated(alert, entry.content_revision);
            Some(None)
        });
    }

    /// Attaches what the review commission decided. What stands in the end is the same in whatever order decisions come;
    /// one that changes nothing says nothing. With reviewers it has to be by one of them, which is for who calls to see to.
    ///
    /// # Errors
    /// The alert is not known, or the revision was never said.
    pub fn decide(&mut self, decision: Decision) -> Result<(), DecisionError> {
        let known = self.keys_by_id.get(&decision.alert).and_then(|key| self.entries.get_key_value(key));
        let Some((key, entry)) = known else {
            return Err(DecisionError::Unknown { alert: decision.alert });
        };
        let current = entry.feature.properties.revision;
        if !(1..=current).contains(&decision.revision) {
            let (alert, revision) = (decision.alert, decision.revision);
            return Err(DecisionError::Revision { alert, revision, current });
        }
        let review = std::mem::take(&mut self.review);
        self.change(&key.clone(), |entry| {
            let status = if entry.retracted() { Status::Retracted } else { entry.changed_status(Stage::Open) };
            let mut decided = entry.feature.properties.clone();
            match review.has_reviewers() {
                true => review::take(&mut decided, decision, &review),
                false => entry.take_alone(&mut decided, decision),
            }
            mark_outdated(&mut decided, entry.content_revision);
            if decided == entry.feature.properties {
                return None;
            }
            (decided.revision, decided.status) = (decided.revision + 1, status);
            Arc::make_mut(&mut entry.feature).properties = decided;
            Some(None)
        });
        self.review = review;
        Ok(())
    }

    /// Judges all alerts again if the areas or notices have changed: a notice may come after what it covers. Else those
    /// under a notice of which more was made use of, or less, than was known. While nothing is said, nothing is judged.
    pub fn rejudge(&mut self, registry: &Registry, places: &Places, settings: &Settings) {
        if self.is_recalling() {
            return;
        }
        if self.judged_version.replace(places.version()) != Some(places.version()) {
            let standing = self.entries.iter().filter(|(_, entry)| !entry.retracted());
            let standing: Vec<Arc<str>> = standing.map(|(key, _)| key.clone()).collect();
            // Who is over a number is known when all that is counted stands in the tally.
            for entry in standing.iter().filter_map(|key| self.entries.get(key)) {
                let mut alert = entry.feature.properties.clone();
                judge_into(&mut alert, &entry.claim, &mut self.tally, registry, places, settings);
            }
            self.tally.take_stale();
            standing.iter().for_each(|key| self.judge_again(key, registry, places, settings));
        }
        // Once: judging again changes who is over, and not who stands in the tally.
        for key in self.tally.take_stale() {
            self.judge_again(&key, registry, places, settings);
        }
    }

    fn judge_again(&mut self, key: &Arc<str>, registry: &Registry, places: &Places, settings: &Settings) {
        let Some(entry) = self.entries.get(key) else { return };
        let mut alert = entry.feature.properties.clone();
        judge_into(&mut alert, &entry.claim, &mut self.tally, registry, places, settings);
        let judged = |alert: &Alert| {
            let Alert { areas, within, near, crosses, sectors, component, violation, notice, exceeds, .. } = alert;
            let beside = (near.clone(), crosses.clone());
            let announced = (notice.clone(), exceeds.clone());
            (areas.clone(), within.clone(), beside, sectors.clone(), *component, *violation, announced)
        };
        // How grave it is may have been set otherwise since: that alone is no news.
        if judged(&alert) == judged(&entry.feature.properties) {
            return;
        }
        alert.config_digest = self.letterhead.config_digest().to_owned();
        self.change(key, |entry| {
            alert.revision += 1;
            alert.status = entry.changed_status(Stage::Open);
            entry.content_revision = alert.revision;
            mark_outdated(&mut alert, entry.content_revision);
            Arc::make_mut(&mut entry.feature).properties = alert;
            entry.newest_ns = entry.newest_ns.max(counted_until_ns(&entry.feature, places));
            Some(None)
        });
    }

    /// Forgets settled alerts whose newest time is before `time_ns`: nothing that comes can amend them any more.
    pub fn forget_before(&mut self, time_ns: i64) {
        while let Some((false, newest_ns, _)) = self.by_rank.first()
            && *newest_ns < time_ns
        {
            self.forget_first();
        }
    }

    /// What was said since the last call, in order.
    pub fn take_said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// The alert of that key as last said.
    pub fn last(&self, key: &str) -> Option<&AlertFeature> {
        self.entries.get(key).map(|entry| &*entry.feature)
    }

    /// The alerts that stand, by key.
    pub fn known(&self) -> impl Iterator<Item = Known<'_>> {
        self.entries.iter().filter(|(_, entry)| !entry.retracted()).map(|(key, entry)| Known {
            key,
            feature: &entry.feature,
            time_ns: entry.claim.time_ns,
            was_final: entry.was_final,
        })
    }

    /// Whether that key's alert has been final.
    pub fn settled(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.was_final)
    }

    /// The keys that begin with `prefix` of alerts that are neither final nor retracted, in order.
    pub fn open_keys<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.entries
            .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter(|(_, entry)| !entry.was_final && !entry.retracted())
            .map(|(key, _)| &**key)
    }

    /// Alerts kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Alters an entry and says it if `alter` tells by which observation (or by none).
    fn change(&mut self, key: &Arc<str>, alter: impl FnOnce(&mut Entry) -> Option<Option<Origin>>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let before = entry.rank(key);
        let spoken = alter(entry);
        let after = entry.rank(key);
        if before != after {
            self.by_rank.remove(&before);
            self.by_rank.insert(after);
        }
        if let Some(deciding) = spoken {
            self.said.push(Said { key: key.clone(), feature: entry.feature.clone(), deciding });
        }
    }

    fn make_room(&mut self) {
        if self.entries.len() >= MAX_OPEN_ALERTS {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, _, key)) = self.by_rank.pop_first()
            && let Some(entry) = self.entries.remove(&key)
        {
            self.keys_by_id.remove(&entry.feature.properties.alert);
            self.tally.leave(&key);
            self.memory.forgot(&key);
        }
    }
}

/// Until when an alert counts for others: as long as the notice lasts that announces a number of them, nanoseconds.
fn counted_until_ns(feature: &AlertFeature, places: &Places) -> i64 {
    let alert = &feature.properties;
    let notice = alert.notice.as_ref().or(alert.exceeds.as_ref().map(|exceeds| &exceeds.notice));
    let notice = notice.and_then(|notice| places.notice(notice)).filter(|notice| notice.count.is_some());
    notice.map_or(i64::MIN, |notice| notice.to_ns)
}

#[cfg(test)]
mod tests;
