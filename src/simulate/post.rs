//! The way from the nodes to the consumer: ids, delays, doubles, and the order in which lines arrive.
//!
//! A line takes 0.3 s (log-normal, a factor 1.8), one in thirty is held up by seconds; nothing within the usual way
//! takes more than twenty. A configured tiny share comes minutes late. One in a hundred comes twice.

use super::chance::{Chance, Purpose};
use super::world::World;
use super::{Delivery, Simulation, Truth, ground};
use crate::model::kind::Kind;
use crate::model::time::{Timestamp, ns_from_s};
use std::collections::BTreeSet;

/// Longest usual way, seconds.
pub(super) const LATEST_S: f64 = 20.0;
/// Fewest arrivals that fix a place and a time.
const FEWEST_ARRIVALS: usize = 4;

/// Sends everything on its way.
pub(super) fn deliver(mut world: World) -> Simulation {
    let mut chance = Chance::new(world.seed, Purpose::Post);
    world.drafts.sort_by_key(|draft| (draft.site, draft.sent_ns));
    // Ids must not repeat from one round of an endless scene to the next: they carry the minute it starts.
    let round = world.start_ns.div_euclid(60_000_000_000);
    let mut deliveries = Vec::with_capacity(world.drafts.len() + world.drafts.len() / 50);
    let mut evidence: Vec<BTreeSet<String>> = vec![BTreeSet::new(); world.events.len()];
    let (mut site, mut number) = (usize::MAX, 0u32);
    for draft in &world.drafts {
        if draft.site != site {
            (site, number) = (draft.site, 0);
        }
        number += 1;
        let node = world.sites[site].node.name.as_str();
        let id = format!("{node}-{round:x}-{number}");
        let usual_s = chance.log_normal(0.3, 0.6) + if chance.yes(1.0 / 30.0) { chance.range(1.0, 12.0) } else { 0.0 };
        let very_late_s = chance.range(60.0, 1800.0);
        let delay_s = match draft.kind {
            Kind::Status | Kind::Patrol | Kind::Thermal => usual_s.min(LATEST_S),
            _ if chance.yes(world.options.very_late_share) => very_late_s,
            _ => usual_s.min(LATEST_S),
        };
        let deliver_ns = draft.sent_ns + ns_from_s(draft.held_s + delay_s);
        let topic = if draft.kind == Kind::Patrol { "telemetry.patrols" } else { "telemetry.sensors" };
        let delivery = Delivery { deliver_ns, topic, key: node.to_owned(), line: draft.line(&id, node) };
        if chance.yes(world.options.duplicate_share) {
            let again_s = chance.range(0.05, 5.0).min((LATEST_S - delay_s).max(0.0));
            deliveries.push(Delivery { deliver_ns: deliver_ns + ns_from_s(again_s), ..delivery.clone() });
        }
        deliveries.push(delivery);
        for &event in &draft.events {
            evidence[event].insert(id.clone());
        }
    }
    deliveries.sort_by(|a, b| (a.deliver_ns, &a.key, &a.line).cmp(&(b.deliver_ns, &b.key, &b.line)));
    let truth = truth(&world, evidence);
    Simulation {
        nodes: world.sites.into_iter().map(|site| site.node).collect(),
        areas: world.areas,
        notices: world.notices,
        truth,
        deliveries,
        chapters: Vec::new(),
        end_ns: world.end_ns,
    }
}

/// What happened, in order of time, without the rounds that nothing could find.
fn truth(world: &World, evidence: Vec<BTreeSet<String>>) -> Vec<Truth> {
    let mut truth: Vec<Truth> = world
        .events
        .iter()
        .zip(evidence)
        .filter(|(event, ids)| {
            !ids.is_empty() && (!event.class.is_fire() || event.placed || event.arrivals >= FEWEST_ARRIVALS)
        })
        .map(|(event, ids)| Truth {
            event: String::new(),
            class: event.class,
            sign: event.sign,
            time: Timestamp(event.time_ns),
            lon: event.place.lon_deg,
            lat: event.place.lat_deg,
            count: 1,
            evidence: ids.into_iter().collect(),
            violation: event.violation,
            areas: event.areas.clone(),
            near: if event.class.is_fire() { ground::near(&world.areas, event.place) } else { Vec::new() },
            crosses: event.other_end.map_or_else(Vec::new, |end| ground::crossed(&world.areas, event.place, end)),
            from: event.lasts.then_some(Timestamp(event.time_ns)),
            to: event.to_ns.map(Timestamp),
            bound_m: event.class.is_fire().then(|| event.information.place_sd_m()).flatten(),
        })
        .collect();
    truth.sort_by(|a, b| (a.time, a.class, &a.evidence).cmp(&(b.time, b.class, &b.evidence)));
    for (number, event) in truth.iter_mut().enumerate() {
        event.event = format!("E-{number:05}");
    }
    truth
}
