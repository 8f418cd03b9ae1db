//! The other senses: cameras that see the flash, radars that follow the shell, infrasound, the ground, patrols that
//! hear and report minutes later, satellites that pass by hours later, and jamming.

use super::chance::{Chance, Purpose};
use super::draft::{Draft, Fields};
use super::ground::offset;
use super::hear::{hint_of, to_microseconds};
use super::jamming::power_dbm;
use super::site::Site;
use super::world::{Event, World};
use crate::engine::rules::emitter::LEAST_NODES;
use crate::model::alert::{Class, Sign};
use crate::model::area::Prohibition;
use crate::model::geo::{LIGHT_IN_AIR_M_S, LonLat};
use crate::model::kind::{Activity, Hint, Kind};
use crate::model::time::{NS_PER_S, ns_from_s};

/// Speeds of the ground's waves, m/s.
const P_M_S: f64 = 5800.0;
const S_M_S: f64 = 3350.0;
/// Uncertainty of a camera's time, of a seismometer's and of an infrasound array's, seconds.
const FLASH_SD_S: f64 = 0.03;
const SEISMIC_SD_S: f64 = 0.05;
const INFRASOUND_SD_S: f64 = 1.0;
/// Uncertainty of a camera's bearing, degrees.
const FLASH_SD_DEG: f64 = 0.3;

/// How many nodes of each kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Senses {
    pub(super) cameras: usize,
    pub(super) radars: usize,
    pub(super) infrasound: usize,
    pub(super) seismometers: usize,
    pub(super) patrols: usize,
    pub(super) listeners: usize,
}

/// Places such a set of nodes within `reach_m` of the middle (infrasound outside).
pub(super) fn add_nodes(world: &mut World, senses: Senses, reach_m: f64, heartbeat_s: f64, chance: &mut Chance) {
    let plan: [(&str, Kind, usize, f64, f64, f64); 6] = [
        ("cam", Kind::Flash, senses.cameras, 15_000.0, 0.7, FLASH_SD_S),
        ("wlr", Kind::Radar, senses.radars, 30_000.0, 0.7, 0.5),
        ("inf", Kind::Infrasound, senses.infrasound, 60_000.0, 0.4, INFRASOUND_SD_S),
        ("geo", Kind::Seismic, senses.seismometers, 15_000.0, 0.5, SEISMIC_SD_S),
        ("pat", Kind::Patrol, senses.patrols, 6_000.0, 0.3, 60.0),
        ("jam", Kind::Interference, senses.listeners, 40_000.0, 0.9, 1.0),
    ];
    for (prefix, kind, count, range_m, detect_p, sd_s) in plan {
        for number in 1..=count {
            let spread = if kind == Kind::Infrasound { 1.5 } else { 0.8 };
            let turn = (number as f64 + chance.uniform()) / count as f64 * std::f64::consts::TAU;
            let out = if kind == Kind::Infrasound { spread } else { spread * chance.uniform().sqrt() };
            let place = offset(world.centre, out * reach_m * turn.sin(), out * reach_m * turn.cos());
            let kinds: &[Kind] = if kind == Kind::Interference { &[kind, Kind::Radio] } else { &[kind] };
            let mut site = Site::new(format!("{prefix}-{number}"), kinds, place);
            site.pick_sd_s = sd_s;
            site.node.range_m = Some(range_m);
            site.node.detect_p = Some(detect_p);
            site.node.time_sd_s = Some(sd_s);
            site.node.heartbeat_s = (kind != Kind::Patrol).then_some(heartbeat_s);
            site.node.false_per_hour = (kind == Kind::Flash).then_some(4.0);
            world.add_site(site);
        }
    }
}

/// The sites that report that kind.
pub(super) fn sites_of(world: &World, kind: Kind) -> Vec<usize> {
    (0..world.sites.len()).filter(|&at| world.sites[at].node.kinds.contains(kind)).collect()
}

fn degrees(azimuth_deg: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (azimuth_deg.rem_euclid(360.0) * scale).floor() / scale
}

/// Cameras see flashes within their range, and now and then something else.
pub(super) fn flashes(world: &mut World, chance: &mut Chance) {
    for site_at in sites_of(world, Kind::Flash) {
        for event_at in 0..world.events.len() {
            let event = &world.events[event_at];
            let (distance_m, azimuth_deg) = world.sites[site_at].place.distance_azimuth(event.place);
            let near = distance_m / world.sites[site_at].node.range_m.unwrap_or(0.0);
            if !event.class.is_fire() || near > 1.0 || !chance.yes(0.7 * (1.0 - 0.5 * near)) {
                continue;
            }
            let time_ns =
                to_microseconds(event.time_ns + ns_from_s(world.options.noise * FLASH_SD_S * chance.normal()));
            let measured_deg = azimuth_deg + world.options.noise * FLASH_SD_DEG * chance.normal();
            world.drafts.push(flash(site_at, time_ns, measured_deg, chance).of(event_at));
            world.events[event_at].arrivals += 1;
            let information = &mut world.events[event_at].information;
            information.origin_time(FLASH_SD_S);
            information.bearing(azimuth_deg + 180.0, distance_m, FLASH_SD_DEG);
        }
        let per_hour = world.sites[site_at].node.false_per_hour.unwrap_or(0.0);
        for _ in 0..chance.poisson(per_hour * world.length_s() / 3600.0) {
            let time_ns = to_microseconds(world.at_ns(chance.range(0.0, world.length_s())));
            let azimuth_deg = chance.range(0.0, 360.0);
            world.drafts.push(flash(site_at, time_ns, azimuth_deg, chance));
        }
    }
}

fn flash(site: usize, time_ns: i64, azimuth_deg: f64, chance: &mut Chance) -> Draft {
    let fields = Fields::new()
        .number("time_sd_s", FLASH_SD_S, 3)
        .number("azimuth_deg", degrees(azimuth_deg, 2), 2)
        .number("azimuth_sd_deg", FLASH_SD_DEG, 2)
        .number("elevation_deg", chance.range(0.1, 2.0), 1)
        .number("intensity", chance.log_normal(100.0, 0.7), 1);
    Draft::new(site, Kind::Flash, time_ns, fields)
}

/// Radars follow shells (leaving, landing): they tell both ends, or one.
pub(super) fn radars(world: &mut World, rounds: &[(usize, usize)], chance: &mut Chance) {
    for site_at in sites_of(world, Kind::Radar) {
        for &(leaving, landing) in rounds {
            let (from, to) = (world.events[leaving].clone(), world.events[landing].clone());
            let site = &world.sites[site_at];
            if site.place.distance_m(from.place) > site.node.range_m.unwrap_or(0.0) || !chance.yes(0.7) {
                continue;
            }
            let ends = match chance.uniform() {
                u if u < 0.75 => (true, true),
                u if u < 0.9 => (true, false),
                _ => (false, true),
            };
            let along_deg = from.place.distance_azimuth(to.place).1;
            let mut fields = Fields::new().text("projectile", chance.one_of(&["shell_122", "shell_152", "mortar_120"]));
            let time_ns = to_microseconds(from.time_ns + ns_from_s(chance.range(8.0, 15.0)));
            let mut draft = Draft::new(site_at, Kind::Radar, time_ns, Fields::new());
            let plan = [(ends.0, "origin", leaving, &from, 60.0, 25.0), (ends.1, "impact", landing, &to, 110.0, 45.0)];
            for (told, name, event_at, event, semi_major_m, semi_minor_m) in plan {
                if told {
                    fields = fields.object(
                        name,
                        &radar_end(event, along_deg, (semi_major_m, semi_minor_m), world.options.noise, chance),
                    );
                    draft = draft.of(event_at);
                    let known = &mut world.events[event_at];
                    known.placed = true;
                    known.information.place(along_deg, semi_major_m, semi_minor_m);
                }
            }
            draft.fields = fields;
            world.drafts.push(draft);
        }
    }
}

/// One end of a trajectory as a radar gives it: its ellipse lies along the line of fire.
fn radar_end(event: &Event, along_deg: f64, (major_m, minor_m): (f64, f64), noise: f64, chance: &mut Chance) -> Fields {
    let place = event
        .place
        .toward(along_deg, noise * major_m * chance.normal())
        .toward(along_deg + 90.0, noise * minor_m * chance.normal());
    Fields::new()
        .number("lon", place.lon_deg, 6)
        .number("lat", place.lat_deg, 6)
        .time("time", to_microseconds(event.time_ns + ns_from_s(noise * 0.5 * chance.normal())))
        .number("time_sd_s", 0.5, 1)
        .number("semi_major_m", major_m, 0)
        .number("semi_minor_m", minor_m, 0)
        .number("orientation_deg", degrees(along_deg, 1) % 180.0, 1)
}

/// The ground carries what strikes it: P, now and then S, half of them named.
pub(super) fn ground_waves(world: &mut World, chance: &mut Chance) {
    for site_at in sites_of(world, Kind::Seismic) {
        for event_at in 0..world.events.len() {
            let event = &world.events[event_at];
            let (time_ns, place) = (event.time_ns, event.place);
            let (distance_m, back_deg) = world.sites[site_at].place.distance_azimuth(place);
            let heard = 0.5 * (-0.7 * (distance_m / 8_000.0).powi(4)).exp();
            if !matches!(event.class, Class::FireImpact | Class::FireExplosion) || !chance.yes(heard) {
                continue;
            }
            for (phase, speed_m_s, share) in [("P", P_M_S, 1.0), ("S", S_M_S, 0.3)] {
                if !chance.yes(share) {
                    continue;
                }
                let error_s = world.options.noise * SEISMIC_SD_S * chance.normal();
                let mut fields = Fields::new();
                if chance.yes(0.5) {
                    fields = fields.text("phase", phase);
                }
                let amplitude_m_s = chance.log_normal(2e-6, 0.8) * (1000.0 / distance_m.max(100.0));
                fields = fields
                    .number("amplitude_m_s", amplitude_m_s, 10)
                    .number("snr_db", chance.range(6.0, 20.0), 1)
                    .number("time_sd_s", SEISMIC_SD_S, 2);
                let arrival_ns = to_microseconds(time_ns + ns_from_s(distance_m / speed_m_s + error_s));
                world.drafts.push(Draft::new(site_at, Kind::Seismic, arrival_ns, fields).of(event_at));
                world.events[event_at].arrivals += 1;
                world.events[event_at].information.arrival(back_deg + 180.0, speed_m_s, SEISMIC_SD_S);
            }
        }
    }
}

/// The two ways of infrasound near enough to matter, as travel time over distance: mean and sigma, s/m. Along the ground it comes in ducts
/// of the troposphere; beyond the zone of silence most of it comes down from the stratosphere.
const LOW_WAY_S_M: (f64, f64) = (1.0 / 327.0, 0.066e-3);
const HIGH_WAY_S_M: (f64, f64) = (1.0 / 293.0, 0.08e-3);
/// Where the high way is taken as often as the low one, and over what distance that changes, m.
const ZONE_OF_SILENCE_M: (f64, f64) = (200_000.0, 50_000.0);
/// No infrasound is told of with a celerity beyond these, m/s.
const CELERITY_M_S: (f64, f64) = (280.0, 340.0);

/// Infrasound carries far, at a celerity that differs from way to way and from path to path.
pub(super) fn infrasound(world: &mut World, chance: &mut Chance) {
    let mut ways = Chance::new(world.seed, Purpose::Ways);
    for site_at in sites_of(world, Kind::Infrasound) {
        for event_at in 0..world.events.len() {
            let event = &world.events[event_at];
            let (distance_m, azimuth_deg) = world.sites[site_at].place.distance_azimuth(event.place);
            if !event.class.is_fire() || !chance.yes(0.4 * (-distance_m / 60_000.0).exp()) {
                continue;
            }
            let (middle_m, over_m) = ZONE_OF_SILENCE_M;
            let is_high = ways.yes(1.0 / (1.0 + ((middle_m - distance_m) / over_m).exp()));
            let (mean_s_m, sd_s_m) = if is_high { HIGH_WAY_S_M } else { LOW_WAY_S_M };
            let celerity_m_s = (1.0 / (mean_s_m + sd_s_m * chance.normal())).clamp(CELERITY_M_S.0, CELERITY_M_S.1);
            let sent_ns = event.time_ns + ns_from_s(distance_m / celerity_m_s);
            if sent_ns >= world.end_ns {
                continue;
            }
            let error_s = world.options.noise * INFRASOUND_SD_S * chance.normal();
            let measured_deg = azimuth_deg + world.options.noise * 3.0 * chance.normal();
            let fields = Fields::new()
                .number("amplitude_pa", chance.log_normal(0.05, 0.6), 4)
                .number("snr_db", chance.range(4.0, 15.0), 1)
                .number("azimuth_deg", degrees(measured_deg, 1), 1)
                .number("azimuth_sd_deg", 3.0, 1)
                .number("trace_velocity_m_s", chance.range(338.0, 360.0), 0)
                .text("class", hint_of(event.class, chance).as_str());
            let draft = Draft::new(site_at, Kind::Infrasound, to_microseconds(sent_ns + ns_from_s(error_s)), fields)
                .of(event_at);
            world.drafts.push(Draft { sent_ns, ..draft });
            world.events[event_at].arrivals += 1;
        }
    }
}

/// What a patrol noticed of one event, before it is written down.
struct Noticed {
    event: usize,
    activity: Activity,
    hint: Hint,
    here: LonLat,
    time_ns: i64,
    sent_ns: i64,
    azimuth_deg: f64,
    distance_m: f64,
    held_s: f64,
}

/// A patrol writes several rounds of one minute down as one report when they came from within so many degrees.
const ONE_DIRECTION_DEG: f64 = 30.0;
/// Reports an hour and patrol of what was no fire at all.
const MISTAKES_PER_HOUR: f64 = 0.5;

/// Patrols drive about, tell where they are every minute, and report what they heard: to the minute, minutes later;
/// several rounds from one direction as one report, and now and then something that was no fire.
pub(super) fn patrols(world: &mut World, chance: &mut Chance) {
    let mut hearsay = Chance::new(world.seed, Purpose::Hearsay);
    for site_at in sites_of(world, Kind::Patrol) {
        let heading_deg = chance.range(0.0, 360.0);
        let speed_m_s = chance.range(2.0, 6.0);
        let start = world.sites[site_at].place;
        // There and back: a patrol stays about.
        let place_at = |at_s: f64| {
            let leg_s = 900.0;
            let phase = (at_s / leg_s).rem_euclid(2.0);
            start.toward(heading_deg, speed_m_s * leg_s * if phase < 1.0 { phase } else { 2.0 - phase })
        };
        let mut at_s = chance.range(0.0, 60.0);
        while at_s < world.length_s() {
            let fields = own_place(Fields::new().text("activity", Activity::Position.as_str()), place_at(at_s));
            world.drafts.push(Draft::new(site_at, Kind::Patrol, to_microseconds(world.at_ns(at_s)), fields));
            at_s += 60.0;
        }
        let mut noticed = Vec::new();
        for event_at in 0..world.events.len() {
            let event = &world.events[event_at];
            let here = place_at(world.at_s(event.time_ns));
            let (distance_m, azimuth_deg) = here.distance_azimuth(event.place);
            let range_m = world.sites[site_at].node.range_m.unwrap_or(0.0);
            if !event.class.is_fire() || distance_m > range_m || !chance.yes(0.3) {
                continue;
            }
            let minute_ns = 60 * NS_PER_S;
            let heard_ns = event.time_ns + ns_from_s(distance_m / 340.0);
            let time_ns = (heard_ns + minute_ns / 2).div_euclid(minute_ns) * minute_ns;
            let said_m = distance_m * (1.0 + 0.3 * chance.normal()).max(0.2);
            let activity = if chance.yes(0.2) { Activity::Saw } else { Activity::Heard };
            noticed.push(Noticed {
                event: event_at,
                activity,
                hint: hint_of(event.class, chance),
                here,
                time_ns,
                // Told from the moment it was heard, so that no report overtakes its own minute.
                sent_ns: time_ns.max(heard_ns),
                azimuth_deg: azimuth_deg + 12.0 * chance.normal(),
                distance_m: said_m,
                held_s: chance.range(60.0, 1200.0),
            });
        }
        for _ in 0..hearsay.poisson(MISTAKES_PER_HOUR * world.length_s() / 3600.0) {
            let time_ns = to_microseconds(world.at_ns(hearsay.range(0.0, world.length_s())));
            let mistaken = Noticed {
                event: usize::MAX,
                activity: Activity::Heard,
                hint: Hint::Explosion,
                here: place_at(world.at_s(time_ns)),
                time_ns,
                sent_ns: time_ns,
                azimuth_deg: hearsay.range(0.0, 360.0),
                distance_m: hearsay.range(500.0, 6_000.0),
                held_s: hearsay.range(60.0, 1200.0),
            };
            world.drafts.push(written_down(site_at, &[&mistaken]));
        }
        noticed.sort_by_key(|one| one.time_ns);
        for minute in noticed.chunk_by(|a, b| (a.time_ns, a.activity) == (b.time_ns, b.activity)) {
            let off_deg = |one: &Noticed| (one.azimuth_deg - minute[0].azimuth_deg + 180.0).rem_euclid(360.0) - 180.0;
            let (together, apart): (Vec<&Noticed>, Vec<&Noticed>) =
                minute.iter().partition(|one| off_deg(one).abs() <= ONE_DIRECTION_DEG);
            world.drafts.push(written_down(site_at, &together));
            world.drafts.extend(apart.into_iter().map(|one| written_down(site_at, &[one])));
        }
    }
}

/// The report about what was noticed, of which there is some.
fn written_down(site: usize, noticed: &[&Noticed]) -> Draft {
    let (first, n) = (noticed[0], noticed.len() as f64);
    let off_deg = |one: &&Noticed| (one.azimuth_deg - first.azimuth_deg + 180.0).rem_euclid(360.0) - 180.0;
    let azimuth_deg = first.azimuth_deg + noticed.iter().map(off_deg).sum::<f64>() / n;
    let said_m = noticed.iter().map(|one| one.distance_m).sum::<f64>() / n;
    let fields = own_place(Fields::new().text("activity", first.activity.as_str()), first.here)
        .text("class", first.hint.as_str())
        .whole("count", noticed.len() as u64)
        .truth("count_is_minimum", false)
        .number("azimuth_deg", degrees(azimuth_deg, 0), 0)
        .number("azimuth_sd_deg", 12.0, 0)
        .number("distance_m", (said_m / 100.0).round() * 100.0, 0)
        .number("distance_sd_m", (0.3 * said_m).max(100.0), 0)
        .number("time_sd_s", 60.0, 0);
    let mut draft = Draft::new(site, Kind::Patrol, first.time_ns, fields);
    draft.events = noticed.iter().map(|one| one.event).filter(|&event| event != usize::MAX).collect();
    let sent_ns = noticed.iter().map(|one| one.sent_ns).max().unwrap_or(first.sent_ns);
    Draft { sent_ns, ..draft }.held(first.held_s)
}

/// The position that a moving node carries.
pub(super) fn own_place(fields: Fields, place: LonLat) -> Fields {
    fields.number("lon", place.lon_deg, 6).number("lat", place.lat_deg, 6)
}

/// A patrol's report that its way was barred: an event, and its evidence.
pub(super) fn restriction(world: &mut World, site: usize, class: Class, at_s: f64, place: LonLat) {
    let (activity, reason) = match class {
        Class::RestrictionDelayed => (Activity::Delayed, "papers checked for forty minutes"),
        Class::RestrictionConditional => (Activity::Conditional, "escort demanded"),
        _ => (Activity::Denied, "safety could not be guaranteed"),
    };
    let time_ns = to_microseconds(world.at_ns(at_s));
    let mut event = world.happening(class, time_ns, place, &[]);
    // Barring a patrol's way is a breach wherever it happens.
    event.violation = true;
    let event_at = world.add_event(event);
    let fields = own_place(Fields::new().text("activity", activity.as_str()), place)
        .text("by", "armed persons at a checkpoint")
        .text("reason", reason)
        .number("duration_s", 2400.0, 0);
    world.drafts.push(Draft::new(site, Kind::Patrol, time_ns, fields).of(event_at).held(20.0));
}

/// A satellite passes and sees a quarter of what struck in the twenty minutes before; word of it comes later.
pub(super) fn satellite_pass(world: &mut World, site: usize, at_s: f64, chance: &mut Chance) {
    let pass_ns = to_microseconds(world.at_ns(at_s));
    for event_at in 0..world.events.len() {
        let event = &world.events[event_at];
        let before_ns = pass_ns - event.time_ns;
        let burns = matches!(event.class, Class::FireImpact | Class::FireExplosion);
        if !burns || !(0..1200 * NS_PER_S).contains(&before_ns) || !chance.yes(0.25) {
            continue;
        }
        let spot = offset(event.place, 150.0 * chance.normal(), 150.0 * chance.normal());
        let fields = Fields::new()
            .number("object_lon", spot.lon_deg, 5)
            .number("object_lat", spot.lat_deg, 5)
            .number("object_sd_m", 150.0, 0)
            .number("pixel_m", 375.0, 0)
            .number("frp_mw", chance.log_normal(6.0, 0.6), 1)
            .number("confidence", chance.range(0.4, 0.99), 2);
        let late_s = chance.range(300.0, 900.0);
        world.drafts.push(Draft::new(site, Kind::Thermal, pass_ns, fields).of(event_at).held(late_s));
    }
}

/// A jammer at `place` from `from_s` to `to_s`: every listener in range reports it every ten seconds, and the arrival
/// of its signal.
pub(super) fn jamming(world: &mut World, place: LonLat, (from_s, to_s): (f64, f64), chance: &mut Chance) {
    let from_ns = world.at_ns(from_s);
    let event = Event {
        lasts: true,
        to_ns: Some(world.at_ns(to_s)),
        ..world.happening(Class::Interference, from_ns, place, &[Prohibition::Interference])
    };
    let emitter = Event { sign: Some(Sign::Emitter), ..event.clone() };
    let event_at = world.add_event(event);
    let heard_from = |at: usize| (at, world.sites[at].place.distance_azimuth(place));
    let is_heard =
        |(at, (distance_m, _)): &(usize, (f64, f64))| *distance_m <= world.sites[*at].node.range_m.unwrap_or(0.0);
    let hearers: Vec<(usize, (f64, f64))> =
        sites_of(world, Kind::Interference).into_iter().map(heard_from).filter(is_heard).collect();
    // Where it stands is told by the arrivals of its signal, if enough hear it.
    let emitter_at = (hearers.len() >= LEAST_NODES).then(|| world.add_event(emitter));
    for (site_at, (distance_m, azimuth_deg)) in hearers {
        let mut at_s = from_s + chance.range(0.0, 10.0);
        while at_s < to_s {
            let power_dbm = power_dbm(distance_m) + chance.normal();
            let measured_deg = degrees(azimuth_deg + 5.0 * chance.normal(), 0);
            let time_ns = to_microseconds(world.at_ns(at_s));
            let seen = Fields::new()
                .text("band", "gnss")
                .number("power_dbm", power_dbm, 1)
                .number("azimuth_deg", measured_deg, 0)
                .number("azimuth_sd_deg", 5.0, 0);
            world.drafts.push(Draft::new(site_at, Kind::Interference, time_ns, seen).of(event_at));
            // The carrier's bursts leave every ten seconds and travel at the speed of light in air.
            let arrival_ns = world.at_ns((at_s / 10.0).floor() * 10.0) + ns_from_s(distance_m / LIGHT_IN_AIR_M_S);
            let heard = Fields::new()
                .number("frequency_hz", 1_575_420_000.0, 0)
                .number("power_dbm", power_dbm, 1)
                .text("emitter", "jammer-1")
                .number("time_sd_s", 2e-7, 8);
            let error_ns = (100.0 * chance.normal()).round() as i64;
            if arrival_ns >= from_ns {
                let draft = Draft::new(site_at, Kind::Radio, arrival_ns + error_ns, heard).of(event_at);
                world.drafts.push(emitter_at.into_iter().fold(draft, Draft::of));
            }
            at_s += 10.0;
        }
    }
}
