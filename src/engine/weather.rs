//! What nodes say of themselves: clock, health, weather; each looked up as it stood at a given event time.
//!
//! A look-up at time t sees what was reported up to t and nothing later, so that an answer about a settled time
//! does not depend on the order in which reports came.

use crate::model::kind::Health;
use crate::model::node::{NodeIx, Registry};
use crate::model::observation::Status;
use crate::model::time::NS_PER_S;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Reports kept of one node; older ones go first.
pub const MAX_REPORTS: usize = 2_048;

/// So many reports are looked at one by one before all are searched.
const RECENT: usize = 4;

/// Notes are counted by so much event time, and what is old is forgotten in such steps.
const BUCKET_NS: i64 = 60 * NS_PER_S;

/// Degrees Celsius assumed where nobody measures.
pub const DEFAULT_TEMPERATURE_C: f64 = 10.0;

/// What is kept of a status: half a line of memory, in which nobody misses the digits that an f32 lacks. It lies in memory as a
/// checkpoint holds it, for there are more of them than of anything else.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Report {
    time_ns: i64,
    clock_sd_s: f32,
    temperature_c: f32,
    wind_east_m_s: f32,
    wind_north_m_s: f32,
    /// Its place in [`Health::ALL`].
    health: u64,
}

impl Report {
    fn health(&self) -> Health {
        Health::ALL[self.health as usize]
    }
}

/// What a node last said of itself before a time, as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// The node.
    pub node: String,
    /// When it said so, nanoseconds.
    pub time_ns: i64,
    /// Its clock, one sigma, s; it said nothing of it: none. So with the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_sd_s: Option<f32>,
    /// Degrees Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f32>,
    /// The wind towards east and north, m/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wind_m_s: Option<(f32, f32)>,
    /// How it is.
    pub health: Health,
}

/// The reports of every node, newest last.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub struct Weather {
    #[serde(with = "packed")]
    by_node: Vec<VecDeque<Report>>,
    /// Of each node the newest of these, by which most questions are answered: side by side they stay in the cache, where the ends of
    /// all rows do not.
    #[serde(skip)]
    newest: Vec<Option<Report>>,
    /// How many reports were noted up to the end of each minute, by its number.
    noted: BTreeMap<i64, u64>,
    /// The same of all minutes that are forgotten.
    noted_before: u64,
    /// The minute before which all was forgotten, by its number.
    forgotten_to: i64,
    /// The first time of which anything was reported, nanoseconds.
    oldest_ns: Option<i64>,
}

/// [`Weather`] as it is written down.
#[derive(Deserialize)]
struct Kept {
    #[serde(with = "packed")]
    by_node: Vec<VecDeque<Report>>,
    noted: BTreeMap<i64, u64>,
    noted_before: u64,
    forgotten_to: i64,
    oldest_ns: Option<i64>,
}

impl From<Kept> for Weather {
    fn from(Kept { by_node, noted, noted_before, forgotten_to, oldest_ns }: Kept) -> Weather {
        let newest = by_node.iter().map(|reports| reports.back().copied()).collect();
        Weather { by_node, newest, noted, noted_before, forgotten_to, oldest_ns }
    }
}

/// The air over a region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Air {
    /// Temperature, Celsius.
    pub temperature_c: f64,
    /// Wind towards the east, m/s.
    pub wind_east_m_s: f64,
    /// Wind towards the north, m/s.
    pub wind_north_m_s: f64,
}

impl Default for Air {
    fn default() -> Air {
        Air { temperature_c: DEFAULT_TEMPERATURE_C, wind_east_m_s: 0.0, wind_north_m_s: 0.0 }
    }
}

impl Air {
    /// Speed of sound in still air, m/s: 20.05 √T (ISO 9613-1 gives 20.05 from c₀ = 343.2 m/s at 293.15 K).
    pub fn sound_m_s(&self) -> f64 {
        20.05 * (self.temperature_c + 273.15).max(150.0).sqrt()
    }
}

/// Reports as a checkpoint holds them, a node's in one piece.
mod packed {
    use super::{Health, Report};
    use crate::engine::as_bytes::Bytes;
    use serde::de::Error as _;
    use serde::ser::SerializeSeq;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::VecDeque;
    use zerocopy::{FromBytes, IntoBytes};

    pub fn serialize<S: Serializer>(by_node: &[VecDeque<Report>], serializer: S) -> Result<S::Ok, S::Error> {
        let mut nodes = serializer.serialize_seq(Some(by_node.len()))?;
        let mut bytes = Vec::new();
        for reports in by_node {
            // Where one ends and the other begins means nothing.
            let (first, second) = reports.as_slices();
            bytes.clear();
            bytes.extend_from_slice(first.as_bytes());
            bytes.extend_from_slice(second.as_bytes());
            nodes.serialize_element(&Bytes(&bytes))?;
        }
        nodes.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<VecDeque<Report>>, D::Error> {
        let nodes = Vec::<Bytes<'de>>::deserialize(deserializer)?;
        let node = |Bytes(bytes): Bytes<'de>| {
            let (reports, rest) = bytes.as_chunks::<{ size_of::<Report>() }>();
            let is_one = |report: &Report| report.health < Health::ALL.len() as u64;
            let report = |bytes: &[u8]| Report::read_from_bytes(bytes).ok().filter(is_one);
            let reports: Option<VecDeque<Report>> = reports.iter().map(|bytes| report(bytes)).collect();
            reports.filter(|_| rest.is_empty()).ok_or_else(|| D::Error::custom("these are no reports"))
        };
        nodes.into_iter().map(node).collect()
    }
}

/// The number of the first whole minute that is not before that time.
fn minute_end(time_ns: i64) -> i64 {
    time_ns.div_euclid(BUCKET_NS) + i64::from(time_ns.rem_euclid(BUCKET_NS) > 0)
}

impl Weather {
    /// Takes in a status.
    pub fn note(&mut self, node: NodeIx, time_ns: i64, status: &Status) {
        // The wind blows *from* there.
        let (sin, cos) = (status.wind_from_deg as f32).to_radians().sin_cos();
        let speed_m_s = status.wind_speed_m_s as f32;
        let report = Report {
            time_ns,
            health: status.health as u64,
            clock_sd_s: status.clock_sd_s as f32,
            temperature_c: status.temperature_c as f32,
            wind_east_m_s: -speed_m_s * sin,
            wind_north_m_s: -speed_m_s * cos,
        };
        self.keep(node, report);
    }

    fn keep(&mut self, node: NodeIx, report: Report) {
        let time_ns = report.time_ns;
        if self.by_node.len() <= node.at() {
            self.by_node.resize_with(node.at() + 1, VecDeque::new);
            self.newest.resize(node.at() + 1, None);
        }
        self.oldest_ns = Some(self.oldest_ns.map_or(time_ns, |oldest_ns| oldest_ns.min(time_ns)));
        let reports = &mut self.by_node[node.at()];
        // Most come in order; a search through all of them would touch as many lines of memory as it takes steps.
        let newest = &mut self.newest[node.at()];
        let at = match newest {
            Some(newest) if newest.time_ns > time_ns => reports.partition_point(|report| report.time_ns <= time_ns),
            _ => {
                *newest = Some(report);
                reports.len()
            }
        };
        if reports.len() < MAX_REPORTS {
            reports.insert(at, report);
        } else if let Some(at) = at.checked_sub(1) {
            // Before another goes in, or its memory would double for the one.
            reports.pop_front();
            reports.insert(at, report);
        }
        let (minute, before) = (minute_end(time_ns), self.noted_up_to(time_ns));
        self.noted.entry(minute).or_insert(before);
        // Most are of the newest minute.
        self.noted.range_mut(minute..).for_each(|(_, count)| *count += 1);
    }

    /// What each of these nodes last said before that time, for who sees only what comes after it.
    pub fn record(&self, nodes: &[NodeIx], time_ns: i64, registry: &Registry) -> Vec<ReportRecord> {
        let known = |value: f32| Some(value).filter(|value| value.is_finite());
        let last = nodes.iter().filter_map(|&node| Some((node, self.last_before(node, time_ns)?)));
        last.map(|(node, report)| ReportRecord {
            node: registry.node(node).name.clone(),
            time_ns: report.time_ns,
            clock_sd_s: known(report.clock_sd_s),
            temperature_c: known(report.temperature_c),
            wind_m_s: known(report.wind_east_m_s).zip(known(report.wind_north_m_s)),
            health: report.health(),
        })
        .collect()
    }

    /// Takes in what a node of the registry said before what is seen.
    pub fn restore(&mut self, record: &ReportRecord, registry: &Registry) {
        let Some(node) = registry.find(&record.node) else { return };
        // Nodes that are in several regions are told of by each.
        if self.last_before(node, record.time_ns).is_some_and(|known| known.time_ns == record.time_ns) {
            return;
        }
        let (wind_east_m_s, wind_north_m_s) = record.wind_m_s.unwrap_or((f32::NAN, f32::NAN));
        let report = Report {
            time_ns: record.time_ns,
            clock_sd_s: record.clock_sd_s.unwrap_or(f32::NAN),
            temperature_c: record.temperature_c.unwrap_or(f32::NAN),
            wind_east_m_s,
            wind_north_m_s,
            health: record.health as u64,
        };
        self.keep(node, report);
    }

    /// How many reports have been noted up to that time, or up to the next whole minute if it is none. While it stays
    /// the same, so does every answer about that time: whoever caches one compares it. What is reported of later
    /// changes neither.
    pub fn noted_up_to(&self, time_ns: i64) -> u64 {
        self.noted.range(..=minute_end(time_ns)).next_back().map_or(self.noted_before, |(_, &count)| count)
    }

    /// Forgets what is older than needed to answer about `time_ns` and later; at once or within a minute.
    pub fn forget_before(&mut self, time_ns: i64) {
        let keep = time_ns.div_euclid(BUCKET_NS);
        // All nodes are gone through: not at every step of the watermark.
        if keep == self.forgotten_to {
            return;
        }
        self.forgotten_to = keep;
        for reports in &mut self.by_node {
            while reports.len() > 1 && reports[1].time_ns <= time_ns {
                reports.pop_front();
            }
        }
        while let Some(first) = self.noted.first_entry().filter(|first| *first.key() < keep) {
            self.noted_before = first.remove();
        }
    }

    fn last_before(&self, node: NodeIx, time_ns: i64) -> Option<&Report> {
        let newest = self.newest.get(node.at())?.as_ref()?;
        if newest.time_ns <= time_ns {
            return Some(newest);
        }
        let reports = &self.by_node[node.at()];
        // Most others are asked about a time shortly before it.
        if let Some(recent) = reports.iter().rev().take(RECENT).find(|report| report.time_ns <= time_ns) {
            return Some(recent);
        }
        reports.get(reports.partition_point(|report| report.time_ns <= time_ns).checked_sub(1)?)
    }

    /// One sigma of the node's clock as last reported before that time; 0 where it never said.
    pub fn clock_sd_s(&self, node: NodeIx, time_ns: i64) -> f64 {
        self.last_before(node, time_ns)
            .map_or(0.0, |report| if report.clock_sd_s > 0.0 { f64::from(report.clock_sd_s) } else { 0.0 })
    }

    /// The same of the last report that has been seen of it, of whatever time.
    pub fn newest_clock_sd_s(&self, node: NodeIx) -> f64 {
        self.clock_sd_s(node, i64::MAX)
    }

    /// Whether the node was up: its last report is no older than three heartbeats and says neither offline nor
    /// tampered with. A node without heartbeats is taken to be up, and one of which nothing had been reported until it could
    /// have been: who begins in the midst of a stream does not know when a silent node fell silent. What is reported of later says nothing
    /// of then, or it would depend on how much has been read.
    pub fn is_up(&self, node: NodeIx, time_ns: i64, heartbeat_s: Option<f64>) -> bool {
        let is_recent = |from_ns: i64| {
            let silent_s = time_ns.saturating_sub(from_ns) as f64 * 1e-9;
            heartbeat_s.is_none_or(|heartbeat_s| silent_s <= 3.0 * heartbeat_s)
        };
        match self.last_before(node, time_ns) {
            None => self.oldest_ns.is_none_or(is_recent),
            Some(report) => !matches!(report.health(), Health::Offline | Health::Tamper) && is_recent(report.time_ns),
        }
    }

    /// The air as these nodes last reported it before that time: the mean of each quantity over those that measure it.
    pub fn air(&self, nodes: &[NodeIx], time_ns: i64) -> Air {
        let mut temperature = (0.0, 0.0);
        let mut wind = (0.0, 0.0, 0.0);
        for &node in nodes {
            let Some(report) = self.last_before(node, time_ns) else { continue };
            if report.temperature_c.is_finite() {
                temperature = (temperature.0 + f64::from(report.temperature_c), temperature.1 + 1.0);
            }
            if report.wind_east_m_s.is_finite() && report.wind_north_m_s.is_finite() {
                let (east_m_s, north_m_s) = (f64::from(report.wind_east_m_s), f64::from(report.wind_north_m_s));
                wind = (wind.0 + east_m_s, wind.1 + north_m_s, wind.2 + 1.0);
            }
        }
        let mut air = Air::default();
        if temperature.1 > 0.0 {
            air.temperature_c = temperature.0 / temperature.1;
        }
        if wind.2 > 0.0 {
            air.wind_east_m_s = wind.0 / wind.2;
            air.wind_north_m_s = wind.1 / wind.2;
        }
        air
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(temperature_c: f64, wind_speed_m_s: f64, wind_from_deg: f64) -> Status {
        Status {
            health: Health::Ok,
            clock_sd_s: 0.01,
            temperature_c,
            wind_speed_m_s,
            wind_from_deg,
            noise_db: f64::NAN,
        }
    }

    #[test]
    fn a_node_that_reports_without_end_takes_so_much_memory_and_no_more() {
        let mut weather = Weather::default();
        for k in 0..3 * MAX_REPORTS as i64 {
            weather.note(NodeIx(0), 100 * BUCKET_NS + k, &status(10.0, 0.0, 0.0));
        }
        weather.note(NodeIx(0), BUCKET_NS, &status(10.0, 0.0, 0.0));
        let reports = &weather.by_node[0];
        assert_eq!((reports.len(), reports.capacity()), (MAX_REPORTS, MAX_REPORTS));
        assert!(reports.iter().all(|report| report.time_ns >= 100 * BUCKET_NS + 2 * MAX_REPORTS as i64), "the newest");
        assert_eq!(std::mem::size_of::<Report>(), 32);
    }

    proptest! {
        #[test]
        fn a_look_up_finds_what_a_search_through_all_finds(
            reports in proptest::collection::vec((0u32..3, 0i64..400), 1..60), asked in 0i64..400, forget in 0i64..400,
        ) {
            let mut weather = Weather::default();
            for (at, &(node, minute)) in reports.iter().enumerate() {
                weather.note(NodeIx(node), minute * BUCKET_NS, &status(at as f64, 0.0, 0.0));
            }
            // Of reports of one time the one that came last.
            let found = |weather: &Weather, node: u32| {
                weather.last_before(NodeIx(node), asked * BUCKET_NS).map(|report| f64::from(report.temperature_c))
            };
            let expected = |node: u32| {
                let own = reports.iter().enumerate().filter(|(_, (of, minute))| *of == node && *minute <= asked);
                own.max_by_key(|(at, (_, minute))| (*minute, *at)).map(|(at, _)| at as f64)
            };
            let mut again: Weather = postcard::from_bytes(&postcard::to_stdvec(&weather).unwrap()).unwrap();
            again.forget_before(forget.min(asked) * BUCKET_NS);
            for node in 0..4 {
                prop_assert_eq!(found(&weather, node), expected(node));
                prop_assert_eq!(found(&again, node), expected(node));
            }
        }
    }

    #[test]
    fn a_look_up_sees_the_past_alone_whatever_the_order() {
        let mut weather = Weather::default();
        let node = NodeIx(3);
        weather.note(node, 200, &status(20.0, 5.0, 270.0));
        weather.note(node, 100, &status(10.0, f64::NAN, f64::NAN));
        assert_eq!(weather.air(&[node], 50), Air::default());
        assert_eq!(weather.air(&[node], 150).temperature_c, 10.0);
        let air = weather.air(&[node], 200);
        assert_eq!(air.temperature_c, 20.0);
        assert!((air.wind_east_m_s - 5.0).abs() < 1e-5 && air.wind_north_m_s.abs() < 1e-5, "a west wind blows east");
        weather.forget_before(150);
        assert_eq!(weather.air(&[node], 150).temperature_c, 10.0, "what answers about then is kept");
    }

    #[test]
    fn a_node_is_up_for_three_heartbeats_after_its_last_one_or_after_the_first_of_any() {
        let seconds = |at_s: i64| at_s * 1_000_000_000;
        let mut weather = Weather::default();
        let (node, mute) = (NodeIx(0), NodeIx(1));
        assert!(weather.is_up(mute, seconds(1000), Some(30.0)), "nobody has reported anything");
        weather.note(node, seconds(100), &status(10.0, 1.0, 0.0));
        for who in [node, mute] {
            assert!(weather.is_up(who, seconds(190), Some(30.0)));
            assert!(!weather.is_up(who, seconds(191), Some(30.0)));
            assert!(weather.is_up(who, seconds(191), None), "without a heartbeat nothing is to be expected of it");
        }
        assert!(weather.is_up(node, seconds(99), Some(30.0)), "nobody had reported anything by then");
        weather.note(mute, seconds(300), &Status { health: Health::Offline, ..status(10.0, 1.0, 0.0) });
        assert!(!weather.is_up(mute, seconds(301), Some(30.0)));
    }

    #[test]
    fn what_is_reported_of_later_leaves_the_count_of_a_minute_alone() {
        let mut weather = Weather::default();
        let minute = |minute: i64| minute * BUCKET_NS;
        weather.note(NodeIx(0), minute(1), &status(10.0, 1.0, 0.0));
        let (first, second) = (weather.noted_up_to(minute(1)), weather.noted_up_to(minute(2)));
        assert_eq!(first, 1);
        weather.note(NodeIx(1), minute(1) + 5, &status(12.0, 1.0, 0.0));
        assert_eq!(weather.noted_up_to(minute(1)), first);
        assert_ne!(weather.noted_up_to(minute(2)), second);
        let later = weather.noted_up_to(minute(3));
        weather.forget_before(minute(3));
        assert_eq!(weather.noted_up_to(minute(3)), later, "forgetting is no report");
        weather.note(NodeIx(0), minute(1), &status(11.0, 1.0, 0.0));
        assert_ne!(weather.noted_up_to(minute(3)), later, "a late report is");
    }

    #[test]
    fn sound_is_faster_in_warm_air() {
        let at = |temperature_c| Air { temperature_c, ..Air::default() }.sound_m_s();
        assert!((at(20.0) - 343.3).abs() < 0.2, "{}", at(20.0));
        assert!((at(-20.0) - 319.0).abs() < 0.3, "{}", at(-20.0));
    }
}
