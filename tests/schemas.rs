//! The schemas in docs/schemas are those of the code, the examples in docs/examples fit them, and what a schema
//! refuses the decoder refuses too.

use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use truceline::codec::reference::{self, Reference};
use truceline::codec::{DecodeOptions, Decoder, Lines, RecordAt, schema};
use truceline::model::area::Area;
use truceline::model::kind::Kind;
use truceline::model::node::{Node, Registry};
use truceline::model::notice::Notice;
use truceline::model::reject::{Reason, Refusal};

fn docs(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(folder)
}

fn validators() -> BTreeMap<&'static str, Validator> {
    let build = |schema: &Value| jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    schema::schemas().into_iter().map(|(name, schema)| (name, build(&schema))).collect()
}

/// Name, message and value of every example.
fn examples() -> Vec<(String, &'static str, Value)> {
    let mut examples = Vec::new();
    for entry in std::fs::read_dir(docs("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let message = ["node", "area", "notice", "decision", "alert", "daily", "escalation", "rejected"]
            .into_iter()
            .find(|message| name.split('_').next() == Some(message))
            .unwrap_or("observation");
        examples.push((name, message, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()));
    }
    examples.sort_by(|one, other| one.0.cmp(&other.0));
    examples
}

/// Knows the nodes of all examples.
fn registry() -> Registry {
    let nodes = examples().into_iter().filter_map(|(_, _, value)| Some(value.get("node")?.as_str()?.to_owned()));
    Registry::new(nodes.map(|name| Node { registered: true, ..Node::unregistered(&name) }))
}

/// What the code that reads this message says of it.
fn read(message: &str, value: &Value) -> Result<(), Refusal> {
    fn reference<T: Reference>(text: &str) -> Result<(), Refusal> {
        reference::from_record::<T>(text.as_bytes()).map(drop).map_err(|fault| fault.refusal())
    }
    let text = value.to_string();
    match message {
        "node" => reference::<Node>(&text),
        "area" => reference::<Area>(&text),
        "notice" => reference::<Notice>(&text),
        _ => {
            let mut lines = Lines::default();
            let at = RecordAt { topic: 0, partition: 0, offset: 0 };
            Decoder::new(DecodeOptions::default()).record(text.as_bytes(), at, &mut registry(), &mut lines);
            assert_eq!(lines.observations.len() + lines.decisions.len() + lines.rejected.len(), 1);
            assert!(lines.rejected.len() == 1 || (message == "decision") == (lines.decisions.len() == 1));
            lines.rejected.pop().map_or(Ok(()), |line| Err(line.refusal))
        }
    }
}

#[test]
fn the_schemas_in_docs_are_those_of_the_code() {
    let mut kept: Vec<String> = std::fs::read_dir(docs("schemas"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    let mut made: Vec<String> = schema::schemas().iter().map(|(name, _)| format!("{name}.json")).collect();
    made.sort();
    assert_eq!(kept, made, "make them again with: truceline schema --out docs/schemas");
    for (name, schema) in schema::schemas() {
        let kept = std::fs::read(docs("schemas").join(format!("{name}.json"))).unwrap();
        // Compared as values: the order of keys is no part of a schema.
        assert!(
            serde_json::from_slice::<Value>(&kept).unwrap() == schema,
            "docs/schemas/{name}.json is not what the code says; make it again with: truceline schema --out docs/schemas"
        );
    }
}

#[test]
fn every_message_and_every_kind_has_an_example_that_fits_its_schema() {
    let validators = validators();
    for (name, message, value) in examples() {
        let faults: Vec<String> = validators[message].iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
    for message in validators.keys() {
        assert!(examples().iter().any(|example| example.1 == *message), "no example of {message}");
    }
    for kind in Kind::ALL {
        assert!(examples().iter().any(|(_, _, value)| value["kind"] == kind.as_str()), "no example of {kind}");
    }
}

#[test]
fn every_example_of_what_comes_in_is_accepted() {
    for (name, message, value) in examples() {
        if !matches!(message, "alert" | "daily" | "escalation" | "rejected") {
            assert_eq!(read(message, &value), Ok(()), "{name}");
        }
    }
}

#[test]
fn an_example_of_an_alert_reads_back() {
    for (_, message, value) in examples() {
        match message {
            "alert" => {
                let alert: truceline::model::alert::AlertFeature = serde_json::from_value(value.clone()).unwrap();
                assert_eq!(serde_json::to_value(alert).unwrap(), value);
            }
            "rejected" => {
                let row: truceline::codec::alert::RejectedRow = serde_json::from_value(value.clone()).unwrap();
                assert_eq!(serde_json::to_value(row).unwrap(), value);
            }
            "daily" => {
                let report: truceline::model::daily::DailyReport = serde_json::from_value(value.clone()).unwrap();
                assert_eq!(serde_json::to_value(report).unwrap(), value);
            }
            _ => {}
        }
    }
}

/// Every place in a value, as a JSON pointer.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let at = format!("{at}/{key}");
                out.push(at.clone());
                pointers(inner, &at, out);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                let at = format!("{at}/{index}");
                out.push(at.clone());
                pointers(inner, &at, out);
            }
        }
        _ => {}
    }
}

/// Every example of what comes in, with one place altered: taken away, or holding something else.
fn mutants() -> Vec<(String, &'static str, Value)> {
    let others = [
        json!(null),
        json!(true),
        json!(false),
        json!(-1e-9),
        json!(0),
        json!(1),
        json!(2.5),
        json!(359.5),
        json!(360),
        json!(1e300),
        json!(-1e300),
        json!(4294967296u64),
        json!(""),
        json!("nonsense"),
        json!("1"),
        json!("x".repeat(65)),
        json!("x".repeat(257)),
        json!("2025-11-22T13:05:07+01:00"),
        json!("2025-11-22 13:05:07Z"),
        json!([]),
        json!([1]),
        json!({}),
    ];
    let mut mutants = Vec::new();
    for (name, message, value) in examples() {
        if matches!(message, "alert" | "daily" | "escalation" | "rejected") {
            continue;
        }
        let mut places = Vec::new();
        pointers(&value, "", &mut places);
        for place in places {
            let (parent, key) = place.rsplit_once('/').unwrap();
            if let Some(Value::Object(map)) = value.clone().pointer_mut(parent) {
                map.remove(key);
                let mut mutant = value.clone();
                *mutant.pointer_mut(parent).unwrap() = Value::Object(map.clone());
                mutants.push((format!("{name} without {place}"), message, mutant));
            }
            for other in &others {
                let mut mutant = value.clone();
                *mutant.pointer_mut(&place).unwrap() = other.clone();
                mutants.push((format!("{name} with {place} = {other}"), message, mutant));
            }
        }
    }
    mutants
}

/// Whether the fault is one that a schema cannot see.
fn beyond_schemas(message: &str, refusal: &Refusal) -> bool {
    match refusal.reason {
        Reason::UnknownNode => true,
        // A ring that is not closed; an interval that ends before it starts.
        Reason::BadField if message != "observation" => {
            ["whose last is the first again", "a time after"].iter().any(|text| refusal.message.contains(text))
        }
        _ => false,
    }
}

#[test]
fn schema_and_decoder_agree_on_every_mutant() {
    let validators = validators();
    let (mut accepted, mut refused, mut faults) = (0, 0, Vec::new());
    for (name, message, value) in mutants() {
        let fits = validators[message].is_valid(&value);
        match (fits, read(message, &value)) {
            (true, Ok(())) => accepted += 1,
            (false, Err(_)) => refused += 1,
            (true, Err(refusal)) if beyond_schemas(message, &refusal) => refused += 1,
            (true, Err(refusal)) => faults.push(format!("{name}: fits the schema, but {}", refusal.message)),
            (false, Ok(())) => faults.push(format!("{name}: does not fit the schema, but is accepted")),
        }
    }
    assert!(faults.is_empty(), "{} disagreements:\n{}", faults.len(), faults.join("\n"));
    assert!(accepted > 500 && refused > 2000, "{accepted} accepted, {refused} refused: the mutants prove little");
}
