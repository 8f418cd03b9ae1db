//! Kafka in, Kafka out: the live pipeline, in three stages on three threads.
//!
//! [`intake`](super::intake) reads and decodes, [`live`](super::live) correlates, [`teller`](super::teller) sends what follows
//! and commits. Between them go a few batches ([`handover`](super::handover)) and a few parcels: the next records are
//! taken when the last are through, and Kafka keeps the backlog.
//!
//! With `kafka.exactly_once` a Kafka transaction holds what was said, what was refused, what is to be kept of both
//! ([`said_table`](super::said_table)) and how far was read. Whatever breaks, the stages are dropped and begun anew from
//! what is committed, as after a crash: there is one way back, and it is walked all the time.

use super::correlator::Tally;
pub use super::handover::BATCHES;
use super::handover::handover;
use super::intake::Intake;
use super::layout::Layout;
use super::live::{Ended, Live, Start};
use super::reference::{ReferenceFileError, ReferenceFiles};
use super::said_table::{Owner, SaidTable, SaidTableError};
use super::shelf::{Directory, Shelf};
pub use super::teller::MAX_PARCELS;
use super::teller::{TellError, Tellings, teller};
use crate::codec::alert::EncodeError;
use crate::engine::settings::Settings;
use crate::kafka::topics::check;
use crate::kafka::{Broker, Cluster, KafkaError, KafkaSettings, TopicSpec};
use crate::model::review::Review;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two attempts to begin anew while the broker is away, and between two looks whether to stop meanwhile.
const TRY_AGAIN: Duration = Duration::from_secs(1);
pub(super) const NAP: Duration = Duration::from_millis(50);
/// Between two tellings of the figures.
const FIGURES_EVERY: Duration = Duration::from_millis(250);
/// Between two looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a live run is told.
#[derive(Clone, Debug)]
pub struct Run {
    /// The broker and the topics.
    pub kafka: KafkaSettings,
    /// Reference data that comes from files instead of topics.
    pub reference: ReferenceFiles,
    /// The engine's settings.
    pub settings: Settings,
    /// Their digest.
    pub config_digest: String,
    /// Who decides on alerts.
    pub review: Review,
    /// Whether each component's alerts also go to a topic of its own.
    pub by_component: bool,
    /// The part of the regions that is correlated, behind a router; `None`: everything.
    pub part: Option<RunPart>,
}

/// A part of the regions.
#[derive(Clone, Debug)]
pub struct RunPart {
    /// How the regions are laid out.
    pub layout: Arc<Layout>,
    /// The part's number, and that of its partition of `telemetry.by-region`.
    pub number: u32,
}

/// Why a live run ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Reference data.
    #[error(transparent)]
    Reference(#[from] ReferenceFileError),
    /// Kafka, for good.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// What was said before can't be read.
    #[error(transparent)]
    SaidTable(SaidTableError),
    /// An alert that can't be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl From<SaidTableError> for RunError {
    fn from(error: SaidTableError) -> RunError {
        match error {
            SaidTableError::Kafka(error) => RunError::Kafka(error),
            other => RunError::SaidTable(other),
        }
    }
}

impl From<TellError> for RunError {
    fn from(error: TellError) -> RunError {
        match error {
            TellError::Kafka(error) => RunError::Kafka(error),
            TellError::Encode(error) => RunError::Encode(error),
        }
    }
}

/// How a live run goes.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What was read, since it last began anew.
    pub tally: Tally,
    /// Alert revisions sent.
    pub revisions: u64,
    /// Records that stand in the topics and are not yet read.
    pub lag: u64,
    /// Everything up to here is settled, nanoseconds; `None` before anything is.
    pub watermark_ns: Option<i64>,
    /// From taking the deciding batch from the consumer's queue to handing the alert to the producer, microseconds.
    pub ingest_to_alert_us: Histogram<u64>,
    /// The same to when the commit that holds the alert was acknowledged: from then on anybody sees it.
    pub ingest_to_commit_us: Histogram<u64>,
    /// Commits.
    pub commits: u64,
    /// Arrivals held in windows.
    pub arrivals_held: usize,
    /// Lines held back because they are ahead of the stream, or late before event time says so.
    pub lines_held: usize,
    /// Ids remembered, to tell duplicates.
    pub ids_held: usize,
    /// Partitions that wait for others which are behind.
    pub paused: usize,
    /// How often a partition began to, since it last began anew.
    pub waits: u64,
    /// Batches that are read and not correlated, of [`BATCHES`]: at all of them reading waits.
    pub batches_waiting: usize,
    /// What follows from batches and is not yet told, of [`MAX_PARCELS`]: above it the engine
    /// waits.
    pub parcels_waiting: usize,
    /// Since the start.
    pub elapsed: Duration,
}

/// How one life of a run ended.
enum Life {
    Over(Box<Figures>),
    /// Begin anew.
    Again(String),
}

impl Run {
    /// Runs until `stop` says so or Kafka fails for good; then finishes what was read, and commits. `figures` is told
    /// how it goes, several times a second.
    ///
    /// # Errors
    /// What can't be mended by waiting. A broker that is away can.
    pub fn run(&self, stop: &dyn Fn() -> bool, figures: &mut dyn FnMut(&Figures)) -> Result<Figures, RunError> {
        let (started, tellings) = (Instant::now(), Tellings::default());
        let since_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let owner = Owner { process: format!("{}-{since_ns}", std::process::id()) };
        let mut start = Live::start(self, &owner, &self.cluster(), self.shelf())?;
        loop {
            let commits = tellings.now().commits;
            match self.live(start, started, &tellings, stop, figures)? {
                Life::Over(figures) => return Ok(*figures),
                Life::Again(why) => tracing::warn!("begins anew from what is committed: {why}"),
            }
            // What comes to nothing is not to be tried as fast as it fails.
            if tellings.now().commits == commits {
                Run::nap(TRY_AGAIN, stop);
            }
            start = self.start_again(&owner, stop)?;
        }
    }

    fn cluster(&self) -> Cluster<'_> {
        Cluster::new(&self.kafka, self.part.as_ref().map(|part| part.number as i32)).by_component(self.by_component)
    }

    fn shelf(&self) -> Option<Box<dyn Shelf + Send>> {
        Some(Box::new(Directory::of(self)?))
    }

    /// Begins anew, as soon as there is a broker to do it with. After a word to stop it is tried once more.
    fn start_again(&self, me: &Owner, stop: &dyn Fn() -> bool) -> Result<Start<'_>, RunError> {
        let (mut told, left) = (String::new(), Instant::now());
        let mut was_missing = false;
        loop {
            let stopping = stop();
            let checked = self.check_topics();
            if checked.is_ok() && std::mem::take(&mut was_missing) {
                // To a member that comes back under its static name the group gives what that one had at last, which is
                // nothing of a topic that was away: it has to be forgotten first.
                let session = Duration::from_millis(u64::from(self.kafka.session_timeout_ms)) + TRY_AGAIN;
                Run::nap(session.saturating_sub(left.elapsed()), stop);
            }
            was_missing |= checked.is_err();
            match checked.and_then(|()| self.start_anew(me, &self.cluster(), self.shelf())) {
                Err(RunError::Kafka(error)) if Run::can_try_again(&error) && !stopping => {
                    let why = error.to_string();
                    if why != told {
                        tracing::warn!("can't begin anew yet: {why}");
                        told = why;
                    }
                    Run::nap(TRY_AGAIN, stop);
                }
                started => return started,
            }
        }
    }

    /// Waits for that long, or until it is to stop.
    fn nap(long: Duration, stop: &dyn Fn() -> bool) {
        let until = Instant::now() + long;
        while Instant::now() < until && !stop() {
            std::thread::park_timeout(NAP);
        }
    }

    /// Whether all topics are there that are read and written: one that was deleted may be why it begins anew.
    fn check_topics(&self) -> Result<(), RunError> {
        let names = &self.kafka.topics;
        let mut needed = vec![&names.sensors, &names.patrols, &names.decisions, &names.violations, &names.current];
        needed.extend([&names.rejected, &names.state]);
        needed.extend(self.part.as_ref().map(|_| &names.by_region));
        let mut topics: Vec<TopicSpec> =
            names.all().into_iter().filter(|topic| needed.contains(&&topic.name)).collect();
        topics.extend(self.by_component.then(|| names.components()).into_iter().flatten());
        let faults = check(&self.kafka, &topics).err().unwrap_or_default();
        faults.into_iter().next().map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Whether beginning anew may come to something later.
    pub(super) fn can_try_again(error: &KafkaError) -> bool {
        !is_final(error) && !is_shut_out(error)
    }

    /// Begins anew, unless another process has begun since this one did.
    pub(super) fn start_anew(
        &self,
        me: &Owner,
        broker: &dyn Broker,
        shelf: Option<Box<dyn Shelf + Send>>,
    ) -> Result<Start<'_>, RunError> {
        match SaidTable::load(broker, &self.kafka)?.owner {
            // To begin would shut out whoever has taken this one's place.
            Some(other) if other != *me => {
                Err(KafkaError::Fenced { id: self.kafka.transactional_id(), why: other.process }.into())
            }
            _ => Live::start(self, me, broker, shelf),
        }
    }

    /// One life: from what is committed until it is told to stop, or something makes it begin anew.
    fn live(
        &self,
        start: Start<'_>,
        started: Instant,
        tellings: &Tellings,
        stop: &dyn Fn() -> bool,
        figures: &mut dyn FnMut(&Figures),
    ) -> Result<Life, RunError> {
        let kafka = &self.kafka;
        let Start { mut live, intake, outbox, topics } = start;
        let (counter, teller) = teller(outbox, kafka, &topics, self.by_component, tellings);
        let (giver, taker) = handover();
        let over = AtomicBool::new(false);
        // The engine may wait for the broker: how it goes is told all the same, as of when it was last heard of.
        let heard: Mutex<Option<Figures>> = Mutex::new(None);
        std::thread::scope(|scope| {
            let (over, heard) = (&over, &heard);
            let reading = named(scope, "reading", move || {
                let mut intake = intake;
                let read = intake.run(giver, over);
                // It stays in the group until the last commit.
                (intake, read)
            });
            let telling = named(scope, "telling", move || teller.run());
            let (batches, parcels) = (taker.waiting(), counter.waiting());
            let working = named(scope, "engine", move || {
                let ended = live.work(&taker, &counter, &mut |live| {
                    *lock(heard) = Some(live.figures(tellings, started));
                });
                // What was handed over is committed when the counter is closed.
                drop(counter);
                (live, taker, ended)
            });
            let mut told = Instant::now();
            while !working.is_finished() {
                // Who correlates notices that nobody tells any more with the next thing to be told, which may be long.
                if stop() || telling.is_finished() {
                    over.store(true, Ordering::Release);
                }
                if told.elapsed() >= FIGURES_EVERY
                    && let Some(mut now) = lock(heard).clone()
                {
                    told = Instant::now();
                    now.batches_waiting = batches.load(Ordering::Relaxed);
                    now.parcels_waiting = parcels.load(Ordering::Relaxed);
                    figures(&now);
                }
                std::thread::park_timeout(LOOK_EVERY);
            }
            let (mut live, taker, ended) = working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let told = telling.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            over.store(true, Ordering::Release);
            drop(taker);
            let (intake, read): (Intake, _) = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            drop(intake);
            let again = |error: KafkaError| match kafka.exactly_once && !is_final(&error) {
                true => Ok(Life::Again(error.to_string())),
                false => Err(error.into()),
            };
            if let Err(error) = read {
                return again(error);
            }
            match (told, ended) {
                (Ok(()), Ended::Over | Ended::Untold) => Ok(Life::Over(Box::new(live.figures(tellings, started)))),
                (Ok(()), Ended::Parted) => Ok(Life::Again("partitions left".to_owned())),
                (Err(TellError::Kafka(error)), _) => again(error),
                (Err(error), _) => Err(error.into()),
            }
        })
    }
}

/// A thread that the system lists under that name (`top -H`), so that anybody sees which one is full.
pub fn named<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    // As `Scope::spawn` does where the system has no thread to give.
    Builder::new().name(name.to_owned()).spawn_scoped(scope, work).expect("a thread can be started")
}

fn lock(figures: &Mutex<Option<Figures>>) -> MutexGuard<'_, Option<Figures>> {
    // They are whole after any panic.
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether waiting and beginning anew can't mend it. A word that this process is shut out is final when it comes of the
/// said-table, not when it comes of the broker, which says the same of one that was away for too long.
pub(super) fn is_final(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Setting { .. } | KafkaError::TooLarge { .. })
}

fn is_shut_out(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Fenced { .. })
}
