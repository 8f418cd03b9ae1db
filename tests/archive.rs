//! The archive as a whole: what goes in is there once, whatever happens on the way.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use truceline::archive::{Archive, ArchiveError, ArchiveSettings, ReadFrom, RejectedLine, Table, verify};
use truceline::model::alert::{Alert, AlertFeature, Class, Evidence, Status, Term};
use truceline::model::geo::{Ellipse, LonLat};
use truceline::model::kind::{Activity, Domain, Hint, Kind, Phase};
use truceline::model::node::{Node, NodeIx, Registry};
use truceline::model::observation::{
    Arrival, Common, Observations, Origin, Plot, Radar, RadarPoint, Report, Span, duplicate_key,
};
use truceline::model::reject::Reason;
use truceline::model::time::{NS_PER_S, Timestamp};

const DAY_NS: i64 = 86_400 * NS_PER_S;
const START_NS: i64 = 1_750_000_000 * NS_PER_S;

fn topics() -> Vec<String> {
    vec!["telemetry.sensors".to_owned(), "telemetry.patrols".to_owned()]
}

fn registry() -> Registry {
    Registry::new([Node::unregistered("mic-1"), Node::unregistered("mic-2")])
}

fn common(origin: Origin, kind: Kind, time_ns: i64, detail: u32, batch: &mut Observations) -> Common {
    let text = format!("{}-{}", origin.offset, origin.line);
    let raw = format!("{{\"id\":\"{text}\"}}");
    let node = NodeIx((origin.offset % 2) as u32);
    Common {
        origin,
        kind,
        node,
        id: batch.store(text.as_bytes()),
        key: duplicate_key(node, text.as_bytes()),
        time_ns,
        time_sd_s: f64::NAN,
        lon_deg: f64::NAN,
        lat_deg: f64::NAN,
        alt_m: f64::NAN,
        supersedes: Span::default(),
        withdrawn: false,
        raw: batch.store(raw.as_bytes()),
        detail,
    }
}

fn arrival(amplitude: f64) -> Arrival {
    Arrival {
        amplitude,
        snr_db: f64::NAN,
        azimuth_deg: f64::NAN,
        azimuth_sd_deg: f64::NAN,
        hint: Hint::Unknown,
        phase: None,
        trace_velocity_m_s: f64::NAN,
        frequency_hz: f64::NAN,
        power_dbm: f64::NAN,
        emitter: Span::default(),
        elevation_deg: f64::NAN,
        intensity: f64::NAN,
    }
}

fn add_acoustic(batch: &mut Observations, origin: Origin, time_ns: i64) {
    let detail = batch.arrivals.push(arrival(origin.offset as f64));
    let row = common(origin, Kind::Acoustic, time_ns, detail, batch);
    batch.push(row);
}

fn origin(topic: u16, partition: i32, offset: i64, line: u32) -> Origin {
    Origin { topic, partition, offset, line }
}

/// Every Parquet file below a table's directory, as a reader's glob would find them.
fn parquet_files(root: &Path, table: Table) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root.join(table.as_str())];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "parquet") {
                found.push(path);
            }
        }
    }
    found
}

fn read(root: &Path, table: Table) -> Vec<RecordBatch> {
    let open = |path: PathBuf| ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    parquet_files(root, table).into_iter().flat_map(|path| open(path).build().unwrap().map(Result::unwrap)).collect()
}

/// How often each (topic, partition, offset, line) stands in the table.
fn places(root: &Path, table: Table) -> BTreeMap<(String, i32, i64, i32), usize> {
    let mut places = BTreeMap::new();
    for batch in read(root, table) {
        let topics = batch["topic"].as_string::<i32>();
        let partitions = batch["partition"].as_primitive::<Int32Type>();
        let offsets = batch["offset"].as_primitive::<Int64Type>();
        let lines = batch["line"].as_primitive::<Int32Type>();
        for row in 0..batch.num_rows() {
            let place = (topics.value(row).to_owned(), partitions.value(row), offsets.value(row), lines.value(row));
            *places.entry(place).or_default() += 1;
        }
    }
    places
}

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
        evidence: vec![evidence(5, Some(0.01)), evidence(6, None)],
        silent: vec!["mic-2".into()],
        direction_of_fire_deg: None,
        attribution: "undetermined".into(),
        review: None,
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

#[test]
fn a_record_of_which_some_lines_are_bad_is_covered_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(directory.path(), ArchiveSettings::default()).unwrap();
    let mut batch = Observations::default();
    add_acoustic(&mut batch, origin(0, 0, 5, 0), START_NS);
    add_acoustic(&mut batch, origin(0, 0, 5, 2), START_NS);
    let bad = RejectedLine {
        topic: "telemetry.sensors",
        partition: 0,
        offset: 5,
        line: 1,
        reason: Reason::NotJson,
        message: "not an object",
        raw: b"\xff\x00",
    };
    for _ in 0..2 {
        archive.telemetry(&batch, &registry(), &topics()).unwrap();
        archive.rejected(&bad).unwrap();
        archive.progress("telemetry.sensors", 0, 9);
    }
    assert_eq!(archive.counts().known, 3, "what was closed is passed over when it comes again");
    archive.roll().unwrap();
    archive.telemetry(&batch, &registry(), &topics()).unwrap();
    archive.roll().unwrap();
    assert_eq!(archive.covered("telemetry.sensors", 0), Some(9), "offsets without rows count as well");
    assert_eq!(places(directory.path(), Table::Telemetry).len(), 2);
    assert_eq!(places(directory.path(), Table::Rejected).len(), 1);
    assert_eq!(read(directory.path(), Table::Rejected)[0]["raw"].as_binary::<i32>().value(0), b"\xff\x00");
    let report = verify(directory.path()).unwrap();
    assert!(report.is_whole() && report.commits == 1, "{report:?}");
}

#[test]
fn a_commit_is_due_by_rows_and_by_event_time_but_a_late_row_is_no_reason() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ArchiveSettings { max_rows: 10, max_age_s: 60.0, ..Default::default() };
    let mut archive = Archive::open(directory.path(), settings).unwrap();
    let mut next = 0;
    let mut add = |archive: &mut Archive, seconds: i64| {
        let mut batch = Observations::default();
        add_acoustic(&mut batch, origin(0, 0, next, 0), START_NS + seconds * NS_PER_S);
        next += 1;
        archive.telemetry(&batch, &registry(), &topics()).unwrap();
        archive.roll_if_due().unwrap()
    };
    assert!(!add(&mut archive, 0));
    assert!(!add(&mut archive, -20_000));
    assert!(!add(&mut archive, 59));
    assert!(add(&mut archive, 60));
    for _ in 0..9 {
        assert!(!add(&mut archive, 61));
    }
    assert!(add(&mut archive, 61));
    assert_eq!(archive.counts().commits, 2);
}

#[test]
fn many_dates_in_a_jumble_keep_few_files_open() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ArchiveSettings { max_open_files: 2, ..Default::default() };
    let mut archive = Archive::open(directory.path(), settings).unwrap();
    let mut batch = Observations::default();
    for offset in 0..40 {
        add_acoustic(&mut batch, origin(0, 0, offset, 0), START_NS + offset % 4 * DAY_NS);
    }
    archive.telemetry(&batch, &registry(), &topics()).unwrap();
    let open = std::process::Command::new("sh")
        .args(["-c", &format!("find '{}' -name '*.tmp' | wc -l", directory.path().display())])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&open.stdout).trim(), "2");
    archive.roll().unwrap();
    assert_eq!(places(directory.path(), Table::Telemetry).len(), 40);
    assert!(verify(directory.path()).unwrap().is_whole());
}

#[test]
fn the_disk_fills_up_and_is_emptied_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(directory.path(), ArchiveSettings::default()).unwrap();
    let mut batch = Observations::default();
    for offset in 0..100 {
        add_acoustic(&mut batch, origin(0, 0, offset, 0), START_NS);
    }
    archive.telemetry(&batch, &registry(), &topics()).unwrap();
    archive.roll().unwrap();

    // The next file's temporary name leads to a device that is always full.
    let dates = directory.path().join("telemetry");
    let date = std::fs::read_dir(&dates).unwrap().next().unwrap().unwrap().path();
    let full = date.join("0000000002-w0-000.parquet.tmp");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    batch.clear();
    for offset in 100..200 {
        add_acoustic(&mut batch, origin(0, 0, offset, 0), START_NS);
    }
    let failed = archive.telemetry(&batch, &registry(), &topics()).and_then(|()| archive.roll()).unwrap_err();
    let ArchiveError::Io { path, source, .. } = &failed else { panic!("{failed}") };
    assert_eq!((path, source.kind()), (&full, std::io::ErrorKind::StorageFull));
    assert!(matches!(archive.telemetry(&batch, &registry(), &topics()), Err(ArchiveError::Interrupted)));
    assert!(matches!(archive.roll(), Err(ArchiveError::Interrupted)));

    // Abandoning the commit removed the link, so there is space again.
    let durable = archive.resume().unwrap();
    assert_eq!((durable.len(), durable[0].next), (1, 100));
    archive.telemetry(&batch, &registry(), &topics()).unwrap();
    archive.roll().unwrap();
    let places = places(directory.path(), Table::Telemetry);
    assert!(places.len() == 200 && places.values().all(|&times| times == 1));
    assert!(verify(directory.path()).unwrap().is_whole());
}

#[test]
fn two_processes_of_one_name_are_told_apart_and_of_two_names_share() {
    let directory = tempfile::tempdir().unwrap();
    let named = |writer: &str| ArchiveSettings { writer: writer.into(), ..Default::default() };
    let mut one = Archive::open(directory.path(), named("one")).unwrap();
    assert!(matches!(Archive::open(directory.path(), named("one")), Err(ArchiveError::Locked { .. })));
    let mut two = Archive::open(directory.path(), named("two")).unwrap();
    let row = |archive: &mut Archive, partition, offset| {
        let mut batch = Observations::default();
        add_acoustic(&mut batch, origin(0, partition, offset, 0), START_NS);
        archive.telemetry(&batch, &registry(), &topics()).unwrap();
    };
    row(&mut one, 0, 0);
    row(&mut two, 1, 0);
    one.roll().unwrap();
    two.roll().unwrap();
    // Partition 0 moves to the second writer; the first does not know yet and comes too late.
    two.resume().unwrap();
    row(&mut two, 0, 1);
    two.roll().unwrap();
    row(&mut one, 0, 1);
    assert!(matches!(one.roll(), Err(ArchiveError::Overtaken { next: 2, .. })));
    one.resume().unwrap();
    row(&mut one, 0, 1);
    one.roll().unwrap();
    let places = places(directory.path(), Table::Telemetry);
    assert!(places.len() == 3 && places.values().all(|&times| times == 1), "{places:?}");
    let report = verify(directory.path()).unwrap();
    assert!(report.is_whole() && report.commits == 3, "{report:?}");
}

#[test]
fn verify_names_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(directory.path(), ArchiveSettings::default()).unwrap();
    for commit in 0..4 {
        let mut batch = Observations::default();
        add_acoustic(&mut batch, origin(0, 0, commit, 0), START_NS);
        archive.telemetry(&batch, &registry(), &topics()).unwrap();
        archive.roll().unwrap();
    }
    let mut files = parquet_files(directory.path(), Table::Telemetry);
    files.sort();
    std::fs::remove_file(directory.path().join("_commits/0000000002.json")).unwrap();
    std::fs::remove_file(&files[2]).unwrap();
    let mut bytes = std::fs::read(&files[3]).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&files[3], bytes).unwrap();
    let report = verify(directory.path()).unwrap();
    let faults = report.faults.join("\n");
    assert!(faults.contains("commits 2 to 2 are missing"), "{faults}");
    assert!(faults.contains("a gap"), "{faults}");
    assert!(faults.contains("0000000003-w0-000.parquet"), "{faults}");
    assert!(faults.contains("0000000004-w0-000.parquet"), "{faults}");
    assert_eq!(report.unlisted.len(), 1, "the file of the lost commit");
    assert_eq!(report.fault_count, 4, "{faults}");
}

/// What happens to a writer.
#[derive(Clone, Debug)]
enum Step {
    /// Reads so many records of that partition, some of two lines, of so many dates.
    Read { partition: i32, records: i64, dates: i64 },
    /// Commits.
    Roll,
    /// Ends without warning.
    Crash(Crash),
}

/// At which point of a commit the writer ends. What stands on disk is all that a new process sees, so each is made
/// by taking the later effects of a whole commit back.
#[derive(Clone, Copy, Debug)]
enum Crash {
    /// Before it began: temporary files.
    BeforeCommit,
    /// Some files have their names, others not.
    AmongRenames,
    /// All files have their names; the manifest is half written.
    InManifest,
    /// Just before the manifest got its name.
    BeforeLink,
    /// Just after.
    AfterLink,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let crash = prop_oneof![
        Just(Crash::BeforeCommit),
        Just(Crash::AmongRenames),
        Just(Crash::InManifest),
        Just(Crash::BeforeLink),
        Just(Crash::AfterLink)
    ];
    let step = prop_oneof![
        5 => (0..3, 1i64..40, 1i64..4).prop_map(|(partition, records, dates)| Step::Read { partition, records, dates }),
        2 => Just(Step::Roll),
        2 => crash.prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 1..25)
}

fn newest_manifest(root: &Path) -> Option<PathBuf> {
    let mut manifests: Vec<PathBuf> = std::fs::read_dir(root.join("_commits"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    manifests.sort();
    manifests.pop()
}

fn crash(mut archive: Archive, how: Crash) {
    let root = archive.root().to_owned();
    if matches!(how, Crash::BeforeCommit) {
        return drop(archive);
    }
    let commits = archive.counts().commits;
    archive.roll().unwrap();
    let made_one = archive.counts().commits > commits;
    drop(archive);
    if !made_one || matches!(how, Crash::AfterLink) {
        return;
    }
    let manifest = newest_manifest(&root).unwrap();
    let text = std::fs::read(&manifest).unwrap();
    let temporary = root.join("_commits/w0.json.tmp");
    match how {
        Crash::BeforeLink => std::fs::write(temporary, &text).unwrap(),
        Crash::InManifest => std::fs::write(temporary, &text[..text.len() / 2]).unwrap(),
        _ => {
            let listed: serde_json::Value = serde_json::from_slice(&text).unwrap();
            for (at, file) in listed["files"].as_array().unwrap().iter().enumerate() {
                let path = root.join(file["path"].as_str().unwrap());
                if at % 2 == 0 {
                    let bytes = std::fs::read(&path).unwrap();
                    std::fs::write(path.with_extension("parquet.tmp"), &bytes[..bytes.len() / 2]).unwrap();
                    std::fs::remove_file(&path).unwrap();
                }
            }
        }
    }
    std::fs::remove_file(manifest).unwrap();
}

/// A directory in memory where there is one: thousands of commits are not a test of the disk's patience.
fn directory_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn after_any_crashes_every_row_is_there_once(steps in steps()) {
        let directory = directory_in_memory();
        let settings = ArchiveSettings { max_open_files: 2, row_group_rows: 64, ..Default::default() };
        let open = || Archive::open(directory.path(), settings.clone()).unwrap();
        let (registry, topics) = (registry(), topics());
        // The log to be archived: record n of a partition has one or two lines, and every third a bad one as well.
        let add = |archive: &mut Archive, partition: i32, from: i64, to: i64, dates: i64| {
            let mut batch = Observations::default();
            for offset in from..to {
                for line in 0..1 + (offset % 2) as u32 {
                    add_acoustic(&mut batch, origin(0, partition, offset, line), START_NS + offset % dates * DAY_NS);
                }
                if offset % 3 == 0 {
                    let (message, raw) = ("bad", b"?".as_slice());
                    let topic = "telemetry.sensors";
                    let reason = Reason::NotJson;
                    archive.rejected(&RejectedLine { topic, partition, offset, line: 2, reason, message, raw }).unwrap();
                }
            }
            archive.telemetry(&batch, &registry, &topics).unwrap();
        };
        let mut archive = open();
        // How far the log has been read at most, and where reading stands now.
        let (mut ends, mut reading) = ([0i64; 3], [0i64; 3]);
        for step in steps {
            match step {
                Step::Read { partition, records, dates } => {
                    let from = reading[partition as usize];
                    add(&mut archive, partition, from, from + records, dates);
                    reading[partition as usize] += records;
                    ends[partition as usize] = ends[partition as usize].max(from + records);
                }
                Step::Roll => archive.roll().unwrap(),
                Step::Crash(how) => {
                    crash(archive, how);
                    archive = open();
                    for partition in 0..3 {
                        // One record too early, as a consumer group that was told late would begin.
                        let covered = archive.covered("telemetry.sensors", partition).unwrap_or(0);
                        reading[partition as usize] = (covered - 1).max(0);
                    }
                    prop_assert!(verify(directory.path()).unwrap().unlisted.is_empty());
                }
            }
        }
        for partition in 0..3 {
            let (from, to) = (reading[partition as usize], ends[partition as usize]);
            add(&mut archive, partition, from, to.max(from), 1);
        }
        archive.roll().unwrap();
        let mut expected = BTreeMap::new();
        let mut expected_bad = BTreeMap::new();
        for partition in 0..3 {
            for offset in 0..ends[partition as usize] {
                for line in 0..1 + (offset % 2) as i32 {
                    expected.insert((topics[0].clone(), partition, offset, line), 1);
                }
                if offset % 3 == 0 {
                    expected_bad.insert((topics[0].clone(), partition, offset, 2), 1);
                }
            }
        }
        prop_assert_eq!(places(directory.path(), Table::Telemetry), expected);
        prop_assert_eq!(places(directory.path(), Table::Rejected), expected_bad);
        let report = verify(directory.path()).unwrap();
        prop_assert!(report.is_whole(), "{:?}", report.faults);
        prop_assert!(report.unlisted.is_empty());
    }
}
