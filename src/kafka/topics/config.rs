//! What the topics' own settings say.

use super::{Keep, TopicSpec};
use crate::kafka::error::KafkaError;
use crate::kafka::settings::KafkaSettings;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use std::collections::BTreeMap;
use std::time::Duration;

/// The largest record that is refused as it came, and its headers with the longest message.
const LARGEST_REJECTED_BYTES: u64 = (1 << 20) + 4096;

/// What of the topics' own settings will do, but not well: a sentence each. Nothing of a broker that does not tell them.
///
/// # Errors
/// No broker, or none that answers.
pub fn warnings(settings: &KafkaSettings, topics: &[TopicSpec]) -> Result<Vec<String>, KafkaError> {
    let names: Vec<&str> = topics.iter().map(|spec| spec.name.as_str()).collect();
    let told = describe(settings, &names)?;
    let told = topics.iter().filter_map(|spec| Some((spec, told.get(&spec.name)?)));
    Ok(told.filter_map(|(spec, told)| warning(spec, told)).collect())
}

/// The most bytes that each of these topics takes in one piece, of those that tell.
///
/// # Errors
/// No broker, or none that answers.
pub fn limits(settings: &KafkaSettings, names: &[&str]) -> Result<BTreeMap<String, u64>, KafkaError> {
    let limit = |told: &ConfigResource| told.get("max.message.bytes")?.value.as_deref()?.parse().ok();
    let told = describe(settings, names)?;
    Ok(told.into_iter().filter_map(|(name, told)| Some((name, limit(&told)?))).collect())
}

/// The topics' own settings, of those that tell.
fn describe(settings: &KafkaSettings, names: &[&str]) -> Result<BTreeMap<String, ConfigResource>, KafkaError> {
    let failed = |error: &dyn std::fmt::Display| KafkaError::failed("asking for the topics' settings", error);
    let admin: AdminClient<DefaultClientContext> = settings.probe_config().create().map_err(KafkaError::client)?;
    let patience = Duration::from_millis(settings.answer_timeout_ms.into());
    let options = AdminOptions::new().request_timeout(Some(patience));
    let asked: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| failed(&error))?;
    let answers = runtime.block_on(admin.describe_configs(&asked, &options)).map_err(|error| failed(&error))?;
    let told = names.iter().zip(answers).filter_map(|(name, answer)| Some(((*name).to_owned(), answer.ok()?)));
    Ok(told.collect())
}

fn warning(spec: &TopicSpec, told: &ConfigResource) -> Option<String> {
    let value = |key: &str| told.get(key).and_then(|entry| entry.value.as_deref());
    let TopicSpec { key, name, keep } = spec;
    if *keep == Keep::Newest {
        let policy = value("cleanup.policy").filter(|policy| !policy.split(',').any(|it| it.trim() == "compact"))?;
        return Some(format!(
            "kafka.topics.{key} is {name:?}, whose cleanup.policy is {policy:?}; expected \"compact\", or what it last \
             said of a key is lost in time, or every word ever said is read at each start"
        ));
    }
    if *key == "rejected" {
        let most: u64 = value("max.message.bytes").and_then(|bytes| bytes.parse().ok())?;
        return (most < LARGEST_REJECTED_BYTES).then(|| {
            format!(
                "kafka.topics.{key} is {name:?}, whose max.message.bytes is {most}; expected at least \
                 {LARGEST_REJECTED_BYTES}, or the largest of the rejected records come there without their bytes"
            )
        });
    }
    None
}
