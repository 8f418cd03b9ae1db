//! The scenario `escalate`: eight hours of fire in four sectors, of which the last two and a half have three times as much of it in
//! one, and drones over its line again and again.
//!
//! Its usual is known after a few hours: replay it with `engine.escalation.on=true` and `engine.escalation.least_history_h=4`.

use super::chance::{Chance, Purpose};
use super::ground::offset;
use super::movers::{Mover, send};
use super::scenes::{LAND, LEAD_S, RANGE_M, REACH_M, finish, lay_out};
use super::site::Site;
use super::world::World;
use super::{Chapter, Options, Simulation};
use crate::model::alert::Class;
use crate::model::kind::{Component, Domain, Kind};

/// How long it lasts, and which share of it is as usual.
const LASTS_S: f64 = 8.0 * 3600.0;
const USUAL: f64 = 5.5 / 8.0;
/// Incidents an hour and sector, and drones an hour, as usual.
const PER_HOUR: f64 = 80.0;
const DRONES_PER_HOUR: f64 = 0.7;
/// By how much there are more.
const TIMES: f64 = 3.0;
const DRONES_TIMES: f64 = 15.0;
/// The sector in which there are: north-east of the middle.
pub const STRUCK: &str = "sector-ne";

/// The scene.
pub(super) fn make(seed: u64, options: &Options) -> Simulation {
    let lasts_s = options.duration_s.unwrap_or(LASTS_S);
    let mut world = World::new(seed, options, LAND, LEAD_S + lasts_s + super::scenes::TAIL_S);
    lay_out(&mut world, 60.0);
    world.notices.clear();
    let mut radar = Site::new("uav-radar-1".to_owned(), &[Kind::Track], offset(LAND, 0.3 * REACH_M, 0.3 * REACH_M));
    radar.node.component = Some(Component::Air);
    radar.node.heartbeat_s = Some(60.0);
    let radar = world.add_site(radar);
    let mut chance = Chance::new(seed, Purpose::Schedule);
    let onset_s = LEAD_S + USUAL * lasts_s;
    let end_s = LEAD_S + lasts_s;
    for (east, north) in [(-1.0, 1.0), (1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)] {
        let rate = |at_s: f64| if (east, north) == (1.0, 1.0) && at_s >= onset_s { TIMES } else { 1.0 };
        let mut at_s = LEAD_S;
        loop {
            at_s += chance.exponential(3600.0 / (PER_HOUR * options.rate * rate(at_s)));
            if at_s >= end_s {
                break;
            }
            let place =
                offset(LAND, east * chance.range(0.03, 0.85) * REACH_M, north * chance.range(0.03, 0.85) * REACH_M);
            let class = chance.one_of(&[Class::FireExplosion, Class::FireImpact, Class::FireOutgoing]);
            let rounds = if chance.yes(0.2) { 2 + chance.below(4) } else { 1 };
            let mut round_s = at_s;
            for _ in 0..rounds {
                let spot = offset(place, 40.0 * chance.normal(), 40.0 * chance.normal());
                let time_ns = world.at_ns(round_s);
                world.add_fire(class, time_ns, spot, RANGE_M, &mut chance);
                round_s = (round_s + chance.range(3.0, 40.0)).min(end_s);
            }
        }
    }
    drones(&mut world, radar, (onset_s, end_s), &mut Chance::new(seed, Purpose::Movers));
    let start_ns = world.start_ns;
    let mut simulation = finish(world);
    simulation.chapters =
        vec![Chapter { time_ns: start_ns + crate::model::time::ns_from_s(onset_s), text: "Three times the fire." }];
    simulation
}

/// Drones that fly into the disengagement area from the east, and back.
fn drones(world: &mut World, site: usize, (onset_s, end_s): (f64, f64), chance: &mut Chance) {
    let (r, mut at_s, mut number) = (REACH_M, LEAD_S, 0);
    loop {
        let per_hour = DRONES_PER_HOUR * if at_s >= onset_s { DRONES_TIMES } else { 1.0 };
        // None begins before the onset that would be over after it.
        let next_s = at_s + chance.exponential(3600.0 / per_hour);
        at_s = if at_s < onset_s && next_s >= onset_s { onset_s } else { next_s };
        if at_s + 300.0 >= end_s {
            break;
        }
        number += 1;
        let north = chance.range(0.08, 0.28) * r;
        let way =
            vec![(at_s, 0.75 * r, north), (at_s + 140.0, 0.2 * r, north), (at_s + 280.0, 0.75 * r, north + 0.02 * r)];
        let drone = Mover {
            site,
            track: format!("uav-{number}"),
            domain: Domain::Uav,
            class: "fixed_wing",
            identity: None,
            way,
            alt_m: 250.0,
            sd_m: 30.0,
            every_s: 3.0,
            gaps: Vec::new(),
        };
        send(world, &drone, 0.0, chance);
    }
}
