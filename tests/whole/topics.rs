//! Checking and creating topics at a real broker.

use super::Case;
use super::broker::Broker;
use super::program::Program;
use super::records::{PATIENCE, fresh};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::time::Instant;
use truceline::kafka::topics::{Topics, check, create_missing, partition_counts, warnings};
use truceline::kafka::{KafkaError, KafkaSettings};

pub const TRIALS: &[Case] = &[
    ("missing_topics_are_named_then_made_then_there", missing_topics_are_named_then_made_then_there),
    ("settings_of_topics_that_lose_something_are_warned_of", settings_that_lose_something_are_warned_of),
    ("a_measurement_prints_json_and_leaves_nothing_behind", a_measurement_prints_json_and_leaves_nothing_behind),
    ("too_few_partitions_are_named", too_few_partitions_are_named),
    ("a_refused_topic_is_told_with_the_reason", a_refused_topic_is_told_with_the_reason),
];

fn settings(broker: &Broker) -> KafkaSettings {
    let mut settings = broker.settings("topics");
    let mut names = serde_json::to_value(Topics::default()).expect("names");
    for name in names.as_object_mut().expect("a table").values_mut() {
        *name = fresh(name.as_str().expect("a name")).into();
    }
    settings.topics = serde_json::from_value(names).expect("names");
    settings
}

fn missing_topics_are_named_then_made_then_there(broker: &Broker) {
    let settings = settings(broker);
    let all = settings.topics.all();
    let faults = check(&settings, &all).expect_err("nothing is there");
    assert_eq!(faults.len(), all.len());
    let sentence = format!(
        "kafka.topics.sensors is {:?}, but the broker has no such topic; expected an existing topic, or create it with \
         --create-topics",
        settings.topics.sensors
    );
    assert_eq!(faults[0].to_string(), sentence);
    assert_eq!(create_missing(&settings, &all[..3]).expect("made").len(), 3);
    assert_eq!(create_missing(&settings, &all).expect("made").len(), all.len() - 3, "only what is missing");
    assert_eq!(check(&settings, &all), Ok(()));
    assert_eq!(create_missing(&settings, &all), Ok(vec![]));
    assert_eq!(told(broker, &settings.topics.current, "cleanup.policy"), "compact");
    assert_eq!(told(broker, &settings.topics.state, "cleanup.policy"), "compact");
    assert_eq!(told(broker, &settings.topics.sensors, "retention.ms"), (7 * 24 * 3_600_000u64).to_string());
    assert_eq!(told(broker, &settings.topics.violations, "retention.ms"), "-1");
    let Topics { sensors, rejected, violations, current, state, .. } = &settings.topics;
    let names: Vec<String> = [sensors, rejected, violations, current, state].map(Clone::clone).to_vec();
    assert_eq!(partition_counts(&settings, &names), Ok(vec![4, 4, 1, 1, 1]));
    let more = KafkaSettings { alert_partitions: 2, ..settings };
    let faults: Vec<String> = check(&more, &all).expect_err("too few").iter().map(ToString::to_string).collect();
    assert!(
        faults[0].contains("whose number of partitions is 1; expected at least kafka.alert_partitions = 2"),
        "{faults:?}"
    );
}

fn told(broker: &Broker, topic: &str, key: &str) -> String {
    let admin: AdminClient<DefaultClientContext> = broker.client().create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let asked = [ResourceSpecifier::Topic(topic)];
    let answers = runtime.block_on(admin.describe_configs(&asked, &AdminOptions::new())).expect("an answer");
    let found = answers[0].as_ref().expect("a topic").get(key).and_then(|entry| entry.value.clone());
    found.expect("a value")
}

fn settings_that_lose_something_are_warned_of(broker: &Broker) {
    let settings = settings(broker);
    let all = settings.topics.all();
    let bare = ["current", "rejected", "reference_areas", "violations"];
    for spec in all.iter().filter(|spec| bare.contains(&spec.key)) {
        broker.create_topic(&spec.name, 4);
    }
    create_missing(&settings, &all).expect("made");
    let told = warnings(&settings, &all).expect("an answer");
    let names = &settings.topics;
    let beginnings = [
        format!(
            "kafka.topics.reference_areas is {:?}, whose cleanup.policy is \"delete\"; expected",
            names.reference_areas
        ),
        format!(
            "kafka.topics.current is {:?}, whose cleanup.policy is \"delete\"; expected \"compact\"",
            names.current
        ),
        format!("kafka.topics.rejected is {:?}, whose max.message.bytes is 1048588; expected at least", names.rejected),
    ];
    assert_eq!(told.len(), 3, "{told:?}");
    for (told, beginning) in told.iter().zip(&beginnings) {
        assert!(told.starts_with(beginning), "{told}");
    }
}

fn a_measurement_prints_json_and_leaves_nothing_behind(broker: &Broker) {
    let brokers = format!("kafka.brokers={}", broker.bootstrap());
    let arguments = [
        ["bench", "--json", "--quiet"].as_slice(),
        &["--mix", "quiet", "--nodes", "200", "--records", "20000", "--for", "1s", "--rate", "500"],
        &["--set", &brokers, "--set", "engine.fire.on=false"],
    ];
    let ended = Program::run_to_end(&arguments.concat().into_iter().map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let report = ended.said.find("{\n").map(|start| &ended.said[start..]).expect("a report");
    let report: serde_json::Value = serde_json::from_str(report).expect("JSON");
    let counts = ["/decode/columns", "/consume", "/whole/0/rate", "/whole/1/rate", "/whole_at_least_once/1/rate"];
    for pointer in counts.map(|stage| format!("{stage}/observations")) {
        assert!(report.pointer(&pointer).and_then(serde_json::Value::as_u64) > Some(0), "{pointer} in {report}");
    }
    assert!(report.pointer("/exactly_once_costs/1").is_some_and(serde_json::Value::is_f64), "{report}");
    assert_eq!(report.pointer("/latency/asked_per_s"), Some(&500.into()));
    let probe: BaseConsumer = broker.client().create().expect("a client");
    let of_bench = |name: &str| name.starts_with("truceline-bench-");
    let groups = probe.fetch_group_list(None, PATIENCE).expect("groups");
    let groups: Vec<&str> = groups.groups().iter().map(|group| group.name()).filter(|name| of_bench(name)).collect();
    assert_eq!(groups, Vec::<&str>::new());
    let left = || {
        let found = probe.fetch_metadata(None, PATIENCE).expect("metadata");
        found.topics().iter().map(|topic| topic.name().to_owned()).filter(|name| of_bench(name)).collect::<Vec<_>>()
    };
    let started = Instant::now();
    while !left().is_empty() {
        assert!(started.elapsed() < PATIENCE, "left behind: {:?}", left());
    }
}

fn too_few_partitions_are_named(broker: &Broker) {
    let settings = settings(broker);
    broker.create_topic(&settings.topics.sensors, 2);
    let faults = check(&settings, &settings.topics.all()[..1]).expect_err("too few");
    assert!(matches!(&faults[..], [KafkaError::Partitions { found: 2, expected: 4, .. }]), "{faults:?}");
}

fn a_refused_topic_is_told_with_the_reason(broker: &Broker) {
    let settings = KafkaSettings { replication: 3, ..settings(broker) };
    let faults = create_missing(&settings, &settings.topics.all()[..1]).expect_err("one broker, three copies");
    let said = faults[0].to_string();
    assert!(said.contains("could not be created") && said.contains("replication factor"), "{said}");
}
