//! Texts and numbers in bytes as received, several bytes at a time.
//!
//! Whatever is not plain is `None`: texts with escapes, control characters or letters beyond ASCII, numbers that are
//! no JSON or have more than 18 digits.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// The byte at `at`; 0, which stands nowhere in JSON, past the end.
#[inline(always)]
pub(super) fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// Past a space or several.
#[inline(always)]
pub(super) fn past_spaces(bytes: &[u8], mut at: usize) -> usize {
    while byte(bytes, at) == b' ' {
        at += 1;
    }
    at
}

/// Eight bytes from `at` on, the first one lowest; zeros past the end.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => last_word(bytes, at),
    }
}

#[inline(never)]
fn last_word(bytes: &[u8], at: usize) -> u64 {
    last_double_word(bytes, at) as u64
}

/// Sixteen bytes, of which some are past the end.
#[inline]
fn last_double_word(bytes: &[u8], at: usize) -> u128 {
    let Some(missing) = (at + 16).checked_sub(bytes.len()).filter(|&missing| missing < 16) else { return 0 };
    match bytes.last_chunk() {
        Some(chunk) => u128::from_le_bytes(*chunk) >> (8 * missing),
        None => bytes.iter().skip(at).rev().fold(0, |word, &byte| word << 8 | u128::from(byte)),
    }
}

/// Bits of the bytes that end a plain text: a quote, a backslash, a control character, a letter beyond ASCII. The
/// first byte's bit is the lowest.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn stops(bytes: u128) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    // SAFETY: every x86-64 has SSE2, and nothing here touches memory.
    unsafe {
        let chunk = _mm_set_epi64x((bytes >> 64) as i64, bytes as i64);
        let quote = _mm_cmpeq_epi8(chunk, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(chunk, _mm_set1_epi8(b'\\' as i8));
        // As signed bytes, those beyond ASCII are below all others.
        let odd = _mm_cmplt_epi8(chunk, _mm_set1_epi8(0x20));
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), odd)) as u32
    }
}

/// As above, a byte at a time.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn stops_simply(bytes: u128) -> u32 {
    let is_stop = |byte: u8| !matches!(byte, 0x20..0x80) || matches!(byte, b'"' | b'\\');
    bytes.to_be_bytes().iter().fold(0, |bits, &byte| bits << 1 | u32::from(is_stop(byte)))
}

#[cfg(not(target_arch = "x86_64"))]
use stops_simply as stops;

#[inline(never)]
fn last_stops(bytes: &[u8], at: usize) -> u32 {
    stops(last_double_word(bytes, at))
}

/// Where the closing quote of the text stands that begins at `start`, after its opening quote.
#[inline(always)]
pub(super) fn text_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let stops = match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(chunk) => stops(u128::from_le_bytes(*chunk)),
            None => last_stops(bytes, at),
        };
        if stops != 0 {
            let end = at + stops.trailing_zeros() as usize;
            return (byte(bytes, end) == b'"').then_some(end);
        }
        at += 16;
    }
}

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Digits that 64 bits always hold.
const MAX_DIGITS: usize = 18;

/// Up to this a float holds every whole number.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// The number at `at`, and where it goes on after it. It is the float next to what the text says, as the general
/// parser's is.
///
/// A number of few digits is one division of exact numbers, hence correctly rounded (Clinger, PLDI 1990). Most have
/// their digits and their point within eight bytes.
#[inline(always)]
pub(super) fn number(bytes: &[u8], at: usize) -> Option<(f64, usize)> {
    let negative = byte(bytes, at) == b'-';
    let start = at + usize::from(negative);
    let word = word(bytes, start) ^ (ONES * b'0' as u64);
    let others = others(word);
    let whole = others.trailing_zeros() as usize / 8;
    if others == 0 || whole == 0 || (whole > 1 && word as u8 == 0) {
        let (value, end) = long_number(bytes, at)?;
        return Some((value, end));
    }
    let stop = (word >> (8 * whole)) as u8 ^ b'0';
    let (value, decimals, len) = if stop == b'.' {
        let before_point = word & ((1 << (8 * whole)) - 1);
        let after_point = others & (others - 1);
        let len = after_point.trailing_zeros() as usize / 8;
        if after_point == 0 {
            let (value, decimals) = digits(bytes, start + whole + 1, joined(word, whole))?;
            if decimals > 8 {
                let (value, end) = long_number(bytes, at)?;
                return Some((value, end));
            }
            (value, decimals, whole + 1 + decimals)
        } else if len == whole + 1 {
            return None;
        } else {
            let without_point = before_point | (word >> (8 * whole + 8) << (8 * whole));
            (joined(without_point, len - 1), len - 1 - whole, len)
        }
    } else {
        (joined(word, whole), 0, whole)
    };
    if byte(bytes, start + len) | 0x20 == b'e' {
        let (value, end) = long_number(bytes, at)?;
        return Some((value, end));
    }
    Some((signed(value as f64 / POWERS[decimals], negative, value != 0 || decimals > 0), start + len))
}

/// As [`number`], for any that JSON has and 18 digits hold.
#[inline(never)]
fn long_number(bytes: &[u8], at: usize) -> Option<(f64, usize)> {
    let negative = byte(bytes, at) == b'-';
    let start = at + usize::from(negative);
    let (mut value, whole) = digits(bytes, start, 0)?;
    if whole > 1 && byte(bytes, start) == b'0' {
        return None;
    }
    let mut end = start + whole;
    let (mut exponent, mut is_float) = (0, false);
    if byte(bytes, end) == b'.' {
        let (longer, decimals) = digits(bytes, end + 1, value)?;
        if whole + decimals > MAX_DIGITS {
            return None;
        }
        (value, exponent, is_float) = (longer, -(decimals as i32), true);
        end += 1 + decimals;
    }
    if byte(bytes, end) | 0x20 == b'e' {
        let sign = byte(bytes, end + 1);
        end += 1 + usize::from(matches!(sign, b'+' | b'-'));
        let (power, count) = digits(bytes, end, 0)?;
        if count > 3 {
            return None;
        }
        exponent += if sign == b'-' { -(power as i32) } else { power as i32 };
        is_float = true;
        end += count;
    }
    let size = if !is_float {
        value as f64
    } else if value <= MAX_EXACT && exponent.unsigned_abs() < POWERS.len() as u32 {
        let power = POWERS[exponent.unsigned_abs() as usize];
        if exponent < 0 { value as f64 / power } else { value as f64 * power }
    } else {
        // Rounds correctly whatever the digits.
        let text = std::str::from_utf8(bytes.get(start..end)?).ok()?;
        text.parse().ok().filter(|size: &f64| size.is_finite())?
    };
    Some((signed(size, negative, value != 0 || is_float), end))
}

/// `size` with its sign, if it has one: whole numbers have no negative zero.
#[inline(always)]
fn signed(size: f64, negative: bool, has_sign: bool) -> f64 {
    f64::from_bits(size.to_bits() | u64::from(negative & has_sign) << 63)
}

/// Top bits of the bytes that are above 9. A carry can only set a bit above one that is rightly set, so the lowest is
/// right, and so is the next above a point's.
#[inline(always)]
fn others(word: u64) -> u64 {
    (word.wrapping_add(ONES * 0x76) | word) & TOPS
}

/// The number that the first `count` bytes make, 1 to 8 of 0 to 9 each.
#[inline(always)]
fn joined(word: u64, count: usize) -> u64 {
    // As the last of eight, then joined in pairs, fours and eights.
    let mut joined = word << (64 - 8 * count);
    joined = joined.wrapping_mul(1 + (10 << 8)) >> 8 & 0x00ff_00ff_00ff_00ff;
    joined = joined.wrapping_mul(1 + (100 << 16)) >> 16 & 0x0000_ffff_0000_ffff;
    joined.wrapping_mul(1 + (10_000 << 32)) >> 32
}

/// `value` with the digits from `at` on behind it, and how many they are: 1 to [`MAX_DIGITS`].
#[inline(always)]
fn digits(bytes: &[u8], at: usize, value: u64) -> Option<(u64, usize)> {
    /// What a value is multiplied by to make room for digits behind it.
    const ROOM: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    let word = word(bytes, at) ^ (ONES * b'0' as u64);
    let count = others(word).trailing_zeros() as usize / 8;
    if (1..8).contains(&count) {
        return Some((value.wrapping_mul(ROOM[count]).wrapping_add(joined(word, count)), count));
    }
    many_digits(bytes, at, value)
}

#[inline(never)]
fn many_digits(bytes: &[u8], at: usize, mut value: u64) -> Option<(u64, usize)> {
    let mut count = 0;
    while let digit @ b'0'..=b'9' = byte(bytes, at + count) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        count += 1;
    }
    (1..=MAX_DIGITS).contains(&count).then_some((value, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the general parser makes of it.
    fn parsed(text: &str) -> Option<f64> {
        let mut bytes = text.as_bytes().to_vec();
        let tape = simd_json::to_tape(&mut bytes).ok()?;
        match tape.0[..] {
            [simd_json::Node::Static(simd_json::StaticNode::F64(value))] => Some(value),
            [simd_json::Node::Static(simd_json::StaticNode::I64(value))] => Some(value as f64),
            [simd_json::Node::Static(simd_json::StaticNode::U64(value))] => Some(value as f64),
            _ => None,
        }
    }

    fn check_number(text: &str, after: &str) {
        let bytes = format!("{text}{after}").into_bytes();
        if let Some((value, end)) = number(&bytes, 0) {
            assert_eq!(
                parsed(std::str::from_utf8(&bytes[..end]).unwrap()).map(f64::to_bits),
                Some(value.to_bits()),
                "{text}"
            );
            assert!(end == text.len() || parsed(text).is_none(), "{text}");
        }
    }

    #[test]
    fn plain_numbers_are_read() {
        for text in [
            "0",
            "-0",
            "-0.0",
            "0.0",
            "7",
            "12345678",
            "123456789",
            "9007199254740993",
            "-9007199254740993",
            "999999999999999999",
            "-999999999999999999",
            "0.1",
            "-17.25",
            "31.960599",
            "0.30000000000000004",
            "90071992547409.93",
            "1e22",
            "1E-22",
            "1.5e+3",
            "5e-324",
            "1.7976931348623157e308",
            "1e23",
            "8.5e-320",
            "123456.7",
            "1234567.8",
            "12345678.9",
            "0.12345678",
            "0.00000000000000001",
        ] {
            assert_eq!(number(text.as_bytes(), 0).map(|(_, end)| end), Some(text.len()), "{text}");
            check_number(text, "");
            check_number(text, ",\"a\":12345678");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_the_parser_reads_them(
            text in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,3})?|[-+0-9.eE]{1,9}",
            after in "([,} ][0-9\"a-z]{0,9})?",
        ) {
            check_number(&text, &after);
            check_number(&text, "");
        }

        #[test]
        fn any_float_comes_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for text in [format!("{value:?}"), format!("{value:e}"), format!("{value:.7}")] {
                check_number(&text, "}");
            }
        }

        #[test]
        fn a_text_ends_where_it_ends(bytes in proptest::collection::vec(prop_oneof![9 => 0x20u8..0x80, 1 => any::<u8>()], 0..70), start in 0usize..40) {
            let rest = bytes.get(start..).unwrap_or_default();
            let is_stop = |byte: &u8| *byte < 0x20 || *byte >= 0x80 || matches!(byte, b'"' | b'\\');
            let end = rest.iter().position(is_stop).map(|at| at + start).filter(|&at| bytes[at] == b'"');
            prop_assert_eq!(text_end(&bytes, start), end);
        }

        #[test]
        fn sixteen_bytes_are_looked_at_as_one_is(bytes in any::<u128>(), quotes in any::<u128>()) {
            for bytes in [bytes, bytes & 0x7f7f_7f7f_7f7f_7f7f_7f7f_7f7f_7f7f_7f7f, bytes & quotes, 0x22222222_5c5c5c5c_1f1f1f20_7f7f8080 ^ (bytes & quotes & 0x01010101_01010101_01010101_01010101)] {
                prop_assert_eq!(stops(bytes), stops_simply(bytes));
            }
        }
    }
}
