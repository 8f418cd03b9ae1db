//! Who may decide on alerts, and how many of them have to agree.

use serde::{Deserialize, Serialize};

/// The review commission. Without reviewers anybody's decision is taken, signed or not, and the last one stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Review {
    /// Fewest reviewers who have to agree before a decision stands.
    pub quorum: u32,
    /// Roles each of which has to be among those who agree.
    pub roles: Vec<String>,
    /// How long after its newest time an alert can be decided on, hours, where there are reviewers; never less than
    /// late evidence has.
    pub open_h: f64,
    /// Who may decide.
    pub reviewers: Vec<Reviewer>,
}

impl Default for Review {
    fn default() -> Review {
        Review { quorum: 1, roles: Vec::new(), open_h: 168.0, reviewers: Vec::new() }
    }
}

/// One of the commission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewer {
    /// The name that stands under `by`.
    pub name: String,
    /// For whom, or as what: `commission`, `legal`, `party-a`; empty for none.
    #[serde(default)]
    pub role: String,
    /// Ed25519, 32 bytes in base64 or hexadecimal.
    pub public_key: String,
}

impl Review {
    /// Whether decisions are checked and counted.
    pub fn has_reviewers(&self) -> bool {
        !self.reviewers.is_empty()
    }

    /// The role of a reviewer; `None` for who is none.
    pub fn role_of(&self, name: &str) -> Option<&str> {
        self.reviewers.iter().find(|reviewer| reviewer.name == name).map(|reviewer| reviewer.role.as_str())
    }
}
