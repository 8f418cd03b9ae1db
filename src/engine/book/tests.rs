use super::*;
use crate::model::alert::{Class, Measure};
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::decision::Verdict;
use crate::model::geo::LonLat;
use crate::model::kind::{Component, Kind};
use crate::model::node::{Node, NodeIx};
use crate::model::notice::{Notice, NoticeKind};
use crate::model::observation::Id;
use geo::{LineString, MultiPolygon, Polygon};
use proptest::prelude::*;

mod reviewed;

const PLACE: LonLat = LonLat { lon_deg: 30.0, lat_deg: 50.0 };

struct Desk {
    book: Book,
    registry: Registry,
    places: Places,
    settings: Settings,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            book: Book::new("c0ffee".to_owned(), vec!["telemetry.sensors".to_owned()]),
            registry: Registry::new([Node::unregistered("b"), Node::unregistered("a")]),
            places: Places::new(vec![zone()], Vec::new()),
            settings: Settings::default(),
        }
    }

    fn say(&mut self, claim: Claim, stage: Stage) -> Vec<(u32, Status)> {
        self.book.say(claim, stage, &self.registry, &self.places, &self.settings);
        self.said()
    }

    fn retract(&mut self, key: &str) -> Vec<(u32, Status)> {
        self.book.retract(key);
        self.said()
    }

    /// Writes the book down and takes it up again.
    fn write_down(&mut self) {
        let (bytes, (claims, alerts)) = (postcard::to_stdvec(&self.book).unwrap(), self.book.lasting());
        self.book = Book::new("c0ffee".to_owned(), vec!["telemetry.sensors".to_owned()]);
        let one_less = alerts.split_last().map(|(_, others)| others.to_vec());
        let saved = || postcard::from_bytes(&bytes).unwrap();
        assert!(one_less.is_none_or(|alerts| !self.book.load(saved(), claims.clone(), alerts)));
        assert!(self.book.load(saved(), claims, alerts));
        assert_eq!(postcard::to_stdvec(&self.book).unwrap(), bytes);
    }

    fn said(&mut self) -> Vec<(u32, Status)> {
        let said = self.book.take_said();
        said.iter().map(|said| (said.feature.properties.revision, said.feature.properties.status)).collect()
    }
}

fn square() -> MultiPolygon<f64> {
    let ring = LineString::from(vec![(29.9, 49.9), (30.1, 49.9), (30.1, 50.1), (29.9, 50.1), (29.9, 49.9)]);
    MultiPolygon::new(vec![Polygon::new(ring, Vec::new())])
}

fn zone() -> Area {
    Area::new("zone", AreaType::Disengagement, &[Prohibition::Fire], square())
}

fn cited(node: u32, id: &str, time_ns: i64) -> Cited {
    Cited {
        origin: Origin { topic: 0, partition: 0, offset: time_ns, line: 0 },
        id: Id::new(id.as_bytes()),
        node: NodeIx(node),
        kind: Kind::Acoustic,
        time_ns,
        residual_s: Some(0.123_456_7),
        residual_deg: None,
    }
}

fn claim(key: &str, count: u32) -> Claim {
    let mut claim = Claim::new(key.to_owned(), Class::FireImpact, PLACE, 1_000_000_000);
    claim.count = count;
    claim.prohibitions = vec![Prohibition::Fire];
    claim
}

fn decision(alert: &str, revision: u32, verdict: Verdict, at: i64) -> Decision {
    Decision {
        alert: alert.to_owned(),
        revision,
        decision: verdict,
        attribution: (verdict == Verdict::Attributed).then(|| format!("party {at}")),
        by: "commission".to_owned(),
        at: Timestamp(at),
        reason: None,
        signature: None,
        outdated: false,
    }
}

#[test]
fn an_alert_lives_from_preliminary_to_amended() {
    let mut desk = Desk::new();
    assert_eq!(desk.say(claim("k", 1), Stage::Open), [(1, Status::Preliminary)]);
    assert_eq!(desk.say(claim("k", 1), Stage::Open), [], "the same again says nothing");
    assert_eq!(desk.say(claim("k", 2), Stage::Open), [(2, Status::Revised)]);
    assert!(!desk.book.settled("k"));
    assert_eq!(desk.say(claim("k", 2), Stage::Final), [(3, Status::Final)]);
    assert_eq!(desk.say(claim("k", 2), Stage::Final), [], "final is said once");
    assert!(desk.book.settled("k"));
    assert_eq!(desk.say(claim("k", 3), Stage::Final), [(4, Status::Amended)]);
    assert_eq!(desk.say(claim("other", 3), Stage::Final), [(1, Status::Final)]);
}

#[test]
fn what_was_never_said_cannot_be_taken_back_and_what_was_can_live_again() {
    let mut desk = Desk::new();
    assert_eq!(desk.retract("k"), []);
    desk.say(claim("k", 1), Stage::Open);
    let before = desk.book.last("k").unwrap().clone();
    assert_eq!(desk.retract("k"), [(2, Status::Retracted)]);
    let mut after = desk.book.last("k").unwrap().clone();
    assert_eq!((after.properties.probability, after.properties.term), (0.0, Term::of(0.0)), "not half believed");
    (after.properties.revision, after.properties.status) = (1, Status::Preliminary);
    (after.properties.probability, after.properties.term) = (before.properties.probability, before.properties.term);
    assert_eq!(after, before, "everything else as last said");
    assert_eq!(desk.retract("k"), [], "once");
    assert_eq!(desk.say(claim("k", 1), Stage::Open), [(3, Status::Revised)]);
}

#[test]
fn where_no_area_says_who_is_routed_to_it_the_first_witness_does() {
    let mut desk = Desk::new();
    let of = |name: &str, sector: Option<&str>, component| Node {
        sector: sector.map(str::to_owned),
        component,
        ..Node::unregistered(name)
    };
    desk.registry = Registry::new([
        of("0", None, None),
        of("1", Some("south"), Some(Component::Logistics)),
        of("2", Some("north"), Some(Component::Air)),
    ]);
    let routed = |desk: &mut Desk, class, place| {
        let mut claim = Claim { class, place, ..claim(class.as_str(), 1) };
        claim.evidence = vec![cited(2, "c", 7), cited(1, "b", 6), cited(0, "a", 5)];
        desk.book.say(claim, Stage::Final, &desk.registry, &desk.places, &desk.settings);
        let alert = desk.book.take_said().remove(0).into_feature().properties;
        (alert.sectors, alert.component)
    };
    let beyond = LonLat { lon_deg: 33.0, lat_deg: 50.0 };
    let south = vec!["south".to_owned()];
    assert_eq!(routed(&mut desk, Class::SensorSilent, beyond), (south.clone(), Some(Component::Logistics)));
    assert_eq!(routed(&mut desk, Class::FireShot, beyond), (south, Some(Component::Ground)), "fire is of the ground");
    let mut sector = zone();
    sector.sector = Some("middle".to_owned());
    desk.places.upsert_area(sector);
    assert_eq!(routed(&mut desk, Class::SensorTamper, PLACE).0, ["middle"], "an area goes before");
    desk.book.rejudge(&desk.registry, &desk.places, &desk.settings);
    assert!(desk.book.take_said().is_empty(), "judged again it is routed as before");
}

#[test]
fn evidence_is_ordered_and_stands_once() {
    let mut desk = Desk::new();
    let mut first = claim("k", 1);
    first.evidence = vec![cited(0, "z", 5), cited(1, "y", 5), cited(0, "x", 4), cited(0, "z", 5)];
    desk.book.say(first, Stage::Open, &desk.registry, &desk.places, &desk.settings);
    let said = desk.book.take_said().remove(0);
    let alert = &said.feature.properties;
    let order: Vec<_> = alert.evidence.iter().map(|evidence| (&*evidence.node, &*evidence.id)).collect();
    assert_eq!(order, [("b", "x"), ("a", "y"), ("b", "z")]);
    assert_eq!((alert.evidence[0].residual_s, &*alert.evidence[0].topic), (Some(0.1235), "telemetry.sensors"));
    assert_eq!(said.deciding.map(|origin| origin.offset), Some(5));
    assert_eq!((alert.config_digest.as_str(), alert.evidence_digest.len()), ("c0ffee", 64));
    assert_eq!(alert.attribution, "undetermined");
}

#[test]
fn a_decision_is_attached_and_the_newest_by_its_own_time_stands() {
    let mut desk = Desk::new();
    desk.say(claim("k", 1), Stage::Open);
    let id = alert_id("k");
    assert_eq!(desk.book.decide(decision(&id, 1, Verdict::Attributed, 10)), Ok(()));
    assert_eq!(desk.said(), [(2, Status::Revised)]);
    assert_eq!(desk.say(claim("k", 1), Stage::Final), [(3, Status::Final)]);
    assert_eq!(desk.book.decide(decision(&id, 1, Verdict::Confirmed, 20)), Ok(()), "on an earlier revision");
    assert_eq!(desk.said(), [(4, Status::Amended)]);
    assert_eq!(desk.book.decide(decision(&id, 1, Verdict::Dismissed, 15)), Ok(()));
    assert_eq!(desk.said(), [], "an older decision that comes late");
    let alert = &desk.book.last("k").unwrap().properties;
    assert_eq!((alert.attribution.as_str(), alert.review.as_ref().unwrap().at), ("party 10", Timestamp(20)));
    assert_eq!(desk.say(claim("k", 2), Stage::Final), [(5, Status::Amended)]);
    assert!(desk.book.last("k").unwrap().properties.review.is_some(), "it survives new evidence");
}

#[test]
fn a_decision_on_nothing_is_an_error() {
    let mut desk = Desk::new();
    desk.say(claim("k", 1), Stage::Open);
    let id = alert_id("k");
    let unknown = desk.book.decide(decision("A-0", 1, Verdict::Confirmed, 1));
    assert_eq!(unknown, Err(DecisionError::Unknown { alert: "A-0".to_owned() }));
    for revision in [0, 2] {
        let wrong = desk.book.decide(decision(&id, revision, Verdict::Confirmed, 1));
        assert_eq!(wrong, Err(DecisionError::Revision { alert: id.clone(), revision, current: 1 }));
    }
}

#[test]
fn a_notice_that_comes_late_amends_what_it_covers() {
    let mut desk = Desk::new();
    desk.say(claim("k", 1), Stage::Final);
    desk.book.rejudge(&desk.registry, &desk.places, &desk.settings);
    assert!(desk.book.last("k").unwrap().properties.violation);
    assert_eq!(desk.said(), []);
    desk.places.upsert_notice(Notice {
        notice: "n".to_owned(),
        kinds: vec![NoticeKind::LiveFire],
        from_ns: 0,
        to_ns: 2_000_000_000,
        by: None,
        count: None,
        shape: square(),
    });
    desk.book.rejudge(&desk.registry, &desk.places, &desk.settings);
    assert_eq!(desk.said(), [(2, Status::Amended)]);
    let alert = &desk.book.last("k").unwrap().properties;
    assert_eq!((alert.violation, alert.notice.as_deref(), alert.severity), (false, Some("n"), 2));
}

#[test]
fn a_breach_needs_no_area_and_a_named_area_no_place() {
    let mut desk = Desk::new();
    let far = LonLat { lon_deg: 0.0, lat_deg: 0.0 };
    let mut breach = Claim::new("r".to_owned(), Class::RestrictionDenied, far, 0);
    breach.breach = true;
    desk.say(breach, Stage::Final);
    let alert = &desk.book.last("r").unwrap().properties;
    assert!(alert.violation && alert.areas.is_empty());
    let mut named = Claim::new("i".to_owned(), Class::IncursionGround, far, 0);
    named.areas = vec!["zone".to_owned()];
    desk.say(named, Stage::Final);
    let alert = &desk.book.last("i").unwrap().properties;
    assert!(alert.violation && alert.areas == ["zone"] && alert.within == ["zone"]);
    desk.say(Claim::new("s".to_owned(), Class::SensorSilent, PLACE, 0), Stage::Open);
    assert!(!desk.book.last("s").unwrap().properties.violation);
}

#[test]
fn settled_alerts_are_forgotten_with_age_and_open_ones_are_not() {
    let mut desk = Desk::new();
    desk.say(claim("open", 1), Stage::Open);
    desk.say(claim("final", 1), Stage::Final);
    desk.say(claim("back", 1), Stage::Open);
    desk.retract("back");
    assert_eq!(desk.book.open_keys("").collect::<Vec<_>>(), ["open"]);
    assert_eq!(desk.book.open_keys("x").count(), 0);
    desk.book.forget_before(1_000_000_000);
    assert_eq!(desk.book.len(), 3, "not before its time");
    desk.book.forget_before(1_000_000_001);
    assert_eq!(desk.book.len(), 1);
    assert!(desk.book.last("open").is_some());
    assert!(desk.book.decide(decision(&alert_id("final"), 1, Verdict::Confirmed, 1)).is_err());
}

#[test]
fn the_book_is_bounded_and_keeps_what_is_open() {
    let mut desk = Desk::new();
    desk.say(claim("open", 1), Stage::Open);
    for n in 0..MAX_OPEN_ALERTS {
        let mut settled = claim(&format!("f{n}"), 1);
        settled.time_ns += n as i64;
        desk.say(settled, Stage::Final);
    }
    assert_eq!(desk.book.len(), MAX_OPEN_ALERTS);
    assert!(desk.book.last("f0").is_none() && desk.book.last("f1").is_some() && desk.book.last("open").is_some());
}

#[derive(Clone, Debug)]
enum Act {
    Say(u8, u32, bool),
    Retract(u8),
    Decide(u8, i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0u8..3, 1u32..4, any::<bool>()).prop_map(|(key, count, last)| Act::Say(key, count, last)),
        (0u8..3).prop_map(Act::Retract),
        (0u8..3, 0i64..5).prop_map(|(key, at)| Act::Decide(key, at)),
    ]
}

fn play(acts: &[Act]) -> Vec<AlertFeature> {
    play_at(&mut Desk::new(), acts, false)
}

fn play_at(desk: &mut Desk, acts: &[Act], is_written: bool) -> Vec<AlertFeature> {
    for act in acts {
        if is_written {
            desk.write_down();
        }
        match *act {
            Act::Say(key, count, last) => {
                let stage = if last { Stage::Final } else { Stage::Open };
                desk.book.say(claim(&key.to_string(), count), stage, &desk.registry, &desk.places, &desk.settings);
            }
            Act::Retract(key) => desk.book.retract(&key.to_string()),
            // Unknown alerts are refused, and that is all.
            Act::Decide(key, at) => {
                let _ = desk.book.decide(decision(&alert_id(&key.to_string()), 1, Verdict::Confirmed, at));
            }
        }
    }
    desk.book.take_said().into_iter().map(Said::into_feature).collect()
}

fn legal(to: Status, was_final: bool) -> bool {
    match to {
        Status::Preliminary => false,
        Status::Revised | Status::Final => !was_final,
        Status::Amended => was_final,
        // From anywhere; a decision on a retracted alert leaves it retracted.
        Status::Retracted => true,
    }
}

proptest! {
    #[test]
    fn revisions_count_from_one_and_every_step_is_legal(acts in proptest::collection::vec(act(), 0..60)) {
        let mut last: BTreeMap<String, (u32, Status, bool)> = BTreeMap::new();
        for feature in play(&acts) {
            let alert = feature.properties;
            match last.get(&alert.alert) {
                None => {
                    prop_assert_eq!(alert.revision, 1);
                    prop_assert!(matches!(alert.status, Status::Preliminary | Status::Final));
                }
                Some(&(revision, status, was_final)) => {
                    prop_assert_eq!(alert.revision, revision + 1);
                    prop_assert!(legal(alert.status, was_final), "{:?} to {:?}", status, alert.status);
                }
            }
            let was_final = last.get(&alert.alert).is_some_and(|known| known.2);
            last.insert(alert.alert, (alert.revision, alert.status, was_final || alert.status == Status::Final));
        }
    }

    #[test]
    fn a_retraction_stands_unless_it_is_said_again(acts in proptest::collection::vec(act(), 0..60)) {
        let mut acts = acts;
        acts.push(Act::Retract(0));
        acts.extend([Act::Retract(1), Act::Retract(0), Act::Decide(0, 9)]);
        let said = play(&acts);
        let newest = said.iter().rfind(|feature| feature.properties.alert == alert_id("0"));
        prop_assert!(newest.is_none_or(|feature| feature.properties.status == Status::Retracted));
    }

    #[test]
    fn a_book_that_was_written_down_goes_on(acts in proptest::collection::vec(act(), 0..40), kept in 0usize..4) {
        // The last of them is of the time in which all that was kept of another is being found again.
        let told = |is_written: bool| {
            let mut desk = Desk::new();
            play_at(&mut desk, &acts, is_written);
            let keys = (0..kept).map(|key| key.to_string());
            let kept: Vec<Kept> = keys.filter_map(|key| desk.book.kept(&key)).collect();
            let mut after = Desk::new();
            after.book.restore(kept, Settled { fire_ns: i64::MIN, rules_ns: 5 });
            let mut said = play_at(&mut after, &acts, is_written);
            after.book.replayed(&after.registry, &after.places, &after.settings);
            said.extend(play_at(&mut after, &acts, is_written));
            after.book.forget_before(i64::MAX);
            (said, after.book.take_forgotten(), after.book.len())
        };
        prop_assert_eq!(told(true), told(false));
    }

    #[test]
    fn the_same_claims_give_the_same_bytes(
        acts in proptest::collection::vec(act(), 0..40),
        evidence in Just(vec![cited(0, "z", 5), cited(1, "y", 5), cited(0, "x", 4), cited(1, "w", 9)]).prop_shuffle(),
    ) {
        let bytes = |acts: &[Act]| serde_json::to_vec(&play(acts)).unwrap();
        prop_assert_eq!(bytes(&acts), bytes(&acts));
        let of = |evidence: Vec<Cited>| {
            let mut desk = Desk::new();
            let mut claim = claim("k", 1);
            claim.evidence = evidence;
            desk.say(claim, Stage::Open);
            serde_json::to_vec(desk.book.last("k").unwrap()).unwrap()
        };
        let mut sorted = evidence.clone();
        sorted.sort_by_key(|cited| cited.id);
        prop_assert_eq!(of(evidence), of(sorted));
    }
}

/// A notice of fire in the zone, for the first two seconds, of at most three rounds.
fn three_rounds() -> Notice {
    let (from_ns, to_ns) = (0, 2_000_000_000);
    let kinds = vec![NoticeKind::LiveFire];
    Notice { notice: "n".to_owned(), kinds, from_ns, to_ns, by: None, count: Some(3), shape: square() }
}

fn fired(key: &str, ms: i64, count: u32) -> Claim {
    Claim { time_ns: ms * 1_000_000, ..claim(key, count) }
}

/// Key, whether it is a violation, the notice that covers it, and in what one was exceeded.
fn judged(desk: &Desk) -> Vec<(String, bool, bool, Vec<Measure>)> {
    let entries = desk.book.entries.iter();
    entries
        .map(|(key, entry)| {
            let alert = &entry.feature.properties;
            let by = alert.exceeds.as_ref().map(|exceeds| exceeds.by.clone()).unwrap_or_default();
            (key.to_string(), alert.violation, alert.notice.is_some(), by)
        })
        .collect()
}

#[test]
fn what_is_more_than_was_announced_is_a_violation_in_order_of_time() {
    let mut desk = Desk::new();
    desk.places.upsert_notice(three_rounds());
    desk.say(fired("b", 200, 2), Stage::Final);
    desk.say(fired("c", 300, 1), Stage::Final);
    desk.book.rejudge(&desk.registry, &desk.places, &desk.settings);
    assert_eq!(desk.said(), [], "three were announced");
    // One that came late was before them.
    desk.say(fired("a", 100, 1), Stage::Final);
    desk.book.rejudge(&desk.registry, &desk.places, &desk.settings);
    assert_eq!(desk.said(), [(2, Status::Amended)]);
    let told =
        |key: &str, over: bool| (key.to_owned(), over, !over, if over { vec![Measure::Count] } else { Vec::new() });
    assert_eq!(judged(&desk), [told("a", false), told("b", false), told("c", true)]);
    // It did not happen, so another is covered again.
    desk.retract("a");
    desk.book.rejudge(&desk.registry, &desk.places, &desk.settings);
    assert_eq!(desk.said(), [(3, Status::Amended)]);
    assert_eq!(judged(&desk)[2], told("c", false));
}

#[test]
fn what_was_counted_under_a_notice_is_counted_on_after_a_restart() {
    let mut desk = Desk::new();
    desk.places.upsert_notice(three_rounds());
    desk.say(fired("a", 100, 2), Stage::Final);
    desk.book.forget_before(1_500_000_000);
    assert_eq!(desk.book.len(), 1, "it counts as long as the notice lasts");
    let kept = desk.book.kept("a").unwrap();
    let kept: Kept = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
    let mut after = Desk::new();
    after.places.upsert_notice(three_rounds());
    after.book.restore([kept], Settled { fire_ns: i64::MIN, rules_ns: i64::MIN });
    after.book.replayed(&after.registry, &after.places, &after.settings);
    assert_eq!(after.said(), [], "nothing is new");
    after.say(fired("b", 200, 2), Stage::Final);
    assert!(after.book.last("b").unwrap().properties.violation);
    after.book.forget_before(2_000_000_001);
    assert_eq!(after.book.len(), 0);
}

#[test]
fn a_notice_that_came_while_nobody_was_there_amends_what_was_said() {
    let mut desk = Desk::new();
    desk.say(fired("a", 100, 1), Stage::Final);
    let kept = desk.book.kept("a").unwrap();
    let mut after = Desk::new();
    after.places.upsert_notice(three_rounds());
    after.book.restore([kept], Settled { fire_ns: i64::MIN, rules_ns: i64::MIN });
    after.book.rejudge(&after.registry, &after.places, &after.settings);
    assert_eq!(after.said(), [], "not before all was seen again");
    after.book.replayed(&after.registry, &after.places, &after.settings);
    assert_eq!(after.said(), [(2, Status::Amended)]);
    assert!(!after.book.last("a").unwrap().properties.violation);
}

proptest! {
    #[test]
    fn what_a_notice_covers_does_not_depend_on_the_order(
        rounds in proptest::collection::vec((0i64..3_000, 1u32..4), 1..20), turn in 0usize..20, notice_at in 0usize..20,
    ) {
        let told = |order: &[usize], notice_at: usize, is_written: bool| {
            let mut desk = Desk::new();
            for (step, &n) in order.iter().enumerate() {
                if is_written {
                    desk.write_down();
                }
                if step == notice_at.min(order.len() - 1) {
                    desk.places.upsert_notice(three_rounds());
                }
                desk.say(fired(&format!("k{n}"), rounds[n].0, rounds[n].1), Stage::Final);
                desk.book.rejudge(&desk.registry, &desk.places, &desk.settings);
            }
            judged(&desk)
        };
        let forward: Vec<usize> = (0..rounds.len()).collect();
        let mut turned: Vec<usize> = forward.iter().rev().copied().collect();
        turned.rotate_left(turn % rounds.len());
        prop_assert_eq!(told(&forward, 0, false), told(&turned, notice_at, false));
        prop_assert_eq!(told(&turned, notice_at, true), told(&turned, notice_at, false));
    }
}
