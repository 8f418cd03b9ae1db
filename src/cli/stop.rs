//! SIGTERM and Ctrl-C: the first asks to finish, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code after a second signal: what a shell gives for Ctrl-C.
const INTERRUPTED: i32 = 130;

/// A flag that everything which runs long looks at.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// A flag nobody but the program itself sets.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// A flag that SIGTERM and Ctrl-C set.
    ///
    /// # Errors
    ///
    /// The signals cannot be listened to.
    pub fn on_signals() -> std::io::Result<Stop> {
        use tokio::signal::unix::{SignalKind, signal};
        let stop = Stop::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut terminate, mut interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let asked = stop.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = terminate.recv() => {}
                        _ = interrupt.recv() => {}
                    }
                    if asked.is_asked() {
                        // Asked twice: whoever does so does not want to wait for what is left.
                        std::process::exit(INTERRUPTED);
                    }
                    asked.ask();
                }
            });
        })?;
        Ok(stop)
    }

    /// Asks everything to finish.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// The flag itself, for what knows nothing of this type.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_copies_are_one_flag() {
        let stop = Stop::new();
        let copy = stop.clone();
        assert!(!copy.is_asked());
        stop.ask();
        assert!(copy.is_asked() && stop.flag().load(Ordering::Acquire));
    }
}
