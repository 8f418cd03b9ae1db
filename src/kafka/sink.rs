//! Writing with back-pressure: idempotent, all replicas, in order within a key.
//!
//! What was sent is held in memory until a broker took it; when that is full, sending waits. A broker that is away
//! makes sending wait, it loses nothing.

use super::error::KafkaError;
use super::settings::KafkaSettings;
use super::watch;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as Error;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the delivery reports say.
#[derive(Default)]
struct Tally {
    sent: u64,
    settled: u64,
    failed: u64,
    first_failure: Option<(String, String)>,
    down: bool,
    last_trouble: String,
}

/// Receives delivery reports on the producer's own thread.
#[derive(Default)]
struct Reports {
    tally: Mutex<Tally>,
    changed: Condvar,
}

impl Reports {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        // The counts are whole after any panic.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
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
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut tally = self.tally();
        tally.settled += 1;
        match result {
            Ok(_) => tally.down = false,
            Err((error, message)) => {
                tally.failed += 1;
                if tally.first_failure.is_none() {
                    tally.first_failure = Some((message.topic().to_owned(), error.to_string()));
                }
            }
        }
        drop(tally);
        self.changed.notify_all();
    }
}

/// Whether a record was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Accepted,
    /// Too much waits for the brokers: try again later.
    Full,
}

/// A writer. Dropped, it forgets what was not delivered yet; [`Sink::flush`] before.
pub struct Sink {
    producer: ThreadedProducer<Reports>,
    largest_record_bytes: usize,
}

impl Sink {
    /// A writer; it connects by itself.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(settings: &KafkaSettings) -> Result<Sink, KafkaError> {
        let config = settings.writer_config();
        let producer = config.create_with_context(Reports::default()).map_err(KafkaError::client)?;
        Ok(Sink { producer, largest_record_bytes: settings.largest_record_bytes as usize })
    }

    /// Sends a record unless too much waits already.
    ///
    /// # Errors
    /// [`KafkaError::TooLarge`], which leaves the sink as it was; [`KafkaError::Fatal`] and any other, which do not.
    pub fn try_send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<Sent, KafkaError> {
        let bytes = payload.len()
            + key.map_or(0, <[u8]>::len)
            + headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum::<usize>();
        let too_large = || KafkaError::TooLarge { topic: topic.to_owned(), bytes, limit: self.largest_record_bytes };
        if bytes > self.largest_record_bytes {
            return Err(too_large());
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(payload);
        if let Some(key) = key {
            record = record.key(key);
        }
        if !headers.is_empty() {
            let owned = OwnedHeaders::new_with_capacity(headers.len());
            record = record.headers(
                headers.iter().fold(owned, |owned, &(key, value)| owned.insert(Header { key, value: Some(value) })),
            );
        }
        // Counted before, for its report may come before `send` returns.
        self.reports().tally().sent += 1;
        let Err((error, _)) = self.producer.send(record) else { return Ok(Sent::Accepted) };
        self.reports().tally().sent -= 1;
        match error.rdkafka_error_code() {
            Some(Code::QueueFull) => Ok(Sent::Full),
            Some(Code::MessageSizeTooLarge) => Err(too_large()),
            _ => Err(self.fatal().unwrap_or_else(|| KafkaError::failed(format!("sending to {topic:?}"), error))),
        }
    }

    /// Sends a record, waiting while too much waits already.
    ///
    /// # Errors
    /// As [`Sink::try_send`].
    pub fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        while self.try_send(topic, key, payload, headers)? == Sent::Full {
            if let Some(fatal) = self.fatal() {
                return Err(fatal);
            }
            self.wait_for_room(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Waits until a broker took something, but no longer than this.
    pub fn wait_for_room(&self, timeout: Duration) {
        let tally = self.reports().tally();
        let settled = tally.settled;
        let waited = self.reports().changed.wait_timeout_while(tally, timeout, |now| now.settled == settled);
        drop(waited);
    }

    /// Waits until all that was sent is taken (or given up, see [`Sink::check`]).
    ///
    /// # Errors
    /// [`KafkaError::TimedOut`], with the records still on their way, or what [`Sink::check`] says.
    pub fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        let deadline = Instant::now() + timeout;
        loop {
            let tally = self.reports().tally();
            let open = tally.sent.saturating_sub(tally.settled);
            if open == 0 {
                drop(tally);
                return self.check();
            }
            let now = Instant::now();
            if now >= deadline {
                let doing = format!("delivering {open} records");
                let after_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                return Err(KafkaError::TimedOut { doing, after_ms });
            }
            // Looked at again now and then: a fatal error need not come with a report.
            let wait = (deadline - now).min(Duration::from_millis(100));
            drop(self.reports().changed.wait_timeout(tally, wait));
            if let Some(fatal) = self.fatal() {
                return Err(fatal);
            }
        }
    }

    /// Whether everything so far was delivered or is on its way.
    ///
    /// # Errors
    /// [`KafkaError::Undelivered`] for good once a record was given up; [`KafkaError::Fatal`].
    pub fn check(&self) -> Result<(), KafkaError> {
        if let Some(fatal) = self.fatal() {
            return Err(fatal);
        }
        let tally = self.reports().tally();
        match &tally.first_failure {
            None => Ok(()),
            Some((topic, why)) => {
                Err(KafkaError::Undelivered { count: tally.failed, topic: topic.clone(), why: why.clone() })
            }
        }
    }

    /// Records that no broker has taken yet.
    pub fn pending(&self) -> u64 {
        let tally = self.reports().tally();
        tally.sent.saturating_sub(tally.settled)
    }

    /// Why nothing can be sent at the moment, if all brokers are away.
    pub fn disconnected(&self) -> Option<String> {
        let tally = self.reports().tally();
        tally.down.then(|| tally.last_trouble.clone())
    }

    fn reports(&self) -> &Reports {
        self.producer.client().context()
    }

    fn fatal(&self) -> Option<KafkaError> {
        let (_, why) = self.producer.client().fatal_error()?;
        Some(KafkaError::Fatal { why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Embedded;

    fn settings(broker: &Embedded) -> KafkaSettings {
        broker.settings(&KafkaSettings { unsent_records: 50, ..KafkaSettings::default() })
    }

    #[test]
    fn a_broker_that_is_away_makes_sending_wait_and_loses_nothing() {
        let broker = Embedded::start().unwrap();
        broker.create_topic("t", 1).unwrap();
        broker.set_up(false).unwrap();
        let sink = Sink::new(&settings(&broker)).unwrap();
        let mut accepted = 0u64;
        while sink.try_send("t", None, b"x", &[]).unwrap() == Sent::Accepted {
            accepted += 1;
            assert!(accepted < 1000, "more was accepted than may wait");
        }
        assert_eq!(accepted, 50);
        let late = sink.flush(Duration::from_millis(50)).unwrap_err();
        assert_eq!(late.to_string(), "delivering 50 records took longer than 50 ms");
        broker.set_up(true).unwrap();
        sink.send("t", None, b"y", &[]).unwrap();
        sink.flush(Duration::from_secs(30)).unwrap();
        assert_eq!((sink.pending(), sink.check()), (0, Ok(())));
    }

    #[test]
    fn a_record_that_is_too_large_is_refused_and_the_next_goes_through() {
        let broker = Embedded::start().unwrap();
        broker.create_topic("t", 1).unwrap();
        let sink = Sink::new(&settings(&broker)).unwrap();
        let refused = sink.send("t", Some(b"k"), &vec![b'x'; 3 << 20], &[]).unwrap_err();
        assert!(matches!(refused, KafkaError::TooLarge { bytes: 3145729, limit: 2097152, .. }), "{refused}");
        sink.send("t", Some(b"k"), b"small", &[]).unwrap();
        sink.flush(Duration::from_secs(30)).unwrap();
    }

    #[test]
    fn a_record_that_no_broker_took_in_time_is_told_and_stays_told() {
        let broker = Embedded::start().unwrap();
        broker.create_topic("t", 1).unwrap();
        let sink = Sink::new(&KafkaSettings { delivery_timeout_ms: 300, ..settings(&broker) }).unwrap();
        broker.set_up(false).unwrap();
        sink.send("t", None, b"x", &[]).unwrap();
        let failure = sink.flush(Duration::from_secs(30)).unwrap_err();
        assert!(
            failure.to_string().starts_with("1 records were not delivered, the first of them to \"t\""),
            "{failure}"
        );
        assert_eq!(sink.check(), Err(failure));
    }

    #[test]
    fn a_property_that_librdkafka_does_not_know_is_named() {
        let mut settings = KafkaSettings::default();
        settings.client.0.insert("sasl.nonsense".to_owned(), "x".to_owned());
        let fault = Sink::new(&settings).err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(fault.starts_with("kafka.client.sasl.nonsense is \"x\"; expected"), "{fault}");
    }
}
