//! A grid of cells over the earth: which boxes may contain a place or lie near it.

use super::outline::{Bounds, Reach};
use crate::model::geo::LonLat;
use rustc_hash::FxHashMap;

/// Side of a cell, degrees: about as large as an area of a ceasefire. A power of two, so that cells are exact.
const CELL_DEG: f64 = 0.25;
/// Cells around the earth.
const COLUMNS: i32 = 1440;
/// No box reaches further than this from anywhere, degrees.
const MOST_DEG: f64 = 720.0;
/// A box that touches more cells than this stands in a list of its own that every question walks through.
const MAX_CELLS: i64 = 4096;

/// Boxes by the cells they touch.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    cells: FxHashMap<(i32, i32), Vec<usize>>,
    wide: Vec<usize>,
}

/// Columns and rows, both ends included; a column counts on past the antimeridian.
struct Span {
    columns: (i32, i32),
    rows: (i32, i32),
}

impl Span {
    fn of(bounds: Bounds) -> Span {
        let cell = |degrees: f64| {
            // What reaches further is everywhere.
            let degrees = degrees.clamp(-MOST_DEG, MOST_DEG);
            // Rounded down without a call into the mathematics library.
            let towards_zero = (degrees / CELL_DEG) as i32;
            towards_zero - i32::from(f64::from(towards_zero) > degrees / CELL_DEG)
        };
        let (west, east) = (cell(bounds.west_deg), cell(bounds.east_deg));
        Span {
            columns: (west, east.min(west.saturating_add(COLUMNS - 1))),
            rows: (cell(bounds.south_deg), cell(bounds.north_deg)),
        }
    }

    fn count(&self) -> i64 {
        let length = |(from, to): (i32, i32)| i64::from(to) - i64::from(from) + 1;
        length(self.columns) * length(self.rows)
    }

    /// Whether a cell, its column counted from the meridian of Greenwich, is in it.
    fn has(&self, (column, row): (i32, i32)) -> bool {
        let past_west = (column - self.columns.0).rem_euclid(COLUMNS);
        past_west <= self.columns.1 - self.columns.0 && (self.rows.0..=self.rows.1).contains(&row)
    }

    fn cells(&self) -> impl Iterator<Item = (i32, i32)> {
        let rows = self.rows;
        (self.columns.0..=self.columns.1)
            .flat_map(move |column| (rows.0..=rows.1).map(move |row| (column.rem_euclid(COLUMNS), row)))
    }
}

impl Grid {
    /// The grid of boxes numbered in order; `None` is a box that contains nothing.
    pub fn of(boxes: impl Iterator<Item = Option<Bounds>>) -> Grid {
        let mut grid = Grid::default();
        for (ix, bounds) in boxes.enumerate() {
            grid.insert(ix, bounds);
        }
        grid
    }

    /// Adds a box.
    pub fn insert(&mut self, ix: usize, bounds: Option<Bounds>) {
        let Some(span) = bounds.map(Span::of) else { return };
        if span.count() > MAX_CELLS {
            self.wide.push(ix);
        } else {
            for cell in span.cells() {
                self.cells.entry(cell).or_default().push(ix);
            }
        }
    }

    /// Takes out a box that was added with these bounds.
    pub fn remove(&mut self, ix: usize, bounds: Option<Bounds>) {
        let Some(span) = bounds.map(Span::of) else { return };
        if span.count() > MAX_CELLS {
            self.wide.retain(|&known| known != ix);
        } else {
            for cell in span.cells() {
                if let Some(known) = self.cells.get_mut(&cell) {
                    known.retain(|&known| known != ix);
                }
            }
        }
    }

    /// Calls `each` with every box that may be within `metres` of the place: all that are, some that are not, and
    /// one several times if `metres` reaches over several cells.
    pub fn each_near(&self, place: LonLat, metres: f64, mut each: impl FnMut(usize)) {
        self.wide.iter().copied().for_each(&mut each);
        // A little more than asked for: a degree is not equally long at both ends of the reach.
        let reach = Reach::of(place.lat_deg, 1.02 * metres);
        let span = Span::of(Bounds {
            west_deg: place.lon_deg - reach.lon_deg,
            east_deg: place.lon_deg + reach.lon_deg,
            south_deg: place.lat_deg - reach.lat_deg,
            north_deg: place.lat_deg + reach.lat_deg,
        });
        // Who does not know where it is may ask for half the earth: then it is quicker to go through what there is.
        if span.count() > self.cells.len() as i64 {
            let there = self.cells.iter().filter(|(cell, _)| span.has(**cell));
            there.flat_map(|(_, known)| known).copied().for_each(&mut each);
            return;
        }
        for column in span.columns.0..=span.columns.1 {
            for row in span.rows.0..=span.rows.1 {
                let cell = (column.rem_euclid(COLUMNS), row);
                self.cells.get(&cell).into_iter().flatten().copied().for_each(&mut each);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(grid: &Grid, lon_deg: f64, lat_deg: f64, metres: f64) -> Vec<usize> {
        let mut found = Vec::new();
        grid.each_near(LonLat { lon_deg, lat_deg }, metres, |ix| found.push(ix));
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn a_box_is_found_from_both_sides_of_the_antimeridian() {
        let across = Bounds { west_deg: 179.9, south_deg: 10.0, east_deg: 180.2, north_deg: 10.1 };
        let mut grid = Grid::of([Some(across)].into_iter());
        assert_eq!(found(&grid, 179.95, 10.05, 0.0), [0]);
        assert_eq!(found(&grid, -179.9, 10.05, 0.0), [0]);
        assert_eq!(found(&grid, -179.6, 10.05, 50_000.0), [0]);
        assert!(found(&grid, 0.0, 10.05, 0.0).is_empty());
        grid.remove(0, Some(across));
        assert!(found(&grid, 179.95, 10.05, 0.0).is_empty());
    }

    #[test]
    fn who_may_be_anywhere_may_be_near_every_box() {
        let boxes = [(30.0, 46.0), (-120.0, -60.0), (179.9, 0.0)].map(|(west_deg, south_deg)| {
            Some(Bounds { west_deg, south_deg, east_deg: west_deg + 0.3, north_deg: south_deg + 0.3 })
        });
        let grid = Grid::of(boxes.into_iter());
        for metres in [1e8, 1e300, f64::MAX, f64::INFINITY] {
            assert_eq!(found(&grid, 31.0, 46.5, metres), [0, 1, 2], "{metres}");
        }
        assert_eq!(found(&grid, 31.0, 46.5, 100_000.0), [0]);
    }

    #[test]
    fn a_wide_box_is_always_asked_about() {
        let world = Bounds { west_deg: -180.0, south_deg: -90.0, east_deg: 180.0, north_deg: 90.0 };
        let mut grid = Grid::of([None, Some(world)].into_iter());
        assert!(grid.cells.is_empty());
        assert_eq!(found(&grid, 7.0, -45.0, 0.0), [1]);
        grid.remove(1, Some(world));
        assert!(found(&grid, 7.0, -45.0, 0.0).is_empty());
    }
}
