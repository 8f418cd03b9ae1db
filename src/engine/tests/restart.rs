//! What a process says that takes the place of another.

use super::*;
use crate::engine::book::Kept;
use crate::model::alert::AlertFeature;
use std::collections::BTreeSet;

/// A pick with its offset; nodes of even and of odd number publish to a partition each.
type Sent = (usize, Pick);

fn partition((_, pick): &Sent) -> Partition {
    (0, i32::from(pick.0 % 2 == 1))
}

/// Both partitions are read.
fn reader() -> Engine {
    let mut engine = engine();
    engine.assign((0, 0));
    engine.assign((0, 1));
    engine
}

fn hear(engine: &mut Engine, registry: &Registry, sent: &[Sent], some: usize, out: &mut Output) {
    for part in sent.chunks(some) {
        let mut batch = Observations::default();
        for &(offset, pick) in part {
            push(&mut batch, offset as i64, pick, 0);
        }
        for (origin, sent) in batch.origin.iter_mut().zip(part) {
            origin.partition = partition(sent).1;
        }
        engine.ingest(&batch, registry, out);
    }
}

/// What one partition is read again of, and the last that is not: marks lie so many picks apart.
fn again(sent: &[Sent], of: Partition, low_water_ns: i64, mark_every: usize) -> (Vec<Sent>, Option<Sent>) {
    let mut own: Vec<Sent> = sent.iter().filter(|sent| partition(sent) == of).copied().collect();
    let done = own.iter().take_while(|(_, pick)| START_NS + ns_from_s(pick.1) < low_water_ns).count();
    let again = own.split_off(done / mark_every * mark_every);
    (again, own.last().copied())
}

/// Takes the place of another, which has said that.
fn successor(before: &mut Engine, said: &[Said], registry: &Registry) -> Engine {
    let keys: BTreeSet<&str> = said.iter().map(|said| &*said.key).collect();
    let kept: Vec<Kept> = keys.into_iter().filter_map(|key| before.book().kept(key)).collect();
    let mut engine = reader();
    let learnt = (0..before.regions()).filter_map(|region| before.learnt_in(region, registry)).collect();
    engine.restore(kept, before.settled(), learnt);
    engine
}

/// The last words that stand: how they stand, how sure they are, and on what they rest.
fn standing(said: &[Said]) -> BTreeMap<String, (Status, u64, Vec<String>)> {
    let last: BTreeMap<&str, &AlertFeature> =
        said.iter().map(|said| (&*said.feature.properties.alert, &*said.feature)).collect();
    let stands = last.into_iter().filter(|(_, alert)| alert.properties.status != Status::Retracted);
    stands
        .map(|(id, alert)| {
            let evidence = alert.properties.evidence.iter().map(|cited| cited.id.clone()).collect();
            (id.to_owned(), (alert.properties.status, alert.properties.probability.to_bits(), evidence))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    // The successor gets what was said and learnt, and reads again what was needed then: each partition from a mark of
    // its own, and one after the other. First words hang on what is read when; the last ones do not.
    #[test]
    fn a_successor_says_in_the_end_what_its_predecessor_would_have(
        first in world(), second in world(), gap_s in 0f64..400.0, more_s in 0f64..300.0, mark_every in 1usize..40,
        share in 0.2f64..1.0, some in 1usize..30, dead in 0usize..3,
    ) {
        let registry = registry();
        let mut picks: Vec<Pick> = first.into_iter().chain(later(second, gap_s)).collect();
        picks.sort_by(|a, b| a.1.total_cmp(&b.1));
        picks.dedup_by_key(|pick| (pick.0, ns_from_s(pick.1)));
        let sent: Vec<Sent> = picks.into_iter().enumerate().collect();
        let (before, after) = sent.split_at((sent.len() as f64 * share) as usize);

        let (mut steady, mut out) = (reader(), Output::default());
        hear(&mut steady, &registry, before, 4, &mut out);
        let said = std::mem::take(&mut out.said);
        let low_water_ns = steady.low_water_ns().saturating_sub(ns_from_s(more_s));
        let parts = [(0, 0), (0, 1)].map(|of| (of, again(before, of, low_water_ns, mark_every)));

        // Some die as soon as they have begun.
        let mut next = successor(&mut steady, &said, &registry);
        for _ in 0..dead {
            next = successor(&mut next, &said, &registry);
        }
        for (of, (_, last)) in &parts {
            if let Some((_, pick)) = last {
                next.resume(*of, START_NS + ns_from_s(pick.1));
            }
        }
        for (_, (again, _)) in &parts {
            hear(&mut next, &registry, again, some, &mut out);
        }
        prop_assert!(out.said.is_empty(), "{:?}", out.said);
        next.replayed(&registry, &mut out);
        hear(&mut next, &registry, after, some, &mut out);
        next.finish(&registry, &mut out);
        let by_both: Vec<Said> = said.iter().cloned().chain(std::mem::take(&mut out.said)).collect();

        hear(&mut steady, &registry, after, 4, &mut out);
        steady.finish(&registry, &mut out);
        let by_one: Vec<Said> = said.into_iter().chain(out.said).collect();
        prop_assert_eq!(standing(&by_both), standing(&by_one));
    }
}
