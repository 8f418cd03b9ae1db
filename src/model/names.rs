//! Which node has which name: a hash table that holds short names in itself.
//!
//! Every observation asks it, and what it costs is waiting for memory. A map of owned strings would be three misses of
//! the cache, one each for its tags, its bucket and the string. Here it is one: a name of up to 11 bytes is compared
//! where its slot is, and slots are small.

use super::node::NodeIx;
use rustc_hash::FxHasher;
use std::hash::Hasher as _;

/// The longest name that a slot holds, in bytes.
const MAX_HELD_BYTES: usize = 11;

/// In the place of the length: the name is longer, and its hash is held instead.
const IS_LONGER: u32 = 0xff << 24;

/// Index in a slot that is free. A registry never holds so many nodes.
const FREE: u32 = u32::MAX;

/// The smallest table.
const MIN_SLOTS: usize = 64;

/// A name as slots hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    /// Its first eight bytes, or its hash.
    first: u64,
    /// Its last three, and its length on top.
    last: u32,
}

impl Held {
    #[inline]
    fn of(name: &[u8]) -> Held {
        if name.len() > MAX_HELD_BYTES {
            let mut hasher = FxHasher::default();
            hasher.write(name);
            return Held { first: hasher.finish(), last: IS_LONGER };
        }
        let len = (name.len() as u32) << 24;
        match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(first), Some(last)) => {
                // What both have is shifted out.
                let rest = u64::from_le_bytes(*last).unbounded_shr(8 * (16 - name.len() as u32));
                Held { first: u64::from_le_bytes(*first), last: rest as u32 | len }
            }
            _ => Held { first: few_bytes(name), last: len },
        }
    }

    #[inline]
    fn hash(self) -> usize {
        let product = u128::from(self.first ^ u64::from(self.last) << 32) * 0x9e37_79b9_7f4a_7c15;
        (product >> 64) as usize ^ product as usize
    }
}

/// Up to seven bytes, the first one lowest: two halves that may overlap.
#[inline]
fn few_bytes(name: &[u8]) -> u64 {
    match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)));
            first | last << (8 * (name.len() - 4))
        }
        _ => name.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u64,
    last: u32,
    ix: u32,
}

impl Slot {
    fn held(self) -> Held {
        Held { first: self.first, last: self.last }
    }
}

/// Indices by name. It is probed step by step, and grows when seven eighths full: four slots are in one line of the
/// cache, so that further steps cost less than a table that is larger than it need be.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// A power of two, or none.
    slots: Vec<Slot>,
    len: usize,
}

impl Names {
    /// The index of `name`; `name_of` tells the names that do not fit into a slot.
    #[inline]
    pub(super) fn find<'n>(&self, name: &[u8], name_of: impl Fn(NodeIx) -> &'n str) -> Option<NodeIx> {
        let mask = self.slots.len().checked_sub(1)?;
        let held = Held::of(name);
        let mut at = held.hash() & mask;
        loop {
            let slot = &self.slots[at];
            if slot.ix == FREE {
                return None;
            }
            let ix = NodeIx(slot.ix);
            if slot.held() == held && (held.last != IS_LONGER || name_of(ix).as_bytes() == name) {
                return Some(ix);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a name that is not there yet.
    pub(super) fn insert(&mut self, name: &str, ix: NodeIx) {
        if 8 * (self.len + 1) > 7 * self.slots.len() {
            let free = Slot { first: 0, last: 0, ix: FREE };
            let bigger = vec![free; (2 * self.slots.len()).max(MIN_SLOTS)];
            for slot in std::mem::replace(&mut self.slots, bigger) {
                if slot.ix != FREE {
                    self.put(slot);
                }
            }
        }
        let Held { first, last } = Held::of(name.as_bytes());
        self.put(Slot { first, last, ix: ix.0 });
        self.len += 1;
    }

    fn put(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = slot.held().hash() & mask;
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

    #[test]
    fn short_names_are_held_as_they_are() {
        let name = b"abcdefghijk";
        for len in 0..=name.len() {
            let held = Held::of(&name[..len]);
            let bytes = [&held.first.to_le_bytes()[..], &held.last.to_le_bytes()].concat();
            assert_eq!((&bytes[..len], bytes[11]), (&name[..len], len as u8));
            assert!(bytes[len..11].iter().all(|&byte| byte == 0));
        }
        assert_eq!(std::mem::size_of::<Slot>(), 16);
    }

    proptest! {
        #[test]
        fn it_is_a_map(names in proptest::collection::vec("[ab]{0,3}|[ab]{7,13}|[a-z0-9é]{1,12}", 0..200), other in "[ab]{0,4}") {
            let (mut table, mut kept, mut map) = (Names::default(), Vec::<String>::new(), HashMap::new());
            for name in &names {
                let name_of = |ix: NodeIx| kept[ix.at()].as_str();
                let found = table.find(name.as_bytes(), name_of);
                prop_assert_eq!(found, map.get(name).copied());
                if found.is_none() {
                    let ix = NodeIx(kept.len() as u32);
                    table.insert(name, ix);
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
