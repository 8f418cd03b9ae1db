//! The score as a table for people.

use super::{BoundSource, By, Errors, Score, Tally};
use std::fmt;

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            By::Evidence => writeln!(f, "fire is matched by evidence")?,
            By::Place { seconds, metres } => {
                writeln!(f, "fire is matched by place, within {seconds} s and {metres} m")?
            }
        }
        writeln!(
            f,
            "{:<14}{:>8}{:>8}{:>8}{:>8}{:>8}{:>11}{:>8}{:>8}{:>8}",
            "", "events", "alerts", "found", "missed", "false", "precision", "recall", "F1", "class"
        )?;
        for group in &self.groups {
            line(f, group.group.as_str(), &group.tally)?;
        }
        if self.groups.len() != 1 {
            line(f, "overall", &self.overall)?;
        }
        if self.outside > 0 {
            writeln!(f, "  {} alerts from before the first event or after the last are left out", self.outside)?;
        }
        if let Some(errors) = &self.place_error_m {
            percentiles(f, "place error, m", errors, 1)?;
        }
        if let Some(errors) = &self.time_error_s {
            percentiles(f, "time error, s", errors, 3)?;
        }
        if let Some(errors) = &self.over_bound {
            percentiles(f, "error / Cramér–Rao", errors, 2)?;
            for (source, count) in &self.bounds {
                match source {
                    BoundSource::Truth => {}
                    BoundSource::Sensors => writeln!(f, "  {count} bounds computed from the sensors' file")?,
                    BoundSource::Ellipse => {
                        writeln!(f, "  {count} bounds unknown: the alert's own ellipse stands in (try --sensors)")?
                    }
                }
            }
        }
        if let Some(ellipses) = &self.ellipses {
            writeln!(
                f,
                "inside the ellipse   1σ {:.1}% (39.3)   2σ {:.1}% (86.5)   n {}",
                100.0 * ellipses.within_1,
                100.0 * ellipses.within_2,
                ellipses.n
            )?;
        }
        if let Some(calibration) = &self.calibration {
            writeln!(
                f,
                "probability          Brier {:.4}   expected calibration error {:.4}   n {}",
                calibration.brier, calibration.expected_error, calibration.alerts
            )?;
            for bin in &calibration.bins {
                writeln!(
                    f,
                    "  from {:.1}: said {:.3}, was {:.3}, {} alerts",
                    bin.from, bin.stated, bin.right, bin.alerts
                )?;
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, tally: &Tally) -> fmt::Result {
    let class = if tally.found == 0 { 0.0 } else { tally.class_right as f64 / tally.found as f64 };
    writeln!(
        f,
        "{name:<14}{:>8}{:>8}{:>8}{:>8}{:>8}{:>11.4}{:>8.4}{:>8.4}{:>8.3}",
        tally.events,
        tally.alerts,
        tally.found,
        tally.missed(),
        tally.false_alarms(),
        tally.precision(),
        tally.recall(),
        tally.f1(),
        class
    )
}

fn percentiles(f: &mut fmt::Formatter<'_>, name: &str, errors: &Errors, decimals: usize) -> fmt::Result {
    writeln!(
        f,
        "{name:<21}p50 {:.d$}   p90 {:.d$}   p95 {:.d$}   max {:.d$}   rms {:.d$}   n {}",
        errors.p50,
        errors.p90,
        errors.p95,
        errors.max,
        errors.rms,
        errors.n,
        d = decimals
    )
}
