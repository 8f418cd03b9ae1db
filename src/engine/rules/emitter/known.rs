//! Which arrivals an emitter explains that is known already.
//!
//! Where it stands is known, so only when it sent is sought: three nodes bear that out as well as five bear out a place. Where two send
//! at the same instant their arrivals make places between them; who is known takes what is its own before those are looked for.

use super::apart;
use super::emission::{Arrival, EMISSION_NS, Set, TOGETHER_S};
use super::fix::{self, LEAST_NODES, OUTLIER_SD, student};
use crate::model::geo::{LIGHT_IN_AIR_M_S, LonLat, Symmetric};

/// Fewer nodes do not tell that it was this one.
const LEAST: usize = LEAST_NODES - 1;
/// So many sets like that may be expected by chance.
const MOST_BY_CHANCE: f64 = 0.01;
/// Arrivals that are looked at: where there are more, anything is explained by chance.
const MOST_NEAR: usize = 256;

/// An emitter that has been located before.
#[derive(Clone, Debug)]
pub struct Known {
    pub place: LonLat,
    pub covariance_m2: Symmetric,
    pub height_m: f64,
    pub height_sd_m: f64,
}

/// An arrival by when it would have been sent from there.
#[derive(Clone, Copy)]
struct Sent {
    at: usize,
    /// As a way of light, and one sigma of that, metres.
    sent_m: f64,
    sd_m: f64,
}

impl Known {
    /// What it explains of what came from the arrival `first` on, if that is more than chance.
    pub(super) fn explains(&self, waiting: &[Arrival], first: usize, is_gone: &[bool]) -> Option<Set> {
        let begins_ns = waiting[first].cited.time_ns;
        let near = (first..waiting.len()).take_while(|&at| waiting[at].cited.time_ns - begins_ns <= 2 * EMISSION_NS);
        let in_range = |&at: &usize| !is_gone[at] && waiting[at].place.distance_m(self.place) <= waiting[at].most_m();
        let mut sent: Vec<Sent> = near.filter(in_range).map(|at| self.sent(at, &waiting[at], begins_ns)).collect();
        if !(LEAST..=MOST_NEAR).contains(&sent.len()) {
            return None;
        }
        sent.sort_by(|a, b| a.sent_m.total_cmp(&b.sent_m).then(a.at.cmp(&b.at)));
        let per_m = sent.len() as f64 / (TOGETHER_S * LIGHT_IN_AIR_M_S);
        let sets = (0..sent.len()).filter_map(|from| one_each(&sent[from..], waiting));
        let set = sets.max_by(|a, b| a.len().cmp(&b.len()).then_with(|| b[0].at.cmp(&a[0].at)))?;
        // Of each node what is nearest to the middle of them.
        let middle_m = mean_m(&set);
        let off_m = |it: &Sent| (it.sent_m - middle_m).abs();
        let nearest = |of: &Sent| {
            let same_node = |it: &&Sent| waiting[it.at].cited.node == waiting[of.at].cited.node;
            sent.iter().filter(same_node).min_by(|a, b| off_m(a).total_cmp(&off_m(b)).then(a.at.cmp(&b.at))).copied()
        };
        let mut set: Vec<Sent> =
            set.iter().filter_map(nearest).filter(|it| off_m(it) <= OUTLIER_SD * it.sd_m).collect();
        let widest_m = set.iter().map(|it| 2.0 * OUTLIER_SD * it.sd_m).fold(0.0, f64::max);
        if set.len() < LEAST || (per_m * widest_m).powi(set.len() as i32 - 1) > MOST_BY_CHANCE {
            return None;
        }
        set.sort_by_key(|it| it.at);
        // What begins so much later is told then.
        if waiting[set[0].at].cited.time_ns - begins_ns > EMISSION_NS {
            return None;
        }
        let middle_m = mean_m(&set);
        let misfit = set.iter().map(|it| 2.0 * student(((it.sent_m - middle_m) / it.sd_m).powi(2))).sum();
        let members: Vec<usize> = set.iter().map(|it| it.at).collect();
        let heard: Vec<_> = members.iter().map(|&at| waiting[at].heard()).collect();
        let fix = fix::locate_about(&heard, self.place, self.height_m).filter(|fix| self.is_at(fix));
        Some(Set { fix, members, misfit, is_of_known: true })
    }

    fn sent(&self, at: usize, arrival: &Arrival, begins_ns: i64) -> Sent {
        let way_m = arrival.place.slant_m(arrival.height_m, self.place, self.height_m).max(1.0);
        let (east_m, north_m) = arrival.place.flat_offset_m(self.place);
        let (east, north, up) = (east_m / way_m, north_m / way_m, (self.height_m - arrival.height_m) / way_m);
        let (xx, xy, yy) = self.covariance_m2;
        let of_place_m2 = east * east * xx + 2.0 * east * north * xy + north * north * yy;
        let of_height_m2 = (up * self.height_sd_m).powi(2);
        let range_m = LIGHT_IN_AIR_M_S * (arrival.cited.time_ns - begins_ns) as f64 * 1e-9;
        let sd_m2 = (LIGHT_IN_AIR_M_S * arrival.sd_s).powi(2) + of_place_m2.max(0.0) + of_height_m2;
        Sent { at, sent_m: range_m - way_m, sd_m: sd_m2.sqrt() }
    }

    /// Whether what was located may be this one.
    fn is_at(&self, fix: &fix::Fix) -> bool {
        apart((self.place, self.covariance_m2), (fix.place, fix.covariance_m2)).0 <= OUTLIER_SD
    }
}

/// One arrival of each node of those that may have been sent when the first was; `None` of too few nodes.
fn one_each(sent: &[Sent], waiting: &[Arrival]) -> Option<Vec<Sent>> {
    let first = sent.first()?;
    let goes_with = |it: &&Sent| it.sent_m - first.sent_m <= OUTLIER_SD * it.sd_m.hypot(first.sd_m);
    let mut set: Vec<Sent> = Vec::new();
    for it in sent.iter().take_while(goes_with) {
        if set.iter().all(|known| waiting[known.at].cited.node != waiting[it.at].cited.node) {
            set.push(*it);
        }
    }
    (set.len() >= LEAST).then_some(set)
}

/// The weighted mean of when it was sent, metres.
fn mean_m(set: &[Sent]) -> f64 {
    let weight = |it: &Sent| it.sd_m.powi(-2);
    let sum: f64 = set.iter().map(weight).sum();
    set.iter().map(|it| weight(it) * it.sent_m).sum::<f64>() / sum
}
