//! Final events as they are written down with what their region has learnt, for who goes on: reports that come later, and
//! rounds of the same guns, are weighed against these to the last bit.

use super::Finals;
use crate::engine::settled::Settled;
use crate::model::node::{NodeIx, Registry};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// The newest so many are written down; who goes on amends no others.
pub const MAX_KEPT: usize = 4_096;
/// Events written down together: a record of Kafka holds so many.
const TOGETHER: usize = 100;

/// Some final events of a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalsRecord {
    /// Which of the region's the first is.
    pub first: u64,
    /// Who is named in them: they have places in here for nodes.
    pub nodes: Vec<String>,
    /// The events, and whether pairing has looked at each.
    pub events: Vec<(Settled, bool)>,
}

impl Finals {
    /// The first of those from `since_ns` on that are written down.
    fn first_since(&self, since_ns: i64) -> usize {
        let since = self.newest_ns.partition_point(|&newest_ns| newest_ns < since_ns);
        since.max(self.events.len().saturating_sub(MAX_KEPT))
    }

    /// From when on all there are are written down of those from `since_ns` on, nanoseconds; `None` if there never were others.
    pub fn recorded_from_ns(&self, since_ns: i64) -> Option<i64> {
        match self.first_since(since_ns).checked_sub(1) {
            Some(last) => Some(self.newest_ns[last].saturating_add(1).max(since_ns)),
            None => (self.forgotten > 0).then_some(since_ns),
        }
    }

    /// Those from `since_ns` on.
    pub fn record(&self, since_ns: i64, registry: &Registry) -> Vec<FinalsRecord> {
        let since = self.first_since(since_ns);
        let all: Vec<usize> = (since..self.events.len()).collect();
        let records = all.chunks(TOGETHER).map(|some| {
            let (mut nodes, mut known) = (Vec::new(), FxHashMap::default());
            let mut named = |node: NodeIx| {
                Some(*known.entry(node).or_insert_with(|| {
                    nodes.push(registry.node(node).name.clone());
                    NodeIx(nodes.len() as u32 - 1)
                }))
            };
            let mut events = Vec::with_capacity(some.len());
            for &at in some {
                // They stand in the order in which they came.
                let is_paired = self.unpaired.binary_search(&(self.forgotten + at as u64)).is_err();
                let mut event = Settled::clone(&self.events[at]);
                if event.is_sound() && event.rename(&mut named).is_some() {
                    events.push((event, is_paired));
                }
            }
            FinalsRecord { first: self.forgotten + some[0] as u64, nodes, events }
        });
        records.collect()
    }

    /// From what was written down. Events of which a node is in the registry no more are left out.
    pub fn restored(mut records: Vec<FinalsRecord>, registry: &Registry) -> Finals {
        records.sort_by_key(|record| record.first);
        let mut finals = Finals::default();
        for record in records {
            let nodes: Vec<Option<NodeIx>> = record.nodes.iter().map(|name| registry.find(name)).collect();
            let mut found = |node: NodeIx| nodes.get(node.at()).copied().flatten();
            for (mut event, is_paired) in record.events {
                if event.rename(&mut found).is_some() {
                    finals.push(event);
                    if is_paired {
                        finals.unpaired.pop();
                    }
                }
            }
        }
        finals
    }

    /// Whether an event is among the newest.
    pub fn has(&self, key: &str) -> bool {
        self.events.iter().rev().take(MAX_KEPT).any(|event| event.claim.key == key)
    }
}
