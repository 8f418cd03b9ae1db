//! What somebody who watches is shown: a live table on a terminal, plain lines elsewhere, a summary at the end.

mod plain;
mod screen;
mod summary;
mod terminal;
mod words;

pub use summary::{AgainstTruth, Summary};

use super::Stop;
use crate::model::alert::{AlertFeature, Class, Emitter, Sign, Status, Term};
use crate::model::geo::LonLat;
use crate::pipeline::latency::latencies;
use hdrhistogram::Histogram;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Alerts kept for the table; the oldest leave it first, and stay in the counts.
pub const MAX_ROWS: usize = 1_000;
/// Lines of the story kept.
pub const MAX_STORY_LINES: usize = 50;

/// Something the watcher should know.
#[derive(Clone, Debug)]
pub enum Update {
    /// How the work goes.
    Rates(Rates),
    /// A revision of an alert, as read from the topic of alerts.
    Alert(Box<AlertFeature>),
    /// What happens in the simulated world.
    Story {
        /// When, in event time, nanoseconds.
        time_ns: i64,
        /// One line.
        text: String,
    },
    /// How long it has run, and how long it will if anybody knows.
    Progress {
        /// Since the start.
        elapsed: Duration,
        /// In all.
        total: Option<Duration>,
    },
}

/// How the work goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Observations read since the start.
    pub observations: u64,
    /// Observations a second, lately.
    pub observations_per_s: f64,
    /// Lines rejected since the start.
    pub rejected: u64,
    /// Records that stand in the topics and are not yet read.
    pub lag: u64,
    /// Event time: everything up to it is settled. Absent before the first.
    pub watermark_ns: Option<i64>,
}

/// What the watcher is told of an area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A breach of these areas.
    Violation(Vec<String>),
    /// Announced by that notice.
    Notified(String),
    /// Neither.
    NoBreach,
}

/// One alert as the table shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The alert's id.
    pub alert: String,
    /// The newest revision read.
    pub revision: u32,
    /// When it happened.
    pub time_ns: i64,
    /// What happened.
    pub class: Class,
    /// What tells of it, where the class does not say.
    pub sign: Option<Sign>,
    /// Of an emitter: what it sends, and how high it is.
    pub emitter: Option<String>,
    /// How many.
    pub count: u32,
    /// Whether that is a lower bound.
    pub count_is_minimum: bool,
    /// Where.
    pub place: LonLat,
    /// One sigma, the longer half axis and the shorter; absent for a given place.
    pub ellipse_m: Option<(f64, f64)>,
    /// The chance that it happened.
    pub probability: f64,
    /// That in a word.
    pub term: Term,
    /// 1–5.
    pub severity: u8,
    /// What it means.
    pub verdict: Verdict,
    /// Where it is in its life.
    pub status: Status,
    /// Taken back because the same event stands under another id.
    pub is_renamed: bool,
}

impl Row {
    /// The row of an alert.
    pub fn of(feature: &AlertFeature) -> Row {
        let alert = &feature.properties;
        let verdict = match &alert.notice {
            _ if alert.violation => Verdict::Violation(alert.areas.clone()),
            Some(notice) => Verdict::Notified(notice.clone()),
            None => Verdict::NoBreach,
        };
        Row {
            alert: alert.alert.clone(),
            revision: alert.revision,
            time_ns: alert.time.0,
            class: alert.class,
            sign: alert.sign,
            emitter: alert.emitter.as_ref().map(Emitter::words),
            count: alert.count,
            count_is_minimum: alert.count_is_minimum,
            place: feature.place(),
            ellipse_m: alert.ellipse.map(|ellipse| (ellipse.semi_major_m, ellipse.semi_minor_m)),
            probability: alert.probability,
            term: alert.term,
            severity: alert.severity,
            verdict,
            status: alert.status,
            is_renamed: alert.superseded_by.is_some(),
        }
    }
}

/// How many alerts there are of each sort; each alert counts once, as its newest revision is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All that stand.
    pub alerts: u64,
    /// Of these, violations.
    pub violations: u64,
    /// Of these, covered by a notice.
    pub notified: u64,
    /// Taken back, and not because it stands under another id; in none of the others.
    pub retracted: u64,
}

impl Tally {
    fn count(&mut self, row: &Row, add: bool) {
        let one = |count: &mut u64| *count = if add { *count + 1 } else { count.saturating_sub(1) };
        if row.is_renamed {
            return;
        }
        if row.status == Status::Retracted {
            return one(&mut self.retracted);
        }
        one(&mut self.alerts);
        match row.verdict {
            Verdict::Violation(_) => one(&mut self.violations),
            Verdict::Notified(_) => one(&mut self.notified),
            Verdict::NoBreach => {}
        }
    }
}

/// Everything that is shown.
#[derive(Clone, Debug)]
pub struct ViewState {
    rows: VecDeque<Row>,
    newest: FxHashMap<String, u32>,
    /// How many alerts there are of each sort.
    pub tally: Tally,
    /// Revisions read.
    pub revisions: u64,
    /// How the work goes.
    pub rates: Rates,
    /// The story so far, oldest first.
    pub story: VecDeque<(i64, String)>,
    /// Since the start.
    pub elapsed: Duration,
    /// In all, if anybody knows.
    pub total: Option<Duration>,
    /// From reading the deciding observation to the alert, microseconds, of every revision.
    pub ingest_to_alert_us: Histogram<u64>,
    /// From the event to its first alert, microseconds.
    pub event_to_alert_us: Histogram<u64>,
    /// Whether the end has been asked for.
    pub ending: bool,
}

impl Default for ViewState {
    fn default() -> ViewState {
        ViewState {
            rows: VecDeque::new(),
            newest: FxHashMap::default(),
            tally: Tally::default(),
            revisions: 0,
            rates: Rates::default(),
            story: VecDeque::new(),
            elapsed: Duration::ZERO,
            total: None,
            ingest_to_alert_us: latencies(),
            event_to_alert_us: latencies(),
            ending: false,
        }
    }
}

impl ViewState {
    /// Takes in an update. Of an alert, an older revision than the one shown changes nothing but the counts of latency.
    pub fn apply(&mut self, update: Update) {
        match update {
            Update::Rates(rates) => self.rates = rates,
            Update::Progress { elapsed, total } => (self.elapsed, self.total) = (elapsed, total),
            Update::Story { time_ns, text } => {
                if self.story.len() == MAX_STORY_LINES {
                    self.story.pop_front();
                }
                self.story.push_back((time_ns, text));
            }
            Update::Alert(feature) => self.apply_alert(&feature),
        }
    }

    fn apply_alert(&mut self, feature: &AlertFeature) {
        self.revisions += 1;
        if let Some(latency) = feature.properties.latency {
            self.ingest_to_alert_us.saturating_record(us_from_ms(latency.ingest_to_alert_ms));
            if feature.properties.revision == 1 {
                self.event_to_alert_us.saturating_record(us_from_ms(latency.event_to_alert_ms));
            }
        }
        let row = Row::of(feature);
        let known = self.newest.get(&row.alert).copied();
        if known.is_some_and(|known| known >= row.revision) {
            return;
        }
        if known.is_some()
            && let Some(at) = self.rows.iter().position(|shown| shown.alert == row.alert)
            && let Some(old) = self.rows.remove(at)
        {
            self.tally.count(&old, false);
        }
        self.tally.count(&row, true);
        self.newest.insert(row.alert.clone(), row.revision);
        let at = self.rows.partition_point(|shown| (shown.time_ns, &shown.alert) > (row.time_ns, &row.alert));
        self.rows.insert(at, row);
        if self.rows.len() > MAX_ROWS
            && let Some(oldest) = self.rows.pop_back()
        {
            self.newest.remove(&oldest.alert);
        }
    }

    /// The alerts, newest first.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.rows.iter()
    }
}

fn us_from_ms(milliseconds: f64) -> u64 {
    (milliseconds * 1_000.0).round() as u64
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A live table that has the terminal to itself.
    Screen,
    /// A line for everything that happens.
    Plain,
}

impl Shown {
    /// A table where there is a terminal to show it on.
    pub fn suitable() -> Shown {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && !dumb {
            Shown::Screen
        } else {
            Shown::Plain
        }
    }
}

/// Shows updates until their senders are gone, and returns what there was. On a screen, `q` and Ctrl-C ask `stop`;
/// what still comes after that is taken in.
///
/// # Errors
///
/// The terminal or standard output cannot be written.
pub fn show(updates: &Receiver<Update>, shown: Shown, stop: &Stop) -> std::io::Result<ViewState> {
    match shown {
        Shown::Screen => terminal::show(updates, stop),
        Shown::Plain => plain::show(updates, &mut std::io::stdout().lock()),
    }
}

#[cfg(test)]
mod tests;
