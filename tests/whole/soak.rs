//! A long run at a steady load in which something breaks every twenty seconds: what a reader sees is exact, and memory
//! does not grow.
//!
//! `TRUCELINE_SOAK_S=3600 TRUCELINE_SOAK_RATE=5000 TRUCELINE_SEED=7` runs for so many seconds at so many lines a second,
//! with those dice. Event time goes by three times as fast as the wall's, so an hour has three in it. `TRUCELINE_CHECKPOINT_RECORDS`
//! is how many records lie between two checkpoints; with 0 there are none.

use super::Case;
use super::broker::Broker;
use super::checkpoints::settings;
use super::filler::{Feeder, memory_mib};
use super::ledger::{look, note};
use super::live::settled_ns;
use super::program::{Program, Site};
use super::scene::{Line, Scene};
use super::stream::{ARGUMENTS, from_environment};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use truceline::model::time::NS_PER_S;
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[("soak", soak)];

/// Short form.
const SECONDS: u64 = 40;
const RATE: u64 = 5_000;
const CHECKPOINT_RECORDS: u64 = 20_000;
/// Between two faults.
const FAULT_EVERY: Duration = Duration::from_secs(12);
/// The same in a run of minutes.
const FAULT_EVERY_LONG: Duration = Duration::from_secs(20);
/// How many times as fast as the wall's the time of the scene is: in a short run, and in one of minutes. After a broker's
/// death partitions come back one after the other, and what is a second of the wall's is more to the lateness bound.
const FASTER: u64 = 12;
const FASTER_LONG: u64 = 3;
/// Event time that may be on its way to the broker.
const STEP_NS: i64 = 5 * NS_PER_S;
/// A short run says nothing about growth.
const LONG_ENOUGH_S: u64 = 300;
/// The peak of the last third may be so many times that of the second.
const MOST_GROWTH: f64 = 1.2;
/// A process that has just begun has not yet what it needs.
const WARM_UP: Duration = Duration::from_secs(10);

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The program dies.
    Crash,
    /// It stands still, for less or longer than its session.
    Stop,
    /// The broker dies and comes back.
    BrokerCrash,
    /// The broker stands still.
    BrokerStop,
    /// The program is asked to end, and started again.
    Restart,
}

const FAULTS: [Fault; 5] = [Fault::Crash, Fault::BrokerStop, Fault::Restart, Fault::Stop, Fault::BrokerCrash];

fn faster(seconds: u64) -> u64 {
    if seconds < LONG_ENOUGH_S { FASTER } else { FASTER_LONG }
}

fn soak(broker: &Broker) {
    let seconds = from_environment("TRUCELINE_SOAK_S", SECONDS);
    let rate = from_environment("TRUCELINE_SOAK_RATE", RATE);
    let seed = from_environment("TRUCELINE_SEED", 1);
    println!("soak: TRUCELINE_SOAK_S={seconds} TRUCELINE_SOAK_RATE={rate} TRUCELINE_SEED={seed}");
    // The scene has two and a half minutes around its events.
    let faster = faster(seconds);
    let minutes = (seconds * faster) as f64 / 60.0 - 2.5;
    let scene = Scene::new(Scenario::Hour, 80 + seed, minutes);
    let site = Site::new(broker, "soak");
    let expected = scene.set_up(broker, &site, 10);

    let end = scene.lines.partition_point(|line| line.deliver_ns < scene.simulation.end_ns);
    let (during, after) = scene.lines.split_at(end);
    let is_over = AtomicBool::new(false);
    let now = Instant::now();
    let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
    let checkpoint_records = from_environment("TRUCELINE_CHECKPOINT_RECORDS", CHECKPOINT_RECORDS);
    if checkpoint_records > 0 {
        arguments.extend(settings(&site, checkpoint_records).into_iter().flat_map(|set| ["--set".to_owned(), set]));
    }
    let mut trial = Trial {
        broker,
        site: &site,
        arguments,
        program: None,
        begun: now,
        since: now,
        samples: Vec::new(),
        struck: Vec::new(),
    };
    trial.program = Some(trial.run());
    let (bad, fed) = std::thread::scope(|scope| {
        let feeding = scope.spawn(|| {
            let fed = feed(broker, &site, during, (rate, faster));
            is_over.store(true, Ordering::Release);
            fed
        });
        trial.disturb(seed, seconds, &is_over);
        feeding.join().expect("the feeder")
    });
    let mut feeder = Feeder::new(broker, &site);
    for slice in after.chunk_by(|a, b| a.deliver_ns / STEP_NS == b.deliver_ns / STEP_NS) {
        feeder.send(slice, 0, 1);
        feeder.flush();
    }
    let program = trial.program.take().expect("a program");
    program.await_event_time(program.lines(), settled_ns(&scene));
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let seen = look(broker, &site, &expected, &bad);
    for kind in FAULTS {
        let recoveries: Vec<Duration> = trial.struck.iter().filter(|it| it.0 == kind).map(|it| it.1).collect();
        if !recoveries.is_empty() {
            note(&format!("soak, {seconds} s at {rate}/s: {kind:?}"), recoveries.len(), &seen, &recoveries);
        }
    }
    println!("{fed} lines, {} alerts, {} lines refused, {} faults", expected.len(), bad.len(), trial.struck.len());
    let grew = trial.tell_memory(faster);
    seen.assert_exact(&format!("a soak of {seconds} s, seed {seed}"));
    assert!(seconds < LONG_ENOUGH_S || grew <= MOST_GROWTH, "memory grew to {grew} times what it was");
}

/// Sends the scene's lines when they are due, bad ones and fillers among them; gives the bad ones and how many in all.
/// Nothing is sent before what was due [`STEP_NS`] earlier has been taken: behind a stop of the broker, too, no partition
/// gets so far ahead that what comes in others is late.
fn feed(broker: &Broker, site: &Site, lines: &[Line], (rate, faster): (u64, u64)) -> (BTreeSet<String>, u64) {
    let mut feeder = Feeder::new(broker, site);
    let (started, start_ns) = (Instant::now(), lines[0].deliver_ns);
    let (mut bad, mut sent, mut taken_ns) = (BTreeSet::new(), 0, start_ns);
    for (n, line) in lines.iter().enumerate() {
        let due = Duration::from_nanos((line.deliver_ns - start_ns) as u64 / faster);
        loop {
            let so_far = started.elapsed().min(due);
            let wanted = so_far.as_millis() as u64 * rate / 1_000;
            let now_ns = start_ns + so_far.as_nanos() as i64 * faster as i64;
            while sent < wanted {
                // Behind a stop there is much to make up for, but no line is sent long after its time.
                let ago_ns = (wanted - sent) as i64 * NS_PER_S * faster as i64 / rate as i64;
                feeder.filler(now_ns - ago_ns.min(NS_PER_S), 1);
                sent += 1;
            }
            if so_far >= due {
                break;
            }
            feeder.poll();
            std::thread::park_timeout((due - so_far).min(Duration::from_millis(5)));
        }
        if line.deliver_ns - taken_ns > STEP_NS {
            feeder.flush();
            taken_ns = line.deliver_ns;
        }
        feeder.line(line);
        sent += 1;
        if n % 40 == 0 {
            let text = format!("{{\"bad\":{n}");
            feeder.text(0, &line.key, &text);
            bad.insert(text);
        }
    }
    feeder.flush();
    (bad, sent)
}

/// Memory at a moment of the run, and how old the process was.
struct Sample {
    at: Duration,
    age: Duration,
    resident_mib: u64,
}

/// The slope of the straight line through points; 0 for fewer than two.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let (mut both, mut square) = (0.0, 0.0);
    for point in points {
        both += (point.0 - x) * (point.1 - y);
        square += (point.0 - x).powi(2);
    }
    if square > 0.0 { both / square } else { 0.0 }
}

struct Trial<'a> {
    broker: &'a Broker,
    site: &'a Site,
    arguments: Vec<String>,
    program: Option<Program>,
    begun: Instant,
    /// When the process was started.
    since: Instant,
    samples: Vec<Sample>,
    /// What broke, and how long it took until all went on.
    struck: Vec<(Fault, Duration)>,
}

impl Trial<'_> {
    /// Lets something break again and again until the time is up.
    fn disturb(&mut self, seed: u64, seconds: u64, is_over: &AtomicBool) {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let every = if seconds < LONG_ENOUGH_S { FAULT_EVERY } else { FAULT_EVERY_LONG };
        let started = Instant::now();
        for n in 0.. {
            let due = started + every * (n + 1);
            while Instant::now() < due {
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                // A word comes four times a second.
                self.await_word();
                self.sample();
            }
            // Each once in the order of the list, then as the dice have it.
            let fault = FAULTS.get(n as usize).copied().unwrap_or_else(|| FAULTS[dice.random_range(0..FAULTS.len())]);
            let begun = Instant::now();
            self.strike(fault, Duration::from_millis(dice.random_range(500..8_000)));
            self.await_word();
            self.struck.push((fault, begun.elapsed()));
            println!("{:>7.1} s: {fault:?}, on again after {:?}", (begun - started).as_secs_f64(), begun.elapsed());
        }
    }

    /// One fault, up to when what broke is there again.
    fn strike(&mut self, fault: Fault, pause: Duration) {
        let program = self.program.take().expect("a program");
        let program = match fault {
            Fault::Crash => {
                program.crash();
                self.start()
            }
            Fault::Restart => {
                let ended = program.terminate();
                assert_eq!(ended.code, Some(0), "{}", ended.said);
                self.start()
            }
            Fault::Stop => {
                program.signal(libc::SIGSTOP);
                wait(pause);
                program.signal(libc::SIGCONT);
                program
            }
            Fault::BrokerStop => {
                self.broker.signal(libc::SIGSTOP);
                wait(pause);
                self.broker.signal(libc::SIGCONT);
                program
            }
            Fault::BrokerCrash => {
                self.broker.kill();
                self.broker.restart().expect("the broker again");
                program
            }
        };
        self.program = Some(program);
    }

    fn run(&self) -> Program {
        self.site.run(&self.arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn start(&mut self) -> Program {
        let program = self.run();
        self.since = Instant::now();
        program.await_line(0, "its recovery", |line| line.contains("is where the last run ended"));
        program
    }

    /// Waits for the next word on how it goes.
    fn await_word(&self) {
        let program = self.program.as_ref().expect("a program");
        program.await_line(program.lines(), "a word", |line| line.contains("so far"));
    }

    fn sample(&mut self) {
        let Some(program) = &self.program else { return };
        self.samples.push(Sample {
            at: self.begun.elapsed(),
            age: self.since.elapsed(),
            resident_mib: memory_mib(program.pid(), "VmRSS"),
        });
    }

    /// Tells how memory went by tenths of the run and by a straight line after the first third; gives the peak of the last
    /// third over that of the second. A line alone says little, for each restart begins anew with little.
    fn tell_memory(&self, faster: u64) -> f64 {
        let last_s = self.samples.last().map_or(1.0, |sample| sample.at.as_secs_f64());
        let peak = |from: f64, to: f64| {
            let of_it = self.samples.iter().filter(|it| (from..=to).contains(&(it.at.as_secs_f64() / last_s)));
            of_it.map(|it| it.resident_mib).max().unwrap_or(0)
        };
        let tenths: Vec<String> =
            (0..10).map(|n| peak(f64::from(n) / 10.0, f64::from(n + 1) / 10.0).to_string()).collect();
        let warm = self.samples.iter().filter(|it| it.at.as_secs_f64() > last_s / 3.0 && it.age > WARM_UP);
        let points: Vec<(f64, f64)> =
            warm.map(|it| (it.at.as_secs_f64() * faster as f64 / 3_600.0, it.resident_mib as f64)).collect();
        let slope = slope(&points);
        println!("resident MiB, the most in each tenth: {}; {slope:+.1} MiB per hour of event time", tenths.join(" "));
        peak(2.0 / 3.0, 1.0) as f64 / peak(1.0 / 3.0, 2.0 / 3.0).max(1) as f64
    }
}

/// Waits so long: a fault lasts as long as it lasts.
fn wait(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}
