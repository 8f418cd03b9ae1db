//! The fields of one object, read by type and range: a trait for whoever has found them, and the way that finds them on
//! the general parser's tape, by name in one pass.
//!
//! A name is looked up in a small hash table that the compiler builds. Names that are not in it are not looked at
//! again. Of a name that comes twice the last holds; `null` is as good as absent.

use super::bounds::{Bounds, LATITUDE, LONGITUDE};
use super::numbers::is_beyond_f64;
use super::signature;
use crate::model::reject::{MAX_VALUE_CHARS, Reason, Refusal};
use crate::model::time::{YEAR_2000_NS, parse_rfc3339};
use simd_json::{Node, StaticNode};

/// Declares the names the contract knows, one [`Field`] each.
macro_rules! names {
    ($($field:ident = $name:literal),+ $(,)?) => {
        /// A field of the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Field { $($field),+ }
        impl Field {
            /// Every field.
            pub(super) const ALL: &'static [Field] = &[$(Field::$field),+];
            const NAMES: &'static [&'static str] = &[$($name),+];
        }
    };
}

names! {
    Id = "id", Node = "node", Kind = "kind", Time = "time", TimeSdS = "time_sd_s", Lon = "lon", Lat = "lat",
    AltM = "alt_m", Supersedes = "supersedes", Withdrawn = "withdrawn", AmplitudePa = "amplitude_pa",
    AmplitudeMS = "amplitude_m_s", SnrDb = "snr_db", AzimuthDeg = "azimuth_deg", AzimuthSdDeg = "azimuth_sd_deg",
    Class = "class", TraceVelocityMS = "trace_velocity_m_s", Phase = "phase", FrequencyHz = "frequency_hz",
    PowerDbm = "power_dbm", Emitter = "emitter", ElevationDeg = "elevation_deg", Intensity = "intensity",
    Origin = "origin", Impact = "impact", Projectile = "projectile", SemiMajorM = "semi_major_m",
    SemiMinorM = "semi_minor_m", OrientationDeg = "orientation_deg", Track = "track", Domain = "domain",
    SpeedMS = "speed_m_s", CourseDeg = "course_deg", ObjectClass = "object_class", Identity = "identity",
    ObjectLon = "object_lon", ObjectLat = "object_lat", ObjectAltM = "object_alt_m", ObjectSdM = "object_sd_m",
    PixelM = "pixel_m", FrpMw = "frp_mw", Confidence = "confidence", Band = "band", Health = "health",
    ClockSdS = "clock_sd_s", TemperatureC = "temperature_c", WindSpeedMS = "wind_speed_m_s",
    WindFromDeg = "wind_from_deg", NoiseDb = "noise_db", Activity = "activity", Count = "count",
    CountIsMinimum = "count_is_minimum", DistanceM = "distance_m", DistanceSdM = "distance_sd_m",
    DurationS = "duration_s", Text = "text", By = "by", Reason = "reason", Alert = "alert", Decision = "decision",
    Revision = "revision", Attribution = "attribution", At = "at", Signature = "signature", Data = "data",
    SpecVersion = "specversion",
}

/// Slots of the table of names: a power of two, more than twice the names, so that probing is short and ends.
const TABLE_SLOTS: usize = 256;

/// A slot of the table that holds no name.
const NO_NAME: u8 = u8::MAX;

const TABLE: [u8; TABLE_SLOTS] = table();

const fn table() -> [u8; TABLE_SLOTS] {
    assert!(Field::NAMES.len() * 2 < TABLE_SLOTS && Field::NAMES.len() < NO_NAME as usize);
    let mut table = [NO_NAME; TABLE_SLOTS];
    let mut at = 0;
    while at < Field::NAMES.len() {
        let mut slot = slot_of(Field::NAMES[at].as_bytes());
        while table[slot] != NO_NAME {
            slot = (slot + 1) % TABLE_SLOTS;
        }
        table[slot] = at as u8;
        at += 1;
    }
    table
}

/// Where to look for a name first: by its length and three of its letters. An empty name has no slot. The factors
/// were searched for until no two of today's names met; two that do in future only cost a step.
const fn slot_of(name: &[u8]) -> usize {
    let len = name.len();
    let mixed = (len as u32).wrapping_mul(0x19ec_2dfb)
        ^ (name[0] as u32).wrapping_mul(0x9d39_29c5)
        ^ (name[len / 2] as u32).wrapping_mul(0xbc17_5dad)
        ^ (name[len - 1] as u32).wrapping_mul(0x7bf8_b811);
    (mixed >> 24) as usize % TABLE_SLOTS
}

impl Field {
    /// Whether it is meant to hold a text. A sender may do otherwise, and will hear of it.
    pub(super) const fn is_text(self) -> bool {
        use Field::*;
        matches!(
            self,
            Id | Node
                | Kind
                | Time
                | Supersedes
                | Class
                | Phase
                | Emitter
                | Projectile
                | Track
                | Domain
                | ObjectClass
                | Identity
                | Band
                | Health
                | Activity
                | Text
                | By
                | Reason
                | Alert
                | Decision
                | Attribution
                | At
                | Signature
                | SpecVersion
        )
    }

    /// The name on the wire.
    pub(super) const fn name(self) -> &'static str {
        Field::NAMES[self as usize]
    }

    /// The field of that name.
    #[inline]
    pub(super) fn find(name: &[u8]) -> Option<Field> {
        if name.is_empty() {
            return None;
        }
        let mut slot = slot_of(name);
        loop {
            let at = TABLE[slot];
            if at == NO_NAME {
                return None;
            }
            if is_same(Field::NAMES[usize::from(at)].as_bytes(), name) {
                return Some(Field::ALL[usize::from(at)]);
            }
            slot = (slot + 1) % TABLE_SLOTS;
        }
    }
}

/// Whether two short texts are the same, by overlapping words: a call to compare a dozen bytes costs more.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    #[inline(always)]
    fn ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
        one.first_chunk::<N>() == other.first_chunk::<N>() && one.last_chunk::<N>() == other.last_chunk::<N>()
    }
    match one.len() {
        17.. => one == other,
        8..=16 => ends::<8>(one, other),
        4..=7 => ends::<4>(one, other),
        2..=3 => ends::<2>(one, other),
        _ => one == other,
    }
}

/// What a field holds, as far as the contract has a use for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'i> {
    /// It is not there, or null.
    Absent,
    /// A number.
    Number(f64),
    /// A text in UTF-8, its escapes undone.
    Text(&'i [u8]),
    /// `true` or `false`.
    Flag(bool),
    /// An object or an array.
    Nested,
}

/// The known fields of one object.
pub(super) trait Fields<'i> {
    /// What the field holds.
    fn value(&self, field: Field) -> Value<'i>;

    /// The object in that field, if it holds one.
    fn object(&self, field: Field, within: &'static str) -> Option<impl Fields<'i>>;

    /// Checks the signature of `raw`, the line whose fields these are.
    fn verify(&self, raw: &[u8], public_key: &[u8; 32]) -> Result<(), Refusal>;

    /// The refusal of an object that lacks `field`.
    fn missing(&self, field: Field) -> Refusal;

    /// The refusal of what `field` holds.
    fn bad(&self, reason: Reason, field: Field, expected: &str) -> Refusal;

    /// Whether the field is there and not null.
    #[inline(always)]
    fn has(&self, field: Field) -> bool {
        self.value(field) != Value::Absent
    }

    /// A number within `bounds`; NaN if absent.
    #[inline(always)]
    fn number(&self, field: Field, bounds: &Bounds) -> Result<f64, Refusal> {
        self.number_or(field, bounds, Reason::BadField)
    }

    /// A longitude and a latitude, degrees; NaN if both are absent. One alone is no position.
    #[inline]
    fn position(&self, lon: Field, lat: Field) -> Result<(f64, f64), Refusal> {
        let lon_deg = self.number_or(lon, &LONGITUDE, Reason::BadPosition)?;
        let lat_deg = self.number_or(lat, &LATITUDE, Reason::BadPosition)?;
        match (lon_deg.is_nan(), lat_deg.is_nan()) {
            (false, true) => Err(self.alone(lat, lon)),
            (true, false) => Err(self.alone(lon, lat)),
            _ => Ok((lon_deg, lat_deg)),
        }
    }

    /// As [`position`](Fields::position), but it must be there.
    #[inline]
    fn required_position(&self, lon: Field, lat: Field) -> Result<(f64, f64), Refusal> {
        match (self.has(lon), self.has(lat)) {
            (false, _) => Err(self.missing(lon)),
            (_, false) => Err(self.missing(lat)),
            _ => self.position(lon, lat),
        }
    }

    /// A number, with the code that an outlier gets. A wrong type is always `bad_field`.
    #[inline(always)]
    fn number_or(&self, field: Field, bounds: &Bounds, outside: Reason) -> Result<f64, Refusal> {
        match self.value(field) {
            Value::Absent => Ok(f64::NAN),
            Value::Number(value) if bounds.hold(value) => Ok(value),
            Value::Number(_) => Err(self.bad(outside, field, bounds.text)),
            _ => Err(self.bad(Reason::BadField, field, bounds.text)),
        }
    }

    /// A text; empty if absent.
    #[inline]
    fn text(&self, field: Field) -> Result<&'i [u8], Refusal> {
        match self.value(field) {
            Value::Absent => Ok(b""),
            Value::Text(text) => Ok(text),
            _ => Err(self.bad(Reason::BadField, field, "a string")),
        }
    }

    /// A text that must be there, of 1 to `max_bytes` bytes.
    #[inline]
    fn name(&self, field: Field, max_bytes: usize) -> Result<&'i [u8], Refusal> {
        if !self.has(field) {
            return Err(self.missing(field));
        }
        let text = self.text(field)?;
        if text.is_empty() || text.len() > max_bytes {
            return Err(self.bad_name(field, max_bytes));
        }
        Ok(text)
    }

    /// `true` or `false`; false if absent.
    #[inline]
    fn flag(&self, field: Field) -> Result<bool, Refusal> {
        match self.value(field) {
            Value::Absent => Ok(false),
            Value::Flag(flag) => Ok(flag),
            _ => Err(self.bad(Reason::BadField, field, "true or false")),
        }
    }

    /// A member of a vocabulary, read by `parse`; `None` if absent. `words` are its members, for the message.
    #[inline]
    fn word<T: Copy + std::fmt::Display>(
        &self,
        field: Field,
        parse: impl Fn(&[u8]) -> Option<T>,
        words: &[T],
    ) -> Result<Option<T>, Refusal> {
        let word = match self.value(field) {
            Value::Absent => return Ok(None),
            Value::Text(text) => parse(text),
            _ => None,
        };
        if word.is_some() { Ok(word) } else { Err(self.bad_word(field, words)) }
    }

    /// As [`word`](Fields::word), but it must be there.
    #[inline]
    fn required_word<T: Copy + std::fmt::Display>(
        &self,
        field: Field,
        parse: impl Fn(&[u8]) -> Option<T>,
        words: &[T],
    ) -> Result<T, Refusal> {
        self.word(field, parse, words)?.ok_or_else(|| self.missing(field))
    }

    /// A time from 2000 on, nanoseconds. It must be there.
    #[inline]
    fn time_ns(&self, field: Field) -> Result<i64, Refusal> {
        let time_ns = match self.value(field) {
            Value::Absent => return Err(self.missing(field)),
            Value::Text(text) => parse_rfc3339(text),
            _ => None,
        };
        match time_ns {
            Some(time_ns) if time_ns >= YEAR_2000_NS => Ok(time_ns),
            Some(_) => Err(self.bad(Reason::BadTime, field, "a time from the year 2000 on")),
            None => Err(self.bad(Reason::BadTime, field, "an RFC 3339 time in UTC with Z and at most nine decimals")),
        }
    }

    #[cold]
    fn bad_word<T: std::fmt::Display>(&self, field: Field, words: &[T]) -> Refusal {
        self.bad(Reason::BadField, field, &one_of(words))
    }

    #[cold]
    fn bad_name(&self, field: Field, max_bytes: usize) -> Refusal {
        self.bad(Reason::BadField, field, &format!("a string of 1 to {max_bytes} bytes"))
    }

    #[cold]
    fn alone(&self, absent: Field, present: Field) -> Refusal {
        self.bad(Reason::BadPosition, present, &format!("to come with {}{}", self.within(), absent.name()))
    }

    /// Prefixed to names in messages.
    fn within(&self) -> &'static str;
}

/// The known fields of one object on a tape.
pub(super) struct Tape<'t, 'i> {
    nodes: &'t [Node<'i>],
    /// Where each field's value stands on the tape; 0, where the root stands, is an absent field.
    slots: [u32; Field::NAMES.len()],
    /// Prefixed to names in messages: `impact.` within an impact.
    within: &'static str,
}

impl<'t, 'i> Tape<'t, 'i> {
    /// The fields of the object that starts at `at`; `None` if no object does.
    #[inline]
    pub(super) fn of(nodes: &'t [Node<'i>], at: usize, within: &'static str) -> Option<Tape<'t, 'i>> {
        let Some(&Node::Object { len, .. }) = nodes.get(at) else { return None };
        let mut fields = Tape { nodes, slots: [0; Field::NAMES.len()], within };
        let mut at = at + 1;
        for _ in 0..len {
            let (Some(Node::String(name)), Some(value)) = (nodes.get(at), nodes.get(at + 1)) else { return None };
            if let Some(field) = Field::find(name.as_bytes()) {
                let absent = matches!(value, Node::Static(StaticNode::Null));
                fields.slots[field as usize] = if absent { 0 } else { at as u32 + 1 };
            }
            at += match *value {
                Node::Object { count, .. } | Node::Array { count, .. } => count + 2,
                Node::String(_) | Node::Static(_) => 2,
            };
        }
        Some(fields)
    }

    /// The value at `at` as a message shows it.
    fn shown(&self, at: usize) -> String {
        match self.nodes.get(at) {
            Some(Node::String(text)) => format!("{:?}", cut(text)),
            Some(Node::Static(value)) => value.to_string(),
            Some(Node::Object { .. }) => "an object".to_owned(),
            Some(Node::Array { len: 1, .. }) => match self.nodes.get(at + 1) {
                // A number too large for 64 bits stands on the tape as an array of its text.
                Some(Node::String(text)) if is_beyond_f64(text) => cut(text).to_owned(),
                _ => "an array".to_owned(),
            },
            Some(Node::Array { .. }) => "an array".to_owned(),
            None => String::new(),
        }
    }
}

impl<'i> Fields<'i> for Tape<'_, 'i> {
    #[inline(always)]
    fn value(&self, field: Field) -> Value<'i> {
        let at = self.slots[field as usize] as usize;
        if at == 0 {
            return Value::Absent;
        }
        match self.nodes[at] {
            Node::Static(StaticNode::F64(value)) => Value::Number(value),
            Node::Static(StaticNode::I64(value)) => Value::Number(value as f64),
            Node::Static(StaticNode::U64(value)) => Value::Number(value as f64),
            Node::Static(StaticNode::Bool(flag)) => Value::Flag(flag),
            Node::Static(StaticNode::Null) => Value::Absent,
            Node::String(text) => Value::Text(text.as_bytes()),
            Node::Object { .. } | Node::Array { .. } => Value::Nested,
        }
    }

    #[inline(always)]
    fn has(&self, field: Field) -> bool {
        self.slots[field as usize] != 0
    }

    fn object(&self, field: Field, within: &'static str) -> Option<impl Fields<'i>> {
        let at = self.slots[field as usize] as usize;
        if at == 0 { None } else { Tape::of(self.nodes, at, within) }
    }

    fn verify(&self, raw: &[u8], public_key: &[u8; 32]) -> Result<(), Refusal> {
        signature::verify(raw, public_key).map_err(signature::SignatureError::refusal)
    }

    #[cold]
    fn missing(&self, field: Field) -> Refusal {
        Refusal {
            reason: Reason::MissingField,
            message: format!("{}{} is missing; it is required here", self.within, field.name()),
        }
    }

    #[cold]
    fn bad(&self, reason: Reason, field: Field, expected: &str) -> Refusal {
        let held = self.shown(self.slots[field as usize] as usize);
        Refusal::field(reason, &format!("{}{}", self.within, field.name()), &held, expected)
    }

    fn within(&self) -> &'static str {
        self.within
    }
}

/// As much of a text as a message can hold and one character more, so that it is seen to be cut.
fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_VALUE_CHARS + 1).map_or(text, |(at, _)| &text[..at])
}

#[cold]
fn one_of<T: std::fmt::Display>(words: &[T]) -> String {
    let words: Vec<String> = words.iter().map(T::to_string).collect();
    format!("one of {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for &field in Field::ALL {
            assert_eq!(Field::find(field.name().as_bytes()), Some(field));
            assert_eq!(Field::find(format!("{}_", field.name()).as_bytes()), None);
        }
        assert_eq!(Field::find(b""), None);
        assert_eq!(Field::find(b"Id"), None);
    }

    proptest! {
        #[test]
        fn comparing_by_words_is_comparing(
            text in proptest::collection::vec(any::<u8>(), 0..30),
            at in any::<proptest::sample::Index>(),
            flip in 1u8..,
        ) {
            prop_assert!(is_same(&text, &text.clone()));
            if !text.is_empty() {
                let mut other = text.clone();
                other[at.index(text.len())] ^= flip;
                prop_assert!(!is_same(&text, &other));
                prop_assert!(!is_same(&text, &text[1..]));
            }
        }
    }

    #[test]
    fn looking_up_a_name_takes_few_steps() {
        let steps = |name: &str| {
            let mut slot = slot_of(name.as_bytes());
            let mut steps = 1;
            while Field::NAMES[usize::from(TABLE[slot])] != name {
                slot = (slot + 1) % TABLE_SLOTS;
                steps += 1;
            }
            steps
        };
        let longest = Field::NAMES.iter().map(|name| steps(name)).max();
        assert!(longest <= Some(3), "{longest:?}");
    }
}
