use super::*;
use crate::engine::book::Cited;
use crate::model::alert::Class;
use crate::model::geo::LonLat;
use crate::model::node::Node;
use crate::model::observation::{Id, Origin};

struct Desk {
    book: Book,
    registry: Registry,
    places: Places,
    settings: Settings,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            book: Book::new("c0ffee".to_owned(), Vec::new()),
            registry: Registry::new([Node::unregistered("mic")]),
            places: Places::new(Vec::new(), Vec::new()),
            settings: Settings::default(),
        }
    }

    /// A desk that takes the place of this one, for which things had settled up to that second.
    fn successor(&self, settled_s: i64) -> Desk {
        let kept: Vec<Kept> = self.book.entries.keys().filter_map(|key| self.book.kept(key)).collect();
        let written = serde_json::to_vec(&kept).unwrap();
        let mut desk = Desk::new();
        let settled_ns = settled_s * 1_000_000_000;
        let settled = Settled { fire_ns: settled_ns, rules_ns: settled_ns };
        desk.book.restore(serde_json::from_slice::<Vec<Kept>>(&written).unwrap(), settled);
        desk
    }

    fn say(&mut self, key: &str, second: i64, count: u32, stage: Stage) -> Vec<(String, u32, Status)> {
        self.book.say(claim(key, second, count), stage, &self.registry, &self.places, &self.settings);
        self.said()
    }

    fn replayed(&mut self) -> Vec<(String, u32, Status)> {
        self.book.replayed(&self.registry, &self.places, &self.settings);
        self.said()
    }

    fn said(&mut self) -> Vec<(String, u32, Status)> {
        let told = |said: &super::super::Said| {
            let alert = &said.feature.properties;
            (said.key.to_string(), alert.revision, alert.status)
        };
        self.book.take_said().iter().map(told).collect()
    }
}

fn claim(key: &str, second: i64, count: u32) -> Claim {
    let place = LonLat { lon_deg: 30.123_456_789, lat_deg: 50.0 };
    let mut claim = Claim::new(key.to_owned(), Class::FireImpact, place, second * 1_000_000_000 + 123_456_789);
    claim.count = count;
    claim.prohibitions = vec![Prohibition::Fire];
    claim
}

fn told(key: &str, revision: u32, status: Status) -> (String, u32, Status) {
    (key.to_owned(), revision, status)
}

#[test]
fn what_was_said_is_not_said_again_and_what_differs_is_the_next_revision() {
    let mut first = Desk::new();
    for count in 1..=3 {
        first.say("same", 1, count, Stage::Open);
        first.say("changed", 2, count, Stage::Open);
    }
    let mut second = first.successor(0);
    // On the way it goes through what was said before, and comes further.
    for count in 1..=3 {
        assert_eq!(second.say("same", 1, count, Stage::Open), []);
        assert_eq!(second.say("changed", 2, count + 1, Stage::Open), []);
    }
    assert_eq!(second.say("new", 3, 1, Stage::Open), []);
    assert_eq!(
        second.replayed(),
        [told("changed", 4, Status::Revised), told("new", 1, Status::Preliminary)],
        "in order of time"
    );
    assert_eq!(second.say("same", 1, 3, Stage::Final), [told("same", 4, Status::Final)], "then all is as usual");
    assert_eq!(second.replayed(), []);
}

#[test]
fn what_was_final_stands_whatever_a_part_of_its_evidence_comes_to() {
    let mut first = Desk::new();
    first.say("fire/a", 1, 5, Stage::Final);
    let mut second = first.successor(9);
    assert!(second.book.is_final("fire/a"));
    second.say("fire/a", 1, 2, Stage::Final);
    second.book.retract("fire/a");
    // Half of the evidence of an event looks like another one, which the first process did not find.
    second.say("fire/b", 1, 2, Stage::Open);
    second.say("fire/b", 1, 2, Stage::Final);
    second.say("fire/b2", 8, 2, Stage::Open);
    second.say("fire/c", 10, 2, Stage::Final);
    assert_eq!(second.replayed(), [told("fire/c", 1, Status::Final)], "what had not settled is said");
    second.book.retract_unfound(i64::MAX);
    assert_eq!(second.said(), [], "what is final is not looked for");
    assert_eq!(second.say("fire/a", 1, 6, Stage::Final), [told("fire/a", 2, Status::Amended)]);
}

#[test]
fn what_was_open_and_is_not_found_again_is_taken_back_when_its_time_has_passed() {
    let mut first = Desk::new();
    first.say("fire/a", 10, 1, Stage::Open);
    first.say("fire/b", 20, 1, Stage::Open);
    first.say("fire/c", 20, 1, Stage::Open);
    first.say("track/d", 5, 1, Stage::Open);
    first.say("fire/gone", 5, 1, Stage::Open);
    first.book.retract("fire/gone");
    let mut second = first.successor(0);
    second.say("fire/c", 20, 1, Stage::Open);
    second.book.retract_unfound(i64::MAX);
    assert_eq!(second.said(), [], "not while it may still be found");
    assert_eq!(second.replayed(), []);
    second.book.retract_unfound(15_000_000_000);
    assert_eq!(second.said(), [told("fire/a", 2, Status::Retracted)]);
    second.book.retract_unfound(i64::MAX);
    assert_eq!(second.said(), [told("fire/b", 2, Status::Retracted)], "once, and none that was found");
}

#[test]
fn a_first_word_that_is_not_borne_out_again_is_taken_back_once() {
    let mut first = Desk::new();
    first.say("fire/a", 10, 1, Stage::Open);
    let mut second = first.successor(0);
    second.say("fire/a", 10, 1, Stage::Open);
    second.book.retract("fire/a");
    second.say("fire/never", 10, 1, Stage::Open);
    second.book.retract("fire/never");
    assert_eq!(second.replayed(), [told("fire/a", 2, Status::Retracted)]);
    let mut third = second.successor(0);
    third.say("fire/a", 10, 1, Stage::Open);
    third.book.retract("fire/a");
    assert_eq!(third.replayed(), [], "it was taken back already");
}

/// The claim, resting on arrivals of these ids.
fn resting_on(claim: Claim, ids: &[&str]) -> Claim {
    let cited = |id: &&str| Cited {
        origin: Origin { topic: 0, partition: 0, offset: 0, line: 0 },
        id: Id::new(id.as_bytes()),
        node: NodeIx(0),
        kind: Kind::Acoustic,
        time_ns: claim.time_ns,
        residual_s: None,
        residual_deg: None,
    };
    Claim { evidence: ids.iter().map(cited).collect(), ..claim }
}

#[test]
fn what_was_explained_by_what_was_final_is_not_explained_anew() {
    let mut first = Desk::new();
    let whole = resting_on(claim("fire/a", 10, 1), &["1", "2", "3", "4"]);
    first.book.say(whole, Stage::Final, &first.registry, &first.places, &first.settings);
    // Final before all of its time was settled.
    let mut next = first.successor(5);
    let (most, some) = (resting_on(claim("fire/b", 10, 1), &["0", "2", "3", "4"]), ["0", "4", "5", "6"]);
    let some = resting_on(claim("fire/c", 10, 1), &some);
    assert!(next.book.was_settled(&most, &next.registry) && !next.book.was_settled(&some, &next.registry));
    for claim in [most, some] {
        next.book.say(claim, Stage::Final, &next.registry, &next.places, &next.settings);
    }
    assert_eq!(next.replayed(), [told("fire/c", 1, Status::Final)]);
}

#[test]
fn decisions_are_taken_and_what_is_forgotten_is_told() {
    use crate::model::decision::{Decision, Verdict};
    let mut first = Desk::new();
    first.say("fire/a", 1, 5, Stage::Final);
    let alert = first.book.last("fire/a").unwrap().properties.alert.clone();
    let mut second = first.successor(0);
    let decision = Decision {
        alert,
        revision: 1,
        decision: Verdict::Attributed,
        attribution: Some("party".to_owned()),
        by: "commission".to_owned(),
        at: Timestamp(7),
        reason: None,
        signature: None,
        outdated: false,
    };
    second.book.decide(decision.clone()).unwrap();
    assert_eq!(second.said(), [told("fire/a", 2, Status::Amended)]);
    let mut third = second.successor(0);
    third.book.decide(decision).unwrap();
    assert_eq!(third.said(), [], "a decision that is read again changes nothing");
    assert_eq!(third.book.kept("fire/a").unwrap().attributed_at, Some(Timestamp(7)));
    third.book.forget_before(i64::MAX);
    assert_eq!(third.book.take_forgotten(), ["fire/a"]);
    assert_eq!((third.book.kept("fire/a"), third.book.take_forgotten().len()), (None, 0));
}

#[test]
fn what_was_final_stands_also_after_the_replay_and_what_nobody_would_act_on_is_no_news() {
    let mut desk = Desk::new();
    desk.say("fire/a", 10, 1, Stage::Final);
    // Final before all of its time was settled: event time had passed this one alone.
    let mut next = desk.successor(5);
    assert_eq!(next.replayed(), []);
    let mut again = claim("fire/a", 10, 1);
    assert!(next.book.was_settled(&again, &next.registry) && next.book.rests_on_the_same(&again));
    assert!(!next.book.was_settled(&claim("fire/b", 10, 1), &next.registry));
    // A fit that ends elsewhere by a hair.
    again.time_ns += 700_000;
    again.probability += 0.002;
    next.book.say(again, Stage::Final, &next.registry, &next.places, &next.settings);
    assert_eq!(next.said(), []);
    assert_eq!(next.say("fire/a", 10, 2, Stage::Final), [told("fire/a", 2, Status::Amended)]);
    assert_eq!(next.say("fire/a", 11, 2, Stage::Final), [told("fire/a", 3, Status::Amended)]);
}

#[test]
fn what_is_final_in_the_replay_is_so_for_all_that_follows_in_it() {
    let mut desk = Desk::new();
    desk.say("fire/a", 10, 1, Stage::Open);
    let mut next = desk.successor(0);
    assert!(!next.book.is_final("fire/a"));
    next.say("fire/a", 10, 1, Stage::Final);
    assert!(next.book.is_final("fire/a"));
    assert_eq!(next.replayed(), [told("fire/a", 2, Status::Final)]);
}
