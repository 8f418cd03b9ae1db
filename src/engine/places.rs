//! Areas and notices: what contains a place, what it breaches there, and which notice covers it.

mod announced;
mod grid;
mod kept;
mod outline;

pub use self::announced::Waypoint;
use self::grid::Grid;
pub use self::outline::metres_per_degree;
use self::outline::{Bounds, Outline, Reach};
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
        let reach = Reach::to_box(place.lat_deg, metres);
        self.area_grid.each_near(place, metres, |ix| {
            let hint = &self.area_hints[ix];
            if hint.prohibits & sought != 0 && hint.bounds.is_some_and(|bounds| bounds.may_be_near(place, reach)) {
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
        let (mut found, mut holds_m, sought): (Vec<(usize, f64)>, _, _) = (Vec::new(), most_m, bits(prohibitions));
        let reach = Reach::to_box(place.lat_deg, metres);
        let far = Reach::of(place.lat_deg, 2.0 * (metres + most_m));
        self.area_grid.each_near(place, metres + most_m, |ix| {
            let hint = &self.area_hints[ix];
            let Some(bounds) = hint.bounds.filter(|_| hint.prohibits & sought != 0) else { return };
            if !bounds.may_be_near(place, reach) {
                holds_m = holds_m.min(bounds.least_m(place, far) / 1.1 - metres);
                return;
            }
            // An area stands in several cells.
            if found.iter().any(|&(known, _)| known == ix) {
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
mod tests;
