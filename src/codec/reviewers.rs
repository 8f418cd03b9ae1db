//! Is a decision by who it says it is? Reviewers sign the decision's data, as nodes sign their lines.

use super::decision::MAX_BY_BYTES;
use super::decode::DecisionLine;
use super::reference::public_key;
use super::signature::{SignatureError, verify_object};
use crate::model::fault::Fault;
use crate::model::reject::{Reason, Refusal};
use crate::model::review::Review;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Most reviewers: each alert holds two decisions of each at most.
pub const MAX_REVIEWERS: usize = 64;
/// Longest time for which alerts can be decided on, hours.
const MAX_OPEN_H: f64 = 10_000.0;

/// The keys of those who may decide. None: everybody may.
#[derive(Clone, Debug, Default)]
pub struct Reviewers(BTreeMap<String, [u8; 32]>);

impl Reviewers {
    /// Those of a configuration without fault.
    pub fn new(review: &Review) -> Reviewers {
        let key = |key: &str| public_key(key);
        let keys = review.reviewers.iter().filter_map(|it| Some((it.name.clone(), key(&it.public_key)?)));
        Reviewers(keys.collect())
    }

    /// Whether the decision may be taken: there are no reviewers, or it is signed by the one it names.
    ///
    /// # Errors
    /// `bad_field`: it is by nobody of the list; `bad_signature`: it is not signed, or not by them.
    pub fn check(&self, line: &DecisionLine) -> Result<(), Refusal> {
        self.check_line(&line.raw, &line.decision.by)
    }

    /// The same of a decision by that reviewer, as it stands on the wire.
    ///
    /// # Errors
    /// As [`Reviewers::check`].
    pub fn check_line(&self, raw: &[u8], by: &str) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        let Some(key) = self.0.get(by) else {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let expected = format!("one of the reviewers: {}", names.join(", "));
            return Err(Refusal::field(Reason::BadField, "by", &format!("{by:?}"), &expected));
        };
        data(raw).ok_or(SignatureError::NotAnObject).and_then(|data| verify_object(data, key)).map_err(|error| {
            let why = match error {
                SignatureError::NotAnObject => {
                    "cannot be checked: the decision is no JSON object with numbers of 64 bits"
                }
                SignatureError::Missing => {
                    "is missing; expected the base64 of 64 bytes, as there is a list of reviewers"
                }
                SignatureError::Malformed => "held no base64 of 64 bytes; expected an Ed25519 signature",
                SignatureError::BadKey => "cannot be checked: the reviewer's public_key is no Ed25519 key",
                SignatureError::Wrong => "does not fit the decision and the reviewer's public key",
            };
            Refusal { reason: Reason::BadSignature, message: format!("signature of {by:?} {why}") }
        })
    }
}

/// The decision's own object: the line, or its `data`. What the decoder takes for the decision has to be what is checked.
fn data(line: &[u8]) -> Option<Map<String, Value>> {
    let Value::Object(mut object) = serde_json::from_slice(line).ok()? else { return None };
    let is_decision = |object: &Map<String, Value>| {
        ["decision", "alert"].iter().all(|key| object.get(*key).is_some_and(|value| !value.is_null()))
    };
    if is_decision(&object) {
        return Some(object);
    }
    match object.remove("data") {
        Some(Value::Object(data)) if is_decision(&data) => Some(data),
        _ => None,
    }
}

/// Every value that cannot be, by its key below `review`.
pub fn faults(review: &Review) -> Vec<Fault> {
    let Review { quorum, roles, open_h, reviewers } = review;
    let mut faults: Vec<Fault> =
        Fault::unless_within("open_h", *open_h, 0.0, MAX_OPEN_H, "hours").into_iter().collect();
    if reviewers.len() > MAX_REVIEWERS {
        faults.push(Fault::new(
            "reviewers",
            format!("{} reviewers", reviewers.len()),
            format!("at most {MAX_REVIEWERS}"),
        ));
    }
    if *quorum < 1 || *quorum as usize > reviewers.len().max(1) {
        let expected = format!("a whole number from 1 to {}, as many as there are reviewers", reviewers.len().max(1));
        faults.push(Fault::new("quorum", quorum, expected));
    }
    for role in roles.iter().filter(|role| !reviewers.iter().any(|it| it.role == **role)) {
        faults.push(Fault::new("roles", format!("{role:?}"), "roles that some reviewer has"));
    }
    let mut names = BTreeSet::new();
    for reviewer in reviewers {
        if reviewer.name.is_empty() || reviewer.name.len() > MAX_BY_BYTES || !names.insert(&reviewer.name) {
            let expected = format!("names of 1 to {MAX_BY_BYTES} bytes, each once");
            faults.push(Fault::new("reviewers", format!("the name {:?}", reviewer.name), expected));
        }
        if public_key(&reviewer.public_key).is_none() {
            let held = format!("the public_key {:?} of {:?}", reviewer.public_key, reviewer.name);
            faults.push(Fault::new("reviewers", held, "an Ed25519 public key: 32 bytes in base64 or hexadecimal"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::signature::{public_key as public, sign};
    use super::*;
    use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
    use crate::model::node::Registry;
    use crate::model::review::Reviewer;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    const SECRET: [u8; 32] = [7; 32];

    fn review() -> Review {
        let reviewer = |name: &str, role: &str, secret: u8| Reviewer {
            name: name.to_owned(),
            role: role.to_owned(),
            public_key: STANDARD.encode(public(&[secret; 32])),
        };
        Review { quorum: 2, reviewers: vec![reviewer("anna", "legal", 7), reviewer("ben", "", 8)], ..Review::default() }
    }

    fn decision(by: &str) -> Value {
        json!({"alert": "A-1", "revision": 2, "decision": "confirmed", "by": by, "at": "2026-03-01T12:00:00Z", "note": 1.50})
    }

    fn signed(by: &str, secret: &[u8; 32]) -> Value {
        let mut decision = decision(by);
        decision["signature"] = sign(&decision, secret).unwrap().into();
        decision
    }

    fn checked(line: &str) -> Result<(), (Reason, String)> {
        let mut lines = Lines::default();
        let at = RecordAt { topic: 0, partition: 0, offset: 0 };
        Decoder::new(DecodeOptions::default()).record(line.as_bytes(), at, &mut Registry::default(), &mut lines);
        let [line] = lines.decisions.as_slice() else { panic!("{line}: {lines:?}") };
        Reviewers::new(&review()).check(line).map_err(|refusal| (refusal.reason, refusal.message))
    }

    #[test]
    fn a_decision_signed_by_its_reviewer_is_taken_bare_or_in_a_cloud_event() {
        let signed = signed("anna", &SECRET);
        assert_eq!(checked(&signed.to_string()), Ok(()));
        let event = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": signed});
        assert_eq!(checked(&event.to_string()), Ok(()));
    }

    #[test]
    fn others_are_refused_and_told_why() {
        let told = |line: Value| checked(&line.to_string()).unwrap_err();
        let (reason, message) = told(signed("carl", &SECRET));
        assert_eq!(
            (reason, message.as_str()),
            (Reason::BadField, "by held \"carl\"; expected one of the reviewers: anna, ben")
        );
        assert_eq!(told(decision("anna")).0, Reason::BadSignature);
        assert!(told(decision("anna")).1.contains("signature of \"anna\" is missing"));
        assert_eq!(told(signed("ben", &SECRET)).0, Reason::BadSignature, "signed by another one");
        let mut altered = signed("anna", &SECRET);
        altered["revision"] = 1.into();
        assert_eq!(told(altered).0, Reason::BadSignature);
    }

    /// What is read and what is checked are the same object.
    #[test]
    fn a_signed_decision_lends_its_signature_to_no_other() {
        let mut forged = decision("anna");
        forged["decision"] = "dismissed".into();
        let good = signed("anna", &SECRET);
        let mut outside = good.clone();
        (outside["decision"], outside["specversion"], outside["data"]) = (Value::Null, "1.0".into(), forged.clone());
        assert_eq!(checked(&outside.to_string()).unwrap_err().0, Reason::BadSignature);
        forged["data"] = good.clone();
        forged["specversion"] = "1.0".into();
        assert_eq!(checked(&forged.to_string()).unwrap_err().0, Reason::BadSignature);
        let twice = good.to_string().replacen(
            r#""decision":"confirmed""#,
            r#""decision":"confirmed","decision":"dismissed""#,
            1,
        );
        assert_eq!(checked(&twice).unwrap_err().0, Reason::BadSignature);
    }

    #[test]
    fn without_reviewers_every_decision_is_taken() {
        let line = DecisionLine {
            origin: crate::model::observation::Origin { topic: 0, partition: 0, offset: 0, line: 0 },
            decision: crate::model::decision::Decision {
                alert: "A-1".to_owned(),
                revision: 1,
                decision: crate::model::decision::Verdict::Confirmed,
                attribution: None,
                by: "anybody".to_owned(),
                at: crate::model::time::Timestamp(0),
                reason: None,
                signature: None,
                outdated: false,
            },
            raw: Vec::new(),
        };
        assert_eq!(Reviewers::default().check(&line), Ok(()));
    }

    #[test]
    fn what_cannot_be_is_told_by_key() {
        assert_eq!(faults(&Review::default()), []);
        assert_eq!(faults(&review()), []);
        let mut bad = review();
        bad.quorum = 3;
        bad.roles = vec!["legal".to_owned(), "medical".to_owned()];
        bad.open_h = -1.0;
        bad.reviewers[1].name = "anna".to_owned();
        bad.reviewers[1].public_key = "AAAA".to_owned();
        let keys: Vec<String> = faults(&bad).into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["open_h", "quorum", "roles", "reviewers", "reviewers"]);
        let alone = Review { quorum: 2, ..Review::default() };
        assert_eq!(faults(&alone).len(), 1, "a quorum of people nobody knows");
    }
}
