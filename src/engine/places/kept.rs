//! Areas and notices as a checkpoint has them: outlines, and who finds which, are made of that again.

use super::Places;
use crate::model::area::Area;
use crate::model::notice::Notice;
use serde::Deserialize;

/// What of them is written down.
#[derive(Deserialize)]
pub(super) struct Kept {
    areas: Vec<Area>,
    notices: Vec<Notice>,
    version: u64,
}

impl From<Kept> for Places {
    fn from(Kept { areas, notices, version }: Kept) -> Places {
        Places { version, ..Places::new(areas, notices) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::Class;
    use crate::model::area::{AreaType, Prohibition, Shape};
    use crate::model::geo::LonLat;
    use crate::model::notice::NoticeKind;
    use geo::{LineString, MultiPolygon, Polygon};
    use proptest::prelude::*;

    fn square(west: f64) -> MultiPolygon<f64> {
        let ring = [(west, 50.0), (west + 0.2, 50.0), (west + 0.2, 50.2), (west, 50.2), (west, 50.0)];
        MultiPolygon::new(vec![Polygon::new(LineString::from(ring.to_vec()), Vec::new())])
    }

    fn area(name: u8, west: f64) -> Area {
        let line = LineString::from(vec![(west, 50.0), (west + 0.1, 50.2)]);
        Area {
            area: format!("a{name}"),
            name: None,
            kind: AreaType::LineOfContact,
            prohibits: vec![Prohibition::Fire],
            component: None,
            sector: None,
            valid_from_ns: name.is_multiple_of(2).then_some(5),
            valid_to_ns: None,
            floor_m: None,
            ceiling_m: Some(f64::from(name)),
            shape: if name.is_multiple_of(3) { Shape::Line(line) } else { Shape::Polygons(square(west)) },
        }
    }

    fn notice(name: u8, west: f64) -> Notice {
        let (kinds, shape) = (vec![NoticeKind::LiveFire], square(west));
        Notice { notice: format!("n{name}"), kinds, from_ns: 0, to_ns: 10, count: Some(3), by: None, shape }
    }

    proptest! {
        #[test]
        fn places_are_what_they_were(
            changes in proptest::collection::vec((0u8..6, any::<bool>(), any::<bool>(), 29.9f64..30.1), 0..30),
        ) {
            let mut places = Places::default();
            for (name, is_area, is_there, west) in changes {
                match (is_area, is_there) {
                    (true, true) => places.upsert_area(area(name, west)),
                    (true, false) => places.remove_area(&format!("a{name}")),
                    (false, true) => places.upsert_notice(notice(name, west)),
                    (false, false) => places.remove_notice(&format!("n{name}")),
                }
            }
            let again: Places = postcard::from_bytes(&postcard::to_stdvec(&places).unwrap()).unwrap();
            prop_assert_eq!(again.version(), places.version());
            prop_assert_eq!((again.areas(), again.notices()), (places.areas(), places.notices()));
            for step in 0..40 {
                let place = LonLat { lon_deg: 29.85 + f64::from(step) / 80.0, lat_deg: 50.05 };
                let judged = |of: &Places| of.judge(Class::FireImpact, &[Prohibition::Fire], place, 7);
                prop_assert_eq!(judged(&again), judged(&places));
                let near = |of: &Places| of.vicinity(place, 900.0, &[Prohibition::Fire], 2_000.0);
                prop_assert_eq!(near(&again), near(&places));
            }
            for name in 0..6 {
                let name = format!("a{name}");
                prop_assert_eq!(again.find(&name), places.find(&name));
            }
        }
    }
}
