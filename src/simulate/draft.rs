//! An observation before it has an id and a way to the consumer: who saw what, when, and for which events.

use crate::model::kind::Kind;
use crate::model::time::Timestamp;
use std::fmt::Write as _;

/// The fields that only some kinds have, as JSON text: `,"name":value` after `,"name":value`.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(String);

impl Fields {
    /// None yet.
    pub(super) fn new() -> Fields {
        Fields::default()
    }

    /// Adds a number with so many decimals.
    pub(super) fn number(mut self, name: &str, value: f64, decimals: usize) -> Fields {
        // Writing to a String cannot fail.
        let _ = write!(self.0, ",\"{name}\":{value:.decimals$}");
        self
    }

    /// Adds a whole number.
    pub(super) fn whole(mut self, name: &str, value: u64) -> Fields {
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }

    /// Adds a truth value.
    pub(super) fn truth(mut self, name: &str, value: bool) -> Fields {
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }

    /// Adds a text, escaped as JSON wants it.
    pub(super) fn text(mut self, name: &str, value: &str) -> Fields {
        let _ = write!(self.0, ",\"{name}\":{}", serde_json::Value::from(value));
        self
    }

    /// Adds a time.
    pub(super) fn time(mut self, name: &str, value_ns: i64) -> Fields {
        let _ = write!(self.0, ",\"{name}\":\"{}\"", Timestamp(value_ns));
        self
    }

    /// Adds an object of these fields.
    pub(super) fn object(mut self, name: &str, fields: &Fields) -> Fields {
        let _ = write!(self.0, ",\"{name}\":{{{}}}", fields.0.trim_start_matches(','));
        self
    }

    /// The text, to follow other fields.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An observation before it has an id.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The node, by its place in the world's list.
    pub(super) site: usize,
    /// What it is.
    pub(super) kind: Kind,
    /// When it was sent, by a perfect clock.
    pub(super) sent_ns: i64,
    /// The time it carries.
    pub(super) time_ns: i64,
    /// What else it carries.
    pub(super) fields: Fields,
    /// The events it is evidence for, by their places in the world's list.
    pub(super) events: Vec<usize>,
    /// How long it waits before it is sent on, beyond the usual way: people write reports, satellites come by.
    pub(super) held_s: f64,
}

impl Draft {
    /// An observation that is evidence for nothing and is sent at once.
    pub(super) fn new(site: usize, kind: Kind, time_ns: i64, fields: Fields) -> Draft {
        Draft { site, kind, sent_ns: time_ns, time_ns, fields, events: Vec::new(), held_s: 0.0 }
    }

    /// The same as evidence for `event`.
    pub(super) fn of(mut self, event: usize) -> Draft {
        self.events.push(event);
        self
    }

    /// The same, held back.
    pub(super) fn held(mut self, held_s: f64) -> Draft {
        self.held_s = held_s;
        self
    }

    /// The whole line, without a line end.
    pub(super) fn line(&self, id: &str, node: &str) -> String {
        format!(
            "{{\"id\":\"{id}\",\"node\":\"{node}\",\"kind\":\"{}\",\"time\":\"{}\"{}}}",
            self.kind,
            Timestamp(self.time_ns),
            self.fields.as_str()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_its_texts_hold() {
        let fields = Fields::new()
            .number("amplitude_pa", 0.12345, 3)
            .text("text", "a \"quoted\"\nline")
            .truth("count_is_minimum", true)
            .whole("count", 3)
            .object("origin", &Fields::new().number("lon", 31.5, 1).time("time", 0));
        let line = Draft::new(0, Kind::Acoustic, 1_500_000_000, fields).line("i", "n");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["amplitude_pa"], 0.123);
        assert_eq!(value["text"], "a \"quoted\"\nline");
        assert_eq!(value["origin"]["time"], "1970-01-01T00:00:00Z");
        assert_eq!(value["time"], "1970-01-01T00:00:01.500Z");
        assert_eq!(value["kind"], "acoustic");
    }
}
