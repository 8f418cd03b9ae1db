//! Radio arrivals that wait until event time has passed all that could be of an emission with them, by channel and stretch of time.

use super::emission::{Arrival, EMISSION_NS, Emission, emissions, known_to_ns};
use super::known::Known;
use crate::engine::book::Cited;
use crate::engine::corrections::{Corrections, can_be_about};
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::Id;
use crate::model::time::NS_PER_S;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Emissions are looked for at whole multiples of that, nanoseconds.
const EVERY_NS: i64 = NS_PER_S / 4;
/// Arrivals of one node on one channel in such a time that are weighed. Later ones are passed over: a channel that is so full is no place
/// to tell emissions apart.
const MAX_OF_A_NODE: usize = 32;
/// Arrivals that wait. At it half of them, the older ones, are gone through before their time.
pub const MAX_WAITING: usize = 100_000;

/// The stretch of [`EVERY_NS`] that a time lies in.
fn stretch(time_ns: i64) -> i64 {
    time_ns.div_euclid(EVERY_NS)
}

/// What waits on a channel, by stretches: looking for emissions of one costs what there is in it, however much waits.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct OnChannel {
    arrivals: BTreeMap<i64, Vec<Arrival>>,
    /// When and where there were arrivals, nanoseconds, also those that were of an emission: how many there are hangs on nothing but them.
    all: BTreeMap<i64, Vec<(i64, NodeIx)>>,
}

impl OnChannel {
    fn add(&mut self, arrival: Arrival) {
        self.arrivals.entry(stretch(arrival.cited.time_ns)).or_default().push(arrival);
    }

    /// Gives up the first arrival that is meant; whether there is one.
    fn take_back(&mut self, is_meant: impl Fn(&Cited) -> bool) -> bool {
        for (stretch, arrivals) in &mut self.arrivals {
            let Some(at) = arrivals.iter().position(|arrival| is_meant(&arrival.cited)) else { continue };
            let gone = arrivals.swap_remove(at).cited;
            let (stretch, is_last) = (*stretch, arrivals.is_empty());
            if let Some(all) = self.all.get_mut(&stretch)
                && let Some(at) = all.iter().position(|it| *it == (gone.time_ns, gone.node))
            {
                all.swap_remove(at);
            }
            // Where a stretch stands something waits in it.
            if is_last {
                self.arrivals.remove(&stretch);
            }
            return true;
        }
        false
    }

    /// Takes what waits up to the stretch of that time.
    fn take_to(&mut self, time_ns: i64) -> Vec<Arrival> {
        let later = self.arrivals.split_off(&(stretch(time_ns) + 1));
        std::mem::replace(&mut self.arrivals, later).into_values().flatten().collect()
    }

    /// How many arrivals there were a second, in the stretch before that of this time.
    pub(super) fn per_s_before(&self, time_ns: i64) -> f64 {
        let before = self.all.get(&(stretch(time_ns) - 1)).map_or(0, Vec::len);
        before as f64 * (NS_PER_S / EVERY_NS) as f64
    }

    /// What nodes heard beyond so many arrivals in so long, from one time to the other, nanoseconds.
    pub(super) fn passed_over(&self, from_ns: i64, to_ns: i64) -> BTreeSet<(i64, NodeIx)> {
        let mut beyond = BTreeSet::new();
        for (_, all) in self.all.range(stretch(from_ns)..=stretch(to_ns)) {
            let mut all: Vec<(i64, NodeIx)> = all.iter().copied().filter(|it| it.0 <= to_ns).collect();
            all.sort_unstable();
            let mut counts: BTreeMap<NodeIx, usize> = BTreeMap::new();
            beyond.extend(all.into_iter().filter(|(_, node)| {
                let count = counts.entry(*node).or_default();
                *count += 1;
                *count > MAX_OF_A_NODE
            }));
        }
        beyond
    }

    /// Forgets how many there were long before that time.
    fn forget(&mut self, cutoff_ns: i64) {
        self.all = self.all.split_off(&stretch(cutoff_ns.saturating_sub(EVERY_NS)));
        self.all.retain(|_, all| !all.is_empty());
    }
}

/// The arrivals that wait, by channel.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Waiting {
    by_channel: BTreeMap<CompactString, OnChannel>,
    count: usize,
    /// What was taken back and may still come.
    corrections: Corrections,
    /// Emissions that begin before that time have been looked for, nanoseconds; `None` before any was.
    cutoff_ns: Option<i64>,
}

impl Waiting {
    /// Takes an arrival in, unless it was taken back before it came, or what it may be of has been looked for.
    pub fn add(&mut self, channel: CompactString, arrival: Arrival) {
        let Cited { node, id, time_ns, .. } = arrival.cited;
        let is_late = self.cutoff_ns.is_some_and(|cutoff_ns| time_ns < cutoff_ns);
        if is_late || self.corrections.of(node, id, time_ns).is_some() {
            return;
        }
        let channel = self.by_channel.entry(channel).or_default();
        channel.all.entry(stretch(time_ns)).or_default().push((time_ns, node));
        channel.add(arrival);
        self.count += 1;
    }

    /// Gives up an arrival by a correction of that time, whether it came already or is still to come. What is older than
    /// `passed_ns` counts as settled.
    pub fn take_back(&mut self, node: NodeIx, id: Id, time_ns: i64, passed_ns: i64) {
        if self.cutoff_ns.is_some_and(|cutoff_ns| time_ns < cutoff_ns) {
            return;
        }
        self.corrections.note(node, id, time_ns);
        let is_meant =
            |it: &Cited| (it.node, it.id) == (node, id) && it.time_ns >= passed_ns && can_be_about(time_ns, it.time_ns);
        for channel in self.by_channel.values_mut() {
            self.count -= usize::from(channel.take_back(is_meant));
        }
    }

    /// Where emissions are to be looked for up to when event time has passed `watermark_ns`, if that is further than before.
    pub fn due(&self, watermark_ns: i64) -> Option<i64> {
        // One that begins just before may share arrivals with one that begins just after.
        let known_ns = watermark_ns.saturating_sub(3 * EMISSION_NS);
        let whole_ns = stretch(known_ns).saturating_mul(EVERY_NS);
        self.cutoff_ns.is_none_or(|cutoff_ns| whole_ns > cutoff_ns).then_some(whole_ns)
    }

    /// Where emissions are to be looked for up to before their time, for too many arrivals wait.
    pub fn overdue(&self) -> Option<i64> {
        if self.count < MAX_WAITING {
            return None;
        }
        let waiting = self.by_channel.values().flat_map(|it| it.arrivals.values().flatten());
        let mut times_ns: Vec<i64> = waiting.map(|it| it.cited.time_ns).collect();
        let middle = times_ns.len() / 2;
        let (_, &mut middle_ns, _) = times_ns.select_nth_unstable(middle);
        Some(middle_ns.saturating_add(1))
    }

    /// The end of the first stretch in which something waits before `cutoff_ns`, or that: emissions are looked for by stretches, for what
    /// was found in one is known in the next.
    pub fn next_cutoff_ns(&self, cutoff_ns: i64) -> i64 {
        let first = self.by_channel.values().filter_map(|it| it.arrivals.keys().next()).min();
        first.map_or(cutoff_ns, |first| (first + 1).saturating_mul(EVERY_NS).min(cutoff_ns))
    }

    /// The emissions that begin before `cutoff_ns`, each with its channel, in order of time. `known` tells who was heard on a channel before.
    pub fn take(
        &mut self,
        cutoff_ns: i64,
        registry: &Registry,
        known: &dyn Fn(&str, i64) -> Vec<Known>,
    ) -> Vec<(CompactString, Emission)> {
        let mut found = Vec::new();
        for (name, channel) in &mut self.by_channel {
            // Most of what waits is looked at when its time has come, and not each time until then.
            if channel.arrivals.keys().next().is_some_and(|&first| first <= stretch(cutoff_ns - 1)) {
                let mut waiting = channel.take_to(known_to_ns(cutoff_ns));
                self.count -= waiting.len();
                // Which number a node has depends on who came first.
                let turn = |it: &Arrival| (it.cited.time_ns, it.cited.id, registry.node(it.cited.node).name.as_str());
                waiting.sort_by(|a, b| turn(a).cmp(&turn(b)));
                let known = known(name, stretch(waiting[0].cited.time_ns) * EVERY_NS);
                let emissions = emissions(channel, &mut waiting, cutoff_ns, &known);
                found.extend(emissions.into_iter().map(|emission| (name.clone(), emission)));
                self.count += waiting.len();
                waiting.into_iter().for_each(|arrival| channel.add(arrival));
            }
            channel.forget(cutoff_ns);
        }
        self.by_channel.retain(|_, channel| !channel.all.is_empty() || !channel.arrivals.is_empty());
        self.cutoff_ns = self.cutoff_ns.max(Some(cutoff_ns));
        self.corrections.forget_before(cutoff_ns);
        found.sort_by(|a, b| {
            let turn = |it: &Emission| (it.cited[0].time_ns, it.cited[0].id);
            turn(&a.1).cmp(&turn(&b.1)).then_with(|| a.0.cmp(&b.0))
        });
        found
    }
}
