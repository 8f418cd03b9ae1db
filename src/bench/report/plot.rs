//! Plots for the report's page: plain SVG, drawn here, so that the page needs nothing else.

use std::fmt::Write;

/// Width of a plot, pixels of the page; heights follow from what is in it.
const WIDTH: f64 = 860.0;
/// Left of it stand the labels.
const LABELS: f64 = 260.0;
/// Right of a bar stands its value.
const VALUES: f64 = 110.0;
const BAR: f64 = 18.0;
const GAP: f64 = 8.0;
/// Colours that people with any sight tell apart (Okabe and Ito 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// A bar.
pub struct Bar {
    /// Left of it.
    pub label: String,
    /// How long it is.
    pub value: f64,
    /// What it can't be longer than: drawn as a frame.
    pub roof: Option<f64>,
    /// Bars of one group have one colour.
    pub group: usize,
}

/// Text as HTML has it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number in few letters: `1.2 M`, `340 k`.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 99.5e6 => format!("{:.0} M", value * 1e-6),
        v if v >= 0.9995e6 => format!("{:.1} M", value * 1e-6),
        v if v >= 999.5 => format!("{:.0} k", value * 1e-3),
        v if v >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

/// Bars under one another, on a scale of powers of ten: what is ten times as fast is one step longer.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let (mut lowest, mut highest) = (f64::INFINITY, 0.0f64);
    for bar in bars {
        lowest = lowest.min(bar.value);
        highest = highest.max(bar.value).max(bar.roof.unwrap_or(0.0));
    }
    if bars.is_empty() || lowest <= 0.0 || !highest.is_finite() {
        return String::new();
    }
    let (first, last) = (lowest.log10().floor(), highest.log10().ceil().max(lowest.log10().floor() + 1.0));
    let room = WIDTH - LABELS - VALUES;
    let at = |value: f64| LABELS + room * ((value.log10() - first) / (last - first)).clamp(0.0, 1.0);
    let height = bars.len() as f64 * (BAR + GAP) + 26.0;
    let mut out = open(title, height);
    let mut power = first;
    while power <= last {
        let x = at(10f64.powf(power));
        grid(&mut out, (x, 0.0), (x, height - 22.0));
        label(&mut out, (x, height - 6.0), "middle", &short(10f64.powf(power)));
        power += 1.0;
    }
    for (row, bar) in bars.iter().enumerate() {
        let (y, colour) = (row as f64 * (BAR + GAP) + GAP / 2.0, COLOURS[bar.group % COLOURS.len()]);
        let x = at(bar.value);
        let _ = write!(
            out,
            r#"<rect x="{LABELS}" y="{y:.1}" width="{:.1}" height="{BAR}" fill="{colour}"/>"#,
            (x - LABELS).max(1.0)
        );
        let mut end = x;
        if let Some(roof) = bar.roof {
            end = end.max(at(roof));
            let _ = write!(
                out,
                r##"<rect x="{LABELS}" y="{y:.1}" width="{:.1}" height="{BAR}" fill="none" stroke="#333" stroke-dasharray="4 2"/>"##,
                at(roof) - LABELS
            );
        }
        label(&mut out, (LABELS - 6.0, y + 13.5), "end", &bar.label);
        label(&mut out, (end + 6.0, y + 13.5), "start", &short(bar.value));
    }
    out + "</svg>\n"
}

/// Distributions of latency: milliseconds, on a scale of powers of ten, against the share of the alerts that are quicker; each nine is as
/// wide as the last. A curve is a name and its points: share below, milliseconds.
pub fn curves(title: &str, curves: &[(String, &[(f64, f64)])]) -> String {
    let all = || curves.iter().flat_map(|(_, points)| points.iter());
    // How many nines: what is above is one in ten to this power.
    let nines = |share: f64| -(1.0 - share).max(1e-9).log10();
    let most_nines = all().filter(|point| point.0 < 1.0).map(|point| nines(point.0)).fold(1.0, f64::max).ceil();
    let (low, high) = all().fold((f64::INFINITY, 0.0f64), |(low, high), &(_, ms)| (low.min(ms), high.max(ms)));
    if !(low.is_finite() && high > 0.0) {
        return String::new();
    }
    let (first, last) = (low.max(0.1).log10().floor(), high.log10().ceil().max(low.max(0.1).log10().floor() + 1.0));
    let (left, right, top, bottom) = (60.0, WIDTH - 190.0, 8.0, 300.0);
    let x = |share: f64| left + (right - left) * (nines(share) / most_nines).clamp(0.0, 1.0);
    let y = |ms: f64| bottom - (bottom - top) * ((ms.max(0.1).log10() - first) / (last - first)).clamp(0.0, 1.0);
    let mut out = open(title, bottom + 26.0);
    let mut power = first;
    while power <= last {
        let ms = 10f64.powf(power);
        grid(&mut out, (left, y(ms)), (right, y(ms)));
        label(&mut out, (left - 6.0, y(ms) + 4.0), "end", &format!("{} ms", short(ms)));
        power += 1.0;
    }
    for (share, text) in [(0.0, "0"), (0.5, "50%"), (0.9, "90%"), (0.99, "99%"), (0.999, "99.9%"), (0.9999, "99.99%")] {
        if nines(share) <= most_nines {
            grid(&mut out, (x(share), top), (x(share), bottom));
            label(&mut out, (x(share), bottom + 18.0), "middle", text);
        }
    }
    for (at, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let line: Vec<String> = points.iter().map(|&(share, ms)| format!("{:.1},{:.1}", x(share), y(ms))).collect();
        let _ =
            write!(out, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, line.join(" "));
        let row = top + 14.0 + 20.0 * at as f64;
        let _ = write!(
            out,
            r#"<rect x="{:.1}" y="{:.1}" width="14" height="4" fill="{colour}"/>"#,
            right + 14.0,
            row - 6.0
        );
        label(&mut out, (right + 34.0, row), "start", name);
    }
    out + "</svg>\n"
}

fn open(title: &str, height: f64) -> String {
    let title = escape(title);
    format!(r#"<svg viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{title}"><title>{title}</title>"#)
}

fn grid(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = write!(
        out,
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#ddd"/>"##,
        from.0, from.1, to.0, to.1
    );
}

fn label(out: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    let text = escape(text);
    let _ = write!(out, r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}">{text}</text>"#, at.0, at.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(svg: &str, tag: &str, name: &str) -> Vec<f64> {
        let of = |part: &str| {
            part.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next()?.parse().ok())
        };
        svg.split(&format!("<{tag} ")).skip(1).filter_map(of).collect()
    }

    #[test]
    fn ten_times_as_much_is_a_step_longer_and_a_roof_frames_its_bar() {
        let bar = |value, roof| Bar { label: "a & b".to_owned(), value, roof, group: 0 };
        let svg = bars("rates", &[bar(1e4, None), bar(1e5, Some(1e6)), bar(1e6, None)]);
        let widths = numbers(&svg, "rect", "width");
        let room = WIDTH - LABELS - VALUES;
        for (width, expected) in widths.iter().zip([1.0, room / 2.0, room, room]) {
            assert!((width - expected).abs() < 0.2, "{widths:?}");
        }
        assert!(svg.contains("a &amp; b") && svg.contains("100 k") && svg.ends_with("</svg>\n"));
        assert_eq!(bars("none", &[]) + &bars("nothing", &[bar(0.0, None)]), "");
    }

    #[test]
    fn each_nine_is_as_wide_as_the_last() {
        let points = [(0.0, 1.0), (0.9, 10.0), (0.99, 100.0), (1.0, 100.0)];
        let svg = curves("latency", &[("at half load".to_owned(), &points)]);
        let line = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let at: Vec<(f64, f64)> = line
            .split(' ')
            .map(|point| point.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        assert!((at[1].0 - at[0].0 - (at[2].0 - at[1].0)).abs() < 0.2, "{at:?}");
        assert!((at[0].1 - at[1].1 - (at[1].1 - at[2].1)).abs() < 0.2 && at[2].1 < at[0].1, "{at:?}");
        assert_eq!(curves("none", &[]), "");
    }

    #[test]
    fn numbers_are_short() {
        let told: Vec<String> = [2.5, 42.0, 1_000.0, 12_345.0, 999_700.0, 1.25e6, 2e8].map(short).into();
        assert_eq!(told, ["2.5", "42", "1 k", "12 k", "1.0 M", "1.2 M", "200 M"]);
    }
}
