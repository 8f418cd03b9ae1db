//! The three tables: their names, columns and how each column is written.

use super::columns::TelemetryColumns;
use super::rows::{AlertRows, GEO_METADATA, RejectedRows};
use super::settings::ArchiveSettings;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};

/// A table of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Every observation that was understood.
    Telemetry,
    /// Every revision of every alert.
    Alerts,
    /// Every line that was refused.
    Rejected,
}

/// The manifest's format, and the file metadata's.
pub(super) const FORMAT: u32 = 1;

/// The key under which a file's metadata holds the offsets it covers.
pub(super) const OFFSETS_KEY: &str = "truceline.offsets";

/// Largest row group, in bytes before it is written: bounds what a writer holds.
const MAX_ROW_GROUP_BYTES: usize = 64 << 20;

/// Columns of which many rows share few values: a dictionary makes them small and quick to filter.
const FEW_VALUES: &[&str] = &[
    "topic",
    "partition",
    "kind",
    "node",
    "class",
    "sign",
    "emitter_label",
    "phase",
    "emitter",
    "projectile",
    "track",
    "domain",
    "object_class",
    "identity",
    "band",
    "health",
    "activity",
    "by",
    "status",
    "term",
    "component",
    "notice",
    "attribution",
    "software",
    "config_digest",
    "reason",
    "review_decision",
    "review_by",
];

/// Columns that are looked for by range: they carry statistics a page, so that a reader skips pages.
const LOOKED_FOR: &[&str] = &["time", "node", "kind", "class", "alert", "offset"];

/// Columns of which the least and the greatest value say nothing.
const NO_STATISTICS: &[&str] = &["raw", "geometry", "text", "message"];

impl Table {
    /// All tables.
    pub const ALL: [Table; 3] = [Table::Telemetry, Table::Alerts, Table::Rejected];

    /// Its name, which is its directory's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Table::Telemetry => "telemetry",
            Table::Alerts => "alerts",
            Table::Rejected => "rejected",
        }
    }

    /// Its columns.
    pub fn schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<[SchemaRef; 3]> = LazyLock::new(|| {
            [TelemetryColumns::fields(), AlertRows::fields(), RejectedRows::fields()]
                .map(|fields| Arc::new(Schema::new(fields)))
        });
        SCHEMAS[self as usize].clone()
    }

    /// How its files are written.
    pub(super) fn properties(self, settings: &ArchiveSettings) -> Result<WriterProperties, ParquetError> {
        let path = |name: &str| ColumnPath::new(vec![name.to_owned()]);
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("truceline ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(settings.zstd_level)?))
            .set_max_row_group_row_count(Some(settings.row_group_rows))
            .set_max_row_group_bytes(Some(MAX_ROW_GROUP_BYTES))
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_column_encoding(path("time"), Encoding::DELTA_BINARY_PACKED)
            .set_column_encoding(path("offset"), Encoding::DELTA_BINARY_PACKED);
        for name in FEW_VALUES {
            properties = properties.set_column_dictionary_enabled(path(name), true);
        }
        for name in LOOKED_FOR {
            properties = properties.set_column_statistics_enabled(path(name), EnabledStatistics::Page);
        }
        for name in NO_STATISTICS {
            properties = properties.set_column_statistics_enabled(path(name), EnabledStatistics::None);
        }
        if self == Table::Alerts {
            let geo = KeyValue::new("geo".to_owned(), GEO_METADATA.to_owned());
            properties = properties.set_key_value_metadata(Some(vec![geo]));
        }
        Ok(properties.build())
    }

    /// Its columns as text, one a line: name, type and whether it may be null.
    pub fn describe(self) -> String {
        let mut text = String::new();
        for field in self.schema().fields() {
            let null = if field.is_nullable() { ", may be null" } else { "" };
            text.push_str(&format!("{}: {}{null}\n", field.name(), name_of(field.data_type())));
        }
        text
    }
}

fn name_of(data_type: &arrow::datatypes::DataType) -> String {
    use arrow::datatypes::DataType;
    match data_type {
        DataType::Utf8 => "string".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Timestamp(..) => "timestamp (ns, UTC)".to_owned(),
        DataType::List(item) => format!("list of {}", name_of(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|f| format!("{} {}", f.name(), name_of(f.data_type()))).collect();
            format!("struct ({})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_every_table_as_it_is() {
        let page = include_str!("../../docs/archive.md");
        let shown = Table::ALL.map(|table| format!("```text\n{}```", table.describe()));
        let missing: Vec<&String> = shown.iter().filter(|shown| !page.contains(shown.as_str())).collect();
        for missing in &missing {
            eprintln!("docs/archive.md should hold:\n{missing}");
        }
        assert!(missing.is_empty());
    }
}
