//! The arguments of every command.

mod bench;
mod evidence;
mod review;

pub use bench::{Alone, Associate, Bench, Curves, Escalate, Peers, RulesBench, Stage};
pub use evidence::{Evidence, EvidenceCommand, EvidenceVerify};
pub use review::{Alerts, Decide, Key, List, Review, ReviewCommand, Show};

use crate::config::{Config, ConfigError, Loaded};
use crate::engine::associate::calibration;
use crate::import::Format;
use crate::model::day::{Day, parse_offset_s};
use crate::model::time::parse_rfc3339;
use crate::simulate::Scenario;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

/// What `--version` tells: the program's, the wire contract's, and which calibration of probabilities it has.
static VERSIONS: LazyLock<String> =
    LazyLock::new(|| format!("{}\nwire contract 1\ncalibration {}", env!("CARGO_PKG_VERSION"), calibration::digest()));

/// Watches a ceasefire: telemetry in, likely violations out, each with its evidence.
#[derive(Debug, Parser)]
#[command(name = "truceline", version, long_version = VERSIONS.as_str(), propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Start with:\n  truceline demo            watch simulated telemetry being judged, for a minute\n  truceline COMMAND --help  what a command takes, with examples\n\nExit codes: 0 done, 1 failed, 2 called wrongly."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Configuration file; without it the defaults hold
    #[arg(long, global = true, value_name = "FILE", env = "TRUCELINE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Set one key over the file and the environment, as in kafka.group=watch; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Say only what went wrong
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log more; twice for everything
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

impl Common {
    /// The configuration these arguments and the environment give.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        Config::load(self.config.as_deref(), std::env::vars(), &self.set)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read recorded telemetry from files and write alerts and the archive to a directory
    Replay(Replay),
    /// Watch the telemetry topics: alerts to Kafka, tables to Parquet, until told to stop
    Run(Run),
    /// Watch a simulated ceasefire in the terminal, with a broker of its own; needs no network
    Demo(Demo),
    /// Write the telemetry of a made-up scenario, and the truth it was made from
    Simulate(Simulate),
    /// Compare alerts with the truth
    Score(Score),
    /// Load everything, reach the broker, list every fault, start nothing
    Check(Check),
    /// Print the JSON Schemas of every message
    Schema(Schema),
    /// Turn published recordings into telemetry files
    Import(Import),
    /// Measure this machine: decode, consume, and the whole path
    Bench(Bench),
    /// Only write the Parquet tables from the topics, until told to stop
    Archive(Archive),
    /// Set a day out as a page: figures, map, gravest alerts, what was not covered
    Report(Report),
    /// Check an archive: every file readable, every row there once
    Verify(Verify),
    /// Look at alerts, and decide on them
    Review(Review),
    /// Pack an alert with all that it was worked out from, or check such a package
    Evidence(Evidence),
}

/// Reference data from files. Each goes before the configuration's.
#[derive(Args, Clone, Debug, Default)]
pub struct ReferenceFiles {
    /// Sensor registry: a GeoJSON FeatureCollection
    #[arg(long, value_name = "FILE")]
    pub sensors: Option<PathBuf>,
    /// Areas and lines: a GeoJSON FeatureCollection
    #[arg(long, value_name = "FILE")]
    pub areas: Option<PathBuf>,
    /// Notified activities: a GeoJSON FeatureCollection
    #[arg(long, value_name = "FILE")]
    pub notices: Option<PathBuf>,
}

impl ReferenceFiles {
    /// Lays these files over those of the configuration.
    pub fn lay_over(&self, reference: &mut crate::config::Reference) {
        for (mine, theirs) in [
            (&self.sensors, &mut reference.sensors),
            (&self.areas, &mut reference.areas),
            (&self.notices, &mut reference.notices),
        ] {
            if mine.is_some() {
                theirs.clone_from(mine);
            }
        }
    }
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline replay --telemetry day.ndjson.zst --sensors sensors.geojson --areas areas.geojson --out result
  truceline replay --telemetry telemetry.sensors.ndjson telemetry.patrols.ndjson \\
      --sensors sensors.geojson --areas areas.geojson --notices notices.geojson --out result
  truceline replay --telemetry tuesday.ndjson.zst --sensors sensors.geojson --learnt monday/learnt.json --out tuesday

A file holds one observation a line in the order of delivery, plain, gzip or zstd. Its name without the endings
stands for the topic. In the output directory: alerts.ndjson (every revision), escalations.ndjson, rejected.ndjson,
reports.ndjson (each sector's days), learnt.json (what was learnt of nodes and places, for --learnt) and the Parquet tables.")]
pub struct Replay {
    /// Telemetry, one observation a line
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub telemetry: Vec<PathBuf>,
    /// Reference data.
    #[command(flatten)]
    pub reference: ReferenceFiles,
    /// Start from what another replay learnt: its learnt.json
    #[arg(long, value_name = "FILE")]
    pub learnt: Option<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write no Parquet tables
    #[arg(long)]
    pub no_archive: bool,
}

/// Arguments of `run`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline run --config config/truceline.toml
  truceline run --config config/truceline.toml --create-topics
  TRUCELINE_KAFKA__BROKERS=broker-1:9092,broker-2:9092 truceline run

Where one machine is not enough, on as many as it takes (any number of each but the last two):
  truceline run --role route     --set kafka.instance=router-1
  truceline run --role correlate --set kafka.instance=watch-1
  truceline run --role correlate --set kafka.instance=watch-2
  truceline run --role archive
  truceline run --role report

SIGTERM and Ctrl-C let it finish what it has read, write it out, and end.")]
pub struct Run {
    /// Which part of the work this process does
    #[arg(long, value_enum, default_value_t = Role::All)]
    pub role: Role,
    /// Make topics that do not exist
    #[arg(long)]
    pub create_topics: bool,
    /// Write no Parquet tables (another process does)
    #[arg(long)]
    pub no_archive: bool,
    /// Publish no daily reports (another process does)
    #[arg(long)]
    pub no_reports: bool,
    /// Reference data.
    #[command(flatten)]
    pub reference: ReferenceFiles,
}

/// What a process does of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Everything, in one process
    All,
    /// Send telemetry on to the regions that may have heard the same event
    Route,
    /// Correlate the regions that the group gives it
    Correlate,
    /// Only write the Parquet tables
    Archive,
    /// Only publish daily reports
    Report,
}

/// Arguments of `demo`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline demo
  truceline demo --for 5m --seed 3
  truceline demo --endless
  truceline demo --plain | tee demo.txt

q or Ctrl-C ends it early. Without a terminal it prints plain lines.")]
pub struct Demo {
    /// How long
    #[arg(long = "for", default_value = "60s", value_name = "TIME", value_parser = duration, conflicts_with = "endless")]
    pub duration: Duration,
    /// Go on until stopped
    #[arg(long)]
    pub endless: bool,
    /// Which story: the same number tells the same one
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Where to keep what was said
    #[arg(long, default_value = "truceline-demo", value_name = "DIR")]
    pub out: PathBuf,
    /// Plain lines, also on a terminal
    #[arg(long)]
    pub plain: bool,
}

/// The scenarios that can be simulated, by name.
fn scenario() -> impl clap::builder::TypedValueParser<Value = Scenario> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(Scenario::ALL.iter().map(|scenario| scenario.as_str())).map(|name| {
        // Only names of the list come this far.
        Scenario::parse(&name).unwrap_or(Scenario::ALL[0])
    })
}

/// Arguments of `simulate`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline simulate sparse --seed 7 --out sparse
  truceline replay --telemetry sparse/telemetry.ndjson --sensors sparse/sensors.geojson \\
      --areas sparse/areas.geojson --notices sparse/notices.geojson --out result
  truceline score --alerts result/alerts.ndjson --truth sparse/truth.ndjson

The same scenario and seed give the same bytes.")]
pub struct Simulate {
    /// Which scenario
    #[arg(value_name = "SCENARIO", value_parser = scenario())]
    pub scenario: Scenario,
    /// Which throw of the dice
    #[arg(long, value_name = "N")]
    pub seed: u64,
    /// Where to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// How `score` tells that an alert is an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MatchBy {
    /// They share most of their evidence.
    Evidence,
    /// They are near each other in time and place.
    Place,
}

/// Arguments of `score`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline score --alerts result/alerts.ndjson --truth sparse/truth.ndjson
  truceline score --alerts result/alerts.ndjson --truth catalogue.ndjson --by place --seconds 3 --metres 1000

Only what the truth speaks of is scored: its classes, and the time from its first event to its last. An alert from
before or after that is no false alarm; how many were left out is told.")]
pub struct Score {
    /// Alerts, one revision a line
    #[arg(long, value_name = "FILE")]
    pub alerts: PathBuf,
    /// What happened, one event a line
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// Sensor registry, for the error over the Cramér–Rao bound
    #[arg(long, value_name = "FILE")]
    pub sensors: Option<PathBuf>,
    /// What makes an alert the event
    #[arg(long, value_enum, default_value_t = MatchBy::Evidence)]
    pub by: MatchBy,
    /// Furthest apart in time, with --by place
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    pub seconds: f64,
    /// Furthest apart in space, with --by place
    #[arg(long, default_value_t = 1000.0, value_parser = positive)]
    pub metres: f64,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline check --config config/truceline.toml
  truceline check --config config/production.toml --create-topics
  truceline check --config config/truceline.toml --offline")]
pub struct Check {
    /// Make topics that do not exist
    #[arg(long, conflicts_with = "offline")]
    pub create_topics: bool,
    /// Leave the broker alone: check the configuration and the files
    #[arg(long)]
    pub offline: bool,
    /// Reference data.
    #[command(flatten)]
    pub reference: ReferenceFiles,
}

/// Arguments of `schema`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline schema                     all of them, as one JSON object
  truceline schema alert               one of them
  truceline schema --out docs/schemas  each into a file of its own")]
pub struct Schema {
    /// Which message; all of them without it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Write NAME.json files there instead of printing
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// The formats that can be imported by name, and `auto`.
fn formats() -> clap::builder::PossibleValuesParser {
    let names = std::iter::once("auto").chain(Format::ALL.iter().map(|format| format.as_str()));
    clap::builder::PossibleValuesParser::new(names)
}

/// Arguments of `import`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline import ais AIS_2024_01_01.csv --out ships
  truceline import opensky states_2022-06-27-23.csv --out aircraft
  truceline import picks 20161014 --out picks
  truceline import auto recordings/ --out imported

Writes telemetry.ndjson and sensors.geojson, in order of time, and truth.ndjson where the format gives the truth; says
how many rows were read, written and left out, and why.")]
pub struct Import {
    /// What the files are; auto: look at them
    #[arg(value_name = "FORMAT", value_parser = formats())]
    pub format: String,
    /// The files, or directories of them
    #[arg(required = true, value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// picks: the day whose seconds the files count, as in 2016-10-14; else the directory's name
    #[arg(long, value_name = "DAY")]
    pub date: Option<String>,
    /// locards: the instant from which receivers count, as in 2020-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// locards: name the emitter of each arrival
    #[arg(long)]
    pub label_emitters: bool,
}

/// Arguments of `archive`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline archive --config config/truceline.toml
  truceline archive --set output.archive_dir=/srv/truceline")]
pub struct Archive {
    /// Make topics that do not exist
    #[arg(long)]
    pub create_topics: bool,
    /// Sensor registry: a GeoJSON FeatureCollection, in place of the topic
    #[arg(long, value_name = "FILE")]
    pub sensors: Option<PathBuf>,
}

/// Arguments of `report`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline report --day 2026-03-01 --alerts result/alerts.ndjson --areas areas.geojson --out pages
  truceline report --day 2026-03-01 --archive archive --areas areas.geojson --sector south --out pages
  truceline report --day 2026-03-01 --offset +02:00 --out pages

Writes Markdown, HTML (one file, nothing to load) and the two drawings as SVG. Without --alerts and --archive the
newest revisions are read from the topic alerts.current, and areas from reference.areas.")]
pub struct Report {
    /// The day, as in 2026-03-01
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub day: Day,
    /// One sector; the whole theatre without it
    #[arg(long, value_name = "NAME")]
    pub sector: Option<String>,
    /// Alerts of a replay, one revision a line
    #[arg(long, value_name = "FILE", conflicts_with = "archive")]
    pub alerts: Option<PathBuf>,
    /// The root of an archive
    #[arg(long, value_name = "DIR")]
    pub archive: Option<PathBuf>,
    /// Areas and lines for the map: a GeoJSON FeatureCollection
    #[arg(long, value_name = "FILE")]
    pub areas: Option<PathBuf>,
    /// By how much the day's clocks are ahead of UTC
    #[arg(long, default_value = "+00:00", value_name = "OFFSET", value_parser = offset, allow_hyphen_values = true)]
    pub offset: i32,
    /// Where to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `verify`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline verify result
  truceline verify /srv/truceline && echo whole")]
pub struct Verify {
    /// The archive's root
    #[arg(value_name = "DIR")]
    pub root: PathBuf,
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "expected a day as in 2026-03-01".to_owned())
}

fn offset(text: &str) -> Result<i32, String> {
    parse_offset_s(text).ok_or_else(|| "expected an offset from UTC as in +02:00".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("expected a time longer than none, as in 60s".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; expected a time as in 90s, 5m or 1h 30m")),
    }
}

/// Nanoseconds.
fn instant(text: &str) -> Result<i64, String> {
    parse_rfc3339(text.as_bytes()).ok_or_else(|| "expected a time as in 2026-03-01T06:00:00Z".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("expected a number greater than 0".to_owned()),
    }
}

#[cfg(test)]
mod tests;
