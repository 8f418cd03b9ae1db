//! Areas and notices: what contains a place, what it breaches there, and which notice covers it.

use crate::model::alert::Class;
use crate::model::area::{Area, Prohibition};
use crate::model::geo::LonLat;
use crate::model::kind::Component;
use crate::model::notice::Notice;

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
    /// Whether a protected site contains it.
    pub protected_site: bool,
}

/// All areas and notices, indexed.
#[derive(Clone, Debug, Default)]
pub struct Places {
    areas: Vec<Area>,
    notices: Vec<Notice>,
}

impl Places {
    /// The places of these areas and notices.
    pub fn new(areas: Vec<Area>, notices: Vec<Notice>) -> Places {
        Places { areas, notices }
    }

    /// Adds or replaces an area.
    pub fn upsert_area(&mut self, area: Area) {
        self.areas.retain(|known| known.area != area.area);
        self.areas.push(area);
    }

    /// Removes an area.
    pub fn remove_area(&mut self, area: &str) {
        self.areas.retain(|known| known.area != area);
    }

    /// Adds or replaces a notice.
    pub fn upsert_notice(&mut self, notice: Notice) {
        self.notices.retain(|known| known.notice != notice.notice);
        self.notices.push(notice);
    }

    /// Removes a notice.
    pub fn remove_notice(&mut self, notice: &str) {
        self.notices.retain(|known| known.notice != notice);
    }

    /// All areas.
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// What the areas and notices say of an event of `class` at that place and time; `prohibitions` is what it
    /// would breach (any of them).
    pub fn judge(&self, _class: Class, _prohibitions: &[Prohibition], _place: LonLat, _time_ns: i64) -> Judgement {
        Judgement::default()
    }
}
