//! The arrivals of a region in columns by event time, for the question that is asked most: which of them could share an
//! event with this one?
//!
//! Most arrivals share one with hardly any other. To ask site by site is to wait for memory at each of a hundred sites
//! that have picked nothing; here a few cache lines hold all that was picked anywhere in those seconds. The answer is a
//! first one, and errs on the side of too many.

use super::kernel::Isa;
use super::window::Slot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Event time that shares columns, s.
const BUCKET_S: f64 = 8.0;

/// Lanes that are looked at together.
const LANES: usize = 8;

/// Times and distances are f32 here, and air that is warmer or windier carries sound further than air at rest.
const WIDER: f32 = 1.2;
const MARGIN_S: f32 = 0.01;
const MARGIN_M: f32 = 1.0;

/// Where a site stands, how slow its wave is in air at rest and 10 °C, how far it hears.
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    /// East in the region's plane, m.
    pub x_m: f32,
    /// North, m.
    pub y_m: f32,
    /// s/m.
    pub slowness_s_m: f32,
    /// m.
    pub range_m: f32,
}

/// The arrivals of [`BUCKET_S`], in the order in which they came.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Bucket {
    time_s: Vec<f64>,
    x_m: Vec<f32>,
    y_m: Vec<f32>,
    slowness_s_m: Vec<f32>,
    range_m: Vec<f32>,
    slot: Vec<Slot>,
}

/// All arrivals that are not forgotten.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Recent {
    buckets: BTreeMap<i64, Bucket>,
    /// Emptied, to be used again.
    #[serde(skip)]
    spare: Vec<Bucket>,
}

/// What is asked: arrivals that may be of an event that `stand` heard at `time_s`.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Where that was heard.
    pub stand: Stand,
    /// When, seconds since the region's epoch.
    pub time_s: f64,
    /// Arrivals may be earlier and later by so much at most, s.
    pub before_s: f64,
    /// See `before_s`.
    pub after_s: f64,
    /// What picks and clocks may be off by together, s.
    pub slack_s: f64,
}

fn bucket_of(time_s: f64) -> i64 {
    (time_s / BUCKET_S).floor() as i64
}

impl Recent {
    /// Notes an arrival.
    pub fn push(&mut self, stand: Stand, time_s: f64, slot: Slot) {
        let spare = &mut self.spare;
        let bucket = self.buckets.entry(bucket_of(time_s)).or_insert_with(|| spare.pop().unwrap_or_default());
        bucket.time_s.push(time_s);
        bucket.x_m.push(stand.x_m);
        bucket.y_m.push(stand.y_m);
        bucket.slowness_s_m.push(stand.slowness_s_m);
        bucket.range_m.push(stand.range_m);
        bucket.slot.push(slot);
    }

    /// Takes the arrival of that time in that slot out.
    pub fn remove(&mut self, time_s: f64, slot: Slot) {
        if let Some(bucket) = self.buckets.get_mut(&bucket_of(time_s))
            && let Some(at) = bucket.slot.iter().position(|&other| other == slot)
        {
            bucket.remove(at);
        }
    }

    /// Forgets arrivals before `time_s`.
    pub fn forget_before(&mut self, time_s: f64) {
        while let Some(first) = self.buckets.first_entry()
            && *first.key() < bucket_of(time_s)
        {
            let mut bucket = first.remove();
            bucket.clear();
            self.spare.push(bucket);
        }
        if let Some(bucket) = self.buckets.get_mut(&bucket_of(time_s)) {
            for at in (0..bucket.slot.len()).rev().filter(|&at| bucket.time_s[at] < time_s).collect::<Vec<_>>() {
                bucket.remove(at);
            }
        }
    }

    /// The slots of all arrivals that fit what is asked, and of some that don't, in no order.
    pub fn find(&self, isa: Isa, asked: &Asked, found: &mut Vec<Slot>) {
        found.clear();
        let (from, to) = (bucket_of(asked.time_s - asked.before_s), bucket_of(asked.time_s + asked.after_s));
        for bucket in self.buckets.range(from..=to).map(|(_, bucket)| bucket) {
            match isa {
                Isa::Scalar => bucket.find(asked, found),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Isa::Avx2` is only made by `Isa::best` after asking the processor for it.
                Isa::Avx2 => unsafe { bucket.find_avx2(asked, found) },
            }
        }
    }
}

impl Bucket {
    fn clear(&mut self) {
        self.time_s.clear();
        self.x_m.clear();
        self.y_m.clear();
        self.slowness_s_m.clear();
        self.range_m.clear();
        self.slot.clear();
    }

    fn remove(&mut self, at: usize) {
        self.time_s.swap_remove(at);
        self.x_m.swap_remove(at);
        self.y_m.swap_remove(at);
        self.slowness_s_m.swap_remove(at);
        self.range_m.swap_remove(at);
        self.slot.swap_remove(at);
    }

    /// The same code, for a processor that has twice the lanes.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn find_avx2(&self, asked: &Asked, found: &mut Vec<Slot>) {
        self.find(asked, found);
    }

    #[inline(always)]
    fn find(&self, asked: &Asked, found: &mut Vec<Slot>) {
        let len = self.slot.len();
        let whole = len - len % LANES;
        for from in (0..whole).step_by(LANES) {
            let to = from + LANES;
            let (times, x_m, y_m) = (&self.time_s[from..to], &self.x_m[from..to], &self.y_m[from..to]);
            let (slowness_s_m, range_m) = (&self.slowness_s_m[from..to], &self.range_m[from..to]);
            let mut hits = [0u32; LANES];
            for j in 0..LANES {
                hits[j] = u32::from(asked.may_be(times[j], x_m[j], y_m[j], slowness_s_m[j], range_m[j]));
            }
            if hits.iter().fold(0, |any, &hit| any | hit) != 0 {
                found.extend((0..LANES).filter(|&j| hits[j] != 0).map(|j| self.slot[from + j]));
            }
        }
        for at in whole..len {
            if asked.may_be(self.time_s[at], self.x_m[at], self.y_m[at], self.slowness_s_m[at], self.range_m[at]) {
                found.push(self.slot[at]);
            }
        }
    }
}

impl Asked {
    /// Two arrivals of one event differ by at most d·s + |s′ − s|·range, and their ranges overlap.
    #[inline(always)]
    fn may_be(&self, time_s: f64, x_m: f32, y_m: f32, slowness_s_m: f32, range_m: f32) -> bool {
        let here = &self.stand;
        let after_s = (time_s - self.time_s) as f32;
        let (dx, dy) = (x_m - here.x_m, y_m - here.y_m);
        let apart_m = (dx * dx + dy * dy).sqrt();
        let slower = if slowness_s_m > here.slowness_s_m { slowness_s_m } else { here.slowness_s_m };
        let apart_s = apart_m * slower + here.range_m * (slowness_s_m - here.slowness_s_m).abs();
        (after_s.abs() <= WIDER * apart_s + (self.slack_s as f32 + MARGIN_S))
            & (apart_m <= here.range_m + range_m + MARGIN_M)
            & (after_s >= -(self.before_s as f32 + MARGIN_S))
            & (after_s <= self.after_s as f32 + MARGIN_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stand(x_m: f32, range_m: f32) -> Stand {
        Stand { x_m, y_m: 0.0, slowness_s_m: 1.0 / 340.0, range_m }
    }

    proptest! {
        #[test]
        fn all_that_could_share_an_event_is_found_by_every_instruction_set(
            arrivals in proptest::collection::vec((-3e4f32..3e4, -60f64..60.0, 1e3f32..2e4), 0..200),
            x_m in -2e4f32..2e4, slack_s in 0f64..2.0, forget_s in -80f64..0.0,
        ) {
            let mut recent = Recent::default();
            for (slot, &(x_m, time_s, range_m)) in (0..).zip(&arrivals) {
                recent.push(stand(x_m, range_m), time_s, slot);
            }
            recent.forget_before(forget_s);
            let here = stand(x_m, 12_000.0);
            let asked = Asked { stand: here, time_s: 3.0, before_s: 40.0, after_s: 40.0, slack_s };
            let mut found = Vec::new();
            recent.find(Isa::Scalar, &asked, &mut found);
            for (slot, &(x_m, time_s, range_m)) in (0u32..).zip(&arrivals) {
                let apart_m = (x_m - here.x_m).abs();
                let lag_s = (time_s - 3.0).abs();
                let may_be = lag_s <= f64::from(apart_m) / 340.0 + slack_s && apart_m <= 12_000.0 + range_m && lag_s <= 40.0;
                prop_assert!(!may_be || time_s < forget_s || found.contains(&slot), "{slot}");
                prop_assert!(time_s >= forget_s || !found.contains(&slot), "{slot} is forgotten");
                prop_assert!(lag_s <= 41.0 || !found.contains(&slot), "{slot} is of another time");
            }
            for isa in Isa::available() {
                let mut also = Vec::new();
                recent.find(isa, &asked, &mut also);
                prop_assert_eq!(&also, &found, "{:?}", isa);
            }
        }
    }
}
