//! A stream whose engine is written down and taken up by another again and again: it says byte for byte what one says that goes
//! through undisturbed, first words and last.

use super::restarted::corrected;
use super::stream::{PARTITION, Stream, in_batches};
use crate::engine::book::Kept;
use crate::engine::checkpoint::{CheckpointError, Written};
use crate::engine::settings::Settings;
use crate::engine::{Engine, Output};
use crate::model::observation::Observations;
use crate::model::time::{NS_PER_S, Timestamp, ns_from_s, parse_rfc3339};
use crate::simulate::{Options, Scenario, Simulation, simulate};
use std::collections::BTreeSet;

/// Observations that go through the engine at a time.
const BATCH: usize = 48;
/// The partition of nodes of odd number.
const OTHER: (u16, i32) = (0, 1);
/// It is read so much later.
const BEHIND_NS: i64 = 15 * NS_PER_S;

/// Some nodes say what is of two hours later: it is held back.
fn ahead(mut scene: Simulation) -> Simulation {
    for sent in scene.deliveries.iter_mut().step_by(997) {
        let mut line: serde_json::Value = serde_json::from_str(&sent.line).expect("a line");
        let time_ns = parse_rfc3339(line["time"].as_str().expect("a time").as_bytes()).expect("a time");
        line["time"] = serde_json::to_value(Timestamp(time_ns + ns_from_s(7_200.0))).expect("a time");
        sent.line = line.to_string();
    }
    scene
}

/// What comes from two partitions, of which the second is read later.
pub(super) fn in_two_partitions(stream: &Stream) -> Vec<Observations> {
    let mut all = Observations::default();
    stream.rows().for_each(|(batch, row)| all.copy_row(batch, row));
    let mut newest_ns = i64::MIN;
    let mut order: Vec<(i64, usize)> = Vec::with_capacity(all.len());
    for row in 0..all.len() {
        let is_other = all.node[row].0 % 2 == 1;
        all.origin[row].partition = if is_other { OTHER.1 } else { PARTITION.1 };
        // By what has been sent so far, for what is late comes late.
        let time_ns = all.time_ns[row];
        newest_ns = if row == 0 { time_ns } else { time_ns.clamp(newest_ns, newest_ns + NS_PER_S) };
        order.push((newest_ns + if is_other { BEHIND_NS } else { 0 }, row));
    }
    order.sort_unstable();
    in_batches(order.into_iter().map(|(_, row)| (&all, row)), || BATCH)
}

/// What was seen to be on its way when an engine was written down.
#[derive(Debug, Default)]
pub(super) struct Seen {
    times: usize,
    held: usize,
    arrivals: usize,
    bytes: usize,
}

pub(super) fn engine(stream: &Stream) -> Engine {
    let mut engine = stream.engine(&Settings::default());
    engine.assign(OTHER);
    engine
}

/// Another that goes on where this one is.
fn successor(before: Engine, stream: &Stream, seen: &mut Seen) -> Engine {
    let bytes = before.checkpoint(Vec::new()).and_then(Written::finish).expect("a checkpoint");
    seen.times += 1;
    seen.held = seen.held.max(before.lines_held());
    seen.arrivals = seen.arrivals.max(before.arrivals_held());
    seen.bytes = seen.bytes.max(bytes.len());
    let mut engine = stream.engine(&Settings::default());
    engine.take_up(&bytes).expect("the same");
    assert_same(&before, &engine);
    engine
}

/// Both give the same bytes, but for ids, which stand in no order.
fn assert_same(one: &Engine, other: &Engine) {
    for (number, (one, other)) in one.pieces().into_iter().zip(other.pieces()).enumerate() {
        let (name, one, other) = (one.0, one.1(), other.1());
        let same = if name == "duplicates" { one.len() == other.len() } else { one == other };
        assert!(same, "{number}, {name}");
    }
}

/// What was said, in full.
fn told(output: &mut Output) -> Vec<String> {
    let said = output.said.drain(..);
    let mut told: Vec<String> = said
        .map(|said| {
            let feature = serde_json::to_string(&said.feature).expect("an alert");
            format!("{} {:?} {feature}", said.key, said.deciding)
        })
        .collect();
    told.extend(output.escalations.drain(..).map(|said| format!("{said:?}")));
    told.extend(output.refused.drain(..).map(|refused| format!("{refused:?}")));
    told.extend(output.released.drain(..).map(|released| format!("{released:?}")));
    told
}

/// Sends these through both: one goes through, of the other there is a new one every so many batches.
pub(super) fn hold(
    (mut steady, mut renewed): (Engine, Engine),
    batches: &[Observations],
    every: usize,
    stream: &Stream,
) -> (usize, Seen) {
    let (mut out, mut other, mut seen, mut count) = (Output::default(), Output::default(), Seen::default(), 0);
    let mut compare = |out: &mut Output, other: &mut Output, when: &str| {
        let (expected, found) = (told(out), told(other));
        count += expected.len();
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(found, expected, "{when}");
        }
        assert_eq!(found.len(), expected.len(), "{when}");
    };
    for (at, batch) in batches.iter().enumerate() {
        steady.ingest(batch, &stream.registry, &mut out);
        renewed.ingest(batch, &stream.registry, &mut other);
        compare(&mut out, &mut other, &format!("batch {at} of {}", batches.len()));
        if at % every == every - 1 {
            renewed = successor(renewed, stream, &mut seen);
            assert_eq!(renewed.counts(), steady.counts());
            assert_eq!(renewed.low_water_ns(), steady.low_water_ns());
        }
    }
    assert_same(&steady, &renewed);
    for (engine, output) in [(&mut steady, &mut out), (&mut renewed, &mut other)] {
        engine.caught_up(PARTITION, &stream.registry, output);
        engine.caught_up(OTHER, &stream.registry, output);
        engine.finish(&stream.registry, output);
    }
    compare(&mut out, &mut other, "the end");
    println!("{seen:?}, {count} said");
    (count, seen)
}

fn scene(scenario: Scenario, duration_s: f64, rate: f64) -> Stream {
    let options = Options { duration_s: Some(duration_s), rate, very_late_share: 0.01, ..Options::default() };
    Stream::decode(corrected(ahead(simulate(scenario, 87, &options)), 7))
}

#[test]
fn engines_that_take_one_another_up_say_what_one_says_to_the_last_byte() {
    for (scenario, rate, every) in [(Scenario::Barrage, 2.0, 7), (Scenario::Fused, 1.0, 2)] {
        let stream = scene(scenario, 600.0, rate);
        let (count, seen) = hold((engine(&stream), engine(&stream)), &in_two_partitions(&stream), every, &stream);
        assert!(count > 300 && seen.times > 30 && seen.held > 5 && seen.arrivals > 100, "{count} {seen:?}");
    }
}

/// They also take up what such a one had only begun with.
#[test]
fn and_so_they_do_where_what_was_learnt_is_still_read_again() {
    let stream = scene(Scenario::Fused, 500.0, 1.0);
    let batches = in_two_partitions(&stream);
    let (before, after) = batches.split_at(batches.len() / 2);
    let (mut first, mut out) = (engine(&stream), Output::default());
    before.iter().for_each(|batch| first.ingest(batch, &stream.registry, &mut out));
    let keys: BTreeSet<String> = out.said.iter().map(|said| said.key.to_string()).collect();
    let kept: Vec<Kept> = keys.iter().filter_map(|key| first.book().kept(key)).collect();
    let learnt: Vec<_> = (0..first.regions()).filter_map(|region| first.learnt_in(region, &stream.registry)).collect();
    let low_water_ns = first.low_water_ns();
    let mut again: Vec<Observations> = before
        .iter()
        .skip_while(|batch| batch.time_ns.iter().all(|&time_ns| time_ns < low_water_ns))
        .cloned()
        .collect();
    again.extend_from_slice(after);
    let goes_on = || {
        let mut engine = engine(&stream);
        engine.restore(kept.clone(), first.settled(), learnt.clone());
        engine.replayed(&stream.registry, &mut Output::default());
        engine
    };
    let mut seen = Seen::default();
    let renewed = successor(goes_on(), &stream, &mut seen);
    let (count, seen) = hold((goes_on(), renewed), &again, 1, &stream);
    assert!(count > 100 && seen.times > 20, "{count} {seen:?}");
}

#[test]
fn what_is_cut_short_or_goes_on_is_refused_and_leaves_the_engine_as_it_was() {
    let stream = scene(Scenario::Fused, 120.0, 1.0);
    let (mut before, mut out) = (engine(&stream), Output::default());
    stream.batches.iter().for_each(|batch| before.ingest(batch, &stream.registry, &mut out));
    // Behind what is there already.
    let bytes = before.checkpoint(b"before".to_vec()).and_then(Written::finish).expect("a checkpoint").split_off(6);
    let mut other = engine(&stream);
    for len in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
        assert!(matches!(other.take_up(&bytes[..len]), Err(CheckpointError::Unreadable(_))), "{len}");
    }
    assert_eq!(other.take_up(&[&bytes[..], &[0, 0]].concat()), Err(CheckpointError::TooLong(2)));
    assert_same(&engine(&stream), &other);
    other.take_up(&bytes).expect("the same");
    assert_same(&before, &other);
}
