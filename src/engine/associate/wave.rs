//! The waves that carry an event to a node, and how long each takes.

use super::celerity;
use super::ground::{Body, BodyWave, Head};
use crate::engine::settings::Fire;
use crate::engine::weather::Air;
use crate::model::kind::{Kind, Phase};
use serde::{Deserialize, Serialize};

/// A wave that a node can pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wave {
    /// Sound in air.
    Acoustic,
    /// Infrasound, guided high up: slower over the ground than sound.
    Infrasound,
    /// Seismic P, and arrivals of unknown phase.
    SeismicP,
    /// Seismic S.
    SeismicS,
    /// Seismic Lg.
    SeismicLg,
    /// Light.
    Flash,
}

/// Speed of light, m/s.
const LIGHT_M_S: f64 = 299_792_458.0;

impl Wave {
    /// All of them, in order.
    pub const ALL: [Wave; 6] =
        [Wave::Acoustic, Wave::Infrasound, Wave::SeismicP, Wave::SeismicS, Wave::SeismicLg, Wave::Flash];

    /// The wave of an observation's kind and phase; `None` for kinds that are no arrivals of an explosion.
    pub fn of(kind: Kind, phase: Option<Phase>) -> Option<Wave> {
        match (kind, phase) {
            (Kind::Acoustic, _) => Some(Wave::Acoustic),
            (Kind::Infrasound, _) => Some(Wave::Infrasound),
            (Kind::Seismic, Some(Phase::S)) => Some(Wave::SeismicS),
            (Kind::Seismic, Some(Phase::Lg)) => Some(Wave::SeismicLg),
            (Kind::Seismic, _) => Some(Wave::SeismicP),
            (Kind::Flash, _) => Some(Wave::Flash),
            _ => None,
        }
    }

    /// How far a node hears it where the registry does not say, m.
    pub fn default_range_m(self) -> f64 {
        match self {
            Wave::Acoustic => 12_000.0,
            Wave::Infrasound | Wave::SeismicP | Wave::SeismicS | Wave::SeismicLg => 150_000.0,
            Wave::Flash => 15_000.0,
        }
    }

    /// The chance that a node in range picks it where the registry does not say.
    pub fn default_detect_p(self) -> f64 {
        match self {
            Wave::Acoustic => 0.7,
            Wave::Infrasound | Wave::SeismicP => 0.5,
            Wave::SeismicS | Wave::SeismicLg | Wave::Flash => 0.3,
        }
    }

    /// Picks an hour that belong to nothing where the registry does not say.
    pub fn default_false_per_hour(self) -> f64 {
        match self {
            Wave::Flash => 2.0,
            _ => 5.0,
        }
    }

    /// Whether a node that did not pick it says something: secondary phases are often hidden in the coda of the first.
    pub fn silence_counts(self) -> bool {
        !matches!(self, Wave::SeismicS | Wave::SeismicLg)
    }
}

/// Travel times in one region at one time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Medium {
    sound_m_s: f64,
    air: Air,
    fire: FireSpeeds,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct FireSpeeds {
    p: BodyWave,
    s: BodyWave,
    lg_m_s: f64,
    depth_m: f64,
    seismic_sd_share: f64,
    sound_sd_share: f64,
}

/// How long a wave takes from a place to a node, and how that changes with the place.
#[derive(Clone, Copy, Debug)]
pub struct Travel {
    /// Seconds.
    pub time_s: f64,
    /// Its change as the source moves east, s/m.
    pub east_s_m: f64,
    /// Its change as the source moves north, s/m.
    pub north_s_m: f64,
    /// Distance in the plane, m.
    pub distance_m: f64,
}

impl Medium {
    /// The medium under that air.
    pub fn new(air: Air, settings: &Fire) -> Medium {
        Medium {
            sound_m_s: air.sound_m_s(),
            air,
            fire: FireSpeeds {
                p: BodyWave::new(Body::P, &settings.seismic),
                s: BodyWave::new(Body::S, &settings.seismic),
                lg_m_s: settings.seismic.lg_m_s,
                depth_m: settings.seismic.depth_m,
                seismic_sd_share: settings.seismic.path_sd_share,
                sound_sd_share: settings.path_sd_share,
            },
        }
    }

    /// The air that it is made for.
    pub fn air(&self) -> Air {
        self.air
    }

    /// The wave's speed in air at rest and 10 °C, or in the upper layer of the ground, m/s: what does not change with the
    /// weather.
    pub fn speed_at_rest_m_s(wave: Wave, settings: &Fire) -> f64 {
        match wave {
            Wave::Acoustic => Air::default().sound_m_s(),
            Wave::Infrasound => celerity::MIDDLE_M_S,
            Wave::SeismicP => settings.seismic.p_m_s,
            Wave::SeismicS => settings.seismic.s_m_s,
            Wave::SeismicLg => settings.seismic.lg_m_s,
            Wave::Flash => LIGHT_M_S,
        }
    }

    /// The wave's speed in still air, or in the upper layer of the ground, m/s: no wave is slower but infrasound, of which
    /// this is the middle.
    pub fn speed_m_s(&self, wave: Wave) -> f64 {
        match wave {
            Wave::Acoustic => self.sound_m_s,
            Wave::Infrasound => celerity::MIDDLE_M_S,
            Wave::SeismicP => self.fire.p.speed_m_s(),
            Wave::SeismicS => self.fire.s.speed_m_s(),
            Wave::SeismicLg => self.fire.lg_m_s,
            Wave::Flash => LIGHT_M_S,
        }
    }

    /// The least and the most that a metre may take where the wave comes from no further than that, s/m.
    pub fn slowness_s_m(&self, wave: Wave, range_m: f64) -> (f64, f64) {
        if wave == Wave::Infrasound {
            return celerity::slowness_s_m(range_m);
        }
        let slowness_s_m = 1.0 / self.speed_m_s(wave);
        (slowness_s_m, slowness_s_m)
    }

    /// The wave that comes first from far away, where it is not the one that comes straight.
    pub fn far(&self, wave: Wave, range_m: f64) -> Option<Head> {
        match wave {
            Wave::SeismicP => self.fire.p.far(range_m),
            Wave::SeismicS => self.fire.s.far(range_m),
            _ => None,
        }
    }

    /// The wind as a share of the speed of sound, (east, north).
    pub fn wind_share(&self) -> (f64, f64) {
        (self.air.wind_east_m_s / self.sound_m_s, self.air.wind_north_m_s / self.sound_m_s)
    }

    /// How far from its middle a travel time may be that is not one number but a range, s; beyond it comes
    /// [`Medium::path_sd_s`].
    #[inline]
    pub fn beyond_s(&self, wave: Wave, travel_s: f64) -> f64 {
        if wave == Wave::Infrasound { celerity::spread_s(travel_s * celerity::MIDDLE_M_S).0 } else { 0.0 }
    }

    /// One sigma of the path's travel time, s.
    #[inline]
    pub fn path_sd_s(&self, wave: Wave, travel_s: f64) -> f64 {
        travel_s
            * match wave {
                Wave::Acoustic => self.fire.sound_sd_share,
                Wave::Infrasound => return celerity::spread_s(travel_s * celerity::MIDDLE_M_S).1,
                Wave::SeismicP | Wave::SeismicS | Wave::SeismicLg => self.fire.seismic_sd_share,
                Wave::Flash => 0.0,
            }
    }

    /// From (x, y) to a node `dx` east and `dy` north of it, metres. Sound goes with the wind along the path:
    /// t = d / (c + u·w). Seismic P and S come from the assumed depth by the way that is quickest, Lg straight.
    #[inline(always)]
    pub fn travel(&self, wave: Wave, dx_m: f64, dy_m: f64) -> Travel {
        // Most are sound, and most of the time goes here.
        if wave == Wave::Acoustic { self.sound(dx_m, dy_m) } else { self.other(wave, dx_m, dy_m) }
    }

    #[inline(always)]
    fn sound(&self, dx_m: f64, dy_m: f64) -> Travel {
        // Not `hypot`, which guards against overflow at ten times the cost.
        let distance_m = (dx_m * dx_m + dy_m * dy_m).sqrt().max(1.0);
        let (c, wx, wy) = (self.sound_m_s, self.air.wind_east_m_s, self.air.wind_north_m_s);
        // t = d² / q with q = c d + w·(dx, dy); the source moves, so d(dx) = −dx₀.
        let per_q = 1.0 / (c * distance_m + dx_m * wx + dy_m * wy).max(1.0);
        let time_s = distance_m * distance_m * per_q;
        let (k, c_per_m) = (time_s * per_q, c / distance_m);
        Travel {
            time_s,
            east_s_m: k * (c_per_m * dx_m + wx) - 2.0 * per_q * dx_m,
            north_s_m: k * (c_per_m * dy_m + wy) - 2.0 * per_q * dy_m,
            distance_m,
        }
    }

    fn other(&self, wave: Wave, dx_m: f64, dy_m: f64) -> Travel {
        let distance_m = (dx_m * dx_m + dy_m * dy_m).sqrt().max(1.0);
        match wave {
            Wave::Acoustic => self.sound(dx_m, dy_m),
            Wave::SeismicP | Wave::SeismicS => {
                let body = if wave == Wave::SeismicP { &self.fire.p } else { &self.fire.s };
                let (time_s, slope_s_m) = body.first(distance_m);
                let per_m = -slope_s_m / distance_m;
                Travel { time_s, east_s_m: per_m * dx_m, north_s_m: per_m * dy_m, distance_m }
            }
            Wave::Infrasound | Wave::SeismicLg | Wave::Flash => {
                let speed_m_s = self.speed_m_s(wave);
                let depth_m = if wave == Wave::SeismicLg { self.fire.depth_m } else { 0.0 };
                let slant_m = (distance_m * distance_m + depth_m * depth_m).sqrt();
                Travel {
                    time_s: slant_m / speed_m_s,
                    east_s_m: -dx_m / (slant_m * speed_m_s),
                    north_s_m: -dy_m / (slant_m * speed_m_s),
                    distance_m,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn medium(wind_east_m_s: f64) -> Medium {
        Medium::new(Air { temperature_c: 15.0, wind_east_m_s, wind_north_m_s: 3.0 }, &Fire::default())
    }

    #[test]
    fn sound_is_quicker_down_the_wind() {
        let medium = medium(10.0);
        let (down, up) = (medium.travel(Wave::Acoustic, 1e4, 0.0), medium.travel(Wave::Acoustic, -1e4, 0.0));
        assert!((down.time_s - 1e4 / (medium.speed_m_s(Wave::Acoustic) + 10.0)).abs() < 1e-9);
        assert!((up.time_s - 1e4 / (medium.speed_m_s(Wave::Acoustic) - 10.0)).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn the_slope_is_the_slope(dx in -2e4f64..2e4, dy in -2e4f64..2e4, wave in 0usize..6) {
            prop_assume!(dx.hypot(dy) > 50.0);
            let wave = [Wave::Acoustic, Wave::Infrasound, Wave::SeismicP, Wave::SeismicS, Wave::SeismicLg, Wave::Flash][wave];
            let medium = medium(8.0);
            let at = |x: f64, y: f64| medium.travel(wave, dx - x, dy - y).time_s;
            let travel = medium.travel(wave, dx, dy);
            prop_assert!(((at(0.5, 0.0) - at(-0.5, 0.0)) - travel.east_s_m).abs() < 1e-7);
            prop_assert!(((at(0.0, 0.5) - at(0.0, -0.5)) - travel.north_s_m).abs() < 1e-7);
        }
    }
}
