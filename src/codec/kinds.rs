//! One object becomes one observation: the common fields, the kind's own, then who sent it.
//!
//! Everything is read before anything is stored, so a refused line leaves no trace in the columns.

use super::bounds::{AIR_TEMPERATURE, ANY, AZIMUTH, COUNT, ELEVATION, NOT_NEGATIVE, POSITIVE, SHARE, WIND_SPEED};
use super::fields::{Field, Fields};
use crate::model::kind::{Activity, Band, Domain, Health, Hint, Kind, Phase};
use crate::model::node::{Node, NodeIx, Registry};
use crate::model::observation::{
    Arrival, Common, Interference, MAX_ID_BYTES, Observations, Origin, Plot, Radar, RadarPoint, Report, Span, Status,
    Thermal, duplicate_key,
};
use crate::model::reject::{Reason, Refusal};

/// Reads an observation into the columns. `raw` is the line as received; it is stored if `keep_raw`.
#[inline]
pub(super) fn read<'i>(
    fields: &impl Fields<'i>,
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
    let supersedes = if fields.has(Field::Supersedes) { fields.name(Field::Supersedes, MAX_ID_BYTES)? } else { b"" };
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
        id: out.store(id),
        key: duplicate_key(node, id),
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

fn kind<'i>(fields: &impl Fields<'i>) -> Result<Kind, Refusal> {
    let text = fields.text(Field::Kind)?;
    match Kind::parse_bytes(text) {
        Some(kind) => Ok(kind),
        None if !fields.has(Field::Kind) => Err(fields.missing(Field::Kind)),
        None => Err(fields.bad(Reason::UnknownKind, Field::Kind, "a kind of the contract")),
    }
}

/// Who sent it: a registered node, whose signature must hold if it has a key, or one that says where it is.
#[inline]
fn sender<'i>(
    fields: &impl Fields<'i>,
    name: &[u8],
    has_position: bool,
    raw: &[u8],
    registry: &mut Registry,
) -> Result<NodeIx, Refusal> {
    if let Some(ix) = registry.find_bytes(name) {
        let standing = registry.standing(ix);
        if standing.signs
            && let Some(key) = &registry.node(ix).public_key
        {
            fields.verify(raw, key)?;
        }
        if standing.registered || has_position {
            return Ok(ix);
        }
    }
    if !has_position {
        let expected = "a registered node, or one that brings its own lon and lat";
        return Err(fields.bad(Reason::UnknownNode, Field::Node, expected));
    }
    registry
        .upsert(Node::unregistered(&String::from_utf8_lossy(name)))
        .ok_or_else(|| fields.bad(Reason::UnknownNode, Field::Node, "a known node: no more can be remembered"))
}

/// What only one kind has, texts still borrowed from the line.
enum Detail<'i> {
    Arrival(Arrival, &'i [u8]),
    Radar(Radar, &'i [u8]),
    Track(Plot, [&'i [u8]; 3]),
    Thermal(Thermal),
    Interference(Interference),
    Status(Status),
    Patrol(Report, [&'i [u8]; 4]),
}

impl<'i> Detail<'i> {
    #[inline]
    fn read(kind: Kind, fields: &impl Fields<'i>) -> Result<Detail<'i>, Refusal> {
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
fn store(out: &mut Observations, text: &[u8]) -> Span {
    if text.is_empty() { Span::default() } else { out.store(text) }
}

/// An azimuth and its standard deviation, degrees.
fn azimuth<'i>(fields: &impl Fields<'i>) -> Result<(f64, f64), Refusal> {
    Ok((fields.number(Field::AzimuthDeg, &AZIMUTH)?, fields.number(Field::AzimuthSdDeg, &POSITIVE)?))
}

fn hint<'i>(fields: &impl Fields<'i>) -> Result<Hint, Refusal> {
    Ok(fields.word(Field::Class, Hint::parse_bytes, Hint::ALL)?.unwrap_or(Hint::Unknown))
}

/// Each kind of wave has its own fields; another kind's are not looked at.
fn arrival<'i>(kind: Kind, fields: &impl Fields<'i>) -> Result<Detail<'i>, Refusal> {
    let mut row = Arrival::BARE;
    let mut emitter: &[u8] = b"";
    match kind {
        Kind::Seismic => {
            row.phase = fields.word(Field::Phase, Phase::parse_bytes, Phase::ALL)?;
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

fn radar<'i>(fields: &impl Fields<'i>) -> Result<Detail<'i>, Refusal> {
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

fn radar_point<'i>(fields: &impl Fields<'i>, field: Field, within: &'static str) -> Result<RadarPoint, Refusal> {
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

fn track<'i>(fields: &impl Fields<'i>) -> Result<Detail<'i>, Refusal> {
    let track = fields.name(Field::Track, usize::MAX)?;
    let domain = fields.required_word(Field::Domain, Domain::parse_bytes, Domain::ALL)?;
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

fn thermal<'i>(fields: &impl Fields<'i>) -> Result<Detail<'i>, Refusal> {
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

fn interference<'i>(fields: &impl Fields<'i>) -> Result<Detail<'i>, Refusal> {
    let band = fields.required_word(Field::Band, Band::parse_bytes, Band::ALL)?;
    let power_dbm = fields.number(Field::PowerDbm, &ANY)?;
    let (azimuth_deg, azimuth_sd_deg) = azimuth(fields)?;
    Ok(Detail::Interference(Interference { band, power_dbm, azimuth_deg, azimuth_sd_deg }))
}

fn status<'i>(fields: &impl Fields<'i>) -> Result<Detail<'i>, Refusal> {
    Ok(Detail::Status(Status {
        health: fields.word(Field::Health, Health::parse_bytes, Health::ALL)?.unwrap_or(Health::Ok),
        clock_sd_s: fields.number(Field::ClockSdS, &POSITIVE)?,
        temperature_c: fields.number(Field::TemperatureC, &AIR_TEMPERATURE)?,
        wind_speed_m_s: fields.number(Field::WindSpeedMS, &WIND_SPEED)?,
        wind_from_deg: fields.number(Field::WindFromDeg, &AZIMUTH)?,
        noise_db: fields.number(Field::NoiseDb, &ANY)?,
    }))
}

/// A position without a position says nothing, so there `lon` and `lat` are required; elsewhere all is optional.
fn patrol<'i>(fields: &impl Fields<'i>) -> Result<Detail<'i>, Refusal> {
    let activity = fields.required_word(Field::Activity, Activity::parse_bytes, Activity::ALL)?;
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
mod tests;
