//! Catalogues of earthquakes, as the truth to compare with: `truth.ndjson` alone comes out.
//!
//! Either a table with `ID`, `Lat`, `Lon`, `OT` (seconds since 1970), or HypoInverse's summary with a header
//! (`DATE TIME SEC LAT LON DEPTH`). A catalogue does not say which picks made an event, so it can be compared by
//! place and time only.

use super::error::{ImportError, Skip};
use super::output::{Event, Output};
use super::table::{Table, decimal_seconds};
use crate::model::geo::LonLat;
use crate::model::time::{Timestamp, parse_rfc3339};
use std::path::{Path, PathBuf};

pub(super) fn read(files: &[PathBuf], output: &mut Output) -> Result<(), ImportError> {
    for path in files {
        let bytes = std::fs::read(path).map_err(ImportError::io(path))?;
        let text = String::from_utf8_lossy(&bytes);
        if text.trim_start().starts_with("DATE") {
            read_summary(path, &text, output);
            continue;
        }
        let table = Table::open(path)?;
        let (id, time) = (table.column(&["id"])?, table.column(&["ot"])?);
        let (lat, lon) = (table.column(&["lat"])?, table.column(&["lon"])?);
        table.each(output, |row, output| {
            let held = row.required(time)?;
            let time = decimal_seconds(held).map(Timestamp);
            let time = time.ok_or_else(|| Skip::field("bad time", "OT", held, "seconds since 1970"))?;
            output.event(&event(row.required(id)?, time, row.place(lon, lat)?));
            Ok(())
        })?;
    }
    Ok(())
}

fn read_summary(path: &Path, text: &str, output: &mut Output) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    for (number, line) in (1..).zip(text.lines()).skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        output.row();
        match parse_summary(line) {
            Some((time, place)) => output.event(&event(&format!("{stem}-{number}"), time, place)),
            None => output.skip(path, number, Skip::field("not an event", "line", line, "date, time, second, place")),
        }
    }
}

/// `2016/10/14 00:01 49.93  42.7359  13.1948 …`
fn parse_summary(line: &str) -> Option<(Timestamp, LonLat)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [date, time, second, lat, lon, ..] = fields[..] else { return None };
    let minute = parse_rfc3339(format!("{}T{time}:00Z", date.replace('/', "-")).as_bytes())?;
    let place = LonLat::checked(lon.parse().ok()?, lat.parse().ok()?)?;
    Some((Timestamp(minute.checked_add(decimal_seconds(second)?)?), place))
}

fn event(id: &str, time: Timestamp, place: LonLat) -> Event {
    Event {
        event: id.to_owned(),
        class: "fire.undetermined",
        sign: None,
        time,
        lon: place.lon_deg,
        lat: place.lat_deg,
        count: 1,
        evidence: Vec::new(),
        violation: false,
        areas: Vec::new(),
    }
}
