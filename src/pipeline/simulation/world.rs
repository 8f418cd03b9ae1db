//! A model of Kafka in memory: partitions with offsets, one writer's transactions with epochs and a last stable offset, a
//! consumer group with generations and transactional offsets, a compacted topic, and time.
//!
//! What is modelled is what a client can tell: a transaction's records stand in the log from when they are sent, hold up
//! committed readers until it is decided, and count if it is committed. A new writer ends what the one before left open,
//! waits for what was decided, and raises the epoch, after which nothing of the old epoch is taken.

use super::faults::{Bug, Dice, Fault};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A partition by topic and number.
pub type Place = (String, i32);

/// After which the coordinator gives up an open transaction, and a member's partitions go to others.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// A record, or an offset without one.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Where it goes; `None`: where its key does.
    pub partition: Option<usize>,
    pub key: Option<Arc<[u8]>>,
    pub payload: Option<Arc<[u8]>>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// Whether there is nothing but an offset here.
    pub is_gap: bool,
    /// The newest time in it that counts, nanoseconds.
    pub newest_ns: Option<i64>,
    /// The transaction it belongs to.
    pub txn: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    /// Committed, but not yet to be seen, until that time.
    Decided(Duration),
    Committed,
    Aborted,
}

#[derive(Debug)]
struct Txn {
    standing: Standing,
    offsets: BTreeMap<Place, i64>,
    begun_at: Duration,
}

/// What the group tells a member.
#[derive(Clone, Debug)]
pub enum GroupEvent {
    Assign(Vec<(u16, i32)>),
    Revoke { partitions: Vec<(u16, i32)>, lost: bool },
}

/// A member of the group.
#[derive(Debug)]
pub struct Member {
    pub events: VecDeque<GroupEvent>,
    is_in: bool,
    generation: u32,
    /// What comes back to it once it has given away what it was asked for.
    comes_back: Vec<(u16, i32)>,
}

/// What a call that was let through will come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Go,
    LoseAnswer,
    DieAfter,
}

/// Kafka, time, and who is alive.
pub struct World {
    pub dice: Dice,
    pub bug: Option<Bug>,
    pub now: Duration,
    /// Input topics by index.
    pub inputs: Vec<String>,
    /// Whether all input has been delivered, and whether it was told to be quiet since.
    pub is_delivered: bool,
    pub was_quiet: bool,
    /// Whether whoever polled last has read all there is.
    pub is_read: bool,
    /// What was seen to be wrong on the way.
    pub wrong: Vec<String>,
    /// Processes that died.
    pub dead: BTreeSet<u64>,
    /// Partitions of the state topic and so on.
    logs: BTreeMap<String, Vec<Vec<Entry>>>,
    txns: Vec<Txn>,
    epoch: u32,
    /// Commits on their way: transaction, epoch, when they arrive.
    under_way: Vec<(usize, u32, Duration)>,
    pub committed: BTreeMap<Place, i64>,
    generation: u32,
    pub members: Vec<Member>,
    away_until: Duration,
    /// The newest time that was delivered, and how far behind it everything may still be needed, nanoseconds.
    newest_ns: i64,
    needed_ns: i64,
    /// Commits of offsets.
    pub offset_commits: u64,
    /// Whether processes lay checkpoints down, those that lie there, and how often one was taken up.
    pub lays_checkpoints_down: bool,
    pub checkpoints: BTreeMap<String, Vec<u8>>,
    pub taken_up: u64,
}

impl World {
    /// Topics by name and number of partitions; the first are the inputs. What is `needed_ns` behind the newest time must
    /// not be forgotten.
    pub fn new(
        dice: Dice,
        bug: Option<Bug>,
        inputs: &[(&str, usize)],
        outputs: &[(&str, usize)],
        needed_ns: i64,
    ) -> World {
        let logs =
            inputs.iter().chain(outputs).map(|&(name, partitions)| (name.to_owned(), vec![Vec::new(); partitions]));
        World {
            dice,
            bug,
            now: Duration::ZERO,
            inputs: inputs.iter().map(|(name, _)| (*name).to_owned()).collect(),
            is_delivered: false,
            was_quiet: false,
            is_read: false,
            wrong: Vec::new(),
            dead: BTreeSet::new(),
            logs: logs.collect(),
            txns: Vec::new(),
            epoch: 0,
            under_way: Vec::new(),
            committed: BTreeMap::new(),
            generation: 0,
            members: Vec::new(),
            away_until: Duration::ZERO,
            newest_ns: i64::MIN,
            needed_ns,
            offset_commits: 0,
            lays_checkpoints_down: false,
            checkpoints: BTreeMap::new(),
            taken_up: 0,
        }
    }

    // --- time

    /// Time goes on, and with it what was under way.
    pub fn tick(&mut self) {
        self.now += Duration::from_secs_f64(self.dice.between(0.0, 0.02));
        if self.dice.happens(Fault::ClockJump, 0.003) {
            let jump = [Duration::from_secs(3), Duration::from_secs(15), Duration::from_secs(90)][self.dice.below(3)];
            self.now += jump;
            if jump > SESSION_TIMEOUT {
                self.session_over();
            }
        }
        if self.dice.happens(Fault::BrokerAway, 0.003) {
            self.away_until = self.now + Duration::from_secs_f64(self.dice.between(0.02, 0.5));
        }
        let (now, epoch) = (self.now, self.epoch);
        for (txn, of_epoch, arrives) in std::mem::take(&mut self.under_way) {
            if arrives > now {
                self.under_way.push((txn, of_epoch, arrives));
            } else if of_epoch == epoch && self.txns[txn].standing == Standing::Open {
                self.decide(txn);
            }
        }
        for txn in 0..self.txns.len() {
            match self.txns[txn].standing {
                Standing::Decided(seen_at) if seen_at <= now => self.complete(txn),
                Standing::Open if self.txns[txn].begun_at + TRANSACTION_TIMEOUT < now => {
                    self.txns[txn].standing = Standing::Aborted;
                    self.epoch += 1;
                }
                _ => {}
            }
        }
    }

    /// Whether that process may make a call now, and what it will come to.
    ///
    /// # Errors
    /// Why not.
    pub fn call(&mut self, process: u64) -> Result<Fate, String> {
        if self.dead.contains(&process) {
            return Err("the process is dead".to_owned());
        }
        if self.now < self.away_until {
            return Err("no broker answers".to_owned());
        }
        if self.dice.happens(Fault::CrashBeforeCall, 0.02) {
            self.dead.insert(process);
            return Err("dies".to_owned());
        }
        if self.dice.happens(Fault::CrashAfterCall, 0.02) {
            return Ok(Fate::DieAfter);
        }
        if self.dice.happens(Fault::Refused, 0.015) {
            return Err("refused".to_owned());
        }
        if self.dice.happens(Fault::AnswerLost, 0.015) {
            return Ok(Fate::LoseAnswer);
        }
        Ok(Fate::Go)
    }

    /// What the process hears of a call that was carried out.
    ///
    /// # Errors
    /// It hears nothing.
    pub fn answer(&mut self, process: u64, fate: Fate) -> Result<(), String> {
        match fate {
            Fate::Go => Ok(()),
            Fate::LoseAnswer => Err("the answer is lost".to_owned()),
            Fate::DieAfter => {
                self.dead.insert(process);
                Err("died".to_owned())
            }
        }
    }

    // --- logs

    /// The partition that a key goes to.
    pub fn partition_of(&self, topic: &str, key: Option<&[u8]>) -> usize {
        let hash = key
            .unwrap_or_default()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        (hash >> 8) as usize % self.logs[topic].len()
    }

    /// How many partitions a topic has.
    pub fn partitions(&self, topic: &str) -> usize {
        self.logs[topic].len()
    }

    /// Somebody else's record comes to an input.
    pub fn deliver(&mut self, topic: &str, entry: Entry) {
        let partition = entry.partition.unwrap_or_else(|| self.partition_of(topic, entry.key.as_deref()));
        self.is_read = false;
        self.newest_ns = self.newest_ns.max(entry.newest_ns.unwrap_or(i64::MIN));
        self.log(topic, partition).push(entry);
    }

    /// An offset of an input is skipped.
    pub fn skip(&mut self, topic: &str, partition: usize) {
        self.log(topic, partition).push(Entry { is_gap: true, ..Entry::default() });
    }

    fn log(&mut self, topic: &str, partition: usize) -> &mut Vec<Entry> {
        &mut self.logs.get_mut(topic).expect("a topic of this world")[partition]
    }

    /// An input's records: nobody's transactions are among them.
    pub fn input(&self, topic: u16, partition: i32) -> &[Entry] {
        &self.logs[&self.inputs[usize::from(topic)]][partition as usize]
    }

    /// What a committed reader sees of a partition now.
    pub fn committed_records(&self, topic: &str, partition: usize) -> impl Iterator<Item = &Entry> {
        let standing = |entry: &Entry| entry.txn.map_or(Standing::Committed, |txn| self.txns[txn].standing);
        let log = &self.logs[topic][partition];
        let is_stable = move |entry: &&Entry| matches!(standing(entry), Standing::Committed | Standing::Aborted);
        log.iter().take_while(is_stable).filter(move |entry| standing(entry) == Standing::Committed)
    }

    /// All that stands in a partition, whoever may see it.
    pub fn dirty_records(&self, topic: &str, partition: usize) -> impl Iterator<Item = &Entry> {
        self.logs[topic][partition].iter()
    }

    // --- the writer

    /// A new writer: what the one before left open is void, what was decided stands.
    pub fn take_over(&mut self) -> u32 {
        if self.bug == Some(Bug::NotShutOut) {
            return self.epoch;
        }
        for txn in 0..self.txns.len() {
            match self.txns[txn].standing {
                Standing::Open => self.txns[txn].standing = Standing::Aborted,
                Standing::Decided(_) => self.complete(txn),
                Standing::Committed | Standing::Aborted => {}
            }
        }
        self.epoch += 1;
        self.epoch
    }

    /// Whether a writer of that epoch has been shut out.
    pub fn is_shut_out(&self, epoch: u32) -> bool {
        epoch != self.epoch
    }

    /// Begins a transaction. What the same writer decided before is there by then.
    pub fn begin(&mut self) -> usize {
        for txn in 0..self.txns.len() {
            if let Standing::Decided(_) = self.txns[txn].standing {
                self.complete(txn);
            }
        }
        self.txns.push(Txn { standing: Standing::Open, offsets: BTreeMap::new(), begun_at: self.now });
        self.txns.len() - 1
    }

    /// A record of a transaction.
    pub fn produce(&mut self, txn: usize, topic: &str, entry: Entry) {
        let partition = entry.partition.unwrap_or_else(|| self.partition_of(topic, entry.key.as_deref()));
        self.log(topic, partition).push(Entry { txn: Some(txn), ..entry });
    }

    /// Offsets of a transaction.
    pub fn add_offsets(&mut self, txn: usize, offsets: BTreeMap<Place, i64>) {
        if self.bug == Some(Bug::OffsetsOutside) {
            self.commit_offsets(&offsets);
        } else {
            self.txns[txn].offsets.extend(offsets);
        }
    }

    /// The transaction is committed; it may take a while to be seen.
    pub fn decide(&mut self, txn: usize) {
        if self.dice.happens(Fault::CommitSlow, 0.04) {
            let seen_at = self.now + Duration::from_secs_f64(self.dice.between(0.0, 1.0));
            self.txns[txn].standing = Standing::Decided(seen_at);
        } else {
            self.complete(txn);
        }
    }

    /// The commit is on its way, and may never arrive.
    pub fn send_off(&mut self, txn: usize, epoch: u32) {
        if self.dice.chance(0.6) {
            let arrives = self.now + Duration::from_secs_f64(self.dice.between(0.0, 0.3));
            self.under_way.push((txn, epoch, arrives));
        }
    }

    /// Whether the transaction still can be committed.
    pub fn is_open(&self, txn: usize) -> bool {
        self.txns[txn].standing == Standing::Open
    }

    fn complete(&mut self, txn: usize) {
        self.txns[txn].standing = Standing::Committed;
        let offsets = std::mem::take(&mut self.txns[txn].offsets);
        self.commit_offsets(&offsets);
    }

    fn commit_offsets(&mut self, offsets: &BTreeMap<Place, i64>) {
        let may_forget_ns = self.newest_ns.saturating_sub(self.needed_ns);
        for (place, &next) in offsets {
            self.offset_commits += 1;
            let before = self.committed.insert(place.clone(), next).unwrap_or(0);
            if next < before {
                self.wrong.push(format!("offset of {place:?} goes back from {before} to {next}"));
            }
            let log = &self.logs[&place.0][place.1 as usize];
            if next > log.len() as i64 {
                self.wrong.push(format!("offset {next} of {place:?} lies beyond its end"));
            }
            let is_needed = |entry: &&Entry| entry.newest_ns.is_some_and(|newest_ns| newest_ns >= may_forget_ns);
            let needed = log.iter().take(next as usize).skip(before as usize).filter(is_needed).count();
            if needed > 0 && !self.was_quiet {
                self.wrong
                    .push(format!("offset {next} of {place:?} lies beyond {needed} records that are still needed"));
            }
        }
    }

    // --- the group

    fn all_inputs(&self) -> Vec<(u16, i32)> {
        let places = self.inputs.iter().zip(0u16..);
        places.flat_map(|(name, topic)| (0..self.partitions(name) as i32).map(move |number| (topic, number))).collect()
    }

    /// A process joins under the name that all have: whoever had it is out.
    pub fn join(&mut self) -> usize {
        let all = self.all_inputs();
        self.generation += 1;
        for member in self.members.iter_mut().filter(|member| member.is_in) {
            member.is_in = false;
            member.comes_back.clear();
            member.events.push_back(GroupEvent::Revoke { partitions: all.clone(), lost: true });
        }
        // A sole member is given all at once.
        let events = VecDeque::from([GroupEvent::Assign(all)]);
        self.members.push(Member { events, is_in: true, generation: self.generation, comes_back: Vec::new() });
        self.members.len() - 1
    }

    /// A member goes.
    pub fn leave(&mut self, member: usize) {
        if std::mem::take(&mut self.members[member].is_in) {
            self.generation += 1;
        }
    }

    /// Whether the group takes this member's offsets.
    pub fn is_current(&self, member: usize) -> bool {
        let member = &self.members[member];
        member.is_in && member.generation == self.generation
    }

    /// The member that is in the group.
    fn current(&self) -> Option<usize> {
        self.members.iter().position(|member| member.is_in)
    }

    /// The group asks for some partitions, which then come back.
    pub fn rebalance(&mut self) -> bool {
        let Some(member) = self.current() else { return false };
        let mut some = self.all_inputs();
        some.retain(|_| self.dice.chance(0.5));
        let member = &mut self.members[member];
        if some.is_empty() || !member.events.is_empty() {
            return false;
        }
        member.comes_back.clone_from(&some);
        member.events.push_back(GroupEvent::Revoke { partitions: some, lost: false });
        true
    }

    /// The same in one answer.
    pub fn rebalance_at_once(&mut self) -> bool {
        let is_asked = self.rebalance();
        if is_asked && let Some(member) = self.current() {
            let member = &mut self.members[member];
            let back = std::mem::take(&mut member.comes_back);
            member.events.push_back(GroupEvent::Assign(back));
        }
        is_asked
    }

    /// The member was silent for too long.
    pub fn session_over(&mut self) -> bool {
        let Some(member) = self.current() else { return false };
        let all = self.all_inputs();
        self.generation += 1;
        let member = &mut self.members[member];
        member.comes_back.clone_from(&all);
        member.events.clear();
        member.events.push_back(GroupEvent::Revoke { partitions: all, lost: true });
        true
    }

    /// A member has given away what it was asked for.
    pub fn gave_away(&mut self, member: usize) {
        let generation = self.generation + 1;
        let member = &mut self.members[member];
        if member.is_in && !member.comes_back.is_empty() {
            let back = std::mem::take(&mut member.comes_back);
            member.events.push_back(GroupEvent::Assign(back));
            member.generation = generation;
            self.generation = generation;
        }
    }

    /// From where a partition is read; `None` while that hangs on a transaction.
    pub fn starts_at(&self, topic: u16, partition: i32) -> Option<i64> {
        let place = (self.inputs[usize::from(topic)].clone(), partition);
        let hangs = |txn: &Txn| {
            matches!(txn.standing, Standing::Open | Standing::Decided(_)) && txn.offsets.contains_key(&place)
        };
        (!self.txns.iter().any(hangs)).then(|| self.committed.get(&place).copied().unwrap_or(0))
    }

    /// Everything that can be seen late is seen now, and brokers answer.
    pub fn settle(&mut self) {
        self.away_until = Duration::ZERO;
        for txn in 0..self.txns.len() {
            if let Standing::Decided(_) = self.txns[txn].standing {
                self.complete(txn);
            }
        }
    }
}
