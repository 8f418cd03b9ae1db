//! Whatever comes in and whatever does not go out: memory stays bounded, the figures say who waits for whom, and in the
//! end nothing is missing.
//!
//! `TRUCELINE_BACKLOG=50000000` reads so many records; `TRUCELINE_IDS=1000000` remembers so many ids at once.

use super::Case;
use super::broker::Broker;
use super::crashes::scene;
use super::filler::{Feeder, NODES, each, memory_mib};
use super::ledger::look;
use super::live::{assert_archived, await_rows, settled_ns};
use super::program::{Program, field};
use super::records::read_to_end;
use super::stream::from_environment;
use std::collections::BTreeSet;
use std::time::Instant;
use truceline::engine::weather::MAX_REPORTS;
use truceline::pipeline::run::{BATCHES, MAX_PARCELS};

pub const TRIALS: &[Case] = &[
    ("a_long_backlog_is_read_in_bounded_memory", a_long_backlog),
    ("alerts_that_nobody_takes_make_reading_wait_and_cost_nothing", alerts_that_nobody_takes),
    ("an_archive_that_stands_still_delays_no_alert_and_takes_no_memory", an_archive_that_stands_still),
    ("a_hundred_thousand_ids_are_told_from_their_repetitions", many_ids),
];

/// Records of a backlog in the short form.
const BACKLOG: u64 = 300_000;
/// Ids at once in the short form.
const IDS: u64 = 100_000;

/// Little is fetched ahead, so that a backlog is many times what may be in memory.
const SMALL: [&str; 6] =
    ["--set", "kafka.prefetch_kib=4096", "--set", "kafka.prefetch_records=10000", "--set", "kafka.learnt_interval_s=1"];
/// What the program needs for itself and for this scene, MiB.
const ITSELF_MIB: u64 = 160;
/// What an id that is remembered takes at most: a slot has 12 bytes, and a table that has grown is a quarter full or more;
/// while it is made anew the old one is still there, but each is a 256th of all.
const ID_BYTES: u64 = 56;

/// What a node's heartbeat takes that is remembered.
const REPORT_BYTES: u64 = 32;

/// What lines take that wait for event time, 5,000 a second for some 45 s, MiB; it does not grow with the backlog.
const HELD_MIB: u64 = (5_000 * 45 * HELD_BYTES) >> 20;

/// What an observation takes at most that rules hold until event time has passed it.
const HELD_BYTES: u64 = 448;

fn count(line: &str, name: &str) -> u64 {
    field(line, name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The most that so many ids take.
fn ids_mib(ids: u64) -> u64 {
    (ids * ID_BYTES) >> 20
}

/// The most that heartbeats take, of so many fillers.
fn reports_mib(fillers: u64) -> u64 {
    ((fillers / NODES).clamp(1, MAX_REPORTS as u64).next_power_of_two() * REPORT_BYTES * NODES) >> 20
}

/// The most that a figure came to.
fn most(log: &str, name: &str) -> u64 {
    log.lines().map(|line| count(line, name)).max().unwrap_or(0)
}

fn a_long_backlog(broker: &Broker) {
    let records = from_environment("TRUCELINE_BACKLOG", BACKLOG);
    // At 5,000 observations a second of event time, as far as the scene is long enough.
    let (scene, site, expected) = scene(broker, "backlog", 61, (records as f64 / 5_000.0 / 60.0).max(6.0));
    let mut feeder = Feeder::new(broker, &site);
    let each = each(&scene, records);
    feeder.send(&scene.lines, each, 1);
    feeder.flush();
    let started = Instant::now();
    let program = site.run(&[&["--no-archive"], &SMALL[..]].concat());
    program.await_event_time(0, settled_ns(&scene));
    let (elapsed, peak_mib) = (started.elapsed(), memory_mib(program.pid(), "VmHWM"));
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let ids = most(&ended.said, "ids_held");
    let total = feeder.fillers + scene.lines.len() as u64;
    println!(
        "a backlog of {total} records: {elapsed:?}, at most {peak_mib} MiB, {ids} ids, {} arrivals, {} lines held, {} paused",
        most(&ended.said, "arrivals_held"),
        most(&ended.said, "lines_held"),
        most(&ended.said, "paused")
    );
    // At its full pace, which the short form hardly comes to, lines wait for event time as well.
    let held_mib = if records > BACKLOG { HELD_MIB } else { 0 };
    let bound_mib = ITSELF_MIB + held_mib + ids_mib(ids) + reports_mib(feeder.fillers);
    assert!(peak_mib <= bound_mib, "{peak_mib} MiB for {total} records; expected at most {bound_mib}");
    look(broker, &site, &expected, &BTreeSet::new()).assert_exact("a long backlog");
}

fn alerts_that_nobody_takes(broker: &Broker) {
    let (scene, site, expected) = scene(broker, "untaken", 62, 8.0);
    broker.throttle(Some(100));
    let mut feeder = Feeder::new(broker, &site);
    let each = each(&scene, BACKLOG);
    let (half, rest) = scene.lines.split_at(scene.lines.len() / 2);
    feeder.send(half, each, 1);
    feeder.flush();
    let program = site.run(&[&["--no-archive"], &SMALL[..]].concat());
    let waits = |line: &str| {
        count(line, "parcels_waiting") > MAX_PARCELS as u64 && count(line, "batches_waiting") >= BATCHES as u64
    };
    let seen = program.await_line(0, "word that all stages wait", waits);
    // The input goes on.
    feeder.send(rest, each, 1);
    feeder.flush();
    let seen = program.await_line(seen, "word that they still wait", waits);
    let read = program.log().lines().map(|line| count(line, "observations")).max();
    assert!(read < Some(feeder.fillers / 2), "{read:?} were read though nothing was taken");
    let peak_mib = memory_mib(program.pid(), "VmHWM");
    assert!(peak_mib <= ITSELF_MIB + 10, "{peak_mib} MiB while nothing was taken");
    broker.throttle(None);
    program.await_event_time(seen, settled_ns(&scene));
    let peak_after_mib = memory_mib(program.pid(), "VmHWM");
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    println!("alerts that nobody takes: at most {peak_mib} MiB meanwhile, {peak_after_mib} MiB in all");
    let ids = most(&ended.said, "ids_held");
    assert!(peak_after_mib <= ITSELF_MIB + ids_mib(ids), "{peak_after_mib} MiB with {ids} ids");
    look(broker, &site, &expected, &BTreeSet::new()).assert_exact("alerts that nobody took for a while");
}

fn an_archive_that_stands_still(broker: &Broker) {
    let (scene, site, expected) = scene(broker, "still", 63, 6.0);
    let mut feeder = Feeder::new(broker, &site);
    feeder.send(&scene.lines, each(&scene, BACKLOG / 2), 1);
    feeder.flush();
    let program = Program::start_on_full_disk(&site.arguments(&[&["run"], &SMALL[..]].concat()));
    let seen = program.await_event_time(0, settled_ns(&scene));
    let seen = program.await_line(seen, "word that the archive waits", |line| {
        field(line, "archive_waits").as_deref() == Some("true") && count(line, "archive_lag") > 0
    });
    look(broker, &site, &expected, &BTreeSet::new()).assert_exact("with an archive that stands still");
    let peak_mib = memory_mib(program.pid(), "VmHWM");
    program.make_room();
    program.await_line(seen, "the archive again", |line| line.contains("the archive is written again"));
    let rows = scene.lines.len() + feeder.fillers as usize;
    await_rows(broker, &site, &program, rows);
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    println!("an archive that stands still: at most {peak_mib} MiB");
    let ids = most(&ended.said, "ids_held");
    // It has a reader of its own, and a batch of rows.
    assert!(peak_mib <= ITSELF_MIB + 60 + ids_mib(ids), "{peak_mib} MiB");
    assert_archived(&site, rows, &read_to_end(broker, &site.topic("violations")));
}

fn many_ids(broker: &Broker) {
    const TIMES: u64 = 3;
    let ids = from_environment("TRUCELINE_IDS", IDS);
    let (scene, site, expected) = scene(broker, "ids", 64, 6.0);
    let repeated = {
        let id = |line: &super::scene::Line| {
            let value: serde_json::Value = serde_json::from_str(&line.text).expect("JSON");
            (value["node"].to_string(), value["id"].to_string())
        };
        scene.lines.len() - scene.lines.iter().map(id).collect::<BTreeSet<_>>().len()
    };
    // All within less than a minute, amid the scene: they are remembered at the same time.
    let middle = scene.lines.len() / 4;
    let mut feeder = Feeder::new(broker, &site);
    feeder.send(&scene.lines[..middle], 0, 1);
    let at_ns = scene.lines[middle].deliver_ns;
    for n in 0..ids {
        feeder.filler(at_ns + n as i64 % 1_000, TIMES);
    }
    feeder.send(&scene.lines[middle..], 0, 1);
    feeder.flush();
    let program = site.run(&[&["--no-archive"], &SMALL[..]].concat());
    program.await_event_time(0, settled_ns(&scene));
    let peak_mib = memory_mib(program.pid(), "VmHWM");
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let held = most(&ended.said, "ids_held");
    let duplicates = most(&ended.said, "duplicates");
    println!(
        "{ids} ids, each {TIMES} times: {held} remembered when last told, {duplicates} duplicates, {peak_mib} MiB"
    );
    assert_eq!(duplicates, (TIMES - 1) * ids + repeated as u64);
    // All are of one instant, so that all are held too.
    let bound_mib = ITSELF_MIB + ids_mib(ids) + ((ids * HELD_BYTES) >> 20);
    assert!(peak_mib <= bound_mib, "{peak_mib} MiB for {ids} ids; expected at most {bound_mib}");
    look(broker, &site, &expected, &BTreeSet::new()).assert_exact("many ids");
}
