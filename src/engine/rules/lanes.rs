//! Order out of disorder: what was seen of one thing, taken in order of time, though it comes out of order.
//!
//! Each tracked object and each node has a lane: a settled state that stands at the watermark, and what was seen
//! since, sorted. Folding the one over the other gives the provisional state, from which alerts are said early; when
//! something comes that belongs before what was folded already, it is folded anew, and what no longer holds is taken
//! back. What has settled depends on the set of observations alone.

use super::World;
use super::lane::{Lane, Seen, Watch};
use crate::engine::book::Book;
use crate::model::node::NodeIx;
use crate::model::observation::Id;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Most lanes of one rule. At it the one that would be due first, which is about the one heard of longest ago, is
/// closed as it stands, its alerts final.
pub const MAX_LANES: usize = 200_000;

/// The lanes of a rule.
pub struct Lanes<W: Watch> {
    lanes: Vec<Option<Lane<W>>>,
    vacant: Vec<usize>,
    by_name: FxHashMap<Arc<str>, usize>,
    /// When each lane wants to be looked at; an entry that its lane no longer agrees with is void.
    due: BinaryHeap<Reverse<(i64, usize)>>,
    watermark_ns: i64,
    newest_ns: i64,
    late: u64,
}

impl<W: Watch> Default for Lanes<W> {
    fn default() -> Lanes<W> {
        Lanes {
            lanes: Vec::new(),
            vacant: Vec::new(),
            by_name: FxHashMap::default(),
            due: BinaryHeap::new(),
            watermark_ns: i64::MIN,
            newest_ns: i64::MIN,
            late: 0,
        }
    }
}

impl<W: Watch> Lanes<W> {
    /// Takes note of the time of any observation. Silence is silence only while others are heard: the lanes never
    /// go beyond the newest.
    pub fn note(&mut self, time_ns: i64) {
        self.newest_ns = self.newest_ns.max(time_ns);
    }

    /// Lanes in use.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether none is in use.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Observations that came behind the watermark and changed nothing.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Up to when the lanes have settled, nanoseconds.
    pub fn watermark_ns(&self) -> i64 {
        self.watermark_ns
    }

    /// The settled state of the lane `name`.
    pub fn settled(&self, name: &str) -> Option<&W> {
        self.by_name.get(name).and_then(|&at| self.lanes[at].as_ref()).map(|lane| &lane.settled)
    }

    /// Takes in what was seen in the lane `name`. `supersedes` is the id of an observation of the same node that it
    /// corrects; what has settled already is corrected no more.
    pub fn observe(&mut self, name: &str, seen: W::Seen, supersedes: Option<Id>, world: World<'_>, book: &mut Book) {
        let late = seen.cited().time_ns < self.watermark_ns;
        if late && !self.by_name.contains_key(name) {
            self.late += 1;
            return;
        }
        let at = self.lane_at(name, world, book);
        let Some(lane) = self.lanes[at].as_mut() else { return };
        if late {
            self.late += u64::from(!lane.recall(&seen, world, book));
        } else {
            lane.observe(seen, supersedes, world, book);
        }
        if let Some(due_ns) = lane.reschedule(world) {
            self.due.push(Reverse((due_ns, at)));
        }
    }

    /// Takes back an observation of `node` in the lane `name`, whether it came already or is still to come.
    pub fn withdraw(&mut self, name: &str, node: NodeIx, id: Id, time_ns: i64, world: World<'_>, book: &mut Book) {
        if time_ns < self.watermark_ns {
            self.late += 1;
            return;
        }
        let at = self.lane_at(name, world, book);
        let Some(lane) = self.lanes[at].as_mut() else { return };
        lane.take_back(node, id, time_ns);
        lane.fold(world);
        lane.tell(world, book);
        if let Some(due_ns) = lane.reschedule(world) {
            self.due.push(Reverse((due_ns, at)));
        }
    }

    /// Settles all lanes up to `watermark_ns`, but not beyond the newest observation noted.
    pub fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        let watermark_ns = watermark_ns.min(self.newest_ns.saturating_add(1));
        if watermark_ns <= self.watermark_ns {
            return;
        }
        self.watermark_ns = watermark_ns;
        let mut again = Vec::new();
        while let Some(&Reverse((due_ns, at))) = self.due.peek()
            && due_ns <= watermark_ns
        {
            self.due.pop();
            let Some(lane) = self.lanes[at].as_mut().filter(|lane| lane.due_ns == Some(due_ns)) else { continue };
            lane.due_ns = None;
            lane.settle(watermark_ns, world, book);
            if lane.spent() {
                self.vacate(at);
            } else if let Some(due_ns) = lane.reschedule(world) {
                again.push(Reverse((due_ns, at)));
            }
        }
        self.due.extend(again);
    }

    /// Where the lane of that name stands; a new one if there was none.
    fn lane_at(&mut self, name: &str, world: World<'_>, book: &mut Book) -> usize {
        if let Some(&at) = self.by_name.get(name) {
            return at;
        }
        if self.by_name.len() >= MAX_LANES {
            self.close_first(world, book);
        }
        let name: Arc<str> = name.into();
        let lane = Lane::new(name.clone());
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.lanes.push(None);
            self.lanes.len() - 1
        });
        self.lanes[at] = Some(lane);
        self.by_name.insert(name, at);
        at
    }

    fn vacate(&mut self, at: usize) {
        if let Some(lane) = self.lanes[at].take() {
            self.by_name.remove(&lane.name);
            self.vacant.push(at);
        }
    }

    fn close_first(&mut self, world: World<'_>, book: &mut Book) {
        while let Some(Reverse((due_ns, at))) = self.due.pop() {
            let Some(lane) = self.lanes[at].as_ref().filter(|lane| lane.due_ns == Some(due_ns)) else { continue };
            lane.close(world, book);
            return self.vacate(at);
        }
        // None is due, so each waits for something that may never come; any will do.
        if let Some(at) = self.lanes.iter().position(Option::is_some) {
            self.vacate(at);
        }
    }
}
