//! The arguments of `bench`.

use super::{duration, positive};
use crate::bench::curves::Of;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// What `bench` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// Bytes to columns, in memory.
    Decode,
    /// Kafka to memory, nothing decoded.
    Consume,
    /// Kafka to alerts, and how long an observation takes to become one.
    Whole,
    /// Each in turn.
    All,
}

/// Names of the mixes of telemetry that can be measured.
pub const MIXES: [&str; 4] = ["quiet", "mixed", "barrage", "tracks"];

/// Arguments of `bench`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  truceline bench --stage decode
  truceline bench associate --quality
  truceline bench rules
  truceline bench peers --out compared
  truceline bench --stage whole --set kafka.brokers=localhost:9092 --for 60s --rate 150000
  truceline bench --report out --mix quiet --loads 20,50,80,95 --peers compared/peers.json
  truceline bench --embedded

Consuming and the whole path are measured on topics of their own, which are removed afterwards. Latency is counted \
from when an observation was due, so that a stall is not hidden by what it kept from being sent. The report leaves out, and says so, what takes a broker that \
does not answer.")]
pub struct Bench {
    /// What to measure by itself, without a broker
    #[command(subcommand)]
    pub alone: Option<Alone>,
    /// What to measure
    #[arg(long, value_enum, default_value_t = Stage::All)]
    pub stage: Stage,
    /// Which telemetry
    #[arg(long, default_value = "mixed", value_parser = clap::builder::PossibleValuesParser::new(MIXES))]
    pub mix: String,
    /// How long to decode, and to publish for the latencies
    #[arg(long = "for", default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub duration: Duration,
    /// Observations in the topic that is read as fast as it goes
    #[arg(long, default_value_t = 2_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..))]
    pub records: u64,
    /// Observations a second to publish for the latencies; without it, half of what the whole path reads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// Nodes that send the telemetry
    #[arg(long, default_value_t = 14_000, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub nodes: u32,
    /// Which throw of the dice
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Use the embedded broker, which limits what is measured: it is made for a demo
    #[arg(long)]
    pub embedded: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Write the distributions of latency (.hgrm) to this directory
    #[arg(long, value_name = "DIR", conflicts_with = "report")]
    pub out: Option<PathBuf>,
    /// Measure every stage beside its roof, and write report.html, report.json and distributions of latency to this directory
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// How often each is measured for the report, which shows medians
    #[arg(long, default_value_t = 3, value_name = "N", requires = "report", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Loads at which the report shows latencies, percent of what the whole path reads
    #[arg(long, value_delimiter = ',', default_value = "50", value_name = "N,…", requires = "report", value_parser = positive)]
    pub loads: Vec<f64>,
    /// Show in the report what `bench peers` wrote
    #[arg(long, value_name = "FILE", requires = "report")]
    pub peers: Option<PathBuf>,
}

/// What is measured by itself.
#[derive(Debug, Subcommand)]
pub enum Alone {
    /// Measure how well and how fast arrivals become events, on simulated telemetry; needs no broker
    Associate(Associate),
    /// Measure how cost and memory grow with nodes and with alerts that are open; needs no broker
    Curves(Curves),
    /// Measure how soon an escalation is told, and how often one that is none, on simulated fortnights
    Escalate(Escalate),
    /// Measure how well each rule finds what it is there for, and how fast all of them are, on simulated telemetry
    Rules(RulesBench),
    /// Measure other stream processors beside this one, in turn, on the same topics
    Peers(Peers),
}

/// Arguments of `bench curves`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline bench curves
  truceline bench curves --nodes 1000,100000 --alerts 0
  truceline bench curves --json --set engine.fire.on=false

The engine alone is driven on one thread, on telemetry of the mix quiet; each point by a process of its own.")]
pub struct Curves {
    /// Nodes that send
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000", value_name = "N,…")]
    pub nodes: Vec<usize>,
    /// Alerts that are open while 14,000 nodes send
    #[arg(long, value_delimiter = ',', default_value = "0,1000,10000,50000", value_name = "N,…")]
    pub alerts: Vec<usize>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Measure this point alone, in this process
    #[arg(long, hide = true, requires = "count", value_parser = clap::builder::PossibleValuesParser::new(Of::ALL.map(Of::as_str)))]
    pub of: Option<String>,
    /// See there
    #[arg(long, hide = true)]
    pub count: Option<usize>,
}

/// Arguments of `bench rules`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline bench rules
  truceline bench rules --seeds 1,2,3 --plots 0
  truceline bench rules --json --set engine.dark.min_gap_s=900

The engine alone is driven, without a broker; fire is switched off.")]
pub struct RulesBench {
    /// Scenes to score
    #[arg(long, value_delimiter = ',', default_value = "201,202,203,204,205", value_name = "N,…")]
    pub seeds: Vec<u64>,
    /// Plots to time the area rules with; 0: they are not timed
    #[arg(long, default_value_t = 2_000_000, value_name = "N")]
    pub plots: usize,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bench peers`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline bench peers --set kafka.brokers=localhost:9092 --mix quiet --out compared
  truceline bench peers --peer other='./other --fast' --records 4000000 --runs 3 --no-latency --out compared

A peer is a line for the shell. Variables named PEER_* tell it what to do: BROKERS, INPUT, OUTPUT, GROUP, SENSORS (the registry, a \
GeoJSON file), CELL_DEG, WINDOW_S, NODES, THREADS, COMMIT_MS, SCRATCH (a directory for its files). It is to say, exactly once, one \
alert for each cell in which so many distinct nodes were heard within a window of event time, as \
{\"row\":…,\"column\":…,\"from_ms\":…,\"id\":\"the deciding observation's\"}, and to print observations=N as it gets on. \
benches/peers/streams has two, and builds and runs them: Kafka Streams and Flink.")]
pub struct Peers {
    /// A peer, and the line that starts it; may be repeated
    #[arg(long, value_name = "NAME=COMMAND")]
    pub peer: Vec<String>,
    /// Which telemetry
    #[arg(long, value_delimiter = ',', default_value = "quiet,mixed,barrage", value_name = "MIX,…", value_parser = clap::builder::PossibleValuesParser::new(MIXES))]
    pub mix: Vec<String>,
    /// Observations in the topic that is read as fast as it goes
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..))]
    pub records: u64,
    /// How often each reads it; tables have the medians
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// How long to publish for the latencies, the first ten seconds of which do not count
    #[arg(long = "for", default_value = "30s", value_name = "TIME", value_parser = duration)]
    pub duration: Duration,
    /// Observations a second to publish for the latencies; without it, half of what each reads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "no_latency")]
    pub rate: Option<u64>,
    /// Measure no latencies
    #[arg(long)]
    pub no_latency: bool,
    /// Nodes that send the telemetry
    #[arg(long, default_value_t = 14_000, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub nodes: u32,
    /// Which throw of the dice
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Write peers.json, peers.md and the distributions of latency (.hgrm) to this directory
    #[arg(long, value_name = "DIR", default_value = "compared")]
    pub out: PathBuf,
}

/// Arguments of `bench associate`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline bench associate
  truceline bench associate --quality --seeds 1,2,3 --each
  truceline bench associate --quality --regime barrage --set engine.fire.events_per_hour=100
  truceline bench associate --saturation --events 300
  truceline bench associate --ablation --seeds 71,72,73

The engine alone is timed, in the processor time of one thread; telemetry is decoded beforehand.")]
pub struct Associate {
    /// Compare the alerts with the truth, and time each first word
    #[arg(long)]
    pub quality: bool,
    /// Take the curve of F1 against events a second, from 0.01 to 5
    #[arg(long, conflicts_with = "quality")]
    pub saturation: bool,
    /// Take one kind of evidence out at a time, of fused, hour and barrage, and tell what that costs
    #[arg(long, conflicts_with_all = ["quality", "saturation", "regime", "each"])]
    pub ablation: bool,
    /// Scenes to measure
    #[arg(long, value_delimiter = ',', default_value = "101,102,103", value_name = "N,…")]
    pub seeds: Vec<u64>,
    /// Regimes to measure: sparse, hour, barrage, barrage2, barrage4, clutter
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "sparse,hour,barrage,barrage2,barrage4,clutter",
        value_name = "NAME,…"
    )]
    pub regime: Vec<String>,
    /// Tell each scene as well
    #[arg(long)]
    pub each: bool,
    /// Events of each scene of the curve
    #[arg(long, default_value_t = 500, value_name = "N", requires = "saturation")]
    pub events: usize,
    /// Where the curve ends, events a second
    #[arg(long, default_value_t = 5.0, value_name = "RATE", value_parser = positive, requires = "saturation")]
    pub most_per_s: f64,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bench escalate`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  truceline bench escalate --fortnights 20
  truceline bench escalate --course onset --rate 10,20,40,80 --fortnights 100
  truceline bench escalate --set engine.escalation.level_2_per_year=0.1

Events and who is up are simulated, not telemetry; the engine's own watch judges them.")]
pub struct Escalate {
    /// What happens: onset, roll_out, storm, dying, steady
    #[arg(long, value_delimiter = ',', default_value = "onset,roll_out,storm,dying,steady", value_name = "NAME,…")]
    pub course: Vec<String>,
    /// The first seed; each fortnight has the next
    #[arg(long, default_value_t = 201, value_name = "N")]
    pub seed: u64,
    /// How many fortnights of each
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub fortnights: u64,
    /// Incidents an hour and sector, on average
    #[arg(long, value_delimiter = ',', default_value = "40", value_name = "RATE,…", value_parser = positive)]
    pub rate: Vec<f64>,
    /// How far rates swing from day to day: the standard deviation of their logarithm
    #[arg(long, default_value_t = 0.15, value_name = "SD")]
    pub swing: f64,
    /// Tell each false level 2 and 3 as well
    #[arg(long)]
    pub each: bool,
    /// By how much an onset raises the rate
    #[arg(long, default_value_t = 3.0, value_name = "TIMES", value_parser = positive)]
    pub times: f64,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}
