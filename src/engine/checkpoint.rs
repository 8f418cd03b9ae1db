//! The whole engine written down, for a process that goes on as if nothing had happened: what it says from then on is, to the
//! last bit, what the one that was written down would have said.
//!
//! The form is binary and without names (postcard): it is for the same program alone, and whoever keeps it has to see to
//! it that it is whole and that program and settings are the same. Nodes are in it by their numbers, so the registry
//! has to be kept with it.
//!
//! Left out is what the new engine is made with (settings, who reviews), memory that means nothing from one call to the next,
//! and tables that follow from the rest to the same bits ([`super::fire::FireWatch::rebuild`]).

use super::book::Book;
use super::{Engine, as_named};
use crate::model::alert::AlertFeature;
use serde::{Deserialize, Serialize};
use std::mem::take;
use std::sync::Arc;

/// Why an engine cannot be written down or taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Something in it has no form.
    #[error("the engine can't be written down: {0}")]
    Unwritable(postcard::Error),
    /// The bytes are not those of an engine.
    #[error("the checkpoint of the engine can't be read: {0}")]
    Unreadable(postcard::Error),
    /// They are, and others come after them.
    #[error("the checkpoint of the engine is followed by {0} bytes that are none of it")]
    TooLong(usize),
    /// They are, and there are other alerts than it had.
    #[error("the checkpoint of the engine has not as many alerts as its book")]
    Alerts,
}

/// An engine that was written down, all but its alerts. These never change, so they can be written while the engine goes on; they take
/// half of the time.
#[derive(Debug)]
pub struct Written {
    bytes: Vec<u8>,
    alerts: Vec<Arc<AlertFeature>>,
}

impl Written {
    /// All of it.
    ///
    /// # Errors
    /// As [`Engine::checkpoint`].
    pub fn finish(self) -> Result<Vec<u8>, CheckpointError> {
        write_alerts(&self.alerts, self.bytes).map_err(CheckpointError::Unwritable)
    }
}

/// An alert as it is written down.
#[derive(Serialize, Deserialize)]
struct Alert(#[serde(with = "as_named")] Arc<AlertFeature>);

/// Writes alerts behind what stands in `out`.
pub(super) fn write_alerts(alerts: &[Arc<AlertFeature>], out: Vec<u8>) -> Result<Vec<u8>, postcard::Error> {
    let mut out = postcard::to_extend(&alerts.len(), out)?;
    for alert in alerts {
        out = postcard::to_extend(&Alert(alert.clone()), out)?;
    }
    Ok(out)
}

/// The alerts that were written, which are all there is.
pub(super) fn read_alerts(bytes: &[u8]) -> Result<Vec<Arc<AlertFeature>>, CheckpointError> {
    let read = postcard::take_from_bytes::<Vec<Alert>>(bytes);
    let (alerts, rest) = read.map_err(CheckpointError::Unreadable)?;
    if !rest.is_empty() {
        return Err(CheckpointError::TooLong(rest.len()));
    }
    Ok(alerts.into_iter().map(|Alert(alert)| alert).collect())
}

impl Engine {
    /// Writes all of it down, behind what stands in `out`. To be called when nothing is left to be handed out.
    ///
    /// # Errors
    /// Something in it has no form; there is nothing of that kind as far as is known.
    pub fn checkpoint(&self, out: Vec<u8>) -> Result<Written, CheckpointError> {
        let bytes = postcard::to_extend(self, out).map_err(CheckpointError::Unwritable)?;
        Ok(Written { bytes, alerts: self.book.alerts() })
    }

    /// Becomes the engine that was written down. To be called on one that was made with the same settings, topics and
    /// reviewers and has seen nothing, with the registry of then.
    ///
    /// # Errors
    /// The bytes are not those of an engine; this one is as it was.
    pub fn take_up(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let (mut written, rest) = postcard::take_from_bytes::<Engine>(bytes).map_err(CheckpointError::Unreadable)?;
        let alerts = read_alerts(rest)?;
        // Of these some is as they were made.
        if !self.book.load(written.book, alerts) {
            return Err(CheckpointError::Alerts);
        }
        let book = std::mem::replace(&mut self.book, Book::new(String::new(), Vec::new()));
        written.fire.rebuild();
        let mut escalation = self.escalation.take();
        if let (Some(own), Some(saved)) = (&mut escalation, written.escalation) {
            own.load(saved);
        }
        *self = Engine {
            settings: take(&mut self.settings),
            heeded_by: take(&mut self.heeded_by),
            kept_s: self.kept_s,
            book,
            escalation,
            ..written
        };
        Ok(())
    }
}

/// Rules, one after the other, each in one piece.
pub(super) mod rules {
    use crate::engine::as_bytes::Bytes;
    use crate::engine::rules::{Rule, all};
    use serde::de::Error as _;
    use serde::ser::{Error as _, SerializeSeq};
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(rules: &[Box<dyn Rule>], serializer: S) -> Result<S::Ok, S::Error> {
        let mut pieces = serializer.serialize_seq(Some(rules.len()))?;
        for rule in rules {
            pieces.serialize_element(&Bytes(&rule.save(Vec::new()).map_err(S::Error::custom)?))?;
        }
        pieces.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<dyn Rule>>, D::Error> {
        let (pieces, mut rules) = (Vec::<Bytes<'de>>::deserialize(deserializer)?, all());
        if pieces.len() != rules.len() {
            return Err(D::Error::invalid_length(pieces.len(), &"as many rules as there are"));
        }
        for (rule, Bytes(piece)) in rules.iter_mut().zip(pieces) {
            rule.load(piece).map_err(D::Error::custom)?;
        }
        Ok(rules)
    }
}

#[cfg(test)]
impl Written {
    /// Of some bytes, and no alerts.
    pub(crate) fn of(bytes: &[u8]) -> Written {
        Written { bytes: bytes.to_vec(), alerts: Vec::new() }
    }
}

#[cfg(test)]
impl Engine {
    /// What a checkpoint holds, piece by piece: the name of each, and what writes it.
    pub(crate) fn pieces(&self) -> Vec<(&'static str, Piece<'_>)> {
        macro_rules! pieces {
            ($($field:ident),+) => {
                vec![$((stringify!($field), Box::new(|| postcard::to_stdvec(&self.$field).expect("a piece")) as Piece<'_>)),+]
            };
        }
        let mut pieces = pieces!(places, progress, duplicates, weather, fire, slow, escalation, book, held, latecomers);
        pieces.extend(
            self.rules.iter().map(|rule| ("a rule", Box::new(|| rule.save(Vec::new()).expect("a piece")) as Piece<'_>)),
        );
        pieces.push(("alerts", Box::new(|| write_alerts(&self.book.alerts(), Vec::new()).expect("a piece"))));
        pieces
    }
}

/// Writes a piece of a checkpoint.
#[cfg(test)]
pub(crate) type Piece<'a> = Box<dyn Fn() -> Vec<u8> + 'a>;
