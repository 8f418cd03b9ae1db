//! Order out of disorder: what was seen of one thing, taken in order of time, though it comes out of order.
//!
//! Each tracked object and each node has a lane: a settled state that stands at the watermark, and what was seen
//! since, sorted. Folding the one over the other gives the provisional state, from which alerts are said early; when
//! something comes that belongs before what was folded already, it is folded anew, and what no longer holds is taken
//! back. What has settled depends on the set of observations alone.

use super::World;
use crate::engine::book::{Book, Cited, Claim, Stage};
use crate::model::node::NodeIx;
use crate::model::observation::Id;
use crate::model::time::{NS_PER_S, ns_from_s};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Most lanes of one rule. At it the one that would be due first, which is about the one heard of longest ago, is
/// closed as it stands, its alerts final.
pub const MAX_LANES: usize = 200_000;

/// Most observations of one lane that wait for the watermark. At it the oldest is settled before its time.
pub const MAX_PENDING: usize = 4096;

/// What lasts is said again once so much event time has passed, or its evidence has doubled.
const SAY_AGAIN_AFTER_NS: i64 = 30 * NS_PER_S;

/// What a watch is told besides what was seen.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The lane's name.
    pub name: &'a str,
    /// Registry, areas, settings.
    pub world: World<'a>,
}

/// One thing that was seen.
pub trait Seen: Clone {
    /// The observation.
    fn cited(&self) -> &Cited;
}

/// Something that begins, may last, and ends.
pub trait Episode: Clone {
    /// The claim's key: the same from its beginning to its end.
    fn key(&self) -> &str;
    /// How many observations it rests on, and the time of the newest, nanoseconds.
    fn extent(&self) -> (u64, i64);
    /// What it claims.
    fn claim(&self, world: World<'_>) -> Claim;
}

/// What is made of one lane, in order of time.
pub trait Watch: Clone + Default + Send {
    /// What it sees.
    type Seen: Seen + Send;
    /// What it finds.
    type Episode: Episode + Send;

    /// Nothing more is seen before `now_ns`. Going there in several steps must come to the same as in one.
    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Self::Episode>);

    /// The next thing is seen; `quiet` up to its time has been called.
    fn step(&mut self, seen: &Self::Seen, scene: Scene<'_>, ended: &mut Vec<Self::Episode>);

    /// The episodes that last.
    fn lasting(&self) -> impl Iterator<Item = &Self::Episode>;

    /// When `quiet` will next change something.
    fn due_ns(&self, world: World<'_>) -> Option<i64>;

    /// Whether there is nothing in it to remember.
    fn spent(&self) -> bool;
}

struct Told {
    key: String,
    ended: bool,
    seen: u64,
    newest_ns: i64,
}

struct Lane<W: Watch> {
    name: Arc<str>,
    settled: W,
    pending: Vec<W::Seen>,
    /// `settled` with `pending` folded over it, and what ended on the way.
    provisional: W,
    ended: Vec<W::Episode>,
    /// The version of the places with which it was folded.
    folded_with: u64,
    told: Vec<Told>,
    /// Observations taken back before they came, with the time of what took them back.
    taken_back: Vec<(NodeIx, Id, i64)>,
    due_ns: Option<i64>,
}

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

    /// Observations that came behind the watermark. They change nothing here: what settled stands.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Takes in what was seen in the lane `name`. `supersedes` is the id of an observation of the same node that it
    /// corrects.
    pub fn observe(&mut self, name: &str, seen: W::Seen, supersedes: Option<Id>, world: World<'_>, book: &mut Book) {
        let cited = *seen.cited();
        if cited.time_ns < self.watermark_ns {
            self.late += 1;
            return;
        }
        let at = self.lane_at(name, world, book);
        let Some(lane) = self.lanes[at].as_mut() else { return };
        if let Some(id) = supersedes {
            lane.take_back(cited.node, id, cited.time_ns);
        }
        if lane.taken_back.iter().any(|&(node, id, _)| (node, id) == (cited.node, cited.id)) {
            return;
        }
        let order = |seen: &W::Seen| (seen.cited().time_ns, seen.cited().id);
        let name_of = |seen: &W::Seen| world.registry.node(seen.cited().node).name.as_str();
        let place =
            lane.pending.partition_point(|known| (order(known), name_of(known)) <= (order(&seen), name_of(&seen)));
        let last = place == lane.pending.len() && supersedes.is_none();
        lane.pending.insert(place, seen);
        if lane.pending.len() > MAX_PENDING {
            lane.settle_first(world, book);
        }
        if last && lane.pending.len() > place {
            let scene = Scene { name: &lane.name, world };
            lane.provisional.quiet(cited.time_ns, scene, &mut lane.ended);
            lane.provisional.step(&lane.pending[place], scene, &mut lane.ended);
        } else {
            lane.fold(world);
        }
        lane.tell(world, book);
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

    /// Settles all lanes up to `watermark_ns`, but not beyond the newest observation.
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
            if lane.pending.is_empty() && lane.taken_back.is_empty() && lane.settled.spent() {
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
        let lane = Lane {
            name: name.clone(),
            settled: W::default(),
            pending: Vec::new(),
            provisional: W::default(),
            ended: Vec::new(),
            folded_with: 0,
            told: Vec::new(),
            taken_back: Vec::new(),
            due_ns: None,
        };
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
            for episode in lane.ended.iter().chain(lane.provisional.lasting()) {
                say(episode, Stage::Final, world, book);
            }
            return self.vacate(at);
        }
        // None is due, so each waits for something that may never come; any will do.
        if let Some(at) = self.lanes.iter().position(Option::is_some) {
            self.vacate(at);
        }
    }
}

impl<W: Watch> Lane<W> {
    fn take_back(&mut self, node: NodeIx, id: Id, time_ns: i64) {
        self.pending.retain(|seen| (seen.cited().node, seen.cited().id) != (node, id));
        if self.taken_back.len() == MAX_PENDING {
            self.taken_back.remove(0);
        }
        self.taken_back.push((node, id, time_ns));
    }

    /// Folds what is pending over what has settled.
    fn fold(&mut self, world: World<'_>) {
        let scene = Scene { name: &self.name, world };
        self.provisional = self.settled.clone();
        self.ended.clear();
        self.folded_with = world.places.version();
        for seen in &self.pending {
            self.provisional.quiet(seen.cited().time_ns, scene, &mut self.ended);
            self.provisional.step(seen, scene, &mut self.ended);
        }
    }

    fn settle(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        let scene = Scene { name: &self.name, world };
        let mut ended = Vec::new();
        let ripe = self.pending.partition_point(|seen| seen.cited().time_ns < watermark_ns);
        for seen in self.pending.drain(..ripe) {
            self.settled.quiet(seen.cited().time_ns, scene, &mut ended);
            self.settled.step(&seen, scene, &mut ended);
        }
        self.settled.quiet(watermark_ns, scene, &mut ended);
        self.taken_back.retain(|&(_, _, time_ns)| time_ns >= watermark_ns);
        self.conclude(&ended, world, book);
        // Settling moves the boundary between settled and pending; what both together come to stays, unless something
        // ended or the areas changed.
        let same = ended.is_empty() && self.ended.is_empty() && self.folded_with == world.places.version();
        if !same || self.pending.is_empty() {
            self.fold(world);
        }
        self.tell(world, book);
    }

    fn settle_first(&mut self, world: World<'_>, book: &mut Book) {
        let scene = Scene { name: &self.name, world };
        let mut ended = Vec::new();
        let first = self.pending.remove(0);
        self.settled.quiet(first.cited().time_ns, scene, &mut ended);
        self.settled.step(&first, scene, &mut ended);
        self.conclude(&ended, world, book);
        self.fold(world);
    }

    fn conclude(&mut self, ended: &[W::Episode], world: World<'_>, book: &mut Book) {
        for episode in ended {
            say(episode, Stage::Final, world, book);
            self.told.retain(|told| told.key != episode.key());
        }
    }

    /// Says what is new in the provisional state and takes back what no longer holds.
    fn tell(&mut self, world: World<'_>, book: &mut Book) {
        let ended = self.ended.iter().map(|episode| (true, episode));
        let lasting = self.provisional.lasting().map(|episode| (false, episode));
        let mut holds = 0;
        for (ended, episode) in ended.chain(lasting) {
            let (seen, newest_ns) = episode.extent();
            // What holds is brought to the front, so that the rest is what no longer does.
            match self.told.iter().position(|told| told.key == episode.key()) {
                None => {
                    let key = episode.key().to_owned();
                    self.told.push(Told { key, ended, seen, newest_ns });
                    say(episode, Stage::Open, world, book);
                    let last = self.told.len() - 1;
                    self.told.swap(holds, last);
                }
                Some(at) => {
                    let told = &mut self.told[at];
                    if told.ended != ended
                        || seen >= told.seen.saturating_mul(2)
                        || newest_ns >= told.newest_ns.saturating_add(SAY_AGAIN_AFTER_NS)
                    {
                        (told.ended, told.seen, told.newest_ns) = (ended, seen, newest_ns);
                        say(episode, Stage::Open, world, book);
                    }
                    self.told.swap(holds, at);
                }
            }
            holds += 1;
        }
        for told in self.told.drain(holds..) {
            book.retract(&told.key);
        }
    }

    /// When the lane is next to be looked at, if that is news.
    fn reschedule(&mut self, world: World<'_>) -> Option<i64> {
        let pending_ns = self.pending.first().map(|seen| seen.cited().time_ns.saturating_add(1));
        let taken_back_ns = self.taken_back.iter().map(|&(_, _, time_ns)| time_ns.saturating_add(1)).min();
        let due_ns = [pending_ns, taken_back_ns, self.settled.due_ns(world)].into_iter().flatten().min();
        if due_ns == self.due_ns {
            return None;
        }
        self.due_ns = due_ns;
        due_ns
    }
}

fn say<E: Episode>(episode: &E, stage: Stage, world: World<'_>, book: &mut Book) {
    book.say(episode.claim(world), stage, world.registry, world.places, world.settings);
}

/// Seconds of the configuration as nanoseconds, never negative.
pub(super) fn span_ns(seconds: f64) -> i64 {
    ns_from_s(seconds.max(0.0))
}
