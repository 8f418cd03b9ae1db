//! Daily reports of the live program: each is visible once, whoever is killed, and again when late alerts change it;
//! and alerts go to the topics of the components beside the main ones.

#[path = "../midnight/mod.rs"]
mod midnight;

use super::Case;
use super::broker::Broker;
use super::live::{LARGEST_BYTES, json};
use super::program::{Program, Site};
use super::records::{Received, consume_all, fresh, produce, read_to_end};
use midnight::Line;
use serde_json::Value;
use std::collections::BTreeMap;
use truceline::model::daily::DailyReport;

pub const TRIALS: &[Case] = &[
    ("daily_reports_are_visible_once_whoever_is_killed", reports_are_visible_once),
    ("components_have_their_own_alerts_beside_the_main_topics", components_have_their_own_alerts),
];

/// Until 00:30 there is no end of the silence; at 01:15 all is settled of the day before by the grace.
const PARTS_S: [i64; 3] = [600, 4500, 7200];

fn publish(broker: &Broker, site: &Site, lines: &[Line]) {
    for (topic, by_patrol) in [("sensors", false), ("patrols", true)] {
        let of_topic = lines.iter().filter(|line| line.by_patrol == by_patrol);
        produce(broker, &site.topic(topic), of_topic.map(|line| (line.node, line.text.as_str())));
    }
}

fn set_up(broker: &Broker, name: &str) -> Site {
    let site = Site::new(broker, name);
    site.create_topics(broker, LARGEST_BYTES);
    for (key, rows) in [("reference_sensors", midnight::nodes()), ("reference_areas", midnight::areas())] {
        produce(broker, &site.topic(key), rows.iter().map(|(key, text)| (*key, text.as_str())));
    }
    site
}

const FAST: [&str; 6] =
    ["--no-archive", "--set", "report.every_s=0.2", "--set", "report.grace_s=60", "--set=report.quiet_s=86400"];

fn reports(received: &[Received]) -> Vec<DailyReport> {
    json(received).map(|value| serde_json::from_value(value).expect("a report")).collect()
}

fn newest<'a>(reports: &'a [DailyReport], day: &str, sector: &str) -> Option<&'a DailyReport> {
    let of = reports.iter().filter(|it| it.day.to_string() == day && it.sector == sector);
    of.max_by_key(|it| it.revision)
}

/// Waits until the newest report of the first day's west tells of so many patrols turned back.
fn await_denied(broker: &Broker, site: &Site, denied: u64) {
    consume_all(broker, &site.topic("daily"), |received| {
        let west = newest(&reports(received), "2026-03-01", "west").map(|it| it.figures.restrictions.denied.count);
        west == Some(denied)
    });
}

fn reports_are_visible_once(broker: &Broker) {
    let site = set_up(broker, "reports");
    let lines = midnight::lines();
    let part = |from_s: i64, to_s: i64| -> Vec<Line> {
        lines.iter().filter(|line| (from_s..to_s).contains(&line.at_s)).cloned().collect()
    };
    publish(broker, &site, &part(i64::MIN, PARTS_S[0]));
    let program = site.run(&FAST);
    // The words of the last heartbeat settle what lies three minutes before it.
    await_denied(broker, &site, 1);
    program.crash();

    // A report that comes late amends the day, and so does another after the next crash, in the midst of a commit.
    publish(broker, &site, &[midnight::patrol(-900, "denied")]);
    publish(broker, &site, &part(PARTS_S[0], PARTS_S[1]));
    let program = site.run(&FAST);
    await_denied(broker, &site, 2);
    program.crash();
    let arguments = site.arguments(&[&["run", "--role", "report"], &FAST[1..]].concat());
    // It dies after its second commit: the first tells who writes, the second says that a day is another.
    let dying = Program::start(&arguments, |command| {
        command.env("TRUCELINE_FAILPOINT", "after-commit:2");
    });
    publish(broker, &site, &[midnight::patrol(-800, "denied")]);
    publish(broker, &site, &part(PARTS_S[1], PARTS_S[2]));
    let alone = site.run(&[&FAST[..], &["--no-reports"]].concat());
    assert_eq!(dying.await_end().code, None, "killed at the failpoint");
    alone.await_event_time(0, midnight::at_ns(PARTS_S[2] - 120));
    let ended = alone.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);

    // Whoever comes now knows what was said.
    let program = Program::start(&arguments, |_| {});
    await_denied(broker, &site, 3);
    program.await_line(0, "what was said", |line| line.contains("what was said is known"));
    let zombie = program;
    let program = Program::start(&arguments, |_| {});
    let seen = program.await_line(0, "what was said", |line| line.contains("what was said is known"));
    program.await_line(seen, "a look", |line| line.contains("so far"));
    publish(broker, &site, &[midnight::patrol(-700, "denied")]);
    let correlating = site.run(&[&FAST[..], &["--no-reports"]].concat());
    await_denied(broker, &site, 4);
    let ended = zombie.await_end();
    assert!(ended.code == Some(1) && ended.said.contains("has shut this one out"), "{}", ended.said);
    for ended in [program.terminate(), correlating.terminate()] {
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    assert_once(&read_to_end(broker, &site.topic("daily")));
}

/// Revisions of each sector's day are 1, 2, 3 … and no two in a row say the same; keys and headers fit.
fn assert_once(received: &[Received]) {
    let reports = reports(received);
    let mut last: BTreeMap<(String, String), DailyReport> = BTreeMap::new();
    for (record, report) in received.iter().zip(&reports) {
        assert_eq!(record.key.as_deref(), Some(report.sector.as_bytes()));
        let header = |name: &str| {
            let found = record.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            String::from_utf8(found.unwrap_or_default()).expect("text")
        };
        let id = format!("{}/{}/{}", report.sector, report.day, report.revision);
        assert_eq!((header("ce_id"), header("ce_type").as_str()), (id, "truceline.report.daily.v1"));
        let before = last.insert((report.sector.clone(), report.day.to_string()), report.clone());
        assert_eq!(
            report.revision,
            before.as_ref().map_or(0, |it| it.revision) + 1,
            "{} {}",
            report.sector,
            report.day
        );
        if let Some(before) = before {
            assert_ne!(before.figures, report.figures, "revision {} says what the one before said", report.revision);
        }
    }
    let of = |sector: &str| newest(&reports, "2026-03-01", sector).expect("a report");
    assert_eq!((of("west").figures.weapons.count, of("theatre").figures.restrictions.denied.count), (2, 4));
    assert_eq!(of("east").figures.coverage.node_hours_lost, 0.35);
    assert!(reports.iter().all(|it| it.day.to_string() == "2026-03-01"), "the next day is not over");
}

fn components_have_their_own_alerts(broker: &Broker) {
    let site = set_up(broker, "components");
    let names = ["ground", "maritime", "air", "logistics"].map(|it| (it, fresh(&format!("{}.{it}", site.name()))));
    let mut set: Vec<String> =
        vec!["--set".to_owned(), "output.by_component=true".to_owned(), "--create-topics".to_owned()];
    for (component, name) in &names {
        set.extend(["--set".to_owned(), format!("kafka.topics.alerts_{component}={name}")]);
    }
    let lines = midnight::lines();
    publish(broker, &site, &lines);
    let set: Vec<&str> = set.iter().map(String::as_str).chain(["--no-archive", "--no-reports"]).collect();
    let program = site.run(&set);
    program.await_event_time(0, midnight::at_ns(PARTS_S[2] - 120));
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let all: Vec<Value> = json(&read_to_end(broker, &site.topic("violations"))).collect();
    for (component, name) in &names {
        let own: Vec<Value> = json(&read_to_end(broker, name)).collect();
        let wanted: Vec<&Value> = all.iter().filter(|it| it["properties"]["component"] == *component).collect();
        assert_eq!(sorted(own.iter()), sorted(wanted.into_iter()), "{component}");
        assert_eq!(own.is_empty(), matches!(*component, "maritime" | "air"), "{component}");
    }
}

/// Partitions are read in any order.
fn sorted<'a>(alerts: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut texts: Vec<String> = alerts.map(Value::to_string).collect();
    texts.sort();
    texts
}
