//! Areas and notices: what contains a place, what it breaches there, and which notice covers it.

mod announced;
mod grid;
mod kept;
mod outline;

pub use self::announced::Waypoint;
use self::grid::Grid;
pub use self::outline::metres_per_degree;
use self::outline::{Bounds, Outline};
use crate::model::alert::{Class, Exceeds};
use crate::model::area::{Area, AreaType, Prohibition, Shape};
use crate::model::geo::LonLat;
use crate::model::kind::Component;
use crate::model::notice::Notice;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// What the areas and notices say of one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Ids of the areas whose prohibition it breaches, sorted.
    pub areas: Vec<String>,
    /// Ids of all areas that contain it, sorted.
    pub within: Vec<String>,
    /// Sectors of those, sorted.
    pub sectors: Vec<String>,
    /// Component of the first breached area that has one, else of the first containing one, else by class.
    pub component: Option<Component>,
    /// Breaches, and no notice covers it.
    pub violation: bool,
    /// The notice that covers it.
    pub notice: Option<String>,
    /// The notice that announced it, but less of it.
    pub exceeds: Option<Exceeds>,
    /// Whether a protected site contains it.
    pub protected_site: bool,
}

/// What tells in a moment that an area does not matter.
#[derive(Clone, Copy, Debug)]
struct Hint {
    /// The box around it; `None` for what is not a polygon.
    bounds: Option<Bounds>,
    /// A bit for each thing that it prohibits.
    prohibits: u32,
}

impl Hint {
    fn of(area: &Area, outline: Option<&Outline>) -> Hint {
        let is_polygon = matches!(area.shape, Shape::Polygons(_));
        Hint { bounds: outline.filter(|_| is_polygon).map(Outline::bounds), prohibits: bits(&area.prohibits) }
    }
}

fn bits(prohibitions: &[Prohibition]) -> u32 {
    prohibitions.iter().fold(0, |bits, &what| bits | 1 << what as u32)
}

/// All areas and notices, indexed. An area's index holds until the next change of [`Places::version`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "kept::Kept")]
pub struct Places {
    areas: Vec<Area>,
    #[serde(skip)]
    area_by_id: FxHashMap<String, usize>,
    #[serde(skip)]
    area_outlines: Vec<Option<Outline>>,
    /// What is asked of most areas, and no more.
    #[serde(skip)]
    area_hints: Vec<Hint>,
    #[serde(skip)]
    area_grid: Grid,
    notices: Vec<Notice>,
    #[serde(skip)]
    notice_outlines: Vec<Option<Outline>>,
    #[serde(skip)]
    notice_grid: Grid,
    version: u64,
}

impl Places {
    /// The places of these areas and notices. Of two of one id the later holds.
    pub fn new(areas: Vec<Area>, notices: Vec<Notice>) -> Places {
        let mut places = Places::default();
        for area in areas {
            places.upsert_area(area);
        }
        for notice in notices {
            places.upsert_notice(notice);
        }
        places
    }

    /// Adds or replaces an area. The same again is no change.
    pub fn upsert_area(&mut self, area: Area) {
        let outline = match &area.shape {
            Shape::Polygons(polygons) => Outline::of_polygons(polygons),
            Shape::Line(line) => Outline::of_line(line),
        };
        let ix = match self.find(&area.area) {
            Some(ix) if self.areas[ix] == area => return,
            Some(ix) => {
                self.area_grid.remove(ix, self.area_outlines[ix].as_ref().map(Outline::bounds));
                self.areas[ix] = area;
                ix
            }
            None => {
                self.area_by_id.insert(area.area.clone(), self.areas.len());
                self.areas.push(area);
                self.area_outlines.push(None);
                self.area_hints.push(Hint { bounds: None, prohibits: 0 });
                self.areas.len() - 1
            }
        };
        self.area_grid.insert(ix, outline.as_ref().map(Outline::bounds));
        self.area_hints[ix] = Hint::of(&self.areas[ix], outline.as_ref());
        self.area_outlines[ix] = outline;
        self.version += 1;
    }

    /// Removes an area.
    pub fn remove_area(&mut self, area: &str) {
        let Some(ix) = self.find(area) else { return };
        self.areas.remove(ix);
        self.area_by_id = self.areas.iter().enumerate().map(|(ix, area)| (area.area.clone(), ix)).collect();
        self.area_outlines.remove(ix);
        self.area_hints.remove(ix);
        self.area_grid = Grid::of(self.area_outlines.iter().map(|outline| outline.as_ref().map(Outline::bounds)));
        self.version += 1;
    }

    /// Adds or replaces a notice. The same again is no change.
    pub fn upsert_notice(&mut self, notice: Notice) {
        let outline = Outline::of_polygons(&notice.shape);
        let ix = match self.notices.iter().position(|known| known.notice == notice.notice) {
            Some(ix) if self.notices[ix] == notice => return,
            Some(ix) => {
                self.notice_grid.remove(ix, self.notice_outlines[ix].as_ref().map(Outline::bounds));
                self.notices[ix] = notice;
                ix
            }
            None => {
                self.notices.push(notice);
                self.notice_outlines.push(None);
                self.notices.len() - 1
            }
        };
        self.notice_grid.insert(ix, outline.as_ref().map(Outline::bounds));
        self.notice_outlines[ix] = outline;
        self.version += 1;
    }

    /// Removes a notice.
    pub fn remove_notice(&mut self, notice: &str) {
        let Some(ix) = self.notices.iter().position(|known| known.notice == notice) else { return };
        self.notices.remove(ix);
        self.notice_outlines.remove(ix);
        self.notice_grid = Grid::of(self.notice_outlines.iter().map(|outline| outline.as_ref().map(Outline::bounds)));
        self.version += 1;
    }

    /// Has the areas and notices of `now`, and no others; those that are the same stay where they are.
    pub fn become_like(&mut self, now: &Places) {
        let areas = self.areas.iter().map(|area| area.area.clone());
        let gone: Vec<String> = areas.filter(|area| now.find(area).is_none()).collect();
        gone.iter().for_each(|area| self.remove_area(area));
        now.areas.iter().for_each(|area| self.upsert_area(area.clone()));
        let notices = self.notices.iter().map(|notice| notice.notice.clone());
        let gone: Vec<String> = notices.filter(|notice| now.notice(notice).is_none()).collect();
        gone.iter().for_each(|notice| self.remove_notice(notice));
        now.notices.iter().for_each(|notice| self.upsert_notice(notice.clone()));
    }

    /// All areas.
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// The areas that contain a place, at any time, in order of their ids.
    pub fn areas_at(&self, place: LonLat) -> impl Iterator<Item = &Area> {
        let mut found: Vec<&Area> = Vec::new();
        self.area_grid.each_near(place, 0.0, |ix| {
            if self.area_outlines[ix].as_ref().is_some_and(|outline| outline.contains(place)) {
                found.push(&self.areas[ix]);
            }
        });
        found.sort_unstable_by(|a, b| a.area.cmp(&b.area));
        found.into_iter()
    }

    /// All notices.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The notice of that id.
    pub fn notice(&self, notice: &str) -> Option<&Notice> {
        self.notices.iter().find(|known| known.notice == notice)
    }

    /// Changes whenever an area or a notice does: whoever derives something from them compares it.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The index of the area of that id.
    pub fn find(&self, area: &str) -> Option<usize> {
        self.area_by_id.get(area).copied()
    }

    /// Indices of the areas that prohibit `what`, valid or not.
    pub fn prohibiting(&self, what: Prohibition) -> impl Iterator<Item = usize> {
        self.areas.iter().enumerate().filter(move |(_, area)| area.prohibits(what)).map(|(ix, _)| ix)
    }

    /// Metres from the place to the border of an area, positive inside; to a line, never positive. Minus infinity
    /// for an area without extent or an index that is none. Good to 1% within 50 km.
    pub fn signed_distance_m(&self, area_ix: usize, place: LonLat) -> f64 {
        match self.area_outlines.get(area_ix) {
            Some(Some(outline)) => outline.signed_distance_m(place),
            _ => f64::NEG_INFINITY,
        }
    }

    /// The polygons that contain the place or whose border is at most `metres` away and that prohibit any of
    /// `prohibitions`, valid or not: index and signed distance in metres, in the order of the indices.
    pub fn near(&self, place: LonLat, metres: f64, prohibitions: &[Prohibition]) -> Vec<(usize, f64)> {
        let (mut found, sought) = (Vec::new(), bits(prohibitions));
        self.area_grid.each_near(place, metres, |ix| {
            let hint = &self.area_hints[ix];
            if hint.prohibits & sought != 0 && hint.bounds.is_some_and(|bounds| bounds.may_be_near(place, metres)) {
                let distance_m = self.signed_distance_m(ix, place);
                if distance_m >= -metres {
                    found.push((ix, distance_m));
                }
            }
        });
        found.sort_unstable_by_key(|&(ix, _)| ix);
        // An area stands in several cells.
        found.dedup_by_key(|&mut (ix, _)| ix);
        found
    }

    /// As [`Places::near`], and with it how many metres from there, `most_m` at the most, the same areas are near, and each is on
    /// the same side: so far nobody has to ask again until [`Places::version`] changes.
    pub fn vicinity(
        &self,
        place: LonLat,
        metres: f64,
        prohibitions: &[Prohibition],
        most_m: f64,
    ) -> (Vec<(usize, f64)>, f64) {
        let (mut found, mut holds_m, sought) = (Vec::new(), most_m, bits(prohibitions));
        self.area_grid.each_near(place, metres + most_m, |ix| {
            let hint = &self.area_hints[ix];
            let Some(bounds) = hint.bounds.filter(|_| hint.prohibits & sought != 0) else { return };
            if !bounds.may_be_near(place, metres) {
                holds_m = holds_m.min(bounds.least_m(place, 2.0 * (metres + most_m)) / 1.1 - metres);
                return;
            }
            let distance_m = self.signed_distance_m(ix, place);
            if distance_m >= -metres {
                found.push((ix, distance_m));
            }
            // Either distance is off by 1% at the most.
            let changes_m = distance_m.abs().min((distance_m + metres).abs());
            holds_m = holds_m.min(changes_m - 0.03 * distance_m.abs());
        });
        found.sort_unstable_by_key(|&(ix, _)| ix);
        // An area stands in several cells.
        found.dedup_by_key(|&mut (ix, _)| ix);
        // Nearer to the poles distances are less exact.
        (found, if place.lat_deg.abs() < 70.0 { (0.95 * holds_m).max(0.0) } else { 0.0 })
    }

    /// The protected sites in force at that time that contain the place or whose border is at most `metres` away, by index.
    pub fn protected_near(&self, place: LonLat, metres: f64, time_ns: i64) -> Vec<usize> {
        let mut found = Vec::new();
        self.area_grid.each_near(place, metres, |ix| {
            let area = &self.areas[ix];
            let is_site = area.kind == AreaType::ProtectedSite && area.valid_at(time_ns);
            if is_site && self.signed_distance_m(ix, place) >= -metres {
                found.push(ix);
            }
        });
        found.sort_unstable();
        // An area stands in several cells.
        found.dedup();
        found
    }

    /// The lines of contact in force at that time, by index. An area of that type is none: it has no two sides.
    pub fn lines_of_contact(&self, time_ns: i64) -> Vec<usize> {
        let is_line = |area: &Area| area.kind == AreaType::LineOfContact && matches!(area.shape, Shape::Line(_));
        let lines = self.areas.iter().enumerate().filter(|(_, area)| is_line(area) && area.valid_at(time_ns));
        lines.map(|(ix, _)| ix).collect()
    }

    /// Whether two places lie on different sides of a line: the straight way between them crosses it an odd number of times.
    /// Beyond its ends a line parts nothing.
    pub fn parts(&self, line_ix: usize, from: LonLat, to: LonLat) -> bool {
        self.area_outlines.get(line_ix).and_then(Option::as_ref).is_some_and(|outline| outline.parts(from, to))
    }

    /// What the areas and notices say of an event of `class` at that place and time; `prohibitions` is what it
    /// would breach (any of them).
    pub fn judge(&self, class: Class, prohibitions: &[Prohibition], place: LonLat, time_ns: i64) -> Judgement {
        self.judge_named(class, prohibitions, &[Waypoint::new(place, time_ns)], &[])
    }

    /// As [`Places::judge`] where `way` begins; the notice has to cover all of it. The areas of the ids in `named` are
    /// breached and contain it, come what may: an incursion is dated and placed on the border of the area it enters.
    /// Without a way nothing is known, and nothing is breached.
    pub fn judge_named(
        &self,
        class: Class,
        prohibitions: &[Prohibition],
        way: &[Waypoint],
        named: &[String],
    ) -> Judgement {
        let Some(&Waypoint { place, time_ns, .. }) = way.first() else { return Judgement::default() };
        let mut containing: Vec<(bool, &Area)> = Vec::new();
        self.area_grid.each_near(place, 0.0, |ix| {
            let area = &self.areas[ix];
            let contains = || self.area_outlines[ix].as_ref().is_some_and(|outline| outline.contains(place));
            if area.valid_at(time_ns) && !named.contains(&area.area) && contains() {
                containing.push((prohibitions.iter().any(|&what| area.prohibits(what)), area));
            }
        });
        containing.extend(named.iter().filter_map(|area| self.find(area)).map(|ix| (true, &self.areas[ix])));
        containing.sort_unstable_by(|(_, a), (_, b)| a.area.cmp(&b.area));

        let breached = || containing.iter().filter(|(breached, _)| *breached).map(|&(_, area)| area);
        let within = || containing.iter().map(|&(_, area)| area);
        let mut areas: Vec<String> = breached().map(|area| area.area.clone()).chain(named.iter().cloned()).collect();
        areas.sort_unstable();
        areas.dedup();
        let mut sectors: Vec<String> = within().filter_map(Area::sector_id).map(str::to_owned).collect();
        sectors.sort_unstable();
        sectors.dedup();
        let (notice, exceeds) = self.announced(class, way);
        Judgement {
            component: breached().chain(within()).find_map(|area| area.component).or(component_of(class)),
            violation: !areas.is_empty() && notice.is_none(),
            within: within().map(|area| area.area.clone()).collect(),
            protected_site: within().any(|area| area.kind == AreaType::ProtectedSite),
            areas,
            sectors,
            notice,
            exceeds,
        }
    }
}

/// Who is routed to a class of alert where no area says so. Sensors and jamming belong to nobody in particular.
fn component_of(class: Class) -> Option<Component> {
    match class {
        Class::AirIncursion => Some(Component::Air),
        Class::SeaIncursion | Class::SeaDark => Some(Component::Maritime),
        Class::SensorSilent | Class::SensorTamper | Class::Interference => None,
        _ => Some(Component::Ground),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::notice::NoticeKind;
    use geo::{LineString, MultiPolygon, Polygon};
    use proptest::prelude::*;

    fn square(west: f64, south: f64, size: f64) -> MultiPolygon<f64> {
        let (east, north) = (west + size, south + size);
        let ring = LineString::from(vec![(west, south), (east, south), (east, north), (west, north), (west, south)]);
        MultiPolygon::new(vec![Polygon::new(ring, Vec::new())])
    }

    fn area(id: &str, kind: AreaType, prohibits: &[Prohibition], shape: MultiPolygon<f64>) -> Area {
        Area {
            area: id.to_owned(),
            name: None,
            kind,
            prohibits: prohibits.to_vec(),
            component: None,
            sector: None,
            valid_from_ns: None,
            valid_to_ns: None,
            floor_m: None,
            ceiling_m: None,
            shape: Shape::Polygons(shape),
        }
    }

    fn notice(id: &str, kind: NoticeKind, from_ns: i64, to_ns: i64) -> Notice {
        Notice {
            notice: id.to_owned(),
            kinds: vec![kind],
            from_ns,
            to_ns,
            by: None,
            count: None,
            shape: square(30.0, 50.0, 0.2),
        }
    }

    const INSIDE: LonLat = LonLat { lon_deg: 30.05, lat_deg: 50.05 };
    const FIRE: &[Prohibition] = &[Prohibition::Fire];

    fn front() -> Places {
        let mut zone = area("zone", AreaType::Disengagement, FIRE, square(30.0, 50.0, 0.1));
        zone.component = Some(Component::Logistics);
        let line = Area {
            shape: Shape::Line(LineString::from(vec![(29.0, 50.05), (31.0, 50.05)])),
            ..area("line", AreaType::LineOfContact, FIRE, square(0.0, 0.0, 1.0))
        };
        let site = area("site", AreaType::ProtectedSite, &[Prohibition::Entry], square(30.0, 50.0, 0.06));
        Places::new(vec![zone, line, site, area("north", AreaType::Sector, &[], square(29.0, 49.0, 3.0))], Vec::new())
    }

    #[test]
    fn what_contains_it_and_what_it_breaches_are_told_apart() {
        let judged = front().judge(Class::FireImpact, FIRE, INSIDE, 0);
        assert_eq!(judged.areas, ["zone"]);
        assert_eq!(judged.within, ["north", "site", "zone"], "a line contains nothing");
        assert_eq!(judged.sectors, ["north"]);
        assert_eq!(judged.component, Some(Component::Logistics));
        assert!(judged.violation && judged.protected_site && judged.notice.is_none());
        let outside = front().judge(Class::FireImpact, FIRE, LonLat { lon_deg: 30.5, lat_deg: 50.5 }, 0);
        assert!(!outside.violation && outside.areas.is_empty());
        assert_eq!(outside.component, Some(Component::Ground), "by class where no area says so");
    }

    #[test]
    fn an_area_counts_while_it_is_valid() {
        let mut zone = area("zone", AreaType::Disengagement, FIRE, square(30.0, 50.0, 0.1));
        (zone.valid_from_ns, zone.valid_to_ns) = (Some(100), Some(200));
        let places = Places::new(vec![zone], Vec::new());
        let breached = |time_ns| places.judge(Class::FireShot, FIRE, INSIDE, time_ns).violation;
        assert_eq!([breached(99), breached(100), breached(199), breached(200)], [false, true, true, false]);
    }

    #[test]
    fn a_notice_covers_its_kind_its_place_and_its_time() {
        let mut places = front();
        places.upsert_notice(notice("n2", NoticeKind::LiveFire, 100, 200));
        places.upsert_notice(notice("n1", NoticeKind::Flight, 0, 1000));
        let judge = |class, place, time_ns| places.judge(class, FIRE, place, time_ns);
        let covered = judge(Class::FireBurst, INSIDE, 150);
        assert_eq!((covered.violation, covered.notice.as_deref()), (false, Some("n2")));
        assert_eq!(covered.areas, ["zone"], "it still says which area prohibits it");
        assert!(judge(Class::FireBurst, INSIDE, 201).violation && judge(Class::FireBurst, INSIDE, 99).violation);
        assert!(judge(Class::FireBurst, LonLat { lon_deg: 30.3, ..INSIDE }, 150).notice.is_none());
        assert!(judge(Class::Interference, INSIDE, 150).violation, "of another kind");
    }

    #[test]
    fn a_named_area_is_breached_from_its_border_on() {
        let judged = front().judge_named(
            Class::AirIncursion,
            &[],
            &[Waypoint::new(LonLat { lon_deg: 40.0, ..INSIDE }, 0)],
            &["zone".into()],
        );
        assert_eq!((judged.areas, judged.within), (vec!["zone".to_owned()], vec!["zone".to_owned()]));
        assert!(judged.violation);
    }

    #[test]
    fn a_change_shows_in_the_version_and_the_same_again_does_not() {
        let mut places = front();
        let version = places.version();
        places.upsert_area(places.areas()[0].clone());
        assert_eq!(places.version(), version);
        let mut moved = places.areas()[0].clone();
        moved.shape = Shape::Polygons(square(40.0, 50.0, 0.1));
        places.upsert_area(moved);
        assert!(places.version() > version);
        assert!(!places.judge(Class::FireShot, FIRE, INSIDE, 0).violation, "moved away");
        assert!(places.judge(Class::FireShot, FIRE, LonLat { lon_deg: 40.05, ..INSIDE }, 0).violation);
        places.remove_area("zone");
        assert!(!places.judge(Class::FireShot, FIRE, LonLat { lon_deg: 40.05, ..INSIDE }, 0).violation);
        assert_eq!(places.judge(Class::FireShot, FIRE, INSIDE, 0).within, ["north", "site"], "the others stay");
    }

    proptest! {
        #[test]
        fn what_is_near_holds_as_far_as_it_is_said_to(
            corners in proptest::collection::vec((-1.0f64..1.0, -1.0f64..1.0, 0.01f64..0.3), 1..30), north in -65.0f64..65.0,
            west in prop_oneof![Just(179.8), -180.0f64..180.0],
            lon in -1.0f64..1.0, lat in -1.0f64..1.0, metres in 0.0f64..9_000.0, turn in 0.0f64..1.0, share in 0.0f64..1.0,
        ) {
            let areas = corners.iter().enumerate()
                .map(|(n, &(x, y, size))| area(&format!("a{n}"), AreaType::NoFly, &[Prohibition::Uav], square(west + x, north + y, size)))
                .collect();
            let places = Places::new(areas, Vec::new());
            let place = LonLat { lon_deg: west + lon, lat_deg: north + lat };
            let (near, holds_m) = places.vicinity(place, metres, &[Prohibition::Uav], 5_000.0);
            prop_assert_eq!(&near, &places.near(place, metres, &[Prohibition::Uav]));
            let (sides, reach_deg) = (|near: Vec<(usize, f64)>| near.into_iter().map(|(ix, m)| (ix, m >= 0.0)).collect::<Vec<_>>(), holds_m / 111_700.0);
            let there = LonLat { lon_deg: place.lon_deg + reach_deg * share * turn, lat_deg: place.lat_deg - reach_deg * share * (1.0 - turn) };
            prop_assert!(place.most_m(there) <= holds_m + 1e-6);
            prop_assert_eq!(sides(places.near(there, metres, &[Prohibition::Uav])), sides(near));
        }

        #[test]
        fn the_index_finds_what_a_walk_through_all_finds(
            corners in proptest::collection::vec((-180.0f64..180.0, -70.0f64..70.0, 0.01f64..8.0), 1..60),
            lon in -180.0f64..180.0, lat in -70.0f64..70.0, metres in 0.0f64..200_000.0,
        ) {
            let areas = corners.iter().enumerate()
                .map(|(n, &(west, south, size))| area(&format!("a{n}"), AreaType::NoFly, &[Prohibition::Uav], square(west, south, size)))
                .collect();
            let places = Places::new(areas, Vec::new());
            let place = LonLat { lon_deg: lon, lat_deg: lat };
            let by_index: Vec<usize> = places.near(place, metres, &[Prohibition::Uav]).iter().map(|&(ix, _)| ix).collect();
            let by_walk: Vec<usize> =
                places.prohibiting(Prohibition::Uav).filter(|&ix| places.signed_distance_m(ix, place) >= -metres).collect();
            prop_assert_eq!(by_index, by_walk);
        }
    }
}
