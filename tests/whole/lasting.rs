//! What lasts longer than what is read again after a crash is told once, from its beginning to its end.

use super::Case;
use super::broker::Broker;
use super::program::Site;
use super::scene::Scene;
use super::stream::{Stream, await_recovery};
use std::time::{Duration, Instant};
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] =
    &[("what_lasts_outlives_who_watches_it_and_is_told_once", what_lasts_outlives_who_watches_it)];

/// Processes that are killed, one after the other.
const KILLED: u8 = 9;

/// Objects are in areas, and vessels silent, for up to an hour, in which several processes are killed that see four minutes
/// again.
fn what_lasts_outlives_who_watches_it(broker: &Broker) {
    let site = Site::new(broker, "lasting");
    let mut stream = Stream::of(broker, site, Scene::new(Scenario::Tracks, 171, 120.0));
    let is_long = |alert: &serde_json::Value| {
        let class = alert["properties"]["class"].as_str();
        class.is_some_and(|class| class.contains("incursion") || class == "sea.dark")
    };
    assert!(stream.expected.values().filter(|alert| is_long(alert)).count() >= 30, "it has to do with what lasts");
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
