//! The sensor registry, areas and notices as GeoJSON, both ways: one Feature a Kafka record, a FeatureCollection a
//! file. An empty Kafka payload takes the entry of its key away; that is the caller's to see, before it comes here.

mod area;
mod geometry;
mod node;
mod notice;
mod properties;

pub(super) use node::public_key;

use crate::model::reject::{MAX_VALUE_CHARS, Reason, Refusal};
use properties::Properties;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Longest id of a node in bytes, as on its observations.
const MAX_NODE_BYTES: usize = crate::model::observation::MAX_ID_BYTES;

/// Longest id or name of an area, a sector or a notice, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// What is wrong with reference data. Each is one sentence that says where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It cannot be parsed.
    #[error("not JSON: {message}")]
    NotJson {
        /// What the parser says.
        message: String,
    },
    /// Something required is not there.
    #[error("{at} is missing; expected {expected}")]
    Missing {
        /// Which feature and property, as `features[3].properties.range_m`.
        at: String,
        /// What should be there.
        expected: String,
    },
    /// Something is there, but of the wrong type or out of range.
    #[error("{at} held {held}; expected {expected}")]
    Bad {
        /// Which feature and property.
        at: String,
        /// What it holds, cut where it is long.
        held: String,
        /// What should be there.
        expected: String,
    },
}

impl ReferenceError {
    fn bad(at: String, held: &Value, expected: impl Into<String>) -> ReferenceError {
        let text = held.to_string();
        let mut held: String = text.chars().take(MAX_VALUE_CHARS).collect();
        if held.len() < text.len() {
            held.push('…');
        }
        ReferenceError::Bad { at, held, expected: expected.into() }
    }

    /// As the reason why a record is refused.
    pub fn refusal(&self) -> Refusal {
        let reason = match self {
            ReferenceError::NotJson { .. } => Reason::NotJson,
            ReferenceError::Missing { .. } => Reason::MissingField,
            ReferenceError::Bad { .. } => Reason::BadField,
        };
        Refusal { reason, message: self.to_string() }
    }
}

/// One feature to read: its geometry and its properties.
pub struct Feature<'v> {
    geometry: &'v Value,
    geometry_at: String,
    properties: Properties<'v>,
}

/// What reference data consists of: [`Node`](crate::model::node::Node), [`Area`](crate::model::area::Area) and
/// [`Notice`](crate::model::notice::Notice).
pub trait Reference: Sized {
    /// The property that holds its id.
    const ID: &'static str;

    /// Its id: the key of its record, unique in a file.
    fn id(&self) -> &str;

    /// Reads it.
    ///
    /// # Errors
    /// Says which property is at fault, and why.
    fn from_feature(feature: &Feature<'_>) -> Result<Self, ReferenceError>;

    /// Writes it; reading that again gives the same.
    fn to_feature(&self) -> Value;
}

/// Reads one Feature: the value of a record.
///
/// # Errors
/// It is not JSON, not a Feature, or a property is wrong.
pub fn from_record<T: Reference>(payload: &[u8]) -> Result<T, ReferenceError> {
    T::from_feature(&feature(&parse(payload)?, "")?)
}

/// Reads a FeatureCollection: a file.
///
/// # Errors
/// All that is wrong with it, at most one fault a feature.
pub fn from_collection<T: Reference>(file: &[u8]) -> Result<Vec<T>, Vec<ReferenceError>> {
    let value = parse(file).map_err(|error| vec![error])?;
    let features = match (value.get("type").and_then(Value::as_str), value.get("features")) {
        (Some("FeatureCollection"), Some(Value::Array(features))) => features,
        (Some("FeatureCollection"), _) => {
            let expected = "an array of features".to_owned();
            return Err(vec![ReferenceError::Missing { at: "features".to_owned(), expected }]);
        }
        _ => {
            let held = value.get("type").unwrap_or(&Value::Null);
            return Err(vec![ReferenceError::bad("type".to_owned(), held, "\"FeatureCollection\"")]);
        }
    };
    let (mut read, mut faults): (Vec<T>, _) = (Vec::with_capacity(features.len()), Vec::new());
    let mut ids = HashSet::with_capacity(features.len());
    for (index, value) in features.iter().enumerate() {
        let at = format!("features[{index}].");
        match feature(value, &at).and_then(|feature| T::from_feature(&feature)) {
            Ok(item) if ids.insert(item.id().to_owned()) => read.push(item),
            Ok(item) => {
                let held = Value::String(item.id().to_owned());
                faults.push(ReferenceError::bad(format!("{at}properties.{}", T::ID), &held, "an id used only once"));
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

/// The FeatureCollection of `items`.
pub fn to_collection<T: Reference>(items: &[T]) -> Value {
    json!({"type": "FeatureCollection", "features": items.iter().map(T::to_feature).collect::<Vec<_>>()})
}

fn parse(bytes: &[u8]) -> Result<Value, ReferenceError> {
    serde_json::from_slice(bytes).map_err(|error| ReferenceError::NotJson { message: error.to_string() })
}

fn feature<'v>(value: &'v Value, at: &str) -> Result<Feature<'v>, ReferenceError> {
    match value.get("type").and_then(Value::as_str) {
        Some("Feature") => {}
        _ => {
            let held = value.get("type").unwrap_or(&Value::Null);
            return Err(ReferenceError::bad(format!("{at}type"), held, "\"Feature\""));
        }
    }
    match value.get("properties") {
        Some(Value::Object(map)) => Ok(Feature {
            geometry: value.get("geometry").unwrap_or(&Value::Null),
            geometry_at: format!("{at}geometry"),
            properties: Properties::new(map, format!("{at}properties")),
        }),
        held => Err(ReferenceError::bad(format!("{at}properties"), held.unwrap_or(&Value::Null), "an object")),
    }
}

/// A Feature with the properties that are not null.
fn to_feature(geometry: Value, properties: Value) -> Value {
    let mut properties = properties;
    if let Value::Object(map) = &mut properties {
        map.retain(|_, value| !value.is_null());
    }
    json!({"type": "Feature", "geometry": geometry, "properties": properties})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::area::Area;
    use crate::model::node::Node;

    #[test]
    fn every_faulty_feature_of_a_file_is_named() {
        let file = json!({"type": "FeatureCollection", "features": [
            {"type": "Feature", "geometry": null, "properties": {"node": "a"}},
            {"type": "Feature", "geometry": null, "properties": {"node": "b", "range_m": -1}},
            {"type": "Feature", "geometry": null, "properties": {}},
            {"type": "Point"},
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [200, 0]}, "properties": {"node": "c"}},
            {"type": "Feature", "geometry": null, "properties": {"node": "a"}},
        ]});
        let faults = from_collection::<Node>(file.to_string().as_bytes()).unwrap_err();
        let told: Vec<String> = faults.iter().map(ReferenceError::to_string).collect();
        assert_eq!(
            told,
            [
                "features[1].properties.range_m held -1; expected a number from 1e-9 to 1e12",
                "features[2].properties.node is missing; expected a string of 1 to 64 bytes",
                "features[3].type held \"Point\"; expected \"Feature\"",
                "features[4].geometry.coordinates held [200,0]; expected a longitude from -180 to 180, a latitude from \
                 -90 to 90 and at most a height",
                "features[5].properties.node held \"a\"; expected an id used only once",
            ]
        );
    }

    #[test]
    fn what_is_no_collection_is_refused_in_one_sentence() {
        for file in ["", "[]", "{}", "{\"type\":\"FeatureCollection\"}", "nonsense", "{\"type\":\"Feature\"}"] {
            assert_eq!(from_collection::<Area>(file.as_bytes()).unwrap_err().len(), 1, "{file}");
        }
        assert_eq!(from_record::<Area>(b"{").unwrap_err().refusal().reason, Reason::NotJson);
        assert_eq!(from_record::<Area>(b"{}").unwrap_err().refusal().reason, Reason::BadField);
    }
}
