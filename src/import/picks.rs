//! Seismic picks in text files, one a station and phase, as REAL and LOC-FLOW read them.
//!
//! `NET.STA.P.txt` or `NET.STA.S.txt`: second of the day, signal-to-noise ratio, amplitude (of no stated unit, so it
//! is left out). The stations are in another file: longitude, latitude, network, station, channel, height in km.

use super::ImportOptions;
use super::error::{ImportError, Skip};
use super::output::{Line, Output};
use super::table::decimal_seconds;
use crate::model::geo::LonLat;
use crate::model::kind::Phase;
use crate::model::time::{NS_PER_S, Timestamp, parse_rfc3339};
use std::path::{Path, PathBuf};

/// What an automatic picker of this kind is off by, in seconds.
const P_SD_S: f64 = 0.15;
const S_SD_S: f64 = 0.25;

/// Station and phase that a file's name tells: `YR.ED19.P.txt` is (`YR.ED19`, P).
pub(super) fn name_of(path: &Path) -> Option<(String, Phase)> {
    let name = path.file_name()?.to_str()?;
    let [network, station, phase, "txt"] = name.split('.').collect::<Vec<_>>()[..] else { return None };
    let phase = Phase::parse(phase)?;
    (!network.is_empty() && !station.is_empty()).then(|| (format!("{network}.{station}"), phase))
}

pub(super) fn read(files: &[PathBuf], options: &ImportOptions, output: &mut Output) -> Result<(), ImportError> {
    let (picks, stations): (Vec<_>, Vec<_>) = files.iter().partition(|path| name_of(path).is_some());
    if stations.is_empty() {
        return Err(ImportError::NoStations { expected: "a text file of longitude, latitude, network, station" });
    }
    for path in stations {
        read_stations(path, output)?;
    }
    for path in picks {
        if let Some((node, phase)) = name_of(path) {
            read_picks(path, &node, phase, midnight(path, options)?, output)?;
        }
    }
    Ok(())
}

/// The start of the day whose seconds the file counts.
fn midnight(path: &Path, options: &ImportOptions) -> Result<Timestamp, ImportError> {
    let directory = path.parent().and_then(|parent| parent.file_name()).unwrap_or_default().to_string_lossy();
    let held = options.date.as_deref().unwrap_or(&directory);
    let digits: String = held.chars().filter(|&c| c != '-').collect();
    let day = match (digits.get(..4), digits.get(4..6), digits.get(6..)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}T00:00:00Z"),
        _ => String::new(),
    };
    parse_rfc3339(day.as_bytes()).map(Timestamp).ok_or_else(|| ImportError::Option {
        option: "date",
        held: held.to_owned(),
        expected: "the day of the picks, as 2016-10-14, or files in a directory 20161014",
    })
}

/// A text file's lines with their numbers from 1, without blank ones.
fn lines(path: &Path) -> Result<Vec<(u64, String)>, ImportError> {
    let bytes = std::fs::read(path).map_err(ImportError::io(path))?;
    let text = String::from_utf8_lossy(&bytes);
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    Ok(numbered.map(|(number, line)| (number, line.to_owned())).collect())
}

fn read_stations(path: &Path, output: &mut Output) -> Result<(), ImportError> {
    for (number, line) in lines(path)? {
        let station = parse_station(&line).ok_or_else(|| ImportError::NotTheFormat {
            path: path.to_owned(),
            line: number,
            message: "not a station; expected longitude, latitude, network, station, channel, height in km".to_owned(),
        })?;
        output.node(&station.0, station.1, station.2);
    }
    Ok(())
}

fn parse_station(line: &str) -> Option<(String, LonLat, Option<f64>)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [lon, lat, network, station, rest @ ..] = &fields[..] else { return None };
    let place = LonLat::checked(lon.parse().ok()?, lat.parse().ok()?)?;
    let height_km: Option<f64> = rest.get(1).and_then(|text| text.parse().ok()).filter(|km: &f64| km.is_finite());
    Some((format!("{network}.{station}"), place, height_km.map(|km| km * 1000.0)))
}

fn read_picks(
    path: &Path,
    node: &str,
    phase: Phase,
    midnight: Timestamp,
    output: &mut Output,
) -> Result<(), ImportError> {
    for (number, line) in lines(path)? {
        output.row();
        let added = parse_pick(&line).and_then(|(second_ns, snr)| {
            let pick = Line {
                id: format!("{phase}-{}-{number}", &midnight.to_string()[..10]),
                node,
                time_sd_s: Some(if phase == Phase::P { P_SD_S } else { S_SD_S }),
                phase: Some(phase),
                snr_db: decibels(snr),
                ..Line::default()
            };
            output.observation(Timestamp(midnight.0 + second_ns), pick)
        });
        if let Err(skip) = added {
            output.skip(path, number, skip);
        }
    }
    Ok(())
}

/// Nanosecond of the day, and the signal-to-noise ratio.
fn parse_pick(line: &str) -> Result<(i64, Option<f64>), Skip> {
    let mut fields = line.split_whitespace();
    let second = fields.next().unwrap_or_default();
    let second_ns = decimal_seconds(second).filter(|&ns| ns < 86_400 * NS_PER_S);
    let second_ns = second_ns.ok_or_else(|| Skip::field("bad time", "second", second, "a second of the day"))?;
    let snr = match fields.next() {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|_| Skip::field("not a number", "signal-to-noise ratio", text, "a number"))?)
        }
    };
    Ok((second_ns, snr))
}

/// A ratio of amplitudes in decibels.
pub(super) fn decibels(ratio: Option<f64>) -> Option<f64> {
    ratio.filter(|&ratio| ratio > 0.0 && ratio.is_finite()).map(|ratio| 20.0 * ratio.log10())
}
