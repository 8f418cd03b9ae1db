//! What a watch finds: something that begins, may last, and ends.

use super::World;
use crate::engine::book::{Book, Claim, Stage};
use crate::model::time::NS_PER_S;
use serde::{Deserialize, Serialize};

/// What lasts is said again when its evidence has doubled, or when it lasts half as long again as when it was last
/// said, but not sooner than this: hours of it are told in a dozen revisions.
const SAY_AGAIN_AFTER_NS: i64 = 30 * NS_PER_S;

/// How far an episode reaches: what must change for it to be told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// How many observations it rests on: one more with each at the most.
    pub seen: u64,
    /// The time of the newest, nanoseconds.
    pub newest_ns: i64,
    /// When it began, nanoseconds.
    pub from_ns: i64,
    /// When it ended, nanoseconds; `None` while it lasts.
    pub to_ns: Option<i64>,
}

impl Extent {
    /// What lasts and was told of so far is told again when so many have been seen, or one at that time, nanoseconds, or later.
    pub(super) fn say_again_at(&self) -> (u64, i64) {
        let half_ns = self.newest_ns.saturating_sub(self.from_ns) / 2;
        (self.seen.saturating_mul(2), self.newest_ns.saturating_add(half_ns.max(SAY_AGAIN_AFTER_NS)))
    }

    /// Whether it has changed enough to be told again.
    pub(super) fn outgrows(&self, told: &Extent) -> bool {
        let (seen, newest_ns) = told.say_again_at();
        (self.from_ns, self.to_ns) != (told.from_ns, told.to_ns) || self.seen >= seen || self.newest_ns >= newest_ns
    }
}

/// Something that begins, may last, and ends.
pub trait Episode: Clone {
    /// The claim's key: the same from its beginning to its end.
    fn key(&self) -> &str;
    /// How far it reaches.
    fn extent(&self) -> Extent;
    /// What it claims.
    fn claim(&self, world: World<'_>) -> Claim;

    /// Whether it is told. What is not is known to those alone who listen, or may come to be told as it grows.
    fn is_told(&self, _world: World<'_>) -> bool {
        true
    }
}

/// What late evidence does to what was final.
#[derive(Serialize, Deserialize)]
pub enum Correction<E> {
    /// It was like this.
    Was(E),
    /// What was claimed under this key was not so.
    WasNot(String),
}

/// An episode, as it was last told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub(super) key: String,
    pub(super) extent: Extent,
}

/// Says it, if it is told.
pub(super) fn say<E: Episode>(episode: &E, stage: Stage, world: World<'_>, book: &mut Book) {
    if !episode.is_told(world) {
        return;
    }
    book.say(episode.claim(world), stage, world.registry, world.places, world.settings);
}
