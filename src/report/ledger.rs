//! The newest revision of every alert of the days that are open.
//!
//! Days are open from a first one on; when that moves, what lies before it is forgotten, and what comes later of it is
//! counted and changes nothing. So memory is bounded, and a report stands from then on.

use super::figures::{Entry, Sum};
use crate::model::alert::Alert;
use crate::model::daily::Figures;
use crate::model::day::Day;
use std::collections::{BTreeMap, BTreeSet};

/// Most alerts that are held. At it the oldest day is closed before its time; when all are of one day, those that come
/// are left out and counted.
pub const MAX_ALERTS: usize = 500_000;

/// What became of an alert that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may change figures.
    Changed,
    /// It says what is known, or is an older revision.
    Known,
    /// Its day is closed.
    TooLate,
    /// There is no room for it.
    Full,
}

/// Alerts by day.
#[derive(Clone, Debug)]
pub struct Ledger {
    theatre: String,
    offset_s: i32,
    most: usize,
    alerts: BTreeMap<String, Entry>,
    /// Ids by the day of their time; those of silences and tamperings are not among them.
    by_day: BTreeMap<Day, BTreeSet<String>>,
    /// Silences and tamperings, which touch many days.
    spells: BTreeSet<String>,
    sectors: BTreeSet<String>,
    /// Days before it are closed.
    first: Day,
    /// Days whose figures may have changed since they were last asked for.
    changed: BTreeSet<Day>,
    /// The last day that event time is known to have reached.
    last: Option<Day>,
    /// The last day that was closed for want of room.
    crowded_out: Option<Day>,
}

impl Ledger {
    /// An empty one, all days open; the whole theatre counts as a sector of that name. Days are those of clocks that
    /// are `offset_s` ahead of UTC.
    pub fn new(theatre: &str, offset_s: i32) -> Ledger {
        Ledger {
            theatre: theatre.to_owned(),
            offset_s,
            most: MAX_ALERTS,
            alerts: BTreeMap::new(),
            by_day: BTreeMap::new(),
            spells: BTreeSet::new(),
            sectors: BTreeSet::from([theatre.to_owned()]),
            first: Day(i32::MIN),
            changed: BTreeSet::new(),
            last: None,
            crowded_out: None,
        }
    }

    /// A sector that is reported on though nothing may happen in it; whether it is new.
    pub fn know_sector(&mut self, sector: &str) -> bool {
        !self.sectors.contains(sector) && self.sectors.insert(sector.to_owned())
    }

    /// Takes in a revision of an alert. Of two revisions the higher holds, of two alike the later.
    pub fn take(&mut self, alert: &Alert) -> Taken {
        let entry = Entry::of(alert);
        let known = self.alerts.get(&alert.alert);
        if known.is_some_and(|known| known.revision > entry.revision || *known == entry) {
            return Taken::Known;
        }
        let reaches = Day::of(entry.lasted_to_ns.unwrap_or(entry.time_ns), self.offset_s);
        if known.is_none() && reaches < self.first {
            return Taken::TooLate;
        }
        // Once known, it is kept as what it has become: its earlier revisions must not come back.
        if known.is_none() && !self.has_room() {
            return Taken::Full;
        }
        // What lasts has lasted to here, also what is replaced.
        self.reach(self.day(entry.time_ns));
        self.forget(&alert.alert);
        for sector in &entry.sectors {
            self.know_sector(sector);
        }
        self.touch(&entry);
        if entry.lasted_to_ns.is_some() {
            self.spells.insert(alert.alert.clone());
        } else {
            let day = Day::of(entry.time_ns, self.offset_s);
            self.by_day.entry(day).or_default().insert(alert.alert.clone());
        }
        self.alerts.insert(alert.alert.clone(), entry);
        Taken::Changed
    }

    /// Event time has come to this day: what lasts, lasts to there.
    pub fn reach(&mut self, day: Day) {
        self.last = Some(self.last.map_or(day, |last| last.max(day)));
    }

    /// Closes the days before `first`: they change no more.
    pub fn close_before(&mut self, first: Day) {
        if first <= self.first {
            return;
        }
        self.first = first;
        while let Some((&day, _)) = self.by_day.first_key_value()
            && day < first
            && let Some(ids) = self.by_day.remove(&day)
        {
            for id in ids {
                self.alerts.remove(&id);
            }
        }
        let begins_ns = first.begins_ns(self.offset_s);
        let is_over = |entry: &Entry| entry.lasted_to_ns.is_some_and(|to_ns| to_ns < begins_ns);
        let over: Vec<String> =
            self.spells.iter().filter(|id| self.alerts.get(*id).is_some_and(is_over)).cloned().collect();
        for id in over {
            self.spells.remove(&id);
            self.alerts.remove(&id);
        }
        self.changed = self.changed.split_off(&first);
    }

    /// Whether any revision of an alert is held.
    pub fn knows(&self, id: &str) -> bool {
        self.alerts.contains_key(id)
    }

    /// Whether something is known of a day: an alert lies in it, or a silence or tampering touches it.
    pub fn knows_of(&self, day: Day) -> bool {
        let (from_ns, to_ns) = (day.begins_ns(self.offset_s), day.plus(1).begins_ns(self.offset_s));
        let touched = || self.spells.iter().filter_map(|id| self.alerts.get(id)).any(|it| it.touches(from_ns, to_ns));
        self.by_day.contains_key(&day) || touched()
    }

    /// The last day that was closed before its time because [`MAX_ALERTS`] were held, since the last call.
    pub fn take_crowded_out(&mut self) -> Option<Day> {
        self.crowded_out.take()
    }

    /// The first day that is open; the earliest there is where none has been closed.
    pub fn first_open(&self) -> Day {
        self.first
    }

    /// From the first open day on which something happened to the last that event time has reached.
    pub fn span(&self) -> Option<(Day, Day)> {
        let first_spell =
            || self.spells.iter().filter_map(|id| self.alerts.get(id)).map(|entry| self.day(entry.time_ns)).min();
        let first = self.by_day.keys().next().copied().into_iter().chain(first_spell()).min()?;
        Some((first.max(self.first), self.last?.max(first)))
    }

    /// The sectors that are reported on, the theatre among them.
    pub fn sectors(&self) -> impl Iterator<Item = &str> {
        self.sectors.iter().map(String::as_str)
    }

    /// Days whose figures may have changed since the last call, in order, up to the last that event time has reached.
    pub fn take_changed(&mut self) -> BTreeSet<Day> {
        std::mem::take(&mut self.changed)
    }

    /// The figures of a day for every sector; what still lasts, lasts to `now_ns`.
    pub fn figures(&self, day: Day, now_ns: i64) -> BTreeMap<String, Figures> {
        let (from_ns, to_ns) = (day.begins_ns(self.offset_s), day.plus(1).begins_ns(self.offset_s));
        let day_ns = (from_ns, to_ns.min(now_ns.max(from_ns)));
        let mut sums: BTreeMap<&str, Sum> = self.sectors().map(|sector| (sector, Sum::default())).collect();
        let of_day = self.by_day.get(&day).into_iter().flatten();
        let entries = of_day.chain(&self.spells).filter_map(|id| self.alerts.get(id));
        for entry in entries.filter(|entry| entry.touches(from_ns, to_ns)) {
            let mut sectors: Vec<&str> = entry.sectors.iter().map(String::as_str).collect();
            sectors.push(&self.theatre);
            sectors.sort_unstable();
            sectors.dedup();
            for sector in sectors {
                sums.entry(sector).or_default().add(entry, day_ns);
            }
        }
        sums.into_iter().map(|(sector, sum)| (sector.to_owned(), sum.close())).collect()
    }

    fn day(&self, time_ns: i64) -> Day {
        Day::of(time_ns, self.offset_s)
    }

    /// Takes an alert out, and notes whose figures that may change.
    fn forget(&mut self, id: &str) {
        let Some(entry) = self.alerts.remove(id) else { return };
        self.touch(&entry);
        self.spells.remove(id);
        let day = self.day(entry.time_ns);
        if let Some(ids) = self.by_day.get_mut(&day) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_day.remove(&day);
            }
        }
    }

    fn touch(&mut self, entry: &Entry) {
        let from = self.day(entry.time_ns);
        let last = self.last.map_or(from, |last| last.max(from));
        let to = match entry.lasted_to_ns {
            None => from,
            Some(i64::MAX) => last,
            Some(to_ns) => self.day(to_ns),
        };
        self.last = Some(last.max(to));
        let mut day = from.max(self.first);
        while day <= to {
            self.changed.insert(day);
            day = day.plus(1);
        }
    }

    fn has_room(&mut self) -> bool {
        while self.alerts.len() >= self.most {
            let mut days = self.by_day.keys();
            let (Some(&oldest), Some(_)) = (days.next(), days.next()) else { return false };
            self.crowded_out = Some(oldest);
            self.close_before(oldest.plus(1));
        }
        true
    }
}

#[cfg(test)]
pub(super) mod tests;
