//! How a level goes up at once and comes down after quiet.

use crate::model::escalation::Modality;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The level that stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// 0–3.
    pub level: u8,
    /// Since when, nanoseconds.
    pub raised_ns: i64,
    /// Since when there is more than usual, nanoseconds.
    pub from_ns: i64,
    /// In what there was since then.
    pub modalities: BTreeSet<Modality>,
    /// Since when a lower one would do, nanoseconds, and the highest that would not have.
    calm: Option<(i64, u8)>,
}

/// What a bin came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing new.
    None,
    /// A higher level, or one more way of seeing.
    Up,
    /// A lower level. Nothing more was seen since then, nanoseconds.
    Down(i64),
}

impl Level {
    /// Nothing can be told: what was quiet before is no part of a quiet that comes later.
    pub fn stand(&mut self) {
        self.calm = None;
    }

    /// A bin that ends at `end_ns` would have this level, by these ways of seeing.
    pub fn go_to(&mut self, level: u8, by: &BTreeSet<Modality>, from_ns: i64, end_ns: i64, quiet_ns: i64) -> Change {
        if level < self.level {
            let (since_ns, highest) = self.calm.map_or((end_ns, level), |(since_ns, most)| (since_ns, most.max(level)));
            self.calm = Some((since_ns, highest));
            if end_ns - since_ns < quiet_ns {
                return Change::None;
            }
            (self.level, self.raised_ns, self.calm) = (highest, end_ns, None);
            self.modalities = by.clone();
            return Change::Down(since_ns);
        }
        self.calm = None;
        if level == 0 {
            return Change::None;
        }
        if self.level == 0 {
            (self.from_ns, self.modalities) = (from_ns, BTreeSet::new());
        }
        let is_more = !by.is_subset(&self.modalities);
        self.modalities.extend(by);
        if level > self.level {
            (self.level, self.raised_ns) = (level, end_ns);
            return Change::Up;
        }
        if is_more { Change::Up } else { Change::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels bin by bin, as they stand after each, where it takes three bins of quiet.
    fn stand(levels: &[u8]) -> Vec<u8> {
        let (mut held, by) = (Level::default(), BTreeSet::from([Modality::Fire]));
        (0..)
            .zip(levels)
            .map(|(bin, &level)| {
                held.go_to(level, &by, bin, bin + 1, 3);
                held.level
            })
            .collect()
    }

    #[test]
    fn it_goes_up_at_once_and_comes_down_after_quiet_to_what_was_highest_in_it() {
        assert_eq!(stand(&[0, 1, 2, 0, 0, 0, 0, 0]), [0, 1, 2, 2, 2, 2, 0, 0]);
        assert_eq!(stand(&[2, 0, 0, 2, 0, 0, 0, 0]), [2, 2, 2, 2, 2, 2, 2, 0], "once more begins anew");
        assert_eq!(stand(&[3, 0, 1, 0, 0, 0, 0, 0, 0]), [3, 3, 3, 3, 1, 1, 1, 1, 0], "level by level");
    }

    #[test]
    fn it_is_told_when_it_changes_and_when_another_way_of_seeing_joins() {
        let mut held = Level::default();
        let (fire, both) = (BTreeSet::from([Modality::Fire]), BTreeSet::from([Modality::Fire, Modality::Air]));
        assert_eq!(held.go_to(0, &BTreeSet::new(), 0, 1, 2), Change::None);
        assert_eq!(held.go_to(1, &fire, 1, 2, 2), Change::Up);
        assert_eq!(held.go_to(1, &fire, 2, 3, 2), Change::None);
        assert_eq!(held.go_to(1, &both, 3, 4, 2), Change::Up);
        assert_eq!(held.go_to(1, &fire, 4, 5, 2), Change::None);
        assert_eq!((held.from_ns, held.raised_ns), (1, 2));
        assert_eq!(held.go_to(0, &BTreeSet::new(), 4, 5, 2), Change::None);
        held.stand();
        assert_eq!(held.go_to(0, &BTreeSet::new(), 5, 6, 2), Change::None);
        assert_eq!(held.go_to(0, &BTreeSet::new(), 6, 7, 2), Change::None);
        assert_eq!(held.go_to(0, &BTreeSet::new(), 7, 8, 2), Change::Down(6));
    }
}
