//! The final word: what the arrivals of a stretch of event time say when all of them are in.
//!
//! Works at whole multiples of [`STEP_S`] of event time, T, on arrivals up to T alone, so that what comes out is a
//! function of the set of arrivals. With H the longest time a wave takes to any node in range:
//!
//! 1. every arrival that has become older than T − H and belongs to nothing is the apex of a search; what is found is
//!    born into the [`Plan`], the best first;
//! 2. events that want the same arrivals share them out, and are resolved together;
//! 3. arrivals older than T − 1.5 H that are left over are searched once more, among what others own as well;
//! 4. events from before T − 2 H are final: everything that could contest their arrivals has had its say. What they
//!    teach is learnt for the next step.

use super::field::Field;
use super::kernel::Isa;
use super::learnt::Learnt;
use super::locate::{Against, How, Located, Place, Problem};
use super::plan::{Event, NO_ONE, Plan, SETTLED};
use super::prior::Prior;
use super::resolve::{Dice, Resolver};
use super::search::{Search, Wanted};
use super::window::Slot;
use crate::model::time::ns_from_s;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// Event time between two steps, s.
pub const STEP_S: f64 = 2.0;

/// How long after an event it is final at the latest, the longest travel time being that: at the second step after two of
/// those, s.
pub fn final_after_s(travel_s: f64) -> f64 {
    2.0 * (travel_s + STEP_S)
}
/// Seeds of a search for the final word, and how many of them are located.
const SEEDS: usize = 300;
const FITS: usize = 4;
/// What the first look is trusted to miss.
const UNSEEN: f64 = 4.0;
/// How much better than chance an event must be that is born against all that is around, and one that is put in later.
const BIRTH_BAR: f64 = 1.0;
const LAST_BAR: f64 = 0.0;
/// How often a new event is resolved with its rivals, each of the rivals then, and an event before it is final.
const TRIES_NEW: u32 = 8;
const TRIES_RIVAL: u32 = 4;
const TRIES_LAST: u32 = 20;
/// How often at most for each of its rivals.
const TRIES_A_RIVAL: usize = 6;
/// Most times that one event is resolved: a bound on the work that a flood makes.
const MAX_TRIES: u32 = 200;

/// What is not final yet.
#[derive(Default, Serialize, Deserialize)]
pub struct Settling {
    /// Arrivals that have not been an apex, in order of (time, node, id).
    queue: VecDeque<(f64, Apex)>,
    /// Those that have been, and may be once more.
    again: VecDeque<(f64, Apex)>,
    /// Those that have been twice.
    last: VecDeque<(f64, Slot)>,
    /// By slot, whether a second search could find nothing that the first did not.
    alone: Vec<bool>,
    /// Up to here what nodes say of their clocks is known, s.
    known_to_s: f64,
    plan: Plan,
    #[serde(skip)]
    search: Search,
    #[serde(skip)]
    resolver: Resolver,
    #[serde(skip)]
    rivals: Vec<(u32, u32)>,
    /// Events that have lost evidence since the last step.
    robbed: BTreeSet<u32>,
}

mod kept;

pub use self::kept::{Ground, Held};

/// Where a search starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Apex {
    /// At an arrival.
    Arrival(Slot),
    /// At a radar's point.
    Point(usize),
}

impl Settling {
    /// Queues an apex. `order` tells which of two apexes of the same time comes first.
    pub fn push(&mut self, time_s: f64, apex: Apex, order: &dyn Fn(Apex, Apex) -> std::cmp::Ordering) {
        if let Apex::Arrival(slot) = apex {
            self.plan.reset(slot);
            self.alone.resize((slot as usize + 1).max(self.alone.len()), false);
            self.alone[slot as usize] = false;
        }
        let at = self
            .queue
            .partition_point(|&(other_s, other)| other_s < time_s || (other_s == time_s && order(other, apex).is_lt()));
        self.queue.insert(at, (time_s, apex));
    }

    /// An arrival that was queued takes no part.
    pub fn pass_over(&mut self, slot: Slot) {
        self.plan.pass_over(slot);
    }

    /// Lets go of arrivals and points as if they had never been, but for those that final events have; gives the arrivals.
    pub fn let_go(&mut self, all: &[Apex]) -> Vec<Slot> {
        let mut gone = BTreeSet::new();
        for &what in all {
            let owner = match what {
                Apex::Arrival(slot) => self.plan.owner(slot),
                Apex::Point(point) => self.plan.point_owner(point),
            };
            if owner == SETTLED {
                continue;
            }
            if owner != NO_ONE {
                self.robbed.insert(owner);
            }
            match what {
                Apex::Arrival(slot) => self.plan.rob(owner, slot),
                Apex::Point(point) => self.plan.rob_of_point(owner, point),
            }
            gone.insert(what);
        }
        if !gone.is_empty() {
            self.queue.retain(|(_, what)| !gone.contains(what));
            self.again.retain(|(_, what)| !gone.contains(what));
            self.last.retain(|&(_, slot)| !gone.contains(&Apex::Arrival(slot)));
        }
        let arrival = |what| if let Apex::Arrival(slot) = what { Some(slot) } else { None };
        gone.into_iter().filter_map(arrival).collect()
    }

    /// The next step that does anything; `None` when nothing waits.
    pub fn next_step_s(&self, travel_s: f64) -> Option<f64> {
        let apex_s = self.queue.front().map(|&(time_s, _)| time_s + travel_s);
        let again_s = self.again.front().map(|&(time_s, _)| time_s + 1.5 * travel_s);
        // What is left over waits to be counted as clutter.
        let last_s = self.last.front().map(|&(time_s, _)| time_s + 2.0 * travel_s);
        let event_s = self.plan.events().map(|(_, event)| event.located.at.time_s + 2.0 * travel_s).reduce(f64::min);
        // Strictly older than T − H (T − 2 H) is what a step takes.
        let first_s = [apex_s, again_s, last_s, event_s].into_iter().flatten().reduce(f64::min)?;
        Some(((first_s / STEP_S).floor() + 1.0) * STEP_S)
    }

    /// Arrivals of which all is known from the step at `step_s` on, and was not at the one before.
    pub fn newly_in(&mut self, step_s: f64) -> Vec<Slot> {
        let from_s = std::mem::replace(&mut self.known_to_s, step_s);
        let from = self.queue.partition_point(|&(time_s, _)| time_s <= from_s);
        let new = self.queue.range(from..).take_while(|&&(time_s, _)| time_s <= step_s);
        new.filter_map(|&(_, apex)| if let Apex::Arrival(slot) = apex { Some(slot) } else { None }).collect()
    }

    /// The oldest time that something not final yet rests on; `None` when nothing waits.
    pub fn oldest_s(&self) -> Option<f64> {
        let apex_s = self.queue.front().map(|&(time_s, _)| time_s);
        let again_s = self.again.front().map(|&(time_s, _)| time_s);
        let last_s = self.last.front().map(|&(time_s, _)| time_s);
        let event_s = self.plan.events().map(|(_, event)| event.located.at.time_s).reduce(f64::min);
        [apex_s, again_s, last_s, event_s].into_iter().flatten().reduce(f64::min)
    }

    /// Where and when the events are that are not final.
    pub fn places(&self) -> Vec<Place> {
        self.plan.places()
    }

    /// Whether anything that is not final yet rests on a radar's point, or starts from one.
    pub fn holds_points(&self) -> bool {
        let mut waiting = self.queue.iter().chain(&self.again);
        waiting.any(|entry| matches!(entry.1, Apex::Point(_)))
            || self.plan.events().any(|(_, event)| !event.located.points.is_empty())
    }

    /// All points were forgotten.
    pub fn forget_points(&mut self) {
        self.plan.forget_points();
    }

    /// Makes the step at `step_s` and returns the events that are final by it, in order of time.
    pub fn step(
        &mut self,
        isa: Isa,
        problem: &Problem<'_>,
        learnt: &mut Learnt,
        step_s: f64,
        bar: f64,
    ) -> Vec<Located> {
        let travel_s = problem.travel_s;
        while let Some(number) = self.robbed.pop_first() {
            self.plan.refit(problem, number);
        }
        let mut fresh: Vec<(f64, Apex)> = Vec::new();
        while let Some(entry) = pop_before(&mut self.queue, step_s - travel_s) {
            // What was passed over is not heard: whether it was queued at all hangs on the order.
            if let Apex::Arrival(slot) = entry.1
                && self.plan.owner(slot) != SETTLED
            {
                learnt.heard(problem.window.arrival(slot));
            }
            fresh.push(entry);
        }
        let born = self.give_birth(isa, problem, fresh.iter().map(|entry| entry.1));
        self.settle_conflicts(isa, problem, &born, TRIES_NEW);
        self.again.extend(fresh);
        let mut old: Vec<(f64, Apex)> = Vec::new();
        while let Some(entry) = pop_before(&mut self.again, step_s - 1.5 * travel_s) {
            old.push(entry);
        }
        let born = self.insert(isa, problem, old.iter().map(|entry| entry.1));
        self.settle_conflicts(isa, problem, &born, TRIES_NEW);
        self.last.extend(old.iter().filter_map(|&(time_s, apex)| match apex {
            Apex::Arrival(slot) => Some((time_s, slot)),
            Apex::Point(_) => None,
        }));
        self.conclude(isa, problem, learnt, step_s, bar)
    }

    /// Events that are final now; they leave the plan.
    fn conclude(
        &mut self,
        isa: Isa,
        problem: &Problem<'_>,
        learnt: &mut Learnt,
        step_s: f64,
        bar: f64,
    ) -> Vec<Located> {
        let before_s = step_s - 2.0 * problem.travel_s;
        let due = |plan: &Plan| -> Vec<u32> {
            let mut due: Vec<(u32, f64)> = plan
                .events()
                .filter(|(_, event)| event.located.at.time_s < before_s)
                .map(|(number, event)| (number, event.located.at.time_s))
                .collect();
            due.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            due.into_iter().map(|(number, _)| number).collect()
        };
        self.resolve(isa, problem, &due(&self.plan), TRIES_LAST);
        for number in due(&self.plan) {
            self.plan.refit(problem, number);
        }
        for number in due(&self.plan) {
            let contested = self.plan.contested(problem, number);
            self.plan.note_contested(number, contested);
        }
        let due = due(&self.plan);
        for &number in &due {
            self.plan.blur(problem, number);
        }
        let mut done = Vec::new();
        for number in due {
            let stands = self.plan.event(number).is_some_and(|event| event.located.score > bar);
            if stands {
                done.extend(self.plan.settle(number));
            } else {
                self.plan.take(number);
            }
        }
        for located in &done {
            learnt.learn(problem, located);
        }
        while let Some((_, slot)) = pop_before(&mut self.last, before_s) {
            if self.plan.owner(slot) == NO_ONE {
                learnt.free(problem.window.arrival(slot));
            }
        }
        done
    }

    /// Searches from those apexes that belong to nothing, and puts what is found into the plan, the best first.
    fn give_birth(&mut self, isa: Isa, problem: &Problem<'_>, apexes: impl Iterator<Item = Apex>) -> Vec<u32> {
        let (against, bar) = (Against::Rest, BIRTH_BAR);
        let mut found: Vec<Located> = Vec::new();
        for apex in apexes {
            let located = match apex {
                Apex::Arrival(slot) => {
                    let explained =
                        |known: &Located| known.score > bar + 6.0 && known.arrivals.iter().any(|e| e.slot == slot);
                    if self.plan.owner(slot) != NO_ONE || found.iter().any(explained) {
                        continue;
                    }
                    let wanted = Wanted { bar, seeds: SEEDS, fits: FITS, unseen: UNSEEN, against, earliest: true };
                    let located = self.search.best(isa, problem, slot, wanted, &self.plan.own(NO_ONE));
                    self.alone[slot as usize] = located.is_none() && !self.search.may_find_more();
                    located
                }
                Apex::Point(number) if self.plan.point_owner(number) == NO_ONE => {
                    self.about_point(problem, number, against, bar)
                }
                Apex::Point(_) => None,
            };
            found.extend(located.filter(|located| !found.iter().any(|known| same_evidence(known, located))));
        }
        let mut born = Vec::new();
        loop {
            let best = (0..found.len()).max_by(|&a, &b| found[a].score.total_cmp(&found[b].score).then(b.cmp(&a)));
            let Some(best) = best else { break };
            let located = found.swap_remove(best);
            let contested = located.arrivals.iter().any(|e| self.plan.owner(e.slot) != NO_ONE)
                || located.points.iter().any(|&point| self.plan.point_owner(point) != NO_ONE);
            if contested {
                let again = self.plan.locate(problem, located.at, How { against, near: true, least: bar }, NO_ONE);
                // What is left of it takes its place among the others.
                found.extend(again.filter(|again| again.score > bar && again.score < located.score));
                continue;
            }
            let number = self.plan.put(Event { located, tries: 0 });
            if self.plan.refit(problem, number) {
                born.push(number);
            }
        }
        born
    }

    /// Searches once more from those apexes that still belong to nothing, against clutter alone and among what others own
    /// as well: where rounds fall seconds apart, an event of which too much was taken is found only so.
    fn insert(&mut self, isa: Isa, problem: &Problem<'_>, apexes: impl Iterator<Item = Apex>) -> Vec<u32> {
        let against = Against::Clutter;
        let wanted = Wanted { bar: LAST_BAR, seeds: SEEDS, fits: FITS, unseen: UNSEEN, against, earliest: false };
        let mut born = Vec::new();
        for apex in apexes {
            let located = match apex {
                Apex::Arrival(slot) if self.plan.owner(slot) == NO_ONE && !self.alone[slot as usize] => {
                    self.search.best(isa, problem, slot, wanted, &self.plan.priced())
                }
                Apex::Point(number) if self.plan.point_owner(number) == NO_ONE => {
                    self.about_point(problem, number, against, LAST_BAR)
                }
                _ => None,
            };
            if let Some(located) = located {
                born.extend(self.resolver.insert(problem, &mut self.plan, located));
            }
        }
        born
    }

    /// The event that a radar's point tells of, of what is free.
    fn about_point(&mut self, problem: &Problem<'_>, number: usize, against: Against, bar: f64) -> Option<Located> {
        let start = problem.points[number].at;
        let located = self.plan.locate(problem, start, How { against, near: false, least: bar }, NO_ONE);
        located.filter(|located| located.score > bar && located.points.contains(&number))
    }

    /// New events and those that contest their arrivals come to terms.
    fn settle_conflicts(&mut self, isa: Isa, problem: &Problem<'_>, born: &[u32], tries: u32) {
        if born.is_empty() {
            return;
        }
        let mut touched: Vec<u32> = born.to_vec();
        for &number in born {
            self.plan.rivals(problem, number, 1.6, &mut self.rivals);
            for &(rival, _) in &self.rivals {
                if !touched.contains(&rival) {
                    touched.push(rival);
                }
            }
        }
        self.plan.come_to_terms(problem, &mut touched);
        self.resolve(isa, problem, born, tries);
        let rivals: Vec<u32> = touched.iter().copied().filter(|number| !born.contains(number)).collect();
        self.resolve(isa, problem, &rivals, TRIES_RIVAL);
    }

    /// Resolves each of these events with some of its rivals, so many times.
    fn resolve(&mut self, isa: Isa, problem: &Problem<'_>, events: &[u32], tries: u32) {
        for turn in 0..tries {
            for &number in events {
                let Some(event) = self.plan.event(number) else { continue };
                if event.tries >= MAX_TRIES {
                    continue;
                }
                // Thrown by what is a whole number and the same in another hour: how long ago its first arrival came.
                let step_ns = problem.epoch_ns.saturating_add(ns_from_s(problem.until_s));
                let first_ns = event.located.arrivals.iter().map(|e| problem.window.arrival(e.slot).time_ns).min();
                let ago_ns = step_ns.saturating_sub(first_ns.unwrap_or(step_ns));
                let seed = ago_ns as u64 ^ u64::from(event.tries) << 48 ^ u64::from(turn) << 56;
                let mut dice = Dice::new(seed);
                let within_s = if turn % 2 == 0 { 0.6 } else { 1.6 };
                self.plan.rivals(problem, number, within_s, &mut self.rivals);
                // With few rivals there are few ways to explain it anew.
                if turn as usize >= TRIES_A_RIVAL * self.rivals.len() {
                    continue;
                }
                self.plan.tried(number);
                let mut group = vec![number];
                for _ in 0..1 + dice.below(3) {
                    // The more contested, the likelier.
                    let sum: u32 = self.rivals.iter().map(|rival| rival.1).sum();
                    let mut left = dice.uniform() * f64::from(sum);
                    for &(rival, shared) in &self.rivals {
                        left -= f64::from(shared);
                        if left <= 0.0 {
                            if !group.contains(&rival) {
                                group.push(rival);
                            }
                            break;
                        }
                    }
                }
                self.resolver.resolve(isa, problem, &mut self.plan, &group, &mut dice);
            }
        }
    }
}

/// Takes what is at the front if it is older than that.
fn pop_before<T>(queue: &mut VecDeque<(f64, T)>, before_s: f64) -> Option<(f64, T)> {
    let &(time_s, _) = queue.front()?;
    if time_s < before_s { queue.pop_front() } else { None }
}

/// Teaches the prior and the sites what the events that are final say.
pub fn teach(learnt: &mut Learnt, prior: &mut Prior, field: &mut Field, done: &[Located], others: &[Place], to_s: f64) {
    // What may have been at two places teaches nothing of either.
    let teaches = |located: &&Located| located.score > super::learnt::TEACHING_SCORE && !located.two_places;
    for located in done.iter().filter(teaches) {
        prior.learn(located.at, others);
    }
    learnt.teach(field, to_s);
}

fn same_evidence(a: &Located, b: &Located) -> bool {
    a.points == b.points
        && a.arrivals.len() == b.arrivals.len()
        && a.arrivals.iter().zip(&b.arrivals).all(|(x, y)| x.slot == y.slot)
}
