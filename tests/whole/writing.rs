//! The sink against a real broker.

use super::Case;
use super::broker::Broker;
use super::records::{PATIENCE, consume_all, fresh};
use std::collections::BTreeMap;
use truceline::kafka::settings::Compression;
use truceline::kafka::{KafkaSettings, Sink};

pub const TRIALS: &[Case] = &[
    ("records_arrive_with_key_payload_and_headers", records_arrive_with_key_payload_and_headers),
    ("records_of_a_key_stay_in_order_however_compressed", records_of_a_key_stay_in_order),
    ("a_record_the_broker_refuses_is_told", a_record_the_broker_refuses_is_told),
];

fn records_arrive_with_key_payload_and_headers(broker: &Broker) {
    let topic = fresh("headers");
    broker.create_topic(&topic, 4);
    let sink = Sink::new(&broker.settings("unused")).expect("a sink");
    let headers: [(&str, &[u8]); 3] = [("ce_specversion", b"1.0"), ("ce_id", b"A-1"), ("empty", b"")];
    sink.send(&topic, Some(b"A"), b"{\"n\":1}", &headers).expect("sent");
    sink.send(&topic, None, &[0, 255, 10], &[]).expect("sent");
    sink.flush(PATIENCE).expect("delivered");
    let mut received = consume_all(broker, &topic, |received| received.len() == 2);
    received.sort_by_key(|record| record.key.is_none());
    assert_eq!(received[0].key.as_deref(), Some(&b"A"[..]));
    assert_eq!(received[0].payload.as_deref(), Some(&b"{\"n\":1}"[..]));
    let expected: Vec<(String, Vec<u8>)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    assert_eq!(received[0].headers, expected);
    assert_eq!((received[1].key.as_deref(), received[1].payload.as_deref()), (None, Some(&[0, 255, 10][..])));
}

fn records_of_a_key_stay_in_order(broker: &Broker) {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let topic = fresh("ordered");
        broker.create_topic(&topic, 4);
        let settings = KafkaSettings { compression, unsent_records: 1000, ..broker.settings("unused") };
        let sink = Sink::new(&settings).expect("a sink");
        for n in 0..20_000u32 {
            let key = (n % 97).to_string();
            sink.send(&topic, Some(key.as_bytes()), n.to_string().as_bytes(), &[]).expect("sent");
        }
        sink.flush(PATIENCE).expect("delivered");
        let received = consume_all(broker, &topic, |received| received.len() >= 20_000);
        let mut by_key: BTreeMap<Vec<u8>, Vec<(i32, i64, u32)>> = BTreeMap::new();
        for record in received {
            let number =
                String::from_utf8_lossy(record.payload.as_deref().expect("a payload")).parse().expect("a number");
            by_key.entry(record.key.expect("a key")).or_default().push((record.partition, record.offset, number));
        }
        assert_eq!(by_key.len(), 97);
        for records in by_key.values() {
            assert!(records.iter().all(|record| record.0 == records[0].0), "a key has one partition");
            assert!(records.is_sorted_by(|a, b| a.1 < b.1 && a.2 < b.2), "in the order of sending");
        }
    }
}

fn a_record_the_broker_refuses_is_told(broker: &Broker) {
    let topic = fresh("refused");
    broker.create_topic(&topic, 1);
    let sink = Sink::new(&broker.settings("unused")).expect("a sink");
    // Incompressible, below our limit and above the broker's default of 1 MiB.
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(1_900_000)
    .collect();
    sink.send(&topic, None, &noise, &[]).expect("accepted");
    let told = sink.flush(PATIENCE).expect_err("refused by the broker").to_string();
    assert!(told.contains(&topic) && told.to_lowercase().contains("too large"), "{told}");
}
