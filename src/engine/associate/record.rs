//! What was learnt, as it is written down and taken up again: plain data, regions by their centres, sites by the names
//! of their nodes, so that it outlives the numbers of one run. Times are seconds since the region's epoch.

use super::learnt::KNOTS;
use super::loudness::Loudness;
use super::prior::COMPONENTS;
use super::wave::Wave;
use crate::engine::ledger::FinalsRecord;
use crate::engine::weather::ReportRecord;
use crate::model::geo::LonLat;
use crate::model::observation::Id;
use crate::model::time::ns_from_s;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// A final event weighs as much as so many sites, each of which is some hundred bytes.
const SITES_A_FINAL: usize = 20;

/// A region of a record is this one if their centres are no further apart, m: the places in it are told from there.
const SAME_CENTRE_M: f64 = 1.0;

/// All that an engine has learnt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearntRecord {
    /// Of which version it is.
    pub version: u32,
    /// Region by region, in order of their centres.
    pub regions: Vec<RegionRecord>,
}

/// A record that a later version of the program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was learnt is written down in version {version}, and this program reads up to version {VERSION}")]
pub struct NewerRecord {
    /// The record's version.
    pub version: u32,
}

impl LearntRecord {
    /// # Errors
    /// It is of a later version.
    pub fn check_version(version: u32) -> Result<(), NewerRecord> {
        if version > VERSION { Err(NewerRecord { version }) } else { Ok(()) }
    }
}

/// What a region has learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionRecord {
    /// The region's centre, degrees: longitude, latitude.
    pub centre: [f64; 2],
    /// The region's epoch, nanoseconds since 1970.
    pub epoch_ns: i64,
    /// The last step that taught; what is read again up to there teaches nothing.
    pub taught_to_s: Option<f64>,
    /// Final events since the sites' tables were made.
    pub untaught: u32,
    /// How loud rounds are.
    pub loudness: Loudness,
    /// Detection by distance, a curve for each wave.
    pub curves: Vec<CurveRecord>,
    /// Clutter and clocks, in order of (node, wave).
    pub sites: Vec<SiteRecord>,
    /// Where and when events are to be expected.
    pub prior: PriorRecord,
    /// What a restart would have had to read again when this was written, nanoseconds since 1970, if it was for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_ns: Option<i64>,
    /// From when on all final events are known, what is read again and `finals` together, nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_ns: Option<i64>,
    /// From when on `finals` are all there were, nanoseconds since 1970; `None`: there never were others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finals_from_ns: Option<i64>,
    /// What its nodes last said of themselves before what is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReportRecord>,
    /// Final events that later evidence may still amend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finals: Vec<FinalsRecord>,
    /// What was not final at that step, if it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanRecord>,
}

/// What a region whose centre is there is called.
pub fn place_of(centre: LonLat) -> String {
    format!("{:.5},{:.5}", centre.lon_deg, centre.lat_deg)
}

impl RegionRecord {
    /// Where the region is: its centre to five decimals, about a metre.
    pub fn place(&self) -> String {
        let [lon_deg, lat_deg] = self.centre;
        place_of(LonLat { lon_deg, lat_deg })
    }

    /// The last step that taught, nanoseconds since 1970.
    pub fn taught_to_ns(&self) -> Option<i64> {
        Some(self.epoch_ns.saturating_add(ns_from_s(self.taught_to_s?)))
    }

    /// The same in pieces, none of which weighs more than `most` sites unless it holds one thing alone. The plan goes with the
    /// first.
    pub fn pieces(mut self, most: usize) -> Vec<RegionRecord> {
        let (sites, finals) = (std::mem::take(&mut self.sites), std::mem::take(&mut self.finals));
        let (reports, plan) = (std::mem::take(&mut self.reports), self.plan.take());
        let mut pieces = vec![RegionRecord { plan, ..self.clone() }];
        let mut weight = 0;
        // Which piece has room for so much more.
        let mut at = |own: usize| {
            if weight > 0 && weight + own > most {
                pieces.push(self.clone());
                weight = 0;
            }
            weight += own;
            pieces.len() - 1
        };
        let sites: Vec<(usize, SiteRecord)> = sites.into_iter().map(|site| (at(1 + site.held.len()), site)).collect();
        let reports: Vec<(usize, ReportRecord)> = reports.into_iter().map(|report| (at(1), report)).collect();
        let finals: Vec<(usize, FinalsRecord)> =
            finals.into_iter().map(|some| (at(SITES_A_FINAL * some.events.len()), some)).collect();
        sites.into_iter().for_each(|(at, site)| pieces[at].sites.push(site));
        reports.into_iter().for_each(|(at, report)| pieces[at].reports.push(report));
        finals.into_iter().for_each(|(at, some)| pieces[at].finals.push(some));
        pieces
    }

    /// Puts pieces together again. Those that are older than others of the same region are left over from when there
    /// were more of them.
    pub fn joined(pieces: impl IntoIterator<Item = RegionRecord>) -> Vec<RegionRecord> {
        let mut joined: BTreeMap<String, RegionRecord> = BTreeMap::new();
        for piece in pieces {
            let age = |record: &RegionRecord| (record.taught_to_ns(), record.needed_ns);
            match joined.entry(piece.place()) {
                Entry::Occupied(mut whole) if age(whole.get()) == age(&piece) => {
                    let whole = whole.get_mut();
                    whole.sites.extend(piece.sites);
                    whole.reports.extend(piece.reports);
                    whole.finals.extend(piece.finals);
                    whole.plan = whole.plan.take().or(piece.plan);
                }
                Entry::Occupied(mut whole) if age(whole.get()) < age(&piece) => {
                    whole.insert(piece);
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(piece);
                }
            }
        }
        joined.into_values().collect()
    }

    /// Whether it is about a region with that centre.
    pub fn is_about(&self, centre: LonLat) -> bool {
        let [lon_deg, lat_deg] = self.centre;
        LonLat::checked(lon_deg, lat_deg).is_some_and(|own| own.distance_m(centre) <= SAME_CENTRE_M)
    }
}

/// The curve of detection of one wave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveRecord {
    /// The wave.
    pub wave: Wave,
    /// Picks at each eighth of the range, faded.
    pub hits: [f64; KNOTS],
    /// Picks expected there.
    pub expected: [f64; KNOTS],
    /// The shares that the sites go by now, if any were taught.
    pub taught: Option<[f64; KNOTS]>,
}

/// One node's ear for one wave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// The node's name.
    pub node: String,
    /// The wave.
    pub wave: Wave,
    /// Residuals of its clock over their variances, faded, 1/s.
    pub ahead: f64,
    /// Sum of the weights of that, 1/s².
    pub ahead_weight: f64,
    /// How far its clock is taken to be ahead now, s.
    pub ahead_s: f64,
    /// One sigma of that, s; none while nothing is known.
    pub ahead_sd_s: Option<f64>,
    /// Its rate of clutter before anything was counted, 1/s, once counting began.
    pub stated_per_s: Option<f64>,
    /// The rate that it is taken to have now, 1/s.
    pub clutter_per_s: f64,
    /// Arrivals that belong to nothing, faded.
    pub free: f64,
    /// Seconds in which they came, faded.
    pub seconds: f64,
    /// Up to where they were counted.
    pub counted_to_s: Option<f64>,
    /// Its arrivals of which more is known than that they came, where the region's plan is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldRecord>,
}

/// What was not final when a region was written down: with the arrivals, which are read again, all that the next step rests
/// on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// The last step that was made, s.
    pub step_s: f64,
    /// How far the region reached back then, s.
    pub travel_s: f64,
    /// Numbers that were given to events.
    pub numbers: u32,
    /// Those that are free again, the next to be given last.
    pub vacant: Vec<u32>,
    /// The events.
    pub events: Vec<EventRecord>,
    /// Radar's points that final events have.
    pub settled: Vec<PointRecord>,
}

/// An event that was not final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its number in the plan.
    pub number: u32,
    /// How often it was resolved.
    pub tries: u32,
    /// East and north, m, and when, s.
    pub at: [f64; 3],
    /// xx, xy, xt, yy, yt, tt.
    pub covariance: [f64; 6],
    /// Log posterior odds.
    pub score: f64,
    /// Of the best other explanation; none was looked at: none.
    pub rival: Option<f64>,
    /// Share of its arrivals that others want.
    pub contested: f64,
    /// ln of its amplitude.
    pub loudness: f64,
    /// Whether it may be at two places.
    pub two_places: bool,
    /// How many arrivals it has.
    pub arrivals: u32,
    /// Its radar's points.
    pub points: Vec<PointRecord>,
}

/// An end of a radar's trajectory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointRecord {
    /// The radar.
    pub node: String,
    /// The observation.
    pub id: Id,
    /// Which end.
    pub is_origin: bool,
}

/// An arrival of which more is known than that it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldRecord {
    /// The sender's id.
    pub id: Id,
    /// Who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<HolderRecord>,
    /// Whether a second search from it could find nothing that the first did not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub alone: bool,
    /// How much likelier than clutter alone an echo makes it, natural log, if it does.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ln_echo: f64,
}

/// Who has an arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderRecord {
    /// A final event, or no one may.
    Settled,
    /// An event of the plan.
    Event {
        /// Its number.
        number: u32,
        /// At which place among the event's arrivals.
        nth: u32,
        /// What it is worth to the event.
        gain: f64,
        /// Observed less predicted, s.
        residual_s: f64,
        /// The same in degrees.
        residual_deg: Option<f64>,
        /// Whether it is a later wave.
        is_second: bool,
    },
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Where and when events are to be expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PriorRecord {
    /// From when on events are known, and the last of them; none: none.
    pub from_to_s: Option<(f64, f64)>,
    /// Their number, faded.
    pub events: f64,
    /// What each part of the mixture explains: fire anywhere, much fire, kernels that last, kernels that fade.
    pub explained: [f64; COMPONENTS],
    /// Places that fire again: x and y in the region's plane, m, the weight and the last time.
    pub places: Vec<[f64; 4]>,
    /// The most recent events in order of time: x, y and the time.
    pub recent: Vec<[f64; 3]>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kind::Health;

    fn record(lon_deg: f64, taught_to_s: f64, nodes: &[&str]) -> RegionRecord {
        let site = |node: &&str| SiteRecord {
            node: (*node).to_owned(),
            wave: Wave::Acoustic,
            ahead: 0.1,
            ahead_weight: 2.0,
            ahead_s: 0.0,
            ahead_sd_s: None,
            stated_per_s: None,
            clutter_per_s: 0.01,
            free: 1.0,
            seconds: 60.0,
            counted_to_s: Some(60.0),
            held: Vec::new(),
        };
        RegionRecord {
            centre: [lon_deg, 48.0],
            epoch_ns: 1_700_000_000_000_000_000,
            taught_to_s: Some(taught_to_s),
            untaught: 3,
            loudness: Loudness::default(),
            curves: Vec::new(),
            sites: nodes.iter().map(site).collect(),
            prior: PriorRecord {
                from_to_s: None,
                events: 0.0,
                explained: [0.0; COMPONENTS],
                places: Vec::new(),
                recent: Vec::new(),
            },
            needed_ns: None,
            known_ns: None,
            finals_from_ns: None,
            reports: Vec::new(),
            finals: Vec::new(),
            plan: None,
        }
    }

    #[test]
    fn pieces_make_the_whole_again_and_what_is_left_over_from_before_is_passed_over() {
        let report = |node: &str| ReportRecord {
            node: node.to_owned(),
            time_ns: 5,
            clock_sd_s: Some(0.01),
            temperature_c: None,
            wind_m_s: Some((1.5, -0.25)),
            health: Health::Degraded,
        };
        let plan = PlanRecord {
            step_s: 90.0,
            travel_s: 43.8,
            numbers: 3,
            vacant: vec![2, 0],
            events: Vec::new(),
            settled: vec![PointRecord { node: "radar".to_owned(), id: Id::new(b"r1"), is_origin: true }],
        };
        let whole = RegionRecord {
            reports: ["a", "b", "c"].map(report).to_vec(),
            plan: Some(plan),
            ..record(37.0, 90.0, &["a", "b", "c", "d", "e"])
        };
        let other = record(38.0, 10.0, &[]);
        let older = record(37.0, 30.0, &["a", "b", "c", "d", "e", "f", "g"]);
        let pieces = whole.clone().pieces(2);
        assert_eq!(pieces.iter().map(|piece| piece.sites.len()).collect::<Vec<_>>(), [2, 2, 1, 0]);
        assert_eq!(pieces.iter().map(|piece| piece.reports.len()).collect::<Vec<_>>(), [0, 0, 1, 2]);
        let written = serde_json::to_string(&pieces).unwrap();
        assert_eq!(serde_json::from_str::<Vec<RegionRecord>>(&written).unwrap(), pieces);
        // The last piece of seven sites was not written over by those of five.
        let left_over = older.pieces(1).pop().unwrap();
        for at in 0..=4 {
            let mut rows = pieces.clone();
            rows.insert(at, left_over.clone());
            rows.extend(other.clone().pieces(2));
            assert_eq!(RegionRecord::joined(rows), [whole.clone(), other.clone()]);
        }
    }
}
