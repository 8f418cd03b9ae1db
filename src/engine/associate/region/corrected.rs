//! What is taken back: an arrival or a radar's point that its sender says was none, or for which it has sent a better one.
//!
//! The first word gives it up at once. The final one goes on with it up to the step from which on the correction counts,
//! and from there on it is as if it had never been; what a final event has stays with it.

use super::{Region, Surroundings, Word};
use crate::engine::associate::calibration::first_odds;
use crate::engine::associate::echo;
use crate::engine::associate::record::{HeldRecord, HolderRecord};
use crate::engine::associate::settle::{Apex, Held};
use crate::engine::associate::wave::Wave;
use crate::engine::associate::window::{Owner, Slot};
use crate::engine::corrections::can_be_about;
use crate::model::node::NodeIx;
use crate::model::observation::Id;

impl Region {
    /// Takes back the arrivals that this node has sent under that id, by a correction of that time, nanoseconds.
    pub fn take_arrivals_back(
        &mut self,
        (node, id, time_ns): (NodeIx, Id, i64),
        around: Surroundings<'_>,
        say: &mut dyn FnMut(&Region, Word<'_>),
    ) {
        let sites = Wave::ALL.iter().flat_map(|&wave| self.stands.all(node, wave));
        let window = &self.window;
        let all = sites.flat_map(|&site| window.between(site, f64::NEG_INFINITY, f64::INFINITY));
        let is_meant = |slot: &Slot| {
            let arrival = window.arrival(*slot);
            arrival.id == id && can_be_about(time_ns, arrival.time_ns)
        };
        let meant: Vec<Slot> = all.map(|(_, slot)| slot).filter(is_meant).collect();
        self.late.retain(|arrival| (arrival.id, self.field.sites()[arrival.site as usize].node) != (id, node));
        for slot in meant {
            self.give_arrival_up(slot, time_ns.max(self.window.arrival(slot).time_ns), around, say);
        }
    }

    /// The same for a radar's points.
    pub fn take_points_back(
        &mut self,
        (node, id, time_ns): (NodeIx, Id, i64),
        around: Surroundings<'_>,
        say: &mut dyn FnMut(&Region, Word<'_>),
    ) {
        for number in 0..self.points.len() {
            let point = &self.points[number];
            if (point.node, point.id) == (node, id) && can_be_about(time_ns, point.time_ns) {
                self.give_point_up(number, time_ns.max(point.time_ns), around, say);
            }
        }
    }

    /// The first word does without that arrival, and from then on the final one does.
    pub(super) fn give_arrival_up(
        &mut self,
        slot: Slot,
        from_ns: i64,
        around: Surroundings<'_>,
        say: &mut dyn FnMut(&Region, Word<'_>),
    ) {
        self.note_taken_back(Apex::Arrival(slot), from_ns);
        let owner = self.window.owner(slot);
        if let Owner::Free | Owner::Open(_) = owner {
            self.window.give(slot, Owner::TakenBack);
        }
        if let Owner::Open(number) = owner {
            self.judge_again(number as usize, around, say);
        }
    }

    pub(super) fn give_point_up(
        &mut self,
        number: usize,
        from_ns: i64,
        around: Surroundings<'_>,
        say: &mut dyn FnMut(&Region, Word<'_>),
    ) {
        self.note_taken_back(Apex::Point(number), from_ns);
        self.points[number].is_taken_back = true;
        let mut events = self.live.events();
        if let Some((event, _)) = events.find(|(_, event)| event.located.points.contains(&number)) {
            drop(events);
            self.judge_again(event, around, say);
        }
    }

    /// By several corrections it is the first that counts.
    fn note_taken_back(&mut self, what: Apex, from_ns: i64) {
        let from_s = self.seconds(from_ns);
        let known_s = self.taken_back.entry(what).or_insert(from_s);
        *known_s = known_s.min(from_s);
    }

    /// An open event has lost evidence: it is said anew or taken back.
    fn judge_again(&mut self, number: usize, around: Surroundings<'_>, say: &mut dyn FnMut(&Region, Word<'_>)) {
        let Some(time_s) = self.live.event(number).map(|event| event.located.at.time_s) else { return };
        let Some((medium, heard_s)) = self.live_problem(time_s, around) else { return };
        let problem = problem!(self, around, medium, until: f64::INFINITY, heard_until: heard_s);
        match self.live.judge_again(&problem, number, first_odds(around.settings.preliminary_p)) {
            Some(located) => self.put_live(Some((number, located)), (medium, heard_s), around, say),
            None => {
                if let Some(event) = self.live.take(&mut self.window, number) {
                    say(self, Word::Not(&event.key, event.anchor, None));
                }
            }
        }
    }

    /// Lets go of what has been taken back by the step at `step_s`. Up to there all has come that could still be among the
    /// [`super::super::window::MAX_A_SECOND`] of a second.
    pub(super) fn let_go_by(&mut self, step_s: f64) {
        let due: Vec<Apex> =
            self.taken_back.extract_if(.., |_, from_s| *from_s < step_s).map(|(what, _)| what).collect();
        self.let_go(&due);
    }

    /// The same before a plan is gone on with: it knows nothing of what was let go before it was written down, unless a final
    /// event has it.
    pub(super) fn let_go_before_plan(&mut self, step_s: f64, held: &Held) {
        let is_settled = |slot: Slot| {
            let arrival = self.window.arrival(slot);
            let same = |held: &HeldRecord| held.id == arrival.id && held.of == Some(HolderRecord::Settled);
            held.get(&arrival.site).is_some_and(|held| held.iter().any(same))
        };
        let is_gone = |what: Apex| matches!(what, Apex::Arrival(slot) if !is_settled(slot));
        let due = self.taken_back.extract_if(.., |what, from_s| *from_s < step_s && is_gone(*what));
        let due: Vec<Apex> = due.map(|(what, _)| what).collect();
        self.let_go(&due);
    }

    fn let_go(&mut self, due: &[Apex]) {
        for slot in self.settling.let_go(due) {
            let (site, time_s) = (self.window.arrival(slot).site, self.window.arrival(slot).time_s);
            self.window.remove(slot);
            // What came after it may have been taken for its echo.
            let after: Vec<Slot> =
                self.window.between(site, time_s, time_s + echo::TO_S).map(|(_, slot)| slot).collect();
            after.into_iter().for_each(|slot| self.note_echo(slot));
        }
    }
}
