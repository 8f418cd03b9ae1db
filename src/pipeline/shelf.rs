//! Where checkpoints lie: files of one directory, each called by the SHA-256 of what is in it.
//!
//! The said-table names the newest whose every word has been committed; so a file that is half written, of another
//! process or of another time is not mistaken for it. A checkpoint that is missing costs time and nothing else.

use super::run::Run;
use crate::engine::book::sha256_hex;
use crate::engine::checkpoint::Written;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Making a checkpoint takes the engine's time: no more than this share of it. An alert waits for it as long as it takes, and for what
/// came meanwhile as long again at half load: so of 150 alerts one does at most.
const SHARE: u32 = 300;

/// Files that are kept beside the newest: that may not be committed, nor the one before.
const KEPT: usize = 2;

const ENDING: &str = "checkpoint";

/// So much is written to the disk at once: who writes to the same one, as the archive does, waits no longer than for that.
const SLICE_BYTES: usize = 4 << 20;

/// Keeps checkpoints.
pub trait Shelf {
    /// Room for a checkpoint, when it is time for one: so many records have been read since the last one, or since the
    /// start.
    fn room(&mut self, records: u64) -> Option<Vec<u8>>;

    /// Lays a checkpoint down; `took` is how long the engine was at it.
    fn lay_down(&mut self, checkpoint: Written, took: Duration);

    /// The digest of the checkpoint that was laid down last, told once, when it would outlive the process.
    fn laid_down(&mut self) -> Option<String>;

    /// The checkpoint of that digest is of no use: it is not found again.
    fn forget(&mut self, digest: &str);

    /// The checkpoint of that digest, if it is whole.
    fn find(&mut self, digest: &str) -> Option<Vec<u8>>;
}

/// A directory of checkpoints.
pub struct Directory {
    path: PathBuf,
    /// What the files of this run are called before their digest.
    prefix: String,
    every_records: u64,
    not_before: Instant,
    writing: Option<JoinHandle<io::Result<(String, usize)>>>,
    /// Room that is being made for the next one.
    room: Option<JoinHandle<Vec<u8>>>,
    /// The digests of the last ones, the newest last.
    last: VecDeque<String>,
    /// How much room the last one took: it is not kept, for it is as much as the engine's own.
    len: usize,
    told: String,
}

impl Directory {
    /// The directory of that run's settings; `None` where there are to be no checkpoints.
    pub fn of(run: &Run) -> Option<Directory> {
        let kafka = &run.kafka;
        let is_wanted = kafka.exactly_once && !kafka.checkpoint_dir.as_os_str().is_empty();
        // All parts of the regions together read so many.
        let parts = run.part.as_ref().map_or(1, |part| part.layout.parts().max(1));
        let every_records = (kafka.checkpoint_records / parts).max(1);
        is_wanted.then(|| Directory::new(&kafka.checkpoint_dir, &kafka.transactional_id(), every_records.into()))
    }

    /// The checkpoints of the run of that id.
    fn new(path: &Path, id: &str, every_records: u64) -> Directory {
        Directory {
            path: path.to_owned(),
            prefix: prefix_of(id),
            every_records,
            not_before: Instant::now(),
            writing: None,
            room: None,
            last: VecDeque::new(),
            len: 0,
            told: String::new(),
        }
    }
}

impl Shelf for Directory {
    fn room(&mut self, records: u64) -> Option<Vec<u8>> {
        let is_due = records >= self.every_records && self.writing.is_none() && Instant::now() >= self.not_before;
        if !is_due {
            return None;
        }
        let len = self.len + self.len / 16;
        if len == 0 {
            return Some(Vec::new());
        }
        let room = self.room.get_or_insert_with(|| std::thread::spawn(move || touched(len)));
        let room = room.is_finished().then(|| self.room.take())??;
        Some(room.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }

    fn lay_down(&mut self, checkpoint: Written, took: Duration) {
        self.not_before = Instant::now() + SHARE * took;
        while self.last.len() > KEPT {
            self.last.pop_front();
        }
        let (path, prefix, keep) = (self.path.clone(), self.prefix.clone(), self.last.clone());
        self.writing = Some(std::thread::spawn(move || {
            let checkpoint = checkpoint.finish().map_err(io::Error::other)?;
            let (mib, took_ms) = (checkpoint.len() >> 20, took.as_millis() as u64);
            tracing::debug!(mib, took_ms, "a checkpoint is made");
            Ok((write(&path, &prefix, &checkpoint, &keep)?, checkpoint.len()))
        }));
    }

    fn laid_down(&mut self) -> Option<String> {
        let writing = self.writing.take_if(|writing| writing.is_finished())?;
        match writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            Ok((digest, len)) => {
                self.len = len;
                self.last.push_back(digest.clone());
                Some(digest)
            }
            Err(error) => {
                let why = format!(
                    "kafka.checkpoint_dir is {:?}, where no checkpoint can be written: {error}; until one can, a restart \
                     reads kafka.recall_s again",
                    self.path
                );
                if why != self.told {
                    tracing::warn!("{why}");
                    self.told = why;
                }
                None
            }
        }
    }

    fn forget(&mut self, digest: &str) {
        if let Err(error) = fs::remove_file(self.path.join(name_of(&self.prefix, digest))) {
            tracing::warn!("forgetting checkpoint {digest}: {error}");
        }
    }

    fn find(&mut self, digest: &str) -> Option<Vec<u8>> {
        let checkpoint = fs::read(self.path.join(name_of(&self.prefix, digest))).ok()?;
        if sha256_hex(&checkpoint) != digest {
            return None;
        }
        self.last.push_back(digest.to_owned());
        self.len = checkpoint.len();
        Some(checkpoint)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            // What it came to is told in no transaction any more.
            let _ = writing.join();
        }
    }
}

/// Room for so many bytes, all of which has been written to once: memory that is new comes page by page from the system, and
/// that would be the engine's time.
fn touched(len: usize) -> Vec<u8> {
    let mut room = vec![1; len];
    room.clear();
    room
}

/// Ids are any text, file names are not.
fn prefix_of(id: &str) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() || "-_".contains(char) { char } else { '_' };
    format!("{}-{}-", id.chars().map(plain).collect::<String>(), &sha256_hex(id.as_bytes())[..8])
}

fn name_of(prefix: &str, digest: &str) -> String {
    format!("{prefix}{digest}.{ENDING}")
}

/// Writes the file under another name first, so that none is ever there in part, and forgets those of this run that are not
/// to be kept.
fn write(path: &Path, prefix: &str, checkpoint: &[u8], keep: &VecDeque<String>) -> io::Result<String> {
    let digest = sha256_hex(checkpoint);
    let unfinished = path.join(format!("{prefix}unfinished"));
    fs::create_dir_all(path)?;
    let mut file = File::create(&unfinished)?;
    let mut slices = checkpoint.chunks(SLICE_BYTES);
    let written = slices.try_for_each(|slice| file.write_all(slice).and_then(|()| file.sync_data()));
    let written = written.and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written {
        // What a full disk has no room for is not to stay and take some.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    fs::rename(&unfinished, path.join(name_of(prefix, &digest)))?;
    File::open(path)?.sync_all()?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let own = name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_suffix(ENDING)?.strip_suffix('.'));
        if own.is_some_and(|own| own != digest && !keep.iter().any(|kept| kept == own)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &Path) -> Directory {
        Directory::new(path, "a/b", 10)
    }

    /// Lays it down and waits for the word.
    fn lay_down(directory: &mut Directory, checkpoint: &[u8]) -> Option<String> {
        directory.lay_down(Written::of(checkpoint), Duration::ZERO);
        while directory.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            std::thread::yield_now();
        }
        directory.laid_down()
    }

    #[test]
    fn what_was_laid_down_is_found_by_its_digest_and_nothing_else_is() {
        let scratch = tempfile::tempdir().unwrap();
        let mut shelf = directory(&scratch.path().join("made/for/it"));
        assert!(shelf.room(9).is_none() && shelf.room(10).is_some(), "when there is something to be spared");
        let digest = lay_down(&mut shelf, b"all that is known").unwrap();
        assert_eq!(shelf.laid_down(), None, "told once");
        assert_eq!(shelf.find(&digest).as_deref(), Some(&b"all that is known\0\0\0"[..]), "and no alerts");
        assert_eq!(shelf.find(&sha256_hex(b"another")), None);
        let file = fs::read_dir(&shelf.path).unwrap().next().unwrap().unwrap().path();
        fs::write(&file, b"all that is krown").unwrap();
        assert_eq!(shelf.find(&digest), None, "one bit is another");
    }

    #[test]
    fn room_for_the_next_is_made_beside_the_engine() {
        let scratch = tempfile::tempdir().unwrap();
        let mut shelf = directory(scratch.path());
        assert_eq!(shelf.room(10).map(|room| room.capacity()), Some(0), "nobody knows how much it takes");
        lay_down(&mut shelf, &[7; 100_000]).unwrap();
        assert!(shelf.room(9).is_none() && shelf.room.is_none(), "not before it is due");
        let room = std::iter::repeat_with(|| shelf.room(10)).flatten().next().unwrap();
        assert!(room.is_empty() && room.capacity() >= 100_000);
    }

    #[test]
    fn the_newest_stay() {
        let scratch = tempfile::tempdir().unwrap();
        let mut shelf = directory(scratch.path());
        fs::write(scratch.path().join("somebody-else.checkpoint"), b"theirs").unwrap();
        let digests: Vec<String> =
            (0..6u8).map(|number| lay_down(&mut shelf, &[number]).expect("it can be written")).collect();
        let found: Vec<bool> = digests.iter().map(|digest| shelf.find(digest).is_some()).collect();
        assert_eq!(found, [false, false, false, true, true, true]);
        assert!(scratch.path().join("somebody-else.checkpoint").exists());
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, b"").unwrap();
        let mut shelf = directory(&file);
        assert_eq!(lay_down(&mut shelf, b"x"), None);
        assert!(shelf.told.contains("no checkpoint can be written"), "{}", shelf.told);
        assert!(shelf.room(10).is_some(), "it is tried again");
    }

    #[test]
    fn making_checkpoints_takes_a_small_share_of_the_time() {
        let scratch = tempfile::tempdir().unwrap();
        let mut shelf = directory(scratch.path());
        shelf.lay_down(Written::of(b""), Duration::from_secs(3600));
        assert!(shelf.room(1_000_000).is_none());
    }
}
