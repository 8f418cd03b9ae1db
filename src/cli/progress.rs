//! A line that says how far long work has come, on standard error, on a terminal only.

use super::args::Common;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Least time between two redraws.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// How far long work has come. Dropped, it takes its line away.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    shown: bool,
    started: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// Progress of `what` (`replay`); silent when asked to be, or when nobody watches.
    pub fn new(what: &'static str, common: &Common) -> Progress {
        let shown = !common.quiet && std::io::stderr().is_terminal();
        Progress { what, shown, started: Instant::now(), drawn: None }
    }

    /// `done` of `total` units (`None`: nobody knows), and a few words on what came of it.
    pub fn at(&mut self, done: u64, total: Option<u64>, unit: &str, words: &str) {
        if !self.shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW_EVERY) {
            return;
        }
        let line = line(self.what, done, total, unit, words, self.started.elapsed());
        // A terminal that has gone is no reason to stop.
        let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
        let _ = std::io::stderr().flush();
        self.drawn = Some(Instant::now());
    }

    /// Since it began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

fn line(what: &str, done: u64, total: Option<u64>, unit: &str, words: &str, elapsed: Duration) -> String {
    use super::console::grouped;
    let share = match total {
        Some(total) if total > 0 => format!(" {:3.0}%", 100.0 * done.min(total) as f64 / total as f64),
        _ => String::new(),
    };
    let rate = (done as f64 / elapsed.as_secs_f64().max(1e-3)) as u64;
    let words = if words.is_empty() { String::new() } else { format!(" · {words}") };
    format!("{what}{share} · {} {unit} · {}/s{words}", grouped(done), grouped(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_share_amount_and_rate() {
        let second = Duration::from_secs(2);
        assert_eq!(
            line("replay", 5000, Some(10_000), "observations", "3 alerts", second),
            "replay  50% · 5,000 observations · 2,500/s · 3 alerts"
        );
        assert_eq!(line("import", 10, None, "rows", "", second), "import · 10 rows · 5/s");
        assert!(line("replay", 0, Some(0), "observations", "", Duration::ZERO).starts_with("replay · 0 "));
    }
}
