//! The scenario `tracks`: a coast with ships, aircraft, drones and vehicles, most of them where they may be.

use super::chance::{Chance, Purpose};
use super::ground::{offset, polygon};
use super::movers::{Mover, is_clear, outline, send, straight};
use super::scenes::{LEAD_S, TAIL_S};
use super::site::Site;
use super::world::World;
use super::{Options, Simulation, chatter, post};
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::geo::{Frame, LonLat};
use crate::model::kind::{Component, Domain, Kind};

/// A place on the coast of the Black Sea; south of it is sea.
pub(super) const COAST: LonLat = LonLat { lon_deg: 31.2, lat_deg: 46.45 };
/// Within so many metres of an area that forbids silence a vessel's silence counts.
const NEAR_M: f64 = 5000.0;
/// Silences begin within so many seconds of each other, however many there are.
const APART_S: f64 = 1200.0;
/// How often a route is drawn anew until it is clear; the chance of one being unclear is below one in two.
const TRIES: usize = 60;

/// The map: two maritime areas, a no-fly zone, a disengagement area, a withdrawal area, land and sea sectors.
pub(super) fn map() -> Vec<Area> {
    let rectangle = |west: f64, south: f64, east: f64, north: f64| {
        polygon(COAST, &[(west, south), (east, south), (east, north), (west, north)])
    };
    let mut disengagement = Area::new(
        "disengagement-1",
        AreaType::Disengagement,
        &[Prohibition::Fire, Prohibition::Entry, Prohibition::HeavyWeapons, Prohibition::Uav, Prohibition::Flight],
        rectangle(-32e3, 8e3, -14e3, 20e3),
    );
    disengagement.component = Some(Component::Ground);
    let mut maritime = Area::new(
        "maritime-1",
        AreaType::Maritime,
        &[Prohibition::Vessel, Prohibition::AisOff],
        rectangle(-18e3, -30e3, -4e3, -16e3),
    );
    maritime.component = Some(Component::Maritime);
    let mut lane =
        Area::new("maritime-2", AreaType::Maritime, &[Prohibition::AisOff], rectangle(8e3, -30e3, 24e3, -16e3));
    lane.component = Some(Component::Maritime);
    let mut no_fly = Area::new(
        "no-fly-1",
        AreaType::NoFly,
        &[Prohibition::Flight, Prohibition::Uav],
        polygon(COAST, &[(0.0, 6e3), (8e3, 4e3), (13e3, 11e3), (8e3, 18e3), (0.0, 16e3), (-4e3, 11e3)]),
    );
    no_fly.component = Some(Component::Air);
    let withdrawal = Area::new(
        "withdrawal-1",
        AreaType::Withdrawal,
        &[Prohibition::HeavyWeapons],
        rectangle(20e3, 10e3, 36e3, 22e3),
    );
    let mut areas = vec![disengagement, maritime, lane, no_fly, withdrawal];
    for (name, south, north) in [("sector-coast", 0.0, 45e3), ("sector-sea", -60e3, 0.0)] {
        areas.push(Area {
            sector: Some(name.to_owned()),
            ..Area::new(name, AreaType::Sector, &[], rectangle(-60e3, south, 60e3, north))
        });
    }
    areas
}

/// A kind of traffic.
#[derive(Clone, Copy)]
struct Traffic {
    domain: Domain,
    prefix: &'static str,
    node: &'static str,
    sd_m: f64,
    every_s: (f64, f64),
    speed_m_s: (f64, f64),
    alt_m: (f64, f64),
}

const SHIPS: Traffic = Traffic {
    domain: Domain::Sea,
    prefix: "ship",
    node: "ais-1",
    sd_m: 15.0,
    every_s: (8.0, 40.0),
    speed_m_s: (4.0, 9.0),
    alt_m: (0.0, 0.0),
};
const AIRCRAFT: Traffic = Traffic {
    domain: Domain::Air,
    prefix: "air",
    node: "radar-1",
    sd_m: 50.0,
    every_s: (4.0, 6.0),
    speed_m_s: (110.0, 220.0),
    alt_m: (2500.0, 9000.0),
};
const DRONES: Traffic = Traffic {
    domain: Domain::Uav,
    prefix: "uav",
    node: "uav-radar-1",
    sd_m: 40.0,
    every_s: (2.0, 4.0),
    speed_m_s: (18.0, 45.0),
    alt_m: (80.0, 600.0),
};
const VEHICLES: Traffic = Traffic {
    domain: Domain::Ground,
    prefix: "veh",
    node: "ground-radar-1",
    sd_m: 20.0,
    every_s: (6.0, 12.0),
    speed_m_s: (4.0, 14.0),
    alt_m: (0.0, 0.0),
};

/// What an object does.
#[derive(Clone, Copy, PartialEq)]
enum Deed {
    /// Goes through the area.
    Crosses,
    /// Passes along its border, a few sigma outside.
    Skirts,
    /// Stops sending for a quarter of an hour to half an hour in the area.
    GoesDark,
    /// Does so for a few minutes: too short to mean anything.
    Stutters,
    /// Does so far from any area.
    GoesDarkFarOff,
}

/// What is on the move: how many of each, doing what, where.
const PLAN: [(usize, Traffic, Deed, &str, &[&str]); 15] = [
    (6, SHIPS, Deed::Crosses, "maritime-1", &[""]),
    (4, SHIPS, Deed::Skirts, "maritime-1", &[""]),
    (5, SHIPS, Deed::GoesDark, "maritime-2", &[""]),
    (3, SHIPS, Deed::Stutters, "maritime-2", &[""]),
    (3, SHIPS, Deed::GoesDarkFarOff, "maritime-2", &[""]),
    (4, SHIPS, Deed::Crosses, "maritime-2", &[""]),
    (5, AIRCRAFT, Deed::Crosses, "no-fly-1", &["airliner", "transport"]),
    (3, AIRCRAFT, Deed::Skirts, "no-fly-1", &["airliner", "helicopter"]),
    (6, DRONES, Deed::Crosses, "disengagement-1", &["quadcopter", "fixed_wing"]),
    (4, DRONES, Deed::Crosses, "no-fly-1", &["fixed_wing"]),
    (4, DRONES, Deed::Skirts, "disengagement-1", &["quadcopter"]),
    (4, VEHICLES, Deed::Crosses, "disengagement-1", &["truck", "car"]),
    (4, VEHICLES, Deed::Crosses, "withdrawal-1", &["tank", "howitzer", "ifv"]),
    (3, VEHICLES, Deed::Crosses, "withdrawal-1", &["truck", "bus"]),
    (4, VEHICLES, Deed::Skirts, "withdrawal-1", &["tank", "mlrs"]),
];

/// Two hours of traffic.
pub(super) fn make(seed: u64, options: &Options) -> Simulation {
    let lasts_s = options.duration_s.unwrap_or(7200.0);
    let mut world = World::new(seed, options, COAST, LEAD_S + lasts_s + TAIL_S);
    world.areas = map();
    let mut nodes = Vec::new();
    for (traffic, component) in [
        (SHIPS, Component::Maritime),
        (AIRCRAFT, Component::Air),
        (DRONES, Component::Air),
        (VEHICLES, Component::Ground),
    ] {
        let mut site = Site::new(traffic.node.to_owned(), &[Kind::Track], offset(COAST, 1000.0, 500.0));
        site.node.heartbeat_s = Some(30.0);
        site.node.sector = Some("sector-coast".to_owned());
        site.node.component = Some(component);
        nodes.push((traffic.node, world.add_site(site)));
    }
    let mut chance = Chance::new(seed, Purpose::Movers);
    let mut number = 0;
    for (count, traffic, deed, area, classes) in PLAN {
        let site = nodes.iter().find(|(node, _)| *node == traffic.node).map_or(0, |(_, site)| *site);
        for _ in 0..(count as f64 * options.rate).round() as usize {
            number += 1;
            for _ in 0..TRIES {
                let mover = draw(&world, traffic, site, deed, area, classes, number, &mut chance);
                if is_clear(&world, &mover) {
                    send(&mut world, &mover, NEAR_M, &mut chance);
                    break;
                }
            }
        }
    }
    chatter::heartbeats(&mut world, &mut Chance::new(seed, Purpose::Heartbeats));
    post::deliver(world)
}

/// One object with a route for its deed.
#[allow(clippy::too_many_arguments)] // Each is one property of the object; a struct of them would be used once.
fn draw(
    world: &World,
    traffic: Traffic,
    site: usize,
    deed: Deed,
    area: &str,
    classes: &[&'static str],
    number: usize,
    chance: &mut Chance,
) -> Mover {
    let frame = Frame::about(world.centre);
    let ring = world.areas.iter().find(|a| a.area == area).map(|a| outline(a, &frame)).unwrap_or_default();
    let corners = ring.len().saturating_sub(1).max(1) as f64;
    let middle = ring.iter().skip(1).fold((0.0, 0.0), |sum, c| (sum.0 + c.0 / corners, sum.1 + c.1 / corners));
    let speed_m_s = chance.range(traffic.speed_m_s.0, traffic.speed_m_s.1);
    // A ship that ceased to be would have gone dark.
    let most_m = if traffic.domain == Domain::Sea { f64::INFINITY } else { 60_000.0 };
    let length_m = (speed_m_s * world.length_s()).min(most_m);
    let lasts_s = length_m / speed_m_s;
    let from_s = chance.range(0.0, (world.length_s() - lasts_s).max(1.0));
    let way = if deed == Deed::Skirts && ring.len() > 1 {
        // Along one side, a few sigma outside of it; the outlines run anticlockwise, so outside is on the right.
        let side = chance.below(ring.len() - 1);
        let ((ax, ay), (bx, by)) = (ring[side], ring[side + 1]);
        let side_m = (bx - ax).hypot(by - ay);
        let (ux, uy) = ((bx - ax) / side_m, (by - ay) / side_m);
        let off_m = traffic.sd_m * chance.range(3.5, 8.0);
        let before_m = (length_m - side_m).max(0.0) * chance.range(0.2, 0.8);
        let start = (ax + uy * off_m - ux * before_m, ay - ux * off_m - uy * before_m);
        straight(from_s, start, ux.atan2(uy).to_degrees(), length_m, speed_m_s)
    } else {
        let heading_deg = chance.range(0.0, 360.0);
        let (sin, cos) = heading_deg.to_radians().sin_cos();
        let away_m = if deed == Deed::GoesDarkFarOff { (-40e3, -20e3) } else { (0.0, 0.0) };
        let through =
            (middle.0 + away_m.0 + chance.range(-2500.0, 2500.0), middle.1 + away_m.1 + chance.range(-2500.0, 2500.0));
        // In the middle of its way it is in the middle of the area.
        let start = (through.0 - 0.5 * length_m * sin, through.1 - 0.5 * length_m * cos);
        straight(from_s, start, heading_deg, length_m, speed_m_s)
    };
    // About half-way, each at a time of its own: that all stop at once is what a receiver does.
    let apart = (number as f64 * 0.618_033_988_7).fract() - 0.5;
    let half_s = from_s + 0.5 * lasts_s + APART_S * apart;
    let gaps = match deed {
        Deed::GoesDark | Deed::GoesDarkFarOff => vec![(half_s, half_s + chance.range(900.0, 1800.0))],
        Deed::Stutters => vec![(half_s, half_s + chance.range(100.0, 240.0))],
        Deed::Crosses | Deed::Skirts => Vec::new(),
    };
    // A ship that goes dark sends often enough for its silence to be told from its habit.
    let slowest_s = if gaps.is_empty() { traffic.every_s.1 } else { traffic.every_s.1.min(20.0) };
    Mover {
        site,
        track: format!("{}-{number}", traffic.prefix),
        domain: traffic.domain,
        class: chance.one_of(classes),
        identity: match traffic.domain {
            Domain::Sea => Some((272_000_000 + chance.below(999_999)).to_string()),
            Domain::Air => Some(format!("{:06x}", 0x508000 + chance.below(0x7fff))),
            _ => None,
        },
        way,
        alt_m: chance.range(traffic.alt_m.0, traffic.alt_m.1),
        sd_m: traffic.sd_m,
        every_s: chance.range(traffic.every_s.0, slowest_s),
        gaps,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ground;
    use super::*;
    use crate::model::alert::Class;

    #[test]
    fn the_plan_comes_out_in_the_truth() {
        let simulation = make(3, &Options::default());
        let count = |class| simulation.truth.iter().filter(|event| event.class == class).count();
        // Whoever crosses one area on the way to another counts there too.
        assert!((6..=9).contains(&count(Class::SeaIncursion)), "{}", count(Class::SeaIncursion));
        assert_eq!(count(Class::SeaDark), 5);
        assert!((10..=25).contains(&count(Class::AirIncursion)), "{}", count(Class::AirIncursion));
        assert!((3..=6).contains(&count(Class::IncursionGround)), "{}", count(Class::IncursionGround));
        assert!((3..=8).contains(&count(Class::IncursionWeapons)), "{}", count(Class::IncursionWeapons));
        for event in &simulation.truth {
            assert_eq!(event.areas.len(), 1, "{event:?}");
            assert!(event.from == Some(event.time) && event.to.is_none_or(|to| to > event.time));
            assert!(event.violation && !event.evidence.is_empty());
            if event.class == Class::SeaDark {
                let to = event.to.unwrap();
                assert!(to.0 - event.time.0 >= 900_000_000_000, "{event:?}");
            }
        }
    }

    #[test]
    fn an_incursion_starts_inside_its_area() {
        let simulation = make(4, &Options::default());
        for event in simulation.truth.iter().filter(|event| event.class != Class::SeaDark) {
            let area = simulation.areas.iter().find(|area| area.area == event.areas[0]).unwrap();
            let place = LonLat { lon_deg: event.lon, lat_deg: event.lat };
            let border_m = 300.0;
            let near = (0..36).any(|turn| ground::contains(area, place.toward(10.0 * f64::from(turn), border_m)));
            assert!(near, "{event:?}");
        }
    }
}
