//! A field that a checkpoint holds with the names of its parts (MessagePack): what leaves parts out where they say nothing can't be
//! told from its bytes alone. Numbers are kept to the last bit. It is read where it lies.

use super::as_bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    Bytes(&rmp_serde::to_vec_named(value).map_err(S::Error::custom)?).serialize(serializer)
}

pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let Bytes(bytes) = Bytes::deserialize(deserializer)?;
    rmp_serde::from_slice(bytes).map_err(D::Error::custom)
}
