//! The result is a function of what was said, not of the order in which it came.

use super::Case;
use super::broker::Broker;
use super::scene::{Line, Scene, assert_same, settled};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use truceline::model::time::{NS_PER_S, Timestamp};
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("fire_shuffled_within_the_lateness_bound_gives_the_same_alerts", shuffled_fire),
    ("a_story_shuffled_within_the_lateness_bound_gives_the_same_alerts", a_shuffled_story),
];

/// How far an observation may come behind the newest of its partition: the configuration's `lateness_s`.
const LATENESS_S: i64 = 30;

fn shuffled_fire(_: &Broker) {
    same_however_shuffled(&Scene::new(Scenario::Hour, 21, 6.0), 3);
}

fn a_shuffled_story(_: &Broker) {
    same_however_shuffled(&Scene::new(Scenario::Demo, 22, 20.0), 2);
}

fn same_however_shuffled(scene: &Scene, times: u64) {
    // What comes later than the bound stays out: it may amend, which is another matter.
    let mut lines = scene.lines.clone();
    let mut newest_ns = i64::MIN;
    lines.retain(|line| {
        let time_ns = event_time_ns(line);
        newest_ns = newest_ns.max(time_ns);
        newest_ns - time_ns < LATENESS_S * NS_PER_S
    });
    let expected = settled(&scene.replay(&lines));
    assert!(expected.len() >= 10, "only {} alerts", expected.len());
    for seed in 1..=times {
        let shuffled = shuffled(&lines, seed);
        assert_same(&settled(&scene.replay(&shuffled)), &expected, &format!("shuffled by seed {seed}"));
    }
}

/// Each line moves behind lines of up to the bound later, and so ahead of lines as much earlier: none comes more than
/// the bound behind the newest.
fn shuffled(lines: &[Line], seed: u64) -> Vec<Line> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let bound_ns = LATENESS_S * NS_PER_S;
    let moved = |line: &Line| event_time_ns(line) + chance_ns(&mut chance, bound_ns);
    let mut keyed: Vec<(i64, &Line)> = lines.iter().map(moved).zip(lines).collect();
    keyed.sort_by_key(|&(at_ns, _)| at_ns);
    keyed.into_iter().map(|(_, line)| line.clone()).collect()
}

fn chance_ns(chance: &mut ChaCha8Rng, bound_ns: i64) -> i64 {
    chance.random_range(0..bound_ns)
}

fn event_time_ns(line: &Line) -> i64 {
    let value: serde_json::Value = serde_json::from_str(&line.text).expect("JSON");
    serde_json::from_value::<Timestamp>(value["time"].clone()).expect("a time").0
}
