//! Which region a node is at home in, which ones it is heard in, and whose an event is.

use super::{FireWatch, NEAR_TRAVEL_S, STRAY_REACH_M, WIDE_TRAVEL_S};
use crate::engine::associate::layout;
use crate::engine::associate::region::{Anchor, Region};
use crate::engine::associate::stands::SAME_PLACE_M;
use crate::engine::ledger::Finals;
use crate::engine::rules::World;
use crate::model::geo::LonLat;
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::{Observations, Part};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose events are whose.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Homes {
    /// Of each node the region that it is at home in.
    of: Vec<Option<u32>>,
    /// Where the regions are.
    centres: Vec<LonLat>,
    /// Where nodes were that said so last, and which region that is.
    went: BTreeMap<NodeIx, (LonLat, u32)>,
}

impl Homes {
    pub(super) fn of(&self, node: NodeIx) -> Option<u32> {
        self.of.get(node.at()).copied().flatten()
    }

    /// Whether it has said that it is elsewhere than where it is laid out.
    pub(super) fn moves(&self, node: NodeIx) -> bool {
        self.went.contains_key(&node)
    }

    /// The region that an event belongs to: that of the node it is called by, or the one nearest to where a radar has it.
    /// All regions that find the event agree on that, and it never changes while the event is called so.
    pub(super) fn owner(&self, anchor: Option<Anchor>, registry: &Registry) -> Option<u32> {
        match anchor? {
            Anchor::Place(place) => layout::nearest(&self.centres, place),
            Anchor::Node(node) => {
                self.of(node).or_else(|| layout::nearest(&self.centres, registry.node(node).position?))
            }
        }
    }
}

impl FireWatch {
    pub(super) fn follow_registry(&mut self, world: World<'_>) {
        if self.registry_version == Some(world.registry.version()) {
            return;
        }
        if self.registry_version.is_none() || self.regions.is_empty() {
            self.longest_travel_s = if layout::has_near(world.registry) { NEAR_TRAVEL_S } else { WIDE_TRAVEL_S };
            let laid_out = self.share.as_ref().map(|share| share.regions.cells().to_vec());
            for cell in laid_out.unwrap_or_else(|| layout::cells(world.registry)) {
                self.found_region(cell.centre, &cell.members, &cell.home, world);
            }
        }
        // A node that came later joins the region it stands in when it first speaks.
        self.registry_version = Some(world.registry.version());
    }

    pub(super) fn is_mine(&self, number: u32) -> bool {
        self.share.as_ref().is_none_or(|share| share.is_mine(number))
    }

    fn found_region(&mut self, centre: LonLat, members: &[NodeIx], home: &[NodeIx], world: World<'_>) -> u32 {
        let number = self.regions.len() as u32;
        // Of another's region it is enough to know where it is, and whose events are its.
        let members = if self.is_mine(number) { members } else { &[] };
        let mut region = Region::new(centre, members, world.registry, self.longest_travel_s);
        let mut finals = Finals::default();
        if let Some(at) = self.waiting.iter().position(|record| record.is_about(centre))
            && region.start_from(self.waiting[at].clone(), world.registry, self.same_stream)
        {
            let record = self.waiting.swap_remove(at);
            if self.same_stream {
                finals = Finals::restored(record.finals, world.registry);
            }
        }
        self.regions.push(region);
        self.home.centres.push(centre);
        self.settled.push(finals);
        let nodes = world.registry.nodes().len();
        self.home.of.resize(nodes.max(self.home.of.len()), None);
        self.routes.resize(nodes.max(self.routes.len()), Vec::new());
        for node in home {
            self.home.of[node.at()] = Some(number);
        }
        for node in members {
            self.routes[node.at()].push(number);
        }
        number
    }

    /// Makes sure that arrivals at this node go somewhere, and gives the region that they go to besides those that hear it where it is laid
    /// out: the one in which it says that it is (`is_own`), if that is elsewhere.
    pub(super) fn ensure_route(&mut self, ix: NodeIx, position: LonLat, is_own: bool, world: World<'_>) -> Option<u32> {
        if is_own && layout::is_elsewhere(world.registry.node(ix), position) {
            let visited = self.region_visited(ix, position, world);
            return (!self.routes[ix.at()].contains(&visited)).then_some(visited);
        }
        if self.routes.get(ix.at()).is_none_or(Vec::is_empty) {
            let number = self.region_at(position, world);
            self.home.of[ix.at()] = Some(number);
            self.routes[ix.at()].push(number);
        }
        None
    }

    /// The region in which a node is that says where.
    fn region_visited(&mut self, ix: NodeIx, position: LonLat, world: World<'_>) -> u32 {
        match self.home.went.get(&ix) {
            Some(&(was, number)) if was.flat_distance_m(position) <= SAME_PLACE_M => number,
            _ => {
                let number = self.region_at(position, world);
                self.home.went.insert(ix, (position, number));
                number
            }
        }
    }

    /// The region about a place, a new one where there is none.
    fn region_at(&mut self, position: LonLat, world: World<'_>) -> u32 {
        let number = match self.region_about(position) {
            Some(number) => number,
            None => self.found_region(position, &[], &[], world),
        };
        let nodes = world.registry.nodes().len();
        self.home.of.resize(nodes.max(self.home.of.len()), None);
        self.routes.resize(nodes.max(self.routes.len()), Vec::new());
        number
    }

    /// Whether a radar's solution may be of an event of these regions: it is everywhere, where regions are shared out.
    pub(super) fn is_heard_here(&self, batch: &Observations, row: usize, world: World<'_>) -> bool {
        let Some(share) = self.share.as_ref().filter(|_| batch.part[row] == Part::Halo) else { return true };
        let detail = batch.detail[row] as usize;
        [batch.radars.origin[detail], batch.radars.impact[detail]].iter().any(|end| {
            let place = LonLat::checked(end.lon_deg, end.lat_deg);
            place.is_some_and(|place| share.regions.hears(share.part, place, world.registry))
        })
    }

    /// The region whose centre is nearest, if any is near.
    pub(super) fn region_about(&self, place: LonLat) -> Option<u32> {
        let reach_m = STRAY_REACH_M.max(3.0 * self.longest_travel_s * 340.0);
        (0u32..)
            .zip(&self.regions)
            .map(|(number, region)| (region.frame().centre().distance_m(place), number))
            .filter(|&(distance_m, _)| distance_m <= reach_m)
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, number)| number)
    }
}
