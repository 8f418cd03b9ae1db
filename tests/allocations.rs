//! Decoding allocates nothing once it has run for a while: every allocation of this test's thread is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use truceline::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use truceline::model::node::{Node, Registry};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more; what it allocates is not ours.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches only a thread-local cell, which is
// initialised without allocating.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One record of each kind, as the examples show them, and one of all of them together.
fn records() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let mut records = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        if value.get("kind").is_some() {
            records.push(value.to_string().into_bytes());
        }
    }
    records.push(records.join(&b'\n'));
    records
}

#[test]
fn a_warm_decoder_allocates_nothing() {
    let records = records();
    assert!(records.len() > 12);
    let names =
        ["mic-017", "array-2", "geo-04", "rx-3", "cam-11", "wlr-1", "radar-4", "viirs-n20", "gnss-6", "patrol-7"];
    let mut registry = Registry::new(names.map(|name| Node { registered: true, ..Node::unregistered(name) }));
    for keep_raw in [false, true] {
        let mut decoder = Decoder::new(DecodeOptions { keep_raw });
        let mut lines = Lines::default();
        let mut decode = |rounds: i64| {
            let before = ALLOCATIONS.get();
            let mut observations = 0;
            for offset in 0..rounds {
                lines.clear();
                for record in &records {
                    decoder.record(record, RecordAt { topic: 0, partition: 0, offset }, &mut registry, &mut lines);
                }
                assert_eq!(lines.rejected, []);
                observations += lines.observations.len();
            }
            (ALLOCATIONS.get() - before, observations)
        };
        let (warming, _) = decode(2);
        assert!(warming > 0, "the counter counts");
        let (allocations, observations) = decode(1_000);
        assert!(observations > 20_000);
        assert_eq!(allocations, 0, "in {observations} observations, raw kept: {keep_raw}");
    }
}
