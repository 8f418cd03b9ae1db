//! A located event becomes a claim.

use crate::engine::associate::calibration::{final_probability, first_probability, inflation};
use crate::engine::associate::locate::Located;
use crate::engine::associate::region::Region;
use crate::engine::book::{Cited, Claim, Stage};
use crate::model::alert::Class;
use crate::model::area::Prohibition;
use crate::model::geo::Ellipse;
use crate::model::kind::{Hint, Kind};
use crate::model::node::NodeIx;
use crate::model::time::ns_from_s;
use rustc_hash::FxHashMap;

/// From this share of contested arrivals on (those that another event would nearly as gladly have) rounds can't all be told apart,
/// and the count is a minimum. In simulated barrages (seed 81; 500 and 1,000 rounds in ten minutes) 39 of 493 and 129 of 967
/// alerts are so; 41% and 64% of those have a round that was not found within 2 s and 700 m, of the others 7% and 13%. In a busy
/// hour none is.
const CONTESTED: f64 = 0.5;

pub(super) fn claim(region: &Region, key: &str, located: &Located, stage: Stage) -> Claim {
    let wider = inflation(located);
    let [xx, xy, _, yy, _, tt] = located.covariance.map(|value| value * wider * wider);
    let mut ellipse = Ellipse::of_covariance(xx, xy, yy);
    let turned_deg = region.frame().north_deg(located.at.x_m, located.at.y_m);
    ellipse.orientation_deg = (ellipse.orientation_deg + turned_deg).rem_euclid(180.0);
    let mut evidence: Vec<Cited> = located
        .arrivals
        .iter()
        .map(|explained| {
            let arrival = region.arrival(explained.slot);
            Cited {
                origin: arrival.origin,
                id: arrival.id,
                node: region.field().sites()[arrival.site as usize].node,
                kind: arrival.kind,
                time_ns: arrival.time_ns,
                residual_s: Some(explained.residual_s),
                residual_deg: explained.residual_deg,
            }
        })
        .collect();
    let points = || located.points.iter().map(|&number| region.point(number));
    evidence.extend(points().map(|point| Cited {
        origin: point.origin,
        id: point.id,
        node: point.node,
        kind: Kind::Radar,
        time_ns: point.time_ns,
        residual_s: Some(point.at.time_s - located.at.time_s),
        residual_deg: None,
    }));
    let mut silent: Vec<NodeIx> =
        located.silent.iter().map(|&number| region.field().sites()[number as usize].node).collect();
    silent.sort_unstable();
    silent.dedup();
    let time_ns = region.epoch_ns() + ns_from_s(located.at.time_s);
    Claim {
        prohibitions: vec![Prohibition::Fire],
        ellipse: Some(ellipse),
        time_sd_s: tt.max(0.0).sqrt(),
        probability: match stage {
            Stage::Open => first_probability(located.sureness()),
            Stage::Final => final_probability(located),
        },
        silent,
        count_is_minimum: located.contested >= CONTESTED,
        direction_of_fire_deg: points().find_map(|point| point.fire_deg),
        other_end: points().find_map(|point| point.other_end),
        evidence,
        ..Claim::new(key.to_owned(), class(region, located), region.place(located.at), time_ns)
    }
}

/// The radar's word, else what most of the arrivals' hints say, the earlier in the contract's order on a tie.
fn class(region: &Region, located: &Located) -> Class {
    if let Some(&number) = located.points.first() {
        return if region.point(number).is_origin { Class::FireOutgoing } else { Class::FireImpact };
    }
    let mut votes: FxHashMap<Hint, usize> = FxHashMap::default();
    for explained in &located.arrivals {
        *votes.entry(region.arrival(explained.slot).hint).or_default() += 1;
    }
    let mut best = (0, Class::FireUndetermined);
    for (hint, class) in [
        (Hint::Explosion, Class::FireExplosion),
        (Hint::Impact, Class::FireImpact),
        (Hint::Outgoing, Class::FireOutgoing),
        (Hint::Burst, Class::FireBurst),
        (Hint::Shot, Class::FireShot),
    ] {
        let count = votes.get(&hint).copied().unwrap_or(0);
        if count > best.0 {
            best = (count, class);
        }
    }
    best.1
}
