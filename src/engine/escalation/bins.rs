//! When a bin of event time is due.

use crate::model::time::ns_from_s;

/// Bins without anything that are gone through one by one; a longer gap is passed over.
const MAX_GAP_BINS: i64 = 4_096;

/// By then every node has been heard that is up when a stream begins, s.
const WARM_UP_S: f64 = 900.0;

/// The next bin, if all of it is final by `final_ns`: from and to, nanoseconds. Nothing was heard before `oldest_ns`.
pub fn due(next: &mut Option<i64>, bin_ns: i64, oldest_ns: i64, final_ns: i64) -> Option<(i64, i64)> {
    let warm_ns = oldest_ns.saturating_add(ns_from_s(WARM_UP_S) + bin_ns - 1);
    let newest = final_ns.div_euclid(bin_ns) - 1;
    let at = next.get_or_insert(warm_ns.div_euclid(bin_ns));
    *at = (*at).max(newest - MAX_GAP_BINS);
    (*at <= newest).then_some((*at * bin_ns, (*at + 1) * bin_ns))
}
