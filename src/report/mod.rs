//! What a day came to: alerts in, figures and pages out. Reads, writes and asks no clock.
//!
//! A [`Ledger`] holds the newest revision of every alert of the days that are open, and what it says is a function of
//! that set, whatever the order in which alerts came. [`figures`] says how an alert counts. A [`Desk`] says when a day is
//! to be reported, and when again. [`page`] sets a day out for readers.

pub mod desk;
pub mod figures;
#[cfg(test)]
mod harness;
pub mod ledger;
pub mod page;
pub mod settings;

pub use desk::{Desk, PassedOver};
pub use ledger::{Ledger, Taken};
pub use settings::ReportSettings;
