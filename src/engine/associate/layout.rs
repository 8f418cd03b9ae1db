//! How the earth is cut into regions: cells of nodes, each with a halo of its neighbours' nodes.
//!
//! An event near a border is found on both sides from the same arrivals. It belongs to the cell of its earliest
//! arrival's node, which both sides agree on without comparing a number.

use super::field::{order_of, waves_of};
use crate::model::geo::LonLat;
use crate::model::node::{Node, NodeIx, Registry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Metres in a degree of latitude.
const DEGREE_M: f64 = 111_195.0;

/// Nodes that hear further than this are of the wide kind.
const NEAR_RANGE_M: f64 = 40_000.0;

/// A region to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Middle of its own nodes.
    pub centre: LonLat,
    /// Its own nodes.
    pub home: Vec<NodeIx>,
    /// Its own and its neighbours' as far as they matter.
    pub members: Vec<NodeIx>,
}

/// How far a node hears by any of its waves, m.
pub fn reach_m(node: &Node) -> f64 {
    waves_of(node).map(|wave| node.range_m.unwrap_or(wave.default_range_m())).fold(0.0, f64::max)
}

/// Whether a node hears further than those of a local network.
pub fn is_wide(node: &Node) -> bool {
    reach_m(node) > NEAR_RANGE_M
}

/// Whether nodes near enough for a local network are there: then waves from afar only help, and do not make regions.
pub fn has_near(registry: &Registry) -> bool {
    registry.nodes().iter().any(|node| node.position.is_some() && (1.0..=NEAR_RANGE_M).contains(&reach_m(node)))
}

/// The number of the place that is nearest, the first of equals.
pub fn nearest(centres: &[LonLat], place: LonLat) -> Option<u32> {
    let away = (0u32..).zip(centres).map(|(number, centre)| (centre.distance_m(place), number));
    away.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, number)| number)
}

/// A node that says that it is further from where it is registered is elsewhere, metres: what it hears goes to the region there, too.
const ELSEWHERE_M: f64 = 1_000.0;

/// Whether a place is another than that at which the node is laid out, so that other regions may hear what it does.
pub fn is_elsewhere(node: &Node, place: LonLat) -> bool {
    node.position.is_none_or(|laid_out| laid_out.flat_distance_m(place) >= ELSEWHERE_M)
}

/// Cuts the registry's nodes into cells of about eight ranges.
pub fn cells(registry: &Registry) -> Vec<Cell> {
    let near = has_near(registry);
    let mut placed: Vec<(NodeIx, LonLat, f64)> = (0u32..)
        .zip(registry.nodes())
        .filter_map(|(ix, node)| Some((NodeIx(ix), node.position?, reach_m(node))))
        .filter(|&(_, _, reach_m)| reach_m > 0.0)
        .collect();
    // In order of names: the cells do not depend on how the registry came to be.
    placed.sort_by_key(|node| order_of(registry.node(node.0)));
    let Some(&(_, reference, _)) = placed.first() else { return Vec::new() };
    // In metres about the reference: good enough to cut by, and blind to the antimeridian.
    let flat = |place: LonLat| {
        let east_deg = (place.lon_deg - reference.lon_deg + 540.0).rem_euclid(360.0) - 180.0;
        (east_deg * DEGREE_M * reference.lat_deg.to_radians().cos(), place.lat_deg * DEGREE_M)
    };
    let makes_region = |reach_m: f64| !near || reach_m <= NEAR_RANGE_M;
    let longest_m = placed.iter().map(|node| node.2).filter(|&reach_m| makes_region(reach_m)).fold(1_000.0, f64::max);
    let side_m = 8.0 * longest_m;
    let spots: Vec<(NodeIx, LonLat, f64, (f64, f64))> =
        placed.into_iter().map(|(ix, place, reach_m)| (ix, place, reach_m, flat(place))).collect();
    let own = || spots.iter().filter(|spot| makes_region(spot.2));
    let extent = |pick: fn(&(f64, f64)) -> f64| {
        let (low, high) =
            own().map(|spot| pick(&spot.3)).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        (low, high - low)
    };
    let ((west_m, wide_m), (south_m, high_m)) = (extent(|at| at.0), extent(|at| at.1));
    // Cells of equal size over the whole extent; one, if it is not much larger than a cell.
    let count = |length_m: f64| (length_m / side_m / 1.5).ceil().max(1.0);
    let (columns, rows) = (count(wide_m), count(high_m));
    let cell_of = |(x, y): (f64, f64)| {
        let of = |at_m: f64, low_m: f64, length_m: f64, cells: f64| {
            ((at_m - low_m) / (length_m.max(1.0) / cells)).floor().clamp(0.0, cells - 1.0) as i32
        };
        (of(x, west_m, wide_m, columns), of(y, south_m, high_m, rows))
    };
    let mut homes: BTreeMap<(i32, i32), Vec<usize>> = BTreeMap::new();
    for (number, spot) in spots.iter().enumerate().filter(|(_, spot)| makes_region(spot.2)) {
        homes.entry(cell_of(spot.3)).or_default().push(number);
    }
    homes
        .into_values()
        .map(|home| {
            let bounds = home.iter().fold((f64::MAX, f64::MIN, f64::MAX, f64::MIN), |b, &number| {
                let (x, y) = spots[number].3;
                (b.0.min(x), b.1.max(x), b.2.min(y), b.3.max(y))
            });
            let members = spots
                .iter()
                .filter(|(_, _, reach_m, (x, y))| {
                    let away =
                        (bounds.0 - x).max(x - bounds.1).max(0.0).hypot((bounds.2 - y).max(y - bounds.3).max(0.0));
                    // An event that a home node hears, and the nodes that hear that event.
                    away <= longest_m + reach_m
                })
                .map(|spot| spot.0)
                .collect();
            let middle = ((bounds.0 + bounds.1) / 2.0, (bounds.2 + bounds.3) / 2.0);
            let nearest = home
                .iter()
                .min_by(|&&a, &&b| {
                    let away = |number: usize| (spots[number].3.0 - middle.0).hypot(spots[number].3.1 - middle.1);
                    away(a).total_cmp(&away(b))
                })
                .map_or(reference, |&number| spots[number].1);
            Cell { centre: nearest, home: home.iter().map(|&number| spots[number].0).collect(), members }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kind::{Kind, KindSet};

    fn registry(places: impl IntoIterator<Item = (f64, f64)>) -> Registry {
        Registry::new(places.into_iter().enumerate().map(|(k, (lon_deg, lat_deg))| {
            let mut node = Node::unregistered(&format!("n{k}"));
            node.kinds = KindSet::default().with(Kind::Acoustic);
            node.position = Some(LonLat { lon_deg, lat_deg });
            node.range_m = Some(12_000.0);
            node
        }))
    }

    #[test]
    fn a_small_network_is_one_region() {
        let registry = registry((0..50).map(|k| (31.5 + f64::from(k % 7) * 0.08, 46.9 + f64::from(k / 7) * 0.05)));
        let cells = cells(&registry);
        assert_eq!(cells.len(), 1);
        assert_eq!(cells[0].members.len(), 50);
    }

    #[test]
    fn a_long_line_is_cut_and_every_node_has_one_home() {
        let registry = registry((0..1200).map(|k| (24.0 + f64::from(k) * 0.0137, 48.0)));
        let cells = cells(&registry);
        assert!((6..20).contains(&cells.len()), "{}", cells.len());
        let homes: usize = cells.iter().map(|cell| cell.home.len()).sum();
        assert_eq!(homes, 1200);
        assert!(cells.iter().all(|cell| cell.members.len() > cell.home.len()), "each has a halo");
    }

    #[test]
    fn the_antimeridian_cuts_nothing() {
        let registry = registry([(179.9, 50.0), (-179.9, 50.0), (179.95, 50.05), (-179.95, 50.05)]);
        assert_eq!(cells(&registry).len(), 1);
    }

    #[test]
    fn no_nodes_no_regions() {
        assert!(cells(&Registry::default()).is_empty());
    }
}
