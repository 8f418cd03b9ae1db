//! The first word: what an arrival changes, said at once.

use super::{Region, Surroundings, Word};
use crate::engine::associate::calibration::first_odds;
use crate::engine::associate::locate::{Located, Point};
use crate::engine::associate::settle::Apex;
use crate::engine::associate::wave::Medium;
use crate::engine::associate::window::{Admitted, Arrival};

impl Region {
    /// Takes in an arrival and says at once what it changes. `corrected_ns`: from when on its sender has taken it back,
    /// nanoseconds.
    pub fn take_arrival(
        &mut self,
        arrival: Arrival,
        corrected_ns: Option<i64>,
        around: Surroundings<'_>,
        say: &mut dyn FnMut(&Region, Word<'_>),
    ) {
        let time_s = arrival.time_s;
        let stand = self.field.sites()[arrival.site as usize].stand(around.settings);
        let slot = match self.window.admit(arrival, stand) {
            Admitted::In(slot) => slot,
            Admitted::Instead(slot, other) => {
                self.settling.pass_over(other);
                slot
            }
            Admitted::Not => return,
        };
        self.note_echo(slot);
        self.enqueue(time_s, Apex::Arrival(slot));
        if let Some(from_ns) = corrected_ns {
            return self.give_arrival_up(slot, from_ns, around, say);
        }
        let Some((medium, heard_s)) = self.live_problem(time_s, around) else { return };
        let problem = problem!(self, around, medium, until: f64::INFINITY, heard_until: heard_s);
        let change = self.live.arrival(self.isa, &problem, slot, first_odds(around.settings.preliminary_p));
        self.put_live(change, (medium, heard_s), around, say);
    }

    /// The same for one end of a radar's trajectory.
    pub fn take_point(
        &mut self,
        point: Point,
        corrected_ns: Option<i64>,
        around: Surroundings<'_>,
        say: &mut dyn FnMut(&Region, Word<'_>),
    ) {
        let time_s = point.at.time_s;
        self.points.push(point);
        let number = self.points.len() - 1;
        self.enqueue(time_s, Apex::Point(number));
        if let Some(from_ns) = corrected_ns {
            return self.give_point_up(number, from_ns, around, say);
        }
        let Some((medium, heard_s)) = self.live_problem(time_s, around) else { return };
        let problem = problem!(self, around, medium, until: f64::INFINITY, heard_until: heard_s);
        let change = self.live.point(&problem, number, first_odds(around.settings.preliminary_p));
        self.put_live(change, (medium, heard_s), around, say);
    }

    fn enqueue(&mut self, time_s: f64, apex: Apex) {
        let (window, points, field) = (&self.window, &self.points, &self.field);
        let name = |apex: Apex| match apex {
            Apex::Arrival(slot) => {
                let arrival = window.arrival(slot);
                (0, field.sites()[arrival.site as usize].order, arrival.id)
            }
            Apex::Point(number) => (1, u64::from(points[number].node.0), points[number].id),
        };
        self.settling.push(time_s, apex, &|a, b| name(a).cmp(&name(b)));
    }

    /// The medium for live work about `time_s`, and up to when silence means something; `None` with no sites.
    pub(super) fn live_problem(&mut self, time_s: f64, around: Surroundings<'_>) -> Option<(Medium, f64)> {
        if self.field.sites().is_empty() {
            return None;
        }
        self.prior.expect(around.settings.events_per_hour, self.field.covered_m2());
        let medium = self.medium_at_hand(time_s, around);
        // Before the watermark stands anywhere nobody counts as silent.
        let heard_s = around.heard_until_ns.saturating_sub(self.epoch_ns.unwrap_or(0)) as f64 * 1e-9;
        Some((medium, heard_s))
    }

    pub(super) fn put_live(
        &mut self,
        change: Option<(usize, Located)>,
        (medium, heard_s): (Medium, f64),
        around: Surroundings<'_>,
        say: &mut dyn FnMut(&Region, Word<'_>),
    ) {
        let Some((number, located)) = change else { return };
        let (key, anchor) = match self.live.event(number) {
            Some(event) => (event.key.clone(), event.anchor),
            None => (self.key(&located, around.registry), self.anchor(&located)),
        };
        if self.live.events().any(|(other, event)| other != number && event.key == key) {
            // Two first words under one id would take turns; the final word decides between them.
            return;
        }
        if !self.live.put(&mut self.window, number, located, (key, anchor)) {
            return;
        }
        // Who should have heard it is worked out only for what is said: it takes a look at every site around.
        let problem = problem!(self, around, medium, until: f64::INFINITY, heard_until: heard_s);
        self.live.note_silent(number, |located| problem.silent(located));
        if let Some(event) = self.live.event(number) {
            say(self, Word::Open(&event.key, event.anchor, &event.located));
        }
    }
}
