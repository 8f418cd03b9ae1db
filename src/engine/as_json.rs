//! A field that a checkpoint holds as JSON text: what leaves fields out where they say nothing, or is any JSON there is,
//! can't be told from its bytes alone. Of numbers JSON has those that are finite, to the last bit. It is read where it lies.

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&serde_json::to_string(value).map_err(S::Error::custom)?)
}

pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    serde_json::from_str(<&str>::deserialize(deserializer)?).map_err(D::Error::custom)
}
