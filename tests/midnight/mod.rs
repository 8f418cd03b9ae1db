//! A night by hand, from 23:00 to 02:00 UTC: patrols turned back before and after midnight, howitzers found where none
//! may be, and a node that is silent from 23:40 to 00:20.

#![allow(dead_code, reason = "each of the tests that share it needs a part of it")]

use truceline::model::day::Day;
use truceline::model::time::{NS_PER_S, Timestamp};

/// The day that ends.
pub const DAY: Day = Day(20_513);

/// Between two heartbeats of the nodes that are always heard, s.
const BEAT_S: i64 = 20;

/// A line of telemetry.
#[derive(Clone, Debug)]
pub struct Line {
    /// When, seconds from midnight.
    pub at_s: i64,
    /// The node.
    pub node: &'static str,
    /// Whether it is a patrol's.
    pub by_patrol: bool,
    /// One JSON object.
    pub text: String,
}

/// An instant so many seconds from midnight, nanoseconds.
pub fn at_ns(at_s: i64) -> i64 {
    DAY.plus(1).begins_ns(0) + at_s * NS_PER_S
}

fn line(at_s: i64, node: &'static str, by_patrol: bool, rest: &str) -> Line {
    let text = format!(r#"{{"id":"{node}{at_s}","node":"{node}","time":"{}",{rest}}}"#, Timestamp(at_ns(at_s)));
    Line { at_s, node, by_patrol, text }
}

/// A patrol that is denied passage, delayed, and so on.
pub fn patrol(at_s: i64, activity: &str) -> Line {
    line(at_s, "p1", true, &format!(r#""kind":"patrol","activity":"{activity}","lon":31.5,"lat":46.9"#))
}

/// What is delivered, in order.
pub fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for at_s in (-3600..7200).step_by(BEAT_S as usize) {
        let hears = !(-1200..1200).contains(&at_s) && at_s % 60 == 0;
        let nodes = ["n2", "n3"].into_iter().chain(hears.then_some("n1"));
        lines.extend(nodes.map(|node| line(at_s, node, false, r#""kind":"status","health":"ok""#)));
    }
    lines.push(patrol(-1800, "denied"));
    lines.push(line(
        -1500,
        "p1",
        true,
        r#""kind":"patrol","activity":"found","object_class":"howitzer","object_lon":31.5,"object_lat":46.9,"count":2"#,
    ));
    lines.push(patrol(1500, "delayed"));
    lines.sort_by_key(|line| line.at_s);
    lines
}

/// The registry's features by their keys.
pub fn nodes() -> Vec<(&'static str, String)> {
    [
        ("n1", r#""kinds":["acoustic"],"heartbeat_s":60,"sector":"east","component":"logistics""#),
        ("n2", r#""kinds":["acoustic"],"heartbeat_s":20,"sector":"east","component":"logistics""#),
        ("n3", r#""kinds":["acoustic"],"heartbeat_s":20,"sector":"east","component":"logistics""#),
        ("p1", r#""kinds":["patrol"],"sector":"west""#),
    ]
    .into_iter()
    .map(|(node, rest)| {
        let point = r#""geometry":{"type":"Point","coordinates":[31.9,46.9]}"#;
        (node, format!(r#"{{"type":"Feature",{point},"properties":{{"node":"{node}",{rest}}}}}"#))
    })
    .collect()
}

/// The one area, of sector west, by its key.
pub fn areas() -> Vec<(&'static str, String)> {
    let ring = "[[[31.4,46.8],[31.6,46.8],[31.6,47.0],[31.4,47.0],[31.4,46.8]]]";
    let properties = r#"{"area":"zone-1","type":"withdrawal","prohibits":["heavy_weapons"],"sector":"west"}"#;
    let geometry = format!(r#"{{"type":"Polygon","coordinates":{ring}}}"#);
    vec![("zone-1", format!(r#"{{"type":"Feature","geometry":{geometry},"properties":{properties}}}"#))]
}
