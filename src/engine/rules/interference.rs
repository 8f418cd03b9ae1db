//! Jamming: what several nodes report or suffer of one band at one time in one part of the country is one source, from the first
//! sign to the last.
//!
//! Nodes report it themselves. Others only suffer from it, which rules that watch them tell ([`super::sighting`]): their clock or their
//! position jumps, or they fall silent; and receivers locate what sends. A report, or a jump, begins a source; a silence and an emission
//! join one. A source is told from the first report on; without any when so many nodes jump that it can hardly be chance. How sure it is tells
//! [`surety`], where it is [`place`].

mod heard;
mod place;
mod shape;
mod surety;

use self::heard::Heard;
use self::shape::Shape;
use super::lane::{Correction, Episode, Extent, Scene, Seen, Watch, span_ns};
use super::lanes::Lanes;
use super::memory::Memory;
use super::sighting::{Sighting, What};
use super::{Rule, World, cited_at, position_at, radio_bearing, remember, supersedes_at};
use crate::engine::book::{Book, Cited, Claim};
use crate::model::alert::{Class, Sign};
use crate::model::area::Prohibition;
use crate::model::kind::{Kind, KindSet};
use crate::model::observation::Observations;
use serde::{Deserialize, Serialize};

/// What claims' keys begin with.
const KEY: &str = "interference/";
/// Nodes of one source that are kept, and as many that fell silent; what others tell only makes it last.
const MAX_NODES: usize = 32;
/// Emissions of one source that are kept.
const MAX_EMISSIONS: usize = 8;
/// Sources of one band at a time. At it the one that began first ends.
const MAX_SOURCES: usize = 64;
/// Sources of one band that have ended and that late reports may still be of. At it the oldest stands as it was told.
const MAX_PAST: usize = 64;
/// Silences and emissions that wait for a source. At it the oldest is forgotten.
const MAX_WAITING: usize = 512;

/// One source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Source {
    key: String,
    /// Whether it is called after a report.
    #[serde(default)]
    by_report: bool,
    /// Those that report it or jump.
    heard: Vec<Heard>,
    /// Those that fell silent.
    #[serde(default)]
    silent: Vec<Sighting>,
    #[serde(default)]
    emissions: Vec<Sighting>,
    from_ns: i64,
    newest_ns: i64,
    to_ns: Option<i64>,
}

impl Source {
    fn begin(seen: &Sighting, scene: Scene<'_>) -> Source {
        let time_ns = seen.cited().time_ns;
        let (from_ns, newest_ns, heard) = (seen.evidence().time_ns, time_ns, vec![Heard::new(seen)]);
        let (silent, emissions) = (Vec::new(), Vec::new());
        Source {
            key: key_of(seen, scene),
            by_report: seen.is_report(),
            heard,
            silent,
            emissions,
            from_ns,
            newest_ns,
            to_ns: None,
        }
    }

    /// Takes in what is of it.
    fn add(&mut self, seen: &Sighting, scene: Scene<'_>) {
        let cited = seen.cited();
        let is_known = |known: &Sighting| known.cited().node == cited.node;
        match &seen.what {
            What::Loss if self.silent.len() < MAX_NODES && !self.silent.iter().any(is_known) => {
                self.silent.push(seen.clone());
            }
            // A silence is told by who is silent, and lasts beyond what it came of.
            What::Loss => {}
            What::Emission(_) => {
                self.newest_ns = self.newest_ns.max(cited.time_ns);
                if self.emissions.len() < MAX_EMISSIONS {
                    self.emissions.push(seen.clone());
                }
            }
            What::Report { .. } | What::Jump => {
                self.from_ns = self.from_ns.min(seen.evidence().time_ns);
                self.newest_ns = self.newest_ns.max(cited.time_ns);
                match self.heard.iter().position(|it| it.first.node == cited.node) {
                    Some(at) => self.heard[at].add(seen),
                    None if self.heard.len() < MAX_NODES => self.heard.push(Heard::new(seen)),
                    None => {}
                }
                // What nodes report is told at once, what they suffer when it has settled: until then the first report was the first
                // of all.
                let grace_ns = span_ns(scene.world.settings.lateness_s);
                if !self.by_report && seen.is_report() && cited.time_ns.saturating_sub(self.from_ns) <= grace_ns {
                    (self.key, self.by_report) = (key_of(seen, scene), true);
                }
            }
        }
    }

    /// Takes in what comes late; false if it changes nothing. What lies within what a node has reported may be in the sums already.
    fn add_late(&mut self, seen: &Sighting, scene: Scene<'_>) -> bool {
        let (node, time_ns) = (seen.cited().node, seen.evidence().time_ns);
        let is_known = match seen.what {
            What::Report { .. } | What::Jump => self
                .heard
                .iter()
                .any(|it| it.first.node == node && (it.first.time_ns..=it.last.time_ns).contains(&time_ns)),
            What::Loss => self.silent.iter().any(|it| it.cited().node == node),
            What::Emission(_) => {
                let of = |it: &Sighting| (it.cited().node, it.cited().id);
                self.emissions.len() == MAX_EMISSIONS || self.emissions.iter().any(|it| of(it) == of(seen))
            }
        };
        if !is_known {
            let key = self.key.clone();
            self.add(seen, scene);
            // It was told under that.
            self.key = key;
        }
        !is_known
    }

    /// How far the nearest of its nodes is from there; nothing for a node of its own.
    fn distance_m(&self, seen: &Sighting) -> f64 {
        let is_own = |it: &Heard| it.first.node == seen.cited().node && seen.emission().is_none();
        let distance_m = |it: &Heard| if is_own(it) { 0.0 } else { it.place.distance_m(seen.place) };
        self.heard.iter().map(distance_m).fold(f64::INFINITY, f64::min)
    }

    /// Whether what counts from then on may be of it.
    fn spans(&self, time_ns: i64, ends_after_ns: i64) -> bool {
        let (from_ns, to_ns) =
            (self.from_ns.saturating_sub(ends_after_ns), self.newest_ns.saturating_add(ends_after_ns));
        (from_ns..to_ns).contains(&time_ns)
    }
}

fn key_of(seen: &Sighting, scene: Scene<'_>) -> String {
    let (node, evidence) = (&scene.world.registry.node(seen.cited().node).name, seen.evidence());
    format!("{KEY}{}/{node}/{}", scene.key, evidence.id.as_str())
}

impl Episode for Source {
    fn key(&self) -> &str {
        &self.key
    }

    fn extent(&self) -> Extent {
        // Each node that reports is news, and twice as many of what else there is.
        let reports = self.heard.iter().filter(|it| it.reports).count();
        let others = self.heard.len() - reports + self.silent.len() + self.emissions.len();
        let seen = 1 << (reports + (usize::BITS - others.leading_zeros()) as usize).min(40);
        Extent { seen, newest_ns: self.newest_ns, from_ns: self.from_ns, to_ns: self.to_ns }
    }

    fn is_told(&self, world: World<'_>) -> bool {
        self.heard.iter().any(|it| it.reports) || self.heard.len() >= world.settings.interference.jumps.max(1)
    }

    fn claim(&self, world: World<'_>) -> Claim {
        let shape = Shape::of(self, world);
        let fix = place::locate(self, shape.as_ref(), world);
        let mut claim = Claim::new(self.key.clone(), Class::Interference, fix.place, self.from_ns);
        claim.sign = Some(Sign::Jamming);
        claim.prohibitions = vec![Prohibition::Interference];
        claim.time_sd_s = Kind::Interference.default_time_sd_s();
        claim.ellipse = Some(fix.ellipse);
        (claim.from_ns, claim.to_ns) = (Some(self.from_ns), self.to_ns);
        claim.probability = self.probability(claim.place, shape.as_ref(), world);
        for (heard, residual_deg) in self.heard.iter().zip(fix.residuals_deg) {
            // The mean of its bearings is told with its last.
            claim.evidence.extend([heard.first, Cited { residual_deg, ..heard.last }]);
        }
        claim.evidence.extend(self.silent.iter().map(Sighting::evidence));
        claim.evidence.extend(self.emissions.iter().filter_map(Sighting::emission).flat_map(|it| &it.arrivals));
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

/// What is told of one band.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jammed {
    sources: Vec<Source>,
    /// Those that have ended, newest last.
    past: Vec<Source>,
    /// What joins a source, and has found none yet, oldest first.
    #[serde(default)]
    waiting: Vec<Sighting>,
}

fn ends_after_ns(world: World<'_>) -> i64 {
    span_ns(world.settings.interference.ends_after_s).max(1)
}

impl Jammed {
    /// Which of the sources that is of: the nearest, the first of equals.
    fn of(sources: &mut [Source], seen: &Sighting, scene: Scene<'_>) -> Option<usize> {
        let ends_after_ns = ends_after_ns(scene.world);
        let near = sources.iter().enumerate().filter(|(_, source)| source.spans(seen.cited().time_ns, ends_after_ns));
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

    /// Has those that wait join a source that reaches so far by now.
    fn join(&mut self, scene: Scene<'_>) {
        for seen in std::mem::take(&mut self.waiting) {
            match Jammed::of(&mut self.sources, &seen, scene) {
                Some(at) => self.sources[at].add(&seen, scene),
                None => self.waiting.push(seen),
            }
        }
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
        // No source that is yet to begin reaches back so far.
        self.waiting.retain(|seen| now_ns.saturating_sub(seen.cited().time_ns) <= ends_after_ns);
    }

    fn step(&mut self, seen: &Sighting, scene: Scene<'_>, ended: &mut Vec<Source>) {
        let of = Jammed::of(&mut self.sources, seen, scene);
        match (of, &seen.what) {
            (Some(at), _) => self.sources[at].add(seen, scene),
            (None, What::Loss | What::Emission(_)) => return remember(&mut self.waiting, seen.clone(), MAX_WAITING),
            (None, What::Report { .. } | What::Jump) => {
                if self.sources.len() == MAX_SOURCES {
                    self.end(0, ended);
                }
                self.sources.push(Source::begin(seen, scene));
            }
        }
        self.join(scene);
    }

    fn recall(&mut self, seen: &Sighting, scene: Scene<'_>, corrections: &mut Vec<Correction<Source>>) -> bool {
        if let Some(at) = Jammed::of(&mut self.sources, seen, scene) {
            return self.sources[at].add_late(seen, scene);
        }
        let Some(at) = Jammed::of(&mut self.past, seen, scene) else { return false };
        let source = &mut self.past[at];
        if !source.add_late(seen, scene) {
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
        let forgotten = self.past.iter().map(|past| past.newest_ns.saturating_add(horizon_ns));
        let waited = self.waiting.iter().map(|seen| seen.cited().time_ns.saturating_add(ends_after_ns + 1));
        ends.chain(forgotten).chain(waited).min()
    }

    fn spent(&self) -> bool {
        self.sources.is_empty() && self.past.is_empty() && self.waiting.is_empty()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        !self.spent()
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        for source in self.sources.iter_mut().chain(&mut self.past) {
            source.heard.iter_mut().flat_map(|it| [&mut it.first, &mut it.last]).for_each(&mut *tell);
            source.silent.iter_mut().chain(&mut source.emissions).for_each(|seen| seen.each_cited(tell));
        }
        self.waiting.iter_mut().for_each(|seen| seen.each_cited(tell));
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
        let band = batch.interferences.band[detail];
        if batch.withdrawn[row] {
            if let Some(id) = supersedes {
                self.lanes.withdraw(band.as_str(), cited.node, id, cited.time_ns, world, book);
            }
            return;
        }
        let Some(place) = position_at(batch, row, world) else { return };
        let (deg, sd_deg) = (batch.interferences.azimuth_deg[detail], batch.interferences.azimuth_sd_deg[detail]);
        let azimuth = radio_bearing(deg, sd_deg);
        let power_dbm = Some(batch.interferences.power_dbm[detail]).filter(|power_dbm| power_dbm.is_finite());
        let seen = Sighting::new(cited, band, place, What::Report { azimuth, power_dbm });
        self.lanes.observe(band.as_str(), seen, supersedes, world, book);
    }

    fn hear_of(&mut self, sightings: &[Sighting], world: World<'_>, book: &mut Book) {
        if world.settings.interference.on {
            for seen in sightings {
                self.lanes.observe(seen.band.as_str(), seen.clone(), None, world, book);
            }
        }
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.lanes.advance(watermark_ns, world, book);
    }

    fn holds(&self, key: &str) -> Option<bool> {
        key.starts_with(KEY).then(|| self.lanes.holds(key))
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(&mut self.lanes)
    }
}

#[cfg(test)]
mod suffered;
#[cfg(test)]
mod tests;
