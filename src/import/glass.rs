//! Seismic picks and stations as the USGS's GLASS 3 reads them: JSON, a pick a line, and one list of stations.
//!
//! The pickers call every pick a P, whatever it is, so the phase is left open.

use super::error::{ImportError, Skip};
use super::output::{Line, Output};
use super::picks::decibels;
use crate::model::geo::LonLat;
use crate::model::time::Timestamp;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What these picks are off by, in seconds: pickers of many networks, phases unknown.
const TIME_SD_S: f64 = 0.75;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Site {
    station: String,
    #[serde(default)]
    network: String,
}

#[derive(Deserialize)]
struct Amplitude {
    #[serde(rename = "SNR")]
    snr: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pick {
    #[serde(rename = "ID")]
    id: String,
    site: Site,
    time: Timestamp,
    amplitude: Option<Amplitude>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Station {
    site: Site,
    longitude: f64,
    latitude: f64,
    elevation: Option<f64>,
}

#[derive(Deserialize)]
struct StationList {
    #[serde(rename = "StationList")]
    stations: Vec<Station>,
}

fn node_of(site: &Site) -> String {
    format!("{}.{}", site.network, site.station)
}

pub(super) fn read(files: &[PathBuf], output: &mut Output) -> Result<(), ImportError> {
    let mut listed = false;
    for path in files {
        let mut file = BufReader::new(File::open(path).map_err(ImportError::io(path))?);
        let head = file.fill_buf().map_err(ImportError::io(path))?;
        if String::from_utf8_lossy(head)
            .trim_start_matches(['\u{feff}', '{', ' ', '\n', '\r'])
            .starts_with("\"StationList\"")
        {
            read_stations(path, file, output)?;
            listed = true;
        } else {
            read_picks(path, file, output)?;
        }
    }
    if listed { Ok(()) } else { Err(ImportError::NoStations { expected: "a JSON file with a StationList" }) }
}

fn read_stations(path: &Path, file: impl BufRead, output: &mut Output) -> Result<(), ImportError> {
    let list: StationList = serde_json::from_reader(file).map_err(|error| ImportError::NotTheFormat {
        path: path.to_owned(),
        line: error.line() as u64,
        message: error.to_string(),
    })?;
    for station in list.stations {
        if let Some(place) = LonLat::checked(station.longitude, station.latitude) {
            output.node(&node_of(&station.site), place, station.elevation);
        }
    }
    Ok(())
}

fn read_picks(path: &Path, mut file: impl BufRead, output: &mut Output) -> Result<(), ImportError> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if file.read_until(b'\n', &mut bytes).map_err(ImportError::io(path))? == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        output.row();
        let pick: Result<Pick, _> = serde_json::from_slice(&bytes);
        let added = pick
            .map_err(|error| Skip { reason: "not a pick", message: error.to_string() })
            .and_then(|pick| add_pick(&pick, output));
        if let Err(skip) = added {
            output.skip(path, number, skip);
        }
    }
    Ok(())
}

fn add_pick(pick: &Pick, output: &mut Output) -> Result<(), Skip> {
    let line = Line {
        id: pick.id.clone(),
        node: &node_of(&pick.site),
        time_sd_s: Some(TIME_SD_S),
        snr_db: decibels(pick.amplitude.as_ref().and_then(|amplitude| amplitude.snr)),
        ..Line::default()
    };
    output.observation(pick.time, line)
}
