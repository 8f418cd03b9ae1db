//! Which engine settings can be, and the digest that stands on every alert.

use super::associate::ground::MAX_LAYERS;
use super::settings::Settings;
use crate::model::fault::Fault;
use sha2::{Digest, Sha256};

/// Longest lateness: every window holds that much.
pub const MAX_LATENESS_S: f64 = 3600.0;
/// Longest amend horizon: two weeks of alerts stay open to late evidence.
pub const MAX_AMEND_HORIZON_S: f64 = 14.0 * 86_400.0;
/// Most arrivals that may be asked of an event.
pub const MAX_MIN_ARRIVALS: usize = 64;
/// Most plots in a row that may be asked of a crossing.
pub const MAX_PLOTS: usize = 100;

impl Settings {
    /// Every value that is out of range, by its key below `engine`; empty when all can be.
    pub fn faults(&self) -> Vec<Fault> {
        const DAY_S: f64 = 86_400.0;
        let Settings {
            fire,
            coincidence,
            tracks,
            dark,
            silence,
            interference,
            emitters,
            identity,
            loitering,
            weapons,
            repeats,
            sites,
            lines,
            severity,
            escalation,
            ..
        } = self;
        let numbers = [
            ("lateness_s", self.lateness_s, 0.0, MAX_LATENESS_S, "seconds"),
            ("amend_horizon_s", self.amend_horizon_s, 0.0, MAX_AMEND_HORIZON_S, "seconds"),
            ("max_future_s", self.max_future_s, 0.0, DAY_S, "seconds"),
            ("idle_after_s", self.idle_after_s, 0.1, DAY_S, "seconds"),
            ("duplicates_s", self.duplicates_s, 0.0, DAY_S, "seconds"),
            ("fire.preliminary_p", fire.preliminary_p, 0.01, 0.999_999, "(a probability)"),
            ("fire.min_p", fire.min_p, 0.01, 0.999_999, "(a probability)"),
            ("fire.events_per_hour", fire.events_per_hour, 1e-6, 1e6, "events an hour"),
            ("fire.path_sd_share", fire.path_sd_share, 0.0, 0.5, "(a share of the travel time)"),
            ("fire.seismic.p_m_s", fire.seismic.p_m_s, 100.0, 15_000.0, "m/s"),
            ("fire.seismic.s_m_s", fire.seismic.s_m_s, 100.0, 15_000.0, "m/s"),
            ("fire.seismic.lg_m_s", fire.seismic.lg_m_s, 100.0, 15_000.0, "m/s"),
            ("fire.seismic.depth_m", fire.seismic.depth_m, 0.0, 700_000.0, "metres"),
            ("fire.seismic.path_sd_share", fire.seismic.path_sd_share, 0.0, 0.5, "(a share of the travel time)"),
            ("coincidence.within_s", coincidence.within_s, 0.1, 60.0, "seconds"),
            ("coincidence.cell_deg", coincidence.cell_deg, 0.001, 10.0, "degrees"),
            ("coincidence.probability", coincidence.probability, 0.01, 0.999, "(a probability)"),
            ("tracks.enter_p", tracks.enter_p, 0.5, 1.0, "(a probability)"),
            ("tracks.leave_p", tracks.leave_p, 0.0, 0.5, "(a probability)"),
            ("tracks.object_sd_m", tracks.object_sd_m, 0.01, 1e6, "metres"),
            ("tracks.lost_after_s", tracks.lost_after_s, 1.0, 30.0 * DAY_S, "seconds"),
            ("dark.intervals", dark.intervals, 1.0, 1e6, "intervals"),
            ("dark.min_gap_s", dark.min_gap_s, 1.0, 30.0 * DAY_S, "seconds"),
            ("dark.near_m", dark.near_m, 0.0, 1e6, "metres"),
            ("interference.ends_after_s", interference.ends_after_s, 1.0, DAY_S, "seconds"),
            ("interference.reach_m", interference.reach_m, 100.0, 1e6, "metres"),
            ("interference.single_p", interference.single_p, 0.001, 0.999, "(a probability)"),
            ("interference.power_sd_db", interference.power_sd_db, 0.5, 40.0, "dB"),
            ("emitters.ends_after_s", emitters.ends_after_s, 1.0, DAY_S, "seconds"),
            ("emitters.speed_m_s", emitters.speed_m_s, 0.0, 10_000.0, "m/s"),
            ("identity.sea_m_s", identity.sea_m_s, 1.0, 1e4, "m/s"),
            ("identity.air_m_s", identity.air_m_s, 1.0, 1e5, "m/s"),
            ("identity.node_m_s", identity.node_m_s, 1.0, 1e5, "m/s"),
            ("identity.min_jump_m", identity.min_jump_m, 0.0, 1e6, "metres"),
            ("identity.forget_after_s", identity.forget_after_s, 1.0, DAY_S, "seconds"),
            ("loitering.near_m", loitering.near_m, 0.0, 1e6, "metres"),
            ("loitering.within_m", loitering.within_m, 1.0, 1e5, "metres"),
            ("loitering.after_s", loitering.after_s, 60.0, 7.0 * DAY_S, "seconds"),
            ("weapons.min_p", weapons.min_p, 0.01, 1.0, "(a probability)"),
            ("weapons.ends_after_s", weapons.ends_after_s, 1.0, 7.0 * DAY_S, "seconds"),
            ("silence.heartbeats", silence.heartbeats, 1.0, 1e6, "heartbeats"),
            ("silence.cluster.near_m", silence.cluster.near_m, 1.0, 1e6, "metres"),
            ("silence.cluster.within_s", silence.cluster.within_s, 1.0, DAY_S, "seconds"),
            ("repeats.near_m", repeats.near_m, 1.0, 1e5, "metres"),
            ("repeats.within_s", repeats.within_s, 1.0, 366.0 * DAY_S, "seconds"),
            ("repeats.apart_s", repeats.apart_s, 0.0, 30.0 * DAY_S, "seconds"),
            ("sites.near_m", sites.near_m, 0.0, 1e5, "metres"),
            ("sites.min_p", sites.min_p, 0.01, 1.0, "(a probability)"),
            ("lines.min_p", lines.min_p, 0.01, 1.0, "(a probability)"),
            ("escalation.bin_s", escalation.bin_s, 60.0, 3600.0, "seconds"),
            ("escalation.cell_m", escalation.cell_m, 500.0, 100_000.0, "metres"),
            ("escalation.memory_h", escalation.memory_h, 1.0, 8766.0, "hours"),
            ("escalation.least_history_h", escalation.least_history_h, 0.5, 8766.0, "hours"),
            ("escalation.level_1_per_year", escalation.level_1_per_year, 1e-3, 1e4, "a year"),
            ("escalation.level_2_per_year", escalation.level_2_per_year, 1e-3, 1e4, "a year"),
            ("escalation.agree_p", escalation.agree_p, 1e-9, 0.5, "(a probability)"),
            ("escalation.quiet_s", escalation.quiet_s, 0.0, 30.0 * DAY_S, "seconds"),
            ("escalation.storm_wind_m_s", escalation.storm_wind_m_s, 1.0, 100.0, "m/s"),
            ("escalation.storm_noise_db", escalation.storm_noise_db, 1.0, 100.0, "dB"),
        ];
        let mut faults: Vec<Fault> = numbers
            .into_iter()
            .filter_map(|(key, held, least, most, unit)| Fault::unless_within(key, held, least, most, unit))
            .collect();
        if self.amend_horizon_s < self.lateness_s {
            faults.push(Fault::new(
                "amend_horizon_s",
                self.amend_horizon_s,
                format!("at least lateness_s, which is {}", self.lateness_s),
            ));
        }
        if escalation.level_2_per_year > escalation.level_1_per_year {
            faults.push(Fault::new(
                "escalation.level_2_per_year",
                escalation.level_2_per_year,
                format!("at most level_1_per_year, which is {}", escalation.level_1_per_year),
            ));
        }
        let layers = &fire.seismic.layers;
        let tops_m = || std::iter::once(0.0).chain(layers.iter().map(|layer| layer.top_m));
        let speeds = || layers.iter().flat_map(|layer| [layer.p_m_s, layer.s_m_s]);
        let sinks = tops_m().zip(tops_m().skip(1)).all(|(above_m, below_m)| above_m < below_m && below_m <= 700_000.0);
        if layers.len() > MAX_LAYERS || !sinks || !speeds().all(|speed_m_s| (100.0..=15_000.0).contains(&speed_m_s)) {
            faults.push(Fault::new(
                "fire.seismic.layers",
                format!("{} layers with tops at {:?} m", layers.len(), tops_m().skip(1).collect::<Vec<_>>()),
                format!("at most {MAX_LAYERS} layers, each deeper than the one before, of 100 to 15000 m/s"),
            ));
        }
        let counts = [
            ("fire.min_arrivals", fire.min_arrivals, 2, MAX_MIN_ARRIVALS),
            ("coincidence.nodes", coincidence.nodes as usize, 2, MAX_MIN_ARRIVALS),
            ("tracks.plots", tracks.plots, 1, MAX_PLOTS),
            ("silence.cluster.nodes", silence.cluster.nodes, 2, 1_000_000),
            ("severity.impact", severity.impact.into(), 1, 5),
            ("severity.outgoing", severity.outgoing.into(), 1, 5),
            ("severity.other_fire", severity.other_fire.into(), 1, 5),
            ("severity.weapons", severity.weapons.into(), 1, 5),
            ("severity.incursion", severity.incursion.into(), 1, 5),
            ("severity.other", severity.other.into(), 1, 5),
            ("severity.protected_site", severity.protected_site.into(), 0, 4),
            ("severity.many", severity.many as usize, 2, u32::MAX as usize),
            ("severity.no_violation", severity.no_violation.into(), 0, 4),
        ];
        for (key, held, least, most) in counts {
            if held < least || held > most {
                faults.push(Fault::new(key, held, format!("a whole number from {least} to {most}")));
            }
        }
        faults
    }

    /// SHA-256 (64 hex digits) of the settings that alerts hang on, in their RFC 8785 canonical form: the same settings
    /// give the same digest on every machine. No alert hangs on `escalation`, which is left out. Values that JSON cannot
    /// hold, which [`Settings::faults`] refuses, count as null.
    pub fn digest(&self) -> String {
        // Through `Value`, where a number that is not finite becomes null instead of an error; the tree holds
        // nothing else that could fail.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(sections) = value.as_object_mut() {
            sections.remove("escalation");
        }
        sha256_of(&value)
    }

    /// The same of all settings.
    pub fn whole_digest(&self) -> String {
        sha256_of(&serde_json::to_value(self).unwrap_or_default())
    }
}

fn sha256_of(value: &serde_json::Value) -> String {
    let canonical = serde_json_canonicalizer::to_vec(value).unwrap_or_default();
    Sha256::digest(&canonical).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_fault() {
        assert_eq!(Settings::default().faults(), []);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut settings = Settings { lateness_s: f64::NAN, max_future_s: -1.0, ..Settings::default() };
        settings.fire.min_arrivals = 1;
        settings.severity.impact = 6;
        let keys: Vec<String> = settings.faults().into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["lateness_s", "max_future_s", "fire.min_arrivals", "severity.impact"]);
    }

    #[test]
    fn a_horizon_nearer_than_the_lateness_is_a_fault() {
        let settings = Settings { lateness_s: 30.0, amend_horizon_s: 10.0, ..Settings::default() };
        assert_eq!(
            settings.faults()[0].to_string(),
            "amend_horizon_s held 10; expected at least lateness_s, which is 30"
        );
    }

    #[test]
    fn the_digest_tells_settings_apart() {
        let settings = Settings::default();
        let mut other = settings.clone();
        assert_eq!(settings.digest(), other.digest());
        other.fire.seismic.depth_m = 1.0;
        assert_ne!(settings.digest(), other.digest());
        assert_eq!(settings.digest().len(), 64);
    }
}
