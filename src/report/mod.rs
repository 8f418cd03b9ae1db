//! What a day came to: alerts in, figures and pages out. Reads, writes and asks no clock.
//!
//! A [`Ledger`] holds the newest revision of every alert of the days that are open; [`figures`] adds one to a day's.
//! What it says is a function of that set, whatever the order in which alerts came.

pub mod figures;
pub mod ledger;
pub mod settings;

pub use ledger::{Ledger, Taken};
pub use settings::ReportSettings;
