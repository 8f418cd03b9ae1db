//! What the commands have in common when they speak: outcomes, error chains, standard output, figures for people.

pub use crate::report::page::grouped;

use crate::kafka::settings::is_secret;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use thiserror::Error as ThisError;

/// What a command ends with. The binary is the end of the line for errors: nobody tells them apart any more.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// The arguments fit the grammar and still make no sense: exit code 2.
#[derive(Debug, ThisError)]
#[error("{0}")]
pub struct Misuse(pub String);

/// A file that can't be read or written, or makes no sense.
#[derive(Debug, ThisError)]
#[error("{doing} {}", path.display())]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

/// What became of a file, in words that its path follows.
pub fn failed<E: Into<Box<dyn Error + Send + Sync>>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> FileError {
    move |source| FileError { doing, path: path.to_owned(), source: source.into() }
}

/// An error and its causes as one sentence.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors repeat their cause in their own text.
        if !sentence.contains(&text) {
            sentence = format!("{sentence}: {text}");
        }
        cause = error.source();
    }
    sentence
}

/// Whether it failed because the reader of the output has gone (`| head`), which is no failure.
pub fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Prints to standard output, and reports what `print!` would panic at.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// How the program was called, secrets left out.
pub fn called() -> String {
    let hidden = |word: String| match word.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}=***"),
        _ => word,
    };
    std::env::args().map(hidden).collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, ThisError)]
    #[error("cannot write {0}")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn an_error_and_its_causes_are_one_sentence() {
        let error = Outer("alerts.ndjson", std::io::Error::other("no space left"));
        assert_eq!(chain(&error), "cannot write alerts.ndjson: no space left");
        assert!(!is_closed_pipe(&error));
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        assert!(is_closed_pipe(&Outer("standard output", std::io::ErrorKind::BrokenPipe.into())));
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
