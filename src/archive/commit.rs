//! Commits: what is in the archive is what the manifests list, and each manifest comes into being at once.
//!
//! A commit is a set of finished files and then one small file, `_commits/<number>.json`, that lists them with the
//! offsets they cover. It is written under a temporary name, forced to disk, and linked to its number; the link
//! fails if the number is taken, which is how writers that share a root keep out of each other's way. Files that
//! no manifest lists are the remains of a crash and are removed when their writer opens the archive again.

use super::error::ArchiveError;
use super::schema::{FORMAT, Table};
use super::writer::{CommittedFile, OffsetRange, TEMPORARY, sync_directory};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The directory of the manifests, beside the tables'. Readers of Parquet trees skip names with `_` in front.
pub(super) const COMMITS: &str = "_commits";

/// What one commit added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this file's form: 1.
    pub format: u32,
    /// Its number; the first is 1 and none is left out.
    pub commit: u64,
    /// Who wrote it.
    pub writer: String,
    /// The program and its version.
    pub software: String,
    /// The files it adds.
    pub files: Vec<CommittedFile>,
    /// For each partition: the first offset it covers and the next that it does not. Where the partition was
    /// archived before, `first` is where that ended.
    pub offsets: Vec<OffsetRange>,
}

/// The next offset to read of each partition.
pub(super) type Covered = BTreeMap<(String, i32), i64>;

/// All commits so far.
pub(super) struct CommitLog {
    directory: PathBuf,
    last: u64,
    covered: Covered,
}

impl CommitLog {
    /// Reads what others and we have committed; creates an empty log if there is none.
    pub(super) fn open(root: &Path) -> Result<CommitLog, ArchiveError> {
        let directory = root.join(COMMITS);
        std::fs::create_dir_all(&directory).map_err(ArchiveError::io("create directory", &directory))?;
        sync_directory(root)?;
        let mut log = CommitLog { directory, last: 0, covered: Covered::new() };
        log.refresh()?;
        Ok(log)
    }

    /// Reads the commits made since the last look.
    pub(super) fn refresh(&mut self) -> Result<Vec<Manifest>, ArchiveError> {
        let mut news = Vec::new();
        while let Some(manifest) = read_manifest(&self.directory, self.last + 1)? {
            for range in &manifest.offsets {
                let next = self.covered.entry((range.topic.clone(), range.partition)).or_insert(range.next);
                *next = (*next).max(range.next);
            }
            self.last += 1;
            news.push(manifest);
        }
        Ok(news)
    }

    /// The number that the next commit would have.
    pub(super) fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// The next offset to read of each partition.
    pub(super) fn covered(&self) -> &Covered {
        &self.covered
    }

    /// Makes these files part of the archive; for good once [`CommitLog::settle`] has returned too.
    ///
    /// # Errors
    /// [`ArchiveError::Overtaken`] if another writer has covered any of the offsets meanwhile; nothing is added.
    pub(super) fn append(
        &mut self,
        writer: &str,
        files: &[CommittedFile],
        offsets: Vec<OffsetRange>,
    ) -> Result<(), ArchiveError> {
        let mut manifest = Manifest {
            format: FORMAT,
            commit: 0,
            writer: writer.to_owned(),
            software: concat!("truceline ", env!("CARGO_PKG_VERSION")).to_owned(),
            files: files.to_vec(),
            offsets,
        };
        let temporary = self.directory.join(format!("{writer}.json{TEMPORARY}"));
        loop {
            manifest.commit = self.next_number();
            let path = manifest_path(&self.directory, manifest.commit);
            write_durably(&temporary, &manifest)?;
            match std::fs::hard_link(&temporary, &path) {
                Ok(()) => {
                    // Left behind it does no harm: the next commit writes over it.
                    let _ = std::fs::remove_file(&temporary);
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(ArchiveError::io("link manifest", &path)(error)),
            }
            for other in self.refresh()? {
                let taken = other.offsets.iter().find(|theirs| {
                    manifest.offsets.iter().any(|ours| {
                        ours.topic == theirs.topic && ours.partition == theirs.partition && ours.first < theirs.next
                    })
                });
                if let Some(taken) = taken {
                    return Err(ArchiveError::Overtaken {
                        topic: taken.topic.clone(),
                        partition: taken.partition,
                        next: taken.next,
                    });
                }
            }
        }
    }

    /// Forces the manifests' names to disk and takes them into account.
    pub(super) fn settle(&mut self) -> Result<(), ArchiveError> {
        sync_directory(&self.directory)?;
        self.refresh().map(drop)
    }
}

fn write_durably(path: &Path, manifest: &Manifest) -> Result<(), ArchiveError> {
    let text = serde_json::to_vec_pretty(manifest)
        .map_err(|error| ArchiveError::Manifest { path: path.to_owned(), reason: error.to_string() })?;
    let mut file = File::create(path).map_err(ArchiveError::io("create", path))?;
    file.write_all(&text).map_err(ArchiveError::io("write", path))?;
    file.sync_all().map_err(ArchiveError::io("force to disk", path))
}

fn manifest_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:010}.json"))
}

/// The manifest of that number, if there is one.
pub(super) fn read_manifest(directory: &Path, number: u64) -> Result<Option<Manifest>, ArchiveError> {
    let path = manifest_path(directory, number);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ArchiveError::io("read", &path)(error)),
    };
    let unreadable = |reason: String| ArchiveError::Manifest { path: path.clone(), reason };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    if manifest.format != FORMAT {
        return Err(unreadable(format!("its format is {}; this program reads {FORMAT}", manifest.format)));
    }
    if manifest.commit != number {
        return Err(unreadable(format!("it says it is commit {}", manifest.commit)));
    }
    Ok(Some(manifest))
}

/// Holds the writer's name for this process until it is dropped. It unlocks rather than leave that to the closing of
/// the file: a child process that is being started meanwhile holds a copy of the file until it becomes its program.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // If it fails, the closing of the file is still to come.
        let _ = self.0.unlock();
    }
}

/// Takes the writer's name for this process.
pub(super) fn lock(root: &Path, writer: &str) -> Result<Lock, ArchiveError> {
    let path = root.join(COMMITS).join(format!("{writer}.lock"));
    let file = File::create(&path).map_err(ArchiveError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(ArchiveError::Locked { path }),
        Err(TryLockError::Error(error)) => Err(ArchiveError::io("lock", &path)(error)),
    }
}

/// Removes the files of this writer that no manifest lists; how many there were.
pub(super) fn remove_remains(root: &Path, writer: &str) -> Result<usize, ArchiveError> {
    let directory = root.join(COMMITS);
    let mut listed = HashSet::new();
    let mut number = 1;
    while let Some(manifest) = read_manifest(&directory, number)? {
        listed
            .extend(manifest.files.into_iter().filter(|_| manifest.writer == writer).map(|file| root.join(file.path)));
        number += 1;
    }
    let mut removed = 0;
    for table in Table::ALL {
        for path in files_under(&root.join(table.as_str()))? {
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            if name.split('-').nth(1) == Some(writer) && !listed.contains(&path) {
                std::fs::remove_file(&path).map_err(ArchiveError::io("remove", &path))?;
                removed += 1;
            }
        }
    }
    let temporary = directory.join(format!("{writer}.json{TEMPORARY}"));
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ArchiveError::io("remove", &temporary)(error))
        }
        _ => Ok(removed),
    }
}

/// The numbers of the commits of the archive under `root`, in order.
pub(super) fn commits_under(root: &Path) -> Result<Vec<u64>, ArchiveError> {
    let mut numbers: Vec<u64> = files_under(&root.join(COMMITS))?
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .filter_map(|path| path.file_stem()?.to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// All files in a table's directory and in those of its dates, in the order of their paths.
pub(super) fn files_under(directory: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(ArchiveError::io("list", directory)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(ArchiveError::io("list", directory))?;
        if entry.file_type().map_err(ArchiveError::io("look at", &entry.path()))?.is_dir() {
            files.extend(files_under(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writers_name_is_free_at_once_though_a_child_that_is_being_started_holds_a_copy_of_the_file() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(COMMITS)).unwrap();
        let held = lock(root.path(), "w0").unwrap();
        let copy = held.0.try_clone().unwrap();
        assert!(matches!(lock(root.path(), "w0"), Err(ArchiveError::Locked { .. })));
        drop(held);
        lock(root.path(), "w0").unwrap();
        drop(copy);
    }
}
