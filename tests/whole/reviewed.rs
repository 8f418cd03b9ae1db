//! Reviewers at their terminals: what they decide is checked, counted and said once, whatever is killed meanwhile, and the
//! alert proves itself from the archive.

use super::Case;
use super::broker::Broker;
use super::live::{await_rows, last, settled_ns};
use super::program::{Program, Site};
use super::records::{PATIENCE, produce, read_to_end};
use super::scene::Scene;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Instant;
use truceline::codec::signature::sign;
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] = &[("reviewers_decide_and_it_is_said_once", reviewers_decide)];

fn reviewers_decide(broker: &Broker) {
    let site = Site::new(broker, "reviewed");
    let scene = Scene::new(Scenario::Hour, 31, 6.0);
    scene.set_up(broker, &site, 10);
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let mut config = std::fs::OpenOptions::new().append(true).open(site.config()).expect("the configuration");
    writeln!(config, "\n[review]\nquorum = 2").expect("written");
    for name in ["anna", "ben"] {
        let key = path(&format!("{name}.key"));
        // Only what it prints: the log is on standard error.
        let made = Program::run_to_end(&["review", "key", "--quiet", "--name", name, "--out", &key].map(str::to_owned));
        assert_eq!(made.code, Some(0), "{}", made.said);
        write!(config, "{}", made.said).expect("written");
    }

    let program = site.run(&[]);
    scene.publish(broker, &site, &scene.lines);
    program.await_event_time(0, settled_ns(&scene));
    let said = last(&read_to_end(broker, &site.topic("violations")));
    let stands = |it: &&Value| it["properties"]["status"] == "final" && it["properties"]["superseded_by"].is_null();
    let chosen =
        said.values().find(stands).expect("an alert")["properties"]["alert"].as_str().expect("an id").to_owned();
    let decide = |by: &str, verdict: &str| {
        let key = path(&format!("{by}.key"));
        let args = site.arguments(&["review", "decide", &chosen, verdict, "--by", by, "--key", &key]);
        let ended = Program::run_to_end(&args);
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    };
    decide("anna", "confirmed");
    await_panel(broker, &site, &chosen, "open");
    // One that is signed, about an alert that nobody knows: refused now and after a restart.
    let mut unknown = json!({"alert": "A-00000000000000000000", "revision": 1, "decision": "confirmed", "by": "anna",
        "at": "2026-03-01T12:00:00Z"});
    let key = std::fs::read_to_string(path("anna.key")).expect("a key");
    let secret: [u8; 32] = base64(key.trim()).try_into().expect("32 bytes");
    unknown["signature"] = sign(&unknown, &secret).expect("signed").into();
    // And one that somebody altered.
    let mut forged = unknown.clone();
    (forged["alert"], forged["decision"]) = (chosen.as_str().into(), "dismissed".into());
    let lines = [unknown.to_string(), forged.to_string()];
    produce(broker, &site.topic("decisions"), lines.iter().map(|line| ("anna", line.as_str())));
    let refused = await_refused(broker, &site, 2);
    assert_eq!(refused, ["bad_field", "bad_signature"], "why");
    program.crash();

    let program = site.run(&[]);
    program.await_line(0, "going on", |line| line.contains("is where the last run ended"));
    decide("ben", "confirmed");
    await_panel(broker, &site, &chosen, "decided");
    // The archive is a reader of its own and may be behind; evidence is packed from it.
    await_rows(broker, &site, &program, scene.lines.len());
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_eq!(await_refused(broker, &site, 2).len(), 2, "each once");
    let words = read_to_end(broker, &site.topic("violations"));
    let of_it = words.iter().filter(|it| it.key.as_deref() == Some(chosen.as_bytes()));
    let revisions: Vec<u64> = of_it
        .map(|it| serde_json::from_slice::<Value>(it.payload.as_deref().unwrap_or_default()).expect("JSON"))
        .map(|it| it["properties"]["revision"].as_u64().expect("a number"))
        .collect();
    let once: BTreeSet<u64> = revisions.iter().copied().collect();
    assert_eq!(once.len(), revisions.len(), "each revision once: {revisions:?}");
    let alert = &last(&words)[&chosen]["properties"];
    assert_eq!((&alert["status"], &alert["review"]["decision"]), (&json!("amended"), &json!("confirmed")));

    let archive = site.archive().display().to_string();
    let reference =
        ["sensors.geojson", "areas.geojson", "notices.geojson"].map(|name| scene.path(name).display().to_string());
    let out = path("e.zip");
    let mut args = vec!["evidence", &chosen, "--out", &out, "--archive", &archive];
    for (flag, file) in ["--sensors", "--areas", "--notices"].into_iter().zip(&reference) {
        args.extend([flag, file.as_str()]);
    }
    for args in [args, vec!["evidence", "verify", &out]] {
        let ended = Program::run_to_end(&site.arguments(&args));
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

fn await_panel(broker: &Broker, site: &Site, alert: &str, state: &str) {
    let started = Instant::now();
    loop {
        let now = last(&read_to_end(broker, &site.topic("violations")));
        if now[alert]["properties"]["panel"]["state"] == state {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{alert} is not {state}: {}", now[alert]["properties"]["panel"]);
    }
}

/// The codes of what was refused, when there are so many.
fn await_refused(broker: &Broker, site: &Site, count: usize) -> Vec<String> {
    let started = Instant::now();
    loop {
        let refused = read_to_end(broker, &site.topic("rejected"));
        if refused.len() >= count {
            let code = |headers: &[(String, Vec<u8>)]| {
                let code = headers.iter().find(|it| it.0.ends_with("exception.class.name")).expect("a code");
                String::from_utf8_lossy(&code.1).into_owned()
            };
            let mut codes: Vec<String> = refused.iter().map(|it| code(&it.headers)).collect();
            codes.sort();
            return codes;
        }
        assert!(started.elapsed() < PATIENCE, "{} were refused", refused.len());
    }
}
