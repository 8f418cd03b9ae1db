//! The reader's side of `telemetry.by-region`: its records become lines that stand where they stood at first, rows that
//! only move event time, and what other parts have told.

use super::by_region::{self, Finals, LineHead, PartitionProgress, What};
use super::handover::Batch;
use crate::codec::{Decoder, RecordAt};
use crate::engine::escalation::telling::BinTold;
use crate::engine::progress::{Leaders, Partition};
use crate::kafka::Record;
use crate::model::kind::Kind;
use crate::model::node::{Node, Registry};
use crate::model::observation::{Common, Origin, Part};
use std::collections::{BTreeMap, BTreeSet};

/// That a partition is quiet holds until some other has been told of so many times since: routers tell how each stands twice a second, so the
/// router of one of which they do not is gone, and what comes there nobody knows.
const QUIET_HOLDS_ROUNDS: u64 = 6;

/// What is known of the first hop.
pub struct SecondHop {
    /// The topics of telemetry.
    topics: Vec<String>,
    /// All their partitions.
    partitions: Vec<Partition>,
    ended: BTreeSet<Partition>,
    /// Those that are quiet, and in which round that was last said: a round ends when one is told of for the second time in it.
    quiet: BTreeMap<Partition, u64>,
    round: u64,
    told_in_round: BTreeSet<Partition>,
    /// Whether all are quiet, and that has been said.
    is_closed: bool,
    /// How far the stream has come in what has been read, and had when it was last said of a partition that there is no more in it.
    leaders: Leaders,
    vouched_at_ns: BTreeMap<Partition, i64>,
}

impl SecondHop {
    /// Behind the router of these topics, with so many partitions each.
    pub fn new(topics: &[String], counts: &[i32]) -> SecondHop {
        let of_topic = |(topic, &count): (u16, &i32)| (0..count).map(move |partition| (topic, partition));
        let partitions = (0u16..).zip(counts).flat_map(of_topic).collect();
        SecondHop {
            topics: topics.to_vec(),
            partitions,
            ended: BTreeSet::new(),
            quiet: BTreeMap::new(),
            round: 0,
            told_in_round: BTreeSet::new(),
            is_closed: false,
            leaders: Leaders::default(),
            vouched_at_ns: BTreeMap::new(),
        }
    }

    /// All partitions of telemetry: each holds event time back until it has been heard of.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Puts what a record holds into the batch.
    pub fn record(&mut self, record: &Record<'_>, decoder: &mut Decoder, registry: &mut Registry, batch: &mut Batch) {
        batch.read_to_here = Some(record.offset + 1);
        let Some((what, head)) = by_region::read(record.headers()) else {
            tracing::warn!("telemetry.by-region partition {}: {record:?} is not of this program", record.partition);
            return;
        };
        let told = |error: serde_json::Error| tracing::error!("telemetry.by-region: {record:?}: {error}");
        match what {
            What::Line => {
                self.line(&head, record.payload, decoder, registry, batch);
                batch.decisions_here.resize(batch.lines.decisions.len(), record.offset);
            }
            What::Progress => match serde_json::from_slice::<Vec<PartitionProgress>>(record.payload) {
                Ok(all) => all.iter().for_each(|progress| self.progress(progress, registry, batch)),
                Err(error) => told(error),
            },
            What::Finals => match serde_json::from_slice::<Finals>(record.payload) {
                Ok(finals) => batch.finals.push((record.offset, finals)),
                Err(error) => told(error),
            },
            What::Bin => match serde_json::from_slice::<BinTold>(record.payload) {
                Ok(bin) => {
                    for name in bin.nodes() {
                        if registry.find(name).is_none() {
                            registry.upsert(Node::unregistered(name));
                        }
                    }
                    batch.bins.push((record.offset, bin));
                }
                Err(error) => told(error),
            },
        }
    }

    fn topic(&self, name: &str) -> Option<u16> {
        self.topics.iter().position(|topic| topic == name).and_then(|at| u16::try_from(at).ok())
    }

    fn line(
        &mut self,
        head: &LineHead<'_>,
        line: &[u8],
        decoder: &mut Decoder,
        registry: &mut Registry,
        batch: &mut Batch,
    ) {
        let Some(topic) = self.topic(head.topic) else { return };
        let partition = (topic, head.partition);
        self.goes_on(partition, batch);
        let at = RecordAt { topic, partition: head.partition, offset: head.offset };
        batch.keys.push(at, head.key);
        // The record may have more lines; that it is through is told as progress.
        batch.note(partition, head.offset);
        let lines = &mut batch.lines;
        let (rows, rejected, decisions) = (lines.observations.len(), lines.rejected.len(), lines.decisions.len());
        decoder.record(line, at, registry, lines);
        for row in rows..lines.observations.len() {
            self.leaders.note(lines.observations.time_ns[row], lines.observations.node[row]);
            lines.observations.origin[row].line = head.line;
            if head.halo {
                lines.observations.part[row] = Part::Halo;
            }
        }
        if head.halo {
            // Who answers for it says so.
            lines.rejected.truncate(rejected);
        }
        lines.rejected[rejected..].iter_mut().for_each(|it| it.origin.line = head.line);
        lines.decisions[decisions..].iter_mut().for_each(|it| it.origin.line = head.line);
    }

    fn progress(&mut self, progress: &PartitionProgress, registry: &mut Registry, batch: &mut Batch) {
        let Some(topic) = self.topic(&progress.topic) else { return };
        let partition = (topic, progress.partition);
        if progress.next_offset > 0 {
            batch.note(partition, progress.next_offset);
        }
        for (name, time_ns) in &progress.heard {
            let known = registry.find(name);
            let Some(node) = known.or_else(|| registry.upsert(Node::unregistered(name))) else { continue };
            let observations = &mut batch.lines.observations;
            let (partition, offset) = (progress.partition, progress.next_offset.saturating_sub(1));
            let origin = Origin { topic, partition, offset, line: u32::MAX };
            observations.push(Common::new(origin, Kind::Status, node, *time_ns, 0));
            self.leaders.note(*time_ns, node);
            if let Some(part) = observations.part.last_mut() {
                *part = Part::Progress;
            }
        }
        // How it stands is told again now and then.
        if !progress.ended {
            self.goes_on(partition, batch);
        } else {
            // A router that is gone says so no more, and what it would have read holds event time back from then on. Others' lines may
            // have come in between its looking and its word; but it has looked since it last said so.
            let stream_ns = self.leaders.agreed_ns().unwrap_or(i64::MIN);
            let before_ns = self.vouched_at_ns.insert(partition, stream_ns).unwrap_or(i64::MIN);
            batch.vouched.push((partition, before_ns));
            if self.ended.insert(partition) {
                batch.ended.push(partition);
            }
        }
        if !self.told_in_round.insert(partition) {
            self.round += 1;
            self.told_in_round = BTreeSet::from([partition]);
        }
        if !progress.quiet {
            return self.stirs(partition, batch);
        }
        self.quiet.insert(partition, self.round);
        let holds = |partition| self.quiet.get(partition).is_some_and(|said| self.round - said <= QUIET_HOLDS_ROUNDS);
        if !self.is_closed && self.partitions.iter().all(holds) {
            (self.is_closed, batch.quiet) = (true, true);
        }
    }

    /// A partition has more to say.
    fn goes_on(&mut self, partition: Partition, batch: &mut Batch) {
        if self.ended.remove(&partition) {
            batch.note_behind(partition);
        }
        self.stirs(partition, batch);
    }

    /// A partition is quiet no more.
    fn stirs(&mut self, partition: Partition, batch: &mut Batch) {
        if self.quiet.remove(&partition).is_some() {
            (self.is_closed, batch.quiet) = (false, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two partitions, of a router each: the words of either in turn, whether it is quiet; gives how often all were said to be.
    fn closed(words: impl IntoIterator<Item = (i32, bool)>) -> usize {
        let mut hop = SecondHop::new(&["t".to_owned()], &[2]);
        let (mut registry, mut closed) = (Registry::default(), 0);
        for (partition, quiet) in words {
            let (topic, heard) = ("t".to_owned(), Vec::new());
            let progress = PartitionProgress { topic, partition, next_offset: 7, heard, ended: quiet, quiet };
            let mut batch = Batch::default();
            hop.progress(&progress, &mut registry, &mut batch);
            closed += usize::from(batch.quiet);
        }
        closed
    }

    #[test]
    fn all_are_quiet_once_while_both_routers_say_so() {
        let both = |times: usize| [(0, true), (1, true)].into_iter().cycle().take(2 * times);
        assert_eq!(closed(both(40)), 1);
        assert_eq!(closed(both(3).chain([(1, false)]).chain(both(3))), 2, "and again when one had more");
        assert_eq!(closed([(0, true), (1, false), (0, true)]), 0);
    }

    #[test]
    fn what_a_router_said_of_quiet_that_is_gone_closes_nothing() {
        let one = |quiet: bool, times: usize| std::iter::repeat_n((1, quiet), times);
        let dies = |times: usize| [(0, true)].into_iter().chain(one(false, times)).chain(one(true, 5));
        assert_eq!(closed(dies(2)), 1, "as little may lie between two words of one that is there");
        assert_eq!(closed(dies(20)), 0);
        assert_eq!(closed(dies(20).chain([(0, true)])), 1, "another took its partition over");
    }
}
