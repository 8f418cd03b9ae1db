//! What an arrival or a radar's point is worth to an event, and how it pulls at the place: natural log of its likelihood if it is
//! the event's, over that of a pick that belongs to nothing.

use super::celerity;
use super::exp::{exp, ln};
use super::field::Site;
use super::problem::{Against, Free, Place, Point, Problem};
use super::wave::Wave;
use super::window::{Arrival, Slot};
use crate::model::time::ns_from_s;
use std::f64::consts::TAU;

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
/// Beyond so many sigma an arrival is no candidate.
pub const GATE: f64 = 4.5;

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
    /// How far the event is, m.
    pub distance_m: f64,
    /// ln of that over the law's reference.
    pub ln_distance: f64,
}

/// What an arrival is worth to an event, and how it pulls.
#[derive(Clone, Copy)]
pub struct Worth {
    /// ln of how much likelier it is the event's than one of nothing.
    pub gain: f64,
    /// Observed less predicted, s.
    pub residual_s: f64,
    /// The weight of that in the normal equations, 1/s².
    pub weight: f64,
    /// How much more its time changes with the place than that of the wave's [`super::wave::Travel`].
    pub stretch: f64,
}

/// How well a time fits: ln of its density, the residual, its weight, how much more it changes with the place.
type Timed = (f64, f64, f64, f64);

/// One line of the normal equations: derivative, residual, weight.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) slope: [f64; 3],
    pub(super) residual: f64,
    pub(super) weight: f64,
}

impl Problem<'_> {
    /// One sigma of an arrival's time as this site reports it, squared, s².
    #[inline]
    pub fn variance(&self, site: &Site, arrival: &Arrival) -> f64 {
        arrival.pick_sd_s.powi(2) + site.clock_sd_s(arrival.clock_sd_s).powi(2)
    }

    /// What an arrival is worth to an event that is expected at its site like that, and how it pulls. `None` when it is out
    /// of the gate.
    #[inline]
    pub fn worth(&self, slot: Slot, expected: &Expected<'_>, against: Against, free: &impl Free) -> Option<Worth> {
        let &Expected { number, site, due_s, environment, ln_heard, loudness, loudness_is_fitted, ln_distance, .. } =
            expected;
        let arrival = self.window.arrival(slot);
        let variance = self.variance(site, arrival) + environment;
        let residual_s = arrival.time_s - due_s;
        let (ln_density, residual_s, weight, stretch) = if site.wave == Wave::Infrasound {
            guided(expected.distance_m, residual_s, variance)?
        } else {
            if residual_s * residual_s > GATE * GATE * variance {
                return None;
            }
            let (ln_density, weight) = robust(residual_s, variance);
            (ln_density, residual_s, weight, 1.0)
        };
        let ln_rate = match against {
            Against::Rest => self.ln_rest(number, site, arrival.time_s, free),
            Against::Clutter => site.ln_clutter,
        };
        let ln_rate = ln_rate.max(site.ln_clutter_at(arrival));
        let mut gain = ln_heard + ln_density - ln_rate - free.price(slot);
        if let Some(law) = self.law.filter(|_| arrival.ln_amplitude.is_finite()) {
            gain += law.gain(arrival.ln_amplitude, ln_distance, loudness, loudness_is_fitted);
        }
        Some(Worth { gain, residual_s, weight, stretch })
    }

    /// What the arrival's direction adds to its worth, its residual, degrees, and how it pulls.
    pub(super) fn azimuth(&self, site: &Site, arrival: &Arrival, at: Place) -> (f64, f64, Row) {
        let (dx, dy) = (at.x_m - site.x_m, at.y_m - site.y_m);
        let square_m2 = (dx * dx + dy * dy).max(1.0);
        let predicted_deg = dx.atan2(dy).to_degrees() + site.north_deg;
        let residual_deg = (arrival.azimuth_deg - predicted_deg + 180.0).rem_euclid(360.0) - 180.0;
        let sd_deg = if arrival.azimuth_sd_deg > 0.0 { arrival.azimuth_sd_deg } else { AZIMUTH_SD_DEG }.max(0.2);
        let z2 = (residual_deg / sd_deg).powi(2);
        let direct = (1.0 - AZIMUTH_WILD) * (-0.5 * z2).exp() / (TAU.sqrt() * sd_deg);
        let wild = AZIMUTH_WILD / 360.0;
        // Against clutter, which comes from anywhere.
        let gain = ((direct + wild) * 360.0).ln();
        let weight = direct / (direct + wild) / sd_deg.to_radians().powi(2);
        let slope = [dy / square_m2, -dx / square_m2, 0.0];
        (gain, residual_deg, Row { slope, residual: residual_deg.to_radians(), weight })
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

    /// Points that bear an event there out, in an order that does not depend on when they came: the best of each radar and
    /// end of a trajectory, since a radar tells of one round once. A salvo's rounds are seconds apart, and each of them would
    /// fit the others' points far better than chance does.
    pub(super) fn points_near(&self, at: Place, free: &impl Free) -> Vec<usize> {
        let mut near: Vec<(usize, f64)> = self.points_worth(at).filter(|&(number, _)| free.point(number)).collect();
        // By time and name, so that sums, and whose word counts, do not depend on the order of arrival.
        let name = |number: usize| {
            let point = &self.points[number];
            (point.time_ns, point.node, point.id, point.is_origin)
        };
        near.sort_unstable_by_key(|&(number, _)| name(number));
        let whose = |number: usize| self.points[number].whose();
        let is_best = |&(number, gain): &(usize, f64)| {
            let better = |&(other, more): &(usize, f64)| {
                whose(other) == whose(number) && (more > gain || (more == gain && name(other) < name(number)))
            };
            !near.iter().any(better)
        };
        near.iter().filter(|told| is_best(told)).map(|&(number, _)| number).collect()
    }

    /// The points that are worth more as an event's there than as chance, with what they are worth.
    pub fn points_worth(&self, at: Place) -> impl Iterator<Item = (usize, f64)> + '_ {
        let area_m2 = self.field.covered_m2();
        let until_ns = self.epoch_ns.saturating_add(ns_from_s(self.until_s));
        let known = self.points.iter().enumerate().filter(move |(_, point)| point.time_ns <= until_ns);
        let worth = known.map(move |(number, point)| (number, self.point_gain(point, at, area_m2)));
        worth.filter(|&(_, gain)| gain > 0.0)
    }

    /// What a point is worth to an event there, natural log; `area_m2` is that over which points of nothing may lie.
    pub(super) fn point_gain(&self, point: &Point, at: Place, area_m2: f64) -> f64 {
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
}

/// The same of infrasound, which has several ways and so is expected at no one time; `residual_s` is from the middle of the
/// range, and the largest sigma of a way is part of the variance.
#[cold]
fn guided(distance_m: f64, residual_s: f64, variance_s2: f64) -> Option<Timed> {
    let (beyond_s, path_sd_s) = celerity::spread_s(distance_m);
    let rest_s = (residual_s.abs() - beyond_s).max(0.0);
    if rest_s * rest_s > GATE * GATE * variance_s2 {
        return None;
    }
    let other = (variance_s2 - path_sd_s * path_sd_s).max(1e-6);
    let fit = celerity::fit(distance_m, residual_s + distance_m / celerity::MIDDLE_M_S, other);
    Some((fit.ln_density, fit.residual_s, fit.weight, fit.slowness_s_m * celerity::MIDDLE_M_S))
}

/// ln of the density of a residual, and its weight in the normal equations.
#[inline]
pub(super) fn robust(residual_s: f64, variance_s2: f64) -> (f64, f64) {
    let z2 = residual_s * residual_s / variance_s2;
    let wide = exp(-0.5 * z2 / 9.0);
    // Three times the sigma is the ninth root.
    let cubed = wide * wide * wide;
    let (core, tail) = ((1.0 - TAIL) * (cubed * cubed * cubed), TAIL / 3.0 * wide);
    let sum = core + tail;
    (ln(sum * sum / (TAU * variance_s2)) * 0.5, (core + tail / 9.0) / (sum * variance_s2))
}
