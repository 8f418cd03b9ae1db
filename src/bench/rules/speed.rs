//! How many plots a second all area rules take, on one thread: many objects over many areas with winding outlines.

use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::engine::{Engine, Output};
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::geo::LonLat;
use crate::model::kind::{Domain, Kind};
use crate::model::node::{Node, NodeIx, Registry};
use crate::model::observation::{Common, Observations, Origin, Plot, Span, duplicate_key};
use crate::simulate::DEFAULT_START_NS;
use geo::{Coord, LineString, MultiPolygon, Polygon};
use serde::Serialize;
use std::io::Write as _;
use std::time::Instant;

/// Areas, and corners of each.
pub const AREAS: usize = 2_000;
/// As [`AREAS`].
pub const CORNERS: usize = 200;
/// Objects, each plotted once a second.
pub const OBJECTS: usize = 10_000;
/// Plots handed over at a time.
const BATCH: usize = 1_024;
/// The theatre, degrees: so much east and north of its corner.
const CORNER: LonLat = LonLat { lon_deg: 28.0, lat_deg: 45.0 };
const SIZE_DEG: (f64, f64) = (10.0, 6.0);
/// How many objects carry an identity: ships and aircraft do, drones and vehicles do not.
const DOMAINS: [Domain; 4] = [Domain::Sea, Domain::Air, Domain::Uav, Domain::Ground];

/// What was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Speed {
    /// Plots.
    pub plots: u64,
    /// Time that they took on one thread, seconds.
    pub wall_s: f64,
    /// Revisions of alerts that came of it.
    pub said: u64,
}

impl Speed {
    /// Plots a second.
    pub fn per_s(&self) -> f64 {
        self.plots as f64 / self.wall_s.max(1e-9)
    }
}

/// A number that looks like chance, 0–1: the golden ratio's multiples are spread evenly (Weyl).
fn spread(n: usize, by: f64) -> f64 {
    (n as f64 * by).fract()
}

/// So many areas, each of a kind of its own, with an outline that winds about a circle.
fn areas() -> Vec<Area> {
    let kinds = [
        (AreaType::Maritime, vec![Prohibition::Vessel, Prohibition::AisOff]),
        (AreaType::NoFly, vec![Prohibition::Flight, Prohibition::Uav]),
        (AreaType::Disengagement, vec![Prohibition::Fire, Prohibition::Entry, Prohibition::HeavyWeapons]),
        (AreaType::Withdrawal, vec![Prohibition::HeavyWeapons]),
    ];
    (0..AREAS)
        .map(|n| {
            let (x, y) = (spread(n, 0.618_033_988_7), spread(n, 0.754_877_666_2));
            let middle = (CORNER.lon_deg + x * SIZE_DEG.0, CORNER.lat_deg + y * SIZE_DEG.1);
            let radius_deg = 0.02 + 0.03 * spread(n, 0.569_840_290_9);
            let ring: Vec<Coord> = (0..=CORNERS)
                .map(|corner| {
                    let turn = (corner % CORNERS) as f64 / CORNERS as f64 * std::f64::consts::TAU;
                    let out_deg = radius_deg * (1.0 + 0.2 * (7.0 * turn).sin() + 0.05 * (31.0 * turn).cos());
                    Coord { x: middle.0 + 1.4 * out_deg * turn.cos(), y: middle.1 + out_deg * turn.sin() }
                })
                .collect();
            let (kind, prohibits) = kinds[n % kinds.len()].clone();
            Area::new(
                &format!("area-{n:04}"),
                kind,
                &prohibits,
                MultiPolygon(vec![Polygon::new(LineString(ring), Vec::new())]),
            )
        })
        .collect()
}

/// Drives so many plots through the engine, fire switched off.
pub fn speed(plots: usize, settings: &Settings) -> Speed {
    let mut settings = settings.clone();
    settings.fire.on = false;
    let mut node = Node::unregistered("radar");
    node.registered = true;
    let registry = Registry::new([node]);
    let mut engine = Engine::new(settings, String::new(), vec!["plots".to_owned()], Places::new(areas(), Vec::new()));
    engine.assign((0, 0));
    let (mut output, mut batch, mut text) = (Output::default(), Observations::default(), Vec::new());
    let (mut wall_s, mut said) = (0.0, 0);
    let mut sent = 0;
    while sent < plots {
        batch.clear();
        while batch.len() < BATCH && sent < plots {
            push(&mut batch, sent, &mut text);
            sent += 1;
        }
        let started = Instant::now();
        engine.ingest(&batch, &registry, &mut output);
        // A thread's processor time is told to milliseconds only; a stretch as short as this by the wall's clock.
        wall_s += started.elapsed().as_secs_f64();
        said += output.said.len() as u64;
        output.clear();
    }
    Speed { plots: plots as u64, wall_s, said }
}

fn push(batch: &mut Observations, number: usize, text: &mut Vec<u8>) {
    let (object, second) = (number % OBJECTS, number / OBJECTS);
    let domain = DOMAINS[object % DOMAINS.len()];
    let speed_m_s = match domain {
        Domain::Sea => 8.0,
        Domain::Air => 150.0,
        Domain::Uav => 30.0,
        Domain::Ground => 12.0,
    };
    let (sin, cos) = (spread(object, 0.324_717_957_2) * std::f64::consts::TAU).sin_cos();
    let gone_deg = speed_m_s * second as f64 / 111_200.0;
    let lon_deg = CORNER.lon_deg + spread(object, 0.618_033_988_7) * SIZE_DEG.0 + 1.4 * gone_deg * sin;
    let lat_deg = CORNER.lat_deg + spread(object, 0.754_877_666_2) * SIZE_DEG.1 + gone_deg * cos;
    let mut store = |batch: &mut Observations, what: std::fmt::Arguments<'_>| {
        text.clear();
        // Writing to memory cannot fail.
        let _ = text.write_fmt(what);
        batch.store(text)
    };
    let track = store(batch, format_args!("t-{object}"));
    let has_identity = matches!(domain, Domain::Sea | Domain::Air);
    let identity = if has_identity { store(batch, format_args!("{}", 272_000_000 + object)) } else { Span::default() };
    let detail = batch.tracks.push(Plot {
        track,
        domain,
        speed_m_s,
        course_deg: f64::NAN,
        object_class: Span::default(),
        identity,
        object_lon_deg: lon_deg,
        object_lat_deg: lat_deg,
        object_alt_m: f64::NAN,
        object_sd_m: 20.0,
    });
    let id = store(batch, format_args!("p-{number}"));
    let node = NodeIx(0);
    let key = duplicate_key(node, batch.slice(id));
    let origin = Origin { topic: 0, partition: 0, offset: number as i64, line: 0 };
    let time_ns = DEFAULT_START_NS + number as i64 * (1_000_000_000 / OBJECTS as i64);
    batch.push(Common { id, key, ..Common::new(origin, Kind::Track, node, time_ns, detail) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::area::Shape;

    #[test]
    fn the_areas_are_as_many_and_as_winding_as_they_are_said_to_be() {
        let areas = areas();
        let corners = |area: &Area| match &area.shape {
            Shape::Polygons(shape) => shape.0[0].exterior().0.len() - 1,
            Shape::Line(_) => 0,
        };
        assert!(areas.len() == AREAS && areas.iter().all(|area| corners(area) == CORNERS));
    }

    #[test]
    fn plots_near_borders_come_to_alerts() {
        let measured = speed(20 * OBJECTS, &Settings::default());
        assert!(measured.plots == 20 * OBJECTS as u64 && measured.said > 0 && measured.wall_s > 0.0);
    }
}
