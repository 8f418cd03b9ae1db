//! What a replay has learnt is written down, and another one starts from it.

use super::Case;
use super::broker::Broker;
use super::program::{Ended, Program};
use super::scene::{Line, Scene};
use serde_json::Value;
use std::path::{Path, PathBuf};
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[
    ("a_replay_starts_from_what_another_learnt", a_replay_starts_from_what_another_learnt),
    ("what_cannot_be_started_from_is_said_in_one_sentence", what_cannot_be_started_from_is_said_in_one_sentence),
];

/// Replays these lines into `out`, from what stands in `learnt`.
fn replay(scene: &Scene, lines: &[Line], learnt: Option<&Path>, out: &str) -> (Ended, PathBuf) {
    // Always the same name: it is the topic that evidence is cited from.
    let telemetry = scene.path("telemetry.sensors.ndjson");
    let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
    std::fs::write(&telemetry, text).expect("written");
    let (sensors, areas, out) = (scene.path("sensors.geojson"), scene.path("areas.geojson"), scene.path(out));
    let mut arguments = vec!["replay".to_owned(), "--no-archive".to_owned()];
    let files = [("--telemetry", &telemetry), ("--sensors", &sensors), ("--areas", &areas), ("--out", &out)];
    for (flag, path) in
        files.into_iter().map(|(flag, path)| (flag, path.as_path())).chain(learnt.map(|it| ("--learnt", it)))
    {
        arguments.extend([flag.to_owned(), path.display().to_string()]);
    }
    (Program::run_to_end(&arguments), out)
}

fn record(out: &Path) -> Value {
    let text = std::fs::read(out.join("learnt.json")).expect("learnt.json is there");
    serde_json::from_slice(&text).expect("JSON")
}

fn a_replay_starts_from_what_another_learnt(_: &Broker) {
    let scene = Scene::new(Scenario::Hour, 31, 16.0);
    let half_ns = (scene.lines[0].deliver_ns + scene.simulation.end_ns) / 2;
    let half = scene.lines.partition_point(|line| line.deliver_ns < half_ns);
    let (before, after) = scene.lines.split_at(half);
    let (ended, first) = replay(&scene, before, None, "first");
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let from = first.join("learnt.json");
    let run = |out: &str| {
        let (ended, out) = replay(&scene, after, Some(&from), out);
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        out
    };
    let (second, again) = (run("second"), run("again"));
    for file in ["alerts.ndjson", "learnt.json"] {
        let bytes = |out: &Path| std::fs::read(out.join(file)).expect(file);
        assert!(bytes(&second) == bytes(&again), "the same files give the same {file}");
    }
    let (ended, cold) = replay(&scene, after, None, "cold");
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let events = |out: &Path| record(out)["regions"][0]["prior"]["events"].as_f64().expect("a number");
    // Sixteen minutes of an hour: little has faded.
    assert!(events(&first) > 10.0 && events(&second) > events(&cold) + 0.5 * events(&first));
    let since = |out: &Path| record(out)["regions"][0]["prior"]["from_to_s"][0].clone();
    assert_eq!(since(&second), since(&first), "it went on from there");
    assert_ne!(since(&cold), since(&first));
}

fn what_cannot_be_started_from_is_said_in_one_sentence(_: &Broker) {
    let scene = Scene::new(Scenario::Hour, 32, 1.0);
    let newer = scene.path("newer.json");
    std::fs::write(&newer, r#"{"version":99,"regions":[]}"#).expect("written");
    let broken = scene.path("broken.json");
    std::fs::write(&broken, "not JSON").expect("written");
    for (path, expected) in [
        (newer, "is written down in version 99, and this program reads up to version 1"),
        (broken, "broken.json is no record of what was learnt: expected"),
        (scene.path("nowhere.json"), "nowhere.json: No such file or directory"),
    ] {
        let (ended, out) = replay(&scene, &scene.lines[..10], Some(&path), "refused");
        assert_eq!(ended.code, Some(1), "{}", ended.said);
        let told: Vec<&str> = ended.said.lines().filter(|line| line.starts_with("truceline: ")).collect();
        assert!(matches!(told[..], [one] if one.contains(expected)), "{}", ended.said);
        assert!(!out.exists(), "nothing was begun");
    }
}
