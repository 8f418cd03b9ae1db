//! Whether the group has shared out all partitions, and having it done anew when it has not.
//!
//! A group that is joined by another member shares out in two rounds (KIP-429): first members give up what is to go to
//! others; who has given up asks for the second round. A member with a name of its own (`kafka.instance`) that dies in
//! between comes back to what it was to keep, without any round (KIP-345), and knows of nothing to give up: the rest is
//! nobody's until somebody joins, leaves or is given up on, perhaps for ever. So each such member looks now and then. When
//! partitions have been nobody's at two looks in a row, a member that wants none of them joins and leaves again.

use super::error::KafkaError;
use super::settings::KafkaSettings;
use super::watch::Watch;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Between two looks, and to the second one when the first has found something.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest wait for the group to share out anew: longer than a member takes to give up its share.
const LONGEST: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

type Partitions = BTreeSet<(String, i32)>;

/// A thread that looks. It ends some time after this is dropped.
pub struct Shares {
    _watched: Sender<()>,
}

struct Look {
    /// No member of the group but while it has it share out anew.
    client: BaseConsumer<Watch>,
    group: String,
    topics: Vec<String>,
    /// What an extra member asks for: something that nobody reads by this group.
    elsewhere: String,
    answer_timeout: Duration,
}

impl Shares {
    /// Watches over these topics' partitions in the group of these settings.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn watch(settings: &KafkaSettings, topics: &[String]) -> Result<Shares, KafkaError> {
        let mut config = settings.reader_config();
        // It reads nothing.
        config.set("auto.offset.reset", "latest");
        let client: BaseConsumer<Watch> = config.create_with_context(Watch::default()).map_err(KafkaError::client)?;
        client.context().close();
        let look = Look {
            client,
            group: settings.group.clone(),
            topics: topics.to_vec(),
            elsewhere: settings.topics.state.clone(),
            answer_timeout: Duration::from_millis(settings.answer_timeout_ms.into()),
        };
        let (watched, end) = channel();
        std::thread::Builder::new()
            .name("shares".to_owned())
            .spawn(move || look.now_and_then(&end))
            .map_err(|error| KafkaError::failed("starting a thread", error))?;
        Ok(Shares { _watched: watched })
    }
}

impl Look {
    fn now_and_then(&self, end: &Receiver<()>) {
        let mut before = Partitions::new();
        loop {
            let wait = if before.is_empty() { LOOK_EVERY } else { LOOK_AGAIN };
            if end.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            self.serve(Duration::ZERO);
            // While it is being shared out, or nobody answers, there is nothing to be seen.
            let nobodys = self.nobodys().ok().flatten().unwrap_or_default();
            if !nobodys.is_empty() && nobodys == before {
                self.stir(&nobodys, end);
                before.clear();
            } else {
                before = nobodys;
            }
        }
    }

    /// Partitions that no member reads; `None` while the group is sharing them out.
    fn nobodys(&self) -> KafkaResult<Option<Partitions>> {
        let groups = self.client.client().fetch_group_list(Some(&self.group), self.answer_timeout)?;
        let Some(group) = groups.groups().iter().find(|group| group.name() == self.group && group.state() == "Stable")
        else {
            return Ok(None);
        };
        let mut all = Partitions::new();
        for topic in &self.topics {
            let found = self.client.fetch_metadata(Some(topic), self.answer_timeout)?;
            let partitions = found.topics().iter().flat_map(|topic| topic.partitions());
            all.extend(partitions.map(|partition| (topic.clone(), partition.id())));
        }
        for member in group.members() {
            let Some(read) = member.assignment().and_then(assigned) else { return Ok(None) };
            read.iter().for_each(|place| {
                all.remove(place);
            });
        }
        Ok(Some(all))
    }

    /// Joins the group, until nothing is nobody's, and leaves it.
    fn stir(&self, nobodys: &Partitions, end: &Receiver<()>) {
        let mut list = String::new();
        for (topic, partition) in nobodys {
            let _ = write!(list, "{}{topic}/{partition}", if list.is_empty() { "" } else { ", " });
        }
        tracing::warn!(
            group = self.group,
            partitions = list,
            "nobody in the group reads these partitions: it is made to share out anew"
        );
        if let Err(error) = self.client.subscribe(&[&self.elsewhere]) {
            tracing::warn!("joining the group for a moment: {error}");
            return;
        }
        let started = Instant::now();
        let is_over = || self.nobodys().is_ok_and(|left| left.is_some_and(|left| left.is_disjoint(nobodys)));
        while started.elapsed() < LONGEST && end.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            self.serve(POLL);
            if is_over() {
                break;
            }
        }
        self.client.unsubscribe();
        self.serve(POLL);
    }

    fn serve(&self, wait: Duration) {
        let mut wait = wait;
        while self.client.poll(wait).is_some() {
            wait = Duration::ZERO;
        }
    }
}

/// The partitions of a member's assignment (ConsumerProtocolAssignment, all versions); `None` if it can't be understood.
fn assigned(bytes: &[u8]) -> Option<Partitions> {
    let mut rest = bytes;
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at_checked(count)?;
        rest = left;
        Some(taken)
    };
    let mut partitions = Partitions::new();
    // A member without a share may have no assignment at all.
    if bytes.is_empty() {
        return Some(partitions);
    }
    take(2)?;
    let topics = i32::from_be_bytes(take(4)?.try_into().ok()?);
    for _ in 0..topics {
        let length = i16::from_be_bytes(take(2)?.try_into().ok()?);
        let topic = std::str::from_utf8(take(usize::try_from(length).ok()?)?).ok()?.to_owned();
        let count = i32::from_be_bytes(take(4)?.try_into().ok()?);
        for _ in 0..count {
            partitions.insert((topic.clone(), i32::from_be_bytes(take(4)?.try_into().ok()?)));
        }
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(partitions: &[(&str, &[i32])], user_data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1];
        bytes.extend((partitions.len() as i32).to_be_bytes());
        for (topic, numbers) in partitions {
            bytes.extend((topic.len() as i16).to_be_bytes());
            bytes.extend(topic.as_bytes());
            bytes.extend((numbers.len() as i32).to_be_bytes());
            numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
        }
        bytes.extend((user_data.len() as i32).to_be_bytes());
        bytes.extend(user_data);
        bytes
    }

    #[test]
    fn an_assignment_is_read() {
        let bytes = written(&[("a", &[0, 7]), ("telemetry.sensors", &[3])], b"xyz");
        let place = |topic: &str, partition| (topic.to_owned(), partition);
        let expected = Partitions::from([place("a", 0), place("a", 7), place("telemetry.sensors", 3)]);
        assert_eq!(assigned(&bytes), Some(expected));
        assert_eq!(assigned(&written(&[], b"")), Some(Partitions::new()));
        assert_eq!(assigned(&[]), Some(Partitions::new()));
        assert_eq!(assigned(&bytes[..20]), None, "cut short");
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = assigned(&bytes);
        }
    }
}
