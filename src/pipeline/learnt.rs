//! The file in which what was learnt outlives a replay.

use crate::engine::associate::record::{LearntRecord, NewerRecord};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Its name among the results.
pub const FILE_NAME: &str = "learnt.json";

/// Why what was learnt cannot be started from.
#[derive(Debug, thiserror::Error)]
pub enum LearntFileError {
    /// It can't be read.
    #[error("reading what was learnt from {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is no record, or a broken one.
    #[error("{} is no record of what was learnt: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A later program wrote it.
    #[error("{}: {source}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: NewerRecord,
    },
}

/// All that is looked at before it is known what else to expect.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads a record.
///
/// # Errors
/// The file can't be read, is no record, or is one of a later version.
pub fn read(path: &Path) -> Result<LearntRecord, LearntFileError> {
    let bytes = std::fs::read(path).map_err(|source| LearntFileError::Read { path: path.to_owned(), source })?;
    let content = |source| LearntFileError::Content { path: path.to_owned(), source };
    let versioned: Versioned = serde_json::from_slice(&bytes).map_err(content)?;
    LearntRecord::check_version(versioned.version)
        .map_err(|source| LearntFileError::Newer { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reading a file of that content says.
    fn said(content: &str) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("l.json");
        std::fs::write(&path, content).expect("written");
        read(&path).expect_err("no record").to_string().replace(&dir.path().display().to_string(), "DIR")
    }

    #[test]
    fn what_is_wrong_is_said_in_one_sentence() {
        let missing = read(Path::new("/no/such/learnt.json")).expect_err("not there").to_string();
        assert!(missing.starts_with("reading what was learnt from /no/such/learnt.json: No such file"), "{missing}");
        assert!(
            said("{").starts_with("DIR/l.json is no record of what was learnt: EOF while parsing"),
            "{}",
            said("{")
        );
        let other = said(r#"{"type":"FeatureCollection"}"#);
        assert!(other.starts_with("DIR/l.json is no record of what was learnt: missing field `version`"), "{other}");
        // Whatever else a later version may hold.
        assert_eq!(
            said(r#"{"version":2,"areas":[]}"#),
            "DIR/l.json: what was learnt is written down in version 2, and this program reads up to version 1"
        );
        assert!(said(r#"{"version":1,"regions":[{}]}"#).contains("missing field `centre`"));
    }

    #[test]
    fn an_empty_record_is_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("l.json");
        std::fs::write(&path, r#"{"version":1,"regions":[]}"#).expect("written");
        assert_eq!(read(&path).expect("a record").regions, []);
    }
}
