//! So many nodes that heard something in one cell of the map within one stretch of time: a rough word of fire that costs
//! next to nothing, for telemetry that comes faster than it can be associated.
//!
//! It does not ask whether what they heard can be of one event, nor where that was. It is off by default, and meant to be used
//! with `engine.fire` off: both together tell of the same rounds twice.

use super::{Rule, World, cited_at};
use crate::engine::book::{Book, Cited, Claim, Stage};
use crate::model::alert::Class;
use crate::model::area::Prohibition;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::kind::{Kind, KindSet};
use crate::model::node::NodeIx;
use crate::model::observation::Observations;
use crate::model::time::ns_from_s;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Range of a node that tells none, metres.
const DEFAULT_RANGE_M: f64 = 12_000.0;
/// Cells and stretches that are open at a time. At it those that began first are settled before their time.
const MAX_OPEN: usize = 200_000;

/// A cell and the beginning of a stretch, nanoseconds.
type Place = (i64, i32, i32);

/// Who was heard first there and then, as many as it takes, each once, in order of time.
#[derive(Default, Serialize, Deserialize)]
struct Heard {
    first: Vec<Cited>,
    is_told: bool,
}

impl Heard {
    /// Takes in what a node heard. Whoever is not among the first so many now never will be by what was heard so far.
    fn add(&mut self, cited: Cited, nodes: usize) {
        let turn = |it: &Cited| (it.time_ns, it.id, it.node);
        if let Some(at) = self.first.iter().position(|it| it.node == cited.node) {
            if turn(&self.first[at]) <= turn(&cited) {
                return;
            }
            self.first.remove(at);
        }
        let at = self.first.partition_point(|it| turn(it) < turn(&cited));
        self.first.insert(at, cited);
        self.first.truncate(nodes);
    }
}

/// The rule.
#[derive(Default, Serialize, Deserialize)]
pub struct Coincidences {
    #[serde(serialize_with = "crate::engine::in_order::map")]
    open: FxHashMap<Place, Heard>,
    /// When the first of them ends, or before, nanoseconds.
    first_end_ns: Option<i64>,
    watermark_ns: Option<i64>,
}

/// How many nodes it takes, and how long a stretch is, nanoseconds.
fn terms(world: World<'_>) -> (usize, i64) {
    let settings = &world.settings.coincidence;
    (settings.nodes.max(1) as usize, ns_from_s(settings.within_s).max(1))
}

fn tell((from_ns, row, column): Place, heard: &Heard, stage: Stage, world: World<'_>, book: &mut Book) {
    let nodes = || heard.first.iter().map(|it| world.registry.node(it.node));
    let places: Vec<LonLat> = nodes().filter_map(|node| node.position).collect();
    let Some(first) = heard.first.first() else { return };
    let count = places.len() as f64;
    let mean = |of: fn(&LonLat) -> f64| places.iter().map(of).sum::<f64>() / count;
    let place = LonLat { lon_deg: mean(|it| it.lon_deg), lat_deg: mean(|it| it.lat_deg) };
    // It is within the range of each of them: evenly spread over a disc, one sigma is half of its radius.
    let range_m = nodes().map(|node| node.range_m.unwrap_or(DEFAULT_RANGE_M)).fold(f64::INFINITY, f64::min);
    let key = format!("coincidence/{row}/{column}/{}", from_ns.div_euclid(1_000_000));
    let mut claim = Claim::new(key, Class::FireUndetermined, place, first.time_ns);
    claim.prohibitions = vec![Prohibition::Fire];
    claim.ellipse = Some(Ellipse { semi_major_m: 0.5 * range_m, semi_minor_m: 0.5 * range_m, orientation_deg: 0.0 });
    claim.time_sd_s = world.settings.coincidence.within_s;
    claim.count_is_minimum = true;
    claim.probability = world.settings.coincidence.probability;
    claim.evidence.clone_from(&heard.first);
    book.say(claim, stage, world.registry, world.places, world.settings);
}

impl Coincidences {
    /// Settles what ended by then.
    fn settle(&mut self, until_ns: i64, world: World<'_>, book: &mut Book) {
        let (nodes, within_ns) = terms(world);
        let mut ended: Vec<(Place, Heard)> =
            self.open.extract_if(|place, _| place.0.saturating_add(within_ns) <= until_ns).collect();
        ended.sort_unstable_by_key(|(place, _)| *place);
        for (place, heard) in ended.iter().filter(|(_, heard)| heard.first.len() >= nodes) {
            tell(*place, heard, Stage::Final, world, book);
        }
        self.first_end_ns = self.open.keys().map(|place| place.0.saturating_add(within_ns)).min();
    }
}

impl Rule for Coincidences {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Acoustic).with(Kind::Seismic).with(Kind::Infrasound)
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        if !world.settings.coincidence.on || batch.withdrawn[row] {
            return;
        }
        let node: NodeIx = batch.node[row];
        let Some(at) = world.registry.node(node).position else { return };
        let ((nodes, within_ns), time_ns) = (terms(world), batch.time_ns[row]);
        let from_ns = time_ns - time_ns.rem_euclid(within_ns);
        let end_ns = from_ns.saturating_add(within_ns);
        // What was said of it is final.
        if self.watermark_ns.is_some_and(|watermark_ns| end_ns <= watermark_ns) {
            return;
        }
        let cell = |deg: f64| (deg / world.settings.coincidence.cell_deg).floor() as i32;
        let place = (from_ns, cell(at.lat_deg), cell(at.lon_deg));
        if self.open.len() >= MAX_OPEN
            && !self.open.contains_key(&place)
            && let Some(first_end_ns) = self.first_end_ns
        {
            self.settle(first_end_ns, world, book);
        }
        let heard = self.open.entry(place).or_default();
        heard.add(cited_at(batch, row), nodes);
        self.first_end_ns = Some(self.first_end_ns.map_or(end_ns, |first| first.min(end_ns)));
        if heard.first.len() == nodes && !std::mem::replace(&mut heard.is_told, heard.first.len() == nodes) {
            tell(place, heard, Stage::Open, world, book);
        }
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        self.watermark_ns = self.watermark_ns.max(Some(watermark_ns));
        if self.first_end_ns.is_some_and(|end_ns| end_ns <= watermark_ns) {
            self.settle(watermark_ns, world, book);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::*;
    use super::*;
    use crate::engine::settings::Settings;
    use crate::model::alert::{AlertFeature, Status};
    use proptest::prelude::*;

    /// What stands in the end where it is on.
    fn under(sent: &[Sent], delivery: &Delivery) -> Vec<AlertFeature> {
        let mut settings = Settings::default();
        settings.coincidence.on = true;
        standing(tell_with(&mut Coincidences::default(), &zone(), &settings, sent, delivery))
    }

    /// Four hear something within ten seconds, one of them twice; five others do in twenty.
    fn heard() -> Vec<Sent> {
        let mut sent: Vec<Sent> =
            [("h1", 0), ("h2", 3), ("h2", 4), ("h3", 7), ("h4", 9)].map(|(node, at)| arrival(node, 40 + at)).into();
        sent.extend([("h1", 84), ("h2", 88), ("h3", 89), ("h4", 92), ("h5", 97)].map(|(node, at)| arrival(node, at)));
        sent.extend([status("h1", 120, "ok"), status("h2", 200, "ok")]);
        sent
    }

    #[test]
    fn four_nodes_of_one_cell_in_one_stretch_make_an_alert_and_fewer_none() {
        let finals = under(&heard(), &Delivery::in_order());
        assert_eq!(finals.len(), 1);
        let alert = &finals[0].properties;
        assert_eq!((alert.class, alert.status, alert.evidence.len()), (Class::FireUndetermined, Status::Final, 4));
        assert!(alert.count_is_minimum && alert.ellipse.is_some_and(|it| it.semi_major_m == 6_000.0));
        assert_eq!(alert.time.0, at_s(40).0);
        let first = under(&heard()[..5], &Delivery::in_order().provisional());
        assert_eq!(first[0].properties.status, Status::Preliminary, "said as soon as the fourth is heard");
        assert!(deliver::<Coincidences>(&heard(), &Delivery::in_order()).is_empty(), "it is off");
    }

    proptest! {
        #[test]
        fn the_order_of_delivery_does_not_matter(
            arrivals in proptest::collection::btree_set((0usize..5, 0i64..40), 0..40), delivery in any_delivery(42),
        ) {
            const NODES: [&str; 5] = ["h1", "h2", "h3", "h4", "h5"];
            let mut sent: Vec<Sent> = arrivals.iter().map(|&(node, at)| arrival(NODES[node], at)).collect();
            sent.extend([status("h1", 120, "ok"), status("h2", 200, "ok")]);
            let told = under(&sent, &delivery);
            prop_assert_eq!(&told, &under(&sent, &Delivery::in_order()));
            // By hand: stretches in which four were heard.
            let expected = (0..4).filter(|tens| {
                let mut nodes: Vec<usize> = arrivals.iter().filter(|it| it.1 / 10 == *tens).map(|it| it.0).collect();
                nodes.sort_unstable();
                nodes.dedup();
                nodes.len() >= 4
            });
            prop_assert_eq!(told.len(), expected.count());
        }
    }
}
