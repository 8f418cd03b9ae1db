//! Whether those that suffer are where one jammer would reach them: all about one place, and hardly any further out.
//!
//! A node within a radius r of the place suffers with P_IN, one beyond with P_OUT. By chance, or of a cause that is no place's (a line that is cut,
//! a server that keeps the time), any does, wherever it stands: with the share q of all that do. The ratio of the two, averaged over the radii (Bayes factor
//! with an exponential prior), says by how much the shape fits better, and of two places which fits better.
//!
//! Those that do not suffer are known by what they would have told: nodes of the same kinds that promise a heartbeat.

use super::super::World;
use super::super::lane::Seen;
use super::Source;
use crate::model::geo::{Frame, LonLat};
use crate::model::node::NodeIx;
use rustc_hash::FxHashSet;

/// The chance that a node within reach suffers, and one beyond.
const P_IN: f64 = 0.8;
const P_OUT: f64 = 0.03;
/// How far a jammer reaches on average, metres.
const RADIUS_M: f64 = 10_000.0;
/// What the shape makes of the odds at the least and at the most.
const RATIO: std::ops::RangeInclusive<f64> = 0.4..=100.0;
/// Nodes that are looked at: those nearest to the first that suffers.
const MAX_NODES: usize = 256;

/// Who suffers and who does not, about a source.
pub(super) struct Shape {
    nodes: Vec<(LonLat, bool)>,
}

impl Shape {
    /// Of what is known of a source; `None` where nobody suffers from it.
    pub(super) fn of(source: &Source, world: World<'_>) -> Option<Shape> {
        let jumped = source.heard.iter().filter(|it| !it.reports).map(|it| (it.first.node, it.place));
        let silent = source.silent.iter().map(|it| (it.cited().node, it.place));
        let suffer: Vec<(NodeIx, LonLat)> = jumped.chain(silent).collect();
        let &(_, first) = suffer.first()?;
        let tell: FxHashSet<NodeIx> =
            source.heard.iter().map(|it| it.first.node).chain(suffer.iter().map(|it| it.0)).collect();
        let kinds: Vec<_> = suffer.iter().map(|&(node, _)| world.registry.node(node).kinds).collect();
        let well = world.registry.numbered().filter(|(ix, node)| {
            node.registered && node.heartbeat_s.is_some() && kinds.contains(&node.kinds) && !tell.contains(ix)
        });
        let reach_m = world.settings.interference.reach_m;
        let mut well: Vec<(f64, LonLat)> = well
            .filter_map(|(_, node)| node.position.map(|place| (place.distance_m(first), place)))
            .filter(|&(distance_m, _)| distance_m <= reach_m)
            .collect();
        well.sort_by(|a, b| a.0.total_cmp(&b.0));
        well.truncate(MAX_NODES.saturating_sub(suffer.len()));
        let well = well.into_iter().map(|(_, place)| (place, false));
        Some(Shape { nodes: suffer.into_iter().map(|(_, place)| (place, true)).chain(well).collect() })
    }

    /// By how much it fits one jammer at that place better than any other cause.
    pub(super) fn ratio(&self, place: LonLat) -> f64 {
        let distances = self.nodes.iter().map(|&(at, suffers)| (at.distance_m(place), suffers));
        fit(distances.collect()).exp().clamp(*RATIO.start(), *RATIO.end())
    }

    /// The nodes in a plane, for [`fit`] again and again.
    pub(super) fn in_plane(&self, frame: &Frame) -> Vec<((f64, f64), bool)> {
        self.nodes.iter().map(|&(place, suffers)| (frame.to_plane(place), suffers)).collect()
    }
}

/// The logarithm of the ratio, of nodes that are so far away, metres, and suffer or do not.
pub(super) fn fit(mut nodes: Vec<(f64, bool)>) -> f64 {
    nodes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (all, suffer) = (nodes.len() as f64, nodes.iter().filter(|it| it.1).count() as f64);
    let share = (suffer + 1.0) / (all + 2.0);
    let ln = |p: f64| [((1.0 - p) / (1.0 - share)).ln(), (p / share).ln()];
    let (within, beyond) = (ln(P_IN), ln(P_OUT));
    // With nobody within the radius; each further node that is adds to that.
    let mut fit = nodes.iter().map(|it| beyond[usize::from(it.1)]).sum::<f64>();
    // The chance that a radius is beyond that one: from there to the next it is as long as the next is not within.
    let is_beyond = |radius_m: f64| (-radius_m / RADIUS_M).exp();
    let (mut fits, mut from) = (Vec::with_capacity(nodes.len() + 1), 1.0);
    for &(distance_m, suffers) in &nodes {
        let to = is_beyond(distance_m);
        fits.push((fit, from - to));
        from = to;
        fit += within[usize::from(suffers)] - beyond[usize::from(suffers)];
    }
    fits.push((fit, from));
    // Far from them all, fits are smaller than a double holds: the best is taken out of the sum.
    let best = fits.iter().map(|it| it.0).fold(f64::NEG_INFINITY, f64::max);
    best + fits.iter().map(|(fit, weight)| weight * (fit - best).exp()).sum::<f64>().max(f64::MIN_POSITIVE).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes(suffer: impl Fn(usize) -> bool) -> Vec<(f64, bool)> {
        (0..20).map(|at| (1000.0 * at as f64, suffer(at))).collect()
    }

    #[test]
    fn the_nearest_fit_one_jammer_and_any_do_not() {
        let fits = [fit(nodes(|at| at < 6)), fit(nodes(|at| at % 3 == 0)), fit(nodes(|at| at > 13))].map(f64::exp);
        assert!(fits[0] > 50.0 && fits[1] < 1.0 && fits[2] < 1.0, "{fits:?}");
    }

    #[test]
    fn where_all_suffer_no_shape_is_seen() {
        let all = fit(nodes(|_| true)).exp();
        assert!(all < 1.0, "{all}");
    }

    #[test]
    fn of_two_places_that_part_nodes_alike_the_nearer_fits_better() {
        let far = nodes(|at| at < 6).into_iter().map(|(distance_m, suffers)| (distance_m + 40_000.0, suffers));
        assert!(fit(far.collect()) < fit(nodes(|at| at < 6)) - 2.0);
    }

    proptest! {
        #[test]
        fn the_order_of_nodes_does_not_matter_and_a_change_is_never_sudden(
            suffer in proptest::collection::vec(any::<bool>(), 1..40), turn in 0usize..40, by_m in 0.0..1.0f64,
        ) {
            let mut nodes: Vec<(f64, bool)> = suffer.iter().enumerate().map(|(at, &it)| (1e3 * at as f64, it)).collect();
            let before = fit(nodes.clone());
            let length = nodes.len();
            nodes.rotate_left(turn % length);
            prop_assert!((fit(nodes.clone()) - before).abs() < 1e-9);
            // Two change places in the row by a metre.
            nodes[0].0 += 999.5 + by_m;
            let beyond = fit(nodes.clone());
            nodes[0].0 += 0.01;
            prop_assert!((fit(nodes) - beyond).abs() < 0.01, "{before}");
        }
    }
}
