//! The last word: what is final when event time has passed.

use super::{FORGET_S, MARGIN_S, Region, Surroundings, Word};
use crate::engine::associate::locate::{Located, RATE_HALF_S};
use crate::engine::associate::settle::{Apex, STEP_S, final_after_s, teach};
use crate::engine::associate::window::Owner;

impl Region {
    /// Event time has passed the watermark: makes all steps up to it and says what is final.
    pub fn advance(&mut self, around: Surroundings<'_>, say: &mut dyn FnMut(&Region, Word<'_>)) {
        let Some(epoch_ns) = self.epoch_ns else { return };
        let watermark_s = around.watermark_ns.saturating_sub(epoch_ns) as f64 * 1e-9;
        let travel_s = self.travel_s();
        let bar = (around.settings.min_p / (1.0 - around.settings.min_p)).ln();
        self.prior.expect(around.settings.events_per_hour, self.field.covered_m2());
        // What is read again has been worked out before.
        let is_up_to_it = self.go_on_from_plan(watermark_s, around.registry);
        let next_s = |region: &Region| {
            let next_s = region.settling.next_step_s(travel_s)?.max(region.stepped_to_s + STEP_S);
            (is_up_to_it && next_s <= watermark_s).then_some(next_s)
        };
        while let Some(step_s) = next_s(self) {
            if !self.taken_back.is_empty() {
                self.let_go_by(step_s);
            }
            // A report on a clock may come after the arrivals that it is about, and what an echo is of after the echo.
            for slot in self.settling.newly_in(step_s) {
                let arrival = self.window.arrival(slot);
                let node = self.field.sites()[arrival.site as usize].node;
                let clock_sd_s = around.weather.clock_sd_s(node, arrival.time_ns);
                self.window.set_clock(slot, clock_sd_s);
                self.note_echo(slot);
            }
            if step_s <= self.taught_to_s - self.read_again_s {
                self.forget_times();
            }
            let is_taught = step_s <= self.taught_to_s;
            let medium = self.medium(step_s - travel_s, around);
            self.air = medium.air();
            let problem = problem!(self, around, medium, until: step_s, heard_until: step_s);
            // What is read again has taught before: its lessons are in the record.
            let mut read_again = is_taught.then(|| self.learnt.clone());
            let learnt = read_again.as_mut().unwrap_or(&mut self.learnt);
            let mut events = self.settling.step(self.isa, &problem, learnt, step_s, bar);
            for located in &mut events {
                located.silent = problem.silent(located);
            }
            self.stepped_to_s = step_s;
            self.others = self.settling.places();
            if !is_taught {
                let to_s = step_s - 2.0 * travel_s;
                teach(&mut self.learnt, &mut self.prior, &mut self.field, &events, &self.others, to_s);
            }
            self.conclude(events, step_s - 2.0 * travel_s, around, say);
        }
        self.final_to_s = self.final_to_s.max(watermark_s - final_after_s(travel_s));
        // A first word that no candidate bore out is taken back even if there is nothing left to make a step for.
        let before_s = watermark_s.floor() - 2.0 * travel_s;
        if self.live.events().any(|(_, event)| event.located.at.time_s < before_s) {
            self.conclude(Vec::new(), before_s, around, say);
        }
    }

    fn conclude(
        &mut self,
        events: Vec<Located>,
        before_s: f64,
        around: Surroundings<'_>,
        say: &mut dyn FnMut(&Region, Word<'_>),
    ) {
        let mut keys = Vec::with_capacity(events.len());
        for located in &events {
            for explained in &located.arrivals {
                self.window.give(explained.slot, Owner::Settled);
            }
            keys.push(self.key(located, around.registry));
        }
        let over: Vec<usize> = self
            .live
            .events()
            .filter(|(_, event)| event.located.at.time_s < before_s)
            .map(|(number, _)| number)
            .collect();
        // An open event that lost most of its arrivals to a final one was that event under another key.
        let robbed: Vec<usize> = self
            .live
            .events()
            .filter(|(_, event)| {
                let lost =
                    event.located.arrivals.iter().filter(|e| self.window.owner(e.slot) == Owner::Settled).count();
                2 * lost > event.located.arrivals.len()
            })
            .map(|(number, _)| number)
            .collect();
        for number in over.into_iter().chain(robbed) {
            if let Some(event) = self.live.take(&mut self.window, number)
                && !keys.contains(&event.key)
            {
                say(self, Word::Not(&event.key, event.anchor, successor(&event.located, &events, &keys)));
            }
        }
        for (key, located) in keys.iter().zip(&events) {
            say(self, Word::Final(key, self.anchor(located), located));
        }
        // All sites are gone through: not at every step.
        let old_s = before_s - RATE_HALF_S - MARGIN_S;
        if old_s >= self.forgotten_to_s + FORGET_S {
            let window = &self.window;
            self.taken_back.retain(|what, _| match *what {
                Apex::Arrival(slot) => window.arrival(slot).time_s >= old_s,
                Apex::Point(_) => true,
            });
            self.window.forget_before(old_s);
            self.forgotten_to_s = old_s;
        }
        self.forget_points(before_s);
    }

    /// Points are few and keep their numbers; the list is dropped when all of it is over. One that came late is over when
    /// it comes, and still waits for the next step.
    fn forget_points(&mut self, before_s: f64) {
        if !self.points.is_empty()
            && self.points.iter().all(|point| point.at.time_s < before_s - 60.0)
            && !self.settling.holds_points()
            && self.live.events().all(|(_, event)| event.located.points.is_empty())
        {
            self.points.clear();
            self.taken_back.retain(|what, _| matches!(what, Apex::Arrival(_)));
            self.settling.forget_points();
        }
    }
}

/// The key of the final event that an open one was, if it was one: that which has most of its arrivals, and half at least.
fn successor<'a>(open: &Located, events: &[Located], keys: &'a [String]) -> Option<&'a str> {
    let shared = |event: &Located| {
        let arrivals = open.arrivals.iter().filter(|one| event.arrivals.iter().any(|other| other.slot == one.slot));
        arrivals.count() + open.points.iter().filter(|point| event.points.contains(point)).count()
    };
    let most = events.iter().zip(keys).map(|(event, key)| (shared(event), key)).max_by_key(|&(shared, _)| shared)?;
    (2 * most.0 >= open.arrivals.len() + open.points.len()).then_some(most.1.as_str())
}
