//! What other parts of the regions have told of final events: where those words stand that a successor has to read again, and from when on
//! it knows of all such events by that.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The words that are still needed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FinalsHeard {
    /// Where each stands, and up to when events were final by it, nanoseconds.
    words: VecDeque<(i64, i64)>,
    from_ns: Option<i64>,
}

impl FinalsHeard {
    /// Nothing heard yet; who read there before has left out events from before that time, nanoseconds.
    pub fn after(from_ns: Option<i64>) -> FinalsHeard {
        FinalsHeard { words: VecDeque::new(), from_ns }
    }

    /// The same for one who knows what was heard up to some place: what was committed since leaves out what is from before that time.
    pub fn go_on(&mut self, from_ns: Option<i64>) {
        self.from_ns = self.from_ns.max(from_ns);
    }

    /// By the word that stands there all events from before that time are final.
    pub fn hear(&mut self, here: i64, settled_ns: i64) {
        self.words.push_back((here, settled_ns));
    }

    /// From when on all events are told behind what is needed, nanoseconds; `None`: from the first.
    pub fn known_ns(&self) -> Option<i64> {
        self.from_ns
    }

    /// Where the first word stands that is needed by who has to know events from that time on, nanoseconds.
    pub fn needed_here(&mut self, since_ns: i64) -> Option<i64> {
        while self.words.front().is_some_and(|&(_, settled_ns)| settled_ns < since_ns) {
            self.words.pop_front();
            self.from_ns = self.from_ns.max(Some(since_ns));
        }
        self.words.front().map(|&(here, _)| here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_known_and_nothing_is_while_all_is_needed() {
        let mut heard = FinalsHeard::after(None);
        [(3, 10), (5, 20), (8, 30)].into_iter().for_each(|(here, settled_ns)| heard.hear(here, settled_ns));
        assert_eq!((heard.needed_here(10), heard.known_ns()), (Some(3), None));
        assert_eq!((heard.needed_here(25), heard.known_ns()), (Some(8), Some(25)));
        assert_eq!((heard.needed_here(40), heard.known_ns()), (None, Some(40)));
        assert_eq!(FinalsHeard::after(Some(7)).known_ns(), Some(7));
        heard.go_on(Some(30));
        assert_eq!(heard.known_ns(), Some(40), "a checkpoint may be newer than what is committed");
        heard.go_on(Some(50));
        assert_eq!(heard.known_ns(), Some(50), "and older");
    }
}
