//! Areas and lines, and what each prohibits.

use super::kind::{Component, vocabulary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

vocabulary! {
    /// What an area is.
    AreaType {
        Disengagement = "disengagement", Withdrawal = "withdrawal", NoFly = "no_fly", Maritime = "maritime",
        Sector = "sector", LineOfContact = "line_of_contact", SafeRoute = "safe_route",
        ProtectedSite = "protected_site",
    }
}

vocabulary! {
    /// What an area may prohibit.
    Prohibition {
        Fire = "fire", Entry = "entry", HeavyWeapons = "heavy_weapons", Flight = "flight", Uav = "uav",
        Vessel = "vessel", AisOff = "ais_off", Interference = "interference",
    }
}

/// A polygon or a line with what it prohibits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Its id.
    pub area: String,
    /// For people.
    pub name: Option<String>,
    /// What it is.
    pub kind: AreaType,
    /// What is not allowed in it.
    pub prohibits: Vec<Prohibition>,
    /// Who is responsible.
    pub component: Option<Component>,
    /// The sector it belongs to (for an area of type `sector`, its own id by default).
    pub sector: Option<String>,
    /// Valid from, nanoseconds; `None`: always was.
    pub valid_from_ns: Option<i64>,
    /// Valid to, nanoseconds; `None`: until further notice.
    pub valid_to_ns: Option<i64>,
    /// Of flights: from that height on, metres as plots have it; `None`: from the ground on.
    pub floor_m: Option<f64>,
    /// Of flights: up to that height, metres; `None`: however high.
    pub ceiling_m: Option<f64>,
    /// Its shape, degrees, longitude first.
    pub shape: Shape,
}

impl Area {
    /// An area of that shape, in force at all times and heights.
    pub fn new(area: &str, kind: AreaType, prohibits: &[Prohibition], shape: geo::MultiPolygon<f64>) -> Area {
        Area {
            area: area.to_owned(),
            name: None,
            kind,
            prohibits: prohibits.to_vec(),
            component: None,
            sector: None,
            valid_from_ns: None,
            valid_to_ns: None,
            floor_m: None,
            ceiling_m: None,
            shape: Shape::Polygons(shape),
        }
    }

    /// Whether it is in force at that time.
    pub fn valid_at(&self, time_ns: i64) -> bool {
        self.valid_from_ns.is_none_or(|from| from <= time_ns) && self.valid_to_ns.is_none_or(|to| time_ns < to)
    }

    /// Whether it is in force at all times.
    pub fn is_always_valid(&self) -> bool {
        self.valid_from_ns.is_none() && self.valid_to_ns.is_none()
    }

    /// The sector it belongs to: its own id if it is one and names none.
    pub fn sector_id(&self) -> Option<&str> {
        self.sector.as_deref().or((self.kind == AreaType::Sector).then_some(self.area.as_str()))
    }

    /// Whether it prohibits that.
    pub fn prohibits(&self, what: Prohibition) -> bool {
        self.prohibits.contains(&what)
    }
}

/// A shape in degrees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// One polygon or several.
    Polygons(geo::MultiPolygon<f64>),
    /// A line; nothing is inside it.
    Line(geo::LineString<f64>),
}
