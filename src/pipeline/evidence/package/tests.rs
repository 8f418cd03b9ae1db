use super::*;
use crate::model::node::Node;
use crate::pipeline::evidence::recompute::Compared;
use crate::pipeline::evidence::{EvidenceError, account, verify};

const GOLDEN: &str = include_str!("golden.json");

/// A package of one line and a made-up alert, which does not come of it.
fn package() -> Package {
    let alert = include_bytes!("../../../../docs/examples/alert.json");
    let mut alert: AlertFeature = serde_json::from_slice(alert).unwrap();
    alert.properties.software = concat!("truceline ", env!("CARGO_PKG_VERSION")).to_owned();
    alert.properties.config_digest = Settings::default().digest();
    let raw = r#"{"id":"1","node":"a","kind":"status","time":"2026-03-01T00:00:00Z"}"#;
    let line = Line { partition: (0, 3), offset: 7, line: 1, time_ns: None, place: None, raw: raw.as_bytes().into() };
    Package {
        revisions: vec![alert],
        setting: Setting {
            settings: Settings::default(),
            review: Review::default(),
            nodes: vec![Node { registered: true, ..Node::unregistered("a") }],
            areas: Vec::new(),
            notices: Vec::new(),
        },
        context: Context {
            topics: vec!["telemetry.sensors".to_owned()],
            start: Start::Nothing,
            steps: vec![(Step::Line(line), true), (Step::Ended((0, 3)), false)],
        },
        scope: Scope::Near,
        compared: Compared::All,
        recomputes: false,
    }
}

#[test]
fn the_manifest_is_as_it_was() {
    let (bytes, seal) = package().write("account").unwrap();
    let opened = open(&bytes).unwrap();
    assert_eq!(opened.seal, seal);
    let mut manifest = serde_json::to_value(&opened.manifest).unwrap();
    // What changes with the program and its settings.
    for field in ["software", "calibration", "config_digest", "alert_digest"] {
        manifest[field] = "…".into();
    }
    for entry in manifest["entries"].as_array_mut().unwrap() {
        if ["alert.json", "revisions.ndjson", "config.json", "README.txt"].contains(&entry["name"].as_str().unwrap()) {
            (entry["sha256"], entry["bytes"]) = ("…".into(), 0.into());
        }
    }
    let now = format!("{}\n", serde_json::to_string_pretty(&manifest).unwrap());
    assert_eq!(now, GOLDEN, "the format has changed: is it another version?");
}

#[test]
fn what_is_written_reads_back_and_is_the_same_each_time() {
    let package = package();
    let (bytes, _) = package.write("account").unwrap();
    assert_eq!(package.write("account").unwrap().0, bytes);
    let opened = open(&bytes).unwrap().package;
    assert_eq!(opened.context, package.context);
    assert_eq!(opened.revisions, package.revisions);
    assert_eq!((opened.setting.settings, opened.setting.nodes), (package.setting.settings, package.setting.nodes));
}

#[test]
fn an_alert_that_does_not_come_of_the_records_is_told_however_well_it_is_sealed() {
    let package = package();
    let opened = open(&package.write(&account::of_package(&package)).unwrap().0).unwrap();
    let told = verify(&opened).unwrap_err().to_string();
    assert_eq!(told, "the alert comes out otherwise from these records: nothing comes of them");
    let mut other = package;
    other.revisions[0].properties.software = "truceline 0.0.1".to_owned();
    let opened = open(&other.write("").unwrap().0).unwrap();
    assert!(matches!(verify(&opened), Err(EvidenceError::OtherVersion { .. })));
}
