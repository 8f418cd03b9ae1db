//! An alert in words and figures, as an officer on watch would read them out.

use super::{Row, Verdict};
use crate::model::alert::{self, Sign, Status};
use crate::model::geo::LonLat;
use crate::model::time::{NS_PER_S, Timestamp};
use std::time::Duration;

/// `14:03:07`, UTC.
pub fn clock(time_ns: i64) -> String {
    let second = time_ns.div_euclid(NS_PER_S).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// `2026-03-01 14:03:07`, UTC.
pub fn date_and_clock(time_ns: i64) -> String {
    let whole = Timestamp(time_ns.div_euclid(NS_PER_S).saturating_mul(NS_PER_S)).to_string();
    whole.trim_end_matches('Z').replace('T', " ")
}

/// `46.91234 N 31.52345 E`: five digits are a metre.
pub fn place(place: LonLat) -> String {
    with_digits(place, 5)
}

/// `46.9123 N 31.5235 E`: to some ten metres, where there is less room.
pub fn place_short(place: LonLat) -> String {
    with_digits(place, 4)
}

fn with_digits(place: LonLat, digits: usize) -> String {
    let north = if place.lat_deg < 0.0 { 'S' } else { 'N' };
    let east = if place.lon_deg < 0.0 { 'W' } else { 'E' };
    format!("{:.digits$} {north} {:.digits$} {east}", place.lat_deg.abs(), place.lon_deg.abs())
}

/// `±38 m`, `±1.2 km`; empty for a given place.
pub fn radius(row: &Row) -> String {
    match row.ellipse_m {
        None => String::new(),
        Some((major_m, _)) => format!("±{}", metres(major_m)),
    }
}

/// `38×21 m`: both half axes; empty for a given place.
pub fn ellipse(row: &Row) -> String {
    match row.ellipse_m {
        None => String::new(),
        Some((major_m, minor_m)) if major_m < 1_000.0 => format!("{major_m:.0}×{minor_m:.0} m"),
        Some((major_m, minor_m)) => format!("{:.1}×{:.1} km", major_m / 1_000.0, minor_m / 1_000.0),
    }
}

/// `38 m`, `1.2 km`.
pub fn metres(length_m: f64) -> String {
    if length_m < 1_000.0 { format!("{length_m:.0} m") } else { format!("{:.1} km", length_m / 1_000.0) }
}

/// `fire.impact`, `fire.burst ×3`, `fire.burst ≥3`, `sea.incursion loitering`.
pub fn what(row: &Row) -> String {
    counted(&alert::what(row.class, row.sign), row)
}

/// The same where there is less room: what tells of it says more than the class.
pub fn what_short(row: &Row) -> String {
    counted(row.sign.map_or(row.class.as_str(), Sign::as_str), row)
}

fn counted(what: &str, row: &Row) -> String {
    match (row.count, row.count_is_minimum) {
        (count, true) => format!("{what} ≥{count}"),
        (1, false) => what.to_owned(),
        (count, false) => format!("{what} ×{count}"),
    }
}

/// `VIOLATION disengagement-2`, `notice range-7`, `no breach`; of what was said and is not so, `taken back`.
pub fn verdict(row: &Row) -> String {
    match &row.verdict {
        _ if row.is_renamed => "stands under another id".to_owned(),
        _ if row.status == Status::Retracted => "taken back".to_owned(),
        Verdict::Violation(areas) if areas.is_empty() => "VIOLATION".to_owned(),
        Verdict::Violation(areas) => format!("VIOLATION {}", areas.join(", ")),
        Verdict::Notified(notice) => format!("notice {notice}"),
        Verdict::NoBreach => "no breach".to_owned(),
    }
}

/// The whole alert as one line.
pub fn line(row: &Row) -> String {
    let parts = [
        clock(row.time_ns),
        what(row),
        place(row.place),
        radius(row),
        row.emitter.iter().map(|words| format!("({words})")).collect(),
        format!("{} {:.2}", row.term, shown_p(row.probability)),
        verdict(row),
        row.status.to_string(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `00:42`, `1:00:42`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3600 {
        0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// `412 µs`, `12.3 ms`, `4.1 s`.
pub fn latency(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}
/// A probability to two places, cut and not rounded up: nothing reads as certain that is not.
pub fn shown_p(probability: f64) -> f64 {
    (probability * 100.0 + 1e-9).floor() / 100.0
}
