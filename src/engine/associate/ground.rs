//! First arrivals through layered ground: straight through the upper layer, or along the top of a faster one below.
//!
//! For a source at depth z under flat layers of thickness hᵢ the wave that runs along the top of layer n, faster than all
//! above it, arrives after t = x / vₙ + Σᵢ (2 hᵢ − zᵢ) √(1/vᵢ² − 1/vₙ²), from the distance on at which it exists,
//! Σᵢ (2 hᵢ − zᵢ) vᵢ / √(vₙ² − vᵢ²) (Lay & Wallace 1995, Modern Global Seismology, section 3.2). The first of them all counts.

use crate::engine::settings::Seismic;
use serde::{Deserialize, Serialize};

/// Layers below the upper one at most.
pub const MAX_LAYERS: usize = 4;

/// The wave along the top of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// 1 / vₙ, s/m.
    pub slowness_s_m: f64,
    /// What the way down and up adds, s.
    pub intercept_s: f64,
    /// It is there from this distance on, m.
    pub from_m: f64,
}

impl Head {
    const NONE: Head = Head { slowness_s_m: 0.0, intercept_s: f64::INFINITY, from_m: f64::INFINITY };
}

/// A wave of one kind, P or S, from one depth.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct BodyWave {
    speed_m_s: f64,
    depth_m: f64,
    heads: [Head; MAX_LAYERS],
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The first.
    P,
    /// The slower one.
    S,
}

impl BodyWave {
    /// The wave as the settings have the ground.
    pub fn new(body: Body, ground: &Seismic) -> BodyWave {
        let of = |p_m_s: f64, s_m_s: f64| if body == Body::P { p_m_s } else { s_m_s };
        let speed_m_s = of(ground.p_m_s, ground.s_m_s);
        let mut wave = BodyWave { speed_m_s, depth_m: ground.depth_m, heads: [Head::NONE; MAX_LAYERS] };
        // Of each layer above: how much of it the way down and up goes through, and how fast it is.
        let mut above: Vec<(f64, f64)> = Vec::with_capacity(ground.layers.len());
        let (mut top_m, mut above_m_s) = (0.0, speed_m_s);
        for (layer, head) in ground.layers.iter().zip(&mut wave.heads) {
            let once_m = (layer.top_m - ground.depth_m.max(top_m)).max(0.0);
            above.push((layer.top_m - top_m + once_m, above_m_s));
            (top_m, above_m_s) = (layer.top_m, of(layer.p_m_s, layer.s_m_s));
            // Below its top, or slower than what is above, no wave comes back up from it first.
            if ground.depth_m < top_m && above.iter().all(|&(_, speed_m_s)| speed_m_s < above_m_s) {
                let root = |v_m_s: f64| (v_m_s.powi(-2) - above_m_s.powi(-2)).sqrt();
                *head = Head {
                    slowness_s_m: 1.0 / above_m_s,
                    intercept_s: above.iter().map(|&(way_m, v_m_s)| way_m * root(v_m_s)).sum(),
                    from_m: above.iter().map(|&(way_m, v_m_s)| way_m / (above_m_s * root(v_m_s))).sum(),
                };
            }
        }
        wave
    }

    /// Speed in the upper layer, m/s.
    pub fn speed_m_s(&self) -> f64 {
        self.speed_m_s
    }

    /// The fastest of the waves that run below, as far as it comes first within `range_m`.
    pub fn far(&self, range_m: f64) -> Option<Head> {
        let reached = self.heads.iter().rev().find(|head| head.from_m < range_m)?;
        (reached.intercept_s + reached.slowness_s_m * range_m < self.first(range_m).0 + 1e-6).then_some(*reached)
    }

    /// When the first arrival comes at that distance, s, and by how much later it comes further away, s/m.
    #[inline]
    pub fn first(&self, distance_m: f64) -> (f64, f64) {
        let slant_m = (distance_m * distance_m + self.depth_m * self.depth_m).sqrt();
        let mut first = (slant_m / self.speed_m_s, distance_m / (slant_m * self.speed_m_s));
        for head in &self.heads {
            let time_s = head.intercept_s + head.slowness_s_m * distance_m;
            if distance_m >= head.from_m && time_s < first.0 {
                first = (time_s, head.slowness_s_m);
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::settings::Layer;
    use proptest::prelude::*;

    fn ground(depth_m: f64) -> Seismic {
        Seismic { depth_m, ..Seismic::default() }
    }

    #[test]
    fn far_away_the_first_wave_has_gone_through_the_mantle() {
        let wave = BodyWave::new(Body::P, &ground(0.0));
        // IASP91 at the surface: Pn at 3° (333.6 km) after 49.8 s, at 5° after 77.4 s (Kennett 1991), on a sphere.
        assert!((wave.first(333_600.0).0 - 49.5).abs() < 1.0, "{:?}", wave.first(333_600.0));
        assert!((wave.first(333_600.0).1 - 1.0 / 8_040.0).abs() < 1e-12);
        // Near by it is as in one piece of ground.
        assert_eq!(wave.first(58_000.0), (10.0, 1.0 / 5_800.0));
        assert_eq!(wave.far(100_000.0), None);
        assert_eq!(wave.far(400_000.0).map(|head| head.slowness_s_m), Some(1.0 / 8_040.0));
    }

    #[test]
    fn one_layer_by_hand() {
        let layers = vec![Layer { top_m: 30_000.0, p_m_s: 8_000.0, s_m_s: 4_500.0 }];
        let wave = BodyWave::new(Body::P, &Seismic { p_m_s: 6_000.0, depth_m: 10_000.0, layers, ..Seismic::default() });
        let head = wave.far(500_000.0).unwrap();
        // 50 km of the way at the critical angle, sin i = 6/8.
        let cosine = (1.0f64 - 0.75 * 0.75).sqrt();
        assert!((head.intercept_s - 50_000.0 * cosine / 6_000.0).abs() < 1e-9);
        assert!((head.from_m - 50_000.0 * 0.75 / cosine).abs() < 1e-6);
    }

    #[test]
    fn a_slow_layer_and_one_above_the_source_send_nothing() {
        let slow = vec![Layer { top_m: 10_000.0, p_m_s: 5_000.0, s_m_s: 2_500.0 }];
        assert_eq!(BodyWave::new(Body::P, &Seismic { layers: slow, ..Seismic::default() }).far(1e6), None);
        assert_eq!(BodyWave::new(Body::S, &ground(40_000.0)).far(1e6), None);
    }

    proptest! {
        #[test]
        fn what_is_further_comes_later_and_never_sooner_than_the_fastest_layer_allows(
            near_m in 0f64..1e6, further_m in 1f64..1e5, depth_m in 0f64..30_000.0, p in any::<bool>(),
        ) {
            let wave = BodyWave::new(if p { Body::P } else { Body::S }, &ground(depth_m));
            let ((near_s, _), (far_s, slope_s_m)) = (wave.first(near_m), wave.first(near_m + further_m));
            prop_assert!(far_s > near_s);
            prop_assert!(far_s - near_s <= further_m / wave.speed_m_s() + 1e-9);
            prop_assert!(slope_s_m <= 1.0 / wave.speed_m_s() + 1e-15);
            prop_assert!(near_s >= near_m / 8_040.0);
        }
    }
}
