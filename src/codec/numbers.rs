//! Numbers that 64 bits cannot hold: valid JSON, but more than the parser takes.

use simd_json::INPUT_PADDING;

/// Whether a text is a number whose size 64-bit floats cannot express.
pub(super) fn is_beyond_f64(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && text.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// The line with each number that 64 bits cannot hold made palatable: one that a float can approximate gets an
/// exponent, one beyond that becomes an array of its text, which no field accepts.
pub(super) fn tame_numbers(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + INPUT_PADDING);
    let mut at = 0;
    while at < raw.len() {
        let start = at;
        match raw[at] {
            b'"' => {
                at += 1;
                while at < raw.len() && raw[at] != b'"' {
                    at += if raw[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(raw.len());
                out.extend_from_slice(&raw[start..at]);
            }
            b'-' | b'0'..=b'9' => {
                while at < raw.len() && matches!(raw[at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
                    at += 1;
                }
                let number = &raw[start..at];
                // Without these letters it is ASCII, so the text is always there.
                let text = std::str::from_utf8(number).unwrap_or_default();
                // The grammar of JSON numbers is narrower than that of `f64`, so it is the judge of what is one.
                let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(number).is_ok();
                if is_json && is_beyond_f64(text) {
                    out.extend_from_slice(b"[\"");
                    out.extend_from_slice(number);
                    out.extend_from_slice(b"\"]");
                } else {
                    out.extend_from_slice(number);
                    let is_integer = is_json && !text.contains(['.', 'e', 'E']);
                    if is_integer && text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
                        out.extend_from_slice(b"e0");
                    }
                }
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn tamed(text: &str) -> String {
        String::from_utf8(tame_numbers(text.as_bytes())).unwrap()
    }

    #[test]
    fn only_what_64_bits_cannot_hold_is_touched() {
        for text in [
            "{\"a\":-1.5e300,\"b\":18446744073709551615,\"c\":-9223372036854775808,\"d\":[0,1e-999]}",
            "",
            "\"\\\"1e400",
        ] {
            assert_eq!(tamed(text), text);
        }
        assert_eq!(tamed("[18446744073709551616,-1e400]"), "[18446744073709551616e0,[\"-1e400\"]]");
        let long = "9".repeat(400);
        assert_eq!(tamed(&long), format!("[\"{long}\"]"));
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for text in ["01", "1e", "-", "1.", "--1", "1e400.5", "+1", "1e+"] {
            assert_eq!(tamed(text), text);
        }
    }

    proptest! {
        #[test]
        fn json_stays_json(number in "-?(0|[1-9][0-9]{0,400})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,5})?", text in "[^\"\\\\\\x00-\\x1f]{0,9}") {
            let tamed = tamed(&format!("[{number},\"{text}\",{number}]"));
            let read: Vec<Value> = serde_json::from_str(&tamed).unwrap();
            prop_assert_eq!(&read[1], &Value::String(text));
            let beyond = number.parse::<f64>().unwrap().is_infinite();
            for value in [&read[0], &read[2]] {
                prop_assert_eq!(value.is_array(), beyond);
            }
        }
    }
}
