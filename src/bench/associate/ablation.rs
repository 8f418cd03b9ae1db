//! What each kind of evidence buys: a scene's telemetry, decoded once, goes through the engine with one kind taken out.
//!
//! What is taken out is gone as if it had never been sent, and nothing else is touched: numbers become absent, or rows
//! go. With its rows a kind also goes from the registry, for a camera that could see and never does would speak against
//! every event. Events stay the same whatever is taken out; only their evidence loses what is gone.

use super::measure::Quality;
use super::stream::Stream;
use crate::engine::settings::Settings;
use crate::model::kind::{Kind, KindSet, vocabulary};
use crate::model::node::{Node, Registry};
use crate::model::observation::Observations;
use crate::simulate::{Options, Scenario, Truth, simulate};
use rustc_hash::{FxHashMap, FxHashSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many arrivals make an event where no radar placed it; the engine asks for as many.
const FEWEST_ARRIVALS: usize = 4;

vocabulary! {
    /// What is taken out.
    Taken {
        Loudness = "loudness", Bearings = "bearings", Flashes = "flashes", Radars = "radars", Seismic = "seismic",
        Infrasound = "infrasound", Patrols = "patrols", HotSpots = "hot_spots", Weather = "weather",
        Clocks = "clocks", Heartbeats = "heartbeats", AllButMicrophones = "all_but_microphones",
    }
}

impl Taken {
    /// What is left, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Taken::Loudness => "without loudness",
            Taken::Bearings => "without bearings",
            Taken::Flashes => "without flashes",
            Taken::Radars => "without radars",
            Taken::Seismic => "without seismic",
            Taken::Infrasound => "without infrasound",
            Taken::Patrols => "without patrols",
            Taken::HotSpots => "without hot spots",
            Taken::Weather => "without weather",
            Taken::Clocks => "without clocks' quality",
            Taken::Heartbeats => "without heartbeats",
            Taken::AllButMicrophones => "microphones alone",
        }
    }

    /// Whether observations of that kind go.
    fn takes(self, kind: Kind) -> bool {
        match self {
            Taken::Loudness | Taken::Bearings | Taken::Weather | Taken::Clocks => false,
            Taken::Flashes => kind == Kind::Flash,
            Taken::Radars => kind == Kind::Radar,
            Taken::Seismic => kind == Kind::Seismic,
            Taken::Infrasound => kind == Kind::Infrasound,
            Taken::Patrols => kind == Kind::Patrol,
            Taken::HotSpots => kind == Kind::Thermal,
            Taken::Heartbeats => kind == Kind::Status,
            // Heartbeats say when a microphone is up, what its clock is worth and how warm it is there.
            Taken::AllButMicrophones => !matches!(kind, Kind::Acoustic | Kind::Status),
        }
    }

    /// Makes its numbers absent. Whether there were any.
    fn blank(self, batch: &mut Observations) -> bool {
        let Observations { arrivals, statuses, .. } = batch;
        let columns: &mut [&mut Vec<f64>] = match self {
            Taken::Loudness => &mut [&mut arrivals.amplitude, &mut arrivals.snr_db],
            Taken::Bearings => &mut [&mut arrivals.azimuth_deg, &mut arrivals.azimuth_sd_deg],
            Taken::Weather => {
                &mut [&mut statuses.temperature_c, &mut statuses.wind_speed_m_s, &mut statuses.wind_from_deg]
            }
            Taken::Clocks => &mut [&mut statuses.clock_sd_s],
            _ => &mut [],
        };
        let were_there = columns.iter().any(|column| column.iter().any(|value| !value.is_nan()));
        columns.iter_mut().for_each(|column| column.fill(f64::NAN));
        were_there
    }
}

vocabulary! {
    /// Scenes of which something is taken out.
    Scene { Fused = "fused", Hour = "hour", Barrage = "barrage" }
}

impl Scene {
    /// The telemetry of these seeds. Of the truth only fire is kept: nothing else is looked at.
    pub fn streams(self, seeds: &[u64]) -> Vec<Stream> {
        let scenario = match self {
            Scene::Fused => Scenario::Fused,
            Scene::Hour => Scenario::Hour,
            Scene::Barrage => Scenario::Barrage,
        };
        let stream = |&seed: &u64| of_fire(Stream::decode(simulate(scenario, seed, &Options::default())));
        seeds.iter().map(stream).collect()
    }
}

fn of_fire(mut stream: Stream) -> Stream {
    stream.truth.retain(|event| event.class.is_fire());
    stream
}

/// A row: a scene without one kind of evidence, mean of its seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Ablated {
    /// The scene.
    pub scene: Scene,
    /// What was taken out; `None`: nothing.
    pub taken: Option<Taken>,
    /// Events that what is left could place: by four arrivals, or a radar's point.
    pub placeable: usize,
    /// How well events were found.
    pub quality: Quality,
}

/// Measures the scene's streams without `taken`. `None` when there is none of it in any of them.
pub fn ablated(scene: Scene, taken: Option<Taken>, streams: &[Stream], settings: &Settings) -> Option<Ablated> {
    let less: Vec<Option<Stream>> = streams.iter().map(|stream| without(stream, taken?)).collect();
    if taken.is_some() && less.iter().all(Option::is_none) {
        return None;
    }
    let left = || less.iter().zip(streams).map(|(less, all)| less.as_ref().unwrap_or(all));
    let qualities: Vec<Quality> = left().map(|stream| Quality::of(&stream.pass(settings).alerts, stream)).collect();
    let quality = Quality::mean(&qualities.iter().collect::<Vec<_>>())?;
    Some(Ablated { scene, taken, placeable: left().map(placeable).sum(), quality })
}

/// The stream without `taken`; `None` when there is none of it in it.
fn without(stream: &Stream, taken: Taken) -> Option<Stream> {
    let mut is_less = false;
    let mut gone: FxHashSet<&str> = FxHashSet::default();
    let mut batches = Vec::with_capacity(stream.batches.len());
    for all in &stream.batches {
        let mut left = Observations::default();
        for row in 0..all.len() {
            if taken.takes(all.kind[row]) {
                gone.insert(all.text(all.id[row]));
            } else {
                left.copy_row(all, row);
            }
        }
        is_less |= taken.blank(&mut left);
        batches.push(left);
    }
    if !is_less && gone.is_empty() {
        return None;
    }
    let is_left = |id: &String| !gone.contains(id.as_str());
    let less = |event: &Truth| Truth {
        evidence: event.evidence.iter().filter(|id| is_left(id)).cloned().collect(),
        ..event.clone()
    };
    let truth = stream.truth.iter().map(less).collect();
    Some(Stream::of(batches, less_able(&stream.registry, taken), stream.places.clone(), truth))
}

/// The registry in which no node reports what is taken out, each node in its place.
fn less_able(registry: &Registry, taken: Taken) -> Registry {
    let mut less = registry.clone();
    for node in registry.nodes() {
        let left = Kind::ALL.iter().filter(|&&kind| node.kinds.contains(kind) && !taken.takes(kind));
        let kinds = left.fold(KindSet::default(), |kinds, &kind| kinds.with(kind));
        less.upsert(Node { kinds, ..node.clone() });
    }
    less
}

/// How many events have enough evidence left to be placed by anyone.
fn placeable(stream: &Stream) -> usize {
    let rows = stream.batches.iter().flat_map(|batch| (0..batch.len()).map(move |row| (batch, row)));
    let kinds: FxHashMap<&str, Kind> = rows.map(|(batch, row)| (batch.text(batch.id[row]), batch.kind[row])).collect();
    let is_placeable = |event: &&Truth| {
        let mut arrivals = 0;
        event.evidence.iter().filter_map(|id| kinds.get(id.as_str())).any(|kind| {
            arrivals += usize::from(matches!(kind, Kind::Acoustic | Kind::Infrasound | Kind::Seismic | Kind::Flash));
            *kind == Kind::Radar || arrivals >= FEWEST_ARRIVALS
        })
    };
    stream.truth.iter().filter(is_placeable).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(scenario: Scenario, duration_s: f64) -> Stream {
        of_fire(Stream::decode(simulate(scenario, 3, &Options { duration_s: Some(duration_s), ..Options::default() })))
    }

    /// Every row by itself, texts and all.
    fn rows(stream: &Stream) -> Vec<Observations> {
        let alone = |batch: &Observations, row: usize| {
            let mut one = Observations::default();
            one.copy_row(batch, row);
            one
        };
        stream.batches.iter().flat_map(|batch| (0..batch.len()).map(move |row| alone(batch, row))).collect()
    }

    /// Puts back what was made absent.
    fn restore(taken: Taken, less: &mut Observations, all: &Observations) {
        match taken {
            Taken::Loudness => {
                less.arrivals.amplitude.clone_from(&all.arrivals.amplitude);
                less.arrivals.snr_db.clone_from(&all.arrivals.snr_db);
            }
            Taken::Bearings => {
                less.arrivals.azimuth_deg.clone_from(&all.arrivals.azimuth_deg);
                less.arrivals.azimuth_sd_deg.clone_from(&all.arrivals.azimuth_sd_deg);
            }
            Taken::Weather => {
                less.statuses.temperature_c.clone_from(&all.statuses.temperature_c);
                less.statuses.wind_speed_m_s.clone_from(&all.statuses.wind_speed_m_s);
                less.statuses.wind_from_deg.clone_from(&all.statuses.wind_from_deg);
            }
            Taken::Clocks => less.statuses.clock_sd_s.clone_from(&all.statuses.clock_sd_s),
            _ => {}
        }
    }

    #[test]
    fn taking_a_kind_out_leaves_the_rest_as_it_was_to_the_last_bit() {
        let all = stream(Scenario::Fused, 600.0);
        let before = rows(&all);
        for &taken in Taken::ALL {
            let less = without(&all, taken).unwrap_or_else(|| panic!("{taken}: nothing of it there"));
            let rest: Vec<&Observations> = before.iter().filter(|row| !taken.takes(row.kind[0])).collect();
            let after = rows(&less);
            assert_eq!(after.len(), rest.len(), "{taken}");
            let mut blanked = 0;
            for (mut row, was) in after.into_iter().zip(rest) {
                // Numbers as they are printed read back as the same bits.
                let is_blanked = format!("{row:?}") != format!("{was:?}");
                restore(taken, &mut row, was);
                assert_eq!(format!("{row:?}"), format!("{was:?}"), "{taken}");
                blanked += usize::from(is_blanked);
            }
            // Either rows are gone or numbers, and something is.
            assert_eq!(blanked > 0, less.observations == all.observations, "{taken}");
        }
    }

    #[test]
    fn what_is_taken_out_is_neither_missed_nor_expected() {
        let all = stream(Scenario::Fused, 600.0);
        let all_placeable = placeable(&all);
        assert!(all_placeable > 0 && all_placeable <= all.truth.len());
        for &taken in Taken::ALL {
            let less = without(&all, taken).unwrap();
            let left: FxHashSet<String> = rows(&less).iter().map(|row| row.text(row.id[0]).to_owned()).collect();
            assert_eq!(less.truth.len(), all.truth.len(), "{taken}");
            for (event, was) in less.truth.iter().zip(&all.truth) {
                assert!(event.evidence.iter().all(|id| left.contains(id)), "{taken} {}", event.event);
                let kept: Vec<&String> = was.evidence.iter().filter(|id| left.contains(*id)).collect();
                assert_eq!(event.evidence.iter().collect::<Vec<_>>(), kept, "{taken} {}", event.event);
            }
            let expected = |node: &Node| Kind::ALL.iter().any(|&kind| taken.takes(kind) && node.kinds.contains(kind));
            assert!(!less.registry.nodes().iter().any(expected), "{taken}");
            let names = |stream: &Stream| -> Vec<String> {
                stream.registry.nodes().iter().map(|node| node.name.clone()).collect()
            };
            assert_eq!(names(&less), names(&all), "{taken}");
            assert!(placeable(&less) <= all_placeable, "{taken}");
        }
        let of = |kind: Kind| all.batches.iter().flat_map(|batch| &batch.kind).filter(|&&k| k == kind).count();
        let alone = without(&all, Taken::AllButMicrophones).unwrap();
        assert_eq!(alone.observations as usize, of(Kind::Acoustic) + of(Kind::Status));
        assert_eq!(alone.arrivals as usize, of(Kind::Acoustic));
    }

    #[test]
    fn a_row_is_the_scene_without_what_it_names() {
        let (settings, streams) = (Settings::default(), [stream(Scenario::Hour, 400.0)]);
        let row = |taken| ablated(Scene::Hour, taken, &streams, &settings);
        let all = row(None).unwrap();
        let direct = Quality::of(&streams[0].pass(&settings).alerts, &streams[0]);
        assert_eq!((all.quality.f1, all.quality.events), (direct.f1, streams[0].truth.len()));
        assert_eq!(all.placeable, all.quality.events, "the simulator tells of no others");
        let [p50_m, p95_m] = all.quality.place_error_m.unwrap();
        assert!(all.quality.f1 > 0.8 && p50_m > 0.0 && p50_m < p95_m, "{all:?}");
        for taken in [Taken::Flashes, Taken::Radars, Taken::Patrols, Taken::AllButMicrophones] {
            assert!(row(Some(taken)).is_none(), "{taken}: there are only microphones");
        }
        let no_weather = row(Some(Taken::Weather)).unwrap();
        let [without_p50_m, _] = no_weather.quality.place_error_m.unwrap();
        assert_eq!((no_weather.taken, no_weather.quality.events), (Some(Taken::Weather), all.quality.events));
        assert!(without_p50_m > p50_m, "in still air of ten degrees places are worse: {without_p50_m} {p50_m}");
    }
}
