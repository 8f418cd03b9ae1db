//! The source and the tables against a real broker.

use super::Case;
use super::broker::Broker;
use super::records::{PATIENCE, fresh, produce};
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use truceline::kafka::{AtLeastOnce, Event, KafkaSettings, Outbox, Position, Sink, Source, Tables};

pub const TRIALS: &[Case] = &[
    ("a_source_reads_four_partitions_in_order_up_to_their_ends", a_source_reads_four_partitions_in_order),
    ("a_rebalance_after_the_end_neither_repeats_nor_skips", a_rebalance_after_the_end_neither_repeats_nor_skips),
    ("a_second_source_takes_its_share_while_records_come", a_second_source_takes_its_share_while_records_come),
    ("a_paused_partition_goes_on_where_it_was", a_paused_partition_goes_on_where_it_was),
    ("a_source_that_left_is_replaced_at_once", a_source_that_left_is_replaced_at_once),
    ("a_static_member_comes_back_to_its_partitions_at_once", a_static_member_comes_back_at_once),
    ("a_crash_of_the_broker_loses_and_repeats_nothing", a_crash_of_the_broker_loses_and_repeats_nothing),
    ("a_source_ends_in_the_midst_of_a_rebalance", a_source_ends_in_the_midst_of_a_rebalance),
    ("what_a_static_member_was_to_give_up_when_it_died_is_taken_up", what_it_was_to_give_up_is_taken_up),
    ("a_source_that_was_never_polled_ends", a_source_that_was_never_polled_ends),
    ("a_source_ends_while_the_broker_is_away", a_source_ends_while_the_broker_is_away),
    ("a_compacted_table_is_read_whole_and_followed", a_compacted_table_is_read_whole_and_followed),
];

/// What a source told.
#[derive(Default)]
struct Seen {
    numbers: BTreeMap<(u16, i32), Vec<u32>>,
    next: BTreeMap<(u16, i32), i64>,
    assigned: BTreeSet<(u16, i32)>,
    ended: BTreeSet<(u16, i32)>,
    told: Vec<String>,
    revoked: bool,
}

impl Seen {
    fn see(&mut self, event: Event<'_>) {
        match event {
            Event::Record(record) => {
                let place = (record.topic, record.partition);
                let number = std::str::from_utf8(record.payload).ok().and_then(|text| text.parse().ok());
                self.numbers.entry(place).or_default().push(number.expect("a number"));
                self.next.insert(place, record.offset + 1);
            }
            Event::Assigned(places) => {
                self.assigned.extend(places);
                self.ended.retain(|place| !places.contains(place));
            }
            Event::Revoked { partitions, lost } => {
                self.revoked |= !lost;
                self.assigned.retain(|place| !partitions.contains(place));
                self.ended.retain(|place| !partitions.contains(place));
            }
            Event::End { topic, partition } => {
                self.ended.insert((topic, partition));
            }
            Event::Behind { .. } | Event::Quiet => {}
            Event::Jumped(failure) | Event::Failed(failure) => self.told.push(failure.to_string()),
            Event::Restored => self.told.push("restored".to_owned()),
        }
    }

    fn all(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.numbers.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    fn count(&self) -> usize {
        self.numbers.values().map(Vec::len).sum()
    }

    fn positions(&self) -> Vec<Position> {
        let position =
            |(&(topic, partition), &next_offset): (&(u16, i32), &i64)| Position { topic, partition, next_offset };
        self.next.iter().filter(|(place, _)| self.assigned.contains(place)).map(position).collect()
    }
}

/// Polls once; positions are committed before partitions are given away, as a pipeline does.
fn step(source: &mut Source, seen: &mut Seen) {
    let before: Vec<Position> = seen.positions();
    source.poll(Duration::from_millis(20), &mut |event| seen.see(event)).expect("reading goes on");
    if std::mem::take(&mut seen.revoked) {
        let place = |p: &Position| (p.topic, p.partition);
        let latest =
            |p: Position| Position { next_offset: seen.next.get(&place(&p)).copied().unwrap_or(p.next_offset), ..p };
        source.commit(&before.into_iter().map(latest).collect::<Vec<_>>()).expect("committed in time");
    }
}

fn poll_until(source: &mut Source, seen: &mut Seen, mut done: impl FnMut(&Seen) -> bool) {
    let started = Instant::now();
    while !done(seen) {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {} records, told {:?}", seen.count(), seen.told);
        step(source, seen);
    }
}

fn write(broker: &Broker, topic: &str, numbers: std::ops::Range<u32>) {
    let texts: Vec<String> = numbers.map(|number| number.to_string()).collect();
    produce(broker, topic, texts.iter().map(|text| (text.as_str(), text.as_str())));
}

fn topic(broker: &Broker, name: &str) -> String {
    let topic = fresh(name);
    broker.create_topic(&topic, 4);
    topic
}

fn source(broker: &Broker, topic: &str) -> Source {
    Source::new(&broker.settings(topic), &[topic.to_owned()]).expect("a source")
}

fn a_source_reads_four_partitions_in_order(broker: &Broker) {
    let topic = topic(broker, "in-order");
    write(broker, &topic, 0..50_000);
    let mut seen = Seen::default();
    let mut source = source(broker, &topic);
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    assert_eq!(seen.all(), (0..50_000).collect::<Vec<_>>());
    assert_eq!(seen.numbers.len(), 4);
    assert!(seen.numbers.values().all(|numbers| numbers.is_sorted()));
    assert_eq!((source.lag(), seen.told), (0, vec![]));
}

fn a_rebalance_after_the_end_neither_repeats_nor_skips(broker: &Broker) {
    let topic = topic(broker, "after-the-end");
    write(broker, &topic, 0..1000);
    let (mut seen, mut seen_second) = (Seen::default(), Seen::default());
    let mut first = source(broker, &topic);
    poll_until(&mut first, &mut seen, |seen| seen.ended.len() == 4);
    let mut second = source(broker, &topic);
    let started = Instant::now();
    while seen.assigned.len() != 2 || seen_second.ended.len() != 2 {
        assert!(started.elapsed() < PATIENCE, "no rebalance");
        step(&mut first, &mut seen);
        step(&mut second, &mut seen_second);
    }
    write(broker, &topic, 1000..2000);
    while seen.count() + seen_second.count() < 2000 {
        assert!(started.elapsed() < PATIENCE, "{} + {}", seen.count(), seen_second.count());
        step(&mut first, &mut seen);
        step(&mut second, &mut seen_second);
    }
    drop(second);
    seen.ended.clear();
    poll_until(&mut first, &mut seen, |seen| seen.assigned.len() == 4);
    let mut all = [seen.all(), seen_second.all()].concat();
    all.sort_unstable();
    assert_eq!(all[..2000], (0..2000).collect::<Vec<_>>());
}

fn a_second_source_takes_its_share_while_records_come(broker: &Broker) {
    let topic = topic(broker, "second");
    let (mut seen, mut seen_second) = (Seen::default(), Seen::default());
    let mut first = source(broker, &topic);
    write(broker, &topic, 0..1000);
    poll_until(&mut first, &mut seen, |seen| seen.count() > 0);
    let mut second = source(broker, &topic);
    let sink = Sink::new(&broker.settings("unused")).expect("a sink");
    let started = Instant::now();
    let mut sent = 1000u32;
    while seen.count() + seen_second.count() < sent as usize || seen_second.count() < 1000 {
        assert!(started.elapsed() < PATIENCE, "{} + {} of {sent}", seen.count(), seen_second.count());
        if sent < 200_000 && (seen_second.count() < 1000) {
            for number in sent..sent + 100 {
                let text = number.to_string();
                sink.send(&topic, Some(text.as_bytes()), text.as_bytes(), &[]).expect("sent");
            }
            sent += 100;
        }
        step(&mut first, &mut seen);
        step(&mut second, &mut seen_second);
    }
    let mut all = [seen.all(), seen_second.all()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..sent).collect::<Vec<_>>());
}

fn a_paused_partition_goes_on_where_it_was(broker: &Broker) {
    let topic = topic(broker, "paused");
    write(broker, &topic, 0..1000);
    let mut seen = Seen::default();
    let mut source = source(broker, &topic);
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    source.pause(&[(0, 0), (0, 1)]).expect("paused");
    let held = |seen: &Seen| (seen.numbers[&(0, 0)].len(), seen.numbers[&(0, 1)].len());
    let before = held(&seen);
    write(broker, &topic, 1000..2000);
    seen.ended.clear();
    poll_until(&mut source, &mut seen, |seen| seen.ended.contains(&(0, 2)) && seen.ended.contains(&(0, 3)));
    assert_eq!(held(&seen), before);
    source.resume(&[(0, 0), (0, 1)]).expect("resumed");
    poll_until(&mut source, &mut seen, |seen| seen.count() >= 2000);
    assert_eq!(seen.all(), (0..2000).collect::<Vec<_>>());
}

fn a_source_that_left_is_replaced_at_once(broker: &Broker) {
    let topic = topic(broker, "left");
    write(broker, &topic, 0..100);
    let mut seen = Seen::default();
    let mut first = source(broker, &topic);
    poll_until(&mut first, &mut seen, |seen| seen.ended.len() == 4);
    let sink = Sink::new(&broker.settings("unused")).expect("a sink");
    AtLeastOnce::new(sink, PATIENCE, first.offsets().into()).commit(&seen.positions()).expect("committed");
    drop(first);
    write(broker, &topic, 100..200);
    let started = Instant::now();
    let mut seen = Seen::default();
    let mut second = source(broker, &topic);
    poll_until(&mut second, &mut seen, |seen| seen.ended.len() == 4);
    assert_eq!(seen.all(), (100..200).collect::<Vec<_>>());
    assert!(started.elapsed() < Duration::from_secs(8), "not after the session's 10 s: {:?}", started.elapsed());
}

fn a_static_member_comes_back_at_once(broker: &Broker) {
    let topic = topic(broker, "static");
    let mut settings = broker.settings(&topic);
    settings.instance = "one".to_owned();
    let new = || Source::new(&settings, std::slice::from_ref(&topic)).expect("a source");
    let mut seen = Seen::default();
    let mut first = new();
    poll_until(&mut first, &mut seen, |seen| seen.ended.len() == 4);
    drop(first);
    let started = Instant::now();
    let mut seen = Seen::default();
    let mut second = new();
    poll_until(&mut second, &mut seen, |seen| seen.ended.len() == 4);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

fn a_crash_of_the_broker_loses_and_repeats_nothing(broker: &Broker) {
    let topic = topic(broker, "crash");
    let mut seen = Seen::default();
    // Longer than a broker takes to start on a busy machine: a member whose session ran out reads again what it did
    // not commit.
    let settings = KafkaSettings { session_timeout_ms: 120_000, ..broker.settings(&topic) };
    let mut source = Source::new(&settings, std::slice::from_ref(&topic)).expect("a source");
    let sink = Sink::new(&broker.settings("unused")).expect("a sink");
    let send = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            let text = number.to_string();
            sink.send(&topic, Some(text.as_bytes()), text.as_bytes(), &[]).expect("sent");
        }
    };
    send(0..20_000);
    poll_until(&mut source, &mut seen, |seen| seen.count() > 5000);
    send(20_000..40_000);
    broker.kill();
    send(40_000..60_000);
    poll_until(&mut source, &mut seen, |seen| {
        seen.told.iter().any(|told| told.starts_with("no broker can be reached"))
    });
    assert!(sink.pending() >= 20_000);
    broker.restart().expect("the broker is back");
    poll_until(&mut source, &mut seen, |seen| seen.count() >= 60_000);
    sink.flush(PATIENCE).expect("all delivered");
    assert_eq!(seen.all(), (0..60_000).collect::<Vec<_>>());
    let lost = seen.told.iter().filter(|told| told.starts_with("no broker can be reached")).count();
    assert_eq!((lost, seen.told.iter().filter(|told| *told == "restored").count()), (1, 1), "{:?}", seen.told);
    source.commit(&seen.positions()).expect("committed");
}

fn a_source_ends_in_the_midst_of_a_rebalance(broker: &Broker) {
    let topic = topic(broker, "midst");
    let mut seen = Seen::default();
    let mut first = source(broker, &topic);
    poll_until(&mut first, &mut seen, |seen| seen.ended.len() == 4);
    let mut second = source(broker, &topic);
    let mut seen_second = Seen::default();
    let started = Instant::now();
    while !seen.revoked {
        assert!(started.elapsed() < PATIENCE, "no rebalance");
        first.poll(Duration::from_millis(20), &mut |event| seen.see(event)).expect("reading goes on");
        step(&mut second, &mut seen_second);
    }
    // Told, but not given away yet.
    drop(first);
    poll_until(&mut second, &mut seen_second, |seen| seen.ended.len() == 4);
}

fn what_it_was_to_give_up_is_taken_up(broker: &Broker) {
    let topic = topic(broker, "given-up");
    let named = |instance: &str| {
        let mut settings = KafkaSettings { instance: instance.to_owned(), ..broker.settings(&topic) };
        settings.topics.state = fresh("elsewhere");
        broker.create_topic(&settings.topics.state, 1);
        Source::new(&settings, std::slice::from_ref(&topic)).expect("a source")
    };
    let (mut seen, mut seen_second) = (Seen::default(), Seen::default());
    let mut first = named("one");
    poll_until(&mut first, &mut seen, |seen| seen.ended.len() == 4);
    let mut second = named("two");
    let started = Instant::now();
    while !seen.revoked {
        assert!(started.elapsed() < PATIENCE, "no rebalance");
        first.poll(Duration::from_millis(20), &mut |event| seen.see(event)).expect("reading goes on");
        step(&mut second, &mut seen_second);
    }
    // Told to give up two partitions, it dies, and is back at once.
    std::mem::forget(first);
    let mut first = named("one");
    let mut seen = Seen::default();
    while seen.assigned.is_empty() || seen.assigned.len() + seen_second.assigned.len() < 4 {
        assert!(started.elapsed() < PATIENCE, "{:?} and {:?}", seen.assigned, seen_second.assigned);
        step(&mut first, &mut seen);
        step(&mut second, &mut seen_second);
    }
    println!("given up by the dead, taken up by the living after {} ms", started.elapsed().as_millis());
    assert!(seen.assigned.is_disjoint(&seen_second.assigned));
}

fn a_source_that_was_never_polled_ends(broker: &Broker) {
    let topic = topic(broker, "unpolled");
    let looker: BaseConsumer = broker.client().create().expect("a client");
    for round in 0..4 {
        let group = format!("{topic}-{round}");
        let settings = KafkaSettings { instance: "one".to_owned(), ..broker.settings(&group) };
        let source = Source::new(&settings, std::slice::from_ref(&topic)).expect("a source");
        let started = Instant::now();
        // It is given its partitions, and asked to take them up, whether or not anybody looks.
        let is_stable = || {
            // The broker has to find out about the group first.
            let groups = looker.client().fetch_group_list(Some(&group), PATIENCE);
            groups.is_ok_and(|found| found.groups().iter().any(|group| group.state() == "Stable"))
        };
        while !is_stable() {
            assert!(started.elapsed() < PATIENCE, "it does not join");
        }
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(source);
            let _ = tell.send(());
        });
        assert_eq!(told.recv_timeout(PATIENCE / 3), Ok(()), "it does not end");
    }
}

fn a_source_ends_while_the_broker_is_away(broker: &Broker) {
    let topic = topic(broker, "away");
    let mut seen = Seen::default();
    let mut source = source(broker, &topic);
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    broker.kill();
    let started = Instant::now();
    drop(source);
    let took = started.elapsed();
    broker.restart().expect("the broker is back");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

fn a_compacted_table_is_read_whole_and_followed(broker: &Broker) {
    let mut settings = broker.settings("tables");
    settings.topics.reference_sensors = fresh("reference");
    let wanted: Vec<_> = settings.topics.all().into_iter().filter(|spec| spec.key == "reference_sensors").collect();
    truceline::kafka::topics::create_missing(&settings, &wanted).expect("created");
    let topic = settings.topics.reference_sensors.clone();
    let lines: Vec<(String, String)> = (0..1000).map(|n| (format!("node-{}", n % 100), n.to_string())).collect();
    produce(broker, &topic, lines.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let mut tables = Tables::open(&settings, std::slice::from_ref(&topic)).expect("opened");
    let mut rows = BTreeMap::new();
    let mut apply = |change: truceline::kafka::Change<'_>| {
        rows.insert(change.key.to_vec(), change.payload.map(<[u8]>::to_vec));
    };
    tables.load(&mut apply).expect("loaded");
    let expected: BTreeMap<_, _> =
        (900..1000).map(|n| (format!("node-{}", n % 100).into_bytes(), Some(n.to_string().into_bytes()))).collect();
    assert_eq!(rows, expected);
    produce(broker, &topic, [("node-0", "new")]);
    let started = Instant::now();
    while rows[&b"node-0"[..]].as_deref() != Some(b"new") {
        assert!(started.elapsed() < PATIENCE);
        let mut apply = |change: truceline::kafka::Change<'_>| {
            rows.insert(change.key.to_vec(), change.payload.map(<[u8]>::to_vec));
        };
        tables.poll(Duration::from_millis(50), &mut apply).expect("followed");
    }
}
