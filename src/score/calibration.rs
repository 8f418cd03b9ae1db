//! Do things happen as often as the alerts say? Brier score (Monthly Weather Review 78, 1–3, 1950) and expected
//! calibration error over ten bins (Naeini et al., AAAI 2015).

use serde::Serialize;

/// Bins of the calibration error.
pub const BINS: usize = 10;

/// Alerts whose stated chance is about the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Lowest chance.
    pub from: f64,
    /// Alerts in it.
    pub alerts: usize,
    /// What they said on average.
    pub stated: f64,
    /// Share of them that were right.
    pub right: f64,
}

/// How honest probabilities are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Alerts looked at.
    pub alerts: usize,
    /// Mean squared difference between what was said and what was: 0 is perfect.
    pub brier: f64,
    /// Mean distance between what a bin said and what was, weighted by the bin's alerts.
    pub expected_error: f64,
    /// The bins that have alerts.
    pub bins: Vec<Bin>,
}

/// Of each bin: alerts, the sum of what they said, how many were right.
type Sums = [(usize, f64, f64); BINS];

impl Calibration {
    /// Of stated chances and whether each was right; `None` without any.
    pub(super) fn of(stated: &[(f64, bool)]) -> Option<Calibration> {
        if stated.is_empty() {
            return None;
        }
        let n = stated.len() as f64;
        let truth = |right: bool| f64::from(u8::from(right));
        // Sums in order of size: the order of the alerts must not show in the last digit.
        let mut sorted = stated.to_vec();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let brier = sorted.iter().map(|&(p, right)| (p - truth(right)).powi(2)).sum::<f64>() / n;
        let mut sums = Sums::default();
        for &(p, right) in &sorted {
            let bin = ((p * BINS as f64) as usize).min(BINS - 1);
            sums[bin] = (sums[bin].0 + 1, sums[bin].1 + p, sums[bin].2 + truth(right));
        }
        Some(Calibration::from_sums(&sums, brier))
    }

    /// All of these together, as if they had been looked at as one; `None` without any.
    pub fn pooled<'a>(all: impl IntoIterator<Item = &'a Calibration>) -> Option<Calibration> {
        let (mut sums, mut brier, mut n) = (Sums::default(), 0.0, 0.0);
        for one in all {
            for bin in &one.bins {
                let sum = &mut sums[((bin.from * BINS as f64).round() as usize).min(BINS - 1)];
                let alerts = bin.alerts as f64;
                *sum = (sum.0 + bin.alerts, sum.1 + bin.stated * alerts, sum.2 + bin.right * alerts);
            }
            (brier, n) = (brier + one.brier * one.alerts as f64, n + one.alerts as f64);
        }
        (n > 0.0).then(|| Calibration::from_sums(&sums, brier / n))
    }

    fn from_sums(sums: &Sums, brier: f64) -> Calibration {
        let alerts: usize = sums.iter().map(|sum| sum.0).sum();
        let bins: Vec<Bin> = sums
            .iter()
            .enumerate()
            .filter(|(_, sum)| sum.0 > 0)
            .map(|(at, &(alerts, stated, right))| Bin {
                from: at as f64 / BINS as f64,
                alerts,
                stated: stated / alerts as f64,
                right: right / alerts as f64,
            })
            .collect();
        let expected_error =
            bins.iter().map(|bin| bin.alerts as f64 / alerts as f64 * (bin.stated - bin.right).abs()).sum();
        Calibration { alerts, brier, expected_error, bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coin_called_a_coin_is_calibrated() {
        let calibration = Calibration::of(&[(0.5, true), (0.5, false)]).unwrap();
        assert_eq!((calibration.brier, calibration.expected_error), (0.25, 0.0));
        assert_eq!(calibration.bins.len(), 1);
    }

    #[test]
    fn pooling_is_looking_at_all_at_once() {
        let all: Vec<(f64, bool)> = (0..200).map(|n| (f64::from(n % 37) / 36.0, n % 3 == 0)).collect();
        let parts: Vec<Calibration> = all.chunks(70).filter_map(Calibration::of).collect();
        let (pooled, whole) = (Calibration::pooled(&parts).unwrap(), Calibration::of(&all).unwrap());
        assert_eq!(pooled.alerts, whole.alerts);
        assert!((pooled.brier - whole.brier).abs() < 1e-12);
        assert!((pooled.expected_error - whole.expected_error).abs() < 1e-12);
        assert_eq!(Calibration::pooled([]), None);
    }

    #[test]
    fn a_coin_called_sure_is_not() {
        let calibration = Calibration::of(&[(1.0, true), (1.0, false)]).unwrap();
        assert_eq!((calibration.brier, calibration.expected_error), (0.5, 0.5));
        assert_eq!(Calibration::of(&[]), None);
    }
}
