//! What can go wrong with the archive.

use parquet::errors::ParquetError;
use std::path::{Path, PathBuf};

/// Why the archive could not be opened, written or committed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system refused: disk full, no permission, a broken disk.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The Parquet or Arrow library refused.
    #[error("cannot write or read Parquet file {path}: {source}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The library's answer.
        source: ParquetError,
    },
    /// A manifest is not what this program writes.
    #[error("manifest {path} is not readable: {reason}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process writes under the same name.
    #[error("{path} is locked: another process writes this archive under the same writer name")]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// Another writer has committed offsets that this one was about to commit: its rows are dropped here.
    #[error(
        "another writer has already archived {topic}/{partition} up to offset {next}; nothing of this commit is kept"
    )]
    Overtaken {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The other's next offset.
        next: i64,
    },
    /// A setting makes no sense.
    #[error("archive.{key} held {held}; expected {expected}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What it held.
        held: String,
        /// What would do.
        expected: &'static str,
    },
    /// A row names a topic by a number that the list of topics does not have.
    #[error("a row names topic number {number}, but only {known} topics are known")]
    UnknownTopic {
        /// The number.
        number: u16,
        /// How many there are.
        known: usize,
    },
    /// An earlier call failed and what was not durable is gone: call `resume` and read again from there.
    #[error("an earlier write failed; resume, and read again from the durable offsets")]
    Interrupted,
}

impl ArchiveError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ArchiveError {
        let path = path.to_owned();
        move |source| ArchiveError::Io { doing, path, source }
    }

    /// A Parquet error; the system's own error inside it is brought to light.
    pub(super) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> ArchiveError {
        let path = path.to_owned();
        move |source| match source {
            ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(source) => ArchiveError::Io { doing: "write", path, source: *source },
                Err(inner) => ArchiveError::Parquet { path, source: ParquetError::External(inner) },
            },
            source => ArchiveError::Parquet { path, source },
        }
    }
}
