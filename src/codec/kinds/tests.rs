use crate::codec::signature;
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::model::kind::{Health, Hint, Kind, Phase};
use crate::model::node::{Node, Registry};
use crate::model::observation::{RadarPoint, duplicate_key};
use crate::model::reject::Reason;
use serde_json::{Value, json};

const SECRET: [u8; 32] = [9; 32];

fn registry() -> Registry {
    let node = |name| Node { registered: true, ..Node::unregistered(name) };
    let signs = Node { public_key: Some(signature::public_key(&SECRET)), ..node("signs") };
    Registry::new([node("mic-1"), signs])
}

fn decode(value: &Value) -> Lines {
    decode_with(value, &mut registry())
}

fn decode_with(value: &Value, registry: &mut Registry) -> Lines {
    let mut lines = Lines::default();
    let at = RecordAt { topic: 0, partition: 0, offset: 0 };
    Decoder::new(DecodeOptions::default()).record(value.to_string().as_bytes(), at, registry, &mut lines);
    lines
}

/// A good observation of that kind with these fields added or replaced.
fn line(kind: &str, fields: Value) -> Value {
    let mut line = json!({"id": "a1", "node": "mic-1", "kind": kind, "time": "2025-11-22T13:05:07.000000001Z"});
    let required = match kind {
        "track" => json!({"track": "T1", "domain": "air", "object_lon": 31, "object_lat": 46}),
        "thermal" => json!({"object_lon": 31, "object_lat": 46}),
        "radar" => json!({"impact": {"lon": 31, "lat": 46, "time": "2025-11-22T13:05:07Z"}}),
        "interference" => json!({"band": "gnss"}),
        "patrol" => json!({"activity": "heard"}),
        _ => json!({}),
    };
    for fields in [required, fields] {
        let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) else { panic!("objects") };
        line.extend(fields);
    }
    line
}

fn accepted(kind: &str, fields: Value) -> Lines {
    let lines = decode(&line(kind, fields));
    assert_eq!(lines.rejected, []);
    assert_eq!(lines.observations.len(), 1);
    lines
}

fn refused(kind: &str, fields: Value) -> (Reason, String) {
    let lines = decode(&line(kind, fields));
    assert!(lines.observations.is_empty() && lines.observations.bytes.is_empty(), "it leaves no trace");
    let refusal = &lines.rejected[0].refusal;
    (refusal.reason, refusal.message.clone())
}

#[test]
fn what_is_absent_is_unknown_and_never_zero() {
    for kind in Kind::ALL {
        let row = &accepted(kind.as_str(), json!({"snr_db": null})).observations;
        assert_eq!(row.kind, [*kind]);
        assert!(row.time_sd_s[0].is_nan() && row.lon_deg[0].is_nan() && row.alt_m[0].is_nan());
        assert!(row.supersedes[0].is_empty() && !row.withdrawn[0] && row.raw[0].is_empty());
        assert_eq!(row.detail, [0]);
    }
    let arrival = accepted("acoustic", json!({})).observations.arrivals.row(0);
    assert!(arrival.amplitude.is_nan() && arrival.azimuth_deg.is_nan() && arrival.emitter.is_empty());
    assert_eq!((arrival.hint, arrival.phase), (Hint::Unknown, None));
    assert_eq!(accepted("status", json!({})).observations.statuses.health, [Health::Ok]);
}

#[test]
fn common_fields_reach_their_columns() {
    let fields = json!({"time_sd_s": 0.5, "lon": -31, "lat": 46.5, "alt_m": -2, "supersedes": "a0", "withdrawn": true});
    let lines = accepted("flash", fields);
    let row = &lines.observations;
    assert_eq!((row.time_ns[0], row.time_sd_s[0]), (1_763_816_707_000_000_001, 0.5));
    assert_eq!((row.lon_deg[0], row.lat_deg[0], row.alt_m[0]), (-31.0, 46.5, -2.0));
    assert_eq!((row.text(row.id[0]), row.text(row.supersedes[0]), row.withdrawn[0]), ("a1", "a0", true));
    assert_eq!(row.key[0], duplicate_key(registry().find("mic-1").unwrap(), b"a1"));
}

#[test]
fn each_kind_reads_its_own_fields_and_no_others() {
    let all = json!({"amplitude_pa": 1, "amplitude_m_s": 2, "snr_db": 3, "azimuth_deg": 4, "azimuth_sd_deg": 5,
        "class": "shot", "phase": "Lg", "trace_velocity_m_s": 6, "frequency_hz": 7, "power_dbm": -8, "emitter": "e",
        "elevation_deg": 9, "intensity": 10});
    let row = |kind| accepted(kind, all.clone()).observations.arrivals.row(0);
    let seismic = row("seismic");
    assert_eq!((seismic.amplitude, seismic.snr_db, seismic.phase), (2.0, 3.0, Some(Phase::Lg)));
    assert!(seismic.azimuth_deg.is_nan() && seismic.hint == Hint::Unknown);
    let infrasound = row("infrasound");
    assert_eq!((infrasound.amplitude, infrasound.trace_velocity_m_s, infrasound.hint), (1.0, 6.0, Hint::Shot));
    assert!(row("acoustic").trace_velocity_m_s.is_nan() && row("acoustic").phase.is_none());
    let radio = row("radio");
    assert_eq!((radio.frequency_hz, radio.power_dbm, radio.emitter.len), (7.0, -8.0, 1));
    let flash = row("flash");
    assert_eq!((flash.azimuth_deg, flash.elevation_deg, flash.intensity), (4.0, 9.0, 10.0));
    // A field of another kind is unknown here, whatever it holds.
    accepted("seismic", json!({"amplitude_pa": "loud", "azimuth_deg": 400, "class": 1}));
}

#[test]
fn a_radar_gives_either_end_or_both() {
    let end = json!({"lon": 31.5, "lat": 46.5, "time": "2025-11-22T13:05:07Z", "time_sd_s": 0.5,
        "semi_major_m": 30, "semi_minor_m": 20, "orientation_deg": 10});
    let row = accepted("radar", json!({"origin": end, "impact": null, "projectile": "rocket"})).observations;
    assert_eq!(row.radars.row(0).impact.time_ns, RadarPoint::ABSENT.time_ns);
    let origin = row.radars.row(0).origin;
    assert_eq!((origin.lon_deg, origin.time_ns), (31.5, Some(1_763_816_707_000_000_000)));
    assert_eq!((origin.semi_major_m, origin.semi_minor_m, origin.orientation_deg), (30.0, 20.0, 10.0));
    assert_eq!(row.text(row.radars.projectile[0]), "rocket");

    assert_eq!(refused("radar", json!({"impact": null})).0, Reason::MissingField);
    assert_eq!(refused("radar", json!({"impact": 1})).0, Reason::BadField);
    let faulty = |fields: Value| {
        let mut end = end.clone();
        let (Value::Object(map), Value::Object(fields)) = (&mut end, fields) else { panic!("objects") };
        map.extend(fields);
        refused("radar", json!({"impact": end}))
    };
    assert_eq!(faulty(json!({"lat": 91})).0, Reason::BadPosition);
    assert_eq!(
        faulty(json!({"time": null})),
        (Reason::MissingField, "impact.time is missing; it is required here".into())
    );
    assert_eq!(faulty(json!({"time": "noon"})).0, Reason::BadTime);
    assert_eq!(faulty(json!({"semi_minor_m": 0})).0, Reason::BadField);
}

#[test]
fn plots_spots_jamming_weather_and_reports_reach_their_columns() {
    let row = accepted("track", json!({"identity": "244660000", "object_class": "tank", "course_deg": 0})).observations;
    assert_eq!(row.text(row.tracks.track[0]), "T1");
    assert_eq!((row.text(row.tracks.identity[0]), row.text(row.tracks.object_class[0])), ("244660000", "tank"));
    assert_eq!((row.tracks.object_lon_deg[0], row.tracks.course_deg[0]), (31.0, 0.0));
    assert_eq!(accepted("thermal", json!({"confidence": 1})).observations.thermals.confidence, [1.0]);
    assert_eq!(accepted("interference", json!({"power_dbm": -60})).observations.interferences.power_dbm, [-60.0]);
    let status = accepted("status", json!({"health": "tamper", "wind_from_deg": 359.9})).observations.statuses.row(0);
    assert_eq!((status.health, status.wind_from_deg), (Health::Tamper, 359.9));
    let row = accepted("patrol", json!({"count": 3, "count_is_minimum": true, "text": "t", "by": "b", "reason": "r"}));
    let (row, report) = (&row.observations, row.observations.patrols.row(0));
    assert_eq!((report.count, report.count_is_minimum), (3.0, true));
    assert_eq!((row.text(report.text), row.text(report.by), row.text(report.reason)), ("t", "b", "r"));
}

#[test]
fn every_refusal_has_its_code() {
    use Reason::{BadField, BadPosition, BadTime, MissingField, UnknownKind, UnknownNode};
    for (kind, fields, code) in [
        ("acoustic", json!({"id": null}), MissingField),
        ("acoustic", json!({"node": null}), MissingField),
        ("acoustic", json!({"kind": null}), MissingField),
        ("acoustic", json!({"time": null}), MissingField),
        ("acoustic", json!({"id": ""}), BadField),
        ("acoustic", json!({"id": 7}), BadField),
        ("acoustic", json!({"id": "x".repeat(65)}), BadField),
        ("acoustic", json!({"id": "\u{e9}".repeat(33)}), BadField),
        ("acoustic", json!({"node": "x".repeat(65)}), BadField),
        ("acoustic", json!({"kind": "Acoustic"}), UnknownKind),
        ("acoustic", json!({"kind": ""}), UnknownKind),
        ("acoustic", json!({"kind": 3}), BadField),
        ("acoustic", json!({"node": "stranger"}), UnknownNode),
        ("acoustic", json!({"time": "1999-12-31T23:59:59.999999999Z"}), BadTime),
        ("acoustic", json!({"time": "2025-11-22T13:05:07+01:00"}), BadTime),
        ("acoustic", json!({"time": "2025-02-29T13:05:07Z"}), BadTime),
        ("acoustic", json!({"time": 1763816707}), BadTime),
        ("acoustic", json!({"time_sd_s": 0}), BadField),
        ("acoustic", json!({"time_sd_s": "0.1"}), BadField),
        ("acoustic", json!({"lon": 31}), BadPosition),
        ("acoustic", json!({"lat": 46, "lon": null}), BadPosition),
        ("acoustic", json!({"lon": 180.1, "lat": 0}), BadPosition),
        ("acoustic", json!({"lon": 0, "lat": -90.5}), BadPosition),
        ("acoustic", json!({"lon": "31", "lat": 46}), BadField),
        ("acoustic", json!({"azimuth_deg": 360}), BadField),
        ("acoustic", json!({"azimuth_deg": -0.5}), BadField),
        ("acoustic", json!({"amplitude_pa": -1}), BadField),
        ("acoustic", json!({"class": "bang"}), BadField),
        ("acoustic", json!({"withdrawn": true}), MissingField),
        ("acoustic", json!({"withdrawn": 1}), BadField),
        ("acoustic", json!({"supersedes": ""}), BadField),
        ("seismic", json!({"phase": "p"}), BadField),
        ("flash", json!({"elevation_deg": 91}), BadField),
        ("track", json!({"track": null}), MissingField),
        ("track", json!({"track": ""}), BadField),
        ("track", json!({"domain": null}), MissingField),
        ("track", json!({"domain": "space"}), BadField),
        ("track", json!({"object_lat": null}), MissingField),
        ("track", json!({"object_lat": 91}), BadPosition),
        ("thermal", json!({"object_lon": null}), MissingField),
        ("thermal", json!({"confidence": 1.01}), BadField),
        ("interference", json!({"band": null}), MissingField),
        ("interference", json!({"band": "vhf"}), BadField),
        ("status", json!({"health": "fine"}), BadField),
        ("status", json!({"temperature_c": -300}), BadField),
        ("patrol", json!({"activity": null}), MissingField),
        ("patrol", json!({"activity": "slept"}), BadField),
        ("patrol", json!({"activity": "position"}), MissingField),
        ("patrol", json!({"activity": "found", "object_lon": 31}), BadPosition),
        ("patrol", json!({"count": -1}), BadField),
        ("patrol", json!({"count": 1.5}), BadField),
    ] {
        let (found, message) = refused(kind, fields.clone());
        assert_eq!(found, code, "{kind} {fields}: {message}");
    }
}

#[test]
fn a_message_names_the_field_what_it_held_and_what_was_expected() {
    let (_, message) = refused("acoustic", json!({"azimuth_deg": 412.5}));
    assert_eq!(message, "azimuth_deg held 412.5; expected a number of at least 0 and below 360");
    let (_, message) = refused("interference", json!({"band": "vhf"}));
    assert_eq!(message, "band held \"vhf\"; expected one of gnss, link, radio");
    let (_, message) = refused("acoustic", json!({"time_sd_s": {"a": 1}}));
    assert_eq!(message, "time_sd_s held an object; expected a number from 1e-9 to 1e12");
    let (_, message) = refused("acoustic", json!({"time_sd_s": "\u{e9}".repeat(10_000)}));
    assert_eq!(message.chars().filter(|&letter| letter == '\u{e9}').count(), 119, "cut at 120 characters");
}

#[test]
fn a_stranger_who_says_where_it_is_joins_the_registry_and_must_go_on_saying_so() {
    let mut registry = registry();
    let known = registry.nodes().len();
    let placed = line("patrol", json!({"node": "new", "lon": 31, "lat": 46}));
    let bad = line("patrol", json!({"node": "other", "lon": 31, "lat": 46, "count": -1}));
    assert_eq!(decode_with(&bad, &mut registry).rejected.len(), 1);
    assert_eq!(registry.nodes().len(), known, "a refused line adds nobody");
    let lines = decode_with(&placed, &mut registry);
    assert_eq!(lines.observations.node, [registry.find("new").unwrap()]);
    assert!(!registry.node(lines.observations.node[0]).registered);
    let unplaced = line("patrol", json!({"node": "new"}));
    assert_eq!(decode_with(&unplaced, &mut registry).rejected[0].refusal.reason, Reason::UnknownNode);
}

#[test]
fn a_node_with_a_key_must_sign() {
    let mut signed = line("acoustic", json!({"node": "signs", "amplitude_pa": 1.50}));
    signed["signature"] = Value::String(signature::sign(&signed, &SECRET).unwrap());
    assert_eq!(decode(&signed).rejected, []);
    let mut altered = signed.clone();
    altered["amplitude_pa"] = json!(1.51);
    let mut unsigned = signed.clone();
    unsigned["signature"] = Value::Null;
    let mut number = signed.clone();
    number["signature"] = json!(5);
    for bad in [altered, unsigned, number] {
        let lines = decode(&bad);
        assert_eq!(lines.rejected[0].refusal.reason, Reason::BadSignature, "{bad}");
        assert!(lines.observations.is_empty());
    }
    // A node without a key may send what it likes there.
    accepted("acoustic", json!({"signature": "AAAA"}));
}
