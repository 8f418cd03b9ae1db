//! Patrols' reports that make an alert each: told at once, placed, settled at the watermark, replaced or taken back
//! when the patrol says so.

use super::repeats::Repeats;
use super::{World, cited_at, supersedes_at};
use crate::engine::book::{Book, Cited, Claim, Stage};
use crate::model::geo::LonLat;
use crate::model::node::NodeIx;
use crate::model::observation::{Id, Observations};
use crate::model::time::ns_from_s;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// Most positions remembered of one patrol beyond the watermark. At it the oldest is forgotten.
const MAX_POSITIONS: usize = 512;
/// Most observations remembered as taken back. At it the one taken back longest ago is forgotten.
const MAX_TAKEN_BACK: usize = 100_000;

/// A report that may still be placed better or taken back.
#[derive(Serialize, Deserialize)]
struct Open {
    claim: Claim,
    /// Where it happened as the report has it; `None`: where the patrol was.
    place: Option<LonLat>,
    /// From there: azimuth in degrees and distance in metres.
    offset: Option<(f64, f64)>,
    told: bool,
}

/// Whose reports they are.
pub trait Filed {
    /// Begins every key.
    const PREFIX: &'static str;

    /// Whether a placed claim is worth telling.
    fn counts(claim: &Claim, world: World<'_>) -> bool;
}

/// The ledger of one rule's reports.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Reports<F: Filed> {
    of: PhantomData<F>,
    open: BTreeMap<String, Open>,
    /// Where each patrol was, in order of time: what came since the watermark, and the last before it.
    #[serde(serialize_with = "crate::engine::in_order::map")]
    positions: FxHashMap<NodeIx, Vec<(i64, Id, LonLat)>>,
    taken_back: BTreeMap<String, i64>,
    /// Of reports that say when they repeat earlier ones: those.
    pub(super) repeats: Option<Repeats>,
    watermark_ns: i64,
}

impl<F: Filed> Default for Reports<F> {
    fn default() -> Reports<F> {
        Reports {
            of: PhantomData,
            open: BTreeMap::new(),
            positions: FxHashMap::default(),
            taken_back: BTreeMap::new(),
            repeats: None,
            watermark_ns: i64::MIN,
        }
    }
}

impl<F: Filed> Reports<F> {
    /// The ledger of reports that say which earlier ones they repeat.
    pub(super) fn that_repeat() -> Reports<F> {
        Reports { repeats: Some(Repeats::default()), ..Reports::default() }
    }

    /// Notes where a patrol is and what it takes back. The report as evidence with the key of its claim, if it
    /// stands.
    pub fn note(
        &mut self,
        batch: &Observations,
        row: usize,
        world: World<'_>,
        book: &mut Book,
    ) -> Option<(String, Cited)> {
        let cited = cited_at(batch, row);
        let key = |id: Id| format!("{}/{}/{}", F::PREFIX, world.registry.node(cited.node).name, id.as_str());
        let own = key(cited.id);
        if let Some(id) = supersedes_at(batch, row) {
            let other = key(id);
            self.open.remove(&other);
            book.retract(&other);
            let followers = self.repeats.as_mut().map(|repeats| repeats.remove(&other, world)).unwrap_or_default();
            self.link_anew(followers, world, book);
            self.taken_back.insert(other, cited.time_ns);
            if self.taken_back.len() > MAX_TAKEN_BACK {
                let oldest = self.taken_back.iter().min_by_key(|(_, time_ns)| **time_ns).map(|(key, _)| key.clone());
                oldest.and_then(|oldest| self.taken_back.remove(&oldest));
            }
        }
        if batch.withdrawn[row] || self.taken_back.contains_key(&own) {
            return None;
        }
        if let Some(place) = LonLat::checked(batch.lon_deg[row], batch.lat_deg[row]) {
            self.seen_at(cited, place);
        }
        Some((own, cited))
    }

    /// Tells a claim at once. Its place is `place`, or else where the patrol last was before its time; `offset` is
    /// the azimuth, degrees, and distance, metres, from there.
    pub fn file(
        &mut self,
        claim: Claim,
        place: Option<LonLat>,
        offset: Option<(f64, f64)>,
        world: World<'_>,
        book: &mut Book,
    ) {
        let mut open = Open { claim, place, offset, told: false };
        let settled = open.claim.time_ns < self.watermark_ns;
        self.tell(&mut open, if settled { Stage::Final } else { Stage::Open }, world, book);
        if !settled {
            self.open.insert(open.claim.key.clone(), open);
        }
    }

    /// Settles what the watermark has passed.
    pub fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        if watermark_ns <= self.watermark_ns {
            return;
        }
        self.watermark_ns = watermark_ns;
        let ripe = self.open.extract_if(.., |_, open| open.claim.time_ns < watermark_ns);
        for mut open in ripe.map(|(_, open)| open).collect::<Vec<_>>() {
            self.tell(&mut open, Stage::Final, world, book);
        }
        let horizon_ns = watermark_ns.saturating_sub(ns_from_s(world.settings.amend_horizon_s));
        self.taken_back.retain(|_, time_ns| *time_ns >= horizon_ns);
        if let Some(repeats) = &mut self.repeats {
            repeats.forget(watermark_ns, world);
        }
    }

    /// Says claims again that follow others than they did.
    fn link_anew(&self, followers: Vec<Claim>, world: World<'_>, book: &mut Book) {
        for claim in followers {
            let stage = if claim.time_ns < self.watermark_ns { Stage::Final } else { Stage::Open };
            // What the book has forgotten stands as it was told.
            if stage == Stage::Open || book.is_final(&claim.key) {
                self.say(claim, stage, world, book);
            }
        }
    }

    fn say(&self, mut claim: Claim, stage: Stage, world: World<'_>, book: &mut Book) {
        if let Some(repeats) = &self.repeats {
            repeats.link(&mut claim, world);
        }
        book.say(claim, stage, world.registry, world.places, world.settings);
    }

    fn tell(&mut self, open: &mut Open, stage: Stage, world: World<'_>, book: &mut Book) {
        let node = open.claim.evidence.first().map(|cited| cited.node);
        let base = open.place.or_else(|| self.place_of(node?, open.claim.time_ns, world));
        // A patrol that never said where it is, and that the registry doesn't place, can't be put on a map.
        let Some(base) = base else { return };
        open.claim.place = open.offset.map_or(base, |(azimuth_deg, distance_m)| base.toward(azimuth_deg, distance_m));
        if F::counts(&open.claim, world) {
            let followers = self.repeats.as_mut().map(|repeats| repeats.note(&open.claim, world)).unwrap_or_default();
            self.say(open.claim.clone(), stage, world, book);
            self.link_anew(followers, world, book);
            open.told = true;
        } else if std::mem::take(&mut open.told) {
            book.retract(&open.claim.key);
        }
    }

    /// Where the patrol last was at that time: by its own word, else by the registry, else where it was next.
    fn place_of(&self, node: NodeIx, time_ns: i64, world: World<'_>) -> Option<LonLat> {
        let known = self.positions.get(&node).map_or(&[][..], Vec::as_slice);
        let before = known.partition_point(|&(at_ns, _, _)| at_ns <= time_ns);
        let last = before.checked_sub(1).map(|at| known[at].2);
        last.or(world.registry.node(node).position).or(known.first().map(|&(_, _, place)| place))
    }

    fn seen_at(&mut self, cited: Cited, place: LonLat) {
        let known = self.positions.entry(cited.node).or_default();
        let at = known.partition_point(|&(time_ns, id, _)| (time_ns, id) <= (cited.time_ns, cited.id));
        known.insert(at, (cited.time_ns, cited.id, place));
        // Of those before the watermark only the last can matter to a report that comes in time.
        let past = known.partition_point(|&(time_ns, _, _)| time_ns < self.watermark_ns);
        known.drain(..past.saturating_sub(1).max(known.len().saturating_sub(MAX_POSITIONS)));
    }
}
