//! Bytes to columns, in memory, on one thread; beside it the parser's tape alone, which is the roof it works under.

use super::usage::Moment;
use super::{Bench, BenchError, Rate, Step, Watch};
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::model::node::Registry;
use serde::Serialize;
use simd_json::{Buffers, INPUT_PADDING, Tape, fill_tape_padded};
use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

/// Lines in memory: 15 MB, more than the caches hold.
const LINES: usize = 65_536;
/// Lines in one batch of columns, as many as a live run takes at once.
const BATCH: usize = 1_024;

/// What decoding does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Decoded {
    /// Lines to columns.
    pub columns: Rate,
    /// Lines to the parser's tape, and no further.
    pub tape: Rate,
    /// Bytes of a line, on average.
    pub line_bytes: f64,
    /// Lines refused; there should be none.
    pub rejected: u64,
}

impl Bench {
    /// Decodes for half of the time and fills tapes for the other, turn about, so that whatever else the machine does
    /// befalls both alike.
    ///
    /// # Errors
    /// Told to stop before the first round was over.
    pub fn decode(&self, watch: &mut Watch<'_>) -> Result<Decoded, BenchError> {
        let mut load = self.load();
        let mut registry = Registry::new(load.nodes().to_vec());
        let (mut bytes, mut spans) = (Vec::new(), Vec::with_capacity(LINES));
        for _ in 0..LINES {
            let start = bytes.len();
            load.line(&mut bytes);
            spans.push(start..bytes.len());
        }
        let none = Rate { observations: 0, wall_s: 0.0, cpu_s: 0.0 };
        let (mut columns, mut tape, mut rejected) = (none, none, 0);
        let (mut decoder, mut out) = (Decoder::new(DecodeOptions { keep_raw: true }), Lines::default());
        let mut scanner = Scanner::default();
        // Long enough to be told by a clock of 10 ms.
        let turn = (self.duration / 8).clamp(Duration::from_millis(50), Duration::from_secs(1));
        while columns.wall_s + tape.wall_s < self.duration.as_secs_f64() {
            if (watch.stop)() {
                return Err(BenchError::Stopped("decoding"));
            }
            add(&mut columns, turn, || rejected += decode(&mut decoder, &bytes, &spans, &mut registry, &mut out));
            add(&mut tape, turn, || scanner.scan(&bytes, &spans));
            (watch.on)(Step { what: "decoding", done: columns.observations, total: None });
        }
        Ok(Decoded { columns, tape, line_bytes: bytes.len() as f64 / LINES as f64, rejected })
    }
}

/// Works through all lines again and again until the turn is over.
fn add(rate: &mut Rate, turn: Duration, mut work: impl FnMut()) {
    let start = Moment::now();
    let mut observations = 0;
    loop {
        work();
        observations += LINES as u64;
        let spent = start.rate_to(Moment::now(), observations);
        if spent.wall_s >= turn.as_secs_f64() {
            rate.observations += spent.observations;
            rate.wall_s += spent.wall_s;
            rate.cpu_s += spent.cpu_s;
            return;
        }
    }
}

fn decode(decoder: &mut Decoder, bytes: &[u8], spans: &[Range<usize>], nodes: &mut Registry, out: &mut Lines) -> u64 {
    let mut rejected = 0;
    for batch in spans.chunks(BATCH) {
        out.clear();
        for (span, offset) in batch.iter().zip(0..) {
            decoder.record(&bytes[span.clone()], RecordAt { topic: 0, partition: 0, offset }, nodes, out);
        }
        rejected += out.rejected.len() as u64;
        black_box(&out);
    }
    rejected
}

/// The parser's first half, with its buffers reused.
struct Scanner {
    buffers: Buffers,
    scratch: Vec<u8>,
    kept: Tape<'static>,
}

impl Default for Scanner {
    fn default() -> Scanner {
        Scanner { buffers: Buffers::new(4096), scratch: Vec::new(), kept: Tape(Vec::new()) }
    }
}

impl Scanner {
    fn scan(&mut self, bytes: &[u8], spans: &[Range<usize>]) {
        for span in spans {
            self.scratch.clear();
            self.scratch.extend_from_slice(&bytes[span.clone()]);
            self.scratch.resize(span.len() + INPUT_PADDING, b' ');
            let mut tape: Tape<'_> = std::mem::replace(&mut self.kept, Tape(Vec::new()));
            let filled = fill_tape_padded(&mut self.scratch, span.len(), &mut self.buffers, &mut tape);
            black_box((&filled, &tape));
            self.kept = tape.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ground::tests::small;

    #[test]
    fn every_line_of_every_mix_is_decoded() {
        for &mix in crate::simulate::load::Mix::ALL {
            let bench = Bench { mix, duration: Duration::from_millis(100), ..small() };
            let decoded = bench.decode(&mut Watch { stop: &|| false, on: &mut |_| {} }).unwrap();
            assert_eq!(decoded.rejected, 0);
            assert!(decoded.columns.observations > 0 && decoded.tape.observations > 0);
            assert!((150.0..300.0).contains(&decoded.line_bytes));
        }
    }
}
