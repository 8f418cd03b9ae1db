//! Where a source stands: what is committed, and where it reads on.

use super::{Part, Source};
use crate::kafka::error::KafkaError;
use crate::kafka::offsets::{Offsets, Position};
use crate::kafka::watch;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

impl Source {
    /// Where the group has come in these partitions, those left out where it has committed nothing. Without an answer no
    /// gap before the first record is seen, and that is all.
    pub(super) fn committed(&self, partitions: &[(u16, i32)]) -> BTreeMap<(u16, i32), i64> {
        if partitions.is_empty() {
            return BTreeMap::new();
        }
        match self.consumer().committed_offsets(self.list(partitions), self.answer_timeout) {
            Ok(list) => {
                let place = |part: &TopicPartitionListElem<'_>| match part.offset() {
                    Offset::Offset(offset) => Some(((self.reader.index_of(part.topic())?, part.partition()), offset)),
                    _ => None,
                };
                list.elements().iter().filter_map(place).collect()
            }
            Err(error) => {
                tracing::warn!("asking how far the group has come: {error}");
                BTreeMap::new()
            }
        }
    }

    /// Whether the group has ever committed how far it has read of its topics, or of the partition that is read here.
    ///
    /// # Errors
    /// A broker that does not answer or refuses.
    pub fn has_committed(&self) -> Result<bool, KafkaError> {
        let doing = "asking how far the group has come";
        let failed = |error| KafkaError::failed(doing, error);
        let mut list = TopicPartitionList::new();
        for (topic, partition) in &self.given {
            list.add_partition(topic, *partition);
        }
        for topic in self.reader.topics().iter().filter(|_| self.given.is_empty()) {
            let found = self.consumer().fetch_metadata(Some(topic), self.answer_timeout).map_err(failed)?;
            let partitions = found.topics().iter().flat_map(|topic| topic.partitions());
            partitions.for_each(|partition| {
                list.add_partition(topic, partition.id());
            });
        }
        let found = self.consumer().committed_offsets(list, self.answer_timeout).map_err(failed)?;
        Ok(found.elements().iter().any(|part| matches!(part.offset(), Offset::Offset(_))))
    }

    /// Commits positions and waits for the answer, as long as a broker may take (`answer_timeout_ms`).
    ///
    /// # Errors
    /// The broker's refusal, or none in time. The source lives on.
    pub fn commit(&self, positions: &[Position]) -> Result<(), KafkaError> {
        self.offsets.commit(positions)
    }

    /// Commits positions without waiting; a refusal comes as [`Event::Failed`].
    ///
    /// # Errors
    /// When it can't even be sent off.
    pub fn commit_async(&self, positions: &[Position]) -> Result<(), KafkaError> {
        self.offsets.commit_async(positions)
    }

    /// What commits for this source on another thread.
    pub fn offsets(&self) -> Offsets {
        self.offsets.clone()
    }

    /// Reads partitions from these positions on; they must be assigned. No record from before is told any more.
    ///
    /// # Errors
    /// When a partition is not assigned or the broker does not answer in time.
    pub fn seek(&mut self, positions: &[Position]) -> Result<(), KafkaError> {
        seek(self.consumer(), self.offsets.list(positions)?, self.answer_timeout)?;
        for position in positions {
            for part in &mut self.parts {
                if (part.topic, part.partition) == (position.topic, position.partition) {
                    part.next_offset = Some(position.next_offset);
                    part.is_at_end = false;
                }
            }
        }
        Ok(())
    }

    /// Records that are at the broker and were not told yet, over all assigned partitions, as far as known.
    pub fn lag(&self) -> u64 {
        let behind = |part: &Part| {
            let (_, high) = self.reader.watermarks(part.topic, part.partition)?;
            u64::try_from(high - part.next_offset?).ok()
        };
        self.parts.iter().filter_map(behind).sum()
    }

    /// The first offset of a partition and the one after its last, as last heard from the broker.
    pub fn watermarks(&self, topic: u16, partition: i32) -> Option<(i64, i64)> {
        self.reader.watermarks(topic, partition)
    }
}

/// Seeks, again while a partition is only just being taken up.
fn seek(
    consumer: &BaseConsumer<watch::Watch>,
    places: TopicPartitionList,
    timeout: Duration,
) -> Result<(), KafkaError> {
    if places.count() == 0 {
        return Ok(());
    }
    let deadline = Instant::now() + timeout;
    let mut places = places;
    loop {
        let done =
            consumer.seek_partitions(places.clone(), timeout).map_err(|error| KafkaError::failed("seeking", error))?;
        let mut left = TopicPartitionList::new();
        let mut why = None;
        for place in done.elements() {
            if let Err(error) = place.error() {
                let kept = left.add_partition_offset(place.topic(), place.partition(), place.offset());
                why = Some(kept.err().unwrap_or(error));
            }
        }
        let Some(why) = why else { return Ok(()) };
        if Instant::now() >= deadline {
            return Err(KafkaError::failed("seeking", why));
        }
        places = left;
        std::thread::yield_now();
    }
}
