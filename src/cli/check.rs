//! `truceline check`: everything that can be known to be wrong, before anything starts.

use super::args::{Check, Common};
use super::console::{NotWired, Outcome, chain, print};
use super::logging;
use crate::config::{Complaint, Config, Loaded};
use crate::model::fault::Fault;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use thiserror::Error as ThisError;

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
#[derive(Debug, ThisError)]
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
pub(super) fn all(loaded: &Loaded, broker: Broker) -> Result<String, Box<dyn Error + Send + Sync>> {
    let config = &loaded.config;
    let (mut found, mut faults) = (String::new(), Vec::new());
    let _ = writeln!(found, "configuration: no fault, engine digest {}", config.engine.digest());
    for (what, path) in config.reference.files() {
        match read_reference(what, path) {
            Ok(count) => {
                let _ = writeln!(found, "{what}: {count} in {}", path.display());
            }
            Err(error) => {
                faults.push(Fault::new(
                    format!("reference.{what}"),
                    path.display(),
                    format!("a GeoJSON FeatureCollection of {what}, but {}", chain(error.as_ref())),
                ));
            }
        }
    }
    if let Broker::Reach { create_topics } = broker {
        match check_topics(config, create_topics)? {
            TopicsFound::Faults(wrong) => faults.extend(wrong),
            TopicsFound::Well(said) => {
                let _ = writeln!(found, "{said}");
            }
        }
    }
    if faults.is_empty() {
        return Ok(found);
    }
    Err(Faults(faults.iter().map(|fault| loaded.complaint(fault)).collect()).into())
}

/// Reads a reference file whole; how many features it holds.
fn read_reference(_what: &str, path: &Path) -> Result<usize, Box<dyn Error + Send + Sync>> {
    let _text = std::fs::read(path)?;
    Err(NotWired("reading of reference files").into())
}

/// What the broker said.
#[allow(dead_code, reason = "made by the broker's check")]
enum TopicsFound {
    /// What is wrong, by key of the configuration.
    Faults(Vec<Fault>),
    /// One line: brokers, topics and partitions.
    Well(String),
}

/// Reaches the broker and looks at every topic; makes those that are missing if asked to.
fn check_topics(_config: &Config, _create_topics: bool) -> Result<TopicsFound, NotWired> {
    Err(NotWired("the broker's check"))
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
