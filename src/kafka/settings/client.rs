//! What librdkafka is told by the settings.

use super::{Compression, KafkaSettings, Start, TRANSACTION_LINGER_MS, TRANSACTION_TIMEOUT_MS};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// The largest answer of a broker that is read, bytes. An answer holds at least one record, however large.
const LARGEST_ANSWER_BYTES: u32 = 512 * 1024 * 1024;
/// The most bytes of records in one request, as librdkafka has it by default.
const LARGEST_BATCH_BYTES: u64 = 1_000_000;
/// What Kafka adds to the records of a request, with much room.
pub(in crate::kafka) const BATCH_OVERHEAD_BYTES: u64 = 512;

impl KafkaSettings {
    /// What every client is told, over its own defaults and under what is not to be changed.
    fn set_client(&self, config: &mut ClientConfig) {
        config
            .set("bootstrap.servers", self.brokers.to_string())
            .set("client.id", "truceline")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true");
        if tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG) {
            config.set_log_level(RDKafkaLogLevel::Debug);
        }
        for (key, value) in &self.client.0 {
            config.set(key, value);
        }
    }

    /// What a client is told that only asks.
    pub(in crate::kafka) fn probe_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        self.set_client(&mut config);
        config
    }

    /// What a reader is told.
    pub(in crate::kafka) fn reader_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("heartbeat.interval.ms", (self.session_timeout_ms / 4).clamp(100, 3000).to_string())
            .set("fetch.wait.max.ms", "100")
            // Partitions that are added are read before what is in them is late.
            .set("topic.metadata.refresh.interval.ms", "10000")
            // The default of a second after the queue was full costs a factor of ten.
            .set("fetch.queue.backoff.ms", "1")
            .set("receive.message.max.bytes", LARGEST_ANSWER_BYTES.to_string());
        self.set_client(&mut config);
        config
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("queued.min.messages", self.prefetch_records.to_string())
            .set("queued.max.messages.kbytes", self.prefetch_kib.to_string())
            .set(
                "auto.offset.reset",
                match self.start {
                    Start::Earliest => "earliest",
                    Start::Latest => "latest",
                },
            );
        config
    }

    /// The name under which this process writes: of two that use one, the later shuts out the earlier.
    pub fn transactional_id(&self) -> String {
        match self.instance.as_str() {
            "" => self.group.clone(),
            instance => format!("{}-{instance}", self.group),
        }
    }

    /// What a writer is told that writes in transactions under this id. `smallest_limit_bytes` is the least of what its topics take
    /// in one piece: a batch that is refused whole voids its transaction.
    pub(in crate::kafka) fn transactional_config(&self, id: &str, smallest_limit_bytes: u64) -> ClientConfig {
        let mut config = self.writer_config();
        let batch_bytes = smallest_limit_bytes.saturating_sub(BATCH_OVERHEAD_BYTES).clamp(1, LARGEST_BATCH_BYTES);
        config
            .set("transactional.id", id)
            // A commit sends all that waits; until it comes, records wait for one another, or each is a request of its own.
            .set("linger.ms", TRANSACTION_LINGER_MS.to_string())
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string())
            .set("batch.size", batch_bytes.to_string());
        // A record can't wait longer than its transaction.
        match self.delivery_timeout_ms {
            1..TRANSACTION_TIMEOUT_MS => {}
            _ => {
                config.set("message.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
            }
        }
        config
    }

    /// What a writer is told.
    pub(in crate::kafka) fn writer_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        // A key lands in the partition in which a Java producer would put it.
        config.set("partitioner", "murmur2_random");
        self.set_client(&mut config);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", self.linger_ms.to_string())
            .set("queue.buffering.max.messages", self.unsent_records.to_string())
            .set("queue.buffering.max.kbytes", self.unsent_kib.to_string())
            .set("message.max.bytes", self.largest_record_bytes.to_string())
            .set("message.timeout.ms", self.delivery_timeout_ms.to_string())
            .set(
                "compression.codec",
                match self.compression {
                    Compression::None => "none",
                    Compression::Lz4 => "lz4",
                    Compression::Zstd => "zstd",
                },
            );
        config
    }
}
