//! What was seen already: (node, id) seen again is dropped and counted.
//!
//! Keys are kept by event time, so that forgetting is dropping whole buckets. A key is looked for in all buckets:
//! an id used twice is a duplicate whatever time the second one claims.

use crate::model::time::NS_PER_S;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Event time that one bucket holds.
const BUCKET_NS: i64 = 60 * NS_PER_S;

/// Keys kept at most; beyond, the oldest bucket goes first (a duplicate of something that old may then pass).
pub const MAX_KEYS: usize = 32_000_000;

/// The keys seen within the horizon.
#[derive(Debug, Default)]
pub struct Duplicates {
    seen: FxHashMap<u64, ()>,
    by_time: BTreeMap<i64, Vec<u64>>,
    spare: Vec<Vec<u64>>,
}

impl Duplicates {
    /// Notes the key; true when it was there already.
    pub fn seen(&mut self, key: u64, time_ns: i64) -> bool {
        if self.seen.insert(key, ()).is_some() {
            return true;
        }
        let spare = &mut self.spare;
        self.by_time.entry(time_ns.div_euclid(BUCKET_NS)).or_insert_with(|| spare.pop().unwrap_or_default()).push(key);
        if self.seen.len() > MAX_KEYS {
            self.drop_oldest();
        }
        false
    }

    /// Forgets what lies wholly before.
    pub fn forget_before(&mut self, time_ns: i64) {
        let keep = time_ns.div_euclid(BUCKET_NS);
        while self.by_time.first_key_value().is_some_and(|(&bucket, _)| bucket < keep) {
            self.drop_oldest();
        }
    }

    /// Keys held.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn drop_oldest(&mut self) {
        if let Some((_, mut keys)) = self.by_time.pop_first() {
            for key in keys.drain(..) {
                self.seen.remove(&key);
            }
            self.spare.push(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_new_once_until_forgotten() {
        let mut duplicates = Duplicates::default();
        assert!(!duplicates.seen(7, 0));
        assert!(duplicates.seen(7, 0));
        assert!(duplicates.seen(7, 3600 * NS_PER_S), "another time makes it no other observation");
        assert!(!duplicates.seen(8, 3600 * NS_PER_S));
        duplicates.forget_before(600 * NS_PER_S);
        assert_eq!(duplicates.len(), 1);
        assert!(!duplicates.seen(7, 600 * NS_PER_S));
    }
}
