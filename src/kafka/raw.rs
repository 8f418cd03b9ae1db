//! The calls of librdkafka that the `rdkafka` crate does not offer, each behind a safe face.

use super::error::KafkaError;
use rdkafka::TopicPartitionList;
use rdkafka::bindings as rd;
use rdkafka::types::{RDKafka, RDKafkaErrorCode};
use std::ffi::{CStr, CString, c_void};
use std::time::Duration;

/// A client's handle. It is good as long as the client that gave it lives.
#[derive(Clone, Copy)]
pub struct Handle(*mut RDKafka);

// SAFETY: librdkafka's client is thread safe; the pointer is never dereferenced here.
unsafe impl Send for Handle {}

impl Handle {
    /// The handle of a client.
    pub fn of<C: rdkafka::ClientContext>(client: &rdkafka::client::Client<C>) -> Handle {
        Handle(client.native_ptr())
    }
}

/// A queue of the application's own, to which partitions are forwarded. It must be dropped before its client.
pub struct Queue {
    queue: *mut rd::rd_kafka_queue_t,
    client: Handle,
}

// SAFETY: queues of librdkafka lock themselves.
unsafe impl Send for Queue {}

impl Queue {
    /// A new, empty queue.
    pub fn new(client: Handle) -> Queue {
        // SAFETY: the client is alive; the call can't fail.
        Queue { queue: unsafe { rd::rd_kafka_queue_new(client.0) }, client }
    }

    /// Lets what is fetched of a partition come to this queue. False when the partition is unknown to the client.
    pub fn forward(&self, topic: &CStr, partition: i32) -> bool {
        // SAFETY: client and name are alive; the partition's queue is given back right after.
        unsafe {
            let from = rd::rd_kafka_queue_get_partition(self.client.0, topic.as_ptr(), partition);
            if from.is_null() {
                return false;
            }
            rd::rd_kafka_queue_forward(from, self.queue);
            rd::rd_kafka_queue_destroy(from);
        }
        true
    }

    /// Waits for a first message, then tells all that are there, up to `most`, in order. A message lives until its
    /// call returns or panics.
    ///
    /// One by one, for each of the calls that take many at once has a fault (librdkafka 2.12).
    /// `rd_kafka_consume_batch_queue` counts the notice of a partition's end as a record when it keeps the partition's
    /// place: after a pause, and each rebalance pauses, it goes on one record too late, or finds the place out of
    /// range and reads everything again (mended after 2.12.1, by librdkafka's pull request 5213).
    /// `rd_kafka_consume_callback_queue` takes the whole queue out while it calls, so that the fetchers find it empty and
    /// the bound on memory does not hold. The price is 0.41 µs of processor time a record of 212 bytes (lz4) instead of the
    /// batch call's 0.24 µs.
    pub fn take(&self, wait: Duration, most: usize, mut each: impl FnMut(Message<'_>)) {
        let mut wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        for _ in 0..most {
            // SAFETY: the queue is alive; what comes is a message of ours or null.
            let message = unsafe { rd::rd_kafka_consume_queue(self.queue, wait_ms) };
            if message.is_null() {
                return;
            }
            let owned = Owned(message);
            // SAFETY: the message lives as long as `owned`.
            each(Message { message: unsafe { &*owned.0 } });
            wait_ms = 0;
        }
    }
}

/// A message to give back.
struct Owned(*mut rd::rd_kafka_message_t);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: handed to us by librdkafka, destroyed once.
        unsafe { rd::rd_kafka_message_destroy(self.0) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by `rd_kafka_queue_new`, destroyed once, while its client lives.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}

/// A message, or an error about a partition in the guise of one.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    message: &'a rd::rd_kafka_message_t,
}

impl<'a> Message<'a> {
    /// A message that the crate received.
    pub fn borrowed(message: &'a rdkafka::message::BorrowedMessage<'_>) -> Message<'a> {
        // SAFETY: the pointer is good as long as the message, which outlives 'a.
        Message { message: unsafe { &*message.ptr() } }
    }

    /// What went wrong, if this is no message.
    pub fn error(self) -> Option<RDKafkaErrorCode> {
        (self.message.err != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| self.message.err.into())
    }

    /// The error's text.
    pub fn error_text(self) -> String {
        // SAFETY: the text is null or lives as long as the message.
        unsafe {
            let text = rd::rd_kafka_message_errstr(self.message);
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
        }
    }

    /// A number that is the same for messages of one topic as long as the topic is assigned.
    pub fn topic_id(self) -> usize {
        self.message.rkt as usize
    }

    /// The topic's name; empty for an error about no topic.
    pub fn topic(self) -> &'a [u8] {
        if self.message.rkt.is_null() {
            return b"";
        }
        // SAFETY: the message keeps its topic alive, and the topic its name.
        unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(self.message.rkt)) }.to_bytes()
    }

    /// The partition.
    pub fn partition(self) -> i32 {
        self.message.partition
    }

    /// The offset.
    pub fn offset(self) -> i64 {
        self.message.offset
    }

    /// When it was written, milliseconds since 1970, or −1.
    pub fn timestamp_ms(self) -> i64 {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a message and a place for the kind.
        unsafe { rd::rd_kafka_message_timestamp(self.message, &mut kind) }
    }

    /// The key.
    pub fn key(self) -> Option<&'a [u8]> {
        // SAFETY: the message's own pointer and length.
        unsafe { bytes(self.message.key, self.message.key_len) }
    }

    /// The payload; `None` is a tombstone.
    pub fn payload(self) -> Option<&'a [u8]> {
        // SAFETY: the message's own pointer and length.
        unsafe { bytes(self.message.payload, self.message.len) }
    }

    /// The header at `index`, in the order of sending.
    pub fn header(self, index: usize) -> Option<(&'a [u8], &'a [u8])> {
        let (mut headers, mut name, mut value, mut size) =
            (std::ptr::null_mut(), std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: headers live as long as the message; places for the results are given; errors mean "none".
        unsafe {
            let none = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
            if rd::rd_kafka_message_headers(self.message, &mut headers) != none
                || rd::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size) != none
            {
                return None;
            }
            Some((CStr::from_ptr(name).to_bytes(), bytes(value, size).unwrap_or_default()))
        }
    }
}

/// # Safety
/// `start` is null or begins `len` readable bytes that live for 'a.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: promised by the caller.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), len) })
}

/// The first offset and the one after the last, as last heard from the broker; `None` before anything was heard.
pub fn watermarks(client: Handle, topic: &CStr, partition: i32) -> Option<(i64, i64)> {
    let (mut low, mut high) = (-1, -1);
    // SAFETY: client and name are alive, places for the results are given.
    let code = unsafe { rd::rd_kafka_get_watermark_offsets(client.0, topic.as_ptr(), partition, &mut low, &mut high) };
    (code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low.max(0), high))
}

/// What tells a topic from another one of the same name, that was deleted before or will be made after it; `None` when the
/// broker does not say in time, or has no such topic.
pub fn topic_id(client: Handle, topic: &CStr, wait: Duration) -> Option<String> {
    let answers = Queue::new(client);
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    let mut name = topic.as_ptr();
    // SAFETY: client, name and queue are alive; the collection, the options and the event are ours and destroyed here; what
    // the event holds is read before.
    unsafe {
        let topics = rd::rd_kafka_TopicCollection_of_topic_names(&mut name, 1);
        let kind = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = rd::rd_kafka_AdminOptions_new(client.0, kind);
        rd::rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, std::ptr::null_mut(), 0);
        rd::rd_kafka_DescribeTopics(client.0, topics, options, answers.queue);
        rd::rd_kafka_AdminOptions_destroy(options);
        rd::rd_kafka_TopicCollection_destroy(topics);
        let event = rd::rd_kafka_queue_poll(answers.queue, wait_ms);
        let id = described(event);
        if !event.is_null() {
            rd::rd_kafka_event_destroy(event);
        }
        id
    }
}

/// The id of the one topic that was asked for.
///
/// # Safety
/// `event` is null or alive.
unsafe fn described(event: *mut rd::rd_kafka_event_t) -> Option<String> {
    // SAFETY: promised by the caller; what the event gives lives as long as it does, and null is looked for.
    unsafe {
        let none = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        if event.is_null() || rd::rd_kafka_event_error(event) != none {
            return None;
        }
        let result = rd::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        let found = (!result.is_null()).then(|| rd::rd_kafka_DescribeTopics_result_topics(result, &mut count))?;
        let found = (!found.is_null() && count == 1).then(|| *found)?;
        let error = rd::rd_kafka_TopicDescription_error(found);
        if !error.is_null() && rd::rd_kafka_error_code(error) != none {
            return None;
        }
        let id = rd::rd_kafka_TopicDescription_topic_id(found);
        let text = (!id.is_null()).then(|| rd::rd_kafka_Uuid_base64str(id))?;
        // A broker that knows of no ids says nothing but zeros.
        let text = (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())?;
        text.contains(|letter| letter != 'A').then_some(text)
    }
}

/// Commits offsets and waits for the broker's answer. The crate's own call waits without end.
pub fn commit(client: Handle, offsets: &TopicPartitionList, wait: Duration) -> Result<(), KafkaError> {
    let doing = "committing offsets";
    let answers = Queue::new(client);
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: client, list and queue are alive; without a callback the answer comes as an event, destroyed here.
    let code = unsafe {
        let none = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        let asked = rd::rd_kafka_commit_queue(client.0, offsets.ptr(), answers.queue, None, std::ptr::null_mut());
        if asked != none {
            asked
        } else {
            let event = rd::rd_kafka_queue_poll(answers.queue, wait_ms);
            if event.is_null() {
                return Err(KafkaError::TimedOut { doing: doing.to_owned(), after_ms: wait.as_millis() as u64 });
            }
            let code = rd::rd_kafka_event_error(event);
            rd::rd_kafka_event_destroy(event);
            code
        }
    };
    match RDKafkaErrorCode::from(code) {
        RDKafkaErrorCode::NoError | RDKafkaErrorCode::NoOffset => Ok(()),
        other => Err(KafkaError::failed(doing, other)),
    }
}

/// What ended a call about a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionError {
    /// The code.
    pub code: RDKafkaErrorCode,
    /// The text.
    pub text: String,
    /// Whether the client is of no further use.
    pub is_fatal: bool,
    /// Whether the same call may be made again.
    pub is_retriable: bool,
}

/// Commits the open transaction, waiting so long at most. The crate's own call flushes before, which with a thread of
/// its own for delivery reports only costs: 100 ms each time.
pub fn commit_transaction(client: Handle, wait: Duration) -> Result<(), TransactionError> {
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive; the error is null or ours, read and destroyed here.
    unsafe {
        let error = rd::rd_kafka_commit_transaction(client.0, wait_ms);
        if error.is_null() {
            return Ok(());
        }
        let told = TransactionError {
            code: rd::rd_kafka_error_code(error).into(),
            text: CStr::from_ptr(rd::rd_kafka_error_string(error)).to_string_lossy().into_owned(),
            is_fatal: rd::rd_kafka_error_is_fatal(error) != 0,
            is_retriable: rd::rd_kafka_error_is_retriable(error) != 0,
        };
        rd::rd_kafka_error_destroy(error);
        Err(told)
    }
}

/// The mock cluster inside a client that was configured with `test.mock.num.brokers`.
pub struct Mock(*mut rd::rd_kafka_mock_cluster_t);

// SAFETY: the cluster runs on a thread of its own and locks itself.
unsafe impl Send for Mock {}

impl Mock {
    /// The cluster of that client, if it has one. It lives as long as the client.
    pub fn of(client: Handle) -> Option<Mock> {
        // SAFETY: the client is alive; null means that it has none.
        let cluster = unsafe { rd::rd_kafka_handle_mock_cluster(client.0) };
        (!cluster.is_null()).then_some(Mock(cluster))
    }

    /// Its addresses, as `bootstrap.servers` wants them.
    pub fn bootstrap(&self) -> String {
        // SAFETY: the text lives as long as the cluster.
        unsafe { CStr::from_ptr(rd::rd_kafka_mock_cluster_bootstraps(self.0)) }.to_string_lossy().into_owned()
    }

    /// How long a new group waits for more members.
    pub fn set_group_delay(&self, delay: Duration) {
        // SAFETY: the cluster is alive.
        unsafe {
            rd::rd_kafka_mock_group_initial_rebalance_delay_ms(self.0, i32::try_from(delay.as_millis()).unwrap_or(0))
        }
    }

    /// Makes a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), RDKafkaErrorCode> {
        let name = CString::new(name).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
        // SAFETY: cluster and name are alive.
        let code = unsafe { rd::rd_kafka_mock_topic_create(self.0, name.as_ptr(), partitions, 1) };
        match code.into() {
            RDKafkaErrorCode::NoError => Ok(()),
            code => Err(code),
        }
    }
}
