//! Fire: sends arrivals to the regions that could have heard the same event, and makes claims of what they find.

use super::as_named;
use super::associate::calibration::first_probability;
use super::associate::locate::{Place, Point};
use super::associate::record::RegionRecord;
use super::associate::region::{Region, Surroundings, Word};
use super::associate::settle::final_after_s;
use super::associate::wave::{Medium, Wave};
use super::associate::window::Arrival;
use super::book::{Book, Cited, OtherEnd, Stage};
use super::corrections::{AHEAD_NS, Corrections};
use super::ledger::{Finals, FinalsRecord, Ledger};
use super::rules::{World, supersedes_at};
use super::settled::{FinalEvent, MAX_SETTLED, Settled};
use super::share::Share;
use super::weather::Weather;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::Kind;
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::{Id, Observations, RadarPoint};
use crate::model::time::ns_from_s;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Waves that take longer than this to a node do not count in a region of near nodes, s.
const NEAR_TRAVEL_S: f64 = 45.0;
/// The same in a region of wide nodes.
const WIDE_TRAVEL_S: f64 = 600.0;
/// A region for nodes that no cell holds reaches so far, m.
const STRAY_REACH_M: f64 = 100_000.0;

mod claim;
mod homes;

use self::claim::claim;
use self::homes::Homes;

/// All regions.
#[derive(Serialize, Deserialize)]
pub struct FireWatch {
    regions: Vec<Region>,
    settled: Ledger,
    home: Homes,
    routes: Vec<Vec<u32>>,
    registry_version: Option<u64>,
    longest_travel_s: f64,
    /// What a record says of regions that are not there yet.
    #[serde(with = "as_named")]
    waiting: Vec<RegionRecord>,
    /// Whether those were taught by what is seen again.
    same_stream: bool,
    /// How regions are shared out among processes; `None`: all are this one's.
    share: Option<Share>,
    /// What nodes have said of their arrivals, and radars of their solutions.
    corrected_arrivals: Corrections,
    corrected_solutions: Corrections,
}

impl Default for FireWatch {
    fn default() -> FireWatch {
        FireWatch {
            regions: Vec::new(),
            settled: Vec::new(),
            home: Homes::default(),
            routes: Vec::new(),
            registry_version: None,
            longest_travel_s: NEAR_TRAVEL_S,
            waiting: Vec::new(),
            share: None,
            same_stream: false,
            corrected_arrivals: Corrections::default(),
            corrected_solutions: Corrections::default(),
        }
    }
}

/// Event time as the watch needs it.
#[derive(Clone, Copy)]
pub struct Now<'a> {
    /// Clocks, health, weather.
    pub weather: &'a Weather,
    /// The watermark.
    pub watermark_ns: i64,
    /// How far nodes have reported.
    pub heard_until_ns: i64,
    /// Whether the observation came behind the watermark: the clock of its node as last reported before it was read, one sigma, s.
    pub late_clock_sd_s: Option<f64>,
}

impl FireWatch {
    /// Regions in use.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Goes by this share of regions, and not by the registry. To be called before the first observation.
    pub fn take_share(&mut self, share: Share) {
        self.share = Some(share);
    }

    /// All that is known is what another process knew at a time: what is seen from then on comes to what it came to there.
    pub fn go_on(&mut self) {
        self.regions.iter_mut().for_each(Region::go_on);
    }

    /// Makes what is not written down anew, to the same bits.
    pub fn rebuild(&mut self) {
        self.regions.iter_mut().for_each(Region::rebuild);
    }

    /// The final events of each region, for who writes them down: they are no part of what else is.
    pub fn finals(&self) -> Vec<Vec<Arc<Settled>>> {
        self.settled.iter().map(Finals::share).collect()
    }

    /// Takes in the final events that go with what was written down; false if these are not as many.
    pub fn load(&mut self, finals: Vec<Vec<Arc<Settled>>>) -> bool {
        finals.len() == self.settled.len()
            && self.settled.iter_mut().zip(finals).all(|(settled, events)| settled.load(events))
    }

    /// Final events that may still be amended.
    pub fn settled_mut(&mut self) -> &mut Ledger {
        &mut self.settled
    }

    /// Events from before this are final, or are none, when the watermark stands there, nanoseconds.
    pub fn final_before_ns(&self, watermark_ns: i64) -> i64 {
        let longest_s = self.regions.iter().map(Region::travel_s).fold(self.longest_travel_s, f64::max);
        let after_ns = ns_from_s(final_after_s(longest_s));
        if watermark_ns == i64::MAX { i64::MAX } else { watermark_ns.saturating_sub(after_ns) }
    }

    /// The oldest correction that may be about what is of `time_ns` or later, or that time, nanoseconds.
    pub fn corrected_since_ns(&self, time_ns: i64) -> i64 {
        let since_ns = time_ns.saturating_sub(AHEAD_NS);
        let newest_ns = self.corrected_arrivals.newest_ns().max(self.corrected_solutions.newest_ns());
        if newest_ns >= Some(since_ns) { since_ns } else { time_ns }
    }

    /// The final events of a region from that time on, and from when on those are all there are; `None` if there never were others.
    pub fn finals_in(&self, region: usize, since_ns: i64, registry: &Registry) -> (Vec<FinalsRecord>, Option<i64>) {
        let record = |finals: &Finals| (finals.record(since_ns, registry), finals.recorded_from_ns(since_ns));
        self.settled.get(region).map_or_else(Default::default, record)
    }

    /// What the regions have learnt, in order of their centres. Before there are any, it is what was started from.
    pub fn learnt(&self, registry: &Registry) -> Vec<RegionRecord> {
        if self.regions.is_empty() {
            return self.waiting.clone();
        }
        let mut records: Vec<RegionRecord> = self.regions.iter().filter_map(|region| region.record(registry)).collect();
        let key = |record: &RegionRecord| record.centre;
        records.sort_by(|a, b| key(a)[0].total_cmp(&key(b)[0]).then(key(a)[1].total_cmp(&key(b)[1])));
        records
    }

    /// Regions made from now on start from what is known of them there. `same_stream`: what taught them is seen again,
    /// from however long ago.
    pub fn start_from(&mut self, records: Vec<RegionRecord>, same_stream: bool) {
        (self.waiting, self.same_stream) = (records, same_stream);
    }

    /// Regions of the record that are not there, or not yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes in an accepted observation; those that are no arrivals are none of its business.
    pub fn observe(&mut self, batch: &Observations, row: usize, now: Now<'_>, world: World<'_>, book: &mut Book) {
        self.follow_registry(world);
        // One that is late takes nothing back: whether it came in time for a step hangs on how the stream was cut.
        if let Some(id) = supersedes_at(batch, row).filter(|_| now.late_clock_sd_s.is_none()) {
            self.take_back(batch.kind[row], (batch.node[row], id, batch.time_ns[row]), now, world, book);
        }
        if batch.withdrawn[row] {
            return;
        }
        match batch.kind[row] {
            Kind::Radar if self.is_heard_here(batch, row, world) => self.observe_radar(batch, row, now, world, book),
            Kind::Radar => {}
            kind => {
                let arrivals = &batch.arrivals;
                let detail = batch.detail[row] as usize;
                let phase = if kind == Kind::Seismic { arrivals.phase[detail] } else { None };
                if let Some(wave) = Wave::of(kind, phase) {
                    self.observe_wave(batch, row, wave, now, world, book);
                }
            }
        }
    }

    /// What a node has said under that id, arrival or solution as this is, is taken back.
    fn take_back(
        &mut self,
        kind: Kind,
        (node, id, time_ns): (NodeIx, Id, i64),
        now: Now<'_>,
        world: World<'_>,
        book: &mut Book,
    ) {
        let is_solution = kind == Kind::Radar;
        let is_wave = Wave::of(kind, None).is_some();
        if !is_wave && !is_solution {
            return;
        }
        let numbers: Vec<u32> = match is_wave && !self.home.moves(node) {
            true => self.routes.get(node.at()).cloned().unwrap_or_default(),
            // It may have been of anywhere.
            false => (0..self.regions.len() as u32).filter(|&number| self.is_mine(number)).collect(),
        };
        let corrections = if is_solution { &mut self.corrected_solutions } else { &mut self.corrected_arrivals };
        corrections.note(node, id, time_ns);
        let around = surroundings(now, world);
        for number in numbers {
            let (home, settled) = (&self.home, &mut self.settled[number as usize]);
            let mut say = |region: &Region, word: Word<'_>| tell(region, number, home, settled, word, world, book);
            let region = &mut self.regions[number as usize];
            if is_solution {
                region.take_points_back((node, id, time_ns), around, &mut say);
            } else {
                region.take_arrivals_back((node, id, time_ns), around, &mut say);
            }
        }
    }

    fn observe_wave(
        &mut self,
        batch: &Observations,
        row: usize,
        wave: Wave,
        now: Now<'_>,
        world: World<'_>,
        book: &mut Book,
    ) {
        let ix = batch.node[row];
        let node = world.registry.node(ix);
        let own = LonLat::checked(batch.lon_deg[row], batch.lat_deg[row]);
        let Some(position) = own.or(node.position) else { return };
        let is_own = own.is_some();
        let detail = batch.detail[row] as usize;
        let time_ns = batch.time_ns[row];
        let pick_sd_s = batch.time_sd_s[row];
        let pick_sd_s = if pick_sd_s > 0.0 { pick_sd_s } else { node.time_sd_s(batch.kind[row]) };
        let around = surroundings(now, world);
        let visited = self.ensure_route(ix, position, is_own, world);
        let laid_out = self.routes[ix.at()].len();
        for k in 0..laid_out + usize::from(visited.is_some()) {
            let Some(number) = self.routes[ix.at()].get(k).copied().or(visited) else { break };
            let region = &mut self.regions[number as usize];
            let time_s = region.seconds(time_ns);
            let arrival = Arrival {
                site: region.site((ix, wave), (position, is_own), time_s, world.registry),
                time_s,
                pick_sd_s,
                clock_sd_s: now.late_clock_sd_s.unwrap_or_else(|| now.weather.clock_sd_s(ix, time_ns)),
                ln_amplitude: if wave == Wave::Acoustic { batch.arrivals.amplitude[detail].ln() } else { f64::NAN },
                azimuth_deg: batch.arrivals.azimuth_deg[detail],
                azimuth_sd_deg: batch.arrivals.azimuth_sd_deg[detail],
                ln_norm: 0.0,
                ln_echo: 0.0,
                hint: batch.arrivals.hint[detail],
                is_named: wave != Wave::SeismicP || batch.arrivals.phase[detail].is_some(),
                kind: batch.kind[row],
                time_ns,
                origin: batch.origin[row],
                id: Id::new(batch.slice(batch.id[row])),
            };
            let (home, settled) = (&self.home, &mut self.settled[number as usize]);
            let mut say = |region: &Region, word: Word<'_>| tell(region, number, home, settled, word, world, book);
            let corrected_ns = self.corrected_arrivals.of(ix, arrival.id, time_ns);
            let is_late = now.late_clock_sd_s.is_some();
            if !is_late {
                region.take_arrival(arrival, corrected_ns, around, &mut say);
            } else if corrected_ns.is_none() {
                region.take_late(arrival);
            }
            if is_late {
                self.bear_out(number as usize, around, world, book);
            }
        }
    }

    fn observe_radar(&mut self, batch: &Observations, row: usize, now: Now<'_>, world: World<'_>, book: &mut Book) {
        let detail = batch.detail[row] as usize;
        let (origin, impact) = (batch.radars.origin[detail], batch.radars.impact[detail]);
        let place_of = |end: &RadarPoint| LonLat::checked(end.lon_deg, end.lat_deg).filter(|_| end.time_ns.is_some());
        let fire_deg = match (place_of(&origin), place_of(&impact)) {
            (Some(from), Some(to)) => Some(from.distance_azimuth(to).1),
            _ => None,
        };
        let around = surroundings(now, world);
        let known = |value: f64, or: f64| if value > 0.0 { value } else { or };
        let ellipse_of = |end: &RadarPoint| {
            let semi_major_m = known(end.semi_major_m, 100.0);
            Ellipse {
                semi_major_m,
                semi_minor_m: known(end.semi_minor_m, semi_major_m),
                orientation_deg: if end.orientation_deg.is_finite() { end.orientation_deg } else { 0.0 },
            }
        };
        for (end, other, is_origin) in [(origin, impact, true), (impact, origin, false)] {
            let (Some(place), Some(end_ns)) = (place_of(&end), end.time_ns) else { continue };
            let ellipse = ellipse_of(&end);
            let other_end =
                place_of(&other).map(|place| OtherEnd { place, ellipse: ellipse_of(&other), is_origin: !is_origin });
            let nearest = self.region_about(place);
            for number in (0..self.regions.len() as u32).filter(|&number| self.is_mine(number)).collect::<Vec<_>>() {
                let region = &mut self.regions[number as usize];
                // All that may find the event have to know how it is called.
                if nearest != Some(number) && !region.hears(place) {
                    continue;
                }
                let (x_m, y_m) = region.frame().to_plane(place);
                let point = Point {
                    at: Place { x_m, y_m, time_s: region.seconds(end_ns) },
                    covariance_m2: ellipse.covariance(),
                    time_sd_s: known(end.time_sd_s, Kind::Radar.default_time_sd_s()),
                    is_origin,
                    fire_deg,
                    other_end,
                    time_ns: batch.time_ns[row],
                    origin: batch.origin[row],
                    id: Id::new(batch.slice(batch.id[row])),
                    node: batch.node[row],
                    is_taken_back: false,
                };
                let corrected_ns = self.corrected_solutions.of(point.node, point.id, point.time_ns);
                let (home, settled) = (&self.home, &mut self.settled[number as usize]);
                region.take_point(point, corrected_ns, around, &mut |region, word| {
                    tell(region, number, home, settled, word, world, book);
                });
            }
        }
    }

    /// Event time has moved on.
    pub fn advance(&mut self, now: Now<'_>, world: World<'_>, book: &mut Book) {
        self.follow_registry(world);
        for corrections in [&mut self.corrected_arrivals, &mut self.corrected_solutions] {
            corrections.forget_before(now.watermark_ns);
        }
        let around = surroundings(now, world);
        for number in 0..self.regions.len() {
            let (home, settled) = (&self.home, &mut self.settled[number]);
            self.regions[number].advance(around, &mut |region, word| {
                tell(region, number as u32, home, settled, word, world, book);
            });
            self.bear_out(number, around, world, book);
        }
    }

    /// Takes in a final event of a region that is another's. Heard again it is as it is told then.
    pub fn hear_final(&mut self, event: FinalEvent, world: World<'_>) {
        self.follow_registry(world);
        // What is of a region that only the other knows lies with any that is not one's own.
        let laid_out = self.settled.get(event.region as usize).is_some() && !self.is_mine(event.region);
        let foreign = || (0..self.settled.len() as u32).find(|&number| !self.is_mine(number));
        let Some(number) = Some(event.region).filter(|_| laid_out).or_else(foreign) else { return };
        let events = &mut self.settled[number as usize];
        match (0..events.len()).rev().find(|&at| events[at].claim.key == event.key) {
            Some(at) => {
                if events[at].is_now(event) {
                    events.has_changed = true;
                    events.retime();
                }
            }
            None => events.push(event.into()),
        }
    }

    /// Final events of one's own regions that are new or have changed since the last call.
    pub fn take_finals(&mut self) -> Vec<FinalEvent> {
        let mut finals = Vec::new();
        for number in (0..self.settled.len() as u32).filter(|&number| self.is_mine(number)).collect::<Vec<_>>() {
            let fresh = self.settled[number as usize].those_mut(|event| event.is_news);
            finals.extend(fresh.map(|(_, event)| {
                event.is_news = false;
                FinalEvent::of(number, &event.claim)
            }));
        }
        finals
    }

    /// Forgets final events from before `time_ns`, and more where there are too many.
    pub fn forget_before(&mut self, time_ns: i64) {
        for settled in &mut self.settled {
            while settled.first().is_some_and(|event| event.claim.time_ns < time_ns) || settled.len() > MAX_SETTLED {
                settled.pop_first();
            }
        }
    }

    /// Late arrivals that fit a final event amend it.
    fn bear_out(&mut self, number: usize, around: Surroundings<'_>, world: World<'_>, book: &mut Book) {
        let region = &mut self.regions[number];
        if region.late().is_empty() {
            return;
        }
        let settled_to_s = region.settled_to_s();
        let mut medium = Medium::new(region.air(), around.settings);
        for arrival in std::mem::take(region.late()) {
            // What it belongs to may not be final yet, and what is may fit it worse.
            if arrival.time_s > settled_to_s {
                region.late().push(arrival);
                continue;
            }
            let site = &region.field().sites()[arrival.site as usize];
            let (node, heard) = (site.node, site.detect_p);
            let mut best: Option<(f64, usize, f64)> = None;
            let since_ns = arrival.time_ns.saturating_sub(ns_from_s(region.travel_s()));
            let events = || self.settled[number].numbered_between(since_ns, arrival.time_ns);
            // Seen again after a restart, it is not to bear out another event besides.
            let is_this = |cited: &Cited| (cited.node, cited.id) == (node, arrival.id);
            if events().any(|(_, event)| event.claim.evidence.iter().any(is_this)) {
                continue;
            }
            for (k, event) in events() {
                let lag_s = arrival.time_s - event.at.time_s;
                let has_node = event.claim.evidence.iter().any(|cited| cited.node == node);
                if !(0.0..=region.travel_s()).contains(&lag_s) || has_node {
                    continue;
                }
                if medium.air() != event.air {
                    medium = Medium::new(event.air, around.settings);
                }
                let (residual_s, path_sd_s, distance_m) = region.off(event.at, arrival.site, lag_s, &medium);
                let z = residual_s.abs()
                    / (arrival.pick_sd_s.powi(2) + arrival.clock_sd_s.powi(2) + path_sd_s.powi(2) + event.variance_s2)
                        .sqrt();
                let in_range = distance_m <= region.field().sites()[arrival.site as usize].range_m;
                if in_range && z < 4.0 && best.is_none_or(|(least, _, _)| z < least) {
                    best = Some((z, k, residual_s));
                }
            }
            let Some((z, k, residual_s)) = best else { continue };
            self.settled[number].has_changed = true;
            let event = &mut self.settled[number][k];
            // What fits makes it no less sure; so the sum does not hang on what came first.
            let gain = (heard / (1.0 - heard.min(0.98))).ln().max(0.0) + 2.0 - 0.5 * z * z;
            event.score += gain.max(0.0);
            event.claim.probability = event.claim.probability.max(first_probability(event.score));
            event.claim.silent.retain(|&silent| silent != node);
            event.claim.evidence.push(Cited {
                origin: arrival.origin,
                id: arrival.id,
                node,
                kind: arrival.kind,
                time_ns: arrival.time_ns,
                residual_s: Some(residual_s),
                residual_deg: None,
            });
            (event.changed, event.is_news) = (true, true);
            event.say(world, book);
        }
    }
}

fn surroundings<'a>(now: Now<'a>, world: World<'a>) -> Surroundings<'a> {
    Surroundings {
        registry: world.registry,
        weather: now.weather,
        settings: &world.settings.fire,
        watermark_ns: now.watermark_ns,
        heard_until_ns: now.heard_until_ns,
    }
}

/// Makes a claim of a region's word, if the event is that region's own.
fn tell(
    region: &Region,
    number: u32,
    home: &Homes,
    settled: &mut Finals,
    word: Word<'_>,
    world: World<'_>,
    book: &mut Book,
) {
    let (Word::Open(key, anchor, _) | Word::Final(key, anchor, _) | Word::Not(key, anchor, _)) = word;
    if home.owner(anchor, world.registry).is_some_and(|owner| owner != number) {
        return;
    }
    let (located, stage) = match word {
        // What is final stands: late evidence amends it, not what an event that is still open makes of its key.
        Word::Not(..) | Word::Open(..) if book.is_final(key) => return,
        Word::Not(_, _, successor) => return book.retract_for(key, successor),
        Word::Open(_, _, located) => (located, Stage::Open),
        Word::Final(_, _, located) => (located, Stage::Final),
    };
    let claim = claim(region, key, located, stage);
    if stage == Stage::Final {
        let [xx, _, _, yy, _, tt] = located.covariance;
        // Seen from any direction, at the speed of sound: an upper bound of what the place adds to an arrival's time.
        let variance_s2 = tt.max(0.0) + (xx + yy) / (340.0f64 * 340.0);
        // Who goes on exactly where another ended comes to what that one would have come to, also to what becomes final late.
        let was_settled = match region.goes_on_exactly() {
            true => book.was_final_before(key),
            false => book.was_settled(&claim, world.registry),
        };
        if !was_settled || ((region.goes_on_exactly() || book.rests_on_the_same(&claim)) && !settled.has(key)) {
            settled.push(Settled::new(located.at, region.air(), variance_s2, located.score, claim.clone()));
        }
        if was_settled {
            return;
        }
    }
    book.say(claim, stage, world.registry, world.places, world.settings);
}
