//! Comma-separated tables: columns by name, fields with errors that name them.

use super::error::{ImportError, Skip};
use super::output::Output;
use crate::model::geo::LonLat;
use crate::model::time::{NS_PER_S, Timestamp, parse_rfc3339};
use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord};
use std::fs::File;
use std::path::{Path, PathBuf};

/// An open table.
pub(super) struct Table {
    path: PathBuf,
    reader: Reader<File>,
    header: Vec<String>,
}

impl Table {
    /// Opens it and reads the header.
    pub(super) fn open(path: &Path) -> Result<Table, ImportError> {
        let file = File::open(path).map_err(ImportError::io(path))?;
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
        let header = reader.byte_headers().map_err(|error| not_csv(path, 1, &error))?.clone();
        // Some publishers begin with a byte order mark or make a comment of the header.
        let name = |name: &str| name.trim_start_matches(['\u{feff}', '#']).trim().to_lowercase();
        let header = StringRecord::from_byte_record_lossy(header).iter().map(name).collect();
        Ok(Table { path: path.to_owned(), reader, header })
    }

    /// The column of one of these names (in lower case), if there is one.
    pub(super) fn find(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|held| held == name))
    }

    /// The column of one of these names.
    pub(super) fn column(&self, names: &[&str]) -> Result<usize, ImportError> {
        self.find(names).ok_or_else(|| ImportError::MissingColumn {
            path: self.path.clone(),
            expected: names.join(" or "),
            held: self.header.join(", "),
        })
    }

    /// Takes every row; those for which `take` says so are left out.
    pub(super) fn each(
        mut self,
        output: &mut Output,
        mut take: impl FnMut(&Row<'_>, &mut Output) -> Result<(), Skip>,
    ) -> Result<(), ImportError> {
        let mut bytes = ByteRecord::new();
        loop {
            let line = self.reader.position().line();
            let more = self.reader.read_byte_record(&mut bytes).map_err(|error| not_csv(&self.path, line, &error))?;
            if !more {
                return Ok(());
            }
            let line = bytes.position().map_or(line, csv::Position::line);
            let record = StringRecord::from_byte_record_lossy(bytes.clone());
            output.row();
            if let Err(skip) = take(&Row { record: &record, header: &self.header, line }, output) {
                output.skip(&self.path, line, skip);
            }
        }
    }
}

fn not_csv(path: &Path, line: u64, error: &csv::Error) -> ImportError {
    ImportError::NotTheFormat { path: path.to_owned(), line, message: error.to_string() }
}

/// One row.
pub(super) struct Row<'a> {
    record: &'a StringRecord,
    header: &'a [String],
    /// Its line, from 1.
    pub(super) line: u64,
}

impl Row<'_> {
    /// The text of a column, without the blanks around it; empty where the row is too short.
    pub(super) fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default().trim()
    }

    /// As [`Row::text`], but it must not be empty.
    pub(super) fn required(&self, column: usize) -> Result<&str, Skip> {
        let text = self.text(column);
        if text.is_empty() { Err(Skip::field("missing field", &self.header[column], "", "a value")) } else { Ok(text) }
    }

    /// A number, if the field is there and not empty.
    pub(super) fn number(&self, column: Option<usize>) -> Result<Option<f64>, Skip> {
        let Some(column) = column else { return Ok(None) };
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some(value)),
            _ => Err(Skip::field("not a number", &self.header[column], text, "a number")),
        }
    }

    /// A position of two columns.
    pub(super) fn place(&self, lon: usize, lat: usize) -> Result<LonLat, Skip> {
        let held = format!("{}, {}", self.text(lon), self.text(lat));
        let wrong = || Skip::field("bad position", "position", &held, "longitude −180 to 180, latitude −90 to 90");
        let (Some(lon_deg), Some(lat_deg)) = (self.number(Some(lon))?, self.number(Some(lat))?) else {
            return Err(wrong());
        };
        LonLat::checked(lon_deg, lat_deg).ok_or_else(wrong)
    }
}

/// An instant as `2016-01-12 13:02:11.218`, with `T` or a blank, with or without `Z`, taken as UTC; or as
/// `12/01/2016 13:02:11`, day first.
pub(super) fn civil_time(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_end_matches('Z');
    let (date, time) = text.split_once(['T', ' '])?;
    let date = match date.split('/').collect::<Vec<_>>()[..] {
        [day, month, year] => format!("{year}-{month:0>2}-{day:0>2}"),
        _ => date.to_owned(),
    };
    parse_rfc3339(format!("{date}T{time}Z").as_bytes()).map(Timestamp)
}

/// Seconds written as a decimal, to the nanosecond: a double would blur them. Digits beyond the ninth are cut.
pub(super) fn decimal_seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let nanoseconds: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(NS_PER_S)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_publishers_write_them() {
        let expected = parse_rfc3339(b"2016-01-12T13:02:11.218Z").map(Timestamp);
        assert_eq!(civil_time("2016-01-12 13:02:11.218"), expected);
        assert_eq!(civil_time("2016-01-12T13:02:11.218Z"), expected);
        assert_eq!(civil_time("12/1/2016 13:02:11.218"), expected);
        for wrong in ["", "2016-01-12", "2016-13-12 00:00:00", "12/01/2016", "1/2 00:00:00"] {
            assert_eq!(civil_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn seconds_keep_their_nanoseconds() {
        assert_eq!(decimal_seconds("1626098398.996"), Some(1_626_098_398_996_000_000));
        assert_eq!(decimal_seconds("1626098398"), Some(1_626_098_398_000_000_000));
        assert_eq!(decimal_seconds("0.0000000019"), Some(1));
        for wrong in ["", ".5", "-1", "1e9", "nan", "99999999999999999999"] {
            assert_eq!(decimal_seconds(wrong), None, "{wrong}");
        }
    }
}
