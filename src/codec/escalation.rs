//! The bytes and headers of an escalation indicator.

use super::alert::{EncodeError, SOURCE};
use crate::model::escalation::Escalation;

/// Its CloudEvents type.
pub const ESCALATION_TYPE: &str = "truceline.escalation.v1";

/// The value of its record: compact JSON, fields in the order of the contract.
///
/// # Errors
/// None in practice: it holds only what JSON can.
pub fn escalation_json(escalation: &Escalation) -> Result<Vec<u8>, EncodeError> {
    Ok(serde_json::to_vec(escalation)?)
}

/// The headers of its record: CloudEvents 1.0 in the binary mode of its Kafka binding.
pub fn escalation_headers(escalation: &Escalation) -> Vec<(&'static str, String)> {
    vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{}/{}", escalation.sector, escalation.time)),
        ("ce_source", SOURCE.to_owned()),
        ("ce_type", ESCALATION_TYPE.to_owned()),
        ("ce_time", escalation.time.to_string()),
        ("ce_subject", escalation.sector.clone()),
        ("content-type", "application/json".to_owned()),
    ]
}
