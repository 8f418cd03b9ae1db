//! What final events teach a region: how detection falls with distance, how loud rounds are and how sound grows faint,
//! how far clocks are ahead, how often each node picks nothing. Only final events teach, one after the other, so that
//! what is known at a step is a function of the set of arrivals; old lessons fade.

use super::field::{DETECTION, Field, Site};
use super::locate::{Located, Problem};
use super::loudness::{Law, Loudness};
use super::record::{CurveRecord, SiteRecord};
use super::wave::Wave;
use super::window::Arrival;
use serde::{Deserialize, Serialize};

/// Waves that have a curve of their own.
const WAVES: usize = 6;
/// Knots of a curve of detection.
pub const KNOTS: usize = 9;
/// Expected picks at a knot that the first guess of a curve is worth.
const CURVE_PRIOR: f64 = 20.0;
/// Expected picks at a knot beyond which old ones fade.
const CURVE_MEMORY: f64 = 3_000.0;
/// Events after which the sites' tables are made anew.
const TEACH_EVERY: u32 = 8;
/// One more for each so many sites.
const SITES_AN_EVENT: u32 = 16;
/// Only events at least this sure teach: log posterior odds.
pub const TEACHING_SCORE: f64 = 3.0;
/// A clock that its node trusts to this is not looked at, s.
const GOOD_CLOCK_SD_S: f64 = 0.02;
/// What an offset can be known to at best: clocks wander, s.
const CLOCK_WANDER_S: f64 = 0.01;
/// Share of what is known of a clock that a further pick leaves.
const CLOCK_FADING: f64 = 0.995;
/// Seconds that a stated rate of clutter is worth, and one that nobody stated.
const STATED_RATE_S: f64 = 7_200.0;
const GUESSED_RATE_S: f64 = 600.0;
/// Seconds after which half of the clutter that was counted has faded.
const RATE_HALF_LIFE_S: f64 = 1_800.0;
/// A learnt rate stays within these multiples of a stated one.
const RATE_BOUNDS: (f64, f64) = (0.5, 3.0);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Curve {
    hits: [f64; KNOTS],
    expected: [f64; KNOTS],
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Ears {
    ahead: f64,
    ahead_weight: f64,
    stated_per_s: Option<(f64, f64)>,
    free: f64,
    seconds: f64,
    counted_to_s: Option<f64>,
}

/// All that a region has learnt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Learnt {
    loudness: Loudness,
    law: Option<Law>,
    curves: [Curve; WAVES],
    /// The shares that the sites go by, once any were taught.
    taught: Option<[[f64; KNOTS]; WAVES]>,
    ears: Vec<Ears>,
    untaught: u32,
}

impl Default for Learnt {
    fn default() -> Learnt {
        let curve = Curve { hits: [0.0; KNOTS], expected: [0.0; KNOTS] };
        Learnt {
            loudness: Loudness::default(),
            law: None,
            curves: [curve; WAVES],
            taught: None,
            ears: Vec::new(),
            untaught: 0,
        }
    }
}

impl Learnt {
    /// The law of loudness, once enough was heard.
    pub fn law(&self) -> Option<Law> {
        self.law
    }

    /// Something was heard.
    pub fn heard(&mut self, arrival: &Arrival) {
        if arrival.ln_amplitude.is_finite() {
            self.loudness.all.add(arrival.ln_amplitude, 2_000.0);
        }
    }

    /// That arrival belongs to no event.
    pub fn free(&mut self, arrival: &Arrival) {
        if arrival.ln_amplitude.is_finite() {
            self.loudness.free.add(arrival.ln_amplitude, 2_000.0);
        }
        // The rest of it is an echo.
        self.ears_of(arrival.site).free += f64::from(-arrival.ln_echo).exp();
    }

    fn ears_of(&mut self, site: u32) -> &mut Ears {
        if self.ears.len() <= site as usize {
            self.ears.resize(site as usize + 1, Ears::default());
        }
        &mut self.ears[site as usize]
    }

    /// An event is final. `problem` is the one it was located in.
    pub fn learn(&mut self, problem: &Problem<'_>, located: &Located) {
        if located.score < TEACHING_SCORE || located.two_places {
            return;
        }
        self.untaught += 1;
        let mut loud: Vec<(f64, f64)> = Vec::with_capacity(located.arrivals.len());
        for explained in located.arrivals.iter().filter(|explained| !explained.is_second) {
            let arrival = problem.window.arrival(explained.slot);
            let site = &problem.field.sites()[arrival.site as usize];
            let travel = problem.medium.travel(site.wave, site.x_m - located.at.x_m, site.y_m - located.at.y_m);
            if arrival.ln_amplitude.is_finite() {
                loud.push((arrival.ln_amplitude, Law::ln_distance(travel.distance_m)));
            }
            if arrival.clock_sd_s > GOOD_CLOCK_SD_S {
                let path_sd_s = problem.medium.path_sd_s(site.wave, travel.time_s);
                let own = arrival.pick_sd_s.powi(2) + path_sd_s.powi(2);
                let total = own + site.clock_sd_s(arrival.clock_sd_s).powi(2);
                let [xx, xy, xt, yy, yt, tt] = located.covariance;
                let (e, n) = (travel.east_s_m, travel.north_s_m);
                let fit = e * e * xx + 2.0 * e * n * xy + 2.0 * e * xt + n * n * yy + 2.0 * n * yt + tt;
                // The residual as it would be had this arrival not been fitted to.
                let leverage = (fit / total).clamp(0.0, 0.9);
                let residual_s = explained.residual_s / (1.0 - leverage);
                let variance = own + fit / (1.0 - leverage);
                let ahead_s = site.ahead_s;
                let ears = self.ears_of(arrival.site);
                ears.ahead = ears.ahead * CLOCK_FADING + (residual_s + ahead_s) / variance;
                ears.ahead_weight = ears.ahead_weight * CLOCK_FADING + 1.0 / variance;
            }
        }
        self.loudness.learn(&loud);
        problem.each_due(located.at, &located.arrivals, &mut |_, site, distance_m, picked| {
            let curve = &mut self.curves[site.wave as usize];
            let at = (distance_m / site.range_m * 8.0).min(8.0 - 1e-9);
            let (knot, share) = (at as usize, at.fract());
            for (knot, share) in [(knot, 1.0 - share), (knot + 1, share)] {
                curve.expected[knot] += share * site.detect_p;
                curve.hits[knot] += if picked { share } else { 0.0 };
                if curve.expected[knot] > CURVE_MEMORY {
                    curve.hits[knot] *= 0.5;
                    curve.expected[knot] *= 0.5;
                }
            }
        });
    }

    /// Lets the sites know, when there is something new; `to_s` is up to where clutter was counted.
    pub fn teach(&mut self, field: &mut Field, to_s: f64) {
        self.law = self.loudness.law();
        // All sites are gone through: in a large region, in which more happens, after as many more.
        if self.untaught < TEACH_EVERY.max(field.sites().len() as u32 / SITES_AN_EVENT) {
            return;
        }
        self.untaught = 0;
        let curves = self.curves.map(|curve| {
            let mut shares = [0.0; KNOTS];
            for knot in 0..KNOTS {
                shares[knot] =
                    (curve.hits[knot] + CURVE_PRIOR * DETECTION[knot]) / (curve.expected[knot] + CURVE_PRIOR);
            }
            shares
        });
        self.taught = Some(curves);
        self.ears.resize(field.sites().len().max(self.ears.len()), Ears::default());
        field.learn(|sites| {
            for (site, ears) in sites.iter_mut().zip(&mut self.ears) {
                site.hear(&curves[site.wave as usize]);
                if ears.ahead_weight > 0.0 {
                    // The first guess: as far ahead as clocks that are said to be bad are, half a second at most.
                    let weight = ears.ahead_weight + 1.0 / (0.3 * 0.3);
                    site.ahead_s = ears.ahead / weight;
                    site.ahead_sd_s = Some((1.0 / weight + CLOCK_WANDER_S * CLOCK_WANDER_S).sqrt());
                }
                ears.count_to(site, to_s);
            }
        });
    }
}

/// Written down and taken up again; see [`super::record`].
impl Learnt {
    /// The loudness, the curves, and how many events came since the sites' tables were made.
    pub fn record(&self) -> (Loudness, Vec<CurveRecord>, u32) {
        let curves = Wave::ALL.into_iter().zip(&self.curves).map(|(wave, curve)| CurveRecord {
            wave,
            hits: curve.hits,
            expected: curve.expected,
            taught: self.taught.map(|taught| taught[wave as usize]),
        });
        (self.loudness.clone(), curves.collect(), self.untaught)
    }

    /// What is known of a site that has that number, and the node that name.
    pub fn record_site(&self, number: u32, site: &Site, node: &str) -> SiteRecord {
        let ears = self.ears.get(number as usize).copied().unwrap_or_default();
        SiteRecord {
            node: node.to_owned(),
            wave: site.wave,
            ahead: ears.ahead,
            ahead_weight: ears.ahead_weight,
            ahead_s: site.ahead_s,
            ahead_sd_s: site.ahead_sd_s,
            stated_per_s: ears.stated_per_s.map(|stated| stated.0),
            clutter_per_s: site.clutter_per_s,
            free: ears.free,
            seconds: ears.seconds,
            counted_to_s: ears.counted_to_s,
            held: Vec::new(),
        }
    }

    /// As it was written down. `None` when its sums cannot be.
    pub fn from_record(loudness: &Loudness, curves: &[CurveRecord], untaught: u32) -> Option<Learnt> {
        let mut learnt = Learnt { loudness: loudness.clone(), law: loudness.law(), untaught, ..Learnt::default() };
        let is_sound = |curve: &CurveRecord| {
            let shares = curve.taught.unwrap_or_default();
            curve.hits.iter().chain(&curve.expected).chain(&shares).all(|&value| value >= 0.0)
        };
        if !loudness.is_sound() || !curves.iter().all(is_sound) {
            return None;
        }
        for curve in curves {
            learnt.curves[curve.wave as usize] = Curve { hits: curve.hits, expected: curve.expected };
            if let Some(shares) = curve.taught {
                learnt.taught.get_or_insert([DETECTION; WAVES])[curve.wave as usize] = shares;
            }
        }
        Some(learnt)
    }

    /// A site joins: it goes by what its wave's curve is known to be.
    pub fn introduce(&self, site: &mut Site) {
        if let Some(taught) = self.taught {
            site.hear(&taught[site.wave as usize]);
        }
    }

    /// The curve that all sites of a wave go by.
    pub fn curve(&self, wave: Wave) -> [f64; KNOTS] {
        self.taught.map_or(DETECTION, |taught| taught[wave as usize])
    }

    /// Takes up what was known of a site. What was counted of its clutter holds for the rate that the registry states,
    /// and goes with it.
    pub fn restore_site(&mut self, number: u32, site: &mut Site, record: &SiteRecord) {
        let first = (site.clutter_per_s, if site.states_clutter { STATED_RATE_S } else { GUESSED_RATE_S });
        let ears = self.ears_of(number);
        (ears.ahead, ears.ahead_weight) = (record.ahead, record.ahead_weight.max(0.0));
        (site.ahead_s, site.ahead_sd_s) = (record.ahead_s, record.ahead_sd_s.map(|sd_s| sd_s.max(CLOCK_WANDER_S)));
        if record.stated_per_s.is_none_or(|stated| stated == first.0) {
            ears.stated_per_s = record.stated_per_s.map(|_| first);
            (ears.free, ears.seconds) = (record.free.max(0.0), record.seconds.max(0.0));
            ears.counted_to_s = record.counted_to_s;
            if record.clutter_per_s > 0.0 && record.stated_per_s.is_some() {
                site.clutter_per_s = record.clutter_per_s;
                site.ln_clutter = record.clutter_per_s.ln();
            }
        }
    }

    /// Clutter is counted from now on: what was counted was counted at another time.
    pub fn forget_times(&mut self) {
        self.ears.iter_mut().for_each(|ears| ears.counted_to_s = None);
    }
}

impl Ears {
    /// The rate of clutter as counted up to `to_s`, with the stated one as a first guess.
    fn count_to(&mut self, site: &mut Site, to_s: f64) {
        let &mut (stated, worth_s) = self
            .stated_per_s
            .get_or_insert((site.clutter_per_s, if site.states_clutter { STATED_RATE_S } else { GUESSED_RATE_S }));
        let Some(from_s) = self.counted_to_s.replace(to_s) else {
            self.free = 0.0;
            return;
        };
        self.seconds += (to_s - from_s).max(0.0);
        let rate = (self.free + stated * worth_s) / (self.seconds + worth_s);
        let fade = 0.5f64.powf((to_s - from_s).max(0.0) / RATE_HALF_LIFE_S);
        (self.free, self.seconds) = (self.free * fade, self.seconds * fade);
        let bounds = if site.states_clutter { RATE_BOUNDS } else { (0.02, 100.0) };
        site.clutter_per_s = rate.clamp(stated * bounds.0, stated * bounds.1);
        site.ln_clutter = site.clutter_per_s.ln();
    }
}

/// A wave's place among the curves.
const _: () = assert!(Wave::Flash as usize + 1 == WAVES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clutter_is_counted_with_the_stated_rate_as_a_first_guess() {
        let mut node = crate::model::node::Node::unregistered("n");
        node.false_per_hour = Some(36.0);
        let mut site = Site::new(crate::model::node::NodeIx(0), &node, Wave::Acoustic, (0.0, 0.0), 0.0);
        let mut ears = Ears::default();
        ears.count_to(&mut site, 0.0);
        ears.free = 200.0;
        ears.count_to(&mut site, 7_200.0);
        assert!((0.014..0.03).contains(&site.clutter_per_s), "{}", site.clutter_per_s);
        assert!((site.ln_clutter - site.clutter_per_s.ln()).abs() < 1e-12);
    }
}
