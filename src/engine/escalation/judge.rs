//! From evidence to a level: how much of it each level takes, and what agrees.

use super::EscalationWatch;
use super::level::Change;
use super::other::{OTHERS, Other};
use super::say::Tone;
use crate::engine::rules::World;
use crate::model::escalation::{Escalation, Modality};
use crate::model::time::ns_from_s;
use std::collections::BTreeSet;

/// Of the false levels that are borne, fire has this share; all other ways of seeing have the rest.
const FIRE_SHARE: f64 = 0.8;

/// Evidence counts no higher than so many times what a level 2 takes, so that it comes down again when it is over.
const CAP: f64 = 20.0;

const YEAR_S: f64 = 365.25 * 86_400.0;

impl EscalationWatch {
    /// The evidence that a level of so many false ones a year takes of fire.
    pub fn bar(&self, false_per_year: f64) -> f64 {
        self.bins_per_year() * self.scopes.len() as f64 / (FIRE_SHARE * false_per_year)
    }

    /// That of any other way of seeing.
    pub(super) fn other_bar(&self, false_per_year: f64) -> f64 {
        let streams = (self.scopes.len() * OTHERS.len()) as f64;
        self.bins_per_year() * streams / ((1.0 - FIRE_SHARE) * false_per_year)
    }

    /// Where evidence of fire ends, and that of any other way of seeing.
    pub(super) fn caps(&self) -> (f64, f64) {
        let borne = self.settings.level_2_per_year;
        (CAP * self.bar(borne), CAP * self.other_bar(borne))
    }

    pub(super) fn bins_per_year(&self) -> f64 {
        YEAR_S / self.settings.bin_s
    }

    pub(super) fn bins_an_hour(&self) -> usize {
        (3600.0 / self.settings.bin_s).round().max(1.0) as usize
    }

    /// The level that a bin comes to in a sector, and what is new by it.
    pub(super) fn judge(&mut self, at: usize, bin: i64, is_told: bool, world: World<'_>) -> Option<Escalation> {
        let (from_ns, end_ns) = (bin * self.bin_ns, (bin + 1) * self.bin_ns);
        if !is_told {
            return self.stand(at, bin, end_ns, world);
        }
        let again = self.scopes[at].unheard_ns.take().is_some();
        let (level, by, first_ns) = self.weigh(at, from_ns, end_ns);
        let quiet_ns = ns_from_s(self.settings.quiet_s);
        match self.scopes[at].level.go_to(level, &by, first_ns, end_ns, quiet_ns) {
            Change::None if again => Some(self.say(at, bin, end_ns, Tone::More, world)),
            Change::None => None,
            Change::Up => Some(self.say(at, bin, end_ns, Tone::More, world)),
            Change::Down(since_ns) => Some(self.say(at, bin, end_ns, Tone::Quiet(since_ns), world)),
        }
    }

    /// Nothing can be told: the level that stands goes on to stand, and that is said once.
    fn stand(&mut self, at: usize, bin: i64, end_ns: i64, world: World<'_>) -> Option<Escalation> {
        let scope = &mut self.scopes[at];
        scope.level.stand();
        if scope.level.level == 0 || scope.unheard_ns.is_some() {
            return None;
        }
        scope.unheard_ns = Some(end_ns);
        let is_storm = scope.stormy_until.is_some_and(|until| bin <= until);
        Some(self.say(at, bin, end_ns, Tone::Unheard { is_storm }, world))
    }

    /// The level that the evidence comes to, in what there is more, and since when.
    fn weigh(&self, at: usize, from_ns: i64, end_ns: i64) -> (u8, BTreeSet<Modality>, i64) {
        let (terms, scope) = (&self.settings, &self.scopes[at]);
        let (low, high) = (self.bar(terms.level_1_per_year), self.bar(terms.level_2_per_year));
        let (other_low, other_high) = (self.other_bar(terms.level_1_per_year), self.other_bar(terms.level_2_per_year));
        let fire = scope.fire_evidence();
        let mut by = BTreeSet::new();
        let (mut first_ns, mut level) = (from_ns, 0);
        if fire >= low {
            by.insert(Modality::Fire);
            first_ns = scope.fire_since_ns().unwrap_or(from_ns);
            level = if fire >= high { 2 } else { 1 };
        }
        for (&modality, other) in OTHERS.iter().zip(&scope.others).filter(|(_, other)| other.evidence() >= other_low) {
            level = level.max(if other.evidence() >= other_high { 2 } else { 1 });
            first_ns = first_ns.min(other.since_ns().unwrap_or(from_ns));
            by.insert(modality);
        }
        if level > 0 {
            let bin_h = self.terms().bin_h;
            let agrees = |other: &Other| other.lately(first_ns, end_ns, bin_h).2 <= terms.agree_p;
            by.extend(OTHERS.iter().zip(&scope.others).filter(|(_, other)| agrees(other)).map(|it| *it.0));
        }
        // What agreed once need not go on agreeing.
        if level == 2 && (by.len() >= 2 || scope.level.level == 3) {
            level = 3;
        }
        (level, by, first_ns)
    }
}
