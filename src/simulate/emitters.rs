//! Emitters of radio signals and the receivers that hear when these arrive: of the scenario `rules`.
//!
//! A station that stands and repeats itself, a second one on its channel that sends at the same instants now and then, a drone that
//! gives its name and flies, and receivers that hear now and then what nobody else does. Hills hide some bursts. And a boat of the
//! mission that tells where it is, and for a while believes itself elsewhere.

use super::chance::Chance;
use super::draft::{Draft, Fields};
use super::ground::offset;
use super::hear::to_microseconds;
use super::site::Site;
use super::world::{Event, World};
use crate::model::alert::{Class, Sign};
use crate::model::geo::{LIGHT_IN_AIR_M_S, LonLat};
use crate::model::kind::{Component, Kind};
use crate::model::time::ns_from_s;

/// Receivers, how far they hear, metres, and one sigma of their times, seconds.
const RECEIVERS: usize = 7;
const RANGE_M: f64 = 60_000.0;
const TIME_SD_S: f64 = 2e-7;
/// The chance that one in range hears a burst.
const DETECT_P: f64 = 0.85;
/// Arrivals an hour of a receiver that are of nothing.
const CLUTTER_PER_HOUR: f64 = 30.0;
/// Between two bursts, seconds.
const EVERY_S: f64 = 10.0;
const CHANNEL_HZ: f64 = 433.92e6;
const DRONE_M_S: f64 = 25.0;
const DRONE_ALT_M: f64 = 300.0;

/// How an arrival is told.
struct Signal {
    frequency_hz: f64,
    name: Option<&'static str>,
}

/// All of it, about that place, in `length_s`.
pub(super) fn add(world: &mut World, middle: LonLat, length_s: f64, chance: &mut Chance) {
    let receivers: Vec<usize> = (1..=RECEIVERS).map(|number| receiver(world, number, middle, chance)).collect();
    let begins_s = [0.1, 0.4, 0.7].map(|share| share * length_s + chance.range(0.0, 600.0));
    for (number, from_s) in begins_s.into_iter().enumerate() {
        let signal = Signal { frequency_hz: CHANNEL_HZ, name: None };
        let place = somewhere(middle, chance);
        let bursts = bursts(from_s, chance.range(300.0, 900.0));
        stay(world, &receivers, place, &bursts, &signal, chance);
        // A second one, of which every third burst leaves when the first one's does.
        let other = somewhere(middle, chance);
        if place.distance_m(other) > 3_000.0 {
            let shifted: Vec<f64> =
                bursts.iter().enumerate().map(|(n, at_s)| if n % 3 == 0 { *at_s } else { at_s + 4.0 }).collect();
            stay(world, &receivers, other, &shifted, &signal, chance);
        }
        let name = ["uas-1", "uas-2", "uas-3"][number];
        fly(world, &receivers, middle, from_s + 30.0, &Signal { frequency_hz: 2.44e9, name: Some(name) }, chance);
    }
    deceive(world, middle, length_s, chance);
    for &site in &receivers {
        for _ in 0..chance.poisson(CLUTTER_PER_HOUR * length_s / 3600.0) {
            let at_ns = world.at_ns(chance.range(0.0, length_s));
            let heard = fields(&Signal { frequency_hz: CHANNEL_HZ, name: None }, chance);
            world.drafts.push(Draft::new(site, Kind::Radio, at_ns, heard));
        }
    }
}

/// A boat whose receiver of satellites is told that it is far away, from one heartbeat on and up to another; at times one of its
/// positions is garbled.
fn deceive(world: &mut World, middle: LonLat, length_s: f64, chance: &mut Chance) {
    const BEAT_S: f64 = 30.0;
    const BOAT_M_S: f64 = 6.0;
    let mut site = Site::new("boat-1".to_owned(), &[], middle);
    (site.node.position, site.node.component) = (None, Some(Component::Maritime));
    let boat = world.add_site(site);
    let from_s = chance.range(0.2, 0.6) * length_s;
    let (to_s, elsewhere) = (from_s + chance.range(900.0, 2400.0), offset(middle, -150e3, -90e3));
    let is_away = |at_s: f64| (from_s..to_s).contains(&at_s);
    let beats: Vec<f64> = (0..(length_s / BEAT_S) as usize).map(|n| BEAT_S * n as f64 + 7.0).collect();
    // There and back.
    for n in (1..beats.len()).filter(|&n| is_away(beats[n]) != is_away(beats[n - 1])) {
        let happening = world.happening(Class::Interference, world.at_ns(beats[n - 1]), middle, &[]);
        let (to_ns, sign) = (Some(world.at_ns(beats[n])), Some(Sign::Jump));
        world.add_event(Event { lasts: true, to_ns, sign, violation: false, areas: Vec::new(), ..happening });
    }
    let events = world.events.len();
    for (n, &at_s) in beats.iter().enumerate() {
        let under_way = offset(middle, BOAT_M_S * (at_s - 0.5 * length_s) * 0.3, 0.0);
        let place = match (is_away(at_s), chance.yes(0.002)) {
            (true, _) => elsewhere,
            (false, true) => offset(under_way, 40e3, 0.0),
            _ => under_way,
        };
        let fields = Fields::new()
            .text("health", "ok")
            .number("clock_sd_s", 0.01, 3)
            .number("lon", place.lon_deg, 6)
            .number("lat", place.lat_deg, 6);
        let mut draft = Draft::new(boat, Kind::Status, to_microseconds(world.at_ns(at_s)), fields);
        for (event, jump) in [events - 2, events - 1].into_iter().zip([true, false]) {
            let crosses = |a: usize, b: usize| is_away(beats[b]) != is_away(beats[a]) && is_away(beats[b]) == jump;
            if n + 1 < beats.len() && crosses(n, n + 1) || n > 0 && crosses(n - 1, n) {
                draft = draft.of(event);
            }
        }
        world.drafts.push(draft);
    }
}

fn receiver(world: &mut World, number: usize, middle: LonLat, chance: &mut Chance) -> usize {
    let turn = (number as f64 + 0.6 * chance.uniform()) / RECEIVERS as f64 * std::f64::consts::TAU;
    let out_m = chance.range(8e3, 20e3);
    let place = offset(middle, out_m * turn.sin(), out_m * turn.cos());
    let mut site = Site::new(format!("rx-{number}"), &[Kind::Radio], place);
    (site.node.range_m, site.node.detect_p, site.node.time_sd_s) = (Some(RANGE_M), Some(DETECT_P), Some(TIME_SD_S));
    (site.node.heartbeat_s, site.node.component) = (Some(30.0), Some(Component::Ground));
    world.add_site(site)
}

fn somewhere(middle: LonLat, chance: &mut Chance) -> LonLat {
    offset(middle, chance.range(-14e3, 14e3), chance.range(-14e3, 14e3))
}

fn bursts(from_s: f64, lasts_s: f64) -> Vec<f64> {
    (0..(lasts_s / EVERY_S) as usize).map(|n| from_s + EVERY_S * n as f64).collect()
}

fn fields(signal: &Signal, chance: &mut Chance) -> Fields {
    let fields = Fields::new()
        .number("frequency_hz", signal.frequency_hz, 0)
        .number("power_dbm", chance.range(-100.0, -60.0), 1)
        .number("time_sd_s", TIME_SD_S, 8);
    match signal.name {
        Some(name) => fields.text("emitter", name),
        None => fields,
    }
}

fn event(world: &mut World, bursts: &[f64], last: LonLat) -> usize {
    let ends = [bursts[0], bursts[bursts.len() - 1]].map(|at_s| world.at_ns(at_s));
    let happening = world.happening(Class::Interference, ends[0], last, &[]);
    let sign = Some(Sign::Emitter);
    world.add_event(Event { lasts: true, to_ns: Some(ends[1]), sign, violation: false, areas: Vec::new(), ..happening })
}

/// One burst: who hears it and when.
#[allow(clippy::too_many_arguments)]
fn burst(
    world: &mut World,
    receivers: &[usize],
    (place, alt_m): (LonLat, f64),
    at_s: f64,
    event: usize,
    signal: &Signal,
    chance: &mut Chance,
) {
    for &site in receivers {
        let distance_m = place.slant_m(alt_m, world.sites[site].place, 0.0);
        if distance_m > RANGE_M || !chance.yes(DETECT_P) {
            continue;
        }
        let after_s = distance_m / LIGHT_IN_AIR_M_S + TIME_SD_S * chance.normal();
        let time_ns = world.at_ns(at_s) + ns_from_s(after_s);
        world.drafts.push(Draft::new(site, Kind::Radio, time_ns, fields(signal, chance)).of(event));
    }
}

fn stay(world: &mut World, receivers: &[usize], place: LonLat, bursts: &[f64], signal: &Signal, chance: &mut Chance) {
    let event = event(world, bursts, place);
    bursts.iter().for_each(|&at_s| burst(world, receivers, (place, 0.0), at_s, event, signal, chance));
}

fn fly(world: &mut World, receivers: &[usize], middle: LonLat, from_s: f64, signal: &Signal, chance: &mut Chance) {
    let bursts = bursts(from_s, chance.range(300.0, 600.0));
    let (begin, toward_deg) = (somewhere(middle, chance), chance.range(0.0, 360.0));
    let at = |at_s: f64| begin.toward(toward_deg, DRONE_M_S * (at_s - from_s));
    let event = event(world, &bursts, at(bursts[bursts.len() - 1]));
    bursts.iter().for_each(|&at_s| burst(world, receivers, (at(at_s), DRONE_ALT_M), at_s, event, signal, chance));
}
