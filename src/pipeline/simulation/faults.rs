//! What can go wrong, when it does, and how often it did.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process dies before a call to Kafka comes to anything.
    CrashBeforeCall,
    /// The process dies after a call was carried out and before it hears of it.
    CrashAfterCall,
    /// The process dies between two steps of its stages.
    CrashBetween,
    /// The process is told to end, and is begun again.
    OrderlyStop,
    /// The process stands still, another takes its place, and it goes on for a while.
    Zombie,
    /// Partitions are asked back and come again.
    Rebalance,
    /// The same within one answer of the group.
    RebalanceAtOnce,
    /// The group has given the partitions to nobody in particular: the session was over.
    SessionOver,
    /// No broker answers for a while.
    BrokerAway,
    /// A call is refused and was not carried out.
    Refused,
    /// A call was carried out and its answer lost.
    AnswerLost,
    /// A commit is under way when the client gives up: it comes to stand later, or never.
    CommitUnknown,
    /// A commit is decided, and readers see it only later.
    CommitSlow,
    /// The newest checkpoint is gone.
    CheckpointLost,
    /// Time jumps by seconds, or by more than sessions and transactions last.
    ClockJump,
    /// A line is delivered twice.
    Duplicate,
    /// A line comes late, within the lateness.
    Delay,
    /// A partition skips offsets.
    Gap,
}

impl Fault {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Fault::CrashBeforeCall => "crash before a call to Kafka",
            Fault::CrashAfterCall => "crash after a call to Kafka",
            Fault::CrashBetween => "crash between two steps",
            Fault::OrderlyStop => "orderly stop and start",
            Fault::Zombie => "zombie that goes on",
            Fault::Rebalance => "partitions leave and come",
            Fault::RebalanceAtOnce => "partitions leave and come at once",
            Fault::SessionOver => "session over, partitions lost",
            Fault::BrokerAway => "broker away for a while",
            Fault::Refused => "call refused",
            Fault::AnswerLost => "call carried out, answer lost",
            Fault::CommitUnknown => "commit of unknown outcome",
            Fault::CommitSlow => "commit seen late",
            Fault::CheckpointLost => "checkpoint lost",
            Fault::ClockJump => "clock jump",
            Fault::Duplicate => "line delivered twice",
            Fault::Delay => "line delayed and overtaken",
            Fault::Gap => "gap in a partition's offsets",
        }
    }
}

/// A mistake that is planted in what stands around the pipeline's code, to see whether it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Offsets are committed up to what was read, not up to what is no longer needed.
    OffsetsOfWhatWasRead,
    /// Offsets are committed by themselves, whatever becomes of the transaction.
    OffsetsOutside,
    /// What was said of alerts is not written down.
    SaidForgotten,
    /// How far partitions were read is not written down.
    ReadingsForgotten,
    /// What was said is written down one transaction later.
    RowsLater,
    /// A new writer does not shut out the one before, nor end what that one left open.
    NotShutOut,
    /// A commit of unknown outcome is made again in a new transaction.
    CommittedAgain,
    /// The rows are read with what is not committed.
    DirtyRows,
    /// A reader gives partitions away and takes them back before anybody has heard of it.
    TakenBackAtOnce,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 9] = [
        Bug::OffsetsOfWhatWasRead,
        Bug::OffsetsOutside,
        Bug::SaidForgotten,
        Bug::ReadingsForgotten,
        Bug::RowsLater,
        Bug::NotShutOut,
        Bug::CommittedAgain,
        Bug::DirtyRows,
        Bug::TakenBackAtOnce,
    ];

    /// How much a run remembers in which it shows, seconds: offsets of what is remembered are not committed.
    pub fn recall_s(self) -> u32 {
        match self {
            Bug::OffsetsOfWhatWasRead | Bug::OffsetsOutside => 0,
            _ => 86_400,
        }
    }
}

/// The only source of chance in a run.
pub struct Dice {
    rng: ChaCha8Rng,
    /// Faults that may still happen.
    left: u32,
    /// How often each happened.
    pub tally: BTreeMap<Fault, u64>,
    /// Only faults whose names hold this happen.
    only: Option<String>,
}

impl Dice {
    /// The dice of that seed, which allow so many faults.
    pub fn new(seed: u64, faults: u32) -> Dice {
        Dice {
            rng: ChaCha8Rng::seed_from_u64(seed),
            left: faults,
            tally: BTreeMap::new(),
            only: std::env::var("TRUCELINE_FAULT").ok(),
        }
    }

    /// Whether it comes to pass, with that chance.
    pub fn chance(&mut self, p: f64) -> bool {
        self.rng.random::<f64>() < p
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n.max(1))
    }

    /// Something between the two.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.rng.random::<f64>() * (high - low)
    }

    /// Whether the fault happens now, with that chance; if so it is counted.
    pub fn happens(&mut self, fault: Fault, p: f64) -> bool {
        let is_wanted = self.only.as_ref().is_none_or(|only| fault.name().contains(only));
        let happens = self.left > 0 && is_wanted && self.chance(p);
        if happens {
            self.left -= 1;
            self.count(fault);
        }
        happens
    }

    /// Counts a fault that happens anyway.
    pub fn count(&mut self, fault: Fault) {
        *self.tally.entry(fault).or_default() += 1;
    }

    /// No more faults.
    pub fn calm(&mut self) {
        self.left = 0;
    }
}
