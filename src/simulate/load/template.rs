//! Lines that stand ready but for their digits.

use crate::model::time::NS_PER_S;

/// A line with gaps for digits (runs of `#`), and where they are.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) line: Vec<u8>,
    gaps: Vec<(usize, usize)>,
    second: i64,
}

/// The gaps that every template has, in this order.
const ID: usize = 0;
const NODE: usize = 1;
const SECOND: usize = 2;
const MICROSECOND: usize = 3;
/// The first gap of the kind's own.
pub(super) const OWN: usize = 4;

impl Template {
    /// The line of a kind, with the fields that only it has.
    pub(super) fn new(kind: &str, fields: &str) -> Template {
        let line = format!(
            "{{\"id\":\"##########\",\"node\":\"n######\",\"kind\":\"{kind}\",\"time\":\"###################.######Z\"{fields}}}"
        )
        .into_bytes();
        let mut gaps: Vec<(usize, usize)> = Vec::new();
        for (at, _) in line.iter().enumerate().filter(|(_, byte)| **byte == b'#') {
            match gaps.last_mut() {
                Some(gap) if gap.1 == at => gap.1 += 1,
                _ => gaps.push((at, at + 1)),
            }
        }
        Template { line, gaps, second: i64::MIN }
    }

    /// Writes the last digits of `value` into a gap.
    pub(super) fn digits(&mut self, gap: usize, value: u64) {
        let (from, to) = self.gaps[gap];
        let mut left = value;
        for digit in self.line[from..to].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }

    /// Writes a text that is as long as the gap.
    pub(super) fn text(&mut self, gap: usize, text: &[u8]) {
        let (from, to) = self.gaps[gap];
        self.line[from..to].copy_from_slice(text);
    }

    /// Fills in what every line has.
    pub(super) fn head(&mut self, id: u64, node: usize, time_ns: i64, second_text: &[u8; 19]) {
        self.digits(ID, id);
        self.digits(NODE, node as u64);
        let second = time_ns.div_euclid(NS_PER_S);
        if second != self.second {
            self.second = second;
            self.text(SECOND, second_text);
        }
        self.digits(MICROSECOND, (time_ns.rem_euclid(NS_PER_S) / 1000) as u64);
    }
}

/// Tenths of a degree in five characters.
pub(super) fn angle(tenths: usize) -> [u8; 5] {
    let decimals = match tenths {
        0..100 => 3,
        100..1000 => 2,
        _ => 1,
    };
    let text = format!("{:.decimals$}", tenths as f64 / 10.0);
    let mut angle = [b'0'; 5];
    angle.copy_from_slice(&text.as_bytes()[..5]);
    angle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_written_as_they_are() {
        for tenths in 0..3600 {
            let text = angle(tenths);
            let read: f64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
            assert!((read - tenths as f64 / 10.0).abs() < 1e-9);
        }
    }

    #[test]
    fn gaps_are_filled_in_order() {
        let mut template = Template::new("status", ",\"a\":#.##");
        template.head(42, 7, 1_500_000_000, b"1970-01-01T00:00:01");
        template.digits(OWN, 123);
        template.digits(OWN + 1, 5);
        let value: serde_json::Value = serde_json::from_slice(&template.line).unwrap();
        assert_eq!(value["id"], "0000000042");
        assert_eq!(value["node"], "n000007");
        assert_eq!(value["time"], "1970-01-01T00:00:01.500000Z");
        assert_eq!(value["a"], 3.05);
    }
}
