//! What librdkafka tells a reading client beside the records, kept until the reader asks for it.

use rdkafka::bindings::rd_kafka_resp_err_t as Raw;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError as Error, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};
use rdkafka::{ClientContext, TopicPartitionList};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest that a group takes to be closed when it waits for no answer.
const CLOSES_WITHIN: Duration = Duration::from_millis(500);

/// What the group gives or takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// Partitions to read from now on.
    Assign(Vec<(String, i32)>),
    /// Partitions to give away.
    Revoke {
        /// Which.
        partitions: Vec<(String, i32)>,
        /// Whether others may have them already, so that offsets can't be committed any longer.
        lost: bool,
    },
}

/// Callbacks of a reading client. Rebalances are kept, and carried out by the reader when it is ready.
#[derive(Default)]
pub struct Watch {
    rebalances: Mutex<Vec<Rebalance>>,
    failed_commits: Mutex<Vec<String>>,
    last_trouble: Mutex<String>,
    served: AtomicU64,
    closing: AtomicBool,
    /// Whether a rebalance has been carried out since.
    answered: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is kept is whole after any panic: each change is one push or one assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Rebalances since the last call, oldest first.
    pub fn take_rebalances(&self) -> Vec<Rebalance> {
        std::mem::take(&mut *lock(&self.rebalances))
    }

    /// Commits that failed after they were sent off, since the last call.
    pub fn take_failed_commits(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.failed_commits))
    }

    /// The text of the last error.
    pub fn last_trouble(&self) -> String {
        lock(&self.last_trouble).clone()
    }

    /// How many callbacks there were: a poll without a record that moved this is worth another one.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// From now on rebalances are carried out at once: nobody asks for them any longer.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

/// Gives log lines of librdkafka to `tracing`. Lost connections come as errors too, so their lines are for debugging.
pub fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        _ if matches!(facility, "FAIL" | "ERROR" | "GETSUBSCRIPTIONS" | "TELEMETRY") => {
            tracing::debug!(target: "librdkafka", "{facility}: {text}")
        }
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", "{facility}: {text}")
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", "{facility}: {text}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", "{facility}: {text}"),
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", "{facility}: {text}"),
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.served.fetch_add(1, Ordering::Relaxed);
        log(level, facility, text);
    }

    fn error(&self, error: Error, reason: &str) {
        self.served.fetch_add(1, Ordering::Relaxed);
        let mut last = lock(&self.last_trouble);
        match error.rdkafka_error_code() {
            Some(Code::PartitionEOF) => {}
            // It only counts the brokers; what was heard before says why.
            Some(Code::AllBrokersDown) if !last.is_empty() => {}
            _ => reason.clone_into(&mut last),
        }
    }
}

impl ConsumerContext for Watch {
    fn rebalance(&self, consumer: &BaseConsumer<Watch>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.served.fetch_add(1, Ordering::Relaxed);
        let assigns = code == Raw::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Relaxed) {
            // Whatever is asked of a group that is closed is never answered (librdkafka 2.12), and one question may lie in
            // the queue that nobody waits for any more: then the answer to the one before has closed the group, or will.
            if self.answered.swap(true, Ordering::Relaxed) {
                let asked = Instant::now();
                while !consumer.closed() && asked.elapsed() < CLOSES_WITHIN {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            }
            if consumer.closed() {
                return;
            }
            if let Err(error) = if assigns { assign(consumer, list) } else { unassign(consumer, list) } {
                tracing::warn!("answering the group while closing: {error}");
            }
            return;
        }
        let partitions = list.elements().iter().map(|part| (part.topic().to_owned(), part.partition())).collect();
        lock(&self.rebalances).push(if assigns {
            Rebalance::Assign(partitions)
        } else {
            Rebalance::Revoke { partitions, lost: consumer.assignment_lost() }
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.served.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = result
            && error.rdkafka_error_code() != Some(Code::NoOffset)
        {
            lock(&self.failed_commits).push(error.to_string());
        }
    }
}

/// Takes partitions up, as the group's protocol wants it.
pub fn assign(consumer: &BaseConsumer<Watch>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        _ => consumer.assign(list),
    }
}

/// Gives partitions away, as the group's protocol wants it.
pub fn unassign(consumer: &BaseConsumer<Watch>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    }
}
