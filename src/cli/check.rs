//! `truceline check`: everything that can be known to be wrong, before anything starts.

use super::args::{Check, Common};
use super::console::{Outcome, print};
use super::logging;
use crate::codec::reference::{ReferenceError, from_collection};
use crate::config::{Complaint, Config, Loaded};
use crate::kafka::{KafkaError, TopicSpec, topics};
use crate::model::area::Area;
use crate::model::node::Node;
use crate::model::notice::Notice;
use std::fmt::Write;
use std::path::Path;
use thiserror::Error;

/// Whether the broker is part of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broker {
    /// It is reached, and its topics are looked at.
    Reach {
        /// Topics that do not exist are made.
        create_topics: bool,
    },
    /// It is left alone.
    Leave,
}

/// What was wrong.
#[derive(Debug, Error)]
#[error("{}", list(.0))]
pub(super) struct Faults(Vec<Complaint>);

fn list(complaints: &[Complaint]) -> String {
    match complaints {
        [one] => one.to_string(),
        many => {
            let lines: String = many.iter().map(|complaint| format!("\n  {complaint}")).collect();
            format!("{} faults:{lines}", many.len())
        }
    }
}

pub(super) fn command(args: &Check, common: &Common) -> Outcome {
    let mut loaded = common.load()?;
    args.reference.lay_over(&mut loaded.config.reference);
    logging::start(&loaded.config.log, common, None)?;
    let broker = if args.offline { Broker::Leave } else { Broker::Reach { create_topics: args.create_topics } };
    let found = all(&loaded, broker)?;
    if !common.quiet {
        print(&found)?;
    }
    Ok(())
}

/// Checks the reference files and the broker's topics of a configuration that is itself without fault, and says what
/// was found.
///
/// # Errors
///
/// Every fault, each with the place where it was set.
pub(super) fn all(loaded: &Loaded, broker: Broker) -> Result<String, Faults> {
    let config = &loaded.config;
    let (mut found, mut faults) = (String::new(), Vec::<Complaint>::new());
    let _ = writeln!(found, "configuration: no fault, engine digest {}", config.engine.digest());
    for (what, path) in config.reference.files() {
        match read_reference(what, path) {
            Ok(count) => {
                let _ = writeln!(found, "{what}: {count} in {}", path.display());
            }
            Err(why) => {
                let key = format!("reference.{what}");
                faults.extend(why.iter().map(|why| Complaint {
                    place: loaded.places.get(&key).cloned(),
                    sentence: format!(
                        "{key} held {}; expected a GeoJSON FeatureCollection of {what}, but {why}",
                        path.display()
                    ),
                }));
            }
        }
    }
    if let Broker::Reach { create_topics } = broker {
        match check_topics(loaded, create_topics) {
            Err(wrong) => faults.extend(wrong),
            Ok(said) => {
                let _ = writeln!(found, "{said}");
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Faults(faults)) }
}

/// Reads a reference file whole; how many features it holds, or every fault.
fn read_reference(what: &str, path: &Path) -> Result<usize, Vec<String>> {
    let text = std::fs::read(path).map_err(|error| vec![error.to_string()])?;
    let sentences = |faults: Vec<ReferenceError>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    match what {
        "sensors" => from_collection::<Node>(&text).map(|nodes| nodes.len()),
        "areas" => from_collection::<Area>(&text).map(|areas| areas.len()),
        _ => from_collection::<Notice>(&text).map(|notices| notices.len()),
    }
    .map_err(sentences)
}

/// Reaches the broker and looks at every topic that is not replaced by a file; makes those that are missing if asked
/// to. What was found, in a line; or the faults.
fn check_topics(loaded: &Loaded, create_topics: bool) -> Result<String, Vec<Complaint>> {
    let Config { kafka, reference, output, .. } = &loaded.config;
    let replaced: Vec<String> = reference.files().map(|(what, _)| format!("reference_{what}")).collect();
    let mut topics: Vec<TopicSpec> =
        kafka.topics.all().into_iter().filter(|topic| !replaced.iter().any(|key| key == topic.key)).collect();
    topics.extend(output.by_component.then(|| kafka.topics.components()).into_iter().flatten());
    let complaints =
        |errors: Vec<KafkaError>| errors.iter().map(|error| kafka_complaint(loaded, error)).collect::<Vec<_>>();
    let made = if create_topics { topics::create_missing(kafka, &topics).map_err(complaints)? } else { Vec::new() };
    topics::check(kafka, &topics).map_err(complaints)?;
    match topics::warnings(kafka, &topics) {
        Ok(warnings) => warnings.iter().for_each(|warning| tracing::warn!("{warning}")),
        // An operator may not be allowed to ask.
        Err(error) => tracing::debug!("{error}"),
    }
    let made = if made.is_empty() { String::new() } else { format!(", made {}", made.join(", ")) };
    Ok(format!("broker: {} answers, {} topics are there{made}", kafka.brokers, topics.len()))
}

fn kafka_complaint(loaded: &Loaded, error: &KafkaError) -> Complaint {
    let key = match error {
        KafkaError::Setting { key, .. } => format!("kafka.{key}"),
        KafkaError::Unreachable { .. } => "kafka.brokers".to_owned(),
        KafkaError::TopicMissing { key, .. }
        | KafkaError::Partitions { key, .. }
        | KafkaError::TopicCreation { key, .. } => format!("kafka.topics.{key}"),
        _ => String::new(),
    };
    Complaint { place: loaded.places.get(&key).cloned(), sentence: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_file_that_is_not_there_is_told_with_its_key() {
        let loaded = Config::load(None, [], &["reference.areas=/nowhere/areas.geojson".to_owned()]).unwrap();
        let error = all(&loaded, Broker::Leave).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "--set reference.areas: reference.areas held /nowhere/areas.geojson; \
                 expected a GeoJSON FeatureCollection of areas, but No such file"
            ),
            "{error}"
        );
    }

    #[test]
    fn without_faults_it_says_what_it_found() {
        let found = all(&Loaded::default(), Broker::Leave).unwrap();
        assert_eq!(found, format!("configuration: no fault, engine digest {}\n", Config::default().engine.digest()));
    }
}
