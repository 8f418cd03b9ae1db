//! Committing a group's offsets, on whatever thread the results are made.

use super::error::KafkaError;
use super::raw::{self, Handle};
use super::watch::Watch;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where a partition is to be read from next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The topic, an index in the source's list.
    pub topic: u16,
    /// The partition.
    pub partition: i32,
    /// The offset of the first record that is not yet done with.
    pub next_offset: i64,
}

/// The offsets of a [`Source`](super::Source)'s group. The source leaves the group when the last of these is gone too.
#[derive(Clone)]
pub struct Offsets {
    consumer: Arc<BaseConsumer<Watch>>,
    topics: Arc<[String]>,
    answer_timeout: Duration,
}

/// The group whose offsets a writer commits. The writer takes its place first, the group is joined later.
#[derive(Clone, Default)]
pub struct Group(Arc<OnceLock<Offsets>>);

impl Group {
    /// The group has been joined. Once it has been, another one is not taken.
    pub fn join(&self, offsets: Offsets) {
        let _ = self.0.set(offsets);
    }

    /// Whether its partitions were taken away from this member without a word with it: nothing that it commits is taken.
    pub(super) fn is_lost(&self) -> bool {
        self.0.get().is_some_and(|offsets| offsets.consumer.assignment_lost())
    }

    /// Its offsets.
    ///
    /// # Errors
    /// The group is not joined yet.
    pub(super) fn offsets(&self) -> Result<&Offsets, KafkaError> {
        self.0.get().ok_or_else(|| KafkaError::failed("committing offsets", "the group is not joined"))
    }
}

impl From<Offsets> for Group {
    fn from(offsets: Offsets) -> Group {
        Group(Arc::new(offsets.into()))
    }
}

impl Offsets {
    pub(super) fn new(consumer: Arc<BaseConsumer<Watch>>, topics: &[String], answer_timeout: Duration) -> Offsets {
        Offsets { consumer, topics: topics.into(), answer_timeout }
    }

    /// Commits positions and waits for the answer, as long as a broker may take (`answer_timeout_ms`).
    ///
    /// # Errors
    /// The broker's refusal, or none in time. The source lives on.
    pub fn commit(&self, positions: &[Position]) -> Result<(), KafkaError> {
        if positions.is_empty() {
            return Ok(());
        }
        raw::commit(Handle::of(self.consumer.client()), &self.list(positions)?, self.answer_timeout)
    }

    /// Commits positions without waiting; a refusal comes as [`Event::Failed`](super::Event::Failed).
    ///
    /// # Errors
    /// When it can't even be sent off.
    pub fn commit_async(&self, positions: &[Position]) -> Result<(), KafkaError> {
        if positions.is_empty() {
            return Ok(());
        }
        let sent = self.consumer.commit(&self.list(positions)?, CommitMode::Async);
        sent.map_err(|error| KafkaError::failed("committing offsets", error))
    }

    /// What the group knows this member by, as of now: offsets that go into a transaction are refused with any other.
    pub(super) fn member(&self) -> Option<ConsumerGroupMetadata> {
        self.consumer.group_metadata()
    }

    /// Where a partition ends now; `None` when the broker does not say.
    pub fn end_of(&self, topic: u16, partition: i32) -> Option<i64> {
        let name = self.topics.get(usize::from(topic))?;
        let ends = self.consumer.fetch_watermarks(name, partition, self.answer_timeout);
        ends.ok().map(|(_, end)| end)
    }

    /// The positions as librdkafka wants them.
    pub(super) fn list(&self, positions: &[Position]) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for position in positions {
            let Some(name) = self.topics.get(usize::from(position.topic)) else { continue };
            list.add_partition_offset(name, position.partition, Offset::Offset(position.next_offset))
                .map_err(|error| KafkaError::failed("naming an offset", error))?;
        }
        Ok(list)
    }
}
