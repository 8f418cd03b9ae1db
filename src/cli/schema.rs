//! `truceline schema`: the messages as JSON Schemas.

use super::args::Schema;
use super::console::{Misuse, NotWired, Outcome, print};
use serde_json::Value;
use std::path::PathBuf;
use thiserror::Error;

/// A file of schemas that cannot be written.
#[derive(Debug, Error)]
#[error("cannot write {path}")]
struct Unwritten {
    path: String,
    source: std::io::Error,
}

pub(super) fn command(args: &Schema) -> Outcome {
    let mut schemas = schemas()?;
    if let Some(name) = &args.name {
        let known: Vec<String> = schemas.iter().map(|(name, _)| name.clone()).collect();
        schemas.retain(|(known, _)| known == name);
        if schemas.is_empty() {
            return Err(Misuse(format!("there is no schema {name}; expected one of {}", known.join(", "))).into());
        }
    }
    match &args.out {
        Some(directory) => {
            let unwritten = |path: &PathBuf| {
                let path = path.display().to_string();
                move |source| Unwritten { path, source }
            };
            std::fs::create_dir_all(directory).map_err(unwritten(directory))?;
            for (name, schema) in &schemas {
                let path = directory.join(format!("{name}.json"));
                std::fs::write(&path, pretty(schema)?).map_err(unwritten(&path))?;
            }
            Ok(())
        }
        None => Ok(print(&printed(schemas, args.name.is_some())?)?),
    }
}

/// One schema by itself, several as one object by their names.
fn printed(schemas: Vec<(String, Value)>, one: bool) -> serde_json::Result<String> {
    let mut schemas = schemas;
    match schemas.pop() {
        Some((_, schema)) if one => pretty(&schema),
        Some(last) => {
            schemas.push(last);
            pretty(&Value::Object(schemas.into_iter().collect()))
        }
        None => Ok(String::new()),
    }
}

fn pretty(schema: &Value) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(schema)? + "\n")
}

/// Every message's schema by its name.
fn schemas() -> Result<Vec<(String, Value)>, NotWired> {
    Err(NotWired("schema"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_schema_stands_alone_and_several_stand_by_their_names() {
        let one = vec![("alert".to_owned(), json!({"type": "object"}))];
        assert_eq!(printed(one.clone(), true).unwrap(), "{\n  \"type\": \"object\"\n}\n");
        assert_eq!(printed(one, false).unwrap(), "{\n  \"alert\": {\n    \"type\": \"object\"\n  }\n}\n");
    }
}
