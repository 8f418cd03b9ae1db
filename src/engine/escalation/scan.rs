//! Where it is: the circle and the stretch of time up to now in which more happens than in any other, against what is usual
//! in just those cells.
//!
//! The prospective space-time scan of Kulldorff (2001, J. R. Stat. Soc. A 164, 61–72; 2005, PLoS Medicine 2, e59) with
//! the expectation from the past (Neill 2009, Int. J. Forecasting 25, 498–517): of all cylinders that reach up to now, the
//! one with the largest n ln(n/m) − (n − m), n having been found and m being usual. That number is also Chernoff's
//! bound: so many or more come by chance with e^(−it) at most. Divided by the dispersion, and times the number of
//! cylinders of a year, it bounds how often any would be found, without a draw of random numbers. It raises nothing, and is
//! worked out when something is said.

use super::grid::{CellKey, Grid};
use super::unrest::Unrest;
use super::usual::Terms;
use crate::model::geo::LonLat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most cells; what lies in further ones is not looked at.
const MAX_CELLS: usize = 32_768;
/// Radii of circles, in cells.
const RADII: [f64; 4] = [0.0, 1.0, 2.0, 3.0];
/// Stretches of time, in bins; the longest is how many are remembered.
const STRETCHES: [i64; 6] = [1, 2, 4, 8, 16, 24];
const RECENT: i64 = 24;
/// A cell that had less than this of late is forgotten.
const FORGOTTEN: f64 = 0.05;
/// Each cell has had so much more than was found (Jeffreys' prior).
const PRIOR: f64 = 0.5;

/// A circle with what is in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Its middle.
    pub middle: LonLat,
    /// Its radius, m.
    pub radius_m: f64,
    /// How many bins back it reaches, this one included.
    pub bins: i64,
    /// What was found.
    pub count: u32,
    /// What is usual.
    pub expected: f64,
    /// The bound above, nats.
    nats: f64,
}

/// A cell in which there was fire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// How much, faded.
    past: f64,
    /// How many in which of the last bins.
    recent: Vec<(i64, u32)>,
}

/// The cells.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scan {
    /// Those in which there was fire.
    pub cells: BTreeMap<CellKey, Cell>,
    /// How long it was looked at them, in hours of average size, faded.
    pub hours: f64,
}

impl Scan {
    /// Takes in what was found in a bin in which so much was usual by the hour of the day.
    pub fn add(&mut self, bin: i64, incidents: &[LonLat], factor: f64, grid: Grid, terms: Terms) {
        let fades = terms.fades();
        self.hours = self.hours * fades + factor * terms.bin_h;
        for cell in self.cells.values_mut() {
            cell.past *= fades;
            cell.recent.retain(|&(at, _)| bin - at < RECENT);
        }
        self.cells.retain(|_, cell| cell.past > FORGOTTEN || !cell.recent.is_empty());
        for &place in incidents {
            let key = grid.cell(place);
            if self.cells.len() >= MAX_CELLS && !self.cells.contains_key(&key) {
                continue;
            }
            let cell = self.cells.entry(key).or_default();
            cell.past += 1.0;
            match cell.recent.last_mut() {
                Some((at, count)) if *at == bin => *count += 1,
                _ => cell.recent.push((bin, 1)),
            }
        }
    }

    /// The best circle about a cell with fire in this bin that `is_in`, where so much is usual by the hour of the day; `None`
    /// if chance has a better one oftener than `per_year`, of so many bins a year.
    pub fn best(
        &self,
        bin: i64,
        is_in: impl Fn(LonLat) -> bool,
        grid: Grid,
        (factor, bin_h): (f64, f64),
        unrest: &Unrest,
        (per_year, bins_per_year): (f64, f64),
    ) -> Option<Circle> {
        let has_now = |cell: &Cell| cell.recent.last().is_some_and(|&(at, _)| at == bin);
        let middles = self.cells.iter().filter(|(_, cell)| has_now(cell)).map(|(&key, _)| grid.middle(key));
        let best = middles
            .filter(|&middle| is_in(middle))
            .flat_map(|middle| self.circles(bin, middle, grid, factor * bin_h, unrest))
            .max_by(|a, b| a.nats.total_cmp(&b.nats))?;
        let cylinders = (self.cells.len() * RADII.len() * STRETCHES.len()) as f64;
        (bins_per_year * cylinders * (-best.nats).exp() <= per_year).then_some(best)
    }

    /// Circles about a place with more than usual in them.
    fn circles(&self, bin: i64, middle: LonLat, grid: Grid, usual_h: f64, unrest: &Unrest) -> Vec<Circle> {
        let mut near: Vec<(f64, CellKey)> = grid
            .about(middle, (RADII[RADII.len() - 1] + 0.1) * grid.size_m())
            .into_iter()
            .map(|key| (middle.flat_distance_m(grid.middle(key)) / grid.size_m(), key))
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut circles = Vec::new();
        for radius in RADII {
            let inside = || near.iter().take_while(|it| it.0 <= radius + 0.1).map(|it| self.cells.get(&it.1));
            let past: f64 = inside().map(|cell| PRIOR + cell.map_or(0.0, |cell| cell.past)).sum();
            // What was found now is no usual yet.
            for bins in STRETCHES {
                let recent = inside().flatten().flat_map(|cell| &cell.recent);
                let count: u32 = recent.filter(|it| bin - it.0 < bins).map(|it| it.1).sum();
                let n = f64::from(count);
                let expected = (past - n).max(PRIOR) / self.hours.max(1.0) * usual_h * bins as f64;
                let most = expected * unrest.least(past);
                if n > most {
                    let nats = (n * (n / most).ln() - (n - most)) / unrest.dispersion();
                    let radius_m = (radius + 0.5) * grid.size_m();
                    circles.push(Circle { middle, radius_m, bins, count, expected, nats });
                }
            }
        }
        circles
    }
}

#[cfg(test)]
mod tests {
    use super::super::unrest::{SLACK, SWING2};
    use super::*;

    const CELL_M: f64 = 5000.0;
    const TERMS: Terms = Terms { bin_h: 1.0 / 12.0, memory_h: 168.0, least_history_h: 24.0 };

    #[test]
    fn what_is_found_is_the_circle_and_the_stretch_in_which_it_was_put() {
        let (grid, mut scan) = (Grid::new(CELL_M), Scan::default());
        let middle = grid.middle(grid.cell(LonLat { lon_deg: 31.5, lat_deg: 46.9 }));
        let all: Vec<LonLat> = grid.about(middle, 30_000.0).into_iter().map(|key| grid.middle(key)).collect();
        let ring: Vec<LonLat> = grid.about(middle, 1.1 * CELL_M).into_iter().map(|key| grid.middle(key)).collect();
        for bin in 0..640 {
            // One everywhere now and then; in the last four bins two in each of some cells side by side.
            let mut found: Vec<LonLat> =
                all.iter().enumerate().filter(|(at, _)| (*at as i64 + bin) % 50 == 0).map(|it| *it.1).collect();
            if bin >= 636 {
                found.retain(|place| !ring.contains(place));
                found.extend(ring.iter().chain(&ring));
            }
            scan.add(bin, &found, 1.0, grid, TERMS);
        }
        let unrest = Unrest::assumed(1.2, SWING2, SLACK);
        let best = |is_in: &dyn Fn(LonLat) -> bool, bin: i64| {
            scan.best(bin, is_in, grid, (1.0, TERMS.bin_h), &unrest, (12.0, 105_192.0))
        };
        let found = best(&|_| true, 639).expect("something");
        assert_eq!((found.middle, found.radius_m, found.bins), (middle, 1.5 * CELL_M, 4));
        assert_eq!(found.count, 8 * ring.len() as u32);
        assert!((found.expected - ring.len() as f64 * 4.0 * 0.02).abs() < 0.1, "{found:?}");
        assert_eq!(best(&|place| place.flat_distance_m(middle) > 5.0 * CELL_M, 639), None, "nothing elsewhere");
        assert_eq!(best(&|_| true, 640), None, "no fire now");
    }

    #[test]
    fn cells_without_fire_are_forgotten() {
        let (grid, mut scan) = (Grid::new(CELL_M), Scan::default());
        scan.add(0, &[LonLat { lon_deg: 31.5, lat_deg: 46.9 }], 1.0, grid, TERMS);
        (1..12 * 400).for_each(|bin| scan.add(bin, &[], 1.0, grid, TERMS));
        assert_eq!(scan.cells.len(), 1);
        (12 * 400..12 * 600).for_each(|bin| scan.add(bin, &[], 1.0, grid, TERMS));
        assert!(scan.cells.is_empty());
    }
}
