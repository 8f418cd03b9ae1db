//! How many rounds or objects have made use of a notice that announces a number of them.
//!
//! In order of time, the first so many are covered and the rest is more than was announced. An alert stands in the tally
//! as long as the book knows it; the book keeps it until nothing that comes can be counted with it any more.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// By time, nanoseconds, and key.
type Turn = (i64, Arc<str>);

/// The alerts under each notice that announces a number.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    by_notice: BTreeMap<String, BTreeMap<Turn, u32>>,
    /// Under which notice a key stands, and when its turn is.
    places: BTreeMap<Arc<str>, (String, i64)>,
    /// Notices whose alerts are to be judged again.
    stale: BTreeSet<String>,
}

impl Tally {
    /// Puts an alert of so many rounds under a notice that announces `most`; whether that is more than was announced.
    pub(super) fn enter(&mut self, key: &Arc<str>, time_ns: i64, rounds: u32, notice: &str, most: u32) -> bool {
        let turn = (time_ns, key.clone());
        let is_known = self.places.get(key).is_some_and(|(known, at_ns)| known == notice && *at_ns == time_ns);
        let of_notice = self.by_notice.get_mut(notice);
        if !is_known || of_notice.and_then(|turns| turns.get(&turn).copied()) != Some(rounds) {
            self.leave(key);
            self.by_notice.entry(notice.to_owned()).or_default().insert(turn.clone(), rounds);
            self.places.insert(key.clone(), (notice.to_owned(), time_ns));
            self.stale.insert(notice.to_owned());
        }
        let up_to =
            |turns: &BTreeMap<Turn, u32>| turns.range(..=&turn).map(|(_, &rounds)| u64::from(rounds)).sum::<u64>();
        self.by_notice.get(notice).map_or(0, up_to) > u64::from(most)
    }

    /// Takes an alert out.
    pub(super) fn leave(&mut self, key: &str) {
        let Some((key, (notice, time_ns))) = self.places.remove_entry(key) else { return };
        if let Some(turns) = self.by_notice.get_mut(&notice) {
            turns.remove(&(time_ns, key));
            if turns.is_empty() {
                self.by_notice.remove(&notice);
            }
        }
        self.stale.insert(notice);
    }

    /// The keys under notices of which something has changed since the last call.
    pub(super) fn take_stale(&mut self) -> Vec<Arc<str>> {
        let stale = std::mem::take(&mut self.stale);
        let turns = stale.iter().filter_map(|notice| self.by_notice.get(notice)).flat_map(|turns| turns.keys());
        turns.map(|(_, key)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_so_many_are_covered() {
        let mut tally = Tally::default();
        let key = |name: &str| -> Arc<str> { name.into() };
        assert!(!tally.enter(&key("b"), 20, 2, "n", 3));
        assert!(tally.enter(&key("c"), 30, 2, "n", 3));
        assert!(!tally.enter(&key("a"), 10, 1, "n", 3));
        assert_eq!(tally.take_stale(), [key("a"), key("b"), key("c")]);
        assert!(!tally.enter(&key("b"), 20, 2, "n", 3));
        assert!(tally.take_stale().is_empty(), "the same again changes nothing");
        tally.leave("b");
        assert_eq!(tally.take_stale(), [key("a"), key("c")]);
        assert!(!tally.enter(&key("c"), 30, 2, "n", 3));
    }

    proptest! {
        #[test]
        fn who_is_over_does_not_depend_on_the_order(
            rounds in proptest::collection::vec((0i64..100, 1u32..4), 1..30), most in 0u32..40, turn in 0usize..30,
        ) {
            let keys: Vec<Arc<str>> = (0..rounds.len()).map(|n| format!("k{n}").into()).collect();
            let over = |order: &[usize]| -> Vec<bool> {
                let mut tally = Tally::default();
                for &n in order {
                    tally.enter(&keys[n], rounds[n].0, rounds[n].1, "n", most);
                }
                (0..rounds.len()).map(|n| tally.enter(&keys[n], rounds[n].0, rounds[n].1, "n", most)).collect()
            };
            let forward: Vec<usize> = (0..rounds.len()).collect();
            let mut turned: Vec<usize> = forward.iter().rev().copied().collect();
            turned.rotate_left(turn % rounds.len());
            prop_assert_eq!(over(&forward), over(&turned));
        }
    }
}
