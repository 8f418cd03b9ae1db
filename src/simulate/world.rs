//! The scene while it is being made: nodes, air, what happens, and what the nodes send of it.

use super::air::Air;
use super::chance::{Chance, Purpose};
use super::draft::Draft;
use super::ground;
use super::site::Site;
use super::{Options, ground::sector_of};
use crate::model::alert::{Class, Sign};
use crate::model::area::{Area, Prohibition};
use crate::model::geo::LonLat;
use crate::model::notice::Notice;
use crate::model::time::{ns_from_s, s_from_ns};
use crate::score::bound::Information;

/// Something that happens, and what is gathered about it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// What.
    pub(super) class: Class,
    /// What tells of it, where the class does not say.
    pub(super) sign: Option<Sign>,
    /// When.
    pub(super) time_ns: i64,
    /// Where.
    pub(super) place: LonLat,
    /// Of what lasts: until when; `None` while it lasts.
    pub(super) to_ns: Option<i64>,
    /// Whether it lasts.
    pub(super) lasts: bool,
    /// The areas whose prohibition it breaches.
    pub(super) areas: Vec<String>,
    /// An area prohibits it and no notice covers it.
    pub(super) violation: bool,
    /// Fire: how far it carries, metres.
    pub(super) carry_m: f64,
    /// Fire: logarithm of its pressure in pascals at a kilometre.
    pub(super) loudness: f64,
    /// Arrivals that nodes made of it.
    pub(super) arrivals: usize,
    /// Fire: its other end.
    pub(super) other_end: Option<LonLat>,
    /// Whether something else than arrivals (a radar) tells its place.
    pub(super) placed: bool,
    /// What the evidence tells of its place.
    pub(super) information: Information,
}

/// The scene.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) options: Options,
    pub(super) centre: LonLat,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) air: Air,
    pub(super) sites: Vec<Site>,
    pub(super) areas: Vec<Area>,
    pub(super) notices: Vec<Notice>,
    pub(super) events: Vec<Event>,
    pub(super) drafts: Vec<Draft>,
}

impl World {
    /// An empty scene of that length about `centre`.
    pub(super) fn new(seed: u64, options: &Options, centre: LonLat, length_s: f64) -> World {
        World {
            seed,
            options: options.clone(),
            centre,
            start_ns: options.start_ns,
            end_ns: options.start_ns.saturating_add(ns_from_s(length_s)),
            air: Air::new(centre, &mut Chance::new(seed, Purpose::Air)),
            sites: Vec::new(),
            areas: Vec::new(),
            notices: Vec::new(),
            events: Vec::new(),
            drafts: Vec::new(),
        }
    }

    /// How long it lasts, seconds.
    pub(super) fn length_s(&self) -> f64 {
        s_from_ns(self.end_ns - self.start_ns)
    }

    /// Seconds into the scene.
    pub(super) fn at_s(&self, time_ns: i64) -> f64 {
        s_from_ns(time_ns - self.start_ns)
    }

    /// The time so many seconds into the scene.
    pub(super) fn at_ns(&self, at_s: f64) -> i64 {
        self.start_ns + ns_from_s(at_s)
    }

    /// Adds a node and gives its place in the list.
    pub(super) fn add_site(&mut self, mut site: Site) -> usize {
        site.node.sector.get_or_insert_with(|| sector_of(self.centre, site.place).to_owned());
        self.sites.push(site);
        self.sites.len() - 1
    }

    /// Adds a round: its loudness and how far it carries vary from round to round, together.
    pub(super) fn add_fire(
        &mut self,
        class: Class,
        time_ns: i64,
        place: LonLat,
        range_m: f64,
        chance: &mut Chance,
    ) -> usize {
        let power = chance.normal();
        let shift = match class {
            Class::FireExplosion => 0.3,
            Class::FireOutgoing => -0.2,
            Class::FireBurst | Class::FireShot => -0.5,
            _ => 0.0,
        };
        let event = Event {
            carry_m: range_m * (0.15 * power - 0.05).exp(),
            loudness: 5f64.ln() + shift + 0.5 * power + 0.3 * chance.normal(),
            ..self.happening(class, time_ns, place, &[Prohibition::Fire])
        };
        self.add_event(event)
    }

    /// An instant at a place, judged by the map.
    pub(super) fn happening(&self, class: Class, time_ns: i64, place: LonLat, prohibitions: &[Prohibition]) -> Event {
        let areas = ground::breached(&self.areas, place, time_ns, prohibitions);
        let violation = !areas.is_empty() && !ground::noticed(&self.notices, place, time_ns, class);
        Event {
            class,
            sign: None,
            time_ns,
            place,
            to_ns: None,
            lasts: false,
            areas,
            violation,
            carry_m: 0.0,
            loudness: 0.0,
            arrivals: 0,
            other_end: None,
            placed: false,
            information: Information::default(),
        }
    }

    /// Adds an event and gives its place in the list.
    pub(super) fn add_event(&mut self, event: Event) -> usize {
        self.events.push(event);
        self.events.len() - 1
    }
}
