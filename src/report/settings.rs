//! The section `[report]` of the configuration.

use crate::model::fault::Fault;
use serde::{Deserialize, Serialize};

/// How daily reports are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSettings {
    /// The name under which the whole theatre's figures are published, as if it were a sector.
    pub theatre: String,
    /// How far event time must be past a day's end before the day is reported, seconds.
    pub grace_s: f64,
    /// How long event time must have stood still before the wall's clock, past the end and the grace, closes a day in its
    /// place, seconds.
    pub quiet_s: f64,
    /// Between two looks whether there is something to report, seconds: a day that is amended again and again is
    /// published no more often than that.
    pub every_s: f64,
    /// How many days before that of event time may still be amended.
    pub days: u32,
}

impl Default for ReportSettings {
    fn default() -> ReportSettings {
        ReportSettings { theatre: "theatre".to_owned(), grace_s: 3600.0, quiet_s: 600.0, every_s: 60.0, days: 30 }
    }
}

impl ReportSettings {
    /// Every value that is out of range.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = [
            Fault::unless_within("grace_s", self.grace_s, 0.0, 86_400.0, "seconds"),
            Fault::unless_within("quiet_s", self.quiet_s, 1.0, 86_400.0, "seconds"),
            Fault::unless_within("every_s", self.every_s, 0.1, 86_400.0, "seconds"),
            Fault::unless_within("days", f64::from(self.days), 1.0, 366.0, "days"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.theatre.trim().is_empty() {
            faults.push(Fault::new("theatre", "nothing", "a name"));
        }
        faults
    }

    /// The days back, as days are counted.
    pub fn days_back(&self) -> i32 {
        i32::try_from(self.days).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_and_nonsense_is_named() {
        assert_eq!(ReportSettings::default().faults(), []);
        let wrong = ReportSettings { theatre: " ".to_owned(), grace_s: -1.0, quiet_s: 0.0, every_s: f64::NAN, days: 0 };
        let keys: Vec<String> = wrong.faults().into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["grace_s", "quiet_s", "every_s", "days", "theatre"]);
    }
}
