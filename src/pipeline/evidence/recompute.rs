//! An alert worked out again, from the lines of a package and nothing else.

use super::EvidenceError;
use super::context::Context;
use super::course::Step;
use crate::codec::alert::alert_json;
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::engine::associate::record::LearntRecord;
use crate::engine::book::{Said, Settled, UNDETERMINED};
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::model::alert::{Alert, AlertFeature, Status};
use crate::model::area::Area;
use crate::model::node::{Node, Registry};
use crate::model::notice::Notice;
use crate::model::review::Review;
use crate::pipeline::correlator::{Correlator, Results};
use crate::pipeline::feed::{BATCH_LINES, decode_line};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// All but the telemetry that an alert hangs on.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The engine's settings.
    pub settings: Settings,
    /// Who decides on alerts.
    pub review: Review,
    /// The sensor registry.
    pub nodes: Vec<Node>,
    /// Areas and lines.
    pub areas: Vec<Area>,
    /// Notices.
    pub notices: Vec<Notice>,
}

/// What the engine knows before the first line.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// Nothing.
    Nothing,
    /// What another stream taught.
    Learnt(LearntRecord),
    /// What this stream had taught, some of whose lines come again and teach nothing twice.
    Midway(LearntRecord),
}

impl Setting {
    /// A correlator under these, that knows so much.
    ///
    /// # Errors
    /// What was learnt is of a later version.
    pub(super) fn correlator(&self, topics: Vec<String>, start: &Start) -> Result<Correlator, EvidenceError> {
        let registry = Registry::new(self.nodes.clone());
        let places = Places::new(self.areas.clone(), self.notices.clone());
        let mut correlator = Correlator::new(self.settings.clone(), self.settings.digest(), topics, registry, places);
        correlator.convene(&self.review);
        match start.clone() {
            Start::Nothing => {}
            Start::Learnt(record) => correlator.engine().start_from(record)?,
            Start::Midway(record) => {
                LearntRecord::check_version(record.version)?;
                correlator.engine().restore([], Settled::NOTHING, record.regions);
                correlator.replayed(&mut Results::default());
            }
        }
        Ok(correlator)
    }
}

/// Every revision that comes of these lines for that alert.
///
/// # Errors
/// What was learnt is of a later version.
pub fn revisions(alert: &str, setting: &Setting, context: &Context) -> Result<Vec<AlertFeature>, EvidenceError> {
    let mut correlator = setting.correlator(context.topics.clone(), &context.start)?;
    let mut decoder = Decoder::new(DecodeOptions { keep_raw: false });
    let (mut lines, mut results) = (Lines::default(), Results::default());
    let of_line = |step: &Step| match step {
        Step::Line(line) => Some(line.partition),
        Step::Ended(_) => None,
    };
    let partitions: BTreeSet<_> = context.steps.iter().map(|(step, _)| step).filter_map(of_line).collect();
    for &partition in &partitions {
        correlator.engine().assign(partition);
    }
    for (step, _) in &context.steps {
        if let Step::Line(line) = step {
            let (topic, partition) = line.partition;
            let record = RecordAt { topic, partition, offset: line.offset };
            decode_line(&line.raw, record, line.line, &mut decoder, &mut correlator, &mut lines);
            if lines.len() < BATCH_LINES {
                continue;
            }
        }
        correlator.correlate(&mut lines, &mut results);
        correlator.advance(&mut results);
        if let Step::Ended(partition) = step
            && partitions.contains(partition)
        {
            correlator.caught_up(partition.0, partition.1, &mut results);
        }
    }
    correlator.correlate(&mut lines, &mut results);
    correlator.advance(&mut results);
    correlator.finish(&mut results);
    let said = results.said.into_iter().map(Said::into_feature);
    Ok(said.filter(|feature| feature.properties.alert == alert).collect())
}

/// How much of an alert has to come out the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// All it says.
    All,
    /// All but what reviewers decided, where their decisions are not among the records: an archive of telemetry has none.
    /// The alert holds them, each with its signature.
    ButDecisions,
}

/// What has to be the same, byte for byte: all an alert says but for how long it took and how often it was corrected.
///
/// # Errors
/// None in practice.
pub fn bytes(feature: &AlertFeature, compared: Compared) -> Result<Vec<u8>, EvidenceError> {
    let mut alert = Alert { latency: None, revision: 0, ..feature.properties.clone() };
    if compared == Compared::ButDecisions {
        (alert.review, alert.panel) = (None, None);
        UNDETERMINED.clone_into(&mut alert.attribution);
        if alert.status == Status::Amended {
            alert.status = Status::Final;
        }
    }
    Ok(alert_json(&AlertFeature { properties: alert, ..*feature })?)
}
