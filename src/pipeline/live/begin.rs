//! How the second stage begins: where the last one ended.
//!
//! What was said, and how far things had settled, is in the said-table. What the last one knew besides is in a checkpoint, if
//! there is one that fits; what has come since it was made is read again, in silence. Else what is needed is read again from
//! where the group has committed, and the rest is in the said-table.

use super::super::checkpoint::{CheckpointError, Head};
use super::super::correlator::Correlator;
use super::super::finals_heard::FinalsHeard;
use super::super::held_keys::HeldKeys;
use super::super::intake::{Intake, POLL_RECORDS};
use super::super::lessons::Lessons;
use super::super::low_water::LowWater;
use super::super::reference_tables::ReferenceTables;
use super::super::run::{Run, RunError};
use super::super::said_table::{Owner, Reading, SaidTable, SaidTableError, owner_key, row_json};
use super::super::second_hop::SecondHop;
use super::super::shelf::Shelf;
use super::neighbours::Neighbours;
use super::{Live, Resumed, Start};
use crate::codec::alert::EncodeError;
use crate::engine::associate::record::RegionRecord;
use crate::engine::book::Settled;
use crate::engine::escalation::record::EscalationRecord;
use crate::engine::progress::Partition;
use crate::failpoint;
use crate::kafka::topics::partition_counts;
use crate::kafka::{Begin, Broker, Inbox};
use crate::model::time::NS_PER_S;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

impl<'a> Live<'a> {
    /// Begins where the last one ended. Checkpoints are laid down in `shelf`, and looked for there.
    pub fn start(
        run: &'a Run,
        owner: &Owner,
        broker: &dyn Broker,
        shelf: Option<Box<dyn Shelf + Send>>,
    ) -> Result<Start<'a>, RunError> {
        let kafka = &run.kafka;
        let started = Instant::now();
        let names = &kafka.topics;
        let topics = vec![names.sensors.clone(), names.patrols.clone(), names.decisions.clone()];
        let (registry, places) = run.reference.load()?;
        let mut correlator =
            Correlator::new(run.settings.clone(), run.config_digest.clone(), topics.clone(), registry, places);
        correlator.convene(&run.review);
        // First of all, so that what a predecessor left open is void, and what it had committed can be read.
        failpoint::hit("recovery-begins");
        let mut outbox = broker.outbox()?;
        let mut table = None;
        if outbox.keeps_state() {
            let key = owner_key(&kafka.transactional_id());
            outbox.keep(&key, Some(&row_json(owner).map_err(EncodeError::from)?))?;
            outbox.commit(&[])?;
            table = Some(SaidTable::load(broker, kafka)?);
            failpoint::hit("recovery-has-read");
        }
        let tables = ReferenceTables::load(kafka, &run.reference, &mut |reference| correlator.refer(reference))?;
        tracing::info!(nodes = correlator.registry().nodes().len(), "reference data is in");
        let mut inbox = broker.inbox(&topics, POLL_RECORDS)?;
        if table.as_ref().is_some_and(SaidTable::is_empty) && inbox.has_committed()? {
            let (topic, id, group) = (names.state.clone(), kafka.transactional_id(), kafka.group.clone());
            let lost = SaidTableError::Lost { topic, id, group };
            match kafka.said_anew {
                true => tracing::warn!("kafka.said_anew is true: {lost}"),
                false => return Err(lost.into()),
            }
        }
        let (mut neighbours, mut second_hop, mut told_of) = (None, None, topics.clone());
        if let Some(part) = &run.part {
            told_of.push(names.by_region.clone());
            let share = part.layout.share(part.number, correlator.registry());
            let (others, parts) = (share.others(), share.regions.parts());
            second_hop = Some(SecondHop::new(&topics, &partition_counts(kafka, &topics)?));
            correlator.engine().take_share(share);
            neighbours = Some(Neighbours::new(part.number, parts, others, (topics.len() as u16, part.number as i32)));
        }
        let mut live = Live {
            run,
            correlator,
            results: Default::default(),
            held_keys: HeldKeys::default(),
            low_water: LowWater::default(),
            read_to: BTreeMap::new(),
            refused_before: BTreeMap::new(),
            assigned: BTreeSet::new(),
            awaited: BTreeMap::new(),
            is_replaying: false,
            keeps_state: table.is_some(),
            topics: told_of.clone(),
            topic_ids: Vec::new(),
            neighbours,
            shelf,
            records: 0,
            resumed: None,
            lessons: Lessons::new(&[], Duration::from_secs(kafka.learnt_interval_s.into()), 0, started),
            started,
            last_figures: Instant::now(),
            lag: 0,
            ahead: BTreeSet::new(),
            waits: 0,
        };
        if let Some(table) = table {
            live.topic_ids = match &live.neighbours {
                None => (0u16..).zip(&live.topics).map(|(topic, _)| inbox.id_of(topic)).collect(),
                // What is read is one topic, which stands last.
                Some(_) => topics.iter().map(|_| None).chain([inbox.id_of(0)]).collect(),
            };
            let anew = live.made_anew(&table, &*inbox);
            if let Err(error) = live.take_up(&table, &anew, &mut *inbox) {
                // It is not as it was before that: from the start, without it.
                let digest = table.checkpoint.map(|row| row.digest).unwrap_or_default();
                tracing::warn!("checkpoint {digest} is not taken up: {error}");
                let mut shelf = live.shelf.take();
                shelf.iter_mut().for_each(|shelf| shelf.forget(&digest));
                drop((inbox, outbox));
                return Live::start(run, owner, broker, shelf);
            }
            live.take_over(table, &anew, &mut *inbox);
        }
        let intake = Intake::new(inbox, tables, live.correlator.registry().clone());
        let intake = match second_hop {
            Some(second_hop) => intake.behind_router(second_hop),
            None => intake,
        };
        Ok(Start { live, intake, outbox, topics: told_of })
    }

    /// Takes up the checkpoint that the table names, if it is there and fits.
    fn take_up(
        &mut self,
        table: &SaidTable,
        anew: &BTreeSet<Partition>,
        inbox: &mut dyn Inbox,
    ) -> Result<(), CheckpointError> {
        let began = Instant::now();
        let (Some(row), Some(shelf)) = (&table.checkpoint, &mut self.shelf) else { return Ok(()) };
        let Some(checkpoint) = shelf.find(&row.digest) else { return Ok(()) };
        let (head, rest) = match Head::read(&checkpoint, self.reader()) {
            Ok(read) => read,
            Err(error) => {
                tracing::info!("a checkpoint is there and is not taken up: {error}");
                return Ok(());
            }
        };
        // One that is older than what is committed, as after a long time with a full disk, would have more read again than
        // there is need for.
        let is_newer = |place: Partition, reading: &Reading| {
            reading.committed.is_none_or(|committed| head.read_to.get(&place).is_some_and(|&to| to >= committed))
        };
        let fits = |(place, reading): (&(String, i32), &Reading)| {
            // Behind a router what is committed is a place in the one partition that is read.
            let is_read = |place: &Partition| self.neighbours.as_ref().is_none_or(|it| it.here == *place);
            let place = self.place(place).filter(is_read);
            place.is_none_or(|place| is_newer(place, reading) && !anew.contains(&place))
        };
        if !table.readings.iter().all(fits) {
            tracing::info!("a checkpoint is there and is not taken up: what has been committed since is newer");
            return Ok(());
        }
        self.correlator.take_up(rest)?;
        match (&mut self.neighbours, head.between) {
            (Some(neighbours), Some((crossing, finals))) => {
                (neighbours.crossing, neighbours.finals) = (crossing, finals);
                let read_to = head.read_to.get(&neighbours.here).copied();
                inbox.begin_at((0, neighbours.here.1), read_to.map_or(Begin::Start, Begin::At));
            }
            _ => {
                for &partition in &head.assigned {
                    // Of one of which nothing had been read, more may have been since, and may be committed.
                    let read_to = head.read_to.get(&partition).copied().or_else(|| head.low_water.committed(partition));
                    inbox.begin_at(partition, read_to.map_or(Begin::Start, Begin::At));
                }
            }
        }
        self.resumed = Some(Resumed { digest: row.digest.clone(), assigned: head.assigned, is_unfit: false });
        (self.read_to, self.low_water, self.held_keys) = (head.read_to, head.low_water, head.held_keys);
        tracing::info!(
            mib = checkpoint.len() >> 20,
            after_ms = began.elapsed().as_millis() as u64,
            "a checkpoint is taken up"
        );
        Ok(())
    }

    /// Takes over what the predecessor had said and how far it had come.
    fn take_over(&mut self, table: SaidTable, anew: &BTreeSet<Partition>, inbox: &mut dyn Inbox) {
        for (place, reading) in table.readings {
            let (name, number) = &place;
            let Some(partition) = self.place(&place) else { continue };
            if let Some(neighbours) = self.neighbours.as_mut().filter(|it| it.here == partition) {
                match self.resumed {
                    Some(_) => neighbours.go_on(&reading),
                    None => {
                        neighbours.finals = FinalsHeard::after(reading.finals_from_ns);
                        self.correlator.engine().finals_known_from(reading.finals_from_ns);
                    }
                }
                self.refused_before.insert(partition, reading);
                continue;
            }
            if anew.contains(&partition) {
                tracing::warn!(
                    "{name} partition {number} had been read to {}: it is another one now, and is taken as new",
                    reading.read_to
                );
                // What the group has committed may be of the old one still.
                inbox.begin_at(partition, Begin::Start);
                continue;
            }
            self.awaited.insert(partition, reading.read_to);
            match &mut self.neighbours {
                None => self.low_water.resume(partition, reading.committed, reading.newest_ns),
                // All that had been noted is in the checkpoint.
                Some(_) if self.resumed.is_some() => {}
                Some(neighbours) => {
                    reading.newest_ns.into_iter().for_each(|it| neighbours.crossing.resume(partition, it));
                    self.low_water.resume(partition, None, reading.newest_ns);
                }
            }
            self.refused_before.insert(partition, reading);
        }
        let (alerts, settled) = (table.alerts.len(), table.settled.unwrap_or(Settled::NOTHING));
        if alerts > 0 || !self.awaited.is_empty() {
            tracing::info!(alerts, partitions = self.awaited.len(), "goes on where the last run ended");
        }
        let learnt = RegionRecord::joined(table.learnt.into_values());
        let round = Duration::from_secs(self.run.kafka.learnt_interval_s.into());
        // Well within what is read again.
        let recall_ns = i64::from(self.run.kafka.recall_s) * NS_PER_S;
        self.lessons = Lessons::new(&learnt, round, recall_ns / 3, Instant::now());
        let engine = self.correlator.engine();
        let alerts = table.alerts.into_values();
        match self.resumed {
            Some(_) => engine.go_on(alerts, settled),
            None => engine.restore(alerts, settled, learnt),
        }
        if let Some(record) = EscalationRecord::joined(table.escalation.into_values())
            && !engine.restore_escalation(record)
        {
            tracing::warn!("engine.escalation has other bins or cells than before: what is usual is learnt anew");
        }
        engine.keep_within(recall_ns / 3);
        // All of that is in a checkpoint.
        if self.resumed.is_none() {
            for key in self.correlator.remember(table.lanes.into_values()) {
                tracing::warn!("what was kept as {key:?} can't be understood: what lasts of it is seen as new");
            }
        }
        self.is_replaying = true;
    }

    /// A partition as it is numbered here, if it is read here.
    fn place(&self, (name, number): &(String, i32)) -> Option<Partition> {
        let topic = self.topics.iter().position(|topic| topic == name)?;
        Some((u16::try_from(topic).ok()?, *number))
    }

    /// The partitions of topics that were made anew, and count from nothing again. The broker is asked about each.
    fn made_anew(&self, table: &SaidTable, inbox: &dyn Inbox) -> BTreeSet<Partition> {
        if self.neighbours.is_some() {
            return BTreeSet::new();
        }
        let is_another = |(topic, number): Partition, reading: &Reading| {
            let id = self.topic_ids.get(usize::from(topic)).cloned().flatten();
            id.zip(reading.topic_id.as_ref()).is_some_and(|(now, was)| now != *was)
                || inbox.end_of(topic, number).is_some_and(|end| end < reading.read_to)
        };
        let places = table.readings.iter().filter_map(|(place, reading)| Some((self.place(place)?, reading)));
        places.filter(|&(place, reading)| is_another(place, reading)).map(|(place, _)| place).collect()
    }
}
