//! A broker inside the process: librdkafka's mock cluster, for the demo and for tests.
//!
//! It has topics, partitions, idempotent producers and consumer groups, and keeps the last 5 MiB of each partition in
//! memory. It has no real transactions, no compaction and no admin calls: topics are made with
//! [`Embedded::create_topic`], and what nobody made is made when first asked for, with four partitions.

use super::error::KafkaError;
use super::raw::{Handle, Mock};
use super::settings::{Brokers, KafkaSettings};
use super::watch;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka::{ClientContext, message::DeliveryResult};
use std::path::PathBuf;
use std::time::Duration;

struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        watch::log(level, facility, text);
    }
}

impl ProducerContext for Quiet {
    type DeliveryOpaque = ();
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// A running broker; it ends when this is dropped, and with it all it held.
pub struct Embedded {
    mock: Mock,
    /// Owns the cluster.
    owner: BaseProducer<Quiet>,
}

impl Embedded {
    /// Starts a broker on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> Result<Embedded, KafkaError> {
        let owner: BaseProducer<Quiet> = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .create_with_context(Quiet)
            .map_err(|error| KafkaError::failed("starting the embedded broker", error))?;
        let mock = Mock::of(Handle::of(owner.client()))
            .ok_or_else(|| KafkaError::failed("starting the embedded broker", "no cluster was made"))?;
        // By default a new group waits 3 s for more members.
        mock.set_group_delay(Duration::ZERO);
        Ok(Embedded { mock, owner })
    }

    /// Its address, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.mock.bootstrap()
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// When it exists already.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), KafkaError> {
        let made = self.mock.create_topic(name, partitions);
        made.map_err(|error| KafkaError::failed(format!("creating topic {name:?} in the embedded broker"), error))
    }

    /// These settings, with this broker in place of theirs.
    pub fn settings(&self, settings: &KafkaSettings) -> KafkaSettings {
        // What it holds is gone with the process: there is nothing to go on from.
        let checkpoint_dir = PathBuf::new();
        KafkaSettings { brokers: Brokers::parse(&self.bootstrap()), checkpoint_dir, ..settings.clone() }
    }

    /// Makes the broker refuse connections, or accept them again.
    ///
    /// # Errors
    /// What the cluster refuses.
    pub fn set_up(&self, up: bool) -> Result<(), KafkaError> {
        let Some(cluster) = self.owner.client().mock_cluster() else { return Ok(()) };
        let done = if up { cluster.broker_up(-1) } else { cluster.broker_down(-1) };
        done.map_err(|error| KafkaError::failed("turning the embedded broker off or on", error))
    }
}
