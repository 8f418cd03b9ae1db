//! Which radio arrivals are of one emission: those on one channel whose times differ by no more than light takes from node to
//! node, and that one place and one time explain.
//!
//! When event time has passed all that could be of an emission with them ([`super::waiting`]) they are gone through in order of
//! time: each may begin an emission with those of other nodes that bear a place out with it. Of emissions that would share an
//! arrival the one is taken that leaves most to be explained by a next one, and what is left over may be of that. So what is found is a
//! function of the set of arrivals.

use super::fix::{self, Fix, Heard, LEAST_NODES, OUTLIER_SD};
use super::known::Known;
use super::waiting::OnChannel;
use crate::engine::book::Cited;
use crate::model::geo::{LIGHT_IN_AIR_M_S, LonLat};
use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Light goes 1,500 km in that time: who hears one emission does so within it, nanoseconds.
pub const EMISSION_NS: i64 = 5_000_000;
/// Nodes that hear one emitter are some 450 km apart at the most: times of what goes together lie in so long, seconds.
pub const TOGETHER_S: f64 = 3e-3;
/// Where a node has several arrivals that may be of one emission, so many ways to take one of each are tried.
const MAX_WAYS: usize = 8;
/// And so often each node's arrival is taken that a place found with others is nearest to.
const MAX_TURNS: usize = 4;
/// Sets that begin with one arrival, and sets that would share arrivals, of which one is chosen: the strongest of them.
const MAX_SETS: usize = 3;
const MAX_RIVALS: usize = 6;
/// Another than the strongest is chosen if it is worth so much more with what is left: about one more arrival that is explained.
const MARGIN: f64 = 0.75 * WORTH;
/// What is off by more than that may be of something else: it is tried whether the place is better without it, sigma.
const DOUBTED_SD: f64 = 2.5;
/// What one more arrival is worth against how well all fit, in logarithms: that it is just then by chance, where in a millisecond
/// there are some, is one part in a hundred.
const WORTH: f64 = 4.6;
/// No emitter is heard from further away by a node whose range is not registered, metres: at 11 km it is below the horizon there
/// (ITU-R P.528; 4.12 km times the root of its height in metres).
const MOST_RANGE_M: f64 = 450_000.0;

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
    /// How far the node hears, if that is registered, metres.
    pub range_m: Option<f64>,
}

impl Arrival {
    /// No emitter that it hears is further away, metres.
    pub(super) fn most_m(&self) -> f64 {
        self.range_m.unwrap_or(MOST_RANGE_M)
    }

    pub(super) fn heard(&self) -> Heard {
        let Arrival { place, height_m, sd_s, azimuth, .. } = *self;
        Heard { place, height_m, time_ns: self.cited.time_ns, sd_s, azimuth }
    }

    /// Whether light may have come to both from one place.
    fn goes_with(&self, other: &Arrival) -> bool {
        let apart_s = (other.cited.time_ns - self.cited.time_ns).abs() as f64 * 1e-9;
        let apart_m = self.place.flat_distance_m(other.place);
        let way_m = 1.01 * apart_m + (self.height_m - other.height_m).abs();
        apart_m <= self.most_m() + other.most_m()
            && apart_s <= way_m / LIGHT_IN_AIR_M_S + OUTLIER_SD * self.sd_s.hypot(other.sd_s)
    }
}

/// One emission that was located.
#[derive(Clone, Debug)]
pub struct Emission {
    pub fix: Fix,
    /// What bears it out, in order of time, with residuals.
    pub cited: Vec<Cited>,
    pub frequency_hz: Option<f64>,
    /// How many like it are expected by chance where there is none.
    pub by_chance: f64,
}

/// Up to when arrivals are to be known for emissions that begin before that time, nanoseconds: one may share arrivals with one that begins
/// [`EMISSION_NS`] later, which ends that much later still.
pub(super) fn known_to_ns(cutoff_ns: i64) -> i64 {
    cutoff_ns.saturating_add(2 * EMISSION_NS)
}

/// Takes the emissions that begin before `cutoff_ns` out of arrivals of a channel, which are in order of time, and what begins none.
pub(super) fn emissions(
    channel: &OnChannel,
    arrivals: &mut Vec<Arrival>,
    cutoff_ns: i64,
    known: &[Known],
) -> Vec<Emission> {
    let mut found = Vec::new();
    let known_ns = known_to_ns(cutoff_ns);
    let waiting = &arrivals[..arrivals.partition_point(|it| it.cited.time_ns <= known_ns)];
    let Some(begins) = waiting.first() else { return found };
    let passed_over = channel.passed_over(begins.cited.time_ns, known_ns);
    let is_passed_over = |it: &Arrival| passed_over.contains(&(it.cited.time_ns, it.cited.node));
    let mut is_gone: Vec<bool> = waiting.iter().map(is_passed_over).collect();
    // What each arrival begins, as far as it was looked for and nothing of it is gone.
    let mut begun: BTreeMap<usize, Vec<Set>> = BTreeMap::new();
    let mut first = 0;
    while first < waiting.len() && waiting[first].cited.time_ns < cutoff_ns {
        if is_gone[first] {
            first += 1;
            continue;
        }
        let with = together(waiting, first, &is_gone);
        for &at in with.iter().flatten() {
            begun.entry(at).or_insert_with(|| best(waiting, &together(waiting, at, &is_gone)));
        }
        let of_known: Vec<Set> = known.iter().filter_map(|it| it.explains(waiting, first, &is_gone)).collect();
        let begins = begun.get(&first).and_then(|sets| sets.first());
        let holds_first = of_known.iter().filter(|it| it.members.contains(&first));
        let Some(own) = begins.into_iter().chain(holds_first).max_by(|a, b| by_strength(a, b)) else {
            is_gone[first] = true;
            continue;
        };
        // Of emissions that would share an arrival one is taken, and the others are looked for again without it.
        let shares = |it: &&Set| it.members.iter().any(|at| own.members.contains(at));
        let begun_with = with.iter().flatten().filter_map(|at| begun.get(at)).flatten();
        let rivals: Vec<&Set> = begun_with.chain(&of_known).filter(shares).collect();
        let Set { fix, members, .. } = strongest(waiting, &with, &rivals, &is_gone).unwrap_or(own).clone();
        members.iter().for_each(|&at| is_gone[at] = true);
        begun.clear();
        // Too few have heard one that is known to tell where it was this time.
        let Some(fix) = fix else { continue };
        let cited: Vec<Cited> = members.iter().map(|&at| fix.cite(&waiting[at].cited, &waiting[at].heard())).collect();
        let frequency_hz = fix::median(members.iter().filter_map(|&at| waiting[at].frequency_hz).collect());
        let by_chance = by_chance(channel, &fix, &cited);
        found.push(Emission { fix, cited, frequency_hz, by_chance });
    }
    let mut gone = is_gone.iter();
    // Whether what comes later is passed over is known when its time has come.
    arrivals.retain(|it| {
        !gone.next().is_some_and(|&is_gone| is_gone) || it.cited.time_ns >= cutoff_ns && is_passed_over(it)
    });
    found
}

/// A place and the arrivals that bear it out, in order.
#[derive(Clone)]
pub(super) struct Set {
    /// `None`: too few tell where it was.
    pub fix: Option<Fix>,
    pub members: Vec<usize>,
    /// See [`Fix::misfit`].
    pub misfit: f64,
    /// It is that of an emitter that was known before.
    pub is_of_known: bool,
}

/// What a set is worth: its nodes beyond the three that some place explains, or the one that a known place does, less what they are off by.
fn worth(set: &Set) -> f64 {
    let explained = if set.is_of_known { 1.0 } else { 3.0 };
    WORTH * (set.members.len() as f64 - explained) - 0.5 * set.misfit
}

/// Which of these is to be taken: the one that is worth most together with the best that is left without it. The strongest alone may have
/// taken some arrivals of each of two.
fn strongest<'a>(waiting: &[Arrival], with: &[Vec<usize>], rivals: &[&'a Set], is_gone: &[bool]) -> Option<&'a Set> {
    let mut ranked: Vec<&Set> = rivals.to_vec();
    ranked.sort_by(|a, b| by_strength(b, a));
    ranked.dedup_by(|a, b| a.members == b.members);
    ranked.truncate(MAX_RIVALS);
    if ranked.len() < 2 {
        return ranked.first().copied();
    }
    let left = |set: &Set| {
        let mut is_gone = is_gone.to_vec();
        set.members.iter().for_each(|&at| is_gone[at] = true);
        let begins = with.iter().flatten().filter(|&&at| !is_gone[at]);
        let sets = begins.filter_map(|&at| best(waiting, &together(waiting, at, &is_gone)).into_iter().next());
        sets.map(|set| worth(&set)).fold(0.0, f64::max)
    };
    let totals: Vec<f64> = ranked.iter().map(|set| worth(set) + left(set)).collect();
    let most = (0..ranked.len()).max_by(|&a, &b| totals[a].total_cmp(&totals[b]).then(b.cmp(&a)))?;
    // By how closely they fit alone, the strongest is as good as any.
    Some(if totals[most] > totals[0] + MARGIN { ranked[most] } else { ranked[0] })
}

/// Which of two is borne out by more nodes, and more closely; the one that begins first of equals.
fn by_strength(a: &Set, b: &Set) -> std::cmp::Ordering {
    worth(a).total_cmp(&worth(b)).then_with(|| b.members.cmp(&a.members))
}

/// How many sets of arrivals like that are expected by chance, of so many as there were on the channel just before. Two arrivals within
/// the time that light takes between nodes go with any first one, for some place explains three times; each more has to come when that place
/// says.
fn by_chance(channel: &OnChannel, fix: &Fix, cited: &[Cited]) -> f64 {
    let per_s = channel.per_s_before(cited[0].time_ns);
    let (pair, more) = (per_s * TOGETHER_S, per_s * 2.0 * OUTLIER_SD * fix.sd_s);
    0.5 * pair * pair * more.powi(cited.len() as i32 - 3)
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

/// The arrivals that bear one place out together with the first, of as many nodes as can be, by some ways to take one of each node: the
/// strongest, and some others.
fn best(waiting: &[Arrival], by_node: &[Vec<usize>]) -> Vec<Set> {
    let ways = by_node.iter().map(Vec::len).fold(1, usize::saturating_mul).min(MAX_WAYS);
    let tried = (0..ways).filter_map(|way| {
        let mut rest = way;
        let one_each = by_node.iter().map(|of_node| {
            let at = of_node[rest % of_node.len()];
            rest /= of_node.len();
            at
        });
        borne_out(waiting, by_node, one_each.collect())
    });
    let mut sets: Vec<Set> = tried.collect();
    sets.sort_by(|a, b| by_strength(b, a));
    sets.dedup_by(|a, b| a.members == b.members);
    sets.truncate(MAX_SETS);
    sets
}

/// The place that these bear out, the first among them, without those that do not: each node's arrival is the one that the place of the
/// others is nearest to, and the worst is left out as long as it is doubtful.
fn borne_out(waiting: &[Arrival], by_node: &[Vec<usize>], mut members: Vec<usize>) -> Option<Set> {
    let (mut turns, mut best) = (0, None);
    while members.len() >= LEAST_NODES {
        let heard: Vec<Heard> = members.iter().map(|&at| waiting[at].heard()).collect();
        let Some(fix) = fix::locate(&heard) else { break };
        let off = |at: usize| match waiting[at].place.distance_m(fix.place) <= waiting[at].most_m() {
            true => fix.residual_s(&waiting[at].heard()).abs() / waiting[at].sd_s,
            false => f64::INFINITY,
        };
        let nearest = |&at: &usize| {
            let of_node = by_node.iter().find(|of_node| of_node.contains(&at))?;
            of_node.iter().copied().min_by(|&a, &b| off(a).total_cmp(&off(b)).then(a.cmp(&b)))
        };
        let turned: Vec<usize> = members.iter().filter_map(nearest).collect();
        if turned != members && turns < MAX_TURNS {
            (members, turns) = (turned, turns + 1);
            continue;
        }
        let worst = (1..members.len()).max_by(|&a, &b| off(members[a]).total_cmp(&off(members[b])).then(b.cmp(&a)))?;
        let most_off = off(members[0]).max(off(members[worst]));
        let set = |fix: Fix| Set { misfit: fix.misfit, fix: Some(fix), members: members.clone(), is_of_known: false };
        let found = (most_off <= OUTLIER_SD).then(|| set(fix));
        best = best.into_iter().chain(found).max_by(by_strength);
        if most_off <= DOUBTED_SD {
            break;
        }
        members.remove(worst);
    }
    best
}

/// Before the name of an emitter.
const NAMED: &str = "named ";

/// The channel that an arrival is on: its emitter's name where the node gives one, else its frequency to a megahertz. Channels are
/// cut where no usual raster (5, 6.25, 8.33, 12.5 kHz and multiples) has a frequency, so that one is cut in two by no receiver's error.
pub fn channel(emitter: &str, frequency_hz: f64) -> CompactString {
    const CUT_HZ: f64 = 503_100.0;
    match (emitter.is_empty(), frequency_hz.is_finite()) {
        (false, _) => format_compact!("{NAMED}{emitter}"),
        (true, true) => format_compact!("{} MHz", (((frequency_hz - CUT_HZ) / 1e6).floor() as i64).saturating_add(1)),
        (true, false) => CompactString::const_new("?"),
    }
}

/// The name that a channel was given, if any.
pub fn label(channel: &str) -> Option<&str> {
    channel.strip_prefix(NAMED)
}
