//! The live program: the same telemetry through Kafka and through files gives the same alerts, and the archive holds
//! everything once.

use super::Case;
use super::broker::Broker;
use super::program::{Program, Site};
use super::records::{PATIENCE, Received, read_to_end};
use super::scene::{Scene, assert_same, last_revisions, settled};
use super::tables;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;
use truceline::model::time::NS_PER_S;
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("fire_through_kafka_and_through_files_gives_the_same_alerts", fire_gives_the_same_alerts),
    ("a_whole_story_through_kafka_and_through_files_gives_the_same_alerts", a_whole_story_gives_the_same_alerts),
];

/// Broker defaults.
pub const LARGEST_BYTES: u32 = 1_048_588;

fn fire_gives_the_same_alerts(broker: &Broker) {
    same_live_and_replayed(broker, &Scene::new(Scenario::Hour, 11, 8.0), 20);
}

fn a_whole_story_gives_the_same_alerts(broker: &Broker) {
    same_live_and_replayed(broker, &Scene::new(Scenario::Demo, 5, 20.0), 10);
}

fn same_live_and_replayed(broker: &Broker, scene: &Scene, at_least: usize) {
    let site = Site::new(broker, "live");
    let expected = scene.set_up(broker, &site, at_least);
    scene.publish(broker, &site, &scene.lines);

    let program = site.run(&[]);
    program.await_event_time(0, settled_ns(scene));
    await_rows(broker, &site, &program, scene.lines.len());
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);

    let revisions = read_to_end(broker, &site.topic("violations"));
    assert_headers(&revisions);
    assert_same(&settled(&last(&revisions)), &expected, "alerts.violations");
    // Compaction may not have run: the last of each key is what holds.
    assert_same(&settled(&newest(&read_to_end(broker, &site.topic("current")))), &expected, "alerts.current");
    assert_archived(&site, scene.lines.len(), &revisions);
    assert_eq!(read_to_end(broker, &site.topic("rejected")), [], "nothing was to be refused");
}

/// By when event time has passed everything, with the partitions left out that have nothing to say.
pub fn settled_ns(scene: &Scene) -> i64 {
    settled_by(scene.ends_ns())
}

/// The same of what was delivered up to a time.
pub fn settled_by(delivered_ns: i64) -> i64 {
    const LATENESS_AND_IDLE_S: i64 = 30 + 5;
    delivered_ns - (LATENESS_AND_IDLE_S + 1) * NS_PER_S
}

/// What was received, as JSON.
pub fn json(received: &[Received]) -> impl Iterator<Item = Value> + '_ {
    received
        .iter()
        .map(|record| serde_json::from_slice(record.payload.as_deref().expect("a payload")).expect("an alert"))
}

/// The last revision of each alert.
pub fn last(received: &[Received]) -> BTreeMap<String, Value> {
    last_revisions(json(received))
}

/// The last record of each key.
pub fn newest(received: &[Received]) -> BTreeMap<String, Value> {
    json(received).map(|alert| (alert["properties"]["alert"].as_str().expect("an id").to_owned(), alert)).collect()
}

/// CloudEvents headers, the alert's id as key, revisions that rise by one.
fn assert_headers(revisions: &[Received]) {
    let mut next = BTreeMap::<String, u64>::new();
    for (record, alert) in revisions.iter().zip(json(revisions)) {
        let properties = &alert["properties"];
        let (id, revision) = (properties["alert"].as_str().expect("an id"), properties["revision"].as_u64());
        let next = next.entry(id.to_owned()).or_insert(1);
        assert_eq!(revision, Some(*next), "revisions of {id}");
        assert_eq!(record.key.as_deref(), Some(id.as_bytes()));
        let header = |name: &str| {
            let found = record.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            String::from_utf8(found.unwrap_or_default()).expect("text")
        };
        let told = ["ce_specversion", "ce_id", "ce_type", "ce_time", "ce_subject", "content-type"].map(header);
        let time = properties["time"].as_str().expect("a time");
        let wanted = ["1.0", &format!("{id}/{next}"), "truceline.alert.v1", time, id, "application/geo+json"];
        assert_eq!(told, wanted);
        *next += 1;
    }
}

/// Waits until the archive holds so many observations and all alerts that were said, as a reader would look: as often
/// as the program tells how it goes.
pub fn await_rows(broker: &Broker, site: &Site, program: &Program, observations: usize) {
    let said = read_to_end(broker, &site.topic("violations")).len();
    let mut seen = program.lines();
    let started = Instant::now();
    while tables::places(&site.archive(), "telemetry").len() < observations
        || tables::alerts(&site.archive()).values().sum::<usize>() < said
    {
        assert!(started.elapsed() < PATIENCE, "the archive lacks rows: {}", program.log());
        seen = program.await_line(seen, "another word", |line| line.contains("so far"));
    }
}

/// Every observation and every revision is in the archive, once.
pub fn assert_archived(site: &Site, observations: usize, revisions: &[Received]) {
    let rows = tables::places(&site.archive(), "telemetry");
    assert_eq!(rows.len(), observations, "observations in the archive");
    assert_eq!(rows.values().filter(|&&times| times != 1).count(), 0, "observations archived twice");
    let archived = tables::alerts(&site.archive());
    let mut said = BTreeMap::<(String, i64), usize>::new();
    for alert in json(revisions) {
        let id = alert["properties"]["alert"].as_str().expect("an id").to_owned();
        *said.entry((id, alert["properties"]["revision"].as_i64().expect("a revision"))).or_default() += 1;
    }
    assert_eq!(archived, said, "alerts in the archive");
}
