//! Other waves of an event at nodes that picked its first one: S among picks that nobody named, and picks that were named wrongly.
//!
//! Many detectors call every pick P, or nothing. Where S is picked as well, it makes a second event some tens of seconds
//! after the first and to the side of it, unless the first explains it. Those that do name them are wrong at times: a detector
//! of S starts at a strong P, and makes an event some seconds early. So a pick that comes when the other wave
//! is due, at a node which picked the same event's P, counts as evidence, of
//!
//! ln p/(1 − p) + ln f(r) − ln c
//!
//! with p half the chance to pick P there where nobody named it, and a tenth of it where it was named as the wave that it is not.
//! It does not move the event: what is wrong with the ground shows in S first. One that was named wrongly is the event's, and costs
//! that much whoever wants it, but makes the event no surer: it mostly is the same onset picked twice, and two picks of one thing
//! prove no more than one.

use super::locate::{Against, Expected, Explained, Free, GATE, Located, Place, Problem};
use super::wave::Wave;
use super::worth::Worth;

/// The chance that S is picked where P was.
const S_P: f64 = 0.5;
/// The chance that one wave is picked by the name of the other where P was.
const MISNAMED_P: f64 = 0.1;

impl Problem<'_> {
    /// When the other wave of an event is due at a site for P or S: the travel time and its variance, s and s².
    pub fn other_due(&self, at: Place, site: u32) -> Option<(f64, f64)> {
        let site = &self.field.sites()[site as usize];
        let other = match site.wave {
            Wave::SeismicP => Wave::SeismicS,
            Wave::SeismicS => Wave::SeismicP,
            _ => return None,
        };
        let travel_s = self.medium.travel(other, site.x_m - at.x_m, site.y_m - at.y_m).time_s;
        let path_sd_s = self.medium.path_sd_s(other, travel_s);
        Some((travel_s + site.ahead_s, path_sd_s * path_sd_s))
    }

    /// The event with the later arrivals that it explains.
    pub fn with_seconds(&self, mut located: Located, against: Against, free: &impl Free) -> Located {
        let seconds = self.seconds(located.at, &located.arrivals, against, free);
        let is_named = |second: &Explained| self.window.arrival(second.slot).is_named;
        located.score += seconds.iter().filter(|second| !is_named(second)).map(|second| second.gain).sum::<f64>();
        located.arrivals.extend(seconds);
        located
    }

    /// The picks that are best explained as the other wave of an event with these first arrivals: at each node that picked P, one
    /// that came as P or unnamed when S is due, and one that came as S when P is.
    fn seconds(&self, at: Place, first: &[Explained], against: Against, free: &impl Free) -> Vec<Explained> {
        let mut seconds = Vec::new();
        let sites = self.field.sites();
        for explained in first {
            let number = self.window.arrival(explained.slot).site;
            let site = &sites[number as usize];
            if site.wave != Wave::SeismicP {
                continue;
            }
            let is_sibling = |&other: &u32| {
                let other = &sites[other as usize];
                other.node == site.node && other.wave == Wave::SeismicS
            };
            let sibling = self.field.near(at.x_m, at.y_m).iter().copied().find(is_sibling);
            let both = std::iter::once(number).chain(sibling);
            seconds.extend(both.filter_map(|number| self.second(at, number, first, against, free)));
        }
        seconds
    }

    /// The pick of a site for P or S that is best explained as the other wave.
    fn second(
        &self,
        at: Place,
        number: u32,
        first: &[Explained],
        against: Against,
        free: &impl Free,
    ) -> Option<Explained> {
        let (travel_s, path_variance) = self.other_due(at, number)?;
        let site = &self.field.sites()[number as usize];
        let due_s = at.time_s + travel_s;
        let gate_s = GATE * (self.window.most_sd_s(number) + path_variance.sqrt());
        let distance_m = ((site.x_m - at.x_m).powi(2) + (site.y_m - at.y_m).powi(2)).sqrt();
        let heard = -site.chance(distance_m).1.exp_m1();
        let mut best: Option<Explained> = None;
        for (_, slot) in self.window.between(number, due_s - gate_s, (due_s + gate_s).min(self.until_s)) {
            if !free.arrival(slot) || first.iter().any(|known| known.slot == slot) {
                continue;
            }
            let p = heard * if self.window.arrival(slot).is_named { MISNAMED_P } else { S_P };
            let expected = Expected {
                number,
                site,
                due_s,
                environment: path_variance,
                ln_heard: (p / (1.0 - p)).ln(),
                // Seismic amplitudes of different stations do not compare.
                loudness: 0.0,
                loudness_is_fitted: true,
                distance_m,
                ln_distance: 0.0,
            };
            let Some(Worth { gain, residual_s, .. }) = self.worth(slot, &expected, against, free) else { continue };
            if gain > best.map_or(0.0, |best| best.gain) {
                best = Some(Explained { slot, site: number, gain, residual_s, residual_deg: None, is_second: true });
            }
        }
        best
    }
}
