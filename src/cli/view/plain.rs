//! The view without a terminal: a line for each revision, a line of the story, and every few seconds one of rates.

use super::{Row, Update, ViewState, words};
use crate::cli::console::grouped;
use std::io::Write;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Between two lines of rates.
const RATES_EVERY: Duration = Duration::from_secs(5);

/// Prints updates until their senders are gone.
pub(super) fn show(updates: &Receiver<Update>, out: &mut dyn Write) -> std::io::Result<ViewState> {
    let mut state = ViewState::default();
    let mut rates_due = RATES_EVERY;
    for update in updates {
        let line = match &update {
            Update::Alert(feature) => Some(words::line(&Row::of(feature))),
            Update::Story { time_ns, text } => Some(format!("{} -- {text}", words::clock(*time_ns))),
            Update::Rates(_) | Update::Progress { .. } => None,
        };
        state.apply(update);
        if let Some(line) = line {
            writeln!(out, "{line}")?;
        }
        if state.elapsed >= rates_due {
            rates_due = state.elapsed + RATES_EVERY;
            writeln!(out, "{}", rates(&state))?;
        }
        out.flush()?;
    }
    Ok(state)
}

fn rates(state: &ViewState) -> String {
    let rates = state.rates;
    let mut line = format!(
        "[{}] {} observations, {}/s, {} rejected, lag {}, {} alerts, {} violations",
        words::span(state.elapsed),
        grouped(rates.observations),
        grouped(rates.observations_per_s as u64),
        grouped(rates.rejected),
        grouped(rates.lag),
        grouped(state.tally.alerts),
        grouped(state.tally.violations),
    );
    if let Some(watermark_ns) = rates.watermark_ns {
        line += &format!(", event time {}", words::date_and_clock(watermark_ns));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alert, story};
    use super::super::{Rates, Update};
    use super::*;

    #[test]
    fn every_revision_is_a_line_and_rates_come_now_and_then() {
        let (send, receive) = std::sync::mpsc::channel();
        let at = |seconds| Update::Progress { elapsed: Duration::from_secs(seconds), total: None };
        let rates = Rates {
            observations: 12_345,
            observations_per_s: 2_431.7,
            rejected: 2,
            lag: 7,
            watermark_ns: Some(1_772_323_387_000_000_000),
        };
        for update in [story(), alert("A-1", 1, |_| {}), at(1), Update::Rates(rates), at(5), at(6), at(10)] {
            send.send(update).unwrap();
        }
        drop(send);
        let mut out = Vec::new();
        show(&receive, &mut out).unwrap();
        let rates = "12,345 observations, 2,431/s, 2 rejected, lag 7, 1 alerts, 1 violations, \
                     event time 2026-03-01 00:03:07";
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "00:03:00 -- A drone crosses the line of contact\n\
                 00:03:07 fire.impact 46.91234 N 31.52345 E ±38 m confirmed 0.99 VIOLATION disengagement-2 preliminary\n\
                 [00:05] {rates}\n[00:10] {rates}\n"
            )
        );
    }
}
