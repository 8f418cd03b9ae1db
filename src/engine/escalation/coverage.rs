//! How much of what happens in a cell would be heard by the nodes that are up.
//!
//! An event is found when so many nodes as `engine.fire.min_arrivals` asks for hear it, or a radar sees it. With p the
//! chance that a node hears what happens in its range, as the registry has it, that is the upper tail of a sum of
//! independent trials (the Poisson binomial distribution), and 1 less the chance that no radar does.

use super::ears::Ears;
use super::grid::{CellKey, Grid};
use crate::engine::associate::layout::is_wide;
use crate::engine::settings::Settings;

use crate::model::kind::{Kind, KindSet};
use crate::model::node::{Node, NodeIx, Registry};
use crate::model::time::ns_from_s;
use std::collections::BTreeMap;

/// Most cells; what lies in further ones is not counted.
pub const MAX_CELLS: usize = 32_768;

/// How far a node hears, and with what chance, where the registry does not say.
const RANGE_M: f64 = 10_000.0;
const HEARS_P: f64 = 0.8;
/// The same of a radar's range.
const RADAR_RANGE_M: f64 = 20_000.0;
/// A node that promises no heartbeat is up for so long after something came of it, s.
const PATIENCE_S: f64 = 900.0;

/// A node that can hear what happens in a cell.
#[derive(Clone, Copy, Debug)]
struct Ear {
    node: NodeIx,
    p: f64,
    is_radar: bool,
}

/// What can be heard in a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heard {
    /// The share of what happens that is found.
    pub share: f64,
    /// How many nodes hear it on average; a radar counts for as many as are asked for.
    pub ears: f64,
}

#[derive(Debug)]
struct Cell {
    key: CellKey,
    ears: Vec<Ear>,
    heard: Heard,
    is_stale: bool,
}

/// All cells that anybody can hear.
#[derive(Debug, Default)]
pub struct Coverage {
    cells: Vec<Cell>,
    /// Of each node the cells that it hears, by their places here; and whether it was up.
    heard_by: BTreeMap<NodeIx, (Vec<u32>, bool)>,
    min_arrivals: usize,
}

/// The kinds that arrivals come of.
fn hears(kinds: KindSet) -> bool {
    [Kind::Acoustic, Kind::Seismic, Kind::Infrasound, Kind::Flash].into_iter().any(|kind| kinds.contains(kind))
}

/// How many bins may pass without a word of a node that is up.
pub fn patience_bins(node: &Node, settings: &Settings, bin_ns: i64) -> i64 {
    let patience_s = node.heartbeat_s.map_or(PATIENCE_S, |every_s| every_s * settings.silence.heartbeats);
    (ns_from_s(patience_s.min(6.0 * PATIENCE_S)) + bin_ns - 1) / bin_ns
}

impl Coverage {
    /// What these nodes can hear. Nodes that hear further than a local network's, or move, are left out.
    pub fn new(registry: &Registry, grid: Grid, settings: &Settings) -> Coverage {
        let min_arrivals = settings.fire.min_arrivals;
        let mut ears: BTreeMap<CellKey, Vec<Ear>> = BTreeMap::new();
        for (at, node) in registry.nodes().iter().enumerate() {
            let is_radar = node.kinds.contains(Kind::Radar);
            let Some(place) = node.position.filter(|_| is_radar || (hears(node.kinds) && !is_wide(node))) else {
                continue;
            };
            let range_m = node.range_m.unwrap_or(if is_radar { RADAR_RANGE_M } else { RANGE_M }).min(40_000.0);
            let ear = Ear { node: NodeIx(at as u32), p: node.detect_p.unwrap_or(HEARS_P).clamp(0.0, 0.99), is_radar };
            for key in grid.about(place, range_m) {
                if ears.len() < MAX_CELLS || ears.contains_key(&key) {
                    ears.entry(key).or_default().push(ear);
                }
            }
        }
        ears.retain(|_, ears| ears.len() >= min_arrivals || ears.iter().any(|ear| ear.is_radar));
        let cells: Vec<Cell> =
            ears.into_iter().map(|(key, ears)| Cell { key, ears, heard: Heard::default(), is_stale: true }).collect();
        let mut heard_by: BTreeMap<NodeIx, (Vec<u32>, bool)> = BTreeMap::new();
        for (at, cell) in (0..).zip(&cells) {
            cell.ears.iter().for_each(|ear| heard_by.entry(ear.node).or_default().0.push(at));
        }
        Coverage { cells, heard_by, min_arrivals }
    }

    /// The cells, in order.
    pub fn keys(&self) -> impl Iterator<Item = CellKey> {
        self.cells.iter().map(|cell| cell.key)
    }

    /// The place of a cell in that order.
    pub fn find(&self, key: CellKey) -> Option<usize> {
        self.cells.binary_search_by_key(&key, |cell| cell.key).ok()
    }

    /// What can be heard in the cell of that place in the order.
    pub fn heard(&self, at: usize) -> Heard {
        self.cells[at].heard
    }

    /// Goes by the nodes that are up in a bin.
    pub fn go_to(&mut self, bin: i64, bin_ns: i64, ears: &Ears, registry: &Registry, settings: &Settings) {
        for (&node, (cells, was_up)) in &mut self.heard_by {
            let is_up = ears.is_up(node, bin, patience_bins(registry.node(node), settings, bin_ns));
            if std::mem::replace(was_up, is_up) != is_up {
                cells.iter().for_each(|&at| self.cells[at as usize].is_stale = true);
            }
        }
        for cell in self.cells.iter_mut().filter(|cell| cell.is_stale) {
            let up = cell.ears.iter().filter(|ear| self.heard_by.get(&ear.node).is_some_and(|it| it.1));
            cell.heard = heard(up, self.min_arrivals);
            cell.is_stale = false;
        }
    }
}

fn heard<'a>(up: impl Iterator<Item = &'a Ear>, min_arrivals: usize) -> Heard {
    // Chances of 0, 1, … arrivals; what is enough is left out.
    let mut few = vec![0.0; min_arrivals];
    few[0] = 1.0;
    let (mut unseen, mut ears) = (1.0, 0.0);
    for ear in up {
        if ear.is_radar {
            unseen *= 1.0 - ear.p;
            ears += ear.p * min_arrivals as f64;
            continue;
        }
        ears += ear.p;
        for n in (0..min_arrivals).rev() {
            few[n] = few[n] * (1.0 - ear.p) + if n > 0 { few[n - 1] * ear.p } else { 0.0 };
        }
    }
    Heard { share: 1.0 - unseen * few.iter().sum::<f64>(), ears }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::geo::LonLat;

    const HERE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };

    fn registry(count: usize, kind: Kind, p: f64) -> Registry {
        Registry::new((0..count).map(|n| Node {
            kinds: KindSet::of(kind),
            position: Some(HERE),
            range_m: Some(8000.0),
            detect_p: Some(p),
            heartbeat_s: Some(60.0),
            registered: true,
            ..Node::unregistered(&format!("n{n}"))
        }))
    }

    fn share(registry: &Registry, up: usize) -> f64 {
        let (grid, settings, bin_ns) = (Grid::new(5000.0), Settings::default(), ns_from_s(300.0));
        let mut coverage = Coverage::new(registry, grid, &settings);
        let mut ears = Ears::new(bin_ns);
        (0..up).for_each(|node| ears.hear(NodeIx(node as u32), 5 * bin_ns));
        coverage.go_to(5, bin_ns, &ears, registry, &settings);
        coverage.find(grid.cell(HERE)).map_or(0.0, |at| coverage.heard(at).share)
    }

    #[test]
    fn four_of_those_that_are_up_have_to_hear_it() {
        let five = registry(5, Kind::Acoustic, 0.5);
        // At least 4 of 5 at a half each: 6 in 32.
        assert!((share(&five, 5) - 6.0 / 32.0).abs() < 1e-12);
        assert!((share(&five, 4) - 1.0 / 16.0).abs() < 1e-12);
        assert_eq!(share(&five, 3), 0.0);
        assert_eq!(share(&registry(3, Kind::Acoustic, 0.9), 3), 0.0, "too few for a cell");
        assert!((share(&registry(1, Kind::Radar, 0.7), 1) - 0.7).abs() < 1e-12, "a radar is enough");
    }
}
