//! Writing with back-pressure: idempotent, all replicas, in order within a key.
//!
//! What was sent is held in memory until a broker took it; when that is full, sending waits. A broker that is away
//! makes sending wait, it loses nothing.
//!
//! A topic may take less than the client does, and says so only when a batch of records is refused whole. What was
//! sent by [`Sink::send_what_fits`] is then sent again at the next flush: each record alone, and if that is still too
//! large, without its payload.

mod reports;

use self::reports::{Fit, MAX_REFUSED, Refused, Reports};
use super::error::KafkaError;
use super::settings::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::time::{Duration, Instant};

/// Whether a record was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Accepted,
    /// Too much waits for the brokers: try again later.
    Full,
}

/// Headers as the library wants them.
pub(super) fn owned(headers: &[(&str, &[u8])]) -> Option<OwnedHeaders> {
    let owned = OwnedHeaders::new_with_capacity(headers.len());
    let insert = |owned: OwnedHeaders, &(key, value): &(&str, &[u8])| owned.insert(Header { key, value: Some(value) });
    (!headers.is_empty()).then(|| headers.iter().fold(owned, insert))
}

fn told(header: &Header<'_, &[u8]>) -> String {
    format!("{} = {}", header.key, String::from_utf8_lossy(header.value.unwrap_or_default()))
}

/// What is sent.
#[derive(Clone)]
struct Letter<'a> {
    topic: &'a str,
    /// `None`: the key's.
    partition: Option<i32>,
    key: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
    headers: Option<OwnedHeaders>,
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
        Sink::of(&settings.writer_config(), settings)
    }

    /// A writer with a configuration of its own.
    pub(super) fn of(config: &ClientConfig, settings: &KafkaSettings) -> Result<Sink, KafkaError> {
        let producer = config.create_with_context(Reports::default()).map_err(KafkaError::client)?;
        Ok(Sink { producer, largest_record_bytes: settings.largest_record_bytes as usize })
    }

    /// The client beneath.
    pub(super) fn producer(&self) -> &ThreadedProducer<Reports> {
        &self.producer
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
        let letter = Letter { topic, partition: None, key, payload: Some(payload), headers: owned(headers) };
        self.try_send_letter(letter, Fit::Whole)
    }

    fn try_send_letter(&self, letter: Letter<'_>, fit: Fit) -> Result<Sent, KafkaError> {
        let Letter { topic, partition, key, payload, headers } = letter;
        let header_bytes = |headers: &OwnedHeaders| -> usize {
            headers.iter().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len) + 10).sum()
        };
        let bytes =
            payload.map_or(0, <[u8]>::len) + key.map_or(0, <[u8]>::len) + headers.as_ref().map_or(0, header_bytes);
        let too_large = || KafkaError::TooLarge { topic: topic.to_owned(), bytes, limit: self.largest_record_bytes };
        if bytes > self.largest_record_bytes {
            return Err(too_large());
        }
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, fit as usize);
        if let Some(payload) = payload {
            record = record.payload(payload);
        }
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(headers) = headers {
            record = record.headers(headers);
        }
        if let Some(partition) = partition {
            record = record.partition(partition);
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
        let letter = Letter { topic, partition: None, key, payload: Some(payload), headers: owned(headers) };
        self.send_letter(letter, Fit::Whole)
    }

    /// As [`Sink::send`], to a partition of one's own choice.
    ///
    /// # Errors
    /// As [`Sink::try_send`].
    pub fn send_to(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        let letter = Letter { topic, partition: Some(partition), key, payload: Some(payload), headers: owned(headers) };
        self.send_letter(letter, Fit::Whole)
    }

    /// Writes a row of a compacted topic into a given partition, or deletes it, waiting while too much waits already.
    ///
    /// # Errors
    /// As [`Sink::try_send`].
    pub fn keep(&self, topic: &str, partition: i32, key: &[u8], row: Option<&[u8]>) -> Result<(), KafkaError> {
        let letter = Letter { topic, partition: Some(partition), key: Some(key), payload: row, headers: None };
        self.send_letter(letter, Fit::Whole)
    }

    /// Sends a record, waiting while too much waits already. If it is too large, for the client or for its topic, its
    /// key and headers go without the payload, and the log tells so.
    ///
    /// # Errors
    /// As [`Sink::try_send`]; [`KafkaError::TooLarge`] when the headers alone are.
    pub fn send_what_fits(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        while self.reports().tally().refused.len() >= MAX_REFUSED {
            match self.flush(Duration::from_secs(1)) {
                Ok(()) | Err(KafkaError::TimedOut { .. }) => {}
                Err(fatal) if fatal.is_fatal() => return Err(fatal),
                // What was lost is told at the next commit.
                Err(_) => break,
            }
        }
        let headers = owned(headers);
        let letter = Letter { topic, partition: None, key, payload: Some(payload), headers: headers.clone() };
        match self.send_letter(letter, Fit::WithOthers) {
            Err(KafkaError::TooLarge { .. }) => self.send_bare(topic, key, payload.len(), headers),
            sent => sent,
        }
    }

    /// Sends a record without its payload, which is too large, and tells so.
    pub(super) fn send_bare(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        payload_bytes: usize,
        headers: Option<OwnedHeaders>,
    ) -> Result<(), KafkaError> {
        let told: Vec<String> = headers.iter().flat_map(Headers::iter).map(|header| told(&header)).collect();
        tracing::error!(
            "a record of {payload_bytes} bytes is too large for {topic:?}; it goes without: {}",
            told.join(", ")
        );
        self.send_letter(Letter { topic, partition: None, key, payload: Some(&[]), headers }, Fit::Whole)
    }

    fn send_letter(&self, letter: Letter<'_>, fit: Fit) -> Result<(), KafkaError> {
        while self.try_send_letter(letter.clone(), fit)? == Sent::Full {
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
                let mut tally = tally;
                let refused = tally.refused.pop();
                drop(tally);
                match refused {
                    None => return self.check(),
                    // One at a time: the next goes when this one is settled.
                    Some(refused) => self.send_again(refused)?,
                }
                continue;
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

    fn send_again(&self, refused: Refused) -> Result<(), KafkaError> {
        let Refused { topic, key, payload, headers, was } = refused;
        match was {
            Fit::Alone => self.send_bare(&topic, key.as_deref(), payload.len(), headers),
            Fit::Whole | Fit::WithOthers => {
                let (key, payload) = (key.as_deref(), Some(&*payload));
                self.send_letter(Letter { topic: &topic, partition: None, key, payload, headers }, Fit::Alone)
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

    /// A topic that may not be written to, if one has said so.
    pub(super) fn forbidden(&self) -> Option<String> {
        self.reports().tally().forbidden.clone()
    }

    /// Why nothing can be sent at the moment, if all brokers are away.
    pub fn disconnected(&self) -> Option<String> {
        let tally = self.reports().tally();
        tally.down.then(|| tally.last_trouble.clone())
    }

    fn reports(&self) -> &Reports {
        self.producer.client().context()
    }

    /// Why nothing can be sent any more, if that is so.
    pub(super) fn fatal(&self) -> Option<KafkaError> {
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
    fn what_is_too_large_to_send_goes_without_its_payload() {
        let broker = Embedded::start().unwrap();
        broker.create_topic("t", 1).unwrap();
        let sink = Sink::new(&settings(&broker)).unwrap();
        sink.send_what_fits("t", Some(b"k"), &vec![b'x'; 3 << 20], &[("h", b"v")]).unwrap();
        sink.flush(Duration::from_secs(30)).unwrap();
        assert_eq!(sink.check(), Ok(()));
        assert_eq!(sink.reports().tally().sent, 1);
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
