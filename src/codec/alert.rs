//! What goes out: the bytes of an alert, its digests, and the headers of alerts and of refused records.

use crate::model::alert::{Alert, AlertFeature, Evidence};
use crate::model::observation::Origin;
use crate::model::reject::{Reason, Refusal};
use crate::model::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The CloudEvents type of an alert.
pub const ALERT_TYPE: &str = "truceline.alert.v1";

/// The CloudEvents source of all that this program says.
pub const SOURCE: &str = "truceline";

/// The media type of an alert.
pub const ALERT_CONTENT_TYPE: &str = "application/geo+json";

/// A message that cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("cannot be written as JSON: {0}")]
pub struct EncodeError(#[from] serde_json::Error);

/// The value of an alert's record: compact JSON, fields in the order of the contract.
///
/// # Errors
/// None in practice: an alert holds only what JSON can.
pub fn alert_json(alert: &AlertFeature) -> Result<Vec<u8>, EncodeError> {
    Ok(serde_json::to_vec(alert)?)
}

/// SHA-256, in lower-case hexadecimal, over the canonical form (RFC 8785) of any value.
///
/// # Errors
/// The value holds what JSON cannot: a map whose keys are no strings, a number that is not finite.
pub fn digest<T: Serialize + ?Sized>(value: &T) -> Result<String, EncodeError> {
    let canonical = serde_json_canonicalizer::to_vec(&value)?;
    Ok(Sha256::digest(canonical).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The digest of what an alert rests on, for its field `evidence_digest`.
///
/// # Errors
/// As [`digest`].
pub fn evidence_digest(evidence: &[Evidence]) -> Result<String, EncodeError> {
    digest(evidence)
}

/// The digest of all an alert says but for how long it took: two that agree in it say the same.
///
/// # Errors
/// As [`digest`].
pub fn content_digest(alert: &AlertFeature) -> Result<String, EncodeError> {
    let timeless = Alert { latency: None, ..alert.properties.clone() };
    digest(&AlertFeature { properties: timeless, ..*alert })
}

/// The headers of an alert's record: CloudEvents 1.0 in the binary mode of its Kafka binding.
pub fn alert_headers(alert: &AlertFeature) -> Vec<(&'static str, String)> {
    let properties = &alert.properties;
    let id = format!("{}/{}", properties.alert, properties.revision);
    event_headers(ALERT_TYPE, id, properties.time, properties.alert.clone(), ALERT_CONTENT_TYPE)
}

/// The headers of an event of that type: CloudEvents 1.0 in the binary mode of its Kafka binding.
pub fn event_headers(
    kind: &str,
    id: String,
    time: Timestamp,
    subject: String,
    content_type: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", id),
        ("ce_source", SOURCE.to_owned()),
        ("ce_type", kind.to_owned()),
        ("ce_time", time.to_string()),
        ("ce_subject", subject),
        ("content-type", content_type.to_owned()),
    ]
}

/// The headers of a refused record, by the names that Kafka Connect gives them.
pub fn rejected_headers(topic: &str, origin: Origin, refusal: &Refusal) -> Vec<(&'static str, String)> {
    vec![
        ("__connect.errors.topic", topic.to_owned()),
        ("__connect.errors.partition", origin.partition.to_string()),
        ("__connect.errors.offset", origin.offset.to_string()),
        ("__connect.errors.exception.class.name", refusal.reason.to_string()),
        ("__connect.errors.exception.message", refusal.message.clone()),
    ]
}

/// A refused line as a replay writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RejectedRow {
    /// The topic it was read from.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The line in the record, from 0.
    pub line: u32,
    /// Why it was refused.
    pub reason: Reason,
    /// That in a sentence.
    pub message: String,
    /// The received bytes, in base64.
    pub raw: String,
}

impl RejectedRow {
    /// The row of a refused line.
    pub fn new(topic: &str, origin: Origin, refusal: &Refusal, raw: &[u8]) -> RejectedRow {
        RejectedRow {
            topic: topic.to_owned(),
            partition: origin.partition,
            offset: origin.offset,
            line: origin.line,
            reason: refusal.reason,
            message: refusal.message.clone(),
            raw: STANDARD.encode(raw),
        }
    }

    /// The row as a line of `rejected.ndjson`, without its end.
    ///
    /// # Errors
    /// None in practice: it holds only texts and whole numbers.
    pub fn line(&self) -> Result<String, EncodeError> {
        Ok(serde_json::to_string(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::{Class, Latency, Status, Term};
    use crate::model::geo::LonLat;
    use crate::model::kind::Kind;
    use crate::model::time::Timestamp;

    fn alert() -> AlertFeature {
        let evidence = vec![Evidence {
            topic: "telemetry.sensors".to_owned(),
            partition: 3,
            offset: 41,
            line: 0,
            id: "a-1".to_owned(),
            node: "mic-1".to_owned(),
            kind: Kind::Acoustic,
            residual_s: Some(-0.02),
            residual_deg: None,
        }];
        let properties = Alert {
            alert: "9f2c".to_owned(),
            revision: 2,
            status: Status::Revised,
            class: Class::FireImpact,
            time: Timestamp(1_763_816_707_250_000_000),
            time_sd_s: 0.04,
            ellipse: None,
            count: 1,
            count_is_minimum: false,
            probability: 0.97,
            term: Term::Confirmed,
            severity: 4,
            areas: vec![],
            within: vec![],
            sectors: vec![],
            component: None,
            from: None,
            to: None,
            violation: false,
            notice: None,
            exceeds: None,
            sign: None,
            evidence_digest: evidence_digest(&evidence).unwrap(),
            evidence,
            silent: vec![],
            superseded_by: None,
            near: Vec::new(),
            crosses: Vec::new(),
            follows: Vec::new(),
            coverage_lost_km2: None,
            emitter: None,
            direction_of_fire_deg: None,
            attribution: "undetermined".to_owned(),
            review: None,
            panel: None,
            software: "truceline".to_owned(),
            config_digest: String::new(),
            latency: None,
        };
        AlertFeature::new(LonLat { lon_deg: 31.5, lat_deg: 46.9 }, properties)
    }

    #[test]
    fn an_alert_reads_back_as_it_was_written() {
        let bytes = alert_json(&alert()).unwrap();
        assert_eq!(serde_json::from_slice::<AlertFeature>(&bytes).unwrap(), alert());
        assert!(!String::from_utf8(bytes).unwrap().contains("null"), "what is unknown is left out");
    }

    #[test]
    fn a_digest_is_sha_256_of_the_canonical_form() {
        // SHA-256 of `{"a":1,"b":[true,null]}`.
        let value = serde_json::json!({"b": [true, null], "a": 1.0});
        let expected: String =
            Sha256::digest(br#"{"a":1,"b":[true,null]}"#).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest(&value).unwrap(), expected);
        assert_eq!(expected.len(), 64);
    }

    #[test]
    fn how_long_it_took_changes_no_digest_and_all_else_does() {
        let mut later = alert();
        later.properties.latency = Some(Latency { event_to_alert_ms: 20.0, ingest_to_alert_ms: 2.0 });
        assert_eq!(content_digest(&later).unwrap(), content_digest(&alert()).unwrap());
        later.properties.severity = 5;
        assert_ne!(content_digest(&later).unwrap(), content_digest(&alert()).unwrap());
    }

    #[test]
    fn headers_name_the_revision_and_the_event() {
        let headers = alert_headers(&alert());
        let find = |name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(find("ce_id"), Some("9f2c/2"));
        assert_eq!(find("ce_subject"), Some("9f2c"));
        assert_eq!(find("ce_time"), Some("2025-11-22T13:05:07.250Z"));
        assert_eq!(find("ce_type"), Some("truceline.alert.v1"));
        assert_eq!(find("content-type"), Some("application/geo+json"));
    }

    #[test]
    fn a_refused_line_keeps_its_bytes() {
        let origin = Origin { topic: 0, partition: 1, offset: 2, line: 3 };
        let refusal = Refusal { reason: Reason::NotJson, message: "why".to_owned() };
        let row = RejectedRow::new("telemetry.sensors", origin, &refusal, b"\xff\"\n");
        let line = row.line().unwrap();
        assert_eq!(
            line,
            r#"{"topic":"telemetry.sensors","partition":1,"offset":2,"line":3,"reason":"not_json","message":"why","raw":"/yIK"}"#
        );
        let headers = rejected_headers("telemetry.sensors", origin, &refusal);
        assert_eq!(headers[3], ("__connect.errors.exception.class.name", "not_json".to_owned()));
    }
}
