//! How an aircraft stands to an area that has a floor or a ceiling.

use super::crossing::chance_inside;
use crate::model::area::Area;
use crate::model::kind::Domain;

/// The chance that an aircraft of which no height is known is between the floor and the ceiling of an area.
pub(super) const UNKNOWN_P: f64 = 0.5;

/// How a plot stands to an area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Depth {
    /// Metres within the border on the map.
    pub(super) level_m: f64,
    /// Metres from the nearer of floor and ceiling, positive between them; infinite where there is neither, or no height is
    /// known.
    pub(super) height_m: f64,
    /// The chance to be between them; `None`: no height is known.
    pub(super) height_p: Option<f64>,
}

impl Depth {
    /// Of a plot so far within the border, at that height and uncertain by `alt_sd_m`.
    pub(super) fn of(level_m: f64, area: &Area, domain: Domain, alt_m: Option<f64>, alt_sd_m: f64) -> Depth {
        let is_flight = matches!(domain, Domain::Air | Domain::Uav);
        if !is_flight || area.floor_m.is_none() && area.ceiling_m.is_none() {
            return Depth { level_m, height_m: f64::INFINITY, height_p: Some(1.0) };
        }
        let Some(alt_m) = alt_m else { return Depth { level_m, height_m: f64::INFINITY, height_p: None } };
        let above_m = area.floor_m.map_or(f64::INFINITY, |floor_m| alt_m - floor_m);
        let below_m = area.ceiling_m.map_or(f64::INFINITY, |ceiling_m| ceiling_m - alt_m);
        // Below the floor and above the ceiling exclude one another: what is left of one is between them.
        let between = chance_inside(above_m, alt_sd_m) + chance_inside(below_m, alt_sd_m) - 1.0;
        Depth { level_m, height_m: above_m.min(below_m), height_p: Some(between.max(0.0)) }
    }

    /// Of an area that is gone or not in force.
    pub(super) const NOWHERE: Depth =
        Depth { level_m: f64::NEG_INFINITY, height_m: f64::NEG_INFINITY, height_p: Some(0.0) };

    /// Whether it is inside, if it is where it was plotted.
    pub(super) fn is_inside(&self) -> bool {
        self.level_m >= 0.0 && self.height_m >= 0.0
    }

    /// The chance that it is inside, where it decides whether it entered or left: by the map alone if no height is known.
    pub(super) fn decides(&self, sd_m: f64) -> f64 {
        chance_inside(self.level_m, sd_m) * self.height_p.unwrap_or(1.0)
    }

    /// The chance that it is inside, as it is told.
    pub(super) fn chance(&self, sd_m: f64) -> f64 {
        chance_inside(self.level_m, sd_m) * self.height_p.unwrap_or(UNKNOWN_P)
    }

    /// The share of the way from `self` to `next` after which it enters, or leaves: on the way in the last of border, floor
    /// and ceiling that is passed, on the way out the first. With it, the metres gained in that direction. `None`: it is on the same
    /// side of all.
    pub(super) fn step(&self, next: &Depth) -> Option<(f64, f64)> {
        let passed = |from_m: f64, to_m: f64| {
            let is_passed = (from_m >= 0.0) != (to_m >= 0.0) && from_m.is_finite() && to_m.is_finite();
            is_passed.then(|| (from_m / (from_m - to_m), (to_m - from_m).abs()))
        };
        let level = passed(self.level_m, next.level_m);
        let both = level.into_iter().chain(passed(self.height_m, next.height_m));
        let by_share = |a: &(f64, f64), b: &(f64, f64)| a.0.total_cmp(&b.0);
        if next.is_inside() { both.max_by(by_share) } else { both.min_by(by_share) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::harness::zone;
    use super::*;
    use proptest::prelude::*;

    fn banded(floor_m: Option<f64>, ceiling_m: Option<f64>) -> Area {
        Area { floor_m, ceiling_m, ..zone().areas()[0].clone() }
    }

    #[test]
    fn the_band_counts_for_flights_and_an_unknown_height_for_half() {
        let area = banded(Some(1_000.0), Some(3_000.0));
        let at = |domain, alt_m| Depth::of(5_000.0, &area, domain, alt_m, 100.0);
        assert!(at(Domain::Air, Some(2_000.0)).chance(50.0) > 0.999 && at(Domain::Air, Some(2_000.0)).is_inside());
        assert!(at(Domain::Uav, Some(500.0)).chance(50.0) < 1e-3 && !at(Domain::Uav, Some(500.0)).is_inside());
        assert!((at(Domain::Air, Some(3_000.0)).chance(50.0) - 0.5).abs() < 1e-6, "on the ceiling");
        let unknown = at(Domain::Air, None);
        assert!(unknown.is_inside() && unknown.chance(50.0) == UNKNOWN_P && unknown.decides(50.0) == 1.0);
        assert_eq!(at(Domain::Sea, Some(0.0)).chance(50.0), 1.0, "ships are where they are");
    }

    #[test]
    fn it_enters_when_it_has_passed_border_and_ceiling_and_leaves_by_the_first() {
        let at = |level_m, height_m| Depth { level_m, height_m, height_p: Some(1.0) };
        let out = at(-100.0, -300.0);
        assert_eq!(out.step(&at(300.0, 100.0)), Some((0.75, 400.0)), "the ceiling last");
        assert_eq!(at(300.0, 100.0).step(&out), Some((0.25, 400.0)), "and first");
        assert_eq!(at(-100.0, f64::INFINITY).step(&at(100.0, 50.0)), Some((0.5, 200.0)));
        assert_eq!(at(100.0, 50.0).step(&at(200.0, 20.0)), None);
    }

    proptest! {
        #[test]
        fn a_band_never_makes_it_surer(
            level_m in -500.0f64..500.0, alt_m in proptest::option::of(-500.0f64..12_000.0), sd_m in 1.0f64..200.0,
            floor_m in proptest::option::of(0.0f64..5_000.0), thick_m in proptest::option::of(1.0f64..5_000.0),
        ) {
            let ceiling_m = thick_m.map(|thick_m| floor_m.unwrap_or(0.0) + thick_m);
            let depth = Depth::of(level_m, &banded(floor_m, ceiling_m), Domain::Air, alt_m, sd_m);
            let without = chance_inside(level_m, sd_m);
            prop_assert!((0.0..=without).contains(&depth.chance(sd_m)) && depth.chance(sd_m) <= depth.decides(sd_m));
        }

        #[test]
        fn bands_that_share_a_height_out_add_up(alt_m in 0.0f64..9_000.0, cut_m in 0.0f64..9_000.0, sd_m in 1.0f64..500.0) {
            let p = |floor_m, ceiling_m| Depth::of(1e6, &banded(floor_m, ceiling_m), Domain::Uav, Some(alt_m), sd_m).chance(1.0);
            prop_assert!((p(None, Some(cut_m)) + p(Some(cut_m), None) - 1.0).abs() < 1e-6);
        }
    }
}
