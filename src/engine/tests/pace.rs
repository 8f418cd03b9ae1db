//! Two partitions, one of which is read far ahead of the other: what is late, and what is said, is what it was had both
//! been read as they came.

use super::*;
use crate::model::time::NS_PER_S;
use std::collections::BTreeSet;

/// A line: its partition, its node, and its time.
type Line = (i32, u32, f64);

/// What was said last of each alert: as what, on which evidence, and how sure in ten thousandths.
type LastWords = BTreeMap<String, (Status, Vec<String>, u32)>;

const FROM_S: f64 = 30.0;
const TO_S: f64 = 700.0;

/// In order of delivery: two events that fourteen nodes and more hear, something of every node every ten seconds, and what
/// three nodes heard of the events and tell minutes later. Nodes with even numbers are in partition 0.
fn lines() -> Vec<Line> {
    let registry = registry();
    let mut lines = Vec::<(f64, Line)>::new();
    let partition = |node: u32| (node % 2) as i32;
    for (x_m, y_m, at_s, held_up) in [(500.0, 300.0, 60.0, [2, 5]), (-900.0, 1_200.0, 150.0, [7, 9])] {
        for (node, time_s) in heard(&registry, x_m, y_m, at_s) {
            let delivered_s = if held_up.contains(&node) { time_s + 240.0 } else { time_s };
            lines.push((delivered_s, (partition(node), node, time_s)));
        }
    }
    for node in 0..16u32 {
        let mut time_s = FROM_S + 0.613 * f64::from(node);
        while time_s < TO_S {
            lines.push((time_s, (partition(node), node, time_s)));
            time_s += 10.0;
        }
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Reads lines in this order; what was said in the end, and how many were late. `between` looks at the engine.
fn read(lines: &[Line], mut between: impl FnMut(&Engine)) -> (LastWords, u64) {
    let registry = registry();
    let (mut engine, mut out) = (engine(), Output::default());
    let mut offsets = [0; 2];
    for partition in [0, 1] {
        engine.assign((0, partition));
    }
    for &(partition, node, time_s) in lines {
        let mut batch = Observations::default();
        push(&mut batch, offsets[partition as usize], (node, time_s), 0);
        offsets[partition as usize] += 1;
        batch.origin[0].partition = partition;
        engine.ingest(&batch, &registry, &mut out);
        between(&engine);
    }
    engine.finish(&registry, &mut out);
    assert!(out.refused.is_empty(), "{:?}", out.refused);
    let mut last = BTreeMap::new();
    for said in out.said {
        let alert = said.into_feature().properties;
        let evidence = alert.evidence.iter().map(|evidence| evidence.id.clone()).collect();
        last.insert(alert.alert, (alert.status, evidence, (alert.probability * 1e4).round() as u32));
    }
    last.retain(|_, said| said.0 != Status::Retracted);
    (last, engine.counts().late)
}

#[test]
fn what_is_late_does_not_depend_on_which_partition_was_read_first() {
    let lines = lines();
    let (as_it_came, late) = read(&lines, |_| {});
    assert_eq!(late, 4);
    let amended = as_it_came.values().filter(|said| said.0 == Status::Amended).count();
    assert_eq!(amended, 2, "{as_it_came:?}");
    for first in [0, 1] {
        let mut one_by_one = lines.clone();
        one_by_one.sort_by_key(|line| line.0 != first);
        assert_eq!(read(&one_by_one, |_| {}), (as_it_came.clone(), late), "partition {first} first");
    }
}

#[test]
fn a_partition_that_is_far_ahead_is_to_wait_for_the_other_and_never_both() {
    let lines = lines();
    let most_ns = 100 * NS_PER_S;
    read(&lines, |engine| assert_eq!(engine.ahead(most_ns), BTreeSet::new(), "both go on"));
    let mut one_by_one = lines.clone();
    one_by_one.sort_by_key(|line| line.0);
    let (mut seen, mut waits) = (0, 0);
    read(&one_by_one, |engine| {
        seen += 1;
        let ahead = engine.ahead(most_ns);
        let newest_s = one_by_one[..seen].iter().filter(|line| line.0 == 0).map(|line| line.2).fold(0.0, f64::max);
        let is_first = one_by_one[seen - 1].0 == 0;
        if is_first && newest_s > FROM_S + 101.0 {
            assert_eq!(ahead, BTreeSet::from([(0, 0)]), "at {newest_s} s");
            waits += 1;
        } else if is_first && newest_s < FROM_S + 99.0 {
            assert_eq!(ahead, BTreeSet::new(), "at {newest_s} s");
        }
    });
    assert!(waits > 100);
}
