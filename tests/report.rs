//! Daily reports by the program as a user runs it: a replay over midnight, and a page of it from file and archive.

mod midnight;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use truceline::model::daily::DailyReport;

fn truceline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_truceline")).args(arguments).output().unwrap()
}

fn run(arguments: &[&str]) -> String {
    let output = truceline(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn collection(features: Vec<(&str, String)>) -> String {
    let features: Vec<String> = features.into_iter().map(|(_, feature)| feature).collect();
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
}

/// A replay of the night; where its results are.
fn replayed(directory: &Path) -> PathBuf {
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let lines: String = midnight::lines().iter().map(|line| format!("{}\n", line.text)).collect();
    let telemetry = write("telemetry.ndjson", lines);
    let sensors = write("sensors.geojson", collection(midnight::nodes()));
    let areas = write("areas.geojson", collection(midnight::areas()));
    let out = directory.join("out");
    let flags = ["--sensors", &sensors, "--areas", &areas, "--out", out.to_str().unwrap()];
    let said = run(&[&["replay", "--telemetry", &telemetry], &flags[..]].concat());
    assert!(said.contains("6 daily reports") && said.contains("reports.ndjson"), "{said}");
    out
}

#[test]
fn a_replay_reports_each_day_of_each_sector_once() {
    let directory = tempfile::tempdir().unwrap();
    let out = replayed(directory.path());
    let text = std::fs::read_to_string(out.join("reports.ndjson")).unwrap();
    let reports: Vec<DailyReport> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(String, &str, u32)> =
        reports.iter().map(|it| (it.day.to_string(), it.sector.as_str(), it.revision)).collect();
    let of = |day: &str| ["east", "theatre", "west"].map(|sector| (day.to_owned(), sector, 1));
    assert_eq!(told, [of("2026-03-01"), of("2026-03-02")].concat());
    let [east, theatre, west, next_east, next_theatre, next_west] = &reports[..] else { unreachable!() };
    let denied = |it: &DailyReport| (it.figures.restrictions.denied.count, it.figures.restrictions.delayed.count);
    assert_eq!([denied(east), denied(theatre), denied(west)], [(0, 0), (1, 0), (1, 0)]);
    assert_eq!([denied(next_east), denied(next_theatre), denied(next_west)], [(0, 0), (0, 1), (0, 1)]);
    let weapons = west.figures.weapons;
    assert_eq!((weapons.count, weapons.violations, theatre.figures.weapons), (2, 2, weapons));
    assert_eq!(
        west.figures.areas.iter().map(|it| (it.area.as_str(), it.violations)).collect::<Vec<_>>(),
        [("zone-1", 2)]
    );
    // From the last beat before the silence, at 23:39, to midnight; from there to 00:20.
    let lost = |it: &DailyReport| (it.figures.coverage.silent_nodes, it.figures.coverage.node_hours_lost);
    assert_eq!([lost(east), lost(next_east), lost(west)], [(1, 0.35), (1, 0.33), (0, 0.0)]);
    assert_eq!((east.covered_to, next_east.covered_to < next_east.to), (east.to, true), "the second was not over");
}

#[test]
fn a_page_is_the_same_from_a_file_and_from_an_archive() {
    let directory = tempfile::tempdir().unwrap();
    let out = replayed(directory.path());
    let path = |name: &str| out.join(name).display().to_string();
    let areas = directory.path().join("areas.geojson").display().to_string();
    let page = |source: &[&str], to: &str| {
        let to = path(to);
        let fixed = ["report", "--day", "2026-03-01", "--sector", "west", "--areas", &areas, "--out", &to];
        let said = run(&[&fixed[..], source].concat());
        assert!(said.starts_with("Daily report, sector west, 2026-03-01\n"), "{said}");
        let stem = Path::new(&to).join("report-2026-03-01-west");
        ["md", "html"].map(|ending| std::fs::read_to_string(stem.with_extension(ending)).unwrap())
    };
    let from_file = page(&["--alerts", &path("alerts.ndjson")], "a");
    let from_archive = page(&["--archive", &path("archive")], "b");
    assert_eq!(from_file, from_archive);
    assert!(from_file[0].contains("| Movement denied | 1 | 1 | – | – | 1 | – |"), "{}", from_file[0]);
    assert!(from_file[0].contains("| Heavy weapons behind withdrawal lines | 2 |"), "{}", from_file[0]);
    for name in ["report-2026-03-01-west-map.svg", "report-2026-03-01-west-chart.svg"] {
        let drawn = std::fs::read_to_string(out.join("a").join(name)).unwrap();
        assert!(from_file[1].contains(&drawn) && from_file[0].contains(name));
    }
}

#[test]
fn what_cannot_be_reported_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let out = replayed(directory.path());
    let (alerts, to) = (out.join("alerts.ndjson").display().to_string(), out.display().to_string());
    let refused = |more: &[&str], code: i32| {
        let output = truceline(&[&["report", "--day", "2026-03-01", "--out", &to], more].concat());
        assert_eq!(output.status.code(), Some(code));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&["--alerts", &alerts, "--sector", "wset"], 2);
    assert!(said.contains("--sector held wset; expected one of east, theatre, west"), "{said}");
    let said = refused(&["--archive", &to], 1);
    assert!(said.contains("expected the root of an archive"), "{said}");
}

#[test]
fn alerts_have_a_sector_and_a_component_where_anything_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(replayed(directory.path()).join("alerts.ndjson")).unwrap();
    let mut silences = 0;
    for line in text.lines() {
        let alert: Value = serde_json::from_str(line).unwrap();
        let properties = &alert["properties"];
        let (class, sectors) = (properties["class"].as_str().unwrap(), properties["sectors"].to_string());
        // The silent node stands in no area: it is routed to whom it belongs.
        let expected = if class == "sensor.silent" { ("[\"east\"]", "logistics") } else { ("[\"west\"]", "ground") };
        assert_eq!((sectors.as_str(), properties["component"].as_str().unwrap()), expected, "{line}");
        silences += u32::from(class == "sensor.silent");
    }
    assert!(silences > 0);
}
