//! A record becomes lines, a line becomes a row of columns or a refusal.
//!
//! The record is copied once, with the padding that the parser wants, because the parser unescapes in place and
//! the received bytes must stay as they were. Its tape, buffers and the copy are kept from record to record.

use super::fields::Fields;
use super::{decision, kinds};
use crate::model::decision::Decision;
use crate::model::node::Registry;
use crate::model::observation::{Observations, Origin};
use crate::model::reject::{Reason, Refusal};
use simd_json::{Buffers, ErrorType, INPUT_PADDING, Node, Tape, fill_tape_padded};

/// Longest record, in bytes. A longer one is refused whole, as one line.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Longest line of a record, in bytes.
pub const MAX_LINE_BYTES: usize = 64 << 10;

/// Most levels of arrays and objects within each other, the line's own object counted.
pub const MAX_DEPTH: usize = 32;

/// How to decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Whether to keep each accepted line as received, in the column `raw`. Without it, [`line_of`] finds it again
    /// for as long as the record is at hand.
    pub keep_raw: bool,
}

/// Where a record stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordAt {
    /// The topic, as the shell that reads it numbers them.
    pub topic: u16,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl RecordAt {
    fn line(self, line: u32) -> Origin {
        Origin { topic: self.topic, partition: self.partition, offset: self.offset, line }
    }
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// Where it stood.
    pub origin: Origin,
    /// Why.
    pub refusal: Refusal,
    /// The bytes as received, without the line's end; all of a record that is too large.
    pub raw: Vec<u8>,
}

/// What the records decoded so far came to. Each line that is not blank is in exactly one of the three.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Accepted observations, in the order of their lines.
    pub observations: Observations,
    /// Refused lines.
    pub rejected: Vec<RejectedLine>,
    /// Review decisions.
    pub decisions: Vec<(Origin, Decision)>,
}

impl Lines {
    /// Forgets the lines, keeps the memory.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.rejected.clear();
        self.decisions.clear();
    }

    fn reject(&mut self, origin: Origin, refusal: Refusal, raw: &[u8]) {
        self.rejected.push(RejectedLine { origin, refusal, raw: raw.to_vec() });
    }
}

/// The lines of a record, numbered from 0; blank ones have numbers too.
fn lines(payload: &[u8]) -> impl Iterator<Item = (u32, std::ops::Range<usize>)> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', payload).chain(std::iter::once(payload.len()));
    ends.zip(0..).map(move |(end, line)| {
        let range = start..end;
        start = end + 1;
        (line, range)
    })
}

/// The bytes of line number `line` of a record, as [`Decoder::record`] numbers and cuts them.
pub fn line_of(payload: &[u8], line: u32) -> Option<&[u8]> {
    if payload.len() > MAX_RECORD_BYTES {
        return (line == 0).then_some(payload);
    }
    lines(payload).nth(line as usize).map(|(_, range)| &payload[range])
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// Decodes records. One a thread; it keeps its memory between records.
pub struct Decoder {
    options: DecodeOptions,
    /// The record and the parser's padding; the parser unescapes strings in it.
    scratch: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Decoder {
    /// A decoder with its buffers at the size of the longest line.
    pub fn new(options: DecodeOptions) -> Decoder {
        Decoder {
            options,
            scratch: Vec::new(),
            buffers: Buffers::with_max_depth(MAX_LINE_BYTES, MAX_DEPTH),
            tape: Tape(Vec::new()),
        }
    }

    /// Decodes one record: a JSON object, or several, one a line. Adds to `out` one entry for each line that is not
    /// blank. Nodes that are not registered but say where they are join `registry`. An empty payload has no lines.
    pub fn record(&mut self, payload: &[u8], at: RecordAt, registry: &mut Registry, out: &mut Lines) {
        if payload.len() > MAX_RECORD_BYTES {
            out.reject(at.line(0), too_large("record", payload.len(), MAX_RECORD_BYTES), payload);
            return;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(payload);
        self.scratch.resize(payload.len() + INPUT_PADDING, b' ');
        for (line, range) in lines(payload) {
            let raw = &payload[range.clone()];
            if is_blank(raw) {
                continue;
            }
            let origin = at.line(line);
            let read = if raw.len() > MAX_LINE_BYTES {
                Err(too_large("line", raw.len(), MAX_LINE_BYTES))
            } else {
                self.line(raw, range.start, origin, registry, out)
            };
            if let Err(refusal) = read {
                out.reject(origin, refusal, raw);
            }
        }
    }

    /// Decodes the line that was received as `raw` and stands in the scratch from `start` on.
    fn line(
        &mut self,
        raw: &[u8],
        start: usize,
        origin: Origin,
        registry: &mut Registry,
        out: &mut Lines,
    ) -> Result<(), Refusal> {
        let keep_raw = self.options.keep_raw;
        let mut tape: Tape<'_> = std::mem::replace(&mut self.tape, Tape(Vec::new()));
        let parsed = fill_tape_padded(&mut self.scratch[start..], raw.len(), &mut self.buffers, &mut tape);
        let (read, kept) = match parsed {
            Ok(()) => (accept(&tape.0, raw, keep_raw, origin, registry, out), tape.reset()),
            Err(error) => {
                let kept = tape.reset();
                (self.second_try(raw, &error, origin, registry, out), kept)
            }
        };
        self.tape = kept;
        read
    }

    /// What the parser refuses may still be JSON: it takes no number that 64 bits cannot hold, wherever it stands.
    /// Such a line is rewritten and parsed again, so that only the field that holds the number is at fault, if any.
    #[cold]
    fn second_try(
        &mut self,
        raw: &[u8],
        error: &simd_json::Error,
        origin: Origin,
        registry: &mut Registry,
        out: &mut Lines,
    ) -> Result<(), Refusal> {
        match error.error() {
            ErrorType::DepthLimitExceeded => {
                return Err(Refusal {
                    reason: Reason::TooDeep,
                    message: format!("the line nests deeper than {MAX_DEPTH} levels; expected at most that many"),
                });
            }
            ErrorType::InvalidNumber => {}
            _ => return Err(not_json(raw, error)),
        }
        let mut rewritten = tame_numbers(raw);
        let len = rewritten.len();
        rewritten.resize(len + INPUT_PADDING, b' ');
        let mut tape = Tape(Vec::new());
        match fill_tape_padded(&mut rewritten, len, &mut self.buffers, &mut tape) {
            Ok(()) => accept(&tape.0, raw, self.options.keep_raw, origin, registry, out),
            Err(_) => Err(not_json(raw, error)),
        }
    }
}

/// Reads what stands on the tape: a decision, or an observation.
#[inline]
fn accept(
    nodes: &[Node<'_>],
    raw: &[u8],
    keep_raw: bool,
    origin: Origin,
    registry: &mut Registry,
    out: &mut Lines,
) -> Result<(), Refusal> {
    let Some(fields) = Fields::of(nodes, 0, "") else {
        return Err(Refusal {
            reason: Reason::NotJson,
            message: format!("the line held {}; expected a JSON object", start_of(raw)),
        });
    };
    match decision::find(&fields) {
        Some(decision) => out.decisions.push((origin, decision?)),
        None => kinds::read(&fields, raw, keep_raw, origin, registry, &mut out.observations)?,
    }
    Ok(())
}

#[cold]
fn too_large(what: &str, bytes: usize, limit: usize) -> Refusal {
    Refusal { reason: Reason::TooLarge, message: format!("the {what} held {bytes} bytes; expected at most {limit}") }
}

#[cold]
fn not_json(raw: &[u8], error: &simd_json::Error) -> Refusal {
    let (held, at) = (start_of(raw), error.index());
    Refusal {
        reason: Reason::NotJson,
        message: match std::str::from_utf8(raw) {
            Err(utf8) => format!("the line held {held}, not UTF-8 at byte {}; expected JSON", utf8.valid_up_to()),
            Ok(_) if at > 0 => format!("the line held {held}, not JSON at byte {at}; expected a JSON object"),
            Ok(_) => format!("the line held {held}; expected a JSON object"),
        },
    }
}

/// The line's beginning, for a message.
fn start_of(raw: &[u8]) -> String {
    /// Enough to recognise a line by.
    const SHOWN_BYTES: usize = 60;
    let cut = &raw[..raw.len().min(SHOWN_BYTES)];
    format!("{:?}{}", String::from_utf8_lossy(cut), if cut.len() < raw.len() { "…" } else { "" })
}

/// Whether a text is a number whose size 64-bit floats cannot express.
pub(super) fn is_beyond_f64(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && text.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// The line with each number that 64 bits cannot hold made palatable: one that a float can approximate gets an
/// exponent, one beyond that becomes an array of its text, which no field accepts.
fn tame_numbers(raw: &[u8]) -> Vec<u8> {
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
    use crate::model::node::Node as Sensor;
    use proptest::prelude::*;

    const AT: RecordAt = RecordAt { topic: 2, partition: 3, offset: 4 };

    fn registry() -> Registry {
        Registry::new([Sensor { registered: true, ..Sensor::unregistered("mic-1") }])
    }

    fn decode(payload: &[u8]) -> Lines {
        let mut lines = Lines::default();
        Decoder::new(DecodeOptions { keep_raw: true }).record(payload, AT, &mut registry(), &mut lines);
        lines
    }

    fn reason(payload: impl AsRef<[u8]>) -> (Reason, String) {
        let lines = decode(payload.as_ref());
        let [line] = lines.rejected.as_slice() else { panic!("one refusal, not {lines:?}") };
        assert!(lines.observations.is_empty() && lines.observations.bytes.is_empty());
        (line.refusal.reason, line.refusal.message.clone())
    }

    /// A good line with one more field.
    fn with(field: &str) -> String {
        let comma = if field.is_empty() { "" } else { "," };
        format!(r#"{{"id":"a1","node":"mic-1","kind":"acoustic","time":"2025-11-22T13:05:07.5Z"{comma}{field}}}"#)
    }

    #[test]
    fn a_bad_line_does_not_take_its_neighbours_along() {
        let (good, bad) = (with(""), "{\"id\":\"x");
        let payload = format!("{good}\r\n\n \t\r\n{bad}\r\n{good}\n");
        let lines = decode(payload.as_bytes());
        let numbers: Vec<u32> = lines.observations.origin.iter().map(|origin| origin.line).collect();
        assert_eq!(numbers, [0, 4]);
        assert_eq!(lines.observations.origin[1], Origin { topic: 2, partition: 3, offset: 4, line: 4 });
        let [rejected] = lines.rejected.as_slice() else { panic!("{:?}", lines.rejected) };
        assert_eq!((rejected.origin.line, rejected.raw.as_slice()), (3, format!("{bad}\r").as_bytes()));
        assert_eq!(line_of(payload.as_bytes(), 3), Some(rejected.raw.as_slice()));
        assert_eq!(lines.observations.slice(lines.observations.raw[1]), good.as_bytes());
    }

    #[test]
    fn nothing_in_nothing_out() {
        for payload in ["", "\n", " \r\n\t\n"] {
            let lines = decode(payload.as_bytes());
            assert!(lines.rejected.is_empty() && lines.observations.is_empty(), "{payload:?}");
        }
        assert_eq!(line_of(b"", 0), Some(&b""[..]));
        assert_eq!(line_of(b"a\nb", 2), None);
    }

    #[test]
    fn what_is_no_object_is_not_json() {
        for line in [
            "nonsense",
            "{",
            "}",
            "[]",
            "[{}]",
            "1",
            "\"a\"",
            "null",
            "true",
            "{\"a\":}",
            "{'a':1}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":NaN}",
            "{\"a\":1e}",
            "{\"a\":-}",
            "{\"a\":1-2}",
            "{\"a\":1e400.5}",
            "{\"a\":1}{\"b\":2}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\t\"}",
            "\u{feff}{}",
        ] {
            assert_eq!(reason(line).0, Reason::NotJson, "{line}");
        }
        let (code, message) = reason(b"{\"id\":\"\xff\"}");
        assert_eq!(code, Reason::NotJson);
        assert!(message.contains("not UTF-8 at byte 7"), "{message}");
    }

    #[test]
    fn a_record_or_a_line_beyond_its_limit_is_too_large() {
        let line = |bytes: usize| {
            let bare = with("\"x\":\"\"").len();
            with(&format!("\"x\":\"{}\"", "y".repeat(bytes - bare)))
        };
        assert_eq!(decode(line(MAX_LINE_BYTES).as_bytes()).observations.len(), 1);
        assert_eq!(reason(line(MAX_LINE_BYTES + 1)).0, Reason::TooLarge);

        let good = with("");
        let mut record = good.clone();
        record.push_str(&"\n".repeat(MAX_RECORD_BYTES - good.len()));
        assert_eq!(decode(record.as_bytes()).observations.len(), 1);
        record.push('\n');
        assert_eq!(reason(&record).0, Reason::TooLarge);
        assert_eq!(decode(record.as_bytes()).rejected[0].raw, record.as_bytes());
        assert_eq!(line_of(record.as_bytes(), 0), Some(record.as_bytes()));
    }

    #[test]
    fn nesting_has_a_limit_and_no_stack_to_overflow() {
        let nested = |levels: usize| with(&format!("\"x\":{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert_eq!(decode(nested(MAX_DEPTH - 1).as_bytes()).observations.len(), 1);
        assert_eq!(reason(nested(MAX_DEPTH)).0, Reason::TooDeep);
        assert_eq!(reason("[".repeat(60_000)).0, Reason::TooDeep);
        assert_eq!(reason("{\"a\":".repeat(10_000)).0, Reason::TooDeep);
        assert_eq!(reason("[".repeat(100_000)).0, Reason::TooLarge);
        // Brackets in a text are no nesting.
        assert_eq!(decode(with(&format!("\"x\":\"{}\"", "[".repeat(99))).as_bytes()).observations.len(), 1);
    }

    #[test]
    fn a_number_beyond_64_bits_is_the_fault_of_its_field_alone() {
        for number in ["1e400", "-1e400", "123e99999999999"] {
            let (code, message) = reason(with(&format!("\"snr_db\":{number}")));
            assert_eq!(code, Reason::BadField);
            assert_eq!(message, format!("snr_db held {number}; expected a finite number"));
        }
        let field = "\"unknown\":[1e400,\"\\\\\\\"1e400\"],\"snr_db\":123456789012345678901234567890,\"u\":1e-400";
        let lines = decode(with(field).as_bytes());
        assert_eq!(lines.rejected, []);
        assert_eq!(lines.observations.arrivals.snr_db, [123_456_789_012_345_678_901_234_567_890.0]);
        assert_eq!(lines.observations.slice(lines.observations.raw[0]), with(field).as_bytes());
        assert_eq!(reason(with("\"supersedes\":1e400")).0, Reason::BadField);
    }

    #[test]
    fn escapes_are_undone_and_the_last_of_two_holds() {
        let text = r#"{"id":"a\u00e9\n\"","node":"x","kind":"status","time":"2025-11-22T13:05:07Z","node":"mic\u002d1","lon":1,"lon":null}"#;
        let lines = decode(text.as_bytes());
        assert_eq!(lines.rejected, []);
        assert_eq!(lines.observations.text(lines.observations.id[0]), "a\u{e9}\n\"");
        assert!(lines.observations.lon_deg[0].is_nan());
        assert_eq!(lines.observations.slice(lines.observations.raw[0]), text.as_bytes(), "as received");
    }

    #[test]
    fn a_decision_comes_bare_or_in_a_cloud_event() {
        let bare = r#"{"alert":"9f2c","revision":2,"decision":"dismissed","by":"panel","at":"2025-11-23T09:30:00Z"}"#;
        let lines = decode(format!("{bare}\n{{\"specversion\":\"1.0\",\"id\":\"d\",\"data\":{bare}}}").as_bytes());
        assert_eq!(lines.rejected, []);
        let [(first, one), (second, other)] = lines.decisions.as_slice() else { panic!("{lines:?}") };
        assert_eq!((first.line, second.line), (0, 1));
        assert_eq!(one, other);
        assert_eq!((one.alert.as_str(), one.revision, one.attribution.as_deref()), ("9f2c", 2, None));
        for (from, to, code) in [
            ("\"revision\":2", "\"revision\":0", Reason::BadField),
            ("\"revision\":2,", "", Reason::MissingField),
            ("dismissed", "forgotten", Reason::BadField),
            ("2025-11-23T09:30:00Z", "yesterday", Reason::BadTime),
        ] {
            assert_eq!(reason(bare.replace(from, to)).0, code, "{to}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_once_as_they_went_in(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
            check_accounting(&payload)?;
        }

        #[test]
        fn any_text_of_json_letters_is_accounted_for(payload in "[\\[\\]{}:,\"\\\\a0-9eE.+\\-ntu \n]{0,120}") {
            check_accounting(payload.as_bytes())?;
        }

        #[test]
        fn a_damaged_line_is_a_row_or_a_refusal(
            damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
            cut in proptest::option::of(any::<proptest::sample::Index>()),
            example in any::<proptest::sample::Index>(),
        ) {
            let examples = [
                with("\"snr_db\":-1.5e1,\"class\":\"impact\",\"azimuth_deg\":12"),
                with("\"x\":[{\"y\":[1,2,{}]},\"\\u00e9\"],\"supersedes\":\"b\""),
                with("").replace("acoustic", "radar").replace('}', ",\"impact\":{\"lon\":1,\"lat\":2,\"time\":\"2025-11-22T13:05:07Z\"}}"),
                format!("{}\n{}", with(""), with("\"lon\":1,\"lat\":2")),
            ];
            let mut payload = example.get(&examples).clone().into_bytes();
            for (at, byte) in damage {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
            if let Some(cut) = cut {
                payload.truncate(cut.index(payload.len()));
            }
            check_accounting(&payload)?;
        }

        #[test]
        fn the_parser_and_serde_json_agree_on_what_is_json(payload in "\\{\"[a-c]\":(-?[0-9]{1,25}(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?|[\\[\\]{}:,\"a-c0-9 ]{0,12})\\}") {
            let is_object = serde_json::from_str::<std::collections::HashMap<String, serde::de::IgnoredAny>>(&payload).is_ok();
            let lines = decode(payload.as_bytes());
            // None has an id, so what is JSON is refused for lack of it.
            let expected = if is_object { Reason::MissingField } else { Reason::NotJson };
            prop_assert_eq!(lines.rejected[0].refusal.reason, expected, "{}", payload);
        }
    }

    /// Every line that is not blank comes out once, with the bytes that went in.
    fn check_accounting(payload: &[u8]) -> Result<(), TestCaseError> {
        let lines = decode(payload);
        let expected: Vec<(u32, &[u8])> = payload
            .split(|&byte| byte == b'\n')
            .enumerate()
            .filter(|(_, line)| !is_blank(line))
            .map(|(number, line)| (number as u32, line))
            .collect();
        let observations = &lines.observations;
        let rows = observations.origin.iter().zip(&observations.raw).map(|(o, raw)| (o.line, observations.slice(*raw)));
        let refused = lines.rejected.iter().map(|line| (line.origin.line, line.raw.as_slice()));
        let mut found: Vec<(u32, &[u8])> = rows.chain(refused).collect();
        found.sort();
        prop_assert_eq!(&found, &expected);
        for (number, raw) in expected {
            prop_assert_eq!(line_of(payload, number), Some(raw));
        }
        Ok(())
    }
}
