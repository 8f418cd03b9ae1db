//! Time to the nanosecond: signed nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
//!
//! The text form is RFC 3339 in UTC with `Z`. Reading and writing it is on the path of every
//! observation, so it is done here without allocation; the calendar arithmetic is Hinnant's
//! `days_from_civil` (<https://howardhinnant.github.io/date_algorithms.html>).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Nanoseconds in a second.
pub const NS_PER_S: i64 = 1_000_000_000;

/// 2000-01-01T00:00:00Z: nothing earlier is a believable observation.
pub const YEAR_2000_NS: i64 = 946_684_800 * NS_PER_S;

/// Seconds to nanoseconds, to the nearest; beyond the range of the clock it stays at the end of it.
pub fn ns_from_s(seconds: f64) -> i64 {
    (seconds * NS_PER_S as f64).round() as i64
}

/// Nanoseconds to seconds. Differences of times keep their precision; absolute times do not.
pub fn s_from_ns(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / NS_PER_S as f64
}

/// An instant on the wire: RFC 3339, UTC, `Z`, up to nine fraction digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, of_day) = (self.0.div_euclid(86_400 * NS_PER_S), self.0.rem_euclid(86_400 * NS_PER_S));
        let (year, month, day) = civil_from_days(days);
        let (second_of_day, fraction) = (of_day / NS_PER_S, of_day % NS_PER_S);
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if fraction != 0 {
            // As many digits as the value needs, in groups of three: .5 s reads .500.
            match (fraction % 1_000_000, fraction % 1_000) {
                (0, _) => write!(f, ".{:03}", fraction / 1_000_000)?,
                (_, 0) => write!(f, ".{:06}", fraction / 1_000)?,
                _ => write!(f, ".{fraction:09}")?,
            }
        }
        f.write_str("Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        parse_rfc3339(text.as_bytes())
            .map(Timestamp)
            .ok_or_else(|| D::Error::custom(format!("'{text}' is not an RFC 3339 time in UTC with Z")))
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?[Zz]$",
            "description": "RFC 3339, UTC with Z, up to nine fraction digits"
        })
    }
}

/// Reads `2025-11-22T13:05:07.123456789Z`. None for anything else: another offset, a date that does not
/// exist, more than nine fraction digits, a leap second, a year outside 1678–2262 (the reach of 64 bits).
pub fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    // Eight bytes at a time: the date, the day and the time, and the last of the time with what comes after it.
    let word = |at: usize| text.get(at..).and_then(|rest| rest.first_chunk()).map(|chunk| u64::from_le_bytes(*chunk));
    let date = pairs(word(0)? ^ u64::from_le_bytes(*b"0000-00-"), b"dddd-dd-")?;
    // Of the T its case does not matter.
    let day = pairs((word(8)? ^ u64::from_le_bytes(*b"00T00:00")) & !(0x20 << 16), b"dd-dd-dd")?;
    let last = pairs((word(12)? ^ u64::from_le_bytes(*b"\0\0\0\0:00\0")) & 0x00ff_ffff_0000_0000, b"-----dd-")?;
    let pair = |pairs: u64, at: usize| u32::from((pairs >> (8 * at)) as u8);
    let (year, month) = (pair(date, 0) * 100 + pair(date, 2), pair(date, 5));
    let (day, hour, minute, second) = (pair(day, 0), pair(day, 3), pair(day, 6), pair(last, 5));
    let fraction = match &text[19..] {
        [b'Z' | b'z'] => 0,
        [b'.', decimals @ .., b'Z' | b'z'] => fraction_ns(decimals, word(text.len() - 9)?)?,
        _ => return None,
    };
    // Years before the first are out of reach, too.
    if year == 0
        || !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    seconds.checked_mul(NS_PER_S)?.checked_add(fraction)
}

/// Of each byte and the next what they make as two digits, if all bytes are as `form` says: `d` a digit, else zero.
#[inline(always)]
fn pairs(word: u64, form: &[u8; 8]) -> Option<u64> {
    // What may be added to a good byte without its top bit being set; to others a bit more is too much.
    let room = u64::from_le_bytes(form.map(|letter| if letter == b'd' { 0x76 } else { 0x7f }));
    let is_good = (word.wrapping_add(room) | word) & 0x8080_8080_8080_8080 == 0;
    is_good.then_some(word.wrapping_mul(1 + (10 << 8)) >> 8)
}

/// One to nine decimals of a second in nanoseconds; `last` are the eight bytes that end with the last decimal.
#[inline(always)]
fn fraction_ns(decimals: &[u8], last: u64) -> Option<i64> {
    let count = decimals.len();
    let (first, digits) = match count {
        1..=8 => (0, last >> (64 - 8 * count) << (64 - 8 * count)),
        9 => (i64::from(decimals[0].wrapping_sub(b'0')), last),
        _ => return None,
    };
    let zeros = 0x3030_3030_3030_3030 << (64 - 8 * count.min(8));
    let pairs = pairs(digits ^ zeros, b"dddddddd")? & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    let eight = (fours.wrapping_mul(1 + (10_000 << 32)) >> 32) as i64;
    (first <= 9).then_some((first * 100_000_000 + eight) * POWERS_OF_TEN[9 - count])
}

const POWERS_OF_TEN: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970 of a date in a year from 1 on.
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    // Years begin in March, so that the day that is not always there is their last.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    i64::from(days) - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants() {
        assert_eq!(parse_rfc3339(b"1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_rfc3339(b"2000-01-01T00:00:00Z"), Some(YEAR_2000_NS));
        assert_eq!(parse_rfc3339(b"2024-02-29T23:59:59.000000001Z"), Some(1_709_251_199_000_000_001));
        assert_eq!(Timestamp(1_709_251_199_500_000_000).to_string(), "2024-02-29T23:59:59.500Z");
    }

    #[test]
    fn what_is_not_a_time() {
        for text in [
            "",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00+00:00",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.1234567890Z",
            "2024-13-01T00:00:00Z",
            "2024-1-01T00:00:00.00Z",
            "9999-01-01T00:00:00Z",
            "2024-01-01T00:00:00.-1Z",
            "２024-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text.as_bytes()), None, "{text}");
        }
    }

    /// The same a byte at a time.
    fn parse_simply(text: &[u8]) -> Option<i64> {
        let (fixed, rest) = text.split_first_chunk::<19>()?;
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't', h1, h2, b':', n1, n2, b':', s1, s2] = fixed
        else {
            return None;
        };
        let mut digits = Digits::default();
        let (year, month) = (digits.pair(y1, y2) * 100 + digits.pair(y3, y4), digits.pair(m1, m2));
        let (day, hour) = (digits.pair(d1, d2), digits.pair(h1, h2));
        let (minute, second) = (digits.pair(n1, n2), digits.pair(s1, s2));
        let fraction = match rest {
            [b'Z' | b'z'] => 0,
            [b'.', decimals @ .., b'Z' | b'z'] if (1..=9).contains(&decimals.len()) => {
                let mut fraction = 0;
                for &decimal in decimals {
                    fraction = fraction * 10 + digits.value(decimal);
                }
                fraction * POWERS_OF_TEN[9 - decimals.len()]
            }
            _ => return None,
        };
        if digits.other
            || !(1..=12).contains(&month)
            || day < 1
            || day > i64::from(days_in_month(year as u32, month as u32))
            || hour > 23
            || minute > 59
            || second > 59
        {
            return None;
        }
        let seconds = days_simply(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        seconds.checked_mul(NS_PER_S)?.checked_add(fraction)
    }

    /// Reads digits without a branch for each, and remembers whether something else was among them.
    #[derive(Default)]
    struct Digits {
        other: bool,
    }

    impl Digits {
        #[inline(always)]
        fn value(&mut self, byte: u8) -> i64 {
            let value = byte.wrapping_sub(b'0');
            self.other |= value > 9;
            i64::from(value)
        }

        #[inline(always)]
        fn pair(&mut self, tens: u8, ones: u8) -> i64 {
            self.value(tens) * 10 + self.value(ones)
        }
    }

    fn days_simply(year: i64, month: i64, day: i64) -> i64 {
        let y = if month <= 2 { year - 1 } else { year };
        let era = y.div_euclid(400);
        let year_of_era = y - era * 400;
        let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    proptest! {
        #[test]
        fn words_read_what_bytes_read(
            text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{0,10})?[Zz]",
            damage in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        ) {
            let mut text = text.into_bytes();
            if let Some((at, byte)) = damage {
                let at = at.index(text.len());
                text[at] = byte;
            }
            prop_assert_eq!(parse_rfc3339(&text), parse_simply(&text), "{}", text.escape_ascii());
        }

        #[test]
        fn text_and_back(ns in -9_000_000_000_000_000_000i64..9_000_000_000_000_000_000) {
            prop_assert_eq!(parse_rfc3339(Timestamp(ns).to_string().as_bytes()), Some(ns));
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_rfc3339(&text);
        }
    }
}
