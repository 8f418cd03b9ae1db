//! A vessel or an aircraft that lingers at the border of an area that is closed to it.
//!
//! Staying within a circle for long, near such an area but not in it, breaches nothing; it is told of as a sign, so that somebody
//! looks. A vessel only counts by night, when nobody sees what it does there. Whoever is in the area has made an incursion, and is
//! told of as that.

mod night;

use self::night::Night;
use super::lane::{Scene, Seen, Watch, span_ns};
use super::lanes::Lanes;
use super::memory::Memory;
use super::named::{is_named, name_in};
use super::rest::{Brief, Calm};
use super::spell::Spell;
use super::spots::{Spots, in_force_near};
use super::track::of_domain;
use super::{Rule, World, cited_at, supersedes_at};
use crate::engine::book::{Book, Cited};
use crate::model::alert::{Class, Sign};
use crate::model::geo::LonLat;
use crate::model::kind::{Domain, Kind, KindSet};
use crate::model::observation::Observations;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The chance that what lingers does so for a reason that is of interest: most are at anchor, fish or wait for a berth.
const PROBABILITY: f64 = 0.6;
/// One plot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plot {
    cited: Cited,
    place: LonLat,
    domain: Domain,
    /// It is near an area that is closed to it, outside of it, and it counts at that hour.
    counts: bool,
}

impl Seen for Plot {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}

/// In the mark of a brief, beside its domain: it counts.
const COUNTS: u8 = 0x80;

impl Plot {
    fn mark(&self) -> u8 {
        self.domain as u8 | if self.counts { COUNTS } else { 0 }
    }

    fn brief(&self) -> Brief<'_> {
        Brief::of(&self.cited, self.place, f64::NAN, self.mark())
    }

    fn is_within(&self, metres: f64, place: LonLat) -> bool {
        self.place.flat_distance_m(place) <= metres
    }
}

/// What has not been seen for so long is lost, nanoseconds.
fn lost_after_ns(world: World<'_>) -> i64 {
    span_ns(world.settings.tracks.lost_after_s).max(1)
}

/// What is known of a track.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lingerer {
    /// Where it has been since.
    anchor: Option<Plot>,
    last: Option<Cited>,
    spell: Option<Box<Spell>>,
    /// What was seen last, if that did not count: nothing from before goes on.
    #[serde(default)]
    outside: Option<Plot>,
}

impl Lingerer {
    /// What was seen last.
    fn last(&self) -> Option<&Cited> {
        self.last.as_ref().or(self.outside.as_ref().map(|plot| &plot.cited))
    }

    fn move_on(&mut self, ended: &mut Vec<Spell>) {
        if let (Some(spell), Some(last)) = (self.spell.take(), self.last) {
            ended.push(spell.ended_by(last));
        }
        *self = Lingerer::default();
    }
}

impl Watch for Lingerer {
    const NAME: &'static str = "loitering";

    type Key = str;
    type Seen = Plot;
    type Episode = Spell;
    type Common = ();

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Spell>) {
        let lost_after_ns = lost_after_ns(scene.world);
        if self.last().is_some_and(|last| now_ns.saturating_sub(last.time_ns) >= lost_after_ns) {
            self.move_on(ended);
        }
    }

    fn step(&mut self, plot: &Plot, scene: Scene<'_>, ended: &mut Vec<Spell>) {
        let settings = &scene.world.settings.loitering;
        let stays = |anchor: &Plot| plot.counts && anchor.is_within(settings.within_m, plot.place);
        if !self.anchor.as_ref().is_some_and(stays) {
            self.move_on(ended);
            self.anchor = plot.counts.then(|| plot.clone());
        }
        let Some(anchor) = &self.anchor else {
            self.outside = Some(plot.clone());
            return;
        };
        self.last = Some(plot.cited);
        match &mut self.spell {
            Some(spell) => (spell.last, spell.seen) = (plot.cited, spell.seen + 1),
            None if plot.cited.time_ns - anchor.cited.time_ns >= span_ns(settings.after_s) => {
                let node = &scene.world.registry.node(anchor.cited.node).name;
                let key = format!("loitering/{}/{node}/{}", scene.key, anchor.cited.id.as_str());
                let class = if plot.domain == Domain::Sea { Class::SeaIncursion } else { Class::AirIncursion };
                let mut spell = Spell::from(key, class, anchor.place, PROBABILITY, anchor.cited);
                (spell.sign, spell.last) = (Some(Sign::Loitering), plot.cited);
                self.spell = Some(Box::new(spell));
            }
            None => {}
        }
    }

    fn lasting(&self) -> impl Iterator<Item = &Spell> {
        self.spell.as_deref().into_iter()
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        self.last().map(|last| last.time_ns.saturating_add(lost_after_ns(world)))
    }

    fn spent(&self) -> bool {
        self.last().is_none()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        self.anchor.is_some()
    }

    fn at_rest(&self, world: World<'_>) -> Option<(Brief<'_>, Calm<()>)> {
        let calm = Calm { lasts_ns: lost_after_ns(world), common: () };
        if let Some(outside) = &self.outside {
            return Some((outside.brief(), calm));
        }
        let anchor = self.anchor.as_ref().filter(|_| self.spell.is_none())?;
        // Nothing depends on where it was last.
        Some((Brief::of(self.last.as_ref()?, anchor.place, f64::NAN, anchor.mark()), calm))
    }

    fn is_plain(&self) -> bool {
        self.anchor.is_none()
    }

    fn stays_plain(next: Brief<'_>) -> bool {
        next.mark & COUNTS == 0
    }

    fn brief<'a>(plot: &'a Plot, world: World<'_>) -> Option<(Brief<'a>, Calm<()>)> {
        Some((plot.brief(), Calm { lasts_ns: lost_after_ns(world), common: () }))
    }

    fn goes_on(&self, _last: Brief<'_>, next: Brief<'_>, _calm: &Calm<()>, world: World<'_>) -> bool {
        // Wherever it has been since, it has been there for less.
        let since = self.anchor.as_ref().map(|anchor| &anchor.cited).or(self.last());
        let after_ns = span_ns(world.settings.loitering.after_s);
        since.is_some_and(|since| next.time_ns - since.time_ns < after_ns)
    }

    fn seen(brief: Brief<'_>, _calm: &Calm<()>) -> Option<Plot> {
        let domain = *Domain::ALL.get(usize::from(brief.mark & !COUNTS))?;
        let (cited, counts) = (brief.cited(Kind::Track), brief.mark & COUNTS != 0);
        Some(Plot { cited, place: brief.place, domain, counts })
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        self.anchor.iter_mut().for_each(|plot| tell(&mut plot.cited));
        self.last.iter_mut().for_each(&mut *tell);
        self.outside.iter_mut().for_each(|plot| tell(&mut plot.cited));
        self.spell.iter_mut().for_each(|spell| spell.each_cited(tell));
    }
}

/// The rule.
#[derive(Default, Serialize, Deserialize)]
pub struct Loitering {
    lanes: Lanes<Lingerer>,
    #[serde(skip)]
    name: String,
    /// Whether a place is beside an area.
    #[serde(skip)]
    beside: Spots<bool>,
    #[serde(skip)]
    night: Night,
}

impl Loitering {
    /// Whether it is near an area in force that is closed to such an object, and in none.
    fn is_beside(&mut self, at: Option<usize>, place: LonLat, domain: Domain, time_ns: i64, world: World<'_>) -> bool {
        let about = domain as u8;
        if let Some(&is_beside) = at.and_then(|at| self.beside.known(at, about, place, world.places)) {
            return is_beside;
        }
        let near_m = world.settings.loitering.near_m.max(0.0);
        let (near, holds_m) = in_force_near(place, near_m, of_domain(domain), time_ns, world.places);
        let is_beside = !near.is_empty() && near.iter().all(|&(_, depth_m)| depth_m < 0.0);
        if let (Some(at), Some(holds_m)) = (at, holds_m) {
            self.beside.note(at, about, place, holds_m, world.places, is_beside);
        }
        is_beside
    }
}

impl Rule for Loitering {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Track)
    }

    fn look_ahead(&mut self, batch: &Observations, rows: Range<usize>) {
        let detail = |row: usize| batch.detail[row] as usize;
        let is_plot = |row: usize| batch.kind[row] == Kind::Track && batch.tracks.domain[detail(row)] != Domain::Ground;
        for row in rows.filter(|&row| is_plot(row)) {
            let plots = &batch.tracks;
            name_in(plots.domain[detail(row)], batch.text(plots.track[detail(row)]), &mut self.name);
            self.lanes.look_for(row, &self.name);
        }
        let looked = self.lanes.ahead().fold(0, |looked, at| looked ^ self.beside.look(at));
        std::hint::black_box(looked ^ self.lanes.look());
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        let settings = &world.settings.loitering;
        let (plots, detail) = (&batch.tracks, batch.detail[row] as usize);
        let domain = plots.domain[detail];
        if !settings.on || domain == Domain::Ground {
            return;
        }
        let (time_ns, supersedes) = (batch.time_ns[row], supersedes_at(batch, row));
        let track = plots.track[detail];
        if batch.withdrawn[row] {
            if let Some(id) = supersedes {
                name_in(domain, batch.text(track), &mut self.name);
                self.lanes.withdraw(&self.name, batch.node[row], id, time_ns, world, book);
            }
            return;
        }
        let place = LonLat::checked(plots.object_lon_deg[detail], plots.object_lat_deg[detail]);
        let Some(place) = place else { return };
        let at = self.lanes.found_ahead(row, |key| is_named(key, domain, batch.slice(track))).or_else(|| {
            name_in(domain, batch.text(track), &mut self.name);
            self.lanes.find(&self.name)
        });
        let counts = self.is_beside(at, place, domain, time_ns, world)
            && (domain != Domain::Sea || self.night.is_at(place, time_ns));
        if supersedes.is_none()
            && let Some(at) = at
        {
            let mark = domain as u8 | if counts { COUNTS } else { 0 };
            let brief = Brief::at(batch, row, place, f64::NAN, mark);
            let calm = Calm { lasts_ns: lost_after_ns(world), common: () };
            if self.lanes.go_on(at, brief, &calm, world) {
                return;
            }
        }
        name_in(domain, batch.text(track), &mut self.name);
        let plot = Plot { cited: cited_at(batch, row), place, domain, counts };
        self.lanes.observe(&self.name, plot, supersedes, world, book);
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
    use crate::engine::settings::Settings;
    use crate::model::alert::AlertFeature;
    use proptest::prelude::*;

    /// From so many hours after noon on, a plot every two minutes for two hours, 500 m beyond the border, going round and round.
    fn lingers(domain: Domain, hour: i64) -> Vec<Sent> {
        let from = hour * 3600;
        let at = |n: i64| 30.11 + 0.002 * (n as f64 / 3.0).sin();
        (0..60).map(|n| plot("ais", domain, "s", from + 120 * n, at(n), 50.0)).collect()
    }

    fn told(sent: &[Sent]) -> Vec<AlertFeature> {
        deliver::<Loitering>(sent, &Delivery::in_order())
    }

    #[test]
    fn who_lingers_at_a_border_by_night_is_told_of_and_breaches_nothing() {
        let said = told(&lingers(Domain::Sea, 8));
        assert_eq!(said.len(), 1);
        let alert = &said[0].properties;
        assert_eq!((alert.class, alert.sign, alert.violation), (Class::SeaIncursion, Some(Sign::Loitering), false));
        assert_eq!(alert.from, Some(at_s(8 * 3600)));
        assert!(told(&lingers(Domain::Sea, 0)).is_empty(), "by day a vessel is seen");
        assert_eq!(told(&lingers(Domain::Uav, 0))[0].properties.class, Class::AirIncursion);
    }

    #[test]
    fn who_is_beside_now_and_then_rests() {
        let legs: Vec<(usize, usize)> = (0..40).map(|n| (n % 4, 20)).collect();
        let mut rule = Loitering::default();
        let said = tell_by(&mut rule, &zone(), &wanders(&legs), &Delivery::in_order().unended());
        assert_eq!((said.len(), rule.lanes.len(), rule.lanes.each_awake().count()), (0, 1, 0));
    }

    #[test]
    fn who_passes_by_or_is_inside_does_not_linger() {
        let passing: Vec<Sent> = (0..60)
            .map(|n| plot("ais", Domain::Sea, "s", 8 * 3600 + 120 * n, 30.11, 49.8 + 0.006 * n as f64))
            .collect();
        assert!(told(&passing).is_empty());
        let inside: Vec<Sent> =
            (0..60).map(|n| plot("ais", Domain::Sea, "s", 8 * 3600 + 120 * n, 30.0, 50.0)).collect();
        assert!(told(&inside).is_empty());
    }

    /// Here and there for so many plots each, one every seven seconds: beside the zone, in it, and off it.
    fn wanders(legs: &[(usize, usize)]) -> Vec<Sent> {
        let legs = legs.iter().flat_map(|&(at, plots)| std::iter::repeat_n([30.11, 30.13, 30.0, 30.4][at], plots));
        legs.enumerate()
            .map(|(n, lon_deg)| plot("ais", Domain::Sea, "s", 8 * 3600 + 7 * n as i64, lon_deg, 50.0))
            .collect()
    }

    fn any_legs() -> impl Strategy<Value = Vec<Sent>> {
        proptest::collection::vec((0usize..4, 1usize..40), 1..8).prop_map(|mut legs| {
            // What has ended is told in full.
            legs.push((3, 1));
            wanders(&legs)
        })
    }

    /// It lingers who is in one place for two minutes.
    fn soon() -> Settings {
        let mut settings = Settings::default();
        settings.loitering.after_s = 120.0;
        settings
    }

    proptest! {
        #[test]
        fn who_wanders_is_told_of_the_same_in_whatever_order_and_at_rest(
            sent in any_legs(), delivery in any_delivery(280),
        ) {
            let told = |rule: &mut Loitering, delivery: &Delivery| standing(tell_with(rule, &zone(), &soon(), &sent, delivery));
            let in_order = told(&mut Loitering::default(), &Delivery::in_order());
            prop_assert_eq!(&told(&mut Loitering::default(), &delivery), &in_order);
            let mut sleepless = Loitering::default();
            sleepless.lanes.sleepless = true;
            prop_assert_eq!(told(&mut sleepless, &delivery), in_order);
        }

        #[test]
        fn the_order_of_delivery_does_not_matter(delivery in any_delivery(60)) {
            let sent = lingers(Domain::Sea, 8);
            prop_assert_eq!(deliver::<Loitering>(&sent, &delivery), told(&sent));
        }

        #[test]
        fn at_rest_or_not_the_same_is_said(delivery in any_delivery(60), leaves_at in 20i64..60) {
            let mut sent = lingers(Domain::Sea, 8);
            sent.extend((leaves_at..70).map(|n| plot("ais", Domain::Sea, "s", 8 * 3600 + 120 * n + 7, 30.4, 50.0)));
            sent.sort_by_key(Sent::second);
            let mut sleepless = Loitering::default();
            sleepless.lanes.sleepless = true;
            let awake = tell_by(&mut sleepless, &zone(), &sent, &delivery);
            prop_assert_eq!(by_alert(awake), by_alert(tell::<Loitering>(&sent, &delivery)));
        }

        #[test]
        fn a_successor_goes_on_where_the_first_one_ended(
            delivery in any_delivery(60), share in 0.0..1.0f64, recall_s in 300i64..3_000, knows in any::<bool>(),
        ) {
            let sent = lingers(Domain::Sea, 8);
            let by_two = standing(tell_by_two::<Loitering>(&sent, &delivery, share, (recall_s, knows)));
            prop_assert_eq!(by_two, told(&sent));
        }
    }
}
