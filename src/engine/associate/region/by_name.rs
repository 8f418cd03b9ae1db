//! What a record says of sites and arrivals, written down as such records are: as text, in order of names.

use super::ByName;
use crate::engine::as_named;
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};

pub(super) fn serialize<T: Serialize, S: Serializer>(by_name: &ByName<T>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut all: Vec<_> = by_name.iter().collect();
    all.sort_unstable_by_key(|&(name, _)| name);
    as_named::serialize(&all, serializer)
}

pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<ByName<T>, D::Error> {
    let all: Vec<_> = as_named::deserialize(deserializer)?;
    Ok(all.into_iter().collect())
}
