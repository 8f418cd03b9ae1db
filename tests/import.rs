//! Published formats become the contract's, with made-up rows in each publisher's form.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use truceline::import::{Format, ImportError, ImportOptions, ImportSummary, run};

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Imports with the format left to be told; the observations, the nodes by name, and the summary.
fn import(files: &[PathBuf], options: &ImportOptions, out: &Path) -> (Vec<Value>, Value, ImportSummary) {
    let summary = run(None, files, out, options).unwrap();
    let sensors = std::fs::read_to_string(out.join("sensors.geojson")).unwrap();
    (lines(&out.join("telemetry.ndjson")), serde_json::from_str(&sensors).unwrap(), summary)
}

fn skipped(summary: &ImportSummary) -> Vec<(&str, u64)> {
    summary.skipped.iter().map(|(reason, count)| (*reason, *count)).collect()
}

#[test]
fn ships_come_sorted_by_time_and_what_is_not_available_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(
        directory.path(),
        "ships.csv",
        "Time,MMSI,Latitude_degrees,Longitude_degrees,COG_degrees,SOG_knots\n\
         2020-05-01 10:00:02.5,200000002,50.5,-1.5,360.0,102.3\n\
         2020-05-01 10:00:01,200000001,50.25,-1.25,90.5,10\n\
         2020-05-01 10:00:01,200000001,50.25,-1.25,90.5,10\n\
         yesterday,200000001,50.25,-1.25,90.5,10\n\
         2020-05-01 10:00:03,ferry,50.25,-1.25,90.5,10\n\
         2020-05-01 10:00:03,200000001,91.0,181.0,90.5,10\n\
         2020-05-01 10:00:04,200000001,50.25,-1.25,east,10\n\
         2020-05-01 10:00:05\n",
    );
    let out = directory.path().join("out");
    let (lines, sensors, summary) = import(&[file], &ImportOptions::default(), &out);
    assert_eq!(summary.format, Format::Ais);
    assert_eq!((summary.read, summary.written, summary.of_unknown_nodes), (8, 2, 0));
    assert_eq!(
        skipped(&summary),
        [
            ("bad identity", 1),
            ("bad position", 1),
            ("bad time", 1),
            ("missing field", 1),
            ("not a number", 1),
            ("repeated", 1)
        ]
    );
    assert!(summary.examples[1].starts_with("ships.csv line 5: time held 'yesterday'"), "{:?}", summary.examples);
    assert_eq!(
        lines[0],
        json!({"id": "200000001-1588327201000", "node": "ais", "kind": "track", "time": "2020-05-01T10:00:01Z",
            "track": "200000001", "domain": "sea", "speed_m_s": 10.0 * 1852.0 / 3600.0, "course_deg": 90.5,
            "identity": "200000001", "object_lon": -1.25, "object_lat": 50.25})
    );
    assert_eq!(lines[1]["time"], "2020-05-01T10:00:02.500Z");
    assert!(lines[1].get("speed_m_s").is_none() && lines[1].get("course_deg").is_none());
    assert_eq!(
        sensors["features"][0],
        json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [-1.375, 50.375]},
            "properties": {"node": "ais", "kinds": ["track"]}})
    );
    assert!(summary.to_string().contains("8 rows read, 2 observations written"));
}

#[test]
fn ships_in_other_services_columns() {
    let directory = tempfile::tempdir().unwrap();
    let us = "MMSI,BaseDateTime,LAT,LON,SOG,COG\n367000001,2020-05-01T10:00:00,29.5,-90.5,1.0,2.0\n";
    let danish = "# Timestamp,Type of mobile,MMSI,Latitude,Longitude,SOG,COG\n\
                  01/05/2020 10:00:01,Class A,219000001,55.5,12.5,1.0,2.0\n";
    let files = [write(directory.path(), "us.csv", us), write(directory.path(), "dk.csv", danish)];
    let (lines, _, summary) = import(&files, &ImportOptions::default(), &directory.path().join("out"));
    assert_eq!(summary.written, 2);
    assert_eq!(lines[0]["object_lon"], -90.5);
    assert_eq!(lines[1]["time"], "2020-05-01T10:00:01Z");
}

#[test]
fn an_aircraft_is_seen_when_its_position_was_new() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(
        directory.path(),
        "states.csv",
        "time,icao24,lat,lon,velocity,heading,onground,baroaltitude,geoaltitude,lastposupdate\n\
         1600000010,aaaaaa,51.5,-0.5,200.5,359.5,False,1000.0,1100.5,1600000008.996\n\
         1600000020,aaaaaa,51.5,-0.5,200.5,359.5,False,1000.0,1100.5,1600000008.996\n\
         1600000020,bbbbbb,51.5,-0.5,,,True,300.0,,1600000007\n\
         1600000020,cccccc,,,,,False,,,\n",
    );
    let (lines, _, summary) = import(&[file], &ImportOptions::default(), &directory.path().join("out"));
    assert_eq!(summary.format, Format::OpenSky);
    assert_eq!(skipped(&summary), [("missing field", 1), ("repeated", 1)]);
    assert_eq!((&lines[0]["domain"], &lines[0]["object_alt_m"]), (&json!("ground"), &json!(300.0)));
    assert_eq!((&lines[1]["time"], &lines[1]["object_alt_m"]), (&json!("2020-09-13T12:26:48.996Z"), &json!(1100.5)));
}

#[test]
fn picks_take_their_day_from_the_directory_or_the_option() {
    let directory = tempfile::tempdir().unwrap();
    let stations = write(directory.path(), "stations.dat", "13.5 42.5 XX AAA EHZ 0.464\n12.5 42.25 XX BBB HHZ 1.0\n");
    write(directory.path(), "20200229/XX.AAA.P.txt", "11.64 10.0 0.17\n86400.5 3 0\n\n3600.000000001 4.0 0.1\n");
    write(directory.path(), "20200229/XX.AAA.S.txt", "12.5\nsoon 1 1\n");
    write(directory.path(), "20200229/XX.CCC.P.txt", "1.5 2 3\n");
    let files = [stations, directory.path().join("20200229")];
    let out = directory.path().join("out");
    let (lines, sensors, summary) = import(&files, &ImportOptions::default(), &out);
    assert_eq!(summary.format, Format::Picks);
    assert_eq!((summary.read, summary.written, summary.of_unknown_nodes, summary.nodes), (6, 4, 1, 2));
    assert_eq!(skipped(&summary), [("bad time", 2)]);
    assert_eq!(
        lines[1],
        json!({"id": "P-2020-02-29-1", "node": "XX.AAA", "kind": "seismic", "time": "2020-02-29T00:00:11.640Z",
            "time_sd_s": 0.15, "phase": "P", "snr_db": 20.0})
    );
    assert_eq!((&lines[2]["phase"], &lines[2]["time_sd_s"]), (&json!("S"), &json!(0.25)));
    assert_eq!(lines[3]["time"], "2020-02-29T01:00:00.000000001Z");
    assert_eq!(sensors["features"][0]["geometry"]["coordinates"], json!([13.5, 42.5, 464.0]));

    let moved = ImportOptions { date: Some("2021-03-01".into()), ..Default::default() };
    let (lines, _, _) = import(&files, &moved, &out);
    assert_eq!(lines[0]["time"], "2021-03-01T00:00:01.500Z");
    let wrong = ImportOptions { date: Some("March".into()), ..Default::default() };
    let refused = run(None, &files, &out, &wrong).unwrap_err();
    assert!(refused.to_string().starts_with("--date held March; expected"), "{refused}");
    assert!(matches!(run(None, &files[1..], &out, &moved), Err(ImportError::NoStations { .. })));
}

#[test]
fn picks_of_glass_leave_the_phase_open_and_keep_unlisted_stations() {
    let directory = tempfile::tempdir().unwrap();
    let stations = write(
        directory.path(),
        "stations.json",
        r#"{"StationList":[{"Elevation":9.5,"Latitude":27.5,"Longitude":-80.5,
            "Site":{"Channel":"BHZ","Network":"N4","Station":"A1"},"Type":"StationInfo"}]}"#,
    );
    let picks = write(
        directory.path(),
        "picks.json",
        concat!(
            r#"{"Site":{"Station":"A1","Network":"N4","Channel":"HHZ"},"Amplitude":{"SNR":10.0,"Period":0.25},"#,
            r#""Type":"Pick","Phase":"P","Time":"2020-01-06T04:56:34.730Z","ID":"17_1"}"#,
            "\n",
            r#"{"Site":{"Station":"ZZ","Network":"N4"},"Type":"Pick","Time":"2020-01-06T04:56:33.730Z","ID":"17_2"}"#,
            "\nnot a pick\n",
        ),
    );
    let files = [stations, picks];
    let (lines, _, summary) = import(&files, &ImportOptions::default(), &directory.path().join("out"));
    assert_eq!(summary.format, Format::Glass);
    assert_eq!((summary.read, summary.written, summary.of_unknown_nodes), (3, 2, 1));
    assert_eq!(skipped(&summary), [("not a pick", 1)]);
    assert_eq!(
        lines[1],
        json!({"id": "17_1", "node": "N4.A1", "kind": "seismic", "time": "2020-01-06T04:56:34.730Z",
            "time_sd_s": 0.75, "snr_db": 20.0})
    );
}

#[test]
fn radio_arrivals_come_with_the_truth_and_without_their_emitter() {
    let directory = tempfile::tempdir().unwrap();
    let receivers = write(
        directory.path(),
        "sensors.csv",
        "serial,latitude,longitude,height,type,good\n1,48.0,9.0,500.0,Radarcape,TRUE\n2,48.0,9.5,400.0,GRX1090,TRUE\n\
         3,0,0,0,SBS-3,FALSE\n",
    );
    // The aircraft is 10 km above receiver 1: 10,000 m take 33,366 ns in air.
    let messages = write(
        directory.path(),
        "set.csv",
        "id,timeAtServer,aircraft,latitude,longitude,baroAltitude,geoAltitude,numMeasurements,measurements\n\
         40,7.6,766,48.0,9.0,10000,10500,1,\"[[1,8000033366,49]]\"\n\
         41,7.6,766,48.0,9.0,10000,10500,1,\"[[1,8000043366,49],[2,8000143366]]\"\n\
         42,7.6,766,48.0,9.0,10000,10500,1,\"soon\"\n",
    );
    let files = [receivers, messages];
    let out = directory.path().join("out");
    let (observations, sensors, summary) = import(&files, &ImportOptions::default(), &out);
    assert_eq!(summary.format, Format::LocaRds);
    assert_eq!((summary.written, summary.nodes, summary.events), (3, 2, 2));
    assert_eq!(skipped(&summary), [("bad measurements", 1), ("receiver without a place", 1)]);
    assert_eq!(
        observations[0],
        json!({"id": "set-40-1", "node": "r1", "kind": "radio", "time": "2020-01-01T00:00:08.000033366Z",
            "time_sd_s": 2e-7, "frequency_hz": 1.09e9})
    );
    assert_eq!(sensors["features"][0]["geometry"]["coordinates"], json!([9.0, 48.0, 500.0]));
    let truth = lines(&out.join("truth.ndjson"));
    assert_eq!(truth[0]["time"], "2020-01-01T00:00:08Z");
    assert_eq!(truth[1]["evidence"], json!(["set-41-1", "set-41-2"]));

    let labelled = ImportOptions { label_emitters: true, start: Some("2021-01-01T00:00:00Z".into()), date: None };
    let (observations, _, _) = import(&files, &labelled, &out);
    assert_eq!(
        (&observations[0]["emitter"], &observations[0]["time"]),
        (&json!("766"), &json!("2021-01-01T00:00:08.000033366Z"))
    );
}

#[test]
fn hot_spots_with_their_minute_or_with_their_day_only() {
    let directory = tempfile::tempdir().unwrap();
    let full = write(
        directory.path(),
        "viirs.csv",
        "latitude,longitude,bright_ti4,scan,track,acq_date,acq_time,satellite,instrument,confidence,frp\n\
         48.5,37.5,330.1,0.5,0.4,2022-03-01,0105,N,VIIRS,n,12.5\n\
         48.5,37.5,330.1,0.5,0.4,2022-03-01,2560,N,VIIRS,n,12.5\n",
    );
    let short =
        write(directory.path(), "days.csv", "LATITUDE,LONGITUDE,ACQ_DATE\n48.25,37.25,2022-03-01\n48,37,today\n");
    let (lines, _, summary) = import(&[full, short], &ImportOptions::default(), &directory.path().join("out"));
    assert_eq!(summary.format, Format::Firms);
    assert_eq!(skipped(&summary), [("bad time", 2)]);
    assert_eq!(
        lines[0],
        json!({"id": "viirs-2", "node": "firms", "kind": "thermal", "time": "2022-03-01T01:05:00Z", "time_sd_s": 60.0,
            "object_lon": 37.5, "object_lat": 48.5, "object_sd_m": 500.0 / 12f64.sqrt(), "pixel_m": 500.0,
            "frp_mw": 12.5, "confidence": 0.55})
    );
    assert_eq!((&lines[1]["time"], &lines[1]["time_sd_s"]), (&json!("2022-03-01T12:00:00Z"), &json!(24_941.5)));
}

#[test]
fn catalogues_become_the_truth() {
    let directory = tempfile::tempdir().unwrap();
    let table = write(directory.path(), "events.csv", "ID,Lat,Lon,Dep,OT,RMS\nus1,43.5,-108.5,12.7,1483679181,0.68\n");
    let summary_lines = "   DATE     TIME  SEC     LAT      LON     DEPTH\n\
                         2016/10/14 00:01 49.93  42.5   13.25   6.59  27\nnothing of the kind\n";
    let fixed = write(directory.path(), "located.sum", summary_lines);
    let out = directory.path().join("out");
    let summary = run(None, &[table, fixed], &out, &ImportOptions::default()).unwrap();
    assert_eq!((summary.events, summary.written), (2, 0));
    assert_eq!(skipped(&summary), [("not an event", 1)]);
    let truth = lines(&out.join("truth.ndjson"));
    assert_eq!((&truth[0]["time"], &truth[0]["lon"]), (&json!("2016-10-14T00:01:49.930Z"), &json!(13.25)));
    assert_eq!((&truth[1]["event"], &truth[1]["time"]), (&json!("us1"), &json!("2017-01-06T05:06:21Z")));
    assert!(!out.join("telemetry.ndjson").exists());
}

#[test]
fn what_is_of_no_format_is_refused_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let refused = |format, text: &str| {
        let file = write(directory.path(), "some.csv", text);
        run(format, &[file], &out, &ImportOptions::default()).unwrap_err().to_string()
    };
    assert!(refused(None, "a,b\n1,2\n").contains("shows none of the known formats (ais, opensky"));
    let message = refused(Some(Format::Ais), "Time,MMSI,lat\n");
    assert!(
        message.contains("no column longitude_degrees or lon or longitude; the columns are time, mmsi, lat"),
        "{message}"
    );
    let message = refused(Some(Format::Glass), "{\"StationList\":[\n{}]}");
    assert!(message.contains("line 2"), "{message}");
    assert!(matches!(run(None, &[], &out, &ImportOptions::default()), Err(ImportError::NoInput)));
    let missing = [directory.path().join("none.csv")];
    assert!(matches!(run(None, &missing, &out, &ImportOptions::default()), Err(ImportError::Io { .. })));
}
