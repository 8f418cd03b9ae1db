//! What a page needs of all alerts: those of the day in full, and of the thirty days before what counts.

use super::chart::{Bar, DAYS};
use crate::model::alert::{Alert, AlertFeature, Class};
use crate::model::daily::Figures;
use crate::model::day::Day;
use crate::report::figures::Entry;
use crate::report::ledger::{Ledger, Taken};
use std::collections::BTreeMap;

/// Takes in revisions of alerts in any order.
pub struct Collector {
    day: Day,
    offset_s: i32,
    theatre: String,
    ledger: Ledger,
    /// The newest revisions of alerts that touch the day.
    of_day: BTreeMap<String, AlertFeature>,
    /// Newest revisions that lie after the day: an older one may lie in it.
    later: BTreeMap<String, u32>,
    newest_ns: Option<i64>,
    revisions: u64,
    left_out: u64,
}

impl Collector {
    /// For a page about that day, of clocks that are `offset_s` ahead of UTC.
    pub fn new(day: Day, offset_s: i32, theatre: &str) -> Collector {
        let mut ledger = Ledger::new(theatre, offset_s);
        ledger.close_before(day.plus(1 - DAYS));
        Collector {
            day,
            offset_s,
            theatre: theatre.to_owned(),
            ledger,
            of_day: BTreeMap::new(),
            later: BTreeMap::new(),
            newest_ns: None,
            revisions: 0,
            left_out: 0,
        }
    }

    /// A revision of an alert.
    pub fn take(&mut self, feature: AlertFeature) {
        let alert = &feature.properties;
        self.revisions += 1;
        let newest_ns = alert.to.unwrap_or(alert.time).0;
        self.newest_ns = Some(self.newest_ns.map_or(newest_ns, |before| before.max(newest_ns)));
        if self.later.get(&alert.alert).is_some_and(|&revision| revision > alert.revision) {
            return;
        }
        if Day::of(alert.time.0, self.offset_s) > self.day {
            self.later.insert(alert.alert.clone(), alert.revision);
            // What lies in later days takes no room, unless an older revision is to be replaced.
            if !self.ledger.knows(&alert.alert) {
                return;
            }
        }
        match self.ledger.take(alert) {
            Taken::Changed => {}
            Taken::Full => {
                self.left_out += 1;
                return;
            }
            Taken::Known | Taken::TooLate => return,
        }
        if self.touches_day(&Entry::of(alert)) {
            self.of_day.insert(alert.alert.clone(), feature);
        } else {
            self.of_day.remove(&alert.alert);
        }
    }

    fn touches_day(&self, entry: &Entry) -> bool {
        entry.touches(self.day.begins_ns(self.offset_s), self.day.plus(1).begins_ns(self.offset_s))
    }

    /// The day.
    pub fn day(&self) -> Day {
        self.day
    }

    /// By how much its clocks are ahead of UTC, seconds.
    pub fn offset_s(&self) -> i32 {
        self.offset_s
    }

    /// The theatre's name as a sector.
    pub fn theatre(&self) -> &str {
        &self.theatre
    }

    /// The newest time that any alert tells of, nanoseconds.
    pub fn newest_ns(&self) -> Option<i64> {
        self.newest_ns
    }

    /// Revisions taken in.
    pub fn revisions(&self) -> u64 {
        self.revisions
    }

    /// Alerts for which there was no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The sectors that alerts name, the theatre among them.
    pub fn sectors(&self) -> impl Iterator<Item = &str> {
        self.ledger.sectors()
    }

    /// The figures of the day and of the days before, for one sector.
    pub fn days(&self, sector: &str) -> (Figures, Vec<Bar>) {
        let now_ns = self.newest_ns.unwrap_or(i64::MIN);
        let mut last = Figures::default();
        let bars = (1 - DAYS..=0)
            .map(|back| {
                let day = self.day.plus(back);
                let figures = self.ledger.figures(day, now_ns).remove(sector).unwrap_or_default();
                let fire = figures.fire;
                let explosions = fire.explosions.all().count;
                let bar = Bar {
                    day,
                    explosions,
                    other_fire: fire.all().count - explosions,
                    hours_lost: figures.coverage.node_hours_lost,
                    is_known: self.ledger.knows_of(day),
                };
                last = figures;
                bar
            })
            .collect();
        (last, bars)
    }

    /// The alerts of the day that count, of one sector: the gravest first, then the surest, then in order of time.
    pub fn gravest(&self, sector: &str) -> Vec<&AlertFeature> {
        let mut alerts: Vec<&AlertFeature> = self.of_sector(sector).collect();
        alerts.sort_by(|a, b| {
            let (a, b) = (&a.properties, &b.properties);
            let by_gravity = b.severity.cmp(&a.severity).then(b.violation.cmp(&a.violation));
            by_gravity.then(b.probability.total_cmp(&a.probability)).then((a.time, &a.alert).cmp(&(b.time, &b.alert)))
        });
        alerts
    }

    /// Silences and tamperings that touch the day, in order of their beginning.
    pub fn gaps(&self, sector: &str) -> Vec<&AlertFeature> {
        let is_gap =
            |alert: &Alert| matches!(alert.class, Class::SensorSilent | Class::SensorTamper) && alert.sign.is_none();
        let mut gaps: Vec<&AlertFeature> = self.of_sector(sector).filter(|it| is_gap(&it.properties)).collect();
        gaps.sort_by_key(|it| (it.properties.time, it.properties.alert.clone()));
        gaps
    }

    fn of_sector(&self, sector: &str) -> impl Iterator<Item = &AlertFeature> {
        let is_theatre = sector == self.theatre;
        let is_in =
            move |feature: &AlertFeature| is_theatre || feature.properties.sectors.iter().any(|it| it == sector);
        self.of_day.values().filter(move |it| is_in(it) && Entry::of(&it.properties).counts())
    }
}
