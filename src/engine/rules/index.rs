//! Which lane is whose: only the numbers of lanes, for each lane has its key itself.
//!
//! To tell whether it is the right one the lane is looked at, which is looked at next in any case; a table with keys of
//! its own is one more place in memory to wait for.

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::hash::{BuildHasher, Hash};

/// The numbers of lanes by their keys.
#[derive(Default)]
pub(super) struct Index(HashTable<u32>);

fn hash<K: Hash + ?Sized>(key: &K) -> u64 {
    FxBuildHasher.hash_one(key)
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of the lane with that key, where `key_of` gives the key of each that was entered.
    pub(super) fn find<'a, K: Hash + Eq + ?Sized + 'a>(
        &self,
        key: &K,
        key_of: impl Fn(usize) -> Option<&'a K>,
    ) -> Option<usize> {
        let is_it = |&at: &u32| key_of(at as usize) == Some(key);
        self.0.find(hash(key), is_it).map(|&at| at as usize)
    }

    /// The number of the lane that most likely has that key, if any has: no lane is looked at.
    pub(super) fn guess<K: Hash + ?Sized>(&self, key: &K) -> Option<usize> {
        self.0.find(hash(key), |_| true).map(|&at| at as usize)
    }

    /// Enters the lane with that number, which is not in it.
    pub(super) fn enter<'a, K: Hash + ?Sized + 'a>(&mut self, at: usize, key_of: impl Fn(usize) -> Option<&'a K>) {
        let Some(key) = key_of(at) else { return };
        self.0.insert_unique(hash(key), at as u32, |&at| key_of(at as usize).map_or(0, hash));
    }

    /// Strikes out the lane with that number, which had that key.
    pub(super) fn strike<K: Hash + ?Sized>(&mut self, at: usize, key: &K) {
        if let Ok(entry) = self.0.find_entry(hash(key), |&known| known as usize == at) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_is_found_until_it_is_struck_out(
            keys in proptest::collection::hash_set("[a-z]{1,3}", 0..60), gone in proptest::collection::vec(any::<bool>(), 60),
        ) {
            let keys: Vec<String> = keys.into_iter().collect();
            let key_of = |at: usize| keys.get(at).map(String::as_str);
            let mut index = Index::default();
            (0..keys.len()).for_each(|at| index.enter(at, key_of));
            (0..keys.len()).filter(|&at| gone[at]).for_each(|at| index.strike(at, keys[at].as_str()));
            for at in 0..keys.len() {
                prop_assert_eq!(index.find(keys[at].as_str(), key_of), (!gone[at]).then_some(at));
                prop_assert!(gone[at] || index.guess(keys[at].as_str()).is_some());
            }
            prop_assert_eq!(index.len(), (0..keys.len()).filter(|&at| !gone[at]).count());
            prop_assert_eq!(index.find("none of these", key_of), None);
        }
    }
}
