//! A vessel that stops reporting in, or on the way into, an area where it must be heard.
//!
//! A silence counts from so many of the vessel's median intervals on, but not before a set time. It begins with the last plot
//! and ends with the next. At each full minute of event time all silences that count are judged by what was heard up to
//! then: is it more than an interval of such a vessel in that area (`habit.rs`), and was the vessel silent or the receiver
//! (`company.rs`)? It is told from when it is *possible*. While a receiver seems to have failed no silence counts.
//!
//! Judgements look at other vessels, so they are made where all have settled to the same minute, and are kept at once: a
//! successor never has to make one again with what was heard since.
//!
//! A plot that comes late and lies in a gap shows that there was less of one: the gap is cut there, and what is left
//! is told again, or taken back where it is too short to count.

mod bound;
mod company;
mod habit;

use self::bound::Bound;
use self::company::Company;
use self::habit::{Habit, Tail};
use super::area_ids::AreaIds;
use super::lane::{Correction, Scene, Seen, Watch, span_ns};
use super::lanes::Lanes;
use super::memory::Memory;
use super::rest::{Brief, Calm};
use super::spell::{Spell, belie};
use super::{Rule, World, cited_at, remember, supersedes_at};
use crate::engine::book::{Book, Cited};
use crate::model::alert::Class;
use crate::model::geo::LonLat;
use crate::model::kind::{Domain, Kind, KindSet};
use crate::model::observation::Observations;
use crate::model::time::{NS_PER_S, s_from_ns};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Silences are judged at multiples of that of event time, nanoseconds.
const JUDGED_EVERY_NS: i64 = 60 * NS_PER_S;
/// A silence is told from when it is so likely: *possible*, in the words of an alert.
const TOLD_FROM_P: f64 = 0.4;
/// From here on the receiver's silence is more likely than the vessel's.
const RECEIVER_FAILED_P: f64 = 0.5;
/// Intervals over which the median is taken.
const MAX_INTERVALS: usize = 15;
/// Gaps of one vessel that late plots may still correct. At it the oldest stands as it was told.
const MAX_PAST: usize = 32;

/// One plot of a vessel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sighting {
    cited: Cited,
    place: LonLat,
    /// The areas in force that it is in; if in none, the nearest one near by. None: it may be silent.
    areas: AreaIds,
}

impl Seen for Sighting {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}

/// What is known of a vessel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Vessel {
    last: Option<Sighting>,
    /// The newest intervals between plots, a ring of [`MAX_INTERVALS`], nanoseconds.
    intervals_ns: Vec<i64>,
    /// Their median.
    #[serde(default)]
    median_ns: i64,
    /// Intervals seen in all.
    seen: u32,
    /// All of them, in medians.
    #[serde(default)]
    habit: Habit,
    /// From when on a silence counts, nanoseconds after the last plot.
    patience_ns: i64,
    /// Its receiver seems to have failed.
    #[serde(default)]
    excused: bool,
    /// When it last seemed to hear again, nanoseconds; only what comes after that counts.
    #[serde(default)]
    excused_to_ns: Option<i64>,
    /// When its silence was last judged, nanoseconds.
    #[serde(default)]
    judged_ns: Option<i64>,
    gap: Option<Box<Spell>>,
    /// By what that is told.
    #[serde(default)]
    grounds: Option<Grounds>,
    /// Gaps that have ended but may still prove to be less, newest last.
    past: Vec<Spell>,
}

/// No silence counts sooner than that.
fn calm(areas: &AreaIds, world: World<'_>) -> Calm<AreaIds> {
    Calm { lasts_ns: span_ns(world.settings.dark.min_gap_s).max(1), common: areas.clone() }
}

/// What makes a silence one.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Grounds {
    tail: Tail,
    median_s: f64,
    per_day: f64,
    /// The chance that the receiver heard.
    heard_p: f64,
}

impl Grounds {
    fn probability(&self, silent_ns: i64) -> f64 {
        self.heard_p * self.tail.more_than_habit(s_from_ns(silent_ns), self.median_s, self.per_day)
    }
}

/// What becomes of a silence.
enum Verdict {
    /// It is told.
    Dark(Grounds),
    /// The receiver failed.
    Excused,
    /// It may yet be told.
    Open,
}

impl Vessel {
    /// The median of the newest intervals, nanoseconds; 0 of none.
    fn median_of_newest_ns(&self) -> i64 {
        let mut newest = [0; MAX_INTERVALS];
        let newest = &mut newest[..self.intervals_ns.len()];
        newest.copy_from_slice(&self.intervals_ns);
        let middle = newest.len() / 2;
        if newest.is_empty() { 0 } else { *newest.select_nth_unstable(middle).1 }
    }

    /// From when on a silence counts for a vessel of these habits, nanoseconds.
    fn patience_of_habit_ns(&self, world: World<'_>) -> i64 {
        let dark = &world.settings.dark;
        let of_habit_ns = dark.intervals.max(0.0) * self.median_ns as f64;
        (of_habit_ns as i64).max(span_ns(dark.min_gap_s)).max(1)
    }

    /// From when on its silence counts, nanoseconds; `None`: it is told already, or nobody asks.
    fn counts_from_ns(&self) -> Option<i64> {
        let last = self
            .last
            .as_ref()
            .filter(|last| self.gap.is_none() && self.seen > 0 && !last.areas.as_slice().is_empty())?;
        Some(last.cited.time_ns.max(self.excused_to_ns.unwrap_or(i64::MIN)))
    }

    /// When its silence is to be judged next, or at the minute after.
    fn judge_at_ns(&self) -> Option<i64> {
        let counts_ns = self.counts_from_ns()?.saturating_add(if self.excused { 0 } else { self.patience_ns });
        Some(counts_ns.max(self.judged_ns.map_or(i64::MIN, |judged_ns| judged_ns.saturating_add(1))))
    }

    /// What its silence is, with these others.
    fn judged(&self, company: &Company<'_>, now_ns: i64, world: World<'_>) -> Verdict {
        let (area, receiver_p) = company.of(self, now_ns);
        if receiver_p >= RECEIVER_FAILED_P {
            return Verdict::Excused;
        }
        let Some(counts_ns) = self.counts_from_ns().filter(|_| !self.excused) else { return Verdict::Open };
        let (tail, median_s) = (self.habit.tail(&area), s_from_ns(self.median_ns));
        let grounds = Grounds { tail, median_s, per_day: world.settings.dark.per_day, heard_p: 1.0 - receiver_p };
        if grounds.probability(now_ns - counts_ns) >= TOLD_FROM_P { Verdict::Dark(grounds) } else { Verdict::Open }
    }

    /// Takes a judgement in; true if it must be known to a successor.
    fn take(&mut self, verdict: Verdict, now_ns: i64, scene: Scene<'_>) -> bool {
        self.judged_ns = Some(now_ns);
        match verdict {
            Verdict::Excused => !std::mem::replace(&mut self.excused, true),
            Verdict::Open if self.excused => {
                (self.excused, self.excused_to_ns) = (false, Some(now_ns));
                true
            }
            Verdict::Open => false,
            Verdict::Dark(grounds) => {
                let silent_ns = self.counts_from_ns().map_or(0, |counts_ns| now_ns - counts_ns);
                self.grounds = Some(grounds);
                self.gap = self
                    .last
                    .as_ref()
                    .map(|last| Box::new(silence(last, grounds.probability(silent_ns), self.patience_ns, scene)));
                true
            }
        }
    }

    /// Heard again, or heard of later than was known: nothing of its silence has been judged.
    fn breaks_silence(&mut self) {
        (self.excused, self.excused_to_ns, self.judged_ns, self.grounds) = (false, None, None, None);
    }

    /// Keeps a gap that has ended, for late plots to correct.
    fn remember(&mut self, gap: Spell) {
        remember(&mut self.past, gap, MAX_PAST);
    }

    /// From when on the vessel is forgotten, nanoseconds after the last plot.
    fn memory_ns(&self, world: World<'_>) -> i64 {
        span_ns(world.settings.amend_horizon_s).max(self.patience_ns.saturating_add(1))
    }
}

/// The silence that begins with that sighting.
fn silence(last: &Sighting, probability: f64, patience_ns: i64, scene: Scene<'_>) -> Spell {
    let node = &scene.world.registry.node(last.cited.node).name;
    let key = format!("dark/{}/{node}/{}", scene.key, last.cited.id.as_str());
    let mut gap = Spell::from(key, Class::SeaDark, last.place, probability, last.cited);
    gap.areas = last.areas.as_slice().to_vec();
    gap.patience_ns = patience_ns;
    gap
}

impl Watch for Vessel {
    const NAME: &'static str = "dark";

    type Key = str;
    type Seen = Sighting;
    type Episode = Spell;
    /// The areas in which it must be heard.
    type Common = AreaIds;

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Spell>) {
        let horizon_ns = span_ns(scene.world.settings.amend_horizon_s);
        self.past.retain(|gap| gap.end.is_some_and(|end| now_ns.saturating_sub(end.time_ns) < horizon_ns));
        let Some(last) = &self.last else { return };
        if now_ns.saturating_sub(last.cited.time_ns) >= self.memory_ns(scene.world) {
            ended.extend(self.gap.take().map(|gap| *gap));
            *self = Vessel::default();
        }
    }

    fn step(&mut self, seen: &Sighting, scene: Scene<'_>, ended: &mut Vec<Spell>) {
        if let Some(gap) = self.gap.take() {
            let mut gap = gap.ended_by(seen.cited);
            let from_ns = gap.first.time_ns.max(self.excused_to_ns.unwrap_or(i64::MIN));
            if let Some(grounds) = self.grounds {
                gap.probability = grounds.probability(seen.cited.time_ns - from_ns);
            }
            self.remember(gap.clone());
            ended.push(gap);
        } else if let Some(last) = self.last.as_ref().filter(|_| !self.excused && self.excused_to_ns.is_none()) {
            let interval_ns = seen.cited.time_ns - last.cited.time_ns;
            if self.median_ns > 0 {
                self.habit.add(interval_ns as f64 / self.median_ns as f64);
            }
            if self.intervals_ns.len() < MAX_INTERVALS {
                self.intervals_ns.push(interval_ns);
            } else {
                self.intervals_ns[self.seen as usize % MAX_INTERVALS] = interval_ns;
            }
            self.seen = self.seen.saturating_add(1);
            self.median_ns = self.median_of_newest_ns();
        }
        self.breaks_silence();
        self.last = Some(seen.clone());
        self.patience_ns = self.patience_of_habit_ns(scene.world);
    }

    fn recall(&mut self, seen: &Sighting, scene: Scene<'_>, corrections: &mut Vec<Correction<Spell>>) -> bool {
        if self.last.as_ref().is_some_and(|last| last.cited.time_ns < seen.cited.time_ns) {
            // The gap that lasts ended here, if it was one by then; one that lasts began here.
            if let Some(gap) = self.gap.take().and_then(|gap| gap.ended_late_by(seen.cited)) {
                self.remember(gap.clone());
                corrections.push(Correction::Was(gap));
            }
            self.breaks_silence();
            self.last = Some(seen.clone());
            return true;
        }
        let Some((whole, until, since)) = belie(&mut self.past, seen.cited) else { return false };
        corrections.push(until.clone().map_or(Correction::WasNot(whole.key), Correction::Was));
        self.past.extend(until);
        if let Some(since) = since.filter(|_| !seen.areas.as_slice().is_empty()) {
            let rest = Spell { end: since.end, ..silence(seen, since.probability, since.patience_ns, scene) };
            corrections.push(Correction::Was(rest.clone()));
            self.past.push(rest);
        }
        true
    }

    fn lasting(&self) -> impl Iterator<Item = &Spell> {
        self.gap.as_deref().into_iter()
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        let forgotten_ns = self.last.as_ref()?.cited.time_ns.saturating_add(self.memory_ns(world));
        Some(self.judge_at_ns().map_or(forgotten_ns, |judge_ns| judge_ns.min(forgotten_ns)))
    }

    fn spent(&self) -> bool {
        self.last.is_none()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        // Its habits are learnt over hours.
        self.last.is_some()
    }

    fn at_rest(&self, world: World<'_>) -> Option<(Brief<'_>, Calm<AreaIds>)> {
        let is_judged = self.excused || self.excused_to_ns.is_some() || self.judged_ns.is_some();
        let last = self.last.as_ref().filter(|_| self.gap.is_none() && !is_judged)?;
        Vessel::brief(last, world)
    }

    fn is_plain(&self) -> bool {
        false
    }

    fn brief<'a>(seen: &'a Sighting, world: World<'_>) -> Option<(Brief<'a>, Calm<AreaIds>)> {
        Some((Brief::of(&seen.cited, seen.place, f64::NAN, 0), calm(&seen.areas, world)))
    }

    fn seen(brief: Brief<'_>, calm: &Calm<AreaIds>) -> Option<Sighting> {
        Some(Sighting { cited: brief.cited(Kind::Track), place: brief.place, areas: calm.common.clone() })
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        self.last.iter_mut().for_each(|seen| tell(&mut seen.cited));
        let lasting = self.gap.iter_mut().map(|gap| &mut **gap);
        lasting.chain(&mut self.past).for_each(|gap| gap.each_cited(tell));
    }
}

/// The rule.
#[derive(Default, Serialize, Deserialize)]
pub struct DarkVessels {
    lanes: Lanes<Vessel>,
    #[serde(skip)]
    bound: Bound,
}

impl Rule for DarkVessels {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Track)
    }

    fn look_ahead(&mut self, batch: &Observations, rows: Range<usize>) {
        let detail = |row: usize| batch.detail[row] as usize;
        let is_plot = |row: usize| batch.kind[row] == Kind::Track && batch.tracks.domain[detail(row)] == Domain::Sea;
        let track = |row: usize| batch.text(batch.tracks.track[detail(row)]);
        rows.filter(|&row| is_plot(row)).for_each(|row| self.lanes.look_for(row, track(row)));
        let looked = self.lanes.ahead().fold(0, |looked, at| looked ^ self.bound.look(at));
        std::hint::black_box(looked ^ self.lanes.look());
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        if !world.settings.dark.on {
            return;
        }
        let detail = batch.detail[row] as usize;
        if batch.tracks.domain[detail] != Domain::Sea {
            return;
        }
        let (node, time_ns, supersedes) = (batch.node[row], batch.time_ns[row], supersedes_at(batch, row));
        let track = batch.text(batch.tracks.track[detail]);
        if batch.withdrawn[row] {
            if let Some(id) = supersedes {
                self.lanes.withdraw(track, node, id, time_ns, world, book);
            }
            return;
        }
        let (lon_deg, lat_deg) = (batch.tracks.object_lon_deg[detail], batch.tracks.object_lat_deg[detail]);
        let Some(place) = LonLat::checked(lon_deg, lat_deg) else { return };
        let at = self.lanes.found_ahead(row, |key| key == track).or_else(|| self.lanes.find(track));
        let areas = self.bound.at(at, place, time_ns, world);
        if supersedes.is_none()
            && let Some(at) = at
        {
            let brief = Brief::at(batch, row, place, f64::NAN, 0);
            if self.lanes.go_on(at, brief, &calm(&areas, world), world) {
                return;
            }
        }
        let cited = cited_at(batch, row);
        self.lanes.observe(track, Sighting { cited, place, areas }, supersedes, world, book);
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.lanes.take_up_waiting(world);
        // What is judged at a minute must not know of anything later: lanes are settled up to it, and no further.
        while let Some(due_ns) = self.lanes.first_due_ns()
            && let earliest_ns = due_ns.max(self.lanes.watermark_ns().saturating_add(1))
            && let Some(minute_ns) = full_minute_ns(earliest_ns)
            && minute_ns <= watermark_ns
        {
            self.lanes.advance(minute_ns, world, book);
            self.judge(minute_ns, world, book);
        }
        self.lanes.advance(watermark_ns, world, book);
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(&mut self.lanes)
    }
}

impl DarkVessels {
    /// Judges all silences that count, all lanes having settled up to `now_ns`.
    fn judge(&mut self, now_ns: i64, world: World<'_>, book: &mut Book) {
        let due = |vessel: &Vessel| vessel.judge_at_ns().is_some_and(|at_ns| at_ns <= now_ns);
        // A predecessor has judged up to there, and what came of it is in the records.
        if now_ns <= self.lanes.restored_to_ns() || !self.lanes.each_awake().any(|(_, vessel)| due(vessel)) {
            return;
        }
        self.lanes.settle_resting(world);
        let mut company = Company::default();
        self.lanes.each_settled().for_each(|(_, vessel)| company.add(vessel));
        let silent = self.lanes.each_awake().filter(|(_, vessel)| due(vessel));
        let verdicts: Vec<(usize, Verdict)> =
            silent.map(|(at, vessel)| (at, vessel.judged(&company, now_ns, world))).collect();
        for (at, verdict) in verdicts {
            self.lanes.change(at, world, book, |vessel, scene| vessel.take(verdict, now_ns, scene));
        }
    }
}

/// The first full minute of event time that is not before that.
fn full_minute_ns(time_ns: i64) -> Option<i64> {
    let into_ns = time_ns.rem_euclid(JUDGED_EVERY_NS);
    if into_ns == 0 { Some(time_ns) } else { time_ns.checked_add(JUDGED_EVERY_NS - into_ns) }
}

#[cfg(test)]
mod tests;
