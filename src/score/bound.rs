//! The Cramér–Rao bound of a place: how well it can be known at best from the arrivals there are.
//!
//! With unknowns (x, y, t₀) and arrivals of variance σᵢ², the Fisher information is Σ gᵢ gᵢᵀ / σᵢ², gᵢ being the
//! gradient of the predicted value; the bound is the root of the trace of the inverse's position block
//! (Kay, Fundamentals of Statistical Signal Processing: Estimation Theory, 1993, ch. 3).

/// Fisher information about (x, y, t₀): x east, y north, metres; t₀ seconds. The upper triangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Information {
    xx: f64,
    xy: f64,
    xt: f64,
    yy: f64,
    yt: f64,
    tt: f64,
}

impl Information {
    /// Adds an observation whose predicted value changes by `gx`, `gy` a metre east and north of the source and
    /// by `gt` a second of its origin time, and which has that standard deviation.
    pub fn add(&mut self, gx: f64, gy: f64, gt: f64, sd: f64) {
        let weight = 1.0 / (sd * sd);
        self.xx += gx * gx * weight;
        self.xy += gx * gy * weight;
        self.xt += gx * gt * weight;
        self.yy += gy * gy * weight;
        self.yt += gy * gt * weight;
        self.tt += gt * gt * weight;
    }

    /// Adds an arrival at a node in the direction `azimuth_deg` from the source, of a wave of that effective speed.
    pub fn arrival(&mut self, azimuth_deg: f64, speed_m_s: f64, sd_s: f64) {
        let (east, north) = azimuth_deg.to_radians().sin_cos();
        self.add(-east / speed_m_s, -north / speed_m_s, 1.0, sd_s);
    }

    /// Adds a bearing taken by a node in the direction `azimuth_deg` from the source, `distance_m` away.
    pub fn bearing(&mut self, azimuth_deg: f64, distance_m: f64, sd_deg: f64) {
        let (east, north) = azimuth_deg.to_radians().sin_cos();
        let distance_m = distance_m.max(1.0);
        self.add(north / distance_m, -east / distance_m, 0.0, sd_deg.to_radians());
    }

    /// Adds a time of origin, told directly.
    pub fn origin_time(&mut self, sd_s: f64) {
        self.add(0.0, 0.0, 1.0, sd_s);
    }

    /// Adds a place, told directly, with standard deviations along the direction `along_deg` and across it.
    pub fn place(&mut self, along_deg: f64, along_sd_m: f64, across_sd_m: f64) {
        let (east, north) = along_deg.to_radians().sin_cos();
        self.add(east, north, 0.0, along_sd_m);
        self.add(north, -east, 0.0, across_sd_m);
    }

    /// The bound on the position: root of the sum of the variances east and north, metres. `None` when the
    /// observations do not fix the place.
    pub fn place_sd_m(&self) -> Option<f64> {
        // Schur complement: the origin time is unknown, so what it shares with the place is taken off.
        let (xx, xy, yy) = if self.tt > 0.0 {
            (
                self.xx - self.xt * self.xt / self.tt,
                self.xy - self.xt * self.yt / self.tt,
                self.yy - self.yt * self.yt / self.tt,
            )
        } else {
            (self.xx, self.xy, self.yy)
        };
        let determinant = xx * yy - xy * xy;
        // Rounding leaves a singular system slightly off zero.
        if !determinant.is_finite() || determinant <= 1e-9 * (xx + yy).powi(2) {
            return None;
        }
        Some(((xx + yy) / determinant).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_nodes_around_a_source_give_the_textbook_bound() {
        // Nodes in the four directions: Σ = 2 / (c σ)² each way and no tie to the time, so σx = σ c / √2.
        let mut information = Information::default();
        for azimuth_deg in [0.0, 90.0, 180.0, 270.0] {
            information.arrival(azimuth_deg, 340.0, 0.1);
        }
        let bound_m = information.place_sd_m().unwrap();
        assert!((bound_m - 34.0).abs() < 1e-6, "{bound_m}");
    }

    #[test]
    fn three_nodes_in_a_row_fix_nothing() {
        let mut information = Information::default();
        for azimuth_deg in [90.0, 90.0, 270.0] {
            information.arrival(azimuth_deg, 340.0, 0.1);
        }
        assert_eq!(information.place_sd_m(), None);
        assert_eq!(Information::default().place_sd_m(), None);
    }

    #[test]
    fn more_evidence_never_widens_the_bound() {
        let mut information = Information::default();
        for azimuth_deg in [10.0, 80.0, 200.0, 300.0] {
            information.arrival(azimuth_deg, 340.0, 0.1);
        }
        let before = information.place_sd_m().unwrap();
        information.bearing(45.0, 5000.0, 2.0);
        let with_bearing = information.place_sd_m().unwrap();
        information.origin_time(0.05);
        let with_time = information.place_sd_m().unwrap();
        information.place(20.0, 30.0, 30.0);
        let with_place = information.place_sd_m().unwrap();
        assert!(with_bearing <= before && with_time <= with_bearing && with_place < with_time);
        assert!(with_place < 30.0 * 2f64.sqrt());
    }
}
