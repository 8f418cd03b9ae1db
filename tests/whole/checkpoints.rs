//! What a process knew when it made a checkpoint is taken up after a crash: little is read again, and what comes of it is what
//! an undisturbed run gives. A checkpoint that is damaged, or of other partitions than are read, costs time alone.

use super::Case;
use super::broker::Broker;
use super::program::{Program, Site, field};
use super::records::{Received, consume_all};
use super::stream::Stream;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const TRIALS: &[Case] = &[
    ("from_a_checkpoint_little_is_read_again", from_a_checkpoint_little_is_read_again),
    ("a_damaged_checkpoint_costs_time_alone", a_damaged_checkpoint_costs_time_alone),
    (
        "beside_a_checkpoint_partitions_that_were_added_are_read",
        beside_a_checkpoint_partitions_that_were_added_are_read,
    ),
    (
        "a_checkpoint_of_other_partitions_than_are_read_costs_time_alone",
        a_checkpoint_of_other_partitions_than_are_read_costs_time_alone,
    ),
];

/// Records between two checkpoints.
pub const EVERY: u64 = 100;

/// Where a site's checkpoints lie, and the settings that have a run lay them down there.
pub fn settings(site: &Site, every_records: u64) -> [String; 2] {
    let directory = directory(site);
    [format!("kafka.checkpoint_dir={}", directory.display()), format!("kafka.checkpoint_records={every_records}")]
}

fn directory(site: &Site) -> PathBuf {
    site.archive().with_file_name("checkpoints")
}

/// Runs with checkpoints.
fn run(stream: &Stream) -> Program {
    let settings = settings(&stream.site, EVERY);
    stream.run_set(&settings.each_ref().map(String::as_str))
}

/// Delivers the half of it to a process that dies when a checkpoint of it is committed. Gives how many observations it had read.
fn first_life(broker: &Broker, stream: &mut Stream) -> u64 {
    let program = run(stream);
    stream.deliver_live(broker, 0.5);
    stream.await_delivered(&program);
    consume_all(broker, &stream.site.topic("state"), |rows| rows.iter().any(is_row));
    let log = program.crash();
    observations(&log)
}

/// Whether it is the row that names a checkpoint.
pub fn is_row(row: &Received) -> bool {
    row.key.as_deref().is_some_and(|key| key.ends_with(b"/checkpoint"))
}

/// How many observations a process had read when it last said how it goes.
pub fn observations(log: &str) -> u64 {
    log.lines().rev().find_map(|line| field(line, "observations")?.parse().ok()).expect("a word on how it goes")
}

fn is_replayed(line: &str) -> bool {
    line.contains("is where the last run ended")
}

fn from_a_checkpoint_little_is_read_again(broker: &Broker) {
    let mut stream = Stream::new(broker, "checkpoint", 61, 12.0);
    let read = first_life(broker, &mut stream);
    assert!(read > 10 * EVERY, "only {read} observations");
    let since = Instant::now();
    let program = run(&stream);
    program.await_line(0, "the checkpoint", |line| line.contains("a checkpoint is taken up"));
    let seen = program.await_line(0, "its recovery", is_replayed);
    let recovery = since.elapsed();
    program.await_line(seen, "a word on how it goes", |line| field(line, "lag").as_deref() == Some("0"));
    // What came while the last one was written, and no more than twice what lies between two.
    let again = observations(&program.log());
    assert!(again <= 3 * EVERY, "{again} of {read} observations were read again");
    stream.deliver_live(broker, 0.8);
    stream.await_delivered(&program);
    program.crash();
    stream.conclude_by_a_last_run(broker, "kill -9 with a checkpoint", 2, vec![recovery]);
}

fn a_damaged_checkpoint_costs_time_alone(broker: &Broker) {
    let mut stream = Stream::new(broker, "damaged", 62, 8.0);
    first_life(broker, &mut stream);
    for file in files(&directory(&stream.site)) {
        let mut bytes = std::fs::read(&file).expect("a checkpoint");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).expect("written");
    }
    let since = Instant::now();
    let program = run(&stream);
    program.await_line(0, "its recovery", is_replayed);
    let recovery = since.elapsed();
    let log = program.crash();
    assert!(!log.contains("a checkpoint is taken up"), "{log}");
    stream.conclude_by_a_last_run(broker, "kill -9 with a damaged checkpoint", 2, vec![recovery]);
}

fn beside_a_checkpoint_partitions_that_were_added_are_read(broker: &Broker) {
    let mut stream = Stream::new(broker, "repartitioned", 63, 8.0);
    first_life(broker, &mut stream);
    broker.add_partitions(&stream.site.topic("sensors"), 6);
    let since = Instant::now();
    let program = run(&stream);
    // A static member is first given what it had, which is what the checkpoint knows of.
    program.await_line(0, "the checkpoint", |line| line.contains("a checkpoint is taken up"));
    program.await_line(0, "its recovery", is_replayed);
    let recovery = since.elapsed();
    program.await_line(0, "the new partitions", |line| {
        line.contains("partitions assigned") && line.contains("partitions=2")
    });
    stream.deliver_live(broker, 0.8);
    stream.await_delivered(&program);
    program.crash();
    stream.conclude_by_a_last_run(broker, "kill -9, and partitions added", 2, vec![recovery]);
}

fn a_checkpoint_of_other_partitions_than_are_read_costs_time_alone(broker: &Broker) {
    let mut stream = Stream::new(broker, "halved", 64, 8.0);
    first_life(broker, &mut stream);
    let since = Instant::now();
    let other = Member::join(broker, &stream);
    let program = run(&stream);
    let seen = program.await_line(0, "word of the partitions", |line| line.contains("other partitions are read"));
    let seen = program.await_line(seen, "a new beginning", |line| line.contains("reference data is in"));
    drop(other);
    program.await_line(seen, "its recovery", is_replayed);
    let recovery = since.elapsed();
    stream.deliver_live(broker, 0.8);
    stream.await_delivered(&program);
    program.crash();
    stream.conclude_by_a_last_run(broker, "kill -9, and a second process in the group", 2, vec![recovery]);
}

/// Somebody else in a stream's group, who has some of the partitions while this lives.
struct Member {
    is_over: Arc<AtomicBool>,
    polls: Option<JoinHandle<()>>,
}

impl Member {
    fn join(broker: &Broker, stream: &Stream) -> Member {
        let mut client = broker.client();
        client.set("group.id", stream.site.name()).set("enable.auto.commit", "false");
        let member: BaseConsumer =
            client.set("partition.assignment.strategy", "cooperative-sticky").create().expect("a consumer");
        member.subscribe(&[&stream.site.topic("sensors")]).expect("subscribed");
        let is_over = Arc::<AtomicBool>::default();
        let ends = is_over.clone();
        let polls = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                // What it reads is of no account, nor is that it can read nothing for a while.
                let _ = member.poll(Duration::from_millis(100));
            }
        });
        Member { is_over, polls: Some(polls) }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Should it have panicked the trial goes on to tell what came of it.
        self.polls.take().map(JoinHandle::join);
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory of checkpoints");
    let files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    assert!(!files.is_empty(), "no checkpoint in {}", directory.display());
    files
}
