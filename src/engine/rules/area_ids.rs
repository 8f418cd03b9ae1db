//! Ids of areas, as most plots of an object have them in common with the one before.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Ids of areas; a copy costs no memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct AreaIds(Option<Arc<[String]>>);

impl AreaIds {
    pub(super) fn as_slice(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Vec<String>> for AreaIds {
    fn from(areas: Vec<String>) -> AreaIds {
        AreaIds((!areas.is_empty()).then(|| areas.into()))
    }
}

impl From<AreaIds> for Vec<String> {
    fn from(areas: AreaIds) -> Vec<String> {
        areas.as_slice().to_vec()
    }
}
