//! The scenario `rules`: five hours from midnight on in which each rule besides fire has something to see, and something that looks like
//! it and is not.
//!
//! Passages under notices that cover them, that end too soon, that name too small a place, another kind or fewer ships;
//! jammers, and receivers that only have trouble of their own; identities that are at two places or jump, and plots that are garbled; ships
//! that linger at a border by night, and that do so far off; batteries in a withdrawal area and outside of it; flights below and above
//! the ceiling of a zone; a network of which parts fall silent, and checkpoints; emitters of radio signals; jammers that nodes
//! suffer from and hardly report.

use super::chance::{Chance, Purpose};
use super::draft::{Draft, Fields};
use super::ground::{offset, polygon};
use super::hear::to_microseconds;
use super::movers::{Mover, plot, send};
use super::site::Site;
use super::traffic::{COAST, map};
use super::world::{Event, World};
use super::{Options, Simulation, chatter, emitters, jamming, network, post};
use crate::model::alert::{Class, Sign};
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::geo::{Frame, LonLat};
use crate::model::kind::{Component, Domain, Kind};
use crate::model::notice::{Notice, NoticeKind};
use crate::model::time::ns_from_s;

const LENGTH_S: f64 = 18_000.0;
/// The maritime area that is closed to vessels: its edges, metres east and north of the middle.
const WEST_M: f64 = -18e3;
const EAST_M: f64 = -4e3;
const SOUTH_M: f64 = -30e3;
const NORTH_M: f64 = -16e3;
/// Through it, a ship a notice, one after the other.
const SHIP_M_S: f64 = 10.0;
const PASSAGE_S: f64 = (EAST_M - WEST_M) / SHIP_M_S;
/// Uncertainty of a listener's bearing, the part that stays and the part that changes, degrees, and what is in the way of a
/// signal, dB.
const BEARING_BIAS_DEG: f64 = 3.0;
const BEARING_SD_DEG: f64 = 4.0;
const SHADOW_DB: f64 = 6.0;
/// Reports an hour of a listener that has trouble of its own.
const TROUBLE_PER_HOUR: f64 = 0.1;
/// Up to that height a zone is closed to flights.
const CEILING_M: f64 = 1500.0;

/// The whole scene.
pub(super) fn make(seed: u64, options: &Options) -> Simulation {
    let mut world = World::new(seed, options, COAST, LENGTH_S);
    world.areas = map();
    for area in &mut world.areas {
        if area.area == "disengagement-1" {
            area.prohibits.push(Prohibition::Interference);
        }
    }
    let mut chance = Chance::new(seed, Purpose::Breaches);
    let ais = node(&mut world, "ais-1", Kind::Track, COAST, Component::Maritime);
    let radar = node(&mut world, "wlr-1", Kind::Radar, offset(COAST, 25e3, 5e3), Component::Ground);
    passages(&mut world, ais, &mut chance);
    jammers(&mut world, &mut chance);
    identities(&mut world, ais, &mut chance);
    lingerers(&mut world, ais, &mut chance);
    batteries(&mut world, radar, &mut chance);
    flights(&mut world, &mut Chance::new(seed, Purpose::Heights));
    emitters::add(&mut world, offset(COAST, 30e3, -30e3), LENGTH_S, &mut Chance::new(seed, Purpose::Emitters));
    let mut chance = Chance::new(seed, Purpose::Network);
    let middle = offset(COAST, -22e3, 30e3);
    let nodes = network::lay_out(&mut world, middle, &mut chance);
    let mut cuts = network::cut(&mut world, &nodes, middle, &mut chance);
    network::checkpoints(&mut world, middle, &mut chance);
    // Far enough away that nobody takes them for the others.
    let far = offset(COAST, 130e3, 60e3);
    let (lost, cut_off) = jamming::add(&mut world, far, LENGTH_S, &mut Chance::new(seed, Purpose::Jamming));
    cuts.extend(cut_off);
    chatter::heartbeats(&mut world, &mut Chance::new(seed, Purpose::Heartbeats));
    jamming::tell(&mut world, &lost);
    network::tell(&mut world, &cuts);
    post::deliver(world)
}

fn node(world: &mut World, name: &str, kind: Kind, place: LonLat, component: Component) -> usize {
    let mut site = Site::new(name.to_owned(), &[kind], place);
    site.node.heartbeat_s = Some(30.0);
    site.node.component = Some(component);
    world.add_site(site)
}

fn ship(site: usize, track: String, way: Vec<(f64, f64, f64)>, every_s: f64) -> Mover {
    Mover {
        site,
        identity: Some(track.clone()),
        track,
        domain: Domain::Sea,
        class: "cargo",
        way,
        alt_m: 0.0,
        sd_m: 15.0,
        every_s,
        gaps: Vec::new(),
    }
}

/// How a notice stands to a passage.
#[derive(Clone, Copy, PartialEq)]
enum Announced {
    Covered,
    TooShort,
    TooSmall,
    OtherKind,
    TooFew,
    No,
}

/// Ships through the closed area, each with a notice of its own but the last.
fn passages(world: &mut World, ais: usize, chance: &mut Chance) {
    let plan = [
        Announced::Covered,
        Announced::TooShort,
        Announced::TooSmall,
        Announced::OtherKind,
        Announced::TooFew,
        Announced::Covered,
        Announced::No,
    ];
    for (number, how) in plan.into_iter().enumerate() {
        let from_s = 300.0 + 2400.0 * number as f64;
        // Two of them side by side where one was announced, the second five minutes behind.
        let ships = if how == Announced::TooFew { 2 } else { 1 };
        let north_m = chance.range(SOUTH_M + 3e3, NORTH_M - 5e3);
        for behind in 0..ships {
            let start_s = from_s + 300.0 * f64::from(behind);
            let (y, lead_m) = (north_m + 1500.0 * f64::from(behind), 1000.0);
            let lasts_s = PASSAGE_S + 2.0 * lead_m / SHIP_M_S;
            let way = vec![(start_s, WEST_M - lead_m, y), (start_s + lasts_s, EAST_M + lead_m, y)];
            let known = world.events.len();
            send(world, &ship(ais, format!("2720010{number}{behind}"), way, 15.0), 5000.0, chance);
            let violation = match how {
                Announced::Covered => false,
                Announced::TooFew => behind > 0,
                _ => true,
            };
            world.events[known..].iter_mut().for_each(|event| event.violation = violation);
        }
        if how == Announced::No {
            continue;
        }
        let middle_m = 0.5 * (WEST_M + EAST_M);
        let east_m = if how == Announced::TooSmall { middle_m } else { EAST_M + 1000.0 };
        let to_s = if how == Announced::TooShort { from_s + 0.5 * PASSAGE_S } else { from_s + PASSAGE_S + 700.0 };
        let (west_m, south_m, top_m) = (WEST_M - 1000.0, SOUTH_M - 1000.0, NORTH_M + 1000.0);
        world.notices.push(Notice {
            notice: format!("passage-{number}"),
            kinds: vec![if how == Announced::OtherKind { NoticeKind::Flight } else { NoticeKind::Vessel }],
            from_ns: world.at_ns(from_s - 60.0),
            to_ns: world.at_ns(to_s),
            by: Some("harbour master".to_owned()),
            count: (how == Announced::TooFew).then_some(1),
            shape: polygon(COAST, &[(west_m, south_m), (east_m, south_m), (east_m, top_m), (west_m, top_m)]),
        });
    }
}

/// Three jammers one after the other, heard by eight listeners, and listeners that hear what is not there.
fn jammers(world: &mut World, chance: &mut Chance) {
    let mut listeners = Vec::new();
    for number in 0..8 {
        let turn = f64::from(number) / 8.0 * std::f64::consts::TAU;
        let out_m = chance.range(6e3, 22e3);
        let place = offset(COAST, -20e3 + out_m * turn.sin(), 12e3 + out_m * turn.cos());
        let site = node(world, &format!("jam-{number}"), Kind::Interference, place, Component::Ground);
        let node = &mut world.sites[site].node;
        (node.range_m, node.detect_p) = (Some(40_000.0), Some(0.8));
        node.false_per_hour = Some(TROUBLE_PER_HOUR);
        listeners.push(site);
    }
    for number in 0..3 {
        let from_s = 1200.0 + 5400.0 * f64::from(number) + chance.range(0.0, 1200.0);
        let to_s = from_s + chance.range(300.0, 1500.0);
        let place = offset(COAST, -20e3 + chance.range(-7e3, 7e3), 12e3 + chance.range(-4e3, 4e3));
        let happening = world.happening(Class::Interference, world.at_ns(from_s), place, &[Prohibition::Interference]);
        let to_ns = Some(world.at_ns(to_s));
        let event_at = world.add_event(Event { lasts: true, to_ns, sign: Some(Sign::Jamming), ..happening });
        for &site in &listeners {
            let (distance_m, azimuth_deg) = world.sites[site].place.distance_azimuth(place);
            let (bias_deg, shadow_db) = (BEARING_BIAS_DEG * chance.normal(), SHADOW_DB * chance.normal());
            if !chance.yes(0.8) {
                continue;
            }
            let mut at_s = from_s + chance.range(0.0, 10.0);
            while at_s < to_s {
                let measured_deg = azimuth_deg + bias_deg + BEARING_SD_DEG * chance.normal();
                let power_dbm = jamming::power_dbm(distance_m) + shadow_db + chance.normal();
                let draft = report(world, site, at_s, Some(measured_deg), power_dbm).of(event_at);
                world.drafts.push(draft);
                at_s += 10.0;
            }
        }
    }
    for site in listeners {
        for _ in 0..chance.poisson(TROUBLE_PER_HOUR * LENGTH_S / 3600.0) {
            let draft = report(world, site, chance.range(0.0, LENGTH_S), None, chance.range(-90.0, -60.0));
            world.drafts.push(draft);
        }
    }
}

fn report(world: &World, site: usize, at_s: f64, azimuth_deg: Option<f64>, power_dbm: f64) -> Draft {
    let mut fields = Fields::new().text("band", "gnss").number("power_dbm", power_dbm, 1);
    if let Some(azimuth_deg) = azimuth_deg {
        let whole_deg = azimuth_deg.rem_euclid(360.0).floor();
        fields = fields.number("azimuth_deg", whole_deg, 0).number("azimuth_sd_deg", 5.0, 0);
    }
    Draft::new(site, Kind::Interference, to_microseconds(world.at_ns(at_s)), fields)
}

/// Plots of a mover on its way, as they are; what it breaches is not asked.
fn plots(world: &World, mover: &Mover, chance: &mut Chance) -> Vec<Draft> {
    let frame = Frame::about(world.centre);
    let (from_s, to_s) = (mover.way[0].0, mover.way[mover.way.len() - 1].0);
    let (mut all, mut at_s) = (Vec::new(), from_s);
    while at_s < to_s {
        let ((x, y), velocity) = mover.at(at_s);
        let seen = frame.to_place(x + mover.sd_m * chance.normal(), y + mover.sd_m * chance.normal());
        all.push(plot(mover, to_microseconds(world.at_ns(at_s)), seen, velocity));
        at_s += mover.every_s * chance.range(0.9, 1.1);
    }
    all
}

fn add(world: &mut World, class: Class, sign: Sign, of: &[Draft]) -> usize {
    let (from_ns, to_ns) = (of.iter().map(|it| it.time_ns).min(), of.iter().map(|it| it.time_ns).max());
    let happening = world.happening(class, from_ns.unwrap_or(world.start_ns), COAST, &[]);
    world.add_event(Event { lasts: true, to_ns, sign: Some(sign), violation: false, areas: Vec::new(), ..happening })
}

/// Far out at sea: ships that share an identity with another, that jump, and whose plots are garbled now and then.
fn identities(world: &mut World, ais: usize, chance: &mut Chance) {
    let straight = |from_s: f64, to_s: f64, (x, y): (f64, f64), m_s: f64| {
        vec![(from_s, x, y), (to_s, x + m_s * (to_s - from_s), y)]
    };
    for number in 0..4 {
        let name = format!("27300{number:04}");
        let from_s = 600.0 + 3600.0 * f64::from(number) + chance.range(0.0, 600.0);
        let here = (-50e3 + 10e3 * f64::from(number), -50e3);
        let own = plots(world, &ship(ais, name.clone(), straight(from_s, from_s + 3000.0, here, 7.0), 20.0), chance);
        let there = (here.0 + chance.range(-20e3, 20e3), here.1 - chance.range(30e3, 60e3));
        let twin_s = (from_s + 600.0, from_s + 2400.0);
        let twin = plots(world, &ship(ais, name, straight(twin_s.0, twin_s.1, there, 6.0), 20.0), chance);
        let event = add(world, Class::Interference, Sign::Twin, &twin);
        world.drafts.extend(own);
        world.drafts.extend(twin.into_iter().map(|draft| draft.of(event)));
    }
    for number in 0..4 {
        let name = format!("27400{number:04}");
        let from_s = 900.0 + 3600.0 * f64::from(number) + chance.range(0.0, 600.0);
        let here = (20e3, -60e3 - 5e3 * f64::from(number));
        let there = (here.0 + chance.range(15e3, 40e3), here.1 + chance.range(-10e3, 10e3));
        let before = plots(world, &ship(ais, name.clone(), straight(from_s, from_s + 900.0, here, 7.0), 20.0), chance);
        let after = straight(from_s + 900.0, from_s + 1800.0, there, 7.0);
        let after = plots(world, &ship(ais, name, after, 20.0), chance);
        let at: Vec<Draft> = before.last().into_iter().chain(after.first()).cloned().collect();
        let event = add(world, Class::Interference, Sign::Jump, &at);
        let (last, first) = (before.len() - 1, 0);
        world.drafts.extend(before.into_iter().enumerate().map(|(n, it)| if n == last { it.of(event) } else { it }));
        world.drafts.extend(after.into_iter().enumerate().map(|(n, it)| if n == first { it.of(event) } else { it }));
    }
    for number in 0..20 {
        let name = format!("27500{number:04}");
        let y = -80e3 - 2e3 * f64::from(number);
        let from_s = chance.range(0.0, 9000.0);
        let sound = ship(ais, name, straight(from_s, from_s + 7200.0, (-40e3, y), 8.0), 30.0);
        let mut seen = plots(world, &sound, chance);
        let garbled = offset(COAST, chance.range(-50e3, 50e3), chance.range(-50e3, -45e3));
        let at = seen.len() / 2;
        seen[at] = plot(&sound, seen[at].time_ns, garbled, (8.0, 0.0));
        world.drafts.extend(seen);
    }
}

/// Ships that go round and round: two at the closed area's southern border by night, one far from it, one after sunrise.
fn lingerers(world: &mut World, ais: usize, chance: &mut Chance) {
    // The end of the scene is after sunrise.
    for (number, (from_s, south_m, counts)) in
        [(600.0, 1200.0, true), (5400.0, 1800.0, true), (600.0, 9e3, false), (16_200.0, 1500.0, false)]
            .into_iter()
            .enumerate()
    {
        let to_s: f64 = if from_s + 7200.0 > LENGTH_S { LENGTH_S } else { from_s + 7200.0 };
        let middle = (chance.range(WEST_M + 2e3, EAST_M - 2e3), SOUTH_M - south_m);
        let mut way = Vec::new();
        let mut at_s = from_s;
        while at_s <= to_s {
            let turn = at_s / 900.0 * std::f64::consts::TAU;
            way.push((at_s, middle.0 + 300.0 * turn.sin(), middle.1 + 300.0 * turn.cos()));
            at_s += 60.0;
        }
        let seen = plots(world, &ship(ais, format!("27600000{number}"), way, 30.0), chance);
        if counts {
            let event = add(world, Class::SeaIncursion, Sign::Loitering, &seen);
            world.drafts.extend(seen.into_iter().map(|draft| draft.of(event)));
        } else {
            world.drafts.extend(seen);
        }
    }
}

/// Four batteries in the withdrawal area, three outside of it; each fires some rounds, twice, two hours apart.
fn batteries(world: &mut World, radar: usize, chance: &mut Chance) {
    for number in 0..7 {
        let inside = number < 4;
        let east_m = if inside { 22e3 + 4e3 * f64::from(number) } else { 4e3 * f64::from(number) };
        let place = offset(COAST, east_m, if inside { chance.range(12e3, 20e3) } else { 30e3 });
        for from_s in [600.0, 9000.0] {
            let start_s = from_s + chance.range(0.0, 900.0);
            let mut at_s = start_s;
            let mut rounds = Vec::new();
            for _ in 0..4 + chance.below(8) {
                let seen = place.toward(chance.range(0.0, 360.0), 40.0 * chance.normal().abs());
                let time_ns = to_microseconds(world.at_ns(at_s));
                let origin = Fields::new()
                    .number("lon", seen.lon_deg, 6)
                    .number("lat", seen.lat_deg, 6)
                    .time("time", time_ns)
                    .number("time_sd_s", 0.5, 1)
                    .number("semi_major_m", 60.0, 0)
                    .number("semi_minor_m", 25.0, 0)
                    .number("orientation_deg", 10.0, 1);
                let fields = Fields::new().text("projectile", "shell_122").object("origin", &origin);
                rounds.push(Draft::new(radar, Kind::Radar, time_ns + ns_from_s(10.0), fields));
                at_s += chance.range(15.0, 60.0);
            }
            if inside {
                let first_ns = rounds[0].time_ns;
                let happening = world.happening(Class::IncursionWeapons, first_ns, place, &[Prohibition::HeavyWeapons]);
                let to_ns = rounds.last().map(|round| round.time_ns);
                let event = world.add_event(Event { lasts: true, to_ns, ..happening });
                rounds = rounds.into_iter().map(|round| round.of(event)).collect();
            }
            world.drafts.extend(rounds);
        }
    }
}

/// Nine aircraft and drones through a zone with a ceiling: four below it, four above, and one that sends no height.
fn flights(world: &mut World, chance: &mut Chance) {
    let corners = [(20e3, 26e3), (34e3, 26e3), (34e3, 36e3), (20e3, 36e3)];
    let mut zone =
        Area::new("low-1", AreaType::NoFly, &[Prohibition::Flight, Prohibition::Uav], polygon(COAST, &corners));
    zone.ceiling_m = Some(CEILING_M);
    world.areas.push(zone);
    let radar = node(world, "radar-2", Kind::Track, COAST, Component::Air);
    for number in 0..9 {
        let domain = if number % 2 == 0 { Domain::Air } else { Domain::Uav };
        let m_s = if domain == Domain::Air { chance.range(90.0, 160.0) } else { chance.range(25.0, 45.0) };
        let (from_s, north_m) = (600.0 + 1500.0 * f64::from(number), chance.range(28e3, 34e3));
        let flight = Mover {
            identity: None,
            domain,
            class: "fixed_wing",
            alt_m: match number {
                0..4 => chance.range(200.0, CEILING_M - 500.0),
                4..8 => chance.range(CEILING_M + 500.0, 9000.0),
                _ => 0.0,
            },
            sd_m: 40.0,
            ..ship(
                radar,
                format!("flight-{number}"),
                vec![(from_s, 17e3, north_m), (from_s + 20e3 / m_s, 37e3, north_m)],
                5.0,
            )
        };
        send(world, &flight, 5000.0, chance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_something_to_see() {
        let simulation = make(5, &Options::default());
        let count = |class, sign: Option<Sign>| {
            simulation.truth.iter().filter(|event| event.class == class && event.sign == sign).count()
        };
        assert_eq!(count(Class::SeaIncursion, None), 8);
        assert_eq!(count(Class::SeaIncursion, Some(Sign::Loitering)), 2);
        assert_eq!(
            count(Class::Interference, Some(Sign::Jamming)),
            6,
            "three by what is reported, three by what nodes suffer"
        );
        assert_eq!(count(Class::Interference, Some(Sign::Twin)), 4);
        assert_eq!(count(Class::Interference, Some(Sign::Jump)), 6, "four ships, and a boat there and back");
        let emitters = count(Class::Interference, Some(Sign::Emitter));
        assert!((6..=9).contains(&emitters), "{emitters}");
        assert_eq!(count(Class::IncursionWeapons, None), 8);
        assert_eq!(count(Class::AirIncursion, None), 5);
        let clusters = count(Class::SensorSilent, Some(Sign::Cluster));
        assert!((3..=4).contains(&clusters), "of those that a jammer cuts off there may be enough: {clusters}");
        let barred = |event: &&crate::simulate::Truth| event.class.as_str().starts_with("restriction");
        let repeated =
            simulation.truth.iter().filter(barred).filter(|event| event.sign == Some(Sign::Repeated)).count();
        assert_eq!((simulation.truth.iter().filter(barred).count(), repeated), (9, 4));
        let passages =
            simulation.truth.iter().filter(|event| event.class == Class::SeaIncursion && event.sign.is_none());
        assert_eq!(passages.filter(|event| event.violation).count(), 5);
    }
}
