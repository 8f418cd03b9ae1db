//! The scenario `theatre`: a line of 1,200 km with 14,000 microphones, the size of the largest network in service.

use super::chance::{Chance, Purpose};
use super::ground::offset;
use super::scenes::{LEAD_S, TAIL_S, finish};
use super::site::Site;
use super::world::World;
use super::{Options, Simulation};
use crate::model::alert::Class;
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::geo::LonLat;
use geo::{Coord, LineString, MultiPolygon, Polygon};

/// Where the line starts, and its legs: direction, degrees, and length, kilometres; 1,200 in all.
const START: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.6 };
const LEGS: [(f64, f64); 5] = [(78.0, 300.0), (55.0, 250.0), (20.0, 250.0), (345.0, 200.0), (310.0, 200.0)];
/// Microphones in all.
const NODES: usize = 14_000;
/// Half the depth in which microphones stand, metres.
const DEPTH_M: f64 = 30_000.0;
/// Half the width of the zone between the sides, metres.
const ZONE_M: f64 = 6_000.0;
/// How far a microphone of so dense a network hears, metres.
const RANGE_M: f64 = 6_000.0;
/// Sectors along the line.
const SECTORS: usize = 12;

/// The place `along` (0–1) the line and `across_m` to its left.
fn place(along: f64, across_m: f64) -> LonLat {
    let total_km: f64 = LEGS.iter().map(|leg| leg.1).sum();
    let (mut left_km, mut here) = (along.clamp(0.0, 1.0) * total_km, START);
    for (at, &(heading_deg, length_km)) in LEGS.iter().enumerate() {
        if left_km <= length_km || at + 1 == LEGS.len() {
            return here.toward(heading_deg, 1000.0 * left_km).toward(heading_deg - 90.0, across_m);
        }
        here = here.toward(heading_deg, 1000.0 * length_km);
        left_km -= length_km;
    }
    here
}

/// The strip between two points of the line, `half_m` to either side.
fn strip(from: f64, to: f64, half_m: f64) -> MultiPolygon<f64> {
    let steps = 40;
    let along = |step: usize| from + (to - from) * step as f64 / steps as f64;
    let mut ring: Vec<Coord<f64>> = Vec::new();
    let mut put = |place: LonLat| ring.push(Coord { x: place.lon_deg, y: place.lat_deg });
    (0..=steps).for_each(|step| put(place(along(step), -half_m)));
    (0..=steps).rev().for_each(|step| put(place(along(step), half_m)));
    put(place(from, -half_m));
    MultiPolygon(vec![Polygon::new(LineString(ring), Vec::new())])
}

/// The sector at a point of the line.
fn sector(along: f64) -> String {
    format!("sector-{:02}", ((along * SECTORS as f64) as usize).min(SECTORS - 1) + 1)
}

/// Five minutes with a round a second somewhere along the line.
pub(super) fn make(seed: u64, options: &Options) -> Simulation {
    let lasts_s = options.duration_s.unwrap_or(300.0);
    let middle = place(0.5, 0.0);
    let mut world = World::new(seed, options, middle, LEAD_S + lasts_s + TAIL_S);
    for at in 0..SECTORS {
        let (from, to) = (at as f64 / SECTORS as f64, (at + 1) as f64 / SECTORS as f64);
        let mut part = Area::new(&sector(from), AreaType::Sector, &[], strip(from, to, DEPTH_M));
        part.sector = Some(sector(from));
        let zone = Area::new(
            &format!("disengagement-{:02}", at + 1),
            AreaType::Disengagement,
            &[Prohibition::Fire, Prohibition::HeavyWeapons, Prohibition::Uav],
            strip(from, to, ZONE_M),
        );
        world.areas.extend([part, zone]);
    }
    let mut chance = Chance::new(seed, Purpose::Sites);
    let (from_ns, to_ns) = (world.start_ns, world.end_ns);
    for number in 0..NODES {
        let along = (number as f64 + chance.uniform()) / NODES as f64;
        let across_m = chance.range(-DEPTH_M, DEPTH_M);
        let name = format!("mic-{number:05}");
        let mut site = Site::microphone(name, place(along, across_m), RANGE_M, LEAD_S, &mut chance);
        site.node.sector = Some(sector(along));
        if options.failures {
            site.may_fail(from_ns, to_ns, &mut chance);
        }
        world.add_site(site);
    }
    let mut schedule = Chance::new(seed, Purpose::Schedule);
    let mut left = (lasts_s * options.rate).round() as usize;
    while left > 0 {
        // Where one falls, others do: one to five rounds, seconds apart, within some hundred metres.
        let (along, across_m) = (schedule.range(0.005, 0.995), schedule.range(-0.8 * DEPTH_M, 0.8 * DEPTH_M));
        let spot = place(along, across_m);
        let class = schedule.one_of(&[Class::FireImpact, Class::FireOutgoing, Class::FireExplosion]);
        let mut at_s = LEAD_S + schedule.range(0.0, lasts_s);
        for _ in 0..(1 + schedule.below(5)).min(left) {
            let round = offset(spot, 100.0 * schedule.normal(), 100.0 * schedule.normal());
            let time_ns = world.at_ns(at_s);
            world.add_fire(class, time_ns, round, RANGE_M, &mut schedule);
            at_s = (at_s + schedule.range(2.0, 20.0)).min(LEAD_S + lasts_s);
            left -= 1;
        }
    }
    finish(world)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_twelve_hundred_kilometres_long() {
        let steps = 200;
        let length_m: f64 = (0..steps)
            .map(|step| {
                let at = |step: usize| place(step as f64 / f64::from(steps as u32), 0.0);
                at(step).distance_m(at(step + 1))
            })
            .sum();
        assert!((1_190_000.0..1_200_100.0).contains(&length_m), "{length_m}");
    }

    #[test]
    fn fourteen_thousand_nodes_hear_most_rounds() {
        let simulation = make(1, &Options { duration_s: Some(60.0), ..Options::default() });
        assert_eq!(simulation.nodes.len(), NODES);
        assert!((45..=60).contains(&simulation.truth.len()), "{}", simulation.truth.len());
    }
}
