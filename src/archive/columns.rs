//! Observations become Arrow columns, a row at a time.
//!
//! The table is wide and sparse: a row fills the common columns and those of its own kind. A column is therefore
//! padded with nulls only when it gets its next value, so that a row costs what it holds and not what the table
//! could hold. The one declaration below is both the schema and the builders.

use crate::model::kind::{Hint, Kind};
use crate::model::node::Registry;
use crate::model::observation::{Observations, RadarPoint, Span};
use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
    TimestampNanosecondBuilder, new_null_array,
};
use arrow::datatypes::{DataType, Field, TimeUnit};

/// The type of every time in the archive: nanoseconds, UTC.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// What a column must be able to do with absent values.
trait Build: ArrayBuilder + Sized {
    fn new() -> Self;
    fn data_type() -> DataType;
    fn nulls(&mut self, count: usize);
}

macro_rules! build {
    ($($builder:ty: $type:expr, $new:expr;)+) => {$(
        impl Build for $builder {
            fn new() -> Self { $new }
            fn data_type() -> DataType { $type }
            fn nulls(&mut self, count: usize) { self.append_nulls(count); }
        }
    )+};
}

build! {
    StringBuilder: DataType::Utf8, StringBuilder::new();
    Float64Builder: DataType::Float64, Float64Builder::new();
    Int32Builder: DataType::Int32, Int32Builder::new();
    Int64Builder: DataType::Int64, Int64Builder::new();
    BooleanBuilder: DataType::Boolean, BooleanBuilder::new();
    TimestampNanosecondBuilder: time_type(), TimestampNanosecondBuilder::new().with_data_type(time_type());
}

/// A column that is padded with nulls up to the row that is put.
struct Column<B>(B);

impl<B: Build> Column<B> {
    fn reach(&mut self, row: usize) -> &mut B {
        let missing = row - self.0.len();
        if missing > 0 {
            self.0.nulls(missing);
        }
        &mut self.0
    }

    fn finish(&mut self, rows: usize) -> ArrayRef {
        if self.0.is_empty() {
            return new_null_array(&B::data_type(), rows);
        }
        self.reach(rows);
        ArrayBuilder::finish(&mut self.0)
    }
}

impl Column<StringBuilder> {
    fn put(&mut self, row: usize, text: &str) {
        if !text.is_empty() {
            self.reach(row).append_value(text);
        }
    }
}

impl Column<Float64Builder> {
    fn put(&mut self, row: usize, value: f64) {
        if !value.is_nan() {
            self.reach(row).append_value(value);
        }
    }
}

impl Column<Int32Builder> {
    fn put(&mut self, row: usize, value: i32) {
        self.reach(row).append_value(value);
    }
}

impl Column<Int64Builder> {
    fn put(&mut self, row: usize, value: i64) {
        self.reach(row).append_value(value);
    }
}

impl Column<BooleanBuilder> {
    fn put(&mut self, row: usize, value: bool) {
        self.reach(row).append_value(value);
    }
}

impl Column<TimestampNanosecondBuilder> {
    fn put(&mut self, row: usize, value_ns: i64) {
        self.reach(row).append_value(value_ns);
    }
}

type Text = StringBuilder;
type Float = Float64Builder;
type Int = Int32Builder;
type Long = Int64Builder;
type Flag = BooleanBuilder;
type Time = TimestampNanosecondBuilder;

/// Declares the table once: `!` a column that every row has, `?` one that may be null.
macro_rules! table {
    ($($name:ident $mark:tt $type:ident),+ $(,)?) => {
        /// The telemetry table under construction.
        pub(super) struct TelemetryColumns { rows: usize, $($name: Column<$type>),+ }

        impl TelemetryColumns {
            /// No rows.
            pub(super) fn new() -> TelemetryColumns {
                TelemetryColumns { rows: 0, $($name: Column(<$type as Build>::new())),+ }
            }

            /// Names and types in the order of the table.
            pub(super) fn fields() -> Vec<Field> {
                vec![$(Field::new(stringify!($name), <$type as Build>::data_type(), table!(@nullable $mark))),+]
            }

            /// The rows as arrays in the order of [`TelemetryColumns::fields`]; none are left.
            pub(super) fn finish(&mut self) -> Vec<ArrayRef> {
                let rows = std::mem::take(&mut self.rows);
                vec![$(self.$name.finish(rows)),+]
            }
        }
    };
    (@nullable !) => { false };
    (@nullable ?) => { true };
}

table! {
    topic ! Text, partition ! Int, offset ! Long, line ! Int,
    kind ! Text, node ! Text, id ! Text, time ! Time, time_sd_s ? Float, lon ? Float, lat ? Float, alt_m ? Float,
    supersedes ? Text, withdrawn ? Flag,
    amplitude_pa ? Float, amplitude_m_s ? Float, snr_db ? Float, azimuth_deg ? Float, azimuth_sd_deg ? Float,
    class ? Text, phase ? Text, trace_velocity_m_s ? Float, frequency_hz ? Float, power_dbm ? Float, emitter ? Text,
    elevation_deg ? Float, intensity ? Float,
    origin_lon ? Float, origin_lat ? Float, origin_time ? Time, origin_time_sd_s ? Float, origin_semi_major_m ? Float,
    origin_semi_minor_m ? Float, origin_orientation_deg ? Float,
    impact_lon ? Float, impact_lat ? Float, impact_time ? Time, impact_time_sd_s ? Float, impact_semi_major_m ? Float,
    impact_semi_minor_m ? Float, impact_orientation_deg ? Float, projectile ? Text,
    track ? Text, domain ? Text, speed_m_s ? Float, course_deg ? Float, object_class ? Text, identity ? Text,
    object_lon ? Float, object_lat ? Float, object_alt_m ? Float, object_sd_m ? Float,
    pixel_m ? Float, frp_mw ? Float, confidence ? Float,
    band ? Text,
    health ? Text, clock_sd_s ? Float, temperature_c ? Float, wind_speed_m_s ? Float, wind_from_deg ? Float,
    noise_db ? Float,
    activity ? Text, count ? Long, count_is_minimum ? Flag, distance_m ? Float, distance_sd_m ? Float,
    duration_s ? Float, text ? Text, by ? Text, reason ? Text,
    raw ? Text,
}

impl TelemetryColumns {
    /// Rows held.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Adds row `at` of the batch, read from `topic`.
    pub(super) fn push(&mut self, batch: &Observations, at: usize, registry: &Registry, topic: &str) {
        let row = self.rows;
        self.rows += 1;
        let origin = batch.origin[at];
        self.topic.reach(row).append_value(topic);
        self.partition.put(row, origin.partition);
        self.offset.put(row, origin.offset);
        self.line.put(row, i32::try_from(origin.line).unwrap_or(i32::MAX));
        self.kind.reach(row).append_value(batch.kind[at].as_str());
        self.node.reach(row).append_value(&registry.node(batch.node[at]).name);
        self.id.reach(row).append_value(batch.text(batch.id[at]));
        self.time.put(row, batch.time_ns[at]);
        self.time_sd_s.put(row, batch.time_sd_s[at]);
        self.lon.put(row, batch.lon_deg[at]);
        self.lat.put(row, batch.lat_deg[at]);
        self.alt_m.put(row, batch.alt_m[at]);
        self.supersedes.put(row, batch.text(batch.supersedes[at]));
        if batch.withdrawn[at] {
            self.withdrawn.put(row, true);
        }
        self.raw.put(row, batch.text(batch.raw[at]));
        self.push_detail(batch, batch.kind[at], batch.detail[at] as usize, row);
    }

    fn push_detail(&mut self, batch: &Observations, kind: Kind, detail: usize, row: usize) {
        let text = |span: Span| batch.text(span);
        match kind {
            Kind::Acoustic | Kind::Infrasound | Kind::Seismic | Kind::Radio | Kind::Flash => {
                let it = batch.arrivals.row(detail);
                match kind {
                    Kind::Seismic => self.amplitude_m_s.put(row, it.amplitude),
                    _ => self.amplitude_pa.put(row, it.amplitude),
                }
                self.snr_db.put(row, it.snr_db);
                self.azimuth_deg.put(row, it.azimuth_deg);
                self.azimuth_sd_deg.put(row, it.azimuth_sd_deg);
                self.class.put(row, hint(it.hint));
                self.phase.put(row, it.phase.map_or("", |phase| phase.as_str()));
                self.trace_velocity_m_s.put(row, it.trace_velocity_m_s);
                self.frequency_hz.put(row, it.frequency_hz);
                self.power_dbm.put(row, it.power_dbm);
                self.emitter.put(row, text(it.emitter));
                self.elevation_deg.put(row, it.elevation_deg);
                self.intensity.put(row, it.intensity);
            }
            Kind::Radar => {
                let it = batch.radars.row(detail);
                self.push_origin(it.origin, row);
                self.push_impact(it.impact, row);
                self.projectile.put(row, text(it.projectile));
            }
            Kind::Track => {
                let it = batch.tracks.row(detail);
                self.track.put(row, text(it.track));
                self.domain.put(row, it.domain.as_str());
                self.speed_m_s.put(row, it.speed_m_s);
                self.course_deg.put(row, it.course_deg);
                self.object_class.put(row, text(it.object_class));
                self.identity.put(row, text(it.identity));
                self.object_lon.put(row, it.object_lon_deg);
                self.object_lat.put(row, it.object_lat_deg);
                self.object_alt_m.put(row, it.object_alt_m);
                self.object_sd_m.put(row, it.object_sd_m);
            }
            Kind::Thermal => {
                let it = batch.thermals.row(detail);
                self.object_lon.put(row, it.object_lon_deg);
                self.object_lat.put(row, it.object_lat_deg);
                self.object_sd_m.put(row, it.object_sd_m);
                self.pixel_m.put(row, it.pixel_m);
                self.frp_mw.put(row, it.frp_mw);
                self.confidence.put(row, it.confidence);
            }
            Kind::Interference => {
                let it = batch.interferences.row(detail);
                self.band.put(row, it.band.as_str());
                self.power_dbm.put(row, it.power_dbm);
                self.azimuth_deg.put(row, it.azimuth_deg);
                self.azimuth_sd_deg.put(row, it.azimuth_sd_deg);
            }
            Kind::Status => {
                let it = batch.statuses.row(detail);
                self.health.put(row, it.health.as_str());
                self.clock_sd_s.put(row, it.clock_sd_s);
                self.temperature_c.put(row, it.temperature_c);
                self.wind_speed_m_s.put(row, it.wind_speed_m_s);
                self.wind_from_deg.put(row, it.wind_from_deg);
                self.noise_db.put(row, it.noise_db);
            }
            Kind::Patrol => {
                let it = batch.patrols.row(detail);
                self.activity.put(row, it.activity.as_str());
                self.class.put(row, hint(it.hint));
                if it.count.is_finite() {
                    self.count.put(row, it.count as i64);
                    self.count_is_minimum.put(row, it.count_is_minimum);
                }
                self.azimuth_deg.put(row, it.azimuth_deg);
                self.azimuth_sd_deg.put(row, it.azimuth_sd_deg);
                self.distance_m.put(row, it.distance_m);
                self.distance_sd_m.put(row, it.distance_sd_m);
                self.duration_s.put(row, it.duration_s);
                self.text.put(row, text(it.text));
                self.object_class.put(row, text(it.object_class));
                self.object_lon.put(row, it.object_lon_deg);
                self.object_lat.put(row, it.object_lat_deg);
                self.by.put(row, text(it.by));
                self.reason.put(row, text(it.reason));
            }
        }
    }

    fn push_origin(&mut self, point: RadarPoint, row: usize) {
        let Some(time_ns) = point.time_ns else { return };
        self.origin_time.put(row, time_ns);
        self.origin_lon.put(row, point.lon_deg);
        self.origin_lat.put(row, point.lat_deg);
        self.origin_time_sd_s.put(row, point.time_sd_s);
        self.origin_semi_major_m.put(row, point.semi_major_m);
        self.origin_semi_minor_m.put(row, point.semi_minor_m);
        self.origin_orientation_deg.put(row, point.orientation_deg);
    }

    fn push_impact(&mut self, point: RadarPoint, row: usize) {
        let Some(time_ns) = point.time_ns else { return };
        self.impact_time.put(row, time_ns);
        self.impact_lon.put(row, point.lon_deg);
        self.impact_lat.put(row, point.lat_deg);
        self.impact_time_sd_s.put(row, point.time_sd_s);
        self.impact_semi_major_m.put(row, point.semi_major_m);
        self.impact_semi_minor_m.put(row, point.semi_minor_m);
        self.impact_orientation_deg.put(row, point.orientation_deg);
    }
}

/// A hint of `unknown` says no more than none at all.
fn hint(hint: Hint) -> &'static str {
    match hint {
        Hint::Unknown => "",
        known => known.as_str(),
    }
}
