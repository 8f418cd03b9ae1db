//! What one node reports or suffers of one source.

use super::super::sighting::{Sighting, What};
use crate::engine::book::Cited;
use crate::model::geo::LonLat;
use serde::{Deserialize, Serialize};

/// A node that has moved so far sees the source anew, metres.
const MOVED_M: f64 = 200.0;

/// What one node reports or suffers of one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Heard {
    pub(super) place: LonLat,
    pub(super) first: Cited,
    pub(super) last: Cited,
    /// Whether it reports it, and does not suffer from it alone.
    #[serde(default = "as_ever")]
    pub(super) reports: bool,
    /// Sums of the bearings' sines, cosines and weights (1/σ²).
    bearings: (f64, f64, f64),
    /// Sum and number of powers, dBm.
    powers: (f64, f64),
}

impl Heard {
    pub(super) fn new(seen: &Sighting) -> Heard {
        let (place, cited) = (seen.place, seen.evidence());
        let (bearings, powers) = ((0.0, 0.0, 0.0), (0.0, 0.0));
        let mut heard = Heard { place, first: cited, last: cited, reports: false, bearings, powers };
        heard.add(seen);
        heard
    }

    pub(super) fn add(&mut self, seen: &Sighting) {
        let cited = seen.evidence();
        if self.place.flat_distance_m(seen.place) > MOVED_M {
            (self.place, self.bearings, self.powers) = (seen.place, (0.0, 0.0, 0.0), (0.0, 0.0));
        }
        if cited.time_ns < self.first.time_ns {
            self.first = cited;
        }
        if cited.time_ns >= self.last.time_ns {
            self.last = cited;
        }
        let What::Report { azimuth, power_dbm } = seen.what else { return };
        self.reports = true;
        if let Some((deg, sd_deg)) = azimuth {
            let ((sin, cos), weight) = (deg.to_radians().sin_cos(), sd_deg.powi(-2));
            let (sines, cosines, weights) = self.bearings;
            self.bearings = (sines + weight * sin, cosines + weight * cos, weights + weight);
        }
        if let Some(power_dbm) = power_dbm {
            self.powers = (self.powers.0 + power_dbm, self.powers.1 + 1.0);
        }
    }

    /// The mean bearing and its sigma, degrees: of independent errors, or of how much they differ where that is more.
    pub(super) fn bearing(&self) -> Option<(f64, f64)> {
        let (sines, cosines, weights) = self.bearings;
        // The length of the mean of unit vectors; ln of it is minus half the variance (circular statistics: Mardia & Jupp).
        let length = sines.hypot(cosines) / weights;
        let scatter = (-2.0 * length.clamp(1e-9, 1.0).ln()).sqrt().to_degrees();
        (weights > 0.0)
            .then(|| (sines.atan2(cosines).to_degrees().rem_euclid(360.0), weights.powf(-0.5).max(0.1 * scatter)))
    }

    pub(super) fn power_dbm(&self) -> Option<f64> {
        (self.powers.1 > 0.0).then(|| self.powers.0 / self.powers.1)
    }
}

/// All did that are known from before it was told apart.
fn as_ever() -> bool {
    true
}
