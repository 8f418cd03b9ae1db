//! The short way and the general parser come to the same, whatever the line.

use super::super::fields::Field;
use super::*;
use crate::model::kind::{Activity, Band, Domain, Health, Hint, Kind, Phase};
use crate::model::node::Node as Sensor;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const AT: RecordAt = RecordAt { topic: 2, partition: 3, offset: 4 };

fn registry() -> Registry {
    let signing = Sensor { registered: true, public_key: Some([7; 32]), ..Sensor::unregistered("signs") };
    Registry::new([Sensor { registered: true, ..Sensor::unregistered("mic-1") }, signing])
}

/// What came of a record: all columns with every bit (floats are shown so that they can be read back), refusals,
/// decisions, and who is known now.
fn told(lines: &Lines, registry: &Registry) -> String {
    format!("{lines:#?} {:#?} {}", registry.nodes(), registry.version())
}

fn generally(payload: &[u8]) -> String {
    let (mut decoder, mut out, mut registry) =
        (Decoder::new(DecodeOptions { keep_raw: true }), Lines::default(), registry());
    decoder.record_generally(payload, AT, &mut registry, &mut out);
    told(&out, &registry)
}

/// Twice with the same decoder, so that it has learnt the lines the second time.
fn check(payload: &[u8]) -> Result<(), TestCaseError> {
    let expected = generally(payload);
    let mut decoder = Decoder::new(DecodeOptions { keep_raw: true });
    for _ in 0..2 {
        let (mut out, mut registry) = (Lines::default(), registry());
        decoder.record(payload, AT, &mut registry, &mut out);
        prop_assert_eq!(&told(&out, &registry), &expected, "{}", payload.escape_ascii());
    }
    Ok(())
}

fn texts<T: Copy + std::fmt::Display + std::fmt::Debug + 'static>(words: &'static [T]) -> BoxedStrategy<String> {
    select(words).prop_map(|word| format!("\"{word}\"")).boxed()
}

/// Any value that JSON has, and some that it has not.
fn any_value() -> BoxedStrategy<String> {
    prop_oneof![
        8 => "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,9})?",
        3 => "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,4})?",
        2 => any::<f64>().prop_map(|value| format!("{value:?}")),
        1 => any::<i64>().prop_map(|value| value.to_string()),
        6 => "\"[ -!#-\\[\\]-~]{0,70}\"",
        2 => "\"([a-z]|\\\\[nrtbf/\"\\\\u]|\\\\u[0-9a-f]{4}|é|𝛑|[\x00-\x1f]){0,9}\"",
        3 => select(&["null", "true", "false", "nul", "truely", "", "01", "-", "1.", "+1"][..]).prop_map(str::to_owned),
        2 => select(&["{}", "[]", "[1,{\"a\":[]}]", "{\"lon\":1,\"lat\":2,\"time\":\"2025-11-22T13:05:07Z\"}"][..])
            .prop_map(str::to_owned),
    ]
    .boxed()
}

/// A value that the field may well hold.
fn good_value(field: Field) -> BoxedStrategy<String> {
    match field {
        Field::Node => {
            select(&["\"mic-1\"", "\"mic-1\"", "\"mic-2\"", "\"signs\""][..]).prop_map(str::to_owned).boxed()
        }
        Field::Kind => texts(Kind::ALL),
        Field::Time | Field::At => {
            "\"20[0-3][0-9]-[01][0-9]-[0-2][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,10})?Z\"".boxed()
        }
        Field::Class => texts(Hint::ALL),
        Field::Phase => texts(Phase::ALL),
        Field::Domain => texts(Domain::ALL),
        Field::Band => texts(Band::ALL),
        Field::Health => texts(Health::ALL),
        Field::Activity => texts(Activity::ALL),
        Field::Decision => texts(crate::model::decision::Verdict::ALL),
        Field::Withdrawn | Field::CountIsMinimum => {
            texts(&[true, false]).prop_map(|text| text.replace('"', "")).boxed()
        }
        Field::Origin | Field::Impact | Field::Data => any_value(),
        field if field.is_text() => "\"[a-zA-Z0-9 _-]{1,20}\"".boxed(),
        Field::Count | Field::Revision => "[1-9][0-9]{0,3}".boxed(),
        _ => "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,8})?([eE]-[0-9]{1,2})?".boxed(),
    }
}

fn member(field: Field) -> BoxedStrategy<(String, String)> {
    let name = field.name();
    prop_oneof![20 => good_value(field), 1 => any_value()].prop_map(move |value| (format!("\"{name}\""), value)).boxed()
}

/// A line with most of what it needs, in any order, with members known and unknown, some twice.
fn line() -> impl Strategy<Value = String> {
    let needed: Vec<_> = [Field::Id, Field::Node, Field::Kind, Field::Time]
        .map(|field| proptest::option::weighted(0.98, member(field)))
        .into_iter()
        .collect();
    let decision: Vec<_> =
        [Field::Alert, Field::Revision, Field::Decision, Field::By, Field::At].map(member).into_iter().collect();
    let own = proptest::collection::vec(select(Field::ALL).prop_flat_map(member), 0..14);
    let unknown = ("\"([a-z_]{0,25}|i\\\\u0064|é)\"", any_value());
    let members = (needed, proptest::option::weighted(0.1, decision), own, proptest::option::weighted(0.3, unknown))
        .prop_map(|(needed, decision, own, unknown)| {
            let needed = needed.into_iter().flatten();
            needed.chain(decision.into_iter().flatten()).chain(own).chain(unknown).collect::<Vec<_>>()
        });
    let order = prop_oneof![members.clone().boxed(), members.prop_shuffle().boxed()];
    let space = prop_oneof![
        6 => Just((String::new(), String::new(), String::new())),
        3 => Just((String::new(), " ".to_owned(), " ".to_owned())),
        1 => ("[ \t\r]{0,2}", "[ \t\r]{0,2}", "[ \t\r]{0,2}"),
    ];
    (order, space, "[ \t\r]{0,2}", "[ \t\r]{0,2}").prop_map(
        |(members, (before_colon, after_colon, after_comma), front, end)| {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}{before_colon}:{after_colon}{value}")).collect();
            let front = if members.len().is_multiple_of(5) { front } else { String::new() };
            format!("{front}{{{}}}{end}", members.join(&format!(",{after_comma}")))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_line_is_the_same_both_ways(line in line()) {
        check(line.as_bytes())?;
    }

    #[test]
    fn so_are_several(lines in proptest::collection::vec(prop_oneof![9 => line().boxed(), 1 => "[ \r\t]{0,2}".boxed()], 1..6)) {
        check(lines.join("\n").as_bytes())?;
    }

    #[test]
    fn so_is_a_damaged_one(
        lines in proptest::collection::vec(line(), 1..3),
        damage in proptest::collection::vec((any::<Index>(), prop_oneof![any::<u8>(), select(&b"\"\\{}[]:,0.-eE \n\0"[..])]), 0..3),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let mut payload = lines.join("\n").into_bytes();
        for (at, byte) in damage {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if let Some(cut) = cut {
            payload.truncate(cut.index(payload.len()));
        }
        check(&payload)?;
    }
}

#[test]
fn the_examples_take_the_short_way() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let (mut short, mut all) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        if value.get("kind").is_some() {
            let text = value.to_string();
            check(text.as_bytes()).unwrap();
            short += usize::from(Scanner::new().scan(text.as_bytes()).is_some());
            all += 1;
        }
    }
    // Not the radar's, whose points are objects, nor a report with quotes in its text.
    assert!(all >= 14 && short >= all - 3, "{short} of {all}");
}
