//! score.
pub mod bound;
