//! How far off found events are: in metres, in seconds, in units of what is possible at best, and of what was said.

use super::Sensor;
use super::bound::Information;
use crate::model::alert::AlertFeature;
use crate::model::geo::{Frame, LonLat};
use crate::model::kind::Kind;
use crate::model::time::s_from_ns;
use crate::simulate::Truth;
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Effective speed of sound where none is known, m/s.
const SOUND_M_S: f64 = 337.0;
/// Uncertainty of a path's speed: share of the travel time.
const PATH_SD_SHARE: f64 = 0.001;

/// Percentiles of errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Errors {
    /// How many.
    pub n: usize,
    /// The median.
    pub p50: f64,
    /// Nine in ten are smaller.
    pub p90: f64,
    /// Nineteen in twenty are smaller.
    pub p95: f64,
    /// The largest.
    pub max: f64,
    /// Root of the mean square.
    pub rms: f64,
}

impl Errors {
    /// Of these; `None` without any. A percentile is the value at the nearest rank.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Errors> {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let max = *values.last()?;
        let at = |p: f64| values[((p * n as f64).ceil() as usize).clamp(1, n) - 1];
        let rms = (values.iter().map(|v| v * v).sum::<f64>() / n as f64).sqrt();
        Some(Errors { n, p50: at(0.5), p90: at(0.9), p95: at(0.95), max, rms })
    }
}

fn truth_place(event: &Truth) -> LonLat {
    LonLat { lon_deg: event.lon, lat_deg: event.lat }
}

/// Metres between alert and event.
pub(super) fn distance_m(alert: &AlertFeature, event: &Truth) -> f64 {
    alert.place().distance_m(truth_place(event))
}

/// Seconds that the alert is later than the event.
pub(super) fn time_s(alert: &AlertFeature, event: &Truth) -> f64 {
    s_from_ns(alert.properties.time.0 - event.time.0)
}

/// Where a bound came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundSource {
    /// The truth gave it.
    Truth,
    /// Computed from the places and timing of the nodes that the alert cites.
    Sensors,
    /// The alert's own ellipse stood in for it: honest only as far as the ellipse is.
    Ellipse,
}

/// The bound on an event's place as far as it can be known.
fn bound_m(
    alert: &AlertFeature,
    event: &Truth,
    sensors: Option<&FxHashMap<String, Sensor>>,
) -> Option<(BoundSource, f64)> {
    if let Some(bound_m) = event.bound_m.filter(|bound_m| *bound_m > 0.0) {
        return Some((BoundSource::Truth, bound_m));
    }
    if let Some(bound_m) = sensors.and_then(|sensors| from_sensors(alert, event, sensors)) {
        return Some((BoundSource::Sensors, bound_m));
    }
    let ellipse = alert.properties.ellipse?;
    let bound_m = ellipse.semi_major_m.hypot(ellipse.semi_minor_m);
    (bound_m > 0.0).then_some((BoundSource::Ellipse, bound_m))
}

fn from_sensors(alert: &AlertFeature, event: &Truth, sensors: &FxHashMap<String, Sensor>) -> Option<f64> {
    let mut information = Information::default();
    for evidence in &alert.properties.evidence {
        let Some(sensor) = sensors.get(&evidence.node) else { continue };
        match evidence.kind {
            Kind::Acoustic => {
                let (distance_m, azimuth_deg) = truth_place(event).distance_azimuth(sensor.place);
                let path_sd_s = PATH_SD_SHARE * distance_m / SOUND_M_S;
                let pick_sd_s = sensor.time_sd_s.unwrap_or(evidence.kind.default_time_sd_s());
                information.arrival(azimuth_deg, SOUND_M_S, pick_sd_s.hypot(path_sd_s));
            }
            Kind::Flash => {
                information.origin_time(sensor.time_sd_s.unwrap_or(evidence.kind.default_time_sd_s()));
            }
            _ => {}
        }
    }
    information.place_sd_m()
}

/// Errors over their bounds, and where the bounds came from.
pub(super) fn over_bound(
    pairs: &[(&AlertFeature, &Truth)],
    sensors: Option<&FxHashMap<String, Sensor>>,
) -> (Option<Errors>, Vec<(BoundSource, usize)>) {
    let mut sources: Vec<(BoundSource, usize)> = Vec::new();
    let mut ratios = Vec::new();
    for (alert, event) in pairs {
        let Some((source, bound_m)) = bound_m(alert, event, sensors) else { continue };
        ratios.push(distance_m(alert, event) / bound_m);
        match sources.iter_mut().find(|(known, _)| *known == source) {
            Some((_, count)) => *count += 1,
            None => sources.push((source, 1)),
        }
    }
    sources.sort_unstable();
    (Errors::of(ratios), sources)
}

/// How many true places lie inside the ellipses; of honest ones 39% inside one sigma and 86% inside two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// Alerts with an ellipse.
    pub n: usize,
    /// Share of the truth inside one sigma.
    pub within_1: f64,
    /// Share of the truth inside two sigma.
    pub within_2: f64,
}

impl Coverage {
    pub(super) fn of(pairs: &[(&AlertFeature, &Truth)]) -> Option<Coverage> {
        let squares: Vec<f64> = pairs
            .iter()
            .filter_map(|(alert, event)| {
                let ellipse = alert.properties.ellipse?;
                let (east_m, north_m) = Frame::about(alert.place()).to_plane(truth_place(event));
                let (sin, cos) = ellipse.orientation_deg.to_radians().sin_cos();
                let along = (east_m * sin + north_m * cos) / ellipse.semi_major_m;
                let across = (east_m * cos - north_m * sin) / ellipse.semi_minor_m;
                Some(along * along + across * across)
            })
            .collect();
        let n = squares.len();
        let within = |sigma: f64| squares.iter().filter(|&&square| square <= sigma * sigma).count() as f64 / n as f64;
        (n > 0).then(|| Coverage { n, within_1: within(1.0), within_2: within(2.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let errors = Errors::of((1..=100).map(f64::from).collect()).unwrap();
        assert_eq!((errors.p50, errors.p90, errors.p95, errors.max), (50.0, 90.0, 95.0, 100.0));
        let one = Errors::of(vec![3.0]).unwrap();
        assert_eq!((one.p50, one.p95, one.rms), (3.0, 3.0, 3.0));
        assert_eq!(Errors::of(Vec::new()), None);
    }
}
