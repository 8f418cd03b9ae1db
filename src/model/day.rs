//! Calendar days: in UTC, or at a fixed offset from it.

use super::time::{NS_PER_S, Timestamp, parse_rfc3339};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const NS_PER_DAY: i64 = 86_400 * NS_PER_S;

/// A day, counted from 1970-01-01; on the wire `2026-03-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day of an instant where clocks are `offset_s` ahead of UTC.
    pub fn of(time_ns: i64, offset_s: i32) -> Day {
        // The range of the clock is 106,751 days either way.
        Day(time_ns.saturating_add(i64::from(offset_s) * NS_PER_S).div_euclid(NS_PER_DAY) as i32)
    }

    /// The day of that name.
    pub fn parse(text: &str) -> Option<Day> {
        if text.len() != 10 {
            return None;
        }
        parse_rfc3339(format!("{text}T00:00:00Z").as_bytes()).map(|ns| Day::of(ns, 0))
    }

    /// When it begins where clocks are `offset_s` ahead of UTC, nanoseconds. It ends when the next one begins.
    pub fn begins_ns(self, offset_s: i32) -> i64 {
        i64::from(self.0).saturating_mul(NS_PER_DAY).saturating_sub(i64::from(offset_s) * NS_PER_S)
    }

    /// So many days later, or earlier.
    pub fn plus(self, days: i32) -> Day {
        Day(self.0.saturating_add(days))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = Timestamp(self.begins_ns(0)).to_string();
        f.pad(text.split_once('T').map_or(&text, |(date, _)| date))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Day::parse(&text).ok_or_else(|| D::Error::custom(format!("'{text}' is not a day as in 2026-03-01")))
    }
}

impl JsonSchema for Day {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            "description": "A calendar day"
        })
    }
}

/// An offset from UTC as in `+02:00`, in seconds.
pub fn parse_offset_s(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |part: &str, most: i32| {
        let is_plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i32>().ok().filter(|&number| is_plain && number <= most)
    };
    Some(sign * (number(hours, 14)? * 3600 + number(minutes, 59)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_day_has_a_name_and_bounds() {
        let day = Day::parse("2026-03-01").unwrap();
        assert_eq!(day.to_string(), "2026-03-01");
        assert_eq!(Timestamp(day.begins_ns(0)).to_string(), "2026-03-01T00:00:00Z");
        assert_eq!(Timestamp(day.begins_ns(7200)).to_string(), "2026-02-28T22:00:00Z", "it begins earlier in the east");
        assert_eq!(Timestamp(day.plus(1).begins_ns(-1800)).to_string(), "2026-03-02T00:30:00Z");
        for text in ["2026-3-1", "2026-02-30", "2026-03-01T", "today", ""] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn offsets_are_read_as_they_are_written() {
        assert_eq!(
            ["+02:00", "-03:30", "Z", "+00:00"].map(parse_offset_s),
            [Some(7200), Some(-12600), Some(0), Some(0)]
        );
        for text in ["2", "+2:00", "+02:60", "+15:00", "+0200", "", "+-2:00", "é"] {
            assert_eq!(parse_offset_s(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_within_its_day(ns in -9_000_000_000_000_000_000i64..9_000_000_000_000_000_000, offset_s in -50_400i32..=50_400) {
            let day = Day::of(ns, offset_s);
            prop_assert!(day.begins_ns(offset_s) <= ns && ns < day.plus(1).begins_ns(offset_s));
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
        }
    }
}
