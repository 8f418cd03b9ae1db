//! An escalation indicator as it goes out: how much more of what is seen in a sector than usual, and where. It states
//! what is seen, never what anybody means by it.

use super::alert::Class;
use super::kind::vocabulary;
use super::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

vocabulary! {
    /// A way of seeing that does not rest on another.
    Modality {
        Fire = "fire", Air = "air", Sea = "sea", Movement = "movement", Jamming = "jamming",
    }
}

impl Modality {
    /// To which an alert of that class counts; `None`: to none, for how many there are hangs on how much somebody looks, or
    /// on who is there to look.
    pub const fn of(class: Class) -> Option<Modality> {
        match class {
            class if class.is_fire() => Some(Modality::Fire),
            Class::AirIncursion => Some(Modality::Air),
            Class::SeaIncursion | Class::SeaDark => Some(Modality::Sea),
            Class::IncursionGround | Class::IncursionWeapons => Some(Modality::Movement),
            Class::Interference => Some(Modality::Jamming),
            _ => None,
        }
    }
}

vocabulary! {
    /// What a level rests on.
    Rule {
        Rate = "rate", SpaceTimeScan = "space_time_scan", Agreement = "agreement", Quiet = "quiet", Unheard = "unheard",
    }
}

/// A circle in which more happens than usual, since when, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Circle {
    /// Its middle, degrees.
    pub lon: f64,
    /// Its middle, degrees.
    pub lat: f64,
    /// Its radius.
    pub radius_m: f64,
    /// Since when.
    pub from: Timestamp,
    /// Incidents of fire in it since then.
    pub count: u32,
    /// How many are usual.
    pub expected: f64,
}

/// The whole message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Escalation {
    /// The sector, or `theatre` for all sectors together.
    pub sector: String,
    /// Up to when all is in it, by event time: the end of a bin.
    pub time: Timestamp,
    /// 0–3.
    #[schemars(range(max = 3))]
    pub level: u8,
    /// Since when this level stands, by event time.
    pub raised_at: Timestamp,
    /// Since when there is more than usual, as far as that can be told.
    pub from: Timestamp,
    /// Until when there was; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Incidents of fire an hour since there is more; of a lower level, in the last hour. What falls side by side and
    /// without a pause is one incident.
    pub rate_per_hour: f64,
    /// How many are usual then and there, as far as they can be heard.
    pub expected_per_hour: f64,
    /// Natural logarithm of the evidence for more than usual against as much as usual, as the strongest modality has it.
    pub statistic: f64,
    /// In which ways of seeing there is more than usual.
    pub modalities: Vec<Modality>,
    /// Alerts that count to it, the newest hundred.
    pub alerts: Vec<String>,
    /// Where in the sector it is, if it is somewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Circle>,
    /// What the level rests on.
    pub rules: Vec<Rule>,
    /// The same in sentences.
    pub reasons: Vec<String>,
    /// The program and its version.
    pub software: String,
    /// SHA-256 of the configuration, this section included.
    pub config_digest: String,
}
