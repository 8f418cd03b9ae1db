//! A stream whose regions are shared out among several engines, each of which comes forward as it pleases and hears of the others when it
//! does: what they say in the end is what one engine says.

use super::restarted::differences;
use super::stream::{PARTITION, Stream};
use crate::engine::associate::layout::cells;
use crate::engine::escalation::telling::{BinTold, JUDGE};
use crate::engine::settled::FinalEvent;
use crate::engine::settings::Settings;
use crate::engine::share::{Regions, Share};
use crate::engine::{Engine, Output};
use crate::model::alert::{AlertFeature, Status};
use crate::model::geo::LonLat;
use crate::model::kind::{Kind, KindSet};
use crate::model::node::Node;
use crate::model::observation::{Observations, Part};
use crate::model::time::{NS_PER_S, Timestamp, parse_rfc3339};
use crate::pipeline::simulation::from_environment;
use crate::simulate::{Delivery, Options, Scenario, simulate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};

const PARTS: u32 = 4;
/// Rows that the router hands on at a time, and items that a part takes.
const ROWS: std::ops::Range<usize> = 1..400;
const ITEMS: std::ops::Range<usize> = 1..40;
/// In turn, and for so long, seconds.
const SCENES: [(Scenario, f64); 5] = [
    (Scenario::Rules, 4_800.0),
    (Scenario::Fused, 600.0),
    (Scenario::Barrage, 240.0),
    (Scenario::Demo, 1_200.0),
    (Scenario::Tracks, 1_200.0),
];
/// The middle of the scenes, and how far west and east of it posts make regions meet there, metres.
const MIDDLE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
const FAR_M: f64 = 135_000.0;
/// Nothing is late: that is judged by the order of a partition, and there is one here.
const LATENESS_NS: i64 = 30 * NS_PER_S;
/// How long some nodes are heard after all else, and how often, seconds: by then all that ends is final.
const CLOSING_S: i64 = 7 * 3600;
const BEAT_S: i64 = 300;

/// What a part reads.
enum Item {
    Rows(Observations),
    Finals { part: u32, events: Vec<FinalEvent>, settled_ns: i64 },
    Bin(BinTold),
}

/// The engine of a part, and what it has not read yet.
struct Member {
    engine: Engine,
    inbox: VecDeque<Item>,
    read: i64,
    /// Up to when others have been told that all is final here, nanoseconds.
    told_ns: i64,
    out: Output,
}

/// A scene on whose middle four regions meet, and heartbeats of two nodes afterwards.
fn scene(seed: u64) -> Stream {
    let (scenario, lasts_s) = SCENES[(seed % SCENES.len() as u64) as usize];
    let mut scene = simulate(scenario, seed, &Options { duration_s: Some(lasts_s), ..Options::default() });
    let mut newest_ns = i64::MIN;
    scene.deliveries.retain(|delivery| {
        let line: serde_json::Value = serde_json::from_str(&delivery.line).expect("a line");
        let time_ns = parse_rfc3339(line["time"].as_str().expect("a time").as_bytes()).expect("a time");
        newest_ns = newest_ns.max(time_ns);
        newest_ns - time_ns < LATENESS_NS
    });
    let last = scene.deliveries.last().cloned().expect("a line");
    for step in 0..CLOSING_S / BEAT_S {
        let deliver_ns = newest_ns + step * BEAT_S * NS_PER_S;
        let time = Timestamp(deliver_ns);
        scene.deliveries.extend(scene.nodes.iter().take(2).map(|node| {
            let name = &node.name;
            let line = format!(
                r#"{{"id":"closing-{step}","node":"{name}","kind":"status","time":"{time}","health":"ok"}}"#
            );
            Delivery { deliver_ns, line, ..last.clone() }
        }));
    }
    scene.nodes.extend([45.0, 135.0, 225.0, 315.0].map(|azimuth_deg| Node {
        kinds: KindSet::default().with(Kind::Acoustic),
        position: Some(MIDDLE.toward(azimuth_deg, FAR_M * 2f64.sqrt())),
        range_m: Some(12_000.0),
        registered: true,
        ..Node::unregistered(&format!("post-{azimuth_deg}"))
    }));
    Stream::decode(scene)
}

/// The last words that stand, without what hangs on how they were come to.
fn note(out: &mut Output, last: &mut BTreeMap<String, AlertFeature>) {
    for said in out.said.drain(..) {
        let mut alert = said.into_feature();
        (alert.properties.revision, alert.properties.latency) = (0, None);
        if alert.properties.status == Status::Revised {
            alert.properties.status = Status::Preliminary;
        }
        last.insert(alert.properties.alert.clone(), alert);
    }
    out.clear();
}

fn by_one(stream: &Stream) -> BTreeMap<String, AlertFeature> {
    let (mut engine, mut out, mut last) = (stream.engine(&Settings::default()), Output::default(), BTreeMap::new());
    for batch in &stream.batches {
        engine.ingest(batch, &stream.registry, &mut out);
        note(&mut out, &mut last);
    }
    last.retain(|_, alert| alert.properties.status != Status::Retracted);
    last
}

/// What each part says, as the dice have them come forward.
fn by_parts(stream: &Stream, dice: &mut ChaCha8Rng) -> Vec<BTreeMap<String, AlertFeature>> {
    let regions = Regions::new(cells(&stream.registry), PARTS);
    assert!(regions.cells().len() >= PARTS as usize);
    let member = |part| {
        let mut engine = stream.engine(&Settings::default());
        engine.take_share(Share { regions: regions.clone(), part });
        Member { engine, inbox: VecDeque::new(), read: 0, told_ns: i64::MIN, out: Output::default() }
    };
    let mut members: Vec<Member> = (0..PARTS).map(member).collect();
    let mut said: Vec<BTreeMap<String, AlertFeature>> = vec![BTreeMap::new(); PARTS as usize];
    let rows: Vec<(usize, usize)> =
        (0..).zip(&stream.batches).flat_map(|(at, batch)| (0..batch.len()).map(move |row| (at, row))).collect();
    let (mut sent, mut to) = (0, Vec::new());
    while sent < rows.len() || members.iter().any(|member| !member.inbox.is_empty()) {
        let turn = dice.random_range(0..=PARTS);
        if turn == PARTS {
            let next = &rows[sent..rows.len().min(sent + dice.random_range(ROWS))];
            let mut handed: Vec<Observations> = vec![Observations::default(); PARTS as usize];
            for &(at, row) in next {
                let batch = &stream.batches[at];
                regions.route(batch, row, &stream.registry, &mut to);
                for (part, handed) in (0..).zip(&mut handed) {
                    handed.copy_row(batch, row);
                    *handed.part.last_mut().expect("a row") = match to.iter().position(|&it| it == part) {
                        Some(0) => Part::Own,
                        Some(_) => Part::Halo,
                        // As the router tells it.
                        None => Part::Progress,
                    };
                }
            }
            sent += next.len();
            members.iter_mut().zip(handed).for_each(|(member, rows)| member.inbox.push_back(Item::Rows(rows)));
            continue;
        }
        let (part, member) = (turn, &mut members[turn as usize]);
        for _ in 0..dice.random_range(ITEMS) {
            let Some(item) = member.inbox.pop_front() else { break };
            member.read += 1;
            match item {
                Item::Rows(rows) => member.engine.ingest(&rows, &stream.registry, &mut member.out),
                Item::Finals { part, events, settled_ns } => {
                    events.into_iter().for_each(|event| member.engine.hear_final(event, &stream.registry));
                    member.engine.hear_settled(part, settled_ns);
                    member.engine.advance(&stream.registry, &mut member.out);
                }
                Item::Bin(told) => member.engine.hear_bin(told, member.read, &stream.registry),
            }
        }
        note(&mut member.out, &mut said[part as usize]);
        let bins = member.engine.take_bins();
        let settled_ns = member.engine.final_ns();
        if settled_ns > member.told_ns {
            member.told_ns = settled_ns;
            let events = member.engine.take_finals();
            for (_, member) in (0..).zip(&mut members).filter(|&(other, _)| other != part) {
                member.inbox.push_back(Item::Finals { part, events: events.clone(), settled_ns });
            }
        }
        bins.into_iter().for_each(|bin| members[JUDGE as usize].inbox.push_back(Item::Bin(bin)));
    }
    for said in &mut said {
        said.retain(|_, alert| alert.properties.status != Status::Retracted);
    }
    said
}

#[test]
fn parts_of_the_regions_say_what_one_engine_says_however_they_come_forward() {
    let (first, count) = (from_environment("TRUCELINE_SEED", 1), from_environment("TRUCELINE_RUNS", 5));
    for seed in first..first + count {
        let stream = scene(seed);
        let expected = by_one(&stream);
        let mut found = BTreeMap::new();
        let by_parts = by_parts(&stream, &mut ChaCha8Rng::seed_from_u64(seed));
        let speak = by_parts.iter().filter(|said| !said.is_empty()).count();
        for (id, alert) in by_parts.into_iter().flatten() {
            assert!(found.insert(id.clone(), alert).is_none(), "TRUCELINE_SEED={seed}: {id} is said by two");
        }
        let wrong = differences(&found, &expected);
        println!("TRUCELINE_SEED={seed}: {} alerts by {speak} parts", expected.len());
        assert!(wrong.is_empty(), "TRUCELINE_SEED={seed}: {}", wrong.join("\n"));
        assert!(expected.len() > 10 && speak >= 3, "TRUCELINE_SEED={seed}: {} by {speak}", expected.len());
    }
}
