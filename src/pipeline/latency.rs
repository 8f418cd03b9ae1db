//! How latencies are counted, wherever they are.

use hdrhistogram::Histogram;

/// A day, microseconds: what takes longer counts as a day.
const LONGEST_US: u64 = 24 * 3_600 * 1_000_000;
/// Digits kept of each latency.
const DIGITS: u8 = 3;

/// An empty histogram of microseconds.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("bounds and digits are constants that fit")
}
