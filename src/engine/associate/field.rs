//! A region's nodes in the plane: where each stands, how far and how surely it hears, and who is near a place.

use super::celerity;
use super::recent::Stand;
use super::wave::{Medium, Wave};
use super::window::Arrival;
use crate::engine::settings::Fire;
use crate::model::kind::Kind;
use crate::model::node::{Node, NodeIx};
use crate::model::observation::fnv_1a;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// One node's ear for one wave. What a fit asks of every site around, at each of its steps, stands in the first line of
/// memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Site {
    /// East of the region's centre, m.
    pub x_m: f64,
    /// North of it, m.
    pub y_m: f64,
    /// How far it hears, m.
    pub range_m: f64,
    /// How far its clock was found to be ahead, s.
    pub ahead_s: f64,
    /// One sigma of that, s; `None` while nothing is known but what the node says of its clock.
    pub ahead_sd_s: Option<f64>,
    /// The node.
    pub node: NodeIx,
    /// The wave.
    pub wave: Wave,
    /// Its place in any order that matters: by the node's name and the wave, so that it does not depend on how the
    /// registry came to be.
    pub order: u64,
    /// What to add to a direction in the plane to measure it from true north there, degrees.
    pub north_deg: f64,
    /// The chance that it picks an event close by.
    pub detect_p: f64,
    /// Picks a second that belong to nothing.
    pub clutter_per_s: f64,
    /// ln of that.
    pub ln_clutter: f64,
    /// Seconds between its heartbeats.
    pub heartbeat_s: Option<f64>,
    /// Whether its node has said where it is: then it stood here at times alone, see [`super::stands::Stands`].
    pub moves: bool,
    /// Whether it is elsewhere than where its node is laid out ([`super::layout::is_elsewhere`]).
    pub is_elsewhere: bool,
    /// Whether the clutter is what the registry says, or a guess.
    pub states_clutter: bool,
    /// ln p/(1 − p) and ln (1 − p) of the chance to pick an event, at [`STEPS`] equal distances up to the range.
    #[serde(skip, default = "unheard")]
    chance: [(f32, f32); STEPS + 1],
    /// The same for a first look: what a pick is worth at the site, how much less at the end of its range, and ln of
    /// the chance to miss an event near by, in the middle and far off.
    pub glance: Glance,
}

/// See [`Site::glance`].
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Glance {
    /// ln p/(1 − p) at the site.
    pub near: f32,
    /// How much less at the end of its range.
    pub fall: f32,
    /// ln (1 − p) at 0.3, 0.65 and 0.9 of the range; 0 where silence says nothing.
    pub missed: [f32; 3],
}

/// Steps of a site's table of chances.
const STEPS: usize = 32;

/// A table that [`Site::hear`] has yet to fill.
fn unheard() -> [(f32, f32); STEPS + 1] {
    [(0.0, 0.0); STEPS + 1]
}

/// A site whose range overlaps that of another one.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    /// Its number.
    pub number: u32,
    /// East of the other one, m.
    pub x_m: f64,
    /// North of it, m.
    pub y_m: f64,
    /// Distance between the two, m.
    pub distance_m: f64,
}

/// How detection falls with distance, at eighths of the range, as a share of the stated chance: the mean over event
/// sizes ℓ (log-normal, 0.6–1) of exp(−0.7 (d/ℓ)⁴). A stated chance may be meant close by or as the mean over the
/// range (0.80 of that); the curve is scaled half way between. Holds until something is learnt.
pub const DETECTION: [f64; 9] = [1.111, 1.111, 1.107, 1.088, 1.038, 0.943, 0.797, 0.611, 0.417];

impl Site {
    /// The ear of `node` for `wave` at that place.
    pub fn new(ix: NodeIx, node: &Node, wave: Wave, (x_m, y_m): (f64, f64), north_deg: f64) -> Site {
        let mut site = Site {
            node: ix,
            order: order_of(node) << 3 | wave as u64,
            wave,
            x_m,
            y_m,
            north_deg,
            range_m: node.range_m.unwrap_or(wave.default_range_m()),
            detect_p: node.detect_p.unwrap_or(wave.default_detect_p()),
            clutter_per_s: node.false_per_hour.unwrap_or(wave.default_false_per_hour()).max(0.2) / 3600.0,
            ln_clutter: 0.0,
            moves: false,
            is_elsewhere: false,
            states_clutter: node.false_per_hour.is_some(),
            heartbeat_s: node.heartbeat_s,
            ahead_s: 0.0,
            ahead_sd_s: None,
            chance: unheard(),
            glance: Glance::default(),
        };
        site.ln_clutter = site.clutter_per_s.ln();
        site.hear(&DETECTION);
        site
    }

    /// Makes its chances follow that curve: shares of the stated chance, at equal distances up to the range.
    pub fn hear(&mut self, curve: &[f64; 9]) {
        for (step, chance) in self.chance.iter_mut().enumerate() {
            let at = (step as f64 / STEPS as f64 * 8.0).min(8.0 - 1e-9);
            let (knot, share) = (at as usize, at.fract());
            // Kept off 0 and 1: a node can always surprise.
            let p = (self.detect_p * (curve[knot] * (1.0 - share) + curve[knot + 1] * share)).clamp(0.02, 0.98);
            let ln_heard = if self.wave.silence_counts() { (p / (1.0 - p)).ln() } else { p.ln() };
            *chance = (ln_heard as f32, (1.0 - p).ln() as f32);
        }
        let (near, far) = (self.chance[0].0, self.chance[STEPS].0);
        let missed = |share: f64| self.chance(share * self.range_m).1 as f32;
        let counts = self.wave.silence_counts();
        let missed = if counts { [0.3, 0.65, 0.9].map(missed) } else { [0.0; 3] };
        self.glance = Glance { near, fall: near - far, missed };
    }

    /// Where it stands and how it hears, for [`super::recent::Recent`].
    pub fn stand(&self, settings: &Fire) -> Stand {
        Stand {
            x_m: self.x_m as f32,
            y_m: self.y_m as f32,
            slowness_s_m: match self.wave {
                // No slower than this, that no partner is missed.
                Wave::Infrasound => celerity::slowness_s_m(self.range_m).1 as f32,
                wave => (1.0 / Medium::speed_at_rest_m_s(wave, settings)) as f32,
            },
            range_m: self.range_m as f32,
        }
    }

    /// What picking an event at that distance is worth before the time is looked at, and what missing it costs:
    /// ln p/(1 − p) and ln (1 − p). Of waves whose silence says nothing the first is ln p.
    #[inline(always)]
    pub fn chance(&self, distance_m: f64) -> (f64, f64) {
        let at = (distance_m / self.range_m * STEPS as f64).min(STEPS as f64 - 1e-9);
        let step = at as u32;
        let (step, share) = (step as usize, at - f64::from(step));
        let (near, far) = (self.chance[step], self.chance[step + 1]);
        let between = |a: f32, b: f32| f64::from(a) + (f64::from(b) - f64::from(a)) * share;
        (between(near.0, far.0), between(near.1, far.1))
    }

    /// ln of the rate at which it picks what belongs to no event when that arrival comes: clutter, and echoes of what it picked
    /// before, 1/s.
    #[inline(always)]
    pub fn ln_clutter_at(&self, arrival: &Arrival) -> f64 {
        self.ln_clutter + f64::from(arrival.ln_echo)
    }

    /// What its clock adds to the sigma of a pick whose node says that about its clock, s.
    pub fn clock_sd_s(&self, said_s: f64) -> f64 {
        self.ahead_sd_s.map_or(said_s, |sd_s| sd_s.min(said_s))
    }
}

/// An order of nodes by their names, whatever the registry's.
pub fn order_of(node: &Node) -> u64 {
    fnv_1a(node.name.bytes()) & (u64::MAX >> 3)
}

/// The waves of a registered node's kinds. A seismic node's S is among them, so that its sites do not depend on which
/// phase came first; Lg, which few report, is added when it comes.
pub fn waves_of(node: &Node) -> impl Iterator<Item = Wave> + '_ {
    [
        (Kind::Acoustic, Wave::Acoustic),
        (Kind::Infrasound, Wave::Infrasound),
        (Kind::Seismic, Wave::SeismicP),
        (Kind::Seismic, Wave::SeismicS),
        (Kind::Flash, Wave::Flash),
    ]
    .into_iter()
    .filter(|&(kind, _)| node.kinds.contains(kind))
    .map(|(_, wave)| wave)
}

/// All sites of a region, and a coarse grid that tells which of them could hear a place. Written down are the sites alone; see
/// [`Field::rebuild`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Field {
    sites: Vec<Site>,
    #[serde(skip)]
    near: FxHashMap<(i32, i32), Vec<u32>>,
    #[serde(skip)]
    around: Vec<Vec<Neighbour>>,
    #[serde(skip)]
    cell_m: f64,
    #[serde(skip)]
    covered_m2: f64,
    #[serde(skip)]
    most_ahead_s: f64,
}

impl Field {
    /// All sites.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Changes what is known of the sites.
    pub fn learn(&mut self, change: impl FnOnce(&mut [Site])) {
        change(&mut self.sites);
        self.look_at_clocks();
    }

    fn look_at_clocks(&mut self) {
        self.most_ahead_s = self.sites.iter().map(|site| site.ahead_s.abs()).fold(0.0, f64::max);
    }

    /// No site's clock was found to be further off, s.
    pub fn most_ahead_s(&self) -> f64 {
        self.most_ahead_s
    }

    /// Makes what is not written down anew, to the same bits: the sites' tables by the curve that each goes by, the grid by
    /// the sites.
    pub fn rebuild(&mut self, curve_of: impl Fn(Wave) -> [f64; 9]) {
        for site in &mut self.sites {
            // Made when its range may have been another, which rounding shows.
            let glance = site.glance;
            site.hear(&curve_of(site.wave));
            site.glance = glance;
        }
        self.index();
    }

    /// Adds a site and gives its number.
    pub fn add(&mut self, site: Site) -> u32 {
        self.sites.push(site);
        self.index();
        self.sites.len() as u32 - 1
    }

    /// Puts a site in the place of another, which is gone.
    pub fn replace(&mut self, number: u32, site: Site) {
        self.sites[number as usize] = site;
        self.index();
    }

    /// Adds many sites at once.
    pub fn extend(&mut self, sites: impl IntoIterator<Item = Site>) {
        self.sites.extend(sites);
        self.index();
    }

    /// Sites that may hear an event at (x, y), in order of their names; those just out of range may be among them.
    #[inline]
    pub fn near(&self, x_m: f64, y_m: f64) -> &[u32] {
        self.near.get(&self.cell(x_m, y_m)).map_or(&[], Vec::as_slice)
    }

    /// Sites that may share an event with this one, the nearest first: their ranges overlap.
    pub fn around(&self, number: u32) -> &[Neighbour] {
        &self.around[number as usize]
    }

    /// Area over which enough sites hear an event for it to be located, m².
    pub fn covered_m2(&self) -> f64 {
        self.covered_m2
    }

    fn sharing(&self, number: u32) -> Vec<Neighbour> {
        let here = &self.sites[number as usize];
        let mut around: Vec<Neighbour> = (0u32..)
            .zip(&self.sites)
            .filter(|&(other, _)| other != number)
            .map(|(number, there)| {
                let (x_m, y_m) = (there.x_m - here.x_m, there.y_m - here.y_m);
                (Neighbour { number, x_m, y_m, distance_m: (x_m * x_m + y_m * y_m).sqrt() }, there.range_m)
            })
            .filter(|(neighbour, range_m)| neighbour.distance_m <= here.range_m + range_m)
            .map(|(neighbour, _)| neighbour)
            .collect();
        // Equal distances by name, so that it does not matter which node was heard first.
        let order = |n: &Neighbour| self.sites[n.number as usize].order;
        around.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m).then(order(a).cmp(&order(b))));
        around
    }

    #[inline]
    fn cell(&self, x_m: f64, y_m: f64) -> (i32, i32) {
        // Without a call, which `floor` is for want of an instruction that all processors have.
        let down = |value: f64| {
            let whole = value as i32;
            whole.saturating_sub(i32::from(f64::from(whole) > value))
        };
        (down(x_m / self.cell_m), down(y_m / self.cell_m))
    }

    fn index(&mut self) {
        self.look_at_clocks();
        let longest_m = self.sites.iter().map(|site| site.range_m).fold(1000.0, f64::max);
        self.cell_m = longest_m / 6.0;
        self.near.clear();
        for (number, site) in self.sites.iter().enumerate() {
            let (from, to) = (
                self.cell(site.x_m - site.range_m, site.y_m - site.range_m),
                self.cell(site.x_m + site.range_m, site.y_m + site.range_m),
            );
            for column in from.0..=to.0 {
                for row in from.1..=to.1 {
                    // The cell's nearest point to the site.
                    let reach = |cell: i32, at_m: f64| {
                        let low_m = f64::from(cell) * self.cell_m;
                        (low_m - at_m).max(at_m - low_m - self.cell_m).max(0.0)
                    };
                    if reach(column, site.x_m).hypot(reach(row, site.y_m)) <= site.range_m {
                        self.near.entry((column, row)).or_default().push(number as u32);
                    }
                }
            }
        }
        // Sums over the sites around are taken in the order of names, whatever the registry's.
        for near in self.near.values_mut() {
            near.sort_by_key(|&number| self.sites[number as usize].order);
        }
        self.around = (0..self.sites.len() as u32).map(|number| self.sharing(number)).collect();
        let located = self.near.values().filter(|sites| sites.len() >= 4).count().max(1);
        self.covered_m2 = located as f64 * self.cell_m * self.cell_m;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(x_m: f64, y_m: f64) -> Site {
        Site::new(NodeIx(0), &Node::unregistered("n"), Wave::Acoustic, (x_m, y_m), 0.0)
    }

    #[test]
    fn every_site_in_range_is_near() {
        let mut field = Field::default();
        field.extend((0..40).map(|k| site(f64::from(k % 7) * 5e3, f64::from(k / 7) * 5e3)));
        for (x, y) in [(0.0, 0.0), (12_345.0, 6_789.0), (-8_000.0, 30_000.0), (1e6, 1e6)] {
            for (number, site) in field.sites().iter().enumerate() {
                let heard = (site.x_m - x).hypot(site.y_m - y) <= site.range_m;
                assert!(!heard || field.near(x, y).contains(&(number as u32)), "{number} at {x} {y}");
            }
        }
        assert!(field.covered_m2() > 30e3 * 25e3);
    }

    #[test]
    fn detection_falls_with_distance() {
        let site = site(0.0, 0.0);
        let mut last = 1.0;
        for k in 0..=24 {
            let (ln_heard, ln_missed) = site.chance(f64::from(k) * 500.0);
            let p = 1.0 - ln_missed.exp();
            assert!(p <= last + 1e-6 && p >= 0.0199, "{k} {p}");
            assert!((ln_heard - (p / (1.0 - p)).ln()).abs() < 0.02, "{k}");
            last = p;
        }
    }
}
