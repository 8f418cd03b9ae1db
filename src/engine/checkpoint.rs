//! The whole engine written down, for a process that goes on as if nothing had happened: what it says from then on is, to the
//! last bit, what the one that was written down would have said.
//!
//! The form is binary and without names (postcard): it is for the same program alone, and whoever keeps it has to see to
//! it that it is whole and that program and settings are the same. Nodes are in it by their numbers, so the registry
//! has to be kept with it.
//!
//! Left out is what the new engine is made with (settings, who reviews), memory that means nothing from one call to the next,
//! and tables that follow from the rest to the same bits ([`super::fire::FireWatch::rebuild`]).

use super::book::{Book, Claim};
use super::settled::Settled;
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
    /// They are, and what goes with it is not all there.
    #[error("the checkpoint of the engine has not as many alerts or final events as were written down")]
    Lasting,
}

/// An engine that was written down, all but what never changes once it is made. That can be written while the engine goes on; it
/// takes more than half of the time.
#[derive(Debug)]
pub struct Written {
    bytes: Vec<u8>,
    lasting: Lasting,
}

/// What never changes once it is made; who has something else to say makes another. It stands behind all else.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Lasting {
    claims: Vec<Arc<Claim>>,
    /// By region.
    finals: Vec<Vec<Arc<Settled>>>,
    alerts: Vec<Alert>,
}

/// An alert as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Alert(#[serde(with = "as_named")] Arc<AlertFeature>);

impl Written {
    /// All of it.
    ///
    /// # Errors
    /// As [`Engine::checkpoint`].
    pub fn finish(self) -> Result<Vec<u8>, CheckpointError> {
        postcard::to_extend(&self.lasting, self.bytes).map_err(CheckpointError::Unwritable)
    }
}

impl Lasting {
    fn of(book: &Book, finals: Vec<Vec<Arc<Settled>>>) -> Lasting {
        let (claims, alerts) = book.lasting();
        Lasting { claims, finals, alerts: alerts.into_iter().map(Alert).collect() }
    }

    fn read(bytes: &[u8]) -> Result<Lasting, CheckpointError> {
        let (lasting, rest) = postcard::take_from_bytes(bytes).map_err(CheckpointError::Unreadable)?;
        if rest.is_empty() { Ok(lasting) } else { Err(CheckpointError::TooLong(rest.len())) }
    }
}

impl Engine {
    /// Writes all of it down, behind what stands in `out`. To be called when nothing is left to be handed out.
    ///
    /// # Errors
    /// Something in it has no form; there is nothing of that kind as far as is known.
    pub fn checkpoint(&self, out: Vec<u8>) -> Result<Written, CheckpointError> {
        let bytes = postcard::to_extend(self, out).map_err(CheckpointError::Unwritable)?;
        Ok(Written { bytes, lasting: Lasting::of(&self.book, self.fire.finals()) })
    }

    /// Becomes the engine that was written down. To be called on one that was made with the same settings, topics and
    /// reviewers and has seen nothing, with the registry of then.
    ///
    /// # Errors
    /// The bytes are not those of an engine; this one is as it was.
    pub fn take_up(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let (mut written, rest) = postcard::take_from_bytes::<Engine>(bytes).map_err(CheckpointError::Unreadable)?;
        let Lasting { claims, finals, alerts } = Lasting::read(rest)?;
        let alerts = alerts.into_iter().map(|Alert(alert)| alert).collect();
        // The book has some that is as it was made.
        if !written.fire.load(finals) || !self.book.load(written.book, claims, alerts) {
            return Err(CheckpointError::Lasting);
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

/// A book that was written down and is taken up by one that has just been made.
#[cfg(test)]
pub(super) fn taken_up(book: &Book, mut new: Book) -> Book {
    let lasting = Lasting::of(book, Vec::new());
    let (rest, lasting) = (postcard::to_stdvec(book).unwrap(), postcard::to_stdvec(&lasting).unwrap());
    let Lasting { claims, alerts, .. } = Lasting::read(&lasting).unwrap();
    let alerts = alerts.into_iter().map(|Alert(alert)| alert).collect();
    assert!(new.load(postcard::from_bytes(&rest).unwrap(), claims, alerts));
    new
}

#[cfg(test)]
impl Written {
    /// Of some bytes, and nothing that goes with them.
    pub(crate) fn of(bytes: &[u8]) -> Written {
        Written { bytes: bytes.to_vec(), lasting: Lasting::default() }
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
        let mut pieces =
            pieces!(places, progress, duplicates, weather, fire, slow, escalation, bin_teller, book, held, latecomers);
        pieces.extend(
            self.rules.iter().map(|rule| ("a rule", Box::new(|| rule.save(Vec::new()).expect("a piece")) as Piece<'_>)),
        );
        pieces.push((
            "what lasts",
            Box::new(|| postcard::to_stdvec(&Lasting::of(&self.book, self.fire.finals())).expect("a piece")),
        ));
        pieces
    }
}

/// Writes a piece of a checkpoint.
#[cfg(test)]
pub(crate) type Piece<'a> = Box<dyn Fn() -> Vec<u8> + 'a>;
