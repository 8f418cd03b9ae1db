//! Hot spots seen by satellites, as NASA's FIRMS publishes them: a row a pixel.
//!
//! Extracts that keep the date alone are taken too: the time is then noon, and uncertain by a day.

use super::error::{ImportError, Skip};
use super::output::{Line, Output};
use super::table::{Row, Table};
use crate::model::time::{NS_PER_S, Timestamp, parse_rfc3339};
use std::path::PathBuf;

/// The node that stands for the satellites.
const NODE: &str = "firms";

/// The standard deviation of a time that may be any of a day: 86,400 s / √12.
const DAY_SD_S: f64 = 24_941.5;

/// Of an overpass given to the minute.
const MINUTE_SD_S: f64 = 60.0;

pub(super) fn read(files: &[PathBuf], output: &mut Output) -> Result<(), ImportError> {
    for path in files {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        // Ids have 64 bytes at most, of which the line may take 20.
        let stem: String = stem.chars().filter(char::is_ascii).take(40).collect();
        let table = Table::open(path)?;
        let (lat, lon) = (table.column(&["latitude"])?, table.column(&["longitude"])?);
        let date = table.column(&["acq_date"])?;
        let time = table.find(&["acq_time"]);
        let (scan, instrument) = (table.find(&["scan"]), table.find(&["instrument"]));
        let (frp, confidence) = (table.find(&["frp"]), table.find(&["confidence"]));
        table.each(output, |row, output| {
            let (when, time_sd_s) = time_of(row, date, time)?;
            let place = row.place(lon, lat)?;
            let pixel_m = match row.number(scan)? {
                Some(scan_km) => Some(scan_km * 1000.0),
                None => instrument.and_then(|column| match row.text(column) {
                    "MODIS" => Some(1000.0),
                    "VIIRS" => Some(375.0),
                    _ => None,
                }),
            };
            let line = Line {
                id: format!("{stem}-{}", row.line),
                node: NODE,
                time_sd_s: Some(time_sd_s),
                object_lon: Some(place.lon_deg),
                object_lat: Some(place.lat_deg),
                // Anywhere in the pixel: its side / √12.
                object_sd_m: pixel_m.map(|side_m| side_m / 12f64.sqrt()),
                pixel_m,
                frp_mw: row.number(frp)?.filter(|&frp_mw| frp_mw >= 0.0),
                confidence: confidence.and_then(|column| confidence_of(row.text(column))),
                ..Line::default()
            };
            output.observation(when, line)
        })?;
    }
    output.node_amid_objects(NODE);
    Ok(())
}

/// Date and `HHMM` of the overpass, and one sigma of that.
fn time_of(row: &Row<'_>, date: usize, time: Option<usize>) -> Result<(Timestamp, f64), Skip> {
    let date = row.required(date)?;
    let midnight = parse_rfc3339(format!("{date}T00:00:00Z").as_bytes());
    let midnight_ns = midnight.ok_or_else(|| Skip::field("bad time", "ACQ_DATE", date, "2022-02-24"))?;
    let held = time.map(|column| row.text(column)).unwrap_or_default();
    if held.is_empty() {
        return Ok((Timestamp(midnight_ns + 43_200 * NS_PER_S), DAY_SD_S));
    }
    let digits: String = held.chars().filter(|&c| c != ':').collect();
    let clock = digits.parse::<i64>().ok().filter(|&clock| (0..2400).contains(&clock) && clock % 100 < 60);
    let clock = clock.ok_or_else(|| Skip::field("bad time", "ACQ_TIME", held, "hours and minutes, as 1342"))?;
    Ok((Timestamp(midnight_ns + (clock / 100 * 3600 + clock % 100 * 60) * NS_PER_S), MINUTE_SD_S))
}

/// MODIS gives per cent; VIIRS classes, for which the middle of the MODIS class of that name stands (0–30, 30–80,
/// 80–100; MODIS Collection 6 Active Fire Product User's Guide, table 8).
fn confidence_of(text: &str) -> Option<f64> {
    match text {
        "l" | "low" => Some(0.15),
        "n" | "nominal" => Some(0.55),
        "h" | "high" => Some(0.9),
        per_cent => per_cent.parse::<f64>().ok().filter(|it| (0.0..=100.0).contains(it)).map(|it| it / 100.0),
    }
}
