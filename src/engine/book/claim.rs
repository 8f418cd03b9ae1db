//! What somebody holds to be so, and what it rests on.

use crate::engine::places::Waypoint;
use crate::model::alert::{Class, Emitter, Sign};
use crate::model::area::Prohibition;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::Kind;
use crate::model::node::NodeIx;
use crate::model::observation::{Id, Origin};
use serde::{Deserialize, Serialize};

/// An observation that a claim rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

/// The other end of a trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherEnd {
    /// Where.
    pub place: LonLat,
    /// One sigma of that.
    pub ellipse: Ellipse,
    /// Whether the round left there, or landed.
    pub is_origin: bool,
}

/// What an emitter sends, and how high it is: an alert's [`Emitter`] as a checkpoint can hold it, with what is not known in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transmitter {
    /// The name that nodes give it.
    pub label: Option<String>,
    /// Its frequency.
    pub frequency_hz: Option<f64>,
    /// Above the ellipsoid.
    pub alt_m: f64,
    /// One sigma of that.
    pub alt_sd_m: f64,
}

impl From<&Emitter> for Transmitter {
    fn from(told: &Emitter) -> Transmitter {
        let Emitter { label, frequency_hz, alt_m, alt_sd_m } = told.clone();
        Transmitter { label, frequency_hz, alt_m, alt_sd_m }
    }
}

/// What a rule or the associator holds to be so; the book makes an alert of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// What makes it this one and no other, the same however the evidence was ordered; the alert's id is its hash.
    pub key: String,
    /// What happened.
    pub class: Class,
    /// What tells of it, where the class does not say.
    pub sign: Option<Sign>,
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
    /// Where it was after that, of what moves: a notice has to cover all of it.
    pub path: Vec<Waypoint>,
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
    /// Of fire: where it came from, or went.
    #[serde(default)]
    pub other_end: Option<OtherEnd>,
    /// Of a restriction: the alerts of earlier ones at that place.
    #[serde(default)]
    pub follows: Vec<String>,
    /// Of nodes that fell silent: the area that can no longer be heard.
    #[serde(default)]
    pub coverage_lost_km2: Option<f64>,
    /// Of an emitter: what it sends, and how high it is.
    #[serde(default)]
    pub emitter: Option<Transmitter>,
    /// Breach by decree: areas that are breached whatever the judgement by place says (an incursion names its area).
    pub areas: Vec<String>,
    /// A breach wherever it happens: no area needs to prohibit it (a restriction of the mission's movement).
    pub breach: bool,
}

impl Claim {
    /// The claim that this happened once, there and then, for certain; all else is absent.
    pub fn new(key: String, class: Class, place: LonLat, time_ns: i64) -> Claim {
        Claim {
            key,
            class,
            sign: None,
            prohibitions: Vec::new(),
            place,
            ellipse: None,
            time_ns,
            time_sd_s: 0.0,
            from_ns: None,
            to_ns: None,
            path: Vec::new(),
            count: 1,
            count_is_minimum: false,
            probability: 1.0,
            evidence: Vec::new(),
            silent: Vec::new(),
            direction_of_fire_deg: None,
            other_end: None,
            follows: Vec::new(),
            coverage_lost_km2: None,
            emitter: None,
            areas: Vec::new(),
            breach: false,
        }
    }

    /// The newest time in it, by which its age is told.
    pub(super) fn newest_ns(&self) -> i64 {
        let evidence_ns = self.evidence.iter().map(|cited| cited.time_ns).max();
        [Some(self.time_ns), self.from_ns, self.to_ns, evidence_ns].into_iter().flatten().max().unwrap_or(self.time_ns)
    }
}

/// Whether event time has passed what is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It may still change.
    Open,
    /// All evidence that comes in time is in.
    Final,
}
