//! What can go wrong with Kafka, each as one sentence.

/// A fault of the settings, of the broker or of a topic.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KafkaError {
    /// A setting that can't be used.
    #[error("kafka.{key} is {value:?}; expected {expected}")]
    Setting {
        /// The key below `kafka`.
        key: String,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: String,
    },
    /// No broker answers at start.
    #[error(
        "kafka.brokers is {brokers:?}, but no broker answered within {after_s} s ({why}); expected the address of a running Kafka broker"
    )]
    Unreachable {
        /// The addresses that were tried.
        brokers: String,
        /// How long.
        after_s: f64,
        /// The last thing heard.
        why: String,
    },
    /// A topic that does not exist.
    #[error(
        "kafka.topics.{key} is {topic:?}, but the broker has no such topic; expected an existing topic, or create it with --create-topics"
    )]
    TopicMissing {
        /// The key below `kafka.topics`.
        key: String,
        /// Its name.
        topic: String,
    },
    /// A topic with too few partitions.
    #[error(
        "kafka.topics.{key} is {topic:?}, whose number of partitions is {found}; expected at least kafka.{setting} = {expected}"
    )]
    Partitions {
        /// The key below `kafka.topics`.
        key: String,
        /// Its name.
        topic: String,
        /// How many it has.
        found: usize,
        /// The key below `kafka` of how many it should have.
        setting: &'static str,
        /// How many that is.
        expected: u32,
    },
    /// A topic that could not be made.
    #[error("kafka.topics.{key} is {topic:?}, which could not be created: {why}")]
    TopicCreation {
        /// The key below `kafka.topics`.
        key: String,
        /// Its name.
        topic: String,
        /// What the broker said.
        why: String,
    },
    /// All connections are lost; the client keeps trying.
    #[error("no broker can be reached ({why}); reading goes on when one is back")]
    Disconnected {
        /// The last thing heard.
        why: String,
    },
    /// An operation failed; the client lives on.
    #[error("{doing} failed: {why}")]
    Failed {
        /// What was tried.
        doing: String,
        /// What was said.
        why: String,
    },
    /// An operation took too long.
    #[error("{doing} took longer than {after_ms} ms")]
    TimedOut {
        /// What was tried.
        doing: String,
        /// How long.
        after_ms: u64,
    },
    /// A record that no broker would take.
    #[error(
        "a record of {bytes} bytes for {topic:?} is too large; expected at most kafka.largest_record_bytes = {limit}"
    )]
    TooLarge {
        /// Where it should go.
        topic: String,
        /// Its size: key, payload and headers.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A record that was sent but not taken.
    #[error("{count} records were not delivered, the first of them to {topic:?}: {why}")]
    Undelivered {
        /// How many so far.
        count: u64,
        /// Where the first should have gone.
        topic: String,
        /// Why it did not.
        why: String,
    },
    /// Records that were deleted before they were read.
    #[error(
        "{topic:?} partition {partition}: {count} records from offset {from} on were deleted before they were read; what they held is lost, and reading goes on at {to}"
    )]
    Gone {
        /// Where.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first of them.
        from: i64,
        /// How many.
        count: i64,
        /// The first that is there.
        to: i64,
    },
    /// A topic whose offsets count from the beginning again.
    #[error("{topic:?} partition {partition} was read up to {was} and goes on at {now}: the topic was made anew")]
    MadeAnew {
        /// Which.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset that was to come.
        was: i64,
        /// The one that came.
        now: i64,
    },
    /// A right that is missing.
    #[error("this process may not {right} {name:?} ({why}); expected the broker's administrator to allow it")]
    Forbidden {
        /// What it may not do, as `write to`.
        right: String,
        /// With what: a topic, a group, a transactional id.
        name: String,
        /// What was said.
        why: String,
    },
    /// A transaction that did not come to stand, or of which that is not known.
    #[error("the transaction is void ({why}); all since the last one is worked out again")]
    Void {
        /// What was said.
        why: String,
    },
    /// Another process has taken this one's place.
    #[error(
        "another process writes as {id:?} and has shut this one out ({why}); run one process under one kafka.group and kafka.instance"
    )]
    Fenced {
        /// The transactional id.
        id: String,
        /// What was said.
        why: String,
    },
    /// The client can't be used any longer.
    #[error("the Kafka client can't go on: {why}")]
    Fatal {
        /// What was said.
        why: String,
    },
}

impl KafkaError {
    /// Whether the client that reported it is of no further use.
    pub fn is_fatal(&self) -> bool {
        matches!(self, KafkaError::Fatal { .. })
    }

    /// `doing` failed, and the library said why.
    pub(crate) fn failed(doing: impl Into<String>, why: impl std::fmt::Display) -> KafkaError {
        KafkaError::Failed { doing: doing.into(), why: why.to_string() }
    }

    /// A client could not be made. A bad property is the setting's fault, the rest the library's.
    pub(super) fn client(error: rdkafka::error::KafkaError) -> KafkaError {
        match error {
            rdkafka::error::KafkaError::ClientConfig(_, why, key, value) => {
                let hidden = super::settings::is_secret(&key);
                KafkaError::Setting {
                    key: format!("client.{key}"),
                    value: if hidden { "***".to_owned() } else { value },
                    expected: format!("a librdkafka property and a value that it takes ({why})"),
                }
            }
            rdkafka::error::KafkaError::ClientCreation(why) => KafkaError::failed("creating a Kafka client", why),
            other => KafkaError::failed("creating a Kafka client", other),
        }
    }
}
