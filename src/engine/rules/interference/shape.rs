//! Whether those that fell silent are where one jammer would have silenced them: all about one place, and hardly any further out.
//!
//! A node within a radius r of the place is silent with P_IN, one beyond with P_OUT. By chance, or when a line is cut, any is,
//! wherever it stands: with the share q of all that is. The ratio of the two, averaged over the radii that part the nodes (Bayes factor with
//! a uniform prior), says by how much the shape fits better.

use super::super::World;
use super::super::lane::Seen;
use super::super::sighting::Sighting;
use crate::model::geo::LonLat;
use rustc_hash::FxHashSet;

/// The chance that a node within reach is silent, and one beyond.
const P_IN: f64 = 0.9;
const P_OUT: f64 = 0.02;
/// What the shape makes of the odds at the least and at the most.
const RATIO: std::ops::RangeInclusive<f64> = 0.4..=100.0;

/// By how much silences about that place fit one jammer better than any other cause; 1 without silences. Nodes are those that promise
/// a heartbeat, as far away as a source reaches.
pub(super) fn ratio(silent: &[Sighting], place: LonLat, world: World<'_>) -> f64 {
    if silent.is_empty() {
        return 1.0;
    }
    let are_silent: FxHashSet<_> = silent.iter().map(|it| it.cited().node).collect();
    let nodes = (0..).map(crate::model::node::NodeIx).zip(world.registry.nodes());
    let up = nodes.filter(|(ix, node)| node.heartbeat_s.is_some() && node.registered && !are_silent.contains(ix));
    let up = up.filter_map(|(_, node)| Some((node.position?.distance_m(place), false)));
    let silent = silent.iter().map(|it| (it.place.distance_m(place), true));
    let reach_m = world.settings.interference.reach_m;
    of_distances(silent.chain(up).filter(|&(distance_m, _)| distance_m <= reach_m).collect())
}

/// The same of nodes that are so far away, metres, and silent or not.
fn of_distances(mut nodes: Vec<(f64, bool)>) -> f64 {
    nodes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (all, silent) = (nodes.len() as f64, nodes.iter().filter(|it| it.1).count() as f64);
    let share = (silent + 1.0) / (all + 2.0);
    let ln = |p: f64, is_silent: bool| if is_silent { (p / share).ln() } else { ((1.0 - p) / (1.0 - share)).ln() };
    // With nobody within the radius; each further node that is adds to that.
    let mut fit = nodes.iter().map(|it| ln(P_OUT, it.1)).sum::<f64>();
    let mut sum = fit.exp();
    for &(_, is_silent) in &nodes {
        fit += ln(P_IN, is_silent) - ln(P_OUT, is_silent);
        sum += fit.exp();
    }
    (sum / (all + 1.0)).clamp(*RATIO.start(), *RATIO.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes(silent: impl Fn(usize) -> bool) -> Vec<(f64, bool)> {
        (0..20).map(|at| (1000.0 * at as f64, silent(at))).collect()
    }

    #[test]
    fn the_nearest_fit_one_jammer_and_any_do_not() {
        let (near, any, far) = (
            of_distances(nodes(|at| at < 6)),
            of_distances(nodes(|at| at % 3 == 0)),
            of_distances(nodes(|at| at > 13)),
        );
        assert!(near > 50.0 && any < 1.0 && far < 1.0, "{near} {any} {far}");
    }

    #[test]
    fn where_all_are_silent_no_shape_is_seen() {
        let all = of_distances(nodes(|_| true));
        assert!((0.3..1.1).contains(&all), "{all}");
    }

    proptest! {
        #[test]
        fn it_hangs_on_who_is_nearer_alone(
            silent in proptest::collection::vec(any::<bool>(), 1..40), stretch in 0.1..10.0f64, turn in 0usize..40,
        ) {
            let mut nodes: Vec<(f64, bool)> = silent.iter().enumerate().map(|(at, &it)| (1e3 * at as f64, it)).collect();
            let before = of_distances(nodes.clone());
            nodes.iter_mut().for_each(|it| it.0 *= stretch);
            let length = nodes.len();
            nodes.rotate_left(turn % length);
            prop_assert!((of_distances(nodes) / before - 1.0).abs() < 1e-9);
            prop_assert!(RATIO.contains(&before));
        }
    }
}
