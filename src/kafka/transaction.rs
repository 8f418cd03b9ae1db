//! What is said and what it was concluded from, in one transaction: both stand, or neither.
//!
//! librdkafka lacks the client's part of KIP-890: after an error that leaves the outcome open, what comes next may be taken
//! for part of what failed. So no transaction is ever aborted and tried again here. Any failure but a record that is too
//! large ends the outbox ([`KafkaError::Void`]); whoever made it drops it and makes a new one. That one's first word to
//! the broker raises the epoch of the transactional id, which voids whatever its predecessor left open, and shuts that
//! predecessor out, should it still live ([`KafkaError::Fenced`]).

use super::error::KafkaError;
use super::offsets::{Group, Position};
use super::outbox::Outbox;
use super::raw::{self, Handle, TransactionError};
use super::settings::{BATCH_OVERHEAD_BYTES, KafkaSettings, TRANSACTION_TIMEOUT_MS};
use super::sink::{Sink, owned};
use super::topics;
use crate::failpoint;
use rdkafka::error::{KafkaError as Error, KafkaResult};
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One wait for the broker's answer; between two it is looked whether there is any use in a further one.
const SLICE: Duration = Duration::from_secs(2);
/// What the second writer's transactional id has at its end.
const OTHER: &str = "/2";

/// The partition of `kafka.topics.state` to which every run writes. Brokers work through a client's requests one after
/// the other, and librdkafka makes one of each partition: rows spread over partitions would hold up each commit.
const STATE_PARTITION: i32 = 0;

/// Sends in transactions. One is begun by the first record after a commit.
///
/// Two writers take turns, each with a transactional id of its own. A broker that has acknowledged a commit still has
/// to mark it in every partition; until it has, it turns the same writer's next transaction away, and librdkafka tries
/// again no sooner than after 20 ms. By its next turn a writer's marks are there. The order stays: a transaction is begun
/// when the one before it is committed, what it sends comes later in every partition, and readers of what is
/// committed read no further than the first transaction that is open.
pub struct ExactlyOnce {
    writers: [Sink; 2],
    turn: usize,
    state: String,
    id: String,
    group: Group,
    is_open: bool,
    /// The most that each topic takes in one piece.
    limits: BTreeMap<String, u64>,
    patience: Duration,
}

impl ExactlyOnce {
    /// Takes the place of whoever wrote under this id before: what that left open is void when this returns, and what it
    /// had committed stands. `topics` are those that are written, `group` that whose offsets are committed with it.
    ///
    /// # Errors
    /// A broker that does not answer in time or refuses.
    pub fn new(settings: &KafkaSettings, topics: &[&str], group: Group) -> Result<ExactlyOnce, KafkaError> {
        // A broker that does not tell has the usual limits, as far as anybody knows.
        let limits = topics::limits(settings, topics).unwrap_or_default();
        let smallest = limits.values().copied().min().unwrap_or(u64::MAX);
        let id = settings.transactional_id();
        let writer = |id: &str| Sink::of(&settings.transactional_config(id, smallest), settings);
        let writers = [writer(&id)?, writer(&format!("{id}{OTHER}"))?];
        let patience = Duration::from_millis(settings.answer_timeout_ms.max(TRANSACTION_TIMEOUT_MS).into());
        let state = settings.topics.state.clone();
        let mut outbox = ExactlyOnce { writers, turn: 0, state, id, group, is_open: false, limits, patience };
        // A predecessor that still lives can commit until its second writer is shut out too: what it commits by then
        // follows on what it had committed, and is there to be read when this returns.
        for turn in [1, 0] {
            outbox.turn = turn;
            outbox.call(|outbox, wait| outbox.sink().producer().init_transactions(wait).map_err(told))?;
        }
        Ok(outbox)
    }

    /// Whose turn it is.
    fn sink(&self) -> &Sink {
        &self.writers[self.turn]
    }

    /// Makes a call until it succeeds, fails for good, or has taken too long.
    fn call(
        &self,
        mut call: impl FnMut(&ExactlyOnce, Duration) -> Result<(), TransactionError>,
    ) -> Result<(), KafkaError> {
        let deadline = Instant::now() + self.patience;
        loop {
            match call(self, SLICE) {
                Ok(()) => return Ok(()),
                // A client that has failed for good says to try again all the same, as long as records wait in it.
                Err(error) if error.is_retriable && self.sink().fatal().is_some() => {
                    return Err(self.void(error.code, error.text));
                }
                // A line that is dead for so long may stay so: what comes next comes by another one.
                Err(error) if error.is_retriable && self.group.is_lost() => {
                    let why = format!("the group has given the partitions away; {}", error.text);
                    return Err(KafkaError::Void { why });
                }
                Err(error) if error.is_retriable && !error.is_fatal && Instant::now() < deadline => {}
                Err(error) => return Err(self.void(error.code, error.text)),
            }
        }
    }

    fn end(&mut self) -> Result<(), KafkaError> {
        if self.is_open {
            let client = Handle::of(self.sink().producer().client());
            self.call(|_, wait| raw::commit_transaction(client, wait))?;
            self.is_open = false;
            self.turn = 1 - self.turn;
        }
        Ok(())
    }

    fn void(&self, code: Code, why: String) -> KafkaError {
        let fatal = self.sink().producer().client().fatal_error();
        let (code, why) = fatal.unwrap_or((code, why));
        match code {
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => {
                KafkaError::Fenced { id: self.id.clone(), why }
            }
            Code::TransactionalIdAuthorizationFailed => {
                KafkaError::Forbidden { right: "write as".to_owned(), name: self.id.clone(), why }
            }
            _ => match self.sink().forbidden() {
                Some(name) => KafkaError::Forbidden { right: "write to".to_owned(), name, why },
                None => KafkaError::Void { why },
            },
        }
    }

    fn begin(&mut self) -> Result<(), KafkaError> {
        if !self.is_open {
            let begun = self.sink().producer().begin_transaction().map_err(told);
            begun.map_err(|error| self.void(error.code, error.text))?;
            self.is_open = true;
        }
        Ok(())
    }

    /// Whether a topic takes a record of so many bytes.
    fn fits(&self, topic: &str, bytes: usize) -> bool {
        self.limits.get(topic).is_none_or(|&limit| bytes as u64 + BATCH_OVERHEAD_BYTES <= limit)
    }
}

fn told(error: Error) -> TransactionError {
    match &error {
        Error::Transaction(inner) => TransactionError {
            code: inner.code(),
            text: inner.string(),
            is_fatal: inner.is_fatal(),
            is_retriable: inner.is_retriable(),
        },
        other => TransactionError {
            code: other.rdkafka_error_code().unwrap_or(Code::Fail),
            text: other.to_string(),
            is_fatal: false,
            is_retriable: false,
        },
    }
}

impl Outbox for ExactlyOnce {
    fn send(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        self.begin()?;
        failpoint::hit("before-produce");
        match self.sink().send(topic, key, payload, headers) {
            Err(large @ KafkaError::TooLarge { .. }) => return Err(large),
            sent => sent.map_err(|error| self.void(Code::Fail, error.to_string()))?,
        }
        failpoint::hit("after-produce");
        Ok(())
    }

    fn send_to(
        &mut self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        self.begin()?;
        match self.sink().send_to(topic, partition, key, payload, headers) {
            Err(large @ KafkaError::TooLarge { .. }) => Err(large),
            sent => sent.map_err(|error| self.void(Code::Fail, error.to_string())),
        }
    }

    fn send_what_fits(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        let more: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
        let bytes = payload.len() + key.map_or(0, <[u8]>::len) + more;
        if self.fits(topic, bytes) {
            match self.send(topic, key, payload, headers) {
                Err(KafkaError::TooLarge { .. }) => {}
                sent => return sent,
            }
        }
        self.begin()?;
        let bare = self.sink().send_bare(topic, key, payload.len(), owned(headers));
        bare.map_err(|error| self.void(Code::Fail, error.to_string()))
    }

    fn keep(&mut self, key: &str, row: Option<&[u8]>) -> Result<(), KafkaError> {
        self.begin()?;
        let kept = self.sink().keep(&self.state, STATE_PARTITION, key.as_bytes(), row);
        kept.map_err(|error| self.void(Code::Fail, error.to_string()))
    }

    fn commit(&mut self, consumed: &[Position]) -> Result<(), KafkaError> {
        if !self.is_open && consumed.is_empty() {
            return Ok(());
        }
        self.begin()?;
        failpoint::hit("before-offsets");
        if !consumed.is_empty() {
            let offsets = self.group.offsets()?;
            let list = offsets.list(consumed)?;
            // As it stands now: a member of an older generation of the group is refused.
            let Some(member) = offsets.member() else {
                return Err(KafkaError::Void { why: "the group is not joined".to_owned() });
            };
            self.call(|outbox, wait| {
                let sent: KafkaResult<()> = outbox.sink().producer().send_offsets_to_transaction(&list, &member, wait);
                sent.map_err(told)
            })?;
        }
        failpoint::hit("after-offsets");
        failpoint::hit("before-commit");
        self.end()?;
        failpoint::hit("after-commit");
        Ok(())
    }

    fn keeps_state(&self) -> bool {
        true
    }
}
