//! The clocks of all partitions, in the order of these.

use super::{Partition, PartitionClock};
use serde::{Deserialize, Serialize};

/// A clock for each partition. There are few, and many lines come from one before the next: the last one asked for is
/// looked at first, the others are searched.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Clocks {
    /// Each partition as a number, in order.
    numbers: Vec<u64>,
    all: Vec<(Partition, PartitionClock)>,
    last: usize,
}

/// Numbers in the order of their partitions.
fn number((topic, partition): Partition) -> u64 {
    u64::from(topic) << 32 | u64::from(partition.cast_unsigned() ^ 1 << 31)
}

impl Clocks {
    /// The clock of that partition; one that has heard nothing if it had none.
    pub(super) fn of(&mut self, partition: Partition) -> &mut PartitionClock {
        let number = number(partition);
        if self.numbers.get(self.last) != Some(&number) {
            self.last = match self.numbers.binary_search(&number) {
                Ok(at) => at,
                Err(at) => {
                    self.numbers.insert(at, number);
                    self.all.insert(at, (partition, PartitionClock::UNHEARD));
                    at
                }
            };
        }
        &mut self.all[self.last].1
    }

    pub(super) fn remove(&mut self, partition: Partition) {
        self.numbers.retain(|&of| of != number(partition));
        self.all.retain(|(of, _)| *of != partition);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Partition, &PartitionClock)> {
        self.all.iter().map(|(partition, clock)| (*partition, clock))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Partition, &mut PartitionClock)> {
        self.all.iter_mut().map(|(partition, clock)| (*partition, clock))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &PartitionClock> {
        self.all.iter().map(|(_, clock)| clock)
    }
}
