//! Where a source of interference may be, by the bearings and powers of those who report it, and by what was located in its band.
//!
//! The most likely place under
//!
//! J(x) = |x − c|² / 2s² + Σ t((α_i − α_i(x)) / σ_i) + Σ (P_i + 20 lg d_i(x) − P̂(x))² / 2σ_P² + t₂(x − e) − ln B(x)
//!
//! c is the middle of the reporting nodes and s how far round it a source may be: with nothing else known that is the answer,
//! an area by nodes. Bearings α_i are a node's means with errors of Student's t, four degrees of freedom, for some
//! come by a detour. Powers P_i fall off as in free space (ITU-R P.525), 20 dB a decade; what is in the way of each is its
//! own, log-normal with σ_P; P̂, the power of the source, fits best. e is the mean of emissions
//! that receivers have located, with its covariance; that may be another emitter's, so its error is of Student's t as well. B says how
//! well those that suffer and those that do not fit a jammer there ([`super::shape`]). The covariance is the inverse of Fisher's information at the most
//! likely place, widened where the residuals are larger than they should be.

use super::super::World;
use super::Source;
use super::shape::{Shape, fit};
use crate::model::geo::{Ellipse, Frame, LonLat, Symmetric, inverse};

/// A bearing is never better than that, however often it is repeated: what bends it bends it each time, degrees.
const BEARING_FLOOR_DEG: f64 = 2.0;
/// Degrees of freedom of the error of a bearing, and of where an emitter is.
const FREEDOM: f64 = 4.0;
/// Steps of the first look in each direction, each way.
const STEPS: i32 = 12;
/// Nearer than that to a node bearings and powers say nothing, metres.
const LEAST_M: f64 = 30.0;
/// The search ends with steps of that, metres.
const FINEST_M: f64 = 2.0;
/// 20 lg e: by how many dB the power falls when the distance grows by one part in one.
const DB_A_NEPER: f64 = 20.0 * std::f64::consts::LOG10_E;

/// However many emissions are averaged, an emitter's place is no surer than that, metres.
const LEAST_SD_M: f64 = 25.0;

/// What a fit gives.
pub(super) struct Fix {
    pub(super) place: LonLat,
    pub(super) ellipse: Ellipse,
    /// Of each node: its mean bearing less that of the place, degrees.
    pub(super) residuals_deg: Vec<Option<f64>>,
}

/// One node in the plane.
struct Site {
    x_m: f64,
    y_m: f64,
    /// Bearing from the plane's y axis, and one sigma, radians.
    bearing: Option<(f64, f64)>,
    power_dbm: Option<f64>,
}

/// Where an emitter is, and the information on that, 1/m².
struct Emitter {
    at: (f64, f64),
    information: Symmetric,
}

struct Problem {
    sites: Vec<Site>,
    emitter: Option<Emitter>,
    /// Who suffers and who does not.
    shape: Vec<((f64, f64), bool)>,
    prior_sd_m: f64,
    power_sd_db: f64,
}

/// The most likely place of a source.
pub(super) fn locate(source: &Source, shape: Option<&Shape>, world: World<'_>) -> Fix {
    let (heard, settings) = (&source.heard, &world.settings.interference);
    let reported = heard.iter().find(|it| it.reports);
    // How far it may be from those who tell of it.
    let reach_m = reported.and_then(|it| world.registry.node(it.first.node).range_m).unwrap_or(settings.reach_m);
    let first = heard[0].place;
    let count = heard.len() as f64;
    let offsets = || heard.iter().map(|it| first.flat_offset_m(it.place));
    let (east_m, north_m) = offsets().fold((0.0, 0.0), |sum, at| (sum.0 + at.0 / count, sum.1 + at.1 / count));
    let middle = first.toward(east_m.atan2(north_m).to_degrees(), east_m.hypot(north_m));
    let frame = Frame::about(middle);
    let sites: Vec<Site> = heard
        .iter()
        .map(|it| {
            let (x_m, y_m) = frame.to_plane(it.place);
            let turned_deg = frame.north_deg(x_m, y_m);
            let bearing = it
                .bearing()
                .map(|(deg, sd_deg)| ((deg - turned_deg).to_radians(), sd_deg.hypot(BEARING_FLOOR_DEG).to_radians()));
            Site { x_m, y_m, bearing, power_dbm: it.power_dbm() }
        })
        .collect();
    let spread_m2 = sites.iter().map(|site| site.x_m.powi(2) + site.y_m.powi(2)).sum::<f64>() / (2.0 * count);
    let prior_sd_m = (spread_m2 + (0.5 * reach_m).powi(2)).sqrt();
    let shape = shape.map(|shape| shape.in_plane(&frame)).unwrap_or_default();
    let emitter = Emitter::of(source, &frame);
    let problem = Problem { sites, emitter, shape, prior_sd_m, power_sd_db: settings.power_sd_db };
    let at = problem.solve();
    let is_smooth = problem.shape.is_empty();
    let (xx, xy, yy) = if is_smooth { problem.covariance(at) } else { problem.covariance_by_cost(at) };
    let mut ellipse = Ellipse::of_covariance(xx, xy, yy);
    ellipse.orientation_deg = (ellipse.orientation_deg + frame.north_deg(at.0, at.1)).rem_euclid(180.0);
    let residuals_deg = problem.sites.iter().map(|site| site.off(at).map(|(off, _)| off.to_degrees())).collect();
    Fix { place: frame.to_place(at.0, at.1), ellipse, residuals_deg }
}

impl Emitter {
    /// The weighted mean of the source's emissions.
    fn of(source: &Source, frame: &Frame) -> Option<Emitter> {
        let (mut sum, mut pull) = ((0.0, 0.0, 0.0), (0.0, 0.0));
        for (emission, place) in source.emissions.iter().filter_map(|it| Some((it.emission()?, it.place))) {
            // They are about so near to one another that north is north.
            let (x, y) = frame.to_plane(place);
            let (xx, xy, yy) = inverse(emission.covariance_m2);
            sum = (sum.0 + xx, sum.1 + xy, sum.2 + yy);
            pull = (pull.0 + xx * x + xy * y, pull.1 + xy * x + yy * y);
        }
        let (xx, xy, yy) = inverse(sum);
        let at = (xx * pull.0 + xy * pull.1, xy * pull.0 + yy * pull.1);
        let floor = LEAST_SD_M.powi(2);
        (xx > 0.0 && xx.is_finite()).then(|| Emitter { at, information: inverse((xx + floor, xy, yy + floor)) })
    }

    /// The square of how many sigma that place is from it.
    fn off2(&self, at: (f64, f64)) -> f64 {
        let ((x, y), (xx, xy, yy)) = ((at.0 - self.at.0, at.1 - self.at.1), self.information);
        xx * x * x + 2.0 * xy * x * y + yy * y * y
    }
}

impl Site {
    fn to(&self, (x_m, y_m): (f64, f64)) -> (f64, f64, f64) {
        let (east_m, north_m) = (x_m - self.x_m, y_m - self.y_m);
        (east_m, north_m, east_m.hypot(north_m).max(LEAST_M))
    }

    /// Bearing measured less that to a place, −π to π, and its sigma.
    fn off(&self, at: (f64, f64)) -> Option<(f64, f64)> {
        let (measured, sd) = self.bearing?;
        let (east_m, north_m, _) = self.to(at);
        let off = measured - east_m.atan2(north_m);
        Some(((off + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU) - std::f64::consts::PI, sd))
    }
}

impl Problem {
    /// Of each node that tells a power: how many dB more than all of them on average, by the distance.
    fn excess_db(&self, at: (f64, f64)) -> Vec<f64> {
        let told = || self.sites.iter().filter_map(|site| Some(site.power_dbm? + DB_A_NEPER * site.to(at).2.ln()));
        let mean = told().sum::<f64>() / (told().count().max(1) as f64);
        told().map(|power| power - mean).collect()
    }

    fn cost(&self, at: (f64, f64)) -> f64 {
        let prior = 0.5 * (at.0.powi(2) + at.1.powi(2)) / self.prior_sd_m.powi(2);
        let bearings = self.sites.iter().filter_map(|site| site.off(at));
        let bearings = bearings.map(|(off, sd)| 0.5 * (FREEDOM + 1.0) * ((off / sd).powi(2) / FREEDOM).ln_1p());
        let powers = self.excess_db(at).into_iter().map(|db| 0.5 * (db / self.power_sd_db).powi(2));
        let emitter = self.emitter.iter().map(|it| 0.5 * (FREEDOM + 2.0) * (it.off2(at) / FREEDOM).ln_1p());
        prior + bearings.sum::<f64>() + powers.sum::<f64>() + emitter.sum::<f64>() - self.fit(at)
    }

    /// How well those that suffer fit a jammer there.
    fn fit(&self, at: (f64, f64)) -> f64 {
        if self.shape.is_empty() {
            return 0.0;
        }
        fit(self.shape.iter().map(|&((x, y), suffers)| ((x - at.0).hypot(y - at.1), suffers)).collect())
    }

    /// From the best of a grid, of where two bearings cross and of where an emitter is, downhill in steps that halve.
    fn solve(&self) -> (f64, f64) {
        let mut step_m = 2.0 * self.prior_sd_m / f64::from(STEPS);
        let grid = (-STEPS..=STEPS).flat_map(|x| (-STEPS..=STEPS).map(move |y| (f64::from(x), f64::from(y))));
        let starts = grid.map(|(x, y)| (x * step_m, y * step_m)).chain(self.crossings());
        let starts = starts.chain(self.emitter.iter().map(|it| it.at));
        let costed = starts.map(|at| (self.cost(at), at));
        let (mut cost, mut at) = costed.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, (0.0, 0.0)));
        while step_m > FINEST_M {
            let around = (-1..=1).flat_map(|x| (-1..=1).map(move |y| (f64::from(x), f64::from(y))));
            let around = around.map(|(x, y)| (at.0 + x * step_m, at.1 + y * step_m)).map(|at| (self.cost(at), at));
            match around.min_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((less, there)) if less < cost => (cost, at) = (less, there),
                _ => step_m *= 0.5,
            }
        }
        at
    }

    /// Where the bearings of two nodes cross.
    fn crossings(&self) -> Vec<(f64, f64)> {
        let lines: Vec<(f64, f64, f64, f64)> = self
            .sites
            .iter()
            .filter_map(|site| site.bearing.map(|(az, _)| (site.x_m, site.y_m, az.sin(), az.cos())))
            .collect();
        let mut all = Vec::new();
        for (number, a) in lines.iter().enumerate() {
            for b in &lines[number + 1..] {
                let cross = a.2 * b.3 - a.3 * b.2;
                let along = ((b.0 - a.0) * b.3 - (b.1 - a.1) * b.2) / cross;
                let at = (a.0 + along * a.2, a.1 + along * a.3);
                if along > 0.0 && at.0.hypot(at.1) < 3.0 * self.prior_sd_m {
                    all.push(at);
                }
            }
        }
        all
    }

    /// xx, xy, yy in m², by how far from the best place in each direction the cost is two more than there, as at two sigma: how well
    /// nodes fit has no slope that would hold that far.
    fn covariance_by_cost(&self, at: (f64, f64)) -> Symmetric {
        let least = self.cost(at);
        // One over the variance along a line, both ways.
        let along = |turn: f64| {
            let (east, north) = turn.to_radians().sin_cos();
            let cost = |by_m: f64| self.cost((at.0 + by_m * east, at.1 + by_m * north));
            let is_out = |by_m: f64| 0.5 * (cost(by_m) + cost(-by_m)) - least >= 2.0;
            // The last step that is not, for it need not grow all the way.
            let steps = std::iter::successors(Some(8.0 * self.prior_sd_m), |by_m| Some(by_m / 1.1));
            let out_m = steps.take_while(|&by_m| by_m > FINEST_M && is_out(by_m)).last().unwrap_or(FINEST_M);
            4.0 / out_m.powi(2)
        };
        let [north, northeast, east, southeast] = [0.0, 45.0, 90.0, 135.0].map(along);
        // Four lines for three numbers: the trace is the mean of what each two say.
        let (trace, tilt) = (0.5 * (north + east + northeast + southeast), 0.5 * (northeast - southeast));
        let (xx, yy) = (0.5 * (trace + east - north), 0.5 * (trace + north - east));
        let floor = 0.1 * trace;
        let (xx, yy) = (xx.max(floor), yy.max(floor));
        let most = 0.95 * (xx * yy).sqrt();
        inverse((xx, tilt.clamp(-most, most), yy))
    }

    /// xx, xy, yy in m².
    fn covariance(&self, at: (f64, f64)) -> Symmetric {
        let prior = self.prior_sd_m.powi(-2);
        let mut information = (prior, 0.0, prior);
        let mut add = |x: f64, y: f64| {
            information.0 += x * x;
            information.1 += x * y;
            information.2 += y * y;
        };
        let (mut squares, mut measured) = (0.0, 0.0);
        for site in &self.sites {
            let Some((off, sd)) = site.off(at) else { continue };
            let (east_m, north_m, distance_m) = site.to(at);
            let z2 = (off / sd).powi(2);
            let weight = (1.0 / (1.0 + z2 / FREEDOM)).sqrt() / (sd * distance_m * distance_m);
            add(north_m * weight, -east_m * weight);
            squares += z2.min(9.0);
            measured += 1.0;
        }
        let told: Vec<&Site> = self.sites.iter().filter(|site| site.power_dbm.is_some()).collect();
        let slopes: Vec<(f64, f64)> = told
            .iter()
            .map(|site| {
                let (east_m, north_m, distance_m) = site.to(at);
                (DB_A_NEPER * east_m / distance_m.powi(2), DB_A_NEPER * north_m / distance_m.powi(2))
            })
            .collect();
        let count = slopes.len().max(1) as f64;
        let mean = slopes.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0 / count, sum.1 + it.1 / count));
        for slope in &slopes {
            add((slope.0 - mean.0) / self.power_sd_db, (slope.1 - mean.1) / self.power_sd_db);
        }
        squares += self.excess_db(at).iter().map(|db| (db / self.power_sd_db).powi(2).min(9.0)).sum::<f64>();
        measured += (told.len() as f64 - 1.0).max(0.0);
        if let Some(emitter) = &self.emitter {
            let off2 = emitter.off2(at);
            let weight = 1.0 / (1.0 + off2 / FREEDOM);
            let (xx, xy, yy) = emitter.information;
            information = (information.0 + weight * xx, information.1 + weight * xy, information.2 + weight * yy);
            squares += off2.min(9.0);
            measured += 2.0;
        }
        let wider = (squares / (measured - 2.0).max(1.0)).max(1.0);
        let (xx, xy, yy) = information;
        let determinant = xx * yy - xy * xy;
        let most_m2 = self.prior_sd_m.powi(2);
        let scale = wider / determinant;
        ((yy * scale).min(most_m2), -xy * scale, (xx * scale).min(most_m2))
    }
}
