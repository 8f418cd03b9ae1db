//! Maps and sets that have no order are written down in that of their keys, so that what is the same gives the same bytes.

use serde::{Serialize, Serializer};
use std::collections::{HashMap, HashSet};

pub(crate) fn map<K, V, H, S>(map: &HashMap<K, V, H>, serializer: S) -> Result<S::Ok, S::Error>
where
    K: Ord + Serialize,
    V: Serialize,
    S: Serializer,
{
    let mut all: Vec<(&K, &V)> = map.iter().collect();
    all.sort_unstable_by_key(|&(key, _)| key);
    serializer.collect_map(all)
}

pub(crate) fn set<T, H, S>(set: &HashSet<T, H>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Ord + Serialize,
    S: Serializer,
{
    let mut all: Vec<&T> = set.iter().collect();
    all.sort_unstable();
    serializer.collect_seq(all)
}
