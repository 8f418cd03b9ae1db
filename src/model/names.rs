//! Which node has which name: a hash table that holds short names in itself.
//!
//! Every observation asks it. A map of owned strings would cost three misses of the cache, one each for its tags, its
//! bucket and the string; here a name of up to 24 bytes is compared where its slot is.

use super::node::NodeIx;
use rustc_hash::FxHasher;
use std::hash::Hasher as _;

/// As much of a name as a slot holds.
const HELD_BYTES: usize = 24;

/// Index in a slot that is free. A registry never holds so many nodes.
const FREE: u32 = u32::MAX;

/// The smallest table.
const MIN_SLOTS: usize = 64;

/// Half a line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Slot {
    /// The name's beginning.
    held: [u8; HELD_BYTES],
    ix: u32,
    /// Bytes of the whole name.
    len: u32,
}

const FREE_SLOT: Slot = Slot { held: [0; HELD_BYTES], ix: FREE, len: 0 };

/// Indices by name. It is probed step by step, and grows when half full, so that probing is short.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// A power of two, or none.
    slots: Vec<Slot>,
    len: usize,
}

fn hash(name: &[u8]) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write(name);
    hasher.finish() as usize
}

impl Names {
    /// The index of `name`; `name_of` tells the names that do not fit into a slot.
    #[inline]
    pub(super) fn find<'n>(&self, name: &[u8], name_of: impl Fn(NodeIx) -> &'n str) -> Option<NodeIx> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(name) & mask;
        loop {
            let slot = &self.slots[at];
            if slot.ix == FREE {
                return None;
            }
            if slot.len as usize == name.len() {
                let is_same = match slot.held.get(..name.len()) {
                    Some(held) => held == name,
                    None => name_of(NodeIx(slot.ix)).as_bytes() == name,
                };
                if is_same {
                    return Some(NodeIx(slot.ix));
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a name that is not there yet.
    pub(super) fn insert<'n>(&mut self, name: &str, ix: NodeIx, name_of: impl Fn(NodeIx) -> &'n str) {
        if 2 * (self.len + 1) > self.slots.len() {
            let bigger = vec![FREE_SLOT; (2 * self.slots.len()).max(MIN_SLOTS)];
            for slot in std::mem::replace(&mut self.slots, bigger) {
                if slot.ix != FREE {
                    let hash = match slot.held.get(..slot.len as usize) {
                        Some(held) => hash(held),
                        None => hash(name_of(NodeIx(slot.ix)).as_bytes()),
                    };
                    self.put(hash, slot);
                }
            }
        }
        let mut slot = Slot { ix: ix.0, len: name.len() as u32, ..FREE_SLOT };
        for (to, from) in slot.held.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        self.put(hash(name.as_bytes()), slot);
        self.len += 1;
    }

    fn put(&mut self, hash: usize, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = hash & mask;
        while self.slots[at].ix != FREE {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_is_a_map(names in proptest::collection::vec("[ab]{0,3}|[a-c]{22,27}|[a-z0-9é]{1,12}", 0..200), other in "[ab]{0,4}") {
            let (mut table, mut kept, mut map) = (Names::default(), Vec::<String>::new(), HashMap::new());
            for name in &names {
                let name_of = |ix: NodeIx| kept[ix.at()].as_str();
                let found = table.find(name.as_bytes(), name_of);
                prop_assert_eq!(found, map.get(name).copied());
                if found.is_none() {
                    let ix = NodeIx(kept.len() as u32);
                    table.insert(name, ix, name_of);
                    kept.push(name.clone());
                    map.insert(name.clone(), ix);
                }
            }
            for name in names.iter().chain([&other]) {
                prop_assert_eq!(table.find(name.as_bytes(), |ix| kept[ix.at()].as_str()), map.get(name).copied());
            }
        }
    }
}
