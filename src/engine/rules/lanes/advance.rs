//! How lanes settle as event time goes on, and which is closed when there are too many.

use super::{Lanes, Place};
use crate::engine::book::Book;
use crate::engine::rules::World;
use crate::engine::rules::lane::Watch;

impl<W: Watch> Lanes<W> {
    /// Settles all lanes up to `watermark_ns`.
    pub fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        if watermark_ns <= self.watermark_ns {
            return;
        }
        let before_ns = std::mem::replace(&mut self.watermark_ns, watermark_ns);
        self.corrections.forget_before(watermark_ns);
        let mut due = std::mem::take(&mut self.due);
        self.calendar.take_due(watermark_ns, &mut due);
        for (due_ns, at) in due.drain(..) {
            if let Place::Rest(rest) = &mut self.lanes[at] {
                if rest.entered_ns != due_ns {
                    continue;
                }
                if rest.due_ns() > watermark_ns {
                    rest.entered_ns = rest.due_ns();
                    self.calendar.enter(rest.entered_ns, at);
                    continue;
                }
            }
            let Some(lane) = self.lanes[at].wake(watermark_ns, world) else { continue };
            if !lane.has_come(due_ns) {
                continue;
            }
            if lane.due_ns(world).is_some_and(|due_ns| due_ns <= watermark_ns) {
                lane.settle(watermark_ns, world, book);
                let is_spent = lane.spent();
                self.tell_news(at);
                if is_spent {
                    self.vacate(at);
                    continue;
                }
                self.note_change(at, before_ns);
            }
            if let Some(lane) = self.lanes[at].lane_mut() {
                lane.enter(at, &mut self.calendar, world);
                self.lay_to_rest(at, world);
            }
        }
        self.due = due;
        // What is at rest has to have settled before a record is made of it.
        if let Some(span_ns) = self.keep_within_ns {
            self.changed.take_due(watermark_ns.saturating_sub(span_ns), &mut self.to_keep);
            for &at in self.to_keep.iter().map(|(_, at)| at).chain(&self.urgent) {
                if let Place::Rest(rest) = &mut self.lanes[at] {
                    rest.settle(watermark_ns, world);
                }
            }
        }
    }

    /// Has a lane rest if nothing goes on in it.
    pub(super) fn lay_to_rest(&mut self, at: usize, world: World<'_>) {
        let watermark_ns = self.watermark_ns;
        let Some(lane) = self.lanes[at].lane_mut() else { return };
        let (rest, entered_ns) = (lane.rest(watermark_ns, world), lane.entered_ns[1]);
        if let (Some(mut rest), true) = (rest, self.may_rest()) {
            // The entry for what has settled mostly comes before anything that it has to be woken for.
            match entered_ns.filter(|&entered_ns| entered_ns <= rest.due_ns()) {
                Some(entered_ns) => rest.entered_ns = entered_ns,
                None => self.calendar.enter(rest.entered_ns, at),
            }
            self.rests |= rest.settled().is_some();
            self.lanes[at] = Place::Rest(rest);
            self.note_pending(at);
        }
    }

    /// Notes when what has settled in a lane at rest will change by what was seen there already.
    pub(in crate::engine::rules) fn note_pending(&mut self, at: usize) {
        if let Some(span_ns) = self.keep_within_ns
            && let Place::Rest(rest) = &mut self.lanes[at]
            && rest.has_news_to_keep(span_ns)
            && let Some(first_ns) = rest.first_pending_ns(self.watermark_ns)
        {
            rest.changed_ns = Some(first_ns);
            self.changed.enter(first_ns, at);
        }
    }

    /// Wakes all lanes at rest of which more is known than what was seen last: what is seen there settles with the areas there are
    /// now, and is told anew with those to come.
    pub fn rouse(&mut self, world: World<'_>) {
        if !std::mem::take(&mut self.rests) {
            return;
        }
        for (at, place) in self.lanes.iter_mut().enumerate() {
            if matches!(place, Place::Rest(rest) if rest.settled().is_some())
                && let Some(lane) = place.wake(self.watermark_ns, world)
            {
                lane.enter(at, &mut self.calendar, world);
            }
        }
    }

    /// Settles in the lanes at rest, too, all that was seen before the watermark.
    pub fn settle_resting(&mut self, world: World<'_>) {
        for place in &mut self.lanes {
            if let Place::Rest(rest) = place {
                rest.settle(self.watermark_ns, world);
            }
        }
    }

    pub(super) fn close_first(&mut self, world: World<'_>, book: &mut Book) {
        while let Some((due_ns, at)) = self.calendar.take_first() {
            if let Place::Rest(rest) = &mut self.lanes[at] {
                if rest.entered_ns != due_ns {
                    continue;
                }
                if rest.due_ns() != due_ns {
                    rest.entered_ns = rest.due_ns();
                    self.calendar.enter(rest.entered_ns, at);
                    continue;
                }
            }
            let Some(lane) = self.lanes[at].wake(self.watermark_ns, world) else { continue };
            if !lane.has_come(due_ns) {
                continue;
            }
            if lane.due_ns(world) == Some(due_ns) {
                lane.close(world, book);
                return self.vacate(at);
            }
            lane.enter(at, &mut self.calendar, world);
        }
        // None is due, so each waits for something that may never come; any will do.
        if let Some(at) = self.lanes.iter().position(|place| !matches!(place, Place::Vacant)) {
            self.vacate(at);
        }
    }
}
