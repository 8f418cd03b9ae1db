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
        Scenario::Hour | Scenario::Fused => Some(900.0),
        Scenario::Tracks => Some(3600.0),
        Scenario::Theatre => Some(20.0),
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
                Kind::Status => &["health", "clock_sd_s"],
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
fn clutter_is_a_third_of_the_picks_and_echoes_come_on_top() {
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
    assert!((0.29..0.37).contains(&((all - real) / all)), "{real} of {all}");
    let (real, all) = count(&Options { echo_share: 0.2, ..plain.clone() });
    assert!((0.36..0.44).contains(&((all - real) / all)), "{real} of {all}");
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
fn the_notices_of_a_patrol_come_late_and_a_tiny_share_of_picks_very_late() {
    let simulation = simulate(Scenario::Fused, 2, &Options::default());
    let (mut very_late, mut picks, mut reports) = (0, 0, 0);
    for (delivery, value) in simulation.deliveries.iter().zip(values(&simulation)) {
        let delay_s = s_from_ns(delivery.deliver_ns - time_ns(&value));
        match text(&value, "kind") {
            "status" => assert!(delay_s < 26.0, "{value}"),
            "patrol" if value["activity"] == "heard" => {
                assert!((29.0..1300.0).contains(&delay_s), "{delay_s} {value}");
                reports += 1;
            }
            "acoustic" => {
                picks += 1;
                very_late += usize::from(delay_s > 30.0);
            }
            _ => {}
        }
    }
    assert!(reports > 10, "{reports}");
    assert!(very_late > 0 && very_late * 200 < picks, "{very_late} of {picks}");
}

#[test]
fn all_senses_see_what_they_should_in_fused() {
    let simulation = simulate(Scenario::Fused, 3, &Options::default());
    let kind_of: BTreeMap<String, String> =
        values(&simulation).iter().map(|v| (text(v, "id").to_owned(), text(v, "kind").to_owned())).collect();
    let mut cited: BTreeSet<&str> = BTreeSet::new();
    for event in &simulation.truth {
        cited.extend(event.evidence.iter().map(|id| kind_of[id].as_str()));
    }
    for kind in ["acoustic", "flash", "radar", "seismic", "infrasound", "patrol", "thermal", "interference", "radio"] {
        assert!(cited.contains(kind), "{kind} is evidence for nothing");
    }
}

#[test]
fn a_radar_that_tells_both_ends_is_evidence_for_both() {
    let simulation = simulate(Scenario::Fused, 4, &Options::default());
    let mut checked = 0;
    for value in values(&simulation).iter().filter(|value| value["kind"] == "radar") {
        let ends = usize::from(value.get("origin").is_some()) + usize::from(value.get("impact").is_some());
        let id = text(value, "id");
        let events: Vec<&Truth> = simulation.truth.iter().filter(|e| e.evidence.iter().any(|i| i == id)).collect();
        assert_eq!(events.len(), ends, "{value}");
        for event in events {
            let end = if event.class == Class::FireOutgoing { &value["origin"] } else { &value["impact"] };
            let told = LonLat { lon_deg: end["lon"].as_f64().unwrap(), lat_deg: end["lat"].as_f64().unwrap() };
            assert!(told.distance_m(LonLat { lon_deg: event.lon, lat_deg: event.lat }) < 600.0, "{value}");
        }
        checked += 1;
    }
    assert!(checked > 20);
}

#[test]
fn the_demo_goes_on_with_another_seed_on_the_same_ground() {
    let first = simulate(Scenario::Demo, 1, &Options::default());
    let next = simulate(Scenario::Demo, 2, &Options { start_ns: first.end_ns, ..Options::default() });
    assert_eq!(first.nodes, next.nodes);
    assert_eq!(first.areas, next.areas);
    assert_ne!(first.notices[0].notice, next.notices[0].notice);
    let ids = |simulation: &Simulation| -> BTreeSet<String> {
        values(simulation).iter().map(|value| text(value, "id").to_owned()).collect()
    };
    assert!(ids(&first).is_disjoint(&ids(&next)));
    assert!(first.chapters.is_sorted_by_key(|chapter| chapter.time_ns) && first.chapters.len() > 5);
}

#[test]
fn the_demo_tells_its_story() {
    let simulation = simulate(Scenario::Demo, 5, &Options::default());
    let count = |class: Class| simulation.truth.iter().filter(|event| event.class == class).count();
    for class in
        [Class::AirIncursion, Class::SeaDark, Class::SensorSilent, Class::RestrictionDenied, Class::IncursionWeapons]
    {
        assert_eq!(count(class), 1, "{class}");
    }
    assert_eq!(count(Class::Interference), 2, "a jammer, by who it disturbs and by when its signal arrives");
    let shoot: Vec<&Truth> = simulation.truth.iter().filter(|e| e.class == Class::FireExplosion).collect();
    assert!(shoot.len() >= 6 && shoot.iter().all(|event| !event.violation && !event.areas.is_empty()));
    assert!(count(Class::FireImpact) > 40 && count(Class::FireOutgoing) > 40);
    assert!(simulation.truth.iter().any(|event| event.class == Class::FireImpact && event.violation));
}

#[test]
fn the_shortest_scenes_are_made_too() {
    for &scenario in Scenario::ALL {
        for duration_s in [0.0, 1.0] {
            let options = Options { duration_s: Some(duration_s), clutter_share: 0.0, ..Options::default() };
            assert!(!simulate(scenario, 1, &options).deliveries.is_empty());
        }
    }
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let options = Options { rate: -1.0, ..Options::default() };
    assert!(options.check().unwrap_err().to_string().contains("rate is -1"));
    let options = Options { noise: f64::NAN, ..Options::default() };
    assert!(options.check().is_err());
    assert!(Options { start_ns: i64::MAX, ..Options::default() }.check().is_err());
    assert!(Options::default().check().is_ok());
}
