//! What the review commission decides.

use super::kind::vocabulary;
use super::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

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
    /// What the alert says has changed since the revision that was reviewed. Of a decision on an alert, not of one that
    /// comes in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
}

impl Decision {
    /// Orders decisions: by their own time, then by who decided, then by all else. The last of two is the same in
    /// whatever order they came.
    pub fn cmp_in_time(&self, other: &Decision) -> Ordering {
        self.key().cmp(&other.key())
    }

    fn key(&self) -> (Timestamp, &str, u32, Verdict, Option<&str>, Option<&str>, Option<&str>) {
        let Decision { revision, decision, attribution, by, at, reason, signature, .. } = self;
        (*at, by, *revision, *decision, attribution.as_deref(), reason.as_deref(), signature.as_deref())
    }

    /// To whom it attributes the alert, if it does.
    pub fn attributes_to(&self) -> Option<&str> {
        self.attribution.as_deref().filter(|_| self.decision == Verdict::Attributed)
    }
}

vocabulary! {
    /// How far reviewers have come with an alert.
    ReviewState {
        /// Not enough have decided.
        Open = "open",
        /// Enough agree.
        Decided = "decided",
        /// They disagree, and either not enough agree or enough do on each side.
        Contested = "contested",
    }
}

/// What the reviewers of an alert have decided so far, where there is a list of reviewers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Panel {
    /// How far they have come.
    pub state: ReviewState,
    /// How many have to agree.
    pub quorum: u32,
    /// Roles each of which has to be among those who agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The last decision of each reviewer, and beside it the last by which they attributed or dismissed it; in order
    /// of time and name.
    pub decisions: Vec<Decision>,
}
