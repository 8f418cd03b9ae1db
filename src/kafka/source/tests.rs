//! A source against the embedded broker.

use super::*;
use crate::kafka::Position;
use crate::kafka::{AtLeastOnce, Embedded, Outbox, Sink};
use std::collections::{BTreeMap, BTreeSet};
const PATIENCE: Duration = Duration::from_secs(30);

fn broker(topics: &[&str]) -> (Embedded, KafkaSettings) {
    let broker = Embedded::start().unwrap();
    for topic in topics {
        broker.create_topic(topic, 4).unwrap();
    }
    let settings = broker.settings(&KafkaSettings { session_timeout_ms: 1000, ..KafkaSettings::default() });
    (broker, settings)
}

fn write(settings: &KafkaSettings, topic: &str, numbers: std::ops::Range<u32>) {
    let sink = Sink::new(settings).unwrap();
    for number in numbers {
        let number = number.to_string();
        sink.send(topic, Some(number.as_bytes()), number.as_bytes(), &[("n", number.as_bytes())]).unwrap();
    }
    sink.flush(PATIENCE).unwrap();
}

/// What was read: numbers by (topic, partition), in the order of reading, and the place after the last.
#[derive(Default)]
struct Seen {
    numbers: BTreeMap<(u16, i32), Vec<u32>>,
    next: BTreeMap<(u16, i32), i64>,
    assigned: BTreeSet<(u16, i32)>,
    ended: BTreeSet<(u16, i32)>,
    told: Vec<String>,
}

impl Seen {
    fn see(&mut self, event: Event<'_>) {
        match event {
            Event::Record(record) => {
                let place = (record.topic, record.partition);
                assert!(self.assigned.contains(&place), "a record of a partition that is not assigned");
                let number = std::str::from_utf8(record.payload).unwrap();
                assert_eq!(record.key, Some(number.as_bytes()));
                assert!(record.headers().eq([(&b"n"[..], number.as_bytes())]));
                assert!(record.timestamp_ms > 0);
                self.numbers.entry(place).or_default().push(number.parse().unwrap());
                self.next.insert(place, record.offset + 1);
            }
            Event::Assigned(places) => self.assigned.extend(places),
            Event::Revoked { partitions, .. } => self.assigned.retain(|place| !partitions.contains(place)),
            Event::End { topic, partition } => {
                self.ended.insert((topic, partition));
            }
            Event::Behind { topic, partition } => {
                self.ended.remove(&(topic, partition));
            }
            Event::Quiet => self.told.push("quiet".to_owned()),
            Event::Jumped(failure) | Event::Failed(failure) => self.told.push(failure.to_string()),
            Event::Restored => self.told.push("restored".to_owned()),
        }
    }

    fn all(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.numbers.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    fn positions(&self) -> Vec<Position> {
        let position =
            |(&(topic, partition), &next_offset): (&(u16, i32), &i64)| Position { topic, partition, next_offset };
        self.next.iter().map(position).collect()
    }
}

fn poll_until(source: &mut Source, seen: &mut Seen, mut done: impl FnMut(&Seen) -> bool) {
    let started = Instant::now();
    while !done(seen) {
        assert!(started.elapsed() < PATIENCE, "waited in vain; {:?} {:?}", seen.told, seen.all().len());
        source.poll(Duration::from_millis(20), &mut |event| seen.see(event)).unwrap();
    }
}

fn topics(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn all_partitions_of_all_topics_are_read_in_order_up_to_their_ends() {
    let (_broker, settings) = broker(&["a", "b"]);
    write(&settings, "a", 0..500);
    write(&settings, "b", 500..1000);
    let mut source = Source::new(&settings, &topics(&["a", "b"])).unwrap();
    let mut seen = Seen::default();
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 8);
    assert_eq!(seen.all(), (0..1000).collect::<Vec<_>>());
    assert!(seen.numbers.values().all(|numbers| numbers.is_sorted()), "order within a partition");
    assert!(seen.numbers.iter().all(|(place, numbers)| numbers.iter().all(|n| (*n >= 500) == (place.0 == 1))));
    assert_eq!(source.lag(), 0);
    assert_eq!(source.assignment().count(), 8);
    assert_eq!(seen.told, Vec::<String>::new());
}

#[test]
fn what_was_committed_is_not_read_again() {
    let (_broker, settings) = broker(&["a"]);
    write(&settings, "a", 0..100);
    let mut seen = Seen::default();
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    let sink = Sink::new(&settings).unwrap();
    AtLeastOnce::new(sink, PATIENCE, source.offsets().into()).commit(&seen.positions()).unwrap();
    drop(source);
    write(&settings, "a", 100..200);
    let mut seen = Seen::default();
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    assert_eq!(seen.all(), (100..200).collect::<Vec<_>>());
}

#[test]
fn a_paused_partition_waits_and_goes_on_without_a_gap() {
    let (_broker, settings) = broker(&["a"]);
    write(&settings, "a", 0..100);
    let mut seen = Seen::default();
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    source.pause(&[(0, 1), (0, 2)]).unwrap();
    let before = |seen: &Seen, partition| seen.numbers.get(&(0, partition)).map_or(0, Vec::len);
    let (one, two) = (before(&seen, 1), before(&seen, 2));
    write(&settings, "a", 100..200);
    seen.ended.clear();
    poll_until(&mut source, &mut seen, |seen| seen.ended.contains(&(0, 0)) && seen.ended.contains(&(0, 3)));
    assert_eq!((before(&seen, 1), before(&seen, 2)), (one, two), "nothing comes from paused partitions");
    source.resume(&[(0, 1), (0, 2)]).unwrap();
    poll_until(&mut source, &mut seen, |seen| seen.all().len() >= 200);
    assert_eq!(seen.all(), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_sought_partition_is_read_from_there() {
    let (_broker, settings) = broker(&["a"]);
    write(&settings, "a", 0..100);
    let mut seen = Seen::default();
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    let start: Vec<Position> =
        seen.positions().into_iter().map(|position| Position { next_offset: 0, ..position }).collect();
    source.seek(&start).unwrap();
    let mut again = Seen { assigned: seen.assigned, ..Seen::default() };
    poll_until(&mut source, &mut again, |seen| seen.ended.len() == 4);
    assert_eq!(again.all(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_panic_in_between_loses_no_later_record() {
    let (_broker, settings) = broker(&["a"]);
    write(&settings, "a", 0..100);
    let mut seen = Seen::default();
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    let started = Instant::now();
    let mut panics = 0;
    while seen.ended.len() < 4 {
        assert!(started.elapsed() < PATIENCE);
        let poll = std::panic::AssertUnwindSafe(|| {
            source.poll(Duration::from_millis(20), &mut |event| {
                let is_tenth = matches!(&event, Event::Record(record) if record.payload.ends_with(b"7"));
                seen.see(event);
                assert!(!is_tenth, "as the test wants it");
            })
        });
        panics += usize::from(std::panic::catch_unwind(poll).is_err());
    }
    assert_eq!(panics, 10);
    assert_eq!(seen.all(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_poll_takes_no_more_than_a_batch() {
    let (_broker, settings) = broker(&["a"]);
    write(&settings, "a", 0..100);
    let mut seen = Seen::default();
    let settings = KafkaSettings { batch_records: 7, ..settings };
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    let started = Instant::now();
    while seen.ended.len() < 4 {
        assert!(started.elapsed() < PATIENCE);
        assert!(source.poll(Duration::from_millis(20), &mut |event| seen.see(event)).unwrap() <= 7);
    }
    assert_eq!(seen.all(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_second_member_takes_its_share_and_nothing_is_lost() {
    let (_broker, settings) = broker(&["a"]);
    write(&settings, "a", 0..1000);
    let mut first = Source::new(&settings, &topics(&["a"])).unwrap();
    let mut seen = Seen::default();
    poll_until(&mut first, &mut seen, |seen| !seen.numbers.is_empty());
    let mut second = Source::new(&settings, &topics(&["a"])).unwrap();
    let mut seen_second = Seen::default();
    let started = Instant::now();
    let mut refused = false;
    while seen_second.assigned.len() < 2 || seen_second.ended.len() < 2 || seen.assigned.len() > 2 {
        assert!(started.elapsed() < PATIENCE, "no rebalance: {:?} {:?}", seen.assigned, seen_second.assigned);
        let mut revoked = false;
        first
            .poll(Duration::from_millis(5), &mut |event| {
                revoked |= matches!(event, Event::Revoked { .. });
                seen.see(event);
            })
            .unwrap();
        if revoked {
            // Between two generations of the group a commit is refused; what it covered then comes again.
            refused |= first.commit(&seen.positions()).is_err();
        }
        second.poll(Duration::from_millis(5), &mut |event| seen_second.see(event)).unwrap();
    }
    write(&settings, "a", 1000..2000);
    let all = |one: &Seen, other: &Seen| [one.all(), other.all()].concat().into_iter().collect::<BTreeSet<_>>();
    while all(&seen, &seen_second).len() < 2000 {
        assert!(started.elapsed() < PATIENCE, "{} of 2000", all(&seen, &seen_second).len());
        first.poll(Duration::from_millis(5), &mut |event| seen.see(event)).unwrap();
        second.poll(Duration::from_millis(5), &mut |event| seen_second.see(event)).unwrap();
    }
    let read = seen.all().len() + seen_second.all().len();
    assert!(read == 2000 || refused, "{read} read though it was committed before it was given away");
}

#[test]
fn a_partition_that_was_at_its_end_is_behind_as_soon_as_there_is_more() {
    let (_broker, settings) = broker(&["a"]);
    write(&settings, "a", 0..100);
    // One record a poll, and few fetched ahead.
    let mut settings = KafkaSettings { batch_records: 2, ..settings };
    settings.prefetch_records = 10;
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    let mut seen = Seen::default();
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    write(&settings, "a", 100..200);
    let mut told = Vec::new();
    let started = Instant::now();
    while seen.all().len() < 200 {
        assert!(started.elapsed() < PATIENCE);
        let mut ended = seen.ended.clone();
        source
            .poll(Duration::from_millis(20), &mut |event| {
                match &event {
                    Event::Record(record) => {
                        assert!(!ended.contains(&(record.topic, record.partition)), "it was not told to be behind");
                    }
                    Event::Behind { topic, partition } => {
                        told.push((*topic, *partition));
                        ended.remove(&(*topic, *partition));
                    }
                    Event::End { topic, partition } => {
                        ended.insert((*topic, *partition));
                    }
                    _ => {}
                }
                seen.see(event);
            })
            .unwrap();
    }
    assert!(told.len() >= 4, "{told:?}");
}

#[test]
fn quiet_is_told_once_after_all_was_read_and_again_after_more() {
    let (broker, settings) = broker(&["a"]);
    let settings = KafkaSettings { close_after_s: 1, ..settings };
    write(&settings, "a", 0..100);
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    let mut seen = Seen::default();
    let quiet = |seen: &Seen| seen.told.iter().filter(|told| *told == "quiet").count();
    poll_until(&mut source, &mut seen, |seen| quiet(seen) == 1);
    assert_eq!((seen.all().len(), seen.ended.len()), (100, 4));
    write(&settings, "a", 100..200);
    poll_until(&mut source, &mut seen, |seen| quiet(seen) == 2);
    assert_eq!(seen.all().len(), 200);
    // What is not known is not quiet.
    write(&settings, "a", 200..300);
    poll_until(&mut source, &mut seen, |seen| seen.all().len() == 300);
    broker.set_up(false).unwrap();
    let gone = Instant::now();
    poll_until(&mut source, &mut seen, |_| gone.elapsed() > Duration::from_secs(4));
    assert_eq!(quiet(&seen), 2);
    broker.set_up(true).unwrap();
    poll_until(&mut source, &mut seen, |seen| quiet(seen) == 3);
}

#[test]
fn a_lost_broker_is_told_once_and_reading_goes_on_when_it_is_back() {
    let (broker, settings) = broker(&["a"]);
    write(&settings, "a", 0..100);
    let mut seen = Seen::default();
    let mut source = Source::new(&settings, &topics(&["a"])).unwrap();
    poll_until(&mut source, &mut seen, |seen| seen.ended.len() == 4);
    broker.set_up(false).unwrap();
    poll_until(&mut source, &mut seen, |seen| !seen.told.is_empty());
    assert!(seen.told[0].starts_with("no broker can be reached"), "{:?}", seen.told);
    broker.set_up(true).unwrap();
    write(&settings, "a", 100..200);
    poll_until(&mut source, &mut seen, |seen| seen.all().len() >= 200);
    assert_eq!(seen.all(), (0..200).collect::<Vec<_>>());
    assert_eq!(seen.told[1..], ["restored"]);
}
