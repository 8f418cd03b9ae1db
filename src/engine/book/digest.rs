//! Digests: of a key, and of what an alert rests on.
//!
//! Evidence is digested at every revision, so it is written in its canonical form (RFC 8785) straight away: its fields
//! in the order of their names, its numbers as ECMAScript has them. Through a general canonicalizer, which sorts and
//! copies every object, this took 100 µs for twelve arrivals, more than finding the event; so it takes 5.

use crate::model::alert::Evidence;
use crate::model::kind::Kind;
use serde::{Serialize, Serializer as _};
use serde_json::Serializer;
use serde_json::ser::Formatter;
use sha2::{Digest, Sha256};
use std::io;

/// [`Evidence`] with its fields in the order of their names.
#[derive(Serialize)]
struct InOrder<'a> {
    id: &'a str,
    kind: Kind,
    line: u32,
    node: &'a str,
    offset: i64,
    partition: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    residual_deg: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    residual_s: Option<f64>,
    topic: &'a str,
}

impl<'a> From<&'a Evidence> for InOrder<'a> {
    fn from(evidence: &'a Evidence) -> InOrder<'a> {
        let Evidence { topic, partition, offset, line, id, node, kind, residual_s, residual_deg } = evidence;
        InOrder {
            id,
            kind: *kind,
            line: *line,
            node,
            offset: *offset,
            partition: *partition,
            residual_deg: *residual_deg,
            residual_s: *residual_s,
            topic,
        }
    }
}

/// Compact, with numbers as ECMAScript writes them.
struct Canonical;

impl Formatter for Canonical {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(ryu_js::Buffer::new().format_finite(value).as_bytes())
    }
}

/// SHA-256, 64 hex digits, over the canonical form of what an alert rests on.
pub(super) fn evidence_digest(evidence: &[Evidence]) -> String {
    let mut canonical = Vec::with_capacity(200 * evidence.len());
    let mut serializer = Serializer::with_formatter(&mut canonical, Canonical);
    serializer.collect_seq(evidence.iter().map(InOrder::from)).expect("texts and finite numbers are JSON");
    sha256_hex(&canonical)
}

/// SHA-256 as 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        hex.push(DIGITS[usize::from(byte >> 4)]);
        hex.push(DIGITS[usize::from(byte & 15)]);
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_evidence() -> impl Strategy<Value = Evidence> {
        let residual =
            || proptest::option::of(prop_oneof![-60.0..60.0f64, -1e-6..1e-6f64, Just(-0.0), Just(3.0), Just(1e21)]);
        // What senders put into names and ids is anything that is text.
        let text = || "[\\x00-\\x7fäж😀\\u{2028}\\u{7f}]{0,12}";
        let place = (text(), 0..i32::MAX, 0..1i64 << 53, 0..9u32);
        let kind = prop_oneof![Just(Kind::Acoustic), Just(Kind::Radar), Just(Kind::Seismic)];
        (place, text(), text(), kind, residual(), residual()).prop_map(
            |((topic, partition, offset, line), id, node, kind, residual_s, residual_deg)| Evidence {
                topic,
                partition,
                offset,
                line,
                id,
                node,
                kind,
                residual_s,
                residual_deg,
            },
        )
    }

    proptest! {
        #[test]
        fn evidence_is_digested_in_its_canonical_form(evidence in proptest::collection::vec(any_evidence(), 0..5)) {
            let canonical = serde_json_canonicalizer::to_vec(&evidence).unwrap();
            prop_assert_eq!(evidence_digest(&evidence), sha256_hex(&canonical), "{}", String::from_utf8_lossy(&canonical));
        }
    }
}
