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

use super::exp::ln;
use super::loudness::Law;
use super::wave::Travel;
use super::window::Slot;
use super::worth::{Row, Worth};
use std::f64::consts::TAU;

pub use super::problem::{Against, Explained, Free, Located, Place, Point, Problem};
pub use super::worth::{Expected, GATE, RATE_HALF_S};

/// Extra sigma in the first steps from a place that is off by a cell, s.
const SLACK_S: [f64; 2] = [0.2, 0.04];
/// By how much the score may still rise after the second step, in which it is known within a nat or two in most cases.
const RISES: f64 = 6.0;
/// Most steps.
const MAX_STEPS: usize = 9;

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

/// Memory of a fit, used again.
#[derive(Default)]
pub struct Scratch {
    chosen: Vec<Candidate>,
    slots: Vec<Slot>,
    before: Vec<Slot>,
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
            let beyond_s = self.medium.beyond_s(site.wave, travel.time_s);
            let gate_s = GATE * (self.window.most_sd_s(number) + path_sd_s + slack_s) + beyond_s;
            let mut best: Option<Candidate> = None;
            let mut expected = Expected {
                number,
                site,
                due_s,
                environment,
                ln_heard: f64::NAN,
                loudness,
                loudness_is_fitted,
                distance_m: travel.distance_m,
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
                let Some(worth) = self.worth(slot, &expected, against, free) else { continue };
                let arrival = self.window.arrival(slot);
                let mut candidate = Candidate {
                    slot,
                    site: number,
                    gain: worth.gain,
                    time: time_row(&travel, &worth),
                    azimuth: None,
                    residual_s: worth.residual_s,
                    residual_deg: f64::NAN,
                    loudness: self.law.map_or(f64::NAN, |law| arrival.ln_amplitude + law.slope * expected.ln_distance),
                };
                if arrival.azimuth_deg.is_finite() {
                    let (gain, residual_deg, row) = self.azimuth(site, arrival, at);
                    candidate.gain += gain;
                    (candidate.residual_deg, candidate.azimuth) = (residual_deg, Some(row));
                }
                if candidate.gain > best.as_ref().map_or(0.0, |best| best.gain) {
                    best = Some(candidate);
                }
            }
            // In the order of names, as sums are to be taken: they depend neither on the order of arrival nor on the registry's.
            chosen.extend(best);
        }
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

fn time_row(travel: &Travel, &Worth { residual_s, weight, stretch, .. }: &Worth) -> Row {
    Row { slope: [stretch * travel.east_s_m, stretch * travel.north_s_m, 1.0], residual: residual_s, weight }
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
