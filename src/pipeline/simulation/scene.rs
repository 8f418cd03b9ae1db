//! A small scene: six microphones, a radar and a patrol; some rounds, a tank in a zone, a tamper alarm, a node that falls
//! silent, a patrol that is turned back; and lines that have to be refused.

use super::faults::{Dice, Fault};
use super::world::Entry;
use crate::engine::settings::Settings;
use crate::kafka::KafkaSettings;
use crate::model::geo::{Frame, LonLat};
use crate::model::review::Review;
use crate::model::time::{NS_PER_S, Timestamp, ns_from_s};
use crate::pipeline::reference::ReferenceFiles;
use crate::pipeline::run::Run;
use std::path::PathBuf;

/// The topics that are read and their partitions.
pub const INPUTS: [(&str, usize); 3] = [("telemetry.sensors", 2), ("telemetry.patrols", 1), ("review.decisions", 1)];
/// Those that are written.
pub const OUTPUTS: [(&str, usize); 4] =
    [("alerts.violations", 2), ("alerts.current", 2), ("telemetry.rejected", 2), ("truceline.state", 2)];

/// When scenes begin, nanoseconds.
const START_NS: i64 = 1_772_323_200 * NS_PER_S;
const CENTRE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
/// Things happen for so long, and heartbeats go on until all is final.
const HAPPENS_S: f64 = 200.0;
const ENDS_S: f64 = 420.0;
/// Between two heartbeats.
const HEARTBEAT_S: f64 = 20.0;
/// At the temperature that the nodes report, 15 °C.
const SOUND_M_S: f64 = 340.35;
const MICROPHONES: usize = 6;
/// How late a line may come, seconds: less than the lateness.
const MOST_DELAY_S: f64 = 12.0;

/// What all scenes share: the files of reference data, and the settings.
pub struct Ground {
    _directory: tempfile::TempDir,
    pub files: ReferenceFiles,
}

fn place(x_m: f64, y_m: f64) -> LonLat {
    Frame::about(CENTRE).to_place(x_m, y_m)
}

/// Where the microphones stand, metres.
fn microphone(k: usize) -> (f64, f64) {
    let (sin, cos) = (k as f64 * std::f64::consts::TAU / MICROPHONES as f64 + 0.2).sin_cos();
    (cos * (2_400.0 + 150.0 * k as f64), sin * (2_700.0 - 120.0 * k as f64))
}

impl Ground {
    /// Writes the files.
    pub fn new() -> Ground {
        let directory = tempfile::tempdir().expect("a directory");
        let mut nodes: Vec<String> = (0..MICROPHONES)
            .map(|k| {
                let (x_m, y_m) = microphone(k);
                node(
                    &format!("mic-{k}"),
                    place(x_m, y_m),
                    r#""acoustic","status""#,
                    r#","range_m":6000,"detect_p":0.9,"time_sd_s":0.02,"heartbeat_s":20"#,
                )
            })
            .collect();
        nodes.push(node("radar", place(0.0, 4_000.0), r#""track","status""#, ""));
        let corners = [(-1_000.0, -900.0), (1_000.0, -900.0), (1_000.0, 900.0), (-1_000.0, 900.0), (-1_000.0, -900.0)];
        let corners: Vec<String> = corners
            .iter()
            .map(|&(x_m, y_m)| place(x_m, y_m))
            .map(|at| format!("[{},{}]", at.lon_deg, at.lat_deg))
            .collect();
        let zone = format!(
            r#"{{"type":"Feature","geometry":{{"type":"Polygon","coordinates":[[{}]]}},"properties":{{"area":"zone","name":"Zone","type":"withdrawal","prohibits":["fire","entry","heavy_weapons"]}}}}"#,
            corners.join(",")
        );
        let write = |name: &str, features: &[String]| {
            let path = directory.path().join(name);
            let text = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
            std::fs::write(&path, text).expect("written");
            Some(path)
        };
        let files = ReferenceFiles {
            sensors: write("sensors.geojson", &nodes),
            areas: write("areas.geojson", &[zone]),
            notices: write("notices.geojson", &[]),
        };
        Ground { _directory: directory, files }
    }

    /// The same of one that lays checkpoints down.
    pub fn run_with_checkpoints(&self, recall_s: u32) -> Run {
        let mut run = self.run(recall_s);
        run.kafka.checkpoint_dir = PathBuf::from("in memory");
        run
    }

    /// A run of the pipeline that remembers so much, seconds.
    pub fn run(&self, recall_s: u32) -> Run {
        let mut settings = Settings::default();
        settings.tracks.lost_after_s = 60.0;
        Run {
            // A step of the teller commits, and no clock is asked whether a region's lessons are to be kept.
            kafka: KafkaSettings {
                recall_s,
                commit_interval_ms: 0,
                learnt_interval_s: 0,
                checkpoint_dir: PathBuf::new(),
                ..KafkaSettings::default()
            },
            reference: self.files.clone(),
            settings,
            config_digest: "0".repeat(64),
            review: Review::default(),
            by_component: false,
            part: None,
        }
    }
}

fn node(name: &str, at: LonLat, kinds: &str, more: &str) -> String {
    format!(
        r#"{{"type":"Feature","geometry":{{"type":"Point","coordinates":[{},{}]}},"properties":{{"node":"{name}","kinds":[{kinds}]{more}}}}}"#,
        at.lon_deg, at.lat_deg
    )
}

/// A record on its way.
#[derive(Clone)]
pub struct Delivery {
    pub topic: &'static str,
    pub entry: Entry,
    /// Whether an offset of its topic is skipped before it, and of which partition.
    pub gap: Option<usize>,
}

struct Line {
    patrol: bool,
    node: String,
    at_s: f64,
    text: String,
    counts: bool,
}

/// The telemetry of a seed in order of delivery: as it should be, and with what may happen to it on the way.
pub fn telemetry(seed: u64, input_faults: bool, tally: &mut Dice) -> Vec<Delivery> {
    let mut dice = Dice::new(seed ^ 0x5ce7e, 0);
    let lines = lines(&mut dice);
    let mut on_its_way: Vec<(f64, Line)> = Vec::new();
    for line in lines {
        let usual_s = line.at_s + dice.between(0.1, 0.9);
        let (is_late, is_double) = (dice.chance(0.04), dice.chance(0.03));
        let (late_s, again_s) = (dice.between(1.0, MOST_DELAY_S), dice.between(0.0, 20.0));
        if input_faults && is_double && line.counts {
            tally.count(Fault::Duplicate);
            let Line { patrol, ref node, at_s, ref text, counts } = line;
            on_its_way.push((usual_s + again_s, Line { patrol, node: node.clone(), at_s, text: text.clone(), counts }));
        }
        if input_faults && is_late {
            tally.count(Fault::Delay);
            on_its_way.push((usual_s + late_s, line));
        } else {
            on_its_way.push((usual_s, line));
        }
    }
    on_its_way.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut deliveries: Vec<Delivery> = Vec::new();
    let mut left = on_its_way.into_iter().map(|(_, line)| line).peekable();
    while let Some(line) = left.next() {
        let topic = if line.patrol { INPUTS[1].0 } else { INPUTS[0].0 };
        let (mut text, mut newest_ns) = (line.text.clone(), line.counts.then(|| time(line.at_s).0));
        // Some gateways send several lines in one record.
        while let Some(more) = left.next_if(|more| more.node == line.node && more.patrol == line.patrol) {
            text = format!("{text}\n{}", more.text);
            newest_ns = newest_ns.max(more.counts.then(|| time(more.at_s).0));
        }
        let gap = (dice.chance(0.02) && input_faults).then(|| dice.below(if line.patrol { 1 } else { INPUTS[0].1 }));
        if gap.is_some() {
            tally.count(Fault::Gap);
        }
        let entry = Entry {
            key: Some(line.node.as_bytes().into()),
            payload: Some(text.into_bytes().into()),
            newest_ns,
            ..Entry::default()
        };
        deliveries.push(Delivery { topic, entry, gap });
    }
    deliveries
}

fn time(at_s: f64) -> Timestamp {
    Timestamp(START_NS + ns_from_s(at_s))
}

/// What is sent, by the time of each line.
fn lines(dice: &mut Dice) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut number = 0;
    let mut say = |patrol: bool, node: &str, at_s: f64, rest: &str| {
        number += 1;
        let text = format!(r#"{{"id":"o{number}","node":"{node}","time":"{}",{rest}}}"#, time(at_s));
        lines.push(Line { patrol, node: node.to_owned(), at_s, text, counts: true });
    };
    // One microphone is not heard of for a while.
    let silent_from_s = dice.between(20.0, 80.0);
    let silent = silent_from_s..silent_from_s + 150.0;
    for k in 0..MICROPHONES {
        let mut at_s = 1.0 + k as f64 * 1.7;
        while at_s < ENDS_S {
            if k != 5 || !silent.contains(&at_s) {
                let health = if k == 3 && (60.0..90.0).contains(&at_s) { "tamper" } else { "ok" };
                let rest = format!(r#""kind":"status","health":"{health}","temperature_c":15"#);
                say(false, &format!("mic-{k}"), at_s, &rest);
            }
            at_s += HEARTBEAT_S;
        }
    }
    for at in 0..=(ENDS_S / HEARTBEAT_S) as u32 {
        let at_s = f64::from(at) * HEARTBEAT_S + 0.5;
        say(false, "radar", at_s, r#""kind":"status","health":"ok""#);
        let there = place(200.0, -300.0 + f64::from(at) * 10.0);
        let rest = format!(r#""kind":"patrol","activity":"position","lon":{},"lat":{}"#, there.lon_deg, there.lat_deg);
        say(true, "patrol", at_s + 3.0, &rest);
    }
    let there = place(500.0, 500.0);
    let denied = dice.between(30.0, 150.0);
    let rest = format!(
        r#""kind":"patrol","activity":"denied","by":"a post","reason":"none given","lon":{},"lat":{}"#,
        there.lon_deg, there.lat_deg
    );
    say(true, "patrol", denied, &rest);
    // A tank crosses the zone.
    let enters_s = dice.between(10.0, 60.0);
    for plot in 0..12 {
        let there = place(-2_000.0 + 400.0 * f64::from(plot), 100.0);
        let rest = format!(
            r#""kind":"track","track":"T1","domain":"ground","object_class":"tank","object_lon":{},"object_lat":{},"object_sd_m":20,"speed_m_s":40,"course_deg":90"#,
            there.lon_deg, there.lat_deg
        );
        say(false, "radar", enters_s + 10.0 * f64::from(plot), &rest);
    }
    // Rounds, and picks that belong to none.
    let mut at_s = dice.between(15.0, 30.0);
    while at_s < HAPPENS_S - 40.0 {
        let (x_m, y_m) = (dice.between(-1_500.0, 1_500.0), dice.between(-1_500.0, 1_500.0));
        for k in 0..MICROPHONES {
            let (mic_x_m, mic_y_m) = microphone(k);
            let travel_s = (mic_x_m - x_m).hypot(mic_y_m - y_m) / SOUND_M_S;
            if dice.chance(0.93) {
                let heard_s = at_s + travel_s + dice.between(-0.02, 0.02);
                say(false, &format!("mic-{k}"), heard_s, r#""kind":"acoustic","snr_db":15,"class":"impact""#);
            }
        }
        at_s += dice.between(25.0, 60.0);
    }
    for _ in 0..6 {
        let (k, at_s) = (dice.below(MICROPHONES), dice.between(10.0, HAPPENS_S));
        say(false, &format!("mic-{k}"), at_s, r#""kind":"acoustic","snr_db":8"#);
    }
    // What has to be refused.
    for n in 0..14 {
        // Not among the first of its partition: a stream of one node is taken for what it says.
        let (k, at_s) = (dice.below(MICROPHONES), dice.between(45.0, HAPPENS_S + 60.0));
        let (node, now) = (format!("mic-{k}"), time(at_s));
        let text = match n % 7 {
            0 => format!(r#"{{"bad":{n}"#),
            1 => format!(r#"{{"id":"b{n}","node":"{node}","time":"{now}"}}"#),
            2 => format!(r#"{{"id":"b{n}","node":"nobody","kind":"acoustic","time":"{now}"}}"#),
            3 => format!(r#"{{"id":"b{n}","node":"{node}","kind":"telepathy","time":"{now}"}}"#),
            4 => format!(r#"{{"id":"b{n}","node":"{node}","kind":"acoustic","time":"{now}","snr_db":"loud"}}"#),
            // Far ahead (of two such nodes the engine would think that they are right), and far behind.
            5 if n == 5 => {
                format!(r#"{{"id":"b{n}","node":"{node}","kind":"acoustic","time":"{}"}}"#, time(at_s + 4_000.0))
            }
            _ => format!(r#"{{"id":"b{n}","node":"{node}","kind":"acoustic","time":"{}"}}"#, time(at_s - 30_000.0)),
        };
        lines.push(Line { patrol: false, node, at_s, text, counts: false });
    }
    lines.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    lines
}
