//! The scenarios: which nodes, which ground, what happens when.

use super::chance::{Chance, Purpose};
use super::fire::{self, Batteries, Ground};
use super::fusion::{self, Senses};
use super::ground::{self, offset};
use super::site::Site;
use super::world::World;
use super::{Options, Scenario, Simulation, breaches, chatter, escalate, hear, line, post, story, traffic};
use crate::model::alert::Class;
use crate::model::geo::LonLat;
use crate::model::kind::Kind;

/// The middle of the scenes on land.
pub(super) const LAND: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
/// Half the width of the scenes on land, metres.
pub(super) const REACH_M: f64 = 20_000.0;
/// How far a microphone hears, metres.
pub(super) const RANGE_M: f64 = 12_000.0;
/// Before anything happens every node has sent a heartbeat, seconds.
pub(super) const LEAD_S: f64 = 60.0;
/// After the last event its arrivals still come, seconds.
pub(super) const TAIL_S: f64 = 90.0;

/// What differs between the scenes of fire alone.
struct FireScene {
    lasts_s: f64,
    events: f64,
    heartbeat_s: f64,
}

pub(super) fn make(scenario: Scenario, seed: u64, options: &Options) -> Simulation {
    let scene = match scenario {
        Scenario::Sparse => FireScene { lasts_s: 86_400.0, events: 500.0, heartbeat_s: 60.0 },
        Scenario::Hour => FireScene { lasts_s: 3600.0, events: 500.0, heartbeat_s: 30.0 },
        Scenario::Barrage => FireScene { lasts_s: 600.0, events: 500.0, heartbeat_s: 30.0 },
        Scenario::Barrage2 => FireScene { lasts_s: 600.0, events: 1000.0, heartbeat_s: 30.0 },
        Scenario::Barrage4 => FireScene { lasts_s: 600.0, events: 2000.0, heartbeat_s: 30.0 },
        Scenario::Fused => return fused(seed, options),
        Scenario::Tracks => return traffic::make(seed, options),
        Scenario::Rules => return breaches::make(seed, options),
        Scenario::Theatre => return line::make(seed, options),
        Scenario::Demo => return story::make(seed, options),
        Scenario::Escalate => return escalate::make(seed, options),
    };
    fire_scene(scenario, &scene, seed, options)
}

/// Fifty microphones, fire, clutter, heartbeats.
fn fire_scene(scenario: Scenario, scene: &FireScene, seed: u64, options: &Options) -> Simulation {
    let lasts_s = options.duration_s.unwrap_or(scene.lasts_s);
    let count = (scene.events * options.rate * lasts_s / scene.lasts_s).round() as usize;
    let mut world = World::new(seed, options, LAND, LEAD_S + lasts_s + TAIL_S);
    lay_out(&mut world, scene.heartbeat_s);
    let window_s = (LEAD_S, LEAD_S + lasts_s);
    let mut chance = Chance::new(seed, Purpose::Schedule);
    let ground = Ground { reach_m: 0.85 * REACH_M, range_m: RANGE_M };
    match scenario {
        Scenario::Sparse => fire::scattered(&mut world, ground, count, window_s, 0.2, &mut chance),
        Scenario::Hour => fire::scattered(&mut world, ground, count, window_s, 0.4, &mut chance),
        _ => {
            let batteries = Batteries::new(&world, REACH_M, &mut chance);
            fire::barrage(&mut world, &batteries, RANGE_M, count, window_s, &mut chance);
        }
    }
    finish(world)
}

/// An hour of fire seen by all senses: half of it scattered, half of it guns and their impacts.
fn fused(seed: u64, options: &Options) -> Simulation {
    let mut options = options.clone();
    options.very_late_share = options.very_late_share.max(0.002);
    let lasts_s = options.duration_s.unwrap_or(3600.0);
    let half = (200.0 * options.rate * lasts_s / 3600.0).round() as usize;
    let mut world = World::new(seed, &options, LAND, LEAD_S + lasts_s + TAIL_S);
    lay_out(&mut world, 30.0);
    let mut chance = Chance::new(seed, Purpose::Fusion);
    let senses = Senses { cameras: 8, radars: 2, infrasound: 3, seismometers: 6, patrols: 6, listeners: 4 };
    fusion::add_nodes(&mut world, senses, REACH_M, 30.0, &mut chance);
    let satellite = world.add_site(Site::new("sat-1".to_owned(), &[Kind::Thermal], LAND));
    let window_s = (LEAD_S, LEAD_S + lasts_s);
    let mut schedule = Chance::new(seed, Purpose::Schedule);
    let ground = Ground { reach_m: 0.85 * REACH_M, range_m: RANGE_M };
    fire::scattered(&mut world, ground, half, window_s, 0.3, &mut schedule);
    let batteries = Batteries::new(&world, REACH_M, &mut schedule);
    let rounds = fire::barrage(&mut world, &batteries, RANGE_M, half, window_s, &mut schedule);
    fusion::flashes(&mut world, &mut chance);
    fusion::radars(&mut world, &rounds, &mut chance);
    fusion::ground_waves(&mut world, &mut chance);
    fusion::infrasound(&mut world, &mut chance);
    fusion::patrols(&mut world, &mut chance);
    for part in [0.45, 0.95] {
        fusion::satellite_pass(&mut world, satellite, LEAD_S + part * lasts_s, &mut chance);
    }
    let patrols = fusion::sites_of(&world, Kind::Patrol);
    let reports = [Class::RestrictionDenied, Class::RestrictionDelayed, Class::RestrictionConditional];
    for (&site, class) in patrols.iter().zip(reports) {
        let (place, at_s) = (world.sites[site].place, chance.range(window_s.0, window_s.1));
        fusion::restriction(&mut world, site, class, at_s, place);
    }
    let jammer = offset(LAND, chance.range(-5e3, 5e3), chance.range(-5e3, 5e3));
    let from_s = LEAD_S + chance.range(0.2, 0.5) * lasts_s;
    fusion::jamming(&mut world, jammer, (from_s, from_s + 0.1 * lasts_s), &mut chance);
    finish(world)
}

/// The map and fifty microphones, one in each cell of a shaken grid.
pub(super) fn lay_out(world: &mut World, heartbeat_s: f64) {
    let mut chance = Chance::new(world.seed, Purpose::Sites);
    world.areas = ground::land(world.centre, REACH_M);
    let (from_ns, to_ns) = (world.start_ns, world.end_ns);
    let middle_ns = from_ns + (to_ns - from_ns) / 2;
    world.notices = vec![ground::training(world.centre, REACH_M, "training-1", from_ns, middle_ns)];
    // Ten columns and five rows; each node anywhere in its cell.
    for cell in 0..50 {
        let (column, row) = ((cell % 10) as f64, (cell / 10) as f64);
        let east = -REACH_M + (column + chance.uniform()) * REACH_M / 5.0;
        let north = -REACH_M + (row + chance.uniform()) * REACH_M / 2.5;
        let place = offset(world.centre, east, north);
        let mut site = Site::microphone(format!("mic-{:02}", cell + 1), place, RANGE_M, heartbeat_s, &mut chance);
        if world.options.failures {
            site.may_fail(from_ns, to_ns, &mut chance);
        }
        world.add_site(site);
    }
}

/// Lets the fire be heard, adds clutter (in its share of the arrivals, or as told) and heartbeats, and sends it all.
pub(super) fn finish(mut world: World) -> Simulation {
    let seed = world.seed;
    let heard = hear::hear(&mut world, 0, &mut Chance::new(seed, Purpose::Hearing));
    let clutter = match world.options.clutter_per_hour {
        Some(per_hour) => {
            let nodes = world.sites.iter().filter(|site| site.clutter_weight > 0.0).count();
            per_hour * nodes as f64 * world.length_s() / 3600.0
        }
        None => heard as f64 * world.options.clutter_share,
    };
    chatter::clutter(&mut world, clutter, &mut Chance::new(seed, Purpose::Clutter));
    chatter::heartbeats(&mut world, &mut Chance::new(seed, Purpose::Heartbeats));
    post::deliver(world)
}
