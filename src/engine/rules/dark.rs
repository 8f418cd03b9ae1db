//! A vessel that stops reporting in, or on the way into, an area where it must be heard.
//!
//! The gap is measured against the vessel's own habit: so many of its median intervals, but not less than a set
//! time. It begins with the last plot and ends with the next. How surely the silence is more than a long interval
//! follows from how many intervals were seen that were shorter: after n of them the next is the longest yet by chance
//! with odds of 1 in n + 1 (Laplace's rule of succession for an exchangeable series).
//!
//! A plot that comes late and lies in a gap shows that there was less of one: the gap is cut there, and what is left
//! is told again, or taken back where it is too short to count.

use super::lane::{Correction, Scene, Seen, Watch, span_ns};
use super::lanes::Lanes;
use super::memory::Memory;
use super::spell::{Spell, belie};
use super::{Rule, World, cited_at, supersedes_at};
use crate::engine::book::{Book, Cited};
use crate::model::alert::Class;
use crate::model::area::Prohibition;
use crate::model::geo::LonLat;
use crate::model::kind::{Domain, Kind, KindSet};
use crate::model::node::Registry;
use crate::model::observation::Observations;
use serde::{Deserialize, Serialize};

/// Intervals over which the median is taken.
const MAX_INTERVALS: usize = 15;
/// Gaps of one vessel that late plots may still correct. At it the oldest stands as it was told.
const MAX_PAST: usize = 32;

/// One plot of a vessel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sighting {
    cited: Cited,
    place: LonLat,
    /// The areas in force that it is in; if in none, the nearest one near by. Empty: it may be silent.
    areas: Vec<String>,
}

impl Seen for Sighting {
    fn cited(&self) -> &Cited {
        &self.cited
    }
}

/// What is known of a vessel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Vessel {
    last: Option<Sighting>,
    /// The newest intervals between plots, a ring of [`MAX_INTERVALS`], nanoseconds.
    intervals_ns: Vec<i64>,
    /// Intervals seen in all.
    seen: u32,
    /// From when on a silence counts, nanoseconds after the last plot.
    patience_ns: i64,
    gap: Option<Box<Spell>>,
    /// Gaps that have ended but may still prove to be less, newest last.
    past: Vec<Spell>,
}

impl Vessel {
    /// From when on a silence counts for a vessel of these habits, nanoseconds.
    fn patience_of_habit_ns(&self, world: World<'_>) -> i64 {
        let mut sorted = [0; MAX_INTERVALS];
        let sorted = &mut sorted[..self.intervals_ns.len()];
        sorted.copy_from_slice(&self.intervals_ns);
        sorted.sort_unstable();
        let median_ns = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        let dark = &world.settings.dark;
        let of_habit_ns = dark.intervals.max(0.0) * median_ns as f64;
        (of_habit_ns as i64).max(span_ns(dark.min_gap_s)).max(1)
    }

    /// Keeps a gap that has ended, for late plots to correct.
    fn remember(&mut self, gap: Spell) {
        if self.past.len() == MAX_PAST {
            self.past.remove(0);
        }
        self.past.push(gap);
    }

    /// From when on the vessel is forgotten, nanoseconds after the last plot.
    fn memory_ns(&self, world: World<'_>) -> i64 {
        span_ns(world.settings.amend_horizon_s).max(self.patience_ns.saturating_add(1))
    }
}

/// The silence that begins with that sighting.
fn silence(last: &Sighting, probability: f64, patience_ns: i64, scene: Scene<'_>) -> Spell {
    let node = &scene.world.registry.node(last.cited.node).name;
    let key = format!("dark/{}/{node}/{}", scene.key, last.cited.id.as_str());
    let mut gap = Spell::from(key, Class::SeaDark, last.place, probability, last.cited);
    gap.areas.clone_from(&last.areas);
    gap.patience_ns = patience_ns;
    gap
}

impl Watch for Vessel {
    const NAME: &'static str = "dark";

    type Key = str;
    type Seen = Sighting;
    type Episode = Spell;

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Spell>) {
        let horizon_ns = span_ns(scene.world.settings.amend_horizon_s);
        self.past.retain(|gap| gap.end.is_some_and(|end| now_ns.saturating_sub(end.time_ns) < horizon_ns));
        let Some(last) = &self.last else { return };
        let silent_ns = now_ns.saturating_sub(last.cited.time_ns);
        let patience_ns = self.patience_ns;
        if self.gap.is_none() && self.seen > 0 && !last.areas.is_empty() && silent_ns >= patience_ns {
            let probability = f64::from(self.seen) / f64::from(self.seen.saturating_add(1));
            self.gap = Some(Box::new(silence(last, probability, patience_ns, scene)));
        }
        if silent_ns >= self.memory_ns(scene.world) {
            ended.extend(self.gap.take().map(|gap| *gap));
            *self = Vessel::default();
        }
    }

    fn step(&mut self, seen: &Sighting, scene: Scene<'_>, ended: &mut Vec<Spell>) {
        if let Some(gap) = self.gap.take() {
            let gap = gap.ended_by(seen.cited);
            self.remember(gap.clone());
            ended.push(gap);
        } else if let Some(last) = &self.last {
            let interval_ns = seen.cited.time_ns - last.cited.time_ns;
            if self.intervals_ns.len() < MAX_INTERVALS {
                self.intervals_ns.push(interval_ns);
            } else {
                self.intervals_ns[self.seen as usize % MAX_INTERVALS] = interval_ns;
            }
            self.seen = self.seen.saturating_add(1);
        }
        self.last = Some(seen.clone());
        self.patience_ns = self.patience_of_habit_ns(scene.world);
    }

    fn recall(&mut self, seen: &Sighting, scene: Scene<'_>, corrections: &mut Vec<Correction<Spell>>) -> bool {
        if self.last.as_ref().is_some_and(|last| last.cited.time_ns < seen.cited.time_ns) {
            // The gap that lasts ended here, if it was one by then; one that lasts began here.
            if let Some(gap) = self.gap.take().and_then(|gap| gap.ended_late_by(seen.cited)) {
                self.remember(gap.clone());
                corrections.push(Correction::Was(gap));
            }
            self.last = Some(seen.clone());
            return true;
        }
        let Some((whole, until, since)) = belie(&mut self.past, seen.cited) else { return false };
        corrections.push(until.clone().map_or(Correction::WasNot(whole.key), Correction::Was));
        self.past.extend(until);
        if let Some(since) = since.filter(|_| !seen.areas.is_empty()) {
            let rest = Spell { end: since.end, ..silence(seen, since.probability, since.patience_ns, scene) };
            corrections.push(Correction::Was(rest.clone()));
            self.past.push(rest);
        }
        true
    }

    fn lasting(&self) -> impl Iterator<Item = &Spell> {
        self.gap.as_deref().into_iter()
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        let last = self.last.as_ref()?;
        let waits = self.gap.is_none() && self.seen > 0 && !last.areas.is_empty();
        let after_ns = if waits { self.patience_ns } else { self.memory_ns(world) };
        Some(last.cited.time_ns.saturating_add(after_ns))
    }

    fn spent(&self) -> bool {
        self.last.is_none()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        // Its habits are learnt over hours.
        self.last.is_some()
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        self.last.iter_mut().for_each(|seen| tell(&mut seen.cited));
        let lasting = self.gap.iter_mut().map(|gap| &mut **gap);
        lasting.chain(&mut self.past).for_each(|gap| gap.each_cited(tell));
    }

    fn name_of(key: &String, _registry: &Registry) -> String {
        key.clone()
    }

    fn key_of(name: &str, _registry: &Registry) -> Option<String> {
        Some(name.to_owned())
    }
}

/// The rule.
#[derive(Default)]
pub struct DarkVessels {
    lanes: Lanes<Vessel>,
}

impl Rule for DarkVessels {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Track)
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        if !world.settings.dark.on {
            return;
        }
        let detail = batch.detail[row] as usize;
        if batch.tracks.domain[detail] != Domain::Sea {
            return;
        }
        let (cited, supersedes) = (cited_at(batch, row), supersedes_at(batch, row));
        let track = batch.text(batch.tracks.track[detail]);
        if batch.withdrawn[row] {
            if let Some(id) = supersedes {
                self.lanes.withdraw(track, cited.node, id, cited.time_ns, world, book);
            }
            return;
        }
        let (lon_deg, lat_deg) = (batch.tracks.object_lon_deg[detail], batch.tracks.object_lat_deg[detail]);
        let Some(place) = LonLat::checked(lon_deg, lat_deg) else { return };
        let areas = bound_to_be_heard(place, cited.time_ns, world);
        self.lanes.observe(track, Sighting { cited, place, areas }, supersedes, world, book);
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.lanes.advance(watermark_ns, world, book);
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(&mut self.lanes)
    }
}

/// The areas in which a vessel there must be heard: those it is in, else the nearest of those near by.
fn bound_to_be_heard(place: LonLat, time_ns: i64, world: World<'_>) -> Vec<String> {
    let areas = world.places.areas();
    let mut near = world.places.near(place, world.settings.dark.near_m.max(0.0), &[Prohibition::AisOff]);
    near.retain(|&(ix, _)| areas[ix].valid_at(time_ns));
    if near.iter().any(|&(_, depth_m)| depth_m >= 0.0) {
        near.retain(|&(_, depth_m)| depth_m >= 0.0);
    } else {
        near.sort_by(|(a, a_m), (b, b_m)| b_m.total_cmp(a_m).then_with(|| areas[*a].area.cmp(&areas[*b].area)));
        near.truncate(1);
    }
    near.into_iter().map(|(ix, _)| areas[ix].area.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::harness::*;
    use super::*;
    use crate::model::alert::Status;
    use proptest::prelude::*;

    /// A vessel in the zone that is heard every minute, but for an hour.
    fn silent_for_an_hour() -> Vec<Sent> {
        let minutes = (0..20).chain(80..90);
        minutes.map(|minute| plot("ais", Domain::Sea, "mmsi-1", 60 * minute, 30.05, 50.05)).collect()
    }

    #[test]
    fn a_gap_runs_from_the_last_plot_to_the_next() {
        let finals = deliver::<DarkVessels>(&silent_for_an_hour(), &Delivery::in_order());
        assert_eq!(finals.len(), 1);
        let alert = &finals[0].properties;
        assert_eq!((alert.class, alert.status), (Class::SeaDark, Status::Final));
        assert_eq!((alert.from, alert.to), (Some(at_s(19 * 60)), Some(at_s(80 * 60))));
        assert_eq!((alert.areas.as_slice(), alert.violation), (&["zone".to_owned()][..], true));
        assert_eq!(alert.evidence.len(), 2);
        assert!((alert.probability - 0.95).abs() < 1e-9, "19 intervals were shorter");
    }

    #[test]
    fn it_is_told_while_it_lasts() {
        let sent: Vec<Sent> = silent_for_an_hour()[..20].iter().cloned().chain([status("other", 3600, "ok")]).collect();
        let said = tell::<DarkVessels>(&sent, &Delivery::in_order());
        assert_eq!(said.len(), 1);
        assert_eq!((said[0].properties.status, said[0].properties.to), (Status::Preliminary, None));
    }

    #[test]
    fn a_habit_of_long_intervals_is_no_gap() {
        let every_20_minutes: Vec<Sent> =
            (0..10).map(|n| plot("ais", Domain::Sea, "mmsi-1", 1200 * n, 30.05, 50.05)).collect();
        let finals = deliver::<DarkVessels>(&every_20_minutes, &Delivery::in_order());
        assert!(finals.is_empty(), "nor is the first of them, when nothing is known of the vessel");
    }

    #[test]
    fn far_from_the_area_nobody_asks_and_near_it_somebody_does() {
        let at = |lat_deg: f64| -> usize {
            let moved: Vec<Sent> = [0, 60, 120, 7200]
                .iter()
                .map(|&second| plot("ais", Domain::Sea, "mmsi-1", second, 30.05, lat_deg))
                .collect();
            deliver::<DarkVessels>(&moved, &Delivery::in_order()).len()
        };
        assert_eq!((at(50.2), at(50.12)), (0, 1));
    }

    #[test]
    fn the_end_of_the_stream_is_no_silence() {
        let sent = &silent_for_an_hour()[..20];
        assert!(deliver::<DarkVessels>(sent, &Delivery::in_order()).is_empty());
    }

    #[test]
    fn plots_that_come_late_cut_a_gap_short_or_do_away_with_it() {
        let mut sent = silent_for_an_hour();
        sent.push(status("other", 91 * 60, "ok"));
        let late = |minutes: &[i64]| {
            let plots = minutes.iter().map(|&minute| plot("ais", Domain::Sea, "mmsi-1", 60 * minute, 30.05, 50.05));
            let sent: Vec<Sent> = sent.iter().cloned().chain(plots).collect();
            deliver::<DarkVessels>(&sent, &Delivery::as_listed())
                .iter()
                .map(|f| (f.properties.status, f.properties.from, f.properties.to))
                .collect::<Vec<_>>()
        };
        let minute = |minute: i64| Some(at_s(60 * minute));
        assert_eq!(late(&[25]), [(Status::Final, minute(25), minute(80))]);
        assert_eq!(late(&[75]), [(Status::Amended, minute(19), minute(75))]);
        assert_eq!(late(&[50]).len(), 2);
        assert_eq!(late(&[28, 37, 46, 55, 64, 73]), []);
        assert_eq!(late(&[73, 64, 55, 46, 37, 28]), [], "in whatever order they come");
    }

    #[test]
    fn a_late_plot_shortens_a_gap_that_lasts() {
        let mut sent = silent_for_an_hour()[..20].to_vec();
        sent.push(status("other", 3600, "ok"));
        sent.push(plot("ais", Domain::Sea, "mmsi-1", 60 * 25, 30.05, 50.05));
        let standing = deliver::<DarkVessels>(&sent, &Delivery::as_listed());
        assert_eq!(standing.len(), 1);
        assert_eq!((standing[0].properties.from, standing[0].properties.to), (Some(at_s(1500)), None));
        sent.push(plot("ais", Domain::Sea, "mmsi-1", 60 * 55, 30.05, 50.05));
        assert!(deliver::<DarkVessels>(&sent, &Delivery::as_listed()).is_empty());
    }

    proptest! {
        #[test]
        fn a_successor_goes_on_where_the_first_one_ended(
            delivery in any_delivery(30), share in 0.0..1.0f64, recall_s in 90i64..2_000,
            knows in proptest::bool::ANY,
        ) {
            let sent = silent_for_an_hour();
            let by_two = standing(tell_by_two::<DarkVessels>(&sent, &delivery, share, (recall_s, knows)));
            prop_assert_eq!(by_two, deliver::<DarkVessels>(&sent, &Delivery::in_order()));
        }

        #[test]
        fn the_order_of_delivery_does_not_matter(delivery in any_delivery(30)) {
            let sent = silent_for_an_hour();
            prop_assert_eq!(deliver::<DarkVessels>(&sent, &delivery), deliver::<DarkVessels>(&sent, &Delivery::in_order()));
        }
    }
}
