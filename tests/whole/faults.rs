//! Whatever breaks: a reader of committed records sees every revision of every alert once, in order, and every rejected
//! line once; and in the end what an undisturbed replay finds.
//!
//! The short form is what runs by default. `TRUCELINE_KILLS=1000` kills the program so many times at random moments;
//! `TRUCELINE_SEED` throws the same dice again.

use super::Case;
use super::broker::Broker;
use super::checkpoints::settings;
use super::program::field;
use super::stream::{ARGUMENTS, Stream, await_recovery, from_environment};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};
use truceline::failpoint;

pub const TRIALS: &[Case] = &[
    ("kills_at_random_moments_lose_and_repeat_nothing", kills_at_random_moments),
    ("kills_at_every_failpoint_lose_and_repeat_nothing", kills_at_every_failpoint),
    ("a_zombie_is_shut_out_and_repeats_nothing", a_zombie_is_shut_out),
    ("a_broker_that_is_killed_again_and_again_costs_and_repeats_nothing", a_broker_is_killed),
];

/// How often it is killed in the short form.
const KILLS: u64 = 12;

fn kills_at_random_moments(broker: &Broker) {
    let seed = from_environment("TRUCELINE_SEED", 1);
    let kills = from_environment("TRUCELINE_KILLS", KILLS);
    println!("kills at random moments: TRUCELINE_SEED={seed} TRUCELINE_KILLS={kills}");
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut stream = Stream::new(broker, "kills", 50 + seed, 15.0);
    let mut recoveries = Vec::new();
    for kill in 1..=kills {
        let share = kill as f64 / (kills + 1) as f64;
        // Some of it is there at the start, some comes while it runs.
        stream.deliver(broker, share - dice.random::<f64>() / (kills + 1) as f64);
        let since = Instant::now();
        // Every third time without checkpoints: what was committed meanwhile is newer than the last of them.
        let checkpoints = settings(&stream.site, 300);
        let program = match kill % 3 {
            0 => stream.run(),
            _ => stream.run_set(&checkpoints.each_ref().map(String::as_str)),
        };
        stream.deliver_live(broker, share);
        let (mut words, mut seen) = (dice.random_range(0..8u32), 0);
        if kill % 3 == 0 {
            words = 8;
            recoveries.push(await_recovery(&program, since));
        }
        for _ in 0..words {
            seen = program.await_line(seen, "a word", |line| line.contains("so far") || line.contains("assigned"));
        }
        program.crash();
    }
    stream.conclude_by_a_last_run(broker, "kill -9 at a random moment", kills as usize, recoveries);
}

fn kills_at_every_failpoint(broker: &Broker) {
    let seed = from_environment("TRUCELINE_SEED", 1);
    println!("kills at failpoints: TRUCELINE_SEED={seed}");
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut stream = Stream::new(broker, "failpoints", 70 + seed, 12.0);
    // First without one, so that there is something to recover from.
    stream.deliver(broker, 0.1);
    let program = stream.run();
    program.await_line(0, "a commit", |line| field(line, "commits").is_some_and(|commits| commits != "0"));
    program.crash();
    let steps = 2 * failpoint::PLACES.len();
    for step in 0..steps {
        let place = failpoint::PLACES[step % failpoint::PLACES.len()];
        // There is more than one thing to say each time, but all of it may go into one commit.
        let count = match place {
            "before-produce" | "after-produce" => dice.random_range(1..=4u32),
            // The first commit says no more than who begins.
            "before-offsets" | "after-offsets" | "before-commit" | "after-commit" => 2,
            _ => 1,
        };
        stream.deliver(broker, 0.1 + 0.7 * (step + 1) as f64 / steps as f64);
        let program = stream.run_with(&format!("{place}:{count}"));
        let ended = program.await_end();
        assert_eq!(ended.code, None, "{place} was not come to: {}", ended.said);
    }
    stream.conclude_by_a_last_run(broker, "kill -9 at every failpoint", steps, Vec::new());
}

fn a_zombie_is_shut_out(broker: &Broker) {
    let mut stream = Stream::new(broker, "zombie", 91, 6.0);
    stream.deliver(broker, 0.3);
    let zombie = stream.run();
    zombie.await_line(0, "a commit", |line| field(line, "commits").is_some_and(|commits| commits != "0"));
    // It is stopped in the midst of what it does.
    stream.deliver_live(broker, 0.4);
    zombie.signal(libc::SIGSTOP);
    let started = Instant::now();
    let successor = stream.run();
    let recoveries = [await_recovery(&successor, started)];
    stream.deliver_live(broker, 0.5);
    // Longer than its session, 3 s.
    while started.elapsed() < Duration::from_secs(4) {
        successor.await_line(successor.lines(), "a word", |line| line.contains("so far"));
    }
    zombie.signal(libc::SIGCONT);
    stream.deliver_live(broker, 0.6);
    let ended = zombie.await_end();
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(ended.said.contains("has shut this one out"), "{}", ended.said);
    stream.conclude(broker, successor, "stopped for longer than its session (zombie)", 1, &recoveries);
}

fn a_broker_is_killed(broker: &Broker) {
    const TIMES: usize = 3;
    let mut stream = Stream::new(broker, "brokers", 95, 8.0);
    stream.deliver(broker, 0.5);
    // Little at a time is fetched, so that there is mostly something left to read when the broker goes.
    let slowly = ["kafka.prefetch_records=50", "kafka.prefetch_kib=8", "kafka.client.fetch.message.max.bytes=1024"];
    let program = stream.site.run(&[&ARGUMENTS[..], &slowly.map(|set| ["--set", set]).concat()].concat());
    let (mut recoveries, mut seen) = (Vec::new(), 0);
    for time in 1..=TIMES {
        seen =
            program.await_line(seen, "a commit", |line| field(line, "commits").is_some_and(|commits| commits != "0"));
        broker.kill();
        seen = program.await_line(seen, "word of the broker", |line| line.contains("no broker can be reached"));
        let so_far = program.log().lines().rev().find_map(|line| field(line, "observations"));
        broker.restart().expect("the broker again");
        let back = Instant::now();
        // There is more to read in any case.
        stream.deliver_live(broker, 0.5 + 0.4 * time as f64 / TIMES as f64);
        seen = program.await_line(seen, "more", |line| {
            field(line, "observations").is_some_and(|observations| Some(observations) != so_far)
        });
        recoveries.push(back.elapsed());
    }
    stream.conclude(broker, program, "broker killed and started again", TIMES, &recoveries);
}
