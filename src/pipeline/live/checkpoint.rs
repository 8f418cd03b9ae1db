//! A checkpoint of the second stage: when one is laid down, and whether the one that was taken up fits.

use super::super::checkpoint::{CheckpointError, Head, Reader};
use super::super::said_table::CheckpointRow;
use super::Live;
use crate::engine::checkpoint::Written;
use crate::engine::progress::Partition;
use crate::kafka::settings::Start;
use std::collections::BTreeSet;
use std::time::Instant;

impl Live<'_> {
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { config_digest: &self.run.config_digest, topics: &self.topics, topic_ids: &self.topic_ids }
    }

    /// Lays a checkpoint down when there is room for one. Gives the row of one that was laid down before: all that it came to
    /// has been handed over by now, and so is committed no later than the row.
    pub(super) fn lay_down(&mut self) -> Option<CheckpointRow> {
        let shelf = self.shelf.as_mut()?;
        let row = shelf.laid_down().map(|digest| CheckpointRow { digest });
        let knows_where = |partition: &Partition| {
            self.run.kafka.start == Start::Earliest
                || self.read_to.contains_key(partition)
                || self.low_water.committed(*partition).is_some()
        };
        let knows_all = match &self.neighbours {
            None => self.assigned.iter().all(knows_where),
            Some(neighbours) => self.read_to.contains_key(&neighbours.here),
        };
        if !self.assigned.is_empty()
            && knows_all
            && let Some(room) = shelf.room(self.records)
        {
            let began = Instant::now();
            match self.checkpoint(room) {
                Ok(checkpoint) => {
                    self.records = 0;
                    self.shelf.as_mut()?.lay_down(checkpoint, began.elapsed());
                }
                Err(error) => {
                    tracing::error!("there will be no checkpoints: {error}");
                    self.shelf = None;
                }
            }
        }
        row
    }

    /// All that is known now, written into `room`.
    fn checkpoint(&self, room: Vec<u8>) -> Result<Written, CheckpointError> {
        let Live { assigned, read_to, low_water, held_keys, neighbours, .. } = self;
        let between = neighbours.as_ref().map(|neighbours| (&neighbours.crossing, &neighbours.finals));
        let written = Head::write(room, self.reader(), (assigned, read_to), (low_water, held_keys), between)?;
        Ok(self.correlator.checkpoint(written)?)
    }

    /// A checkpoint tells of the partitions that were read then. Where others are read now, what is needed is read again
    /// without it.
    pub(super) fn look_whether_it_fits(&mut self, assigned: &[Partition]) {
        // Partitions that are added later are new, and fit.
        let is_first = self.assigned.is_empty() && !assigned.is_empty();
        let Live { resumed: Some(resumed), shelf, .. } = self else { return };
        if is_first && assigned.iter().copied().collect::<BTreeSet<_>>() != resumed.assigned {
            tracing::info!("other partitions are read than before: the checkpoint is not taken up");
            resumed.is_unfit = true;
            shelf.iter_mut().for_each(|shelf| shelf.forget(&resumed.digest));
        }
    }

    /// Whether it knows of partitions that it does not read, or not of all that it does: it has to be begun anew.
    pub fn is_unfit(&self) -> bool {
        self.resumed.as_ref().is_some_and(|resumed| resumed.is_unfit)
    }
}
