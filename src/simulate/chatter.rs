//! What nodes send without an event: picks that belong to nothing, and heartbeats with the weather.

use super::chance::Chance;
use super::draft::{Draft, Fields};
use super::hear::{arrival_fields, to_microseconds};
use super::world::World;
use crate::model::kind::{Hint, Kind};
use crate::model::time::ns_from_s;

/// Spreads about `total` clutter picks over the microphones by their weights, a third of them in bursts (a lorry, a
/// gust: two to six within ten seconds), and writes each node's rate, rounded, into the registry.
pub(super) fn clutter(world: &mut World, total: f64, chance: &mut Chance) {
    let weight: f64 = world.sites.iter().map(|site| site.clutter_weight).sum();
    let length_s = world.length_s();
    for site_at in 0..world.sites.len() {
        let site = &mut world.sites[site_at];
        if site.clutter_weight <= 0.0 {
            continue;
        }
        let expected = total * site.clutter_weight / weight;
        let per_hour = expected * 3600.0 / length_s;
        site.node.false_per_hour = Some((per_hour * 100.0).round() / 100.0);
        let site = &world.sites[site_at];
        let mut count = chance.poisson(expected);
        while count > 0 {
            // Bursts of four hold a third of the picks, so one start in nine is a burst's.
            let picks = if chance.yes(1.0 / 9.0) { (2 + chance.below(5)).min(count) } else { 1 };
            count -= picks;
            let mut at_s = chance.range(0.0, length_s);
            for _ in 0..picks {
                let time_ns = to_microseconds(world.start_ns + ns_from_s(at_s));
                at_s += chance.exponential(2.0);
                if !site.up(time_ns) || time_ns >= world.end_ns {
                    continue;
                }
                let hint = match chance.uniform() {
                    u if u < 0.7 => Hint::Unknown,
                    _ => chance.one_of(Hint::ALL),
                };
                let (pressure_pa, azimuth_deg) = (chance.log_normal(0.4, 1.0), chance.range(0.0, 360.0));
                let fields = arrival_fields(site, pressure_pa, azimuth_deg, hint, chance);
                world.drafts.push(Draft::new(site_at, Kind::Acoustic, time_ns, fields));
            }
        }
    }
}

/// Heartbeats of every node that has an interval for them, each with the weather as the node measures it
/// (0.3 °C, 0.3 m/s, 4°).
pub(super) fn heartbeats(world: &mut World, chance: &mut Chance) {
    for (site_at, site) in world.sites.iter().enumerate() {
        let Some(every_s) = site.node.heartbeat_s else { continue };
        let mut at_s = chance.range(0.0, every_s);
        while at_s < world.length_s() {
            let time_ns = to_microseconds(world.at_ns(at_s));
            if site.up(time_ns) {
                let (east, north) = world.air.wind_m_s(site.place, at_s);
                let speed_m_s = (east.hypot(north) + 0.3 * chance.normal()).max(0.0);
                let from_deg = ((-east).atan2(-north).to_degrees() + 4.0 * chance.normal()).rem_euclid(360.0);
                let temperature_c = world.air.temperature_c(site.place, at_s) + 0.3 * chance.normal();
                let clock_sd_s = site.clock_sd_s_at(time_ns);
                let fields = Fields::new()
                    .text("health", if site.clock_sd_s > 0.1 { "degraded" } else { "ok" })
                    .number("clock_sd_s", clock_sd_s, if clock_sd_s < 0.002 { 6 } else { 3 })
                    .number("temperature_c", temperature_c, 1)
                    .number("wind_speed_m_s", speed_m_s, 1)
                    .number("wind_from_deg", from_deg.floor(), 0)
                    .number("noise_db", 20.0 * (site.noise_pa / 2e-5).log10() + chance.normal(), 1);
                world.drafts.push(Draft::new(site_at, Kind::Status, time_ns, fields));
            }
            at_s += every_s + 0.01 * every_s * chance.normal();
        }
    }
}
