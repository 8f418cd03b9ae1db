//! The JSON Schema (draft 2020-12) of every message.

use super::alert::RejectedRow;
use super::wire::{
    AreaGeometry, AreaProperties, DecisionMessage, Feature, NodeProperties, NoticeProperties, Observation,
    PointGeometry, PolygonGeometry,
};
use crate::model::alert::AlertFeature;
use crate::model::daily::DailyReport;
use crate::model::escalation::Escalation;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

/// All schemas by name: the name of the message, and of its file without `.json`.
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("observation", observation()),
        ("node", of::<Feature<NodeProperties, Option<PointGeometry>>>("A node of the sensor registry")),
        ("area", of::<Feature<AreaProperties, AreaGeometry>>("An area or a line")),
        ("notice", of::<Feature<NoticeProperties, PolygonGeometry>>("A notified activity")),
        ("decision", of::<DecisionMessage>("A review decision")),
        ("alert", of::<AlertFeature>("An alert")),
        ("daily", of::<DailyReport>("A sector's day in figures")),
        ("escalation", of::<Escalation>("An escalation indicator")),
        ("rejected", of::<RejectedRow>("A refused line")),
    ]
}

/// A schema as its file holds it.
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn of<T: JsonSchema>(title: &str) -> Value {
    let mut schema = SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<T>().to_value();
    schema["title"] = title.into();
    schema
}

/// The conditions that tie fields together are added here: types alone cannot say them.
fn observation() -> Value {
    let mut schema = of::<Observation>("An observation");
    schema["allOf"] = json!([
        together("lon", "lat"),
        when("withdrawn", json!({"const": true}), required(&["supersedes"], "string")),
        when(
            "kind",
            json!({"const": "radar"}),
            json!({
                "anyOf": [required(&["origin"], "object"), required(&["impact"], "object")]
            })
        ),
        when("kind", json!({"const": "patrol"}), together("object_lon", "object_lat")),
        when(
            "activity",
            json!({"const": "position"}),
            when("kind", json!({"const": "patrol"}), required(&["lon", "lat"], "number"))
        ),
    ]);
    schema
}

/// Both numbers are there, or neither.
fn together(one: &str, other: &str) -> Value {
    json!({"anyOf": [
        required(&[one, other], "number"),
        {"properties": {one: {"type": "null"}, other: {"type": "null"}}},
    ]})
}

/// The fields are there and of that type.
fn required(fields: &[&str], kind: &str) -> Value {
    let properties: serde_json::Map<String, Value> =
        fields.iter().map(|&field| (field.to_owned(), json!({"type": kind}))).collect();
    json!({"required": fields, "properties": properties})
}

/// Where `field` holds that, so must the rest.
fn when(field: &str, holds: Value, then: Value) -> Value {
    json!({"if": {"required": [field], "properties": {field: holds}}, "then": then})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_says_what_it_is_for() {
        for (name, schema) in schemas() {
            assert!(schema["title"].is_string(), "{name}");
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
            assert!(text(&schema).ends_with("}\n"));
        }
    }
}
