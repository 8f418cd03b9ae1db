//! What the decisions on an alert come to.
//!
//! Without a list of reviewers one decision decides, and the last one stands. With one, what stands is a function of the
//! set of decisions, in whatever order they came: of each reviewer the last decision counts, and one stands in which as
//! many of them as are asked for, and somebody of each role that is, agree. The others are kept and shown.

use crate::model::alert::Alert;
use crate::model::decision::{Decision, Panel, ReviewState, Verdict};
use crate::model::review::Review;
use std::collections::{BTreeMap, BTreeSet};

/// What an alert says of attribution while nobody has decided.
pub const UNDETERMINED: &str = "undetermined";

/// What reviewers agree in when they do: the verdict, and to whom it is attributed.
type Verdicts<'a> = BTreeMap<(Verdict, Option<&'a str>), Vec<&'a Decision>>;

/// Adds a decision to those of an alert, and says by all of them what stands.
pub(super) fn take(alert: &mut Alert, decision: Decision, review: &Review) {
    let before = alert.panel.take().map(|panel| panel.decisions);
    // What stood before there were reviewers is not lost.
    let mut decisions = before.unwrap_or_else(|| alert.review.take().into_iter().collect());
    decisions.push(decision);
    let decisions = those_that_count(decisions);
    let verdicts = group(&last_of_each(decisions.iter()));
    let sides = verdicts.len();
    let standing = agreed(verdicts, review);
    let state = match standing.len() {
        1 => ReviewState::Decided,
        0 if sides < 2 => ReviewState::Open,
        _ => ReviewState::Contested,
    };
    let mut attributing = last_of_each(decisions.iter().filter(|it| bears_on_attribution(it)));
    attributing.retain(|_, it| it.attributes_to().is_some());
    let attribution = newest(agreed(group(&attributing), review))
        .and_then(Decision::attributes_to)
        .unwrap_or(UNDETERMINED)
        .to_owned();
    alert.review = newest(standing).cloned();
    alert.attribution = attribution;
    alert.panel = Some(Panel { state, quorum: review.quorum, roles: review.roles.clone(), decisions });
}

/// Notes on each decision whether what the alert says has changed since it was reviewed.
pub(super) fn mark_outdated(alert: &mut Alert, content_revision: u32) {
    let panel = alert.panel.iter_mut().flat_map(|panel| &mut panel.decisions);
    for decision in alert.review.iter_mut().chain(panel) {
        decision.outdated = decision.revision < content_revision;
    }
}

/// Of each reviewer the last decision, and the last that bears on attribution: never more than two of one. In order,
/// each once.
fn those_that_count(mut decisions: Vec<Decision>) -> Vec<Decision> {
    // As they come in: whether one is outdated is found anew.
    decisions.iter_mut().for_each(|it| it.outdated = false);
    let last = last_of_each(decisions.iter()).into_values();
    let bearing = last_of_each(decisions.iter().filter(|it| bears_on_attribution(it))).into_values();
    let mut counts: Vec<&Decision> = last.chain(bearing).collect();
    counts.sort_by(|a, b| a.cmp_in_time(b));
    counts.dedup();
    counts.into_iter().cloned().collect()
}

/// Who confirms an alert, or asks for more, has taken back no attribution; who dismisses it has.
fn bears_on_attribution(decision: &Decision) -> bool {
    decision.attributes_to().is_some() || decision.decision == Verdict::Dismissed
}

fn last_of_each<'a>(decisions: impl Iterator<Item = &'a Decision>) -> BTreeMap<&'a str, &'a Decision> {
    let mut last: BTreeMap<&str, &Decision> = BTreeMap::new();
    for decision in decisions {
        let held = last.entry(&decision.by).or_insert(decision);
        if held.cmp_in_time(decision).is_lt() {
            *held = decision;
        }
    }
    last
}

fn group<'a>(decisions: &BTreeMap<&'a str, &'a Decision>) -> Verdicts<'a> {
    let mut groups = Verdicts::new();
    for &decision in decisions.values() {
        groups.entry((decision.decision, decision.attributes_to())).or_default().push(decision);
    }
    groups
}

/// The groups in which enough agree. Whoever is no reviewer (any more) does not count.
fn agreed<'a>(groups: Verdicts<'a>, review: &Review) -> Vec<Vec<&'a Decision>> {
    let is_enough = |group: &Vec<&Decision>| {
        let roles: Vec<&str> = group.iter().filter_map(|it| review.role_of(&it.by)).collect();
        let present: BTreeSet<&str> = roles.iter().copied().collect();
        roles.len() >= review.quorum as usize && review.roles.iter().all(|role| present.contains(role.as_str()))
    };
    groups.into_values().filter(is_enough).collect()
}

fn newest(groups: Vec<Vec<&Decision>>) -> Option<&Decision> {
    groups.into_iter().flatten().max_by(|a, b| a.cmp_in_time(b))
}
