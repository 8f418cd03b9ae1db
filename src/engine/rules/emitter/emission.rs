//! Which radio arrivals are of one emission: those on one channel whose times differ by no more than light takes from node to
//! node, and that one place and one time explain.
//!
//! Arrivals wait until event time has passed all that could be of an emission with them. Then they are gone through in order of
//! time: the first of those left begins an emission, and takes with it those of others that bear its place out. What is left over
//! may be of the next. So what is found is a function of the set of arrivals.

use super::fix::{self, Fix, Heard, LEAST_NODES, LIGHT_IN_AIR_M_S, OUTLIER_SD};
use crate::engine::book::Cited;
use crate::engine::corrections::{Corrections, can_be_about};
use crate::model::geo::LonLat;
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::Id;
use crate::model::time::NS_PER_S;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Light goes 1,500 km in that time: who hears one emission does so within it, nanoseconds.
pub const EMISSION_NS: i64 = 5_000_000;
/// Emissions are looked for at whole multiples of that, nanoseconds.
const EVERY_NS: i64 = NS_PER_S / 4;
/// Arrivals that wait. At it half of them, the older ones, are gone through before their time.
pub const MAX_WAITING: usize = 100_000;
/// Arrivals of one node in a second on one channel that are weighed. Later ones are passed over: a channel that is so full is no place
/// to tell emissions apart.
const MAX_A_SECOND: usize = 32;
/// Where a node has several arrivals that may be of one emission, so many ways to take one of each are tried.
const MAX_WAYS: usize = 16;

/// What a node heard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Arrival {
    pub cited: Cited,
    pub place: LonLat,
    /// Above the ellipsoid, metres.
    pub height_m: f64,
    /// One sigma of its time, seconds.
    pub sd_s: f64,
    /// Towards the emitter and one sigma of that, degrees.
    pub azimuth: Option<(f64, f64)>,
    pub frequency_hz: Option<f64>,
}

impl Arrival {
    fn heard(&self) -> Heard {
        let Arrival { place, height_m, sd_s, azimuth, .. } = *self;
        Heard { place, height_m, time_ns: self.cited.time_ns, sd_s, azimuth }
    }

    /// Whether light may have come to both from one place.
    fn goes_with(&self, other: &Arrival) -> bool {
        let apart_s = (other.cited.time_ns - self.cited.time_ns).abs() as f64 * 1e-9;
        let (east_m, north_m) = self.place.flat_offset_m(other.place);
        let way_m = 1.01 * east_m.hypot(north_m) + (self.height_m - other.height_m).abs();
        apart_s <= way_m / LIGHT_IN_AIR_M_S + OUTLIER_SD * self.sd_s.hypot(other.sd_s)
    }
}

/// One emission that was located.
#[derive(Clone, Debug)]
pub struct Emission {
    pub channel: CompactString,
    pub fix: Fix,
    /// What bears it out, in order of time, with residuals.
    pub cited: Vec<Cited>,
    pub frequency_hz: Option<f64>,
}

/// The arrivals that wait, by channel.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Waiting {
    by_channel: BTreeMap<String, Vec<Arrival>>,
    count: usize,
    /// What was taken back and may still come.
    corrections: Corrections,
    /// Emissions that begin before that time have been looked for, nanoseconds; `None` before any was.
    cutoff_ns: Option<i64>,
}

impl Waiting {
    /// Up to where emissions have been looked for, nanoseconds.
    pub fn cutoff_ns(&self) -> Option<i64> {
        self.cutoff_ns
    }

    /// Takes an arrival in, unless it was taken back before it came, or what it may be of has been looked for.
    pub fn add(&mut self, channel: &str, arrival: Arrival) {
        let Cited { node, id, time_ns, .. } = arrival.cited;
        let is_late = self.cutoff_ns.is_some_and(|cutoff_ns| time_ns < cutoff_ns);
        if is_late || self.corrections.of(node, id, time_ns).is_some() {
            return;
        }
        match self.by_channel.get_mut(channel) {
            Some(waiting) => waiting.push(arrival),
            None => {
                self.by_channel.insert(channel.to_owned(), vec![arrival]);
            }
        }
        self.count += 1;
    }

    /// Gives up an arrival by a correction of that time, whether it came already or is still to come. What is older than
    /// `passed_ns` counts as settled.
    pub fn take_back(&mut self, node: NodeIx, id: Id, time_ns: i64, passed_ns: i64) {
        if self.cutoff_ns.is_some_and(|cutoff_ns| time_ns < cutoff_ns) {
            return;
        }
        self.corrections.note(node, id, time_ns);
        let is_meant = |it: &Cited| {
            (it.node, it.id) == (node, id) && it.time_ns >= passed_ns && can_be_about(time_ns, it.time_ns)
        };
        for waiting in self.by_channel.values_mut() {
            let before = waiting.len();
            waiting.retain(|arrival| !is_meant(&arrival.cited));
            self.count -= before - waiting.len();
        }
    }

    /// Where emissions are to be looked for up to when event time has passed `watermark_ns`, if that is further than before.
    pub fn due(&self, watermark_ns: i64) -> Option<i64> {
        let whole_ns = watermark_ns.saturating_sub(EMISSION_NS).div_euclid(EVERY_NS).saturating_mul(EVERY_NS);
        self.cutoff_ns.is_none_or(|cutoff_ns| whole_ns > cutoff_ns).then_some(whole_ns)
    }

    /// Where emissions are to be looked for up to before their time, for too many arrivals wait.
    pub fn overdue(&self) -> Option<i64> {
        if self.count < MAX_WAITING {
            return None;
        }
        let mut times_ns: Vec<i64> = self.by_channel.values().flatten().map(|it| it.cited.time_ns).collect();
        let middle = times_ns.len() / 2;
        let (_, &mut middle_ns, _) = times_ns.select_nth_unstable(middle);
        Some(middle_ns.saturating_add(1))
    }

    /// The emissions that begin before `cutoff_ns`, in order of time.
    pub fn take(&mut self, cutoff_ns: i64, registry: &Registry) -> Vec<Emission> {
        let mut found = Vec::new();
        for (channel, waiting) in &mut self.by_channel {
            let before = waiting.len();
            // Which number a node has depends on who came first.
            let turn = |it: &Arrival| (it.cited.time_ns, it.cited.id, registry.node(it.cited.node).name.as_str());
            waiting.sort_by(|a, b| turn(a).cmp(&turn(b)));
            for (fix, cited, frequency_hz) in emissions(waiting, cutoff_ns) {
                found.push(Emission { channel: channel.as_str().into(), fix, cited, frequency_hz });
            }
            self.count -= before - waiting.len();
        }
        self.by_channel.retain(|_, waiting| !waiting.is_empty());
        self.cutoff_ns = self.cutoff_ns.max(Some(cutoff_ns));
        self.corrections.forget_before(cutoff_ns);
        found.sort_by(|a, b| {
            let turn = |it: &Emission| (it.cited[0].time_ns, it.cited[0].id);
            turn(a).cmp(&turn(b)).then_with(|| a.channel.cmp(&b.channel))
        });
        found
    }
}

type Found = (Fix, Vec<Cited>, Option<f64>);

/// Takes the emissions that begin before `cutoff_ns` out of the arrivals of a channel, which are in order of time, and what begins none.
fn emissions(waiting: &mut Vec<Arrival>, cutoff_ns: i64) -> Vec<Found> {
    let mut found = Vec::new();
    let mut is_gone = vec![false; waiting.len()];
    pass_over(waiting, &mut is_gone);
    for first in 0..waiting.len() {
        if waiting[first].cited.time_ns >= cutoff_ns {
            break;
        }
        if std::mem::replace(&mut is_gone[first], true) {
            continue;
        }
        let with = together(waiting, first, &is_gone);
        let Some((fix, members)) = best(waiting, &with) else { continue };
        let heard: Vec<Heard> = members.iter().map(|&at| waiting[at].heard()).collect();
        let borne_out: Vec<usize> = (0..members.len()).filter(|&n| fix.bears_out(n, &heard[n])).collect();
        // What is borne out without the first is found when its own turn comes.
        if !borne_out.iter().any(|&n| members[n] == first) {
            continue;
        }
        let cited = borne_out.iter().map(|&n| fix::cited(&waiting[members[n]].cited, &heard[n], &fix, n)).collect();
        borne_out.iter().for_each(|&n| is_gone[members[n]] = true);
        let mut told: Vec<f64> = borne_out.iter().filter_map(|&n| waiting[members[n]].frequency_hz).collect();
        told.sort_by(f64::total_cmp);
        found.push((fix, cited, told.get(told.len() / 2).copied()));
    }
    let mut gone = is_gone.iter();
    waiting.retain(|_| !gone.next().is_some_and(|&is_gone| is_gone));
    found
}

/// Passes over what a node has heard beyond so many in a second.
fn pass_over(waiting: &[Arrival], is_gone: &mut [bool]) {
    let mut counts: BTreeMap<(i64, NodeIx), usize> = BTreeMap::new();
    for (arrival, is_gone) in waiting.iter().zip(is_gone) {
        let count = counts.entry((arrival.cited.time_ns.div_euclid(NS_PER_S), arrival.cited.node)).or_default();
        *count += 1;
        *is_gone = *count > MAX_A_SECOND;
    }
}

/// The arrivals that may be of one emission with the first, by node, in order of time.
fn together(waiting: &[Arrival], first: usize, is_gone: &[bool]) -> Vec<Vec<usize>> {
    let begins = &waiting[first];
    let ends_ns = begins.cited.time_ns.saturating_add(EMISSION_NS);
    let mut by_node: Vec<Vec<usize>> = vec![vec![first]];
    for at in first + 1..waiting.len() {
        let next = &waiting[at];
        if next.cited.time_ns > ends_ns {
            break;
        }
        if is_gone[at] || next.cited.node == begins.cited.node || !begins.goes_with(next) {
            continue;
        }
        match by_node.iter_mut().find(|of_node| waiting[of_node[0]].cited.node == next.cited.node) {
            Some(of_node) => of_node.push(at),
            None => by_node.push(vec![at]),
        }
    }
    by_node
}

/// The way to take one arrival of each node that most bear out, the most closely of equals.
fn best(waiting: &[Arrival], by_node: &[Vec<usize>]) -> Option<(Fix, Vec<usize>)> {
    if by_node.len() < LEAST_NODES {
        return None;
    }
    let ways = by_node.iter().map(Vec::len).fold(1, usize::saturating_mul).min(MAX_WAYS);
    let tried = (0..ways).filter_map(|way| {
        let mut rest = way;
        let members: Vec<usize> = by_node
            .iter()
            .map(|of_node| {
                let at = of_node[rest % of_node.len()];
                rest /= of_node.len();
                at
            })
            .collect();
        let heard: Vec<Heard> = members.iter().map(|&at| waiting[at].heard()).collect();
        let fix = fix::locate(&heard)?;
        let borne_out = (0..heard.len()).filter(|&n| fix.bears_out(n, &heard[n])).count();
        Some((borne_out, fix, members))
    });
    let most = tried.max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.misfit.total_cmp(&a.1.misfit)));
    most.map(|(_, fix, members)| (fix, members))
}

/// Before the name of an emitter.
const NAMED: &str = "named ";

/// The channel that an arrival is on: its emitter's name where the node gives one, else its frequency to a megahertz. Channels are
/// cut where no usual raster (5, 6.25, 8.33, 12.5 kHz and multiples) has a frequency, so that one is cut in two by no receiver's error.
pub fn channel(emitter: &str, frequency_hz: f64) -> String {
    const CUT_HZ: f64 = 503_100.0;
    match (emitter.is_empty(), frequency_hz.is_finite()) {
        (false, _) => format!("{NAMED}{emitter}"),
        (true, true) => format!("{} MHz", ((frequency_hz - CUT_HZ) / 1e6).floor() as i64 + 1),
        (true, false) => "?".to_owned(),
    }
}

/// The name that a channel was given, if any.
pub fn label(channel: &str) -> Option<&str> {
    channel.strip_prefix(NAMED)
}

/// One sigma of an arrival's time, seconds: its own word, else the registry's, else its kind's.
pub fn sd_s(own_s: f64, registered_s: Option<f64>, default_s: f64) -> f64 {
    if own_s > 0.0 { own_s } else { registered_s.filter(|&sd_s| sd_s > 0.0).unwrap_or(default_s) }
}
