//! `truceline schema`: the messages as JSON Schemas.

use super::args::Schema;
use super::console::{Misuse, Outcome, print};
use crate::codec::schema;
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
    let mut schemas = schema::schemas();
    if let Some(name) = &args.name {
        let known: Vec<&str> = schemas.iter().map(|(name, _)| *name).collect();
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
                std::fs::write(&path, schema::text(schema)).map_err(unwritten(&path))?;
            }
            Ok(())
        }
        None => Ok(print(&printed(schemas, args.name.is_some()))?),
    }
}

/// One schema by itself, several as one object by their names.
fn printed(schemas: Vec<(&'static str, Value)>, one: bool) -> String {
    match &schemas[..] {
        [(_, schema)] if one => schema::text(schema),
        _ => schema::text(&schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_schema_stands_alone_and_several_stand_by_their_names() {
        let one = vec![("alert", json!({"type": "object"}))];
        assert_eq!(printed(one.clone(), true), "{\n  \"type\": \"object\"\n}\n");
        assert_eq!(printed(one, false), "{\n  \"alert\": {\n    \"type\": \"object\"\n  }\n}\n");
    }
}
