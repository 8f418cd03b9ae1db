//! What can't be heard for the silence of nodes.

use super::super::World;
use crate::engine::associate::layout::is_wide;
use crate::engine::escalation::grid::{CellKey, Grid};
use crate::model::geo::LonLat;
use crate::model::kind::{Kind, KindSet};
use crate::model::node::{Node, NodeIx};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Side of the cells that are counted, for as many nodes; it grows with the root of their number.
const CELL_M: f64 = 1000.0;
const CELL_NODES: f64 = 100.0;
/// How far a node hears where the registry does not say, metres.
const RANGE_M: f64 = 10_000.0;
/// No node of a local network counts as hearing further, metres.
const MOST_RANGE_M: f64 = 40_000.0;

/// The area within the ranges of as many nodes as make an event (`engine.fire.min_arrivals`), which no longer is without these, km²: all
/// others taken to be up, by the registry's ranges. In cells of a square kilometre or so.
pub(super) fn coverage_lost_km2(down: &BTreeSet<NodeIx>, places: &[LonLat], world: World<'_>) -> f64 {
    let size_m = CELL_M * (down.len() as f64 / CELL_NODES).sqrt().max(1.0);
    let grid = Grid::new(size_m);
    let ears = || {
        world
            .registry
            .numbered()
            .filter_map(|(ix, node)| Some((ix, node.position?, near_range_m(node)?.min(MOST_RANGE_M))))
    };
    // Ears in each cell that one of those hears: before, and those that are gone.
    let mut cells: FxHashMap<CellKey, (usize, usize)> = FxHashMap::default();
    for (_, place, range_m) in ears().filter(|(ix, ..)| down.contains(ix)) {
        grid.about(place, range_m).into_iter().for_each(|cell| cells.entry(cell).or_default().1 += 1);
    }
    let others = ears().filter(|(ix, ..)| !down.contains(ix));
    let is_near = |place: LonLat| places.iter().any(|&silent| place.flat_distance_m(silent) <= 2.0 * MOST_RANGE_M);
    for (_, place, range_m) in others.filter(|&(_, place, _)| is_near(place)) {
        for cell in grid.about(place, range_m) {
            cells.entry(cell).and_modify(|(left, _)| *left += 1);
        }
    }
    let least = world.settings.fire.min_arrivals;
    let lost = cells.values().filter(|&&(left, gone)| left < least && left + gone >= least).count();
    lost as f64 * (size_m / 1000.0).powi(2)
}

/// How far a node of a local network hears arrivals, metres; `None` for one that hears none, or further.
fn near_range_m(node: &Node) -> Option<f64> {
    let hears = |kinds: KindSet| {
        [Kind::Acoustic, Kind::Seismic, Kind::Infrasound, Kind::Flash].into_iter().any(|kind| kinds.contains(kind))
    };
    (hears(node.kinds) && !is_wide(node)).then(|| node.range_m.unwrap_or(RANGE_M))
}
