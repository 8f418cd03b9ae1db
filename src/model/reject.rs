//! Why an input line is refused: the codes of the contract's "Bad input".

use super::kind::vocabulary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

vocabulary! {
    /// The reason's code, as it stands in the rejected output.
    Reason {
        NotJson = "not_json", TooLarge = "too_large", TooDeep = "too_deep", MissingField = "missing_field",
        BadField = "bad_field", UnknownKind = "unknown_kind", UnknownNode = "unknown_node", BadTime = "bad_time",
        TooLate = "too_late", BadSignature = "bad_signature", BadPosition = "bad_position",
    }
}

/// A refused line: the code and one sentence that names the field, what it held and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

/// How much of an offending value a message repeats, in characters.
pub const MAX_VALUE_CHARS: usize = 120;

impl Refusal {
    /// "`field` held `held`; expected `expected`", with what it held cut at [`MAX_VALUE_CHARS`].
    pub fn field(reason: Reason, field: &str, held: &str, expected: &str) -> Refusal {
        let mut cut: String = held.chars().take(MAX_VALUE_CHARS).collect();
        if cut.len() < held.len() {
            cut.push('…');
        }
        Refusal { reason, message: format!("{field} held {cut}; expected {expected}") }
    }
}
