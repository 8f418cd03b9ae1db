//! Notified activities: what was announced, where and when.

use super::alert::Class;
use super::kind::vocabulary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

vocabulary! {
    /// What a notice announces.
    NoticeKind {
        LiveFire = "live_fire", Demining = "demining", Flight = "flight", Vessel = "vessel", Movement = "movement",
    }
}

impl NoticeKind {
    /// Whether an alert of that class is what was announced.
    pub fn covers(self, class: Class) -> bool {
        match self {
            NoticeKind::LiveFire => class.is_fire(),
            NoticeKind::Demining => class == Class::FireExplosion,
            NoticeKind::Flight => class == Class::AirIncursion,
            NoticeKind::Vessel => matches!(class, Class::SeaIncursion | Class::SeaDark),
            NoticeKind::Movement => matches!(class, Class::IncursionGround | Class::IncursionWeapons),
        }
    }
}

/// A notified activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id.
    pub notice: String,
    /// What it announces.
    pub kinds: Vec<NoticeKind>,
    /// From, nanoseconds.
    pub from_ns: i64,
    /// To, nanoseconds.
    pub to_ns: i64,
    /// How many rounds or objects it announces at most; `None`: however many.
    pub count: Option<u32>,
    /// Who announced it.
    pub by: Option<String>,
    /// Where, degrees, longitude first.
    pub shape: geo::MultiPolygon<f64>,
}
