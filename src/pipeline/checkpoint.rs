//! All that the second stage of a live run knows, in bytes: a restart takes it up as if there had been none, and reads on from
//! there.
//!
//! It is a shortcut and no more. What was said, and how far things had settled, is told by the said-table, which is never
//! older than the checkpoint that it names; what lies between the two is read again, in silence. Without a checkpoint, or
//! with one that does not fit, everything that is needed is read again.

use super::crossing::Crossing;
use super::finals_heard::FinalsHeard;
use super::held_keys::HeldKeys;
use super::low_water::LowWater;
use crate::engine::progress::Partition;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What wrote it: bytes mean something to the same build only.
const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("TRUCELINE_STATE"));

/// What is known besides what the correlator knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct Head {
    build: String,
    config_digest: String,
    topics: Vec<String>,
    /// What tells the topics from others of the same names.
    topic_ids: Vec<Option<String>>,
    /// The partitions that were read, and how far each had been.
    pub assigned: BTreeSet<Partition>,
    pub read_to: BTreeMap<Partition, i64>,
    /// Where offsets may be committed.
    pub low_water: LowWater,
    /// The keys of lines that are held back.
    pub held_keys: HeldKeys,
    /// Of a part of the regions: where places there are here, and what the others have told.
    pub between: Option<(Crossing, FinalsHeard)>,
}

/// For whom a checkpoint is.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The digest of the configuration.
    pub config_digest: &'a str,
    /// The topics that are read.
    pub topics: &'a [String],
    /// What tells them from others of the same names.
    pub topic_ids: &'a [Option<String>],
}

/// Why a checkpoint is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Of a run that was another in some way.
    #[error("it is of another {what}")]
    Another {
        /// What was another.
        what: &'static str,
    },
    /// Bytes that mean nothing.
    #[error("it can't be understood: {0}")]
    Broken(#[from] postcard::Error),
    /// What the engine knew.
    #[error(transparent)]
    Engine(#[from] crate::engine::checkpoint::CheckpointError),
}

impl Head {
    /// Begins a checkpoint for whoever is the same reader.
    ///
    /// # Errors
    /// None in practice: all of it can be written.
    pub fn write(
        room: Vec<u8>,
        reader: Reader<'_>,
        (assigned, read_to): (&BTreeSet<Partition>, &BTreeMap<Partition, i64>),
        (low_water, held_keys): (&LowWater, &HeldKeys),
        between: Option<(&Crossing, &FinalsHeard)>,
    ) -> Result<Vec<u8>, CheckpointError> {
        // The fields of a head, in their order.
        let of_whom = (BUILD, reader.config_digest, reader.topics, reader.topic_ids);
        Ok(postcard::to_extend(&(of_whom, assigned, read_to, low_water, held_keys, between), room)?)
    }

    /// A checkpoint's head, and the rest of it.
    ///
    /// # Errors
    /// It is not for this reader, or can't be understood.
    pub fn read<'a>(checkpoint: &'a [u8], reader: Reader<'_>) -> Result<(Head, &'a [u8]), CheckpointError> {
        // By itself, since the rest may mean something else.
        let (build, _) = postcard::take_from_bytes::<String>(checkpoint)?;
        if build != BUILD {
            return Err(CheckpointError::Another { what: "build of the program" });
        }
        let (head, rest) = postcard::take_from_bytes::<Head>(checkpoint)?;
        let same = [
            (head.config_digest == reader.config_digest, "configuration"),
            (head.topics == reader.topics && head.topic_ids == reader.topic_ids, "topic"),
        ];
        match same.into_iter().find(|it| !it.0) {
            Some((_, what)) => Err(CheckpointError::Another { what }),
            None => Ok((head, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reader: Reader<'_>) -> Vec<u8> {
        let mut low_water = LowWater::default();
        low_water.read((0, 1), 77);
        low_water.mark();
        let read_to = BTreeMap::from([((0, 1), 77), ((1, 0), 3)]);
        let assigned = read_to.keys().copied().chain([(2, 0)]).collect();
        let head = Head::write(Vec::new(), reader, (&assigned, &read_to), (&low_water, &HeldKeys::default()), None);
        [head.unwrap(), b"the rest".to_vec()].concat()
    }

    #[test]
    fn what_a_part_of_the_regions_knows_of_the_others_goes_with_it() {
        let reader = Reader { config_digest: "d", topics: &[], topic_ids: &[] };
        let (mut crossing, mut finals) = (Crossing::new(3), FinalsHeard::after(Some(5)));
        crossing.read(70, &[((0, 1), 7)], []);
        crossing.position(&[], Some(70));
        finals.hear(60, 9);
        let (assigned, read_to) = Default::default();
        let (low_water, held_keys) = Default::default();
        let between = Some((&crossing, &finals));
        let head = Head::write(Vec::new(), reader, (&assigned, &read_to), (&low_water, &held_keys), between).unwrap();
        let (crossing, mut finals) = Head::read(&head, reader).unwrap().0.between.unwrap();
        assert_eq!((crossing.committed(), finals.known_ns(), finals.needed_here(9)), (None, Some(5), Some(60)));
    }

    #[test]
    fn a_checkpoint_is_for_the_same_reader_alone() {
        let (topics, others) = (["a", "b"].map(str::to_owned), ["a", "c"].map(str::to_owned));
        let (ids, other_ids) = ([None, Some("x".to_owned())], [None, Some("y".to_owned())]);
        let reader = Reader { config_digest: "d", topics: &topics, topic_ids: &ids };
        let checkpoint = written(reader);
        let (head, rest) = Head::read(&checkpoint, reader).unwrap();
        assert_eq!((head.read_to.len(), head.assigned.len(), rest), (2, 3, &b"the rest"[..]));
        let told = |reader| Head::read(&checkpoint, reader).unwrap_err().to_string();
        assert_eq!(told(Reader { config_digest: "e", ..reader }), "it is of another configuration");
        assert_eq!(told(Reader { topics: &others, ..reader }), "it is of another topic");
        assert_eq!(told(Reader { topic_ids: &other_ids, ..reader }), "it is of another topic");
        let mut of_another_build = checkpoint.clone();
        of_another_build[3] ^= 1;
        let told = Head::read(&of_another_build, reader).unwrap_err().to_string();
        assert_eq!(told, "it is of another build of the program");
        assert!(Head::read(&checkpoint[..10], reader).is_err());
    }
}
