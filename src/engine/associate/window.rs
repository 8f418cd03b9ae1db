//! The arrivals that may still belong to an event: per site a ring in order of time, of all sites the columns of
//! [`Recent`], the arrivals themselves in a slab whose slots are used again.

use super::recent::{Recent, Stand};
use crate::model::kind::{Hint, Kind};
use crate::model::observation::{Id, Origin};
use serde::{Deserialize, Serialize};

/// A slot of the slab.
pub type Slot = u32;

/// Who an arrival belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// No one.
    Free,
    /// A provisional event.
    Open(u32),
    /// A final event.
    Settled,
    /// No one may have it: its node picked too many in that second.
    PassedOver,
    /// Its sender has taken it back: the first word does without it.
    TakenBack,
}

/// What becomes of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is in, in this slot.
    In(Slot),
    /// It is in, and the other one is passed over for it.
    Instead(Slot, Slot),
    /// Too many came before it in that second, or the window is full.
    Not,
}

/// An arrival at a site. Times are seconds since the region's epoch. What a fit asks of each stands in the first line of
/// memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Arrival {
    /// When.
    pub time_s: f64,
    /// One sigma of the pick.
    pub pick_sd_s: f64,
    /// What its node says of its clock: one sigma.
    pub clock_sd_s: f64,
    /// Natural logarithm of its amplitude; NaN where it has none that compares with others'.
    pub ln_amplitude: f64,
    /// Towards the source, degrees; NaN where not measured.
    pub azimuth_deg: f64,
    /// One sigma of that.
    pub azimuth_sd_deg: f64,
    /// The site.
    pub site: u32,
    /// ln √(2π) σ with the sigma of pick and clock, for a first look.
    pub ln_norm: f32,
    /// How many times as likely as clutter alone an echo makes it, natural log; see [`super::echo`].
    pub ln_echo: f32,
    /// What the sender takes it for.
    pub hint: Hint,
    /// Whether the sender says which wave it is, or there is but one.
    pub is_named: bool,
    /// The observation's kind.
    pub kind: Kind,
    /// When, nanoseconds.
    pub time_ns: i64,
    /// Where the observation stood.
    pub origin: Origin,
    /// The sender's id.
    pub id: Id,
}

impl Arrival {
    /// Variance of its time, pick and clock together, s².
    fn variance_s2(&self) -> f64 {
        self.pick_sd_s.powi(2) + self.clock_sd_s.powi(2)
    }
}

/// ln √(2π) σ.
fn ln_norm(variance_s2: f64) -> f32 {
    (0.5 * (std::f64::consts::TAU * variance_s2).ln()) as f32
}

/// Most arrivals of one site in one second of event time, the earliest of them: no ear tells more shots apart, and a
/// node that says more is broken. What a flood costs is bounded by it, and which of its arrivals count is a function
/// of the set. Those beyond are counted and take no part.
pub const MAX_A_SECOND: usize = 16;

/// Most arrivals held in one region: a bound on memory that only more sites than there are, or a flood in backward
/// order, can reach. Beyond, arrivals are counted and let go.
pub const MAX_ARRIVALS: usize = 4_000_000;

/// Up to so many times are gone through one by one.
const FEW: usize = 12;

/// A site's arrivals in order of time: a column of times to search in and one of slots. What is forgotten in front is
/// moved out of the way when it is half of all.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Ring {
    time_s: Vec<f64>,
    slot: Vec<Slot>,
    head: usize,
}

impl Ring {
    /// The first at or after `from_s`. Most sites have but a few, and many none that is so late.
    #[inline]
    fn first(&self, from_s: f64) -> usize {
        let times = &self.time_s[self.head..];
        self.head
            + match times.last() {
                Some(&last_s) if last_s >= from_s && times.len() > FEW => {
                    times.partition_point(|&time_s| time_s < from_s)
                }
                Some(&last_s) if last_s >= from_s => times.iter().take_while(|&&time_s| time_s < from_s).count(),
                _ => times.len(),
            }
    }

    fn pop_before(&mut self, time_s: f64) -> Option<Slot> {
        let slot = *self.slot.get(self.head)?;
        if self.time_s[self.head] >= time_s {
            return None;
        }
        self.head += 1;
        if self.head >= 32 && 2 * self.head >= self.slot.len() {
            self.time_s.drain(..self.head);
            self.slot.drain(..self.head);
            self.head = 0;
        }
        Some(slot)
    }
}

/// The window of one region.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Window {
    arrivals: Vec<Arrival>,
    owner: Vec<Owner>,
    unused: Vec<Slot>,
    rings: Vec<Ring>,
    /// Of each site the newest arrival, s, and the largest sigma of a time, s: most that is asked of a site is answered
    /// by these.
    newest_s: Vec<f64>,
    most_sd_s: Vec<f64>,
    /// The largest of those.
    widest_sd_s: f64,
    recent: Recent,
    held: usize,
    passed_over: u64,
}

impl Window {
    /// Takes in an arrival, if it is among the first [`MAX_A_SECOND`] of its site, which stands there, and second.
    pub fn admit(&mut self, arrival: Arrival, stand: Stand) -> Admitted {
        let second_s = arrival.time_s.floor();
        let mut last = None;
        let mut others = 0;
        for (time_s, slot) in self.between(arrival.site, second_s, second_s + 1.0) {
            if time_s < second_s + 1.0 && self.owner(slot) != Owner::PassedOver {
                (others, last) = (others + 1, Some(slot));
            }
        }
        if self.held >= MAX_ARRIVALS {
            self.passed_over += 1;
            return Admitted::Not;
        }
        let Some(last) = last.filter(|_| others >= MAX_A_SECOND) else {
            return Admitted::In(self.insert(arrival, stand));
        };
        self.passed_over += 1;
        let key = |arrival: &Arrival| (arrival.time_ns, arrival.id);
        if key(&arrival) > key(self.arrival(last)) {
            return Admitted::Not;
        }
        self.give(last, Owner::PassedOver);
        Admitted::Instead(self.insert(arrival, stand), last)
    }

    /// Arrivals that took no part because there were too many.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Takes in an arrival.
    pub(super) fn insert(&mut self, mut arrival: Arrival, stand: Stand) -> Slot {
        arrival.ln_norm = ln_norm(arrival.variance_s2());
        let slot = match self.unused.pop() {
            Some(slot) => {
                self.arrivals[slot as usize] = arrival;
                self.owner[slot as usize] = Owner::Free;
                slot
            }
            None => {
                self.arrivals.push(arrival);
                self.owner.push(Owner::Free);
                self.arrivals.len() as Slot - 1
            }
        };
        let site = arrival.site as usize;
        if self.rings.len() <= site {
            self.rings.resize_with(site + 1, Ring::default);
            self.newest_s.resize(site + 1, f64::NEG_INFINITY);
            self.most_sd_s.resize(site + 1, 0.0);
        }
        self.widen(site, arrival.variance_s2().sqrt());
        self.newest_s[site] = self.newest_s[site].max(arrival.time_s);
        self.recent.push(stand, arrival.time_s, slot);
        let arrivals = &self.arrivals;
        let ring = &mut self.rings[site];
        // Equal times stand in order of id, whatever order they came in.
        let mut at = ring.first(arrival.time_s);
        while ring.time_s.get(at) == Some(&arrival.time_s) && arrivals[ring.slot[at] as usize].id < arrival.id {
            at += 1;
        }
        ring.time_s.insert(at, arrival.time_s);
        ring.slot.insert(at, slot);
        self.held += 1;
        slot
    }

    /// Takes an arrival out; its slot is free for another.
    pub fn remove(&mut self, slot: Slot) {
        let Arrival { site, time_s, .. } = self.arrivals[slot as usize];
        let ring = &mut self.rings[site as usize];
        let first = ring.first(time_s);
        let Some(at) = (first..ring.slot.len()).find(|&at| ring.slot[at] == slot) else { return };
        ring.time_s.remove(at);
        ring.slot.remove(at);
        self.recent.remove(time_s, slot);
        self.unused.push(slot);
        self.held -= 1;
    }

    /// What the node of the arrival in that slot said of its clock.
    pub fn set_clock(&mut self, slot: Slot, clock_sd_s: f64) {
        let arrival = &mut self.arrivals[slot as usize];
        if arrival.clock_sd_s != clock_sd_s {
            arrival.clock_sd_s = clock_sd_s;
            arrival.ln_norm = ln_norm(arrival.variance_s2());
            let (site, sd_s) = (arrival.site as usize, arrival.variance_s2().sqrt());
            self.widen(site, sd_s);
        }
    }

    /// How many times as likely as clutter alone an echo makes the arrival in that slot, natural log.
    pub fn set_echo(&mut self, slot: Slot, ln_echo: f64) {
        self.arrivals[slot as usize].ln_echo = ln_echo as f32;
    }

    fn widen(&mut self, site: usize, sd_s: f64) {
        self.most_sd_s[site] = self.most_sd_s[site].max(sd_s);
        self.widest_sd_s = self.widest_sd_s.max(sd_s);
    }

    /// The arrivals of all sites, by time.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// No arrival at any site has a larger sigma in time, pick and clock together, s.
    pub fn widest_sd_s(&self) -> f64 {
        self.widest_sd_s
    }

    /// The arrival in a slot.
    #[inline]
    pub fn arrival(&self, slot: Slot) -> &Arrival {
        &self.arrivals[slot as usize]
    }

    /// Who it belongs to.
    #[inline]
    pub fn owner(&self, slot: Slot) -> Owner {
        self.owner[slot as usize]
    }

    /// Gives it to someone.
    pub fn give(&mut self, slot: Slot, owner: Owner) {
        self.owner[slot as usize] = owner;
    }

    /// The arrivals at `site` from `from_s` to `to_s`, in order of time.
    #[inline]
    pub fn between(&self, site: u32, from_s: f64, to_s: f64) -> impl Iterator<Item = (f64, Slot)> + '_ {
        let (times, slots) = match self.newest_s.get(site as usize) {
            Some(&newest_s) if newest_s >= from_s => {
                let ring = &self.rings[site as usize];
                let first = ring.first(from_s);
                (&ring.time_s[first..], &ring.slot[first..])
            }
            _ => (&[][..], &[][..]),
        };
        times.iter().copied().zip(slots.iter().copied()).take_while(move |&(time_s, _)| time_s <= to_s)
    }

    /// No arrival at `site` has a larger sigma in time, pick and clock together, s.
    #[inline]
    pub fn most_sd_s(&self, site: u32) -> f64 {
        self.most_sd_s.get(site as usize).copied().unwrap_or(0.0)
    }

    /// Arrivals held.
    pub fn len(&self) -> usize {
        self.held
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Forgets arrivals before `time_s`.
    pub fn forget_before(&mut self, time_s: f64) {
        self.recent.forget_before(time_s);
        for ring in &mut self.rings {
            while let Some(slot) = ring.pop_before(time_s) {
                self.unused.push(slot);
                self.held -= 1;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::associate::kernel::Isa;
    use crate::engine::associate::recent::Asked;
    use proptest::prelude::*;

    pub(in super::super) const STAND: Stand =
        Stand { x_m: 0.0, y_m: 0.0, slowness_s_m: 1.0 / 340.0, range_m: 12_000.0 };

    pub(in super::super) fn arrival(site: u32, time_s: f64, id: u32) -> Arrival {
        Arrival {
            site,
            time_s,
            pick_sd_s: 0.1,
            clock_sd_s: 0.0,
            ln_amplitude: f64::NAN,
            azimuth_deg: f64::NAN,
            azimuth_sd_deg: f64::NAN,
            ln_norm: 0.0,
            ln_echo: 0.0,
            hint: Hint::Unknown,
            is_named: true,
            kind: Kind::Acoustic,
            time_ns: 0,
            origin: Origin { topic: 0, partition: 0, offset: 0, line: 0 },
            id: Id::new(id.to_string().as_bytes()),
        }
    }

    proptest! {
        #[test]
        fn a_ring_is_in_order_whatever_order_arrivals_came_in(times in proptest::collection::vec((0u32..3, 0u32..50), 0..60)) {
            let mut window = Window::default();
            for (k, &(site, time)) in times.iter().enumerate() {
                window.insert(arrival(site, f64::from(time), k as u32), STAND);
            }
            for site in 0..3 {
                let ring: Vec<f64> = window.between(site, 10.0, 30.0).map(|(time_s, _)| time_s).collect();
                prop_assert!(ring.is_sorted());
                let expected = times.iter().filter(|&&(s, t)| s == site && (10..=30).contains(&t)).count();
                prop_assert_eq!(ring.len(), expected);
            }
            window.forget_before(25.0);
            prop_assert_eq!(window.len(), times.iter().filter(|&&(_, t)| t >= 25).count());
        }
    }

    #[test]
    fn of_too_many_in_a_second_the_earliest_count_whatever_the_order() {
        let kept = |order: &dyn Fn(u32) -> u32| {
            let mut window = Window::default();
            for k in 0..1_000 {
                let mut arrival = arrival(0, 5.0 + f64::from(order(k)) * 1e-3, order(k));
                arrival.time_ns = i64::from(order(k));
                window.admit(arrival, STAND);
            }
            let free = window.between(0, 0.0, 10.0).filter(|&(_, slot)| window.owner(slot) == Owner::Free);
            let times: Vec<f64> = free.map(|(time_s, _)| time_s).collect();
            assert_eq!(window.passed_over(), 1_000 - times.len() as u64);
            times
        };
        let forward = kept(&|k| k);
        assert_eq!(forward.len(), MAX_A_SECOND);
        assert_eq!(forward, kept(&|k| 999 - k));
        assert_eq!(forward, kept(&|k| k * 617 % 1_000));
    }

    #[test]
    fn what_is_taken_out_is_as_if_it_had_not_come() {
        let mut window = Window::default();
        // Equal times too, and more than are gone through one by one.
        let slots: Vec<Slot> = (0..40).map(|k| window.insert(arrival(0, f64::from(k / 2), k), STAND)).collect();
        window.forget_before(3.0);
        for &slot in slots[6..].iter().step_by(3) {
            window.remove(slot);
        }
        let left: Vec<Slot> = window.between(0, 0.0, 99.0).map(|(_, slot)| slot).collect();
        let expected: Vec<Slot> = (6..40usize).filter(|k| !k.is_multiple_of(3)).map(|k| slots[k]).collect();
        assert_eq!(left, expected);
        assert_eq!(window.len(), left.len());
        let asked = Asked { stand: STAND, time_s: 10.0, before_s: 40.0, after_s: 40.0, slack_s: 40.0 };
        let mut found = Vec::new();
        window.recent().find(Isa::Scalar, &asked, &mut found);
        found.sort_by_key(|slot| slots.iter().position(|other| other == slot));
        assert_eq!(found, expected);
        let again = window.insert(arrival(0, 50.0, 99), STAND);
        assert!(slots.contains(&again) && !expected.contains(&again));
    }

    #[test]
    fn slots_are_used_again() {
        let mut window = Window::default();
        for round in 0..100 {
            for k in 0..10 {
                window.insert(arrival(0, f64::from(round * 10 + k), k as u32), STAND);
            }
            window.forget_before(f64::from(round * 10 + 10));
        }
        assert!(window.is_empty());
        assert_eq!(window.arrivals.len(), 10);
    }
}
