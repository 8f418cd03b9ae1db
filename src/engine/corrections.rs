//! What nodes say of their own arrivals and solutions: that one was none, or that another takes its place.
//!
//! A correction names an observation of its node, which may come after it. It counts from the later of the two times on,
//! so that every step of the final word, which lies behind all that is older, sees both or leaves both alone, whichever of
//! them came first.

use crate::model::node::NodeIx;
use crate::model::observation::Id;
use crate::model::time::NS_PER_S;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a correction is about may bear a time that is later than the correction's own by so much, nanoseconds: a pick that
/// is put right moves by seconds. A restart reads so much more where anything was corrected.
pub const AHEAD_NS: i64 = 60 * NS_PER_S;

/// Most corrections remembered: a bound on memory that only a flood of them reaches. Those beyond correct nothing that is
/// still to come.
pub const MAX_CORRECTIONS: usize = 100_000;

/// The corrections to which what they are about may still come in time.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Corrections {
    by_id: BTreeSet<(NodeIx, Id, i64)>,
    by_time: BTreeSet<(i64, NodeIx, Id)>,
    newest_ns: Option<i64>,
}

/// Whether a correction of that time can be about an observation of this one, nanoseconds.
pub fn can_be_about(correction_ns: i64, time_ns: i64) -> bool {
    time_ns <= correction_ns.saturating_add(AHEAD_NS)
}

impl Corrections {
    /// Notes that what this node says under that id is corrected by what bears this time, nanoseconds.
    pub fn note(&mut self, node: NodeIx, id: Id, time_ns: i64) {
        self.newest_ns = self.newest_ns.max(Some(time_ns));
        if self.by_id.len() < MAX_CORRECTIONS {
            self.by_id.insert((node, id, time_ns));
            self.by_time.insert((time_ns, node, id));
        }
    }

    /// From when on the observation of that node, id and time is corrected, nanoseconds.
    #[inline]
    pub fn of(&self, node: NodeIx, id: Id, time_ns: i64) -> Option<i64> {
        if self.by_id.is_empty() { None } else { self.find(node, id, time_ns) }
    }

    /// The same by the bytes of the id.
    #[inline]
    pub fn of_bytes(&self, node: NodeIx, id: &[u8], time_ns: i64) -> Option<i64> {
        if self.by_id.is_empty() { None } else { self.find(node, Id::new(id), time_ns) }
    }

    #[cold]
    fn find(&self, node: NodeIx, id: Id, time_ns: i64) -> Option<i64> {
        let first_ns = time_ns.saturating_sub(AHEAD_NS);
        let (_, _, correction_ns) = self.by_id.range((node, id, first_ns)..=(node, id, i64::MAX)).next()?;
        Some(time_ns.max(*correction_ns))
    }

    /// The time of the newest correction that ever came, nanoseconds.
    pub fn newest_ns(&self) -> Option<i64> {
        self.newest_ns
    }

    /// Forgets what is about nothing any more that is of `time_ns` or later.
    pub fn forget_before(&mut self, time_ns: i64) {
        while let Some(&(correction_ns, node, id)) = self.by_time.first()
            && !can_be_about(correction_ns, time_ns)
        {
            self.by_time.pop_first();
            self.by_id.remove(&(node, id, correction_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_counts_from_the_later_of_the_two_times_on_and_is_forgotten_when_nothing_can_come() {
        let (node, id) = (NodeIx(3), Id::new(b"a1"));
        let mut corrections = Corrections::default();
        assert_eq!(corrections.of(node, id, 5), None);
        corrections.note(node, id, 200 * NS_PER_S);
        corrections.note(node, id, 100 * NS_PER_S);
        let from_s = |time_s: i64| corrections.of(node, id, time_s * NS_PER_S).map(|from_ns| from_ns / NS_PER_S);
        assert_eq!(from_s(90), Some(100), "the first of them");
        assert_eq!(from_s(130), Some(130));
        assert_eq!(from_s(161), Some(200), "too late for the first");
        assert_eq!(from_s(261), None);
        assert_eq!(corrections.of(NodeIx(4), id, 90 * NS_PER_S), None, "another node's");
        assert_eq!(corrections.of(node, Id::new(b"a2"), 90 * NS_PER_S), None, "another's");
        corrections.forget_before(160 * NS_PER_S);
        assert!(corrections.of(node, id, 160 * NS_PER_S).is_some());
        corrections.forget_before(261 * NS_PER_S);
        assert!(corrections.by_id.is_empty() && corrections.by_time.is_empty());
        assert_eq!(corrections.newest_ns(), Some(200 * NS_PER_S));
    }

    #[test]
    fn a_flood_of_corrections_is_bounded() {
        let mut corrections = Corrections::default();
        for k in 0..2 * MAX_CORRECTIONS {
            corrections.note(NodeIx(0), Id::new(k.to_string().as_bytes()), k as i64);
        }
        assert_eq!(corrections.by_id.len(), MAX_CORRECTIONS);
    }
}
