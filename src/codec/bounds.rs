//! What a number on the wire may be: one named interval for each sort of quantity.

/// An interval of finite numbers, and how a message speaks of it.
pub(super) struct Bounds {
    low: f64,
    high: f64,
    high_is_out: bool,
    whole: bool,
    /// Follows "expected" in a refusal.
    pub(super) text: &'static str,
}

impl Bounds {
    /// Whether `value` is in the interval. NaN and the infinities never are, as both ends are finite.
    #[inline(always)]
    pub(super) fn hold(&self, value: f64) -> bool {
        value >= self.low
            && value <= self.high
            && !(self.high_is_out && value == self.high)
            && (!self.whole || is_whole(value))
    }
}

/// Apart from the rest, or it would be computed for every number.
#[cold]
#[inline(never)]
fn is_whole(value: f64) -> bool {
    value.fract() == 0.0
}

const fn closed(low: f64, high: f64, text: &'static str) -> Bounds {
    Bounds { low, high, high_is_out: false, whole: false, text }
}

/// Any number: no quantity is larger, in its unit. What is beyond makes no sense, and its square or the one over it no number.
pub(super) const ANY: Bounds = closed(-1e12, 1e12, "a number from -1e12 to 1e12");
/// A standard deviation, a length of an axis, a speed that divides: nothing is known better than to a nanosecond or a nanometre.
pub(super) const POSITIVE: Bounds = closed(1e-9, 1e12, "a number from 1e-9 to 1e12");
/// An amount.
pub(super) const NOT_NEGATIVE: Bounds = closed(0.0, 1e12, "a number from 0 to 1e12");
/// The speed of wind, m/s: the strongest gust ever measured had 113 (WMO, Barrow Island 1996). Beyond it an anemometer is broken.
pub(super) const WIND_SPEED: Bounds = closed(0.0, 150.0, "a number from 0 to 150");
/// A direction.
pub(super) const AZIMUTH: Bounds =
    Bounds { high_is_out: true, ..closed(0.0, 360.0, "a number of at least 0 and below 360") };
/// An angle above the horizon.
pub(super) const ELEVATION: Bounds = closed(-90.0, 90.0, "a number from -90 to 90");
/// A probability or a share.
pub(super) const SHARE: Bounds = closed(0.0, 1.0, "a number from 0 to 1");
/// The temperature of air, °C: beyond it a thermometer is broken and the speed of sound would be nonsense.
pub(super) const AIR_TEMPERATURE: Bounds = closed(-100.0, 100.0, "a number from -100 to 100");
/// How many; alerts count in 32 bits.
pub(super) const COUNT: Bounds =
    Bounds { whole: true, ..closed(0.0, u32::MAX as f64, "a whole number from 0 to 4294967295") };
/// A revision of an alert: they start at 1.
pub(super) const REVISION: Bounds =
    Bounds { whole: true, ..closed(1.0, u32::MAX as f64, "a whole number from 1 to 4294967295") };
/// East of Greenwich, degrees.
pub(super) const LONGITUDE: Bounds = closed(-180.0, 180.0, "a longitude from -180 to 180");
/// North of the equator, degrees.
pub(super) const LATITUDE: Bounds = closed(-90.0, 90.0, "a latitude from -90 to 90");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_belong_where_the_text_says() {
        for (bounds, within, outside) in [
            (&ANY, -1e12, -1.000_001e12),
            (&POSITIVE, 1e-9, 0.999e-9),
            (&POSITIVE, 1e12, -1.0),
            (&NOT_NEGATIVE, 0.0, -1e-300),
            (&NOT_NEGATIVE, 1e12, 1.000_001e12),
            (&WIND_SPEED, 150.0, 150.1),
            (&AZIMUTH, 0.0, 360.0),
            (&AZIMUTH, 359.999, -0.001),
            (&SHARE, 1.0, 1.000_001),
            (&COUNT, 3.0, 2.5),
            (&REVISION, 1.0, 0.0),
            (&LONGITUDE, -180.0, 180.000_1),
            (&LATITUDE, 90.0, 90.000_1),
        ] {
            assert!(bounds.hold(within), "{within} is {}", bounds.text);
            assert!(!bounds.hold(outside), "{outside} is not {}", bounds.text);
        }
        for bounds in [&ANY, &POSITIVE, &NOT_NEGATIVE, &AZIMUTH, &SHARE, &COUNT, &LONGITUDE] {
            assert!(!bounds.hold(f64::NAN) && !bounds.hold(f64::INFINITY) && !bounds.hold(f64::NEG_INFINITY));
        }
    }
}
