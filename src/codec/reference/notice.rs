//! A notified activity.

use super::{Feature, MAX_NAME_BYTES, Reference, ReferenceError, geometry, to_feature};
use crate::codec::bounds::COUNT;
use crate::model::notice::{Notice, NoticeKind};
use crate::model::time::Timestamp;
use serde_json::{Value, json};

impl Reference for Notice {
    const ID: &'static str = "notice";

    fn id(&self) -> &str {
        &self.notice
    }

    fn from_feature(feature: &Feature<'_>) -> Result<Notice, ReferenceError> {
        let properties = &feature.properties;
        let kinds = properties.words("kinds", NoticeKind::parse, NoticeKind::ALL)?;
        if kinds.is_empty() {
            return Err(properties.fault("kinds", "a list of at least one of what is announced"));
        }
        let (from_ns, to_ns) = (properties.required_time_ns("from")?, properties.required_time_ns("to")?);
        if from_ns >= to_ns {
            return Err(properties.fault("to", "a time after from"));
        }
        Ok(Notice {
            notice: properties.required_name("notice", MAX_NAME_BYTES)?,
            kinds,
            from_ns,
            to_ns,
            count: properties.number("count", &COUNT)?.map(|count| count as u32),
            by: properties.name("by", MAX_NAME_BYTES)?,
            shape: feature.polygons()?,
        })
    }

    fn to_feature(&self) -> Value {
        let properties = json!({
            "notice": self.notice,
            "kinds": self.kinds,
            "from": Timestamp(self.from_ns),
            "to": Timestamp(self.to_ns),
            "count": self.count,
            "by": self.by,
        });
        to_feature(geometry::of_polygons(&self.shape), properties)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::reference::{from_record, to_collection};
    use geo::{MultiPolygon, polygon};

    #[test]
    fn a_notice_reads_back_as_it_was_written() {
        let notice = Notice {
            notice: "shoot-12".to_owned(),
            kinds: vec![NoticeKind::LiveFire, NoticeKind::Movement],
            from_ns: 1_700_000_000_000_000_000,
            to_ns: 1_700_003_600_000_000_000,
            by: None,
            count: Some(20),
            shape: MultiPolygon(vec![polygon![(x: 0.0, y: 0.0), (x: 1.0, y: 0.0), (x: 1.0, y: 1.0), (x: 0.0, y: 0.0)]]),
        };
        let collection = to_collection(std::slice::from_ref(&notice));
        assert_eq!(from_record::<Notice>(collection["features"][0].to_string().as_bytes()), Ok(notice));
    }

    #[test]
    fn a_notice_announces_something_for_some_time() {
        let with = |kinds: Value, to: &str| {
            let feature = json!({"type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
                "properties": {"notice": "n", "kinds": kinds, "from": "2025-01-01T08:00:00Z", "to": to}});
            from_record::<Notice>(feature.to_string().as_bytes()).map_err(|fault| fault.to_string())
        };
        assert!(with(json!(["flight"]), "2025-01-01T09:00:00Z").is_ok());
        assert!(with(json!([]), "2025-01-01T09:00:00Z").unwrap_err().contains("kinds"));
        assert!(with(json!(["picnic"]), "2025-01-01T09:00:00Z").unwrap_err().contains("live_fire"));
        assert!(with(json!(["flight"]), "2025-01-01T08:00:00Z").unwrap_err().contains("after from"));
    }
}
