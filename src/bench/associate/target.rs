//! What is aimed at, and whether it is met.

use super::{Measured, Quality, Regime, Row};
use serde::Serialize;

/// On which side of the aim the figure is to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
    /// At most the second away from the first.
    Within(f64, f64),
}

impl Aim {
    /// Whether a figure meets it.
    pub fn met(self, figure: f64) -> bool {
        match self {
            Aim::Least(least) => figure >= least,
            Aim::Most(most) => figure <= most,
            Aim::Within(middle, apart) => (figure - middle).abs() <= apart,
        }
    }
}

impl std::fmt::Display for Aim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Aim::Least(least) => write!(f, "≥ {least}"),
            Aim::Most(most) => write!(f, "≤ {most}"),
            Aim::Within(middle, apart) => write!(f, "{middle} ± {apart}"),
        }
    }
}

/// A figure held to its aim.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// Of which regime.
    pub regime: Regime,
    /// Which figure.
    pub figure: &'static str,
    /// What it should be.
    pub aim: Aim,
    /// What it is.
    pub is: f64,
    /// Whether that will do.
    pub met: bool,
}

/// Precision, recall, F1, error over the bound p50 and p95, arrivals/s; `None`: no aim.
fn aims(regime: Regime) -> [Option<f64>; 6] {
    match regime {
        Regime::Sparse => [Some(0.998), Some(0.998), None, Some(0.8), Some(1.9), Some(100_000.0)],
        Regime::Hour => [Some(0.995), Some(0.993), None, Some(0.8), Some(1.9), Some(50_000.0)],
        Regime::Barrage => [Some(0.97), Some(0.96), None, Some(0.85), Some(2.2), Some(5_000.0)],
        Regime::Barrage2 => [None, None, Some(0.94), None, None, None],
        Regime::Barrage4 => [None, None, Some(0.75), None, None, None],
        Regime::Clutter => [None, None, None, None, None, Some(1_000_000.0)],
    }
}

/// Expected calibration error at most.
const CALIBRATION: Aim = Aim::Most(0.02);
/// True places inside one sigma and two, per cent: those of a normal distribution in the plane.
const INSIDE: [Aim; 2] = [Aim::Within(39.3, 3.0), Aim::Within(86.5, 3.0)];
/// A first word leaves the engine within so many milliseconds, 99 in a hundred.
const FIRST_WORD_MS: Aim = Aim::Most(5.0);

/// A row's figures held to their aims.
pub fn targets(row: &Row) -> Vec<Target> {
    let Measured { quality, speed, first_word, .. } = &row.measured;
    let [precision, recall, f1, p50, p95, rate] = aims(row.regime);
    let mut all: Vec<(&'static str, Option<Aim>, Option<f64>)> = Vec::new();
    if let Some(quality) = quality {
        let Quality { over_bound, ellipses: [n, within @ ..], .. } = quality;
        let some_events = quality.events > 0;
        let inside = |at: usize| (*n > 0).then(|| 100.0 * within[at] as f64 / *n as f64);
        all.extend([
            ("precision", precision.map(Aim::Least), Some(quality.precision)),
            ("recall", recall.map(Aim::Least), Some(quality.recall)),
            ("F1", f1.map(Aim::Least), Some(quality.f1)),
            ("error over the bound, p50", p50.map(Aim::Most), over_bound.map(|bound| bound[0])),
            ("error over the bound, p95", p95.map(Aim::Most), over_bound.map(|bound| bound[1])),
            ("inside one sigma, %", Some(INSIDE[0]), inside(0)),
            ("inside two sigma, %", Some(INSIDE[1]), inside(1)),
            ("calibration error", Some(CALIBRATION), quality.last.as_ref().map(|c| c.expected_error)),
            ("first word, p99, ms", Some(FIRST_WORD_MS), some_events.then_some(first_word.p99_ms)),
        ]);
    }
    all.push(("arrivals/s", rate.map(Aim::Least), speed.first().map(|speed| speed.arrivals_per_s())));
    all.into_iter()
        .filter_map(|(figure, aim, is)| {
            let (aim, is) = (aim?, is?);
            Some(Target { regime: row.regime, figure, aim, is, met: aim.met(is) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_on_its_side() {
        assert!(Aim::Least(0.9).met(0.9) && !Aim::Least(0.9).met(0.89));
        assert!(Aim::Most(5.0).met(5.0) && !Aim::Most(5.0).met(5.1) && !Aim::Most(5.0).met(f64::NAN));
        assert!(Aim::Within(39.0, 3.0).met(36.5) && !Aim::Within(39.0, 3.0).met(43.0));
    }
}
