//! A record becomes lines, a line becomes a row of columns or a refusal.
//!
//! Most lines take the short way ([`Scanner`]), which reads them where they are. The others are copied, with the padding
//! that the general parser wants, because it unescapes in place and the received bytes must stay as they were. Its tape,
//! buffers and the copy are kept from line to line.

use super::fields::{self, Fields};
use super::numbers::tame_numbers;
use super::scan::Scanner;
use super::{decision, kinds};
use crate::model::decision::Decision;
use crate::model::node::Registry;
use crate::model::observation::{Observations, Origin};
use crate::model::reject::{Reason, Refusal};
use simd_json::{Buffers, ErrorType, INPUT_PADDING, Node, Tape, fill_tape_padded};

/// Longest record, in bytes. A longer one is refused whole, as one line.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Longest line of a record, in bytes.
pub const MAX_LINE_BYTES: usize = 64 << 10;

/// Most levels of arrays and objects within each other, the line's own object counted.
pub const MAX_DEPTH: usize = 32;

/// How to decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Whether to keep each accepted line as received, in the column `raw`. Without it, [`line_of`] finds it again
    /// for as long as the record is at hand.
    pub keep_raw: bool,
}

/// Where a record stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordAt {
    /// The topic, as the shell that reads it numbers them.
    pub topic: u16,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl RecordAt {
    fn line(self, line: u32) -> Origin {
        Origin { topic: self.topic, partition: self.partition, offset: self.offset, line }
    }
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// Where it stood.
    pub origin: Origin,
    /// Why.
    pub refusal: Refusal,
    /// The bytes as received, without the line's end; all of a record that is too large.
    pub raw: Vec<u8>,
}

/// A review decision as it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionLine {
    /// Where it stood.
    pub origin: Origin,
    /// What was decided.
    pub decision: Decision,
    /// The bytes as received, without the line's end: should it be refused, they go out untouched.
    pub raw: Vec<u8>,
}

/// What the records decoded so far came to. Each line that is not blank is in exactly one of the three.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Accepted observations, in the order of their lines.
    pub observations: Observations,
    /// Refused lines.
    pub rejected: Vec<RejectedLine>,
    /// Review decisions.
    pub decisions: Vec<DecisionLine>,
}

impl Lines {
    /// Lines held.
    pub fn len(&self) -> usize {
        self.observations.len() + self.rejected.len() + self.decisions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the lines, keeps the memory.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.rejected.clear();
        self.decisions.clear();
    }

    fn reject(&mut self, origin: Origin, refusal: Refusal, raw: &[u8]) {
        self.rejected.push(RejectedLine { origin, refusal, raw: raw.to_vec() });
    }
}

/// The lines of a record, numbered from 0; blank ones have numbers too.
fn lines(payload: &[u8]) -> impl Iterator<Item = (u32, std::ops::Range<usize>)> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', payload).chain(std::iter::once(payload.len()));
    ends.zip(0..).map(move |(end, line)| {
        let range = start..end;
        start = end + 1;
        (line, range)
    })
}

/// The bytes of line number `line` of a record, as [`Decoder::record`] numbers and cuts them.
pub fn line_of(payload: &[u8], line: u32) -> Option<&[u8]> {
    if payload.len() > MAX_RECORD_BYTES {
        return (line == 0).then_some(payload);
    }
    lines(payload).nth(line as usize).map(|(_, range)| &payload[range])
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// Decodes records. One a thread; it keeps its memory between records.
pub struct Decoder {
    options: DecodeOptions,
    scanner: Scanner,
    /// A line and the parser's padding; the parser unescapes strings in it.
    scratch: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Decoder {
    /// A decoder with its buffers at the size of the longest line.
    pub fn new(options: DecodeOptions) -> Decoder {
        Decoder {
            options,
            scanner: Scanner::new(),
            scratch: Vec::new(),
            buffers: Buffers::with_max_depth(MAX_LINE_BYTES, MAX_DEPTH),
            tape: Tape(Vec::new()),
        }
    }

    /// Decodes one record: a JSON object, or several, one a line. Adds to `out` one entry for each line that is not
    /// blank. Nodes that are not registered but say where they are join `registry`. An empty payload has no lines.
    pub fn record(&mut self, payload: &[u8], at: RecordAt, registry: &mut Registry, out: &mut Lines) {
        if payload.len() > MAX_RECORD_BYTES {
            out.reject(at.line(0), too_large("record", payload.len(), MAX_RECORD_BYTES), payload);
            return;
        }
        let (mut line, mut start) = (0, 0);
        while start < payload.len() {
            let rest = &payload[start..];
            let len = match self.short_way(rest, at.line(line), registry, out) {
                Some(len) => len,
                None => {
                    let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    self.long_way(&rest[..len], at.line(line), registry, out);
                    len
                }
            };
            start += len + 1;
            line += 1;
        }
    }

    /// The same by the general parser alone: what the short way is held to, by tests and by a fuzzer.
    #[doc(hidden)]
    pub fn record_generally(&mut self, payload: &[u8], at: RecordAt, registry: &mut Registry, out: &mut Lines) {
        for (line, range) in lines(payload) {
            self.long_way(&payload[range], at.line(line), registry, out);
        }
    }

    /// Decodes the line that `rest` begins with, if it is a plain one and nothing is wrong with it. Returns its length.
    #[inline]
    fn short_way(&mut self, rest: &[u8], origin: Origin, registry: &mut Registry, out: &mut Lines) -> Option<usize> {
        let (fields, len) = self.scanner.scan(rest)?;
        if len > MAX_LINE_BYTES {
            return None;
        }
        accept(&fields, &rest[..len], self.options.keep_raw, origin, registry, out).ok().map(|()| len)
    }

    /// Decodes any line.
    #[inline(never)]
    fn long_way(&mut self, raw: &[u8], origin: Origin, registry: &mut Registry, out: &mut Lines) {
        if is_blank(raw) {
            return;
        }
        let read = if raw.len() > MAX_LINE_BYTES {
            Err(too_large("line", raw.len(), MAX_LINE_BYTES))
        } else {
            self.general(raw, origin, registry, out)
        };
        if let Err(refusal) = read {
            out.reject(origin, refusal, raw);
        }
    }

    /// Decodes a line by the general parser.
    fn general(&mut self, raw: &[u8], origin: Origin, registry: &mut Registry, out: &mut Lines) -> Result<(), Refusal> {
        self.scratch.clear();
        self.scratch.extend_from_slice(raw);
        self.scratch.resize(raw.len() + INPUT_PADDING, b' ');
        let mut tape: Tape<'_> = std::mem::replace(&mut self.tape, Tape(Vec::new()));
        let parsed = fill_tape_padded(&mut self.scratch, raw.len(), &mut self.buffers, &mut tape);
        let (read, kept) = match parsed {
            Ok(()) => (accept_root(&tape.0, raw, self.options.keep_raw, origin, registry, out), tape.reset()),
            Err(error) => {
                let kept = tape.reset();
                (self.second_try(raw, &error, origin, registry, out), kept)
            }
        };
        self.tape = kept;
        read
    }

    /// What the parser refuses may still be JSON: it takes no number that 64 bits cannot hold, wherever it stands.
    /// Such a line is rewritten and parsed again, so that only the field that holds the number is at fault, if any.
    #[cold]
    fn second_try(
        &mut self,
        raw: &[u8],
        error: &simd_json::Error,
        origin: Origin,
        registry: &mut Registry,
        out: &mut Lines,
    ) -> Result<(), Refusal> {
        match error.error() {
            ErrorType::DepthLimitExceeded => {
                return Err(Refusal {
                    reason: Reason::TooDeep,
                    message: format!("the line nests deeper than {MAX_DEPTH} levels; expected at most that many"),
                });
            }
            ErrorType::InvalidNumber => {}
            _ => return Err(not_json(raw, error)),
        }
        let mut rewritten = tame_numbers(raw);
        let len = rewritten.len();
        rewritten.resize(len + INPUT_PADDING, b' ');
        let mut tape = Tape(Vec::new());
        match fill_tape_padded(&mut rewritten, len, &mut self.buffers, &mut tape) {
            Ok(()) => accept_root(&tape.0, raw, self.options.keep_raw, origin, registry, out),
            Err(_) => Err(not_json(raw, error)),
        }
    }
}

/// Reads the object that is a whole tape, if it is one.
fn accept_root(
    nodes: &[Node<'_>],
    raw: &[u8],
    keep_raw: bool,
    origin: Origin,
    registry: &mut Registry,
    out: &mut Lines,
) -> Result<(), Refusal> {
    match fields::Tape::of(nodes, 0, "") {
        Some(fields) => accept(&fields, raw, keep_raw, origin, registry, out),
        None => Err(Refusal {
            reason: Reason::NotJson,
            message: format!("the line held {}; expected a JSON object", start_of(raw)),
        }),
    }
}

/// Reads an object: a decision, or an observation.
#[inline]
fn accept<'i>(
    fields: &impl Fields<'i>,
    raw: &[u8],
    keep_raw: bool,
    origin: Origin,
    registry: &mut Registry,
    out: &mut Lines,
) -> Result<(), Refusal> {
    match decision::find(fields) {
        Some(decision) => out.decisions.push(DecisionLine { origin, decision: decision?, raw: raw.to_vec() }),
        None => kinds::read(fields, raw, keep_raw, origin, registry, &mut out.observations)?,
    }
    Ok(())
}

#[cold]
fn too_large(what: &str, bytes: usize, limit: usize) -> Refusal {
    Refusal { reason: Reason::TooLarge, message: format!("the {what} held {bytes} bytes; expected at most {limit}") }
}

#[cold]
fn not_json(raw: &[u8], error: &simd_json::Error) -> Refusal {
    let (held, at) = (start_of(raw), error.index());
    Refusal {
        reason: Reason::NotJson,
        message: match std::str::from_utf8(raw) {
            Err(utf8) => format!("the line held {held}, not UTF-8 at byte {}; expected JSON", utf8.valid_up_to()),
            Ok(_) if at > 0 => format!("the line held {held}, not JSON at byte {at}; expected a JSON object"),
            Ok(_) => format!("the line held {held}; expected a JSON object"),
        },
    }
}

/// The line's beginning, for a message.
fn start_of(raw: &[u8]) -> String {
    /// Enough to recognise a line by.
    const SHOWN_BYTES: usize = 60;
    let cut = &raw[..raw.len().min(SHOWN_BYTES)];
    format!("{:?}{}", String::from_utf8_lossy(cut), if cut.len() < raw.len() { "…" } else { "" })
}

#[cfg(test)]
mod both_ways;
#[cfg(test)]
mod tests;
