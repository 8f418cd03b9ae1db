//! Where a vessel is bound to be heard.

use super::super::World;
use super::super::area_ids::AreaIds;
use super::super::spots::{Spots, in_force_near};
use crate::model::area::Prohibition;
use crate::model::geo::LonLat;

/// Where vessels are bound to be heard.
#[derive(Default)]
pub(super) struct Bound {
    spots: Spots<AreaIds>,
}

impl Bound {
    /// Looks at where an answer for the vessel in that lane would be; what it gives means nothing.
    pub(super) fn look(&self, at: usize) -> u64 {
        self.spots.look(at)
    }

    /// The areas in which a vessel there must be heard: those it is in, else the nearest of those near by.
    pub(super) fn at(&mut self, at: Option<usize>, place: LonLat, time_ns: i64, world: World<'_>) -> AreaIds {
        if let Some(known) = at.and_then(|at| self.spots.known(at, 0, place, world.places)) {
            return known.clone();
        }
        let (areas, near_m) = (world.places.areas(), world.settings.dark.near_m.max(0.0));
        let (mut near, holds_m) = in_force_near(place, near_m, &[Prohibition::AisOff], time_ns, world.places);
        let is_inside = near.iter().any(|&(_, depth_m)| depth_m >= 0.0);
        // Which of several is the nearest may be another one a step further.
        let is_plain = is_inside || near.len() < 2;
        if is_inside {
            near.retain(|&(_, depth_m)| depth_m >= 0.0);
        } else {
            near.sort_by(|(a, a_m), (b, b_m)| b_m.total_cmp(a_m).then_with(|| areas[*a].area.cmp(&areas[*b].area)));
            near.truncate(1);
        }
        let ids: Vec<String> = near.into_iter().map(|(ix, _)| areas[ix].area.clone()).collect();
        let bound = AreaIds::from(ids);
        if let (Some(at), Some(holds_m)) = (at, holds_m.filter(|_| is_plain)) {
            self.spots.note(at, 0, place, holds_m, world.places, bound.clone());
        }
        bound
    }
}
