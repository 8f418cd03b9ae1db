//! One region: its plane, its sites and arrivals, the first word and the final word about the events in it.

use super::celerity;
use super::echo;
use super::field::{Field, Site, order_of, waves_of};
use super::kernel::Isa;
use super::layout::{has_near, is_elsewhere, is_wide};
use super::learnt::Learnt;
use super::live::Live;
use super::locate::{Located, Place, Point, RATE_HALF_S};
use super::prior::Prior;
use super::record::{HeldRecord, PlanRecord, SiteRecord};
use super::settle::{Apex, Settling};
use super::stands::{Spot, Stands};
use super::wave::{Medium, Wave};
use super::window::{Arrival, Slot, Window};
use crate::engine::book::FIRE;
use crate::engine::in_order;
use crate::engine::settings::Fire;
use crate::engine::weather::{Air, Weather};
use crate::model::geo::{Frame, LonLat};
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::Id;
use crate::model::time::ns_from_s;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Air is looked up as it stood at whole minutes.
const AIR_STEP_S: f64 = 60.0;

/// Minutes of which the air is remembered.
const MAX_MEDIA: usize = 8;

/// Epochs are a multiple of this: ten days, in which a double tells a tenth of a nanosecond.
const EPOCH_STEP_S: f64 = 864_000.0;

/// Arrivals that are over are forgotten in steps of so much event time.
const FORGET_S: f64 = 10.0;
/// A record whose epoch is further away than this is of another time: what it says of times means nothing any more.
const FAR_EPOCH_S: f64 = 100.0 * 86_400.0;

/// Steps so long before the last one that a record holds are the same stream, read again; what is older still is another.
const READ_AGAIN_S: f64 = 3_600.0;

/// Added to the longest travel time: picks, clocks and echoes of the gate.
const MARGIN_S: f64 = 4.0;

/// Late arrivals kept for events that are about to become final; beyond, they are counted and let go.
pub const MAX_LATE: usize = 65_536;

/// A word of the region about one event.
#[derive(Debug)]
pub enum Word<'a> {
    /// It is or has changed; more may come.
    Open(&'a str, Option<Anchor>, &'a Located),
    /// It is final, under this key.
    Final(&'a str, Option<Anchor>, &'a Located),
    /// What was said under this key is not so; the last is the key under which it stands, if it does.
    Not(&'a str, Option<Anchor>, Option<&'a str>),
}

/// What an event belongs with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Anchor {
    /// A node that heard it.
    Node(NodeIx),
    /// Where a radar has it, or where a node that moves was when it heard it.
    Place(LonLat),
}

/// What a region looks at while it works.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The registry.
    pub registry: &'a Registry,
    /// Clocks, health, weather.
    pub weather: &'a Weather,
    /// The settings.
    pub settings: &'a Fire,
    /// Up to here all that comes in time is in, nanoseconds.
    pub watermark_ns: i64,
    /// Up to here nodes have reported, as far as is known now, nanoseconds.
    pub heard_until_ns: i64,
}

/// By node and wave.
type ByName<T> = FxHashMap<(String, Wave), T>;

/// A plan of a record, and what is known of its arrivals.
#[derive(Clone, Serialize, Deserialize)]
struct KeptPlan {
    plan: PlanRecord,
    #[serde(with = "by_name")]
    held: ByName<Vec<HeldRecord>>,
}

/// A region of the earth in which arrivals are associated.
#[derive(Serialize, Deserialize)]
pub struct Region {
    frame: Frame,
    field: Field,
    stands: Stands,
    members: Vec<NodeIx>,
    /// Whether there are nodes that hear no further than a network's, and those that hear further.
    has_near: bool,
    #[serde(serialize_with = "in_order::set")]
    wide: FxHashSet<NodeIx>,
    window: Window,
    points: Vec<Point>,
    epoch_ns: Option<i64>,
    live: Live,
    settling: Settling,
    stepped_to_s: f64,
    /// All before this is final by how far event time has come, whether there was anything to make steps for or not.
    final_to_s: f64,
    forgotten_to_s: f64,
    /// Up to here what was learnt comes from a record.
    taught_to_s: f64,
    /// What comes from so long before that is of another stream.
    read_again_s: f64,
    /// Whether the epoch is that of the record, and no arrival has come.
    is_restored: bool,
    /// What was not final when the record was written, until all that it rests on has been seen again.
    kept: Option<KeptPlan>,
    /// Whether it went on from there.
    goes_on: bool,
    /// What a record says of sites that have not spoken and are not in the registry.
    #[serde(with = "by_name")]
    waiting: ByName<SiteRecord>,
    #[serde(skip, default = "Isa::best")]
    isa: Isa,
    learnt: Learnt,
    prior: Prior,
    /// Where and when the events are that have no final word yet, for the prior of both words.
    others: Vec<Place>,
    /// The media last asked for: of which minute, by how many reports. Both words ask, each for its own minute.
    media: VecDeque<(i64, u64, Medium)>,
    /// The air in which the last step was made.
    air: Air,
    travel_s: f64,
    longest_travel_s: f64,
    late: Vec<Arrival>,
    /// What was taken back and is still in the final word, and from which time on it is not, s.
    taken_back: BTreeMap<Apex, f64>,
}

/// Builds the [`Problem`] from a region's parts, leaving the others free to be borrowed.
macro_rules! problem {
    ($region:ident, $around:expr, $medium:expr, until: $until:expr, heard_until: $heard:expr) => {
        $crate::engine::associate::locate::Problem {
            field: &$region.field,
            stands: &$region.stands,
            window: &$region.window,
            points: &$region.points,
            medium: $medium,
            weather: $around.weather,
            settings: $around.settings,
            epoch_ns: $region.epoch_ns.unwrap_or(0),
            law: $region.learnt.law(),
            prior: &$region.prior,
            others: &$region.others,
            step_m: 2.0
                * $medium.speed_m_s(
                    $region
                        .field
                        .sites()
                        .first()
                        .map_or($crate::engine::associate::wave::Wave::Acoustic, |site| site.wave),
                ),
            travel_s: $region.travel_s(),
            until_s: $until,
            heard_until_s: $heard,
        }
    };
}

mod by_name;
mod corrected;
mod first;
mod last;
mod lessons;

impl Region {
    /// A region about `centre` with these nodes. A wave counts only as far as it comes in `longest_travel_s`, which
    /// keeps one slow wave from far away from putting off the final word about all events.
    pub fn new(centre: LonLat, members: &[NodeIx], registry: &Registry, longest_travel_s: f64) -> Region {
        let frame = Frame::about(centre);
        let mut region = Region {
            frame,
            field: Field::default(),
            stands: Stands::default(),
            members: members.to_vec(),
            has_near: has_near(registry),
            wide: FxHashSet::default(),
            window: Window::default(),
            points: Vec::new(),
            epoch_ns: None,
            live: Live::default(),
            settling: Settling::default(),
            stepped_to_s: f64::NEG_INFINITY,
            final_to_s: f64::NEG_INFINITY,
            forgotten_to_s: f64::NEG_INFINITY,
            taught_to_s: f64::NEG_INFINITY,
            read_again_s: READ_AGAIN_S,
            is_restored: false,
            kept: None,
            goes_on: false,
            waiting: FxHashMap::default(),
            isa: Isa::best(),
            learnt: Learnt::default(),
            prior: Prior::default(),
            others: Vec::new(),
            media: VecDeque::new(),
            air: Air::default(),
            travel_s: MARGIN_S,
            longest_travel_s,
            late: Vec::new(),
            taken_back: BTreeMap::new(),
        };
        let mut sites = Vec::new();
        region.members.sort_by_key(|&ix| order_of(registry.node(ix)));
        for ix in region.members.clone() {
            let node = registry.node(ix);
            let Some(position) = node.position else { continue };
            for wave in waves_of(node) {
                let site = region.new_site(ix, wave, position, registry);
                sites.push(site);
            }
        }
        for (number, site) in (0..).zip(&sites) {
            region.stands.lay_out(site.node, site.wave, number);
        }
        region.field.extend(sites);
        region
    }

    fn new_site(&mut self, ix: NodeIx, wave: Wave, position: LonLat, registry: &Registry) -> Site {
        if self.has_near && is_wide(registry.node(ix)) {
            self.wide.insert(ix);
        }
        let (x_m, y_m) = self.frame.to_plane(position);
        let mut site = Site::new(ix, registry.node(ix), wave, (x_m, y_m), self.frame.north_deg(x_m, y_m));
        let speed_m_s = Medium::speed_at_rest_m_s(wave, &Fire::default());
        site.range_m = site.range_m.min(self.longest_travel_s * speed_m_s);
        // 12% covers −40 °C and a gale against the sound.
        self.travel_s = self.travel_s.max(1.12 * site.range_m / speed_m_s + MARGIN_S);
        if wave == Wave::Infrasound {
            self.travel_s = self.travel_s.max(celerity::slowness_s_m(site.range_m).1 * site.range_m + MARGIN_S);
        }
        site
    }

    /// Makes what is not written down anew, to the same bits.
    pub fn rebuild(&mut self) {
        self.field.rebuild(|wave| self.learnt.curve(wave));
        self.prior.sum_up();
    }

    /// Its plane.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Its nodes.
    pub fn members(&self) -> &[NodeIx] {
        &self.members
    }

    /// Its sites.
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// An arrival of the window.
    pub fn arrival(&self, slot: Slot) -> &Arrival {
        self.window.arrival(slot)
    }

    /// A radar's point.
    pub fn point(&self, number: usize) -> &Point {
        &self.points[number]
    }

    /// Arrivals held.
    pub fn arrivals_held(&self) -> usize {
        self.window.len()
    }

    /// Arrivals that took no part because their nodes said too much.
    pub fn passed_over(&self) -> u64 {
        self.window.passed_over()
    }

    /// Notes whether an arrival may be an echo of what its site picked before.
    fn note_echo(&mut self, slot: Slot) {
        let site = &self.field.sites()[self.window.arrival(slot).site as usize];
        if site.wave == Wave::Acoustic {
            self.window.set_echo(slot, echo::ln_more(&self.window, slot, site.clutter_per_s));
        }
    }

    /// The region's epoch, nanoseconds: times in it are seconds since then.
    pub fn epoch_ns(&self) -> i64 {
        self.epoch_ns.unwrap_or(0)
    }

    /// The site of a node for a wave, where it stands; made when the node turns out to hear it, and anew where it says itself that it is
    /// elsewhere (`is_own`). What it hears is heard at that time, s.
    pub fn site(
        &mut self,
        (ix, wave): (NodeIx, Wave),
        (position, is_own): (LonLat, bool),
        time_s: f64,
        registry: &Registry,
    ) -> u32 {
        let spot = match self.stands.first(ix, wave) {
            Some(first) if !is_own => Spot::At(first),
            _ => self.stands.spot(ix, wave, self.frame.to_plane(position), &self.field, self.forgotten_to_s),
        };
        let number = match spot {
            Spot::At(number) => number,
            Spot::New => {
                let number = self.field.sites().len() as u32;
                let site = self.introduced(number, (ix, wave), position, registry);
                self.field.add(site);
                self.stands.add(ix, wave, number);
                number
            }
            Spot::InPlaceOf(number) => {
                let site = self.introduced(number, (ix, wave), position, registry);
                self.field.replace(number, site);
                number
            }
        };
        if is_own || self.field.sites()[number as usize].moves {
            self.stands.note(ix, wave, number, time_s, self.forgotten_to_s);
            let all = self.stands.all(ix, wave);
            if all.iter().any(|&number| !self.field.sites()[number as usize].moves) {
                self.field.learn(|sites| all.iter().for_each(|&number| sites[number as usize].moves = true));
            }
        }
        number
    }

    /// A new site, with what is known of its node.
    fn introduced(&mut self, number: u32, (ix, wave): (NodeIx, Wave), position: LonLat, registry: &Registry) -> Site {
        let mut site = self.new_site(ix, wave, position, registry);
        site.is_elsewhere = is_elsewhere(registry.node(ix), position);
        self.learnt.introduce(&mut site);
        if let Some(record) = self.waiting.remove(&(registry.node(ix).name.clone(), wave)) {
            self.learnt.restore_site(number, &mut site, &record);
        }
        site
    }

    /// Seconds since the epoch, which the first arrival sets (to a whole number of days, so that it hardly ever matters
    /// which arrival is the first).
    pub fn seconds(&mut self, time_ns: i64) -> f64 {
        let step_ns = ns_from_s(EPOCH_STEP_S);
        if std::mem::take(&mut self.is_restored)
            && self.epoch_ns.is_some_and(|epoch_ns| time_ns.abs_diff(epoch_ns) as f64 * 1e-9 > FAR_EPOCH_S)
        {
            self.forget_times();
            self.epoch_ns = None;
        }
        let epoch_ns = *self.epoch_ns.get_or_insert(time_ns.div_euclid(step_ns) * step_ns);
        (time_ns - epoch_ns) as f64 * 1e-9
    }

    /// The longest time a wave takes to a node in range, with a margin.
    pub fn travel_s(&self) -> f64 {
        self.travel_s
    }

    /// Takes in an arrival that the watermark has passed. What it would have changed has been worked out without it, or
    /// is about to be, and which of the two hangs on how the stream was cut into batches: so it takes no part in that,
    /// and waits for a final event to bear out, which [`Region::late`] is asked for.
    pub fn take_late(&mut self, arrival: Arrival) {
        if self.late.len() < MAX_LATE {
            self.late.push(arrival);
        }
    }

    /// The late arrivals that wait for a final event to bear out.
    pub fn late(&mut self) -> &mut Vec<Arrival> {
        &mut self.late
    }

    /// The oldest observation that the region still needs, nanoseconds; `None` when nothing waits. An arrival that is
    /// not final yet needs its neighbours in time as well, which tell the rate of clutter.
    pub fn low_water_ns(&self) -> Option<i64> {
        let open_s = self.settling.oldest_s().map(|oldest_s| oldest_s - self.travel_s - RATE_HALF_S);
        // One that waits for a final event has been passed by its partition, and is behind what was of its time.
        let late_s = self.late.iter().map(|arrival| arrival.time_s);
        Some(self.epoch_ns? + ns_from_s(open_s.into_iter().chain(late_s).reduce(f64::min)?))
    }

    /// All before this is final, seconds since the epoch.
    pub fn settled_to_s(&self) -> f64 {
        (self.stepped_to_s - 2.0 * self.travel_s).max(self.final_to_s)
    }

    /// The air in which the last step was made, and so the newest final events were found.
    pub fn air(&self) -> Air {
        self.air
    }

    /// How much later than from `at` an arrival came that followed that event by `lag_s` at a site, its sigma as far as it is
    /// the path's, and how far from there the site is. Where the travel time is a range, what lies in it is not late.
    pub fn off(&self, at: Place, site: u32, lag_s: f64, medium: &Medium) -> (f64, f64, f64) {
        let site = &self.field.sites()[site as usize];
        let travel = medium.travel(site.wave, site.x_m - at.x_m, site.y_m - at.y_m);
        let (residual_s, beyond_s) = (lag_s - travel.time_s, medium.beyond_s(site.wave, travel.time_s));
        let off_s = residual_s - residual_s.clamp(-beyond_s, beyond_s);
        (off_s, medium.path_sd_s(site.wave, travel.time_s), travel.distance_m)
    }

    /// The air as known when it was last asked for at that minute, if it was and anything had been reported: good enough for a
    /// first word, which needs not know what has been reported since.
    fn medium_at_hand(&mut self, time_s: f64, around: Surroundings<'_>) -> Medium {
        let at_ns = self.minute_ns(time_s);
        match self.media.iter().find(|known| known.0 == at_ns && known.1 > 0) {
            Some(&(_, _, medium)) => medium,
            None => self.medium(time_s, around),
        }
    }

    fn minute_ns(&self, time_s: f64) -> i64 {
        self.epoch_ns.unwrap_or(0) + ns_from_s((time_s / AIR_STEP_S).floor() * AIR_STEP_S)
    }

    fn medium(&mut self, time_s: f64, around: Surroundings<'_>) -> Medium {
        let at_ns = self.minute_ns(time_s);
        // Reports of what comes after that minute change nothing about it.
        let noted = around.weather.noted_up_to(at_ns);
        if let Some(&(_, _, medium)) = self.media.iter().find(|known| (known.0, known.1) == (at_ns, noted)) {
            return medium;
        }
        let medium = Medium::new(around.weather.air(&self.members, at_ns), around.settings);
        self.media.retain(|known| known.0 != at_ns);
        if self.media.len() >= MAX_MEDIA {
            self.media.pop_front();
        }
        self.media.push_back((at_ns, noted, medium));
        medium
    }

    /// What makes an event this one and no other: its radar's solution, which is there at once and whole, else its
    /// earliest arrival.
    fn key(&self, located: &Located, registry: &Registry) -> String {
        match (self.earliest_point(located), self.earliest(located)) {
            (Some(point), _) => {
                let end = if point.is_origin { "origin" } else { "impact" };
                format!("{FIRE}{}/{}/{end}", registry.node(point.node).name, point.id.as_str())
            }
            (None, Some((node, id, _))) => format!("{FIRE}{}/{}", registry.node(node).name, id.as_str()),
            (None, None) => String::from("fire"),
        }
    }

    fn earliest_point(&self, located: &Located) -> Option<&Point> {
        located.points.iter().map(|&number| &self.points[number]).min_by_key(|p| (p.time_ns, p.node, p.id))
    }

    /// The earliest arrival of an event: at which node, under which id. What was heard from afar by nodes that hear
    /// further than a network's comes after all that was heard near by: they are at home in no region.
    /// Where that was elsewhere than where the node is at home, it is given, too.
    fn earliest(&self, located: &Located) -> Option<(NodeIx, Id, Option<LonLat>)> {
        let arrivals = located.arrivals.iter().map(|explained| self.window.arrival(explained.slot));
        let heard = arrivals.map(|arrival| {
            let node = self.field.sites()[arrival.site as usize].node;
            (self.wide.contains(&node), arrival.time_ns, node, arrival.id, arrival.site)
        });
        let (_, _, node, id, number) = heard.min()?;
        let site = &self.field.sites()[number as usize];
        Some((node, id, site.is_elsewhere.then(|| self.frame.to_place(site.x_m, site.y_m))))
    }

    /// What an event belongs with, which is what it is called by.
    pub fn anchor(&self, located: &Located) -> Option<Anchor> {
        let place = self.earliest_point(located).map(|point| Anchor::Place(self.place(point.at)));
        place.or_else(|| self.earliest(located).map(|(node, _, at)| at.map_or(Anchor::Node(node), Anchor::Place)))
    }

    /// Whether any node of it would hear what happens there.
    pub fn hears(&self, place: LonLat) -> bool {
        let (x_m, y_m) = self.frame.to_plane(place);
        self.field.sites().iter().any(|site| (site.x_m - x_m).hypot(site.y_m - y_m) <= site.range_m)
    }

    /// A place of the plane on the earth.
    pub fn place(&self, at: Place) -> LonLat {
        self.frame.to_place(at.x_m, at.y_m)
    }
}
