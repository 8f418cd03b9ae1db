//! What is not final, as it is written down and taken up again.
//!
//! A step rests on the arrivals, on what was learnt, and on what the steps before made of the arrivals that are not done
//! with. The arrivals are read again by whoever goes on, and what was learnt is kept; so is the rest: who has which arrival,
//! and how the events stand. From there on the steps are those that would have been made, to the last bit.

use super::{Apex, Settling};
use crate::engine::associate::field::Field;
use crate::engine::associate::locate::{Explained, Located, Place, Point};
use crate::engine::associate::plan::{Event, NO_ONE, SETTLED};
use crate::engine::associate::record::{EventRecord, HeldRecord, HolderRecord, PlanRecord, PointRecord};
use crate::engine::associate::window::{Slot, Window};
use crate::model::node::Registry;
use crate::model::observation::Id;
use rustc_hash::FxHashMap;

/// What is known of the arrivals of each site, by its number.
pub type Held = FxHashMap<u32, Vec<HeldRecord>>;

/// A region with more arrivals that are to be written down keeps no plan: whoever goes on works it out anew.
const MAX_HELD: usize = 400_000;

/// What the plan is about.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// Sites.
    pub field: &'a Field,
    /// Arrivals.
    pub window: &'a Window,
    /// Radar's points.
    pub points: &'a [Point],
    /// Names.
    pub registry: &'a Registry,
}

impl Ground<'_> {
    fn point(&self, number: usize) -> PointRecord {
        let point = &self.points[number];
        PointRecord { node: self.registry.node(point.node).name.clone(), id: point.id, is_origin: point.is_origin }
    }

    /// The arrivals of a site up to a step, in order of time.
    fn arrivals(&self, site: u32, step_s: f64) -> impl Iterator<Item = Slot> + '_ {
        self.window.between(site, f64::NEG_INFINITY, step_s).map(|(_, slot)| slot)
    }
}

impl Settling {
    /// How things stand after the step at `step_s`, the longest travel time being `travel_s`. `None` where there is too
    /// much, or something that can't be written down.
    pub fn record(&self, ground: Ground<'_>, step_s: f64, travel_s: f64) -> Option<(PlanRecord, Held)> {
        let mut holders: FxHashMap<Slot, HolderRecord> = FxHashMap::default();
        let mut events = Vec::new();
        for (number, event) in self.plan.events() {
            let record = event_record(number, event, ground)?;
            for (nth, own) in (0..).zip(&event.located.arrivals) {
                let &Explained { slot, gain, residual_s, residual_deg, is_second, .. } = own;
                if !(gain.is_finite() && residual_s.is_finite() && residual_deg.is_none_or(f64::is_finite)) {
                    return None;
                }
                let holder = HolderRecord::Event { number, nth, gain, residual_s, residual_deg, is_second };
                holders.insert(slot, holder);
            }
            events.push(record);
        }
        let mut held = Held::default();
        let mut count = 0;
        for site in 0..ground.field.sites().len() as u32 {
            for slot in ground.arrivals(site, step_s) {
                let of = match self.plan.owner(slot) {
                    NO_ONE => None,
                    SETTLED => Some(HolderRecord::Settled),
                    _ => Some(holders.remove(&slot)?),
                };
                let arrival = ground.window.arrival(slot);
                let alone = self.alone.get(slot as usize).copied().unwrap_or(false);
                let record = HeldRecord { id: arrival.id, of, alone, ln_echo: f64::from(arrival.ln_echo) };
                if record.of.is_some() || record.alone || record.ln_echo != 0.0 {
                    held.entry(site).or_default().push(record);
                    count += 1;
                }
            }
        }
        let (numbers, vacant) = self.plan.numbers();
        let settled = (0..ground.points.len()).filter(|&number| self.plan.point_owner(number) == SETTLED);
        let settled = settled.map(|number| ground.point(number)).collect();
        let is_whole = holders.is_empty() && count <= MAX_HELD;
        is_whole.then(|| (PlanRecord { step_s, travel_s, numbers, vacant: vacant.to_vec(), events, settled }, held))
    }

    /// Goes on from a plan that was kept, when all arrivals up to its step are in; gives which of them may be echoes, and how
    /// likely. `None` when something that an event rests on has not come again: all stays as it is then.
    pub fn resume(&mut self, record: &PlanRecord, mut held: Held, ground: Ground<'_>) -> Option<Vec<(Slot, f64)>> {
        let mut arrivals: FxHashMap<u32, Vec<(u32, Explained)>> = FxHashMap::default();
        let mut known: Vec<(Slot, Option<HeldRecord>)> = Vec::new();
        for site in 0..ground.field.sites().len() as u32 {
            let records = held.remove(&site).unwrap_or_default();
            let mut records: FxHashMap<Id, HeldRecord> =
                records.into_iter().map(|record| (record.id, record)).collect();
            for slot in ground.arrivals(site, record.step_s) {
                let own = records.remove(&ground.window.arrival(slot).id);
                if let Some(HolderRecord::Event { number, nth, gain, residual_s, residual_deg, is_second }) =
                    own.as_ref().and_then(|own| own.of.clone())
                {
                    let own = Explained { slot, site, gain, residual_s, residual_deg, is_second };
                    arrivals.entry(number).or_default().push((nth, own));
                }
                known.push((slot, own));
            }
        }
        let numbers: FxHashMap<(&str, Id, bool), usize> = (0..)
            .zip(ground.points)
            .map(|(number, point)| {
                ((ground.registry.node(point.node).name.as_str(), point.id, point.is_origin), number)
            })
            .collect();
        let number_of = |point: &PointRecord| numbers.get(&(point.node.as_str(), point.id, point.is_origin)).copied();
        let mut events = Vec::new();
        for event in &record.events {
            let mut own = arrivals.remove(&event.number).unwrap_or_default();
            let points: Option<Vec<usize>> = event.points.iter().map(number_of).collect();
            if own.len() != event.arrivals as usize || event.number >= record.numbers {
                return None;
            }
            own.sort_unstable_by_key(|&(nth, _)| nth);
            let own = own.into_iter().map(|(_, own)| own).collect();
            events.push((event.number, taken_up(event, own, points?)));
        }
        if !arrivals.is_empty() {
            return None;
        }
        // From here on it is what it was.
        let mut echoes = Vec::new();
        for (slot, own) in known {
            let own_of = own.as_ref().and_then(|own| own.of.as_ref());
            if own_of == Some(&HolderRecord::Settled) {
                self.plan.pass_over(slot)
            } else {
                self.plan.reset(slot)
            }
            self.alone[slot as usize] = own.as_ref().is_some_and(|own| own.alone);
            echoes.push((slot, own.map_or(0.0, |own| own.ln_echo)));
        }
        let settled: Vec<usize> = record.settled.iter().filter_map(number_of).collect();
        (0..ground.points.len()).for_each(|number| self.plan.set_point(number, settled.contains(&number)));
        self.plan.restore(events, (record.numbers, record.vacant.clone()));
        self.share_out_queues(record);
        Some(echoes)
    }

    /// What waits for what after that step, of all that waits and has waited.
    fn share_out_queues(&mut self, record: &PlanRecord) {
        let last = self.last.drain(..).map(|(time_s, slot)| (time_s, Apex::Arrival(slot)));
        let all: Vec<(f64, Apex)> = last.chain(self.again.drain(..)).chain(self.queue.drain(..)).collect();
        let older = |by: f64| record.step_s - by * record.travel_s;
        for (time_s, apex) in all {
            if time_s >= older(1.0) {
                self.queue.push_back((time_s, apex));
            } else if time_s >= older(1.5) {
                self.again.push_back((time_s, apex));
            } else if let Apex::Arrival(slot) = apex
                && time_s >= older(2.0)
            {
                self.last.push_back((time_s, slot));
            }
        }
        self.known_to_s = record.step_s;
    }
}

fn event_record(number: u32, event: &Event, ground: Ground<'_>) -> Option<EventRecord> {
    let Located { at, covariance, score, rival, contested, loudness, two_places, .. } = event.located;
    let record = EventRecord {
        number,
        tries: event.tries,
        at: [at.x_m, at.y_m, at.time_s],
        covariance,
        score,
        rival: Some(rival).filter(|&rival| rival > f64::NEG_INFINITY),
        contested,
        loudness,
        two_places,
        arrivals: event.located.arrivals.len() as u32,
        points: event.located.points.iter().map(|&point| ground.point(point)).collect(),
    };
    let numbers = record.at.iter().chain(&record.covariance).chain([&score, &contested, &loudness]);
    let is_sound = numbers.chain(&record.rival).all(|number| number.is_finite());
    is_sound.then_some(record)
}

fn taken_up(record: &EventRecord, arrivals: Vec<Explained>, points: Vec<usize>) -> Event {
    let [x_m, y_m, time_s] = record.at;
    let located = Located {
        at: Place { x_m, y_m, time_s },
        covariance: record.covariance,
        score: record.score,
        rival: record.rival.unwrap_or(f64::NEG_INFINITY),
        contested: record.contested,
        loudness: record.loudness,
        arrivals,
        points,
        silent: Vec::new(),
        two_places: record.two_places,
    };
    Event { located, tries: record.tries }
}
