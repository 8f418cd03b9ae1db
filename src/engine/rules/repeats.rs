//! Restrictions of movement that repeat at one place: which earlier ones one follows.
//!
//! An earlier one counts that was near, not too long ago, and not so short a time ago that both may be one encounter: a patrol that is
//! held up writes more than once. What is known of the past is kept as long as something may still follow it.

use super::World;
use super::lane::span_ns;
use super::memory::{Change, LaneRecord, NodesOf, ToKeep, key, name_node};
use crate::engine::book::{Claim, alert_id};
use crate::model::alert::Sign;
use crate::model::node::Registry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most restrictions that are remembered. At it the oldest is forgotten.
const MAX_PAST: usize = 20_000;
/// Most earlier ones that are named: the newest.
const MAX_NAMED: usize = 32;

/// What is known of the past.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Repeats {
    /// By time, then key.
    past: BTreeMap<(i64, String), Claim>,
    times_ns: BTreeMap<String, i64>,
    /// Keys of those of which a record is to be kept anew, where any is kept.
    to_keep: ToKeep,
}

impl Repeats {
    /// Notes that something happened, or that it was otherwise than was known; gives those that follow it, or did.
    pub(super) fn note(&mut self, claim: &Claim, world: World<'_>) -> Vec<Claim> {
        let at = (claim.time_ns, claim.key.clone());
        if self.past.get(&at).is_some_and(|known| known.place == claim.place && known.evidence == claim.evidence) {
            return Vec::new();
        }
        let mut concerned = self.remove(&claim.key, world);
        self.past.insert(at, claim.clone());
        self.times_ns.insert(claim.key.clone(), claim.time_ns);
        self.to_keep.note(&claim.key);
        let fresh = self.followers(claim, world);
        concerned.retain(|known| fresh.iter().all(|other| other.key != known.key));
        concerned.extend(fresh);
        if self.past.len() > MAX_PAST
            && let Some(((_, oldest), _)) = self.past.pop_first()
        {
            self.times_ns.remove(&oldest);
            self.to_keep.note(&oldest);
        }
        concerned
    }

    /// Notes that nothing of the kind happened; gives those that followed it.
    pub(super) fn remove(&mut self, key: &str, world: World<'_>) -> Vec<Claim> {
        let Some(time_ns) = self.times_ns.remove(key) else { return Vec::new() };
        let Some(claim) = self.past.remove(&(time_ns, key.to_owned())) else { return Vec::new() };
        self.to_keep.note(key);
        self.followers(&claim, world)
    }

    /// Says on the claim what it follows.
    pub(super) fn link(&self, claim: &mut Claim, world: World<'_>) {
        let settings = &world.settings.repeats;
        if !settings.on {
            return;
        }
        let oldest_ns = claim.time_ns.saturating_sub(span_ns(settings.within_s));
        let newest_ns = claim.time_ns.saturating_sub(span_ns(settings.apart_s));
        let earlier = self.past.range((oldest_ns, String::new())..(newest_ns.max(oldest_ns), String::new())).rev();
        let near = earlier.filter(|(_, other)| other.place.distance_m(claim.place) <= settings.near_m);
        claim.follows = near.take(MAX_NAMED).map(|((_, key), _)| alert_id(key)).collect();
        claim.follows.reverse();
        claim.sign = (!claim.follows.is_empty()).then_some(Sign::Repeated);
    }

    fn followers(&self, claim: &Claim, world: World<'_>) -> Vec<Claim> {
        let settings = &world.settings.repeats;
        let from_ns = claim.time_ns.saturating_add(span_ns(settings.apart_s));
        let to_ns = claim.time_ns.saturating_add(span_ns(settings.within_s)).saturating_add(1);
        let later = self.past.range((from_ns, String::new())..(to_ns.max(from_ns), String::new()));
        // Of one whose sender is not known no more can be said than was.
        let near = later
            .filter(|(_, other)| other.place.distance_m(claim.place) <= settings.near_m && !other.evidence.is_empty());
        near.map(|(_, other)| other.clone()).collect()
    }

    /// Forgets what nothing that comes can follow.
    pub(super) fn forget(&mut self, watermark_ns: i64, world: World<'_>) {
        let span_ns = span_ns(world.settings.repeats.within_s).saturating_add(span_ns(world.settings.amend_horizon_s));
        let before_ns = watermark_ns.saturating_sub(span_ns);
        while let Some(first) = self.past.first_entry()
            && first.key().0 < before_ns
        {
            let (_, key) = first.remove_entry().0;
            self.times_ns.remove(&key);
            self.to_keep.note(&key);
        }
    }

    /// From now on records are kept.
    pub(super) fn keep_records(&mut self) {
        self.to_keep.begin();
    }

    /// What is to be kept anew since the last call: each restriction for itself.
    pub(super) fn take_changes(&mut self, rule: &str, registry: &Registry) -> Vec<Change> {
        let keys = self.to_keep.take();
        let record = |lane: &String| {
            let stands_ns = *self.times_ns.get(lane)?;
            let mut claim = self.past.get(&(stands_ns, lane.clone()))?.clone();
            let mut nodes = NodesOf::default();
            claim.evidence.iter_mut().for_each(|cited| nodes.number(cited));
            let nodes = nodes.names(registry);
            let watch = serde_json::to_value(claim).ok()?;
            Some(LaneRecord { rule: rule.to_owned(), lane: lane.clone(), stands_ns, nodes, told: Vec::new(), watch })
        };
        keys.iter().map(|lane| (key(rule, lane), record(lane))).collect()
    }

    /// Goes on with a restriction; false if the record can't be understood.
    pub(super) fn restore(&mut self, record: LaneRecord, registry: &Registry) -> bool {
        let Ok(mut claim) = serde_json::from_value::<Claim>(record.watch) else { return false };
        let mut is_whole = true;
        for cited in &mut claim.evidence {
            is_whole &= name_node(cited, &record.nodes, registry);
        }
        if !is_whole {
            claim.evidence.clear();
        }
        // What was known of it otherwise, from a checkpoint of before, is no more.
        if let Some(before_ns) = self.times_ns.insert(claim.key.clone(), claim.time_ns) {
            self.past.remove(&(before_ns, claim.key.clone()));
        }
        self.past.insert((claim.time_ns, claim.key.clone()), claim);
        true
    }
}
