//! The shells around the engine, each readable from top to bottom.
//!
//! [`correlator`] is what replay and live run share: decoded lines in, alerts and rejected lines out, no input or output
//! of its own. A live run has three stages ([`run`]): one reads, one correlates, one tells and commits.

pub mod archive;
pub mod correlator;
pub mod demo;
mod handover;
mod held_keys;
mod intake;
pub mod latency;
pub mod learnt;
mod lessons;
mod live;
mod low_water;
pub mod nodes;
pub mod reference;
mod reference_tables;
pub mod replay;
pub mod run;
mod said_table;
#[cfg(test)]
mod simulation;
mod teller;
