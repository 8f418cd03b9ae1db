//! Event time: a clock per partition, moved by data alone, and the watermark that all of them have passed.
//!
//! A partition's clock is the newest time accepted from it, but never beyond the stream's clock, which is the
//! newest time that *two* nodes have reached: one node far ahead of all others drags nothing.
//!
//! An observation more than `max_future_s` ahead of the stream's clock is held back. Partitions are read at different
//! speeds, so it may only have been read early. It is let in when the stream comes near it, or when most of the nodes
//! heard since are ahead too (after a gap in all data). It is refused when two nodes of its own partition have
//! gone on for `max_future_s` without it, or when every partition has been read to its end since and then the stream
//! has gone on for so long.

mod clocks;

use self::clocks::Clocks;
use super::in_order;
use super::settings::Settings;
use crate::model::node::NodeIx;
use crate::model::time::ns_from_s;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where an observation stands in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The watermark has not passed it.
    InTime,
    /// The watermark has passed it, the amend horizon has not.
    Late,
    /// Its own partition has passed it, whatever the watermark did: the partition alone would have moved that so far.
    Behind {
        /// Nanoseconds.
        passed_ns: i64,
    },
    /// Behind the amend horizon of its partition.
    TooLate,
    /// So far ahead of the stream that it must be borne out first.
    Ahead,
}

/// A partition, as the shell numbers topics.
pub type Partition = (u16, i32);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct PartitionClock {
    newest_ns: i64,
    /// How far its nodes have come.
    leaders: Leaders,
    /// How far what was read of it elsewhere went.
    resumed_ns: i64,
    caught_up: bool,
    /// Where somebody else reads it: how far the stream had come, at least, when that one last looked and there was no more.
    vouched_to_ns: Option<i64>,
    /// Since its first line that is held back: how far it was, and who has gone on.
    doubt: Option<(i64, Leaders)>,
}

impl PartitionClock {
    const UNHEARD: PartitionClock = PartitionClock {
        newest_ns: i64::MIN,
        leaders: Leaders { first: None, second: None },
        resumed_ns: i64::MIN,
        caught_up: false,
        vouched_to_ns: None,
        doubt: None,
    };

    /// What two of its nodes have reached, or the only one: one that is ahead makes no line of the others late.
    fn reached_ns(&self) -> i64 {
        self.leaders.agreed_ns().unwrap_or(i64::MIN).max(self.resumed_ns)
    }
}

/// The newest times of two distinct nodes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Leaders {
    first: Option<(i64, NodeIx)>,
    second: Option<(i64, NodeIx)>,
}

impl Leaders {
    /// Notes how far a node has come, nanoseconds.
    pub fn note(&mut self, time_ns: i64, node: NodeIx) {
        match self.first {
            Some((first_ns, leader)) if leader == node => self.first = Some((first_ns.max(time_ns), node)),
            Some((first_ns, _)) if time_ns <= first_ns => {
                if self.second.is_none_or(|(second_ns, _)| time_ns > second_ns) {
                    self.second = Some((time_ns, node));
                }
            }
            _ => {
                self.second = self.first;
                self.first = Some((time_ns, node));
            }
        }
    }

    /// The two, the newer last.
    pub fn times(self) -> impl Iterator<Item = (NodeIx, i64)> {
        [self.second, self.first].into_iter().flatten().map(|(time_ns, node)| (node, time_ns))
    }

    /// What two nodes have reached, or the only one.
    pub fn agreed_ns(&self) -> Option<i64> {
        self.second.or(self.first).map(|(time_ns, _)| time_ns)
    }
}

/// What has happened since something was first held back.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Doubt {
    /// The earliest time that is held back; `None` when nothing is.
    earliest_ns: Option<i64>,
    #[serde(serialize_with = "in_order::set")]
    ahead: FxHashSet<NodeIx>,
    /// How far those are ahead.
    leaders: Leaders,
    #[serde(serialize_with = "in_order::set")]
    abreast: FxHashSet<NodeIx>,
    /// Partitions that have not been read to their end since something was last held back.
    unread: BTreeSet<Partition>,
    /// Where the stream was when all of them had been.
    all_read_ns: Option<i64>,
}

/// What is to become of lines that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Most of the stream is there already: they are let in up to [`Progress::latest_credible_ns`], the others wait on.
    BorneOut,
    /// The stream is near some: those up to [`Progress::latest_credible_ns`] are let in, the others wait on.
    Reached,
    /// Those of this partition are let in up to [`Progress::latest_credible_ns`] and refused beyond.
    Refuted(Partition),
    /// The same for all.
    AllRefuted,
}

/// Nodes remembered while something is held back; a majority of so many decides as well as of all.
const MAX_WITNESSES: usize = 4096;

/// Event time of the whole stream.
#[derive(Debug, Serialize, Deserialize)]
pub struct Progress {
    lateness_ns: i64,
    horizon_ns: i64,
    max_future_ns: i64,
    idle_after_ns: i64,
    clocks: Clocks,
    leaders: Leaders,
    /// Of the first observation that was let in.
    first_ns: Option<i64>,
    /// What moves the watermark: what two nodes have reached. One that is alone moves it when it has gone on for `max_future_s`: the first line
    /// of a stream may be of a node whose clock is wrong, and others follow.
    agreed_ns: Option<i64>,
    doubt: Doubt,
    /// The watermark as far as data alone has moved it.
    borne_out_ns: i64,
    watermark_ns: i64,
    /// Of the last observation that was let in: up to where its partition had come with it, less the lateness.
    #[serde(skip)]
    passed_ns: i64,
}

impl Progress {
    /// Nothing read yet.
    pub fn new(settings: &Settings) -> Progress {
        Progress {
            lateness_ns: ns_from_s(settings.lateness_s),
            horizon_ns: ns_from_s(settings.amend_horizon_s),
            max_future_ns: ns_from_s(settings.max_future_s),
            idle_after_ns: ns_from_s(settings.idle_after_s),
            clocks: Clocks::default(),
            leaders: Leaders::default(),
            first_ns: None,
            agreed_ns: None,
            doubt: Doubt::default(),
            borne_out_ns: i64::MIN,
            watermark_ns: i64::MIN,
            passed_ns: i64::MIN,
        }
    }

    /// Everything before this is in, but for late evidence. `i64::MIN` at first; never goes back.
    pub fn watermark_ns(&self) -> i64 {
        self.watermark_ns
    }

    /// The stream's clock: the newest time that two nodes have reached, or the only one. `None` before the first observation.
    pub fn stream_ns(&self) -> Option<i64> {
        self.leaders.agreed_ns()
    }

    /// A partition that is read: until its first observation it holds the watermark back.
    pub fn assign(&mut self, partition: Partition) {
        self.clocks.of(partition);
    }

    /// A partition that is read from now on, and what was read of it before, elsewhere, went up to that time.
    pub fn resume(&mut self, partition: Partition, newest_ns: i64) {
        let clock = self.clocks.of(partition);
        clock.newest_ns = clock.newest_ns.max(newest_ns);
        clock.resumed_ns = clock.resumed_ns.max(newest_ns);
    }

    /// A partition that is no longer read here.
    pub fn revoke(&mut self, partition: Partition) {
        self.clocks.remove(partition);
        self.read_to_end(partition);
    }

    /// The shell has read all there is in the partition.
    pub fn caught_up(&mut self, partition: Partition) {
        self.clocks.of(partition).caught_up = true;
        self.read_to_end(partition);
    }

    /// Who reads the partition has looked since the stream came to that time, and there was no more in it: until that is said again of
    /// a later time, it holds the watermark back to there.
    pub fn vouched(&mut self, partition: Partition, stream_ns: i64) {
        let clock = self.clocks.of(partition);
        clock.vouched_to_ns = clock.vouched_to_ns.max(Some(stream_ns));
    }

    /// There is more in the partition, not yet read: until it is, the partition holds the watermark back again.
    pub fn behind(&mut self, partition: Partition) {
        self.clocks.of(partition).caught_up = false;
    }

    /// Whether all there is has been read, of every partition.
    pub fn is_caught_up(&self) -> bool {
        self.clocks.values().all(|clock| clock.caught_up)
    }

    fn read_to_end(&mut self, partition: Partition) {
        let doubt = &mut self.doubt;
        if doubt.earliest_ns.is_some() && doubt.unread.remove(&partition) && doubt.unread.is_empty() {
            doubt.all_read_ns = doubt.all_read_ns.or(self.leaders.agreed_ns());
        }
    }

    /// Judges an observation and, unless it is ahead or too late, moves its partition's clock.
    pub fn observe(&mut self, partition: Partition, node: NodeIx, time_ns: i64) -> Standing {
        let clock = self.clocks.of(partition);
        clock.caught_up = false;
        if time_ns < clock.newest_ns.saturating_sub(self.horizon_ns) {
            return Standing::TooLate;
        }
        if let Some(stream_ns) = self.leaders.agreed_ns()
            && time_ns > stream_ns.saturating_add(self.max_future_ns)
        {
            self.hold(partition, node, time_ns, stream_ns);
            return Standing::Ahead;
        }
        if self.doubt.earliest_ns.is_some() {
            if self.doubt.abreast.len() < MAX_WITNESSES {
                self.doubt.abreast.insert(node);
            }
            if let Some((_, heard)) = &mut clock.doubt {
                heard.note(time_ns, node);
            }
        }
        clock.newest_ns = clock.newest_ns.max(time_ns);
        clock.leaders.note(time_ns, node);
        let passed_ns = clock.reached_ns().saturating_sub(self.lateness_ns);
        self.passed_ns = passed_ns;
        self.let_in(time_ns, node);
        match time_ns < passed_ns {
            true => Standing::Behind { passed_ns },
            false if self.is_late(time_ns) => Standing::Late,
            false => Standing::InTime,
        }
    }

    fn let_in(&mut self, time_ns: i64, node: NodeIx) {
        let first_ns = *self.first_ns.get_or_insert(time_ns);
        self.leaders.note(time_ns, node);
        let reached_ns = match (self.leaders.first, self.leaders.second) {
            (Some((alone_ns, _)), None) if alone_ns.saturating_sub(first_ns) < self.max_future_ns => None,
            (alone, second) => second.or(alone).map(|(reached_ns, _)| reached_ns),
        };
        // A second node that is behind one that was alone for long does not set it back.
        self.agreed_ns = self.agreed_ns.max(reached_ns);
    }

    /// Up to where the partition of the last observation that was let in had come with it, less the lateness, nanoseconds.
    pub fn passed_ns(&self) -> i64 {
        self.passed_ns
    }

    /// Whether the watermark, as it stands with this observation, has passed that time. It is worked out anew for what
    /// could be late, so that what is late does not hang on how the stream is cut into batches.
    fn is_late(&mut self, time_ns: i64) -> bool {
        let stream_ns = self.agreed_ns.unwrap_or(i64::MIN);
        if time_ns >= self.watermark_ns && time_ns < stream_ns.saturating_sub(self.lateness_ns) {
            self.advance();
        }
        time_ns < self.watermark_ns
    }

    fn hold(&mut self, partition: Partition, node: NodeIx, time_ns: i64, stream_ns: i64) {
        let doubt = &mut self.doubt;
        doubt.earliest_ns = Some(doubt.earliest_ns.map_or(time_ns, |earliest_ns| earliest_ns.min(time_ns)));
        if doubt.ahead.len() < MAX_WITNESSES {
            doubt.ahead.insert(node);
        }
        doubt.leaders.note(time_ns, node);
        for (other, clock) in self.clocks.iter_mut() {
            if !clock.caught_up {
                doubt.unread.insert(other);
            }
            if other == partition {
                let since_ns = if clock.newest_ns > i64::MIN { clock.newest_ns } else { stream_ns };
                clock.doubt.get_or_insert((since_ns, Leaders::default()));
            }
        }
    }

    /// What is to become of lines that are held back; `None`: they wait on.
    pub fn verdict(&self) -> Option<Verdict> {
        let (earliest_ns, stream_ns) = (self.doubt.earliest_ns?, self.leaders.agreed_ns()?);
        if self.is_borne_out() {
            return Some(Verdict::BorneOut);
        }
        let gone_on = |since_ns: i64, to_ns: i64| to_ns.saturating_sub(since_ns) >= self.max_future_ns;
        if self.doubt.unread.is_empty() && self.doubt.all_read_ns.is_some_and(|since_ns| gone_on(since_ns, stream_ns)) {
            return Some(Verdict::AllRefuted);
        }
        for (partition, clock) in self.clocks.iter() {
            if let Some((since_ns, Leaders { second: Some((second_ns, _)), .. })) = clock.doubt
                && gone_on(since_ns, second_ns)
            {
                return Some(Verdict::Refuted(partition));
            }
        }
        // Not at each step of the stream: it takes a pass over all that is held back.
        let near_ns = stream_ns.saturating_add(self.max_future_ns / 2);
        (earliest_ns <= near_ns).then_some(Verdict::Reached)
    }

    /// Most of the nodes heard since are ahead: two at least, unless there is only one node in all.
    fn is_borne_out(&self) -> bool {
        let only_one_node = self.leaders.second.is_none();
        let ahead = self.doubt.ahead.len();
        ahead > self.doubt.abreast.len() && (ahead >= 2 || only_one_node)
    }

    /// How far ahead of the stream a time is allowed to be by that verdict, as an instant. Where most are ahead, the stream
    /// is where two of them are: partitions are read at different speeds, and a node that is far ahead of all others is
    /// not borne out by one that was only read early.
    pub fn latest_credible_ns(&self, verdict: Verdict) -> i64 {
        let leaders = if verdict == Verdict::BorneOut { &self.doubt.leaders } else { &self.leaders };
        leaders.agreed_ns().map_or(i64::MAX, |stream_ns| stream_ns.saturating_add(self.max_future_ns))
    }

    /// A verdict was carried out; `still_held` are the partitions and times of lines that wait on.
    pub fn judged(&mut self, verdict: Verdict, still_held: impl Iterator<Item = (Partition, i64)>) {
        let (mut holding, mut earliest_ns) = (BTreeSet::new(), None::<i64>);
        for (partition, time_ns) in still_held {
            holding.insert(partition);
            earliest_ns = Some(earliest_ns.map_or(time_ns, |earliest_ns| earliest_ns.min(time_ns)));
        }
        for (partition, clock) in self.clocks.iter_mut() {
            if verdict == Verdict::Refuted(partition) || !holding.contains(&partition) {
                clock.doubt = None;
            }
        }
        self.doubt.earliest_ns = earliest_ns;
        if verdict == Verdict::BorneOut {
            // The stream is elsewhere now: what waits on has to be borne out from there.
            self.doubt.ahead.clear();
            self.doubt.abreast.clear();
            self.doubt.leaders = Leaders::default();
        }
        if earliest_ns.is_none() {
            self.doubt = Doubt::default();
        }
    }

    /// Lets a time that was held back count after all.
    pub fn release(&mut self, partition: Partition, node: NodeIx, time_ns: i64) -> Standing {
        let clock = self.clocks.of(partition);
        clock.newest_ns = clock.newest_ns.max(time_ns);
        clock.leaders.note(time_ns, node);
        self.passed_ns = clock.reached_ns().saturating_sub(self.lateness_ns);
        self.let_in(time_ns, node);
        if self.is_late(time_ns) { Standing::Late } else { Standing::InTime }
    }

    /// Moves the watermark to what all partitions have passed. Returns how far data has moved it so far, which is
    /// less than the watermark after [`Progress::pass`].
    pub fn advance(&mut self) -> i64 {
        let Some(stream_ns) = self.agreed_ns else { return self.borne_out_ns };
        let newest_ns = self.clocks.values().map(|clock| clock.newest_ns).max().unwrap_or(i64::MIN).min(stream_ns);
        let slowest_ns = self
            .clocks
            .values()
            .map(|clock| {
                let reached_ns = clock.newest_ns.min(stream_ns);
                // Nothing more to read and far behind: it no longer holds the others back, as far as that is known.
                let newest_ns = clock.vouched_to_ns.map_or(newest_ns, |vouched_ns| newest_ns.min(vouched_ns));
                let idle = clock.caught_up && reached_ns < newest_ns.saturating_sub(self.idle_after_ns);
                if idle { newest_ns.saturating_sub(self.idle_after_ns) } else { reached_ns }
            })
            .min()
            .unwrap_or(i64::MIN);
        self.borne_out_ns = self.borne_out_ns.max(slowest_ns.saturating_sub(self.lateness_ns));
        self.watermark_ns = self.watermark_ns.max(self.borne_out_ns);
        self.borne_out_ns
    }

    /// Moves the watermark without data: nothing from before `time_ns` is waited for any longer.
    pub fn pass(&mut self, time_ns: i64) {
        self.watermark_ns = self.watermark_ns.max(time_ns);
    }

    /// The stream has ended: nothing more will come.
    pub fn finish(&mut self) {
        self.watermark_ns = i64::MAX;
    }

    /// The newest time let in of each partition that has said something, nanoseconds.
    pub fn newest_ns(&self) -> impl Iterator<Item = (Partition, i64)> + '_ {
        self.clocks
            .iter()
            .filter(|(_, clock)| clock.newest_ns > i64::MIN)
            .map(|(partition, clock)| (partition, clock.newest_ns))
    }

    /// The partition furthest behind that still has something to read, and its clock: the one to read next.
    pub fn slowest(&self) -> Option<(Partition, i64)> {
        self.clocks
            .iter()
            .filter(|(_, clock)| !clock.caught_up)
            .map(|(partition, clock)| (partition, clock.newest_ns))
            .min_by_key(|&(_, newest_ns)| newest_ns)
    }
}

#[cfg(test)]
mod pace;
#[cfg(test)]
mod tests;
