//! What lasts longer than what is read again after a crash is told once, from its beginning to its end.

use super::Case;
use super::broker::Broker;
use super::program::Site;
use super::scene::Scene;
use super::stream::{Stream, await_recovery};
use std::time::{Duration, Instant};
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("what_lasts_outlives_who_watches_it_and_is_told_once", what_lasts_outlives_who_watches_it),
    ("what_rules_watch_outlives_who_watches_it_and_is_told_once", what_rules_watch_outlives_who_watches_it),
];

/// Processes that are killed, one after the other.
const KILLED: u8 = 9;

/// Objects are in areas, and vessels silent, for up to an hour, in which several processes are killed that see four minutes
/// again.
fn what_lasts_outlives_who_watches_it(broker: &Broker) {
    outlives_who_watches_it(broker, "lasting", (Scenario::Tracks, 171, 120.0), 30, |class, _| {
        class.contains("incursion") || class == "sea.dark"
    });
}

/// The same of jamming, identities that jump or are at two places, who lingers and weapons that fire.
fn what_rules_watch_outlives_who_watches_it(broker: &Broker) {
    outlives_who_watches_it(broker, "watching", (Scenario::Rules, 172, 300.0), 20, |class, sign| {
        sign.is_some() || class == "incursion.weapons"
    });
}

fn outlives_who_watches_it(
    broker: &Broker,
    name: &str,
    (scenario, seed, minutes): (Scenario, u64, f64),
    least: usize,
    is_meant: impl Fn(&str, Option<&str>) -> bool,
) {
    let site = Site::new(broker, name);
    let mut stream = Stream::of(broker, site, Scene::new(scenario, seed, minutes));
    let is_meant = |alert: &&serde_json::Value| {
        let told = &alert["properties"];
        is_meant(told["class"].as_str().unwrap_or_default(), told["sign"].as_str())
    };
    assert!(stream.expected.values().filter(is_meant).count() >= least, "it has to do with what lasts");
    let mut recoveries: Vec<Duration> = Vec::new();
    for number in 1..=KILLED {
        let started = Instant::now();
        let program = stream.run();
        if number > 1 {
            recoveries.push(await_recovery(&program, started));
        }
        stream.deliver_live(broker, f64::from(number) / f64::from(KILLED + 1));
        stream.await_delivered(&program);
        program.crash();
    }
    stream.conclude_by_a_last_run(broker, "what lasts", KILLED.into(), recoveries);
}
