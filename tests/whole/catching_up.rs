//! A backlog that is read at full speed gives what the same telemetry gave when it was read as it came: the same final
//! alerts, the same late lines, the same refused ones.

use super::Case;
use super::broker::Broker;
use super::filler::Feeder;
use super::hostile::digits;
use super::live::{LARGEST_BYTES, last};
use super::program::{Program, Site, field};
use super::records::read_to_end;
use super::scene::{Line, Scene, assert_same, heartbeat};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use truceline::model::time::{NS_PER_S, Timestamp};
use truceline::simulate::{Options, Scenario};

pub const TRIALS: &[Case] = &[(
    "a_backlog_of_unequal_partitions_gives_what_was_given_live",
    a_backlog_of_unequal_partitions_gives_what_was_given_live,
)];

/// Event time that is delivered at once to who reads along. A line comes up to 20 s after its time, and is in time for 30 s.
const SLICE_NS: i64 = 10 * NS_PER_S;

/// Lines of every sixth node are padded to this length: a broker that gives so many bytes of each partition at a time
/// gives far less event time of theirs.
const PADDED_BYTES: usize = 6_000;

/// Reads little of each partition at a time, so that the one with long lines falls far behind the others.
const HELD_BACK: [&str; 6] = [
    "--set",
    "kafka.client.fetch.message.max.bytes=65536",
    "--set",
    "kafka.prefetch_records=200",
    "--set",
    "kafka.max_ahead_s=60",
];

/// What a run came to.
struct Outcome {
    alerts: BTreeMap<String, Value>,
    refused: BTreeMap<(String, String, String), Value>,
    /// What was counted at the end: observations, duplicates, late ones.
    counts: Vec<(&'static str, Option<String>)>,
    log: String,
}

fn a_backlog_of_unequal_partitions_gives_what_was_given_live(broker: &Broker) {
    let options = Options { duration_s: Some(300.0), very_late_share: 0.05, ..Options::default() };
    let mut scene = Scene::with(Scenario::Fused, 17, &options);
    hold_one_partition_back(&mut scene);
    let bad = add_bad_lines(&mut scene);
    let source = Site::new(broker, "as-it-came");
    source.create_topics(broker, LARGEST_BYTES);
    scene.publish_reference(broker, &source);

    let program = source.run(&["--no-archive"]);
    let mut seen = 0;
    let mut delivered = 0;
    // Nobody is heard before all partitions are read.
    program.await_line(0, "its assignment", |line| line.contains("partitions assigned"));
    let started = Instant::now();
    let mut feeder = Feeder::new(broker, &source);
    for slice in scene.lines.chunk_by(|a, b| a.deliver_ns / SLICE_NS == b.deliver_ns / SLICE_NS) {
        feeder.send(slice, 0, 1);
        feeder.flush();
        delivered += slice.iter().filter(|line| is_observation(line)).count() as u64;
        seen = program.await_line(seen, "what was delivered", |line| count(line, "observations") >= delivered);
    }
    println!("read along: {} lines in {:?}", scene.lines.len(), started.elapsed());
    let live = outcome(broker, &source, program, &scene, seen);
    assert!(live.alerts.len() >= 40, "only {} alerts", live.alerts.len());
    let amended = live.alerts.values().filter(|alert| alert["properties"]["status"] == "amended").count();
    assert!(amended >= 3, "only {amended} alerts were amended");
    assert_eq!(live.refused.len(), bad, "{}", live.log);

    for (told, how) in [("all at once", &[][..]), ("one partition held back", &HELD_BACK[..])] {
        let site = Site::new(broker, "backlog");
        site.create_topics(broker, LARGEST_BYTES);
        let inputs = ["sensors", "patrols", "decisions", "reference_sensors", "reference_areas", "reference_notices"];
        let inputs = inputs.map(|key| format!("kafka.topics.{key}={}", source.topic(key)));
        let set = inputs.iter().flat_map(|input| ["--set", input.as_str()]);
        let program = site.run(&set.chain(["--no-archive"]).chain(how.iter().copied()).collect::<Vec<_>>());
        let caught_up = outcome(broker, &site, program, &scene, 0);
        if !how.is_empty() {
            // Counted, not looked at in passing: a pause may be over before the next line of figures.
            let waits = caught_up.log.lines().map(|line| count(line, "waits")).max();
            assert!(waits > Some(0), "no partition had to wait for another: {}", caught_up.log);
        }
        assert_same(&caught_up.alerts, &live.alerts, told);
        assert_eq!(caught_up.counts, live.counts, "{told}");
        let places: BTreeSet<_> = caught_up.refused.keys().chain(live.refused.keys()).collect();
        for place in places {
            assert_eq!(caught_up.refused.get(place), live.refused.get(place), "{told}: {place:?}");
        }
    }
}

/// Waits until all is final, ends the program, and gives what it said.
fn outcome(broker: &Broker, site: &Site, program: Program, scene: &Scene, seen: usize) -> Outcome {
    program.await_event_time(seen, scene.ends_ns() - 40 * NS_PER_S);
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let last_words = last(&read_to_end(broker, &site.topic("violations")));
    let told = |(id, mut alert): (String, Value)| {
        let properties = alert["properties"].as_object_mut().expect("properties");
        // How long it took, and how many words: what is said early depends on when it is said.
        properties.remove("latency");
        properties.remove("revision");
        let is_settled = properties["status"] != "retracted";
        is_settled.then_some((id, alert))
    };
    let refused = read_to_end(broker, &site.topic("rejected")).into_iter().map(|record| {
        let headers: BTreeMap<String, String> = record
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
            .collect();
        let of = |name: &str| headers[&format!("__connect.errors.{name}")].clone();
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|it| String::from_utf8_lossy(it).into_owned());
        let place = (of("topic"), of("partition"), of("offset"));
        (place, serde_json::json!({"key": text(&record.key), "value": text(&record.payload), "headers": headers}))
    });
    let line = ended.said.lines().rev().find(|line| field(line, "observations").is_some()).expect("figures");
    let counts = ["observations", "rejected", "duplicates", "late"].map(|name| (name, field(line, name)));
    Outcome {
        alerts: last_words.into_iter().filter_map(told).collect(),
        refused: refused.collect(),
        counts: counts.to_vec(),
        log: ended.said.clone(),
    }
}

/// A count in a line of the log; 0 where there is none.
fn count(line: &str, name: &str) -> u64 {
    field(line, name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// What comes later than this after the scene's end is left out.
const LATEST_NS: i64 = 150 * NS_PER_S;
/// How long heartbeats go on then, until all is final.
const BEATS_AFTER_NS: i64 = 300 * NS_PER_S;

/// Pads the lines of some nodes, and closes the gap in heartbeats before the end.
fn hold_one_partition_back(scene: &mut Scene) {
    let names: Vec<String> = scene.simulation.nodes.iter().map(|node| node.name.clone()).collect();
    let padded: BTreeSet<&String> = names.iter().step_by(6).collect();
    // What is very late comes when nothing else does any more: the nodes are to be heard all the same.
    let end_ns = scene.simulation.end_ns;
    scene.lines.retain(|line| line.deliver_ns < end_ns + LATEST_NS);
    for at_s in (0..(LATEST_NS + BEATS_AFTER_NS) / NS_PER_S).step_by(10) {
        scene.lines.extend(names.iter().map(|name| heartbeat(name, end_ns + at_s * NS_PER_S)));
    }
    scene.lines.sort_by_key(|line| line.deliver_ns);
    for line in scene.lines.iter_mut().filter(|line| padded.contains(&line.key)) {
        let room = PADDED_BYTES.saturating_sub(line.text.len());
        line.text.truncate(line.text.len() - 1);
        // Nothing that compresses.
        line.text.push_str(&format!(",\"padding\":\"{}\"}}", digits(line.deliver_ns as u64, room)));
    }
}

/// Whether the decoder understands it, whatever becomes of it then.
fn is_observation(line: &Line) -> bool {
    !line.text.contains("yesterday") && !line.text.contains(r#""kind": 7"#)
}

/// Puts lines among the others that are to be refused, for reasons that rest on the line alone, on the order of its
/// partition, and on the whole stream. Gives how many.
fn add_bad_lines(scene: &mut Scene) -> usize {
    let first = scene.lines.len() / 10;
    let last = scene.lines.len() / 2;
    let mut bad = Vec::new();
    for (n, at) in (first..last).step_by((last - first) / 60).enumerate() {
        let Line { key, deliver_ns, .. } = scene.lines[at].clone();
        let ago = Timestamp(deliver_ns - 8 * 3_600 * NS_PER_S);
        let time = match n % 4 {
            0 => "\"yesterday\"".to_owned(),
            1 => format!("\"{ago}\""),
            2 => "\"2150-01-01T00:00:00Z\"".to_owned(),
            _ => format!("\"{}\", \"kind\": 7", Timestamp(deliver_ns)),
        };
        let text = format!(r#"{{"id":"bad-{n}","node":"{key}","kind":"status","time":{time}}}"#);
        bad.push((at, Line { by_patrol: scene.lines[at].by_patrol, key, deliver_ns, text }));
    }
    let count = bad.len();
    for (at, line) in bad.into_iter().rev() {
        scene.lines.insert(at, line);
    }
    count
}
