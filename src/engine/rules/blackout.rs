//! Many neighbouring nodes that are silent at once: a line was cut, power failed, or somebody keeps the mission from hearing.
//!
//! It is made of the silences of single nodes ([`super::sensor`]) as they have settled, and of nothing else. Two are linked when their
//! nodes are neighbours, they began within a set time of each other, and both counted as silences at one time. What hangs
//! together by such links, and has enough nodes silent at once, is one cluster. It is called after the first of its silences. It
//! lasts from when the fewest that make one were silent until fewer are.
//!
//! Links need what is known at one time, so nobody joins those who have all ended; and nobody joins at all who would be known
//! later than the amend horizon after the time in which he can have begun. From then on what has ended is forgotten.

mod lost;

use super::World;
use super::lane::{Correction, span_ns};
use super::memory::{Change, LaneRecord, NodesOf, ToKeep, name_node};
use super::spell::Spell;
use crate::engine::book::{Book, Cited, Claim, Stage};
use crate::engine::escalation::grid::{CellKey, Grid};
use crate::model::alert::{Class, Sign};
use crate::model::geo::{Ellipse, LonLat};
use crate::model::node::{NodeIx, Registry};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most silences that are compared; more are not taken in, and counts are lower bounds then.
const MAX_SPELLS: usize = 4_096;
/// Most nodes of a cluster whose heartbeats are cited.
const MAX_CITED: usize = 100;
/// A cluster that lasts is said again when it has grown by that share: each node is news while there are few.
const NEWS_SHARE: usize = 64;

/// Silences that hang together, by the numbers that they are gone through by: in order of time, then of their keys.
type Group = Vec<usize>;

/// What was said of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Told {
    /// Its silences, and when each ended.
    members: Vec<(String, Option<i64>)>,
    /// How many were said.
    said: usize,
}

/// All clusters.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Blackouts {
    /// The silences that may belong to one, by their keys.
    spells: BTreeMap<String, Spell>,
    /// Of nodes that are silent: the key of the silence.
    #[serde(serialize_with = "crate::engine::in_order::map")]
    lasting: FxHashMap<NodeIx, String>,
    told: BTreeMap<String, Told>,
    has_changed: bool,
    /// When something is to be forgotten or becomes final.
    due_ns: Option<i64>,
    is_full: bool,
    /// Clusters of which a record is to be kept anew, where any is kept.
    to_keep: ToKeep,
}

/// How many of a cluster were silent.
struct Silent {
    /// Most at once.
    most: usize,
    /// When that was so first, nanoseconds.
    most_ns: i64,
    /// When there were enough first, nanoseconds.
    from_ns: i64,
    /// When there were no longer enough, nanoseconds; `None` while there are.
    to_ns: Option<i64>,
}

fn end_ns(spell: &Spell) -> Option<i64> {
    spell.end.map(|end| end.time_ns)
}

/// When it counted as a silence, and when that ended, nanoseconds.
fn counted(spell: &Spell) -> (i64, i64) {
    (spell.first.time_ns.saturating_add(spell.patience_ns), end_ns(spell).unwrap_or(i64::MAX))
}

impl Blackouts {
    /// What a node's silence has come to.
    pub(super) fn correct(&mut self, correction: Correction<Spell>) {
        match correction {
            Correction::Was(spell) => self.note(&spell),
            Correction::WasNot(key) => self.has_changed |= self.spells.remove(&key).is_some(),
        }
    }

    /// What is known of a node's silences: the one that lasts, and those that have ended of late.
    pub(super) fn know<'a>(&mut self, node: NodeIx, lasts: Option<&'a Spell>, past: impl Iterator<Item = &'a Spell>) {
        let before = match lasts {
            Some(spell) => self.lasting.insert(node, spell.key.clone()),
            None => self.lasting.remove(&node),
        };
        if let Some(key) = before.filter(|key| lasts.is_none_or(|spell| spell.key != *key))
            && self.spells.get(&key).is_some_and(|spell| spell.end.is_none())
        {
            self.spells.remove(&key);
            self.has_changed = true;
        }
        past.chain(lasts).for_each(|spell| self.note(spell));
    }

    fn note(&mut self, spell: &Spell) {
        if spell.class != Class::SensorSilent {
            return;
        }
        let known = self.spells.get(&spell.key);
        if known.is_some_and(|known| end_ns(known) == end_ns(spell)) {
            return;
        }
        if known.is_none() && self.spells.len() >= MAX_SPELLS {
            self.is_full = true;
            return;
        }
        self.spells.insert(spell.key.clone(), spell.clone());
        self.has_changed = true;
    }

    /// Says what is new of clusters at that time, and forgets what can be in none any more.
    pub(super) fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        let is_due = self.due_ns.is_some_and(|due_ns| due_ns <= watermark_ns);
        if !world.settings.silence.cluster.on || !(self.has_changed || is_due) {
            return;
        }
        (self.has_changed, self.due_ns) = (false, None);
        let horizon_ns = span_ns(world.settings.amend_horizon_s);
        let within_ns = span_ns(world.settings.silence.cluster.within_s);
        let mut spells: Vec<&Spell> = self.spells.values().filter(|spell| spell.patience_ns <= horizon_ns).collect();
        spells.sort_by(|a, b| (a.first.time_ns, &a.key).cmp(&(b.first.time_ns, &b.key)));
        let (mut now, mut gone): (BTreeMap<String, Told>, Vec<String>) = (BTreeMap::new(), Vec::new());
        let mut due_ns = i64::MAX;
        for group in groups(&spells, world) {
            let members: Vec<&Spell> = group.iter().map(|&at| spells[at]).collect();
            let newest_ns = members.last().map_or(i64::MAX, |spell| spell.first.time_ns);
            // Whoever may still join is known by then.
            let closed_ns = newest_ns.saturating_add(within_ns).saturating_add(horizon_ns);
            let silent = silent(&members, world.settings.silence.cluster.nodes);
            let forgotten_ns = match &silent {
                Some(Silent { to_ns: None, .. }) => i64::MAX,
                Some(Silent { to_ns: Some(to_ns), .. }) => closed_ns.max(to_ns.saturating_add(horizon_ns)),
                None => closed_ns.max(
                    members
                        .iter()
                        .filter_map(|spell| end_ns(spell))
                        .max()
                        .map_or(i64::MIN, |end_ns| end_ns.saturating_add(horizon_ns)),
                ),
            };
            if forgotten_ns <= watermark_ns {
                gone.extend(members.iter().map(|spell| spell.key.clone()));
            } else {
                due_ns = due_ns.min(forgotten_ns);
            }
            let (Some(silent), Some(first)) = (silent, members.first()) else { continue };
            let key = cluster_key(first, world);
            let is_over = silent.to_ns.is_some() && members.iter().all(|spell| spell.end.is_some());
            let is_closed = silent.to_ns.is_some() && closed_ns <= watermark_ns;
            if silent.to_ns.is_some() && !is_over && !is_closed {
                due_ns = due_ns.min(closed_ns);
            }
            let stage = if is_over || is_closed { Stage::Final } else { Stage::Open };
            let before = self.told.get(&key);
            let said = before.map_or(0, |told| told.said);
            let count = members.len();
            let is_news =
                stage == Stage::Final || silent.to_ns.is_some() || count < said || count > said + said / NEWS_SHARE;
            let ends = members.iter().map(|spell| (spell.key.clone(), end_ns(spell))).collect();
            let told = Told { members: ends, said: if is_news { count } else { said } };
            if is_news && (before != Some(&told) || stage == Stage::Final) {
                let claim = claim(key.clone(), &members, &silent, self.is_full, world);
                book.say(claim, stage, world.registry, world.places, world.settings);
            }
            if before != Some(&told) {
                self.to_keep.note(&key);
            }
            if forgotten_ns > watermark_ns {
                now.insert(key, told);
            } else {
                self.to_keep.note(&key);
                // What was said of it stands.
                self.told.remove(&key);
            }
        }
        for (key, told) in &self.told {
            if !now.contains_key(key) {
                let shares =
                    |other: &&Told| other.members.iter().any(|(own, _)| told.members.iter().any(|it| it.0 == *own));
                let successor = now.iter().find(|(_, other)| shares(other)).map(|(key, _)| key.as_str());
                book.retract_for(key, successor);
                self.to_keep.note(key);
            }
        }
        self.told = now;
        for key in gone {
            self.spells.remove(&key);
        }
        self.is_full &= self.spells.len() >= MAX_SPELLS;
        self.due_ns = (due_ns != i64::MAX).then_some(due_ns);
    }

    /// From now on records are kept.
    pub(super) fn keep(&mut self) {
        self.to_keep.begin();
    }

    /// What is to be kept anew since the last call, of that rule: the silences of each cluster, for those of its nodes that have long
    /// been heard again are known nowhere else.
    pub(super) fn take_changes(&mut self, rule: &str, stands_ns: i64, registry: &Registry) -> Vec<Change> {
        let keys = self.to_keep.take();
        let record = |key: &String| {
            let told = self.told.get(key)?;
            let mut spells: Vec<Spell> =
                told.members.iter().filter_map(|(it, _)| self.spells.get(it).cloned()).collect();
            let mut nodes = NodesOf::default();
            spells.iter_mut().for_each(|spell| spell.each_cited(&mut |cited| nodes.number(cited)));
            let nodes = nodes.names(registry);
            let watch = serde_json::to_value((told.said, spells)).ok()?;
            Some(LaneRecord { rule: rule.to_owned(), lane: key.clone(), stands_ns, nodes, told: Vec::new(), watch })
        };
        keys.iter().map(|key| (super::memory::key(rule, key), record(key))).collect()
    }

    /// Goes on with a cluster; false if the record can't be understood.
    pub(super) fn restore(&mut self, record: LaneRecord, registry: &Registry) -> bool {
        let Ok((said, mut spells)) = serde_json::from_value::<(usize, Vec<Spell>)>(record.watch) else { return false };
        let mut is_whole = true;
        for spell in &mut spells {
            spell.each_cited(&mut |cited| is_whole &= name_node(cited, &record.nodes, registry));
        }
        // A node that the registry names no more: what is known of the others makes the cluster anew.
        if is_whole {
            let members = spells.iter().map(|spell| (spell.key.clone(), end_ns(spell))).collect();
            self.told.insert(record.lane, Told { members, said });
            for spell in spells {
                if spell.end.is_none() {
                    self.lasting.insert(spell.first.node, spell.key.clone());
                }
                self.note(&spell);
            }
        }
        true
    }
}

fn cluster_key(first: &Spell, world: World<'_>) -> String {
    format!("sensor.cluster/{}/{}", world.registry.node(first.first.node).name, first.first.id.as_str())
}

/// What hangs together, in order of its first.
fn groups(spells: &[&Spell], world: World<'_>) -> Vec<Group> {
    let settings = &world.settings.silence.cluster;
    let within_ns = span_ns(settings.within_s);
    let grid = Grid::new(settings.near_m);
    let mut by_cell: FxHashMap<CellKey, Vec<usize>> = FxHashMap::default();
    let mut root: Vec<usize> = (0..spells.len()).collect();
    fn find(root: &mut [usize], mut at: usize) -> usize {
        while root[at] != at {
            root[at] = root[root[at]];
            at = root[at];
        }
        at
    }
    for (at, spell) in spells.iter().enumerate() {
        // A neighbour's cell has its middle no further than that: half a diagonal beyond the neighbour, and a little for the earth's shape.
        for cell in grid.about(spell.place, 1.8 * settings.near_m) {
            for &other in by_cell.get(&cell).into_iter().flatten().rev() {
                if spell.first.time_ns - spells[other].first.time_ns > within_ns {
                    break;
                }
                let (one, two) = (find(&mut root, at), find(&mut root, other));
                if one != two && are_linked(spell, spells[other], settings.near_m) {
                    root[one.max(two)] = one.min(two);
                }
            }
        }
        by_cell.entry(grid.cell(spell.place)).or_default().push(at);
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for at in 0..spells.len() {
        groups.entry(find(&mut root, at)).or_default().push(at);
    }
    groups.into_values().collect()
}

fn are_linked(a: &Spell, b: &Spell, near_m: f64) -> bool {
    let ((a_from_ns, a_to_ns), (b_from_ns, b_to_ns)) = (counted(a), counted(b));
    a_from_ns < b_to_ns && b_from_ns < a_to_ns && a.place.flat_distance_m(b.place) <= near_m
}

/// How many of these were silent when; `None` if there never were enough at once.
fn silent(members: &[&Spell], nodes: usize) -> Option<Silent> {
    if members.len() < nodes {
        return None;
    }
    // At one time those who are heard again go first.
    let mut steps: Vec<(i64, bool)> = members.iter().map(|spell| (spell.first.time_ns, true)).collect();
    steps.extend(members.iter().filter_map(|spell| Some((end_ns(spell)?, false))));
    steps.sort_unstable();
    let (mut now, mut found): (usize, Option<Silent>) = (0, None);
    for (time_ns, begins) in steps {
        now = if begins { now + 1 } else { now.saturating_sub(1) };
        match &mut found {
            None if now >= nodes => {
                found = Some(Silent { most: now, most_ns: time_ns, from_ns: time_ns, to_ns: None });
            }
            None => {}
            Some(silent) => {
                if now > silent.most {
                    (silent.most, silent.most_ns) = (now, time_ns);
                }
                if now >= nodes {
                    silent.to_ns = None;
                } else if silent.to_ns.is_none() {
                    silent.to_ns = Some(time_ns);
                }
            }
        }
    }
    found
}

fn claim(key: String, members: &[&Spell], silent: &Silent, is_minimum: bool, world: World<'_>) -> Claim {
    let is_down = |spell: &&&Spell| {
        spell.first.time_ns <= silent.most_ns && end_ns(spell).is_none_or(|end_ns| silent.most_ns < end_ns)
    };
    let down: Vec<&Spell> = members.iter().filter(is_down).copied().collect();
    let places: Vec<LonLat> = down.iter().map(|spell| spell.place).collect();
    let (place, ellipse) = middle(&places);
    let mut claim = Claim::new(key, Class::SensorSilent, place, silent.from_ns);
    claim.sign = Some(Sign::Cluster);
    claim.ellipse = Some(ellipse);
    claim.time_sd_s = members[0].first.kind.default_time_sd_s();
    (claim.from_ns, claim.to_ns) = (Some(silent.from_ns), silent.to_ns);
    (claim.count, claim.count_is_minimum) = (silent.most as u32, is_minimum);
    claim.probability = members.iter().map(|spell| spell.probability).fold(1.0, f64::min);
    let cited = members.iter().take(MAX_CITED);
    let ends: Vec<Cited> = match silent.to_ns {
        Some(_) => cited.clone().filter_map(|spell| spell.end).collect(),
        None => Vec::new(),
    };
    claim.evidence = cited.map(|spell| spell.first).chain(ends).collect();
    let nodes: BTreeSet<NodeIx> = down.iter().map(|spell| spell.first.node).collect();
    claim.coverage_lost_km2 = Some(lost::coverage_lost_km2(&nodes, &places, world));
    claim
}

/// The middle of these places and how far they are spread about it.
fn middle(places: &[LonLat]) -> (LonLat, Ellipse) {
    let from = places[0];
    let offsets: Vec<(f64, f64)> = places.iter().map(|&place| from.flat_offset_m(place)).collect();
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| offsets.iter().map(of).sum::<f64>() / offsets.len() as f64;
    let (east_m, north_m) = (mean(&|it| it.0), mean(&|it| it.1));
    let place = from.toward(east_m.atan2(north_m).to_degrees(), east_m.hypot(north_m));
    let (xx, yy) = (mean(&|it| (it.0 - east_m).powi(2)), mean(&|it| (it.1 - north_m).powi(2)));
    (place, Ellipse::of_covariance(xx, mean(&|it| (it.0 - east_m) * (it.1 - north_m)), yy))
}

#[cfg(test)]
mod tests;
