//! The first stage of a live run, on a thread of its own: what the consumer has becomes batches of columns.
//!
//! A batch is handed over as soon as the consumer has nothing more at hand, or when it is full. The decoder needs to
//! know nodes by name, and adds those that only bring their own position; so it has a registry of its own, and what
//! changes in it travels with the batches. The other stage makes the same changes in the same order, and a node has
//! the same index here and there.

use super::correlator::Reference;
use super::handover::{Batch, Giver};
use super::reference_tables::ReferenceTables;
use super::second_hop::SecondHop;
use crate::codec::{DecodeOptions, Decoder, RecordAt};
use crate::engine::progress::Partition;
use crate::kafka::{Event, Inbox, KafkaError};
use crate::model::node::Registry;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Records after which a batch is handed over: what bounds the wait of the first of them.
pub const BATCH_RECORDS: u32 = 1_024;
/// Records taken at one poll, and bytes of lines after which a batch is handed over too. A record may have a mebibyte: no
/// batch is larger than the two together, however gateways cut what they send.
pub const POLL_RECORDS: u32 = 64;
const BATCH_BYTES: usize = 16 << 20;
/// Longest wait for a record before everything else is looked at.
const POLL: Duration = Duration::from_millis(5);
/// Between two looks at the reference tables.
const TABLES_EVERY: Duration = Duration::from_millis(250);
/// Between two looks at what still waits at the broker; when nothing comes, so often that is handed over.
const LAG_EVERY: Duration = Duration::from_millis(50);

/// Everything that reads.
pub struct Intake {
    inbox: Box<dyn Inbox + Send>,
    tables: Option<ReferenceTables>,
    decoder: Decoder,
    registry: Registry,
    /// In a cluster: what is read has been routed.
    second_hop: Option<SecondHop>,
    /// Nodes that the other stage knows of.
    nodes_told: usize,
    last_tables: Instant,
    last_lag: Instant,
    lag: u64,
    /// Partitions that wait for the others.
    paused: BTreeSet<Partition>,
}

impl Intake {
    /// Reads that inbox. The registry is as the other stage has it; tables are followed from here on.
    pub fn new(inbox: Box<dyn Inbox + Send>, tables: Option<ReferenceTables>, registry: Registry) -> Intake {
        let now = Instant::now();
        Intake {
            inbox,
            tables,
            decoder: Decoder::new(DecodeOptions { keep_raw: true }),
            nodes_told: registry.nodes().len(),
            registry,
            second_hop: None,
            last_tables: now,
            last_lag: now,
            lag: 0,
            paused: BTreeSet::new(),
        }
    }

    /// Reads what has been routed by region.
    pub fn behind_router(self, second_hop: SecondHop) -> Intake {
        Intake { second_hop: Some(second_hop), ..self }
    }

    /// Reads until it is told to stop or the other end is gone; what was read is handed over in any case.
    ///
    /// # Errors
    /// What ends the Kafka client.
    pub fn run(&mut self, mut giver: Giver, stop: &AtomicBool) -> Result<(), KafkaError> {
        let Some(mut batch) = giver.empty() else { return Ok(()) };
        while !stop.load(Ordering::Acquire) {
            if !self.step(&mut batch, Instant::now())? {
                continue;
            }
            let (is_assigned, is_leaving) = (!batch.assigned.is_empty(), !batch.leaving.is_empty());
            if !giver.give(batch) {
                return Ok(());
            }
            // The next poll gives the partitions away: before that their offsets have to be committed.
            if is_leaving && !giver.await_all() {
                return Ok(());
            }
            if is_assigned && self.second_hop.is_none() {
                self.check_share();
            }
            let Some(empty) = giver.empty() else { return Ok(()) };
            batch = empty;
        }
        Ok(())
    }

    /// Adds what there is to the batch, waiting a moment for it; whether it is worth handing over then.
    ///
    /// # Errors
    /// What ends the Kafka client.
    pub fn step(&mut self, batch: &mut Batch, now: Instant) -> Result<bool, KafkaError> {
        self.follow_tables(batch, now)?;
        self.wait_with(&batch.ahead)?;
        self.fill(batch)?;
        Ok(self.is_worth_giving(batch, now))
    }

    /// Pauses the partitions that are ahead, and goes on with the others. What was fetched of a partition that pauses is
    /// fetched again when it goes on.
    fn wait_with(&mut self, ahead: &BTreeSet<Partition>) -> Result<(), KafkaError> {
        // Behind a router all comes in one partition, in one order.
        if self.second_hop.is_some() || *ahead == self.paused {
            return Ok(());
        }
        let from: Vec<Partition> = self.paused.difference(ahead).copied().collect();
        let to: Vec<Partition> = ahead.difference(&self.paused).copied().collect();
        if !from.is_empty() {
            self.inbox.resume(&from)?;
        }
        if !to.is_empty() {
            tracing::debug!(partitions = ?to, "wait for the others");
            self.inbox.pause(&to)?;
        }
        self.paused.clone_from(ahead);
        Ok(())
    }

    /// Waits for a first record, then takes what is there already.
    fn fill(&mut self, batch: &mut Batch) -> Result<(), KafkaError> {
        let Intake { inbox, decoder, registry, second_hop, paused, .. } = self;
        let (mut records, mut wait) = (0, POLL);
        let (mut bytes, most) = (0, (BATCH_RECORDS - POLL_RECORDS) as usize);
        while records <= most && bytes < BATCH_BYTES && batch.leaving.is_empty() {
            let mut made_anew = None;
            let taken = inbox.poll(wait, &mut |event| match (event, second_hop.as_mut()) {
                (Event::Record(record), Some(hop)) => {
                    bytes += record.payload.len();
                    batch.taken_at.get_or_insert_with(Instant::now);
                    hop.record(&record, decoder, registry, batch);
                }
                (Event::Assigned(_), Some(hop)) => batch.assigned.extend_from_slice(hop.partitions()),
                (Event::End { .. }, Some(_)) => batch.is_all_here = true,
                // The router tells of the partitions of telemetry; to this one somebody always writes.
                (Event::Behind { .. } | Event::Revoked { .. } | Event::Quiet, Some(_)) => {}
                (Event::Record(record), None) => {
                    bytes += record.payload.len();
                    batch.taken_at.get_or_insert_with(Instant::now);
                    let at = RecordAt { topic: record.topic, partition: record.partition, offset: record.offset };
                    batch.keys.push(at, record.key);
                    batch.note((record.topic, record.partition), record.offset + 1);
                    decoder.record(record.payload, at, registry, &mut batch.lines);
                }
                (Event::Assigned(partitions), None) => {
                    tracing::info!(partitions = partitions.len(), "partitions assigned");
                    paused.retain(|partition| !partitions.contains(partition));
                    batch.assigned.extend_from_slice(partitions);
                }
                (Event::Revoked { partitions, lost }, None) => {
                    tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
                    batch.leaving.extend_from_slice(partitions);
                }
                (Event::End { topic, partition }, None) => batch.ended.push((topic, partition)),
                (Event::Behind { topic, partition }, None) => batch.note_behind((topic, partition)),
                (Event::Quiet, None) => batch.quiet = true,
                (Event::Failed(error), _) => tracing::warn!("{error}"),
                (Event::Jumped(error @ KafkaError::MadeAnew { .. }), _) => made_anew = Some(error),
                (Event::Jumped(error), _) => tracing::error!("{error}"),
                (Event::Restored, _) => tracing::info!("the broker is back"),
            })?;
            // What was known of it holds for another topic.
            if let Some(error) = made_anew {
                return Err(error);
            }
            if taken == 0 {
                break;
            }
            (records, wait) = (records + taken, Duration::ZERO);
        }
        let new = registry.nodes().get(self.nodes_told..).unwrap_or_default();
        batch.references.extend(new.iter().cloned().map(Reference::Node));
        self.nodes_told = registry.nodes().len();
        Ok(())
    }

    /// When nothing happened, what waits at the broker is told now and then all the same.
    fn is_worth_giving(&mut self, batch: &mut Batch, now: Instant) -> bool {
        let is_due = now.duration_since(self.last_lag) >= LAG_EVERY;
        if is_due || batch.read_to.is_empty() {
            self.lag = self.inbox.lag();
        }
        if is_due {
            self.last_lag = now;
        }
        batch.lag = self.lag;
        is_due || !batch.is_empty()
    }

    fn follow_tables(&mut self, batch: &mut Batch, now: Instant) -> Result<(), KafkaError> {
        if now.duration_since(self.last_tables) < TABLES_EVERY {
            return Ok(());
        }
        self.last_tables = now;
        let Intake { tables: Some(tables), registry, .. } = self else { return Ok(()) };
        tables.follow(&mut |reference| {
            if let Reference::Node(node) = &reference {
                registry.upsert(node.clone());
            }
            batch.references.push(reference);
        })?;
        self.nodes_told = self.registry.nodes().len();
        Ok(())
    }

    /// An event is heard by nodes of all partitions: a process that reads only some of them misses what it can't put
    /// together.
    fn check_share(&self) {
        if let Some((mine, all)) = self.inbox.share().filter(|(mine, all)| mine < all && self.second_hop.is_none()) {
            tracing::warn!(
                "this process reads {mine} of {all} partitions; another one in the same group reads the rest, and \
                 events heard across both are missed: run one process a group"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::handover::{Taken, handover};
    use super::super::reference::ReferenceFiles;
    use super::*;
    use crate::kafka::settings::Start;
    use crate::kafka::{Embedded, KafkaSettings, Sink, Source};

    const PATIENCE: Duration = Duration::from_secs(30);
    const RECORDS: usize = 600;

    /// A heartbeat of one of forty nodes, the even ones of which bring their own position.
    fn heartbeat(number: usize) -> (String, String) {
        let node = format!("n{}", number % 40);
        let own = if number.is_multiple_of(2) { r#","lon":31.5,"lat":46.9"# } else { "" };
        let minute = number / 60;
        let second = number % 60;
        let line = format!(
            r#"{{"id":"{number}","node":"{node}","kind":"status","time":"2026-01-01T00:{minute:02}:{second:02}Z"{own}}}"#
        );
        (node, line)
    }

    fn feature(node: &str) -> String {
        format!(
            r#"{{"type":"Feature","geometry":{{"type":"Point","coordinates":[31.5,46.9]}},"properties":{{"node":"{node}","kinds":["status"]}}}}"#
        )
    }

    #[test]
    fn a_node_has_the_same_index_on_both_sides_of_the_handover() {
        let broker = Embedded::start().unwrap();
        let settings = KafkaSettings { start: Start::Earliest, ..broker.settings(&KafkaSettings::default()) };
        for spec in settings.topics.all() {
            broker.create_topic(&spec.name, 2).unwrap();
        }
        let names = &settings.topics;
        let sink = Sink::new(&settings).unwrap();
        let register = |node: &str| {
            sink.send(&names.reference_sensors, Some(node.as_bytes()), feature(node).as_bytes(), &[]).unwrap();
        };
        register("n1");
        sink.flush(PATIENCE).unwrap();
        let mut theirs = Registry::default();
        let tables = ReferenceTables::load(&settings, &ReferenceFiles::default(), &mut |reference| {
            let Reference::Node(node) = reference else { panic!("only nodes were published") };
            theirs.upsert(node);
        });
        let source = Source::new(&settings, std::slice::from_ref(&names.sensors)).unwrap();
        let mut intake = Intake::new(Box::new(source), tables.unwrap(), theirs.clone());
        let (giver, taker) = handover();
        let stop = AtomicBool::new(false);
        let mut seen = BTreeSet::new();
        std::thread::scope(|scope| {
            let (stop, intake) = (&stop, &mut intake);
            scope.spawn(move || intake.run(giver, stop).unwrap());
            for number in 0..RECORDS / 2 {
                let (node, line) = heartbeat(number);
                sink.send(&names.sensors, Some(node.as_bytes()), line.as_bytes(), &[]).unwrap();
            }
            // The rest of the nodes are registered while records come, and some that are known become others.
            (3..40).rev().for_each(|number| register(&format!("n{number}")));
            sink.flush(PATIENCE).unwrap();
            let (started, mut sent) = (Instant::now(), RECORDS / 2);
            while seen.len() < RECORDS && started.elapsed() < PATIENCE {
                let Taken::Batch(mut batch) = taker.take(PATIENCE) else { panic!("the intake ended") };
                for reference in batch.references.drain(..) {
                    let Reference::Node(node) = reference else { panic!("only nodes were published") };
                    theirs.upsert(node);
                }
                let rows = &batch.lines.observations;
                for row in 0..rows.len() {
                    let number: usize = rows.text(rows.id[row]).parse().unwrap();
                    assert_eq!(theirs.node(rows.node[row]).name, heartbeat(number).0);
                    seen.insert(number);
                }
                // Nodes that were unknown are refused until the table has them; then they send again.
                for line in &batch.lines.rejected {
                    let key = batch.keys.of((line.origin.topic, line.origin.partition, line.origin.offset)).unwrap();
                    sink.send(&names.sensors, Some(key), &line.raw, &[]).unwrap();
                }
                if sent < RECORDS {
                    let (node, line) = heartbeat(sent);
                    sink.send(&names.sensors, Some(node.as_bytes()), line.as_bytes(), &[]).unwrap();
                    sent += 1;
                }
                taker.give_back(batch);
            }
            stop.store(true, Ordering::Release);
            while let Taken::Batch(batch) = taker.take(PATIENCE) {
                taker.give_back(batch);
            }
        });
        assert_eq!(seen.len(), RECORDS);
        assert_eq!(theirs.nodes(), intake.registry.nodes());
        assert!(theirs.nodes().iter().filter(|node| node.registered).count() >= 37);
    }
}
