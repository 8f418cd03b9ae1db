//! Who wants to be looked at when, in event time.
//!
//! Entries are kept by short stretches of time and put in order only when their stretch has come: entering costs
//! next to nothing, however many there are.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A stretch is 2 to this power nanoseconds long: about a quarter of a second.
const STRETCH_BITS: u32 = 28;

/// A time, nanoseconds, and a number.
pub type Entry = (i64, usize);

/// Entries to come.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Calendar {
    stretches: BTreeMap<i64, Vec<Entry>>,
    #[serde(skip)]
    spare: Vec<Vec<Entry>>,
}

/// Emptied stretches whose memory is kept.
const MAX_SPARE: usize = 1_024;

impl Calendar {
    /// Enters a number at a time.
    pub fn enter(&mut self, due_ns: i64, number: usize) {
        let spare = &mut self.spare;
        let stretch = self.stretches.entry(due_ns >> STRETCH_BITS);
        stretch.or_insert_with(|| spare.pop().unwrap_or_default()).push((due_ns, number));
    }

    /// Takes out what is due at `now_ns` or before, in order.
    pub fn take_due(&mut self, now_ns: i64, due: &mut Vec<Entry>) {
        let from = due.len();
        while let Some(mut first) = self.stretches.first_entry().filter(|first| *first.key() <= now_ns >> STRETCH_BITS)
        {
            if *first.key() == now_ns >> STRETCH_BITS {
                due.extend(first.get_mut().extract_if(.., |entry| entry.0 <= now_ns));
                if !first.get().is_empty() {
                    break;
                }
            }
            let mut entries = first.remove();
            due.append(&mut entries);
            if self.spare.len() < MAX_SPARE {
                self.spare.push(entries);
            }
        }
        due[from..].sort_unstable();
    }

    /// The time of the first entry.
    pub fn first_ns(&self) -> Option<i64> {
        self.stretches.values().find_map(|entries| entries.iter().map(|entry| entry.0).min())
    }

    /// Takes out the first entry.
    pub fn take_first(&mut self) -> Option<Entry> {
        let mut first = self.stretches.first_entry()?;
        let entries = first.get_mut();
        let at = (0..entries.len()).min_by_key(|&at| entries[at])?;
        let entry = entries.swap_remove(at);
        if entries.is_empty() {
            first.remove();
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_due_comes_in_order_and_the_rest_stays(
            times in proptest::collection::vec(-3_000_000_000i64..3_000_000_000, 0..200),
            mut nows in proptest::collection::vec(-3_000_000_000i64..3_000_000_000, 0..20),
        ) {
            nows.sort_unstable();
            let (mut calendar, mut expected) = (Calendar::default(), Vec::new());
            for (number, &time_ns) in times.iter().enumerate() {
                calendar.enter(time_ns, number);
                expected.push((time_ns, number));
            }
            expected.sort_unstable();
            for now_ns in nows {
                let mut due = Vec::new();
                calendar.take_due(now_ns, &mut due);
                let rest = expected.split_off(expected.partition_point(|entry| entry.0 <= now_ns));
                prop_assert_eq!(due, std::mem::replace(&mut expected, rest));
            }
            for entry in expected {
                prop_assert_eq!(calendar.take_first(), Some(entry));
            }
            prop_assert_eq!(calendar.take_first(), None);
        }
    }
}
