//! The pattern of a renewed attack: more of what is seen in a sector, or in all of them, than usual.
//!
//! Event time is cut into bins. When all that happened in one is final, it is counted: incidents of fire ([`incidents`]) and what
//! other ways of seeing tell ([`other`]), by sectors ([`sectors`]), and of that only what those nodes found that were
//! there all through the time with which it is compared ([`core`], [`reference`]). It is set against what is usual ([`usual`],
//! [`recent`], [`unrest`]) by an e-detector for each sector and for the theatre ([`detector`]). What comes of it is a level
//! ([`level`], [`judge`]) with its reasons ([`say`]) and where it is ([`scan`]). docs/escalation.md has the method and its limits.
//!
//! All of it is a function of the set of final events and of who was heard, bin by bin; the order of arrival changes nothing.

mod bins;
mod core;
mod detector;
mod ears;
mod gathered;
pub mod grid;
mod incidents;
mod judge;
mod level;
mod other;
mod recent;
pub mod record;
mod reference;
mod say;
mod scan;
mod scope;
mod sectors;
pub mod telling;
mod unrest;
mod usual;

use self::core::Asked;
use self::ears::Ears;
use self::gathered::Gathered;
use self::grid::Grid;
use self::reference::{Found, Reference};
use self::scan::Scan;
use self::scope::{Scope, Sum};
use self::sectors::Sectors;
use self::telling::BinTold;
use self::usual::{Day, Terms};
use super::rules::World;
use super::settings;
use crate::model::escalation::{Escalation, Modality};
use crate::model::geo::LonLat;
use crate::model::node::{NodeIx, Registry};
use crate::model::time::ns_from_s;
use serde::{Deserialize, Serialize};

/// What all sectors together are called.
pub const THEATRE: &str = "theatre";

/// Most sectors; what lies in further ones counts for the theatre alone.
pub const MAX_SECTORS: usize = 1_000;

/// For the end of a storm it is waited so long, h.
const STORM_WAITS_H: f64 = 48.0;

/// A storm is over when there was none for so long, s.
const STORM_LINGERS_S: f64 = 3600.0;

const HOUR_NS: i64 = 3600 * 1_000_000_000;

/// Something that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// How it was seen.
    pub modality: Modality,
    /// When, nanoseconds.
    pub time_ns: i64,
    /// Where.
    pub place: LonLat,
    /// Whose arrivals it was found by, one for each.
    pub arrivals: Vec<NodeIx>,
    /// Who saw it, each of whom is enough.
    pub seers: Vec<NodeIx>,
}

/// The watch. Read from a checkpoint it is to be given to one that has just been made ([`EscalationWatch::load`]), which has
/// what is not written down.
#[derive(Serialize, Deserialize)]
pub struct EscalationWatch {
    #[serde(skip)]
    settings: settings::Escalation,
    bin_ns: i64,
    grid: Grid,
    ears: Ears,
    sectors: Sectors,
    /// What is compared with, once something is usual; and what will be.
    now: Option<Reference>,
    next: Option<Reference>,
    day: Day,
    scan: Scan,
    /// Sectors by their numbers, the theatre last.
    scopes: Vec<Scope>,
    /// Versions of registry and places that all this was laid out for.
    laid_out_for: Option<(u64, u64)>,
    /// The next bin to be judged.
    next_bin: Option<i64>,
    /// What an engine before this one knew, until it is laid out.
    waiting: Option<record::EscalationRecord>,
    #[serde(skip)]
    config_digest: String,
    /// Where regions are shared out, what all tell.
    gathered: Option<Gathered>,
}

impl EscalationWatch {
    /// Nothing seen yet. The digest stands on what is said.
    pub fn new(settings: &settings::Escalation, config_digest: String) -> EscalationWatch {
        let bin_ns = ns_from_s(settings.bin_s).max(1);
        EscalationWatch {
            settings: settings.clone(),
            bin_ns,
            grid: Grid::new(settings.cell_m),
            ears: Ears::new(bin_ns),
            sectors: Sectors::none(),
            now: None,
            next: None,
            day: Day::default(),
            scan: Scan::default(),
            scopes: vec![Scope::default()],
            laid_out_for: None,
            next_bin: None,
            waiting: None,
            config_digest,
            gathered: None,
        }
    }

    /// From now on it judges by what so many parts of the regions tell.
    pub fn gather_from(&mut self, parts: u32) {
        self.gathered = Some(Gathered::from(parts));
    }

    /// Of what all tell, where regions are shared out.
    pub fn gathered(&self) -> Option<&Gathered> {
        self.gathered.as_ref()
    }

    /// What a part tells of a bin, that stands `here` in what is read.
    pub fn hear_bin(&mut self, told: BinTold, here: i64, registry: &Registry) {
        let bin = told.from_ns.div_euclid(self.bin_ns);
        let Some(gathered) = &mut self.gathered else { return };
        if let Some(passes_to) = gathered.hear(told, bin, self.next_bin, here, registry) {
            self.next_bin = self.next_bin.max(Some(passes_to));
        }
    }

    /// Takes in what all have told of the next bin; gives what counts in it.
    pub fn gather(&mut self, world: World<'_>) -> Vec<Sign> {
        self.lay_out(world);
        let (Some(bin), Some(gathered)) = (self.next_bin, &mut self.gathered) else { return Vec::new() };
        let told = gathered.take(bin);
        for (node, bits) in told.heard {
            self.ears.hear_in(node, bin, bits);
        }
        for (name, sum) in told.weather {
            let sector = self.sectors.names().iter().position(|it| *it == name);
            self.ears.add_weather(sector.unwrap_or(self.sectors.theatre()), bin, sum);
        }
        told.signs
    }

    /// Alerts that counted before that time are named no more, nanoseconds.
    pub fn forget_counting_before(&mut self, time_ns: i64) {
        if let Some(gathered) = &mut self.gathered {
            gathered.forget_before(time_ns);
        }
    }

    /// Something came in time of a node that is up.
    #[inline]
    pub fn hear(&mut self, node: NodeIx, time_ns: i64) {
        self.ears.hear(node, time_ns);
    }

    /// A node told of wind and noise, which may not be numbers.
    pub fn weather(&mut self, node: NodeIx, time_ns: i64, wind_m_s: f64, noise_db: f64, world: World<'_>) {
        self.lay_out(world);
        self.ears.weather(self.sectors.home(node), time_ns, wind_m_s, noise_db);
    }

    /// The next bin, if all of it is final by `final_ns`, and has been told of by all: from and to, nanoseconds. Nothing was heard
    /// before `oldest_ns`.
    pub fn due(&mut self, oldest_ns: i64, final_ns: i64) -> Option<(i64, i64)> {
        let due = bins::due(&mut self.next_bin, self.bin_ns, oldest_ns, final_ns)?;
        let next = self.next_bin?;
        self.gathered.as_ref().is_none_or(|gathered| gathered.is_complete(next)).then_some(due)
    }

    /// All before this has been judged, nanoseconds.
    pub fn stands_ns(&self) -> Option<i64> {
        self.next_bin.map(|next| next.saturating_mul(self.bin_ns))
    }

    /// The name of the sector of a place; `None` where there is none.
    pub fn sector(&self, place: LonLat, world: World<'_>) -> Option<&str> {
        let at = self.sectors.at(place, world.places);
        (at != self.sectors.theatre()).then(|| self.sectors.names()[at].as_str())
    }

    /// The evidence for more fire than usual, by sectors, the theatre last.
    pub fn evidence(&self) -> impl Iterator<Item = (&str, f64)> {
        self.sectors.names().iter().map(String::as_str).zip(self.scopes.iter().map(Scope::fire_evidence))
    }

    /// Judges the next bin, in which there were these signs. The alerts that count to what is said are still to be named.
    pub fn step(&mut self, signs: &[Sign], world: World<'_>) -> Vec<Escalation> {
        let Some(bin) = self.next_bin else { return Vec::new() };
        self.next_bin = Some(bin + 1);
        self.lay_out(world);
        let (terms, factor) = (self.terms(), self.day.factor(self.time_h(bin)));
        let storms = self.storms(bin);
        let turned_over = self.turn_over(bin, &storms, world);
        let min_arrivals = world.settings.fire.min_arrivals;
        let find = |it: &Reference| it.find(signs, min_arrivals, &self.sectors, world.places);
        let (now, next) = (self.now.as_ref().map(find), self.next.as_ref().map(find));
        let told = self.told(&storms);
        self.listen(&storms, turned_over);
        let sums = self.compare(now.as_ref(), &told, factor);
        let doubted: Vec<bool> = self.scopes.iter().map(Scope::is_doubted).collect();
        self.detect(bin, &sums, &doubted);
        if let Some(found) = now.as_ref().or(next.as_ref()) {
            self.scan.add(bin, &found.incidents, factor, self.grid, terms);
        }
        let said = (0..self.scopes.len()).filter_map(|at| self.judge(at, bin, sums[at].is_told, world)).collect();
        self.learn(bin, (now.as_ref(), next.as_ref()), &sums, (&storms, &doubted), factor);
        self.ears.forget_before(bin);
        said
    }

    fn terms(&self) -> Terms {
        let settings::Escalation { memory_h, least_history_h, bin_s, .. } = self.settings;
        Terms { bin_h: bin_s / 3600.0, memory_h, least_history_h }
    }

    /// The time of day of the middle of a bin, h.
    fn time_h(&self, bin: i64) -> f64 {
        (bin * self.bin_ns + self.bin_ns / 2).rem_euclid(24 * HOUR_NS) as f64 / HOUR_NS as f64
    }

    /// Which sectors have a storm, or had one of late; the theatre never has.
    fn storms(&mut self, bin: i64) -> Vec<bool> {
        let lingers = (ns_from_s(STORM_LINGERS_S) + self.bin_ns - 1) / self.bin_ns;
        let theatre = self.sectors.theatre();
        for (at, scope) in self.scopes.iter_mut().enumerate().filter(|&(at, _)| at != theatre) {
            let weather = self.ears.weather_in(at, bin);
            let is_loud = (weather.noise_db.zip(scope.noise_db))
                .is_some_and(|(now_db, usual_db)| now_db > usual_db + self.settings.storm_noise_db);
            if is_loud || weather.wind_m_s.is_some_and(|wind_m_s| wind_m_s >= self.settings.storm_wind_m_s) {
                scope.stormy_until = Some(bin + lingers);
            }
        }
        self.scopes.iter().map(|scope| scope.stormy_until.is_some_and(|until| bin <= until)).collect()
    }

    /// Goes by who is up, and lets what was learnt take the place of what is compared with when it is due; whether it did.
    fn turn_over(&mut self, bin: i64, storms: &[bool], world: World<'_>) -> bool {
        let asked = Asked {
            bin,
            bin_ns: self.bin_ns,
            ears: &self.ears,
            registry: world.registry,
            settings: world.settings,
            homes: self.sectors.homes(),
            storms,
        };
        for reference in [&mut self.now, &mut self.next].into_iter().flatten() {
            reference.core.go_to(asked);
        }
        let Terms { bin_h, memory_h, least_history_h } = self.terms();
        let due_h = if self.now.is_some() { memory_h.max(least_history_h) } else { least_history_h };
        let age_h = self.next.as_ref().map(|next| f64::from(next.bins) * bin_h);
        // What begins in a storm begins without those that are silent in it, so that is waited for, but not for ever.
        let is_stormy = storms.iter().any(|&it| it);
        let turns_over = age_h.is_none_or(|age_h| age_h >= due_h + if is_stormy { STORM_WAITS_H } else { 0.0 });
        if turns_over {
            let next = self.next.replace(Reference::begin(asked));
            if self.now.is_none() && next.is_some() {
                self.day.begin();
            }
            self.now = next.or(self.now.take());
        }
        turns_over
    }

    /// Tells sectors whether as much can be heard as in the last hours.
    fn listen(&mut self, storms: &[bool], turned_over: bool) {
        let is_calm = !turned_over && !storms.iter().any(|&it| it);
        for (at, scope) in self.scopes.iter_mut().enumerate() {
            scope.hear(self.now.as_ref().filter(|_| is_calm).map(|now| now.core.share_up(at)));
        }
    }

    /// Of which sectors anything can be told. The theatre stands for what lies in none.
    fn told(&self, storms: &[bool]) -> Vec<bool> {
        let is_told = |at: usize| {
            let knows = |now: &Reference| {
                now.is_heard(at) && now.usual[at].fire.learnt_h >= 0.9 * self.settings.least_history_h
            };
            !storms[at] && self.now.as_ref().is_some_and(knows)
        };
        (0..self.scopes.len()).map(is_told).collect()
    }

    /// What was found in each sector, and what is usual.
    fn compare(&self, found: Option<&Found>, told: &[bool], factor: f64) -> Vec<Sum> {
        let mut sums = vec![Sum::default(); self.scopes.len()];
        if let (Some(now), Some(found)) = (&self.now, found) {
            for (at, sum) in sums.iter_mut().enumerate().filter(|&(at, _)| told[at]) {
                *sum = Sum::new(&now.usual[at], found.fire[at], &found.others[at], factor, self.terms().bin_h);
            }
        }
        let whole = sums.iter().fold(Sum::default(), |whole, sum| whole.plus(sum));
        if let Some(last) = sums.last_mut() {
            *last = whole;
        }
        sums
    }

    /// Adds a bin to the evidence.
    fn detect(&mut self, bin: i64, sums: &[Sum], doubted: &[bool]) {
        let caps = self.caps();
        let (from_ns, terms, bins_an_hour) = (bin * self.bin_ns, self.terms(), self.bins_an_hour());
        for ((scope, sum), &is_doubted) in self.scopes.iter_mut().zip(sums).zip(doubted).filter(|it| it.0.1.is_told) {
            scope.detect(from_ns, sum, is_doubted, terms, bins_an_hour, caps);
        }
    }

    /// Adds the bin to what is usual.
    fn learn(
        &mut self,
        bin: i64,
        (now, next): (Option<&Found>, Option<&Found>),
        sums: &[Sum],
        (storms, doubted): (&[bool], &[bool]),
        factor: f64,
    ) {
        let (terms, time_h, theatre) = (self.terms(), self.time_h(bin), self.sectors.theatre());
        let calm: Vec<bool> = storms.iter().map(|it| !it).collect();
        for (reference, found) in [(&mut self.now, now), (&mut self.next, next)] {
            if let (Some(reference), Some(found)) = (reference, found) {
                reference.learn(found, &calm, doubted, factor, terms);
            }
        }
        match (now, next) {
            (None, Some(next)) => self.day.note(time_h, next.fire.iter().sum(), terms.bin_h),
            (Some(_), _) => {
                let quiet = (0..theatre).filter(|&at| !doubted[at] && sums[at].is_told).map(|at| &sums[at].fire);
                let sum = quiet.fold((0.0, 0.0), |sum, it| (sum.0 + it.found, sum.1 + it.expected / factor));
                self.day.learn(time_h, sum.0, sum.1, terms);
            }
            (None, None) => {}
        }
        for (at, scope) in self.scopes.iter_mut().enumerate() {
            scope.learn(&sums[at], self.ears.weather_in(at, bin).noise_db.filter(|_| calm[at]), terms);
        }
    }

    /// Lays sectors out anew where nodes or areas have changed. What is known of them stays.
    fn lay_out(&mut self, world: World<'_>) {
        let versions = (world.registry.version(), world.places.version());
        if self.laid_out_for.replace(versions) == Some(versions) {
            return;
        }
        let before = std::mem::replace(&mut self.sectors, Sectors::new(world.registry, world.places));
        let (names, homes) = (self.sectors.names(), self.sectors.homes());
        let mut known: std::collections::BTreeMap<&String, Scope> =
            before.names().iter().zip(self.scopes.drain(..)).collect();
        self.scopes = names.iter().map(|name| known.remove(name).unwrap_or_default()).collect();
        for reference in [&mut self.now, &mut self.next].into_iter().flatten() {
            reference.lay_out(before.names(), names, homes);
        }
        if let Some(record) = self.waiting.take() {
            self.take_up(record, world);
        }
    }
}
