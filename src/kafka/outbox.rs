//! What is said, bound to what it was concluded from.

use super::error::KafkaError;
use super::offsets::{Group, Position};
use super::sink::Sink;
use std::time::Duration;

/// Where results go. A commit says: all that was sent since the last one stands, and with it the input up to these
/// positions is done with.
pub trait Outbox {
    /// Sends a record, waiting while too much waits already.
    ///
    /// # Errors
    /// What the writer says; after [`KafkaError::TooLarge`] the outbox goes on.
    fn send(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError>;

    /// Sends a record as [`Outbox::send`] does, to a partition of one's own choice.
    ///
    /// # Errors
    /// What the writer says; after [`KafkaError::TooLarge`] the outbox goes on.
    fn send_to(
        &mut self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError>;

    /// Sends a record as [`Outbox::send`] does; if it is too large, for the client or for its topic, its key and headers
    /// go without the payload. Where nothing is too large, there is no more to it.
    ///
    /// # Errors
    /// What the writer says.
    fn send_what_fits(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        self.send(topic, key, payload, headers)
    }

    /// Writes a row of `kafka.topics.state`, or deletes it. Without [`Outbox::keeps_state`] there is no such table.
    ///
    /// # Errors
    /// What the writer says.
    fn keep(&mut self, key: &str, row: Option<&[u8]>) -> Result<(), KafkaError>;

    /// Makes all that was sent stand, and then the positions.
    ///
    /// # Errors
    /// When not everything was delivered (the positions stay where they were: after a restart the input is read
    /// again), or the positions were refused.
    fn commit(&mut self, consumed: &[Position]) -> Result<(), KafkaError>;

    /// Whether what is sent and committed together stands together: then it is worth keeping what was said, for whoever
    /// starts where this one ends.
    fn keeps_state(&self) -> bool;
}

/// Delivers, then commits: after a crash in between, the same is said again, with the same ids.
pub struct AtLeastOnce {
    sink: Sink,
    flush_timeout: Duration,
    group: Group,
}

impl AtLeastOnce {
    /// An outbox that waits that long for deliveries at a commit of this group's offsets.
    pub fn new(sink: Sink, flush_timeout: Duration, group: Group) -> AtLeastOnce {
        AtLeastOnce { sink, flush_timeout, group }
    }

    /// The writer beneath.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }
}

impl Outbox for AtLeastOnce {
    fn send(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        self.sink.send(topic, key, payload, headers)
    }

    fn send_to(
        &mut self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        self.sink.send_to(topic, partition, key, payload, headers)
    }

    fn send_what_fits(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        self.sink.send_what_fits(topic, key, payload, headers)
    }

    fn keep(&mut self, _key: &str, _row: Option<&[u8]>) -> Result<(), KafkaError> {
        Ok(())
    }

    fn commit(&mut self, consumed: &[Position]) -> Result<(), KafkaError> {
        self.sink.flush(self.flush_timeout)?;
        if consumed.is_empty() { Ok(()) } else { self.group.offsets()?.commit(consumed) }
    }

    fn keeps_state(&self) -> bool {
        false
    }
}
