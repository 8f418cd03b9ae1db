//! A cluster: routers send telemetry on by region, and processes share out the regions. What it says in the end is what
//! one process says, wherever events lie and whoever has which region.

use super::Case;
use super::broker::Broker;
use super::checkpoints;
use super::ledger::{is_over, look, note};
use super::live::{json, last, settled_ns};
use super::program::{Program, Site, field};
use super::records::{PATIENCE, Received, consume_all, produce, producer, read_to_end};
use super::scene::{Line, Scene, assert_same, settled};
use super::stream::{ARGUMENTS, Stream, from_environment};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use truceline::model::geo::LonLat;
use truceline::model::kind::{Kind, KindSet};
use truceline::model::node::Node;
use truceline::model::time::{NS_PER_S, Timestamp};
use truceline::simulate::{self, Options, Scenario};

pub const TRIALS: &[Case] = &[
    ("a_cluster_finds_what_one_process_finds", a_cluster_finds_what_one_process_finds),
    ("parts_move_from_one_to_three_to_two_and_nothing_is_lost_or_repeated", parts_move),
    ("kills_in_a_cluster_lose_and_repeat_nothing", kills),
    ("from_checkpoints_a_cluster_reads_little_again", from_checkpoints_a_cluster_reads_little_again),
];

/// Event time that is delivered at once: no partition gets so far ahead that what others bring is late.
const SLICE_NS: i64 = 20 * NS_PER_S;
/// Parts of the regions: partitions of `telemetry.by-region`.
const PARTS: usize = 4;

/// The middle of the scenes on land.
const MIDDLE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
/// Half of what the posts are apart: so far that the earth is cut in two both ways, and the cuts meet in the middle.
const FAR_M: f64 = 135_000.0;
/// How late a line may be and still be no late evidence, which may come out otherwise: `engine.lateness_s`.
const LATENESS_S: i64 = 30;

/// A scene on whose middle four regions meet, each with a part of its own.
pub fn four_corners(scenario: Scenario, seed: u64, minutes: f64) -> Scene {
    let options = Options { duration_s: Some(60.0 * minutes), ..Options::default() };
    let mut simulation = simulate::simulate(scenario, seed, &options);
    let posts = [45.0, 135.0, 225.0, 315.0].map(|azimuth_deg| {
        let mut post = Node::unregistered(&format!("post-{azimuth_deg}"));
        post.kinds = KindSet::default().with(Kind::Acoustic);
        post.position = Some(MIDDLE.toward(azimuth_deg, FAR_M * 2f64.sqrt()));
        (post.range_m, post.registered) = (Some(12_000.0), true);
        post
    });
    simulation.nodes.extend(posts);
    let mut scene = Scene::of(simulation);
    let mut newest_ns = i64::MIN;
    scene.lines.retain(|line| {
        let time_ns = event_time_ns(line);
        newest_ns = newest_ns.max(time_ns);
        newest_ns - time_ns < LATENESS_S * NS_PER_S
    });
    scene
}

fn event_time_ns(line: &Line) -> i64 {
    let value: Value = serde_json::from_str(&line.text).expect("JSON");
    serde_json::from_value::<Timestamp>(value["time"].clone()).expect("a time").0
}

/// Starts a process of the cluster.
fn start(site: &Site, role: &str, instance: &str) -> Program {
    site.run(&["--role", role, "--set", &format!("kafka.instance={instance}"), "--set", "kafka.recall_s=86400"])
}

/// Waits until the last words are the expected ones, or time is up, and gives them.
fn await_words(broker: &Broker, site: &Site, expected: &BTreeMap<String, Value>) -> Vec<Received> {
    let started = Instant::now();
    loop {
        let said = read_to_end(broker, &site.topic("violations"));
        if settled(&last(&said)) == *expected || started.elapsed() > PATIENCE / 3 {
            return said;
        }
    }
}

/// Each observation that is cited is where it is said to be.
fn assert_cited(broker: &Broker, site: &Site, said: &[Received]) {
    let mut records = BTreeMap::new();
    for topic in [site.topic("sensors"), site.topic("patrols")] {
        for record in read_to_end(broker, &topic) {
            records.insert((topic.clone(), record.partition, record.offset), record.payload.unwrap_or_default());
        }
    }
    for alert in json(said) {
        for cited in alert["properties"]["evidence"].as_array().expect("evidence") {
            let topic = cited["topic"].as_str().expect("a topic").to_owned();
            let partition = cited["partition"].as_i64().expect("a partition") as i32;
            let payload = records.get(&(topic, partition, cited["offset"].as_i64().expect("an offset")));
            let line =
                payload.and_then(|payload| payload.split(|&byte| byte == b'\n').nth(cited["line"].as_u64()? as usize));
            let read: Value = serde_json::from_slice(line.expect("a line where the evidence is")).expect("JSON");
            assert_eq!((&read["id"], &read["node"]), (&cited["id"], &cited["node"]));
        }
    }
}

fn a_cluster_finds_what_one_process_finds(broker: &Broker) {
    let scene = four_corners(Scenario::Fused, 11, 12.0);
    let site = Site::new(broker, "cluster");
    let expected = scene.set_up(broker, &site, 20);
    let (before, after) = scene.lines.split_at(scene.lines.len() / 2);
    scene.publish(broker, &site, before);
    let bad = bad_lines(before[before.len() - 1].deliver_ns);
    produce(broker, &site.topic("sensors"), bad.iter().map(|text| ("mic-01", text.as_str())));
    scene.publish(broker, &site, after);

    let router = start(&site, "route", "router-1");
    let watch = start(&site, "correlate", "watch-1");
    watch.await_line(0, "the regions", |line| {
        line.contains("regions are laid out") && field(line, "regions").as_deref() == Some("4")
    });
    watch.await_event_time(0, settled_ns(&scene));
    let said = await_words(broker, &site, &expected);
    assert_same(&settled(&last(&said)), &expected, "a cluster of one and one");
    assert_cited(broker, &site, &said);
    assert_parts_said(broker, &site, &said);
    decide(broker, &site, &said);
    for program in [watch, router] {
        let ended = program.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    let refused: BTreeSet<String> = bad.into_iter().collect();
    let mut seen = look(broker, &site, &expected, &refused);
    // They have been reviewed since.
    seen.strange.retain(|it| !it.contains("review"));
    seen.doubled.retain(|it| !it.contains("A-00000000000000000000"));
    seen.assert_exact("a cluster of one and one");
}

/// Lines that are to be refused, by the router or by who answers for the node.
fn bad_lines(now_ns: i64) -> Vec<String> {
    let now = |off_s: i64| Timestamp(now_ns + off_s * NS_PER_S);
    let line = |id: &str, node: &str, time: Timestamp| {
        format!(r#"{{"id":"{id}","node":"{node}","kind":"status","time":"{time}","health":"ok"}}"#)
    };
    vec![
        "no JSON".to_owned(),
        line("bad-1", "nobody", now(0)),
        line("bad-2", "mic-25", now(-7 * 3600)),
        line("bad-3", "mic-26", now(86_400)),
    ]
}

/// More than one part has said something.
fn assert_parts_said(broker: &Broker, site: &Site, said: &[Received]) {
    let rows = read_to_end(broker, &site.topic("state"));
    let part = |record: &Received| {
        let key = String::from_utf8(record.key.clone()?).ok()?;
        let (id, _) = key.split_once("/alert/")?;
        Some(id.rsplit('-').next()?.to_owned())
    };
    let parts: BTreeSet<String> = rows.iter().filter_map(part).collect();
    assert!(parts.len() >= 3, "{} alerts are of parts {parts:?}", said.len());
}

/// Decisions find the part whose alert they are about, and one that is about none is refused once.
fn decide(broker: &Broker, site: &Site, said: &[Received]) {
    let alerts = settled(&last(said));
    let chosen: Vec<&String> = alerts.keys().step_by(alerts.len().div_ceil(6)).collect();
    let decision = |alert: &str| {
        format!(
            r#"{{"alert":"{alert}","revision":1,"decision":"confirmed","by":"commission","at":"2026-03-01T12:00:00Z"}}"#
        )
    };
    let unknown = decision("A-00000000000000000000");
    let lines: Vec<String> = chosen.iter().map(|id| decision(id)).chain([unknown.clone()]).collect();
    produce(broker, &site.topic("decisions"), lines.iter().map(|line| ("commission", line.as_str())));
    let started = Instant::now();
    loop {
        let now = last(&read_to_end(broker, &site.topic("violations")));
        let reviewed = now.values().filter(|alert| alert["properties"]["review"].is_object()).count();
        let rejected = read_to_end(broker, &site.topic("rejected"));
        let refused = rejected.iter().filter(|it| it.payload.as_deref() == Some(unknown.as_bytes())).count();
        if (reviewed, refused) == (chosen.len(), 1) {
            return;
        }
        assert!(refused <= 1, "refused {refused} times");
        assert!(started.elapsed() < PATIENCE, "{reviewed} of {} were reviewed, {refused} refused", chosen.len());
    }
}

/// From one process to three, and to two by the death of the first, while telemetry comes.
fn parts_move(broker: &Broker) {
    let scene = four_corners(Scenario::Fused, 12, 9.0);
    let site = Site::new(broker, "moves");
    let expected = scene.set_up(broker, &site, 20);
    // What matters comes before the last heartbeats.
    let end = scene.lines.partition_point(|line| line.deliver_ns <= scene.simulation.end_ns);
    let (first, rest) = scene.lines.split_at(end / 3);
    let (second, third) = rest.split_at(end / 3);

    let routers = [start(&site, "route", "router-1"), start(&site, "route", "router-2")];
    let one = start(&site, "correlate", "watch-1");
    deliver(broker, &site, &scene, first);
    one.await_event_time(0, first[first.len() - 1].deliver_ns - 90 * NS_PER_S);
    let grown = Instant::now();
    let (two, three) = (start(&site, "correlate", "watch-2"), start(&site, "correlate", "watch-3"));
    deliver(broker, &site, &scene, second);
    for program in [&two, &three] {
        program.await_line(0, "a part that moved", |line| line.contains("is where the last run ended"));
    }
    let grown = grown.elapsed();
    let shrunk = Instant::now();
    let seen = (two.lines(), three.lines());
    one.crash();
    deliver(broker, &site, &scene, third);
    let mut from = seen.0;
    while parts_of(&two).union(&parts_of(&three)).count() < PARTS {
        from = two.await_line(from, "another word", |line| line.contains("so far"));
    }
    for program in [&two, &three] {
        program.await_event_time(0, settled_ns(&scene));
    }
    let shrunk = shrunk.elapsed();
    let said = await_words(broker, &site, &expected);
    assert_same(&settled(&last(&said)), &expected, "parts that moved");
    look(broker, &site, &expected, &BTreeSet::new()).assert_exact("parts that moved");
    let pauses: Vec<String> = [&two, &three].iter().flat_map(|program| pauses_ms(&program.log())).collect();
    println!(
        "moved: two more came and were up after {} ms, all was caught up {} ms after one died; parts were taken up in \
         {pauses:?} ms",
        grown.as_millis(),
        shrunk.as_millis()
    );
    for program in [two, three].into_iter().chain(routers) {
        let ended = program.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
}

/// Starts a process of the cluster as streams are read, with these settings.
fn begin(stream: &Stream, role: &str, instance: &str, settings: &[String]) -> Program {
    let instance = format!("kafka.instance={instance}");
    let more = ARGUMENTS.iter().copied().filter(|it| *it != "--no-archive");
    let set = settings.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["--role", role, "--set", &instance].into_iter().chain(more).chain(set).collect();
    stream.site.run(&arguments)
}

/// Each part takes its checkpoint up, and goes on from there.
fn from_checkpoints_a_cluster_reads_little_again(broker: &Broker) {
    let site = Site::new(broker, "resumed");
    let mut stream = Stream::of(broker, site, four_corners(Scenario::Fused, 71, 9.0));
    let settings = checkpoints::settings(&stream.site, checkpoints::EVERY);
    let router = begin(&stream, "route", "router-1", &[]);
    let watch = begin(&stream, "correlate", "watch-1", &settings);
    stream.deliver_live(broker, 0.5);
    stream.await_delivered(&watch);
    let parts = |rows: &[Received]| {
        let named = rows.iter().filter(|row| checkpoints::is_row(row));
        named.map(|row| &row.key).collect::<BTreeSet<_>>().len()
    };
    consume_all(broker, &stream.site.topic("state"), |rows| parts(rows) == PARTS);
    let read = checkpoints::observations(&watch.crash());
    let since = Instant::now();
    let watch = begin(&stream, "correlate", "watch-1", &settings);
    let count = |log: &str, what: &str| log.lines().filter(|line| line.contains(what)).count();
    while count(&watch.log(), "is where the last run ended") < PARTS {
        watch.await_line(watch.lines(), "another word", |line| line.contains("so far"));
    }
    let recovery = since.elapsed();
    let again = checkpoints::observations(&watch.log());
    assert_eq!(count(&watch.log(), "a checkpoint is taken up"), PARTS, "{}", watch.log());
    assert!(again <= 3 * checkpoints::EVERY * PARTS as u64, "{again} of {read} observations were read again");
    stream.deliver_live(broker, 1.0);
    watch.await_event_time(0, settled_ns(&stream.scene));
    await_words(broker, &stream.site, &stream.expected);
    for program in [watch, router] {
        let ended = program.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    look_after_cluster(broker, &stream, "kill -9 of a cluster with checkpoints", 1, &[recovery]);
}

/// What it says is exact.
fn look_after_cluster(broker: &Broker, stream: &Stream, fault: &str, times: usize, recoveries: &[Duration]) {
    let mut seen = look(broker, &stream.site, &stream.expected, &stream.bad);
    // What was told last of what lasts hangs on when it was told.
    let lasts = |id: &str| stream.expected.get(id).is_some_and(|alert| !is_over(alert));
    seen.strange.retain(|it| !it.split_once(": ").is_some_and(|(id, _)| lasts(id)));
    note(fault, times, &seen, recoveries);
    seen.assert_exact(fault);
}

/// How often a process of the cluster is killed in the short form.
const KILLS: u64 = 20;

/// Routers and watchers die at random moments, and come back. Telemetry comes a hundred times as fast as the clock goes, so that of two
/// routers one that is dead for a second is minutes of event time behind.
fn kills(broker: &Broker) {
    let seed = from_environment("TRUCELINE_SEED", 1);
    let kills = from_environment("TRUCELINE_CLUSTER_KILLS", KILLS);
    println!("kills in a cluster: TRUCELINE_SEED={seed} TRUCELINE_CLUSTER_KILLS={kills}");
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let site = Site::new(broker, "felled");
    let mut stream = Stream::of(broker, site, four_corners(Scenario::Fused, 12 + seed, 9.0));
    let roles = [("route", "router-1"), ("route", "router-2"), ("correlate", "watch-1"), ("correlate", "watch-2")];
    // Every third time without checkpoints: what was committed meanwhile is newer than the last of them.
    let begin = |stream: &Stream, (role, instance): (&str, &str), kill: u64| {
        let settings = checkpoints::settings(&stream.site, 300);
        begin(stream, role, instance, if kill % 3 == 2 { &[] } else { &settings })
    };
    let mut programs: Vec<Program> = roles.iter().map(|&role| begin(&stream, role, 0)).collect();
    for kill in 1..=kills {
        stream.deliver_live(broker, kill as f64 / (kills + 1) as f64);
        let victim = dice.random_range(0..programs.len());
        let mut seen = programs[victim].lines();
        for _ in 0..dice.random_range(0..6u32) {
            seen = programs[victim].await_line(seen, "a word", |line| line.contains("so far"));
        }
        programs.remove(victim).crash();
        programs.insert(victim, begin(&stream, roles[victim], kill));
    }
    stream.deliver_live(broker, 1.0);
    for program in &programs[2..] {
        program.await_event_time(0, settled_ns(&stream.scene));
    }
    await_words(broker, &stream.site, &stream.expected);
    for program in programs {
        let ended = program.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    look_after_cluster(broker, &stream, "kill -9 in a cluster", kills as usize, &[]);
}

/// Delivers lines in slices, as fast as they are taken.
pub fn deliver(broker: &Broker, site: &Site, scene: &Scene, mut lines: &[Line]) {
    let producer = producer(broker);
    while let Some(first) = lines.first() {
        let to = lines.partition_point(|line| line.deliver_ns < first.deliver_ns + SLICE_NS);
        scene.publish_by(&producer, site, &lines[..to]);
        lines = &lines[to..];
    }
}

/// The parts that a program has, by its log.
fn parts_of(program: &Program) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    for line in program.log().lines() {
        let Some(part) = field(line, "part") else { continue };
        if line.contains("takes up a part") {
            parts.insert(part);
        } else if line.contains("left a part") {
            parts.remove(&part);
        }
    }
    parts
}

/// From taking a part up to going on where the last one ended.
fn pauses_ms(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains("is where the last run ended"));
    lines.filter_map(|line| field(line, "after_ms")).collect()
}
