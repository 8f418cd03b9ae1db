//! An alert as it goes out: a GeoJSON Feature whose properties say what was observed and how sure it is.

use super::decision::{Decision, Panel};
use super::geo::{Ellipse, LonLat};
use super::kind::{Component, Kind, vocabulary};
use super::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

vocabulary! {
    /// What happened.
    Class {
        FireExplosion = "fire.explosion", FireImpact = "fire.impact", FireOutgoing = "fire.outgoing",
        FireBurst = "fire.burst", FireShot = "fire.shot", FireUndetermined = "fire.undetermined",
        IncursionGround = "incursion.ground", IncursionWeapons = "incursion.weapons",
        AirIncursion = "air.incursion", SeaIncursion = "sea.incursion", SeaDark = "sea.dark",
        Interference = "interference", RestrictionDenied = "restriction.denied",
        RestrictionDelayed = "restriction.delayed", RestrictionConditional = "restriction.conditional",
        SensorSilent = "sensor.silent", SensorTamper = "sensor.tamper",
    }
}

impl Class {
    /// Any of `fire.*`.
    pub const fn is_fire(self) -> bool {
        matches!(
            self,
            Class::FireExplosion
                | Class::FireImpact
                | Class::FireOutgoing
                | Class::FireBurst
                | Class::FireShot
                | Class::FireUndetermined
        )
    }
}

vocabulary! {
    /// What tells of it, where a class has signs of several kinds.
    Sign {
        Cluster = "cluster", Emitter = "emitter", Jamming = "jamming", Jump = "jump", Loitering = "loitering",
        Repeated = "repeated", Twin = "twin",
    }
}

vocabulary! {
    /// In what a notice was exceeded.
    Measure { Time = "time", Place = "place", Count = "count" }
}

/// A notice that announced it, but less of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exceeds {
    /// Its id.
    pub notice: String,
    /// In what it was exceeded.
    pub by: Vec<Measure>,
}

/// An emitter of radio signals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Emitter {
    /// The name that nodes give it, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its frequency, if they give that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_hz: Option<f64>,
    /// How high it is, above the ellipsoid.
    pub alt_m: f64,
    /// One sigma of that.
    pub alt_sd_m: f64,
}

/// A class for people, with what tells of it where the class does not say: `fire.impact`, `interference emitter`.
pub fn what(class: Class, sign: Option<Sign>) -> String {
    sign.map_or_else(|| class.to_string(), |sign| format!("{class} {sign}"))
}

impl Emitter {
    /// For people: `uas-1, 2440 MHz, 310 m high ± 120 m`.
    pub fn words(&self) -> String {
        let frequency = self.frequency_hz.map(|hz| format!("{:.6}", hz / 1e6));
        let mhz = frequency.map(|it| format!("{} MHz", it.trim_end_matches('0').trim_end_matches('.')));
        // Zero has no sign for people.
        let high = format!("{:.0} m high ± {:.0} m", self.alt_m.round() + 0.0, self.alt_sd_m);
        self.label.iter().cloned().chain(mhz).chain([high]).collect::<Vec<_>>().join(", ")
    }
}

/// An area, and the chance that it is concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AreaChance {
    /// Its id.
    pub area: String,
    /// The chance, if what the alert tells of happened.
    pub probability: f64,
}

vocabulary! {
    /// Where an alert is in its life.
    Status {
        Preliminary = "preliminary", Revised = "revised", Final = "final", Amended = "amended",
        Retracted = "retracted",
    }
}

vocabulary! {
    /// The probability in a word.
    Term { Confirmed = "confirmed", Probable = "probable", Possible = "possible", Unresolved = "unresolved" }
}

impl Term {
    /// `confirmed` from 0.95, `probable` from 0.75, `possible` from 0.4.
    pub fn of(probability: f64) -> Term {
        match probability {
            p if p >= 0.95 => Term::Confirmed,
            p if p >= 0.75 => Term::Probable,
            p if p >= 0.4 => Term::Possible,
            _ => Term::Unresolved,
        }
    }
}

/// One observation that an alert rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The topic it was read from.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The line in the record.
    pub line: u32,
    /// The sender's id.
    pub id: String,
    /// The sender.
    pub node: String,
    /// What it is.
    pub kind: Kind,
    /// Observed less predicted arrival time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual_s: Option<f64>,
    /// Observed less predicted azimuth, −180 to 180.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual_deg: Option<f64>,
}

/// How long the alert took; not part of any digest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// From the event to the alert.
    pub event_to_alert_ms: f64,
    /// From reading the deciding observation to the alert.
    pub ingest_to_alert_ms: f64,
}

/// The properties of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Stable id.
    pub alert: String,
    /// 1, 2, 3 …
    pub revision: u32,
    /// Where it is in its life.
    pub status: Status,
    /// Of a retracted alert: the alert under which the same event stands. Without it, nothing stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// What happened.
    pub class: Class,
    /// What tells of it, where the class does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// When it happened at its place.
    pub time: Timestamp,
    /// One sigma of that, seconds.
    pub time_sd_s: f64,
    /// One sigma of the place; absent where the place is a given one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ellipse: Option<Ellipse>,
    /// How many; one where rounds can be told apart.
    pub count: u32,
    /// Whether `count` is a lower bound.
    pub count_is_minimum: bool,
    /// The chance that it happened.
    pub probability: f64,
    /// That in a word.
    pub term: Term,
    /// 1–5.
    pub severity: u8,
    /// Ids of the areas whose prohibition it breaches.
    pub areas: Vec<String>,
    /// Ids of all areas that contain it.
    pub within: Vec<String>,
    /// Of fire: protected sites that it may have been near to, in order of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<AreaChance>,
    /// Of fire: lines of contact that lie between where it left and where it landed, in order of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crosses: Vec<AreaChance>,
    /// The sectors it is routed to.
    pub sectors: Vec<String>,
    /// The component it is routed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Component>,
    /// Entered, fell silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Left, spoke again; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// An area prohibits it and no notice covers it.
    pub violation: bool,
    /// The notice that covers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// The notice that announced it, but less of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exceeds: Option<Exceeds>,
    /// What it rests on, in order of time, node and id.
    pub evidence: Vec<Evidence>,
    /// Nodes in range that were up and did not report it.
    pub silent: Vec<String>,
    /// Where it can be told, degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction_of_fire_deg: Option<f64>,
    /// Of a restriction: the alerts of earlier ones at the same place, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
    /// Of a cluster of silent nodes: the area in which fire could be heard by enough nodes and no longer can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage_lost_km2: Option<f64>,
    /// Of an emitter that was located by when its signals arrived: what it sends, and how high it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emitter: Option<Emitter>,
    /// `undetermined`, unless a decision says otherwise.
    pub attribution: String,
    /// The decision that stands: the last one, or the last of those in which enough reviewers agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Decision>,
    /// What reviewers have decided so far, where there is a list of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<Panel>,
    /// The program and its version.
    pub software: String,
    /// SHA-256 of the configuration.
    pub config_digest: String,
    /// SHA-256 of the evidence.
    pub evidence_digest: String,
    /// How long it took; absent in a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

vocabulary! {
    /// The type of a GeoJSON point.
    PointType { Point = "Point" }
}

vocabulary! {
    /// The type of a GeoJSON feature.
    FeatureType { Feature = "Feature" }
}

/// A GeoJSON point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Always `Point`.
    pub r#type: PointType,
    /// Longitude, latitude; degrees.
    pub coordinates: [f64; 2],
}

/// The whole message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertFeature {
    /// Always `Feature`.
    pub r#type: FeatureType,
    /// The most likely point.
    pub geometry: Point,
    /// All else.
    pub properties: Alert,
}

impl AlertFeature {
    /// The alert at that place.
    pub fn new(place: LonLat, properties: Alert) -> AlertFeature {
        AlertFeature {
            r#type: FeatureType::Feature,
            geometry: Point { r#type: PointType::Point, coordinates: [place.lon_deg, place.lat_deg] },
            properties,
        }
    }

    /// Where it happened.
    pub fn place(&self) -> LonLat {
        LonLat { lon_deg: self.geometry.coordinates[0], lat_deg: self.geometry.coordinates[1] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_start_where_the_contract_says() {
        for (p, term) in [
            (1.0, Term::Confirmed),
            (0.95, Term::Confirmed),
            (0.949, Term::Probable),
            (0.75, Term::Probable),
            (0.749, Term::Possible),
            (0.4, Term::Possible),
            (0.399, Term::Unresolved),
            (0.0, Term::Unresolved),
        ] {
            assert_eq!(Term::of(p), term, "{p}");
        }
    }
}
