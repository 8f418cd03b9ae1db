//! Where a radio signal left, by when it arrived at several nodes.
//!
//! Each arrival i gives c (t_i − t₀) = |x − x_i|, straight through the air; x is where it left (east, north, up) and t₀ when,
//! both of which are sought (Foy 1976, IEEE Trans. Aerospace and Electronic Systems 12(2), 187–194, by Taylor series). The
//! most likely place under errors of Student's t is found from the best places of a grid by the sum of absolute residuals, first
//! by reweighted least squares for that sum, which an arrival of something else bends little, and then for the errors as they are.
//! How high an emitter is tell nodes on the ground hardly: it stands on the ground or flies, with a prior for each. The more
//! likely of the two is told (by Laplace's approximation of the evidence), as uncertain as the other's place and weight make it.

use std::cmp::Ordering;

use crate::engine::book::Cited;
use crate::model::geo::{LIGHT_IN_AIR_M_S, LonLat};

/// Fewer nodes show no contradiction: three tell where and when it left, and any one more could be wrong.
pub const LEAST_NODES: usize = 4;
/// An arrival that is off by more than so many sigma is of something else.
pub const OUTLIER_SD: f64 = 5.0;
/// Degrees of freedom of an arrival's error.
const FREEDOM: f64 = 4.0;
/// One sigma of an emitter's height above the nodes that hear it, where it stands on the ground, metres.
const GROUND_SD_M: f64 = 300.0;
/// Of one that flies: what is most likely, and one sigma, metres.
const FLYING_M: (f64, f64) = (5_000.0, 4_000.0);
/// An emitter that flies has one more unknown, and takes one more node for a contradiction to show.
const LEAST_NODES_FLYING: usize = LEAST_NODES + 1;
/// A bearing is never better than that, degrees.
const BEARING_FLOOR_DEG: f64 = 2.0;
/// Steps of the first look in each direction, each way, and how many of the best places are gone on from.
const STEPS: i32 = 12;
const STARTS: usize = 6;
/// So much less is a place worth that too few arrivals bear out, in logarithms: any other is better.
const NOT_BORNE_OUT: f64 = 1e6;
/// Steps of the search: by absolute residuals, and by the errors as they are.
const FIRST_STEPS: usize = 14;
const LAST_STEPS: usize = 30;

/// One arrival.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Where the node was, and how high, metres.
    pub place: LonLat,
    pub height_m: f64,
    /// When, nanoseconds, and one sigma of that, seconds.
    pub time_ns: i64,
    pub sd_s: f64,
    /// Towards the emitter and one sigma of that, degrees.
    pub azimuth: Option<(f64, f64)>,
}

impl Heard {
    /// One order whatever order they came in: sums and the grid's middle hang on it in their last digits, and where a descent ends on those.
    fn before(&self, other: &Heard) -> Ordering {
        let rest = |it: &Heard| {
            let (azimuth_deg, azimuth_sd_deg) = it.azimuth.unwrap_or((f64::NAN, f64::NAN));
            [it.place.lon_deg, it.place.lat_deg, it.height_m, it.sd_s, azimuth_deg, azimuth_sd_deg]
        };
        let rest = rest(self).into_iter().zip(rest(other)).map(|(a, b)| a.total_cmp(&b));
        self.time_ns.cmp(&other.time_ns).then(rest.fold(Ordering::Equal, Ordering::then))
    }
}

/// Where and when it left.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    pub place: LonLat,
    /// Above the ellipsoid, and one sigma of that, metres.
    pub height_m: f64,
    pub height_sd_m: f64,
    /// Of east and north, m²: xx, xy, yy.
    pub covariance_m2: (f64, f64, f64),
    /// When the first arrival came, nanoseconds, and how much later it left, as a way of light, metres.
    first_ns: i64,
    offset_m: f64,
    /// One sigma of an arrival's time, in the middle, seconds.
    pub sd_s: f64,
    /// How badly it fits: minus twice the logarithm of how likely arrivals and height are, but for what all places have in common.
    pub misfit: f64,
}

impl Fix {
    /// When it left, nanoseconds.
    pub fn sent_ns(&self) -> i64 {
        self.first_ns + (1e9 * self.offset_m / LIGHT_IN_AIR_M_S).round() as i64
    }

    /// Of an arrival: observed less predicted time, seconds.
    pub fn residual_s(&self, heard: &Heard) -> f64 {
        let way_m = heard.place.slant_m(heard.height_m, self.place, self.height_m);
        (range_m(heard, self.first_ns) - way_m - self.offset_m) / LIGHT_IN_AIR_M_S
    }

    /// What is cited of an arrival that bears it out.
    pub fn cite(&self, cited: &Cited, heard: &Heard) -> Cited {
        let residual_deg = heard.azimuth.map(|(deg, _)| {
            let (_, towards_deg) = heard.place.distance_azimuth(self.place);
            (deg - towards_deg + 180.0).rem_euclid(360.0) - 180.0
        });
        Cited { residual_s: Some(self.residual_s(heard)), residual_deg, ..*cited }
    }

    /// It is the other one with that chance: what is uncertain is so by both, and by how far they are apart.
    fn may_be(&mut self, other: &Fix, p: f64) {
        let (east_m, north_m) = self.place.flat_offset_m(other.place);
        let (own, others) = (self.covariance_m2, other.covariance_m2);
        let both = |own: f64, other: f64, apart_m2: f64| (1.0 - p) * own + p * (other + apart_m2);
        self.covariance_m2 = (
            both(own.0, others.0, east_m * east_m),
            both(own.1, others.1, east_m * north_m),
            both(own.2, others.2, north_m * north_m),
        );
        let apart_m = other.height_m - self.height_m;
        self.height_sd_m = both(self.height_sd_m.powi(2), other.height_sd_m.powi(2), apart_m * apart_m).sqrt();
    }
}

/// A node in space.
struct Site {
    at_m: [f64; 3],
    axes: [[f64; 3]; 3],
    /// c (t − t of the first), and one sigma of that, metres.
    range_m: f64,
    sd_m: f64,
    /// Towards the emitter, and one sigma, radians.
    azimuth: Option<(f64, f64)>,
}

/// What is held to be so, and how high an emitter is expected to be.
#[derive(Clone, Copy)]
struct State {
    place: LonLat,
    height_m: f64,
    /// c (t₀ − t of the first), metres.
    offset_m: f64,
}

#[derive(Clone, Copy)]
struct Prior {
    height_m: f64,
    sd_m: f64,
}

/// Rows of a linear problem about a state: residual, its derivative by east, north, up and offset, and one sigma.
struct Row {
    residual: f64,
    slope: [f64; 4],
    sd: f64,
}

type Square = [[f64; 4]; 4];

/// The most likely place of what these nodes heard; whether they bear it out tell the residuals. `None` for fewer than [`LEAST_NODES`].
/// The same to the bit in whatever order they are given.
pub fn locate(heard: &[Heard]) -> Option<Fix> {
    locate_from(heard, starts)
}

/// The same near a place and height where it is likely to be.
pub fn locate_about(heard: &[Heard], place: LonLat, height_m: f64) -> Option<Fix> {
    locate_from(heard, |_, sites, _| {
        let at_m = place.earth_fixed_m(height_m);
        let offset_m = median(sites.iter().map(|site| site.range_m - between(site.at_m, at_m).1).collect());
        offset_m.map(|offset_m| State { place, height_m, offset_m }).into_iter().collect()
    })
}

fn locate_from(heard: &[Heard], starts: impl Fn(&[Heard], &[Site], Prior) -> Vec<State>) -> Option<Fix> {
    if heard.len() < LEAST_NODES {
        return None;
    }
    let mut heard = heard.to_vec();
    heard.sort_by(Heard::before);
    let heard = heard.as_slice();
    let first_ns = heard.iter().map(|it| it.time_ns).min()?;
    let sites: Vec<Site> = heard.iter().map(|it| site(it, first_ns)).collect();
    let ground = Prior { height_m: median(heard.iter().map(|it| it.height_m).collect())?, sd_m: GROUND_SD_M };
    let sd_s = median(heard.iter().map(|it| it.sd_s).collect())?;
    let flying = Prior { height_m: ground.height_m + FLYING_M.0, sd_m: FLYING_M.1 };
    let most_likely = |prior: Prior| {
        let found = starts(heard, &sites, prior).into_iter().filter_map(|state| search(&sites, state, prior));
        let found = found.max_by(|a, b| a.evidence.total_cmp(&b.evidence))?;
        Some((found.evidence, found.fix(first_ns, sd_s)))
    };
    let of_both = [most_likely(ground), most_likely(flying)];
    let told = of_both.iter().enumerate().filter_map(|(which, it)| it.as_ref().map(|(p, fix)| (which, *p, fix)));
    // Four nodes have nothing that could contradict that it flies.
    let told = told.filter(|it| it.0 == 0 || heard.len() >= LEAST_NODES_FLYING);
    let (which, evidence, fix) = told.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mut fix = fix.clone();
    if let Some((other_evidence, other)) = &of_both[1 - which] {
        fix.may_be(other, 1.0 / (1.0 + (evidence - other_evidence).max(0.0).exp()));
    }
    Some(fix)
}

/// c (t − t of the first), metres.
fn range_m(heard: &Heard, first_ns: i64) -> f64 {
    LIGHT_IN_AIR_M_S * (heard.time_ns - first_ns) as f64 * 1e-9
}

fn site(heard: &Heard, first_ns: i64) -> Site {
    Site {
        at_m: heard.place.earth_fixed_m(heard.height_m),
        axes: heard.place.east_north_up(),
        range_m: range_m(heard, first_ns),
        sd_m: LIGHT_IN_AIR_M_S * heard.sd_s,
        azimuth: heard.azimuth.map(|(deg, sd_deg)| (deg.to_radians(), sd_deg.hypot(BEARING_FLOOR_DEG).to_radians())),
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn between(from: [f64; 3], to: [f64; 3]) -> ([f64; 3], f64) {
    let way = [to[0] - from[0], to[1] - from[1], to[2] - from[2]];
    (way, dot(way, way).sqrt().max(1.0))
}

/// The best places of a grid about the nodes, none beside a better one, by the sum of absolute residuals.
fn starts(heard: &[Heard], sites: &[Site], prior: Prior) -> Vec<State> {
    let first = heard[0].place;
    let offsets: Vec<(f64, f64)> = heard.iter().map(|it| first.flat_offset_m(it.place)).collect();
    let count = offsets.len() as f64;
    let middle = offsets.iter().fold((0.0, 0.0), |sum, at| (sum.0 + at.0 / count, sum.1 + at.1 / count));
    let spread_m = offsets.iter().map(|at| (at.0 - middle.0).hypot(at.1 - middle.1)).fold(0.0, f64::max);
    let step_m = (1.6 * spread_m).max(5_000.0) / f64::from(STEPS);
    let centre = first.toward(middle.0.atan2(middle.1).to_degrees(), middle.0.hypot(middle.1));
    // A degree is so long there; where a step falls exactly does not matter.
    let east_m = centre.flat_offset_m(LonLat { lon_deg: centre.lon_deg + 0.01, ..centre }).0 / 0.01;
    let north_m = centre.flat_offset_m(LonLat { lat_deg: centre.lat_deg + 0.01, ..centre }).1 / 0.01;
    let mut looked: Vec<(f64, (i32, i32), State)> = Vec::new();
    let mut offsets_m = Vec::with_capacity(sites.len());
    for x in -STEPS..=STEPS {
        for y in -STEPS..=STEPS {
            let lon_deg = centre.lon_deg + f64::from(x) * step_m / east_m;
            let lat_deg = centre.lat_deg + f64::from(y) * step_m / north_m;
            let Some(place) = LonLat::checked(lon_deg, lat_deg) else { continue };
            let at_m = place.earth_fixed_m(prior.height_m);
            offsets_m.clear();
            offsets_m.extend(sites.iter().map(|site| site.range_m - between(site.at_m, at_m).1));
            offsets_m.sort_by(f64::total_cmp);
            let offset_m = offsets_m[offsets_m.len() / 2];
            let misfit_m: f64 = offsets_m.iter().map(|it| (it - offset_m).abs()).sum();
            looked.push((misfit_m, (x, y), State { place, height_m: prior.height_m, offset_m }));
        }
    }
    looked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<((i32, i32), State)> = Vec::with_capacity(STARTS);
    for (_, at, state) in looked {
        if chosen.len() < STARTS
            && chosen.iter().all(|(other, _)| (other.0 - at.0).abs().max((other.1 - at.1).abs()) > 1)
        {
            chosen.push((at, state));
        }
    }
    chosen.into_iter().map(|(_, state)| state).collect()
}

/// The middle one, the larger of two; `None` of none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What the arrivals and bearings come to at a state.
fn rows(sites: &[Site], state: State) -> Vec<Row> {
    let at_m = state.place.earth_fixed_m(state.height_m);
    let axes = state.place.east_north_up();
    let mut rows = Vec::with_capacity(2 * sites.len());
    for site in sites {
        let (way, distance_m) = between(site.at_m, at_m);
        let toward = axes.map(|axis| dot(way, axis) / distance_m);
        rows.push(Row {
            residual: site.range_m - distance_m - state.offset_m,
            slope: [toward[0], toward[1], toward[2], 1.0],
            sd: site.sd_m,
        });
        if let Some((azimuth, sd)) = site.azimuth {
            let (east_m, north_m) = (dot(way, site.axes[0]), dot(way, site.axes[1]));
            let across_m2 = (east_m * east_m + north_m * north_m).max(1.0);
            let turned = azimuth - east_m.atan2(north_m);
            let residual = (turned + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU) - std::f64::consts::PI;
            let by =
                axes.map(|axis| (north_m * dot(axis, site.axes[0]) - east_m * dot(axis, site.axes[1])) / across_m2);
            rows.push(Row { residual, slope: [by[0], by[1], by[2], 0.0], sd });
        }
    }
    rows
}

/// Minus the logarithm of how likely it is, but for what all states have in common.
fn cost(rows: &[Row], state: State, prior: Prior) -> f64 {
    let misfit: f64 = rows.iter().map(|row| (row.residual / row.sd).powi(2)).map(student).sum();
    misfit + 0.5 * ((state.height_m - prior.height_m) / prior.sd_m).powi(2)
}

/// Minus the logarithm of how likely an error of so many sigma, squared, is, but for what all have in common.
pub fn student(z2: f64) -> f64 {
    0.5 * (FREEDOM + 1.0) * (z2 / FREEDOM).ln_1p()
}

/// The normal equations with these weights, and the prior.
fn normal(rows: &[Row], state: State, prior: Prior, weight: impl Fn(&Row) -> f64) -> (Square, [f64; 4]) {
    let (mut matrix, mut right) = ([[0.0; 4]; 4], [0.0; 4]);
    for row in rows {
        let weight = weight(row);
        for a in 0..4 {
            for b in 0..4 {
                matrix[a][b] += weight * row.slope[a] * row.slope[b];
            }
            right[a] += weight * row.slope[a] * row.residual;
        }
    }
    matrix[2][2] += prior.sd_m.powi(-2);
    right[2] += (prior.height_m - state.height_m) / prior.sd_m.powi(2);
    (matrix, right)
}

/// A place that was found: how it stands, how uncertain, how badly it fits, and the logarithm of the evidence for it.
struct Found {
    state: State,
    covariance: Square,
    cost: f64,
    evidence: f64,
}

/// Goes downhill from there.
fn search(sites: &[Site], from: State, prior: Prior) -> Option<Found> {
    let mut state = from;
    for step in 0..FIRST_STEPS + LAST_STEPS {
        let rows = rows(sites, state);
        let (matrix, right) = match step < FIRST_STEPS {
            true => normal(&rows, state, prior, |row| 1.0 / (row.sd * row.residual.abs().max(row.sd))),
            false => normal(&rows, state, prior, |row| {
                (FREEDOM + 1.0) / (FREEDOM + (row.residual / row.sd).powi(2)) / row.sd.powi(2)
            }),
        };
        let (inverse, _) = inverse(&matrix)?;
        let by: [f64; 4] = std::array::from_fn(|a| (0..4).map(|b| inverse[a][b] * right[b]).sum());
        // No further at a time than the earth is flat.
        let far_m = by[0].hypot(by[1]);
        let share = (100_000.0 / far_m.max(1.0)).min(1.0);
        if !far_m.is_finite() {
            return None;
        }
        state.place = state.place.toward(by[0].atan2(by[1]).to_degrees(), share * far_m);
        state.height_m += share * by[2];
        state.offset_m += share * by[3];
        if step >= FIRST_STEPS && far_m < 0.1 && by[2].abs() < 1.0 {
            break;
        }
    }
    let rows = rows(sites, state);
    let is_of_it = |row: &Row| (row.residual / row.sd).abs() <= OUTLIER_SD;
    // Where too few bear a place out there is no more to say of it than how bad it is.
    let is_borne_out = rows.iter().filter(|row| is_of_it(row)).count() >= LEAST_NODES;
    // Fisher's information of a location under Student's t (Lange, Little and Taylor 1989, J. Am. Stat. Assoc. 84).
    let known = (FREEDOM + 1.0) / (FREEDOM + 3.0);
    let (matrix, _) = normal(&rows, state, prior, |row| match is_of_it(row) || !is_borne_out {
        true => known / row.sd.powi(2),
        false => 0.0,
    });
    let (covariance, log_determinant) = inverse(&matrix)?;
    let cost = cost(&rows, state, prior);
    let evidence = match is_borne_out {
        true => -cost - prior.sd_m.ln() - 0.5 * log_determinant,
        false => -cost - NOT_BORNE_OUT,
    };
    evidence.is_finite().then_some(Found { state, covariance, cost, evidence })
}

impl Found {
    fn fix(&self, first_ns: i64, sd_s: f64) -> Fix {
        let Found { state, covariance, cost, .. } = self;
        Fix {
            place: state.place,
            height_m: state.height_m,
            height_sd_m: covariance[2][2].sqrt(),
            covariance_m2: (covariance[0][0], covariance[0][1], covariance[1][1]),
            first_ns,
            offset_m: state.offset_m,
            sd_s,
            misfit: 2.0 * cost,
        }
    }
}

/// The inverse of a symmetric positive matrix and the logarithm of its determinant, by Cholesky's decomposition.
fn inverse(matrix: &Square) -> Option<(Square, f64)> {
    let mut lower = [[0.0; 4]; 4];
    for a in 0..4 {
        for b in 0..=a {
            let rest = matrix[a][b] - (0..b).map(|k| lower[a][k] * lower[b][k]).sum::<f64>();
            lower[a][b] = match a == b {
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / lower[b][b],
            };
        }
    }
    let log_determinant = 2.0 * (0..4).map(|k| lower[k][k].ln()).sum::<f64>();
    let mut inverse = [[0.0; 4]; 4];
    for column in 0..4 {
        let mut solved = [0.0; 4];
        for a in 0..4 {
            let unit = f64::from(u8::from(a == column));
            solved[a] = (unit - (0..a).map(|k| lower[a][k] * solved[k]).sum::<f64>()) / lower[a][a];
        }
        for a in (0..4).rev() {
            solved[a] = (solved[a] - (a + 1..4).map(|k| lower[k][a] * solved[k]).sum::<f64>()) / lower[a][a];
        }
        (0..4).for_each(|a| inverse[a][column] = solved[a]);
    }
    Some((inverse, log_determinant))
}

#[cfg(test)]
mod tests;
