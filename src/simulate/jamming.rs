//! Of the scenario `rules`: jammers that most nodes do not report but suffer from.
//!
//! A network of microphones whose clocks are kept by satellites, and a few listeners. One jammer of satellites nobody reports; one
//! a single listener does; one disturbs the link of those about it, so that they fall silent. And clocks that lose their reference
//! by themselves now and then, one at a time.

use super::chance::Chance;
use super::draft::{Draft, Fields};
use super::ground::offset;
use super::hear::to_microseconds;
use super::network::{Cut, heartbeats};
use super::site::Site;
use super::world::{Event, World};
use crate::model::alert::{Class, Sign};
use crate::model::area::Prohibition;
use crate::model::geo::LonLat;
use crate::model::kind::{Band, Kind};

const MICROPHONES: usize = 18;
const LISTENERS: usize = 3;
/// How far the network reaches, metres.
const RADIUS_M: f64 = 14e3;
/// The chance that a node within reach of a jammer suffers from it.
const SUFFERS_P: f64 = 0.85;
/// How often an hour a clock loses its reference by itself.
const LOST_PER_HOUR: f64 = 0.05;
/// One sigma of a clock that satellites keep, seconds.
const KEPT_S: f64 = 1e-6;

/// A node that suffers from a jammer of that band: of `gnss` its clock is lost, of `link` it is cut off.
pub(super) struct Lost {
    event: usize,
    node: usize,
    from_ns: i64,
    to_ns: i64,
    band: Band,
}

/// The power of a jammer at that distance, dBm: free space, 20 dB a decade.
pub(super) fn power_dbm(distance_m: f64) -> f64 {
    -30.0 - 20.0 * (distance_m / 1000.0).max(0.1).log10()
}

/// The whole of it, about that place, in `length_s`: who loses what, and which neighbours are cut off.
pub(super) fn add(world: &mut World, middle: LonLat, length_s: f64, chance: &mut Chance) -> (Vec<Lost>, Vec<Cut>) {
    let somewhere = |chance: &mut Chance, within_m: f64| {
        let (turn, out_m) = (chance.range(0.0, std::f64::consts::TAU), within_m * chance.uniform().sqrt());
        offset(middle, out_m * turn.sin(), out_m * turn.cos())
    };
    let microphones: Vec<usize> = (1..=MICROPHONES)
        .map(|number| {
            let mut site = Site::new(format!("clk-{number}"), &[Kind::Acoustic], somewhere(chance, RADIUS_M));
            (site.node.range_m, site.node.heartbeat_s, site.clock_sd_s) = (Some(8e3), Some(60.0), KEPT_S);
            world.add_site(site)
        })
        .collect();
    let listeners: Vec<usize> = (1..=LISTENERS)
        .map(|number| {
            let mut site = Site::new(format!("ear-{number}"), &[Kind::Interference], somewhere(chance, RADIUS_M));
            (site.node.range_m, site.node.detect_p) = (Some(40e3), Some(0.8));
            (site.node.heartbeat_s, site.node.false_per_hour) = (Some(60.0), Some(0.1));
            world.add_site(site)
        })
        .collect();
    let (mut lost, mut cuts) = (Vec::new(), Vec::new());
    let plan = [(0.10, 0, Band::Gnss, 9e3), (0.40, 1, Band::Gnss, 9e3), (0.70, 2, Band::Link, 6e3)];
    for (share, reporters, band, reach_m) in plan {
        let from_s = share * length_s + chance.range(0.0, 900.0);
        let to_s = from_s + chance.range(900.0, 1800.0);
        let place = somewhere(chance, 0.6 * RADIUS_M);
        let happening = world.happening(Class::Interference, world.at_ns(from_s), place, &[Prohibition::Interference]);
        let to_ns = Some(world.at_ns(to_s));
        let event = world.add_event(Event { lasts: true, to_ns, sign: Some(Sign::Jamming), ..happening });
        for &site in &listeners[..reporters] {
            let distance_m = world.sites[site].place.distance_m(place);
            let mut at_s = from_s + chance.range(0.0, 10.0);
            while at_s < to_s {
                let power_dbm = power_dbm(distance_m) + 3.0 * chance.normal();
                let fields = Fields::new().text("band", band.as_str()).number("power_dbm", power_dbm, 1);
                let at_ns = to_microseconds(world.at_ns(at_s));
                world.drafts.push(Draft::new(site, Kind::Interference, at_ns, fields).of(event));
                at_s += 10.0;
            }
        }
        let mut cut = Vec::new();
        for &node in &microphones {
            if world.sites[node].place.distance_m(place) > reach_m || !chance.yes(SUFFERS_P) {
                continue;
            }
            // At once, or as soon as what it had received is used up.
            let begins_s = from_s + chance.range(0.0, 20.0);
            let (from_ns, to_ns) = (world.at_ns(begins_s), world.at_ns(to_s + chance.range(0.0, 60.0)));
            if band == Band::Gnss {
                world.sites[node].unkept.push((from_ns, to_ns));
            } else {
                world.sites[node].outages.push((from_ns, to_ns));
                cut.push(node);
            }
            lost.push(Lost { event, node, from_ns, to_ns, band });
        }
        cuts.extend((!cut.is_empty()).then(|| Cut::of(cut)));
    }
    for &node in &microphones {
        for _ in 0..chance.poisson(LOST_PER_HOUR * length_s / 3600.0) {
            let at_s = chance.range(0.0, length_s);
            let span = (world.at_ns(at_s), world.at_ns(at_s + chance.range(60.0, 600.0)));
            world.sites[node].unkept.push(span);
        }
    }
    (lost, cuts)
}

/// The truth of it, when heartbeats are sent: the first of a clock that is lost, the last of a node that is cut off.
pub(super) fn tell(world: &mut World, all: &[Lost]) {
    for lost in all {
        let beats = heartbeats(world, lost.node);
        let beat = match lost.band {
            Band::Gnss => beats.filter(|(time_ns, _)| (lost.from_ns..lost.to_ns).contains(time_ns)).min(),
            _ => beats.filter(|&(time_ns, _)| time_ns < lost.from_ns).max(),
        };
        if let Some((_, at)) = beat {
            world.drafts[at].events.push(lost.event);
        }
    }
}
