//! Who could hear, and in what weather: bin by bin, from what nodes sent.
//!
//! A node is up in a bin if something came of it in that bin or in so many before it as its heartbeats may be missed.
//! Both this and the weather are sums and sets over what came in time, so that the order in which it came changes nothing.

use crate::engine::settings::Settings;
use crate::model::node::{Node, NodeIx};
use crate::model::time::ns_from_s;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bins that are remembered of each node.
const BINS: i64 = 64;

/// Bins of which the weather is remembered; older ones go first.
const WEATHER_BINS: usize = 64;

/// Longer than this nobody is waited for, s.
const MOST_PATIENCE_S: f64 = 5_400.0;

/// How many bins may pass without a word of a node that is up; `None`: it promised none.
pub fn patience_bins(node: &Node, settings: &Settings, bin_ns: i64) -> Option<i64> {
    let patience_s = node.heartbeat_s? * settings.silence.heartbeats;
    Some((ns_from_s(patience_s.min(MOST_PATIENCE_S)) + bin_ns - 1) / bin_ns)
}

/// The bins in which something came of a node: bit n stands for the one n before the newest.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Heard {
    newest: i64,
    bits: u64,
}

/// What nodes of a sector said of the weather in a bin: sums in whole hundredths, which have no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeatherSum {
    winds: i64,
    wind_cm_s: i64,
    noises: i64,
    noise_cdb: i64,
}

/// The weather of a sector in a bin, as its nodes have it on average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SectorWeather {
    /// Speed of the wind.
    pub wind_m_s: Option<f64>,
    /// Noise, dB.
    pub noise_db: Option<f64>,
}

/// All nodes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ears {
    bin_ns: i64,
    heard: Vec<Heard>,
    /// The bin that was asked for last, and where it begins.
    at: (i64, i64),
    weather: BTreeMap<i64, Vec<WeatherSum>>,
}

/// The same bits, as they stand so many bins later.
fn later(bits: u64, bins: i64) -> u64 {
    if bins < BINS { bits << bins } else { 0 }
}

/// The same bits, as they stood so many bins earlier.
fn earlier(bits: u64, bins: i64) -> u64 {
    if bins < BINS { bits >> bins } else { 0 }
}

impl Ears {
    /// None heard yet.
    pub fn new(bin_ns: i64) -> Ears {
        Ears { bin_ns, heard: Vec::new(), at: (0, 0), weather: BTreeMap::new() }
    }

    fn bin(&mut self, time_ns: i64) -> i64 {
        let (bin, from_ns) = self.at;
        if (0..self.bin_ns).contains(&time_ns.wrapping_sub(from_ns)) {
            return bin;
        }
        let bin = time_ns.div_euclid(self.bin_ns);
        self.at = (bin, bin * self.bin_ns);
        bin
    }

    /// Something came of a node.
    #[inline]
    pub fn hear(&mut self, node: NodeIx, time_ns: i64) {
        let bin = self.bin(time_ns);
        if self.heard.len() <= node.at() {
            self.heard.resize(node.at() + 1, Heard { newest: bin, bits: 0 });
        }
        let heard = &mut self.heard[node.at()];
        match bin - heard.newest {
            0 => heard.bits |= 1,
            ahead @ 1.. => {
                heard.bits = if ahead < BINS { heard.bits << ahead | 1 } else { 1 };
                heard.newest = bin;
            }
            behind if behind > -BINS => heard.bits |= 1 << -behind,
            _ => {}
        }
    }

    /// Something came of a node in these bins: bit n stands for the one n before `bin`.
    pub fn hear_in(&mut self, node: NodeIx, bin: i64, bits: u64) {
        if self.heard.len() <= node.at() {
            self.heard.resize(node.at() + 1, Heard { newest: bin, bits: 0 });
        }
        let heard = &mut self.heard[node.at()];
        let newest = heard.newest.max(bin);
        *heard = Heard { newest, bits: later(heard.bits, newest - heard.newest) | later(bits, newest - bin) };
    }

    /// Nodes that were heard in a bin or so many before it as are remembered, by the bins in which they were: see [`Ears::hear_in`].
    pub fn heard_by(&self, bin: i64) -> BTreeMap<u64, Vec<NodeIx>> {
        let mut by_bits: BTreeMap<u64, Vec<NodeIx>> = BTreeMap::new();
        for (at, heard) in self.heard.iter().enumerate() {
            let bits = match heard.newest - bin {
                after @ 0.. => earlier(heard.bits, after),
                before => later(heard.bits, -before),
            };
            if bits != 0 {
                by_bits.entry(bits).or_default().push(NodeIx(at as u32));
            }
        }
        by_bits
    }

    /// What was told of the weather in a bin, sector by sector.
    pub fn weather_by_sector(&self, bin: i64) -> &[WeatherSum] {
        self.weather.get(&bin).map_or(&[], Vec::as_slice)
    }

    /// A node of a sector told of the weather; numbers that are not finite tell nothing.
    pub fn weather(&mut self, sector: usize, time_ns: i64, wind_m_s: f64, noise_db: f64) {
        let bin = self.bin(time_ns);
        let mut told = WeatherSum::default();
        if wind_m_s.is_finite() {
            (told.winds, told.wind_cm_s) = (1, (100.0 * wind_m_s) as i64);
        }
        if noise_db.is_finite() {
            (told.noises, told.noise_cdb) = (1, (100.0 * noise_db) as i64);
        }
        self.add_weather(sector, bin, told);
    }

    /// Adds what nodes of a sector told of the weather in a bin.
    pub fn add_weather(&mut self, sector: usize, bin: i64, told: WeatherSum) {
        let sums = self.weather.entry(bin).or_default();
        if sums.len() <= sector {
            sums.resize(sector + 1, WeatherSum::default());
        }
        let sum = &mut sums[sector];
        (sum.winds, sum.wind_cm_s) = (sum.winds + told.winds, sum.wind_cm_s + told.wind_cm_s);
        (sum.noises, sum.noise_cdb) = (sum.noises + told.noises, sum.noise_cdb + told.noise_cdb);
        while self.weather.len() > WEATHER_BINS {
            self.weather.pop_first();
        }
    }

    /// Whether a node was up in a bin, of whom nothing may come for `patience` bins.
    pub fn is_up(&self, node: NodeIx, bin: i64, patience: i64) -> bool {
        let Some(heard) = self.heard.get(node.at()) else { return false };
        // Of what came after the bin nothing is known for good yet.
        let after = (heard.newest - bin).max(0);
        let behind = (bin - heard.newest).max(0);
        let bits = earlier(heard.bits, after);
        let left = (patience + 1 - behind).min(BINS);
        left > 0 && bits & (u64::MAX >> (BINS - left)) != 0
    }

    /// The weather of a sector in a bin.
    pub fn weather_in(&self, sector: usize, bin: i64) -> SectorWeather {
        let sum = self.weather.get(&bin).and_then(|sums| sums.get(sector)).copied().unwrap_or_default();
        let mean = |total: i64, count: i64| (count > 0).then(|| total as f64 / (100.0 * count as f64));
        SectorWeather { wind_m_s: mean(sum.wind_cm_s, sum.winds), noise_db: mean(sum.noise_cdb, sum.noises) }
    }

    /// Forgets the weather of before a bin.
    pub fn forget_before(&mut self, bin: i64) {
        self.weather = self.weather.split_off(&bin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn who_is_up_is_a_matter_of_the_set(
            mut times in proptest::collection::vec(0i64..600, 1..40), bin in 0i64..60, patience in 0i64..8,
        ) {
            let mut ears = Ears::new(10);
            times.iter().for_each(|&time_ns| ears.hear(NodeIx(3), time_ns));
            let due = times.iter().any(|time_ns| (bin - patience..=bin).contains(&(time_ns / 10)));
            prop_assert_eq!(ears.is_up(NodeIx(3), bin, patience), due);
            times.reverse();
            let mut reversed = Ears::new(10);
            times.iter().for_each(|&time_ns| reversed.hear(NodeIx(3), time_ns));
            prop_assert_eq!(reversed.is_up(NodeIx(3), bin, patience), due);
            prop_assert!(!ears.is_up(NodeIx(2), bin, patience) && !ears.is_up(NodeIx(9), bin, patience));
        }
    }

    #[test]
    fn the_weather_is_what_most_say_and_nobody_says_nothing() {
        let mut ears = Ears::new(10);
        ears.weather(1, 25, 3.0, f64::NAN);
        ears.weather(1, 21, 5.0, 40.0);
        assert_eq!(ears.weather_in(1, 2), SectorWeather { wind_m_s: Some(4.0), noise_db: Some(40.0) });
        assert_eq!(ears.weather_in(0, 2), SectorWeather::default());
        ears.forget_before(3);
        assert_eq!(ears.weather_in(1, 2), SectorWeather::default());
    }
}
