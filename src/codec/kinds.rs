//! One object becomes one observation: the common fields, the kind's own, then who sent it.
//!
//! Everything is read before anything is stored, so a refused line leaves no trace in the columns.

use super::bounds::{AIR_TEMPERATURE, ANY, AZIMUTH, COUNT, ELEVATION, NOT_NEGATIVE, POSITIVE, SHARE};
use super::fields::{Field, Fields};
use super::signature;
use crate::model::kind::{Activity, Band, Domain, Health, Hint, Kind, Phase};
use crate::model::node::{Node, NodeIx, Registry};
use crate::model::observation::{
    Arrival, Common, Interference, MAX_ID_BYTES, Observations, Origin, Plot, Radar, RadarPoint, Report, Span, Status,
    Thermal, duplicate_key,
};
use crate::model::reject::{Reason, Refusal};

/// Reads an observation into the columns. `raw` is the line as received; it is stored if `keep_raw`.
#[inline]
pub(super) fn read(
    fields: &Fields<'_, '_>,
    raw: &[u8],
    keep_raw: bool,
    origin: Origin,
    registry: &mut Registry,
    out: &mut Observations,
) -> Result<(), Refusal> {
    let id = fields.name(Field::Id, MAX_ID_BYTES)?;
    let name = fields.name(Field::Node, MAX_ID_BYTES)?;
    let kind = kind(fields)?;
    let time_ns = fields.time_ns(Field::Time)?;
    let time_sd_s = fields.number(Field::TimeSdS, &POSITIVE)?;
    let (lon_deg, lat_deg) = fields.position(Field::Lon, Field::Lat)?;
    let alt_m = fields.number(Field::AltM, &ANY)?;
    let withdrawn = fields.flag(Field::Withdrawn)?;
    let supersedes = if fields.has(Field::Supersedes) { fields.name(Field::Supersedes, MAX_ID_BYTES)? } else { "" };
    if withdrawn && supersedes.is_empty() {
        return Err(fields.missing(Field::Supersedes));
    }
    let detail = Detail::read(kind, fields)?;
    let node = sender(fields, name, !lon_deg.is_nan(), raw, registry)?;

    let detail = detail.store(out);
    let row = Common {
        origin,
        kind,
        node,
        id: out.store(id.as_bytes()),
        key: duplicate_key(node, id.as_bytes()),
        time_ns,
        time_sd_s,
        lon_deg,
        lat_deg,
        alt_m,
        supersedes: store(out, supersedes),
        withdrawn,
        raw: if keep_raw { out.store(raw) } else { Span::default() },
        detail,
    };
    out.push(row);
    Ok(())
}

fn kind(fields: &Fields<'_, '_>) -> Result<Kind, Refusal> {
    let text = fields.text(Field::Kind)?;
    match Kind::parse(text) {
        Some(kind) => Ok(kind),
        None if !fields.has(Field::Kind) => Err(fields.missing(Field::Kind)),
        None => Err(fields.bad(Reason::UnknownKind, Field::Kind, "a kind of the contract")),
    }
}

/// Who sent it: a registered node, whose signature must hold if it has a key, or one that says where it is.
#[inline]
fn sender(
    fields: &Fields<'_, '_>,
    name: &str,
    has_position: bool,
    raw: &[u8],
    registry: &mut Registry,
) -> Result<NodeIx, Refusal> {
    let found = registry.find(name);
    if let Some(ix) = found {
        let node = registry.node(ix);
        if let Some(key) = &node.public_key {
            signature::verify(raw, key).map_err(signature::SignatureError::refusal)?;
        }
        if node.registered || has_position {
            return Ok(ix);
        }
    }
    if !has_position {
        let expected = "a registered node, or one that brings its own lon and lat";
        return Err(fields.bad(Reason::UnknownNode, Field::Node, expected));
    }
    registry
        .upsert(Node::unregistered(name))
        .ok_or_else(|| fields.bad(Reason::UnknownNode, Field::Node, "a known node: no more can be remembered"))
}

/// What only one kind has, texts still borrowed from the line.
enum Detail<'i> {
    Arrival(Arrival, &'i str),
    Radar(Radar, &'i str),
    Track(Plot, [&'i str; 3]),
    Thermal(Thermal),
    Interference(Interference),
    Status(Status),
    Patrol(Report, [&'i str; 4]),
}

impl<'i> Detail<'i> {
    #[inline]
    fn read(kind: Kind, fields: &Fields<'_, 'i>) -> Result<Detail<'i>, Refusal> {
        match kind {
            Kind::Acoustic | Kind::Infrasound | Kind::Seismic | Kind::Radio | Kind::Flash => arrival(kind, fields),
            Kind::Radar => radar(fields),
            Kind::Track => track(fields),
            Kind::Thermal => thermal(fields),
            Kind::Interference => interference(fields),
            Kind::Status => status(fields),
            Kind::Patrol => patrol(fields),
        }
    }

    /// Puts the row into its columns, its texts into the arena, and gives the row's number.
    #[inline]
    fn store(self, out: &mut Observations) -> u32 {
        match self {
            Detail::Arrival(mut row, emitter) => {
                row.emitter = store(out, emitter);
                out.arrivals.push(row)
            }
            Detail::Radar(mut row, projectile) => {
                row.projectile = store(out, projectile);
                out.radars.push(row)
            }
            Detail::Track(mut row, [track, object_class, identity]) => {
                row.track = store(out, track);
                row.object_class = store(out, object_class);
                row.identity = store(out, identity);
                out.tracks.push(row)
            }
            Detail::Thermal(row) => out.thermals.push(row),
            Detail::Interference(row) => out.interferences.push(row),
            Detail::Status(row) => out.statuses.push(row),
            Detail::Patrol(mut row, [text, object_class, by, reason]) => {
                row.text = store(out, text);
                row.object_class = store(out, object_class);
                row.by = store(out, by);
                row.reason = store(out, reason);
                out.patrols.push(row)
            }
        }
    }
}

/// Stores a text; an absent one takes no place.
#[inline]
fn store(out: &mut Observations, text: &str) -> Span {
    if text.is_empty() { Span::default() } else { out.store(text.as_bytes()) }
}

/// An azimuth and its standard deviation, degrees.
fn azimuth(fields: &Fields<'_, '_>) -> Result<(f64, f64), Refusal> {
    Ok((fields.number(Field::AzimuthDeg, &AZIMUTH)?, fields.number(Field::AzimuthSdDeg, &POSITIVE)?))
}

fn hint(fields: &Fields<'_, '_>) -> Result<Hint, Refusal> {
    Ok(fields.word(Field::Class, Hint::parse, Hint::ALL)?.unwrap_or(Hint::Unknown))
}

/// Each kind of wave has its own fields; another kind's are not looked at.
fn arrival<'i>(kind: Kind, fields: &Fields<'_, 'i>) -> Result<Detail<'i>, Refusal> {
    let mut row = Arrival {
        amplitude: f64::NAN,
        snr_db: f64::NAN,
        azimuth_deg: f64::NAN,
        azimuth_sd_deg: f64::NAN,
        hint: Hint::Unknown,
        phase: None,
        trace_velocity_m_s: f64::NAN,
        frequency_hz: f64::NAN,
        power_dbm: f64::NAN,
        emitter: Span::default(),
        elevation_deg: f64::NAN,
        intensity: f64::NAN,
    };
    let mut emitter = "";
    match kind {
        Kind::Seismic => {
            row.phase = fields.word(Field::Phase, Phase::parse, Phase::ALL)?;
            row.amplitude = fields.number(Field::AmplitudeMS, &NOT_NEGATIVE)?;
            row.snr_db = fields.number(Field::SnrDb, &ANY)?;
        }
        Kind::Radio => {
            row.frequency_hz = fields.number(Field::FrequencyHz, &POSITIVE)?;
            row.power_dbm = fields.number(Field::PowerDbm, &ANY)?;
            emitter = fields.text(Field::Emitter)?;
            (row.azimuth_deg, row.azimuth_sd_deg) = azimuth(fields)?;
        }
        Kind::Flash => {
            (row.azimuth_deg, row.azimuth_sd_deg) = azimuth(fields)?;
            row.elevation_deg = fields.number(Field::ElevationDeg, &ELEVATION)?;
            row.intensity = fields.number(Field::Intensity, &NOT_NEGATIVE)?;
        }
        _ => {
            row.amplitude = fields.number(Field::AmplitudePa, &NOT_NEGATIVE)?;
            row.snr_db = fields.number(Field::SnrDb, &ANY)?;
            (row.azimuth_deg, row.azimuth_sd_deg) = azimuth(fields)?;
            row.hint = hint(fields)?;
            if kind == Kind::Infrasound {
                row.trace_velocity_m_s = fields.number(Field::TraceVelocityMS, &POSITIVE)?;
            }
        }
    }
    Ok(Detail::Arrival(row, emitter))
}

fn radar<'i>(fields: &Fields<'_, 'i>) -> Result<Detail<'i>, Refusal> {
    if !fields.has(Field::Origin) && !fields.has(Field::Impact) {
        return Err(Refusal {
            reason: Reason::MissingField,
            message: "origin and impact are both missing; a radar gives at least one".to_owned(),
        });
    }
    let row = Radar {
        origin: radar_point(fields, Field::Origin, "origin.")?,
        impact: radar_point(fields, Field::Impact, "impact.")?,
        projectile: Span::default(),
    };
    Ok(Detail::Radar(row, fields.text(Field::Projectile)?))
}

fn radar_point(fields: &Fields<'_, '_>, field: Field, within: &'static str) -> Result<RadarPoint, Refusal> {
    if !fields.has(field) {
        return Ok(RadarPoint::ABSENT);
    }
    let Some(point) = fields.object(field, within) else {
        return Err(fields.bad(Reason::BadField, field, "an object with lon, lat and time"));
    };
    let (lon_deg, lat_deg) = point.required_position(Field::Lon, Field::Lat)?;
    Ok(RadarPoint {
        lon_deg,
        lat_deg,
        time_ns: Some(point.time_ns(Field::Time)?),
        time_sd_s: point.number(Field::TimeSdS, &POSITIVE)?,
        semi_major_m: point.number(Field::SemiMajorM, &POSITIVE)?,
        semi_minor_m: point.number(Field::SemiMinorM, &POSITIVE)?,
        orientation_deg: point.number(Field::OrientationDeg, &AZIMUTH)?,
    })
}

fn track<'i>(fields: &Fields<'_, 'i>) -> Result<Detail<'i>, Refusal> {
    let track = fields.name(Field::Track, usize::MAX)?;
    let domain = fields.required_word(Field::Domain, Domain::parse, Domain::ALL)?;
    let (object_lon_deg, object_lat_deg) = fields.required_position(Field::ObjectLon, Field::ObjectLat)?;
    let row = Plot {
        track: Span::default(),
        domain,
        speed_m_s: fields.number(Field::SpeedMS, &NOT_NEGATIVE)?,
        course_deg: fields.number(Field::CourseDeg, &AZIMUTH)?,
        object_class: Span::default(),
        identity: Span::default(),
        object_lon_deg,
        object_lat_deg,
        object_alt_m: fields.number(Field::ObjectAltM, &ANY)?,
        object_sd_m: fields.number(Field::ObjectSdM, &POSITIVE)?,
    };
    Ok(Detail::Track(row, [track, fields.text(Field::ObjectClass)?, fields.text(Field::Identity)?]))
}

fn thermal<'i>(fields: &Fields<'_, 'i>) -> Result<Detail<'i>, Refusal> {
    let (object_lon_deg, object_lat_deg) = fields.required_position(Field::ObjectLon, Field::ObjectLat)?;
    Ok(Detail::Thermal(Thermal {
        object_lon_deg,
        object_lat_deg,
        object_sd_m: fields.number(Field::ObjectSdM, &POSITIVE)?,
        pixel_m: fields.number(Field::PixelM, &POSITIVE)?,
        frp_mw: fields.number(Field::FrpMw, &NOT_NEGATIVE)?,
        confidence: fields.number(Field::Confidence, &SHARE)?,
    }))
}

fn interference<'i>(fields: &Fields<'_, 'i>) -> Result<Detail<'i>, Refusal> {
    let band = fields.required_word(Field::Band, Band::parse, Band::ALL)?;
    let power_dbm = fields.number(Field::PowerDbm, &ANY)?;
    let (azimuth_deg, azimuth_sd_deg) = azimuth(fields)?;
    Ok(Detail::Interference(Interference { band, power_dbm, azimuth_deg, azimuth_sd_deg }))
}

fn status<'i>(fields: &Fields<'_, 'i>) -> Result<Detail<'i>, Refusal> {
    Ok(Detail::Status(Status {
        health: fields.word(Field::Health, Health::parse, Health::ALL)?.unwrap_or(Health::Ok),
        clock_sd_s: fields.number(Field::ClockSdS, &POSITIVE)?,
        temperature_c: fields.number(Field::TemperatureC, &AIR_TEMPERATURE)?,
        wind_speed_m_s: fields.number(Field::WindSpeedMS, &NOT_NEGATIVE)?,
        wind_from_deg: fields.number(Field::WindFromDeg, &AZIMUTH)?,
        noise_db: fields.number(Field::NoiseDb, &ANY)?,
    }))
}

/// A position without a position says nothing, so there `lon` and `lat` are required; elsewhere all is optional.
fn patrol<'i>(fields: &Fields<'_, 'i>) -> Result<Detail<'i>, Refusal> {
    let activity = fields.required_word(Field::Activity, Activity::parse, Activity::ALL)?;
    if activity == Activity::Position {
        fields.required_position(Field::Lon, Field::Lat)?;
    }
    let (azimuth_deg, azimuth_sd_deg) = azimuth(fields)?;
    let (object_lon_deg, object_lat_deg) = fields.position(Field::ObjectLon, Field::ObjectLat)?;
    let row = Report {
        activity,
        hint: hint(fields)?,
        count: fields.number(Field::Count, &COUNT)?,
        count_is_minimum: fields.flag(Field::CountIsMinimum)?,
        azimuth_deg,
        azimuth_sd_deg,
        distance_m: fields.number(Field::DistanceM, &NOT_NEGATIVE)?,
        distance_sd_m: fields.number(Field::DistanceSdM, &POSITIVE)?,
        duration_s: fields.number(Field::DurationS, &NOT_NEGATIVE)?,
        text: Span::default(),
        object_class: Span::default(),
        object_lon_deg,
        object_lat_deg,
        by: Span::default(),
        reason: Span::default(),
    };
    let texts = [
        fields.text(Field::Text)?,
        fields.text(Field::ObjectClass)?,
        fields.text(Field::By)?,
        fields.text(Field::Reason)?,
    ];
    Ok(Detail::Patrol(row, texts))
}

#[cfg(test)]
mod tests {
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
        let fields =
            json!({"time_sd_s": 0.5, "lon": -31, "lat": 46.5, "alt_m": -2, "supersedes": "a0", "withdrawn": true});
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
        let row =
            accepted("track", json!({"identity": "244660000", "object_class": "tank", "course_deg": 0})).observations;
        assert_eq!(row.text(row.tracks.track[0]), "T1");
        assert_eq!((row.text(row.tracks.identity[0]), row.text(row.tracks.object_class[0])), ("244660000", "tank"));
        assert_eq!((row.tracks.object_lon_deg[0], row.tracks.course_deg[0]), (31.0, 0.0));
        assert_eq!(accepted("thermal", json!({"confidence": 1})).observations.thermals.confidence, [1.0]);
        assert_eq!(accepted("interference", json!({"power_dbm": -60})).observations.interferences.power_dbm, [-60.0]);
        let status =
            accepted("status", json!({"health": "tamper", "wind_from_deg": 359.9})).observations.statuses.row(0);
        assert_eq!((status.health, status.wind_from_deg), (Health::Tamper, 359.9));
        let row =
            accepted("patrol", json!({"count": 3, "count_is_minimum": true, "text": "t", "by": "b", "reason": "r"}));
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
        assert_eq!(message, "time_sd_s held an object; expected a number above 0");
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
}
