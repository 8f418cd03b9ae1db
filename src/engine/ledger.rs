//! The final events of each region, in the order in which they became final, and how to find those of a time without going
//! through all of them: there may be six hours of them.

use super::settled::Settled;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

mod kept;

pub use self::kept::FinalsRecord;

/// The final events of each region.
pub type Ledger = Vec<Finals>;

/// The final events of one region, by the order in which they became final.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Finals {
    /// Shared with who writes them down. They do not stand among the rest then, see [`Finals::load`].
    #[serde(skip)]
    events: VecDeque<Arc<Settled>>,
    /// Of each of them the newest time up to it, nanoseconds: in order, which their own times are only nearly.
    newest_ns: VecDeque<i64>,
    /// How many were forgotten.
    forgotten: u64,
    /// Those that pairing has not looked at, by their number since the beginning.
    unpaired: Vec<u64>,
    /// Whether one has changed since reports were weighed.
    pub has_changed: bool,
}

impl Finals {
    /// Adds an event.
    pub fn push(&mut self, event: Settled) {
        let newest_ns = self.newest_ns.back().copied().unwrap_or(i64::MIN).max(event.claim.time_ns);
        self.newest_ns.push_back(newest_ns);
        self.unpaired.push(self.forgotten + self.events.len() as u64);
        self.has_changed |= event.changed;
        self.events.push_back(Arc::new(event));
    }

    /// Forgets the first.
    pub fn pop_first(&mut self) -> Option<Settled> {
        self.newest_ns.pop_front();
        let event = self.events.pop_front()?;
        self.forgotten += 1;
        Some(Arc::unwrap_or_clone(event))
    }

    /// The time of an event was changed from outside.
    pub fn retime(&mut self) {
        let mut newest_ns = i64::MIN;
        for (known_ns, event) in self.newest_ns.iter_mut().zip(&self.events) {
            newest_ns = newest_ns.max(event.claim.time_ns);
            *known_ns = newest_ns;
        }
    }

    /// The oldest.
    pub fn first(&self) -> Option<&Settled> {
        self.events.front().map(|event| &**event)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Settled> {
        self.events.iter().map(|event| &**event)
    }

    /// Those that are such, with their places, to be changed: but not their times, see [`Finals::retime`].
    pub fn those_mut(
        &mut self,
        are_such: impl Fn(&Settled) -> bool,
    ) -> impl DoubleEndedIterator<Item = (usize, &mut Settled)> {
        let such = self.events.iter_mut().enumerate().filter(move |(_, event)| are_such(event));
        such.map(|(at, event)| (at, Arc::make_mut(event)))
    }

    /// All of them, for who writes them down while they may go on changing here.
    pub fn share(&self) -> Vec<Arc<Settled>> {
        self.events.iter().cloned().collect()
    }

    /// Takes in the events that go with what was written down; false, and nothing is changed, if these are not as many.
    pub fn load(&mut self, events: Vec<Arc<Settled>>) -> bool {
        let are_as_many = events.len() == self.newest_ns.len();
        if are_as_many {
            self.events = events.into();
        }
        are_as_many
    }

    /// Those of a stretch of time, both ends included, nanoseconds.
    pub fn between(&self, from_ns: i64, to_ns: i64) -> impl Iterator<Item = &Settled> {
        self.numbered_between(from_ns, to_ns).map(|(_, event)| event)
    }

    /// The same with their places.
    pub fn numbered_between(&self, from_ns: i64, to_ns: i64) -> impl Iterator<Item = (usize, &Settled)> {
        let first = self.newest_ns.partition_point(|&newest_ns| newest_ns < from_ns);
        let late = (first..).zip(self.events.range(first..).map(|event| &**event));
        late.filter(move |(_, event)| (from_ns..=to_ns).contains(&event.claim.time_ns))
    }

    /// Takes those from before that time which pairing has not looked at off the list of such, and gives their places.
    pub fn take_unpaired(&mut self, before_ns: i64) -> Vec<usize> {
        let Finals { events, forgotten, unpaired, .. } = self;
        let mut due = Vec::new();
        unpaired.retain(|&number| {
            let Some(at) = number.checked_sub(*forgotten).map(|at| at as usize) else { return false };
            let is_due = events.get(at).is_none_or(|event| event.claim.time_ns < before_ns);
            if is_due && at < events.len() {
                due.push(at);
            }
            !is_due
        });
        due
    }
}

impl Index<usize> for Finals {
    type Output = Settled;

    fn index(&self, at: usize) -> &Settled {
        &self.events[at]
    }
}

impl IndexMut<usize> for Finals {
    fn index_mut(&mut self, at: usize) -> &mut Settled {
        Arc::make_mut(&mut self.events[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::associate::locate::Place;
    use crate::engine::book::Claim;
    use crate::engine::weather::Air;
    use crate::model::alert::Class;
    use crate::model::geo::LonLat;
    use proptest::prelude::*;

    fn event(time_ns: i64) -> Settled {
        let claim = Claim::new(String::new(), Class::FireImpact, LonLat { lon_deg: 0.0, lat_deg: 0.0 }, time_ns);
        Settled::new(Place { x_m: 0.0, y_m: 0.0, time_s: 0.0 }, Air::default(), 0.0, 0.0, claim)
    }

    #[test]
    fn who_writes_events_down_has_them_as_they_were() {
        let mut finals = Finals::default();
        [1, 2].into_iter().for_each(|time_ns| finals.push(event(time_ns)));
        let (shared, bytes) = (finals.share(), postcard::to_stdvec(&finals).unwrap());
        for (_, event) in finals.those_mut(|event| event.claim.time_ns == 2) {
            event.score = 3.0;
        }
        finals[0].score = 4.0;
        assert_eq!(shared.iter().map(|event| event.score).collect::<Vec<_>>(), [0.0, 0.0]);
        assert_eq!(finals.iter().map(|event| event.score).collect::<Vec<_>>(), [4.0, 3.0]);
        let mut others: Finals = postcard::from_bytes(&bytes).unwrap();
        assert!(!others.load(shared[1..].to_vec()) && others.load(shared.clone()));
        assert_eq!(others.share(), shared);
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_there_is(
            times in proptest::collection::vec(0i64..100, 0..60), forget in 0usize..60, from in 0i64..100, to in 0i64..100,
        ) {
            let mut finals = Finals::default();
            times.iter().for_each(|&time_ns| finals.push(event(time_ns)));
            let forget = forget.min(times.len());
            (0..forget).for_each(|_| { finals.pop_first(); });
            let left = &times[forget..];
            let found: Vec<i64> = finals.between(from, to).map(|event| event.claim.time_ns).collect();
            let due: Vec<i64> = left.iter().copied().filter(|time_ns| (from..=to).contains(time_ns)).collect();
            prop_assert_eq!(found, due);
            let mut looked_at = finals.take_unpaired(from);
            let due: Vec<usize> = (0..left.len()).filter(|&at| left[at] < from).collect();
            prop_assert_eq!(&looked_at, &due);
            looked_at.extend(finals.take_unpaired(i64::MAX));
            looked_at.sort_unstable();
            prop_assert_eq!(looked_at, (0..left.len()).collect::<Vec<_>>(), "each once");
        }
    }
}
