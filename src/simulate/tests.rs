//! What a simulated scene must hold to.

use super::air::Air;
use super::chance::{Chance, Purpose};
use super::*;
use crate::model::geo::LonLat;
use crate::model::kind::Kind;
use crate::model::time::{parse_rfc3339, s_from_ns};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A short scene of each scenario: minutes, not hours.
fn short(scenario: Scenario) -> Options {
    let duration_s = match scenario {
        Scenario::Sparse => Some(4.0 * 3600.0),
        Scenario::Hour => Some(900.0),
        _ => None,
    };
    Options { duration_s, ..Options::default() }
}

fn values(simulation: &Simulation) -> Vec<Value> {
    simulation.deliveries.iter().map(|delivery| serde_json::from_str(&delivery.line).unwrap()).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is missing from {value}"))
}

fn time_ns(value: &Value) -> i64 {
    parse_rfc3339(text(value, "time").as_bytes()).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    for &scenario in Scenario::ALL {
        let bytes = |seed| {
            let dir = tempfile::tempdir().unwrap();
            run(scenario, seed, &short(scenario), dir.path()).unwrap();
            ["telemetry.ndjson", "sensors.geojson", "areas.geojson", "notices.geojson", "truth.ndjson"]
                .map(|name| std::fs::read(dir.path().join(name)).unwrap())
        };
        let (first, again, other) = (bytes(7), bytes(7), bytes(8));
        assert!(first == again, "{scenario}");
        assert!(first[0] != other[0] && first[4] != other[4], "{scenario}");
    }
}

#[test]
fn every_line_has_what_the_contract_requires() {
    for &scenario in Scenario::ALL {
        let simulation = simulate(scenario, 1, &short(scenario));
        let known: BTreeSet<&str> = simulation.nodes.iter().map(|node| node.name.as_str()).collect();
        assert!(!simulation.deliveries.is_empty());
        for (delivery, value) in simulation.deliveries.iter().zip(values(&simulation)) {
            let (id, node) = (text(&value, "id"), text(&value, "node"));
            assert!(!id.is_empty() && id.len() <= 64, "{id}");
            assert!(known.contains(node), "{node}");
            assert_eq!(delivery.key, node);
            let kind = Kind::parse(text(&value, "kind")).unwrap();
            assert_eq!(delivery.topic == "telemetry.patrols", kind == Kind::Patrol);
            assert!(
                time_ns(&value) >= DEFAULT_START_NS - 1_000_000_000
                    && time_ns(&value) < simulation.end_ns + 1_000_000_000
            );
            if let Some(azimuth) = value.get("azimuth_deg") {
                assert!((0.0..360.0).contains(&azimuth.as_f64().unwrap()), "{value}");
            }
            let required: &[&str] = match kind {
                Kind::Track => &["track", "domain", "object_lon", "object_lat"],
                Kind::Thermal => &["object_lon", "object_lat"],
                Kind::Interference => &["band"],
                Kind::Patrol => &["activity"],
                Kind::Status => &["health", "clock_sd_s", "temperature_c", "wind_speed_m_s", "wind_from_deg"],
                _ => &[],
            };
            assert!(required.iter().all(|name| value.get(name).is_some()), "{value}");
        }
    }
}

#[test]
fn lines_come_in_order_of_delivery_and_within_twenty_seconds() {
    for scenario in [Scenario::Sparse, Scenario::Hour, Scenario::Barrage] {
        let simulation = simulate(scenario, 3, &short(scenario));
        assert!(simulation.deliveries.is_sorted_by_key(|delivery| delivery.deliver_ns));
        let mut out_of_order = 0;
        let mut newest_ns = i64::MIN;
        for (delivery, value) in simulation.deliveries.iter().zip(values(&simulation)) {
            let delay_s = s_from_ns(delivery.deliver_ns - time_ns(&value));
            // A clock may err by half a second and a pick by some sigma.
            assert!((-2.0..22.0).contains(&delay_s), "{delay_s} {value}");
            out_of_order += usize::from(time_ns(&value) < newest_ns);
            newest_ns = newest_ns.max(time_ns(&value));
        }
        assert!(out_of_order * 50 > simulation.deliveries.len(), "{out_of_order} lines are out of order");
    }
}

#[test]
fn doubles_share_their_id_and_are_one_in_a_hundred() {
    let simulation = simulate(Scenario::Hour, 4, &Options::default());
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (delivery, value) in simulation.deliveries.iter().zip(values(&simulation)) {
        by_id.entry(text(&value, "id").to_owned()).or_default().push(delivery.line.clone());
    }
    let doubles = by_id.values().filter(|lines| lines.len() > 1).count();
    assert!(by_id.values().all(|lines| lines.windows(2).all(|pair| pair[0] == pair[1])));
    let share = doubles as f64 / by_id.len() as f64;
    assert!((0.006..0.014).contains(&share), "{share}");
}

#[test]
fn clutter_is_a_third_of_what_is_true_and_echoes_come_on_top() {
    let count = |options: &Options| {
        let simulation = simulate(Scenario::Hour, 5, options);
        let evidence: BTreeSet<&str> =
            simulation.truth.iter().flat_map(|event| event.evidence.iter().map(String::as_str)).collect();
        let ids: BTreeSet<String> = values(&simulation)
            .iter()
            .filter(|value| value["kind"] == "acoustic")
            .map(|value| text(value, "id").to_owned())
            .collect();
        (ids.iter().filter(|id| evidence.contains(id.as_str())).count() as f64, ids.len() as f64)
    };
    let plain = Options { echo_share: 0.0, failures: false, ..Options::default() };
    let (real, all) = count(&plain);
    assert!((0.28..0.39).contains(&((all - real) / real)), "{real} of {all}");
    let (real, all) = count(&Options { echo_share: 0.2, ..plain.clone() });
    assert!((0.45..0.62).contains(&((all - real) / real)), "{real} of {all}");
}

#[test]
fn without_noise_arrivals_obey_the_physics() {
    let options =
        Options { noise: 0.0, clutter_share: 0.0, echo_share: 0.0, duplicate_share: 0.0, ..short(Scenario::Hour) };
    let simulation = simulate(Scenario::Hour, 6, &options);
    let air = Air::new(LonLat { lon_deg: 31.5, lat_deg: 46.9 }, &mut Chance::new(6, Purpose::Air));
    let places: BTreeMap<&str, LonLat> =
        simulation.nodes.iter().filter_map(|node| Some((node.name.as_str(), node.position?))).collect();
    let mut arrivals = BTreeMap::new();
    for value in values(&simulation).iter().filter(|value| value["kind"] == "acoustic") {
        arrivals.insert(text(value, "id").to_owned(), value.clone());
    }
    let mut checked = 0;
    for event in &simulation.truth {
        let place = LonLat { lon_deg: event.lon, lat_deg: event.lat };
        for id in &event.evidence {
            let (node, at_ns) = (places[text(&arrivals[id], "node")], time_ns(&arrivals[id]));
            let path = air.path(place, node, s_from_ns(event.time.0 - DEFAULT_START_NS));
            let travel_s = s_from_ns(at_ns - event.time.0);
            assert!((travel_s - path.travel_s).abs() < 2e-6, "{travel_s} {}", path.travel_s);
            let speed_m_s = place.distance_m(node) / travel_s;
            assert!((310.0..360.0).contains(&speed_m_s), "{speed_m_s}");
            if let Some(azimuth_deg) = arrivals[id]["azimuth_deg"].as_f64() {
                let straight_deg = node.distance_azimuth(place).1;
                assert!((straight_deg - azimuth_deg).abs() < 0.11, "{straight_deg} {azimuth_deg}");
            }
            checked += 1;
        }
    }
    assert!(checked > 500, "{checked}");
}

#[test]
fn events_have_about_as_many_arrivals_as_a_network_like_this_hears() {
    let simulation = simulate(Scenario::Hour, 9, &Options::default());
    assert!(simulation.truth.len() > 450, "{} of 500 can be found", simulation.truth.len());
    assert!(simulation.truth.iter().all(|event| event.evidence.len() >= 4));
    let mean =
        simulation.truth.iter().map(|event| event.evidence.len()).sum::<usize>() as f64 / simulation.truth.len() as f64;
    assert!((8.0..12.0).contains(&mean), "{mean}");
    let bounds: Vec<f64> = simulation.truth.iter().filter_map(|event| event.bound_m).collect();
    assert!(bounds.len() * 100 > simulation.truth.len() * 97);
    assert!(bounds.iter().all(|&bound_m| bound_m > 1.0));
}

#[test]
fn ids_are_unique_and_evidence_belongs_to_one_round() {
    let simulation = simulate(Scenario::Barrage, 2, &Options::default());
    let ids: BTreeSet<String> = values(&simulation).iter().map(|value| text(value, "id").to_owned()).collect();
    let mut seen = BTreeSet::new();
    for event in &simulation.truth {
        assert!(event.evidence.iter().all(|id| ids.contains(id) && seen.insert(id.clone())));
    }
    assert!(simulation.truth.is_sorted_by_key(|event| event.time));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let options = Options { rate: -1.0, ..Options::default() };
    assert!(options.check().unwrap_err().to_string().contains("rate is -1"));
    let options = Options { noise: f64::NAN, ..Options::default() };
    assert!(options.check().is_err());
    assert!(Options::default().check().is_ok());
}
