//! The live pipeline from end to end, on a topic that was filled before: how fast a backlog is read.

use super::ground::Ground;
use super::percentiles::Percentiles;
use super::usage::{Moment, forget_peak, peak_kib, resident_kib};
use super::{Bench, BenchError, PATIENCE, Rate, Step, Watch};
use crate::pipeline::run::Figures;
use serde::Serialize;
use std::cell::Cell;
use std::time::Instant;

/// What the whole path does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Whole {
    /// Observations read to the end of the topic, from the first time that figures were told to the last.
    pub rate: Rate,
    /// The most memory in use, KiB, and what was in use at a quarter, a half, three quarters and at the end.
    pub peak_kib: Option<u64>,
    /// See `peak_kib`.
    pub resident_kib: Vec<u64>,
    /// Lines refused.
    pub rejected: u64,
    /// Observations that came behind the watermark.
    pub late: u64,
    /// Alert revisions.
    pub revisions: u64,
    /// Event time that was gone through, a second of wall time.
    pub event_s_per_s: f64,
    /// From taking a batch to handing what follows from it to the producer.
    pub ingest_to_alert: Percentiles,
    /// The same to when the commit that holds it was acknowledged, and anybody sees it.
    pub ingest_to_commit: Percentiles,
    /// Commits.
    pub commits: u64,
}

/// How often each is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As the program runs by default.
    ExactlyOnce,
    /// With `kafka.exactly_once = false`.
    AtLeastOnce,
}

/// Before anything is measured: a process's first run takes a fifth more processor time than any later one, for the memory that
/// it is the first to touch.
pub const WARM_UP: (Delivery, usize) = (Delivery::ExactlyOnce, 0);

/// In which order they are measured: the topic is in the page cache and the broker warm the later the more, which is to favour
/// neither. The number tells runs of one delivery apart.
pub const TURNS: [(Delivery, usize); 4] =
    [(Delivery::ExactlyOnce, 1), (Delivery::AtLeastOnce, 1), (Delivery::AtLeastOnce, 2), (Delivery::ExactlyOnce, 2)];

/// One telling of the figures.
struct Told {
    at: Moment,
    observations: u64,
    resident_kib: u64,
}

impl Bench {
    /// Runs the live pipeline on `ground`, which holds `records` observations, until it has read them all. `turn` tells its
    /// runs of one delivery there apart.
    ///
    /// # Errors
    /// The pipeline's; told to stop; a pipeline that stands still.
    pub fn whole(
        &self,
        ground: &Ground,
        records: u64,
        (delivery, turn): (Delivery, usize),
        watch: &mut Watch<'_>,
    ) -> Result<Whole, BenchError> {
        let (group, what) = match delivery {
            Delivery::ExactlyOnce => ("whole", "the whole path"),
            Delivery::AtLeastOnce => ("at-least-once", "the whole path, at least once"),
        };
        let mut run = ground.run(self, &format!("{group}-{turn}"));
        run.kafka.exactly_once = delivery == Delivery::ExactlyOnce;
        forget_peak();
        let mut told: Vec<Told> = Vec::new();
        let started = Told { at: Moment::now(), observations: 0, resident_kib: resident_kib().unwrap_or(0) };
        let (done, stalled) = (Cell::new(false), Cell::new(false));
        let mut moved = Instant::now();
        let mut last_done = 0;
        let (stop, on) = (watch.stop, &mut *watch.on);
        let figures = run.run(&|| done.get() || stalled.get() || stop(), &mut |figures| {
            let read = read(figures);
            on(Step { what, done: read, total: Some(records) });
            if read > last_done {
                (last_done, moved) = (read, Instant::now());
                let resident_kib = resident_kib().unwrap_or(0);
                told.push(Told { at: Moment::now(), observations: read, resident_kib });
            }
            done.set(read >= records);
            stalled.set(moved.elapsed() > PATIENCE);
        })?;
        if stalled.get() {
            return Err(BenchError::Stalled { stage: what, done: last_done, total: records });
        }
        if told.len() == 1 {
            // Through before it was asked twice: then its start is in the figure.
            told.insert(0, started);
        }
        let ([first, .., last], true) = (told.as_slice(), done.get()) else {
            return Err(BenchError::Stopped(what));
        };
        let rate = first.at.rate_to(last.at, last.observations - first.observations);
        let quarter = |part: usize| told[(told.len() - 1) * part / 4].resident_kib;
        Ok(Whole {
            peak_kib: peak_kib(),
            resident_kib: (1..=4).map(quarter).collect(),
            rejected: figures.tally.rejected,
            late: figures.tally.engine.late,
            revisions: figures.revisions,
            event_s_per_s: rate.per_s() / self.lines_a_s(),
            ingest_to_alert: Percentiles::from(&figures.ingest_to_alert_us),
            ingest_to_commit: Percentiles::from(&figures.ingest_to_commit_us),
            commits: figures.commits,
            rate,
        })
    }
}

/// Lines that are through, one way or the other.
fn read(figures: &Figures) -> u64 {
    figures.tally.observations + figures.tally.rejected - figures.tally.engine.refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ground::tests::small;

    #[test]
    fn a_filled_topic_is_consumed_and_correlated_to_its_end() {
        let bench = Bench { nodes: 400, records: 20_000, ..small() };
        let mut steps = 0;
        let mut watch = Watch { stop: &|| false, on: &mut |_| steps += 1 };
        let mut ground = Ground::open(&bench).unwrap();
        let bytes = ground.fill(bench.records, &mut watch).unwrap();
        assert!(bytes > 150 * bench.records);
        let consumed = ground.consume(bench.records, &mut watch).unwrap();
        assert!(consumed.observations <= bench.records);
        for turn in [WARM_UP].into_iter().chain(TURNS) {
            let whole = bench.whole(&ground, bench.records, turn, &mut watch).unwrap();
            assert_eq!((whole.rejected, whole.rate.observations > 0), (0, true), "{turn:?}");
        }
        assert!(steps > 0);
    }
}
