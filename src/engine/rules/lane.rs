//! One lane: what is made of the observations of one thing, in order of time, and what was said of it.

use super::World;
use super::calendar::Calendar;
use super::episode::say;
pub use super::episode::{Correction, Episode, Extent, Told};
use super::rest::{Brief, Calm, Rest};
use crate::engine::book::{Book, Cited, Stage};
use crate::engine::corrections::can_be_about;
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::Id;
use crate::model::time::ns_from_s;
use compact_str::CompactString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::hash::Hash;

/// Most observations of one lane that wait for the watermark. At it the oldest is settled before its time.
pub const MAX_PENDING: usize = 4096;

/// What a watch is told besides what was seen.
pub struct Scene<'a, K: ?Sized = str> {
    /// What the lane is told from others by.
    pub key: &'a K,
    /// Registry, areas, settings.
    pub world: World<'a>,
}

impl<K: ?Sized> Clone for Scene<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized> Copy for Scene<'_, K> {}

/// One thing that was seen.
pub trait Seen: Clone {
    /// The observation.
    fn cited(&self) -> &Cited;
}

/// What lanes are told apart by, in this process, and what that is called in every process.
pub trait LaneKey: Eq + Hash {
    /// As a lane has it, where it is found without another look at memory.
    type Kept: Borrow<Self> + Clone + Send + Serialize + DeserializeOwned;

    /// The key to keep.
    fn kept(&self) -> Self::Kept;

    /// Looks at it; what it gives means nothing.
    fn look(&self) -> u64;

    /// What a lane is called.
    fn name(&self, registry: &Registry) -> String;

    /// The key of the lane that is called so; `None` if there can't be one yet.
    fn of_name(name: &str, registry: &Registry) -> Option<Self::Kept>;
}

impl LaneKey for str {
    type Kept = CompactString;

    fn kept(&self) -> CompactString {
        self.into()
    }

    fn look(&self) -> u64 {
        self.len() as u64 ^ u64::from(self.as_bytes().first().copied().unwrap_or(0))
    }

    fn name(&self, _registry: &Registry) -> String {
        self.to_owned()
    }

    fn of_name(name: &str, _registry: &Registry) -> Option<CompactString> {
        Some(name.into())
    }
}

impl LaneKey for NodeIx {
    type Kept = NodeIx;

    fn kept(&self) -> NodeIx {
        *self
    }

    fn look(&self) -> u64 {
        u64::from(self.0)
    }

    fn name(&self, registry: &Registry) -> String {
        registry.node(*self).name.clone()
    }

    fn of_name(name: &str, registry: &Registry) -> Option<NodeIx> {
        registry.find(name)
    }
}

/// What is made of one lane, in order of time.
pub trait Watch: Clone + Default + Send + Serialize + DeserializeOwned {
    /// What its lanes are of, in a word.
    const NAME: &'static str;

    /// What its lanes are told apart by: a name, or what stands for one.
    type Key: LaneKey + ?Sized;
    /// What it sees.
    type Seen: Seen + Send + Serialize + DeserializeOwned;
    /// What it finds.
    type Episode: Episode + Send + Serialize + DeserializeOwned;
    /// What all that is seen has in common while a lane rests.
    type Common: Clone + PartialEq + Send + Serialize + DeserializeOwned;

    /// Nothing more is seen before `now_ns`. Going there in several steps must come to the same as in one.
    fn quiet(&mut self, now_ns: i64, scene: Scene<'_, Self::Key>, ended: &mut Vec<Self::Episode>);

    /// The next thing is seen; `quiet` up to its time has been called.
    fn step(&mut self, seen: &Self::Seen, scene: Scene<'_, Self::Key>, ended: &mut Vec<Self::Episode>);

    /// The episodes that last.
    fn lasting(&self) -> impl Iterator<Item = &Self::Episode>;

    /// When `quiet` will next change something.
    fn due_ns(&self, world: World<'_>) -> Option<i64>;

    /// Whether there is nothing in it to remember.
    fn spent(&self) -> bool;

    /// Whether there is something in it that would not be known from what was seen in the last `span_ns`.
    fn is_memorable(&self, span_ns: i64) -> bool;

    /// Whether who listens wants to hear of it when something settles.
    fn is_listened_to(&self) -> bool {
        true
    }

    /// Goes through all observations in it.
    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited));

    /// If nothing goes on in it: what was seen last, and for how long nothing comes of it while nothing goes on. A watch that
    /// never rests has nothing to say here and below.
    fn at_rest(&self, _world: World<'_>) -> Option<(Brief<'_>, Calm<Self::Common>)> {
        None
    }

    /// Whether all there is to know of it, at rest, is what was seen last.
    fn is_plain(&self) -> bool {
        true
    }

    /// Whether that is still so when this is seen next, as calm as the rest.
    fn stays_plain(_next: Brief<'_>) -> bool {
        true
    }

    /// What was seen in brief, and for how long nothing comes of it while nothing goes on; `None`: something comes of it
    /// at once. What is seen in the meantime, and is as calm, ends nothing and begins nothing; if it is plain, it changes nothing but
    /// what was seen last.
    fn brief<'a>(_seen: &'a Self::Seen, _world: World<'_>) -> Option<(Brief<'a>, Calm<Self::Common>)> {
        None
    }

    /// Whether nothing comes of it either that this is seen after that, where it is not plain. It may have settled
    /// some of what was seen before, or all.
    fn goes_on(&self, _last: Brief<'_>, _next: Brief<'_>, _calm: &Calm<Self::Common>, _world: World<'_>) -> bool {
        true
    }

    /// What was seen, from that.
    fn seen(_brief: Brief<'_>, _calm: &Calm<Self::Common>) -> Option<Self::Seen> {
        None
    }

    /// Something comes behind the watermark. What it changes in the past goes to `corrections`; false if it changes
    /// nothing, which is what happens unless a watch knows better.
    fn recall(
        &mut self,
        _seen: &Self::Seen,
        _scene: Scene<'_, Self::Key>,
        _corrections: &mut Vec<Correction<Self::Episode>>,
    ) -> bool {
        false
    }
}

/// The settled state of one thing, and what was seen since.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Lane<W: Watch> {
    pub(super) key: <W::Key as LaneKey>::Kept,
    pub(super) settled: W,
    pending: VecDeque<W::Seen>,
    /// `settled` with `pending` folded over it, and what ended on the way.
    provisional: W,
    ended: Vec<W::Episode>,
    /// The version of the places with which it was folded.
    folded_with: u64,
    pub(super) told: Vec<Told>,
    /// What has ended or was corrected, for who listens.
    pub(super) news: Vec<Correction<W::Episode>>,
    /// The first entries in the calendar for what is pending and for what has settled; later ones are void.
    pub(super) entered_ns: [Option<i64>; 2],
    /// All that was seen of before that time is in what has settled: it comes from a record.
    pub(super) stands_ns: i64,
    /// What has settled has changed since it was last kept, by nothing older than that.
    pub(super) changed_ns: Option<i64>,
    /// Whether a record is kept of it.
    pub(super) is_kept: bool,
}

impl<W: Watch> Lane<W> {
    pub(super) fn new(key: <W::Key as LaneKey>::Kept) -> Lane<W> {
        Lane {
            key,
            settled: W::default(),
            pending: VecDeque::new(),
            provisional: W::default(),
            ended: Vec::new(),
            folded_with: 0,
            told: Vec::new(),
            news: Vec::new(),
            entered_ns: [None; 2],
            stands_ns: i64::MIN,
            changed_ns: None,
            is_kept: false,
        }
    }

    /// A lane as it was kept.
    pub(super) fn restored(key: <W::Key as LaneKey>::Kept, settled: W, stands_ns: i64, told: Vec<Told>) -> Lane<W> {
        Lane { provisional: settled.clone(), settled, told, stands_ns, is_kept: true, ..Lane::new(key) }
    }

    /// The lane that was at rest.
    pub(super) fn woken(mut rest: Rest<W>, watermark_ns: i64, world: World<'_>) -> Lane<W> {
        let (settled, pending) = rest.unpack(watermark_ns, world);
        let Rest { key, entered_ns, changed_ns, is_kept, told, .. } = rest;
        let entered_ns = [None, Some(entered_ns)];
        // What is pending may yet come to be preceded: its change is noted when it settles.
        let changed_ns = changed_ns.filter(|&since_ns| since_ns < watermark_ns);
        let mut lane = Lane { settled, pending, told, entered_ns, changed_ns, is_kept, ..Lane::new(key) };
        lane.fold(world);
        lane
    }

    /// The lane at rest if nothing goes on in it: nothing begins or ends in what is pending, and nothing is to be told again.
    pub(super) fn rest(&self, watermark_ns: i64, world: World<'_>) -> Option<Rest<W>> {
        let lasts = |told: &Told| self.settled.lasting().any(|episode| episode.key() == told.key);
        let is_idle = self.ended.is_empty() && self.told.iter().all(lasts);
        if !is_idle || self.stands_ns > watermark_ns {
            return None;
        }
        let (last, calm) = self.settled.at_rest(world)?;
        let is_plain = self.settled.is_plain() && self.provisional.is_plain();
        // Of what is plain no record is kept.
        if is_plain && (self.is_kept || self.changed_ns.is_some()) {
            return None;
        }
        let settled = (!is_plain).then(|| Box::new(self.settled.clone()));
        let mut rest = Rest::new(self.key.clone(), last, calm, settled);
        (rest.is_kept, rest.changed_ns) = (self.is_kept, self.changed_ns);
        let mut pending = self.pending.iter().map(|seen| W::brief(seen, world));
        let goes_on = pending.all(|next| next.is_some_and(|(next, calm)| rest.go_on(next, &calm, watermark_ns, world)));
        for told in &self.told {
            let now = self.provisional.lasting().find(|episode| episode.key() == told.key)?.extent();
            let (seen, newest_ns) = told.extent.say_again_at();
            rest.told(told.clone(), seen.saturating_sub(now.seen), newest_ns);
        }
        (goes_on && rest.due_ns() > watermark_ns).then_some(rest)
    }

    /// How far the episodes that last in what has settled have been told.
    pub(super) fn told_of_settled(&self) -> Vec<Told> {
        let lasts = |told: &&Told| self.settled.lasting().any(|episode| episode.key() == told.key);
        self.told.iter().filter(lasts).cloned().collect()
    }

    /// Whether it may be forgotten.
    pub(super) fn spent(&self) -> bool {
        self.pending.is_empty() && self.settled.spent()
    }

    /// Takes in what was seen after the watermark.
    pub(super) fn observe(&mut self, seen: W::Seen, supersedes: Option<Id>, world: World<'_>, book: &mut Book) {
        let cited = *seen.cited();
        if let Some(id) = supersedes {
            self.take_back(cited.node, id, cited.time_ns, world.passed_ns);
        }
        // Equal times are told apart by the id and the node's name: its index depends on who came first.
        let order = |cited: &Cited| (cited.id, world.registry.node(cited.node).name.as_str());
        let is_before = |known: &W::Seen| {
            let known = known.cited();
            known.time_ns < cited.time_ns || known.time_ns == cited.time_ns && order(known) <= order(&cited)
        };
        // Most come in order.
        let place = match self.pending.back() {
            Some(newest) if !is_before(newest) => self.pending.partition_point(is_before),
            _ => self.pending.len(),
        };
        let newest = place == self.pending.len();
        self.pending.insert(place, seen);
        if self.pending.len() > MAX_PENDING {
            self.settle_first(world, book);
            self.fold(world);
        } else if newest && supersedes.is_none() {
            let scene = Scene { key: self.key.borrow(), world };
            self.provisional.quiet(cited.time_ns, scene, &mut self.ended);
            self.provisional.step(&self.pending[place], scene, &mut self.ended);
        } else {
            self.fold(world);
        }
        self.tell(world, book);
    }

    /// Takes in what was seen before the watermark but came after it; false if it changes nothing.
    pub(super) fn recall(&mut self, seen: &W::Seen, world: World<'_>, book: &mut Book) -> bool {
        let mut corrections = Vec::new();
        let changed = self.settled.recall(seen, Scene { key: self.key.borrow(), world }, &mut corrections);
        for correction in &corrections {
            match correction {
                Correction::Was(episode) => {
                    self.told.retain(|told| told.key != episode.key());
                    say(episode, Stage::Final, world, book);
                }
                Correction::WasNot(key) => book.retract(key),
            }
        }
        self.news.append(&mut corrections);
        if changed {
            self.fold(world);
            self.tell(world, book);
        }
        changed
    }

    /// Says what is known as final, for it will be forgotten.
    pub(super) fn close(&self, world: World<'_>, book: &mut Book) {
        for episode in self.ended.iter().chain(self.provisional.lasting()) {
            say(episode, Stage::Final, world, book);
        }
    }

    /// Gives up an observation by a correction of that time, nanoseconds. What is older than `passed_ns` counts as settled though
    /// it may still be pending: how far the lane has settled hangs on how the stream was cut and on other partitions.
    pub(super) fn take_back(&mut self, node: NodeIx, id: Id, time_ns: i64, passed_ns: i64) {
        let is_meant = |it: &Cited| (it.node, it.id) == (node, id) && it.time_ns >= passed_ns;
        self.pending.retain(|seen| !is_meant(seen.cited()) || !can_be_about(time_ns, seen.cited().time_ns));
    }

    /// Folds what is pending over what has settled.
    pub(super) fn fold(&mut self, world: World<'_>) {
        let scene = Scene { key: self.key.borrow(), world };
        self.provisional = self.settled.clone();
        self.ended.clear();
        self.folded_with = world.places.version();
        for seen in &self.pending {
            self.provisional.quiet(seen.cited().time_ns, scene, &mut self.ended);
            self.provisional.step(seen, scene, &mut self.ended);
        }
    }

    pub(super) fn settle(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        let scene = Scene { key: self.key.borrow(), world };
        let mut ended = Vec::new();
        let ripe = self.pending.partition_point(|seen| seen.cited().time_ns < watermark_ns);
        for seen in self.pending.drain(..ripe) {
            self.settled.quiet(seen.cited().time_ns, scene, &mut ended);
            self.settled.step(&seen, scene, &mut ended);
        }
        self.settled.quiet(watermark_ns, scene, &mut ended);
        self.conclude(&ended, world, book);
        // Settling moves the boundary between settled and pending; what both together come to stays, unless the areas
        // changed. What ended in the settled state had ended in the provisional one before anything else did.
        if self.folded_with != world.places.version() || self.pending.is_empty() && !ended.is_empty() {
            self.fold(world);
        } else if self.pending.is_empty() {
            // Nothing ended in the settled state, so nothing does here.
            let scene = Scene { key: self.key.borrow(), world };
            self.provisional.quiet(watermark_ns, scene, &mut self.ended);
        } else {
            self.ended.drain(..ended.len().min(self.ended.len()));
        }
        self.tell(world, book);
    }

    fn settle_first(&mut self, world: World<'_>, book: &mut Book) {
        let scene = Scene { key: self.key.borrow(), world };
        let mut ended = Vec::new();
        let Some(first) = self.pending.pop_front() else { return };
        self.settled.quiet(first.cited().time_ns, scene, &mut ended);
        self.settled.step(&first, scene, &mut ended);
        self.conclude(&ended, world, book);
    }

    fn conclude(&mut self, ended: &[W::Episode], world: World<'_>, book: &mut Book) {
        for episode in ended {
            say(episode, Stage::Final, world, book);
            self.told.retain(|told| told.key != episode.key());
        }
        self.news.extend(ended.iter().cloned().map(Correction::Was));
    }

    /// Says what is new in the provisional state and takes back what no longer holds.
    pub(super) fn tell(&mut self, world: World<'_>, book: &mut Book) {
        let mut holds = 0;
        for episode in self.ended.iter().chain(self.provisional.lasting()).filter(|episode| episode.is_told(world)) {
            let extent = episode.extent();
            // What holds is brought to the front, so that the rest is what no longer does.
            let at = match self.told.iter().position(|told| told.key == episode.key()) {
                Some(at) => {
                    if extent.outgrows(&self.told[at].extent) {
                        self.told[at].extent = extent;
                        say(episode, Stage::Open, world, book);
                    }
                    at
                }
                None => {
                    self.told.push(Told { key: episode.key().to_owned(), extent });
                    say(episode, Stage::Open, world, book);
                    self.told.len() - 1
                }
            };
            self.told.swap(holds, at);
            holds += 1;
        }
        for told in self.told.drain(holds..) {
            book.retract(&told.key);
        }
    }

    /// When what is pending and what has settled are next to be looked at.
    fn dues_ns(&self, world: World<'_>) -> [Option<i64>; 2] {
        let pending_ns = self.pending.front().map(|seen| seen.cited().time_ns.saturating_add(1));
        [pending_ns, self.settled.due_ns(world)]
    }

    /// When the lane is next to be looked at.
    pub(super) fn due_ns(&self, world: World<'_>) -> Option<i64> {
        self.dues_ns(world).into_iter().flatten().min()
    }

    /// Enters it in the calendar under `number`, where it is not entered for that time or before. What has settled
    /// mostly wants to be looked at later and later: its entry stays as it is, and is made anew when it has come.
    pub(super) fn enter(&mut self, number: usize, calendar: &mut Calendar, world: World<'_>) {
        let dues_ns = self.dues_ns(world);
        for (entered_ns, due_ns) in self.entered_ns.iter_mut().zip(dues_ns) {
            if let Some(due_ns) = due_ns
                && entered_ns.is_none_or(|entered_ns| due_ns < entered_ns)
            {
                calendar.enter(due_ns, number);
                *entered_ns = Some(due_ns);
            }
        }
    }

    /// An entry at that time has come; false if it is void.
    pub(super) fn has_come(&mut self, due_ns: i64) -> bool {
        let mut holds = false;
        for entered_ns in &mut self.entered_ns {
            if *entered_ns == Some(due_ns) {
                (*entered_ns, holds) = (None, true);
            }
        }
        holds
    }
}

/// Seconds of the configuration as nanoseconds, never negative.
pub(super) fn span_ns(seconds: f64) -> i64 {
    ns_from_s(seconds.max(0.0))
}
