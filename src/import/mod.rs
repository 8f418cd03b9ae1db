//! Published data in the contract's form: files as their publishers give them become `telemetry.ndjson`, sorted by
//! time, and `sensors.geojson`.
//!
//! A row that makes no sense is left out, counted by its reason and shown with its line number; a file that is not
//! of its format, or cannot be read, ends the import. docs/import.md describes each format and what becomes of it.

mod ais;
mod catalogue;
mod error;
mod firms;
mod glass;
mod locards;
mod opensky;
mod output;
mod picks;
mod table;

pub use error::ImportError;
pub use output::{ImportSummary, MAX_EXAMPLES};

use crate::model::kind::vocabulary;
use output::Output;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};

vocabulary! {
    /// A published format.
    Format {
        Ais = "ais", OpenSky = "opensky", Picks = "picks", Glass = "glass", LocaRds = "locards", Firms = "firms",
        Catalogue = "catalogue",
    }
}

/// What a file does not say about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// `picks`: the day whose seconds the files count, `2016-10-14`. Otherwise the directory's name is taken
    /// (`20161014`).
    pub date: Option<String>,
    /// `locards`: the instant from which receivers count, RFC 3339; otherwise 2020-01-01T00:00:00Z.
    pub start: Option<String>,
    /// `locards`: whether arrivals name their emitter. Otherwise which arrivals belong together is left to find out.
    pub label_emitters: bool,
}

/// Reads `inputs` (files, or directories of them) and writes `telemetry.ndjson` and `sensors.geojson` into `out_dir`,
/// which is created; `truth.ndjson` as well where the format gives the truth. Without a format it is told from the
/// files.
///
/// # Errors
/// A file that cannot be read, has not the format's columns, or a format that cannot be told.
pub fn run(
    format: Option<Format>,
    inputs: &[PathBuf],
    out_dir: &Path,
    options: &ImportOptions,
) -> Result<ImportSummary, ImportError> {
    let files = files_of(inputs)?;
    let format = match format {
        Some(format) => format,
        None => detect(&files)?,
    };
    let mut output = Output::new(format);
    match format {
        Format::Ais => ais::read(&files, &mut output)?,
        Format::OpenSky => opensky::read(&files, &mut output)?,
        Format::Picks => picks::read(&files, options, &mut output)?,
        Format::Glass => glass::read(&files, &mut output)?,
        Format::LocaRds => locards::read(&files, options, &mut output)?,
        Format::Firms => firms::read(&files, &mut output)?,
        Format::Catalogue => catalogue::read(&files, &mut output)?,
    }
    output.write(out_dir)
}

/// The files named, and those in the directories named, in the order of their names; hidden ones left out.
fn files_of(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, ImportError> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        let entries = std::fs::read_dir(input).map_err(ImportError::io(input))?;
        let mut inside = Vec::new();
        for entry in entries {
            let entry = entry.map_err(ImportError::io(input))?;
            if entry.path().is_file() && !entry.file_name().to_string_lossy().starts_with('.') {
                inside.push(entry.path());
            }
        }
        inside.sort();
        files.extend(inside);
    }
    if files.is_empty() { Err(ImportError::NoInput) } else { Ok(files) }
}

/// The first format that one of the files shows.
fn detect(files: &[PathBuf]) -> Result<Format, ImportError> {
    for file in files {
        if picks::name_of(file).is_some() {
            return Ok(Format::Picks);
        }
        let mut head = Vec::new();
        let opened = std::fs::File::open(file).map_err(ImportError::io(file))?;
        opened.take(4096).read_to_end(&mut head).map_err(ImportError::io(file))?;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let first = head.lines().next().unwrap_or_default();
        let has = |names: &[&str]| names.iter().all(|name| first.contains(name));
        if first.starts_with('{') && (has(&["\"stationlist\""]) || has(&["\"type\":\"pick\""])) {
            return Ok(Format::Glass);
        }
        for (names, format) in [
            (["mmsi", "lat"].as_slice(), Format::Ais),
            (&["icao24", "lastposupdate"], Format::OpenSky),
            (&["timeatserver", "measurements"], Format::LocaRds),
            (&["latitude", "longitude", "acq_date"], Format::Firms),
            (&["lat", "lon", "dep", "ot"], Format::Catalogue),
            (&["date", "time", "sec", "lat", "lon", "depth"], Format::Catalogue),
        ] {
            if has(names) {
                return Ok(format);
            }
        }
    }
    Err(ImportError::UnknownFormat { path: files[0].clone() })
}
