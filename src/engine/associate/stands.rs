//! A node that says where it is has a site wherever it was heard from, and stood at one of them at a time: what it hears is heard there,
//! and that it is silent means something there alone.

use super::field::{Field, Site};
use super::wave::Wave;
use crate::engine::in_order;
use crate::model::node::NodeIx;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What is nearer than that to a site is there: positions by satellite are off by some metres from one time to the next, and sound goes so far
/// in less time than a pick is off.
pub const SAME_PLACE_M: f64 = 30.0;
/// Most sites of a node for a wave; beyond, one that it left long ago is moved to the new place.
pub const MAX_SITES: usize = 16;

/// The sites of a node for a wave.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Stand {
    sites: Vec<u32>,
    /// Whether the first is where the node is laid out.
    is_laid_out: bool,
    /// At which it was heard from when, s, in order of time; what is forgotten left out, but for the last of it.
    heard: VecDeque<(f64, u32)>,
}

/// The sites of all nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stands {
    #[serde(serialize_with = "in_order::map")]
    of: FxHashMap<(NodeIx, Wave), Stand>,
}

/// Where to find a site for what is heard.
#[derive(Debug, PartialEq)]
pub enum Spot {
    /// That site stands there, or nowhere nearer is room for one.
    At(u32),
    /// One has to be made.
    New,
    /// That one is needed no more where it is.
    InPlaceOf(u32),
}

impl Stands {
    /// Notes the site that a node is laid out at.
    pub fn lay_out(&mut self, node: NodeIx, wave: Wave, number: u32) {
        self.of.insert((node, wave), Stand { sites: vec![number], is_laid_out: true, heard: VecDeque::new() });
    }

    /// Notes a new site.
    pub fn add(&mut self, node: NodeIx, wave: Wave, number: u32) {
        self.of.entry((node, wave)).or_default().sites.push(number);
    }

    /// The site at which a node stands that does not say where it is.
    pub fn first(&self, node: NodeIx, wave: Wave) -> Option<u32> {
        self.of.get(&(node, wave))?.sites.first().copied()
    }

    /// All sites of a node for a wave.
    pub fn all(&self, node: NodeIx, wave: Wave) -> &[u32] {
        self.of.get(&(node, wave)).map_or(&[], |stand| &stand.sites)
    }

    /// The site for what a node hears that says that it is there, m. What is older than `forgotten_s` is not asked for again.
    pub fn spot(&self, node: NodeIx, wave: Wave, at_m: (f64, f64), field: &Field, forgotten_s: f64) -> Spot {
        let Some(stand) = self.of.get(&(node, wave)) else { return Spot::New };
        let away_m = |number: u32| {
            let site = &field.sites()[number as usize];
            (site.x_m - at_m.0).hypot(site.y_m - at_m.1)
        };
        let away = stand.sites.iter().map(|&number| (away_m(number), number));
        let Some((nearest_m, nearest)) = away.min_by(|a, b| a.0.total_cmp(&b.0)) else { return Spot::New };
        if nearest_m <= SAME_PLACE_M {
            return Spot::At(nearest);
        }
        if stand.sites.len() < MAX_SITES {
            return Spot::New;
        }
        let is_needed = |number: u32| stand.heard.iter().any(|&(time_s, at)| at == number && time_s >= forgotten_s);
        let stands_now = stand.heard.back().map(|&(_, number)| number);
        let left = stand.sites.iter().skip(usize::from(stand.is_laid_out)).copied();
        let left = left.filter(|&number| Some(number) != stands_now).find(|&number| !is_needed(number));
        left.map_or(Spot::At(nearest), Spot::InPlaceOf)
    }

    /// Notes that a node was heard from at a site then, s; what is older than `forgotten_s` is not asked for any more.
    pub fn note(&mut self, node: NodeIx, wave: Wave, number: u32, time_s: f64, forgotten_s: f64) {
        let stand = self.of.entry((node, wave)).or_default();
        let at = stand.heard.partition_point(|&known| known <= (time_s, number));
        stand.heard.insert(at, (time_s, number));
        while stand.heard.get(1).is_some_and(|&(next_s, _)| next_s <= forgotten_s) {
            stand.heard.pop_front();
        }
    }

    /// Whether a site that a node has said it is at was the one at which it stood then, s. Before it said anything it was where it is laid out,
    /// or nobody knows where.
    pub fn stood(&self, number: u32, site: &Site, time_s: f64) -> bool {
        let Some(stand) = self.of.get(&(site.node, site.wave)) else { return true };
        match stand.heard.partition_point(|&(heard_s, _)| heard_s <= time_s) {
            0 => stand.is_laid_out && stand.sites.first() == Some(&number),
            after => stand.heard[after - 1].1 == number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node::Node;
    use proptest::prelude::*;

    const NODE: NodeIx = NodeIx(0);

    fn site(x_m: f64) -> Site {
        Site::new(NODE, &Node::unregistered("n"), Wave::Acoustic, (x_m, 0.0), 0.0)
    }

    /// As a region does it.
    fn hear(stands: &mut Stands, field: &mut Field, x_m: f64, time_s: f64, forgotten_s: f64) -> u32 {
        let number = match stands.spot(NODE, Wave::Acoustic, (x_m, 0.0), field, forgotten_s) {
            Spot::At(number) => number,
            Spot::New => {
                let number = field.add(site(x_m));
                stands.add(NODE, Wave::Acoustic, number);
                number
            }
            Spot::InPlaceOf(number) => {
                field.replace(number, site(x_m));
                number
            }
        };
        stands.note(NODE, Wave::Acoustic, number, time_s, forgotten_s);
        number
    }

    #[test]
    fn a_node_stands_where_it_last_said_that_it_is() {
        let (mut stands, mut field) = (Stands::default(), Field::default());
        let laid_out = field.add(site(0.0));
        stands.lay_out(NODE, Wave::Acoustic, laid_out);
        let stood = |stands: &Stands, number: u32, time_s: f64| stands.stood(number, &site(0.0), time_s);
        let moved = hear(&mut stands, &mut field, 500.0, 10.0, f64::NEG_INFINITY);
        assert_ne!(moved, laid_out);
        assert_eq!(hear(&mut stands, &mut field, 520.0, 20.0, f64::NEG_INFINITY), moved, "some metres are no move");
        assert_eq!(hear(&mut stands, &mut field, 5.0, 30.0, f64::NEG_INFINITY), laid_out, "it is back");
        let at = |time_s: f64| [laid_out, moved].map(|number| stood(&stands, number, time_s));
        assert_eq!([9.0, 10.0, 29.0, 30.0].map(at), [[true, false], [false, true], [false, true], [true, false]]);
    }

    #[test]
    fn who_never_stands_still_has_so_many_sites_and_no_more() {
        let (mut stands, mut field) = (Stands::default(), Field::default());
        for step in 0..1_000 {
            let (x_m, time_s) = (f64::from(step) * 100.0, f64::from(step));
            let number = hear(&mut stands, &mut field, x_m, time_s, time_s - 5.0);
            assert_eq!(field.sites()[number as usize].x_m, x_m);
        }
        assert_eq!(field.sites().len(), MAX_SITES);
        assert!(stands.of[&(NODE, Wave::Acoustic)].heard.len() < 10);
        // Nothing is forgotten any more: what is heard goes to the site that is nearest.
        for step in 0..100 {
            hear(&mut stands, &mut field, -f64::from(step) * 100.0, 1_000.0 + f64::from(step), 990.0);
        }
        assert_eq!(field.sites().len(), MAX_SITES);
    }

    proptest! {
        #[test]
        fn where_it_stood_does_not_depend_on_the_order(
            heard in proptest::collection::vec((0u32..4, 0u32..50), 1..30), asked in 0u32..60, seed: u64,
        ) {
            let (mut one, mut other) = (Stands::default(), Stands::default());
            let mut shuffled = heard.clone();
            shuffled.sort_by_key(|&(number, at)| (u64::from(number) * 31 + u64::from(at)).wrapping_mul(seed | 1));
            for (stands, heard) in [(&mut one, &heard), (&mut other, &shuffled)] {
                heard.iter().for_each(|&(number, at)| stands.note(NODE, Wave::Acoustic, number, f64::from(at), -1.0));
            }
            for number in 0..4 {
                let stood = [&one, &other].map(|stands| stands.stood(number, &site(0.0), f64::from(asked)));
                prop_assert_eq!(stood[0], stood[1]);
            }
        }
    }
}
