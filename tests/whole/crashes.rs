//! What breaks around the program, and the program itself broken off: every alert comes in the end, and every row is in
//! the archive once.

use super::Case;
use super::broker::Broker;
use super::live::{assert_archived, await_rows, json, settled_ns};
use super::program::{Program, Site};
use super::records::{Received, consume_all, read_to_end};
use super::scene::{Scene, assert_same, settled};
use serde_json::Value;
use std::collections::BTreeMap;
use truceline::model::time::NS_PER_S;
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("a_broker_that_dies_and_comes_back_costs_no_alert", a_broker_that_dies_and_comes_back_costs_no_alert),
    ("at_least_once_a_crash_and_a_restart_cost_no_alert", a_crash_and_a_restart_cost_no_alert),
    ("a_full_disk_delays_no_alert_and_costs_no_row", a_full_disk_delays_no_alert_and_costs_no_row),
];

/// A scene of so many minutes whose reference data is in its site's topics, and what is to be found in it.
pub fn scene(broker: &Broker, name: &str, seed: u64, minutes: f64) -> (Scene, Site, BTreeMap<String, Value>) {
    let scene = Scene::new(Scenario::Hour, seed, minutes);
    let site = Site::new(broker, name);
    let expected = scene.set_up(broker, &site, 10);
    (scene, site, expected)
}

/// The last word on each alert that was to come, whatever else was said before.
fn last_words(broker: &Broker, site: &Site, expected: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let revisions = read_to_end(broker, &site.topic("violations"));
    let id = |alert: &Value| alert["properties"]["alert"].as_str().expect("an id").to_owned();
    let mut last: BTreeMap<String, Value> = json(&revisions).map(|alert| (id(&alert), alert)).collect();
    let surplus: Vec<Value> =
        last.iter().filter(|(id, _)| !expected.contains_key(*id)).map(|(_, it)| it.clone()).collect();
    // Nothing but what was said early and not yet taken back.
    for alert in surplus {
        let status = alert["properties"]["status"].as_str().expect("a status");
        assert!(["preliminary", "revised", "retracted"].contains(&status), "not to be found: {alert}");
        last.remove(&id(&alert));
    }
    settled(&last)
}

fn a_broker_that_dies_and_comes_back_costs_no_alert(broker: &Broker) {
    let scene = Scene::new(Scenario::Sparse, 41, 150.0);
    let site = Site::new(broker, "away");
    let expected = scene.set_up(broker, &site, 30);
    scene.publish(broker, &site, &scene.lines);
    // Little at a time is fetched, so that most is still to come when the broker goes.
    let slowly = ["kafka.prefetch_records=100", "kafka.prefetch_kib=16", "kafka.client.fetch.message.max.bytes=2048"];
    let mut program = site.run(&slowly.map(|set| ["--set", set]).concat());
    let seen = program.await_line(0, "its assignment", |line| line.contains("partitions assigned"));
    broker.kill();
    let seen = program.await_line(seen, "word of the broker", |line| line.contains("no broker can be reached"));
    broker.restart().expect("the broker again");
    program.await_event_time(seen, settled_ns(&scene));
    await_rows(broker, &site, &program, scene.lines.len());
    assert!(program.is_running());
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(ended.said.contains("the broker is back"), "{}", ended.said);
    assert_same(&last_words(broker, &site, &expected), &expected, "across a broker's crash");
    assert_archived(&site, scene.lines.len(), &read_to_end(broker, &site.topic("violations")));
}

fn a_crash_and_a_restart_cost_no_alert(broker: &Broker) {
    // Without transactions alerts are said again, with the same ids.
    const AT_LEAST_ONCE: [&str; 2] = ["--set", "kafka.exactly_once=false"];
    let (scene, site, expected) = scene(broker, "crash", 42, 6.0);
    let mut from = 0;
    for part in [6, 4, 3] {
        let to = scene.lines.len() / part;
        scene.publish(broker, &site, &scene.lines[from..to]);
        let program = site.run(&AT_LEAST_ONCE);
        program.await_event_time(0, scene.lines[to - 1].deliver_ns - 90 * NS_PER_S);
        program.crash();
        from = to;
    }
    scene.publish(broker, &site, &scene.lines[from..]);
    let program = site.run(&AT_LEAST_ONCE);
    program.await_event_time(0, settled_ns(&scene));
    await_rows(broker, &site, &program, scene.lines.len());
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_same(&last_words(broker, &site, &expected), &expected, "across crashes");
    assert_archived(&site, scene.lines.len(), &read_to_end(broker, &site.topic("violations")));
}

fn a_full_disk_delays_no_alert_and_costs_no_row(broker: &Broker) {
    let (scene, site, expected) = scene(broker, "full", 43, 6.0);
    scene.publish(broker, &site, &scene.lines);
    let program = Program::start_on_full_disk(&site.arguments(&["run"]));
    let seen = program.await_line(0, "word of the disk", |line| line.contains("the archive waits and tries again"));
    program.await_event_time(0, settled_ns(&scene));
    // It still runs: what it has just said may be on its way.
    let is_final = |id: &String, record: &Received| {
        let payload = String::from_utf8_lossy(record.payload.as_deref().unwrap_or_default());
        record.key.as_deref() == Some(id.as_bytes()) && payload.contains(r#""status":"final""#)
    };
    consume_all(broker, &site.topic("violations"), |received| {
        expected.keys().all(|id| received.iter().any(|record| is_final(id, record)))
    });
    assert_same(&last_words(broker, &site, &expected), &expected, "with a full disk");
    program.make_room();
    program.await_line(seen, "the archive again", |line| line.contains("the archive is written again"));
    await_rows(broker, &site, &program, scene.lines.len());
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_archived(&site, scene.lines.len(), &read_to_end(broker, &site.topic("violations")));
}
