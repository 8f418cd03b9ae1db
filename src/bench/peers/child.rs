//! A program under measurement, in a process of its own.
//!
//! On standard output or error it says how far it is, in lines that hold `observations=N` and may hold `dropped=N` and
//! `revisions=N`; the rest is kept for the case that it fails.

use super::super::BenchError;
use super::super::usage::{Moment, peak_kib_of};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long it may take to end when told to.
const ENDING: Duration = Duration::from_secs(30);
/// Lines of it that are kept.
const TAIL: usize = 12;
/// Between two looks at it.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What it has said.
#[derive(Default)]
struct Told {
    observations: AtomicU64,
    dropped: AtomicU64,
    revisions: AtomicU64,
    tail: Mutex<VecDeque<String>>,
}

/// The process. Dropped, it is ended.
pub struct Running {
    name: String,
    process: Child,
    told: Arc<Told>,
    listeners: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// There is no such program.
    pub fn start(name: &str, mut command: Command) -> Result<Running, BenchError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |why: std::io::Error| BenchError::Peer { name: name.to_owned(), why: why.to_string() };
        let mut process = command.spawn().map_err(failed)?;
        let told = Arc::new(Told::default());
        let mut listeners = Vec::new();
        if let Some(out) = process.stdout.take() {
            listeners.push(listen(out, told.clone()));
        }
        if let Some(out) = process.stderr.take() {
            listeners.push(listen(out, told.clone()));
        }
        Ok(Running { name: name.to_owned(), process, told, listeners })
    }

    /// Observations that are through.
    pub fn observations(&self) -> u64 {
        self.told.observations.load(Ordering::Acquire)
    }

    /// Observations that it says it has passed over.
    pub fn dropped(&self) -> u64 {
        self.told.dropped.load(Ordering::Acquire)
    }

    /// Alert revisions that it says it has sent.
    pub fn revisions(&self) -> u64 {
        self.told.revisions.load(Ordering::Acquire)
    }

    /// Wall time and its processor time.
    pub fn moment(&self) -> Moment {
        Moment::of(&self.process.id().to_string())
    }

    /// The most memory that it had in use, KiB.
    pub fn peak_kib(&self) -> Option<u64> {
        peak_kib_of(&self.process.id().to_string())
    }

    /// That it still runs.
    ///
    /// # Errors
    /// It has ended, by what its last lines say.
    pub fn check(&mut self) -> Result<(), BenchError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                // What it said last is there when its ends of the pipes are closed.
                self.listeners.drain(..).for_each(|listener| drop(listener.join()));
                let tail = self.told.tail.lock().unwrap_or_else(PoisonError::into_inner);
                let said: Vec<&str> = tail.iter().map(String::as_str).collect();
                let why = format!("it ended ({status}), and had said:\n{}", said.join("\n"));
                Err(BenchError::Peer { name: self.name.clone(), why })
            }
            Err(error) => Err(BenchError::Peer { name: self.name.clone(), why: error.to_string() }),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            // The shell knows how to ask; should there be none, it is not asked.
            let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.process.id())]).status();
        }
        let told = Instant::now();
        while let Ok(None) = self.process.try_wait() {
            if told.elapsed() > ENDING {
                tracing::warn!("{} does not end by itself", self.name);
                // Fails only when it is gone.
                let _ = self.process.kill();
                let _ = self.process.wait();
                break;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        self.listeners.drain(..).for_each(|listener| drop(listener.join()));
    }
}

fn listen(out: impl Read + Send + 'static, told: Arc<Told>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let Some(observations) = number(&line, "observations=") else {
                let mut tail = told.tail.lock().unwrap_or_else(PoisonError::into_inner);
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line.into_owned());
                continue;
            };
            for (to, name) in [(&told.dropped, "dropped="), (&told.revisions, "revisions=")] {
                if let Some(number) = number(&line, name) {
                    to.store(number, Ordering::Release);
                }
            }
            told.observations.store(observations, Ordering::Release);
        }
    })
}

/// The number that follows on `name` in a line.
fn number(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    #[test]
    fn what_it_says_is_read_and_it_ends_when_told_to() {
        let text = "echo started; echo ' so far observations=41 rejected=0 revisions=7'; echo observations=42 dropped=3 >&2; exec tail -f /dev/null";
        let mut running = Running::start("it", shell(text)).unwrap();
        while running.observations() < 41 || running.dropped() < 3 {
            running.check().unwrap();
        }
        assert_eq!((running.dropped(), running.peak_kib().is_some()), (3, true));
    }

    #[test]
    fn one_that_fails_is_quoted() {
        let mut running = Running::start("it", shell("echo no broker >&2; exit 3")).unwrap();
        let said = loop {
            if let Err(error) = running.check() {
                break error.to_string();
            }
        };
        assert!(said.contains("it ended (exit status: 3)") && said.ends_with("no broker"), "{said}");
        assert!(Running::start("it", Command::new("/no/such/program")).is_err());
    }

    #[test]
    fn numbers_are_found_in_a_line_of_the_log() {
        let line = "2026 INFO truceline::cli::run: so far observations=1240 rejected=0 revisions=17 lag=5";
        assert_eq!((number(line, "observations="), number(line, "revisions=")), (Some(1240), Some(17)));
        assert_eq!((number(line, "dropped="), number("observations=", "observations=")), (None, None));
    }
}
