//! `truceline run --role route` and `--role correlate`: the two stages of a cluster, each a process of its own.

use super::Stop;
use super::console::{Misuse, Outcome};
use super::run::tell;
use crate::config::Config;
use crate::kafka::KafkaSettings;
use crate::pipeline::correlate::Correlate;
use crate::pipeline::layout::Layout;
use crate::pipeline::nodes::Nodes;
use crate::pipeline::reference::ReferenceFiles;
use crate::pipeline::route::{Route, RouteFigures};
use crate::pipeline::run::Run;
use std::sync::Arc;
use std::time::Instant;

/// Sends telemetry on by region.
pub(super) fn route(config: &Config, stop: &Stop) -> Outcome {
    let layout = agree(config)?;
    let route = Route {
        kafka: stage(config, "route"),
        reference: ReferenceFiles::from(&config.reference),
        settings: config.engine.clone(),
        layout,
    };
    let mut told = Instant::now();
    let last = route.run(&|| stop.is_asked(), &mut |figures| {
        if told.elapsed().as_secs_f64() >= config.output.rates_every_s {
            told = Instant::now();
            tell_route(figures);
        }
    })?;
    tell_route(&last);
    Ok(())
}

/// Correlates the parts of the regions that the group gives this process.
pub(super) fn correlate(config: &Config, stop: &Stop) -> Outcome {
    let layout = Arc::new(agree(config)?);
    let run = Run {
        kafka: stage(config, "correlate"),
        reference: ReferenceFiles::from(&config.reference),
        settings: config.engine.clone(),
        config_digest: config.engine.digest(),
        review: config.review.clone(),
        by_component: config.output.by_component,
        part: None,
    };
    let mut told = Instant::now();
    let last = Correlate { run, layout }.run(&|| stop.is_asked(), &mut |figures| {
        if told.elapsed().as_secs_f64() >= config.output.rates_every_s {
            told = Instant::now();
            tell(figures, None, None);
        }
    })?;
    tell(&last, None, None);
    Ok(())
}

/// What a stage is told of Kafka: each has a group of its own.
fn stage(config: &Config, role: &str) -> KafkaSettings {
    KafkaSettings { group: format!("{}-{role}", config.kafka.group), ..config.kafka.clone() }
}

fn agree(config: &Config) -> Result<Layout, Box<dyn std::error::Error + Send + Sync>> {
    let kafka = &config.kafka;
    if kafka.instance.is_empty() {
        let why = "kafka.instance is empty; expected a name of its own for each process of a cluster";
        return Err(Box::new(Misuse(why.to_owned())));
    }
    if !kafka.exactly_once {
        let why = "kafka.exactly_once is false; expected true, for what is routed twice would be heard twice";
        return Err(Box::new(Misuse(why.to_owned())));
    }
    let files = ReferenceFiles::from(&config.reference);
    let nodes = Nodes::open(kafka, files.sensors.as_deref())?;
    let layout = Layout::agree(kafka, &nodes.registry)?;
    tracing::info!(regions = layout.count(), parts = layout.parts(), "regions are laid out");
    Ok(layout)
}

/// One line of how a router goes.
fn tell_route(figures: &RouteFigures) {
    tracing::info!(
        records = figures.records,
        forwarded = figures.forwarded,
        rejected = figures.rejected,
        lag = figures.lag,
        commits = figures.commits,
        "so far"
    );
}
