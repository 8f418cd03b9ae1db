//! Final events that later evidence may still amend: what the arrivals made of each, and what came on top.
//!
//! The two are kept apart, so that what is said in the end is a function of both sets, in whatever order they came.

use super::associate::calibration::MOST_P;
use super::associate::locate::Place;
use super::book::{Book, Cited, Claim, OtherEnd, Stage};
use super::rules::World;
use super::slow::is_slow;
use super::weather::Air;
use crate::model::alert::Class;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::Kind;
use crate::model::node::NodeIx;
use crate::model::observation::{Id, Origin};
use serde::{Deserialize, Serialize};

/// Most final events kept of one region; at it the oldest can be amended no more.
pub const MAX_SETTLED: usize = 65_536;

/// The most that all slow evidence together may raise the odds of an event: 15 times. What chance alone explains as
/// well stays under 0.95, whoever reports it.
const MOST_RAISED: f64 = 2.7;
/// The most that silence of those who should have noticed may lower them: a half.
const MOST_LOWERED: f64 = -0.7;

/// A slow report that bears out an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The report, with what it is off by.
    pub cited: Cited,
    /// ln of the likelihood ratio.
    pub ln_ratio: f64,
    /// It tells of more rounds than there are events that it fits.
    pub more: bool,
}

/// A final event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Where and when, in the plane of its region.
    pub at: Place,
    /// The air in which it was found.
    #[serde(default)]
    pub air: Air,
    /// Upper bound of what its own uncertainty adds to when it is heard, s².
    pub variance_s2: f64,
    /// Log posterior odds.
    pub score: f64,
    /// What arrivals and radars make of it.
    pub claim: Claim,
    /// What was told of it, in order of time, id and sender.
    pub told: Vec<Told>,
    /// Who told of others then and there, and not of it, and what that is worth: ln of a likelihood ratio, not above 0.
    pub untold: Vec<(NodeIx, f64)>,
    /// The azimuth from the gun to the impact, where pairing tells it.
    pub fire_deg: Option<f64>,
    /// The other end, where pairing tells it.
    #[serde(default)]
    pub paired_with: Option<OtherEnd>,
    /// Whether the claim has changed since reports were weighed.
    pub changed: bool,
    /// Whether those who have other regions are still to be told.
    pub is_news: bool,
}

/// What is known of a final event beyond its region: as much as reports are weighed against and directions told by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalEvent {
    /// Its region.
    pub region: u32,
    /// What makes it this one and no other.
    pub key: String,
    /// What happened.
    pub class: Class,
    /// Degrees.
    pub lon_deg: f64,
    /// Degrees.
    pub lat_deg: f64,
    /// One sigma of the place.
    pub ellipse: Option<Ellipse>,
    /// When, nanoseconds.
    pub time_ns: i64,
    /// One sigma of that, seconds.
    pub time_sd_s: f64,
    /// The chance that it happened.
    pub probability: f64,
    /// The azimuth from the gun to the impact, where a radar tells it.
    pub direction_of_fire_deg: Option<f64>,
    /// Where its infrasound stood: what it was found with is no report about others.
    #[serde(default)]
    pub slow: Vec<Origin>,
}

impl FinalEvent {
    /// A region's event as its arrivals have it.
    pub fn of(region: u32, claim: &Claim) -> FinalEvent {
        FinalEvent {
            region,
            key: claim.key.clone(),
            class: claim.class,
            lon_deg: claim.place.lon_deg,
            lat_deg: claim.place.lat_deg,
            ellipse: claim.ellipse,
            time_ns: claim.time_ns,
            time_sd_s: claim.time_sd_s,
            probability: claim.probability,
            direction_of_fire_deg: claim.direction_of_fire_deg,
            slow: claim.evidence.iter().filter(|cited| is_slow(cited.kind)).map(|cited| cited.origin).collect(),
        }
    }

    fn claim(self) -> Claim {
        let place = LonLat { lon_deg: self.lon_deg, lat_deg: self.lat_deg };
        let cited = |origin| Cited {
            origin,
            id: Id::new(b""),
            // Nodes have other numbers there: where it stood is enough to know it by.
            node: NodeIx(0),
            kind: Kind::Infrasound,
            time_ns: self.time_ns,
            residual_s: None,
            residual_deg: None,
        };
        Claim {
            ellipse: self.ellipse,
            time_sd_s: self.time_sd_s,
            probability: self.probability,
            direction_of_fire_deg: self.direction_of_fire_deg,
            evidence: self.slow.iter().copied().map(cited).collect(),
            ..Claim::new(self.key, self.class, place, self.time_ns)
        }
    }
}

impl From<FinalEvent> for Settled {
    fn from(event: FinalEvent) -> Settled {
        let nowhere = Place { x_m: 0.0, y_m: 0.0, time_s: 0.0 };
        Settled::new(nowhere, Air::default(), 0.0, 0.0, event.claim())
    }
}

impl Settled {
    /// Of an event as its arrivals have it.
    pub fn new(at: Place, air: Air, variance_s2: f64, score: f64, claim: Claim) -> Settled {
        Settled {
            at,
            air,
            variance_s2,
            score,
            claim,
            told: Vec::new(),
            untold: Vec::new(),
            fire_deg: None,
            paired_with: None,
            changed: false,
            is_news: true,
        }
    }

    /// Whether it was found with that observation.
    pub fn rests_on(&self, cited: &Cited) -> bool {
        let is_it = |own: &Cited| (own.node, own.id) == (cited.node, cited.id) || own.origin == cited.origin;
        self.claim.evidence.iter().any(is_it)
    }

    /// Names its nodes otherwise; `None`, and it is of no use any more, where one has no such name.
    pub fn rename(&mut self, named: &mut impl FnMut(NodeIx) -> Option<NodeIx>) -> Option<()> {
        let own = self.claim.evidence.iter_mut().map(|cited| &mut cited.node);
        let told = self.told.iter_mut().map(|told| &mut told.cited.node);
        let untold = self.untold.iter_mut().map(|(node, _)| node);
        for node in own.chain(&mut self.claim.silent).chain(told).chain(untold) {
            *node = named(*node)?;
        }
        Some(())
    }

    /// Whether all its numbers are some.
    pub fn is_sound(&self) -> bool {
        let Claim { time_sd_s, probability, evidence, ellipse, place, .. } = &self.claim;
        let at = [self.at.x_m, self.at.y_m, self.at.time_s, self.variance_s2, self.score, *time_sd_s, *probability];
        let residuals = evidence.iter().chain(self.told.iter().map(|told| &told.cited));
        let residuals = residuals.flat_map(|cited| [cited.residual_s, cited.residual_deg]).flatten();
        let told = self.told.iter().map(|told| told.ln_ratio).chain(self.untold.iter().map(|&(_, ln_ratio)| ln_ratio));
        let ellipse = ellipse.iter().flat_map(|it| [it.semi_major_m, it.semi_minor_m, it.orientation_deg]);
        let angles = [self.fire_deg, self.claim.direction_of_fire_deg].into_iter().flatten();
        let mut all = at.into_iter().chain(residuals).chain(told).chain(ellipse).chain(angles);
        all.all(f64::is_finite) && place.lon_deg.is_finite() && place.lat_deg.is_finite()
    }

    /// Another process tells anew of its event; whether that is news.
    pub fn is_now(&mut self, event: FinalEvent) -> bool {
        let is_new = FinalEvent::of(event.region, &self.claim) != event;
        if is_new {
            self.claim = event.claim();
            self.changed = true;
        }
        is_new
    }

    /// The claim with all that came on top. A witness counts once, however often it reports.
    pub fn amended(&self) -> Claim {
        let mut claim = self.claim.clone();
        let mut told: Vec<&Told> = self.told.iter().collect();
        told.sort_by(|a, b| b.ln_ratio.total_cmp(&a.ln_ratio).then(a.cited.node.cmp(&b.cited.node)));
        let mut witnesses: Vec<NodeIx> = Vec::new();
        let mut raised = 0.0;
        for told in told {
            if !witnesses.contains(&told.cited.node) {
                witnesses.push(told.cited.node);
                raised += told.ln_ratio;
            }
        }
        let lowered: f64 = self.untold.iter().map(|&(_, ln_ratio)| ln_ratio).sum();
        let shift = raised.min(MOST_RAISED) + lowered.max(MOST_LOWERED);
        if shift != 0.0 {
            let base = claim.probability.clamp(1e-6, 1.0 - 1e-6);
            let logit = (base / (1.0 - base)).ln() + shift;
            let most = MOST_P.max(claim.probability);
            claim.probability = (1.0 / (1.0 + (-logit).exp())).min(most);
        }
        claim.evidence.extend(self.told.iter().map(|told| told.cited));
        claim.count_is_minimum |= self.told.iter().any(|told| told.more);
        claim.silent.retain(|silent| !witnesses.contains(silent));
        claim.silent.extend(self.untold.iter().map(|&(node, _)| node));
        claim.direction_of_fire_deg = claim.direction_of_fire_deg.or(self.fire_deg);
        claim.other_end = claim.other_end.or(self.paired_with);
        claim
    }

    /// Says the event as it is now, if it was said and is not forgotten: an amendment where that is new.
    pub fn say(&self, world: World<'_>, book: &mut Book) {
        if book.is_final(&self.claim.key) {
            book.say(self.amended(), Stage::Final, world.registry, world.places, world.settings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_of_another_part_was_found_with_is_known_by_where_it_stood() {
        let cited = |offset: i64, kind: Kind| Cited {
            origin: Origin { topic: 0, partition: 2, offset, line: 1 },
            id: Id::new(offset.to_string().as_bytes()),
            node: NodeIx(7),
            kind,
            time_ns: 5,
            residual_s: None,
            residual_deg: None,
        };
        let mut event = settled(0.9);
        event.claim.evidence = vec![cited(1, Kind::Acoustic), cited(2, Kind::Infrasound)];
        let told = FinalEvent::of(3, &event.claim);
        let mut there: Settled = told.clone().into();
        assert!(there.rests_on(&cited(2, Kind::Infrasound)) && !there.rests_on(&cited(3, Kind::Infrasound)));
        assert!(!there.is_now(told), "it is as it was told");
    }

    fn settled(probability: f64) -> Settled {
        let place = LonLat { lon_deg: 0.0, lat_deg: 0.0 };
        let claim = Claim { probability, ..Claim::new("k".into(), Class::FireImpact, place, 0) };
        Settled::new(Place { x_m: 0.0, y_m: 0.0, time_s: 0.0 }, Air::default(), 0.0, 0.0, claim)
    }

    fn told(node: u32, number: u8, ln_ratio: f64) -> Told {
        let origin = Origin { topic: 0, partition: 0, offset: i64::from(number), line: 0 };
        let id = Id::new(&[b'a' + number]);
        let (kind, time_ns) = (Kind::Patrol, i64::from(number));
        let cited = Cited { origin, id, node: NodeIx(node), kind, time_ns, residual_s: None, residual_deg: None };
        Told { cited, ln_ratio, more: false }
    }

    #[test]
    fn nothing_on_top_leaves_the_claim_as_it_is() {
        let event = settled(0.731_234_5);
        assert_eq!(event.amended().probability, 0.731_234_5);
    }

    #[test]
    fn a_witness_counts_once_and_many_do_not_confirm_what_is_as_likely_as_not() {
        let mut event = settled(0.5);
        event.told = vec![told(1, 0, 1.6)];
        let once = event.amended().probability;
        event.told.push(told(1, 1, 1.5));
        assert_eq!(event.amended().probability, once);
        assert_eq!(event.amended().evidence.len(), 2);
        event.told.push(told(2, 2, 1.5));
        assert!(event.amended().probability > once);
        event.told.extend((3..20).map(|node| told(node, node as u8, 1.6)));
        assert!(event.amended().probability < 0.95);
    }

    #[test]
    fn silence_halves_the_odds_at_most_and_is_named() {
        let mut event = settled(0.8);
        event.untold = (0..9).map(|node| (NodeIx(node), -0.3)).collect();
        let claim = event.amended();
        assert!((claim.probability - 0.665).abs() < 0.01, "{}", claim.probability);
        assert_eq!(claim.silent.len(), 9);
    }
}
