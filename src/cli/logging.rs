//! The program's own log.

use super::args::Common;
use crate::config::{Colour, Log};
use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// The variable that goes before everything else about the log.
pub const FILTER_VARIABLE: &str = "TRUCELINE_LOG";

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The variable holds no filter.
    #[error(
        "{FILTER_VARIABLE} held \"{held}\"; expected a level or levels by module, as in info,truceline::kafka=debug"
    )]
    Filter {
        /// What it held.
        held: String,
    },
    /// The log's file cannot be made.
    #[error("cannot write the log {path}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Starts the log on standard error, or in `file` while something else has the terminal. A second start is ignored.
///
/// # Errors
///
/// The filter cannot be read, or the file cannot be made.
pub fn start(log: &Log, common: &Common, file: Option<&Path>) -> Result<(), LogError> {
    let from_variable = std::env::var(FILTER_VARIABLE).ok().filter(|held| !held.is_empty());
    let wanted = filter(log, common, from_variable);
    let filter = EnvFilter::builder().parse(&wanted).map_err(|_| LogError::Filter { held: wanted })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    // Started already (by a test, or an embedder): that log goes on.
    let _ = match file {
        Some(path) => {
            let file =
                File::create(path).map_err(|source| LogError::File { path: path.display().to_string(), source })?;
            builder.with_ansi(false).with_writer(Mutex::new(file)).try_init()
        }
        None => builder.with_ansi(in_colour(log.colour)).with_writer(std::io::stderr).try_init(),
    };
    Ok(())
}

fn filter(log: &Log, common: &Common, from_variable: Option<String>) -> String {
    match (from_variable, common.quiet, common.verbose) {
        (Some(filter), _, _) => filter,
        (None, true, _) => "error".to_owned(),
        (None, false, 0) => log.filter.clone(),
        (None, false, 1) => "debug".to_owned(),
        (None, false, _) => "trace".to_owned(),
    }
}

/// Whether standard error takes colour.
fn in_colour(colour: Colour) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => std::io::stderr().is_terminal() && colour_is_welcome(),
    }
}

/// Whether `NO_COLOR` is unset or empty (<https://no-color.org>).
pub fn colour_is_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_goes_before_the_flags_and_the_flags_before_the_configuration() {
        let log = Log { filter: "warn".to_owned(), ..Log::default() };
        let common = |quiet, verbose| Common { quiet, verbose, ..Common::default() };
        assert_eq!(filter(&log, &common(false, 0), None), "warn");
        assert_eq!(filter(&log, &common(true, 0), None), "error");
        assert_eq!(filter(&log, &common(false, 1), None), "debug");
        assert_eq!(filter(&log, &common(false, 2), None), "trace");
        assert_eq!(filter(&log, &common(true, 0), Some("info".to_owned())), "info");
    }
}
