//! A patrol that is denied passage, delayed, or let through on conditions. That is a breach wherever it happens: the
//! mission moves freely by its mandate, so no area needs to say so. Where it happened before, the alert says so and names the earlier
//! ones ([`super::repeats`]).

use super::memory::{Change, LaneRecord, Memory};
use super::repeats::Repeats;
use super::reports::{Filed, Reports};
use super::{Rule, World};
use crate::engine::book::{Book, Claim};
use crate::model::alert::Class;
use crate::model::geo::LonLat;
use crate::model::kind::{Activity, Kind, KindSet};
use crate::model::node::Registry;
use crate::model::observation::Observations;
use serde::{Deserialize, Serialize};

/// Begins every key, and says whose records of what was reported are.
const NAME: &str = "restriction";

/// The chance that a patrol's report of its own hindrance is right.
const PROBABILITY: f64 = 0.99;

/// The rule.
#[derive(Serialize, Deserialize)]
pub struct Restrictions {
    reports: Reports<Restrictions>,
}

impl Filed for Restrictions {
    const PREFIX: &'static str = NAME;

    fn counts(_claim: &Claim, _world: World<'_>) -> bool {
        true
    }
}

impl Default for Restrictions {
    fn default() -> Restrictions {
        Restrictions { reports: Reports::that_repeat() }
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

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(self)
    }
}

impl Memory for Restrictions {
    fn rule(&self) -> &'static str {
        NAME
    }

    fn keep_within(&mut self, _span_ns: i64) {
        self.reports.repeats.iter_mut().for_each(Repeats::keep_records);
    }

    fn take_changes(&mut self, registry: &Registry) -> Vec<Change> {
        self.reports.repeats.as_mut().map(|repeats| repeats.take_changes(NAME, registry)).unwrap_or_default()
    }

    fn restore(&mut self, record: LaneRecord, world: World<'_>) -> bool {
        self.reports.repeats.as_mut().is_some_and(|repeats| repeats.restore(record, world.registry))
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::*;
    use super::*;
    use crate::engine::settings::Settings;
    use crate::model::alert::{AlertFeature, Sign, Status};
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

    /// One checkpoint thrice, another one once, and a second word on one encounter.
    fn a_checkpoint() -> Vec<Sent> {
        vec![
            patrol("p1", 0, Activity::Denied).located(30.01, 50.01),
            patrol("p1", 900, Activity::Delayed).located(30.01, 50.01),
            patrol("p2", 1_200, Activity::Denied).located(30.2, 50.2),
            patrol("p2", 4_000, Activity::Conditional).located(30.015, 50.012),
            patrol("p1", 9_000, Activity::Denied).located(30.01, 50.01),
        ]
    }

    /// When it was, and when those were that it follows.
    fn follows(finals: &[AlertFeature]) -> Vec<(i64, Vec<i64>)> {
        let second = |feature: &AlertFeature| (feature.properties.time.0 - at_s(0).0) / 1_000_000_000;
        let of = |id: &String| second(finals.iter().find(|it| it.properties.alert == *id).unwrap());
        let mut all: Vec<(i64, Vec<i64>)> =
            finals.iter().map(|it| (second(it), it.properties.follows.iter().map(of).collect())).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn what_repeats_at_one_place_names_the_earlier_ones() {
        let finals = deliver::<Restrictions>(&a_checkpoint(), &Delivery::in_order());
        let expected = [(0, vec![]), (900, vec![]), (1_200, vec![]), (4_000, vec![0]), (9_000, vec![0, 900, 4_000])];
        assert_eq!(follows(&finals), expected);
        for alert in finals.iter().map(|it| &it.properties) {
            assert_eq!(alert.sign, (!alert.follows.is_empty()).then_some(Sign::Repeated));
        }
    }

    #[test]
    fn what_was_taken_back_is_followed_by_nothing() {
        let mut sent = a_checkpoint();
        sent.push(withdraw(patrol("p1", 9_100, Activity::Position), &sent[0]));
        let finals = deliver::<Restrictions>(&sent, &Delivery::in_order());
        assert_eq!(follows(&finals), [(900, vec![]), (1_200, vec![]), (4_000, vec![]), (9_000, vec![900, 4_000])]);
        let amended = finals.iter().find(|it| it.properties.time == at_s(4_000)).unwrap();
        assert_eq!((amended.properties.status, amended.properties.sign), (Status::Amended, None));
    }

    #[test]
    fn nothing_repeats_where_that_is_switched_off() {
        let mut settings = Settings::default();
        settings.repeats.on = false;
        let said = tell_with(&mut Restrictions::default(), &zone(), &settings, &a_checkpoint(), &Delivery::in_order());
        assert!(said.iter().all(|it| it.properties.sign.is_none() && it.properties.follows.is_empty()));
    }

    proptest! {
        #[test]
        fn a_successor_goes_on_where_the_first_one_ended(
            delivery in any_delivery(8), share in 0.0..1.0f64, recall_s in 60i64..2_000, knows in any::<bool>(),
        ) {
            let sent = a_checkpoint();
            let by_two = standing(tell_by_two::<Restrictions>(&sent, &delivery, share, (recall_s, knows)));
            prop_assert_eq!(by_two, deliver::<Restrictions>(&sent, &Delivery::in_order()));
        }

        #[test]
        fn what_repeats_does_not_hang_on_the_order(delivery in any_delivery(8)) {
            let sent = a_checkpoint();
            prop_assert_eq!(
                deliver::<Restrictions>(&sent, &delivery), deliver::<Restrictions>(&sent, &Delivery::in_order()));
        }

        #[test]
        fn the_order_of_delivery_does_not_matter(delivery in any_delivery(8)) {
            let mut sent = turned_back();
            sent.push(supersede(patrol("p1", 16, Activity::Delayed), &sent[2]));
            prop_assert_eq!(
                deliver::<Restrictions>(&sent, &delivery), deliver::<Restrictions>(&sent, &Delivery::in_order()));
        }
    }
}
