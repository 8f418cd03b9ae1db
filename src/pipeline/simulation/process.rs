//! A simulated process: the three stages of [`Run::run`], its real code, driven a step at a time by one scheduler.
//!
//! What `pipeline/run.rs` does with three threads is done here in whatever order the dice have it: a stage goes a step
//! whenever its thread could.

use super::clients::{Client, Shared, lock};
use crate::kafka::KafkaError;
use crate::pipeline::handover::{Batch, Giver, Taken, Taker, handover};
use crate::pipeline::intake::Intake;
use crate::pipeline::live::{Ended, Live, Start};
use crate::pipeline::run::{Run, RunError, is_final};
use crate::pipeline::said_table::Owner;
use crate::pipeline::teller::{Counter, TellError, Teller, Tellings, teller};
use std::time::{Duration, Instant};

/// Batches on their way between the first two stages, and parcels between the others, at which the earlier one waits.
const BATCHES: usize = 3;
const PARCELS: usize = 6;

/// One life of a process.
struct Life<'a> {
    live: Live<'a>,
    intake: Option<Intake>,
    giver: Option<Giver>,
    filling: Option<Box<Batch>>,
    taker: Taker,
    counter: Option<Counter>,
    teller: Option<Teller<'a>>,
    batches: usize,
    parcels: usize,
    /// What the stages came to.
    read: Result<(), KafkaError>,
    told: Result<(), TellError>,
    ended: Option<Ended>,
    /// Steps of the intake in which nothing came.
    idle: u32,
}

/// Whether the process goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    /// It has ended by itself, as told or for a reason that waiting does not mend.
    Ended,
    /// It does not begin, and nobody can.
    Refused,
}

/// A process.
pub struct Process<'a> {
    pub id: u64,
    run: &'a Run,
    tellings: &'a Tellings,
    world: Shared,
    owner: Owner,
    has_begun: bool,
    is_told_to_stop: bool,
    life: Option<Life<'a>>,
    /// Lives so far.
    pub lives: u32,
}

impl<'a> Process<'a> {
    /// A process that has yet to begin.
    pub fn new(id: u64, run: &'a Run, tellings: &'a Tellings, world: &Shared) -> Process<'a> {
        let owner = Owner { process: format!("process {id}") };
        let world = world.clone();
        Process { id, run, tellings, world, owner, has_begun: false, is_told_to_stop: false, life: None, lives: 0 }
    }

    /// Tells it to finish what it read, and end.
    pub fn stop(&mut self) {
        self.is_told_to_stop = true;
    }

    /// Whether it has read all there is and told all that follows, as far as it can know.
    pub fn is_idle(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.idle > 12 && life.batches == 0 && life.parcels == 0)
    }

    /// One of its stages goes a step.
    pub fn step(&mut self) -> State {
        let Some(life) = &mut self.life else { return self.begin() };
        let stage = lock(&self.world).dice.below(3);
        match stage {
            0 if self.is_told_to_stop => life.stop_reading(),
            0 => life.read(&self.world),
            1 => life.correlate(&self.world),
            _ => life.tell(),
        }
        if life.ended.is_none() {
            return State::Running;
        }
        let Some(life) = self.life.take() else { return State::Running };
        self.conclude(life)
    }

    fn begin(&mut self) -> State {
        let broker = Client::new(self.world.clone(), self.id);
        let start = match self.has_begun {
            false => Live::start(self.run, &self.owner, &broker, Some(Box::new(broker.shelf()))),
            true => self.run.start_anew(&self.owner, &broker, Some(Box::new(broker.shelf()))),
        };
        match start {
            Ok(start) => {
                self.has_begun = true;
                self.lives += 1;
                self.life = Some(Life::new(start, self.run, self.tellings));
                State::Running
            }
            Err(RunError::Kafka(error)) if self.has_begun && Run::can_try_again(&error) => State::Running,
            Err(RunError::Kafka(_)) => State::Ended,
            // Rows that are missed are a mistake that is found at once; whoever comes next finds it as well.
            Err(RunError::SaidTable(error)) => {
                lock(&self.world).wrong.push(error.to_string());
                State::Refused
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Run::run`] has it.
    fn conclude(&mut self, mut life: Life<'a>) -> State {
        // What was handed over is committed when the counter is closed.
        drop(life.counter.take());
        while let Some(teller) = &mut life.teller {
            match teller.step() {
                Ok(true) => {}
                Ok(false) => life.teller = None,
                Err(error) => {
                    life.told = Err(error);
                    life.teller = None;
                }
            }
        }
        let again = |error: KafkaError| if is_final(&error) { State::Ended } else { State::Running };
        match (life.read, life.told, life.ended) {
            (Err(error), ..) | (_, Err(TellError::Kafka(error)), _) => again(error),
            (_, Err(TellError::Encode(error)), _) => panic!("{error}"),
            (_, Ok(()), Some(Ended::Parted)) => State::Running,
            (_, Ok(()), _) => State::Ended,
        }
    }
}

impl<'a> Life<'a> {
    fn new(start: Start<'a>, run: &'a Run, tellings: &'a Tellings) -> Life<'a> {
        let Start { live, intake, outbox, topics } = start;
        let (counter, teller) = teller(outbox, &run.kafka, &topics, run.by_component, tellings);
        let (mut giver, taker) = handover();
        Life {
            live,
            intake: Some(intake),
            filling: giver.empty(),
            giver: Some(giver),
            taker,
            counter: Some(counter),
            teller: Some(teller),
            batches: 0,
            parcels: 0,
            read: Ok(()),
            told: Ok(()),
            ended: None,
            idle: 0,
        }
    }

    fn stop_reading(&mut self) {
        self.giver = None;
    }

    /// A step of the first stage, unless it waits for the second.
    fn read(&mut self, world: &Shared) {
        let (Some(intake), Some(giver)) = (&mut self.intake, &mut self.giver) else { return };
        let Some(mut batch) = self.filling.take().or_else(|| (self.batches < BATCHES).then(|| giver.empty()).flatten())
        else {
            return;
        };
        let now = Instant::now() + lock(world).now;
        match intake.step(&mut batch, now) {
            Ok(true) => {
                let is_news = !batch.is_empty();
                self.idle = if is_news { 0 } else { self.idle + 1 };
                let is_leaving = !batch.leaving.is_empty();
                self.batches += 1;
                giver.give(batch);
                if is_leaving {
                    // It waits until that is worked through; then this life is over.
                    self.giver = None;
                }
            }
            Ok(false) => {
                self.idle += 1;
                self.filling = Some(batch);
            }
            Err(error) => {
                self.read = Err(error);
                self.giver = None;
            }
        }
    }

    /// A step of the second stage, unless it waits for the third.
    fn correlate(&mut self, world: &Shared) {
        if self.parcels > PARCELS {
            return;
        }
        let mut batch = match self.taker.take(Duration::ZERO) {
            Taken::Batch(batch) => batch,
            Taken::Nothing => return,
            Taken::Closed => {
                self.ended = Some(Ended::Over);
                return;
            }
        };
        self.batches -= 1;
        let Life { live, counter, teller, parcels, told, .. } = self;
        let (Some(counter), Some(teller)) = (counter, teller) else { return };
        let is_told = live.turn(&mut batch, &mut |parcel| {
            let is_given = counter.give(parcel);
            *parcels += 1;
            // The third stage may be at it at once.
            if lock(world).dice.chance(0.3) && told.is_ok() {
                *parcels = 0;
                *told = teller.step().map(|_| ());
            }
            is_given && told.is_ok()
        });
        let parts = !batch.leaving.is_empty();
        if parts && is_told {
            // All that was handed over is committed before the partitions are given away.
            self.tell();
        }
        self.taker.give_back(batch);
        if !is_told || self.told.is_err() {
            self.ended = Some(Ended::Untold);
        } else if parts || self.live.is_unfit() {
            self.ended = Some(Ended::Parted);
        }
    }

    /// A step of the third stage. It commits at each, for the interval is none.
    fn tell(&mut self) {
        let Some(teller) = &mut self.teller else { return };
        self.parcels = 0;
        if let Err(error) = teller.step() {
            self.told = Err(error);
            self.ended = Some(Ended::Untold);
        }
    }
}
