//! What was seen in brief, and many of those end to end.

use crate::engine::as_bytes::Bytes;
use crate::engine::book::Cited;
use crate::model::geo::LonLat;
use crate::model::kind::Kind;
use crate::model::node::NodeIx;
use crate::model::observation::{Id, Observations, Origin};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Range;

/// Bytes that may be written down in one place: fewer than [`super::lane::MAX_PENDING`] things seen.
pub(super) const MAX_BYTES: usize = 128 * 1024;
/// Room that there is at first.
const FIRST_BYTES: usize = 256;

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

    fn sender(&self) -> Sender {
        let Origin { topic, partition, line, .. } = self.origin;
        Sender { partition, line, node: self.node, topic }
    }

    /// What is written of it beside what it has in common with the first.
    fn shape(&self, first: Sender) -> Shape {
        Shape { has_sender: self.sender() != first, has_sd: !self.sd_m.is_nan(), id: self.id.len() as u8 }
    }

    /// Writes it to as many bytes as its shape takes.
    fn write(&self, shape: Shape, into: &mut [u8]) {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            into[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&self.time_ns.to_le_bytes());
        put(&[shape.flags(), self.mark, shape.id]);
        put(&self.origin.offset.to_le_bytes());
        put(&self.place.lon_deg.to_le_bytes());
        put(&self.place.lat_deg.to_le_bytes());
        if shape.has_sd {
            put(&self.sd_m.to_le_bytes());
        }
        if shape.has_sender {
            let Sender { partition, line, node, topic } = self.sender();
            put(&partition.to_le_bytes());
            put(&line.to_le_bytes());
            put(&node.0.to_le_bytes());
            put(&topic.to_le_bytes());
        }
        put(self.id);
    }
}

/// Who sent it, and where it stood but for the offset: mostly the same from one to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Sender {
    partition: i32,
    line: u32,
    node: NodeIx,
    topic: u16,
}

/// What is written of a brief.
#[derive(Clone, Copy)]
struct Shape {
    /// Its sender is another one than that of the first.
    has_sender: bool,
    has_sd: bool,
    /// Bytes of its id.
    id: u8,
}

/// Bytes that all have: the time, the shape and the mark, the offset and the place.
const LEAST: usize = 8 + 3 + 8 + 2 * 8;
/// Bytes of a sender.
const SENDER: usize = 4 + 4 + 4 + 2;

impl Shape {
    fn flags(self) -> u8 {
        u8::from(self.has_sender) | u8::from(self.has_sd) << 1
    }

    /// Of the brief that begins there, with its time, nanoseconds, and its mark.
    fn read(bytes: &[u8]) -> Option<(i64, Shape, u8)> {
        let (time_ns, rest) = bytes.split_first_chunk::<8>()?;
        let &[flags, mark, id] = rest.first_chunk::<3>()?;
        Some((i64::from_le_bytes(*time_ns), Shape { has_sender: flags & 1 != 0, has_sd: flags & 2 != 0, id }, mark))
    }

    /// Bytes that a brief of that shape takes.
    fn len(self) -> usize {
        LEAST + if self.has_sd { 8 } else { 0 } + if self.has_sender { SENDER } else { 0 } + usize::from(self.id)
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// Briefs end to end; never none.
pub(super) struct Briefs {
    /// Room, the first of which is written on. All of it is there, so that it can be looked at before it is needed.
    bytes: Vec<u8>,
    end: usize,
    /// Where the newest begins.
    newest_at: usize,
    /// Of the first that there was.
    sender: Sender,
}

impl Briefs {
    pub(super) fn of(first: Brief<'_>) -> Briefs {
        let sender = first.sender();
        let room = FIRST_BYTES.max(first.shape(sender).len());
        let mut briefs = Briefs { bytes: vec![0; room], end: 0, newest_at: 0, sender };
        briefs.push(first);
        briefs
    }

    fn written(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Those in some of the bytes.
    pub(super) fn within(&self, bytes: Range<usize>) -> impl Iterator<Item = Brief<'_>> {
        let mut rest = &self.bytes[bytes];
        std::iter::from_fn(move || self.read(&mut rest))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = Brief<'_>> {
        self.within(0..self.end)
    }

    /// The first of those that were written there, which are shortened by it.
    fn read<'a>(&self, bytes: &mut &'a [u8]) -> Option<Brief<'a>> {
        let (time_ns, shape, mark) = Shape::read(bytes)?;
        let all;
        (all, *bytes) = bytes.split_at_checked(shape.len())?;
        let mut rest = &all[8 + 3..];
        let offset = i64::from_le_bytes(take(&mut rest)?);
        let (lon_deg, lat_deg) = (f64::from_le_bytes(take(&mut rest)?), f64::from_le_bytes(take(&mut rest)?));
        let sd_m = if shape.has_sd { f64::from_le_bytes(take(&mut rest)?) } else { f64::NAN };
        let mut sender = self.sender;
        if shape.has_sender {
            let (partition, line) = (i32::from_le_bytes(take(&mut rest)?), u32::from_le_bytes(take(&mut rest)?));
            let (node, topic) = (NodeIx(u32::from_le_bytes(take(&mut rest)?)), u16::from_le_bytes(take(&mut rest)?));
            sender = Sender { partition, line, node, topic };
        }
        let Sender { partition, line, node, topic } = sender;
        let (origin, place) = (Origin { topic, partition, offset, line }, LonLat { lon_deg, lat_deg });
        Some(Brief { time_ns, origin, node, id: rest, place, sd_m, mark })
    }

    /// The newest.
    pub(super) fn newest(&self) -> Option<Brief<'_>> {
        self.within(self.newest_at..self.end).next()
    }

    pub(super) fn has_room_for(&self, next: Brief<'_>) -> bool {
        self.bytes.len() - self.end >= next.shape(self.sender).len()
    }

    /// Makes room for as much again where less than half of it is left, or it is too little; false if that would be too much.
    pub(super) fn make_room_for(&mut self, next: Brief<'_>) -> bool {
        if self.end > MAX_BYTES {
            return false;
        }
        let (room, least) = (self.bytes.len(), self.end + next.shape(self.sender).len());
        if self.end > room / 2 || least > room {
            self.bytes.resize(least.max(2 * room), 0);
        }
        true
    }

    /// Writes the next behind the others, for which there has to be room.
    pub(super) fn push(&mut self, next: Brief<'_>) {
        let shape = next.shape(self.sender);
        let end = self.end + shape.len();
        next.write(shape, &mut self.bytes[self.end..end]);
        (self.newest_at, self.end) = (self.end, end);
    }

    /// So many bytes at the front hold what was seen before that time, and where the last of these begins.
    pub(super) fn before(&self, time_ns: i64) -> (usize, usize) {
        let (mut last, mut next) = (0, 0);
        while let Some((seen_ns, shape, _)) = Shape::read(&self.written()[next..])
            && seen_ns < time_ns
        {
            last = next;
            next += shape.len();
        }
        (next, last)
    }

    /// Forgets so many bytes at the front.
    pub(super) fn forget(&mut self, bytes: usize) {
        self.bytes.copy_within(bytes..self.end, 0);
        self.end -= bytes;
        self.newest_at -= bytes;
    }

    /// Looks at the newest and at where the next would be; what it gives means nothing.
    pub(super) fn look(&self) -> u64 {
        let look = |at: usize| u64::from(self.bytes.get(at).copied().unwrap_or(0));
        look(self.newest_at) ^ look(self.end) ^ look(self.end + LEAST)
    }
}

/// As a checkpoint has them: with their room, for where that ends some of it settles.
impl Serialize for Briefs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.bytes.len() as u64, self.newest_at as u64, self.sender, Bytes(self.written())).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Briefs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Briefs, D::Error> {
        let (room, newest_at, sender, Bytes(written)) = <(u64, u64, Sender, Bytes<'_>)>::deserialize(deserializer)?;
        let mut bytes = vec![0; (room as usize).min(4 * MAX_BYTES).max(written.len())];
        bytes[..written.len()].copy_from_slice(written);
        Ok(Briefs { bytes, end: written.len(), newest_at: (newest_at as usize).min(written.len()), sender })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_and_what_is_over_forgotten(
            ids in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..256), 0i64..9, 0u8..4), 1..60),
        ) {
            let (mut known, mut briefs, mut time_ns) = (Vec::<(i64, Origin, NodeIx, Vec<u8>, (LonLat, u64, u8))>::new(), None::<Briefs>, 0);
            for (n, (id, after_ns, of)) in ids.iter().enumerate() {
                time_ns += after_ns;
                let origin = Origin { topic: 1, partition: i32::from(*of), offset: n as i64, line: 7 };
                let place = LonLat { lon_deg: n as f64, lat_deg: -1.0 };
                let sd_m = if of % 2 == 0 { f64::NAN } else { 2.0 };
                let next = Brief { time_ns, origin, node: NodeIx(3), id, place, sd_m, mark: n as u8 };
                let of = |it: &Brief<'_>| (it.time_ns, it.origin, it.node, it.id.to_vec(), (it.place, it.sd_m.to_bits(), it.mark));
                match &mut briefs {
                    None => briefs = Some(Briefs::of(next)),
                    Some(briefs) => {
                        if !briefs.has_room_for(next) {
                            // All before now goes but the last of it.
                            let (_, last) = briefs.before(time_ns);
                            let over = known.iter().filter(|&(seen_ns, ..)| *seen_ns < time_ns).count();
                            known.drain(..over.saturating_sub(1));
                            briefs.forget(last);
                            prop_assert!(briefs.make_room_for(next));
                        }
                        briefs.push(next);
                    }
                }
                known.push(of(&next));
                let briefs = briefs.as_ref().unwrap();
                briefs.look();
                prop_assert_eq!(briefs.newest().map(|newest| newest.origin.offset), Some(n as i64));
                let read: Vec<_> = briefs.all().map(|it| of(&it)).collect();
                prop_assert_eq!(&read, &known);
            }
        }
    }
}
