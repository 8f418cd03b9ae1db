//! What a reader of committed records sees, held against what one undisturbed run of the same input gives.

use super::scene::OUTPUTS;
use super::world::World;
use crate::engine::book::is_nearly;
use crate::model::alert::AlertFeature;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a committed reader has seen in the end.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Revisions of each alert, in order.
    pub revisions: BTreeMap<String, Vec<Value>>,
    /// The newest of each in `alerts.current`.
    current: BTreeMap<String, Value>,
    /// Refused lines by where they stood and what they said, and how often they came.
    pub rejected: BTreeMap<String, usize>,
}

/// What is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// Should have come and did not.
    pub lost: Vec<String>,
    /// Came twice, or says what the one before says.
    pub doubled: Vec<String>,
    /// Does not follow the one before, or says something else than it should.
    pub strange: Vec<String>,
}

impl Wrong {
    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        *self == Wrong::default()
    }
}

/// Reads all that stands.
pub fn look(world: &World) -> Seen {
    let mut seen = Seen::default();
    let [violations, current, rejected, _] = OUTPUTS;
    let json = |payload: &[u8]| -> Value { serde_json::from_slice(payload).expect("an alert is JSON") };
    for partition in 0..violations.1 {
        for record in world.committed_records(violations.0, partition) {
            let alert = json(record.payload.as_deref().unwrap_or_default());
            seen.revisions.entry(id(&alert)).or_default().push(alert);
        }
    }
    for partition in 0..current.1 {
        for record in world.committed_records(current.0, partition) {
            let alert = json(record.payload.as_deref().unwrap_or_default());
            seen.current.insert(id(&alert), alert);
        }
    }
    for partition in 0..rejected.1 {
        for record in world.committed_records(rejected.0, partition) {
            let header = |name: &str| {
                let found = record.headers.iter().find(|(header, _)| header == name);
                found.map_or_else(String::new, |(_, value)| String::from_utf8_lossy(value).into_owned())
            };
            let line = format!(
                "{}/{}@{} {} {}: {}",
                header("__connect.errors.topic"),
                header("__connect.errors.partition"),
                header("__connect.errors.offset"),
                header("__connect.errors.exception.class.name"),
                String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()),
                String::from_utf8_lossy(record.payload.as_deref().unwrap_or_default()),
            );
            *seen.rejected.entry(line).or_default() += 1;
        }
    }
    seen
}

fn id(alert: &Value) -> String {
    alert["properties"]["alert"].as_str().expect("an id").to_owned()
}

impl Seen {
    /// The last words that stand.
    pub fn last_words(&self) -> BTreeMap<&str, &Value> {
        let last = self.revisions.iter().filter_map(|(id, all)| Some((id.as_str(), all.last()?)));
        last.filter(|(_, alert)| alert["properties"]["status"] != "retracted").collect()
    }

    /// Compares it with what an undisturbed run gave.
    pub fn compare(&self, undisturbed: &Seen) -> Wrong {
        let mut wrong = Wrong::default();
        for (id, revisions) in &self.revisions {
            let mut before: Option<&Value> = None;
            for (alert, expected) in revisions.iter().zip(1u64..) {
                let number = alert["properties"]["revision"].as_u64().unwrap_or(0);
                let so_far = before.map_or(0, |it| it["properties"]["revision"].as_u64().unwrap_or(0));
                if number <= so_far || before.is_some_and(|before| says(before) == says(alert)) {
                    wrong.doubled.push(format!("{id}/{number} after {so_far}"));
                } else if number != expected {
                    wrong.strange.push(format!("{id}/{number} after {so_far}"));
                }
                before = Some(alert);
            }
            if before != self.current.get(id) {
                wrong.strange.push(format!("{id} in alerts.current is not the newest revision"));
            }
        }
        wrong.strange.extend(self.current.keys().filter(|id| !self.revisions.contains_key(*id)).cloned());
        differences(&self.last_words(), &undisturbed.last_words(), &mut wrong);
        let lines: BTreeSet<&String> = self.rejected.keys().chain(undisturbed.rejected.keys()).collect();
        for line in lines {
            let times = |seen: &Seen| seen.rejected.get(line).copied().unwrap_or(0);
            match (times(self), times(undisturbed)) {
                (0, _) => wrong.lost.push(format!("rejected {line}")),
                (_, 0) => wrong.strange.push(format!("rejected {line}")),
                (found, expected) if found > expected => wrong.doubled.push(format!("rejected {line}")),
                (found, expected) if found < expected => wrong.lost.push(format!("rejected {line}")),
                _ => {}
            }
        }
        wrong
    }
}

/// What is lost or strange among last words.
pub fn differences(found: &BTreeMap<&str, &Value>, expected: &BTreeMap<&str, &Value>, wrong: &mut Wrong) {
    let lost = expected.iter().filter(|(id, _)| !found.contains_key(*id));
    wrong.lost.extend(lost.map(|(id, alert)| format!("{id}: {}", alert["properties"])));
    for (id, alert) in found {
        match expected.get(id) {
            None => wrong.strange.push(format!("{id} was not to be found: {}", alert["properties"])),
            Some(expected) if !is_same_word(alert, expected) => {
                wrong.strange.push(format!("{id}: {}", difference(alert, expected)))
            }
            Some(_) => {}
        }
    }
}

fn difference(found: &Value, expected: &Value) -> String {
    let (a, b) = (&found["properties"], &expected["properties"]);
    let names: BTreeSet<&String> = [a, b].iter().filter_map(|it| it.as_object()).flat_map(|it| it.keys()).collect();
    let differ = names.into_iter().filter(|name| a[name.as_str()] != b[name.as_str()]);
    let told: Vec<String> =
        differ.map(|name| format!("{name} {} for {}", a[name.as_str()], b[name.as_str()])).collect();
    if told.is_empty() { "geometry".to_owned() } else { told.join(", ") }
}

/// What an alert says, whatever its number and how long it took.
fn says(alert: &Value) -> Value {
    without(alert, &["revision", "latency"])
}

/// Whether two last words say the same, but for last digits, and for where the evidence was read: a line may have come
/// twice.
fn is_same_word(found: &Value, expected: &Value) -> bool {
    let [found, expected] =
        [found, expected].map(|alert| serde_json::from_value::<AlertFeature>(alert.clone()).expect("an alert"));
    found.properties.status == expected.properties.status && is_nearly(&found, &expected)
}

fn without(alert: &Value, names: &[&str]) -> Value {
    let mut alert = alert.clone();
    let properties = alert["properties"].as_object_mut().expect("properties");
    for name in names {
        properties.remove(*name);
    }
    alert
}
