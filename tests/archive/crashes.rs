//! Whatever crashes at whatever point, every row is there once.

use crate::{DAY_NS, START_NS, add_acoustic, origin, places, registry, topics};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use truceline::archive::{Archive, ArchiveSettings, RejectedLine, Table, verify};
use truceline::model::observation::Observations;
use truceline::model::reject::Reason;

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
