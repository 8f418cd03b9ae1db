//! All that was measured in one go, with the roofs beside it: what the report's JSON holds and its page shows.

pub mod page;
pub mod plot;

use super::Rate;
use super::percentiles::Percentiles;
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;

/// Points of a latency's curve between two halvings of what is left above.
const TICKS_PER_HALF: u32 = 5;

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's model and its cores.
    pub processor: String,
    /// Memory, MiB.
    pub memory_mib: Option<u64>,
    /// The kernel's release.
    pub kernel: Option<String>,
}

/// With what.
#[derive(Clone, Debug, Serialize)]
pub struct Versions {
    /// This program.
    pub truceline: String,
    /// What compiled it, and how hard.
    pub compiler: String,
    /// The client library of Kafka.
    pub librdkafka: String,
}

/// A stage, or a roof of others.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// By which others name it as their roof.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    /// Medians over the runs: observations a second, and a second of processor time.
    pub per_s: f64,
    /// See `per_s`; `None` where it was too little to be told.
    pub per_cpu_s: Option<f64>,
    /// Processor time of one observation, nanoseconds.
    pub cpu_ns: Option<f64>,
    /// What it can't be faster than, and its share of that, by processor time.
    pub roof: Option<Roof>,
    /// Each run.
    pub runs: Vec<Rate>,
}

/// What a stage can't be faster than.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Roof {
    /// Its name; several together where a stage does the work of all.
    pub of: Vec<&'static str>,
    /// Observations a second of processor time that they allow.
    pub per_cpu_s: f64,
    /// How much of it is reached.
    pub share: f64,
}

/// Latencies at a load.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Of what the whole path reads, percent.
    pub load_percent: f64,
    /// The rate asked for, observations a second.
    pub asked_per_s: u64,
    /// The rate at which they were sent.
    pub sent_per_s: f64,
    /// From when the deciding observation was due to when a subscriber had the first word.
    pub due_to_visible: Percentiles,
    /// From when its batch was read to when a subscriber had any word.
    pub read_to_visible: Percentiles,
    /// The first as a curve: share of the alerts, milliseconds.
    pub curve: Vec<(f64, f64)>,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// With what.
    pub versions: Versions,
    /// The command line.
    pub command: String,
    /// The telemetry: its mix, how many nodes, which throw of the dice, observations in the topic.
    pub mix: String,
    /// See `mix`.
    pub nodes: u32,
    /// See `mix`.
    pub seed: u64,
    /// See `mix`.
    pub records: u64,
    /// Bytes of an observation, on average.
    pub line_bytes: f64,
    /// Whether the broker was the embedded one, which is made for a demo and limits what is measured.
    pub embedded: bool,
    /// How often each was measured.
    pub runs: u32,
    /// Stages and roofs.
    pub stages: Vec<Stage>,
    /// The most memory that the process had in use on the whole path, MiB.
    pub peak_mib: Option<f64>,
    /// Latencies, by load.
    pub latencies: Vec<Latency>,
    /// What was not measured, and why.
    pub missing: Vec<String>,
    /// What `bench peers` wrote, if it was given.
    pub peers: Option<Value>,
}

/// What is known of a stage before its figures.
pub struct Kind {
    /// See [`Stage::name`].
    pub name: &'static str,
    /// See [`Stage::what`].
    pub what: &'static str,
    /// See [`Roof::of`].
    pub roof: &'static [&'static str],
}

/// Stages and roofs in the order of an observation's way.
pub const KINDS: [Kind; 13] = [
    Kind { name: "copy", what: "roof: copying an observation's bytes in memory", roof: &[] },
    Kind { name: "fetch", what: "roof: a broker's answers, nothing done with them", roof: &[] },
    Kind { name: "consume", what: "consume: Kafka to memory, by librdkafka in batches", roof: &["fetch"] },
    Kind { name: "tape", what: "roof: simd-json's tape of a line", roof: &["copy"] },
    Kind { name: "decode", what: "decode: lines to columns", roof: &["tape"] },
    Kind { name: "rules", what: "engine: windows and rules, without fire", roof: &[] },
    Kind { name: "engine", what: "engine: all of it, fire associated", roof: &[] },
    Kind { name: "parquet", what: "roof: Parquet encoder on ready-made columns", roof: &[] },
    Kind { name: "archive", what: "archive: columns to durable files", roof: &["parquet"] },
    Kind {
        name: "produce",
        what: "roof: alerts ready-made to Kafka by librdkafka (alerts, not observations)",
        roof: &[],
    },
    Kind {
        name: "publish",
        what: "publish: alerts encoded and committed (alerts, not observations)",
        roof: &["produce"],
    },
    Kind { name: "at-least-once", what: "whole: Kafka to alerts, at least once", roof: &["consume", "tape"] },
    Kind { name: "exactly-once", what: "whole: Kafka to alerts, exactly once", roof: &["consume", "tape"] },
];

/// Medians of what was measured, each beside its roof. `rates` has a list of runs for each name that was measured.
pub fn stages(rates: &[(&'static str, Vec<Rate>)]) -> Vec<Stage> {
    let runs = |name: &str| rates.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, runs)| runs.as_slice());
    let per_cpu_s = |name: &str| median(runs(name).iter().filter_map(Rate::per_cpu_s).collect());
    let stage = |kind: &Kind| {
        let runs = runs(kind.name);
        let own = per_cpu_s(kind.name);
        let costs: Option<Vec<f64>> = kind.roof.iter().map(|of| per_cpu_s(of).map(|rate| 1.0 / rate)).collect();
        let allowed = costs.filter(|costs| !costs.is_empty()).map(|costs| 1.0 / costs.iter().sum::<f64>());
        let roof = allowed.zip(own).map(|(allowed, own)| Roof {
            of: kind.roof.to_vec(),
            per_cpu_s: allowed,
            share: own / allowed,
        });
        Some(Stage {
            name: kind.name,
            what: kind.what,
            per_s: median(runs.iter().map(Rate::per_s).collect())?,
            per_cpu_s: own,
            cpu_ns: own.map(|rate| 1e9 / rate),
            roof,
            runs: runs.to_vec(),
        })
    };
    KINDS.iter().filter_map(stage).collect()
}

/// The middle one; of two, the mean; `None` of none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (count, middle) = (values.len(), values.len() / 2);
    match count {
        0 => None,
        _ if count % 2 == 1 => Some(values[middle]),
        _ => Some(0.5 * (values[middle - 1] + values[middle])),
    }
}

/// A distribution as a curve: share below, milliseconds.
pub fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let point = |at: hdrhistogram::iterators::IterationValue<u64>| {
        (at.quantile_iterated_to(), at.value_iterated_to() as f64 * 1e-3)
    };
    histogram.iter_quantiles(TICKS_PER_HALF).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(observations: u64, cpu_s: f64) -> Rate {
        Rate { observations, wall_s: 2.0, cpu_s }
    }

    #[test]
    fn a_stage_has_medians_and_its_share_of_what_its_roofs_allow_together() {
        let rates = [
            ("exactly-once", vec![rate(100, 1.0), rate(400, 1.0), rate(300, 1.0)]),
            ("consume", vec![rate(1_000, 1.0)]),
            ("tape", vec![rate(3_000, 1.0)]),
            // Too short to be told.
            ("decode", vec![rate(10, 0.0)]),
        ];
        let stages = stages(&rates);
        let names: Vec<&str> = stages.iter().map(|stage| stage.name).collect();
        assert_eq!(names, ["consume", "tape", "decode", "exactly-once"]);
        let whole = &stages[3];
        assert_eq!((whole.per_s, whole.per_cpu_s), (150.0, Some(300.0)));
        let roof = whole.roof.as_ref().unwrap();
        assert!((roof.per_cpu_s - 750.0).abs() < 1e-6 && (roof.share - 0.4).abs() < 1e-9, "{roof:?}");
        assert_eq!((stages[2].per_cpu_s, &stages[2].roof), (None, &None));
        // Its own roof was not measured.
        assert_eq!(stages[0].roof, None);
    }

    #[test]
    fn every_roof_is_a_stage() {
        for kind in &KINDS {
            assert!(kind.roof.iter().all(|of| KINDS.iter().any(|kind| kind.name == *of)), "{}", kind.name);
        }
    }

    #[test]
    fn a_curve_rises_to_the_longest() {
        let mut histogram = crate::pipeline::latency::latencies();
        (1..=1000u64).for_each(|us| histogram.record(us * 1000).unwrap());
        let curve = curve(&histogram);
        assert!(curve.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
        assert!((curve.last().unwrap().1 - 1000.0).abs() < 2.0);
    }
}
