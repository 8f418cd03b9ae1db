//! The section `[kafka]` of the configuration, and what librdkafka is told by it.

mod client;

pub(super) use self::client::BATCH_OVERHEAD_BYTES;
use super::error::KafkaError;
use super::topics::Topics;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// How long a stream may say nothing: the default lateness, 30 s, and what passes until the final word about an event
/// that microphones heard, which is twice the longest travel time.
pub const DEFAULT_CLOSE_AFTER_S: u32 = 150;
/// How much event time is read again before what is needed: as long as a track, a vessel or a node may be silent by
/// default before its silence means something.
pub const DEFAULT_RECALL_S: u32 = 900;
/// Where checkpoints are laid down.
pub const DEFAULT_CHECKPOINT_DIR: &str = "checkpoints";
/// Records between two checkpoints: a second's reading, more or less.
pub const DEFAULT_CHECKPOINT_RECORDS: u32 = 250_000;
/// What a reader fetches ahead of what was taken, in records.
pub const DEFAULT_PREFETCH_RECORDS: u32 = 100_000;
/// The same in KiB: the bound on a reader's memory, but for the answers that are on their way.
pub const DEFAULT_PREFETCH_KIB: u32 = 128 * 1024;
/// What a writer holds that no broker has taken yet, in records.
pub const DEFAULT_UNSENT_RECORDS: u32 = 100_000;
/// The same in KiB: the bound on a writer's memory.
pub const DEFAULT_UNSENT_KIB: u32 = 64 * 1024;
/// The largest record that is written, bytes: what a received record of 1 MiB and its headers need.
pub const DEFAULT_LARGEST_RECORD_BYTES: u32 = 2 * 1024 * 1024;

/// How long a transaction may be open before the broker gives it up, milliseconds. A process that was killed leaves one
/// open, which its successor ends at once; this is for one that has no successor.
pub(super) const TRANSACTION_TIMEOUT_MS: u32 = 60_000;

/// How long a record waits in a transaction for others, milliseconds, unless a commit sends it before.
pub(super) const TRANSACTION_LINGER_MS: u32 = 5;

/// How Kafka is reached, which topics are used and how much is kept in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaSettings {
    /// Addresses, `host:port`: a list, or one text with commas.
    pub brokers: Brokers,
    /// The consumer group: processes of one group share the partitions.
    pub group: String,
    /// A name of this process within the group that survives a restart: its partitions wait for it until the session
    /// times out. Empty: none.
    pub instance: String,
    /// Whether each alert revision and each rejected line is said exactly once, by Kafka's transactions; else at least
    /// once, and after a crash again.
    pub exactly_once: bool,
    /// Between two commits of how far was read, when there is nothing to say, milliseconds.
    pub commit_interval_ms: u32,
    /// In this time what each region has learnt is written down once, if it has learnt something, seconds.
    pub learnt_interval_s: u32,
    /// How much event time is read again at a restart before what open windows need, seconds: what nodes, tracks and
    /// vessels were last known to do is known again by that.
    pub recall_s: u32,
    /// The directory in which a live run lays down all that it knows now and then, so that a restart has little to read again;
    /// made when it is not there. Empty: none.
    pub checkpoint_dir: PathBuf,
    /// Records after which it does so again: what a restart reads again at most.
    pub checkpoint_records: u32,
    /// Whether it may begin though the group has come somewhere and nothing is known any more of what was said: alerts of what
    /// is read again are said anew then, counting from 1.
    pub said_anew: bool,
    /// Where a partition is read from that the group has no offset for.
    pub start: Start,
    /// The topics' names.
    pub topics: Topics,
    /// Partitions of the topics of telemetry that are created, and the least that existing ones must have.
    pub partitions: u32,
    /// The same of all other topics. Of these little is written, and in one partition it has one order.
    pub alert_partitions: u32,
    /// Copies of the topics that are created.
    pub replication: u32,
    /// How long created telemetry topics keep records, hours; 0 is for ever.
    pub telemetry_retention_h: u32,
    /// How long created alert topics keep records, hours; 0 is for ever.
    pub alerts_retention_h: u32,
    /// How long a broker may take to answer, milliseconds.
    pub answer_timeout_ms: u32,
    /// How long a member of the group may be silent before its partitions go to others, milliseconds.
    pub session_timeout_ms: u32,
    /// How long no record may come, when all there is was read, until a live stream counts as gone quiet, seconds.
    pub close_after_s: u32,
    /// Records fetched ahead.
    pub prefetch_records: u32,
    /// KiB fetched ahead.
    pub prefetch_kib: u32,
    /// How far ahead of event time a partition is read while another has more to read, seconds of event time; then it
    /// waits. So what windows hold is bounded, however unequal the partitions' backlogs are.
    pub max_ahead_s: u32,
    /// Records taken at one poll; a live run takes 1024 at most.
    pub batch_records: u32,
    /// Records that wait to be taken by a broker; then sending waits.
    pub unsent_records: u32,
    /// KiB that wait to be taken by a broker; then sending waits.
    pub unsent_kib: u32,
    /// How long a record waits for company before it is sent, milliseconds.
    pub linger_ms: u32,
    /// How records are compressed.
    pub compression: Compression,
    /// The largest record that is written, bytes.
    pub largest_record_bytes: u32,
    /// After how long a record that no broker takes counts as undelivered, milliseconds; 0 is never.
    pub delivery_timeout_ms: u32,
    /// Further properties of librdkafka (`security.protocol`, `sasl.*`, `ssl.*` …).
    pub client: Properties,
}

impl Default for KafkaSettings {
    fn default() -> KafkaSettings {
        KafkaSettings {
            brokers: Brokers(vec!["127.0.0.1:9092".to_owned()]),
            group: "truceline".to_owned(),
            instance: String::new(),
            exactly_once: true,
            commit_interval_ms: 500,
            learnt_interval_s: 60,
            recall_s: DEFAULT_RECALL_S,
            checkpoint_dir: PathBuf::from(DEFAULT_CHECKPOINT_DIR),
            checkpoint_records: DEFAULT_CHECKPOINT_RECORDS,
            said_anew: false,
            start: Start::Earliest,
            topics: Topics::default(),
            partitions: 4,
            alert_partitions: 1,
            replication: 1,
            telemetry_retention_h: 7 * 24,
            alerts_retention_h: 0,
            answer_timeout_ms: 10_000,
            session_timeout_ms: 10_000,
            close_after_s: DEFAULT_CLOSE_AFTER_S,
            prefetch_records: DEFAULT_PREFETCH_RECORDS,
            prefetch_kib: DEFAULT_PREFETCH_KIB,
            max_ahead_s: 300,
            batch_records: 4096,
            unsent_records: DEFAULT_UNSENT_RECORDS,
            unsent_kib: DEFAULT_UNSENT_KIB,
            linger_ms: 1,
            compression: Compression::Lz4,
            largest_record_bytes: DEFAULT_LARGEST_RECORD_BYTES,
            delivery_timeout_ms: 0,
            client: Properties::default(),
        }
    }
}

/// Where reading starts when nothing was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// After the newest record.
    Latest,
}

/// How batches of records are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// Fast.
    Lz4,
    /// Small.
    Zstd,
}

/// Addresses of brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Brokers(pub Vec<String>);

impl Brokers {
    /// The addresses in a text with commas.
    pub fn parse(text: &str) -> Brokers {
        Brokers(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }
}

impl fmt::Display for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl<'de> Deserialize<'de> for Brokers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Brokers, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a list of host:port, or one text with commas")]
        enum Written {
            Text(String),
            List(Vec<String>),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Text(text) => Brokers::parse(&text),
            Written::List(list) => Brokers::parse(&list.join(",")),
        })
    }
}

/// Properties of librdkafka by name. Secrets are shown as `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, String>);

/// Whether a property's value must not be shown.
pub fn is_secret(property: &str) -> bool {
    ["password", "secret", "sasl.oauthbearer.config", "key.pem", "jaas"].iter().any(|part| property.contains(part))
}

impl Properties {
    fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), if is_secret(key) { "***" } else { value.as_str() }))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.shown())
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Properties, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a text, a whole number, or true or false")]
        enum Value {
            Text(String),
            Number(i64),
            Flag(bool),
        }
        let written = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let text = |value| match value {
            Value::Text(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
        };
        Ok(Properties(written.into_iter().map(|(key, value)| (key, text(value))).collect()))
    }
}

/// Properties that have a key of their own or on which the program's correctness rests.
const OWN: &[(&str, &str)] = &[
    ("bootstrap.servers", "kafka.brokers"),
    ("metadata.broker.list", "kafka.brokers"),
    ("group.id", "kafka.group"),
    ("group.instance.id", "kafka.instance"),
    ("auto.offset.reset", "kafka.start"),
    ("session.timeout.ms", "kafka.session_timeout_ms"),
    ("queued.min.messages", "kafka.prefetch_records"),
    ("queued.max.messages.kbytes", "kafka.prefetch_kib"),
    ("queue.buffering.max.messages", "kafka.unsent_records"),
    ("queue.buffering.max.kbytes", "kafka.unsent_kib"),
    ("message.max.bytes", "kafka.largest_record_bytes"),
    ("message.timeout.ms", "kafka.delivery_timeout_ms"),
    ("delivery.timeout.ms", "kafka.delivery_timeout_ms"),
    ("compression.codec", "kafka.compression"),
    ("compression.type", "kafka.compression"),
    ("linger.ms", "kafka.linger_ms"),
    ("transaction.timeout.ms", ""),
    ("queue.buffering.max.ms", "kafka.linger_ms"),
    ("enable.auto.commit", ""),
    ("enable.auto.offset.store", ""),
    ("enable.partition.eof", ""),
    ("enable.idempotence", ""),
    ("acks", ""),
    ("request.required.acks", ""),
    ("isolation.level", ""),
    ("group.protocol", ""),
    ("transactional.id", ""),
    ("test.mock.num.brokers", ""),
];

impl KafkaSettings {
    /// All faults that can be seen without a broker.
    pub fn faults(&self) -> Vec<KafkaError> {
        let mut faults = Vec::new();
        let mut fault = |bad: bool, key: &str, value: &dyn fmt::Display, expected: &str| {
            if bad {
                let (key, value) = (key.to_owned(), value.to_string());
                faults.push(KafkaError::Setting { key, value, expected: expected.to_owned() });
            }
        };
        fault(self.brokers.0.is_empty(), "brokers", &self.brokers, "at least one host:port");
        for broker in &self.brokers.0 {
            fault(!is_address(broker), "brokers", broker, "host:port with a port from 1 to 65535");
        }
        fault(self.group.trim().is_empty(), "group", &self.group, "a name");
        let positive = [
            ("partitions", self.partitions),
            ("alert_partitions", self.alert_partitions),
            ("replication", self.replication),
            ("answer_timeout_ms", self.answer_timeout_ms),
            ("session_timeout_ms", self.session_timeout_ms),
            ("close_after_s", self.close_after_s),
            ("commit_interval_ms", self.commit_interval_ms),
            ("prefetch_records", self.prefetch_records),
            ("prefetch_kib", self.prefetch_kib),
            ("max_ahead_s", self.max_ahead_s),
            ("checkpoint_records", self.checkpoint_records),
            ("unsent_records", self.unsent_records),
            ("unsent_kib", self.unsent_kib),
        ];
        for (key, value) in positive {
            fault(value == 0, key, &value, "a number above 0");
        }
        fault(self.partitions > 10_000, "partitions", &self.partitions, "at most 10000");
        fault(self.alert_partitions > 10_000, "alert_partitions", &self.alert_partitions, "at most 10000");
        fault(self.replication > 100, "replication", &self.replication, "at most 100");
        fault(self.prefetch_records > 10_000_000, "prefetch_records", &self.prefetch_records, "at most 10000000");
        fault(self.prefetch_kib > 2_097_151, "prefetch_kib", &self.prefetch_kib, "at most 2097151");
        fault(self.unsent_records > 10_000_000, "unsent_records", &self.unsent_records, "at most 10000000");
        fault(self.unsent_kib > 2_097_151, "unsent_kib", &self.unsent_kib, "at most 2097151");
        fault(!(2..=100_000).contains(&self.batch_records), "batch_records", &self.batch_records, "2 to 100000");
        let longest_ms = TRANSACTION_TIMEOUT_MS / 2;
        fault(self.commit_interval_ms > longest_ms, "commit_interval_ms", &self.commit_interval_ms, "at most 30000");
        fault(self.learnt_interval_s > 86_400, "learnt_interval_s", &self.learnt_interval_s, "at most 86400");
        fault(self.recall_s > 604_800, "recall_s", &self.recall_s, "at most 604800");
        fault(self.close_after_s > 86_400, "close_after_s", &self.close_after_s, "at most 86400");
        fault(self.max_ahead_s > 86_400, "max_ahead_s", &self.max_ahead_s, "at most 86400");
        fault(self.linger_ms > 60_000, "linger_ms", &self.linger_ms, "at most 60000");
        fault(
            !(1_100_000..=1_000_000_000).contains(&self.largest_record_bytes),
            "largest_record_bytes",
            &self.largest_record_bytes,
            "1100000 (a received record of 1 MiB and its headers) to 1000000000",
        );
        for (property, instead) in OWN {
            if self.client.0.contains_key(*property) {
                let expected = match *instead {
                    "" => "this property to be left to the program".to_owned(),
                    key => format!("{key} instead of this property"),
                };
                let value = self.client.0[*property].clone();
                faults.push(KafkaError::Setting { key: format!("client.{property}"), value, expected });
            }
        }
        faults.extend(self.topics.faults());
        faults
    }
}

fn is_address(text: &str) -> bool {
    let host_port = text.rsplit_once("://").map_or(text, |(_, rest)| rest);
    host_port.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_a_list_or_a_text_with_commas() {
        let list: KafkaSettings = toml::from_str("brokers = [\"a:1\", \"b:2\"]").unwrap();
        let text: KafkaSettings = toml::from_str("brokers = \"a:1, b:2\"").unwrap();
        assert_eq!(list, text);
        assert_eq!(text.brokers.to_string(), "a:1,b:2");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<KafkaSettings>("broker = \"a:1\"").unwrap_err().to_string();
        assert!(error.contains("unknown field `broker`"), "{error}");
    }

    #[test]
    fn the_defaults_have_no_faults() {
        assert_eq!(KafkaSettings::default().faults(), []);
    }

    #[test]
    fn each_fault_is_one_sentence_that_names_key_value_and_what_was_expected() {
        let settings: KafkaSettings = toml::from_str(
            "brokers = \"localhost\"\npartitions = 0\n[client]\n\"group.id\" = \"x\"\n\"enable.auto.commit\" = true",
        )
        .unwrap();
        let said: Vec<String> = settings.faults().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "kafka.brokers is \"localhost\"; expected host:port with a port from 1 to 65535",
                "kafka.partitions is \"0\"; expected a number above 0",
                "kafka.client.group.id is \"x\"; expected kafka.group instead of this property",
                "kafka.client.enable.auto.commit is \"true\"; expected this property to be left to the program",
            ]
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings: KafkaSettings =
            toml::from_str("[client]\n\"sasl.username\" = \"me\"\n\"sasl.password\" = \"hush\"").unwrap();
        let shown = format!("{settings:?} {}", toml::to_string(&settings).unwrap());
        assert!(shown.contains("me") && !shown.contains("hush"), "{shown}");
        assert_eq!(settings.client.0["sasl.password"], "hush");
    }
}
