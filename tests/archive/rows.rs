//! What a row holds when it is read back.

use crate::{START_NS, add_acoustic, arrival, common, origin, parquet_files, read, registry, topics};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use truceline::archive::{Archive, ArchiveSettings, ReadFrom, Table, verify};
use truceline::model::alert::{Alert, AlertFeature, Class, Evidence, Status, Term};
use truceline::model::geo::{Ellipse, LonLat};
use truceline::model::kind::{Activity, Domain, Hint, Kind, Phase};
use truceline::model::observation::{Arrival, Common, Observations, Plot, Radar, RadarPoint, Report, Span};
use truceline::model::time::Timestamp;

#[test]
fn what_goes_in_comes_out_with_its_types_and_absent_values_are_null() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(directory.path(), ArchiveSettings::default()).unwrap();
    let mut batch = Observations::default();
    add_acoustic(&mut batch, origin(0, 3, 7, 0), START_NS + 1);

    let detail = batch.arrivals.push(Arrival { phase: Some(Phase::S), snr_db: 9.5, ..arrival(2e-6) });
    let row = common(origin(0, 3, 8, 0), Kind::Seismic, START_NS + 2, detail, &mut batch);
    batch.push(Common { time_sd_s: 0.25, ..row });

    let impact = RadarPoint { lon_deg: 37.5, lat_deg: 48.1, time_ns: Some(START_NS), ..RadarPoint::ABSENT };
    let detail = batch.radars.push(Radar { origin: RadarPoint::ABSENT, impact, projectile: Span::default() });
    let row = common(origin(0, 3, 9, 0), Kind::Radar, START_NS + 3, detail, &mut batch);
    batch.push(row);

    let (track, identity) = (batch.store("T1".as_bytes()), batch.store("235070762".as_bytes()));
    let detail = batch.tracks.push(Plot {
        track,
        domain: Domain::Sea,
        speed_m_s: 5.5,
        course_deg: f64::NAN,
        object_class: Span::default(),
        identity,
        object_lon_deg: -1.25,
        object_lat_deg: 50.5,
        object_alt_m: f64::NAN,
        object_sd_m: f64::NAN,
    });
    let row = common(origin(0, 3, 10, 0), Kind::Track, START_NS + 4, detail, &mut batch);
    batch.push(Common { lon_deg: -1.5, lat_deg: 50.75, ..row });

    let text = batch.store("два вибухи".as_bytes());
    let detail = batch.patrols.push(Report {
        activity: Activity::Heard,
        hint: Hint::Explosion,
        count: 2.0,
        count_is_minimum: true,
        azimuth_deg: 270.0,
        azimuth_sd_deg: f64::NAN,
        distance_m: f64::NAN,
        distance_sd_m: f64::NAN,
        duration_s: f64::NAN,
        text,
        object_class: Span::default(),
        object_lon_deg: f64::NAN,
        object_lat_deg: f64::NAN,
        by: Span::default(),
        reason: Span::default(),
    });
    let row = common(origin(1, 0, 4, 2), Kind::Patrol, START_NS + 5, detail, &mut batch);
    batch.push(row);

    archive.telemetry(&batch, &registry(), &topics()).unwrap();
    archive.roll().unwrap();

    let rows = read(directory.path(), Table::Telemetry);
    assert_eq!(rows.len(), 1);
    let rows = &rows[0];
    assert_eq!(rows.num_rows(), 5);
    let text = |name: &str, row: usize| {
        let column = rows[name].as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let float = |name: &str, row: usize| {
        let column = rows[name].as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let times = rows["time"].as_primitive::<TimestampNanosecondType>();
    assert_eq!(times.values(), &[1, 2, 3, 4, 5].map(|ns| START_NS + ns));
    assert_eq!(text("kind", 0).as_deref(), Some("acoustic"));
    assert_eq!(text("node", 0).as_deref(), Some("mic-2"));
    assert_eq!(text("id", 4).as_deref(), Some("4-2"));
    assert_eq!(text("topic", 4).as_deref(), Some("telemetry.patrols"));
    assert_eq!(text("raw", 0).as_deref(), Some("{\"id\":\"7-0\"}"));
    assert_eq!((float("amplitude_pa", 0), float("amplitude_m_s", 0)), (Some(7.0), None));
    assert_eq!((float("amplitude_pa", 1), float("amplitude_m_s", 1)), (None, Some(2e-6)));
    assert_eq!((float("time_sd_s", 0), float("time_sd_s", 1)), (None, Some(0.25)));
    assert_eq!((text("phase", 0), text("phase", 1).as_deref()), (None, Some("S")));
    assert_eq!(text("class", 0), None);
    assert_eq!(text("class", 4).as_deref(), Some("explosion"));
    assert_eq!((float("impact_lon", 2), float("origin_lon", 2)), (Some(37.5), None));
    assert!(rows["origin_time"].is_null(2) && rows["impact_time"].is_valid(2));
    assert_eq!((float("object_lon", 3), float("lon", 3), float("course_deg", 3)), (Some(-1.25), Some(-1.5), None));
    assert_eq!(rows["count"].as_primitive::<Int64Type>().value(4), 2);
    assert_eq!(text("text", 4).as_deref(), Some("два вибухи"));
    assert!(rows["count"].is_null(0) && rows["withdrawn"].is_null(0));
    assert!(verify(directory.path()).unwrap().is_whole());
}

fn alert() -> AlertFeature {
    let evidence = |offset, residual_s| Evidence {
        topic: "telemetry.sensors".into(),
        partition: 0,
        offset,
        line: 0,
        id: format!("i{offset}"),
        node: "mic-1".into(),
        kind: Kind::Acoustic,
        residual_s,
        residual_deg: None,
    };
    let properties = Alert {
        alert: "a-1".into(),
        revision: 2,
        status: Status::Revised,
        class: Class::FireImpact,
        time: Timestamp(START_NS),
        time_sd_s: 0.05,
        ellipse: Some(Ellipse { semi_major_m: 40.0, semi_minor_m: 20.0, orientation_deg: 15.0 }),
        count: 1,
        count_is_minimum: false,
        probability: 0.97,
        term: Term::Confirmed,
        severity: 4,
        areas: vec!["dz-1".into(), "dz-2".into()],
        within: vec![],
        sectors: vec!["north".into()],
        component: None,
        from: None,
        to: None,
        violation: true,
        notice: None,
        exceeds: None,
        sign: None,
        evidence: vec![evidence(5, Some(0.01)), evidence(6, None)],
        silent: vec!["mic-2".into()],
        superseded_by: None,
        near: Vec::new(),
        crosses: Vec::new(),
        follows: Vec::new(),
        coverage_lost_km2: None,
        emitter: None,
        direction_of_fire_deg: None,
        attribution: "undetermined".into(),
        review: None,
        panel: None,
        software: "truceline".into(),
        config_digest: "c".into(),
        evidence_digest: "e".into(),
        latency: None,
    };
    AlertFeature::new(LonLat { lon_deg: 37.5, lat_deg: 48.25 }, properties)
}

#[test]
fn an_alert_is_flat_has_a_geometry_and_keeps_its_message() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(directory.path(), ArchiveSettings::default()).unwrap();
    let from = ReadFrom { topic: "alerts.violations".into(), partition: 1, offset: 40 };
    archive.alert(&alert(), "{as sent}", Some(&from)).unwrap();
    archive.alert(&alert(), "{made here}", None).unwrap();
    archive.roll().unwrap();
    assert_eq!(archive.covered("alerts.violations", 1), Some(41));

    let rows = &read(directory.path(), Table::Alerts)[0];
    assert_eq!(rows.num_rows(), 2);
    assert_eq!(rows["class"].as_string::<i32>().value(0), "fire.impact");
    assert_eq!(rows["areas"].as_list::<i32>().value(0).as_string::<i32>().value(1), "dz-2");
    assert_eq!(rows["within"].as_list::<i32>().value(0).len(), 0);
    let evidence = rows["evidence"].as_list::<i32>().value(0);
    let evidence = evidence.as_struct();
    assert_eq!(evidence.column_by_name("offset").unwrap().as_primitive::<Int64Type>().values(), &[5, 6]);
    assert!(evidence.column_by_name("residual_s").unwrap().is_null(1));
    assert_eq!(rows["raw"].as_string::<i32>().value(0), "{as sent}");
    assert_eq!(rows["offset"].as_primitive::<Int64Type>().value(0), 40);
    assert!(rows["topic"].is_null(1) && rows["review_at"].is_null(0) && rows["component"].is_null(0));
    let mut point = vec![1, 1, 0, 0, 0];
    point.extend(37.5f64.to_le_bytes());
    point.extend(48.25f64.to_le_bytes());
    assert_eq!(rows["geometry"].as_binary::<i32>().value(0), point);
    let bbox = rows["bbox"].as_struct();
    assert_eq!(bbox.column_by_name("ymax").unwrap().as_primitive::<Float64Type>().value(0), 48.25);

    let file = File::open(&parquet_files(directory.path(), Table::Alerts)[0]).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| metadata.iter().find(|it| it.key == key).and_then(|it| it.value.clone()).unwrap();
    let geo: serde_json::Value = serde_json::from_str(&value("geo")).unwrap();
    assert_eq!(geo["columns"]["geometry"]["covering"]["bbox"]["xmin"][1], "xmin");
    assert_eq!(value("truceline.offsets"), r#"[{"topic":"alerts.violations","partition":1,"first":40,"next":41}]"#);
    assert!(verify(directory.path()).unwrap().is_whole());
}
