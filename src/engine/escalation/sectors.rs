//! Which sector a place lies in, and a node.

use super::{MAX_SECTORS, THEATRE};
use crate::engine::places::Places;
use crate::model::area::{Area, AreaType};
use crate::model::geo::LonLat;
use crate::model::node::{NodeIx, Registry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Sectors by name, the theatre last. What lies in none counts for the theatre alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sectors {
    names: Vec<String>,
    /// Of each node its sector.
    homes: Vec<usize>,
}

fn name(area: &Area) -> Option<&str> {
    (area.kind == AreaType::Sector).then(|| area.sector.as_deref().unwrap_or(&area.area))
}

impl Sectors {
    /// None known yet.
    pub fn none() -> Sectors {
        Sectors { names: vec![THEATRE.to_owned()], homes: Vec::new() }
    }

    /// Those that are drawn.
    pub fn new(registry: &Registry, places: &Places) -> Sectors {
        let mut names: BTreeSet<String> = places.areas().iter().filter_map(name).map(str::to_owned).collect();
        names.remove(THEATRE);
        let names = names.into_iter().take(MAX_SECTORS).chain(std::iter::once(THEATRE.to_owned())).collect();
        let mut sectors = Sectors { names, homes: Vec::new() };
        let home = |place: Option<LonLat>| place.map_or(sectors.theatre(), |place| sectors.at(place, places));
        sectors.homes = registry.nodes().iter().map(|node| home(node.position)).collect();
        sectors
    }

    /// Names in order, the theatre last.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are, the theatre among them.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The theatre's number.
    pub fn theatre(&self) -> usize {
        self.names.len() - 1
    }

    /// The sector of a node; the theatre of one that is not known.
    pub fn home(&self, node: NodeIx) -> usize {
        self.homes.get(node.at()).copied().unwrap_or(self.theatre())
    }

    /// The sector of each node.
    pub fn homes(&self) -> &[usize] {
        &self.homes
    }

    /// The sector of a place; the theatre where there is none.
    pub fn at(&self, place: LonLat, places: &Places) -> usize {
        let known = &self.names[..self.theatre()];
        let find = |name: &str| known.binary_search_by(|it| it.as_str().cmp(name)).ok();
        places.areas_at(place).filter_map(name).find_map(find).unwrap_or(self.theatre())
    }
}
