//! From one arrival, the apex, to the best event it could belong to: branch and bound over the places within its
//! node's range. The most promising square is cut in four; each quarter keeps only the arrivals that can still fit,
//! and one that can't hold anything better than what was found is let go.

use super::kernel::{self, Cell, Ears, Isa, Partners, Wind};
use super::locate::{Free, Located, Place, Problem};
use super::wave::Wave;
use super::window::Slot;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Arrivals compared with cells for one apex at most: in a flood the search ends with the best so far.
pub const MAX_WORK: usize = 80_000;

/// The same for the first word about an event, which must not keep the next arrival waiting.
pub const MAX_LIVE_WORK: usize = 20_000;

/// Leaves located for one apex at most.
pub const MAX_LEAVES: usize = 10;

/// Partners of one apex at most; beyond, the nearest in time stay.
pub const MAX_PARTNERS: usize = 1_024;

/// Sound crosses half a leaf in this time: within it the fit finds the place itself.
const LEAF_S: f64 = 0.1;

/// ln of the largest volume (m² s) that the covariance's root determinant is given credit for in the bound, with
/// the (3/2) ln 2π of the score: 100 m × 100 m × 0.3 s.
const LN_VOLUME: f64 = 8.0 + 2.76;

/// Waves this slow feel the wind, s/m.
const FEELS_WIND_S_M: f32 = 1.0 / 1_000.0;

/// A square that may hold the event.
struct Square {
    bound: f32,
    cell: Cell,
    side_m: f32,
    partners: Partners,
}

impl PartialEq for Square {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Square {}
impl PartialOrd for Square {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Square {
    fn cmp(&self, other: &Self) -> Ordering {
        // Equal ones are settled by size and place, so that the order of the search is the same everywhere.
        self.bound
            .total_cmp(&other.bound)
            .then(other.side_m.total_cmp(&self.side_m))
            .then(self.cell.x_m.total_cmp(&other.cell.x_m))
            .then(self.cell.y_m.total_cmp(&other.cell.y_m))
    }
}

/// Memory of the search, used again.
#[derive(Default)]
pub struct Search {
    ears: Ears,
    found: Vec<(f64, Slot, u32)>,
    all: Partners,
    squares: BinaryHeap<Square>,
    spare: Vec<Partners>,
    worth: Vec<f32>,
    which: Vec<u32>,
}

/// What a search is after.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Only what scores above this.
    pub bar: f64,
    /// Arrivals compared with cells at most.
    pub work: usize,
}

/// One search under way.
struct Hunt<'a> {
    isa: Isa,
    problem: &'a Problem<'a>,
    apex: Slot,
    free: Free<'a>,
    wind: Wind,
    /// What a bound of 0 would score.
    credit: f64,
    range_m: f32,
    leaf_m: f32,
    slowness_s_m: f32,
    bar: f64,
    best: Option<Located>,
    tried: Vec<(f64, f64)>,
    leaves: usize,
    work: usize,
    most_work: usize,
}

impl Hunt<'_> {
    /// Whether a cell of that bound may hold something better than what was found.
    fn is_promising(&self, bound: f32) -> bool {
        let worth = self.credit + f64::from(bound);
        worth >= self.best.as_ref().map_or(self.bar, |best| best.score)
    }

    fn is_spent(&self) -> bool {
        self.work >= self.most_work || self.leaves >= MAX_LEAVES
    }

    fn cell(&self, x_m: f32, y_m: f32, side_m: f32) -> Cell {
        let sites = self.problem.field.sites();
        let wave = sites[self.problem.window.arrival(self.apex).site as usize].wave;
        let travel = self.problem.medium.travel(wave, -f64::from(x_m), -f64::from(y_m));
        Cell {
            x_m,
            y_m,
            half_m: side_m * std::f32::consts::SQRT_2,
            apex_travel_s: travel.time_s as f32,
            apex_slowness_s_m: self.slowness_s_m,
        }
    }

    /// Locates the event from the middle of a leaf.
    fn leaf(&mut self, cell: Cell) {
        let arrival = self.problem.window.arrival(self.apex);
        let site = &self.problem.field.sites()[arrival.site as usize];
        let (x_m, y_m) = (site.x_m + f64::from(cell.x_m), site.y_m + f64::from(cell.y_m));
        let near_m = 4.0 * f64::from(self.leaf_m);
        if self.tried.iter().any(|&(tx, ty)| (tx - x_m).hypot(ty - y_m) < near_m) {
            return;
        }
        self.leaves += 1;
        self.tried.push((x_m, y_m));
        let start = Place { x_m, y_m, time_s: arrival.time_s - f64::from(cell.apex_travel_s) };
        let Some(located) = self.problem.fit(start, self.free) else { return };
        self.tried.push((located.at.x_m, located.at.y_m));
        let holds_apex = located.arrivals.iter().any(|explained| explained.slot == self.apex);
        if holds_apex && located.score > self.best.as_ref().map_or(self.bar, |best| best.score) {
            self.best = Some(located);
        }
    }
}

impl Search {
    /// The best event that holds the arrival `apex`, of those that are wanted; arrivals that are not `free` are
    /// left alone.
    pub fn best(
        &mut self,
        isa: Isa,
        problem: &Problem<'_>,
        apex: Slot,
        wanted: Wanted,
        free: Free<'_>,
    ) -> Option<Located> {
        let arrival = *problem.window.arrival(apex);
        let site = &problem.field.sites()[arrival.site as usize];
        if site.wave == Wave::Flash {
            // Light has no travel time to turn into a place; flashes join events that others found.
            return None;
        }
        let others = self.gather(problem, apex, free);
        if others + 1 < problem.settings.min_arrivals && !arrival.azimuth_deg.is_finite() {
            return None;
        }
        self.listen(problem, apex);
        let speed_m_s = problem.medium.speed_m_s(site.wave);
        let slowness_s_m = (1.0 / speed_m_s) as f32;
        let (east, north) = problem.medium.wind_share();
        let wind = Wind { east: east as f32, north: north as f32, from_slowness_s_m: FEELS_WIND_S_M };
        let apex_gain = peak_gain(problem, arrival.site, arrival.time_s, arrival.sd_s, free);
        let credit = problem.ln_rate + apex_gain + LN_VOLUME;
        let leaf_m = (LEAF_S * speed_m_s) as f32;
        let mut hunt = Hunt {
            isa,
            problem,
            apex,
            free,
            wind,
            credit,
            range_m: site.range_m as f32,
            leaf_m,
            slowness_s_m,
            bar: wanted.bar,
            best: None,
            tried: Vec::with_capacity(2 * MAX_LEAVES),
            leaves: 0,
            work: 0,
            most_work: wanted.work,
        };
        self.spare.extend(self.squares.drain().map(|square| square.partners));
        let root = hunt.cell(0.0, 0.0, site.range_m as f32);
        let all = std::mem::take(&mut self.all);
        self.consider(&mut hunt, root, site.range_m as f32, &all);
        self.all = all;
        while let Some(square) = self.squares.pop() {
            // The rest of the heap promises less still.
            if hunt.is_spent() || !hunt.is_promising(square.bound) {
                self.spare.push(square.partners);
                break;
            }
            if square.side_m <= hunt.leaf_m {
                hunt.leaf(square.cell);
            } else {
                let side_m = square.side_m / 2.0;
                for (right, up) in [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)] {
                    let quarter = hunt.cell(square.cell.x_m + right * side_m, square.cell.y_m + up * side_m, side_m);
                    self.consider(&mut hunt, quarter, side_m, &square.partners);
                }
            }
            self.spare.push(square.partners);
        }
        hunt.best
    }

    /// Puts a cell on the heap with those of `partners` that can still fit, if it is promising.
    fn consider(&mut self, hunt: &mut Hunt<'_>, cell: Cell, side_m: f32, partners: &Partners) {
        if cell.x_m.hypot(cell.y_m) - cell.half_m > hunt.range_m {
            return;
        }
        hunt.work += partners.len + kernel::LANES;
        let bound = kernel::bound(hunt.isa, partners, &self.ears, cell, hunt.wind, &mut self.worth);
        if hunt.is_promising(bound) {
            let mut fitting = self.spare.pop().unwrap_or_default();
            fitting.take_worthy(partners, &self.worth, &mut self.which);
            self.squares.push(Square { bound, cell, side_m, partners: fitting });
        }
    }

    /// Puts the sites around the apex's whose silence would mean something by now into columns.
    fn listen(&mut self, problem: &Problem<'_>, apex: Slot) {
        self.ears.clear();
        let arrival = problem.window.arrival(apex);
        let sites = problem.field.sites();
        let here = &sites[arrival.site as usize];
        // Whatever this arrival belongs to, it has reached everyone by then.
        if arrival.time_s + problem.travel_s > problem.heard_until_s {
            self.ears.pad();
            return;
        }
        for &number in problem.field.around(arrival.site) {
            let there = &sites[number as usize];
            if !there.wave.silence_counts() || !problem.weather.is_up(there.node, arrival.time_ns, there.heartbeat_s) {
                continue;
            }
            let within = |share: f64| {
                let distance_m = share * there.range_m;
                (distance_m as f32, (1.0 - there.detect_p(distance_m)).ln() as f32)
            };
            self.ears.push((there.x_m - here.x_m) as f32, (there.y_m - here.y_m) as f32, within(0.65), within(1.0));
        }
        self.ears.pad();
    }

    /// Puts the arrivals that could share an event with the apex into columns; gives the number of their sites.
    ///
    /// Two arrivals of one event differ by at most d·s + (s' − s)·range, the pairwise gate: |t_i − t_j| ≤ d_ij / c for
    /// waves of one speed, 5% more for the wind and four sigma for the picks.
    fn gather(&mut self, problem: &Problem<'_>, apex: Slot, free: Free<'_>) -> usize {
        let arrival = problem.window.arrival(apex);
        let sites = problem.field.sites();
        let here = &sites[arrival.site as usize];
        let slowness_here = 1.0 / problem.medium.speed_m_s(here.wave);
        self.found.clear();
        let mut distinct = 0;
        for &number in problem.field.around(arrival.site) {
            let there = &sites[number as usize];
            if number == arrival.site {
                continue;
            }
            let distance_m = (there.x_m - here.x_m).hypot(there.y_m - here.y_m);
            let slowness = 1.0 / problem.medium.speed_m_s(there.wave);
            let gate_s = 1.05
                * (distance_m * slowness.max(slowness_here) + here.range_m * (slowness - slowness_here).abs())
                + 4.0 * (arrival.sd_s.hypot(0.3));
            // Both come within the longest travel time of the event.
            let gate_s = gate_s.min(problem.travel_s);
            let before = self.found.len();
            for (time_s, slot) in
                problem.window.between(number, arrival.time_s - gate_s, (arrival.time_s + gate_s).min(problem.until_s))
            {
                if (free.arrival)(slot) {
                    self.found.push(((time_s - arrival.time_s).abs(), slot, number));
                }
            }
            distinct += usize::from(self.found.len() > before);
        }
        if self.found.len() > MAX_PARTNERS {
            self.found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)).then(a.1.cmp(&b.1)));
            self.found.truncate(MAX_PARTNERS);
        }
        let partners = &mut self.all;
        partners.clear();
        for &(_, slot, number) in &self.found {
            let there = &sites[number as usize];
            let partner = problem.window.arrival(slot);
            let gain = peak_gain(problem, number, partner.time_s, partner.sd_s, free);
            if gain <= 0.0 {
                continue;
            }
            let slowness = 1.0 / problem.medium.speed_m_s(there.wave);
            let path_sd_s = problem.medium.path_sd_s(there.wave, there.range_m * slowness);
            let variance = partner.sd_s.powi(2) + arrival.sd_s.powi(2) + path_sd_s.powi(2);
            partners.push(
                number,
                (there.x_m - here.x_m) as f32,
                (there.y_m - here.y_m) as f32,
                (partner.time_s - arrival.time_s) as f32,
                slowness as f32,
                gain as f32,
                (0.5 / variance) as f32,
                there.range_m as f32,
            );
        }
        partners.pad();
        distinct
    }
}

/// What an arrival is worth at best: picked by a node close by, with no residual.
fn peak_gain(problem: &Problem<'_>, number: u32, time_s: f64, sd_s: f64, free: Free<'_>) -> f64 {
    let site = &problem.field.sites()[number as usize];
    let p = site.detect_p(0.0);
    let ln_heard = if site.wave.silence_counts() { (p / (1.0 - p)).ln() } else { p.ln() };
    ln_heard - (std::f64::consts::TAU.sqrt() * sd_s).ln() - problem.clutter(number, site, time_s, free).ln()
}
