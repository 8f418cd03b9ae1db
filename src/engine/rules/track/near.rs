//! Which areas that are closed to an object are near it, and how far within them it is.

use super::super::area_ids::AreaIds;
use serde::{Deserialize, Serialize};

/// The areas near a plot that prohibit it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(String, Option<f64>)>", into = "Vec<(String, Option<f64>)>")]
pub(super) struct Near {
    /// Those that it is within for certain, so far that their borders do not matter.
    pub(super) within: AreaIds,
    /// The others, and the signed distance to the border of each, metres.
    pub(super) by_border: Vec<(String, f64)>,
}

impl Near {
    /// Within these for certain, and near no border.
    pub(super) fn deep(within: AreaIds) -> Near {
        Near { within, by_border: Vec::new() }
    }

    /// Each of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        self.within.as_slice().iter().chain(self.by_border.iter().map(|(area, _)| area))
    }

    /// The signed distance to the border of one, metres: infinite within it for certain; `None`: it is not near.
    pub(super) fn depth_m(&self, area: &str) -> Option<f64> {
        if self.within.as_slice().iter().any(|known| known == area) {
            return Some(f64::INFINITY);
        }
        self.by_border.iter().find(|(known, _)| known == area).map(|&(_, depth_m)| depth_m)
    }
}

impl From<Vec<(String, Option<f64>)>> for Near {
    fn from(all: Vec<(String, Option<f64>)>) -> Near {
        let (mut within, mut by_border) = (Vec::new(), Vec::new());
        for (area, depth_m) in all {
            match depth_m {
                Some(depth_m) => by_border.push((area, depth_m)),
                None => within.push(area),
            }
        }
        Near { within: within.into(), by_border }
    }
}

impl From<Near> for Vec<(String, Option<f64>)> {
    fn from(near: Near) -> Vec<(String, Option<f64>)> {
        let within = Vec::from(near.within).into_iter().map(|area| (area, None));
        within.chain(near.by_border.into_iter().map(|(area, depth_m)| (area, Some(depth_m)))).collect()
    }
}
