//! The final word: what the arrivals of a stretch of event time say when all of them are in.
//!
//! Works at whole seconds of event time, T, on arrivals up to T alone, so that what comes out is a function of the
//! set of arrivals. With H the longest time a wave takes to any node in range:
//!
//! 1. every arrival that has become older than T − H is an apex once: the best event that holds it is a candidate;
//! 2. the candidates take their arrivals in order of score, each located anew when others took some of its own;
//! 3. apexes left over are searched again among what is left, at the lower rate of clutter that is left;
//! 4. events from before T − 2 H are final: everything that could contest their arrivals has been a candidate.

use super::kernel::Isa;
use super::locate::{Free, Located, Problem};
use super::search::{MAX_WORK, Search, Wanted};
use super::window::{Owner, Slot};
use rustc_hash::FxHashSet;
use std::collections::{BinaryHeap, VecDeque};

/// Above the bar by so much, a candidate's other arrivals need no search of their own.
const SURE: f64 = 6.0;

/// What is not final yet.
#[derive(Default)]
pub struct Settling {
    /// Arrivals that have not been an apex, in order of (time, node, id).
    queue: VecDeque<(f64, Apex)>,
    candidates: Vec<Located>,
    search: Search,
}

/// Where a search starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apex {
    /// At an arrival.
    Arrival(Slot),
    /// At a radar's point.
    Point(usize),
}

/// An order of scores, the best on top; of two equal ones the earlier candidate.
struct Rank(f64, usize);
impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Rank {}
impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then(other.1.cmp(&self.1))
    }
}

impl Settling {
    /// Queues an apex. `order` tells which of two apexes of the same time comes first.
    pub fn push(&mut self, time_s: f64, apex: Apex, order: &dyn Fn(Apex, Apex) -> std::cmp::Ordering) {
        let at = self
            .queue
            .partition_point(|&(other_s, other)| other_s < time_s || (other_s == time_s && order(other, apex).is_lt()));
        self.queue.insert(at, (time_s, apex));
    }

    /// The next whole second at which a step does anything; `None` when nothing waits.
    pub fn next_step_s(&self, travel_s: f64) -> Option<f64> {
        let apex_s = self.queue.front().map(|&(time_s, _)| time_s + travel_s);
        let event_s = self.candidates.iter().map(|located| located.at.time_s + 2.0 * travel_s).reduce(f64::min);
        // Strictly older than T − H (T − 2 H) is what a step takes.
        [apex_s, event_s].into_iter().flatten().reduce(f64::min).map(|at_s| at_s.floor() + 1.0)
    }

    /// The oldest time that something not final yet rests on; `None` when nothing waits.
    pub fn oldest_s(&self) -> Option<f64> {
        let apex_s = self.queue.front().map(|&(time_s, _)| time_s);
        let event_s = self.candidates.iter().map(|located| located.at.time_s).reduce(f64::min);
        [apex_s, event_s].into_iter().flatten().reduce(f64::min)
    }

    /// Makes the step at `step_s` and returns the events that are final by it, in order of time.
    pub fn step(
        &mut self,
        isa: Isa,
        problem: &Problem<'_>,
        settled_points: &[bool],
        step_s: f64,
        travel_s: f64,
        bar: f64,
    ) -> Vec<Located> {
        let settled = |slot: Slot| problem.window.owner(slot) == Owner::Settled;
        let point_settled = |number: usize| settled_points.get(number).copied().unwrap_or(false);
        let mut fresh: Vec<Apex> = Vec::new();
        while let Some(&(time_s, apex)) = self.queue.front() {
            if time_s >= step_s - travel_s {
                break;
            }
            self.queue.pop_front();
            fresh.push(apex);
        }
        let free = Free { arrival: &|slot| !settled(slot), point: &|number| !point_settled(number) };
        fresh.retain(|&apex| match apex {
            Apex::Arrival(slot) => !settled(slot),
            Apex::Point(number) => !point_settled(number),
        });
        let mut found = false;
        for &apex in &fresh {
            // What a sure candidate explains already would only be found again.
            let explained = self.candidates.iter().any(|candidate| {
                candidate.score > bar + SURE
                    && match apex {
                        Apex::Arrival(slot) => candidate.arrivals.iter().any(|explained| explained.slot == slot),
                        Apex::Point(number) => candidate.points.contains(&number),
                    }
            });
            found |= !explained && self.look(isa, problem, apex, bar, free);
        }
        let mut taken = self.allot(problem, settled_points, bar);
        if found {
            let left: Vec<Apex> = fresh
                .iter()
                .copied()
                .filter(|apex| match apex {
                    Apex::Arrival(slot) => !taken.arrivals.contains(slot),
                    Apex::Point(number) => !taken.points.contains(number),
                })
                .collect();
            let left_free = Free {
                arrival: &|slot| !settled(slot) && !taken.arrivals.contains(&slot),
                point: &|number| !point_settled(number) && !taken.points.contains(&number),
            };
            let mut again = false;
            for apex in left {
                again |= self.look(isa, problem, apex, bar, left_free);
            }
            if again {
                taken = self.allot(problem, settled_points, bar);
            }
        }
        let (mut done, open): (Vec<usize>, Vec<usize>) =
            taken.winners.iter().partition(|&&k| self.candidates[k].at.time_s < step_s - 2.0 * travel_s);
        done.sort_by(|&a, &b| self.candidates[a].at.time_s.total_cmp(&self.candidates[b].at.time_s));
        let events = done.iter().map(|&k| self.candidates[k].clone()).collect();
        let mut number = 0;
        self.candidates.retain(|candidate| {
            number += 1;
            candidate.at.time_s >= step_s - 2.0 * travel_s || open.contains(&(number - 1))
        });
        events
    }

    /// Searches from one apex; true when that brought a candidate that was not there.
    fn look(&mut self, isa: Isa, problem: &Problem<'_>, apex: Apex, bar: f64, free: Free<'_>) -> bool {
        let located = match apex {
            Apex::Arrival(slot) => self.search.best(isa, problem, slot, Wanted { bar, work: MAX_WORK }, free),
            Apex::Point(number) => {
                problem.fit(problem.points[number].at, free).filter(|l| l.score > bar && l.points.contains(&number))
            }
        };
        match located {
            Some(located) if !self.candidates.iter().any(|known| same_evidence(known, &located)) => {
                self.candidates.push(located);
                true
            }
            _ => false,
        }
    }

    /// Lets the candidates take their arrivals, the best first. Candidates change as they are located anew.
    fn allot(&mut self, problem: &Problem<'_>, settled_points: &[bool], bar: f64) -> Taken {
        let mut taken = Taken::default();
        let mut heap: BinaryHeap<Rank> =
            self.candidates.iter().enumerate().map(|(number, candidate)| Rank(candidate.score, number)).collect();
        while let Some(Rank(_, number)) = heap.pop() {
            let candidate = &self.candidates[number];
            let contested = candidate.arrivals.iter().any(|explained| {
                taken.arrivals.contains(&explained.slot) || problem.window.owner(explained.slot) == Owner::Settled
            }) || candidate
                .points
                .iter()
                .any(|&point| taken.points.contains(&point) || settled_points.get(point).copied().unwrap_or(false));
            if contested {
                let free = Free {
                    arrival: &|slot| problem.window.owner(slot) != Owner::Settled && !taken.arrivals.contains(&slot),
                    point: &|point| {
                        !taken.points.contains(&point) && !settled_points.get(point).copied().unwrap_or(false)
                    },
                };
                // It keeps its place among the candidates for the next step, but as what is left of it now.
                match problem.fit(candidate.at, free) {
                    Some(again) if again.score > bar => {
                        heap.push(Rank(again.score, number));
                        self.candidates[number] = again;
                    }
                    _ => {}
                }
                continue;
            }
            taken.arrivals.extend(candidate.arrivals.iter().map(|explained| explained.slot));
            taken.points.extend(candidate.points.iter().copied());
            taken.winners.push(number);
        }
        taken
    }
}

/// Who took what.
#[derive(Default)]
struct Taken {
    arrivals: FxHashSet<Slot>,
    points: FxHashSet<usize>,
    winners: Vec<usize>,
}

fn same_evidence(a: &Located, b: &Located) -> bool {
    a.points == b.points
        && a.arrivals.len() == b.arrivals.len()
        && a.arrivals.iter().zip(&b.arrivals).all(|(x, y)| x.slot == y.slot)
}
