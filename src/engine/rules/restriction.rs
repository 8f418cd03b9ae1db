//! A patrol that is denied passage, delayed, or let through on conditions. That is a breach wherever it happens: the
//! mission moves freely by its mandate, so no area needs to say so.

use super::reports::Reports;
use super::{Rule, World};
use crate::engine::book::{Book, Claim};
use crate::model::alert::Class;
use crate::model::geo::LonLat;
use crate::model::kind::{Activity, Kind, KindSet};
use crate::model::observation::Observations;

/// The chance that a patrol's report of its own hindrance is right.
const PROBABILITY: f64 = 0.99;

/// The rule.
pub struct Restrictions {
    reports: Reports,
}

impl Default for Restrictions {
    fn default() -> Restrictions {
        Restrictions { reports: Reports::new("restriction", |_, _| true) }
    }
}

impl Rule for Restrictions {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Patrol)
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        let Some((key, cited)) = self.reports.note(batch, row, world, book) else { return };
        let class = match batch.patrols.activity[batch.detail[row] as usize] {
            Activity::Denied => Class::RestrictionDenied,
            Activity::Delayed => Class::RestrictionDelayed,
            Activity::Conditional => Class::RestrictionConditional,
            _ => return,
        };
        let own = LonLat::checked(batch.lon_deg[row], batch.lat_deg[row]);
        let nowhere = LonLat { lon_deg: 0.0, lat_deg: 0.0 };
        let mut claim = Claim::new(key, class, own.unwrap_or(nowhere), cited.time_ns);
        let time_sd_s = batch.time_sd_s[row];
        claim.time_sd_s =
            if time_sd_s > 0.0 { time_sd_s } else { world.registry.node(cited.node).time_sd_s(Kind::Patrol) };
        claim.probability = PROBABILITY;
        claim.evidence = vec![cited];
        claim.breach = true;
        self.reports.file(claim, own, None, world, book);
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.reports.advance(watermark_ns, world, book);
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::*;
    use super::*;
    use crate::model::alert::Status;
    use proptest::prelude::*;

    fn turned_back() -> Vec<Sent> {
        vec![
            patrol("p1", 0, Activity::Position).located(30.01, 50.01),
            patrol("p1", 10, Activity::Position).located(30.02, 50.02),
            patrol("p1", 15, Activity::Denied),
            patrol("p1", 20, Activity::Position).located(30.03, 50.03),
            patrol("p2", 17, Activity::Delayed).located(31.0, 51.0),
            patrol("p2", 25, Activity::Conditional).located(31.1, 51.0),
        ]
    }

    #[test]
    fn a_restriction_is_a_breach_where_the_patrol_last_was() {
        let finals = deliver::<Restrictions>(&turned_back(), &Delivery::in_order());
        assert_eq!(finals.len(), 3);
        let denied = finals.iter().find(|f| f.properties.class == Class::RestrictionDenied).unwrap();
        assert_eq!(denied.geometry.coordinates, [30.02, 50.02]);
        assert_eq!((denied.properties.status, denied.properties.violation), (Status::Final, true));
        assert_eq!(denied.properties.within, ["zone"]);
        assert!(denied.properties.areas.is_empty(), "no area needs to prohibit it");
        let delayed = finals.iter().find(|f| f.properties.class == Class::RestrictionDelayed).unwrap();
        assert!(delayed.properties.violation && delayed.properties.within.is_empty());
    }

    #[test]
    fn it_is_told_at_once_and_late_ones_are_told_too() {
        let sent = turned_back();
        assert_eq!(tell::<Restrictions>(&sent[1..3], &Delivery::in_order())[0].properties.status, Status::Preliminary);
        let late = [status("other", 7200, "ok"), status("other", 7260, "ok"), sent[4].clone()];
        assert_eq!(tell::<Restrictions>(&late, &Delivery::as_listed())[0].properties.status, Status::Final);
    }

    #[test]
    fn a_report_may_be_replaced_or_taken_back() {
        let mut sent = turned_back();
        sent.push(supersede(patrol("p1", 16, Activity::Delayed), &sent[2]));
        sent.push(withdraw(patrol("p2", 30, Activity::Position), &sent[5]));
        for delivery in [Delivery::in_order(), Delivery::as_listed(), Delivery::all_at_once()] {
            let classes: Vec<Class> =
                deliver::<Restrictions>(&sent, &delivery).iter().map(|f| f.properties.class).collect();
            assert_eq!(classes, [Class::RestrictionDelayed; 2]);
        }
        sent.reverse();
        assert_eq!(deliver::<Restrictions>(&sent, &Delivery::all_at_once()).len(), 2, "even if that comes first");
    }

    proptest! {
        #[test]
        fn the_order_of_delivery_does_not_matter(delivery in any_delivery(8)) {
            let mut sent = turned_back();
            sent.push(supersede(patrol("p1", 16, Activity::Delayed), &sent[2]));
            prop_assert_eq!(
                deliver::<Restrictions>(&sent, &delivery), deliver::<Restrictions>(&sent, &Delivery::in_order()));
        }
    }
}
