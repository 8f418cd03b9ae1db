//! One typed tree of everything that can be set: defaults in code, then the file, then the environment, then flags.
//!
//! Each layer is read against the tree on its own, so that a key nobody knows or a value of the wrong type is told
//! with the line, the variable or the flag it came from; then the layers are laid over one another and the values
//! are checked together. All faults are told at once.

mod layer;
mod spelling;

use crate::archive::{ArchiveError, ArchiveSettings};
use crate::codec::reviewers;
use crate::engine::settings::Settings;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::model::fault::Fault;
use crate::model::review::Review;
use crate::report::ReportSettings;
use layer::Layer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Variables of this prefix with a double underscore in the rest are settings. The rest of them are left alone: an
/// orchestrator sets `TRUCELINE_PORT` and the like for a service of that name.
pub const VARIABLE_PREFIX: &str = "TRUCELINE_";

/// Sections whose keys are someone else's names with dots in them: everything below is one key.
pub(crate) const DOTTED_SECTIONS: &[&str] = &["kafka.client"];

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The broker, the topics, the consumer group.
    pub kafka: KafkaSettings,
    /// How observations become alerts; its digest stands on every alert.
    pub engine: Settings,
    /// Who decides on alerts.
    pub review: Review,
    /// The Parquet tables.
    pub archive: ArchiveSettings,
    /// Daily reports.
    pub report: ReportSettings,
    /// Reference data from files.
    pub reference: Reference,
    /// What is said besides the alerts themselves.
    pub output: Output,
    /// The program's own log.
    pub log: Log,
}

/// Reference data from files, which then takes the place of the `reference.*` topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reference {
    /// The sensor registry, a GeoJSON FeatureCollection. A path is relative to the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensors: Option<PathBuf>,
    /// Areas and lines, a GeoJSON FeatureCollection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub areas: Option<PathBuf>,
    /// Notified activities, a GeoJSON FeatureCollection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notices: Option<PathBuf>,
}

impl Reference {
    /// The files by the key that names them.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        [("sensors", &self.sensors), ("areas", &self.areas), ("notices", &self.notices)]
            .into_iter()
            .filter_map(|(key, path)| path.as_deref().map(|path| (key, path)))
    }
}

/// What is said besides the alerts themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// The directory under which a live run keeps its Parquet tables; made when it is not there. A path is relative
    /// to the working directory.
    pub archive_dir: PathBuf,
    /// Whether each component's alerts also go to a topic of its own (`kafka.topics.alerts_*`).
    pub by_component: bool,
    /// Seconds between two lines of rates in the log of a live run.
    pub rates_every_s: f64,
}

impl Default for Output {
    fn default() -> Output {
        Output { archive_dir: PathBuf::from("archive"), by_component: false, rates_every_s: 10.0 }
    }
}

/// The program's own log, on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// What is logged: a level, or levels by module as in `info,truceline::kafka=debug`. The variable
    /// `TRUCELINE_LOG` and the flags `-v` and `--quiet` go before it.
    pub filter: String,
    /// Whether lines carry colour.
    pub colour: Colour,
}

impl Default for Log {
    fn default() -> Log {
        Log { filter: "info".to_owned(), colour: Colour::Auto }
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where a setting was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, at a line counted from 1.
    Line(PathBuf, usize),
    /// In an environment variable.
    Variable(String),
    /// In a `--set` flag.
    Flag(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Place::Variable(name) => f.write_str(name),
            Place::Flag(flag) => write!(f, "--set {flag}"),
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Where it was set; absent when it follows from a default.
    pub place: Option<Place>,
    /// One sentence.
    pub sentence: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.sentence)
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was set cannot be.
    #[error("{}", list(.0))]
    Faults(Vec<Complaint>),
}

fn list(complaints: &[Complaint]) -> String {
    match complaints {
        [one] => format!("the configuration has a fault: {one}"),
        many => {
            let lines: String = many.iter().map(|complaint| format!("\n  {complaint}")).collect();
            format!("the configuration has {} faults:{lines}", many.len())
        }
    }
}

/// A configuration and where each of its keys was set.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where each key that is not at its default was set.
    pub places: BTreeMap<String, Place>,
}

impl Loaded {
    /// `fault` with the place where its key was set.
    pub fn complaint(&self, fault: &Fault) -> Complaint {
        complaint(&self.places, fault)
    }
}

fn complaint(places: &BTreeMap<String, Place>, fault: &Fault) -> Complaint {
    Complaint { place: places.get(&fault.key).cloned(), sentence: fault.to_string() }
}

impl Config {
    /// Reads `file`, lays the variables and then the flags (`section.key=value`) over it, and checks every value.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the list of everything that is wrong.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
        flags: &[String],
    ) -> Result<Loaded, ConfigError> {
        let mut layers = Vec::new();
        if let Some(path) = file {
            let text =
                std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
            layers.push(Layer::of_file(&text, path));
        }
        let mut variables: Vec<(String, String)> = variables.into_iter().collect();
        variables.sort();
        layers.extend(variables.iter().filter_map(|(name, value)| Layer::of_variable(name, value)));
        layers.extend(flags.iter().map(|flag| Layer::of_flag(flag)));

        let (mut merged, mut places, mut complaints) = (toml::Table::new(), BTreeMap::new(), Vec::new());
        for layer in layers {
            complaints.extend(layer.complaints);
            places.extend(layer.places);
            lay_over(&mut merged, layer.table);
        }
        let config: Config = match merged.try_into() {
            Ok(config) => config,
            // Each layer was read against the tree; what still fails is two layers that disagree about a type.
            Err(error) => {
                complaints.push(Complaint { place: None, sentence: error.message().to_owned() });
                return Err(ConfigError::Faults(complaints));
            }
        };
        complaints.extend(config.faults().iter().map(|fault| complaint(&places, fault)));
        if complaints.is_empty() { Ok(Loaded { config, places }) } else { Err(ConfigError::Faults(complaints)) }
    }

    /// Every value that is out of range, by its full key.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let mut below = |section: &str, found: Vec<Fault>| {
            faults.extend(found.into_iter().map(|fault| Fault { key: format!("{section}.{}", fault.key), ..fault }));
        };
        below("kafka", self.kafka.faults().into_iter().map(kafka_fault).collect());
        below("engine", self.engine.faults());
        below("review", reviewers::faults(&self.review));
        below("archive", self.archive.check().err().map(archive_fault).into_iter().collect());
        below("report", self.report.faults());
        below("output", self.output.faults());
        below("log", self.log.faults());
        faults
    }
}

fn kafka_fault(error: KafkaError) -> Fault {
    match error {
        KafkaError::Setting { key, value, expected } => Fault::new(key, format!("\"{value}\""), expected),
        other => Fault::new("settings", "a fault", other.to_string()),
    }
}

fn archive_fault(error: ArchiveError) -> Fault {
    match error {
        ArchiveError::Setting { key, held, expected } => Fault::new(key, held, expected),
        other => Fault::new("settings", "a fault", other.to_string()),
    }
}

impl Output {
    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> =
            Fault::unless_within("rates_every_s", self.rates_every_s, 0.1, 86_400.0, "seconds").into_iter().collect();
        if self.archive_dir.as_os_str().is_empty() {
            faults.push(Fault::new("archive_dir", "nothing", "a directory"));
        }
        faults
    }
}

impl Log {
    fn faults(&self) -> Vec<Fault> {
        match tracing_subscriber::EnvFilter::builder().parse(&self.filter) {
            Ok(_) => Vec::new(),
            Err(_) => vec![Fault::new(
                "filter",
                format!("\"{}\"", self.filter),
                "a level (error, warn, info, debug, trace) or levels by module, as in info,truceline::kafka=debug",
            )],
        }
    }
}

/// Lays `over` on `under`: tables key by key, all else whole.
fn lay_over(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => lay_over(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
