//! What counts as a breach besides fire: one rule a file.
//!
//! A rule sees each accepted observation of its kinds once, in whatever order it came, and is told when event time moves on.
//! What it says before that is provisional; what it says at a watermark is a function of the set of observations
//! up to it.

pub mod area_ids;
mod blackout;
mod briefs;
mod calendar;
mod clock;
pub mod coincidence;
pub mod dark;
pub mod emitter;
pub mod episode;
pub mod found;
pub mod identity;
mod index;
pub mod interference;
pub mod lane;
pub mod lanes;
pub mod loitering;
pub mod memory;
mod named;
mod promise;
mod repeats;
pub mod reports;
pub mod rest;
pub mod restriction;
pub mod resumed;
pub mod sensor;
pub mod sighting;
pub mod spell;
pub mod spots;
pub mod track;
pub mod weapons;

use self::memory::Memory;
use self::resumed::Resumed;
use self::sighting::Sighting;
use super::book::{Book, Cited};
use super::places::Places;
use super::settings::Settings;
use crate::model::geo::LonLat;
use crate::model::kind::KindSet;
use crate::model::node::Registry;
use crate::model::observation::{Id, Observations};
use std::ops::{DerefMut, Range};

/// What a rule may look at besides the observations.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The sensor registry.
    pub registry: &'a Registry,
    /// Areas and notices.
    pub places: &'a Places,
    /// The configuration.
    pub settings: &'a Settings,
    /// Up to where the partition of what is being observed had come by then, less the lateness, nanoseconds: what is older has
    /// settled as far as it goes, whether others have come as far or not.
    pub passed_ns: i64,
}

impl<'a> World<'a> {
    /// A world in which no partition has come anywhere.
    pub fn new(registry: &'a Registry, places: &'a Places, settings: &'a Settings) -> World<'a> {
        World { registry, places, settings, passed_ns: i64::MIN }
    }
}

/// One kind of breach.
pub trait Rule: Send + Resumed {
    /// The kinds of observation that it looks at.
    fn kinds(&self) -> KindSet;

    /// Whether it looks at all of its kinds where regions are shared out, and not only at what its part answers for: then every part finds
    /// the same, and the book has that said by one of them ([`sees_all`]).
    fn sees_all(&self) -> bool {
        false
    }

    /// Looks for what is known of those whom these rows are about, most of which are to be observed next; nothing follows
    /// from it. Many such looks in a row have the processor wait for memory once, and not at each row.
    fn look_ahead(&mut self, _batch: &Observations, _rows: Range<usize>) {}

    /// Takes in the accepted observation at `row`, which is of its kinds. Out of order within the lateness bound is normal.
    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book);

    /// Event time has passed `watermark_ns`: nothing earlier comes any more but as late evidence. Settles what is
    /// provisional and forgets what is no longer needed. Silence is silence only while others are heard, so this is
    /// never more than a nanosecond beyond the newest observation of any kind.
    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book);

    /// Areas and notices are about to change: what has settled did so with those there are.
    fn before_places_change(&mut self, _world: World<'_>) {}

    /// A batch has been taken in that moved event time no further: what came late in it may change what rests on other alerts.
    fn go_over(&mut self, _world: World<'_>, _book: &mut Book) {}

    /// What has settled here and tells of interference, since the last call: it goes to those who come after.
    fn take_sightings(&mut self) -> Vec<Sighting> {
        Vec::new()
    }

    /// Others have found that out. Event time has passed it there, and not here yet, but where it is late.
    fn hear_of(&mut self, _sightings: &[Sighting], _world: World<'_>, _book: &mut Book) {}

    /// Whether that is the key of an alert of its own that stands; `None` where it does not say, as of others' keys.
    fn holds(&self, _key: &str) -> Option<bool> {
        None
    }

    /// What it remembers beyond a restart; `None` for a rule whose alerts each rest on one report.
    fn memory(&mut self) -> Option<&mut dyn Memory> {
        None
    }
}

/// Every rule there is, each with nothing seen yet.
pub fn all() -> Vec<Box<dyn Rule>> {
    vec![
        Box::<track::Tracks>::default(),
        Box::<dark::DarkVessels>::default(),
        Box::<restriction::Restrictions>::default(),
        Box::<found::Finds>::default(),
        Box::<sensor::Sensors>::default(),
        Box::<identity::Identities>::default(),
        Box::<loitering::Loitering>::default(),
        Box::<weapons::FiringWeapons>::default(),
        Box::<coincidence::Coincidences>::default(),
        Box::<emitter::Emitters>::default(),
        // It hears of what those before it find.
        Box::<interference::Jamming>::default(),
    ]
}

/// Whether an alert of that key is of a rule that sees all: every part finds it.
pub fn sees_all(key: &str) -> bool {
    let of_rule = key.split_once('/').map_or(key, |(rule, _)| rule);
    of_rule == weapons::NAME
}

/// Has each rule do something, and the others hear of what it has found out by that before they do.
pub fn each<'a, R: DerefMut<Target = dyn Rule + 'a>>(
    rules: &mut [R],
    world: World<'_>,
    book: &mut Book,
    mut act: impl FnMut(&mut (dyn Rule + 'a), &mut Book),
) {
    for at in 0..rules.len() {
        act(&mut *rules[at], book);
        let sightings = rules[at].take_sightings();
        if !sightings.is_empty() {
            rules[at + 1..].iter_mut().for_each(|rule| rule.hear_of(&sightings, world, book));
        }
    }
}

/// Whether an alert of that key stands for the rule whose it is, as far as any says.
pub fn is_held<'a>(rules: impl IntoIterator<Item = &'a dyn Rule>, key: &str) -> bool {
    rules.into_iter().find_map(|rule| rule.holds(key)).unwrap_or(true)
}

/// The observation at `row` as evidence, without residuals.
pub(super) fn cited_at(batch: &Observations, row: usize) -> Cited {
    Cited {
        origin: batch.origin[row],
        id: Id::new(batch.slice(batch.id[row])),
        node: batch.node[row],
        kind: batch.kind[row],
        time_ns: batch.time_ns[row],
        residual_s: None,
        residual_deg: None,
    }
}

/// The id of the observation that the one at `row` corrects.
pub(super) fn supersedes_at(batch: &Observations, row: usize) -> Option<Id> {
    let span = batch.supersedes[row];
    (!span.is_empty()).then(|| Id::new(batch.slice(span)))
}

/// Keeps what is over, newest last, for late evidence to correct. Beyond `most` the oldest stands as it was told.
pub(super) fn remember<E>(past: &mut Vec<E>, over: E, most: usize) {
    if past.len() >= most {
        past.remove(0);
    }
    past.push(over);
}

/// How uncertain the plot at `row` is, one sigma, metres: as it says, else as set.
pub(super) fn object_sd_m(batch: &Observations, row: usize, world: World<'_>) -> f64 {
    let given_m = batch.tracks.object_sd_m[batch.detail[row] as usize];
    if given_m > 0.0 { given_m } else { world.settings.tracks.object_sd_m }
}

/// Uncertainty of a bearing to a source of radio waves that gives none, degrees.
const AZIMUTH_SD_DEG: f64 = 10.0;

/// A bearing to a source of radio waves and one sigma of that, degrees, if there is one.
pub(super) fn radio_bearing(deg: f64, sd_deg: f64) -> Option<(f64, f64)> {
    deg.is_finite().then_some((deg, if sd_deg > 0.0 { sd_deg } else { AZIMUTH_SD_DEG }))
}

/// Where the node of the observation at `row` was: its own word, else the registry's.
pub(super) fn position_at(batch: &Observations, row: usize, world: World<'_>) -> Option<LonLat> {
    LonLat::checked(batch.lon_deg[row], batch.lat_deg[row]).or(world.registry.node(batch.node[row]).position)
}

#[cfg(test)]
mod harness;
#[cfg(test)]
mod shared;
