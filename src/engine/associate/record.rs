//! What was learnt, as it is written down and taken up again: plain data, regions by their centres, sites by the names
//! of their nodes, so that it outlives the numbers of one run. Times are seconds since the region's epoch.

use super::learnt::{KNOTS, Loudness};
use super::prior::COMPONENTS;
use super::wave::Wave;
use crate::model::geo::LonLat;
use serde::{Deserialize, Serialize};

/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

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
}

impl RegionRecord {
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
