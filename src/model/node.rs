//! The sensor registry: who may report, from where, and how well each node hears.

use super::geo::LonLat;
use super::kind::{Component, Kind, KindSet};
use super::names::Names;
use serde::{Deserialize, Serialize};

/// A node's place in the [`Registry`]; stable for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeIx(pub u32);

impl NodeIx {
    /// As an index.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// Most nodes a registry holds: a bound on what unregistered senders can make us remember.
pub const MAX_NODES: usize = 2_000_000;

/// A sensor or a patrol. What the registry does not say is `None`, and the kind's default holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name on the wire.
    pub name: String,
    /// What it may report; empty for a node that is not registered.
    pub kinds: KindSet,
    /// Where it stands; `None` for a node that brings its own position.
    pub position: Option<LonLat>,
    /// Height above the ellipsoid.
    pub alt_m: Option<f64>,
    /// How far it hears.
    pub range_m: Option<f64>,
    /// Its picks' uncertainty.
    pub time_sd_s: Option<f64>,
    /// The chance that it hears an event in range, 0–1.
    pub detect_p: Option<f64>,
    /// Picks an hour that belong to nothing.
    pub false_per_hour: Option<f64>,
    /// Seconds between heartbeats.
    pub heartbeat_s: Option<f64>,
    /// The sector it belongs to.
    pub sector: Option<String>,
    /// The component it belongs to.
    pub component: Option<Component>,
    /// Ed25519 public key; a node that has one must sign.
    pub public_key: Option<[u8; 32]>,
    /// Whether the registry named it (or it only brought its own position).
    pub registered: bool,
}

impl Node {
    /// A node known by name alone.
    pub fn unregistered(name: &str) -> Node {
        Node {
            name: name.to_owned(),
            kinds: KindSet::default(),
            position: None,
            alt_m: None,
            range_m: None,
            time_sd_s: None,
            detect_p: None,
            false_per_hour: None,
            heartbeat_s: None,
            sector: None,
            component: None,
            public_key: None,
            registered: false,
        }
    }

    /// Its pick uncertainty for `kind`: the registry's, else the kind's.
    pub fn time_sd_s(&self, kind: Kind) -> f64 {
        self.time_sd_s.unwrap_or(kind.default_time_sd_s())
    }
}

/// What decides whether a node is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the registry named it.
    pub registered: bool,
    /// Whether it must sign.
    pub signs: bool,
}

impl Standing {
    fn of(node: &Node) -> Standing {
        Standing { registered: node.registered, signs: node.public_key.is_some() }
    }
}

/// All nodes, by index and by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub struct Registry {
    nodes: Vec<Node>,
    #[serde(skip)]
    names: Names,
    /// Apart from the nodes, which are too large for the caches.
    #[serde(skip)]
    standings: Vec<Standing>,
    version: u64,
}

/// What of it is written down: the rest is made of that.
#[derive(Deserialize)]
struct Kept {
    nodes: Vec<Node>,
    version: u64,
}

impl From<Kept> for Registry {
    fn from(Kept { nodes, version }: Kept) -> Registry {
        Registry { version, ..Registry::new(nodes) }
    }
}

impl Registry {
    /// A registry of these nodes; of two of one name the later holds.
    pub fn new(nodes: impl IntoIterator<Item = Node>) -> Registry {
        let mut registry = Registry::default();
        for node in nodes {
            registry.upsert(node);
        }
        registry
    }

    /// The node of that name.
    pub fn find(&self, name: &str) -> Option<NodeIx> {
        self.find_bytes(name.as_bytes())
    }

    /// The node of that name, which may be any bytes.
    #[inline]
    pub fn find_bytes(&self, name: &[u8]) -> Option<NodeIx> {
        self.names.find(name, |ix| &self.nodes[ix.at()].name)
    }

    /// Whether the node at `ix` is believed, and under which condition.
    #[inline]
    pub fn standing(&self, ix: NodeIx) -> Standing {
        self.standings[ix.at()]
    }

    /// The node at `ix`.
    pub fn node(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix.at()]
    }

    /// All nodes in the order of their indices.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All nodes, each with its index.
    pub fn numbered(&self) -> impl Iterator<Item = (NodeIx, &Node)> {
        (0..).map(NodeIx).zip(&self.nodes)
    }

    /// Changes whenever a node is added or altered: whoever derives something from the registry compares it.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Adds a node, or replaces the one of that name in its place. `None` when the registry is full.
    pub fn upsert(&mut self, node: Node) -> Option<NodeIx> {
        if let Some(ix) = self.find(&node.name) {
            if self.nodes[ix.at()] != node {
                self.standings[ix.at()] = Standing::of(&node);
                self.nodes[ix.at()] = node;
                self.version += 1;
            }
            return Some(ix);
        }
        if self.nodes.len() == MAX_NODES {
            return None;
        }
        let ix = NodeIx(self.nodes.len() as u32);
        self.names.insert(&node.name, ix);
        self.standings.push(Standing::of(&node));
        self.nodes.push(node);
        self.version += 1;
        Some(ix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_survives_a_change() {
        let mut registry = Registry::new([Node::unregistered("a"), Node::unregistered("b")]);
        let b = registry.find("b").unwrap();
        let version = registry.version();
        let mut changed = Node::unregistered("b");
        changed.range_m = Some(12_000.0);
        assert_eq!(registry.upsert(changed.clone()), Some(b));
        assert!(registry.version() > version);
        assert_eq!(registry.node(b).range_m, Some(12_000.0));
        let version = registry.version();
        registry.upsert(changed);
        assert_eq!(registry.version(), version, "the same again is no change");
        assert_eq!(registry.find("c"), None);
        let standing = |registry: &Registry| (registry.standing(b).registered, registry.standing(b).signs);
        assert_eq!(standing(&registry), (false, false));
        registry.upsert(Node { registered: true, public_key: Some([1; 32]), ..Node::unregistered("b") });
        assert_eq!(standing(&registry), (true, true));
    }

    #[test]
    fn a_registry_is_what_it_was() {
        let long = "a name that no slot holds";
        let mut registry = Registry::new(["a", long, "b"].map(Node::unregistered));
        registry.upsert(Node { public_key: Some([7; 32]), alt_m: Some(f64::NAN), ..Node::unregistered(long) });
        let mut again: Registry = postcard::from_bytes(&postcard::to_stdvec(&registry).unwrap()).unwrap();
        assert_eq!(again.version(), registry.version());
        for (at, node) in registry.nodes().iter().enumerate() {
            let ix = NodeIx(at as u32);
            assert_eq!(again.find(&node.name), Some(ix));
            assert_eq!(again.standing(ix), registry.standing(ix));
        }
        assert!(again.node(NodeIx(1)).alt_m.is_some_and(f64::is_nan));
        assert_eq!(again.upsert(Node::unregistered("c")), registry.upsert(Node::unregistered("c")));
    }
}
