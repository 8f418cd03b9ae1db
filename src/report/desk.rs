//! When a day is reported, and when again.
//!
//! Event time is told by the newest alert and, finer, by how far things have settled; both come from the topics, so a
//! successor knows the same. A day is over when event time is past its end by the grace. Where event time stands still for
//! long, the wall's clock takes its place: the report then says up to when the day was covered. A day that was reported is
//! reported again when what it says has changed, until it is closed.

use super::ledger::{Ledger, Taken};
use super::settings::ReportSettings;
use crate::model::alert::Alert;
use crate::model::daily::{DailyReport, Figures, VERSION};
use crate::model::day::Day;
use crate::model::time::{Timestamp, ns_from_s};
use std::collections::{BTreeMap, BTreeSet};

/// What was last said of a sector's day.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    revision: u32,
    covered_to: Timestamp,
    figures: Figures,
}

/// How many alerts changed nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Revisions of alerts of days that are closed.
    pub too_late: u64,
    /// Alerts for which there was no room.
    pub left_out: u64,
}

/// The figures, and what was said of them.
pub struct Desk {
    settings: ReportSettings,
    ledger: Ledger,
    /// How far event time is known to have come, nanoseconds.
    event_ns: Option<i64>,
    /// The day from which on there are reports, though nothing may have happened in it.
    since: Option<Day>,
    said: BTreeMap<(Day, String), Said>,
    /// Days to look at when they are over.
    waiting: BTreeSet<Day>,
    /// Days up to this one have been looked at once.
    looked_to: Option<Day>,
    has_new_sector: bool,
    passed_over: PassedOver,
}

impl Desk {
    /// A desk at which nothing is known.
    pub fn new(settings: ReportSettings) -> Desk {
        let ledger = Ledger::new(&settings.theatre, 0);
        Desk {
            settings,
            ledger,
            event_ns: None,
            since: None,
            said: BTreeMap::new(),
            waiting: BTreeSet::new(),
            looked_to: None,
            has_new_sector: false,
            passed_over: PassedOver::default(),
        }
    }

    /// A sector that is reported on though nothing may happen in it.
    pub fn know_sector(&mut self, sector: &str) {
        self.has_new_sector |= self.ledger.know_sector(sector);
    }

    /// A revision of an alert.
    pub fn take(&mut self, alert: &Alert) {
        for sector in &alert.sectors {
            self.know_sector(sector);
        }
        self.reach(alert.to.unwrap_or(alert.time).0);
        match self.ledger.take(alert) {
            Taken::TooLate => self.passed_over.too_late += 1,
            Taken::Full => self.passed_over.left_out += 1,
            Taken::Changed | Taken::Known => {}
        }
    }

    /// Event time has come so far, nanoseconds; whether that is news.
    pub fn reach(&mut self, event_ns: i64) -> bool {
        let is_news = self.event_ns.is_none_or(|before| before < event_ns);
        if is_news {
            self.event_ns = Some(event_ns);
            let day = Day::of(event_ns, 0);
            self.since.get_or_insert(day);
            self.ledger.reach(day);
        }
        is_news
    }

    /// How far event time has come, nanoseconds.
    pub fn event_ns(&self) -> Option<i64> {
        self.event_ns
    }

    /// What was said before. Of several revisions the highest holds.
    pub fn was_said(&mut self, report: DailyReport) {
        self.know_sector(&report.sector);
        let DailyReport { day, sector, revision, covered_to, figures, .. } = report;
        let known = self.said.get(&(day, sector.clone()));
        if known.is_none_or(|known| known.revision < revision) {
            self.said.insert((day, sector), Said { revision, covered_to, figures });
        }
    }

    /// How many alerts changed nothing, so far.
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    /// The last day that was closed before its time for want of room, since the last call.
    pub fn take_crowded_out(&mut self) -> Option<Day> {
        self.ledger.take_crowded_out()
    }

    /// The last day that is over: by event time, or, where that stands still, by the wall's clock, nanoseconds.
    pub fn last_over(&self, wall_ns: Option<i64>) -> Option<Day> {
        let event_ns = self.event_ns?;
        let grace_ns = ns_from_s(self.settings.grace_s);
        let before = |now_ns: i64| Day::of(now_ns.saturating_sub(grace_ns), 0).plus(-1);
        // What event time has not reached is not told of.
        let by_wall = wall_ns.map(|wall_ns| before(wall_ns).min(Day::of(event_ns, 0)));
        by_wall.into_iter().chain([before(event_ns)]).max()
    }

    /// The first day whose reports may still change.
    pub fn first_open(&self) -> Option<Day> {
        Some(Day::of(self.event_ns?, 0).plus(-self.settings.days_back()))
    }

    /// Reports of the days up to `last` that are to be said now; they count as said. Then days that are too old are closed.
    /// Of a gap in event time no more is told than what is still open after it.
    pub fn publish(&mut self, last: Day) -> Vec<DailyReport> {
        let Some(first_open) = self.first_open() else { return Vec::new() };
        let reports = self.look(first_open, last);
        self.close_before(first_open);
        reports
    }

    /// Closes what is already too old, so that it is not reported.
    pub fn begin(&mut self) {
        if let Some(first_open) = self.first_open() {
            self.close_before(first_open);
        }
    }

    /// Each day once, where nobody waits for it: reports of those that are too old to be amended.
    pub fn publish_closing(&mut self) -> Vec<DailyReport> {
        let Some(first_open) = self.first_open() else { return Vec::new() };
        if first_open <= self.ledger.first_open() {
            return Vec::new();
        }
        let reports = self.look(Day(i32::MIN), first_open.plus(-1));
        self.close_before(first_open);
        reports
    }

    /// Reports of all days that were not published yet, when there is nothing more to come.
    pub fn publish_rest(&mut self) -> Vec<DailyReport> {
        let Some(event_ns) = self.event_ns else { return Vec::new() };
        self.look(Day(i32::MIN), Day::of(event_ns, 0))
    }

    /// Looks at what waits up to `last`; of days that were never looked at, at those from `least` on.
    fn look(&mut self, least: Day, last: Day) -> Vec<DailyReport> {
        let Some(event_ns) = self.event_ns else { return Vec::new() };
        let first = self.first_day();
        let looked_to = self.looked_to.unwrap_or(first.plus(-1));
        self.waiting.append(&mut self.ledger.take_changed());
        let from = if std::mem::take(&mut self.has_new_sector) { first } else { looked_to.plus(1) };
        self.waiting.extend((from.max(least).0..=last.0).map(Day));
        self.looked_to = Some(looked_to.max(last));
        let mut reports = Vec::new();
        for day in self.waiting.range(first..).copied().take_while(|&day| day <= last).collect::<Vec<_>>() {
            let to = Timestamp(day.plus(1).begins_ns(0));
            let covered_to = to.min(Timestamp(event_ns));
            for (sector, figures) in self.ledger.figures(day, event_ns) {
                reports.extend(self.say(day, sector, covered_to, figures));
            }
            // One that was covered in part is looked at until it is whole.
            if covered_to == to {
                self.waiting.remove(&day);
            }
        }
        reports
    }

    fn close_before(&mut self, first_open: Day) {
        self.ledger.close_before(first_open);
        self.waiting = self.waiting.split_off(&first_open);
        self.said = self.said.split_off(&(first_open, String::new()));
    }

    /// The first day there are reports of.
    fn first_day(&self) -> Day {
        let said = self.said.keys().next().map(|(day, _)| *day);
        let happened = self.ledger.span().map(|(first, _)| first);
        let first = self.since.into_iter().chain(said).chain(happened).min();
        first.map_or(self.ledger.first_open(), |first| first.max(self.ledger.first_open()))
    }

    /// The report, unless the same was said.
    fn say(&mut self, day: Day, sector: String, covered_to: Timestamp, figures: Figures) -> Option<DailyReport> {
        let key = (day, sector);
        let known = self.said.get(&key);
        if known.is_some_and(|known| known.figures == figures && known.covered_to == covered_to) {
            return None;
        }
        let revision = known.map_or(0, |known| known.revision) + 1;
        self.said.insert(key.clone(), Said { revision, covered_to, figures: figures.clone() });
        Some(DailyReport {
            version: VERSION,
            sector: key.1,
            day,
            revision,
            from: Timestamp(day.begins_ns(0)),
            to: Timestamp(day.plus(1).begins_ns(0)),
            covered_to,
            amendable_to: Timestamp(day.plus(self.settings.days_back().saturating_add(1)).begins_ns(0)),
            figures,
            software: concat!("truceline ", env!("CARGO_PKG_VERSION")).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
