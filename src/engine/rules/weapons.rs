//! Heavy weapons that give themselves away by firing: a radar sees where rounds leave, and that is in an area where no heavy
//! weapon may be.
//!
//! Rounds from one place are one weapon's, or one battery's: one alert from the first round to the last. The place is the
//! rounds' weighted mean, and the chance that the weapon is inside follows from how far within the border that is against
//! its uncertainty, and from how much of a radar's solutions are wrong.

use super::lane::{Correction, Episode, Extent, Scene, Seen, Watch, span_ns};
use super::lanes::Lanes;
use super::memory::Memory;
use super::track::{CERTAIN_SD, chance_inside};
use super::{Rule, World, cited_at, remember, supersedes_at};
use crate::engine::book::{Book, Cited, Claim};
use crate::model::alert::Class;
use crate::model::area::Prohibition;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::{Kind, KindSet};
use crate::model::observation::Observations;
use serde::{Deserialize, Serialize};

/// Begins every key.
pub const NAME: &str = "weapons";

/// The chance that a radar's origin is one.
const PROBABILITY: f64 = 0.97;
/// One sigma of an origin that gives none, metres, and the least there is: maps and radars are not surveyed better.
const ORIGIN_SD_M: f64 = 100.0;
const LEAST_SD_M: f64 = 10.0;
/// A round is from a place if it left within so many sigma of it, or nearer than a battery is wide, metres.
const SAME_SD: f64 = 3.0;
const BATTERY_M: f64 = 150.0;
/// Rounds of one place that are cited besides the last.
const MAX_CITED: usize = 20;
/// Places in one area at a time, and of the past. At it the oldest ends, or stands as it was told.
const MAX_PLACES: usize = 256;

/// Where a round left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Origin {
    cited: Cited,
    place: LonLat,
    sd_m: f64,
}

impl Seen for Origin {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}

/// Where some rounds left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Emplacement {
    key: String,
    area: String,
    place: LonLat,
    /// Sum of the rounds' weights, 1/m².
    weight: f64,
    rounds: u32,
    from_ns: i64,
    newest_ns: i64,
    to_ns: Option<i64>,
    cited: Vec<Cited>,
    last: Cited,
}

impl Emplacement {
    fn sd_m(&self) -> f64 {
        self.weight.powf(-0.5).max(LEAST_SD_M)
    }

    fn is_of(&self, origin: &Origin) -> bool {
        self.place.flat_distance_m(origin.place) <= (SAME_SD * self.sd_m().hypot(origin.sd_m)).max(BATTERY_M)
    }

    fn add(&mut self, origin: &Origin) {
        let weight = origin.sd_m.powi(-2);
        self.weight += weight;
        let (share, (east_m, north_m)) = (weight / self.weight, self.place.flat_offset_m(origin.place));
        self.place = self.place.toward(east_m.atan2(north_m).to_degrees(), share * east_m.hypot(north_m));
        self.rounds += 1;
        self.from_ns = self.from_ns.min(origin.cited.time_ns);
        if origin.cited.time_ns >= self.newest_ns {
            (self.newest_ns, self.last) = (origin.cited.time_ns, origin.cited);
        }
        if self.cited.len() < MAX_CITED {
            self.cited.push(origin.cited);
        }
    }
}

impl Episode for Emplacement {
    fn key(&self) -> &str {
        &self.key
    }

    fn extent(&self) -> Extent {
        let seen = u64::from(self.rounds);
        Extent { seen, newest_ns: self.newest_ns, from_ns: self.from_ns, to_ns: self.to_ns }
    }

    fn claim(&self, world: World<'_>) -> Claim {
        let sd_m = self.sd_m();
        let mut claim = Claim::new(self.key.clone(), Class::IncursionWeapons, self.place, self.from_ns);
        claim.time_sd_s = Kind::Radar.default_time_sd_s();
        claim.ellipse = Some(Ellipse { semi_major_m: sd_m, semi_minor_m: sd_m, orientation_deg: 0.0 });
        (claim.from_ns, claim.to_ns) = (Some(self.from_ns), self.to_ns);
        // Rounds are not weapons: there was one at least.
        claim.count_is_minimum = true;
        let depth_m =
            world.places.find(&self.area).map_or(f64::NAN, |ix| world.places.signed_distance_m(ix, self.place));
        claim.probability = PROBABILITY * chance_inside(depth_m, sd_m);
        claim.evidence = self.cited.iter().copied().chain([self.last]).collect();
        claim.areas = vec![self.area.clone()];
        claim
    }
}

/// What is known of an area.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Emplacements {
    firing: Vec<Emplacement>,
    past: Vec<Emplacement>,
}

fn ends_after_ns(world: World<'_>) -> i64 {
    span_ns(world.settings.weapons.ends_after_s).max(1)
}

impl Emplacements {
    fn end(&mut self, at: usize, ended: &mut Vec<Emplacement>) {
        let mut place = self.firing.remove(at);
        place.to_ns = Some(place.newest_ns);
        remember(&mut self.past, place.clone(), MAX_PLACES);
        ended.push(place);
    }
}

impl Watch for Emplacements {
    const NAME: &'static str = NAME;

    type Key = str;
    type Seen = Origin;
    type Episode = Emplacement;
    type Common = ();

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Emplacement>) {
        let (ends_after_ns, horizon_ns) = (ends_after_ns(scene.world), span_ns(scene.world.settings.amend_horizon_s));
        let is_over = |it: &Emplacement| now_ns.saturating_sub(it.newest_ns) >= ends_after_ns;
        while let Some(at) = self.firing.iter().position(is_over) {
            self.end(at, ended);
        }
        self.past.retain(|past| now_ns.saturating_sub(past.newest_ns) < horizon_ns);
    }

    fn step(&mut self, origin: &Origin, scene: Scene<'_>, ended: &mut Vec<Emplacement>) {
        if let Some(place) = self.firing.iter_mut().find(|place| place.is_of(origin)) {
            return place.add(origin);
        }
        if self.firing.len() == MAX_PLACES {
            self.end(0, ended);
        }
        let node = &scene.world.registry.node(origin.cited.node).name;
        let time_ns = origin.cited.time_ns;
        self.firing.push(Emplacement {
            key: format!("{NAME}/{}/{node}/{}", scene.key, origin.cited.id.as_str()),
            area: scene.key.to_owned(),
            place: origin.place,
            weight: origin.sd_m.powi(-2),
            rounds: 1,
            from_ns: time_ns,
            newest_ns: time_ns,
            to_ns: None,
            cited: vec![origin.cited],
            last: origin.cited,
        });
    }

    fn recall(&mut self, origin: &Origin, scene: Scene<'_>, corrections: &mut Vec<Correction<Emplacement>>) -> bool {
        let time_ns = origin.cited.time_ns;
        let ends_after_ns = ends_after_ns(scene.world);
        let is_known = |it: &Emplacement| {
            let spans = it.from_ns.saturating_sub(ends_after_ns)..it.newest_ns.saturating_add(ends_after_ns);
            it.is_of(origin) && spans.contains(&time_ns)
        };
        if self.firing.iter().any(is_known) || self.past.iter().any(is_known) {
            // One round more of a place that is told of anyway.
            return false;
        }
        // A place of which nothing was known.
        let mut alone = Emplacements::default();
        alone.step(origin, scene, &mut Vec::new());
        let mut ended = Vec::new();
        alone.end(0, &mut ended);
        for place in ended {
            remember(&mut self.past, place.clone(), MAX_PLACES);
            corrections.push(Correction::Was(place));
        }
        true
    }

    fn lasting(&self) -> impl Iterator<Item = &Emplacement> {
        self.firing.iter()
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        let (ends_after_ns, horizon_ns) = (ends_after_ns(world), span_ns(world.settings.amend_horizon_s));
        let ends = self.firing.iter().map(|it| it.newest_ns.saturating_add(ends_after_ns));
        ends.chain(self.past.iter().map(|it| it.newest_ns.saturating_add(horizon_ns))).min()
    }

    fn spent(&self) -> bool {
        self.firing.is_empty() && self.past.is_empty()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        !self.spent()
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        let all = self.firing.iter_mut().chain(&mut self.past);
        all.flat_map(|it| it.cited.iter_mut().chain([&mut it.last])).for_each(tell);
    }
}

/// The rule. An area that is not there when a round is seen has no part in it.
#[derive(Default, Serialize, Deserialize)]
pub struct FiringWeapons {
    lanes: Lanes<Emplacements>,
}

impl Rule for FiringWeapons {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Radar)
    }

    /// Rounds of one gun may seem to leave on either side of where two parts meet.
    fn sees_all(&self) -> bool {
        true
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        let settings = &world.settings.weapons;
        if !settings.on {
            return;
        }
        let (cited, supersedes) = (cited_at(batch, row), supersedes_at(batch, row));
        let origin = &batch.radars.origin[batch.detail[row] as usize];
        let place = LonLat::checked(origin.lon_deg, origin.lat_deg).filter(|_| origin.time_ns.is_some());
        let sd_m = 0.5f64.sqrt() * origin.semi_major_m.hypot(origin.semi_minor_m);
        let sd_m = if sd_m > 0.0 { sd_m } else { ORIGIN_SD_M };
        let areas = world.places.areas();
        if let Some(id) = supersedes {
            self.lanes.correct(cited.node, id, cited.time_ns);
            // Whatever it was, it was in one of these, if it came already.
            let all: Vec<String> = world
                .places
                .prohibiting(Prohibition::HeavyWeapons)
                .map(|ix| areas[ix].area.clone())
                .filter(|area| self.lanes.find(area.as_str()).is_some())
                .collect();
            all.iter().for_each(|area| self.lanes.withdraw(area, cited.node, id, cited.time_ns, world, book));
        }
        let Some(place) = place.filter(|_| !batch.withdrawn[row]) else { return };
        for (ix, depth_m) in world.places.near(place, CERTAIN_SD * sd_m, &[Prohibition::HeavyWeapons]) {
            if areas[ix].valid_at(cited.time_ns) && chance_inside(depth_m, sd_m) >= settings.min_p {
                self.lanes.observe(&areas[ix].area, Origin { cited, place, sd_m }, None, world, book);
            }
        }
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.lanes.advance(watermark_ns, world, book);
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(&mut self.lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::*;
    use super::*;
    use crate::model::alert::{AlertFeature, Status};
    use proptest::prelude::*;

    /// Ten rounds from a place in the zone, three from another one 3 km away, two from outside.
    fn rounds() -> Vec<Sent> {
        let mut sent: Vec<Sent> =
            (0..10).map(|n| origin("radar", 20 * n, 30.0 + 0.0003 * (n % 3) as f64, 50.0)).collect();
        sent.extend((0..3).map(|n| origin("radar", 5 + 30 * n, 30.04, 50.01)));
        sent.extend((0..2).map(|n| origin("radar", 7 + 30 * n, 30.2, 50.0)));
        sent.sort_by_key(Sent::second);
        sent
    }

    fn told(sent: &[Sent], delivery: &Delivery) -> Vec<AlertFeature> {
        let mut sent = sent.to_vec();
        sent.push(status("other", 7200, "ok"));
        deliver::<FiringWeapons>(&sent, delivery)
    }

    #[test]
    fn rounds_from_one_place_are_one_weapon_and_those_from_outside_none() {
        let said = told(&rounds(), &Delivery::in_order());
        assert_eq!(said.len(), 2, "{said:#?}");
        for alert in said.iter().map(|it| &it.properties) {
            assert_eq!((alert.class, alert.status), (Class::IncursionWeapons, Status::Final));
            assert!(alert.violation && alert.count_is_minimum && alert.probability > 0.95 && alert.areas == ["zone"]);
        }
        let first = said.iter().find(|it| it.properties.from == Some(at_s(0))).unwrap();
        assert_eq!(first.properties.to, Some(at_s(180)));
    }

    #[test]
    fn at_the_border_it_is_as_sure_as_the_place() {
        // The border is at 30.1°; 60 m is one sigma.
        let at = |lon_deg: f64| told(&[origin("radar", 0, lon_deg, 50.0)], &Delivery::in_order());
        assert!(at(30.102).is_empty());
        let inside = &at(30.0995)[0].properties;
        assert!((0.6..0.8).contains(&inside.probability), "{}", inside.probability);
    }

    #[test]
    fn a_round_that_is_taken_back_was_none_and_a_late_one_is_told() {
        let sent = [origin("radar", 0, 30.0, 50.0)];
        let back = withdraw(origin("radar", 10, 30.0, 50.0), &sent[0]);
        assert!(told(&[sent[0].clone(), back], &Delivery::in_order()).is_empty());
        let mut late = vec![origin("radar", 0, 30.04, 50.01), status("other", 600, "ok")];
        late.push(origin("radar", 5, 30.0, 50.0));
        assert_eq!(told(&late, &Delivery::as_listed()).len(), 2);
    }

    proptest! {
        #[test]
        fn the_order_of_delivery_does_not_matter(delivery in any_delivery(16)) {
            prop_assert_eq!(told(&rounds(), &delivery), told(&rounds(), &Delivery::in_order()));
        }

        #[test]
        fn a_successor_goes_on_where_the_first_one_ended(
            delivery in any_delivery(16), share in 0.0..1.0f64, recall_s in 90i64..400, knows in any::<bool>(),
        ) {
            let mut sent = rounds();
            sent.push(status("other", 7200, "ok"));
            let by_two = standing(tell_by_two::<FiringWeapons>(&sent, &delivery, share, (recall_s, knows)));
            prop_assert_eq!(by_two, deliver::<FiringWeapons>(&sent, &Delivery::in_order()));
        }
    }
}
