//! A stream whose engine dies again and again: what is final in the end is what one engine finds.

use super::stream::{PARTITION, Stream, in_batches};
use crate::engine::associate::record::RegionRecord;
use crate::engine::book::{Kept, Settled};
use crate::engine::settings::Settings;
use crate::engine::{Engine, Output};
use crate::model::alert::{AlertFeature, Status};
use crate::model::time::{NS_PER_S, Timestamp, ns_from_s, parse_rfc3339};
use crate::pipeline::simulation::from_environment;
use crate::simulate::{Delivery, Options, Scenario, Simulation, simulate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Observations that go through the engine at a time.
const BATCH: usize = 64;
/// Event time between two records of what was learnt.
const LESSON_NS: i64 = 40 * NS_PER_S;
/// Event time between two deaths, s.
const LIVES_S: (f64, f64) = (20.0, 200.0);
/// What is read again beyond what is needed.
const RECALL_NS: i64 = 240 * NS_PER_S;

/// What is written down of an engine, as it is written: text.
#[derive(Default)]
struct Table {
    kept: BTreeMap<String, String>,
    /// What rules know of what lasts.
    lanes: BTreeMap<String, String>,
    settled: Option<Settled>,
    learnt: String,
    /// What was needed when that was written, nanoseconds.
    needed_ns: i64,
}

impl Table {
    fn learn(&mut self, engine: &Engine, stream: &Stream) {
        let records: Vec<RegionRecord> =
            (0..engine.regions()).filter_map(|region| engine.learnt_in(region, &stream.registry)).collect();
        self.learnt = serde_json::to_string(&records).expect("a record");
        self.needed_ns = engine.low_water_ns();
    }

    fn successor(&self, stream: &Stream, settings: &Settings) -> Engine {
        let mut engine = stream.engine(settings);
        let kept: Vec<Kept> =
            self.kept.values().map(|text| serde_json::from_str(text).expect("what was said")).collect();
        let learnt = serde_json::from_str(&self.learnt).expect("what was learnt");
        engine.restore(kept, self.settled.unwrap_or(Settled::NOTHING), learnt);
        engine.keep_within(RECALL_NS / 3);
        let lanes = self.lanes.values().map(|text| serde_json::from_str(text).expect("what lasts"));
        assert!(engine.remember(lanes, &stream.registry).is_empty());
        engine
    }
}

/// The last words of engines that die at times which that seed throws, and how many lived.
fn last_words(stream: &Stream, settings: &Settings, seed: u64) -> (BTreeMap<String, AlertFeature>, usize) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let batches = in_batches(stream.rows(), || BATCH);
    let (mut engine, mut output, mut table) = (stream.engine(settings), Output::default(), Table::default());
    engine.keep_within(RECALL_NS / 3);
    let mut last: BTreeMap<String, AlertFeature> = BTreeMap::new();
    let mut note = |engine: &mut Engine, output: &mut Output, table: &mut Table| {
        for said in output.said.drain(..) {
            let kept = engine.book().kept(&said.key).expect("what was just said");
            table.kept.insert(said.key.to_string(), serde_json::to_string(&kept).expect("what was said"));
            last.insert(said.feature.properties.alert.clone(), said.into_feature());
        }
        for (key, record) in engine.take_changes(&stream.registry) {
            match record {
                Some(record) => table.lanes.insert(key, serde_json::to_string(&record).expect("what lasts")),
                None => table.lanes.remove(&key),
            };
        }
        output.clear();
    };
    // The newest event time before each batch.
    let mut newest_ns = i64::MIN;
    let before_ns: Vec<i64> = batches
        .iter()
        .map(|batch| {
            let before_ns = newest_ns;
            newest_ns = batch.time_ns.iter().copied().fold(newest_ns, i64::max);
            before_ns
        })
        .collect();
    let start_ns = batches[0].time_ns[0];
    let life_ns = |dice: &mut ChaCha8Rng| ns_from_s(dice.random_range(LIVES_S.0..LIVES_S.1));
    let (mut dies_ns, mut learns_ns) = (start_ns + life_ns(&mut dice), start_ns);
    let (mut at, mut read_to, mut lives) = (0, 0, 1);
    while at < batches.len() {
        engine.ingest(&batches[at], &stream.registry, &mut output);
        at += 1;
        if at < read_to {
            assert!(output.said.is_empty());
            continue;
        }
        if at == read_to {
            engine.replayed(&stream.registry, &mut output);
        }
        note(&mut engine, &mut output, &mut table);
        table.settled = Some(engine.settled());
        let now_ns = before_ns.get(at).copied().unwrap_or(i64::MIN);
        if now_ns >= learns_ns {
            table.learn(&engine, stream);
            learns_ns = now_ns + LESSON_NS;
        }
        if now_ns >= dies_ns && !table.learnt.is_empty() {
            lives += 1;
            dies_ns = now_ns + life_ns(&mut dice);
            read_to = at;
            let again_ns = table.needed_ns.min(engine.low_water_ns()) - RECALL_NS;
            at = before_ns.partition_point(|&before_ns| before_ns < again_ns).saturating_sub(1);
            engine = table.successor(stream, settings);
            if before_ns[at] > i64::MIN {
                engine.resume(PARTITION, before_ns[at]);
            }
        }
    }
    engine.caught_up(PARTITION, &stream.registry, &mut output);
    engine.finish(&stream.registry, &mut output);
    note(&mut engine, &mut output, &mut table);
    last.retain(|_, alert| alert.properties.status != Status::Retracted);
    (last, lives)
}

/// What is wrong with what was found, a line for each alert.
pub(super) fn differences(
    found: &BTreeMap<String, AlertFeature>,
    expected: &BTreeMap<String, AlertFeature>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for id in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        match (found.get(id), expected.get(id)) {
            (Some(found), Some(expected)) => {
                let mut found = found.clone();
                found.properties.revision = expected.properties.revision;
                if found != *expected {
                    let [found, expected] = [&found, expected].map(|it| serde_json::to_string(it).expect("an alert"));
                    wrong.push(format!("{id} is\n    {found} and should be\n    {expected}"));
                }
            }
            (found, expected) => {
                let told = serde_json::to_string(&found.or(expected)).expect("an alert");
                wrong.push(format!("{id} is {}: {told}", if found.is_some() { "strange" } else { "missing" }));
            }
        }
    }
    wrong
}

/// The last word about each alert, of those that stand in the end.
pub(super) fn that_stand(alerts: Vec<AlertFeature>) -> BTreeMap<String, AlertFeature> {
    let last: BTreeMap<String, AlertFeature> =
        alerts.into_iter().map(|alert| (alert.properties.alert.clone(), alert)).collect();
    last.into_iter().filter(|(_, alert)| alert.properties.status != Status::Retracted).collect()
}

/// Compares the last words of engines that die again and again with those of one that does not, to the last byte.
fn hold(scenario: Scenario, options: &Options, seed: u64) {
    hold_in(scenario, Stream::decode(simulate(scenario, 80 + seed, options)), seed);
}

fn hold_in(scenario: Scenario, stream: Stream, seed: u64) -> BTreeMap<String, AlertFeature> {
    let settings = Settings::default();
    let expected = that_stand(stream.pass(&settings).alerts);
    let (found, lives) = last_words(&stream, &settings, seed);
    let wrong = differences(&found, &expected);
    println!("{scenario:?}, TRUCELINE_SEED={seed}: {lives} lives, {} alerts, {} wrong", expected.len(), wrong.len());
    assert!(expected.len() > 30 && lives > 3, "{lives} lives, {} alerts", expected.len());
    assert!(wrong.is_empty(), "{scenario:?}, TRUCELINE_SEED={seed}: {} are wrong: {}", wrong.len(), wrong.join("\n"));
    expected
}

/// The same scene in which nodes correct themselves: of each eighth arrival and solution there is another that takes its place,
/// and each eighth is taken back within a minute and a half. Some corrections come before what they are about.
pub(super) fn corrected(mut scene: Simulation, seed: u64) -> Simulation {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut more = Vec::new();
    for sent in &scene.deliveries {
        let mut line: serde_json::Value = serde_json::from_str(&sent.line).expect("a line");
        let corrects = ["acoustic", "radar", "flash"].iter().any(|kind| line["kind"] == *kind);
        let throw = dice.random_range(0..8);
        if !corrects || throw > 1 {
            continue;
        }
        let id = line["id"].as_str().expect("an id").to_owned();
        let time_ns = parse_rfc3339(line["time"].as_str().expect("a time").as_bytes()).expect("a time");
        let moved_s = if throw == 0 { dice.random_range(-0.5..0.5) } else { dice.random_range(0.0..90.0) };
        line["time"] = serde_json::to_value(Timestamp(time_ns + ns_from_s(moved_s))).expect("a time");
        line["id"] = format!("{id}-again").into();
        line["supersedes"] = id.into();
        if throw == 1 {
            line["withdrawn"] = true.into();
        }
        let after_s = moved_s.max(0.0) + dice.random_range(-4.0..8.0);
        let deliver_ns = sent.deliver_ns + ns_from_s(after_s);
        more.push(Delivery { deliver_ns, line: line.to_string(), ..sent.clone() });
    }
    scene.deliveries.extend(more);
    scene.deliveries.sort_by_key(|sent| sent.deliver_ns);
    scene
}

/// A radar takes back there what one engine has settled already when it is fed line by line, and another has not.
#[test]
fn what_is_taken_back_does_not_hang_on_how_the_stream_is_cut() {
    let options = Options { duration_s: Some(900.0), ..Options::default() };
    for seed in [7, 21] {
        let stream = Stream::decode(corrected(simulate(Scenario::Fused, 80 + seed, &options), seed));
        let settings = Settings::default();
        let [in_batches, line_by_line] =
            [stream.pass(&settings).alerts, stream.one_by_one(&settings).alerts].map(that_stand);
        let wrong = differences(&line_by_line, &in_batches);
        assert!(in_batches.len() > 30 && wrong.is_empty(), "seed {seed}: {}", wrong.join("\n"));
    }
}

/// `TRUCELINE_MINUTES=177 TRUCELINE_SEED=7` takes so long an hour.
#[test]
fn engines_that_die_again_and_again_find_what_one_finds_to_the_last_byte() {
    let (minutes, seed) = (from_environment("TRUCELINE_MINUTES", 60), from_environment("TRUCELINE_SEED", 7));
    hold(Scenario::Hour, &Options { duration_s: Some(minutes as f64 * 60.0), ..Options::default() }, seed);
}

#[test]
fn and_so_they_do_in_a_barrage_with_radars_and_cameras() {
    let seed = from_environment("TRUCELINE_SEED", 7);
    for (scenario, rate) in [(Scenario::Barrage, 2.0), (Scenario::Fused, 1.0)] {
        hold(scenario, &Options { duration_s: Some(900.0), rate, ..Options::default() }, seed);
    }
}

/// One died there just before an event became final that was older than what counted as settled.
#[test]
fn what_becomes_final_late_is_said_by_who_goes_on() {
    hold(Scenario::Barrage, &Options { duration_s: Some(900.0), rate: 2.0, ..Options::default() }, 15);
}

/// Late arrivals came there that are older than what is read again, of weather and clocks too.
#[test]
fn what_comes_late_amends_what_was_final_before_all_that_is_read_again() {
    hold(Scenario::Fused, &Options { duration_s: Some(900.0), ..Options::default() }, 13);
}

#[test]
fn and_so_they_do_where_nodes_correct_themselves() {
    let seed = from_environment("TRUCELINE_SEED", 7);
    for (scenario, rate) in [(Scenario::Barrage, 2.0), (Scenario::Fused, 1.0)] {
        let options = Options { duration_s: Some(900.0), rate, ..Options::default() };
        let scene = corrected(simulate(scenario, 80 + seed, &options), seed);
        let found = hold_in(scenario, Stream::decode(scene), seed);
        let all: BTreeSet<String> = found
            .values()
            .filter(|alert| alert.properties.class.is_fire())
            .flat_map(|alert| alert.properties.evidence.iter().map(|cited| format!("{}/{}", cited.node, cited.id)))
            .collect();
        let better = all.iter().filter(|id| id.ends_with("-again")).count();
        let both = all.iter().filter(|id| all.contains(&format!("{id}-again"))).count();
        assert!(better > 20 && both == 0, "{better} corrections are evidence, {both} with what they correct");
    }
}
