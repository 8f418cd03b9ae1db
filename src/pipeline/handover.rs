//! Batches on their way from the thread that reads to the thread that correlates, and back when they are empty.
//!
//! There is a fixed number of them. Who reads waits while none is free, and Kafka keeps the backlog: nothing is
//! dropped, and nothing piles up. Everything that happened while reading travels in a batch, so that it is seen in
//! the order in which it happened.

use super::by_region::Finals;
use super::correlator::Reference;
use crate::codec::{Lines, RecordAt};
use crate::engine::escalation::telling::BinTold;
use crate::engine::progress::Partition;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Batches in use: one is filled, one waits, one is correlated.
pub const BATCHES: usize = 3;

/// What was read since the last batch. Its parts happened in the order of its fields.
#[derive(Debug, Default)]
pub struct Batch {
    /// Changes of reference data, and nodes that the decoder met for the first time.
    pub references: Vec<Reference>,
    /// Partitions that are read from now on.
    pub assigned: Vec<Partition>,
    /// Partitions that were read to their end and have more.
    pub behind: Vec<Partition>,
    /// In a cluster: what other parts of the regions have told of final events, each with where it stood in `telemetry.by-region`.
    pub finals: Vec<(i64, Finals)>,
    /// The same of bins of event time, by all parts, this one too.
    pub bins: Vec<(i64, BinTold)>,
    /// What the records hold.
    pub lines: Lines,
    /// The records' keys.
    pub keys: Keys,
    /// How far partitions have been read: the offset after the last record. A partition may stand here more than once.
    pub read_to: Vec<(Partition, i64)>,
    /// Where that began.
    pub read_from: Vec<(Partition, i64)>,
    /// In a cluster: how far the partition of `telemetry.by-region` has been read, and whether that was all for now.
    pub read_to_here: Option<i64>,
    /// In a cluster: where each of the decisions stood in that partition.
    pub decisions_here: Vec<i64>,
    /// See `read_to_here`.
    pub is_all_here: bool,
    /// Partitions of which nothing more is to be read, for now.
    pub ended: Vec<Partition>,
    /// In a cluster: partitions of which that is said, for the first time or again, and how far the stream had come when it was said
    /// the time before, nanoseconds.
    pub vouched: Vec<(Partition, i64)>,
    /// Whether all has been quiet since.
    pub quiet: bool,
    /// Partitions that are given away when this batch has been worked through.
    pub leaving: Vec<Partition>,
    /// When the first record was taken; `None` when there was none.
    pub taken_at: Option<Instant>,
    /// Records that stand in the topics and are not yet read.
    pub lag: u64,
    /// On the way back: the partitions that are to wait for the others from now on.
    pub ahead: BTreeSet<Partition>,
}

impl Batch {
    /// Notes that a record was read.
    pub fn note(&mut self, partition: Partition, next_offset: i64) {
        match self.read_to.last_mut() {
            Some((last, offset)) if *last == partition => *offset = next_offset,
            _ => {
                self.read_from.push((partition, next_offset - 1));
                self.read_to.push((partition, next_offset));
            }
        }
    }

    /// Notes that a partition has more to read, whatever was told of its end.
    pub fn note_behind(&mut self, partition: Partition) {
        self.ended.retain(|&ended| ended != partition);
        self.behind.push(partition);
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.references.is_empty()
            && self.assigned.is_empty()
            && self.behind.is_empty()
            && self.finals.is_empty()
            && self.bins.is_empty()
            && self.read_to.is_empty()
            && self.read_to_here.is_none()
            && !self.is_all_here
            && self.ended.is_empty()
            && self.vouched.is_empty()
            && !self.quiet
            && self.leaving.is_empty()
    }

    fn clear(&mut self) {
        self.references.clear();
        self.assigned.clear();
        self.behind.clear();
        self.finals.clear();
        self.bins.clear();
        self.lines.clear();
        self.keys.clear();
        self.read_to.clear();
        self.read_from.clear();
        (self.read_to_here, self.is_all_here) = (None, false);
        self.decisions_here.clear();
        self.ended.clear();
        self.vouched.clear();
        self.quiet = false;
        self.leaving.clear();
        self.taken_at = None;
    }
}

/// The keys of a batch's records: a rejected line goes out under the key it came with.
#[derive(Debug, Default)]
pub struct Keys {
    spans: Vec<(RecordAt, u32, u32)>,
    bytes: Vec<u8>,
    by_place: FxHashMap<(u16, i32, i64), usize>,
}

impl Keys {
    /// Keeps a record's key.
    pub fn push(&mut self, at: RecordAt, key: Option<&[u8]>) {
        let Some(key) = key else { return };
        self.spans.push((at, self.bytes.len() as u32, key.len() as u32));
        self.bytes.extend_from_slice(key);
    }

    /// The key of the record at this topic, partition and offset.
    pub fn of(&mut self, place: (u16, i32, i64)) -> Option<&[u8]> {
        // Most batches have no rejected line; the table is made when the first is asked for.
        if self.by_place.is_empty() {
            let places = self.spans.iter().map(|(at, _, _)| (at.topic, at.partition, at.offset));
            self.by_place.extend(places.zip(0..));
        }
        let &(_, start, len) = self.spans.get(*self.by_place.get(&place)?)?;
        self.bytes.get(start as usize..(start + len) as usize)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Forgets them, and keeps the memory.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.bytes.clear();
        self.by_place.clear();
    }
}

/// The end that fills batches.
pub struct Giver {
    full: SyncSender<Box<Batch>>,
    waiting: Arc<AtomicUsize>,
    empty: Receiver<Box<Batch>>,
    #[expect(clippy::vec_box, reason = "they go to and fro in their boxes")]
    spare: Vec<Box<Batch>>,
}

/// The end that works through them.
pub struct Taker {
    full: Receiver<Box<Batch>>,
    waiting: Arc<AtomicUsize>,
    empty: SyncSender<Box<Batch>>,
}

/// What waiting for a batch came to.
#[derive(Debug)]
pub enum Taken {
    /// The next batch.
    Batch(Box<Batch>),
    /// None within the time.
    Nothing,
    /// There will be no more.
    Closed,
}

/// The two ends of a hand-over. It is over when either is dropped.
pub fn handover() -> (Giver, Taker) {
    let (full, taken) = sync_channel(BATCHES);
    let (given_back, empty) = sync_channel(BATCHES);
    let spare = (0..BATCHES).map(|_| Box::default()).collect();
    let waiting = Arc::<AtomicUsize>::default();
    (Giver { full, waiting: waiting.clone(), empty, spare }, Taker { full: taken, waiting, empty: given_back })
}

impl Giver {
    /// An empty batch, as soon as there is one; `None` when the other end is gone.
    pub fn empty(&mut self) -> Option<Box<Batch>> {
        self.spare.pop().or_else(|| self.empty.recv().ok())
    }

    /// Hands a batch over; false when the other end is gone.
    pub fn give(&mut self, batch: Box<Batch>) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.full.send(batch).is_ok()
    }

    /// Waits until everything that was handed over has been worked through; false when the other end is gone.
    pub fn await_all(&mut self) -> bool {
        while self.spare.len() < BATCHES {
            let Ok(batch) = self.empty.recv() else { return false };
            self.spare.push(batch);
        }
        true
    }
}

impl Taker {
    /// How many batches were handed over and are not worked through: at [`BATCHES`] who reads waits.
    pub fn waiting(&self) -> Arc<AtomicUsize> {
        self.waiting.clone()
    }

    /// The next batch, waiting up to `wait` for it.
    pub fn take(&self, wait: Duration) -> Taken {
        match self.full.recv_timeout(wait) {
            Ok(batch) => Taken::Batch(batch),
            Err(RecvTimeoutError::Timeout) => Taken::Nothing,
            Err(RecvTimeoutError::Disconnected) => Taken::Closed,
        }
    }

    /// Gives back a batch that has been worked through.
    pub fn give_back(&self, mut batch: Box<Batch>) {
        batch.clear();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        // When the other end is gone nobody needs it.
        let _ = self.empty.send(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn batches_come_in_order_and_who_fills_waits_for_who_empties() {
        let (mut giver, taker) = handover();
        let begun = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let begun = &begun;
            scope.spawn(move || {
                for lag in 0..100 {
                    let mut batch = giver.empty().unwrap();
                    assert!(batch.is_empty());
                    begun.store(lag + 1, Ordering::SeqCst);
                    batch.lag = lag;
                    batch.note((0, 1), lag as i64);
                    assert!(giver.give(batch));
                }
                assert!(giver.await_all());
            });
            for lag in 0..100 {
                let Taken::Batch(batch) = taker.take(PATIENCE) else { panic!("no batch {lag}") };
                assert_eq!((batch.lag, batch.read_to.as_slice()), (lag, &[((0, 1), lag as i64)][..]));
                assert!(begun.load(Ordering::SeqCst) <= lag + BATCHES as u64, "no more than there are");
                taker.give_back(batch);
            }
            assert!(matches!(taker.take(PATIENCE), Taken::Closed));
        });
    }

    #[test]
    fn when_one_end_is_gone_the_other_is_told() {
        let (mut giver, taker) = handover();
        let batch = giver.empty().unwrap();
        assert!(matches!(taker.take(Duration::ZERO), Taken::Nothing));
        drop(taker);
        assert!(!giver.give(batch));
        assert!(!giver.await_all());
        let (giver, taker) = handover();
        drop(giver);
        assert!(matches!(taker.take(PATIENCE), Taken::Closed));
    }

    #[test]
    fn the_last_word_on_a_partitions_end_counts_and_silence_is_news() {
        let mut batch = Batch::default();
        batch.ended.extend([(0, 1), (0, 2)]);
        batch.note_behind((0, 1));
        assert_eq!((batch.behind.as_slice(), batch.ended.as_slice()), (&[(0, 1)][..], &[(0, 2)][..]));
        batch.clear();
        assert!(batch.is_empty());
        batch.note_behind((0, 1));
        assert!(!batch.is_empty());
        batch.clear();
        batch.quiet = true;
        assert!(!batch.is_empty());
        batch.clear();
        assert!(batch.is_empty());
    }

    #[test]
    fn a_key_is_found_by_the_place_of_its_record() {
        let mut keys = Keys::default();
        for offset in 0..10 {
            let key = format!("key {offset}");
            keys.push(RecordAt { topic: 1, partition: 2, offset }, (offset != 5).then_some(key.as_bytes()));
        }
        assert_eq!(keys.of((1, 2, 7)), Some(&b"key 7"[..]));
        assert_eq!(keys.of((1, 2, 5)), None);
        assert_eq!(keys.of((0, 2, 7)), None);
        keys.clear();
        assert_eq!(keys.of((1, 2, 7)), None);
    }
}
