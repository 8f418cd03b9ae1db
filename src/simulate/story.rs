//! The scenario `demo`: twenty minutes that show everything once.
//!
//! A quiet morning; a training shoot under notice; guns and their impacts, followed by radar; a jammer; a drone across
//! the line; a ship going dark; a node that falls silent; a patrol turned back; howitzers found; a barrage. The nodes
//! and the map are the same in every round of it, so that it can go on and on with another seed each round.

use super::chance::{Chance, Purpose};
use super::draft::{Draft, Fields};
use super::fire::{self, Batteries};
use super::fusion::{self, Senses};
use super::ground::{self, offset, polygon};
use super::movers::{Mover, send};
use super::scenes::{LAND, RANGE_M, REACH_M};
use super::site::Site;
use super::world::{Event, World};
use super::{Chapter, Options, Simulation, chatter, hear, post};
use crate::model::alert::Class;
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::geo::LonLat;
use crate::model::kind::{Activity, Component, Domain, Kind};
use crate::model::time::ns_from_s;

/// How long a round of the story lasts, seconds.
const LENGTH_S: f64 = 1200.0;
/// Where nodes stand does not depend on the seed.
const SITES_SEED: u64 = 20260301;
/// Clutter picks in a round.
const CLUTTER: f64 = 260.0;
/// Off the coast, where the ship sails.
const SEA: LonLat = LonLat { lon_deg: 31.6, lat_deg: 46.35 };

/// What is told, and when, seconds into the story.
const CHAPTERS: [(f64, &str); 10] = [
    (0.0, "A quiet morning along the line."),
    (150.0, "A training shoot, announced by a notice."),
    (300.0, "Off the coast a ship stops sending its position."),
    (390.0, "Guns fire across the line; radars follow the shells."),
    (520.0, "A drone crosses into the disengagement area."),
    (620.0, "A microphone falls silent; something jams satellite navigation."),
    (700.0, "A patrol is turned back at a checkpoint."),
    (770.0, "A patrol finds howitzers where none may be."),
    (860.0, "A barrage begins."),
    (1110.0, "It grows quiet again."),
];

/// Sixty microphones and some of every other kind, on the land map with a stretch of sea.
fn lay_out(world: &mut World) {
    let mut chance = Chance::new(SITES_SEED, Purpose::Sites);
    world.areas = ground::land(LAND, REACH_M);
    world.areas[0].prohibits.push(Prohibition::Interference);
    let square =
        |half_m: f64| polygon(SEA, &[(-half_m, -half_m), (half_m, -half_m), (half_m, half_m), (-half_m, half_m)]);
    let mut maritime = Area::new("maritime-1", AreaType::Maritime, &[Prohibition::AisOff], square(8000.0));
    maritime.component = Some(Component::Maritime);
    let sea =
        Area { sector: Some("sector-sea".into()), ..Area::new("sector-sea", AreaType::Sector, &[], square(20_000.0)) };
    world.areas.extend([maritime, sea]);
    for cell in 0..60 {
        let (column, row) = ((cell % 10) as f64, (cell / 10) as f64);
        let east = -REACH_M + (column + chance.uniform()) * REACH_M / 5.0;
        let north = -REACH_M + (row + chance.uniform()) * REACH_M / 3.0;
        let name = format!("mic-{:02}", cell + 1);
        world.add_site(Site::microphone(name, offset(LAND, east, north), RANGE_M, 15.0, &mut chance));
    }
    let senses = Senses { cameras: 6, radars: 2, infrasound: 2, seismometers: 4, patrols: 4, listeners: 4 };
    fusion::add_nodes(world, senses, REACH_M, 15.0, &mut chance);
    for (name, kind, place, component, sector) in [
        ("uav-radar-1", Kind::Track, LAND, Component::Air, None),
        ("ais-1", Kind::Track, SEA, Component::Maritime, Some("sector-sea")),
        ("sat-1", Kind::Thermal, LAND, Component::Air, None),
    ] {
        let mut site = Site::new(name.to_owned(), &[kind], place);
        site.node.component = Some(component);
        site.node.sector = sector.map(str::to_owned);
        site.node.heartbeat_s = (kind == Kind::Track).then_some(15.0);
        world.add_site(site);
    }
}

/// A round of the story.
pub(super) fn make(seed: u64, options: &Options) -> Simulation {
    let mut world = World::new(seed, options, LAND, LENGTH_S);
    lay_out(&mut world);
    let round = world.start_ns.div_euclid(60_000_000_000);
    let (from_ns, to_ns) = (world.at_ns(120.0), world.at_ns(420.0));
    world.notices = vec![ground::training(LAND, REACH_M, &format!("training-{round:x}"), from_ns, to_ns)];
    let mut chance = Chance::new(seed, Purpose::Story);
    let rounds = shooting(&mut world, &mut chance);
    silence(&mut world);
    let seed_of = |purpose| Chance::new(seed, purpose);
    hear::hear(&mut world, 0, &mut seed_of(Purpose::Hearing));
    let mut fusion_chance = seed_of(Purpose::Fusion);
    fusion::flashes(&mut world, &mut fusion_chance);
    fusion::radars(&mut world, &rounds, &mut fusion_chance);
    fusion::ground_waves(&mut world, &mut fusion_chance);
    fusion::infrasound(&mut world, &mut fusion_chance);
    fusion::patrols(&mut world, &mut fusion_chance);
    if let Some(&satellite) = fusion::sites_of(&world, Kind::Thermal).first() {
        fusion::satellite_pass(&mut world, satellite, 1000.0, &mut fusion_chance);
    }
    fusion::jamming(&mut world, offset(LAND, 0.2 * REACH_M, -0.2 * REACH_M), (640.0, 820.0), &mut fusion_chance);
    patrol_reports(&mut world);
    traffic(&mut world, &mut seed_of(Purpose::Movers));
    chatter::clutter(&mut world, CLUTTER, &mut seed_of(Purpose::Clutter));
    chatter::heartbeats(&mut world, &mut seed_of(Purpose::Heartbeats));
    // The story fits its round: nobody takes longer than some minutes over a report.
    for draft in &mut world.drafts {
        draft.held_s *= 0.2;
    }
    let start_ns = world.start_ns;
    let mut simulation = post::deliver(world);
    simulation.chapters =
        CHAPTERS.iter().map(|&(at_s, text)| Chapter { time_ns: start_ns + ns_from_s(at_s), text }).collect();
    simulation
}

/// All fire of the story; the pairs of rounds that leave and land.
fn shooting(world: &mut World, chance: &mut Chance) -> Vec<(usize, usize)> {
    // The shoot: one firing point, in the training area and in the disengagement area.
    let point = offset(LAND, 0.36 * REACH_M, 0.28 * REACH_M);
    let mut at_s = 165.0;
    for _ in 0..8 {
        let place = offset(point, 60.0 * chance.normal(), 60.0 * chance.normal());
        let time_ns = world.at_ns(at_s);
        world.add_fire(Class::FireExplosion, time_ns, place, RANGE_M, chance);
        at_s += chance.range(12.0, 24.0);
    }
    let mut guns = Batteries {
        guns: vec![
            offset(LAND, -0.62 * REACH_M, 0.15 * REACH_M),
            offset(LAND, -0.60 * REACH_M, 0.02 * REACH_M),
            offset(LAND, -0.66 * REACH_M, -0.20 * REACH_M),
        ],
        targets: vec![offset(LAND, 0.22 * REACH_M, -0.08 * REACH_M)],
    };
    let mut rounds = fire::barrage(world, &guns, RANGE_M, 16, (395.0, 470.0), chance);
    guns.targets.push(offset(LAND, 0.30 * REACH_M, 0.10 * REACH_M));
    guns.targets.push(offset(LAND, 0.62 * REACH_M, -0.54 * REACH_M));
    let count = (140.0 * world.options.rate).round() as usize;
    rounds.extend(fire::barrage(world, &guns, RANGE_M, count, (870.0, 1060.0), chance));
    rounds
}

/// One microphone falls silent for six minutes.
fn silence(world: &mut World) {
    let Some(at) = fusion::sites_of(world, Kind::Acoustic).get(37).copied() else { return };
    let (from_ns, to_ns) = (world.at_ns(620.0), world.at_ns(980.0));
    world.sites[at].outages.push((from_ns, to_ns));
    let event = Event {
        lasts: true,
        to_ns: Some(to_ns),
        ..world.happening(Class::SensorSilent, from_ns, world.sites[at].place, &[])
    };
    let event_at = world.add_event(event);
    // Its last word before the silence and its first after it are the evidence, and are sent for certain.
    for time_ns in [from_ns - 1_000_000, to_ns] {
        let fields = Fields::new().text("health", "ok").number("clock_sd_s", world.sites[at].clock_sd_s, 3);
        world.drafts.push(Draft::new(at, Kind::Status, time_ns, fields).of(event_at));
    }
}

/// A patrol turned back, and one that finds what should not be there.
fn patrol_reports(world: &mut World) {
    let patrols = fusion::sites_of(world, Kind::Patrol);
    let [first, second, ..] = patrols.as_slice() else { return };
    let checkpoint = offset(LAND, 0.05 * REACH_M, 0.2 * REACH_M);
    fusion::restriction(world, *first, Class::RestrictionDenied, 710.0, checkpoint);
    let yard = offset(LAND, -0.2 * REACH_M, -0.15 * REACH_M);
    let time_ns = world.at_ns(775.0);
    let mut event = world.happening(Class::IncursionWeapons, time_ns, yard, &[Prohibition::HeavyWeapons]);
    event.lasts = false;
    let event_at = world.add_event(event);
    let fields = fusion::own_place(Fields::new().text("activity", Activity::Found.as_str()), yard)
        .text("object_class", "howitzer")
        .number("object_lon", yard.lon_deg, 6)
        .number("object_lat", yard.lat_deg, 6)
        .whole("count", 3)
        .text("text", "three towed howitzers under nets behind the grain store");
    world.drafts.push(Draft::new(*second, Kind::Patrol, time_ns, fields).of(event_at).held(15.0));
}

/// A drone across the line and back, and a ship that goes dark.
fn traffic(world: &mut World, chance: &mut Chance) {
    let site_named = |world: &World, name: &str| world.sites.iter().position(|site| site.node.name == name);
    let r = REACH_M;
    if let Some(site) = site_named(world, "uav-radar-1") {
        let way = vec![
            (430.0, -0.95 * r, 0.30 * r),
            (530.0, -0.43 * r, 0.12 * r),
            (680.0, 0.10 * r, 0.05 * r),
            (720.0, 0.12 * r, -0.10 * r),
            (900.0, -0.80 * r, -0.20 * r),
        ];
        let drone = Mover {
            site,
            track: format!("uav-{}", world.start_ns.div_euclid(60_000_000_000)),
            domain: Domain::Uav,
            class: "fixed_wing",
            identity: None,
            way,
            alt_m: 250.0,
            sd_m: 40.0,
            every_s: 2.5,
            gaps: Vec::new(),
        };
        send(world, &drone, 0.0, chance);
    }
    if let Some(site) = site_named(world, "ais-1") {
        // Metres about the middle of the land: the sea is to the south.
        let frame = crate::model::geo::Frame::about(LAND);
        let (x, y) = frame.to_plane(SEA);
        for (number, identity, class, from, to, gaps) in [
            (1, "272114600", "cargo", (x - 7e3, y - 2e3), (x + 2e3, y + 1e3), vec![(300.0, 1090.0)]),
            (2, "272055300", "fishing", (x + 9e3, y + 9e3), (x + 12e3, y + 4e3), Vec::new()),
            (3, "271990120", "tanker", (x - 12e3, y + 6e3), (x - 3e3, y + 9.5e3), Vec::new()),
        ] {
            let ship = Mover {
                site,
                track: format!("ship-{number}"),
                domain: Domain::Sea,
                class,
                identity: Some(identity.to_owned()),
                way: vec![(0.0, from.0, from.1), (LENGTH_S, to.0, to.1)],
                alt_m: 0.0,
                sd_m: 15.0,
                every_s: 10.0,
                gaps,
            };
            send(world, &ship, 5000.0, chance);
        }
    }
}
