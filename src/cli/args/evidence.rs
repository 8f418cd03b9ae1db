//! Arguments of `evidence`.

use super::ReferenceFiles;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `evidence`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  truceline evidence A-3f0c1b2a4d5e6f708192 --out breach.zip --telemetry day.ndjson.zst \\
      --sensors sensors.geojson --areas areas.geojson --notices notices.geojson
  truceline evidence A-3f0c1b2a4d5e6f708192 --out breach.zip --archive archive --since 2026-03-01T06:00:00Z \\
      --sensors sensors.geojson --areas areas.geojson
  truceline evidence --all --out evidence --telemetry day.ndjson.zst --sensors sensors.geojson
  truceline evidence verify breach.zip
  truceline evidence verify breach.zip --seal 5b1d0e9c7a3f42d8861c50f9be2a7d14c3e6095fb8a1d7720e4c9f3a6b5d8e10

A package holds the alert, the records that it was worked out from with those it cites marked, the registry, areas
and notices, the settings, and an account for reading. It is made by working the alert out again, so the same files
and settings have to be given under which it was said; all of them are held in memory, 2 GiB at most. The seal that is printed goes with it by another way: it tells
whether the package is still the one that was made.")]
pub struct Evidence {
    /// Check a package: that nothing of it was changed, and that the alert comes out the same
    #[command(subcommand)]
    pub command: Option<EvidenceCommand>,
    /// The alerts' ids
    #[arg(value_name = "ALERT", required_unless_present = "all")]
    pub alerts: Vec<String>,
    /// Every alert that was not taken back
    #[arg(long, conflicts_with = "alerts")]
    pub all: bool,
    /// The package; with several alerts a directory, in which each gets a file of its own
    #[arg(long, required = true, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Telemetry, one observation a line, as it was replayed
    #[arg(long, num_args = 1.., value_name = "FILE", required_unless_present = "archive")]
    pub telemetry: Vec<PathBuf>,
    /// An archive: its telemetry is read, and what was said of the alert
    #[arg(long, value_name = "DIR", conflicts_with = "telemetry")]
    pub archive: Option<PathBuf>,
    /// Of an archive, only what is from that time on
    #[arg(long, value_name = "TIME", value_parser = super::instant, requires = "archive")]
    pub since: Option<i64>,
    /// Of an archive, only what is up to that time
    #[arg(long, value_name = "TIME", value_parser = super::instant, requires = "archive")]
    pub until: Option<i64>,
    /// What was said of the alert: alerts.ndjson; without it, what comes of the telemetry
    #[arg(long, value_name = "FILE")]
    pub said: Option<PathBuf>,
    /// Reference data.
    #[command(flatten)]
    pub reference: ReferenceFiles,
    /// What the replay started from: its --learnt
    #[arg(long, value_name = "FILE")]
    pub learnt: Option<PathBuf>,
}

/// What can be done with a package.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Check a package: that nothing of it was changed, and that the alert comes out the same, byte for byte
    #[command(after_help = "Examples:
  truceline evidence verify breach.zip
  truceline evidence verify breach.zip --seal 5b1d0e9c7a3f42d8861c50f9be2a7d14c3e6095fb8a1d7720e4c9f3a6b5d8e10

Needs no network and no other file. Exit codes: 0 it holds, 1 it does not, and why.")]
    Verify(EvidenceVerify),
}

/// Arguments of `evidence verify`.
#[derive(Args, Debug)]
pub struct EvidenceVerify {
    /// The package
    #[arg(value_name = "FILE")]
    pub package: PathBuf,
    /// The seal that was noted when it was made
    #[arg(long, value_name = "HEX")]
    pub seal: Option<String>,
}
