//! A radar's solution that comes long after the round, in the midst of other fire.

use super::scene::{Scene, pick, put};
use super::*;
use crate::model::alert::AlertFeature;
use crate::model::observation::{Radar, RadarPoint, Span};

/// A scene's nodes and a radar among them, with its number.
pub fn with_radar(scene: &Scene) -> (Registry, u32) {
    let mut registry = scene.registry();
    let radar = registry.upsert(Node {
        kinds: KindSet::default().with(Kind::Radar),
        position: Some(CENTRE),
        registered: true,
        ..Node::unregistered("wlr-1")
    });
    (registry, radar.unwrap().0)
}

/// A radar's word about where a round came down.
pub fn impact(batch: &mut Observations, place: LonLat, time_ns: i64) -> u32 {
    let impact = RadarPoint {
        lon_deg: place.lon_deg,
        lat_deg: place.lat_deg,
        time_ns: Some(time_ns),
        time_sd_s: 0.5,
        semi_major_m: 60.0,
        semi_minor_m: 25.0,
        orientation_deg: 10.0,
    };
    batch.radars.push(Radar { origin: RadarPoint::ABSENT, impact, projectile: Span::default() })
}

#[test]
fn a_solution_that_comes_minutes_late_is_taken_between_two_steps_as_at_any_other_time() {
    let scene = Scene::square();
    let (registry, radar) = with_radar(&scene);
    let frame = Frame::about(scene.centre);
    // Picks of nothing all the time, so that there are steps all the time, and a shot at the end; solutions of rounds that
    // nobody heard, from five minutes ago, between.
    let mut picks: Vec<scene::Pick> = (0..1_500).map(|k| pick(k * 7 % 16, f64::from(k) * 0.6)).collect();
    picks.extend(scene.shot(500.0, -700.0, 870.0));
    let mut lines: Vec<(f64, Option<scene::Pick>)> = picks.into_iter().map(|pick| (pick.at_s, Some(pick))).collect();
    lines.extend((0..40).map(|k| (420.0 + 11.3 * f64::from(k), None)));
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut engine, mut out) = (engine(), Output::default());
    for (offset, (at_s, pick)) in (0..).zip(&lines) {
        let mut batch = Observations::default();
        match pick {
            Some(pick) => scene::push(&mut batch, offset, pick),
            None => {
                let round_ns = START_NS + ns_from_s(at_s - 300.0);
                let place = frame.to_place(at_s % 4_000.0, -at_s % 3_000.0);
                let detail = impact(&mut batch, place, round_ns);
                put(&mut batch, offset, (radar, Kind::Radar, detail), round_ns, &format!("wlr-{offset}"));
            }
        }
        engine.ingest(&batch, &registry, &mut out);
    }
    engine.finish(&registry, &mut out);
    let said = out.said.iter().map(|said| &*said.feature).filter(|alert| alert.properties.status == Status::Final);
    let near = |alert: &&AlertFeature| {
        let (x_m, y_m) = frame.to_plane(alert.place());
        (x_m - 500.0).hypot(y_m + 700.0) < 200.0
    };
    assert!(said.filter(near).count() > 0, "the shot is found all the same");
}
