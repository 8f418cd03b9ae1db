//! Observations: what all have, and what each kind has.

use super::quantities::{
    AirTemperature, Azimuth, Count, Elevation, Latitude, Longitude, Name, NotNegative, Number, Positive, Share,
    SomeText, WindSpeed,
};
use crate::model::kind::{Activity, Band, Domain, Health, Hint, Phase};
use crate::model::time::Timestamp;
use schemars::JsonSchema;

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
        wind_speed_m_s: Option<WindSpeed>,
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
