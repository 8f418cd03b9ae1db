//! Registry and engine together: decoded lines in, alerts and rejected lines out. Reads and writes nothing.

use super::by_region::Finals;
use super::lessons::Lessons;
use crate::codec::Lines;
use crate::codec::reviewers::Reviewers;
use crate::engine::associate::record::{LearntRecord, RegionRecord};
use crate::engine::book::{DecisionError, Said};
use crate::engine::checkpoint::{CheckpointError, Written};
use crate::engine::escalation::record::EscalationRecord;
use crate::engine::escalation::telling::BinTold;
use crate::engine::places::Places;
use crate::engine::rules::memory::{Change, LaneRecord};
use crate::engine::settings::Settings;
use crate::engine::{Counts, Engine, Output};
use crate::model::area::Area;
use crate::model::escalation::Escalation;
use crate::model::node::{Node, Registry};
use crate::model::notice::Notice;
use crate::model::observation::Origin;
use crate::model::reject::{Reason, Refusal};
use crate::model::review::Review;
use std::time::Instant;

/// A line that was refused, with the bytes as received.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Where it stood.
    pub origin: Origin,
    /// Why.
    pub refusal: Refusal,
    /// The received bytes.
    pub raw: Vec<u8>,
    /// Of a decision: whether its alert is not known here, and may be in another part of the regions.
    pub is_elsewhere: Option<bool>,
}

/// A change of reference data.
#[derive(Clone, Debug)]
pub enum Reference {
    /// A node is new or another.
    Node(Node),
    /// An area is new or another.
    Area(Area),
    /// A notice is new or another.
    Notice(Notice),
    /// An area is gone.
    AreaGone(String),
    /// A notice is gone.
    NoticeGone(String),
}

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Results {
    /// Alert revisions, in order.
    pub said: Vec<Said>,
    /// What was said of escalations, in order.
    pub escalations: Vec<Escalation>,
    /// Refused lines.
    pub rejected: Vec<Rejected>,
    /// Lines of earlier batches that were held back and have been let in, and their times, nanoseconds.
    pub released: Vec<(Origin, i64)>,
}

impl Results {
    /// Empties it, keeping the memory.
    pub fn clear(&mut self) {
        self.said.clear();
        self.escalations.clear();
        self.rejected.clear();
        self.released.clear();
    }
}

/// How many observations a correlator has taken in and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines decoded into observations.
    pub observations: u64,
    /// Lines refused, by the decoder or by the stream's clock.
    pub rejected: u64,
    /// Decisions read.
    pub decisions: u64,
    /// What the engine made of the observations.
    pub engine: Counts,
}

/// Keeps its memory between batches.
pub struct Correlator {
    registry: Registry,
    engine: Engine,
    reviewers: Reviewers,
    output: Output,
    tally: Tally,
}

impl Correlator {
    /// A correlator with this reference data. `topics` names what [`Origin::topic`] counts.
    pub fn new(
        settings: Settings,
        config_digest: String,
        topics: Vec<String>,
        registry: Registry,
        places: Places,
    ) -> Correlator {
        Correlator {
            registry,
            engine: Engine::new(settings, config_digest, topics, places),
            reviewers: Reviewers::default(),
            output: Output::default(),
            tally: Tally::default(),
        }
    }

    /// Decisions are from now on taken from these reviewers, and as many of them have to agree.
    pub fn convene(&mut self, review: &Review) {
        self.reviewers = Reviewers::new(review);
        self.engine.convene(review.clone());
    }

    /// Takes in a batch and empties it; the first words that follow are added to `results`. The batch's nodes are those
    /// of this correlator's registry. [`Correlator::advance`] has to come next.
    pub fn correlate(&mut self, lines: &mut Lines, results: &mut Results) {
        self.tally.observations += lines.observations.len() as u64;
        let before = results.rejected.len();
        for line in lines.rejected.drain(..) {
            results.rejected.push(Rejected {
                origin: line.origin,
                refusal: line.refusal,
                raw: line.raw,
                is_elsewhere: None,
            });
        }
        self.engine.observe(&lines.observations, &self.registry, &mut self.output);
        for line in lines.decisions.drain(..) {
            self.tally.decisions += 1;
            let (refusal, is_unknown) = match self.reviewers.check(&line) {
                Err(refusal) => (refusal, false),
                Ok(()) => match self.engine.decide(line.decision, &mut self.output) {
                    Ok(()) => continue,
                    Err(error) => {
                        let message = error.to_string();
                        let is_unknown = matches!(error, DecisionError::Unknown { .. });
                        (Refusal { reason: Reason::BadField, message }, is_unknown)
                    }
                },
            };
            let is_elsewhere = Some(is_unknown);
            results.rejected.push(Rejected { origin: line.origin, refusal, raw: line.raw, is_elsewhere });
        }
        self.tally.rejected += (results.rejected.len() - before) as u64;
        lines.clear();
        self.collect(results);
    }

    /// Writes down all that is known, the registry with it, behind what stands in `out`. To be called between batches.
    ///
    /// # Errors
    /// None in practice.
    pub fn checkpoint(&self, out: Vec<u8>) -> Result<Written, CheckpointError> {
        let out = postcard::to_extend(&self.registry, out).map_err(CheckpointError::Unwritable)?;
        self.engine.checkpoint(out)
    }

    /// Goes on from what was written down, as if nothing had been in between but changes of reference data: the registry, areas
    /// and notices are those of now. To be called before the first batch.
    ///
    /// # Errors
    /// The bytes are not those of a correlator; this one is as it was.
    pub fn take_up(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        let (registry, rest) =
            postcard::take_from_bytes::<Registry>(checkpoint).map_err(CheckpointError::Unreadable)?;
        let places = self.engine.places().clone();
        self.engine.take_up(rest)?;
        self.engine.change_places(&registry, |then| then.become_like(&places));
        let now = std::mem::replace(&mut self.registry, registry);
        for node in now.nodes() {
            self.registry.upsert(node.clone());
        }
        Ok(())
    }

    /// What final events have taught so far.
    pub fn learnt(&self) -> LearntRecord {
        self.engine.learnt(&self.registry)
    }

    /// What a successor has to know of what is usual, if there is news.
    pub fn take_escalation_record(&mut self) -> Option<EscalationRecord> {
        self.engine.take_escalation_record(&self.registry)
    }

    /// What is to be kept now of what final events have taught.
    pub fn next_lesson(&self, lessons: &mut Lessons, now: Instant) -> Option<RegionRecord> {
        lessons.next(&self.engine, &self.registry, now)
    }

    /// Moves event time on by what was taken in; what is final by that is added to `results`.
    pub fn advance(&mut self, results: &mut Results) {
        self.engine.advance(&self.registry, &mut self.output);
        self.collect(results);
    }

    /// The stream has ended.
    pub fn finish(&mut self, results: &mut Results) {
        self.engine.finish(&self.registry, &mut self.output);
        self.collect(results);
    }

    /// A partition has nothing more to read.
    pub fn caught_up(&mut self, topic: u16, partition: i32, results: &mut Results) {
        self.engine.caught_up((topic, partition), &self.registry, &mut self.output);
        self.collect(results);
    }

    /// All has been quiet for so long, nanoseconds.
    pub fn quiet_for(&mut self, quiet_ns: i64, results: &mut Results) {
        self.engine.quiet_for(quiet_ns, &self.registry, &mut self.output);
        self.collect(results);
    }

    /// What another part of the regions has told.
    pub fn hear(&mut self, finals: Finals) {
        for event in finals.events {
            self.engine.hear_final(event, &self.registry);
        }
        self.engine.hear_settled(finals.part, finals.settled_ns);
    }

    /// What a part of the regions, this one or another, tells of a bin of event time; it stands `here` in what is read.
    pub fn hear_bin(&mut self, told: BinTold, here: i64) {
        self.engine.hear_bin(told, here, &self.registry);
    }

    /// All that a predecessor had seen has been seen again.
    pub fn replayed(&mut self, results: &mut Results) {
        self.engine.replayed(&self.registry, &mut self.output);
        self.collect(results);
    }

    /// A change of reference data.
    pub fn refer(&mut self, change: Reference) {
        match change {
            Reference::Node(node) => {
                self.registry.upsert(node);
            }
            Reference::Area(area) => self.change_places(|places| places.upsert_area(area)),
            Reference::Notice(notice) => self.change_places(|places| places.upsert_notice(notice)),
            Reference::AreaGone(area) => self.change_places(|places| places.remove_area(&area)),
            Reference::NoticeGone(notice) => self.change_places(|places| places.remove_notice(&notice)),
        }
    }

    fn change_places(&mut self, change: impl FnOnce(&mut Places)) {
        self.engine.change_places(&self.registry, change);
    }

    /// The engine, for assignments and figures.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Rules go on from these records; gives the keys of those that can't be understood.
    pub fn remember(&mut self, records: impl IntoIterator<Item = LaneRecord>) -> Vec<String> {
        self.engine.remember(records, &self.registry)
    }

    /// What is to be kept anew of what rules know.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.engine.take_changes(&self.registry)
    }

    /// The sensor registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The sensor registry, for a decoder on the same thread: it adds nodes that only bring their own position.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// What was taken in so far.
    pub fn tally(&self) -> Tally {
        Tally { engine: self.engine.counts(), ..self.tally }
    }

    fn collect(&mut self, results: &mut Results) {
        results.said.append(&mut self.output.said);
        results.escalations.append(&mut self.output.escalations);
        results.released.append(&mut self.output.released);
        // Not all of `results`: some of it may have been there, and counted, before.
        self.tally.rejected += self.output.refused.len() as u64;
        for refused in self.output.refused.drain(..) {
            let (origin, refusal, raw) = (refused.origin, refused.refusal, refused.raw);
            results.rejected.push(Rejected { origin, refusal, raw, is_elsewhere: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{DecodeOptions, Decoder, RecordAt};

    #[test]
    fn a_decision_that_cannot_stand_is_refused_with_the_bytes_that_came() {
        let places = Places::new(Vec::new(), Vec::new());
        let topics = vec!["review.decisions".to_owned()];
        let mut correlator = Correlator::new(Settings::default(), String::new(), topics, Registry::default(), places);
        let received =
            br#"{ "alert":"A-0", "revision":1,"x":[1.0], "decision":"dismissed","by":"c","at":"2026-03-01T00:00:00Z"}"#;
        let (mut lines, mut results) = (Lines::default(), Results::default());
        let mut decoder = Decoder::new(DecodeOptions { keep_raw: true });
        let at = RecordAt { topic: 0, partition: 2, offset: 7 };
        decoder.record(received, at, correlator.registry_mut(), &mut lines);
        correlator.correlate(&mut lines, &mut results);
        correlator.advance(&mut results);
        let [rejected] = results.rejected.as_slice() else { panic!("{:?}", results.rejected) };
        assert_eq!(rejected.refusal.reason, Reason::BadField);
        assert_eq!(String::from_utf8_lossy(&rejected.raw), String::from_utf8_lossy(received));
    }
}
