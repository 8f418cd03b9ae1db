//! The sensor registry, areas and notices.

use super::quantities::{Count, LongName, Name, NotNegative, Position, Positive, Share};
use crate::model::alert::FeatureType;
use crate::model::area::{AreaType, Prohibition};
use crate::model::kind::{Component, Kind};
use crate::model::notice::NoticeKind;
use crate::model::time::Timestamp;
use schemars::JsonSchema;

/// A GeoJSON Feature with these properties and geometry.
#[derive(JsonSchema)]
pub struct Feature<Properties, Geometry> {
    /// Always `Feature`.
    pub r#type: FeatureType,
    /// Where.
    pub geometry: Geometry,
    /// All else.
    pub properties: Properties,
}

/// The geometry of a node.
#[derive(JsonSchema)]
#[schemars(tag = "type")]
pub enum PointGeometry {
    /// A point, with its height if known.
    Point {
        /// Where.
        coordinates: Position,
    },
}

/// The geometry of a notice.
#[derive(JsonSchema)]
#[schemars(tag = "type")]
pub enum PolygonGeometry {
    /// One polygon: the outer ring, then holes.
    Polygon {
        /// Closed rings.
        coordinates: Polygon,
    },
    /// Several polygons.
    MultiPolygon {
        /// The polygons.
        #[schemars(length(min = 1))]
        coordinates: Vec<Polygon>,
    },
}

/// The geometry of an area.
#[derive(JsonSchema)]
#[schemars(tag = "type")]
pub enum AreaGeometry {
    /// One polygon: the outer ring, then holes.
    Polygon {
        /// Closed rings.
        coordinates: Polygon,
    },
    /// Several polygons.
    MultiPolygon {
        /// The polygons.
        #[schemars(length(min = 1))]
        coordinates: Vec<Polygon>,
    },
    /// A line; nothing is inside it.
    LineString {
        /// Its course.
        #[schemars(length(min = 2))]
        coordinates: Vec<Position>,
    },
}

/// Closed rings, the outer one first.
#[derive(JsonSchema)]
pub struct Polygon(#[schemars(length(min = 1))] pub Vec<Ring>);

/// Positions, of which the last is the first again.
#[derive(JsonSchema)]
pub struct Ring(#[schemars(length(min = 4))] pub Vec<Position>);

/// The properties of a node.
#[derive(JsonSchema)]
pub struct NodeProperties {
    /// Its name, as on its observations.
    pub node: Name,
    /// What it may report.
    pub kinds: Option<Vec<Kind>>,
    /// How far it hears.
    pub range_m: Option<Positive>,
    /// Its picks' uncertainty, one standard deviation.
    pub time_sd_s: Option<Positive>,
    /// The chance that it hears an event in range.
    pub detect_p: Option<Share>,
    /// Picks an hour that belong to nothing.
    pub false_per_hour: Option<NotNegative>,
    /// Seconds between heartbeats.
    pub heartbeat_s: Option<Positive>,
    /// The sector it belongs to.
    pub sector: Option<LongName>,
    /// The component it belongs to.
    pub component: Option<Component>,
    /// Ed25519 public key, 32 bytes in base64 or hexadecimal; a node that has one must sign.
    pub public_key: Option<LongName>,
}

/// The properties of an area.
#[derive(JsonSchema)]
pub struct AreaProperties {
    /// Its id.
    pub area: LongName,
    /// For people.
    pub name: Option<LongName>,
    /// What it is.
    pub r#type: AreaType,
    /// What is not allowed in it.
    pub prohibits: Option<Vec<Prohibition>>,
    /// Who is responsible.
    pub component: Option<Component>,
    /// The sector it belongs to.
    pub sector: Option<LongName>,
    /// In force from.
    pub valid_from: Option<Timestamp>,
    /// In force until.
    pub valid_to: Option<Timestamp>,
    /// Of flights: from that height on, metres, as plots have it.
    pub floor_m: Option<f64>,
    /// Of flights: up to that height, metres, above `floor_m`.
    pub ceiling_m: Option<f64>,
}

/// The properties of a notice.
#[derive(JsonSchema)]
pub struct NoticeProperties {
    /// Its id.
    pub notice: LongName,
    /// What it announces.
    #[schemars(length(min = 1))]
    pub kinds: Vec<NoticeKind>,
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
    /// How many rounds or objects it announces at most.
    pub count: Option<Count>,
    /// Who announced it.
    pub by: Option<LongName>,
}
