//! Alerts and rejected lines become Arrow columns.
//!
//! Both are few beside the telemetry, so rows are kept as they came until there are enough for a batch.

use super::columns::time_type;
use super::store::{ReadFrom, RejectedLine};
use crate::model::alert::{Alert, AlertFeature, Evidence};
use crate::model::time::Timestamp;
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, StringArray,
    StructArray, TimestampNanosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use std::sync::Arc;

/// An alert waiting to be written.
struct AlertRow {
    feature: AlertFeature,
    raw: String,
    from: Option<ReadFrom>,
}

/// The alerts table under construction.
#[derive(Default)]
pub(super) struct AlertRows(Vec<AlertRow>);

fn evidence_fields() -> Fields {
    Fields::from(vec![
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("line", DataType::Int32, false),
        Field::new("id", DataType::Utf8, false),
        Field::new("node", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("residual_s", DataType::Float64, true),
        Field::new("residual_deg", DataType::Float64, true),
    ])
}

fn bbox_fields() -> Fields {
    Fields::from(["xmin", "ymin", "xmax", "ymax"].map(|name| Field::new(name, DataType::Float64, false)).to_vec())
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, false))
}

impl AlertRows {
    /// Names and types in the order of the table.
    pub(super) fn fields() -> Vec<Field> {
        let texts = || DataType::List(item(DataType::Utf8));
        let (text, float, flag) = (DataType::Utf8, DataType::Float64, DataType::Boolean);
        [
            ("alert", text.clone(), false),
            ("revision", DataType::Int64, false),
            ("status", text.clone(), false),
            ("superseded_by", text.clone(), true),
            ("class", text.clone(), false),
            ("sign", text.clone(), true),
            ("time", time_type(), false),
            ("time_sd_s", float.clone(), false),
            ("lon", float.clone(), false),
            ("lat", float.clone(), false),
            ("semi_major_m", float.clone(), true),
            ("semi_minor_m", float.clone(), true),
            ("orientation_deg", float.clone(), true),
            ("count", DataType::Int64, false),
            ("count_is_minimum", flag.clone(), false),
            ("probability", float.clone(), false),
            ("term", text.clone(), false),
            ("severity", DataType::Int32, false),
            ("areas", texts(), false),
            ("within", texts(), false),
            ("sectors", texts(), false),
            ("component", text.clone(), true),
            ("from", time_type(), true),
            ("to", time_type(), true),
            ("violation", flag, false),
            ("notice", text.clone(), true),
            ("evidence", DataType::List(item(DataType::Struct(evidence_fields()))), false),
            ("silent", texts(), false),
            ("direction_of_fire_deg", float.clone(), true),
            ("emitter_label", text.clone(), true),
            ("emitter_frequency_hz", float.clone(), true),
            ("attribution", text.clone(), false),
            ("review_decision", text.clone(), true),
            ("review_revision", DataType::Int64, true),
            ("review_attribution", text.clone(), true),
            ("review_by", text.clone(), true),
            ("review_at", time_type(), true),
            ("review_reason", text.clone(), true),
            ("software", text.clone(), false),
            ("config_digest", text.clone(), false),
            ("evidence_digest", text.clone(), false),
            ("event_to_alert_ms", float.clone(), true),
            ("ingest_to_alert_ms", float, true),
            ("topic", text.clone(), true),
            ("partition", DataType::Int32, true),
            ("offset", DataType::Int64, true),
            ("geometry", DataType::Binary, false),
            ("bbox", DataType::Struct(bbox_fields()), false),
            ("raw", text, false),
        ]
        .into_iter()
        .map(|(name, data_type, nullable)| Field::new(name, data_type, nullable))
        .collect()
    }

    /// Rows held.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an alert; `raw` is the message as it was sent.
    pub(super) fn push(&mut self, feature: &AlertFeature, raw: &str, from: Option<&ReadFrom>) {
        self.0.push(AlertRow { feature: feature.clone(), raw: raw.to_owned(), from: from.cloned() });
    }

    /// The rows as arrays in the order of [`AlertRows::fields`]; none are left.
    pub(super) fn finish(&mut self) -> Vec<ArrayRef> {
        let rows = std::mem::take(&mut self.0);
        let of = || rows.iter().map(|row| &row.feature.properties);
        let text = |get: fn(&Alert) -> &str| array(StringArray::from_iter_values(of().map(get)));
        let float = |get: fn(&Alert) -> f64| array(Float64Array::from_iter_values(of().map(get)));
        let flag = |get: fn(&Alert) -> bool| array(of().map(|it| Some(get(it))).collect::<BooleanArray>());
        let maybe_text = |get: fn(&Alert) -> Option<&str>| array(of().map(get).collect::<StringArray>());
        let maybe_float = |get: fn(&Alert) -> Option<f64>| array(of().map(get).collect::<Float64Array>());
        let maybe_time = |get: fn(&Alert) -> Option<Timestamp>| {
            let times = of().map(|it| get(it).map(|time| time.0)).collect::<TimestampNanosecondArray>();
            array(times.with_data_type(time_type()))
        };
        let list = |get: fn(&Alert) -> &[String]| texts(of().map(get));
        let place = |at: usize| {
            array(Float64Array::from_iter_values(rows.iter().map(|row| row.feature.geometry.coordinates[at])))
        };
        let evidence: Vec<&[Evidence]> = of().map(|it| it.evidence.as_slice()).collect();
        vec![
            text(|it| &it.alert),
            array(Int64Array::from_iter_values(of().map(|it| i64::from(it.revision)))),
            text(|it| it.status.as_str()),
            maybe_text(|it| it.superseded_by.as_deref()),
            text(|it| it.class.as_str()),
            maybe_text(|it| it.sign.map(|sign| sign.as_str())),
            maybe_time(|it| Some(it.time)),
            float(|it| it.time_sd_s),
            place(0),
            place(1),
            maybe_float(|it| it.ellipse.map(|ellipse| ellipse.semi_major_m)),
            maybe_float(|it| it.ellipse.map(|ellipse| ellipse.semi_minor_m)),
            maybe_float(|it| it.ellipse.map(|ellipse| ellipse.orientation_deg)),
            array(Int64Array::from_iter_values(of().map(|it| i64::from(it.count)))),
            flag(|it| it.count_is_minimum),
            float(|it| it.probability),
            text(|it| it.term.as_str()),
            array(Int32Array::from_iter_values(of().map(|it| i32::from(it.severity)))),
            list(|it| &it.areas),
            list(|it| &it.within),
            list(|it| &it.sectors),
            maybe_text(|it| it.component.map(|component| component.as_str())),
            maybe_time(|it| it.from),
            maybe_time(|it| it.to),
            flag(|it| it.violation),
            maybe_text(|it| it.notice.as_deref()),
            evidence_lists(&evidence),
            list(|it| &it.silent),
            maybe_float(|it| it.direction_of_fire_deg),
            maybe_text(|it| it.emitter.as_ref().and_then(|emitter| emitter.label.as_deref())),
            maybe_float(|it| it.emitter.as_ref().and_then(|emitter| emitter.frequency_hz)),
            text(|it| &it.attribution),
            maybe_text(|it| it.review.as_ref().map(|review| review.decision.as_str())),
            array(of().map(|it| it.review.as_ref().map(|review| i64::from(review.revision))).collect::<Int64Array>()),
            maybe_text(|it| it.review.as_ref().and_then(|review| review.attribution.as_deref())),
            maybe_text(|it| it.review.as_ref().map(|review| review.by.as_str())),
            maybe_time(|it| it.review.as_ref().map(|review| review.at)),
            maybe_text(|it| it.review.as_ref().and_then(|review| review.reason.as_deref())),
            text(|it| &it.software),
            text(|it| &it.config_digest),
            text(|it| &it.evidence_digest),
            maybe_float(|it| it.latency.map(|latency| latency.event_to_alert_ms)),
            maybe_float(|it| it.latency.map(|latency| latency.ingest_to_alert_ms)),
            array(rows.iter().map(|row| row.from.as_ref().map(|from| from.topic.as_str())).collect::<StringArray>()),
            array(rows.iter().map(|row| row.from.as_ref().map(|from| from.partition)).collect::<Int32Array>()),
            array(rows.iter().map(|row| row.from.as_ref().map(|from| from.offset)).collect::<Int64Array>()),
            array(BinaryArray::from_iter_values(rows.iter().map(|row| wkb_point(row.feature.geometry.coordinates)))),
            array(StructArray::new(bbox_fields(), vec![place(0), place(1), place(0), place(1)], None)),
            array(StringArray::from_iter_values(rows.iter().map(|row| &row.raw))),
        ]
    }
}

/// The file metadata by which GeoParquet 1.1 readers know the geometry; longitude and latitude on WGS 84 is what it
/// means when no `crs` is given.
pub(super) const GEO_METADATA: &str = concat!(
    r#"{"version":"1.1.0","primary_column":"geometry","columns":{"geometry":{"encoding":"WKB","#,
    r#""geometry_types":["Point"],"covering":{"bbox":{"xmin":["bbox","xmin"],"ymin":["bbox","ymin"],"#,
    r#""xmax":["bbox","xmax"],"ymax":["bbox","ymax"]}}}}}"#
);

/// A point as well-known binary: byte order 1 (little endian), type 1, x, y (OGC 06-103r4, 8.2).
fn wkb_point([lon_deg, lat_deg]: [f64; 2]) -> [u8; 21] {
    let mut bytes = [0; 21];
    (bytes[0], bytes[1]) = (1, 1);
    bytes[5..13].copy_from_slice(&lon_deg.to_le_bytes());
    bytes[13..].copy_from_slice(&lat_deg.to_le_bytes());
    bytes
}

fn texts<'a>(lists: impl Iterator<Item = &'a [String]> + Clone) -> ArrayRef {
    let lengths = OffsetBuffer::from_lengths(lists.clone().map(<[String]>::len));
    let values: Vec<&String> = lists.flatten().collect();
    array(ListArray::new(item(DataType::Utf8), lengths, array(StringArray::from_iter_values(values)), None))
}

fn evidence_lists(lists: &[&[Evidence]]) -> ArrayRef {
    let all: Vec<&Evidence> = lists.iter().flat_map(|list| list.iter()).collect();
    let of = || all.iter();
    let columns: Vec<ArrayRef> = vec![
        array(StringArray::from_iter_values(of().map(|it| &it.topic))),
        array(Int32Array::from_iter_values(of().map(|it| it.partition))),
        array(Int64Array::from_iter_values(of().map(|it| it.offset))),
        array(Int32Array::from_iter_values(of().map(|it| line_column(it.line)))),
        array(StringArray::from_iter_values(of().map(|it| &it.id))),
        array(StringArray::from_iter_values(of().map(|it| &it.node))),
        array(StringArray::from_iter_values(of().map(|it| it.kind.as_str()))),
        array(of().map(|it| it.residual_s).collect::<Float64Array>()),
        array(of().map(|it| it.residual_deg).collect::<Float64Array>()),
    ];
    let lengths = OffsetBuffer::from_lengths(lists.iter().map(|list| list.len()));
    let values = StructArray::new(evidence_fields(), columns, None);
    array(ListArray::new(item(DataType::Struct(evidence_fields())), lengths, array(values), None))
}

/// A line number as the tables hold it. A record is at most 1 MiB, so the end is never reached.
fn line_column(line: u32) -> i32 {
    i32::try_from(line).unwrap_or(i32::MAX)
}

/// A rejected line waiting to be written.
struct RejectedRow {
    from: ReadFrom,
    line: u32,
    reason: &'static str,
    message: String,
    raw: Vec<u8>,
}

/// The table of rejected lines under construction.
#[derive(Default)]
pub(super) struct RejectedRows(Vec<RejectedRow>);

impl RejectedRows {
    /// Names and types in the order of the table.
    pub(super) fn fields() -> Vec<Field> {
        vec![
            Field::new("topic", DataType::Utf8, false),
            Field::new("partition", DataType::Int32, false),
            Field::new("offset", DataType::Int64, false),
            Field::new("line", DataType::Int32, false),
            Field::new("reason", DataType::Utf8, false),
            Field::new("message", DataType::Utf8, false),
            Field::new("raw", DataType::Binary, false),
        ]
    }

    /// Rows held.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a line.
    pub(super) fn push(&mut self, line: &RejectedLine<'_>) {
        self.0.push(RejectedRow {
            from: ReadFrom { topic: line.topic.to_owned(), partition: line.partition, offset: line.offset },
            line: line.line,
            reason: line.reason.as_str(),
            message: line.message.to_owned(),
            raw: line.raw.to_vec(),
        });
    }

    /// The rows as arrays in the order of [`RejectedRows::fields`]; none are left.
    pub(super) fn finish(&mut self) -> Vec<ArrayRef> {
        let rows = std::mem::take(&mut self.0);
        vec![
            array(StringArray::from_iter_values(rows.iter().map(|row| &row.from.topic))),
            array(Int32Array::from_iter_values(rows.iter().map(|row| row.from.partition))),
            array(Int64Array::from_iter_values(rows.iter().map(|row| row.from.offset))),
            array(Int32Array::from_iter_values(rows.iter().map(|row| line_column(row.line)))),
            array(StringArray::from_iter_values(rows.iter().map(|row| row.reason))),
            array(StringArray::from_iter_values(rows.iter().map(|row| &row.message))),
            array(BinaryArray::from_iter_values(rows.iter().map(|row| &row.raw))),
        ]
    }
}

fn array<A: Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}
