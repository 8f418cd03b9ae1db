//! What a live run keeps in `truceline.state`, a compacted topic: enough for its successor to say nothing twice.
//!
//! Each record is JSON under a key that begins with the run's transactional id:
//!
//! - `ID/owner`: the process that writes here, since its first transaction ([`Owner`]);
//! - `ID/alert/KEY`: what was said of one alert ([`Kept`]), until it is too old to be amended;
//! - `ID/read/TOPIC/PARTITION`: how far a partition had been read when all that follows from it had been said, and from
//!   where on it is needed ([`Reading`]);
//! - `ID/settled`: how far event time had settled things ([`Settled`]);
//! - `ID/lane/RULE/OF`: what a rule knows of an object or a node that what is read again would not tell ([`LaneRecord`]);
//! - `ID/escalation/PIECE`: what is usual, in pieces ([`EscalationRecord`]);
//! - `ID/checkpoint`: which file holds all that a process knew when it had read so far ([`CheckpointRow`]);
//! - `ID/learnt/PLACE/PIECE`: what the region about that place has learnt ([`RegionRecord`]), in pieces.
//!
//! Unknown words after the id are passed over.
//!
//! They are written in the transaction of what they tell of.

use crate::engine::associate::record::RegionRecord;
use crate::engine::book::{Kept, Settled};
use crate::engine::escalation::record::EscalationRecord;
use crate::engine::rules::memory::LaneRecord;
use crate::kafka::{Broker, Change, KafkaError, KafkaSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version of what is written. A record of a later one is not guessed at.
const VERSION: u32 = 1;

/// How far a partition had been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The offset after the last record whose alerts and rejected lines have all been said, but for `held`.
    pub read_to: i64,
    /// Lines that were held back, neither taken in nor refused: offset and line in the record.
    pub held: Vec<(i64, u32)>,
    /// The offset that is committed, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<i64>,
    /// The newest time of the lines before the offset that is committed, nanoseconds.
    pub newest_ns: Option<i64>,
    /// In a cluster, of what is read there: from when on all final events of other parts are told behind that offset, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finals_from_ns: Option<i64>,
    /// What tells the topic from another one of the same name, if the broker has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
}

/// The process that writes under an id. One that was shut out as a writer, or has lost its partitions, tells by this
/// whether another has taken its place, or whether it has only been away for too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Something that no other process calls itself.
    pub process: String,
}

/// A checkpoint of which all that it comes to has been said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRow {
    /// SHA-256 of the file, by which it is found.
    pub digest: String,
}

/// Why the table can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SaidTableError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Written by a later version of the program.
    #[error(
        "kafka.topics.state is {topic:?}, whose record {key:?} is of version {found}; this program knows up to {VERSION}: expected what it, or an earlier one, wrote"
    )]
    Version {
        /// The topic.
        topic: String,
        /// The record's key.
        key: String,
        /// Its version.
        found: u32,
    },
    /// Nothing of what was said is known, though something was read.
    #[error(
        "kafka.topics.state is {topic:?}, which tells nothing of what was said as {id:?}, though kafka.group {group:?} has read something: its records are lost, or kafka.instance or kafka.exactly_once was another one. What is read again would be said again; expected the records, or --set kafka.said_anew=true once, to have it said again under the same ids"
    )]
    Lost {
        /// The topic.
        topic: String,
        /// Under which name it was looked for.
        id: String,
        /// The group.
        group: String,
    },
    /// A record that makes no sense.
    #[error("kafka.topics.state is {topic:?}, whose record {key:?} can't be read: {why}")]
    Unreadable {
        /// The topic.
        topic: String,
        /// The record's key.
        key: String,
        /// What was wrong.
        why: String,
    },
}

/// The table as it stands.
#[derive(Debug, Default)]
pub struct SaidTable {
    /// What was said, by the claims' keys.
    pub alerts: BTreeMap<String, Kept>,
    /// How far partitions had been read, by topic and partition.
    pub readings: BTreeMap<(String, i32), Reading>,
    /// How far event time had settled things.
    pub settled: Option<Settled>,
    /// What rules know of what lasts.
    pub lanes: BTreeMap<String, LaneRecord>,
    /// What is usual, piece by piece.
    pub escalation: BTreeMap<String, EscalationRecord>,
    /// What regions had learnt, piece by piece.
    pub learnt: BTreeMap<String, RegionRecord>,
    /// The newest checkpoint.
    pub checkpoint: Option<CheckpointRow>,
    /// Who writes here.
    pub owner: Option<Owner>,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    row: T,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The key of an alert's row.
pub fn alert_key(id: &str, key: &str) -> String {
    format!("{id}/alert/{key}")
}

/// The key of a partition's row.
pub fn reading_key(id: &str, topic: &str, partition: i32) -> String {
    format!("{id}/read/{topic}/{partition}")
}

/// The key of what a rule knows of an object or a node.
pub fn lane_key(id: &str, key: &str) -> String {
    format!("{id}/lane/{key}")
}

/// The key of a piece of what a region has learnt.
pub fn learnt_key(id: &str, place: &str, piece: usize) -> String {
    format!("{id}/learnt/{place}/{piece}")
}

/// The key of a piece of what is usual.
pub fn escalation_key(id: &str, piece: usize) -> String {
    format!("{id}/escalation/{piece}")
}

/// The key of the row that tells which checkpoint is the newest.
pub fn checkpoint_key(id: &str) -> String {
    format!("{id}/checkpoint")
}

/// The key of the row that tells who writes.
pub fn owner_key(id: &str) -> String {
    format!("{id}/owner")
}

/// The key of the row that tells how far things had settled.
pub fn settled_key(id: &str) -> String {
    format!("{id}/settled")
}

/// An alert's row with the alert as it was sent, so that it is not encoded once more.
///
/// # Errors
/// What was sent is no JSON.
pub fn alert_row_json(kept: Kept, sent: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let alert: &RawValue = serde_json::from_slice(sent)?;
    row_json(&kept.with(alert))
}

/// A row as it is written.
///
/// # Errors
/// None in practice: a row holds only what JSON can.
pub fn row_json<T: Serialize>(row: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Versioned { version: VERSION, row })
}

impl SaidTable {
    /// Reads the table to its end as of now. What a predecessor left open must be void by then.
    ///
    /// # Errors
    /// A broker that does not answer; rows that can't be understood: saying again what was said would be worse than
    /// saying nothing.
    pub fn load(broker: &dyn Broker, kafka: &KafkaSettings) -> Result<SaidTable, SaidTableError> {
        let topic = &kafka.topics.state;
        let mut table = SaidTable::default();
        let (id, mut fault) = (kafka.transactional_id(), None);
        broker.rows(topic, &mut |change| {
            if fault.is_none()
                && let Err(error) = table.apply(&id, topic, change)
            {
                fault = Some(error);
            }
        })?;
        fault.map_or(Ok(table), Err)
    }

    /// Whether nothing was ever said or read, as far as it tells.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.readings.is_empty() && self.settled.is_none() && self.learnt.is_empty()
    }

    fn apply(&mut self, id: &str, topic: &str, change: Change<'_>) -> Result<(), SaidTableError> {
        let Ok(key) = std::str::from_utf8(change.key) else { return Ok(()) };
        let Some(rest) = key.strip_prefix(id).and_then(|rest| rest.strip_prefix('/')) else { return Ok(()) };
        if let Some(alert) = rest.strip_prefix("alert/") {
            match change.payload {
                Some(payload) => {
                    let mut kept: Kept = read(topic, key, payload)?;
                    // How long it took is of what was sent, and not of what was said.
                    Arc::make_mut(&mut kept.feature).properties.latency = None;
                    self.alerts.insert(alert.to_owned(), kept)
                }
                None => self.alerts.remove(alert),
            };
        } else if let Some(piece) = rest.strip_prefix("learnt/") {
            match change.payload {
                Some(payload) => self.learnt.insert(piece.to_owned(), read(topic, key, payload)?),
                None => self.learnt.remove(piece),
            };
        } else if let Some(lane) = rest.strip_prefix("lane/") {
            match change.payload {
                Some(payload) => self.lanes.insert(lane.to_owned(), read(topic, key, payload)?),
                None => self.lanes.remove(lane),
            };
        } else if let Some(piece) = rest.strip_prefix("escalation/") {
            match change.payload {
                Some(payload) => self.escalation.insert(piece.to_owned(), read(topic, key, payload)?),
                None => self.escalation.remove(piece),
            };
        } else if rest == "owner" {
            self.owner = change.payload.map(|payload| read(topic, key, payload)).transpose()?;
        } else if rest == "checkpoint" {
            self.checkpoint = change.payload.map(|payload| read(topic, key, payload)).transpose()?;
        } else if rest == "settled" {
            self.settled = change.payload.map(|payload| read(topic, key, payload)).transpose()?;
        } else if let Some((name, partition)) = rest.strip_prefix("read/").and_then(|rest| rest.rsplit_once('/'))
            && let Ok(partition) = partition.parse()
        {
            let place = (name.to_owned(), partition);
            match change.payload {
                Some(payload) => self.readings.insert(place, read(topic, key, payload)?),
                None => self.readings.remove(&place),
            };
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(topic: &str, key: &str, payload: &[u8]) -> Result<T, SaidTableError> {
    let place = || (topic.to_owned(), key.to_owned());
    let unreadable = |error: serde_json::Error| {
        let (topic, key) = place();
        SaidTableError::Unreadable { topic, key, why: error.to_string() }
    };
    let Version { version: found } = serde_json::from_slice(payload).map_err(unreadable)?;
    if found > VERSION {
        let (topic, key) = place();
        return Err(SaidTableError::Version { topic, key, found });
    }
    serde_json::from_slice::<Versioned<T>>(payload).map(|versioned| versioned.row).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::alert::alert_json;
    use crate::engine::book::{Book, Claim, Stage};
    use crate::engine::places::Places;
    use crate::engine::settings::Settings;
    use crate::model::alert::{Class, Latency};
    use crate::model::geo::LonLat;
    use crate::model::node::Registry;

    fn change<'a>(key: &'a str, payload: Option<&'a [u8]>) -> Change<'a> {
        Change { topic: 0, key: key.as_bytes(), payload, partition: 0, offset: 0 }
    }

    #[test]
    fn the_last_word_of_a_key_holds_and_other_runs_and_words_are_passed_over() {
        let reading = |read_to| Reading {
            read_to,
            held: vec![(7, 1)],
            committed: Some(1),
            newest_ns: Some(-5),
            finals_from_ns: None,
            topic_id: None,
        };
        let key = reading_key("watch", "telemetry.sensors", 3);
        let mut table = SaidTable::default();
        for read_to in [1, 9] {
            let row = row_json(&reading(read_to)).unwrap();
            table.apply("watch", "state", change(&key, Some(&row))).unwrap();
            table.apply("watch", "state", change(&reading_key("other", "t", 3), Some(&row))).unwrap();
            table.apply("watch", "state", change(&reading_key("watchdog", "t", 3), Some(&row))).unwrap();
        }
        table.apply("watch", "state", change("watch/dreamt/4", Some(b"{\"version\":99}"))).unwrap();
        assert_eq!(table.readings, BTreeMap::from([(("telemetry.sensors".to_owned(), 3), reading(9))]));
        table.apply("watch", "state", change(&key, None)).unwrap();
        assert!(table.readings.is_empty() && table.alerts.is_empty());
    }

    #[test]
    fn a_row_of_a_later_version_or_that_makes_no_sense_is_refused_by_name() {
        let mut table = SaidTable::default();
        let key = alert_key("watch", "fire/a");
        let later = table.apply("watch", "state", change(&key, Some(br#"{"version":2}"#))).unwrap_err().to_string();
        assert!(later.contains("\"watch/alert/fire/a\" is of version 2; this program knows up to 1"), "{later}");
        let broken = table.apply("watch", "state", change(&key, Some(br#"{"version":1}"#))).unwrap_err().to_string();
        assert!(broken.contains("can't be read: missing field"), "{broken}");
    }

    #[test]
    fn a_row_with_the_alert_as_it_was_sent_is_read_as_what_was_said() {
        let (mut book, mut table) = (Book::new("c0ffee".to_owned(), Vec::new()), SaidTable::default());
        let claim = Claim::new("fire/a".to_owned(), Class::FireExplosion, LonLat { lon_deg: 30.1, lat_deg: 50.2 }, 7);
        let places = Places::new(Vec::new(), Vec::new());
        book.say(claim, Stage::Final, &Registry::new([]), &places, &Settings::default());
        let kept = book.kept("fire/a").unwrap();
        let mut sent = (*kept.feature).clone();
        sent.properties.latency = Some(Latency { event_to_alert_ms: 12.5, ingest_to_alert_ms: 0.25 });
        let row = alert_row_json(kept.clone(), &alert_json(&sent).unwrap()).unwrap();
        table.apply("watch", "state", change(&alert_key("watch", "fire/a"), Some(&row))).unwrap();
        assert_eq!(table.alerts["fire/a"], kept);
        assert!(alert_row_json(kept, b"{").is_err());
    }
}
