//! Whatever a record holds: the scanner and the general parser come to the same, and neither panics.
//!
//! `cargo +nightly fuzz run -s none scanner` (docs/fuzzing.md).

#![no_main]

use libfuzzer_sys::fuzz_target;
use truceline::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use truceline::model::node::{Node, Registry};

const AT: RecordAt = RecordAt { topic: 2, partition: 3, offset: 4 };

fn registry() -> Registry {
    let signing = Node { registered: true, public_key: Some([7; 32]), ..Node::unregistered("signs") };
    Registry::new([Node { registered: true, ..Node::unregistered("mic-1") }, signing])
}

/// Every bit of what came of a record: floats are shown so that they can be read back.
fn told(lines: &Lines, registry: &Registry) -> String {
    format!("{lines:?} {:?} {}", registry.nodes(), registry.version())
}

fuzz_target!(|payload: &[u8]| {
    let options = DecodeOptions { keep_raw: true };
    let (mut out, mut nodes) = (Lines::default(), registry());
    Decoder::new(options).record_generally(payload, AT, &mut nodes, &mut out);
    let expected = told(&out, &nodes);
    let mut decoder = Decoder::new(options);
    // The second time the scanner has learnt the lines.
    for _ in 0..2 {
        let (mut out, mut nodes) = (Lines::default(), registry());
        decoder.record(payload, AT, &mut nodes, &mut out);
        assert_eq!(told(&out, &nodes), expected);
    }
});
