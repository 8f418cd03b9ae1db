//! One process's way to the simulated Kafka: the real pipeline calls these as it calls librdkafka.

mod reader;

use self::reader::Reader;
use super::faults::{Bug, Fault};
use super::world::{Entry, Fate, World};
use crate::engine::book::sha256_hex;
use crate::engine::checkpoint::Written;
use crate::kafka::{Broker, Change, Inbox, KafkaError, Outbox, Position};
use crate::pipeline::shelf::Shelf;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The world as all see it.
pub type Shared = Arc<Mutex<World>>;

/// The world, while somebody does something.
pub fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().expect("one thread, and no panic while it is held")
}

/// The topic of the said-table.
const STATE: &str = "truceline.state";

/// One process's broker.
pub struct Client {
    pub world: Shared,
    pub process: u64,
    /// The member of the group that the process's writer commits for.
    pub member: Arc<Mutex<Option<Reading>>>,
}

/// A member of the group and how far it has read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    member: usize,
    read_to: BTreeMap<(u16, i32), i64>,
}

fn failed(why: String) -> KafkaError {
    KafkaError::Failed { doing: "a call".to_owned(), why }
}

impl Client {
    /// A process's broker, for one life of it.
    pub fn new(world: Shared, process: u64) -> Client {
        Client { world, process, member: Arc::default() }
    }

    /// Where its checkpoints lie.
    pub fn shelf(&self) -> Checkpoints {
        Checkpoints { world: self.world.clone(), process: self.process, on_the_way: None }
    }
}

/// Where processes' checkpoints lie, which are on one machine.
pub struct Checkpoints {
    world: Shared,
    process: u64,
    /// The one that is being laid down.
    on_the_way: Option<Vec<u8>>,
}

impl Shelf for Checkpoints {
    fn room(&mut self, _: u64) -> Option<Vec<u8>> {
        let mut world = lock(&self.world);
        (self.on_the_way.is_none() && world.lays_checkpoints_down && world.dice.chance(0.1)).then(Vec::new)
    }

    fn lay_down(&mut self, checkpoint: Written, _: Duration) {
        self.on_the_way = Some(checkpoint.finish().expect("all of it has a form"));
    }

    fn laid_down(&mut self) -> Option<String> {
        let mut world = lock(&self.world);
        // No dice are thrown where there is nothing.
        if self.on_the_way.is_none() || world.dead.contains(&self.process) || world.dice.chance(0.5) {
            return None;
        }
        let checkpoint = self.on_the_way.take()?;
        let digest = sha256_hex(&checkpoint);
        world.checkpoints.insert(digest.clone(), checkpoint);
        Some(digest)
    }

    fn forget(&mut self, digest: &str) {
        lock(&self.world).checkpoints.remove(digest);
    }

    fn find(&mut self, digest: &str) -> Option<Vec<u8>> {
        let mut world = lock(&self.world);
        if world.checkpoints.contains_key(digest) && world.dice.happens(Fault::CheckpointLost, 0.1) {
            world.checkpoints.remove(digest);
        }
        let checkpoint = world.checkpoints.get(digest)?.clone();
        world.taken_up += 1;
        Some(checkpoint)
    }
}

impl Broker for Client {
    fn outbox(&self) -> Result<Box<dyn Outbox + Send>, KafkaError> {
        let mut world = lock(&self.world);
        let fate = world.call(self.process).map_err(failed)?;
        let epoch = world.take_over();
        world.answer(self.process, fate).map_err(failed)?;
        Ok(Box::new(Writer {
            world: self.world.clone(),
            process: self.process,
            reading: self.member.clone(),
            epoch,
            is_open: false,
            txn: None,
            unsent: Vec::new(),
            sent: Vec::new(),
            rows: Vec::new(),
        }))
    }

    fn rows(&self, topic: &str, on: &mut dyn FnMut(Change<'_>)) -> Result<(), KafkaError> {
        let mut world = lock(&self.world);
        let fate = world.call(self.process).map_err(failed)?;
        let is_compacted = world.dice.chance(0.5);
        for partition in 0..world.partitions(topic) {
            let entries: Vec<Entry> = match world.bug {
                Some(Bug::DirtyRows) => world.dirty_records(topic, partition).cloned().collect(),
                _ => world.committed_records(topic, partition).cloned().collect(),
            };
            for (offset, entry) in entries.iter().enumerate() {
                let is_last = || entries[offset + 1..].iter().all(|later| later.key != entry.key);
                if !is_compacted || is_last() {
                    let key = entry.key.as_deref().unwrap_or_default();
                    let payload = entry.payload.as_deref();
                    on(Change { topic: 0, key, payload, partition: partition as i32, offset: offset as i64 });
                }
            }
        }
        world.answer(self.process, fate).map_err(failed)
    }

    fn inbox(&self, _: &[String], _: u32) -> Result<Box<dyn Inbox + Send>, KafkaError> {
        let mut world = lock(&self.world);
        let fate = world.call(self.process).map_err(failed)?;
        let member = world.join();
        world.answer(self.process, fate).map_err(failed)?;
        *self.member.lock().expect("one thread") = Some(Reading { member, read_to: BTreeMap::new() });
        let (world, process, reading) = (self.world.clone(), self.process, self.member.clone());
        Ok(Box::new(Reader {
            world,
            process,
            member,
            reading,
            parts: Vec::new(),
            leaving: Vec::new(),
            paused: BTreeSet::new(),
            begins: BTreeMap::new(),
            told_quiet: false,
        }))
    }
}

/// A transactional writer. As with librdkafka, a record is on its way when it is sent, and arrives by the commit.
struct Writer {
    world: Shared,
    process: u64,
    reading: Arc<Mutex<Option<Reading>>>,
    epoch: u32,
    is_open: bool,
    txn: Option<usize>,
    unsent: Vec<(String, Entry)>,
    /// What went into this transaction, for [`Bug::CommittedAgain`].
    sent: Vec<(String, Entry)>,
    /// Rows that wait for the next transaction, for [`Bug::RowsLater`].
    rows: Vec<(String, Entry)>,
}

impl Writer {
    fn failure(&self, world: &World, why: String) -> KafkaError {
        match world.is_shut_out(self.epoch) {
            true => KafkaError::Fenced { id: "simulated".to_owned(), why },
            false => KafkaError::Void { why },
        }
    }

    fn put(&mut self, topic: &str, entry: Entry) -> Result<(), KafkaError> {
        let shared = self.world.clone();
        let mut world = lock(&shared);
        if world.dead.contains(&self.process) {
            return Err(KafkaError::Void { why: "the process is dead".to_owned() });
        }
        self.is_open = true;
        let is_row = |word: &str| {
            let key = entry.key.as_deref().unwrap_or_default();
            topic == STATE && String::from_utf8_lossy(key).contains(word)
        };
        match world.bug {
            Some(Bug::SaidForgotten) if is_row("/alert/") => return Ok(()),
            Some(Bug::ReadingsForgotten) if is_row("/read/") => return Ok(()),
            Some(Bug::RowsLater) if is_row("/alert/") || is_row("/read/") => self.rows.push((topic.to_owned(), entry)),
            _ => self.unsent.push((topic.to_owned(), entry)),
        }
        // Some of what is on its way arrives by itself.
        if world.dice.chance(0.2) {
            self.arrive(&mut world);
        }
        Ok(())
    }

    /// What was sent comes to the broker, unless this writer has been shut out.
    fn arrive(&mut self, world: &mut World) {
        if world.is_shut_out(self.epoch) {
            return;
        }
        let txn = *self.txn.get_or_insert_with(|| world.begin());
        if !world.is_open(txn) {
            return;
        }
        for (topic, entry) in self.unsent.drain(..) {
            if world.bug == Some(Bug::CommittedAgain) {
                self.sent.push((topic.clone(), entry.clone()));
            }
            world.produce(txn, &topic, entry);
        }
    }

    /// A call of this writer: refused when it is shut out.
    fn call(&self, world: &mut World) -> Result<Fate, KafkaError> {
        let fate = world.call(self.process).map_err(|why| self.failure(world, why))?;
        match world.is_shut_out(self.epoch) {
            true => Err(self.failure(world, "shut out".to_owned())),
            false => Ok(fate),
        }
    }

    fn send_offsets(&mut self, world: &mut World, consumed: &[Position]) -> Result<(), KafkaError> {
        let reading = self.reading.lock().expect("one thread").clone();
        let reading = reading.ok_or_else(|| KafkaError::Void { why: "the group is not joined".to_owned() })?;
        let fate = self.call(world)?;
        if !world.is_current(reading.member) {
            return Err(self.failure(world, "illegal generation".to_owned()));
        }
        let of_read = world.bug == Some(Bug::OffsetsOfWhatWasRead);
        let next = |it: &Position| match of_read {
            true => reading.read_to.get(&(it.topic, it.partition)).copied().unwrap_or(it.next_offset),
            false => it.next_offset,
        };
        let offsets: BTreeMap<_, _> =
            consumed.iter().map(|it| ((world.inputs[usize::from(it.topic)].clone(), it.partition), next(it))).collect();
        let txn = *self.txn.get_or_insert_with(|| world.begin());
        world.add_offsets(txn, offsets);
        world.answer(self.process, fate).map_err(|why| self.failure(world, why))
    }

    fn end(&mut self, world: &mut World) -> Result<(), KafkaError> {
        let fate = self.call(world)?;
        let Some(txn) = self.txn else { return Ok(()) };
        if !world.is_open(txn) {
            return Err(self.failure(world, "the transaction is over".to_owned()));
        }
        if world.dice.happens(Fault::CommitUnknown, 0.04) {
            world.send_off(txn, self.epoch);
            if world.bug == Some(Bug::CommittedAgain) {
                self.unsent.append(&mut self.sent);
                self.txn = None;
                self.arrive(world);
                world.decide(self.txn.take().expect("just begun"));
                return Ok(());
            }
            return Err(KafkaError::Void { why: "nothing is heard of the commit".to_owned() });
        }
        world.decide(txn);
        world.answer(self.process, fate).map_err(|why| self.failure(world, why))?;
        self.txn = None;
        self.sent.clear();
        Ok(())
    }
}

impl Outbox for Writer {
    fn send(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        self.put(topic, Entry { key: key.map(Arc::from), payload: Some(payload.into()), headers, ..Entry::default() })
    }

    fn send_to(
        &mut self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        let (key, payload) = (key.map(Arc::from), Some(payload.into()));
        self.put(topic, Entry { partition: usize::try_from(partition).ok(), key, payload, headers, ..Entry::default() })
    }

    fn keep(&mut self, key: &str, row: Option<&[u8]>) -> Result<(), KafkaError> {
        self.put(STATE, Entry { key: Some(key.as_bytes().into()), payload: row.map(Into::into), ..Entry::default() })
    }

    fn commit(&mut self, consumed: &[Position]) -> Result<(), KafkaError> {
        if !self.is_open && consumed.is_empty() {
            return Ok(());
        }
        let shared = self.world.clone();
        let mut world = lock(&shared);
        if !consumed.is_empty() {
            self.send_offsets(&mut world, consumed)?;
        }
        self.arrive(&mut world);
        self.end(&mut world)?;
        self.unsent.append(&mut self.rows);
        self.is_open = !self.unsent.is_empty();
        Ok(())
    }

    fn keeps_state(&self) -> bool {
        true
    }
}
