//! The short way from a line to its fields, for lines as gateways send them: one walk over the received bytes.
//!
//! Senders write their keys in the same order line after line. So what key comes next is guessed from the key before
//! it and the line's kind, and the guess is held to the bytes by comparing three words.
//!
//! It refuses nothing. At whatever is out of the ordinary (an escape, a letter beyond ASCII, an object or an array
//! within the line's object, odd white space, a number beyond 18 digits, anything that is no JSON) it gives up, and the
//! general parser has the last word. So has it when a line that was read this way is refused for what it holds.

use super::fields::{Field, Fields, Value};
use super::letters::{byte, number, past_spaces, text_end};
use crate::model::reject::{Reason, Refusal};

/// Guesses for each key before, and one more for the line's beginning; a power of two is found quicker.
const AFTER: usize = 128;
const BEGINNING: usize = Field::ALL.len();

/// Into so many groups lines are sorted by their kind. Two kinds may share one: that costs guesses, nothing else.
const GROUPS: usize = 32;

/// Reads lines, and learns from them which key follows which.
pub(super) struct Scanner {
    next: [[Field; AFTER]; GROUPS],
    /// Whether a space stands after each colon.
    spaced: bool,
    /// What the fields of the last line held. Only those that are present in it mean anything.
    cells: [Cell; Field::ALL.len()],
}

/// How far a line has been read.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    /// The last field, or the line's beginning.
    before: usize,
    group: usize,
    /// One bit for each field that is there and not null.
    present: u128,
}

/// What a field holds; a text by its place in the line.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Number(f64),
    Text { start: u32, end: u32 },
    Flag(bool),
}

/// A key as it stands in a line, from its first quote to where its value begins: a text's after the quote.
#[repr(align(64))]
struct Key {
    bytes: [u8; KEY_BYTES],
    words: [u64; 3],
    masks: [u64; 3],
    len: usize,
    bit: u128,
    is_text: bool,
}

/// Bytes that are compared at once.
const KEY_BYTES: usize = 24;

impl Key {
    const fn of(field: Field, spaced: bool) -> Key {
        let name = field.name().as_bytes();
        let mut bytes = [0; KEY_BYTES];
        bytes[0] = b'"';
        let mut len = 1;
        while len <= name.len() {
            bytes[len] = name[len - 1];
            len += 1;
        }
        bytes[len] = b'"';
        bytes[len + 1] = b':';
        len += 2;
        if spaced {
            bytes[len] = b' ';
            len += 1;
        }
        if field.is_text() {
            bytes[len] = b'"';
            len += 1;
        }
        let mut key =
            Key { bytes, words: [0; 3], masks: [0; 3], len, bit: 1 << field as u32, is_text: field.is_text() };
        let mut at = 0;
        while at < len {
            key.words[at / 8] |= (bytes[at] as u64) << (at % 8 * 8);
            key.masks[at / 8] |= 0xff << (at % 8 * 8);
            at += 1;
        }
        key
    }

    /// Whether it stands at `at`.
    #[inline(always)]
    fn stands_at(&self, bytes: &[u8], at: usize) -> bool {
        let Some(rest) = bytes.get(at..) else { return false };
        let Some(chunk) = rest.first_chunk::<KEY_BYTES>() else { return self.begins(rest) };
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| chunk[at * 8 + byte]));
        let differs = |at: usize| (word(at) ^ self.words[at]) & self.masks[at];
        differs(0) | differs(1) | differs(2) == 0
    }

    /// The same near the end of what was received, where there are fewer bytes than are compared.
    #[inline(never)]
    fn begins(&self, rest: &[u8]) -> bool {
        rest.starts_with(&self.bytes[..self.len])
    }
}

const fn keys(spaced: bool) -> [Key; Field::ALL.len()] {
    let mut keys = [const { Key::of(Field::Id, false) }; Field::ALL.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = Key::of(Field::ALL[at], spaced);
        at += 1;
    }
    keys
}

static KEYS: [[Key; Field::ALL.len()]; 2] = [keys(false), keys(true)];

impl Scanner {
    /// A scanner that has seen nothing yet.
    pub(super) fn new() -> Scanner {
        Scanner { next: [[Field::Id; AFTER]; GROUPS], spaced: false, cells: [Cell::Flag(false); Field::ALL.len()] }
    }

    /// The fields of the object that `bytes` begin with, and how long its line is; the end of a line or of `bytes` must
    /// follow. `None`: the general parser must look at this line.
    #[inline]
    pub(super) fn scan<'i>(&mut self, bytes: &'i [u8]) -> Option<(Scanned<'_, 'i>, usize)> {
        if byte(bytes, 0) != b'{' {
            return None;
        }
        let keys = &KEYS[usize::from(self.spaced)];
        // Apart, and handed over by value, or they would not stay in registers.
        let (mut at, mut before, mut group, mut present) = (1, BEGINNING, 0, 0);
        loop {
            let guess = self.next[group][before];
            let key = &keys[guess as usize];
            let start = at + key.len;
            let is_guessed = key.stands_at(bytes, at);
            if is_guessed && key.is_text {
                let end = text_end(bytes, start)?;
                self.cells[guess as usize] = Cell::Text { start: start as u32, end: end as u32 };
                if guess == Field::Kind {
                    group = group_of(bytes.get(start..end)?);
                }
                (at, before, present) = (end + 1, guess as usize, present | key.bit);
            } else if is_guessed && let Some((value, end)) = number(bytes, start) {
                self.cells[guess as usize] = Cell::Number(value);
                (at, before, present) = (end, guess as usize, present | key.bit);
            } else {
                Place { at, before, group, present } = self.any_member(bytes, Place { at, before, group, present })?;
            }
            match byte(bytes, at) {
                b',' => at += 1 + usize::from(byte(bytes, at + 1) == b' '),
                b'}' => break,
                _ => return None,
            }
        }
        let mut len = at + 1;
        while matches!(byte(bytes, len), b' ' | b'\t' | b'\r') {
            len += 1;
        }
        if !matches!(bytes.get(len), None | Some(b'\n')) {
            return None;
        }
        Some((Scanned { bytes, cells: &self.cells, present }, len))
    }

    /// Reads a key that was not guessed and its value, whatever it is. The comma or brace after it is next.
    #[inline(never)]
    fn any_member(&mut self, bytes: &[u8], mut place: Place) -> Option<Place> {
        let at = past_spaces(bytes, place.at);
        if byte(bytes, at) != b'"' {
            return None;
        }
        let end = text_end(bytes, at + 1)?;
        let field = Field::find(bytes.get(at + 1..end)?);
        if byte(bytes, end + 1) != b':' {
            return None;
        }
        let at = past_spaces(bytes, end + 2);
        self.spaced = at > end + 2;
        let rest = bytes.get(at..)?;
        let (cell, end) = match byte(bytes, at) {
            b'"' => {
                let end = text_end(bytes, at + 1)?;
                (Some(Cell::Text { start: at as u32 + 1, end: end as u32 }), end + 1)
            }
            b'-' | b'0'..=b'9' => number(bytes, at).map(|(value, end)| (Some(Cell::Number(value)), end))?,
            _ if rest.starts_with(b"true") => (Some(Cell::Flag(true)), at + 4),
            _ if rest.starts_with(b"false") => (Some(Cell::Flag(false)), at + 5),
            _ if rest.starts_with(b"null") => (None, at + 4),
            _ => return None,
        };
        if let Some(field) = field {
            self.next[place.group][place.before] = field;
            place.before = field as usize;
            let bit = 1 << field as u32;
            place.present = if cell.is_some() { place.present | bit } else { place.present & !bit };
            if let Some(cell) = cell {
                self.cells[field as usize] = cell;
                if let (Field::Kind, Cell::Text { start, end }) = (field, cell) {
                    place.group = group_of(bytes.get(start as usize..end as usize)?);
                }
            }
        }
        place.at = past_spaces(bytes, end);
        Some(place)
    }
}

/// A line's group by the text of its kind: another one for each kind of the contract.
#[inline(always)]
fn group_of(kind: &[u8]) -> usize {
    let (Some(&first), Some(&last)) = (kind.first(), kind.last()) else { return 0 };
    (kind.len() + 2 * usize::from(first) + 10 * usize::from(last)) % GROUPS
}

/// The fields of a line that was read the short way.
pub(super) struct Scanned<'s, 'i> {
    bytes: &'i [u8],
    cells: &'s [Cell; Field::ALL.len()],
    present: u128,
}

impl Scanned<'_, '_> {
    /// Nobody sees it: the general parser is asked then.
    #[cold]
    fn left_to_the_general_parser(reason: Reason) -> Refusal {
        Refusal { reason, message: String::new() }
    }
}

impl<'i> Fields<'i> for Scanned<'_, 'i> {
    #[inline(always)]
    fn value(&self, field: Field) -> Value<'i> {
        if !self.has(field) {
            return Value::Absent;
        }
        match self.cells[field as usize] {
            Cell::Number(value) => Value::Number(value),
            Cell::Text { start, end } => match self.bytes.get(start as usize..end as usize) {
                Some(text) => Value::Text(text),
                None => Value::Absent,
            },
            Cell::Flag(flag) => Value::Flag(flag),
        }
    }

    #[inline(always)]
    fn has(&self, field: Field) -> bool {
        self.present & (1 << field as u32) != 0
    }

    fn object(&self, _: Field, _: &'static str) -> Option<impl Fields<'i>> {
        None::<Scanned<'_, 'i>>
    }

    fn verify(&self, _: &[u8], _: &[u8; 32]) -> Result<(), Refusal> {
        // It costs a hundred times what the short way saves; to check it twice, should it not hold, would be worse.
        Err(Scanned::left_to_the_general_parser(Reason::BadSignature))
    }

    fn missing(&self, _: Field) -> Refusal {
        Scanned::left_to_the_general_parser(Reason::MissingField)
    }

    fn bad(&self, reason: Reason, _: Field, _: &str) -> Refusal {
        Scanned::left_to_the_general_parser(reason)
    }

    fn within(&self) -> &'static str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kind::Kind;

    #[test]
    fn each_kind_has_a_group_of_its_own() {
        let groups: std::collections::BTreeSet<usize> =
            Kind::ALL.iter().map(|kind| group_of(kind.as_str().as_bytes())).collect();
        assert_eq!(groups.len(), Kind::ALL.len());
        assert!(!groups.contains(&0), "that is for what comes before the kind");
    }

    #[test]
    fn a_plain_line_is_read_and_learnt() {
        let line =
            br#"{"id":"a1","node":"mic-1","kind":"status","noise_db":-4.50,"battery":3,"lon":null,"withdrawn":true}"#;
        let spaced = String::from_utf8_lossy(line).replace(':', ": ").replace(',', ", ").into_bytes();
        let mut scanner = Scanner::new();
        for line in [line.to_vec(), line.to_vec(), spaced.clone(), spaced, [line, &b" \r\n{"[..]].concat()] {
            let (fields, len) = scanner.scan(&line).unwrap();
            assert_eq!(line[len - 1] == b'\r', line.last() == Some(&b'{'));
            assert_eq!(fields.value(Field::Node), Value::Text(b"mic-1"));
            assert_eq!(fields.value(Field::NoiseDb), Value::Number(-4.5));
            assert_eq!(fields.value(Field::Lon), Value::Absent);
            assert_eq!(fields.value(Field::Withdrawn), Value::Flag(true));
            assert!(!fields.has(Field::Lat));
        }
        let group = group_of(b"status");
        assert_eq!(scanner.next[0][Field::Id as usize], Field::Node);
        assert_eq!(scanner.next[group][Field::Kind as usize], Field::NoiseDb);
        assert_eq!(scanner.next[group][Field::Lon as usize], Field::Withdrawn);
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_alone() {
        for line in [
            "",
            "{",
            "{}",
            "[]",
            "{\"id\"",
            "{\"id\":",
            "{\"id\":\"a",
            "{\"id\":\"a\"",
            "{\"id\":\"a\",}",
            "{\"id\":\"a\"}}",
            "{\"id\":\"a\"} x",
            "{\"id\" :\"a\"}",
            "{\"id\":\t\"a\"}",
            "{\"id\":\"a\\u0062\"}",
            "{\"id\":\"\u{e9}\"}",
            "{\"i\u{e9}\":1}",
            "{\"id\":\"a\nb\"}",
            "{\"id\":\"a\"\n}",
            "{\"x\":{}}",
            "{\"x\":[]}",
            "{\"x\":truth}",
            "{\"x\":01}",
            "{\"x\":1.}",
            "{\"x\":.1}",
            "{\"x\":-}",
            "{\"x\":1e}",
            "{\"x\":1e400}",
            "{\"x\":1234567890123456789}",
        ] {
            let mut scanner = Scanner::new();
            for _ in 0..3 {
                assert!(scanner.scan(line.as_bytes()).is_none(), "{line}");
            }
        }
    }
}
