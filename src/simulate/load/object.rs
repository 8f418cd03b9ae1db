//! Objects that move about for the load's plots.

use super::super::chance::Chance;
use super::MIDDLE;
use crate::model::time::NS_PER_S;

const METRES_A_DEGREE: f64 = 111_195.0;

/// A tracked object: where it is, and how fast it goes, in millionths of a degree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) lon: f64,
    pub(super) lat: f64,
    lon_a_s: f64,
    lat_a_s: f64,
    pub(super) speed_m_s: f64,
    pub(super) course_deg: f64,
    last_ns: i64,
}

impl Object {
    /// An object somewhere within a degree of the middle, at 10–60 m/s.
    pub(super) fn new(start_ns: i64, chance: &mut Chance) -> Object {
        let (speed_m_s, course_deg) = (chance.range(10.0, 60.0), chance.range(0.0, 359.0));
        let (sin, cos) = course_deg.to_radians().sin_cos();
        let micro = 1e6 * speed_m_s / METRES_A_DEGREE;
        Object {
            lon: 1e6 * (MIDDLE.lon_deg + chance.range(-1.0, 1.0)),
            lat: 1e6 * (MIDDLE.lat_deg + chance.range(-1.0, 1.0)),
            lon_a_s: micro * sin / MIDDLE.lat_deg.to_radians().cos(),
            lat_a_s: micro * cos,
            speed_m_s,
            course_deg,
            last_ns: start_ns,
        }
    }

    /// Moves it; who is more than a degree from the middle and going away turns about.
    pub(super) fn go_on(&mut self, now_ns: i64) {
        let dt_s = (now_ns - self.last_ns) as f64 / NS_PER_S as f64;
        self.last_ns = now_ns;
        self.lon += dt_s * self.lon_a_s;
        self.lat += dt_s * self.lat_a_s;
        let (east, north) = (self.lon - 1e6 * MIDDLE.lon_deg, self.lat - 1e6 * MIDDLE.lat_deg);
        if east.abs() > 1e6 && (east > 0.0) == (self.lon_a_s > 0.0) {
            self.lon_a_s = -self.lon_a_s;
            self.course_deg = 360.0 - self.course_deg;
        }
        if north.abs() > 1e6 && (north > 0.0) == (self.lat_a_s > 0.0) {
            self.lat_a_s = -self.lat_a_s;
            self.course_deg = (540.0 - self.course_deg).rem_euclid(360.0);
        }
    }
}
