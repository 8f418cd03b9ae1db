//! Thirty days as bars: fire by kind, and below it the hours that nodes were silent.

use super::words::escaped;
use crate::model::day::Day;
use std::fmt::Write;

/// Days that are shown.
pub const DAYS: i32 = 30;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 14.0;
/// Top and height of the two panels.
const FIRE: (f64, f64) = (34.0, 150.0);
const LOST: (f64, f64) = (222.0, 60.0);
const HEIGHT: f64 = 312.0;

/// Explosions, other fire, hours lost.
const COLOURS: [&str; 3] = ["#8c2d19", "#e0a458", "#7a8794"];

/// A day's bars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// The day.
    pub day: Day,
    /// Explosions that no notice covers.
    pub explosions: u64,
    /// Bursts, shots and undetermined fire that no notice covers.
    pub other_fire: u64,
    /// Node hours lost.
    pub hours_lost: f64,
    /// Whether any alert is known of that day.
    pub is_known: bool,
}

/// The bars as an SVG of their own.
pub fn svg(bars: &[Bar], chosen: Day) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Fire and hours lost by day" font-family="system-ui, sans-serif" font-size="12" fill="#222">"##
    );
    legend(&mut out);
    let slot = (WIDTH - LEFT - RIGHT) / bars.len().max(1) as f64;
    let fire_top = nice(bars.iter().map(|bar| bar.explosions + bar.other_fire).max().unwrap_or(0) as f64);
    let lost_top = nice(bars.iter().map(|bar| bar.hours_lost).fold(0.0, f64::max));
    if let Some(at) = bars.iter().position(|bar| bar.day == chosen) {
        let x = LEFT + slot * at as f64;
        let bottom = LOST.0 + LOST.1;
        let _ = write!(
            out,
            r##"<rect x="{x:.1}" y="{:.1}" width="{slot:.1}" height="{:.1}" fill="#eef1f4"/>"##,
            FIRE.0,
            bottom - FIRE.0
        );
    }
    axis(&mut out, FIRE, fire_top, "rounds");
    axis(&mut out, LOST, lost_top, "node hours");
    for (at, bar) in bars.iter().enumerate() {
        let (x, width) = (LEFT + slot * at as f64 + slot * 0.15, slot * 0.7);
        let mut rect = |(top, height): (f64, f64), from: f64, to: f64, most: f64, colour: &str| {
            let y = |value: f64| top + height - height * value / most;
            if to > from {
                let _ = write!(
                    out,
                    r#"<rect x="{x:.1}" y="{:.1}" width="{width:.1}" height="{:.1}" fill="{colour}"/>"#,
                    y(to),
                    y(from) - y(to)
                );
            }
        };
        let (explosions, fire) = (bar.explosions as f64, (bar.explosions + bar.other_fire) as f64);
        rect(FIRE, 0.0, explosions, fire_top, COLOURS[0]);
        rect(FIRE, explosions, fire, fire_top, COLOURS[1]);
        rect(LOST, 0.0, bar.hours_lost, lost_top, COLOURS[2]);
        if !bar.is_known {
            let (x, y) = (x + width / 2.0, FIRE.0 + FIRE.1 - 5.0);
            let _ = write!(out, r##"<text x="{x:.1}" y="{y:.1}" text-anchor="middle" fill="#999">·</text>"##);
        }
        if (bars.len() - 1 - at).is_multiple_of(5) {
            let (x, y) = (x + width / 2.0, LOST.0 + LOST.1 + 18.0);
            // Month and day: the year stands in the title.
            let text = bar.day.to_string();
            let text = escaped(text.get(5..).unwrap_or(&text));
            let _ = write!(out, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">{text}</text>"#);
        }
    }
    out.push_str("</svg>");
    out
}

fn legend(out: &mut String) {
    let entries = [(LEFT, COLOURS[0], "explosions"), (LEFT + 110.0, COLOURS[1], "bursts, shots, undetermined fire")];
    for (x, colour, text) in entries {
        let _ = write!(
            out,
            r#"<rect x="{x}" y="8" width="12" height="12" fill="{colour}"/><text x="{}" y="18">{text}</text>"#,
            x + 18.0
        );
    }
    let (x, y) = (LEFT, LOST.0 - 10.0);
    let _ = write!(
        out,
        r#"<rect x="{x}" y="{}" width="12" height="12" fill="{}"/><text x="{}" y="{y}">hours that nodes were silent</text>"#,
        y - 10.0,
        COLOURS[2],
        x + 18.0
    );
    let _ = write!(
        out,
        r##"<text x="{}" y="18" text-anchor="end" fill="#666">· no alert is known of that day</text>"##,
        WIDTH - RIGHT
    );
}

/// Lines at nothing, half and all of what the panel holds.
fn axis(out: &mut String, (top, height): (f64, f64), most: f64, unit: &str) {
    for share in [0.0, 0.5, 1.0] {
        let (y, value) = (top + height - height * share, most * share);
        let _ = write!(
            out,
            r##"<line x1="{LEFT}" y1="{y:.1}" x2="{}" y2="{y:.1}" stroke="#ccc" stroke-width="{}"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"##,
            WIDTH - RIGHT,
            if share == 0.0 { 1.5 } else { 0.7 },
            LEFT - 6.0,
            y + 4.0,
            tick(value)
        );
    }
    let (x, y) = (14.0, top + height / 2.0);
    let _ = write!(
        out,
        r##"<text x="{x}" y="{y:.1}" text-anchor="middle" fill="#666" transform="rotate(-90 {x} {y:.1})">{unit}</text>"##
    );
}

fn tick(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.1}") }
}

/// The least of 2, 4, 10, 20, 40, 100 … that is not below: half of each is as round.
fn nice(most: f64) -> f64 {
    let mut step = 2.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if step * factor >= most {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0.0, 2.0, 3.0, 11.0, 41.0, 1999.0].map(nice), [2.0, 2.0, 4.0, 20.0, 100.0, 2000.0]);
    }

    #[test]
    fn bars_are_as_high_as_they_say() {
        let day = Day(20_513);
        let quiet = Bar { day: day.plus(-1), explosions: 0, other_fire: 0, hours_lost: 0.0, is_known: false };
        let loud = Bar { day, explosions: 50, other_fire: 50, hours_lost: 1.0, is_known: true };
        let drawn = svg(&[quiet, loud], day);
        assert_eq!(drawn.matches(r##"height="75.0" fill="#8c2d19""##).count(), 1, "half of the panel: {drawn}");
        assert_eq!(drawn.matches(r##"height="75.0" fill="#e0a458""##).count(), 1);
        assert_eq!(drawn.matches(r##"height="30.0" fill="#7a8794""##).count(), 1);
        assert_eq!(drawn.matches(">·</text>").count(), 1, "of one day nothing is known");
        assert!(drawn.contains(">03-01</text>"));
    }
}
