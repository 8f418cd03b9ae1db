//! A rule under test: observations described in a line, delivered in some order, and what came of it.
//!
//! All is told twice: the second time the rule and the book are written down and taken up again now and then, and have to
//! say the same to the last bit.

mod sent;
mod several;

pub use self::sent::{Sent, arrival, jammed, origin, patrol, plot, radio, status, supersede, withdraw};
pub use self::several::Several;
use super::{Rule, World, is_held};
use crate::engine::book::{Book, Kept, Said, Settled};
use crate::engine::checkpoint::taken_up;
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, Status};
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::geo::LonLat;
use crate::model::kind::{Kind, KindSet};
use crate::model::node::{Node, Registry};
use crate::model::observation::Observations;
use crate::model::time::{NS_PER_S, Timestamp};
use geo::{LineString, MultiPolygon, Polygon};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Noon of some day.
const NOON_NS: i64 = 1_763_812_800 * NS_PER_S;
/// Deliveries stay within it.
const LATENESS_S: f64 = 30.0;

/// So many seconds after noon.
pub fn at_s(seconds: i64) -> Timestamp {
    Timestamp(NOON_NS + seconds * NS_PER_S)
}

/// How observations come: in order of time plus a delay, or as listed; how often event time moves on; and how often all is
/// written down and taken up again, when it is.
#[derive(Clone, Debug)]
pub struct Delivery {
    delays_s: Option<Vec<f64>>,
    advance_every: usize,
    ends: bool,
    written_every: usize,
}

/// In a long scene all is written down so many times at the most.
const MOST_WRITTEN: usize = 64;

impl Delivery {
    /// In order of time, event time moving on at each.
    pub fn in_order() -> Delivery {
        Delivery { delays_s: Some(vec![0.0]), ..Delivery::as_listed() }
    }

    /// In the order of the list, event time moving on at each.
    pub fn as_listed() -> Delivery {
        Delivery { delays_s: None, advance_every: 1, ends: true, written_every: 3 }
    }

    /// By their numbers.
    fn order(&self, sent: &[Sent]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..sent.len()).collect();
        if let Some(delays_s) = &self.delays_s {
            let comes_s = |at: usize| sent[at].second as f64 + delays_s[at % delays_s.len()];
            order.sort_by(|&a, &b| comes_s(a).total_cmp(&comes_s(b)));
        }
        order
    }

    /// The same, and nothing is written down on the way.
    pub fn unwritten(self) -> Delivery {
        Delivery { written_every: usize::MAX, ..self }
    }

    /// The same, and nothing comes after it.
    pub fn unended(self) -> Delivery {
        Delivery { ends: false, ..self }
    }

    /// The same, event time never moving on: all that is said is provisional.
    pub fn provisional(self) -> Delivery {
        Delivery { advance_every: usize::MAX, ends: false, ..self }
    }

    /// In the order of the list, event time standing still until the end.
    pub fn all_at_once() -> Delivery {
        Delivery { advance_every: usize::MAX, ..Delivery::as_listed() }
    }
}

/// Any delivery of some observations in which none comes too late.
pub fn any_delivery(observations: usize) -> impl Strategy<Value = Delivery> {
    let delays_s = proptest::collection::vec(0.0..LATENESS_S - 1.0, observations);
    (delays_s, 1usize..20, 1usize..20).prop_map(|(delays_s, advance_every, written_every)| Delivery {
        delays_s: Some(delays_s),
        advance_every,
        ends: true,
        written_every,
    })
}

fn square() -> MultiPolygon<f64> {
    let ring = LineString::from(vec![(29.9, 49.9), (30.1, 49.9), (30.1, 50.1), (29.9, 50.1), (29.9, 49.9)]);
    MultiPolygon::new(vec![Polygon::new(ring, Vec::new())])
}

/// A zone of 0.2° about 30° east, 50° north in which everything is prohibited.
pub fn zone() -> Places {
    let area = Area::new("zone", AreaType::Disengagement, Prohibition::ALL, square());
    Places::new(vec![area], Vec::new())
}

/// Nodes of a line.
pub const LINE: [&str; 8] = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"];

fn nodes() -> Registry {
    let position = Some(LonLat { lon_deg: 30.0, lat_deg: 50.0 });
    let node = |name| Node { position, heartbeat_s: Some(60.0), ..Node::unregistered(name) };
    let patrol = |name| Node { registered: true, ..Node::unregistered(name) };
    let heard = ["h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9"].map(node);
    // A line of microphones to the north, 4 km from one another.
    let line = LINE.iter().enumerate().map(|(at, name)| Node {
        position: Some(LonLat { lon_deg: 30.0, lat_deg: 50.2 + 0.036 * at as f64 }),
        kinds: KindSet::of(Kind::Acoustic),
        range_m: Some(10_000.0),
        registered: true,
        ..node(name)
    });
    Registry::new(
        [node("ais"), node("mic"), node("other"), node("radar"), patrol("p1"), patrol("p2")]
            .into_iter()
            .chain(line)
            .chain(heard),
    )
}

/// All that a rule says of the observations.
pub fn tell<R: Rule + Default>(sent: &[Sent], delivery: &Delivery) -> Vec<AlertFeature> {
    tell_by(&mut R::default(), &zone(), sent, delivery)
}

/// All that this rule says of the observations, with these areas.
pub fn tell_by(rule: &mut dyn Rule, places: &Places, sent: &[Sent], delivery: &Delivery) -> Vec<AlertFeature> {
    tell_with(rule, places, &Settings::default(), sent, delivery)
}

/// The same with these settings.
pub fn tell_with(
    rule: &mut dyn Rule,
    places: &Places,
    settings: &Settings,
    sent: &[Sent],
    delivery: &Delivery,
) -> Vec<AlertFeature> {
    let registry = nodes();
    let world = World::new(&registry, places, settings);
    let before = rule.save(Vec::new()).unwrap();
    let mut tell = |is_written: bool| {
        rule.load(&before).unwrap();
        let mut post = Post::new(rule, world, is_written);
        for at in delivery.order(sent) {
            post.hear(at, sent, delivery);
        }
        post.end(delivery)
    };
    let undisturbed = tell(false);
    assert_eq!(tell(true), undisturbed, "written down and taken up again");
    undisturbed
}

/// All that this rule says of the observations, with areas that are others after so many have been heard.
pub fn tell_changed(
    rule: &mut dyn Rule,
    [before, after]: [&Places; 2],
    sent: &[Sent],
    delivery: &Delivery,
    heard: usize,
) -> Vec<AlertFeature> {
    let (registry, settings) = (nodes(), Settings::default());
    let mut post = Post::new(rule, World::new(&registry, before, &settings), false);
    for at in delivery.order(sent) {
        if post.heard == heard {
            post.rule.before_places_change(post.world);
            post.world = World::new(&registry, after, &settings);
        }
        post.hear(at, sent, delivery);
    }
    post.end(delivery)
}

/// The same by two, of which the second takes the place of the first when that has seen so much: it gets what was said and
/// kept, and sees again what is no older than `recall_s` before event time. Unless it `knows` the nodes at once, it comes to
/// know each when it speaks.
pub fn tell_by_two<R: Rule + Default>(
    sent: &[Sent],
    delivery: &Delivery,
    share: f64,
    (recall_s, knows): (i64, bool),
) -> Vec<AlertFeature> {
    let tell = |is_written: bool| told_by_two::<R>(sent, delivery, share, (recall_s, knows), is_written);
    let undisturbed = tell(false);
    assert_eq!(tell(true), undisturbed, "written down and taken up again");
    undisturbed
}

fn told_by_two<R: Rule + Default>(
    sent: &[Sent],
    delivery: &Delivery,
    share: f64,
    (recall_s, knows): (i64, bool),
    is_written: bool,
) -> Vec<AlertFeature> {
    let (registry, settings, places) = (nodes(), Settings::default(), zone());
    let world = World::new(&registry, &places, &settings);
    let order = delivery.order(sent);
    let (seen, rest) = order.split_at((order.len() as f64 * share) as usize);

    let (mut first, mut rows) = (R::default(), BTreeMap::new());
    first.memory().unwrap().keep_within(recall_s * NS_PER_S / 3);
    let mut before = Post::new(&mut first, world, is_written);
    for &at in seen {
        before.hear(at, sent, delivery);
        for (key, record) in before.rule.memory().unwrap().take_changes(&registry) {
            match record {
                Some(record) => rows.insert(key, serde_json::to_vec(&record).unwrap()),
                None => rows.remove(&key),
            };
        }
    }
    let stands_ns = before.stands_ns;
    let mut said = before.book.take_said();
    let keys: BTreeSet<&str> = said.iter().map(|said| &*said.key).collect();
    let kept: Vec<Kept> = keys.into_iter().filter_map(|key| before.book.kept(key)).collect();

    let mut second = R::default();
    let mut after = Post::new(&mut second, world, is_written);
    after.book.restore(kept, Settled { fire_ns: i64::MIN, rules_ns: stands_ns });
    let nobody = Registry::default();
    let at_first = if knows { world } else { World { registry: &nobody, ..world } };
    for row in rows.into_values() {
        assert!(after.rule.memory().unwrap().restore(serde_json::from_slice(&row).unwrap(), at_first));
    }
    for &at in seen.iter().filter(|&&at| at_s(sent[at].second).0 >= stands_ns.saturating_sub(recall_s * NS_PER_S)) {
        after.hear(at, sent, delivery);
    }
    assert!(after.book.take_said().is_empty());
    after.book.replayed(&registry, &places, &settings);
    for &at in rest {
        after.hear(at, sent, delivery);
    }
    said.extend(after.book.take_said());
    let first_half = said.into_iter().map(Said::into_feature);
    first_half.chain(after.end(delivery)).collect()
}

/// A rule at work.
struct Post<'a> {
    rule: &'a mut dyn Rule,
    world: World<'a>,
    book: Book,
    newest_ns: i64,
    heard: usize,
    stands_ns: i64,
    /// Whether all is written down now and then.
    is_written: bool,
}

fn empty_book() -> Book {
    Book::new("digest".to_owned(), vec!["telemetry".to_owned()])
}

impl<'a> Post<'a> {
    fn new(rule: &'a mut dyn Rule, world: World<'a>, is_written: bool) -> Post<'a> {
        Post { rule, world, book: empty_book(), newest_ns: i64::MIN, heard: 0, stands_ns: i64::MIN, is_written }
    }

    /// Writes all down and takes it up again.
    fn write_down(&mut self) {
        let bytes = self.rule.save(Vec::new()).unwrap();
        self.rule.load(&bytes).unwrap();
        self.book = taken_up(&self.book, empty_book());
    }

    /// As the engine does.
    fn advance(&mut self, to_ns: i64) {
        self.rule.advance(to_ns, self.world, &mut self.book);
        self.book.retract_unheld(to_ns, |key| is_held([&*self.rule], key));
    }

    fn hear(&mut self, at: usize, sent: &[Sent], delivery: &Delivery) {
        let mut batch = Observations::default();
        sent[at].push(at as i64, self.world.registry, &mut batch);
        if at.is_multiple_of(2) {
            self.rule.look_ahead(&batch, 0..1);
        }
        if self.rule.kinds().contains(batch.kind[0]) {
            self.rule.observe(&batch, 0, self.world, &mut self.book);
        }
        self.newest_ns = self.newest_ns.max(batch.time_ns[0]);
        self.heard += 1;
        if self.heard.is_multiple_of(delivery.advance_every) {
            let stands_ns = self.newest_ns - LATENESS_S as i64 * NS_PER_S;
            if stands_ns > self.stands_ns {
                self.stands_ns = stands_ns;
                self.advance(stands_ns);
            } else {
                self.rule.go_over(self.world, &mut self.book);
            }
        }
        if self.is_written && self.heard.is_multiple_of(delivery.written_every.max(sent.len() / MOST_WRITTEN)) {
            self.write_down();
        }
    }

    fn end(mut self, delivery: &Delivery) -> Vec<AlertFeature> {
        if delivery.ends {
            self.advance(self.newest_ns.saturating_add(1));
        }
        self.book.take_said().into_iter().map(Said::into_feature).collect()
    }
}

/// What stands in the end, by alert: the newest revision of each that was not taken back, without its number.
pub fn deliver<R: Rule + Default>(sent: &[Sent], delivery: &Delivery) -> Vec<AlertFeature> {
    standing(tell::<R>(sent, delivery))
}

/// All revisions, one alert after the other: which comes first of two that are said at one watermark is left open.
pub fn by_alert(mut said: Vec<AlertFeature>) -> Vec<AlertFeature> {
    said.sort_by(|a, b| a.properties.alert.cmp(&b.properties.alert));
    said
}

/// The newest revision of each alert that was not taken back, without its number.
pub fn standing(said: Vec<AlertFeature>) -> Vec<AlertFeature> {
    let newest: BTreeMap<String, AlertFeature> =
        said.into_iter().map(|feature| (feature.properties.alert.clone(), feature)).collect();
    let mut standing: Vec<AlertFeature> =
        newest.into_values().filter(|feature| feature.properties.status != Status::Retracted).collect();
    for feature in &mut standing {
        feature.properties.revision = 0;
        if feature.properties.status == Status::Revised {
            feature.properties.status = Status::Preliminary;
        }
    }
    standing
}
