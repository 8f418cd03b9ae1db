//! A day's figures of a sector, in the vocabulary of published monitoring reports.

use super::day::Day;
use super::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the message.
pub const VERSION: u32 = 1;

/// What is said of a sector's day; said again with a higher revision when it has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DailyReport {
    /// The version of this message: 1.
    pub version: u32,
    /// The sector; the theatre has a name of its own.
    pub sector: String,
    /// The day, in UTC.
    pub day: Day,
    /// 1, 2, 3 … of this sector's day.
    pub revision: u32,
    /// When the day begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// Up to when of it event time has come: `to`, unless telemetry ended before.
    pub covered_to: Timestamp,
    /// Until when of event time it may be amended. What comes later of this day changes no report any more.
    pub amendable_to: Timestamp,
    /// The figures.
    pub figures: Figures,
    /// The program and its version.
    pub software: String,
}

/// What alerts come to that are at least `possible` (0.4), neither retracted nor dismissed by review. An alert counts on
/// the day of its `time`; silences and tamperings on each day that they touch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// How many alerts are counted below.
    pub alerts: u64,
    /// Of these, how many are not final yet.
    pub not_final: u64,
    /// Fire that no notice covers.
    pub fire: Fire,
    /// Fire that a notice covers: training shoots, demining.
    pub fire_under_notice: Fire,
    /// Restrictions of the monitors' freedom of movement.
    pub restrictions: Restrictions,
    /// Heavy weapons where they are not to be.
    pub weapons: Count,
    /// Ground movement into areas that prohibit it.
    pub ground: Count,
    /// Aircraft, manned and unmanned, in areas that prohibit them.
    pub air: Count,
    /// Vessels.
    pub sea: Sea,
    /// Jamming of the monitors.
    pub interference: Count,
    /// Of weapons, ground, air and sea: what a notice covers. It is counted here and not there.
    pub movement_under_notice: Count,
    /// What the monitors' own instruments did not cover.
    pub coverage: Coverage,
    /// What the review commission has said by now.
    pub review: Reviewed,
    /// Alerts that are not counted.
    pub set_aside: SetAside,
    /// Violations by the area that prohibits them, by the areas' ids. One that breaches two is told under both.
    pub areas: Vec<AreaFigure>,
}

/// How many of something: rounds, objects, occurrences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// How many in all: those below together.
    pub count: u64,
    /// Whether that is a lower bound, since one of the alerts states one.
    pub count_is_minimum: bool,
    /// Of `count`: assessed as confirmed (0.95 and above).
    pub confirmed: u64,
    /// As probable (0.75 and above).
    pub probable: u64,
    /// As possible (0.4 and above).
    pub possible: u64,
    /// Of `count`: in violation.
    pub violations: u64,
}

/// Fire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fire {
    /// Explosions.
    pub explosions: Explosions,
    /// Bursts.
    pub bursts: Count,
    /// Shots.
    pub shots: Count,
    /// Fire of which it can't be told what it was.
    pub undetermined: Count,
}

/// Explosions, by what they were assessed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explosions {
    /// Neither of the two can be told.
    pub undetermined: Count,
    /// A round that lands.
    pub impact: Count,
    /// A round that leaves.
    pub outgoing: Count,
}

/// Restrictions of movement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restrictions {
    /// Passage denied.
    pub denied: Count,
    /// Passage delayed.
    pub delayed: Count,
    /// Passage on conditions.
    pub conditional: Count,
}

/// Vessels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sea {
    /// Vessels in areas that prohibit them.
    pub incursions: Count,
    /// Vessels that stopped reporting in or near areas that prohibit it.
    pub dark: Count,
}

/// What was not covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Nodes that were silent for some of the day.
    pub silent_nodes: u64,
    /// Silences.
    pub silences: u64,
    /// Hours that were lost, over all nodes, within the day; those of a node together count once.
    pub node_hours_lost: f64,
    /// Nodes that were tampered with.
    pub tampered_nodes: u64,
}

/// Alerts by their last decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reviewed {
    /// Confirmed.
    pub confirmed: u64,
    /// Dismissed; these are set aside.
    pub dismissed: u64,
    /// Attributed. To whom is not said here.
    pub attributed: u64,
    /// More evidence was asked for.
    pub more_evidence: u64,
}

/// Alerts that are not counted, though they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetAside {
    /// Less than possible (below 0.4).
    pub unresolved: u64,
    /// Dismissed by review.
    pub dismissed: u64,
}

/// An area's violations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AreaFigure {
    /// The area's id.
    pub area: String,
    /// Violations in it, counted as in [`Count`].
    pub violations: u64,
}

impl Count {
    /// The two together.
    pub fn and(self, other: Count) -> Count {
        Count {
            count: self.count + other.count,
            count_is_minimum: self.count_is_minimum || other.count_is_minimum,
            confirmed: self.confirmed + other.confirmed,
            probable: self.probable + other.probable,
            possible: self.possible + other.possible,
            violations: self.violations + other.violations,
        }
    }
}

impl Explosions {
    /// All of them.
    pub fn all(&self) -> Count {
        self.undetermined.and(self.impact).and(self.outgoing)
    }
}

impl Fire {
    /// All of it.
    pub fn all(&self) -> Count {
        self.explosions.all().and(self.bursts).and(self.shots).and(self.undetermined)
    }
}
