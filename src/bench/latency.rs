//! How long an observation takes to be a visible alert, at a given rate.
//!
//! The publisher is open-loop: observation n is due n / rate after the start, whatever became of those before. A
//! latency counts from that instant, not from when the publisher got round to it, so that a stall is seen by all that
//! should have been sent during it. The observation that decides a first word is the newest of its evidence; its id
//! is its number. What a batch led to, revisions included, is counted from when the batch was taken as well.

use super::ground::Ground;
use super::percentiles::Percentiles;
use super::{Bench, BenchError, PATIENCE, Step, Watch};
use crate::kafka::{Event, KafkaError, KafkaSettings, Sink, Source};
use crate::model::alert::{AlertFeature, Class, Status};
use crate::pipeline::latency::latencies;
use crate::pipeline::run::Figures;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Observations sent ahead to see that all is up.
const HERALDS: u64 = 64;
/// What was decided so soon after the start does not count.
const WARM_UP: Duration = Duration::from_secs(2);
/// Sleep of the publisher: how uneven its stream is. A shorter one takes a core from what is measured.
const NAP: Duration = Duration::from_millis(1);
/// How long its records wait for company, as those of a gateway of many sensors do.
const PUBLISH_LINGER_MS: u32 = 5;
/// Lines sent before the clock is looked at again.
const BURST: u64 = 64;
/// How long the end may take.
const ENDING: Duration = Duration::from_secs(20);

/// Latencies at a rate.
#[derive(Debug)]
pub struct Latencies {
    /// The rate asked for, observations a second.
    pub asked_per_s: u64,
    /// The rate at which they were sent.
    pub sent_per_s: f64,
    /// From when the deciding observation of a first word was due to when a subscriber had the alert, microseconds.
    pub due_to_visible_us: Histogram<u64>,
    /// From when the deciding batch was taken from the consumer to when a subscriber had the alert or its revision,
    /// microseconds; to a millisecond.
    pub read_to_visible_us: Histogram<u64>,
}

impl Latencies {
    /// Percentiles of both.
    pub fn percentiles(&self) -> (Percentiles, Percentiles) {
        ((&self.due_to_visible_us).into(), (&self.read_to_visible_us).into())
    }
}

/// When each observation was due.
#[derive(Clone, Copy)]
pub struct Schedule {
    start: Instant,
    per_s: f64,
}

impl Schedule {
    fn due(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.per_s)
    }

    /// How long after it was due the observation of that number is seen `now`; `None` for one that was due before
    /// `warm_up` was over.
    pub fn late_us(&self, id: u64, now: Duration, warm_up: Duration) -> Option<u64> {
        // The heralds were sent before the schedule began.
        let due = self.due(id.checked_sub(HERALDS)?);
        (due >= warm_up).then(|| now.saturating_sub(due).as_micros() as u64)
    }
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    over: AtomicBool,
    read: AtomicU64,
    failed: AtomicBool,
}

/// Who reads what is published.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// How many observations it has read.
    pub read: &'a dyn Fn() -> u64,
    /// Whether it has failed.
    pub failed: &'a dyn Fn() -> bool,
}

/// An alert as a subscriber has it.
pub struct Seen<'a> {
    /// By which the observations are sent.
    pub schedule: Schedule,
    /// Since the schedule began.
    pub now: Duration,
    /// When it was written, milliseconds since 1970.
    pub written_ms: i64,
    /// The alert.
    pub payload: &'a [u8],
}

/// The number of the newest observation that a first word rests on. Of silence there is none: what was heard last was heard
/// minutes of event time before.
pub fn deciding(alert: &AlertFeature) -> Option<u64> {
    let is_of_silence = matches!(alert.properties.class, Class::SensorSilent | Class::SeaDark);
    let is_first = alert.properties.revision == 1 && alert.properties.status == Status::Preliminary && !is_of_silence;
    let numbers = alert.properties.evidence.iter().filter_map(|evidence| evidence.id.parse::<u64>().ok());
    is_first.then(|| numbers.max()).flatten()
}

impl Bench {
    /// Publishes for [`Bench::duration`] at `per_s` observations a second on `ground`, which must be new, and watches
    /// the alerts that the live pipeline makes of it.
    ///
    /// # Errors
    /// The pipeline's, the broker's; told to stop before the warm-up was over.
    pub fn latency(&self, ground: &mut Ground, per_s: u64, watch: &mut Watch<'_>) -> Result<Latencies, BenchError> {
        let shared = Shared::default();
        let run = ground.run(self, "latency");
        let watcher = ground.settings("watch");
        std::thread::scope(|scope| {
            let shared = &shared;
            let runner = scope.spawn(move || {
                let ran = run.run(&|| shared.over.load(Ordering::Acquire), &mut |figures: &Figures| {
                    shared.read.store(figures.tally.observations, Ordering::Release);
                });
                shared.failed.fetch_or(ran.is_err(), Ordering::AcqRel);
                ran
            });
            let (start, started) = sync_channel::<Schedule>(1);
            let subscriber = scope.spawn(move || {
                let (mut due_us, mut read_us) = (latencies(), latencies());
                let topic = watcher.topics.violations.clone();
                let seen = subscribe(&watcher, &topic, &started, &shared.over, &mut |seen| {
                    note(seen, &mut due_us, &mut read_us);
                });
                shared.failed.fetch_or(seen.is_err(), Ordering::AcqRel);
                seen.map(|()| (due_us, read_us))
            });
            let (read, failed) = (|| shared.read.load(Ordering::Acquire), || shared.failed.load(Ordering::Acquire));
            let published = self.publish(ground, per_s, Reader { read: &read, failed: &failed }, &start, watch);
            drop(start);
            shared.over.store(true, Ordering::Release);
            let ran = runner.join().map_err(|_| BenchError::Panicked)?;
            let seen = subscriber.join().map_err(|_| BenchError::Panicked)?;
            ran?;
            let sent_per_s = published?;
            let (due_to_visible_us, read_to_visible_us) = seen?;
            Ok(Latencies { asked_per_s: per_s, sent_per_s, due_to_visible_us, read_to_visible_us })
        })
    }

    /// Sends at `per_s` for [`Bench::duration`] and waits until `reader` has read it all; gives the rate that came about.
    /// Who listens at the other end of `start` is told when it begins, which is when the first few lines have been read.
    ///
    /// # Errors
    /// The broker's; a reader that stands still.
    pub(super) fn publish(
        &self,
        ground: &mut Ground,
        per_s: u64,
        reader: Reader<'_>,
        start: &SyncSender<Schedule>,
        watch: &mut Watch<'_>,
    ) -> Result<f64, BenchError> {
        let settings = KafkaSettings { linger_ms: PUBLISH_LINGER_MS, ..ground.settings("publish") };
        let sink = Sink::new(&settings)?;
        let mut line = Vec::with_capacity(512);
        let stopped = || (watch.stop)() || (reader.failed)();
        for _ in 0..HERALDS {
            ground.send(&sink, &mut line)?;
        }
        sink.flush(PATIENCE)?;
        await_read(reader.read, HERALDS, PATIENCE, &stopped)?;
        let schedule = Schedule { start: Instant::now(), per_s: per_s.max(1) as f64 };
        // The other end can only be gone when it failed.
        let _ = start.send(schedule);
        let mut sent = 0;
        loop {
            let now = schedule.start.elapsed();
            if now >= self.duration || stopped() {
                break;
            }
            let due = ((now.as_secs_f64() * schedule.per_s) as u64).min(sent + BURST);
            if due == sent {
                std::thread::park_timeout(NAP);
                continue;
            }
            for _ in sent..due {
                ground.send(&sink, &mut line)?;
            }
            sent = due;
            (watch.on)(Step {
                what: "latency",
                done: sent,
                total: Some((self.duration.as_secs_f64() * schedule.per_s) as u64),
            });
        }
        let sent_per_s = sent as f64 / schedule.start.elapsed().as_secs_f64();
        sink.flush(PATIENCE)?;
        await_read(reader.read, HERALDS + sent, ENDING, &stopped)?;
        Ok(sent_per_s)
    }
}

/// Waits until the pipeline has read so many observations.
fn await_read(
    read: &dyn Fn() -> u64,
    count: u64,
    patience: Duration,
    stopped: &dyn Fn() -> bool,
) -> Result<(), BenchError> {
    let started = Instant::now();
    loop {
        let done = read();
        if done >= count || stopped() {
            return Ok(());
        }
        if started.elapsed() > patience {
            return Err(BenchError::Stalled { stage: "the pipeline under way", done, total: count });
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// An operations centre: reads alerts as they come, and shows each to `on` with the time, until `over` and nothing
/// comes any more.
///
/// # Errors
/// The reader's.
pub(super) fn subscribe(
    settings: &KafkaSettings,
    topic: &str,
    started: &Receiver<Schedule>,
    over: &AtomicBool,
    on: &mut dyn FnMut(&Seen<'_>),
) -> Result<(), KafkaError> {
    let mut source = Source::new(settings, &[topic.to_owned()])?;
    let mut schedule: Option<Schedule> = None;
    loop {
        let is_over = over.load(Ordering::Acquire);
        if let Ok(told) = started.try_recv() {
            schedule = Some(told);
        }
        let mut records = 0;
        source.poll(Duration::from_millis(20), &mut |event| {
            let Event::Record(record) = event else { return };
            records += 1;
            if let Some(schedule) = schedule {
                let (now, written_ms) = (schedule.start.elapsed(), record.timestamp_ms);
                on(&Seen { schedule, now, written_ms, payload: record.payload });
            }
        })?;
        if is_over && records == 0 {
            return Ok(());
        }
    }
}

/// Counts an alert of this program's by both measures.
fn note(seen: &Seen<'_>, due_us: &mut Histogram<u64>, read_us: &mut Histogram<u64>) {
    if seen.now <= WARM_UP {
        return;
    }
    let Ok(alert) = serde_json::from_slice::<AlertFeature>(seen.payload) else { return };
    if let Some(latency) = alert.properties.latency {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let on_the_way_ms = (now_ms - seen.written_ms).max(0) as f64;
        read_us.saturating_record((1e3 * (latency.ingest_to_alert_ms + on_the_way_ms)) as u64);
    }
    if let Some(us) = deciding(&alert).and_then(|id| seen.schedule.late_us(id, seen.now, WARM_UP)) {
        due_us.saturating_record(us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ground::tests::small;
    use crate::simulate::load::Mix;

    #[test]
    fn alerts_of_a_steady_stream_are_seen_and_dated_from_when_they_were_due() {
        let bench = Bench { mix: Mix::Tracks, nodes: 400, duration: Duration::from_secs(5), ..small() };
        let mut ground = Ground::open(&bench).unwrap();
        let watch = &mut Watch { stop: &|| false, on: &mut |_| {} };
        let seen = bench.latency(&mut ground, 2_000, watch).unwrap();
        let (due, read) = seen.percentiles();
        assert!(due.count > 0 && read.count >= due.count, "{due:?} {read:?}");
        assert!(seen.sent_per_s > 0.0 && due.max_ms < 60_000.0);
    }
}
