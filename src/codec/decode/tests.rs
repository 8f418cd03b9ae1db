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
fn a_decoder_can_move_to_another_thread() {
    fn moves<T: Send>(_: T) {}
    moves(Decoder::new(DecodeOptions::default()));
    moves(Lines::default());
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
        assert_eq!(message, format!("snr_db held {number}; expected a number from -1e12 to 1e12"));
    }
    let field = "\"unknown\":[1e400,\"\\\\\\\"1e400\"],\"snr_db\":12345678901.2345678901234567890,\"u\":1e-400";
    let lines = decode(with(field).as_bytes());
    assert_eq!(lines.rejected, []);
    assert_eq!(lines.observations.arrivals.snr_db, [12_345_678_901.234_568]);
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
    let [one, other] = lines.decisions.as_slice() else { panic!("{lines:?}") };
    let (first, second) = (&one.origin, &other.origin);
    let (one, other) = (&one.decision, &other.decision);
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

    #[test]
    fn texts_are_read_as_serde_json_reads_them(
        text in r#"(\\u[dD][89abcdefABCDEF][0-9a-f]{2}|\\u[0-9a-fA-F]{3,5}|\\[nrtbf/"\\ux]|[a-z "\x00-\x20]|é|𝛑){1,9}"#,
    ) {
        let payload = with("").replace("a1", &text);
        let lines = decode(payload.split('\n').next().unwrap_or_default().as_bytes());
        match serde_json::from_str::<serde_json::Value>(&payload) {
            Ok(value) => {
                let row = &lines.observations;
                prop_assert_eq!(lines.rejected.len(), 0);
                prop_assert_eq!(Some(row.text(row.id[0])), value["id"].as_str());
            }
            Err(_) => prop_assert_eq!(lines.rejected[0].refusal.reason, Reason::NotJson),
        }
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
