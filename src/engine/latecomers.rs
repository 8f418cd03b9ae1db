//! Lines that are late by the order of their own partition, until event time is where it would have been had all
//! partitions been read as they came.
//!
//! A line that is late takes no part in what is settled without it, and amends what was. While a backlog is read, some
//! partitions are far ahead of others, and event time stands with the last: a late line of the first would still be in
//! time. So that it does not depend on the pace, such a line waits. Waiting ends at even seconds of event time, and
//! what was settled up to then is settled before: so it meets the same state whenever it was read.

use super::progress::Partition;
use crate::model::kind::Kind;
use crate::model::observation::Observations;
use crate::model::time::NS_PER_S;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most lines that wait; beyond, they are taken in at once.
pub const MAX_WAITING: usize = 65_536;

/// Waiting ends at multiples of this.
const STEP_NS: i64 = 2 * NS_PER_S;

/// The lines that wait.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Latecomers {
    /// By when their waiting ends, nanoseconds; each with the clock of its node as last reported before it, one sigma, s.
    by_due: BTreeMap<i64, (Observations, Vec<f64>)>,
    len: usize,
}

impl Latecomers {
    /// Whether it matters for what a line tells when it comes. What a patrol or a node says of itself counts whenever it
    /// comes, and must not wait: were it forgotten in a crash, who comes after would take it for said.
    pub fn concerns(kind: Kind) -> bool {
        use Kind::{Acoustic, Flash, Infrasound, Interference, Radar, Seismic, Track};
        matches!(kind, Acoustic | Seismic | Infrasound | Flash | Radar | Track | Interference)
    }

    /// When the waiting ends of a line that its own partition has passed by that time.
    pub fn due_ns(passed_ns: i64) -> i64 {
        passed_ns.saturating_add(STEP_NS - 1).div_euclid(STEP_NS).saturating_mul(STEP_NS)
    }

    /// Lets a line wait; false when there is no room.
    pub fn wait(&mut self, batch: &Observations, row: usize, due_ns: i64, clock_sd_s: f64) -> bool {
        if self.len >= MAX_WAITING {
            return false;
        }
        self.len += 1;
        let (lines, clocks_sd_s) = self.by_due.entry(due_ns).or_default();
        lines.copy_row(batch, row);
        clocks_sd_s.push(clock_sd_s);
        true
    }

    /// The first whose waiting ends by that time, and all that wait as long: when that is, and they.
    pub fn next(&mut self, by_ns: i64) -> Option<(i64, Observations, Vec<f64>)> {
        let (&due_ns, _) = self.by_due.first_key_value().filter(|(due_ns, _)| **due_ns <= by_ns)?;
        let (lines, clocks_sd_s) = self.by_due.remove(&due_ns)?;
        self.len -= lines.len();
        Some((due_ns, lines, clocks_sd_s))
    }

    /// The rows of such lines in an order that does not depend on which partition was read first.
    pub fn in_order(lines: &Observations) -> Vec<usize> {
        let place = |row: usize| {
            let origin = lines.origin[row];
            let partition: Partition = (origin.topic, origin.partition);
            (partition, origin.offset, origin.line)
        };
        let mut rows: Vec<usize> = (0..lines.len()).collect();
        rows.sort_by_key(|&row| (lines.time_ns[row], place(row)));
        rows
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }
}
