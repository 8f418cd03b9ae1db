//! What breaks around the program, and the program itself broken off: every alert comes in the end, and every row is in
//! the archive once.

use super::Case;
use super::broker::Broker;
use super::live::{LARGEST_BYTES, assert_archived, await_rows, json, settled_ns};
use super::program::{Program, Site};
use super::records::{Received, consume_all, read_to_end};
use super::scene::{Scene, assert_same, settled};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use truceline::model::time::NS_PER_S;
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("a_broker_that_dies_and_comes_back_costs_no_alert", a_broker_that_dies_and_comes_back_costs_no_alert),
    ("at_least_once_a_crash_and_a_restart_cost_no_alert", a_crash_and_a_restart_cost_no_alert),
    ("a_full_disk_delays_no_alert_and_costs_no_row", a_full_disk_delays_no_alert_and_costs_no_row),
];

/// A scene whose reference data is in its site's topics, and what is to be found in it.
fn scene(broker: &Broker, name: &str, seed: u64) -> (Scene, Site, BTreeMap<String, Value>) {
    let scene = Scene::new(Scenario::Hour, seed, 6.0);
    let site = Site::new(broker, name);
    site.create_topics(broker, LARGEST_BYTES);
    scene.publish_reference(broker, &site);
    let expected = settled(&scene.replay(&scene.lines));
    assert!(expected.len() >= 10, "only {} alerts", expected.len());
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
    site.create_topics(broker, LARGEST_BYTES);
    scene.publish_reference(broker, &site);
    scene.publish(broker, &site, &scene.lines);
    let expected = settled(&scene.replay(&scene.lines));
    assert!(expected.len() >= 30, "only {} alerts", expected.len());
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
    let (scene, site, expected) = scene(broker, "crash", 42);
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
    let (scene, site, expected) = scene(broker, "full", 43);
    scene.publish(broker, &site, &scene.lines);
    // No file may grow beyond this: writing fails as it does on a full disk.
    const ROOM_BYTES: libc::rlim_t = 4_096;
    let program = Program::start(&site.arguments(&["run"]), |command| {
        // SAFETY: `signal` and `setrlimit` are async-signal-safe, and their arguments live through the calls.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                limit_files(0, ROOM_BYTES)
            });
        }
    });
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
    limit_files(program.pid(), libc::RLIM_INFINITY).expect("room again");
    program.await_line(seen, "the archive again", |line| line.contains("the archive is written again"));
    await_rows(broker, &site, &program, scene.lines.len());
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_archived(&site, scene.lines.len(), &read_to_end(broker, &site.topic("violations")));
}

/// Lets a process (0: this one) write files of that size, and raise the limit again.
pub fn limit_files(pid: libc::pid_t, bytes: libc::rlim_t) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit lives through the call, and nothing is asked to be written back.
    match unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
