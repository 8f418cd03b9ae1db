//! What one slow report says, and how well an event fits it.
//!
//! A report r that tells of n rounds is a Poisson process of rounds told: event i contributes the density
//! Λᵢ = p(d) · N(t; σ_t) · B(azimuth) · D(distance), and all that is no event of ours contributes c = ν · b · g. Each is
//! per second, degree and metre, so that they may be compared.
//!
//! | term | what |
//! |---|---|
//! | p(d) | chance that a patrol reports an event d away: the stated one (0.3), falling off beyond its range (6 km) |
//! | N | normal of when it was told to be, less when sound (heard) or light (saw) from there comes; a recording may be of either |
//! | B | 0.9 normal + 0.1 uniform: in the open people are right about a direction to some ten degrees, among walls not at all |
//! | D | 0.9 normal + 0.1 g of the distance; its sigma is 40% of it where the report gives none. Without a distance or an azimuth no such term |
//! | ν | the patrol's own rate of what we have no event for (0.5 an hour), from anywhere: b = 1/360°, g = 2d/R² (each place the same) |
//!
//! Infrasound is a report of one round by the node that heard it: N is the density of its celerity's range
//! ([`celerity`]) there, and the node's own range, chance and rate of false picks stand where a patrol's would.
//!
//! A hot spot is a report of one fire: Λᵢ = 0.25 · e^(−age/30 min) · N₂(place), a tenth of that for a gun, against
//! one spot of something else in 1,000 km² and pass. The shares of chance are guesses of the size that monitors' own
//! reports have (half of what is heard is placed to a kilometre or so); the caps in [`super`] keep them from mattering.

use crate::engine::associate::celerity;
use crate::engine::associate::wave::Wave;
use crate::engine::book::{Cited, Claim};
use crate::engine::rules::{World, cited_at, position_at};
use crate::engine::settled::Settled;
use crate::model::alert::Class;
use crate::model::area::Prohibition;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::{Activity, Hint, Kind};
use crate::model::observation::Observations;
use crate::model::time::{ns_from_s, s_from_ns};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// Speed of sound and its uncertainty along a path that nobody measured, m/s.
const SOUND_M_S: f64 = 340.0;
const SOUND_SD_M_S: f64 = 10.0;
/// How far a patrol hears, and the chance that it reports an event so near, where the registry does not say.
const RANGE_M: f64 = 6_000.0;
const REPORT_P: f64 = 0.3;
/// Nobody is told to have heard anything from further than so many ranges.
const MOST_RANGES: f64 = 3.0;
/// The same of infrasound, whose range a registry knows.
const MOST_RANGES_GUIDED: f64 = 1.5;
/// Uncertainty of an infrasound array's direction that gives none, degrees: of 296 arrivals from known explosions 93% were within
/// 5° (Nippress and Green 2023).
const ARRAY_SD_DEG: f64 = 3.0;
/// Reports an hour of what is no event of ours, where the registry does not say.
const OTHERS_PER_HOUR: f64 = 0.5;
/// Share of directions, and of distances, that are wrong altogether.
const WILD: f64 = 0.1;
/// The same of infrasound arrays' directions: of 296 arrivals from known explosions none was off by more than 9° (Nippress and
/// Green 2023).
const WILD_GUIDED: f64 = 0.01;
/// Uncertainty of a direction that gives none, degrees.
const AZIMUTH_SD_DEG: f64 = 20.0;
/// Uncertainty of a distance that gives none: share of it.
const DISTANCE_SD_SHARE: f64 = 0.4;
/// Beyond so many sigma of time an event does not fit.
const GATE: f64 = 3.0;
/// How long what was struck is hot, s: mean, and most.
const HOT_S: f64 = 1_800.0;
const MOST_HOT_S: f64 = 7_200.0;
/// Chance that a pass sees what was struck, and how much likelier that is than to see where it was fired.
const HOT_P: f64 = 0.25;
const HOT_GUN: f64 = 0.1;
/// Other hot spots a pass, 1/m².
const OTHER_SPOTS_PER_M2: f64 = 1e-9;
/// Uncertainty of a hot spot that gives none, m.
const SPOT_SD_M: f64 = 400.0;
/// Share of patrols' reports that tell what they were told to have been, or are mistaken in all but the minute.
const HEARSAY: f64 = 0.2;
/// Longest that a report may last and still be about an instant, s.
const MOST_DURATION_S: f64 = 3_600.0;

/// How long after its time a report may still be about an event that began then: its gate never reaches further, s.
pub const MOST_AFTER_S: f64 = 900.0;

/// How it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Sense {
    Heard,
    Saw,
    Recorded,
    Guided,
    Hot,
}

/// A report by a person, from above, or of infrasound from afar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The observation.
    pub cited: Cited,
    sense: Sense,
    /// The observer's place, or the hot spot's.
    place: LonLat,
    time_ns: i64,
    time_sd_s: f64,
    /// Degrees, sigma.
    azimuth: Option<(f64, f64)>,
    /// Metres, sigma.
    distance: Option<(f64, f64)>,
    range_m: f64,
    report_p: f64,
    others_per_s: f64,
    spot_sd_m: f64,
    /// Of a hot spot: how sure the time of its picture is.
    seen_sd_s: f64,
    class: Class,
    /// How many rounds it tells of.
    pub count: u32,
    /// Whether there may have been more.
    pub count_is_minimum: bool,
    /// The share of such reports that say nothing, however well they fit.
    pub hearsay: f64,
}

/// How an event fits a report.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// Λ.
    pub density: f64,
    /// Told less expected time; of a hot spot none.
    pub residual_s: Option<f64>,
    /// Told less expected direction.
    pub residual_deg: Option<f64>,
    /// So near that the observer should have noticed: a third of the range.
    pub near: bool,
    /// Told to within a sigma of when the event was to be noticed.
    pub then: bool,
    /// The chance that the observer would report it.
    pub report_p: f64,
}

impl Report {
    /// The observation at `row` as a slow report; `None` for what is none.
    pub fn of(batch: &Observations, row: usize, world: World<'_>) -> Option<Report> {
        match batch.kind[row] {
            Kind::Patrol => Report::of_patrol(batch, row, world),
            Kind::Thermal => Report::of_spot(batch, row),
            Kind::Infrasound => Report::of_infrasound(batch, row, world),
            _ => None,
        }
    }

    fn of_patrol(batch: &Observations, row: usize, world: World<'_>) -> Option<Report> {
        let told = batch.patrols.row(batch.detail[row] as usize);
        let sense = match told.activity {
            Activity::Heard => Sense::Heard,
            Activity::Saw => Sense::Saw,
            Activity::Recorded => Sense::Recorded,
            _ => return None,
        };
        let node = world.registry.node(batch.node[row]);
        let known = |value: f64, or: f64| if value > 0.0 { value } else { or };
        let duration_s = known(told.duration_s, 0.0).min(MOST_DURATION_S);
        let time_sd_s = known(batch.time_sd_s[row], node.time_sd_s(Kind::Patrol));
        let azimuth_sd_deg = known(told.azimuth_sd_deg, AZIMUTH_SD_DEG).clamp(1.0, 90.0);
        let distance_m = known(told.distance_m, f64::NAN);
        let distance_sd_m = known(told.distance_sd_m, DISTANCE_SD_SHARE * distance_m).max(50.0);
        // None is a report as well, but not of anything.
        let count = if told.count.is_nan() { 1 } else { told.count as u32 };
        (count > 0).then_some(())?;
        Some(Report {
            cited: cited_at(batch, row),
            sense,
            place: position_at(batch, row, world)?,
            time_ns: batch.time_ns[row].saturating_add(ns_from_s(0.5 * duration_s)),
            time_sd_s: time_sd_s.hypot(duration_s / 12f64.sqrt()).clamp(1.0, MOST_AFTER_S / (GATE + 1.0)),
            azimuth: told.azimuth_deg.is_finite().then_some((told.azimuth_deg, azimuth_sd_deg)),
            distance: distance_m.is_finite().then_some((distance_m, distance_sd_m)),
            range_m: known(node.range_m.unwrap_or(RANGE_M), RANGE_M),
            report_p: node.detect_p.unwrap_or(REPORT_P).clamp(0.01, 0.95),
            others_per_s: known(node.false_per_hour.unwrap_or(OTHERS_PER_HOUR), OTHERS_PER_HOUR) / 3600.0,
            spot_sd_m: 0.0,
            seen_sd_s: 0.0,
            class: class_of(told.hint),
            count,
            count_is_minimum: told.count_is_minimum,
            hearsay: HEARSAY,
        })
    }

    fn of_infrasound(batch: &Observations, row: usize, world: World<'_>) -> Option<Report> {
        let (detail, node) = (batch.detail[row] as usize, world.registry.node(batch.node[row]));
        let known = |value: f64, or: f64| if value > 0.0 { value } else { or };
        let (azimuth_deg, sd_deg) = (batch.arrivals.azimuth_deg[detail], batch.arrivals.azimuth_sd_deg[detail]);
        let wave = Wave::Infrasound;
        let others_per_hour = known(node.false_per_hour.unwrap_or(f64::NAN), wave.default_false_per_hour());
        Some(Report {
            cited: cited_at(batch, row),
            sense: Sense::Guided,
            place: position_at(batch, row, world)?,
            time_ns: batch.time_ns[row],
            time_sd_s: known(batch.time_sd_s[row], node.time_sd_s(Kind::Infrasound)).clamp(0.05, MOST_AFTER_S),
            azimuth: azimuth_deg.is_finite().then(|| (azimuth_deg, known(sd_deg, ARRAY_SD_DEG).clamp(1.0, 90.0))),
            distance: None,
            range_m: known(node.range_m.unwrap_or(f64::NAN), wave.default_range_m()),
            report_p: node.detect_p.unwrap_or(wave.default_detect_p()).clamp(0.01, 0.95),
            others_per_s: others_per_hour / 3600.0,
            spot_sd_m: 0.0,
            seen_sd_s: 0.0,
            class: class_of(batch.arrivals.hint[detail]),
            count: 1,
            count_is_minimum: true,
            hearsay: HEARSAY,
        })
    }

    /// Whether it stands as an alert where nothing explains it. Infrasound does not: it comes from far beyond all that is
    /// watched.
    pub fn speaks_alone(&self) -> bool {
        self.sense != Sense::Guided
    }

    /// Nothing from further than this fits it, m.
    fn reach_m(&self) -> f64 {
        self.range_m * if self.sense == Sense::Guided { MOST_RANGES_GUIDED } else { MOST_RANGES }
    }

    fn of_spot(batch: &Observations, row: usize) -> Option<Report> {
        let spot = batch.thermals.row(batch.detail[row] as usize);
        let sd_m = if spot.object_sd_m > 0.0 { spot.object_sd_m } else { SPOT_SD_M };
        let pixel_m = if spot.pixel_m > 0.0 { spot.pixel_m } else { 0.0 };
        let confidence = if spot.confidence.is_finite() { spot.confidence.clamp(0.0, 1.0) } else { 0.5 };
        Some(Report {
            cited: cited_at(batch, row),
            sense: Sense::Hot,
            place: LonLat::checked(spot.object_lon_deg, spot.object_lat_deg)?,
            time_ns: batch.time_ns[row],
            time_sd_s: Kind::Thermal.default_time_sd_s(),
            azimuth: None,
            distance: None,
            range_m: 0.0,
            report_p: HOT_P,
            others_per_s: 0.0,
            // A pixel is lit from anywhere in it.
            spot_sd_m: sd_m.max(pixel_m / 12f64.sqrt()).max(10.0),
            // Of some no more is published than the day.
            seen_sd_s: Some(batch.time_sd_s[row]).filter(|given_s| *given_s > 0.0).unwrap_or(0.0),
            class: Class::FireUndetermined,
            count: 1,
            count_is_minimum: true,
            hearsay: 1.0 - 0.8 * confidence,
        })
    }

    /// Event time from which on no event becomes final any more that fits it, nanoseconds.
    pub fn due_ns(&self) -> i64 {
        self.time_ns.saturating_add(ns_from_s(GATE * self.time_sd_s))
    }

    /// No event from before this fits it, nanoseconds.
    pub fn earliest_ns(&self) -> i64 {
        let before_s = match self.sense {
            Sense::Hot => MOST_HOT_S,
            Sense::Guided => GATE * self.time_sd_s + celerity::within_s(self.reach_m()).1,
            _ => GATE * self.time_sd_s + MOST_RANGES * self.range_m / (SOUND_M_S - GATE * SOUND_SD_M_S),
        };
        self.time_ns.saturating_sub(ns_from_s(before_s + 1.0))
    }

    /// c: the density of what is no event of ours.
    pub fn others(&self) -> f64 {
        if self.sense == Sense::Hot {
            return OTHER_SPOTS_PER_M2;
        }
        let direction = if self.azimuth.is_some() { 1.0 / 360.0 } else { 1.0 };
        let distance = self.distance.map_or(1.0, |(told_m, _)| self.any_distance(told_m));
        self.others_per_s * direction * distance
    }

    /// Density of the distance of what may be anywhere in range, 1/m.
    fn any_distance(&self, told_m: f64) -> f64 {
        2.0 * told_m.clamp(0.1 * self.range_m, self.range_m) / self.range_m.powi(2)
    }

    /// How an event fits it; `None` where it does not at all.
    pub fn fit(&self, event: &Settled) -> Option<Fit> {
        let claim = &event.claim;
        if !(self.earliest_ns()..=self.due_ns()).contains(&claim.time_ns) {
            return None;
        }
        let place_variance_m2 = claim.ellipse.map_or(0.0, |e| 0.5 * (e.semi_major_m.powi(2) + e.semi_minor_m.powi(2)));
        let lag_s = s_from_ns(self.time_ns - claim.time_ns);
        if self.sense == Sense::Hot {
            return self.fit_spot(claim, lag_s, place_variance_m2);
        }
        let (distance_m, azimuth_deg) = self.place.distance_azimuth(claim.place);
        if distance_m > self.reach_m() {
            return None;
        }
        let beyond = (distance_m / self.range_m).powi(2) - 1.0;
        let report_p = self.report_p * (-2.0 * beyond.max(0.0)).exp();
        let (time, sd_s, residual_s) = match self.sense {
            Sense::Guided => {
                self.fit_guided(distance_m, lag_s, claim.time_sd_s.powi(2) + place_variance_m2 / SOUND_M_S.powi(2))?
            }
            _ => self.fit_time(distance_m, lag_s, claim.time_sd_s)?,
        };
        let mut density = report_p * time;
        let mut residual_deg = None;
        if let Some((told_deg, sd_deg)) = self.azimuth {
            let off_deg = (told_deg - azimuth_deg + 180.0).rem_euclid(360.0) - 180.0;
            let sd_deg = sd_deg.hypot((place_variance_m2.sqrt() / distance_m.max(1.0)).atan().to_degrees());
            let wild = if self.sense == Sense::Guided { WILD_GUIDED } else { WILD };
            density *= (1.0 - wild) * normal(off_deg, sd_deg) + wild / 360.0;
            residual_deg = Some(off_deg);
        }
        if let Some((told_m, sd_m)) = self.distance {
            let right = normal(told_m - distance_m, sd_m.hypot(place_variance_m2.sqrt()));
            density *= (1.0 - WILD) * right + WILD * self.any_distance(told_m);
        }
        let (near, then) = (3.0 * distance_m <= self.range_m, residual_s.abs() <= sd_s);
        Some(Fit { density, residual_s: Some(residual_s), residual_deg, near, then, report_p })
    }

    /// How likely it is to be told then of what a patrol heard or saw `lag_s` before, 1/s, the sigma of that, and what it is
    /// off by.
    fn fit_time(&self, distance_m: f64, lag_s: f64, origin_sd_s: f64) -> Option<(f64, f64, f64)> {
        let sound_s = distance_m / SOUND_M_S;
        let (due_s, due_sd_s) = match self.sense {
            Sense::Heard => (sound_s, sound_s * SOUND_SD_M_S / SOUND_M_S),
            Sense::Recorded => (0.5 * sound_s, sound_s / 12f64.sqrt()),
            Sense::Saw | Sense::Guided | Sense::Hot => (0.0, 0.0),
        };
        let residual_s = lag_s - due_s;
        let sd_s = self.time_sd_s.hypot(due_sd_s).hypot(origin_sd_s);
        (residual_s.abs() <= GATE * sd_s).then(|| (normal(residual_s, sd_s), sd_s, residual_s))
    }

    /// The same of infrasound; `variance_s2` is the event's.
    fn fit_guided(&self, distance_m: f64, lag_s: f64, variance_s2: f64) -> Option<(f64, f64, f64)> {
        let variance_s2 = self.time_sd_s.powi(2) + variance_s2;
        let (first_s, last_s) = celerity::within_s(distance_m);
        let slack_s = GATE * variance_s2.sqrt();
        if !(first_s - slack_s..=last_s + slack_s).contains(&lag_s) {
            return None;
        }
        let fit = celerity::fit(distance_m, lag_s, variance_s2);
        Some((fit.ln_density.exp(), fit.weight.powf(-0.5), fit.residual_s))
    }

    fn fit_spot(&self, claim: &Claim, lag_s: f64, place_variance_m2: f64) -> Option<Fit> {
        let variance_m2 = self.spot_sd_m.powi(2) + place_variance_m2;
        let distance_m = self.place.distance_m(claim.place);
        if distance_m.powi(2) > 16.0 * variance_m2 {
            return None;
        }
        let fades = (-lag_s.max(0.0) / HOT_S).exp();
        let gun = if claim.class == Class::FireOutgoing { HOT_GUN } else { 1.0 };
        let density = HOT_P * gun * fades * (-0.5 * distance_m.powi(2) / variance_m2).exp() / (TAU * variance_m2);
        Some(Fit { density, residual_s: None, residual_deg: None, near: false, then: false, report_p: HOT_P })
    }

    /// Where nothing explains it: what the report alone says happened, with that probability.
    pub fn claim(&self, key: String, probability: f64) -> Claim {
        let (place, ellipse, sound_m) = match self.sense {
            Sense::Hot => (self.place, round(self.spot_sd_m), 0.0),
            _ => self.estimate(),
        };
        let sound_s = if self.sense == Sense::Heard { sound_m / SOUND_M_S } else { 0.0 };
        let mut claim = Claim::new(key, self.class, place, self.time_ns.saturating_sub(ns_from_s(sound_s)));
        let path_sd_s = if self.sense == Sense::Saw { 0.0 } else { ellipse.semi_major_m / SOUND_M_S };
        claim.prohibitions = vec![Prohibition::Fire];
        claim.time_sd_s = match self.sense {
            // It burns since some time before.
            Sense::Hot => HOT_S.hypot(self.seen_sd_s),
            _ => self.time_sd_s.hypot(path_sd_s),
        };
        claim.ellipse = Some(ellipse);
        (claim.count, claim.count_is_minimum) = (self.count, self.count_is_minimum);
        claim.probability = probability;
        claim.evidence = vec![self.cited];
        claim
    }

    /// Where a patrol means it was, one sigma of it, and how far from there that is.
    fn estimate(&self) -> (LonLat, Ellipse, f64) {
        // Without a distance: anywhere in range, two thirds of it on average.
        let (distance_m, radial_sd_m) = self.distance.unwrap_or((0.67 * self.range_m, 0.24 * self.range_m));
        let Some((azimuth_deg, sd_deg)) = self.azimuth else {
            return (self.place, round(distance_m.hypot(radial_sd_m) / 2f64.sqrt()), distance_m);
        };
        let cross_sd_m = (distance_m * sd_deg.to_radians()).max(10.0);
        let along = radial_sd_m >= cross_sd_m;
        let ellipse = Ellipse {
            semi_major_m: radial_sd_m.max(cross_sd_m),
            semi_minor_m: radial_sd_m.min(cross_sd_m),
            orientation_deg: (azimuth_deg + if along { 0.0 } else { 90.0 }).rem_euclid(180.0),
        };
        (self.place.toward(azimuth_deg, distance_m), ellipse, distance_m)
    }
}

fn round(sd_m: f64) -> Ellipse {
    Ellipse { semi_major_m: sd_m, semi_minor_m: sd_m, orientation_deg: 0.0 }
}

fn normal(off: f64, sd: f64) -> f64 {
    (-0.5 * (off / sd).powi(2)).exp() / (TAU.sqrt() * sd)
}

const fn class_of(hint: Hint) -> Class {
    match hint {
        Hint::Explosion => Class::FireExplosion,
        Hint::Impact => Class::FireImpact,
        Hint::Outgoing => Class::FireOutgoing,
        Hint::Burst => Class::FireBurst,
        Hint::Shot => Class::FireShot,
        Hint::Unknown => Class::FireUndetermined,
    }
}
