//! Topics of a measurement's own: made, filled, read, and removed.

use super::{Bench, BenchError, Step, Watch};
use crate::kafka::topics::{Keep, TopicSpec, create_missing, names_with, remove, remove_groups};
use crate::kafka::{Embedded, KafkaError, KafkaSettings, Sink};
use crate::model::node::Node;
use crate::model::review::Review;
use crate::pipeline::reference::ReferenceFiles;
use crate::pipeline::run::Run;
use crate::simulate::load::Load;
use crate::simulate::{area_feature, node_feature};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Partitions of the embedded broker's topics.
const EMBEDDED_PARTITIONS: i32 = 4;
/// Observations that the embedded broker holds without forgetting the first: it keeps 5 MiB a partition.
pub const MOST_EMBEDDED_RECORDS: u64 = 40_000;
/// How long the broker may take to take what is left.
const FLUSH: Duration = Duration::from_secs(60);
/// How long removing what was made may take beyond the time that a session lasts, and between two attempts.
const REMOVAL: Duration = Duration::from_secs(5);
const NAP: Duration = Duration::from_millis(250);
/// While a topic is filled, a record waits so long for company, and so many wait for the broker.
const FILL_LINGER_MS: u32 = 20;
const FILL_UNSENT_RECORDS: u32 = 200_000;
const FILL_UNSENT_KIB: u32 = 256 * 1024;
/// Lines between two looks around while filling.
const LOOK_EVERY: u64 = 16_384;

/// Where a measurement takes place. Its topics go when it goes.
pub struct Ground {
    settings: KafkaSettings,
    load: Load,
    /// `None`: a broker that outlives the topics, which then have to be removed.
    embedded: Option<Embedded>,
}

impl Ground {
    /// Makes all topics of the contract under names that nobody else has, and publishes the load's nodes and areas.
    ///
    /// # Errors
    /// No broker, or its refusals.
    pub fn open(bench: &Bench) -> Result<Ground, BenchError> {
        let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let prefix = format!("truceline-bench-{}-{now_ns}-", std::process::id());
        let mut settings = own_names(&bench.kafka, &prefix);
        let specs = settings.topics.all();
        let mut broker = None;
        if bench.embedded {
            let started = Embedded::start()?;
            settings = started.settings(&settings);
            for spec in &specs {
                started.create_topic(&spec.name, EMBEDDED_PARTITIONS)?;
            }
            broker = Some(started);
        } else {
            create_missing(&settings, &specs).map_err(BenchError::Topics)?;
        }
        // From here on the topics are there, and are removed whatever happens.
        let ground = Ground { settings, load: bench.load(), embedded: broker };
        ground.publish_reference()?;
        Ok(ground)
    }

    fn publish_reference(&self) -> Result<(), KafkaError> {
        let (sink, topics) = (Sink::new(&self.settings)?, &self.settings.topics);
        for node in self.load.nodes() {
            let feature = node_feature(node).to_string();
            sink.send(&topics.reference_sensors, Some(node.name.as_bytes()), feature.as_bytes(), &[])?;
        }
        for area in self.load.areas() {
            let feature = area_feature(&area).to_string();
            sink.send(&topics.reference_areas, Some(area.area.as_bytes()), feature.as_bytes(), &[])?;
        }
        sink.flush(FLUSH)
    }

    /// Fills the sensors' topic with that many observations, one a record; returns how many bytes their values have.
    ///
    /// # Errors
    /// The broker's; told to stop.
    pub fn fill(&mut self, records: u64, watch: &mut Watch<'_>) -> Result<u64, BenchError> {
        self.fill_seen(records, watch, &mut |_| {})
    }

    /// The same, each line shown to `see`.
    ///
    /// # Errors
    /// The broker's; told to stop.
    pub fn fill_seen(
        &mut self,
        records: u64,
        watch: &mut Watch<'_>,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, BenchError> {
        let settings = KafkaSettings {
            linger_ms: FILL_LINGER_MS,
            unsent_records: FILL_UNSENT_RECORDS,
            unsent_kib: FILL_UNSENT_KIB,
            ..self.settings.clone()
        };
        let sink = Sink::new(&settings)?;
        let (mut line, mut bytes) = (Vec::with_capacity(512), 0);
        for done in 0..records {
            if done % LOOK_EVERY == 0 {
                if (watch.stop)() {
                    return Err(BenchError::Stopped("anything of Kafka"));
                }
                (watch.on)(Step { what: "filling", done, total: Some(records) });
            }
            self.send(&sink, &mut line)?;
            see(&line);
            bytes += line.len() as u64;
        }
        sink.flush(FLUSH)?;
        Ok(bytes)
    }

    /// Sends the load's next line; `line` is room for it.
    ///
    /// # Errors
    /// The writer's.
    pub fn send(&mut self, sink: &Sink, line: &mut Vec<u8>) -> Result<(), KafkaError> {
        line.clear();
        let node = self.load.line(line);
        let key = self.load.nodes()[node].name.as_bytes();
        sink.send(&self.settings.topics.sensors, Some(key), line, &[])
    }

    /// Settings with this ground's topics, for a group of that name.
    pub fn settings(&self, group: &str) -> KafkaSettings {
        KafkaSettings { group: format!("{}{group}", self.settings.group), ..self.settings.clone() }
    }

    /// Removes all topics and groups of this ground's; programs that were measured here may have made some of their own.
    fn remove(&self) -> Result<(), KafkaError> {
        let (topics, groups) = names_with(&self.settings, &self.settings.group)?;
        remove(&self.settings, &topics.iter().map(String::as_str).collect::<Vec<&str>>())?;
        remove_groups(&self.settings, &groups.iter().map(String::as_str).collect::<Vec<&str>>())
    }

    /// Makes one more topic for alerts; gives its name.
    ///
    /// # Errors
    /// The broker's.
    pub fn topic(&self, name: &str) -> Result<String, BenchError> {
        let name = format!("{}{name}", self.settings.group);
        if let Some(broker) = &self.embedded {
            broker.create_topic(&name, EMBEDDED_PARTITIONS)?;
            return Ok(name);
        }
        let spec = TopicSpec { key: "violations", name: name.clone(), keep: Keep::Alerts };
        create_missing(&self.settings, &[spec]).map_err(BenchError::Topics)?;
        Ok(name)
    }

    /// The nodes that send.
    pub fn nodes(&self) -> &[Node] {
        self.load.nodes()
    }

    /// A live run on this ground.
    pub fn run(&self, bench: &Bench, group: &str) -> Run {
        Run {
            kafka: self.settings(group),
            reference: ReferenceFiles::default(),
            settings: bench.engine.clone(),
            config_digest: bench.engine.digest(),
            review: Review::default(),
            by_component: false,
            part: None,
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.embedded.is_some() {
            return;
        }
        // There are none if nothing was laid down.
        let _ = std::fs::remove_dir_all(&self.settings.checkpoint_dir);
        let began = Instant::now();
        let patience = Duration::from_millis(self.settings.session_timeout_ms.into()) + REMOVAL;
        loop {
            match self.remove() {
                Ok(()) => return,
                // A member that went without a word stays in its group until its session is over.
                Err(_) if began.elapsed() < patience => std::thread::park_timeout(NAP),
                Err(error) => {
                    let prefix = &self.settings.group;
                    tracing::warn!("topics or groups whose names begin with {prefix:?} are left behind: {error}");
                    return;
                }
            }
        }
    }
}

/// The settings with every topic, and the group, under the prefix.
fn own_names(settings: &KafkaSettings, prefix: &str) -> KafkaSettings {
    let mut own = KafkaSettings { group: prefix.to_owned(), instance: String::new(), ..settings.clone() };
    if !own.checkpoint_dir.as_os_str().is_empty() {
        own.checkpoint_dir.push(prefix);
    }
    own.start = crate::kafka::settings::Start::Earliest;
    let topics = &mut own.topics;
    for name in [
        &mut topics.sensors,
        &mut topics.patrols,
        &mut topics.reference_sensors,
        &mut topics.reference_areas,
        &mut topics.reference_notices,
        &mut topics.decisions,
        &mut topics.violations,
        &mut topics.current,
        &mut topics.escalations,
        &mut topics.rejected,
        &mut topics.daily,
        &mut topics.state,
        &mut topics.by_region,
    ] {
        name.insert_str(0, prefix);
    }
    own
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::settings::Settings;
    use crate::simulate::load::Mix;

    /// A measurement that takes a moment, on the embedded broker.
    pub(in crate::bench) fn small() -> Bench {
        Bench {
            kafka: KafkaSettings::default(),
            engine: Settings::default(),
            mix: Mix::Mixed,
            nodes: 100,
            seed: 1,
            duration: Duration::from_millis(500),
            records: 5_000,
            embedded: true,
        }
    }

    #[test]
    fn every_topic_gets_a_name_of_its_own() {
        let own = own_names(&KafkaSettings::default(), "p-");
        for (own, plain) in own.topics.all().iter().zip(KafkaSettings::default().topics.all()) {
            assert_eq!(own.name, format!("p-{}", plain.name));
        }
    }
}
