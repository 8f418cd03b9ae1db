//! Reference data from files: sensors, areas, notices.

use crate::codec::reference::{Reference as Feature, ReferenceError, from_collection};
use crate::engine::places::Places;
use crate::model::area::Area;
use crate::model::node::{Node, Registry};
use crate::model::notice::Notice;
use std::path::{Path, PathBuf};

/// What a reference file has wrong.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceFileError {
    /// It can't be read.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is read, but wrong.
    #[error("{}: {}{}", path.display(), first, if *others == 0 { String::new() } else { format!(" (and {others} more faults)") })]
    Content {
        /// The file.
        path: PathBuf,
        /// The first fault.
        first: ReferenceError,
        /// How many more there are.
        others: usize,
    },
}

/// The three files; those not given are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceFiles {
    /// The sensor registry.
    pub sensors: Option<PathBuf>,
    /// Areas and lines.
    pub areas: Option<PathBuf>,
    /// Notices.
    pub notices: Option<PathBuf>,
}

/// What they hold.
#[derive(Clone, Debug, Default)]
pub struct ReferenceLists {
    /// The sensor registry.
    pub nodes: Vec<Node>,
    /// Areas and lines.
    pub areas: Vec<Area>,
    /// Notices.
    pub notices: Vec<Notice>,
}

impl From<&crate::config::Reference> for ReferenceFiles {
    fn from(reference: &crate::config::Reference) -> ReferenceFiles {
        ReferenceFiles {
            sensors: reference.sensors.clone(),
            areas: reference.areas.clone(),
            notices: reference.notices.clone(),
        }
    }
}

impl ReferenceFiles {
    /// Reads all three.
    ///
    /// # Errors
    /// The first file that can't be read, or that has a fault.
    pub fn load(&self) -> Result<(Registry, Places), ReferenceFileError> {
        let ReferenceLists { nodes, areas, notices } = self.lists()?;
        Ok((Registry::new(nodes), Places::new(areas, notices)))
    }

    /// Reads all three, as they stand.
    ///
    /// # Errors
    /// As [`ReferenceFiles::load`].
    pub fn lists(&self) -> Result<ReferenceLists, ReferenceFileError> {
        Ok(ReferenceLists {
            nodes: features(self.sensors.as_deref())?,
            areas: features(self.areas.as_deref())?,
            notices: features(self.notices.as_deref())?,
        })
    }
}

fn features<T: Feature>(path: Option<&Path>) -> Result<Vec<T>, ReferenceFileError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let file = std::fs::read(path).map_err(|source| ReferenceFileError::Read { path: path.to_owned(), source })?;
    from_collection(&file).map_err(|mut faults| {
        let others = faults.len().saturating_sub(1);
        ReferenceFileError::Content { path: path.to_owned(), first: faults.swap_remove(0), others }
    })
}
