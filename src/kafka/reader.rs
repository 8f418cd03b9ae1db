//! Reading partitions in big batches through one queue of our own: what [`Source`](super::Source) and
//! [`Tables`](super::Tables) share.
//!
//! A consumer's own queue gives events only, one by one. So each partition's queue is forwarded to a queue of our own, and the consumer is polled for rebalances and errors. When a partition is taken back right after it was given
//! away, the end of its first stay undoes the forwarding; it is therefore renewed at each poll until the
//! partition shows a sign of life here, and what went to the consumer meanwhile is taken from there, in order.

use super::error::KafkaError;
use super::raw::{self, Handle, Message, Queue};
use super::settings::KafkaSettings;
use super::watch::{Rebalance, Watch};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as Error;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, TopicPartitionList};
use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::time::Duration;

/// The longest wait for records in one call: rebalances and errors are looked at before and after.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// A record as received. It is good for the duration of the callback.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The topic, an index in the list the reader was made with.
    pub topic: u16,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// When it was written, milliseconds since 1970; −1 when unknown.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The payload; empty for a record without one.
    pub payload: &'a [u8],
    /// Whether it has no payload: in a compacted topic, the key is deleted.
    pub is_tombstone: bool,
    /// What the headers are read from; `None` of a record that no broker brought.
    message: Option<Message<'a>>,
}

impl<'a> Record<'a> {
    fn of(topic: u16, message: Message<'a>) -> Record<'a> {
        let payload = message.payload();
        Record {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp_ms(),
            key: message.key(),
            payload: payload.unwrap_or_default(),
            is_tombstone: payload.is_none(),
            message: Some(message),
        }
    }

    /// A record without headers that no broker brought.
    #[cfg(test)]
    pub fn made_up(topic: u16, partition: i32, offset: i64, key: Option<&'a [u8]>, payload: &'a [u8]) -> Record<'a> {
        Record { topic, partition, offset, timestamp_ms: -1, key, payload, is_tombstone: false, message: None }
    }

    /// Its headers, name and value, in the order of sending.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let message = self.message;
        (0..).map_while(move |index| message?.header(index))
    }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({}/{}@{}, {} bytes)", self.topic, self.partition, self.offset, self.payload.len())
    }
}

/// What a reader finds.
#[derive(Debug)]
pub enum Read<'a> {
    /// A record.
    Record(Record<'a>),
    /// All of a partition was read, for now.
    End {
        /// The topic's index.
        topic: u16,
        /// The partition.
        partition: i32,
        /// The next record's offset.
        offset: i64,
    },
    /// Something that does not end the reader.
    Failed(KafkaError),
    /// Something new came after all brokers were lost.
    Restored,
}

/// Whether brokers can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// As far as known.
    Up,
    /// All were lost; what was fetched before is still being taken.
    Down,
    /// All were lost and nothing is left: what comes now is new.
    Drained,
}

/// A consumer whose partitions come together in one queue.
pub struct Reader {
    // In this order they are dropped: the queue before the client it belongs to.
    queue: Queue,
    consumer: Arc<BaseConsumer<Watch>>,
    batch_records: usize,
    topics: Vec<String>,
    names: Vec<CString>,
    /// Topic handles seen in messages, and what they stand for.
    known: Vec<(usize, u16)>,
    /// Assigned partitions that were not heard of yet.
    unheard: Vec<(u16, i32)>,
    link: Link,
    told: Vec<String>,
}

impl Reader {
    /// A reader of these topics, nothing assigned yet. It must have a group.
    pub fn new(config: &ClientConfig, settings: &KafkaSettings, topics: &[String]) -> Result<Reader, KafkaError> {
        let names = topics.iter().map(|topic| CString::new(topic.as_str())).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|_| KafkaError::failed("reading topics", "a name holds a zero byte"))?;
        let consumer: BaseConsumer<Watch> = config.create_with_context(Watch::default()).map_err(KafkaError::client)?;
        Ok(Reader {
            queue: Queue::new(Handle::of(consumer.client())),
            consumer: Arc::new(consumer),
            batch_records: settings.batch_records as usize,
            topics: topics.to_vec(),
            names,
            known: Vec::new(),
            unheard: Vec::new(),
            link: Link::Up,
            told: Vec::new(),
        })
    }

    /// The client beneath.
    pub fn consumer(&self) -> &BaseConsumer<Watch> {
        &self.consumer
    }

    /// The client beneath, for another thread.
    pub fn shared_consumer(&self) -> Arc<BaseConsumer<Watch>> {
        self.consumer.clone()
    }

    /// The topics' names.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// A topic's index.
    pub fn index_of(&self, topic: &str) -> Option<u16> {
        self.topics.iter().position(|name| name == topic).and_then(|index| u16::try_from(index).ok())
    }

    /// To be called when these partitions have been assigned: they come to the queue from now on.
    pub fn gather(&mut self, partitions: &[(u16, i32)]) {
        self.known.clear();
        self.told.clear();
        self.unheard.extend_from_slice(partitions);
        self.forward();
    }

    /// To be called when these partitions are no longer assigned.
    pub fn forget(&mut self, partitions: &[(u16, i32)]) {
        self.known.clear();
        self.unheard.retain(|part| !partitions.contains(part));
    }

    fn forward(&mut self) {
        for &(topic, partition) in &self.unheard {
            self.queue.forward(&self.names[usize::from(topic)], partition);
        }
    }

    /// Serves the client: errors and stray records are told, rebalances are returned, to be carried out by the caller.
    ///
    /// # Errors
    /// Only what ends the reader.
    pub fn serve(&mut self, on: &mut dyn FnMut(Read<'_>)) -> Result<Vec<Rebalance>, KafkaError> {
        loop {
            let served = self.consumer.context().served();
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let message = Message::borrowed(&message);
                    let topic = self.topics.iter().position(|name| name.as_bytes() == message.topic());
                    if let Some(topic) = topic.and_then(|index| u16::try_from(index).ok()) {
                        on(Read::Record(Record::of(topic, message)));
                    }
                }
                Some(Err(Error::PartitionEOF(partition))) => self.ask_again(partition),
                Some(Err(error)) => self.trouble(error, on)?,
                None if self.consumer.context().served() == served => break,
                None => {}
            }
        }
        for why in self.consumer.context().take_failed_commits() {
            on(Read::Failed(KafkaError::failed("committing offsets", why)));
        }
        self.forward();
        Ok(self.consumer.context().take_rebalances())
    }

    /// An end reached the consumer, which does not say of which topic: pausing and resuming makes it come again.
    fn ask_again(&mut self, partition: i32) {
        let mut list = TopicPartitionList::new();
        for (topic, _) in self.unheard.iter().filter(|part| part.1 == partition) {
            list.add_partition(&self.topics[usize::from(*topic)], partition);
        }
        self.forward();
        if let Err(error) = self.consumer.pause(&list).and_then(|()| self.consumer.resume(&list)) {
            tracing::warn!("asking for a partition's end again: {error}");
        }
    }

    fn trouble(&mut self, error: Error, on: &mut dyn FnMut(Read<'_>)) -> Result<(), KafkaError> {
        let why = self.consumer.context().last_trouble();
        let why = if why.is_empty() { error.to_string() } else { why };
        if let Error::MessageConsumptionFatal(_) = error {
            return Err(KafkaError::Fatal { why });
        }
        match error.rdkafka_error_code() {
            Some(Code::Fatal) => return Err(KafkaError::Fatal { why }),
            Some(Code::AllBrokersDown) => {
                if self.link == Link::Up {
                    self.link = Link::Down;
                    on(Read::Failed(KafkaError::Disconnected { why }));
                }
            }
            // One broker of several, or the way to the one that will be lost in a moment.
            Some(Code::BrokerTransportFailure | Code::Resolve) => tracing::debug!("{why}"),
            _ => self.tell(KafkaError::failed("reading", why), on),
        }
        Ok(())
    }

    /// Tells a failure once, until the assignment changes.
    fn tell(&mut self, failure: KafkaError, on: &mut dyn FnMut(Read<'_>)) {
        let text = failure.to_string();
        if !self.told.contains(&text) {
            on(Read::Failed(failure));
            self.told.push(text);
        }
    }

    /// Takes what is there, or waits for it: as long as told, but no longer than 50 ms. Returns how many records.
    pub fn take(&mut self, wait: Duration, on: &mut dyn FnMut(Read<'_>)) -> usize {
        let Reader { queue, topics, known, unheard, link, .. } = self;
        let mut failures = Vec::new();
        let (mut came, mut records) = (false, 0);
        queue.take(wait.min(LONGEST_WAIT), self.batch_records, |message| {
            let Some(topic) = index(known, topics, message) else { return };
            let partition = message.partition();
            if !unheard.is_empty() {
                unheard.retain(|part| *part != (topic, partition));
            }
            came = true;
            if *link == Link::Drained && matches!(message.error(), None | Some(Code::PartitionEOF)) {
                *link = Link::Up;
                on(Read::Restored);
            }
            match message.error() {
                None => {
                    records += 1;
                    on(Read::Record(Record::of(topic, message)));
                }
                Some(Code::PartitionEOF) => on(Read::End { topic, partition, offset: message.offset() }),
                Some(Code::TopicAuthorizationFailed) => failures.push(KafkaError::Forbidden {
                    right: "read".to_owned(),
                    name: topics[usize::from(topic)].clone(),
                    why: message.error_text(),
                }),
                Some(_) => failures.push(KafkaError::failed(
                    format!("reading {} partition {partition}", topics[usize::from(topic)]),
                    message.error_text(),
                )),
            }
        });
        if !came && self.link == Link::Down {
            self.link = Link::Drained;
        }
        for failure in failures {
            self.tell(failure, on);
        }
        records
    }

    /// First offset and end of a partition as last heard.
    pub fn watermarks(&self, topic: u16, partition: i32) -> Option<(i64, i64)> {
        raw::watermarks(Handle::of(self.consumer.client()), self.name(topic)?, partition)
    }

    /// A topic's name.
    pub fn name(&self, topic: u16) -> Option<&CStr> {
        self.names.get(usize::from(topic)).map(CString::as_c_str)
    }
}

/// The index of a message's topic, by its handle when it was seen before.
fn index(known: &mut Vec<(usize, u16)>, topics: &[String], message: Message<'_>) -> Option<u16> {
    let id = message.topic_id();
    if let Some(found) = known.iter().find(|entry| entry.0 == id) {
        return Some(found.1);
    }
    let topic = topics.iter().position(|name| name.as_bytes() == message.topic())?;
    let topic = u16::try_from(topic).ok()?;
    known.push((id, topic));
    Some(topic)
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.consumer.context().close();
    }
}
