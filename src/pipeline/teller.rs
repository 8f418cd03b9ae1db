//! The last stage of a live run, on a thread of its own: what the engine came to goes out, and is committed with how far
//! was read.
//!
//! An alert is committed as soon as it is there, together with all that waits by then; without one, and while a backlog is read, a commit is
//! due every `commit_interval_ms`. So commits follow one another closely when there is much to say, and none waits for a
//! clock. Parcels that wait are few: when the broker is slow, the engine waits, and then the intake.

use super::by_region::{Forward, ForwardWhat, LineHead, What};
use super::latency::latencies;
use super::parcel::Parcel;
use super::said_table::{
    CheckpointRow, Reading, alert_key, alert_row_json, checkpoint_key, escalation_key, lane_key, learnt_key,
    reading_key, row_json, settled_key,
};
use crate::codec::alert::{EncodeError, alert_headers, alert_json, rejected_headers};
use crate::codec::escalation::{escalation_headers, escalation_json};
use crate::engine::associate::record::RegionRecord;
use crate::engine::book::{Kept, Said, Settled};
use crate::engine::escalation::record::EscalationRecord;
use crate::engine::rules::memory::LaneRecord;
use crate::kafka::{KafkaError, KafkaSettings, Outbox, Position};
use crate::model::alert::Latency;
use crate::model::escalation::Escalation;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Parcels on their way; at it the engine waits.
pub const MAX_PARCELS: usize = 8;

/// Sites in a row of what a region has learnt: some 250 bytes each, and a topic takes rows of up to a mebibyte.
const MAX_SITES_A_ROW: usize = 2_000;

/// Cells in a row of what is usual: some 200 bytes each.
const MAX_CELLS_A_ROW: usize = 4_000;

/// Why nothing more can be told.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// An alert that can't be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl From<serde_json::Error> for TellError {
    fn from(error: serde_json::Error) -> TellError {
        TellError::Encode(error.into())
    }
}

/// What has been told, over all lives of a run.
#[derive(Clone, Debug)]
pub struct Told {
    /// Alert revisions sent.
    pub revisions: u64,
    /// From taking the deciding batch from the consumer's queue to handing the alert to the producer, microseconds.
    pub ingest_to_alert_us: Histogram<u64>,
    /// The same to when the commit that holds it was acknowledged.
    pub ingest_to_commit_us: Histogram<u64>,
    /// Commits.
    pub commits: u64,
}

impl Default for Told {
    fn default() -> Told {
        Told { revisions: 0, ingest_to_alert_us: latencies(), ingest_to_commit_us: latencies(), commits: 0 }
    }
}

/// [`Told`], told by one thread and looked at by another.
#[derive(Debug, Default)]
pub struct Tellings(Mutex<Told>);

impl Tellings {
    /// As of now.
    pub fn now(&self) -> Told {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Counts are whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Order {
    Tell(Box<Parcel>),
    /// Commit what was sent before, then answer.
    Commit(SyncSender<()>),
}

/// The end that gives parcels.
pub struct Counter {
    orders: SyncSender<Order>,
    waiting: Arc<AtomicUsize>,
}

impl Counter {
    /// Hands a parcel over, waiting while too many wait; false when the other end is gone, and why is what its thread
    /// ended with.
    pub fn give(&self, parcel: Parcel) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.orders.send(Order::Tell(Box::new(parcel))).is_ok()
    }

    /// How many parcels wait to be told, the one that waits for room included: above [`MAX_PARCELS`] the engine waits.
    pub fn waiting(&self) -> Arc<AtomicUsize> {
        self.waiting.clone()
    }

    /// Waits until all that was handed over has been committed; false when the other end is gone.
    pub fn await_commit(&self) -> bool {
        let (done, is_done) = sync_channel(1);
        self.orders.send(Order::Commit(done)).is_ok() && is_done.recv().is_ok()
    }
}

/// The end that tells. It is over when the other end is dropped and all has been committed.
pub struct Teller<'a> {
    orders: Receiver<Order>,
    parcels: Arc<AtomicUsize>,
    outbox: Box<dyn Outbox + Send>,
    kafka: &'a KafkaSettings,
    topics: Vec<String>,
    by_component: bool,
    tellings: &'a Tellings,
    /// Rows of the said-table that the next commit writes.
    kept: BTreeMap<String, Option<Kept>>,
    /// By the claims' keys, the newest revision that was sent since the last commit, as it was sent.
    sent: BTreeMap<Arc<str>, (u32, Vec<u8>)>,
    readings: BTreeMap<(u16, i32), Reading>,
    settled: Option<Settled>,
    lanes: BTreeMap<String, Option<LaneRecord>>,
    escalation: Option<EscalationRecord>,
    /// By the places of regions.
    learnt: BTreeMap<String, RegionRecord>,
    checkpoint: Option<CheckpointRow>,
    positions: BTreeMap<(u16, i32), i64>,
    /// When the batches of uncommitted alerts were taken.
    waiting: Vec<Instant>,
    /// Whether something has been sent since the last commit, and whether it is an alert.
    is_open: bool,
    is_urgent: bool,
    is_backlog: bool,
    last_commit: Instant,
}

/// Both ends. `topics` names what origins and positions count.
pub fn teller<'a>(
    outbox: Box<dyn Outbox + Send>,
    kafka: &'a KafkaSettings,
    topics: &[String],
    by_component: bool,
    tellings: &'a Tellings,
) -> (Counter, Teller<'a>) {
    let (give, orders) = sync_channel(MAX_PARCELS);
    let waiting = Arc::<AtomicUsize>::default();
    let counter = Counter { orders: give, waiting: waiting.clone() };
    let teller = Teller {
        orders,
        parcels: waiting,
        outbox,
        kafka,
        topics: topics.to_vec(),
        by_component,
        tellings,
        kept: BTreeMap::new(),
        sent: BTreeMap::new(),
        readings: BTreeMap::new(),
        settled: None,
        lanes: BTreeMap::new(),
        escalation: None,
        learnt: BTreeMap::new(),
        checkpoint: None,
        positions: BTreeMap::new(),
        waiting: Vec::new(),
        is_open: false,
        is_urgent: false,
        is_backlog: false,
        last_commit: Instant::now(),
    };
    (counter, teller)
}

impl Teller<'_> {
    /// Tells what it is given until the other end is gone.
    ///
    /// # Errors
    /// What ends the outbox.
    pub fn run(mut self) -> Result<(), TellError> {
        while self.step()? {}
        Ok(())
    }

    /// Waits for an order until the next commit is due, then does what there is to do; false when it is over.
    ///
    /// # Errors
    /// What ends the outbox.
    pub fn step(&mut self) -> Result<bool, TellError> {
        match self.orders.recv_timeout(self.interval().saturating_sub(self.last_commit.elapsed())) {
            Ok(order) => self.carry_out(order)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                self.commit()?;
                return Ok(false);
            }
        }
        // What waits goes into the same commit; no more than may wait, or it would be put off for ever.
        for _ in 0..MAX_PARCELS {
            let Ok(order) = self.orders.try_recv() else { break };
            self.carry_out(order)?;
        }
        if self.last_commit.elapsed() >= self.interval() {
            self.commit()?;
        }
        Ok(true)
    }

    /// How long after the last commit the next one is due. Alerts that come out of a backlog are late anyway, and share one: a commit, and a
    /// row of the said-table for each alert that changed since the last, cost processor time that is missing for catching up.
    fn interval(&self) -> Duration {
        let is_urgent = self.is_urgent && !self.is_backlog && self.outbox.keeps_state();
        if is_urgent { Duration::ZERO } else { Duration::from_millis(self.kafka.commit_interval_ms.into()) }
    }

    fn carry_out(&mut self, order: Order) -> Result<(), TellError> {
        match order {
            Order::Tell(parcel) => {
                let told = self.tell(*parcel);
                self.parcels.fetch_sub(1, Ordering::Relaxed);
                told
            }
            Order::Commit(done) => {
                self.commit()?;
                // Who asked may be gone by now.
                let _ = done.send(());
                Ok(())
            }
        }
    }

    fn tell(&mut self, parcel: Parcel) -> Result<(), TellError> {
        let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64);
        self.is_open |= !parcel.is_empty();
        self.is_urgent |= !parcel.said.is_empty() || !parcel.escalations.is_empty();
        self.is_backlog = parcel.is_backlog;
        for said in parcel.said {
            self.tell_alert(said, parcel.taken_at, now_ns)?;
        }
        for escalation in parcel.escalations {
            self.tell_escalation(&escalation)?;
        }
        for line in parcel.rejected {
            let topic = self.topics.get(usize::from(line.origin.topic)).map_or("", String::as_str);
            let headers = rejected_headers(topic, line.origin, &line.refusal);
            let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            // The headers tell its place: what does not fit can be read where it came from, for as long as that topic
            // keeps it.
            self.outbox.send_what_fits(&self.kafka.topics.rejected, line.key.as_deref(), &line.raw, &headers)?;
        }
        for forward in parcel.forwards {
            self.tell_part(&forward)?;
        }
        self.kept.extend(parcel.kept);
        self.readings.extend(parcel.readings);
        self.settled = parcel.settled.or(self.settled);
        self.lanes.extend(parcel.lanes);
        self.escalation = parcel.escalation.or(self.escalation.take());
        self.learnt.extend(parcel.learnt.map(|record| (record.place(), record)));
        self.checkpoint = parcel.checkpoint.or(self.checkpoint.take());
        self.positions.extend(parcel.positions.iter().map(|it| ((it.topic, it.partition), it.next_offset)));
        Ok(())
    }

    fn tell_part(&mut self, forward: &Forward) -> Result<(), TellError> {
        let (topic, partition) = (&self.kafka.topics.by_region, forward.partition);
        let key = partition.to_string();
        let key = Some(key.as_bytes());
        match &forward.what {
            ForwardWhat::Finals(finals) => {
                let payload = serde_json::to_vec(finals)?;
                self.outbox.send_to(topic, partition, key, &payload, &What::Finals.headers())?;
            }
            ForwardWhat::Bin(bin) => {
                let payload = serde_json::to_vec(bin)?;
                self.outbox.send_to(topic, partition, key, &payload, &What::Bin.headers())?;
            }
            ForwardWhat::Line(line, origin, came_with) => {
                let first = self.topics.get(usize::from(origin.topic)).map_or("", String::as_str);
                let head = LineHead {
                    topic: first,
                    partition: origin.partition,
                    offset: origin.offset,
                    line: origin.line,
                    halo: false,
                    key: came_with.as_deref(),
                };
                head.with_headers(|headers| self.outbox.send_to(topic, partition, key, line, headers))?;
            }
        }
        Ok(())
    }

    fn tell_escalation(&mut self, escalation: &Escalation) -> Result<(), TellError> {
        let json = escalation_json(escalation)?;
        let headers = escalation_headers(escalation);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.outbox.send(&self.kafka.topics.escalations, Some(escalation.sector.as_bytes()), &json, &headers)?;
        Ok(())
    }

    fn tell_alert(&mut self, said: Said, taken_at: Option<Instant>, now_ns: i64) -> Result<(), TellError> {
        let (said_key, mut feature) = (said.key.clone(), said.into_feature());
        let names = &self.kafka.topics;
        let ingest = taken_at.map_or(Duration::ZERO, |at| at.elapsed());
        feature.properties.latency = Some(Latency {
            event_to_alert_ms: rounded_ms((now_ns - feature.properties.time.0) as f64 * 1e-6),
            ingest_to_alert_ms: rounded_ms(ingest.as_secs_f64() * 1e3),
        });
        let mut told = self.tellings.lock();
        told.revisions += 1;
        told.ingest_to_alert_us.saturating_record(ingest.as_micros() as u64);
        drop(told);
        self.waiting.extend(taken_at);
        let json = alert_json(&feature)?;
        let headers = alert_headers(&feature);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let key = Some(feature.properties.alert.as_bytes());
        self.outbox.send(&names.violations, key, &json, &headers)?;
        self.outbox.send(&names.current, key, &json, &headers)?;
        if let Some(component) = feature.properties.component.filter(|_| self.by_component) {
            self.outbox.send(names.component(component).1, key, &json, &headers)?;
        }
        if self.outbox.keeps_state() {
            self.sent.insert(said_key, (feature.properties.revision, json));
        }
        Ok(())
    }

    /// Makes all that was told stand. At least once: when that fails, nothing is lost; the offsets stay where they were, and
    /// the next commit covers these too. Exactly once: when that fails, this outbox is done for.
    fn commit(&mut self) -> Result<(), TellError> {
        self.last_commit = Instant::now();
        let keeps_state = self.outbox.keeps_state();
        // Also without positions: what a topic refused is sent again.
        if keeps_state && !self.is_open && self.positions.is_empty() {
            return Ok(());
        }
        if keeps_state {
            crate::failpoint::hit("before-state");
            self.tell_state()?;
        }
        let positions: Vec<Position> = self
            .positions
            .iter()
            .map(|(&(topic, partition), &next_offset)| Position { topic, partition, next_offset })
            .collect();
        match self.outbox.commit(&positions) {
            Ok(()) => self.positions.clear(),
            Err(error) if keeps_state => return Err(error.into()),
            Err(error) => {
                tracing::warn!("offsets are not committed: {error}");
                return Ok(());
            }
        }
        (self.is_open, self.is_urgent) = (false, false);
        self.last_commit = Instant::now();
        let mut told = self.tellings.lock();
        told.commits += 1;
        for taken_at in self.waiting.drain(..) {
            told.ingest_to_commit_us.saturating_record(taken_at.elapsed().as_micros() as u64);
        }
        Ok(())
    }

    fn tell_state(&mut self) -> Result<(), TellError> {
        let id = self.kafka.transactional_id();
        while let Some((key, kept)) = self.kept.pop_first() {
            let row = match (kept, self.sent.get(key.as_str())) {
                (Some(kept), Some((revision, sent))) if kept.feature.properties.revision == *revision => {
                    Some(alert_row_json(kept, sent)?)
                }
                (kept, _) => kept.map(|kept| row_json(&kept)).transpose()?,
            };
            self.outbox.keep(&alert_key(&id, &key), row.as_deref())?;
        }
        self.sent.clear();
        while let Some(((index, partition), reading)) = self.readings.pop_first() {
            let Some(name) = self.topics.get(usize::from(index)) else { continue };
            self.outbox.keep(&reading_key(&id, name, partition), Some(&row_json(&reading)?))?;
        }
        while let Some((key, record)) = self.lanes.pop_first() {
            let row = record.map(|record| row_json(&record)).transpose()?;
            self.outbox.keep(&lane_key(&id, &key), row.as_deref())?;
        }
        while let Some((place, record)) = self.learnt.pop_first() {
            for (number, piece) in record.pieces(MAX_SITES_A_ROW).iter().enumerate() {
                self.outbox.keep(&learnt_key(&id, &place, number), Some(&row_json(piece)?))?;
            }
        }
        if let Some(record) = self.escalation.take() {
            for (number, piece) in record.pieces(MAX_CELLS_A_ROW).iter().enumerate() {
                self.outbox.keep(&escalation_key(&id, number), Some(&row_json(piece)?))?;
            }
        }
        if let Some(row) = self.checkpoint.take() {
            self.outbox.keep(&checkpoint_key(&id), Some(&row_json(&row)?))?;
        }
        if let Some(settled) = self.settled.take() {
            self.outbox.keep(&settled_key(&id), Some(&row_json(&settled)?))?;
        }
        Ok(())
    }
}

fn rounded_ms(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}
