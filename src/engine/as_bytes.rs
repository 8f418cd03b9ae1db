//! Bytes that a checkpoint holds as one piece: one after the other they take many times as long. They are read where they
//! lie.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Some bytes.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes<'a>, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Bytes)
    }
}
