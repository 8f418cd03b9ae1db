//! What this machine does with this program: decoding alone, consuming alone, the whole path, and how long an
//! observation takes to become an alert.
//!
//! The telemetry is [`Load`]'s. Kafka's stages work on topics of their own ([`ground`]) and drive the same code as a
//! live run. Processor time is the whole process's, so that what librdkafka's threads cost is in it.

pub mod associate;
pub mod consume;
pub mod curves;
pub mod decode;
pub mod escalate;
pub mod fetch;
pub mod ground;
pub mod latency;
pub mod memory;
mod oracle;
pub mod peers;
pub mod percentiles;
pub mod publish;
pub mod report;
pub mod rules;
pub mod usage;
pub mod whole;

use crate::archive::ArchiveError;
use crate::codec::alert::EncodeError;
use crate::engine::settings::Settings;
use crate::kafka::KafkaError;
use crate::pipeline::run::RunError;
use crate::pipeline::teller::TellError;
use crate::simulate::DEFAULT_START_NS;
use crate::simulate::load::{Load, Mix};
use parquet::errors::ParquetError;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// A node of the load says that it is there once in so many seconds; all else goes by the mix's shares.
const HEARTBEAT_S: f64 = 30.0;

/// A stage that does not get on for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be measured with.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The broker, and how it is read and written. Topics and group get names of their own.
    pub kafka: crate::kafka::KafkaSettings,
    /// The engine's settings.
    pub engine: Settings,
    /// What the telemetry is made of.
    pub mix: Mix,
    /// How many nodes send it.
    pub nodes: usize,
    /// Which throw of the dice.
    pub seed: u64,
    /// How long to decode, and to publish for the latencies.
    pub duration: Duration,
    /// Observations in the topic that is read from end to end.
    pub records: u64,
    /// Whether the broker is the embedded one.
    pub embedded: bool,
}

impl Bench {
    /// A source of the telemetry. Event time goes as it would on site: each node sends its heartbeats.
    pub fn load(&self) -> Load {
        Load::new(self.mix, self.seed, self.nodes, DEFAULT_START_NS, self.lines_a_s())
    }

    /// Observations in one second of event time.
    pub fn lines_a_s(&self) -> f64 {
        self.nodes as f64 / HEARTBEAT_S / self.mix.heartbeat_share()
    }
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Topics that can't be made.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Topics(Vec<KafkaError>),
    /// The pipeline.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An alert.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A stage that stands still.
    #[error("{stage} got no further for {} s, at {done} of {total} observations", PATIENCE.as_secs())]
    Stalled {
        /// Which.
        stage: &'static str,
        /// How far it came.
        done: u64,
        /// What it was to do.
        total: u64,
    },
    /// Told to stop before there was anything to say.
    #[error("stopped before {0} was measured")]
    Stopped(&'static str),
    /// A broker that gives something else than what was asked for.
    #[error("fetching without a client library: {0}")]
    Fetch(String),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The encoder alone.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// An archive that was just written, and is not there.
    #[error("cannot read {}", path.display())]
    Read {
        /// Where.
        path: PathBuf,
    },
    /// Another program beside this one.
    #[error("{name}: {why}")]
    Peer {
        /// Which.
        name: String,
        /// What became of it.
        why: String,
    },
    /// A scene that did not come to be.
    #[error("{asked} alerts were to be open, and only {came} came to be")]
    TooFewAlerts {
        /// How many were to be.
        asked: usize,
        /// How many are.
        came: usize,
    },
    /// A thread that panicked; its message stands above.
    #[error("a thread of the measurement ended by a panic")]
    Panicked,
}

impl From<TellError> for BenchError {
    fn from(error: TellError) -> BenchError {
        match error {
            TellError::Kafka(error) => error.into(),
            TellError::Encode(error) => error.into(),
        }
    }
}

/// How far a stage has come.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is being done.
    pub what: &'static str,
    /// Observations so far.
    pub done: u64,
    /// Of how many; `None` where time decides.
    pub total: Option<u64>,
}

/// Whom a measurement listens to, and whom it tells.
pub struct Watch<'a> {
    /// Whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// How far it has come.
    pub on: &'a mut dyn FnMut(Step),
}

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Observations.
    pub observations: u64,
    /// Wall time that they took, seconds.
    pub wall_s: f64,
    /// Processor time that they took, all threads of the process, seconds.
    pub cpu_s: f64,
}

impl Rate {
    /// Observations a second of wall time.
    pub fn per_s(&self) -> f64 {
        self.observations as f64 / self.wall_s.max(1e-9)
    }

    /// Observations a second of processor time; `None` where it is not known or too short to be told.
    pub fn per_cpu_s(&self) -> Option<f64> {
        (self.cpu_s >= 0.05).then(|| self.observations as f64 / self.cpu_s)
    }
}
