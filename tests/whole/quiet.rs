//! A stream that ends without a word: what was heard last becomes final all the same.

use super::Case;
use super::broker::Broker;
use super::live::{LARGEST_BYTES, last};
use super::program::{Program, Site};
use super::records::{Received, consume_all, produce};
use super::scene::{assert_same, heartbeat, last_revisions, settled};
use truceline::engine::weather::Air;
use truceline::model::geo::{Frame, LonLat};
use truceline::model::time::{NS_PER_S, Timestamp, ns_from_s};

pub const TRIALS: &[Case] =
    &[("a_stream_that_goes_quiet_ends_as_its_replay_does", a_stream_that_goes_quiet_ends_as_its_replay_does)];

const START_NS: i64 = 1_772_323_200 * NS_PER_S;
/// So little that the final word is due soon: twice the longest travel time is 22 s.
const RANGE_M: f64 = 2_000.0;
const SETTINGS: [&str; 4] = ["--set", "engine.lateness_s=2", "--set", "kafka.close_after_s=26"];

/// Nine microphones, a kilometre apart in a square: their names and places.
fn microphones() -> Vec<(String, LonLat)> {
    let frame = Frame::about(LonLat { lon_deg: 31.5, lat_deg: 46.9 });
    let place = |k: u32| frame.to_place(f64::from(k % 3) * 1e3 - 1e3, f64::from(k / 3) * 1e3 - 1e3);
    (0..9).map(|k| (format!("mic-{k}"), place(k))).collect()
}

fn feature((name, place): &(String, LonLat)) -> String {
    format!(
        r#"{{"type":"Feature","geometry":{{"type":"Point","coordinates":[{},{}]}},"properties":{{"node":"{name}","kinds":["acoustic"],"range_m":{RANGE_M},"time_sd_s":0.01,"detect_p":0.95,"heartbeat_s":10}}}}"#,
        place.lon_deg, place.lat_deg
    )
}

/// Heartbeats of a minute, two events in its last seconds, and nothing more: keys and lines, in order of time.
fn telemetry() -> Vec<(String, String)> {
    let sound_m_s = Air::default().sound_m_s();
    let mut lines = Vec::<(i64, String, String)>::new();
    for (name, place) in microphones() {
        for at_s in (0..60).step_by(10) {
            let beat = heartbeat(&name, START_NS + at_s * NS_PER_S);
            lines.push((beat.deliver_ns, name.clone(), beat.text));
        }
        for (event, at_s, (lon_deg, lat_deg)) in [(1, 48.0, (31.501, 46.902)), (2, 55.0, (31.496, 46.897))] {
            let travel_s = place.distance_m(LonLat { lon_deg, lat_deg }) / sound_m_s;
            let time_ns = START_NS + ns_from_s(at_s + travel_s);
            let text = format!(
                r#"{{"id":"{name}-{event}","node":"{name}","kind":"acoustic","time":"{}","class":"impact"}}"#,
                Timestamp(time_ns)
            );
            lines.push((time_ns, name.clone(), text));
        }
    }
    lines.sort();
    lines.into_iter().map(|(_, key, text)| (key, text)).collect()
}

fn is_final(record: &Received) -> bool {
    String::from_utf8_lossy(record.payload.as_deref().unwrap_or_default()).contains(r#""status":"final""#)
}

fn a_stream_that_goes_quiet_ends_as_its_replay_does(broker: &Broker) {
    let site = Site::new(broker, "quiet");
    site.create_topics(broker, LARGEST_BYTES);
    let features: Vec<(String, String)> = microphones().iter().map(|mic| (mic.0.clone(), feature(mic))).collect();
    produce(broker, &site.topic("reference_sensors"), features.iter().map(|(key, text)| (key.as_str(), text.as_str())));
    let telemetry = telemetry();
    produce(broker, &site.topic("sensors"), telemetry.iter().map(|(key, text)| (key.as_str(), text.as_str())));

    let program = site.run(&SETTINGS);
    let revisions =
        consume_all(broker, &site.topic("violations"), |came| came.iter().filter(|it| is_final(it)).count() >= 2);
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);

    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let lines: String = telemetry.iter().map(|(_, text)| format!("{text}\n")).collect();
    let features: Vec<&str> = features.iter().map(|(_, text)| text.as_str()).collect();
    let sensors = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
    let none = r#"{"type":"FeatureCollection","features":[]}"#;
    for (name, text) in
        [("telemetry.ndjson", lines.as_str()), ("sensors", &sensors), ("areas", none), ("notices", none)]
    {
        std::fs::write(path(name), text).expect("written");
    }
    let mut arguments = vec!["replay".to_owned(), "--quiet".to_owned(), "--no-archive".to_owned()];
    for (flag, name) in [
        ("--telemetry", "telemetry.ndjson"),
        ("--sensors", "sensors"),
        ("--areas", "areas"),
        ("--notices", "notices"),
        ("--out", "out"),
    ] {
        arguments.extend([flag.to_owned(), path(name)]);
    }
    arguments.extend(SETTINGS.map(str::to_owned));
    let replayed = Program::run_to_end(&arguments);
    assert_eq!(replayed.code, Some(0), "{}", replayed.said);
    let alerts = std::fs::read_to_string(directory.path().join("out/alerts.ndjson")).expect("alerts");
    let alerts = alerts.lines().map(|line| serde_json::from_str(line).expect("an alert"));
    let expected = settled(&last_revisions(alerts));
    assert_eq!(expected.len(), 2);
    assert_same(&settled(&last(&revisions)), &expected, "after a quiet time");
}
