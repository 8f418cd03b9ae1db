//! Arguments of `review`.

use crate::model::decision::Verdict;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `review`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline review key --name anna --role legal --out anna.key
  truceline review list
  truceline review show A-3f0c1b2a4d5e6f708192 --sensors sensors.geojson
  truceline review decide A-3f0c1b2a4d5e6f708192 confirmed --by anna --key anna.key --reason craters

Alerts come from the topic alerts.current, or with --alerts from the alerts.ndjson of a replay; decisions go to
review.decisions, or with --out into a file.")]
pub struct Review {
    /// What to do.
    #[command(subcommand)]
    pub command: ReviewCommand,
}

/// What a reviewer does.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// List the alerts that await a decision, the gravest first
    #[command(after_help = "Examples:
  truceline review list
  truceline review list --alerts result/alerts.ndjson --decided")]
    List(List),
    /// Show an alert: what, where, when, how sure, on which evidence, and what was decided so far
    #[command(after_help = "Examples:
  truceline review show A-3f0c1b2a4d5e6f708192
  truceline review show A-3f0c1b2a4d5e6f708192 --alerts result/alerts.ndjson --sensors sensors.geojson")]
    Show(Show),
    /// Decide on an alert, sign it and send it
    #[command(after_help = "Examples:
  truceline review decide A-3f0c1b2a4d5e6f708192 confirmed --by anna --key anna.key
  truceline review decide A-3f0c1b2a4d5e6f708192 attributed --to 'party a' --by anna --key anna.key
  truceline review decide A-3f0c1b2a4d5e6f708192 dismissed --by anna --key anna.key --reason 'quarry' \\
      --alerts result/alerts.ndjson --out decisions.ndjson")]
    Decide(Decide),
    /// Make a key to sign decisions with, and print what to write into the configuration
    #[command(after_help = "Examples:
  truceline review key --name anna --out anna.key
  truceline review key --name anna --role legal --out anna.key >> truceline.toml")]
    Key(Key),
}

/// Where alerts come from.
#[derive(Args, Clone, Debug, Default)]
pub struct Alerts {
    /// Alerts, one revision a line, in place of the topic
    #[arg(long, value_name = "FILE")]
    pub alerts: Option<PathBuf>,
}

/// Arguments of `review list`.
#[derive(Args, Debug)]
pub struct List {
    /// Where alerts come from.
    #[command(flatten)]
    pub source: Alerts,
    /// Also those on which a decision stands
    #[arg(long)]
    pub decided: bool,
    /// Also those that are no violation
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `review show`.
#[derive(Args, Debug)]
pub struct Show {
    /// The alert's id
    #[arg(value_name = "ALERT")]
    pub alert: String,
    /// Where alerts come from.
    #[command(flatten)]
    pub source: Alerts,
    /// Sensor registry, for the distances of nodes
    #[arg(long, value_name = "FILE")]
    pub sensors: Option<PathBuf>,
}

/// The verdicts by name.
fn verdict() -> impl clap::builder::TypedValueParser<Value = Verdict> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(Verdict::ALL.iter().map(|verdict| verdict.as_str())).map(|name| {
        // Only names of the list come this far.
        Verdict::parse(&name).unwrap_or(Verdict::ALL[0])
    })
}

/// Arguments of `review decide`.
#[derive(Args, Debug)]
pub struct Decide {
    /// The alert's id
    #[arg(value_name = "ALERT")]
    pub alert: String,
    /// The verdict
    #[arg(value_name = "VERDICT", value_parser = verdict())]
    pub verdict: Verdict,
    /// Who decides: the reviewer's name in the configuration
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// The reviewer's key; without it the decision is not signed
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// To whom it is attributed
    #[arg(long, value_name = "PARTY", required_if_eq("verdict", "attributed"))]
    pub to: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The revision that was reviewed; the newest without it
    #[arg(long, value_name = "N")]
    pub revision: Option<u32>,
    /// When it was decided; now without it
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    pub at: Option<i64>,
    /// Where alerts come from.
    #[command(flatten)]
    pub source: Alerts,
    /// Write the decision to the end of this file in place of the topic
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `review key`.
#[derive(Args, Debug)]
pub struct Key {
    /// The reviewer's name
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The reviewer's role, if any
    #[arg(long, value_name = "ROLE", default_value = "")]
    pub role: String,
    /// Where to keep the key: only its reviewer is to read it
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
