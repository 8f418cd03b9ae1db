//! A batch is taken in: rows are judged by the stream's clock and by whether they came before, and told to whom they concern.

use super::fire::Now;
use super::latecomers::Latecomers;
use super::progress::{Progress, Standing};
use super::rules::World;
use super::settings::Settings;
use super::{Engine, MAX_HELD, Output};
use crate::model::kind::{Health, Kind};
use crate::model::node::Registry;
use crate::model::observation::{Observations, Origin, Part};
use crate::model::time::ns_from_s;

/// Rows that rules look ahead at a time: what is known of so many nodes fits into the processor's first cache.
const LOOK_AHEAD: usize = 64;

/// After the newest report seen, a node may still take this long to deliver: until then its silence means nothing to
/// the first word about an event.
const DELIVERY_S: f64 = 5.0;

/// What an observation is, before anything is made of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    New(Standing),
    Repeated,
}

/// How an observation that is taken in has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    /// Of one that is late, the clock of its node as last reported before it was read, one sigma, s.
    late_clock_sd_s: Option<f64>,
    /// Of one that corrects another, see [`World::passed_ns`].
    passed_ns: i64,
}

impl Came {
    pub(super) const IN_TIME: Came = Came { late_clock_sd_s: None, passed_ns: i64::MIN };

    fn late(clock_sd_s: f64) -> Came {
        Came { late_clock_sd_s: Some(clock_sd_s), passed_ns: i64::MIN }
    }
}

impl Engine {
    /// Takes in a batch and gives the first words that follow from it. [`Engine::advance`] has to come next; it may take
    /// longer, and what is said here need not wait for it.
    pub fn observe(&mut self, batch: &Observations, registry: &Registry, out: &mut Output) {
        for report in std::mem::take(&mut self.reports_before) {
            self.weather.restore(&report, registry);
        }
        let mut found = std::mem::take(&mut self.found);
        let mut from = 0;
        while from < batch.len() {
            self.judge(batch, from, &mut found);
            let to = from + found.len();
            let first = from;
            for (row, found) in (from..).zip(found.drain(..)) {
                if row.is_multiple_of(LOOK_AHEAD) {
                    let rows = row..to.min(row + LOOK_AHEAD);
                    self.rules.iter_mut().for_each(|rule| rule.look_ahead(batch, rows.clone()));
                }
                from += 1;
                match found {
                    Found::Repeated => self.counts.duplicates += 1,
                    Found::New(Standing::InTime) => {
                        let passed_ns =
                            if batch.supersedes[row].is_empty() { i64::MIN } else { self.passed[row - first] };
                        let came = Came { passed_ns, ..Came::IN_TIME };
                        self.accept(batch, row, came, registry);
                    }
                    Found::New(standing @ (Standing::Late | Standing::Behind { .. })) => {
                        // What it changes hangs on what has settled: that is what would have if the stream came line by line.
                        if counts_at_once(standing, batch.kind[row]) && self.progress.advance() > self.advanced_to_ns {
                            self.advance(registry, out);
                        }
                        match standing {
                            Standing::Behind { passed_ns } => self.let_wait(batch, row, passed_ns, registry),
                            _ => self.accept_late(batch, row, registry),
                        }
                    }
                    Found::New(Standing::TooLate) => self.refuse_too_late(batch, row, out),
                    Found::New(Standing::Ahead) if self.held.len() < MAX_HELD => self.held.copy_row(batch, row),
                    Found::New(Standing::Ahead) => self.refuse_ahead(batch, row, out),
                }
            }
            if let Some(verdict) = self.progress.verdict() {
                self.judge_held(verdict, registry, out);
            }
        }
        self.found = found;
        self.hand_out(out);
    }

    /// Judges rows, from the given one to the next that has to be held back, or that comes late and counts at once; one alone while any are
    /// held back, for each may decide about those. Looking all of them up in a row lets the processor wait for memory once, not
    /// each time.
    fn judge(&mut self, batch: &Observations, from: usize, found: &mut Vec<Found>) {
        found.clear();
        self.passed.clear();
        for row in from..batch.len() {
            let Origin { topic, partition, .. } = batch.origin[row];
            let standing = self.progress.observe((topic, partition), batch.node[row], batch.time_ns[row]);
            found.push(Found::New(standing));
            self.passed.push(self.progress.passed_ns());
            let waits = standing == Standing::Ahead || !self.held.is_empty();
            if waits || counts_at_once(standing, batch.kind[row]) {
                break;
            }
        }
        self.duplicates.look_ahead(&batch.key[from..from + found.len()]);
        let remembered_ns = ns_from_s(self.settings.duplicates_s);
        for ((row, found), passed_ns) in (from..).zip(found).zip(&self.passed) {
            if let Found::New(Standing::InTime | Standing::Late | Standing::Behind { .. }) = found
                && batch.part[row] != Part::Progress
                && self.duplicates.seen(batch.key[row], batch.time_ns[row], passed_ns.saturating_sub(remembered_ns))
            {
                *found = Found::Repeated;
            }
        }
    }

    /// A line that its partition has passed waits until event time has too.
    fn let_wait(&mut self, batch: &Observations, row: usize, passed_ns: i64, registry: &Registry) {
        let due_ns = Latecomers::due_ns(passed_ns);
        let waits =
            due_ns > self.advanced_to_ns && batch.part[row] != Part::Progress && Latecomers::concerns(batch.kind[row]);
        let clock_sd_s = self.weather.newest_clock_sd_s(batch.node[row]);
        if !waits || !self.latecomers.wait(batch, row, due_ns, clock_sd_s) {
            self.accept_late(batch, row, registry);
        }
    }

    /// Takes in an observation that is late and need not wait.
    pub(super) fn accept_late(&mut self, batch: &Observations, row: usize, registry: &Registry) {
        let clock_sd_s = self.weather.newest_clock_sd_s(batch.node[row]);
        self.accept(batch, row, Came::late(clock_sd_s), registry);
    }

    /// Takes in the late lines whose waiting ends by then; what comes before them is settled first.
    pub(super) fn take_late(&mut self, by_ns: i64, registry: &Registry) {
        while let Some((due_ns, lines, clocks_sd_s)) = self.latecomers.next(by_ns) {
            if due_ns > self.advanced_to_ns {
                self.settle(due_ns, due_ns, registry);
            }
            for row in Latecomers::in_order(&lines) {
                self.accept(&lines, row, Came::late(clocks_sd_s[row]), registry);
            }
        }
    }

    /// Takes in an observation that is new.
    pub(super) fn accept(&mut self, batch: &Observations, row: usize, came: Came, registry: &Registry) {
        let late = came.late_clock_sd_s.is_some();
        if !late {
            self.oldest_ns = self.oldest_ns.min(batch.time_ns[row]);
        }
        self.newest_ns = self.newest_ns.max(batch.time_ns[row]);
        if batch.part[row] == Part::Progress {
            return;
        }
        match late {
            true => self.counts.late += 1,
            false => self.counts.accepted += 1,
        }
        let kind = batch.kind[row];
        // Nobody but fire asks for the weather.
        if kind == Kind::Status && self.settings.fire.on {
            let status = batch.statuses.row(batch.detail[row] as usize);
            self.weather.note(batch.node[row], batch.time_ns[row], &status);
        }
        if !late && batch.part[row] == Part::Own {
            self.note_who_is_up(batch, row, registry);
        }
        let world = World { passed_ns: came.passed_ns, ..World::new(registry, &self.places, &self.settings) };
        if self.settings.fire.on {
            let now = Now {
                weather: &self.weather,
                watermark_ns: self.progress.watermark_ns(),
                heard_until_ns: heard_until_ns(&self.progress, &self.settings),
                late_clock_sd_s: came.late_clock_sd_s,
            };
            self.fire.observe(batch, row, now, world, &mut self.book);
        }
        if self.settings.fire.on {
            self.slow.observe(batch, row, world);
        }
        let is_own = batch.part[row] != Part::Halo;
        for &rule in &self.heeded_by[kind as usize] {
            let rule = &mut self.rules[rule];
            if is_own || rule.sees_all() {
                rule.observe(batch, row, world, &mut self.book);
            }
        }
    }
}

impl Engine {
    /// Notes for escalations that something came of a node, and what it told of the weather.
    #[inline]
    fn note_who_is_up(&mut self, batch: &Observations, row: usize, registry: &Registry) {
        if self.escalation.is_none() && self.bin_teller.is_none() {
            return;
        }
        let (node, time_ns) = (batch.node[row], batch.time_ns[row]);
        let status = (batch.kind[row] == Kind::Status).then(|| batch.statuses.row(batch.detail[row] as usize));
        let world = World::new(registry, &self.places, &self.settings);
        let is_up = status.as_ref().is_none_or(|status| status.health != Health::Offline);
        let weather = status.map(|status| (status.wind_speed_m_s, status.noise_db));
        // Where it is shared out, who judges hears what it has told itself.
        if let Some(teller) = &mut self.bin_teller {
            weather
                .into_iter()
                .for_each(|(wind_m_s, noise_db)| teller.weather(node, time_ns, wind_m_s, noise_db, world));
            if is_up {
                teller.hear(node, time_ns);
            }
        } else if let Some(watch) = &mut self.escalation {
            weather
                .into_iter()
                .for_each(|(wind_m_s, noise_db)| watch.weather(node, time_ns, wind_m_s, noise_db, world));
            if is_up {
                watch.hear(node, time_ns);
            }
        }
    }
}

/// Whether it comes late and does not wait for others.
fn counts_at_once(standing: Standing, kind: Kind) -> bool {
    match standing {
        Standing::Late => true,
        Standing::Behind { .. } => !Latecomers::concerns(kind),
        _ => false,
    }
}

fn heard_until_ns(progress: &Progress, settings: &Settings) -> i64 {
    progress.watermark_ns().saturating_add(ns_from_s(settings.lateness_s - DELIVERY_S))
}
