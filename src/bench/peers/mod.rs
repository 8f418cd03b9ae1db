//! Other stream processors beside this program: each in a process of its own, in turn, on the same topics.
//!
//! A peer is any command. It is told by variables of the environment what to do ([`Program::command`]), does the small job
//! of [`job`], and says how far it is ([`child`]). This program does all it does in a live run, and in turn the small job alone
//! ([`SMALL`]).

pub mod child;
pub mod job;

use self::child::{LOOK_EVERY, Running};
use self::job::{Account, CELL_DEG, Expected, NODES, PeerAlert, Place, WINDOW_S};
use super::ground::Ground;
use super::latency::{Reader, Schedule, deciding, subscribe};
use super::usage::Moment;
use super::{Bench, BenchError, PATIENCE, Rate, Step, Watch};
use crate::kafka::{Event, Source};
use crate::model::alert::{AlertFeature, Class};
use crate::pipeline::latency::latencies;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Between two commits of a peer, milliseconds.
const COMMIT_MS: u32 = 100;
/// How many threads or slots a peer has.
const THREADS: u32 = 2;
/// An output from which nothing came for so long has been read to its end: commits are far more frequent.
const SETTLED: Duration = Duration::from_secs(3);
/// What was due so soon after the start does not count for the latencies: a virtual machine compiles what is hot meanwhile.
pub const WARM_UP: Duration = Duration::from_secs(10);

/// What has this program do the small job of [`job`] and nothing else.
pub const SMALL: [&str; 9] = [
    "engine.fire.on=false",
    "engine.coincidence.on=true",
    "engine.tracks.on=false",
    "engine.dark.on=false",
    "engine.silence.on=false",
    "engine.weapons.on=false",
    "engine.identity.on=false",
    "engine.loitering.on=false",
    "engine.interference.on=false",
];

/// What is measured.
#[derive(Clone, Debug)]
pub struct Program {
    /// By which the results go.
    pub name: String,
    /// How it is started.
    pub start: Start,
}

/// How a program is started.
#[derive(Clone, Debug)]
pub enum Start {
    /// This program's own `run`, with these arguments besides.
    Ours {
        /// See there.
        arguments: Vec<String>,
        /// Whether it does the small job alone.
        is_small: bool,
    },
    /// A line for the shell.
    Peer(String),
}

/// How fast a program reads a backlog.
#[derive(Clone, Debug, Serialize)]
pub struct Caught {
    /// From the first time that it said it had read something to the end.
    pub rate: Rate,
    /// Of the second half alone: by then most of what is hot has been compiled.
    pub second_half: Rate,
    /// The most memory that its process had in use, KiB.
    pub peak_kib: Option<u64>,
    /// Alerts, or revisions of such, that it said.
    pub said: u64,
    /// Observations that it passed over, by its own word.
    pub dropped: u64,
    /// What became of the alerts that there are; `None` of this program with all that it does, which has others.
    pub account: Option<Account>,
}

/// How old alerts are when they are seen.
#[derive(Debug)]
pub struct Delay {
    /// The rate asked for, observations a second.
    pub asked_per_s: u64,
    /// The rate at which they were sent.
    pub sent_per_s: f64,
    /// From when the deciding observation was due to when a subscriber had the alert, microseconds.
    pub due_to_visible_us: Histogram<u64>,
}

impl Program {
    /// The command that reads this ground's telemetry as `group` and writes to `output`; `scratch` holds the registry
    /// (`sensors.geojson`) and has room for files of its own.
    fn command(&self, ground: &Ground, group: &str, output: &str, scratch: &Path) -> Result<Command, BenchError> {
        let settings = ground.settings(group);
        let line = match &self.start {
            Start::Peer(line) => line,
            Start::Ours { arguments, is_small } => {
                let missing = |why: std::io::Error| BenchError::Peer { name: self.name.clone(), why: why.to_string() };
                let mut command = Command::new(std::env::current_exe().map_err(missing)?);
                // Both are pipelines of their own, with groups of their own.
                command.args(["run", "--no-archive", "--no-reports"]).args(arguments);
                let mut set = |key: &str, value: &str| {
                    command.args(["--set", &format!("{key}={value}")]);
                };
                set("kafka.group", &settings.group);
                set("kafka.instance", "main");
                set("kafka.exactly_once", "true");
                set("kafka.start", "earliest");
                set("kafka.checkpoint_dir", &scratch.join("checkpoints").display().to_string());
                set("output.rates_every_s", "0.1");
                set("log.filter", "info");
                for spec in settings.topics.all() {
                    set(&format!("kafka.topics.{}", spec.key), &spec.name);
                }
                if *is_small {
                    for (key, value) in SMALL.iter().filter_map(|set| set.split_once('=')) {
                        command.args(["--set", &format!("{key}={value}")]);
                    }
                }
                return Ok(command);
            }
        };
        // The process that is looked at is the program and not the shell.
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {line}")]);
        for (name, value) in [
            ("BROKERS", settings.brokers.to_string()),
            ("INPUT", settings.topics.sensors.clone()),
            ("OUTPUT", output.to_owned()),
            ("GROUP", settings.group.clone()),
            ("SENSORS", scratch.join("sensors.geojson").display().to_string()),
            ("SCRATCH", scratch.display().to_string()),
            ("CELL_DEG", CELL_DEG.to_string()),
            ("WINDOW_S", WINDOW_S.to_string()),
            ("NODES", NODES.to_string()),
            ("THREADS", THREADS.to_string()),
            ("COMMIT_MS", COMMIT_MS.to_string()),
        ] {
            command.env(format!("PEER_{name}"), value);
        }
        Ok(command)
    }

    fn is_ours(&self) -> bool {
        matches!(self.start, Start::Ours { .. })
    }

    /// The topic that its alerts go to.
    fn output(&self, ground: &Ground, group: &str) -> Result<String, BenchError> {
        match self.start {
            Start::Ours { .. } => Ok(ground.settings(group).topics.violations),
            Start::Peer(_) => ground.topic(&format!("alerts-{group}")),
        }
    }
}

impl Bench {
    /// Has a program read the whole of `ground`, which holds `records` observations. `turn` tells its runs there apart.
    ///
    /// # Errors
    /// The program fails or stands still; told to stop.
    pub fn catch_up(
        &self,
        ground: &Ground,
        program: &Program,
        turn: usize,
        (records, expected): (u64, &Expected),
        scratch: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<Caught, BenchError> {
        let group = format!("{}-{turn}", program.name);
        let output = program.output(ground, &group)?;
        let mut running = Running::start(&program.name, program.command(ground, &group, &output, scratch)?)?;
        let mut told: Vec<(Moment, u64)> = Vec::new();
        let mut moved = Instant::now();
        let last = loop {
            if (watch.stop)() {
                return Err(BenchError::Stopped("a peer"));
            }
            running.check()?;
            let (done, before) = (running.observations(), told.last().map_or(0, |last| last.1));
            if done > before {
                moved = Instant::now();
                told.push((running.moment(), done));
                (watch.on)(Step { what: "catching up", done, total: Some(records) });
                if done >= records {
                    break (running.moment(), done);
                }
            } else if moved.elapsed() > PATIENCE {
                return Err(BenchError::Stalled { stage: "catching up", done, total: records });
            }
            std::thread::park_timeout(LOOK_EVERY);
        };
        let since = |(at, done): (Moment, u64)| at.rate_to(last.0, last.1 - done);
        let rate = since(told.first().copied().unwrap_or(last));
        let half = told.iter().find(|told| told.1 >= records / 2).copied().unwrap_or(last);
        let place_of = |payload: &[u8]| match program.start {
            Start::Peer(_) => serde_json::from_slice::<PeerAlert>(payload).ok().map(|alert| alert.place),
            // Later revisions say the same again.
            Start::Ours { .. } => serde_json::from_slice::<AlertFeature>(payload)
                .ok()
                .filter(|alert| alert.properties.revision == 1 && alert.properties.class == Class::FireUndetermined)
                .and_then(|alert| expected.place_of(&alert)),
        };
        let (said, account) = match program.start {
            Start::Ours { is_small: false, .. } => (running.revisions(), None),
            _ => {
                let places = self.alerts(ground, &format!("{group}-watch"), &output, &place_of, watch)?;
                (places.len() as u64, Some(expected.account(places.into_iter())))
            }
        };
        Ok(Caught {
            rate,
            second_half: since(half),
            peak_kib: running.peak_kib(),
            said,
            dropped: running.dropped(),
            account,
        })
    }

    /// Reads a program's alerts to their end.
    fn alerts(
        &self,
        ground: &Ground,
        group: &str,
        topic: &str,
        place_of: &dyn Fn(&[u8]) -> Option<Place>,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<Place>, BenchError> {
        let mut source = Source::new(&ground.settings(group), &[topic.to_owned()])?;
        let (mut places, mut moved) = (Vec::new(), Instant::now());
        while moved.elapsed() < SETTLED {
            if (watch.stop)() {
                return Err(BenchError::Stopped("a peer"));
            }
            source.poll(Duration::from_millis(100), &mut |event| {
                let Event::Record(record) = event else { return };
                moved = Instant::now();
                places.extend(place_of(record.payload));
            })?;
        }
        Ok(places)
    }

    /// Publishes at `per_s` observations a second on `ground`, which must be new, and sees how old a program's alerts are.
    ///
    /// # Errors
    /// The program fails or does not keep up; told to stop.
    pub fn delay(
        &self,
        ground: &mut Ground,
        program: &Program,
        per_s: u64,
        scratch: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<Delay, BenchError> {
        let group = program.name.as_str();
        let output = program.output(ground, group)?;
        let running = Running::start(&program.name, program.command(ground, group, &output, scratch)?)?;
        let running = RefCell::new(running);
        let (over, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        let watcher = ground.settings("watch");
        let is_ours = program.is_ours();
        let (seen, published) = std::thread::scope(|scope| {
            let (start, started) = sync_channel::<Schedule>(1);
            let (over, failed) = (&over, &failed);
            let subscriber = scope.spawn(move || {
                let mut due_us = latencies();
                let seen = subscribe(&watcher, &output, &started, over, &mut |seen| {
                    let id = match is_ours {
                        true => serde_json::from_slice::<AlertFeature>(seen.payload).ok().and_then(|it| deciding(&it)),
                        false => {
                            serde_json::from_slice::<PeerAlert>(seen.payload).ok().and_then(|it| it.id.parse().ok())
                        }
                    };
                    if let Some(us) = id.and_then(|id| seen.schedule.late_us(id, seen.now, WARM_UP)) {
                        due_us.saturating_record(us);
                    }
                });
                failed.fetch_or(seen.is_err(), Ordering::AcqRel);
                seen.map(|()| due_us)
            });
            let read = || running.borrow().observations();
            let has_failed = || failed.load(Ordering::Acquire) || running.borrow_mut().check().is_err();
            let published = self.publish(ground, per_s, Reader { read: &read, failed: &has_failed }, &start, watch);
            drop(start);
            over.store(true, Ordering::Release);
            (subscriber.join(), published)
        });
        running.borrow_mut().check()?;
        let due_to_visible_us = seen.map_err(|_| BenchError::Panicked)??;
        Ok(Delay { asked_per_s: per_s, sent_per_s: published?, due_to_visible_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ground::tests::small;

    /// A peer that only claims to have read everything.
    fn boaster(claims: u64) -> Program {
        let line = format!("sh -c 'echo observations={claims}; exec tail -f /dev/null'");
        Program { name: "boaster".to_owned(), start: Start::Peer(line) }
    }

    #[test]
    fn a_peer_that_says_nothing_is_held_to_what_there_was_to_say() {
        let bench = Bench { nodes: 400, records: 5_000, mix: crate::simulate::load::Mix::Barrage, ..small() };
        let watch = &mut Watch { stop: &|| false, on: &mut |_| {} };
        let mut ground = Ground::open(&bench).unwrap();
        let mut expected = Expected::new(ground.nodes());
        ground.fill_seen(bench.records, watch, &mut |line| expected.see(line)).unwrap();
        let caught =
            bench.catch_up(&ground, &boaster(5_000), 0, (bench.records, &expected), Path::new("/tmp"), watch).unwrap();
        let account = caught.account.unwrap();
        assert!(account.expected > 0 && account.told == 0, "{account:?}");
        assert_eq!((caught.said, caught.dropped), (0, 0));
    }

    #[test]
    fn a_peer_that_ends_is_an_error_that_names_it() {
        let bench = small();
        let ground = Ground::open(&bench).unwrap();
        let expected = Expected::new(ground.nodes());
        let fails = Program { name: "fails".to_owned(), start: Start::Peer("sh -c 'echo oh; exit 1'".to_owned()) };
        let watch = &mut Watch { stop: &|| false, on: &mut |_| {} };
        let error = bench.catch_up(&ground, &fails, 0, (5_000, &expected), Path::new("/tmp"), watch).unwrap_err();
        assert!(error.to_string().contains("fails") && error.to_string().ends_with("oh"), "{error}");
    }
}
