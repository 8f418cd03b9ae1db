//! A claim becomes an alert: judged, worded, rounded, digested.
//!
//! Numbers are rounded to less than anybody can measure, so that the last bits of a machine's arithmetic don't
//! show: the same evidence gives the same bytes everywhere.

use super::beside::{Told, beside};
use super::digest::{evidence_digest, sha256_hex};
use super::review::UNDETERMINED;
use super::tally::Tally;
use super::{Cited, Claim};
use crate::engine::places::{Places, Waypoint};
use crate::engine::settings::{Settings, Severity};
use crate::model::alert::{Alert, AlertFeature, Class, Emitter, Evidence, Exceeds, Measure, Status, Term};
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::Kind;
use crate::model::node::Registry;
use crate::model::time::Timestamp;

/// Nanoseconds in a millisecond, to which times are rounded.
const NS_PER_MS: i64 = 1_000_000;
/// Steps to which numbers are rounded.
const STEP_DEG: f64 = 1e-6;
const STEP_M: f64 = 0.1;
const STEP_KM2: f64 = 0.1;
const STEP_S: f64 = 1e-4;
/// A radio wave goes 30 m in the time that is nothing to sound.
const STEP_RADIO_S: f64 = 1e-9;
const STEP_AZIMUTH_DEG: f64 = 0.01;
const STEP_PROBABILITY: f64 = 1e-4;

/// What stands on every alert.
#[derive(Default)]
pub(super) struct Letterhead {
    config_digest: String,
    topics: Vec<String>,
}

impl Letterhead {
    pub(super) fn new(config_digest: String, topics: Vec<String>) -> Letterhead {
        Letterhead { config_digest, topics }
    }

    pub(super) fn config_digest(&self) -> &str {
        &self.config_digest
    }
}

/// The id of the alert of that key: whatever its class turns out to be.
pub fn alert_id(key: &str) -> String {
    let mut id = "A-".to_owned();
    id.push_str(&sha256_hex(key.as_bytes())[..20]);
    id
}

/// The alert of a claim, its revision and status still to be set.
pub(super) fn compose(
    claim: &Claim,
    tally: &mut Tally,
    letterhead: &Letterhead,
    registry: &Registry,
    places: &Places,
    settings: &Settings,
) -> AlertFeature {
    let evidence = cite(&claim.evidence, letterhead, registry);
    let evidence_digest = evidence_digest(&evidence);
    let mut silent: Vec<String> = claim.silent.iter().map(|&ix| registry.node(ix).name.clone()).collect();
    silent.sort_unstable();
    silent.dedup();
    let probability = if claim.probability.is_nan() { 0.0 } else { claim.probability.clamp(0.0, 1.0) };
    let probability = round(probability, STEP_PROBABILITY);
    let mut alert = Alert {
        alert: alert_id(&claim.key),
        revision: 0,
        status: Status::Preliminary,
        class: claim.class,
        sign: claim.sign,
        time: instant(claim.time_ns),
        time_sd_s: finite(claim.time_sd_s).map_or(STEP_S, |sd_s| at_least_a_step(sd_s, STEP_S)),
        ellipse: claim.ellipse.map(|ellipse| Ellipse {
            semi_major_m: at_least_a_step(ellipse.semi_major_m, STEP_M),
            semi_minor_m: at_least_a_step(ellipse.semi_minor_m, STEP_M),
            // Rounding may reach 180, which is 0.
            orientation_deg: round(ellipse.orientation_deg, STEP_AZIMUTH_DEG).rem_euclid(180.0),
        }),
        count: claim.count,
        count_is_minimum: claim.count_is_minimum,
        probability,
        term: Term::of(probability),
        severity: 1,
        areas: Vec::new(),
        within: Vec::new(),
        near: Vec::new(),
        crosses: Vec::new(),
        sectors: Vec::new(),
        component: None,
        from: claim.from_ns.map(instant),
        to: claim.to_ns.map(instant),
        violation: false,
        notice: None,
        exceeds: None,
        evidence,
        silent,
        superseded_by: None,
        direction_of_fire_deg: claim
            .direction_of_fire_deg
            .and_then(finite)
            .map(|azimuth_deg| round(azimuth_deg, STEP_AZIMUTH_DEG).rem_euclid(360.0)),
        follows: claim.follows.clone(),
        coverage_lost_km2: claim.coverage_lost_km2.and_then(finite).map(|km2| round(km2, STEP_KM2)),
        emitter: claim.emitter.as_ref().map(|emitter| Emitter {
            label: emitter.label.clone(),
            frequency_hz: emitter.frequency_hz.and_then(finite),
            alt_m: round(emitter.alt_m, STEP_M),
            alt_sd_m: at_least_a_step(emitter.alt_sd_m, STEP_M),
        }),
        attribution: UNDETERMINED.to_owned(),
        review: None,
        panel: None,
        software: concat!("truceline ", env!("CARGO_PKG_VERSION")).to_owned(),
        config_digest: letterhead.config_digest.clone(),
        evidence_digest,
        latency: None,
    };
    judge_into(&mut alert, claim, tally, registry, places, settings);
    AlertFeature::new(rounded(claim.place), alert)
}

fn rounded(place: LonLat) -> LonLat {
    LonLat { lon_deg: round(place.lon_deg, STEP_DEG), lat_deg: round(place.lat_deg, STEP_DEG) }
}

/// Sets what depends on areas and notices. Where no area says who is routed to it, the first node of the evidence that
/// belongs to somebody does.
pub(super) fn judge_into(
    alert: &mut Alert,
    claim: &Claim,
    tally: &mut Tally,
    registry: &Registry,
    places: &Places,
    settings: &Settings,
) {
    let mut judged = places.judge_named(claim.class, &claim.prohibitions, &way(claim), &claim.areas);
    let announced = judged.notice.as_deref().and_then(|notice| Some((notice, places.notice(notice)?.count?)));
    match announced {
        // What may not have happened is not held against a notice.
        Some((notice, most)) if alert.term != Term::Unresolved => {
            if tally.enter(&claim.key.as_str().into(), claim.time_ns, claim.count, notice, most) {
                let notice = judged.notice.take().unwrap_or_default();
                judged.exceeds = Some(Exceeds { notice, by: vec![Measure::Count] });
            }
        }
        _ => tally.leave(&claim.key),
    }
    alert.violation = (claim.breach || !judged.areas.is_empty()) && judged.notice.is_none();
    alert.severity = severity(claim, alert.violation, judged.protected_site, &settings.severity);
    alert.areas = judged.areas;
    alert.within = judged.within;
    // As it is told, so that it is judged alike by who only knows that.
    let told = Told { place: rounded(claim.place), ellipse: alert.ellipse };
    (alert.near, alert.crosses) = beside(claim, told, places, settings);
    for chance in alert.near.iter_mut().chain(&mut alert.crosses) {
        chance.probability = round(chance.probability, STEP_PROBABILITY);
    }
    let witnesses = || alert.evidence.iter().filter_map(|it| registry.find(&it.node)).map(|ix| registry.node(ix));
    alert.component = judged.component.or_else(|| witnesses().find_map(|node| node.component));
    alert.sectors = match judged.sectors.is_empty() {
        true => witnesses().find_map(|node| node.sector.clone()).into_iter().collect(),
        false => judged.sectors,
    };
    alert.notice = judged.notice;
    alert.exceeds = judged.exceeds;
}

/// Where and when it was, as far as is known, for a notice to cover.
fn way(claim: &Claim) -> Vec<Waypoint> {
    let sd_m = if claim.path.is_empty() { 0.0 } else { claim.ellipse.map_or(0.0, |ellipse| ellipse.semi_major_m) };
    // As it is told, so that it is judged alike by who only knows that.
    let first = Waypoint { sd_m, ..Waypoint::new(rounded(claim.place), claim.time_ns) };
    // Where a silence ended is not where it was before.
    let end = claim.to_ns.map(|to_ns| Waypoint { sd_m: f64::INFINITY, ..Waypoint::new(claim.place, to_ns) });
    [first].into_iter().chain(claim.path.iter().copied()).chain(end).collect()
}

fn severity(claim: &Claim, violation: bool, protected_site: bool, rule: &Severity) -> u8 {
    let base = match claim.class {
        Class::FireImpact | Class::FireExplosion => rule.impact,
        Class::FireOutgoing => rule.outgoing,
        Class::FireBurst | Class::FireShot | Class::FireUndetermined => rule.other_fire,
        Class::IncursionWeapons | Class::AirIncursion => rule.weapons,
        Class::IncursionGround | Class::SeaIncursion | Class::SeaDark => rule.incursion,
        _ => rule.other,
    };
    let site = if protected_site { rule.protected_site } else { 0 };
    let many = u8::from(claim.count >= rule.many);
    let excused = if violation { 0 } else { rule.no_violation };
    base.saturating_add(site).saturating_add(many).saturating_sub(excused).clamp(1, 5)
}

/// The evidence in order of time, node and id, each once.
fn cite(evidence: &[Cited], letterhead: &Letterhead, registry: &Registry) -> Vec<Evidence> {
    let name = |cited: &Cited| registry.node(cited.node).name.as_str();
    let mut sorted: Vec<&Cited> = evidence.iter().collect();
    sorted.sort_by(|a, b| (a.time_ns, name(a), a.id, a.origin).cmp(&(b.time_ns, name(b), b.id, b.origin)));
    sorted.dedup_by(|a, b| (a.time_ns, a.node, a.id) == (b.time_ns, b.node, b.id));
    sorted
        .into_iter()
        .map(|cited| Evidence {
            topic: letterhead.topics.get(usize::from(cited.origin.topic)).cloned().unwrap_or_default(),
            partition: cited.origin.partition,
            offset: cited.origin.offset,
            line: cited.origin.line,
            id: cited.id.as_str().to_owned(),
            node: name(cited).to_owned(),
            kind: cited.kind,
            residual_s: cited
                .residual_s
                .and_then(finite)
                .map(|residual_s| round(residual_s, if cited.kind == Kind::Radio { STEP_RADIO_S } else { STEP_S })),
            residual_deg: cited.residual_deg.and_then(finite).map(|deg| round(deg, STEP_AZIMUTH_DEG)),
        })
        .collect()
}

/// To the nearest multiple of `step`, a negative power of ten; never −0.
fn round(value: f64, step: f64) -> f64 {
    // Dividing by the whole number gives the decimal's nearest double, multiplying by the step would not.
    let per_unit = (1.0 / step).round();
    (value * per_unit).round() / per_unit + 0.0
}

/// What is uncertain is told to be so by a step at least.
fn at_least_a_step(value: f64, step: f64) -> f64 {
    round(value, step).max(step)
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn instant(time_ns: i64) -> Timestamp {
    let ms = time_ns.div_euclid(NS_PER_MS) + i64::from(time_ns.rem_euclid(NS_PER_MS) >= NS_PER_MS / 2);
    Timestamp(ms.saturating_mul(NS_PER_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_decimals() {
        assert_eq!(round(30.123_456_49, STEP_DEG).to_string(), "30.123456");
        assert_eq!(round(0.3 - 0.2, STEP_S).to_string(), "0.1");
        assert_eq!(round(-0.000_01, STEP_S).to_string(), "0");
        assert_eq!(instant(1_499_999).0, 1_000_000);
        assert_eq!(instant(-1_500_000).0, -1_000_000);
    }

    #[test]
    fn an_id_is_the_hash_of_the_key() {
        assert_eq!(alert_id("fire/1"), alert_id("fire/1"));
        assert_ne!(alert_id("fire/1"), alert_id("fire/2"));
        assert_eq!(alert_id("").len(), 22);
        // SHA-256 of nothing begins e3b0c44298fc1c149afb.
        assert_eq!(alert_id(""), "A-e3b0c44298fc1c149afb");
    }

    #[test]
    fn severity_grows_with_place_and_count_and_stays_in_its_range() {
        let rule = Severity::default();
        let place = LonLat { lon_deg: 0.0, lat_deg: 0.0 };
        let mut claim = Claim::new(String::new(), Class::FireImpact, place, 0);
        assert_eq!(severity(&claim, true, false, &rule), 3);
        assert_eq!(severity(&claim, false, false, &rule), 2);
        claim.count = 10;
        assert_eq!(severity(&claim, true, false, &rule), 4);
        assert_eq!(severity(&claim, true, true, &rule), 5);
        claim.class = Class::SensorSilent;
        claim.count = 1;
        assert_eq!(severity(&claim, false, false, &rule), 1);
    }
}
