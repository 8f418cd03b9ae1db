//! Typed access to the properties of a feature, with faults that name the property.

use super::ReferenceError;
use crate::codec::bounds::Bounds;
use crate::model::time::parse_rfc3339;
use serde_json::{Map, Value};

/// The properties of one feature.
pub(super) struct Properties<'v> {
    map: &'v Map<String, Value>,
    at: String,
}

impl<'v> Properties<'v> {
    pub(super) fn new(map: &'v Map<String, Value>, at: String) -> Properties<'v> {
        Properties { map, at }
    }

    /// The value of that name; null is as good as absent.
    fn get(&self, name: &str) -> Option<&'v Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// The refusal of what property `name` holds, or of its absence.
    pub(super) fn fault(&self, name: &str, expected: &str) -> ReferenceError {
        let at = format!("{}.{name}", self.at);
        match self.get(name) {
            Some(held) => ReferenceError::bad(at, held, expected),
            None => ReferenceError::Missing { at, expected: expected.to_owned() },
        }
    }

    /// A text of 1 to `max_bytes` bytes, if it is there.
    pub(super) fn name(&self, name: &str, max_bytes: usize) -> Result<Option<String>, ReferenceError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if (1..=max_bytes).contains(&text.len()) => Ok(Some(text.clone())),
            Some(_) => Err(self.fault(name, &format!("a string of 1 to {max_bytes} bytes"))),
        }
    }

    /// As [`name`](Properties::name), but it must be there.
    pub(super) fn required_name(&self, name: &str, max_bytes: usize) -> Result<String, ReferenceError> {
        self.name(name, max_bytes)?.ok_or_else(|| self.fault(name, &format!("a string of 1 to {max_bytes} bytes")))
    }

    /// A number within `bounds`, if it is there.
    pub(super) fn number(&self, name: &str, bounds: &Bounds) -> Result<Option<f64>, ReferenceError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) if bounds.hold(number) => Ok(Some(number)),
                _ => Err(self.fault(name, bounds.text)),
            },
        }
    }

    /// An instant in nanoseconds, if it is there.
    pub(super) fn time_ns(&self, name: &str) -> Result<Option<i64>, ReferenceError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match value.as_str().and_then(|text| parse_rfc3339(text.as_bytes())) {
                Some(time_ns) => Ok(Some(time_ns)),
                None => Err(self.fault(name, EXPECTED_TIME)),
            },
        }
    }

    /// As [`time_ns`](Properties::time_ns), but it must be there.
    pub(super) fn required_time_ns(&self, name: &str) -> Result<i64, ReferenceError> {
        self.time_ns(name)?.ok_or_else(|| self.fault(name, EXPECTED_TIME))
    }

    /// A member of a vocabulary, if it is there.
    pub(super) fn word<T: Copy + std::fmt::Display>(
        &self,
        name: &str,
        parse: fn(&str) -> Option<T>,
        words: &[T],
    ) -> Result<Option<T>, ReferenceError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match value.as_str().and_then(parse) {
                Some(word) => Ok(Some(word)),
                None => Err(self.fault(name, &format!("one of {}", listed(words)))),
            },
        }
    }

    /// As [`word`](Properties::word), but it must be there.
    pub(super) fn required_word<T: Copy + std::fmt::Display>(
        &self,
        name: &str,
        parse: fn(&str) -> Option<T>,
        words: &[T],
    ) -> Result<T, ReferenceError> {
        self.word(name, parse, words)?.ok_or_else(|| self.fault(name, &format!("one of {}", listed(words))))
    }

    /// A list of members of a vocabulary; empty if it is not there.
    pub(super) fn words<T: Copy + std::fmt::Display>(
        &self,
        name: &str,
        parse: fn(&str) -> Option<T>,
        words: &[T],
    ) -> Result<Vec<T>, ReferenceError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let members: Option<Vec<T>> =
            value.as_array().and_then(|items| items.iter().map(|item| item.as_str().and_then(parse)).collect());
        members.ok_or_else(|| self.fault(name, &format!("a list of any of {}", listed(words))))
    }
}

const EXPECTED_TIME: &str = "an RFC 3339 time in UTC with Z and at most nine decimals";

fn listed<T: std::fmt::Display>(words: &[T]) -> String {
    words.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
