//! Of the scenario `rules`: a network of microphones of which parts fall silent, and checkpoints that turn patrols back.
//!
//! Three times neighbours are cut off together. What looks like it and is not: single nodes that fail, four neighbours, and some that are cut
//! off at once but stand far from each other. Two checkpoints bar the way again and again; elsewhere it happens once, or is
//! written down twice.

use super::chance::Chance;
use super::fusion::restriction;
use super::ground::offset;
use super::site::Site;
use super::world::{Event, World};
use crate::model::alert::{Class, Sign};
use crate::model::geo::LonLat;
use crate::model::kind::{Component, Kind};

/// The network: columns and rows, and how far they are apart, metres.
const COLUMNS: usize = 7;
const ROWS: usize = 5;
const APART_M: f64 = 5_000.0;
/// Nodes that are cut off at once make a cluster from so many on.
const CLUSTER: usize = 5;

/// Adds the network; its nodes by their places in the list.
pub(super) fn lay_out(world: &mut World, middle: LonLat, chance: &mut Chance) -> Vec<usize> {
    let cells = (0..COLUMNS * ROWS).map(|cell| (cell % COLUMNS, cell / COLUMNS));
    cells
        .map(|(column, row)| {
            let along = |at: usize, of: usize| (at as f64 - (of as f64 - 1.0) / 2.0) * APART_M;
            let (shake_m, other_m) = (chance.range(-1e3, 1e3), chance.range(-1e3, 1e3));
            let place = offset(middle, along(column, COLUMNS) + shake_m, along(row, ROWS) + other_m);
            let mut site = Site::new(format!("net-{column}-{row}"), &[Kind::Acoustic], place);
            site.node.component = Some(Component::Ground);
            (site.node.range_m, site.node.heartbeat_s) = (Some(12_000.0), Some(60.0));
            world.add_site(site)
        })
        .collect()
}

/// Nodes that fall silent together, and from when to when; `None` for those that make no cluster.
pub(super) struct Cut {
    nodes: Vec<usize>,
    is_cluster: bool,
}

impl Cut {
    /// Of nodes that an outage of their own has been given to.
    pub(super) fn of(nodes: Vec<usize>) -> Cut {
        Cut { is_cluster: nodes.len() >= CLUSTER, nodes }
    }
}

/// When which nodes are down.
pub(super) fn cut(world: &mut World, network: &[usize], middle: LonLat, chance: &mut Chance) -> Vec<Cut> {
    let nearest = |world: &World, to: LonLat, many: usize| {
        let mut nodes = network.to_vec();
        nodes.sort_by(|&a, &b| world.sites[a].place.distance_m(to).total_cmp(&world.sites[b].place.distance_m(to)));
        nodes.truncate(many);
        nodes
    };
    let corner = |column: usize, row: usize| network[row * COLUMNS + column];
    let mut cuts = Vec::new();
    // The last is cut until after the end.
    for (at_s, lasts_s, many) in [(1_500.0, 1_500.0, 6), (6_000.0, 2_400.0, 9), (15_600.0, 9_000.0, 7)] {
        let to = offset(middle, chance.range(-9e3, 9e3), chance.range(-6e3, 6e3));
        cuts.push((nearest(world, to, many), at_s, lasts_s, true));
    }
    let four = nearest(world, offset(middle, 12e3, -9e3), CLUSTER - 1);
    cuts.push((four, 10_200.0, 1_800.0, false));
    let far = vec![corner(0, 0), corner(6, 0), corner(0, 4), corner(6, 4), corner(3, 2)];
    cuts.push((far, 12_900.0, 1_800.0, false));
    for _ in 0..6 {
        let node = network[chance.below(network.len())];
        cuts.push((vec![node], chance.range(0.0, 14_000.0), chance.range(600.0, 3_600.0), false));
    }
    let down = |world: &mut World,
                (nodes, at_s, lasts_s, is_cluster): (Vec<usize>, f64, f64, bool),
                chance: &mut Chance| {
        for &node in &nodes {
            let outage =
                (world.at_ns(at_s + chance.range(0.0, 40.0)), world.at_ns(at_s + lasts_s + chance.range(0.0, 120.0)));
            world.sites[node].outages.push(outage);
        }
        Cut { nodes, is_cluster }
    };
    cuts.into_iter().map(|it| down(world, it, chance)).collect()
}

/// A node's heartbeats: when, nanoseconds, and where in the list of drafts.
pub(super) fn heartbeats(world: &World, node: usize) -> impl Iterator<Item = (i64, usize)> {
    let drafts = world.drafts.iter().enumerate();
    drafts.filter(move |(_, it)| it.site == node && it.kind == Kind::Status).map(|(at, it)| (it.time_ns, at))
}

/// The truth of the clusters, when heartbeats are sent: the last before and the first after each outage.
pub(super) fn tell(world: &mut World, cuts: &[Cut]) {
    let mut cut_at: Vec<usize> = vec![0; world.sites.len()];
    for cut in cuts {
        let (mut last, mut first) = (Vec::new(), Vec::new());
        for &node in &cut.nodes {
            let (from_ns, to_ns) = world.sites[node].outages[cut_at[node]];
            cut_at[node] += 1;
            last.extend(heartbeats(world, node).filter(|&(time_ns, _)| time_ns < from_ns).max());
            first.extend(heartbeats(world, node).filter(|&(time_ns, _)| time_ns >= to_ns).min());
        }
        if !cut.is_cluster {
            continue;
        }
        last.sort_unstable();
        first.sort_unstable();
        // It is one from when the fifth was last heard until fewer than five are silent.
        let Some(&(from_ns, _)) = last.get(CLUSTER - 1) else { continue };
        let to_ns = (first.len() == last.len()).then(|| first[last.len() - CLUSTER].0);
        let places: Vec<LonLat> = cut.nodes.iter().map(|&node| world.sites[node].place).collect();
        let mean = |of: fn(&LonLat) -> f64| places.iter().map(of).sum::<f64>() / places.len() as f64;
        let place = LonLat { lon_deg: mean(|it| it.lon_deg), lat_deg: mean(|it| it.lat_deg) };
        let happening = world.happening(Class::SensorSilent, from_ns, place, &[]);
        let event = world.add_event(Event { lasts: true, to_ns, sign: Some(Sign::Cluster), ..happening });
        for (_, at) in last.into_iter().chain(first) {
            world.drafts[at].events.push(event);
        }
    }
}

/// Two checkpoints that bar the way thrice, one where it happens once, and one encounter that is written down twice.
pub(super) fn checkpoints(world: &mut World, middle: LonLat, chance: &mut Chance) {
    let patrols: Vec<usize> = (1..=3)
        .map(|number| {
            let mut site = Site::new(format!("pat-{number}"), &[Kind::Patrol], middle);
            site.node.component = Some(Component::Ground);
            world.add_site(site)
        })
        .collect();
    let kinds = [Class::RestrictionDenied, Class::RestrictionDelayed, Class::RestrictionConditional];
    // Where, when, and whether it repeats an earlier one.
    let mut plan: Vec<(f64, f64, bool)> = Vec::new();
    for (east_m, from_s) in [(-12e3, 600.0), (9e3, 1_800.0)] {
        plan.extend(
            (0..3).map(|time| (east_m, from_s + 5_400.0 * f64::from(time) + chance.range(0.0, 900.0), time > 0)),
        );
    }
    plan.push((0.0, 7_200.0, false));
    plan.extend([(16e3, 3_000.0, false), (16e3, 4_200.0, false)]);
    for (east_m, at_s, repeats) in plan {
        let place = offset(middle, east_m + 150.0 * chance.normal(), -6e3 + 150.0 * chance.normal());
        let (site, class) = (patrols[chance.below(patrols.len())], kinds[chance.below(kinds.len())]);
        restriction(world, site, class, at_s, place);
        if let Some(event) = world.events.last_mut() {
            event.sign = repeats.then_some(Sign::Repeated);
        }
    }
}
