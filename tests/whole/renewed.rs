//! The signs of a renewed attack in a cluster: each part tells what it has seen, one judges, and what it says is what one process
//! says of the same telemetry, also when processes die meanwhile.

use super::Case;
use super::broker::Broker;
use super::cluster::{deliver, four_corners};
use super::live::{json, settled_ns};
use super::program::{Program, Site};
use super::records::{PATIENCE, read_to_end};
use super::scene::read_lines;
use serde_json::Value;
use std::time::Instant;
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[("a_cluster_sees_an_escalation_as_one_process_does", a_cluster_sees_it)];

/// What all are told: bins so short and a past so brief that two hours are enough.
const SET: [&str; 8] = [
    "--set",
    "engine.escalation.on=true",
    "--set",
    "engine.escalation.bin_s=60",
    "--set",
    "engine.escalation.least_history_h=0.75",
    "--set",
    "engine.escalation.level_1_per_year=10000",
];

fn start(site: &Site, role: &str, instance: &str) -> Program {
    let own = ["--role", role, "--set", &format!("kafka.instance={instance}"), "--set", "kafka.learnt_interval_s=1"];
    site.run(&[&own[..], &SET].concat())
}

/// All that was said of escalations, in order.
fn said(broker: &Broker, site: &Site) -> Vec<Value> {
    json(&read_to_end(broker, &site.topic("escalations"))).collect()
}

fn a_cluster_sees_it(broker: &Broker) {
    let scene = four_corners(Scenario::Escalate, 5, 150.0);
    let site = Site::new(broker, "renewed");
    scene.set_up(broker, &site, 100);
    let expected = read_lines(&scene.replay_into("escalations", &scene.lines, &SET).join("escalations.ndjson"));
    let told = |all: &[Value]| all.iter().map(brief).collect::<Vec<String>>().join("\n");
    assert!(expected.iter().any(|it| it["level"].as_u64() >= Some(2)), "an escalation:\n{}", told(&expected));

    let router = start(&site, "route", "router-1");
    let half = scene.lines.len() * 6 / 10;
    deliver(broker, &site, &scene, &scene.lines[..half]);
    let one = start(&site, "correlate", "watch-1");
    one.await_event_time(0, scene.lines[half - 1].deliver_ns - 90 * truceline::model::time::NS_PER_S);
    one.crash();
    let two = start(&site, "correlate", "watch-2");
    deliver(broker, &site, &scene, &scene.lines[half..]);
    two.await_event_time(0, settled_ns(&scene));
    let started = Instant::now();
    while said(broker, &site).len() < expected.len() && started.elapsed() < PATIENCE / 3 {}
    for program in [two, router] {
        let ended = program.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    let found = said(broker, &site);
    assert!(found == expected, "said by the cluster:\n{}\nby one process:\n{}", told(&found), told(&expected));
}

/// In a line what was said.
fn brief(it: &Value) -> String {
    let alerts = it["alerts"].as_array().map_or(0, Vec::len);
    format!("{} {} {} {} {} of {alerts}", it["sector"], it["level"], it["time"], it["modalities"], it["rate_per_hour"])
}
