//! Load for benchmarks: observations as fast as they can be written, the same for the same seed.
//!
//! Lines of some 200–260 bytes go straight into a buffer that the caller reuses; event time advances at a given rate.
//! Of the arrivals three in four belong to rounds, heard by the twelve nodes around them at the time that sound takes
//! at 340 m/s; the others are clutter. It loads a pipeline; it does not judge one: for that there is `simulate`.

use super::chance::{Chance, Purpose};
use super::ground;
use super::site::Site;
use crate::model::area::Area;
use crate::model::geo::{Frame, LonLat};
use crate::model::kind::{Kind, vocabulary};
use crate::model::node::Node;
use crate::model::time::{NS_PER_S, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

vocabulary! {
    /// What the load is made of.
    Mix { Quiet = "quiet", Mixed = "mixed", Barrage = "barrage", Tracks = "tracks" }
}

impl Mix {
    /// Shares of heartbeats and of plots, of 256; the rest are arrivals.
    const fn shares(self) -> (u64, u64) {
        match self {
            // 70% heartbeats, 25% plots, 5% arrivals.
            Mix::Quiet => (179, 64),
            Mix::Mixed => (90, 90),
            Mix::Barrage => (20, 6),
            Mix::Tracks => (20, 230),
        }
    }
}

/// The middle of the land that the load comes from.
const MIDDLE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
/// Nodes stand so far apart, in rows and columns.
const SPACING_M: f64 = 5500.0;
/// Objects that are tracked.
const OBJECTS: usize = 4096;
/// Nodes that hear a round.
const HEARERS: usize = 12;
/// Most arrivals under way; at it no further round is fired until some have come.
const MAX_UNDER_WAY: usize = 1 << 20;
const SOUND_M_S: f64 = 340.0;
const METRES_A_DEGREE: f64 = 111_195.0;

/// A tracked object: where it is, and how fast it goes, in millionths of a degree.
#[derive(Clone, Copy, Debug)]
struct Object {
    lon: f64,
    lat: f64,
    lon_a_s: f64,
    lat_a_s: f64,
    speed_m_s: f64,
    course_deg: f64,
    last_ns: i64,
}

/// A source of load.
pub struct Load {
    mix: Mix,
    nodes: Vec<Node>,
    columns: usize,
    /// Text of the node's field, from the quotation mark after the id to the kind's name.
    names: Vec<String>,
    objects: Vec<Object>,
    under_way: BinaryHeap<Reverse<(i64, u32, u32)>>,
    state: u64,
    start_ns: i64,
    step_ns: f64,
    written: u64,
    second: i64,
    /// Text of the current second, up to the point.
    second_text: [u8; 19],
}

impl Load {
    /// A load from that many nodes (at least 16, at most a million), which starts at `start_ns` and in which
    /// `lines_a_s` lines come in each second of event time.
    pub fn new(mix: Mix, seed: u64, nodes: usize, start_ns: i64, lines_a_s: f64) -> Load {
        let count = nodes.clamp(16, 1_000_000);
        let columns = (count as f64).sqrt().floor() as usize;
        let mut chance = Chance::new(seed, Purpose::Load);
        let frame = Frame::about(MIDDLE);
        let middle = 0.5 * SPACING_M * columns as f64;
        let nodes: Vec<Node> = (0..count)
            .map(|at| {
                let (x, y) = (SPACING_M * (at % columns) as f64, SPACING_M * (at / columns) as f64);
                let site = Site::new(
                    format!("n{at:06}"),
                    &[Kind::Acoustic, Kind::Track],
                    frame.to_place(x - middle, y - middle),
                );
                Node {
                    range_m: Some(12_000.0),
                    time_sd_s: Some(0.1),
                    detect_p: Some(0.9),
                    false_per_hour: Some(20.0),
                    heartbeat_s: Some(60.0),
                    ..site.node
                }
            })
            .collect();
        let names = nodes.iter().map(|node| format!("\",\"node\":\"{}\",\"kind\":\"", node.name)).collect();
        let objects = (0..OBJECTS)
            .map(|_| {
                let (speed_m_s, course_deg) = (chance.range(5.0, 60.0), chance.range(0.0, 359.0));
                let (sin, cos) = course_deg.to_radians().sin_cos();
                let micro = 1e6 * speed_m_s / METRES_A_DEGREE;
                Object {
                    lon: 1e6 * (MIDDLE.lon_deg + chance.range(-1.0, 1.0)),
                    lat: 1e6 * (MIDDLE.lat_deg + chance.range(-1.0, 1.0)),
                    lon_a_s: micro * sin / MIDDLE.lat_deg.to_radians().cos(),
                    lat_a_s: micro * cos,
                    speed_m_s,
                    course_deg,
                    last_ns: start_ns,
                }
            })
            .collect();
        Load {
            mix,
            nodes,
            columns,
            names,
            objects,
            under_way: BinaryHeap::new(),
            state: chance.bits(),
            start_ns,
            step_ns: NS_PER_S as f64 / if lines_a_s > 0.0 { lines_a_s } else { 1.0 },
            written: 0,
            second: i64::MIN,
            second_text: [b'0'; 19],
        }
    }

    /// The registry that the load needs.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A map for it: some of the objects cross its disengagement area.
    pub fn areas(&self) -> Vec<Area> {
        ground::land(MIDDLE, 40_000.0)
    }

    /// Event time of the next line, nanoseconds.
    pub fn now_ns(&self) -> i64 {
        self.start_ns + (self.written as f64 * self.step_ns) as i64
    }

    /// Appends a line without its end to `out`; returns the index of its node in [`Load::nodes`], whose name is the
    /// record's key.
    pub fn line(&mut self, out: &mut Vec<u8>) -> usize {
        let (bits, now_ns) = (self.bits(), self.now_ns());
        self.written += 1;
        let (statuses, plots) = self.mix.shares();
        // Three arrivals in four belong to rounds of twelve: one round in sixteen arrivals.
        if bits >> 60 == 0 && (bits & 255) >= statuses + plots {
            self.fire(now_ns);
        }
        match bits & 255 {
            share if share < statuses => self.status(now_ns, bits, out),
            share if share < statuses + plots => self.plot(now_ns, bits, out),
            _ => self.arrival(now_ns, bits, out),
        }
    }

    /// Appends so many lines, each with its end.
    pub fn lines(&mut self, count: usize, out: &mut Vec<u8>) {
        for _ in 0..count {
            self.line(out);
            out.push(b'\n');
        }
    }

    /// SplitMix64 (Steele et al., OOPSLA 2014): a few nanoseconds a number.
    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Sends a round's sound to the twelve nodes around it.
    fn fire(&mut self, now_ns: i64) {
        if self.under_way.len() + HEARERS > MAX_UNDER_WAY {
            return;
        }
        let bits = self.bits();
        let rows = self.nodes.len() / self.columns;
        let column = (bits as u32 as usize) % (self.columns - 3);
        let row = ((bits >> 32) as usize) % (rows - 3);
        // The round falls in the middle square of four by four nodes, whose corners do not hear it.
        let (dx, dy) = ((bits >> 8 & 255) as f64 / 256.0, (bits >> 40 & 255) as f64 / 256.0);
        for at in 0..16usize {
            let (i, j) = (at % 4, at / 4);
            if (i == 0 || i == 3) && (j == 0 || j == 3) {
                continue;
            }
            let (x, y) = (SPACING_M * (1.0 + dx - i as f64), SPACING_M * (1.0 + dy - j as f64));
            let after_ns = (x.hypot(y) / SOUND_M_S * NS_PER_S as f64) as i64;
            let azimuth = (x.atan2(y).to_degrees().rem_euclid(360.0) * 10.0) as u32;
            let node = ((row + j) * self.columns + column + i) as u32;
            self.under_way.push(Reverse((now_ns + after_ns, node, azimuth.min(3599))));
        }
    }

    /// `{"id":"…","node":"…","kind":"KIND","time":"…`, with the quotation mark.
    fn head(&mut self, node: usize, kind: &str, time_ns: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        put(out, self.written as i64, 10, 0);
        out.extend_from_slice(self.names[node].as_bytes());
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"time\":\"");
        let second = time_ns.div_euclid(NS_PER_S);
        if second != self.second {
            let text = Timestamp(second * NS_PER_S).to_string();
            self.second = second;
            self.second_text.copy_from_slice(&text.as_bytes()[..19]);
        }
        out.extend_from_slice(&self.second_text);
        out.push(b'.');
        put(out, time_ns.rem_euclid(NS_PER_S) / 1000, 6, 0);
        out.extend_from_slice(b"Z\"");
    }

    fn any_node(&self, bits: u64) -> usize {
        (((bits >> 16) as u32 as u64 * self.nodes.len() as u64) >> 32) as usize
    }

    fn status(&mut self, now_ns: i64, bits: u64, out: &mut Vec<u8>) -> usize {
        let node = self.any_node(bits);
        self.head(node, "status", now_ns, out);
        out.extend_from_slice(b",\"health\":\"ok\",\"clock_sd_s\":0.010,\"temperature_c\":");
        put(out, 80 + (bits >> 8 & 15) as i64, 1, 1);
        out.extend_from_slice(b",\"wind_speed_m_s\":");
        put(out, 40 + (bits >> 12 & 7) as i64, 1, 1);
        out.extend_from_slice(b",\"wind_from_deg\":");
        put(out, 240 + (bits >> 48 & 15) as i64, 1, 0);
        out.extend_from_slice(b",\"noise_db\":");
        put(out, 500 + (bits >> 52 & 127) as i64, 1, 1);
        out.push(b'}');
        node
    }

    fn arrival(&mut self, now_ns: i64, bits: u64, out: &mut Vec<u8>) -> usize {
        let due = self.under_way.peek().is_some_and(|Reverse(first)| first.0 <= now_ns);
        let (time_ns, node, azimuth) = match self.under_way.pop() {
            Some(Reverse(first)) if due => (first.0, first.1 as usize, first.2),
            other => {
                // Not yet: back it goes.
                self.under_way.extend(other);
                (now_ns, self.any_node(bits), (bits >> 48) as u32 % 3600)
            }
        };
        // A tenth of a second of pick error, roughly normal: the sum of two uniform ones.
        let error_ns = ((bits >> 20 & 0xffff) as i64 + (bits >> 36 & 0xffff) as i64 - 0xffff) * 3600;
        self.head(node, "acoustic", time_ns + error_ns, out);
        out.extend_from_slice(b",\"time_sd_s\":0.100,\"amplitude_pa\":");
        put(out, 2000 + (bits >> 44 & 0xffff) as i64, 1, 5);
        out.extend_from_slice(b",\"snr_db\":");
        put(out, 60 + (bits >> 40 & 255) as i64, 1, 1);
        out.extend_from_slice(b",\"azimuth_deg\":");
        put(out, i64::from(azimuth), 1, 1);
        out.extend_from_slice(b",\"azimuth_sd_deg\":2.5,\"class\":\"");
        out.extend_from_slice(if bits >> 63 == 0 { b"impact" } else { b"unknown" });
        out.extend_from_slice(b"\"}");
        node
    }

    fn plot(&mut self, now_ns: i64, bits: u64, out: &mut Vec<u8>) -> usize {
        let at = (bits >> 12) as usize % OBJECTS;
        let node = at % self.nodes.len();
        let object = &mut self.objects[at];
        let dt_s = (now_ns - object.last_ns) as f64 / NS_PER_S as f64;
        object.last_ns = now_ns;
        object.lon += dt_s * object.lon_a_s;
        object.lat += dt_s * object.lat_a_s;
        // Who leaves the land by more than a degree turns about.
        if (object.lon - 1e6 * MIDDLE.lon_deg).abs() > 1e6
            && (object.lon > 1e6 * MIDDLE.lon_deg) == (object.lon_a_s > 0.0)
        {
            object.lon_a_s = -object.lon_a_s;
            object.course_deg = 360.0 - object.course_deg;
        }
        if (object.lat - 1e6 * MIDDLE.lat_deg).abs() > 1e6
            && (object.lat > 1e6 * MIDDLE.lat_deg) == (object.lat_a_s > 0.0)
        {
            object.lat_a_s = -object.lat_a_s;
            object.course_deg = (540.0 - object.course_deg).rem_euclid(360.0);
        }
        let object = *object;
        self.head(node, "track", now_ns, out);
        out.extend_from_slice(b",\"track\":\"uav-");
        put(out, at as i64, 4, 0);
        out.extend_from_slice(b"\",\"domain\":\"uav\",\"object_lon\":");
        put(out, object.lon as i64, 1, 6);
        out.extend_from_slice(b",\"object_lat\":");
        put(out, object.lat as i64, 1, 6);
        out.extend_from_slice(b",\"object_sd_m\":40,\"speed_m_s\":");
        put(out, (10.0 * object.speed_m_s) as i64, 1, 1);
        out.extend_from_slice(b",\"course_deg\":");
        put(out, (object.course_deg * 10.0) as i64 % 3600, 1, 1);
        out.extend_from_slice(b",\"object_class\":\"fixed_wing\"}");
        node
    }
}

/// Appends `value` / 10^`decimals` with at least `digits` digits before the point.
fn put(out: &mut Vec<u8>, value: i64, digits: usize, decimals: usize) {
    let mut text = [0u8; 24];
    let (mut at, mut left, mut done) = (text.len(), value.unsigned_abs(), 0);
    let least = digits + decimals;
    while left > 0 || done < least {
        if done == decimals && decimals > 0 {
            at -= 1;
            text[at] = b'.';
        }
        at -= 1;
        text[at] = b'0' + (left % 10) as u8;
        left /= 10;
        done += 1;
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&text[at..]);
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT_START_NS;
    use super::*;
    use crate::model::time::parse_rfc3339;
    use serde_json::Value;

    #[test]
    fn numbers_are_written_as_they_are() {
        let written = |value, digits, decimals| {
            let mut out = Vec::new();
            put(&mut out, value, digits, decimals);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(31_500_000, 1, 6), "31.500000");
        assert_eq!(written(5, 1, 6), "0.000005");
        assert_eq!(written(-12, 1, 1), "-1.2");
        assert_eq!(written(42, 6, 0), "000042");
        assert_eq!(written(0, 1, 1), "0.0");
    }

    #[test]
    fn every_line_is_an_observation_and_the_mix_is_as_stated() {
        for &mix in Mix::ALL {
            let mut load = Load::new(mix, 1, 1000, DEFAULT_START_NS, 10_000.0);
            let (mut out, lines) = (Vec::new(), 20_000);
            load.lines(lines, &mut out);
            let text = String::from_utf8(out).unwrap();
            let mut counts = [0usize; 3];
            for line in text.lines() {
                let value: Value = serde_json::from_str(line).unwrap();
                let kind = Kind::parse(value["kind"].as_str().unwrap()).unwrap();
                counts[[Kind::Status, Kind::Track, Kind::Acoustic].iter().position(|&k| k == kind).unwrap()] += 1;
                let time_ns = parse_rfc3339(value["time"].as_str().unwrap().as_bytes()).unwrap();
                assert!((time_ns - DEFAULT_START_NS).abs() < 3 * NS_PER_S);
                assert!(load.nodes.iter().any(|node| node.name == value["node"]) || line.is_empty());
                for name in ["azimuth_deg", "course_deg"] {
                    let angle = value.get(name).map_or(0.0, |angle| angle.as_f64().unwrap());
                    assert!((0.0..360.0).contains(&angle), "{line}");
                }
                assert!((180..300).contains(&line.len()), "{} {line}", line.len());
            }
            let (statuses, plots) = mix.shares();
            for (count, share) in counts.iter().zip([statuses, plots, 256 - statuses - plots]) {
                let (count, expected) = (*count as f64 / lines as f64, share as f64 / 256.0);
                assert!((count - expected).abs() < 0.02, "{mix} {count} {expected}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let bytes = |seed| {
            let mut out = Vec::new();
            Load::new(Mix::Mixed, seed, 500, DEFAULT_START_NS, 1e5).lines(3000, &mut out);
            out
        };
        assert!(bytes(1) == bytes(1) && bytes(1) != bytes(2));
    }

    #[test]
    fn rounds_reach_their_hearers_in_time() {
        let mut load = Load::new(Mix::Barrage, 1, 400, DEFAULT_START_NS, 500.0);
        let mut out = Vec::new();
        load.lines(60_000, &mut out);
        // Two minutes on, rounds are under way, but not more than the last half minute's.
        assert!((1..60_000 / 4).contains(&load.under_way.len()), "{}", load.under_way.len());
    }
}
