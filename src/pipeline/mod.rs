//! The shells around the engine, each readable from top to bottom.
//!
//! [`correlator`] is what replay and live run share: records in, alerts and rejected lines out, no input or output of
//! its own.

pub mod archive;
pub mod correlator;
pub mod demo;
mod held_keys;
mod low_water;
pub mod nodes;
pub mod reference;
pub mod replay;
pub mod run;
