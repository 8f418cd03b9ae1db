//! A lane in which nothing goes on, in few bytes.
//!
//! Most nodes beat in time, most objects are nowhere near a border and most ships are where they are expected: of them nothing
//! is said. Such a lane is at rest. What is seen there is only written down, end to end and packed, and neither folded
//! nor settled; a lane is made of it again as soon as something else is seen, or nothing for too long. It is then as if it
//! had never rested. Of most there is nothing to know but what was seen last; of the others what had settled is kept beside
//! what was written down, and what is read there is settled in one go.

use super::World;
pub use super::briefs::Brief;
use super::briefs::Briefs;
use super::lane::{LaneKey, Scene, Told, Watch};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::VecDeque;

/// What all that is seen in a lane has in common while it rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calm<C> {
    /// So long after it was seen something else comes of it if nothing more is seen, nanoseconds.
    pub lasts_ns: i64,
    /// What else.
    pub common: C,
}

/// A lane at rest.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Rest<W: Watch> {
    pub(super) key: <W::Key as LaneKey>::Kept,
    calm: Calm<W::Common>,
    newest_ns: i64,
    /// When it stands in the calendar.
    pub(super) entered_ns: i64,
    /// What had settled when the first was seen that is written down; `None` where that is all there is to know.
    pub(super) settled: Option<Box<W>>,
    /// The last thing seen that has settled, if any has, and all since; perhaps some before.
    briefs: Briefs,
    /// What has settled has changed since it was last kept, by nothing older than that.
    pub(super) changed_ns: Option<i64>,
    /// Whether a record is kept of it.
    pub(super) is_kept: bool,
    /// Episodes that last, as they were last told.
    pub(super) told: Vec<Told>,
    /// They are told again by so many more, or by one at that time, nanoseconds, or later.
    say_again_after: u64,
    say_again_ns: i64,
}

impl<W: Watch> Rest<W> {
    /// A lane in which this was seen last, whether it has settled or not. `settled`: with that, if it is not all there is to know.
    pub(super) fn new(
        key: <W::Key as LaneKey>::Kept,
        last: Brief<'_>,
        calm: Calm<W::Common>,
        settled: Option<Box<W>>,
    ) -> Rest<W> {
        let briefs = Briefs::of(last);
        let newest_ns = last.time_ns;
        let mut rest = Rest {
            key,
            calm,
            newest_ns,
            entered_ns: 0,
            settled,
            briefs,
            changed_ns: None,
            is_kept: false,
            told: Vec::new(),
            say_again_after: u64::MAX,
            say_again_ns: i64::MAX,
        };
        rest.entered_ns = rest.due_ns();
        rest
    }

    /// When something comes of it that nothing more is seen, nanoseconds.
    pub(super) fn due_ns(&self) -> i64 {
        self.newest_ns.saturating_add(self.calm.lasts_ns)
    }

    /// An episode lasts in it that was told, and is to be told again by so many more, or one at that time, nanoseconds, or later.
    pub(super) fn told(&mut self, told: Told, after: u64, newest_ns: i64) {
        self.told.push(told);
        self.say_again_after = self.say_again_after.min(after);
        self.say_again_ns = self.say_again_ns.min(newest_ns);
    }

    /// What has settled, as far as it has been settled; `None` where there is nothing to know but what was seen last.
    pub(super) fn settled(&self) -> Option<&W> {
        self.settled.as_deref()
    }

    /// Whether a record is to be kept of it as soon as what has settled changes, and that has not been noted yet.
    pub(super) fn has_news_to_keep(&self, span_ns: i64) -> bool {
        let is_memorable = self.settled().is_some_and(|settled| settled.is_memorable(span_ns));
        self.changed_ns.is_none() && (self.is_kept || is_memorable)
    }

    /// Looks at all of it, wherever what stands in it; what it gives means nothing.
    pub(super) fn look(&self) -> u64 {
        let times_ns = self.newest_ns ^ self.calm.lasts_ns ^ self.say_again_ns ^ self.entered_ns;
        times_ns.cast_unsigned() ^ self.key.borrow().look() ^ u64::from(self.is_kept)
    }

    /// Looks at where the next would be written; what it gives means nothing.
    pub(super) fn look_at_briefs(&self) -> u64 {
        self.briefs.look()
    }

    /// Takes in what is seen next, unless something comes of it.
    pub(super) fn go_on(
        &mut self,
        next: Brief<'_>,
        calm: &Calm<W::Common>,
        watermark_ns: i64,
        world: World<'_>,
    ) -> bool {
        if next.time_ns <= self.newest_ns || next.time_ns >= self.due_ns() || *calm != self.calm {
            return false;
        }
        if self.say_again_after <= 1 || next.time_ns >= self.say_again_ns {
            return false;
        }
        if !self.comes_to_nothing(next, calm, world) {
            // It may be otherwise by what has settled since.
            self.settle(watermark_ns, world);
            if !self.comes_to_nothing(next, calm, world) {
                return false;
            }
        }
        if !self.briefs.has_room_for(next) {
            self.settle(watermark_ns, world);
            if !self.briefs.make_room_for(next) {
                return false;
            }
        }
        self.briefs.push(next);
        self.newest_ns = next.time_ns;
        if !self.told.is_empty() {
            self.say_again_after -= 1;
        }
        true
    }

    /// Whether nothing comes of it that this is seen next.
    fn comes_to_nothing(&self, next: Brief<'_>, calm: &Calm<W::Common>, world: World<'_>) -> bool {
        let Some(settled) = &self.settled else { return W::stays_plain(next) };
        self.briefs.newest().is_none_or(|newest| settled.goes_on(newest, next, calm, world))
    }

    /// Settles what was seen before the watermark, and forgets all of that but the last.
    pub(super) fn settle(&mut self, watermark_ns: i64, world: World<'_>) {
        let (end, last) = self.briefs.before(watermark_ns);
        if let Some(mut settled) = self.settled.take() {
            // The first is in it already.
            for brief in self.briefs.within(0..end).skip(1) {
                self.step(&mut settled, brief, world);
            }
            self.settled = Some(settled);
        }
        self.briefs.forget(last);
    }

    /// Settles what is read.
    fn step(&self, settled: &mut W, brief: Brief<'_>, world: World<'_>) {
        let (scene, mut ended) = (Scene { key: self.key.borrow(), world }, Vec::new());
        if let Some(seen) = W::seen(brief, &self.calm) {
            settled.quiet(brief.time_ns, scene, &mut ended);
            settled.step(&seen, scene, &mut ended);
        }
    }

    /// When the first was seen that has not settled, nanoseconds.
    pub(super) fn first_pending_ns(&self, watermark_ns: i64) -> Option<i64> {
        self.briefs.all().map(|brief| brief.time_ns).find(|&time_ns| time_ns >= watermark_ns)
    }

    /// What has settled, and what was seen since.
    pub(super) fn unpack(&mut self, watermark_ns: i64, world: World<'_>) -> (W, VecDeque<W::Seen>) {
        self.settle(watermark_ns, world);
        // The first is in it already, where anything has settled.
        let (mut settled, known) = self.settled.take().map_or_else(|| (W::default(), 0), |settled| (*settled, 1));
        let mut pending = VecDeque::new();
        for brief in self.briefs.all().skip(known) {
            if brief.time_ns < watermark_ns {
                self.step(&mut settled, brief, world);
            } else {
                pending.extend(W::seen(brief, &self.calm));
            }
        }
        (settled, pending)
    }
}
