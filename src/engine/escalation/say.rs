//! What is said of a level, in numbers and in sentences.

use super::EscalationWatch;
use super::other::OTHERS;
use super::scan;
use super::scope::Scope;
use crate::engine::rules::World;
use crate::model::escalation::{Circle, Escalation, Rule};
use crate::model::time::Timestamp;

/// To so many decimals.
fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

/// Once in how long, in words.
fn how_often(per_year: f64) -> String {
    match per_year {
        per_year if per_year >= 1.0 => format!("{:.0} times a year", per_year),
        per_year if per_year > 1e-3 => format!("once in {:.1} years", 1.0 / per_year),
        _ => "less than once in 1000 years".to_owned(),
    }
}

/// What there is to say.
#[derive(Clone, Copy, Debug)]
pub enum Tone {
    /// There is more than usual.
    More,
    /// There was no more than the lower level that it comes down to since then, nanoseconds.
    Quiet(i64),
    /// Nothing can be told.
    Unheard {
        /// For a storm; else for want of nodes.
        is_storm: bool,
    },
}

impl EscalationWatch {
    /// The message about a sector at the end of a bin.
    pub(super) fn say(&self, at: usize, bin: i64, end_ns: i64, tone: Tone, world: World<'_>) -> Escalation {
        let scope = &self.scopes[at];
        let level = &scope.level;
        let (found, expected) = scope.rates(self.terms().bin_h);
        let strongest = scope.others.iter().map(|other| other.evidence()).fold(scope.fire_evidence(), f64::max);
        let circle = self.find_circle(at, bin, world).filter(|_| matches!(tone, Tone::More));
        let circle = circle.map(|found| self.circle(found, end_ns));
        let (mut rules, mut reasons) = (Vec::new(), Vec::new());
        match tone {
            Tone::More => self.reasons(scope, end_ns, circle.as_ref(), &mut rules, &mut reasons),
            Tone::Quiet(since_ns) => {
                rules.push(Rule::Quiet);
                reasons.push(format!("No more than that since {}.", Timestamp(since_ns)));
            }
            Tone::Unheard { is_storm } => {
                rules.push(Rule::Unheard);
                let why = if is_storm {
                    "there is a storm"
                } else {
                    "too few of the nodes that count are up, or too little was learnt of them"
                };
                reasons.push(format!("Cannot tell: {why}. The level stands."));
            }
        }
        Escalation {
            sector: self.sectors.names()[at].clone(),
            time: Timestamp(end_ns),
            level: level.level,
            raised_at: Timestamp(level.raised_ns),
            from: Timestamp(level.from_ns),
            to: match tone {
                Tone::Quiet(since_ns) if level.level == 0 => Some(Timestamp(since_ns)),
                _ => None,
            },
            rate_per_hour: rounded(found, 2),
            expected_per_hour: rounded(expected, 2),
            statistic: rounded(strongest.max(1.0).ln(), 3),
            modalities: level.modalities.iter().copied().collect(),
            alerts: Vec::new(),
            cluster: circle,
            rules,
            reasons,
            software: concat!("truceline ", env!("CARGO_PKG_VERSION")).to_owned(),
            config_digest: self.config_digest.clone(),
        }
    }

    fn reasons(
        &self,
        scope: &Scope,
        end_ns: i64,
        circle: Option<&Circle>,
        rules: &mut Vec<Rule>,
        reasons: &mut Vec<String>,
    ) {
        let (terms, bin_h) = (&self.settings, self.terms().bin_h);
        let fire = scope.fire_evidence();
        let (found, expected) = scope.rates(bin_h);
        let fire_raises = fire >= self.bar(terms.level_1_per_year);
        if fire_raises {
            let by_chance = how_often(self.bar(1.0) / fire);
            let rises = format!(
                "{found:.1} incidents of fire an hour by the nodes that were there before, where {expected:.1} are usual"
            );
            reasons.push(format!("{rises}; by chance {by_chance} at most."));
        }
        let (mut rate, mut agrees) = (fire_raises, false);
        for (modality, other) in OTHERS.iter().zip(&scope.others) {
            let (count, hours, chance) = other.lately(scope.level.from_ns, end_ns, bin_h);
            if other.evidence() >= self.other_bar(terms.level_1_per_year) {
                let by_chance = how_often(self.other_bar(1.0) / other.evidence());
                reasons.push(format!(
                    "More of {modality} than usual, {count} in {hours:.1} h; by chance {by_chance} at most."
                ));
                rate = true;
            } else if chance <= terms.agree_p {
                reasons.push(format!(
                    "{count} of {modality} in {hours:.1} h, as many as in one such stretch of {:.0}.",
                    1.0 / chance.max(1e-6)
                ));
                agrees = true;
            }
        }
        rules.extend(rate.then_some(Rule::Rate));
        if let Some(circle) = circle {
            rules.push(Rule::SpaceTimeScan);
            let within = format!("within {:.0} km since {}", circle.radius_m / 1000.0, circle.from);
            reasons
                .push(format!("{} incidents of fire {within}, where {:.1} are usual.", circle.count, circle.expected));
        }
        rules.extend(agrees.then_some(Rule::Agreement));
    }

    /// Where in the sector it is, if it is somewhere.
    fn find_circle(&self, at: usize, bin: i64, world: World<'_>) -> Option<scan::Circle> {
        let is_in = |place| at == self.sectors.theatre() || self.sectors.at(place, world.places) == at;
        let usual = (self.day.factor(self.time_h(bin)), self.terms().bin_h);
        let borne = (self.settings.level_1_per_year, self.bins_per_year());
        self.scan.best(bin, is_in, self.grid, usual, self.scopes[at].unrest(), borne)
    }

    fn circle(&self, found: scan::Circle, end_ns: i64) -> Circle {
        Circle {
            lon: rounded(found.middle.lon_deg, 4),
            lat: rounded(found.middle.lat_deg, 4),
            radius_m: rounded(found.radius_m, 0),
            from: Timestamp(end_ns - found.bins * self.bin_ns),
            count: found.count,
            expected: rounded(found.expected, 2),
        }
    }
}
