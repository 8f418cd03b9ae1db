//! Jamming: what several nodes report of one band at one time in one part of the country is one source, from the first
//! report to the last.
//!
//! A single node may only have trouble with its own receiver: its word is unresolved. How much surer others make it follows
//! from how seldom they report what is not there (`false_per_hour`) and how often they see what is (`detect_p`): each
//! multiplies the odds by the chance of the one over the chance of the other in the time that it lasts. Where
//! the source is tell bearings and powers ([`source`]).

mod source;

use super::lane::{Correction, Episode, Extent, Scene, Seen, Watch, span_ns};
use super::lanes::Lanes;
use super::memory::Memory;
use super::{Rule, World, cited_at, position_at, radio_bearing, remember, supersedes_at};
use crate::engine::book::{Book, Cited, Claim};
use crate::model::alert::{Class, Sign};
use crate::model::area::Prohibition;
use crate::model::geo::LonLat;
use crate::model::kind::{Kind, KindSet};
use crate::model::observation::Observations;
use crate::model::time::s_from_ns;
use serde::{Deserialize, Serialize};

/// Nodes of one source that are kept; what others report only makes it last.
const MAX_NODES: usize = 32;
/// Sources of one band at a time. At it the one that began first ends.
const MAX_SOURCES: usize = 64;
/// Sources of one band that have ended and that late reports may still be of. At it the oldest stands as it was told.
const MAX_PAST: usize = 64;
/// Nodes nearer to each other than that have the same trouble, metres.
const APART_M: f64 = 100.0;
/// A node that has moved so far sees the source anew, metres.
const MOVED_M: f64 = 200.0;
/// How often a node reports what is there, and an hour what is not, where the registry does not say.
const DETECT_P: f64 = 0.8;
const FALSE_PER_HOUR: f64 = 0.1;
/// By how much one node more makes the odds better at most.
const MOST_RATIO: f64 = 100.0;
/// The silence of a node that should have heard makes the odds worse by no more: it may be down, or behind a hill.
const LEAST_SILENCE: f64 = 0.4;
/// Nothing is surer than that by reports alone.
const MOST_P: f64 = 0.99;

/// One report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sighting {
    cited: Cited,
    place: LonLat,
    /// Towards the source and one sigma of that, degrees.
    azimuth: Option<(f64, f64)>,
    power_dbm: Option<f64>,
}

impl Seen for Sighting {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}

/// What one node reports of one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Heard {
    place: LonLat,
    first: Cited,
    last: Cited,
    /// Sums of the bearings' sines, cosines and weights (1/σ²).
    bearings: (f64, f64, f64),
    /// Sum and number of powers, dBm.
    powers: (f64, f64),
}

impl Heard {
    fn new(seen: &Sighting) -> Heard {
        let (place, cited) = (seen.place, seen.cited);
        let mut heard = Heard { place, first: cited, last: cited, bearings: (0.0, 0.0, 0.0), powers: (0.0, 0.0) };
        heard.add(seen);
        heard
    }

    fn add(&mut self, seen: &Sighting) {
        let (east_m, north_m) = self.place.flat_offset_m(seen.place);
        if east_m.hypot(north_m) > MOVED_M {
            (self.place, self.bearings, self.powers) = (seen.place, (0.0, 0.0, 0.0), (0.0, 0.0));
        }
        if seen.cited.time_ns < self.first.time_ns {
            self.first = seen.cited;
        }
        if seen.cited.time_ns >= self.last.time_ns {
            self.last = seen.cited;
        }
        if let Some((deg, sd_deg)) = seen.azimuth {
            let ((sin, cos), weight) = (deg.to_radians().sin_cos(), sd_deg.powi(-2));
            let (sines, cosines, weights) = self.bearings;
            self.bearings = (sines + weight * sin, cosines + weight * cos, weights + weight);
        }
        if let Some(power_dbm) = seen.power_dbm {
            self.powers = (self.powers.0 + power_dbm, self.powers.1 + 1.0);
        }
    }

    /// The mean bearing and its sigma, degrees: of independent errors, or of how much they differ where that is more.
    fn bearing(&self) -> Option<(f64, f64)> {
        let (sines, cosines, weights) = self.bearings;
        // The length of the mean of unit vectors; ln of it is minus half the variance (circular statistics: Mardia & Jupp).
        let length = sines.hypot(cosines) / weights;
        let scatter = (-2.0 * length.clamp(1e-9, 1.0).ln()).sqrt().to_degrees();
        (weights > 0.0)
            .then(|| (sines.atan2(cosines).to_degrees().rem_euclid(360.0), weights.powf(-0.5).max(0.1 * scatter)))
    }

    fn power_dbm(&self) -> Option<f64> {
        (self.powers.1 > 0.0).then(|| self.powers.0 / self.powers.1)
    }
}

/// What is reported of one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Source {
    key: String,
    heard: Vec<Heard>,
    from_ns: i64,
    newest_ns: i64,
    to_ns: Option<i64>,
}

impl Source {
    fn add(&mut self, seen: &Sighting) {
        (self.from_ns, self.newest_ns) = (self.from_ns.min(seen.cited.time_ns), self.newest_ns.max(seen.cited.time_ns));
        match self.heard.iter().position(|it| it.first.node == seen.cited.node) {
            Some(at) => self.heard[at].add(seen),
            None if self.heard.len() < MAX_NODES => self.heard.push(Heard::new(seen)),
            None => {}
        }
    }

    /// Takes in what comes late; false if it changes nothing. What lies within what a node has reported may be in the sums already.
    fn add_late(&mut self, seen: &Sighting) -> bool {
        let time_ns = seen.cited.time_ns;
        let is_known =
            |it: &Heard| it.first.node == seen.cited.node && (it.first.time_ns..=it.last.time_ns).contains(&time_ns);
        let is_news = !self.heard.iter().any(is_known);
        if is_news {
            self.add(seen);
        }
        is_news
    }

    /// How far the nearest of its nodes is from there; nothing for a node of its own.
    fn distance_m(&self, seen: &Sighting) -> f64 {
        let distance_m = |it: &Heard| {
            if it.first.node == seen.cited.node { 0.0 } else { it.place.distance_m(seen.place) }
        };
        self.heard.iter().map(distance_m).fold(f64::INFINITY, f64::min)
    }

    /// Whether what is seen then may be of it.
    fn spans(&self, time_ns: i64, ends_after_ns: i64) -> bool {
        let (from_ns, to_ns) =
            (self.from_ns.saturating_sub(ends_after_ns), self.newest_ns.saturating_add(ends_after_ns));
        (from_ns..to_ns).contains(&time_ns)
    }

    /// The chance that it is so, of a source at that place.
    fn probability(&self, place: LonLat, world: World<'_>) -> f64 {
        let settings = &world.settings.interference;
        let mut apart: Vec<&Heard> = Vec::new();
        for it in &self.heard {
            if apart.iter().all(|other| other.place.distance_m(it.place) >= APART_M) {
                apart.push(it);
            }
        }
        let hours = (s_from_ns(self.newest_ns - self.from_ns) + 2.0 * settings.ends_after_s) / 3600.0;
        let single_p = settings.single_p.clamp(0.001, 0.999);
        let others = apart.iter().skip(1).map(|it| {
            let node = world.registry.node(it.first.node);
            let by_chance = -(-node.false_per_hour.unwrap_or(FALSE_PER_HOUR).max(1e-6) * hours).exp_m1();
            (node.detect_p.unwrap_or(DETECT_P) / by_chance).clamp(1.0, MOST_RATIO)
        });
        let odds = single_p / (1.0 - single_p) * others.product::<f64>() * self.silence(place, world);
        (odds / (1.0 + odds)).min(MOST_P)
    }
}

impl Source {
    /// What the silence of those makes of the odds who are nearer to that place than some who report, and who should have heard.
    fn silence(&self, place: LonLat, world: World<'_>) -> f64 {
        let farthest_m = self.heard.iter().map(|it| it.place.distance_m(place)).fold(0.0, f64::max);
        let nodes = world.registry.nodes().iter().filter(|node| node.kinds.contains(Kind::Interference));
        let silent = nodes.filter(|node| {
            let reports = self.heard.iter().any(|it| world.registry.node(it.first.node).name == node.name);
            let near_m = farthest_m.min(node.range_m.unwrap_or(f64::INFINITY));
            !reports && node.position.is_some_and(|at| at.distance_m(place) < near_m)
        });
        silent.map(|node| (1.0 - node.detect_p.unwrap_or(DETECT_P)).max(LEAST_SILENCE)).product()
    }
}

impl Episode for Source {
    fn key(&self) -> &str {
        &self.key
    }

    fn extent(&self) -> Extent {
        // Each node that joins is news.
        let seen = 1 << self.heard.len().min(40);
        Extent { seen, newest_ns: self.newest_ns, from_ns: self.from_ns, to_ns: self.to_ns }
    }

    fn claim(&self, world: World<'_>) -> Claim {
        let settings = &world.settings.interference;
        let first = self.heard.first();
        let known = first.and_then(|it| world.registry.node(it.first.node).range_m).unwrap_or(settings.reach_m);
        let fix = source::locate(&self.heard, known, settings.power_sd_db);
        let place = fix.as_ref().map(|fix| fix.place).or(first.map(|it| it.place));
        let nowhere = LonLat { lon_deg: 0.0, lat_deg: 0.0 };
        let mut claim = Claim::new(self.key.clone(), Class::Interference, place.unwrap_or(nowhere), self.from_ns);
        claim.sign = Some(Sign::Jamming);
        claim.prohibitions = vec![Prohibition::Interference];
        claim.time_sd_s = Kind::Interference.default_time_sd_s();
        claim.ellipse = fix.as_ref().map(|fix| fix.ellipse);
        (claim.from_ns, claim.to_ns) = (Some(self.from_ns), self.to_ns);
        claim.probability = self.probability(claim.place, world);
        let residuals = fix.map(|fix| fix.residuals_deg).unwrap_or_default();
        for (heard, residual_deg) in self.heard.iter().zip(residuals) {
            // The mean of its bearings is told with its last.
            claim.evidence.extend([heard.first, Cited { residual_deg, ..heard.last }]);
        }
        if claim.evidence.len() > 1 {
            let mut kept: Vec<Cited> = Vec::new();
            for cited in claim.evidence.drain(..).rev() {
                if !kept.iter().any(|known| (known.node, known.id) == (cited.node, cited.id)) {
                    kept.push(cited);
                }
            }
            claim.evidence = kept;
        }
        claim
    }
}

/// What is reported of one band.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jammed {
    sources: Vec<Source>,
    /// Those that have ended, newest last.
    past: Vec<Source>,
}

fn ends_after_ns(world: World<'_>) -> i64 {
    span_ns(world.settings.interference.ends_after_s).max(1)
}

impl Jammed {
    /// Which of the sources that is of: the nearest, the first of equals.
    fn of(sources: &mut [Source], seen: &Sighting, scene: Scene<'_>) -> Option<usize> {
        let ends_after_ns = ends_after_ns(scene.world);
        let near = sources.iter().enumerate().filter(|(_, source)| source.spans(seen.cited.time_ns, ends_after_ns));
        let near = near.map(|(at, source)| (source.distance_m(seen), at));
        let nearest = near.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        nearest.filter(|(distance_m, _)| *distance_m <= scene.world.settings.interference.reach_m).map(|(_, at)| at)
    }

    fn end(&mut self, at: usize, ended: &mut Vec<Source>) {
        let mut source = self.sources.remove(at);
        source.to_ns = Some(source.newest_ns);
        remember(&mut self.past, source.clone(), MAX_PAST);
        ended.push(source);
    }
}

impl Watch for Jammed {
    const NAME: &'static str = "interference";

    type Key = str;
    type Seen = Sighting;
    type Episode = Source;
    type Common = ();

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Source>) {
        let (ends_after_ns, horizon_ns) = (ends_after_ns(scene.world), span_ns(scene.world.settings.amend_horizon_s));
        while let Some(at) =
            self.sources.iter().position(|source| now_ns.saturating_sub(source.newest_ns) >= ends_after_ns)
        {
            self.end(at, ended);
        }
        self.past.retain(|past| now_ns.saturating_sub(past.newest_ns) < horizon_ns);
    }

    fn step(&mut self, seen: &Sighting, scene: Scene<'_>, ended: &mut Vec<Source>) {
        if let Some(at) = Jammed::of(&mut self.sources, seen, scene) {
            return self.sources[at].add(seen);
        }
        if self.sources.len() == MAX_SOURCES {
            self.end(0, ended);
        }
        let node = &scene.world.registry.node(seen.cited.node).name;
        let (key, time_ns) =
            (format!("interference/{}/{node}/{}", scene.key, seen.cited.id.as_str()), seen.cited.time_ns);
        let heard = vec![Heard::new(seen)];
        self.sources.push(Source { key, heard, from_ns: time_ns, newest_ns: time_ns, to_ns: None });
    }

    fn recall(&mut self, seen: &Sighting, scene: Scene<'_>, corrections: &mut Vec<Correction<Source>>) -> bool {
        if let Some(at) = Jammed::of(&mut self.sources, seen, scene) {
            return self.sources[at].add_late(seen);
        }
        let Some(at) = Jammed::of(&mut self.past, seen, scene) else { return false };
        let source = &mut self.past[at];
        if !source.add_late(seen) {
            return false;
        }
        source.to_ns = Some(source.newest_ns);
        corrections.push(Correction::Was(source.clone()));
        true
    }

    fn lasting(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        let (ends_after_ns, horizon_ns) = (ends_after_ns(world), span_ns(world.settings.amend_horizon_s));
        let ends = self.sources.iter().map(|source| source.newest_ns.saturating_add(ends_after_ns));
        ends.chain(self.past.iter().map(|past| past.newest_ns.saturating_add(horizon_ns))).min()
    }

    fn spent(&self) -> bool {
        self.sources.is_empty() && self.past.is_empty()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        !self.spent()
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        let heard = self.sources.iter_mut().chain(&mut self.past).flat_map(|source| &mut source.heard);
        heard.flat_map(|it| [&mut it.first, &mut it.last]).for_each(tell);
    }
}

/// The rule.
#[derive(Default, Serialize, Deserialize)]
pub struct Jamming {
    lanes: Lanes<Jammed>,
}

impl Rule for Jamming {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Interference)
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        if !world.settings.interference.on {
            return;
        }
        let (cited, supersedes, detail) = (cited_at(batch, row), supersedes_at(batch, row), batch.detail[row] as usize);
        let band = batch.interferences.band[detail].as_str();
        if batch.withdrawn[row] {
            if let Some(id) = supersedes {
                self.lanes.withdraw(band, cited.node, id, cited.time_ns, world, book);
            }
            return;
        }
        let Some(place) = position_at(batch, row, world) else { return };
        let (deg, sd_deg) = (batch.interferences.azimuth_deg[detail], batch.interferences.azimuth_sd_deg[detail]);
        let azimuth = radio_bearing(deg, sd_deg);
        let power_dbm = Some(batch.interferences.power_dbm[detail]).filter(|power_dbm| power_dbm.is_finite());
        self.lanes.observe(band, Sighting { cited, place, azimuth, power_dbm }, supersedes, world, book);
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.lanes.advance(watermark_ns, world, book);
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(&mut self.lanes)
    }
}

#[cfg(test)]
mod tests;
