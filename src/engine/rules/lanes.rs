//! Order out of disorder: what was seen of one thing, taken in order of time, though it comes out of order.
//!
//! Each tracked object and each node has a lane: a settled state that stands at the watermark, and what was seen
//! since, sorted. Folding the one over the other gives the provisional state, from which alerts are said early; when
//! something comes that belongs before what was folded already, it is folded anew, and what no longer holds is taken
//! back. What has settled depends on the set of observations alone. Lanes in which nothing goes on are at rest.

use super::World;
use super::calendar::{Calendar, Entry};
use super::index::Index;
use super::lane::{Correction, Lane, LaneKey, Scene, Seen, Told, Watch};
use super::memory::{LaneRecord, Memory};
use super::rest::{Brief, Calm, Rest};
use crate::engine::book::{Book, Cited};
use crate::engine::corrections::Corrections;
use crate::model::node::NodeIx;
use crate::model::observation::Id;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};

mod advance;

/// Most lanes of one rule. At it the one that would be due first, which is about the one heard of longest ago, is
/// closed as it stands, its alerts final.
pub const MAX_LANES: usize = 1_000_000;

/// Where a lane stands.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) enum Place<W: Watch> {
    Vacant,
    Lane(Box<Lane<W>>),
    Rest(Rest<W>),
}

impl<W: Watch> Place<W> {
    /// What it is told from others by, if anything stands there.
    pub(super) fn key(&self) -> Option<&W::Key> {
        match self {
            Place::Lane(lane) => Some(lane.key.borrow()),
            Place::Rest(rest) => Some(rest.key.borrow()),
            Place::Vacant => None,
        }
    }

    /// The lane, if it is not at rest.
    pub(super) fn lane_mut(&mut self) -> Option<&mut Lane<W>> {
        match self {
            Place::Lane(lane) => Some(lane),
            _ => None,
        }
    }

    /// What has settled there; of a lane at rest what is known but for what was seen last, if anything is.
    fn settled(&self) -> Option<&W> {
        match self {
            Place::Lane(lane) => Some(&lane.settled),
            Place::Rest(rest) => rest.settled(),
            Place::Vacant => None,
        }
    }

    /// The lane, which does not rest any longer.
    fn wake(&mut self, watermark_ns: i64, world: World<'_>) -> Option<&mut Lane<W>> {
        *self = match std::mem::replace(self, Place::Vacant) {
            Place::Rest(rest) => Place::Lane(Box::new(Lane::woken(rest, watermark_ns, world))),
            other => other,
        };
        self.lane_mut()
    }
}

/// What has settled otherwise in a lane.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct News<W: Watch> {
    pub(super) key: <W::Key as LaneKey>::Kept,
    /// What has ended or was corrected; what lasts is told by the lane.
    pub(super) corrections: Vec<Correction<W::Episode>>,
}

/// The lanes of a rule.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", bound = "")]
pub struct Lanes<W: Watch> {
    pub(super) lanes: Vec<Place<W>>,
    pub(super) vacant: Vec<usize>,
    /// Where each stands.
    #[serde(skip)]
    pub(super) index: Index,
    /// When each lane wants to be looked at, or before.
    pub(super) calendar: Calendar,
    /// What was taken back and may still come.
    corrections: Corrections,
    /// Rows that were looked ahead at, and where the lanes most likely stand.
    #[serde(skip)]
    ahead: VecDeque<(usize, usize)>,
    /// Room for the entries that are due.
    #[serde(skip)]
    due: Vec<Entry>,
    pub(super) watermark_ns: i64,
    late: u64,
    /// So long after a lane has changed a record of it is kept at the latest; `None`: none is.
    pub(super) keep_within_ns: Option<i64>,
    /// Lanes that have changed since they were kept, and since when.
    pub(super) changed: Calendar,
    /// Those of which a record is to be kept now.
    pub(super) to_keep: Vec<Entry>,
    /// Up to when the newest record goes that a lane was made from.
    pub(super) restored_to_ns: i64,
    /// Lanes of which a record is to be kept at once.
    pub(super) urgent: Vec<usize>,
    /// Lanes that were kept and are gone.
    pub(super) gone: Vec<<W::Key as LaneKey>::Kept>,
    /// Records of lanes whose senders are not known yet.
    #[serde(with = "crate::engine::as_named")]
    pub(super) waiting: BTreeMap<String, LaneRecord>,
    /// What has settled otherwise since it was last asked for, by lane; `None` while nobody listens.
    news: Option<Vec<News<W>>>,
    /// A lane may be at rest of which more is known than what was seen last.
    rests: bool,
    /// Lanes never rest: what is said has to be the same.
    #[cfg(test)]
    pub(super) sleepless: bool,
}

impl<W: Watch> Default for Lanes<W> {
    fn default() -> Lanes<W> {
        Lanes {
            lanes: Vec::new(),
            vacant: Vec::new(),
            index: Index::default(),
            calendar: Calendar::default(),
            corrections: Corrections::default(),
            ahead: VecDeque::new(),
            due: Vec::new(),
            watermark_ns: i64::MIN,
            late: 0,
            keep_within_ns: None,
            changed: Calendar::default(),
            to_keep: Vec::new(),
            restored_to_ns: i64::MIN,
            urgent: Vec::new(),
            gone: Vec::new(),
            waiting: BTreeMap::new(),
            news: None,
            rests: false,
            #[cfg(test)]
            sleepless: false,
        }
    }
}

impl<W: Watch> Lanes<W> {
    /// Lanes in use.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none is in use.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Observations that came behind the watermark and changed nothing.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Whether an alert of that key lasts in a lane, or in one of which the record waits.
    pub(super) fn holds(&self, key: &str) -> bool {
        let is_told = |told: &[Told]| told.iter().any(|told| told.key == key);
        !self.waiting.is_empty()
            || self.lanes.iter().any(|place| match place {
                Place::Lane(lane) => is_told(&lane.told),
                Place::Rest(rest) => is_told(&rest.told),
                Place::Vacant => false,
            })
    }

    /// Up to when the lanes have settled, nanoseconds.
    pub fn watermark_ns(&self) -> i64 {
        self.watermark_ns
    }

    /// Lanes of which what has settled is asked for.
    pub(super) fn listened_to() -> Lanes<W> {
        Lanes { news: Some(Vec::new()), ..Lanes::default() }
    }

    /// What has settled otherwise since the last call.
    pub(super) fn take_news(&mut self) -> Vec<News<W>> {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Notes that something has settled in a lane.
    pub(super) fn tell_news(&mut self, at: usize) {
        let Some(lane) = self.lanes[at].lane_mut() else { return };
        let corrections = std::mem::take(&mut lane.news);
        if let Some(news) = &mut self.news
            && lane.settled.is_listened_to()
        {
            news.push(News { key: lane.key.clone(), corrections });
        }
    }

    /// The settled state of that lane; `None` for one at rest, in which nothing has happened.
    pub fn settled(&self, key: &W::Key) -> Option<&W> {
        self.lanes[self.find(key)?].settled()
    }

    /// Where that lane stands, until the next call that may change lanes.
    pub fn find(&self, key: &W::Key) -> Option<usize> {
        self.index.find(key, |at| self.lanes[at].key())
    }

    /// Takes in what was seen in the lane that stands there, where it takes no more than to write it down: it corrects
    /// nothing, and the lane is at rest and stays so. False: all of it is needed, by [`Lanes::observe`].
    pub fn go_on(&mut self, at: usize, next: Brief<'_>, calm: &Calm<W::Common>, world: World<'_>) -> bool {
        // What was taken back before it came is not to be written down.
        let is_taken_back = || self.corrections.of_bytes(next.node, next.id, next.time_ns).is_some();
        match &mut self.lanes[at] {
            Place::Rest(_) if is_taken_back() => false,
            Place::Rest(rest) => {
                let goes_on = next.time_ns >= self.watermark_ns && rest.go_on(next, calm, self.watermark_ns, world);
                if goes_on && self.keep_within_ns.is_some_and(|span_ns| rest.has_news_to_keep(span_ns)) {
                    // It changes what has settled as soon as it has settled itself.
                    rest.changed_ns = Some(next.time_ns);
                    self.changed.enter(next.time_ns, at);
                }
                goes_on
            }
            _ => false,
        }
    }

    /// Takes in what was seen in that lane. `supersedes` is the id of an observation of the same node that it
    /// corrects; what has settled already is corrected no more.
    pub fn observe(&mut self, key: &W::Key, seen: W::Seen, supersedes: Option<Id>, world: World<'_>, book: &mut Book) {
        let &Cited { node, id, time_ns, .. } = seen.cited();
        let late = time_ns < self.watermark_ns;
        self.take_up(key, world);
        if let Some(of) = supersedes {
            self.correct(node, of, time_ns);
        }
        if self.corrections.of(node, id, time_ns).is_some() {
            // Taken back before it came, it still takes back what it corrects.
            if let Some(of) = supersedes {
                self.withdraw(key, node, of, time_ns, world, book);
            }
            return;
        }
        let known = self.find(key);
        if late && known.is_none() {
            // Whether there is a lane hangs on what came first: it counts as much as in one in which nothing was seen.
            let mut lane = Box::new(Lane::new(key.kept()));
            if !lane.recall(&seen, world, book) {
                self.late += 1;
                return;
            }
            let at = self.place(Place::Lane(lane), world, book);
            return self.note_recalled(at, world);
        }
        if known.is_none()
            && supersedes.is_none()
            && self.may_rest()
            && self.is_plain_at_first(key, &seen, world)
            && let Some((first, calm)) = W::brief(&seen, world)
        {
            let rest = Rest::new(key.kept(), first, calm, None);
            let due_ns = rest.due_ns();
            let at = self.place(Place::Rest(rest), world, book);
            return self.calendar.enter(due_ns, at);
        }
        let at = known.unwrap_or_else(|| self.new_lane(key, world, book));
        let was_at_rest = matches!(self.lanes[at], Place::Rest(_));
        let Some(lane) = self.lanes[at].wake(self.watermark_ns, world) else { return };
        if late || time_ns < lane.stands_ns {
            let changed = lane.recall(&seen, world, book);
            self.late += u64::from(late && !changed);
            if changed {
                self.note_recalled(at, world);
            }
        } else {
            lane.observe(seen, supersedes, world, book);
            if !lane.news.is_empty() {
                self.tell_news(at);
            }
        }
        // What was to be told again has been, and no more may come of it.
        if was_at_rest {
            self.lay_to_rest(at, world);
        }
        if let Some(lane) = self.lanes[at].lane_mut() {
            lane.enter(at, &mut self.calendar, world);
        }
    }

    /// What came late has changed what had settled in that lane.
    fn note_recalled(&mut self, at: usize, world: World<'_>) {
        self.tell_news(at);
        self.note_change(at, self.watermark_ns);
        if let Some(lane) = self.lanes[at].lane_mut() {
            lane.enter(at, &mut self.calendar, world);
        }
    }

    /// Looks for the lane of what that row is about, which is to be looked at with others ([`Lanes::look`]); a first row forgets
    /// those before.
    pub fn look_for(&mut self, row: usize, key: &W::Key) {
        if self.ahead.back().is_some_and(|&(last, _)| last >= row) {
            self.ahead.clear();
        }
        self.ahead.extend(self.index.guess(key).map(|at| (row, at)));
    }

    /// Looks at those that were looked for, and then at where each would write down what is seen next: so many looks in a row have
    /// memory waited for once. What it gives means nothing.
    pub fn look(&self) -> u64 {
        let at_rest = self.ahead.iter().filter_map(|&(_, at)| match &self.lanes[at] {
            Place::Rest(rest) => Some(rest),
            _ => None,
        });
        let looked = at_rest.clone().fold(0, |looked, rest| looked ^ rest.look());
        at_rest.fold(looked, |looked, rest| looked ^ rest.look_at_briefs())
    }

    /// Where the lanes stand that were looked for and not asked for yet.
    pub fn ahead(&self) -> impl Iterator<Item = usize> {
        self.ahead.iter().map(|&(_, at)| at)
    }

    /// Where the lane stands that was looked for at that row, if it is the one that is meant.
    pub fn found_ahead(&mut self, row: usize, is_meant: impl Fn(&W::Key) -> bool) -> Option<usize> {
        while self.ahead.front().is_some_and(|&(of, _)| of < row) {
            self.ahead.pop_front();
        }
        let &(_, at) = self.ahead.front().filter(|&&(of, _)| of == row)?;
        self.lanes.get(at).and_then(Place::key).is_some_and(is_meant).then_some(at)
    }

    /// Goes on with a lane of which a record has waited for its sender.
    fn take_up(&mut self, key: &W::Key, world: World<'_>) {
        if !self.waiting.is_empty()
            && self.find(key).is_none()
            && let Some(record) = self.waiting.remove(&key.name(world.registry))
        {
            self.restore(record, world);
        }
    }

    /// Notes that what has settled in a lane has changed by what is no older than that, if it is to be kept.
    fn note_change(&mut self, at: usize, since_ns: i64) {
        if let Some(span_ns) = self.keep_within_ns
            && let Some(lane) = self.lanes[at].lane_mut()
            && lane.changed_ns.is_none()
            && (lane.is_kept || lane.settled.is_memorable(span_ns))
        {
            lane.changed_ns = Some(since_ns);
            self.changed.enter(since_ns, at);
        }
    }

    /// Notes that an observation of `node` is taken back by a correction of that time, so that it is not taken in should it still come;
    /// false where the correction is late, and takes nothing back.
    pub fn correct(&mut self, node: NodeIx, id: Id, time_ns: i64) -> bool {
        let in_time = time_ns >= self.watermark_ns;
        if in_time {
            self.corrections.note(node, id, time_ns);
        }
        in_time
    }

    /// Takes back an observation of `node` in that lane, whether it came already or is still to come.
    pub fn withdraw(&mut self, key: &W::Key, node: NodeIx, id: Id, time_ns: i64, world: World<'_>, book: &mut Book) {
        if !self.correct(node, id, time_ns) {
            self.late += 1;
            return;
        }
        let Some(at) = self.find(key) else { return };
        let Some(lane) = self.lanes[at].wake(self.watermark_ns, world) else { return };
        lane.take_back(node, id, time_ns, world.passed_ns);
        lane.fold(world);
        lane.tell(world, book);
        lane.enter(at, &mut self.calendar, world);
    }

    /// When a lane wants to be looked at next, or before, nanoseconds.
    pub fn first_due_ns(&self) -> Option<i64> {
        self.calendar.first_ns()
    }

    /// What has settled in each lane, but for those at rest of which only is known what was seen last; and where that stands.
    pub fn each_settled(&self) -> impl Iterator<Item = (usize, &W)> {
        self.lanes.iter().enumerate().filter_map(|(at, place)| Some((at, place.settled()?)))
    }

    /// What has settled in each lane that does not rest, and where that stands.
    pub fn each_awake(&self) -> impl Iterator<Item = (usize, &W)> {
        self.lanes.iter().enumerate().filter_map(|(at, place)| match place {
            Place::Lane(lane) => Some((at, &lane.settled)),
            _ => None,
        })
    }

    /// The newest record that a lane was made from stands there, nanoseconds: what others knew by then may be known of it.
    pub fn restored_to_ns(&self) -> i64 {
        self.restored_to_ns
    }

    /// Changes what has settled in the lane that stands there. Where `change` gives true, a record of it is kept at once.
    pub fn change(
        &mut self,
        at: usize,
        world: World<'_>,
        book: &mut Book,
        change: impl FnOnce(&mut W, Scene<'_, W::Key>) -> bool,
    ) {
        let Some(lane) = self.lanes[at].lane_mut() else { return };
        if change(&mut lane.settled, Scene { key: lane.key.borrow(), world }) && self.keep_within_ns.is_some() {
            self.urgent.push(at);
        }
        lane.fold(world);
        lane.tell(world, book);
        lane.enter(at, &mut self.calendar, world);
    }

    /// Goes on with lanes of which a record has waited for its sender, who may be known by now.
    pub fn take_up_waiting(&mut self, world: World<'_>) {
        if !self.waiting.is_empty() {
            for record in std::mem::take(&mut self.waiting).into_values() {
                self.restore(record, world);
            }
        }
    }

    fn may_rest(&self) -> bool {
        #[cfg(test)]
        return !self.sleepless;
        #[cfg(not(test))]
        true
    }

    /// Whether of a lane in which that was seen and nothing else there is no more to know, and no record to be kept.
    fn is_plain_at_first(&self, key: &W::Key, seen: &W::Seen, world: World<'_>) -> bool {
        let mut watch = W::default();
        watch.step(seen, Scene { key, world }, &mut Vec::new());
        watch.is_plain() && self.keep_within_ns.is_none_or(|span_ns| !watch.is_memorable(span_ns))
    }

    /// Makes a new lane, and tells where.
    fn new_lane(&mut self, key: &W::Key, world: World<'_>, book: &mut Book) -> usize {
        self.place(Place::Lane(Box::new(Lane::new(key.kept()))), world, book)
    }

    fn place(&mut self, place: Place<W>, world: World<'_>, book: &mut Book) -> usize {
        if self.index.len() >= MAX_LANES {
            self.close_first(world, book);
        }
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.lanes.push(Place::Vacant);
            self.lanes.len() - 1
        });
        self.lanes[at] = place;
        let lanes = &self.lanes;
        self.index.enter(at, |at| lanes[at].key());
        at
    }

    fn vacate(&mut self, at: usize) {
        let (key, is_kept) = match std::mem::replace(&mut self.lanes[at], Place::Vacant) {
            Place::Vacant => return,
            Place::Rest(rest) => (rest.key, rest.is_kept),
            Place::Lane(lane) => (lane.key, lane.is_kept),
        };
        self.index.strike::<W::Key>(at, key.borrow());
        self.vacant.push(at);
        if is_kept {
            self.gone.push(key);
        }
    }
}
