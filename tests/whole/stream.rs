//! A stream of telemetry that is delivered in parts while things break, and what has to come of it.

use super::broker::Broker;
use super::ledger::{look_after, note};
use super::live::{settled_by, settled_ns};
use super::program::{Program, Site};
use super::records::{Received, produce_by, producer};
use super::scene::{Line, Scene};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use truceline::failpoint;
use truceline::model::time::NS_PER_S;
use truceline::simulate::{Options, Scenario};

/// Event time that is delivered at once.
const SLICE_NS: i64 = 20 * NS_PER_S;
/// A restart is to find all that an undisturbed run finds, to the last digit: nodes tell of the air every minute, and what
/// was learnt is kept.
pub const ARGUMENTS: [&str; 5] = ["--no-archive", "--set", "kafka.recall_s=240", "--set", "kafka.learnt_interval_s=1"];

/// How a line begins to tell its id.
const ID: &str = r#""id":""#;

/// A whole number from the environment.
pub fn from_environment(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(or)
}

/// A stream that is delivered in parts, with bad lines among the good ones.
pub struct Stream {
    pub scene: Scene,
    pub site: Site,
    pub expected: BTreeMap<String, Value>,
    pub bad: BTreeSet<String>,
    pub delivered: usize,
    /// What was in `alerts.violations` before that was deleted.
    pub said_before: Vec<Received>,
}

impl Stream {
    /// A scene of so many minutes and a tail.
    pub fn new(broker: &Broker, name: &str, seed: u64, minutes: f64) -> Stream {
        let site = Site::new(broker, name);
        Stream::of(broker, site, Scene::new(Scenario::Hour, seed, minutes))
    }

    /// A scene, and when all of it is settled the same again: what happens to the first half of the
    /// records when they have been read is of no consequence for the second. Also gives the share at which that begins.
    pub fn in_two(broker: &Broker, site: Site, seed: u64, minutes: f64) -> (Stream, f64) {
        let mut scene = Scene::new(Scenario::Hour, seed, minutes);
        let half = scene.lines.len();
        let start_ns = scene.ends_ns() + SLICE_NS;
        let options = Options { start_ns, duration_s: Some(minutes * 60.0), ..Options::default() };
        let again = Scene::with(Scenario::Hour, seed, &options).lines.into_iter();
        scene.lines.extend(again.map(|line| Line { text: line.text.replacen(ID, &format!("{ID}again-"), 1), ..line }));
        let share = half as f64 / scene.lines.len() as f64;
        (Stream::of(broker, site, scene), share)
    }

    /// The scene's telemetry for that site.
    pub fn of(broker: &Broker, site: Site, scene: Scene) -> Stream {
        let expected = scene.set_up(broker, &site, 10);
        Stream { scene, site, expected, bad: BTreeSet::new(), delivered: 0, said_before: Vec::new() }
    }

    /// Delivers what comes up to that share of all, while nobody reads.
    pub fn deliver(&mut self, broker: &Broker, share: f64) {
        self.deliver_in(broker, share, i64::MAX);
    }

    /// The same while somebody reads along, in slices: no partition gets so far ahead of the others that what these bring
    /// is late.
    pub fn deliver_live(&mut self, broker: &Broker, share: f64) {
        self.deliver_in(broker, share, SLICE_NS);
    }

    fn deliver_in(&mut self, broker: &Broker, share: f64, slice_ns: i64) {
        let to = ((self.scene.lines.len() as f64 * share) as usize).clamp(self.delivered, self.scene.lines.len());
        let part: Vec<Line> = self.scene.lines[self.delivered..to].to_vec();
        let producer = producer(broker);
        for slice in part.chunk_by(|a, b| a.deliver_ns.div_euclid(slice_ns) == b.deliver_ns.div_euclid(slice_ns)) {
            self.scene.publish_by(&producer, &self.site, slice);
        }
        let bad: Vec<(String, String)> = part
            .iter()
            .enumerate()
            .step_by(40)
            .map(|(n, line)| (line.key.clone(), format!("{{\"bad\":{}", self.delivered + n)))
            .collect();
        produce_by(&producer, &self.site.topic("sensors"), bad.iter().map(|(key, text)| (key.as_str(), text.as_str())));
        self.bad.extend(bad.into_iter().map(|(_, text)| text));
        self.delivered = to;
    }

    pub fn run(&self) -> Program {
        self.site.run(&ARGUMENTS)
    }

    /// Runs with settings of the trial's own.
    pub fn run_set(&self, settings: &[&str]) -> Program {
        let set = settings.iter().flat_map(|setting| ["--set", setting]);
        self.site.run(&ARGUMENTS.into_iter().chain(set).collect::<Vec<_>>())
    }

    /// Waits until a program has read and settled all that was delivered.
    pub fn await_delivered(&self, program: &Program) {
        // Not all nodes may have come to say what they say at that time.
        let delivered_ns = self.scene.lines[self.delivered - 1].deliver_ns - SLICE_NS;
        program.await_event_time(program.lines(), settled_by(delivered_ns));
    }

    pub fn run_with(&self, failpoint: &str) -> Program {
        let arguments = self.site.arguments(&[&["run"], &ARGUMENTS[..]].concat());
        Program::start(&arguments, |command| {
            command.env(failpoint::VARIABLE, failpoint);
        })
    }

    /// Delivers the rest to a program that runs, and looks at all that was said when it has finished.
    pub fn conclude(mut self, broker: &Broker, program: Program, fault: &str, runs: usize, recoveries: &[Duration]) {
        let seen = program.lines();
        self.deliver_live(broker, 1.0);
        program.await_event_time(seen, settled_ns(&self.scene));
        self.look(broker, program, fault, runs, recoveries);
    }

    /// Delivers the rest to a program that starts then, and looks at all that was said when it has finished.
    pub fn conclude_by_a_last_run(mut self, broker: &Broker, fault: &str, runs: usize, mut recoveries: Vec<Duration>) {
        self.deliver(broker, 1.0);
        let started = Instant::now();
        let program = self.run();
        recoveries.push(await_recovery(&program, started));
        program.await_event_time(0, settled_ns(&self.scene));
        self.look(broker, program, fault, runs, &recoveries);
    }

    pub fn look(&self, broker: &Broker, program: Program, fault: &str, runs: usize, recoveries: &[Duration]) {
        let ended = program.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        let seen = look_after(broker, &self.site, &self.expected, &self.bad, &self.said_before);
        note(fault, runs, &seen, recoveries);
        let told: Vec<&str> = ended.said.lines().filter(|line| !line.contains("so far")).collect();
        seen.assert_exact(&format!("{fault}: {told:#?}"));
    }
}

/// Waits until it is where the last run ended; gives how long that took from `since`.
pub fn await_recovery(program: &Program, since: Instant) -> Duration {
    program.await_line(0, "its recovery", |line| line.contains("is where the last run ended"));
    since.elapsed()
}
