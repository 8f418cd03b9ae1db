//! What rules remember beyond a restart.
//!
//! Who takes the place of another process sees some minutes again, and most of what a rule knows is in them. Not so
//! what lasts longer: an object in an area since this morning, a node that fell silent yesterday, the habits of a
//! vessel. Of each lane that holds such a thing a record is kept, at the latest a set span of event time after it has
//! changed; as long as no less than that span is seen again, the record and what is seen again come to what was known.

use super::World;
use super::lane::{Lane, LaneKey, Told, Watch};
use super::lanes::{Lanes, Place};
use crate::engine::book::Cited;
use crate::model::node::{NodeIx, Registry};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::BTreeSet;

/// A lane as it had settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneRecord {
    /// Whose lane it is: [`Watch::NAME`].
    pub rule: String,
    /// Of what: an object, a node.
    pub lane: String,
    /// All that was seen of before that time is in it, nanoseconds.
    pub stands_ns: i64,
    /// The names of the senders, whom what was seen names by their number in this list.
    pub nodes: Vec<String>,
    /// How far the episodes that last had been told.
    pub told: Vec<Told>,
    /// What had settled.
    pub watch: serde_json::Value,
}

impl LaneRecord {
    /// What tells it from all others.
    pub fn key(&self) -> String {
        key(&self.rule, &self.lane)
    }
}

pub(super) fn key(rule: &str, lane: &str) -> String {
    format!("{rule}/{lane}")
}

/// A record by its key; `None`: there is nothing to be kept of it any more.
pub type Change = (String, Option<LaneRecord>);

/// What a rule remembers.
pub trait Memory {
    /// Whose it is.
    fn rule(&self) -> &'static str;

    /// Whether that record is its own.
    fn keeps(&self, record: &LaneRecord) -> bool {
        record.rule == self.rule()
    }

    /// From now on a record is kept of each lane that needs one, no later than that span of event time after the lane
    /// has changed.
    fn keep_within(&mut self, span_ns: i64);

    /// What is to be kept anew since the last call.
    fn take_changes(&mut self, registry: &Registry) -> Vec<Change>;

    /// Goes on with a lane; false if the record can't be understood. To be called before anything is seen.
    fn restore(&mut self, record: LaneRecord, world: World<'_>) -> bool;
}

impl<W: Watch> Memory for Lanes<W> {
    fn rule(&self) -> &'static str {
        W::NAME
    }

    fn keep_within(&mut self, span_ns: i64) {
        self.keep_within_ns = Some(span_ns);
    }

    fn take_changes(&mut self, registry: &Registry) -> Vec<Change> {
        let mut changes: Vec<Change> =
            self.gone.drain(..).map(|lane| (key(W::NAME, &lane.borrow().name(registry)), None)).collect();
        let Some(span_ns) = self.keep_within_ns else { return changes };
        let urgent = self.urgent.drain(..).map(|at| (None, at));
        let due: Vec<(Option<i64>, usize)> =
            urgent.chain(self.to_keep.drain(..).map(|(since_ns, at)| (Some(since_ns), at))).collect();
        for (since_ns, at) in due {
            changes.extend(self.lanes[at].keep(since_ns, span_ns, self.watermark_ns, registry));
            self.note_pending(at);
        }
        changes
    }

    fn restore(&mut self, record: LaneRecord, world: World<'_>) -> bool {
        self.restored_to_ns = self.restored_to_ns.max(record.stands_ns);
        let Ok(mut settled) = serde_json::from_value::<W>(record.watch.clone()) else { return false };
        let known: Option<Vec<NodeIx>> = record.nodes.iter().map(|name| world.registry.find(name)).collect();
        let (Some(nodes), Some(lane_key)) = (known, W::Key::of_name(&record.lane, world.registry)) else {
            // Its sender is not in the registry and has not spoken yet.
            self.waiting.insert(record.lane.clone(), record);
            return true;
        };
        let mut is_whole = true;
        settled.each_cited(&mut |cited| match nodes.get(cited.node.at()) {
            Some(&node) => cited.node = node,
            None => is_whole = false,
        });
        if is_whole {
            let mut lane = Lane::restored(lane_key, settled, record.stands_ns, record.told);
            // What was known of it otherwise, from a checkpoint of before, is no more.
            let known = self.find(lane.key.borrow());
            let at = known.or_else(|| self.vacant.pop()).unwrap_or(self.lanes.len());
            lane.enter(at, &mut self.calendar, world);
            match self.lanes.get_mut(at) {
                Some(place) => *place = Place::Lane(Box::new(lane)),
                None => self.lanes.push(Place::Lane(Box::new(lane))),
            }
            if known.is_none() {
                let lanes = &self.lanes;
                self.index.enter(at, |at| lanes[at].key());
            }
            self.tell_news(at);
        }
        is_whole
    }
}

/// Keys of what a record is to be kept of anew, where any is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ToKeep(Option<BTreeSet<String>>);

impl ToKeep {
    /// From now on records are kept.
    pub(super) fn begin(&mut self) {
        self.0.get_or_insert_default();
    }

    pub(super) fn note(&mut self, key: &str) {
        if let Some(keys) = &mut self.0 {
            keys.insert(key.to_owned());
        }
    }

    /// Those noted since the last call.
    pub(super) fn take(&mut self) -> BTreeSet<String> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// The nodes of a record, by numbers of its own: in another process they have others.
#[derive(Default)]
pub(super) struct NodesOf {
    by_number: Vec<NodeIx>,
    numbers: FxHashMap<NodeIx, u32>,
}

impl NodesOf {
    /// Gives the observation's node its number in the record.
    pub(super) fn number(&mut self, cited: &mut Cited) {
        let nodes = &mut self.by_number;
        cited.node = NodeIx(*self.numbers.entry(cited.node).or_insert_with_key(|&node| {
            nodes.push(node);
            nodes.len() as u32 - 1
        }));
    }

    /// Their names, by number.
    pub(super) fn names(self, registry: &Registry) -> Vec<String> {
        self.by_number.into_iter().map(|node| registry.node(node).name.clone()).collect()
    }
}

impl<W: Watch> Place<W> {
    /// What is to be kept of it for what has changed since then; `None`: at any time.
    fn keep(&mut self, since_ns: Option<i64>, span_ns: i64, stands_ns: i64, registry: &Registry) -> Option<Change> {
        let (lane_key, settled, told, changed_ns, is_kept) = match self {
            Place::Lane(lane) => {
                let told = lane.told_of_settled();
                (lane.key.borrow(), &lane.settled, told, &mut lane.changed_ns, &mut lane.is_kept)
            }
            Place::Rest(rest) => {
                let settled = rest.settled.as_deref()?;
                (rest.key.borrow(), settled, rest.told.clone(), &mut rest.changed_ns, &mut rest.is_kept)
            }
            Place::Vacant => return None,
        };
        // The lane that it was noted of may be gone, and another in its place that has changed since.
        if since_ns.is_some() && *changed_ns != since_ns {
            return None;
        }
        *changed_ns = None;
        let name: String = LaneKey::name(lane_key, registry);
        let key = key(W::NAME, &name);
        let record = settled.is_memorable(span_ns).then(|| record(name, settled, told, stands_ns, registry)).flatten();
        let was_kept = std::mem::replace(is_kept, record.is_some());
        (was_kept || record.is_some()).then_some((key, record))
    }
}

/// Gives the observation its node, by the names of the record that it was read from; false where there is none of that name.
pub(super) fn name_node(cited: &mut Cited, names: &[String], registry: &Registry) -> bool {
    let known = names.get(cited.node.at()).and_then(|name| registry.find(name));
    cited.node = known.unwrap_or(cited.node);
    known.is_some()
}

fn record<W: Watch>(
    lane: String,
    settled: &W,
    told: Vec<Told>,
    stands_ns: i64,
    registry: &Registry,
) -> Option<LaneRecord> {
    let mut watch = settled.clone();
    let mut nodes = NodesOf::default();
    watch.each_cited(&mut |cited| nodes.number(cited));
    Some(LaneRecord {
        rule: W::NAME.to_owned(),
        lane,
        stands_ns,
        nodes: nodes.names(registry),
        told,
        // What numbers JSON can't hold is no state that a watch can go on from.
        watch: serde_json::to_value(watch).ok()?,
    })
}
