//! Telemetry that no scene would send and every sender may: all kinds at once, numbers at the ends of what the contract allows, ids
//! that are used again, corrections of anything by anything, and amid it events that are heard as they should be.

use crate::engine::weather::Air;
use crate::model::area::{Area, AreaType, Prohibition, Shape};
use crate::model::geo::{Frame, LonLat};
use crate::model::kind::{Activity, Band, Component, Domain, Health, Hint, Kind, KindSet, Phase};
use crate::model::node::Node;
use crate::model::notice::{Notice, NoticeKind};
use crate::model::time::{NS_PER_S, Timestamp, ns_from_s};
use crate::simulate::{DEFAULT_START_NS, Delivery, Simulation};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use std::f64::consts::SQRT_2;
use std::ops::Range;

/// Where four regions meet, with a post in each.
const MIDDLE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
const POSTS_M: f64 = 135_000.0;
/// Nodes stand so far apart, in so many rows of as many.
const APART_M: f64 = 4_000.0;
const ROWS: u32 = 4;
const LIGHT_M_S: f64 = 2.997e8;
const SEISMIC_M_S: f64 = 5_800.0;
/// The ends of what a number may be, and what is next to nothing.
const POSITIVE: [f64; 5] = [1e-9, 1e-6, 1e5, 1e8, 1e12];
const ANY: [f64; 6] = [-1e12, -1e6, -0.0, 0.0, 1e6, 1e12];
const AZIMUTHS: [f64; 4] = [0.0, 90.0, 180.0, 359.999_999_999_999_94];
const PLACES: [(f64, f64); 6] = [(0.0, 0.0), (180.0, 0.0), (-180.0, 0.0), (31.5, 90.0), (31.5, -90.0), (-180.0, 90.0)];

/// How wild it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wildness {
    /// Share of values that lie at the ends of what is allowed, or are not there.
    pub(super) ends: f64,
    /// Share of lines that correct another or take it back, and of those that have another's id.
    pub(super) corrections: f64,
    /// Share of lines that are of another time: late, too late, ahead, too far ahead.
    pub(super) out_of_time: f64,
}

/// An object that is tracked.
struct Object {
    track: String,
    domain: Domain,
    identity: Option<&'static str>,
    place: LonLat,
    course_deg: f64,
    speed_m_s: f64,
}

struct Senders {
    dice: ChaCha8Rng,
    wild: Wildness,
    nodes: Vec<Node>,
    objects: Vec<Object>,
    frame: Frame,
    clock_ns: i64,
    /// Node and id of all that was sent.
    sent: Vec<(usize, String)>,
    deliveries: Vec<Delivery>,
}

/// About so many lines, all of them in one order of delivery; nothing is true of what they say.
pub(super) fn anything(seed: u64, lines: usize, wild: Wildness) -> Simulation {
    let frame = Frame::about(MIDDLE);
    let mut senders = Senders {
        dice: ChaCha8Rng::seed_from_u64(seed),
        wild,
        nodes: nodes(&frame),
        objects: Vec::new(),
        frame,
        clock_ns: DEFAULT_START_NS,
        sent: Vec::new(),
        deliveries: Vec::new(),
    };
    senders.appear();
    while senders.deliveries.len() < lines {
        senders.clock_ns += ns_from_s(match senders.dice.random_range(0..40) {
            0..20 => senders.dice.random_range(0.0..1.0),
            20..36 => senders.dice.random_range(0.0..20.0),
            36..39 => senders.dice.random_range(0.0..300.0),
            _ => senders.dice.random_range(0.0..4_000.0),
        });
        match senders.dice.random_range(0..8) {
            0 => senders.event(),
            1 => senders.emission(),
            2 => senders.all_beat(),
            3 | 4 => senders.plots(),
            _ => senders.one_of_any_kind(),
        }
    }
    Simulation {
        nodes: senders.nodes,
        areas: areas(&senders.frame),
        notices: notices(&senders.frame),
        deliveries: senders.deliveries,
        truth: Vec::new(),
        chapters: Vec::new(),
        end_ns: senders.clock_ns,
    }
}

fn nodes(frame: &Frame) -> Vec<Node> {
    let all = Kind::ALL.iter().fold(KindSet::default(), |set, &kind| set.with(kind));
    let mut nodes: Vec<Node> = (0..ROWS * ROWS)
        .map(|at| {
            let [x, y] = [at % ROWS, at / ROWS].map(|along| (f64::from(along) - 1.5) * APART_M);
            Node {
                kinds: all,
                position: Some(frame.to_place(x, y)),
                range_m: (at % 5 > 0).then_some(12_000.0),
                detect_p: (at % 3 > 0).then_some(0.9),
                time_sd_s: (at % 4 == 1).then_some(0.1),
                heartbeat_s: (at % 2 == 0).then_some(30.0),
                false_per_hour: (at % 7 == 0).then_some(f64::from(at)),
                component: (at % 6 == 0).then_some(Component::Ground),
                registered: true,
                ..Node::unregistered(&format!("post-{at:02}"))
            }
        })
        .collect();
    nodes.extend([45.0, 135.0, 225.0, 315.0].map(|azimuth_deg| Node {
        kinds: all,
        position: Some(MIDDLE.toward(azimuth_deg, POSTS_M * SQRT_2)),
        range_m: Some(12_000.0),
        registered: true,
        ..Node::unregistered(&format!("far-{azimuth_deg}"))
    }));
    // These bring their own place, and one of them is not registered.
    nodes.extend([true, true, false].into_iter().zip(0..).map(|(registered, at)| Node {
        kinds: all,
        registered,
        ..Node::unregistered(&format!("patrol-{at}"))
    }));
    nodes
}

/// A square about a place of the plane.
fn square(frame: &Frame, (x_m, y_m): (f64, f64), half_m: f64) -> geo::MultiPolygon<f64> {
    let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0)].map(|(east, north)| {
        let place = frame.to_place(x_m + east * half_m, y_m + north * half_m);
        geo::Coord { x: place.lon_deg, y: place.lat_deg }
    });
    geo::MultiPolygon(vec![geo::Polygon::new(geo::LineString(corners.to_vec()), Vec::new())])
}

fn areas(frame: &Frame) -> Vec<Area> {
    let mut areas: Vec<Area> = (0..)
        .zip(AreaType::ALL.iter().filter(|&&kind| kind != AreaType::LineOfContact))
        .map(|(at, &kind)| {
            let place = (f64::from(at % 3) * 6_000.0 - 6_000.0, f64::from(at / 3) * 6_000.0 - 6_000.0);
            let prohibits = &Prohibition::ALL[at as usize % 3..];
            Area::new(&format!("area-{at}"), kind, prohibits, square(frame, place, 4_500.0))
        })
        .collect();
    let valid = (DEFAULT_START_NS + 600 * NS_PER_S, DEFAULT_START_NS + 4_000 * NS_PER_S);
    (areas[1].valid_from_ns, areas[2].valid_to_ns) = (Some(valid.0), Some(valid.1));
    (areas[3].floor_m, areas[3].ceiling_m) = (Some(100.0), Some(2_000.0));
    let line = [(-9_000.0, -800.0), (0.0, 900.0), (9_000.0, -300.0)].map(|(x_m, y_m)| {
        let place = frame.to_place(x_m, y_m);
        geo::Coord { x: place.lon_deg, y: place.lat_deg }
    });
    let contact = Area::new("contact", AreaType::LineOfContact, &[], geo::MultiPolygon(Vec::new()));
    areas.push(Area { shape: Shape::Line(geo::LineString(line.to_vec())), ..contact });
    areas
}

fn notices(frame: &Frame) -> Vec<Notice> {
    (0..)
        .zip(NoticeKind::ALL)
        .map(|(at, &kind)| Notice {
            notice: format!("notice-{at}"),
            kinds: vec![kind],
            from_ns: DEFAULT_START_NS + i64::from(at) * 300 * NS_PER_S,
            to_ns: DEFAULT_START_NS + i64::from(at + 4) * 300 * NS_PER_S,
            count: (at % 2 == 0).then_some(2),
            by: None,
            shape: square(frame, (f64::from(at) * 2_000.0 - 4_000.0, 0.0), 3_000.0),
        })
        .collect()
}

impl Senders {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.dice.random_range(0..all.len())]
    }

    /// Mostly of the range, now and then one of those at the ends, now and then none.
    fn number(&mut self, usual: Range<f64>, ends: &[f64]) -> Value {
        match self.dice.random_bool(self.wild.ends) {
            true => json!(self.one_of(ends)),
            false if self.dice.random_bool(self.wild.ends.min(0.3)) => Value::Null,
            false => json!(self.dice.random_range(usual)),
        }
    }

    /// A place near the nodes, now and then anywhere.
    fn place(&mut self) -> LonLat {
        if self.dice.random_bool(self.wild.ends / 4.0) {
            let (lon_deg, lat_deg) = self.one_of(&PLACES);
            return LonLat { lon_deg, lat_deg };
        }
        let far_m = self.one_of(&[9_000.0, 9_000.0, 9_000.0, 9_000.0, 100_000.0]);
        let [x_m, y_m] = [0, 1].map(|_| self.dice.random_range(-far_m..far_m));
        self.frame.to_place(x_m, y_m)
    }

    fn node(&mut self) -> usize {
        self.dice.random_range(0..self.nodes.len())
    }

    /// Where a node is heard from: where it stands, or somewhere.
    fn stands(&mut self, node: usize) -> LonLat {
        match self.nodes[node].position {
            Some(place) => place,
            None => self.place(),
        }
    }

    /// Sends a line of that node, of a time, seconds after the clock's.
    fn send(&mut self, node: usize, kind: Kind, after_s: f64, fields: Value) {
        let Value::Object(mut line) = fields else { return };
        line.retain(|_, value| !value.is_null());
        let mut time_ns = self.clock_ns + ns_from_s(after_s);
        if self.dice.random_bool(self.wild.out_of_time) {
            time_ns += ns_from_s(self.one_of(&[-25.0, -45.0, -600.0, -7_200.0, -30_000.0, 50.0, 70.0, 3_600.0]));
        }
        let id = match self.sent.len() {
            count if count > 0 && self.dice.random_bool(self.wild.corrections / 4.0) => {
                self.sent[self.dice.random_range(0..count)].1.clone()
            }
            count => format!("{count}"),
        };
        let mut node = node;
        if !self.sent.is_empty() && self.dice.random_bool(self.wild.corrections) {
            // Mostly of what came just before, for that may still be under way.
            let count = self.sent.len();
            let back = self.one_of(&[1, 3, 10, 40, 200]).min(count);
            let of = self.sent[count - self.dice.random_range(1..=back)].clone();
            line.insert("supersedes".to_owned(), of.1.into());
            if self.dice.random_bool(0.9) {
                node = of.0;
            }
            if self.dice.random_bool(0.5) {
                line.insert("withdrawn".to_owned(), true.into());
            }
        }
        self.own_place(node, &mut line);
        line.insert("id".to_owned(), id.clone().into());
        line.insert("node".to_owned(), self.nodes[node].name.clone().into());
        line.insert("kind".to_owned(), kind.as_str().into());
        line.insert("time".to_owned(), json!(Timestamp(time_ns)));
        if let value @ Value::Number(_) = self.number(0.01..0.5, &POSITIVE)
            && self.dice.random_bool(0.3)
        {
            line.insert("time_sd_s".to_owned(), value);
        }
        let topic = if kind == Kind::Patrol { "telemetry.patrols" } else { "telemetry.sensors" };
        let key = self.nodes[node].name.clone();
        let line = Value::Object(line).to_string();
        self.deliveries.push(Delivery { deliver_ns: self.clock_ns, topic, key, line });
        self.sent.push((node, id));
    }

    /// Who has no place says where it is; now and then others do, too.
    fn own_place(&mut self, node: usize, line: &mut Map<String, Value>) {
        if self.nodes[node].position.is_none() || self.dice.random_bool(self.wild.ends / 4.0) {
            let place = self.place();
            line.insert("lon".to_owned(), place.lon_deg.into());
            line.insert("lat".to_owned(), place.lat_deg.into());
            if let value @ Value::Number(_) = self.number(0.0..200.0, &ANY) {
                line.insert("alt_m".to_owned(), value);
            }
        }
    }

    /// Something that all around hear, see and report.
    fn event(&mut self) {
        let place = self.place();
        let sound_m_s = Air::default().sound_m_s();
        for node in 0..self.nodes.len() {
            let (distance_m, back_deg) = self.stands(node).distance_azimuth(place);
            if distance_m > 14_000.0 || self.dice.random_bool(0.2) {
                continue;
            }
            let (kind, speed_m_s) = self.one_of(&[
                (Kind::Acoustic, sound_m_s),
                (Kind::Acoustic, sound_m_s),
                (Kind::Acoustic, sound_m_s),
                (Kind::Infrasound, 300.0),
                (Kind::Seismic, SEISMIC_M_S),
                (Kind::Flash, LIGHT_M_S),
                (Kind::Radar, LIGHT_M_S),
                (Kind::Patrol, sound_m_s),
                (Kind::Thermal, LIGHT_M_S),
            ]);
            let mut fields = self.fields(kind, place);
            if !fields["azimuth_deg"].is_null() {
                fields["azimuth_deg"] = back_deg.rem_euclid(360.0).into();
            }
            let late_s = self.dice.random_range(-0.1..0.1);
            self.send(node, kind, distance_m / speed_m_s + late_s, fields);
        }
    }

    /// A signal that all around receive.
    fn emission(&mut self) {
        let place = self.place();
        let fields = self.fields(Kind::Radio, place);
        for node in 0..ROWS as usize * ROWS as usize {
            let distance_m = self.stands(node).distance_m(place);
            let mut fields = fields.clone();
            fields["azimuth_deg"] = Value::Null;
            self.send(node, Kind::Radio, distance_m / LIGHT_M_S, fields);
        }
    }

    /// All that promise heartbeats have been heard, but for one or two.
    fn all_beat(&mut self) {
        let silent = (self.node(), self.node());
        for node in (0..self.nodes.len()).filter(|&node| node != silent.0 && node != silent.1) {
            let place = self.place();
            let fields = self.fields(Kind::Status, place);
            self.send(node, Kind::Status, 0.0, fields);
        }
    }

    /// Objects appear.
    fn appear(&mut self) {
        for at in 0..10 {
            let place = self.place();
            let domain = Domain::ALL[at % Domain::ALL.len()];
            self.objects.push(Object {
                track: format!("track-{}", at % 8),
                domain,
                identity: [None, Some("273000001"), Some("4b1801")][at % 3],
                place,
                course_deg: self.dice.random_range(0.0..360.0),
                speed_m_s: if domain == Domain::Sea { 7.0 } else { 40.0 },
            });
        }
    }

    /// Plots of some objects, a few each.
    fn plots(&mut self) {
        let (at, node) = (self.dice.random_range(0..self.objects.len()), self.node());
        for step in 0..self.dice.random_range(1..6) {
            let after_s = f64::from(step) * self.dice.random_range(1.0..20.0);
            let object = &mut self.objects[at];
            object.place = object.place.toward(object.course_deg, object.speed_m_s * after_s);
            let lost = object.place.distance_m(MIDDLE) > 40_000.0;
            if lost || self.dice.random_bool(0.2) {
                let place = self.place();
                let (x_m, y_m) = self.frame.to_plane(place);
                let object = &mut self.objects[at];
                object.place = if lost { place } else { object.place };
                object.course_deg = self.frame.north_deg(-x_m, -y_m).rem_euclid(360.0);
            }
            let place = self.objects[at].place;
            let mut fields = self.fields(Kind::Track, place);
            let object = &self.objects[at];
            fields["track"] = object.track.clone().into();
            fields["domain"] = json!(object.domain);
            fields["identity"] = json!(object.identity);
            fields["object_lon"] = place.lon_deg.into();
            fields["object_lat"] = place.lat_deg.into();
            self.send(node, Kind::Track, after_s, fields);
        }
    }

    fn one_of_any_kind(&mut self) {
        let (node, kind, place) = (self.node(), self.one_of(Kind::ALL), self.place());
        let fields = self.fields(kind, place);
        self.send(node, kind, 0.0, fields);
    }

    fn end(&mut self, place: LonLat) -> Value {
        if self.dice.random_bool(0.3) {
            return Value::Null;
        }
        let after_s = self.dice.random_range(-20.0..20.0);
        let mut end = json!({
            "lon": place.lon_deg, "lat": place.lat_deg, "time": Timestamp(self.clock_ns + ns_from_s(after_s)),
            "time_sd_s": self.number(0.1..2.0, &POSITIVE), "semi_major_m": self.number(50.0..200.0, &POSITIVE),
            "semi_minor_m": self.number(20.0..100.0, &POSITIVE), "orientation_deg": self.number(0.0..360.0, &AZIMUTHS),
        });
        if let Value::Object(fields) = &mut end {
            fields.retain(|_, value| !value.is_null());
        }
        end
    }

    /// What a line of that kind says of something there.
    fn fields(&mut self, kind: Kind, place: LonLat) -> Value {
        let (azimuth, azimuth_sd) = (self.number(0.0..360.0, &AZIMUTHS), self.number(0.5..5.0, &POSITIVE));
        let (hint, class) = (self.one_of(Hint::ALL), self.one_of(&["tank", "howitzer", "truck", "", "cargo"]));
        match kind {
            Kind::Acoustic | Kind::Infrasound => json!({
                "amplitude_pa": self.number(0.1..20.0, &POSITIVE), "snr_db": self.number(0.0..30.0, &ANY),
                "azimuth_deg": azimuth, "azimuth_sd_deg": azimuth_sd, "class": hint,
                "trace_velocity_m_s": self.number(300.0..400.0, &POSITIVE),
            }),
            Kind::Seismic => json!({
                "phase": self.one_of(&[None, Some(Phase::P), Some(Phase::S), Some(Phase::Lg)]),
                "amplitude_m_s": self.number(1e-8..1e-5, &POSITIVE), "snr_db": self.number(0.0..30.0, &ANY),
            }),
            Kind::Radio => json!({
                "frequency_hz": self.one_of(&[None, Some(2.44e9), Some(2.44e9), Some(1.57542e9), Some(1e-9), Some(1e12)]),
                "power_dbm": self.number(-90.0..-40.0, &ANY), "azimuth_deg": azimuth, "azimuth_sd_deg": azimuth_sd,
                "emitter": self.one_of(&[None, None, Some("uas-1"), Some("uas-2"), Some("")]),
            }),
            Kind::Flash => json!({
                "azimuth_deg": azimuth, "azimuth_sd_deg": azimuth_sd,
                "elevation_deg": self.number(0.0..10.0, &[-90.0, 90.0]), "intensity": self.number(0.0..9.0, &POSITIVE),
            }),
            Kind::Radar => {
                let other = self.place();
                json!({ "origin": self.end(other), "impact": self.end(place), "projectile": "mortar" })
            }
            Kind::Track => json!({
                "track": self.one_of(&["track-1", "track-2", "a", ""]), "domain": self.one_of(Domain::ALL),
                "speed_m_s": self.number(0.0..200.0, &POSITIVE), "course_deg": self.number(0.0..360.0, &AZIMUTHS),
                "object_class": class, "identity": self.one_of(&[None, Some("273000001"), Some("x")]),
                "object_lon": place.lon_deg, "object_lat": place.lat_deg,
                "object_alt_m": self.number(0.0..3_000.0, &ANY), "object_sd_m": self.number(5.0..50.0, &POSITIVE),
            }),
            Kind::Thermal => json!({
                "object_lon": place.lon_deg, "object_lat": place.lat_deg, "object_sd_m": self.number(50.0..400.0, &POSITIVE),
                "pixel_m": self.number(300.0..1_000.0, &POSITIVE), "frp_mw": self.number(0.0..50.0, &POSITIVE),
                "confidence": self.number(0.0..1.0, &[0.0, 1.0]),
            }),
            Kind::Interference => json!({
                "band": self.one_of(Band::ALL), "power_dbm": self.number(-90.0..-20.0, &ANY),
                "azimuth_deg": azimuth, "azimuth_sd_deg": azimuth_sd,
            }),
            Kind::Status => json!({
                "health": self.one_of(&[Health::Ok, Health::Ok, Health::Degraded, Health::Tamper, Health::Offline]),
                "clock_sd_s": self.number(1e-6..0.01, &POSITIVE), "temperature_c": self.number(-5.0..25.0, &[-100.0, 100.0]),
                "wind_speed_m_s": self.number(0.0..10.0, &[0.0, 150.0]), "wind_from_deg": self.number(0.0..360.0, &AZIMUTHS),
                "noise_db": self.number(30.0..60.0, &ANY),
            }),
            Kind::Patrol => json!({
                "activity": self.one_of(Activity::ALL), "class": hint, "object_class": class,
                "count": self.one_of(&[None, Some(1), Some(3), Some(0), Some(u32::MAX)]), "count_is_minimum": self.dice.random_bool(0.5),
                "azimuth_deg": azimuth, "azimuth_sd_deg": azimuth_sd, "distance_m": self.number(500.0..9_000.0, &POSITIVE),
                "distance_sd_m": self.number(50.0..500.0, &POSITIVE), "duration_s": self.number(0.0..600.0, &POSITIVE),
                "text": "as was told", "by": "someone", "reason": "mines",
                "object_lon": place.lon_deg, "object_lat": place.lat_deg,
            }),
        }
    }
}
