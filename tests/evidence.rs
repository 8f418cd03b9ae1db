//! Evidence and review through the program itself: replay, pack, verify; key, decide, replay again, list.

use serde_json::Value;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// A directory with a simulated scene, and what its replay gave.
struct Site(tempfile::TempDir);

impl Site {
    fn new(scenario: &str) -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        site.ok(&["simulate", scenario, "--seed", "5", "--out", "."]);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_truceline"));
        command.args(["--quiet"]).args(args).current_dir(self.0.path()).env_remove("TRUCELINE_CONFIG");
        command.output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is said on standard error, where it fails.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    fn replay(&self, out: &str, more: &[&str]) -> Vec<Value> {
        let args = ["replay", "--telemetry", "telemetry.ndjson", "--out", out];
        self.ok(&[&args[..], &REFERENCE, more].concat());
        let alerts = std::fs::read_to_string(self.path(out).join("alerts.ndjson")).unwrap();
        alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const REFERENCE: [&str; 6] =
    ["--sensors", "sensors.geojson", "--areas", "areas.geojson", "--notices", "notices.geojson"];

fn text<'a>(alert: &'a Value, field: &str) -> &'a str {
    alert["properties"][field].as_str().unwrap_or_default()
}

/// The ids of alerts whose newest revision has that status.
fn with_status(alerts: &[Value], status: &str) -> Vec<String> {
    let newest: std::collections::BTreeMap<&str, &Value> = alerts.iter().map(|it| (text(it, "alert"), it)).collect();
    newest.into_iter().filter(|(_, it)| text(it, "status") == status).map(|(id, _)| id.to_owned()).collect()
}

fn entries(package: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(package)).unwrap();
    (0..zip.len())
        .map(|at| {
            let mut file = zip.by_index(at).unwrap();
            let (name, mut held) = (file.name().to_owned(), Vec::new());
            file.read_to_end(&mut held).unwrap();
            (name, held)
        })
        .collect()
}

fn zipped(path: &Path, entries: &[(String, Vec<u8>)]) {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, held) in entries {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(held).unwrap();
    }
    std::fs::write(path, zip.finish().unwrap().into_inner()).unwrap();
}

#[test]
fn a_package_comes_out_the_same_elsewhere_and_tells_every_change() {
    let site = Site::new("barrage");
    let alerts = site.replay("result", &[]);
    let (finals, amended) = (with_status(&alerts, "final"), with_status(&alerts, "amended"));
    let chosen: Vec<&String> = finals.iter().take(2).chain(amended.iter().take(1)).collect();
    for &id in &chosen {
        let args =
            ["evidence", id, "--out", "e.zip", "--telemetry", "telemetry.ndjson", "--said", "result/alerts.ndjson"];
        site.ok(&[&args[..], &REFERENCE].concat());
        // On another machine: nothing is there but the package.
        let elsewhere = Site(tempfile::tempdir().unwrap());
        std::fs::copy(site.path("e.zip"), elsewhere.path("e.zip")).unwrap();
        elsewhere.ok(&["evidence", "verify", "e.zip"]);
        // All that the alert cites is in it, as it was received.
        let package = entries(&std::fs::read(site.path("e.zip")).unwrap());
        let entry = |name: &str| &package.iter().find(|it| it.0 == name).expect(name).1;
        let records = std::str::from_utf8(entry("records.ndjson")).unwrap().lines();
        let records: Vec<Value> = records.map(|line| serde_json::from_str(line).unwrap()).collect();
        let telemetry = std::fs::read_to_string(site.path("telemetry.ndjson")).unwrap();
        let telemetry: Vec<&str> = telemetry.lines().collect();
        let cited: Vec<&Value> = records.iter().filter(|it| it["cited"] == true).collect();
        let alert: Value = serde_json::from_slice(entry("alert.json")).unwrap();
        assert_eq!(cited.len(), alert["properties"]["evidence"].as_array().unwrap().len());
        for record in cited {
            assert_eq!(record["raw"].as_str().unwrap(), telemetry[record["offset"].as_u64().unwrap() as usize]);
        }
        let said: Vec<&Value> = alerts.iter().filter(|it| text(it, "alert") == id).collect();
        assert_eq!(said.last().unwrap(), &&alert, "the newest revision as it was said");
        assert_eq!(entry("revisions.ndjson").split(|byte| *byte == b'\n').count(), said.len() + 1);
    }
    assert!(chosen.len() >= 2, "the scene has alerts");

    let package = entries(&std::fs::read(site.path("e.zip")).unwrap());
    for at in 0..package.len() {
        let mut changed = package.clone();
        let (name, held) = &mut changed[at];
        let middle = held.len() / 2;
        held[middle] ^= 1;
        let name = name.clone();
        zipped(&site.path("changed.zip"), &changed);
        let told = site.fails(&["evidence", "verify", "changed.zip"]);
        let named = if name == "seal.txt" { "manifest.json" } else { &name };
        assert!(told.contains("changed.zip does not hold"), "{name}: {told}");
        assert!(told.contains(&format!("{named} has been changed")) || told.contains("ZIP"), "{name}: {told}");
        let mut without = package.clone();
        without.remove(at);
        zipped(&site.path("changed.zip"), &without);
        site.fails(&["evidence", "verify", "changed.zip"]);
    }
    let mut more = package.clone();
    more.push(("more.txt".to_owned(), b"more".to_vec()));
    zipped(&site.path("changed.zip"), &more);
    assert!(site.fails(&["evidence", "verify", "changed.zip"]).contains("more.txt is in it and not on its list"));
    let whole = std::fs::read(site.path("e.zip")).unwrap();
    std::fs::write(site.path("changed.zip"), &whole[..whole.len() / 2]).unwrap();
    site.fails(&["evidence", "verify", "changed.zip"]);
    let told = site.fails(&["evidence", "verify", "e.zip", "--seal", &"0".repeat(64)]);
    assert!(told.contains("its seal is"), "{told}");
}

#[test]
fn what_reviewers_decide_is_signed_counted_listed_and_part_of_the_evidence() {
    let site = Site::new("barrage");
    let alerts = site.replay("result", &[]);
    let id = with_status(&alerts, "final").remove(0);
    let mut config = "[review]\nquorum = 2\n".to_owned();
    for name in ["anna", "ben", "carl"] {
        let entry = site.ok(&["review", "key", "--name", name, "--role", "legal", "--out", &format!("{name}.key")]);
        config.push_str(&entry);
    }
    std::fs::write(site.path("c.toml"), config).unwrap();
    let decide = |by: &str, key: &str, verdict: &str| {
        let key = format!("{key}.key");
        let args = ["review", "decide", &id, verdict, "--by", by, "--key", &key, "--alerts", "result/alerts.ndjson"];
        site.run(&[&args[..], &["--out", "decisions.ndjson", "--config", "c.toml"]].concat())
    };
    assert!(decide("anna", "anna", "confirmed").status.success());
    assert!(decide("ben", "ben", "dismissed").status.success());
    let wrong = decide("carl", "ben", "confirmed");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("does not fit"), "another one's key is told at once");
    assert!(!decide("dora", "ben", "confirmed").status.success(), "nobody's");

    let mut telemetry = std::fs::read_to_string(site.path("telemetry.ndjson")).unwrap();
    let decisions = std::fs::read_to_string(site.path("decisions.ndjson")).unwrap();
    assert_eq!(decisions.lines().count(), 2);
    // And one whose signature does not fit.
    let forged = decisions.lines().next().unwrap().replace("confirmed", "dismissed");
    telemetry.push_str(&decisions);
    telemetry.push_str(&format!("{forged}\n"));
    std::fs::write(site.path("telemetry.ndjson"), &telemetry).unwrap();
    let newest = |out: &str| {
        let alerts = site.replay(out, &["--config", "c.toml"]);
        alerts.into_iter().rev().find(|it| text(it, "alert") == id).unwrap()
    };
    let alert = newest("reviewed");
    let panel = &alert["properties"]["panel"];
    assert_eq!((panel["state"].as_str(), panel["quorum"].as_u64()), (Some("contested"), Some(2)));
    assert_eq!(panel["decisions"].as_array().unwrap().len(), 2);
    assert!(alert["properties"]["review"].is_null(), "one against one decides nothing");
    let rejected = std::fs::read_to_string(site.path("reviewed/rejected.ndjson")).unwrap();
    assert_eq!(rejected.matches("bad_signature").count(), 1, "{rejected}");
    let listed = site.ok(&["review", "list", "--all", "--alerts", "reviewed/alerts.ndjson"]);
    assert!(
        listed.contains(&format!("{id} ")) && listed.contains("contested (2 decisions, 2 have to agree)"),
        "{listed}"
    );

    assert!(decide("carl", "carl", "confirmed").status.success());
    let third = std::fs::read_to_string(site.path("decisions.ndjson")).unwrap();
    telemetry.push_str(third.lines().last().unwrap());
    telemetry.push('\n');
    std::fs::write(site.path("telemetry.ndjson"), &telemetry).unwrap();
    let alert = newest("decided");
    assert_eq!(alert["properties"]["review"]["decision"], "confirmed");
    assert_eq!(alert["properties"]["panel"]["state"], "decided");
    let listed = site.ok(&["review", "list", "--all", "--alerts", "decided/alerts.ndjson"]);
    assert!(!listed.contains(&id), "it awaits nothing any more");
    let shown = site.ok(&["review", "show", &id, "--alerts", "decided/alerts.ndjson", "--sensors", "sensors.geojson"]);
    for part in ["Review     confirmed, by carl", "ben: dismissed", "Evidence", "distance m"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let args = ["evidence", &id, "--out", "e.zip", "--telemetry", "telemetry.ndjson", "--config", "c.toml"];
    site.ok(&[&args[..], &REFERENCE].concat());
    site.ok(&["evidence", "verify", "e.zip"]);
}
