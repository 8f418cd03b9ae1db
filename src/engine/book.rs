//! The life of an alert: preliminary, revised, final, amended or retracted.

use super::places::Places;
use super::settings::Settings;
use crate::model::alert::{AlertFeature, Class};
use crate::model::area::Prohibition;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::Kind;
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::{Id, Origin};

/// An observation that a claim rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cited {
    /// Where it stood.
    pub origin: Origin,
    /// The sender's id.
    pub id: Id,
    /// The sender.
    pub node: NodeIx,
    /// What it is.
    pub kind: Kind,
    /// Its time, nanoseconds.
    pub time_ns: i64,
    /// Observed less predicted time.
    pub residual_s: Option<f64>,
    /// Observed less predicted azimuth.
    pub residual_deg: Option<f64>,
}

/// What a rule or the associator holds to be so; the book makes an alert of it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What makes it this one and no other, the same however the evidence was ordered; the alert's id is its hash.
    pub key: String,
    /// What happened.
    pub class: Class,
    /// What it would breach where an area prohibits any of these.
    pub prohibitions: Vec<Prohibition>,
    /// Where.
    pub place: LonLat,
    /// One sigma of that.
    pub ellipse: Option<Ellipse>,
    /// When, nanoseconds.
    pub time_ns: i64,
    /// One sigma of that, seconds.
    pub time_sd_s: f64,
    /// Entered, fell silent.
    pub from_ns: Option<i64>,
    /// Left, spoke again.
    pub to_ns: Option<i64>,
    /// How many.
    pub count: u32,
    /// Whether that is a lower bound.
    pub count_is_minimum: bool,
    /// The chance that it happened.
    pub probability: f64,
    /// What it rests on.
    pub evidence: Vec<Cited>,
    /// Nodes in range that were up and did not report it.
    pub silent: Vec<NodeIx>,
    /// Where it can be told.
    pub direction_of_fire_deg: Option<f64>,
    /// Breach by decree: areas that are breached whatever the judgement by place says (an incursion names its area).
    pub areas: Vec<String>,
}

/// Whether event time has passed what is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It may still change.
    Open,
    /// All evidence that comes in time is in.
    Final,
}

/// What left the book.
#[derive(Clone, Debug)]
pub struct Said {
    /// The alert.
    pub feature: AlertFeature,
    /// The newest observation it rests on, by which the shell tells how long it took.
    pub deciding: Option<Origin>,
}

/// All alerts that may still change.
#[derive(Default)]
pub struct Book {
    said: Vec<Said>,
}

impl Book {
    /// Says a claim: new, changed, or nothing if it says what was said.
    pub fn say(&mut self, _claim: Claim, _stage: Stage, _registry: &Registry, _places: &Places, _settings: &Settings) {}

    /// Takes back what was said under that key; nothing if nothing was.
    pub fn retract(&mut self, _key: &str) {}

    /// What was said since the last call.
    pub fn take_said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }
}
