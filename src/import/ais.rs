//! Positions of ships, as national services publish them: one row a report.
//!
//! The columns are found by name, whichever of the usual ones it has: those of the Solent extract (`Time`, `MMSI`,
//! `Latitude_degrees` …), of MarineCadastre (`BaseDateTime`, `LAT`, `SOG` …) and of the Danish Maritime Authority
//! (`# Timestamp`, `Latitude` …, day first).

use super::error::{ImportError, Skip};
use super::output::{Line, Output};
use super::table::{Table, civil_time};
use crate::model::kind::Domain;
use std::path::PathBuf;

/// The node that stands for the network's receivers.
const NODE: &str = "ais";

/// Metres a second in a knot (one nautical mile, 1852 m, an hour).
const KNOT_M_S: f64 = 1852.0 / 3600.0;

/// A speed of 102.3 knots and a course of 360.0° stand for "not available" (ITU-R M.1371-5, table 48).
const NO_SPEED_KNOTS: f64 = 102.25;
const NO_COURSE_DEG: f64 = 360.0;

pub(super) fn read(files: &[PathBuf], output: &mut Output) -> Result<(), ImportError> {
    for path in files {
        let table = Table::open(path)?;
        let time = table.column(&["time", "basedatetime", "base_date_time", "timestamp"])?;
        let mmsi = table.column(&["mmsi"])?;
        let lat = table.column(&["latitude_degrees", "lat", "latitude"])?;
        let lon = table.column(&["longitude_degrees", "lon", "longitude"])?;
        let course = table.find(&["cog_degrees", "cog"]);
        let speed = table.find(&["sog_knots", "sog"]);
        table.each(output, |row, output| {
            let held = row.required(time)?;
            let when = civil_time(held);
            let when = when.ok_or_else(|| Skip::field("bad time", "time", held, "2016-01-12 13:02:11.218"))?;
            let mmsi = row.required(mmsi)?;
            if mmsi.len() > 9 || !mmsi.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Skip::field("bad identity", "MMSI", mmsi, "up to nine digits"));
            }
            // 91°, 181° stand for "not available" and fall here as well.
            let place = row.place(lon, lat)?;
            let speed_knots = row.number(speed)?.filter(|knots| (0.0..NO_SPEED_KNOTS).contains(knots));
            let course_deg = row.number(course)?.filter(|degrees| (0.0..NO_COURSE_DEG).contains(degrees));
            let line = Line {
                id: format!("{mmsi}-{}", when.0 / 1_000_000),
                node: NODE,
                track: Some(mmsi),
                domain: Some(Domain::Sea),
                speed_m_s: speed_knots.map(|knots| knots * KNOT_M_S),
                course_deg,
                identity: Some(mmsi),
                object_lon: Some(place.lon_deg),
                object_lat: Some(place.lat_deg),
                ..Line::default()
            };
            output.observation(when, line)
        })?;
    }
    output.node_amid_objects(NODE);
    Ok(())
}
