//! Load for benchmarks: observations as fast as they can be written, the same for the same seed.
//!
//! Lines of some 200–260 bytes go straight into a buffer that the caller reuses; event time advances at a given rate.
//! Of the arrivals three in four belong to rounds, heard by the twelve nodes around them at the time that sound takes
//! at 340 m/s; the others are clutter. It loads a pipeline; it does not judge one: for that there is `simulate`.
//!
//! Speed comes from templates: the line of each kind stands ready, all its numbers have fixed widths, and only their
//! digits are written anew. Arrivals under way wait in a wheel of slots, four milliseconds each.

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

mod object;
mod template;

use object::Object;
use template::{OWN, Template, angle};

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

    /// The share of lines that are heartbeats.
    pub fn heartbeat_share(self) -> f64 {
        self.shares().0 as f64 / 256.0
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
/// Slots of the wheel, and how many nanoseconds each holds: 65 s in all, more than any sound takes here.
const SLOTS: usize = 1 << 14;
const SLOT_NS: i64 = 4_000_000;
/// Places within a square at which rounds fall: so many by so many.
const SPOTS: usize = 16;
const SOUND_M_S: f64 = 340.0;

/// An arrival under way: when, where, and from where in tenths of a degree.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    time_ns: i64,
    node: u32,
    azimuth: u32,
}

/// What one of the twelve nodes hears of a round at a given spot.
#[derive(Clone, Copy, Debug)]
struct Hearing {
    after_ns: i64,
    row: u32,
    column: u32,
    azimuth: u32,
}

/// A source of load.
pub struct Load {
    mix: Mix,
    nodes: Vec<Node>,
    columns: usize,
    objects: Vec<Object>,
    /// Twelve hearings for each spot.
    hearings: Vec<[Hearing; HEARERS]>,
    /// Angles in tenths of a degree as five characters: `5.300`, `45.30`, `123.4`.
    angles: Vec<[u8; 5]>,
    wheel: Vec<Vec<Arrival>>,
    /// The slot from which arrivals are taken, counted from 1970.
    slot: i64,
    under_way: usize,
    statuses: Template,
    arrivals: Template,
    plots: Template,
    /// The texts of the last seconds written, by the second's last three bits.
    seconds: [(i64, [u8; 19]); 8],
    state: u64,
    start_ns: i64,
    step_ns: f64,
    written: u64,
}

impl Load {
    /// A load from that many nodes (at least 16, at most a million), which starts at `start_ns` and in which
    /// `lines_a_s` lines come in each second of event time.
    pub fn new(mix: Mix, seed: u64, nodes: usize, start_ns: i64, lines_a_s: f64) -> Load {
        let count = nodes.clamp(16, 1_000_000);
        let columns = (count as f64).sqrt().floor() as usize;
        let mut chance = Chance::new(seed, Purpose::Load);
        Load {
            mix,
            nodes: grid(count, columns),
            columns,
            objects: (0..OBJECTS).map(|_| Object::new(start_ns, &mut chance)).collect(),
            hearings: (0..SPOTS * SPOTS).map(hearings_at).collect(),
            angles: (0..3600).map(angle).collect(),
            wheel: vec![Vec::new(); SLOTS],
            slot: start_ns.div_euclid(SLOT_NS),
            under_way: 0,
            statuses: Template::new(
                "status",
                ",\"health\":\"ok\",\"clock_sd_s\":0.010,\"temperature_c\":8.#,\"wind_speed_m_s\":4.#,\
                 \"wind_from_deg\":24#,\"noise_db\":5#.#",
            ),
            arrivals: Template::new(
                "acoustic",
                ",\"time_sd_s\":0.100,\"amplitude_pa\":0.#####,\"snr_db\":1#.#,\"azimuth_deg\":#####,\
                 \"azimuth_sd_deg\":2.5,\"class\":\"impact\"",
            ),
            plots: Template::new(
                "track",
                ",\"track\":\"uav-####\",\"domain\":\"uav\",\"object_lon\":##.######,\"object_lat\":##.######,\
                 \"object_sd_m\":40,\"speed_m_s\":##.#,\"course_deg\":#####,\"object_class\":\"fixed_wing\"",
            ),
            seconds: [(i64::MIN, [b'0'; 19]); 8],
            state: chance.bits(),
            start_ns,
            step_ns: NS_PER_S as f64 / if lines_a_s > 0.0 { lines_a_s } else { 1.0 },
            written: 0,
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
        match bits & 255 {
            share if share < statuses => self.status(now_ns, bits, out),
            share if share < statuses + plots => self.plot(now_ns, bits, out),
            _ => {
                // Three arrivals in four belong to rounds of twelve: one round in sixteen arrivals.
                if bits >> 60 == 0 {
                    self.fire(now_ns);
                }
                self.arrival(now_ns, bits, out)
            }
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
        if self.under_way + HEARERS > MAX_UNDER_WAY {
            return;
        }
        let bits = self.bits();
        let rows = self.nodes.len() / self.columns;
        let column = (bits as u32 as usize) % (self.columns - 3);
        let row = ((bits >> 32) as usize) % (rows - 3);
        for hearing in &self.hearings[(bits >> 20) as usize % (SPOTS * SPOTS)] {
            let node = (row + hearing.row as usize) * self.columns + column + hearing.column as usize;
            let time_ns = now_ns + hearing.after_ns;
            let slot = time_ns.div_euclid(SLOT_NS) as usize % SLOTS;
            self.wheel[slot].push(Arrival { time_ns, node: node as u32, azimuth: hearing.azimuth });
        }
        self.under_way += HEARERS;
    }

    /// An arrival that is due, if any.
    fn due(&mut self, now_ns: i64) -> Option<Arrival> {
        if self.under_way == 0 {
            self.slot = now_ns.div_euclid(SLOT_NS);
            return None;
        }
        while self.slot < now_ns.div_euclid(SLOT_NS) {
            if let Some(arrival) = self.wheel[self.slot as usize % SLOTS].pop() {
                self.under_way -= 1;
                return Some(arrival);
            }
            self.slot += 1;
        }
        None
    }

    /// The text of a second, `2026-03-01T00:00:00`.
    fn second_text(&mut self, second: i64) -> [u8; 19] {
        let kept = &mut self.seconds[(second & 7) as usize];
        if kept.0 != second {
            let text = Timestamp(second * NS_PER_S).to_string();
            kept.0 = second;
            kept.1.copy_from_slice(&text.as_bytes()[..19]);
        }
        kept.1
    }

    fn any_node(&self, bits: u64) -> usize {
        (((bits >> 16) as u32 as u64 * self.nodes.len() as u64) >> 32) as usize
    }

    fn status(&mut self, now_ns: i64, bits: u64, out: &mut Vec<u8>) -> usize {
        let node = self.any_node(bits);
        let (id, text) = (self.written, self.second_text(now_ns.div_euclid(NS_PER_S)));
        let template = &mut self.statuses;
        template.head(id, node, now_ns, &text);
        template.digits(OWN, bits >> 8 & 7);
        template.digits(OWN + 1, bits >> 11 & 7);
        template.digits(OWN + 2, bits >> 48 & 7);
        template.digits(OWN + 3, bits >> 51 & 7);
        template.digits(OWN + 4, bits >> 54 & 7);
        out.extend_from_slice(&template.line);
        node
    }

    fn arrival(&mut self, now_ns: i64, bits: u64, out: &mut Vec<u8>) -> usize {
        let clutter =
            Arrival { time_ns: now_ns, node: self.any_node(bits) as u32, azimuth: (bits >> 48) as u32 % 3600 };
        let Arrival { time_ns, node, azimuth } = self.due(now_ns).unwrap_or(clutter);
        // A tenth of a second of pick error, roughly normal: the sum of two uniform ones.
        let error_ns = ((bits >> 20 & 0xffff) as i64 + (bits >> 36 & 0xffff) as i64 - 0xffff) * 3600;
        let time_ns = time_ns + error_ns;
        let (id, text) = (self.written, self.second_text(time_ns.div_euclid(NS_PER_S)));
        let template = &mut self.arrivals;
        template.head(id, node as usize, time_ns, &text);
        template.digits(OWN, 2000 + (bits >> 44 & 0xffff));
        template.digits(OWN + 1, bits >> 40 & 7);
        template.digits(OWN + 2, bits >> 28 & 7);
        template.text(OWN + 3, &self.angles[azimuth as usize]);
        out.extend_from_slice(&template.line);
        node as usize
    }

    fn plot(&mut self, now_ns: i64, bits: u64, out: &mut Vec<u8>) -> usize {
        let at = (bits >> 12) as usize % OBJECTS;
        let node = at % self.nodes.len();
        let object = &mut self.objects[at];
        object.go_on(now_ns);
        let object = *object;
        let (id, text) = (self.written, self.second_text(now_ns.div_euclid(NS_PER_S)));
        let template = &mut self.plots;
        template.head(id, node, now_ns, &text);
        let (lon, lat, speed) = (object.lon as u64, object.lat as u64, (10.0 * object.speed_m_s) as u64);
        template.digits(OWN, at as u64);
        template.digits(OWN + 1, lon / 1_000_000);
        template.digits(OWN + 2, lon);
        template.digits(OWN + 3, lat / 1_000_000);
        template.digits(OWN + 4, lat);
        template.digits(OWN + 5, speed / 10);
        template.digits(OWN + 6, speed);
        template.text(OWN + 7, &self.angles[(object.course_deg * 10.0) as usize % 3600]);
        out.extend_from_slice(&template.line);
        node
    }
}

/// Nodes in rows and columns about the middle.
fn grid(count: usize, columns: usize) -> Vec<Node> {
    let frame = Frame::about(MIDDLE);
    let middle = 0.5 * SPACING_M * columns as f64;
    let node = |at: usize| {
        let (x, y) = (SPACING_M * (at % columns) as f64, SPACING_M * (at / columns) as f64);
        let place = frame.to_place(x - middle, y - middle);
        Node {
            range_m: Some(16_000.0),
            time_sd_s: Some(0.1),
            detect_p: Some(0.9),
            false_per_hour: Some(20.0),
            heartbeat_s: Some(60.0),
            ..Site::new(format!("n{at:06}"), &[Kind::Acoustic, Kind::Track], place).node
        }
    };
    (0..count).map(node).collect()
}

/// What the nodes around hear of a round at a spot of the middle square of four by four nodes, whose corners do not
/// hear it.
fn hearings_at(spot: usize) -> [Hearing; HEARERS] {
    const AROUND: [(u32, u32); HEARERS] =
        [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2)];
    let part = |at: usize| (at as f64 + 0.5) / SPOTS as f64;
    let (dx, dy) = (part(spot % SPOTS), part(spot / SPOTS));
    AROUND.map(|(row, column)| {
        let (x, y) = (SPACING_M * (1.0 + dx - f64::from(column)), SPACING_M * (1.0 + dy - f64::from(row)));
        let azimuth = (x.atan2(y).to_degrees().rem_euclid(360.0) * 10.0) as u32;
        let after_ns = (x.hypot(y) / SOUND_M_S * NS_PER_S as f64) as i64;
        Hearing { after_ns, row, column, azimuth: azimuth.min(3599) }
    })
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT_START_NS;
    use super::*;
    use crate::model::time::parse_rfc3339;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_line_is_an_observation_and_the_mix_is_as_stated() {
        for &mix in Mix::ALL {
            let mut load = Load::new(mix, 1, 1000, DEFAULT_START_NS, 10_000.0);
            let (mut out, lines) = (Vec::new(), 20_000);
            load.lines(lines, &mut out);
            let text = String::from_utf8(out).unwrap();
            let names: BTreeSet<&str> = load.nodes.iter().map(|node| node.name.as_str()).collect();
            let mut counts = [0usize; 3];
            for line in text.lines() {
                let value: Value = serde_json::from_str(line).unwrap();
                let kind = Kind::parse(value["kind"].as_str().unwrap()).unwrap();
                counts[[Kind::Status, Kind::Track, Kind::Acoustic].iter().position(|&k| k == kind).unwrap()] += 1;
                let time_ns = parse_rfc3339(value["time"].as_str().unwrap().as_bytes()).unwrap();
                assert!((time_ns - DEFAULT_START_NS).abs() < 3 * NS_PER_S);
                assert!(names.contains(value["node"].as_str().unwrap()), "{line}");
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
        assert!((1..60_000 / 4).contains(&load.under_way), "{}", load.under_way);
    }
}
