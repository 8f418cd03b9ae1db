//! GeoJSON geometries (RFC 7946), both ways: points, polygons and lines on WGS 84, longitude first.

use super::{Feature, ReferenceError};
use crate::codec::bounds::{LATITUDE, LONGITUDE};
use crate::model::area::Shape;
use crate::model::geo::LonLat;
use geo::{Coord, LineString, MultiPolygon, Polygon};
use serde_json::{Value, json};

const POSITION: &str = "a longitude from -180 to 180, a latitude from -90 to 90 and at most a height";

impl Feature<'_> {
    fn fault(&self, part: &str, held: &Value, expected: &str) -> ReferenceError {
        ReferenceError::bad(format!("{}{part}", self.geometry_at), held, expected)
    }

    /// The type and the coordinates of the geometry.
    fn parts(&self, expected: &str) -> Result<(&str, &Value), ReferenceError> {
        let kind = self.geometry.get("type").and_then(Value::as_str);
        match (kind, self.geometry.get("coordinates")) {
            (Some(kind), Some(coordinates)) => Ok((kind, coordinates)),
            _ => Err(self.fault("", self.geometry, expected)),
        }
    }

    /// A point and its height in metres; `None` for the null geometry.
    pub(super) fn point(&self) -> Result<Option<(LonLat, Option<f64>)>, ReferenceError> {
        if self.geometry.is_null() {
            return Ok(None);
        }
        match self.parts("a Point or null")? {
            ("Point", coordinates) => Ok(Some(self.position(coordinates)?)),
            _ => Err(self.fault("", self.geometry, "a Point or null")),
        }
    }

    /// A polygon or several.
    pub(super) fn polygons(&self) -> Result<MultiPolygon<f64>, ReferenceError> {
        const EXPECTED: &str = "a Polygon or a MultiPolygon";
        match self.parts(EXPECTED)? {
            ("Polygon", coordinates) => Ok(MultiPolygon(vec![self.polygon(coordinates)?])),
            ("MultiPolygon", coordinates) => {
                let polygons = self.list(coordinates, 1, "a list of polygons")?;
                Ok(MultiPolygon(polygons.iter().map(|polygon| self.polygon(polygon)).collect::<Result<_, _>>()?))
            }
            _ => Err(self.fault("", self.geometry, EXPECTED)),
        }
    }

    /// A polygon, several, or a line.
    pub(super) fn shape(&self) -> Result<Shape, ReferenceError> {
        match self.parts("a Polygon, a MultiPolygon or a LineString")? {
            ("LineString", coordinates) => {
                Ok(Shape::Line(self.line(coordinates, 2, "a line of at least 2 positions")?))
            }
            ("Polygon" | "MultiPolygon", _) => Ok(Shape::Polygons(self.polygons()?)),
            _ => Err(self.fault("", self.geometry, "a Polygon, a MultiPolygon or a LineString")),
        }
    }

    fn position(&self, value: &Value) -> Result<(LonLat, Option<f64>), ReferenceError> {
        let numbers: Option<Vec<f64>> =
            value.as_array().and_then(|items| items.iter().map(Value::as_f64).collect::<Option<_>>());
        match numbers.as_deref() {
            Some(&[lon_deg, lat_deg, ref height @ ..])
                if LONGITUDE.hold(lon_deg) && LATITUDE.hold(lat_deg) && height.len() < 2 =>
            {
                Ok((LonLat { lon_deg, lat_deg }, height.first().copied()))
            }
            _ => Err(self.fault(".coordinates", value, POSITION)),
        }
    }

    fn list<'v>(&self, value: &'v Value, least: usize, expected: &str) -> Result<&'v [Value], ReferenceError> {
        match value.as_array() {
            Some(items) if items.len() >= least => Ok(items),
            _ => Err(self.fault(".coordinates", value, expected)),
        }
    }

    fn line(&self, value: &Value, least: usize, expected: &str) -> Result<LineString<f64>, ReferenceError> {
        let positions = self
            .list(value, least, expected)?
            .iter()
            .map(|position| self.position(position).map(|(place, _)| Coord { x: place.lon_deg, y: place.lat_deg }));
        Ok(LineString(positions.collect::<Result<_, _>>()?))
    }

    fn polygon(&self, value: &Value) -> Result<Polygon<f64>, ReferenceError> {
        const RING: &str = "a ring of at least 4 positions whose last is the first again";
        let mut rings = Vec::new();
        for ring in self.list(value, 1, "a list of rings, the outer one first")? {
            let line = self.line(ring, 4, RING)?;
            if !line.is_closed() {
                return Err(self.fault(".coordinates", ring, RING));
            }
            rings.push(line);
        }
        let outer = rings.remove(0);
        Ok(Polygon::new(outer, rings))
    }
}

/// The geometry of a point; null if there is none.
pub(super) fn of_point(place: Option<LonLat>, alt_m: Option<f64>) -> Value {
    match (place, alt_m) {
        (None, _) => Value::Null,
        (Some(place), None) => json!({"type": "Point", "coordinates": [place.lon_deg, place.lat_deg]}),
        (Some(place), Some(alt_m)) => json!({"type": "Point", "coordinates": [place.lon_deg, place.lat_deg, alt_m]}),
    }
}

/// The geometry of one polygon or several.
pub(super) fn of_polygons(polygons: &MultiPolygon<f64>) -> Value {
    let rings = |polygon: &Polygon<f64>| -> Vec<Value> {
        std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(of_line).collect()
    };
    match polygons.0.as_slice() {
        [polygon] => json!({"type": "Polygon", "coordinates": rings(polygon)}),
        several => json!({"type": "MultiPolygon", "coordinates": several.iter().map(rings).collect::<Vec<_>>()}),
    }
}

/// The geometry of a shape.
pub(super) fn of_shape(shape: &Shape) -> Value {
    match shape {
        Shape::Polygons(polygons) => of_polygons(polygons),
        Shape::Line(line) => json!({"type": "LineString", "coordinates": of_line(line)}),
    }
}

fn of_line(line: &LineString<f64>) -> Value {
    line.coords().map(|at| json!([at.x, at.y])).collect()
}
