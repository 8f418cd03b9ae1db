//! The way to the broker is bad: connections are cut, slow, narrow, or dead without a word. Nobody restarts the program.

use super::Case;
use super::broker::Broker;
use super::program::{Program, Site};
use super::records::PATIENCE;
use super::scene::Scene;
use super::stream::{Stream, from_environment};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("connections_that_are_cut_again_and_again_cost_and_repeat_nothing", connections_are_cut),
    ("a_slow_and_a_narrow_line_cost_and_repeat_nothing", a_line_is_slow),
    ("a_line_that_is_dead_for_longer_than_the_session_costs_and_repeats_nothing", a_line_is_dead),
    ("connections_that_die_without_a_word_are_given_up_and_cost_nothing", connections_die),
];

/// A stream whose program comes to the broker by the proxy.
fn behind_proxy(broker: &Broker, name: &str, seed: u64, minutes: f64) -> Stream {
    let site = Site::at(&broker.proxy().address().to_string(), name);
    Stream::of(broker, site, Scene::new(Scenario::Hour, seed, minutes))
}

/// Delivers up to that share while something is done to the line, again and again until all is delivered.
fn deliver_amid(stream: &mut Stream, broker: &Broker, share: f64, mut harm: impl FnMut()) {
    let is_delivered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let is_delivered = &is_delivered;
        scope.spawn(move || {
            stream.deliver_live(broker, share);
            is_delivered.store(true, Ordering::Release);
        });
        harm();
        while !is_delivered.load(Ordering::Acquire) {
            harm();
        }
    });
}

/// How long it takes from now until it has read and settled all that was delivered.
fn recovery(stream: &Stream, program: &Program) -> Duration {
    let since = Instant::now();
    stream.await_delivered(program);
    since.elapsed()
}

/// Waits until the group has given the program up.
fn await_thrown_out(broker: &Broker, stream: &Stream) {
    let probe: BaseConsumer = broker.client().create().expect("a client");
    let started = Instant::now();
    loop {
        let found = probe.fetch_group_list(Some(stream.site.name()), PATIENCE).expect("the group");
        if found.groups().iter().all(|group| group.members().is_empty()) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "it is still a member");
    }
}

fn connections_are_cut(broker: &Broker) {
    let seed = from_environment("TRUCELINE_SEED", 1);
    let rounds = from_environment("TRUCELINE_KILLS", 12).div_ceil(4);
    println!("connections are cut: TRUCELINE_SEED={seed} TRUCELINE_KILLS={}", 4 * rounds);
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut stream = behind_proxy(broker, "cut", 110 + seed, 6.0);
    stream.deliver(broker, 0.1);
    let program = stream.run();
    program.await_more();
    let (proxy, mut cuts, mut recoveries) = (broker.proxy(), 0, Vec::new());
    for round in 1..=rounds {
        deliver_amid(&mut stream, broker, 0.1 + 0.8 * round as f64 / rounds as f64, || {
            proxy.await_pieces(dice.random_range(1..=200));
            let refused = if dice.random_bool(0.3) { dice.random_range(1..=20) } else { 0 };
            proxy.refuse(refused);
            proxy.cut();
            cuts += 1;
            proxy.await_refused();
        });
        recoveries.push(recovery(&stream, &program));
    }
    stream.conclude(broker, program, "connections cut", cuts, &recoveries);
}

fn a_line_is_slow(broker: &Broker) {
    const DELAY: Duration = Duration::from_millis(300);
    const BAND: f64 = 64_000.0;
    let mut stream = behind_proxy(broker, "slow", 121, 6.0);
    stream.deliver(broker, 0.2);
    let program = stream.run();
    program.await_more();
    let proxy = broker.proxy();
    proxy.delay(DELAY);
    stream.deliver_live(broker, 0.4);
    let slow = recovery(&stream, &program);
    proxy.delay(Duration::ZERO);
    proxy.narrow(Some(BAND));
    stream.deliver_live(broker, 0.7);
    let narrow = recovery(&stream, &program);
    proxy.narrow(None);
    stream.conclude(broker, program, "300 ms each way; 64 kB/s", 2, &[slow, narrow]);
}

fn a_line_is_dead(broker: &Broker) {
    let mut stream = behind_proxy(broker, "dead", 131, 6.0);
    stream.deliver(broker, 0.3);
    let program = stream.run();
    program.await_more();
    let mut recoveries = Vec::new();
    for share in [0.5, 0.7] {
        // In the midst of what it says.
        stream.deliver_live(broker, share - 0.1);
        broker.proxy().hold(true);
        stream.deliver_live(broker, share);
        await_thrown_out(broker, &stream);
        broker.proxy().hold(false);
        recoveries.push(recovery(&stream, &program));
    }
    stream.conclude(broker, program, "line dead for longer than the session", 2, &recoveries);
}

fn connections_die(broker: &Broker) {
    let mut stream = behind_proxy(broker, "lost", 141, 6.0);
    stream.deliver(broker, 0.3);
    let program = stream.run();
    program.await_more();
    stream.deliver_live(broker, 0.5);
    broker.proxy().lose();
    let since = Instant::now();
    stream.deliver_live(broker, 0.6);
    stream.await_delivered(&program);
    let recoveries = [since.elapsed()];
    stream.conclude(broker, program, "connections dead without a word", 1, &recoveries);
}
