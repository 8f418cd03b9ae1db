//! What a reader of committed records sees, held against what there should be: nothing lost, nothing twice, all in order.

use super::broker::Broker;
use super::live::{json, last};
use super::program::Site;
use super::records::{Received, read_to_end};
use super::scene::settled;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;
use truceline::model::time::parse_rfc3339;

/// What was seen at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Alerts and rejected lines that should have come and did not.
    pub lost: Vec<String>,
    /// Revisions and rejected lines that came twice, or say what the one before says.
    pub doubled: Vec<String>,
    /// Revisions that do not follow the one before.
    pub disordered: Vec<String>,
    /// Final alerts that nobody expected, or that say something else than was expected.
    pub strange: Vec<String>,
    /// Alerts that are still open, and should not be.
    pub open: Vec<String>,
}

impl Seen {
    /// Fails unless everything is as it should be.
    pub fn assert_exact(&self, told: &str) {
        assert_eq!(*self, Seen::default(), "{told}");
    }
}

/// Reads the site's topics to their ends. `expected` are the final alerts by id, `bad` the lines that are to be refused.
pub fn look(broker: &Broker, site: &Site, expected: &BTreeMap<String, Value>, bad: &BTreeSet<String>) -> Seen {
    look_after(broker, site, expected, bad, &[])
}

/// The same when that had been said in a topic that was deleted since.
pub fn look_after(
    broker: &Broker,
    site: &Site,
    expected: &BTreeMap<String, Value>,
    bad: &BTreeSet<String>,
    said_before: &[Received],
) -> Seen {
    let mut seen = Seen::default();
    let revisions = [said_before, &read_to_end(broker, &site.topic("violations"))].concat();
    let mut before = BTreeMap::<String, Value>::new();
    let mut changes = BTreeMap::<String, Vec<String>>::new();
    for alert in json(&revisions) {
        let id = alert["properties"]["alert"].as_str().expect("an id").to_owned();
        let revision = |alert: &Value| alert["properties"]["revision"].as_u64().expect("a revision");
        let now = revision(&alert);
        let last = before.get(&id);
        let so_far = last.map_or(0, revision);
        if now <= so_far || last.is_some_and(|last| says(last) == says(&alert)) {
            seen.doubled.push(format!("{id}/{now} after {so_far}"));
        } else if now != so_far + 1 {
            seen.disordered.push(format!("{id}/{now} after {so_far}"));
        }
        let change = last.map_or_else(|| "first said".to_owned(), |last| difference(&alert, last));
        changes.entry(id.clone()).or_default().push(change);
        before.insert(id, alert);
    }
    let newest = last(&read_to_end(broker, &site.topic("current")));
    for (id, alert) in &before {
        if newest.get(id) != Some(alert) {
            seen.lost.push(format!("{id} in alerts.current"));
        }
        // A ship that is silent when the scene ends is so for whoever looks.
        if !is_over(alert) && expected.get(id).is_none_or(is_over) {
            seen.open.push(format!("{id}: {}", alert["properties"]));
        }
    }
    let found = settled(&before);
    seen.lost.extend(expected.keys().filter(|id| !found.contains_key(*id)).cloned());
    for (id, alert) in &found {
        match expected.get(id) {
            None => seen.strange.push(format!("{id} was not to be found: {}", alert["properties"])),
            Some(expected) if !nearly(alert, expected) => {
                let (wrong, changes) = (difference(alert, expected), changes[id].join("; "));
                seen.strange.push(format!("{id}: {wrong} (what each revision changed: {changes})"))
            }
            Some(_) => {}
        }
    }
    let mut left = bad.clone();
    for record in read_to_end(broker, &site.topic("rejected")) {
        let text = String::from_utf8_lossy(record.payload.as_deref().unwrap_or_default()).into_owned();
        if !left.remove(&text) {
            seen.doubled.push(format!("rejected {text}"));
        }
    }
    seen.lost.extend(left.into_iter().map(|text| format!("rejected {text}")));
    seen
}

/// Whether nothing more is to come of an alert by itself.
pub fn is_over(alert: &Value) -> bool {
    ["final", "amended", "retracted"].iter().any(|status| alert["properties"]["status"] == *status)
}

/// Whether two alerts say the same, but for what their numbers come to when part of them is worked out anew: a fit ends
/// some tenths of a millisecond away when it begins elsewhere.
fn nearly(found: &Value, expected: &Value) -> bool {
    fn number(at: &Value) -> f64 {
        at.as_f64().unwrap_or(f64::NAN)
    }
    fn same(name: &str, a: &Value, b: &Value) -> bool {
        let off = (number(a) - number(b)).abs();
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(name, of_a)| b.get(name).is_some_and(|of_b| same(name, of_a, of_b)))
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(of_a, of_b)| same(name, of_a, of_b))
            }
            (Value::Number(_), Value::Number(_)) => match name {
                "coordinates" => off < 2e-5,
                "probability" => off < 0.005,
                "residual_s" | "time_sd_s" => off < 0.005,
                "semi_major_m" | "semi_minor_m" => off < 1.0 + 0.03 * number(b),
                // Of what is nearly round, it says nothing.
                "orientation_deg" => true,
                _ => off < 0.5,
            },
            (Value::String(a), Value::String(b)) if name == "time" => {
                let (a, b) = (parse_rfc3339(a.as_bytes()), parse_rfc3339(b.as_bytes()));
                a.zip(b).is_some_and(|(a_ns, b_ns)| (a_ns - b_ns).abs() <= 5_000_000)
            }
            _ => a == b,
        }
    }
    same("", found, expected)
}

/// What an alert says, whatever its number and how long it took.
fn says(alert: &Value) -> Value {
    let mut alert = alert.clone();
    let properties = alert["properties"].as_object_mut().expect("properties");
    for name in ["revision", "latency"] {
        properties.remove(name);
    }
    alert
}

fn difference(found: &Value, expected: &Value) -> String {
    let (found, expected) = (&found["properties"], &expected["properties"]);
    let names = found.as_object().into_iter().flat_map(|it| it.keys());
    let differs = names.filter(|name| found[name.as_str()] != expected[name.as_str()]);
    differs
        .map(|name| format!("{name} {} for {}", found[name.as_str()], expected[name.as_str()]))
        .collect::<Vec<_>>()
        .join(", ")
}

struct Row {
    fault: String,
    runs: usize,
    lost: usize,
    doubled: usize,
    recoveries: Vec<Duration>,
}

static TABLE: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// Notes what a fault did.
pub fn note(fault: &str, runs: usize, seen: &Seen, recoveries: &[Duration]) {
    let (lost, doubled) = (seen.lost.len(), seen.doubled.len() + seen.disordered.len());
    let row = Row { fault: fault.to_owned(), runs, lost, doubled, recoveries: recoveries.to_vec() };
    TABLE.lock().expect("no panic while held").push(row);
}

/// Prints what all faults did, if there were any.
pub fn print_table() {
    let table = TABLE.lock().expect("no panic while held");
    if table.is_empty() {
        return;
    }
    println!(
        "{:<44}{:>6}{:>6}{:>12}{:>16}{:>16}",
        "fault", "runs", "lost", "duplicated", "recovery p50", "recovery max"
    );
    for row in table.iter() {
        let mut sorted = row.recoveries.clone();
        sorted.sort_unstable();
        let told = |at: Option<&Duration>| at.map_or_else(|| "–".to_owned(), |it| format!("{} ms", it.as_millis()));
        println!(
            "{:<44}{:>6}{:>6}{:>12}{:>16}{:>16}",
            row.fault,
            row.runs,
            row.lost,
            row.doubled,
            told(sorted.get(sorted.len() / 2)),
            told(sorted.last())
        );
    }
}
