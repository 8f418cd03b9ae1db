//! What a number on the wire may be: one named interval for each sort of quantity.

/// An interval of finite numbers, and how a message speaks of it.
pub(super) struct Bounds {
    low: f64,
    high: f64,
    low_is_out: bool,
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
            && !(self.low_is_out && value == self.low)
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
    Bounds { low, high, low_is_out: false, high_is_out: false, whole: false, text }
}

/// Any finite number.
pub(super) const ANY: Bounds = closed(f64::MIN, f64::MAX, "a finite number");
/// A standard deviation, a length of an axis, a speed that divides.
pub(super) const POSITIVE: Bounds = Bounds { low_is_out: true, ..closed(0.0, f64::MAX, "a number above 0") };
/// An amount.
pub(super) const NOT_NEGATIVE: Bounds = closed(0.0, f64::MAX, "a number of at least 0");
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
            (&POSITIVE, 1e-300, 0.0),
            (&POSITIVE, 1e300, -1.0),
            (&NOT_NEGATIVE, 0.0, -1e-300),
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
