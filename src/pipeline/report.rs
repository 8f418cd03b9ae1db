//! `alerts.current` to `reports.daily`: a pipeline of its own, so that a report never delays an alert.
//!
//! It reads three compacted topics from their start and follows them: the newest revision of every alert, how far event
//! time has settled (`truceline.state`), and sectors (reference data). What it said stands in `reports.daily` itself, which is
//! read to its end before anything is said. With `kafka.exactly_once` reports go out in transactions under an id of the
//! reporter's own; whatever breaks, it begins anew in the same way. So each report is visible once.

use super::correlator::Reference;
use super::reference::{ReferenceFileError, ReferenceFiles};
use super::reference_tables::ReferenceTables;
use super::run::{NAP, is_final};
use super::said_table::{Owner, SaidTable, SaidTableError, owner_key, row_json};
use crate::codec::daily::{daily_headers, daily_json};
use crate::engine::book::Settled;
use crate::engine::places::Places;
use crate::kafka::{
    AtLeastOnce, Change, Cluster, ExactlyOnce, KafkaError, KafkaSettings, Outbox, Sink, Tables, offsets::Group,
};
use crate::model::alert::AlertFeature;
use crate::model::area::Area;
use crate::model::daily::{self, DailyReport};
use crate::model::node::Registry;
use crate::model::time::Timestamp;
use crate::report::{Desk, PassedOver, ReportSettings};
use serde::Deserialize;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the group's name ends in: under that the reporter writes.
pub const GROUP_SUFFIX: &str = "-report";

/// Longest wait for records in one turn: how soon a stop is seen.
const POLL: Duration = Duration::from_millis(50);
/// Between two attempts to begin anew.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long a flush waits for deliveries.
const FLUSH: Duration = Duration::from_secs(30);
/// What its readers fetch ahead at most, KiB: alerts are few.
const PREFETCH_KIB: u32 = 16 * 1024;

/// What the reporter is told.
#[derive(Clone, Debug)]
pub struct ReportRun {
    /// The broker and the topics; the group's name gets [`GROUP_SUFFIX`].
    pub kafka: KafkaSettings,
    /// Files in place of topics: areas and the sensor registry name sectors.
    pub reference: ReferenceFiles,
    /// When days are reported.
    pub settings: ReportSettings,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportStatus {
    /// Reports said, revisions counted each.
    pub reports: u64,
    /// Alerts that changed nothing.
    pub passed_over: PassedOver,
    /// Records of `alerts.current` that are no alerts.
    pub unreadable_alerts: u64,
}

/// Why the reporter ended.
#[derive(Debug, thiserror::Error)]
pub enum ReportRunError {
    /// Reference data.
    #[error(transparent)]
    Reference(#[from] ReferenceFileError),
    /// Kafka, for good.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Who writes here can't be read.
    #[error(transparent)]
    SaidTable(SaidTableError),
    /// Another reporter has taken this one's place.
    #[error(transparent)]
    ShutOut(KafkaError),
    /// A report was written by a later version of the program.
    #[error(
        "kafka.topics.daily is {topic:?}, whose record at partition {partition}, offset {offset} is of version {found}; this program knows up to {known}: expected what it, or an earlier one, wrote",
        known = daily::VERSION
    )]
    Version {
        /// The topic.
        topic: String,
        /// The record's partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// Its version.
        found: u32,
    },
    /// A report that can't be encoded.
    #[error("cannot be written as JSON: {0}")]
    Encode(#[from] serde_json::Error),
}

impl From<SaidTableError> for ReportRunError {
    fn from(error: SaidTableError) -> ReportRunError {
        match error {
            SaidTableError::Kafka(error) => ReportRunError::Kafka(error),
            other => ReportRunError::SaidTable(other),
        }
    }
}

impl ReportRun {
    /// Reports until `stop` says so or Kafka fails for good; `on_turn` hears how far it has come, at least every 50 ms.
    ///
    /// # Errors
    /// What can't be mended by waiting. A broker that is away can.
    pub fn run(
        &self,
        stop: &dyn Fn() -> bool,
        on_turn: &mut dyn FnMut(&ReportStatus),
    ) -> Result<ReportStatus, ReportRunError> {
        let mut kafka = self.kafka.clone();
        kafka.group.push_str(GROUP_SUFFIX);
        // There is one reporter of a group, whatever processes are called: a later one shuts out an earlier one.
        kafka.instance.clear();
        kafka.prefetch_kib = kafka.prefetch_kib.min(PREFETCH_KIB);
        let since_ns = wall_ns();
        let me = Owner { process: format!("{}-{since_ns}", std::process::id()) };
        let mut status = ReportStatus::default();
        let (mut told, mut was_first) = (String::new(), true);
        let mut session = None;
        while !stop() {
            let Some(current) = &mut session else {
                let checked = if was_first { Ok(()) } else { check_owner(&kafka, &me) };
                match checked.and_then(|()| self.begin(&kafka, &me)) {
                    Ok(anew) => (session, told, was_first) = (Some(anew), String::new(), false),
                    Err(ReportRunError::Kafka(error)) if !is_final(&error) => {
                        say_once(&mut told, "can't begin yet", &error);
                        wait(stop);
                    }
                    Err(error) => return Err(error),
                }
                continue;
            };
            match current.turn(&mut status) {
                Ok(()) => on_turn(&status),
                Err(ReportRunError::Kafka(error)) if !is_final(&error) => {
                    say_once(&mut told, "begins anew from what was said", &error);
                    session = None;
                    wait(stop);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(status)
    }

    /// Takes the place of whoever wrote before, and learns what was said and what there is to say.
    fn begin(&self, kafka: &KafkaSettings, me: &Owner) -> Result<Session, ReportRunError> {
        let names = &kafka.topics;
        let mut outbox: Box<dyn Outbox> = if kafka.exactly_once {
            Box::new(ExactlyOnce::new(kafka, &[&names.daily, &names.state], Group::default())?)
        } else {
            Box::new(AtLeastOnce::new(Sink::new(kafka)?, FLUSH, Group::default()))
        };
        if outbox.keeps_state() {
            outbox.keep(&owner_key(&kafka.transactional_id()), Some(&row_json(me)?))?;
            outbox.commit(&[])?;
        }
        let mut desk = Desk::new(self.settings.clone());
        read_said(kafka, &mut desk)?;
        let (registry, places) = self.reference.load()?;
        know_sectors(&mut desk, &registry, &places);
        let reference = ReferenceTables::load(kafka, &self.reference, &mut |change| refer(&mut desk, &change))?;
        let mut alerts = Tables::open(kafka, &[names.current.clone(), names.state.clone()])?;
        // Not those of the reporter's own group, which hold nothing about event time.
        let prefix = self.kafka.group.clone();
        let mut unreadable = 0;
        alerts.load(&mut |change| take(&mut desk, &prefix, &mut unreadable, change))?;
        desk.begin();
        let event_time = desk.event_ns().map_or_else(|| "none".to_owned(), |ns| Timestamp(ns).to_string());
        tracing::info!(event_time, "daily reports: what was said is known");
        Ok(Session {
            outbox,
            desk,
            reference,
            alerts,
            prefix,
            topic: names.daily.clone(),
            every: Duration::from_secs_f64(self.settings.every_s),
            quiet: Duration::from_secs_f64(self.settings.quiet_s),
            looked: None,
            moved: Instant::now(),
            unreadable,
            passed_over_before: PassedOver::default(),
        })
    }
}

/// From what was said on, for as long as nothing breaks.
struct Session {
    outbox: Box<dyn Outbox>,
    desk: Desk,
    reference: Option<ReferenceTables>,
    alerts: Tables,
    /// What the keys of those begin with whose word on event time counts.
    prefix: String,
    topic: String,
    every: Duration,
    quiet: Duration,
    looked: Option<Instant>,
    /// When event time was last seen to move.
    moved: Instant,
    unreadable: u64,
    passed_over_before: PassedOver,
}

impl Session {
    fn turn(&mut self, status: &mut ReportStatus) -> Result<(), ReportRunError> {
        let Session { desk, alerts, prefix, unreadable, reference, .. } = self;
        let before = desk.event_ns();
        alerts.poll(POLL, &mut |change| take(desk, prefix, unreadable, change))?;
        for failure in alerts.take_failures() {
            tracing::debug!("daily reports: {failure}");
        }
        if let Some(reference) = reference {
            reference.follow(&mut |change| refer(desk, &change))?;
        }
        if desk.event_ns() != before {
            self.moved = Instant::now();
        }
        if self.looked.is_none_or(|looked| looked.elapsed() >= self.every) {
            self.looked = Some(Instant::now());
            self.look(status)?;
        }
        status.unreadable_alerts = self.unreadable;
        status.passed_over = self.desk.passed_over();
        Ok(())
    }

    fn look(&mut self, status: &mut ReportStatus) -> Result<(), ReportRunError> {
        let stands_still = self.moved.elapsed() >= self.quiet;
        let Some(last) = self.desk.last_over(stands_still.then(wall_ns)) else { return Ok(()) };
        let reports = self.desk.publish(last);
        for report in &reports {
            let headers = daily_headers(report);
            let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            self.outbox.send(&self.topic, Some(report.sector.as_bytes()), &daily_json(report)?, &headers)?;
        }
        if !reports.is_empty() {
            self.outbox.commit(&[])?;
            status.reports += reports.len() as u64;
            tell(&reports);
        }
        self.tell_closed();
        Ok(())
    }

    /// Says what can change no report any more.
    fn tell_closed(&mut self) {
        if let Some(day) = self.desk.take_crowded_out() {
            tracing::warn!("daily reports: too many alerts are held; {day} is closed before its time");
        }
        let now = self.desk.passed_over();
        let before = std::mem::replace(&mut self.passed_over_before, now);
        if now.too_late > before.too_late {
            let (count, first) = (now.too_late - before.too_late, self.desk.first_open());
            let first = first.map_or_else(String::new, |day| day.to_string());
            tracing::warn!(
                "daily reports: {count} revisions are of days before {first}, which are closed (report.days)"
            );
        }
        if now.left_out > before.left_out {
            let count = now.left_out - before.left_out;
            tracing::error!("daily reports: {count} alerts are in no report, since too many are held");
        }
    }
}

/// One line for what was said.
fn tell(reports: &[DailyReport]) {
    let days: std::collections::BTreeSet<String> = reports.iter().map(|report| report.day.to_string()).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    tracing::info!(reports = reports.len(), days = days.join(" "), "daily reports: said");
}

/// What was said stands in the topic.
fn read_said(kafka: &KafkaSettings, desk: &mut Desk) -> Result<(), ReportRunError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let topic = &kafka.topics.daily;
    let mut fault = None;
    Tables::open(kafka, std::slice::from_ref(topic))?.load(&mut |change| {
        let Some(payload) = change.payload else { return };
        let (partition, offset) = (change.partition, change.offset);
        match (serde_json::from_slice(payload), serde_json::from_slice(payload)) {
            (Ok(Version { version: found }), _) if found > daily::VERSION => {
                fault.get_or_insert(ReportRunError::Version { topic: topic.clone(), partition, offset, found });
            }
            (_, Ok(report)) => desk.was_said(report),
            (_, Err(why)) => {
                tracing::warn!("{topic}: the record at partition {partition} offset {offset} is passed over: {why}");
            }
        }
    })?;
    fault.map_or(Ok(()), Err)
}

/// Ends who is not the last to have begun: to begin anew would shut out whoever has taken this one's place.
fn check_owner(kafka: &KafkaSettings, me: &Owner) -> Result<(), ReportRunError> {
    match SaidTable::load(&Cluster::new(kafka, None), kafka)?.owner {
        Some(other) if other != *me => {
            Err(ReportRunError::ShutOut(KafkaError::Fenced { id: kafka.transactional_id(), why: other.process }))
        }
        _ => Ok(()),
    }
}

/// A change of `alerts.current` (topic 0) or of `truceline.state` (topic 1).
fn take(desk: &mut Desk, prefix: &str, unreadable: &mut u64, change: Change<'_>) {
    let Some(payload) = change.payload else { return };
    if change.topic == 0 {
        match serde_json::from_slice::<AlertFeature>(payload) {
            Ok(feature) => desk.take(&feature.properties),
            Err(why) => {
                if *unreadable == 0 {
                    let (partition, offset) = (change.partition, change.offset);
                    tracing::warn!("alert at partition {partition} offset {offset} is in no report: {why}");
                }
                *unreadable += 1;
            }
        }
    } else if let Some(settled_ns) = settled(prefix, change.key, payload) {
        desk.reach(settled_ns);
    }
}

/// Up to when all is settled by the word of one of the group's correlators, nanoseconds.
fn settled(prefix: &str, key: &[u8], payload: &[u8]) -> Option<i64> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(prefix)?.strip_suffix("/settled")?;
    // Of this group, and not of one whose name only begins like it.
    if !(rest.is_empty() || rest.starts_with('-')) {
        return None;
    }
    let Settled { fire_ns, rules_ns } = serde_json::from_slice(payload).ok()?;
    Some(fire_ns.min(rules_ns)).filter(|&ns| ns > 0 && ns < i64::MAX)
}

/// All sectors of the reference data are reported on.
pub(super) fn know_sectors(desk: &mut Desk, registry: &Registry, places: &Places) {
    let of_areas = places.areas().iter().filter_map(Area::sector_id);
    let of_nodes = registry.nodes().iter().filter_map(|node| node.sector.as_deref());
    of_areas.chain(of_nodes).for_each(|sector| desk.know_sector(sector));
}

fn refer(desk: &mut Desk, change: &Reference) {
    let sector = match change {
        Reference::Node(node) => node.sector.as_deref(),
        Reference::Area(area) => area.sector_id(),
        Reference::Notice(_) | Reference::AreaGone(_) | Reference::NoticeGone(_) => None,
    };
    if let Some(sector) = sector {
        desk.know_sector(sector);
    }
}

fn say_once(told: &mut String, what: &str, error: &KafkaError) {
    let why = error.to_string();
    if why != *told {
        tracing::warn!("daily reports: {what}: {why}");
        *told = why;
    }
}

fn wait(stop: &dyn Fn() -> bool) {
    let until = Instant::now() + TRY_AGAIN;
    while Instant::now() < until && !stop() {
        std::thread::park_timeout(NAP);
    }
}

fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_time_is_told_by_the_groups_own_correlators() {
        let row = br#"{"version":1,"fire_ns":5,"rules_ns":7}"#;
        assert_eq!(settled("watch", b"watch-main/settled", row), Some(5));
        assert_eq!(settled("watch", b"watch/settled", row), Some(5));
        assert_eq!(settled("watch", b"watch-correlate-region-3/settled", row), Some(5));
        for key in [&b"watchers-main/settled"[..], b"other-main/settled", b"watch-main/owner", b"\xff/settled"] {
            assert_eq!(settled("watch", key, row), None, "{}", key.escape_ascii());
        }
        let nothing = serde_json::to_vec(&Settled::NOTHING).unwrap();
        assert_eq!(settled("watch", b"watch-main/settled", &nothing), None);
    }
}
