//! What a producer's delivery reports say, gathered on the producer's own thread.

use crate::kafka::watch;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as Error;
use rdkafka::message::{BorrowedHeaders, DeliveryResult, Message, OwnedHeaders};
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What the delivery reports say.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) settled: u64,
    pub(super) failed: u64,
    pub(super) first_failure: Option<(String, String)>,
    /// A topic that may not be written to.
    pub(super) forbidden: Option<String>,
    pub(super) refused: Vec<Refused>,
    pub(super) down: bool,
    pub(super) last_trouble: String,
}

/// What may be done when a topic refuses a record for its size. It travels with the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Nothing: it is lost, and told.
    Whole = 0,
    /// It went with others: it is sent alone.
    WithOthers = 1,
    /// It went alone: it is sent without its payload.
    Alone = 2,
}

/// Refused records kept until the next flush; beyond, sending waits for it.
pub(super) const MAX_REFUSED: usize = 64;

/// A record that its topic refused for its size.
pub(super) struct Refused {
    pub(super) topic: String,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Vec<u8>,
    pub(super) headers: Option<OwnedHeaders>,
    pub(super) was: Fit,
}

/// Receives delivery reports on the producer's own thread.
#[derive(Default)]
pub struct Reports {
    tally: Mutex<Tally>,
    pub(super) changed: Condvar,
}

impl Reports {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        // The counts are whole after any panic.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        // Which topic it is that a transaction may not write to, librdkafka tells nowhere else.
        if facility == "ADDPARTS" && text.contains("Topic authorization failed") {
            self.tally().forbidden = text.split('"').nth(1).map(str::to_owned);
        }
        watch::log(level, facility, text);
    }

    fn error(&self, error: Error, reason: &str) {
        let mut tally = self.tally();
        if error.rdkafka_error_code() != Some(Code::AllBrokersDown) {
            reason.clone_into(&mut tally.last_trouble);
        } else if !std::mem::replace(&mut tally.down, true) {
            let why = &tally.last_trouble;
            tracing::warn!("no broker can be reached ({why}); sending waits until one is back");
        }
    }
}

impl ProducerContext for Reports {
    /// A [`Fit`].
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, fit: usize) {
        let was = [Fit::Whole, Fit::WithOthers, Fit::Alone].into_iter().find(|&known| known as usize == fit);
        let mut tally = self.tally();
        tally.settled += 1;
        match result {
            Ok(_) => tally.down = false,
            Err((error, message))
                if error.rdkafka_error_code() == Some(Code::MessageSizeTooLarge)
                    && let Some(was @ (Fit::WithOthers | Fit::Alone)) = was =>
            {
                tally.refused.push(Refused {
                    topic: message.topic().to_owned(),
                    key: message.key().map(<[u8]>::to_vec),
                    payload: message.payload().unwrap_or_default().to_vec(),
                    headers: message.headers().map(BorrowedHeaders::detach),
                    was,
                });
            }
            Err((error, message)) => {
                tally.failed += 1;
                if error.rdkafka_error_code() == Some(Code::TopicAuthorizationFailed) {
                    tally.forbidden = Some(message.topic().to_owned());
                }
                if tally.first_failure.is_none() {
                    tally.first_failure = Some((message.topic().to_owned(), error.to_string()));
                }
            }
        }
        drop(tally);
        self.changed.notify_all();
    }
}
