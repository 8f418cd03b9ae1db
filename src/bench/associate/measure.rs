//! One scene measured: how well its events are found, how fast, how soon. And the mean of several.

use super::Variant;
use super::stream::Stream;
use crate::bench::percentiles::Percentiles;
use crate::engine::settings::Settings;
use crate::model::alert::{AlertFeature, Status};
use crate::pipeline::latency::latencies;
use crate::score::{By, Calibration, FirstWords, Options, score, standing};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// An alert is the event by place when it is this near it in time and space.
pub const NEAR: By = By::Place { seconds: 3.0, metres: 1000.0 };
/// A rate is measured for at least so long, over and over; the system counts processor time in steps of milliseconds.
const LEAST_CPU: Duration = Duration::from_millis(500);
/// But not more often than this.
const MOST_PASSES: u32 = 50;

/// Arrivals and the processor time that they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Speed {
    /// Reports of microphones.
    pub arrivals: u64,
    /// All observations, heartbeats included.
    pub observations: u64,
    /// Processor time of one thread for all observations, engine alone, seconds.
    pub cpu_s: f64,
    /// Of it, what the heartbeats take when nothing else comes.
    pub heartbeats_cpu_s: f64,
}

impl Speed {
    /// Arrivals a second of processor time, of one core; what heartbeats take is in that time.
    pub fn arrivals_per_s(&self) -> f64 {
        self.arrivals as f64 / self.cpu_s.max(1e-9)
    }

    /// The same without the time that heartbeats take.
    pub fn net_arrivals_per_s(&self) -> f64 {
        self.arrivals as f64 / (self.cpu_s - self.heartbeats_cpu_s).max(1e-9)
    }

    fn add(&mut self, other: Speed) {
        self.arrivals += other.arrivals;
        self.observations += other.observations;
        self.cpu_s += other.cpu_s;
        self.heartbeats_cpu_s += other.heartbeats_cpu_s;
    }

    /// Drives the stream through the engine until the time can be told.
    pub fn of(stream: &Stream, settings: &Settings, first: Option<Duration>) -> Speed {
        let mut speed = Speed::default();
        let heartbeats_cpu_s = stream.heartbeats(settings).as_secs_f64();
        let mut next = first;
        for _ in 0..MOST_PASSES {
            let cpu = next.take().unwrap_or_else(|| stream.pass(settings).cpu);
            speed.add(Speed {
                arrivals: stream.arrivals,
                observations: stream.observations,
                cpu_s: cpu.as_secs_f64(),
                heartbeats_cpu_s,
            });
            if speed.cpu_s >= LEAST_CPU.as_secs_f64() {
                break;
            }
        }
        speed
    }
}

/// How well the events of a scene were found; of several scenes, the mean of what is a share or a percentile, and all
/// together of what is counted or calibrated.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Quality {
    /// Scenes.
    pub scenes: usize,
    /// Events in the truth.
    pub events: usize,
    /// Alerts that count.
    pub alerts: usize,
    /// Hours of event time.
    pub hours: f64,
    /// Share of the alerts that are right, by evidence.
    pub precision: f64,
    /// Share of the events that were found, by evidence.
    pub recall: f64,
    /// Of the two.
    pub f1: f64,
    /// F1 when place and time alone make an alert the event.
    pub place_f1: f64,
    /// Location error of found events: p50, p95, metres.
    pub place_error_m: Option<[f64; 2]>,
    /// Location error over the Cramér–Rao bound: p50, p95, root mean square.
    pub over_bound: Option<[f64; 3]>,
    /// Ellipses of found events, and how many hold the truth within one sigma and two.
    pub ellipses: [usize; 3],
    /// Probabilities of the last revisions.
    pub last: Option<Calibration>,
    /// The same without what was taken back.
    pub standing: Option<Calibration>,
    /// First words.
    pub first: FirstWords,
    /// Alerts of fire that last stood otherwise when records came one by one than in batches. There should be none.
    pub differ: usize,
}

/// All of a row.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// How well.
    pub quality: Option<Quality>,
    /// How fast, for each [`Variant`].
    pub speed: Vec<Speed>,
    /// Wall time of the call that brought about a first word.
    pub first_word: Percentiles,
    /// Wall time of the calls with a report of a microphone.
    pub arrival: Percentiles,
    #[serde(skip)]
    first_words_us: Histogram<u64>,
    #[serde(skip)]
    arrivals_us: Histogram<u64>,
}

impl Measured {
    /// Measures a scene; how well its events are found only `with_quality`.
    pub fn of(stream: &Stream, settings: &Settings, with_quality: bool) -> Measured {
        let chosen = stream.pass(settings);
        let variants = super::VARIANTS.iter().enumerate();
        let speed = variants
            .map(|(at, Variant { apply, .. })| {
                let mut settings = settings.clone();
                apply(&mut settings);
                // The first variant is the settings as they are.
                Speed::of(stream, &settings, (at == 0).then_some(chosen.cpu))
            })
            .collect();
        let (mut first_words_us, mut arrivals_us, mut quality) = (latencies(), latencies(), None);
        if with_quality {
            let waits = stream.one_by_one(settings);
            let differ = differ(&chosen.alerts, &waits.alerts);
            (first_words_us, arrivals_us) = (waits.first_words_us, waits.arrivals_us);
            quality = Some(Quality { differ, ..Quality::of(&chosen.alerts, stream) });
        }
        Measured::new(quality, speed, first_words_us, arrivals_us)
    }

    fn new(
        quality: Option<Quality>,
        speed: Vec<Speed>,
        first_words_us: Histogram<u64>,
        arrivals_us: Histogram<u64>,
    ) -> Measured {
        let (first_word, arrival) = (Percentiles::from(&first_words_us), Percentiles::from(&arrivals_us));
        Measured { quality, speed, first_word, arrival, first_words_us, arrivals_us }
    }

    /// Several scenes as one row; `None` without any.
    pub fn mean(all: &[Measured]) -> Option<Measured> {
        let mut speed = vec![Speed::default(); all.first()?.speed.len()];
        let (mut first_words_us, mut arrivals_us) = (latencies(), latencies());
        for one in all {
            speed.iter_mut().zip(&one.speed).for_each(|(sum, &speed)| sum.add(speed));
            // The bounds of both are the same.
            let _ = (first_words_us.add(&one.first_words_us), arrivals_us.add(&one.arrivals_us));
        }
        let qualities: Vec<&Quality> = all.iter().filter_map(|one| one.quality.as_ref()).collect();
        Some(Measured::new(Quality::mean(&qualities), speed, first_words_us, arrivals_us))
    }
}

impl Quality {
    /// Of these alerts, all revisions.
    pub fn of(alerts: &[AlertFeature], stream: &Stream) -> Quality {
        let by_evidence = score(alerts, &stream.truth, &Options::default());
        let by_place = score(alerts, &stream.truth, &Options { by: NEAR, sensors: None });
        let standing = standing(alerts).into_iter().filter(|alert| alert.properties.class.is_fire()).count();
        let held = by_evidence.ellipses.map_or([0; 3], |ellipses| {
            let within = |share: f64| (share * ellipses.n as f64).round() as usize;
            [ellipses.n, within(ellipses.within_1), within(ellipses.within_2)]
        });
        // Without events any alert is a false one.
        let right_share = if stream.truth.is_empty() && standing > 0 { 0.0 } else { 1.0 };
        Quality {
            scenes: 1,
            events: stream.truth.len(),
            alerts: standing,
            hours: stream.hours,
            precision: by_evidence.precision * right_share,
            recall: by_evidence.recall,
            f1: by_evidence.f1 * right_share,
            place_f1: by_place.f1 * right_share,
            place_error_m: by_evidence.place_error_m.map(|errors| [errors.p50, errors.p95]),
            over_bound: by_evidence.over_bound.map(|errors| [errors.p50, errors.p95, errors.rms]),
            ellipses: held,
            last: by_evidence.calibration,
            standing: by_evidence.standing_calibration,
            first: FirstWords::of(alerts, &stream.truth),
            differ: 0,
        }
    }

    pub(super) fn mean(all: &[&Quality]) -> Option<Quality> {
        let n = all.len() as f64;
        let mean = |of: fn(&Quality) -> f64| all.iter().map(|one| of(one)).sum::<f64>() / n;
        (!all.is_empty()).then(|| Quality {
            scenes: all.iter().map(|one| one.scenes).sum(),
            events: all.iter().map(|one| one.events).sum(),
            alerts: all.iter().map(|one| one.alerts).sum(),
            hours: all.iter().map(|one| one.hours).sum(),
            precision: mean(|one| one.precision),
            recall: mean(|one| one.recall),
            f1: mean(|one| one.f1),
            place_f1: mean(|one| one.place_f1),
            place_error_m: mean_each(all.iter().filter_map(|one| one.place_error_m)),
            over_bound: mean_each(all.iter().filter_map(|one| one.over_bound)),
            ellipses: std::array::from_fn(|at| all.iter().map(|one| one.ellipses[at]).sum()),
            last: Calibration::pooled(all.iter().filter_map(|one| one.last.as_ref())),
            standing: Calibration::pooled(all.iter().filter_map(|one| one.standing.as_ref())),
            first: FirstWords {
                said: all.iter().map(|one| one.first.said).sum(),
                retracted: all.iter().map(|one| one.first.retracted).sum(),
                renamed: all.iter().map(|one| one.first.renamed).sum(),
                calibration: Calibration::pooled(all.iter().filter_map(|one| one.first.calibration.as_ref())),
            },
            differ: all.iter().map(|one| one.differ).sum(),
        })
    }
}

/// The mean of each figure; `None` without any.
fn mean_each<const N: usize>(all: impl Iterator<Item = [f64; N]>) -> Option<[f64; N]> {
    let all: Vec<[f64; N]> = all.collect();
    let mean = |at: usize| all.iter().map(|one| one[at]).sum::<f64>() / all.len() as f64;
    (!all.is_empty()).then(|| std::array::from_fn(mean))
}

/// Alerts of fire that stand in one and not, or otherwise, in the other.
fn differ(a: &[AlertFeature], b: &[AlertFeature]) -> usize {
    let last = |alerts: &[AlertFeature]| -> BTreeMap<String, (u32, String)> {
        let mut last = BTreeMap::new();
        for properties in alerts.iter().map(|alert| &alert.properties).filter(|properties| properties.class.is_fire()) {
            let entry = last.entry(properties.alert.clone()).or_insert((0, String::new()));
            if properties.revision >= entry.0 {
                let stands = properties.status != Status::Retracted;
                let digest = if stands { properties.evidence_digest.clone() } else { String::new() };
                *entry = (properties.revision, digest);
            }
        }
        // What was taken back need not have been said in both.
        last.retain(|_, (_, digest)| !digest.is_empty());
        last
    };
    let (a, b) = (last(a), last(b));
    let same = a.iter().filter(|(id, one)| b.get(*id).is_some_and(|other| other.1 == one.1)).count();
    a.len().max(b.len()) - same
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Options as Scene, Scenario, simulate};

    fn stream(rate: f64) -> Stream {
        Stream::decode(simulate(Scenario::Hour, 3, &Scene { duration_s: Some(400.0), rate, ..Scene::default() }))
    }

    #[test]
    fn a_quiet_scene_is_measured_whole() {
        let stream = stream(0.3);
        let measured = Measured::of(&stream, &Settings::default(), true);
        let quality = measured.quality.as_ref().unwrap();
        assert_eq!((stream.rejected, quality.events), (0, stream.truth.len()));
        assert!(quality.f1 > 0.8 && quality.place_f1 > 0.8, "{quality:?}");
        assert!(quality.ellipses[0] > 0 && quality.ellipses[2] >= quality.ellipses[1]);
        assert!(quality.first.said > 0 && measured.first_word.count > 0);
        assert_eq!(measured.arrival.count, stream.arrivals);
        let speed = measured.speed[0];
        assert!(speed.cpu_s > 0.0 && speed.net_arrivals_per_s() >= speed.arrivals_per_s());
        let mean = Measured::mean(&[measured.clone(), measured.clone()]).unwrap();
        let both = mean.quality.unwrap();
        assert_eq!((both.f1, both.events), (quality.f1, 2 * quality.events));
        assert_eq!(mean.arrival.count, 2 * measured.arrival.count);
    }

    #[test]
    fn without_events_every_alert_is_false() {
        let mut stream = stream(0.3);
        let alerts = stream.pass(&Settings::default()).alerts;
        stream.truth.clear();
        let quality = Quality::of(&alerts, &stream);
        assert!(quality.alerts > 0);
        assert_eq!((quality.precision, quality.f1), (0.0, 0.0));
    }
}
