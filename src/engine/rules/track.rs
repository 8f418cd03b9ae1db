//! A tracked object in an area that prohibits it: entered, moving about, left.
//!
//! Whether a plot is inside is a matter of chance: Φ(d / σ) for a plot d metres within the border and uncertain by σ.
//! An incursion opens after some plots in a row that are almost certainly inside, closes after some that are almost
//! certainly outside, and is dated by where the line between the two plots around it crosses the border. What lies
//! between is noise at the border and changes nothing.

mod crossing;
mod height;
mod near;

use self::crossing::{border, enter};
use self::near::Near;
use super::area_ids::AreaIds;
use super::lane::{Scene, Watch, span_ns};
use super::lanes::Lanes;
use super::memory::Memory;
use super::named::{is_named, name_in};
use super::rest::{Brief, Calm};
use super::spots::{self, Spots};
use super::{Rule, World, cited_at, object_sd_m, remember, supersedes_at};
use crate::engine::book::{Book, Cited};
use crate::model::area::{Area, Prohibition};
use crate::model::geo::LonLat;
use crate::model::kind::{Domain, Kind, KindSet};
use crate::model::observation::Observations;
use serde::{Deserialize, Serialize};
use std::ops::Range;

pub(super) use self::crossing::{CERTAIN_SD, chance_inside, of_domain};
pub use self::crossing::{Crossing, Plot};

/// Crossings of one track that are remembered after their end. At it the oldest is forgotten.
const MAX_PAST: usize = 64;

/// Object classes that are heavy weapons.
pub const HEAVY_WEAPONS: [&str; 6] = ["tank", "howitzer", "mlrs", "mortar", "ifv", "air_defence"];

/// How a track stands to one area.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Standing {
    area: String,
    /// Plots in a row that speak for the other side.
    run: usize,
    open: bool,
    /// The crossing, from the last time the border was stepped over inwards; open or not yet.
    crossing: Option<Crossing>,
    /// When the border was last stepped over outwards.
    left_ns: Option<i64>,
}

/// What is known of a track.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Watched {
    last: Option<Plot>,
    heavy: bool,
    standings: Vec<Standing>,
    lost_after_ns: i64,
    /// Crossings that have ended, newest last: what late plots need not tell again.
    past: Vec<Past>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Past {
    area: String,
    from_ns: i64,
    to_ns: i64,
}

impl Watched {
    /// Whether it is known already that the object was in that area then.
    fn was_in(&self, area: &str, time_ns: i64) -> bool {
        let since = |crossing: &Crossing| crossing.area == area && crossing.from_ns <= time_ns;
        self.past.iter().any(|past| past.area == area && (past.from_ns..=past.to_ns).contains(&time_ns))
            || self.standings.iter().any(|standing| standing.open && standing.crossing.as_ref().is_some_and(since))
    }

    fn conclude(&mut self, crossing: Crossing, ended: &mut Vec<Crossing>) {
        if crossing.class().is_none() {
            return;
        }
        let (area, from_ns) = (crossing.area.clone(), crossing.from_ns);
        let past = Past { area, from_ns, to_ns: crossing.to_ns.unwrap_or(crossing.last.time_ns) };
        remember(&mut self.past, past, MAX_PAST);
        ended.push(crossing);
    }
}

/// An object that was not seen for so long is lost, nanoseconds.
fn lost_after_ns(world: World<'_>) -> i64 {
    span_ns(world.settings.tracks.lost_after_s).max(1)
}

/// What plots of a track have in common while it rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Common {
    /// Whether it is a heavy weapon.
    heavy: bool,
    /// The areas that it is within for certain.
    within: AreaIds,
}

fn calm(heavy: bool, within: AreaIds, world: World<'_>) -> Calm<Common> {
    Calm { lasts_ns: lost_after_ns(world), common: Common { heavy, within } }
}

impl Watch for Watched {
    const NAME: &'static str = "track";

    type Key = str;
    type Seen = Plot;
    type Episode = Crossing;
    type Common = Common;

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Crossing>) {
        let horizon_ns = span_ns(scene.world.settings.amend_horizon_s);
        self.past.retain(|past| now_ns.saturating_sub(past.to_ns) < horizon_ns);
        let Some(last) = &self.last else { return };
        if now_ns.saturating_sub(last.cited.time_ns) < self.lost_after_ns {
            return;
        }
        for standing in std::mem::take(&mut self.standings) {
            if let Some(mut crossing) = standing.crossing.filter(|_| standing.open) {
                crossing.to_ns = Some(standing.left_ns.unwrap_or(crossing.last.time_ns));
                self.conclude(crossing, ended);
            }
        }
        *self = Watched { past: std::mem::take(&mut self.past), ..Watched::default() };
    }

    fn step(&mut self, plot: &Plot, scene: Scene<'_>, ended: &mut Vec<Crossing>) {
        self.lost_after_ns = lost_after_ns(scene.world);
        self.heavy |= plot.heavy;
        for area in plot.near.ids() {
            if !self.standings.iter().any(|standing| standing.area == *area) {
                let area = area.clone();
                self.standings.push(Standing { area, run: 0, open: false, crossing: None, left_ns: None });
            }
        }
        let (last, mut left) = (self.last.take(), Vec::new());
        self.standings.retain_mut(|standing| standing.step(last.as_ref(), plot, self.heavy, scene, &mut left));
        for crossing in left {
            self.conclude(crossing, ended);
        }
        self.last = Some(plot.clone());
    }

    fn lasting(&self) -> impl Iterator<Item = &Crossing> {
        let open = self.standings.iter().filter(|standing| standing.open);
        open.filter_map(|standing| standing.crossing.as_ref()).filter(|crossing| crossing.class().is_some())
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        let horizon_ns = span_ns(world.settings.amend_horizon_s);
        let lost_ns = self.last.as_ref().map(|last| last.cited.time_ns.saturating_add(self.lost_after_ns));
        lost_ns.or(self.past.iter().map(|past| past.to_ns.saturating_add(horizon_ns)).min())
    }

    fn spent(&self) -> bool {
        self.last.is_none() && self.past.is_empty()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        !self.standings.is_empty() || !self.past.is_empty()
    }

    fn at_rest(&self, world: World<'_>) -> Option<(Brief<'_>, Calm<Common>)> {
        let last = self.last.as_ref().filter(|last| last.heavy == self.heavy)?;
        // It is in all of these and goes on to be.
        let within = last.near.within.as_slice();
        let is_steady = self.standings.len() == within.len()
            && self.standings.iter().all(|standing| standing.is_steady() && within.contains(&standing.area));
        if is_steady { Watched::brief(last, world) } else { None }
    }

    fn is_plain(&self) -> bool {
        self.past.is_empty() && self.standings.is_empty()
    }

    fn brief<'a>(plot: &'a Plot, world: World<'_>) -> Option<(Brief<'a>, Calm<Common>)> {
        let brief = Brief::of(&plot.cited, plot.place, plot.sd_m, plot.domain as u8);
        plot.is_calm.then(|| (brief, calm(plot.heavy, plot.near.within.clone(), world)))
    }

    fn seen(brief: Brief<'_>, calm: &Calm<Common>) -> Option<Plot> {
        let (domain, cited) = (*Domain::ALL.get(usize::from(brief.mark))?, brief.cited(Kind::Track));
        let (Brief { place, sd_m, .. }, Common { heavy, within }) = (brief, &calm.common);
        let near = Near::deep(within.clone());
        Some(Plot { cited, domain, place, sd_m, alt_m: None, heavy: *heavy, near, is_calm: true })
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        self.last.iter_mut().for_each(|plot| tell(&mut plot.cited));
        let crossings = self.standings.iter_mut().filter_map(|standing| standing.crossing.as_mut());
        crossings.for_each(|crossing| crossing.each_cited(tell));
    }
}

impl Plot {
    /// Whether it lies within a crossing that is known.
    fn adds_nothing_to(&self, known: &Watched) -> bool {
        let is_in = |area: &String| self.near.depth_m(area).is_some_and(|depth_m| depth_m >= 0.0);
        self.near.ids().any(|area| is_in(area) && known.was_in(area, self.cited.time_ns))
    }
}

impl Standing {
    /// Whether it is in the area, and each plot that is in it for certain adds to that and to nothing else.
    fn is_steady(&self) -> bool {
        self.open && self.run == 0 && self.left_ns.is_none() && self.crossing.is_some()
    }

    /// Takes in the next plot; false when there is nothing more to remember of this area.
    fn step(
        &mut self,
        last: Option<&Plot>,
        plot: &Plot,
        heavy: bool,
        scene: Scene<'_>,
        left: &mut Vec<Crossing>,
    ) -> bool {
        let settings = &scene.world.settings.tracks;
        let depth = plot.depth(&self.area, scene.world);
        let chance = depth.decides(plot.sd_m);
        if depth.is_inside() {
            self.left_ns = None;
            match &mut self.crossing {
                Some(crossing) => crossing.add(plot, depth.chance(plot.sd_m)),
                None => self.crossing = enter(&self.area, last, plot, depth.chance(plot.sd_m), scene),
            }
        } else if self.open {
            if self.left_ns.is_none() {
                self.left_ns = Some(border(&self.area, last, plot, scene.world).time_ns);
            }
        } else {
            self.crossing = None;
        }
        if let Some(crossing) = &mut self.crossing {
            crossing.heavy |= heavy;
        }
        let speaks = if self.open { chance <= settings.leave_p } else { chance >= settings.enter_p };
        self.run = if speaks { self.run + 1 } else { 0 };
        if self.run >= settings.plots.max(1) {
            self.run = 0;
            if self.open {
                if let Some(mut crossing) = self.crossing.take() {
                    crossing.to_ns = Some(self.left_ns.unwrap_or(plot.cited.time_ns));
                    left.push(crossing);
                }
                (self.open, self.left_ns) = (false, None);
            } else {
                self.open = self.crossing.is_some();
            }
        }
        self.open || depth.level_m >= -CERTAIN_SD * plot.sd_m
    }
}

/// The rule. Plots that come behind the watermark no longer change what has settled, but a whole incursion may come
/// to light by them: they have lanes of their own, which settle at the amend horizon.
#[derive(Default, Serialize, Deserialize)]
pub struct Tracks {
    lanes: Lanes<Watched>,
    late: Lanes<Watched>,
    #[serde(skip)]
    name: String,
    /// Where no border is near.
    #[serde(skip)]
    clear: Spots<Clear>,
}

impl Tracks {
    /// Tracks remembered.
    pub fn len(&self) -> usize {
        self.lanes.len() + self.late.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The areas within so many metres that prohibit such an object; and whether that is all there is to know of how it stands to
    /// them.
    fn near(
        &mut self,
        at: Option<usize>,
        place: LonLat,
        metres: f64,
        domain: Domain,
        world: World<'_>,
    ) -> (Near, bool) {
        let about = domain as u8;
        let known = at.and_then(|at| self.clear.known(at, about, place, world.places));
        if let Some(known) = known.filter(|known| metres <= known.of_borders_m) {
            return (Near::deep(known.within.clone()), known.is_calm);
        }
        let ground = [Prohibition::Entry, Prohibition::HeavyWeapons];
        let prohibitions = if domain == Domain::Ground { &ground } else { of_domain(domain) };
        let (all, holds_m) = world.places.vicinity(place, metres, prohibitions, spots::MOST_M);
        let least_m = all.iter().map(|&(_, depth_m)| depth_m).fold(f64::INFINITY, f64::min);
        let areas = world.places.areas();
        let is_flight = matches!(domain, Domain::Air | Domain::Uav);
        let is_plain = |area: &Area| !is_flight || area.floor_m.is_none() && area.ceiling_m.is_none();
        let mut is_calm = all.iter().all(|&(ix, _)| areas[ix].is_always_valid() && is_plain(&areas[ix]));
        let (mut within, mut by_border) = (Vec::new(), Vec::new());
        for (ix, depth_m) in all {
            let id = areas[ix].area.clone();
            if depth_m > 1.001 * metres {
                within.push(id);
            } else {
                by_border.push((id, depth_m));
            }
        }
        let within = AreaIds::from(within);
        // Distances are good to 1%.
        let holds_m = holds_m.min(0.95 * least_m - 1.01 * metres);
        if let Some(at) = at.filter(|_| holds_m > 0.0) {
            let clear = Clear { of_borders_m: metres, within: within.clone(), is_calm };
            self.clear.note(at, about, place, holds_m, world.places, clear);
        }
        is_calm &= by_border.is_empty();
        (Near { within, by_border }, is_calm)
    }
}

/// No border of an area that matters is within so many metres.
struct Clear {
    of_borders_m: f64,
    /// The areas that it is within.
    within: AreaIds,
    is_calm: bool,
}

impl Rule for Tracks {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Track)
    }

    fn look_ahead(&mut self, batch: &Observations, rows: Range<usize>) {
        let plots = &batch.tracks;
        for row in rows.filter(|&row| batch.kind[row] == Kind::Track) {
            let detail = batch.detail[row] as usize;
            name_in(plots.domain[detail], batch.text(plots.track[detail]), &mut self.name);
            self.lanes.look_for(row, &self.name);
        }
        let looked = self.lanes.ahead().fold(0, |looked, at| looked ^ self.clear.look(at));
        std::hint::black_box(looked ^ self.lanes.look());
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        if !world.settings.tracks.on {
            return;
        }
        let (node, time_ns, supersedes) = (batch.node[row], batch.time_ns[row], supersedes_at(batch, row));
        let (plots, detail) = (&batch.tracks, batch.detail[row] as usize);
        let domain = plots.domain[detail];
        let track = plots.track[detail];
        if batch.withdrawn[row] {
            if let Some(id) = supersedes {
                name_in(domain, batch.text(track), &mut self.name);
                self.lanes.withdraw(&self.name, node, id, time_ns, world, book);
            }
            return;
        }
        let place = LonLat::checked(plots.object_lon_deg[detail], plots.object_lat_deg[detail]);
        let Some(place) = place else { return };
        let sd_m = object_sd_m(batch, row, world).max(0.1);
        let at = self.lanes.found_ahead(row, |key| is_named(key, domain, batch.slice(track))).or_else(|| {
            name_in(domain, batch.text(track), &mut self.name);
            self.lanes.find(&self.name)
        });
        let (mut near, is_calm) = self.near(at, place, CERTAIN_SD * sd_m, domain, world);
        let object = batch.slice(plots.object_class[detail]);
        let heavy = HEAVY_WEAPONS.iter().any(|heavy| heavy.as_bytes() == object);
        if is_calm
            && supersedes.is_none()
            && let Some(at) = at
        {
            let brief = Brief::at(batch, row, place, sd_m, domain as u8);
            let calm = calm(heavy, near.within, world);
            if self.lanes.go_on(at, brief, &calm, world) {
                return;
            }
            near = Near::deep(calm.common.within);
        }
        name_in(domain, batch.text(track), &mut self.name);
        let cited = cited_at(batch, row);
        // Where it does not matter no height is kept, for none is kept of what rests.
        let alt_m = Some(plots.object_alt_m[detail]).filter(|alt_m| !is_calm && alt_m.is_finite());
        let plot = Plot { cited, domain, place, sd_m, alt_m, heavy, near, is_calm };
        if cited.time_ns >= self.lanes.watermark_ns() {
            self.lanes.observe(&self.name, plot, supersedes, world, book);
        } else if !self.lanes.settled(&self.name).is_some_and(|known| plot.adds_nothing_to(known)) {
            self.late.observe(&self.name, plot, supersedes, world, book);
        }
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.lanes.advance(watermark_ns, world, book);
        let horizon_ns = span_ns(world.settings.amend_horizon_s);
        self.late.advance(watermark_ns.saturating_sub(horizon_ns), world, book);
    }

    fn before_places_change(&mut self, world: World<'_>) {
        self.lanes.rouse(world);
        self.late.rouse(world);
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        // What late plots alone may bring to light some hours later is not kept.
        Some(&mut self.lanes)
    }
}

#[cfg(test)]
mod tests;
