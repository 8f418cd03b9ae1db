//! Radio messages of aircraft and when each receiver heard them, as the LocaRDS data set publishes them.
//!
//! A table of messages, each with `measurements`: a JSON list of [receiver, nanoseconds, signal strength]; and a
//! table of receivers. The receivers count from an instant that the data does not give. Each row brings the
//! aircraft's own position, which becomes the truth; it sends when the arrivals, less their travel times, say.

use super::ImportOptions;
use super::error::{ImportError, Skip};
use super::output::{Event, Line, Output};
use super::table::{Row, Table};
use crate::model::geo::{LIGHT_IN_AIR_M_S, LonLat};
use crate::model::time::{NS_PER_S, Timestamp, ns_from_s, parse_rfc3339};
use std::collections::HashMap;
use std::path::PathBuf;

/// A satellite-disciplined receiver's clock and its detector, seconds.
const TIME_SD_S: f64 = 2e-7;

/// Mode S replies and squitters (ICAO Annex 10, volume IV).
const FREQUENCY_HZ: f64 = 1.09e9;

/// 2020-01-01T00:00:00Z: any believable day does.
const DEFAULT_START_NS: i64 = 1_577_836_800 * NS_PER_S;

/// Place and height of a receiver.
type Receiver = (LonLat, f64);

pub(super) fn read(files: &[PathBuf], options: &ImportOptions, output: &mut Output) -> Result<(), ImportError> {
    let start_ns = match &options.start {
        None => DEFAULT_START_NS,
        Some(held) => parse_rfc3339(held.as_bytes()).ok_or_else(|| ImportError::Option {
            option: "start",
            held: held.clone(),
            expected: "an instant such as 2020-01-01T00:00:00Z",
        })?,
    };
    let mut receivers = HashMap::new();
    let mut messages = Vec::new();
    for path in files {
        let table = Table::open(path)?;
        match table.find(&["measurements"]) {
            Some(_) => messages.push((path, table)),
            None => read_receivers(table, &mut receivers, output)?,
        }
    }
    if receivers.is_empty() {
        return Err(ImportError::NoStations { expected: "a table with serial, latitude, longitude, height" });
    }
    for (path, table) in messages {
        let set = path.file_stem().unwrap_or_default().to_string_lossy();
        let (id, aircraft) = (table.column(&["id"])?, table.column(&["aircraft"])?);
        let (lat, lon) = (table.column(&["latitude"])?, table.column(&["longitude"])?);
        let (geometric, barometric) = (table.find(&["geoaltitude"]), table.find(&["baroaltitude"]));
        let measurements = table.column(&["measurements"])?;
        table.each(output, |row, output| {
            let message = format!("{set}-{}", row.required(id)?);
            let emitter = options.label_emitters.then(|| row.text(aircraft));
            let arrivals = parse_arrivals(row, measurements)?;
            let mut evidence = Vec::new();
            for &(serial, counted_ns) in &arrivals {
                let line = Line {
                    id: format!("{message}-{serial}"),
                    node: &format!("r{serial}"),
                    time_sd_s: Some(TIME_SD_S),
                    frequency_hz: Some(FREQUENCY_HZ),
                    emitter,
                    ..Line::default()
                };
                evidence.push(line.id.clone());
                output.observation(Timestamp(start_ns.saturating_add(counted_ns)), line)?;
            }
            let place = row.place(lon, lat)?;
            let altitude_m = match row.number(geometric)? {
                Some(altitude_m) => Some(altitude_m),
                None => row.number(barometric)?,
            };
            if let Some(sent_ns) = sent_ns(place, altitude_m.unwrap_or(0.0), &arrivals, &receivers) {
                output.event(&Event {
                    event: message,
                    class: "interference",
                    sign: Some("emitter"),
                    time: Timestamp(start_ns.saturating_add(sent_ns)),
                    lon: place.lon_deg,
                    lat: place.lat_deg,
                    count: 1,
                    evidence,
                    violation: false,
                    areas: Vec::new(),
                });
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn read_receivers(
    table: Table,
    receivers: &mut HashMap<u32, Receiver>,
    output: &mut Output,
) -> Result<(), ImportError> {
    let serial = table.column(&["serial"])?;
    let (lat, lon) = (table.column(&["latitude"])?, table.column(&["longitude"])?);
    let height = table.column(&["height"])?;
    table.each(output, |row, output| {
        let held = row.required(serial)?;
        let number = held.parse().map_err(|_| Skip::field("not a number", "serial", held, "a number"))?;
        let place = row.place(lon, lat)?;
        // Receivers that never told where they stand are given as 0, 0.
        if place.lon_deg == 0.0 && place.lat_deg == 0.0 {
            return Err(Skip::field("receiver without a place", "position", "0, 0", "where it stands"));
        }
        let height_m = row.number(Some(height))?;
        receivers.insert(number, (place, height_m.unwrap_or(0.0)));
        output.node(&format!("r{number}"), place, height_m);
        Ok(())
    })
}

/// Receiver and nanoseconds of each arrival.
fn parse_arrivals(row: &Row<'_>, column: usize) -> Result<Vec<(u32, i64)>, Skip> {
    let held = row.required(column)?;
    let wrong = || Skip::field("bad measurements", "measurements", held, "[[receiver, nanoseconds, strength], …]");
    let lists: Vec<Vec<f64>> = serde_json::from_str(held).map_err(|_| wrong())?;
    let arrivals = lists.iter().map(|list| match list[..] {
        // Nanoseconds of an hour or a day are whole numbers that a double holds exactly.
        [serial, counted_ns, ..] if serial >= 0.0 && counted_ns >= 0.0 => Some((serial as u32, counted_ns as i64)),
        _ => None,
    });
    arrivals.collect::<Option<Vec<_>>>().filter(|arrivals| !arrivals.is_empty()).ok_or_else(wrong)
}

/// When the message was sent: the median over the receivers of arrival less travel time.
fn sent_ns(place: LonLat, altitude_m: f64, arrivals: &[(u32, i64)], receivers: &HashMap<u32, Receiver>) -> Option<i64> {
    let mut sent_ns: Vec<i64> = arrivals
        .iter()
        .filter_map(|(serial, counted_ns)| {
            let &(receiver, height_m) = receivers.get(serial)?;
            let distance_m = place.slant_m(altitude_m, receiver, height_m);
            Some(counted_ns - ns_from_s(distance_m / LIGHT_IN_AIR_M_S))
        })
        .collect();
    sent_ns.sort_unstable();
    sent_ns.get(sent_ns.len() / 2).copied()
}
