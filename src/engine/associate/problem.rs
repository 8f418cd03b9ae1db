//! What a fit looks at and what comes of it: sites, arrivals, radar's points and air on one side, a located event on the other.

use super::field::{Field, Site};
use super::loudness::Law;
use super::prior::Prior;
use super::stands::Stands;
use super::wave::Medium;
use super::window::{Slot, Window};
use crate::engine::book::OtherEnd;
use crate::engine::settings::Fire;
use crate::engine::weather::Weather;
use crate::model::node::NodeIx;
use crate::model::observation::{Id, Origin};
use serde::{Deserialize, Serialize};

/// A place and time in the region's plane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// East, m.
    pub x_m: f64,
    /// North, m.
    pub y_m: f64,
    /// Origin time, seconds since the region's epoch.
    pub time_s: f64,
}

/// A solution somebody else made of one event: one end of a radar's trajectory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Point {
    /// Where and when.
    pub at: Place,
    /// Covariance of the place, m²: xx, xy, yy.
    pub covariance_m2: (f64, f64, f64),
    /// One sigma of the time, s.
    pub time_sd_s: f64,
    /// Whether it is where the round came from (or where it went).
    pub is_origin: bool,
    /// The trajectory's direction, degrees, where both ends are known.
    pub fire_deg: Option<f64>,
    /// The trajectory's other end, where it is known.
    pub other_end: Option<OtherEnd>,
    /// Time of the observation, nanoseconds.
    pub time_ns: i64,
    /// Where the observation stood.
    pub origin: Origin,
    /// The sender's id.
    pub id: Id,
    /// The sender.
    pub node: NodeIx,
    /// Whether the sender has taken it back: the first word does without it.
    pub is_taken_back: bool,
}

impl Point {
    /// Whose word it is, and of which end: of these an event has one.
    pub fn whose(&self) -> (NodeIx, bool) {
        (self.node, self.is_origin)
    }
}

/// An arrival as the event explains it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The arrival.
    pub slot: Slot,
    /// Its site.
    pub site: u32,
    /// What it adds to the score.
    pub gain: f64,
    /// Observed less predicted, s.
    pub residual_s: f64,
    /// Observed less predicted, degrees.
    pub residual_deg: Option<f64>,
    /// Whether it is a later wave than its site's first: evidence, but nothing the event is placed by.
    pub is_second: bool,
}

/// An event that was located.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Located {
    /// The best place and time.
    pub at: Place,
    /// Covariance: xx, xy, xt, yy, yt, tt (m², m s, s²).
    pub covariance: [f64; 6],
    /// Log posterior odds.
    pub score: f64,
    /// What speaks against it but chance: the log posterior odds of the best other explanation of its arrivals that was
    /// looked at. No such: minus infinity.
    pub rival: f64,
    /// Share of its arrivals that another event would nearly as gladly have.
    pub contested: f64,
    /// ln of its amplitude at the law's reference distance; 0 without a law.
    pub loudness: f64,
    /// Its arrivals, in order of the registry.
    pub arrivals: Vec<Explained>,
    /// Its points, by number.
    pub points: Vec<usize>,
    /// Sites in range and up that should have picked it by now and did not; filled in by [`Problem::silent`].
    pub silent: Vec<u32>,
    /// Whether its area holds two places that are as good, and it is not known at which of them it was.
    pub two_places: bool,
}

/// What an event may take.
pub trait Free {
    /// Whether it may take the arrival.
    fn arrival(&self, slot: Slot) -> bool;
    /// Whether it may take the point.
    fn point(&self, point: usize) -> bool;
    /// What taking the arrival costs, natural log: what it is worth to the event that has it.
    #[inline]
    fn price(&self, _slot: Slot) -> f64 {
        0.0
    }
}

/// Against what rate of other picks an arrival is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// All that is free around it: before it is known what belongs to what.
    Rest,
    /// The node's clutter alone.
    Clutter,
}

/// Everything a fit looks at.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// The sites.
    pub field: &'a Field,
    /// Where nodes stood.
    pub stands: &'a Stands,
    /// The arrivals.
    pub window: &'a Window,
    /// Radar solutions.
    pub points: &'a [Point],
    /// Travel times.
    pub medium: Medium,
    /// Clocks and health.
    pub weather: &'a Weather,
    /// The settings.
    pub settings: &'a Fire,
    /// The law of loudness.
    pub law: Option<Law>,
    /// Where events are to be expected.
    pub prior: &'a Prior,
    /// Events that are not final.
    pub others: &'a [Place],
    /// The region's epoch, nanoseconds.
    pub epoch_ns: i64,
    /// Longest step of the fit, m.
    pub step_m: f64,
    /// The longest time a wave takes to a node in range, s.
    pub travel_s: f64,
    /// Arrivals after this are not looked at.
    pub until_s: f64,
    /// Nodes have reported all they picked up to here: silence before it means something.
    pub heard_until_s: f64,
}

impl Located {
    /// The log odds of it against chance and its rival together.
    pub fn sureness(&self) -> f64 {
        self.score - self.rival.exp().ln_1p()
    }

    /// Share of its arrivals that `other` has as well, of the fewer.
    pub fn shared(&self, other: &Located) -> f64 {
        let has = |e: &&Explained| other.arrivals.iter().any(|o| o.slot == e.slot);
        let both = self.arrivals.iter().filter(has).count();
        both as f64 / self.arrivals.len().min(other.arrivals.len()).max(1) as f64
    }
}

impl Problem<'_> {
    /// Tells of every site that should have picked an event by now, or did: its number, the site, how far it is, and
    /// whether it did.
    pub fn each_due(&self, at: Place, arrivals: &[Explained], tell: &mut impl FnMut(u32, &Site, f64, bool)) {
        for &number in self.field.near(at.x_m, at.y_m) {
            let site = &self.field.sites()[number as usize];
            if !site.wave.silence_counts() {
                continue;
            }
            let square_m2 = (site.x_m - at.x_m).powi(2) + (site.y_m - at.y_m).powi(2);
            if square_m2 > site.range_m * site.range_m {
                continue;
            }
            let distance_m = square_m2.sqrt();
            let heard = |e: &Explained| !e.is_second && e.site == number;
            let picked = arrivals.iter().any(heard);
            if !picked {
                let travel = self.medium.travel(site.wave, site.x_m - at.x_m, site.y_m - at.y_m);
                let due_s = at.time_s + travel.time_s;
                let due_ns = self.epoch_ns + (due_s * 1e9) as i64;
                if due_s > self.heard_until_s || !self.is_there(number, site, due_s, due_ns) {
                    continue;
                }
                // On its way it heard it from where it had come to.
                let is_same = |e: &Explained| self.field.sites()[e.site as usize].node == site.node;
                if site.moves && arrivals.iter().any(is_same) {
                    continue;
                }
            }
            tell(number, site, distance_m, picked);
        }
    }

    /// Whether a site's node was up then, and stood there.
    pub fn is_there(&self, number: u32, site: &Site, time_s: f64, time_ns: i64) -> bool {
        self.weather.is_up(site.node, time_ns, site.heartbeat_s)
            && (!site.moves || self.stands.stood(number, site, time_s))
    }

    /// Sites in range and up that should have picked the event by now and did not.
    pub fn silent(&self, located: &Located) -> Vec<u32> {
        let mut silent = Vec::new();
        self.each_due(located.at, &located.arrivals, &mut |number, _, _, picked| {
            if !picked {
                silent.push(number);
            }
        });
        silent
    }
}
