//! The topics by name and purpose, and whether they are there.

mod config;

pub use self::config::{limits, warnings};

use super::error::KafkaError;
use super::settings::KafkaSettings;
use super::watch::Watch;
use crate::model::kind::Component;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode as Code;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The topics' names; the defaults are those of the wire contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Observations of unattended sensors.
    pub sensors: String,
    /// Reports and positions of patrols.
    pub patrols: String,
    /// The sensor registry.
    pub reference_sensors: String,
    /// Areas and lines.
    pub reference_areas: String,
    /// Notified activities.
    pub reference_notices: String,
    /// The review commission's decisions.
    pub decisions: String,
    /// Every revision of every alert.
    pub violations: String,
    /// The newest revision of each alert.
    pub current: String,
    /// Escalation indicators.
    pub escalations: String,
    /// What was refused, untouched.
    pub rejected: String,
    /// The day's figures.
    pub daily: String,
    /// What was said and learnt.
    pub state: String,
    /// Observations by region, between the two stages of a cluster.
    pub by_region: String,
    /// The ground component's own alerts, where components have topics of their own.
    pub alerts_ground: String,
    /// The maritime component's.
    pub alerts_maritime: String,
    /// The air component's.
    pub alerts_air: String,
    /// Those of logistics.
    pub alerts_logistics: String,
}

impl Default for Topics {
    fn default() -> Topics {
        Topics {
            sensors: "telemetry.sensors".to_owned(),
            patrols: "telemetry.patrols".to_owned(),
            reference_sensors: "reference.sensors".to_owned(),
            reference_areas: "reference.areas".to_owned(),
            reference_notices: "reference.notices".to_owned(),
            decisions: "review.decisions".to_owned(),
            violations: "alerts.violations".to_owned(),
            current: "alerts.current".to_owned(),
            escalations: "alerts.escalations".to_owned(),
            rejected: "telemetry.rejected".to_owned(),
            daily: "reports.daily".to_owned(),
            state: "truceline.state".to_owned(),
            by_region: "telemetry.by-region".to_owned(),
            alerts_ground: "alerts.ground".to_owned(),
            alerts_maritime: "alerts.maritime".to_owned(),
            alerts_air: "alerts.air".to_owned(),
            alerts_logistics: "alerts.logistics".to_owned(),
        }
    }
}

/// How a topic keeps its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The newest of each key.
    Newest,
    /// For `telemetry_retention_h`.
    Telemetry,
    /// For `alerts_retention_h`.
    Alerts,
}

/// A topic that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its key below `kafka.topics`.
    pub key: &'static str,
    /// Its name.
    pub name: String,
    /// How it keeps its records.
    pub keep: Keep,
}

impl TopicSpec {
    /// The key below `kafka` of how many partitions it is to have, and how many these are. A commit takes a request for each
    /// partition that is written to, and a broker works through them one after the other: so alerts have few.
    fn partitions(&self, settings: &KafkaSettings) -> (&'static str, u32) {
        match self.keep {
            Keep::Telemetry => ("partitions", settings.partitions),
            Keep::Newest | Keep::Alerts => ("alert_partitions", settings.alert_partitions),
        }
    }
}

impl Topics {
    /// All topics but the components', in the order of the contract.
    pub fn all(&self) -> Vec<TopicSpec> {
        let spec = |key, name: &String, keep| TopicSpec { key, name: name.clone(), keep };
        vec![
            spec("sensors", &self.sensors, Keep::Telemetry),
            spec("patrols", &self.patrols, Keep::Telemetry),
            spec("reference_sensors", &self.reference_sensors, Keep::Newest),
            spec("reference_areas", &self.reference_areas, Keep::Newest),
            spec("reference_notices", &self.reference_notices, Keep::Newest),
            spec("decisions", &self.decisions, Keep::Alerts),
            spec("violations", &self.violations, Keep::Alerts),
            spec("current", &self.current, Keep::Newest),
            spec("escalations", &self.escalations, Keep::Alerts),
            spec("rejected", &self.rejected, Keep::Telemetry),
            spec("daily", &self.daily, Keep::Alerts),
            spec("state", &self.state, Keep::Newest),
            spec("by_region", &self.by_region, Keep::Telemetry),
        ]
    }

    /// The topics of the components' own alerts, needed where those are wanted.
    pub fn components(&self) -> Vec<TopicSpec> {
        let spec = |&component: &Component| {
            let (key, name) = self.component(component);
            TopicSpec { key, name: name.to_owned(), keep: Keep::Alerts }
        };
        Component::ALL.iter().map(spec).collect()
    }

    /// The topic of a component's own alerts: its key below `kafka.topics`, and its name.
    pub fn component(&self, component: Component) -> (&'static str, &str) {
        match component {
            Component::Ground => ("alerts_ground", &self.alerts_ground),
            Component::Maritime => ("alerts_maritime", &self.alerts_maritime),
            Component::Air => ("alerts_air", &self.alerts_air),
            Component::Logistics => ("alerts_logistics", &self.alerts_logistics),
        }
    }

    /// Names that no topic can have, and names given twice.
    pub(super) fn faults(&self) -> Vec<KafkaError> {
        let all = [self.all(), self.components()].concat();
        let fault = |spec: &TopicSpec, expected: String| KafkaError::Setting {
            key: format!("topics.{}", spec.key),
            value: spec.name.clone(),
            expected,
        };
        let mut faults = Vec::new();
        for (index, spec) in all.iter().enumerate() {
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if spec.name.is_empty()
                || spec.name.len() > 249
                || !spec.name.chars().all(legal)
                || matches!(spec.name.as_str(), "." | "..")
            {
                faults.push(fault(spec, "1 to 249 letters, digits, dots, underscores or hyphens".to_owned()));
            }
            if let Some(other) = all[..index].iter().find(|other| other.name == spec.name) {
                faults.push(fault(spec, format!("another name than kafka.topics.{} has", other.key)));
            }
        }
        faults
    }
}

/// Whether a broker answers, each topic exists and has enough partitions: all faults at once.
///
/// # Errors
/// One sentence a fault.
pub fn check(settings: &KafkaSettings, topics: &[TopicSpec]) -> Result<(), Vec<KafkaError>> {
    let found = ask(settings).map_err(|error| vec![error])?;
    let fault = |spec: &TopicSpec| {
        let (key, topic) = (spec.key.to_owned(), spec.name.clone());
        let (setting, expected) = spec.partitions(settings);
        match partitions(&found, &spec.name) {
            None => Some(KafkaError::TopicMissing { key, topic }),
            Some(found) if found < expected as usize && spec.keep != Keep::Newest => {
                Some(KafkaError::Partitions { key, topic, found, setting, expected })
            }
            Some(_) => None,
        }
    };
    let faults: Vec<KafkaError> = topics.iter().filter_map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// How many partitions each of these topics has.
///
/// # Errors
/// No broker, or a topic that is not there.
pub fn partition_counts(settings: &KafkaSettings, names: &[String]) -> Result<Vec<i32>, KafkaError> {
    let found = ask(settings)?;
    let count = |name: &String| {
        let count = partitions(&found, name).and_then(|count| i32::try_from(count).ok());
        count.ok_or_else(|| KafkaError::failed(format!("asking for topic {name:?}"), "the broker has no such topic"))
    };
    names.iter().map(count).collect()
}

/// Creates the topics that are missing and waits until the broker shows them. Returns their names.
///
/// # Errors
/// No broker, or the broker's refusals.
pub fn create_missing(settings: &KafkaSettings, topics: &[TopicSpec]) -> Result<Vec<String>, Vec<KafkaError>> {
    let found = ask(settings).map_err(|error| vec![error])?;
    let missing: Vec<&TopicSpec> = topics.iter().filter(|spec| partitions(&found, &spec.name).is_none()).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error: &dyn std::fmt::Display| vec![KafkaError::failed("creating topics", error)];
    let admin: AdminClient<DefaultClientContext> =
        settings.probe_config().create().map_err(|error| vec![KafkaError::client(error)])?;
    let wishes: Vec<Vec<(&str, String)>> = missing.iter().map(|spec| wishes(settings, spec)).collect();
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .zip(&wishes)
        .map(|(spec, wishes)| {
            let partitions = i32::try_from(spec.partitions(settings).1).unwrap_or(i32::MAX);
            let copies = TopicReplication::Fixed(i32::try_from(settings.replication).unwrap_or(i32::MAX));
            let new = NewTopic::new(&spec.name, partitions, copies);
            wishes.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let patience = Duration::from_millis(settings.answer_timeout_ms.into());
    let options = AdminOptions::new().request_timeout(Some(patience)).operation_timeout(Some(patience));
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| failed(&error))?;
    let answers = runtime.block_on(admin.create_topics(&new, &options)).map_err(|error| failed(&error))?;

    let refusal = |(spec, answer): (&&TopicSpec, Result<String, (String, Code)>)| match answer {
        // Somebody else was faster.
        Ok(_) | Err((_, Code::TopicAlreadyExists)) => None,
        Err((_, code)) => {
            let (key, topic) = (spec.key.to_owned(), spec.name.clone());
            Some(KafkaError::TopicCreation { key, topic, why: code.to_string() })
        }
    };
    let refusals: Vec<KafkaError> = missing.iter().zip(answers).filter_map(refusal).collect();
    if !refusals.is_empty() {
        return Err(refusals);
    }
    await_topics(settings, &missing, patience)?;
    Ok(missing.iter().map(|spec| spec.name.clone()).collect())
}

/// Deletes topics; those that are not there are no fault.
///
/// # Errors
/// No broker, or its first refusal.
pub fn remove(settings: &KafkaSettings, names: &[&str]) -> Result<(), KafkaError> {
    if names.is_empty() {
        return Ok(());
    }
    let failed = |error: &dyn std::fmt::Display| KafkaError::failed("deleting topics", error);
    let admin: AdminClient<DefaultClientContext> = settings.probe_config().create().map_err(KafkaError::client)?;
    let patience = Duration::from_millis(settings.answer_timeout_ms.into());
    let options = AdminOptions::new().request_timeout(Some(patience)).operation_timeout(Some(patience));
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| failed(&error))?;
    let answers = runtime.block_on(admin.delete_topics(names, &options)).map_err(|error| failed(&error))?;
    let refusal = answers.into_iter().filter_map(Result::err).find(|(_, code)| *code != Code::UnknownTopicOrPartition);
    refusal.map_or(Ok(()), |(topic, code)| Err(KafkaError::failed(format!("deleting topic {topic:?}"), code)))
}

/// Deletes consumer groups without members; those that are not there are no fault.
///
/// # Errors
/// No broker, or its first refusal.
pub fn remove_groups(settings: &KafkaSettings, names: &[&str]) -> Result<(), KafkaError> {
    if names.is_empty() {
        return Ok(());
    }
    let failed = |error: &dyn std::fmt::Display| KafkaError::failed("deleting consumer groups", error);
    let admin: AdminClient<DefaultClientContext> = settings.probe_config().create().map_err(KafkaError::client)?;
    let patience = Duration::from_millis(settings.answer_timeout_ms.into());
    let options = AdminOptions::new().request_timeout(Some(patience));
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| failed(&error))?;
    let answers = runtime.block_on(admin.delete_groups(names, &options)).map_err(|error| failed(&error))?;
    let refusal = answers.into_iter().filter_map(Result::err).find(|(_, code)| *code != Code::GroupIdNotFound);
    refusal.map_or(Ok(()), |(group, code)| Err(KafkaError::failed(format!("deleting group {group:?}"), code)))
}

/// The address of the broker that leads each partition of a topic, by number; nothing for a topic that is not there.
///
/// # Errors
/// No broker, or its refusal.
pub fn leaders(settings: &KafkaSettings, name: &str) -> Result<Vec<(i32, String)>, KafkaError> {
    let found = ask(settings)?;
    let address = |leader: i32| {
        let broker = found.brokers().iter().find(|broker| broker.id() == leader)?;
        Some(format!("{}:{}", broker.host(), broker.port()))
    };
    let partitions = found.topics().iter().filter(|topic| topic.name() == name).flat_map(|topic| topic.partitions());
    Ok(partitions.filter_map(|part| Some((part.id(), address(part.leader())?))).collect())
}

/// The names of all topics and of all consumer groups that begin with this.
///
/// # Errors
/// No broker, or its refusal.
pub fn names_with(settings: &KafkaSettings, prefix: &str) -> Result<(Vec<String>, Vec<String>), KafkaError> {
    let patience = Duration::from_millis(settings.answer_timeout_ms.into());
    let (probe, ours) = (probe(settings)?, |name: &&str| name.starts_with(prefix));
    let found = ask_by(&probe, settings)?;
    let topics = found.topics().iter().map(|topic| topic.name()).filter(ours).map(str::to_owned).collect();
    let failed = |error| KafkaError::failed("listing consumer groups", error);
    let groups = probe.fetch_group_list(None, patience).map_err(failed)?;
    Ok((topics, groups.groups().iter().map(|group| group.name()).filter(ours).map(str::to_owned).collect()))
}

/// What a new topic is told about its records.
fn wishes(settings: &KafkaSettings, spec: &TopicSpec) -> Vec<(&'static str, String)> {
    let retention_ms = |hours: u32| match hours {
        0 => "-1".to_owned(),
        hours => (u64::from(hours) * 3_600_000).to_string(),
    };
    let mut wishes = match spec.keep {
        Keep::Newest => vec![("cleanup.policy", "compact".to_owned())],
        Keep::Telemetry => vec![("retention.ms", retention_ms(settings.telemetry_retention_h))],
        Keep::Alerts => vec![("retention.ms", retention_ms(settings.alerts_retention_h))],
    };
    if spec.key == "rejected" {
        // What is refused for its size, and its headers, must fit.
        wishes.push(("max.message.bytes", (u64::from(settings.largest_record_bytes) + 4096).to_string()));
    }
    wishes
}

/// A topic takes a moment to be known to all brokers, each partition with a leader.
fn await_topics(settings: &KafkaSettings, missing: &[&TopicSpec], patience: Duration) -> Result<(), Vec<KafkaError>> {
    let deadline = Instant::now() + patience;
    let probe = probe(settings).map_err(|error| vec![error])?;
    loop {
        // The answer of a broker is what is waited for each time.
        let found = ask_by(&probe, settings).map_err(|error| vec![error])?;
        let led = |spec: &TopicSpec| {
            let mut shown = found.topics().iter().filter(|topic| topic.name() == spec.name);
            shown.any(|topic| topic.error().is_none() && topic.partitions().iter().all(|part| part.leader() >= 0))
        };
        let hidden: Vec<&TopicSpec> = missing.iter().filter(|spec| !led(spec)).copied().collect();
        if hidden.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let why = format!("it did not show within {} ms", patience.as_millis());
            let fault = |spec: &TopicSpec| KafkaError::TopicCreation {
                key: spec.key.to_owned(),
                topic: spec.name.clone(),
                why: why.clone(),
            };
            return Err(hidden.into_iter().map(fault).collect());
        }
    }
}

/// How many partitions a topic has; `None` when it is not there.
fn partitions(found: &Metadata, name: &str) -> Option<usize> {
    let topic = found.topics().iter().find(|topic| topic.name() == name)?;
    (topic.error().is_none() && !topic.partitions().is_empty()).then(|| topic.partitions().len())
}

fn probe(settings: &KafkaSettings) -> Result<BaseConsumer<Watch>, KafkaError> {
    settings.probe_config().create_with_context(Watch::default()).map_err(KafkaError::client)
}

fn ask(settings: &KafkaSettings) -> Result<Metadata, KafkaError> {
    ask_by(&probe(settings)?, settings)
}

/// All topics. Asking for one by name could create it.
fn ask_by(probe: &BaseConsumer<Watch>, settings: &KafkaSettings) -> Result<Metadata, KafkaError> {
    let patience = Duration::from_millis(settings.answer_timeout_ms.into());
    let deadline = Instant::now() + patience;
    loop {
        let slice = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(500));
        let answer = probe.fetch_metadata(None, slice.max(Duration::from_millis(10)));
        let mut refused = false;
        // Reasons come as events.
        loop {
            let served = probe.context().served();
            if let Some(Err(error)) = probe.poll(Duration::ZERO) {
                let code = error.rdkafka_error_code();
                refused |= matches!(code, Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL));
            }
            if probe.context().served() == served {
                break;
            }
        }
        match answer {
            Ok(found) => return Ok(found),
            Err(error) if refused || Instant::now() >= deadline => {
                let heard = probe.context().last_trouble();
                return Err(KafkaError::Unreachable {
                    brokers: settings.brokers.to_string(),
                    after_s: patience.as_secs_f64(),
                    why: if heard.is_empty() { error.to_string() } else { heard },
                });
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Embedded;
    use crate::kafka::settings::Brokers;

    #[test]
    fn names_that_can_not_be_and_names_given_twice_are_faults() {
        let topics = Topics { sensors: "a b".to_owned(), daily: "alerts.current".to_owned(), ..Topics::default() };
        let said: Vec<String> = topics.faults().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "kafka.topics.sensors is \"a b\"; expected 1 to 249 letters, digits, dots, underscores or hyphens",
                "kafka.topics.daily is \"alerts.current\"; expected another name than kafka.topics.current has",
            ]
        );
    }

    #[test]
    fn a_missing_topic_and_one_with_too_few_partitions_are_told_together() {
        let broker = Embedded::start().unwrap();
        broker.create_topic("telemetry.sensors", 2).unwrap();
        let settings = broker.settings(&KafkaSettings::default());
        let all = settings.topics.all();
        let said: Vec<String> = check(&settings, &all[..2]).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "kafka.topics.sensors is \"telemetry.sensors\", whose number of partitions is 2; expected at least kafka.partitions = 4",
                "kafka.topics.patrols is \"telemetry.patrols\", but the broker has no such topic; expected an existing topic, or create it with --create-topics",
            ]
        );
    }

    #[test]
    fn a_broker_that_does_not_answer_is_named() {
        // Nobody listens on a port that was just given back.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let brokers = Brokers::parse(&format!("127.0.0.1:{port}"));
        let settings = KafkaSettings { brokers, answer_timeout_ms: 1000, ..KafkaSettings::default() };
        let said = check(&settings, &settings.topics.all()).unwrap_err();
        assert_eq!(said.len(), 1);
        let said = said[0].to_string();
        let start = format!("kafka.brokers is \"127.0.0.1:{port}\", but no broker answered within 1 s (");
        assert!(said.starts_with(&start) && said.contains("Connection refused"), "{said}");
    }
}
