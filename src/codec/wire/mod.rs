//! Every message that comes in, as types, for its JSON Schema: names, types, ranges, what is required.
//!
//! The decoder reads the same fields by hand, straight into columns; a test holds the two together. What a schema
//! cannot say (a node must be known, a date must exist, lengths in bytes) the decoder checks besides.

mod observation;
mod quantities;
mod reference;

pub use observation::{
    Acoustic, Common, Flash, Infrasound, Interference, Observation, Patrol, Radar, RadarPoint, Radio, Seismic, Status,
    Thermal, Track,
};
pub use quantities::{
    AirTemperature, Azimuth, Count, Elevation, Latitude, LongName, Longitude, Name, NotNegative, Number, Position,
    Positive, Revision, Share, SomeText,
};
pub use reference::{
    AreaGeometry, AreaProperties, Feature, NodeProperties, NoticeProperties, PointGeometry, Polygon, PolygonGeometry,
    Ring,
};

use crate::model::decision::Verdict;
use crate::model::time::Timestamp;
use schemars::JsonSchema;

/// A review decision, bare or in a CloudEvent.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum DecisionMessage {
    /// As it is.
    Bare(Decision),
    /// In structured mode.
    Event {
        /// Of CloudEvents.
        specversion: Name,
        /// The decision.
        data: Decision,
    },
}

/// What the review commission decided on a revision of an alert.
#[derive(JsonSchema)]
pub struct Decision {
    /// The alert.
    pub alert: Name,
    /// The revision that was reviewed.
    pub revision: Revision,
    /// The verdict.
    pub decision: Verdict,
    /// To whom, when attributed.
    pub attribution: Option<String>,
    /// Who decided.
    pub by: LongName,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// Ed25519 over the RFC 8785 form of the decision without this field, base64.
    pub signature: Option<String>,
}
