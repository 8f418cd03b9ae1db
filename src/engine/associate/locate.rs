//! Where and when an event was, which arrivals it explains, and how much better it explains them than chance does.
//!
//! Robust Gauss–Newton over (x, y, t₀). At each step every site in range offers the arrival that fits best; what is
//! worth more as clutter is left out. The score is the log posterior odds of the event against all its arrivals being
//! clutter:
//!
//! S = Σ_A [ln p/(1−p) + ln f(r) + l − ln c] + Σ_(in range, up) ln(1−p) + ln λ + (3/2) ln 2π + ½ ln |C| + ln L
//!
//! with p the chance that the node picks it, f = 0.99 N(σ) + 0.01 N(3σ) the density of the residual, l the worth of its
//! loudness, c the node's rate of other picks, λ the prior density of events per m² s, C the covariance; the last
//! terms are Laplace's approximation of the integrals over place, time and loudness, which is what keeps few arrivals
//! from proving much.

use super::exp::{exp, ln};
use super::field::{Field, Site};
use super::learnt::Law;
use super::prior::Prior;
use super::wave::{Medium, Travel};
use super::window::{Arrival, Slot, Window};
use crate::engine::settings::Fire;
use crate::engine::weather::Weather;
use crate::model::observation::{Id, Origin};
use crate::model::time::ns_from_s;
use std::f64::consts::TAU;

/// A place and time in the region's plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// East, m.
    pub x_m: f64,
    /// North, m.
    pub y_m: f64,
    /// Origin time, seconds since the region's epoch.
    pub time_s: f64,
}

/// A solution somebody else made of one event: one end of a radar's trajectory.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Where and when.
    pub at: Place,
    /// Covariance of the place, m²: xx, xy, yy.
    pub covariance_m2: (f64, f64, f64),
    /// One sigma of the time, s.
    pub time_sd_s: f64,
    /// Whether it is where the round came from (or where it went).
    pub is_origin: bool,
    /// The trajectory's direction, degrees, where both ends are known.
    pub fire_deg: Option<f64>,
    /// Time of the observation, nanoseconds.
    pub time_ns: i64,
    /// Where the observation stood.
    pub origin: Origin,
    /// The sender's id.
    pub id: Id,
    /// The sender.
    pub node: crate::model::node::NodeIx,
}

/// An arrival as the event explains it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Explained {
    /// The arrival.
    pub slot: Slot,
    /// Its site.
    pub site: u32,
    /// What it adds to the score.
    pub gain: f64,
    /// Observed less predicted, s.
    pub residual_s: f64,
    /// Observed less predicted, degrees.
    pub residual_deg: Option<f64>,
    /// Whether it is a later wave than its site's first: evidence, but nothing the event is placed by.
    pub is_second: bool,
}

/// An event that was located.
#[derive(Clone, Debug)]
pub struct Located {
    /// The best place and time.
    pub at: Place,
    /// Covariance: xx, xy, xt, yy, yt, tt (m², m s, s²).
    pub covariance: [f64; 6],
    /// Log posterior odds.
    pub score: f64,
    /// What speaks against it but chance: the log posterior odds of the best other explanation of its arrivals that was
    /// looked at. No such: minus infinity.
    pub rival: f64,
    /// Share of its arrivals that another event would nearly as gladly have.
    pub contested: f64,
    /// ln of its amplitude at the law's reference distance; 0 without a law.
    pub loudness: f64,
    /// Its arrivals, in order of the registry.
    pub arrivals: Vec<Explained>,
    /// Its points, by number.
    pub points: Vec<usize>,
    /// Sites in range and up that should have picked it by now and did not; filled in by [`Problem::silent`].
    pub silent: Vec<u32>,
    /// Whether its area holds two places that are as good, and it is not known at which of them it was.
    pub two_places: bool,
}

/// Chance that a radar in place solves a trajectory.
const RADAR_P: f64 = 0.6;
/// Radar solutions of nothing, a second over the whole region.
const RADAR_FALSE_PER_S: f64 = 1.0 / 3600.0;
/// Share of residuals with three times the stated sigma.
const TAIL: f64 = 0.01;
/// Uncertainty of an azimuth that gives none, degrees.
const AZIMUTH_SD_DEG: f64 = 5.0;
/// Share of azimuths that point anywhere (reflections).
const AZIMUTH_WILD: f64 = 0.05;
/// Half the window in which a site's own rate of picks is counted, s.
pub const RATE_HALF_S: f64 = 20.0;
/// Extra sigma in the first steps from a place that is off by a cell, s.
const SLACK_S: [f64; 2] = [0.2, 0.04];
/// By how much the score may still rise after the second step, in which it is known within a nat or two in most cases.
const RISES: f64 = 6.0;
/// Most steps.
const MAX_STEPS: usize = 9;
/// Beyond so many sigma an arrival is no candidate.
pub const GATE: f64 = 4.5;

/// What an event may take.
pub trait Free {
    /// Whether it may take the arrival.
    fn arrival(&self, slot: Slot) -> bool;
    /// Whether it may take the point.
    fn point(&self, point: usize) -> bool;
    /// What taking the arrival costs, natural log: what it is worth to the event that has it.
    #[inline]
    fn price(&self, _slot: Slot) -> f64 {
        0.0
    }
}

/// Against what rate of other picks an arrival is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// All that is free around it: before it is known what belongs to what.
    Rest,
    /// The node's clutter alone.
    Clutter,
}

/// How a fit goes about it.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// What arrivals are weighed against.
    pub against: Against,
    /// Whether the start is a place that was fitted before, so that the gates can be narrow at once.
    pub near: bool,
    /// What scores less is of no use: a fit that cannot come so far any more is given up.
    pub least: f64,
}

/// Everything a fit looks at.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// The sites.
    pub field: &'a Field,
    /// The arrivals.
    pub window: &'a Window,
    /// Radar solutions.
    pub points: &'a [Point],
    /// Travel times.
    pub medium: Medium,
    /// Clocks and health.
    pub weather: &'a Weather,
    /// The settings.
    pub settings: &'a Fire,
    /// The law of loudness.
    pub law: Option<Law>,
    /// Where events are to be expected.
    pub prior: &'a Prior,
    /// Events that are not final.
    pub others: &'a [Place],
    /// The region's epoch, nanoseconds.
    pub epoch_ns: i64,
    /// Longest step of the fit, m.
    pub step_m: f64,
    /// The longest time a wave takes to a node in range, s.
    pub travel_s: f64,
    /// Arrivals after this are not looked at.
    pub until_s: f64,
    /// Nodes have reported all they picked up to here: silence before it means something.
    pub heard_until_s: f64,
}

/// What a site would pick of an event.
pub struct Expected<'a> {
    /// The site's number.
    pub number: u32,
    /// The site.
    pub site: &'a Site,
    /// When it would pick it by its own clock, s.
    pub due_s: f64,
    /// Variance of that beside the pick's and the clock's, s².
    pub environment: f64,
    /// What a pick is worth before its time is looked at.
    pub ln_heard: f64,
    /// ln of the event's amplitude at the law's reference distance.
    pub loudness: f64,
    /// Whether that is fitted to the event's arrivals already.
    pub loudness_is_fitted: bool,
    /// ln of the distance over the law's reference.
    pub ln_distance: f64,
}

#[derive(Clone, Copy)]
struct Candidate {
    slot: Slot,
    site: u32,
    gain: f64,
    time: Row,
    azimuth: Option<Row>,
    residual_s: f64,
    residual_deg: f64,
    loudness: f64,
}

/// One line of the normal equations: derivative, residual, weight.
#[derive(Clone, Copy)]
struct Row {
    slope: [f64; 3],
    residual: f64,
    weight: f64,
}

/// Memory of a fit, used again.
#[derive(Default)]
pub struct Scratch {
    chosen: Vec<Candidate>,
    slots: Vec<Slot>,
    before: Vec<Slot>,
}

impl Located {
    /// The log odds of it against chance and its rival together.
    pub fn sureness(&self) -> f64 {
        self.score - self.rival.exp().ln_1p()
    }

    /// Share of its arrivals that `other` has as well, of the fewer.
    pub fn shared(&self, other: &Located) -> f64 {
        let has = |e: &&Explained| other.arrivals.iter().any(|o| o.slot == e.slot);
        let both = self.arrivals.iter().filter(has).count();
        both as f64 / self.arrivals.len().min(other.arrivals.len()).max(1) as f64
    }
}

impl Problem<'_> {
    /// Locates the event nearest to `start` from what is `free`. `None` when too little is left, or what is left does
    /// not determine a place.
    pub fn fit(&self, scratch: &mut Scratch, start: Place, how: How, free: &impl Free) -> Option<Located> {
        let step_m = self.step_m;
        let mut at = start;
        let mut loudness = self.law.map_or(0.0, |law| law.mean);
        scratch.before.clear();
        let slack: &[f64] = if how.near { &[] } else { &SLACK_S };
        for step in 0..MAX_STEPS {
            let slack_s = slack.get(step).copied().unwrap_or(0.0);
            let rough = step == 0 || step + 1 < slack.len();
            self.choose(at, slack_s, (loudness, !rough), how.against, free, &mut scratch.chosen);
            let chosen = &scratch.chosen;
            let points = if self.points.is_empty() { Vec::new() } else { self.points_near(at, free) };
            let rows = chosen.len() + chosen.iter().filter(|c| c.azimuth.is_some()).count() + 3 * points.len();
            if rows < 3 {
                return None;
            }
            let (normal, gradient) = self.normal(at, chosen, &points);
            let (inverse, determinant) = invert(&normal)?;
            let delta = multiply(&inverse, &gradient);
            let length_m = delta[0].hypot(delta[1]);
            scratch.slots.clear();
            scratch.slots.extend(chosen.iter().map(|c| c.slot));
            let mut unsure = 0.0;
            if let Some(law) = self.law {
                let known = chosen.iter().filter(|c| c.loudness.is_finite());
                let (sum, n) = known.fold((0.0, 0.0), |(sum, n), c| (sum + c.loudness, n + 1.0));
                (loudness, unsure) = law.event(sum, n);
            }
            if step == 1 && !how.near && how.least.is_finite() {
                let arrivals: Vec<Explained> = chosen.iter().map(Candidate::explained).collect();
                let hoped = self.sum((at, determinant, unsure), &arrivals, &points);
                if hoped + RISES < how.least {
                    return None;
                }
            }
            let settled = step > slack.len() && length_m < step_m * 2e-3 && scratch.slots == scratch.before;
            if settled || step + 1 == MAX_STEPS {
                // A bearing helps to place an event, but bears out less than a node that heard it; a radar's point gives
                // place and time at once.
                if chosen.len() + 3 * points.len() < self.settings.min_arrivals.max(3) {
                    return None;
                }
                let located = self.score(at, inverse, determinant, (loudness, unsure), chosen, points);
                return Some(self.with_seconds(located, how.against, free));
            }
            std::mem::swap(&mut scratch.before, &mut scratch.slots);
            let share = if length_m > step_m { step_m / length_m } else { 1.0 };
            at = Place {
                x_m: at.x_m + share * delta[0],
                y_m: at.y_m + share * delta[1],
                time_s: at.time_s + share * delta[2],
            };
            if !(at.x_m.is_finite() && at.y_m.is_finite() && at.time_s.is_finite()) {
                return None;
            }
        }
        None
    }

    /// One sigma of an arrival's time as this site reports it, squared, s².
    #[inline]
    pub fn variance(&self, site: &Site, arrival: &Arrival) -> f64 {
        arrival.pick_sd_s.powi(2) + site.clock_sd_s(arrival.clock_sd_s).powi(2)
    }

    /// What an arrival is worth to an event that is expected at its site like that, and how it pulls: the gain, the
    /// residual, the weight of its time. `None` when it is out of the gate.
    #[inline]
    pub fn worth(
        &self,
        slot: Slot,
        expected: &Expected<'_>,
        against: Against,
        free: &impl Free,
    ) -> Option<(f64, f64, f64)> {
        let &Expected { number, site, due_s, environment, ln_heard, loudness, loudness_is_fitted, ln_distance } =
            expected;
        let arrival = self.window.arrival(slot);
        let variance = self.variance(site, arrival) + environment;
        let residual_s = arrival.time_s - due_s;
        if residual_s * residual_s > GATE * GATE * variance {
            return None;
        }
        let (ln_density, weight) = robust(residual_s, variance);
        let ln_rate = match against {
            Against::Rest => self.ln_rest(number, site, arrival.time_s, free),
            Against::Clutter => site.ln_clutter,
        };
        let mut gain = ln_heard + ln_density - ln_rate - free.price(slot);
        if let Some(law) = self.law.filter(|_| arrival.ln_amplitude.is_finite()) {
            gain += law.gain(arrival.ln_amplitude, ln_distance, loudness, loudness_is_fitted);
        }
        Some((gain, residual_s, weight))
    }

    /// The best arrival of each site in range, if it is worth more as this event's than as clutter.
    fn choose(
        &self,
        at: Place,
        slack_s: f64,
        (loudness, loudness_is_fitted): (f64, bool),
        against: Against,
        free: &impl Free,
        chosen: &mut Vec<Candidate>,
    ) {
        chosen.clear();
        for &number in self.field.near(at.x_m, at.y_m) {
            let site = &self.field.sites()[number as usize];
            let (dx_m, dy_m) = (site.x_m - at.x_m, site.y_m - at.y_m);
            if dx_m * dx_m + dy_m * dy_m > site.range_m * site.range_m {
                continue;
            }
            let travel = self.medium.travel(site.wave, dx_m, dy_m);
            let due_s = at.time_s + travel.time_s + site.ahead_s;
            let path_sd_s = self.medium.path_sd_s(site.wave, travel.time_s);
            let environment = path_sd_s * path_sd_s + slack_s * slack_s;
            // The sum of the sigmas is more than theirs together; the gate itself is `worth`'s.
            let gate_s = GATE * (self.window.most_sd_s(number) + path_sd_s + slack_s);
            let mut best: Option<Candidate> = None;
            let mut expected = Expected {
                number,
                site,
                due_s,
                environment,
                ln_heard: f64::NAN,
                loudness,
                loudness_is_fitted,
                ln_distance: f64::NAN,
            };
            for (_, slot) in self.window.between(number, due_s - gate_s, (due_s + gate_s).min(self.until_s)) {
                if !free.arrival(slot) {
                    continue;
                }
                // Most sites have no arrival in the gate, and neither of the two is for nothing.
                if expected.ln_distance.is_nan() {
                    expected.ln_distance = Law::ln_distance(travel.distance_m);
                    expected.ln_heard = site.chance(travel.distance_m).0;
                }
                let Some((gain, residual_s, weight)) = self.worth(slot, &expected, against, free) else {
                    continue;
                };
                let arrival = self.window.arrival(slot);
                let mut candidate = Candidate {
                    slot,
                    site: number,
                    gain,
                    time: time_row(&travel, residual_s, weight),
                    azimuth: None,
                    residual_s,
                    residual_deg: f64::NAN,
                    loudness: self.law.map_or(f64::NAN, |law| arrival.ln_amplitude + law.slope * expected.ln_distance),
                };
                if arrival.azimuth_deg.is_finite() {
                    self.add_azimuth(site, arrival, at, &mut candidate);
                }
                if candidate.gain > best.as_ref().map_or(0.0, |best| best.gain) {
                    best = Some(candidate);
                }
            }
            // In the order of names, as sums are to be taken: they depend neither on the order of arrival nor on the registry's.
            chosen.extend(best);
        }
    }

    fn add_azimuth(&self, site: &Site, arrival: &Arrival, at: Place, candidate: &mut Candidate) {
        let (dx, dy) = (at.x_m - site.x_m, at.y_m - site.y_m);
        let square_m2 = (dx * dx + dy * dy).max(1.0);
        let predicted_deg = dx.atan2(dy).to_degrees() + site.north_deg;
        let residual_deg = (arrival.azimuth_deg - predicted_deg + 180.0).rem_euclid(360.0) - 180.0;
        let sd_deg = if arrival.azimuth_sd_deg > 0.0 { arrival.azimuth_sd_deg } else { AZIMUTH_SD_DEG }.max(0.2);
        let z2 = (residual_deg / sd_deg).powi(2);
        let direct = (1.0 - AZIMUTH_WILD) * (-0.5 * z2).exp() / (TAU.sqrt() * sd_deg);
        let wild = AZIMUTH_WILD / 360.0;
        // Against clutter, which comes from anywhere.
        candidate.gain += ((direct + wild) * 360.0).ln();
        candidate.residual_deg = residual_deg;
        let weight = direct / (direct + wild) / sd_deg.to_radians().powi(2);
        candidate.azimuth =
            Some(Row { slope: [dy / square_m2, -dx / square_m2, 0.0], residual: residual_deg.to_radians(), weight });
    }

    /// ln of the rate at which the site picks things that are free, other than one event (1/s): what is known of the
    /// site, or what is seen around.
    #[inline]
    pub fn ln_rest(&self, number: u32, site: &Site, time_s: f64, free: &impl Free) -> f64 {
        let (from_s, to_s) = (time_s - RATE_HALF_S, (time_s + RATE_HALF_S).min(self.until_s));
        let around = self.window.between(number, from_s, to_s).filter(|&(_, slot)| free.arrival(slot)).count();
        self.ln_rate(site, around)
    }

    /// The same when `around` picks are free within [`RATE_HALF_S`] of one, itself among them.
    pub fn ln_rate(&self, site: &Site, around: usize) -> f64 {
        match around.saturating_sub(1) {
            0 => site.ln_clutter,
            others => ln(others as f64 * (1.0 / (2.0 * RATE_HALF_S))).max(site.ln_clutter),
        }
    }

    fn points_near(&self, at: Place, free: &impl Free) -> Vec<usize> {
        let area_m2 = self.field.covered_m2();
        let until_ns = self.epoch_ns.saturating_add(ns_from_s(self.until_s));
        let mut near: Vec<usize> = (0..self.points.len())
            .filter(|&number| self.points[number].time_ns <= until_ns)
            .filter(|&number| free.point(number) && self.point_gain(&self.points[number], at, area_m2) > 0.0)
            .collect();
        // By time and name, so that sums, and whose word counts, do not depend on the order of arrival.
        near.sort_unstable_by_key(|&number| {
            let point = &self.points[number];
            (point.time_ns, point.node, point.id, point.is_origin)
        });
        near
    }

    fn point_gain(&self, point: &Point, at: Place, area_m2: f64) -> f64 {
        let (xx, xy, yy) = point.covariance_m2;
        let determinant = xx * yy - xy * xy;
        let (dx, dy) = (point.at.x_m - at.x_m, point.at.y_m - at.y_m);
        let z2 = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / determinant
            + ((point.at.time_s - at.time_s) / point.time_sd_s).powi(2);
        RADAR_P.ln()
            - 1.5 * TAU.ln()
            - 0.5 * determinant.ln()
            - point.time_sd_s.ln()
            - 0.5 * z2
            - (RADAR_FALSE_PER_S / area_m2).ln()
    }

    fn normal(&self, at: Place, chosen: &[Candidate], points: &[usize]) -> ([f64; 6], [f64; 3]) {
        let (mut h, mut g) = ([0.0; 6], [0.0; 3]);
        for candidate in chosen {
            for row in [Some(&candidate.time), candidate.azimuth.as_ref()].into_iter().flatten() {
                let [x, y, t] = row.slope;
                for (sum, product) in h.iter_mut().zip([x * x, x * y, x * t, y * y, y * t, t * t]) {
                    *sum += row.weight * product;
                }
                for (sum, slope) in g.iter_mut().zip(row.slope) {
                    *sum += row.weight * slope * row.residual;
                }
            }
        }
        for &number in points {
            let point = &self.points[number];
            let (xx, xy, yy) = point.covariance_m2;
            let determinant = xx * yy - xy * xy;
            let (ixx, ixy, iyy) = (yy / determinant, -xy / determinant, xx / determinant);
            let (dx, dy) = (point.at.x_m - at.x_m, point.at.y_m - at.y_m);
            let itt = point.time_sd_s.powi(-2);
            h[0] += ixx;
            h[1] += ixy;
            h[3] += iyy;
            h[5] += itt;
            g[0] += ixx * dx + ixy * dy;
            g[1] += ixy * dx + iyy * dy;
            g[2] += itt * (point.at.time_s - at.time_s);
        }
        (h, g)
    }

    fn score(
        &self,
        at: Place,
        covariance: [f64; 6],
        determinant: f64,
        (loudness, unsure): (f64, f64),
        chosen: &[Candidate],
        points: Vec<usize>,
    ) -> Located {
        let arrivals: Vec<Explained> = chosen.iter().map(Candidate::explained).collect();
        let score = self.sum((at, determinant, unsure), &arrivals, &points);
        Located {
            at,
            covariance,
            score,
            rival: f64::NEG_INFINITY,
            contested: 0.0,
            loudness,
            arrivals,
            points,
            silent: Vec::new(),
            two_places: false,
        }
    }

    /// The score of an event that is there and explains that.
    fn sum(&self, (at, determinant, unsure): (Place, f64, f64), arrivals: &[Explained], points: &[usize]) -> f64 {
        let mut score = self.prior.ln_density(at, self.others) + 1.5 * TAU.ln() - 0.5 * ln(determinant);
        score += unsure + arrivals.iter().map(|explained| explained.gain).sum::<f64>();
        let area_m2 = self.field.covered_m2();
        score += points.iter().map(|&number| self.point_gain(&self.points[number], at, area_m2)).sum::<f64>();
        let mut missed = 0.0;
        self.each_due(at, arrivals, &mut |_, site, distance_m, _| missed += site.chance(distance_m).1);
        score + missed
    }

    /// Tells of every site that should have picked an event by now, or did: its number, the site, how far it is, and
    /// whether it did.
    pub fn each_due(&self, at: Place, arrivals: &[Explained], tell: &mut impl FnMut(u32, &Site, f64, bool)) {
        for &number in self.field.near(at.x_m, at.y_m) {
            let site = &self.field.sites()[number as usize];
            if !site.wave.silence_counts() {
                continue;
            }
            let square_m2 = (site.x_m - at.x_m).powi(2) + (site.y_m - at.y_m).powi(2);
            if square_m2 > site.range_m * site.range_m {
                continue;
            }
            let distance_m = square_m2.sqrt();
            let heard = |e: &Explained| !e.is_second && e.site == number;
            let picked = arrivals.iter().any(heard);
            if !picked {
                let travel = self.medium.travel(site.wave, site.x_m - at.x_m, site.y_m - at.y_m);
                let due_s = at.time_s + travel.time_s;
                let due_ns = self.epoch_ns + (due_s * 1e9) as i64;
                if due_s > self.heard_until_s || !self.weather.is_up(site.node, due_ns, site.heartbeat_s) {
                    continue;
                }
            }
            tell(number, site, distance_m, picked);
        }
    }

    /// Sites in range and up that should have picked the event by now and did not.
    pub fn silent(&self, located: &Located) -> Vec<u32> {
        let mut silent = Vec::new();
        self.each_due(located.at, &located.arrivals, &mut |number, _, _, picked| {
            if !picked {
                silent.push(number);
            }
        });
        silent
    }
}

impl Candidate {
    fn explained(&self) -> Explained {
        Explained {
            slot: self.slot,
            site: self.site,
            gain: self.gain,
            residual_s: self.residual_s,
            residual_deg: self.residual_deg.is_finite().then_some(self.residual_deg),
            is_second: false,
        }
    }
}

fn time_row(travel: &Travel, residual: f64, weight: f64) -> Row {
    Row { slope: [travel.east_s_m, travel.north_s_m, 1.0], residual, weight }
}

/// ln of the density of a residual, and its weight in the normal equations.
#[inline]
fn robust(residual_s: f64, variance_s2: f64) -> (f64, f64) {
    let z2 = residual_s * residual_s / variance_s2;
    let wide = exp(-0.5 * z2 / 9.0);
    // Three times the sigma is the ninth root.
    let cubed = wide * wide * wide;
    let (core, tail) = ((1.0 - TAIL) * (cubed * cubed * cubed), TAIL / 3.0 * wide);
    let sum = core + tail;
    (ln(sum * sum / (TAU * variance_s2)) * 0.5, (core + tail / 9.0) / (sum * variance_s2))
}

/// Inverse of a symmetric 3 × 3 matrix (xx, xy, xt, yy, yt, tt) and its determinant; `None` when it has none.
pub fn invert(h: &[f64; 6]) -> Option<([f64; 6], f64)> {
    let [a, b, c, d, e, f] = *h;
    let (m0, m1, m2) = (d * f - e * e, c * e - b * f, b * e - c * d);
    let determinant = a * m0 + b * m1 + c * m2;
    if !determinant.is_finite() || determinant <= 1e-12 * a * d * f {
        return None;
    }
    let inverse = [m0, m1, m2, a * f - c * c, b * c - a * e, a * d - b * b].map(|minor| minor / determinant);
    Some((inverse, determinant))
}

/// A symmetric matrix times a vector.
pub fn multiply(m: &[f64; 6], v: &[f64; 3]) -> [f64; 3] {
    [
        m[0] * v[0] + m[1] * v[1] + m[2] * v[2],
        m[1] * v[0] + m[3] * v[1] + m[4] * v[2],
        m[2] * v[0] + m[4] * v[1] + m[5] * v[2],
    ]
}
