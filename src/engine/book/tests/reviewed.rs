//! With a list of reviewers.

use super::*;
use crate::model::decision::{Decision, Panel, ReviewState, Verdict};
use crate::model::review::{Review, Reviewer};

/// Anna (legal), Ben, Carl (legal) and Dora.
fn commission(quorum: u32, roles: &[&str]) -> Review {
    let reviewer = |(name, role): (&str, &str)| Reviewer {
        name: name.to_owned(),
        role: role.to_owned(),
        public_key: String::new(),
    };
    let all = [("anna", "legal"), ("ben", "military"), ("carl", "legal"), ("dora", "military")];
    Review {
        quorum,
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        reviewers: all.map(reviewer).into(),
        ..Review::default()
    }
}

fn desk(review: Review) -> Desk {
    let mut desk = Desk::new();
    desk.book.convene(review);
    desk.say(claim("k", 1), Stage::Final);
    desk
}

fn by(name: &str, verdict: Verdict, at: i64, attribution: Option<&str>) -> Decision {
    Decision {
        by: name.to_owned(),
        attribution: attribution.map(str::to_owned),
        ..decision(&alert_id("k"), 1, verdict, at)
    }
}

fn panel(desk: &Desk) -> Panel {
    desk.book.last("k").unwrap().properties.panel.clone().expect("reviewers have decided")
}

fn standing(desk: &Desk) -> Option<(Verdict, String)> {
    let review = desk.book.last("k").unwrap().properties.review.clone();
    review.map(|review| (review.decision, review.by))
}

#[test]
fn a_decision_stands_when_enough_agree_and_dissent_is_shown() {
    let mut desk = desk(commission(2, &[]));
    desk.book.decide(by("anna", Verdict::Confirmed, 10, None)).unwrap();
    assert_eq!((standing(&desk), panel(&desk).state), (None, ReviewState::Open));
    desk.book.decide(by("anna", Verdict::Confirmed, 11, None)).unwrap();
    assert_eq!(panel(&desk).state, ReviewState::Open, "one reviewer twice is one");
    desk.book.decide(by("ben", Verdict::Dismissed, 12, None)).unwrap();
    assert_eq!((standing(&desk), panel(&desk).state), (None, ReviewState::Contested));
    desk.book.decide(by("carl", Verdict::Confirmed, 13, None)).unwrap();
    assert_eq!(standing(&desk), Some((Verdict::Confirmed, "carl".to_owned())));
    assert_eq!((panel(&desk).state, panel(&desk).quorum, panel(&desk).decisions.len()), (ReviewState::Decided, 2, 3));
    desk.book.decide(by("dora", Verdict::Dismissed, 14, None)).unwrap();
    assert_eq!(panel(&desk).state, ReviewState::Contested, "two against two");
    let said = desk.said();
    assert_eq!(said.len(), 5, "each amends: {said:?}");
}

#[test]
fn each_role_that_is_asked_for_has_to_be_among_those_who_agree() {
    let mut desk = desk(commission(2, &["military"]));
    desk.book.decide(by("anna", Verdict::Confirmed, 10, None)).unwrap();
    desk.book.decide(by("carl", Verdict::Confirmed, 11, None)).unwrap();
    assert_eq!((standing(&desk), panel(&desk).state), (None, ReviewState::Open), "both are legal");
    desk.book.decide(by("dora", Verdict::Confirmed, 12, None)).unwrap();
    assert_eq!(panel(&desk).state, ReviewState::Decided);
}

#[test]
fn an_attribution_takes_as_many_and_dismissing_takes_it_back() {
    let attribution = |desk: &Desk| desk.book.last("k").unwrap().properties.attribution.clone();
    let mut desk = desk(commission(2, &[]));
    desk.book.decide(by("anna", Verdict::Attributed, 10, Some("party a"))).unwrap();
    desk.book.decide(by("ben", Verdict::Attributed, 11, Some("party b"))).unwrap();
    assert_eq!((attribution(&desk), panel(&desk).state), ("undetermined".to_owned(), ReviewState::Contested));
    desk.book.decide(by("carl", Verdict::Attributed, 12, Some("party a"))).unwrap();
    assert_eq!((attribution(&desk), panel(&desk).state), ("party a".to_owned(), ReviewState::Decided));
    desk.book.decide(by("carl", Verdict::Confirmed, 13, None)).unwrap();
    assert_eq!(attribution(&desk), "party a", "who confirms takes nothing back");
    assert_eq!(panel(&desk).decisions.len(), 4, "what Carl attributed is kept");
    desk.book.decide(by("carl", Verdict::Dismissed, 14, None)).unwrap();
    assert_eq!((attribution(&desk), panel(&desk).decisions.len()), ("undetermined".to_owned(), 3));
}

#[test]
fn what_was_decided_on_an_earlier_state_is_accepted_and_shown_as_such() {
    let outdated = |desk: &Desk| panel(desk).decisions.iter().map(|it| it.outdated).collect::<Vec<_>>();
    let mut desk = desk(commission(1, &[]));
    desk.book.decide(by("anna", Verdict::Confirmed, 10, None)).unwrap();
    desk.book.decide(by("ben", Verdict::Confirmed, 11, None)).unwrap();
    assert_eq!(outdated(&desk), [false, false], "a decision alone changes nothing of what was reviewed");
    desk.say(claim("k", 2), Stage::Final);
    assert_eq!(outdated(&desk), [true, true]);
    assert!(desk.book.last("k").unwrap().properties.review.as_ref().unwrap().outdated);
    let now = desk.book.last("k").unwrap().properties.revision;
    desk.book.decide(Decision { revision: now, ..by("ben", Verdict::Confirmed, 12, None) }).unwrap();
    assert_eq!(outdated(&desk), [true, false]);
    let later = desk.book.decide(Decision { revision: now + 2, ..by("ben", Verdict::Confirmed, 13, None) });
    assert!(matches!(later, Err(DecisionError::Revision { .. })), "a revision that is still to come");
}

#[test]
fn what_stood_before_there_were_reviewers_is_kept() {
    let mut desk = Desk::new();
    desk.say(claim("k", 1), Stage::Final);
    desk.book.decide(by("anybody", Verdict::Dismissed, 5, None)).unwrap();
    desk.book.convene(commission(1, &[]));
    desk.book.decide(by("anna", Verdict::Confirmed, 4, None)).unwrap();
    assert_eq!(standing(&desk), Some((Verdict::Confirmed, "anna".to_owned())));
    assert_eq!(panel(&desk).decisions.len(), 2);
}

fn any_decision() -> impl Strategy<Value = Decision> {
    let verdict = proptest::sample::select(Verdict::ALL);
    let name = proptest::sample::select(vec!["anna", "ben", "carl", "dora", "nobody"]);
    (name, verdict, 0..6i64, proptest::sample::select(vec!["party a", "party b"]))
        .prop_map(|(name, verdict, at, party)| by(name, verdict, at, (verdict == Verdict::Attributed).then_some(party)))
}

proptest! {
    /// Whatever order decisions come in, however often each, and across restarts, the same stands in the end.
    #[test]
    fn what_stands_is_a_function_of_the_set(
        decisions in proptest::collection::vec(any_decision(), 1..14),
        order in proptest::collection::vec(0..1000usize, 28),
        quorum in 0..4u32,
        restart_at in 0..28usize,
    ) {
        let convened = |desk: &mut Desk| if quorum > 0 { desk.book.convene(commission(quorum, &["legal"])) };
        let last = |desk: &Desk| {
            let mut alert = desk.book.last("k").unwrap().properties.clone();
            alert.revision = 0;
            alert
        };
        let mut straight = desk(Review::default());
        convened(&mut straight);
        for decision in &decisions {
            straight.book.decide(decision.clone()).unwrap();
        }
        let mut shuffled: Vec<(usize, &Decision)> = order.iter().copied().zip(decisions.iter().cycle()).collect();
        shuffled.truncate(2 * decisions.len());
        shuffled.sort_by_key(|(at, _)| *at);
        let mut other = desk(Review::default());
        convened(&mut other);
        for (number, (_, decision)) in shuffled.into_iter().enumerate() {
            if number == restart_at {
                let kept = serde_json::to_string(&other.book.kept("k").unwrap()).unwrap();
                other = Desk::new();
                convened(&mut other);
                other.book.restore([serde_json::from_str::<Kept>(&kept).unwrap()], Settled::NOTHING);
            }
            other.book.decide(decision.clone()).unwrap();
        }
        prop_assert_eq!(last(&straight), last(&other));
        let mut again = other.book.last("k").unwrap().properties.revision;
        for decision in &decisions {
            other.book.decide(decision.clone()).unwrap();
            prop_assert_eq!(other.book.last("k").unwrap().properties.revision, again, "what is known is no news");
            again = other.book.last("k").unwrap().properties.revision;
        }
    }
}
