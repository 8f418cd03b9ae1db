//! First words: what was said of an event before all its arrivals were in, and whether that bore out.
//!
//! A first word cites only the few arrivals there were, so the bar of [`super::SAME_EVIDENCE`] on either side is out of its
//! reach. It is right when that share of what *it* cites belongs to one event. Of two that point at one event, the
//! one that shares more is right and the other is wrong.

use super::calibration::Calibration;
use super::{SAME_EVIDENCE, last_revisions};
use crate::model::alert::{AlertFeature, Status};
use crate::simulate::Truth;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

/// How good the first words about fire are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FirstWords {
    /// Alerts of fire whose first revision is preliminary.
    pub said: usize,
    /// Of them, those that were taken back in the end, and the event with them.
    pub retracted: usize,
    /// Of them, those whose event stands under another id in the end.
    pub renamed: usize,
    /// How honest their probabilities are.
    pub calibration: Option<Calibration>,
}

impl FirstWords {
    /// Of all revisions of all alerts, in any order.
    pub fn of(alerts: &[AlertFeature], truth: &[Truth]) -> FirstWords {
        let mut first: Vec<&AlertFeature> = alerts
            .iter()
            .filter(|alert| {
                let properties = &alert.properties;
                properties.revision == 1 && properties.status == Status::Preliminary && properties.class.is_fire()
            })
            .collect();
        first.sort_by(|a, b| a.properties.alert.cmp(&b.properties.alert));
        // Of those that were taken back, whether the event stands under another id.
        let taken_back: FxHashMap<&str, bool> = last_revisions(alerts)
            .into_iter()
            .map(|alert| &alert.properties)
            .filter(|alert| alert.status == Status::Retracted)
            .map(|alert| (alert.alert.as_str(), alert.superseded_by.is_some()))
            .collect();
        let fate = first.iter().filter_map(|word| taken_back.get(word.properties.alert.as_str()));
        let (renamed, retracted): (Vec<bool>, Vec<bool>) = fate.partition(|&&renamed| renamed);
        let right = right(&first, truth);
        let stated: Vec<(f64, bool)> =
            first.iter().zip(right).map(|(a, right)| (a.properties.probability, right)).collect();
        FirstWords {
            said: first.len(),
            retracted: retracted.len(),
            renamed: renamed.len(),
            calibration: Calibration::of(&stated),
        }
    }
}

/// Which of them are right.
fn right(first: &[&AlertFeature], truth: &[Truth]) -> Vec<bool> {
    let mut events_of: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    for (at, event) in truth.iter().enumerate().filter(|(_, event)| event.class.is_fire()) {
        for id in &event.evidence {
            events_of.entry(id).or_default().push(at);
        }
    }
    // (arrivals in common, word, event)
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (word, alert) in first.iter().enumerate() {
        let cited: FxHashSet<&str> = alert.properties.evidence.iter().map(|evidence| evidence.id.as_str()).collect();
        let mut shared: FxHashMap<usize, usize> = FxHashMap::default();
        for &event in cited.iter().filter_map(|id| events_of.get(id)).flatten() {
            *shared.entry(event).or_default() += 1;
        }
        let enough = |&(_, shared): &(usize, usize)| shared as f64 >= SAME_EVIDENCE * cited.len() as f64 - 1e-9;
        pairs.extend(shared.into_iter().filter(enough).map(|(event, shared)| (shared, word, event)));
    }
    pairs.sort_unstable_by_key(|&(shared, word, event)| (std::cmp::Reverse(shared), word, event));
    let (mut right, mut taken) = (vec![false; first.len()], vec![false; truth.len()]);
    for (_, word, event) in pairs {
        if !right[word] && !taken[event] {
            (right[word], taken[event]) = (true, true);
        }
    }
    right
}
