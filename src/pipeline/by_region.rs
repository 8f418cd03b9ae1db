//! What lies in `telemetry.by-region`, between the two stages of a cluster: the router writes, who correlates reads.
//!
//! A partition of that topic belongs to one part of the regions ([`crate::engine::share`]). In it lie, in an order that
//! holds for good:
//!
//! - **lines** of telemetry, each with the bytes that came and headers that say where it stood;
//! - **progress**: how far event time has come in the partitions of telemetry, whether or not their lines go here, and
//!   which have been read to their ends;
//! - **finals**: events that are final in other parts, and up to when all of theirs are;
//! - **bins**: what each part tells of a bin of event time, in the partition of the one that judges of escalations.

use crate::engine::escalation::telling::BinTold;
use crate::engine::settled::FinalEvent;
use crate::model::observation::Origin;
use serde::{Deserialize, Serialize};

/// The header that says what a record is: `line`, `progress`, `finals` or `bin`.
const WHAT: &str = "truceline.what";
const TOPIC: &str = "truceline.topic";
const PARTITION: &str = "truceline.partition";
const OFFSET: &str = "truceline.offset";
const LINE: &str = "truceline.line";
/// There when another part answers for the line.
const HALO: &str = "truceline.halo";
/// The key under which the line came.
const KEY: &str = "truceline.key";

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A line of telemetry.
    Line,
    /// JSON: a list of [`PartitionProgress`].
    Progress,
    /// JSON: [`Finals`].
    Finals,
    /// JSON: [`BinTold`].
    Bin,
}

impl What {
    const ALL: [(What, &'static str); 4] =
        [(What::Line, "line"), (What::Progress, "progress"), (What::Finals, "finals"), (What::Bin, "bin")];

    fn text(self) -> &'static str {
        What::ALL.iter().find(|(what, _)| *what == self).map_or("", |(_, text)| text)
    }

    /// The headers of a record that is no line.
    pub fn headers(self) -> [(&'static str, &'static [u8]); 1] {
        [(WHAT, self.text().as_bytes())]
    }
}

/// How far a partition of telemetry has come since it was last told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionProgress {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The offset after the last record that was read.
    pub next_offset: i64,
    /// Nodes and the times that they have reached, nanoseconds: the two newest are enough, and all that are far ahead.
    pub heard: Vec<(String, i64)>,
    /// Whether all there is has been read.
    pub ended: bool,
    /// Whether no record has come of any partition for `kafka.close_after_s`.
    pub quiet: bool,
}

/// What other parts are told of final events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finals {
    /// Whose they are.
    pub part: u32,
    /// Those that are new or have changed.
    pub events: Vec<FinalEvent>,
    /// All of that part from before this time are final and have been told, nanoseconds.
    pub settled_ns: i64,
}

/// A record that goes to another part.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The partition of `telemetry.by-region`.
    pub partition: i32,
    /// What it is.
    pub what: ForwardWhat,
}

/// What goes to another part.
#[derive(Clone, Debug)]
pub enum ForwardWhat {
    /// A line, where it stood, and the key it came with.
    Line(Vec<u8>, Origin, Option<Vec<u8>>),
    /// Final events.
    Finals(Finals),
    /// A bin of event time.
    Bin(BinTold),
}

/// Where a line stood, and what it is to the part that it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineHead<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The number of the line in its record.
    pub line: u32,
    /// Whether another part answers for it.
    pub halo: bool,
    /// The key under which it came.
    pub key: Option<&'a [u8]>,
}

impl LineHead<'_> {
    /// Gives its headers to `send`.
    pub fn with_headers<T>(&self, send: impl FnOnce(&[(&str, &[u8])]) -> T) -> T {
        let numbers = (self.partition.to_string(), self.offset.to_string(), self.line.to_string());
        let mut headers: [(&str, &[u8]); 7] = [
            (WHAT, What::Line.text().as_bytes()),
            (TOPIC, self.topic.as_bytes()),
            (PARTITION, numbers.0.as_bytes()),
            (OFFSET, numbers.1.as_bytes()),
            (LINE, numbers.2.as_bytes()),
            (HALO, b"1"),
            (KEY, self.key.unwrap_or_default()),
        ];
        let mut count = 5;
        if self.halo {
            count += 1;
        }
        if self.key.is_some() {
            headers.swap(count, 6);
            count += 1;
        }
        send(&headers[..count])
    }
}

/// Reads what a record is, and where its line stood; `None` for what this program did not write.
pub fn read<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<(What, LineHead<'a>)> {
    fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
        std::str::from_utf8(value).ok()?.parse().ok()
    }
    let mut what = None;
    let mut head = LineHead { topic: "", partition: 0, offset: 0, line: 0, halo: false, key: None };
    for (name, value) in headers {
        match std::str::from_utf8(name).ok()? {
            WHAT => what = What::ALL.iter().find(|(_, text)| text.as_bytes() == value).map(|(what, _)| *what),
            TOPIC => head.topic = std::str::from_utf8(value).ok()?,
            PARTITION => head.partition = number(value)?,
            OFFSET => head.offset = number(value)?,
            LINE => head.line = number(value)?,
            HALO => head.halo = true,
            KEY => head.key = Some(value),
            _ => {}
        }
    }
    Some((what?, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was_sent() {
        for (halo, key) in [(false, None), (true, None), (false, Some(&b"mic-1"[..])), (true, Some(&b""[..]))] {
            let sent = LineHead { topic: "telemetry.sensors", partition: 3, offset: 1 << 40, line: 7, halo, key };
            let headers: Vec<(Vec<u8>, Vec<u8>)> = sent.with_headers(|headers| {
                headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect()
            });
            let back = read(headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
            assert_eq!(back, Some((What::Line, sent)));
        }
    }

    #[test]
    fn what_others_wrote_is_nothing() {
        let headers: [(&[u8], &[u8]); 1] = [(b"traceparent", b"00-1")];
        assert_eq!(read(headers.into_iter()), None);
        let headers: [(&[u8], &[u8]); 2] = [(b"truceline.what", b"line"), (b"truceline.offset", b"x")];
        assert_eq!(read(headers.into_iter()), None);
    }
}
