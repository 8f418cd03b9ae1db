//! Where alerts can be had from afterwards: the file of a replay, an archive, the topic of the newest revisions.

use super::feed::reader;
use crate::archive::{self, ArchiveError};
use crate::kafka::{KafkaError, KafkaSettings, Tables};
use crate::model::alert::AlertFeature;
use std::io::BufRead;
use std::path::PathBuf;

/// One of them.
#[derive(Clone, Debug)]
pub enum AlertSource {
    /// One revision a line, plain or compressed.
    File(PathBuf),
    /// An archive's root.
    Archive(PathBuf),
    /// `alerts.current`, as of now.
    Topic(Box<KafkaSettings>),
}

/// Why it can't be read.
#[derive(Debug, thiserror::Error)]
pub enum AlertSourceError {
    /// The file.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something that is no alert.
    #[error("{place}: expected an alert, but {source}")]
    Content {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There is no archive.
    #[error("--archive held {}; expected the root of an archive, which holds _commits", path.display())]
    NoArchive {
        /// The directory.
        path: PathBuf,
    },
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl AlertSource {
    /// Tells every revision there is; several of an alert may come, the topic tells the newest last.
    ///
    /// # Errors
    /// What can't be read, or the first record that is no alert: figures that lack one would be wrong.
    pub fn read(&self, on: &mut dyn FnMut(AlertFeature)) -> Result<(), AlertSourceError> {
        match self {
            AlertSource::File(path) => {
                let failed = |source| AlertSourceError::Read { path: path.clone(), source };
                for (number, line) in (1u64..).zip(reader(path).map_err(failed)?.lines()) {
                    let line = line.map_err(failed)?;
                    if !line.trim().is_empty() {
                        let place = || format!("{} line {number}", path.display());
                        on(alert(line.as_bytes(), place)?);
                    }
                }
                Ok(())
            }
            AlertSource::Archive(root) => {
                let mut fault = None;
                let place = || format!("an alert in {}", root.display());
                let commits = archive::each_alert(root, &mut |raw| match alert(raw.as_bytes(), place) {
                    Ok(alert) => on(alert),
                    Err(error) => fault = fault.take().or(Some(error)),
                })?;
                match fault {
                    Some(error) => Err(error),
                    None if commits == 0 => Err(AlertSourceError::NoArchive { path: root.clone() }),
                    None => Ok(()),
                }
            }
            AlertSource::Topic(kafka) => {
                let (mut fault, topic) = (None, &kafka.topics.current);
                Tables::open(kafka, std::slice::from_ref(topic))?.load(&mut |change| {
                    let Some(payload) = change.payload else { return };
                    let place = || format!("{topic} partition {} offset {}", change.partition, change.offset);
                    match alert(payload, place) {
                        Ok(alert) => on(alert),
                        Err(error) => fault = fault.take().or(Some(error)),
                    }
                })?;
                fault.map_or(Ok(()), Err)
            }
        }
    }
}

fn alert(json: &[u8], place: impl FnOnce() -> String) -> Result<AlertFeature, AlertSourceError> {
    serde_json::from_slice(json).map_err(|source| AlertSourceError::Content { place: place(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_alert_is_told_with_its_line_and_what_is_no_archive_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.ndjson");
        std::fs::write(&path, "\n{\"type\":\"Feature\"}\n").unwrap();
        let error = AlertSource::File(path).read(&mut |_| panic!("no alert")).unwrap_err().to_string();
        assert!(error.contains("alerts.ndjson line 2: expected an alert, but missing field"), "{error}");
        let root = directory.path().to_owned();
        let error = AlertSource::Archive(root).read(&mut |_| panic!("no alert")).unwrap_err().to_string();
        assert!(error.contains("expected the root of an archive"), "{error}");
    }
}
