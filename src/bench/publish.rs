//! What goes out: alerts encoded and committed as a live run does it, and beside it the same messages handed to librdkafka
//! ready-made, without transactions.

use super::ground::Ground;
use super::memory::{Columns, new_engine};
use super::{Bench, BenchError, Rate, Watch};
use crate::engine::Output;
use crate::engine::book::{Kept, Said};
use crate::kafka::{Broker, Cluster, KafkaError, KafkaSettings, Outbox, Position, Sink};
use crate::pipeline::parcel::Parcel;
use crate::pipeline::teller::{Counter, Tellings, teller};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Parcels that are told in one go and committed. A round of few would be mostly its last commit.
const PARCELS: usize = 256;
/// How long the broker may take to take what is left.
const FLUSH: Duration = Duration::from_secs(60);

/// What an engine said of the telemetry: a batch's words, each with what is kept of it, in a parcel.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<Vec<(Said, Kept)>>);

impl Words {
    /// Alert revisions in them.
    pub fn revisions(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Gives all of them to a teller, and waits until they are committed. What it does not take any more is told by what it ends with.
    fn give(&self, counter: &Counter) {
        let mut parcels = self.0.iter().map(|words| Parcel {
            said: words.iter().map(|(said, _)| said.clone()).collect(),
            kept: words.iter().map(|(_, kept)| (kept.key.clone(), Some(kept.clone()))).collect(),
            is_backlog: true,
            ..Parcel::default()
        });
        let _ = parcels.all(|parcel| counter.give(parcel)) && counter.await_commit();
    }
}

/// How fast alert revisions go out: these count, not observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Encoded, sent and committed, exactly once if the settings say so.
    pub told: Rate,
    /// The same messages ready-made, delivered without transactions.
    pub produced: Rate,
}

impl Bench {
    /// What a new engine says of the columns.
    pub fn words(&self, columns: &Columns) -> Words {
        let mut engine = new_engine(&self.engine, self.load().areas());
        let (mut output, mut words) = (Output::default(), Words::default());
        for batch in columns.batches() {
            engine.ingest(batch, columns.registry(), &mut output);
            let said = output.said.drain(..);
            let with_kept = said.filter_map(|said| engine.book().kept(&said.key).map(|kept| (said, kept)));
            let parcel: Vec<(Said, Kept)> = with_kept.collect();
            words.0.extend(Some(parcel).filter(|parcel| !parcel.is_empty()));
            output.clear();
            if words.0.len() == PARCELS {
                break;
            }
        }
        words
    }

    /// Tells the words on `ground` again and again for a quarter of the time, then delivers the same messages as often as that allows.
    ///
    /// # Errors
    /// The broker's; told to stop before the first round was over.
    pub fn tell(&self, ground: &Ground, words: &Words, watch: &mut Watch<'_>) -> Result<Published, BenchError> {
        let (kafka, topics) = (ground.settings("publish"), vec!["telemetry.sensors".to_owned()]);
        let revisions = words.revisions() as u64;
        let outbox = Cluster::new(&kafka, None).outbox()?;
        let told = tell(outbox, &kafka, &topics, |counter| {
            self.again(watch, "publishing", revisions, &mut || {
                words.give(counter);
                Ok(())
            })
        })?;
        let (messages, sink) = (messages(words, &kafka, &topics)?, Sink::new(&kafka)?);
        let produced = self.again(watch, "producing", revisions, &mut || {
            for Message { topic, key, payload, headers } in &messages {
                let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
                sink.send(topic, key.as_deref(), payload, &headers)?;
            }
            Ok(sink.flush(FLUSH)?)
        })?;
        Ok(Published { told, produced })
    }
}

/// What a teller makes of the words: the messages themselves.
fn messages(words: &Words, kafka: &KafkaSettings, topics: &[String]) -> Result<Vec<Message>, BenchError> {
    let taken = Arc::<Mutex<Vec<Message>>>::default();
    let memory = Box::new(Memory { taken: taken.clone(), state: kafka.topics.state.clone() });
    tell(memory, kafka, topics, |counter| {
        words.give(counter);
        Ok(())
    })?;
    let messages = std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(messages)
}

/// Lets `work` give parcels to a teller, and ends it.
fn tell<T>(
    outbox: Box<dyn Outbox + Send>,
    kafka: &KafkaSettings,
    topics: &[String],
    work: impl FnOnce(&Counter) -> Result<T, BenchError>,
) -> Result<T, BenchError> {
    let tellings = Tellings::default();
    let (counter, teller) = teller(outbox, kafka, topics, false, &tellings);
    std::thread::scope(|threads| {
        let telling = threads.spawn(|| teller.run());
        let done = work(&counter);
        drop(counter);
        telling.join().map_err(|_| BenchError::Panicked)??;
        done
    })
}

/// A message on its way to Kafka.
struct Message {
    topic: String,
    key: Option<Vec<u8>>,
    payload: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
}

/// Takes what is sent and keeps it.
struct Memory {
    taken: Arc<Mutex<Vec<Message>>>,
    state: String,
}

impl Outbox for Memory {
    fn send(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(Message {
            topic: topic.to_owned(),
            key: key.map(<[u8]>::to_vec),
            payload: payload.to_vec(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
        });
        Ok(())
    }

    fn send_to(
        &mut self,
        topic: &str,
        _partition: i32,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: &[(&str, &[u8])],
    ) -> Result<(), KafkaError> {
        self.send(topic, key, payload, headers)
    }

    fn keep(&mut self, key: &str, row: Option<&[u8]>) -> Result<(), KafkaError> {
        let state = self.state.clone();
        self.send(&state, Some(key.as_bytes()), row.unwrap_or_default(), &[])
    }

    fn commit(&mut self, _consumed: &[Position]) -> Result<(), KafkaError> {
        Ok(())
    }

    fn keeps_state(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ground::tests::small;

    #[test]
    fn every_revision_goes_to_both_topics_and_into_the_table() {
        let bench = Bench { duration: Duration::from_millis(200), nodes: 1000, ..small() };
        let watch = &mut Watch { stop: &|| false, on: &mut |_| {} };
        let words = bench.words(&bench.columns());
        assert!(words.revisions() > 100, "{}", words.revisions());
        let ground = Ground::open(&bench).unwrap();
        let Published { told, produced } = bench.tell(&ground, &words, watch).unwrap();
        for rate in [told, produced] {
            assert!(rate.observations > 0 && rate.observations % words.revisions() as u64 == 0, "{rate:?}");
        }
        let kafka = ground.settings("publish");
        let taken = messages(&words, &kafka, &[]).unwrap();
        let of = |topic: &str| taken.iter().filter(|message| message.topic == topic).count();
        assert_eq!(of(&kafka.topics.violations), words.revisions());
        assert_eq!(of(&kafka.topics.current), words.revisions());
        assert!(of(&kafka.topics.state) > 0);
    }
}
