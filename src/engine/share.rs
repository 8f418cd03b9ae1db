//! How regions are shared out among processes, and to which of them an observation has to go.
//!
//! The regions are numbered as they are laid out, and each part has a run of them, so that most neighbours are in one
//! hand. An observation has one part that answers for it, and goes to all whose events it may have heard:
//!
//! | kind | answers for it | has it too |
//! |---|---|---|
//! | arrivals | the part in which the node is at home | those in whose halo it stands |
//! | heartbeats | the part that watches all nodes | the one in which the node is at home, and those in whose halo it stands: they ask for the weather |
//! | interference, radio in the satellites' band | the part that watches all nodes: what they report, suffer and hear is of one source | none |
//! | radio | one by the channel, so that all who hear one emitter are heard together | none |
//! | tracks at sea; in the air | one each: whether a vessel is silent is judged by the others, and two tracks may have one identity | none |
//! | tracks on the ground | the part that watches all nodes: how many objects make use of a notice is counted with those that patrols find | none |
//! | radar | the part in which the round left, if it saw that, else the one in which it landed | all: those that hear it look for the event, and all for the gun |
//! | patrols | the part that watches all nodes | all: a report may be about anything |
//! | hot spots | the part in which the node is at home | all, likewise |
//!
//! What rules find in what all parts have ([`super::rules::Rule::sees_all`]) each part finds, and the part that watches all nodes says.

use super::associate::layout::{Cell, is_elsewhere, nearest, reach_m};
use super::rules::emitter::{SATELLITES_HZ, channel};
use crate::model::geo::LonLat;
use crate::model::kind::{Domain, Kind};
use crate::model::node::{NodeIx, Registry};
#[cfg(test)]
use crate::model::observation::Part;
use crate::model::observation::{Observations, fnv_1a};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The part that watches all nodes and the ground, and those that watch what is at sea and in the air: none of them the one that judges escalations
/// ([`super::escalation::JUDGE`]), nor one another's, where there are parts enough.
const NODES: u32 = 1;
const SEA: u32 = 2;
const AIR: u32 = 3;

/// Distances are told on the earth here and in a plane there.
const MARGIN: f64 = 1.02;

/// All regions, and who has which.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Regions {
    cells: Vec<Cell>,
    centres: Vec<LonLat>,
    /// Of each region the part that has it.
    part_of: Vec<u32>,
    parts: u32,
    /// By node: the part in which it is at home, and all that want what it hears.
    homes: Vec<Option<u32>>,
    members: Vec<Vec<u32>>,
}

/// A part of all regions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Share {
    /// All.
    pub regions: Regions,
    /// This part's number.
    pub part: u32,
}

impl Share {
    /// Whether a region is this part's. Regions that are made beyond those laid out are made where they are needed, and
    /// nowhere else.
    pub fn is_mine(&self, region: u32) -> bool {
        self.regions.part_of.get(region as usize).is_none_or(|&part| part == self.part)
    }

    /// The other parts that have any region.
    pub fn others(&self) -> BTreeSet<u32> {
        self.regions.part_of.iter().copied().filter(|&part| part != self.part).collect()
    }
}

impl Regions {
    /// Shares these regions out among so many parts, one at least.
    pub fn new(cells: Vec<Cell>, parts: u32) -> Regions {
        let (parts, count) = (parts.max(1), cells.len().max(1) as u64);
        let part_of: Vec<u32> = (0..cells.len() as u64).map(|at| (at * u64::from(parts) / count) as u32).collect();
        let (mut homes, mut members) = (Vec::new(), Vec::<Vec<u32>>::new());
        for (cell, &part) in cells.iter().zip(&part_of) {
            for node in &cell.home {
                grow(&mut homes, *node, None);
                homes[node.at()] = Some(part);
            }
            for node in &cell.members {
                grow(&mut members, *node, Vec::new());
                let of_node = &mut members[node.at()];
                if !of_node.contains(&part) {
                    of_node.push(part);
                }
            }
        }
        let centres = cells.iter().map(|cell| cell.centre).collect();
        Regions { cells, centres, part_of, parts, homes, members }
    }

    /// The regions.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// How many parts there are, with those that have no region.
    pub fn parts(&self) -> u32 {
        self.parts
    }

    fn part_at(&self, place: LonLat) -> Option<u32> {
        nearest(&self.centres, place).and_then(|region| self.part_of.get(region as usize).copied())
    }

    /// Whether a node in that part's regions, or near enough to them, would hear what happens there.
    pub fn hears(&self, part: u32, place: LonLat, registry: &Registry) -> bool {
        let mut members = self.cells.iter().zip(&self.part_of).filter(|it| *it.1 == part).flat_map(|it| &it.0.members);
        members.any(|&node| {
            let node = registry.node(node);
            node.position.is_some_and(|at| at.distance_m(place) <= MARGIN * reach_m(node))
        })
    }

    fn part_by_name(&self, name: &str) -> u32 {
        part_by_name(name, self.parts)
    }

    /// The part that watches all of that.
    fn watches(&self, what: u32) -> u32 {
        what % self.parts
    }

    /// The part that answers for a node: that of its region, else the one nearest to where it is registered, else one by
    /// its name, which holds wherever it moves.
    fn home(&self, node: NodeIx, registry: &Registry) -> u32 {
        let laid_out = self.homes.get(node.at()).copied().flatten();
        let registered = || registry.node(node).position.filter(|_| registry.node(node).registered);
        let near = || registered().and_then(|place| self.part_at(place));
        laid_out.or_else(near).unwrap_or_else(|| self.part_by_name(&registry.node(node).name))
    }

    /// The parts that the observation at `row` goes to, into `to`: the first answers for it.
    pub fn route(&self, batch: &Observations, row: usize, registry: &Registry, to: &mut Vec<u32>) {
        to.clear();
        let (node, kind) = (batch.node[row], batch.kind[row]);
        let detail = batch.detail[row] as usize;
        match kind {
            Kind::Interference => to.push(self.watches(NODES)),
            Kind::Radio => {
                let (emitter, frequency_hz) = (batch.arrivals.emitter[detail], batch.arrivals.frequency_hz[detail]);
                // What sends where only satellites do tells where a jammer is.
                to.push(match SATELLITES_HZ.contains(&frequency_hz) {
                    true => self.watches(NODES),
                    false => self.part_by_name(&channel(batch.text(emitter), frequency_hz)),
                });
            }
            Kind::Track => to.push(match batch.tracks.domain[detail] {
                Domain::Sea => self.watches(SEA),
                Domain::Air | Domain::Uav => self.watches(AIR),
                Domain::Ground => self.watches(NODES),
            }),
            Kind::Radar => {
                for end in [batch.radars.origin[detail], batch.radars.impact[detail]] {
                    let Some(place) = LonLat::checked(end.lon_deg, end.lat_deg) else { continue };
                    add(to, self.part_at(place));
                }
                if to.is_empty() {
                    to.push(self.home(node, registry));
                }
                (0..self.parts).for_each(|part| add(to, Some(part)));
            }
            Kind::Patrol | Kind::Thermal => {
                to.push(if kind == Kind::Patrol { self.watches(NODES) } else { self.home(node, registry) });
                (0..self.parts).for_each(|part| add(to, Some(part)));
            }
            _ => {
                let members = self.members.get(node.at()).map(Vec::as_slice).unwrap_or_default();
                // Where it is now, if it is laid out nowhere. What it says of the weather holds for what it heard before it left, too.
                let says = LonLat::checked(batch.lon_deg[row], batch.lat_deg[row]);
                let says = says.filter(|&place| is_elsewhere(registry.node(node), place));
                let went = says.and_then(|place| self.part_at(place));
                let now = if members.is_empty() { went } else { None };
                let home = || self.home(node, registry);
                match kind {
                    Kind::Status => {
                        to.push(self.watches(NODES));
                        add(to, Some(home()));
                    }
                    _ => to.push(now.unwrap_or_else(home)),
                }
                members.iter().for_each(|&part| add(to, Some(part)));
                add(to, went);
            }
        }
    }
}

/// How that part sees what goes to these, of which the first answers for it.
#[cfg(test)]
pub fn seen_by(part: u32, to: &[u32]) -> Part {
    match to.iter().position(|&it| it == part) {
        Some(0) => Part::Own,
        Some(_) => Part::Halo,
        // As the router tells it.
        None => Part::Progress,
    }
}

/// Of so many parts the one that says what all find.
pub fn said_by(parts: u32) -> u32 {
    NODES % parts.max(1)
}

/// Of so many parts the one that a name falls to.
fn part_by_name(name: &str, parts: u32) -> u32 {
    (fnv_1a(name.bytes()) % u64::from(parts.max(1))) as u32
}

fn add(to: &mut Vec<u32>, part: Option<u32>) {
    if let Some(part) = part
        && !to.contains(&part)
    {
        to.push(part);
    }
}

fn grow<T: Clone>(list: &mut Vec<T>, node: NodeIx, with: T) {
    if list.len() <= node.at() {
        list.resize(node.at() + 1, with);
    }
}

#[cfg(test)]
mod tests {
    use super::super::associate::layout::cells;
    use super::*;
    use crate::engine::tests::scene::put;
    use crate::model::kind::KindSet;
    use crate::model::node::Node;
    use crate::model::observation::{Arrival, Common, Origin, Radar, RadarPoint, Span};

    /// A line of 1,200 microphones, one a kilometre.
    fn line() -> Registry {
        Registry::new((0..1200).map(|k| {
            let mut node = Node::unregistered(&format!("n{k:04}"));
            node.kinds = KindSet::default().with(Kind::Acoustic);
            node.position = Some(LonLat { lon_deg: 24.0 + f64::from(k) * 0.0137, lat_deg: 48.0 });
            (node.range_m, node.registered) = (Some(12_000.0), true);
            node
        }))
    }

    #[test]
    fn what_is_heard_on_one_channel_goes_to_one_part() {
        let registry = line();
        let regions = Regions::new(cells(&registry), 3);
        let to = |node: u32, emitter: &str, frequency_hz: f64| {
            let (mut batch, mut to) = (Observations::default(), Vec::new());
            let emitter = batch.store(emitter.as_bytes());
            let detail = batch.arrivals.push(Arrival { emitter, frequency_hz, ..Arrival::BARE });
            let origin = Origin { topic: 0, partition: 0, offset: 0, line: 0 };
            batch.push(Common::new(origin, Kind::Radio, NodeIx(node), 0, detail));
            regions.route(&batch, 0, &registry, &mut to);
            to
        };
        for node in [0, 600, 1199] {
            assert_eq!(to(node, "", 433.92e6), to(5, "", 433.92e6), "wherever it is heard");
            assert_eq!(to(node, "a", 1e9), to(5, "a", 2e9), "by its name, where it has one");
            assert_eq!(to(node, "", 433.92e6).len(), 1);
        }
        let nodes = regions.watches(NODES);
        assert_eq!(
            (to(0, "", 1.57542e9)[0], to(600, "a", 1.6e9)[0]),
            (nodes, nodes),
            "with who reports that it disturbs"
        );
        let channels = (0..60).map(|n| to(0, "", 1e8 + 1e6 * f64::from(n))[0]);
        assert_eq!(channels.collect::<BTreeSet<u32>>().len(), 3, "and channels are shared out");
    }

    #[test]
    fn every_node_is_at_home_in_one_part_and_those_near_a_border_are_heard_in_two() {
        let registry = line();
        let regions = Regions::new(cells(&registry), 3);
        let mut parts: Vec<u32> = regions.part_of.clone();
        parts.dedup();
        assert_eq!(parts, [0, 1, 2], "runs of neighbours");
        for ix in (0..1200).map(NodeIx) {
            let home = regions.home(ix, &registry);
            assert!(regions.members[ix.at()].contains(&home));
            assert!((1..=2).contains(&regions.members[ix.at()].len()));
        }
        let in_two = regions.members.iter().filter(|members| members.len() == 2).count();
        assert!((40..200).contains(&in_two), "{in_two}");
    }

    #[test]
    fn a_radars_solution_goes_everywhere_and_its_own_part_is_where_the_round_left() {
        let registry = line();
        let regions = Regions::new(cells(&registry), 4);
        let at = |lon_deg: f64| RadarPoint { lon_deg, lat_deg: 48.0, ..RadarPoint::ABSENT };
        let to = |origin: RadarPoint, impact: RadarPoint| {
            let (mut batch, mut to) = (Observations::default(), Vec::new());
            let detail = batch.radars.push(Radar { origin, impact, projectile: Span::default() });
            put(&mut batch, 0, (0, Kind::Radar, detail), 0, "r1");
            regions.route(&batch, 0, &registry, &mut to);
            let first = to[0];
            to.sort_unstable();
            assert_eq!(to, [0, 1, 2, 3]);
            first
        };
        let (west, east) = (at(24.1), at(40.0));
        assert_eq!((to(west, east), to(east, west)), (0, 3));
        assert_eq!(to(RadarPoint::ABSENT, east), 3, "of one of which it is not seen where it left, where it landed");
        let place = LonLat { lon_deg: 24.1, lat_deg: 48.0 };
        assert!(regions.hears(0, place, &registry) && !regions.hears(3, place, &registry));
    }

    #[test]
    fn one_part_has_everything_and_more_parts_than_regions_leave_some_empty() {
        let registry = line();
        let all = Regions::new(cells(&registry), 1);
        assert!(Share { regions: all, part: 0 }.others().is_empty());
        let many = Regions::new(cells(&registry), 100);
        let share = Share { regions: many.clone(), part: many.part_of[0] };
        assert!(share.is_mine(0) && !share.is_mine(1) && share.is_mine(many.cells().len() as u32));
        assert_eq!(share.others().len(), many.cells().len() - 1);
    }
}
