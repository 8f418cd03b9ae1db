//! Reference data from compacted topics: those that no file takes the place of, read at the start and then followed.

use super::correlator::Reference;
use super::reference::ReferenceFiles;
use crate::codec::reference::{Reference as Feature, from_record};
use crate::kafka::{Change, KafkaError, KafkaSettings, Tables};
use crate::model::area::Area;
use crate::model::node::Node;
use crate::model::notice::Notice;
use std::time::Duration;

/// A reference topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Sensors,
    Areas,
    Notices,
}

/// The topics that are followed.
pub struct ReferenceTables {
    tables: Tables,
    /// What each topic holds.
    kinds: Vec<Table>,
}

impl ReferenceTables {
    /// Reads what the topics hold; `None` when files take the place of all.
    ///
    /// # Errors
    /// A broker that does not answer, or a topic that is not there. A record that makes no sense is told and passed
    /// over.
    pub fn load(
        kafka: &KafkaSettings,
        files: &ReferenceFiles,
        on: &mut dyn FnMut(Reference),
    ) -> Result<Option<ReferenceTables>, KafkaError> {
        let names = &kafka.topics;
        let (kinds, names): (Vec<Table>, Vec<String>) = [
            (Table::Sensors, &names.reference_sensors, files.sensors.is_some()),
            (Table::Areas, &names.reference_areas, files.areas.is_some()),
            (Table::Notices, &names.reference_notices, files.notices.is_some()),
        ]
        .into_iter()
        .filter(|&(_, _, from_file)| !from_file)
        .map(|(table, name, _)| (table, name.clone()))
        .unzip();
        if names.is_empty() {
            return Ok(None);
        }
        let mut tables = Tables::open(kafka, &names)?;
        tables.load(&mut |change| {
            read(&kinds, change).map(&mut *on);
        })?;
        Ok(Some(ReferenceTables { tables, kinds }))
    }

    /// Tells what changed since the last call; waits for nothing.
    ///
    /// # Errors
    /// Only what ends the Kafka client.
    pub fn follow(&mut self, on: &mut dyn FnMut(Reference)) -> Result<(), KafkaError> {
        let ReferenceTables { tables, kinds } = self;
        tables.poll(Duration::ZERO, &mut |change| {
            read(kinds, change).map(&mut *on);
        })?;
        for error in tables.take_failures() {
            tracing::warn!("{error}");
        }
        Ok(())
    }
}

/// What a record of a table says; what can't be read is told and changes nothing.
fn read(kinds: &[Table], change: Change<'_>) -> Option<Reference> {
    fn feature<T: Feature>(payload: &[u8], key: &[u8]) -> Option<T> {
        let read = from_record(payload);
        read.map_err(|error| tracing::warn!("reference record {}: {error}", String::from_utf8_lossy(key))).ok()
    }
    let Change { topic, key, payload, .. } = change;
    let name = || String::from_utf8_lossy(key).into_owned();
    match (kinds.get(usize::from(topic)), payload) {
        (Some(Table::Sensors), Some(payload)) => feature::<Node>(payload, key).map(Reference::Node),
        (Some(Table::Areas), Some(payload)) => feature::<Area>(payload, key).map(Reference::Area),
        (Some(Table::Notices), Some(payload)) => feature::<Notice>(payload, key).map(Reference::Notice),
        (Some(Table::Areas), None) => Some(Reference::AreaGone(name())),
        (Some(Table::Notices), None) => Some(Reference::NoticeGone(name())),
        // A node that is gone stays known: what it sent still has to be understood.
        (Some(Table::Sensors), None) | (None, _) => None,
    }
}
