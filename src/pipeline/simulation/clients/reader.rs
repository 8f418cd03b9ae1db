//! One member of the group that reads the simulated Kafka.

use super::{Reading, Shared, lock};
use crate::kafka::{Begin, Event, Inbox, KafkaError, Record};
use crate::pipeline::simulation::faults::Bug;
use crate::pipeline::simulation::scene::INPUTS;
use crate::pipeline::simulation::world::{Entry, GroupEvent, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) struct Part {
    topic: u16,
    partition: i32,
    next_offset: Option<i64>,
    is_at_end: bool,
}

/// A member of the group.
pub(super) struct Reader {
    pub(super) world: Shared,
    pub(super) process: u64,
    pub(super) member: usize,
    pub(super) reading: Arc<Mutex<Option<Reading>>>,
    pub(super) parts: Vec<Part>,
    pub(super) leaving: Vec<(u16, i32)>,
    pub(super) paused: BTreeSet<(u16, i32)>,
    pub(super) begins: BTreeMap<(u16, i32), Begin>,
    pub(super) told_quiet: bool,
}

/// What a poll comes to, told when the world has been let go.
enum News {
    Record(u16, i32, i64, Entry),
    Assigned(Vec<(u16, i32)>),
    Revoked(Vec<(u16, i32)>, bool),
    End(u16, i32),
    Behind(u16, i32),
    Quiet,
}

impl Reader {
    fn release(&mut self, world: &mut World) {
        if !self.leaving.is_empty() {
            let leaving = std::mem::take(&mut self.leaving);
            self.parts.retain(|part| !leaving.contains(&(part.topic, part.partition)));
            world.gave_away(self.member);
        }
    }

    fn group(&mut self, world: &mut World, news: &mut Vec<News>) {
        // The group's answers take their time, but two that come as one stay so.
        if world.dice.chance(0.3) {
            return;
        }
        let at_once = world.bug == Some(Bug::TakenBackAtOnce);
        while (at_once || self.leaving.is_empty())
            && let Some(event) = world.members[self.member].events.pop_front()
        {
            match event {
                GroupEvent::Assign(partitions) => {
                    self.release(world);
                    self.parts.retain(|part| !partitions.contains(&(part.topic, part.partition)));
                    for &(topic, partition) in &partitions {
                        let next_offset = match self.begins.remove(&(topic, partition)) {
                            Some(Begin::Start) => Some(0),
                            Some(Begin::At(offset)) => Some(offset),
                            None => None,
                        };
                        self.parts.push(Part { topic, partition, next_offset, is_at_end: false });
                    }
                    self.paused.retain(|partition| !partitions.contains(partition));
                    news.push(News::Assigned(partitions));
                    if world.dice.chance(0.5) {
                        break;
                    }
                }
                GroupEvent::Revoke { partitions, lost } => {
                    news.push(News::Revoked(partitions.clone(), lost));
                    self.leaving.extend(partitions);
                }
            }
        }
    }

    /// Some records of some partitions, each partition's in order.
    fn take(&mut self, world: &mut World, news: &mut Vec<News>) -> usize {
        let mut records = 0;
        if self.parts.is_empty() || world.dice.chance(0.3) {
            return 0;
        }
        let most = if world.dice.chance(0.2) { 200 } else { 16 };
        let most = 1 + world.dice.below(most);
        for _ in 0..3 * self.parts.len() {
            let index = world.dice.below(self.parts.len());
            let run = 1 + world.dice.below(8);
            let part = &mut self.parts[index];
            if self.paused.contains(&(part.topic, part.partition)) {
                continue;
            }
            if part.next_offset.is_none() {
                part.next_offset = world.starts_at(part.topic, part.partition);
            }
            let Some(mut next) = part.next_offset else { continue };
            for entry in world.input(part.topic, part.partition).iter().skip(next as usize).take(run) {
                next += 1;
                if !entry.is_gap && records < most {
                    records += 1;
                    if std::mem::take(&mut part.is_at_end) {
                        news.push(News::Behind(part.topic, part.partition));
                    }
                    news.push(News::Record(part.topic, part.partition, next - 1, entry.clone()));
                } else if !entry.is_gap {
                    next -= 1;
                    break;
                }
            }
            part.next_offset = Some(next);
        }
        records
    }

    fn ends(&mut self, world: &mut World, news: &mut Vec<News>) {
        for part in &mut self.parts {
            let end = world.input(part.topic, part.partition).len() as i64;
            match part.next_offset {
                Some(next) if next < end && part.is_at_end => {
                    part.is_at_end = false;
                    news.push(News::Behind(part.topic, part.partition));
                }
                Some(next) if next == end && !part.is_at_end && world.dice.chance(0.5) => {
                    part.is_at_end = true;
                    news.push(News::End(part.topic, part.partition));
                }
                _ => {}
            }
        }
    }
}

impl Inbox for Reader {
    fn poll(&mut self, _: Duration, on: &mut dyn FnMut(Event<'_>)) -> Result<usize, KafkaError> {
        let mut news = Vec::new();
        let shared = self.world.clone();
        let mut world = lock(&shared);
        if world.dead.contains(&self.process) {
            return Err(KafkaError::Fatal { why: "the process is dead".to_owned() });
        }
        self.release(&mut world);
        self.group(&mut world, &mut news);
        let mut records = 0;
        if self.leaving.is_empty() {
            records = self.take(&mut world, &mut news);
        }
        self.ends(&mut world, &mut news);
        let all: usize = INPUTS.iter().map(|input| input.1).sum();
        world.is_read = self.parts.len() == all && self.parts.iter().all(|part| part.is_at_end);
        let is_quiet = world.is_delivered && world.is_read;
        if is_quiet && news.is_empty() && !self.told_quiet && world.dice.chance(0.1) {
            (self.told_quiet, world.was_quiet) = (true, true);
            news.push(News::Quiet);
        }
        drop(world);
        let mut reading = self.reading.lock().expect("one thread");
        for told in news {
            match told {
                News::Record(topic, partition, offset, entry) => {
                    if let Some(reading) = reading.as_mut() {
                        reading.read_to.insert((topic, partition), offset + 1);
                    }
                    let payload = entry.payload.as_deref().unwrap_or_default();
                    on(Event::Record(Record::made_up(topic, partition, offset, entry.key.as_deref(), payload)));
                }
                News::Assigned(partitions) => on(Event::Assigned(&partitions)),
                News::Revoked(partitions, lost) => on(Event::Revoked { partitions: &partitions, lost }),
                News::End(topic, partition) => on(Event::End { topic, partition }),
                News::Behind(topic, partition) => on(Event::Behind { topic, partition }),
                News::Quiet => on(Event::Quiet),
            }
        }
        Ok(records)
    }

    fn lag(&self) -> u64 {
        0
    }

    fn pause(&mut self, partitions: &[(u16, i32)]) -> Result<(), KafkaError> {
        self.paused.extend(partitions);
        Ok(())
    }

    fn resume(&mut self, partitions: &[(u16, i32)]) -> Result<(), KafkaError> {
        self.paused.retain(|partition| !partitions.contains(partition));
        Ok(())
    }

    fn end_of(&self, topic: u16, partition: i32) -> Option<i64> {
        Some(lock(&self.world).input(topic, partition).len() as i64)
    }

    fn begin_at(&mut self, partition: (u16, i32), begin: Begin) {
        self.begins.insert(partition, begin);
    }

    fn id_of(&self, _: u16) -> Option<String> {
        None
    }

    fn has_committed(&self) -> Result<bool, KafkaError> {
        Ok(!lock(&self.world).committed.is_empty())
    }

    fn share(&self) -> Option<(usize, usize)> {
        None
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut world = lock(&self.world);
        // Who dies says goodbye to nobody.
        if !world.dead.contains(&self.process) {
            world.leave(self.member);
        }
    }
}
