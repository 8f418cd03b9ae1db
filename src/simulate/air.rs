//! The air that sound crosses: temperature and wind that vary with place and hour, and the time a sound takes.
//!
//! Sound speed in dry air is 20.05·√T m/s, T in kelvin (Pierce, Acoustics, 1981, ch. 1). A wind w carries the
//! wave along: on a path of direction u the effective speed is c + w·u. Both are averaged over the path at its
//! two ends and its middle (Simpson's rule).

use super::chance::Chance;
use crate::model::geo::LonLat;

/// Length of the weather's waves, metres.
const WAVE_M: f64 = 120_000.0;
/// How often the wind swings, seconds.
const SWING_S: f64 = 5400.0;
const DAY_S: f64 = 86_400.0;

/// The weather over the scene.
#[derive(Clone, Debug)]
pub(super) struct Air {
    centre: LonLat,
    mean_c: f64,
    daily_c: f64,
    wave_c: f64,
    east_m_s: f64,
    north_m_s: f64,
    wave_m_s: f64,
    swing_m_s: f64,
    phase: [f64; 4],
}

/// A straight path through the air.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// Length.
    pub(super) distance_m: f64,
    /// Direction from the source to the node, degrees.
    pub(super) azimuth_deg: f64,
    /// Time a sound takes without turbulence.
    pub(super) travel_s: f64,
}

impl Air {
    /// A day's weather: 0–18 °C on average, a wind of 1–9 m/s from anywhere.
    pub(super) fn new(centre: LonLat, chance: &mut Chance) -> Air {
        let (speed_m_s, from) = (chance.range(1.0, 9.0), chance.range(0.0, std::f64::consts::TAU));
        Air {
            centre,
            mean_c: chance.range(0.0, 18.0),
            daily_c: chance.range(2.0, 5.0),
            wave_c: chance.range(0.3, 1.2),
            east_m_s: -speed_m_s * from.sin(),
            north_m_s: -speed_m_s * from.cos(),
            wave_m_s: chance.range(0.2, 1.0),
            swing_m_s: chance.range(0.2, 1.0),
            phase: std::array::from_fn(|_| chance.range(0.0, std::f64::consts::TAU)),
        }
    }

    /// Phase of the weather's wave at a place.
    fn wave(&self, place: LonLat) -> f64 {
        let x = (place.lon_deg - self.centre.lon_deg) * self.centre.lat_deg.to_radians().cos();
        let y = place.lat_deg - self.centre.lat_deg;
        111_195.0 * (x * self.phase[3].cos() + y * self.phase[3].sin()) / WAVE_M * std::f64::consts::TAU
    }

    /// Air temperature, °C, `at_s` seconds into the scene.
    pub(super) fn temperature_c(&self, place: LonLat, at_s: f64) -> f64 {
        let day = (at_s / DAY_S * std::f64::consts::TAU + self.phase[0]).sin();
        self.mean_c + self.daily_c * day + self.wave_c * (self.wave(place) + self.phase[1]).sin()
    }

    /// Where the wind blows *to*: east and north, m/s.
    pub(super) fn wind_m_s(&self, place: LonLat, at_s: f64) -> (f64, f64) {
        let swing = (at_s / SWING_S * std::f64::consts::TAU + self.phase[1]).sin();
        let wave = (self.wave(place) + self.phase[2]).sin();
        (
            self.east_m_s + self.swing_m_s * swing + self.wave_m_s * wave,
            self.north_m_s - self.swing_m_s * swing + self.wave_m_s * wave,
        )
    }

    /// The path of a sound from `source` to `node`.
    pub(super) fn path(&self, source: LonLat, node: LonLat, at_s: f64) -> Path {
        let (distance_m, azimuth_deg) = source.distance_azimuth(node);
        let (east, north) = azimuth_deg.to_radians().sin_cos();
        let middle =
            LonLat { lon_deg: (source.lon_deg + node.lon_deg) / 2.0, lat_deg: (source.lat_deg + node.lat_deg) / 2.0 };
        let speed = |place| {
            let wind = self.wind_m_s(place, at_s);
            sound_speed_m_s(self.temperature_c(place, at_s)) + wind.0 * east + wind.1 * north
        };
        let mean_m_s = (speed(source) + 4.0 * speed(middle) + speed(node)) / 6.0;
        Path { distance_m, azimuth_deg, travel_s: distance_m / mean_m_s }
    }
}

/// Speed of sound in dry air, m/s.
pub(super) fn sound_speed_m_s(temperature_c: f64) -> f64 {
    20.05 * (temperature_c + 273.15).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::chance::Purpose;
    use super::*;

    const CENTRE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };

    #[test]
    fn sound_is_as_fast_as_the_tables_say() {
        assert!((sound_speed_m_s(0.0) - 331.4).abs() < 0.3);
        assert!((sound_speed_m_s(20.0) - 343.3).abs() < 0.3);
    }

    #[test]
    fn sound_comes_sooner_down_the_wind() {
        let air = Air::new(CENTRE, &mut Chance::new(3, Purpose::Air));
        let (east, north) = air.wind_m_s(CENTRE, 0.0);
        let toward_deg = east.atan2(north).to_degrees();
        let down = air.path(CENTRE, CENTRE.toward(toward_deg, 5000.0), 0.0);
        let up = air.path(CENTRE, CENTRE.toward(toward_deg + 180.0, 5000.0), 0.0);
        let c_m_s = sound_speed_m_s(air.temperature_c(CENTRE, 0.0));
        let wind_m_s = east.hypot(north);
        assert!(down.travel_s < up.travel_s);
        assert!((5000.0 / down.travel_s - c_m_s - wind_m_s).abs() < 0.6);
        assert!((5000.0 / up.travel_s - c_m_s + wind_m_s).abs() < 0.6);
    }
}
