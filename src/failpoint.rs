//! Named places at which a test can have the process die as `kill -9` would.
//!
//! `TRUCELINE_FAILPOINT=name:count` kills it when it comes to that place for the count-th time. Without the variable a
//! place costs a load and a comparison.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that names the place.
pub const VARIABLE: &str = "TRUCELINE_FAILPOINT";

/// Every place there is, in the order in which a process comes to them.
pub const PLACES: [&str; 11] = [
    "recovery-begins",
    "recovery-has-read",
    "recovery-replays",
    "before-produce",
    "after-produce",
    "before-state",
    "before-offsets",
    "after-offsets",
    "before-commit",
    "after-commit",
    "recovery-is-over",
];

struct Armed {
    place: String,
    left: AtomicU64,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let read = || {
        let value = std::env::var(VARIABLE).ok()?;
        let (place, count) = value.split_once(':')?;
        Some(Armed { place: place.to_owned(), left: AtomicU64::new(count.parse().ok()?) })
    };
    ARMED.get_or_init(read).as_ref()
}

/// The process has come to `place`: it dies here when it was told to.
pub fn hit(place: &str) {
    let Some(armed) = armed() else { return };
    if armed.place == place && armed.left.fetch_sub(1, Ordering::AcqRel) == 1 {
        // SAFETY: plain system calls. Nothing is unwound, flushed or told to anybody.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        // The signal may take a moment; nothing more is done until it comes.
        loop {
            std::thread::park();
        }
    }
}
