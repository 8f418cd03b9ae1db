//! The file in which evidence is handed over: a ZIP that any program opens, with a list of its entries and their digests.
//!
//! `manifest.json` names every other entry with its SHA-256, `seal.txt` holds the manifest's. Whoever has noted the seal
//! can tell any change; without it a change is told as long as whoever made it did not also make digests and seal anew.

use super::EvidenceError;
use super::context::{Context, Scope};
use super::course::{Line, Step};
use super::recompute::{Compared, Setting, Start};
use crate::codec::reference::{Reference, from_collection, to_collection};
use crate::engine::associate::calibration;
use crate::engine::associate::record::LearntRecord;
use crate::engine::book::sha256_hex;
use crate::engine::settings::Settings;
use crate::model::alert::AlertFeature;
use crate::model::review::Review;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The version of the format; a later one is not guessed at.
pub const FORMAT: u32 = 1;
/// Most bytes of an entry that are read: a forged package must not fill the memory.
pub const MAX_ENTRY_BYTES: u64 = 4 << 30;

/// The entries' names.
pub const MANIFEST: &str = "manifest.json";
/// See [`MANIFEST`].
pub const SEAL: &str = "seal.txt";
const README: &str = "README.txt";
const ACCOUNT: &str = "account.txt";
const ALERT: &str = "alert.json";
const REVISIONS: &str = "revisions.ndjson";
const RECORDS: &str = "records.ndjson";
const LEARNT: &str = "learnt.json";
const CONFIG: &str = "config.json";
const SENSORS: &str = "sensors.geojson";
const AREAS: &str = "areas.geojson";
const NOTICES: &str = "notices.geojson";

/// What `manifest.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The alert's id.
    pub alert: String,
    /// The revision.
    pub revision: u32,
    /// The program that wrote it.
    pub software: String,
    /// SHA-256 of what its probabilities are fitted to.
    pub calibration: String,
    /// SHA-256 of the engine's settings, as on the alert.
    pub config_digest: String,
    /// SHA-256 of what the alert cites, as on the alert.
    pub evidence_digest: String,
    /// SHA-256 of the alert's bytes without `latency`, with `revision` 0 and as `compared`: what has to come out again.
    pub alert_digest: String,
    /// How wide the selection of records is.
    pub scope: Scope,
    /// What was known before the first record: `nothing`, `learnt` (of another stream) or `midway` (of this one).
    pub start: String,
    /// The topics of the records, in the order that counts.
    pub topics: Vec<String>,
    /// Records.
    pub records: usize,
    /// Those of them that the alert cites.
    pub cited: usize,
    /// What of the alert has to come out the same: `all`, or all `but_decisions` that are not among the records.
    pub compared: Compared,
    /// Whether it did when the package was made.
    pub recomputes: bool,
    /// All other entries but the seal.
    pub entries: Vec<Entry>,
}

/// An entry of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its bytes, uncompressed.
    pub bytes: u64,
    /// SHA-256, 64 hex digits.
    pub sha256: String,
}

/// What a package holds.
#[derive(Clone, Debug)]
pub struct Package {
    /// All revisions of the alert that were to be had, the newest last.
    pub revisions: Vec<AlertFeature>,
    /// What it was made under.
    pub setting: Setting,
    /// The records.
    pub context: Context,
    /// How wide the selection is.
    pub scope: Scope,
    /// What of the alert has to come out the same.
    pub compared: Compared,
    /// Whether it did when the package was made.
    pub recomputes: bool,
}

#[derive(Serialize, Deserialize)]
struct ConfigEntry {
    engine: Settings,
    review: Review,
}

/// A line of `records.ndjson`.
#[derive(Serialize, Deserialize)]
struct Record {
    topic: String,
    partition: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cited: bool,
    /// The bytes as received; without them, nothing more came of that partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

impl Package {
    /// The newest revision.
    pub fn alert(&self) -> Option<&AlertFeature> {
        self.revisions.last()
    }

    /// Writes it, `account` being the computation for people. Gives the bytes and the seal; the same package gives the
    /// same bytes.
    ///
    /// # Errors
    /// What can't be encoded.
    pub fn write(&self, account: &str) -> Result<(Vec<u8>, String), EvidenceError> {
        let alert = self.alert().ok_or(EvidenceError::Empty)?;
        let mut revisions = Vec::new();
        for revision in &self.revisions {
            revisions.extend(crate::codec::alert::alert_json(revision)?);
            revisions.push(b'\n');
        }
        let Setting { settings, review, nodes, areas, notices } = &self.setting;
        let config = ConfigEntry { engine: settings.clone(), review: review.clone() };
        let mut entries: Vec<(&str, Vec<u8>)> = vec![
            (README, readme(alert).into_bytes()),
            (ACCOUNT, account.as_bytes().to_vec()),
            (ALERT, crate::codec::alert::alert_json(alert)?),
            (REVISIONS, revisions),
            (RECORDS, self.records()?),
            (CONFIG, serde_json::to_vec_pretty(&config)?),
            (SENSORS, serde_json::to_vec(&to_collection(nodes))?),
            (AREAS, serde_json::to_vec(&to_collection(areas))?),
            (NOTICES, serde_json::to_vec(&to_collection(notices))?),
        ];
        let start = match &self.context.start {
            Start::Nothing => "nothing",
            Start::Learnt(_) => "learnt",
            Start::Midway(_) => "midway",
        };
        if let Start::Learnt(record) | Start::Midway(record) = &self.context.start {
            entries.push((LEARNT, serde_json::to_vec(record)?));
        }
        let (records, cited) = self.context.counts();
        let manifest = Manifest {
            format: FORMAT,
            alert: alert.properties.alert.clone(),
            revision: alert.properties.revision,
            software: alert.properties.software.clone(),
            calibration: calibration::digest(),
            config_digest: alert.properties.config_digest.clone(),
            evidence_digest: alert.properties.evidence_digest.clone(),
            alert_digest: sha256_hex(&super::recompute::bytes(alert, self.compared)?),
            scope: self.scope,
            start: start.to_owned(),
            topics: self.context.topics.clone(),
            records,
            cited,
            compared: self.compared,
            recomputes: self.recomputes,
            entries: entries
                .iter()
                .map(|(name, bytes)| Entry {
                    name: (*name).to_owned(),
                    bytes: bytes.len() as u64,
                    sha256: sha256_hex(bytes),
                })
                .collect(),
        };
        let manifest = serde_json::to_vec_pretty(&manifest)?;
        let seal = sha256_hex(&manifest);
        entries.insert(0, (MANIFEST, manifest));
        entries.insert(1, (SEAL, format!("{seal}\n").into_bytes()));
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, bytes) in entries {
            zip.start_file(name, options)?;
            zip.write_all(&bytes).map_err(zip::result::ZipError::from)?;
        }
        Ok((zip.finish()?.into_inner(), seal))
    }

    fn records(&self) -> Result<Vec<u8>, EvidenceError> {
        let mut records = Vec::new();
        for (step, cited) in &self.context.steps {
            let ((topic, partition), line) = match step {
                Step::Line(line) => (line.partition, Some(line)),
                Step::Ended(partition) => (*partition, None),
            };
            let record = Record {
                topic: self.context.topics.get(usize::from(topic)).cloned().unwrap_or_default(),
                partition,
                offset: line.map(|line| line.offset),
                line: line.map(|line| line.line),
                cited: *cited,
                raw: line.map(|line| String::from_utf8_lossy(&line.raw).into_owned()),
            };
            serde_json::to_writer(&mut records, &record)?;
            records.push(b'\n');
        }
        Ok(records)
    }
}

/// A package as it was read: whole, every digest right.
pub struct Opened {
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 of the manifest.
    pub seal: String,
    /// What it holds.
    pub package: Package,
}

/// Opens a package and checks that nothing of it was changed.
///
/// # Errors
/// What is wrong with it.
pub fn open(bytes: &[u8]) -> Result<Opened, EvidenceError> {
    let mut entries = entries(bytes)?;
    let manifest_bytes = entries.remove(MANIFEST).ok_or_else(|| EvidenceError::lacks(MANIFEST))?;
    let seal = sha256_hex(&manifest_bytes);
    let told = entries.remove(SEAL).ok_or_else(|| EvidenceError::lacks(SEAL))?;
    if told != format!("{seal}\n").as_bytes() {
        return Err(EvidenceError::Changed { entry: MANIFEST.to_owned() });
    }
    let format: Format = parse(MANIFEST, &manifest_bytes)?;
    if format.format > FORMAT {
        return Err(EvidenceError::Newer { found: format.format });
    }
    let manifest: Manifest = parse(MANIFEST, &manifest_bytes)?;
    for Entry { name, bytes, sha256 } in &manifest.entries {
        let held = entries.get(name).ok_or_else(|| EvidenceError::lacks(name))?;
        if held.len() as u64 != *bytes || sha256_hex(held) != *sha256 {
            return Err(EvidenceError::Changed { entry: name.clone() });
        }
    }
    if let Some(name) = entries.keys().find(|name| !manifest.entries.iter().any(|entry| entry.name == **name)) {
        return Err(EvidenceError::Unlisted { entry: name.clone() });
    }
    let entry = |name: &str| entries.get(name).ok_or_else(|| EvidenceError::lacks(name));
    let config: ConfigEntry = parse(CONFIG, entry(CONFIG)?)?;
    let learnt = || -> Result<LearntRecord, EvidenceError> { parse(LEARNT, entry(LEARNT)?) };
    let start = match manifest.start.as_str() {
        "learnt" => Start::Learnt(learnt()?),
        "midway" => Start::Midway(learnt()?),
        _ => Start::Nothing,
    };
    let mut revisions = Vec::new();
    for line in entry(REVISIONS)?.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        revisions.push(parse::<AlertFeature>(REVISIONS, line)?);
    }
    let alert: AlertFeature = parse(ALERT, entry(ALERT)?)?;
    if revisions.last() != Some(&alert) {
        return Err(EvidenceError::Changed { entry: ALERT.to_owned() });
    }
    let package = Package {
        revisions,
        setting: Setting {
            settings: config.engine,
            review: config.review,
            nodes: features(SENSORS, entry(SENSORS)?)?,
            areas: features(AREAS, entry(AREAS)?)?,
            notices: features(NOTICES, entry(NOTICES)?)?,
        },
        context: Context { topics: manifest.topics.clone(), start, steps: steps(&manifest, entry(RECORDS)?)? },
        scope: manifest.scope,
        compared: manifest.compared,
        recomputes: manifest.recomputes,
    };
    Ok(Opened { manifest, seal, package })
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn entries(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, EvidenceError> {
    let mut zip = ZipArchive::new(Cursor::new(bytes))?;
    let mut entries = BTreeMap::new();
    for at in 0..zip.len() {
        let mut file = zip.by_index(at)?;
        let (name, mut held) = (file.name().to_owned(), Vec::new());
        let read = file.by_ref().take(MAX_ENTRY_BYTES).read_to_end(&mut held);
        read.map_err(|_| EvidenceError::Changed { entry: name.clone() })?;
        if entries.insert(name.clone(), held).is_some() {
            return Err(EvidenceError::Unlisted { entry: name });
        }
    }
    Ok(entries)
}

fn steps(manifest: &Manifest, records: &[u8]) -> Result<Vec<(Step, bool)>, EvidenceError> {
    let mut steps = Vec::new();
    for line in records.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let record: Record = parse(RECORDS, line)?;
        let topic = manifest.topics.iter().position(|topic| *topic == record.topic);
        let topic = topic.and_then(|at| u16::try_from(at).ok()).ok_or_else(|| EvidenceError::lacks(&record.topic))?;
        let partition = (topic, record.partition);
        let step = match record.raw {
            None => Step::Ended(partition),
            Some(raw) => Step::Line(Line {
                partition,
                offset: record.offset.unwrap_or_default(),
                line: record.line.unwrap_or_default(),
                time_ns: None,
                place: None,
                raw: raw.into_bytes().into(),
            }),
        };
        steps.push((step, record.cited));
    }
    Ok(steps)
}

fn features<T: Reference>(name: &str, bytes: &[u8]) -> Result<Vec<T>, EvidenceError> {
    from_collection(bytes)
        .map_err(|mut faults| EvidenceError::Reference { entry: name.to_owned(), source: faults.swap_remove(0) })
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, EvidenceError> {
    serde_json::from_slice(bytes).map_err(|source| EvidenceError::Entry { entry: name.to_owned(), source })
}

fn readme(alert: &AlertFeature) -> String {
    let (id, software) = (&alert.properties.alert, &alert.properties.software);
    format!(
        "Evidence for the alert {id}, by {software}.

account.txt         how it was worked out, for reading
alert.json          the alert, a GeoJSON Feature
revisions.ndjson    every revision of it that was to be had
records.ndjson      the records it was worked out from, as received and in order; \"cited\" marks those it names
learnt.json         what had been learnt of nodes and places before the first record, if anything
sensors.geojson     the sensor registry, areas and notices as they stood
areas.geojson
notices.geojson
config.json         the settings; the SHA-256 of the engine's is on the alert as config_digest
manifest.json       every entry with its SHA-256
seal.txt            the SHA-256 of manifest.json

To work the alert out again and compare it byte for byte, on any machine and without a network:

    truceline evidence verify FILE.zip

It takes the version of the program that the alert names.
"
    )
}

#[cfg(test)]
mod tests;
