//! A setting that cannot be: which key, what it held, what was expected.

/// One fault of the configuration, or of what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key with its sections, as in `engine.fire.min_arrivals`.
    pub key: String,
    /// What it held.
    pub held: String,
    /// What was expected, as a noun phrase: `a number from 0 to 1`.
    pub expected: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} held {}; expected {}", self.key, self.held, self.expected)
    }
}

impl Fault {
    /// A fault at `key`.
    pub fn new(key: impl Into<String>, held: impl std::fmt::Display, expected: impl Into<String>) -> Fault {
        Fault { key: key.into(), held: held.to_string(), expected: expected.into() }
    }

    /// `None` when `held` is a finite number from `least` to `most`; `unit` stands after the numbers, empty for none.
    pub fn unless_within(key: &str, held: f64, least: f64, most: f64, unit: &str) -> Option<Fault> {
        // Written so that NaN is a fault.
        if held.is_finite() && held >= least && held <= most {
            return None;
        }
        let space = if unit.is_empty() { "" } else { " " };
        Some(Fault::new(key, held, format!("a number from {least} to {most}{space}{unit}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_sentence() {
        let fault = Fault::unless_within("engine.lateness_s", -1.0, 0.0, 3600.0, "seconds").unwrap();
        assert_eq!(fault.to_string(), "engine.lateness_s held -1; expected a number from 0 to 3600 seconds");
    }

    #[test]
    fn what_is_not_finite_is_never_within() {
        for held in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Fault::unless_within("k", held, f64::NEG_INFINITY, f64::INFINITY, "").is_some());
        }
        assert_eq!(Fault::unless_within("k", 0.0, 0.0, 0.0, ""), None);
    }
}
