//! Aircraft, as the OpenSky Network publishes its state vectors: one row an aircraft and instant.
//!
//! A row repeats the last position until there is a new one, so the observation's time is `lastposupdate` and rows
//! that bring no new one are left out as repeated.

use super::error::{ImportError, Skip};
use super::output::{Line, Output};
use super::table::{Table, decimal_seconds};
use crate::model::kind::Domain;
use crate::model::time::Timestamp;
use std::path::PathBuf;

/// The node that stands for the network's receivers.
const NODE: &str = "opensky";

pub(super) fn read(files: &[PathBuf], output: &mut Output) -> Result<(), ImportError> {
    for path in files {
        let table = Table::open(path)?;
        let time = table.column(&["lastposupdate"])?;
        let icao24 = table.column(&["icao24"])?;
        let (lat, lon) = (table.column(&["lat"])?, table.column(&["lon"])?);
        let (speed, course) = (table.find(&["velocity"]), table.find(&["heading"]));
        let (geometric, barometric) = (table.find(&["geoaltitude"]), table.find(&["baroaltitude"]));
        let on_ground = table.find(&["onground"]);
        table.each(output, |row, output| {
            let held = row.required(time)?;
            let when = decimal_seconds(held).map(Timestamp);
            let when = when.ok_or_else(|| Skip::field("bad time", "lastposupdate", held, "seconds since 1970"))?;
            let icao24 = row.required(icao24)?;
            let place = row.place(lon, lat)?;
            let grounded = on_ground.is_some_and(|column| row.text(column).eq_ignore_ascii_case("true"));
            let line = Line {
                id: format!("{icao24}-{}", when.0 / 1_000_000),
                node: NODE,
                track: Some(icao24),
                domain: Some(if grounded { Domain::Ground } else { Domain::Air }),
                speed_m_s: row.number(speed)?.filter(|&speed_m_s| speed_m_s >= 0.0),
                course_deg: row.number(course)?.map(|degrees| degrees.rem_euclid(360.0)),
                identity: Some(icao24),
                object_lon: Some(place.lon_deg),
                object_lat: Some(place.lat_deg),
                object_alt_m: match row.number(geometric)? {
                    Some(altitude_m) => Some(altitude_m),
                    None => row.number(barometric)?,
                },
                ..Line::default()
            };
            output.observation(when, line)
        })?;
    }
    output.node_amid_objects(NODE);
    Ok(())
}
