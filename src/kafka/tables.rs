//! Compacted topics read as tables: from the start to the end at once, then change by change.
//!
//! Every process reads all partitions itself, without sharing them in the group and without committing anything.

use super::error::KafkaError;
use super::reader::{Read, Reader};
use super::settings::KafkaSettings;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// One change of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The topic, an index in the list the tables were opened with.
    pub topic: u16,
    /// The row; empty for a record without a key.
    pub key: &'a [u8],
    /// What it holds now; `None` when it was deleted.
    pub payload: Option<&'a [u8]>,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
}

/// Compacted topics, followed.
pub struct Tables {
    reader: Reader,
    /// Partitions whose end was not reached yet.
    unread: Vec<(u16, i32)>,
    failures: Vec<KafkaError>,
    answer_timeout: Duration,
}

impl Tables {
    /// Opens the tables at their start.
    ///
    /// # Errors
    /// A broker that does not answer, or a topic that is not there.
    pub fn open(settings: &KafkaSettings, topics: &[String]) -> Result<Tables, KafkaError> {
        let mut reader = Reader::new(&settings.reader_config(), settings, topics)?;
        let answer_timeout = Duration::from_millis(settings.answer_timeout_ms.into());
        let mut list = TopicPartitionList::new();
        let mut unread = Vec::new();
        for (index, topic) in (0u16..).zip(topics) {
            let found = reader.consumer().fetch_metadata(Some(topic), answer_timeout);
            let found = found.map_err(|error| KafkaError::failed(format!("asking for topic {topic:?}"), error))?;
            let partitions = found.topics().first().map_or(&[][..], |topic| topic.partitions());
            if partitions.is_empty() {
                return Err(KafkaError::failed(format!("reading table {topic:?}"), "the broker has no such topic"));
            }
            for partition in partitions {
                list.add_partition_offset(topic, partition.id(), Offset::Beginning)
                    .map_err(|error| KafkaError::failed("naming an offset", error))?;
                unread.push((index, partition.id()));
            }
        }
        reader.consumer().assign(&list).map_err(|error| KafkaError::failed("reading tables", error))?;
        reader.gather(&unread);
        Ok(Tables { reader, unread, failures: Vec::new(), answer_timeout })
    }

    /// Reads all that is there. A key may come several times; the last time holds.
    ///
    /// # Errors
    /// When for `answer_timeout_ms` nothing came though there is more, or the client is of no more use.
    pub fn load(&mut self, on: &mut dyn FnMut(Change<'_>)) -> Result<(), KafkaError> {
        let mut last_progress = Instant::now();
        while !self.unread.is_empty() {
            let before = self.unread.len();
            if self.poll(Duration::from_millis(50), on)? > 0 || self.unread.len() < before {
                last_progress = Instant::now();
            } else if last_progress.elapsed() > self.answer_timeout {
                let (topic, partition) = self.unread[0];
                let topic = &self.reader.topics()[usize::from(topic)];
                let doing = format!("reading table {topic:?}, partition {partition},");
                return Err(self.failures.pop().unwrap_or_else(|| KafkaError::TimedOut {
                    doing,
                    after_ms: u64::try_from(self.answer_timeout.as_millis()).unwrap_or(u64::MAX),
                }));
            }
        }
        Ok(())
    }

    /// Tells what changed, waiting up to `timeout` (and at most 50 ms). Returns how many changes there were.
    ///
    /// # Errors
    /// Only what ends the client; other failures are kept for [`Tables::take_failures`].
    pub fn poll(&mut self, timeout: Duration, on: &mut dyn FnMut(Change<'_>)) -> Result<usize, KafkaError> {
        let Tables { reader, unread, failures, .. } = self;
        let mut changes = 0;
        let mut tell = |read: Read<'_>| match read {
            Read::Record(record) => {
                changes += 1;
                on(Change {
                    topic: record.topic,
                    key: record.key.unwrap_or_default(),
                    payload: (!record.is_tombstone).then_some(record.payload),
                    partition: record.partition,
                    offset: record.offset,
                });
            }
            Read::End { topic, partition, .. } => unread.retain(|part| *part != (topic, partition)),
            Read::Failed(failure) => failures.push(failure),
            Read::Restored => {}
        };
        // Partitions are assigned by hand: there is nothing to rebalance.
        reader.serve(&mut tell)?;
        reader.take(timeout, &mut tell);
        Ok(changes)
    }

    /// Failures that did not end the client, since the last call.
    pub fn take_failures(&mut self) -> Vec<KafkaError> {
        std::mem::take(&mut self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{Embedded, Sink};
    use std::collections::BTreeMap;

    type Rows = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

    fn apply(rows: &mut Rows, change: Change<'_>) {
        let row = (change.topic, change.key.to_vec());
        match change.payload {
            Some(payload) => rows.insert(row, payload.to_vec()),
            None => rows.remove(&row),
        };
    }

    #[test]
    fn a_table_is_read_to_its_end_and_then_followed() {
        let broker = Embedded::start().unwrap();
        for topic in ["a", "b", "empty"] {
            broker.create_topic(topic, 3).unwrap();
        }
        let settings = broker.settings(&KafkaSettings::default());
        let sink = Sink::new(&settings).unwrap();
        for n in 0..100u32 {
            let (key, topic) = ((n % 30).to_string(), if n % 2 == 0 { "a" } else { "b" });
            sink.send(topic, Some(key.as_bytes()), n.to_string().as_bytes(), &[]).unwrap();
        }
        sink.flush(Duration::from_secs(30)).unwrap();
        let topics = ["a", "b", "empty"].map(str::to_owned);
        let mut tables = Tables::open(&settings, &topics).unwrap();
        let mut rows = Rows::new();
        tables.load(&mut |change| apply(&mut rows, change)).unwrap();
        let expected: Rows = (70..100u32)
            .map(|n| ((u16::from(n % 2 == 1), (n % 30).to_string().into_bytes()), n.to_string().into_bytes()))
            .collect();
        assert_eq!(rows, expected);

        sink.send("empty", Some(b"k"), b"v", &[]).unwrap();
        let started = Instant::now();
        while !rows.contains_key(&(2, b"k".to_vec())) {
            assert!(started.elapsed() < Duration::from_secs(30));
            tables.poll(Duration::from_millis(50), &mut |change| apply(&mut rows, change)).unwrap();
        }
        assert_eq!(tables.take_failures(), []);
    }
}
