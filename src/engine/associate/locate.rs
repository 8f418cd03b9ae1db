//! Where and when an event was, which arrivals it explains, and how much better it explains them than chance does.
//!
//! Robust Gauss–Newton over (x, y, t₀). At each step every site in range offers the arrival that fits best; what is
//! worth more as clutter is left out. The score is the log posterior odds of the event against all its arrivals being
//! clutter:
//!
//! S = Σ_A [ln p/(1−p) + ln f(r) − ln c] + Σ_(in range, up) ln(1−p) + ln λ + (3/2) ln 2π + ½ ln |C|
//!
//! with p the chance that the node picks it, f = 0.99 N(σ) + 0.01 N(3σ) the density of the residual, c the node's rate
//! of other picks, λ the prior rate of events per m² s, and C the covariance; the last two terms are Laplace's
//! approximation of the integral over place and time, which is what keeps few arrivals from proving much.

use super::field::{Field, Site};
use super::wave::Medium;
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
    /// What it adds to the score.
    pub gain: f64,
    /// Observed less predicted, s.
    pub residual_s: f64,
    /// Observed less predicted, degrees.
    pub residual_deg: Option<f64>,
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
    /// Its arrivals, by slot.
    pub arrivals: Vec<Explained>,
    /// Its points, by number.
    pub points: Vec<usize>,
    /// Sites in range and up that should have picked it by now and did not.
    pub silent: Vec<u32>,
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
pub const RATE_HALF_S: f64 = 30.0;
/// Extra sigma in the first steps, when the place is still off by a cell, s.
const SLACK_S: [f64; 3] = [0.3, 0.1, 0.03];
/// Most steps.
const MAX_STEPS: usize = 12;

/// What an event may take.
#[derive(Clone, Copy)]
pub struct Free<'a> {
    /// Whether it may take the arrival.
    pub arrival: &'a dyn Fn(Slot) -> bool,
    /// Whether it may take the point.
    pub point: &'a dyn Fn(usize) -> bool,
}

/// Everything a fit looks at.
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
    /// The region's epoch, nanoseconds.
    pub epoch_ns: i64,
    /// ln λ: prior events per m² s.
    pub ln_rate: f64,
    /// Longest step of the fit, m.
    pub step_m: f64,
    /// The longest time a wave takes to a node in range, s.
    pub travel_s: f64,
    /// Arrivals after this are not looked at.
    pub until_s: f64,
    /// Nodes have reported all they picked up to here: silence before it means something.
    pub heard_until_s: f64,
}

struct Candidate {
    slot: Slot,
    gain: f64,
    rows: [Option<Row>; 2],
    residual_s: f64,
    residual_deg: Option<f64>,
}

/// One line of the normal equations: derivative, residual, weight.
#[derive(Clone, Copy)]
struct Row {
    slope: [f64; 3],
    residual: f64,
    weight: f64,
}

impl Problem<'_> {
    /// Locates the event nearest to `start` from what is `free`. `None` when too little is left, or what is left does
    /// not determine a place.
    pub fn fit(&self, start: Place, free: Free<'_>) -> Option<Located> {
        let step_m = self.step_m;
        let mut at = start;
        let mut chosen: Vec<Candidate> = Vec::with_capacity(32);
        let mut before: Vec<Slot> = Vec::new();
        for step in 0..MAX_STEPS {
            let slack_s = SLACK_S.get(step).copied().unwrap_or(0.0);
            self.choose(at, slack_s, free, &mut chosen);
            let points = self.points_near(at, free);
            let dimension: usize =
                chosen.iter().map(|c| c.rows.iter().flatten().count()).sum::<usize>() + 3 * points.len();
            if dimension < 3 {
                return None;
            }
            let (normal, gradient) = self.normal(at, &chosen, &points);
            let (inverse, determinant) = invert(&normal)?;
            let delta = multiply(&inverse, &gradient);
            let length_m = delta[0].hypot(delta[1]);
            let slots: Vec<Slot> = chosen.iter().map(|c| c.slot).collect();
            let settled = step >= SLACK_S.len() && length_m < step_m * 1e-3 && slots == before;
            if settled || step + 1 == MAX_STEPS {
                // A bearing helps to place an event, but bears out less than a node that heard it; a radar's point gives
                // place and time at once.
                if chosen.len() + 3 * points.len() < self.settings.min_arrivals.max(3) {
                    return None;
                }
                return Some(self.score(at, inverse, determinant, &chosen, points));
            }
            before = slots;
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

    /// The best arrival of each site in range, if it is worth more as this event's than as clutter.
    fn choose(&self, at: Place, slack_s: f64, free: Free<'_>, chosen: &mut Vec<Candidate>) {
        chosen.clear();
        for &number in self.field.near(at.x_m, at.y_m) {
            let site = &self.field.sites()[number as usize];
            let travel = self.medium.travel(site.wave, site.x_m - at.x_m, site.y_m - at.y_m);
            if travel.distance_m > site.range_m {
                continue;
            }
            let due_s = at.time_s + travel.time_s;
            let path_sd_s = self.medium.path_sd_s(site.wave, travel.time_s);
            let environment = path_sd_s * path_sd_s + slack_s * slack_s;
            let p = site.detect_p(travel.distance_m);
            let ln_heard = if site.wave.silence_counts() { (p / (1.0 - p)).ln() } else { p.ln() };
            // A pick's own sigma is not known before it is looked at: half a second covers degraded clocks.
            let gate_s = 4.5 * (0.25 + environment).sqrt();
            let mut best: Option<Candidate> = None;
            for (time_s, slot) in self.window.between(number, due_s - gate_s, (due_s + gate_s).min(self.until_s)) {
                if !(free.arrival)(slot) {
                    continue;
                }
                let arrival = self.window.arrival(slot);
                let variance = arrival.sd_s * arrival.sd_s + environment;
                let residual_s = time_s - due_s;
                let (ln_density, weight) = robust(residual_s, variance);
                let mut candidate = Candidate {
                    slot,
                    gain: ln_heard + ln_density - self.clutter(number, site, time_s, free).ln(),
                    rows: [
                        Some(Row { slope: [travel.east_s_m, travel.north_s_m, 1.0], residual: residual_s, weight }),
                        None,
                    ],
                    residual_s,
                    residual_deg: None,
                };
                if arrival.azimuth_deg.is_finite() {
                    self.add_azimuth(site, arrival, at, &mut candidate);
                }
                if candidate.gain > best.as_ref().map_or(0.0, |best| best.gain) {
                    best = Some(candidate);
                }
            }
            chosen.extend(best);
        }
        // Sums are taken in the order of the registry, so that they do not depend on the order of arrival.
        chosen.sort_unstable_by_key(|candidate| {
            let site = &self.field.sites()[self.window.arrival(candidate.slot).site as usize];
            (site.node, site.wave)
        });
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
        candidate.residual_deg = Some(residual_deg);
        let weight = direct / (direct + wild) / sd_deg.to_radians().powi(2);
        candidate.rows[1] =
            Some(Row { slope: [dy / square_m2, -dx / square_m2, 0.0], residual: residual_deg.to_radians(), weight });
    }

    /// The rate at which the site picks things other than this event, 1/s: what is stated, or what is seen around.
    pub fn clutter(&self, number: u32, site: &Site, time_s: f64, free: Free<'_>) -> f64 {
        let (from_s, to_s) = (time_s - RATE_HALF_S, (time_s + RATE_HALF_S).min(self.until_s));
        let around = self.window.between(number, from_s, to_s).filter(|&(_, slot)| (free.arrival)(slot)).count();
        (around.saturating_sub(1) as f64 / (2.0 * RATE_HALF_S)).max(site.clutter_per_s)
    }

    fn points_near(&self, at: Place, free: Free<'_>) -> Vec<usize> {
        let area_m2 = self.field.covered_m2();
        let until_ns = self.epoch_ns.saturating_add(ns_from_s(self.until_s));
        let mut near: Vec<usize> = (0..self.points.len())
            .filter(|&number| self.points[number].time_ns <= until_ns)
            .filter(|&number| (free.point)(number) && self.point_gain(&self.points[number], at, area_m2) > 0.0)
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
        for row in chosen.iter().flat_map(|candidate| candidate.rows.iter().flatten()) {
            let [x, y, t] = row.slope;
            for (sum, product) in h.iter_mut().zip([x * x, x * y, x * t, y * y, y * t, t * t]) {
                *sum += row.weight * product;
            }
            for (sum, slope) in g.iter_mut().zip(row.slope) {
                *sum += row.weight * slope * row.residual;
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
        chosen: &[Candidate],
        points: Vec<usize>,
    ) -> Located {
        let mut score = self.ln_rate + 1.5 * TAU.ln() - 0.5 * determinant.ln();
        score += chosen.iter().map(|candidate| candidate.gain).sum::<f64>();
        let area_m2 = self.field.covered_m2();
        score += points.iter().map(|&number| self.point_gain(&self.points[number], at, area_m2)).sum::<f64>();
        let mut silent = Vec::new();
        for &number in self.field.near(at.x_m, at.y_m) {
            let site = &self.field.sites()[number as usize];
            let travel = self.medium.travel(site.wave, site.x_m - at.x_m, site.y_m - at.y_m);
            if travel.distance_m > site.range_m || !site.wave.silence_counts() {
                continue;
            }
            let ln_missed = (1.0 - site.detect_p(travel.distance_m)).ln();
            if chosen.iter().any(|candidate| self.window.arrival(candidate.slot).site == number) {
                score += ln_missed;
                continue;
            }
            let due_s = at.time_s + travel.time_s;
            let due_ns = self.epoch_ns + (due_s * 1e9) as i64;
            if due_s <= self.heard_until_s && self.weather.is_up(site.node, due_ns, site.heartbeat_s) {
                score += ln_missed;
                silent.push(number);
            }
        }
        let arrivals = chosen
            .iter()
            .map(|c| Explained { slot: c.slot, gain: c.gain, residual_s: c.residual_s, residual_deg: c.residual_deg })
            .collect();
        Located { at, covariance, score, arrivals, points, silent }
    }
}

/// ln of the density of a residual, and its weight in the normal equations.
fn robust(residual_s: f64, variance_s2: f64) -> (f64, f64) {
    let z2 = residual_s * residual_s / variance_s2;
    let (core, tail) = ((1.0 - TAIL) * (-0.5 * z2).exp(), TAIL / 3.0 * (-0.5 * z2 / 9.0).exp());
    let sum = (core + tail).max(1e-300);
    (sum.ln() - 0.5 * (TAU * variance_s2).ln(), (core + tail / 9.0) / sum / variance_s2)
}

/// Inverse of a symmetric 3 × 3 matrix (xx, xy, xt, yy, yt, tt) and its determinant; `None` when it has none.
fn invert(h: &[f64; 6]) -> Option<([f64; 6], f64)> {
    let [a, b, c, d, e, f] = *h;
    let (m0, m1, m2) = (d * f - e * e, c * e - b * f, b * e - c * d);
    let determinant = a * m0 + b * m1 + c * m2;
    if !determinant.is_finite() || determinant <= 1e-12 * a * d * f {
        return None;
    }
    let inverse = [m0, m1, m2, a * f - c * c, b * c - a * e, a * d - b * b].map(|minor| minor / determinant);
    Some((inverse, determinant))
}

fn multiply(m: &[f64; 6], v: &[f64; 3]) -> [f64; 3] {
    [
        m[0] * v[0] + m[1] * v[1] + m[2] * v[2],
        m[1] * v[0] + m[3] * v[1] + m[4] * v[2],
        m[2] * v[0] + m[4] * v[1] + m[5] * v[2],
    ]
}
