//! A consumer group's share of some topics, read in big batches.
//!
//! All happens in [`Source::poll`], on the thread that calls it. A partition that is to be given away is told at one
//! poll and given away at the next: in between the caller flushes and commits. Nothing else is told after it at that poll,
//! least of all that the partition is back and read again.

use super::error::KafkaError;
use super::offsets::Offsets;
use super::raw::{self, Handle};
use super::reader::{Read, Reader, Record};
use super::settings::KafkaSettings;
use super::shares::Shares;
use super::watch::{self, Rebalance};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What a source tells.
#[derive(Debug)]
pub enum Event<'a> {
    /// A record.
    Record(Record<'a>),
    /// Partitions (topic index, partition) that are read from now on, from the committed offset.
    Assigned(&'a [(u16, i32)]),
    /// Partitions that will be given away at the next poll. What was done of them should be committed before.
    Revoked {
        /// Which.
        partitions: &'a [(u16, i32)],
        /// Whether they are gone already: nothing can be committed for them.
        lost: bool,
    },
    /// All of a partition was read, for now.
    End {
        /// The topic's index.
        topic: u16,
        /// The partition.
        partition: i32,
    },
    /// A partition that was read to its end has more: it will be told at this poll or a later one.
    Behind {
        /// The topic's index.
        topic: u16,
        /// The partition.
        partition: i32,
    },
    /// The next record is not the one that was expected: those between are gone, or, if it lies before, the topic was made
    /// anew.
    Jumped(KafkaError),
    /// No record has come for `close_after_s`, and the broker says that there is none to come of any partition. Told
    /// once; again when something has come since.
    Quiet,
    /// Something that does not end the source. Told once, not at each retry.
    Failed(KafkaError),
    /// The connection that was told to be lost is back: something new came.
    Restored,
}

/// Where a partition is read from when it is first taken up, if not from where the group has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Its first record.
    Start,
    /// The record of that offset.
    At(i64),
}

/// Between two questions whether all is quiet, and the longest wait for the answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

mod positions;

/// One assigned partition.
#[derive(Clone, Copy, Debug)]
struct Part {
    topic: u16,
    partition: i32,
    /// The offset after the last record told, or where the group had come; `None` when that is nowhere.
    next_offset: Option<i64>,
    /// The offset that was to come and the one that came in its place, since the last poll.
    jumped: Option<(i64, i64)>,
    /// Whether its end was told and nothing after it is known of.
    is_at_end: bool,
}

impl Part {
    /// That offset comes next.
    fn comes(&mut self, offset: i64) {
        if let Some(from) = self.next_offset.filter(|&from| from != offset) {
            // One that goes back tells more than one that leaves something out.
            self.jumped = self.jumped.filter(|jumped| jumped.1 < jumped.0 || offset > from).or(Some((from, offset)));
        }
    }
}

/// A member of the consumer group.
pub struct Source {
    reader: Reader,
    parts: Vec<Part>,
    /// What the group asked and was not answered yet.
    rebalances: VecDeque<Rebalance>,
    /// Told to be revoked, given away at the next poll.
    leaving: Vec<(u16, i32)>,
    offsets: Offsets,
    answer_timeout: Duration,
    close_after: Duration,
    /// When the broker is to be asked whether all is quiet; `None` when it has said so.
    ask_at: Option<Instant>,
    /// Where partitions are to be read from, whatever the group has committed.
    begins: BTreeMap<(u16, i32), Begin>,
    /// Partitions to take up at the next poll that no group gives.
    given: Vec<(String, i32)>,
    /// Who keeps its share over a restart has to see to it that none is left over.
    _shares: Option<Shares>,
}

impl Source {
    /// Joins the group and asks for its share of `topics`. Nothing is read before the first poll.
    ///
    /// # Errors
    /// Settings that librdkafka refuses. A broker that can't be reached is no error here.
    pub fn new(settings: &KafkaSettings, topics: &[String]) -> Result<Source, KafkaError> {
        let mut config = settings.reader_config();
        let is_named = !settings.instance.is_empty();
        if is_named {
            config.set("group.instance.id", &settings.instance);
        }
        let reader = Reader::new(&config, settings, topics)?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        reader.consumer().subscribe(&names).map_err(|error| KafkaError::failed("subscribing", error))?;
        let shares = is_named.then(|| Shares::watch(settings, topics)).transpose()?;
        Ok(Source::with(reader, settings, Vec::new(), shares))
    }

    /// Reads one partition of a topic, from where the group has committed, as no member of it: who reads it is settled
    /// elsewhere.
    ///
    /// # Errors
    /// As [`Source::new`].
    pub fn of_partition(settings: &KafkaSettings, topic: &str, partition: i32) -> Result<Source, KafkaError> {
        let topics = [topic.to_owned()];
        let reader = Reader::new(&settings.reader_config(), settings, &topics)?;
        Ok(Source::with(reader, settings, vec![(topic.to_owned(), partition)], None))
    }

    /// Nothing is read yet; `given` are the partitions to take up that no group gives.
    fn with(reader: Reader, settings: &KafkaSettings, given: Vec<(String, i32)>, shares: Option<Shares>) -> Source {
        let answer_timeout = Duration::from_millis(settings.answer_timeout_ms.into());
        let close_after = Duration::from_secs(settings.close_after_s.into());
        Source {
            offsets: Offsets::new(reader.shared_consumer(), reader.topics(), answer_timeout),
            reader,
            parts: Vec::new(),
            rebalances: VecDeque::new(),
            leaving: Vec::new(),
            answer_timeout,
            close_after,
            ask_at: Some(Instant::now() + close_after),
            begins: BTreeMap::new(),
            given,
            _shares: shares,
        }
    }

    /// Has a partition read from there when it is first taken up, whatever the group has committed.
    pub fn begin_at(&mut self, partition: (u16, i32), begin: Begin) {
        self.begins.insert(partition, begin);
    }

    /// Tells what happened, waiting up to `timeout` (and at most 50 ms) for a record. Returns how many records there
    /// were. Must be called more often than `max.poll.interval.ms` (5 minutes).
    ///
    /// # Errors
    /// Only what ends the source. A lost broker does not: that is an [`Event::Failed`], and reading goes on.
    pub fn poll(&mut self, timeout: Duration, on: &mut dyn FnMut(Event<'_>)) -> Result<usize, KafkaError> {
        self.release();
        let given = std::mem::take(&mut self.given);
        if !given.is_empty() {
            self.assigned(&given, on);
        }
        let mut records = 0;
        let Source { reader, parts, .. } = self;
        let asked = reader.serve(&mut |read| {
            records += usize::from(matches!(read, Read::Record(_)));
            tell(parts, read, on);
        })?;
        let mut busy = records > 0;
        self.rebalances.extend(asked);
        while self.leaving.is_empty()
            && let Some(rebalance) = self.rebalances.pop_front()
        {
            busy = true;
            match rebalance {
                Rebalance::Assign(partitions) => self.assigned(&partitions, on),
                Rebalance::Revoke { partitions, lost } => self.revoked(&partitions, lost, on),
            }
        }
        if self.leaving.is_empty() {
            let Source { reader, parts, .. } = self;
            records += reader.take(if busy { Duration::ZERO } else { timeout }, &mut |read| tell(parts, read, on));
        }
        self.tell_jumps(on);
        self.tell_behind(on);
        if busy || records > 0 {
            self.ask_at = Some(Instant::now() + self.close_after);
        } else if self.is_quiet() {
            on(Event::Quiet);
        }
        Ok(records)
    }

    /// Offsets that are passed over are mostly the marks of transactions. Below a partition's first offset they are records
    /// that retention, or somebody, has deleted. And a partition does not go back.
    fn tell_jumps(&mut self, on: &mut dyn FnMut(Event<'_>)) {
        let Source { reader, parts, .. } = self;
        for part in parts {
            let Some((from, to)) = part.jumped.take() else { continue };
            let (partition, topic) = (part.partition, reader.topics()[usize::from(part.topic)].clone());
            if to < from {
                on(Event::Jumped(KafkaError::MadeAnew { topic, partition, was: from, now: to }));
            } else if let Some((first, _)) = reader.watermarks(part.topic, partition).filter(|(first, _)| from < *first)
            {
                on(Event::Jumped(KafkaError::Gone { topic, partition, from, count: first.min(to) - from, to }));
            }
        }
    }

    /// What was fetched lies in the queue behind what other partitions have; until it is told, its partition is not
    /// at its end.
    fn tell_behind(&mut self, on: &mut dyn FnMut(Event<'_>)) {
        let Source { reader, parts, .. } = self;
        for part in parts.iter_mut().filter(|part| part.is_at_end) {
            let end = reader.watermarks(part.topic, part.partition).map(|(_, end)| end);
            if end > part.next_offset {
                part.is_at_end = false;
                on(Event::Behind { topic: part.topic, partition: part.partition });
            }
        }
    }

    /// Whether it is time to say that all is quiet, and the broker bears it out: what was last heard of it may be old.
    fn is_quiet(&mut self) -> bool {
        let Some(ask_at) = self.ask_at else { return false };
        if Instant::now() < ask_at || self.parts.is_empty() || !self.parts.iter().all(|part| part.is_at_end) {
            return false;
        }
        let patience = self.answer_timeout.min(ASK_AGAIN);
        let is_read = |part: &Part| {
            let topic = &self.reader.topics()[usize::from(part.topic)];
            let ends = self.reader.consumer().fetch_watermarks(topic, part.partition, patience);
            ends.is_ok_and(|(_, end)| Some(end) == part.next_offset)
        };
        let is_quiet = self.parts.iter().all(is_read);
        self.ask_at = (!is_quiet).then(|| Instant::now() + ASK_AGAIN);
        is_quiet
    }

    fn assigned(&mut self, partitions: &[(String, i32)], on: &mut dyn FnMut(Event<'_>)) {
        let taken = self.indices(partitions);
        // An empty assignment must be acknowledged too.
        let mut list = self.list(&taken);
        for &(topic, partition) in &taken {
            let offset = match self.begins.get(&(topic, partition)) {
                Some(Begin::Start) => Offset::Beginning,
                Some(&Begin::At(offset)) => Offset::Offset(offset),
                None => continue,
            };
            // It is in the list.
            let _ = list.set_partition_offset(&self.reader.topics()[usize::from(topic)], partition, offset);
        }
        if let Err(error) = watch::assign(self.reader.consumer(), &list) {
            on(Event::Failed(KafkaError::failed("taking up partitions", error)));
            return;
        }
        self.parts.retain(|part| !taken.contains(&(part.topic, part.partition)));
        let committed = self.committed(&taken);
        for &(topic, partition) in &taken {
            let next_offset = match self.begins.remove(&(topic, partition)) {
                Some(Begin::Start) => None,
                Some(Begin::At(offset)) => Some(offset),
                None => committed.get(&(topic, partition)).copied(),
            };
            self.parts.push(Part { topic, partition, next_offset, jumped: None, is_at_end: false });
        }
        self.reader.gather(&taken);
        if !taken.is_empty() {
            on(Event::Assigned(&taken));
        }
    }

    fn revoked(&mut self, partitions: &[(String, i32)], lost: bool, on: &mut dyn FnMut(Event<'_>)) {
        let left = self.indices(partitions);
        on(Event::Revoked { partitions: &left, lost });
        self.leaving.extend_from_slice(&left);
        if left.is_empty() {
            // Nothing to wait for, but it has to be acknowledged.
            self.give_away(&left);
        }
    }

    /// Gives away what the last poll told to be revoked.
    fn release(&mut self) {
        if !self.leaving.is_empty() {
            let leaving = std::mem::take(&mut self.leaving);
            self.give_away(&leaving);
        }
    }

    fn give_away(&mut self, partitions: &[(u16, i32)]) {
        if let Err(error) = watch::unassign(self.reader.consumer(), &self.list(partitions)) {
            tracing::warn!("giving partitions away: {error}");
        }
        self.parts.retain(|part| !partitions.contains(&(part.topic, part.partition)));
        self.reader.forget(partitions);
    }

    fn indices(&self, partitions: &[(String, i32)]) -> Vec<(u16, i32)> {
        partitions.iter().filter_map(|(topic, partition)| Some((self.reader.index_of(topic)?, *partition))).collect()
    }

    fn list(&self, partitions: &[(u16, i32)]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for &(topic, partition) in partitions {
            if let Some(name) = self.reader.topics().get(usize::from(topic)) {
                list.add_partition(name, partition);
            }
        }
        list
    }

    /// Tells no more records of these partitions until they are resumed. A partition that is revoked and comes back is
    /// no longer paused.
    ///
    /// # Errors
    /// What librdkafka refuses.
    pub fn pause(&self, partitions: &[(u16, i32)]) -> Result<(), KafkaError> {
        let paused = self.consumer().pause(&self.list(partitions));
        paused.map_err(|error| KafkaError::failed("pausing partitions", error))
    }

    /// Goes on with these partitions where they were paused.
    ///
    /// # Errors
    /// What librdkafka refuses.
    pub fn resume(&self, partitions: &[(u16, i32)]) -> Result<(), KafkaError> {
        let resumed = self.consumer().resume(&self.list(partitions));
        resumed.map_err(|error| KafkaError::failed("resuming partitions", error))
    }

    /// What tells a topic from another one of the same name; `None` when the broker does not say.
    pub fn id_of(&self, topic: u16) -> Option<String> {
        raw::topic_id(Handle::of(self.consumer().client()), self.reader.name(topic)?, self.answer_timeout)
    }

    /// The assigned partitions.
    pub fn assignment(&self) -> impl Iterator<Item = (u16, i32)> + '_ {
        self.parts.iter().map(|part| (part.topic, part.partition))
    }

    /// How many partitions its topics have in all, in this process or another; `None` when no broker answers.
    pub fn partitions_in_all(&self) -> Option<usize> {
        let count = |topic: &String| {
            let metadata = self.reader.consumer().fetch_metadata(Some(topic), self.answer_timeout).ok()?;
            metadata.topics().first().map(|topic| topic.partitions().len())
        };
        self.reader.topics().iter().map(count).sum()
    }

    /// The topics' names; records name them by index.
    pub fn topics(&self) -> &[String] {
        self.reader.topics()
    }

    fn consumer(&self) -> &BaseConsumer<watch::Watch> {
        self.reader.consumer()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // The group waits for an answer to what it asked; unanswered, leaving it would never end.
        self.release();
        let asked = self.reader.consumer().context().take_rebalances();
        for rebalance in std::mem::take(&mut self.rebalances).into_iter().chain(asked) {
            let answer = |partitions: &[(String, i32)]| self.list(&self.indices(partitions));
            let answered = match rebalance {
                Rebalance::Assign(partitions) => watch::assign(self.consumer(), &answer(&partitions)),
                Rebalance::Revoke { partitions, .. } => watch::unassign(self.consumer(), &answer(&partitions)),
            };
            if let Err(error) = answered {
                tracing::warn!("answering the group while closing: {error}");
            }
        }
    }
}

/// Keeps a partition's place and tells the event. What is not, or no longer, assigned is not told.
fn tell(parts: &mut [Part], read: Read<'_>, on: &mut dyn FnMut(Event<'_>)) {
    let find = |parts: &[Part], place: (u16, i32)| parts.iter().position(|part| (part.topic, part.partition) == place);
    match read {
        Read::Record(record) => {
            if let Some(part) = find(parts, (record.topic, record.partition)) {
                parts[part].comes(record.offset);
                parts[part].next_offset = Some(record.offset + 1);
                if std::mem::take(&mut parts[part].is_at_end) {
                    on(Event::Behind { topic: record.topic, partition: record.partition });
                }
                on(Event::Record(record));
            }
        }
        Read::End { topic, partition, offset } => {
            if let Some(part) = find(parts, (topic, partition)) {
                parts[part].comes(offset);
                parts[part].next_offset = Some(offset);
                parts[part].is_at_end = true;
                on(Event::End { topic, partition });
            }
        }
        Read::Failed(failure) => on(Event::Failed(failure)),
        Read::Restored => on(Event::Restored),
    }
}

#[cfg(test)]
mod tests;
