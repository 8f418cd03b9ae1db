//! What an import gathers: observations, nodes, sometimes the truth, and the rows it left out.

use super::Format;
use super::error::{ImportError, Skip};
use crate::model::geo::LonLat;
use crate::model::kind::{Domain, Kind, Phase};
use crate::model::observation::MAX_ID_BYTES;
use crate::model::time::{Timestamp, YEAR_2000_NS};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rows left out that are shown with their line; the others are only counted.
pub const MAX_EXAMPLES: usize = 10;

/// What an import did.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportSummary {
    /// The format.
    pub format: Format,
    /// Rows read.
    pub read: u64,
    /// Observations written.
    pub written: u64,
    /// Rows left out, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// The first of them, with file, line and what was wrong.
    pub examples: Vec<String>,
    /// Nodes written.
    pub nodes: u64,
    /// Observations whose node is not among them; they are written, and whoever reads them will refuse them.
    pub of_unknown_nodes: u64,
    /// True events written.
    pub events: u64,
    /// Time of the first observation and of the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The files written.
    pub files: Vec<PathBuf>,
}

impl std::fmt::Display for ImportSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "format {}: {} rows read, {} observations written", self.format, self.read, self.written)?;
        for (reason, count) in &self.skipped {
            writeln!(f, "  {count} left out: {reason}")?;
        }
        for example in &self.examples {
            writeln!(f, "    {example}")?;
        }
        writeln!(f, "  {} nodes; {} observations of nodes not among them", self.nodes, self.of_unknown_nodes)?;
        if self.events > 0 {
            writeln!(f, "  {} true events", self.events)?;
        }
        if let Some((from, to)) = self.span {
            writeln!(f, "  {from} to {to}")?;
        }
        for file in &self.files {
            writeln!(f, "  {}", file.display())?;
        }
        Ok(())
    }
}

/// An observation on the wire, of the kinds that are imported.
#[derive(Debug, Default, Serialize)]
pub(super) struct Line<'a> {
    pub(super) id: String,
    pub(super) node: &'a str,
    pub(super) kind: Option<Kind>,
    pub(super) time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_sd_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snr_db: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frequency_hz: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) emitter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) track: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) domain: Option<Domain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) speed_m_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) course_deg: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object_lon: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object_lat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object_alt_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object_sd_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pixel_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frp_mw: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) confidence: Option<f64>,
}

/// A true event, as `score` reads it.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    pub(super) event: String,
    pub(super) class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sign: Option<&'static str>,
    pub(super) time: Timestamp,
    pub(super) lon: f64,
    pub(super) lat: f64,
    pub(super) count: u32,
    pub(super) evidence: Vec<String>,
    pub(super) violation: bool,
    pub(super) areas: Vec<String>,
}

struct Place {
    place: LonLat,
    alt_m: Option<f64>,
}

/// What has been gathered.
pub(super) struct Output {
    summary: ImportSummary,
    kind: Kind,
    lines: Vec<(i64, String)>,
    nodes: BTreeMap<String, Place>,
    senders: BTreeMap<String, u64>,
    seen: HashSet<String>,
    truth: Vec<(i64, String)>,
    /// Sum of positions of objects, for a node that stands for a whole network.
    sum: (f64, f64, u64),
}

impl Output {
    pub(super) fn new(format: Format) -> Output {
        let summary = ImportSummary {
            format,
            read: 0,
            written: 0,
            skipped: BTreeMap::new(),
            examples: Vec::new(),
            nodes: 0,
            of_unknown_nodes: 0,
            events: 0,
            span: None,
            files: Vec::new(),
        };
        let kind = match format {
            Format::Ais | Format::OpenSky => Kind::Track,
            Format::Picks | Format::Glass | Format::Catalogue => Kind::Seismic,
            Format::LocaRds => Kind::Radio,
            Format::Firms => Kind::Thermal,
        };
        Output {
            summary,
            kind,
            lines: Vec::new(),
            nodes: BTreeMap::new(),
            senders: BTreeMap::new(),
            seen: HashSet::new(),
            truth: Vec::new(),
            sum: (0.0, 0.0, 0),
        }
    }

    /// Counts a row of the input, whatever becomes of it.
    pub(super) fn row(&mut self) {
        self.summary.read += 1;
    }

    /// Counts a row that is left out.
    pub(super) fn skip(&mut self, path: &Path, line: u64, skip: Skip) {
        *self.summary.skipped.entry(skip.reason).or_default() += 1;
        if self.summary.examples.len() < MAX_EXAMPLES {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.summary.examples.push(format!("{name} line {line}: {}", skip.message));
        }
    }

    /// Adds a node.
    pub(super) fn node(&mut self, name: &str, place: LonLat, alt_m: Option<f64>) {
        self.nodes.insert(name.to_owned(), Place { place, alt_m });
    }

    /// Adds an observation of `node`, and fills in its kind and time.
    ///
    /// # Errors
    /// A [`Skip`] if this id was there before, or the id, the node's name or the time is not one that the contract
    /// takes.
    pub(super) fn observation(&mut self, time: Timestamp, line: Line<'_>) -> Result<(), Skip> {
        if time.0 < YEAR_2000_NS {
            return Err(Skip::field("time before 2000", "time", &time.to_string(), "a time from 2000 on"));
        }
        for (field, text) in [("id", line.id.as_str()), ("node", line.node)] {
            if text.is_empty() || text.len() > MAX_ID_BYTES {
                return Err(Skip::field("bad identity", field, text, "1 to 64 bytes"));
            }
        }
        if !self.seen.insert(format!("{}\n{}", line.node, line.id)) {
            return Err(Skip::field("repeated", "id", &line.id, "one that was not there before"));
        }
        if let (Some(lon), Some(lat)) = (line.object_lon, line.object_lat) {
            self.sum = (self.sum.0 + lon, self.sum.1 + lat, self.sum.2 + 1);
        }
        *self.senders.entry(line.node.to_owned()).or_default() += 1;
        let line = Line { kind: Some(self.kind), time: Some(time), ..line };
        self.lines.push((time.0, json(&line)));
        Ok(())
    }

    /// Adds a node in the middle of all objects: the network as a whole, whose receivers the data does not name.
    pub(super) fn node_amid_objects(&mut self, name: &str) {
        let (lon, lat, count) = self.sum;
        if count > 0 {
            let place = LonLat { lon_deg: lon / count as f64, lat_deg: lat / count as f64 };
            self.node(name, place, None);
        }
    }

    /// Adds a true event.
    pub(super) fn event(&mut self, event: &Event) {
        self.truth.push((event.time.0, json(event)));
    }

    /// Writes everything.
    pub(super) fn write(mut self, out_dir: &Path) -> Result<ImportSummary, ImportError> {
        std::fs::create_dir_all(out_dir).map_err(ImportError::io(out_dir))?;
        // Stable: rows of one instant stay in the order of the input.
        self.lines.sort_by_key(|(time_ns, _)| *time_ns);
        self.truth.sort_by_key(|(time_ns, _)| *time_ns);
        let of_unknown = self.senders.iter().filter(|(node, _)| !self.nodes.contains_key(*node));
        self.summary.of_unknown_nodes = of_unknown.map(|(_, count)| count).sum();
        self.summary.written = self.lines.len() as u64;
        self.summary.nodes = self.nodes.len() as u64;
        self.summary.events = self.truth.len() as u64;
        self.summary.span =
            self.lines.first().zip(self.lines.last()).map(|(first, last)| (Timestamp(first.0), Timestamp(last.0)));
        if self.summary.format != Format::Catalogue {
            let lines = self.lines.iter().map(|(_, line)| line.as_str());
            self.summary.files.push(write_lines(&out_dir.join("telemetry.ndjson"), lines)?);
            let path = out_dir.join("sensors.geojson");
            let features: Vec<String> = self.nodes.iter().map(|(name, node)| feature(name, node, self.kind)).collect();
            let lines = [r#"{"type":"FeatureCollection","features":["#, &features.join(",\n"), "]}"];
            self.summary.files.push(write_lines(&path, lines.into_iter())?);
        }
        if !self.truth.is_empty() {
            let lines = self.truth.iter().map(|(_, line)| line.as_str());
            self.summary.files.push(write_lines(&out_dir.join("truth.ndjson"), lines)?);
        }
        Ok(self.summary)
    }
}

/// Texts and finite numbers only go in, so that there is always a JSON form.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn feature(name: &str, node: &Place, kind: Kind) -> String {
    let mut coordinates = vec![node.place.lon_deg, node.place.lat_deg];
    coordinates.extend(node.alt_m);
    let properties = serde_json::json!({ "node": name, "kinds": [kind] });
    let geometry = serde_json::json!({ "type": "Point", "coordinates": coordinates });
    serde_json::json!({ "type": "Feature", "geometry": geometry, "properties": properties }).to_string()
}

fn write_lines<'a>(path: &Path, lines: impl Iterator<Item = &'a str>) -> Result<PathBuf, ImportError> {
    let mut file = BufWriter::new(File::create(path).map_err(ImportError::io(path))?);
    for line in lines {
        writeln!(file, "{line}").map_err(ImportError::io(path))?;
    }
    file.flush().map_err(ImportError::io(path))?;
    Ok(path.to_owned())
}
