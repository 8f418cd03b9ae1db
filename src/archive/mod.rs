//! The archive: telemetry, alerts and rejected lines as Parquet files under one directory.
//!
//! Rows go in with the place in the input they were read from; a commit makes a set of files and the offsets they
//! cover durable together, or not at all. After a crash [`Archive::durable`] says where to read on, so that every
//! row is in the archive exactly once. docs/archive.md describes it for readers.

mod columns;
mod commit;
mod error;
mod read;
mod rows;
mod schema;
mod settings;
mod store;
mod verify;
mod writer;

pub use commit::Manifest;
pub use error::ArchiveError;
pub use read::{ArchivedLine, each_alert, revisions, telemetry};
pub use schema::Table;
pub use settings::ArchiveSettings;
pub use store::{Archive, Counts, Durable, ReadFrom, RejectedLine};
pub use verify::{Report, TableReport, verify};
pub use writer::{CommittedFile, OffsetRange};
