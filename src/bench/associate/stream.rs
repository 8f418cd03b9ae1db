//! A scene's telemetry, decoded once, and its ways through the engine: in batches as a replay reads it, for the rate,
//! and record by record, for the wait.

use crate::bench::usage::thread_cpu;
use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::engine::book::Said;
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::engine::{Engine, Output};
use crate::model::alert::{AlertFeature, Status};
use crate::model::kind::Kind;
use crate::model::node::Registry;
use crate::model::observation::Observations;
use crate::pipeline::latency::latencies;
use crate::simulate::{Simulation, Truth};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// Observations that go through the engine at a time, as many as a replay takes.
const BATCH: usize = 1_024;
/// The one partition that all telemetry is in.
pub(super) const PARTITION: (u16, i32) = (0, 0);

/// Decoded telemetry in the order of delivery, and what really happened.
pub struct Stream {
    pub(super) batches: Vec<Observations>,
    pub(super) registry: Registry,
    pub(super) places: Places,
    /// What happened.
    pub truth: Vec<Truth>,
    /// Reports of microphones in it.
    pub arrivals: u64,
    /// All observations in it, heartbeats included.
    pub observations: u64,
    /// Lines that the decoder refused; there should be none.
    pub rejected: u64,
    /// From the first observation to the last, hours.
    pub hours: f64,
}

/// What one way through the engine gave.
pub struct Pass {
    /// Every revision of every alert.
    pub alerts: Vec<AlertFeature>,
    /// Processor time of the thread that drove the engine, and of nothing but the engine.
    pub cpu: Duration,
}

/// How long single records took, wall time, microseconds.
pub struct Waits {
    /// Of records that brought about a first word about fire.
    pub first_words_us: Histogram<u64>,
    /// Of all reports of microphones.
    pub arrivals_us: Histogram<u64>,
    /// Every revision of every alert.
    pub alerts: Vec<AlertFeature>,
}

impl Stream {
    /// Decodes a scene.
    pub fn decode(scene: Simulation) -> Stream {
        let mut registry = Registry::new(scene.nodes);
        let mut decoder = Decoder::new(DecodeOptions { keep_raw: true });
        let (mut batches, mut out, mut rejected) = (Vec::new(), Lines::default(), 0);
        for (delivery, offset) in scene.deliveries.iter().zip(0..) {
            let at = RecordAt { topic: PARTITION.0, partition: PARTITION.1, offset };
            decoder.record(delivery.line.as_bytes(), at, &mut registry, &mut out);
            if out.observations.len() == BATCH {
                batches.push(std::mem::take(&mut out.observations));
            }
            rejected += out.rejected.len() as u64;
            out.rejected.clear();
        }
        batches.push(out.observations);
        let places = Places::new(scene.areas, scene.notices);
        Stream { rejected, ..Stream::of(batches, registry, places, scene.truth) }
    }

    /// What was decoded, all of it taken.
    pub(super) fn of(batches: Vec<Observations>, registry: Registry, places: Places, truth: Vec<Truth>) -> Stream {
        let times = || batches.iter().flat_map(|batch| batch.time_ns.iter().copied());
        let span_ns = times().max().unwrap_or(0) - times().min().unwrap_or(0);
        let arrivals = batches.iter().flat_map(|batch| &batch.kind).filter(|kind| **kind == Kind::Acoustic).count();
        Stream {
            arrivals: arrivals as u64,
            observations: batches.iter().map(|batch| batch.len() as u64).sum(),
            hours: span_ns as f64 / 3.6e12,
            batches,
            registry,
            places,
            truth,
            rejected: 0,
        }
    }

    pub(super) fn engine(&self, settings: &Settings) -> Engine {
        let topics = vec!["telemetry".to_owned()];
        let mut engine = Engine::new(settings.clone(), String::new(), topics, self.places.clone());
        engine.assign(PARTITION);
        engine
    }

    /// Once through a new engine, in batches.
    pub fn pass(&self, settings: &Settings) -> Pass {
        self.through(&self.batches, settings)
    }

    /// Processor time of the heartbeats alone: what the same stream takes when nothing is heard.
    pub fn heartbeats(&self, settings: &Settings) -> Duration {
        let beats = self.rows().filter(|&(batch, row)| batch.kind[row] == Kind::Status);
        self.through(&in_batches(beats, || BATCH), settings).cpu
    }

    /// All rows, each with the batch that it is in.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Observations, usize)> {
        self.batches.iter().flat_map(|batch| (0..batch.len()).map(move |row| (batch, row)))
    }

    /// Once through a new engine, in these batches.
    pub(super) fn through(&self, batches: &[Observations], settings: &Settings) -> Pass {
        let (mut engine, mut output) = (self.engine(settings), Output::default());
        let started = Clock::start();
        for batch in batches {
            engine.ingest(batch, &self.registry, &mut output);
        }
        engine.caught_up(PARTITION, &self.registry, &mut output);
        engine.finish(&self.registry, &mut output);
        let cpu = started.elapsed();
        Pass { alerts: output.said.into_iter().map(Said::into_feature).collect(), cpu }
    }

    /// Once through a new engine, record by record, each timed.
    pub fn one_by_one(&self, settings: &Settings) -> Waits {
        let (mut engine, mut output) = (self.engine(settings), Output::default());
        let mut waits = Waits { first_words_us: latencies(), arrivals_us: latencies(), alerts: Vec::new() };
        let mut record = Observations::default();
        for batch in &self.batches {
            for row in 0..batch.len() {
                record.clear();
                record.copy_row(batch, row);
                let started = Instant::now();
                engine.observe(&record, &self.registry, &mut output);
                let us = started.elapsed().as_nanos().div_ceil(1000) as u64;
                if batch.kind[row] == Kind::Acoustic {
                    waits.arrivals_us.saturating_record(us);
                }
                if output.said.iter().any(|said| is_first_word(&said.feature)) {
                    waits.first_words_us.saturating_record(us);
                }
                engine.advance(&self.registry, &mut output);
                waits.alerts.extend(output.said.drain(..).map(Said::into_feature));
                output.clear();
            }
        }
        engine.caught_up(PARTITION, &self.registry, &mut output);
        engine.finish(&self.registry, &mut output);
        waits.alerts.extend(output.said.into_iter().map(Said::into_feature));
        waits
    }
}

/// These rows in batches, each of the size that is given when it begins.
pub(super) fn in_batches<'a>(
    rows: impl Iterator<Item = (&'a Observations, usize)>,
    mut size: impl FnMut() -> usize,
) -> Vec<Observations> {
    let (mut batches, mut batch, mut left) = (Vec::new(), Observations::default(), size());
    for (of, row) in rows {
        if batch.len() == left {
            batches.push(std::mem::take(&mut batch));
            left = size();
        }
        batch.copy_row(of, row);
    }
    batches.push(batch);
    batches
}

fn is_first_word(alert: &AlertFeature) -> bool {
    let properties = &alert.properties;
    properties.revision == 1 && properties.status == Status::Preliminary && properties.class.is_fire()
}

/// Processor time of this thread; where the system does not tell it, wall time.
struct Clock {
    cpu: Option<Duration>,
    wall: Instant,
}

impl Clock {
    fn start() -> Clock {
        Clock { cpu: thread_cpu(), wall: Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        match (self.cpu, thread_cpu()) {
            (Some(start), Some(end)) => end.saturating_sub(start),
            _ => self.wall.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Options, Scenario, simulate};
    use std::collections::BTreeMap;

    /// The last word on each alert, retracted ones left out, as it was written but for where its evidence stood.
    fn last_words(
        mut scene: Simulation,
        delay_s: impl Fn(usize) -> i64,
        batch: usize,
    ) -> BTreeMap<String, AlertFeature> {
        let mut order: Vec<(i64, usize)> = scene
            .deliveries
            .iter()
            .enumerate()
            .map(|(at, d)| (d.deliver_ns + delay_s(at) * 1_000_000_000, at))
            .collect();
        order.sort_unstable();
        scene.deliveries = order.into_iter().map(|(_, at)| scene.deliveries[at].clone()).collect();
        let stream = Stream::decode(scene);
        let settings = Settings::default();
        let (mut engine, mut output) = (stream.engine(&settings), Output::default());
        let mut part = Observations::default();
        for all in &stream.batches {
            for row in 0..all.len() {
                part.copy_row(all, row);
                if part.len() == batch {
                    engine.ingest(&part, &stream.registry, &mut output);
                    part.clear();
                }
            }
        }
        engine.ingest(&part, &stream.registry, &mut output);
        engine.finish(&stream.registry, &mut output);
        let mut last = BTreeMap::new();
        for said in output.said {
            let mut alert = said.into_feature();
            alert.properties.revision = 0;
            alert.properties.evidence_digest.clear();
            alert.properties.evidence.iter_mut().for_each(|evidence| evidence.offset = 0);
            last.insert(alert.properties.alert.clone(), alert);
        }
        last.retain(|_, alert| alert.properties.status != Status::Retracted);
        last
    }

    #[test]
    fn in_a_barrage_neither_order_nor_batches_nor_the_registry_change_the_last_word() {
        for (scenario, seed) in [(Scenario::Barrage, 5), (Scenario::Fused, 6)] {
            let options = Options { duration_s: Some(150.0), rate: 2.0, ..Options::default() };
            let scene = || simulate(scenario, seed, &options);
            let truth = last_words(scene(), |_| 0, 256);
            assert!(truth.len() > 30, "{}", truth.len());
            assert_eq!(last_words(scene(), |_| 0, 7), truth, "batches of seven");
            // Up to eight seconds late, in no order.
            let shuffled = last_words(scene(), |at| (at as i64).wrapping_mul(7_919) % 9, 100);
            assert_eq!(shuffled, truth, "another order");
            let mut other = scene();
            other.nodes.reverse();
            assert_eq!(last_words(other, |_| 0, 256), truth, "another registry");
        }
    }
}
