//! Who counts: the nodes that were up all through the time that the present is compared with.
//!
//! What happens is found by so many nodes as hear it. If more of them are there than used to be, more is found and no more
//! happens. So of what is found only that counts which these nodes alone would have found: a node that came later is
//! not asked, one that goes lets less be found and never more. It is a matter of who heard each event, and no model of
//! hearing is asked for. A node that was gone for [`MISSING_S`] in all is of it no more, even if it comes back, for meanwhile
//! less was learnt to be usual.

use super::ears::{Ears, patience_bins};
use crate::engine::settings::Settings;
use crate::model::node::{NodeIx, Registry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where fewer than this share of those who count are up, nothing can be told.
pub const ENOUGH_UP: f64 = 0.5;
/// A node may be gone for so long in all, s.
const MISSING_S: f64 = 12.0 * 3600.0;

/// A node of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    /// Bins in which it was gone; `None` once it is of it no more.
    missed: Option<u32>,
    is_up: bool,
    home: usize,
}

/// As it is written down: nodes by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CoreRecord {
    /// Bins in which each was gone; none for those that are of it no more.
    members: Vec<(String, Option<u32>)>,
}

/// The nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Core {
    members: BTreeMap<NodeIx, Member>,
    /// Of each node of the registry whether it is of it.
    has: Vec<bool>,
    /// Of each sector how many there were at first, and how many are up; the last are all.
    sizes: Vec<(usize, usize)>,
}

/// What is asked about nodes in a bin.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The bin.
    pub bin: i64,
    /// How long it is, nanoseconds.
    pub bin_ns: i64,
    /// Who was heard.
    pub ears: &'a Ears,
    /// Who there is.
    pub registry: &'a Registry,
    /// The configuration.
    pub settings: &'a Settings,
    /// Of each node its sector.
    pub homes: &'a [usize],
    /// Of each sector, and the theatre, whether it has a storm.
    pub storms: &'a [bool],
}

impl Asked<'_> {
    /// Whether a node is up; of one that promises no heartbeat nobody can tell when it is not.
    fn is_up(&self, node: NodeIx) -> bool {
        let patience = patience_bins(self.registry.node(node), self.settings, self.bin_ns);
        patience.is_none_or(|bins| self.ears.is_up(node, self.bin, bins))
    }
}

impl Core {
    /// Those that are up.
    pub fn begin(asked: Asked<'_>) -> Core {
        let all = (0..asked.registry.nodes().len()).map(|at| NodeIx(at as u32));
        let member = |node: NodeIx| Member { missed: Some(0), is_up: true, home: asked.homes[node.at()] };
        let members = all.filter(|&node| asked.is_up(node)).map(|node| (node, member(node))).collect();
        let mut core = Core { members, ..Core::default() };
        core.lay_out(asked.homes, asked.storms.len());
        core
    }

    /// Nodes have other sectors now.
    pub fn lay_out(&mut self, homes: &[usize], sectors: usize) {
        self.sizes = vec![(0, 0); sectors];
        for (node, member) in &mut self.members {
            member.home = homes[node.at()];
        }
        self.count();
    }

    fn count(&mut self) {
        self.sizes.iter_mut().for_each(|size| *size = (0, 0));
        let theatre = self.sizes.len() - 1;
        self.has.clear();
        self.has.resize(self.members.last_key_value().map_or(0, |(node, _)| node.at() + 1), false);
        for (node, member) in &self.members {
            self.has[node.at()] = member.missed.is_some();
            let further = (member.home != theatre).then_some(theatre);
            for at in std::iter::once(member.home).chain(further) {
                self.sizes[at].0 += 1;
                self.sizes[at].1 += usize::from(member.is_up);
            }
        }
    }

    /// Goes by who is up in a bin. That a node is gone is not held against it in a storm, nor while most of its sector are:
    /// then nothing is learnt there.
    pub fn go_to(&mut self, asked: Asked<'_>) {
        for (&node, member) in &mut self.members {
            member.is_up = member.missed.is_some() && asked.is_up(node);
        }
        self.count();
        let learns = |sector: usize| !asked.storms[sector] && self.share_up(sector) >= ENOUGH_UP;
        let learns: Vec<bool> = (0..self.sizes.len()).map(learns).collect();
        let most = (MISSING_S * 1e9 / asked.bin_ns as f64) as u32;
        for (&node, member) in self.members.iter_mut().filter(|(_, it)| !it.is_up && learns[it.home]) {
            member.missed = member.missed.map(|missed| missed + 1).filter(|&missed| missed <= most);
            self.has[node.at()] = member.missed.is_some();
        }
    }

    /// Whether a node is of it.
    pub fn has(&self, node: NodeIx) -> bool {
        self.has.get(node.at()).is_some_and(|&has| has)
    }

    /// Which share of those of a sector is up; of a sector that has none, of all.
    pub fn share_up(&self, sector: usize) -> f64 {
        let of = |at: usize| self.sizes.get(at).copied().filter(|&(all, _)| all > 0);
        of(sector).or(of(self.sizes.len().saturating_sub(1))).map_or(0.0, |(all, up)| up as f64 / all as f64)
    }

    /// As it is written down.
    pub fn record(&self, registry: &Registry) -> CoreRecord {
        let name = |node: NodeIx| registry.node(node).name.clone();
        CoreRecord { members: self.members.iter().map(|(&node, member)| (name(node), member.missed)).collect() }
    }

    /// As it was written down; nodes that the registry has no more are left out, and count as gone.
    pub fn restore(record: &CoreRecord, registry: &Registry, homes: &[usize], sectors: usize) -> Core {
        let member = |(name, missed): &(String, Option<u32>)| {
            let node = registry.find(name)?;
            Some((node, Member { missed: *missed, is_up: missed.is_some(), home: homes[node.at()] }))
        };
        let mut core = Core { members: record.members.iter().filter_map(member).collect(), ..Core::default() };
        core.lay_out(homes, sectors);
        core
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node::Node;
    use crate::model::time::ns_from_s;

    const BIN_NS: i64 = 300 * 1_000_000_000;

    struct Scene {
        registry: Registry,
        ears: Ears,
        settings: Settings,
        homes: Vec<usize>,
    }

    impl Scene {
        /// Three nodes with heartbeats and one without, in two sectors.
        fn new() -> Scene {
            let node = |n: u32| Node {
                heartbeat_s: (n < 3).then_some(60.0),
                registered: true,
                ..Node::unregistered(&format!("n{n}"))
            };
            let homes = vec![0, 0, 0, 1];
            let registry = Registry::new((0..4).map(node));
            Scene { registry, ears: Ears::new(BIN_NS), settings: Settings::default(), homes }
        }

        fn asked<'a>(&'a self, bin: i64, storms: &'a [bool]) -> Asked<'a> {
            let Scene { registry, ears, settings, homes } = self;
            Asked { bin, bin_ns: BIN_NS, ears, registry, settings, homes, storms }
        }

        fn hear(&mut self, bin: i64, nodes: &[u32]) {
            nodes.iter().for_each(|&node| self.ears.hear(NodeIx(node), bin * BIN_NS));
        }
    }

    fn has(core: &Core) -> Vec<bool> {
        (0..4).map(|n| core.has(NodeIx(n))).collect()
    }

    #[test]
    fn it_is_who_was_there_from_the_beginning_and_was_not_gone_for_long() {
        let (mut scene, calm) = (Scene::new(), [false; 3]);
        scene.hear(0, &[0, 2]);
        let mut core = Core::begin(scene.asked(0, &calm));
        assert_eq!(has(&core), [true, false, true, true]);
        let bins = ns_from_s(MISSING_S) / BIN_NS;
        for bin in 1..=bins {
            scene.hear(bin, &[1, 2]);
            core.go_to(scene.asked(bin, &calm));
        }
        assert_eq!(has(&core), [true, false, true, true], "it may come back");
        assert_eq!((core.share_up(0), core.share_up(1)), (0.5, 1.0));
        assert!((core.share_up(2) - 2.0 / 3.0).abs() < 1e-12, "of all");
        for bin in bins + 1..=bins + 3 {
            scene.hear(bin, &[1, 2]);
            core.go_to(scene.asked(bin, &calm));
        }
        scene.hear(bins + 4, &[0, 1, 2]);
        core.go_to(scene.asked(bins + 4, &calm));
        assert_eq!(has(&core), [false, false, true, true], "it came back too late, and the other was never of it");
        let kept = core.record(&scene.registry);
        assert_eq!(has(&Core::restore(&kept, &scene.registry, &scene.homes, 3)), has(&core));
    }

    #[test]
    fn silence_in_a_storm_or_of_most_is_not_held_against_a_node() {
        let after = |storms: &[bool], up: &[u32]| {
            let mut scene = Scene::new();
            scene.hear(0, &[0, 1, 2]);
            let mut core = Core::begin(scene.asked(0, storms));
            for bin in 1..400 {
                scene.hear(bin, up);
                core.go_to(scene.asked(bin, storms));
            }
            has(&core)
        };
        assert_eq!(after(&[false; 3], &[1, 2]), [false, true, true, true]);
        assert_eq!(after(&[true, false, false], &[1, 2]), [true; 4]);
        assert_eq!(after(&[false; 3], &[1]), [true; 4], "most are gone: the way here may be");
    }
}
