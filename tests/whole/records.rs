//! Plain clients: what others would write to and read from Kafka.

use super::broker::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for something that should come.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A name that no other test has.
pub fn fresh(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A record as a plain consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The key, if it has one.
    pub key: Option<Vec<u8>>,
    /// The payload, if it has one.
    pub payload: Option<Vec<u8>>,
    /// Names and values.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Writes records (key, payload) with a plain producer and waits until all are taken.
pub fn produce<'a>(broker: &Broker, topic: &str, lines: impl IntoIterator<Item = (&'a str, &'a str)>) {
    produce_by(&producer(broker), topic, lines);
}

/// A plain producer.
pub fn producer(broker: &Broker) -> BaseProducer {
    let mut config = broker.client();
    config.set("enable.idempotence", "true").set("linger.ms", "1").set("message.max.bytes", "3000000");
    config.create().expect("a producer")
}

/// Writes records (key, payload) with this producer and waits until all are taken.
pub fn produce_by<'a>(producer: &BaseProducer, topic: &str, lines: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (key, payload) in lines {
        let mut record = BaseRecord::to(topic).key(key).payload(payload);
        while let Err((error, back)) = producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert_eq!(error, full, "sending");
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).expect("all taken");
}

/// Reads a topic from its start to where it ends now for a reader of what is committed.
pub fn read_to_end(broker: &Broker, topic: &str) -> Vec<Received> {
    read(broker, topic, &mut |_, ended, partitions| ended >= partitions)
}

/// Reads a topic from its start with a plain consumer until `until` is content with what came.
pub fn consume_all(broker: &Broker, topic: &str, mut until: impl FnMut(&[Received]) -> bool) -> Vec<Received> {
    read(broker, topic, &mut |received, _, _| until(received))
}

/// Reads until `until` is content with what came and with how many of the partitions have been read to their end.
fn read(broker: &Broker, topic: &str, until: &mut dyn FnMut(&[Received], usize, usize) -> bool) -> Vec<Received> {
    let consumer: BaseConsumer = broker
        .client()
        .set("group.id", fresh("plain"))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let found = consumer.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
    let mut list = TopicPartitionList::new();
    for partition in found.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("assigned");
    let started = Instant::now();
    let partitions = found.topics()[0].partitions().len();
    let (mut received, mut ended) = (Vec::new(), BTreeSet::new());
    while !until(&received, ended.len(), partitions) {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {topic}: {} records came", received.len());
        let polled = consumer.poll(Duration::from_millis(100));
        if let Some(Err(KafkaError::PartitionEOF(partition))) = polled {
            ended.insert(partition);
        } else if let Some(Ok(message)) = polled {
            let headers = message.headers().map_or_else(Vec::new, |headers| {
                headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
            });
            received.push(Received {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                payload: message.payload().map(<[u8]>::to_vec),
                headers,
            });
        }
    }
    received
}
