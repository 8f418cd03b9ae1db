//! Evidence that proves itself: an alert with all that it was worked out from, and the way to work it out again.
//!
//! [`course`] goes through all that was read once. [`context`] finds the lines that had a bearing on an alert, by trying
//! whether it comes out the same ([`recompute`]). [`package`] is the file, [`account`] its readable page.

pub mod account;
pub mod context;
pub mod course;
pub mod package;
pub mod recompute;

use crate::archive::ArchiveError;
use crate::codec::alert::EncodeError;
use crate::codec::reference::ReferenceError;
use crate::engine::associate::record::NewerRecord;
use crate::model::alert::AlertFeature;
use crate::pipeline::feed::FeedError;
use context::{Found, Scope, find};
use course::Course;
use package::{Opened, Package};
use recompute::{Setting, Start, bytes};

/// Why evidence can't be packed, or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Telemetry.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What was learnt.
    #[error(transparent)]
    Learnt(#[from] NewerRecord),
    /// Telemetry that is too long.
    #[error(
        "the telemetry holds more than {bytes} bytes; give a shorter stretch of it, with --learnt for what came before"
    )]
    TooLong {
        /// The limit.
        bytes: u64,
    },
    /// No such alert.
    #[error(
        "nothing that was read gives the alert {alert}; {known} others come of it. An archive may be seconds behind what \
         was said, more if it was stopped: run it until it has caught up"
    )]
    Unknown {
        /// The alert.
        alert: String,
        /// How many there are.
        known: usize,
    },
    /// Nothing to pack.
    #[error("the package has no revision of the alert")]
    Empty,
    /// What can't be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// What can't be encoded.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The ZIP itself.
    #[error("it is no whole ZIP file: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// An entry that is not there.
    #[error("it lacks {entry}")]
    Lacks {
        /// Its name.
        entry: String,
    },
    /// An entry that is not as it was.
    #[error("{entry} has been changed: its SHA-256 is not the one that is listed")]
    Changed {
        /// Its name.
        entry: String,
    },
    /// An entry that was added.
    #[error("{entry} is in it and not on its list")]
    Unlisted {
        /// Its name.
        entry: String,
    },
    /// Another seal than the one that was noted.
    #[error("its seal is {found}; expected {expected}")]
    Seal {
        /// What it is.
        found: String,
        /// What was noted.
        expected: String,
    },
    /// An entry that makes no sense.
    #[error("{entry} can't be read: {source}")]
    Entry {
        /// Its name.
        entry: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// Reference data that makes no sense.
    #[error("{entry}: {source}")]
    Reference {
        /// The entry.
        entry: String,
        /// The cause.
        source: ReferenceError,
    },
    /// Written by a later program.
    #[error("it is of format {found}, and this program reads up to {}", package::FORMAT)]
    Newer {
        /// Its format.
        found: u32,
    },
    /// Made by another version.
    #[error("the alert is by {made}, and this program is {here}: only that version gives its bytes")]
    OtherVersion {
        /// Which made it.
        made: String,
        /// This one.
        here: String,
    },
    /// It comes out otherwise.
    #[error("the alert comes out otherwise from these records: {differs}")]
    Differs {
        /// What is not the same.
        differs: String,
    },
}

impl EvidenceError {
    fn lacks(entry: &str) -> EvidenceError {
        EvidenceError::Lacks { entry: entry.to_owned() }
    }
}

/// Packs an alert. `stated` are its revisions as they were said; without any, as they come of the course.
///
/// # Errors
/// No such alert; what was learnt is of a later version.
pub fn pack(
    alert: &str,
    stated: Vec<AlertFeature>,
    course: &Course,
    setting: &Setting,
    start: &Start,
) -> Result<Package, EvidenceError> {
    let revisions = match (stated.is_empty(), course.said.get(alert)) {
        (false, _) => stated,
        (true, Some(history)) => history.revisions.clone(),
        (true, None) => {
            return Err(EvidenceError::Unknown { alert: alert.to_owned(), known: course.said.len() });
        }
    };
    let newest = revisions.last().ok_or(EvidenceError::Empty)?;
    let found = find(course, newest, setting, start)?;
    let Found { context, scope, compared, is_same: recomputes } = found;
    Ok(Package { revisions, setting: setting.clone(), context, scope, compared, recomputes })
}

/// Works the alert of a package out again and compares it byte for byte.
///
/// # Errors
/// It comes out otherwise, or this is not the version that made it.
pub fn verify(opened: &Opened) -> Result<(), EvidenceError> {
    let Opened { manifest, package, .. } = opened;
    let alert = package.alert().ok_or(EvidenceError::Empty)?;
    let here = concat!("truceline ", env!("CARGO_PKG_VERSION"));
    if alert.properties.software != here {
        return Err(EvidenceError::OtherVersion { made: alert.properties.software.clone(), here: here.to_owned() });
    }
    let digest = package.setting.settings.digest();
    if digest != alert.properties.config_digest || alert.properties.alert != manifest.alert {
        return Err(EvidenceError::Differs { differs: "config_digest, or the alert's id".to_owned() });
    }
    let expected = bytes(alert, manifest.compared)?;
    let revisions = recompute::revisions(&manifest.alert, &package.setting, &package.context)?;
    for revision in &revisions {
        if bytes(revision, manifest.compared)? == expected {
            return Ok(());
        }
    }
    Err(EvidenceError::Differs { differs: differences(alert, revisions.last()) })
}

/// The fields in which two alerts differ.
fn differences(said: &AlertFeature, now: Option<&AlertFeature>) -> String {
    let Some(now) = now else { return "nothing comes of them".to_owned() };
    let fields = |feature: &AlertFeature| {
        let mut value = serde_json::to_value(feature).unwrap_or_default();
        let geometry = value["geometry"].take();
        let mut fields = value["properties"].as_object().cloned().unwrap_or_default();
        fields.insert("geometry".to_owned(), geometry);
        fields.retain(|name, _| name != "latency" && name != "revision");
        fields
    };
    let (said, now) = (fields(said), fields(now));
    let names: std::collections::BTreeSet<&String> = said.keys().chain(now.keys()).collect();
    let differ: Vec<&str> =
        names.into_iter().filter(|name| said.get(*name) != now.get(*name)).map(|it| &**it).collect();
    differ.join(", ")
}

/// How wide the selections of a number of packages are, and how many alerts come out the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By scope: packages that recompute.
    pub same: std::collections::BTreeMap<Scope, usize>,
    /// Packages that do not.
    pub other: usize,
}

impl Tally {
    /// Counts a package.
    pub fn count(&mut self, package: &Package) {
        match package.recomputes {
            true => *self.same.entry(package.scope).or_default() += 1,
            false => self.other += 1,
        }
    }
}
