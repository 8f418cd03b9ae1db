//! A sector, or the theatre: what a bin comes to in it, and the evidence that gathers there.

use super::detector::Detector;
use super::level::Level;
use super::other::{Counted, OTHERS, Other};
use super::recent::Recent;
use super::reference::Usual;
use super::unrest::{INCIDENTS, SLACK, SWING2, Unrest};
use super::usual::Terms;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Evidence from which on what is found is doubted: by chance that is so one bin in ten at most.
const DOUBTS: f64 = 10.0;

/// How many incidents were found, how many are usual, and on how many that rests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fire {
    /// Found.
    pub found: f64,
    /// Usual.
    pub expected: f64,
    past: f64,
}

/// What a bin came to in a sector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Whether anything can be told of it.
    pub is_told: bool,
    /// Incidents of fire.
    pub fire: Fire,
    others: [Counted; OTHERS.len()],
}

/// A sector, or the theatre.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// Fire against what is usual, and against the last hours.
    fire: Detector,
    fresh: Detector,
    unrest: Unrest,
    recent: Recent,
    /// What other ways of seeing tell.
    pub others: [Other; OTHERS.len()],
    /// Noise in calm weather, dB.
    pub noise_db: Option<f64>,
    /// The last bin in which a storm still counts.
    pub stormy_until: Option<i64>,
    /// The level that stands.
    pub level: Level,
    /// Since when nothing can be told of a level that stands, nanoseconds.
    pub unheard_ns: Option<i64>,
    /// Incidents found and expected, bin by bin, of the last hour.
    hour: VecDeque<(f64, f64)>,
}

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            fire: Detector::default(),
            fresh: Detector::default(),
            unrest: Unrest::assumed(INCIDENTS, SWING2, SLACK),
            recent: Recent::assumed(INCIDENTS),
            others: Default::default(),
            noise_db: None,
            stormy_until: None,
            level: Level::default(),
            unheard_ns: None,
            hour: VecDeque::new(),
        }
    }
}

impl Sum {
    /// Of a sector in which so many were found, where the hour of the day makes `factor` times as many of fire.
    pub fn new(usual: &Usual, fire: f64, others: &[u32; OTHERS.len()], factor: f64, bin_h: f64) -> Sum {
        let mut sum = Sum { is_told: true, ..Sum::default() };
        sum.fire = Fire { found: fire, expected: usual.fire.per_hour() * factor * bin_h, past: usual.fire.count };
        for ((sum, rate), &count) in sum.others.iter_mut().zip(&usual.others).zip(others) {
            *sum = Counted { count, expected: rate.per_hour() * bin_h, past: rate.count };
        }
        sum
    }

    /// Both together.
    pub fn plus(mut self, other: &Sum) -> Sum {
        self.is_told |= other.is_told;
        self.fire.found += other.fire.found;
        self.fire.expected += other.fire.expected;
        self.fire.past += other.fire.past;
        for (sum, other) in self.others.iter_mut().zip(&other.others) {
            sum.count += other.count;
            sum.expected += other.expected;
            sum.past += other.past;
        }
        self
    }
}

impl Scope {
    /// Goes by which share of those who count is up; `None` while there is a storm anywhere.
    pub fn hear(&mut self, share_up: Option<f64>) {
        if !self.recent.stands(share_up) {
            self.fresh = Detector::default();
        }
    }

    /// Adds a bin to the evidence of fire and of each other way of seeing, which end at these.
    pub fn detect(
        &mut self,
        from_ns: i64,
        sum: &Sum,
        is_doubted: bool,
        terms: Terms,
        bins_an_hour: usize,
        (fire_cap, other_cap): (f64, f64),
    ) {
        let Fire { found, expected, past } = sum.fire;
        self.fire.step(self.unrest.step(from_ns, found, expected, past), fire_cap);
        if let Some((factor, past)) = self.recent.factor() {
            self.fresh.step(self.recent.unrest.step(from_ns, found, factor * expected, past), fire_cap);
        }
        self.recent.learn(found, expected, is_doubted, terms);
        self.hour.push_back((found, expected));
        self.hour.drain(..self.hour.len().saturating_sub(bins_an_hour));
        for (other, &counted) in self.others.iter_mut().zip(&sum.others) {
            other.step(from_ns, counted, is_doubted, terms.bin_h, terms.memory_h, other_cap);
        }
    }

    /// Adds a bin, and what was measured of noise in calm weather, to what is known of its unrest.
    pub fn learn(&mut self, sum: &Sum, noise_db: Option<f64>, terms: Terms) {
        // What is told for an escalation and is none makes it more unsteady than was thought.
        if sum.is_told && self.level.level < 2 {
            self.unrest.learn(sum.fire.found, sum.fire.expected, terms.bin_h, terms.memory_h);
        }
        if let Some(noise_db) = noise_db {
            let usual_db = self.noise_db.get_or_insert(noise_db);
            *usual_db += (noise_db - *usual_db) * (1.0 - terms.fades());
        }
    }

    /// Whether what is found may be more than usual, so that it is learnt from slowly.
    pub fn is_doubted(&self) -> bool {
        self.level.level > 0 || self.fire_evidence() >= DOUBTS
    }

    /// The evidence for more fire than usual: the mean of both.
    pub fn fire_evidence(&self) -> f64 {
        0.5 * (self.fire.evidence() + self.fresh.evidence())
    }

    /// Since when there is more fire, nanoseconds.
    pub fn fire_since_ns(&self) -> Option<i64> {
        self.fire.since().or(self.fresh.since()).map(|since| since.from_ns)
    }

    /// How unsteady its fire is.
    pub fn unrest(&self) -> &Unrest {
        &self.unrest
    }

    /// Incidents of fire an hour, and how many are usual: since there are more; else of the last hour.
    pub fn rates(&self, bin_h: f64) -> (f64, f64) {
        if let Some(since) = self.fire.since() {
            let hours = f64::from(since.bins) * bin_h;
            return (since.count / hours, since.expected / hours);
        }
        let hours = (self.hour.len() as f64 * bin_h).max(1e-9);
        let sum = self.hour.iter().fold((0.0, 0.0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1));
        (sum.0 / hours, sum.1 / hours)
    }
}
