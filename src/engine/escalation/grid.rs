//! Cells of equal area over the earth: rows of one height, in each row columns of one width.

use crate::model::geo::LonLat;
use serde::{Deserialize, Serialize};

/// Radius of the sphere that has the area of the WGS 84 ellipsoid, m.
const RADIUS_M: f64 = 6_371_007.2;

/// A cell: its row north of the equator, its column east of Greenwich.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey(pub i32, pub i32);

/// Cells of that size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    size_m: f64,
}

impl Grid {
    /// How high and wide cells are, m.
    pub fn size_m(self) -> f64 {
        self.size_m
    }

    /// Cells that are `size_m` high and wide.
    pub fn new(size_m: f64) -> Grid {
        Grid { size_m }
    }

    fn height_deg(&self) -> f64 {
        (self.size_m / RADIUS_M).to_degrees()
    }

    fn width_deg(&self, row: i32) -> f64 {
        let lat_deg = (f64::from(row) + 0.5) * self.height_deg();
        self.height_deg() / lat_deg.to_radians().cos().max(0.01)
    }

    /// The cell that a place lies in.
    pub fn cell(&self, place: LonLat) -> CellKey {
        let row = (place.lat_deg / self.height_deg()).floor() as i32;
        CellKey(row, (place.lon_deg / self.width_deg(row)).floor() as i32)
    }

    /// The middle of a cell.
    pub fn middle(&self, CellKey(row, column): CellKey) -> LonLat {
        let lat_deg = (f64::from(row) + 0.5) * self.height_deg();
        LonLat { lon_deg: (f64::from(column) + 0.5) * self.width_deg(row), lat_deg }
    }

    /// The cells whose middles lie within `reach_m` of a place.
    pub fn about(&self, place: LonLat, reach_m: f64) -> Vec<CellKey> {
        let CellKey(row, _) = self.cell(place);
        let rows = (reach_m / self.size_m).ceil() as i32 + 1;
        let mut cells = Vec::new();
        for row in row - rows..=row + rows {
            let column = (place.lon_deg / self.width_deg(row)).floor() as i32;
            let near = (column - rows..=column + rows).map(|column| CellKey(row, column));
            cells.extend(near.filter(|&key| place.flat_distance_m(self.middle(key)) <= reach_m));
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_lies_in_its_cell_and_cells_are_of_one_area(lon_deg in -179.0f64..179.0, lat_deg in -70.0f64..70.0) {
            let (grid, place) = (Grid::new(5000.0), LonLat { lon_deg, lat_deg });
            let key = grid.cell(place);
            let (east_m, north_m) = grid.middle(key).flat_offset_m(place);
            prop_assert!(east_m.abs() < 2560.0 && north_m.abs() < 2560.0, "{east_m} {north_m}");
            prop_assert!(grid.about(place, 3600.0).contains(&key), "the middle is half a diagonal away at most");
        }
    }

    #[test]
    fn what_lies_about_a_place_is_a_disc() {
        let grid = Grid::new(5000.0);
        let found = grid.about(LonLat { lon_deg: 31.5, lat_deg: 46.9 }, 20_000.0).len() as f64;
        let due = std::f64::consts::PI * 16.0;
        assert!((found - due).abs() < 5.0, "{found} cells, {due} by area");
    }
}
