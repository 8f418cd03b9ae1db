//! Ships, aircraft, drones and vehicles: where they go, what of it is plotted, and when they were where they must
//! not be.
//!
//! The truth of a crossing is that of the true path, not of the plots. Routes are drawn so that the answer is clear:
//! inside a prohibited area an object goes well beyond the noise of its plots, and an object that only skirts it stays
//! a few sigma outside.

use super::chance::Chance;
use super::draft::{Draft, Fields};
use super::ground;
use super::hear::to_microseconds;
use super::world::{Event, World};
use crate::model::alert::Class;
use crate::model::area::{Area, Prohibition, Shape};
use crate::model::geo::{Frame, LonLat};
use crate::model::kind::{Domain, Kind};
use crate::model::time::ns_from_s;

/// Fewest plots inside an area that make a crossing clear.
const CLEAR_PLOTS: f64 = 6.0;
/// How many sigma deep a crossing, and how far off a passage, must be to be clear.
const CLEAR_SIGMAS: f64 = 3.0;

/// An object and its way.
#[derive(Clone, Debug)]
pub(super) struct Mover {
    /// The node that plots it.
    pub(super) site: usize,
    /// The name of its track.
    pub(super) track: String,
    /// Where it moves.
    pub(super) domain: Domain,
    /// What it is.
    pub(super) class: &'static str,
    /// MMSI or ICAO24.
    pub(super) identity: Option<String>,
    /// Corners of its way: seconds into the scene, metres east and north of the middle.
    pub(super) way: Vec<(f64, f64, f64)>,
    /// Height, metres.
    pub(super) alt_m: f64,
    /// Uncertainty of a plot along each axis, metres.
    pub(super) sd_m: f64,
    /// Seconds between plots.
    pub(super) every_s: f64,
    /// When nothing is heard of it, seconds into the scene.
    pub(super) gaps: Vec<(f64, f64)>,
}

impl Mover {
    /// Where it is: metres east and north of the middle, and its velocity.
    pub(super) fn at(&self, at_s: f64) -> ((f64, f64), (f64, f64)) {
        let next = self.way.partition_point(|corner| corner.0 <= at_s).clamp(1, self.way.len() - 1);
        let (a, b) = (self.way[next - 1], self.way[next]);
        let (dt, part) = (b.0 - a.0, (at_s - a.0) / (b.0 - a.0));
        ((a.1 + part * (b.1 - a.1), a.2 + part * (b.2 - a.2)), ((b.1 - a.1) / dt, (b.2 - a.2) / dt))
    }

    fn span_s(&self) -> (f64, f64) {
        (self.way[0].0, self.way[self.way.len() - 1].0)
    }

    /// What it breaches in an area, if anything.
    fn breach(&self, area: &Area) -> Option<Class> {
        let is_flight = matches!(self.domain, Domain::Air | Domain::Uav);
        let is_above = area.ceiling_m.is_some_and(|ceiling_m| self.alt_m >= ceiling_m);
        if is_flight && (is_above || area.floor_m.is_some_and(|floor_m| self.alt_m < floor_m)) {
            return None;
        }
        let heavy = ["tank", "howitzer", "mlrs", "mortar", "ifv", "air_defence"].contains(&self.class);
        match self.domain {
            Domain::Sea if area.prohibits(Prohibition::Vessel) => Some(Class::SeaIncursion),
            Domain::Air if area.prohibits(Prohibition::Flight) => Some(Class::AirIncursion),
            Domain::Uav if area.prohibits(Prohibition::Uav) || area.prohibits(Prohibition::Flight) => {
                Some(Class::AirIncursion)
            }
            Domain::Ground if heavy && area.prohibits(Prohibition::HeavyWeapons) => Some(Class::IncursionWeapons),
            Domain::Ground if area.prohibits(Prohibition::Entry) => Some(Class::IncursionGround),
            _ => None,
        }
    }
}

/// A way straight ahead: from (x, y) in that direction, from `from_s` on, so many metres.
pub(super) fn straight(
    from_s: f64,
    (x, y): (f64, f64),
    heading_deg: f64,
    length_m: f64,
    speed_m_s: f64,
) -> Vec<(f64, f64, f64)> {
    let (sin, cos) = heading_deg.to_radians().sin_cos();
    vec![(from_s, x, y), (from_s + length_m / speed_m_s, x + length_m * sin, y + length_m * cos)]
}

/// An area's outer ring in the plane, metres.
pub(super) fn outline(area: &Area, frame: &Frame) -> Vec<(f64, f64)> {
    match &area.shape {
        Shape::Polygons(shape) => shape
            .0
            .iter()
            .flat_map(|polygon| polygon.exterior().0.iter())
            .map(|c| frame.to_plane(LonLat { lon_deg: c.x, lat_deg: c.y }))
            .collect(),
        Shape::Line(_) => Vec::new(),
    }
}

/// How far inside the outline a point is, metres; negative outside.
pub(super) fn depth_m(outline: &[(f64, f64)], (x, y): (f64, f64)) -> f64 {
    let (mut nearest_m, mut inside) = (f64::INFINITY, false);
    for side in outline.windows(2) {
        let ((ax, ay), (bx, by)) = (side[0], side[1]);
        let (dx, dy) = (bx - ax, by - ay);
        let part = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
        nearest_m = nearest_m.min((x - ax - part * dx).hypot(y - ay - part * dy));
        if (ay > y) != (by > y) && x < ax + (y - ay) / dy * dx {
            inside = !inside;
        }
    }
    if inside { nearest_m } else { -nearest_m }
}

/// A stay inside an area that forbids it.
#[derive(Clone, Debug)]
struct Stay {
    area: usize,
    class: Class,
    from_s: f64,
    /// `None` where its track ends inside.
    to_s: Option<f64>,
    deepest_m: f64,
}

/// The stays of a mover, to half a second, and the nearest it comes to a forbidden area without entering.
fn stays(world: &World, mover: &Mover) -> (Vec<Stay>, f64) {
    let frame = Frame::about(world.centre);
    let (mut all, mut nearest_m) = (Vec::new(), f64::INFINITY);
    let (from_s, to_s) = (mover.span_s().0.max(0.0), mover.span_s().1.min(world.length_s()));
    for (area_at, area) in world.areas.iter().enumerate() {
        let Some(class) = mover.breach(area) else { continue };
        let outline = outline(area, &frame);
        let (mut stay, mut entered, mut closest_m): (Option<Stay>, bool, f64) = (None, false, f64::INFINITY);
        let mut at_s = from_s;
        while at_s < to_s {
            let depth = depth_m(&outline, mover.at(at_s).0);
            if depth > 0.0 {
                entered = true;
                let open =
                    stay.get_or_insert(Stay { area: area_at, class, from_s: at_s, to_s: None, deepest_m: depth });
                open.deepest_m = open.deepest_m.max(depth);
            } else if let Some(mut left) = stay.take() {
                left.to_s = Some(at_s);
                all.push(left);
            }
            closest_m = closest_m.min(-depth);
            at_s += 0.5;
        }
        all.extend(stay);
        if !entered {
            nearest_m = nearest_m.min(closest_m);
        }
    }
    (all, nearest_m)
}

/// Whether the mover's stays are clear ones, and plotted while they last.
pub(super) fn is_clear(world: &World, mover: &Mover) -> bool {
    let (stays, nearest_m) = stays(world, mover);
    let last_s = mover.span_s().1.min(world.length_s());
    nearest_m > CLEAR_SIGMAS * mover.sd_m
        && stays.iter().all(|stay| {
            stay.deepest_m > 2.0 * CLEAR_SIGMAS * mover.sd_m
                && stay.to_s.unwrap_or(last_s) - stay.from_s > CLEAR_PLOTS * mover.every_s
                && mover.gaps.iter().all(|gap| gap.1 < stay.from_s || stay.to_s.is_some_and(|to_s| to_s < gap.0))
        })
}

/// Sends a mover on its way: plots, stays in forbidden areas, and times when it went dark near an area that forbids
/// that (within `near_m`).
pub(super) fn send(world: &mut World, mover: &Mover, near_m: f64, chance: &mut Chance) {
    let frame = Frame::about(world.centre);
    let mut stayed: Vec<(Stay, usize)> = Vec::new();
    for stay in stays(world, mover).0 {
        let entry = mover.at(stay.from_s).0;
        let area = world.areas[stay.area].area.clone();
        let (from_ns, place) = (world.at_ns(stay.from_s), frame.to_place(entry.0, entry.1));
        let event = Event {
            lasts: true,
            to_ns: stay.to_s.map(|to_s| world.at_ns(to_s)),
            violation: !ground::noticed(&world.notices, place, from_ns, stay.class),
            areas: vec![area],
            ..world.happening(stay.class, from_ns, place, &[])
        };
        let event_at = world.add_event(event);
        stayed.push((stay, event_at));
    }
    let dark: Vec<(f64, f64, usize)> =
        mover.gaps.iter().filter_map(|&gap| Some((gap.0, gap.1, went_dark(world, mover, gap, near_m)?))).collect();
    let (from_s, to_s) = (mover.span_s().0.max(0.0), mover.span_s().1.min(world.length_s()));
    let mut at_s = from_s + chance.range(0.0, mover.every_s);
    // The last plot before a dark time and the first after it are its evidence, and its bounds.
    let mut last: Option<usize> = None;
    while at_s < to_s {
        let silent = mover.gaps.iter().any(|gap| (gap.0..gap.1).contains(&at_s)) || chance.yes(0.03);
        let ((x, y), (vx, vy)) = mover.at(at_s);
        let noise_m = world.options.noise * mover.sd_m;
        let seen = frame.to_place(x + noise_m * chance.normal(), y + noise_m * chance.normal());
        if !silent {
            let mut draft = plot(mover, to_microseconds(world.at_ns(at_s)), seen, (vx, vy));
            for (stay, event) in &stayed {
                if at_s >= stay.from_s && stay.to_s.is_none_or(|to_s| at_s < to_s) {
                    draft = draft.of(*event);
                }
            }
            let here = world.drafts.len();
            for &(gap_s, _, event) in &dark {
                let opened = world.events[event].to_ns.is_none();
                if at_s > gap_s
                    && opened
                    && let Some(before) = last
                {
                    world.drafts[before].events.push(event);
                    draft.events.push(event);
                    let known = &mut world.events[event];
                    (known.time_ns, known.to_ns) = (world.drafts[before].time_ns, Some(draft.time_ns));
                }
            }
            world.drafts.push(draft);
            last = Some(here);
        }
        at_s += mover.every_s * chance.range(0.9, 1.1);
    }
    // Gaps that last to the end have no first plot after them.
    for &(gap_s, _, event) in &dark {
        if let Some(before) = last.filter(|_| world.events[event].to_ns.is_none() && gap_s < to_s) {
            world.drafts[before].events.push(event);
            world.events[event].time_ns = world.drafts[before].time_ns;
        }
    }
}

/// The event of a vessel's silence, where an area near by forbids it.
fn went_dark(world: &mut World, mover: &Mover, gap: (f64, f64), near_m: f64) -> Option<usize> {
    let frame = Frame::about(world.centre);
    // A loss of some minutes is no silence.
    if mover.domain != Domain::Sea || gap.1 - gap.0 < 600.0_f64.max(10.0 * mover.every_s) {
        return None;
    }
    let here = mover.at(gap.0).0;
    let areas: Vec<String> = world
        .areas
        .iter()
        .filter(|area| area.prohibits(Prohibition::AisOff) && depth_m(&outline(area, &frame), here) >= -near_m)
        .map(|area| area.area.clone())
        .collect();
    if areas.is_empty() {
        return None;
    }
    let (time_ns, place) = (world.at_ns(gap.0), frame.to_place(here.0, here.1));
    let violation = !ground::noticed(&world.notices, place, time_ns, Class::SeaDark);
    let event = Event { lasts: true, areas, violation, ..world.happening(Class::SeaDark, time_ns, place, &[]) };
    Some(world.add_event(event))
}

/// One plot of a mover.
pub(super) fn plot(mover: &Mover, time_ns: i64, seen: LonLat, (vx, vy): (f64, f64)) -> Draft {
    let course_deg = (vx.atan2(vy).to_degrees().rem_euclid(360.0) * 10.0).floor() / 10.0;
    let mut fields = Fields::new()
        .text("track", &mover.track)
        .text("domain", mover.domain.as_str())
        .number("object_lon", seen.lon_deg, 6)
        .number("object_lat", seen.lat_deg, 6)
        .number("object_sd_m", mover.sd_m, 0)
        .number("speed_m_s", vx.hypot(vy), 1)
        .number("course_deg", course_deg, 1);
    if mover.alt_m > 0.0 {
        fields = fields.number("object_alt_m", mover.alt_m, 0);
    }
    if !mover.class.is_empty() {
        fields = fields.text("object_class", mover.class);
    }
    if let Some(identity) = &mover.identity {
        fields = fields.text("identity", identity);
    }
    // The plot leaves when it was made; a radar's turn or a receiver's queue costs a little.
    let draft = Draft::new(mover.site, Kind::Track, time_ns, fields);
    Draft { sent_ns: time_ns + ns_from_s(0.05), ..draft }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [(f64, f64); 5] = [(0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0), (0.0, 0.0)];

    #[test]
    fn depth_is_positive_inside_and_negative_outside() {
        assert_eq!(depth_m(&SQUARE, (50.0, 50.0)), 50.0);
        assert_eq!(depth_m(&SQUARE, (10.0, 50.0)), 10.0);
        assert_eq!(depth_m(&SQUARE, (-30.0, 50.0)), -30.0);
        assert!((depth_m(&SQUARE, (-30.0, -40.0)) + 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_mover_is_where_its_way_says() {
        let mover = Mover {
            site: 0,
            track: "t".into(),
            domain: Domain::Sea,
            class: "",
            identity: None,
            way: straight(10.0, (0.0, 0.0), 90.0, 100.0, 5.0),
            alt_m: 0.0,
            sd_m: 1.0,
            every_s: 1.0,
            gaps: Vec::new(),
        };
        let ((x, y), (vx, vy)) = mover.at(20.0);
        assert!((x - 50.0).abs() < 1e-9 && y.abs() < 1e-9 && (vx - 5.0).abs() < 1e-9 && vy.abs() < 1e-9);
        assert_eq!(mover.span_s(), (10.0, 30.0));
    }
}
