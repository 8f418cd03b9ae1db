//! A map of a day: outlines of areas, alerts by class and certainty, a scale bar and north.
//!
//! The projection is azimuthal equidistant about the middle of what is shown, which is true to scale within 0.04% for
//! 300 km; up is north at the middle.

use super::words::escaped;
use crate::model::alert::{AlertFeature, Class, Term};
use crate::model::area::{Area, AreaType, Shape};
use crate::model::geo::{Frame, LonLat};
use std::fmt::Write;

/// Most alerts that are drawn: the gravest.
pub const MAX_MARKS: usize = 2_000;
/// Most points of areas that are drawn.
const MAX_POINTS: usize = 400_000;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 600.0;
/// The map's own part; the legend is to its right.
const MAP_WIDTH: f64 = 672.0;
/// At least so much is shown either way, m.
const LEAST_M: f64 = 2_000.0;
/// Free at the edges, as a share of what is shown.
const MARGIN: f64 = 0.06;

/// Symbols by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Circle,
    Up,
    Small,
    Diamond,
    Square,
    Cross,
}

/// What a group of classes looks like.
struct Group {
    text: &'static str,
    symbol: Symbol,
    colour: &'static str,
    classes: &'static [Class],
}

/// Groups in the order of the legend. Colours are those of Okabe and Ito, which the colour-blind tell apart.
const GROUPS: [Group; 8] = [
    Group {
        text: "explosion: impact, undetermined",
        symbol: Symbol::Circle,
        colour: "#b2182b",
        classes: &[Class::FireImpact, Class::FireExplosion],
    },
    Group { text: "explosion: outgoing", symbol: Symbol::Up, colour: "#d55e00", classes: &[Class::FireOutgoing] },
    Group {
        text: "burst, shot, other fire",
        symbol: Symbol::Small,
        colour: "#b8860b",
        classes: &[Class::FireBurst, Class::FireShot, Class::FireUndetermined],
    },
    Group {
        text: "weapons, ground movement",
        symbol: Symbol::Diamond,
        colour: "#5b2a86",
        classes: &[Class::IncursionWeapons, Class::IncursionGround],
    },
    Group { text: "aircraft", symbol: Symbol::Diamond, colour: "#0072b2", classes: &[Class::AirIncursion] },
    Group {
        text: "vessel",
        symbol: Symbol::Diamond,
        colour: "#009e73",
        classes: &[Class::SeaIncursion, Class::SeaDark],
    },
    Group {
        text: "passage restricted",
        symbol: Symbol::Square,
        colour: "#111111",
        classes: &[Class::RestrictionDenied, Class::RestrictionDelayed, Class::RestrictionConditional],
    },
    Group {
        text: "silent, tampered, jammed",
        symbol: Symbol::Cross,
        colour: "#6b7680",
        classes: &[Class::SensorSilent, Class::SensorTamper, Class::Interference],
    },
];

/// Line, fill and dashes of an area.
fn style(kind: AreaType) -> (&'static str, &'static str, &'static str) {
    match kind {
        AreaType::Disengagement | AreaType::Withdrawal => ("#9c6b6b", "#c9a0a0", ""),
        AreaType::NoFly => ("#5a86a8", "#a9c4d8", "2 3"),
        AreaType::Maritime => ("#4f9a83", "#a8d3c5", ""),
        AreaType::ProtectedSite => ("#8a6d1f", "#e2cf95", ""),
        AreaType::Sector => ("#b5bcc4", "none", "8 4"),
        AreaType::LineOfContact => ("#444444", "none", "10 3 2 3"),
        AreaType::SafeRoute => ("#777777", "none", "4 4"),
    }
}

/// The map as an SVG of its own. Of the alerts the first [`MAX_MARKS`] are drawn, the first of them on top.
pub fn svg(alerts: &[&AlertFeature], areas: &[&Area]) -> String {
    let alerts = &alerts[..alerts.len().min(MAX_MARKS)];
    let view = View::of(alerts, areas);
    let mut out = String::new();
    let _ = write!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Map of the day's alerts" font-family="system-ui, sans-serif" font-size="12" fill="#222"><defs><clipPath id="map"><rect width="{MAP_WIDTH}" height="{HEIGHT}"/></clipPath></defs><rect width="{MAP_WIDTH}" height="{HEIGHT}" fill="#fbfaf7" stroke="#888"/><g clip-path="url(#map)">"##
    );
    let names = draw_areas(&mut out, &view, areas);
    out.push_str(&names);
    for alert in alerts.iter().rev() {
        draw_alert(&mut out, &view, alert);
    }
    out.push_str("</g>");
    draw_scale(&mut out, &view);
    draw_legend(&mut out, areas);
    out.push_str("</svg>");
    out
}

/// From places to points of the drawing.
struct View {
    frame: Frame,
    centre_m: (f64, f64),
    px_per_m: f64,
}

impl View {
    /// What shows the alerts and the areas that contain one; all areas where there is no alert.
    fn of(alerts: &[&AlertFeature], areas: &[&Area]) -> View {
        let contains = |area: &Area| alerts.iter().any(|alert| alert.properties.within.contains(&area.area));
        let all = alerts.is_empty();
        let corners = areas.iter().filter(|area| all || contains(area)).flat_map(|area| points(&area.shape));
        let places: Vec<LonLat> = alerts.iter().map(|alert| alert.place()).chain(corners).collect();
        let first = places.first().copied().unwrap_or(LonLat { lon_deg: 0.0, lat_deg: 0.0 });
        // About any of them first, to find the middle.
        let rough = Frame::about(first);
        let bounds = Bounds::of(places.iter().map(|&place| rough.to_plane(place)));
        let (x_m, y_m) = bounds.middle();
        let frame = Frame::about(rough.to_place(x_m, y_m));
        let bounds = Bounds::of(places.iter().map(|&place| frame.to_plane(place)));
        let (width_m, height_m) = bounds.size();
        let room = 1.0 - 2.0 * MARGIN;
        let px_per_m = (MAP_WIDTH * room / width_m.max(LEAST_M)).min(HEIGHT * room / height_m.max(LEAST_M));
        View { frame, centre_m: bounds.middle(), px_per_m }
    }

    fn point(&self, place: LonLat) -> (f64, f64) {
        let (x_m, y_m) = self.frame.to_plane(place);
        let (dx_m, dy_m) = (x_m - self.centre_m.0, y_m - self.centre_m.1);
        (MAP_WIDTH / 2.0 + dx_m * self.px_per_m, HEIGHT / 2.0 - dy_m * self.px_per_m)
    }
}

#[derive(Clone, Copy)]
struct Bounds {
    low: (f64, f64),
    high: (f64, f64),
}

impl Bounds {
    fn of(points: impl Iterator<Item = (f64, f64)>) -> Bounds {
        let nothing = Bounds { low: (f64::INFINITY, f64::INFINITY), high: (f64::NEG_INFINITY, f64::NEG_INFINITY) };
        points.fold(nothing, |bounds, (x, y)| Bounds {
            low: (bounds.low.0.min(x), bounds.low.1.min(y)),
            high: (bounds.high.0.max(x), bounds.high.1.max(y)),
        })
    }

    fn middle(&self) -> (f64, f64) {
        match self.low.0.is_finite() {
            true => ((self.low.0 + self.high.0) / 2.0, (self.low.1 + self.high.1) / 2.0),
            false => (0.0, 0.0),
        }
    }

    fn size(&self) -> (f64, f64) {
        let span = |low: f64, high: f64| if low.is_finite() { high - low } else { 0.0 };
        (span(self.low.0, self.high.0), span(self.low.1, self.high.1))
    }
}

fn place(at: &geo::Coord<f64>) -> LonLat {
    LonLat { lon_deg: at.x, lat_deg: at.y }
}

fn points(shape: &Shape) -> Vec<LonLat> {
    match shape {
        Shape::Polygons(polygons) => {
            polygons.iter().flat_map(|polygon| polygon.exterior().coords()).map(place).collect()
        }
        Shape::Line(line) => line.coords().map(place).collect(),
    }
}

/// Draws outlines, and gives the names that come on top of all of them.
fn draw_areas(out: &mut String, view: &View, areas: &[&Area]) -> String {
    let (mut left, mut names) = (MAX_POINTS, String::new());
    // Sectors lie beneath, lines on top.
    let rank = |area: &&&Area| match area.kind {
        AreaType::Sector => 0,
        AreaType::LineOfContact | AreaType::SafeRoute => 2,
        _ => 1,
    };
    let mut sorted: Vec<&&Area> = areas.iter().collect();
    sorted.sort_by_key(rank);
    let mut labels: Vec<(f64, f64)> = Vec::new();
    for area in sorted {
        let (line, fill, dashes) = style(area.kind);
        let rings: Vec<Vec<LonLat>> = match &area.shape {
            Shape::Polygons(polygons) => polygons
                .iter()
                .flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()))
                .map(|ring| ring.coords().map(place).collect())
                .collect(),
            line => vec![points(line)],
        };
        let count: usize = rings.iter().map(Vec::len).sum();
        if count > left {
            continue;
        }
        left -= count;
        let (mut path, mut bounds) = (String::new(), Vec::new());
        for ring in &rings {
            for (at, &place) in ring.iter().enumerate() {
                let (x, y) = view.point(place);
                bounds.push((x, y));
                let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
            }
            if matches!(area.shape, Shape::Polygons(_)) {
                path.push('Z');
            }
        }
        let _ = write!(
            out,
            r#"<path d="{path}" fill="{fill}" fill-opacity="0.25" fill-rule="evenodd" stroke="{line}" stroke-width="1.4" stroke-dasharray="{dashes}"/>"#
        );
        label(&mut names, area, Bounds::of(bounds.into_iter()), line, &mut labels);
    }
    names
}

/// An area's name at its upper left corner, above it where it is small, moved down until it is on no other one.
fn label(out: &mut String, area: &Area, bounds: Bounds, colour: &str, labels: &mut Vec<(f64, f64)>) {
    let x = bounds.low.0.max(0.0) + 5.0;
    let is_small = bounds.size().0 < 90.0 && bounds.low.1 > 20.0;
    let mut y = if is_small { bounds.low.1 - 5.0 } else { bounds.low.1.max(0.0) + 14.0 };
    let is_seen = bounds.high.0 > 0.0 && bounds.low.0 < MAP_WIDTH && bounds.high.1 > 0.0 && bounds.low.1 < HEIGHT;
    if !is_seen {
        return;
    }
    while labels.iter().any(|&(other_x, other_y)| (other_x - x).abs() < 110.0 && (other_y - y).abs() < 13.0) {
        y += 13.0;
    }
    labels.push((x, y));
    let name = escaped(area.name.as_deref().unwrap_or(&area.area));
    let _ = write!(
        out,
        r##"<text x="{x:.1}" y="{y:.1}" fill="{colour}" stroke="#fbfaf7" stroke-width="3" paint-order="stroke" font-size="11">{name}</text>"##
    );
}

fn draw_alert(out: &mut String, view: &View, alert: &AlertFeature) {
    let properties = &alert.properties;
    let Some(group) = GROUPS.iter().find(|group| group.classes.contains(&properties.class)) else { return };
    let (x, y) = view.point(alert.place());
    if let Some(ellipse) = properties.ellipse {
        let (major, minor) = (ellipse.semi_major_m * view.px_per_m, ellipse.semi_minor_m * view.px_per_m);
        // Smaller ones are under the symbol.
        if major > 7.0 {
            let _ = write!(
                out,
                r#"<ellipse cx="{x:.1}" cy="{y:.1}" rx="{minor:.1}" ry="{major:.1}" transform="rotate({} {x:.1} {y:.1})" fill="none" stroke="{}" stroke-width="0.6" stroke-opacity="0.6"/>"#,
                ellipse.orientation_deg, group.colour
            );
        }
    }
    symbol(out, (x, y), group, properties.term, properties.notice.is_some());
}

/// Filled: confirmed; half filled: probable; hollow: possible; dashed: under notice.
fn symbol(out: &mut String, (x, y): (f64, f64), group: &Group, term: Term, under_notice: bool) {
    let opacity = match term {
        Term::Confirmed => 0.85,
        Term::Probable => 0.35,
        Term::Possible | Term::Unresolved => 0.0,
    };
    let dashes = if under_notice { "2 1.5" } else { "" };
    let opacity = if under_notice { 0.0 } else { opacity };
    let colour = group.colour;
    let paint = format!(
        r#"fill="{colour}" fill-opacity="{opacity}" stroke="{colour}" stroke-width="1.2" stroke-dasharray="{dashes}""#
    );
    let polygon = |corners: &[(f64, f64)]| {
        let corners: Vec<String> = corners.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
        format!(r#"<polygon points="{}" {paint}/>"#, corners.join(" "))
    };
    let drawn = match group.symbol {
        Symbol::Circle => format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.5" {paint}/>"#),
        Symbol::Small => format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="2.8" {paint}/>"#),
        Symbol::Up => polygon(&[(0.0, -5.5), (5.0, 4.0), (-5.0, 4.0)]),
        Symbol::Diamond => polygon(&[(0.0, -6.0), (5.0, 0.0), (0.0, 6.0), (-5.0, 0.0)]),
        Symbol::Square => polygon(&[(-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)]),
        Symbol::Cross => format!(
            r#"<path d="M{:.1} {:.1}l8 8m0 -8l-8 8" stroke="{colour}" stroke-width="1.6" fill="none"/>"#,
            x - 4.0,
            y - 4.0
        ),
    };
    out.push_str(&drawn);
}

/// A bar of a round length and an arrow to the north.
fn draw_scale(out: &mut String, view: &View) {
    let longest_m = 160.0 / view.px_per_m;
    let power = 10f64.powf(longest_m.log10().floor());
    let length_m = [5.0, 2.0, 1.0].map(|factor| factor * power).into_iter().find(|&m| m <= longest_m).unwrap_or(power);
    let length = length_m * view.px_per_m;
    let text = if length_m >= 1000.0 { format!("{} km", length_m / 1000.0) } else { format!("{length_m} m") };
    let (x, y) = (18.0, HEIGHT - 18.0);
    let _ = write!(
        out,
        r##"<rect x="{}" y="{}" width="{:.1}" height="32" fill="#fbfaf7" fill-opacity="0.85"/><path d="M{x} {}v6h{length:.1}v-6" fill="none" stroke="#222" stroke-width="1.5"/><text x="{:.1}" y="{}" text-anchor="middle">{text}</text>"##,
        x - 8.0,
        y - 22.0,
        length + 16.0,
        y - 6.0,
        x + length / 2.0,
        y - 8.0
    );
    let (x, y) = (MAP_WIDTH - 24.0, HEIGHT - 22.0);
    let _ = write!(
        out,
        r##"<path d="M{x} {}l6 22l-6 -5l-6 5z" fill="#222"/><text x="{x}" y="{}" text-anchor="middle" font-weight="bold">N</text>"##,
        y - 24.0,
        y + 14.0
    );
}

fn draw_legend(out: &mut String, areas: &[&Area]) {
    let (x, mut y) = (MAP_WIDTH + 18.0, 20.0);
    let heading = |out: &mut String, y: &mut f64, text: &str| {
        let _ = write!(out, r#"<text x="{x}" y="{y}" font-weight="bold">{text}</text>"#);
        *y += 20.0;
    };
    let line = |out: &mut String, y: &mut f64, text: &str| {
        let _ = write!(out, r#"<text x="{}" y="{}" font-size="11">{text}</text>"#, x + 16.0, *y + 4.0);
        *y += 18.0;
    };
    heading(out, &mut y, "What");
    for group in &GROUPS {
        symbol(out, (x + 4.0, y), group, Term::Confirmed, false);
        line(out, &mut y, group.text);
    }
    y += 12.0;
    heading(out, &mut y, "How sure");
    for (term, text, under_notice) in [
        (Term::Confirmed, "confirmed (0.95 and above)", false),
        (Term::Probable, "probable (0.75 and above)", false),
        (Term::Possible, "possible (0.4 and above)", false),
        (Term::Confirmed, "covered by a notice", true),
    ] {
        symbol(out, (x + 4.0, y), &GROUPS[0], term, under_notice);
        line(out, &mut y, text);
    }
    let mut kinds: Vec<AreaType> = areas.iter().map(|area| area.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if !kinds.is_empty() {
        y += 12.0;
        heading(out, &mut y, "Areas");
    }
    for kind in kinds {
        let (stroke, fill, dashes) = style(kind);
        let _ = write!(
            out,
            r#"<rect x="{}" y="{}" width="12" height="10" fill="{fill}" fill-opacity="0.25" stroke="{stroke}" stroke-dasharray="{dashes}"/>"#,
            x - 2.0,
            y - 5.0
        );
        line(out, &mut y, &kind.as_str().replace('_', " "));
    }
}
