//! When rows become durable, and what failures leave.

use crate::{DAY_NS, START_NS, add_acoustic, files_ending, origin, parquet_files, places, read, registry, topics};
use arrow::array::AsArray;
use truceline::archive::{Archive, ArchiveError, ArchiveSettings, RejectedLine, Table, verify};
use truceline::model::observation::Observations;
use truceline::model::reject::Reason;
use truceline::model::time::NS_PER_S;

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
    assert_eq!(files_ending(directory.path(), "tmp").len(), 2);
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
    assert!(report.to_string().ends_with("not whole: 4 faults\n"), "{report}");
}
