//! The main job in one process: a simulated story through an embedded broker, the live pipelines, and a subscriber
//! that reads the alerts back as an operations centre would.

use super::archive::{ArchiveRun, ArchiveRunError, ArchiveStatus, Waits};
use super::reference::ReferenceFiles;
use super::run::{Figures, Run, RunError};
use crate::archive::ArchiveSettings;
use crate::engine::settings::Settings;
use crate::kafka::{Embedded, Event, KafkaError, KafkaSettings, Sink, Source};
use crate::model::alert::AlertFeature;
use crate::model::review::Review;
use crate::model::time::ns_from_s;
use crate::score::{self, Score};
use crate::simulate::{self, Scenario, Simulation, Truth, area_feature, node_feature, notice_feature};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Partitions of the embedded broker's topics.
const PARTITIONS: i32 = 2;
/// Records that the embedded broker takes in a second without falling behind.
const MOST_RECORDS_A_S: f64 = 8_000.0;
/// How long the end may take: reading what is left, closing the tables.
const ENDING: Duration = Duration::from_secs(20);
/// A consumer that has read everything knows so after this.
const SETTLE: Duration = Duration::from_millis(750);
/// Longest sleep between two deliveries, so that a stop is seen soon.
const NAP: Duration = Duration::from_millis(20);

/// What a demo is told.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Kafka's settings; the broker's address is the embedded one's.
    pub kafka: KafkaSettings,
    /// The engine's settings.
    pub settings: Settings,
    /// Their digest.
    pub config_digest: String,
    /// How the archive is written.
    pub archive: ArchiveSettings,
    /// Where the archive is written.
    pub archive_dir: PathBuf,
    /// Which story.
    pub seed: u64,
    /// How long the story takes; `None`: told again and again.
    pub duration: Option<Duration>,
}

/// How long one telling takes when it is told again and again.
const ENDLESS_ROUND: Duration = Duration::from_secs(60);

/// What the watcher is told.
#[derive(Debug)]
pub enum Told {
    /// How the pipeline goes.
    Figures(Box<Figures>),
    /// An alert as read from its topic. Its `event_to_alert_ms` is in event time, which goes faster here.
    Alert(Box<AlertFeature>),
    /// A line of the story, at that event time.
    Chapter(i64, String),
    /// Since the start.
    Elapsed(Duration),
}

/// Why a demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The pipeline.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveRunError),
    /// An earlier demo's archive that can't be removed.
    #[error("removing {}: {source}", path.display())]
    Remove {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A thread ended by a panic, whose message stands above.
    #[error("a thread of the demo ended by a panic")]
    Panicked,
}

/// What came of it.
#[derive(Debug)]
pub struct Played {
    /// The last figures.
    pub figures: Figures,
    /// Alerts against the truth of all that was told to the end.
    pub score: Score,
}

/// What the threads share.
struct Shared {
    /// The story is over, or was ended.
    told: AtomicBool,
    /// The pipeline stops, and the subscriber when it has read all.
    over: AtomicBool,
    /// The pipeline has stopped: nothing more is written.
    silent: AtomicBool,
    /// Revisions the pipeline has sent, and the subscriber has read.
    sent: AtomicU64,
    read: AtomicU64,
    /// The pipeline's lag and its rest: true when it has read all there is.
    drained: Mutex<bool>,
    changed: Condvar,
    truth: Mutex<Vec<Truth>>,
    alerts: Mutex<Vec<AlertFeature>>,
}

impl Shared {
    /// Archives until nothing more is written and all of it has been read.
    fn keep(&self, run: &ArchiveRun) -> Result<ArchiveStatus, ArchiveRunError> {
        let (lag, silent_since) = (Cell::new(0), Cell::new(None::<Instant>));
        let done = || {
            if !self.silent.load(Ordering::Acquire) {
                return false;
            }
            let since = silent_since.get().unwrap_or_else(Instant::now);
            silent_since.set(Some(since));
            // The lag is as of the last fetch: one more is waited for.
            since.elapsed() > SETTLE && lag.get() == 0 || since.elapsed() > ENDING
        };
        run.run_watched(Waits::default(), &done, &mut |status| lag.set(status.lag))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked ends the demo anyway; what it left is still good to read.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Event time against the wall's: it starts at the story's start and goes `speed` times as fast.
#[derive(Clone, Copy)]
struct Pace {
    began: Instant,
    start_ns: i64,
    speed: f64,
}

impl Pace {
    fn now_ns(&self) -> i64 {
        self.start_ns + ns_from_s(self.began.elapsed().as_secs_f64() * self.speed)
    }

    fn wall_until(&self, event_ns: i64) -> Duration {
        let due_s = (event_ns - self.start_ns) as f64 * 1e-9 / self.speed;
        Duration::from_secs_f64(due_s.max(0.0)).saturating_sub(self.began.elapsed())
    }
}

impl Demo {
    /// Plays until the story is over or `stop` says so, and tells `on` what happens.
    ///
    /// # Errors
    /// A broker that can't be started, a directory that can't be written.
    pub fn play(&self, stop: &(dyn Fn() -> bool + Sync), on: &(dyn Fn(Told) + Sync)) -> Result<Played, DemoError> {
        if self.archive_dir.exists() {
            // The embedded broker counts its offsets from nothing again; an old archive would take them for known.
            std::fs::remove_dir_all(&self.archive_dir)
                .map_err(|source| DemoError::Remove { path: self.archive_dir.clone(), source })?;
        }
        let broker = Embedded::start()?;
        let kafka = broker.settings(&self.kafka);
        for topic in kafka.topics.all() {
            broker.create_topic(&topic.name, PARTITIONS)?;
        }
        let sink = Sink::new(&kafka)?;
        let story = self.story(0, simulate::DEFAULT_START_NS);
        publish_reference(&sink, &kafka, &story)?;
        let round = self.duration.unwrap_or(ENDLESS_ROUND);
        let fastest = story.deliveries.len() as f64 / MOST_RECORDS_A_S;
        let pace = Pace {
            began: Instant::now(),
            start_ns: simulate::DEFAULT_START_NS,
            // The last stretch is left for the final word about what happened last.
            speed: (story.end_ns - simulate::DEFAULT_START_NS) as f64 * 1e-9
                / (0.95 * round.as_secs_f64()).max(fastest),
        };
        let shared = Shared {
            told: AtomicBool::new(false),
            over: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            read: AtomicU64::new(0),
            drained: Mutex::new(false),
            changed: Condvar::new(),
            truth: Mutex::new(Vec::new()),
            alerts: Mutex::new(Vec::new()),
        };
        let figures = std::thread::scope(|scope| {
            let (shared, kafka) = (&shared, &kafka);
            let teller = scope.spawn(move || {
                let told = self.tell(story, &sink, kafka, pace, stop, shared, on);
                shared.told.store(true, Ordering::Release);
                told
            });
            let watcher = scope.spawn(move || subscribe(kafka, pace, shared, on));
            let keeper = scope.spawn(move || {
                let run = ArchiveRun {
                    kafka: kafka.clone(),
                    reference: ReferenceFiles::default(),
                    archive: self.archive.clone(),
                    root: self.archive_dir.clone(),
                };
                shared.keep(&run)
            });
            let run = Run {
                kafka: kafka.clone(),
                reference: ReferenceFiles::default(),
                settings: self.settings.clone(),
                config_digest: self.config_digest.clone(),
                review: Review::default(),
                by_component: false,
                part: None,
            };
            let runner = scope.spawn(move || {
                run.run(&|| shared.over.load(Ordering::Acquire), &mut |figures| {
                    shared.sent.store(figures.revisions, Ordering::Release);
                    *lock(&shared.drained) = shared.told.load(Ordering::Acquire) && figures.lag == 0;
                    shared.changed.notify_all();
                    on(Told::Figures(Box::new(figures.clone())));
                    on(Told::Elapsed(figures.elapsed));
                })
            });
            let told = teller.join().map_err(|_| DemoError::Panicked)?;
            wait_for_the_end(shared);
            shared.over.store(true, Ordering::Release);
            let figures = runner.join();
            shared.silent.store(true, Ordering::Release);
            let figures = figures.map_err(|_| DemoError::Panicked)?;
            watcher.join().map_err(|_| DemoError::Panicked)??;
            keeper.join().map_err(|_| DemoError::Panicked)??;
            told?;
            Ok::<Figures, DemoError>(figures?)
        })?;
        let score = score::score(&lock(&shared.alerts), &lock(&shared.truth), &score::Options::default());
        Ok(Played { figures, score })
    }

    fn story(&self, round: u64, start_ns: i64) -> Simulation {
        let options = simulate::Options { start_ns, ..simulate::Options::default() };
        simulate::simulate(Scenario::Demo, self.seed.wrapping_add(round), &options)
    }

    /// Publishes the story's lines, each when it is due.
    #[allow(clippy::too_many_arguments)]
    fn tell(
        &self,
        mut story: Simulation,
        sink: &Sink,
        kafka: &KafkaSettings,
        pace: Pace,
        stop: &(dyn Fn() -> bool + Sync),
        shared: &Shared,
        on: &(dyn Fn(Told) + Sync),
    ) -> Result<(), DemoError> {
        let names = &kafka.topics;
        let mut round = 0;
        loop {
            let mut chapters = story.chapters.iter().peekable();
            let mut told_to_ns = i64::MIN;
            for delivery in &story.deliveries {
                loop {
                    if stop() {
                        return Ok(());
                    }
                    let wait = pace.wall_until(delivery.deliver_ns);
                    if wait.is_zero() {
                        break;
                    }
                    std::thread::park_timeout(wait.min(NAP));
                }
                while let Some(chapter) = chapters.next_if(|chapter| chapter.time_ns <= delivery.deliver_ns) {
                    on(Told::Chapter(chapter.time_ns, chapter.text.to_owned()));
                }
                let topic = if delivery.topic == "telemetry.patrols" { &names.patrols } else { &names.sensors };
                sink.send(topic, Some(delivery.key.as_bytes()), delivery.line.as_bytes(), &[])?;
                told_to_ns = told_to_ns.max(delivery.deliver_ns);
            }
            let mut truth = lock(&shared.truth);
            truth.extend(story.truth.iter().filter(|event| event.time.0 <= told_to_ns).cloned());
            drop(truth);
            if self.duration.is_some() {
                break;
            }
            round += 1;
            story = self.story(round, story.end_ns);
            publish_reference(sink, kafka, &story)?;
        }
        Ok(())
    }
}

/// Waits until the pipeline has read everything and the subscriber has read all it said, but not for ever.
fn wait_for_the_end(shared: &Shared) {
    let deadline = Instant::now() + ENDING;
    let mut drained = lock(&shared.drained);
    loop {
        let all_read = shared.read.load(Ordering::Acquire) >= shared.sent.load(Ordering::Acquire);
        let left = deadline.saturating_duration_since(Instant::now());
        if (*drained && all_read) || left.is_zero() {
            return;
        }
        drained = match shared.changed.wait_timeout(drained, left.min(Duration::from_millis(250))) {
            Ok((guard, _)) => guard,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
}

fn publish_reference(sink: &Sink, kafka: &KafkaSettings, story: &Simulation) -> Result<(), KafkaError> {
    let names = &kafka.topics;
    let send = |topic: &str, key: &str, feature: serde_json::Value| {
        sink.send(topic, Some(key.as_bytes()), feature.to_string().as_bytes(), &[])
    };
    for node in &story.nodes {
        send(&names.reference_sensors, &node.name, node_feature(node))?;
    }
    for area in &story.areas {
        send(&names.reference_areas, &area.area, area_feature(area))?;
    }
    for notice in &story.notices {
        send(&names.reference_notices, &notice.notice, notice_feature(notice))?;
    }
    sink.flush(ENDING)
}

/// An operations centre: reads the alerts back from their topic, as anyone can.
fn subscribe(kafka: &KafkaSettings, pace: Pace, shared: &Shared, on: &(dyn Fn(Told) + Sync)) -> Result<(), KafkaError> {
    let settings = KafkaSettings { group: format!("{}-watch", kafka.group), ..kafka.clone() };
    let mut source = Source::new(&settings, std::slice::from_ref(&kafka.topics.violations))?;
    loop {
        let over = shared.over.load(Ordering::Acquire);
        let records = source.poll(Duration::from_millis(50), &mut |event| match event {
            Event::Record(record) => {
                shared.read.fetch_add(1, Ordering::AcqRel);
                match serde_json::from_slice::<AlertFeature>(record.payload) {
                    Ok(mut alert) => {
                        if let Some(latency) = &mut alert.properties.latency {
                            latency.event_to_alert_ms = (pace.now_ns() - alert.properties.time.0) as f64 * 1e-6;
                        }
                        lock(&shared.alerts).push(alert.clone());
                        on(Told::Alert(Box::new(alert)));
                    }
                    Err(error) => tracing::error!("an alert that can't be read: {error}"),
                }
            }
            Event::Failed(error) | Event::Jumped(error) => tracing::warn!("{error}"),
            _ => {}
        })?;
        if over && records == 0 {
            return Ok(());
        }
    }
}
