//! A node that has been tampered with, or that has fallen silent.
//!
//! Silence is measured in event time by the heartbeat that the registry promises, so a stream that stands still
//! accuses nobody. Neither is a breach by itself; both are gaps in what the mission can see. Many neighbours that are silent at
//! once are told of besides ([`super::blackout`]).

use super::blackout::Blackouts;
use super::clock::ClockLevel;
use super::lane::{Correction, Scene, Seen, Watch, span_ns};
use super::lanes::{Lanes, News};
use super::memory::{Change, LaneRecord, Memory};
use super::promise::Promises;
use super::rest::{Brief, Calm};
use super::sighting::{Outbox, Sighting, What};
use super::spell::{Spell, belie};
use super::{Rule, World, cited_at, remember, supersedes_at};
use crate::engine::book::{Book, Cited};
use crate::model::alert::Class;
use crate::model::geo::LonLat;
use crate::model::kind::{Band, Health, Kind, KindSet};
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::Observations;
use crate::model::time::{NS_PER_S, s_from_ns};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The chance that a tamper alarm or a missing heartbeat means what it says.
const PROBABILITY: f64 = 0.99;

/// Silences of one node that late heartbeats may still correct. At it the oldest stands as it was told.
const MAX_PAST: usize = 32;

/// A node that promises no heartbeat is forgotten so long after its last, nanoseconds. It rests until then, as others do: to make
/// a lane of it at each heartbeat and settle that took longer than all else.
const UNPROMISED_NS: i64 = 600 * NS_PER_S;

/// A heartbeat.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beat {
    cited: Cited,
    place: LonLat,
    tamper: bool,
    /// How good its clock is, where it says so.
    clock: Option<ClockLevel>,
    /// From when on its absence counts, nanoseconds; `None` for a node that promises no heartbeat.
    patience_ns: Option<i64>,
}

/// How long a lane rests after a heartbeat whose absence counts from then on, nanoseconds.
fn lasts_ns(patience_ns: Option<i64>) -> i64 {
    patience_ns.unwrap_or(UNPROMISED_NS)
}

/// What marks such a heartbeat at rest, and what all have in common.
fn at_rest(patience_ns: Option<i64>, clock: Option<ClockLevel>) -> (u8, Calm<u8>) {
    let calm = Calm { lasts_ns: lasts_ns(patience_ns), common: ClockLevel::class(clock) };
    (u8::from(patience_ns.is_none()) | ClockLevel::bits(clock) << 1, calm)
}

impl Seen for Beat {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}

/// The spell of that class that begins with that heartbeat.
fn spell(class: Class, beat: &Beat, scene: Scene<'_, NodeIx>) -> Spell {
    let name = &scene.world.registry.node(*scene.key).name;
    let key = format!("{class}/{name}/{}", beat.cited.id.as_str());
    let mut spell = Spell::from(key, class, beat.place, PROBABILITY, beat.cited);
    spell.patience_ns = beat.patience_ns.unwrap_or(i64::MAX);
    spell
}

/// Whether no heartbeat is missing between the two: a node that was off for a while has to find the time again.
fn is_next(last: &Beat, beat: &Beat, scene: Scene<'_, NodeIx>) -> bool {
    let every_s = scene.world.registry.node(*scene.key).heartbeat_s;
    every_s.is_some_and(|every_s| s_from_ns(beat.cited.time_ns - last.cited.time_ns) < 1.5 * every_s)
}

/// What is known of a node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pulse {
    last: Option<Beat>,
    // Few nodes have either; without, there is little to copy.
    silence: Option<Box<Spell>>,
    tamper: Option<Box<Spell>>,
    /// Silences that have ended but may still prove to be less, newest last.
    past: Vec<Spell>,
    /// Heartbeats of late by which the clock had jumped, newest last.
    #[serde(default)]
    jumps: Vec<Beat>,
}

impl Pulse {
    /// What may come of interference, in order of time: of the link that it is silent, of the satellites that its clock jumps.
    fn sightings(&self) -> impl Iterator<Item = Sighting> {
        let jumps = self.jumps.iter().map(|beat| Sighting::new(beat.cited, Band::Gnss, beat.place, What::Jump));
        let silences = self.past.iter().chain(self.silence.as_deref()).map(Sighting::of_silence);
        let mut all: Vec<Sighting> = silences.chain(jumps).collect();
        all.sort_by_key(|seen| seen.cited().time_ns);
        all.into_iter()
    }

    /// Whether there is more to it than the last heartbeat.
    fn goes_on(&self) -> bool {
        self.silence.is_some() || self.tamper.is_some() || !self.past.is_empty() || !self.jumps.is_empty()
    }

    /// Keeps a silence that has ended, for late heartbeats to correct.
    fn remember(&mut self, silence: Spell) {
        remember(&mut self.past, silence, MAX_PAST);
    }
}

impl Watch for Pulse {
    const NAME: &'static str = "sensor";

    type Key = NodeIx;
    type Seen = Beat;
    type Episode = Spell;
    /// About how good the clock is: what is seen of one that gets better or worse is more than a heartbeat.
    type Common = u8;

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_, NodeIx>, _ended: &mut Vec<Spell>) {
        let horizon_ns = span_ns(scene.world.settings.amend_horizon_s);
        self.past.retain(|spell| spell.end.is_some_and(|end| now_ns.saturating_sub(end.time_ns) < horizon_ns));
        self.jumps.retain(|beat| now_ns.saturating_sub(beat.cited.time_ns) < horizon_ns);
        self.last
            .take_if(|last| last.patience_ns.is_none() && now_ns.saturating_sub(last.cited.time_ns) >= UNPROMISED_NS);
        if let Some(last) = &self.last
            && let Some(patience_ns) = last.patience_ns
            && self.silence.is_none()
            && now_ns.saturating_sub(last.cited.time_ns) >= patience_ns
        {
            self.silence = Some(Box::new(spell(Class::SensorSilent, last, scene)));
        }
    }

    fn step(&mut self, beat: &Beat, scene: Scene<'_, NodeIx>, ended: &mut Vec<Spell>) {
        if let Some(last) = &self.last
            && ClockLevel::is_jump(last.clock, beat.clock)
            && is_next(last, beat, scene)
        {
            remember(&mut self.jumps, beat.clone(), MAX_PAST);
        }
        if let Some(silence) = self.silence.take() {
            let silence = silence.ended_by(beat.cited);
            self.remember(silence.clone());
            ended.push(silence);
        }
        match (&mut self.tamper, beat.tamper) {
            (Some(spell), true) => (spell.last, spell.seen) = (beat.cited, spell.seen + 1),
            (None, true) => self.tamper = Some(Box::new(spell(Class::SensorTamper, beat, scene))),
            (_, false) => ended.extend(self.tamper.take().map(|spell| spell.ended_by(beat.cited))),
        }
        self.last = Some(beat.clone());
    }

    fn recall(&mut self, beat: &Beat, scene: Scene<'_, NodeIx>, corrections: &mut Vec<Correction<Spell>>) -> bool {
        if self.last.as_ref().is_some_and(|last| last.cited.time_ns < beat.cited.time_ns) {
            // The silence that lasts ended here, if it was one by then; one that lasts began here. A tamper alarm in it counts
            // from the next on.
            if let Some(silence) = self.silence.take().and_then(|silence| silence.ended_late_by(beat.cited)) {
                self.remember(silence.clone());
                corrections.push(Correction::Was(silence));
            }
            self.last = Some(beat.clone());
            return true;
        }
        let Some((whole, until, since)) = belie(&mut self.past, beat.cited) else { return false };
        corrections.push(until.clone().map_or(Correction::WasNot(whole.key), Correction::Was));
        self.past.extend(until);
        if let Some(since) = since {
            let rest = Spell { end: since.end, patience_ns: since.patience_ns, ..spell(whole.class, beat, scene) };
            corrections.push(Correction::Was(rest.clone()));
            self.past.push(rest);
        }
        true
    }

    fn lasting(&self) -> impl Iterator<Item = &Spell> {
        self.silence.as_deref().into_iter().chain(self.tamper.as_deref())
    }

    fn due_ns(&self, _world: World<'_>) -> Option<i64> {
        let last = self.last.as_ref().filter(|_| self.silence.is_none())?;
        Some(last.cited.time_ns.saturating_add(lasts_ns(last.patience_ns)))
    }

    fn spent(&self) -> bool {
        self.silence.is_none() && self.tamper.is_none() && self.last.is_none()
    }

    fn is_memorable(&self, span_ns: i64) -> bool {
        // Who may be silent for long without meaning anything by it may have spoken before that.
        let is_slow = self.last.as_ref().and_then(|last| last.patience_ns).is_some_and(|it| it > span_ns);
        is_slow || self.goes_on()
    }

    fn at_rest(&self, world: World<'_>) -> Option<(Brief<'_>, Calm<u8>)> {
        self.last.as_ref().filter(|_| !self.goes_on()).and_then(|last| Pulse::brief(last, world))
    }

    fn brief<'a>(beat: &'a Beat, _world: World<'_>) -> Option<(Brief<'a>, Calm<u8>)> {
        let (mark, calm) = at_rest(beat.patience_ns, beat.clock);
        (!beat.tamper).then(|| (Brief::of(&beat.cited, beat.place, f64::NAN, mark), calm))
    }

    fn seen(brief: Brief<'_>, calm: &Calm<u8>) -> Option<Beat> {
        let (cited, patience_ns) = (brief.cited(Kind::Status), (brief.mark & 1 == 0).then_some(calm.lasts_ns));
        Some(Beat {
            cited,
            place: brief.place,
            tamper: false,
            clock: ClockLevel::of_bits(brief.mark >> 1),
            patience_ns,
        })
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        self.last.iter_mut().chain(&mut self.jumps).for_each(|beat| tell(&mut beat.cited));
        let lasting = self.silence.iter_mut().chain(&mut self.tamper).map(|spell| &mut **spell);
        lasting.chain(&mut self.past).for_each(|spell| spell.each_cited(tell));
    }
}

/// The rule.
#[derive(Serialize, Deserialize)]
pub struct Sensors {
    lanes: Lanes<Pulse>,
    #[serde(skip)]
    promises: Promises,
    blackouts: Blackouts,
    /// Silences, and clocks that jump, that nobody has heard of yet.
    sightings: Outbox,
}

impl Default for Sensors {
    fn default() -> Sensors {
        let (lanes, promises, blackouts) = (Lanes::listened_to(), Promises::default(), Blackouts::default());
        Sensors { lanes, promises, blackouts, sightings: Outbox::default() }
    }
}

impl Sensors {
    /// Tells who looks for clusters what nodes' silences have come to, and others of what may come of interference.
    fn pass_on(&mut self, world: World<'_>) {
        for News { key, corrections } in self.lanes.take_news() {
            corrections.into_iter().for_each(|correction| self.blackouts.correct(correction));
            match self.lanes.settled(&key) {
                Some(pulse) => {
                    self.blackouts.know(key, pulse.silence.as_deref(), pulse.past.iter());
                    if world.registry.node(key).registered {
                        pulse.sightings().for_each(|seen| self.sightings.put(seen));
                    }
                }
                None => self.blackouts.know(key, None, std::iter::empty()),
            }
        }
    }
}

/// Of the records of clusters: whose they are.
const CLUSTERS: &str = "sensor.cluster";

impl Memory for Sensors {
    fn rule(&self) -> &'static str {
        Pulse::NAME
    }

    fn keeps(&self, record: &LaneRecord) -> bool {
        record.rule == Pulse::NAME || record.rule == CLUSTERS
    }

    fn keep_within(&mut self, span_ns: i64) {
        self.lanes.keep_within(span_ns);
        self.blackouts.keep();
    }

    fn take_changes(&mut self, registry: &Registry) -> Vec<Change> {
        let mut changes = self.lanes.take_changes(registry);
        changes.extend(self.blackouts.take_changes(CLUSTERS, self.lanes.watermark_ns(), registry));
        changes
    }

    fn restore(&mut self, record: LaneRecord, world: World<'_>) -> bool {
        match record.rule == CLUSTERS {
            true => self.blackouts.restore(record, world.registry),
            false => self.lanes.restore(record, world),
        }
    }
}

impl Rule for Sensors {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Status)
    }

    fn look_ahead(&mut self, batch: &Observations, rows: Range<usize>) {
        let mut looked = 0;
        for row in rows.filter(|&row| batch.kind[row] == Kind::Status) {
            let node = batch.node[row];
            looked ^= self.promises.look(node);
            self.lanes.look_for(row, &node);
        }
        std::hint::black_box(looked ^ self.lanes.look());
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        let (node, time_ns, supersedes) = (batch.node[row], batch.time_ns[row], supersedes_at(batch, row));
        if batch.withdrawn[row] {
            if let Some(id) = supersedes {
                self.lanes.withdraw(&node, node, id, time_ns, world, book);
            }
            return;
        }
        let promise = self.promises.of(node, world);
        let own = LonLat::checked(batch.lon_deg[row], batch.lat_deg[row]);
        // A node that is nowhere can't be put on a map.
        let Some(place) = own.or(promise.place()) else { return };
        let patience_ns = promise.patience_ns();
        let detail = batch.detail[row] as usize;
        let tamper = batch.statuses.health[detail] == Health::Tamper;
        let clock = ClockLevel::of(batch.statuses.clock_sd_s[detail]);
        if !tamper && supersedes.is_none() {
            let (mark, calm) = at_rest(patience_ns, clock);
            let brief = Brief::at(batch, row, place, f64::NAN, mark);
            let at = self.lanes.found_ahead(row, |key| *key == node).or_else(|| self.lanes.find(&node));
            if at.is_some_and(|at| self.lanes.go_on(at, brief, &calm, world)) {
                return;
            }
        }
        let cited = cited_at(batch, row);
        self.lanes.observe(&cited.node, Beat { cited, place, tamper, clock, patience_ns }, supersedes, world, book);
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.lanes.advance(watermark_ns, world, book);
        self.pass_on(world);
        self.blackouts.advance(watermark_ns, world, book);
    }

    fn go_over(&mut self, world: World<'_>, book: &mut Book) {
        self.pass_on(world);
        self.blackouts.advance(self.lanes.watermark_ns(), world, book);
    }

    fn take_sightings(&mut self) -> Vec<Sighting> {
        self.sightings.take()
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
