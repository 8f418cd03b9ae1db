//! A lane in which nothing goes on, in few bytes.
//!
//! Most nodes beat in time, most objects are nowhere near a border and most ships are where they are expected: of them nothing
//! is said. Such a lane is at rest. What is seen there is only written down, end to end and packed, and neither folded
//! nor settled; a lane is made of it again as soon as something else is seen, or nothing for too long. It is then as if it
//! had never rested. Of most there is nothing to know but what was seen last; of the others what had settled is kept beside
//! what was written down, and what is read there is settled in one go.

use super::World;
use super::lane::{LaneKey, Scene, Told, Watch};
use crate::engine::book::Cited;
use crate::model::geo::LonLat;
use crate::model::kind::Kind;
use crate::model::node::NodeIx;
use crate::model::observation::{Id, Observations, Origin};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::VecDeque;

/// Bytes that a lane may write down while it rests: fewer than [`super::lane::MAX_PENDING`] things seen.
const MAX_BYTES: usize = 128 * 1024;
/// Room that it is given at first.
const FIRST_BYTES: usize = 256;

/// What all that is seen in a lane has in common while it rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calm<C> {
    /// So long after it was seen something else comes of it if nothing more is seen, nanoseconds.
    pub lasts_ns: i64,
    /// What else.
    pub common: C,
}

/// A thing seen while nothing goes on, as far as it has to be known later.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a> {
    /// When, nanoseconds.
    pub time_ns: i64,
    /// Where it stood.
    pub origin: Origin,
    /// The sender.
    pub node: NodeIx,
    /// The sender's id.
    pub id: &'a [u8],
    /// Where.
    pub place: LonLat,
    /// One sigma of that, metres, where it matters.
    pub sd_m: f64,
    /// What else there is to it.
    pub mark: u8,
}

impl<'a> Brief<'a> {
    /// The observation.
    pub fn cited(&self, kind: Kind) -> Cited {
        let Brief { time_ns, origin, node, id, .. } = *self;
        Cited { origin, id: Id::new(id), node, kind, time_ns, residual_s: None, residual_deg: None }
    }

    /// The observation at `row`.
    pub fn at(batch: &'a Observations, row: usize, place: LonLat, sd_m: f64, mark: u8) -> Brief<'a> {
        let (time_ns, origin, node) = (batch.time_ns[row], batch.origin[row], batch.node[row]);
        Brief { time_ns, origin, node, id: batch.slice(batch.id[row]), place, sd_m, mark }
    }

    /// The same of an observation that is known as evidence.
    pub fn of(cited: &'a Cited, place: LonLat, sd_m: f64, mark: u8) -> Brief<'a> {
        let &Cited { origin, ref id, node, time_ns, .. } = cited;
        Brief { time_ns, origin, node, id: id.as_bytes(), place, sd_m, mark }
    }

    fn write(&self, into: &mut Vec<u8>) {
        let Origin { topic, partition, offset, line } = self.origin;
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&self.time_ns.to_le_bytes());
        head[8..16].copy_from_slice(&offset.to_le_bytes());
        head[16..24].copy_from_slice(&self.place.lon_deg.to_le_bytes());
        head[24..32].copy_from_slice(&self.place.lat_deg.to_le_bytes());
        head[32..40].copy_from_slice(&self.sd_m.to_le_bytes());
        head[40..44].copy_from_slice(&partition.to_le_bytes());
        head[44..48].copy_from_slice(&line.to_le_bytes());
        head[48..52].copy_from_slice(&self.node.0.to_le_bytes());
        head[52..54].copy_from_slice(&topic.to_le_bytes());
        (head[54], head[55]) = (self.mark, self.id.len() as u8);
        into.extend_from_slice(&head);
        into.extend_from_slice(self.id);
    }

    /// The first of those that were written, which are shortened by it.
    fn read(bytes: &mut &'a [u8]) -> Option<Brief<'a>> {
        let time_ns = i64::from_le_bytes(take(bytes)?);
        let offset = i64::from_le_bytes(take(bytes)?);
        let (lon_deg, lat_deg) = (f64::from_le_bytes(take(bytes)?), f64::from_le_bytes(take(bytes)?));
        let (place, sd_m) = (LonLat { lon_deg, lat_deg }, f64::from_le_bytes(take(bytes)?));
        let (partition, line) = (i32::from_le_bytes(take(bytes)?), u32::from_le_bytes(take(bytes)?));
        let (node, topic) = (NodeIx(u32::from_le_bytes(take(bytes)?)), u16::from_le_bytes(take(bytes)?));
        let [mark, len] = take(bytes)?;
        let id;
        (id, *bytes) = bytes.split_at_checked(usize::from(len))?;
        Some(Brief { time_ns, origin: Origin { topic, partition, offset, line }, node, id, place, sd_m, mark })
    }
}

/// Bytes before the id.
const HEAD: usize = 8 + 8 + 3 * 8 + 4 + 4 + 4 + 2 + 1 + 1;

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// A lane at rest.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Rest<W: Watch> {
    pub(super) key: <W::Key as LaneKey>::Kept,
    calm: Calm<W::Common>,
    newest_ns: i64,
    /// When it stands in the calendar.
    pub(super) entered_ns: i64,
    /// What had settled when the first was seen that is written down; `None` where that is all there is to know.
    pub(super) settled: Option<Box<W>>,
    /// The last thing seen that has settled, if any has, and all since; perhaps some before.
    #[serde(with = "briefs")]
    briefs: Vec<u8>,
    /// Where the newest is written down.
    newest_at: usize,
    /// What has settled has changed since it was last kept, by nothing older than that.
    pub(super) changed_ns: Option<i64>,
    /// Whether a record is kept of it.
    pub(super) is_kept: bool,
    /// Episodes that last, as they were last told.
    pub(super) told: Vec<Told>,
    /// They are told again by so many more, or by one at that time, nanoseconds, or later.
    say_again_after: u64,
    say_again_ns: i64,
}

/// What is written down as a checkpoint has it: with its room, for where that ends some of it settles.
mod briefs {
    use super::MAX_BYTES;
    use crate::engine::as_bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(briefs: &Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        (briefs.capacity() as u64, Bytes(briefs)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let (room, Bytes(bytes)) = <(u64, Bytes<'_>)>::deserialize(deserializer)?;
        let mut briefs = Vec::with_capacity((room as usize).min(4 * MAX_BYTES).max(bytes.len()));
        briefs.extend_from_slice(bytes);
        Ok(briefs)
    }
}

impl<W: Watch> Rest<W> {
    /// A lane in which this was seen last, whether it has settled or not. `settled`: with that, if it is not all there is to know.
    pub(super) fn new(
        key: <W::Key as LaneKey>::Kept,
        last: Brief<'_>,
        calm: Calm<W::Common>,
        settled: Option<Box<W>>,
    ) -> Rest<W> {
        let mut briefs = Vec::with_capacity(FIRST_BYTES);
        last.write(&mut briefs);
        let newest_ns = last.time_ns;
        let mut rest = Rest {
            key,
            calm,
            newest_ns,
            entered_ns: 0,
            settled,
            briefs,
            newest_at: 0,
            changed_ns: None,
            is_kept: false,
            told: Vec::new(),
            say_again_after: u64::MAX,
            say_again_ns: i64::MAX,
        };
        rest.entered_ns = rest.due_ns();
        rest
    }

    /// When something comes of it that nothing more is seen, nanoseconds.
    pub(super) fn due_ns(&self) -> i64 {
        self.newest_ns.saturating_add(self.calm.lasts_ns)
    }

    /// An episode lasts in it that was told, and is to be told again by so many more, or one at that time, nanoseconds, or later.
    pub(super) fn told(&mut self, told: Told, after: u64, newest_ns: i64) {
        self.told.push(told);
        self.say_again_after = self.say_again_after.min(after);
        self.say_again_ns = self.say_again_ns.min(newest_ns);
    }

    /// What has settled, as far as it has been settled; `None` where there is nothing to know but what was seen last.
    pub(super) fn settled(&self) -> Option<&W> {
        self.settled.as_deref()
    }

    /// Whether a record is to be kept of it as soon as what has settled changes, and that has not been noted yet.
    pub(super) fn has_news_to_keep(&self, span_ns: i64) -> bool {
        let is_memorable = self.settled().is_some_and(|settled| settled.is_memorable(span_ns));
        self.changed_ns.is_none() && (self.is_kept || is_memorable)
    }

    /// Looks at where the next would be written.
    pub(super) fn look(&self) -> u64 {
        let at = |at: usize| u64::from(self.briefs.get(at).copied().unwrap_or(0));
        self.newest_ns.cast_unsigned() ^ at(self.newest_at) ^ at(self.briefs.len().wrapping_sub(1))
    }

    /// Takes in what is seen next, unless something comes of it.
    pub(super) fn go_on(
        &mut self,
        next: Brief<'_>,
        calm: &Calm<W::Common>,
        watermark_ns: i64,
        world: World<'_>,
    ) -> bool {
        if next.time_ns <= self.newest_ns || next.time_ns >= self.due_ns() || *calm != self.calm {
            return false;
        }
        if self.say_again_after <= 1 || next.time_ns >= self.say_again_ns {
            return false;
        }
        if !self.comes_to_nothing(next, calm, world) {
            // It may be otherwise by what has settled since.
            self.settle(watermark_ns, world);
            if !self.comes_to_nothing(next, calm, world) {
                return false;
            }
        }
        if self.briefs.capacity() - self.briefs.len() < HEAD + next.id.len() {
            self.settle(watermark_ns, world);
            if self.briefs.len() > MAX_BYTES {
                return false;
            }
            // Where little could be forgotten there is to be room for as much again.
            if self.briefs.len() > self.briefs.capacity() / 2 {
                self.briefs.reserve(self.briefs.len());
            }
        }
        self.newest_at = self.briefs.len();
        next.write(&mut self.briefs);
        self.newest_ns = next.time_ns;
        if !self.told.is_empty() {
            self.say_again_after -= 1;
        }
        true
    }

    /// Whether nothing comes of it that this is seen next.
    fn comes_to_nothing(&self, next: Brief<'_>, calm: &Calm<W::Common>, world: World<'_>) -> bool {
        let Some(settled) = &self.settled else { return W::stays_plain(next) };
        let newest = Brief::read(&mut &self.briefs[self.newest_at..]);
        newest.is_none_or(|newest| settled.goes_on(newest, next, calm, world))
    }

    /// Settles what was seen before the watermark, and forgets all of that but the last.
    pub(super) fn settle(&mut self, watermark_ns: i64, world: World<'_>) {
        let (mut keep, mut next) = (0, 0);
        while let Some(head) = self.briefs[next..].first_chunk::<HEAD>()
            && let Some(time_ns) = head.first_chunk::<8>()
            && i64::from_le_bytes(*time_ns) < watermark_ns
        {
            keep = next;
            next += HEAD + usize::from(head[HEAD - 1]);
        }
        if let Some(mut settled) = self.settled.take() {
            let mut bytes = &self.briefs[..next];
            // The first is in it already.
            Brief::read(&mut bytes);
            while let Some(brief) = Brief::read(&mut bytes) {
                self.step(&mut settled, brief, world);
            }
            self.settled = Some(settled);
        }
        self.briefs.drain(..keep);
        self.newest_at -= keep;
    }

    /// Settles what is read.
    fn step(&self, settled: &mut W, brief: Brief<'_>, world: World<'_>) {
        let (scene, mut ended) = (Scene { key: self.key.borrow(), world }, Vec::new());
        if let Some(seen) = W::seen(brief, &self.calm) {
            settled.quiet(brief.time_ns, scene, &mut ended);
            settled.step(&seen, scene, &mut ended);
        }
    }

    /// When the first was seen that has not settled, nanoseconds.
    pub(super) fn first_pending_ns(&self, watermark_ns: i64) -> Option<i64> {
        let mut bytes = self.briefs.as_slice();
        std::iter::from_fn(|| Brief::read(&mut bytes))
            .map(|brief| brief.time_ns)
            .find(|&time_ns| time_ns >= watermark_ns)
    }

    /// What has settled, and what was seen since.
    pub(super) fn unpack(&mut self, watermark_ns: i64, world: World<'_>) -> (W, VecDeque<W::Seen>) {
        self.settle(watermark_ns, world);
        let mut bytes = self.briefs.as_slice();
        let mut settled = match self.settled.take() {
            Some(settled) => {
                Brief::read(&mut bytes);
                *settled
            }
            None => W::default(),
        };
        let mut pending = VecDeque::new();
        while let Some(brief) = Brief::read(&mut bytes) {
            if brief.time_ns < watermark_ns {
                self.step(&mut settled, brief, world);
            } else {
                pending.extend(W::seen(brief, &self.calm));
            }
        }
        (settled, pending)
    }
}
