//! The pattern of a renewed attack: more of what is seen in a sector, or in all of them, than usual.
//!
//! Event time is cut into bins. When all that happened in one is final, it is counted: incidents and spots under fire ([`incidents`]),
//! by cells ([`grid`]); what other ways of seeing tell, by
//! sectors ([`other`]). It is compared with what is usual ([`usual`]) where it can be heard as it used to be ([`coverage`],
//! [`ears`]), by an e-detector for each sector and for the theatre ([`detector`]); a scan tells where it is ([`scan`]).
//! What comes of it is a level ([`level`]), with its reasons ([`say`]). docs/escalation.md has the method and its limits.
//!
//! All of it is a function of the set of final events and of who was heard, bin by bin; the order of arrival changes nothing.

mod coverage;
mod detector;
mod ears;
mod grid;
mod incidents;
mod level;
mod other;
pub mod record;
mod say;
mod scan;
mod usual;

use self::coverage::{Coverage, patience_bins};
use self::detector::Detector;
use self::ears::Ears;
use self::grid::{CellKey, Grid};
use self::incidents::Incidents;
use self::level::{Change, Level};
use self::other::{OTHERS, Other, Terms, seen_by};
use self::scan::{Found, Scan, Usual};
use self::usual::{ASSUMED, CellPast, Day, MEASURES, Standing, Unrest};
use super::rules::World;
use super::settings;
use crate::model::area::{Area, AreaType};
use crate::model::escalation::{Escalation, Modality};
use crate::model::geo::LonLat;
use crate::model::kind::KindSet;
use crate::model::node::{NodeIx, Registry};
use crate::model::time::ns_from_s;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What all sectors together are called.
pub const THEATRE: &str = "theatre";

/// Most sectors; what lies in further ones counts for the theatre alone.
pub const MAX_SECTORS: usize = 1_000;

/// Bins without anything that are gone through one by one; a longer gap is passed over.
const MAX_GAP_BINS: i64 = 4_096;

/// By then every node has been heard that is up when a stream begins, s.
const WARM_UP_S: f64 = 900.0;

/// Of the false levels that are borne, fire has this share; all other ways of seeing have the rest.
const FIRE_SHARE: f64 = 0.8;

/// Evidence counts no higher than so many times what a level 2 takes, so that it comes down again when it is over.
const CAP: f64 = 20.0;

/// Where more than this share of what can be heard in a sector, or could be in the last weeks, can't be compared, nothing is:
/// what is left of a dying network is a few places, and fire moves about.
const MOST_ASIDE: f64 = 0.5;

/// Along the side of a cell there are so many spots, by which incidents are told apart.
const SPOTS: f64 = 10.0;

/// Evidence from which on what is found is doubted: by chance that is so one bin in ten at most.
const DOUBTS: f64 = 10.0;

const YEAR_S: f64 = 365.25 * 86_400.0;

/// Something that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sign {
    /// How it was seen.
    pub modality: Modality,
    /// Where.
    pub place: LonLat,
}

/// A sector, or the theatre.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Scope {
    fire: [Detector; MEASURES],
    unrest: [Unrest; MEASURES],
    others: [Other; OTHERS.len()],
    /// What could be heard when most could, fading to what can be.
    full: f64,
    /// Noise in calm weather, dB.
    noise_db: Option<f64>,
    level: Level,
    /// Incidents found and expected, bin by bin, of the last hour.
    hour: VecDeque<(f64, f64)>,
}

/// What a bin came to in a sector.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    found: [f64; MEASURES],
    expected: [f64; MEASURES],
    /// On what that rests.
    past: [f64; MEASURES],
    past_h: f64,
    /// What can be heard in cells that are compared, and in all.
    compared: f64,
    heard: f64,
}

/// The watch.
pub struct EscalationWatch {
    settings: settings::Escalation,
    bin_ns: i64,
    grid: Grid,
    ears: Ears,
    coverage: Coverage,
    /// Of each cell its sector; the theatre stands for none.
    sector_of: Vec<usize>,
    pasts: Vec<CellPast>,
    scan: Scan,
    incidents: Incidents,
    day: Day,
    /// Sectors by name, the theatre last.
    names: Vec<String>,
    scopes: Vec<Scope>,
    /// Of each node its sector, as far as asked for.
    home: Vec<usize>,
    /// Versions of registry and places that all this was laid out for.
    laid_out_for: Option<(u64, u64)>,
    /// The next bin to be judged.
    next_bin: Option<i64>,
    /// What an engine before this one knew of cells and sectors that are not laid out yet.
    waiting: record::Waiting,
    config_digest: String,
}

fn sector_name(area: &Area) -> Option<&str> {
    (area.kind == AreaType::Sector).then(|| area.sector.as_deref().unwrap_or(&area.area))
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
            coverage: Coverage::default(),
            sector_of: Vec::new(),
            pasts: Vec::new(),
            scan: Scan::default(),
            incidents: Incidents::default(),
            day: Day::default(),
            names: vec![THEATRE.to_owned()],
            scopes: vec![Scope::default()],
            home: Vec::new(),
            laid_out_for: None,
            next_bin: None,
            waiting: record::Waiting::default(),
            config_digest,
        }
    }

    /// Something came in time of a node that is up.
    #[inline]
    pub fn hear(&mut self, node: NodeIx, time_ns: i64) {
        self.ears.hear(node, time_ns);
    }

    /// A node told of wind and noise, which may not be numbers.
    pub fn weather(&mut self, node: NodeIx, time_ns: i64, wind_m_s: f64, noise_db: f64, registry: &Registry) {
        while self.home.len() <= node.at() {
            let place = registry.nodes().get(self.home.len()).and_then(|node| node.position);
            self.home.push(place.map_or(self.theatre(), |place| self.sector_at(place)));
        }
        self.ears.weather(self.home[node.at()], time_ns, wind_m_s, noise_db);
    }

    /// The next bin, if all of it is final by `final_ns`: from and to, nanoseconds. Nothing was heard before `oldest_ns`.
    pub fn due(&mut self, oldest_ns: i64, final_ns: i64) -> Option<(i64, i64)> {
        let warm_ns = oldest_ns.saturating_add(ns_from_s(WARM_UP_S) + self.bin_ns - 1);
        let newest = final_ns.div_euclid(self.bin_ns) - 1;
        let next = *self.next_bin.get_or_insert(warm_ns.div_euclid(self.bin_ns));
        if newest - next > MAX_GAP_BINS {
            self.next_bin = Some(newest - MAX_GAP_BINS);
        }
        let next = self.next_bin?;
        (next <= newest).then_some((next * self.bin_ns, (next + 1) * self.bin_ns))
    }

    /// All before this has been judged, nanoseconds.
    pub fn stands_ns(&self) -> Option<i64> {
        self.next_bin.map(|next| next.saturating_mul(self.bin_ns))
    }

    /// The name of the sector of a place; `None` where there is none.
    pub fn sector(&self, place: LonLat) -> Option<&str> {
        let at = self.sector_at(place);
        (at != self.theatre()).then(|| self.names[at].as_str())
    }

    /// The evidence for more fire than usual, by sectors, the theatre last.
    pub fn evidence(&self) -> impl Iterator<Item = (&str, f64)> {
        self.names.iter().map(String::as_str).zip(self.scopes.iter().map(Scope::fire_evidence))
    }

    /// The evidence that a level of so many false ones a year takes of fire.
    pub fn bar(&self, false_per_year: f64) -> f64 {
        self.bins_per_year() * self.scopes.len() as f64 / (FIRE_SHARE * false_per_year)
    }

    /// That of any other way of seeing.
    fn other_bar(&self, false_per_year: f64) -> f64 {
        let streams = (self.scopes.len() * OTHERS.len()) as f64;
        self.bins_per_year() * streams / ((1.0 - FIRE_SHARE) * false_per_year)
    }

    fn bins_per_year(&self) -> f64 {
        YEAR_S / self.settings.bin_s
    }

    fn theatre(&self) -> usize {
        self.names.len() - 1
    }

    fn sector_at(&self, place: LonLat) -> usize {
        self.coverage.find(self.grid.cell(place)).map_or(self.theatre(), |at| self.sector_of[at])
    }

    /// Judges the next bin, in which there were these signs. The alerts that count to what is said are still to be named.
    pub fn step(&mut self, signs: &[Sign], world: World<'_>) -> Vec<Escalation> {
        let Some(bin) = self.next_bin else { return Vec::new() };
        self.next_bin = Some(bin + 1);
        self.lay_out(world);
        self.coverage.go_to(bin, self.bin_ns, &self.ears, world.registry, world.settings);
        let found = self.count(bin, signs);
        let storms = self.storms(bin);
        let (standings, usual, sums) = self.compare(bin, &found, &storms);
        let active: Vec<(usize, u32)> = (0..)
            .zip(&found)
            .filter(|(_, counts)| counts[0] > 0.0)
            .map(|(at, counts)| (at, counts[0] as u32))
            .collect();
        self.scan.add(bin, &active);
        let circles = self.circles(&active, &usual);
        self.see_others(bin, signs, &storms, world);
        let mut said = Vec::new();
        for at in 0..self.scopes.len() {
            self.detect(at, bin, &sums[at], storms[at]);
            said.extend(self.judge(at, bin, circles[at], storms[at]));
        }
        self.learn(bin, &found, &standings, &usual, &sums, &storms);
        self.ears.forget_before(bin);
        said
    }

    /// Counts new incidents and spots under fire, by cells.
    fn count(&mut self, bin: i64, signs: &[Sign]) -> Vec<[f64; MEASURES]> {
        let mut found = vec![[0.0; MEASURES]; self.pasts.len()];
        let rounds: Vec<LonLat> =
            signs.iter().filter(|sign| sign.modality == Modality::Fire).map(|sign| sign.place).collect();
        let spot_m = self.settings.cell_m / SPOTS;
        let (incidents, spots) = self.incidents.step(bin, &rounds, Grid::new(spot_m), spot_m);
        for (measure, places) in [incidents, spots].iter().enumerate() {
            for &place in places {
                if let Some(at) = self.coverage.find(self.grid.cell(place)) {
                    found[at][measure] += 1.0;
                }
            }
        }
        found
    }

    /// Which sectors have a storm; the theatre never has.
    fn storms(&self, bin: i64) -> Vec<bool> {
        let has = |at: usize| {
            let weather = self.ears.weather_in(at, bin);
            let is_loud = weather
                .noise_db
                .zip(self.scopes[at].noise_db)
                .is_some_and(|(now_db, usual_db)| now_db > usual_db + self.settings.storm_noise_db);
            is_loud || weather.wind_m_s.is_some_and(|wind_m_s| wind_m_s >= self.settings.storm_wind_m_s)
        };
        (0..self.scopes.len()).map(|at| at != self.theatre() && has(at)).collect()
    }

    fn hour_of(&self, bin: i64) -> usize {
        (bin * self.bin_ns).div_euclid(3600 * 1_000_000_000).rem_euclid(24) as usize
    }

    fn bin_h(&self) -> f64 {
        self.settings.bin_s / 3600.0
    }

    /// What is usual in each cell that can be compared, and how the sectors stand to that.
    fn compare(
        &mut self,
        bin: i64,
        found: &[[f64; MEASURES]],
        storms: &[bool],
    ) -> (Vec<Standing>, Vec<Option<Usual>>, Vec<Sum>) {
        let (bin_h, theatre) = (self.bin_h(), self.theatre());
        let mut sums = vec![Sum::default(); self.scopes.len()];
        let mut standings = Vec::with_capacity(self.pasts.len());
        for (at, past) in self.pasts.iter_mut().enumerate() {
            let (sector, heard) = (self.sector_of[at], self.coverage.heard(at));
            let standing = match storms[sector] {
                true => Standing::Aside,
                false => past.judge(heard, bin_h, self.settings.least_history_h),
            };
            sums[sector].heard += heard.share;
            if standing == Standing::Compared {
                sums[sector].compared += heard.share;
                sums[sector].past_h += past.exposure_h;
                (0..MEASURES).for_each(|measure| sums[sector].past[measure] += past.counts[measure]);
            }
            standings.push(standing);
        }
        let factor = self.day.factor(self.hour_of(bin));
        let means: Vec<[f64; MEASURES]> =
            sums.iter().map(|sum| sum.past.map(|past| (past + 0.5) / sum.past_h.max(1.0))).collect();
        let mut usual = vec![None; self.pasts.len()];
        for (at, past) in self.pasts.iter().enumerate().filter(|&(at, _)| standings[at] == Standing::Compared) {
            let (sector, heard) = (self.sector_of[at], self.coverage.heard(at));
            for measure in 0..MEASURES {
                let expected = factor * past.expected(measure, means[sector][measure], heard, bin_h);
                sums[sector].found[measure] += found[at][measure];
                sums[sector].expected[measure] += expected;
                if measure == 0 {
                    usual[at] = Some(Usual { expected, rests_on: past.counts[0] });
                }
            }
        }
        let whole = sums.iter().fold(Sum::default(), |all, sum| all.plus(sum));
        sums[theatre] = whole;
        let fades = (-bin_h / self.settings.memory_h).exp();
        for (scope, sum) in self.scopes.iter_mut().zip(&sums) {
            scope.full = sum.heard.max(scope.full * fades + sum.heard * (1.0 - fades));
        }
        (standings, usual, sums)
    }

    /// The best circle of each sector, and of all.
    fn circles(&self, active: &[(usize, u32)], usual: &[Option<Usual>]) -> Vec<Option<Found>> {
        let best = |at: usize| {
            let unrest = &self.scopes[at].unrest[0];
            let of_it = active.iter().map(|&(cell, _)| cell).filter(|&cell| self.sector_of[cell] == at);
            self.scan.best(of_it, usual, unrest.dispersion(), |counts| unrest.least(counts))
        };
        let mut circles: Vec<Option<Found>> = (0..self.scopes.len()).map(best).collect();
        let all = circles.iter().flatten().copied().max_by(|a, b| a.nats.total_cmp(&b.nats));
        if let Some(last) = circles.last_mut() {
            *last = all;
        }
        circles
    }

    /// What the other ways of seeing tell.
    fn see_others(&mut self, bin: i64, signs: &[Sign], storms: &[bool], world: World<'_>) {
        let theatre = self.theatre();
        let mut counts = vec![[0u32; OTHERS.len()]; self.scopes.len()];
        for sign in signs {
            let Some(which) = OTHERS.iter().position(|&other| other == sign.modality) else { continue };
            let sector = self.sector_at(sign.place);
            counts[sector][which] += 1;
            if sector != theatre {
                counts[theatre][which] += 1;
            }
        }
        let mut nodes = vec![[0usize; OTHERS.len()]; self.scopes.len()];
        for (ix, node) in (0..).map(NodeIx).zip(world.registry.nodes()) {
            let sees = |kinds: KindSet, which: usize| kinds.contains(seen_by(OTHERS[which]));
            if !(0..OTHERS.len()).any(|which| sees(node.kinds, which))
                || !self.ears.is_up(ix, bin, patience_bins(node, world.settings, self.bin_ns))
            {
                continue;
            }
            let sector = node.position.map_or(theatre, |place| self.sector_at(place));
            for which in (0..OTHERS.len()).filter(|&which| sees(node.kinds, which)) {
                nodes[sector][which] += 1;
                if sector != theatre {
                    nodes[theatre][which] += 1;
                }
            }
        }
        let terms = Terms {
            bin_h: self.bin_h(),
            memory_h: self.settings.memory_h,
            least_history_h: self.settings.least_history_h,
            cap: CAP * self.other_bar(self.settings.level_2_per_year),
        };
        // A network that is one for all sectors sees what it sees whatever sector its nodes stand in.
        let all = nodes[theatre];
        for (at, scope) in self.scopes.iter_mut().enumerate() {
            let is_doubted = scope.is_doubted();
            for (which, other) in scope.others.iter_mut().enumerate() {
                let is_silence = OTHERS[which] == Modality::Silence;
                if storms[at] && is_silence {
                    continue;
                }
                let seers = if is_silence { nodes[at][which] } else { all[which] };
                // Who is silent is not up; more that are silent are not fewer that could be.
                let seers = if is_silence { seers + counts[at][which] as usize } else { seers };
                other.step(bin * self.bin_ns, counts[at][which], seers, is_doubted, terms);
            }
        }
    }

    /// Adds a bin to the evidence of a sector, where enough of it can be compared.
    fn detect(&mut self, at: usize, bin: i64, sum: &Sum, is_storm: bool) {
        let cap = CAP * self.bar(self.settings.level_2_per_year);
        let scope = &mut self.scopes[at];
        if is_storm || sum.compared <= 0.0 || sum.compared < MOST_ASIDE * scope.full {
            return;
        }
        for measure in 0..MEASURES {
            let (found, expected) = (sum.found[measure], sum.expected[measure]);
            let step = scope.unrest[measure].step(bin * self.bin_ns, found, expected, sum.past[measure]);
            scope.fire[measure].step(step, cap);
        }
        let bins_an_hour = (3600.0 / self.settings.bin_s).round().max(1.0) as usize;
        scope.hour.push_back((sum.found[0], sum.expected[0]));
        scope.hour.drain(..scope.hour.len().saturating_sub(bins_an_hour));
    }

    /// The level that a bin comes to, and what is new by it.
    fn judge(&mut self, at: usize, bin: i64, circle: Option<Found>, is_storm: bool) -> Option<Escalation> {
        let (from_ns, end_ns) = (bin * self.bin_ns, (bin + 1) * self.bin_ns);
        let terms = &self.settings;
        let (low, high) = (self.bar(terms.level_1_per_year), self.bar(terms.level_2_per_year));
        let (other_low, other_high) = (self.other_bar(terms.level_1_per_year), self.other_bar(terms.level_2_per_year));
        let cells = self.pasts.len();
        let circle = circle.filter(|it| it.per_year(cells, self.bins_per_year()) <= terms.level_1_per_year);
        let scope = &self.scopes[at];
        let fire = scope.fire_evidence();
        let mut by = BTreeSet::new();
        let (mut first_ns, mut level) = (from_ns, 0);
        if fire >= low {
            by.insert(Modality::Fire);
            first_ns = scope.fire[0].since().map_or(from_ns, |since| since.from_ns);
            level = if fire >= high { 2 } else { 1 };
        }
        for (which, other) in scope.others.iter().enumerate() {
            // Who falls silent is no attack; it may agree with one.
            let raises = OTHERS[which] != Modality::Silence && other.evidence() >= other_low;
            if raises {
                level = level.max(if other.evidence() >= other_high { 2 } else { 1 });
                first_ns = first_ns.min(other.since_ns().unwrap_or(from_ns));
                by.insert(OTHERS[which]);
            }
        }
        if level > 0 {
            let agrees = |other: &Other| other.hour().1 <= terms.agree_p;
            by.extend(OTHERS.iter().zip(&scope.others).filter(|(_, other)| agrees(other)).map(|it| *it.0));
        }
        // What agreed once need not go on agreeing.
        if level == 2 && (by.len() >= 2 || scope.level.level == 3) {
            level = 3;
        }
        // Nothing comes of a storm; what was before it stands until it can be told again.
        if is_storm && level <= scope.level.level {
            return None;
        }
        let change = self.scopes[at].level.go_to(level, &by, first_ns, end_ns, ns_from_s(self.settings.quiet_s));
        match change {
            Change::None => None,
            Change::Up => Some(self.say(at, end_ns, None, circle)),
            Change::Down(since_ns) => Some(self.say(at, end_ns, Some(since_ns), None)),
        }
    }

    /// Adds the bin to what is usual.
    fn learn(
        &mut self,
        bin: i64,
        found: &[[f64; MEASURES]],
        standings: &[Standing],
        usual: &[Option<Usual>],
        sums: &[Sum],
        storms: &[bool],
    ) {
        let (bin_h, memory_h, hour) = (self.bin_h(), self.settings.memory_h, self.hour_of(bin));
        let factor = self.day.factor(hour);
        let fades = (-bin_h / memory_h).exp();
        let doubted: Vec<bool> = self.scopes.iter().map(Scope::is_doubted).collect();
        let (mut day_found, mut day_expected) = (0.0, 0.0);
        for (at, past) in self.pasts.iter_mut().enumerate().filter(|&(at, _)| standings[at] != Standing::Aside) {
            let is_doubted = doubted[self.sector_of[at]];
            if let Some(usual) = usual[at].filter(|_| !is_doubted) {
                day_found += found[at][0];
                day_expected += usual.expected / factor;
            }
            past.learn(found[at], self.coverage.heard(at), factor, bin_h, memory_h, is_doubted);
        }
        self.day.learn(hour, day_found, day_expected, fades);
        for (at, scope) in self.scopes.iter_mut().enumerate() {
            let sum = &sums[at];
            // What is told for an escalation and is none makes it more unsteady than was thought.
            if storms[at] || scope.level.level > 1 || sum.compared < MOST_ASIDE * scope.full {
                continue;
            }
            for measure in 0..MEASURES {
                scope.unrest[measure].learn(sum.found[measure], sum.expected[measure], bin_h, memory_h);
            }
            if let Some(noise_db) = self.ears.weather_in(at, bin).noise_db {
                let usual_db = scope.noise_db.get_or_insert(noise_db);
                *usual_db += (noise_db - *usual_db) * (1.0 - fades);
            }
        }
    }

    /// Lays cells and sectors out anew where nodes or areas have changed. What is known of them stays.
    fn lay_out(&mut self, world: World<'_>) {
        let versions = (world.registry.version(), world.places.version());
        if self.laid_out_for.replace(versions) == Some(versions) {
            return;
        }
        let mut names: BTreeSet<String> =
            world.places.areas().iter().filter_map(sector_name).map(str::to_owned).collect();
        names.remove(THEATRE);
        let names: Vec<String> =
            names.into_iter().take(MAX_SECTORS).chain(std::iter::once(THEATRE.to_owned())).collect();
        let mut scopes: BTreeMap<String, Scope> = self.names.drain(..).zip(self.scopes.drain(..)).collect();
        self.waiting.take_scopes(&mut scopes);
        self.scopes = names.iter().map(|name| scopes.remove(name).unwrap_or_default()).collect();
        self.names = names;

        let known: BTreeMap<CellKey, usize> = self.coverage.keys().zip(0..).collect();
        let pasts = std::mem::take(&mut self.pasts);
        self.coverage = Coverage::new(world.registry, self.grid, world.settings);
        self.scan.lay_out(&self.coverage, self.grid, self.settings.cell_m, &known);
        self.sector_of.clear();
        for key in self.coverage.keys() {
            let middle = self.grid.middle(key);
            let named = world.places.areas_at(middle).find_map(sector_name);
            let sector = named
                .and_then(|name| self.names[..self.names.len() - 1].binary_search_by(|it| it.as_str().cmp(name)).ok());
            self.sector_of.push(sector.unwrap_or(self.names.len() - 1));
            let before = known.get(&key).map(|&at| pasts[at]);
            self.pasts.push(before.or_else(|| self.waiting.take_cell(key)).unwrap_or_default());
        }
        if let Some((newest, recent)) = self.waiting.take_recent() {
            self.scan.restore(newest, &recent, &self.coverage);
        }
        self.home.clear();
    }
}

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            fire: Default::default(),
            unrest: ASSUMED.map(Unrest::assumed),
            others: Default::default(),
            full: 0.0,
            noise_db: None,
            level: Level::default(),
            hour: VecDeque::new(),
        }
    }
}

impl Scope {
    /// Whether what is found may be more than usual, so that it is learnt from slowly.
    fn is_doubted(&self) -> bool {
        self.level.level > 0 || self.fire_evidence() >= DOUBTS
    }

    /// The evidence for more fire than usual: the mean of that of new incidents and of spots under fire.
    fn fire_evidence(&self) -> f64 {
        self.fire.iter().map(Detector::evidence).sum::<f64>() / MEASURES as f64
    }
}

impl Sum {
    fn plus(mut self, other: &Sum) -> Sum {
        for measure in 0..MEASURES {
            self.found[measure] += other.found[measure];
            self.expected[measure] += other.expected[measure];
            self.past[measure] += other.past[measure];
        }
        self.past_h += other.past_h;
        self.compared += other.compared;
        self.heard += other.heard;
        self
    }
}
