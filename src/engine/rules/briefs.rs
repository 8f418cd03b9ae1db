//! What was seen in brief, and many of those end to end.

use crate::engine::as_bytes::Bytes;
use crate::engine::book::Cited;
use crate::model::geo::LonLat;
use crate::model::kind::Kind;
use crate::model::node::NodeIx;
use crate::model::observation::{Id, Observations, Origin};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

    /// Bytes that it takes.
    fn len(&self) -> usize {
        HEAD + self.id.len()
    }

    /// Writes it to as many bytes as it takes.
    fn write(&self, into: &mut [u8]) {
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
        let (of_head, of_id) = into.split_at_mut(HEAD);
        of_head.copy_from_slice(&head);
        of_id.copy_from_slice(self.id);
    }

    /// The first of those that were written, which are shortened by it.
    pub(super) fn read(bytes: &mut &'a [u8]) -> Option<Brief<'a>> {
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

/// Briefs end to end; never none.
pub(super) struct Briefs {
    /// Room, the first of which is written on. All of it is there, so that it can be looked at before it is needed.
    bytes: Vec<u8>,
    end: usize,
    /// Where the newest begins.
    newest_at: usize,
}

impl Briefs {
    pub(super) fn of(first: Brief<'_>) -> Briefs {
        let mut briefs = Briefs { bytes: vec![0; FIRST_BYTES.max(first.len())], end: 0, newest_at: 0 };
        briefs.push(first);
        briefs
    }

    /// What is written.
    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// The newest.
    pub(super) fn newest(&self) -> Option<Brief<'_>> {
        Brief::read(&mut &self.written()[self.newest_at..])
    }

    pub(super) fn has_room_for(&self, next: Brief<'_>) -> bool {
        self.bytes.len() - self.end >= next.len()
    }

    /// Makes room for as much again where less than half of it is left, or it is too little; false if that would be too much.
    pub(super) fn make_room_for(&mut self, next: Brief<'_>) -> bool {
        if self.end > MAX_BYTES {
            return false;
        }
        let (room, least) = (self.bytes.len(), self.end + next.len());
        if self.end > room / 2 || least > room {
            self.bytes.resize(least.max(2 * room), 0);
        }
        true
    }

    /// Writes the next behind the others, for which there has to be room.
    pub(super) fn push(&mut self, next: Brief<'_>) {
        let end = self.end + next.len();
        next.write(&mut self.bytes[self.end..end]);
        (self.newest_at, self.end) = (self.end, end);
    }

    /// So many bytes at the front hold what was seen before that time, and where the last of these begins.
    pub(super) fn before(&self, time_ns: i64) -> (usize, usize) {
        let (mut last, mut next) = (0, 0);
        while let Some(head) = self.written()[next..].first_chunk::<HEAD>()
            && let Some(seen_ns) = head.first_chunk::<8>()
            && i64::from_le_bytes(*seen_ns) < time_ns
        {
            last = next;
            next += HEAD + usize::from(head[HEAD - 1]);
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
        look(self.newest_at) ^ look(self.end) ^ look(self.end + HEAD)
    }
}

/// As a checkpoint has them: with their room, for where that ends some of it settles.
impl Serialize for Briefs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.bytes.len() as u64, self.newest_at as u64, Bytes(self.written())).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Briefs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Briefs, D::Error> {
        let (room, newest_at, Bytes(written)) = <(u64, u64, Bytes<'_>)>::deserialize(deserializer)?;
        let mut bytes = vec![0; (room as usize).min(4 * MAX_BYTES).max(written.len())];
        bytes[..written.len()].copy_from_slice(written);
        Ok(Briefs { bytes, end: written.len(), newest_at: (newest_at as usize).min(written.len()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_and_what_is_over_forgotten(
            ids in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..256), 0i64..9), 1..60),
        ) {
            let (mut known, mut briefs, mut time_ns) = (Vec::new(), None::<Briefs>, 0);
            for (n, (id, after_ns)) in ids.iter().enumerate() {
                time_ns += after_ns;
                let origin = Origin { topic: 1, partition: n as i32, offset: n as i64, line: 7 };
                let place = LonLat { lon_deg: n as f64, lat_deg: -1.0 };
                let next = Brief { time_ns, origin, node: NodeIx(3), id, place, sd_m: 2.0, mark: n as u8 };
                let at = (time_ns, n as i64, id.clone());
                match &mut briefs {
                    None => briefs = Some(Briefs::of(next)),
                    Some(briefs) => {
                        if !briefs.has_room_for(next) {
                            // All before now goes but the last of it.
                            let (_, last) = briefs.before(time_ns);
                            let over = known.iter().filter(|&&(seen_ns, ..): &&(i64, i64, Vec<u8>)| seen_ns < time_ns).count();
                            known.drain(..over.saturating_sub(1));
                            briefs.forget(last);
                            prop_assert!(briefs.make_room_for(next));
                        }
                        briefs.push(next);
                    }
                }
                known.push(at);
                let briefs = briefs.as_ref().unwrap();
                briefs.look();
                prop_assert_eq!(briefs.newest().map(|newest| newest.origin.offset), Some(n as i64));
                let mut bytes = briefs.written();
                let read = std::iter::from_fn(|| Brief::read(&mut bytes));
                let read: Vec<_> = read.map(|it| (it.time_ns, it.origin.offset, it.id.to_vec())).collect();
                prop_assert_eq!(&read, &known);
            }
        }
    }
}
