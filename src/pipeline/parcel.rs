//! What one turn of the engine came to, on its way out.

use super::by_region::Forward;
use super::said_table::{CheckpointRow, Reading};
use crate::engine::associate::record::RegionRecord;
use crate::engine::book::{Kept, Said, Settled};
use crate::engine::escalation::record::EscalationRecord;
use crate::engine::rules::memory::Change;
use crate::kafka::Position;
use crate::model::escalation::Escalation;
use crate::model::observation::Origin;
use crate::model::reject::Refusal;
use std::time::Instant;

/// A rejected line on its way out.
#[derive(Debug)]
pub struct Rejected {
    /// Where it stood.
    pub origin: Origin,
    /// Why.
    pub refusal: Refusal,
    /// The received bytes.
    pub raw: Vec<u8>,
    /// The key it came with.
    pub key: Option<Vec<u8>>,
}

/// What one turn of the engine came to. All of it stands together.
#[derive(Debug, Default)]
pub struct Parcel {
    /// Alert revisions, in order.
    pub said: Vec<Said>,
    /// What was said of escalations, in order.
    pub escalations: Vec<Escalation>,
    /// Rejected lines.
    pub rejected: Vec<Rejected>,
    /// What other parts of the regions are told.
    pub forwards: Vec<Forward>,
    /// By the keys of alerts that changed, what is kept of them; `None`: nothing any more.
    pub kept: Vec<(String, Option<Kept>)>,
    /// By topic index and partition, how far was read.
    pub readings: Vec<((u16, i32), Reading)>,
    /// How far event time has settled things, when all that follows from it has been handed over.
    pub settled: Option<Settled>,
    /// What rules know of what lasts, as far as it is to be kept anew.
    pub lanes: Vec<Change>,
    /// What is usual, when bins of event time have been judged by it.
    pub escalation: Option<EscalationRecord>,
    /// What a region has learnt, when it is its turn to be kept.
    pub learnt: Option<RegionRecord>,
    /// A checkpoint of what an earlier turn came to, when it is laid down.
    pub checkpoint: Option<CheckpointRow>,
    /// Offsets up to which nothing is needed any more.
    pub positions: Vec<Position>,
    /// When the batch that led to it was taken from the consumer.
    pub taken_at: Option<Instant>,
    /// Whether it comes out of a backlog, of which nobody waits for the milliseconds.
    pub is_backlog: bool,
}

impl Parcel {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
            && self.escalations.is_empty()
            && self.escalation.is_none()
            && self.rejected.is_empty()
            && self.kept.is_empty()
            && self.lanes.is_empty()
            && self.learnt.is_none()
            && self.checkpoint.is_none()
            && self.positions.is_empty()
            && self.forwards.is_empty()
    }
}
