//! The nodes: what the registry says of each, and what only the simulator knows (its clock, its life).

use super::chance::Chance;
use crate::model::geo::LonLat;
use crate::model::kind::{Component, Kind, KindSet};
use crate::model::node::Node;
use crate::model::time::{ns_from_s, s_from_ns};

/// A node with what the registry does not know of it.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// What the registry says.
    pub(super) node: Node,
    /// Where it stands; a moving node, where it starts.
    pub(super) place: LonLat,
    /// Its picks' uncertainty.
    pub(super) pick_sd_s: f64,
    /// Whether each pick carries that uncertainty (else the registry's holds).
    pub(super) tells_sd: bool,
    /// How far its clock is ahead at the start, seconds.
    pub(super) clock_ahead_s: f64,
    /// What it says of its clock.
    pub(super) clock_sd_s: f64,
    /// When nothing keeps its clock, nanoseconds, from–to.
    pub(super) unkept: Vec<(i64, i64)>,
    /// Bearing uncertainty of an array; `None` for a single microphone.
    pub(super) azimuth_sd_deg: Option<f64>,
    /// Its share of the scene's clutter, relative to the others.
    pub(super) clutter_weight: f64,
    /// Noise where it stands, pascals.
    pub(super) noise_pa: f64,
    /// When it is down, nanoseconds, from–to.
    pub(super) outages: Vec<(i64, i64)>,
}

impl Site {
    /// A node that works and keeps good time.
    pub(super) fn new(name: String, kinds: &[Kind], place: LonLat) -> Site {
        let kinds = kinds.iter().fold(KindSet::default().with(Kind::Status), |set, &kind| set.with(kind));
        let node = Node {
            kinds,
            position: Some(place),
            component: Some(Component::Ground),
            registered: true,
            ..Node::unregistered(&name)
        };
        Site {
            node,
            place,
            pick_sd_s: 0.1,
            tells_sd: false,
            clock_ahead_s: 0.0,
            clock_sd_s: 0.01,
            unkept: Vec::new(),
            azimuth_sd_deg: None,
            clutter_weight: 0.0,
            noise_pa: 0.03,
            outages: Vec::new(),
        }
    }

    /// A microphone, or an array of them: timing sigma 0.05–0.15 s, one clock in ten off by 0.1–0.5 s, one in six
    /// an array, noise and clutter of its own.
    pub(super) fn microphone(name: String, place: LonLat, range_m: f64, heartbeat_s: f64, chance: &mut Chance) -> Site {
        let mut site = Site::new(name, &[Kind::Acoustic], place);
        site.pick_sd_s = (chance.range(0.05, 0.15) * 1000.0).round() / 1000.0;
        site.tells_sd = chance.yes(0.3);
        let bad_clock = chance.yes(0.1);
        let (ahead_s, sign) = (chance.range(0.1, 0.5), if chance.yes(0.5) { 1.0 } else { -1.0 });
        site.clock_ahead_s = if bad_clock { sign * ahead_s } else { 0.005 * chance.normal() };
        site.clock_sd_s = if bad_clock { 0.3 } else { 0.01 };
        let (array, azimuth_sd_deg) = (chance.yes(1.0 / 6.0), chance.range(1.5, 4.0));
        site.azimuth_sd_deg = array.then_some((azimuth_sd_deg * 10.0).round() / 10.0);
        site.clutter_weight = chance.log_normal(1.0, 0.6);
        site.noise_pa = chance.log_normal(0.03, 0.5);
        site.node.range_m = Some(range_m);
        site.node.time_sd_s = Some(site.pick_sd_s);
        site.node.detect_p = Some((chance.range(0.85, 0.98) * 100.0).round() / 100.0);
        site.node.heartbeat_s = Some(heartbeat_s);
        site
    }

    /// Whether it is up at that time.
    pub(super) fn up(&self, at_ns: i64) -> bool {
        !self.outages.iter().any(|&(from_ns, to_ns)| (from_ns..to_ns).contains(&at_ns))
    }

    /// What it says of its clock at that time: one that nothing keeps is off by a millisecond, and by a part in a million more.
    pub(super) fn clock_sd_s_at(&self, at_ns: i64) -> f64 {
        let span = self.unkept.iter().find(|&&(from_ns, to_ns)| (from_ns..to_ns).contains(&at_ns));
        span.map_or(self.clock_sd_s, |&(from_ns, _)| 1e-3 + 1e-6 * s_from_ns(at_ns - from_ns))
    }

    /// How far its clock is ahead `at_s` into the scene: what it started with and a slow wave of a tenth of that.
    pub(super) fn clock_s(&self, at_s: f64) -> f64 {
        self.clock_ahead_s * (1.0 + 0.1 * (at_s / 7200.0).sin())
    }

    /// One node in 25 dies for good, one in 12 is down for a while: 5–30% of the scene.
    pub(super) fn may_fail(&mut self, from_ns: i64, to_ns: i64, chance: &mut Chance) {
        let span_s = s_from_ns(to_ns - from_ns);
        let (fate, at_s) = (chance.uniform(), chance.range(0.05, 0.95) * span_s);
        let length_s = chance.range(0.05, 0.3) * span_s;
        let down_ns = from_ns + ns_from_s(at_s);
        if fate < 0.04 {
            self.outages.push((down_ns, i64::MAX));
        } else if fate < 0.04 + 1.0 / 12.0 {
            self.outages.push((down_ns, down_ns + ns_from_s(length_s)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::Purpose;
    use super::*;

    #[test]
    fn microphones_are_as_good_and_as_bad_as_stated() {
        let mut chance = Chance::new(5, Purpose::Sites);
        let place = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
        let sites: Vec<Site> =
            (0..4000).map(|i| Site::microphone(format!("m{i}"), place, 12_000.0, 60.0, &mut chance)).collect();
        assert!(sites.iter().all(|s| (0.05..=0.15).contains(&s.pick_sd_s)));
        let bad: Vec<&Site> = sites.iter().filter(|s| s.clock_sd_s > 0.1).collect();
        assert!((0.08..0.12).contains(&(bad.len() as f64 / 4000.0)), "{}", bad.len());
        assert!(bad.iter().all(|s| (0.1..=0.5).contains(&s.clock_ahead_s.abs())));
        assert!(sites.iter().filter(|s| s.clock_sd_s < 0.1).all(|s| s.clock_ahead_s.abs() < 0.05));
    }

    #[test]
    fn a_node_that_is_down_is_not_up() {
        let mut site = Site::new("n".into(), &[Kind::Acoustic], LonLat { lon_deg: 0.0, lat_deg: 0.0 });
        site.outages.push((10, 20));
        assert!(site.up(9) && !site.up(10) && !site.up(19) && site.up(20));
    }
}
