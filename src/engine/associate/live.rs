//! The first word: events as their arrivals come in, before all of them are there.
//!
//! Each arrival either joins an event that is open, or is the apex of a search among the arrivals that belong to
//! none. What is found here is provisional; [`super::settle`] says what was.

use super::kernel::Isa;
use super::locate::{Against, Free, How, Located, Place, Point, Problem, Scratch};
use super::region::Anchor;
use super::search::{Search, Wanted};
use super::window::{Owner, Slot, Window};
use serde::{Deserialize, Serialize};

/// A provisional event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Open {
    /// Where and when, so far.
    pub located: Located,
    /// The key it was first said under; it keeps it while it is open.
    pub key: String,
    /// What it belonged with then, and does for as long.
    pub anchor: Option<Anchor>,
    /// As it was when it was last said.
    pub said: Option<Gist>,
}

/// What a reader would act on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Gist {
    at: Place,
    covariance: [f64; 6],
    sureness: f64,
}

/// A change in log odds that is worth a revision, while the reader can't be sure yet.
const NEWS: f64 = 2.0;
/// Beyond this nobody needs to know that it is surer still.
const SURE: f64 = 7.0;

impl Gist {
    /// Of an event.
    pub fn of(located: &Located) -> Gist {
        Gist { at: located.at, covariance: located.covariance, sureness: located.sureness() }
    }

    /// Whether a reader would want to know that it is now like `new`: it has moved by more than a sigma, is known twice
    /// as well, or is surer or less sure by as much as matters.
    pub fn is_stale(&self, new: &Gist) -> bool {
        let [xx, xy, _, yy, _, tt] = self.covariance;
        let (dx, dy, dt) = (new.at.x_m - self.at.x_m, new.at.y_m - self.at.y_m, new.at.time_s - self.at.time_s);
        let area = xx * yy - xy * xy;
        let moved = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / area.max(1e-9) + dt * dt / tt.max(1e-9);
        let [nxx, nxy, _, nyy, _, _] = new.covariance;
        let sharper = (nxx * nyy - nxy * nxy) * 4.0 < area;
        let surer = (new.sureness.min(SURE) - self.sureness.min(SURE)).abs() > NEWS;
        moved > 2.0 || sharper || surer
    }
}

/// All provisional events of a region.
#[derive(Default, Serialize, Deserialize)]
pub struct Live {
    open: Vec<Option<Open>>,
    #[serde(skip)]
    search: Search,
    #[serde(skip)]
    scratch: Scratch,
}

/// Seeds of a search for the first word, and how many of them are located: the next arrival must not wait.
const SEEDS: usize = 120;
const FITS: usize = 2;
/// What the first look is trusted to miss: less than for the final word, since more arrivals will come.
const UNSEEN: f64 = 2.0;

/// An arrival further than this from when an event would have it is not looked at, s.
const MOST_RESIDUAL_S: f64 = 5.0;

const NEAR: How = How { against: Against::Rest, near: true, least: f64::NEG_INFINITY };
const FAR: How = How { against: Against::Rest, near: false, least: f64::NEG_INFINITY };

/// Most provisional events at a time in one region; beyond, arrivals wait for the final word.
pub const MAX_OPEN: usize = 4_096;

impl Live {
    /// Takes in the arrival at `slot`, which is free.
    pub fn arrival(&mut self, isa: Isa, problem: &Problem<'_>, slot: Slot, bar: f64) -> Option<(usize, Located)> {
        if let Some(joined) = self.join(problem, slot) {
            return Some(joined);
        }
        let number = self.vacancy()?;
        let wanted = Wanted { bar, seeds: SEEDS, fits: FITS, unseen: UNSEEN, against: Against::Rest, earliest: false };
        let free = FreeFor { open: &self.open, window: problem.window, points: problem.points, number: None };
        let located = self.search.best(isa, problem, slot, wanted, &free);
        // Two explanations that are as good: it is too early to say either.
        located.filter(|located| located.sureness() > bar).map(|located| (number, located))
    }

    /// Takes in a radar's point.
    pub fn point(&mut self, problem: &Problem<'_>, point: usize, bar: f64) -> Option<(usize, Located)> {
        // It may bear out an event that is open already …
        let mut scratch = std::mem::take(&mut self.scratch);
        let borne_out = self.events().find_map(|(number, event)| {
            let located = problem.fit(&mut scratch, event.located.at, NEAR, &self.free_for(problem, Some(number)));
            let located = located.filter(|l| l.points.contains(&point) && l.score > event.located.score)?;
            Some((number, located))
        });
        // … or stand as one.
        let found = borne_out.or_else(|| {
            let number = self.vacancy()?;
            let start = problem.points[point].at;
            let located = problem.fit(&mut scratch, start, FAR, &self.free_for(problem, None))?;
            (located.score > bar && located.points.contains(&point)).then_some((number, located))
        });
        self.scratch = scratch;
        found
    }

    fn join(&mut self, problem: &Problem<'_>, slot: Slot) -> Option<(usize, Located)> {
        let arrival = problem.window.arrival(slot);
        let site = &problem.field.sites()[arrival.site as usize];
        let mut best: Option<(f64, usize)> = None;
        for (number, event) in self.events() {
            let at = event.located.at;
            let travel = problem.medium.travel(site.wave, site.x_m - at.x_m, site.y_m - at.y_m);
            if travel.distance_m > site.range_m {
                continue;
            }
            let beyond_s = problem.medium.beyond_s(site.wave, travel.time_s);
            let off_s = (arrival.time_s - site.ahead_s - at.time_s - travel.time_s).abs();
            let mut residual_s = (off_s - beyond_s).max(0.0);
            let mut path_sd_s = problem.medium.path_sd_s(site.wave, travel.time_s);
            if !arrival.is_named
                && residual_s > MOST_RESIDUAL_S
                && let Some((second_s, variance)) = problem.other_due(at, arrival.site)
            {
                residual_s = (arrival.time_s - at.time_s - second_s).abs();
                path_sd_s = variance.sqrt();
            }
            if residual_s > MOST_RESIDUAL_S {
                continue;
            }
            // The event's own place is uncertain too.
            let [xx, xy, xt, yy, yt, tt] = event.located.covariance;
            let (e, n) = (travel.east_s_m, travel.north_s_m);
            let own = e * e * xx + 2.0 * e * n * xy + 2.0 * e * xt + n * n * yy + 2.0 * n * yt + tt;
            let z = residual_s / (problem.variance(site, arrival) + path_sd_s.powi(2) + own.max(0.0)).sqrt();
            if z < 4.5 && best.is_none_or(|(least, _)| z < least) {
                best = Some((z, number));
            }
        }
        let (_, number) = best?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let event = self.open[number].as_ref()?;
        let located = problem.fit(&mut scratch, event.located.at, NEAR, &self.free_for(problem, Some(number)));
        self.scratch = scratch;
        let event = self.open[number].as_ref()?;
        let located = located?;
        let joined = located.arrivals.iter().any(|explained| explained.slot == slot);
        (joined && located.score > event.located.score).then_some((number, located))
    }

    /// Puts an event in its place and gives it its arrivals; `true` when it has changed enough to be said.
    pub fn put(
        &mut self,
        window: &mut Window,
        number: usize,
        located: Located,
        (key, anchor): (String, Option<Anchor>),
    ) -> bool {
        let new = Gist::of(&located);
        let said = self.open.get(number).and_then(|event| event.as_ref()?.said);
        let speaks = said.is_none_or(|said| said.is_stale(&new));
        self.release(window, number);
        for explained in &located.arrivals {
            window.give(explained.slot, Owner::Open(number as u32));
        }
        if self.open.len() <= number {
            self.open.resize(number + 1, None);
        }
        self.open[number] = Some(Open { located, key, anchor, said: if speaks { Some(new) } else { said } });
        speaks
    }

    /// Notes which sites should have heard an event and did not.
    pub fn note_silent(&mut self, number: usize, silent: impl FnOnce(&Located) -> Vec<u32>) {
        if let Some(Some(event)) = self.open.get_mut(number) {
            event.located.silent = silent(&event.located);
        }
    }

    /// Locates an event anew that has lost evidence, and has it said whatever comes of it; `None` where it is none any more.
    pub fn judge_again(&mut self, problem: &Problem<'_>, number: usize, bar: f64) -> Option<Located> {
        let event = self.open.get_mut(number)?.as_mut()?;
        event.said = None;
        event.located.arrivals.retain(|explained| problem.window.owner(explained.slot) == Owner::Open(number as u32));
        let at = event.located.at;
        let mut scratch = std::mem::take(&mut self.scratch);
        let located = problem.fit(&mut scratch, at, NEAR, &self.free_for(problem, Some(number)));
        self.scratch = scratch;
        located.filter(|located| located.sureness() > bar)
    }

    /// Takes an event out and frees its arrivals.
    pub fn take(&mut self, window: &mut Window, number: usize) -> Option<Open> {
        self.release(window, number);
        self.open.get_mut(number)?.take()
    }

    fn release(&mut self, window: &mut Window, number: usize) {
        if let Some(Some(event)) = self.open.get(number) {
            for explained in &event.located.arrivals {
                if window.owner(explained.slot) == Owner::Open(number as u32) {
                    window.give(explained.slot, Owner::Free);
                }
            }
        }
    }

    /// All open events with their numbers.
    pub fn events(&self) -> impl Iterator<Item = (usize, &Open)> {
        self.open.iter().enumerate().filter_map(|(number, event)| Some((number, event.as_ref()?)))
    }

    /// The event of that number.
    pub fn event(&self, number: usize) -> Option<&Open> {
        self.open.get(number)?.as_ref()
    }

    fn vacancy(&self) -> Option<usize> {
        let number = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        (number < MAX_OPEN).then_some(number)
    }

    fn free_for<'a>(&'a self, problem: &'a Problem<'a>, number: Option<usize>) -> FreeFor<'a> {
        FreeFor { open: &self.open, window: problem.window, points: problem.points, number }
    }
}

/// What an open event, or a new one, may take.
struct FreeFor<'a> {
    open: &'a [Option<Open>],
    window: &'a Window,
    points: &'a [Point],
    number: Option<usize>,
}

impl Free for FreeFor<'_> {
    #[inline]
    fn arrival(&self, slot: Slot) -> bool {
        match self.window.owner(slot) {
            Owner::Free => true,
            Owner::Open(owner) => Some(owner as usize) == self.number,
            Owner::Settled | Owner::PassedOver | Owner::TakenBack => false,
        }
    }

    fn point(&self, point: usize) -> bool {
        let others = self.open.iter().enumerate().filter(|&(number, _)| Some(number) != self.number);
        !self.points[point].is_taken_back
            && !others.filter_map(|(_, event)| event.as_ref()).any(|event| event.located.points.contains(&point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_news() {
        let gist = |x_m: f64, variance_m2: f64, sureness: f64| Gist {
            at: Place { x_m, y_m: 0.0, time_s: 0.0 },
            covariance: [variance_m2, 0.0, 0.0, variance_m2, 0.0, 0.01],
            sureness,
        };
        let said = gist(0.0, 400.0, 6.0);
        assert!(!said.is_stale(&gist(10.0, 350.0, 7.0)), "half a sigma off, a little surer");
        assert!(said.is_stale(&gist(60.0, 400.0, 6.0)), "three sigma off");
        assert!(said.is_stale(&gist(0.0, 150.0, 6.0)), "known twice as well");
        assert!(said.is_stale(&gist(0.0, 400.0, 3.0)), "less sure");
        assert!(!gist(0.0, 400.0, 20.0).is_stale(&gist(0.0, 400.0, 40.0)), "sure is sure");
    }
}
