//! Reading what is scored.

use super::{By, Options, Score, score};
use crate::model::alert::AlertFeature;
use crate::model::geo::LonLat;
use crate::simulate::Truth;
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// Why nothing could be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A file could not be read.
    #[error("score: cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("score: {path} line {line}: expected {expected}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// The sensors file is not a FeatureCollection.
    #[error("score: {path}: expected a GeoJSON FeatureCollection of sensors")]
    Sensors {
        /// Which file.
        path: PathBuf,
        /// What was wrong.
        source: serde_json::Error,
    },
}

/// A sensor as far as the bound needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensor {
    /// Where it stands.
    pub place: LonLat,
    /// Its picks' uncertainty.
    pub time_sd_s: Option<f64>,
}

/// Scores a file of alerts against a file of truth, with the sensors' file if there is one.
///
/// # Errors
/// When a file cannot be read or a line is not an alert or an event.
pub fn run(alerts: &Path, truth: &Path, sensors: Option<&Path>, by: By) -> Result<Score, ScoreError> {
    let sensors = sensors.map(read_sensors).transpose()?;
    Ok(score(&read_alerts(alerts)?, &read_truth(truth)?, &Options { by, sensors }))
}

/// Reads `alerts.ndjson`: every revision of every alert.
///
/// # Errors
/// When the file cannot be read or a line is not an alert.
pub fn read_alerts(path: &Path) -> Result<Vec<AlertFeature>, ScoreError> {
    read_lines(path, "an alert")
}

/// Reads `truth.ndjson`.
///
/// # Errors
/// When the file cannot be read or a line is not an event.
pub fn read_truth(path: &Path) -> Result<Vec<Truth>, ScoreError> {
    read_lines(path, "an event of the truth")
}

fn read_lines<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Vec<T>, ScoreError> {
    let failed = |source| ScoreError::Read { path: path.to_owned(), source };
    let mut all = Vec::new();
    for (at, line) in BufReader::new(File::open(path).map_err(failed)?).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let item = serde_json::from_str(&line).map_err(|source| ScoreError::Line {
            path: path.to_owned(),
            line: at + 1,
            expected,
            source,
        })?;
        all.push(item);
    }
    Ok(all)
}

#[derive(serde::Deserialize)]
struct Collection {
    features: Vec<Feature>,
}

#[derive(serde::Deserialize)]
struct Feature {
    geometry: Option<Geometry>,
    properties: Properties,
}

#[derive(serde::Deserialize)]
struct Geometry {
    coordinates: Vec<f64>,
}

#[derive(serde::Deserialize)]
struct Properties {
    node: String,
    time_sd_s: Option<f64>,
}

/// Reads `sensors.geojson`; nodes without a place are left out.
///
/// # Errors
/// When the file cannot be read or is not a FeatureCollection of nodes.
pub fn read_sensors(path: &Path) -> Result<FxHashMap<String, Sensor>, ScoreError> {
    let text = std::fs::read(path).map_err(|source| ScoreError::Read { path: path.to_owned(), source })?;
    let collection: Collection =
        serde_json::from_slice(&text).map_err(|source| ScoreError::Sensors { path: path.to_owned(), source })?;
    let sensor = |feature: Feature| {
        let coordinates = feature.geometry?.coordinates;
        let place = LonLat::checked(*coordinates.first()?, *coordinates.get(1)?)?;
        Some((feature.properties.node, Sensor { place, time_sd_s: feature.properties.time_sd_s }))
    };
    Ok(collection.features.into_iter().filter_map(sensor).collect())
}
