//! A first word whose event is known by another arrival in the end.

use super::*;
use crate::model::alert::Alert;

#[test]
fn a_first_word_whose_event_stands_under_another_id_names_it() {
    let registry = registry();
    let mut picks = heard(&registry, 500.0, -700.0, 10.0);
    picks.sort_by(|a, b| a.1.total_cmp(&b.1));
    // The earliest arrival is delivered after the first word, still in time.
    let earliest = picks.remove(0);
    picks.insert(8, earliest);
    let (mut engine, mut out) = (engine(), Output::default());
    for (offset, &pick) in (0..).zip(&picks) {
        let mut batch = Observations::default();
        push(&mut batch, offset, pick, 0);
        engine.ingest(&batch, &registry, &mut out);
    }
    engine.finish(&registry, &mut out);
    let last: BTreeMap<String, Alert> = out
        .said
        .into_iter()
        .map(|said| (said.feature.properties.alert.clone(), said.into_feature().properties))
        .collect();
    let (taken_back, standing): (Vec<&Alert>, Vec<&Alert>) =
        last.values().partition(|alert| alert.status == Status::Retracted);
    let ([first], [event]) = (taken_back.as_slice(), standing.as_slice()) else { panic!("{last:#?}") };
    assert_eq!((first.superseded_by.as_ref(), first.probability), (Some(&event.alert), 0.0));
    assert_eq!((event.status, event.superseded_by.as_ref()), (Status::Final, None));
    let cites = |alert: &Alert| alert.evidence.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
    assert!(cites(first).iter().all(|id| cites(event).contains(id)));
}
