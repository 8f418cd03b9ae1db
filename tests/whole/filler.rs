//! Heartbeats of nodes that are far from everything: they fill topics, memory and time, and change nothing in what is
//! found. And the memory of a process that reads them.

use super::broker::Broker;
use super::program::Site;
use super::scene::{Line, Scene};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use std::time::Duration;
use truceline::model::time::Timestamp;

/// How many nodes send them.
pub const NODES: u64 = 2_000;
/// How long a broker that is away may hold up who sends.
const PATIENCE: Duration = Duration::from_secs(300);

/// Writes a scene's lines, and fillers among them.
pub struct Feeder {
    producer: BaseProducer,
    topics: [String; 2],
    /// Fillers sent.
    pub fillers: u64,
}

impl Feeder {
    /// Writes to the topics of a site.
    pub fn new(broker: &Broker, site: &Site) -> Feeder {
        let producer = broker
            .client()
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("compression.codec", "lz4")
            .create()
            .expect("a producer");
        Feeder { producer, topics: [site.topic("sensors"), site.topic("patrols")], fillers: 0 }
    }

    /// Sends lines, and `each` fillers behind each of them, every one of them `times` times.
    pub fn send(&mut self, lines: &[Line], each: u64, times: u64) {
        for line in lines {
            self.line(line);
            for _ in 0..each {
                self.filler(line.deliver_ns, times);
            }
        }
    }

    /// Sends a line of a scene.
    pub fn line(&self, line: &Line) {
        self.text(usize::from(line.by_patrol), &line.key, &line.text);
    }

    /// Sends one filler, so many times.
    pub fn filler(&mut self, time_ns: i64, times: u64) {
        let (node, time) = (format!("filler-{}", self.fillers % NODES), Timestamp(time_ns));
        let text = format!(
            r#"{{"id":"{}","node":"{node}","kind":"status","time":"{time}","lon":10,"lat":-40,"health":"ok"}}"#,
            self.fillers
        );
        self.fillers += 1;
        (0..times).for_each(|_| self.text(0, &node, &text));
    }

    /// Sends a text as it is.
    pub fn text(&self, topic: usize, key: &str, text: &str) {
        let mut record = BaseRecord::to(&self.topics[topic]).key(key).payload(text);
        while let Err((error, back)) = self.producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert_eq!(error, full, "sending");
            self.producer.poll(Duration::from_millis(10));
            record = back;
        }
    }

    /// Serves the client.
    pub fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until all is taken.
    pub fn flush(&self) {
        self.producer.flush(PATIENCE).expect("all taken");
    }
}

/// How many fillers behind each line make about so many in all.
pub fn each(scene: &Scene, records: u64) -> u64 {
    records.div_ceil(scene.lines.len() as u64)
}

/// A figure of a process's memory in MiB, as Linux tells it: `VmHWM`, `VmRSS`.
pub fn memory_mib(pid: libc::pid_t, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
