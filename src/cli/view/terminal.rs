//! The live table's terminal: taken over, redrawn, given back.

use super::{Update, ViewState, screen};
use crate::cli::Stop;
use crate::cli::logging::colour_is_welcome;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Least time between two frames: ten a second.
const FRAME: Duration = Duration::from_millis(100);

/// Shows updates until their senders are gone; then the terminal is as it was.
pub(super) fn show(updates: &Receiver<Update>, stop: &Stop) -> io::Result<ViewState> {
    let mut terminal = ratatui::try_init()?;
    let shown = watch(&mut terminal, updates, stop);
    // Given back whatever happened; the first error is the one that counts.
    let restored = ratatui::try_restore();
    let state = shown?;
    restored?;
    Ok(state)
}

fn watch(terminal: &mut ratatui::DefaultTerminal, updates: &Receiver<Update>, stop: &Stop) -> io::Result<ViewState> {
    let mut state = ViewState::default();
    let colour = colour_is_welcome();
    loop {
        let open = take_in(updates, &mut state, Instant::now() + FRAME);
        if asked_to_end()? {
            stop.ask();
        }
        state.ending = stop.is_asked();
        terminal.draw(|frame| screen::draw(frame, &state, colour))?;
        if !open {
            return Ok(state);
        }
    }
}

/// Takes in updates until `until`; false once there are no more to come.
fn take_in(updates: &Receiver<Update>, state: &mut ViewState, until: Instant) -> bool {
    loop {
        match updates.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(update) => state.apply(update),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        // A flood of updates must not starve the screen: `recv_timeout` of no time still receives.
        if Instant::now() >= until {
            return true;
        }
    }
}

/// Whether a key was hit that means the end. In raw mode Ctrl-C is a key and not a signal.
fn asked_to_end() -> io::Result<bool> {
    let mut asked = false;
    while event::poll(Duration::ZERO)? {
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            asked |= match key.code {
                KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
                KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
                _ => false,
            };
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::super::tests::story;
    use super::*;

    #[test]
    fn updates_are_taken_in_until_the_senders_are_gone() {
        let (send, receive) = std::sync::mpsc::channel();
        let mut state = ViewState::default();
        send.send(story()).unwrap();
        assert!(take_in(&receive, &mut state, Instant::now()), "a sender is left");
        assert_eq!(state.story.len(), 1, "what waits is taken in even when the time is up");
        drop(send);
        assert!(!take_in(&receive, &mut state, Instant::now() + FRAME));
    }
}
