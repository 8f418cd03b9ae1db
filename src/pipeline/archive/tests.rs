use super::*;
use crate::archive::{Report, Table, verify};
use crate::kafka::{Embedded, Sink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const PATIENCE: Duration = Duration::from_secs(60);
const ALERT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/alert.json"));

/// A broker, a registry of one node, and a directory for the archive.
struct Site {
    _broker: Embedded,
    kafka: KafkaSettings,
    directory: tempfile::TempDir,
    sent: u64,
}

impl Site {
    fn new() -> Site {
        let broker = Embedded::start().unwrap();
        let kafka = broker.settings(&KafkaSettings { session_timeout_ms: 1000, ..KafkaSettings::default() });
        for topic in [&kafka.topics.sensors, &kafka.topics.patrols, &kafka.topics.violations] {
            broker.create_topic(topic, 3).unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let sensors = r#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":
            {"type":"Point","coordinates":[31.5,46.9]},"properties":{"node":"a","kinds":["acoustic"]}}]}"#;
        std::fs::write(directory.path().join("sensors.geojson"), sensors).unwrap();
        Site { _broker: broker, kafka, directory, sent: 0 }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("archive")
    }

    /// Sends so many records of two observations and a line that is refused, and an alert for every tenth.
    fn send(&mut self, records: u64) {
        let sink = Sink::new(&self.kafka).unwrap();
        let topics = &self.kafka.topics;
        for number in self.sent..self.sent + records {
            let at = format!("2026-03-14T10:{:02}:{:02}Z", number / 60 % 60, number % 60);
            let heard = |id: &str| format!(r#"{{"id":"{number}-{id}","node":"a","kind":"acoustic","time":"{at}"}}"#);
            let value = format!("{}\n\nnonsense\n{}\n", heard("x"), heard("y"));
            let key = number.to_string();
            sink.send(&topics.sensors, Some(key.as_bytes()), value.as_bytes(), &[]).unwrap();
            if number % 10 == 0 {
                sink.send(&topics.violations, Some(key.as_bytes()), ALERT.as_bytes(), &[]).unwrap();
            }
        }
        sink.flush(PATIENCE).unwrap();
        self.sent += records;
    }

    fn settings(&self, writer: &str) -> ArchiveSettings {
        // Event time and rows make no commit due, unless a test wants it.
        ArchiveSettings { writer: writer.to_owned(), max_age_s: 0.0, ..ArchiveSettings::default() }
    }

    /// Puts a file where the directory of a day should be, so that no row of that day can be written.
    fn block(&self, table: Table, date: &str) -> PathBuf {
        let directory = self.root().join(table.as_str());
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("date={date}"));
        std::fs::write(&path, "").unwrap();
        path
    }

    fn archive(
        &self,
        settings: &ArchiveSettings,
        enough: &mut dyn FnMut(&ArchiveStatus) -> bool,
    ) -> Result<ArchiveStatus, ArchiveRunError> {
        archive(&self.kafka, self.directory.path(), settings, enough)
    }

    /// Every row that was sent is there, once.
    fn assert_whole(&self) -> Report {
        let report = verify(self.root()).unwrap();
        assert!(report.is_whole(), "{report}");
        let rows = |table| report.tables[&table].rows;
        assert_eq!(rows(Table::Telemetry), 2 * self.sent, "{report}");
        assert_eq!(rows(Table::Rejected), self.sent, "{report}");
        assert_eq!(rows(Table::Alerts), self.sent.div_ceil(10), "{report}");
        report
    }
}

/// Archives into `directory`/archive until `enough`, then stops.
fn archive(
    kafka: &KafkaSettings,
    directory: &Path,
    settings: &ArchiveSettings,
    enough: &mut dyn FnMut(&ArchiveStatus) -> bool,
) -> Result<ArchiveStatus, ArchiveRunError> {
    let stopped = AtomicBool::new(false);
    let started = Instant::now();
    let run = ArchiveRun {
        kafka: kafka.clone(),
        reference: ReferenceFiles { sensors: Some(directory.join("sensors.geojson")), ..ReferenceFiles::default() },
        archive: settings.clone(),
        root: directory.join("archive"),
    };
    let waits = Waits { quiet: Duration::from_millis(100), back_off: Duration::from_millis(20) };
    run.run_watched(waits, &|| stopped.load(Ordering::Relaxed), &mut |status| {
        assert!(started.elapsed() < PATIENCE, "{status:?}");
        if enough(status) {
            stopped.store(true, Ordering::Relaxed);
        }
    })
}

#[test]
fn every_row_is_archived_once_across_stops_and_restarts() {
    let mut site = Site::new();
    let settings = site.settings("w0");
    for round in 1..=3 {
        site.send(200);
        let (root, sent) = (site.root(), site.sent);
        // Stopped in the middle the first times, at the end the last time.
        let mut is_enough = |status: &ArchiveStatus| match round {
            3 => verify(&root).is_ok_and(|it| done(&it, sent)),
            _ => status.counts.telemetry >= 100,
        };
        let status = site.archive(&settings, &mut is_enough).unwrap();
        assert!(status.counts.telemetry > 0 && !status.is_waiting, "{status:?}");
        assert!(verify(site.root()).unwrap().is_whole());
    }
    site.assert_whole();
}

#[test]
fn an_archive_goes_on_where_it_ends_whatever_the_group_says() {
    let mut site = Site::new();
    site.send(100);
    let settings = site.settings("w0");
    let mut all = |status: &ArchiveStatus| status.counts.telemetry == 200 && status.counts.alerts == 10;
    site.archive(&settings, &mut all).unwrap();
    // A group that has committed nothing …
    site.kafka.group.push_str("-other");
    site.send(50);
    site.archive(&settings, &mut |status| status.counts.telemetry == 100 && status.counts.alerts == 5).unwrap();
    site.assert_whole();
    // … and a group that has committed all, with an archive that has nothing.
    std::fs::remove_dir_all(site.root()).unwrap();
    site.send(10);
    let status = site.archive(&settings, &mut |status| status.counts.telemetry >= 20).unwrap();
    assert_eq!(status.counts.telemetry, 20, "what the group has is not read again without the archive's word");
}

#[test]
fn a_quiet_stream_becomes_durable() {
    let mut site = Site::new();
    site.send(20);
    let root = site.root();
    let mut seen = 0;
    site.archive(&site.settings("w0"), &mut |status| {
        // Before any stop: what a reader would find now.
        if status.counts.commits > seen {
            seen = status.counts.commits;
            return verify(&root).unwrap().tables[&Table::Telemetry].rows == 40
                && verify(&root).unwrap().tables[&Table::Alerts].rows == 2;
        }
        false
    })
    .unwrap();
    site.assert_whole();
}

#[test]
fn a_disk_that_fails_and_comes_back_costs_no_row() {
    let mut site = Site::new();
    site.send(300);
    let settings = ArchiveSettings { max_rows: 100, ..site.settings("w0") };
    let in_the_way = site.block(Table::Alerts, "2025-11-22");
    let mut waited = 0;
    let status = site
        .archive(&settings, &mut |status| {
            if status.is_waiting {
                waited += 1;
                if waited == 20 {
                    std::fs::remove_file(&in_the_way).unwrap();
                }
            }
            waited >= 20 && !status.is_waiting && status.lag == 0 && verify(site.root()).is_ok_and(|it| done(&it, 300))
        })
        .unwrap();
    assert!(status.counts.telemetry >= 600, "{status:?}");
    site.assert_whole();
}

fn done(report: &Report, records: u64) -> bool {
    report.tables[&Table::Telemetry].rows == 2 * records && report.tables[&Table::Alerts].rows == records.div_ceil(10)
}

#[test]
fn an_end_while_the_disk_fails_says_so_and_the_next_start_reads_again() {
    let mut site = Site::new();
    site.send(50);
    let settings = ArchiveSettings { max_rows: 10, ..site.settings("w0") };
    let in_the_way = site.block(Table::Telemetry, "2026-03-14");
    let ended = site.archive(&settings, &mut |status| status.is_waiting);
    assert!(ended.unwrap_err().to_string().starts_with("cannot create directory"));
    std::fs::remove_file(&in_the_way).unwrap();
    site.archive(&settings, &mut |status| status.counts.telemetry >= 100 && status.counts.alerts >= 5).unwrap();
    site.assert_whole();
}

#[test]
fn a_second_writer_takes_its_share_and_every_row_is_there_once() {
    let mut site = Site::new();
    site.send(200);
    let (kafka, directory, root) = (site.kafka.clone(), site.directory.path().to_owned(), site.root());
    let (writers, all_there) = ([site.settings("w0"), site.settings("w1")], AtomicBool::new(false));
    let taken: Vec<u64> = std::thread::scope(|scope| {
        let work = |settings| {
            let (kafka, directory, all_there) = (&kafka, &directory, &all_there);
            let mut on = move |_: &ArchiveStatus| all_there.load(Ordering::Relaxed);
            scope.spawn(move || archive(kafka, directory, settings, &mut on).unwrap().counts.commits)
        };
        let await_rows = |records| {
            let started = Instant::now();
            while !verify(&root).is_ok_and(|it| done(&it, records)) {
                assert!(started.elapsed() < PATIENCE, "{}", verify(&root).unwrap());
                std::thread::yield_now();
            }
        };
        let first = work(&writers[0]);
        await_rows(200);
        // The second joins while more comes, until it too has a share.
        let second = work(&writers[1]);
        let mut records = 200;
        while !has_written(&root, "w1") {
            site.send(100);
            records += 100;
            await_rows(records);
        }
        all_there.store(true, Ordering::Relaxed);
        [first, second].map(|thread| thread.join().unwrap()).into()
    });
    assert!(taken.iter().all(|&commits| commits > 0), "{taken:?}");
    site.assert_whole();
}

fn has_written(root: &Path, writer: &str) -> bool {
    let commits = std::fs::read_dir(root.join("_commits")).unwrap();
    let is_of = |path: PathBuf| {
        path.extension().is_some_and(|ending| ending == "json")
            && serde_json::from_slice::<crate::archive::Manifest>(&std::fs::read(path).unwrap()).unwrap().writer
                == writer
    };
    commits.map(|entry| entry.unwrap().path()).any(is_of)
}

#[test]
fn what_is_no_alert_is_passed_over_and_counted() {
    let mut site = Site::new();
    site.send(10);
    let sink = Sink::new(&site.kafka).unwrap();
    for value in ["nonsense", "{}", "\u{0}"] {
        sink.send(&site.kafka.topics.violations, Some(b"k"), value.as_bytes(), &[]).unwrap();
    }
    sink.flush(PATIENCE).unwrap();
    let status = site
        .archive(&site.settings("w0"), &mut |status| {
            status.unreadable_alerts == 3 && status.counts.telemetry == 20 && status.counts.alerts == 1
        })
        .unwrap();
    assert_eq!(status.unreadable_alerts, 3);
    site.assert_whole();
}
