//! How soon an escalation is told, and how often one is told that is none: simulated fortnights through the engine's own watch.
//!
//! A level is false if it is raised in a sector before its onset, or in another one at any time. What the theatre says after
//! the onset is neither. The first day, in which there is no past to compare with, is not counted. Beside it stands what
//! could be told at best ([`Oracle`]).

use super::oracle::Oracle;
use crate::engine::escalation::{EscalationWatch, THEATRE};
use crate::engine::places::Places;
use crate::engine::rules::World;
use crate::engine::settings::Settings;
use crate::model::node::{NodeIx, Registry};
use crate::model::time::{NS_PER_S, s_from_ns};
use crate::simulate::fortnight::{Course, Fortnight, Terms, areas, name};
use serde::Serialize;

/// False alarms a year for which the curve is taken.
pub const CURVE_PER_YEAR: [f64; 8] = [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.01];

/// What is within the curve's bar again after so long counts as another alarm.
const REARMS_S: f64 = 3600.0;

/// How long after the onset something was told, minutes; of all that were to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Delays {
    /// Onsets.
    pub onsets: usize,
    /// In order.
    pub minutes: Vec<f64>,
}

impl Delays {
    fn add(&mut self, delay_s: Option<f64>) {
        self.onsets += 1;
        self.minutes.extend(delay_s.map(|delay_s| delay_s / 60.0));
    }

    fn sort(&mut self) {
        self.minutes.sort_by(f64::total_cmp);
    }

    /// The delay that so large a share of onsets keeps within; `None` if fewer were told at all.
    pub fn at(&self, share: f64) -> Option<f64> {
        let rank = ((share * self.onsets as f64).ceil() as usize).max(1);
        self.minutes.get(rank - 1).copied()
    }

    /// The share of onsets told within so many minutes.
    pub fn within(&self, minutes: f64) -> f64 {
        self.minutes.iter().filter(|&&delay| delay <= minutes).count() as f64 / self.onsets.max(1) as f64
    }
}

/// A point of the curve.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Point {
    /// Borne by the bar, in a year.
    pub borne_per_year: f64,
    /// False ones.
    pub false_alarms: u32,
    /// After an onset.
    pub delays: Delays,
}

/// A level that was false.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct False {
    /// The fortnight.
    pub seed: u64,
    /// Of what.
    pub sector: String,
    /// Which.
    pub level: u8,
    /// When, days into the fortnight.
    pub day: f64,
    /// How long after something befell the nodes, h; negative: before.
    pub after_h: f64,
    /// Why, as it was told.
    pub reasons: Vec<String>,
}

/// What came of fortnights of one course.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Fortnights.
    pub fortnights: u64,
    /// How long was watched without an onset, all sectors and the theatre together, years.
    pub years: f64,
    /// False levels 1, 2 and 3.
    pub false_levels: [u32; 3],
    /// Those of them in sectors where and from when on something befell the nodes.
    pub befallen: [u32; 3],
    /// Each false level 2 and 3.
    pub each: Vec<False>,
    /// Delays of levels 1, 2 and 3.
    pub delays: [Delays; 3],
    /// The curve of fire's evidence alone.
    pub curve: Vec<Point>,
    /// What could be told at best.
    pub oracle: Best,
}

/// What could be told at best, of level 2 and of level 3.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Best {
    /// Levels 2 that were false; none of level 3 are counted.
    pub false_levels: [u32; 2],
    /// Delays.
    pub delays: [Delays; 2],
}

/// Watches fortnights of these seeds; `on` is told after each, and whether it says to go on.
pub fn watch(
    terms: Terms,
    seeds: impl Iterator<Item = u64>,
    settings: &Settings,
    on: &mut dyn FnMut(u64) -> bool,
) -> Outcome {
    let point = |borne_per_year| Point { borne_per_year, ..Point::default() };
    let mut outcome = Outcome { curve: CURVE_PER_YEAR.map(point).to_vec(), ..Outcome::default() };
    for seed in seeds {
        one(seed, terms, settings, &mut outcome);
        outcome.fortnights += 1;
        if !on(seed) {
            break;
        }
    }
    outcome.delays.iter_mut().chain(&mut outcome.oracle.delays).for_each(Delays::sort);
    outcome.curve.iter_mut().for_each(|point| point.delays.sort());
    outcome
}

fn one(seed: u64, terms: Terms, settings: &Settings, outcome: &mut Outcome) {
    let terms = Terms { bin_s: settings.escalation.bin_s, ..terms };
    let fortnight = Fortnight::new(seed, terms);
    let (registry, places) = (Registry::new(fortnight.nodes()), Places::new(areas(), Vec::new()));
    let world = World::new(&registry, &places, settings);
    let mut watch = EscalationWatch::new(&settings.escalation, String::new());
    let mut oracle = Oracle::new(terms, settings.escalation.agree_p);
    let mut best: [Option<f64>; 2] = [None; 2];
    let (mut levels, mut first): (std::collections::BTreeMap<String, u8>, [Option<f64>; 3]) = Default::default();
    let mut crossed_s: Vec<std::collections::BTreeMap<String, f64>> = vec![Default::default(); CURVE_PER_YEAR.len()];
    let mut curve_first: [Option<f64>; CURVE_PER_YEAR.len()] = Default::default();
    let has_onset = terms.course == Course::Onset;
    let (struck_at, struck, from_s) = (fortnight.sector, name(fortnight.sector), fortnight.from_s);
    let begins_s = settings.escalation.least_history_h * 3600.0;
    for bin in fortnight {
        let end_s = s_from_ns(bin.from_ns - Fortnight::at_ns(0.0)) + terms.bin_s;
        for &node in &bin.up {
            watch.hear(NodeIx(node as u32), bin.from_ns);
        }
        // One node speaks for its sector.
        let mics = registry.nodes().len() - bin.weather.len();
        for (sector, &(wind_m_s, noise_db)) in bin.weather.iter().enumerate() {
            watch.weather(NodeIx((mics + sector) as u32), bin.from_ns, wind_m_s, noise_db, world);
        }
        let end_ns = bin.from_ns + (terms.bin_s * NS_PER_S as f64) as i64;
        if watch.due(Fortnight::at_ns(0.0), end_ns).is_none() {
            continue;
        }
        let said = watch.step(&bin.signs, world);
        let is_after = has_onset && end_s > from_s;
        for at in oracle.step(&bin.truth) {
            match is_after && at == struck_at {
                true => best[0] = best[0].or(Some(end_s - from_s)),
                false => outcome.oracle.false_levels[0] += 1,
            }
        }
        if is_after && oracle.agrees(bin.truth[struck_at].air) && best[0].is_some() {
            best[1].get_or_insert(end_s - from_s);
        }
        let counts = |sector: &str| !(is_after && (sector == struck || sector == THEATRE));
        for said in said {
            let before = levels.insert(said.sector.clone(), said.level).unwrap_or(0);
            for level in before + 1..=said.level {
                let at = usize::from(level - 1);
                if counts(&said.sector) {
                    outcome.false_levels[at] += 1;
                    outcome.befallen[at] += u32::from(!has_onset && end_s > from_s);
                    if level >= 2 {
                        let (day, after_h) = (end_s / 86_400.0, (end_s - from_s) / 3600.0);
                        let (sector, reasons) = (said.sector.clone(), said.reasons.clone());
                        outcome.each.push(False { seed, sector, level, day, after_h, reasons });
                    }
                } else if said.sector == struck {
                    first[at].get_or_insert(end_s - from_s);
                }
            }
        }
        // An escalation told before is no delay.
        if is_after && levels.get(&struck).is_some_and(|&level| level > 0) {
            for at in 0..usize::from(levels[&struck]) {
                first[at].get_or_insert(end_s - from_s);
            }
        }
        for (at, per_year) in CURVE_PER_YEAR.into_iter().enumerate() {
            let bar = watch.bar(per_year);
            for (sector, evidence) in watch.evidence() {
                if evidence < bar {
                    continue;
                }
                if !counts(sector) {
                    if sector == struck {
                        curve_first[at].get_or_insert(end_s - from_s);
                    }
                    continue;
                }
                let last_s = crossed_s[at].insert(sector.to_owned(), end_s);
                outcome.curve[at].false_alarms += u32::from(last_s.is_none_or(|last_s| end_s - last_s > REARMS_S));
            }
        }
    }
    let watched_s = if has_onset { from_s } else { terms.days * 86_400.0 } - begins_s;
    outcome.years += watched_s / (365.25 * 86_400.0);
    if has_onset {
        outcome.delays.iter_mut().zip(first).for_each(|(delays, first)| delays.add(first));
        outcome.oracle.delays.iter_mut().zip(best).for_each(|(delays, best)| delays.add(best));
        outcome.curve.iter_mut().zip(curve_first).for_each(|(point, first)| point.delays.add(first));
    }
}

#[cfg(test)]
mod shared;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::escalation::record::EscalationRecord;

    fn terms(course: Course, days: f64) -> Terms {
        Terms { course, per_hour: 150.0, swing: 0.1, times: 3.0, bin_s: 300.0, days }
    }

    #[test]
    fn three_times_the_rate_is_told_and_what_befalls_the_nodes_is_not() {
        let settings = Settings::default();
        let onset = watch(terms(Course::Onset, 5.0), 21..=22, &settings, &mut |_| true);
        assert_eq!(onset.false_levels[1], 0, "{onset:?}");
        assert_eq!(onset.delays[1].within(90.0), 1.0, "{:?}", onset.delays);
        for course in [Course::RollOut, Course::Storm, Course::Dying] {
            let outcome = watch(terms(course, 5.0), 21..=21, &settings, &mut |_| true);
            assert_eq!(outcome.false_levels[1], 0, "{course}: {outcome:?}");
        }
    }

    /// What is said of a fortnight from its second day on, where a successor takes over after so many bins: from a record,
    /// and from the checkpoint of so many bins before that, if there is one. `is_written`: each bin a successor takes over
    /// from a checkpoint.
    fn said(takes_over: Option<usize>, checkpoint: Option<usize>, is_written: bool) -> Vec<(String, u8, String)> {
        let mut settings = Settings::default();
        settings.escalation.least_history_h = 6.0;
        let mut fortnight = Fortnight::new(22, terms(Course::Onset, 1.5));
        let (registry, places) = (Registry::new(fortnight.nodes()), Places::new(areas(), Vec::new()));
        let world = World::new(&registry, &places, &settings);
        let mut watch = EscalationWatch::new(&settings.escalation, String::new());
        let (mut said, mut before, mut saved) = (Vec::new(), Vec::new(), None);
        let load = |bytes: &[u8]| {
            let mut watch = EscalationWatch::new(&settings.escalation, String::new());
            assert!(watch.load(postcard::from_bytes(bytes).expect("a watch")));
            watch
        };
        for number in 0.. {
            let Some(bin) = fortnight.next() else { break };
            let bytes = postcard::to_stdvec(&watch).expect("bytes");
            if is_written {
                watch = load(&bytes);
            }
            if takes_over.zip(checkpoint).is_some_and(|(at, bins)| at - bins == number) {
                saved = Some(bytes);
            }
            if takes_over == Some(number) {
                let record = watch.record(&registry).expect("something is known");
                let pieces: Vec<String> =
                    record.pieces(100).iter().map(|piece| serde_json::to_string(piece).expect("JSON")).collect();
                assert!(pieces.len() > 5);
                let read = pieces.iter().rev().map(|piece| serde_json::from_str(piece).expect("a piece"));
                let fresh = || EscalationWatch::new(&settings.escalation, String::new());
                watch = saved.take().map_or_else(fresh, |bytes| load(&bytes));
                assert!(watch.restore(EscalationRecord::joined(read).expect("whole")));
                // What was heard in the last quarter of an hour is heard again.
                let again: &[(i64, Vec<usize>)] = &before;
                for (from_ns, up) in again.iter().rev().take(3) {
                    up.iter().for_each(|&node| watch.hear(NodeIx(node as u32), *from_ns));
                }
            }
            bin.up.iter().for_each(|&node| watch.hear(NodeIx(node as u32), bin.from_ns));
            before.push((bin.from_ns, bin.up.clone()));
            if watch.due(Fortnight::at_ns(0.0), bin.from_ns + 300 * NS_PER_S).is_some() {
                let new = watch.step(&bin.signs, world);
                said.extend(
                    new.iter().map(|it| (it.sector.clone(), it.level, serde_json::to_string(it).expect("JSON"))),
                );
            }
        }
        said
    }

    #[test]
    fn a_successor_says_what_its_predecessor_would_have() {
        let undisturbed = said(None, None, false);
        assert!(undisturbed.iter().any(|it| it.1 >= 1), "an onset is told");
        assert_eq!(said(Some(300), None, false), undisturbed);
        assert_eq!(said(Some(400), None, false), undisturbed);
        assert_eq!(said(None, None, true), undisturbed, "from a checkpoint");
        assert_eq!(said(Some(400), Some(37), false), undisturbed, "from a record that is newer than the checkpoint");
    }

    #[test]
    fn delays_are_ranked_among_all_onsets() {
        let mut delays = Delays::default();
        [Some(600.0), None, Some(1200.0), Some(300.0)].into_iter().for_each(|delay_s| delays.add(delay_s));
        delays.sort();
        assert_eq!((delays.at(0.5), delays.at(0.75), delays.at(0.9)), (Some(10.0), Some(20.0), None));
        assert_eq!(delays.within(15.0), 0.5);
    }
}
