//! Who sent it, proved: Ed25519 (RFC 8032) over the canonical form (RFC 8785) of the object without `signature`.
//!
//! A signed line is parsed a second time, into a tree, because the canonical form needs its fields in order. That
//! costs some tens of microseconds a line, as the verification does; unsigned nodes pay nothing.

use crate::model::reject::{Reason, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey, ed25519::signature::Signer as _};
use serde_json::{Map, Value};

/// The field that holds the signature, in base64.
pub const SIGNATURE_FIELD: &str = "signature";

/// Why a signature does not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    /// The line is no JSON object.
    #[error("signature cannot be checked: the line is not a JSON object with numbers in the range of 64 bits")]
    NotAnObject,
    /// The node must sign, and this line is not signed.
    #[error("signature is missing; expected the base64 of 64 bytes, as this node has a public key")]
    Missing,
    /// It is not base64 of 64 bytes.
    #[error("signature held no base64 of 64 bytes; expected an Ed25519 signature")]
    Malformed,
    /// The registry's key is no point of the curve.
    #[error("signature cannot be checked: the public_key of this node is no Ed25519 key")]
    BadKey,
    /// Altered, or signed by another.
    #[error("signature does not fit the line and the public key of its node")]
    Wrong,
}

impl SignatureError {
    /// As the reason why a line is refused.
    pub fn refusal(self) -> Refusal {
        Refusal { reason: Reason::BadSignature, message: self.to_string() }
    }
}

/// Checks the signature that `line`, one JSON object, carries.
///
/// # Errors
/// It carries none, or one that does not hold.
pub fn verify(line: &[u8], public_key: &[u8; 32]) -> Result<(), SignatureError> {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return Err(SignatureError::NotAnObject) };
    verify_object(object, public_key)
}

/// Checks the signature that an object carries.
///
/// # Errors
/// As [`verify`].
pub fn verify_object(mut object: Map<String, Value>, public_key: &[u8; 32]) -> Result<(), SignatureError> {
    let Some(Value::String(signature)) = object.remove(SIGNATURE_FIELD) else { return Err(SignatureError::Missing) };
    let bytes = STANDARD.decode(signature).map_err(|_| SignatureError::Malformed)?;
    let signature = Signature::from_slice(&bytes).map_err(|_| SignatureError::Malformed)?;
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| SignatureError::BadKey)?;
    let canonical = serde_json_canonicalizer::to_vec(&object).map_err(|_| SignatureError::NotAnObject)?;
    key.verify_strict(&canonical, &signature).map_err(|_| SignatureError::Wrong)
}

/// The signature of `object` by `secret`, to stand in its field `signature` (which is left out of what is signed).
///
/// # Errors
/// It is no object, or holds what JSON cannot.
pub fn sign(object: &Value, secret: &[u8; 32]) -> Result<String, SignatureError> {
    let Value::Object(mut object) = object.clone() else { return Err(SignatureError::NotAnObject) };
    object.remove(SIGNATURE_FIELD);
    let canonical = serde_json_canonicalizer::to_vec(&object).map_err(|_| SignatureError::NotAnObject)?;
    Ok(STANDARD.encode(SigningKey::from_bytes(secret).sign(&canonical).to_bytes()))
}

/// The public key that belongs to `secret`.
pub fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(secret).verifying_key().to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: [u8; 32] = [7; 32];

    fn signed() -> Value {
        let mut object = json!({"id": "a1", "b": 1.50, "a": "\u{20ac}", "nested": {"z": 1e21, "y": [true, null]}});
        object["signature"] = Value::String(sign(&object, &SECRET).unwrap());
        object
    }

    #[test]
    fn a_signature_holds_however_the_object_is_written() {
        let object = signed();
        let key = public_key(&SECRET);
        assert_eq!(verify(object.to_string().as_bytes(), &key), Ok(()));
        let spaced = serde_json::to_string_pretty(&object).unwrap().replace("1.5", "15e-1");
        assert_eq!(verify(spaced.as_bytes(), &key), Ok(()));
    }

    #[test]
    fn any_change_breaks_it() {
        let key = public_key(&SECRET);
        let mut object = signed();
        object["id"] = json!("a2");
        assert_eq!(verify(object.to_string().as_bytes(), &key), Err(SignatureError::Wrong));
        assert_eq!(
            verify(signed().to_string().as_bytes(), &public_key(&[8; 32])),
            Err(SignatureError::Wrong),
            "another's key"
        );
        object["signature"] = json!("AAAA");
        assert_eq!(verify(object.to_string().as_bytes(), &key), Err(SignatureError::Malformed));
        assert_eq!(verify(b"{}", &key), Err(SignatureError::Missing));
        assert_eq!(verify(b"[]", &key), Err(SignatureError::NotAnObject));
    }

    #[test]
    fn the_published_vector_holds() {
        // RFC 8032, section 7.1, test 1 gives the key pair.
        let secret = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(public_key(&secret), public);
    }

    fn hex(text: &str) -> [u8; 32] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }
}
