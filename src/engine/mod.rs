//! Observations in, alerts out. Pure: no clock, thread, socket, file or random source; the shells around it
//! bring the batches and carry away what it says.

pub mod associate;
pub mod book;
pub mod checks;
pub mod places;
pub mod rules;
pub mod settings;
