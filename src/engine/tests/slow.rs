//! What patrols and satellites tell, through the whole engine: it joins, amends, stands alone, in any order.

use super::*;
use crate::model::alert::AlertFeature;
use crate::model::kind::{Activity, Hint};
use crate::model::observation::{Report, Span, Thermal};

/// The patrol and the satellite come after the sixteen microphones.
const PATROL: u32 = 16;
const SATELLITE: u32 = 17;
/// Where the patrol stands, m.
const POST_M: (f64, f64) = (3_000.0, -2_000.0);

/// A line of the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    Pick(Pick),
    /// The same, as a shot that leaves.
    Left(Pick),
    /// Told of when, s; azimuth, distance, how many.
    Heard(f64, f64, f64, u32),
    /// A hot spot: when, where.
    Hot(f64, f64, f64),
    /// A heartbeat of the first microphone, which moves event time on.
    Beat(f64),
}

impl Line {
    fn time_s(&self) -> f64 {
        match *self {
            Line::Pick((_, at_s))
            | Line::Left((_, at_s))
            | Line::Heard(at_s, ..)
            | Line::Hot(at_s, ..)
            | Line::Beat(at_s) => at_s,
        }
    }
}

fn with_slow() -> Registry {
    let mut registry = registry();
    let frame = Frame::about(CENTRE);
    for (name, kind) in [("pat", Kind::Patrol), ("sat", Kind::Thermal)] {
        let mut node = Node::unregistered(name);
        node.kinds = KindSet::default().with(kind);
        node.position = Some(frame.to_place(POST_M.0, POST_M.1));
        node.registered = true;
        registry.upsert(node);
    }
    registry
}

fn put(batch: &mut Observations, offset: i64, line: Line) {
    let (node, kind, detail) = match line {
        Line::Pick(pick) => return push(batch, offset, pick, 0),
        Line::Left(pick) => {
            push(batch, offset, pick, 0);
            return batch.arrivals.hint.iter_mut().rev().take(1).for_each(|hint| *hint = Hint::Outgoing);
        }
        Line::Heard(_, azimuth_deg, distance_m, count) => {
            let report = Report {
                activity: Activity::Heard,
                hint: Hint::Outgoing,
                count: f64::from(count),
                count_is_minimum: false,
                azimuth_deg,
                azimuth_sd_deg: 12.0,
                distance_m,
                distance_sd_m: f64::NAN,
                duration_s: f64::NAN,
                text: Span::default(),
                object_class: Span::default(),
                object_lon_deg: f64::NAN,
                object_lat_deg: f64::NAN,
                by: Span::default(),
                reason: Span::default(),
            };
            (PATROL, Kind::Patrol, batch.patrols.push(report))
        }
        Line::Hot(_, x_m, y_m) => {
            let place = Frame::about(CENTRE).to_place(x_m, y_m);
            let spot = Thermal {
                object_lon_deg: place.lon_deg,
                object_lat_deg: place.lat_deg,
                object_sd_m: 150.0,
                pixel_m: 375.0,
                frp_mw: 5.0,
                confidence: 0.9,
            };
            (SATELLITE, Kind::Thermal, batch.thermals.push(spot))
        }
        Line::Beat(_) => {
            let status = crate::model::observation::Status::bare(crate::model::kind::Health::Ok);
            (0, Kind::Status, batch.statuses.push(status))
        }
    };
    let id = format!("{node}-{}", ns_from_s(line.time_s()));
    scene::put(batch, offset, (node, kind, detail), START_NS + ns_from_s(line.time_s()), &id);
}

/// All that was said, in order, when the lines come like this.
fn say(lines: &[Line], size: usize) -> Vec<AlertFeature> {
    let registry = with_slow();
    let mut settings = Settings { max_future_s: 30_000.0, ..Settings::default() };
    settings.silence.on = false;
    let mut engine = Engine::new(settings, String::new(), vec!["t".to_owned()], Places::new(Vec::new(), Vec::new()));
    let mut out = Output::default();
    for (number, chunk) in lines.chunks(size).enumerate() {
        let mut batch = Observations::default();
        for (line, offset) in chunk.iter().zip((number * size) as i64..) {
            put(&mut batch, offset, *line);
        }
        engine.ingest(&batch, &registry, &mut out);
    }
    engine.finish(&registry, &mut out);
    assert!(out.refused.is_empty(), "{:?}", out.refused);
    out.said.into_iter().map(Said::into_feature).collect()
}

/// Time, probability, evidence, who was silent, whether the count is a minimum.
type Gist = (String, u32, Vec<String>, Vec<String>, bool);

/// The last word about each alert that was not taken back, without what depends on where its lines stood.
fn last(said: &[AlertFeature]) -> BTreeMap<String, Gist> {
    let mut last = BTreeMap::new();
    for feature in said {
        let alert = &feature.properties;
        let ids = alert.evidence.iter().map(|evidence| evidence.id.clone()).collect();
        let probability = (alert.probability * 1e4).round() as u32;
        let essence = (alert.time.to_string(), probability, ids, alert.silent.clone(), alert.count_is_minimum);
        if alert.status == Status::Retracted {
            last.remove(&alert.alert);
        } else {
            last.insert(alert.alert.clone(), essence);
        }
    }
    last
}

/// What the microphones hear of one event, and heartbeats long before and after.
fn one_event(x_m: f64, y_m: f64, at_s: f64, until_s: f64) -> Vec<Line> {
    let mut lines: Vec<Line> = heard(&registry(), x_m, y_m, at_s).into_iter().map(Line::Pick).collect();
    lines.extend((0..(until_s / 20.0) as u32).map(|k| Line::Beat(f64::from(k) * 20.0)));
    lines.sort_by(|a, b| a.time_s().total_cmp(&b.time_s()));
    lines
}

/// Azimuth, degrees, and distance, m, from the patrol's post.
fn from_post(x_m: f64, y_m: f64) -> (f64, f64) {
    let frame = Frame::about(CENTRE);
    let (distance_m, azimuth_deg) = frame.to_place(POST_M.0, POST_M.1).distance_azimuth(frame.to_place(x_m, y_m));
    (azimuth_deg, distance_m)
}

fn of_fire(said: &[AlertFeature], status: Status) -> Vec<&AlertFeature> {
    said.iter().filter(|feature| feature.properties.status == status).collect()
}

#[test]
fn a_patrol_that_heard_it_amends_the_alert() {
    let (azimuth_deg, distance_m) = from_post(1_000.0, 500.0);
    let mut lines = one_event(1_000.0, 500.0, 1_000.0, 3_000.0);
    lines.push(Line::Heard(1_020.0, azimuth_deg + 8.0, 1.2 * distance_m, 1));
    lines.push(Line::Beat(3_010.0));
    let said = say(&lines, 7);
    let [settled] = of_fire(&said, Status::Final)[..] else { panic!("{said:?}") };
    let [amended] = of_fire(&said, Status::Amended)[..] else { panic!("{said:?}") };
    let (before, after) = (&settled.properties, &amended.properties);
    assert_eq!(before.alert, after.alert);
    assert!(after.probability >= before.probability);
    let cited = after.evidence.iter().find(|evidence| evidence.kind == Kind::Patrol).expect("it cites the report");
    // Sound takes some nine seconds to the post.
    assert!((cited.residual_s.unwrap() - 11.0).abs() < 3.0, "{cited:?}");
    assert!((cited.residual_deg.unwrap() - 8.0).abs() < 1.0, "{cited:?}");
    assert_eq!(last(&said).len(), 1, "nothing else is said");
}

#[test]
fn a_patrol_that_nothing_explains_stands_alone_with_a_small_chance() {
    let mut lines = one_event(1_000.0, 500.0, 200.0, 4_000.0);
    lines.push(Line::Heard(2_000.0, 90.0, 3_000.0, 4));
    lines.push(Line::Beat(4_010.0));
    let said = say(&lines, 7);
    let alone: Vec<_> = said.iter().filter(|feature| feature.properties.count == 4).collect();
    let [alone] = alone[..] else { panic!("{said:?}") };
    let alert = &alone.properties;
    assert!(alert.probability > 0.0 && alert.probability < 0.4, "{}", alert.probability);
    assert_eq!(alert.class.to_string(), "fire.outgoing");
    let post = Frame::about(CENTRE).to_place(POST_M.0, POST_M.1);
    let (distance_m, azimuth_deg) = post.distance_azimuth(alone.place());
    assert!((distance_m - 3_000.0).abs() < 1.0 && (azimuth_deg - 90.0).abs() < 0.1);
    let ellipse = alert.ellipse.unwrap();
    assert!((ellipse.orientation_deg - 90.0).abs() < 0.1 && ellipse.semi_major_m > ellipse.semi_minor_m);
}

#[test]
fn nothing_stands_alone_where_nothing_was_known_yet() {
    let lines = [Line::Heard(0.0, 90.0, 3_000.0, 1), Line::Beat(2_000.0), Line::Beat(4_000.0)];
    assert!(say(&lines, 1).is_empty());
}

#[test]
fn a_hot_spot_hours_later_amends() {
    let mut lines = one_event(1_000.0, 500.0, 9_000.0, 20_000.0);
    // The pass was twenty minutes after; word of it comes when the stream is three hours on.
    lines.push(Line::Hot(10_200.0, 1_100.0, 450.0));
    lines.push(Line::Beat(20_010.0));
    let said = say(&lines, 50);
    let [amended] = of_fire(&said, Status::Amended)[..] else { panic!("{said:?}") };
    assert!(amended.properties.evidence.iter().any(|evidence| evidence.kind == Kind::Thermal));
    assert_eq!(last(&said).len(), 1);
}

#[test]
fn one_round_told_of_does_not_bear_out_ten() {
    let mut lines: Vec<Line> = Vec::new();
    for k in 0..10 {
        lines.extend(heard(&registry(), 1_000.0, 500.0, 1_000.0 + 6.0 * f64::from(k)).into_iter().map(Line::Pick));
    }
    lines.extend((0..200).map(|k| Line::Beat(f64::from(k) * 20.0)));
    lines.sort_by(|a, b| a.time_s().total_cmp(&b.time_s()));
    let (azimuth_deg, distance_m) = from_post(1_000.0, 500.0);
    let told = |count| {
        let mut lines = lines.clone();
        lines.push(Line::Heard(1_040.0, azimuth_deg, distance_m, count));
        lines.push(Line::Beat(4_010.0));
        let said = say(&lines, 9);
        assert_eq!(last(&said).len(), 10, "it fits them, so it does not stand alone");
        last(&said).values().filter(|essence| essence.2.iter().any(|id| id.starts_with("16-"))).count()
    };
    assert_eq!(told(1), 0);
    assert_eq!(told(10), 10);
}

#[test]
fn more_rounds_told_of_than_events_make_the_count_a_minimum() {
    let (azimuth_deg, distance_m) = from_post(1_000.0, 500.0);
    let mut lines = one_event(1_000.0, 500.0, 1_000.0, 3_000.0);
    lines.push(Line::Heard(1_010.0, azimuth_deg, distance_m, 3));
    let said = say(&lines, 7);
    let alert = &said.last().unwrap().properties;
    assert!(alert.count_is_minimum && alert.count == 1, "{alert:?}");
}

#[test]
fn a_gun_and_what_it_hits_are_linked() {
    let registry = registry();
    let mut lines: Vec<Line> = (0..60).map(|k| Line::Beat(f64::from(k) * 20.0)).collect();
    for k in 0..8 {
        let (at_s, off_m) = (100.0 + f64::from(k * k % 23) * 6.0, 30.0 * f64::from(k));
        lines.extend(heard(&registry, -5_000.0, 0.0, at_s).into_iter().map(Line::Left));
        lines.extend(heard(&registry, 5_000.0, off_m, at_s + 32.0).into_iter().map(Line::Pick));
    }
    lines.sort_by(|a, b| a.time_s().total_cmp(&b.time_s()));
    let said = say(&lines, 20);
    let mut by_alert = BTreeMap::new();
    for feature in &said {
        by_alert.insert(&feature.properties.alert, &feature.properties);
    }
    let fire: Vec<_> = by_alert.values().filter(|alert| alert.status != Status::Retracted).collect();
    assert_eq!(fire.len(), 16);
    for alert in fire {
        let fire_deg = alert.direction_of_fire_deg.expect("both ends know");
        assert!((fire_deg - 89.4).abs() < 2.0, "{fire_deg}");
        assert_eq!(alert.status, Status::Amended);
    }
}

/// Events, clutter, reports that fit and reports that do not.
fn slow_world() -> impl Strategy<Value = Vec<Line>> {
    let told = (0f64..360.0, 500f64..6_000.0, -40f64..40.0, 1u32..4);
    let event = (-6e3f64..6e3, -6e3f64..6e3, 200f64..500.0, proptest::option::of(-20f64..20.0));
    let events = proptest::collection::vec(event, 1..4);
    let others = proptest::collection::vec((told, 200f64..500.0), 0..4);
    let spots = proptest::collection::vec((-6e3f64..6e3, -6e3f64..6e3, 300f64..600.0), 0..3);
    (events, others, spots).prop_map(|(events, others, spots)| {
        let mut lines = Vec::new();
        for (x_m, y_m, at_s, off_deg) in events {
            lines.extend(heard(&registry(), x_m, y_m, at_s).into_iter().map(Line::Pick));
            if let Some(off_deg) = off_deg {
                let (azimuth_deg, distance_m) = from_post(x_m, y_m);
                lines.push(Line::Heard(at_s + off_deg, (azimuth_deg + off_deg).rem_euclid(360.0), distance_m, 1));
                lines.push(Line::Hot(at_s + 120.0, x_m + 50.0, y_m));
            }
        }
        lines.extend(others.into_iter().map(|((azimuth_deg, distance_m, off_s, count), at_s)| {
            Line::Heard(at_s + off_s, azimuth_deg, distance_m, count)
        }));
        lines.extend(spots.into_iter().map(|(x_m, y_m, at_s)| Line::Hot(at_s, x_m, y_m)));
        lines.extend((0..100).map(|k| Line::Beat(f64::from(k) * 10.0)));
        lines.sort_by(|a, b| a.time_s().total_cmp(&b.time_s()));
        lines.dedup_by_key(|line| ns_from_s(line.time_s()));
        lines
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_of_reports_does_not_depend_on_when_they_come(
        lines in slow_world(),
        delays_s in proptest::collection::vec(0f64..20.0, 1..40),
        late_s in proptest::collection::vec(0f64..2_000.0, 1..10),
        size in 1usize..40,
    ) {
        let known = last(&say(&lines, 1));
        // Arrivals come within the lateness; reports when they come, also long after they could be in time.
        let mut late = late_s.iter().cycle();
        let mut delayed: Vec<(f64, Line)> = lines.iter().zip(delays_s.iter().cycle()).map(|(&line, &delay_s)| {
            let delay_s = match line {
                Line::Heard(..) | Line::Hot(..) => *late.next().unwrap_or(&0.0),
                _ => delay_s,
            };
            (line.time_s() + delay_s, line)
        }).collect();
        delayed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let lines: Vec<Line> = delayed.into_iter().map(|(_, line)| line).collect();
        prop_assert_eq!(last(&say(&lines, size)), known);
    }
}
