//! What others send wrongly harms nobody else: it is refused, told, and the rest goes on.

use super::Case;
use super::broker::Broker;
use super::live::{LARGEST_BYTES, last, settled_ns};
use super::program::Site;
use super::records::{PATIENCE, Received, consume_all, read_to_end};
use super::scene::{Line, Scene, assert_same, heartbeat, settled};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::{BTreeMap, HashMap};
use truceline::model::time::{NS_PER_S, Timestamp};
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("a_hundred_thousand_bad_lines_are_refused_as_they_came", a_hundred_thousand_bad_lines_are_refused),
    ("what_the_rejected_topic_does_not_take_holds_up_nothing", what_the_rejected_topic_does_not_take_holds_up_nothing),
    ("a_record_of_a_hundred_megabytes_is_refused_and_all_goes_on", a_huge_record_is_refused),
];

const BAD_LINES: usize = 100_000;

/// A node that must sign.
const SIGNER: &str = r#"{"type":"Feature","geometry":{"type":"Point","coordinates":[10,10]},"properties":{
    "node":"signer","kinds":["thermal"],"public_key":"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}}"#;

/// Bad line number `n` of a scene that has reached `now_ns`, and the code it is to be refused with.
fn bad_line(n: usize, now_ns: i64) -> (Vec<u8>, &'static str) {
    let now = Timestamp(now_ns);
    let ago = Timestamp(now_ns - 8 * 3600 * NS_PER_S);
    let line = |rest: &str| format!(r#"{{"id":"bad-{n}",{rest}}}"#).into_bytes();
    let heard = |rest: &str| line(&format!(r#""node":"mic-01","kind":"acoustic","time":"{now}"{rest}"#));
    // Lines above the limit of 64 KiB are few, or they would be most of the bytes.
    let large = n.is_multiple_of(1_000);
    match n % 17 {
        _ if large => (heard(&format!(r#","class":"{}""#, "x".repeat(66_000))), "too_large"),
        0 => (format!("{{\"id\":\"bad-{n}\",\"node\":").into_bytes(), "not_json"),
        1 => (format!("[{n}]").into_bytes(), "not_json"),
        2 => ([b"{\"id\":\"\xff\xfe", format!("{n}\"}}").as_bytes()].concat(), "not_json"),
        3 => (line(&format!(r#""x":{}{}"#, "[".repeat(40), "]".repeat(40))), "too_deep"),
        4 => (line(r#""kind":"acoustic","node":"mic-01""#), "missing_field"),
        5 => (line(&format!(r#""node":"mic-01","time":"{now}""#)), "missing_field"),
        6 => (heard(r#","snr_db":"loud""#), "bad_field"),
        7 => (heard(r#","azimuth_deg":360"#), "bad_field"),
        8 => (heard(r#","amplitude_pa":1e400"#), "bad_field"),
        9 => (line(&format!(r#""node":"mic-01","kind":"telepathy","time":"{now}""#)), "unknown_kind"),
        10 => (line(&format!(r#""node":"stranger-{n}","kind":"acoustic","time":"{now}""#)), "unknown_node"),
        11 => (line(r#""node":"mic-01","kind":"acoustic","time":"yesterday""#), "bad_time"),
        12 => (line(r#""node":"mic-01","kind":"acoustic","time":"1999-12-31T23:59:59Z""#), "bad_time"),
        // One node far ahead must not drag event time along; known only when the stream has gone on.
        13 => (line(r#""node":"mic-01","kind":"acoustic","time":"2150-01-01T00:00:00Z""#), "bad_time"),
        14 => (line(&format!(r#""node":"mic-01","kind":"acoustic","time":"{ago}""#)), "too_late"),
        15 => (
            line(&format!(r#""node":"signer","kind":"thermal","time":"{now}","object_lon":10,"object_lat":10"#)),
            "bad_signature",
        ),
        _ => (heard(r#","lon":500,"lat":20"#), "bad_position"),
    }
}

fn a_hundred_thousand_bad_lines_are_refused(broker: &Broker) {
    let scene = Scene::new(Scenario::Hour, 31, 6.0);
    let site = Site::new(broker, "hostile");
    site.create_topics(broker, LARGEST_BYTES);
    scene.publish_reference(broker, &site);
    super::records::produce(broker, &site.topic("reference_sensors"), [("signer", SIGNER)]);
    let expected = settled(&scene.replay(&scene.lines));

    // All partitions have heard something before the first bad line: what is too late is so by its partition's clock.
    let calm = scene.lines.len() / 20;
    let amid = scene.lines.len() / 2 - calm;
    let (mut bad, mut records) = (HashMap::new(), Vec::<(&Line, Vec<u8>)>::new());
    for (at, line) in scene.lines.iter().enumerate() {
        let mut payload = line.text.clone().into_bytes();
        let share = |at: usize| (at.clamp(calm, calm + amid) - calm) * BAD_LINES / amid;
        let lines = (share(at)..share(at + 1)).map(|n| bad_line(n, line.deliver_ns));
        for (n, (text, reason)) in lines.enumerate() {
            // Every other one alone, every other one in a record with others: also before and behind a good one.
            if n % 2 == 0 {
                records.push((line, text.clone()));
            } else {
                payload = [&payload[..], b"\n", &text].concat();
            }
            assert_eq!(bad.insert(text, reason), None, "each is unlike the others");
        }
        payload.extend_from_slice(b"\r\n\n");
        records.push((line, payload));
    }
    assert_eq!(bad.len(), BAD_LINES);
    send(broker, &site, &records);

    let program = site.run(&["--set", "kafka.learnt_interval_s=0"]);
    let seen = program.await_event_time(0, settled_ns(&scene));
    // Partitions are read at different speeds: what was held back at the end is refused once the stream has gone on.
    let later_ns = |step: i64| step * 20 * NS_PER_S;
    let beats =
        (1..=15).flat_map(|step| scene.simulation.nodes.iter().map(move |node| (&node.name, step)).collect::<Vec<_>>());
    let beats: Vec<Line> = beats.map(|(node, step)| heartbeat(node, scene.ends_ns() + later_ns(step))).collect();
    scene.publish(broker, &site, &beats);
    program.await_event_time(seen, settled_ns(&scene) + later_ns(15));
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_refused_as_they_came(broker, &site, &bad);
    assert_nothing_bad_is_read_again(broker, &site, calm + amid);
    assert_same(&settled(&last(&read_to_end(broker, &site.topic("violations")))), &expected, "among bad lines");
}

/// Sends records under the keys of their nodes.
fn send(broker: &Broker, site: &Site, records: &[(&Line, Vec<u8>)]) {
    let producer: BaseProducer =
        broker.client().set("enable.idempotence", "true").set("linger.ms", "5").create().expect("a producer");
    for (line, payload) in records {
        let topic = site.topic(if line.by_patrol { "patrols" } else { "sensors" });
        let mut record = BaseRecord::to(&topic).key(&line.key).payload(payload);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(std::time::Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).expect("all taken");
}

/// Each bad line is in the rejected topic once, its bytes untouched, with the key and the place it came with.
fn assert_refused_as_they_came(broker: &Broker, site: &Site, bad: &HashMap<Vec<u8>, &'static str>) {
    let sent: BTreeMap<(String, i32, i64), Received> = ["sensors", "patrols"]
        .into_iter()
        .flat_map(|key| {
            let topic = site.topic(key);
            let place = move |record: Received| ((topic.clone(), record.partition, record.offset), record);
            read_to_end(broker, &site.topic(key)).into_iter().map(place)
        })
        .collect();
    let refused = read_to_end(broker, &site.topic("rejected"));
    let mut by_reason = BTreeMap::<&str, usize>::new();
    let mut left = bad.clone();
    for record in &refused {
        let header = |name: &str| {
            let found = record.headers.iter().find(|(key, _)| key == &format!("__connect.errors.{name}"));
            String::from_utf8(found.expect("a header").1.clone()).expect("text")
        };
        let bytes = record.payload.as_deref().expect("a payload");
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
        let message = header("exception.message");
        let reason = left
            .remove(bytes.strip_suffix(b"\r").unwrap_or(bytes))
            .unwrap_or_else(|| panic!("refused twice or not sent: {shown}: {message}"));
        assert_eq!(header("exception.class.name"), reason, "{shown}: {message}");
        assert!(!message.is_empty(), "{shown}");
        let place = (header("topic"), header("partition").parse().expect("a partition"));
        let came = &sent[&(place.0, place.1, header("offset").parse().expect("an offset"))];
        assert_eq!(record.key, came.key, "{shown}: {message}");
        let payload = came.payload.as_deref().expect("a payload");
        assert!(payload.split(|&byte| byte == b'\n').any(|line| line == bytes), "from another record: {shown}");
        *by_reason.entry(reason).or_default() += 1;
    }
    let example = left.iter().next().map(|(text, reason)| (String::from_utf8_lossy(text), reason));
    assert!(left.is_empty(), "{} were not refused, as {example:?}; {by_reason:?}", left.len());
    assert_eq!(by_reason.len(), 11, "every code: {by_reason:?}");
}

/// What was refused is done with: the offsets committed lie behind it. Each partition has its share of the `bad` first
/// records.
fn assert_nothing_bad_is_read_again(broker: &Broker, site: &Site, bad: usize) {
    let topic = site.topic("sensors");
    let consumer: BaseConsumer = broker.client().set("group.id", site.name()).create().expect("a consumer");
    let mut places = TopicPartitionList::new();
    places.add_partition_range(&topic, 0, 3);
    let committed = consumer.committed_offsets(places, PATIENCE).expect("offsets");
    let done: i64 = committed.elements().iter().filter_map(|place| place.offset().to_raw()).map(|at| at.max(0)).sum();
    assert!(done as usize > bad, "only {done} records are done with");
}

/// So many bytes that nobody can compress, as hexadecimal digits.
pub fn digits(seed: u64, bytes: usize) -> String {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from_digit((state >> 60) as u32, 16).expect("four bits")
    };
    (0..bytes).map(|_| next()).collect()
}

fn what_the_rejected_topic_does_not_take_holds_up_nothing(broker: &Broker) {
    const LIMIT_BYTES: u32 = 60_000;
    let site = Site::new(broker, "narrow");
    site.create_topics(broker, 3_000_000);
    site.limit(broker, "rejected", LIMIT_BYTES);
    let large = digits(1, 1_500_000);
    // Each fits, but not all of them in a batch.
    let small: Vec<String> = (2..62).map(|seed| digits(seed, 3_000)).collect();
    let records = std::iter::once(&large).chain(&small).map(|text| ("mic-01", text.as_str()));
    super::records::produce(broker, &site.topic("sensors"), records);

    let program = site.run(&[]);
    let refused = consume_all(broker, &site.topic("rejected"), |came| came.len() > small.len());
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(!ended.said.contains("offsets are not committed"), "{}", ended.said);
    assert!(ended.said.contains("a record of 1500000 bytes is too large"), "{}", ended.said);
    let mut payloads: Vec<&[u8]> = refused.iter().map(|it| it.payload.as_deref().unwrap_or_default()).collect();
    let mut expected: Vec<&[u8]> = small.iter().map(String::as_bytes).chain([&b""[..]]).collect();
    payloads.sort_unstable();
    expected.sort_unstable();
    assert!(payloads == expected, "{} records", payloads.len());
    for record in &refused {
        assert_eq!(record.key.as_deref(), Some(&b"mic-01"[..]));
        assert_eq!(record.headers.len(), 5);
    }
}

fn a_huge_record_is_refused(broker: &Broker) {
    const HUGE_BYTES: usize = 100_000_000;
    let scene = Scene::new(Scenario::Hour, 32, 4.0);
    let site = Site::new(broker, "huge");
    site.create_topics(broker, HUGE_BYTES as u32 + 1_000_000);
    scene.publish_reference(broker, &site);
    let expected = settled(&scene.replay(&scene.lines));
    let (before, after) = scene.lines.split_at(scene.simulation.deliveries.len() / 2);
    scene.publish(broker, &site, before);
    let producer: BaseProducer = broker
        .client()
        .set("message.max.bytes", (HUGE_BYTES + 1_000_000).to_string())
        .set("queue.buffering.max.kbytes", "400000")
        .create()
        .expect("a producer");
    let topic = site.topic("sensors");
    let huge = vec![b'x'; HUGE_BYTES];
    producer.send(BaseRecord::to(&topic).key("mic-01").payload(&huge)).map_err(|(error, _)| error).expect("sent");
    producer.flush(PATIENCE).expect("taken");
    drop(huge);
    scene.publish(broker, &site, after);

    let program = site.run(&[]);
    program.await_event_time(0, settled_ns(&scene));
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_same(&settled(&last(&read_to_end(broker, &site.topic("violations")))), &expected, "behind a huge record");
    let refused = read_to_end(broker, &site.topic("rejected"));
    assert_eq!(refused.len(), 1, "{}", ended.said);
    let header = |name: &str| {
        let found = refused[0].headers.iter().find(|(key, _)| key == &format!("__connect.errors.{name}"));
        String::from_utf8(found.expect("a header").1.clone()).expect("text")
    };
    assert_eq!(header("exception.class.name"), "too_large");
    assert_eq!(header("exception.message"), format!("the record held {HUGE_BYTES} bytes; expected at most 1048576"));
    assert_eq!(refused[0].key.as_deref(), Some(&b"mic-01"[..]));
    assert_eq!(refused[0].payload.as_deref().unwrap_or_default(), b"", "too large to be passed on");
    assert!(ended.said.contains("too large for"), "{}", ended.said);
}
