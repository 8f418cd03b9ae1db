//! What a live run needs of Kafka to begin: a writer, the rows of a compacted topic, a reader.
//!
//! [`Cluster`] is the real one. A model of it in memory, in which all that can fail does, is in the pipeline's tests.

use super::error::KafkaError;
use super::offsets::Group;
use super::outbox::{AtLeastOnce, Outbox};
use super::settings::KafkaSettings;
use super::sink::Sink;
use super::source::{Begin, Event, Source};
use super::tables::{Change, Tables};
use super::transaction::ExactlyOnce;
use crate::model::kind::Component;
use std::time::Duration;

/// How long a commit waits for deliveries before it is tried again later.
const FLUSH: Duration = Duration::from_secs(30);

/// One process's way to Kafka, for as long as nothing breaks.
pub trait Broker {
    /// Takes the place of whoever wrote before. Its commits cover what the inbox reads.
    ///
    /// # Errors
    /// A broker that does not answer in time or refuses.
    fn outbox(&self) -> Result<Box<dyn Outbox + Send>, KafkaError>;

    /// Tells all rows that stand in a compacted topic, to its end as of now. A key may come several times; the last time
    /// holds.
    ///
    /// # Errors
    /// A broker that does not answer, or a topic that is not there.
    fn rows(&self, topic: &str, on: &mut dyn FnMut(Change<'_>)) -> Result<(), KafkaError>;

    /// Joins the group and asks for its share of `topics`, or for what is read in their place; a poll takes `batch_records` at most.
    ///
    /// # Errors
    /// Settings that can't be used.
    fn inbox(&self, topics: &[String], batch_records: u32) -> Result<Box<dyn Inbox + Send>, KafkaError>;
}

/// Where observations come from.
pub trait Inbox {
    /// As [`Source::poll`].
    ///
    /// # Errors
    /// Only what ends the inbox.
    fn poll(&mut self, timeout: Duration, on: &mut dyn FnMut(Event<'_>)) -> Result<usize, KafkaError>;

    /// Records that are at the broker and were not told yet, as far as known.
    fn lag(&self) -> u64;

    /// Where a partition ends now; `None` when the broker does not say.
    fn end_of(&self, topic: u16, partition: i32) -> Option<i64>;

    /// Has a partition read from there when it is first taken up, whatever the group has committed.
    fn begin_at(&mut self, partition: (u16, i32), begin: Begin);

    /// What tells a topic from another one of the same name; `None` when the broker does not say.
    fn id_of(&self, topic: u16) -> Option<String>;

    /// Whether the group has ever committed how far it has read of what is read here.
    ///
    /// # Errors
    /// A broker that does not answer or refuses.
    fn has_committed(&self) -> Result<bool, KafkaError>;

    /// Tells no more records of these partitions until they are resumed; a partition that comes anew is not paused.
    ///
    /// # Errors
    /// What the client refuses.
    fn pause(&mut self, partitions: &[(u16, i32)]) -> Result<(), KafkaError>;

    /// Goes on with these partitions where they were paused.
    ///
    /// # Errors
    /// What the client refuses.
    fn resume(&mut self, partitions: &[(u16, i32)]) -> Result<(), KafkaError>;

    /// How many partitions are read here, and how many there are; `None` when the broker does not say.
    fn share(&self) -> Option<(usize, usize)>;
}

impl Inbox for Source {
    fn poll(&mut self, timeout: Duration, on: &mut dyn FnMut(Event<'_>)) -> Result<usize, KafkaError> {
        Source::poll(self, timeout, on)
    }

    fn lag(&self) -> u64 {
        Source::lag(self)
    }

    fn end_of(&self, topic: u16, partition: i32) -> Option<i64> {
        self.offsets().end_of(topic, partition)
    }

    fn begin_at(&mut self, partition: (u16, i32), begin: Begin) {
        Source::begin_at(self, partition, begin);
    }

    fn id_of(&self, topic: u16) -> Option<String> {
        Source::id_of(self, topic)
    }

    fn has_committed(&self) -> Result<bool, KafkaError> {
        Source::has_committed(self)
    }

    fn pause(&mut self, partitions: &[(u16, i32)]) -> Result<(), KafkaError> {
        Source::pause(self, partitions)
    }

    fn resume(&mut self, partitions: &[(u16, i32)]) -> Result<(), KafkaError> {
        Source::resume(self, partitions)
    }

    fn share(&self) -> Option<(usize, usize)> {
        Some((self.assignment().count(), self.partitions_in_all()?))
    }
}

/// A Kafka cluster.
pub struct Cluster<'a> {
    settings: &'a KafkaSettings,
    /// The partition of `telemetry.by-region` that is read instead of the group's share of the topics.
    part: Option<i32>,
    /// Whether the components' topics are written to.
    by_component: bool,
    group: Group,
}

impl<'a> Cluster<'a> {
    /// The cluster of these settings. With `part`, that partition of what is routed by region is read, and written to.
    pub fn new(settings: &'a KafkaSettings, part: Option<i32>) -> Cluster<'a> {
        Cluster { settings, part, by_component: false, group: Group::default() }
    }

    /// The same, whose outbox also writes to the components' topics if it is so.
    pub fn by_component(self, by_component: bool) -> Cluster<'a> {
        Cluster { by_component, ..self }
    }
}

impl Broker for Cluster<'_> {
    fn outbox(&self) -> Result<Box<dyn Outbox + Send>, KafkaError> {
        let (settings, group) = (self.settings, self.group.clone());
        if !settings.exactly_once {
            return Ok(Box::new(AtLeastOnce::new(Sink::new(settings)?, FLUSH, group)));
        }
        let names = &settings.topics;
        let mut written = vec![&*names.violations, &names.current, &names.rejected, &names.state];
        written.extend(self.part.map(|_| &*names.by_region));
        let components = Component::ALL.iter().map(|&component| names.component(component).1);
        written.extend(components.filter(|_| self.by_component));
        Ok(Box::new(ExactlyOnce::new(settings, &written, group)?))
    }

    fn rows(&self, topic: &str, on: &mut dyn FnMut(Change<'_>)) -> Result<(), KafkaError> {
        Tables::open(self.settings, &[topic.to_owned()])?.load(on)
    }

    fn inbox(&self, topics: &[String], batch_records: u32) -> Result<Box<dyn Inbox + Send>, KafkaError> {
        let batch_records = batch_records.min(self.settings.batch_records);
        let settings = KafkaSettings { batch_records, ..self.settings.clone() };
        let source = match self.part {
            Some(part) => Source::of_partition(&settings, &settings.topics.by_region, part)?,
            None => Source::new(&settings, topics)?,
        };
        self.group.join(source.offsets());
        Ok(Box::new(source))
    }
}
