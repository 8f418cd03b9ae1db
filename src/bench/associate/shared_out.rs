//! A stream whose regions are shared out among several engines, each of which comes forward as it pleases and hears of the others when it
//! does: what they say in the end is what one engine says.

use super::restarted::differences;
use super::stream::{PARTITION, Stream};
use crate::engine::associate::layout::cells;
use crate::engine::associate::record::RegionRecord;
use crate::engine::book::{Kept, Settled};
use crate::engine::checkpoint::Written;
use crate::engine::escalation::record::EscalationRecord;
use crate::engine::escalation::telling::{BinTold, JUDGE};
use crate::engine::rules::memory::LaneRecord;
use crate::engine::settings::Settings;
use crate::engine::settled::FinalEvent;
use crate::engine::share::{Regions, Share, seen_by};
use crate::engine::{Engine, Output};
use crate::model::alert::{AlertFeature, Status};
use crate::model::geo::LonLat;
use crate::model::kind::{Kind, KindSet};
use crate::model::node::Node;
use crate::model::observation::Observations;
use crate::model::time::{NS_PER_S, Timestamp, parse_rfc3339};
use crate::pipeline::finals_heard::FinalsHeard;
use crate::pipeline::lessons::Lessons;
use crate::pipeline::simulation::from_environment;
use crate::simulate::{Delivery, Options, Scenario, simulate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PARTS: u32 = 4;
/// Rows that the router hands on at a time, and items that a part takes.
const ROWS: std::ops::Range<usize> = 1..80;
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
/// Parts die so often in a run: one that dies before it is where it was has to begin anew.
const MOST_DEATHS: usize = 30;
/// A checkpoint is laid down so often.
const CHECKPOINT_ITEMS: usize = 25;
/// What is read again beyond what is needed.
const RECALL_NS: i64 = 240 * NS_PER_S;

/// What lies in a part's log.
#[derive(Clone)]
enum Item {
    Rows(Box<Observations>),
    Finals { part: u32, events: Vec<FinalEvent>, settled_ns: i64 },
    Bin(BinTold),
}

/// What has been committed of a part, as it is written: text.
#[derive(Default)]
struct Table {
    kept: BTreeMap<String, String>,
    lanes: BTreeMap<String, String>,
    /// By regions.
    learnt: BTreeMap<String, String>,
    escalation: Option<String>,
    settled: Option<Settled>,
    /// Items up to which the part had come, and from which a successor has to read.
    read_to: usize,
    position: usize,
    /// The newest time before that position, and from when on all of the others' final events stand behind it.
    newest_ns: Option<i64>,
    finals_from_ns: Option<i64>,
    checkpoint: Option<Checkpoint>,
}

/// All that a process knew when it had read so far.
#[derive(Clone)]
struct Checkpoint {
    engine: Vec<u8>,
    finals: Vec<u8>,
    read: usize,
}

/// What a turn came to, to be committed.
#[derive(Default)]
struct Parcel {
    said: Vec<(String, Option<String>, AlertFeature)>,
    lanes: Vec<(String, Option<String>)>,
    learnt: Option<RegionRecord>,
    escalation: Option<EscalationRecord>,
    settled: Option<Settled>,
    forwards: Vec<(u32, Item)>,
    read_to: usize,
    position: (usize, Option<i64>),
    finals_from_ns: Option<i64>,
    checkpoint: Option<Checkpoint>,
}

/// A part: its log, what is committed, and the process that has it.
struct Member {
    part: u32,
    log: Vec<Item>,
    /// Of each item the newest time up to its end.
    newest_ns: Vec<i64>,
    table: Table,
    said: BTreeMap<String, AlertFeature>,
    life: Life,
}

/// One life of a process.
struct Life {
    engine: Engine,
    lessons: Lessons,
    out: Output,
    read: usize,
    is_replaying: bool,
    finals: FinalsHeard,
    told_ns: i64,
    parcels: Vec<Parcel>,
    /// Laid down, and still to be told.
    checkpoint: Option<Checkpoint>,
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
            let line =
                format!(r#"{{"id":"closing-{step}","node":"{name}","kind":"status","time":"{time}","health":"ok"}}"#);
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

/// Keeps the last word, without what hangs on how it was come to.
fn note(mut alert: AlertFeature, last: &mut BTreeMap<String, AlertFeature>) {
    (alert.properties.revision, alert.properties.latency) = (0, None);
    if alert.properties.status == Status::Revised {
        alert.properties.status = Status::Preliminary;
    }
    last.insert(alert.properties.alert.clone(), alert);
}

fn by_one(stream: &Stream) -> BTreeMap<String, AlertFeature> {
    let (mut engine, mut out, mut last) = (stream.engine(&Settings::default()), Output::default(), BTreeMap::new());
    for batch in &stream.batches {
        engine.ingest(batch, &stream.registry, &mut out);
        out.said.drain(..).for_each(|said| note(said.into_feature(), &mut last));
        out.clear();
    }
    last.retain(|_, alert| alert.properties.status != Status::Retracted);
    last
}

impl Life {
    /// Goes on from what is committed, from a checkpoint if it is there.
    fn begin(part: u32, table: &Table, checkpoint: Option<&Checkpoint>, stream: &Stream, regions: &Regions) -> Life {
        let mut engine = stream.engine(&Settings::default());
        engine.take_share(Share { regions: regions.clone(), part });
        let is_replaying = table.read_to > 0;
        let (mut learnt, mut read) = (Vec::new(), table.position);
        let mut finals = FinalsHeard::after(table.finals_from_ns);
        if is_replaying {
            let kept = table.kept.values().map(|text| serde_json::from_str::<Kept>(text).expect("what was said"));
            let records = table.learnt.values().map(|text| serde_json::from_str(text).expect("what was learnt"));
            learnt = RegionRecord::joined(records);
            let (kept, settled) = (kept.collect::<Vec<_>>(), table.settled.unwrap_or(Settled::NOTHING));
            match checkpoint {
                Some(checkpoint) => {
                    engine.take_up(&checkpoint.engine).expect("the same");
                    engine.behind(PARTITION);
                    engine.go_on(kept, settled);
                    read = checkpoint.read;
                    finals = postcard::from_bytes(&checkpoint.finals).expect("the same");
                    finals.go_on(table.finals_from_ns);
                }
                None => {
                    engine.restore(kept, settled, learnt.clone());
                    let lanes = table.lanes.values().map(|text| serde_json::from_str(text).expect("what lasts"));
                    assert!(engine.remember(lanes, &stream.registry).is_empty());
                    if let Some(newest_ns) = table.newest_ns {
                        engine.resume(PARTITION, newest_ns);
                    }
                    engine.finals_known_from(table.finals_from_ns);
                }
            }
            if let Some(text) = &table.escalation {
                assert!(engine.restore_escalation(serde_json::from_str(text).expect("what is usual")));
            }
        }
        engine.keep_within(RECALL_NS / 3);
        let lessons = Lessons::new(&learnt, Duration::ZERO, RECALL_NS / 3, Instant::now());
        let (out, parcels, told_ns) = (Output::default(), Vec::new(), i64::MIN);
        Life { engine, lessons, out, read, is_replaying, finals, told_ns, parcels, checkpoint: None }
    }

    /// Reads the next item, as the stage of a live run that correlates does; false if there is none.
    fn step(&mut self, part: u32, log: &[Item], newest_ns: &[i64], before: usize, stream: &Stream) -> bool {
        let Some(item) = log.get(self.read) else { return false };
        let (here, engine) = (self.read, &mut self.engine);
        self.read += 1;
        match item {
            Item::Rows(rows) => engine.observe(rows, &stream.registry, &mut self.out),
            Item::Finals { part, events, settled_ns } => {
                self.finals.hear(here as i64, *settled_ns);
                events.iter().for_each(|event| engine.hear_final(event.clone(), &stream.registry));
                engine.hear_settled(*part, *settled_ns);
            }
            Item::Bin(told) => engine.hear_bin(told.clone(), here as i64, &stream.registry),
        }
        if self.is_replaying && self.read >= before {
            self.is_replaying = false;
            engine.replayed(&stream.registry, &mut self.out);
        }
        engine.advance(&stream.registry, &mut self.out);
        if self.is_replaying {
            assert!(self.out.said.is_empty());
            return true;
        }
        let mut parcel = Parcel { read_to: self.read, ..Parcel::default() };
        for said in self.out.said.drain(..) {
            let kept = engine.book().kept(&said.key);
            let kept = kept.map(|kept| serde_json::to_string(&kept).expect("what was said"));
            parcel.said.push((said.key.to_string(), kept, said.into_feature()));
        }
        self.out.clear();
        let changes = engine.take_changes(&stream.registry).into_iter();
        let text = |record: &LaneRecord| serde_json::to_string(record).expect("what lasts");
        parcel.lanes = changes.map(|(key, record)| (key, record.as_ref().map(text))).collect();
        parcel.learnt = self.lessons.next(engine, &stream.registry, Instant::now());
        parcel.settled = Some(engine.settled());
        parcel.escalation = engine.take_escalation_record(&stream.registry);
        // What a successor has to read again.
        let needed_ns = self.lessons.low_water_ns(engine);
        let of_rows = newest_ns[..here].partition_point(|&newest_ns| newest_ns < needed_ns.saturating_sub(RECALL_NS));
        let of_finals = self.finals.needed_here(engine.finals_needed_ns(needed_ns));
        let of_words = of_finals.into_iter().chain(engine.bins_needed_here()).map(|here| here as usize);
        let position = of_words.fold(of_rows, usize::min);
        let newest_ns = position.checked_sub(1).map(|before| newest_ns[before]).filter(|&it| it > i64::MIN);
        (parcel.position, parcel.finals_from_ns) = ((position, newest_ns), self.finals.known_ns());
        parcel.forwards.extend(engine.take_bins().into_iter().map(|bin| (JUDGE, Item::Bin(bin))));
        let settled_ns = engine.final_ns();
        if settled_ns > self.told_ns {
            self.told_ns = settled_ns;
            let events = engine.take_finals();
            let to = (0..PARTS).filter(|&other| other != part);
            parcel.forwards.extend(to.map(|other| (other, Item::Finals { part, events: events.clone(), settled_ns })));
        }
        parcel.checkpoint = self.checkpoint.take();
        self.parcels.push(parcel);
        if self.read.is_multiple_of(CHECKPOINT_ITEMS) {
            let engine = self.engine.checkpoint(Vec::new()).and_then(Written::finish).expect("a checkpoint");
            let finals = postcard::to_stdvec(&self.finals).expect("a checkpoint");
            self.checkpoint = Some(Checkpoint { engine, finals, read: self.read });
        }
        true
    }
}

impl Member {
    fn new(part: u32, stream: &Stream, regions: &Regions) -> Member {
        let (table, said) = (Table::default(), BTreeMap::new());
        let life = Life::begin(part, &table, None, stream, regions);
        Member { part, log: Vec::new(), newest_ns: Vec::new(), table, said, life }
    }

    fn push(&mut self, item: Item) {
        let before_ns = self.newest_ns.last().copied().unwrap_or(i64::MIN);
        let newest_ns = match &item {
            Item::Rows(rows) => rows.time_ns.iter().copied().fold(before_ns, i64::max),
            _ => before_ns,
        };
        self.log.push(item);
        self.newest_ns.push(newest_ns);
    }

    /// Commits all that was come to; gives what others are told by that.
    fn commit(&mut self) -> Vec<(u32, Item)> {
        let mut forwards = Vec::new();
        for parcel in self.life.parcels.drain(..) {
            for (key, kept, alert) in parcel.said {
                match kept {
                    Some(kept) => self.table.kept.insert(key, kept),
                    None => self.table.kept.remove(&key),
                };
                note(alert, &mut self.said);
            }
            for (key, record) in parcel.lanes {
                match record {
                    Some(record) => self.table.lanes.insert(key, record),
                    None => self.table.lanes.remove(&key),
                };
            }
            if let Some(record) = parcel.learnt {
                self.table.learnt.insert(record.place(), serde_json::to_string(&record).expect("what was learnt"));
            }
            if let Some(record) = parcel.escalation {
                self.table.escalation = Some(serde_json::to_string(&record).expect("what is usual"));
            }
            self.table.settled = parcel.settled.or(self.table.settled);
            self.table.read_to = parcel.read_to;
            self.table.finals_from_ns = parcel.finals_from_ns;
            self.table.checkpoint = parcel.checkpoint.or(self.table.checkpoint.take());
            if parcel.position.0 >= self.table.position {
                (self.table.position, self.table.newest_ns) = parcel.position;
            }
            forwards.extend(parcel.forwards);
        }
        forwards
    }
}

/// What each part says, as the dice have them come forward and die, how many died, and how many of their successors took a checkpoint up.
fn by_parts(
    stream: &Stream,
    deaths: f64,
    dice: &mut ChaCha8Rng,
) -> (Vec<BTreeMap<String, AlertFeature>>, usize, usize) {
    let regions = Regions::new(cells(&stream.registry), PARTS);
    assert!(regions.cells().len() >= PARTS as usize);
    let mut members: Vec<Member> = (0..PARTS).map(|part| Member::new(part, stream, &regions)).collect();
    let rows: Vec<(usize, usize)> =
        (0..).zip(&stream.batches).flat_map(|(at, batch)| (0..batch.len()).map(move |row| (at, row))).collect();
    let (mut sent, mut to, mut died, mut taken_up) = (0, Vec::new(), 0, 0);
    let is_left = |member: &Member| member.life.read < member.log.len() || !member.life.parcels.is_empty();
    while sent < rows.len() || members.iter().any(is_left) {
        let turn = dice.random_range(0..=PARTS);
        if turn == PARTS {
            let next = &rows[sent..rows.len().min(sent + dice.random_range(ROWS))];
            let mut handed: Vec<Observations> = vec![Observations::default(); PARTS as usize];
            for &(at, row) in next {
                let batch = &stream.batches[at];
                regions.route(batch, row, &stream.registry, &mut to);
                for (part, handed) in (0..).zip(&mut handed) {
                    handed.copy_row(batch, row);
                    *handed.part.last_mut().expect("a row") = seen_by(part, &to);
                }
            }
            sent += next.len();
            members
                .iter_mut()
                .zip(handed)
                .filter(|(_, rows)| !rows.is_empty())
                .for_each(|(it, rows)| it.push(Item::Rows(Box::new(rows))));
            continue;
        }
        let member = &mut members[turn as usize];
        if died < MOST_DEATHS && dice.random_bool(deaths) {
            died += 1;
            let checkpoint = member.table.checkpoint.as_ref().filter(|_| dice.random_bool(0.6));
            taken_up += usize::from(checkpoint.is_some());
            member.life = Life::begin(member.part, &member.table, checkpoint, stream, &regions);
        }
        for _ in 0..dice.random_range(ITEMS) {
            let Member { part, log, newest_ns, table, life, .. } = member;
            if !life.step(*part, log, newest_ns, table.read_to, stream) {
                break;
            }
        }
        if dice.random_bool(0.7) || sent == rows.len() {
            for (part, item) in member.commit() {
                members[part as usize].push(item);
            }
        }
    }
    let stand = |mut said: BTreeMap<String, AlertFeature>| {
        said.retain(|_, alert| alert.properties.status != Status::Retracted);
        said
    };
    (members.into_iter().map(|member| stand(member.said)).collect(), died, taken_up)
}

/// Holds parts to what one engine says, over some seeds; each of them dies at so many of its turns, in turn: all at the beginning, or now
/// and then to the end.
fn hold(deaths: &[f64]) {
    let (first, count) = (from_environment("TRUCELINE_SEED", 1), from_environment("TRUCELINE_RUNS", 5));
    for seed in first..first + count {
        let stream = scene(seed);
        let expected = by_one(&stream);
        let mut found = BTreeMap::new();
        let deaths = deaths[(seed % deaths.len() as u64) as usize];
        let (by_parts, died, taken_up) = by_parts(&stream, deaths, &mut ChaCha8Rng::seed_from_u64(seed));
        let speak = by_parts.iter().filter(|said| !said.is_empty()).count();
        for (id, alert) in by_parts.into_iter().flatten() {
            assert!(found.insert(id.clone(), alert).is_none(), "TRUCELINE_SEED={seed}: {id} is said by two");
        }
        let wrong = differences(&found, &expected);
        println!(
            "TRUCELINE_SEED={seed}: {} alerts by {speak} parts, which died {died} times, {taken_up} with a checkpoint",
            expected.len()
        );
        assert!(wrong.is_empty(), "TRUCELINE_SEED={seed}: {}", wrong.join("\n"));
        assert!(expected.len() > 10 && speak >= 3, "TRUCELINE_SEED={seed}: {} by {speak}", expected.len());
    }
}

#[test]
fn parts_of_the_regions_say_what_one_engine_says_however_they_come_forward() {
    hold(&[0.0]);
}

#[test]
fn and_so_they_do_if_they_die() {
    hold(&[0.1, 0.05, 0.02]);
}
