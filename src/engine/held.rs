//! Lines that are ahead of the stream are held back, until others bear them out or refute them.

use super::progress::{Partition, Standing, Verdict};
use super::taking_in::Came;
use super::{Engine, MAX_HELD, Output, Refused};
use crate::model::node::Registry;
use crate::model::observation::{Observations, Origin, Part};
use crate::model::reject::{Reason, Refusal};
use crate::model::time::{Timestamp, ns_from_s};
use std::collections::BTreeSet;

impl Engine {
    /// The partitions to wait with: reading on would put them more than `most_ns` ahead of event time, or hold back more
    /// lines than there is room for. Never the one that is furthest behind of those that have more to read, for which
    /// the others wait.
    pub fn ahead(&self, most_ns: i64) -> BTreeSet<Partition> {
        let Some((slowest, _)) = self.progress.slowest() else { return BTreeSet::new() };
        let stands_ns = match self.progress.watermark_ns() {
            i64::MIN => self.oldest_ns,
            watermark_ns => watermark_ns.saturating_add(ns_from_s(self.settings.lateness_s)),
        };
        let latest_ns = stands_ns.saturating_add(most_ns);
        let mut ahead: BTreeSet<Partition> =
            self.progress.newest_ns().filter(|it| it.1 > latest_ns).map(|(partition, _)| partition).collect();
        if self.held.len() >= MAX_HELD / 2 {
            ahead.extend(self.held.origin.iter().map(|origin| (origin.topic, origin.partition)));
        }
        ahead.remove(&slowest);
        ahead
    }

    /// Where the lines stand that are held back because they are ahead of the stream.
    pub fn held(&self) -> &[Origin] {
        &self.held.origin
    }

    /// Lets in, refuses or keeps what is held back, as the verdict says.
    pub(super) fn judge_held(&mut self, verdict: Verdict, registry: &Registry, out: &mut Output) {
        let held = std::mem::take(&mut self.held);
        let latest_ns = self.progress.latest_credible_ns(verdict);
        let lets_in = matches!(verdict, Verdict::BorneOut | Verdict::Reached);
        for row in 0..held.len() {
            let (origin, time_ns) = (held.origin[row], held.time_ns[row]);
            let partition = (origin.topic, origin.partition);
            let is_refuted = verdict == Verdict::AllRefuted || verdict == Verdict::Refuted(partition);
            if time_ns <= latest_ns && (is_refuted || lets_in) {
                let standing = self.progress.release(partition, held.node[row], time_ns);
                out.released.push((origin, time_ns));
                let counts_from_ns = self.progress.passed_ns().saturating_sub(ns_from_s(self.settings.duplicates_s));
                if held.part[row] != Part::Progress && self.duplicates.seen(held.key[row], time_ns, counts_from_ns) {
                    self.counts.duplicates += 1;
                } else {
                    match standing {
                        Standing::Late => self.accept_late(&held, row, registry),
                        _ => self.accept(&held, row, Came::IN_TIME, registry),
                    }
                }
            } else if is_refuted {
                self.refuse_ahead(&held, row, out);
            } else {
                self.held.copy_row(&held, row);
            }
        }
        let still_held = self.held.origin.iter().zip(&self.held.time_ns);
        self.progress.judged(verdict, still_held.map(|(origin, &time_ns)| ((origin.topic, origin.partition), time_ns)));
    }

    pub(super) fn refuse_too_late(&mut self, batch: &Observations, row: usize, out: &mut Output) {
        let expected = format!("a time within {} s of the newest of its partition", self.settings.amend_horizon_s);
        self.refuse(batch, row, Reason::TooLate, &expected, out);
    }

    pub(super) fn refuse_ahead(&mut self, batch: &Observations, row: usize, out: &mut Output) {
        let expected = format!("a time at most {} s ahead of the stream's event time", self.settings.max_future_s);
        self.refuse(batch, row, Reason::BadTime, &expected, out);
    }

    fn refuse(&mut self, batch: &Observations, row: usize, reason: Reason, expected: &str, out: &mut Output) {
        if batch.part[row] != Part::Own {
            return;
        }
        self.counts.refused += 1;
        out.refused.push(Refused {
            origin: batch.origin[row],
            refusal: Refusal::field(reason, "time", &Timestamp(batch.time_ns[row]).to_string(), expected),
            raw: batch.slice(batch.raw[row]).to_vec(),
        });
    }
}
