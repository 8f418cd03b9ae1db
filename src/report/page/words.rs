//! Numbers, times, places and classes in words for readers.

use crate::model::alert::{Alert, AlertFeature, Class, Sign};
use crate::model::daily::Count;
use crate::model::day::Day;
use crate::model::decision::Verdict;
use crate::model::geo::LonLat;
use crate::model::time::{NS_PER_S, Timestamp};

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count as a table has it: `≥ 12` where it is a lower bound.
pub fn counted(count: Count) -> String {
    let mark = if count.count_is_minimum { "≥ " } else { "" };
    format!("{mark}{}", grouped(count.count))
}

/// A count in a sentence: `at least 12 explosions`, `1 burst`, `no shots`.
pub fn so_many(count: Count, one: &str, many: &str) -> String {
    if count.count == 0 {
        return format!("no {many}");
    }
    let mark = if count.count_is_minimum { "at least " } else { "" };
    let noun = if count.count == 1 { one } else { many };
    format!("{mark}{} {noun}", grouped(count.count))
}

/// A chance to two digits, rounded down: what is not certain is not called so.
pub fn chance(probability: f64) -> String {
    // What is 0.29 in decimals may be a little less in binary.
    format!("{:.2}", ((probability * 100.0 + 1e-9).floor() / 100.0))
}

/// `UTC`, or how far clocks are ahead of it.
pub fn zone(offset_s: i32) -> String {
    if offset_s == 0 {
        return "UTC".to_owned();
    }
    let (sign, minutes) = (if offset_s < 0 { '−' } else { '+' }, offset_s.abs() / 60);
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A date and a time of day, to the second.
pub fn date_time(time_ns: i64, offset_s: i32) -> String {
    let local = Timestamp(time_ns.saturating_add(i64::from(offset_s) * NS_PER_S).div_euclid(NS_PER_S) * NS_PER_S);
    local.to_string().trim_end_matches('Z').replace('T', " ")
}

/// The time of day, with its date where that is not the day in question.
pub fn time_of(time_ns: i64, day: Day, offset_s: i32) -> String {
    let text = date_time(time_ns, offset_s);
    match text.split_once(' ') {
        Some((_, time)) if Day::of(time_ns, offset_s) == day => time.to_owned(),
        _ => text,
    }
}

/// A place in degrees.
pub fn place(place: LonLat) -> String {
    let (north, east) = (if place.lat_deg < 0.0 { 'S' } else { 'N' }, if place.lon_deg < 0.0 { 'W' } else { 'E' });
    format!("{:.5} {north} {:.5} {east}", place.lat_deg.abs(), place.lon_deg.abs())
}

/// An alert in words.
pub fn what(alert: &Alert) -> &'static str {
    match (alert.class, alert.sign) {
        (Class::Interference, Some(Sign::Emitter)) => "radio emitter",
        (Class::Interference, Some(Sign::Jump)) => "identity that jumped",
        (Class::Interference, Some(Sign::Twin)) => "identity at two places",
        (Class::SeaIncursion, Some(Sign::Loitering)) => "vessel lingering",
        (_, Some(Sign::Loitering)) => "aircraft lingering",
        (_, Some(Sign::Cluster)) => "silent sensors, a cluster",
        (of, _) => class(of),
    }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::FireExplosion => "explosion, undetermined",
        Class::FireImpact => "explosion, impact",
        Class::FireOutgoing => "explosion, outgoing",
        Class::FireBurst => "burst",
        Class::FireShot => "shot",
        Class::FireUndetermined => "fire, undetermined",
        Class::IncursionGround => "ground movement",
        Class::IncursionWeapons => "heavy weapons",
        Class::AirIncursion => "aircraft",
        Class::SeaIncursion => "vessel",
        Class::SeaDark => "vessel not reporting",
        Class::Interference => "jamming",
        Class::RestrictionDenied => "passage denied",
        Class::RestrictionDelayed => "passage delayed",
        Class::RestrictionConditional => "passage on conditions",
        Class::SensorSilent => "silent sensor",
        Class::SensorTamper => "tampered sensor",
    }
}

/// What areas and notices say of an alert.
pub fn verdict(alert: &AlertFeature) -> String {
    let alert = &alert.properties;
    match (&alert.notice, alert.violation) {
        (Some(notice), _) => format!("under notice {notice}"),
        (None, true) if alert.areas.is_empty() => "violation".to_owned(),
        (None, true) => format!("violation: {}", alert.areas.join(", ")),
        (None, false) => "no breach".to_owned(),
    }
}

/// Where review stands. To whom something was attributed is not said.
pub fn review(alert: &AlertFeature) -> &'static str {
    match alert.properties.review.as_ref().map(|decision| decision.decision) {
        None => "not reviewed",
        Some(Verdict::Confirmed) => "confirmed",
        Some(Verdict::Dismissed) => "dismissed",
        Some(Verdict::Attributed) => "decided",
        Some(Verdict::MoreEvidence) => "more evidence asked for",
    }
}

/// Text as HTML and SVG want it.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // No document may hold these.
            control if control.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_as_people_write_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let count = Count { count: 1, count_is_minimum: true, ..Count::default() };
        assert_eq!((counted(count), so_many(count, "shot", "shots")), ("≥ 1".to_owned(), "at least 1 shot".to_owned()));
        assert_eq!(so_many(Count::default(), "shot", "shots"), "no shots");
        assert_eq!([0.9999, 0.29, 1.0, 0.0].map(chance), ["0.99", "0.29", "1.00", "0.00"]);
        assert_eq!([0, 7200, -12_600].map(zone), ["UTC", "UTC+02:00", "UTC−03:30"]);
        let (day, noon_ns) = (Day(20_513), Day(20_513).begins_ns(0) + 43_200 * NS_PER_S);
        assert_eq!(time_of(noon_ns + 7, day, 7200), "14:00:00");
        assert_eq!(time_of(noon_ns, day.plus(1), 0), "2026-03-01 12:00:00");
        assert_eq!(place(LonLat { lon_deg: -1.5, lat_deg: -50.25 }), "50.25000 S 1.50000 W");
        assert_eq!(escaped("a<b>&\"\u{7}"), "a&lt;b&gt;&amp;&quot; ");
    }
}
