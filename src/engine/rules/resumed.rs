//! A rule as a checkpoint has it.
//!
//! All that is in a rule is written down but for scratch room and what is only kept so that it need not be worked out
//! again: what comes later is the same to the last bit. It holds for the nodes, areas and settings of then.

use super::lane::Watch;
use super::lanes::Lanes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What can be written down as it stands, and taken up again by one that has just been made: it then goes on as if nothing
/// had happened.
pub trait Resumed {
    /// Writes it down at the end of these bytes.
    ///
    /// # Errors
    /// Something in it can't be written down.
    fn save(&self, bytes: Vec<u8>) -> postcard::Result<Vec<u8>>;

    /// Takes it up from all of these bytes.
    ///
    /// # Errors
    /// It is not what was written down.
    fn load(&mut self, bytes: &[u8]) -> postcard::Result<()>;
}

impl<T: Serialize + DeserializeOwned> Resumed for T {
    fn save(&self, bytes: Vec<u8>) -> postcard::Result<Vec<u8>> {
        postcard::to_extend(self, bytes)
    }

    fn load(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        let (saved, rest) = postcard::take_from_bytes(bytes)?;
        if !rest.is_empty() {
            return Err(postcard::Error::DeserializeBadEncoding);
        }
        *self = saved;
        Ok(())
    }
}

impl<W: Watch> Serialize for Lanes<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de, W: Watch> Deserialize<'de> for Lanes<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lanes<W>, D::Error> {
        let mut lanes = Self::deserialize(deserializer)?;
        let (places, index) = (&lanes.lanes, &mut lanes.index);
        (0..places.len()).for_each(|at| index.enter(at, |at| places[at].key()));
        Ok(lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::all;

    #[test]
    fn what_is_cut_short_or_goes_on_is_none() {
        for mut rule in all() {
            let bytes = rule.save(b"before".to_vec()).unwrap().split_off(6);
            rule.load(&bytes).unwrap();
            assert!(rule.load(&bytes[..bytes.len() - 1]).is_err());
            assert!(rule.load(&[&bytes[..], &[0]].concat()).is_err());
            assert_eq!(rule.save(Vec::new()).unwrap(), bytes);
        }
    }
}
