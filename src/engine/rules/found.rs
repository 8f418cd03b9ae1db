//! Heavy weapons that a patrol has found where there must be none.

use super::reports::{Filed, Reports};
use super::track::HEAVY_WEAPONS;
use super::{Rule, World};
use crate::engine::book::{Book, Claim};
use crate::model::alert::Class;
use crate::model::area::Prohibition;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::{Activity, Kind, KindSet};
use crate::model::observation::Observations;
use serde::{Deserialize, Serialize};

/// The chance that what a patrol calls a heavy weapon is one.
const PROBABILITY: f64 = 0.95;
/// How far off the place of a find may be that is told by a patrol's own position, metres.
const NEARBY_M: f64 = 200.0;

/// The rule.
#[derive(Default, Serialize, Deserialize)]
pub struct Finds {
    reports: Reports<Finds>,
}

impl Filed for Finds {
    const PREFIX: &'static str = "found";

    /// Whether an area prohibits what was found where it was found.
    fn counts(claim: &Claim, world: World<'_>) -> bool {
        !world.places.judge(claim.class, &claim.prohibitions, claim.place, claim.time_ns).areas.is_empty()
    }
}

impl Rule for Finds {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Patrol)
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        let Some((key, cited)) = self.reports.note(batch, row, world, book) else { return };
        let report = batch.patrols.row(batch.detail[row] as usize);
        if report.activity != Activity::Found || !HEAVY_WEAPONS.contains(&batch.text(report.object_class)) {
            return;
        }
        let exact = LonLat::checked(report.object_lon_deg, report.object_lat_deg);
        let own = LonLat::checked(batch.lon_deg[row], batch.lat_deg[row]);
        let offset = (exact.is_none() && report.azimuth_deg.is_finite() && report.distance_m >= 0.0)
            .then_some((report.azimuth_deg, report.distance_m));
        let nowhere = LonLat { lon_deg: 0.0, lat_deg: 0.0 };
        let mut claim = Claim::new(key, Class::IncursionWeapons, nowhere, cited.time_ns);
        let time_sd_s = batch.time_sd_s[row];
        claim.time_sd_s =
            if time_sd_s > 0.0 { time_sd_s } else { world.registry.node(cited.node).time_sd_s(Kind::Patrol) };
        claim.prohibitions = vec![Prohibition::HeavyWeapons];
        claim.ellipse = exact.is_none().then(|| {
            let sd_m = if report.distance_sd_m > 0.0 { report.distance_sd_m } else { NEARBY_M };
            Ellipse { semi_major_m: sd_m, semi_minor_m: sd_m, orientation_deg: 0.0 }
        });
        // A count that is absent is unknown: there was one at least.
        claim.count = if report.count >= 1.0 { report.count as u32 } else { 1 };
        claim.count_is_minimum = report.count_is_minimum || report.count.is_nan();
        claim.probability = PROBABILITY;
        claim.evidence = vec![cited];
        self.reports.file(claim, exact.or(own), offset, world, book);
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.reports.advance(watermark_ns, world, book);
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::*;
    use super::*;
    use proptest::prelude::*;

    fn finds() -> Vec<Sent> {
        vec![
            patrol("p1", 0, Activity::Found).object("mlrs", 30.05, 50.05, 3.0),
            patrol("p1", 5, Activity::Found).object("mlrs", 31.0, 51.0, 3.0),
            patrol("p1", 6, Activity::Found).object("crater", 30.05, 50.05, 7.0),
            patrol("p2", 8, Activity::Position).located(31.0, 51.0),
            patrol("p2", 10, Activity::Position).located(30.01, 50.01),
            patrol("p2", 12, Activity::Found).object("tank", f64::NAN, f64::NAN, f64::NAN),
        ]
    }

    #[test]
    fn only_heavy_weapons_where_they_are_prohibited_count() {
        let finals = deliver::<Finds>(&finds(), &Delivery::in_order());
        assert_eq!(finals.len(), 2);
        assert!(finals.iter().all(|f| f.properties.class == Class::IncursionWeapons && f.properties.violation));
        let exact = finals.iter().find(|f| f.properties.ellipse.is_none()).unwrap();
        assert_eq!((exact.properties.count, exact.properties.count_is_minimum), (3, false));
        let nearby = finals.iter().find(|f| f.properties.ellipse.is_some()).unwrap();
        assert_eq!(nearby.geometry.coordinates, [30.01, 50.01], "where the patrol was");
        assert_eq!((nearby.properties.count, nearby.properties.count_is_minimum), (1, true));
    }

    #[test]
    fn a_find_taken_back_is_retracted() {
        let mut sent = finds();
        sent.push(withdraw(patrol("p1", 20, Activity::Position), &sent[0]));
        assert_eq!(deliver::<Finds>(&sent, &Delivery::in_order()).len(), 1);
    }

    proptest! {
        #[test]
        fn the_order_of_delivery_does_not_matter(delivery in any_delivery(8)) {
            let sent = finds();
            prop_assert_eq!(deliver::<Finds>(&sent, &delivery), deliver::<Finds>(&sent, &Delivery::in_order()));
        }
    }
}
