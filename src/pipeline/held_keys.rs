//! The keys of records with lines that are held back: the batch they came in is gone when such a line is refused, and
//! it goes out under the key it came with.

use crate::model::observation::Origin;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

/// Topic, partition and offset of a record.
type Place = (u16, i32, i64);

fn place(origin: &Origin) -> Place {
    (origin.topic, origin.partition, origin.offset)
}

/// As many keys as lines are held back at most, and as many again before those of others are dropped.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HeldKeys {
    keys: FxHashMap<Place, Vec<u8>>,
}

impl HeldKeys {
    /// Keeps the keys of records that have lines among `held`. `find` knows those of the batch at hand.
    pub fn keep(&mut self, held: &[Origin], mut find: impl FnMut(Place) -> Option<Vec<u8>>) {
        if held.is_empty() {
            self.keys.clear();
            return;
        }
        for origin in held {
            if !self.keys.contains_key(&place(origin))
                && let Some(key) = find(place(origin))
            {
                self.keys.insert(place(origin), key);
            }
        }
        if self.keys.len() > 2 * held.len() {
            let held: FxHashSet<Place> = held.iter().map(place).collect();
            self.keys.retain(|place, _| held.contains(place));
        }
    }

    /// The key of the record at this place.
    pub fn of(&self, place: Place) -> Option<&[u8]> {
        self.keys.get(&place).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_for_as_long_as_lines_are_held() {
        let line = |offset| Origin { topic: 0, partition: 1, offset, line: 3 };
        let held: Vec<Origin> = (0..10).map(line).collect();
        let mut keys = HeldKeys::default();
        keys.keep(&held, |(_, _, offset)| (offset != 5).then(|| vec![offset as u8]));
        assert_eq!((keys.of((0, 1, 4)), keys.of((0, 1, 5))), (Some(&[4][..]), None));
        // Other batches do not know them.
        keys.keep(&held[..2], |_| None);
        assert_eq!((keys.of((0, 1, 1)), keys.of((0, 1, 4))), (Some(&[1][..]), None));
        keys.keep(&[], |_| None);
        assert_eq!(keys.of((0, 1, 1)), None);
    }
}
