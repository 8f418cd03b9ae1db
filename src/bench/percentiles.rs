//! Latencies in a histogram of high dynamic range, and what is told of it.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// Lines of a distribution between two halvings of what is left above.
const TICKS_PER_HALF: u32 = 5;

/// The percentiles people ask for, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Percentiles {
    /// How many latencies.
    pub count: u64,
    /// Half of them are shorter.
    pub p50_ms: f64,
    /// 90% are shorter.
    pub p90_ms: f64,
    /// 99% are shorter.
    pub p99_ms: f64,
    /// 99.9% are shorter.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl From<&Histogram<u64>> for Percentiles {
    fn from(histogram: &Histogram<u64>) -> Percentiles {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 * 1e-3;
        Percentiles {
            count: histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: histogram.max() as f64 * 1e-3,
        }
    }
}

/// Writes the distribution, in milliseconds, in the text form that HdrHistogram's plotters read (`.hgrm`).
///
/// # Errors
/// What `out` gives.
pub fn write_hgrm(histogram: &Histogram<u64>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let (value_ms, quantile) = (step.value_iterated_to() as f64 * 1e-3, step.quantile_iterated_to());
        write!(out, "{value_ms:12.3} {quantile:2.12} {total:10}")?;
        match quantile < 1.0 {
            true => writeln!(out, " {:14.2}", 1.0 / (1.0 - quantile))?,
            false => writeln!(out)?,
        }
    }
    let (mean, deviation) = (histogram.mean() * 1e-3, histogram.stdev() * 1e-3);
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(out, "#[Max     = {:12.3}, Total count    = {:12}]", histogram.max() as f64 * 1e-3, histogram.len())?;
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", histogram.buckets(), 2048)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::latency::latencies;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut histogram = latencies();
        for us in 1..=1000u64 {
            histogram.record(us * 1000).unwrap();
        }
        let told = Percentiles::from(&histogram);
        assert_eq!(told.count, 1000);
        for (told_ms, true_ms) in [(told.p50_ms, 500.0), (told.p99_ms, 990.0), (told.max_ms, 1000.0)] {
            assert!((told_ms - true_ms).abs() <= true_ms / 500.0, "{told_ms} {true_ms}");
        }
    }

    #[test]
    fn a_distribution_ends_with_all_that_was_recorded() {
        let mut histogram = latencies();
        histogram.record_n(5000, 99).unwrap();
        histogram.record(70_000).unwrap();
        let mut text = Vec::new();
        write_hgrm(&histogram, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let last = text.lines().rfind(|line| !line.starts_with('#')).unwrap();
        let fields: Vec<&str> = last.split_ascii_whitespace().collect();
        assert_eq!(fields[1..], ["1.000000000000", "100"]);
        assert!((fields[0].parse::<f64>().unwrap() - 70.0).abs() < 0.1);
    }
}
