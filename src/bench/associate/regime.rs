//! How much happens: the scenes that the associator is measured on.

use crate::model::kind::vocabulary;
use crate::simulate::{Options, Scenario, Simulation, simulate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Clutter of each microphone where there is nothing else, an hour.
const CLUTTER_PER_HOUR: f64 = 20.0;
/// Events a second of the scenario `barrage`.
const BARRAGE_PER_S: f64 = 500.0 / 600.0;
/// Events a second of the scenario `hour`.
const HOUR_PER_S: f64 = 500.0 / 3600.0;

vocabulary! {
    /// 50 microphones over 40 × 40 km that hear 12 km far, and 500 events in ever shorter time.
    Regime {
        Sparse = "sparse", Hour = "hour", Barrage = "barrage", Barrage2 = "barrage2", Barrage4 = "barrage4",
        Clutter = "clutter",
    }
}

impl Regime {
    /// One phrase for people.
    pub const fn about(self) -> &'static str {
        match self {
            Regime::Sparse => "500 in 24 h",
            Regime::Hour => "500 in 1 h",
            Regime::Barrage => "500 in 10 min",
            Regime::Barrage2 => "500 in 5 min",
            Regime::Barrage4 => "500 in 2.5 min",
            Regime::Clutter => "none in 24 h",
        }
    }

    /// The scene of that seed.
    pub fn scene(self, seed: u64) -> Simulation {
        let normal = Options::default();
        let (scenario, options) = match self {
            Regime::Sparse => (Scenario::Sparse, normal),
            Regime::Hour => (Scenario::Hour, normal),
            Regime::Barrage => (Scenario::Barrage, normal),
            // The scenarios have more events in the same time; here as many events have less time.
            Regime::Barrage2 => (Scenario::Barrage2, Options { duration_s: Some(300.0), ..normal }),
            Regime::Barrage4 => (Scenario::Barrage4, Options { duration_s: Some(150.0), ..normal }),
            Regime::Clutter => {
                (Scenario::Sparse, Options { rate: 0.0, clutter_per_hour: Some(CLUTTER_PER_HOUR), ..normal })
            }
        };
        simulate(scenario, seed, &options)
    }
}

vocabulary! {
    /// Where the events of a saturation curve are.
    Ground {
        /// All over the land, four in ten in series from one place.
        Scattered = "scattered",
        /// Six guns and four impact areas.
        Guns = "guns",
    }
}

impl Ground {
    /// The scene of that seed in which `events` happen at `per_s` events a second.
    pub fn scene(self, per_s: f64, events: usize, seed: u64) -> Simulation {
        let (scenario, own_per_s) = match self {
            Ground::Scattered => (Scenario::Hour, HOUR_PER_S),
            Ground::Guns => (Scenario::Barrage, BARRAGE_PER_S),
        };
        let duration_s = Some(events as f64 / per_s);
        simulate(scenario, seed, &Options { duration_s, rate: per_s / own_per_s, ..Options::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::s_from_ns;

    #[test]
    fn every_regime_has_its_events_in_its_time() {
        for (regime, lasts_s) in [(Regime::Barrage, 600.0), (Regime::Barrage2, 300.0), (Regime::Barrage4, 150.0)] {
            let truth = regime.scene(5).truth;
            // Some are heard by too few to be found.
            assert!((490..=500).contains(&truth.len()), "{regime}: {}", truth.len());
            let (first, last) = (truth[0].time.0, truth[truth.len() - 1].time.0);
            let span_s = s_from_ns(last - first);
            assert!(span_s <= lasts_s && span_s > 0.95 * lasts_s, "{regime}: {span_s}");
        }
        let clutter = Regime::Clutter.scene(5);
        let arrivals = clutter.deliveries.iter().filter(|delivery| delivery.line.contains("\"acoustic\"")).count();
        assert!(clutter.truth.is_empty() && (20_000..26_000).contains(&arrivals), "{arrivals}");
    }

    #[test]
    fn a_saturation_scene_has_the_rate_it_was_asked_for() {
        for ground in Ground::ALL {
            let truth = ground.scene(2.0, 200, 5).truth;
            let span_s = s_from_ns(truth[truth.len() - 1].time.0 - truth[0].time.0);
            assert!((190..=200).contains(&truth.len()) && (90.0..100.0).contains(&span_s), "{ground}: {span_s}");
        }
    }
}
