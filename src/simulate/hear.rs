//! What microphones make of a round: an arrival where it was loud enough, now and then an echo.
//!
//! A node hears a round at distance d with probability p·exp(−0.7 (d/ℓ)⁴) within its range, p its own and ℓ the
//! round's carry. The pressure follows ln A = a − b ln d ± s. An arrival's time errs by the pick, by the clock and by
//! turbulence, 0.1% of the travel time.

use super::chance::Chance;
use super::draft::{Draft, Fields};
use super::site::Site;
use super::world::World;
use crate::model::alert::Class;
use crate::model::kind::{Hint, Kind};
use crate::model::time::ns_from_s;

/// Loss of pressure with distance: the exponent b.
const SPREADING: f64 = 1.3;
/// Scatter of ln A from path to path.
const AMPLITUDE_SD: f64 = 0.35;
/// Turbulence: share of the travel time.
pub(super) const TURBULENCE: f64 = 0.001;
/// Hints that a classifier gives of a real round.
const HINTS: [Hint; 4] = [Hint::Explosion, Hint::Impact, Hint::Outgoing, Hint::Burst];

/// The hint that is right for a class.
fn right_hint(class: Class) -> Hint {
    match class {
        Class::FireExplosion => Hint::Explosion,
        Class::FireImpact => Hint::Impact,
        Class::FireOutgoing => Hint::Outgoing,
        Class::FireBurst => Hint::Burst,
        Class::FireShot => Hint::Shot,
        _ => Hint::Unknown,
    }
}

/// Right six times in ten, unknown three times, wrong once.
pub(super) fn hint_of(class: Class, chance: &mut Chance) -> Hint {
    match chance.uniform() {
        u if u < 0.6 => right_hint(class),
        u if u < 0.9 => Hint::Unknown,
        _ => chance.one_of(&HINTS),
    }
}

/// Times carry microseconds.
pub(super) fn to_microseconds(time_ns: i64) -> i64 {
    time_ns.div_euclid(1000) * 1000
}

/// The fields of an arrival of that pressure, from that direction where the node can tell it.
pub(super) fn arrival_fields(
    site: &Site,
    pressure_pa: f64,
    azimuth_deg: f64,
    hint: Hint,
    chance: &mut Chance,
) -> Fields {
    let snr_db = (20.0 * (pressure_pa / site.noise_pa).log10()).max(3.0) + 0.5 * chance.normal();
    let mut fields = Fields::new();
    if site.tells_sd {
        fields = fields.number("time_sd_s", site.pick_sd_s, 3);
    }
    fields = fields.number("amplitude_pa", pressure_pa.max(1e-5), 5).number("snr_db", snr_db, 1);
    if let Some(sd_deg) = site.azimuth_sd_deg {
        // Rounded down, 359.96 stays below 360.
        let measured = (azimuth_deg.rem_euclid(360.0) * 10.0).floor() / 10.0;
        fields = fields.number("azimuth_deg", measured, 1).number("azimuth_sd_deg", sd_deg, 1);
    }
    fields.text("class", hint.as_str())
}

/// Lets every microphone hear every fire event from `first` on. Returns how many arrivals there are.
pub(super) fn hear(world: &mut World, first: usize, chance: &mut Chance) -> usize {
    let options = world.options.clone();
    let mut heard = 0;
    for event_at in first..world.events.len() {
        let event = world.events[event_at].clone();
        if !event.class.is_fire() {
            continue;
        }
        let at_s = world.at_s(event.time_ns);
        for (site_at, site) in world.sites.iter().enumerate() {
            let Some(range_m) = site.node.range_m.filter(|_| site.node.kinds.contains(Kind::Acoustic)) else {
                continue;
            };
            // A degree of latitude is 111 km: a cheap test that spares most geodesics on a long line.
            if (site.place.lat_deg - event.place.lat_deg).abs() * 111_000.0 > range_m + 1000.0 {
                continue;
            }
            let path = world.air.path(event.place, site.place, at_s);
            let near = path.distance_m / event.carry_m;
            let p = site.node.detect_p.unwrap_or(0.9) * (-0.7 * near.powi(4)).exp();
            if path.distance_m > range_m || !chance.yes(p) {
                continue;
            }
            let turbulence_s = options.noise * TURBULENCE * path.travel_s * chance.normal();
            let sent_ns = event.time_ns + ns_from_s(path.travel_s + turbulence_s);
            if !site.up(sent_ns) || sent_ns >= world.end_ns {
                continue;
            }
            let error_s = options.noise * (site.pick_sd_s * chance.normal() + site.clock_s(at_s));
            let back_deg = site.place.distance_azimuth(event.place).1;
            let azimuth_sd_deg = site.azimuth_sd_deg.unwrap_or(0.0);
            let azimuth_deg = back_deg + options.noise * azimuth_sd_deg * chance.normal();
            let kilometres = (path.distance_m / 1000.0).max(0.05);
            let pressure_pa = (event.loudness - SPREADING * kilometres.ln() + AMPLITUDE_SD * chance.normal()).exp();
            let hint = hint_of(event.class, chance);
            let draft = Draft {
                sent_ns,
                ..Draft::new(
                    site_at,
                    Kind::Acoustic,
                    to_microseconds(sent_ns + ns_from_s(error_s)),
                    arrival_fields(site, pressure_pa, azimuth_deg, hint, chance),
                )
            };
            let known = &mut world.events[event_at];
            known.arrivals += 1;
            heard += 1;
            let sd_s = (site.pick_sd_s.powi(2) + site.clock_sd_s.powi(2) + (TURBULENCE * path.travel_s).powi(2)).sqrt();
            known.information.arrival(path.azimuth_deg, path.distance_m.max(1.0) / path.travel_s.max(1e-9), sd_s);
            if let Some(sd_deg) = site.azimuth_sd_deg {
                known.information.bearing(path.azimuth_deg, path.distance_m, sd_deg);
            }
            world.drafts.push(draft.of(event_at));
            if chance.yes(options.echo_share) {
                let later_s = chance.range(0.3, 3.0);
                let pressure_pa = pressure_pa * chance.range(0.2, 0.7);
                let azimuth_deg = azimuth_deg + chance.range(-60.0, 60.0);
                let hint = if chance.yes(0.5) { hint } else { Hint::Unknown };
                let fields = arrival_fields(site, pressure_pa, azimuth_deg, hint, chance);
                let echo_ns = sent_ns + ns_from_s(later_s);
                let time_ns = to_microseconds(echo_ns + ns_from_s(error_s));
                if site.up(echo_ns) && echo_ns < world.end_ns {
                    let echo = Draft::new(site_at, Kind::Acoustic, time_ns, fields);
                    world.drafts.push(Draft { sent_ns: echo_ns, ..echo });
                }
            }
        }
    }
    heard
}
