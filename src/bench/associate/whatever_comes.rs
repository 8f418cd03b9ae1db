//! Whatever comes, the engine goes on, what it says makes sense, and it says the same however it is cut, and written down and taken up.

use super::anything::{Wildness, anything};
use super::restarted::{differences, that_stand};
use super::stream::{Stream, in_batches};
use super::taken_up;
use crate::codec::alert::{content_digest, evidence_digest};
use crate::codec::schema;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, Status};
use crate::model::observation::Observations;
use crate::pipeline::simulation::from_environment;
use crate::simulate::Simulation;
use jsonschema::Validator;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

const WILD: Wildness = Wildness { ends: 0.08, corrections: 0.08, out_of_time: 0.05 };
const LINES: usize = 400;

fn seeds(or: u64) -> std::ops::Range<u64> {
    let first = from_environment("TRUCELINE_SEED", 1);
    first..first + from_environment("TRUCELINE_RUNS", or)
}

fn validator() -> Validator {
    let (_, schema) = schema::schemas().into_iter().find(|(name, _)| *name == "alert").expect("a schema");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema")
}

/// All that an engine says of the stream in such batches.
fn said(stream: &Stream, size: impl FnMut() -> usize) -> Vec<AlertFeature> {
    stream.through(&in_batches(stream.rows(), size), &Settings::default()).alerts
}

/// How often what lasts was told, and on what evidence last, hangs on when: only what is settled is held to anything.
fn last_words(said: Vec<AlertFeature>) -> BTreeMap<String, AlertFeature> {
    let mut last = that_stand(said);
    last.retain(|_, alert| is_settled(alert.properties.status));
    last
}

fn is_settled(status: Status) -> bool {
    matches!(status, Status::Final | Status::Amended)
}

/// What is wrong with a revision, after the one before it.
fn faults(
    alert: &AlertFeature,
    before: Option<&AlertFeature>,
    lines: &BTreeSet<(String, String)>,
    schema: &Validator,
) -> Vec<String> {
    let properties = &alert.properties;
    let value = serde_json::to_value(alert).expect("an alert");
    let mut faults: Vec<String> =
        schema.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    let mut hold = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned())
        }
    };
    hold(properties.revision == before.map_or(1, |before| before.properties.revision + 1), "revision");
    hold((0.0..=1.0).contains(&properties.probability), "probability");
    hold((1..=5).contains(&properties.severity), "severity");
    hold(properties.time_sd_s > 0.0 && properties.time_sd_s.is_finite(), "time_sd_s");
    if let Some(ellipse) = &properties.ellipse {
        let axes = ellipse.semi_major_m >= ellipse.semi_minor_m && ellipse.semi_minor_m > 0.0;
        hold(axes && ellipse.semi_major_m.is_finite() && (0.0..180.0).contains(&ellipse.orientation_deg), "ellipse");
    }
    hold(properties.to.is_none_or(|to| properties.from.is_some_and(|from| from <= to)), "to");
    hold(evidence_digest(&properties.evidence).is_ok_and(|it| it == properties.evidence_digest), "evidence_digest");
    let cited: BTreeSet<(String, String)> =
        properties.evidence.iter().map(|cited| (cited.node.clone(), cited.id.clone())).collect();
    let origins: BTreeSet<(i64, u32)> = properties.evidence.iter().map(|cited| (cited.offset, cited.line)).collect();
    hold(origins.len() == properties.evidence.len(), "cited twice");
    hold(cited.iter().all(|it| lines.contains(it)), "cites what nobody sent");
    if let Some(before) = before {
        let was = &before.properties;
        hold(
            !is_settled(was.status) || is_settled(properties.status) || properties.status == Status::Retracted,
            "status",
        );
        let mut same = alert.clone();
        same.properties.revision = was.revision;
        hold(content_digest(&same).ok() != content_digest(before).ok(), "says nothing new");
    }
    faults
}

/// Holds streams of some seeds to something, and tells of the first in which it does not hold: which seeds, and the fewest lines with which it
/// still does not.
fn hold(wild: Wildness, count: u64, it: impl Fn(u64, &Stream) -> Vec<String>) {
    let mut wrong = Vec::new();
    for seed in seeds(count) {
        let scene = anything(seed, LINES, wild);
        let stream = Stream::decode(scene.clone());
        assert!(stream.observations as usize > LINES * 9 / 10, "TRUCELINE_SEED={seed}: {}", stream.observations);
        if let Some(fault) = first_fault(seed, &stream, &it) {
            wrong.push((seed, scene, fault));
        }
    }
    let all: Vec<u64> = wrong.iter().map(|(seed, ..)| *seed).collect();
    let Some((seed, mut scene, fault)) = wrong.into_iter().next() else { return };
    shrink(&mut scene, |scene| first_fault(seed, &Stream::decode(scene.clone()), &it).is_some());
    let lines: Vec<&str> = scene.deliveries.iter().map(|sent| sent.line.as_str()).collect();
    let still = first_fault(seed, &Stream::decode(scene.clone()), &it).unwrap_or_default();
    let lines = lines.join("\n");
    panic!("seeds {all:?} are wrong; TRUCELINE_SEED={seed}: {fault}\n\nwith fewest lines:\n{lines}\n{still}");
}

fn first_fault(seed: u64, stream: &Stream, it: impl Fn(u64, &Stream) -> Vec<String>) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| it(seed, stream))) {
        Ok(faults) => faults.into_iter().next(),
        Err(_) => Some("a panic".to_owned()),
    }
}

/// Leaves lines out as long as it is wrong without them, first many at a time, then one by one.
fn shrink(scene: &mut Simulation, is_wrong: impl Fn(&Simulation) -> bool) {
    let mut many = scene.deliveries.len() / 2;
    while many > 0 {
        let (mut at, before) = (0, scene.deliveries.len());
        while at < scene.deliveries.len() {
            let mut fewer = scene.clone();
            fewer.deliveries.drain(at..(at + many).min(scene.deliveries.len()));
            match is_wrong(&fewer) {
                true => *scene = fewer,
                false => at += many,
            }
        }
        if many > 1 || scene.deliveries.len() == before {
            many /= 2;
        }
    }
}

/// Node and id of each line.
fn lines(stream: &Stream) -> BTreeSet<(String, String)> {
    let name = |batch: &Observations, row: usize| stream.registry.node(batch.node[row]).name.clone();
    stream.rows().map(|(batch, row)| (name(batch, row), batch.text(batch.id[row]).to_owned())).collect()
}

#[test]
fn what_is_said_makes_sense() {
    let schema = validator();
    hold(WILD, 40, |seed, stream| {
        let lines = lines(stream);
        let mut last: BTreeMap<String, AlertFeature> = BTreeMap::new();
        let mut wrong = Vec::new();
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        for alert in said(stream, || dice.random_range(1..=40)) {
            let faults = faults(&alert, last.get(&alert.properties.alert), &lines, &schema);
            if !faults.is_empty() {
                wrong.push(format!("{faults:?}: {}", serde_json::to_string(&alert).expect("an alert")));
            }
            last.insert(alert.properties.alert.clone(), alert);
        }
        wrong
    });
}

#[test]
fn the_last_words_do_not_hang_on_how_the_stream_is_cut() {
    hold(Wildness { out_of_time: 0.0, ..WILD }, 40, |_, stream| {
        let [one_by_one, in_batches] = [1, 1_024].map(|size| last_words(said(stream, || size)));
        differences(&one_by_one, &in_batches)
    });
}

#[test]
fn who_takes_up_what_was_written_down_says_the_same() {
    hold(WILD, 40, |_, stream| {
        let engine = || taken_up::engine(stream);
        taken_up::hold((engine(), engine()), &taken_up::in_two_partitions(stream), 1, stream);
        Vec::new()
    });
}
