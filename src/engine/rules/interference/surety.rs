//! How sure it is that there is a source.
//!
//! A single node may only have trouble of its own: its word is unresolved. How much surer others make it follows from how seldom they
//! tell what is not there and how often they see or suffer what is: each multiplies the odds by the chance of the one
//! over the chance of the other in the time that it lasts. Who was nearer and noticed nothing lessens them. Silences count by their shape alone
//! ([`super::shape`]): that many are silent at once may come of a line that was cut, too.

use super::super::World;
use super::shape::Shape;
use super::{Heard, Source};
use crate::model::geo::LonLat;
use crate::model::kind::Kind;
use crate::model::time::s_from_ns;

/// Nodes nearer to each other than that have the same trouble, metres.
const APART_M: f64 = 100.0;
/// How often a node reports what is there, and an hour what is not, where the registry does not say; and how often it suffers from it, and
/// from something else.
const DETECT_P: f64 = 0.8;
const FALSE_PER_HOUR: f64 = 0.1;
/// By how much one more sign makes the odds better at most.
const MOST_RATIO: f64 = 100.0;
/// How much later than others a node notices what is there, seconds: they report it every ten seconds or so.
const NOTICED_S: f64 = 10.0;
/// The silence of a node that should have heard makes the odds worse by no more: it may be down, or behind a hill.
const LEAST_SILENCE: f64 = 0.4;
/// Nothing is surer than that by what nodes tell.
const MOST_P: f64 = 0.99;
/// Nor than that where none reports it: many clocks may be kept by one that fails.
const MOST_UNREPORTED_P: f64 = 0.9;

impl Source {
    /// The chance that it is so, of a source at that place.
    pub(super) fn probability(&self, place: LonLat, shape: Option<&Shape>, world: World<'_>) -> f64 {
        let settings = &world.settings.interference;
        let single_p = settings.single_p.clamp(0.001, 0.999);
        let has_report = self.heard.iter().any(|it| it.reports);
        let reaches = |it: &&Heard| it.place.distance_m(place) <= settings.reach_m;
        let (mut apart, mut beyond): (Vec<&Heard>, usize) = (Vec::new(), 0);
        // Who reports it comes first: that is where it is known from.
        for reports in [true, false] {
            for it in self.heard.iter().filter(|it| it.reports == reports) {
                if !reports && !reaches(&it) {
                    beyond += 1;
                } else if apart.iter().all(|other| other.place.distance_m(it.place) >= APART_M) {
                    apart.push(it);
                }
            }
        }
        if !has_report && 2 * beyond > self.heard.len() {
            // No one source reaches so far.
            return single_p;
        }
        let hours = (s_from_ns(self.newest_ns - self.from_ns) + 2.0 * settings.ends_after_s) / 3600.0;
        let others = apart.iter().enumerate().skip(1).map(|(at, it)| {
            let others = apart.iter().enumerate().filter(|&(other, it)| other != at && it.reports);
            let gap_s = others.map(|(_, other)| it.gap_s(other)).fold(f64::INFINITY, f64::min);
            it.ratio(hours, world) * if it.reports { together(gap_s, settings.ends_after_s) } else { 1.0 }
        });
        let odds = single_p / (1.0 - single_p)
            * others.product::<f64>()
            * self.unheard(place, world)
            * shape.map_or(1.0, |shape| shape.ratio(place))
            * self.emitted();
        (odds / (1.0 + odds)).min(if has_report { MOST_P } else { MOST_UNREPORTED_P })
    }

    /// What those make of the odds who are nearer to that place than some who tell of it, and who should have reported it.
    fn unheard(&self, place: LonLat, world: World<'_>) -> f64 {
        let farthest_m = self.heard.iter().map(|it| it.place.distance_m(place)).fold(0.0, f64::max);
        let nodes = world.registry.numbered().filter(|(_, node)| node.kinds.contains(Kind::Interference));
        let unheard = nodes.filter(|(ix, node)| {
            let tells = self.heard.iter().any(|it| it.first.node == *ix);
            let near_m = farthest_m.min(node.range_m.unwrap_or(f64::INFINITY));
            !tells && node.position.is_some_and(|at| at.distance_m(place) < near_m)
        });
        unheard.map(|(_, node)| (1.0 - node.detect_p.unwrap_or(DETECT_P)).max(LEAST_SILENCE)).product()
    }

    /// What an emitter in the band makes of them, by the surest of its emissions.
    fn emitted(&self) -> f64 {
        let emissions = self.emissions.iter().filter_map(|it| it.emission());
        let by_chance = emissions.map(|it| 1.0 - it.probability).fold(DETECT_P, f64::min);
        (DETECT_P / by_chance).clamp(1.0, MOST_RATIO)
    }
}

/// What it makes of a report's worth that nobody else reports within `gap_s` of it: what is there is noticed by all at about one time,
/// what is not at any time within `span_s`. The ratio of the two densities, exponential and uniform.
fn together(gap_s: f64, span_s: f64) -> f64 {
    (span_s / NOTICED_S * (-gap_s / NOTICED_S).exp()).min(1.0)
}

impl Heard {
    /// How long neither of the two reported between them, seconds; 0 if one did while the other went on.
    fn gap_s(&self, other: &Heard) -> f64 {
        let gap_ns = self.first.time_ns.max(other.first.time_ns) - self.last.time_ns.min(other.last.time_ns);
        s_from_ns(gap_ns).max(0.0)
    }

    /// By how much it makes the odds better of what lasts so long.
    fn ratio(&self, hours: f64, world: World<'_>) -> f64 {
        let node = world.registry.node(self.first.node);
        // What the registry says is of reports.
        let (detect_p, per_hour) = if self.reports { (node.detect_p, node.false_per_hour) } else { (None, None) };
        let by_chance = -(-per_hour.unwrap_or(FALSE_PER_HOUR).max(1e-6) * hours).exp_m1();
        (detect_p.unwrap_or(DETECT_P) / by_chance).clamp(1.0, MOST_RATIO)
    }
}
