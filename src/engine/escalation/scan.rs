//! Where it is: the circle and the stretch of time up to now in which more happens than in any other, against what is usual
//! in just those cells.
//!
//! The prospective space-time scan of Kulldorff (2001, J. R. Stat. Soc. A 164, 61–72; 2005, PLoS Medicine 2, e59) with
//! the expectation from the past (Neill 2009, Int. J. Forecasting 25, 498–517): of all cylinders that reach up to now, the
//! one with the largest n ln(n/m) − (n − m), n having been found and m being usual. That number is also Chernoff's
//! bound: so many or more come by chance with e^(−it) at most. Divided by the dispersion, and times the number of
//! cylinders of a year, it bounds how often any would be found, without a draw of random numbers.

use super::coverage::Coverage;
use super::grid::{CellKey, Grid};
use std::collections::BTreeMap;

/// Radii of circles, in cells.
const RADII: [f64; 4] = [0.0, 1.0, 2.0, 3.0];
/// Stretches of time, in bins; the longest is how many are remembered.
const STRETCHES: [usize; 6] = [1, 2, 4, 8, 16, 24];
/// Bins that are remembered of each cell.
pub const RECENT: usize = 24;

/// What is usual in a cell in a bin, and on how many counts that rests.
#[derive(Clone, Copy, Debug)]
pub struct Usual {
    /// Expected.
    pub expected: f64,
    /// Counts.
    pub rests_on: f64,
}

/// A circle with what is in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The cell in its middle, by its place in the order.
    pub middle: usize,
    /// Its radius, m.
    pub radius_m: f64,
    /// How many bins back it reaches, this one included.
    pub bins: usize,
    /// What was found.
    pub count: u32,
    /// What is usual.
    pub expected: f64,
    /// The bound above, nats.
    pub nats: f64,
}

impl Found {
    /// How often in a year any circle of so many cells would have that, at most, where a year has so many bins.
    pub fn per_year(&self, cells: usize, bins_per_year: f64) -> f64 {
        bins_per_year * (cells * RADII.len() * STRETCHES.len()) as f64 * (-self.nats).exp()
    }
}

/// The neighbours of each cell, ring by ring, and what was found there of late.
#[derive(Debug, Default)]
pub struct Scan {
    cell_m: f64,
    /// Of each cell, where each ring ends and the cells in it, its own first.
    rings: Vec<([usize; RADII.len()], Vec<u32>)>,
    /// Of each cell, by bin modulo [`RECENT`].
    recent: Vec<[u32; RECENT]>,
    newest: i64,
}

impl Scan {
    /// Scans these cells; what was found of late stays.
    pub fn lay_out(&mut self, coverage: &Coverage, grid: Grid, cell_m: f64, known: &BTreeMap<CellKey, usize>) {
        let mut before = std::mem::take(&mut self.recent);
        self.rings.clear();
        for key in coverage.keys() {
            let middle = grid.middle(key);
            let (mut ends, mut cells) = ([0; RADII.len()], Vec::new());
            for (end, radius) in ends.iter_mut().zip(RADII) {
                for near in grid.about(middle, (radius + 0.1) * cell_m) {
                    if let Some(at) = coverage.find(near).map(|at| at as u32)
                        && !cells.contains(&at)
                    {
                        cells.push(at);
                    }
                }
                *end = cells.len();
            }
            self.rings.push((ends, cells));
            let was = known.get(&key).and_then(|&at| before.get_mut(at)).map(std::mem::take);
            self.recent.push(was.unwrap_or_default());
        }
        self.cell_m = cell_m;
    }

    /// Takes in what was found in a bin, by cells.
    pub fn add(&mut self, bin: i64, found: &[(usize, u32)]) {
        // Bins that were left out are empty.
        for gone in (self.newest.max(bin - RECENT as i64) + 1)..=bin {
            let slot = gone.rem_euclid(RECENT as i64) as usize;
            self.recent.iter_mut().for_each(|cell| cell[slot] = 0);
        }
        self.newest = bin;
        for &(cell, count) in found {
            self.recent[cell][bin.rem_euclid(RECENT as i64) as usize] = count;
        }
    }

    /// What was found of late, where anything was: bin, cell, count.
    pub fn recent(&self, coverage: &Coverage) -> Vec<(i64, CellKey, u32)> {
        let mut all = Vec::new();
        for (key, counts) in coverage.keys().zip(&self.recent) {
            for bin in self.newest - RECENT as i64 + 1..=self.newest {
                let count = counts[bin.rem_euclid(RECENT as i64) as usize];
                all.extend((count > 0).then_some((bin, key, count)));
            }
        }
        all
    }

    /// Goes on with what was found of late, up to a bin.
    pub fn restore(&mut self, newest: i64, recent: &[(i64, CellKey, u32)], coverage: &Coverage) {
        self.newest = newest;
        for &(bin, key, count) in recent {
            if let Some(cell) = coverage.find(key).filter(|_| (newest - RECENT as i64 + 1..=newest).contains(&bin)) {
                self.recent[cell][bin.rem_euclid(RECENT as i64) as usize] = count;
            }
        }
    }

    /// The best circle about one of the cells in which something was found in this bin. `usual` is by cells, `None` for
    /// those that are not compared; up to `least(counts)` times that is no more than usual.
    pub fn best(
        &self,
        middles: impl Iterator<Item = usize>,
        usual: &[Option<Usual>],
        dispersion: f64,
        least: impl Fn(f64) -> f64,
    ) -> Option<Found> {
        let mut best: Option<Found> = None;
        for middle in middles {
            let (ends, cells) = &self.rings[middle];
            let (mut sums, mut bin_expected, mut rests_on, mut done) = ([0u32; RECENT], 0.0, 0.0, 0);
            for (radius, &end) in RADII.iter().zip(ends) {
                for &cell in &cells[done..end] {
                    let Some(usual) = usual[cell as usize] else { continue };
                    bin_expected += usual.expected;
                    rests_on += usual.rests_on;
                    for back in 0..RECENT {
                        let slot = (self.newest - back as i64).rem_euclid(RECENT as i64) as usize;
                        sums[back] += self.recent[cell as usize][slot];
                    }
                }
                done = end;
                let (mut count, mut from) = (0, 0);
                for bins in STRETCHES {
                    count += sums[from..bins].iter().sum::<u32>();
                    from = bins;
                    let expected = bin_expected * bins as f64;
                    let most = expected * least(rests_on);
                    let n = f64::from(count);
                    if n <= most || most <= 0.0 {
                        continue;
                    }
                    let nats = (n * (n / most).ln() - (n - most)) / dispersion;
                    if best.is_none_or(|best| nats > best.nats) {
                        let radius_m = (radius + 0.5) * self.cell_m;
                        best = Some(Found { middle, radius_m, bins, count, expected, nats });
                    }
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::super::ears::Ears;
    use super::*;
    use crate::engine::settings::Settings;
    use crate::model::geo::LonLat;
    use crate::model::kind::{Kind, KindSet};
    use crate::model::node::{Node, Registry};

    const CELL_M: f64 = 5000.0;

    fn laid_out() -> (Coverage, Scan) {
        let middle = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
        let registry = Registry::new((0..4).map(|n| Node {
            kinds: KindSet::of(Kind::Acoustic),
            position: Some(middle),
            range_m: Some(22_000.0),
            registered: true,
            ..Node::unregistered(&format!("n{n}"))
        }));
        let grid = Grid::new(CELL_M);
        let mut coverage = Coverage::new(&registry, grid, &Settings::default());
        coverage.go_to(0, 1, &Ears::new(1), &registry, &Settings::default());
        let mut scan = Scan::default();
        scan.lay_out(&coverage, grid, CELL_M, &BTreeMap::new());
        (coverage, scan)
    }

    #[test]
    fn what_is_found_is_the_circle_and_the_stretch_in_which_it_was_put() {
        let (coverage, mut scan) = laid_out();
        let cells = coverage.keys().count();
        let middle = cells / 2;
        let ring = scan.rings[middle].1[..scan.rings[middle].0[1]].to_vec();
        // Rows do not quite stand on one another.
        assert!((3..=5).contains(&ring.len()), "a cell and its neighbours");
        for bin in 100..140 {
            // Two in each of them in the last four bins; and everywhere one now and then.
            let mut found: Vec<(usize, u32)> =
                (0..cells).filter(|cell| (*cell as i64 + bin) % 50 == 0).map(|it| (it, 1)).collect();
            if bin >= 136 {
                found.retain(|(cell, _)| !ring.contains(&(*cell as u32)));
                found.extend(ring.iter().map(|&cell| (cell as usize, 2)));
            }
            scan.add(bin, &found);
        }
        let usual = vec![Some(Usual { expected: 0.02, rests_on: 40.0 }); cells];
        let best = scan.best(0..cells, &usual, 1.2, |_| 1.1).expect("something");
        assert_eq!(
            (best.middle, best.radius_m, best.bins, best.count),
            (middle, 1.5 * CELL_M, 4, 8 * ring.len() as u32)
        );
        assert!((best.expected - ring.len() as f64 * 4.0 * 0.02).abs() < 1e-9);
        assert!(best.per_year(cells, 105_192.0) < 1e-6, "{best:?}");
        let aside: Vec<Option<Usual>> =
            (0..cells).map(|cell| usual[cell].filter(|_| !ring.contains(&(cell as u32)))).collect();
        let elsewhere = scan.best(0..cells, &aside, 1.2, |_| 1.1);
        assert!(elsewhere.is_none_or(|found| found.per_year(cells, 105_192.0) > 1.0), "{elsewhere:?}");
    }

    #[test]
    fn bins_that_are_left_out_are_empty_and_old_ones_are_gone() {
        let (coverage, mut scan) = laid_out();
        scan.add(10, &[(3, 7)]);
        scan.add(13, &[(3, 1)]);
        let key = coverage.keys().nth(3).unwrap();
        assert_eq!(scan.recent(&coverage), [(10, key, 7), (13, key, 1)]);
        scan.add(10 + RECENT as i64, &[]);
        assert_eq!(scan.recent(&coverage), [(13, key, 1)]);
    }
}
