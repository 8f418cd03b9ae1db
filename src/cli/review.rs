//! `truceline review`: what awaits a decision, what is known of it, and the decision itself, signed.

use super::args::{Alerts, Common, Decide, Key, List, Review, ReviewCommand, Show};
use super::console::{Misuse, Outcome, failed, print};
use super::logging;
use crate::codec::alert::event_headers;
use crate::codec::reference::from_collection;
use crate::codec::reviewers::Reviewers;
use crate::codec::signature::{public_key, sign};
use crate::config::Config;
use crate::kafka::{Change, KafkaError, Sink, Tables};
use crate::model::alert::{AlertFeature, Status, what};
use crate::model::decision::{Decision, ReviewState};
use crate::model::node::{Node, Registry};
use crate::model::time::Timestamp;
use crate::pipeline::evidence::account;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a decision may take to be delivered.
const DELIVERY: Duration = Duration::from_secs(30);

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
enum ReviewError {
    /// Nothing is known of the alert.
    #[error("alert {alert} is not among the {known} that {from} holds")]
    Unknown { alert: String, known: usize, from: String },
    /// The revision was never said.
    #[error("alert {alert} has revisions 1 to {newest}; --revision held {held}")]
    Revision { alert: String, newest: u32, held: u32 },
    /// It would be refused.
    #[error("the decision would be refused: {0}")]
    Refused(String),
    /// A file that is no key.
    #[error("{} holds no key; expected what `truceline review key` writes: 32 bytes in base64", .0.display())]
    NoKey(PathBuf),
    /// The system has no random numbers.
    #[error("cannot make a key: {0}")]
    NoKeyMade(String),
}

pub(super) fn command(args: &Review, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    match &args.command {
        ReviewCommand::List(args) => list(args, &config),
        ReviewCommand::Show(args) => show(args, &config),
        ReviewCommand::Decide(args) => decide(args, &config, common.quiet),
        ReviewCommand::Key(args) => key(args),
    }
}

/// The newest revision of each alert, by its id.
fn newest(source: &Alerts, config: &Config) -> Result<BTreeMap<String, AlertFeature>, Box<dyn Error + Send + Sync>> {
    let mut alerts = BTreeMap::new();
    if let Some(path) = &source.alerts {
        let text = std::fs::read_to_string(path).map_err(failed("cannot read", path))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let feature: AlertFeature =
                serde_json::from_str(line).map_err(failed("expected alerts, one a line, in", path))?;
            alerts.insert(feature.properties.alert.clone(), feature);
        }
        return Ok(alerts);
    }
    let mut strange = 0;
    let mut tables = Tables::open(&config.kafka, std::slice::from_ref(&config.kafka.topics.current))?;
    tables.load(&mut |change: Change<'_>| {
        let key = String::from_utf8_lossy(change.key).into_owned();
        match change.payload.map(serde_json::from_slice::<AlertFeature>) {
            Some(Ok(feature)) => {
                alerts.insert(key, feature);
            }
            Some(Err(_)) => strange += 1,
            None => {
                alerts.remove(&key);
            }
        }
    })?;
    if strange > 0 {
        tracing::warn!("{strange} records of {} are no alerts that this version knows", config.kafka.topics.current);
    }
    Ok(alerts)
}

fn list(args: &List, config: &Config) -> Outcome {
    let alerts = newest(&args.source, config)?;
    let awaits = |feature: &&AlertFeature| {
        let alert = &feature.properties;
        let is_decided = match &alert.panel {
            Some(panel) => panel.state == ReviewState::Decided,
            None => alert.review.is_some(),
        };
        alert.status != Status::Retracted && (args.all || alert.violation) && (args.decided || !is_decided)
    };
    let mut awaiting: Vec<&AlertFeature> = alerts.values().filter(awaits).collect();
    awaiting.sort_by_key(|it| (std::cmp::Reverse((it.properties.severity, it.properties.time)), &it.properties.alert));
    Ok(print(&table(&awaiting, alerts.len()))?)
}

fn table(awaiting: &[&AlertFeature], known: usize) -> String {
    let mut text = format!(
        "{:<22} {:>3} {:<24} {:<24} {:<22} {:<16} {:<11} review\n",
        "alert", "sev", "time", "event", "place", "how sure", "status"
    );
    for feature in awaiting {
        let (alert, place) = (&feature.properties, feature.place());
        let state = match (&alert.panel, &alert.review) {
            (Some(panel), _) => {
                let all = panel.decisions.len();
                format!("{} ({all} {}, {} have to agree)", panel.state, plural(all, "decision"), panel.quorum)
            }
            (None, Some(review)) => format!("{} by {}", review.decision, review.by),
            (None, None) => "open".to_owned(),
        };
        let _ = writeln!(
            text,
            "{:<22} {:>3} {:<24} {:<24} {:<22} {:<16} {:<11} {state}",
            alert.alert,
            alert.severity,
            alert.time.to_string(),
            what(alert.class, alert.sign),
            format!("{:.5} {:.5}", place.lat_deg, place.lon_deg),
            format!("{} {:.2}", alert.term, alert.probability),
            alert.status.as_str()
        );
    }
    let _ = writeln!(text, "{} of {known} {}", awaiting.len(), plural(known, "alert"));
    text
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn find(alert: &str, source: &Alerts, config: &Config) -> Result<AlertFeature, Box<dyn Error + Send + Sync>> {
    let mut alerts = newest(source, config)?;
    let from = source.alerts.as_ref().map_or(config.kafka.topics.current.clone(), |path| path.display().to_string());
    let known = alerts.len();
    Ok(alerts.remove(alert).ok_or(ReviewError::Unknown { alert: alert.to_owned(), known, from })?)
}

fn show(args: &Show, config: &Config) -> Outcome {
    let feature = find(&args.alert, &args.source, config)?;
    let registry = match args.sensors.as_ref().or(config.reference.sensors.as_ref()) {
        Some(path) => {
            let file = std::fs::read(path).map_err(failed("cannot read", path))?;
            let nodes = from_collection::<Node>(&file)
                .map_err(|mut faults| failed("expected a sensor registry in", path)(faults.swap_remove(0)))?;
            Some(Registry::new(nodes))
        }
        None => None,
    };
    Ok(print(&account::of_alert(&feature, registry.as_ref()))?)
}

fn decide(args: &Decide, config: &Config, quiet: bool) -> Outcome {
    let feature = find(&args.alert, &args.source, config)?;
    let newest = feature.properties.revision;
    let revision = args.revision.unwrap_or(newest);
    if !(1..=newest).contains(&revision) {
        return Err(ReviewError::Revision { alert: args.alert.clone(), newest, held: revision }.into());
    }
    let mut decision = Decision {
        alert: args.alert.clone(),
        revision,
        decision: args.verdict,
        attribution: args.to.clone(),
        by: args.by.clone(),
        at: Timestamp(args.at.unwrap_or_else(now_ns)),
        reason: args.reason.clone(),
        signature: None,
        outdated: false,
    };
    if let Some(path) = &args.key {
        decision.signature = Some(sign(&serde_json::to_value(&decision)?, &secret(path)?)?);
    }
    let line = serde_json::to_string(&decision)?;
    // What would be refused is better told here than found among the rejected lines.
    Reviewers::new(&config.review)
        .check_line(line.as_bytes(), &decision.by)
        .map_err(|it| ReviewError::Refused(it.message))?;
    let to = match &args.out {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
            written.map_err(failed("cannot write", path))?;
            path.display().to_string()
        }
        None => {
            send(&decision, line.as_bytes(), config)?;
            config.kafka.topics.decisions.clone()
        }
    };
    if !quiet {
        let signed = if decision.signature.is_some() { "signed" } else { "not signed" };
        let (alert, verdict, by) = (&decision.alert, decision.decision, &decision.by);
        print(&format!("{alert}, revision {revision}: {verdict} by {by}, {signed}, in {to}\n"))?;
    }
    Ok(())
}

fn send(decision: &Decision, line: &[u8], config: &Config) -> Result<(), KafkaError> {
    let sink = Sink::new(&config.kafka)?;
    let (alert, id) = (decision.alert.clone(), format!("{}/{}/{}", decision.alert, decision.by, decision.at));
    let headers = event_headers("truceline.decision.v1", id, decision.at, alert, "application/json");
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    sink.send(&config.kafka.topics.decisions, Some(decision.alert.as_bytes()), line, &headers)?;
    sink.flush(DELIVERY)
}

/// Milliseconds are enough for a person.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(0).saturating_mul(1_000_000)
}

fn secret(path: &Path) -> Result<[u8; 32], Box<dyn Error + Send + Sync>> {
    let text = std::fs::read_to_string(path).map_err(failed("cannot read", path))?;
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    Ok(bytes.ok_or_else(|| ReviewError::NoKey(path.to_owned()))?)
}

fn key(args: &Key) -> Outcome {
    if args.name.is_empty() {
        return Err(Misuse("--name held nothing; expected the reviewer's name".to_owned()).into());
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| ReviewError::NoKeyMade(error.to_string()))?;
    let mut options = OpenOptions::new();
    // Never over another key.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&args.out);
    let written = file.and_then(|mut file| file.write_all(format!("{}\n", STANDARD.encode(secret)).as_bytes()));
    written.map_err(failed("cannot write", &args.out))?;
    let mut entry = toml::Table::new();
    entry.insert("name".to_owned(), args.name.clone().into());
    if !args.role.is_empty() {
        entry.insert("role".to_owned(), args.role.clone().into());
    }
    entry.insert("public_key".to_owned(), STANDARD.encode(public_key(&secret)).into());
    Ok(print(&format!("[[review.reviewers]]\n{entry}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_signs_what_its_public_half_checks() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("anna.key");
        let args = Key { name: "anna".to_owned(), role: String::new(), out: out.clone() };
        key(&args).unwrap();
        let first = secret(&out).unwrap();
        assert!(key(&args).is_err(), "it would be written over");
        assert_eq!(secret(&out).unwrap(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.key");
        std::fs::write(&path, "hello").unwrap();
        let told = secret(&path).unwrap_err().to_string();
        assert!(
            told.ends_with("x.key holds no key; expected what `truceline review key` writes: 32 bytes in base64"),
            "{told}"
        );
    }
}
