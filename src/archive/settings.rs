//! What can be set about the archive, with the defaults.

use super::error::ArchiveError;
use serde::{Deserialize, Serialize};

/// The archive's part of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveSettings {
    /// This writer's name. Writers that share a root need a name each: letters, digits and `_` only.
    pub writer: String,
    /// Rows after which a commit is due.
    pub max_rows: u64,
    /// Bytes on disk after which a commit is due.
    pub max_bytes: u64,
    /// Seconds of event time after which a commit is due; 0: however long it takes.
    pub max_age_s: f64,
    /// Most rows of a row group: what a reader can skip or must read at once.
    pub row_group_rows: usize,
    /// Most files open at once. One more date closes the file that has waited longest.
    pub max_open_files: usize,
    /// Zstandard's effort, 1 to 22.
    pub zstd_level: i32,
}

impl Default for ArchiveSettings {
    fn default() -> ArchiveSettings {
        ArchiveSettings {
            writer: "w0".to_owned(),
            max_rows: 2_000_000,
            max_bytes: 256 << 20,
            max_age_s: 300.0,
            row_group_rows: 131_072,
            max_open_files: 8,
            zstd_level: 3,
        }
    }
}

impl ArchiveSettings {
    /// Whether every value makes sense.
    ///
    /// # Errors
    /// [`ArchiveError::Setting`] for the first that does not.
    pub fn check(&self) -> Result<(), ArchiveError> {
        let wrong = |key, held: String, expected| Err(ArchiveError::Setting { key, held, expected });
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.writer.is_empty() || self.writer.len() > 64 || !self.writer.chars().all(plain) {
            return wrong("writer", self.writer.clone(), "1 to 64 letters, digits or _");
        }
        if self.max_rows == 0 {
            return wrong("max_rows", self.max_rows.to_string(), "1 or more");
        }
        if self.max_bytes == 0 {
            return wrong("max_bytes", self.max_bytes.to_string(), "1 or more");
        }
        if !self.max_age_s.is_finite() || self.max_age_s < 0.0 {
            return wrong("max_age_s", self.max_age_s.to_string(), "seconds, 0 or more");
        }
        if !(1..=10_000_000).contains(&self.row_group_rows) {
            return wrong("row_group_rows", self.row_group_rows.to_string(), "1 to 10000000");
        }
        if !(1..=1024).contains(&self.max_open_files) {
            return wrong("max_open_files", self.max_open_files.to_string(), "1 to 1024");
        }
        if !(1..=22).contains(&self.zstd_level) {
            return wrong("zstd_level", self.zstd_level.to_string(), "1 to 22");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_and_nonsense_is_named() {
        assert!(ArchiveSettings::default().check().is_ok());
        for (settings, key) in [
            (ArchiveSettings { writer: "a/b".into(), ..Default::default() }, "writer"),
            (ArchiveSettings { max_rows: 0, ..Default::default() }, "max_rows"),
            (ArchiveSettings { max_bytes: 0, ..Default::default() }, "max_bytes"),
            (ArchiveSettings { max_age_s: f64::NAN, ..Default::default() }, "max_age_s"),
            (ArchiveSettings { row_group_rows: 0, ..Default::default() }, "row_group_rows"),
            (ArchiveSettings { max_open_files: 0, ..Default::default() }, "max_open_files"),
            (ArchiveSettings { zstd_level: 99, ..Default::default() }, "zstd_level"),
        ] {
            let message = settings.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
