//! The last word: what was read, what was found, how fast, where it lies, and what to ask it.

use super::{ViewState, words};
use crate::cli::console::grouped;
use hdrhistogram::Histogram;
use std::fmt;
use std::path::PathBuf;

/// Alerts against the truth of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgainstTruth {
    /// Events that an alert tells of.
    pub found: u64,
    /// Events that none tells of.
    pub missed: u64,
    /// Alerts that tell of no event.
    pub false_alarms: u64,
}

/// The last word.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// What was shown.
    pub of: &'a ViewState,
    /// Absent when nobody knows the truth.
    pub truth: Option<AgainstTruth>,
    /// What each path holds, and the path.
    pub paths: &'a [(&'static str, PathBuf)],
    /// A query to try; empty for none.
    pub query: &'a str,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ViewState { rates, tally, revisions, elapsed, .. } = self.of;
        writeln!(f)?;
        writeln!(
            f,
            "observations   {} in {}, {} lines rejected",
            grouped(rates.observations),
            words::span(*elapsed),
            grouped(rates.rejected)
        )?;
        writeln!(
            f,
            "alerts         {} in {} revisions: {} violations, {} under notice, {} taken back",
            grouped(tally.alerts),
            grouped(*revisions),
            grouped(tally.violations),
            grouped(tally.notified),
            grouped(tally.retracted)
        )?;
        if let Some(AgainstTruth { found, missed, false_alarms }) = self.truth {
            writeln!(
                f,
                "truth          {} of {} events found, {} missed, {} false alarms",
                grouped(found),
                grouped(found + missed),
                grouped(missed),
                grouped(false_alarms)
            )?;
        }
        percentiles(f, "read to alert", &self.of.ingest_to_alert_us)?;
        percentiles(f, "event to alert", &self.of.event_to_alert_us)?;
        for (what, path) in self.paths {
            writeln!(f, "{what:<14} {}", path.display())?;
        }
        if !self.query.is_empty() {
            writeln!(f, "\nTry:\n  {}", self.query)?;
        }
        Ok(())
    }
}

fn percentiles(f: &mut fmt::Formatter<'_>, what: &str, histogram: &Histogram<u64>) -> fmt::Result {
    if histogram.is_empty() {
        return Ok(());
    }
    let at = |quantile| words::latency(histogram.value_at_quantile(quantile));
    writeln!(
        f,
        "{what:<14} p50 {}, p90 {}, p99 {}, max {}",
        at(0.5),
        at(0.9),
        at(0.99),
        words::latency(histogram.max())
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::super::{Rates, Update};
    use super::*;
    use crate::model::alert::Latency;
    use std::time::Duration;

    #[test]
    fn the_summary_tells_all_there_is() {
        let mut state = ViewState::default();
        state.apply(Update::Rates(Rates { observations: 56_012, rejected: 3, ..Rates::default() }));
        state.apply(Update::Progress { elapsed: Duration::from_secs(60), total: None });
        state.apply(alert("A-1", 1, |alert| {
            alert.latency = Some(Latency { event_to_alert_ms: 4_100.0, ingest_to_alert_ms: 12.3 });
        }));
        let summary = Summary {
            of: &state,
            truth: Some(AgainstTruth { found: 11, missed: 1, false_alarms: 2 }),
            paths: &[("tables", PathBuf::from("truceline-demo/archive"))],
            query: "duckdb -c \"SELECT 1\"",
        };
        assert_eq!(
            summary.to_string(),
            "\n\
             observations   56,012 in 01:00, 3 lines rejected\n\
             alerts         1 in 1 revisions: 1 violations, 0 under notice, 0 taken back\n\
             truth          11 of 12 events found, 1 missed, 2 false alarms\n\
             read to alert  p50 12.3 ms, p90 12.3 ms, p99 12.3 ms, max 12.3 ms\n\
             event to alert p50 4.1 s, p90 4.1 s, p99 4.1 s, max 4.1 s\n\
             tables         truceline-demo/archive\n\
             \nTry:\n  duckdb -c \"SELECT 1\"\n"
        );
    }

    #[test]
    fn what_nobody_knows_is_left_out() {
        let text = Summary { of: &ViewState::default(), truth: None, paths: &[], query: "" }.to_string();
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
