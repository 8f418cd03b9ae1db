//! One identity at two places: a ship or an aircraft that jumps further than it can go, or that two senders are at once.
//!
//! Whoever bears an identity has one whereabouts. A plot that cannot be reached from there begins another one, which
//! means nothing until some plots in a row bear it out: receivers garble positions. From then on it is a *jump* if the first is heard
//! no more, and a *twin* while both are. Either is interference with what the mission may see, whoever does it: a
//! receiver deceived, a position made up, an identity borrowed.
//!
//! The mission's own nodes that tell where they are have an identity, too: their name. One that jumps is where it was before, and its
//! receiver of satellites is deceived, most likely.

use super::lane::{Scene, Seen, Watch, span_ns};
use super::lanes::{Lanes, News};
use super::memory::Memory;
use super::named::{is_named, name_in};
use super::rest::{Brief, Calm};
use super::sighting::{Outbox, Sighting, What};
use super::spell::Spell;
use super::track::CERTAIN_SD;
use super::{Rule, World, cited_at, object_sd_m, remember, supersedes_at};
use crate::engine::book::{Book, Cited};
use crate::model::alert::{Class, Sign};
use crate::model::area::Prohibition;
use crate::model::geo::LonLat;
use crate::model::kind::{Band, Domain, Kind, KindSet};
use crate::model::observation::Observations;
use crate::model::time::s_from_ns;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One plot of whoever bears the identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plot {
    cited: Cited,
    place: LonLat,
    sd_m: f64,
    most_m_s: f64,
}

impl Seen for Plot {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}

/// Where and when it was plotted, as far as it matters for where it can be next.
struct Whence {
    time_ns: i64,
    place: LonLat,
    sd_m: f64,
    most_m_s: f64,
}

impl Whence {
    fn of(brief: Brief<'_>, calm: &Calm<f64>) -> Whence {
        Whence { time_ns: brief.time_ns, place: brief.place, sd_m: brief.sd_m, most_m_s: calm.common }
    }

    /// Whether who was here can be there then.
    fn reaches(&self, there: LonLat, there_sd_m: f64, then_ns: i64, world: World<'_>) -> bool {
        let sd_m = (self.sd_m * self.sd_m + there_sd_m * there_sd_m).sqrt();
        let slack_m = CERTAIN_SD * sd_m + world.settings.identity.min_jump_m.max(0.0);
        let most_m = slack_m + self.most_m_s * s_from_ns((then_ns - self.time_ns).abs());
        // Most plots need no exact distance.
        self.place.most_m(there) <= most_m || self.place.distance_m(there) <= most_m
    }
}

impl Plot {
    /// Whether who was here can be there then.
    fn reaches(&self, next: &Plot, world: World<'_>) -> bool {
        let &Plot { ref cited, place, sd_m, most_m_s } = self;
        let here = Whence { time_ns: cited.time_ns, place, sd_m, most_m_s };
        here.reaches(next.place, next.sd_m, next.cited.time_ns, world)
    }
}

/// A whereabouts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Whereabouts {
    first: Cited,
    last: Plot,
    /// Plots since the other one was heard last.
    run: usize,
    seen: u64,
}

impl Whereabouts {
    fn of(plot: &Plot) -> Whereabouts {
        Whereabouts { first: plot.cited, last: plot.clone(), run: 1, seen: 1 }
    }

    fn add(&mut self, plot: &Plot) {
        self.last = plot.clone();
        self.run += 1;
        self.seen += 1;
    }
}

/// A node believed to be elsewhere from one of its reports to the next.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Jump {
    /// Where it was before it was deceived, which is where it is.
    home: Plot,
    /// Whether it came back there.
    is_back: bool,
    /// Its first report from elsewhere, and the one that bears it out.
    first: Cited,
    last: Cited,
}

impl Jump {
    fn sighting(&self, world: World<'_>) -> Sighting {
        let place = world.registry.node(self.first.node).position.unwrap_or(self.home.place);
        let known_after_ns = self.last.time_ns.saturating_sub(self.first.time_ns);
        Sighting::new(self.first, Band::Gnss, place, What::Jump).known_after(known_after_ns)
    }
}

/// Jumps of one node that are remembered. At it the oldest is forgotten.
const MAX_JUMPS: usize = 32;

/// What is known of an identity.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bearer {
    known: Option<Whereabouts>,
    other: Option<Whereabouts>,
    twin: Option<Box<Spell>>,
    /// Of a node: its jumps of late, and the last one as long as it is not back.
    #[serde(default)]
    jumps: Vec<Jump>,
}

/// What is noted of the kind of an observation that a lane at rest holds in brief.
fn mark(kind: Kind) -> u8 {
    match kind {
        Kind::Status => 1,
        Kind::Patrol => 2,
        _ => 0,
    }
}

fn marked(mark: u8) -> Kind {
    match mark {
        1 => Kind::Status,
        2 => Kind::Patrol,
        _ => Kind::Track,
    }
}

/// How long a whereabouts holds.
fn holds_ns(world: World<'_>) -> i64 {
    span_ns(world.settings.identity.forget_after_s).max(1)
}

/// Where who was there and is heard here now is to be looked for: a node where it was believed; of others nobody knows which place is
/// the true one.
fn place_of(was: &Plot, now: &Plot) -> LonLat {
    if now.cited.kind == Kind::Track { now.place } else { was.place }
}

impl Bearer {
    fn spell(sign: Sign, (before, place): (Cited, LonLat), plot: &Plot, seen: u64, scene: Scene<'_>) -> Spell {
        let node = &scene.world.registry.node(before.node).name;
        let key = format!("identity/{}/{sign}/{node}/{}", scene.key, before.id.as_str());
        // After n plots that bear it out the chance that the next does is (n + 1) / (n + 2): Laplace's rule of succession.
        let probability = (seen + 1) as f64 / (seen + 2) as f64;
        let mut spell = Spell::from(key, Class::Interference, place, probability, before);
        (spell.sign, spell.last) = (Some(sign), plot.cited);
        spell.prohibitions = vec![Prohibition::Interference];
        spell
    }

    /// There were two as long as both were heard.
    fn end_twin(&mut self, ended: &mut Vec<Spell>) {
        let lasts = self.known.iter().chain(&self.other).map(|it| it.last.cited);
        let last = lasts.min_by_key(|cited| cited.time_ns);
        ended.extend(self.twin.take().zip(last).map(|(twin, last)| Spell { last, ..*twin }.ended_by(last)));
    }
}

impl Watch for Bearer {
    const NAME: &'static str = "identity";

    type Key = str;
    type Seen = Plot;
    type Episode = Spell;
    /// How fast it can be, metres a second.
    type Common = f64;

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Spell>) {
        let holds_ns = holds_ns(scene.world);
        let is_old = |it: &Whereabouts| now_ns.saturating_sub(it.last.cited.time_ns) >= holds_ns;
        if self.other.as_ref().is_some_and(is_old) {
            self.end_twin(ended);
            self.other = None;
        }
        if !self.jumps.is_empty() {
            let horizon_ns = span_ns(scene.world.settings.amend_horizon_s);
            // Who sees again how it came back must know from where.
            self.jumps.retain(|it| !it.is_back || now_ns.saturating_sub(it.last.time_ns) < horizon_ns);
        }
        if self.known.as_ref().is_some_and(is_old) {
            self.end_twin(ended);
            self.known = self.other.take();
            self.jumps.clear();
        }
    }

    fn step(&mut self, plot: &Plot, scene: Scene<'_>, ended: &mut Vec<Spell>) {
        let plots = scene.world.settings.identity.plots.max(1);
        let Some(known) = &mut self.known else {
            self.known = Some(Whereabouts::of(plot));
            return;
        };
        let here = known.last.reaches(plot, scene.world);
        let there = self.other.as_ref().is_some_and(|other| other.last.reaches(plot, scene.world));
        match &mut self.other {
            _ if here => {
                known.add(plot);
                if let Some(other) = &mut self.other {
                    let both = other.seen >= plots as u64 && known.seen >= plots as u64;
                    if let Some(twin) = &mut self.twin {
                        (twin.last, twin.seen) = (plot.cited, twin.seen + 1);
                    } else if both && other.run < plots {
                        let seen = other.seen;
                        let place = place_of(&known.last, &other.last);
                        self.twin =
                            Some(Box::new(Bearer::spell(Sign::Twin, (other.first, place), &other.last, seen, scene)));
                    }
                    other.run = 0;
                }
            }
            Some(other) if there => {
                other.add(plot);
                if let Some(twin) = &mut self.twin {
                    (twin.last, twin.seen) = (plot.cited, twin.seen + 1);
                }
                let alone = other.run >= plots;
                known.run = 0;
                if alone && self.twin.is_none() {
                    let (was, end) = (&known.last, other.first);
                    // Back where it can have come to from where it was: it is believed again.
                    let home = self.jumps.last().filter(|it| !it.is_back).map_or(was, |it| &it.home);
                    let is_back = home.reaches(&other.last, scene.world);
                    let place = if is_back { other.last.place } else { place_of(was, &other.last) };
                    let jump = Bearer::spell(Sign::Jump, (was.cited, place), &other.last, other.seen, scene);
                    if was.cited.kind != Kind::Track {
                        let (home, last) = (home.clone(), other.last.cited);
                        remember(&mut self.jumps, Jump { home, is_back, first: end, last }, MAX_JUMPS);
                    }
                    ended.push(jump.ended_by(end));
                    self.known = self.other.take();
                }
            }
            other => *other = Some(Whereabouts::of(plot)),
        }
    }

    fn lasting(&self) -> impl Iterator<Item = &Spell> {
        self.twin.as_deref().into_iter()
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        let all = self.known.iter().chain(&self.other);
        all.map(|it| it.last.cited.time_ns.saturating_add(holds_ns(world))).min()
    }

    fn spent(&self) -> bool {
        self.known.is_none()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        self.other.is_some() || !self.jumps.is_empty()
    }

    fn is_listened_to(&self) -> bool {
        !self.jumps.is_empty()
    }

    fn at_rest(&self, world: World<'_>) -> Option<(Brief<'_>, Calm<f64>)> {
        let goes_on = self.other.is_some() || self.twin.is_some() || !self.jumps.is_empty();
        let known = self.known.as_ref().filter(|_| !goes_on)?;
        Bearer::brief(&known.last, world)
    }

    fn is_plain(&self) -> bool {
        false
    }

    fn brief<'a>(plot: &'a Plot, world: World<'_>) -> Option<(Brief<'a>, Calm<f64>)> {
        let brief = Brief::of(&plot.cited, plot.place, plot.sd_m, mark(plot.cited.kind));
        Some((brief, Calm { lasts_ns: holds_ns(world), common: plot.most_m_s }))
    }

    fn goes_on(&self, last: Brief<'_>, next: Brief<'_>, calm: &Calm<f64>, world: World<'_>) -> bool {
        Whence::of(last, calm).reaches(next.place, next.sd_m, next.time_ns, world)
    }

    fn seen(brief: Brief<'_>, calm: &Calm<f64>) -> Option<Plot> {
        let Brief { place, sd_m, .. } = brief;
        Some(Plot { cited: brief.cited(marked(brief.mark)), place, sd_m, most_m_s: calm.common })
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        let whereabouts = self.known.iter_mut().chain(&mut self.other);
        whereabouts.flat_map(|it| [&mut it.first, &mut it.last.cited]).for_each(&mut *tell);
        let jumps = self.jumps.iter_mut().flat_map(|it| [&mut it.home.cited, &mut it.first, &mut it.last]);
        jumps.for_each(&mut *tell);
        self.twin.iter_mut().for_each(|twin| twin.each_cited(tell));
    }
}

/// The rule.
#[derive(Serialize, Deserialize)]
pub struct Identities {
    lanes: Lanes<Bearer>,
    /// Jumps of nodes that nobody has heard of yet.
    sightings: Outbox,
    #[serde(skip)]
    name: String,
}

impl Default for Identities {
    fn default() -> Identities {
        Identities { lanes: Lanes::listened_to(), sightings: Outbox::default(), name: String::new() }
    }
}

/// One sigma of where a node says that it is, metres.
const NODE_SD_M: f64 = 20.0;

impl Identities {
    /// Tells of the nodes that have jumped.
    fn pass_on(&mut self, world: World<'_>) {
        for News { key, .. } in self.lanes.take_news() {
            let jumps = self.lanes.settled(key.as_str()).map(|bearer| bearer.jumps.as_slice()).unwrap_or_default();
            jumps.iter().for_each(|jump| self.sightings.put(jump.sighting(world)));
        }
    }

    /// Takes in where a node says that it is, if it does. Few do: most stand where the registry has them.
    fn observe_node(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        let (supersedes, withdrawn) = (supersedes_at(batch, row), batch.withdrawn[row]);
        let place = LonLat::checked(batch.lon_deg[row], batch.lat_deg[row]).filter(|_| !withdrawn);
        if place.is_none() && supersedes.is_none() {
            return;
        }
        let (node, most_m_s) = (batch.node[row], world.settings.identity.node_m_s);
        // Who is not in the registry is nobody's, and may be many.
        if !world.registry.node(node).registered {
            return;
        }
        self.name.clear();
        self.name.push_str("node/");
        self.name.push_str(&world.registry.node(node).name);
        let Some(place) = place else {
            if let Some(id) = supersedes {
                self.lanes.withdraw(&self.name, node, id, batch.time_ns[row], world, book);
            }
            return;
        };
        if supersedes.is_none()
            && let Some(at) = self.lanes.find(&self.name)
        {
            let brief = Brief::at(batch, row, place, NODE_SD_M, mark(batch.kind[row]));
            let calm = Calm { lasts_ns: holds_ns(world), common: most_m_s };
            if self.lanes.go_on(at, brief, &calm, world) {
                return;
            }
        }
        let plot = Plot { cited: cited_at(batch, row), place, sd_m: NODE_SD_M, most_m_s };
        self.lanes.observe(&self.name, plot, supersedes, world, book);
    }
}

impl Rule for Identities {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Track).with(Kind::Status).with(Kind::Patrol)
    }

    fn look_ahead(&mut self, batch: &Observations, rows: Range<usize>) {
        let plots = &batch.tracks;
        for row in rows.filter(|&row| batch.kind[row] == Kind::Track) {
            let detail = batch.detail[row] as usize;
            if !plots.identity[detail].is_empty() {
                name_in(plots.domain[detail], batch.text(plots.identity[detail]), &mut self.name);
                self.lanes.look_for(row, &self.name);
            }
        }
        std::hint::black_box(self.lanes.look());
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        let settings = &world.settings.identity;
        if !settings.on {
            return;
        }
        if batch.kind[row] != Kind::Track {
            return self.observe_node(batch, row, world, book);
        }
        let (plots, detail) = (&batch.tracks, batch.detail[row] as usize);
        if plots.identity[detail].is_empty() {
            return;
        }
        let domain = plots.domain[detail];
        let most_m_s = match domain {
            Domain::Sea => settings.sea_m_s,
            Domain::Air | Domain::Uav => settings.air_m_s,
            Domain::Ground => return,
        };
        let identity = plots.identity[detail];
        let (node, time_ns, supersedes) = (batch.node[row], batch.time_ns[row], supersedes_at(batch, row));
        if batch.withdrawn[row] {
            if let Some(id) = supersedes {
                name_in(domain, batch.text(identity), &mut self.name);
                self.lanes.withdraw(&self.name, node, id, time_ns, world, book);
            }
            return;
        }
        let place = LonLat::checked(plots.object_lon_deg[detail], plots.object_lat_deg[detail]);
        let Some(place) = place else { return };
        let sd_m = object_sd_m(batch, row, world);
        let at = self.lanes.found_ahead(row, |key| is_named(key, domain, batch.slice(identity))).or_else(|| {
            name_in(domain, batch.text(identity), &mut self.name);
            self.lanes.find(&self.name)
        });
        if supersedes.is_none()
            && let Some(at) = at
        {
            let brief = Brief::at(batch, row, place, sd_m, 0);
            let calm = Calm { lasts_ns: holds_ns(world), common: most_m_s };
            if self.lanes.go_on(at, brief, &calm, world) {
                return;
            }
        }
        name_in(domain, batch.text(identity), &mut self.name);
        let plot = Plot { cited: cited_at(batch, row), place, sd_m, most_m_s };
        self.lanes.observe(&self.name, plot, supersedes, world, book);
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.lanes.advance(watermark_ns, world, book);
        self.pass_on(world);
    }

    fn take_sightings(&mut self) -> Vec<Sighting> {
        self.sightings.take()
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(&mut self.lanes)
    }
}

#[cfg(test)]
mod tests;
