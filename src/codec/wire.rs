//! Every message that comes in, as types, for its JSON Schema: names, types, ranges, what is required.
//!
//! The decoder reads the same fields by hand, straight into columns; a test holds the two together. What a schema
//! cannot say (a node must be known, a date must exist, lengths in bytes) the decoder checks besides.

use crate::model::alert::FeatureType;
use crate::model::area::{AreaType, Prohibition};
use crate::model::kind::{Activity, Band, Component, Domain, Health, Hint, Kind, Phase};
use crate::model::notice::NoticeKind;
use crate::model::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Declares a JSON type by its schema, written in place wherever it is used.
macro_rules! described {
    ($($(#[$meta:meta])* $name:ident { $($schema:tt)+ })+) => {$(
        $(#[$meta])*
        pub struct $name;
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ $($schema)+ })
            }
        }
    )+};
}

described! {
    /// Any finite number.
    Number { "type": "number" }
    /// A number above 0: a standard deviation, a length, a speed that divides.
    Positive { "type": "number", "exclusiveMinimum": 0 }
    /// A number of at least 0.
    NotNegative { "type": "number", "minimum": 0 }
    /// A direction, degrees clockwise from true north.
    Azimuth { "type": "number", "minimum": 0, "exclusiveMaximum": 360 }
    /// An angle above the horizon, degrees.
    Elevation { "type": "number", "minimum": -90, "maximum": 90 }
    /// A probability or a share.
    Share { "type": "number", "minimum": 0, "maximum": 1 }
    /// The temperature of air, °C.
    AirTemperature { "type": "number", "minimum": -100, "maximum": 100 }
    /// How many.
    Count { "type": "integer", "minimum": 0, "maximum": 4294967295u32 }
    /// A revision of an alert: 1, 2, 3 …
    Revision { "type": "integer", "minimum": 1, "maximum": 4294967295u32 }
    /// Degrees east of Greenwich.
    Longitude { "type": "number", "minimum": -180, "maximum": 180 }
    /// Degrees north of the equator.
    Latitude { "type": "number", "minimum": -90, "maximum": 90 }
    /// An id or a node's name: 1 to 64 bytes of UTF-8.
    Name { "type": "string", "minLength": 1, "maxLength": 64 }
    /// A name of 1 to 256 bytes of UTF-8.
    LongName { "type": "string", "minLength": 1, "maxLength": 256 }
    /// A text that is not empty.
    SomeText { "type": "string", "minLength": 1 }
    /// Longitude, latitude and at most a height in metres.
    Position {
        "type": "array",
        "prefixItems": [
            { "type": "number", "minimum": -180, "maximum": 180 },
            { "type": "number", "minimum": -90, "maximum": 90 },
            { "type": "number" }
        ],
        "items": false,
        "minItems": 2
    }
}

/// What every observation has.
#[derive(JsonSchema)]
pub struct Common {
    /// The sender's own id; seen again from the same node it is a duplicate.
    pub id: Name,
    /// The sensor or patrol; registered, or with its own lon and lat.
    pub node: Name,
    /// When it happened at the node: arrival, not origin. From 2000 on.
    pub time: Timestamp,
    /// The pick's own uncertainty, one standard deviation.
    pub time_sd_s: Option<Positive>,
    /// The node's own longitude, when it moves; only with lat.
    pub lon: Option<Longitude>,
    /// The node's own latitude, when it moves; only with lon.
    pub lat: Option<Latitude>,
    /// The node's own height.
    pub alt_m: Option<Number>,
    /// The id of an earlier observation of this node that this one corrects.
    pub supersedes: Option<Name>,
    /// Only takes back what it supersedes.
    pub withdrawn: Option<bool>,
    /// Ed25519 over the RFC 8785 form of the object without this field, base64.
    pub signature: Option<String>,
}

/// An observation, by `kind`.
#[derive(JsonSchema)]
#[schemars(tag = "kind", rename_all = "snake_case")]
pub enum Observation {
    /// An arrival at a microphone or array.
    Acoustic(Acoustic),
    /// An arrival of infrasound.
    Infrasound(Infrasound),
    /// A ground arrival.
    Seismic(Seismic),
    /// An arrival of a radio signal.
    Radio(Radio),
    /// An optical flash.
    Flash(Flash),
    /// A weapon-locating radar's solution.
    Radar(Radar),
    /// One plot of a tracked object.
    Track(Track),
    /// A hot spot.
    Thermal(Thermal),
    /// Jamming seen by the node.
    Interference(Interference),
    /// A heartbeat.
    Status(Status),
    /// A patrol's report.
    Patrol(Patrol),
}

/// Declares the fields of a kind, those of every observation included.
macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(JsonSchema)]
        pub struct $name {
            /// What every observation has.
            #[schemars(flatten)]
            pub common: Common,
            $($(#[$fmeta])* pub $field: $type),+
        }
    )+};
}

kinds! {
    /// An arrival at a microphone or array.
    Acoustic {
        /// Peak pressure.
        amplitude_pa: Option<NotNegative>,
        /// Signal over noise.
        snr_db: Option<Number>,
        /// Towards the source.
        azimuth_deg: Option<Azimuth>,
        /// One standard deviation of it.
        azimuth_sd_deg: Option<Positive>,
        /// A hint of what it was.
        class: Option<Hint>,
    }
    /// An arrival of infrasound.
    Infrasound {
        /// Peak pressure.
        amplitude_pa: Option<NotNegative>,
        /// Signal over noise.
        snr_db: Option<Number>,
        /// Towards the source.
        azimuth_deg: Option<Azimuth>,
        /// One standard deviation of it.
        azimuth_sd_deg: Option<Positive>,
        /// A hint of what it was.
        class: Option<Hint>,
        /// Speed of the wave front over the array.
        trace_velocity_m_s: Option<Positive>,
    }
    /// A ground arrival.
    Seismic {
        /// Absent: unknown.
        phase: Option<Phase>,
        /// Peak ground velocity.
        amplitude_m_s: Option<NotNegative>,
        /// Signal over noise.
        snr_db: Option<Number>,
    }
    /// An arrival of a radio signal.
    Radio {
        /// Centre frequency.
        frequency_hz: Option<Positive>,
        /// Received power.
        power_dbm: Option<Number>,
        /// What tells this emitter from others.
        emitter: Option<String>,
        /// Towards the source.
        azimuth_deg: Option<Azimuth>,
        /// One standard deviation of it.
        azimuth_sd_deg: Option<Positive>,
    }
    /// An optical flash.
    Flash {
        /// Towards the source.
        azimuth_deg: Option<Azimuth>,
        /// One standard deviation of it.
        azimuth_sd_deg: Option<Positive>,
        /// Above the horizon.
        elevation_deg: Option<Elevation>,
        /// In the sensor's own unit.
        intensity: Option<NotNegative>,
    }
    /// A weapon-locating radar's solution: at least one end of the trajectory.
    Radar {
        /// Where it was fired.
        origin: Option<RadarPoint>,
        /// Where it struck.
        impact: Option<RadarPoint>,
        /// What flew.
        projectile: Option<String>,
    }
    /// One plot of a tracked object.
    Track {
        /// The track's id at this node.
        track: SomeText,
        /// Where it moves.
        domain: Domain,
        /// Speed over ground.
        speed_m_s: Option<NotNegative>,
        /// Course over ground.
        course_deg: Option<Azimuth>,
        /// What it is.
        object_class: Option<String>,
        /// MMSI, ICAO24.
        identity: Option<String>,
        /// The object's longitude.
        object_lon: Longitude,
        /// The object's latitude.
        object_lat: Latitude,
        /// The object's height.
        object_alt_m: Option<Number>,
        /// One standard deviation of its position.
        object_sd_m: Option<Positive>,
    }
    /// A satellite or airborne hot spot.
    Thermal {
        /// Its longitude.
        object_lon: Longitude,
        /// Its latitude.
        object_lat: Latitude,
        /// One standard deviation of its position.
        object_sd_m: Option<Positive>,
        /// Side of the pixel.
        pixel_m: Option<Positive>,
        /// Fire radiative power.
        frp_mw: Option<NotNegative>,
        /// The chance that it is one.
        confidence: Option<Share>,
    }
    /// Jamming seen by the node.
    Interference {
        /// What is jammed.
        band: Band,
        /// Received power.
        power_dbm: Option<Number>,
        /// Towards the source.
        azimuth_deg: Option<Azimuth>,
        /// One standard deviation of it.
        azimuth_sd_deg: Option<Positive>,
    }
    /// A heartbeat, with the node's weather.
    Status {
        /// Absent: ok.
        health: Option<Health>,
        /// One standard deviation of the node's clock.
        clock_sd_s: Option<Positive>,
        /// Of the air.
        temperature_c: Option<AirTemperature>,
        /// Of the wind.
        wind_speed_m_s: Option<NotNegative>,
        /// Where the wind comes from.
        wind_from_deg: Option<Azimuth>,
        /// Background noise.
        noise_db: Option<Number>,
    }
    /// A patrol's report.
    Patrol {
        /// What it reports.
        activity: Activity,
        /// A hint of what it was.
        class: Option<Hint>,
        /// How many.
        count: Option<Count>,
        /// Whether that is a lower bound.
        count_is_minimum: Option<bool>,
        /// Towards the source.
        azimuth_deg: Option<Azimuth>,
        /// One standard deviation of it.
        azimuth_sd_deg: Option<Positive>,
        /// How far.
        distance_m: Option<NotNegative>,
        /// One standard deviation of it.
        distance_sd_m: Option<Positive>,
        /// How long it went on.
        duration_s: Option<NotNegative>,
        /// In words.
        text: Option<String>,
        /// What was found.
        object_class: Option<String>,
        /// Its longitude; only with object_lat.
        object_lon: Option<Longitude>,
        /// Its latitude; only with object_lon.
        object_lat: Option<Latitude>,
        /// Who restricted the patrol.
        by: Option<String>,
        /// The reason they gave.
        reason: Option<String>,
    }
}

/// One end of a trajectory.
#[derive(JsonSchema)]
pub struct RadarPoint {
    /// Its longitude.
    pub lon: Longitude,
    /// Its latitude.
    pub lat: Latitude,
    /// When.
    pub time: Timestamp,
    /// One standard deviation of that.
    pub time_sd_s: Option<Positive>,
    /// Long half axis of the one-sigma ellipse.
    pub semi_major_m: Option<Positive>,
    /// Short half axis of it.
    pub semi_minor_m: Option<Positive>,
    /// Direction of its long axis.
    pub orientation_deg: Option<Azimuth>,
}

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
    /// Who announced it.
    pub by: Option<LongName>,
}

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
    pub decision: crate::model::decision::Verdict,
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
