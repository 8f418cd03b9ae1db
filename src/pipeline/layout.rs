//! How the regions of a cluster are laid out: agreed on once, and kept in `truceline.state`.
//!
//! Routers and those who correlate have to cut the earth the same way, whenever each of them was started and whatever
//! nodes have joined since. So the first process of a cluster writes the regions down, by the names of their nodes, and
//! all others go by that. Nodes that join later belong to the region that is nearest.
//!
//! The rows stand under `GROUP-regions/`: `count`, and one a region.

use crate::engine::associate::layout::{Cell, cells};
use crate::engine::share::{Regions, Share};
use crate::kafka::topics::partition_counts;
use crate::kafka::{ExactlyOnce, Group, KafkaError, KafkaSettings, Outbox, Tables};
use crate::model::geo::LonLat;
use crate::model::node::{NodeIx, Registry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the process that lays out regions calls itself while it does.
const INSTANCE: &str = "regions";
/// Which part answers for what ([`crate::engine::share`]), by a number: what a part has under way only that part can end.
const SHARING: u32 = 2;
/// How often it is tried again when another process lays them out at the same time.
const ATTEMPTS: usize = 5;

/// Regions by the names of nodes, and among how many parts they are shared out.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    parts: u32,
    regions: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    centre: (f64, f64),
    home: Vec<String>,
    members: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    regions: usize,
    parts: u32,
    /// How observations are shared out among them, by [`SHARING`]; builds that did not say so did it otherwise.
    #[serde(default)]
    sharing: u32,
}

impl Count {
    /// Reads the row, if regions are shared out as this build does it.
    fn read(row: &[u8], topic: &str, group: &str) -> Result<Count, LayoutError> {
        let (topic, group) = (topic.to_owned(), group.to_owned());
        match serde_json::from_slice::<Count>(row) {
            Ok(count) if count.sharing == SHARING => Ok(count),
            Ok(count) => Err(LayoutError::Sharing { group, found: count.sharing, expected: SHARING }),
            Err(error) => Err(LayoutError::Unreadable { topic, group, why: error.to_string() }),
        }
    }
}

/// Why there are no regions to go by.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Nothing to cut by.
    #[error(
        "the registry has no node with a position that hears anything; expected the nodes of the theatre, by which it is cut into regions"
    )]
    NoNodes,
    /// The topic has other partitions than when they were laid out.
    #[error(
        "kafka.topics.by_region is {topic:?}, which has {found} partitions; expected {expected}, among which the regions were shared out. With another number, begin with another kafka.group"
    )]
    Parts {
        /// The topic.
        topic: String,
        /// How many it has.
        found: u32,
        /// How many it had.
        expected: u32,
    },
    /// Another build shared out otherwise.
    #[error(
        "the regions of {group:?} were shared out by a build that gave parts other telemetry (sharing {found}, expected {expected}): what they have under way would not be ended. Begin with another kafka.group, or go on with that build"
    )]
    Sharing {
        /// Whose regions.
        group: String,
        /// How they are shared out.
        found: u32,
        /// How this build does it.
        expected: u32,
    },
    /// A row that makes no sense.
    #[error("kafka.topics.state is {topic:?}, whose rows of {group:?} can't be read: {why}")]
    Unreadable {
        /// The topic.
        topic: String,
        /// Whose rows.
        group: String,
        /// What is wrong.
        why: String,
    },
    /// Nobody won.
    #[error("other processes of the group were always laying out the regions too; expected to be done by now")]
    Contested,
}

impl Layout {
    /// The layout of this group; if there is none yet, that of this registry from now on.
    ///
    /// # Errors
    /// A broker that does not answer, rows that can't be read, no nodes.
    pub fn agree(kafka: &KafkaSettings, registry: &Registry) -> Result<Layout, LayoutError> {
        let topic = &kafka.topics.by_region;
        let count = partition_counts(kafka, std::slice::from_ref(topic))?.first().copied().unwrap_or(1);
        let parts = u32::try_from(count).unwrap_or(1);
        let kafka = KafkaSettings { instance: INSTANCE.to_owned(), ..kafka.clone() };
        for _ in 0..ATTEMPTS {
            let mut found = Layout::load(&kafka)?;
            if found.is_none() {
                let layout = Layout::of(registry, parts)?;
                match layout.write(&kafka) {
                    // What is in the topic holds, should another have been faster.
                    Ok(()) => found = Layout::load(&kafka)?,
                    Err(KafkaError::Fenced { .. } | KafkaError::Void { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            match found {
                Some(layout) if layout.parts != parts => {
                    let (topic, expected) = (topic.clone(), layout.parts);
                    return Err(LayoutError::Parts { topic, found: parts, expected });
                }
                Some(layout) => return Ok(layout),
                None => {}
            }
        }
        Err(LayoutError::Contested)
    }

    /// The layout that this registry gives.
    fn of(registry: &Registry, parts: u32) -> Result<Layout, LayoutError> {
        let names = |nodes: &[NodeIx]| nodes.iter().map(|&ix| registry.node(ix).name.clone()).collect();
        let row = |cell: Cell| Row {
            centre: (cell.centre.lon_deg, cell.centre.lat_deg),
            home: names(&cell.home),
            members: names(&cell.members),
        };
        let regions: Vec<Row> = cells(registry).into_iter().map(row).collect();
        if regions.is_empty() { Err(LayoutError::NoNodes) } else { Ok(Layout { parts, regions }) }
    }

    fn write(&self, kafka: &KafkaSettings) -> Result<(), KafkaError> {
        let (topic, id) = (&kafka.topics.state, kafka.transactional_id());
        let mut outbox = ExactlyOnce::new(kafka, &[topic], Group::default())?;
        // Between looking and taking over the id another may have written.
        if Layout::load(kafka).is_ok_and(|found| found.is_some()) {
            return Ok(());
        }
        let json = |error: serde_json::Error| KafkaError::failed("writing regions down", error);
        for (number, row) in self.regions.iter().enumerate() {
            let row = serde_json::to_vec(row).map_err(json)?;
            outbox.keep(&format!("{id}/{number}"), Some(&row))?;
        }
        let count = Count { regions: self.regions.len(), parts: self.parts, sharing: SHARING };
        let count = serde_json::to_vec(&count).map_err(json)?;
        outbox.keep(&format!("{id}/count"), Some(&count))?;
        outbox.commit(&[])
    }

    fn load(kafka: &KafkaSettings) -> Result<Option<Layout>, LayoutError> {
        let (topic, group) = (&kafka.topics.state, kafka.transactional_id());
        let unreadable = |why: String| LayoutError::Unreadable { topic: topic.clone(), group: group.clone(), why };
        let mut rows: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        Tables::open(kafka, std::slice::from_ref(topic))?.load(&mut |change| {
            let key = std::str::from_utf8(change.key).ok();
            let key = key.and_then(|key| key.strip_prefix(group.as_str())?.strip_prefix('/'));
            if let (Some(key), Some(payload)) = (key, change.payload) {
                rows.insert(key.to_owned(), payload.to_vec());
            }
        })?;
        let Some(count) = rows.get("count") else { return Ok(None) };
        let count = Count::read(count, topic, &group)?;
        let row = |number: usize| {
            let row = rows.get(&number.to_string()).ok_or_else(|| unreadable(format!("row {number} is missing")))?;
            serde_json::from_slice(row).map_err(|error| unreadable(error.to_string()))
        };
        let regions = (0..count.regions).map(row).collect::<Result<Vec<Row>, LayoutError>>()?;
        Ok(Some(Layout { parts: count.parts, regions }))
    }

    /// How many regions there are.
    pub fn count(&self) -> usize {
        self.regions.len()
    }

    /// Among how many parts they are shared out.
    pub fn parts(&self) -> u32 {
        self.parts
    }

    /// The regions with the nodes as this registry numbers them; those that it does not know are left out.
    pub fn regions(&self, registry: &Registry) -> Regions {
        let nodes = |names: &[String]| names.iter().filter_map(|name| registry.find(name)).collect();
        let cell = |row: &Row| Cell {
            centre: LonLat { lon_deg: row.centre.0, lat_deg: row.centre.1 },
            home: nodes(&row.home),
            members: nodes(&row.members),
        };
        Regions::new(self.regions.iter().map(cell).collect(), self.parts)
    }

    /// One part of them.
    pub fn share(&self, part: u32, registry: &Registry) -> Share {
        Share { regions: self.regions(registry), part }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_that_were_shared_out_otherwise_are_not_gone_on_with() {
        let read = |row: &str| Count::read(row.as_bytes(), "truceline.state", "watch-regions");
        let own = serde_json::to_string(&Count { regions: 4, parts: 2, sharing: SHARING }).unwrap();
        assert_eq!(read(&own).unwrap().parts, 2);
        let error = read(r#"{"regions":4,"parts":2}"#).unwrap_err();
        assert!(matches!(error, LayoutError::Sharing { found: 0, expected: SHARING, .. }), "{error}");
        assert!(error.to_string().contains("Begin with another kafka.group"), "{error}");
        assert!(matches!(read("{"), Err(LayoutError::Unreadable { .. })));
    }
}
