//! A simulated scene for whole-program tests: its telemetry in order of delivery, its reference data, and what a
//! replay finds in it.
//!
//! After its end all nodes send heartbeats for some minutes, so that event time passes everything and each alert
//! becomes final. The same lines go to the files and to the topics.

use super::broker::Broker;
use super::live::LARGEST_BYTES;
use super::program::{Program, Site};
use super::records::{produce, produce_by, producer};
use rdkafka::producer::BaseProducer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use truceline::model::time::{NS_PER_S, Timestamp};
use truceline::simulate::{self, Options, Scenario, Simulation, area_feature, node_feature, notice_feature};

/// How long heartbeats go on after the end: longer than anything waits to be settled.
const TAIL_S: i64 = 1_200;
/// Between two heartbeats of a node there: a stream may not jump by more than `max_future_s`.
const TAIL_STEP_S: i64 = 20;

/// A line of telemetry.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whether it belongs on the patrols' topic.
    pub by_patrol: bool,
    /// The node.
    pub key: String,
    /// When it is delivered, nanoseconds.
    pub deliver_ns: i64,
    /// One JSON object.
    pub text: String,
}

/// Telemetry and reference data.
pub struct Scene {
    /// What was simulated.
    pub simulation: Simulation,
    /// In order of delivery, the heartbeats after the end included.
    pub lines: Vec<Line>,
    directory: tempfile::TempDir,
}

impl Scene {
    /// The scenario's first minutes.
    pub fn new(scenario: Scenario, seed: u64, minutes: f64) -> Scene {
        Scene::with(scenario, seed, &Options { duration_s: Some(minutes * 60.0), ..Options::default() })
    }

    /// The scenario with these options.
    pub fn with(scenario: Scenario, seed: u64, options: &Options) -> Scene {
        Scene::of(simulate::simulate(scenario, seed, options))
    }

    /// What was simulated.
    pub fn of(simulation: Simulation) -> Scene {
        let delivered = simulation.deliveries.iter().map(|delivery| Line {
            by_patrol: delivery.topic == "telemetry.patrols",
            key: delivery.key.clone(),
            deliver_ns: delivery.deliver_ns,
            text: delivery.line.clone(),
        });
        let mut lines: Vec<Line> = delivered.collect();
        let last_ns = lines.iter().map(|line| line.deliver_ns).fold(simulation.end_ns, i64::max);
        for at_s in (TAIL_STEP_S..=TAIL_S).step_by(TAIL_STEP_S as usize) {
            let deliver_ns = last_ns + at_s * NS_PER_S;
            lines.extend(simulation.nodes.iter().map(|node| heartbeat(&node.name, deliver_ns)));
        }
        let directory = tempfile::tempdir().expect("a directory");
        simulate::write(&simulation, directory.path()).expect("written");
        Scene { simulation, lines, directory }
    }

    /// Where its files are.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// When its last heartbeat is, nanoseconds.
    pub fn ends_ns(&self) -> i64 {
        self.lines.last().expect("a scene has lines").deliver_ns
    }

    /// Makes a site's topics, with the reference data in them; gives what a replay of all lines finds, so many alerts at least.
    pub fn set_up(&self, broker: &Broker, site: &Site, at_least: usize) -> BTreeMap<String, Value> {
        site.create_topics(broker, LARGEST_BYTES);
        self.publish_reference(broker, site);
        let expected = settled(&self.replay(&self.lines));
        assert!(expected.len() >= at_least, "only {} alerts", expected.len());
        expected
    }

    /// Puts the reference data into the site's topics.
    pub fn publish_reference(&self, broker: &Broker, site: &Site) {
        let features = |all: Vec<(String, Value)>| -> Vec<(String, String)> {
            all.into_iter().map(|(key, feature)| (key, feature.to_string())).collect()
        };
        let Simulation { nodes, areas, notices, .. } = &self.simulation;
        let nodes = features(nodes.iter().map(|node| (node.name.clone(), node_feature(node))).collect());
        let areas = features(areas.iter().map(|area| (area.area.clone(), area_feature(area))).collect());
        let notices = features(notices.iter().map(|it| (it.notice.clone(), notice_feature(it))).collect());
        for (key, rows) in [("reference_sensors", nodes), ("reference_areas", areas), ("reference_notices", notices)] {
            produce(broker, &site.topic(key), rows.iter().map(|(key, text)| (key.as_str(), text.as_str())));
        }
    }

    /// Puts lines into the site's telemetry topics, in their order.
    pub fn publish(&self, broker: &Broker, site: &Site, lines: &[Line]) {
        self.publish_by(&producer(broker), site, lines);
    }

    /// Puts lines there by this producer.
    pub fn publish_by(&self, producer: &BaseProducer, site: &Site, lines: &[Line]) {
        for by_patrol in [false, true] {
            let of_topic = lines.iter().filter(|line| line.by_patrol == by_patrol);
            let topic = site.topic(if by_patrol { "patrols" } else { "sensors" });
            produce_by(producer, &topic, of_topic.map(|line| (line.key.as_str(), line.text.as_str())));
        }
    }

    /// What the program's replay of these lines finds: the last revision of each alert.
    pub fn replay(&self, lines: &[Line]) -> BTreeMap<String, Value> {
        last_revisions(read_lines(&self.replay_into("replayed", lines, &[]).join("alerts.ndjson")))
    }

    /// Replays these lines with these arguments into a directory of that name; gives where that is.
    pub fn replay_into(&self, name: &str, lines: &[Line], more: &[&str]) -> PathBuf {
        let telemetry = self.path("telemetry.sensors.ndjson");
        let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        std::fs::write(&telemetry, text).expect("written");
        let out = self.path(name);
        let mut arguments = vec!["replay".to_owned(), "--quiet".to_owned(), "--no-archive".to_owned()];
        for (flag, path) in [
            ("--telemetry", &telemetry),
            ("--sensors", &self.path("sensors.geojson")),
            ("--areas", &self.path("areas.geojson")),
            ("--notices", &self.path("notices.geojson")),
            ("--out", &out),
        ] {
            arguments.extend([flag.to_owned(), path.display().to_string()]);
        }
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        let ended = Program::run_to_end(&arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        out
    }
}

/// A heartbeat that says that all is well.
pub fn heartbeat(node: &str, time_ns: i64) -> Line {
    let time = Timestamp(time_ns);
    let text =
        format!(r#"{{"id":"{node}-beat-{time_ns}","node":"{node}","kind":"status","time":"{time}","health":"ok"}}"#);
    Line { by_patrol: false, key: node.to_owned(), deliver_ns: time_ns, text }
}

/// Reads a file of lines of JSON.
pub fn read_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a file of lines");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Of each alert the revision with the highest number.
pub fn last_revisions(alerts: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    let mut last = BTreeMap::<String, Value>::new();
    let revision = |alert: &Value| alert["properties"]["revision"].as_u64().expect("a revision");
    for alert in alerts {
        let id = alert["properties"]["alert"].as_str().expect("an id").to_owned();
        if last.get(&id).is_none_or(|before| revision(before) <= revision(&alert)) {
            last.insert(id, alert);
        }
    }
    last
}

/// What must not depend on how an alert came to be: all but where its evidence was read, how many revisions it took
/// and how long. Alerts that were taken back are left out, for what is said early depends on the order of arrival.
pub fn settled(last: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let is_retracted = |alert: &Value| alert["properties"]["status"] == "retracted";
    let settle = |alert: &Value| {
        let mut alert = alert.clone();
        let properties = alert["properties"].as_object_mut().expect("properties");
        for name in ["revision", "latency", "evidence_digest"] {
            properties.remove(name);
        }
        for evidence in properties["evidence"].as_array_mut().expect("evidence") {
            let evidence = evidence.as_object_mut().expect("an observation");
            for name in ["topic", "partition", "offset", "line"] {
                evidence.remove(name);
            }
        }
        alert
    };
    let kept = last.iter().filter(|(_, alert)| !is_retracted(alert));
    kept.map(|(id, alert)| (id.clone(), settle(alert))).collect()
}

/// Fails, showing where they differ, unless both hold the same.
pub fn assert_same(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>, told: &str) {
    let missing: Vec<&String> = expected.keys().filter(|id| !found.contains_key(*id)).collect();
    let surplus: Vec<&String> = found.keys().filter(|id| !expected.contains_key(*id)).collect();
    let differing: Vec<String> = expected
        .iter()
        .filter_map(|(id, expected)| Some((id, expected, found.get(id)?)))
        .filter(|(_, expected, found)| expected != found)
        .map(|(id, expected, found)| format!("{id}: {}", difference(found, expected)))
        .collect();
    assert!(
        missing.is_empty() && surplus.is_empty() && differing.is_empty(),
        "{told}: of {} alerts {} are missing: {:?}; {} are too many: {:?}; {} differ: {:#?}",
        expected.len(),
        missing.len(),
        missing.iter().take(5).map(|id| brief(&expected[*id])).collect::<Vec<_>>(),
        surplus.len(),
        surplus.iter().take(5).map(|id| brief(&found[*id])).collect::<Vec<_>>(),
        differing.len(),
        &differing[..differing.len().min(5)]
    );
}

fn brief(alert: &Value) -> String {
    let it = &alert["properties"];
    let evidence = it["evidence"].as_array().map_or(0, Vec::len);
    format!("{} {} {} {} p {} of {evidence}", it["alert"], it["class"], it["status"], it["time"], it["probability"])
}

fn difference(found: &Value, expected: &Value) -> String {
    let (a, b) = (&found["properties"], &expected["properties"]);
    let names: std::collections::BTreeSet<&String> =
        [a, b].iter().filter_map(|it| it.as_object()).flat_map(|it| it.keys()).collect();
    let mut told: Vec<String> = names
        .into_iter()
        .filter(|name| a[name.as_str()] != b[name.as_str()])
        .map(|name| format!("{name}: {} instead of {}", a[name.as_str()], b[name.as_str()]))
        .collect();
    if found["geometry"] != expected["geometry"] {
        told.push(format!("geometry: {} instead of {}", found["geometry"], expected["geometry"]));
    }
    told.join(", ")
}
