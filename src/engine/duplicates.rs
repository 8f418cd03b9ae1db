//! What was seen already: (node, id) seen again is dropped and counted.
//!
//! Each key stands with the minute of its event time in a table of open addressing. Minutes are forgotten whole: their
//! keys stay where they are, void, until their table is full and is made anew without them. The keys are spread over
//! many small tables, so that no observation waits for a large one to be made anew.

use super::as_bytes::Bytes;
use crate::model::time::NS_PER_S;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// Event time that is forgotten at once.
const MINUTE_NS: i64 = 60 * NS_PER_S;

/// Keys kept at most; beyond, the oldest minute goes first (a duplicate of something that old may then pass).
pub const MAX_KEYS: usize = 32_000_000;

/// Tables, a power of two: a full one holds a 256th of [`MAX_KEYS`], and is made anew within some milliseconds.
const TABLES: usize = 256;
/// Slots of a table at first, a power of two.
const FIRST_SLOTS: usize = 64;

/// A key, in halves so that a slot has twelve bytes, and its minute.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key: [u32; 2],
    minute: u32,
}

/// The minute of a slot that was never filled.
const VACANT: u32 = 0;

impl Slot {
    const EMPTY: Slot = Slot { key: [0, 0], minute: VACANT };

    /// As a checkpoint has it.
    fn bytes(self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        for (part, word) in bytes.chunks_exact_mut(4).zip([self.key[0], self.key[1], self.minute]) {
            part.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn of_bytes(bytes: &[u8; SLOT_BYTES]) -> Slot {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Slot { key: [word(0), word(4)], minute: word(8) }
    }
}

/// Bytes of a slot in a checkpoint.
const SLOT_BYTES: usize = 12;

/// A minute's number: 1970 begins with 1, and whatever is earlier counts to its first.
fn minute_of(time_ns: i64) -> u32 {
    u32::try_from(time_ns.div_euclid(MINUTE_NS).max(0)).unwrap_or(u32::MAX - 1).saturating_add(1)
}

/// A table is chosen by the highest bits, a slot in it by the lowest.
fn table_of(key: u64) -> usize {
    (key >> 56) as usize % TABLES
}

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Slot>,
    /// Slots that are not vacant.
    filled: usize,
}

impl Table {
    /// Puts the key there, unless it is there and its minute is not before `counts_from`, which is not before `keep`.
    fn insert(&mut self, key: u64, minute: u32, counts_from: u32, keep: u32) -> Inserted {
        if self.filled * 4 >= self.slots.len() * 3 {
            self.make_anew(keep);
        }
        let halves = [key as u32, (key >> 32) as u32];
        let mask = self.slots.len() - 1;
        let (mut at, mut void) = (key as usize & mask, None);
        loop {
            let slot = self.slots[at];
            if slot.minute == VACANT {
                break;
            }
            if slot.key == halves {
                if slot.minute >= counts_from {
                    return Inserted::WasThere;
                }
                self.slots[at].minute = minute;
                return if slot.minute >= keep { Inserted::InPlaceOf(slot.minute) } else { Inserted::New };
            }
            if slot.minute < keep {
                void.get_or_insert(at);
            }
            at = (at + 1) & mask;
        }
        self.filled += usize::from(void.is_none());
        self.slots[void.unwrap_or(at)] = Slot { key: halves, minute };
        Inserted::New
    }

    /// The slots of keys that count.
    fn counting(&self, keep: u32) -> impl Iterator<Item = Slot> + Clone {
        self.slots.iter().filter(move |slot| slot.minute != VACANT && slot.minute >= keep).copied()
    }

    fn make_anew(&mut self, keep: u32) {
        *self = Table::of(self.counting(keep));
    }

    /// A table with these: twice as many slots as there are keys, at least.
    fn of(counting: impl Iterator<Item = Slot> + Clone) -> Table {
        let filled = counting.clone().count();
        let len = (filled * 2).next_power_of_two().max(FIRST_SLOTS);
        let mut slots = vec![Slot::EMPTY; len];
        for slot in counting {
            let mut at = slot.key[0] as usize & (len - 1);
            while slots[at].minute != VACANT {
                at = (at + 1) & (len - 1);
            }
            slots[at] = slot;
        }
        Table { slots, filled }
    }
}

/// What became of a key.
enum Inserted {
    WasThere,
    New,
    /// It had stood there with that minute, which is remembered and no longer counts.
    InPlaceOf(u32),
}

/// The keys seen within the horizon.
#[derive(Debug)]
pub struct Duplicates {
    tables: Vec<Table>,
    /// How many keys each minute has that is not forgotten, but for those that are counted in `at_hand`.
    minutes: BTreeMap<u32, usize>,
    /// The minute of the last key, and how many keys of it came in a row.
    at_hand: (u32, usize),
    len: usize,
    /// The first minute that counts.
    keep: u32,
    /// When the last minute that was worked out begins, nanoseconds, and its number.
    minute_ns: i64,
    minute: u32,
}

impl Default for Duplicates {
    fn default() -> Duplicates {
        let tables = std::iter::repeat_with(Table::default).take(TABLES).collect();
        Duplicates {
            tables,
            minutes: BTreeMap::new(),
            at_hand: (VACANT, 0),
            len: 0,
            keep: VACANT + 1,
            minute_ns: 0,
            minute: minute_of(0),
        }
    }
}

/// A table as a checkpoint has it: the keys that count, in one piece.
struct Counting<'a>(&'a Table, u32);

impl Serialize for Counting<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        self.0.counting(self.1).for_each(|slot| bytes.extend_from_slice(&slot.bytes()));
        Bytes(&bytes).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
        let Bytes(bytes) = Bytes::deserialize(deserializer)?;
        match bytes.as_chunks() {
            (slots, []) if slots.iter().all(|slot| Slot::of_bytes(slot).minute != VACANT) => {
                Ok(Table::of(slots.iter().map(Slot::of_bytes)))
            }
            _ => Err(D::Error::custom("keys that are none")),
        }
    }
}

impl Serialize for Duplicates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Which minute was worked out last is worked out again.
        let Duplicates { tables, minutes, at_hand, len, keep, minute_ns: _, minute: _ } = self;
        let tables: Vec<Counting<'_>> = tables.iter().map(|table| Counting(table, *keep)).collect();
        (tables, minutes, at_hand, len, keep).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Duplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duplicates, D::Error> {
        let (tables, minutes, at_hand, len, keep) = Deserialize::deserialize(deserializer)?;
        let duplicates = Duplicates { tables, minutes, at_hand, len, keep, ..Duplicates::default() };
        match duplicates.tables.len() {
            TABLES => Ok(duplicates),
            _ => Err(D::Error::custom("not as many tables of keys as there are")),
        }
    }
}

impl Duplicates {
    /// Notes the key, which must be a good hash; true when it was there already, with a time that is not before the minute of
    /// `counts_from_ns`: that is how far the sender's partition has come, so that it does not hang on what has been forgotten by then.
    pub fn seen(&mut self, key: u64, time_ns: i64, counts_from_ns: i64) -> bool {
        let counts_from = minute_of(counts_from_ns).max(self.keep);
        // What comes late is remembered as if it were of the oldest minute that counts.
        let minute = self.minute_of(time_ns).max(counts_from);
        match self.tables[table_of(key)].insert(key, minute, counts_from, self.keep) {
            Inserted::WasThere => return true,
            Inserted::New => {}
            Inserted::InPlaceOf(before) => self.uncount(before),
        }
        if self.at_hand.0 != minute {
            self.count();
            self.at_hand.0 = minute;
        }
        self.at_hand.1 += 1;
        self.len += 1;
        if self.len > MAX_KEYS {
            self.forget_oldest();
        }
        false
    }

    /// A key of that minute is one of another now.
    fn uncount(&mut self, minute: u32) {
        self.count();
        if let Some(count) = self.minutes.get_mut(&minute) {
            *count -= 1;
            self.len -= 1;
        }
    }

    /// Looks at where these keys would stand, one after the other: the processor waits for that memory once, and not each
    /// time that one is noted.
    pub fn look_ahead(&self, keys: &[u64]) {
        let mut newest = 0;
        for &key in keys {
            let slots = &self.tables[table_of(key)].slots;
            let mask = slots.len().wrapping_sub(1);
            newest = slots.get(key as usize & mask).map_or(0, |slot| slot.minute).max(newest);
        }
        std::hint::black_box(newest);
    }

    fn minute_of(&mut self, time_ns: i64) -> u32 {
        if !(0..MINUTE_NS).contains(&time_ns.wrapping_sub(self.minute_ns)) {
            (self.minute_ns, self.minute) = (time_ns.div_euclid(MINUTE_NS).wrapping_mul(MINUTE_NS), minute_of(time_ns));
        }
        self.minute
    }

    /// Enters the keys that came in a row.
    fn count(&mut self) {
        let (minute, count) = std::mem::replace(&mut self.at_hand, (VACANT, 0));
        if count > 0 {
            *self.minutes.entry(minute).or_default() += count;
        }
    }

    /// Forgets the minutes that lie wholly before.
    pub fn forget_before(&mut self, time_ns: i64) {
        let keep = self.minute_of(time_ns);
        if keep <= self.keep {
            return;
        }
        self.count();
        while self.minutes.first_key_value().is_some_and(|(&minute, _)| minute < keep) {
            self.forget_oldest();
        }
        self.keep = keep;
    }

    /// Keys held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn forget_oldest(&mut self) {
        self.count();
        if let Some((minute, count)) = self.minutes.pop_first() {
            self.keep = minute.saturating_add(1);
            self.len -= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node::NodeIx;
    use crate::model::observation::duplicate_key;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_key_is_new_once_until_forgotten() {
        let mut duplicates = Duplicates::default();
        assert!(!duplicates.seen(7, 0, i64::MIN));
        assert!(duplicates.seen(7, 0, i64::MIN));
        assert!(duplicates.seen(7, 3600 * NS_PER_S, i64::MIN), "another time makes it no other observation");
        assert!(!duplicates.seen(8, 3600 * NS_PER_S, i64::MIN));
        duplicates.forget_before(600 * NS_PER_S);
        assert_eq!(duplicates.len(), 1);
        assert!(!duplicates.seen(7, 600 * NS_PER_S, i64::MIN));
    }

    #[test]
    fn what_comes_very_late_is_not_counted_twice_either() {
        let mut duplicates = Duplicates::default();
        assert!(!duplicates.seen(7, 3600 * NS_PER_S, i64::MIN));
        duplicates.forget_before(3601 * NS_PER_S);
        assert!(!duplicates.seen(8, 0, i64::MIN));
        assert!(duplicates.seen(8, 0, i64::MIN));
    }

    #[test]
    fn an_id_is_another_when_its_partition_has_gone_on_for_long_forgotten_or_not() {
        for forgets in [false, true] {
            let mut duplicates = Duplicates::default();
            assert!(!duplicates.seen(7, 0, i64::MIN) && !duplicates.seen(8, 0, i64::MIN));
            if forgets {
                duplicates.forget_before(600 * NS_PER_S);
            }
            assert!(!duplicates.seen(7, 900 * NS_PER_S, 600 * NS_PER_S));
            assert!(duplicates.seen(7, 901 * NS_PER_S, 600 * NS_PER_S));
            assert!(!duplicates.seen(9, 0, 600 * NS_PER_S) && duplicates.seen(9, 0, 601 * NS_PER_S), "late");
            duplicates.forget_before(600 * NS_PER_S);
            assert_eq!(duplicates.len(), 2);
        }
    }

    #[test]
    fn memory_does_not_grow_while_as_much_is_forgotten_as_comes() {
        let mut duplicates = Duplicates::default();
        let mut slots = Vec::new();
        for second in 0..3600u32 {
            for id in 0..100u32 {
                let key = duplicate_key(NodeIx(id), &second.to_le_bytes());
                assert!(!duplicates.seen(key, i64::from(second) * NS_PER_S, i64::MIN));
            }
            duplicates.forget_before(i64::from(second.saturating_sub(300)) * NS_PER_S);
            slots.push(duplicates.tables.iter().map(|table| table.slots.len()).sum::<usize>());
        }
        assert!(duplicates.len() <= 360 * 100 + 100);
        assert!(slots[3599] <= 2 * slots[900], "{} {}", slots[900], slots[3599]);
    }

    proptest! {
        #[test]
        fn it_remembers_what_a_set_remembers(
            steps in proptest::collection::vec((0u32..400, 0i64..20, any::<bool>()), 0..2000),
        ) {
            let mut duplicates = Duplicates::default();
            let (mut known, mut keep) = (BTreeSet::<(u64, i64)>::new(), 0);
            for (number, minute, forget) in steps {
                if forget && number % 50 == 0 {
                    keep = keep.max(minute);
                    known.retain(|&(_, of)| of >= keep);
                    duplicates.forget_before(minute * MINUTE_NS);
                }
                if number % 40 == 7 {
                    let bytes = postcard::to_stdvec(&duplicates).unwrap();
                    duplicates = postcard::from_bytes(&bytes).unwrap();
                    prop_assert!(bytes.len() < 1200 + SLOT_BYTES * known.len(), "{}", bytes.len());
                }
                let key = duplicate_key(NodeIx(number), b"id");
                let was_there = known.iter().any(|&(of, _)| of == key);
                if !was_there {
                    known.insert((key, minute.max(keep)));
                }
                prop_assert_eq!(duplicates.seen(key, minute * MINUTE_NS, i64::MIN), was_there);
                prop_assert_eq!(duplicates.len(), known.len());
            }
        }
    }
}
