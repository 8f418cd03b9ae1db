//! The small job that other stream processors do beside this program, and what comes of it when nothing is lost.
//!
//! So many distinct nodes in one cell of the map within one window of event time make an alert: one a cell and window,
//! said when the last of them is heard.

use crate::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use crate::model::alert::AlertFeature;
use crate::model::kind::Kind;
use crate::model::node::{Node, NodeIx, Registry};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

/// Side of a cell, degrees: some 19 km by 28 km, in which 17 nodes of the load stand.
pub const CELL_DEG: f64 = 0.25;
/// Length of a window, seconds; they begin at multiples of it.
pub const WINDOW_S: u32 = 10;
/// Distinct nodes that make an alert.
pub const NODES: usize = 4;

/// A cell and window of which there is an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Place {
    row: i32,
    column: i32,
    from_ms: i64,
}

/// What a peer sends.
#[derive(Debug, Deserialize)]
pub struct PeerAlert {
    /// Of where and when.
    #[serde(flatten)]
    pub place: Place,
    /// The id of the observation that completed it.
    pub id: String,
}

/// What there is to say, worked out from the same lines.
pub struct Expected {
    decoder: Decoder,
    registry: Registry,
    lines: Lines,
    heard: FxHashMap<Place, [Option<NodeIx>; NODES]>,
}

/// What became of the alerts that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Cells and windows with an alert.
    pub expected: u64,
    /// Of these, told.
    pub told: u64,
    /// Told again.
    pub repeated: u64,
    /// Told, and not so.
    pub unfounded: u64,
}

impl Expected {
    /// Nothing heard yet of these nodes.
    pub fn new(nodes: &[Node]) -> Expected {
        Expected {
            decoder: Decoder::new(DecodeOptions::default()),
            registry: Registry::new(nodes.to_vec()),
            lines: Lines::default(),
            heard: FxHashMap::default(),
        }
    }

    /// Takes in a line of telemetry.
    pub fn see(&mut self, line: &[u8]) {
        self.lines.clear();
        let at = RecordAt { topic: 0, partition: 0, offset: 0 };
        self.decoder.record(line, at, &mut self.registry, &mut self.lines);
        let seen = &self.lines.observations;
        for row in 0..seen.len() {
            let node = seen.node[row];
            if !matches!(seen.kind[row], Kind::Acoustic | Kind::Seismic | Kind::Infrasound) {
                continue;
            }
            let Some(place) = place(&self.registry, node, seen.time_ns[row]) else { continue };
            let heard = self.heard.entry(place).or_default();
            if !heard.contains(&Some(node))
                && let Some(free) = heard.iter_mut().find(|heard| heard.is_none())
            {
                *free = Some(node);
            }
        }
    }

    /// The cell and window that an alert of this program is about.
    pub fn place_of(&self, alert: &AlertFeature) -> Option<Place> {
        let node = self.registry.find(&alert.properties.evidence.first()?.node)?;
        place(&self.registry, node, alert.properties.time.0)
    }

    /// What of it is among these alerts.
    pub fn account(&self, alerts: impl Iterator<Item = Place>) -> Account {
        let is_due = |place: &Place| self.heard.get(place).is_some_and(|heard| heard.iter().all(Option::is_some));
        let expected = self.heard.keys().filter(|place| is_due(place)).count() as u64;
        let mut account = Account { expected, told: 0, repeated: 0, unfounded: 0 };
        let mut told = FxHashSet::default();
        for place in alerts {
            match (is_due(&place), told.insert(place)) {
                (true, true) => account.told += 1,
                (true, false) => account.repeated += 1,
                (false, _) => account.unfounded += 1,
            }
        }
        account
    }
}

/// The cell of a node, and the window of a time in nanoseconds.
fn place(registry: &Registry, node: NodeIx, time_ns: i64) -> Option<Place> {
    let position = registry.node(node).position?;
    let (time_ms, window_ms) = (time_ns.div_euclid(1_000_000), 1000 * i64::from(WINDOW_S));
    Some(Place {
        row: (position.lat_deg / CELL_DEG).floor() as i32,
        column: (position.lon_deg / CELL_DEG).floor() as i32,
        from_ms: time_ms - time_ms.rem_euclid(window_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Bench;
    use crate::bench::ground::tests::small;
    use crate::engine::book::Said;
    use crate::engine::places::Places;
    use crate::engine::settings::Settings;
    use crate::engine::{Engine, Output};
    use crate::model::alert::Class;
    use crate::model::geo::LonLat;
    use crate::simulate::load::Mix;

    #[test]
    fn an_alert_takes_four_nodes_of_one_cell_in_one_window() {
        let at = |name: &str, lon_deg| Node {
            position: Some(LonLat { lon_deg, lat_deg: 46.9 }),
            registered: true,
            ..Node::unregistered(name)
        };
        let nodes = ["a", "b", "c", "d"].map(|name| at(name, 31.6));
        let mut expected = Expected::new(&[nodes.as_slice(), &[at("far", 31.4)]].concat());
        let hear = |expected: &mut Expected, node: &str, kind: &str, second: u32| {
            let time = format!("2026-03-01T00:00:{second:02}.500Z");
            let line = format!(r#"{{"id":"{node}{second}","node":"{node}","kind":"{kind}","time":"{time}"}}"#);
            expected.see(line.as_bytes());
        };
        let count = |expected: &Expected| expected.account(std::iter::empty()).expected;
        for (node, kind, second) in [
            ("a", "acoustic", 1),
            ("b", "acoustic", 2),
            ("c", "acoustic", 9),
            ("c", "acoustic", 9),
            ("far", "acoustic", 5),
        ] {
            hear(&mut expected, node, kind, second);
        }
        // Another window, and no arrival.
        hear(&mut expected, "d", "acoustic", 10);
        hear(&mut expected, "d", "status", 8);
        assert_eq!(count(&expected), 0);
        hear(&mut expected, "d", "acoustic", 3);
        assert_eq!(count(&expected), 1);
        // 1772323200 is midnight of that day.
        let place = Place { row: 187, column: 126, from_ms: 1_772_323_200_000 };
        let other = Place { row: 187, ..place };
        let wrong = Place { column: 125, ..place };
        assert_eq!(
            expected.account([place, other, wrong].into_iter()),
            Account { expected: 1, told: 1, repeated: 1, unfounded: 1 }
        );
        assert_eq!(expected.account(std::iter::empty()).told, 0);
    }

    #[test]
    fn this_program_tells_each_of_them_once_and_nothing_else() {
        const LINES: usize = 60_000;
        let bench = Bench { nodes: 400, mix: Mix::Barrage, ..small() };
        let mut load = bench.load();
        let (mut expected, mut registry) = (Expected::new(load.nodes()), Registry::new(load.nodes().to_vec()));
        let mut settings = Settings::default();
        (settings.fire.on, settings.coincidence.on) = (false, true);
        let mut engine = Engine::new(settings, String::new(), vec!["t".to_owned()], Places::default());
        engine.assign((0, 0));
        let mut decoder = Decoder::new(DecodeOptions::default());
        let (mut line, mut lines, mut output) = (Vec::new(), Lines::default(), Output::default());
        for offset in 0..LINES as i64 {
            line.clear();
            load.line(&mut line);
            expected.see(&line);
            decoder.record(&line, RecordAt { topic: 0, partition: 0, offset }, &mut registry, &mut lines);
            if lines.observations.len() == 1_000 {
                engine.ingest(&lines.observations, &registry, &mut output);
                lines.clear();
            }
        }
        engine.finish(&registry, &mut output);
        let first = |said: &Said| {
            let alert = &said.feature;
            (alert.properties.class == Class::FireUndetermined && alert.properties.revision == 1).then_some(())?;
            expected.place_of(alert)
        };
        let account = expected.account(output.said.iter().filter_map(first));
        assert!(account.expected > 100, "{account:?}");
        assert_eq!((account.told, account.repeated, account.unfounded), (account.expected, 0, 0));
    }
}
