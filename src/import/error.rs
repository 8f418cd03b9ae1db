//! What ends an import, and what only leaves a row out.

use super::Format;
use std::path::{Path, PathBuf};

/// Why an import ended.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No file was named, or the directories are empty.
    #[error("there is no file to import")]
    NoInput,
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// No format is known that looks like this.
    #[error("{path} shows none of the known formats ({}); name one", Format::ALL.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", "))]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A table lacks a column.
    #[error("{path} line 1: no column {expected}; the columns are {held}")]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The names that would do.
        expected: String,
        /// The names there are.
        held: String,
    },
    /// A file is not of its format from some line on.
    #[error("{path} line {line}: {message}")]
    NotTheFormat {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// Among the files the one with the sensors is missing.
    #[error("none of the files is a list of stations; expected {expected} among them")]
    NoStations {
        /// What it looks like.
        expected: &'static str,
    },
    /// An option is needed or makes no sense.
    #[error("--{option} held {held}; expected {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// What it held.
        held: String,
        /// What would do.
        expected: &'static str,
    },
}

impl ImportError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ImportError {
        let path = path.to_owned();
        move |source| ImportError::Io { path, source }
    }
}

/// Why a row is left out: a code to count by and a sentence.
pub(super) struct Skip {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Skip {
    pub(super) fn field(reason: &'static str, field: &str, held: &str, expected: &str) -> Skip {
        let held: String = held.chars().take(60).collect();
        Skip { reason, message: format!("{field} held '{held}'; expected {expected}") }
    }
}
