//! A daily report as it goes out: its bytes and headers.

use super::alert::event_headers;
use crate::model::daily::DailyReport;

/// The CloudEvents type of a daily report.
pub const DAILY_TYPE: &str = "truceline.report.daily.v1";

/// The value of a daily report's record: compact JSON, fields in the order of the schema.
///
/// # Errors
/// None in practice: a report holds only what JSON can.
pub fn daily_json(report: &DailyReport) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(report)
}

/// The headers of a daily report's record: CloudEvents 1.0 in the binary mode of its Kafka binding.
pub fn daily_headers(report: &DailyReport) -> Vec<(&'static str, String)> {
    let subject = format!("{}/{}", report.sector, report.day);
    event_headers(DAILY_TYPE, format!("{subject}/{}", report.revision), report.to, subject, "application/json")
}
