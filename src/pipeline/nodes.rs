//! The sensor registry, for whoever needs nothing else of the reference data: from a file, or from the compacted
//! topic, which is then followed.

use super::reference::{ReferenceFileError, ReferenceFiles};
use crate::codec::reference::from_record;
use crate::kafka::tables::Change;
use crate::kafka::{KafkaError, KafkaSettings, Tables};
use crate::model::node::{Node, Registry};
use std::path::Path;
use std::time::Duration;

/// Why there is no registry.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// The file.
    #[error(transparent)]
    File(#[from] ReferenceFileError),
    /// The topic.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// The registry and where it comes from.
pub struct Nodes {
    /// The nodes. Decoding adds those that only bring their own position.
    pub registry: Registry,
    /// The topic that is followed; none where a file was given.
    tables: Option<Tables>,
}

impl Nodes {
    /// Reads the file, or, without one, the topic up to its end.
    ///
    /// # Errors
    /// A file that cannot be read or has a fault; a broker that does not answer, or no such topic. A record of the
    /// topic that makes no sense is logged and passed over.
    pub fn open(kafka: &KafkaSettings, file: Option<&Path>) -> Result<Nodes, NodesError> {
        if let Some(path) = file {
            let files = ReferenceFiles { sensors: Some(path.to_owned()), ..ReferenceFiles::default() };
            return Ok(Nodes { registry: files.load()?.0, tables: None });
        }
        let mut registry = Registry::default();
        let mut tables = Tables::open(kafka, std::slice::from_ref(&kafka.topics.reference_sensors))?;
        tables.load(&mut |change| take(&mut registry, change))?;
        Ok(Nodes { registry, tables: Some(tables) })
    }

    /// Takes in what changed since the last call; waits for nothing.
    ///
    /// # Errors
    /// Only what ends the Kafka client.
    pub fn follow(&mut self) -> Result<(), KafkaError> {
        let Nodes { registry, tables } = self;
        let Some(tables) = tables else { return Ok(()) };
        tables.poll(Duration::ZERO, &mut |change| take(registry, change))?;
        for failure in tables.take_failures() {
            // Whoever reads telemetry beside this hears of a lost broker too, and says so.
            tracing::debug!("following the sensor registry: {failure}");
        }
        Ok(())
    }
}

/// A node that is taken out of the topic stays known: what it said before must still be understood.
fn take(registry: &mut Registry, change: Change<'_>) {
    let Some(payload) = change.payload else { return };
    match from_record::<Node>(payload) {
        Ok(node) => {
            if registry.upsert(node).is_none() {
                tracing::warn!("the sensor registry is full; a node of it is left out");
            }
        }
        Err(error) => tracing::warn!(
            "the sensor registry's record at partition {} offset {} is passed over: {error}",
            change.partition,
            change.offset
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{Embedded, Sink};
    use std::time::Instant;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn node(name: &str) -> String {
        format!(
            r#"{{"type":"Feature","geometry":{{"type":"Point","coordinates":[31.5,46.9]}},"properties":{{"node":"{name}","kinds":["acoustic"]}}}}"#
        )
    }

    #[test]
    fn the_topic_is_read_and_then_followed_and_a_bad_record_is_passed_over() {
        let broker = Embedded::start().unwrap();
        let settings = broker.settings(&KafkaSettings::default());
        let topic = &settings.topics.reference_sensors;
        broker.create_topic(topic, 2).unwrap();
        let sink = Sink::new(&settings).unwrap();
        sink.send(topic, Some(b"a"), node("a").as_bytes(), &[]).unwrap();
        sink.send(topic, Some(b"b"), b"nonsense", &[]).unwrap();
        sink.flush(PATIENCE).unwrap();
        let mut nodes = Nodes::open(&settings, None).unwrap();
        assert_eq!(nodes.registry.nodes().len(), 1);
        sink.send(topic, Some(b"b"), node("b").as_bytes(), &[]).unwrap();
        let started = Instant::now();
        while nodes.registry.find("b").is_none() {
            assert!(started.elapsed() < PATIENCE);
            nodes.follow().unwrap();
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_file_takes_the_place_of_the_topic() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sensors.geojson");
        std::fs::write(&path, format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, node("a"))).unwrap();
        let mut nodes = Nodes::open(&KafkaSettings::default(), Some(&path)).unwrap();
        nodes.follow().unwrap();
        assert!(nodes.registry.find("a").is_some());
        assert!(Nodes::open(&KafkaSettings::default(), Some(Path::new("/nowhere"))).is_err());
    }
}
