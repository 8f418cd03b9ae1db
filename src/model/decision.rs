//! What the review commission decides.

use super::kind::vocabulary;
use super::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

vocabulary! {
    /// The commission's verdict on an alert.
    Verdict {
        Confirmed = "confirmed", Dismissed = "dismissed", Attributed = "attributed", MoreEvidence = "more_evidence",
    }
}

/// A decision on one revision of an alert: the data of a CloudEvent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The alert decided on.
    pub alert: String,
    /// The revision that was reviewed.
    pub revision: u32,
    /// The verdict.
    pub decision: Verdict,
    /// To whom, when attributed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Ed25519 over the canonical form without this field, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}
