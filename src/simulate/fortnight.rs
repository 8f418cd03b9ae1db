//! Fortnights of a theatre, bin by bin: which events become final, who is up, what the weather is. No telemetry is made, so that a
//! thousand of them take minutes; `bench escalate` judges them.
//!
//! Twelve sectors of 40 × 40 km lie side by side, each with 36 microphones and a radar that tracks aircraft. Incidents come at a
//! rate that swings with the hour of the day (±60%) and from day to day, at hot spots that move now and then. An incident is one to
//! some rounds, or a barrage of up to a hundred. A round is found if four of the microphones that are up hear it, by the
//! physics of the simulator and not by what the engine takes for it.

use super::DEFAULT_START_NS;
use super::chance::{Chance, Purpose};
use super::ground::{offset, polygon};
use crate::engine::escalation::Sign;
use crate::model::area::{Area, AreaType};
use crate::model::escalation::Modality;
use crate::model::geo::LonLat;
use crate::model::kind::vocabulary;
use crate::model::kind::{Kind, KindSet};
use crate::model::node::{Node, NodeIx};
use crate::model::time::ns_from_s;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

vocabulary! {
    /// What happens in a fortnight besides what always does.
    Course {
        Onset = "onset", RollOut = "roll_out", Storm = "storm", Dying = "dying", Steady = "steady",
    }
}

impl Course {
    /// One sentence for people.
    pub const fn about(self) -> &'static str {
        match self {
            Course::Onset => "the rate of one sector is tripled from some hour on, and that of its aircraft",
            Course::RollOut => "three sectors get twice the microphones within a day",
            Course::Storm => "a storm over four sectors: deaf and silent nodes, and thunder that is found as fire",
            Course::Dying => "one node in twelve dies each day, and now and then all of a place",
            Course::Steady => "nothing",
        }
    }
}

/// What can be turned.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What happens.
    pub course: Course,
    /// Incidents an hour and sector, on average.
    pub per_hour: f64,
    /// Standard deviation of the logarithm of the rate from day to day.
    pub swing: f64,
    /// By how much an onset raises the rate.
    pub times: f64,
    /// Length of a bin, s.
    pub bin_s: f64,
    /// How long the fortnight is, days.
    pub days: f64,
}

/// Sectors, and their sides.
pub const SECTORS: usize = 12;
const SIDE_M: f64 = 40_000.0;
/// Microphones along the side of a sector.
const ALONG: usize = 6;
const RANGE_M: f64 = 12_000.0;
const HOT_SPOTS: usize = 8;
/// Aircraft that cross an hour and sector.
pub const AIR_PER_HOUR: f64 = 2.0;
/// Microphones that are heard well enough, and have to be.
const ENOUGH: usize = 4;
/// Hearing is reckoned for squares of that side.
const PATCH_M: f64 = 5_000.0;
const PATCHES: usize = (SIDE_M / PATCH_M) as usize;
/// How far rounds carry, as the simulator draws it: three of as much weight.
const CARRIES: [f64; 3] = [0.80, 0.95, 1.13];
/// A storm leaves so much of the chance to hear, and silences one node in four.
const STORM_HEARS: f64 = 0.35;
const THUNDER_PER_HOUR: f64 = 60.0;

/// Metres of a degree of latitude at 47 degrees north; and of one of longitude there, over its cosine (WGS 84).
const METRES_NORTH: f64 = 111_177.0;
const METRES_EAST: f64 = 111_520.0;

const CENTRE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };

struct Mic {
    /// Metres east and north of its sector's south-western corner, and the sector.
    at: (f64, f64),
    sector: usize,
    p: f64,
    /// When it is there, s.
    from_s: f64,
    to_s: f64,
    silent_in_storm: bool,
}

/// Microphones that may hear a round in a patch.
type Hearers = Vec<(NodeIx, [f64; CARRIES.len()])>;

struct Spot {
    at: (f64, f64),
    weight: f64,
}

/// A fortnight under way.
pub struct Fortnight {
    terms: Terms,
    chance: Chance,
    mics: Vec<Mic>,
    spots: Vec<Vec<Spot>>,
    corners: Vec<LonLat>,
    /// Of each sector the logarithm of what its rate swings by; the last is that of all.
    swings: Vec<f64>,
    /// Rounds that are still to come: when, where.
    rounds: Vec<(f64, usize, (f64, f64))>,
    /// Of each sector who hears a round in each patch and with what chance, for each way in which it carries; and who was
    /// up when that was worked out.
    heard_by: Vec<(u64, Vec<Hearers>)>,
    now_s: f64,
    /// When and where the onset, the storm or the roll-out is, s.
    pub sector: usize,
    /// When it begins, s.
    pub from_s: f64,
    /// When it ends, s.
    pub to_s: f64,
}

/// One bin.
#[derive(Debug, Default)]
pub struct Bin {
    /// When it begins, nanoseconds.
    pub from_ns: i64,
    /// What became final of it.
    pub signs: Vec<Sign>,
    /// Nodes that are up, by their numbers.
    pub up: Vec<usize>,
    /// What each sector's nodes say of wind and noise.
    pub weather: Vec<(f64, f64)>,
    /// What each sector's lot was, which nobody knows who has to judge it.
    pub truth: Vec<Truth>,
}

/// What happened in a sector in a bin, found or not.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// How many incidents were to be expected without an onset.
    pub usual: f64,
    /// How many began.
    pub incidents: usize,
    /// How many aircraft crossed.
    pub air: usize,
}

fn corner(sector: usize) -> LonLat {
    offset(CENTRE, (sector as f64 - SECTORS as f64 / 2.0) * SIDE_M, 0.0)
}

/// A place by its metres from the corner of its sector, within some metres; the geodesic costs more than all else.
fn place(corner: LonLat, at: (f64, f64)) -> LonLat {
    let lat_deg = corner.lat_deg + at.1 / METRES_NORTH;
    LonLat { lon_deg: corner.lon_deg + at.0 / (METRES_EAST * lat_deg.to_radians().cos()), lat_deg }
}

/// The sectors' areas.
pub fn areas() -> Vec<Area> {
    let square = [(0.0, 0.0), (SIDE_M, 0.0), (SIDE_M, SIDE_M), (0.0, SIDE_M)];
    (0..SECTORS).map(|at| Area::new(&name(at), AreaType::Sector, &[], polygon(corner(at), &square))).collect()
}

/// What a sector is called.
pub fn name(sector: usize) -> String {
    format!("sector-{:02}", sector + 1)
}

impl Fortnight {
    /// The fortnight of that seed.
    pub fn new(seed: u64, terms: Terms) -> Fortnight {
        let mut chance = Chance::new(seed, Purpose::Fortnight);
        let day_s = 86_400.0;
        let (sector, last_s) = (chance.below(SECTORS - 3), terms.days * day_s);
        let from_s = match terms.course {
            Course::Onset => chance.range(0.7 * last_s, 0.95 * last_s),
            _ => chance.range(0.4 * last_s, 0.6 * last_s),
        };
        let to_s = match terms.course {
            Course::Storm => from_s + chance.range(3.0, 48.0) * 3600.0,
            Course::RollOut => from_s + day_s,
            _ => last_s,
        };
        let mut mics = Vec::new();
        for at in 0..SECTORS {
            let rolled_out = terms.course == Course::RollOut && (sector..sector + 3).contains(&at);
            for number in 0..ALONG * ALONG * if rolled_out { 2 } else { 1 } {
                let step_m = SIDE_M / ALONG as f64;
                let (column, row) = ((number % ALONG) as f64, (number / ALONG % ALONG) as f64);
                let is_new = number >= ALONG * ALONG;
                let mut mic = Mic {
                    at: ((column + chance.uniform()) * step_m, (row + chance.uniform()) * step_m),
                    sector: at,
                    p: chance.range(0.85, 0.98),
                    from_s: if is_new { chance.range(from_s, to_s) } else { 0.0 },
                    to_s: f64::INFINITY,
                    silent_in_storm: chance.yes(0.25),
                };
                if terms.course == Course::Dying {
                    mic.to_s = from_s + chance.exponential(12.0 * day_s);
                }
                mics.push(mic);
            }
        }
        if terms.course == Course::Dying {
            // Four times all within 15 km of a place die at once.
            for _ in 0..4 {
                let (at, middle) = (chance.below(SECTORS), (chance.range(0.0, SIDE_M), chance.range(0.0, SIDE_M)));
                let when_s = chance.range(from_s, last_s);
                for mic in mics.iter_mut().filter(|mic| mic.sector == at) {
                    if (mic.at.0 - middle.0).hypot(mic.at.1 - middle.1) < 15_000.0 {
                        mic.to_s = mic.to_s.min(when_s);
                    }
                }
            }
        }
        let spots = (0..SECTORS).map(|_| (0..HOT_SPOTS).map(|_| Spot::draw(&mut chance)).collect()).collect();
        Fortnight {
            terms,
            mics,
            spots,
            corners: (0..SECTORS).map(corner).collect(),
            swings: vec![0.0; SECTORS + 1],
            rounds: Vec::new(),
            heard_by: vec![(u64::MAX, Vec::new()); SECTORS],
            now_s: 0.0,
            sector,
            from_s,
            to_s,
            chance,
        }
    }

    /// The nodes: microphones, then a tracking radar for each sector.
    pub fn nodes(&self) -> Vec<Node> {
        let mic = |(number, mic): (usize, &Mic)| Node {
            kinds: KindSet::of(Kind::Acoustic).with(Kind::Status),
            position: Some(place(self.corners[mic.sector], mic.at)),
            range_m: Some(RANGE_M),
            detect_p: Some(mic.p),
            heartbeat_s: Some(60.0),
            registered: true,
            ..Node::unregistered(&format!("mic-{number:04}"))
        };
        let radar = |at: usize| Node {
            kinds: KindSet::of(Kind::Track).with(Kind::Status),
            position: Some(place(self.corners[at], (0.5 * SIDE_M, 0.5 * SIDE_M))),
            heartbeat_s: Some(60.0),
            registered: true,
            ..Node::unregistered(&format!("air-{at:02}"))
        };
        self.mics.iter().enumerate().map(mic).chain((0..SECTORS).map(radar)).collect()
    }

    /// When an instant of it is, nanoseconds.
    pub fn at_ns(at_s: f64) -> i64 {
        DEFAULT_START_NS + ns_from_s(at_s)
    }

    fn is_stormy(&self, sector: usize, at_s: f64) -> bool {
        self.terms.course == Course::Storm
            && (self.from_s..self.to_s).contains(&at_s)
            && (self.sector..self.sector + 4).contains(&sector)
    }

    fn is_on(&self, sector: usize, at_s: f64) -> bool {
        self.terms.course == Course::Onset && sector == self.sector && at_s >= self.from_s
    }

    fn is_up(&self, mic: &Mic, at_s: f64) -> bool {
        (mic.from_s..mic.to_s).contains(&at_s) && !(mic.silent_in_storm && self.is_stormy(mic.sector, at_s))
    }

    /// The microphones that stand nearest to a place, of those that are up.
    fn nearest(&self, sector: usize, at: (f64, f64), at_s: f64) -> Vec<NodeIx> {
        let up = self.mics.iter().enumerate().filter(|(_, mic)| mic.sector == sector && self.is_up(mic, at_s));
        let mut by_m: Vec<(f64, usize)> =
            up.map(|(number, mic)| ((mic.at.0 - at.0).hypot(mic.at.1 - at.1), number)).collect();
        by_m.sort_by(|a, b| a.0.total_cmp(&b.0));
        by_m.iter().take(2 * ENOUGH).map(|&(_, number)| NodeIx(number as u32)).collect()
    }

    /// The rates of sectors wander about their means, within a day or so.
    fn swing(&mut self, bin_s: f64) {
        let keeps = (-bin_s / 86_400.0).exp();
        let sd = self.terms.swing * (1.0 - keeps * keeps).sqrt();
        for swing in &mut self.swings {
            *swing = keeps * *swing + sd * self.chance.normal();
        }
    }

    fn incident(&mut self, sector: usize, from_s: f64) {
        let chance = &mut self.chance;
        // Once in a day or two a hot spot is somewhere else.
        let spots = &mut self.spots[sector];
        if chance.yes(0.03 / self.terms.per_hour) {
            let at = chance.below(HOT_SPOTS);
            spots[at] = Spot::draw(chance);
        }
        let total: f64 = spots.iter().map(|spot| spot.weight).sum();
        let mut left = chance.uniform() * total * 1.25;
        let mut at = (chance.range(0.0, SIDE_M), chance.range(0.0, SIDE_M));
        for spot in spots.iter() {
            if left < spot.weight {
                at = (spot.at.0 + 1500.0 * chance.normal(), spot.at.1 + 1500.0 * chance.normal());
                break;
            }
            left -= spot.weight;
        }
        let rounds = match chance.uniform() {
            u if u < 0.06 => 20 + chance.below(80),
            u if u < 0.50 => 1,
            _ => 1 + chance.exponential(4.0) as usize,
        };
        let mut at_s = from_s + chance.range(0.0, self.terms.bin_s);
        for _ in 0..rounds {
            let spot = (at.0 + 150.0 * chance.normal(), at.1 + 150.0 * chance.normal());
            let inside = (spot.0.clamp(0.0, SIDE_M - 1.0), spot.1.clamp(0.0, SIDE_M - 1.0));
            self.rounds.push((at_s, sector, inside));
            at_s += chance.exponential(8.0);
        }
    }

    /// Lets the rounds of before `to_s` be heard.
    fn find(&mut self, to_s: f64, bin: &mut Bin) {
        let mut due = Vec::new();
        self.rounds.retain(|&round| {
            let is_due = round.0 < to_s;
            due.extend(is_due.then_some(round));
            !is_due
        });
        for sector in 0..SECTORS {
            self.work_out(sector, to_s);
        }
        for (at_s, sector, at) in due {
            let patch = (at.1 / PATCH_M) as usize * PATCHES + (at.0 / PATCH_M) as usize;
            let carry = self.chance.below(CARRIES.len());
            let mut arrivals = Vec::new();
            for &(mic, chances) in &self.heard_by[sector].1[patch.min(PATCHES * PATCHES - 1)] {
                arrivals.extend(self.chance.yes(chances[carry]).then_some(mic));
            }
            if arrivals.len() >= ENOUGH {
                let (time_ns, place) = (Fortnight::at_ns(at_s), place(self.corners[sector], at));
                bin.signs.push(Sign { modality: Modality::Fire, time_ns, place, arrivals, seers: Vec::new() });
            }
        }
    }

    /// Works out who hears a round in each patch of a sector, if other nodes are up than when it was last done.
    fn work_out(&mut self, sector: usize, at_s: f64) {
        let near = |mic: &Mic| mic.sector.abs_diff(sector) <= 1;
        let mut state = u64::from(self.is_stormy(sector, at_s));
        for mic in self.mics.iter().filter(|mic| near(mic)) {
            state =
                state.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(u64::from(self.is_up(mic, at_s))).rotate_left(5);
        }
        if self.heard_by[sector].0 == state {
            return;
        }
        let mut hearers = vec![Hearers::new(); PATCHES * PATCHES];
        for (number, mic) in self.mics.iter().enumerate().filter(|(_, mic)| near(mic) && self.is_up(mic, at_s)) {
            let x_m = mic.at.0 + (mic.sector as f64 - sector as f64) * SIDE_M;
            let p = mic.p * if self.is_stormy(mic.sector, at_s) { STORM_HEARS } else { 1.0 };
            for (patch, hearers) in hearers.iter_mut().enumerate() {
                let middle = (((patch % PATCHES) as f64 + 0.5) * PATCH_M, ((patch / PATCHES) as f64 + 0.5) * PATCH_M);
                let share = (x_m - middle.0).hypot(mic.at.1 - middle.1) / RANGE_M;
                if share <= 1.0 {
                    let chances = CARRIES.map(|carry| p * (-0.7 * (share / carry).powi(4)).exp());
                    hearers.push((NodeIx(number as u32), chances));
                }
            }
        }
        self.heard_by[sector] = (state, hearers);
    }
}

impl Iterator for Fortnight {
    type Item = Bin;

    /// The next bin; `None` when it is over.
    fn next(&mut self) -> Option<Bin> {
        let (from_s, bin_s) = (self.now_s, self.terms.bin_s);
        let to_s = from_s + bin_s;
        if to_s > self.terms.days * 86_400.0 {
            return None;
        }
        self.now_s = to_s;
        let mut bin = Bin { from_ns: Fortnight::at_ns(from_s), ..Bin::default() };
        let mics = self.mics.len();
        bin.up.extend((0..mics).filter(|&at| self.is_up(&self.mics[at], from_s)));
        bin.up.extend(mics..mics + SECTORS);
        self.swing(bin_s);
        let hour = 1.0 + 0.6 * (from_s / 86_400.0 * std::f64::consts::TAU).sin();
        for sector in 0..SECTORS {
            let stormy = self.is_stormy(sector, from_s);
            bin.weather.push(if stormy {
                (18.0, 72.0)
            } else {
                (4.0 + self.chance.normal().abs(), 60.0 + self.chance.normal())
            });
            let times = if self.is_on(sector, from_s) { self.terms.times } else { 1.0 };
            let swing = (0.7 * (self.swings[sector] + self.swings[SECTORS]) - 0.5 * self.terms.swing.powi(2)).exp();
            let mean = self.terms.per_hour * hour * swing * times * bin_s / 3600.0;
            let incidents = self.chance.poisson(mean);
            (0..incidents).for_each(|_| self.incident(sector, from_s));
            let thunder = if stormy { THUNDER_PER_HOUR * bin_s / 3600.0 } else { 0.0 };
            for _ in 0..self.chance.poisson(thunder) {
                let at = (self.chance.range(0.0, SIDE_M), self.chance.range(0.0, SIDE_M));
                // It is found by whoever stands nearest, as loud as it is.
                let time_ns = Fortnight::at_ns(self.chance.range(from_s, to_s));
                let arrivals = self.nearest(sector, at, from_s);
                let (modality, place, seers) = (Modality::Fire, place(self.corners[sector], at), Vec::new());
                bin.signs.push(Sign { modality, time_ns, place, arrivals, seers });
            }
            let air = self.chance.poisson(AIR_PER_HOUR * times * bin_s / 3600.0);
            bin.truth.push(Truth { usual: mean / times, incidents, air });
            for _ in 0..air {
                let at = (self.chance.range(0.0, SIDE_M), self.chance.range(0.0, SIDE_M));
                let (time_ns, place) =
                    (Fortnight::at_ns(self.chance.range(from_s, to_s)), place(self.corners[sector], at));
                let seers = vec![NodeIx((mics + sector) as u32)];
                bin.signs.push(Sign { modality: Modality::Air, time_ns, place, arrivals: Vec::new(), seers });
            }
        }
        self.find(to_s, &mut bin);
        Some(bin)
    }
}

impl Spot {
    fn draw(chance: &mut Chance) -> Spot {
        let inside = (0.05 * SIDE_M, 0.95 * SIDE_M);
        Spot {
            at: (chance.range(inside.0, inside.1), chance.range(inside.0, inside.1)),
            weight: chance.exponential(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(course: Course) -> Terms {
        Terms { course, per_hour: 20.0, swing: 0.15, times: 3.0, bin_s: 300.0, days: 4.0 }
    }

    /// Fire found in a sector in a stretch of hours.
    fn found(fortnight: &mut Fortnight, hours: f64, sector: usize) -> usize {
        let mut found = 0;
        let (west, east) = (corner(sector).lon_deg, corner(sector + 1).lon_deg);
        for _ in 0..(hours * 12.0) as usize {
            let bin = fortnight.next().expect("not over");
            let inside = |sign: &&Sign| sign.modality == Modality::Fire && (west..east).contains(&sign.place.lon_deg);
            found += bin.signs.iter().filter(inside).count();
        }
        found
    }

    #[test]
    fn an_onset_triples_what_is_found_and_the_same_seed_is_the_same_fortnight() {
        let mut fortnight = Fortnight::new(5, terms(Course::Onset));
        let from_s = fortnight.from_s;
        let (sector, until_h) = (fortnight.sector, (from_s / 3600.0).floor());
        let day = until_h - 24.0;
        found(&mut fortnight, day, sector);
        let before = found(&mut fortnight, 24.0, sector) as f64;
        let hours = ((4.0 * 86_400.0 - from_s) / 3600.0 - 1.0).min(24.0);
        let after = found(&mut fortnight, hours, sector) as f64 * 24.0 / hours;
        assert!(after > 1.7 * before && after < 5.0 * before, "{before} {after}");
        let signs = |seed: u64| {
            let mut fortnight = Fortnight::new(seed, terms(Course::Steady));
            (0..50).map(|_| fortnight.next().unwrap().signs).collect::<Vec<_>>()
        };
        assert_eq!(signs(7), signs(7));
        assert_ne!(signs(7), signs(8));
    }

    #[test]
    fn a_storm_and_dying_leave_fewer_up_and_a_roll_out_more() {
        let up = |course: Course| {
            let mut fortnight = Fortnight::new(3, terms(course));
            let bins: Vec<usize> = (&mut fortnight).map(|bin| bin.up.len()).collect();
            (bins[0], *bins.iter().min().unwrap(), *bins.last().unwrap())
        };
        let usual = SECTORS * (ALONG * ALONG + 1);
        assert_eq!(up(Course::Steady), (usual, usual, usual));
        let storm = up(Course::Storm);
        assert!(storm.1 < usual - 20, "{storm:?}");
        assert!(up(Course::Dying).2 < usual - 30);
        assert_eq!(up(Course::RollOut).2, usual + 3 * ALONG * ALONG);
    }
}
