//! An area or a line.

use super::{Feature, MAX_NAME_BYTES, Reference, ReferenceError, geometry, to_feature};
use crate::codec::bounds::ANY;
use crate::model::area::{Area, AreaType, Prohibition};
use crate::model::kind::Component;
use crate::model::time::Timestamp;
use serde_json::{Value, json};

impl Reference for Area {
    const ID: &'static str = "area";

    fn id(&self) -> &str {
        &self.area
    }

    fn from_feature(feature: &Feature<'_>) -> Result<Area, ReferenceError> {
        let properties = &feature.properties;
        let area = properties.required_name("area", MAX_NAME_BYTES)?;
        let kind = properties.required_word("type", AreaType::parse, AreaType::ALL)?;
        let own_sector = (kind == AreaType::Sector).then(|| area.clone());
        let (valid_from_ns, valid_to_ns) = (properties.time_ns("valid_from")?, properties.time_ns("valid_to")?);
        if let (Some(from_ns), Some(to_ns)) = (valid_from_ns, valid_to_ns)
            && from_ns >= to_ns
        {
            return Err(properties.fault("valid_to", "a time after valid_from"));
        }
        let (floor_m, ceiling_m) = (properties.number("floor_m", &ANY)?, properties.number("ceiling_m", &ANY)?);
        if let (Some(floor_m), Some(ceiling_m)) = (floor_m, ceiling_m)
            && floor_m >= ceiling_m
        {
            return Err(properties.fault("ceiling_m", "a height above floor_m"));
        }
        Ok(Area {
            area,
            name: properties.name("name", MAX_NAME_BYTES)?,
            kind,
            prohibits: properties.words("prohibits", Prohibition::parse, Prohibition::ALL)?,
            component: properties.word("component", Component::parse, Component::ALL)?,
            sector: properties.name("sector", MAX_NAME_BYTES)?.or(own_sector),
            valid_from_ns,
            valid_to_ns,
            floor_m,
            ceiling_m,
            shape: feature.shape()?,
        })
    }

    fn to_feature(&self) -> Value {
        let properties = json!({
            "area": self.area,
            "name": self.name,
            "type": self.kind,
            "prohibits": self.prohibits,
            "component": self.component,
            "sector": self.sector,
            "valid_from": self.valid_from_ns.map(Timestamp),
            "valid_to": self.valid_to_ns.map(Timestamp),
            "floor_m": self.floor_m,
            "ceiling_m": self.ceiling_m,
        });
        to_feature(geometry::of_shape(&self.shape), properties)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::reference::{from_collection, from_record, to_collection};
    use crate::model::area::Shape;
    use geo::{MultiPolygon, line_string, polygon};

    fn area(id: &str, shape: Shape) -> Area {
        Area {
            area: id.to_owned(),
            name: Some("Second line".to_owned()),
            kind: AreaType::Withdrawal,
            prohibits: vec![Prohibition::HeavyWeapons, Prohibition::Fire],
            component: Some(Component::Ground),
            sector: Some("south".to_owned()),
            valid_from_ns: Some(1_700_000_000_000_000_001),
            valid_to_ns: None,
            floor_m: None,
            ceiling_m: None,
            shape,
        }
    }

    #[test]
    fn an_area_of_any_shape_reads_back_as_it_was_written() {
        let square = polygon![(x: 30.0, y: 46.0), (x: 31.0, y: 46.0), (x: 31.0, y: 47.0), (x: 30.0, y: 46.0)];
        let holed = polygon!(
            exterior: [(x: 0.0, y: 0.0), (x: 9.0, y: 0.0), (x: 9.0, y: 9.0), (x: 0.0, y: 0.0)],
            interiors: [[(x: 3.0, y: 1.0), (x: 4.0, y: 1.0), (x: 4.0, y: 2.0), (x: 3.0, y: 1.0)]],
        );
        let areas = vec![
            area("withdrawal-1", Shape::Polygons(MultiPolygon(vec![square.clone()]))),
            area("withdrawal-2", Shape::Polygons(MultiPolygon(vec![square, holed]))),
            area("withdrawal-3", Shape::Line(line_string![(x: 30.0, y: 46.0), (x: 31.25, y: 46.5)])),
        ];
        assert_eq!(from_collection(to_collection(&areas).to_string().as_bytes()), Ok(areas));
    }

    #[test]
    fn a_sector_belongs_to_itself() {
        let feature = json!({"type": "Feature", "properties": {"area": "north", "type": "sector"},
            "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}});
        let area: Area = from_record(feature.to_string().as_bytes()).unwrap();
        assert_eq!(area.sector.as_deref(), Some("north"));
        assert!(area.prohibits.is_empty());
    }

    #[test]
    fn a_shape_that_is_none_is_refused() {
        for geometry in [
            json!(null),
            json!({"type": "Point", "coordinates": [0, 0]}),
            json!({"type": "Polygon", "coordinates": []}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 91], [0, 0]]]}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, "1"], [0, 0]]]}),
            json!({"type": "LineString", "coordinates": [[0, 0]]}),
            json!({"type": "MultiPolygon", "coordinates": []}),
        ] {
            let feature = json!({"type": "Feature", "geometry": geometry,
                "properties": {"area": "a", "type": "no_fly"}});
            assert!(from_record::<Area>(feature.to_string().as_bytes()).is_err(), "{feature}");
        }
    }

    #[test]
    fn an_area_must_end_after_it_began() {
        let feature = json!({"type": "Feature",
            "geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 0]]},
            "properties": {"area": "a", "type": "line_of_contact",
                "valid_from": "2025-01-02T00:00:00Z", "valid_to": "2025-01-01T00:00:00Z"}});
        let fault = from_record::<Area>(feature.to_string().as_bytes()).unwrap_err().to_string();
        assert_eq!(fault, "properties.valid_to held \"2025-01-01T00:00:00Z\"; expected a time after valid_from");
    }
}
