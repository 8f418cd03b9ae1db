//! A field that a checkpoint holds with the names of its parts (MessagePack): what leaves parts out where they say nothing can't be
//! told from its bytes alone. Numbers are kept to the last bit. It is read where it lies.

use super::as_bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Room for most of what is written: an alert takes some 2 kB.
const ROOM_BYTES: usize = 4096;

pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::with_capacity(ROOM_BYTES);
    rmp_serde::encode::write_named(&mut bytes, value).map_err(S::Error::custom)?;
    Bytes(&bytes).serialize(serializer)
}

pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let Bytes(bytes) = Bytes::deserialize(deserializer)?;
    rmp_serde::from_slice(bytes).map_err(D::Error::custom)
}
