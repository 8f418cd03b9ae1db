//! How one alert counts, and what a day's alerts add up to.
//!
//! The words are those of published monitoring reports: explosions by undetermined, impact and outgoing; bursts; shots;
//! restrictions by denied, delayed and conditional; weapons in violation of withdrawal lines. Sums are of whole
//! numbers, so their order does not matter.

use crate::model::alert::{Alert, Class, Sign, Status, Term};
use crate::model::daily::{AreaFigure, Count, Coverage, Figures};
use crate::model::decision::Verdict;
use crate::model::time::NS_PER_S;
use std::collections::BTreeMap;

/// Hours are told to a hundredth.
const NS_PER_HUNDREDTH_HOUR: i64 = 36 * NS_PER_S;

/// What of an alert's newest revision counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The revision.
    pub revision: u32,
    /// Whether it stands: it has not been retracted.
    pub stands: bool,
    /// Whether it is final, or amended since.
    pub is_final: bool,
    /// What happened.
    pub class: Class,
    /// When, nanoseconds.
    pub time_ns: i64,
    /// Of a silence or a tampering, which count on every day that they touch: when it ended, nanoseconds; `i64::MAX` while
    /// it lasts. `None` for all else.
    pub lasted_to_ns: Option<i64>,
    term: Term,
    count: u32,
    count_is_minimum: bool,
    violation: bool,
    under_notice: bool,
    verdict: Option<Verdict>,
    /// The sectors that it is routed to.
    pub sectors: Vec<String>,
    areas: Vec<String>,
    /// Whether it has no figure of its own: of many silent nodes together each has an alert; an emitter is a sign to look at.
    has_no_figure: bool,
    /// Of a silence or a tampering: the nodes.
    nodes: Vec<String>,
}

impl Entry {
    /// What counts of an alert.
    pub fn of(alert: &Alert) -> Entry {
        let is_spell = matches!(alert.class, Class::SensorSilent | Class::SensorTamper);
        let is_cluster = alert.sign == Some(Sign::Cluster);
        let mut nodes: Vec<String> = match is_spell && !is_cluster {
            true => alert.evidence.iter().map(|it| it.node.clone()).collect(),
            false => Vec::new(),
        };
        nodes.sort_unstable();
        nodes.dedup();
        Entry {
            revision: alert.revision,
            stands: alert.status != Status::Retracted,
            is_final: matches!(alert.status, Status::Final | Status::Amended),
            class: alert.class,
            time_ns: alert.time.0,
            lasted_to_ns: is_spell.then(|| alert.to.map_or(i64::MAX, |to| to.0)),
            term: Term::of(alert.probability),
            count: alert.count,
            count_is_minimum: alert.count_is_minimum,
            violation: alert.violation,
            under_notice: alert.notice.is_some(),
            verdict: alert.review.as_ref().map(|decision| decision.decision),
            sectors: alert.sectors.clone(),
            areas: alert.areas.clone(),
            has_no_figure: is_cluster || alert.sign == Some(Sign::Emitter),
            nodes,
        }
    }

    /// Whether it is among the figures, or only told to be set aside.
    pub fn counts(&self) -> bool {
        self.stands && self.verdict != Some(Verdict::Dismissed) && self.term != Term::Unresolved
    }

    /// Whether it belongs to the day from `from_ns` to `to_ns`.
    pub fn touches(&self, from_ns: i64, to_ns: i64) -> bool {
        match self.lasted_to_ns {
            // One that began and ended at one instant touches that day.
            Some(ended_ns) => self.time_ns < to_ns && (ended_ns > from_ns || self.time_ns >= from_ns),
            None => (from_ns..to_ns).contains(&self.time_ns),
        }
    }

    fn count(&self) -> Count {
        let count = u64::from(self.count);
        let of = |term| if self.term == term { count } else { 0 };
        Count {
            count,
            count_is_minimum: self.count_is_minimum,
            confirmed: of(Term::Confirmed),
            probable: of(Term::Probable),
            possible: of(Term::Possible),
            violations: if self.violation { count } else { 0 },
        }
    }
}

/// A day's figures while they are added up.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    figures: Figures,
    areas: BTreeMap<String, u64>,
    /// Silences within the day by node, nanoseconds.
    silences: BTreeMap<String, Vec<(i64, i64)>>,
    tampered: BTreeMap<String, ()>,
}

impl Sum {
    /// Adds an alert's newest revision; `day_ns` is what of the day has passed.
    pub fn add(&mut self, entry: &Entry, day_ns: (i64, i64)) {
        if !entry.stands {
            return;
        }
        let figures = &mut self.figures;
        match entry.verdict {
            Some(Verdict::Confirmed) => figures.review.confirmed += 1,
            Some(Verdict::Dismissed) => figures.review.dismissed += 1,
            Some(Verdict::Attributed) => figures.review.attributed += 1,
            Some(Verdict::MoreEvidence) => figures.review.more_evidence += 1,
            None => {}
        }
        if !entry.counts() {
            match entry.verdict {
                Some(Verdict::Dismissed) => figures.set_aside.dismissed += 1,
                _ => figures.set_aside.unresolved += 1,
            }
            return;
        }
        figures.alerts += 1;
        figures.not_final += u64::from(!entry.is_final);
        let count = entry.count();
        if entry.violation {
            for area in &entry.areas {
                *self.areas.entry(area.clone()).or_default() += count.count;
            }
        }
        match entry.class {
            _ if entry.has_no_figure => {}
            Class::SensorSilent => self.silent(entry, day_ns),
            Class::SensorTamper => self.tampered.extend(entry.nodes.iter().map(|node| (node.clone(), ()))),
            _ => {
                let cell = cell(figures, entry.class, entry.under_notice);
                *cell = cell.and(count);
            }
        }
    }

    fn silent(&mut self, entry: &Entry, (from_ns, to_ns): (i64, i64)) {
        self.figures.coverage.silences += 1;
        let within = (entry.time_ns.max(from_ns), entry.lasted_to_ns.unwrap_or(i64::MAX).min(to_ns));
        for node in &entry.nodes {
            self.silences.entry(node.clone()).or_default().push(within);
        }
    }

    /// The figures.
    pub fn close(self) -> Figures {
        let lost_ns: i64 = self.silences.values().cloned().map(union_ns).sum();
        let coverage = Coverage {
            silent_nodes: self.silences.len() as u64,
            silences: self.figures.coverage.silences,
            node_hours_lost: (lost_ns as f64 / NS_PER_HUNDREDTH_HOUR as f64).round() / 100.0,
            tampered_nodes: self.tampered.len() as u64,
        };
        let areas = self.areas.into_iter().map(|(area, violations)| AreaFigure { area, violations }).collect();
        Figures { coverage, areas, ..self.figures }
    }
}

/// Where a class is counted. Silences and tamperings have no count of their own: they go under `coverage`.
fn cell(figures: &mut Figures, class: Class, under_notice: bool) -> &mut Count {
    let fire = if under_notice { &mut figures.fire_under_notice } else { &mut figures.fire };
    match class {
        Class::FireExplosion => &mut fire.explosions.undetermined,
        Class::FireImpact => &mut fire.explosions.impact,
        Class::FireOutgoing => &mut fire.explosions.outgoing,
        Class::FireBurst => &mut fire.bursts,
        Class::FireShot => &mut fire.shots,
        Class::FireUndetermined => &mut fire.undetermined,
        Class::RestrictionDenied => &mut figures.restrictions.denied,
        Class::RestrictionDelayed => &mut figures.restrictions.delayed,
        Class::RestrictionConditional => &mut figures.restrictions.conditional,
        Class::Interference | Class::SensorSilent | Class::SensorTamper => &mut figures.interference,
        _ if under_notice => &mut figures.movement_under_notice,
        Class::IncursionWeapons => &mut figures.weapons,
        Class::IncursionGround => &mut figures.ground,
        Class::AirIncursion => &mut figures.air,
        Class::SeaIncursion => &mut figures.sea.incursions,
        Class::SeaDark => &mut figures.sea.dark,
    }
}

/// How long the intervals last together, where several at once count once, nanoseconds.
fn union_ns(mut intervals: Vec<(i64, i64)>) -> i64 {
    intervals.sort_unstable();
    let (mut total_ns, mut reached_ns) = (0, i64::MIN);
    for (from_ns, to_ns) in intervals {
        let from_ns = from_ns.max(reached_ns);
        if to_ns > from_ns {
            total_ns += to_ns - from_ns;
            reached_ns = to_ns;
        }
    }
    total_ns
}

#[cfg(test)]
mod tests {
    use super::super::harness::alert;
    use super::*;

    #[test]
    fn an_emitter_is_an_alert_and_no_case_of_jamming() {
        let counted = |sign: Sign| {
            let alert = Alert { sign: Some(sign), ..alert("A-1", Class::Interference, 1.0) };
            let mut sum = Sum::default();
            sum.add(&Entry::of(&alert), (0, i64::MAX));
            let figures = sum.close();
            (figures.alerts, figures.interference.count)
        };
        assert_eq!((counted(Sign::Jamming), counted(Sign::Emitter)), ((1, 1), (1, 0)));
    }

    #[test]
    fn what_is_silent_twice_at_once_is_silent_once() {
        assert_eq!(union_ns(vec![(5, 9), (0, 3), (1, 2), (8, 12), (20, 20), (30, 25)]), 3 + 7);
        assert_eq!(union_ns(Vec::new()), 0);
    }
}
