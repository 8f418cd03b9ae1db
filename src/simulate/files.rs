//! The files of a simulated scene: `telemetry.ndjson`, `sensors.geojson`, `areas.geojson`, `notices.geojson`,
//! `truth.ndjson`.

use super::Simulation;
use crate::model::area::{Area, Shape};
use crate::model::kind::Kind;
use crate::model::node::Node;
use crate::model::notice::Notice;
use crate::model::time::Timestamp;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Why a scene could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// An option is out of its range.
    #[error("simulate: {option} is {held}; expected a number from 0 to {most}")]
    Option {
        /// The option.
        option: &'static str,
        /// What it held.
        held: f64,
        /// The largest value.
        most: f64,
    },
    /// The start is out of its range.
    #[error("simulate: start_ns is {held}; expected a time from 2000 to 2200")]
    Start {
        /// What it held.
        held: i64,
    },
    /// A directory or a file could not be written.
    #[error("simulate: cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes the scene's files into `dir`, which is made if it is not there.
///
/// # Errors
/// When the directory cannot be made or a file cannot be written.
pub fn write(simulation: &Simulation, dir: &Path) -> Result<(), SimulateError> {
    std::fs::create_dir_all(dir).map_err(|source| SimulateError::Write { path: dir.to_owned(), source })?;
    lines(&dir.join("telemetry.ndjson"), simulation.deliveries.iter().map(|delivery| delivery.line.as_str()))?;
    let collection = |features: Vec<Value>| json!({ "type": "FeatureCollection", "features": features }).to_string();
    let sensors = collection(simulation.nodes.iter().map(node_feature).collect());
    let areas = collection(simulation.areas.iter().map(area_feature).collect());
    let notices = collection(simulation.notices.iter().map(notice_feature).collect());
    for (name, text) in [("sensors.geojson", sensors), ("areas.geojson", areas), ("notices.geojson", notices)] {
        lines(&dir.join(name), [text])?;
    }
    // A truth is plain data: it always has a JSON form.
    lines(&dir.join("truth.ndjson"), simulation.truth.iter().map(|truth| json!(truth).to_string()))
}

fn lines<T: AsRef<str>>(path: &Path, lines: impl IntoIterator<Item = T>) -> Result<(), SimulateError> {
    let put = || -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for line in lines {
            file.write_all(line.as_ref().as_bytes())?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    put().map_err(|source| SimulateError::Write { path: path.to_owned(), source })
}

/// A property for each value that is there.
fn properties<const N: usize>(all: [(&str, Option<Value>); N]) -> Map<String, Value> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A node as a GeoJSON Feature.
pub fn node_feature(node: &Node) -> Value {
    let kinds: Vec<&str> =
        Kind::ALL.iter().filter(|&&kind| node.kinds.contains(kind)).map(|kind| kind.as_str()).collect();
    let geometry = match (node.position, node.alt_m) {
        (Some(place), Some(alt_m)) => json!({ "type": "Point", "coordinates": [place.lon_deg, place.lat_deg, alt_m] }),
        (Some(place), None) => json!({ "type": "Point", "coordinates": [place.lon_deg, place.lat_deg] }),
        (None, _) => Value::Null,
    };
    let properties = properties([
        ("node", Some(json!(node.name))),
        ("kinds", Some(json!(kinds))),
        ("range_m", node.range_m.map(Value::from)),
        ("time_sd_s", node.time_sd_s.map(Value::from)),
        ("detect_p", node.detect_p.map(Value::from)),
        ("false_per_hour", node.false_per_hour.map(Value::from)),
        ("heartbeat_s", node.heartbeat_s.map(Value::from)),
        ("sector", node.sector.as_deref().map(Value::from)),
        ("component", node.component.map(|component| component.as_str().into())),
    ]);
    json!({ "type": "Feature", "geometry": geometry, "properties": properties })
}

/// The coordinates of several polygons.
fn multi_polygon(shape: &geo::MultiPolygon<f64>) -> Value {
    let line = |line: &geo::LineString<f64>| -> Vec<[f64; 2]> { line.0.iter().map(|c| [c.x, c.y]).collect() };
    let rings = |polygon: &geo::Polygon<f64>| -> Vec<Vec<[f64; 2]>> {
        std::iter::once(line(polygon.exterior())).chain(polygon.interiors().iter().map(line)).collect()
    };
    match shape.0.as_slice() {
        [single] => json!({ "type": "Polygon", "coordinates": rings(single) }),
        several => {
            json!({ "type": "MultiPolygon", "coordinates": several.iter().map(rings).collect::<Vec<_>>() })
        }
    }
}

/// An area as a GeoJSON Feature.
pub fn area_feature(area: &Area) -> Value {
    let geometry = match &area.shape {
        Shape::Polygons(shape) => multi_polygon(shape),
        Shape::Line(line) => {
            json!({ "type": "LineString", "coordinates": line.0.iter().map(|c| [c.x, c.y]).collect::<Vec<_>>() })
        }
    };
    let prohibits: Vec<&str> = area.prohibits.iter().map(|p| p.as_str()).collect();
    let properties = properties([
        ("area", Some(json!(area.area))),
        ("name", area.name.as_deref().map(Value::from)),
        ("type", Some(json!(area.kind.as_str()))),
        ("prohibits", Some(json!(prohibits))),
        ("component", area.component.map(|component| component.as_str().into())),
        ("sector", area.sector.as_deref().map(Value::from)),
        ("valid_from", area.valid_from_ns.map(|ns| json!(Timestamp(ns)))),
        ("valid_to", area.valid_to_ns.map(|ns| json!(Timestamp(ns)))),
    ]);
    json!({ "type": "Feature", "geometry": geometry, "properties": properties })
}

/// A notice as a GeoJSON Feature.
pub fn notice_feature(notice: &Notice) -> Value {
    let kinds: Vec<&str> = notice.kinds.iter().map(|kind| kind.as_str()).collect();
    let properties = properties([
        ("notice", Some(json!(notice.notice))),
        ("kinds", Some(json!(kinds))),
        ("from", Some(json!(Timestamp(notice.from_ns)))),
        ("to", Some(json!(Timestamp(notice.to_ns)))),
        ("by", notice.by.as_deref().map(Value::from)),
    ]);
    json!({ "type": "Feature", "geometry": multi_polygon(&notice.shape), "properties": properties })
}
