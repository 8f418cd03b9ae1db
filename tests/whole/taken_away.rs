//! Topics and records go while the program runs or before it comes back: it says so, goes on with what there is, and
//! repeats nothing.

use super::Case;
use super::broker::Broker;
use super::live::{json, newest};
use super::program::{Program, Site};
use super::records::{PATIENCE, Received, consume_all, produce, read_to_end};
use super::scene::{Scene, settled};
use super::stream::{ARGUMENTS, Stream, await_recovery};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("an_input_topic_that_is_made_anew_is_read_from_its_start", an_input_topic_is_made_anew),
    ("an_output_topic_that_is_deleted_is_waited_for", an_output_topic_is_deleted),
    ("partitions_that_are_added_are_read", partitions_are_added),
    ("records_that_are_gone_before_they_are_read_are_told", records_are_gone),
    ("a_said_table_that_is_lost_is_told_and_nothing_is_said_before_it_may_be", the_said_table_is_lost),
    ("a_said_table_of_a_later_version_is_refused_and_nothing_is_said", the_said_table_is_of_a_later_version),
    ("a_broker_whose_disk_fails_costs_and_repeats_nothing", a_disk_fails),
];

/// A stream of two halves, of which the first is delivered and settled in a program that runs.
fn half_done(broker: &Broker, name: &str, seed: u64, settings: &[&str]) -> (Stream, Program) {
    let (mut stream, half) = Stream::in_two(broker, Site::new(broker, name), seed, 4.0);
    stream.deliver(broker, half);
    let program = stream.run_set(settings);
    stream.await_delivered(&program);
    await_said(broker, &stream);
    (stream, program)
}

/// Waits until all that follows from the first half is there to be read.
fn await_said(broker: &Broker, stream: &Stream) {
    let is_of_first = |alert: &&Value| !alert["properties"]["evidence"].to_string().contains("again-");
    let due = stream.expected.values().filter(is_of_first).count();
    let is_final = |record: &Received| {
        let payload = String::from_utf8_lossy(record.payload.as_deref().unwrap_or_default());
        payload.contains(r#""status":"final""#) || payload.contains(r#""status":"amended""#)
    };
    let finals = |records: &[Received]| {
        records.iter().filter(|it| is_final(it)).filter_map(|it| it.key.clone()).collect::<BTreeSet<_>>().len()
    };
    consume_all(broker, &stream.site.topic("violations"), |came| finals(came) >= due);
    consume_all(broker, &stream.site.topic("rejected"), |came| came.len() >= stream.bad.len());
}

/// Waits until the program has told how far it has come in telemetry.
fn await_committed(broker: &Broker, stream: &Stream) {
    let consumer: BaseConsumer = broker.client().set("group.id", stream.site.name()).create().expect("a consumer");
    let mut places = TopicPartitionList::new();
    places.add_partition_range(&stream.site.topic("sensors"), 0, 3);
    let started = Instant::now();
    loop {
        let committed = consumer.committed_offsets(places.clone(), PATIENCE).expect("offsets");
        if committed.elements().iter().any(|place| place.offset().to_raw().is_some_and(|offset| offset >= 0)) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "nothing is committed: {committed:?}");
    }
}

fn an_input_topic_is_made_anew(broker: &Broker) {
    let (mut stream, program) = half_done(broker, "anew", 151, &[]);
    let topic = stream.site.topic("sensors");
    broker.delete_topic(&topic);
    let since = Instant::now();
    let seen =
        program.await_line(0, "word of the topic", |line| line.contains(&topic) && line.contains("no such topic"));
    broker.create_topic(&topic, 4);
    // More than there was at any offset that had been read.
    stream.deliver_live(broker, 0.8);
    program.await_line(seen, "word of the new one", |line| line.contains(&topic) && line.contains("another one now"));
    stream.await_delivered(&program);
    let recoveries = [since.elapsed()];
    stream.conclude(broker, program, "input topic deleted and made anew", 1, &recoveries);
}

fn an_output_topic_is_deleted(broker: &Broker) {
    let (mut stream, program) = half_done(broker, "unsaid", 152, &["kafka.delivery_timeout_ms=5000"]);
    let topic = stream.site.topic("violations");
    stream.said_before = read_to_end(broker, &topic);
    broker.delete_topic(&topic);
    stream.deliver_live(broker, 0.7);
    program.await_line(0, "word of the topic", |line| line.contains(&topic) && line.contains("no such topic"));
    broker.create_topic(&topic, 4);
    let since = Instant::now();
    stream.await_delivered(&program);
    let recoveries = [since.elapsed()];
    stream.conclude(broker, program, "output topic deleted and made anew", 1, &recoveries);
}

fn partitions_are_added(broker: &Broker) {
    let refresh = "kafka.client.topic.metadata.refresh.interval.ms=500";
    let (mut stream, program) = half_done(broker, "more", 153, &[refresh]);
    let seen = program.lines();
    let since = Instant::now();
    broker.add_partitions(&stream.site.topic("sensors"), 7);
    program.await_line(seen, "the new partitions", |line| {
        line.contains("partitions assigned") && line.contains("partitions=3")
    });
    let recoveries = [since.elapsed()];
    stream.deliver_live(broker, 0.8);
    stream.conclude(broker, program, "partitions added to an input topic", 1, &recoveries);
}

fn records_are_gone(broker: &Broker) {
    let (mut stream, program) = half_done(broker, "gone", 154, &[]);
    let topic = stream.site.topic("sensors");
    await_committed(broker, &stream);
    program.crash();
    // What would be read again.
    broker.delete_records(&topic);
    let since = Instant::now();
    let program = stream.run();
    let mut recoveries = vec![await_recovery(&program, since)];
    stream.deliver_live(broker, 0.75);
    program.await_line(0, "word of what is gone", |line| {
        line.contains("ERROR") && line.contains(&topic) && line.contains("were deleted before")
    });
    stream.await_delivered(&program);
    // What has not been read yet: nobody will know what was in it.
    program.signal(libc::SIGSTOP);
    // The broker may still have a question of the program's, which it answers with what comes first: a line that has been seen.
    let delivered = &stream.scene.lines[..stream.delivered];
    let seen = delivered.iter().rfind(|line| line.key == "mic-01").expect("a line of this node");
    produce(broker, &topic, [("mic-01", seen.text.as_str())]);
    let unread = "{\"nobody\":\"will read this\"";
    produce(broker, &topic, std::iter::repeat_n(("mic-01", unread), 50));
    broker.delete_records(&topic);
    program.signal(libc::SIGCONT);
    let seen = program.lines();
    let since = Instant::now();
    stream.deliver_live(broker, 0.8);
    program.await_line(seen, "word of what is gone", |line| {
        let is_of_these = line.contains("50 records") || line.contains("51 records");
        line.contains("ERROR") && is_of_these && line.contains("were deleted before")
    });
    recoveries.push(since.elapsed());
    stream.conclude(broker, program, "records deleted before they were read", 2, &recoveries);
}

fn the_said_table_is_lost(broker: &Broker) {
    let (mut stream, program) = half_done(broker, "forgotten", 155, &[]);
    assert_eq!(program.terminate().code, Some(0));
    let (state, violations) = (stream.site.topic("state"), stream.site.topic("violations"));
    let said = read_to_end(broker, &violations).len();
    broker.delete_records(&state);
    stream.deliver(broker, 0.6);
    let arguments = stream.site.arguments(&[&["run"], &ARGUMENTS[..]].concat());
    let ended = Program::run_to_end(&arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    let sentence = format!("kafka.topics.state is {state:?}, which tells nothing of");
    assert!(ended.said.contains(&sentence) && ended.said.contains("kafka.said_anew"), "{}", ended.said);
    assert_eq!(read_to_end(broker, &violations).len(), said, "nothing is said before it may be");
    // An operator decides that it may: what is read again is said as new, what had become final long ago is not.
    let since = Instant::now();
    let program = stream.run_set(&["kafka.said_anew=true"]);
    let recovered = await_recovery(&program, since);
    println!("said-table lost: begun anew after {} ms", recovered.as_millis());
    stream.deliver_live(broker, 1.0);
    stream.await_delivered(&program);
    assert_eq!(program.terminate().code, Some(0));
    // Each alert is told from 1 on, once or twice, without a gap; the newest of each is what it should be.
    let mut so_far = BTreeMap::<String, (u64, u32)>::new();
    for alert in json(&read_to_end(broker, &violations)) {
        let id = alert["properties"]["alert"].as_str().expect("an id").to_owned();
        let revision = alert["properties"]["revision"].as_u64().expect("a revision");
        let (last, times) = so_far.entry(id).or_default();
        assert!(revision == *last + 1 || revision == 1, "{alert} after {last}");
        (*last, *times) = (revision, *times + u32::from(revision == 1));
        assert!(*times <= 2, "told {times} times: {alert}");
    }
    let newest = newest(&read_to_end(broker, &stream.site.topic("current")));
    let found = settled(&newest);
    let lost: Vec<&String> = stream.expected.keys().filter(|id| !found.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

fn the_said_table_is_of_a_later_version(broker: &Broker) {
    let (stream, program) = half_done(broker, "later", 156, &[]);
    assert_eq!(program.terminate().code, Some(0));
    let (state, violations) = (stream.site.topic("state"), stream.site.topic("violations"));
    let said = read_to_end(broker, &violations).len();
    let key = format!("{}-main/settled", stream.site.name());
    produce(broker, &state, [(key.as_str(), r#"{"version":2,"all":"different"}"#)]);
    let arguments = stream.site.arguments(&[&["run"], &ARGUMENTS[..]].concat());
    let ended = Program::run_to_end(&arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    let sentence = format!("whose record {key:?} is of version 2; this program knows up to 1");
    assert!(ended.said.contains(&sentence), "{}", ended.said);
    assert_eq!(read_to_end(broker, &violations).len(), said);
}

fn a_disk_fails(broker: &Broker) {
    let mut stream = Stream::of(broker, Site::new(broker, "disk"), Scene::new(Scenario::Hour, 157, 6.0));
    stream.deliver(broker, 0.5);
    // Little at a time is fetched, so that it has much to say when the disk fails.
    let slowly = ["kafka.prefetch_records=50", "kafka.prefetch_kib=8", "kafka.client.fetch.message.max.bytes=1024"];
    let program = stream.run_set(&slowly);
    let seen = program.await_more();
    broker.limit_files(0);
    broker.await_end();
    program.await_line(seen, "word of the broker", |line| line.contains("no broker can be reached"));
    broker.restart().expect("the broker again");
    let since = Instant::now();
    stream.deliver_live(broker, 0.7);
    stream.await_delivered(&program);
    let recoveries = [since.elapsed()];
    stream.conclude(broker, program, "the broker's disk fails", 1, &recoveries);
}
