//! What is said of a level, in numbers and in sentences.

use super::other::OTHERS;
use super::scan::Found;
use super::{EscalationWatch, MEASURES, Scope};
use crate::model::escalation::{Circle, Escalation, Modality, Rule};
use crate::model::time::Timestamp;

/// Seconds in an hour.
const HOUR_S: f64 = 3600.0;

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

impl EscalationWatch {
    /// The message about a sector at the end of a bin. `quiet_ns`: since when nothing more was seen, of a level that comes
    /// down.
    pub(super) fn say(&self, at: usize, end_ns: i64, quiet_ns: Option<i64>, circle: Option<Found>) -> Escalation {
        let scope = &self.scopes[at];
        let level = &scope.level;
        let (found, expected) = scope.rates(self.settings.bin_s);
        let fire = scope.fire_evidence();
        let strongest = scope.others.iter().map(|other| other.evidence()).fold(fire, f64::max);
        let circle = circle.map(|found| self.circle(found, end_ns));
        let (mut rules, mut reasons) = (Vec::new(), Vec::new());
        if let Some(quiet_ns) = quiet_ns {
            rules.push(Rule::Quiet);
            reasons.push(format!("No more than that since {}.", Timestamp(quiet_ns)));
        } else {
            self.reasons(scope, circle.as_ref(), &mut rules, &mut reasons);
        }
        Escalation {
            sector: self.names[at].clone(),
            time: Timestamp(end_ns),
            level: level.level,
            raised_at: Timestamp(level.raised_ns),
            from: Timestamp(level.from_ns),
            to: quiet_ns.filter(|_| level.level == 0).map(Timestamp),
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

    fn reasons(&self, scope: &Scope, circle: Option<&Circle>, rules: &mut Vec<Rule>, reasons: &mut Vec<String>) {
        let terms = &self.settings;
        let fire = scope.fire_evidence();
        let (found, expected) = scope.rates(terms.bin_s);
        let fire_raises = fire >= self.bar(terms.level_1_per_year);
        if fire_raises {
            let by_chance = how_often(self.bar(1.0) / fire);
            let rises =
                format!("{found:.1} incidents of fire an hour, where {expected:.1} are usual as far as can be heard");
            reasons.push(format!("{rises}; by chance {by_chance} at most."));
        }
        let (mut rate, mut agrees) = (fire_raises, false);
        for (modality, other) in OTHERS.iter().zip(&scope.others) {
            let (count, chance) = other.hour();
            if *modality != Modality::Silence && other.evidence() >= self.other_bar(terms.level_1_per_year) {
                let by_chance = how_often(self.other_bar(1.0) / other.evidence());
                reasons.push(format!(
                    "More of {modality} than usual, {count} in the last hour; by chance {by_chance} at most."
                ));
                rate = true;
            } else if chance <= terms.agree_p {
                reasons.push(format!(
                    "{count} of {modality} in the last hour, as many as in one hour of {:.0}.",
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

    fn circle(&self, found: Found, end_ns: i64) -> Circle {
        let key = self.coverage.keys().nth(found.middle);
        let middle = key.map(|key| self.grid.middle(key));
        Circle {
            lon: rounded(middle.map_or(0.0, |it| it.lon_deg), 4),
            lat: rounded(middle.map_or(0.0, |it| it.lat_deg), 4),
            radius_m: rounded(found.radius_m, 0),
            from: Timestamp(end_ns - found.bins as i64 * self.bin_ns),
            count: found.count,
            expected: rounded(found.expected, 2),
        }
    }
}

impl Scope {
    /// Incidents of fire an hour, and how many are usual: since there are more; else of the last hour.
    fn rates(&self, bin_s: f64) -> (f64, f64) {
        const INCIDENTS: usize = 0;
        const { assert!(INCIDENTS < MEASURES) };
        if let Some(since) = self.fire[INCIDENTS].since() {
            let hours = f64::from(since.bins) * bin_s / HOUR_S;
            return (since.count / hours, since.expected / hours);
        }
        let hours = (self.hour.len() as f64 * bin_s / HOUR_S).max(1e-9);
        let sum = self.hour.iter().fold((0.0, 0.0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1));
        (sum.0 / hours, sum.1 / hours)
    }
}
