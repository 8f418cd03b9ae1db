//! From one arrival, the apex, to the best event it could belong to: branch and bound over the places within its
//! node's range, a square cell at a time, the most promising first.

use super::kernel::{self, Cell, Ears, Isa, Partners, Wind};
use super::locate::{Free, Located, Place, Problem};
use super::wave::Wave;
use super::window::Slot;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Cells looked at for one apex at most: in a flood of arrivals the search ends with the best so far.
pub const MAX_CELLS: usize = 3_000;

/// Leaves located for one apex at most.
pub const MAX_LEAVES: usize = 4;

/// Partners of one apex at most; beyond, the nearest in time stay.
pub const MAX_PARTNERS: usize = 2_048;

/// Sound crosses half a leaf in this time: within it the fit finds the place itself.
const LEAF_S: f64 = 0.25;

/// ln of the largest volume (m² s) that the covariance's root determinant is given credit for in the bound, with
/// the (3/2) ln 2π of the score: 100 m × 100 m × 0.3 s.
const LN_VOLUME: f64 = 8.0 + 2.76;

/// Waves this slow feel the wind, s/m.
const FEELS_WIND_S_M: f32 = 1.0 / 1_000.0;

struct Node {
    bound: f32,
    cell: Cell,
    side_m: f32,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Node {}
impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        // Equal bounds are settled by place, so that the order of the search is the same everywhere.
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
    partners: Partners,
    ears: Ears,
    found: Vec<(f64, Slot, u32)>,
    heap: BinaryHeap<Node>,
}

impl Search {
    /// The best event that holds the arrival `apex`, of those that score above `bar`; arrivals that are not `free`
    /// are left alone.
    pub fn best(&mut self, isa: Isa, problem: &Problem<'_>, apex: Slot, bar: f64, free: Free<'_>) -> Option<Located> {
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
        let travel_s = |x_m: f32, y_m: f32| {
            problem.medium.travel(site.wave, -f64::from(x_m), -f64::from(y_m)).time_s as f32
        };

        self.heap.clear();
        let root_m = site.range_m as f32;
        self.push(isa, Cell { x_m: 0.0, y_m: 0.0, half_m: 0.0, apex_travel_s: 0.0, apex_slowness_s_m: slowness_s_m }, root_m, wind, 0.0, &travel_s);
        let mut best: Option<Located> = None;
        let mut tried: Vec<(f64, f64)> = Vec::with_capacity(MAX_LEAVES);
        let mut cells = 0;
        while let Some(node) = self.heap.pop() {
            let worth = credit + f64::from(node.bound);
            if worth < bar || best.as_ref().is_some_and(|best| worth < best.score) || cells >= MAX_CELLS {
                break;
            }
            cells += 1;
            if node.side_m > leaf_m {
                let side_m = node.side_m / 2.0;
                for (right, up) in [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)] {
                    let cell = Cell { x_m: node.cell.x_m + right * side_m, y_m: node.cell.y_m + up * side_m, ..node.cell };
                    self.push(isa, cell, side_m, wind, root_m, &travel_s);
                }
                continue;
            }
            let (x_m, y_m) = (site.x_m + f64::from(node.cell.x_m), site.y_m + f64::from(node.cell.y_m));
            let near_m = 4.0 * f64::from(leaf_m);
            if tried.iter().any(|&(tx, ty)| (tx - x_m).hypot(ty - y_m) < near_m) {
                continue;
            }
            tried.push((x_m, y_m));
            let start = Place { x_m, y_m, time_s: arrival.time_s - f64::from(node.cell.apex_travel_s) };
            if let Some(located) = problem.fit(start, free) {
                tried.push((located.at.x_m, located.at.y_m));
                let holds_apex = located.arrivals.iter().any(|explained| explained.slot == apex);
                if holds_apex && located.score > best.as_ref().map_or(bar, |best| best.score) {
                    best = Some(located);
                }
            }
            if tried.len() >= 2 * MAX_LEAVES {
                break;
            }
        }
        best
    }

    #[allow(clippy::too_many_arguments)]
    fn push(&mut self, isa: Isa, at: Cell, side_m: f32, wind: Wind, range_m: f32, travel_s: &dyn Fn(f32, f32) -> f32) {
        let half_m = side_m * std::f32::consts::SQRT_2;
        if range_m > 0.0 && at.x_m.hypot(at.y_m) - half_m > range_m {
            return;
        }
        let cell = Cell { half_m, apex_travel_s: travel_s(at.x_m, at.y_m), ..at };
        let bound = kernel::bound(isa, &self.partners, &self.ears, cell, wind);
        self.heap.push(Node { bound, cell, side_m });
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
            let gate_s = 1.05 * (distance_m * slowness.max(slowness_here) + here.range_m * (slowness - slowness_here).abs())
                + 4.0 * (arrival.sd_s.hypot(0.3));
            // Both come within the longest travel time of the event.
            let gate_s = gate_s.min(problem.travel_s);
            let before = self.found.len();
            for (time_s, slot) in problem.window.between(number, arrival.time_s - gate_s, (arrival.time_s + gate_s).min(problem.until_s)) {
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
        self.partners.clear();
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
            self.partners.push(
                (there.x_m - here.x_m) as f32,
                (there.y_m - here.y_m) as f32,
                (partner.time_s - arrival.time_s) as f32,
                slowness as f32,
                gain as f32,
                (0.5 / variance) as f32,
                there.range_m as f32,
            );
        }
        self.partners.pad();
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
