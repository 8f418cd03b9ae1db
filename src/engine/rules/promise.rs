//! What the registry says of nodes, as far as their silence is concerned.

use super::World;
use super::lane::span_ns;
use crate::model::geo::LonLat;
use crate::model::node::NodeIx;
use std::num::NonZeroI64;

/// What one node promises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// The version of the registry that says so; 0: it was not asked yet.
    version: u64,
    /// Where it stands; NaN where it is not said.
    place: LonLat,
    /// From when on its silence counts, nanoseconds.
    patience_ns: Option<NonZeroI64>,
}

impl Promise {
    const UNASKED: Promise =
        Promise { version: 0, place: LonLat { lon_deg: f64::NAN, lat_deg: f64::NAN }, patience_ns: None };

    /// Where the node stands, if that is said.
    pub(super) fn place(&self) -> Option<LonLat> {
        Some(self.place).filter(|place| !place.lon_deg.is_nan())
    }

    /// From when on its silence counts, nanoseconds; `None` for a node that promises no heartbeat.
    pub(super) fn patience_ns(&self) -> Option<i64> {
        self.patience_ns.map(NonZeroI64::get)
    }
}

/// What all nodes promise: the registry has much more to say of each, spread over more memory.
#[derive(Debug, Default)]
pub(super) struct Promises {
    by_node: Vec<Promise>,
}

impl Promises {
    /// What that node promises.
    pub(super) fn of(&mut self, node: NodeIx, world: World<'_>) -> Promise {
        if self.by_node.len() <= node.at() {
            self.by_node.resize(node.at() + 1, Promise::UNASKED);
        }
        let known = &mut self.by_node[node.at()];
        if known.version != world.registry.version() {
            let (node, silence) = (world.registry.node(node), &world.settings.silence);
            let heartbeat_s = node.heartbeat_s.filter(|&heartbeat_s| heartbeat_s > 0.0 && silence.on);
            let patience_ns = heartbeat_s.map(|heartbeat_s| span_ns(heartbeat_s * silence.heartbeats).max(1));
            *known = Promise {
                version: world.registry.version(),
                place: node.position.unwrap_or(Promise::UNASKED.place),
                patience_ns: patience_ns.and_then(NonZeroI64::new),
            };
        }
        *known
    }

    /// Looks at what is known of that node; what it gives means nothing.
    pub(super) fn look(&self, node: NodeIx) -> u64 {
        self.by_node.get(node.at()).map_or(0, |promise| promise.version)
    }
}
