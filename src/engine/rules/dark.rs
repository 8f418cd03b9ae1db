//! A vessel that stops reporting in, or on the way into, an area where it must be heard.
//!
//! The gap is measured against the vessel's own habit: so many of its median intervals, but not less than a set
//! time. It begins with the last plot and ends with the next. How surely the silence is more than a long interval
//! follows from how many intervals were seen that were shorter: after n of them the next is the longest yet by chance
//! with odds of 1 in n + 1 (Laplace's rule of succession for an exchangeable series).

use super::lanes::{Episode, Lanes, Scene, Seen, Watch, span_ns};
use super::{Rule, World, cited_at, supersedes_at};
use crate::engine::book::{Book, Cited, Claim};
use crate::model::alert::Class;
use crate::model::area::Prohibition;
use crate::model::geo::LonLat;
use crate::model::kind::{Domain, Kind};
use crate::model::observation::Observations;

/// Intervals over which the median is taken.
const MAX_INTERVALS: usize = 15;

/// One plot of a vessel.
#[derive(Clone, Debug)]
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

/// The silence of a vessel.
#[derive(Clone, Debug)]
pub struct Gap {
    key: String,
    last: Sighting,
    back: Option<Cited>,
    probability: f64,
}

impl Episode for Gap {
    fn key(&self) -> &str {
        &self.key
    }

    fn extent(&self) -> (u64, i64) {
        (1 + u64::from(self.back.is_some()), self.back.unwrap_or(self.last.cited).time_ns)
    }

    fn claim(&self, _world: World<'_>) -> Claim {
        let from_ns = self.last.cited.time_ns;
        let mut claim = Claim::new(self.key.clone(), Class::SeaDark, self.last.place, from_ns);
        claim.time_sd_s = Kind::Track.default_time_sd_s();
        claim.from_ns = Some(from_ns);
        claim.to_ns = self.back.map(|cited| cited.time_ns);
        claim.probability = self.probability;
        claim.evidence = std::iter::once(self.last.cited).chain(self.back).collect();
        claim.areas = self.last.areas.clone();
        claim
    }
}

/// What is known of a vessel.
#[derive(Clone, Debug, Default)]
pub struct Vessel {
    last: Option<Sighting>,
    /// The newest intervals between plots, a ring of [`MAX_INTERVALS`], nanoseconds.
    intervals_ns: Vec<i64>,
    /// Intervals seen in all.
    seen: u32,
    gap: Option<Gap>,
}

impl Vessel {
    /// From when on a silence counts, nanoseconds after the last plot.
    fn patience_ns(&self, world: World<'_>) -> i64 {
        let mut sorted = [0; MAX_INTERVALS];
        let sorted = &mut sorted[..self.intervals_ns.len()];
        sorted.copy_from_slice(&self.intervals_ns);
        sorted.sort_unstable();
        let median_ns = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        let dark = &world.settings.dark;
        let of_habit_ns = dark.intervals.max(0.0) * median_ns as f64;
        (of_habit_ns as i64).max(span_ns(dark.min_gap_s)).max(1)
    }

    /// From when on the vessel is forgotten, nanoseconds after the last plot.
    fn memory_ns(&self, world: World<'_>) -> i64 {
        span_ns(world.settings.amend_horizon_s).max(self.patience_ns(world).saturating_add(1))
    }
}

impl Watch for Vessel {
    type Seen = Sighting;
    type Episode = Gap;

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Gap>) {
        let Some(last) = &self.last else { return };
        let silent_ns = now_ns.saturating_sub(last.cited.time_ns);
        if self.gap.is_none() && !last.areas.is_empty() && silent_ns >= self.patience_ns(scene.world) {
            let node = &scene.world.registry.node(last.cited.node).name;
            self.gap = Some(Gap {
                key: format!("dark/{}/{node}/{}", scene.name, last.cited.id.as_str()),
                last: last.clone(),
                back: None,
                probability: f64::from(self.seen) / f64::from(self.seen.saturating_add(1)),
            });
        }
        if silent_ns >= self.memory_ns(scene.world) {
            ended.extend(self.gap.take());
            *self = Vessel::default();
        }
    }

    fn step(&mut self, seen: &Sighting, _scene: Scene<'_>, ended: &mut Vec<Gap>) {
        if let Some(mut gap) = self.gap.take() {
            gap.back = Some(seen.cited);
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
    }

    fn lasting(&self) -> impl Iterator<Item = &Gap> {
        self.gap.iter()
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        let last = self.last.as_ref()?;
        let waits = self.gap.is_none() && !last.areas.is_empty();
        let after_ns = if waits { self.patience_ns(world) } else { self.memory_ns(world) };
        Some(last.cited.time_ns.saturating_add(after_ns))
    }

    fn spent(&self) -> bool {
        self.last.is_none()
    }
}

/// The rule.
#[derive(Default)]
pub struct DarkVessels {
    lanes: Lanes<Vessel>,
}

impl Rule for DarkVessels {
    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        self.lanes.note(batch.time_ns[row]);
        if batch.kind[row] != Kind::Track || !world.settings.dark.on {
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
        let probable = finals.iter().filter(|feature| feature.properties.probability >= 0.4);
        assert_eq!(probable.count(), 0, "only the first interval, when nothing was known, may count");
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

    proptest! {
        #[test]
        fn the_order_of_delivery_does_not_matter(delivery in any_delivery(30)) {
            let sent = silent_for_an_hour();
            prop_assert_eq!(deliver::<DarkVessels>(&sent, &delivery), deliver::<DarkVessels>(&sent, &Delivery::in_order()));
        }
    }
}
