//! Arrivals and radar's solutions that their senders put right or take back.

use super::late_radar::{impact, with_radar};
use super::scene::{self, Scene, Words, pick, put};
use super::*;
use crate::model::alert::AlertFeature;

/// An arrival, and what it says of another of its node: which, and whether it only takes it back.
#[derive(Clone, Debug)]
struct Sent {
    pick: scene::Pick,
    corrects: Option<(String, bool)>,
}

fn plain(picks: Vec<scene::Pick>) -> Vec<Sent> {
    picks.into_iter().map(|pick| Sent { pick, corrects: None }).collect()
}

/// The arrival as its node has it now, so much later; or nothing in its place.
fn correction(of: &scene::Pick, moved_s: f64, is_withdrawn: bool) -> Sent {
    let pick = scene::Pick { at_s: of.at_s + moved_s, id: format!("{}-again", of.id), ..of.clone() };
    Sent { pick, corrects: Some((of.id.clone(), is_withdrawn)) }
}

fn correct(batch: &mut Observations, id: &str, is_withdrawn: bool) {
    let span = batch.store(id.as_bytes());
    *batch.supersedes.last_mut().unwrap() = span;
    *batch.withdrawn.last_mut().unwrap() = is_withdrawn;
}

/// All that is said of what comes in that order.
fn hear(scene: &Scene, sent: &[Sent], some: usize) -> Vec<AlertFeature> {
    let (mut engine, registry, mut out) = (engine(), scene.registry(), Output::default());
    let numbered: Vec<(i64, &Sent)> = (0..).zip(sent).collect();
    for part in numbered.chunks(some) {
        let mut batch = Observations::default();
        for (offset, sent) in part {
            scene::push(&mut batch, *offset, &sent.pick);
            if let Some((id, is_withdrawn)) = &sent.corrects {
                correct(&mut batch, id, *is_withdrawn);
            }
        }
        engine.ingest(&batch, &registry, &mut out);
    }
    engine.finish(&registry, &mut out);
    out.said.into_iter().map(Said::into_feature).collect()
}

/// The last words that stand, but for where their evidence stood in the stream and how often they were said.
fn last_words(said: Vec<AlertFeature>) -> Words {
    let mut last = Words::new();
    for mut alert in said {
        alert.properties.revision = 0;
        alert.properties.evidence_digest.clear();
        alert.properties.evidence.iter_mut().for_each(|evidence| evidence.offset = 0);
        last.insert(alert.properties.alert.clone(), alert);
    }
    last.retain(|_, alert| alert.properties.status != Status::Retracted);
    last
}

fn cited(words: &Words) -> Vec<&str> {
    let mut cited: Vec<&str> =
        words.values().flat_map(|alert| &alert.properties.evidence).map(|evidence| evidence.id.as_str()).collect();
    cited.sort_unstable();
    cited
}

/// Each held up by so much of up to 20 s.
fn shuffled(sent: &[Sent], delays_s: &[f64]) -> Vec<Sent> {
    let mut delayed: Vec<(f64, &Sent)> =
        sent.iter().zip(delays_s.iter().cycle()).map(|(sent, delay_s)| (sent.pick.at_s + delay_s, sent)).collect();
    delayed.sort_by(|a, b| a.0.total_cmp(&b.0));
    delayed.into_iter().map(|(_, sent)| sent.clone()).collect()
}

#[test]
fn a_corrected_arrival_takes_the_place_of_the_first() {
    let scene = Scene::square();
    let right = scene.shot(500.0, -700.0, 30.0);
    // One node is two seconds off at first.
    let mut sent = plain(right.clone());
    let wrong = scene::Pick { at_s: right[3].at_s - 2.0, id: "off".to_owned(), ..right[3].clone() };
    sent[3] = Sent { pick: right[3].clone(), corrects: Some(("off".to_owned(), false)) };
    sent.push(Sent { pick: wrong, corrects: None });
    let told = last_words(hear(&scene, &shuffled(&sent, &[0.0]), 3));
    assert_eq!(told, last_words(hear(&scene, &shuffled(&plain(right.clone()), &[0.0]), 3)), "as if it had come alone");
    assert!(cited(&told).contains(&right[3].id.as_str()));
}

#[test]
fn an_event_of_which_too_much_is_taken_back_is_taken_back_at_once_and_for_good() {
    let scene = Scene::square();
    let shot = scene.shot(500.0, -700.0, 30.0);
    let mut sent = plain(shot.clone());
    sent.sort_by(|a, b| a.pick.at_s.total_cmp(&b.pick.at_s));
    let first: BTreeMap<String, Status> =
        hear(&scene, &sent, 3).into_iter().map(|said| (said.properties.alert, said.properties.status)).collect();
    assert_eq!(first.len(), 1);
    // It is said before anything is taken back, and taken back while event time stands.
    sent.extend(shot[2..].iter().map(|pick| correction(pick, 0.01, true)));
    let said = hear(&scene, &sent, 1);
    assert!(said.iter().any(|said| said.properties.status == Status::Preliminary));
    let last = said.iter().rev().find(|said| first.contains_key(&said.properties.alert)).expect("was said");
    assert_eq!(last.properties.status, Status::Retracted);
    assert!(last_words(said).is_empty());
    // A taken back one that comes before what it takes back leaves nothing to be said at all.
    let back = shot[2..].iter().map(|pick| correction(pick, -0.01, true));
    let sent: Vec<Sent> = back.chain(plain(shot.clone())).collect();
    assert!(hear(&scene, &sent, 1).is_empty());
}

#[test]
fn what_is_taken_back_after_the_final_word_stands_and_so_does_what_comes_late() {
    let scene = Scene::square();
    let shot = scene.shot(500.0, -700.0, 30.0);
    // A pick of nothing now and then moves event time on.
    let mut sent = plain(shot.clone());
    sent.extend(plain((0..60).map(|k| pick(k % 16, 61.3 + 10.0 * f64::from(k))).collect()));
    let expected = last_words(hear(&scene, &shuffled(&sent, &[0.0]), 3));
    assert_eq!(expected.len(), 1);
    let back = |moved_s: f64| shot.iter().map(move |pick| correction(pick, moved_s, true));
    let much_later: Vec<Sent> = sent.iter().cloned().chain(back(500.0)).collect();
    assert_eq!(last_words(hear(&scene, &shuffled(&much_later, &[0.0]), 3)), expected, "after it was final");
    // Dated as what it takes back, and an hour late.
    let late: Vec<Sent> = shuffled(&sent, &[0.0]).into_iter().chain(back(0.0)).collect();
    assert_eq!(last_words(hear(&scene, &late, 3)), expected);
    // Before it was final, whenever that came.
    let soon: Vec<Sent> = sent.into_iter().chain(back(40.0)).collect();
    assert_eq!(last_words(hear(&scene, &shuffled(&soon, &[0.0]), 3)), Words::new());
}

#[test]
fn a_solution_is_corrected_and_taken_back_whatever_came_first() {
    let scene = Scene::square();
    let (registry, radar) = with_radar(&scene);
    let frame = Frame::about(scene.centre);
    // A shot that microphones hear, and solutions of it: the second is 60 m off.
    let hear = |order: &[usize], corrects: Option<bool>| {
        let (mut engine, mut out) = (engine(), Output::default());
        for (offset, pick) in (100..).zip(scene.shot(500.0, -700.0, 30.0)) {
            let mut batch = Observations::default();
            scene::push(&mut batch, offset, &pick);
            engine.ingest(&batch, &registry, &mut out);
        }
        for (offset, &which) in (0..).zip(order) {
            let mut batch = Observations::default();
            let place = frame.to_place(500.0 + 60.0 * which as f64, -700.0);
            let detail = impact(&mut batch, place, START_NS + ns_from_s(30.0));
            let time_ns = START_NS + ns_from_s(55.0 + which as f64);
            put(&mut batch, offset, (radar, Kind::Radar, detail), time_ns, &format!("wlr-{which}"));
            if let Some(is_withdrawn) = corrects.filter(|_| which == 1) {
                correct(&mut batch, "wlr-0", is_withdrawn);
            }
            engine.ingest(&batch, &registry, &mut out);
        }
        engine.finish(&registry, &mut out);
        last_words(out.said.into_iter().map(Said::into_feature).collect())
    };
    let (unheard, first, second) = (hear(&[], None), hear(&[0], None), hear(&[1], None));
    for (words, id) in [(&first, "wlr-0"), (&second, "wlr-1")] {
        assert!(cited(words).contains(&id) && !cited(&unheard).contains(&id), "{words:?}");
    }
    for order in [[0, 1], [1, 0]] {
        assert_eq!(hear(&order, None), first, "the better of them, {order:?}");
        assert_eq!(hear(&order, Some(false)), second, "{order:?}");
        assert_eq!(hear(&order, Some(true)), unheard, "{order:?}");
    }
}

/// Shots and clutter; of each pick whether it is corrected, by how much it is moved, and whether it is only taken back.
fn world() -> impl Strategy<Value = Vec<Sent>> {
    let change = (0u32..3, -3f64..30.0, any::<bool>(), any::<bool>());
    (super::world(), proptest::collection::vec(change, 1..40)).prop_map(|(picks, changes)| {
        let mut sent = Vec::new();
        for ((node, at_s), (which, moved_s, is_withdrawn, again)) in picks.into_iter().zip(changes.into_iter().cycle())
        {
            let first = pick(node, at_s);
            if which == 0 {
                // What corrects may move a little, what takes back may come any time.
                let moved_s = if is_withdrawn { moved_s } else { moved_s / 20.0 };
                let second = correction(&first, moved_s, is_withdrawn);
                if again {
                    sent.push(correction(&second.pick, 0.3, false));
                }
                sent.push(second);
            }
            sent.push(Sent { pick: first, corrects: None });
        }
        sent
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn with_corrections_the_final_alerts_depend_neither_on_the_order_nor_on_the_batches(
        sent in world(), delays_s in proptest::collection::vec(0f64..20.0, 1..50), some in 1usize..40, twice in any::<bool>(),
    ) {
        let scene = Scene { nodes: registry_nodes(), ..Scene::square() };
        let expected = last_words(hear(&scene, &shuffled(&sent, &[0.0]), 4));
        let mut other = shuffled(&sent, &delays_s);
        if twice {
            other = other.into_iter().flat_map(|sent| [sent.clone(), sent]).collect();
        }
        prop_assert_eq!(last_words(hear(&scene, &other, some)), expected);
    }

    // Of what is corrected by something no later than itself no step ever knew.
    #[test]
    fn what_is_corrected_at_once_might_never_have_come(sent in world(), some in 1usize..40) {
        let scene = Scene { nodes: registry_nodes(), ..Scene::square() };
        let at_once: Vec<Sent> = sent.iter().map(|one| {
            let root = one.pick.id.trim_end_matches("-again");
            let at_s = sent.iter().find(|other| other.pick.id == root).expect("what is corrected").pick.at_s;
            let depth = (one.pick.id.len() - root.len()) / "-again".len();
            Sent { pick: scene::Pick { at_s: at_s - 0.01 * depth as f64, ..one.pick.clone() }, ..one.clone() }
        }).collect();
        let is_gone = |one: &Sent| {
            let is_corrected = at_once.iter().any(|other| other.corrects.as_ref().is_some_and(|of| of.0 == one.pick.id));
            is_corrected || one.corrects.as_ref().is_some_and(|corrects| corrects.1)
        };
        let left: Vec<Sent> = at_once.iter().filter(|one| !is_gone(one)).cloned().map(|one| Sent { corrects: None, ..one }).collect();
        let expected = last_words(hear(&scene, &shuffled(&left, &[0.0]), 4));
        prop_assert_eq!(last_words(hear(&scene, &shuffled(&at_once, &[0.0]), some)), expected);
    }
}

/// The nodes that [`super::world`] is about.
fn registry_nodes() -> Vec<(String, f64, f64)> {
    (0..16u32)
        .map(|k| (format!("mic-{k:02}"), f64::from(k % 4) * 5e3 - 7.5e3, f64::from(k / 4) * 5e3 - 7.5e3))
        .collect()
}
