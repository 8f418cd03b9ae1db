//! Which arrivals belong to which of the events that are not final: one plan, in which each arrival has one owner.
//!
//! The total of the events' scores is what counts. The moves: an event is located anew from what is its own or free
//! ([`Plan::refit`]); arrivals at one node are shared out among events that all want them ([`Plan::share_out`]); and a
//! few rival events are taken out together and their arrivals explained anew ([`super::resolve`]).

mod sharing;

use self::sharing::Bid;
use super::field::Site;
use super::locate::{Against, Free, How, Located, Place, Problem, Scratch};
use super::mirror;
use super::window::Slot;
use serde::{Deserialize, Serialize};

/// No event.
pub const NO_ONE: u32 = u32::MAX;
/// A final event.
pub const SETTLED: u32 = u32::MAX - 1;

/// An event of the plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// As located last.
    pub located: Located,
    /// How often it was taken out and explained anew.
    pub tries: u32,
}

/// Events and owners.
#[derive(Default, Serialize, Deserialize)]
pub struct Plan {
    events: Vec<Option<Event>>,
    vacant: Vec<u32>,
    owner: Vec<u32>,
    point_owner: Vec<u32>,
    #[serde(skip)]
    bids: Vec<Bid>,
    #[serde(skip)]
    scratch: Scratch,
}

/// What an event of the plan may take: its own, and what is no one's.
pub struct Own<'a> {
    plan: &'a Plan,
    event: u32,
}

impl Free for Own<'_> {
    #[inline]
    fn arrival(&self, slot: Slot) -> bool {
        let owner = self.plan.owner(slot);
        owner == NO_ONE || owner == self.event
    }

    fn point(&self, point: usize) -> bool {
        let owner = self.plan.point_owner(point);
        owner == NO_ONE || owner == self.event
    }
}

/// What an event may take that is to pay for it: all that is not settled, what it was worth to its owner being the price.
/// What such an event scores is what the plan gains by it, as long as the owners stay where they are.
pub struct Priced<'a> {
    plan: &'a Plan,
}

impl Free for Priced<'_> {
    #[inline]
    fn arrival(&self, slot: Slot) -> bool {
        self.plan.owner(slot) != SETTLED
    }

    fn point(&self, point: usize) -> bool {
        self.plan.point_owner(point) == NO_ONE
    }

    fn price(&self, slot: Slot) -> f64 {
        let owner = self.plan.event(self.plan.owner(slot));
        let explained = owner.and_then(|event| event.located.arrivals.iter().find(|explained| explained.slot == slot));
        explained.map_or(0.0, |explained| explained.gain)
    }
}

impl Plan {
    /// Who owns an arrival.
    #[inline]
    pub fn owner(&self, slot: Slot) -> u32 {
        self.owner.get(slot as usize).copied().unwrap_or(NO_ONE)
    }

    /// Who owns a point.
    pub fn point_owner(&self, point: usize) -> u32 {
        self.point_owner.get(point).copied().unwrap_or(NO_ONE)
    }

    /// The slot holds a new arrival.
    pub fn reset(&mut self, slot: Slot) {
        self.give(slot, NO_ONE);
    }

    /// No event may have that arrival.
    pub fn pass_over(&mut self, slot: Slot) {
        self.give(slot, SETTLED);
    }

    /// All points are forgotten.
    pub fn forget_points(&mut self) {
        self.point_owner.clear();
    }

    fn give(&mut self, slot: Slot, owner: u32) {
        if self.owner.len() <= slot as usize {
            self.owner.resize(slot as usize + 1, NO_ONE);
        }
        self.owner[slot as usize] = owner;
    }

    fn give_point(&mut self, point: usize, owner: u32) {
        if self.point_owner.len() <= point {
            self.point_owner.resize(point + 1, NO_ONE);
        }
        self.point_owner[point] = owner;
    }

    /// What this event may take; [`NO_ONE`] may take what is no one's.
    pub fn own(&self, event: u32) -> Own<'_> {
        Own { plan: self, event }
    }

    /// What may be had at a price.
    pub fn priced(&self) -> Priced<'_> {
        Priced { plan: self }
    }

    /// An event.
    pub fn event(&self, number: u32) -> Option<&Event> {
        self.events.get(number as usize)?.as_ref()
    }

    /// All events with their numbers.
    pub fn events(&self) -> impl Iterator<Item = (u32, &Event)> {
        (0u32..).zip(&self.events).filter_map(|(number, event)| Some((number, event.as_ref()?)))
    }

    /// How many numbers were given, and those that are free again, the next to be given last.
    pub fn numbers(&self) -> (u32, &[u32]) {
        (self.events.len() as u32, &self.vacant)
    }

    /// Goes on from a plan that was kept: its events by their numbers, and what [`Plan::numbers`] told of it. Who owns what is
    /// not events' stays as it is.
    pub fn restore(&mut self, events: Vec<(u32, Event)>, (numbers, vacant): (u32, Vec<u32>)) {
        self.events.clear();
        self.events.resize_with(numbers as usize, || None);
        self.vacant = vacant;
        for (number, event) in events {
            self.put_at(number, event);
        }
    }

    /// A point is a final event's, or no one's.
    pub fn set_point(&mut self, point: usize, is_settled: bool) {
        self.give_point(point, if is_settled { SETTLED } else { NO_ONE });
    }

    /// The event loses that arrival, which is no one's then.
    pub fn rob(&mut self, number: u32, slot: Slot) {
        if let Some(Some(event)) = self.events.get_mut(number as usize) {
            event.located.arrivals.retain(|explained| explained.slot != slot);
        }
        self.give(slot, NO_ONE);
    }

    /// The event loses that point, which nobody may have any more.
    pub fn rob_of_point(&mut self, number: u32, point: usize) {
        if let Some(Some(event)) = self.events.get_mut(number as usize) {
            event.located.points.retain(|&own| own != point);
        }
        self.give_point(point, SETTLED);
    }

    /// Where and when they are.
    pub fn places(&self) -> Vec<Place> {
        self.events().map(|(_, event)| event.located.at).collect()
    }

    /// Puts an event in and gives it its arrivals; gives its number.
    pub fn put(&mut self, event: Event) -> u32 {
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() as u32 - 1
        });
        self.put_at(number, event);
        number
    }

    fn put_at(&mut self, number: u32, event: Event) {
        for explained in &event.located.arrivals {
            self.give(explained.slot, number);
        }
        for &point in &event.located.points {
            self.give_point(point, number);
        }
        self.events[number as usize] = Some(event);
    }

    /// Takes an event out and frees what it owns.
    pub fn take(&mut self, number: u32) -> Option<Event> {
        let event = self.lift(number)?;
        self.vacant.push(number);
        Some(event)
    }

    fn lift(&mut self, number: u32) -> Option<Event> {
        let event = self.events.get_mut(number as usize)?.take()?;
        for explained in &event.located.arrivals {
            if self.owner(explained.slot) == number {
                self.give(explained.slot, NO_ONE);
            }
        }
        for &point in &event.located.points {
            if self.point_owner(point) == number {
                self.give_point(point, NO_ONE);
            }
        }
        Some(event)
    }

    /// Notes how contested an event is.
    pub fn note_contested(&mut self, number: u32, contested: f64) {
        if let Some(Some(event)) = self.events.get_mut(number as usize) {
            event.located.contested = contested;
        }
    }

    /// Takes an event out for good: what it owns stays settled.
    pub fn settle(&mut self, number: u32) -> Option<Located> {
        let event = self.take(number)?;
        for explained in &event.located.arrivals {
            self.give(explained.slot, SETTLED);
        }
        for &point in &event.located.points {
            self.give_point(point, SETTLED);
        }
        Some(event.located)
    }

    /// Locates an event from what that event may take; [`NO_ONE`] may take what is no one's. The plan stays as it is.
    pub fn locate(&mut self, problem: &Problem<'_>, start: Place, how: How, number: u32) -> Option<Located> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let located = problem.fit(&mut scratch, start, how, &self.own(number));
        self.scratch = scratch;
        located
    }

    /// Locates an event of the plan anew from what is its own or free; it goes when it is not worth it any more.
    /// `false` when it is gone.
    pub fn refit(&mut self, problem: &Problem<'_>, number: u32) -> bool {
        let Some(event) = self.lift(number) else { return false };
        let how = How { against: Against::Clutter, near: true, least: 0.0 };
        match self.locate(problem, event.located.at, how, number) {
            Some(located) if located.score > 0.0 => {
                self.put_at(number, Event { located, ..event });
                true
            }
            _ => {
                self.vacant.push(number);
                false
            }
        }
    }

    /// Where the nodes are in a line, makes one area of both its sides.
    pub fn blur(&mut self, problem: &Problem<'_>, number: u32) {
        let Some(start) = self.event(number).and_then(|event| mirror::other_side(problem, &event.located)) else {
            return;
        };
        let how = How { against: Against::Clutter, near: false, least: f64::NEG_INFINITY };
        let other = self.locate(problem, start, how, number);
        if let (Some(other), Some(Some(event))) = (other, self.events.get_mut(number as usize)) {
            mirror::blur(&mut event.located, &other);
        }
    }

    /// What these events score together.
    pub fn total(&self, events: &[u32]) -> f64 {
        events.iter().filter_map(|&number| self.event(number)).map(|event| event.located.score).sum()
    }

    /// Events that contest arrivals share them out and are located anew, twice; those that are not worth it any more go.
    pub fn come_to_terms(&mut self, problem: &Problem<'_>, events: &mut Vec<u32>) {
        if events.len() > 1 {
            for _ in 0..2 {
                self.share_out(problem, events);
                events.retain(|&number| self.refit(problem, number));
            }
        }
    }

    /// An event is resolved once more.
    pub fn tried(&mut self, number: u32) {
        if let Some(Some(event)) = self.events.get_mut(number as usize) {
            event.tries += 1;
        }
    }

    /// Share of an event's arrivals that another event of the plan would nearly as gladly have.
    pub fn contested(&self, problem: &Problem<'_>, number: u32) -> f64 {
        let Some(event) = self.event(number) else { return 0.0 };
        let arrivals = &event.located.arrivals;
        let contested = arrivals.iter().filter(|explained| {
            let arrival = problem.window.arrival(explained.slot);
            let site = &problem.field.sites()[arrival.site as usize];
            self.events().any(|(other, rival)| {
                let at = rival.located.at;
                let lag_s = arrival.time_s - site.ahead_s - at.time_s;
                if other == number || !(0.0..=problem.travel_s).contains(&lag_s) {
                    return false;
                }
                let travel = problem.medium.travel(site.wave, site.x_m - at.x_m, site.y_m - at.y_m);
                let variance =
                    problem.variance(site, arrival) + problem.medium.path_sd_s(site.wave, travel.time_s).powi(2);
                let beyond_s = problem.medium.beyond_s(site.wave, travel.time_s);
                let off_s = ((lag_s - travel.time_s).abs() - beyond_s).max(0.0);
                travel.distance_m <= site.range_m && off_s * off_s < RIVAL_SD * RIVAL_SD * variance
            })
        });
        contested.count() as f64 / arrivals.len().max(1) as f64
    }

    /// Events that own arrivals which this one might have wanted, two at least within `within_s` of when it would have
    /// them, with how many: the most contested first.
    pub fn rivals(&self, problem: &Problem<'_>, number: u32, within_s: f64, rivals: &mut Vec<(u32, u32)>) {
        rivals.clear();
        let Some(event) = self.event(number) else { return };
        let at = event.located.at;
        let mut count = |owner: u32, arrivals: u32| {
            if owner >= SETTLED || owner == number {
                return;
            }
            match rivals.iter_mut().find(|rival| rival.0 == owner) {
                Some(rival) => rival.1 += arrivals,
                None => rivals.push((owner, arrivals)),
            }
        };
        each_heard(problem, at, &mut |site_number, site, travel| {
            let due_s = at.time_s + travel.time_s + site.ahead_s;
            for (_, slot) in
                problem.window.between(site_number, due_s - within_s, (due_s + within_s).min(problem.until_s))
            {
                count(self.owner(slot), 1);
            }
        });
        // A radar's point counts as three arrivals.
        for (point, _) in problem.points_worth(at) {
            count(self.point_owner(point), 3);
        }
        rivals.retain(|rival| rival.1 >= 2);
        rivals.sort_by_key(|&(owner, shared)| (std::cmp::Reverse(shared), owner));
    }
}

/// Tells of each site in range of a place, with the wave's travel there.
pub fn each_heard(problem: &Problem<'_>, at: Place, tell: &mut impl FnMut(u32, &Site, super::wave::Travel)) {
    for &number in problem.field.near(at.x_m, at.y_m) {
        let site = &problem.field.sites()[number as usize];
        let (dx_m, dy_m) = (site.x_m - at.x_m, site.y_m - at.y_m);
        if dx_m * dx_m + dy_m * dy_m <= site.range_m * site.range_m {
            tell(number, site, problem.medium.travel(site.wave, dx_m, dy_m));
        }
    }
}

/// An arrival that would be within so many sigma of another event's is contested.
const RIVAL_SD: f64 = 3.0;
