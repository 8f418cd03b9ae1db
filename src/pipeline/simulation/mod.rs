//! A simulator of faults: the pipeline's own code, a model of Kafka and everything that can go wrong between them, driven
//! by one seeded scheduler in one thread.
//!
//! A run takes a small scene's telemetry (`scene`), delivers it to a model of Kafka (`world`), has processes (`process`)
//! made of the real stages work on it through the real traits (`clients`), lets faults happen (`faults`), and in the end
//! compares what a committed reader sees with what an undisturbed run of the same input gives (`checker`). All chance comes
//! of the seed: the same seed is the same run.
//!
//! `TRUCELINE_SEED` is the first seed, `TRUCELINE_RUNS` how many follow. A failure names its seed, and
//! `TRUCELINE_SEED=that TRUCELINE_RUNS=1` runs it again; with `TRUCELINE_FAULT=words` only faults happen whose names hold
//! these words.

mod checker;
mod clients;
mod faults;
mod process;
mod scene;
mod world;

use self::checker::{Seen, Wrong, differences, look};
use self::clients::{Shared, lock};
use self::faults::{Bug, Dice, Fault};
use self::process::{Process, State};
use self::scene::{Delivery, Ground, INPUTS, OUTPUTS, telemetry};
use self::world::World;
use super::run::Run;
use super::teller::Tellings;
use crate::model::time::NS_PER_S;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Runs of the short form.
const RUNS: u64 = 200;
/// Most faults of a run beside those of its input.
const MOST_FAULTS: u32 = 24;
/// Steps after which a run that has not come to its end is stuck.
const MOST_STEPS: u32 = 200_000;
/// A restart that remembers all there was finds all that an undisturbed run finds, to the last digit.
const RECALL_ALL_S: u32 = 86_400;
/// A restart that remembers little has committed offsets to go on from.
const RECALL_SOME_S: u32 = 120;

/// What a run came to.
struct Outcome {
    seen: Seen,
    wrong: Vec<String>,
    tally: BTreeMap<Fault, u64>,
    lives: u32,
    offset_commits: u64,
    taken_up: u64,
}

/// One run: delivers the telemetry, has so many faults happen, and goes on until all has been told.
fn play(seed: u64, faults: u32, bug: Option<Bug>, telemetry: &[Delivery], run: &Run) -> Outcome {
    let needed_ns = i64::from(run.kafka.recall_s) * NS_PER_S + (run.settings.lateness_s * NS_PER_S as f64) as i64;
    let mut world = World::new(Dice::new(seed, faults), bug, &INPUTS, &OUTPUTS, needed_ns);
    world.lays_checkpoints_down = faults > 0 && !run.kafka.checkpoint_dir.as_os_str().is_empty();
    let world: Shared = Arc::new(Mutex::new(world));
    let tellings = Tellings::default();
    let mut left: VecDeque<Delivery> = telemetry.to_vec().into();
    let (mut processes, mut begun, mut lives) = (Vec::<(Process<'_>, u32)>::new(), 0u64, 0);
    let mut steps = 0u32;
    let mut is_over = false;
    loop {
        steps += 1;
        assert!(steps < MOST_STEPS, "seed {seed}: stuck");
        let choice = {
            let mut world = lock(&world);
            world.tick();
            deliver(&mut world, &mut left);
            strike(&mut world);
            world.dice.below(processes.len().max(1))
        };
        // Somebody looks after it that one runs.
        if !is_over && processes.iter().all(|(_, asleep)| *asleep > 0) {
            begun += 1;
            processes.push((Process::new(begun, run, &tellings, &world), 0));
        }
        for (_, asleep) in &mut processes {
            *asleep = asleep.saturating_sub(1);
        }
        let Some((process, asleep)) = processes.get_mut(choice).filter(|(_, asleep)| *asleep == 0) else { continue };
        let mut state = process.step();
        if state == State::Refused {
            break;
        }
        {
            let mut world = lock(&world);
            let (id, dice) = (process.id, &mut world.dice);
            if dice.happens(Fault::Zombie, 0.004) {
                *asleep = 20 + dice.below(400) as u32;
            }
            if dice.happens(Fault::OrderlyStop, 0.004) {
                process.stop();
            }
            if dice.happens(Fault::CrashBetween, 0.006) {
                world.dead.insert(id);
            }
            if world.dead.contains(&id) {
                state = State::Ended;
            }
        }
        if state == State::Ended {
            lives += process.lives;
            processes.swap_remove(choice);
            if is_over && processes.is_empty() {
                break;
            }
            continue;
        }
        let mut all = lock(&world);
        if all.is_delivered && all.is_read && processes.len() == 1 && processes[0].0.is_idle() {
            all.dice.calm();
            all.settle();
            is_over = true;
            processes[0].0.stop();
        }
    }
    let mut world = lock(&world);
    world.settle();
    Outcome {
        seen: look(&world),
        wrong: std::mem::take(&mut world.wrong),
        tally: std::mem::take(&mut world.dice.tally),
        lives,
        offset_commits: world.offset_commits,
        taken_up: world.taken_up,
    }
}

/// Some more of the input comes.
fn deliver(world: &mut World, left: &mut VecDeque<Delivery>) {
    if left.is_empty() || !world.dice.chance(0.3) {
        return;
    }
    let many = if world.dice.chance(0.05) { 60 } else { 4 };
    for _ in 0..=world.dice.below(many) {
        let Some(Delivery { topic, entry, gap }) = left.pop_front() else { break };
        if let Some(partition) = gap {
            world.skip(topic, partition);
        }
        world.deliver(topic, entry);
    }
    world.is_delivered = left.is_empty();
}

/// What happens to the group by itself.
fn strike(world: &mut World) {
    if world.dice.happens(Fault::Rebalance, 0.005) {
        world.rebalance();
    }
    if world.dice.happens(Fault::RebalanceAtOnce, 0.003) {
        world.rebalance_at_once();
    }
    if world.dice.happens(Fault::SessionOver, 0.003) {
        world.session_over();
    }
}

/// One seed: a disturbed run against an undisturbed one, and that against one whose input came as it should.
fn trial(seed: u64, bug: Option<Bug>, run: &Run) -> (Wrong, Outcome) {
    let mut tally = Dice::new(seed, 0);
    let input = telemetry(seed, true, &mut tally);
    let undisturbed = play(seed, 0, None, &input, run);
    assert!(undisturbed.tally.is_empty());
    let faults = 4 + Dice::new(seed, 0).below(MOST_FAULTS as usize - 3) as u32;
    let mut outcome = play(seed, faults, bug, &input, run);
    let mut wrong = outcome.seen.compare(&undisturbed.seen);
    wrong.strange.append(&mut outcome.wrong);
    let proper = play(seed, 0, None, &telemetry(seed, false, &mut Dice::new(seed, 0)), run);
    differences(&undisturbed.seen.last_words(), &proper.seen.last_words(), &mut wrong);
    for (fault, times) in tally.tally {
        *outcome.tally.entry(fault).or_default() += times;
    }
    (wrong, outcome)
}

/// A number that a variable of that name may set.
pub(crate) fn from_environment(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(or)
}

#[derive(Default)]
struct Row {
    times: u64,
    lost: usize,
    doubled: usize,
    recovered: u64,
}

#[test]
fn whatever_fails_nothing_is_lost_doubled_or_out_of_order() {
    hold(&Ground::new().run(RECALL_ALL_S), 1);
}

/// With a short memory offsets are committed while things happen.
#[test]
fn with_a_short_memory_nothing_is_forgotten_that_is_needed() {
    hold(&Ground::new().run(RECALL_SOME_S), 2);
}

/// Now and then a checkpoint is gone: then it is as without.
#[test]
fn from_a_checkpoint_it_goes_on_whatever_fails() {
    for recall_s in [RECALL_SOME_S, RECALL_ALL_S] {
        let taken_up = hold(&Ground::new().run_with_checkpoints(recall_s), 2);
        assert!(taken_up > 0, "no checkpoint was ever taken up");
    }
}

/// Plays so many seeds, of which the short form takes a part, and prints what happened. Gives how many checkpoints were taken up.
fn hold(run: &Run, part: u64) -> u64 {
    let (seed, runs) = (from_environment("TRUCELINE_SEED", 1), from_environment("TRUCELINE_RUNS", RUNS / part));
    println!("simulated faults: TRUCELINE_SEED={seed} TRUCELINE_RUNS={runs}");
    let started = Instant::now();
    let mut table = BTreeMap::<Fault, Row>::new();
    let (mut failed, mut lives, mut revisions, mut rejected, mut offsets) = (Vec::new(), 0, 0, 0, 0);
    let mut taken_up = 0;
    for seed in seed..seed + runs {
        let (wrong, outcome) = trial(seed, None, run);
        for (fault, times) in outcome.tally {
            let row = table.entry(fault).or_default();
            row.times += times;
            row.lost += wrong.lost.len();
            row.doubled += wrong.doubled.len();
            row.recovered += if wrong.is_nothing() { times } else { 0 };
        }
        lives += u64::from(outcome.lives);
        offsets += outcome.offset_commits;
        taken_up += outcome.taken_up;
        revisions += outcome.seen.revisions.values().map(Vec::len).sum::<usize>();
        rejected += outcome.seen.rejected.len();
        if !wrong.is_nothing() {
            failed.push((seed, wrong));
        }
    }
    let faults: u64 = table.values().map(|row| row.times).sum();
    let per_minute = runs as f64 * 60.0 / started.elapsed().as_secs_f64();
    println!("{:<36}{:>10}{:>8}{:>12}{:>12}", "fault", "times", "lost", "duplicated", "recovered");
    for (fault, row) in &table {
        println!("{:<36}{:>10}{:>8}{:>12}{:>12}", fault.name(), row.times, row.lost, row.doubled, row.recovered);
    }
    println!(
        "{faults} faults in {runs} runs ({per_minute:.0} a minute), {lives} lives, {revisions} revisions, {rejected} \
         rejected lines, {offsets} offsets committed, {taken_up} checkpoints taken up"
    );
    assert!(
        failed.is_empty(),
        "{} of {runs} seeds failed, the first TRUCELINE_SEED={}: {:#?}",
        failed.len(),
        failed[0].0,
        failed[0].1
    );
    taken_up
}

/// Seeds within which a planted mistake has to be found.
const FOUND_WITHIN: u64 = 200;

#[test]
fn planted_mistakes_are_found() {
    let ground = Ground::new();
    let missed: Vec<Bug> = Bug::ALL
        .into_iter()
        .filter(|&bug| {
            let run = ground.run(bug.recall_s());
            let found = (1..=FOUND_WITHIN).find(|&seed| !trial(seed, Some(bug), &run).0.is_nothing());
            println!("{bug:?}: {}", found.map_or("not found".to_owned(), |seed| format!("found by seed {seed}")));
            found.is_none()
        })
        .collect();
    assert_eq!(missed, [], "not found within {FOUND_WITHIN} seeds");
}
