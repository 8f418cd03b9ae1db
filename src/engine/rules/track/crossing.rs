//! One crossing of one area: where the border was stepped over, how surely, and what it rests on.

use super::super::World;
use super::super::lane::{Episode, Extent, Scene, Seen};
use super::height::Depth;
use super::near::Near;
use crate::engine::book::{Cited, Claim};
use crate::engine::places::Waypoint;
use crate::model::alert::Class;
use crate::model::area::Prohibition;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::{Domain, Kind};
use crate::model::time::s_from_ns;
use serde::{Deserialize, Serialize};

/// Beyond so many standard deviations from the border a plot is on its side of it for certain.
pub(in crate::engine::rules) const CERTAIN_SD: f64 = 6.0;
/// Plots cited besides the last of a crossing. At it every other one is left out.
pub(super) const MAX_CITED: usize = 20;

/// One plot, as far as this rule is concerned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plot {
    pub(super) cited: Cited,
    pub(super) domain: Domain,
    pub(super) place: LonLat,
    pub(super) sd_m: f64,
    /// Where it matters.
    #[serde(default)]
    pub(super) alt_m: Option<f64>,
    pub(super) heavy: bool,
    /// Areas near by that prohibit it.
    pub(super) near: Near,
    /// How it stands to them follows from these alone: no border is near, neither height nor time matters.
    #[serde(default)]
    pub(super) is_calm: bool,
}

impl Seen for Plot {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}

impl Plot {
    /// How it stands to an area; not finite for one that is gone or not in force, nor where it is inside for certain.
    pub(super) fn depth(&self, area: &str, world: World<'_>) -> Depth {
        match world.places.find(area) {
            Some(ix) if world.places.areas()[ix].valid_at(self.cited.time_ns) => {
                let known_m = self.near.depth_m(area);
                let level_m = known_m.unwrap_or_else(|| world.places.signed_distance_m(ix, self.place));
                let alt_sd_m = world.settings.tracks.object_alt_sd_m.max(0.1);
                Depth::of(level_m, &world.places.areas()[ix], self.domain, self.alt_m, alt_sd_m)
            }
            _ => Depth::NOWHERE,
        }
    }

    /// The same in metres wherever it is inside.
    fn measured_depth(&self, area: &str, world: World<'_>) -> Depth {
        let depth = self.depth(area, world);
        match world.places.find(area) {
            Some(ix) if depth.level_m == f64::INFINITY => {
                Depth { level_m: world.places.signed_distance_m(ix, self.place), ..depth }
            }
            _ => depth,
        }
    }
}

/// One crossing of one area by one track.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Crossing {
    pub(super) key: String,
    pub(super) area: String,
    pub(super) domain: Domain,
    pub(super) prohibits_object: bool,
    pub(super) prohibits_weapons: bool,
    pub(super) heavy: bool,
    pub(super) place: LonLat,
    pub(super) sd_m: f64,
    pub(super) from_ns: i64,
    pub(super) from_sd_s: f64,
    pub(super) to_ns: Option<i64>,
    pub(super) chance: f64,
    pub(super) plots: u64,
    pub(super) cited: Vec<Cited>,
    /// Where those cited were.
    #[serde(default)]
    pub(super) path: Vec<Waypoint>,
    /// Every so many plots one is cited.
    pub(super) stride: u64,
    pub(super) last: Cited,
    #[serde(default)]
    pub(super) last_at: Option<Waypoint>,
}

fn waypoint(plot: &Plot) -> Waypoint {
    Waypoint { place: plot.place, time_ns: plot.cited.time_ns, sd_m: plot.sd_m }
}

/// Leaves every other one out.
fn halve<T>(all: &mut Vec<T>) {
    let mut number = 0;
    all.retain(|_| {
        number += 1;
        number % 2 == 1
    });
}

impl Crossing {
    pub(super) fn add(&mut self, plot: &Plot, chance: f64) {
        if self.plots.is_multiple_of(self.stride) {
            if self.cited.len() == MAX_CITED {
                halve(&mut self.cited);
                halve(&mut self.path);
                self.stride *= 2;
            }
            if self.plots.is_multiple_of(self.stride) {
                self.cited.push(plot.cited);
                self.path.push(waypoint(plot));
            }
        }
        self.plots += 1;
        self.last = plot.cited;
        self.last_at = Some(waypoint(plot));
        self.chance = self.chance.max(chance);
    }

    /// Goes through all observations in it.
    pub(super) fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        self.cited.iter_mut().chain([&mut self.last]).for_each(tell);
    }

    /// What it is, if the area prohibits it.
    pub(super) fn class(&self) -> Option<Class> {
        if self.heavy && self.prohibits_weapons {
            return Some(Class::IncursionWeapons);
        }
        self.prohibits_object.then_some(match self.domain {
            Domain::Air | Domain::Uav => Class::AirIncursion,
            Domain::Sea => Class::SeaIncursion,
            Domain::Ground => Class::IncursionGround,
        })
    }
}

impl Episode for Crossing {
    fn key(&self) -> &str {
        &self.key
    }

    fn extent(&self) -> Extent {
        Extent { seen: self.plots, newest_ns: self.last.time_ns, from_ns: self.from_ns, to_ns: self.to_ns }
    }

    fn claim(&self, _world: World<'_>) -> Claim {
        let class = self.class().unwrap_or(Class::IncursionGround);
        let mut claim = Claim::new(self.key.clone(), class, self.place, self.from_ns);
        claim.ellipse = Some(Ellipse { semi_major_m: self.sd_m, semi_minor_m: self.sd_m, orientation_deg: 0.0 });
        claim.time_sd_s = self.from_sd_s;
        claim.from_ns = Some(self.from_ns);
        claim.to_ns = self.to_ns;
        claim.probability = self.chance;
        claim.path = self.path.iter().copied().chain(self.last_at).collect();
        claim.evidence = self.cited.iter().copied().chain([self.last]).collect();
        // One alert an area: this one is about that area and no other that it may lie in.
        claim.areas = vec![self.area.clone()];
        claim
    }
}

/// The crossing that begins with this plot.
pub(super) fn enter(area: &str, last: Option<&Plot>, plot: &Plot, chance: f64, scene: Scene<'_>) -> Option<Crossing> {
    let World { registry, places, .. } = scene.world;
    let rules = &places.areas()[places.find(area)?];
    let (node, id) = (&registry.node(plot.cited.node).name, plot.cited.id);
    let step = border(area, last, plot, scene.world);
    let mut crossing = Crossing {
        key: format!("track/{area}/{}/{node}/{}", scene.key, id.as_str()),
        area: area.to_owned(),
        domain: plot.domain,
        prohibits_object: of_domain(plot.domain).iter().any(|&what| rules.prohibits(what)),
        prohibits_weapons: plot.domain == Domain::Ground && rules.prohibits(Prohibition::HeavyWeapons),
        heavy: false,
        place: step.place,
        sd_m: plot.sd_m,
        from_ns: step.time_ns,
        from_sd_s: step.time_sd_s,
        to_ns: None,
        chance: 0.0,
        plots: 0,
        cited: Vec::new(),
        path: Vec::new(),
        stride: 1,
        last: plot.cited,
        last_at: None,
    };
    crossing.add(plot, chance);
    Some(crossing)
}

/// Where and when a border was stepped over.
pub(super) struct Step {
    pub(super) place: LonLat,
    pub(super) time_ns: i64,
    pub(super) time_sd_s: f64,
}

/// The step over the border between two plots on either side of it, the object taken to move evenly. Without an
/// earlier plot on the other side it is the plot itself: there the object was first seen.
pub(super) fn border(area: &str, last: Option<&Plot>, plot: &Plot, world: World<'_>) -> Step {
    let itself = Step { place: plot.place, time_ns: plot.cited.time_ns, time_sd_s: Kind::Track.default_time_sd_s() };
    let Some(last) = last else { return itself };
    let (before, now) = (last.measured_depth(area, world), plot.measured_depth(area, world));
    let Some((share, gained_m)) = before.step(&now) else { return itself };
    let gap_ns = plot.cited.time_ns - last.cited.time_ns;
    let gap_s = s_from_ns(gap_ns);
    let east_deg = (plot.place.lon_deg - last.place.lon_deg + 180.0).rem_euclid(360.0) - 180.0;
    let lon_deg = (last.place.lon_deg + share * east_deg + 180.0).rem_euclid(360.0) - 180.0;
    let lat_deg = last.place.lat_deg + share * (plot.place.lat_deg - last.place.lat_deg);
    Step {
        place: LonLat { lon_deg, lat_deg },
        time_ns: last.cited.time_ns + (share * gap_ns as f64) as i64,
        // σ over the speed towards the border; the step lies between the two plots in any case.
        time_sd_s: (plot.sd_m * gap_s / gained_m).min(gap_s),
    }
}

/// The chance that a plot `depth_m` within a border, uncertain by `sd_m`, is inside: Φ(d / σ). The border is taken as
/// straight over the plot's uncertainty.
pub(in crate::engine::rules) fn chance_inside(depth_m: f64, sd_m: f64) -> f64 {
    let z = depth_m / sd_m;
    if z.abs() > CERTAIN_SD || z.is_nan() {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    // Abramowitz and Stegun 26.2.17: off by less than 7.5e-8.
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let tail = series.iter().rev().fold(0.0, |sum, &term| (sum + term) * t);
    let upper = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * tail;
    if z > 0.0 { 1.0 - upper } else { upper }
}

/// What an area prohibits that is closed to objects of that domain, whatever they are.
pub(in crate::engine::rules) fn of_domain(domain: Domain) -> &'static [Prohibition] {
    match domain {
        Domain::Uav => &[Prohibition::Uav, Prohibition::Flight],
        Domain::Air => &[Prohibition::Flight],
        Domain::Sea => &[Prohibition::Vessel],
        Domain::Ground => &[Prohibition::Entry],
    }
}
